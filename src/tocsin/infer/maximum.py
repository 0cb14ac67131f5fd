"""Maximise a likelihood with exact gradient and Hessian: Newton's method, kept uphill and within bounds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.linalg.lapack import dpotrf, dpotrs

if TYPE_CHECKING:
    from numpy.typing import NDArray

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
