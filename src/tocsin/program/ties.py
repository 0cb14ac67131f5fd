"""Ties as arrays by source and by target, their changes, and the totals that normalise exposure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from scipy.sparse import coo_array

from tocsin.history.arrays import TieArrays
from tocsin.kernels.layout import (
    FORCE,
    IN,
    IN_SOURCE,
    IN_TIE,
    KIND,
    OUT,
    OUT_TARGET,
    PIECE,
    VALUE,
    room_of,
)
from tocsin.kernels.tie_order import lay_by_target

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tocsin.history.arrays import Numbers
    from tocsin.history.presence import Stretches
    from tocsin.kernels.layout import Layout
    from tocsin.program.design import Design

    Bar = tuple[int, int, int, float, float]

DENSE_SHARE, DENSE_UNITS = 0.3, 512

NO_CHANGES = (np.empty(0), np.empty(0, dtype=np.int64), np.empty(0))

NO_PAIRS = (np.empty(0, dtype=np.int32), np.empty(0, dtype=np.int32), np.empty(0), NO_CHANGES)


@dataclass(frozen=True)
class Breaks:
    """Changes at known times; see `Layout.break_at` and `Layout.breaks`."""

    at: NDArray[np.float64]  # (2, B) time and value
    what: NDArray[np.int64]  # (B, 4) kind and what it changes

    @staticmethod
    def make(
        kind: int,
        time: NDArray[np.float64],
        a: NDArray[np.integer] | int = 0,
        b: NDArray[np.integer] | int = 0,
        c: NDArray[np.integer] | int = 0,
        value: NDArray[np.floating] | float = 0.0,
    ) -> Breaks:
        """Make breaks of one kind; scalars are repeated."""
        at, what = np.empty((2, len(time))), np.empty((len(time), 4), dtype=np.int64)
        at[0], at[1] = time, value
        what[:, 0], what[:, 1], what[:, 2], what[:, 3] = kind, a, b, c
        return Breaks(at, what)

    def _inside(self, start: float, end: float) -> Breaks:
        within = (self.at[0] > start) & (self.at[0] < end)
        return self if within.all() else Breaks(self.at[:, within], self.what[within])

    @staticmethod
    def join(parts: Sequence[Breaks], start: float, end: float) -> Breaks:
        """Return all breaks inside the window (start, end), sorted by time and kind, in stable order."""
        kept = [part._inside(start, end) for part in parts]
        kept = [part for part in kept if part.at.shape[1]] or kept[:1]
        # Often one kind is all there is, and much: it is not copied more often than it must.
        at = kept[0].at if len(kept) == 1 else np.concatenate([part.at for part in kept], axis=1)
        what = kept[0].what if len(kept) == 1 else np.concatenate([part.what for part in kept])
        order = _in_order(at[0] - start, what[:, 0])
        return Breaks(np.ascontiguousarray(at[:, order]), np.ascontiguousarray(what[order]))


def _in_order(time: NDArray[np.float64], kind: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the stable order by time (0 or later), then kind."""
    size = time.size
    whole = time.astype(np.int64)
    if size < 2 or time.max() * 8 * size > 2**62 or (whole != time).any():
        return np.lexsort((kind, time))
    keys = (whole * 8 + kind) * size + np.arange(size)  # days: one number says all, and sorts fastest
    keys.sort()
    return np.asarray(keys % size)


# Source, target and weight of each pair; and time, number of the pair and new weight of each change.
Pairs: TypeAlias = tuple[
    "NDArray[np.int32]",
    "NDArray[np.int32]",
    "NDArray[np.float64]",
    tuple["NDArray[np.float64]", "NDArray[np.int64]", "NDArray[np.float64]"],
]


@dataclass(frozen=True)
class TieLayout:
    """The ties of several layers by source and by target, and their changes."""

    first: NDArray[np.int64]  # (2, L, N + 1)
    tie: NDArray[np.int32]  # (3, P) or (2, P), see `Layout.tie`
    weight: NDArray[np.float64]  # (P,) or (1,)
    change_time: NDArray[np.float64]
    change_tie: NDArray[np.int64]
    change_weight: NDArray[np.float64]
    source: NDArray[np.int32]


