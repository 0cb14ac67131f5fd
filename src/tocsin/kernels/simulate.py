"""Many worlds of one program, from the start of the window to its end."""

from __future__ import annotations

import math

import numba as nb
import numpy as np

from tocsin.kernels.layout import ENTER, EXIT, FORCE, PIECE, TIE, TOTAL
from tocsin.kernels.streams import SOURCE_STREAM, combine, mix, threshold, uniform
from tocsin.kernels.tournament import earliest, level_offsets, put, rebuild
from tocsin.kernels.world import (
    DRAWN,
    FACTOR,
    HAZARD,
    LEFT,
    SINCE,
    SOURCES,
    EXPOSURE,
    WIDTH,
    World,
    aim,
    expose,
    reconsider,
    refactor,
    relax,
    retie,
    send,
    sent,
    source_mark,
)

DONE, NOT_FINITE, ENDLESS = 0, 1, 2
FORCED = -1  # the cause of an event that an intervention forces


@nb.njit(cache=True, nogil=True)
def world_key(seed, number):
    """Return the key of one world of an ensemble."""
    return combine(seed, np.uint64(number))


@nb.njit(cache=True, nogil=True)
def blank(lay):
    """Return a world with room for the program's units and clocks, at the start of the window."""
    units, causes = lay.state.size, lay.transition.size
    levels = level_offsets(causes * units)
    present = np.empty(units, dtype=np.uint8)
    for i in range(units):
        present[i] = 1 if lay.enter[i] <= lay.start < lay.exit[i] else 0
    return World(
        np.zeros(1, dtype=np.uint64),
        lay.state.copy(),
        present,
        lay.offset.copy(),
        lay.weight.copy(),
        lay.totals.copy(),
        np.zeros((causes, units)),
        np.full((causes, units), lay.start),
        np.zeros((causes * units, WIDTH)),
        np.full(levels[-1], np.inf),
        levels,
    )


@nb.njit(cache=True, nogil=True)
def recall(lay, tab, world, unit, time, draw):
    """Let a unit that enters carry its earlier entries (half-life memory); all units where `unit` is -1."""
    for entry in range(lay.early_cause.size):
        c, j = lay.early_cause[entry], lay.early_unit[entry]
        if (unit >= 0 and j != unit) or world.present[j] == 0:
            continue
        mark = 1.0
        if lay.source_design[c] >= 0:
            row = lay.early_row[entry]
            mark = tab.mark[tab.mark_first[c] + row] if row >= 0 else np.nan
            if not mark < np.inf:
                return c, j
        mark *= math.exp(-tab.decay[c] * (time - lay.early_time[entry]))
        carried = world.memory[c, j]
        world.memory[c, j] = carried + mark
        world.heard[c, j] = time
        bad = send(lay, tab, world, c, j, time, mark, 1 if carried == 0.0 else 0, draw)
        if bad >= 0:
            return c, bad
    return -1, -1


@nb.njit(cache=True, nogil=True)
def open_window(lay, tab, world):
    """Set factors and exposures at the start of the window; draws nothing. Returns status, cause and unit."""
    units, causes = lay.state.size, lay.transition.size
    for c in range(causes):
        for i in range(units):
            world.clock[c * units + i, SINCE] = lay.start
            if refactor(lay, tab, world, c, i, lay.start, False) != 0:
                return NOT_FINITE, c, i
        if lay.layer[c] >= 0 and lay.decays[c] == 0:
            for j in range(units):
                bad = reconsider(lay, tab, world, c, j, lay.start, -1, -1, False)
                if bad >= 0:
                    return NOT_FINITE, c, bad
    c, bad = recall(lay, tab, world, -1, lay.start, False)
    if bad >= 0:
        return NOT_FINITE, c, bad
    return DONE, 0, 0


@nb.njit(cache=True, nogil=True)
def begin(lay, tab, world, opened, key):
    """Make `world` a fresh copy of the opened one, with thresholds of its own."""
    world.key[0] = key
    world.state[:] = opened.state
    world.present[:] = opened.present
    if lay.break_time.size > 0:
        world.piece[:] = opened.piece
        world.weight[:] = opened.weight
        world.totals[:] = opened.totals
    world.memory[:] = opened.memory
    world.heard[:] = opened.heard
    world.clock[:] = opened.clock
    units = lay.state.size
    for c in range(lay.transition.size):
        decay, power = tab.decay[c], tab.power[c]
        for i in range(units):
            position = c * units + i
            clock = world.clock[position]
            hazard = clock[HAZARD]
            if hazard > 0.0:
                left = threshold(key, combine(lay.unit_key[i], lay.cause_key[c]), 0)
                clock[LEFT], clock[DRAWN] = left, 1.0
                if decay > 0.0:
                    rate = power * decay
                    share = left * rate / hazard
                    world.tree[position] = lay.start - math.log1p(-share) / rate if share < 1.0 else np.inf
                else:
                    world.tree[position] = lay.start + left / hazard
            else:
                world.tree[position] = np.inf
    rebuild(world.tree, world.levels)


