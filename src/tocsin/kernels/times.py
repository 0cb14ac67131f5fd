"""The times at which clocks fire, and the earliest of them: in rows, one for each cause, or as a tournament.

Rows keep the earliest time of all that are sent together; after it was put off it is unknown, and found anew
only when it is asked for, as most often the whole row changes before that.
Which of the two it is follows from the number of dimensions of `tree`, so the compiler keeps only one.
"""

from __future__ import annotations

import numpy as np

from tocsin.kernels.block import FAN, place_in_block
from tocsin.kernels.extremes import lesser
from tocsin.kernels.jit import comparing, inlined
from tocsin.kernels.layout import SPAN
from tocsin.kernels.places import place
from tocsin.kernels.tournament import earliest, put, rebuild, winner

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
