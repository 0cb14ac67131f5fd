"""One pass over what happened: the exposure that every unit at risk lived under, cause by cause.

The likelihood, its derivatives, the attribution and the residuals all read what a sweep returns. For a cause
with alpha = 1 the integral of its hazard is a sum of exp(beta . x) exp(gamma . u) times exposures that do
not depend on beta or gamma, so they are summed up here once, by target row and source row. Where alpha is
estimated, or an integral is wanted unit by unit, every stretch of constant sources is kept.

Exposure is kept by source row q, with its moments in age where the half-life is estimated: the sums of
w exp(-kappa age), of w age exp(-kappa age) and of w age^2 exp(-kappa age).
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tocsin.kernels.compiled import entry, inner
from tocsin.kernels.hazard import weight_inward, weight_of
from tocsin.kernels.layout import (
    ENTER,
    EXIT,
    IN,
    IN_SOURCE,
    KIND,
    LAYER,
    OUT,
    OUT_TARGET,
    PIECE,
    RETURN,
    SOURCE,
    STRIDE,
    TARGET,
    TIE,
    TOTAL,
    TOTAL_OF,
    TRANSITION,
    VALUE,
    WHEN,
    A,
    B,
    C,
)

UNIT, VARIABLE, BEFORE, AFTER, EXPLAINED = range(5)  # columns of `events`

ALL, ITSELF, OTHERS = np.int64(0), np.int64(1), np.int64(2)  # targets of a source

NOTHING = np.int64(2)  # what `resend` found: nothing to send


class Trace(NamedTuple):
    """Observed events in the order of time: unit, variable, joint states, transition (-1: undeclared)."""

    time: NDArray[np.float64]  # (E,)
    events: NDArray[np.int32]  # (E, 5)


class Field(NamedTuple):
    """The state of a sweep of one cause, and what it has summed up."""

    state: NDArray[np.int32]  # (N,)
    present: NDArray[np.uint8]  # (N,)
    piece: NDArray[np.int64]  # (D, N)
    weight: NDArray[np.float64]  # (P,)
    total: NDArray[np.float64]  # (N,)
    memory: NDArray[np.float64]  # (N, Q, moments), as of
    heard: NDArray[np.float64]  # (N,)
    taken: NDArray[
        np.float64
    ]  # (N, Q, moments) memory of units that left, as of then; (0, Q, moments) if none returns
    exposure: NDArray[np.float64]  # (N, Q, moments), as of
    since: NDArray[np.float64]  # (N,)
    sources: NDArray[np.int64]  # (N,)
    change: NDArray[np.float64]  # (Q, moments) scratch
    mark: NDArray[np.float64]  # what a source in each source row sends, where that is known; else empty
    summed: NDArray[np.float64]  # (rows, Q, moments)
    tally: NDArray[np.int64]  # stretches, sources listed, unit where a covariate was missing (-1)


class KeptStretches(NamedTuple):
    """Room for every stretch at risk and for the sources of every event; empty arrays where not wanted."""

    stretch: NDArray[np.int32]  # (room, 2) target row, unit
    span: NDArray[np.float64]  # (room, 2) beginning, length
    exposure: NDArray[np.float64]  # (room, Q, moments), at the beginning
    source: NDArray[np.int32]  # (room, 2) number of the event, source
    sent: NDArray[np.float64]  # (room, Q)


STRETCHES, LISTED, BAD = 0, 1, 2


@inner
def integrals(decay, span):
    """Return the integrals over [0, span] of exp(-k s), s exp(-k s) and s^2 exp(-k s)."""
    x = decay * span
    if x < 0.02:
        j0 = span * (1.0 - x / 2 + x * x / 6 - x**3 / 24 + x**4 / 120)
        j1 = span**2 * (1 / 2 - x / 3 + x * x / 8 - x**3 / 30 + x**4 / 144)
        j2 = span**3 * (1 / 3 - x / 4 + x * x / 10 - x**3 / 36 + x**4 / 168)
        return j0, j1, j2
    e = math.exp(-x)
    j0 = -math.expm1(-x) / decay
    j1 = (1.0 - e * (1.0 + x)) / decay**2
    j2 = (2.0 - e * (x * x + 2.0 * x + 2.0)) / decay**3
    return j0, j1, j2


@inner
def age(values, decay, span):
    """Let the moments of one unit's memory or exposure (Q, moments) grow older by `span`."""
    if span <= 0.0 or decay == 0.0:
        return
    e = math.exp(-decay * span)
    for q in range(values.shape[0]):
        if values.shape[1] == 3:
            values[q, 2] = e * (values[q, 2] + span * (2.0 * values[q, 1] + span * values[q, 0]))
            values[q, 1] = e * (values[q, 1] + span * values[q, 0])
        values[q, 0] *= e