def _pairs(rows: TieArrays, start: float, end: float, count: int) -> Pairs:
    """Return the pairs of a layer in order, weights when the window begins, and changes."""
    steady = bool(((rows.start <= start) & (rows.end >= end)).all())
    if steady and _pairs_in_order(rows.source, rows.target):
        return rows.source, rows.target, rows.weight, NO_CHANGES
    if steady:  # one row a pair: sorted by counting, which a million units need
        sorted_rows = coo_array((rows.weight, (rows.source, rows.target)), shape=(count, count)).tocsr()
        sorted_rows.sort_indices()
        source = np.repeat(np.arange(count, dtype=np.int32), np.diff(sorted_rows.indptr))
        return source, sorted_rows.indices.astype(np.int32), sorted_rows.data, NO_CHANGES
    pairs, number = np.unique(rows.source.astype(np.int64) * count + rows.target, return_inverse=True)
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
    source, target = (pairs // count).astype(np.int32), (pairs % count).astype(np.int32)
    return source, target, weight, (time[last], pair[last], value[last])


def _pairs_in_order(source: NDArray[np.int32], target: NDArray[np.int32]) -> bool:
    """Return whether ties stand in the order of their sources, then targets, each pair once."""
    later, same = source[1:] > source[:-1], source[1:] == source[:-1]
    return bool((later | (same & (target[1:] > target[:-1]))).all())


def lay_ties(numbers: Numbers, layers: Sequence[str]) -> TieLayout:
    """Lay out the ties of the named layers; a layer without rows has no ties."""
    count = len(numbers.units)
    first = np.zeros((2, len(layers), count + 1), dtype=np.int64)
    parts, begins = [], [0]
    for layer in layers:
        rows = numbers.ties.get(layer)
        parts.append(NO_PAIRS if rows is None else _pairs(rows, numbers.start, numbers.end, count))
        begins.append(begins[-1] + parts[-1][0].size)
    weight = _one_weight(parts)
    # Where all ties weigh the same, nobody asks for the number of a tie.
    tie = np.empty((3 if weight is None else 2, begins[-1]), dtype=np.int32)
    changes = [NO_CHANGES]
    for number, (source, target, _, (time, pair, value)) in enumerate(parts):
        begin, own = begins[number], slice(begins[number], begins[number + 1])
        tie[OUT_TARGET, own] = target
        first[OUT, number, 1:] = np.cumsum(np.bincount(source, minlength=count))
        first[OUT, number] += begin
        places = tie[IN_TIE, own] if weight is None else np.empty(0, dtype=np.int32)
        lay_by_target(source, target, begin, first[IN, number], tie[IN_SOURCE, own], places)
        changes.append((time, pair + begin, value))
    return TieLayout(
        first,
        tie,
        np.require(_joined([w for _, _, w, _ in parts], np.float64), requirements=["C", "W"])
        if weight is None
        else weight,
        np.concatenate([time for time, _, _ in changes]),
        np.concatenate([pair for _, pair, _ in changes]),
        np.concatenate([value for _, _, value in changes]),
        _joined([source for source, *_ in parts], np.int32),
    )


def _one_weight(parts: Sequence[Pairs]) -> NDArray[np.float64] | None:
    """Return the weight (1,) of all pairs if they have but one throughout, else None."""
    values = set()
    for _, _, weight, (time, _, _) in parts:
        if time.size:
            return None
        if weight.size:
            values |= (
                {float(weight[0])} if weight.strides == (0,) else {float(weight.min()), float(weight.max())}
            )
    return np.array(list(values)) if len(values) == 1 else None


def _joined(arrays: Sequence[NDArray[Any]], kind: type) -> NDArray[Any]:
    """Return arrays as one; a single one as it is."""
    return arrays[0] if len(arrays) == 1 else np.concatenate([np.empty(0, kind), *arrays])


def lay_dense(
    ties: TieLayout, count: int, chosen: NDArray[np.bool_] | None = None
) -> tuple[NDArray[np.int32], NDArray[np.float64]]:
    """Lay out as matrices the layers of small worlds in which every third unit is tied to a source.

    Parameters:
        ties: the ties; count: the number of units.
        chosen: which layers (layers,); by default those that are dense enough.

    Returns:
        For each layer its position among the matrices, or -1; and the matrices, by source and target and by
        target and source (2, units, layers * room of a row).
    """
    sizes = ties.first[0, :, -1] - ties.first[0, :, 0]
    if chosen is None:
        chosen = (sizes >= DENSE_SHARE * count * count) & (count <= DENSE_UNITS)
    position = np.where(chosen, np.cumsum(chosen) - 1, -1).astype(np.int32)
    room = room_of(count)
    dense = np.zeros((2, count, int(chosen.sum()) * room))
    for layer in np.flatnonzero(chosen):
        own = slice(ties.first[0, layer, 0], ties.first[0, layer, -1])
        source, target = ties.source[own], ties.tie[OUT_TARGET, own]
        weight = ties.weight[own] if ties.weight.size == ties.source.size else ties.weight
        dense[OUT, source, position[layer] * room + target] = weight
        dense[IN, target, position[layer] * room + source] = weight
    return position, dense


def without_absences(rows: TieArrays, absences: Stretches) -> TieArrays:
    """Return ties cut where their source is absent."""
    for i, begin, finish in zip(absences.unit, absences.start, absences.end, strict=True):
        cut = np.flatnonzero((rows.source == i) & (rows.start < finish) & (rows.end > begin))
        whole = np.delete(np.arange(rows.source.size), cut)
        before, after = cut[rows.start[cut] < begin], cut[rows.end[cut] > finish]
        place = np.concatenate([whole, before, after])
        start, end = rows.start[place], rows.end[place]
        end[whole.size : whole.size + before.size] = begin
        start[whole.size + before.size :] = finish
        rows = TieArrays(rows.source[place], rows.target[place], rows.weight[place], start, end)
    return rows


def target_totals(
    rows: TieArrays, numbers: Numbers
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.int32], NDArray[np.float64]]:
    """Return for each unit the total weight of ties in force from present sources, and how it changes.

    Returns:
        The totals when the window begins (units,), and time, unit and new total of every change.
    """
    count = len(numbers.units)
    rows = without_absences(rows, numbers.absences)
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


