"""What must hold between the tables of a history: presence, the course of states, one tie at a time."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from tocsin.errors import nearest
from tocsin.history.presence import Presence, presence_of
from tocsin.history.spans import Spans, empty, first_order, precedence, representative, spans_of, tightened
from tocsin.history.tables.schema import MARK, PROVENANCE, UNITS, misspelt, since
from tocsin.history.time import EARLIEST, LATEST

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tocsin.history.tables.columns import Parsed
    from tocsin.history.tables.schema import Report
    from tocsin.history.time import Clock
    from tocsin.states import StateVariable


def check_presence(units: Parsed, events: Parsed, clock: Clock, report: Report) -> NDArray[np.bool_]:
    """Report events outside their unit's presence or after the window; return the events that are well
    placed.

    An event before the window sets a state and a memory, for units that are there when the window opens.
    """
    if not events.rows or not events.usable.any():
        return events.usable
    enter, leave = presence(units, clock)
    unit, time = events.columns["unit"], events.columns["time"]
    good = events.usable.copy()
    rows = np.flatnonzero(good)
    u, t = unit[rows], time[rows]
    spans = known_spans(units, events, rows, clock)
    exact = np.ones(rows.size, bool) if spans is None else spans.known
    there = spells(units, (), clock)
    several = there.absences.unit
    open_ = ~exact & np.isin(u, several)
    report.rows(
        events.raw,
        rows[open_],
        "time_latest",
        lambda row: (
            f"the unit {units.coded['unit'][int(unit[row])].as_py()!r} is present in spells: say on which day "
            "the event was, so that it lies in one of them"
        ),
        kind="span in spells",
    )
    late = exact & (t > clock.last)
    left = exact & ~late & (t > leave[u])
    early = exact & ~late & ~left & (t < enter[u]) & ((t >= clock.first) | (enter[u] > clock.first))
    names = units.coded["unit"]

    def describe(what: str) -> Any:
        def message(row: int) -> str:
            index = int(unit[row])
            span = f"{clock.text(enter[index])} to {clock.text(leave[index])}"
            return f"event outside the presence of {names[index].as_py()!r} ({span}): {what}"

        return message

    last = clock.text(clock.last)
    report.rows(events.raw, rows[late], "time", f"event after the window, which ends {last}")
    report.rows(events.raw, rows[left], "time", describe("it has left"), kind="after exit")
    report.rows(events.raw, rows[early], "time", describe("it has not entered yet"), kind="before enter")
    when = clock.number(t) + clock.lag
    away = exact & there.absences.cover(u, when)
    if clock.name == "day":  # nor on the day after it left
        away |= exact & there.absences.cover(u, when + 0.5)
    report.rows(events.raw, rows[away], "time", lambda row: _away(units, events, clock, row), kind="absent")
    good[rows[late | left | early | away | open_]] = False
    if spans is not None:
        nowhere = rows[empty(spans)]
        report.rows(
            events.raw, nowhere, "time_latest", lambda row: _nowhere(units, events, clock, row), kind="span"
        )
        good[nowhere] = False
    return good


def known_spans(units: Parsed, events: Parsed, rows: NDArray[np.int64], clock: Clock) -> Spans | None:
    """Return the spans of the given events, None where all their times are known."""
    if "time_latest" not in events.columns:
        return None
    enter, leave = presence(units, clock)
    return spans_of(
        events.columns["time"][rows],
        events.columns["time_latest"][rows],
        np.asarray(events.numbers("sequence", 0.0)[rows], dtype=np.float64),
        events.columns["unit"][rows],
        np.clip(clock.begin(enter), clock.start, clock.end),
        np.clip(clock.finish(leave), clock.start, clock.end),
        clock,
    )


def _nowhere(units: Parsed, events: Parsed, clock: Clock, row: int) -> str:
    enter, leave = presence(units, clock)
    index = int(events.columns["unit"][row])
    name = units.coded["unit"][index].as_py()
    first, last = (events.columns[column][row] for column in ("time", "time_latest"))
    there = f"{clock.text(max(enter[index], clock.first))} to {clock.text(min(leave[index], clock.last))}"
    return (
        f"the event of {name!r} cannot have happened in its span {clock.text(first)} to {clock.text(last)}: the unit "
        f"is watched from {there} (an event before that sets a state on entry only if it has one date)"
    )


def check_order(
    units: Parsed, events: Parsed, order: NDArray[np.int64], clock: Clock, report: Report
) -> NDArray[np.float64] | None:
    """Report spans that the order of a unit's events leaves no room; return one time of each event (rows,).

    Parameters:
        order: the events by unit and variable, in the order in which they happened.
    """
    spans = known_spans(units, events, order, clock)
    if spans is None:
        return None
    unit, variable = events.columns["unit"][order], events.columns["variable"][order]
    pairs = precedence(spans, unit, variable)
    tight = tightened(spans, pairs, variable)
    report.rows(
        events.raw,
        order[empty(tight)],
        "time_latest",
        "the order of the unit's events leaves this span no time: events come by 'time', and by 'sequence' where "
        "spans overlap",
    )
    result = np.zeros(events.rows)
    result[order] = representative(tight, pairs, unit)
    return result


def _away(units: Parsed, events: Parsed, clock: Clock, row: int) -> str:
    index = int(events.columns["unit"][row])
    mine = np.flatnonzero((units.columns["unit"] == index) & ~marked_rows(units))
    enter, leave = units.numbers("enter", clock.first), units.numbers("exit", clock.last)
    spans = sorted((enter[k], leave[k]) for k in mine)
    listed = ", ".join(
        f"{clock.text(max(a, clock.first))} to {clock.text(min(b, clock.last))}" for a, b in spans
    )
    name, time = units.coded["unit"][index].as_py(), events.columns["time"][row]
    begins = any(
        clock.begin(np.array([a]))[0] == clock.number(np.array([time]))[0] + clock.lag for a, _ in spans
    )
    how = (
        "it returns at that time: give the state in which it returns in its row of units"
        if begins
        else "correct the time or the spells, or end the event's spell before"
    )
    return f"event in an absence of {name!r} (there {listed}): {how}"


def marked_rows(units: Parsed) -> NDArray[np.bool_]:
    """Return which rows of the units are marked unobserved (rows,)."""
    if MARK not in units.columns:
        return np.zeros(units.rows, bool)
    return np.asarray(units.columns[MARK].is_valid())


def spells(units: Parsed, variables: Sequence[StateVariable], clock: Clock) -> Presence:
    """Return when units are there, from rows that were read whole."""
    given = [units.columns[v.name] if v.name in units.coded and v.name != "unit" else None for v in variables]
    return presence_of(
        np.where(units.usable, units.columns["unit"], -1),
        clock.begin(units.numbers("enter", clock.first)),
        clock.finish(units.numbers("exit", clock.last)),
        marked_rows(units),
        given,
        (clock.start, clock.end),
        len(units.coded["unit"]),
    )


def check_spells(units: Parsed, variables: Sequence[StateVariable], clock: Clock, report: Report) -> None:
    """Report rows of one unit that hold at the same time, or that do not agree in what cannot change.

    A blank cell of a column that cannot change is filled with what the other rows say.
    """
    codes = units.columns["unit"]
    shared = np.bincount(codes[codes >= 0], minlength=1) > 1
    marked = marked_rows(units)
    states = [v.name for v in variables if v.name in units.coded and v.name != "unit"]
    for name in states:
        said = np.flatnonzero(marked & (units.columns[name] >= 0))
        report.rows(
            units.raw,
            said,
            name,
            "a row marked unobserved names no state: give it where the unit is coded again",
        )
    if not shared.any():
        return
    rows = np.flatnonzero(units.usable & (codes >= 0) & shared[codes])
    begin = clock.begin(units.numbers("enter", clock.first))
    finish = clock.finish(units.numbers("exit", clock.last))
    word = "line" if units.raw.lines is not None else "row"
    rows = rows[np.lexsort((begin[rows], codes[rows]))]
    for one, other in zip(rows[:-1].tolist(), rows[1:].tolist(), strict=True):
        if codes[one] != codes[other]:
            continue
        place = f"{word} {units.raw.line(one)}"
        if begin[other] < finish[one]:
            column = "enter" if "enter" in units.raw.columns else "exit"
            text = f"duplicate unit: {place} has it present at the same time; its rows are spells, one after another"
            report.rows(units.raw, [other], column, text, kind="overlapping spells")
        elif begin[other] == finish[one] and not (marked[one] or marked[other]):
            for name in (name for name in states if units.columns[name][other] >= 0):
                text = (
                    f"the unit has not left since {place}, so it cannot return in a state: write an event, or end "
                    "the spell before earlier"
                )
                report.rows(units.raw, [other], name, text, kind="no return")
    fixed = [n for n in units.columns if n not in ("unit", "enter", "exit", MARK, *PROVENANCE, *states)]
    dating = {since(v.name) for v in variables}
    for name in fixed:
        units.columns[name] = _agreed(units, name, rows, word, report, name in dating)


def _agreed(
    units: Parsed, name: str, rows: NDArray[np.int64], word: str, report: Report, dates_entry: bool
) -> Any:
    """Return a column whose cells agree within each unit; one that dates the state on entry stands in the first row."""
    values = units.columns[name]
    cells = list(values.to_pylist() if not isinstance(values, np.ndarray) else values.tolist())
    codes, first = units.columns["unit"], dict[int, int]()
    for row in rows.tolist():
        if dates_entry:
            first.setdefault(int(codes[row]), row)
        if cells[row] is not None and cells[row] == cells[row]:
            before = first.setdefault(int(codes[row]), row)
            if cells[before] != cells[row]:
                text = (
                    f"{name!r} of one unit differs from {word} {units.raw.line(before)}: what changes with time "
                    "belongs in the table of covariates"
                    if not dates_entry
                    else f"{name!r} dates the state in which a unit first enters, and belongs in {word} "
                    f"{units.raw.line(before)}: where a returning row names a state its age begins with the return, "
                    "where it names none the age runs on"
                )
                report.rows(units.raw, [row], name, text, kind="changed")
    for row in rows.tolist():
        if int(codes[row]) in first:
            cells[row] = cells[first[int(codes[row])]]
    return np.array(cells, values.dtype) if isinstance(values, np.ndarray) else pa.array(cells, values.type)


def presence(units: Parsed, clock: Clock) -> tuple[NDArray[Any], NDArray[Any]]:
    """First entry and last exit by canonical position of the unit, as times."""
    codes = units.columns["unit"]
    count = len(units.coded["unit"])
    kind = np.int64 if clock.dated else np.float64
    enter = np.full(count, clock.first, kind)
    leave = np.full(count, clock.last, kind)
    rows = np.flatnonzero((codes >= 0) & ~marked_rows(units))
    for out, column, extreme in ((enter, "enter", np.minimum), (leave, "exit", np.maximum)):
        if column in units.columns:
            out[codes[rows]] = units.columns[column][rows]
            if len(rows) > count:
                extreme.at(out, codes[rows], units.columns[column][rows])
    lost = codes[(codes >= 0) & ~units.usable]  # their dates are at fault: no event can be said to miss them
    enter[lost], leave[lost] = (EARLIEST, LATEST) if clock.dated else (-np.inf, np.inf)
    return enter, leave


def check_states(
    units: Parsed,
    events: Parsed,
    placed: NDArray[np.bool_],
    variables: Sequence[StateVariable],
    clock: Clock,
    report: Report,
) -> StateCourse:
    """Report duplicated events, events into the state already held, and events whose order nothing tells."""
    rows = np.flatnonzero(placed) if events.rows else np.zeros(0, np.int64)
    there = spells(units, variables, clock)
    given = [
        units.columns[v.name][there.row] if v.name in units.coded and v.name != "unit" else None
        for v in variables
    ]
    take = (
        {name: events.columns[name][rows] for name in ("unit", "variable", "state", "time")}
        if events.columns
        else {}
    )
    none = np.zeros(0, np.int32)
    spans = known_spans(units, events, rows, clock) if take else None
    time = clock.number(take.get("time", np.zeros(0, np.int64)))
    if spans is not None:
        time = first_order(spans, take["unit"], take["variable"], there.begin)
    back, count = there.returns, len(rows)
    found = course(
        np.append(take.get("unit", none), back.unit),
        np.append(take.get("variable", none), back.variable),
        np.append(take.get("state", none), back.state),
        np.append(time + clock.lag, back.time),
        np.append(events.numbers("sequence", 0.0)[rows] if events.columns else [], np.zeros(len(back.time))),
        enter=there.begin,
        given=given,
        variables=variables,
    )
    if len(back.time):  # a state in which a unit returns is no event
        order, repeated = (values[values < count] for values in (found.order, found.repeated))
        found = replace(found, order=order, repeated=repeated)
    word = "line" if events.raw.lines is not None else "row"

    def twin(row: int) -> str:
        same = [
            other
            for other in rows.tolist()
            if other != row
            and all(
                events.columns[name][other] == events.columns[name][row]
                for name in ("unit", "variable", "state", "time")
            )
        ]
        return (
            f"duplicated event: {word} {events.raw.line(same[0])} says the same"
            if same
            else "duplicated event"
        )

    report.rows(events.raw, rows[found.duplicate], "state", twin, kind="duplicated event")
    report.rows(
        events.raw,
        rows[found.repeated],
        "state",
        lambda row: _held(events, row, units, variables),
        kind="held",
    )
    report.rows(
        events.raw,
        rows[found.unordered],
        "time",
        "several events of one unit, variable and time: a column 'sequence' must say which comes first",
    )
    return found


def _held(events: Parsed, row: int, units: Parsed, variables: Sequence[StateVariable]) -> str:
    name = units.coded["unit"][int(events.columns["unit"][row])].as_py()
    variable = variables[int(events.columns["variable"][row])]
    return (
        f"event into the state that {name!r} already holds in {variable.name!r} "
        "(if it may recur, declare the variable recurrent)"
    )


def check_overlap(
    table: Parsed,
    keys: NDArray[np.int64],
    rows: NDArray[np.int64],
    clock: Clock,
    column: str,
    message: str,
    report: Report,
) -> None:
    """Report rows of one key that are in force at the same time.

    Parameters:
        keys: (n,) the key of each row in `rows`, which stand in the order of keys, then of starts.
    """
    if len(rows) < 2:
        return
    # Only within the window: what overlaps before or after it is asked of by nobody.
    begin = np.maximum(clock.begin(table.numbers("start", clock.first)[rows]), clock.start)
    finish = np.minimum(clock.finish(table.numbers("end", clock.last)[rows]), clock.end)
    lasting = finish > begin
    if not lasting.all():
        rows, keys, begin, finish = rows[lasting], keys[lasting], begin[lasting], finish[lasting]
    # Rows of one key overlap only if one of them reaches into the next, so most tables are done with here.
    if not ((begin[1:] < finish[:-1]) & (keys[1:] == keys[:-1])).any():
        return
    word = "line" if table.raw.lines is not None else "row"
    reach: dict[int, tuple[float, int]] = {}
    for key, row, start, end in zip(
        keys.tolist(), rows.tolist(), begin.tolist(), finish.tolist(), strict=True
    ):
        until, other = reach.get(key, (-np.inf, -1))
        if start < until:
            text = f"{message} (with {word} {table.raw.line(other)})"
            report.rows(table.raw, [row], column, text, kind=message)
        if end > until:
            reach[key] = (end, row)


def check_declared(
    kind: str,
    declared: Iterable[str],
    used: Iterable[str],
    file: str,
    report: Report,
    lines: Mapping[str, int | None],
) -> None:
    """Report a declared layer or covariate that no row uses although one spelled nearly like it is used."""
    names, rows = set(declared), set(used)
    for name in sorted(names - rows):
        meant = misspelt(name, sorted(rows - names))
        if meant is not None:
            report.add(
                file,
                f"unknown {kind}: no row names it",
                line=lines.get(name),
                column=name,
                value=name,
                nearest=meant,
            )


def check_levels(
    declared: Iterable[str],
    units: Parsed,
    dated: Sequence[str],
    file: str,
    report: Report,
    lines: Mapping[str, int | None],
) -> None:
    """Report levels of what is no own column of units: only those can be categories."""
    own = [name for name in units.raw.columns if name not in UNITS.known]
    for name in declared:
        if name in own or not units.raw.sound:
            continue
        why = (
            f"{name!r} stands in the table of covariates, which holds numbers: it has no levels"
            if name in dated
            else f"the units have no column {name!r} of which these could be the levels"
        )
        report.add(file, why, line=lines.get(name), column=name, value=name, nearest=nearest(name, own))


def check_layers(table: Parsed, declared: Sequence[str], strict: bool, report: Report) -> None:
    """Report ties of a layer that is not declared, where all layers are, or where it is a slip of one that
    is."""
    if "layer" not in table.columns:
        return
    codes, used = table.columns["layer"], table.coded["layer"].to_pylist()
    known, unused = set(declared), set(declared) - set(used)
    for code, name in enumerate(used):
        if name in known:
            continue
        meant = (
            nearest(name, declared)
            if strict
            else misspelt(name, [other for other in declared if other in unused] or declared)
        )
        if strict or meant is not None:
            rows = np.flatnonzero(codes == code)
            report.rows(table.raw, rows, "layer", "unknown layer", nearest=partial(_constant, meant))


def _constant(result: str | None, _value: str) -> str | None:
    return result


def check_names(
    units: Parsed, covariates: Parsed, variables: Sequence[StateVariable], report: Report
) -> None:
    """Report names that a formula could not tell apart."""
    if "covariate" not in covariates.columns:
        return
    codes, used = covariates.columns["covariate"], covariates.coded["covariate"].to_pylist()
    taken = {variable.name: "a state variable" for variable in variables}
    taken |= {
        name: "a column of units" for name in units.columns if name not in UNITS.known and name not in taken
    }
    for code, name in enumerate(used):
        if name in taken:
            rows = np.flatnonzero(codes == code)[:1]
            report.rows(covariates.raw, rows, "covariate", f"this covariate has the name of {taken[name]}")


# --- The events of each unit and variable in the order in which they happened, and the state before
#     them


@dataclass(frozen=True)
class StateCourse:
    """What a set of events does to the states of units.

    Attributes:
        order: (events,) the events by unit, variable, time, sequence; where two events of one unit, variable
            and instant have no sequence but only one order is possible, in that order.
        initial: per variable (units,) the code of the state before a unit's first event.
        repeated: events into a state already held.
        duplicate: events that say again what another says.
        unordered: events of one unit, variable and instant whose order nothing tells.
    """

    order: NDArray[np.int64]
    initial: tuple[NDArray[np.int32], ...]
    repeated: NDArray[np.int64]
    duplicate: NDArray[np.int64]
    unordered: NDArray[np.int64]


def course(
    unit: NDArray[np.int32],
    variable: NDArray[np.int32],
    state: NDArray[np.int32],
    time: NDArray[np.float64],
    sequence: NDArray[np.float64],
    *,
    enter: NDArray[np.float64],
    given: Sequence[NDArray[np.int32] | None],
    variables: Sequence[StateVariable],
) -> StateCourse:
    """Order events and follow the states.

    A state on entry that `units` gives is the state after the events dated at or before entry where those
    events end in it; the state before the first of them is then any other, so that the event is a true entry
    (a memory of it counts). Otherwise it is the state before them.

    Parameters:
        unit, variable, state, time, sequence: (events,) codes, clock numbers, ranks within an instant.
        enter: (units,) clock number at which each unit enters.
        given: per variable (units,) state on entry from the table of units, -1 where not given; or None.
        variables: the declared state variables.
    """
    initial: list[NDArray[Any]] = []
    for declared, column in zip(variables, given, strict=True):
        start = declared.code(str(declared.initial))
        base = np.full(len(enter), start, np.int32)
        initial.append(base if column is None else np.where(column >= 0, column, base).astype(np.int32))
    order = np.lexsort((state, sequence, time, variable, unit)).astype(np.int64)
    none = np.zeros(0, np.int64)
    if not len(order):
        return StateCourse(order, tuple(initial), none, none, none)

    same_series = _same_as_before(order, unit, variable)
    same_instant = same_series & _same_as_before(order, time, sequence)
    duplicate = order[same_instant & _same_as_before(order, state)]
    if len(duplicate):
        order = order[~np.isin(order, duplicate)]
        same_series = _same_as_before(order, unit, variable)
        same_instant = same_series & _same_as_before(order, time, sequence)

    firsts = np.flatnonzero(~same_series)
    u, v = unit[order[firsts]], variable[order[firsts]]
    _back_date(initial, order, firsts, u, v, time, state, enter, given, variables)
    before = np.empty(len(order), np.int32)
    unordered: list[int] = []
    if same_instant.any():
        unordered = _settle(order, firsts, same_instant, unit, variable, state, initial, variables)
    before[1:] = state[order[:-1]]
    before[firsts] = (
        np.array([initial[b][a] for a, b in zip(u, v, strict=True)], np.int32)
        if len(u) < 1000
        else (np.stack(initial)[v, u])
    )
    free = np.array([declared.recurrent for declared in variables])
    repeated = order[(before == state[order]) & ~free[variable[order]]]
    repeated = repeated[~np.isin(repeated, unordered)]
    return StateCourse(
        order, tuple(initial), np.sort(repeated), np.sort(duplicate), np.array(sorted(unordered), np.int64)
    )


def _same_as_before(order: NDArray[np.int64], *columns: NDArray[Any]) -> NDArray[np.bool_]:
    same = np.ones(len(order), bool)
    same[:1] = False
    for column in columns:
        values = column[order]
        same[1:] &= values[1:] == values[:-1]
    return same


def _back_date(
    initial: list[NDArray[Any]],
    order: NDArray[np.int64],
    firsts: NDArray[np.int64],
    u: NDArray[np.int32],
    v: NDArray[np.int32],
    time: NDArray[np.float64],
    state: NDArray[np.int32],
    enter: NDArray[np.float64],
    given: Sequence[NDArray[np.int32] | None],
    variables: Sequence[StateVariable],
) -> None:
    sizes = np.diff(np.append(firsts, len(order)))
    series = np.repeat(np.arange(len(firsts)), sizes)
    early = np.bincount(series, time[order] <= enter[u][series], len(firsts)).astype(np.int64)
    final = state[order[firsts + np.maximum(early - 1, 0)]]
    opening = state[order[firsts]]
    for index, declared in enumerate(variables):
        column = given[index]
        if column is None or len(declared.states) < 2:
            continue
        mine = np.flatnonzero((v == index) & (early > 0))
        held = column[u[mine]]
        turned = mine[(held >= 0) & (opening[mine] == held) & (final[mine] == held)]
        start = declared.code(str(declared.initial))
        other = np.where(opening[turned] == start, np.where(opening[turned] == 0, 1, 0), start)
        initial[index][u[turned]] = other


def _settle(
    order: NDArray[np.int64],
    firsts: NDArray[np.int64],
    same_instant: NDArray[np.bool_],
    unit: NDArray[np.int32],
    variable: NDArray[np.int32],
    state: NDArray[np.int32],
    initial: list[NDArray[Any]],
    variables: Sequence[StateVariable],
) -> list[int]:
    """Order the events of one instant where only one order is possible; return those where it is not.

    States within an instant differ (duplicates are gone), so an order is ruled out only by its first event
    being into the state already held: of two events, one of them into that state, the other comes first.
    """
    unordered: list[int] = []
    heads = np.flatnonzero(same_instant & ~np.append(False, same_instant[:-1])) - 1
    opens = set(firsts.tolist())
    for head in heads.tolist():
        tail = head + 1
        while tail < len(order) and same_instant[tail]:
            tail += 1
        rows = order[head:tail].copy()
        first = int(rows[0])
        declared = variables[int(variable[first])]
        held = (
            int(initial[int(variable[first])][unit[first]]) if head in opens else int(state[order[head - 1]])
        )
        if len(rows) == 2 and not declared.recurrent and held in state[rows]:
            order[head:tail] = rows[np.argsort(state[rows] == held, kind="stable")]
        else:
            unordered.extend(rows.tolist())
    return unordered
