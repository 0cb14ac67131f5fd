"""A list of events, or of times of adoption, as a history."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from tocsin.history.describe import MISSING_CODES
from tocsin.history.edtf import spelled_out
from tocsin.history.history import History
from tocsin.history.intake.account import Account, some
from tocsin.history.intake.given import Covariates, Periods, choice, needed, raw_of
from tocsin.history.tables import cells, frames, schema
from tocsin.history.tables.columns import Reader
from tocsin.history.tables.frames import Raw, take_rows
from tocsin.history.tables.schema import Report
from tocsin.history.time import Clock, is_number, read_clock
from tocsin.history.validate import check_presence
from tocsin.states import StateVariable

if TYPE_CHECKING:
    from numpy.typing import NDArray

UNDATED = ("error", "leave out")


def from_events(
    events: object,
    *,
    unit: str = "unit",
    time: str = "time",
    window: tuple[Any, Any],
    state: str | None = None,
    variable: str = "event",
    states: Sequence[str] = ("no", "yes"),
    recurrent: bool = False,
    units: object = None,
    undated: str = "error",
    unknown: str = "error",
    ties: object = None,
    covariates: object = None,
    clock: str | None = None,
    name: str = "events",
    **more: Any,
) -> History:
    """Make a history of a list of events: one row for each, in any order.

    Events after the window are left out and counted; those before it set states and memory. Several events of one
    unit and instant are numbered in the order of their rows where they enter one state.

    Parameters:
        events: a frame, a dict of columns, or the path of a file; further columns time_latest, sequence, coding,
            citation, confidence and note are kept.
        unit, time: columns of the unit and of the time.
        window: first and last date, or two numbers.
        state: column of the state that is entered; without it every event enters the second of `states`.
        variable: name of the state variable.
        states: the states, that of the beginning first.
        recurrent: whether the event may happen to a unit again.
        units: table of all units, with or without events; without it only units with events are known, and that
            is said: rates are then too high.
        undated: events without a time: ``"error"`` or ``"leave out"``.
        unknown: events of units that are not among `units`, or not there on that day: ``"error"`` or
            ``"leave out"``.
        name: of the history.
        ties, covariates, clock, more: as for `History`.

    Raises:
        HistoryError: a cell or an argument is wrong; every fault is listed.

    >>> coups = {"unit": ["a", "a", "b"], "time": ["1961-04-21", "1963-08-05", "1966-01-15"]}
    >>> tc.from_events(coups, window=("1960-01-01", "1969-12-31"), recurrent=True).intake.rows
    """
    report = Report()
    raw = raw_of(events, "events", report)
    choice("undated", undated, UNDATED, "what becomes of events without a time", report)
    choice(
        "unknown", unknown, UNDATED, "what becomes of events of units that are not among the units", report
    )
    good = needed(raw, {"unit": unit, "time": time, "state": state}, report)
    read = read_clock(window, clock, report)
    table: Any = raw_of(units, "units", report) if units is not None else None
    report.raise_if_any(name)
    assert good
    declared = StateVariable(variable, states, recurrent=recurrent)
    account = Account()
    account.open("events", raw)
    raw = _renamed(raw, {"unit": unit, "time": time} | ({"state": state} if state else {}), account)
    kept = _dated(raw, read, undated == "leave out", account, report)
    if table is None:
        table = _named_units(raw, kept, account, report)
    elif unknown == "leave out":
        kept &= _known(raw, table, kept, account, report)
    raw = take_rows(raw, np.flatnonzero(kept))
    raw.columns["variable"] = frames.strings([variable] * raw.rows)
    if state is None:
        raw.columns["state"] = frames.strings([declared.states[1]] * raw.rows)
    if recurrent and "sequence" not in raw.columns:
        raw.columns["sequence"] = frames.numeric(_numbered(raw))
    report.raise_if_any(name)
    if unknown == "leave out" and units is not None and raw.rows:
        raw = _there(raw, table, read, declared, np.flatnonzero(kept), account)
    history = History(
        table, raw if raw.rows else None, ties, covariates,
        variables=[declared], window=window, clock=clock, name=name, **more,
    )  # fmt: skip
    return with_account(history, account)


def with_account(history: History, account: Account) -> History:
    """Give a history the account of its way in, beside its own of the tables that it was handed."""
    own = history._account
    for table, reason, rows in own.left:
        if table not in account.read:
            account.left.append((table, reason, rows))
    for table, read in own.read.items():
        account.read.setdefault(table, read)
    for sentence in own.notes:
        account.note(sentence)
    history._account = account
    return history


def _renamed(raw: Raw, named: Mapping[str, str], account: Account) -> Raw:
    """Return the table with its columns under our names; others than those we know are not used, and that is said."""
    taken = set(named.values())
    columns = {ours: raw.columns[theirs] for ours, theirs in named.items()}
    spare = [name for name in raw.columns if name not in taken]
    columns |= {name: raw.columns[name] for name in spare if name in schema.EVENTS.optional}
    unused = [name for name in spare if name not in columns and name.strip()]
    if unused:
        account.note(f"columns of events that are not used: {some(unused, 12)}")
    return replace(raw, columns=columns, lines=np.arange(1, raw.rows + 1) if raw.lines is None else raw.lines)


def _dated(raw: Raw, clock: Clock, leave: bool, account: Account, report: Report) -> NDArray[np.bool_]:
    """Return which events have a time before the window's end; note the others."""
    silent = Report()
    moments, missing, wrong = cells.times(raw, "time", clock, silent)
    kept = ~(missing & leave)
    if leave:
        account.leave("events", "no time is given", np.flatnonzero(missing))
    late = ~missing & ~wrong & (moments > clock.last)
    account.leave("events", f"after the window, which ends {clock.text(clock.last)}", np.flatnonzero(late))
    early = int((~missing & ~wrong & (moments < clock.first)).sum())
    if early:
        account.note(
            f"{early:,} events lie before the window: they set states and memory, and are not explained"
        )
    return kept & ~late


