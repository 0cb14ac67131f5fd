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

import numba as nb
import numpy as np
from numpy.typing import NDArray

from tocsin.kernels.layout import ENTER, EXIT, PIECE, TIE, TOTAL


class Trace(NamedTuple):
    """Observed events in the order of time, with joint states; transition -1 where none is declared."""

    time: NDArray[np.float64]
    unit: NDArray[np.int32]
    variable: NDArray[np.int32]
    before: NDArray[np.int32]
    after: NDArray[np.int32]
    transition: NDArray[np.int32]


class Field(NamedTuple):
    """The state of a sweep of one cause."""

    state: NDArray[np.int32]
    present: NDArray[np.uint8]
    piece: NDArray[np.int64]  # (D, N)
    weight: NDArray[np.float64]
    total: NDArray[np.float64]  # (N,)
    memory: NDArray[np.float64]  # (N, Q, moments)
    heard: NDArray[np.float64]  # (N,)
    exposure: NDArray[np.float64]  # (N, Q, moments)
    since: NDArray[np.float64]  # (N,)
    sources: NDArray[np.int64]  # (N,)
    summed: NDArray[np.float64]  # (rows, Q, moments)


class Stretches(NamedTuple):
    """Stretches of constant sources at risk: room for them, and how many there are."""

    row: NDArray[np.int32]
    unit: NDArray[np.int32]
    time: NDArray[np.float64]
    span: NDArray[np.float64]
    exposure: NDArray[np.float64]  # (room, Q, moments), at the beginning of the stretch


@nb.njit(cache=True, nogil=True)
def integrals(decay, span):
    """Return the integrals over [0, span] of exp(-k s), s exp(-k s) and s^2 exp(-k s)."""
    x = decay * span
    if x < 0.02:
        j0 = span * (1.0 - x / 2 + x * x / 6 - x**3 / 24 + x**4 / 120 - x**5 / 720)
        j1 = span**2 * (1 / 2 - x / 3 + x * x / 8 - x**3 / 30 + x**4 / 144 - x**5 / 840)
        j2 = span**3 * (1 / 3 - x / 4 + x * x / 10 - x**3 / 36 + x**4 / 168 - x**5 / 960)
        return j0, j1, j2
    e = math.exp(-x)
    j0 = -math.expm1(-x) / decay
    j1 = (1.0 - e * (1.0 + x)) / decay**2
    j2 = (2.0 - e * (x * x + 2.0 * x + 2.0)) / decay**3
    return j0, j1, j2


@nb.njit(cache=True, nogil=True)
def _age(values, decay, span):
    """Let the moments of one unit's memory or exposure grow older by `span`."""
    if span <= 0.0 or decay == 0.0:
        return
    e = math.exp(-decay * span)
    for q in range(values.shape[0]):
        if values.shape[1] == 3:
            values[q, 2] = e * (values[q, 2] + span * (2.0 * values[q, 1] + span * values[q, 0]))
            values[q, 1] = e * (values[q, 1] + span * values[q, 0])
        values[q, 0] *= e


@nb.njit(cache=True, nogil=True)
def _row(lay, field, d, i, s):
    return lay.rows[field.piece[d, i] + lay.columns[d, s]]


@nb.njit(cache=True, nogil=True)
def _scale(lay, field, c, i):
    if lay.total[c] < 0:
        return 1.0
    return 1.0 / field.total[i] if field.total[i] > 0.0 else 0.0


