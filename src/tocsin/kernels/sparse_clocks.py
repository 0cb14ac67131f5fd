"""One world: its clocks, and how they move when a unit, a tie or a covariate changes.

Every cause of every unit has a clock that fires when its integrated hazard A E^alpha reaches the next
threshold of its own stream. A clock is touched only when its hazard changes; between touches its hazard is
constant, or decays as one exponential, so the time at which it fires is known in closed form.
"""

from __future__ import annotations

import math

import numpy as np

from tocsin.kernels.age import BORN, aged_integral, aged_wait, born, decay_integral, fires_after, target_row
from tocsin.kernels.age import ROW as AGED_ROW
from tocsin.kernels.clocks import (
    DRAWN,
    EXPOSURE,
    FACTOR,
    HAZARD,
    LEFT,
    NO_DRAW,
    SINCE,
    SOURCES,
    SPENT,
    STREAM,
    set_time,
    time_of,
)
from tocsin.kernels.compiled import inlined, inner, place
from tocsin.kernels.dense_clocks import draw_from_row, schedule_in_row, send_rows, stop_clock
from tocsin.kernels.hazard import HEARD, SENT, draw_among, sending, sent, target_factor, weight_of
from tocsin.kernels.inner_exposure import LAYER as INNER_LAYER
from tocsin.kernels.inner_exposure import MARK as INNER_MARK
from tocsin.kernels.inner_exposure import SENT as INNER_SENT
from tocsin.kernels.inner_exposure import TOTAL as INNER_TOTAL
from tocsin.kernels.inner_exposure import add_inner, inner_sent
from tocsin.kernels.layout import (
    AGE,
    LAYER,
    LEAD,
    NO_AGE,
    OUT,
    OUT_TARGET,
    PIECE,
    ROW,
    TIE,
    TOTAL,
    TRANSITION,
)
from tocsin.kernels.streams import SOURCE_STREAM, combine, threshold, uniform

MANY = 20_000  # units, from which the memory of a world is far away


@inlined
def wait(lay, tab, world, c, position, time, left, hazard, rate):
    """Return how long a clock takes from a time to spend what is left of its threshold."""
    if lay.cause[c, AGE] == NO_AGE:
        return fires_after(left, hazard, rate)
    row, since = np.int64(world.aged[position, AGED_ROW]), world.aged[position, BORN]
    return aged_wait(lay, tab, c, row, since, time, left / hazard, rate)


@inlined
def schedule(lay, tab, world, c, i, time, factor, change, sources):
    """Bring a clock to a time, change its factor and exposure, and find when it fires.

    The clock spends its threshold on the hazard that it had, and its exposure decays; then its factor is set,
    `change` is added to its exposure, and `sources` to the number of its sources with a tie in force.

    Returns False where the hazard is not a finite number.
    """
    if lay.cause[c, ROW] >= 0:
        return schedule_in_row(lay, world, c, i, time, factor, change)
    position = place(c * world.shares.size + i)
    clock = world.clock[position]
    decay = tab.shape[0, c]
    rate = tab.shape[1, c] * decay
    span, aged = time - clock[SINCE], lay.cause[c, AGE] != NO_AGE
    if span > 0.0:
        if clock[HAZARD] > 0.0 and aged:
            row, since = np.int64(world.aged[position, AGED_ROW]), world.aged[position, BORN]
            clock[LEFT] -= clock[HAZARD] * aged_integral(lay, tab, c, row, since, clock[SINCE], time, rate)
        elif clock[HAZARD] > 0.0:
            clock[LEFT] -= clock[HAZARD] * decay_integral(rate, span)
        if decay > 0.0:
            clock[EXPOSURE] *= math.exp(-decay * span)
    clock[SINCE] = time
    clock[FACTOR] = factor
    hazard = factor
    if lay.cause[c, LAYER] >= 0:
        clock[SOURCES] += sources
        # Sums of what came and went leave rounding behind; without a source there is exactly no exposure.
        exposure = max(clock[EXPOSURE] + change, 0.0) if clock[SOURCES] > 0.0 else 0.0
        clock[EXPOSURE] = exposure
        if exposure == 0.0:
            hazard = 0.0
        else:
            hazard *= exposure if tab.shape[1, c] == 1.0 else exposure ** tab.shape[1, c]
    clock[HAZARD] = hazard
    if not hazard < np.inf:
        return False
    if aged and factor != 0.0:
        world.aged[position, AGED_ROW] = target_row(lay, world, c, i)
        world.aged[position, BORN] = born(lay, world, c, i)
    key = world.key[0]
    if key != NO_DRAW:
        if factor != 0.0 and clock[LEFT] == SPENT:
            clock[LEFT] = threshold(key, world.stream[position, STREAM], np.int64(clock[DRAWN]))
            clock[DRAWN] += 1.0
        fires = np.inf
        if hazard > 0.0:
            fires = time + wait(lay, tab, world, c, position, time, max(clock[LEFT], 0.0), hazard, rate)
        set_time(world.tree, world.levels, world.least, place(lay.cause[c, LEAD]), position, fires)
    return True


