"""What a sweep of one cause over what happened returns."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


class Swept(NamedTuple):
    """What a sweep of one cause returns; see `kernels.sweep.sweep`."""

    summed: NDArray[np.float64]
    event: NDArray[np.int64]
    event_row: NDArray[np.int64]
    event_exposure: NDArray[np.float64]
    row: NDArray[np.int32]
    unit: NDArray[np.int32]
    time: NDArray[np.float64]
    span: NDArray[np.float64]
    exposure: NDArray[np.float64]
    source_event: NDArray[np.int32]
    source_unit: NDArray[np.int32]
    source_sent: NDArray[np.float64]

    @staticmethod
    def summary(
        summed: NDArray[np.float64], event: NDArray[np.int64], exposure: NDArray[np.float64]
    ) -> Swept:
        """Return a sweep without stretches and sources."""
        none, small, wide = np.empty(0), np.empty(0, dtype=np.int32), np.empty((0, 1))
        rest = (small, small, none, none, wide[..., None], small, small, wide)
        return Swept(summed, event[:, 0], event[:, 1], exposure, *rest)
