"""Maximise a likelihood with exact gradient and Hessian: Newton's method, kept uphill and within bounds."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.linalg.lapack import dpotrf, dpotrs

from tocsin.fit.maximum.constraint import half_life_bounds
from tocsin.kernels.density import bounded_step, sum_shares
from tocsin.kernels.layout import LAYER
from tocsin.model.declaration import BAR

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tocsin.fit.maximum.constraint import Constraint
    from tocsin.program.exposure import Stack
    from tocsin.program.program import Program

    Floats = NDArray[np.float64]
    Objective = Callable[[NDArray[np.float64]], tuple[float, NDArray[np.float64], NDArray[np.float64]]]
    Length = Callable[[NDArray[np.float64]], float]

TOLERANCE = 1e-9

CLEARLY_CONCAVE = 1e-7  # of the scaled Hessian, above which no eigenvalue needs to be looked at

LONGEST_STEP = 4.0  # of the logarithm of any hazard; beyond it a quadratic model says nothing


@dataclass(frozen=True)
class Maximum:
    """Where the search ended.

    Attributes:
        vector, value, gradient, hessian: at the end.
        iterations: how many steps were taken.
        converged: whether the gradient of the free parameters is below the tolerance.
    """

    vector: Floats
    value: float
    gradient: Floats
    hessian: Floats
    iterations: int
    converged: bool


def maximise(
    objective: Objective,
    start: Floats,
    lower: Floats,
    upper: Floats,
    *,
    length: Length | None = None,
    noise: Floats | float = 0.0,
    tolerance: float = TOLERANCE,
    most: int = 300,
) -> Maximum:
    """Climb from a start to a maximum.

    The step solves the Newton equation in the eigenbasis of the scaled Hessian with every curvature taken
    positive, so that it points uphill also where the likelihood is not concave (Nocedal & Wright 2006, ch.
    3); parameters that press against a bound stay there.

    Parameters:
        objective: returns value, gradient and Hessian.
        start, lower, upper: (P,); infinite where there is no bound.
        length: by how much a step changes the logarithm of a hazard at most; the largest component by
            default.
        noise: the rounding error of each component of the gradient (P,), below which none can be driven.
        tolerance: the gradient at which to stop.
        most: bound on the steps.
    """
    vector = np.clip(start, lower, upper)
    value, gradient, hessian = objective(vector)
    if not np.isfinite(value):
        return Maximum(vector, value, gradient, hessian, 0, False)
    for iteration in range(most):
        held = ((vector <= lower) & (gradient < 0)) | ((vector >= upper) & (gradient > 0))
        free = np.flatnonzero(~held)
        if not free.size or np.all(np.abs(gradient) <= np.maximum(tolerance, noise), where=~held):
            return Maximum(vector, value, gradient, hessian, iteration, True)
        step = np.zeros_like(vector)
        step[free] = _uphill(gradient[free], hessian[np.ix_(free, free)])
        reach = float(np.abs(step).max()) if length is None else length(step)
        step *= min(1.0, LONGEST_STEP / max(reach, 1e-300))
        share = 1.0
        gain = float(gradient @ step)
        while True:
            proposed = np.clip(vector + share * step, lower, upper)
            found = objective(proposed)
            if np.isfinite(found[0]) and found[0] >= value + 1e-4 * share * gain and found[0] > value:
                break
            # At the top, rounding hides further gains: accept what does not lose and lowers the gradient.
            level = np.isfinite(found[0]) and abs(found[0] - value) <= 1e-11 * (1.0 + abs(value))
            if level and _lower(found[1][free], gradient[free], hessian[np.ix_(free, free)]):
                break
            share *= 0.5
            if share < 1e-12:
                small = np.abs(gradient) <= np.maximum(1e-6 * (1.0 + abs(value)), noise)
                return Maximum(vector, value, gradient, hessian, iteration, bool(np.all(small, where=~held)))
        vector, (value, gradient, hessian) = proposed, found
    return Maximum(vector, value, gradient, hessian, most, False)


def _lower(new: Floats, old: Floats, hessian: Floats) -> bool:
    """Say whether a gradient is lower than another, each component in units of its own curvature."""
    scale = 1.0 / np.sqrt(np.maximum(np.abs(np.diag(hessian)), 1e-12))
    return bool(np.abs(new * scale).max() < 0.9 * np.abs(old * scale).max())


def _uphill(gradient: Floats, hessian: Floats) -> Floats:
    scale = 1.0 / np.sqrt(np.maximum(np.abs(np.diag(hessian)), 1e-12))
    root, failed = dpotrf(-hessian * scale[:, None] * scale[None, :], lower=1)
    if not failed and np.diag(root).min() ** 2 > CLEARLY_CONCAVE:
        return np.asarray(scale * dpotrs(root, gradient * scale, lower=1)[0])
    curvature, basis = np.linalg.eigh(-hessian * scale[:, None] * scale[None, :])
    floor = 1e-10 * max(1.0, float(np.abs(curvature).max()))
    inner = basis.T @ (gradient * scale) / np.maximum(np.abs(curvature), floor)
    return np.asarray(scale * (basis @ inner))


# --- Where the search for a maximum begins: shares of the causes by EM, and a few shapes of memory
#     and
# response.

LARGE = 4_000_000  # numbers read by one evaluation; above it the search begins at the best place alone

EM_STEPS = 6


def intercept(program: Program, number: int) -> int:
    """Return the position of a cause's intercept, -1 where its formula has none."""
    slots = program.slots[number]
    wanted = [slots.plain, "mass"] if slots.mass else [slots.cause, "1"]
    names = [program.parameter_names[position].split(BAR)[1::2] for position in slots.target]
    return slots.target.start + names.index(wanted) if wanted in names else -1