@inner
def assign(values, others, by):
    """Set one array (Q, moments) to a multiple of another, in place."""
    for q in range(values.shape[0]):
        for m in range(values.shape[1]):
            values[q, m] = by * others[q, m]


@inner
def sends(memory, j):
    """Return whether a source sends anything."""
    for q in range(memory.shape[1]):
        if memory[j, q, 0] != 0.0:
            return True
    return False


@inner
def target_row(lay, field, c, i):
    """Return the target row of a unit now, -1 where a covariate is missing."""
    d = lay.cause[c, TARGET]
    return lay.rows[field.piece[d, i] + lay.columns[d, field.state[i]]]


@inner
def target_scale(lay, field, c, i):
    """Return what normalises the exposure of a unit."""
    if lay.cause[c, TOTAL_OF] < 0:
        return 1.0
    return 1.0 / field.total[i] if field.total[i] > 0.0 else 0.0


@inner
def flush(lay, field, kept, c, decay, i, time):
    """Account for the stretch that unit i has just lived through."""
    span = time - field.since[i]
    if span <= 0.0:
        return
    k = lay.cause[c, TRANSITION]
    abroad = lay.cause[c, LAYER] >= 0
    at_risk = field.present[i] > 0 and lay.after[k, field.state[i]] >= 0
    if at_risk and (not abroad or field.sources[i] > 0 or field.mark.size > 0):
        row = target_row(lay, field, c, i)
        if row < 0:
            field.tally[BAD] = i
            return
        scale = target_scale(lay, field, c, i)
        exposure = field.exposure[i]
        number = field.tally[STRETCHES]
        field.tally[STRETCHES] += 1
        if number < kept.stretch.shape[0]:
            kept.stretch[number, 0], kept.stretch[number, 1] = row, i
            kept.span[number, 0], kept.span[number, 1] = field.since[i], span
        j0, j1, j2 = span, 0.0, 0.0
        if decay > 0.0:
            j0, j1, j2 = integrals(decay, span)
        for q in range(exposure.shape[0]):
            e0 = scale * exposure[q, 0]
            field.summed[row, q, 0] += e0 * j0
            if exposure.shape[1] == 3:
                e1, e2 = scale * exposure[q, 1], scale * exposure[q, 2]
                field.summed[row, q, 1] += e1 * j0 + e0 * j1
                field.summed[row, q, 2] += e2 * j0 + 2.0 * e1 * j1 + e0 * j2
            if number < kept.stretch.shape[0]:
                for m in range(exposure.shape[1]):
                    kept.exposure[number, q, m] = scale * exposure[q, m]
    if abroad:
        age(field.exposure[i], decay, span)
    field.since[i] = time


@inner
def resend(lay, field, c, decay, j, old, variable, time):
    """Work out by what the memory of source j changes after it left joint state `old`; sets `field.change`.

    Parameters:
        variable: the variable of the event, -1 where a covariate or presence changed.

    Returns:
        By how many its count as a source changes, or NOTHING.
    """
    s = field.state[j]
    change, memory = field.change, field.memory[j]
    change[:, :] = 0.0
    counts = field.present[j] > 0 and lay.counts[c, s] > 0
    had = sends(field.memory, j)
    row = 0
    if counts and lay.cause[c, SOURCE] >= 0:
        d = lay.cause[c, SOURCE]
        row = lay.rows[field.piece[d, j] + lay.columns[d, s]]
    if decay > 0.0:
        age(memory, decay, time - field.heard[j])
        field.heard[j] = time
        if field.present[j] == 0:
            if not had:
                return NOTHING
            if field.taken.shape[0] > 0:
                assign(field.taken[j], memory, 1.0)
            assign(change, memory, -1.0)
            memory[:, :] = 0.0
            return np.int64(-1)
        again = variable >= 0 and old == s and lay.clause[c, variable] > 0
        if variable < 0 or not counts or (lay.counts[c, old] > 0 and not again):
            return NOTHING
    if row < 0:
        field.tally[BAD] = j
        return NOTHING
    given = field.mark.size > 0
    sent = (field.mark[row] if given else 1.0) if counts else 0.0
    row = 0 if given else row
    if decay == 0.0:
        if (counts and memory[row, 0] == sent) or (not counts and not had):
            return NOTHING
        assign(change, memory, -1.0)
        memory[:, :] = 0.0
    if counts:
        change[row, 0] += sent
        memory[row, 0] += sent
    return np.int64(counts and sent != 0.0) - np.int64(had)


