"""One world: its clocks, and how they move when a unit, a tie or a covariate changes.

Every cause of every unit has a clock that fires when its integrated hazard A E^alpha reaches the next
threshold of its own stream. A clock is touched only when its hazard changes; between touches its hazard is
constant, or decays as one exponential, so the time at which it fires is known in closed form.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tocsin.kernels.jit import inlined
from tocsin.kernels.layout import (
    DECAYS,
    IN,
    IN_SOURCE,
    IN_TIE,
    LAYER,
    OUT,
    OUT_TARGET,
    SOURCE,
    TARGET,
    TOTAL_OF,
    TRANSITION,
)
from tocsin.kernels.streams import SOURCE_STREAM, combine, threshold, uniform
from tocsin.kernels.tournament import put, put_range

# One clock is one cache line of eight numbers.
LEFT, SINCE, HAZARD, EXPOSURE, FACTOR, DRAWN, SOURCES, STREAM = range(8)
WIDTH = 8
SENT, HEARD = 0, 1  # what a source sends, and the time at which it was last brought up to date
NO_DRAW = np.uint64(0)  # the key of a world that draws nothing


class World(NamedTuple):
    """The mutable state of one world."""

    key: NDArray[np.uint64]  # (1,) key of seed and world
    state: NDArray[np.int32]  # (N,) joint states
    present: NDArray[np.uint8]  # (N,)
    piece: NDArray[np.int64]  # (D, N) offset of the piece in force
    weight: NDArray[np.float64]  # (P,)
    dense: NDArray[np.float64]  # (dense layers, N, N)
    totals: NDArray[np.float64]  # (totals, N)
    memory: NDArray[np.float64]  # (C, N, 2)
    clock: NDArray[np.float64]  # (C * N, WIDTH)
    stream: NDArray[
        np.uint64
    ]  # (C * N, WIDTH) the same memory: its last column holds the keys of the streams
    tree: NDArray[np.float64]  # times at which the clocks fire, as a tournament
    levels: NDArray[np.int64]
    hazards: NDArray[np.float64]  # (N,) scratch


@inlined
def target_factor(lay, tab, world, c, i):
    """Return A: exp(beta . x_i) where the unit is at risk, over the total of its ties if normalised."""
    k, s = lay.cause[c, TRANSITION], world.state[i]
    if lay.after[k, s] < 0 or world.present[i] == 0 or (lay.allowed.size > 0 and lay.allowed[k, i] == 0):
        return 0.0
    d = lay.cause[c, TARGET]
    row = lay.same[d]
    if row < 0:
        row = lay.rows[world.piece[d, i] + lay.columns[d, s]]
    if row < 0:
        return np.nan
    factor = tab.values[tab.first[0, c] + row]
    number = lay.cause[c, TOTAL_OF]
    if number >= 0:
        total = world.totals[number, i]
        factor = factor * total ** -tab.shape[1, c] if total > 0.0 else 0.0
    return factor


@inlined
def source_mark(lay, tab, piece, c, j, s):
    """Return exp(gamma . u_j) of a source in joint state s; NaN where a covariate is missing."""
    d = lay.cause[c, SOURCE]
    if d < 0:
        return 1.0
    row = lay.rows[piece[d, j] + lay.columns[d, s]]
    return tab.values[tab.first[1, c] + row] if row >= 0 else np.nan


@inlined
def sent(tab, memory, c, j, time):
    """Return what source j sends under cause c at a time: its mark, or its decaying memory."""
    value = memory[c, j, SENT]
    if tab.shape[0, c] > 0.0 and value > 0.0:
        value *= math.exp(-tab.shape[0, c] * (time - memory[c, j, HEARD]))
    return value


@inlined
def fires_after(left, hazard, rate):
    """Return how long a hazard, constant or decaying, takes to spend what is left of a threshold."""
    if rate == 0.0:
        return left / hazard
    share = left * rate / hazard
    return -math.log1p(-share) / rate if share < 1.0 else np.inf


@inlined
def aim(lay, tab, world, c, i, time, factor, change, sources):
    """Bring a clock to a time, change its factor and exposure, and find when it fires.

    The clock spends its threshold on the hazard that it had, and its exposure decays; then its factor is set,
    `change` is added to its exposure, and `sources` to the number of its sources with a tie in force.

    Returns False where the hazard is not a finite number.
    """
    position = c * lay.state.size + i
    clock = world.clock[position]
    decay = tab.shape[0, c]
    rate = tab.shape[1, c] * decay
    span = time - clock[SINCE]
    if span > 0.0:
        if clock[HAZARD] > 0.0:
            spent = span if rate == 0.0 else -math.expm1(-rate * span) / rate
            clock[LEFT] -= clock[HAZARD] * spent
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
    key = world.key[0]
    if key != NO_DRAW:
        if factor != 0.0 and clock[DRAWN] == 0.0:
            clock[LEFT] = threshold(key, world.stream[position, STREAM], 0)
            clock[DRAWN] = 1.0
        fires = np.inf
        if hazard > 0.0:
            fires = time + fires_after(max(clock[LEFT], 0.0), hazard, rate)
        put(world.tree, world.levels, position, fires)
    return True


@inlined
def refactor(lay, tab, world, c, i, time):
    """Recompute the factor of one clock after its unit changed. Returns False where it is not finite."""
    factor = target_factor(lay, tab, world, c, i)
    if factor == world.clock[c * lay.state.size + i, FACTOR]:
        return True
    return aim(lay, tab, world, c, i, time, factor, 0.0, np.int64(0))


@inlined
def send_dense(lay, world, c, j, time, change, sources):
    """Pass a change on along a dense layer, over all targets at once; see `send`.

    The loops are short and touch few arrays each, so that the compiler can take several targets in one step.
    A clock whose hazard stays as it was is left alone to the bit.
    """
    n = lay.state.size
    first, layer = c * n, lay.cause[c, LAYER]
    weight = world.dense[lay.dense_of[layer], j]
    count = world.clock[first : first + n, SOURCES]
    exposure = world.clock[first : first + n, EXPOSURE]
    factor = world.clock[first : first + n, FACTOR]
    hazard = world.clock[first : first + n, HAZARD]
    left = world.clock[first : first + n, LEFT]
    since = world.clock[first : first + n, SINCE]
    fires = world.tree[first : first + n]
    new = world.hazards
    if sources != 0:
        for i in range(n):
            count[i] += sources if weight[i] > 0.0 else 0
    for i in range(n):
        value = exposure[i] + weight[i] * change
        exposure[i] = (value if value > 0.0 else 0.0) if count[i] > 0.0 else 0.0
    wrong = 0
    for i in range(n):
        new[i] = factor[i] * exposure[i] if exposure[i] > 0.0 else 0.0
        wrong |= 0 if new[i] < np.inf else 1
    if wrong != 0:
        for i in range(n):
            if not new[i] < np.inf:
                return i
    for i in range(n):
        spent = hazard[i] * (time - since[i])
        left[i] -= spent if new[i] != hazard[i] else 0.0
    if world.key[0] != NO_DRAW:
        for i in range(n):
            value = time + (left[i] if left[i] > 0.0 else 0.0) / new[i] if new[i] > 0.0 else np.inf
            fires[i] = value if new[i] != hazard[i] else fires[i]
        put_range(world.tree, world.levels, first, first + n)
    for i in range(n):
        since[i] = time if new[i] != hazard[i] else since[i]
        hazard[i] = new[i]
    return -1


@inlined
def send(lay, tab, world, c, j, time, change, sources):
    """Pass a change of what source j sends on to all its targets.

    Returns -1, or a target whose hazard is not finite.
    """
    layer, k, n = lay.cause[c, LAYER], lay.cause[c, TRANSITION], lay.state.size
    decays = tab.shape[0, c] > 0.0
    if lay.dense_of[layer] >= 0 and not decays and tab.shape[1, c] == 1.0:
        return send_dense(lay, world, c, j, time, change, sources)
    # Reading ahead lets the reads of far memory overlap, which is most of the time where units are many.
    ahead = 0.0
    for tie in range(lay.tie_first[OUT, layer, j], lay.tie_first[OUT, layer, j + 1]):
        i = np.int64(lay.tie[OUT_TARGET, tie])
        if lay.matters[k, world.state[i]] > 0:
            ahead += world.clock[c * n + i, FACTOR] + min(world.tree[c * n + i], 0.0)
    if ahead < 0.0:
        return j
    for tie in range(lay.tie_first[OUT, layer, j], lay.tie_first[OUT, layer, j + 1]):
        weight = world.weight[tie]
        if weight == 0.0:
            continue
        i = np.int64(lay.tie[OUT_TARGET, tie])
        if lay.matters[k, world.state[i]] == 0:
            continue
        clock = world.clock[c * n + i]
        if clock[FACTOR] == 0.0 and not decays:  # not at risk: nothing to spend, nothing to aim
            clock[SOURCES] += sources
            exposure = clock[EXPOSURE] + weight * change
            clock[EXPOSURE] = max(exposure, 0.0) if clock[SOURCES] > 0.0 else 0.0
        elif not aim(lay, tab, world, c, i, time, clock[FACTOR], weight * change, sources):
            return i
    return -1


@inlined
def reconsider(lay, tab, world, c, j, time, old, event_variable):
    """Recompute what source j sends under cause c after it moved from joint state `old`, and pass it on.

    Parameters:
        event_variable: the variable of the event that moved it, -1 where a covariate or presence changed.

    Returns:
        -1, or the unit whose mark or hazard is not finite.
    """
    s = world.state[j]
    decays = lay.cause[c, DECAYS] != 0
    before = sent(tab, world.memory, c, j, time)
    counts = world.present[j] > 0 and lay.counts[c, s] > 0
    if decays:
        again = event_variable >= 0 and old == s and lay.clause[c, event_variable] > 0
        if event_variable < 0 or not counts or (lay.counts[c, old] > 0 and not again):
            if world.present[j] > 0 or before == 0.0:
                return -1
            mark = -before  # an absent unit sends nothing
        else:
            mark = before + source_mark(lay, tab, world.piece, c, j, s)
        after = mark if mark > 0.0 else 0.0
    else:
        mark = source_mark(lay, tab, world.piece, c, j, s) if counts else 0.0
        after = mark
    if not mark < np.inf:
        return j
    if after == before:
        return -1
    world.memory[c, j, SENT] = after
    world.memory[c, j, HEARD] = time
    return send(lay, tab, world, c, j, time, after - before, np.int64(after > 0.0) - np.int64(before > 0.0))


@inlined
def draw_source(lay, tab, world, c, i, number, time):
    """Draw the source of a contagion event in proportion to what each sends, from a stream of its own."""
    layer, position = lay.cause[c, LAYER], c * lay.state.size + i
    # The exposure of the clock is the sum of what its sources send.
    total = world.clock[position, EXPOSURE]
    if tab.shape[0, c] > 0.0:
        total *= math.exp(-tab.shape[0, c] * (time - world.clock[position, SINCE]))
    wanted = uniform(world.key[0], combine(world.stream[position, STREAM], SOURCE_STREAM), number) * total
    summed, chosen = 0.0, np.int64(-1)
    for place in range(lay.tie_first[IN, layer, i], lay.tie_first[IN, layer, i + 1]):
        j = np.int64(lay.tie[IN_SOURCE, place])
        if tab.shape[0, c] == 0.0 and lay.counts[c, world.state[j]] == 0:
            continue
        value = sent(tab, world.memory, c, j, time)
        if value > 0.0:
            share = world.weight[lay.tie[IN_TIE, place]] * value
            if share > 0.0:
                summed += share
                chosen = j
                if summed > wanted:
                    break
    return chosen
