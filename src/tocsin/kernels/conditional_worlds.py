"""Worlds given what happened.

`kernels.past` tells what every clock that may have fired at an observed event had spent by then. A world draws
the clock of each event from its share of the hazard; that clock had a target there, and all others have a
fresh exponential left beyond what they had spent at the end. Then the world is run with changes, or without:
an observed event is an instant at which its clock fires if it has just spent what it had spent in fact.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tocsin.kernels.clocks import earliest, winner
from tocsin.kernels.compiled import entry, inlined, inner, place
from tocsin.kernels.conditional_clocks import (
    AIM,
    BASE,
    DRAWN,
    HAPPENED_KEPT,
    HAPPENED_LEFT,
    HAPPENED_MOVE,
    HAPPENED_NUMBER,
    HAPPENED_STATE,
    HAPPENED_UNIT,
    HAPPENED_VARIABLE,
    HAZARD,
    LATER,
    NOTED,
    QUIET,
    SINCE,
    SPENT,
    SPLIT,
    TOGETHER,
    TOLERANCE,
    WAITS,
    WIDTH,
    Past,
    Plan,
    accrue,
    accrue_pair,
    change,
    hazard_then,
    move,
    release_instant,
    schedule,
    schedule_pair,
    whole_exposure,
)
from tocsin.kernels.hazard import HEARD, SENT, TAKEN, draw_among, held
from tocsin.kernels.layout import (
    FORCE,
    KIND,
    LAYER,
    MOVES,
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
from tocsin.kernels.record_clocks import (
    CAUSE as PLACE_CAUSE,
)
from tocsin.kernels.record_clocks import (
    HAZARD_THEN,
    SPENT_THEN,
    cause_of,
    empty_world,
    follow_until,
)
from tocsin.kernels.record_clocks import (
    OBSERVED as PLACE_OBSERVED,
)
from tocsin.kernels.record_clocks import (
    STATUS as PLACE_STATUS,
)
from tocsin.kernels.record_clocks import (
    UPCOMING as PLACE_UPCOMING,
)
from tocsin.kernels.record_clocks import (
    WHO as PLACE_WHO,
)
from tocsin.kernels.simulation import (
    BEGAN,
    CAUSE,
    DONE,
    ENDLESS,
    EVENT_CAUSE,
    EVENT_UNIT,
    FORCED_CAUSE,
    FULL,
    NOT_FINITE,
    STATUS,
    UPCOMING,
    WHO,
    WRITTEN,
    copy,
    longer,
    write,
)
from tocsin.kernels.streams import SOURCE_STREAM, combine, threshold, uniform

OBSERVED, NEXT_BASE = 6, 7  # of the log of a run, beside what `events` names

NONE = np.int64(-1)


@inlined
def draw_targets(plan, past, run, opened, known, fresh):
    """Copy the clocks of the opened world, with the targets of this one; draw those of the observed events.

    Parameters:
        known: how many observed events have happened already.
    """
    key = run.key[0]
    for slot in range(plan.pair.size):  # keys in a row are drawn for eight at a time
        run.drawn[slot] = threshold(key, plan.stream[slot], 0)
    if not fresh:
        for slot in range(plan.pair.size):
            run.drawn[slot] += past.last[slot]
    for slot in range(plan.pair.size):
        for field in range(WIDTH):
            run.clock[slot, field] = opened.clock[slot, field]
        run.clock[slot, AIM] = run.drawn[slot]
        run.head[slot] = -1
    for each in range(past.time.size - 1, -1, -1):
        x = place(each)
        if past.event[x, HAPPENED_MOVE] < 0:
            continue
        chosen = place(cause_of(past, key, x))
        run.chosen[x] = chosen
        if past.clock[chosen] < 0 or fresh:
            continue
        slot = place(past.clock[chosen])
        if x >= known:
            run.chain[x] = run.head[slot]
            run.head[slot] = x
            run.clock[slot, AIM] = past.amount[SPENT_THEN, chosen]
            run.clock[slot, WAITS] = past.time[x]
        else:
            number = np.int64(run.clock[slot, DRAWN])
            run.clock[slot, DRAWN] += 1.0
            if run.head[slot] < 0:
                run.clock[slot, AIM] = past.last[slot] + threshold(key, plan.stream[slot], number)


@inlined
def list_running_clocks(run, opened, fresh, apart):
    """Make the opened world ready to be copied; return how many of its clocks run, which `run.live` names.

    Parameters: see `begin`.
    """
    found = 0
    for slot in range(opened.clock.shape[0]):
        if opened.clock[slot, HAZARD] > 0.0:
            run.live[found] = slot
            found += 1
        if fresh:  # clocks spend what their hazards exceed those of the observed world by
            opened.clock[slot, SPENT] = 0.0
            if apart:
                opened.clock[slot, BASE] = opened.clock[slot, HAZARD]
    return found


@inner
def begin_world(lay, tab, run, opened, plan, past, known, key, fresh, live):
    """Make `run` a copy of the opened world, with targets of its own.

    Parameters:
        known: how many observed events have happened there.
        fresh: whether clocks take up chance of their own where this world parts from the observed one;
        live: how many of its clocks have a hazard.
    """
    run.key[0] = key
    run.flag[QUIET], run.flag[TOGETHER], run.flag[LATER] = 0, np.int64(fresh), 0
    copy(run.state, opened.state)
    copy(run.present, opened.present)
    copy(run.factor, opened.factor)
    copy(run.heard, opened.heard)
    copy(run.exposure, opened.exposure)
    copy(run.sources, opened.sources)
    for variable in range(run.since.shape[0]):
        copy(run.since[variable], opened.since[variable])
    for pair in range(run.aged.shape[0]):
        copy(run.aged[pair], opened.aged[pair])
    for c in range(lay.cause.shape[0]):
        if lay.cause[c, LAYER] >= 0:
            copy(run.memory[SENT, c], opened.memory[SENT, c])
            copy(run.memory[HEARD, c], opened.memory[HEARD, c])
            if run.memory.shape[0] > TAKEN:
                copy(run.memory[TAKEN, c], opened.memory[TAKEN, c])
    for h in range(lay.inner.shape[0]):
        for field in range(run.inner.shape[0]):
            copy(run.inner[field, h], opened.inner[field, h])
    if lay.breaks.shape[0] > 0:
        copy(run.weight, opened.weight)
        for d in range(run.piece.shape[0]):
            copy(run.piece[d], opened.piece[d])
        for number in range(run.totals.shape[0]):
            copy(run.totals[number], opened.totals[number])
    for position in range(run.tree.size):
        run.tree[position] = np.inf
    draw_targets(plan, past, run, opened, known, fresh)
    units = lay.state.size
    for number in range(live):
        slot = place(run.live[number])
        pair, time = place(plan.pair[slot]), run.clock[slot, SINCE]
        whole = whole_exposure(tab, run, plan, pair // units, pair, slot)
        schedule(lay, tab, run, past, pair // units, pair, slot, time, whole)


@inlined
def advance(run, plan, past, slot):
    """Give a clock that has just fired its next target."""
    slot = place(slot)
    clock = run.clock[slot]
    clock[SPENT] = clock[AIM]
    number = np.int64(clock[DRAWN])  # of its targets so far
    clock[DRAWN] += 1.0
    if run.head[slot] >= 0:
        after = run.chain[place(run.head[slot])]
        run.head[slot] = after
        if after >= 0:
            x = place(after)
            clock[AIM], clock[WAITS] = past.amount[SPENT_THEN, place(run.chosen[x])], past.time[x]
            return
        clock[AIM], clock[WAITS] = past.last[slot], -np.inf  # what it had spent at the end, and a fresh draw
    clock[AIM] += threshold(run.key[0], plan.stream[slot], number)


@inlined
def observed_event_stays(lay, tab, run, plan, past, x, time):
    """Return whether observed event x happens in this world at its instant."""
    if past.event[x, HAPPENED_MOVE] < 0:
        return past.event[x, HAPPENED_KEPT] > 0 and run.present[place(past.event[x, HAPPENED_UNIT])] > 0
    chosen = place(run.chosen[x])
    if past.clock[chosen] < 0:
        return False
    slot, c = place(past.clock[chosen]), place(past.cause[chosen])
    pair = place(plan.pair[slot])
    if run.factor[pair] == 0.0:
        return False
    accrue_pair(lay, tab, run, plan, c, pair, time)
    whole = whole_exposure(tab, run, plan, c, pair, slot)
    hazard = hazard_then(lay, tab, run, c, pair, run.exposure[slot], whole, time)
    if run.flag[TOGETHER] != 0:
        # Both worlds have the event where the lower of the two hazards does.
        then = past.amount[HAZARD_THEN, chosen]
        draw = uniform(run.key[0], past.stream[x], 2 * np.int64(past.event[x, HAPPENED_NUMBER]) + 1)
        return hazard >= then * (1.0 - TOLERANCE) or draw * then < hazard
    left = run.clock[slot, AIM] - run.clock[slot, SPENT]
    return run.head[slot] == x and hazard > 0.0 and left <= TOLERANCE * (1.0 + run.clock[slot, AIM])


@inner
def release_from_record(lay, tab, run, plan, past, time):
    """Part from the observed world: from now on no clock is held by what happened there."""
    run.flag[TOGETHER] = 0  # from now on `aim` takes nothing off
    for c in range(lay.cause.shape[0]):
        for i in range(lay.state.size):
            pair = place(c * lay.state.size + i)
            if run.factor[pair] == 0.0:
                accrue_pair(lay, tab, run, plan, c, pair, time)
            elif not schedule_pair(lay, tab, run, plan, past, c, pair, time):
                return c, i
    return NONE, NONE


@inlined
def reschedule(lay, tab, run, plan, past, c, pair, slot, time):
    """Aim a clock again, with the others of its pair where they share a response. False: not finite."""
    if tab.shape[1, c] == 1.0:
        return schedule(lay, tab, run, past, c, pair, slot, time, run.exposure[place(slot)])
    return schedule_pair(lay, tab, run, plan, past, c, pair, time)


@inlined
def draw_source(lay, tab, run, plan, c, i, slot, time):
    """Draw the source of an event in proportion to what each sends, from a stream of its own."""
    if lay.cause[c, LAYER] < 0:
        return NONE
    if run.flag[SPLIT] != 0:
        return np.int64(plan.source[slot])
    number = np.int64(run.clock[slot, DRAWN]) - 1
    wanted = uniform(run.key[0], combine(plan.stream[slot], SOURCE_STREAM), number)
    wanted *= run.exposure[slot]
    return draw_among(lay, tab, run, c, i, wanted, time)


@inlined
def record_event(log, times, events, time, i, variable, left, state, cause, source):
    """Write an event down after those before it."""
    write(times, events, log[WRITTEN], time, i, variable, left, state, cause, source)
    log[WRITTEN] += 1


@inlined
def apply_observed_instant(lay, tab, run, plan, past, log, times, events, time):
    """Live through an instant at which something was observed; units do not see each other's events.

    Returns (-1, -1), or cause and unit of a wrong hazard.
    """
    x = log[OBSERVED]
    fresh = run.flag[TOGETHER] != 0
    parted = False
    bad_cause, bad = NONE, NONE
    while x < past.time.size and past.time[x] == time and bad < 0:
        x = place(x)
        i, variable = place(past.event[x, HAPPENED_UNIT]), place(past.event[x, HAPPENED_VARIABLE])
        state = place(past.event[x, HAPPENED_STATE])
        if not observed_event_stays(lay, tab, run, plan, past, x, time):
            parted = True
        elif past.event[x, HAPPENED_MOVE] < 0:
            bad_cause, bad = move(lay, tab, run, plan, past, i, variable, state, time, True)
        else:
            chosen = place(run.chosen[x])
            slot, c = place(past.clock[chosen]), place(past.cause[chosen])
            left = held(lay, run, i, variable)
            record_event(log, times, events, time, i, variable, left, state, c, past.source[chosen])
            if not fresh:
                advance(run, plan, past, slot)
            bad_cause, bad = move(lay, tab, run, plan, past, i, variable, state, time, True)
            pair = place(plan.pair[slot])
            if (
                bad < 0
                and run.factor[pair] != 0.0
                and not reschedule(lay, tab, run, plan, past, c, pair, slot, time)
            ):
                bad_cause, bad = c, i
        x += 1
    log[OBSERVED] = x
    if bad < 0:
        bad_cause, bad = release_instant(lay, tab, run, plan, past, time)
    if bad < 0 and parted and fresh:
        bad_cause, bad = release_from_record(lay, tab, run, plan, past, time)
    return bad_cause, bad


@inlined
def apply_forced_event(lay, tab, run, plan, past, log, times, events, number, time):
    """Apply a break that is an event. Returns (-1, -1), or cause and unit of a wrong hazard."""
    i, variable, state = lay.breaks[number, A], lay.breaks[number, B], lay.breaks[number, C]
    shown = lay.break_at[VALUE, number] > 0.0
    left = held(lay, run, i, variable)
    bad_cause, bad = NONE, NONE
    if run.present[i] == 0 or (shown and left == state):
        return bad_cause, bad
    if shown:
        record_event(log, times, events, time, i, variable, left, state, FORCED_CAUSE, NONE)
    if run.flag[TOGETHER] != 0:
        bad_cause, bad = release_from_record(lay, tab, run, plan, past, time)
    if bad < 0:
        bad_cause, bad = move(lay, tab, run, plan, past, i, variable, state, time, False)
    return bad_cause, bad


@inlined
def apply_fired_clock(lay, tab, run, plan, past, log, times, events, slot, time):
    """Let a clock fire that no observed event held. Returns (-1, -1), or cause and unit of a wrong hazard."""
    slot = place(slot)
    pair = place(plan.pair[slot])
    c = place(pair // lay.state.size)
    i, k = place(pair - c * lay.state.size), place(lay.cause[c, TRANSITION])
    variable, state = place(lay.transition[k, MOVES]), place(lay.transition[k, TO])
    accrue(lay, tab, run, c, pair, slot, time)
    source = draw_source(lay, tab, run, plan, c, i, slot, time)
    record_event(log, times, events, time, i, variable, held(lay, run, i, variable), state, c, source)
    advance(run, plan, past, slot)
    run.clock[slot, HAZARD] = 0.0
    bad_cause, bad = NONE, NONE
    if run.flag[TOGETHER] != 0:
        bad_cause, bad = release_from_record(lay, tab, run, plan, past, time)
    if bad < 0:
        bad_cause, bad = move(lay, tab, run, plan, past, i, variable, state, time, False)
    if bad < 0 and run.factor[pair] != 0.0 and not reschedule(lay, tab, run, plan, past, c, pair, slot, time):
        bad_cause, bad = c, i
    return bad_cause, bad


@inner
def run_to_end(lay, tab, run, plan, past, log, times, events, most, crowd):
    """Run a world on until it ends or the room for its events is full.

    Parameters:
        most: bound on the events of one world; crowd: most observed events at one instant.

    Returns:
        The time reached.
    """
    breaks, end = lay.breaks.shape[0], lay.window[1]
    time = end
    while True:
        clock = winner(run.tree, run.levels)
        if log[WRITTEN] + crowd >= times.size:
            log[STATUS] = FULL
            break
        if log[WRITTEN] - log[BEGAN] > most:
            log[STATUS], log[CAUSE] = ENDLESS, events[log[WRITTEN] - 1, EVENT_CAUSE]
            log[WHO] = events[log[WRITTEN] - 1, EVENT_UNIT]
            break
        b, x, h = log[UPCOMING], log[OBSERVED], log[NEXT_BASE]
        observed = past.time[x] if x < past.time.size else np.inf
        given = lay.break_at[WHEN, b] if b < breaks else np.inf
        base = past.base_at[0, h] if run.flag[TOGETHER] != 0 and h < past.base.size else np.inf
        if observed <= min(clock, min(given, base)) and observed <= end:
            time = observed
            c, bad = apply_observed_instant(lay, tab, run, plan, past, log, times, events, time)
        elif given <= base and given < clock:
            time = given
            log[UPCOMING] += 1
            if lay.breaks[b, KIND] == FORCE:
                c, bad = apply_forced_event(lay, tab, run, plan, past, log, times, events, b, time)
            else:
                c, bad = change(lay, tab, run, plan, past, b, time)
        elif base < clock:
            time = base
            log[NEXT_BASE] += 1
            c, bad = NONE, NONE
            if past.base[h] >= 0:
                slot = place(past.base[h])
                pair = place(plan.pair[slot])
                c = pair // lay.state.size
                accrue(lay, tab, run, c, pair, slot, time)
                run.clock[slot, BASE] = past.base_at[1, h]
                if run.factor[pair] != 0.0 and not reschedule(lay, tab, run, plan, past, c, pair, slot, time):
                    bad = pair % lay.state.size
        else:
            time = clock
            if not time <= end:
                log[STATUS] = DONE
                break
            slot = earliest(run.tree, run.levels)
            c, bad = apply_fired_clock(lay, tab, run, plan, past, log, times, events, slot, time)
        if bad >= 0:
            log[STATUS], log[CAUSE], log[WHO] = NOT_FINITE, c, bad
            break
    return time


@inner
def record_known_events(run, past, log, times, events, known):
    """Write down the first `known` observed events, which happened as they did."""
    for x in range(known):
        if past.event[x, HAPPENED_MOVE] >= 0:
            chosen = cause_of(past, run.key[0], x)
            i, variable = np.int64(past.event[x, HAPPENED_UNIT]), np.int64(past.event[x, HAPPENED_VARIABLE])
            left, state = np.int64(past.event[x, HAPPENED_LEFT]), np.int64(past.event[x, HAPPENED_STATE])
            cause, source = np.int64(past.cause[chosen]), np.int64(past.source[chosen])
            record_event(log, times, events, past.time[x], i, variable, left, state, cause, source)


@entry
def run_given(lay, tab, opened, run, plan, past, seed, bounds, start, fresh, crowd):
    """Simulate worlds; see `simulate_given`."""
    first, last, step, most = bounds
    size = (last - first + step - 1) // step
    counts = np.zeros(size, dtype=np.int64)
    room = 1024 + past.time.size + 2 * crowd
    times, events = np.empty(room, dtype=np.float64), np.empty((room, 6), dtype=np.int32)
    log, place = np.zeros(8, dtype=np.int64), np.zeros(5, dtype=np.int64)
    opened.flag[NOTED] = past.base.size  # there is nothing to note
    never = start > lay.window[1]  # nothing is ever different
    known, noted, live, time = past.time.size, np.int64(0), np.int64(0), lay.window[1]
    apart = start > lay.window[0]
    if not never:
        time = follow_until(lay, tab, opened, plan, past, start, False, place)
        if place[PLACE_STATUS] != DONE:
            return (
                (NOT_FINITE, place[PLACE_CAUSE], place[PLACE_WHO], time),
                NONE,
                counts,
                times[:0],
                events[:0],
            )
        known = place[PLACE_OBSERVED]
        live = list_running_clocks(run, opened, fresh, apart)
    while apart and noted < past.base.size and past.base_at[0, noted] < start:
        noted += 1
    number = NONE
    for done in range(size):
        number = np.int64(first + done * step)
        if log[WRITTEN] + past.time.size + crowd >= times.size:
            times, events = longer(times, events, done, size)
        log[BEGAN], log[UPCOMING] = log[WRITTEN], place[PLACE_UPCOMING]
        log[OBSERVED], log[NEXT_BASE], log[STATUS] = known, noted, FULL
        run.key[0] = combine(seed, np.uint64(number))
        record_known_events(run, past, log, times, events, known)
        if never:
            log[STATUS] = DONE
        else:
            begin_world(lay, tab, run, opened, plan, past, known, run.key[0], fresh, live)
        while log[STATUS] == FULL:
            if log[WRITTEN] + crowd >= times.size:
                times, events = longer(times, events, done, size)
            time = run_to_end(lay, tab, run, plan, past, log, times, events, most, crowd)
        counts[done] = log[WRITTEN] - log[BEGAN]
        if log[STATUS] != DONE:
            break
    written = log[WRITTEN]
    return (log[STATUS], log[CAUSE], log[WHO], time), number, counts, times[:written], events[:written]


def simulate_given(
    lay: Layout,
    tab: Tables,
    plan: Plan,
    past: Past,
    seed: np.uint64,
    bounds: tuple[int, int, int, int],
    modes: tuple[float, bool, bool, int],
) -> tuple[Any, ...]:
    """Simulate worlds given what happened.

    Parameters:
        lay, tab, plan: the program as it is changed, its Tables and its clocks.
        past: what happened, with the clocks of `plan`.
        seed: 64-bit seed of the ensemble.
        bounds: number of the first world, one beyond the last, the step between them, and the bound on the
            events of one world.
        modes: the time before which no hazard differs from what it was (infinite where none ever does);
            whether each source has clocks of its own; whether chance is fresh from where a world parts from
            the observed one; and the most observed events at one instant.

    Returns:
        As `kernels.simulate.simulate`.
    """
    start, split, fresh, crowd = modes
    opened, run = (empty_world(lay, plan, past, split, crowd) for _ in range(2))
    return tuple(run_given(lay, tab, opened, run, plan, past, seed, bounds, start, fresh, crowd))