@inner
def pass_on(lay, field, kept, c, decay, j, time, sources, only):
    """Pass `field.change` on to the targets of source j: to ALL, to ITSELF or to OTHERS."""
    layer = lay.cause[c, LAYER]
    for tie in range(lay.tie_first[OUT, layer, j], lay.tie_first[OUT, layer, j + 1]):
        i, weight = np.int64(lay.tie[OUT_TARGET, tie]), weight_of(field.weight, tie)
        if weight == 0.0 or (only == ITSELF and i != j) or (only == OTHERS and i == j):
            continue
        add_exposure(lay, field, kept, c, decay, i, time, weight, sources)


@inner
def add_exposure(lay, field, kept, c, decay, i, time, weight, sources):
    """Add `weight` times `field.change` to the exposure of one target."""
    flush(lay, field, kept, c, decay, i, time)
    field.sources[i] += sources
    exposure = field.exposure[i]
    if field.sources[i] <= 0:
        exposure[:, :] = 0.0
    else:
        for q in range(exposure.shape[0]):
            for m in range(exposure.shape[1]):
                exposure[q, m] += weight * field.change[q, m]


@inner
def carry_earlier_entries(lay, field, c, decay, j, time):
    """Let a unit that enters carry its earlier entries, held by half-life memory; sets `field.change`.

    Returns by how many its count as a source changes, or NOTHING.
    """
    change = field.change
    change[:, :] = 0.0
    found = False
    for early in range(lay.early_time.size):
        if lay.early[early, 0] == c and lay.early[early, 1] == j:
            row = lay.early[early, 2]
            if row < 0:
                field.tally[BAD] = j
                return NOTHING
            gone = time - lay.early_time[early]
            e = math.exp(-decay * gone)
            for m in range(change.shape[1]):
                change[row, m] += e * gone**m
            found = True
    if not found:
        return NOTHING
    assign(field.memory[j], change, 1.0)
    field.heard[j] = time
    return np.int64(1)


@inner
def bring_back_entries(field, decay, j, time):
    """Let a unit that returns send what its entries have left; sets `field.change`.

    Returns by how many its count as a source changes, or NOTHING.
    """
    if not sends(field.taken, j):
        return NOTHING
    age(field.taken[j], decay, time - field.heard[j])
    assign(field.change, field.taken[j], 1.0)
    assign(field.memory[j], field.taken[j], 1.0)
    field.heard[j] = time
    return np.int64(1)


@inner
def list_sources(lay, field, kept, c, decay, i, time, number):
    """List what each source sends to unit i at the instant of event `number`."""
    layer = lay.cause[c, LAYER]
    scale = target_scale(lay, field, c, i)
    for position in range(lay.tie_first[IN, layer, i], lay.tie_first[IN, layer, i + 1]):
        weight, j = weight_inward(lay, field.weight, position), lay.tie[IN_SOURCE, position]
        if weight == 0.0 or not sends(field.memory, j):
            continue
        place = field.tally[LISTED]
        field.tally[LISTED] += 1
        if place < kept.source.shape[0]:
            kept.source[place, 0], kept.source[place, 1] = number, j
            e = math.exp(-decay * (time - field.heard[j])) if decay > 0.0 else 1.0
            for q in range(field.memory.shape[1]):
                kept.sent[place, q] = field.memory[j, q, 0] * (e * weight * scale)


