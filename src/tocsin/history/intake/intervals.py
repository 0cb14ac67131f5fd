"""Intervals of the counting process (a row for each stretch, start to stop) as a history."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from tocsin.history.history import History
from tocsin.history.intake.account import Account, some
from tocsin.history.intake.event_list import with_account
from tocsin.history.intake.given import TREATMENTS, Covariates, choice, counts_of, needed, raw_of, runs
from tocsin.history.tables import cells, frames
from tocsin.history.tables.schema import Report
from tocsin.history.time import EARLIEST, LATEST, Clock, is_number
from tocsin.states import StateVariable


def from_intervals(
    rows: object,
    *,
    unit: str,
    start: str,
    stop: str,
    event: str | None = None,
    state: str | None = None,
    variable: str | None = None,
    states: Sequence[str] = ("no", "yes"),
    recurrent: bool = False,
    covariates: Sequence[str] = (),
    gaps: str = "error",
    missing: str = "error",
    ties: object = None,
    window: tuple[Any, Any] | None = None,
    name: str = "intervals",
    **more: Any,
) -> History:
    """Make a history of rows of the counting process, (start, stop] with what happened at stop, in any order.

    A unit is watched on (start, stop] under the covariates of the row; an event at stop sees them. A unit whose rows
    end with an event into a state that nobody leaves stays in it to the end of the window.

    Parameters:
        rows: a frame, a dict of columns, or the path of a file.
        unit, start, stop: columns of the unit and of the two ends, numbers (of a continuous clock) or dates.
        event: column of 0 and 1: whether the row ends with the event, which enters the second of `states`.
        state: instead, column of the state that is entered at stop; empty where the row ends without an event.
        variable, states, recurrent, covariates, ties: as for `from_panel`.
        gaps: time between two rows of a unit: ``"error"``, ``"not at risk"`` or ``"carry"`` (the row before holds on).
        missing: covariates without a value: the same three.
        window: first and last time; by default from the first start to the last stop.
        name: of the history.
        more: further arguments of `History`.

    Raises:
        HistoryError: a cell, an overlap or an argument is wrong; every fault is listed.

    Source: Andersen & Gill (1982).

    >>> rows = {"id": ["a", "a"], "from": [0, 2.5], "to": [2.5, 4], "died": [0, 1]}
    >>> tc.from_intervals(rows, unit="id", start="from", stop="to", event="died").events
    """
    report = Report()
    raw = raw_of(rows, "rows", report)
    why = "what becomes of time without a row, and of cells without a value"
    choice("gaps", gaps, TREATMENTS, why, report)
    choice("missing", missing, TREATMENTS, why, report)
    if (event is None) == (state is None):
        report.add(
            "history",
            "say event= (whether a row ends with the event) or state= (the one entered), one of them",
        )
    wanted = {"unit": unit, "start": start, "stop": stop, "event": event, "state": state}
    good = needed(raw, wanted | {f"covariates, {each}": each for each in covariates}, report)
    report.raise_if_any(name)
    outcome = event or state
    assert good and outcome is not None
    declared = StateVariable(variable or outcome, states, recurrent=recurrent)
    account = Account()
    account.open("rows", raw)
    dated = _dated(raw, start)
    clock = Clock("day", EARLIEST, LATEST) if dated else Clock("number", -np.inf, np.inf)
    codes, names = cells.names(raw, unit, report)
    (begin, *lost), (finish, *gone) = (cells.times(raw, each, clock, report) for each in (start, stop))
    none = np.flatnonzero(lost[0] | gone[0])
    report.rows(raw, none, start, "a row needs a start and a stop", kind="no time")
    entered = _entered(raw, outcome, event is not None, declared, report)
    report.raise_if_any(name)
    empty = np.flatnonzero(finish <= begin)
    report.rows(raw, empty, stop, "a row of no time: it must stop after it starts")
    order = np.lexsort((begin, codes))
    joined = np.append(False, codes[order][1:] == codes[order][:-1])
    u, b, e, to = codes[order].astype(np.int64), begin[order], finish[order], entered[order]
    before = np.append(e[:1], e[:-1])
    report.rows(
        raw, order[joined & (b < before)], start, "it starts before the row before it of this unit stops"
    )
    if gaps == "error":
        told = 'a gap after the row before it of this unit: say gaps="not at risk" or gaps="carry"'
        report.rows(raw, order[joined & (b > before)], start, told, kind="gap")
    columns = Covariates.read(raw, order, joined, covariates, missing == "carry", report)
    report.raise_if_any(name)
    kept = np.ones(len(order), bool)
    for key in [*columns.numbers, *columns.texts]:
        empty_cells = np.isnan(columns.numbers[key]) if key in columns.numbers else columns.texts[key][0] < 0
        if missing == "error":
            told = 'no value is given: say missing="not at risk" or "carry"'
            report.rows(raw, order[empty_cells], key, told, kind="missing")
        account.leave("rows", f"no value of {key!r}", order[empty_cells])
        kept &= ~empty_cells
    report.raise_if_any(name)
    if not kept.any():
        report.add(raw.file, "no row is left in which a unit could be watched")
        report.raise_if_any(name)
    held = _held(to, joined)
    lasting = _lasting(to, held, joined, declared)
    ends = window or _window(b[kept], e[kept], dated)
    at = np.flatnonzero(kept)
    tables = _tables(at, u, b, e, to, held, lasting, joined, gaps == "carry", names, columns, declared, dated)
    lost_events = np.flatnonzero((to >= 0) & ~kept)
    if len(lost_events):
        who = some(str(names[int(u[place])].as_py()) for place in lost_events.tolist())
        many = "1 event lies" if len(lost_events) == 1 else f"{len(lost_events):,} events lie"
        account.note(f"{many} in rows that are left out, and only set states: {who}")
    columns.say(account)
    history = History(
        **tables,
        ties=ties,
        variables=[declared],
        window=ends,
        clock="day" if dated else "continuous",
        name=name,
        **more,
    )
    for table in ("units", "events", "covariates"):
        history._account.read.pop(table, None)
    return with_account(history, account)


def _dated(raw: Any, column: str) -> bool:
    kind = raw.columns[column].type
    if pa.types.is_temporal(kind):
        return True
    if pa.types.is_integer(kind) or pa.types.is_floating(kind):
        return False
    _, values = cells.encode(raw.columns[column])
    texts = [frames.plain(value) or "" for value in cells.listed(values)]
    return not all(is_number(text.strip()) for text in texts if not cells.is_missing(text))


def _entered(raw: Any, column: str, flag: bool, declared: StateVariable, report: Report) -> Any:
    """The state that is entered at each row's stop, by its code; -1 where the row ends without an event."""
    if flag:
        values, gone = counts_of(raw, column, report)
        report.rows(
            raw, np.flatnonzero(gone), column, "no value: 0 says that nothing happened", kind="missing"
        )
        odd = ~gone & ~np.isnan(values) & (values != 0) & (values != 1)
        report.rows(raw, np.flatnonzero(odd), column, "bad number: the column of events holds 0 or 1")
        return np.where(values == 1, 1, -1)
    codes, texts = cells.names(raw, column, report, required=False, valid=declared.states)
    place = np.append(frames.positions(texts, frames.strings(declared.states)), -1)
    strange = np.flatnonzero((codes >= 0) & (place[codes] < 0))
    report.rows(raw, strange, column, f"unknown state; states= are: {', '.join(declared.states)}")
    return place[codes]


