"""What was known on a day: a history cut down to it, with ties, covariates and presence as on the day."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tocsin.history.select import _raw, of_units, rebuilt
from tocsin.history.tables.schema import REPORTED

if TYPE_CHECKING:
    from collections.abc import Collection

    from numpy.typing import NDArray

    from tocsin.history.history import History
    from tocsin.history.time import Clock

    Bools = NDArray[np.bool_]
    Floats = NDArray[np.float64]


def known_on(history: History, cut: float, end: float) -> History:
    """Return what was known at a clock number, with a window that ends at another.

    An event is known if all of its span is over, and every earlier one of its unit and variable is known. A row of
    ties, covariates or presence is known if it has begun; where it is in force on the day it stays so until the new
    end, whatever is recorded of its own. A row that was `reported` later is not known. Units that have not entered
    are not known. In grouped time the interval that ends at the cut is known as a whole.

    Parameters:
        cut: the day, as a clock number (in grouped time the end of its interval); end: of the new window, which may
            lie beyond that of the history.
    """
    old = history._clock
    clock = replace(old, last=_last(old, end))
    tables = dict(history._tables)
    tables["events"] = tables["events"].filter(pa.array(events_known(history, cut)))
    for name, begin, finish in (
        ("units", "enter", "exit"),
        ("ties", "start", "end"),
        ("covariates", "start", "end"),
    ):
        tables[name] = _as_on_the_day(tables[name], begin, finish, cut, old, clock)
    tables["episodes"] = tables["episodes"].slice(0, 0)
    kept = tables["units"].column("unit").cast(pa.string()).unique().to_pylist()
    if len(kept) < len(history.numbers.units):
        of_units(tables, kept)
    return rebuilt(history, tables, clock)


def known_later(history: History, cut: float, moving: Collection[str]) -> History:
    """Return the history without what was not known of the events of some variables at a clock number.

    Ties, covariates, presence and all other variables are as the record has them, later ones too: what worlds of a
    hindcast live in. Events after the cut are those of the record; worlds do not see them.
    """
    tables = dict(history._tables)
    events = tables["events"]
    if not events.num_rows:
        return history
    own = np.isin(np.array(events.column("variable").to_pylist(), dtype=object), list(moving))
    clock = history._clock
    begun = clock.number(_plain(events, "time", clock, 0.0)) + clock.lag <= cut
    gone = own & begun & ~events_known(history, cut)
    if not gone.any():
        return history
    lost = _chain(history, gone & own)  # what follows an unknown one would not follow from what is known
    tables["events"] = events.filter(pa.array(~(lost & own)))
    return rebuilt(history, tables)


def events_known(history: History, cut: float) -> Bools:
    """Return which events were known at a clock number (events,), in the order of the table."""
    table = history._tables["events"]
    if not table.num_rows:
        return np.zeros(0, bool)
    late = (_events_at(history) > cut) | ~_reported(table, cut, history._clock)
    return ~_chain(history, late)


def _events_at(history: History) -> Floats:
    """Return when each event is over for certain, as clock numbers (events,)."""
    table, clock = history._tables["events"], history._clock
    last = "time_latest" if "time_latest" in table.column_names else "time"
    return np.asarray(clock.number(_plain(table, last, clock, 0.0)) + clock.lag)


def _chain(history: History, late: Bools) -> Bools:
    """Return what is late itself or comes after a late one of its unit and variable, unless that may recur."""
    numbers = history.numbers
    once = np.array([not each.recurrent for each in history.variables], dtype=bool)
    key = numbers.event_unit.astype(np.int64) * len(once) + numbers.event_variable
    found = late.copy()
    for k in np.unique(key[late & once[numbers.event_variable]]):
        own = np.flatnonzero(key == k)  # in the order in which they happened
        found[own[np.argmax(late[own]) :]] = True
    return found


def _as_on_the_day(table: Any, begin: str, finish: str, cut: float, old: Clock, new: Clock) -> Any:
    """Return the rows that have begun; those in force on the day last until the end of the new window."""
    if not table.num_rows:
        return table
    since = old.begin(_plain(table, begin, old, old.first))
    begun = np.asarray(since < cut if old.grouped else since <= cut)
    table = table.filter(pa.array(begun & _reported(table, cut, old)))
    if finish not in table.column_names or not table.num_rows:
        return table
    ends = _plain(table, finish, old, old.last)
    over = old.finish(ends)
    ends = np.where(over >= cut if old.grouped else over > cut, new.last, ends)
    column = pa.array(ends).cast(_raw(new)).cast(table.column(finish).type)
    return table.set_column(table.column_names.index(finish), finish, column)


def _reported(table: Any, cut: float, clock: Clock) -> Bools:
    """Return which rows had been reported (rows,)."""
    if REPORTED not in table.column_names:
        return np.ones(table.num_rows, bool)
    silent = pc.is_null(table.column(REPORTED)).to_numpy()
    return np.asarray(silent | (clock.number(_plain(table, REPORTED, clock, clock.first)) + clock.lag <= cut))


def _plain(table: Any, name: str, clock: Clock, default: float) -> NDArray[Any]:
    """Return a column of times as days or numbers; the default where nothing is said."""
    if name not in table.column_names:
        return np.full(table.num_rows, default)
    raw = table.column(name).cast(_raw(clock))
    return np.asarray(pc.fill_null(raw, pa.scalar(default).cast(raw.type)).to_numpy())


def _last(clock: Clock, end: float) -> float:
    """Return the last date or number of a window that ends at a clock number."""
    return int(clock.days(end - 1.0)) if clock.dated else end