@inner
def apply_break(lay, field, kept, c, decay, number, time):
    """Apply one break to the sweep of a cause."""
    kind, a, b = lay.breaks[number, KIND], lay.breaks[number, A], lay.breaks[number, B]
    layer = lay.cause[c, LAYER]
    if kind == TIE:
        tie = lay.breaks[number, C]
        if layer < 0 or not lay.tie_first[OUT, layer, 0] <= tie < lay.tie_first[OUT, layer, lay.state.size]:
            return
        old, new = field.weight[tie], lay.break_at[VALUE, number]
        field.weight[tie] = new
        if sends(field.memory, a) and new != old:
            age(field.memory[a], decay, time - field.heard[a])
            field.heard[a] = time
            assign(field.change, field.memory[a], 1.0)
            add_exposure(
                lay, field, kept, c, decay, b, time, new - old, np.int64(new > 0.0) - np.int64(old > 0.0)
            )
        return
    if kind == RETURN:  # the unit is absent, so that nobody sees it
        step = lay.breaks[number, C] - lay.held[b, field.state[a]]
        field.state[a] += np.int32(step * lay.variable[b, STRIDE])
        return
    # What is left touches one unit: its terms, the total of its ties, or its presence.
    own = kind == PIECE and (a == lay.cause[c, TARGET] or a == lay.cause[c, SOURCE])
    comes = kind in (ENTER, EXIT)
    if not (own or comes or (kind == TOTAL and a == lay.cause[c, TOTAL_OF])):
        return
    j = a if comes else b
    flush(lay, field, kept, c, decay, j, time)
    if comes:
        field.present[j] = 1 if kind == ENTER else 0
    elif own:
        field.piece[a, j] = lay.breaks[number, C]
    else:
        field.total[j] = lay.break_at[VALUE, number]
    if layer >= 0 and (comes or own):
        sources = update_source(lay, field, c, decay, j, kind == ENTER, time)
        if sources != NOTHING:
            pass_on(lay, field, kept, c, decay, j, time, sources, ALL)


@inner
def update_source(lay, field, c, decay, j, enters, time):
    """Work out what unit j sends after its presence or terms changed; sets `field.change` (see `resend`)."""
    if enters and decay > 0.0:
        if time > max(lay.presence[0, j], lay.window[0]):
            return bring_back_entries(field, decay, j, time)
        return carry_earlier_entries(lay, field, c, decay, j, time)
    return resend(lay, field, c, decay, j, np.int64(field.state[j]), np.int64(-1), time)


@inner
def record_event_exposure(lay, trace, field, kept, c, decay, x, time, number, event, event_exposure):
    """Bring the unit of event x to its instant, and write down what it saw if the cause may explain it."""
    i = np.int64(trace.events[x, UNIT])
    flush(lay, field, kept, c, decay, i, time)
    if trace.events[x, EXPLAINED] != lay.cause[c, TRANSITION]:
        return
    abroad = lay.cause[c, LAYER] >= 0
    row = target_row(lay, field, c, i)
    seen = not abroad or field.sources[i] > 0
    if row < 0 and seen:
        field.tally[BAD] = i
    event[number, 0], event[number, 1] = x, max(row, 0)
    assign(event_exposure[number], field.exposure[i], target_scale(lay, field, c, i) if seen else 0.0)
    if abroad:
        list_sources(lay, field, kept, c, decay, i, time, number)


