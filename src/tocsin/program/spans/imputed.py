"""The likelihood of events in spans where their times enter the hazards of other units: a mean over drawn times.

    log L(theta) = log L(centre) + log mean over draws of  p(times_m, record | theta) / p(times_m, record | centre)

The times are drawn given the whole record and the parameters at the centre (`sampler`), and stay the same for every
theta: the likelihood is smooth, and has a gradient and a Hessian (Louis 1982): the mean of those with known times under
the weights, and the covariance of the scores. log L(centre) is found by bridges (Bennett 1976) from times drawn
anywhere in their spans, whose density is known, to those given the record. Where periods are few, all are summed over.
"""

from __future__ import annotations

import copy
import itertools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from tocsin.errors import FitError
from tocsin.program.likelihood import Likelihood
from tocsin.program.spans.open_times import Placer, Sampler, Valuer, placed, without_spans

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tocsin.program.program import Program

    Floats = NDArray[np.float64]
    Progress = Callable[[int, int], None]

DRAWS, TUNE = 200, 20  # times drawn, and passes before

FEW = 512  # combinations of periods that are summed over

STEP = 2.0  # standard deviation of the log weight between neighbouring densities of a bridge

MOST_STEPS = 16

SEED = 1917


class ImputedLikelihood(Likelihood):
    """The log-likelihood over drawn times of a program with open times, with its derivatives.

    Its causes are those of the program with every open event at one time of its span: what searches begin with.

    Attributes:
        told: the times (M, spoken events); centre: the parameters at which they were drawn (P,).
        level, level_error: log L(centre) and its standard error; both without error where all periods are summed.
        fixed: whether the draws stay what they are; else they are drawn anew wherever the likelihood is asked for.
    """

    def __init__(self, program: Program) -> None:
        base = without_spans(program)
        self.program, self.base = program, base.likelihood
        self.causes, self.groups = self.base.causes, self.base.groups
        self.known, self._stacks, self.hawkes = None, {}, {}
        self.counted = list(range(len(self.causes)))
        self.placer = Placer(program)
        self.told = np.empty((0, self.placer.told.size))
        self.draws: list[Likelihood] = []
        self.offset = np.empty(0)
        self.centre: Floats | None = None
        self.level = self.level_error = 0.0
        self.fixed = self.summed = False
        self._sum_up()

    def of_scale(self, program: Program) -> ImputedLikelihood:
        """Return the likelihood over the same draws with terms on the scale of another program."""
        other = copy.copy(self)
        other.program, other.base = program, self.base.of_scale(without_spans(program))
        other.causes, other.known, other._stacks = other.base.causes, None, {}
        other.placer = Placer(program)
        other.draws = [each.program.on_scale(program.scaling).likelihood for each in self.draws]
        if self.centre is not None:
            other.centre = program.scaled.scaled(self.program.scaled.user(self.centre))
        return other

    def thinned(self) -> Likelihood | None:
        """Return None: what is open is looked at whole."""
        return None

    # --- the draws --------------------------------------------------------------------------------------

    def _sum_up(self) -> None:
        """Take all combinations of periods where these are few."""
        spans, open_ = self.placer.spans, self.placer.open
        if not self.placer.grouped or np.prod(spans.high[open_] - spans.low[open_] + 1.0) > FEW:
            return
        axes = [
            np.arange(low, high + 1) for low, high in zip(spans.low[open_], spans.high[open_], strict=True)
        ]
        told, kept = self.placer.told.copy(), []
        for chosen in itertools.product(*axes):
            told[open_] = chosen
            if all(self._fits(told, int(event)) for event in open_):
                kept.append(told.copy())
        self._keep(np.array(kept))
        self.offset, self.level, self.level_error = np.zeros(len(self.draws)), np.log(len(self.draws)), 0.0
        self.fixed = self.summed = True

    def _fits(self, told: Floats, event: int) -> bool:
        low, high = self.placer.room(told, event)
        return bool(low <= told[event] <= high)

    def _keep(self, told: Floats) -> None:
        """Keep times that the model can explain, with the likelihood of each."""
        self.draws, rows = [], []
        for k, times in enumerate(told):
            one = placed(self.program, times)
            try:
                if one is not None:
                    self.draws.append(one.likelihood)
                    rows.append(k)
            except FitError:
                continue
        self.told = told[rows]

    def recentre(
        self, vector: Floats, draws: int = DRAWS, level: bool = True, progress: Progress | None = None
    ) -> None:
        """Draw the times given the record and parameters.

        Parameters:
            vector: the parameters (P,).
            draws: how many times to draw.
            level: whether log L(centre) is wanted as well.

        Raises:
            FitError: the record has no probability under these parameters.
        """
        if self.summed:
            return
        begin = self._begin(vector)
        size = self.placer.open.size
        between = 2 if size <= 20 else 1
        chain = Sampler(self.placer, self.program, vector, begin, [SEED, size])
        told = np.empty((draws, begin.size))
        value = np.empty(draws)
        for _ in range(TUNE):
            chain.pass_()
        for k in range(draws):
            for _ in range(between):
                chain.pass_()
            told[k], value[k] = chain.told, chain.value
            if progress is not None:
                progress(k + 1, draws)
        self.centre = vector.copy()
        self._keep(told)
        self.offset = value
        self.known = None
        self.level = self.level_error = 0.0
        if level:
            self.find_level()

    def find_level(self) -> None:
        """Find log L(centre) and its error."""
        if self.centre is not None and not self.summed:
            self.level, self.level_error = self._bridge(self.centre, self.told, self.offset)

    def content(self) -> dict[str, Any]:
        """Return the draws as plain values."""
        assert self.centre is not None
        return {
            "times": self.told[:, self.placer.open].tolist(),
            "offset": self.offset.tolist(),
            "centre": [float(x) if np.isfinite(x) else str(x) for x in self.centre],
            "level": [float(self.level), float(self.level_error)],
        }

    def restore(self, content: dict[str, Any]) -> None:
        """Take draws from plain values; raise ValueError if they are not of these events."""
        times = np.array(content["times"], dtype=np.float64)
        if times.ndim != 2 or times.shape[1] != self.placer.open.size:
            raise ValueError("the drawn times are of other events")
        told = np.tile(self.placer.told, (len(times), 1))
        told[:, self.placer.open] = times
        self._keep(told)
        self.offset = np.array(content["offset"], dtype=np.float64)
        self.centre = np.array([float(x) for x in content["centre"]])
        self.level, self.level_error = (float(x) for x in content["level"])
        self.fixed = True
        if len(self.draws) != self.offset.size:
            raise ValueError("some drawn times are impossible")

    def _begin(self, vector: Floats) -> Floats:
        """Return times at which the record has a likelihood above zero: the last drawn, or others."""
        valuer, rng = Valuer(self.program, vector), np.random.default_rng(SEED)
        tried = self.told[-1] if len(self.told) else self.placer.told
        for _ in range(2000):
            if valuer.parts(tried, valuer.everyone, {})[0] > -np.inf:
                return tried
            tried = self.placer.anywhere(rng)
        raise FitError(
            "no times in the spans are found at which the record has a probability under these parameters"
        )

    def _bridge(self, vector: Floats, told: Floats, value: Floats) -> tuple[float, float]:
        """Return log L and its standard error, by bridges from times drawn anywhere in their spans."""
        count, rng = len(told), np.random.default_rng([SEED, 1])
        valuer = Valuer(self.program, vector)
        end = value - np.array([self.placer.log_density(each) for each in told])
        start = np.empty(count)
        for k in range(count):
            each = self.placer.anywhere(rng)
            start[k] = valuer.parts(each, valuer.everyone, {})[0] - self.placer.log_density(each)
        seen = start[np.isfinite(start)]
        spread = max(float(end.std()), float(seen.std()) if seen.size > 1 else np.inf)
        steps = int(np.clip(np.ceil(spread / STEP), 1, MOST_STEPS)) if np.isfinite(spread) else MOST_STEPS
        heats = np.linspace(0.0, 1.0, steps + 1)
        whole, variance, last = 0.0, 0.0, start
        for k in range(1, steps + 1):
            if k == steps:
                new = end
            else:
                chain = Sampler(self.placer, self.program, vector, told[-1], [SEED, 2, k], float(heats[k]))
                drawn, likelihood = chain.draw(count, TUNE)
                new = likelihood - np.array([self.placer.log_density(each) for each in drawn])
            gain, error = bennett(last * (heats[k] - heats[k - 1]), new * (heats[k] - heats[k - 1]))
            whole, variance = whole + gain, variance + error**2
            last = new
        return whole, float(np.sqrt(variance))

    # --- the likelihood ---------------------------------------------------------------------------------

    def weights(self, vector: Floats) -> tuple[float, Floats]:
        """Return the log-likelihood and the weight of each draw under other parameters; they sum to one."""
        value = np.array([each.value(vector) for each in self.draws]) - self.offset
        return self._weighted(value)

    def _weighted(self, value: Floats) -> tuple[float, Floats]:
        top = float(value.max(initial=-np.inf))
        if not np.isfinite(top):
            return -np.inf, np.full(value.size, 1.0 / max(value.size, 1))
        weight = np.exp(value - top)
        total = float(weight.sum())
        return self.level + top + float(np.log(total / value.size)), weight / total

    def effective(self, vector: Floats) -> float:
        """Return how many equal draws the weighted ones are worth (Kong 1992); infinite where all are summed over."""
        if self.summed:
            return np.inf
        _, weight = self.weights(vector)
        return float(1.0 / (weight @ weight)) / correlated(self.offset)

    def error(self, vector: Floats) -> float:
        """Return the Monte-Carlo standard error of the log-likelihood at parameters."""
        if self.summed:
            return 0.0
        _, weight = self.weights(vector)
        count = weight.size
        own = float(weight @ weight - 1.0 / count) * correlated(self.offset)
        return float(np.sqrt(self.level_error**2 + max(own, 0.0)))

    def _compute(self, vector: Floats, order: int) -> tuple[float, Floats, Floats]:
        if not self.fixed and (self.centre is None or not np.array_equal(self.centre, vector)):
            self.recentre(vector)
        found = [each._compute(vector, order) for each in self.draws]
        value, weight = self._weighted(np.array([each[0] for each in found]) - self.offset)
        size = vector.size
        gradient, hessian = np.zeros(size), np.zeros((size, size)) if order == 2 else np.empty((0, 0))
        if order >= 1 and np.isfinite(value):
            live = np.flatnonzero(weight > 0.0)
            slopes = np.array([found[k][1] for k in live])
            weight = weight[live]
            gradient = weight @ slopes
            if order == 2:
                off = slopes - gradient
                hessian = np.einsum("m,mab->ab", weight, np.array([found[k][2] for k in live]))
                hessian += (off * weight[:, None]).T @ off
        return value, gradient, hessian

    def given_to(self, group: list[int], vector: Floats) -> tuple[Floats, int]:
        """Return the events of a transition given to each of its causes, in the mean over the times."""
        if not self.draws:
            return self.base.given_to(group, vector)
        _, weight = self.weights(vector)
        found = [each.given_to(group, vector) for each in self.draws]
        return weight @ np.array([shares for shares, _ in found]), found[0][1]

    def expected(self, number: int, vector: Floats) -> float:
        """Return the integral of a cause's hazard, in the mean over the times."""
        if not self.draws:
            return self.base.expected(number, vector)
        _, weight = self.weights(vector)
        return float(weight @ [each.expected(number, vector) for each in self.draws])

    def unit_scores(self, vector: Floats) -> Floats:
        """Return the gradient of each unit's own part of the log-likelihood (N, P), in the mean over the times."""
        _, weight = self.weights(vector)
        return np.asarray(
            sum(w * each.unit_scores(vector) for w, each in zip(weight, self.draws, strict=True))
        )

    def noise(self, vector: Floats) -> Floats:
        """Return the Monte-Carlo covariance of the score at parameters (P, P)."""
        if self.summed:
            return np.zeros((vector.size, vector.size))
        _, weight = self.weights(vector)
        slopes = np.array([each.gradient(vector) for each in self.draws])
        off = (slopes - weight @ slopes) * weight[:, None]
        return np.asarray(off.T @ off) * correlated(self.offset)


