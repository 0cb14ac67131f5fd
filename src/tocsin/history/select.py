"""Parts of a history: some units, some layers, a narrower window."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tocsin.errors import TocsinError, suggestion
from tocsin.history.assemble import Declared
from tocsin.history.presence import marked
from tocsin.history.tables.frames import Raw
from tocsin.history.tables.schema import Report
from tocsin.history.time import Clock, near, read_clock, window_ends

if TYPE_CHECKING:
    from tocsin.history.history import History


def rebuilt(
    history: History,
    tables: Mapping[str, Any],
    clock: Clock | None = None,
    layers: Mapping[str, str | None] | None = None,
    outside: Mapping[str, float] | None = None,
    variables: Any = None,
    levels: Mapping[str, tuple[str, ...]] | None = None,
) -> History:
    """The same history with other tables, checked anew."""
    from tocsin.history.history import History

    raws = {
        name: Raw(name, dict(zip(table.column_names, table.columns, strict=True)), table.num_rows)
        for name, table in tables.items()
    }
    declared = Declared(
        history.variables if variables is None else variables,
        history.layers if layers is None else layers,
        outside=history.outside if outside is None else outside,
        text_columns=frozenset(
            field.name for field in tables["units"].schema if pa.types.is_string(field.type)
        ),
        levels=history.levels if levels is None else levels,
        trusted=True,
        extra=frozenset(history.extra),
    )
    about = {
        key: getattr(history, key)
        for key in (
            "name",
            "title",
            "description",
            "citation",
            "licence",
            "model_path",
            "borders_path",
            "waves",
            "claims_path",
            "layer_labels",
            "words",
            "question",
            "scopes",
            "scope",
        )
    }
    return History._from_raws(
        raws, declared, clock or history._clock, Report(), f"history {history.name!r}", about
    )


def chosen(wanted: Iterable[str], there: Iterable[str], what: str) -> list[str]:
    """The names asked for, each of which must be there."""
    if isinstance(wanted, str):
        wanted = [wanted]
    known = list(there)
    have = set(known)
    names = [str(name) for name in wanted]
    for name in names:
        if name not in have:
            raise TocsinError(f"there is no {what} {name!r} in this history" + suggestion(name, known))
    return names


def select(
    history: History, units: Iterable[str] | None, layers: Iterable[str] | None, window: object
) -> History:
    """See `History.select`."""
    tables = dict(history._tables)
    clock, rules = history._clock, history.layers
    if layers is not None:
        names = chosen(layers, rules, "layer")
        rules = {name: rule for name, rule in rules.items() if name in names}
        tables["ties"] = _among(tables["ties"], "layer", names)
    if window is not None:
        clock = _narrowed(history, window)
    if clock != history._clock:
        tables = _within(history, tables, clock)
    kept = _names(tables["units"])
    if units is not None:
        wanted = set(chosen(units, history.numbers.units, "unit"))
        kept = [name for name in kept if name in wanted]
    if not kept:
        raise TocsinError("no unit is left: none of those chosen is there within the window")
    if len(kept) < len(history.numbers.units):
        tables["units"] = _among(tables["units"], "unit", kept)
        of_units(tables, kept)
    return rebuilt(history, tables, clock, rules)


def of_units(tables: dict[str, Any], names: Sequence[str]) -> None:
    """Leave of all tables but that of units only the rows about some units, in place."""
    for name, column in (("events", "unit"), ("ties", "source"), ("ties", "target"), ("episodes", "unit")):
        tables[name] = _among(tables[name], column, names)
    tables["covariates"] = _among(tables["covariates"], "unit", [*names, "*"])


def _names(units: Any) -> list[str]:
    return list(dict.fromkeys(units.column("unit").cast(pa.string()).to_pylist()))


def _codes(table: Any, column: str) -> Any:
    from tocsin.history.arrays import _codes

    return _codes(table, column)


def _among(table: Any, column: str, names: Iterable[str]) -> Any:
    if not table.num_rows:
        return table
    return table.filter(
        pc.is_in(table.column(column).cast(pa.string()), value_set=pa.array(list(names), pa.string()))
    )


def _narrowed(history: History, window: object) -> Clock:
    old = history._clock
    given = window_ends(window)
    if given is None:
        raise TocsinError(f"a window is (first, last), not {window!r}")
    first, last = given
    ends = (history.window[0] if first is None else first, history.window[1] if last is None else last)
    report = Report()
    clock = read_clock(ends, old.declared, report)
    report.raise_if_any("window")
    if clock.dated != old.dated or clock.first < old.first or clock.last > old.last:
        span = f"{old.text(old.first)} to {old.text(old.last)}"
        raise TocsinError(
            f"the window {ends[0]} to {ends[1]} does not lie within that of the history, {span}"
        )
    return clock


def _column(table: Any, name: str, default: float) -> Any:
    from tocsin.history.arrays import _times

    return _times(table, name, default)


def _within(history: History, tables: dict[str, Any], clock: Clock) -> dict[str, Any]:
    """Rows in force within the new window, and all events up to its end."""
    old = history._clock
    units, events = tables["units"], tables["events"]
    rows = _codes(units, "unit") if units.num_rows > len(history.numbers.units) else np.arange(units.num_rows)
    dark = marked(units)
    coded = np.flatnonzero(~dark)
    opens = np.isin(np.arange(units.num_rows), coded[np.unique(rows[coded], return_index=True)[1]])
    for variable in history.variables:
        # The state on entry was that of the old entry; more events now lie before the new one, so it is
        # restated as the state before the first of them.
        place = units.column_names.index(variable.name) if variable.name in units.column_names else -1
        if place >= 0 and pa.types.is_dictionary(units.column(place).type):
            codes = history.numbers.initial[variable.name][rows]
            given = units.column(place).cast(pa.string()).to_pylist()
            states = [
                variable.states[code] if said is not None and first else said
                for code, said, first in zip(codes.tolist(), given, opens.tolist(), strict=True)
            ]
            units = units.set_column(place, variable.name, pa.array(states, pa.string()))
    begin = clock.begin(_column(units, "enter", old.first))
    finish = clock.finish(_column(units, "exit", old.last))
    there = (begin < clock.end) & (finish > clock.start)
    # Of a unit that comes and goes, spells before the new window stay: events in them set its state and memory.
    several = np.bincount(rows) > 1
    kept = (begin < clock.end) & np.isin(rows, rows[there & ~dark]) & (there | several[rows])
    tables["units"] = units.filter(pa.array(kept))
    if events.num_rows:
        time = _column(events, "time", 0)
        seen = time <= clock.last
        if not clock.dated:
            seen |= near(time, np.full(len(time), clock.last))
        tables["events"] = _dated_before(events.filter(pa.array(seen)), clock)
    for name in ("ties", "covariates"):
        table = tables[name]
        if table.num_rows:
            starts = clock.begin(_column(table, "start", old.first))
            ends = clock.finish(_column(table, "end", old.last))
            tables[name] = table.filter(pa.array((starts < clock.end) & (ends > clock.start)))
    episodes = tables["episodes"]
    if episodes.num_rows:
        kept = np.ones(episodes.num_rows, bool)
        if "start" in episodes.column_names:
            kept &= ~(
                pc.fill_null(episodes.column("start").cast(_raw(clock)), int(-1e9)).to_numpy() > clock.last
            )
        if "end" in episodes.column_names:
            kept &= ~(
                pc.fill_null(episodes.column("end").cast(_raw(clock)), int(1e9)).to_numpy() < clock.first
            )
        tables["episodes"] = episodes.filter(pa.array(kept))
    kept_units = _names(tables["units"])
    if len(kept_units) < len(history.numbers.units):
        of_units(tables, kept_units)
    return tables


def _dated_before(events: Any, clock: Clock) -> Any:
    """Take events whose span ends before the window at the middle of it: they only set a state on entry."""
    if "time_latest" not in events.column_names:
        return events
    first, last = (_column(events, name, 0) for name in ("time", "time_latest"))
    whole = clock.dated or clock.grouped
    over = last < clock.first if whole else last <= clock.first
    middle = first + (last - first) // 2 if whole else (first + last) / 2
    for name, values in (("time", first), ("time_latest", last)):
        place = events.column_names.index(name)
        moved = pa.array(np.where(over, middle, values)).cast(_raw(clock))
        events = events.set_column(place, name, moved.cast(events.column(place).type))
    return events


def _raw(clock: Clock) -> Any:
    return pa.int32() if clock.dated else pa.float64()
