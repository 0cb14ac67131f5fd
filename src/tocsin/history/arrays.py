"""A history as arrays: what a program compiles a model against."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from tocsin.history.presence import Returns, Stretches, marked, presence_of
from tocsin.history.spans import Spans, precedence, representative, spans_of, tightened
from tocsin.history.tables import frames, schema
from tocsin.history.validate import course

if TYPE_CHECKING:
    from tocsin.history.tables.columns import Parsed
    from tocsin.history.time import Clock
    from tocsin.states import StateVariable

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int32]


class Positions(Mapping[str, int]):
    """Where each name stands, found out when it is first asked for: of a million names that takes a while."""

    def __init__(self, names: tuple[str, ...]) -> None:
        self.names = names

    @cached_property
    def _found(self) -> dict[str, int]:
        return {name: index for index, name in enumerate(self.names)}

    def __getitem__(self, name: str) -> int:
        return self._found[name]

    def __contains__(self, name: object) -> bool:
        return name in self._found

    def __iter__(self) -> Iterator[str]:
        return iter(self.names)

    def __len__(self) -> int:
        return len(self.names)


@dataclass(frozen=True)
class TieArrays:
    """The ties of one layer, at most one per pair in force at a time; a row holds on (start, end]."""

    source: Ints
    target: Ints
    weight: Floats
    start: Floats
    end: Floats


@dataclass(frozen=True)
class CovariateArrays:
    """The rows of one dated covariate; unit -1 stands for all units without a row of their own at the
    time."""

    unit: Ints
    value: Floats
    start: Floats
    end: Floats


@dataclass(frozen=True)
class Numbers:
    """A history as arrays; times are clock numbers, names are positions.

    Attributes:
        units, unit_index: names of the units in canonical order, and their positions.
        start, end: the window (start, end].
        enter, exit: (units,) presence (enter, exit] from first entry to last exit, within the window.
        initial: variable -> (units,) code of the state before the unit's first event.
        event_time, event_unit, event_variable, event_state: (events,) by time, unit, sequence; events at or
            before a unit's entry are among them and set its state on entry.
        ties: layer -> arrays.
        covariates: name -> arrays.
        static: own columns of units: float64 with NaN, or objects (str) with None, where missing.
        levels: of those that are objects, their levels in order: as declared, or else sorted.
        spans: what is known of the times of events; None where all are known. Where an event is known to lie in a
            span, `event_time` is one time in it.
        lag: how long after its number an event is over; see `Clock.lag`.
        absences: stretches between entry and exit in which a unit is not there, or not coded.
        unobserved: stretches in which a unit is there but not coded.
        returns: the states in which units come back, where their rows name them.
        since: variable -> (units,) when the unit came into its state on entry, NaN where nobody knows; only of
            variables for which units say it.
    """

    units: tuple[str, ...]
    unit_index: Mapping[str, int]
    start: float
    end: float
    enter: Floats
    exit: Floats
    initial: dict[str, Ints]
    event_time: Floats
    event_unit: Ints
    event_variable: Ints
    event_state: Ints
    ties: dict[str, TieArrays]
    covariates: dict[str, CovariateArrays]
    static: dict[str, NDArray[Any]]
    levels: dict[str, tuple[str, ...]]
    spans: Spans | None = None
    lag: float = 0.0
    absences: Stretches = field(default_factory=Stretches)
    unobserved: Stretches = field(default_factory=Stretches)
    returns: Returns = field(default_factory=Returns)
    since: Mapping[str, Floats] = field(default_factory=dict)

    @property
    def early(self) -> NDArray[np.bool_]:
        """Return which events (events,) come at or before their unit's entry, and only set its state there."""
        return np.asarray(self.event_time + self.lag <= self.enter[self.event_unit])

    @cached_property
    def panel(self) -> Panel | None:
        """Return long dated covariates side by side; None where there are none. Laid out once."""
        return panel_of(self.covariates, self.enter, self.exit)


