"""A panel (a row for each unit and period) as a history: what is at risk when, and which row acts when."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from tocsin.history.history import History
from tocsin.history.intake.account import Account, some
from tocsin.history.intake.given import (
    TREATMENTS,
    Covariates,
    Periods,
    by_periods,
    choice,
    counts_of,
    needed,
    raw_of,
    runs,
)
from tocsin.history.tables import cells, frames
from tocsin.history.tables.frames import take_rows
from tocsin.history.tables.schema import Report
from tocsin.states import StateVariable

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tocsin.history.tables.frames import Raw

    Ints = NDArray[np.int64]
    Bools = NDArray[np.bool_]

ROW = (
    "whether a row's values are those of the start or of the end of its period: a state that has changed between two "
    "rows changed in the earlier period if rows tell starts, in the later if they tell ends"
)

LAG = (
    "0 lets a row's covariates act in its own period, 1 in the next; values of the same period may be consequences of "
    "the event that they are to explain"
)


def from_panel(
    panel: object,
    *,
    unit: str,
    time: str,
    row: str | None = None,
    lag: int | None = None,
    event: str | None = None,
    state: str | None = None,
    variable: str | None = None,
    states: Sequence[str] = ("no", "yes"),
    recurrent: bool = False,
    covariates: Sequence[str] = (),
    gaps: str = "error",
    missing: str = "error",
    ties: object = None,
    clock: str | None = None,
    window: tuple[Any, Any] | None = None,
    name: str = "panel",
    **more: Any,
) -> History:
    """Make a history of a panel: one row for each unit and period, in any order.

    A row of period t says what happened in t (`event`) or which state was held (`state`); its covariates act in
    period t + lag. A unit is watched in the periods of which the outcome and the covariates are known; once it is
    in a state that nobody leaves it needs no covariates, and if its rows end with the event it stays to the end.

    Parameters:
        panel: a frame, a dict of columns, or the path of a CSV or Parquet file.
        unit, time: columns of the unit and the period.
        row: ``"start"`` or ``"end"`` of the period: when a row's values were taken.
        lag: 0 or 1 periods between a row and the period in which its covariates (and ties by period) act.
        event: column of 0 and 1 (or counts, if recurrent): whether the event happened in the period.
        state: instead, column of the state that the unit held; 0, 1, ... stand for `states`.
        variable: name of the state variable; that of the column by default.
        states: the states, that of the beginning first; an event enters the second.
        recurrent: whether the event may happen to a unit again.
        covariates: columns that are kept, of numbers; one of texts must be constant within each unit.
        gaps: periods between two rows of a unit: ``"error"``, ``"not at risk"`` or ``"carry"``.
        missing: cells without a value: the same three; an outcome is never carried.
        ties: as for `History`; a table with the column `time` holds ties period by period.
        clock: ``"year"``, ``"month"`` or ``"step"``; whole numbers from 1000 to 2999 are years without a word.
        window: first and last period; rows beyond are left out.
        name: of the history.
        more: further arguments of `History`, such as layers, outside, title.

    Raises:
        HistoryError: a cell, a gap or an argument is wrong; every fault is listed.

    >>> panel = {"state": ["a", "a", "b", "b"], "year": [1911, 1912, 1911, 1912], "vote": [0, 1, 0, 0]}
    >>> print(tc.from_panel(panel, unit="state", time="year", event="vote", row="start", lag=0).intake)
    """
    report = Report()
    raw = raw_of(panel, "panel", report)
    choice("row", row, ("start", "end"), ROW, report)
    choice("lag", lag, (0, 1), LAG, report)
    why = "what becomes of periods without a row, and of cells without a value"
    choice("gaps", gaps, TREATMENTS, why, report)
    choice("missing", missing, TREATMENTS, why, report)
    if (event is None) == (state is None):
        report.add(
            "history", "say event= (what happened in the period) or state= (what was held), one of them"
        )
    wanted = {"unit": unit, "time": time, "event": event, "state": state}
    wanted |= {f"covariates, {each}": each for each in covariates}
    good = needed(raw, wanted, report)
    periods = Periods.of(raw, time, clock, report) if good else None
    report.raise_if_any(name)
    assert row is not None and lag is not None and periods is not None
    outcome = event or state
    assert outcome is not None
    declared = StateVariable(variable or outcome, states, recurrent=recurrent)
    account = Account()
    account.open("panel", raw)
    rows = _Rows.read(raw, unit, time, periods, window, account, report)
    if event is not None:
        course = _from_event(rows, event, declared, report)
    else:
        course = _from_state(rows, outcome, declared, row == "start", gaps == "carry", report)
    report.raise_if_any(name)
    columns = Covariates.read(raw, rows.order, rows.joined, covariates, missing == "carry", report)
    report.raise_if_any(name)
    watched = _watched(rows, course, columns, lag, gaps, missing, account, report)
    report.raise_if_any(name)
    tables, last = _tables(rows, course, columns, watched, lag, gaps == "carry", declared, account)
    _say(rows, course, watched, row, lag, columns, account)
    never = set(rows.names.to_pylist()) - set(tables["units"]["unit"].to_pylist())
    table_ties = _ties(ties, time, lag, periods, never, account, report)
    report.raise_if_any(name)
    ends = window or (periods.time(rows.period[watched].min()), periods.time(last))
    history = History(
        **tables, ties=table_ties, variables=[declared], window=ends, clock=periods.clock, name=name, **more
    )
    history._account = _with_tables(account, history)
    return history


@dataclass
class _Rows:
    """The rows of a panel by unit and period.

    Attributes:
        order: (rows,) the rows of the table (from 0).
        unit: (rows,) codes into `names`; period: (rows,).
        joined: whether the row before is of the same unit; near: and of the period before.
    """

    raw: Raw
    periods: Periods
    order: Ints
    unit: Ints
    period: Ints
    names: Any
    joined: Bools
    near: Bools

    @classmethod
    def read(
        cls, raw: Raw, unit: str, time: str, periods: Periods, window: Any, account: Account, report: Report
    ) -> _Rows:
        codes, names = cells.names(raw, unit, report)
        index, unread = periods.index(raw, time, report)
        report.rows(raw, np.flatnonzero(unread), time, "no period is given", kind="no period")
        report.raise_if_any(raw.file)
        kept = np.ones(raw.rows, bool)
        if window is not None:
            ends = Raw("window", {"window": frames.strings(str(end) for end in window)}, 2)
            (first, last), _ = periods.index(ends, "window", report)
            report.raise_if_any("window")
            kept = (index >= first) & (index <= last)
            account.leave("panel", "outside the window", np.flatnonzero(~kept))
        order = np.lexsort((index, codes))
        order = order[kept[order]]
        u, p = codes[order].astype(np.int64), index[order]
        joined = np.zeros(len(u), bool)
        joined[1:] = u[1:] == u[:-1]
        twice = np.flatnonzero(joined & (np.diff(p, prepend=p[:1]) == 0))
        for place in twice.tolist():
            other = raw.line(int(order[place - 1]))
            word = "line" if raw.lines is not None else "row"
            text = f"a second row of this unit and {periods.text(p[place])} (with {word} {other})"
            report.rows(raw, [int(order[place])], unit, text, kind="second row")
        near = joined & (np.diff(p, prepend=p[:1]) == 1)
        return cls(raw, periods, order, u, p, names, joined, near)

    def name(self, place: int) -> str:
        return str(self.names[int(self.unit[place])].as_py())


@dataclass
class _Course:
    """What happened to units: arrays (rows,) over the rows in order.

    Attributes:
        count: events in the row's period.
        before, after: codes of the state before and after the row's period.
        known: whether the outcome of the row's period is known.
        why: why not: reasons, and for which rows they hold; the first is that no value is given.
        settled: whether the unit is in a state that nobody leaves when the period begins.
    """

    count: Ints
    before: Ints
    after: Ints
    known: Bools
    why: list[tuple[str, Bools]]
    settled: Bools


def _from_event(rows: _Rows, column: str, declared: StateVariable, report: Report) -> _Course:
    """Follow units by a column that says whether the event happened in the period of the row."""
    values, gone = counts_of(rows.raw, column, report)
    values, gone = values[rows.order], gone[rows.order]
    most = np.inf if declared.recurrent else 1.0
    odd = ~gone & ~np.isnan(values) & ((values < 0) | (values > most) | (values != np.floor(values)))
    what = "0, 1, 2, ... events" if declared.recurrent else "0 or 1 (more only with recurrent=True)"
    report.rows(rows.raw, rows.order[odd], column, f"bad number: the column of events holds {what}")
    count = np.nan_to_num(np.where(odd, 0, values)).astype(np.int64)
    known = ~gone
    so_far = np.cumsum(count)
    heads = np.flatnonzero(~rows.joined)
    base = np.repeat((so_far - count)[heads], np.diff(np.append(heads, len(count))))
    earlier = so_far - count - base
    before = (earlier > 0).astype(np.int64)
    if not declared.recurrent:
        again = np.flatnonzero((count > 0) & (earlier > 0))
        told = (
            "a second event of this unit: if the column says which state is held, say state= instead of event=; if the "
            "event may happen again, say recurrent=True"
        )
        report.rows(rows.raw, rows.order[again], column, told)
    settled = (before > 0) & (not declared.recurrent)
    why = [(f"no value of {column!r}", gone)]
    return _Course(count, before, np.maximum(before, count > 0), known | settled, why, settled)


def _from_state(
    rows: _Rows, column: str, declared: StateVariable, starts: bool, carry: bool, report: Report
) -> _Course:
    """Follow units by a column of the state that they held at the start, or at the end, of the row's period."""
    held = _states(rows, column, declared, report)
    told = held >= 0
    link = rows.joined if carry else rows.near
    if starts:
        after = np.append(held[1:], -1)
        link = np.append(link[1:], False)
        before = held
    else:
        before, after = np.append(-1, held[:-1]), held
        before = np.where(rows.joined, before, -1)
    known = told & link & (before >= 0) & (after >= 0)
    moves = known & (before != after)
    left = np.zeros(len(declared.states), bool)
    left[before[moves]] = True
    settled = told & ~left[held] & (~moves if starts else (before == held))
    which = "after" if starts else "before"
    edge = ~np.append(rows.joined[1:], False) if starts else ~rows.joined
    first = f"{'last' if starts else 'first'} row of its unit: the state {which} it is not known"
    apart = f"no row of the period {which} it, so that it is not known when the state changed"
    why = [(f"no value of {column!r}", ~told), (first, edge), (apart, ~link)]
    before = np.where(before < 0, held, before)
    return _Course(
        moves.astype(np.int64), before, np.where(after < 0, held, after), known | settled, why, settled
    )