def _held(to: Any, joined: Any) -> Any:
    """The state of the unit when each row begins, by its code: that of its last event, else the first."""
    places = np.where(np.append(-1, to[:-1]) >= 0, np.arange(len(to)), 0)
    heads = np.where(joined, 0, np.arange(len(to)))
    source = np.maximum(np.maximum.accumulate(np.where(joined, places, 0)), np.maximum.accumulate(heads))
    found = np.append(-1, to[:-1])[source]
    fresh = source == np.maximum.accumulate(heads)
    return np.where(fresh | (found < 0), 0, found)


def _lasting(to: Any, held: Any, joined: Any, declared: StateVariable) -> Any:
    """Which rows are the last of a unit and end with an event into a state that nobody leaves."""
    left = np.zeros(len(declared.states), bool)
    left[held[to >= 0]] = True
    over = ~np.append(joined[1:], False)
    return over & (to >= 0) & ~left[to]


def _window(begin: Any, finish: Any, dated: bool) -> tuple[Any, Any]:
    first, last = begin.min(), finish.max()
    if not dated:
        return float(first), float(last)
    return str(np.datetime64(int(first), "D")), str(np.datetime64(int(last), "D"))


def _tables(
    at: Any, u: Any, b: Any, e: Any, to: Any, held: Any, lasting: Any, joined: Any, carry: bool,
    names: Any, columns: Covariates, declared: StateVariable, dated: bool,
) -> dict[str, Any]:  # fmt: skip
    """Units (a row for each spell), events and covariates of the rows at the places `at`."""

    def times(values: Any) -> Any:
        return (
            frames.numeric(values.astype(np.int32)).cast(pa.date32())
            if dated
            else frames.numeric(values * 1.0)
        )

    day = 1 if dated else 0  # a dated row holds its last day
    u, b, e, to, held, lasting = (each[at] for each in (u, b, e, to, held, lasting))
    same = np.append(False, u[1:] == u[:-1])
    on = same & ((b == np.append(b[:1], e[:-1])) | (carry & (np.diff(at, prepend=at[:1]) == 1)))
    heads = np.flatnonzero(~on)
    tails = np.append(heads[1:], len(at)) - 1
    words = np.array(declared.states, object)
    leave = e[tails] - np.where(to[tails] >= 0, 0, day)
    leave = np.where(lasting[tails], e.max(), leave)
    units: dict[str, Any] = {
        "unit": names.take(frames.numeric(u[heads])), "enter": times(b[heads]), "exit": times(leave),
        declared.name: list(words[held[heads]]),
    }  # fmt: skip
    for key, (codes, texts) in columns.texts.items():
        units[key] = frames.dictionary(codes[at[heads]], texts).cast("string")
    hit = np.flatnonzero(to >= 0)
    events = {
        "unit": names.take(frames.numeric(u[hit])), "variable": [declared.name] * len(hit),
        "state": list(words[to[hit]]), "time": times(e[hit]),
    }  # fmt: skip
    found: dict[str, Any] = {"units": units, "events": events if len(hit) else None}
    if columns.numbers:
        until = np.where(np.append(on[1:], False), np.append(b[1:], 0), e)
        parts = []
        for place, values in enumerate(columns.numbers.values()):
            first, ends = runs(u, b, until - 1, values[at]) if dated else (np.arange(len(u)), until)
            parts.append((u[first], np.full(len(first), place), values[at][first], b[first], ends))
        who, which, value, begin, finish = (np.concatenate(each) for each in zip(*parts, strict=True))
        found["covariates"] = {
            "unit": names.take(frames.numeric(who)),
            "covariate": frames.dictionary(which.astype(np.int32), frames.strings(columns.numbers)),
            "value": value, "start": times(begin), "end": times(finish),
        }  # fmt: skip
    return found
