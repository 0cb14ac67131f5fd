"""The age of a unit's state in the hazard of its clocks: its integrated function, and the inverse of that.

No clock waits for an age to pass from one piece to the next: what it spends is the integral of the function of the
age, and when it fires the inverse. Under `pieces` the value of a target row is that of its level, row + level *
LEVEL_ROWS; as a number the age a multiplies it by a^k (`LOG`) or exp(k a) (`PLAIN`), k being the slope of the row.
"""

from __future__ import annotations

import math

import numpy as np

from tocsin.kernels.compiled import inlined, inner, place
from tocsin.kernels.layout import (
    AGE,
    FIRST_CUT,
    FROM_ENTRY,
    LEVEL_ROWS,
    LEVELS,
    LOG,
    MOVES,
    PIECES,
    TARGET,
    TRANSITION,
)

GOLDEN = 0.5 * (math.sqrt(5.0) - 1.0)

ROW, BORN = (
    0,
    1,
)  # columns of what a clock knows of its age: the target row of the first level, and since when


@inlined
def decay_integral(rate, span):
    """Return the integral of exp(-rate s) over [0, span]."""
    return span if rate == 0.0 else -math.expm1(-rate * span) / rate


@inlined
def fires_after(left, hazard, rate):
    """Return how long a hazard, constant or decaying, takes to spend what is left of a threshold."""
    if rate == 0.0:
        return left / hazard
    share = left * rate / hazard
    return -math.log1p(-share) / rate if share < 1.0 else np.inf


@inlined
def target_row(lay, world, c, i):
    """Return the target row of a unit now, that of the first level of its age; -1 where a covariate is missing."""
    d = place(lay.cause[c, TARGET])
    row = np.int64(lay.same[d])
    if row < 0:
        row = np.int64(lay.rows[world.piece[d, i] + lay.columns[d, place(world.state[i])]])
    return row


@inlined
def born(lay, world, c, i):
    """Return since when a unit is in the state that a cause moves it from, NaN where nobody knows."""
    variable = place(lay.transition[place(lay.cause[c, TRANSITION]), MOVES])
    since = world.since[variable, i]
    if since != since and lay.cause[c, AGE] >= FROM_ENTRY:
        since = lay.since[1, variable, i]
    return since


@inner
def level_of(lay, c, since, time, begins):
    """Return the level of an age: by right limit where a stretch begins, else by left limit."""
    first, cuts = lay.cause[c, FIRST_CUT], np.int64(lay.cause[c, LEVELS])
    if since != since:
        return cuts + 1
    level = np.int64(0)
    while level < cuts:
        bound = since + lay.age_cuts[first + level]
        if bound > time or (bound == time and not begins):
            break
        level += 1
    return level


@inner
def aged_value(lay, tab, c, row, since, time, begins):
    """Return the value of a target row at a time, by right limit or by left limit."""
    at, kind = tab.first[0, c] + row, lay.cause[c, AGE] % FROM_ENTRY
    if kind == PIECES or since != since:
        return tab.values[at + level_of(lay, c, since, time, begins) * lay.cause[c, LEVEL_ROWS]]
    if kind == LOG:
        return tab.values[at] * (time - since) ** tab.slope[at]
    return tab.values[at] * math.exp(tab.slope[at] * (time - since))


@inner
def aged_integral(lay, tab, c, row, since, begin, end, rate):
    """Return the integral of the value of a target row times exp(-rate (t - begin)) from `begin` to `end`."""
    at, kind, span = tab.first[0, c] + row, lay.cause[c, AGE] % FROM_ENTRY, end - begin
    if kind == PIECES or since != since:
        level, cuts = level_of(lay, c, since, begin, True), lay.cause[c, LEVELS]
        total, time = 0.0, begin
        while True:
            until = end
            if level < cuts:
                until = min(end, since + lay.age_cuts[lay.cause[c, FIRST_CUT] + level])
            faded = 1.0 if rate == 0.0 else math.exp(-rate * (time - begin))
            value = tab.values[at + level * lay.cause[c, LEVEL_ROWS]]
            total += value * faded * decay_integral(rate, until - time)
            if until >= end:
                return total
            time = until
            level += 1
    k, age = tab.slope[at], begin - since
    if kind == LOG:
        power = k + 1.0
        if age <= 0.0:
            return tab.values[at] * span**power / power
        return tab.values[at] * age**power * math.expm1(power * math.log1p(span / age)) / power
    return tab.values[at] * math.exp(k * age) * (span if k == 0.0 else math.expm1(k * span) / k)


@inner
def aged_wait(lay, tab, c, row, since, begin, left, rate):
    """Return how long it takes from `begin` until that integral reaches `left`; infinity where it never does."""
    at, kind = tab.first[0, c] + row, lay.cause[c, AGE] % FROM_ENTRY
    if kind == PIECES or since != since:
        level, cuts = level_of(lay, c, since, begin, True), lay.cause[c, LEVELS]
        time = begin
        while True:
            faded = 1.0 if rate == 0.0 else math.exp(-rate * (time - begin))
            value = tab.values[at + level * lay.cause[c, LEVEL_ROWS]] * faded
            waits = fires_after(left, value, rate) if value > 0.0 else np.inf
            if level >= cuts:
                return time - begin + waits
            until = since + lay.age_cuts[lay.cause[c, FIRST_CUT] + level]
            if waits <= until - time:
                return time - begin + waits
            left -= value * decay_integral(rate, until - time)
            left = max(left, 0.0)
            time = until
            level += 1
    value, k, age = tab.values[at], tab.slope[at], begin - since
    if not value > 0.0:
        return np.inf
    if kind == LOG:
        power = k + 1.0
        grown = power * left / value
        if age <= 0.0:
            return grown ** (1.0 / power)
        return age * math.expm1(math.log1p(grown / age**power) / power)
    if k == 0.0:
        return left / value
    grown = k * left / value * math.exp(-k * age)
    return math.log1p(grown) / k if grown > -1.0 else np.inf


@inner
def age_mark(lay, tab, c, row):
    """Return a number that tells the functions of two target rows of a cause apart, however old a state is."""
    at = tab.first[0, c] + row
    if lay.cause[c, AGE] % FROM_ENTRY != PIECES:
        return tab.values[at] * (2.0 + math.tanh(tab.slope[at]))
    mark, weight = 0.0, 1.0
    for level in range(lay.cause[c, LEVELS] + 1):
        mark += weight * tab.values[at + level * lay.cause[c, LEVEL_ROWS]]
        weight *= GOLDEN
    return mark
