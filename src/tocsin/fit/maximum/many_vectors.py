"""Hazards and integrals under many vectors of parameters at once.

A draw of the parameters costs one matrix product a cause where exposures do not depend on them; where a
half-life or a response is estimated, each draw is evaluated by itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tocsin.program.cause import lift
from tocsin.program.grouped import GroupedCause

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tocsin.program.cause import CauseData

    Floats = NDArray[np.float64]

NOTHING = -1e4  # the logarithm of a strength of zero, small enough for exp to make it zero

ROOM = 4_000_000  # numbers of one array of factors


def steady(cause: CauseData) -> bool:
    """Return whether the exposures of a cause are the same under all parameters, and enter as they are."""
    return cause.slots.alpha < 0 and cause.slots.half_life < 0 and cause.design.times is None


def _factors(cause: CauseData, vectors: Floats) -> Floats:
    """Return exp(beta . x) of every target row under every vector (rows, D)."""
    beta = vectors[:, cause.slots.target.start : cause.slots.target.stop]
    with np.errstate(over="ignore"):
        return np.asarray(
            np.exp(
                cause.matrix @ np.where(np.isneginf(beta), NOTHING, beta).T
                + lift(_log_marks(cause, vectors))[1]
            )
        )


def marks(cause: CauseData, vectors: Floats) -> Floats:
    """Return exp(gamma . u) of every source row under every vector (Q, D), divided by what `lift` takes off."""
    return np.asarray(lift(_log_marks(cause, vectors))[0])


def _log_marks(cause: CauseData, vectors: Floats) -> Floats:
    gamma = vectors[:, cause.slots.source.start : cause.slots.source.stop]
    return np.asarray(cause.marks @ gamma.T)


def _pieces(cause: CauseData, vectors: Floats) -> list[Floats]:
    """Return the vectors in pieces for which the factors of a cause have room."""
    size = max(1, ROOM // max(cause.matrix.shape[0], 1))
    return [vectors[first : first + size] for first in range(0, len(vectors), size)]


def hazards(cause: CauseData, vectors: Floats) -> Floats:
    """Return the hazard of a cause at each event that it may explain, under each vector (events, D).

    Parameters:
        vectors: all parameters, one row a draw (D, P).
    """
    if not steady(cause):
        return np.stack([cause.events(vector, 0)[1].value for vector in vectors], axis=1)
    swept = cause.swept(cause.shape(vectors[0])[0])
    exposure = swept.event_exposure[:, :, 0]
    return np.concatenate(
        [
            _factors(cause, piece)[swept.event_row] * (exposure @ marks(cause, piece))
            for piece in _pieces(cause, vectors)
        ],
        axis=1,
    )


def integrals(cause: CauseData, vectors: Floats) -> Floats:
    """Return the integrated hazard of a cause over all that is at risk, under each vector (D,)."""
    decay = cause.shape(vectors[0])[0]
    if not steady(cause) or (isinstance(cause, GroupedCause) and decay > 0.0):
        return np.array([cause.integral(vector, 0).value.sum() for vector in vectors])
    summed = cause.swept(decay).summed[:, :, 0]
    return np.concatenate(
        [
            (_factors(cause, piece) * (summed @ marks(cause, piece))).sum(axis=0)
            for piece in _pieces(cause, vectors)
        ]
    )
