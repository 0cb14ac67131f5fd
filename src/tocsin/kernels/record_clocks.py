"""What happened, read as clocks: what each had spent at every observed event, and which may have fired."""

from __future__ import annotations

import numpy as np

from tocsin.kernels.clocks import level_offsets, memory_rows, on_lines
from tocsin.kernels.compiled import entry, inlined, inner
from tocsin.kernels.conditional_clocks import (
    DRAWN,
    HAPPENED_MOVE,
    HAPPENED_NUMBER,
    HAPPENED_STATE,
    HAPPENED_UNIT,
    HAPPENED_VARIABLE,
    NOTED,
    SINCE,
    SPENT,
    WAITS,
    WIDTH,
    Past,
    Plan,
    Run,
    accrue,
    accrue_pair,
    change,
    hazard_then,
    move,
    open_window,
    release_instant,
    whole_exposure,
)
from tocsin.kernels.layout import LAYER, TRANSITION, WHEN, Layout, Tables
from tocsin.kernels.streams import combine, uniform

DONE, NOT_FINITE, UNEXPLAINED = 0, 1, 2

OBSERVED, UPCOMING, STATUS, CAUSE, WHO = range(5)  # of the place in what happened

SUMMED, SPENT_THEN, HAZARD_THEN = 0, 1, 2  # rows of `amount`


def empty_world(lay: Layout, plan: Plan, past: Past, split: bool, most: int) -> Run:
    """Return a world with room for its clocks, with nobody present.

    Parameters:
        split: whether each source has clocks of its own; most: most observed events at one instant.
    """
    units, causes, slots = lay.state.size, lay.cause.shape[0], plan.pair.size
    levels = level_offsets(max(slots, 1))
    clock = on_lines(slots * WIDTH).reshape(slots, WIDTH)
    tree = on_lines(int(levels[-1]))
    tree[:] = np.inf
    clock[:, SINCE], clock[:, WAITS] = lay.window[0], -np.inf
    clock[:, DRAWN] = 1.0
    room = max(1, most) * max(1, causes + lay.inner.shape[0])
    return Run(
        np.zeros(1, dtype=np.uint64),
        np.array([1, 0, 0, int(split), 0], dtype=np.int64),
        lay.state.copy(),
        np.zeros(units, dtype=np.uint8),
        lay.offset.copy(),
        lay.weight.copy(),
        lay.totals.copy(),
        np.zeros((memory_rows(lay), causes, units)),
        np.zeros((3, lay.inner.shape[0], units)),
        np.zeros(causes * units),
        np.repeat((lay.cause[:, LAYER] < 0).astype(np.int32), units),
        np.zeros(slots),
        np.zeros(slots, dtype=np.int32),
        clock,
        np.full(slots, -1, dtype=np.int32),
        np.full(past.time.size, -1, dtype=np.int32),
        np.full(past.time.size, -1, dtype=np.int32),
        np.zeros(slots),
        np.zeros(slots, dtype=np.int32),
        tree,
        levels,
        np.zeros((room, 3), dtype=np.int64),
        np.zeros((room, 2)),
        lay.since[0].copy(),
        np.zeros((causes * units if lay.since.size else 0, 2)),
    )


@inlined
def record_spent(lay, tab, run, plan, past, x, time):
    """Note what each clock that may have fired at observed event x had spent, and its hazard."""
    i, k = np.int64(past.event[x, HAPPENED_UNIT]), past.event[x, HAPPENED_MOVE]
    number = past.first[x]
    summed = 0.0
    for c in range(lay.cause.shape[0]):
        if lay.cause[c, TRANSITION] != k:
            continue
        pair = c * lay.state.size + i
        first, last = plan.first[pair], plan.first[pair + 1]
        accrue_pair(lay, tab, run, plan, c, pair, time)
        for slot in range(first, last):
            exposure = run.exposure[slot]
            whole = whole_exposure(tab, run, plan, c, pair, slot)
            hazard = hazard_then(lay, tab, run, c, pair, exposure, whole, time)
            summed += hazard
            past.clock[number], past.cause[number], past.source[number] = slot, c, plan.source[slot]
            past.amount[SUMMED, number] = summed
            past.amount[SPENT_THEN, number] = run.clock[slot, SPENT]
            past.amount[HAZARD_THEN, number] = hazard
            number += 1
    return summed


