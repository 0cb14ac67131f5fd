"""What a hazard is made of, and how states, ties and covariates change: the rules that worlds share.

They hold for any world that has states, presence, pieces, weights, totals and a memory of what sources send,
however its clocks are kept (`world`, `slots`).
"""

from __future__ import annotations

import math

import numpy as np

from tocsin.kernels.age import target_row
from tocsin.kernels.compiled import inlined, place
from tocsin.kernels.inner_exposure import inner_factor, inner_level
from tocsin.kernels.layout import (
    AGE,
    DECAYS,
    IN,
    IN_SOURCE,
    IN_TIE,
    KIND,
    LAYER,
    NO_AGE,
    OF_LAYER,
    OF_TOTAL,
    PIECE,
    SOURCE,
    STRIDE,
    TARGET,
    TARGET_DESIGNS,
    TOTAL,
    TOTAL_OF,
    TRANSITION,
    VALUE,
    A,
    B,
    C,
)

SENT, HEARD = 0, 1  # rows of `memory`: what a source sends, and when it was last brought up to date

TAKEN = 2  # a third row, where units come back: what a source would have sent as it left


@inlined
def target_factor(lay, tab, world, c, i):
    """Return A: exp(beta . x_i) where the unit is at risk, over the total of its ties if normalised.

    Where the cause sees an age, exp(beta . x_i) is another's to give (`age`), and 1 here.
    """
    k, s = place(lay.cause[c, TRANSITION]), place(world.state[i])
    if lay.after[k, s] < 0 or world.present[i] == 0 or (lay.allowed.size > 0 and lay.allowed[k, i] == 0):
        return 0.0
    aged = lay.cause[c, AGE] != NO_AGE
    row = target_row(lay, world, c, i)
    bent = lay.inner.shape[0] > 0
    if bent and not aged and lay.same[place(lay.cause[c, TARGET])] < 0:
        d = place(lay.cause[c, TARGET])
        row = np.int64(lay.rows[world.piece[d, i] + lay.columns[d, s] + inner_level(lay, world, c, i)])
    if row < 0:
        return np.nan
    factor = 1.0 if aged else tab.values[place(tab.first[0, c] + row)]
    if bent and not aged:
        factor *= inner_factor(lay, tab, world, c, i, row)
    number = lay.cause[c, TOTAL_OF]
    if number >= 0:
        total = world.totals[number, i]
        factor = factor * total ** -tab.shape[1, c] if total > 0.0 else 0.0
    return factor


@inlined
def source_mark(lay, tab, piece, c, j, s):
    """Return exp(gamma . u_j) of a source in joint state s; NaN where a covariate is missing."""
    d = np.int64(lay.cause[c, SOURCE])
    if d < 0:
        return 1.0
    row = lay.rows[piece[d, j] + lay.columns[d, s]]
    return tab.values[tab.first[1, c] + row] if row >= 0 else np.nan


@inlined
def sent(tab, memory, c, j, time):
    """Return what source j sends under cause c at a time: its mark, or its decaying memory."""
    value = memory[SENT, c, j]
    if tab.shape[0, c] > 0.0 and value > 0.0:
        value *= math.exp(-tab.shape[0, c] * (time - memory[HEARD, c, j]))
    return value


@inlined
def carried_memory(lay, tab, decay, c, i, time):
    """Return what the entries dated before a unit's own have left to send when it enters."""
    left = 0.0
    for early in range(lay.early_time.size):
        if lay.early[early, 0] == c and lay.early[early, 1] == i:
            row, mark = lay.early[early, 2], 1.0
            if lay.cause[c, SOURCE] >= 0:
                mark = tab.values[tab.first[1, c] + row] if row >= 0 else np.nan
            left += mark * math.exp(-decay * (time - lay.early_time[early]))
    return left


@inlined
def take_memory(lay, tab, world, c, i, time):
    """Note what a source still sends as it leaves, for its return."""
    if world.memory.shape[0] > TAKEN and lay.cause[c, DECAYS] != 0:
        world.memory[TAKEN, c, i] = sent(tab, world.memory, c, i, time)
        world.memory[HEARD, c, i] = time


