"""The clocks of a world that remembers: one for each cause and unit, or one for each cause and tie.

A clock has spent so much in all, and fires when that reaches its target. A target that was read off what
happened is what the clock had spent at an observed event; it fires at the instant of that event, to the bit,
as long as nothing has changed what it spends. The rest is as in `kernels.world`: a clock is touched only when
its hazard changes, and between touches its hazard is constant or decays as one exponential.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tocsin.kernels.age import (
    BORN,
    ROW,
    age_mark,
    aged_integral,
    aged_value,
    aged_wait,
    born,
    decay_integral,
    target_row,
)
from tocsin.kernels.clocks import put
from tocsin.kernels.compiled import inlined, inner, place
from tocsin.kernels.hazard import (
    HEARD,
    SENT,
    apply_break,
    brought_memory,
    enter_state,
    restate,
    sending,
    sent,
    take_memory,
    target_factor,
    weight_of,
)
from tocsin.kernels.inner_exposure import LAYER as INNER_LAYER
from tocsin.kernels.inner_exposure import MARK as INNER_MARK
from tocsin.kernels.inner_exposure import SENT as INNER_SENT
from tocsin.kernels.inner_exposure import TOTAL as INNER_TOTAL
from tocsin.kernels.inner_exposure import add_inner, inner_sent
from tocsin.kernels.layout import (
    AGE,
    DECAYS,
    ENTER,
    EXIT,
    LAYER,
    NO_AGE,
    OF_LAYER,
    OUT,
    OUT_TARGET,
    PIECE,
    RETURN,
    SOURCE_DESIGNS,
    SOURCES_HEAR,
    TARGETS_HEAR,
    TIE,
    TOTAL,
    A,
    B,
    C,
)
from tocsin.kernels.layout import (
    KIND as BREAK_KIND,
)

SPENT, SINCE, HAZARD, AIM, DRAWN, BASE, WAITS, LAST_NOTED = range(8)  # columns of `clock`

WIDTH = 8  # a clock is one cache line

QUIET, TOGETHER, NOTED, SPLIT, LATER = range(5)  # of `flag`

ALL, ITSELF, OTHERS = np.int64(0), np.int64(1), np.int64(2)  # targets of a source

TOLERANCE = 1e-9  # of what clocks spend, beside which rounding is small and chance is large

# A clock that has spent what it needs for an event ahead, and no more, waits for it: its hazard may end at one
# observed event and open again, by another of its own unit, at the instant of the event.
MARGIN = 1e-12

HAPPENED_UNIT, HAPPENED_VARIABLE, HAPPENED_STATE, HAPPENED_MOVE, HAPPENED_NUMBER = range(5)  # of `event`

HAPPENED_KEPT, HAPPENED_LEFT = 5, 6


class Plan(NamedTuple):
    """Which clocks there are; pairs of cause and unit are numbered cause by cause."""

    first: NDArray[np.int64]  # (C * N + 1,) the clocks of each pair
    place: NDArray[np.int32]  # (P,) which of its target's clocks a tie drives
    pair: NDArray[np.int32]  # (S,) of each clock
    source: NDArray[np.int32]  # (S,) of each clock, -1 where it has all sources or none
    stream: NDArray[np.uint64]  # (S,) key of its stream
    own: NDArray[np.uint8]  # (L,) whether a layer has ties of units to themselves


class Past(NamedTuple):
    """What happened, and what the clocks had spent by then."""

    time: NDArray[np.float64]  # (E,) of the observed events after entry
    event: NDArray[np.int32]  # (E, 7) unit, variable, state entered, transition (-1: it follows the record),
    #                           number among those of its unit and transition, whether it is still followed,
    #                           state left
    stream: NDArray[np.uint64]  # (E,) from which its cause is drawn
    first: NDArray[np.int64]  # (E + 1,) the clocks that may have fired
    clock: NDArray[np.int32]  # their numbers, -1 for one that is no more
    cause: NDArray[np.int32]
    source: NDArray[np.int32]  # -1 for a baseline
    amount: NDArray[np.float64]  # (3, ...) hazards summed up, what the clock had spent, its hazard
    last: NDArray[np.float64]  # (S,) what every clock had spent at the end
    base_at: NDArray[np.float64]  # (2, H) when the hazard of a clock changed, and to what
    base: NDArray[np.int32]  # (H,) which clock


class Run(NamedTuple):
    """The mutable state of one world."""

    key: NDArray[np.uint64]  # (1,) key of seed and world
    flag: NDArray[np.int64]  # (5,) whether nothing is to fire; whether this world and the observed one are
    #                          still one; hazards noted; whether sources have clocks of their own; sends to do
    state: NDArray[np.int32]  # (N,)
    present: NDArray[np.uint8]  # (N,)
    piece: NDArray[np.int64]  # (D, N)
    weight: NDArray[np.float64]  # (P,)
    totals: NDArray[np.float64]  # (totals, N)
    memory: NDArray[np.float64]  # (2, C, N)
    inner: NDArray[np.float64]  # (3, H, N) sent, felt and sources of exposures inside exponents
    factor: NDArray[np.float64]  # (C * N,)
    heard: NDArray[
        np.int32
    ]  # (C * N,) how many clocks of a pair have an exposure, at the least; 1 of a baseline
    exposure: NDArray[np.float64]  # (S,) of the clocks
    sources: NDArray[np.int32]  # (S,) how many sources a clock of a cause has
    clock: NDArray[
        np.float64
    ]  # (S, WIDTH) what else they know; WAITS is the time of the observed event that one
    #                             fires next, and -inf where it waits for none
    head: NDArray[np.int32]  # (S,) observed event that the clock fires next, -1 for none
    chain: NDArray[np.int32]  # (E,) the next event of the same clock
    chosen: NDArray[np.int32]  # (E,) which of its clocks fired
    drawn: NDArray[np.float64]  # (S,) scratch: a threshold for each clock
    live: NDArray[np.int32]  # (S,) the clocks that have a hazard when the world begins
    tree: NDArray[np.float64]  # times at which the clocks fire, as a tournament
    levels: NDArray[np.int64]
    later: NDArray[
        np.int64
    ]  # (room, 3) cause, source, change of its count: what others hear after an instant
    later_sent: NDArray[np.float64]  # (room, 2) sent before and after
    since: NDArray[np.float64]  # (V, N) when each unit came into its states; (0, 0) where no cause sees ages
    aged: NDArray[np.float64]  # (C * N, 2) what the clocks of a pair know of the age of their unit's state


@inlined
def hazard_integral(lay, tab, run, c, pair, begin, end, rate):
    """Return the integral of what multiplies the hazard of a clock as time goes by: its decay, and the age of the
    state of its unit."""
    if lay.cause[c, AGE] == NO_AGE:
        return decay_integral(rate, end - begin)
    row, since = np.int64(run.aged[pair, ROW]), run.aged[pair, BORN]
    return aged_integral(lay, tab, c, row, since, begin, end, rate)


@inlined
def accrue(lay, tab, run, c, pair, slot, time):
    """Bring a clock to a time: what it has spent, and what its exposure has decayed to."""
    slot = place(slot)
    clock = run.clock[slot]
    span = time - clock[SINCE]
    if span > 0.0:
        decay, begin = tab.shape[0, c], clock[SINCE]
        clock[SINCE] = time
        if decay == 0.0:
            if clock[HAZARD] > 0.0:
                clock[SPENT] += clock[HAZARD] * hazard_integral(lay, tab, run, c, pair, begin, time, 0.0)
        elif run.exposure[slot] != 0.0 or clock[HAZARD] != 0.0 or run.flag[TOGETHER] != 0:
            # Else there is nothing that decays: BASE is asked for only while both worlds are together.
            rate = tab.shape[1, c] * decay
            if clock[HAZARD] > 0.0:
                clock[SPENT] += clock[HAZARD] * hazard_integral(lay, tab, run, c, pair, begin, time, rate)
            fallen = math.exp(-decay * span)
            faded = fallen if rate == decay else math.exp(-rate * span)
            run.exposure[slot] *= fallen
            clock[HAZARD] *= faded
            clock[BASE] *= faded


@inlined
def pair_is_silent(tab, run, c, pair):
    """Return whether no clock of a pair has an exposure, so that none has spent or will spend anything.

    What such a clock is compared with (BASE) may decay.
    """
    return run.heard[pair] == 0 and (tab.shape[0, c] == 0.0 or run.flag[TOGETHER] == 0)


@inlined
def clock_is_silent(lay, tab, run, c, slot):
    """Return whether a clock of a tie has no exposure, and so no hazard, nor had one when it was last aimed."""
    return tab.shape[0, c] == 0.0 and run.exposure[slot] == 0.0 and lay.cause[c, LAYER] >= 0


@inlined
def accrue_pair(lay, tab, run, plan, c, pair, time):
    """Bring all clocks of a pair to a time."""
    if not pair_is_silent(tab, run, c, pair):
        for slot in range(place(plan.first[pair]), plan.first[pair + 1]):
            if not clock_is_silent(lay, tab, run, c, place(slot)):
                accrue(lay, tab, run, c, pair, slot, time)


@inlined
def full_hazard(lay, tab, c, factor, exposure, whole):
    """Return the hazard of a clock: A E^alpha, times its share of E where each source has its own."""
    if factor == 0.0 or lay.cause[c, LAYER] < 0:
        return factor
    if exposure <= 0.0:
        return 0.0
    alpha = tab.shape[1, c]
    return factor * exposure if alpha == 1.0 else factor * whole**alpha * (exposure / whole)


@inlined
def hazard_then(lay, tab, run, c, pair, exposure, whole, time):
    """Return the hazard of a clock at an event, by left limit."""
    hazard = full_hazard(lay, tab, c, run.factor[pair], exposure, whole)
    if lay.cause[c, AGE] != NO_AGE and hazard != 0.0:
        row, since = np.int64(run.aged[pair, ROW]), run.aged[pair, BORN]
        hazard *= aged_value(lay, tab, c, row, since, time, False)
    return hazard


@inlined
def whole_exposure(tab, run, plan, c, pair, slot):
    """Return the exposure of a pair, whose clocks are up to date; that of the clock where it is linear."""
    if tab.shape[1, c] == 1.0:
        return run.exposure[place(slot)]
    whole = 0.0
    for other in range(place(plan.first[pair]), plan.first[pair + 1]):
        whole += run.exposure[place(other)]
    return whole


@inlined
def schedule(lay, tab, run, past, c, pair, slot, time, whole):
    """Find the hazard of a clock and when it fires; it is up to date. Returns False if it is not finite.

    A clock that will have spent what it had at the observed event it waits for is left to that event.
    """
    slot = place(slot)
    clock = run.clock[slot]
    hazard = full_hazard(lay, tab, c, run.factor[pair], run.exposure[slot], whole)
    if not hazard < np.inf:
        return False
    if run.flag[QUIET] != 0:
        noted = hazard
        if lay.cause[c, AGE] != NO_AGE and hazard > 0.0:
            noted *= age_mark(lay, tab, c, np.int64(run.aged[pair, ROW]))
        if noted != clock[LAST_NOTED]:
            number = run.flag[NOTED]
            if number < past.base.size:
                past.base_at[0, number], past.base_at[1, number] = time, noted
                past.base[number] = slot
            run.flag[NOTED] += 1
        clock[HAZARD], clock[LAST_NOTED] = hazard, noted
        return True
    if run.flag[TOGETHER] != 0:
        hazard = max(hazard - clock[BASE], 0.0)
    clock[HAZARD] = hazard
    fires = np.inf
    if hazard > 0.0:
        rate = tab.shape[0, c] * tab.shape[1, c]
        left = clock[AIM] - clock[SPENT]
        waits = False
        if clock[WAITS] >= time:
            rest = left - hazard * hazard_integral(lay, tab, run, c, pair, time, clock[WAITS], rate)
            waits = abs(rest) <= TOLERANCE * (1.0 + clock[AIM])
            left += MARGIN * (1.0 + clock[AIM])
        if not waits:
            left = max(left, 0.0)
            if lay.cause[c, AGE] != NO_AGE:
                row, since = np.int64(run.aged[pair, ROW]), run.aged[pair, BORN]
                fires = time + aged_wait(lay, tab, c, row, since, time, left / hazard, rate)
            elif rate == 0.0:
                fires = time + left / hazard
            elif left * rate < hazard:
                fires = time - math.log1p(-left * rate / hazard) / rate
    put(run.tree, run.levels, slot, fires)
    return True


@inner
def schedule_pair(lay, tab, run, plan, past, c, pair, time):
    """Bring all clocks of a pair to a time and aim them. Returns False if a hazard is not finite."""
    if pair_is_silent(tab, run, c, pair):
        return True
    first, last = place(plan.first[pair]), plan.first[pair + 1]
    linear = tab.shape[1, c] == 1.0
    whole = 0.0
    if not linear:
        accrue_pair(lay, tab, run, plan, c, pair, time)
        if first < last:
            whole = whole_exposure(tab, run, plan, c, pair, first)
    for slot in range(first, last):
        if clock_is_silent(lay, tab, run, c, place(slot)):
            continue
        if linear:
            accrue(lay, tab, run, c, pair, slot, time)
            whole = run.exposure[place(slot)]
        if not schedule(lay, tab, run, past, c, pair, slot, time, whole):
            return False
    return True


@inlined
def update_factor(lay, tab, run, plan, past, c, i, time):
    """Recompute the factor of a pair after its unit changed. Returns False where a hazard is not finite."""
    pair = place(c * lay.state.size + i)
    factor = target_factor(lay, tab, run, c, i)
    aged = lay.cause[c, AGE] != NO_AGE and factor != 0.0
    if factor == run.factor[pair] and not aged:
        return True
    # What was spent until now is spent at the hazards that were, which the clocks know.
    if aged:
        accrue_pair(lay, tab, run, plan, c, pair, time)
        run.aged[pair, ROW] = target_row(lay, run, c, i)
        run.aged[pair, BORN] = born(lay, run, c, i)
    run.factor[pair] = factor
    return schedule_pair(lay, tab, run, plan, past, c, pair, time)


@inlined
def add_exposure(lay, tab, run, plan, past, c, i, tie, time, before, after, sources):
    """Let a target hear that what a tie carries went from one value to another.

    Returns False where its hazard is not finite.
    """
    pair = place(c * lay.state.size + i)
    slot = place(plan.first[pair] + plan.place[tie])
    factor = run.factor[pair]
    if factor != 0.0 or tab.shape[0, c] > 0.0:
        accrue(lay, tab, run, c, pair, slot, time)
    exposure = run.exposure[slot]
    had = exposure != 0.0
    if run.flag[SPLIT] != 0:
        exposure = after
    else:
        # Sums of what came and went leave rounding behind; without a source there is exactly no exposure.
        run.sources[slot] += sources
        exposure += after - before
        exposure = max(exposure, 0.0) if run.sources[slot] > 0 else 0.0
    run.exposure[slot] = exposure
    run.heard[pair] += np.int32(exposure != 0.0) - np.int32(had)
    if factor == 0.0:
        return True
    alone = tab.shape[1, c] == 1.0 or run.flag[SPLIT] == 0
    if (alone or exposure == 0.0) and not schedule(lay, tab, run, past, c, pair, slot, time, exposure):
        return False  # the others of its pair pass over one without an exposure
    return alone or schedule_pair(lay, tab, run, plan, past, c, pair, time)


@inner
def send_change(lay, tab, run, plan, past, c, j, time, before, after, only):
    """Pass a change of what source j sends on to its targets.

    Parameters:
        before, after: what it sent and sends; only: ALL targets, ITSELF or OTHERS.

    Returns:
        -1, or a target whose hazard is not finite.
    """
    layer, j = place(lay.cause[c, LAYER]), place(j)
    sources = np.int32(after > 0.0) - np.int32(before > 0.0)
    for each in range(place(lay.tie_first[OUT, layer, j]), lay.tie_first[OUT, layer, j + 1]):
        tie = place(each)
        weight, i = weight_of(run.weight, tie), place(lay.tie[OUT_TARGET, tie])
        if weight == 0.0 or (only == ITSELF and i != j) or (only == OTHERS and i == j):
            continue
        if not add_exposure(
            lay, tab, run, plan, past, c, i, tie, time, weight * before, weight * after, sources
        ):
            return i
    return np.int64(-1)


@inlined
def update_source(lay, tab, run, plan, past, c, j, time, old, variable, wait):
    """Recompute what source j sends under cause c after it moved from joint state `old`, and pass it on.

    Parameters:
        variable: the variable of the event that moved it, -1 where a covariate or presence changed.
        wait: whether others hear of it only when the instant is over (`release`).

    Returns:
        -1, or the unit whose mark or hazard is not finite.
    """
    before = sent(tab, run.memory, c, j, time)
    after = sending(lay, tab, run, c, j, old, variable, before)
    if not after < np.inf:
        return j
    if after == before:
        return -1
    run.memory[SENT, c, j] = after
    run.memory[HEARD, c, j] = time
    if wait:
        number = run.flag[LATER]
        run.later[number, 0], run.later[number, 1] = c, j
        run.later_sent[number, 0], run.later_sent[number, 1] = before, after
        run.flag[LATER] += 1
        if plan.own[lay.cause[c, LAYER]] == 0:
            return -1
    return send_change(lay, tab, run, plan, past, c, j, time, before, after, ITSELF if wait else ALL)


@inner
def feel(lay, tab, run, plan, past, h, i, time):
    """Let the causes of a target hear that its inner exposure changed. Returns (-1, -1), or cause and unit."""
    for position in range(lay.inner_first[h], lay.inner_first[h + 1]):
        c = place(lay.inner_cause[place(position)])
        if run.factor[place(c * lay.state.size + i)] != 0.0 and not update_factor(
            lay, tab, run, plan, past, c, i, time
        ):
            return c, i
    return np.int64(-1), np.int64(-1)


@inner
def pass_inner(lay, tab, run, plan, past, h, j, time, before, after, only):
    """Pass a change of what source j sends of an inner exposure on to targets. Returns as `feel` does."""
    sources = np.float64(after != 0.0) - np.float64(before != 0.0)
    layer = place(lay.inner[h, INNER_LAYER])
    for tie in range(place(lay.tie_first[OUT, layer, j]), lay.tie_first[OUT, layer, j + 1]):
        weight, i = weight_of(run.weight, tie), place(lay.tie[OUT_TARGET, tie])
        if weight == 0.0 or (only == ITSELF and i != j) or (only == OTHERS and i == j):
            continue
        add_inner(run, h, i, weight * (after - before), sources)
        c, bad = feel(lay, tab, run, plan, past, h, i, time)
        if bad >= 0:
            return c, bad
    return np.int64(-1), np.int64(-1)


@inner
def send_inner(lay, tab, run, plan, past, j, time, wait):
    """Pass on what source j sends of every inner exposure. Returns (-1, -1), or cause and unit of a wrong hazard.

    Parameters:
        wait: whether others hear of it only when the instant is over (`release_instant`).
    """
    for h in range(lay.inner.shape[0]):
        before, after = run.inner[INNER_SENT, h, j], inner_sent(lay, run, h, j)
        if after == before:
            continue
        if not abs(after) < np.inf:
            return np.int64(lay.inner_cause[lay.inner_first[h]]), j
        run.inner[INNER_SENT, h, j] = after
        if wait:
            number = run.flag[LATER]
            run.later[number, 0], run.later[number, 1] = lay.cause.shape[0] + h, j
            run.later_sent[number, 0], run.later_sent[number, 1] = before, after
            run.flag[LATER] += 1
            if plan.own[lay.inner[h, INNER_LAYER]] == 0:
                continue
        c, bad = pass_inner(lay, tab, run, plan, past, h, j, time, before, after, ITSELF if wait else ALL)
        if bad >= 0:
            return c, bad
    return np.int64(-1), np.int64(-1)


@inner
def change_inner(lay, tab, run, plan, past, kind, a, b, group, old, new, time):
    """Let inner exposures follow a break of ties, totals or covariates, which was applied; see `apply_break`."""
    for h in range(lay.inner.shape[0]):
        if kind == TIE and lay.inner[h, INNER_LAYER] == group:
            sends = run.inner[INNER_SENT, h, a]
            if sends == 0.0 or new == old:
                continue
            add_inner(run, h, b, (new - old) * sends, np.float64(new > 0.0) - np.float64(old > 0.0))
            c, bad = feel(lay, tab, run, plan, past, h, b, time)
        elif kind == TOTAL and lay.inner[h, INNER_TOTAL] == a:
            c, bad = feel(lay, tab, run, plan, past, h, b, time)
        elif kind == PIECE and lay.inner[h, INNER_MARK] == a:
            c, bad = send_inner(lay, tab, run, plan, past, b, time, False)
        else:
            continue
        if bad >= 0:
            return c, bad
    return np.int64(-1), np.int64(-1)


@inner
def release_instant(lay, tab, run, plan, past, time):
    """Let others hear what the units of an instant did. Returns (-1, -1), or cause and unit of a wrong hazard."""
    for each in range(run.flag[LATER]):
        number = place(each)
        c, j = place(run.later[number, 0]), place(run.later[number, 1])
        before, after = run.later_sent[number, 0], run.later_sent[number, 1]
        if c >= lay.cause.shape[0]:
            h = place(c - lay.cause.shape[0])
            c, bad = pass_inner(lay, tab, run, plan, past, h, j, time, before, after, OTHERS)
            if bad >= 0:
                return c, bad
            continue
        bad = send_change(lay, tab, run, plan, past, c, j, time, before, after, OTHERS)
        if bad >= 0:
            return c, bad
    run.flag[LATER] = 0
    return np.int64(-1), np.int64(-1)


@inner
def appear(lay, tab, run, plan, past, i, time, present):
    """Let a unit enter or leave: its own risk, and what it sends. Returns (-1, -1), or cause and unit."""
    run.present[i] = present
    for c in range(lay.cause.shape[0]):
        if not update_factor(lay, tab, run, plan, past, c, i, time):
            return c, i
        if lay.cause[c, LAYER] < 0:
            continue
        if lay.cause[c, DECAYS] != 0 and present > 0:
            memory = brought_memory(lay, tab, tab.shape[0, c], run, c, i, time)
            if not memory < np.inf:
                return c, i
            run.memory[SENT, c, i] = memory
            run.memory[HEARD, c, i] = time
            bad = np.int64(-1)
            if memory > 0.0:
                bad = send_change(lay, tab, run, plan, past, c, i, time, 0.0, memory, ALL)
        else:
            take_memory(lay, tab, run, c, i, time)
            old = np.int64(run.state[i])
            bad = update_source(lay, tab, run, plan, past, c, i, time, old, np.int64(-1), False)
        if bad >= 0:
            return c, bad
    return send_inner(lay, tab, run, plan, past, i, time, False)


@inner
def change(lay, tab, run, plan, past, number, time):
    """Apply one break that is not an event. Returns (-1, -1), or cause and unit of a wrong hazard."""
    kind, a, b = lay.breaks[number, BREAK_KIND], place(lay.breaks[number, A]), place(lay.breaks[number, B])
    if kind in (ENTER, EXIT):
        return appear(lay, tab, run, plan, past, a, time, np.int64(kind == ENTER))
    if kind == RETURN:
        restate(lay, run, number)
        if run.since.size > 0:
            run.since[b, a] = time
        return np.int64(-1), np.int64(-1)
    listener, group, old, new = apply_break(lay, run, number)
    tie = np.int64(lay.breaks[number, C])
    for position in range(lay.listen_first[listener, group], lay.listen_first[listener, group + 1]):
        c = place(lay.listen[place(position)])
        if listener != OF_LAYER:
            if not update_factor(lay, tab, run, plan, past, c, b, time):
                return c, b
            continue
        memory = sent(tab, run.memory, c, a, time)
        if memory > 0.0 and new != old:
            sources = np.int32(new > 0.0) - np.int32(old > 0.0)
            if not add_exposure(
                lay, tab, run, plan, past, c, b, tie, time, old * memory, new * memory, sources
            ):
                return c, b
    if kind == PIECE:
        for position in range(lay.listen_first[SOURCE_DESIGNS, a], lay.listen_first[SOURCE_DESIGNS, a + 1]):
            c = place(lay.listen[place(position)])
            state = np.int64(run.state[b])
            bad = update_source(lay, tab, run, plan, past, c, b, time, state, np.int64(-1), False)
            if bad >= 0:
                return c, bad
    return change_inner(lay, tab, run, plan, past, kind, a, b, group, old, new, time)


@inner
def move(lay, tab, run, plan, past, i, variable, state, time, wait):
    """Move one variable of a unit, and tell every clock that listens; see `reconsider`.

    Returns (-1, -1), or cause and unit of a wrong hazard.
    """
    old = enter_state(lay, run, i, variable, state)
    if run.since.size > 0:
        run.since[variable, i] = time
    hears = TARGETS_HEAR
    for position in range(lay.listen_first[hears, variable], lay.listen_first[hears, variable + 1]):
        c = place(lay.listen[place(position)])
        if not update_factor(lay, tab, run, plan, past, c, i, time):
            return c, i
    hears = SOURCES_HEAR
    for position in range(lay.listen_first[hears, variable], lay.listen_first[hears, variable + 1]):
        c = place(lay.listen[place(position)])
        bad = update_source(lay, tab, run, plan, past, c, i, time, old, variable, wait)
        if bad >= 0:
            return c, bad
    return send_inner(lay, tab, run, plan, past, i, time, wait)


@inner
def open_window(lay, tab, run, plan, past):
    """Let all units appear that are present when the window begins."""
    for i in range(lay.state.size):
        if lay.presence[0, i] <= lay.window[0] < lay.presence[1, i]:
            c, bad = appear(lay, tab, run, plan, past, i, lay.window[0], np.int64(1))
            if bad >= 0:
                return c, bad
    return np.int64(-1), np.int64(-1)
