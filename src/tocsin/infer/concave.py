"""The maximum at once, where every cause has a factor of its own for each of its target rows.

The log-likelihood of such a transition is concave in these factors,

    sum over events of log(sum over causes of f_c E_c)  -  sum over causes and rows of f_c X_c,

and falls apart into one problem for each group of events that see the same rows, if no row is in two groups. So
a Hawkes process of many dimensions is as many small problems.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tocsin.infer.start import intercept
from tocsin.kernels.shares import bounded_step, sum_shares

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tocsin.infer.constraint import Constraint
    from tocsin.program import Program
    from tocsin.program.stack import Stack

    Floats = NDArray[np.float64]

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
