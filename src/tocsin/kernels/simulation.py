"""Many worlds of one program, from the start of the window to its end."""

from __future__ import annotations

from typing import Any

import numpy as np

from tocsin.kernels.clocks import (
    DRAWN,
    EXPOSURE,
    FACTOR,
    HAZARD,
    LEFT,
    SINCE,
    SOURCES,
    SPENT,
    STREAM,
    empty_world,
    finish,
    first_to_fire,
    next_time,
    set_aside,
)
from tocsin.kernels.compiled import allocating, entry, inlined, inner, place
from tocsin.kernels.dense_clocks import begin_row
from tocsin.kernels.hazard import (
    HEARD,
    SENT,
    apply_break,
    brought_memory,
    enter_state,
    held,
    restate,
    sent,
    take_memory,
)
from tocsin.kernels.layout import (
    DECAYS,
    ENTER,
    EXIT,
    FORCE,
    IN,
    KIND,
    LAYER,
    LEAD,
    MOVES,
    OF_LAYER,
    OUT,
    PIECE,
    RETURN,
    ROW,
    SOURCE_DESIGNS,
    SOURCES_HEAR,
    TARGETS_HEAR,
    TIE,
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
from tocsin.kernels.sparse_clocks import (
    MANY,
    change_inner,
    draw_source,
    schedule,
    send_change,
    send_inner,
    update_factor,
    update_source,
    wait,
)
from tocsin.kernels.streams import bits_of, combine, double_of, threshold

NONE, ONE, NO_EVENT = np.int64(0), np.int64(1), np.int64(-1)


@inner
def open_window(lay, tab, opened):
    """Give every clock the key of its stream, and let all units appear that are present at the start."""
    units = lay.state.size
    for c in range(lay.cause.shape[0]):
        for i in range(units):
            opened.stream[c * opened.shares.size + i, STREAM] = combine(lay.unit_key[i], lay.cause_key[c])
    for i in range(units):
        if lay.presence[0, i] <= lay.window[0] < lay.presence[1, i]:
            c, bad = appear(lay, tab, opened, i, lay.window[0], ONE)
            if bad >= 0:
                return c, bad
    return NO_EVENT, NO_EVENT


@inner
def appear(lay, tab, world, i, time, present):
    """Let a unit enter or leave: its own risk, and what it sends. Returns (-1, -1), or cause and unit."""
    world.present[i] = present
    for c in range(lay.cause.shape[0]):
        if not update_factor(lay, tab, world, c, i, time):
            return c, i
        if lay.cause[c, LAYER] < 0:
            continue
        if lay.cause[c, DECAYS] != 0 and present > 0:
            memory = brought_memory(lay, tab, tab.shape[0, c], world, c, i, time)
            if not memory < np.inf:
                return c, i
            world.memory[SENT, c, i] = memory
            world.memory[HEARD, c, i] = time
            bad = send_change(lay, tab, world, c, i, time, memory, ONE) if memory > 0.0 else -1
        else:
            take_memory(lay, tab, world, c, i, time)
            bad = update_source(lay, tab, world, c, i, time, np.int64(world.state[i]), NO_EVENT)
        if bad >= 0:
            return c + bad // world.shares.size, bad % world.shares.size
    return send_inner(lay, tab, world, i, time)


@allocating
def begin(lay, tab, world, opened, key, fresh):
    """Make `world` a copy of the opened one (if `fresh`), with thresholds of its own."""
    world.key[0] = key
    if fresh:
        for i in range(lay.state.size):
            world.state[i] = opened.state[i]
            world.present[i] = opened.present[i]
        if lay.breaks.shape[0] > 0:
            world.piece[:] = opened.piece
            world.weight[:] = opened.weight
            world.dense[:] = opened.dense
            world.totals[:] = opened.totals
        for c in range(lay.cause.shape[0]):
            copy(world.memory[SENT, c], opened.memory[SENT, c])
            copy(world.memory[HEARD, c], opened.memory[HEARD, c])
        if lay.inner.shape[0] > 0:
            world.inner[:] = opened.inner
        if world.since.size > 0:
            world.since[:] = opened.since
            world.aged[:] = opened.aged
        world.quietest[:] = opened.quietest
        world.peak[:] = opened.peak
        copy_clocks(world.tree, world.clock, opened.clock)
    for c in range(lay.cause.shape[0]):
        if lay.cause[c, ROW] >= 0:
            begin_row(lay, world, world.tree, c, lay.window[0])
        else:
            begin_clocks(lay, tab, world, world.tree, c)
    finish(world.tree, world.levels)


@inlined
def copy(to, origin):
    """Copy numbers that stand in a row."""
    for i in range(to.size):
        to[i] = origin[i]


@inlined
def copy_clocks(tree, clock, opened):
    """Copy the clocks but for what a world draws itself, field by field where fields are contiguous."""
    if tree.ndim == 1:
        for position in range(clock.shape[0]):
            for field in range(STREAM):
                clock[position, field] = opened[position, field]
    else:
        for field in (SINCE, HAZARD, EXPOSURE, FACTOR, SOURCES):
            for position in range(clock.shape[0]):
                clock[position, field] = opened[position, field]


@inlined
def begin_clocks(lay, tab, world, tree, c):
    """Give the clocks of one cause the first thresholds of a world: all in rows, else those at risk."""
    room, time = world.shares.size, lay.window[0]
    rate = tab.shape[0, c] * tab.shape[1, c]
    first = c * room
    left = world.clock[first : first + room, LEFT]
    drawn = world.clock[first : first + room, DRAWN]
    stream = world.stream[first : first + room, STREAM]
    factor = world.clock[first : first + room, FACTOR]
    if tree.ndim == 1:
        # Keys that stand in a row are drawn for eight at a time, so that it pays to draw for clocks not at risk.
        for i in range(room):
            world.shares[i] = double_of(stream[i])
        for i in range(room):
            world.shares[i] = threshold(world.key[0], bits_of(world.shares[i]), 0)
        for i in range(room):
            left[i], drawn[i] = SPENT, 0.0
            if factor[i] != 0.0:
                left[i], drawn[i] = world.shares[i], 1.0
    else:
        for i in range(room):
            left[i] = threshold(world.key[0], stream[i], 0)
        for i in range(room):
            drawn[i] = 1.0
    for i in range(room):
        hazard, fires = world.clock[first + i, HAZARD], np.inf
        if hazard > 0.0:
            fires = time + wait(lay, tab, world, c, place(first + i), time, left[i], hazard, rate)
        set_aside(tree, world.least, c, i, room, fires)


@inlined
def change(lay, tab, world, number, time):
    """Apply one break that is not an event. Returns (-1, -1), or cause and unit of a wrong hazard."""
    kind, a, b = lay.breaks[number, KIND], place(lay.breaks[number, A]), place(lay.breaks[number, B])
    if kind in (ENTER, EXIT):
        return appear(lay, tab, world, a, time, np.int64(kind == ENTER))
    if kind == RETURN:
        restate(lay, world, number)
        if world.since.size > 0:
            world.since[b, a] = time
        return np.int64(-1), np.int64(-1)
    listener, group, old, new = apply_break(lay, world, number)
    if kind == TIE and lay.dense_of[group] >= 0:
        first = place(lay.dense_of[group] * world.shares.size)
        world.dense[OUT, a, place(first + b)] = new
        world.dense[IN, b, place(first + a)] = new
    for position in range(lay.listen_first[listener, group], lay.listen_first[listener, group + 1]):
        c = place(lay.listen[position])
        if listener == OF_LAYER:
            memory = sent(tab, world.memory, place(lay.cause[c, LEAD]), a, time)
            if memory > 0.0 and new != old:
                factor, sources = (
                    world.clock[c * world.shares.size + b, FACTOR],
                    np.int64(new > 0.0) - np.int64(old > 0.0),
                )
                if not schedule(lay, tab, world, c, b, time, factor, (new - old) * memory, sources):
                    return c, b
        elif not update_factor(lay, tab, world, c, b, time):
            return c, b
    if kind == PIECE:
        for position in range(lay.listen_first[SOURCE_DESIGNS, a], lay.listen_first[SOURCE_DESIGNS, a + 1]):
            c = place(lay.listen[position])
            bad = update_source(lay, tab, world, c, b, time, np.int64(world.state[b]), NO_EVENT)
            if bad >= 0:
                return c + bad // world.shares.size, bad % world.shares.size
    return change_inner(lay, tab, world, kind, a, b, group, old, new, time)


@inlined
def move(lay, tab, world, i, variable, state, time):
    """Move one variable of a unit, and tell every clock that listens. Returns (-1, -1), or cause and unit."""
    old = enter_state(lay, world, i, variable, state)
    if world.since.size > 0:
        world.since[variable, i] = time
    for position in range(
        lay.listen_first[TARGETS_HEAR, variable], lay.listen_first[TARGETS_HEAR, variable + 1]
    ):
        c = place(lay.listen[place(position)])
        if not update_factor(lay, tab, world, c, i, time):
            return c, i
    for position in range(
        lay.listen_first[SOURCES_HEAR, variable], lay.listen_first[SOURCES_HEAR, variable + 1]
    ):
        c = place(lay.listen[place(position)])
        bad = update_source(lay, tab, world, c, i, time, old, variable)
        if bad >= 0:
            return c + bad // world.shares.size, bad % world.shares.size
    return send_inner(lay, tab, world, i, time)


@inner
def run(lay, tab, world, log, times, events, most):
    """Run a world on until it ends or the room for its events is full.

    Parameters:
        log: events written, events when this world began, next break, status, cause, unit; kept up to date.
        times, events: room for events.
        most: bound on the events of one world.

    Returns:
        The time reached.
    """
    units, breaks, end = lay.state.size, lay.breaks.shape[0], lay.window[1]
    event, upcoming = log[WRITTEN], log[UPCOMING]
    time = end
    while True:
        time = next_time(lay, world, world.tree)
        position = NONE
        drawn = NONE
        if event == times.size:
            log[STATUS] = FULL
            break
        if upcoming < breaks and lay.break_at[WHEN, upcoming] < time:
            time = lay.break_at[WHEN, upcoming]
            upcoming += 1
            if lay.breaks[upcoming - 1, KIND] != FORCE:
                c, bad = change(lay, tab, world, upcoming - 1, time)
                if bad >= 0:
                    log[STATUS], log[CAUSE], log[WHO] = NOT_FINITE, c, bad
                    break
                continue
            i, variable = lay.breaks[upcoming - 1, A], lay.breaks[upcoming - 1, B]
            state = lay.breaks[upcoming - 1, C]
            shown = lay.break_at[VALUE, upcoming - 1] > 0.0
            left = held(lay, world, i, variable)
            if world.present[i] == 0 or (shown and left == state):
                continue
            fired, source = np.int64(FORCED_CAUSE), np.int64(-1)
        else:
            if not time <= end:
                log[STATUS] = DONE
                break
            fired, i = first_to_fire(world.tree, world.levels, world.least, world.shares.size, time)
            fired, i = place(fired), place(i)
            position = place(fired * world.shares.size + i)
            if units > MANY:  # far memory is read side by side, before anything waits for it
                ahead = 0.0
                for c in range(lay.cause.shape[0]):
                    ahead += world.clock[c * world.shares.size + i, FACTOR] + world.memory[SENT, c, i]
                for layer in range(lay.tie_first.shape[1]):
                    ahead += lay.tie_first[0, layer, i] + lay.tie_first[1, layer, i]
                if ahead < 0.0:
                    break
            k = place(lay.cause[fired, TRANSITION])
            variable, state, shown = place(lay.transition[k, MOVES]), place(lay.transition[k, TO]), True
            left = held(lay, world, i, variable)
            drawn = np.int64(world.clock[position, DRAWN])
            source = np.int64(-1)
            if lay.cause[fired, LAYER] >= 0:
                source = draw_source(lay, tab, world, fired, i, drawn - 1, time)
        if shown:
            if event - log[BEGAN] >= most:
                log[STATUS], log[CAUSE], log[WHO] = ENDLESS, fired, i
                break
            write(times, events, event, time, i, variable, left, state, fired, source)
            event += 1
        if drawn > 0:
            # The clock that fired has spent its threshold; the next is drawn when it is needed.
            world.clock[position, LEFT] = SPENT
            if lay.cause[fired, ROW] < 0:
                world.clock[position, HAZARD] = 0.0
        c, bad = move(lay, tab, world, i, variable, state, time)
        if bad < 0 and drawn > 0 and world.clock[position, FACTOR] != 0.0:
            factor = world.clock[position, FACTOR]
            if not schedule(lay, tab, world, fired, i, time, factor, 0.0, NONE):
                c, bad = fired, i
        if bad >= 0:
            log[STATUS], log[CAUSE], log[WHO] = NOT_FINITE, c, bad
            break
    log[WRITTEN], log[UPCOMING] = event, upcoming
    return time


@entry
def run_worlds(lay, tab, opened, world, seed, first, last, step, most):
    """Simulate the worlds first, first + step, ...; see `simulate`. A single world may be `opened` itself."""
    size = (last - first + step - 1) // step
    counts = np.zeros(size, dtype=np.int64)
    # Room costs nothing until it is written to.
    most_often = max(1024, 2 * lay.state.size) if size == 1 else 1024
    times = np.empty(most_often, dtype=np.float64)
    events = np.empty((most_often, 6), dtype=np.int32)
    log = np.zeros(6, dtype=np.int64)
    time = lay.window[0]
    log[CAUSE], log[WHO] = open_window(lay, tab, opened)
    if log[WHO] >= 0:
        return (NOT_FINITE, log[CAUSE], log[WHO], time), NO_EVENT, counts, times[:0], events[:0]
    world.stream[:, STREAM] = opened.stream[:, STREAM]
    number = NO_EVENT
    for done in range(size):
        number = np.int64(first + done * step)
        begin(lay, tab, world, opened, combine(seed, np.uint64(number)), size > 1)
        log[BEGAN], log[UPCOMING], log[STATUS] = log[WRITTEN], 0, FULL
        while log[STATUS] == FULL:
            if log[WRITTEN] == times.size:
                times, events = longer(times, events, done, size)
            time = run(lay, tab, world, log, times, events, most)
        counts[done] = log[WRITTEN] - log[BEGAN]
        if log[STATUS] != DONE:
            break
    written = log[WRITTEN]
    return (log[STATUS], log[CAUSE], log[WHO], time), number, counts, times[:written], events[:written]


def simulate(
    lay: Layout, tab: Tables, seed: np.uint64, first: int, last: int, most: int, step: int = 1
) -> tuple[Any, ...]:
    """Simulate the worlds first, first + step, ... below last of an ensemble, as far as the first that fails.

    Parameters:
        lay, tab: the program's Layout and Tables.
        seed: 64-bit seed of the ensemble.
        first, last, step: numbers of the worlds.
        most: bound on the events of one world.

    Returns:
        Status, and the cause, unit and time where it failed; the world that it failed in (-1: all of them, as
        they open); events per world; times of all events; and for
        every event (events, 6) its unit, variable, state left, state entered, cause (-1 where forced) and
        source (-1 for none).
    """
    opened = empty_world(lay)
    world = empty_world(lay) if last - first > step else opened
    return tuple(run_worlds(lay, tab, opened, world, seed, first, last, step, most))


# --- The events of worlds as kernels write them down, and how a run ends

DONE, NOT_FINITE, ENDLESS, FULL = 0, 1, 2, 3

WRITTEN, BEGAN, UPCOMING, STATUS, CAUSE, WHO = range(6)  # of the log of a run

FORCED_CAUSE = -1  # the cause of an event that an intervention forces

EVENT_UNIT, EVENT_VARIABLE, EVENT_LEFT, EVENT_ENTERED, EVENT_CAUSE, EVENT_SOURCE = range(6)


@inlined
def write(times, events, event, time, i, variable, left, state, cause, source):
    """Write an event down, in place `event`."""
    times[event] = time
    events[event, EVENT_UNIT], events[event, EVENT_VARIABLE] = i, variable
    events[event, EVENT_LEFT], events[event, EVENT_ENTERED] = left, state
    events[event, EVENT_CAUSE], events[event, EVENT_SOURCE] = cause, source


@allocating
def longer(times, events, done, worlds):
    """Return at least twice the room for events, or what all worlds will need if they are like those done."""
    size = times.size
    wanted = 2 * size
    if done > 0:
        wanted = max(wanted, size * worlds // done + size * worlds // (16 * done))
    more, wider = np.empty(wanted), np.empty((wanted, 6), dtype=np.int32)
    more[:size], wider[:size] = times, events
    return more, wider
