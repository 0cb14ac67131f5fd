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

from tocsin.kernels.compiled import entry, inlined, inner
from tocsin.kernels.exposure_sweep import integrals

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
    MASS,  # 1 where the intercept is the logarithm of the mass, strength h / ln 2
) = range(22)

COLUMNS = 22


class LikelihoodTerms(NamedTuple):
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
        shapes[c, 0] = terms.decay[c]
        if cause[HALF_LIFE] >= 0:
            shapes[c, 0] = math.log(2.0) * math.exp(-vector[cause[HALF_LIFE]])
        shapes[c, 1] = math.exp(vector[cause[ALPHA]]) if cause[ALPHA] >= 0 else 1.0
        for b in range(cause[BASES_SIZE]):
            total, at = 0.0, cause[MATRIX] + b * cause[TARGETS_SIZE]
            if cause[MASS] > 0:
                total = math.log(shapes[c, 0])
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
            if cause[MASS] > 0:
                gradient[cause[HALF_LIFE]] -= by
            for p in range(cause[TARGETS_SIZE]):
                gradient[cause[TARGETS] + p] += by * terms.matrix[at + p]
        for q in range(cause[MARK_ROWS_SIZE]):
            by, at = push[cause[MARK_ROWS] + q], cause[MARKS] + q * cause[SOURCES_SIZE]
            for p in range(cause[SOURCES_SIZE]):
                gradient[cause[SOURCES] + p] += by * terms.marks[at + p]
    return value, gradient, effect_gradient


# --- The shares of causes in events, summed over events that see the same terms, and a step from
#     them


@entry
def sum_shares(exposure, first, chosen, factor, order):
    """Sum up log hazards and shares, group by group.

    With the hazard lambda = sum over causes of f_c E_c and the shares s_c = f_c E_c / lambda of an event:

    Parameters:
        exposure: of the events, group by group (E, C).
        first: first event of each group (G + 1,); chosen: the groups to look at, zeros for the others.
        factor: f, what multiplies the exposure in each group (G, C).
        order: 0 for log hazards, 1 with sums of s, 2 with sums of s s' too.

    Returns:
        Sum of log lambda by group (G,), sums of s (G, C) and of s s' (G, C, C).
    """
    groups, causes = factor.shape
    value = np.zeros(groups)
    single = np.zeros((groups if order > 0 else 0, causes))
    double = np.zeros((groups if order > 1 else 0, causes, causes))
    share = np.empty(causes)
    for g in chosen:
        total = 0.0
        for e in range(first[g], first[g + 1]):
            hazard = 0.0
            for c in range(causes):
                share[c] = factor[g, c] * exposure[e, c]
                hazard += share[c]
            total += math.log(hazard) if hazard > 0.0 else -math.inf
            if order > 0:
                by = 1.0 / hazard if hazard > 0.0 else math.nan
                for c in range(causes):
                    share[c] *= by
                    single[g, c] += share[c]
            if order > 1:
                for a in range(causes):
                    own = share[a]
                    for b in range(a + 1):
                        double[g, a, b] += own * share[b]
        value[g] = total
        if order > 1:
            for a in range(causes):
                for b in range(a):
                    double[g, b, a] = double[g, a, b]
    return value, single, double


@entry
def bounded_step(slope, curve, place, least, sweeps):
    """Return the step to the summit of slope . d - d' curve d / 2 among steps that keep place + d >= least.

    Found by going up one coordinate after the other, at most `sweeps` times over all.
    """
    size = slope.size
    step, left = np.zeros(size), slope.copy()  # left: the slope at the step
    for _ in range(sweeps):
        most = 0.0
        for a in range(size):
            if curve[a, a] <= 0.0:
                continue
            to = max(step[a] + left[a] / curve[a, a], least - place[a])
            by = to - step[a]
            if by != 0.0:
                step[a] = to
                most = max(most, abs(by) * math.sqrt(curve[a, a]))
                for b in range(size):
                    left[b] -= by * curve[a, b]
        if most < 1e-13:
            break
    return step


# --- A scale on which a strength is about equally well known everywhere, for the sampler

STEPS = 60


@entry
def unroll(place, log_reach, floor):
    """Return log strengths from places on a scale of even information.

    A cause of strength exp(x) that expects n = exp(x + log_reach) events has about the Fisher information
    n + floor^2 about x: n from the data, floor^2 from a normal prior of standard deviation 1 / floor. The
    place is y(x) = integral of u dx = 2 u + floor (x + log_reach - 2 log(u + floor)), u = sqrt(n + floor^2).
    So what the data know to a hair and the long tail towards zero have one width.

    Parameters:
        place: y (K,); log_reach: log of the events that a cause of strength 1 expects (K,); floor: (K,).

    Returns:
        x (K,), dx/dy (K,), d log(dx/dy) / dy (K,).
    """
    result, slope, bend = np.empty(place.size), np.empty(place.size), np.empty(place.size)
    for k in range(place.size):
        a, y = floor[k], place[k]
        # y(x) is convex and rises, so Newton's steps come down from the right and do not overshoot.
        x = (y - 2.0 * a) / a + 2.0 * math.log(2.0 * a)  # of x + log_reach, where n is small
        if y > 0.0:
            x = min(x, 2.0 * math.log(y / 2.0 + 2.0 * a + 1.0))
        for _ in range(STEPS):
            u = math.sqrt(math.exp(min(x, 700.0)) + a * a)
            step = (2.0 * u + a * (x - 2.0 * math.log(u + a)) - y) / u
            x -= step
            if abs(step) < 1e-14 * (1.0 + abs(x)):
                break
        n = math.exp(min(x, 700.0))
        u = math.sqrt(n + a * a)
        result[k], slope[k], bend[k] = x - log_reach[k], 1.0 / u, -n / (2.0 * u**3)
    return result, slope, bend


@entry
def roll(value, log_reach, floor):
    """Return the places of log strengths (K,): the inverse of `unroll`."""
    result = np.empty(value.size)
    for k in range(value.size):
        x, a = value[k] + log_reach[k], floor[k]
        u = math.sqrt(math.exp(x) + a * a)
        result[k] = 2.0 * u + a * (x - 2.0 * math.log(u + a))
    return result
