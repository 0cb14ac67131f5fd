"""Moves and spells: the events of many worlds as sorted arrays, from which every answer is counted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from tocsin.ensemble.frame import Codes, Floats, Frame

Worlds = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Moves:
    """The events of one variable, sorted by world, unit and time.

    Attributes:
        world, unit, time: of each event (n,).
        before, to: codes of the state before and after it (n,).
        first: whether it is the first event of its unit in its world (n,).
    """

    world: Worlds
    unit: Codes
    time: Floats
    before: Codes
    to: Codes
    first: NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Spells:
    """Times that units spent in one state.

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
    same = frame.followed.variable == number
    if same.any():
        count = int(same.sum())
        world = np.concatenate([np.repeat(np.arange(worlds), count), world])
        time = np.concatenate([np.tile(frame.followed.time[same], worlds), time])
        unit = np.concatenate([np.tile(frame.followed.unit[same], worlds), unit])
        to = np.concatenate([np.tile(frame.followed.state[same], worlds), to])
        order = np.lexsort((time, world))
        world, time, unit, to = world[order], time[order], unit[order], to[order]
    # The table is in the order of time within a world, so a stable sort by world and unit keeps it.
    key = world * max(len(frame.units), 1) + unit
    order = np.argsort(key, kind="stable")
    key, world, time, unit, to = key[order], world[order], time[order], unit[order], to[order]
    first = np.ones(len(key), dtype=bool)
    first[1:] = key[1:] != key[:-1]
    before = np.empty_like(to)
    before[1:] = to[:-1]
    before[first] = frame.initial[variable][unit[first]]
    return Moves(world, unit, time, before, to, first)


def spells_of(moves: Moves, frame: Frame, variable: str, state: str, worlds: int) -> Spells:
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
    spells = Spells(
        np.concatenate([world[opens], world[alone], held_world]),
        np.concatenate([unit[opens], unit[alone], held_unit]).astype(np.int32, copy=False),
        np.concatenate([time[opens], frame.enter[unit[alone]], frame.enter[held_unit]]),
        np.concatenate([end[opens], time[alone], frame.exit[held_unit]]),
        np.concatenate(
            [~follows[opens], np.zeros(int(alone.sum()), dtype=bool), np.ones(len(held_unit), dtype=bool)]
        ),
    )
    if not alone.any() and not len(held_unit):
        return spells
    order = np.lexsort((spells.start, spells.unit, spells.world))
    return Spells(*(getattr(spells, name)[order] for name in ("world", "unit", "start", "end", "censored")))


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
    """Return how membership of `state` changes: (world, unit, time, +1 or -1) of each border, exits included.

    A change of a unit is undone when the unit leaves, so that sums over time count present units only.
    """
    code = frame.code(variable, state)
    sign = (moves.to == code).astype(np.int8) - (moves.before == code).astype(np.int8)
    change = np.flatnonzero(sign)
    return moves.world[change], moves.unit[change], moves.time[change], sign[change]


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