def _states(rows: _Rows, column: str, declared: StateVariable, report: Report) -> Ints:
    codes, texts = cells.names(rows.raw, column, report, required=False, valid=declared.states)
    words = [str(text) for text in texts.to_pylist()]
    places = {state: code for code, state in enumerate(declared.states)}
    if not any(word in places for word in words):
        places = {str(code): code for code in range(len(declared.states))}
    found = np.array([places.get(word.removesuffix(".0"), places.get(word, -1)) for word in words] + [-1])
    strange = np.flatnonzero((codes >= 0) & (found[codes] < 0))
    there = ", ".join(declared.states)
    report.rows(
        rows.raw, strange, column, f"unknown state; states= are: {there} (or 0, 1, ... in this order)"
    )
    return np.asarray(found[codes][rows.order], np.int64)


def _watched(
    rows: _Rows,
    course: _Course,
    columns: Covariates,
    lag: int,
    gaps: str,
    missing: str,
    account: Account,
    report: Report,
) -> Bools:
    """Return which rows' periods are watched; note the others, or report them where they are to be errors."""
    raw, order = rows.raw, rows.order
    free = course.settled  # nothing can happen any more: neither covariates nor gaps matter
    if gaps == "error":
        holes = np.flatnonzero(rows.joined & ~rows.near & ~free)
        for place in holes.tolist():
            text = (
                f"no rows of {rows.name(place)!r} between {rows.periods.text(rows.period[place - 1])} and "
                f'{rows.periods.text(rows.period[place])}: say gaps="not at risk" or gaps="carry"'
            )
            report.rows(raw, [int(order[place])], None, text, kind="gap")
    kept = np.ones(len(order), bool)

    def drop(reason: str, which: Bools) -> None:
        account.leave("panel", reason, order[which & kept])
        kept[which] = False

    unknown = ~course.known
    if missing == "error":
        empty = unknown & course.why[0][1]
        report.rows(
            raw, order[empty], None, 'no outcome is given: say missing="not at risk"', kind="no outcome"
        )
    for reason, holds in course.why:
        drop(reason, unknown & holds)
    if lag and columns.numbers:
        link = rows.joined if gaps == "carry" else rows.near
        first = "first row of its unit: it gives its covariates to the next row, and no row gives it any"
        drop(first, ~rows.joined & ~free)
        drop("no row of the period before it, which would give it covariates", ~link & ~free)
    for name in [*columns.numbers, *columns.texts]:
        lost = _lost(columns, name, lag, rows.joined) & ~free & kept
        if missing == "error":
            at = order[np.flatnonzero(lost) - lag]
            report.rows(
                raw, at, name, 'no value is given: say missing="not at risk" or "carry"', kind="missing"
            )
        drop(f"no value of {name!r}" + (" in the row before" if lag else ""), lost)
    if not kept.any():
        report.add(
            raw.file, "no row is left in which a unit could be watched: " + "; ".join(_reasons(account))
        )
    return kept