@inner
def follow_until(lay, tab, run, plan, past, until, witness, place):
    """Follow what happened as far as a time, from the beginning of the window, without any clock firing.

    Parameters:
        until: what comes at this time, or later, is left out; the window opens in any case.
        witness: whether to note what clocks had spent.
        place: observed events and breaks gone through, status, and cause and unit (or event) of what is wrong;
            kept up to date.

    Returns:
        The time reached.
    """
    x, b, time = np.int64(0), np.int64(0), lay.window[0]
    events, breaks = past.time.size, lay.breaks.shape[0]
    c, bad = open_window(lay, tab, run, plan, past)
    place[STATUS] = DONE
    while bad < 0:
        at = past.time[x] if x < events else np.inf
        given = lay.break_at[WHEN, b] if b < breaks else np.inf
        if not min(at, given) < until:
            break
        if given < at:
            time = given
            c, bad = change(lay, tab, run, plan, past, b, time)
            b += 1
            continue
        time = at
        while x < events and past.time[x] == time and bad < 0:
            i, variable = np.int64(past.event[x, HAPPENED_UNIT]), np.int64(past.event[x, HAPPENED_VARIABLE])
            if (
                witness
                and past.event[x, HAPPENED_MOVE] >= 0
                and not record_spent(lay, tab, run, plan, past, x, time) > 0.0
            ):
                place[STATUS], place[CAUSE] = UNEXPLAINED, x
                return time
            state = np.int64(past.event[x, HAPPENED_STATE])
            c, bad = move(lay, tab, run, plan, past, i, variable, state, time, True)
            x += 1
        if bad < 0:
            c, bad = release_instant(lay, tab, run, plan, past, time)
    place[OBSERVED], place[UPCOMING] = x, b
    if bad >= 0:
        place[STATUS], place[CAUSE], place[WHO] = NOT_FINITE, c, bad
    return time