@entry
def sweep(lay, trace, c, rows, decay, moments, kept, mark):
    """Sweep one cause over what happened.

    Parameters:
        lay: the Layout of the program; trace: the observed events after entry, in order; c: the cause.
        rows: number of its target rows and of its source rows Q (2,).
        decay: ln 2 / half-life, 0 under `while`; moments: 3 where the half-life is estimated, else 1.
        kept: room for stretches and sources; what finds no room is counted and not kept.
        mark: what a source in each source row sends, where that is known: then Q is 1; else empty.

    Returns:
        (stretches, sources, unit where a covariate is missing at risk or -1), and the time of the latter;
        summed exposures (rows, Q, moments); and for each event of the cause's transition, in order, its
        position in the trace, its target row and its exposure (Q, moments).
    """
    units, width = lay.state.size, rows[1]
    abroad = lay.cause[c, LAYER] >= 0
    k, number_of_total = lay.cause[c, TRANSITION], lay.cause[c, TOTAL_OF]
    start = lay.window[0]
    sending = units if abroad else 1
    returning = 0
    for b in range(lay.breaks.shape[0]):
        if lay.breaks[b, KIND] == ENTER and lay.break_at[WHEN, b] > lay.presence[0, lay.breaks[b, A]]:
            returning = sending
    field = Field(
        lay.state.copy(),
        np.zeros(units, dtype=np.uint8),
        lay.offset.copy(),
        lay.weight.copy(),
        lay.totals[max(number_of_total, 0)].copy() if number_of_total >= 0 else np.zeros(1),
        np.zeros((sending, width, moments)),
        np.full(sending, start),
        np.zeros((returning, width, moments)),
        np.full((units, width, moments), 0.0 if abroad else 1.0),
        np.full(units, start),
        np.zeros(units, dtype=np.int64),
        np.zeros((width, moments)),
        mark,
        np.zeros((rows[0], width, moments)),
        np.array([0, 0, -1], dtype=np.int64),
    )
    for i in range(units):
        field.present[i] = 1 if lay.presence[0, i] <= start < lay.presence[1, i] else 0
        if abroad and field.present[i] > 0:
            sources = update_source(lay, field, c, decay, i, decay > 0.0, start)
            if sources != NOTHING:
                pass_on(lay, field, kept, c, decay, i, start, sources, ALL)
    memory, heard, begins = np.zeros((width, moments)), start, np.int64(0)  # of a unit, before its own events
    own = 0
    for e in range(trace.time.size):
        own += 1 if trace.events[e, EXPLAINED] == k else 0
    event = np.empty((own, 2), dtype=np.int64)
    event_exposure = np.empty((own, width, moments))
    explained, e, b, time = np.int64(0), np.int64(0), np.int64(0), start
    while field.tally[BAD] < 0 and (e < trace.time.size or b < lay.breaks.shape[0]):
        event_time = trace.time[e] if e < trace.time.size else np.inf
        if b < lay.breaks.shape[0] and lay.break_at[WHEN, b] < event_time:
            time = lay.break_at[WHEN, b]
            apply_break(lay, field, kept, c, decay, b, time)
            b += 1
            continue
        time = event_time
        last = e
        while last < trace.time.size and trace.time[last] == time:
            last += 1
        # Each event sees the field just before the instant; a unit's own events see the ones before, also
        # along a tie to itself. Only when all have seen does any of them act on others.
        number = explained
        for x in range(e, last):
            i, old = np.int64(trace.events[x, UNIT]), np.int64(trace.events[x, BEFORE])
            if x == e or trace.events[x - 1, UNIT] != i:
                begins = x
            record_event_exposure(lay, trace, field, kept, c, decay, x, time, number, event, event_exposure)
            number += 1 if trace.events[x, EXPLAINED] == k else 0
            field.state[i] = trace.events[x, AFTER]
            again = x + 1 < last and trace.events[x + 1, UNIT] == i
            if abroad and again:
                if x == begins:
                    assign(memory, field.memory[i], 1.0)
                    heard = field.heard[i]
                variable = np.int64(trace.events[x, VARIABLE])
                sources = resend(lay, field, c, decay, i, old, variable, time)
                if sources != NOTHING:
                    pass_on(lay, field, kept, c, decay, i, time, sources, ITSELF)
            elif abroad and x > begins:
                assign(field.memory[i], memory, 1.0)
                field.heard[i] = heard
        explained = number
        for x in range(e, last if abroad else e):
            i, old = np.int64(trace.events[x, UNIT]), np.int64(trace.events[x, BEFORE])
            variable, targets = np.int64(trace.events[x, VARIABLE]), ALL
            if x + 1 < last and trace.events[x + 1, UNIT] == i:
                targets = OTHERS
            field.state[i] = trace.events[x, AFTER]
            sources = resend(lay, field, c, decay, i, old, variable, time)
            if sources != NOTHING:
                pass_on(lay, field, kept, c, decay, i, time, sources, targets)
        e = last
    for i in range(units):
        flush(lay, field, kept, c, decay, i, lay.window[1])
    return field.tally, time, field.summed, event, event_exposure
