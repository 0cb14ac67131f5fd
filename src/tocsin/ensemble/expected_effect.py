"""The expected effect of a change: what its mean difference is, and how far the parameters leave it open.

Pairs of worlds share their luck, draws of parameters do not. The mean difference of the m pairs of draw i is

    d_i = effect_i + luck_i,    Var luck_i = (variance of a difference within draws) / m_i

and the interval asked for is that of effect_i over the draws: luck is to be taken out. The d_i are regressed on the
draws (terms that matter, chosen one after the other), and what the regression leaves has a variance of effects, which
is what remains when that of luck is taken off (a random-effects analysis of variance). Each draw's effect then has a
normal law about what regression and its own pairs say (the empirical Bayes of Fay & Herriot 1979), and the interval
holds the middle of the mixture of these laws. With one pair a draw there is nothing to tell luck by, and all that the
regression leaves is taken for luck.

Source: Fay & Herriot (1979), Estimates of income for small places, JASA 74, 269-277.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from tocsin.ensemble.spells import Z95, wilson

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tocsin.ensemble.parameter_draws import Draws

    Floats = NDArray[np.float64]

TELLING = 3.0  # a term is taken into the regression where its t is as large

MOST = 12  # terms

LEVELS = (0.025, 0.975)

FEW = 100  # draws, of which quantiles say too little

FLAT = 1e-10  # relative spread of a term below which it tells nothing


@dataclass(frozen=True)
class Effect:
    """A mean difference over pairs of worlds and draws of parameters.

    Attributes:
        mean: over all pairs.
        lower, upper: 95% interval of the expected effect over the parameters, chance among worlds taken out; where
            nothing was drawn the error of the mean over so many worlds.
        spread: standard deviation of the expected effect over the parameters.
        error: standard error of the mean that is due to chance among worlds.
    """

    mean: float
    lower: float
    upper: float
    spread: float
    error: float


def expected_effect(
    differences: Floats,
    draw: NDArray[np.int64],
    terms: Floats | None = None,
    levels: tuple[float, float] = LEVELS,
) -> Effect:
    """Return the expected effect that differences of pairs of worlds speak of.

    Parameters:
        differences: one a pair (n,).
        draw: which draw of the parameters each pair has (n,); all alike where none were drawn.
        terms: what the draws may be told apart by (D, K); see `terms_of`.
        levels: between which quantiles the interval lies.
    """
    count = differences.size
    if count == 0:
        return Effect(*[np.nan] * 5)
    mean = float(differences.mean())
    numbers, group = np.unique(draw, return_inverse=True)
    size = np.bincount(group)
    means = np.bincount(group, differences) / size
    rest = count - numbers.size
    within = float(((differences - means[group]) ** 2).sum() / rest) if rest else np.nan
    if numbers.size == 1:
        error = float(np.sqrt(within / count)) if rest else 0.0
        return Effect(mean, mean - Z95 * error, mean + Z95 * error, 0.0, error)
    centre = float(means.mean())
    fitted, left, used = _regressed(means - centre, None if terms is None else terms[numbers])
    free = max(numbers.size - 1 - used, 1)
    over = float((left**2).sum() / free)
    luck = within * float((1.0 / size).mean()) if rest else over
    beyond = max(over - luck, 0.0)  # variance of effects that the terms do not tell
    kept = beyond / over if over > 0.0 else 0.0
    told = float((fitted**2).sum() / (numbers.size - 1))
    sure = np.sqrt(max(told - used * min(luck, over) / (numbers.size - 1), 0.0) / told) if told > 0.0 else 0.0
    error = float(np.sqrt((within if rest else over) / count))
    place = sure * fitted + kept * left
    around = float(np.sqrt((1.0 - kept) * beyond + error**2))
    # An effect is the mean of differences, and so within what they reach: where none is above zero, it is not.
    reached = (float(differences.min()), float(differences.max()))
    lower, upper = (float(np.clip(mean + _quantile(place, around, level), *reached)) for level in levels)
    spread = float(np.sqrt(sure**2 * told + beyond))
    return Effect(mean, lower, upper, spread, error)


def expected_share(hits: Floats | NDArray[np.int64], worlds: NDArray[np.int64]) -> tuple[Floats, Floats]:
    """Return the 95% interval of the probability of something, over draws of the parameters.

    The spread of the shares of draws, less what so few worlds of each add to it, is the parameters' part: the shares
    are drawn together about that of all worlds until they have no other spread, and the interval holds their middle.
    What so many worlds leave open of the share of all is added as Wilson (1927) has it. Of few draws no quantiles can
    be had: there the variance is that of a beta law.

    Parameters:
        hits: worlds in which it came about, draw by draw (D, ...).
        worlds: how many worlds each draw has (D,).

    Returns:
        lower, upper (...).
    """
    used = worlds > 0
    size = worlds[used].reshape(-1, *[1] * (hits.ndim - 1)).astype(np.float64)
    draws, total = int(used.sum()), max(int(worlds.sum()), 1)
    share, mean = hits[used] / size, hits[used].sum(axis=0) / total
    rest = total - draws
    within = (share * (1.0 - share) * size).sum(axis=0) / rest if rest > 0 else mean * (1.0 - mean)
    over = share.var(axis=0, ddof=1) if draws > 1 else np.zeros_like(mean)
    spread = np.maximum(over - within * float((1.0 / worlds[used]).mean()), 0.0)
    least, most = wilson(mean, total)
    if draws < FEW:
        return _beta_bounds(mean, spread, total)
    with np.errstate(divide="ignore", invalid="ignore"):
        scale = np.where(over > 0.0, np.sqrt(spread / over), 0.0)
    share.sort(axis=0)
    low, high = (_between(share, level * (draws - 1)) for level in LEVELS)
    lower = mean - np.hypot(scale * (mean - low), mean - least)
    upper = mean + np.hypot(scale * (high - mean), most - mean)
    return np.clip(np.minimum(lower, mean), 0.0, 1.0), np.clip(np.maximum(upper, mean), 0.0, 1.0)


def _between(ordered: Floats, rank: float) -> Floats:
    """Return what stands at a rank between two rows."""
    first = int(rank)
    return np.asarray(
        ordered[first] + (rank - first) * (ordered[min(first + 1, len(ordered) - 1)] - ordered[first])
    )


def _beta_bounds(mean: Floats, spread: Floats, total: int) -> tuple[Floats, Floats]:
    from scipy.special import betaincinv

    inner = np.clip(mean, 0.5 / total, 1.0 - 0.5 / total)
    variance = np.clip(spread + inner * (1.0 - inner) / total, None, 0.95 * inner * (1.0 - inner))
    weight = inner * (1.0 - inner) / variance - 1.0
    lower, upper = (betaincinv(inner * weight, (1.0 - inner) * weight, level) for level in LEVELS)
    return np.minimum(lower, mean), np.maximum(upper, mean)


def terms_of(draws: Draws) -> Floats:
    """Return what draws may be told apart by (D, K): each parameter, and its square.

    Rates and strengths stand as their square roots, in which zero is a point like others.
    """
    from tocsin.model.declaration import BAR

    found = []
    for name, values in zip(draws.names, draws.vectors.T, strict=True):
        role, term = name.split(BAR)[2:4]
        known = np.isfinite(values)
        if not known.any():
            continue
        column = values
        if not known.all() or (role in ("propensity", "susceptibility") and term == "1"):
            column = np.exp((values - values[known].max()) / 2)
        spread = float(column.std())
        if spread <= FLAT * max(1.0, float(np.abs(column).max())):
            continue
        scaled = (column - column.mean()) / spread
        found += [scaled, scaled**2 - 1.0]
    return np.array(found).T if found else np.empty((len(draws), 0))


def _regressed(values: Floats, terms: Floats | None) -> tuple[Floats, Floats, int]:
    """Return values (D,) as terms tell them, what is left, and how many terms were taken, the most telling first."""
    left, used = values.copy(), 0
    if terms is None or not terms.size or values.size < 10:
        return np.zeros_like(values), left, 0
    rest = terms - terms.mean(axis=0)
    whole = np.sqrt((rest**2).sum(axis=0))
    while used < min(MOST, values.size // 5):
        length = np.sqrt((rest**2).sum(axis=0))
        with np.errstate(invalid="ignore", divide="ignore"):
            along = np.where(length > 1e-3 * whole, (rest.T @ left) / length, 0.0)
        best = int(np.argmax(np.abs(along)))
        error = np.sqrt(max(float((left**2).sum()) - along[best] ** 2, 0.0) / (values.size - used - 2))
        if not abs(along[best]) > TELLING * error:
            break
        step = rest[:, best] / length[best]
        left = left - along[best] * step
        rest = rest - np.outer(step, step @ rest)
        used += 1
    return values - left, left, used


def _quantile(place: Floats, around: float, level: float) -> float:
    """Return a quantile of the equal mixture of normal laws about places, all with one standard deviation."""
    if around <= 0.0:
        return float(np.quantile(place, level))
    from scipy.special import ndtr

    low, high = float(place.min()) - 9 * around, float(place.max()) + 9 * around
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if float(ndtr((middle - place) / around).mean()) < level else (low, middle)
    return (low + high) / 2
