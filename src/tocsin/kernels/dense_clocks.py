"""Rows: the clocks of one cause in a dense layer, one for each unit, moved all at once.

The hazard of such a cause is A E, with an exposure E that is constant between events. A clock's integrated
exposure since it was last set is E t - B: when a source begins to send w more at time t, E grows by w and B by
w t, and nothing else need be known. What is left of the threshold, L, is spent when A (E t - B) reaches it, at
t = (L / A + B) / E. So a source touches each of its targets with two sums and a quotient, which the compiler
does for several targets in one step. Where a weight is zero nothing changes, to the bit.

Sums of what came and went leave rounding behind. A clock that hears any source has an exposure of at least the
least weight of a tie times the least that was sent; half of that tells it from rounding, which becomes exactly
zero. So a clock knows when its last source is gone, whatever others hear.
"""

from __future__ import annotations

import numpy as np

from tocsin.kernels.clocks import (
    DRAWN,
    EXPOSURE,
    FACTOR,
    HAZARD,
    LEFT,
    NO_DRAW,
    SINCE,
    SPENT,
    STREAM,
    least_of,
    set_time,
)
from tocsin.kernels.compiled import comparing, greater, inlined, lesser, place
from tocsin.kernels.hazard import SENT
from tocsin.kernels.layout import IN, LEAD, OUT, ROW, SPAN
from tocsin.kernels.streams import threshold


@inlined
def silence_threshold(world, lead):
    """Return the exposure up to which a clock of rows hears nobody; see above."""
    return 0.5 * world.lightest[lead] * world.quietest[lead]


@inlined
def schedule_in_row(lay, world, c, i, time, factor, change):
    """Set the factor of one clock of a row and add to its exposure; see `sparse_clocks.schedule`."""
    position = place(c * world.shares.size + i)
    clock = world.clock[position]
    exposure, base = clock[EXPOSURE], clock[SINCE]
    if factor != clock[FACTOR] or clock[LEFT] == SPENT:
        if clock[LEFT] != SPENT and clock[FACTOR] > 0.0:
            clock[LEFT] = max(clock[LEFT] - clock[FACTOR] * (exposure * time - base), 0.0)
        base = exposure * time
        if factor != 0.0 and clock[LEFT] == SPENT and world.key[0] != NO_DRAW:
            clock[LEFT] = threshold(world.key[0], world.stream[position, STREAM], np.int64(clock[DRAWN]))
            clock[DRAWN] += 1.0
        clock[FACTOR] = factor
        if factor == 0.0:
            clock[HAZARD] = np.inf
        else:
            clock[HAZARD] = clock[LEFT] / factor
            lead = place(lay.cause[c, LEAD])
            world.peak[lead] = max(world.peak[lead], factor)
    exposure += change
    base += change * time
    if exposure <= silence_threshold(world, place(lay.cause[c, LEAD])):
        exposure = 0.0
    clock[EXPOSURE], clock[SINCE] = exposure, base
    if not factor * exposure < np.inf:
        return False
    if world.key[0] != NO_DRAW:
        fires = np.inf
        if factor > 0.0 and exposure > 0.0:
            fires = max((clock[HAZARD] + base) / exposure, time)
        set_time(world.tree, world.levels, world.least, place(lay.cause[c, LEAD]), position, fires)
    return True


@inlined
def stop_clock(lay, world, c, i):
    """Stop a clock of a row for good: its unit will never be at risk again."""
    position = place(c * world.shares.size + i)
    world.clock[position, FACTOR] = 0.0
    world.clock[position, HAZARD] = np.inf
    set_time(world.tree, world.levels, world.least, place(lay.cause[c, LEAD]), position, np.inf)


@comparing
def _move_rows(exposure, base, scaled, fires, weight, change, time, deaf):
    """Add to the exposures of rows; return the earliest time at which one fires, and the largest exposure.

    Parameters:
        exposure, base, scaled, fires: of each clock.
        weight: of the source's tie to each; change: of what it sends; deaf: see `hearing`.
    """
    later = change * time
    least, most = np.inf, 0.0
    for i in range(exposure.size):
        summed = exposure[i] + weight[i] * change
        e = summed if summed > deaf else 0.0
        b = base[i] + weight[i] * later
        exposure[i] = e
        base[i] = b
        t = greater((scaled[i] + b) / e, time)
        t = t if e > 0.0 else np.inf
        fires[i] = t
        least = lesser(least, t)
        most = greater(most, e)
    return least, most


