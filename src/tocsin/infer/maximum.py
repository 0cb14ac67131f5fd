"""Maximise a likelihood with exact gradient and Hessian: Newton's method, kept uphill and within bounds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Objective = Callable[[NDArray[np.float64]], tuple[float, NDArray[np.float64], NDArray[np.float64]]]

TOLERANCE = 1e-9
LONGEST_STEP = 4.0  # of one parameter; all are logarithms or coefficients


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


def maximise(objective: Objective, start: Floats, lower: Floats, upper: Floats, most: int = 500) -> Maximum:
    """Climb from a start to a maximum.

    The step solves the Newton equation in the eigenbasis of the scaled Hessian with every curvature taken
    positive, so that it points uphill also where the likelihood is not concave (Nocedal & Wright 2006, ch. 3);
    parameters that press against a bound stay there.

    Parameters:
        objective: returns value, gradient and Hessian.
        start, lower, upper: (P,); infinite where there is no bound.
        most: bound on the steps.
    """
    vector = np.clip(start, lower, upper)
    value, gradient, hessian = objective(vector)
    for iteration in range(most):
        held = ((vector <= lower) & (gradient < 0)) | ((vector >= upper) & (gradient > 0))
        free = np.flatnonzero(~held)
        if not free.size or np.abs(gradient[free]).max() < TOLERANCE:
            return Maximum(vector, value, gradient, hessian, iteration, True)
        step = np.zeros_like(vector)
        step[free] = _uphill(gradient[free], hessian[np.ix_(free, free)])
        step *= min(1.0, LONGEST_STEP / max(np.abs(step).max(), 1e-300))
        length = 1.0
        gain = float(gradient @ step)
        while True:
            proposed = np.clip(vector + length * step, lower, upper)
            found = objective(proposed)
            if np.isfinite(found[0]) and found[0] >= value + 1e-4 * length * gain:
                break
            # At the top, rounding hides further gains: accept what does not lose and lowers the gradient.
            level = np.isfinite(found[0]) and abs(found[0] - value) <= 1e-11 * (1.0 + abs(value))
            if level and np.abs(found[1][free]).max() < np.abs(gradient[free]).max():
                break
            length *= 0.5
            if length < 1e-12:
                done = bool(np.abs(gradient[free]).max() < 1e-6 * (1.0 + abs(value)))
                return Maximum(vector, value, gradient, hessian, iteration, done)
        vector, (value, gradient, hessian) = proposed, found
    return Maximum(vector, value, gradient, hessian, most, False)


def _uphill(gradient: Floats, hessian: Floats) -> Floats:
    scale = 1.0 / np.sqrt(np.maximum(np.abs(np.diag(hessian)), 1e-12))
    curvature, basis = np.linalg.eigh(-hessian * scale[:, None] * scale[None, :])
    floor = 1e-10 * max(1.0, float(np.abs(curvature).max()))
    inner = basis.T @ (gradient * scale) / np.maximum(np.abs(curvature), floor)
    return np.asarray(scale * (basis @ inner))