def numbers_of(
    tables: Mapping[str, Any],
    clock: Clock,
    variables: Sequence[StateVariable],
    layers: Mapping[str, str | None],
    outside: Mapping[str, float],
    levels: Mapping[str, tuple[str, ...]],
) -> Numbers:
    """Turn the canonical tables of a history into arrays."""
    units = tables["units"]
    names = tuple(dict.fromkeys(units.column("unit").cast(pa.string()).to_pylist()))
    count = len(names)
    given = [
        _codes(units, variable.name)
        if variable.name in units.column_names and variable.name not in schema.UNITS.known
        else None
        for variable in variables
    ]
    there = presence_of(
        np.arange(count) if units.num_rows == count else _codes(units, "unit"),
        clock.begin(_times(units, "enter", clock.first)),
        clock.finish(_times(units, "exit", clock.last)),
        marked(units),
        given,
        (clock.start, clock.end),
        count,
    )
    events = tables["events"]
    event_unit, event_variable, event_state = _event_codes(events, variables)
    event_time = clock.number(_times(events, "time", 0))
    spans = None
    if "time_latest" in events.column_names:
        spans = spans_of(
            _times(events, "time", 0),
            _times(events, "time_latest", 0),
            _floats(events.column("sequence"))
            if "sequence" in events.column_names
            else np.zeros(len(event_time)),
            event_unit,
            there.enter,
            there.exit,
            clock,
        )
    if spans is not None:
        pairs = precedence(spans, event_unit, event_variable)
        spans = tightened(spans, pairs, event_variable)
        event_time = representative(spans, pairs, event_unit)
    followed = course(
        event_unit,
        event_variable,
        event_state,
        event_time + clock.lag,
        np.arange(len(event_time), dtype=np.float64),
        enter=there.begin,
        given=[None if codes is None else codes[there.row] for codes in given],
        variables=variables,
    )
    static: dict[str, NDArray[Any]] = {}
    categories: dict[str, tuple[str, ...]] = {}
    names_of_variables = [variable.name for variable in variables]
    dated = [name for name in names_of_variables if schema.since(name) in units.column_names]
    skip = {
        "unit",
        "label",
        "enter",
        "exit",
        schema.MARK,
        *schema.PROVENANCE,
        *names_of_variables,
        *map(schema.since, dated),
    }
    for name in units.column_names:
        if name not in skip:
            column = units.column(name)
            if units.num_rows > count:
                column = column.take(frames.numeric(there.row))
            text = not pa.types.is_floating(column.type)
            static[name] = np.array(column.to_pylist(), object) if text else _floats(column)
            if text:
                found = pc.unique(column.drop_null()).to_pylist()
                categories[name] = levels.get(name) or tuple(sorted(found))
    return Numbers(
        units=names,
        unit_index=Positions(names),
        start=clock.start,
        end=clock.end,
        enter=there.enter,
        exit=there.exit,
        initial={variable.name: codes for variable, codes in zip(variables, followed.initial, strict=True)},
        event_time=event_time,
        event_unit=event_unit,
        event_variable=event_variable,
        event_state=event_state,
        ties=_ties(tables["ties"], clock, layers, count),
        covariates=_covariates(tables["covariates"], clock, outside, count),
        static=static,
        levels=categories,
        spans=spans,
        lag=clock.lag,
        absences=there.absences,
        unobserved=there.unobserved,
        returns=there.returns,
        since={name: _known_since(units, schema.since(name), clock)[there.row] for name in dated},
    )


def _known_since(units: Any, name: str, clock: Clock) -> Floats:
    """Return since when units have been in their states on entry, where their events stand on the clock."""
    column = units.column(name)
    known = ~np.asarray(pc.is_null(column))
    since = np.full(len(column), np.nan)
    since[known] = clock.number(_times(units, name, 0)[known]) + clock.lag
    return since


def _codes(table: Any, name: str) -> Ints:
    column = frames.whole(table.column(name))
    if not pa.types.is_dictionary(column.type):
        return np.zeros(0, np.int32)
    return np.asarray(frames.to_numpy(column.indices, fill=-1), np.int32)


def _dictionary(table: Any, name: str) -> list[str]:
    column = frames.whole(table.column(name))
    return list(column.dictionary.to_pylist()) if pa.types.is_dictionary(column.type) else []


def _floats(column: Any) -> Floats:
    return np.array(frames.to_numpy(column, fill=np.nan), np.float64)


def _times(table: Any, name: str, default: float) -> NDArray[Any]:
    """A column of times as days or numbers; the default throughout where it is left out."""
    if name not in table.column_names:
        return np.full(table.num_rows, default)
    column = table.column(name)
    if pa.types.is_date32(column.type):
        column = column.cast(pa.int32())
    return np.array(frames.to_numpy(column))


