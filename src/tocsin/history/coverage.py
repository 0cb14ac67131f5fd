"""Where a dated covariate of a unit is not known."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import pandas as pd

    from tocsin.history.record import History


def coverage(history: History) -> pd.DataFrame:
    """See `History.coverage`."""
    import pandas as pd

    numbers, clock = history.numbers, history._clock
    found: list[tuple[str, str, float, float]] = []
    for name, rows in numbers.covariates.items():
        everywhere = rows.unit < 0
        shared = list(zip(rows.start[everywhere].tolist(), rows.end[everywhere].tolist(), strict=True))
        order = np.argsort(rows.unit, kind="stable")
        bounds = np.searchsorted(rows.unit[order], np.arange(len(numbers.units) + 1))
        for index, unit in enumerate(numbers.units):
            own = order[bounds[index] : bounds[index + 1]]
            spans = sorted(shared + list(zip(rows.start[own].tolist(), rows.end[own].tolist(), strict=True)))
            reach, leave = float(numbers.enter[index]), float(numbers.exit[index])
            for start, end in [*spans, (leave, leave)]:
                if start > reach and reach < leave:
                    found.append((unit, name, reach, min(start, leave)))
                reach = max(reach, end)
    starts = np.array([gap[2] for gap in found])
    ends = np.array([gap[3] for gap in found])
    if history.dated:
        first = clock.days(starts).astype("datetime64[D]").astype("datetime64[s]")
        last = clock.days(ends - 1.0).astype("datetime64[D]").astype("datetime64[s]")
    else:
        first, last = clock.began(starts), ends
    return pd.DataFrame(
        {
            "unit": [gap[0] for gap in found],
            "covariate": [gap[1] for gap in found],
            "start": first,
            "end": last,
            "outside": np.array([history.outside.get(gap[1], np.nan) for gap in found], np.float64),
        }
    )