@inlined
def brought_memory(lay, tab, decay, world, c, i, time):
    """Return what a unit has left to send when it enters: of entries before its own, or of those before it left."""
    if world.memory.shape[0] > TAKEN and time > max(lay.presence[0, i], lay.window[0]):
        return world.memory[TAKEN, c, i] * math.exp(-decay * (time - world.memory[HEARD, c, i]))
    return carried_memory(lay, tab, decay, c, i, time)


@inlined
def sending(lay, tab, world, c, j, old, event_variable, before):
    """Return what source j sends under cause c after it moved from joint state `old`; NaN or infinite if wrong.

    Parameters:
        event_variable: the variable of the event that moved it, -1 where a covariate or presence changed.
        before: what it sent until then.
    """
    s = place(world.state[j])
    counts = world.present[j] > 0 and lay.counts[c, s] > 0
    if lay.cause[c, DECAYS] == 0:
        return source_mark(lay, tab, world.piece, c, j, s) if counts else 0.0
    if world.present[j] == 0:
        return 0.0  # an absent unit sends nothing
    again = event_variable >= 0 and old == s and lay.clause[c, event_variable] > 0
    if event_variable < 0 or not counts or (lay.counts[c, old] > 0 and not again):
        return before
    return before + source_mark(lay, tab, world.piece, c, j, s)


@inlined
def draw_among(lay, tab, world, c, i, wanted, time):
    """Return the source at which the shares of a target's exposure, summed, pass what is wanted; -1 for none."""
    layer = place(lay.cause[c, LAYER])
    summed, chosen = 0.0, np.int64(-1)
    for position in range(place(lay.tie_first[IN, layer, i]), lay.tie_first[IN, layer, i + 1]):
        j = place(lay.tie[IN_SOURCE, position])
        if tab.shape[0, c] == 0.0 and lay.counts[c, place(world.state[j])] == 0:
            continue
        value = sent(tab, world.memory, c, j, time)
        if value > 0.0:
            share = weight_inward(lay, world.weight, position) * value
            if share > 0.0:
                summed += share
                chosen = j
                if summed > wanted:
                    break
    return chosen


@inlined
def apply_break(lay, world, number):
    """Apply a break of ties, totals or covariates to a world's arrays.

    Returns:
        Who listens to it: a row of `Layout.listen` and its group (a layer, totals, a design); and the weight of
        the tie before and after.
    """
    kind, a, b = lay.breaks[number, KIND], lay.breaks[number, A], lay.breaks[number, B]
    new = lay.break_at[VALUE, number]
    if kind == TOTAL:
        world.totals[a, b] = new
        return np.int64(OF_TOTAL), a, 0.0, new
    if kind == PIECE:
        world.piece[a, b] = lay.breaks[number, C]
        return np.int64(TARGET_DESIGNS), a, 0.0, new
    tie, layer = lay.breaks[number, C], np.int64(0)
    while not lay.tie_first[0, layer, 0] <= tie < lay.tie_first[0, layer, lay.state.size]:
        layer += 1
    old = world.weight[tie]
    world.weight[tie] = new
    return np.int64(OF_LAYER), layer, old, new


@inlined
def held(lay, world, i, variable):
    """Return the state that a unit holds of a variable."""
    return place(lay.held[variable, place(world.state[i])])


@inlined
def restate(lay, world, number):
    """Put an absent unit into the state in which it will return; nobody sees it until then."""
    i, variable = place(lay.breaks[number, A]), place(lay.breaks[number, B])
    enter_state(lay, world, i, variable, lay.breaks[number, C])


@inlined
def enter_state(lay, world, i, variable, state):
    """Put one variable of a unit into a state; return the joint state that it left."""
    old = np.int64(world.state[i])
    world.state[i] = old + (state - held(lay, world, i, variable)) * lay.variable[variable, STRIDE]
    return old


# --- Weights of ties: one for each tie, or one number where all weigh the same and none ever
#     changes


@inlined
def weight_of(weight, tie):
    """Return the weight of a tie by its number."""
    return weight[tie if weight.size > 1 else 0]


@inlined
def weight_inward(lay, weight, position):
    """Return the weight of a tie by its position in the order of targets."""
    return weight[place(lay.tie[IN_TIE, position])] if weight.size > 1 else weight[0]
