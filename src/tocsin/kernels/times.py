"""The times at which clocks fire, and the earliest of them: in rows, one for each cause, or as a tournament.

Which of the two it is follows from the number of dimensions of `tree`, so the compiler keeps only one.
"""

from __future__ import annotations

import numpy as np

from tocsin.kernels.extremes import lesser
from tocsin.kernels.jit import comparing, inlined
from tocsin.kernels.places import place
from tocsin.kernels.tournament import earliest, put, rebuild, winner


@comparing
def least_of(times):
    """Return the earliest of some times."""
    best = np.inf
    for i in range(times.size):
        best = lesser(best, times[i])
    return best


@comparing
def first_at(times, time):
    """Return where a time first stands among some."""
    chosen = times.size
    for i in range(times.size):
        chosen = min(chosen, i if times[i] == time else times.size)
    return place(chosen)


@inlined
def time_of(tree, c, i, room):
    """Return the time at which a clock fires."""
    if tree.ndim == 1:
        return tree[c * room + i]
    else:
        return tree[c, i]


@inlined
def set_time(tree, levels, least, c, i, room, value):
    """Set the time at which a clock fires."""
    if tree.ndim == 1:
        put(tree, levels, c * room + i, value)
    else:
        old = tree[c, i]
        tree[c, i] = value
        if value < least[c]:
            least[c] = value
        elif old == least[c] and value != old:
            least[c] = least_of(tree[c])


@inlined
def next_time(tree, levels, least):
    """Return when the next clock fires."""
    if tree.ndim == 1:
        return winner(tree, levels)
    else:
        return least_of(least)


@inlined
def first_to_fire(tree, levels, least, room, time):
    """Return cause and unit of the clock that fires first, at a known time; the lowest position among equals."""
    if tree.ndim == 1:
        position = np.int64(earliest(tree, levels))
        return position // room, position % room
    else:
        row = first_at(least, time)
        return row, first_at(tree[row], time)


@inlined
def set_aside(tree, least, c, i, room, value):
    """Set the time of a clock, one after another from the first; `finish` must follow."""
    if tree.ndim == 1:
        tree[c * room + i] = value
    else:
        tree[c, i] = value
        least[c] = value if i == 0 else min(value, least[c])


@inlined
def finish(tree, levels):
    """Find out which times are the earliest after all were set aside."""
    if tree.ndim == 1:
        rebuild(tree, levels)