def _event_codes(events: Any, variables: Sequence[StateVariable]) -> tuple[Ints, Ints, Ints]:
    unit, variable, word = _codes(events, "unit"), _codes(events, "variable"), _codes(events, "state")
    state = np.full(len(unit), -1, np.int32)
    words = _dictionary(events, "state")
    for index, declared in enumerate(variables):
        known = {name: code for code, name in enumerate(declared.states)}
        codes = np.array([known.get(name, -1) for name in words], np.int32)
        mine = variable == index
        if mine.any():
            state[mine] = codes[word[mine]]
    return unit, variable, state


def _ties(table: Any, clock: Clock, layers: Mapping[str, str | None], count: int) -> dict[str, TieArrays]:
    layer, source, target = _codes(table, "layer"), _codes(table, "source"), _codes(table, "target")
    names = _dictionary(table, "layer")
    weight = _floats(table.column("weight")) if "weight" in table.column_names else None
    dated = "start" in table.column_names or "end" in table.column_names
    start = clock.begin(_times(table, "start", clock.first)) if dated else None
    end = clock.finish(_times(table, "end", clock.last)) if dated else None
    out: dict[str, TieArrays] = {}
    bounds = np.searchsorted(
        layer, np.arange(len(names) + 1)
    ).tolist()  # rows are in the order of their layer
    ends = {name: (bounds[k], bounds[k + 1]) for k, name in enumerate(names)}
    for name in layers:
        low, high = ends.get(name, (0, 0))
        size = high - low
        # One number stands for all where a column says only the default: millions of ties need no more.
        w = np.broadcast_to(1.0, size) if weight is None else weight[low:high]
        s = np.broadcast_to(clock.start, size) if start is None else np.maximum(start[low:high], clock.start)
        e = np.broadcast_to(clock.end, size) if end is None else np.minimum(end[low:high], clock.end)
        i, j = source[low:high], target[low:high]
        kept = (w > 0) & (e > s)
        if not kept.all():
            i, j, w, s, e = i[kept], j[kept], w[kept], s[kept], e[kept]
        rule = layers[name]
        if rule is not None and len(i):
            i, j, w, s, e = combined(i, j, w, s, e, rule, count)
        out[name] = TieArrays(i, j, w, s, e)
    return out


