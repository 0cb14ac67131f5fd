"""Weak priors for penalised fits."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from tocsin.errors import ModelError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tocsin.program import Program


@dataclass(frozen=True)
class Prior:
    """Independent normal priors on coefficients, strengths and shape parameters.

    Attributes:
        coefficient: standard deviation of a coefficient about 0, per standard deviation of its term over the time
            at risk; for a term of two values per their distance.
        strength: standard deviation of an intercept (a log rate, or the log of a contagion's strength), at the
            mean of every term over the time at risk, about the logarithm of one event a unit and window.
        half_life: standard deviation of log half-life about the geometric mean of its bounds.
        alpha: standard deviation of log alpha about 0.
    """

    coefficient: float = 2.5
    strength: float = 5.0
    half_life: float = 1.5
    alpha: float = 0.5

    def __post_init__(self) -> None:
        for name in ("coefficient", "strength", "half_life", "alpha"):
            value = getattr(self, name)
            if not (isinstance(value, int | float) and math.isfinite(value) and value > 0):
                raise ModelError(f"the prior's {name} is a standard deviation above 0, not {value!r}")

    def centre_and_scale(self, program: Program) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return mean and standard deviation of every parameter (P,), in the order of a program on its scale."""
        size = len(program.parameter_names)
        centre, scale = np.zeros(size), np.full(size, self.coefficient)
        start, end = program.opening.window
        for slots in program.slots:
            for position in slots.target:
                if program.parameter_names[position].endswith(" | 1"):
                    centre[position], scale[position] = -math.log(end - start), self.strength
            if slots.half_life >= 0:
                low, high = half_life_bounds(program)
                centre[slots.half_life], scale[slots.half_life] = (low + high) / 2, self.half_life
            if slots.alpha >= 0:
                scale[slots.alpha] = self.alpha
        return centre, scale


def half_life_bounds(program: Program) -> tuple[float, float]:
    """Return the logarithms of the bounds of an estimated half-life: half a unit of the clock, and the
    window."""
    start, end = program.opening.window
    return math.log(0.5 if end - start > 0.5 else 0.01 * (end - start)), math.log(end - start)


def weak_prior(
    coefficient: float = 2.5, strength: float = 5.0, half_life: float = 1.5, alpha: float = 0.5
) -> Prior:
    """Return a weak prior, which keeps estimates finite where the data are thin (after Gelman et al. 2008).

    Parameters:
        coefficient, strength, half_life, alpha: standard deviations; see `Prior`.

    Raises:
        ModelError: a standard deviation is not a positive number.
    """
    return Prior(coefficient, strength, half_life, alpha)
