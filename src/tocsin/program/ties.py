"""Ties as arrays by source and by target, their changes, and the totals that normalise exposure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tocsin.history.numbers import Numbers, TieArrays


@dataclass(frozen=True)
class Breaks:
    """Changes at known times: kind, three integers and a number, whose meaning depends on the kind."""

    time: NDArray[np.float64]
    kind: NDArray[np.uint8]
    a: NDArray[np.int32]
    b: NDArray[np.int32]
    c: NDArray[np.int64]
    x: NDArray[np.float64]

    @staticmethod
    def make(
        kind: int,
        time: NDArray[np.float64],
        a: NDArray[np.integer] | int = 0,
        b: NDArray[np.integer] | int = 0,
        c: NDArray[np.integer] | int = 0,
        x: NDArray[np.floating] | float = 0.0,
    ) -> Breaks:
        """Make breaks of one kind; scalars are repeated."""
        count = len(time)
        return Breaks(
            np.asarray(time, dtype=np.float64),
            np.full(count, kind, dtype=np.uint8),
            np.broadcast_to(np.asarray(a, dtype=np.int32), count),
            np.broadcast_to(np.asarray(b, dtype=np.int32), count),
            np.broadcast_to(np.asarray(c, dtype=np.int64), count),
            np.broadcast_to(np.asarray(x, dtype=np.float64), count),
        )

    @staticmethod
    def join(parts: Sequence[Breaks], start: float, end: float) -> Breaks:
        """Return all breaks inside the window [start, end], sorted by time and kind, in stable order."""
        fields = [
            np.concatenate([getattr(part, name) for part in parts]) if parts else np.empty(0)
            for name in ("time", "kind", "a", "b", "c", "x")
        ]
        time, kind = fields[0], fields[1]
        inside = np.flatnonzero((time > start) & (time < end))
        order = inside[np.lexsort((kind[inside], time[inside]))]
        return Breaks(*(np.ascontiguousarray(values[order]) for values in fields))


@dataclass(frozen=True)
class TieLayout:
    """The ties of several layers: by source, by target, and their changes (kind TIE: source, target, position)."""

    out_first: NDArray[np.int64]
    out_target: NDArray[np.int32]
    weight: NDArray[np.float64]
    in_first: NDArray[np.int64]
    in_source: NDArray[np.int32]
    in_tie: NDArray[np.int32]
    change_time: NDArray[np.float64]
    change_tie: NDArray[np.int64]
    change_weight: NDArray[np.float64]
    source: NDArray[np.int32]
    layer: NDArray[np.int32]


def _pairs(
    rows: TieArrays, start: float, end: float, count: int
) -> tuple[NDArray[np.int64], NDArray[np.float64], list[NDArray[np.float64]]]:
    """Return sorted pair keys of one layer, their weights when the window begins, and changes."""
    key = rows.source.astype(np.int64) * count + rows.target
    whole = (rows.start <= start) & (rows.end >= end)
    steady = bool(whole.all())
    if steady:
        order = np.argsort(key, kind="stable")
        return key[order], rows.weight[order].astype(np.float64), []
    pairs, number = np.unique(key, return_inverse=True)
    weight = np.zeros(pairs.size)
    initial = (rows.start <= start) & (rows.end > start)
    weight[number[initial]] = rows.weight[initial]
    begins = (rows.start > start) & (rows.start < end)
    ends = (rows.end > start) & (rows.end < end)
    # A row that ends where the next of its pair begins makes one change, to the weight of the next.
    time = np.concatenate([rows.end[ends], rows.start[begins]])
    pair = np.concatenate([number[ends], number[begins]]).astype(np.int64)
    value = np.concatenate([np.zeros(int(ends.sum())), rows.weight[begins]])
    rank = np.concatenate([np.zeros(int(ends.sum())), np.ones(int(begins.sum()))])
    order = np.lexsort((rank, time, pair))
    time, pair, value = time[order], pair[order], value[order]
    last = np.ones(time.size, dtype=bool)
    last[:-1] = (time[1:] != time[:-1]) | (pair[1:] != pair[:-1])
    return pairs, weight, [time[last], pair[last].astype(np.float64), value[last]]


def lay_ties(numbers: Numbers, layers: Sequence[str]) -> TieLayout:
    """Lay out the ties of the named layers; a layer without rows has no ties."""
    count = len(numbers.units)
    sources, targets, weights, layer_of = [], [], [], []
    times: list[NDArray[np.float64]] = []
    change_ties: list[NDArray[np.int64]] = []
    values: list[NDArray[np.float64]] = []
    out_first = np.zeros((len(layers), count + 1), dtype=np.int64)
    in_first = np.zeros((len(layers), count + 1), dtype=np.int64)
    in_source, in_tie = [], []
    position = 0
    for number, layer in enumerate(layers):
        rows = numbers.ties.get(layer)
        if rows is None or not len(rows.weight):
            out_first[number] = in_first[number] = position
            continue
        pairs, weight, changes = _pairs(rows, numbers.start, numbers.end, count)
        source, target = (pairs // count).astype(np.int32), (pairs % count).astype(np.int32)
        out_first[number] = position + np.searchsorted(source, np.arange(count + 1))
        by_target = np.argsort(target, kind="stable")
        in_first[number] = position + np.searchsorted(target[by_target], np.arange(count + 1))
        in_source.append(source[by_target])
        in_tie.append((by_target + position).astype(np.int32))
        sources.append(source)
        targets.append(target)
        weights.append(weight)
        layer_of.append(np.full(source.size, number, dtype=np.int32))
        if changes:
            times.append(changes[0])
            change_ties.append(changes[1].astype(np.int64) + position)
            values.append(changes[2])
        position += source.size

    def flat(parts: list[NDArray[np.generic]], dtype: type) -> NDArray[np.generic]:
        return np.concatenate(parts) if parts else np.empty(0, dtype=dtype)

    return TieLayout(
        out_first,
        flat(targets, np.int32),  # type: ignore[arg-type]
        flat(weights, np.float64),  # type: ignore[arg-type]
        in_first,
        flat(in_source, np.int32),  # type: ignore[arg-type]
        flat(in_tie, np.int32),  # type: ignore[arg-type]
        flat(times, np.float64),  # type: ignore[arg-type]
        flat(change_ties, np.int64),  # type: ignore[arg-type]
        flat(values, np.float64),  # type: ignore[arg-type]
        flat(sources, np.int32),  # type: ignore[arg-type]
        flat(layer_of, np.int32),  # type: ignore[arg-type]
    )


def target_totals(
    rows: TieArrays, numbers: Numbers
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.int32], NDArray[np.float64]]:
    """Return for each unit the total weight of ties in force from present sources, and how it changes.

    Returns:
        The totals when the window begins (units,), and time, unit and new total of every change.
    """
    count = len(numbers.units)
    start = np.maximum(rows.start, numbers.enter[rows.source])
    end = np.minimum(rows.end, numbers.exit[rows.source])
    live = (end > start) & (end > numbers.start) & (rows.weight > 0)
    start = np.maximum(start[live], numbers.start)
    unit, weight = rows.target[live], rows.weight[live]
    end = end[live]
    time = np.concatenate([start, end])
    units = np.concatenate([unit, unit])
    step = np.concatenate([weight, -weight])
    tie = np.concatenate([np.ones(unit.size, dtype=np.int64), np.full(unit.size, -1, dtype=np.int64)])
    order = np.lexsort((time, units))
    time, units, step, tie = time[order], units[order], step[order], tie[order]
    total, ties = np.cumsum(step), np.cumsum(tie)
    # Each unit's own sums begin at zero; ties are counted so that no rounding is left where none is in force.
    before = np.searchsorted(units, np.arange(count), side="left")
    base = np.where(before > 0, np.append(0.0, total)[before], 0.0)
    total = total - base[units]
    ties_base = np.where(before > 0, np.append(0, ties)[before], 0)
    total = np.where(ties - ties_base[units] > 0, total, 0.0)
    last = np.ones(time.size, dtype=bool)
    last[:-1] = (time[1:] != time[:-1]) | (units[1:] != units[:-1])
    time, units, total = time[last], units[last], total[last]
    initial = np.zeros(count)
    at_start = time <= numbers.start
    initial[units[at_start]] = total[at_start]
    later = ~at_start & (time < numbers.end)
    return initial, time[later], units[later].astype(np.int32), total[later]