def shift(program: Program, number: int, vector: Floats, by: float) -> None:
    """Multiply the hazard of a cause by exp(by): through its intercept, or the mean of its categories."""
    slots, place = program.slots[number], intercept(program, number)
    if place >= 0:
        vector[place] += by
    else:
        matrix = program.likelihood.causes[number].matrix
        constant, *_ = np.linalg.lstsq(matrix, np.full(matrix.shape[0], by), rcond=None)
        vector[slots.target.start : slots.target.stop] += constant


def first_start(
    program: Program, constraint: Constraint, memory: float = 0.5, response: float = 0.0, home: float = 0.5
) -> Floats:
    """Return a start at which the causes of each transition explain its events in given shares.

    Parameters:
        memory: where the half-lives stand between their bounds, from 0 to 1, on the logarithm.
        response: the logarithm of the alphas.
        home: the share of the baselines where a transition has both kinds of cause.
    """
    likelihood = program.likelihood
    vector = np.zeros(len(program.parameter_names))
    low, high = half_life_bounds(program)
    for slots in program.slots:
        if slots.half_life >= 0:
            vector[slots.half_life] = low + memory * (high - low)
        if slots.alpha >= 0:
            vector[slots.alpha] = response
    vector = constraint.expand(constraint.reduce(vector))
    begin = vector.copy()
    for group in likelihood.groups:
        shifted: dict[
            int, list[float]
        ] = {}  # of the intercept of each cause, one for all levels that share a mass
        at_home = [bool(program.opening.cause[c, LAYER] < 0) for c in group]
        for number, own in zip(group, at_home, strict=True):
            if all(at_home) or not any(at_home):
                share = 1.0 / len(group)
            else:
                share = home / sum(at_home) if own else (1.0 - home) / (len(group) - sum(at_home))
            cause = likelihood.causes[number]
            event, _ = cause.reach()
            exposure = likelihood.expected(number, begin)
            if 0.0 < exposure < math.inf:
                place = intercept(program, number)
                known = shifted.setdefault(place if place >= 0 else -1 - number, [0.0, 0.0, number])
                known[0] += max(event.size, 0.5) * share
                known[1] += exposure
        for given, expected, which in shifted.values():
            shift(program, int(which), vector, math.log(given / expected))
    return constraint.expand(constraint.reduce(vector))


def em_steps(program: Program, constraint: Constraint, vector: Floats, steps: int = EM_STEPS) -> Floats:
    """Move the strengths of the causes by EM (Veen & Schoenberg 2008).

    Each step gives every event to its causes by their shares of the hazard, and scales each cause so that
    what it was given equals its integrated hazard. It never lowers the likelihood.
    """
    likelihood = program.likelihood
    for _ in range(steps if any(len(group) > 1 for group in likelihood.groups) else 0):
        moved = vector.copy()
        for group in filter(None, likelihood.groups):
            shares, events = likelihood.given_to(group, vector)
            if not events or not np.isfinite(shares).all():
                return vector
            sums: dict[int, list[float]] = {}
            for number, given in zip(group, shares, strict=True):
                place = intercept(program, number)
                known = sums.setdefault(place if place >= 0 else -1 - number, [0.0, 0.0, number])
                known[0] += given
                known[1] += likelihood.expected(number, vector)
            for given, expected, which in sums.values():
                if given > 1e-12 and 0.0 < expected < math.inf:
                    shift(program, int(which), moved, math.log(given / expected))
        vector = constraint.expand(constraint.reduce(moved))
    return vector