def _named_units(raw: Raw, kept: NDArray[np.bool_], account: Account, report: Report) -> dict[str, Any]:
    codes, texts = cells.names(raw, "unit", report)
    used = np.unique(codes[kept & (codes >= 0)])
    account.note(
        f"no table of units is given: the {len(used):,} units are those with an event, and a rate among them is too "
        "high; give units= to have those without"
    )
    return {"unit": texts.take(frames.numeric(used.astype(np.int64)))}


def _known(
    raw: Raw, table: Raw, kept: NDArray[np.bool_], account: Account, report: Report
) -> NDArray[np.bool_]:
    if "unit" not in table.columns:
        return kept
    codes, texts = cells.names(raw, "unit", report)
    _, there = cells.names(table, "unit", report)
    found = np.append(frames.positions(texts, there), -1)[codes] >= 0
    lost = np.flatnonzero(kept & ~found & (codes >= 0))
    who = some(dict.fromkeys(str(texts[int(codes[row])].as_py()) for row in lost.tolist()))
    account.leave("events", f"not among the units: {who}", lost)
    return found


def _there(
    raw: Raw, table: Raw, clock: Clock, declared: StateVariable, rows: NDArray[np.int64], account: Account
) -> Raw:
    """Leave out events of units that are not there then: not entered yet, gone, or between two spells."""
    silent = Report()
    reader = Reader(clock, (declared,), silent, frozenset())
    units = reader.units(table)
    events = reader.events(spelled_out(raw, clock.name) if clock.dated else raw)
    if silent or "unit" not in units.columns:
        return raw  # told when the history is made
    there = check_presence(units, events, clock, silent)
    lost = np.flatnonzero(events.usable & ~there)
    who = some(
        dict.fromkeys(str(reader.unit_names[int(unit)].as_py()) for unit in events.columns["unit"][lost])
    )
    account.leave("events", f"of units that are not there on that day: {who}", rows[lost])
    return take_rows(raw, np.flatnonzero(there | ~events.usable))