@nb.njit(cache=True, nogil=True)
def _flush(lay, field, stretches, count, keep, c, decay, i, time):
    """Account for the stretch that unit i has just lived through.

    Returns the number of stretches kept, or -1 where a covariate was missing at risk.
    """
    span = time - field.since[i]
    if span > 0.0:
        s = field.state[i]
        k = lay.transition[c]
        at_risk = field.present[i] > 0 and lay.after[k, s] >= 0 and lay.allowed[k, i] > 0
        if at_risk and (lay.layer[c] < 0 or field.sources[i] > 0):
            row = _row(lay, field, lay.target_design[c], i, s)
            if row < 0:
                return -1
            scale = _scale(lay, field, c, i)
            exposure = field.exposure[i]
            if keep:
                stretches.row[count] = row
                stretches.unit[count] = i
                stretches.time[count] = field.since[i]
                stretches.span[count] = span
                stretches.exposure[count] = exposure * scale
                count += 1
            j0, j1, j2 = integrals(decay, span) if decay > 0.0 else (span, 0.0, 0.0)
            for q in range(exposure.shape[0]):
                field.summed[row, q, 0] += scale * exposure[q, 0] * j0
                if exposure.shape[1] == 3:
                    field.summed[row, q, 1] += scale * (exposure[q, 1] * j0 + exposure[q, 0] * j1)
                    field.summed[row, q, 2] += scale * (
                        exposure[q, 2] * j0 + 2.0 * exposure[q, 1] * j1 + exposure[q, 0] * j2
                    )
        if lay.layer[c] >= 0:
            _age(field.exposure[i], decay, span)
    field.since[i] = time
    return count


@nb.njit(cache=True, nogil=True)
def _more(stretches):
    """Return the stretches with twice the room."""
    room = stretches.row.size
    row = np.empty(2 * room, dtype=np.int32)
    unit = np.empty(2 * room, dtype=np.int32)
    time = np.empty(2 * room)
    span = np.empty(2 * room)
    exposure = np.empty((2 * room, stretches.exposure.shape[1], stretches.exposure.shape[2]))
    row[:room], unit[:room], time[:room] = stretches.row, stretches.unit, stretches.time
    span[:room], exposure[:room] = stretches.span, stretches.exposure
    return Stretches(row, unit, time, span, exposure)


@nb.njit(cache=True, nogil=True)
def _add(field, i, weight, change, sources):
    """Add weight times a change of a source's memory to the exposure of a target."""
    field.sources[i] += sources
    if field.sources[i] <= 0:
        field.exposure[i, :, :] = 0.0
        return
    for q in range(change.shape[0]):
        for m in range(change.shape[1]):
            field.exposure[i, q, m] += weight * change[q, m]


@nb.njit(cache=True, nogil=True)
def _mark(lay, field, c, j, s):
    """Return the source row of unit j in joint state s, -1 where a covariate is missing."""
    if lay.source_design[c] < 0:
        return 0
    return _row(lay, field, lay.source_design[c], j, s)


@nb.njit(cache=True, nogil=True)
def _resend(lay, field, c, decay, j, old, variable, time, change):
    """Work out by what the memory of source j changes when it moves from joint state `old`.

    Parameters:
        variable: the variable of the event, -1 where a covariate or presence changed (`while` only).
        change: filled with the change (Q, moments).

    Returns:
        By how many its count as a source changes; 2 where nothing changes, -2 where a covariate is missing.
    """
    s = field.state[j]
    change[:, :] = 0.0
    if decay > 0.0:
        if variable < 0 or field.present[j] == 0 or lay.counts[c, s] == 0:
            return 2
        again = old == s and lay.clause[c, variable] > 0
        if lay.counts[c, old] > 0 and not again:
            return 2
        q = _mark(lay, field, c, j, s)
        if q < 0:
            return -2
        _age(field.memory[j], decay, time - field.heard[j])
        field.heard[j] = time
        carried = field.memory[j].sum()
        field.memory[j, q, 0] += 1.0
        change[q, 0] = 1.0
        return 1 if carried == 0.0 else 0
    q = -1
    if field.present[j] > 0 and lay.counts[c, s] > 0:
        q = _mark(lay, field, c, j, s)
        if q < 0:
            return -2
    was = -1
    for position in range(field.memory.shape[1]):
        if field.memory[j, position, 0] > 0.0:
            was = position
    if was == q:
        return 2
    if was >= 0:
        change[was, 0] = -1.0
        field.memory[j, was, 0] = 0.0
    if q >= 0:
        change[q, 0] = 1.0
        field.memory[j, q, 0] = 1.0
    return (q >= 0) - (was >= 0)


