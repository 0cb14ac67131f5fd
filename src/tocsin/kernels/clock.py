"""One world as arrays: its states, what its sources send, and its clocks.

Clocks are kept in one of two forms. In a program with dense layers each field of the clocks is contiguous and
the times at which they fire are rows, one for each cause, so that a source can move a whole row of clocks in
a few steps (`rows`). Otherwise each clock is one cache line, and the times are a tournament.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tocsin.kernels.block import FAN
from tocsin.kernels.layout import KIND, LAYER, LEAD, OUT, ROW, TIE, VALUE, C, Layout, room_of
from tocsin.kernels.tournament import level_offsets

# What a clock knows. Under a clock of a row, SINCE holds what its exposure's integral lacks (see `rows`), and
# HAZARD what is left of its threshold in units of exposure.
LEFT, SINCE, HAZARD, EXPOSURE, FACTOR, DRAWN, SOURCES, STREAM = range(8)
WIDTH = 8
SPENT = -1.0  # in LEFT: the threshold is used up, or none was drawn yet
NO_DRAW = np.uint64(0)  # the key of a world that draws nothing


class World(NamedTuple):
    """The mutable state of one world."""

    key: NDArray[np.uint64]  # (1,) key of seed and world
    state: NDArray[np.int32]  # (N,) joint states
    present: NDArray[np.uint8]  # (N,)
    piece: NDArray[np.int64]  # (D, N) offset of the piece in force
    weight: NDArray[np.float64]  # (P,)
    dense: NDArray[
        np.float64
    ]  # (2, N, dense layers * R) of each source by target, and of each target by source
    totals: NDArray[np.float64]  # (totals, N)
    memory: NDArray[np.float64]  # (2, C, R)
    lightest: NDArray[np.float64]  # (C,) the least weight of a tie, ever, in the rows that each cause leads
    quietest: NDArray[np.float64]  # (C,) the least that a source has sent so far, in these rows
    peak: NDArray[np.float64]  # (C,) the largest factor so far, in the rows that each cause leads
    clock: NDArray[np.float64]  # (C * R, WIDTH)
    stream: NDArray[
        np.uint64
    ]  # (C * R, WIDTH) the same memory: its last column holds the keys of the streams
    tree: NDArray[np.float64]  # times at which the clocks fire: a tournament, or rows (1, C * R and a block)
    levels: NDArray[np.int64]  # of the tournament
    least: NDArray[np.float64]  # (C,) the earliest time of the rows that each cause leads
    shares: NDArray[np.float64]  # (R,) scratch; its length is the room of a cause


def on_lines(size: int) -> NDArray[np.float64]:
    """Return zeros (size,) whose blocks of 8 are one cache line each, and those of 16 two that are read together.

    NumPy begins large arrays 16 bytes after a page, so that every such block would lie across one line more.
    """
    block = 16
    room = np.zeros(size + block - 1)
    first = -(room.ctypes.data // room.itemsize) % block
    return room[first : first + size]


def _lightest(lay: Layout) -> NDArray[np.float64]:
    """Return for every cause that leads rows the least weight (C,) that a tie in them ever has."""
    ties = lay.breaks[:, KIND] == TIE
    later = lay.break_at[VALUE][ties]
    layer = np.searchsorted(lay.tie_first[0, :, -1], lay.breaks[ties, C], side="right")
    room = room_of(lay.state.size)
    found = np.full(len(lay.cause), np.inf)
    for row in lay.cause[lay.cause[:, ROW] >= 0]:
        first = row[ROW] * room
        values = lay.dense[OUT, :, first : first + room].ravel()
        values = np.concatenate([values, later[layer == row[LAYER]]])
        found[row[LEAD]] = min(found[row[LEAD]], values[values > 0.0].min(initial=np.inf))
    return found


def blank(lay: Layout) -> World:
    """Return a world with room for the program's units and clocks, with nobody present.

    NumPy allocates it, because it asks for large pages where the memory is large.
    """
    units, causes = lay.state.size, lay.cause.shape[0]
    rows = lay.dense.size > 0
    room = room_of(units) if rows else units
    levels = level_offsets(causes * room)
    clock = on_lines(causes * room * WIDTH).reshape((causes * room, WIDTH), order="F" if rows else "C")
    tree = on_lines(causes * room + FAN if rows else int(levels[-1]))  # the last block may reach beyond a row
    tree[:] = np.inf
    if rows:
        tree = tree.reshape(1, -1)
    clock[:, SINCE] = lay.window[0]
    clock[:, LEFT] = SPENT
    return World(
        np.full(1, NO_DRAW, dtype=np.uint64),
        lay.state.copy(),
        np.zeros(units, dtype=np.uint8),
        lay.offset.copy(),
        lay.weight.copy() if (lay.breaks[:, KIND] == TIE).any() else lay.weight,
        lay.dense.copy(),
        lay.totals.copy(),
        np.zeros((2, causes, room)),
        _lightest(lay) if rows else np.zeros(causes),
        np.full(causes, np.inf),
        np.zeros(causes),
        clock,
        clock.view(np.uint64),
        tree,
        levels,
        np.full(causes, np.inf),
        np.zeros(room),
    )
