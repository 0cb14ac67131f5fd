"""Ties put in order by counting, which millions of them need: by source and target, and by target and source."""

from __future__ import annotations

import numpy as np

from tocsin.kernels.compiled import allocating, entry

FEW = 64  # ties of one source that are put in order by insertion

HALF = np.uint64(32)


@allocating
def sort_within(packed, first):
    """Sort every stretch first[k]..first[k + 1] - 1 of numbers by itself."""
    for group in range(first.size - 1):
        low, high = first[group], first[group + 1]
        if high - low > FEW:
            packed[low:high].sort()
            continue
        for place in range(low + 1, high):
            value, to = packed[place], place
            while to > low and packed[to - 1] > value:
                packed[to] = packed[to - 1]
                to -= 1
            packed[to] = value


@entry
def pack_pairs(layer, source, target, layers, units):
    """Put ties in the order of layer, source, target and row.

    Parameters:
        layer, source, target: positions (P,), none missing.
        layers, units: how many there are.

    Returns:
        Where the ties of each layer and source begin (layers * units + 1,), and for each tie, in order, target
        * 2^32 + row (P,).
    """
    first = np.zeros(layers * units + 1, dtype=np.int64)
    for row in range(source.size):
        first[np.int64(layer[row]) * units + source[row] + 1] += 1
    for group in range(layers * units):
        first[group + 1] += first[group]
    packed = np.empty(source.size, dtype=np.uint64)
    for row in range(source.size):
        group = np.int64(layer[row]) * units + source[row]
        packed[first[group]] = (np.uint64(target[row]) << HALF) | np.uint64(row)
        first[group] += 1
    for group in range(layers * units, 0, -1):
        first[group] = first[group - 1]
    first[0] = 0
    sort_within(packed, first)
    return first, packed


@entry
def is_distinct(layer, source, target):
    """Return whether ties stand in the order of layer, source and target, no pair twice."""
    for row in range(1, source.size):
        if layer[row] != layer[row - 1]:
            if layer[row] < layer[row - 1]:
                return False
        elif source[row] != source[row - 1]:
            if source[row] < source[row - 1]:
                return False
        elif target[row] <= target[row - 1]:
            return False
    return True


@entry
def lay_by_target(source, target, begin, first, tie_source, tie_place):
    """Lay ties that stand in the order of their sources out by target, then source.

    Parameters:
        source, target: positions (P,).
        begin: the number of the first tie.
        first: where the ties of each target begin (N + 1,); filled, counting from `begin`.
        tie_source, tie_place: source and number of each tie by target (P,); filled, an empty one excepted.
    """
    first[:] = 0
    for row in range(target.size):
        first[target[row] + 1] += 1
    for unit in range(first.size - 1):
        first[unit + 1] += first[unit]
    for row in range(target.size):
        place = first[target[row]]
        tie_source[place] = source[row]
        if tie_place.size > 0:
            tie_place[place] = begin + row
        first[target[row]] += 1
    for unit in range(first.size - 1, 0, -1):
        first[unit] = first[unit - 1] + begin
    first[0] = begin


# --- Events that two paired worlds share to the bit, found in one reading of both


@entry
def alone(world, time, what, other_world, other_time, other_what):
    """Return which events of one list, and which of another, the other does not have at the same instant.

    Both stand in the order of world and time. Of events at one instant those in like places are compared, so an
    event may be told as alone that is not; none is told as shared that is alone.

    Parameters:
        world, time, what: number of the world, time, and a number for all else that an event is.
        other_world, other_time, other_what: the same of the other list.
    """
    here = np.ones(world.size, np.bool_)
    there = np.ones(other_world.size, np.bool_)
    i = j = 0
    while i < world.size and j < other_world.size:
        if world[i] == other_world[j] and time[i] == other_time[j]:
            here[i] = there[j] = what[i] != other_what[j]
            i += 1
            j += 1
        elif world[i] < other_world[j] or (world[i] == other_world[j] and time[i] < other_time[j]):
            i += 1
        else:
            j += 1
    return here, there