@nb.njit(cache=True, nogil=True)
def sweep(lay, trace, c, width, rows, decay, moments, keep, with_sources):
    """Sweep one cause over what happened.

    Parameters:
        lay: the Layout of the program; trace: the observed events after entry, in order.
        c: the cause; width: number of its source rows Q; rows: number of its target rows.
        decay: ln 2 / half-life, 0 under `while`; moments: 3 where the half-life is estimated, else 1.
        keep: whether every stretch is kept; with_sources: whether the sources of each event are listed.

    Returns:
        (bad unit or -1, time): where a covariate is missing at risk.
        summed exposures (rows, Q, moments); stretches kept.
        for each event that the cause may explain, in order: its position in the trace, its target row and its
        exposure (Q, moments); and for its sources: number of the event, source, what it sends (Q,).
    """
    units = lay.state.size
    abroad = lay.layer[c] >= 0
    layer = lay.layer[c]
    k = lay.transition[c]
    field = Field(
        lay.state.copy(),
        np.zeros(units, dtype=np.uint8),
        lay.offset.copy(),
        lay.weight.copy() if abroad else np.empty(0),
        lay.totals[lay.total[c]].copy() if lay.total[c] >= 0 else np.empty(0),
        np.zeros((units if abroad else 1, width, moments)),
        np.full(units, lay.start),
        np.ones((units, width, moments)) if not abroad else np.zeros((units, width, moments)),
        np.full(units, lay.start),
        np.zeros(units, dtype=np.int64),
        np.zeros((rows, width, moments)),
    )
    room = 1024 if keep else 1
    stretches = Stretches(
        np.empty(room, dtype=np.int32),
        np.empty(room, dtype=np.int32),
        np.empty(room),
        np.empty(room),
        np.empty((room, width, moments)),
    )
    kept = 0
    change = np.zeros((width, moments))
    ahead = np.empty(1, dtype=np.int64)  # what a unit has already sent to itself; 3 for nothing yet
    ahead_change = np.empty((1, width, moments))
    event_of = np.empty(trace.time.size, dtype=np.int64)
    event_row = np.empty(trace.time.size, dtype=np.int32)
    own = 0
    for e in range(trace.time.size):
        own += trace.transition[e] == k
    event_exposure = np.empty((own, width, moments))
    explained = 0
    listed = 0
    source_event = np.empty(1024 if with_sources else 1, dtype=np.int64)
    source_unit = np.empty(source_event.size, dtype=np.int32)
    source_sent = np.empty((source_event.size, width))
    bad, bad_time = -1, lay.start

    e, b = 0, 0
    first_pass = True
    while bad < 0:
        # What happens next: the opening of the window, events of one instant, a break, or the end.
        if first_pass:
            time, group, number = lay.start, 0, -1
        else:
            event_time = trace.time[e] if e < trace.time.size else np.inf
            break_time = lay.break_time[b] if b < lay.break_time.size else np.inf
            if event_time == np.inf and break_time == np.inf:
                break
            if event_time <= break_time:
                time, group, number = event_time, 0, -1
                while e + group < trace.time.size and trace.time[e + group] == event_time:
                    group += 1
            else:
                time, group, number = break_time, 0, b
                b += 1
        while keep and kept + 2 * units + 2 * group > stretches.row.size:
            stretches = _more(stretches)

        if group > ahead.size:
            ahead = np.empty(group, dtype=np.int64)
            ahead_change = np.empty((group, width, moments))
        if group > 0:
            # Each event sees the field just before the instant; a unit's own events see the ones before.
            for x in range(e, e + group):
                i = trace.unit[x]
                kept = _flush(lay, field, stretches, kept, keep, c, decay, i, time)
                if kept < 0:
                    bad, bad_time = i, time
                    break
                if trace.transition[x] == k:
                    row = _row(lay, field, lay.target_design[c], i, field.state[i])
                    seen = not abroad or field.sources[i] > 0
                    if row < 0 and seen:
                        bad, bad_time = i, time
                        break
                    scale = _scale(lay, field, c, i) if seen and row >= 0 else 0.0
                    event_of[explained] = x
                    event_row[explained] = max(row, 0)
                    event_exposure[explained] = field.exposure[i] * scale
                    if with_sources and abroad:
                        for position in range(lay.in_first[layer, i], lay.in_first[layer, i + 1]):
                            weight = field.weight[lay.in_tie[position]]
                            j = lay.in_source[position]
                            if weight > 0.0 and field.memory[j].sum() > 0.0:
                                if listed == source_event.size:
                                    longer = np.empty(2 * listed, dtype=np.int64)
                                    longer[:listed] = source_event
                                    source_event = longer
                                    more = np.empty(2 * listed, dtype=np.int32)
                                    more[:listed] = source_unit
                                    source_unit = more
                                    wider = np.empty((2 * listed, width))
                                    wider[:listed] = source_sent
                                    source_sent = wider
                                e_age = math.exp(-decay * (time - field.heard[j])) if decay > 0.0 else 1.0
                                source_event[listed] = explained
                                source_unit[listed] = j
                                source_sent[listed] = field.memory[j, :, 0] * (e_age * weight * scale)
                                listed += 1
                    explained += 1
                field.state[i] = trace.after[x]
                ahead[x - e] = 3
                if abroad and x + 1 < e + group and trace.unit[x + 1] == i:
                    # A further event of the unit at this instant sees this one along a tie to itself.
                    sources = _resend(
                        lay, field, c, decay, i, trace.before[x], trace.variable[x], time, ahead_change[x - e]
                    )
                    ahead[x - e] = sources
                    if sources != 2 and sources != -2:
                        for tie in range(lay.out_first[layer, i], lay.out_first[layer, i + 1]):
                            if lay.out_target[tie] == i and field.weight[tie] > 0.0:
                                _add(field, i, field.weight[tie], ahead_change[x - e], sources)
            if bad >= 0:
                break

        # Sources to reconsider: all at the opening, those of the events, or those that a break touches.
        low, high = 0, 0
        if abroad:
            if first_pass:
                high = units
            elif group > 0:
                low, high = e, e + group
        if first_pass:
            for i in range(units):
                field.present[i] = 1 if lay.enter[i] <= lay.start < lay.exit[i] else 0
        enters = -1
        if number >= 0:
            kind, a, at = lay.break_kind[number], lay.break_a[number], lay.break_b[number]
            if kind == PIECE:
                if a == lay.target_design[c] or a == lay.source_design[c]:
                    kept = _flush(lay, field, stretches, kept, keep, c, decay, at, time)
                    if kept < 0:
                        bad, bad_time = at, time
                        break
                    field.piece[a, at] = lay.break_c[number]
                    if abroad and a == lay.source_design[c] and decay == 0.0:
                        low, high = at, at + 1
            elif kind == TOTAL:
                if lay.total[c] == a:
                    kept = _flush(lay, field, stretches, kept, keep, c, decay, at, time)
                    if kept < 0:
                        bad, bad_time = at, time
                        break
                    field.total[at] = lay.break_x[number]
            elif kind == TIE and abroad:
                tie = lay.break_c[number]
                old, new = field.weight[tie], lay.break_x[number]
                if lay.out_first[layer, 0] <= tie < lay.out_first[layer, units] and new != old:
                    field.weight[tie] = new
                    if field.memory[a].sum() > 0.0:
                        kept = _flush(lay, field, stretches, kept, keep, c, decay, at, time)
                        if kept < 0:
                            bad, bad_time = at, time
                            break
                        _age(field.memory[a], decay, time - field.heard[a])
                        field.heard[a] = time
                        _add(field, at, new - old, field.memory[a], (new > 0.0) - (old > 0.0))
            elif kind in (ENTER, EXIT):
                kept = _flush(lay, field, stretches, kept, keep, c, decay, a, time)
                if kept < 0:
                    bad, bad_time = a, time
                    break
                if kind == EXIT and abroad and decay > 0.0 and field.memory[a].sum() > 0.0:
                    _age(field.memory[a], decay, time - field.heard[a])
                    change[:, :] = -field.memory[a]
                    field.memory[a, :, :] = 0.0
                    for tie in range(lay.out_first[layer, a], lay.out_first[layer, a + 1]):
                        if field.weight[tie] > 0.0:
                            i = lay.out_target[tie]
                            kept = _flush(lay, field, stretches, kept, keep, c, decay, i, time)
                            if kept < 0:
                                bad, bad_time = i, time
                                break
                            _add(field, i, field.weight[tie], change, -1)
                    if bad >= 0:
                        break
                field.present[a] = 1 if kind == ENTER else 0
                if abroad and decay == 0.0:
                    low, high = a, a + 1
                enters = a if kind == ENTER else -1

        for x in range(low, high):
            if group > 0:
                j, old, variable, s = trace.unit[x], trace.before[x], trace.variable[x], trace.after[x]
                if ahead[x - e] == 3:
                    final = field.state[j]
                    field.state[j] = s
                    sources = _resend(lay, field, c, decay, j, old, variable, time, change)
                    field.state[j] = final
                else:
                    sources = ahead[x - e]
                    change[:, :] = ahead_change[x - e]
            else:
                j = x
                sources = _resend(lay, field, c, decay, j, field.state[j], -1, time, change)
            if sources == -2:
                bad, bad_time = j, time
                break
            if sources == 2:
                continue
            for tie in range(lay.out_first[layer, j], lay.out_first[layer, j + 1]):
                if field.weight[tie] > 0.0:
                    i = lay.out_target[tie]
                    if group > 0 and i == j and ahead[x - e] != 3:
                        continue
                    kept = _flush(lay, field, stretches, kept, keep, c, decay, i, time)
                    if kept < 0:
                        bad, bad_time = i, time
                        break
                    _add(field, i, field.weight[tie], change, sources)
            if bad >= 0:
                break
        # Entries from before a unit's own entry, which half-life memory still carries.
        if bad < 0 and abroad and decay > 0.0 and (first_pass or enters >= 0):
            for entry in range(lay.early_cause.size):
                j = lay.early_unit[entry]
                if lay.early_cause[entry] != c or field.present[j] == 0 or (enters >= 0 and j != enters):
                    continue
                q = lay.early_row[entry]
                if q < 0:
                    bad, bad_time = j, time
                    break
                change[:, :] = 0.0
                change[q, 0] = 1.0
                if moments == 3:
                    change[q, 1:] = 0.0
                _age(change, decay, time - lay.early_time[entry])
                fresh = 1 if field.memory[j].sum() == 0.0 else 0
                field.memory[j] += change
                field.heard[j] = time
                for tie in range(lay.out_first[layer, j], lay.out_first[layer, j + 1]):
                    if field.weight[tie] > 0.0:
                        i = lay.out_target[tie]
                        kept = _flush(lay, field, stretches, kept, keep, c, decay, i, time)
                        if kept < 0:
                            bad, bad_time = i, time
                            break
                        _add(field, i, field.weight[tie], change, fresh)
                if bad >= 0:
                    break
        e += group
        first_pass = False
    if bad < 0:
        while keep and kept + units > stretches.row.size:
            stretches = _more(stretches)
        for i in range(units):
            kept = _flush(lay, field, stretches, kept, keep, c, decay, i, lay.end)
            if kept < 0:
                bad, bad_time = i, lay.end
                break
    kept = max(kept, 0)
    return (
        (bad, bad_time),
        field.summed,
        stretches.row[:kept],
        stretches.unit[:kept],
        stretches.time[:kept],
        stretches.span[:kept],
        stretches.exposure[:kept],
        event_of[:explained],
        event_row[:explained],
        event_exposure[:explained],
        source_event[:listed],
        source_unit[:listed],
        source_sent[:listed],
    )
