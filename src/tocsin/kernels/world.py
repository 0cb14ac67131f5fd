"""One world: its clocks, and how they move when a unit, a tie or a covariate changes.

Every cause of every unit has a clock that fires when its integrated hazard A E^alpha reaches the next
threshold of its own stream. A clock is touched only when its hazard changes; between touches its hazard is
constant, or decays as one exponential, so the time at which it fires is known in closed form.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numba as nb
import numpy as np
from numpy.typing import NDArray

from tocsin.kernels.streams import combine, threshold
from tocsin.kernels.tournament import put

# One clock is one cache line of eight numbers.
LEFT, SINCE, HAZARD, EXPOSURE, FACTOR, DRAWN, SOURCES, WIDTH = 0, 1, 2, 3, 4, 5, 6, 8


class World(NamedTuple):
    """The mutable state of one world."""

    key: NDArray[np.uint64]  # (1,) key of seed and world
    state: NDArray[np.int32]  # (N,) joint states
    present: NDArray[np.uint8]  # (N,)
    piece: NDArray[np.int64]  # (D, N) offset of the piece in force
    weight: NDArray[np.float64]  # (P,)
    totals: NDArray[np.float64]  # (totals, N)
    memory: NDArray[np.float64]  # (C, N) what a source sends, at time `heard`
    heard: NDArray[np.float64]  # (C, N)
    clock: NDArray[np.float64]  # (C * N, WIDTH)
    tree: NDArray[np.float64]  # times at which the clocks fire, as a tournament
    levels: NDArray[np.int64]


@nb.njit(cache=True, nogil=True)
def target_factor(lay, tab, world, c, i):
    """Return A: exp(beta . x_i) where the unit is at risk, over the total of its ties if so normalised."""
    if world.present[i] == 0:
        return 0.0
    k = lay.transition[c]
    s = world.state[i]
    if lay.after[k, s] < 0 or lay.allowed[k, i] == 0:
        return 0.0
    d = lay.target_design[c]
    row = lay.rows[world.piece[d, i] + lay.columns[d, s]]
    if row < 0:
        return np.nan
    factor = tab.factor[tab.factor_first[c] + row]
    if lay.total[c] >= 0:
        total = world.totals[lay.total[c], i]
        if total <= 0.0:
            return 0.0
        factor *= total ** -tab.power[c]
    return factor


@nb.njit(cache=True, nogil=True)
def source_mark(lay, tab, world, c, j, s):
    """Return exp(gamma . u_j) of a source in joint state s."""
    d = lay.source_design[c]
    if d < 0:
        return 1.0
    row = lay.rows[world.piece[d, j] + lay.columns[d, s]]
    if row < 0:
        return np.nan
    return tab.mark[tab.mark_first[c] + row]


@nb.njit(cache=True, nogil=True)
def sent(tab, world, c, j, time):
    """Return what source j sends under cause c at a time: its mark, or its decaying memory."""
    memory = world.memory[c, j]
    if tab.decay[c] > 0.0 and memory > 0.0:
        memory *= math.exp(-tab.decay[c] * (time - world.heard[c, j]))
    return memory


@nb.njit(cache=True, nogil=True)
def relax(tab, clock, c, time):
    """Bring a clock to a time: spend its threshold and let its exposure decay."""
    span = time - clock[SINCE]
    decay = tab.decay[c]
    if span > 0.0:
        hazard = clock[HAZARD]
        if hazard > 0.0:
            if decay > 0.0:
                rate = tab.power[c] * decay
                clock[LEFT] -= hazard * -math.expm1(-rate * span) / rate
            else:
                clock[LEFT] -= hazard * span
        if decay > 0.0:
            clock[EXPOSURE] *= math.exp(-decay * span)
    clock[SINCE] = time


@nb.njit(cache=True, nogil=True)
def aim(lay, tab, world, c, i, time, draw):
    """Set a clock's hazard from its factor and exposure, and find when it fires.

    Returns False where the hazard is not a finite number.
    """
    n = lay.state.size
    position = c * n + i
    clock = world.clock[position]
    hazard = clock[FACTOR]
    if lay.layer[c] >= 0 and hazard != 0.0:
        exposure = clock[EXPOSURE]
        if exposure <= 0.0:
            hazard = 0.0
        elif tab.power[c] != 1.0:
            hazard *= exposure ** tab.power[c]
        else:
            hazard *= exposure
    clock[HAZARD] = hazard
    if not hazard < np.inf:
        return False
    if not draw:
        return True
    fires = np.inf
    if hazard > 0.0:
        if clock[DRAWN] == 0.0:
            clock[LEFT] = threshold(world.key[0], combine(lay.unit_key[i], lay.cause_key[c]), 0)
            clock[DRAWN] = 1.0
        left = max(clock[LEFT], 0.0)
        decay = tab.decay[c]
        if decay > 0.0:
            rate = tab.power[c] * decay
            share = left * rate / hazard
            if share < 1.0:
                fires = time - math.log1p(-share) / rate
        else:
            fires = time + left / hazard
    put(world.tree, world.levels, position, fires)
    return True


@nb.njit(cache=True, nogil=True)
def refactor(lay, tab, world, c, i, time, draw):
    """Recompute the factor of one clock after its unit changed; return 0, or 1 for a hazard that is not finite."""
    n = lay.state.size
    clock = world.clock[c * n + i]
    factor = target_factor(lay, tab, world, c, i)
    if factor == clock[FACTOR]:
        return 0
    relax(tab, clock, c, time)
    clock[FACTOR] = factor
    return 0 if aim(lay, tab, world, c, i, time, draw) else 1


@nb.njit(cache=True, nogil=True)
def expose(lay, tab, world, c, i, time, change, sources, draw):
    """Add to the exposure of one clock; `sources` is by how many the sources with a tie in force change."""
    n = lay.state.size
    clock = world.clock[c * n + i]
    if clock[FACTOR] == 0.0 and tab.decay[c] == 0.0:  # not at risk: nothing to spend, nothing to aim
        clock[SOURCES] += sources
        clock[EXPOSURE] = 0.0 if clock[SOURCES] <= 0.0 else max(clock[EXPOSURE] + change, 0.0)
        return True
    relax(tab, clock, c, time)
    clock[SOURCES] += sources
    # Sums of what came and went leave rounding behind; without a source there is exactly no exposure.
    clock[EXPOSURE] = 0.0 if clock[SOURCES] <= 0.0 else max(clock[EXPOSURE] + change, 0.0)
    return aim(lay, tab, world, c, i, time, draw)


@nb.njit(cache=True, nogil=True)
def send(lay, tab, world, c, j, time, change, sources, draw):
    """Pass a change of what source j sends to all its targets; return -1, or a target whose hazard is not finite."""
    first, last = lay.out_first[lay.layer[c], j], lay.out_first[lay.layer[c], j + 1]
    for tie in range(first, last):
        weight = world.weight[tie]
        if weight > 0.0:
            i = lay.out_target[tie]
            if not expose(lay, tab, world, c, i, time, weight * change, sources, draw):
                return i
    return -1


@nb.njit(cache=True, nogil=True)
def reconsider(lay, tab, world, c, j, time, old, event_variable, draw):
    """Recompute what source j sends under cause c after it moved from joint state `old`.

    Parameters:
        event_variable: the variable of the event that moved it, -1 where a covariate or presence changed.

    Returns:
        -1, or the unit whose mark or hazard is not finite.
    """
    s = world.state[j]
    if tab.decay[c] > 0.0:
        if event_variable < 0 or world.present[j] == 0 or lay.counts[c, s] == 0:
            return -1
        again = old == s and lay.clause[c, event_variable] > 0
        if lay.counts[c, old] > 0 and not again:
            return -1
        mark = source_mark(lay, tab, world, c, j, s)
        if not mark < np.inf:
            return j
        carried = sent(tab, world, c, j, time)
        world.memory[c, j] = carried + mark
        world.heard[c, j] = time
        return send(lay, tab, world, c, j, time, mark, 1 if carried == 0.0 else 0, draw)
    mark = 0.0
    if world.present[j] > 0 and lay.counts[c, s] > 0:
        mark = source_mark(lay, tab, world, c, j, s)
        if not mark < np.inf:
            return j
    before = world.memory[c, j]
    if mark == before:
        return -1
    world.memory[c, j] = mark
    return send(lay, tab, world, c, j, time, mark - before, (mark != 0.0) - (before != 0.0), draw)


@nb.njit(cache=True, nogil=True)
def retie(lay, tab, world, tie, j, i, time, new, draw):
    """Change the weight of one tie; return 0, or 1 for a hazard that is not finite."""
    old = world.weight[tie]
    if new == old:
        return 0
    world.weight[tie] = new
    layer = 0
    while not lay.out_first[layer, 0] <= tie < lay.out_first[layer, lay.state.size]:
        layer += 1
    for position in range(lay.layer_first[layer], lay.layer_first[layer + 1]):
        c = lay.layer_causes[position]
        memory = sent(tab, world, c, j, time)
        if memory > 0.0:
            sources = (new > 0.0) - (old > 0.0)
            if not expose(lay, tab, world, c, i, time, (new - old) * memory, sources, draw):
                return 1
    return 0
