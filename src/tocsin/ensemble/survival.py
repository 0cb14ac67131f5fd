"""Survival: how long a state lasts, with spells that outlast the window counted for as long as they were seen."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from tocsin.ensemble.ensemble import QUANTILES
from tocsin.errors import TocsinError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tocsin.ensemble.ensemble import Ensemble

    Floats = NDArray[np.float64]

POINTS = 200  # durations, where the caller names none

KNOWN = 0.5  # share of worlds that must still tell how many last, for quantiles to be given


def kaplan_meier(spells: pd.DataFrame, level: float = 0.95) -> pd.DataFrame:
    """Return the share of spells that last longer than each duration (Kaplan & Meier 1958).

    S(t) = product over durations s <= t of (1 - d_s / n_s), d_s spells ending at s of n_s still watched. The
    intervals are Greenwood's on the scale log(-log S) (Kalbfleisch & Prentice 2002).

    Parameters:
        spells: columns duration and censored (still going on when last seen), as `Ensemble.durations` has.
        level: coverage of the intervals, each for its own duration.

    Returns:
        One row a duration at which a spell ended or was last seen, after one at zero: time, at_risk, ended,
        censored, survival, lower, upper. Intervals are missing where no spell is left.

    Raises:
        TocsinError: no spell, a negative duration, or a level that is not between 0 and 1.
    """
    from scipy.special import ndtri

    if not 0 < level < 1:
        raise TocsinError(f"level={level!r} lies not between 0 and 1")
    duration = spells["duration"].to_numpy(dtype=float)
    censored = spells["censored"].to_numpy(dtype=bool)
    if not duration.size:
        raise TocsinError("there is no spell, so nothing is known of how long one lasts")
    if not (duration >= 0).all():
        raise TocsinError("a duration is negative or missing")
    time, place = np.unique(duration, return_inverse=True)
    ended = np.bincount(place, weights=~censored, minlength=time.size)
    lost = np.bincount(place, weights=censored, minlength=time.size)
    at_risk = duration.size - np.append(0.0, np.cumsum(ended + lost)[:-1])
    survival = np.cumprod(1 - ended / at_risk)
    with np.errstate(divide="ignore", invalid="ignore"):
        spread = np.sqrt(np.cumsum(ended / (at_risk * (at_risk - ended))))
        shift = ndtri(0.5 + level / 2) * spread / -np.log(survival)
        lower, upper = survival ** np.exp(shift), survival ** np.exp(-shift)
    before = survival == 1.0  # nothing has ended yet
    lower[before], upper[before] = 1.0, 1.0
    lower[survival == 0.0], upper[survival == 0.0] = np.nan, np.nan
    table = pd.DataFrame(
        {
            "time": time,
            "at_risk": at_risk.astype(np.int64),
            "ended": ended.astype(np.int64),
            "censored": lost.astype(np.int64),
            "survival": survival,
            "lower": lower,
            "upper": upper,
        }
    )
    if time[0] > 0:
        start = pd.DataFrame([(0.0, duration.size, 0, 0, 1.0, 1.0, 1.0)], columns=list(table))
        table = pd.concat([start, table], ignore_index=True)
    return table


def nelson_aalen(durations: pd.DataFrame, level: float = 0.95) -> pd.DataFrame:
    """Return the cumulative hazard of durations (Nelson 1972, Aalen 1978).

    H(t) = sum over durations s <= t of sum_{k < d_s} 1 / (n_s - k), d_s of n_s ending at s. The variance is the
    sum of the squares of these terms; intervals are computed on the logarithm.

    Parameters and errors: as for `kaplan_meier`.

    Returns:
        One row a duration at which one ended: time, at_risk, ended, hazard, lower, upper.
    """
    from scipy.special import ndtri

    table = kaplan_meier(durations, level)
    table = table[table["ended"] > 0]
    # Durations that end together are taken as if they ended one after the other.
    terms = [
        1.0 / (at_risk - np.arange(ended))
        for at_risk, ended in table[["at_risk", "ended"]].to_numpy(dtype=int)
    ]
    hazard = np.cumsum([term.sum() for term in terms])
    spread = np.sqrt(np.cumsum([(term**2).sum() for term in terms]))
    shift = np.exp(ndtri(0.5 + level / 2) * spread / hazard)
    columns = {"hazard": hazard, "lower": hazard / shift, "upper": hazard * shift}
    return table[["time", "at_risk", "ended"]].reset_index(drop=True).assign(**columns)


def survival(
    ensemble: Ensemble,
    variable: str,
    state: str,
    quantiles: Sequence[float] = QUANTILES,
    times: Iterable[float] | None = None,
) -> pd.DataFrame:
    """Return the share of spells that last longer than each duration, over worlds.

    Each world has its own Kaplan-Meier curve, as the record has one. A world tells nothing of durations
    beyond the longest spell that it has seen; quantiles are over the worlds that do tell, and missing where
    they are fewer than half.

    Parameters:
        variable, state: the state asked about.
        quantiles: over worlds.
        times: durations in clock units; by default 200 from zero to the longest, closer at the beginning.

    Returns:
        DataFrame with columns time, known (share of worlds) and one for each quantile.

    Raises:
        TocsinError: an unknown variable or state, or a quantile that is not between 0 and 1.
    """
    if not all(0 <= q <= 1 for q in quantiles):
        raise TocsinError(f"quantiles lie between 0 and 1, not {list(quantiles)}")
    spells = ensemble.durations(variable, state)
    world, duration = spells["world"].to_numpy(), spells["duration"].to_numpy(dtype=float)
    longest = float(duration.max()) if duration.size else 0.0
    points = (
        longest * np.linspace(0.0, 1.0, POINTS) ** 2 if times is None else np.array([float(t) for t in times])
    )
    order = np.lexsort((spells["censored"].to_numpy(), duration, world))
    curves = _curves(world[order], duration[order], ~spells["censored"].to_numpy()[order], points)
    known = np.isfinite(curves).sum(axis=0)
    result: dict[Any, Any] = {"time": points, "known": known / max(ensemble.worlds, 1)}
    told = known >= KNOWN * ensemble.worlds
    for q in quantiles:
        level = np.full(points.size, np.nan)
        if told.any():
            level[told] = np.nanquantile(curves[:, told], q, axis=0, method="inverted_cdf")
        result[float(q)] = level
    return pd.DataFrame(result)


def _curves(
    world: NDArray[np.int64], duration: Floats, ended: NDArray[np.bool_], points: Floats
) -> NDArray[np.float64]:
    """Return the curve of each world that has a spell (worlds, points); spells come sorted, ends first."""
    if not world.size:
        return np.empty((0, points.size))
    first = np.append(0, np.flatnonzero(np.diff(world)) + 1)
    size = np.diff(np.append(first, world.size))
    at_risk = np.repeat(first + size, size) - np.arange(world.size)
    # A last spell that ends takes the curve to zero; of the others logarithms can be summed.
    last = ended & (at_risk == 1)
    steps = np.where(ended & ~last, np.log1p(-1.0 / np.maximum(at_risk, 2)), 0.0)
    running = np.append(0.0, np.cumsum(steps))
    level = np.exp(running[1:] - np.repeat(running[first], size))
    level[last] = 0.0
    curves = np.empty((first.size, points.size))
    longest = duration[first + size - 1]
    for column, point in enumerate(points):
        count = np.add.reduceat(duration <= point, first, dtype=np.int64)
        curves[:, column] = np.where(count > 0, level[first + np.maximum(count, 1) - 1], 1.0)
        # Beyond its longest spell a curve that has not come to zero is not known.
        curves[(point > longest) & ~last[first + size - 1], column] = np.nan
    return curves
