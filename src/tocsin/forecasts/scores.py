"""Scores of forecasts: probabilities, counts and dates beside what came, and how sure their differences are.

Sources: Brier (1950); Murphy (1973) and Stephenson, Coelho & Jolliffe (2008) for the parts of a Brier score; Gneiting
& Raftery (2007) for the logarithmic score and the CRPS; Cox (1958) for the slope; Künsch (1989) for blocks.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from tocsin.ensemble.spells import wilson

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

EDGES = (0.0, 0.05, 0.2, 0.5, 1.0)  # of the bins in which forecasts are set beside what came

LEVELS = (0.5, 0.8, 0.95)  # of the intervals of counts

COUNTS = (1, 2, 5, 10, 20, 50)  # entries that may be exceeded

FLAT = 0.25  # spread of the log odds told below which they have no slope to speak of

RESAMPLES = 2000  # of blocks

Z = 1.959963984540054


class Scored(NamedTuple):
    """One forecast beside what came.

    Fields: probabilities (U,), whether each unit entered (U,), the entries of worlds (W,) and of the record, CRPS of
    the dates of entry (U,), and the number of worlds.
    """

    told: Floats
    came: Floats
    entries: Floats
    number: float
    dates: Floats
    worlds: int


def log_scores(told: Floats, came: Floats, worlds: int) -> Floats:
    """Return the log probability of what came, unit by unit; no finite number of worlds shows a certainty."""
    inner = np.clip(told, 0.5 / worlds, 1.0 - 0.5 / worlds)
    return np.asarray(np.where(came > 0, np.log(inner), np.log1p(-inner)))


def crps(worlds: Floats, came: Floats | float) -> Floats:
    """Return the continuous ranked probability score of samples: E|X - y| - E|X - X'| / 2, column by column.

    Parameters:
        worlds: samples (W, ...); came: what came (...).
    """
    ordered = np.sort(worlds, axis=0)
    size = len(ordered)
    weight = (2.0 * np.arange(1, size + 1) - size - 1.0).reshape(-1, *[1] * (ordered.ndim - 1))
    spread = (weight * ordered).sum(axis=0) / size**2  # half of the mean distance of two samples
    return np.asarray(np.abs(worlds - came).mean(axis=0) - spread)


def row_of(scored: Sequence[Scored]) -> tuple[float, ...]:
    """Return forecasts, entered, expected, brier, brier_reference, skill, log_score, crps_count and crps_dates."""
    told, came = (np.concatenate([getattr(each, name) for each in scored]) for name in ("told", "came"))
    if not came.size:
        return (0, 0, 0.0, *[math.nan] * 6)
    brier = float(np.mean((told - came) ** 2))
    reference = float(came.mean() * (1.0 - came.mean()))
    logs = np.concatenate([log_scores(each.told, each.came, each.worlds) for each in scored])
    counts = [float(crps(each.entries, each.number)) for each in scored]
    dates = np.concatenate([each.dates for each in scored])
    skill = 1.0 - brier / reference if reference > 0 else math.nan
    expected = float(sum(each.entries.mean() for each in scored))
    return (
        came.size, int(came.sum()), expected, brier, reference, skill, float(logs.mean()),
        float(np.mean(counts)), float(dates.mean()),
    )  # fmt: skip


ROW = (
    "forecasts", "entered", "expected", "brier", "brier_reference", "skill", "log_score", "crps_count", "crps_dates",
)  # fmt: skip


def brier_parts(told: Floats, came: Floats) -> tuple[float, float, float, float]:
    """Return the parts of a Brier score: reliability, resolution, uncertainty, and what lies within bins.

    brier = reliability - resolution + uncertainty + within, exactly: within is the spread of the forecasts of a bin
    less twice their covariance with what came.
    """
    place = np.clip(np.searchsorted(EDGES, told, side="right") - 1, 0, len(EDGES) - 2)
    base = came.mean()
    reliability = resolution = within = 0.0
    for k in np.unique(place):
        own = place == k
        f, o = told[own], came[own]
        reliability += own.sum() * (f.mean() - o.mean()) ** 2
        resolution += own.sum() * (o.mean() - base) ** 2
        within += float(((f - f.mean()) ** 2).sum() - 2.0 * ((f - f.mean()) * (o - o.mean())).sum())
    size = came.size
    return reliability / size, resolution / size, float(base * (1.0 - base)), within / size


def slope(
    told: Floats, came: Floats, group: NDArray[np.int64], floor: float = 1e-3
) -> tuple[float, float, float]:
    """Return the calibration slope: of the log odds of what came on those told, and its 95% interval.

    1 is calibrated, below it forecasts are too sure; NaN where all are told nearly the same. The standard error takes
    the forecasts of one group (a date, a world) as one.

    Parameters:
        group: the group of each forecast; floor: probabilities nearer to 0 or 1 are taken to lie there.
    """
    inner = np.clip(told, floor, 1.0 - floor)
    odds = np.log(inner / (1.0 - inner))
    nothing = (math.nan, math.nan, math.nan)
    if not 0 < came.sum() < came.size or odds.std() < FLAT:
        return nothing
    x = np.column_stack([np.ones(inner.size), odds - odds.mean()])
    beta = np.array([odds.mean(), 1.0])
    for _ in range(100):
        fitted = 1.0 / (1.0 + np.exp(-np.clip(x @ beta, -30, 30)))
        bread = x.T @ (x * (fitted * (1.0 - fitted) + 1e-12)[:, None])
        step = np.linalg.solve(bread, x.T @ (came - fitted))
        beta = beta + np.clip(step, -2.0, 2.0)
        if np.abs(step).max() < 1e-10:
            break
    else:
        return nothing
    score = x * (came - fitted)[:, None]
    _, number = np.unique(group, return_inverse=True)
    size = int(number.max()) + 1
    sums = np.stack([np.bincount(number.ravel(), score[:, k], minlength=size) for k in range(2)], axis=1)
    inverse = np.linalg.inv(bread)
    cover = inverse @ (sums.T @ sums) @ inverse * (size / max(size - 1, 1))
    width = Z * math.sqrt(max(float(cover[1, 1]), 0.0)) if size > 1 else math.nan
    return float(beta[1]), float(beta[1]) - width, float(beta[1]) + width


def reliability(told: Floats, came: Floats) -> pd.DataFrame:
    """Return forecasts in bins: from, to, forecasts, mean, the share that entered with Wilson's 95% interval."""
    import pandas as pd

    rows = []
    for low, high in itertools.pairwise(EDGES):
        top = told <= high if high == EDGES[-1] else told < high
        part = (told >= low) & top
        if part.any():
            share = float(came[part].mean())
            lower, upper = (float(x) for x in wilson(np.array(share), int(part.sum())))
            rows.append((low, high, int(part.sum()), float(told[part].mean()), share, lower, upper))
    return pd.DataFrame(rows, columns=["from", "to", "forecasts", "mean", "entered", "lower", "upper"])


