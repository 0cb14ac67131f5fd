"""Shares of worlds with their intervals: over draws of the parameters where they were drawn, else Wilson's."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from tocsin.ensemble.expected_effect import expected_share
from tocsin.ensemble.spells import grouped_quantiles, sizes_of, steps_of, summed, wilson

if TYPE_CHECKING:
    from tocsin.ensemble.ensemble import Ensemble
    from tocsin.ensemble.frame import Floats

LARGEST = 20_000_000  # cells of one working array


def bounds_in_time(ensemble: Ensemble, variable: str, state: str, grid: Floats) -> tuple[Floats, Floats]:
    """Return the 95% interval of the share of worlds in a state over draws of the parameters (units, times)."""
    assert ensemble.draws is not None
    units, code = len(ensemble.frame.units), ensemble.frame.code(variable, state)
    count, width = len(ensemble.draws), len(grid) + 1
    found = np.empty((2, units, len(grid)))
    worlds = np.bincount(ensemble.draw, minlength=count)
    steps = [
        steps_of(piece._moves(variable), ensemble.frame, variable, state)
        for piece in ensemble._each(lambda each: each)
    ]
    chunk = max(1, LARGEST // (count * width))
    for begin in range(0, units, chunk):
        size = min(chunk, units - begin)
        held = np.zeros((size, count, len(grid)))
        for (first, _), (world, unit, time, sign) in zip(ensemble._bounds(), steps, strict=True):
            inside = (unit >= begin) & (unit < begin + size)
            row = (unit[inside].astype(np.int64) - begin) * count + ensemble.draws.of(first + world[inside])
            cell = row * width + np.searchsorted(grid, time[inside], side="right")
            held += summed(cell, sign[inside], size * count, width)[:, :-1].reshape(size, count, -1)
        held[ensemble.frame.initial[variable][begin : begin + size] == code] += worlds[:, None]
        found[:, begin : begin + size] = expected_share(held.transpose(1, 0, 2), worlds)
    return found[0], found[1]


def summary_of(ensemble: Ensemble, variable: str, state: str) -> pd.DataFrame:
    """Return, for each unit, how often, when and for how long it was in a state; see `Ensemble.summary`."""
    units = len(ensemble.frame.units)
    found = list(ensemble._each(lambda piece: piece._spell_groups(variable, state)))
    entries, lengths = [each[0] for each in found], [each[1] for each in found]
    still = np.sum([each[2] for each in found], axis=0)
    share = sizes_of(entries, units) / max(ensemble.worlds, 1)
    if ensemble.draws is None:
        lower, upper = wilson(share, ensemble.worlds)
    else:
        worlds = np.bincount(ensemble.draw, minlength=len(ensemble.draws))
        parts = [
            np.roll(each[3], first % len(ensemble.draws), axis=0)
            for (first, _), each in zip(ensemble._bounds(), found, strict=True)
        ]
        lower, upper = expected_share(np.sum(parts, axis=0), worlds)
    times = grouped_quantiles(entries, units, (0.5, 0.25, 0.75, 0.05, 0.95))
    result = pd.DataFrame(
        {"share": share, "lower": lower, "upper": upper},
        index=pd.Index(ensemble.frame.units, name="unit", dtype=object),
    )
    for column, name in enumerate(("median", "q25", "q75", "q05", "q95")):
        result[name] = ensemble._as_times(times[:, column])
    result["duration"] = grouped_quantiles(lengths, units, (0.5,))[:, 0]
    with np.errstate(invalid="ignore"):
        result["open"] = still / sizes_of(lengths, units)
    return result