def _reasons(account: Account) -> list[str]:
    return [f"{len(rows):,} rows: {reason}" for _, reason, rows in account.left]


def _lost(columns: Covariates, name: str, lag: int, joined: Bools) -> Bools:
    gone = np.isnan(columns.numbers[name]) if name in columns.numbers else columns.texts[name][0] < 0
    return np.append(True, gone[:-1]) & joined if lag and name in columns.numbers else gone


def _tables(
    rows: _Rows,
    course: _Course,
    columns: Covariates,
    kept: Bools,
    lag: int,
    carry: bool,
    declared: StateVariable,
    account: Account,
) -> tuple[dict[str, Any], int]:
    """Return units (a row for each spell), events and covariates, and the last period."""
    at = np.flatnonzero(kept)
    u, p = rows.unit[at], rows.period[at]
    last = int(p.max())
    same = np.append(False, u[1:] == u[:-1])
    # A spell goes on where the next period follows, where a gap is carried over, and where nothing can happen.
    whole = np.diff(at, prepend=at[:1]) == 1
    on = same & (
        (np.diff(p, prepend=p[:1]) == 1) | (course.settled[at] & _settles(course, at)) | (carry & whole)
    )
    heads = np.flatnonzero(~on)
    tails = np.append(heads[1:], len(at)) - 1
    leave = p[tails].copy()
    stays = _stays(course, rows)
    leave[stays[at[tails]]] = last
    if stays.any():
        account.note(_ends(rows, np.flatnonzero(stays)))
    # Who adopts in a row that is left out is there from then on all the same.
    late = np.flatnonzero(stays & ~kept & (rows.period < last))
    names = rows.names
    words = np.array(declared.states, object)
    spells = np.append(at[heads], late)
    units = {
        "unit": names.take(frames.numeric(rows.unit[spells])),
        "enter": rows.periods.times(np.append(p[heads], rows.period[late] + 1)),
        "exit": rows.periods.times(np.append(leave, np.full(len(late), last))),
        declared.name: list(words[np.append(course.before[at[heads]], course.after[late])]),
    }
    for name, (codes, texts) in columns.texts.items():
        units[name] = frames.dictionary(codes[spells], texts).cast("string")
    happened = np.repeat(at, course.count[at])
    number = np.arange(len(happened)) - np.searchsorted(happened, happened) + 1
    entered = np.where(course.count[happened] > 1, 1, course.after[happened])
    events = {
        "unit": names.take(frames.numeric(rows.unit[happened])),
        "variable": [declared.name] * len(happened),
        "state": list(words[entered]),
        "time": rows.periods.times(rows.period[happened]),
    } | ({"sequence": number} if (number > 1).any() else {})
    held = np.where(on & (carry | (np.diff(p, prepend=p[:1]) == 1)), True, False)
    until = np.where(np.append(held[1:], False), np.append(p[1:], 0) - 1, p)
    parts: dict[str, list[Any]] = {"unit": [], "covariate": [], "value": [], "start": [], "end": []}
    for values in columns.numbers.values():
        value = values[at - lag]
        known = np.flatnonzero(~np.isnan(value) & (rows.joined[at] | (not lag)))
        first, ends = runs(u[known], p[known], until[known], value[known])
        chosen = known[first]
        parts["unit"].append(u[chosen])
        parts["covariate"].append(np.full(len(chosen), len(parts["covariate"])))
        parts["value"].append(value[chosen])
        parts["start"].append(p[chosen])
        parts["end"].append(ends)
    if not columns.numbers:
        return {"units": units, "events": events if len(happened) else None}, last
    joined = {key: np.concatenate(each) for key, each in parts.items()}
    covariates = {
        "unit": names.take(frames.numeric(joined["unit"])),
        "covariate": frames.dictionary(joined["covariate"].astype(np.int32), frames.strings(columns.numbers)),
        "value": joined["value"],
        "start": rows.periods.times(joined["start"]),
        "end": rows.periods.times(joined["end"]),
    }
    return {"units": units, "events": events if len(happened) else None, "covariates": covariates}, last