def coverage(scored: Sequence[Scored]) -> pd.DataFrame:
    """Return how often intervals of the number of entries held what came: level, dates, held, lower, upper."""
    import pandas as pd

    rows = []
    for level in LEVELS:
        held = []
        for each in scored:
            ends = np.quantile(each.entries, [0.5 - level / 2, 0.5 + level / 2], method="inverted_cdf")
            held.append(ends[0] <= each.number <= ends[1])
        share = float(np.mean(held))
        lower, upper = (float(x) for x in wilson(np.array(share), len(held)))
        rows.append((level, len(held), share, lower, upper))
    return pd.DataFrame(rows, columns=["level", "dates", "held", "lower", "upper"])


def exceedance(scored: Sequence[Scored]) -> pd.DataFrame:
    """Return how likely it was told that so many entries or more come, and how often they did, over the dates."""
    import pandas as pd

    most = max(each.number for each in scored)
    rows = []
    for count in (each for each in COUNTS if each <= max(most, 1.0)):
        told = np.array([float((each.entries >= count).mean()) for each in scored])
        came = np.array([float(each.number >= count) for each in scored])
        rows.append((count, len(scored), told.mean(), came.mean(), float(np.mean((told - came) ** 2))))
    return pd.DataFrame(rows, columns=["entries", "dates", "told", "came", "brier"])


def difference(ours: Sequence[Floats], theirs: Sequence[Floats], block: int, seed: int) -> tuple[float, ...]:
    """Return the difference of mean scores of two forecasters, and its 95% interval over blocks of dates.

    Forecasts of one date share its luck and dates whose horizons overlap share theirs: whole blocks of neighbouring
    dates are drawn with replacement, around the end and on from the beginning.

    Parameters:
        ours, theirs: scores of each date (units,), the larger the better.
        block: how many dates a block has.
    """
    sums, sizes = (
        np.array([[measure(each) for each in side] for side in (ours, theirs)], dtype=np.float64)
        for measure in (np.sum, np.size)
    )  # with hindsight there may be more units
    dates = sums.shape[1]
    mean = float(np.subtract(*(sums.sum(axis=1) / np.maximum(sizes.sum(axis=1), 1.0))))
    if dates < 2 * block or dates < 4:
        return mean, math.nan, math.nan
    rng = np.random.default_rng(seed)
    starts = rng.integers(0, dates, (RESAMPLES, math.ceil(dates / block)))
    picked = ((starts[:, :, None] + np.arange(block)) % dates).reshape(RESAMPLES, -1)[:, :dates]
    one, other = (
        a[picked].sum(axis=1) / np.maximum(b[picked].sum(axis=1), 1.0)
        for a, b in zip(sums, sizes, strict=True)
    )
    lower, upper = (float(x) for x in np.quantile(one - other, [0.025, 0.975]))
    return mean, lower, upper
