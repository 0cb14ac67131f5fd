"""One world as arrays: its states, what its sources send, and its clocks.

Clocks are kept in one of two forms. In a program with dense layers each field of the clocks is contiguous and
the times at which they fire are rows, one for each cause, so that a source can move a whole row of clocks in
a few steps (`dense_clocks`). Otherwise each clock is one cache line, and the times are a tournament.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tocsin.kernels.compiled import (
    FAN,
    SHIFT,
    comparing,
    inlined,
    inner,
    least_in_block,
    lesser,
    place,
    place_in_block,
)
from tocsin.kernels.layout import (
    ENTER,
    KIND,
    LAYER,
    LEAD,
    OUT,
    ROW,
    SPAN,
    TIE,
    VALUE,
    WHEN,
    A,
    C,
    Layout,
    room_of,
)

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
    inner: NDArray[np.float64]  # (3, H, N) sent, felt and sources of exposures inside exponents
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
    since: NDArray[
        np.float64
    ]  # (V, N) when each unit came into its states, NaN where nobody knows; (0, 0) where
    #                             no cause sees ages
    aged: NDArray[np.float64]  # (C * R, 2) what the clocks know of the age of their units' states; see `age`


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


def memory_rows(lay: Layout) -> int:
    """Return how many rows the memory of sources needs: a third one where units come back; see `hazard.TAKEN`."""
    enters = lay.breaks[:, KIND] == ENTER
    return 3 if (lay.break_at[WHEN, enters] > lay.presence[0, lay.breaks[enters, A]]).any() else 2


def empty_world(lay: Layout) -> World:
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
        np.zeros((memory_rows(lay), causes, room)),
        np.zeros((3, lay.inner.shape[0], units)),
        _lightest(lay) if rows else np.zeros(causes),
        np.full(causes, np.inf),
        np.zeros(causes),
        clock,
        clock.view(np.uint64),
        tree,
        levels,
        np.full(causes, np.inf),
        np.zeros(room),
        lay.since[0].copy(),
        np.zeros((causes * room if lay.since.size else 0, 2)),
    )


# --- The times at which clocks fire, and the earliest of them: in rows, one for each cause, or as a
#     tournament
#
# Rows keep the earliest time of all that are sent together; after it was put off it is unknown, and found anew
# only when it is asked for, as most often the whole row changes before that.
# Which of the two it is follows from the number of dimensions of `tree`, so the compiler keeps only one.

UNKNOWN = -np.inf


@comparing
def least_of(times):
    """Return the earliest of some times."""
    best = np.inf
    for i in range(times.size):
        best = lesser(best, times[i])
    return best


@comparing
def first_at(times, time):
    """Return where a time first stands among some, or how many they are."""
    chosen = times.size
    for i in range(times.size):
        chosen = min(chosen, i if times[i] == time else times.size)
    return place(chosen)


@inlined
def time_of(tree, position):
    """Return the time at which a clock fires."""
    if tree.ndim == 1:
        return tree[position]
    else:
        return tree[0, position]


@inlined
def set_time(tree, levels, least, lead, position, value):
    """Set the time at which a clock fires, of a cause that is led by `lead`."""
    if tree.ndim == 1:
        put(tree, levels, position, value)
    else:
        old = tree[0, position]
        tree[0, position] = value
        if value < least[lead]:
            least[lead] = value
        elif old == least[lead] and value != old:
            least[lead] = UNKNOWN


@inlined
def next_time(lay, world, tree):
    """Return when the next clock fires."""
    if tree.ndim == 1:
        return winner(tree, world.levels)
    else:
        time = least_of(world.least)
        while time == UNKNOWN:
            lead, room = first_at(world.least, UNKNOWN), world.shares.size
            end = place(lead + lay.cause[lead, SPAN])
            world.least[lead] = least_of(tree[0, place(lead * room) : place(end * room)])
            time = least_of(world.least)
        return time


@inlined
def first_to_fire(tree, levels, least, room, time):
    """Return cause and unit of the clock that fires first, at a known time; the lowest position among equals."""
    if tree.ndim == 1:
        position = np.int64(earliest(tree, levels))
        return position // room, position % room
    else:
        lead, times = first_at(least, time), tree[0]
        first = place(lead * room)
        block = place_in_block(times, first, time)
        while block == FAN:
            first += FAN
            block = place_in_block(times, first, time)
        c, i = lead, first + block - lead * room
        while i >= room:
            c += 1
            i -= room
        return c, i


@inlined
def set_aside(tree, least, c, i, room, value):
    """Set the time of a clock, one after another from the first; `finish` must follow."""
    if tree.ndim == 1:
        tree[c * room + i] = value
    else:
        tree[0, c * room + i] = value
        least[c] = value if i == 0 else min(value, least[c])


@inlined
def finish(tree, levels):
    """Find out which times are the earliest after all were set aside."""
    if tree.ndim == 1:
        rebuild(tree, levels)


# --- A tournament of times: the earliest of many clocks, where most changes touch one or two cache
#     lines
#
# Level 0 holds a time for every clock; each level above holds the minimum of every block of 16 below. A time
# that falls climbs only as far as it wins; a time that rises re-reads a block only where it was the winner.


def level_offsets(count: int) -> NDArray[np.int64]:
    """Return the offset of each level and, last, the length of the whole (levels + 1,)."""
    sizes = [((count + FAN - 1) >> SHIFT) << SHIFT]
    while sizes[-1] > FAN:
        blocks = sizes[-1] >> SHIFT
        sizes.append(((blocks + FAN - 1) >> SHIFT) << SHIFT)
    offsets = np.zeros(len(sizes) + 1, dtype=np.int64)
    for level in range(len(sizes)):
        offsets[level + 1] = offsets[level] + sizes[level]
    return offsets


@inner
def rebuild(tree, offsets):
    """Recompute every level from level 0; the padding of each level must be infinite."""
    for level in range(offsets.size - 2):
        below, above = offsets[level], offsets[level + 1]
        blocks = (above - below) >> SHIFT
        for block in range(blocks):
            tree[above + block] = least_in_block(tree, below + (block << SHIFT))
        for position in range(above + blocks, offsets[level + 2]):
            tree[position] = np.inf


@inlined
def put(tree, offsets, position, value):
    """Set the time of one clock."""
    position = place(position)
    old = tree[position]
    if old == value:
        return
    tree[position] = value
    index = position
    for level in range(offsets.size - 2):
        block = index >> SHIFT
        parent = place(offsets[level + 1] + block)
        best = tree[parent]
        if value < best:
            tree[parent] = value
        elif old == best:
            low = least_in_block(tree, offsets[level] + (block << SHIFT))
            if low == best:
                return
            tree[parent] = low
            value = low
        else:
            return
        old = best
        index = block


@inlined
def winner(tree, offsets):
    """Return the earliest time."""
    return least_in_block(tree, offsets[offsets.size - 2])


@inlined
def earliest(tree, offsets):
    """Return the position of the earliest time; the lowest position among equals."""
    best = winner(tree, offsets)
    index = 0
    for level in range(offsets.size - 2, -1, -1):
        index = (index << SHIFT) + place_in_block(tree, offsets[level] + (index << SHIFT), best)
    return index