@entry
def accumulate_spent(lay, tab, run, plan, past, until, witness):
    """Follow what happened; see `reach`. To its end, note what every clock had spent there."""
    place = np.full(5, -1, dtype=np.int64)
    time = follow_until(lay, tab, run, plan, past, until, witness, place)
    if place[STATUS] == DONE and witness:
        for slot in range(plan.pair.size):
            pair = np.int64(plan.pair[slot])
            accrue(lay, tab, run, pair // lay.state.size, pair, slot, lay.window[1])
            past.last[slot] = run.clock[slot, SPENT]
    return place, time


@inlined
def cause_of(past, key, x):
    """Draw which clock fired at observed event x, by the shares of the hazard."""
    first, last = past.first[x], past.first[x + 1]
    wanted = uniform(key, past.stream[x], 2 * np.int64(past.event[x, HAPPENED_NUMBER]))
    wanted *= past.amount[SUMMED, last - 1]
    while first < last - 1:  # the first whose sum is above what is wanted
        middle = (first + last - 1) // 2
        if past.amount[SUMMED, middle] > wanted:
            last = middle + 1
        else:
            first = middle + 1
    return first


@entry
def name_streams(pair, source, unit_key, cause_key, other):
    """Return the keys of the streams of clocks (S,): of unit and cause, with the source where it has its own.

    Parameters:
        pair, source: of each clock; other: a key that tells other chance from that of the clocks, or 0.
    """
    found = np.empty(pair.size, dtype=np.uint64)
    for slot in range(pair.size):
        c, i = pair[slot] // unit_key.size, pair[slot] % unit_key.size
        key = combine(unit_key[i], cause_key[c])
        if source[slot] >= 0:
            key = combine(key, unit_key[source[slot]])
        found[slot] = key if other == np.uint64(0) else combine(key, other)
    return found


@entry
def draw_causes(past, seed, first, last, step):
    """Return which clock fired at each observed event (worlds, E), -1 where none did."""
    size = (last - first + step - 1) // step
    chosen = np.full((size, past.time.size), -1, dtype=np.int64)
    for done in range(size):
        key = combine(seed, np.uint64(first + done * step))
        for x in range(past.time.size):
            if past.event[x, HAPPENED_MOVE] >= 0:
                chosen[done, x] = cause_of(past, key, x)
    return chosen


@entry
def merge_source_clocks(plan, past):
    """Return a past whose clocks are those of causes, from one in which each source has clocks of its own.

    Parameters:
        plan: where each source has clocks of its own; the clocks of causes are its pairs.

    Returns:
        For each clock that may have fired its pair, and what the pair's clocks had spent in all; and what each
        pair had spent at the end.
    """
    pairs = plan.first.size - 1
    clock, spent = np.empty_like(past.clock), past.amount[SPENT_THEN].copy()
    summed = np.zeros(pairs)
    for x in range(past.time.size):
        for number in range(past.first[x], past.first[x + 1]):
            summed[plan.pair[past.clock[number]]] += spent[number]
        for number in range(past.first[x], past.first[x + 1]):
            clock[number] = plan.pair[past.clock[number]]
            spent[number] = summed[clock[number]]
        for number in range(past.first[x], past.first[x + 1]):
            summed[clock[number]] = 0.0
    last = np.zeros(pairs)
    for slot in range(plan.pair.size):
        last[plan.pair[slot]] += past.last[slot]
    return clock, spent, last


@entry
def first_unlike(theirs, ours, size, close):
    """Return the first time at which two programs' notes of their hazards differ; infinity where none do.

    Parameters:
        theirs, ours: times in order, clocks (-1 for one that is no more) and hazards of the notes of each.
        size: how many clocks there are; close: relative difference that rounding may make.
    """
    at, value = np.full((2, size), -np.inf), np.zeros((2, size))
    first, time = np.zeros(2, dtype=np.int64), -np.inf
    ends = np.array([theirs[0].size, ours[0].size])
    while first[0] < ends[0] or first[1] < ends[1]:
        time = np.inf
        for which in range(2):
            notes = theirs if which == 0 else ours
            if first[which] < ends[which]:
                time = min(time, notes[0][first[which]])
        begun = first.copy()
        for which in range(2):
            notes = theirs if which == 0 else ours
            while first[which] < ends[which] and notes[0][first[which]] == time:
                slot, hazard = notes[1][first[which]], notes[2][first[which]]
                first[which] += 1
                if slot >= 0:
                    at[which, slot], value[which, slot] = time, hazard
                elif hazard > 0.0:
                    return time
        for which in range(2):
            notes = theirs if which == 0 else ours
            for number in range(begun[which], first[which]):
                slot = notes[1][number]
                if slot >= 0:
                    here, there = value[0, slot], value[1, slot]
                    if at[0, slot] != at[1, slot] or abs(here - there) > close * max(here, there):
                        return time
    return np.inf


def read_record_clocks(
    lay: Layout, tab: Tables, plan: Plan, past: Past, crowd: int, until: float = np.inf, witness: bool = True
) -> tuple[tuple[int, int, int, float], int]:
    """Follow what happened, and fill the past with what the clocks had spent.

    Parameters:
        lay, tab: the program that happened, and its Tables.
        plan: its clocks, one for each cause and tie.
        past: the observed events; what is to be filled in has its size. Where `base` has no room, the changes
            of hazards are counted only.
        crowd: most observed events at one instant.
        until: what comes at this time, or later, is left out; the window opens in any case.
        witness: whether to note what clocks had spent; else hazards only.

    Returns:
        Status (DONE; NOT_FINITE, cause and unit; or UNEXPLAINED and the event that no cause can explain) and
        the time; and the number of changes of hazards.
    """
    run = empty_world(lay, plan, past, True, crowd)
    place, time = accumulate_spent(lay, tab, run, plan, past, until, witness)
    status, cause, who = (int(value) for value in place[STATUS:])
    return (status, cause, who, float(time)), int(run.flag[NOTED])