def bennett(low: Floats, high: Floats) -> tuple[float, float]:
    """Return the log-ratio of two normalising constants and its standard error (Bennett 1976).

    Parameters:
        low, high: log(second density / first), unnormalised, at draws of the first and of the second.
    """
    from scipy.optimize import brentq
    from scipy.special import expit, logsumexp

    shift = float(np.log(high.size / low.size))

    def gap(ratio: float) -> float:
        return float(expit(low - ratio + shift).sum() - expit(-(high - ratio + shift)).sum())

    seen = low[np.isfinite(low)]
    if not seen.size:
        return float(-(logsumexp(-high) - np.log(high.size))), np.inf
    ends = min(seen.min(), high.min()) - 50.0, max(seen.max(), high.max()) + 50.0
    ratio = float(brentq(gap, *ends))
    one, two = expit(low - ratio + shift), expit(-(high - ratio + shift))
    variance = sum(
        float(each.var() / max(each.mean(), 1e-300) ** 2) / each.size * factor
        for each, factor in ((one, 1.0), (two, correlated(high)))
    )
    return ratio, float(np.sqrt(variance))


def correlated(values: Floats) -> float:
    """Return by how much the variance of a mean is larger than of as many independent draws (Geyer 1992)."""
    size = values.size
    centred = values - values.mean()
    spread = float(centred @ centred)
    if size < 8 or spread <= 0.0:
        return 1.0
    whole = 1.0
    for lag in range(1, size // 4, 2):
        pair = float(centred[:-lag] @ centred[lag:] + centred[: -lag - 1] @ centred[lag + 1 :]) / spread
        if pair <= 0.0:
            break
        whole += 2.0 * pair
    return whole
