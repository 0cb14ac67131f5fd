"""Log-likelihood and gradient of a program in one pass over what its sweeps have summed up.

The sampler calls it a hundred thousand times, so everything stands in a few flat arrays. The formulas are
those of `program.likelihood`; here only what changes with the parameters is done, and random effects are
added: numbers that raise or lower the logarithm of a target row.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tocsin.kernels.jit import entry, inlined, inner
from tocsin.kernels.sweep import integrals

# Columns of `cause`: where its parameters stand, and where its arrays begin in the flat ones.
(
    TARGETS,  # first of its target parameters, and how many
    TARGETS_SIZE,
    SOURCES,  # first of its source parameters, and how many
    SOURCES_SIZE,
    HALF_LIFE,  # position of log half-life, -1 where it is fixed
    ALPHA,  # position of log alpha, -1 where it is 1
    ROWS,  # first of its target rows, and how many
    ROWS_SIZE,
    MATRIX,  # beginning in `matrix`
    MARK_ROWS,  # first of its source rows, and how many
    MARK_ROWS_SIZE,
    MARKS,  # beginning in `marks`
    ELEMENTS,  # first of the elements of its integral, and how many
    ELEMENTS_SIZE,
    EXPOSURE,  # beginning in `exposure`
    EVENTS,  # first of its events, and how many
    EVENTS_SIZE,
    EVENT_EXPOSURE,  # beginning in `event_exposure`
    MOMENTS,  # moments of age: 3 where the half-life is estimated, else 1
    BASES,  # first of the distinct rows of its declared terms, and how many
    BASES_SIZE,
) = range(21)
COLUMNS = 21


class Terms(NamedTuple):
    """What the likelihood of a program is made of; C causes, K transitions, one after the other."""

    cause: NDArray[np.int64]  # (C, COLUMNS)
    group: NDArray[np.int64]  # (K + 1,) first cause of each transition
    decay: NDArray[np.float64]  # (C,) ln 2 / half-life where it is fixed, 0 under `while`
    matrix: NDArray[np.float64]  # distinct rows of target terms (rows, terms), cause by cause
    marks: NDArray[np.float64]  # source terms (rows, terms), cause by cause
    base: NDArray[np.int32]  # distinct row of its terms of each target row
    effect: NDArray[np.int32]  # (all target rows, 2) random effects of each target row, -1 for none
    row: NDArray[np.int32]  # target row of each element of an integral
    span: NDArray[np.float64]  # its length; below 0 where the integral is summed up already
    exposure: NDArray[np.float64]  # its exposure (source rows, moments)
    event_row: NDArray[np.int32]  # target row of each event
    event_exposure: NDArray[np.float64]  # its exposure (source rows, moments)


@inlined
def exposure_of(values, begin, moments, weight, first, rows):
    """Return an exposure: the sum over source rows of their weights times the first moment."""
    total = values[begin] * weight[first]
    for q in range(1, rows):
        total += values[begin + q * moments] * weight[first + q]
    return total


@inlined
def raised(exposure, alpha):
    """Return exposure^alpha."""
    return exposure if alpha == 1.0 else math.exp(alpha * math.log(exposure))


@inlined
def plain(cause):
    """Return whether a cause has target parameters only."""
    return cause[SOURCES_SIZE] == 0 and cause[HALF_LIFE] < 0 and cause[ALPHA] < 0


@inner
def accumulate(cause, values, begin, weight, exposure, decay, alpha, span, by, push, gradient):
    """Add `by` times the gradient of the logarithm of one element; that of source rows is gathered first."""
    moments, first = cause[MOMENTS], cause[MARK_ROWS]
    age = 0.0
    for q in range(cause[MARK_ROWS_SIZE]):
        share = weight[first + q] / exposure
        push[first + q] += by * alpha * values[begin + q * moments] * share
        if moments == 3:
            age += values[begin + q * moments + 1] * share
    rate = alpha * decay
    slope = 0.0  # of the logarithm of the integral of the decay, by its rate
    if span >= 0.0 and rate > 0.0:
        j0, j1, _ = integrals(rate, span)
        slope = -j1 / j0
    if cause[HALF_LIFE] >= 0:
        gradient[cause[HALF_LIFE]] += by * (alpha * decay * age - slope * rate)
    if cause[ALPHA] >= 0:
        gradient[cause[ALPHA]] += by * (alpha * math.log(exposure) + slope * rate)


@entry
def log_likelihood(terms, vector, effect):
    """Return the log-likelihood and its gradient.

    Parameters:
        terms: the Terms of a program.
        vector: the parameters (P,); effect: the random effects (R,).

    Returns:
        value, gradient (P,), gradient in the random effects (R,).
    """
    count = terms.cause.shape[0]
    gradient, effect_gradient = np.zeros(vector.size), np.zeros(effect.size)
    last = terms.cause[count - 1]
    factor = np.zeros(terms.base.size)  # exp(beta . x + effects) of every target row
    base = np.zeros(last[BASES] + last[BASES_SIZE])  # exp(beta . x) of the distinct rows of terms
    raising = np.exp(effect)
    weight = np.zeros(last[MARK_ROWS] + last[MARK_ROWS_SIZE])
    pull, base_pull, push = np.zeros(factor.size), np.zeros(base.size), np.zeros(weight.size)
    shapes = np.empty((count, 2))
    for c in range(count):
        cause = terms.cause[c]
        for b in range(cause[BASES_SIZE]):
            total, at = 0.0, cause[MATRIX] + b * cause[TARGETS_SIZE]
            for p in range(cause[TARGETS_SIZE]):
                total += terms.matrix[at + p] * vector[cause[TARGETS] + p]
            base[cause[BASES] + b] = math.exp(total)
        for r in range(cause[ROWS], cause[ROWS] + cause[ROWS_SIZE]):
            product = base[cause[BASES] + terms.base[r]]
            for which in range(2):
                number = terms.effect[r, which]
                if number >= 0:
                    product *= raising[number]
            factor[r] = product
        for q in range(cause[MARK_ROWS_SIZE]):
            total, at = 0.0, cause[MARKS] + q * cause[SOURCES_SIZE]
            for p in range(cause[SOURCES_SIZE]):
                total += terms.marks[at + p] * vector[cause[SOURCES] + p]
            weight[cause[MARK_ROWS] + q] = math.exp(total)
        shapes[c, 0] = terms.decay[c]
        if cause[HALF_LIFE] >= 0:
            shapes[c, 0] = math.log(2.0) * math.exp(-vector[cause[HALF_LIFE]])
        shapes[c, 1] = math.exp(vector[cause[ALPHA]]) if cause[ALPHA] >= 0 else 1.0

    value = 0.0
    for c in range(count):
        cause = terms.cause[c]
        width = cause[MARK_ROWS_SIZE] * cause[MOMENTS]
        decay, alpha = shapes[c]
        first_row, first_mark, marks = cause[ROWS], cause[MARK_ROWS], cause[MARK_ROWS_SIZE]
        for n in range(cause[ELEMENTS_SIZE]):
            number = cause[ELEMENTS] + n
            begin = cause[EXPOSURE] + n * width
            exposure = exposure_of(terms.exposure, begin, cause[MOMENTS], weight, first_mark, marks)
            if exposure <= 0.0:
                continue
            row, span = terms.row[number], terms.span[number]
            element = factor[first_row + row] * raised(exposure, alpha)
            if span >= 0.0:
                element *= integrals(decay * alpha, span)[0]
            value -= element
            pull[first_row + row] -= element
            if not plain(cause):
                accumulate(
                    cause,
                    terms.exposure,
                    begin,
                    weight,
                    exposure,
                    decay,
                    alpha,
                    span,
                    -element,
                    push,
                    gradient,
                )

    for k in range(terms.group.size - 1):
        first, own = terms.group[k], terms.group[k + 1] - terms.group[k]
        events = terms.cause[first, EVENTS_SIZE] if own > 0 else 0
        hazard, exposures = np.zeros((own, events)), np.zeros((own, events))
        total = np.zeros(events)
        for c in range(own):
            cause = terms.cause[first + c]
            width = cause[MARK_ROWS_SIZE] * cause[MOMENTS]
            alpha = shapes[first + c, 1]
            for n in range(events):
                begin = cause[EVENT_EXPOSURE] + n * width
                exposure = exposure_of(
                    terms.event_exposure,
                    begin,
                    cause[MOMENTS],
                    weight,
                    cause[MARK_ROWS],
                    cause[MARK_ROWS_SIZE],
                )
                if exposure > 0.0:
                    row = terms.event_row[cause[EVENTS] + n]
                    hazard[c, n] = factor[cause[ROWS] + row] * raised(exposure, alpha)
                    exposures[c, n] = exposure
                    total[n] += hazard[c, n]
        for n in range(events):
            if total[n] <= 0.0:
                return -np.inf, gradient, effect_gradient
            value += math.log(total[n])
        for c in range(own):
            cause = terms.cause[first + c]
            width = cause[MARK_ROWS_SIZE] * cause[MOMENTS]
            decay, alpha = shapes[first + c]
            for n in range(events):
                share = hazard[c, n] / total[n]
                if share > 0.0:
                    pull[cause[ROWS] + terms.event_row[cause[EVENTS] + n]] += share
                    if not plain(cause):
                        accumulate(
                            cause,
                            terms.event_exposure,
                            cause[EVENT_EXPOSURE] + n * width,
                            weight,
                            exposures[c, n],
                            decay,
                            alpha,
                            -1.0,
                            share,
                            push,
                            gradient,
                        )

    for c in range(count):
        cause = terms.cause[c]
        for r in range(cause[ROWS], cause[ROWS] + cause[ROWS_SIZE]):
            by = pull[r]
            base_pull[cause[BASES] + terms.base[r]] += by
            for which in range(2):
                number = terms.effect[r, which]
                if number >= 0:
                    effect_gradient[number] += by
        for b in range(cause[BASES_SIZE]):
            by, at = base_pull[cause[BASES] + b], cause[MATRIX] + b * cause[TARGETS_SIZE]
            for p in range(cause[TARGETS_SIZE]):
                gradient[cause[TARGETS] + p] += by * terms.matrix[at + p]
        for q in range(cause[MARK_ROWS_SIZE]):
            by, at = push[cause[MARK_ROWS] + q], cause[MARKS] + q * cause[SOURCES_SIZE]
            for p in range(cause[SOURCES_SIZE]):
                gradient[cause[SOURCES] + p] += by * terms.marks[at + p]
    return value, gradient, effect_gradient