@inlined
def update_factor(lay, tab, world, c, i, time):
    """Recompute the factor of one clock after its unit changed. Returns False where it is not finite."""
    factor = target_factor(lay, tab, world, c, i)
    same = factor == world.clock[place(c * world.shares.size + i), FACTOR]
    if same and (factor == 0.0 or lay.cause[c, AGE] == NO_AGE):
        return True
    if (
        factor == 0.0
        and lay.cause[c, ROW] >= 0
        and lay.matters[place(lay.cause[c, TRANSITION]), place(world.state[i])] == 0
    ):
        stop_clock(lay, world, c, i)
        return True
    return schedule(lay, tab, world, c, i, time, factor, 0.0, np.int64(0))


@inlined
def send_change(lay, tab, world, c, j, time, change, sources):
    """Pass a change of what source j sends on to all its targets.

    Returns -1, or a target whose hazard is not finite (see `reconsider`).
    """
    layer, k, n = place(lay.cause[c, LAYER]), place(lay.cause[c, TRANSITION]), world.shares.size
    decays = tab.shape[0, c] > 0.0
    if lay.cause[c, ROW] >= 0:
        return send_rows(lay, world, world.tree, c, j, time, change)
    first, last = place(lay.tie_first[OUT, layer, j]), lay.tie_first[OUT, layer, j + 1]
    if n > MANY:
        # Reading ahead lets the reads of far memory overlap, which is most of the time where units are many.
        ahead = 0.0
        for tie in range(first, last):
            i = place(lay.tie[OUT_TARGET, tie])
            if lay.matters[k, place(world.state[i])] > 0:
                ahead += world.clock[place(c * n + i), FACTOR] + min(
                    time_of(world.tree, place(c * n + i)), 0.0
                )
        if ahead < 0.0:
            return j
    for tie in range(first, last):
        weight = weight_of(world.weight, tie)
        if weight == 0.0:
            continue
        i = place(lay.tie[OUT_TARGET, tie])
        if lay.matters[k, place(world.state[i])] == 0:
            continue
        clock = world.clock[place(c * n + i)]
        if clock[FACTOR] == 0.0 and not decays:  # not at risk: nothing to spend, nothing to aim
            clock[SOURCES] += sources
            exposure = clock[EXPOSURE] + weight * change
            clock[EXPOSURE] = max(exposure, 0.0) if clock[SOURCES] > 0.0 else 0.0
        elif not schedule(lay, tab, world, c, i, time, clock[FACTOR], weight * change, sources):
            return i
    return -1


