"""Exposures that stand inside the exponent of a hazard: what each source sends, and what each target is exposed to.

An *inner exposure* is the summed weight of ties from present sources in the states of a clause, each times its mark
if it has one. It is constant between events, and is brought up to date whenever a source, a tie or a total changes.
A hazard reads it as a number (plain, or as log(1 + E)) times static terms, or as the level in which it lies.
"""

from __future__ import annotations

import math

import numpy as np

from tocsin.kernels.compiled import inlined, inner, place

LAYER, MARK, TOTAL, FIRST_MARK = range(4)  # columns of `Layout.inner`

EXPOSURE, FORM, STRIDE, FIRST_CUT, CUTS = range(5)  # columns of `Layout.term`

CONSTANT, PLAIN, LOG1P, ABOVE, LEVELS = range(5)  # forms

SENT, FELT, SOURCES = 0, 1, 2  # of `World.inner`

CLOSE = 1e-9  # by how much an exposure must exceed a cut: sums of weights are not told apart more finely


@inlined
def inner_sent(lay, world, h, j):
    """Return what source j sends of inner exposure h; NaN where its mark is missing."""
    s = place(world.state[j])
    if world.present[j] == 0 or lay.inner_counts[h, s] == 0:
        return 0.0
    d = np.int64(lay.inner[h, MARK])
    if d < 0:
        return 1.0
    row = lay.rows[world.piece[d, j] + lay.columns[d, s]]
    return lay.inner_mark[place(lay.inner[h, FIRST_MARK] + row)] if row >= 0 else np.nan


@inlined
def add_inner(world, h, i, change, sources):
    """Add to what a target is exposed to, and to the number of its sources; without any it is exactly zero."""
    count = world.inner[SOURCES, h, i] + sources
    world.inner[SOURCES, h, i] = count
    world.inner[FELT, h, i] = world.inner[FELT, h, i] + change if count > 0.0 else 0.0


@inlined
def inner_felt(lay, world, h, i):
    """Return the exposure of a target, over the total of its ties if normalised."""
    exposure = world.inner[FELT, h, i]
    number = lay.inner[h, TOTAL]
    if number >= 0:
        total = world.totals[place(number), i]
        exposure = exposure / total if total > 0.0 else 0.0
    return exposure


@inlined
def exceeds(exposure, cut):
    """Return whether an exposure lies above a cut, whatever rounding left of it."""
    return exposure - cut > CLOSE * max(1.0, abs(cut))


@inner
def inner_level(lay, world, c, i):
    """Return by how many columns the levels of a cause's exposures move the row of a unit."""
    moved = np.int64(0)
    for number in range(lay.term_first[c], lay.term_first[c + 1]):
        term = place(number)
        if lay.term[term, FORM] == LEVELS:
            exposure, level = inner_felt(lay, world, place(lay.term[term, EXPOSURE]), i), 0
            first = lay.term[term, FIRST_CUT]
            for cut in range(first, first + lay.term[term, CUTS]):
                level += 1 if exceeds(exposure, lay.cut[place(cut)]) else 0
            moved += level * lay.term[term, STRIDE]
    return moved


@inner
def inner_factor(lay, tab, world, c, i, row):
    """Return the exponential of all terms of a cause, where some are numbers that follow exposures; else 1."""
    first, last = lay.term_first[c], lay.term_first[c + 1]
    summed, found, value = 0.0, False, 1.0
    for number in range(first, last):
        term = place(number)
        form = lay.term[term, FORM]
        if form == LEVELS:
            continue
        found = True
        value = 1.0
        if form != CONSTANT:
            value = inner_felt(lay, world, place(lay.term[term, EXPOSURE]), i)
            if form == LOG1P:
                value = math.log1p(value)
            elif form == ABOVE:
                value = 1.0 if exceeds(value, lay.cut[place(lay.term[term, FIRST_CUT])]) else 0.0
        if value != 0.0:
            summed += value * tab.bent[place(tab.bent_first[term] + row)]
    # Below the least number a hazard is as good as none, but must come back when the exposure falls.
    return max(math.exp(summed), 1e-300) if found and summed > -np.inf else 0.0 if found else 1.0
