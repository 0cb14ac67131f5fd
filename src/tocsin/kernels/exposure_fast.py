"""Sweeps of what needs no walk through every change: causes at home, and memory where nothing else changes.

They return what `kernels.sweep.sweep` returns, apart from the order in which sums are taken. A cause at home
depends on its own unit alone, so units are followed one after the other. In a history in which only memory
changes (a Hawkes process: one joint state, all present throughout, ties and terms constant) an entry adds a
known amount to the integrals at once; and memory is kept as of one instant for all, so that an event costs one
exponential whatever the number of causes.
"""

from __future__ import annotations

import math

import numpy as np

from tocsin.kernels.compiled import cached, entry
from tocsin.kernels.exposure_sweep import AFTER, EXPLAINED, UNIT, VARIABLE
from tocsin.kernels.hazard import weight_of
from tocsin.kernels.layout import LAYER, OUT, OUT_TARGET, TRANSITION

FADED = 200.0  # powers of e after which the instant that memory refers to is moved on


@entry
def sweep_home(lay, trace, order, starts, first, rows, columns, c, count):
    """Sweep one cause at home.

    Parameters:
        lay, trace, c: as for `sweep`.
        order: positions of the events, unit by unit and in order of time (E,).
        starts, first, rows, columns: the target design of the cause; count: its distinct rows.

    Returns:
        Time at risk by row (count, 1, 1); position and row of each event of the transition (own, 2); and
        whether a covariate is missing at risk.
    """
    k = lay.cause[c, TRANSITION]
    summed = np.zeros((count, 1, 1))
    seen = np.zeros(trace.time.size, dtype=np.int64)
    missing, e, own = False, 0, 0
    for i in range(lay.state.size):
        state, piece = lay.state[i], first[i]
        now, last = max(lay.presence[0, i], lay.window[0]), min(lay.presence[1, i], lay.window[1])
        while True:
            x = order[e] if e < order.size else -1
            mine = x >= 0 and trace.events[x, UNIT] == i
            until = trace.time[x] if mine else last
            at_risk, column = lay.after[k, state] >= 0, columns[state]
            while (
                True
            ):  # through the pieces that begin before the event; it does not see one that begins with it
                more = piece + 1 < first[i + 1] and starts[piece + 1] < until
                end = starts[piece + 1] if more else until
                if end > now:
                    if at_risk and rows[piece, column] >= 0:
                        summed[rows[piece, column], 0, 0] += end - now
                    missing |= at_risk and rows[piece, column] < 0
                    now = end
                if not more:
                    break
                piece += 1
            if not mine:
                break
            if trace.events[x, EXPLAINED] == k:
                missing |= rows[piece, column] < 0
                seen[x] = max(rows[piece, column], 0)
                own += 1
            state = trace.events[x, AFTER]
            e += 1
    event = np.empty((own, 2), dtype=np.int64)
    own = 0
    for x in range(trace.time.size):
        if trace.events[x, EXPLAINED] == k:
            event[own, 0], event[own, 1] = x, seen[x]
            own += 1
    return summed, event, missing


@entry
def sweep_memory(lay, trace, causes, row, first, decay):
    """Sweep causes with one fixed half-life in a history in which nothing changes but memory.

    Parameters:
        lay, trace: as for `sweep`; no unit has two events at one instant.
        causes: of one transition (C,); row: target row of each unit under each (C, N).
        first: where the target rows of each cause begin in what is returned (C + 1,).
        decay: ln 2 / half-life.

    Returns:
        Summed exposures of the target rows, cause by cause; and the exposures of the transition's events
        (C, own).
    """
    count, k = causes.size, lay.cause[causes[0], TRANSITION]
    summed = np.zeros(first[count])
    felt = np.zeros((lay.state.size, count))  # exposure as of the instant `since`
    own = 0
    for x in range(trace.time.size):
        own += 1 if trace.events[x, EXPLAINED] == k else 0
    exposure = np.empty((count, own))
    since, number, x = lay.window[0], 0, 0
    while x < trace.time.size:
        time, last = trace.time[x], x
        while last < trace.time.size and trace.time[last] == time:
            last += 1
        if decay * (time - since) > FADED:
            felt *= math.exp(-decay * (time - since))
            since = time
        fade = math.exp(-decay * (time - since))
        for y in range(x, last):  # events at one instant do not see each other
            if trace.events[y, EXPLAINED] == k:
                i = trace.events[y, UNIT]
                for c in range(count):
                    exposure[c, number] = felt[i, c] * fade
                number += 1
        left = -math.expm1(-decay * (lay.window[1] - time)) / decay
        for y in range(x, last):
            j, variable = trace.events[y, UNIT], trace.events[y, VARIABLE]
            for c in range(count):
                layer = lay.cause[causes[c], LAYER]
                if lay.clause[causes[c], variable] == 0:
                    continue
                for tie in range(lay.tie_first[OUT, layer, j], lay.tie_first[OUT, layer, j + 1]):
                    i, weight = lay.tie[OUT_TARGET, tie], weight_of(lay.weight, tie)
                    felt[i, c] += weight / fade
                    summed[first[c] + row[c, i]] += weight * left
        x = last
    return summed, exposure


# --- The joint state of each unit before and after each of its events


@cached(nogil=True)
def trace_states(initial, unit, variable, state, stride, size):
    """Follow the units through events in order.

    Parameters:
        initial: joint state of each unit to begin with (N,).
        unit, variable, state: of each event, in order (E,).
        stride, size: of each variable (V,).

    Returns:
        Joint states before and after each event (E,), and of each unit at the end (N,).
    """
    current = initial.copy()
    before = np.empty(unit.size, dtype=np.int32)
    after = np.empty(unit.size, dtype=np.int32)
    for event in range(unit.size):
        i, v = unit[event], variable[event]
        old = current[i]
        code = (old // stride[v]) % size[v]
        new = old + (state[event] - code) * stride[v]
        before[event] = old
        after[event] = new
        current[i] = new
    return before, after, current