@inlined
def update_source(lay, tab, world, c, j, time, old, event_variable):
    """Recompute what source j sends under cause c after it moved from joint state `old`, and pass it on.

    Parameters:
        event_variable: the variable of the event that moved it, -1 where a covariate or presence changed.

    Returns:
        -1, or the unit whose mark or hazard is not finite; under a later one of the causes that are sent together,
        a whole room for each cause further on.
    """
    if lay.cause[c, LEAD] != c:
        return -1  # it was sent with another
    before = sent(tab, world.memory, c, j, time)
    after = sending(lay, tab, world, c, j, old, event_variable, before)
    if not after < np.inf:
        return j
    if after == before:
        return -1
    world.memory[SENT, c, j] = after
    if tab.shape[0, c] > 0.0:
        world.memory[HEARD, c, j] = time
    return send_change(
        lay, tab, world, c, j, time, after - before, np.int64(after > 0.0) - np.int64(before > 0.0)
    )


@inner
def feel(lay, tab, world, h, i, time):
    """Let the causes of a target hear that its inner exposure changed. Returns (-1, -1), or cause and unit."""
    for position in range(lay.inner_first[h], lay.inner_first[h + 1]):
        c = place(lay.inner_cause[place(position)])
        # Without a factor the unit is not at risk, or may not move again in this interval.
        if world.clock[place(c * world.shares.size + i), FACTOR] != 0.0 and not update_factor(
            lay, tab, world, c, i, time
        ):
            return c, i
    return np.int64(-1), np.int64(-1)


@inner
def send_inner(lay, tab, world, j, time):
    """Pass on what source j sends of every inner exposure. Returns (-1, -1), or cause and unit of a wrong hazard."""
    for h in range(lay.inner.shape[0]):
        before, after = world.inner[INNER_SENT, h, j], inner_sent(lay, world, h, j)
        if after == before:
            continue
        if not abs(after) < np.inf:
            return np.int64(lay.inner_cause[lay.inner_first[h]]), j
        world.inner[INNER_SENT, h, j] = after
        sources = np.float64(after != 0.0) - np.float64(before != 0.0)
        layer = place(lay.inner[h, INNER_LAYER])
        for tie in range(place(lay.tie_first[OUT, layer, j]), lay.tie_first[OUT, layer, j + 1]):
            weight = weight_of(world.weight, tie)
            if weight != 0.0:
                i = place(lay.tie[OUT_TARGET, tie])
                add_inner(world, h, i, weight * (after - before), sources)
                c, bad = feel(lay, tab, world, h, i, time)
                if bad >= 0:
                    return c, bad
    return np.int64(-1), np.int64(-1)


@inner
def change_inner(lay, tab, world, kind, a, b, group, old, new, time):
    """Let inner exposures follow a break of ties, totals or covariates, which was applied; see `apply_break`."""
    for h in range(lay.inner.shape[0]):
        if kind == TIE and lay.inner[h, INNER_LAYER] == group:
            sends = world.inner[INNER_SENT, h, a]
            if sends == 0.0 or new == old:
                continue
            add_inner(world, h, b, (new - old) * sends, np.float64(new > 0.0) - np.float64(old > 0.0))
            c, bad = feel(lay, tab, world, h, b, time)
        elif kind == TOTAL and lay.inner[h, INNER_TOTAL] == a:
            c, bad = feel(lay, tab, world, h, b, time)
        elif kind == PIECE and lay.inner[h, INNER_MARK] == a:
            c, bad = send_inner(lay, tab, world, b, time)
        else:
            continue
        if bad >= 0:
            return c, bad
    return np.int64(-1), np.int64(-1)


@inlined
def draw_source(lay, tab, world, c, i, number, time):
    """Draw the source of a contagion event in proportion to what each sends, from a stream of its own."""
    position = place(c * world.shares.size + i)
    # The exposure of the clock is the sum of what its sources send.
    total = world.clock[position, EXPOSURE]
    if tab.shape[0, c] > 0.0:
        total *= math.exp(-tab.shape[0, c] * (time - world.clock[position, SINCE]))
    wanted = uniform(world.key[0], combine(world.stream[position, STREAM], SOURCE_STREAM), number) * total
    if lay.cause[c, ROW] >= 0:
        return draw_from_row(lay, world, c, i, wanted)
    return draw_among(lay, tab, world, c, i, wanted, time)