def starts(program: Program, constraint: Constraint) -> list[Floats]:
    """Return where to begin: one place where the likelihood has one summit, several where it may have more.

    It has one where every transition has one log-linear cause, or where strengths alone are free.
    """
    free = constraint.group >= 0
    memory = any(slots.half_life >= 0 and free[slots.half_life] for slots in program.slots)
    response = any(slots.alpha >= 0 and free[slots.alpha] for slots in program.slots)
    marks = any(free[list(slots.source)].any() for slots in program.slots)
    slopes = any(
        len(group) > 1 and any(free[program.slots[c].target].sum() > 1 for c in group)
        for group in program.likelihood.groups
    )
    size = sum(c.matrix.size + program.trace.time.size * len(c.positions) for c in program.likelihood.causes)

    chosen = [first_start(program, constraint)]
    summit, whole = factors_at_summit(program, constraint, chosen[0])
    if whole:
        return [summit]
    if memory:
        chosen += [first_start(program, constraint, memory=place) for place in (0.2, 0.8)]
    if response:
        chosen += [first_start(program, constraint, response=value) for value in (-0.7, 0.7)]
    if (marks or slopes or memory or response) and size <= LARGE:
        chosen += [first_start(program, constraint, home=share) for share in (0.05, 0.95)]
    found = [em_steps(program, constraint, start) for start in chosen]
    return found if size <= LARGE else [max(found, key=program.likelihood.value)]


# --- The maximum at once, where every cause has a factor of its own for each of its target rows
#
# The log-likelihood of such a transition is concave in these factors,
#
# sum over events of log(sum over causes of f_c E_c)  -  sum over causes and rows of f_c X_c,
#
# and falls apart into one problem for each group of events that see the same rows, if no row is in two groups. So
# a Hawkes process of many dimensions is as many small problems.

STEPS, SWEEPS = 50, 2000

LEVEL = 1e-10  # slope in the logarithms that is left

ENOUGH = 1e-18  # gain in log-likelihood that is left, when Newton's method from there will do

NOTHING = 1e-13  # expected events of a factor that the data put at zero


def factors_at_summit(program: Program, constraint: Constraint, vector: Floats) -> tuple[Floats, bool]:
    """Return the parameters at their maximum if every transition falls apart so, and whether they do.

    Parameters:
        vector: parameters to begin with (P,).
    """
    vector = vector.copy()
    groups = [group for group in program.likelihood.groups if group]
    if not all(_free(program, constraint, group) for group in groups):
        return vector, False
    for group in groups:
        stack = program.likelihood.stack(group, vector)
        if stack is None or any(np.unique(column).size < column.size for column in stack.rows.T):
            return vector, False
        causes = stack.causes
        decays = [cause.shape(vector)[0] for cause in causes]
        exposure = [c.swept(decay).summed[:, 0, 0] for c, decay in zip(causes, decays, strict=True)]
        if any(each.size != column.size for each, column in zip(exposure, stack.rows.T, strict=True)):
            return vector, False  # a row without events
        whole = np.stack([each[rows] for each, rows in zip(exposure, stack.rows.T, strict=True)], axis=1)
        if not (whole > 0).all():
            return vector, False
        factor = _summit(stack, whole)
        for k, cause in enumerate(causes):
            value = np.empty(factor.shape[0])
            value[stack.rows[:, k]] = np.log(np.maximum(factor[:, k], NOTHING / whole[:, k]))
            vector[list(cause.slots.target)] = np.linalg.solve(cause.matrix, value)
    return vector, True


def _free(program: Program, constraint: Constraint, group: list[int]) -> bool:
    """Say whether every cause has as many free terms as rows, which they tell apart."""
    for cause in (program.likelihood.causes[number] for number in group):
        rows, terms = cause.matrix.shape
        own = list(cause.slots.target)
        if not cause.plain or rows != terms or intercept(program, cause.number) < 0:
            return False
        if (constraint.group[own] < 0).any() or np.isin(
            constraint.group, constraint.group[own]
        ).sum() > terms:
            return False
        if np.linalg.cond(cause.matrix) > 1e6:
            return False
    return True


def _summit(stack: Stack, whole: Floats) -> Floats:
    """Return the factors of highest likelihood (G, C): in every group Newton's method with bounds at zero.

    A step goes to the summit of the quadratic within the bounds (Bertsekas 1982); one that loses is halved.
    """
    size = whole.shape
    given = np.diff(stack.first)[:, None] / np.full(size, size[1])  # f X, the events it expects
    best, step, kept = np.full(size[0], -np.inf), np.zeros(size), given.copy()
    going = stack.every
    for _ in range(STEPS):
        value, single, double = sum_shares(stack.exposure, stack.first, going, given / whole, 2)
        left = []
        for g in going:
            level = value[g] - given[g].sum()
            if level < best[g] - 1e-9 * abs(best[g]):
                step[g] *= 0.5
            else:
                best[g], kept[g] = level, given[g]
                slope = single[g] / given[g] - 1.0
                curve = double[g] / given[g, :, None] / given[g]
                step[g] = bounded_step(slope, curve, given[g], NOTHING, SWEEPS)
                if float(step[g] @ slope) < ENOUGH and np.abs(slope * given[g]).max() < LEVEL:
                    continue
            given[g] = np.maximum(kept[g] + step[g], NOTHING)
            left.append(g)
        if not left:
            break
        going = np.array(left)
    return np.asarray(kept / whole)