@inlined
def send_rows(lay, world, tree, c, j, time, change):
    """Pass a change of what source j sends on to the rows that a cause leads; see `sparse_clocks.send_change`."""
    if tree.ndim == 1:
        return np.int64(-1)  # there are no rows
    else:
        room, span = world.shares.size, place(lay.cause[c, SPAN])
        first, last = place(c * room), place((c + span) * room)
        exposure = world.clock[first:last, EXPOSURE]
        base = world.clock[first:last, SINCE]
        scaled = world.clock[first:last, HAZARD]
        fires = tree[0, first:last]
        row = place(lay.cause[c, ROW])
        weight = world.dense[OUT, j, place(row * room) : place((row + span) * room)]
        now = world.memory[SENT, c, j]
        if now > 0.0:
            world.quietest[c] = min(world.quietest[c], now)
        least, most = _move_rows(
            exposure, base, scaled, fires, weight, change, time, silence_threshold(world, c)
        )
        world.least[c] = least
        if not most * world.peak[c] < np.inf:
            for i in range(exposure.size):
                if not world.clock[first + i, FACTOR] * exposure[i] < np.inf:
                    return np.int64(i)
        return np.int64(-1)


@comparing
def begin_row(lay, world, tree, c, time):
    """Give the clocks of a row the first thresholds of a world, also those that are not at risk yet."""
    if tree.ndim == 2:
        first, last = place(c * world.shares.size), place((c + 1) * world.shares.size)
        fires, lead = tree[0, first:last], place(lay.cause[c, LEAD])
        exposure = world.clock[first:last, EXPOSURE]
        base = world.clock[first:last, SINCE]
        scaled = world.clock[first:last, HAZARD]
        factor = world.clock[first:last, FACTOR]
        left = world.clock[first:last, LEFT]
        drawn = world.clock[first:last, DRAWN]
        stream = world.stream[first:last, STREAM]
        for i in range(left.size):
            left[i] = threshold(world.key[0], stream[i], 0)
        for i in range(left.size):
            drawn[i] = 1.0
            scaled[i] = left[i] / factor[i] if factor[i] > 0.0 else np.inf
            base[i] = exposure[i] * time
            t = (scaled[i] + base[i]) / exposure[i]
            fires[i] = t if exposure[i] > 0.0 else np.inf
        least = least_of(fires)
        world.least[lead] = least if lead == c else min(world.least[lead], least)


@inlined
def draw_from_row(lay, world, c, i, wanted):
    """Return the source at which the shares of a target's exposure, summed, pass what is wanted."""
    shares = world.shares
    first = place(lay.cause[c, ROW] * shares.size)
    weight = world.dense[IN, i, first : place(first + shares.size)]
    sent = world.memory[SENT, place(lay.cause[c, LEAD])]
    for j in range(shares.size):
        shares[j] = weight[j] * sent[j]
    # Eight are summed at a time; the source is the first whose sum passes, counted without asking at each.
    summed, before, chosen = 0.0, 0.0, 0
    for k in range(0, shares.size, 8):
        eight = shares[k : k + 8]
        summed += ((eight[0] + eight[4]) + (eight[1] + eight[5])) + (
            (eight[2] + eight[6]) + (eight[3] + eight[7])
        )
        before = summed if summed <= wanted else before
        chosen += 8 if summed <= wanted else 0
    chosen = place(min(chosen, shares.size - 8))
    eight = shares[chosen : chosen + 8]
    for k in range(8):
        before += eight[k]
        chosen += 1 if before <= wanted else 0
    chosen = min(chosen, shares.size - 1)
    while shares[chosen] == 0.0 and chosen > 0:  # rounding took the sum past the last source
        chosen -= 1
    return chosen
