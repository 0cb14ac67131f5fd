"""Draws from a density of which only a rough likeness can be sampled, by way of the densities between.

Particles start from the likeness and are led to the target through start^(1 - b) target^b: b grows as fast
as half of the particles stay effective, and at each step they are resampled and moved (a sequential Monte
Carlo sampler: Del Moral, Doucet & Jasra 2006).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Density = Callable[[Floats], Floats]

STAYING = 0.5  # share of the particles that stay effective from one density to the next
LONGER = 3  # the target itself is walked so many times longer
GOOD = 0.25  # share of steps that a random walk should accept (Roberts, Gelman & Gilks 1997)


def tempered(
    particles: Floats, start: Density, target: Density, moves: int, rng: np.random.Generator
) -> tuple[Floats, float]:
    """Lead particles from one density to another.

    Parameters:
        particles: draws from the density `start` (N, d).
        start, target: logarithms of the densities, up to constants, at points (N, d); minus infinity where
            there is none.
        moves: Metropolis steps at each density between.

    Returns:
        Draws from the target (N, d), and the share of the last steps that was accepted.
    """
    here = particles.copy()
    first, last = start(here), target(here)
    b, accepted = 0.0, 1.0
    scale = 2.38 / np.sqrt(max(here.shape[1], 1))
    while b < 1.0 and here.size:
        step, weight = _step(last - first, 1.0 - b)
        b = min(b + step, 1.0) if step < 1.0 - b else 1.0
        chosen = _resampled(weight, rng)
        here, first, last = here[chosen], first[chosen], last[chosen]
        walk = root_of(np.atleast_2d(np.cov(here, rowvar=False)))
        for _ in range(moves * LONGER if b == 1.0 else moves):
            there = here + scale * rng.standard_normal(here.shape) @ walk.T
            started, ended = start(there), target(there)
            rise = (1.0 - b) * (started - first) + b * (ended - last)
            taken = np.log(rng.uniform(size=len(here))) < np.where(np.isnan(rise), -np.inf, rise)
            here, first, last = (
                np.where(taken[:, None], there, here),
                np.where(taken, started, first),
                np.where(taken, ended, last),
            )
            accepted = float(taken.mean())
            scale *= np.exp(0.5 * (accepted - GOOD))
    return here, accepted


def _step(excess: Floats, rest: float) -> tuple[float, Floats]:
    """Return by how much b may grow, and the weights that it brings (N,)."""
    size = excess.size

    def weights(step: float) -> Floats:
        with np.errstate(invalid="ignore"):
            raised = step * np.where(np.isnan(excess), -np.inf, excess)
        raised = np.exp(raised - raised.max()) if np.isfinite(raised.max()) else np.ones(size)
        return np.asarray(raised / raised.sum())

    def effective(step: float) -> float:
        return 1.0 / float(np.square(weights(step)).sum()) / size

    living = np.isfinite(excess).mean()
    if effective(rest) >= STAYING * living:
        return rest, weights(rest)
    low, high = 0.0, rest
    for _ in range(40):
        middle = (low + high) / 2
        low, high = (middle, high) if effective(middle) >= STAYING * living else (low, middle)
    return high, weights(high)


def _resampled(weight: Floats, rng: np.random.Generator) -> NDArray[np.int64]:
    """Return which particles stand after systematic resampling (N,)."""
    size = weight.size
    places = np.searchsorted(np.cumsum(weight), (rng.uniform() + np.arange(size)) / size)
    return np.minimum(places, size - 1)


def root_of(covariance: Floats) -> Floats:
    """Return a matrix whose product with its transpose is the covariance; rounding below zero is dropped.

    That of Cholesky is one alone, while eigenvectors may turn round with the last bit.
    """
    try:
        return np.asarray(np.linalg.cholesky((covariance + covariance.T) / 2))
    except np.linalg.LinAlgError:
        pass
    values, basis = np.linalg.eigh((covariance + covariance.T) / 2)
    return np.asarray(basis * np.sqrt(np.maximum(values, 0.0)))
