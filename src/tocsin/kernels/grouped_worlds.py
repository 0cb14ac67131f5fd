"""Many worlds in grouped time: what happens in an interval of the clock is seen from its end on.

States, exposures, ties and covariates are those at the start of an interval, so within it no hazard changes, and the
law of a world is the one that the grouped likelihood knows (`program.grouped`): the first clock to fire in an
interval moves its variable, and no other transition of that variable may follow within it; one that starts from
where it leads goes on, and its events are a Poisson count. What remembers an entry has it at age 1 in the interval
after it, and fades from one interval to the next.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from tocsin.kernels.clocks import (
    DRAWN,
    EXPOSURE,
    FACTOR,
    HAZARD,
    LEFT,
    SPENT,
    STREAM,
    empty_world,
    first_to_fire,
    next_time,
)
from tocsin.kernels.compiled import entry, inlined, inner, place
from tocsin.kernels.hazard import SENT, brought_memory, held, take_memory, weight_inward
from tocsin.kernels.layout import (
    DECAYS,
    ENTER,
    EXIT,
    FORCE,
    IN,
    IN_SOURCE,
    KIND,
    LAYER,
    MOVES,
    ROW,
    TO,
    TRANSITION,
    VALUE,
    WHEN,
    A,
    B,
    C,
    Layout,
    Tables,
)
from tocsin.kernels.simulation import (
    BEGAN,
    CAUSE,
    DONE,
    ENDLESS,
    EVENT_ENTERED,
    EVENT_UNIT,
    EVENT_VARIABLE,
    FORCED_CAUSE,
    FULL,
    NO_EVENT,
    NONE,
    NOT_FINITE,
    ONE,
    STATUS,
    UPCOMING,
    WHO,
    WRITTEN,
    begin,
    change,
    longer,
    move,
    write,
)
from tocsin.kernels.sparse_clocks import (
    draw_source,
    schedule,
    send_change,
    send_inner,
    update_factor,
    update_source,
)
from tocsin.kernels.streams import SOURCE_STREAM, combine, uniform

NEAR = 1e-5  # what is forced so shortly before the end of an interval happens at its end; no event is shown later

INTERVAL, SEEN = 6, 7  # of the log: the interval under way, and how many events are seen by others


@inlined
def appear_at(lay, tab, fades, world, i, time, present):
    """Let a unit enter or leave at the end of an interval. Returns (-1, -1), or cause and unit of a wrong hazard."""
    world.present[i] = present
    for c in range(lay.cause.shape[0]):
        if not update_factor(lay, tab, world, c, i, time):
            return np.int64(c), np.int64(i)
        if lay.cause[c, LAYER] < 0:
            continue
        if lay.cause[c, DECAYS] != 0 and present > 0:
            memory = brought_memory(lay, tab, fades[c], world, c, i, time)
            if not memory < np.inf:
                return np.int64(c), np.int64(i)
            world.memory[SENT, c, i] = memory
            bad = send_change(lay, tab, world, c, i, time, memory, ONE) if memory > 0.0 else -1
        else:
            take_memory(lay, tab, world, c, i, time)
            bad = update_source(lay, tab, world, c, i, time, np.int64(world.state[i]), NO_EVENT)
        if bad >= 0:
            return np.int64(c + bad // world.shares.size), np.int64(bad % world.shares.size)
    return send_inner(lay, tab, world, i, time)


@inlined
def fade(lay, tab, fades, world, time):
    """Let all memory grow older by an interval. Returns (-1, -1), or cause and unit of a wrong hazard."""
    for c in range(lay.cause.shape[0]):
        if lay.cause[c, LAYER] < 0 or lay.cause[c, DECAYS] == 0:
            continue
        kept = math.exp(-fades[c])
        for j in range(lay.state.size):
            old = world.memory[SENT, c, j]
            if old > 0.0:
                world.memory[SENT, c, j] = old * kept
                bad = send_change(lay, tab, world, c, j, time, old * kept - old, NONE)
                if bad >= 0:
                    return np.int64(c), np.int64(bad)
    return NO_EVENT, NO_EVENT


@inner
def open_window_at(lay, tab, fades, opened):
    """Give every clock the key of its stream, and let all units appear that are present at the start."""
    start = lay.window[0]
    for c in range(lay.cause.shape[0]):
        for i in range(lay.state.size):
            opened.stream[c * opened.shares.size + i, STREAM] = combine(lay.unit_key[i], lay.cause_key[c])
    for i in range(lay.state.size):
        if lay.presence[0, i] <= start < lay.presence[1, i]:
            c, bad = appear_at(lay, tab, fades, opened, i, start, ONE)
            if bad >= 0:
                return c, bad
    return fade(lay, tab, fades, opened, start)


@inlined
def draw_remembered(lay, world, c, i, number):
    """Draw the source of an event in proportion to what each still sends; see `sparse_clocks.draw_source`."""
    layer, position = place(lay.cause[c, LAYER]), place(c * world.shares.size + i)
    mark = uniform(world.key[0], combine(world.stream[position, STREAM], SOURCE_STREAM), number)
    wanted, summed, chosen = mark * world.clock[position, EXPOSURE], 0.0, np.int64(-1)
    for tie in range(place(lay.tie_first[IN, layer, i]), lay.tie_first[IN, layer, i + 1]):
        j = place(lay.tie[IN_SOURCE, tie])
        share = weight_inward(lay, world.weight, tie) * world.memory[SENT, c, j]
        if share > 0.0:
            summed += share
            chosen = j
            if summed > wanted:
                break
    return chosen


@inlined
def force(lay, tab, world, log, times, events, number, time):
    """Move what a break forces, and write it down where it is to be shown. Returns as `move` does."""
    i, variable, state = lay.breaks[number, A], lay.breaks[number, B], lay.breaks[number, C]
    shown = lay.break_at[VALUE, number] > 0.0
    left = held(lay, world, i, variable)
    if world.present[i] == 0 or (shown and left == state):
        return NO_EVENT, NO_EVENT
    if shown:
        write(times, events, log[WRITTEN], time, i, variable, left, state, FORCED_CAUSE, -1)
        log[WRITTEN] += 1
        log[SEEN] += 1
    return move(lay, tab, world, i, variable, state, time)


@inlined
def fire(lay, tab, world, log, times, events, time, stamp):
    """Let the earliest clock fire: write its event down, and stop what may not follow it in the interval.

    Returns (-1, -1), or cause and unit of a wrong hazard.
    """
    fired, i = first_to_fire(world.tree, world.levels, world.least, world.shares.size, time)
    fired, i = place(fired), place(i)
    position = place(fired * world.shares.size + i)
    k = place(lay.cause[fired, TRANSITION])
    variable = place(lay.transition[k, MOVES])
    source = np.int64(-1)
    if lay.cause[fired, LAYER] >= 0:
        drawn = np.int64(world.clock[position, DRAWN])
        if lay.cause[fired, DECAYS] != 0:
            source = draw_remembered(lay, world, fired, i, drawn - 1)
        else:
            source = draw_source(lay, tab, world, fired, i, drawn - 1, time)
    # Each event of a count enters the same state, the first of them from the one that is held.
    left = held(lay, world, i, variable)
    for other in range(log[SEEN], log[WRITTEN]):
        if events[other, EVENT_UNIT] == i and events[other, EVENT_VARIABLE] == variable:
            left = place(events[other, EVENT_ENTERED])
    write(times, events, log[WRITTEN], stamp, i, variable, left, lay.transition[k, TO], fired, source)
    log[WRITTEN] += 1
    again = lay.after[k, place(lay.after[k, place(world.state[i])])] >= 0
    world.clock[position, LEFT] = SPENT
    if lay.cause[fired, ROW] < 0:
        world.clock[position, HAZARD] = 0.0
    factor = world.clock[position, FACTOR]
    for c in range(lay.cause.shape[0]):
        other = place(lay.cause[c, TRANSITION])
        if lay.transition[other, MOVES] != variable or (again and other == k):
            continue
        if world.clock[place(c * world.shares.size + i), FACTOR] != 0.0:
            schedule(lay, tab, world, c, i, time, 0.0, 0.0, NONE)
    if again and not schedule(lay, tab, world, fired, i, time, factor, 0.0, NONE):
        return np.int64(fired), np.int64(i)
    return NO_EVENT, NO_EVENT


@inlined
def close(lay, tab, fades, world, log, times, events, edge):
    """End an interval: its events are seen, then what changes at its end. Returns as `change` does."""
    for event in range(log[SEEN], log[WRITTEN]):
        i, variable = place(events[event, EVENT_UNIT]), place(events[event, EVENT_VARIABLE])
        c, bad = move(lay, tab, world, i, variable, place(events[event, EVENT_ENTERED]), edge)
        if bad >= 0:
            return c, bad
    log[SEEN] = log[WRITTEN]
    while log[UPCOMING] < lay.breaks.shape[0] and lay.break_at[WHEN, log[UPCOMING]] <= edge:
        number = log[UPCOMING]
        log[UPCOMING] += 1
        kind = lay.breaks[number, KIND]
        if kind == FORCE:
            c, bad = force(lay, tab, world, log, times, events, number, edge)
        elif kind in (ENTER, EXIT):
            i = place(lay.breaks[number, A])
            c, bad = appear_at(lay, tab, fades, world, i, edge, np.int64(kind == ENTER))
        else:
            c, bad = change(lay, tab, world, number, edge)
        if bad >= 0:
            return c, bad
    return fade(lay, tab, fades, world, edge)


@inner
def run_intervals(lay, tab, fades, world, log, times, events, most, whole):
    """Run a world on until it ends or the room for its events is full; see `simulate.run`.

    Parameters:
        fades: ln 2 / half-life of each cause (C,); tab has it as zero, for within an interval nothing fades.
        whole: whether an event bears the time of its interval's end, and not one drawn within it.

    Returns:
        The time reached.
    """
    end, room = lay.window[1], times.size
    for number in range(lay.breaks.shape[0]):  # these may come at one time, for which there must be room
        if lay.breaks[number, KIND] == FORCE and lay.break_at[VALUE, number] > 0.0:
            room -= 1
    c, bad = NO_EVENT, NO_EVENT
    while True:
        edge = lay.window[0] + log[INTERVAL] + 1.0
        time = next_time(lay, world, world.tree)
        if log[WRITTEN] >= room:
            log[STATUS] = FULL
            return time
        upcoming = log[UPCOMING]
        before = np.inf
        if upcoming < lay.breaks.shape[0]:
            before = lay.break_at[WHEN, upcoming]
            if lay.breaks[upcoming, KIND] == FORCE and before > edge - NEAR:
                before = edge
        if before < edge and before < time:
            time = before
            log[UPCOMING] += 1
            if lay.breaks[upcoming, KIND] == FORCE:
                c, bad = force(lay, tab, world, log, times, events, upcoming, time)
            else:
                c, bad = change(lay, tab, world, upcoming, time)
        elif time <= edge and time <= end:
            if log[WRITTEN] - log[BEGAN] >= most:
                fired, i = first_to_fire(world.tree, world.levels, world.least, world.shares.size, time)
                log[STATUS], log[CAUSE], log[WHO] = ENDLESS, fired, i
                return time
            c, bad = fire(
                lay, tab, world, log, times, events, time, edge if whole else min(time, edge - NEAR)
            )
        else:
            time = edge
            c, bad = close(lay, tab, fades, world, log, times, events, edge)
            if bad < 0:
                log[INTERVAL] += 1
                if edge >= end:
                    log[STATUS] = DONE
                    return time
        if bad >= 0:
            log[STATUS], log[CAUSE], log[WHO] = NOT_FINITE, c, bad
            return time


@entry
def run_worlds_in_intervals(lay, tab, fades, opened, world, seed, first, last, step, most, whole):
    """Simulate the worlds first, first + step, ...; see `simulate_intervals`. A single one may be `opened` itself."""
    size = (last - first + step - 1) // step
    counts = np.zeros(size, dtype=np.int64)
    times = np.empty(1024, dtype=np.float64)
    events = np.empty((1024, 6), dtype=np.int32)
    log = np.zeros(8, dtype=np.int64)
    time = lay.window[0]
    log[CAUSE], log[WHO] = open_window_at(lay, tab, fades, opened)
    if log[WHO] >= 0:
        return (NOT_FINITE, log[CAUSE], log[WHO], time), NO_EVENT, counts, times[:0], events[:0]
    world.stream[:, STREAM] = opened.stream[:, STREAM]
    number = NO_EVENT
    for done in range(size):
        number = np.int64(first + done * step)
        begin(lay, tab, world, opened, combine(seed, np.uint64(number)), size > 1)
        log[BEGAN] = log[SEEN] = log[WRITTEN]
        log[UPCOMING] = log[INTERVAL] = 0
        time = run_intervals(lay, tab, fades, world, log, times, events, most, whole)
        while log[STATUS] == FULL:
            times, events = longer(times, events, done, size)
            time = run_intervals(lay, tab, fades, world, log, times, events, most, whole)
        counts[done] = log[WRITTEN] - log[BEGAN]
        if log[STATUS] != DONE:
            break
    written = log[WRITTEN]
    return (log[STATUS], log[CAUSE], log[WHO], time), number, counts, times[:written], events[:written]


def simulate_intervals(
    lay: Layout, tab: Tables, seed: np.uint64, first: int, last: int, most: int, whole: bool, step: int = 1
) -> tuple[Any, ...]:
    """Simulate the worlds first, first + step, ... below last of an ensemble in grouped time; see
    `simulate.simulate`.

    Parameters:
        whole: whether an event bears the time of its interval's end, and not one drawn within it.
    """
    fades = tab.shape[0].copy()
    steady = tab._replace(shape=np.stack([np.zeros(fades.size), tab.shape[1]]))
    opened = empty_world(lay)
    world = empty_world(lay) if last - first > step else opened
    return tuple(
        run_worlds_in_intervals(lay, steady, fades, opened, world, seed, first, last, step, most, whole)
    )
