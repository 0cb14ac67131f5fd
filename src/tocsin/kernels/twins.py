"""Events that two paired worlds share to the bit, found in one reading of both."""

from __future__ import annotations

import numpy as np

from tocsin.kernels.jit import entry


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
