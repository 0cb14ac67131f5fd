"""Moves and spells: the events of many worlds as sorted arrays, from which every answer is counted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from tocsin.ensemble.frame import Codes, Floats, Frame
from tocsin.history.presence import Stretches

Worlds = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Moves:
    """The events of one variable, sorted by world, unit and time.

    Attributes:
        world, unit, time: of each event (n,).
        before, to: codes of the state before and after it (n,).
        first: whether it is the first event of its unit in its world (n,).
        returned: whether it is no event but the state in which a unit returned (n,).
        worlds: number of worlds.
    """

    world: Worlds
    unit: Codes
    time: Floats
    before: Codes
    to: Codes
    first: NDArray[np.bool_]
    returned: NDArray[np.bool_]
    worlds: int


@dataclass(frozen=True, eq=False)
class SpellsInWorlds:
    """Times that units spent in one state while they were there: an absence ends a spell, and a return begins one.

    Attributes:
        world, unit, start, end: of each spell (n,).
        censored: whether the unit was still in the state when it left or the window closed (n,).
    """

    world: Worlds
    unit: Codes
    start: Floats
    end: Floats
    censored: NDArray[np.bool_]

    @property
    def first(self) -> NDArray[np.bool_]:
        """Return whether each spell is the first of its unit in its world (n,)."""
        first = np.ones(len(self.world), dtype=bool)
        first[1:] = (self.world[1:] != self.world[:-1]) | (self.unit[1:] != self.unit[:-1])
        return first


def codes_of(column: pa.ChunkedArray, names: Sequence[str]) -> Codes:
    """Return the position in `names` of each string of a column, -1 if absent."""
    encoded = column if pa.types.is_dictionary(column.type) else column.dictionary_encode()
    encoded = encoded.unify_dictionaries()
    if encoded.num_chunks == 0:
        return np.empty(0, dtype=np.int32)
    dictionary = encoded.chunk(0).dictionary.to_pylist()
    place = {name: number for number, name in enumerate(names)}
    table = np.array([place.get(name, -1) for name in dictionary] + [-1], dtype=np.int32)
    parts = [
        chunk.indices.fill_null(len(dictionary)).to_numpy(zero_copy_only=False) for chunk in encoded.chunks
    ]
    found: Codes = table[np.concatenate(parts).astype(np.int64, copy=False)]
    return found


def moves_of(events: pa.Table, frame: Frame, variable: str, worlds: int) -> Moves:
    """Return the moves of a variable in all worlds, observed events that every world follows among them."""
    names = [each.name for each in frame.variables]
    number = names.index(variable)
    chosen = codes_of(events["variable"], names) == number
    part = events.filter(pa.array(chosen)).select(["world", "time", "unit", "to"])
    world = part["world"].to_numpy().astype(np.int64, copy=False)
    time = part["time"].to_numpy()
    unit = codes_of(part["unit"], frame.units)
    to = codes_of(part["to"], frame.variables[number].states)
    returned = np.zeros(len(world), dtype=bool)
    for given, back in ((frame.followed, False), (frame.returns, True)):
        same = given.variable == number
        if same.any():
            count = int(same.sum())
            world = np.concatenate([np.repeat(np.arange(worlds), count), world])
            time = np.concatenate([np.tile(given.time[same], worlds), time])
            unit = np.concatenate([np.tile(given.unit[same], worlds), unit])
            to = np.concatenate([np.tile(given.state[same], worlds), to])
            returned = np.concatenate([np.full(count * worlds, back), returned])
            order = np.lexsort((time, world))
            world, time, unit, to = world[order], time[order], unit[order], to[order]
            returned = returned[order]
    # The table is in the order of time within a world, so a stable sort by world and unit keeps it.
    key = world * max(len(frame.units), 1) + unit
    order = np.argsort(key, kind="stable")
    key, world, time, unit, to = key[order], world[order], time[order], unit[order], to[order]
    returned = returned[order]
    first = np.ones(len(key), dtype=bool)
    first[1:] = key[1:] != key[:-1]
    before = np.empty_like(to)
    before[1:] = to[:-1]
    before[first] = frame.initial[variable][unit[first]]
    return Moves(world, unit, time, before, to, first, returned, worlds)


def spells_of(moves: Moves, frame: Frame, variable: str, state: str, worlds: int) -> SpellsInWorlds:
    """Return every spell in `state`, those held on entry included, sorted by world, unit and start."""
    code = frame.code(variable, state)
    enters = (moves.to == code) & (moves.before != code)
    leaves = (moves.before == code) & (moves.to != code)
    borders = np.flatnonzero(enters | leaves)
    world, unit, time = moves.world[borders], moves.unit[borders], moves.time[borders]
    opens = enters[borders]
    follows = np.zeros(len(borders), dtype=bool)  # whether the next border is of the same unit and world
    follows[:-1] = (world[1:] == world[:-1]) & (unit[1:] == unit[:-1])
    following = np.append(time[1:], np.nan) if len(time) else time
    end = np.where(follows, following, frame.exit[unit])
    # A border that closes a spell and has no opening before it closes the spell held on entry.
    alone = ~opens
    alone[1:] &= ~follows[:-1]
    held_world, held_unit = _kept_throughout(
        world[alone], unit[alone], (frame.initial[variable] == code) & (frame.enter < frame.exit), worlds
    )
    spells = SpellsInWorlds(
        np.concatenate([world[opens], world[alone], held_world]),
        np.concatenate([unit[opens], unit[alone], held_unit]).astype(np.int32, copy=False),
        np.concatenate([time[opens], frame.enter[unit[alone]], frame.enter[held_unit]]),
        np.concatenate([end[opens], time[alone], frame.exit[held_unit]]),
        np.concatenate(
            [~follows[opens], np.zeros(int(alone.sum()), dtype=bool), np.ones(len(held_unit), dtype=bool)]
        ),
    )
    if not alone.any() and not len(held_unit) and not len(frame.absences.unit):
        return spells
    spells = _cut(spells, frame.absences)
    order = np.lexsort((spells.start, spells.unit, spells.world))
    return SpellsInWorlds(
        *(getattr(spells, name)[order] for name in ("world", "unit", "start", "end", "censored"))
    )


def _cut(spells: SpellsInWorlds, absences: Stretches) -> SpellsInWorlds:
    """Return spells without the absences of their units; those that an absence ends are censored."""
    for unit, begin, back in zip(absences.unit, absences.start, absences.end, strict=True):
        met = (spells.unit == unit) & (spells.start < back) & (spells.end > begin)
        before, after = np.flatnonzero(met), np.flatnonzero(met & (spells.end > back))
        whole = np.flatnonzero(~met)
        parts = []
        for name in ("world", "unit", "start", "end", "censored"):
            values = getattr(spells, name)
            old, new = values[before], values[after]
            if name in ("end", "censored"):
                old = np.full_like(old, begin if name == "end" else True)
            if name == "start":
                new = np.full_like(new, back)
            parts.append(np.concatenate([values[whole], old, new]))
        spells = SpellsInWorlds(*parts)
    return spells


def _kept_throughout(
    left_world: Worlds, left_unit: Codes, holders: NDArray[np.bool_], worlds: int
) -> tuple[Worlds, NDArray[np.int64]]:
    held = np.flatnonzero(holders)
    kept = np.ones((worlds, len(held)), dtype=bool)
    column = np.cumsum(holders) - 1
    kept[left_world, column[left_unit]] = False
    row, place = np.nonzero(kept)
    return row.astype(np.int64, copy=False), held[place]


def steps_of(moves: Moves, frame: Frame, variable: str, state: str) -> tuple[Any, ...]:
    """Return how membership of `state` changes: (world, unit, time, +1 or -1) of each border.

    A unit that is away for a while is in no state, so that sums over time count present units only.
    """
    code = frame.code(variable, state)
    sign = (moves.to == code).astype(np.int8) - (moves.before == code).astype(np.int8)
    change = np.flatnonzero(sign)
    steps = [(moves.world[change], moves.unit[change], moves.time[change], sign[change])]
    away = frame.absences
    for unit, begin, back in zip(away.unit, away.start, away.end, strict=True):
        held = np.full(moves.worlds, frame.initial[variable][unit] == code)
        seen = np.flatnonzero(
            (moves.unit == unit) & (moves.time <= begin)
        )  # in order, so the last one stands
        held[moves.world[seen]] = moves.to[seen] == code
        world = np.flatnonzero(held)
        for time, step in ((begin, -1), (back, 1)):
            steps.append(
                (world, np.full_like(world, unit), np.full(world.size, time), np.full(world.size, step))
            )
    if len(steps) == 1:
        return steps[0]
    return tuple(np.concatenate(column) for column in zip(*steps, strict=True))


def steps_on_grid(moves: Moves, frame: Frame, variable: str, state: str, grid: Floats) -> tuple[Any, ...]:
    """Return the steps of `steps_of` as places in a grid: world, place, sign, and what all worlds share."""
    world, unit, time, sign = steps_of(moves, frame, variable, state)
    index = np.searchsorted(grid, time, side="right")
    leaving = np.searchsorted(grid, frame.exit, side="right")
    holders = frame.initial[variable] == frame.code(variable, state)
    shared = np.zeros(len(grid) + 1)
    np.add.at(shared, np.searchsorted(grid, frame.enter[holders], side="left"), 1.0)
    np.add.at(shared, leaving[holders], -1.0)
    early = leaving[unit] < len(grid)
    return (
        np.concatenate([world, world[early]]),
        np.concatenate([index, leaving[unit[early]]]),
        np.concatenate([sign, -sign[early]]),
        np.cumsum(shared[:-1]),
    )


# --- Sums, tallies and quantiles, of which answers about many worlds are made; those of parts add
#     up exactly

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
