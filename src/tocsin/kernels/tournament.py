"""A tournament of times: the earliest of many clocks, where most changes touch one or two cache lines.

Level 0 holds a time for every clock; each level above holds the minimum of every block of 16 below. A time
that falls climbs only as far as it wins; a time that rises re-reads a block only where it was the winner.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tocsin.kernels.block import FAN, SHIFT, least_in_block, place_in_block
from tocsin.kernels.jit import inlined, inner
from tocsin.kernels.places import place as at


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
    position = at(position)
    old = tree[position]
    if old == value:
        return
    tree[position] = value
    index = position
    for level in range(offsets.size - 2):
        block = index >> SHIFT
        place = at(offsets[level + 1] + block)
        best = tree[place]
        if value < best:
            tree[place] = value
        elif old == best:
            low = least_in_block(tree, offsets[level] + (block << SHIFT))
            if low == best:
                return
            tree[place] = low
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