def _settles(course: _Course, at: Ints) -> Bools:
    """Whether the kept row before each one left the unit in the state in which this one finds it."""
    before = np.append(-1, course.after[at][:-1])
    return np.asarray(before == course.before[at])


def _stays(course: _Course, rows: _Rows) -> Bools:
    """Which rows end a unit with the event into a state that nobody leaves: it remains there without further rows."""
    over = ~np.append(rows.joined[1:], False)
    return np.asarray(over & (course.count > 0) & ~course.settled & _absorbing(course)[course.after])


def _absorbing(course: _Course) -> Bools:
    """Which states nobody leaves, by their codes."""
    out = np.ones(int(max(course.before.max(), course.after.max())) + 1, bool)
    moved = course.known & (course.count > 0)
    out[course.before[moved]] = False
    return out


def _ends(rows: _Rows, places: Ints) -> str:
    who = [rows.name(place) for place in places.tolist()]
    return (
        f"{len(who):,} {'unit' if len(who) == 1 else 'units'} without rows after the event "
        f"{'stays' if len(who) == 1 else 'stay'} in its state to the end: "
        f"{some(who)}"
    )


def _say(
    rows: _Rows, course: _Course, kept: Bools, row: str, lag: int, columns: Covariates, account: Account
) -> None:
    """Note what a reader must know of a panel: what acts when, and events that are not explained."""
    if columns.numbers:
        when = "in its own period" if lag == 0 else "in the next period"
        account.note(f"a row tells the {row} of its period; its covariates act {when}")
        if lag == 0 and row == "end":
            account.note(
                "covariates are taken at the end of the period in which they act: they may be consequences of the event"
            )
    lost = np.flatnonzero((course.count > 0) & ~kept)
    if len(lost):
        who = [f"{rows.name(place)} ({rows.periods.text(rows.period[place])})" for place in lost.tolist()]
        account.note(
            f"{len(lost):,} {'event lies' if len(lost) == 1 else 'events lie'} in rows that are left out, and only "
            f"set states: {some(who)}"
        )
    columns.say(account)