def _numbered(raw: Raw) -> NDArray[np.int64]:
    """Number the events of one unit, state and time in the order of their rows."""
    key = np.zeros(raw.rows, np.int64)
    for name in ("unit", "state", "time"):
        codes, values = cells.encode(raw.columns[name])
        key = key * (len(values) + 1) + codes + 1
    order = np.argsort(key, kind="stable")
    ordered = key[order]
    out = np.empty(raw.rows, np.int64)
    out[order] = np.arange(raw.rows) - np.searchsorted(ordered, ordered) + 1
    return out


def from_adoptions(
    nodes: object,
    edges: object = None,
    *,
    unit: str,
    time: str,
    source: str | None = None,
    target: str | None = None,
    weight: str | None = None,
    layer: str = "ties",
    never: Iterable[Any] = (),
    covariates: Sequence[str] = (),
    variable: str = "adoption",
    states: Sequence[str] = ("no", "yes"),
    clock: str | None = None,
    window: tuple[Any, Any] | None = None,
    name: str = "adoptions",
    **more: Any,
) -> History:
    """Make a history of who adopted when, and who is tied to whom: the two tables of a diffusion study.

    Parameters:
        nodes: table with a row for each unit; an empty time means that it never adopted within the window.
        edges: table with a row for each tie, or a networkx graph or scipy sparse matrix (see `History`).
        unit, time: columns of `nodes`.
        source, target: columns of `edges`: the one who may pass it on, and the one who may take it over. Who names
            another as a friend or adviser is the target of what the other does.
        weight: column of `edges`; 1 without it.
        layer: name of the layer of ties.
        never: values of `time` that mean never, such as the period after the study.
        covariates: columns of `nodes` that are kept.
        variable, states: the state variable; adoption enters the second state.
        clock: ``"step"`` (whole numbers number periods), ``"continuous"``, ``"year"``, ``"month"`` or ``"day"``;
            without it whole numbers from 1000 to 2999 are years, others periods.
        window: first and last time; without it from the first to the last adoption, and that is said.
        name: of the history.
        more: further arguments of `History`.

    Raises:
        HistoryError: a cell or an argument is wrong; every fault is listed.

    >>> nodes, edges = {"id": ["a", "b"], "toa": [1, 3]}, {"who": ["b"], "names": ["a"]}
    >>> tc.from_adoptions(nodes, edges, unit="id", time="toa", source="names", target="who").events
    """
    report = Report()
    raw = raw_of(nodes, "nodes", report)
    wanted = {"unit": unit, "time": time} | {f"covariates, {each}": each for each in covariates}
    good = needed(raw, wanted, report)
    account = Account()
    account.open("nodes", raw)
    ties = _edges(edges, source, target, weight, layer, account, report)
    report.raise_if_any(name)
    assert good
    moment = _without(raw.columns[time], {frames.plain(each) for each in never})
    raw = replace(raw, columns=raw.columns | {time: moment})
    clock = clock or _clock_of(raw, time, report)
    report.raise_if_any(name)
    dated = np.flatnonzero(~frames.nulls(moment))
    ends = window or _ends(raw, time, clock, account, report)
    report.raise_if_any(name)
    read = read_clock(ends, clock, report)
    moments, missing, _ = cells.times(raw, time, read, report)
    report.raise_if_any(name)
    dated = np.flatnonzero(~missing & (moments <= read.last))
    if not read.dated and (strange := np.isin(moments[dated], MISSING_CODES)).any():
        code = f"{moments[dated][strange][0]:g}"
        account.note(
            f"beware: {strange.sum():,} adopted at {code}, which often stands for what is not known: "
            f"say never=[{code}], or leave these units out"
        )
    beyond = int((~missing & (moments > read.last)).sum())
    if beyond:
        account.note(f"{beyond:,} adoptions lie after the window: within it these units never adopted")
    declared = StateVariable(variable, states)
    codes, texts = cells.names(raw, unit, report)
    units = {"unit": raw.columns[unit]}
    columns = Covariates.read(raw, np.arange(raw.rows), np.zeros(raw.rows, bool), covariates, False, report)
    units |= columns.numbers
    units |= {key: frames.dictionary(*value).cast("string") for key, value in columns.texts.items()}
    events = {
        "unit": texts.take(frames.numeric(codes[dated].astype(np.int64))),
        "variable": [variable] * len(dated),
        "state": [declared.states[1]] * len(dated),
        "time": raw.columns[time].take(frames.numeric(dated)),
    }
    report.raise_if_any(name)
    history = History(
        units,
        events if len(dated) else None,
        ties,
        variables=[declared],
        window=ends,
        clock=clock,
        name=name,
        **more,
    )
    account.note(f"{len(dated):,} units adopted within the window, {raw.rows - len(dated):,} did not")
    latest = moments[dated] == (moments[dated].max() if len(dated) else 0)
    if latest.sum() > 1 and len(dated) == raw.rows:
        cell = raw.columns[time][int(dated[latest][0])].as_py()
        code = f"{cell:g}" if isinstance(cell, int | float) else repr(str(cell))
        account.note(
            f"{latest.sum():,} units adopted at {code}, the last time there is, and none never did: "
            f"if {code} stands for never, say never=[{code}]"
        )
    for table in ("units", "events"):
        history._account.read.pop(table, None)
    return with_account(history, account)


