"""Sums, tallies and quantiles, of which answers about many worlds are made; those of parts add up exactly."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tocsin.ensemble.frame import Codes, Floats

Z95 = 1.959963984540054
_FEW = 1000  # groups that are sorted one by one
_BLOCK = 10_000_000  # values that are sorted at a time
Tallies = tuple[
    NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]
]  # time, number of units, number of worlds


def wilson(share: Floats, n: int) -> tuple[Floats, Floats]:
    """Return Wilson's 95% interval of a share of n (Wilson 1927); missing stays missing."""
    if n < 1:
        return np.full_like(share, np.nan), np.full_like(share, np.nan)
    middle = (share + Z95**2 / (2 * n)) / (1 + Z95**2 / n)
    half = Z95 * np.sqrt(share * (1 - share) / n + Z95**2 / (4 * n**2)) / (1 + Z95**2 / n)
    # At 0 and 1 the interval reaches the share itself; rounding must not leave it a hair outside.
    return np.minimum(np.clip(middle - half, 0, 1), share), np.maximum(np.clip(middle + half, 0, 1), share)


def summed(cell: NDArray[np.int64], sign: NDArray[np.int8], rows: int, width: int) -> Floats:
    """Return the running sums (rows, width) along each row of signs that stand in numbered cells."""
    # Without any event bincount forgets its weights and returns integers.
    table = np.bincount(cell, weights=sign, minlength=rows * width).astype(np.float64, copy=False)
    table = table.reshape(rows, width)
    np.cumsum(table, axis=1, out=table)
    return table


def counted(steps: tuple[Any, ...], begin: int, width: int, carried: Floats) -> Floats:
    """Return the units in a state (worlds, width) from grid point `begin` on; carries on in `carried`."""
    world, index, sign, shared = steps
    inside = (index >= begin) & (index < begin + width)
    cell = world[inside] * width + (index[inside] - begin)
    counts = summed(cell, sign[inside], len(carried), width)
    counts += carried[:, None]
    carried[:] = counts[:, -1]
    counts += shared[begin : begin + width]
    return counts


# --- tallies: how many worlds have how many units in a state, at each time ------------------------------


def tally_of(counts: Floats, begin: int, most: int) -> Tallies:
    """Return the tallies of numbers (worlds, times), none above `most`, from time number `begin` on."""
    width = most + 1
    cell = (counts.astype(np.int64) + np.arange(counts.shape[1]) * width).ravel()
    if width * counts.shape[1] <= 4 * cell.size:
        worlds = np.bincount(cell, minlength=width * counts.shape[1])
        found = np.flatnonzero(worlds)
        worlds = worlds[found]
    else:
        found, worlds = np.unique(cell, return_counts=True)
    return found // width + begin, found % width, worlds


def joined(parts: Sequence[Tallies], most: int) -> Tallies:
    """Return tallies added up, in the order of time and number."""
    if len(parts) == 1:
        return parts[0]
    width = most + 1
    place, units, worlds = (np.concatenate([part[field] for part in parts]) for field in range(3))
    found, where = np.unique(place * width + units, return_inverse=True)
    total = np.bincount(where, weights=worlds, minlength=len(found)).astype(np.int64)
    return found // width, found % width, total


def tallied_quantiles(
    units: NDArray[np.int64], worlds: NDArray[np.int64], times: int, of: int, levels: Sequence[float]
) -> Floats:
    """Return quantiles (times, levels) of tallies, numbers that occur; each time's tallies sum to `of`."""
    result = np.full((times, len(levels)), np.nan)
    if of:
        # Tallies stand in the order of time and number, so ranks are found in their running sum.
        reached = np.cumsum(worlds)
        for column, level in enumerate(levels):
            rank = np.arange(times) * of + max(int(np.ceil(level * of)), 1)
            result[:, column] = units[np.searchsorted(reached, rank)]
    return result


# --- values unit by unit --------------------------------------------------------------------------------


class Groups(NamedTuple):
    """Values in the order of their groups; those of group g are values[begin[g]:begin[g + 1]]."""

    begin: NDArray[np.int64]
    values: Floats

    @staticmethod
    def of(group: Codes, values: Floats, groups: int) -> Groups:
        """Return values sorted by their groups 0..groups-1."""
        begin = np.zeros(groups + 1, dtype=np.int64)
        np.cumsum(np.bincount(group, minlength=groups), out=begin[1:])
        return Groups(begin, values[np.argsort(group, kind="stable")])


def sizes_of(parts: Sequence[Groups], groups: int) -> NDArray[np.int64]:
    """Return how many values each group has in all parts."""
    total = np.zeros(groups, dtype=np.int64)
    for part in parts:
        total += np.diff(part.begin)
    return total


def grouped_quantiles(parts: Sequence[Groups], groups: int, levels: Sequence[float]) -> Floats:
    """Return quantiles (groups, levels) of the values of each group: values that occur; NaN where none do."""
    result = np.full((groups, len(levels)), np.nan)
    reached = np.cumsum(sizes_of(parts, groups))
    from_group = 0
    while from_group < groups:
        # As many whole groups as fit in a block, and at least one.
        limit = (reached[from_group - 1] if from_group else 0) + _BLOCK
        to_group = max(from_group + 1, int(np.searchsorted(reached, limit, side="right")))
        sizes = [np.diff(part.begin[from_group : to_group + 1]) for part in parts]
        if to_group - from_group <= _FEW:
            # A few long groups: plain sorting of each is several times faster than sorting by two keys.
            ordered = np.concatenate(
                [
                    np.sort(
                        np.concatenate([part.values[part.begin[g] : part.begin[g + 1]] for part in parts])
                    )
                    for g in range(from_group, to_group)
                ]
            )
        else:
            values = np.concatenate(
                [part.values[part.begin[from_group] : part.begin[to_group]] for part in parts]
            )
            group = np.concatenate([np.repeat(np.arange(to_group - from_group), size) for size in sizes])
            ordered = values[np.lexsort((values, group))]
        size = np.sum(sizes, axis=0)
        begin = np.cumsum(size) - size
        some = size > 0
        for column, level in enumerate(levels):
            rank = np.clip(np.ceil(level * size[some]).astype(int) - 1, 0, None)
            result[from_group:to_group][some, column] = ordered[begin[some] + rank]
        from_group = to_group
    return result