def _ties(
    ties: object, time: str, lag: int, periods: Periods, never: set[str], account: Account, report: Report
) -> object:
    """Return ties as they are, or those given period by period as rows with start and end."""
    if ties is None:
        return None
    if isinstance(ties, Mapping) and not all(hasattr(each, "__len__") for each in ties.values()):
        return ties
    if isinstance(ties, Mapping) and "source" not in ties:
        return ties
    if not (hasattr(ties, "columns") or hasattr(ties, "column_names") or isinstance(ties, Mapping | str)):
        return ties
    raw = raw_of(ties, "ties", report)
    account.open("ties", raw)
    if never and needed(raw, {"source": "source", "target": "target"}, report):
        lost = np.zeros(raw.rows, bool)
        for column in ("source", "target"):
            codes, texts = cells.names(raw, column, Report())
            lost |= np.array([text in never for text in texts.to_pylist()] + [False])[codes]
        account.leave("ties", f"of units that are never watched: {some(sorted(never))}", np.flatnonzero(lost))
        raw = take_rows(raw, np.flatnonzero(~lost))
    if time not in raw.columns or "start" in raw.columns:
        return raw.columns
    return by_periods(raw, time, lag, periods, report)


def _with_tables(account: Account, history: History) -> Account:
    """The account of a panel with that of the ties that the history was handed."""
    for table, reason, rows in history._account.left:
        if table == "ties":
            account.leave(table, reason, rows)
    if "ties" in history._account.read:
        account.read.setdefault("ties", history._account.read["ties"])
    return account