def _edges(
    edges: object,
    source: str | None,
    target: str | None,
    weight: str | None,
    layer: str,
    account: Account,
    report: Report,
) -> object:
    """Return the ties of a table of edges under our names; graphs and matrices as they are, under their layer."""
    if edges is None:
        return None
    if schema_free(edges):
        return {layer: edges}
    if source is None or target is None:
        why = (
            "say source= and target=, columns of edges: the one who may pass it on, and the one who may take it over "
            "(who names another is the target)"
        )
        report.add("edges", why)
        return None
    raw = raw_of(edges, "edges", report)
    account.open("edges", raw)
    if not needed(raw, {"source": source, "target": target, "weight": weight}, report):
        return None
    columns = {"layer": frames.strings([layer] * raw.rows), "source": raw.columns[source]}
    columns |= {"target": raw.columns[target]} | ({"weight": raw.columns[weight]} if weight else {})
    return Raw("edges", columns, raw.rows, raw.lines) if raw.rows else None


def schema_free(value: object) -> bool:
    """Whether ties are a graph or a matrix, and no table."""
    return hasattr(value, "edges") or hasattr(value, "tocoo")


def _without(column: Any, never: set[str | None]) -> Any:
    """A column of times without the values that mean never."""
    codes, values = cells.encode(column)
    gone = np.array([frames.plain(value) in never for value in cells.listed(values)] + [True])
    places = np.where(gone[codes], 0, codes).astype(np.int64)
    if not len(values):
        return pa.nulls(len(codes))
    return values.take(frames.numeric(places, np.asarray(gone[codes])))


def _clock_of(raw: Raw, time: str, report: Report) -> str | None:
    kind = raw.columns[time].type
    if pa.types.is_temporal(kind):
        return "day"
    _, values = cells.encode(raw.columns[time])
    words = [frames.plain(value) or "" for value in cells.listed(values)]
    if any(len(word) == 10 and word[4] == "-" for word in words):
        return "day"
    periods = Periods.of(raw, time, None, report)
    return None if periods is None else periods.clock


def _ends(raw: Raw, time: str, clock: str | None, account: Account, report: Report) -> tuple[Any, Any]:
    """The first and the last adoption, as a window."""
    values = [value for value in cells.listed(raw.columns[time]) if value is not None and value == value]
    texts = [str(frames.plain(value)).strip() for value in values]
    texts = [text for text in texts if not cells.is_missing(text)]
    if not texts:
        report.add(raw.file, "nobody adopted: say window=", column=time)
        return (None, None)
    numbers = all(is_number(text) for text in texts)
    keyed = sorted(texts, key=float) if numbers else sorted(texts)
    first, last = (float(keyed[0]), float(keyed[-1])) if numbers else (keyed[0][:10], keyed[-1][:10])
    account.note(
        f"the window is from the first to the last adoption, {keyed[0]} to {keyed[-1]}: say window= for another"
    )
    return first, last