def combined(
    i: Ints, j: Ints, w: Floats, s: Floats, e: Floats, rule: str, count: int
) -> tuple[Ints, Ints, Floats, Floats, Floats]:
    """Rows of one pair in force together made into one row per stretch of time: their maximum or their
    sum."""
    key = i.astype(np.int64) * count + j
    ordered = np.sort(key)
    shared = np.unique(ordered[1:][ordered[1:] == ordered[:-1]])
    crowded = np.isin(key, shared)
    if not crowded.any():
        return i, j, w, s, e
    a = np.flatnonzero(crowded)
    keys, begin, finish, weight = key[a], s[a], e[a], w[a]
    # Every start and end of a pair cuts its time; a row covers the pieces from its own start to its own end.
    points_key = np.concatenate([keys, keys])
    points_time = np.concatenate([begin, finish])
    order = np.lexsort((points_time, points_key))
    k, t = points_key[order], points_time[order]
    fresh = np.append(True, (k[1:] != k[:-1]) | (t[1:] != t[:-1]))
    place = np.empty(len(order), np.int64)
    place[order] = np.cumsum(fresh) - 1
    cut_key, cut_time = k[fresh], t[fresh]
    low, high = place[: len(a)], place[len(a) :]
    lengths = high - low
    rows = np.repeat(np.arange(len(a)), lengths)
    piece = np.arange(len(rows)) - np.repeat(np.cumsum(lengths) - lengths, lengths) + low[rows]
    by_piece = np.argsort(piece, kind="stable")
    piece, values = piece[by_piece], weight[rows[by_piece]]
    heads = np.flatnonzero(np.append(True, piece[1:] != piece[:-1]))
    total = np.add.reduceat(values, heads) if rule == "sum" else np.maximum.reduceat(values, heads)
    at = piece[heads]
    # Neighbouring pieces of one weight are one row again.
    joined = np.append(
        False, (at[1:] == at[:-1] + 1) & (cut_key[at[1:]] == cut_key[at[:-1]]) & (total[1:] == total[:-1])
    )
    first = np.flatnonzero(~joined)
    last = np.append(first[1:], len(at)) - 1
    pair = cut_key[at[first]]
    alone = ~crowded
    i = np.concatenate([i[alone], (pair // count).astype(np.int32)])
    j = np.concatenate([j[alone], (pair % count).astype(np.int32)])
    w = np.concatenate([w[alone], total[first]])
    s = np.concatenate([s[alone], cut_time[at[first]]])
    e = np.concatenate([e[alone], cut_time[at[last] + 1]])
    final = np.lexsort((s, j, i))
    return i[final], j[final], w[final], s[final], e[final]


def _covariates(
    table: Any, clock: Clock, outside: Mapping[str, float], count: int
) -> dict[str, CovariateArrays]:
    kinds, kind = _dictionary(table, "covariate"), _codes(table, "covariate")
    unit = _codes(table, "unit")
    unit = np.where(unit == count, -1, unit).astype(np.int32)
    value = _floats(table.column("value")) if table.num_rows else np.zeros(0)
    start = clock.begin(_times(table, "start", clock.first))
    end = clock.finish(_times(table, "end", clock.last))
    rows = np.flatnonzero(end > start)  # a row that begins where it ends holds at no time
    rows = rows[np.argsort(kind[rows], kind="stable")]
    bounds = np.searchsorted(kind[rows], np.arange(len(kinds) + 1)).tolist()
    mine = dict(zip(kinds, itertools.pairwise(bounds), strict=True))
    unit, value, start, end = unit[rows], value[rows], start[rows], end[rows]
    out: dict[str, CovariateArrays] = {}
    for name in sorted({*kinds, *outside}):
        a, b = mine.get(name, (0, 0))
        out[name] = CovariateArrays(unit[a:b], value[a:b], start[a:b], end[a:b])
    return out


# --- Dated covariates side by side: a long table of starts, ends and values as formulas read it,
#     laid out once


LONG, THINNED = 20_000, 8  # rows above which a table is long, and one of so many says nearly the same


class Columns(NamedTuple):
    """Columns of a long matrix."""

    whole: Floats  # (k, rows)
    thin: Floats  # one of so many rows (k, rows / THINNED)
    ranges: tuple[Floats, Floats]  # least and largest of each column (k,)


@dataclass(frozen=True, eq=False)
class Panel:
    """Covariates that are known for every unit as long as it is present, and change at the same times.

    Attributes:
        names: the covariates (C,).
        unit, start: of every piece of time, unit by unit and in order of time (pieces,); first: the first piece
            of each unit (units + 1,).
        columns: ones, and the value of each covariate in each piece (1 + C, pieces).
    """

    names: tuple[str, ...]
    unit: NDArray[np.int64]
    start: Floats
    first: NDArray[np.int64]
    columns: Floats

    def varied(self, name: str) -> bool:
        """Return whether a covariate hardly takes any value twice; looked at once."""
        if name not in self._varied:
            ordered = np.sort(self.columns[1 + self.names.index(name)])
            self._varied[name] = bool(2 * np.count_nonzero(ordered[1:] != ordered[:-1]) > ordered.size)
        return self._varied[name]

    @cached_property
    def _varied(self) -> dict[str, bool]:
        return {}

    @cached_property
    def ranges(self) -> tuple[Floats, Floats]:
        """Return the least and the largest value of every column (1 + C,)."""
        return self.columns.min(axis=1), self.columns.max(axis=1)

    @cached_property
    def thin(self) -> Floats:
        """Return one of so many pieces (1 + C, pieces / THINNED)."""
        return np.ascontiguousarray(self.columns[:, ::THINNED])

    @cached_property
    def numbers(self) -> NDArray[np.int32]:
        """Return the number of every piece (pieces,)."""
        return np.arange(self.start.size, dtype=np.int32)

    def choose(self, names: Sequence[str]) -> Columns | None:
        """Return ones and the named covariates.

        None where one of them is not here, or where rows are so often alike that distinct ones are fewer.
        """
        if not set(names) <= set(self.names) or not any(self.varied(name) for name in names):
            return None
        place = [0, *(1 + self.names.index(name) for name in names)]
        least, most = self.ranges
        chosen = (
            slice(len(place)) if place == list(range(len(place))) else place
        )  # no copy if they are the first
        return Columns(self.columns[chosen], self.thin[chosen], (least[place], most[place]))


def panel_of(covariates: Mapping[str, CovariateArrays], enter: Floats, leave: Floats) -> Panel | None:
    """Lay out the covariates that cover the presence of every unit with rows for the same times.

    Parameters:
        covariates: the dated covariates; enter, leave: presence of the units (units,).

    Returns:
        None where there are none, or where they are short.
    """
    first, chosen = None, []
    for name, rows in covariates.items():
        if first is None:
            if rows.unit.size >= LONG and _covers(rows, enter, leave):
                first = rows
        elif not all(np.array_equal(getattr(rows, x), getattr(first, x)) for x in ("unit", "start", "end")):
            continue
        if first is not None and np.isfinite(rows.value).all():
            chosen.append(name)
    if first is None or not chosen:
        return None
    columns = np.empty((1 + len(chosen), first.unit.size))
    columns[0] = 1.0
    for place, name in enumerate(chosen, 1):
        columns[place] = covariates[name].value
    size = np.bincount(first.unit, minlength=enter.size)
    begin = np.concatenate([[0], np.cumsum(size)]).astype(np.int64)
    return Panel(tuple(chosen), first.unit.astype(np.int64), first.start, begin, columns)


def _covers(rows: CovariateArrays, enter: Floats, leave: Floats) -> bool:
    """Say whether rows stand in order, each until the next, from each unit's entry on and until it leaves."""
    unit, start, end = rows.unit, rows.start, rows.end
    if unit[0] != 0 or unit[-1] != enter.size - 1 or not (start < end).all():
        return False
    same = unit[1:] == unit[:-1]
    if not (same | (unit[1:] == unit[:-1] + 1)).all() or not (~same | (start[1:] == end[:-1])).all():
        return False
    head = np.flatnonzero(np.append(True, ~same))
    tail = np.append(head[1:], unit.size) - 1
    return bool((start[head] == enter).all() and (start[tail] < leave).all() and (end[tail] >= leave).all())


# --- Ties put in order by counting, where they are many and no pair has two of them

MANY_TIES = 200_000  # rows, from which counting saves more than its kernel takes to load


def distinct_pairs(ties: Parsed) -> Parsed | None:
    """Return ties in the order of layer, source and target, each pair once; else None.

    Nothing is left to check of such ties, so no key of each row is needed, and no sort of keys.

    Parameters:
        ties: the ties as read; None is returned where a row could not be read whole.
    """
    from tocsin.kernels.tie_order import is_distinct, pack_pairs  # slow to import

    layer, source, target = (ties.columns[name] for name in ("layer", "source", "target"))
    layers, units = len(ties.coded["layer"]), len(ties.coded["source"])
    if not ties.usable.all() or layer.max() >= layers:
        return None
    if is_distinct(layer, source, target):
        # What a frame was made of may be changed later; a history may not.
        return replace(ties, columns={name: _own(values) for name, values in ties.columns.items()})
    if max(ties.rows, layers * units) >= 2**31 or layers * units > 8 * ties.rows:
        return None
    first, packed = pack_pairs(layer, source, target, layers, units)
    group = np.repeat(np.arange(layers * units, dtype=np.int32), np.diff(first))
    columns: dict[str, Any] = {"layer": group, "source": group}
    if layers > 1:
        columns["layer"], columns["source"] = np.divmod(group, np.int32(units))
    else:
        columns["layer"] = np.zeros(ties.rows, np.int32)
    columns["target"] = (packed >> np.uint64(32)).astype(np.int32)
    if not is_distinct(columns["layer"], columns["source"], columns["target"]):
        return None
    rest = [name for name in ties.columns if name not in columns]
    order = (packed & np.uint64(2**32 - 1)).astype(np.int32) if rest else np.empty(0, np.int32)
    return replace(ties, columns=columns | {name: _taken(ties.columns[name], order) for name in rest})


def _own(values: Any) -> Any:
    return values.copy() if isinstance(values, np.ndarray) else values


def _taken(values: Any, order: NDArray[np.int32]) -> Any:
    return values[order] if isinstance(values, np.ndarray) else values.take(frames.numeric(order))
