"""Runs: items that follow one another, so many of each thing."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def places_in(count: NDArray[np.integer]) -> NDArray[np.int64]:
    """Return 0, 1, ... count - 1 for each run in turn (sum of count,)."""
    first = np.cumsum(count) - count
    place: NDArray[np.int64] = np.arange(count.sum()) - np.repeat(first, count)
    return place