@nb.njit(cache=True, nogil=True)
def move(lay, tab, world, i, variable, state, time):
    """Move one variable of a unit to a state, and tell every clock that listens. Returns cause and unit, or -1."""
    old = world.state[i]
    code = (old // lay.stride[variable]) % lay.size[variable]
    world.state[i] = old + (state - code) * lay.stride[variable]
    for position in range(lay.target_first[variable], lay.target_first[variable + 1]):
        c = lay.target_causes[position]
        if refactor(lay, tab, world, c, i, time, True) != 0:
            return c, i
    for position in range(lay.source_first[variable], lay.source_first[variable + 1]):
        c = lay.source_causes[position]
        bad = reconsider(lay, tab, world, c, i, time, old, variable, True)
        if bad >= 0:
            return c, bad
    return -1, -1


@nb.njit(cache=True, nogil=True)
def appear(lay, tab, world, i, time, present):
    """Let a unit enter or leave the field: its own risk, and what it sends. Returns cause and unit, or -1."""
    world.present[i] = present
    for c in range(lay.transition.size):
        if refactor(lay, tab, world, c, i, time, True) != 0:
            return c, i
        if lay.layer[c] < 0:
            continue
        if lay.decays[c] == 0:
            bad = reconsider(lay, tab, world, c, i, time, -1, -1, True)
            if bad >= 0:
                return c, bad
        elif present == 0:
            carried = sent(tab, world, c, i, time)
            if carried > 0.0:
                world.memory[c, i] = 0.0
                send(lay, tab, world, c, i, time, -carried, -1, True)
    if present == 1:
        return recall(lay, tab, world, i, time, True)
    return -1, -1


@nb.njit(cache=True, nogil=True)
def change(lay, tab, world, number, time):
    """Apply one break that is not an event. Returns cause and unit of a hazard that is not finite, or -1."""
    kind = lay.break_kind[number]
    a, b = lay.break_a[number], lay.break_b[number]
    if kind == TIE:
        if retie(lay, tab, world, lay.break_c[number], a, b, time, lay.break_x[number], True) != 0:
            return 0, b
    elif kind == PIECE:
        world.piece[a, b] = lay.break_c[number]
        for position in range(lay.design_first[a], lay.design_first[a + 1]):
            c = lay.design_causes[position]
            if lay.design_role[position] == 0:
                if refactor(lay, tab, world, c, b, time, True) != 0:
                    return c, b
            elif lay.decays[c] == 0:
                bad = reconsider(lay, tab, world, c, b, time, -1, -1, True)
                if bad >= 0:
                    return c, bad
    elif kind == TOTAL:
        world.totals[a, b] = lay.break_x[number]
        for position in range(lay.total_first[a], lay.total_first[a + 1]):
            c = lay.total_causes[position]
            if refactor(lay, tab, world, c, b, time, True) != 0:
                return c, b
    else:
        return appear(lay, tab, world, a, time, 1 if kind == ENTER else 0)
    return -1, -1


@nb.njit(cache=True, nogil=True)
def draw_source(lay, tab, world, c, i, number, time):
    """Draw the source of a contagion event in proportion to what each sends, from a stream of its own."""
    layer = lay.layer[c]
    first, last = lay.in_first[layer, i], lay.in_first[layer, i + 1]
    total = 0.0
    for position in range(first, last):
        weight = world.weight[lay.in_tie[position]]
        if weight > 0.0:
            total += weight * sent(tab, world, c, lay.in_source[position], time)
    stream = combine(combine(lay.unit_key[i], lay.cause_key[c]), SOURCE_STREAM)
    wanted = uniform(world.key[0], stream, number) * total
    summed, chosen = 0.0, -1
    for position in range(first, last):
        weight = world.weight[lay.in_tie[position]]
        if weight > 0.0:
            share = weight * sent(tab, world, c, lay.in_source[position], time)
            if share > 0.0:
                summed += share
                chosen = lay.in_source[position]
                if summed > wanted:
                    break
    return chosen


@nb.njit(cache=True, nogil=True)
def grow(array):
    """Return a copy with twice the room."""
    longer = np.empty(2 * array.size, dtype=array.dtype)
    longer[: array.size] = array
    return longer


@nb.njit(cache=True, nogil=True)
def simulate(lay, tab, seed, first, last, most):
    """Simulate the worlds first..last-1 of an ensemble.

    Parameters:
        lay, tab: the program's Layout and Tables.
        seed: 64-bit seed of the ensemble.
        first, last: numbers of the worlds.
        most: bound on the events of one world.

    Returns:
        Status, and the cause, unit and time where it failed; events per world; and for every event its time,
        unit, variable, state left, state entered, cause (-1 where forced) and source (-1 for none).
    """
    units = lay.state.size
    opened = blank(lay)
    counts = np.zeros(last - first, dtype=np.int64)
    room = 1024
    time_of = np.empty(room, dtype=np.float64)
    unit_of = np.empty(room, dtype=np.int32)
    variable_of = np.empty(room, dtype=np.int16)
    left_of = np.empty(room, dtype=np.int16)
    entered_of = np.empty(room, dtype=np.int16)
    cause_of = np.empty(room, dtype=np.int32)
    source_of = np.empty(room, dtype=np.int32)
    status, bad_cause, bad_unit = open_window(lay, tab, opened)
    bad_time = lay.start
    event = 0
    if status == DONE:
        world = blank(lay)
        for number in range(first, last):
            begin(lay, tab, world, opened, world_key(seed, number))
            began = event
            upcoming = 0
            while True:
                position = earliest(world.tree, world.levels)
                time = world.tree[position]
                if upcoming < lay.break_time.size and lay.break_time[upcoming] < time:
                    time = lay.break_time[upcoming]
                    if lay.break_kind[upcoming] != FORCE:
                        c, bad = change(lay, tab, world, upcoming, time)
                        upcoming += 1
                        if bad >= 0:
                            status, bad_cause, bad_unit, bad_time = NOT_FINITE, c, bad, time
                            break
                        continue
                    i, variable, state = lay.break_a[upcoming], lay.break_b[upcoming], lay.break_c[upcoming]
                    shown = lay.break_x[upcoming] > 0.0
                    upcoming += 1
                    left = (world.state[i] // lay.stride[variable]) % lay.size[variable]
                    if world.present[i] == 0 or (shown and left == state):
                        continue
                    c, source, drawn = np.int64(FORCED), -1, 0
                else:
                    if not time <= lay.end:
                        break
                    c, i = position // units, position % units
                    k = lay.transition[c]
                    variable, state, shown = lay.variable[k], np.int64(lay.to[k]), True
                    left = (world.state[i] // lay.stride[variable]) % lay.size[variable]
                    clock = world.clock[position]
                    relax(tab, clock, c, time)
                    drawn = np.int64(clock[DRAWN])
                    source = draw_source(lay, tab, world, c, i, drawn - 1, time) if lay.layer[c] >= 0 else -1
                    clock[LEFT] = threshold(world.key[0], combine(lay.unit_key[i], lay.cause_key[c]), drawn)
                    clock[DRAWN] += 1.0
                if shown:
                    if event - began >= most:
                        status, bad_cause, bad_unit, bad_time = ENDLESS, c, i, time
                        break
                    if event == time_of.size:
                        time_of, unit_of, variable_of = grow(time_of), grow(unit_of), grow(variable_of)
                        left_of, entered_of = grow(left_of), grow(entered_of)
                        cause_of, source_of = grow(cause_of), grow(source_of)
                    time_of[event] = time
                    unit_of[event] = i
                    variable_of[event] = variable
                    left_of[event] = left
                    entered_of[event] = state
                    cause_of[event] = c
                    source_of[event] = source
                    event += 1
                fired = c
                c, bad = move(lay, tab, world, i, variable, state, time)
                if bad < 0 and drawn > 0 and not aim(lay, tab, world, fired, i, time, True):
                    c, bad = fired, i
                if bad >= 0:
                    status, bad_cause, bad_unit, bad_time = NOT_FINITE, c, bad, time
                    break
            counts[number - first] = event - began
            if status != DONE:
                break
    return (
        (status, bad_cause, bad_unit, bad_time),
        counts,
        time_of[:event],
        unit_of[:event],
        variable_of[:event],
        left_of[:event],
        entered_of[:event],
        cause_of[:event],
        source_of[:event],
    )