# --- What changes at known times in a program, laid out only where it is asked for
#
# Simulations and sweeps of contagion walk through it. A fit of causes at home follows the pieces of each unit and
# needs none of it, and for a long table of covariates to put all pieces in the order of time takes longer than the fit.


@dataclass(frozen=True, eq=False)
class Changes:
    """What changes inside the window (start, end).

    Attributes:
        designs: the designs, whose pieces begin at known times; base: where their rows stand in the layout.
        parts: all other changes.
    """

    designs: Sequence[Design]
    base: NDArray[np.int64]
    parts: Sequence[Breaks]
    start: float
    end: float

    @cached_property
    def laid(self) -> Breaks:
        """Return all changes in the order in which they happen."""
        return Breaks.join([*self._pieces(), *self.parts], self.start, self.end)

    def _pieces(self) -> list[Breaks]:
        parts = []
        for number, design in enumerate(self.designs):
            later = np.ones(design.starts.size, dtype=bool)
            later[design.first[:-1]] = False
            piece = np.flatnonzero(later)
            unit = np.repeat(np.arange(design.first.size - 1), np.diff(design.first))[piece]
            offset = self.base[number] + piece * design.rows.shape[1]
            parts.append(Breaks.make(PIECE, design.starts[piece], number, unit, offset))
        return parts


# --- Ties swapped at random, so that who is tied to whom says nothing and every unit keeps its
#     degrees

ROUNDS = 20  # of swaps; each offers one to every tie


def swapped(ties: TieArrays, rng: np.random.Generator) -> TieArrays:
    """Return the ties of a layer after many rounds of swaps.

    Two ties a > b and c > d become a > d and c > b, each keeping its weight and dates with its source,
    unless a unit would be tied to itself or a pair be tied twice (Maslov & Sneppen 2002).
    """
    if len(ties.source) < 2:
        return ties
    # All rows of one pair move together, so that pairs stay distinct and rows of one pair never overlap.
    size = int(max(ties.source.max(), ties.target.max())) + 1
    pairs, row = np.unique(ties.source.astype(np.int64) * size + ties.target, return_inverse=True)
    source, target = pairs // size, pairs % size
    half = source.size // 2
    for _ in range(ROUNDS):
        order = rng.permutation(source.size)
        one, two = order[:half], order[half : 2 * half]
        first, second = source[one] * size + target[two], source[two] * size + target[one]
        fits = (source[one] != target[two]) & (source[two] != target[one])
        fits &= ~np.isin(first, source * size + target) & ~np.isin(second, source * size + target)
        both = np.concatenate([first, second])
        _, where, count = np.unique(both, return_inverse=True, return_counts=True)
        once = count[where] == 1
        fits &= once[:half] & once[half:]
        target[one[fits]], target[two[fits]] = target[two[fits]], target[one[fits]]
    return replace(ties, target=target[row].astype(ties.target.dtype))


def led_breaks(layout: Layout) -> NDArray[np.bool_]:
    """Return which breaks follow what happened (B,): events that are forced, and not shown as such."""
    return np.asarray((layout.breaks[:, KIND] == FORCE) & (layout.break_at[VALUE] == 0.0))
