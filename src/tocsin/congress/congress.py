"""A congress: draws of the parameters weighted by what experts expected, since a judgement speaks of a whole system.

A judgement "Germany is soviet by the end of 1919, with probability .7" is no statement about one parameter: it speaks
of example, armies and support together. So each draw of the parameters simulates the worlds that go on from the day of
the judgement, as it was known; the share of them in which the event comes is the probability that these parameters
give to it, and the draw weighs as much as the experts' pooled density there.

Sources: O'Hagan et al. (2006), Uncertain Judgements; Genest & Zidek (1986) for the logarithmic pool; Stephenson et al.
(2005) and Poole & Raftery (2000) for beliefs about outputs of a model.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from tocsin.congress.judgements import Judgement, share
from tocsin.errors import TocsinError, check_whole
from tocsin.fit.draws_kept import kept_draws
from tocsin.fit.maximum.constraint import Prior
from tocsin.forecasts.forecast import ForecastQuestion, _came, fitted_until, shown, simulated, told_by
from tocsin.history.known import known_on

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from tocsin.fit.estimates import Fit
    from tocsin.forecasts.forecast import Told
    from tocsin.history.history import History
    from tocsin.model.model import Model

    Floats = NDArray[np.float64]
    Progress = Callable[[str, int, int], None]

DRAWS, EACH = 200, 20  # draws of the parameters, and worlds of each

FEW = 20.0  # effective draws: fewer show little but the luck of the draw


@dataclass(frozen=True, eq=False)
class Congress:
    """What experts expected, what that makes of the model, and what came.

    Attributes:
        questions: one row a question: unit, state, date (of the last judgement), horizon, experts, lowest and highest
            of what they said, disagreement (standard deviation of their log odds), pooled with its 95% interval,
            before (the probability that the worlds of the day give), with_congress, came (missing where the record
            does not reach the horizon), without (of the fit to the whole record) and fit_with.
        worlds: one row a set of worlds: entries expected into each judged state by the last horizon, and the record's.
        parameters: one row a parameter: mean and standard deviation of the draws of the day, with the congress, of the
            fit to the whole record, and of that with the congress.
        scores: mean Brier and log score of experts, pool and model where the record has the answer.
        effective: effective numbers of draws, of the day and of the whole record.
        weights: of the draws of the day (D,) and of those of the whole record.
        as_of: the day of the congress; left_out: judgements that were not used, with the reason.
    """

    questions: pd.DataFrame
    worlds: pd.DataFrame
    parameters: pd.DataFrame
    scores: pd.DataFrame
    effective: tuple[float, float]
    draws: int
    weights: tuple[Floats, Floats]
    as_of: object
    left_out: list[tuple[Judgement, str]]


def pooled(judgements: Sequence[Judgement]) -> tuple[float, float]:
    """Return mean and standard deviation of the log odds in the logarithmic pool, all experts counting alike.

    The pool is proportional to the geometric mean of the densities; of normal ones it is normal with the mean of the
    precisions as its own: experts who agree make it no surer than one of them.
    """
    precision = np.array([each.spread**-2 for each in judgements])
    middle = np.array([each.middle for each in judgements])
    return float((precision * middle).sum() / precision.sum()), float(precision.mean() ** -0.5)


def log_weights(hits: Floats, each: int, middle: float, spread: float) -> Floats:
    """Return the log density of the pool at simulated probabilities, their Monte-Carlo noise taken in.

    Of `each` worlds of a draw `hits` have the event. What the probability of a draw is, so few worlds do not say: the
    density of the pool is averaged over what they leave open, Beta(k + 1/2, n - k + 1/2).
    """
    odds = np.linspace(-15.0, 15.0, 3001)
    log = np.arange(each + 1)[:, None] + 0.5
    log = log * odds - (each + 1.0) * np.logaddexp(0.0, odds)
    left_open = np.exp(log - log.max(axis=1, keepdims=True))
    pool = np.exp(-0.5 * ((odds - middle) / spread) ** 2) / spread
    means = (left_open @ pool) / left_open.sum(axis=1)
    return np.asarray(np.log(np.maximum(means, 1e-300))[hits.astype(np.int64)])


def _day_of(judgements: Sequence[Judgement], history: History) -> float:
    """Return the day on which the most judgements have been made and are open, the first of several."""
    days = sorted({one.date for one in judgements})
    return max(days, key=lambda day: (len(_sorted(judgements, history, day)[0]), -day))


def congress(
    model: Model,
    history: History,
    judgements: Sequence[Judgement],
    as_of: object | None = None,
    draws: int = DRAWS,
    each: int = EACH,
    seed: int = 1917,
    prior: Prior | None = None,
    progress: Progress | None = None,
) -> Congress:
    """Weigh draws of the parameters by what experts expected, before and after the data that they had not seen.

    Parameters:
        judgements: see `judgements.read_judgements`.
        as_of: the day of the congress: judgements made later, and those that are decided by then, are left out, so that
            no judgement has seen the data that it meets. By default the day that leaves out the fewest.
        draws, each: draws of the parameters, and worlds of each at each day on which something was judged.
        prior: of the fits; weak priors by default.

    Raises:
        TocsinError: no judgement is left.
    """
    check_whole(10, draws=draws)
    check_whole(4, each=each)
    cut = _day_of(judgements, history) if as_of is None else history.to_number(as_of)
    used, left_out = _sorted(judgements, history, cut)
    far = max((one.horizon for one in used), default=cut + 1.0)
    if not used:
        raise TocsinError("no judgement is left: " + "; ".join(why for _, why in left_out[:3]))
    asked = ForecastQuestion(used[0].variable, used[0].state, cut, far)
    day, _ = fitted_until(model, history, asked, prior, draws, progress)
    whole = model.fit(history, prior=Prior() if prior is None else prior)
    ends: dict[float, float] = {cut: far}
    for one in used:
        ends[one.date] = max(ends.get(one.date, 0.0), one.horizon)
    sides = [DrawsOfFit(fit, history, draws, each, seed, ends) for fit in (day, whole)]
    rows: list[dict[str, Any]] = []
    groups = _groups(used)
    for number, group in enumerate(groups):
        if progress is not None:
            progress("worlds of the judgements", number, len(groups))
        row = _weighed(group, sides, history)
        if row is None:
            left_out += [
                (one, f"{one.unit} is not at risk of {one.variable}={one.state} on {one.told[0]}")
                for one in group
            ]
        else:
            rows.append(row)
    if not rows:
        raise TocsinError("no judgement is left: " + "; ".join(why for _, why in left_out[:3]))
    return _made(rows, sides, history, cut, far, left_out)


def _sorted(
    judgements: Sequence[Judgement], history: History, cut: float
) -> tuple[list[Judgement], list[tuple[Judgement, str]]]:
    """Return the judgements that were made by a day and are open on it, and the others with the reason."""
    used, left = [], []
    for one in judgements:
        asked = ForecastQuestion(one.variable, one.state, one.date, min(cut, history.numbers.end))
        if one.date > cut:
            left.append((one, f"it was made on {one.told[0]}, after the day of the congress"))
        elif one.horizon <= cut:
            left.append((one, f"its horizon {one.told[1]} is over by the day of the congress"))
        elif np.isfinite(_came(history, asked, [one.unit])[0][0]):
            left.append((one, "what it speaks of had come by the day of the congress"))
        else:
            used.append(one)
    return used, left


def _groups(judgements: Sequence[Judgement]) -> list[list[Judgement]]:
    """Return the judgements of each question together, in order."""
    groups: dict[tuple[Any, ...], list[Judgement]] = {}
    for one in judgements:
        groups.setdefault(one.question, []).append(one)
    return list(groups.values())


class DrawsOfFit:
    """Draws of one fit, with what their worlds say of questions, and their log weights (D,)."""

    def __init__(
        self, fit: Fit, history: History, draws: int, each: int, seed: int, far: dict[float, float]
    ) -> None:
        self.far = far  # how far the worlds of each day go
        self.fit, self.history, self.draws, self.each, self.seed = fit, history, draws, each, seed
        self.log = np.zeros(draws)
        self.hits: list[Floats] = []
        self._worlds: dict[float, Any] = {}

    def ensemble(self, cut: float, end: float) -> Any:
        """Return worlds that go on from a day as it was known; those of a day are made once, for the farthest end."""
        if cut not in self._worlds or self._worlds[cut][0] < end:
            asked = ForecastQuestion(
                self.fit.model.transitions[0].variable, self.fit.model.transitions[0].to, cut, end
            )
            record = known_on(self.history, cut, end)
            made = simulated(
                self.fit, self.history, record, asked, self.draws * self.each, self.seed, self.draws
            )
            self._worlds[cut] = (end, made.ensemble)
        return self._worlds[cut][1]

    def told(self, one: Judgement) -> Told:
        """Return what the worlds of the day of a judgement say of its state."""
        asked = ForecastQuestion(one.variable, one.state, one.date, one.horizon)
        return told_by(self.ensemble(one.date, self.far[one.date]), self.history, asked)

    @property
    def weights(self) -> Floats:
        """Return the weights of the draws (D,), which sum to 1."""
        weight = np.exp(self.log - self.log.max())
        return np.asarray(weight / weight.sum())

    @property
    def effective(self) -> float:
        """Return the effective number of draws (Kish)."""
        return float(1.0 / (self.weights**2).sum())


def _weighed(
    group: Sequence[Judgement], sides: Sequence[DrawsOfFit], history: History
) -> dict[str, Any] | None:
    """Weigh the draws of each side by one question; return its row, None where the unit is not at risk.

    Each judgement is met by the worlds of its own day; the pool gives each an equal part of one vote.
    """
    hits: list[list[Floats]] = []
    came = math.nan
    for side in sides:
        own = []
        for one in group:
            told = side.told(one)
            if one.unit not in told.units:
                return None
            place = told.units.index(one.unit)
            entered = (told.first[:, place] <= one.horizon).astype(np.float64)
            own.append(
                np.bincount(np.arange(entered.size) % side.draws, entered, side.draws).astype(np.float64)
            )
            came = float(np.isfinite(told.came[place])) if not math.isnan(told.number) else math.nan
        hits.append(own)
    middle, spread = pooled(group)
    for side, own in zip(sides, hits, strict=True):
        side.log += np.mean([log_weights(k, side.each, middle, spread) for k in own], axis=0)
        side.hits.append(own[-1])
    said = [share(one.middle) for one in group]
    return {
        "unit": group[0].unit,
        "state": f"{group[0].variable}={group[0].state}",
        "date": max(group, key=lambda one: one.date).told[0],
        "horizon": group[0].told[1],
        "experts": ", ".join(one.expert for one in group),
        "lowest": min(said),
        "highest": max(said),
        "disagreement": float(np.std([one.middle for one in group])),
        "pooled": share(middle),
        "pooled_lower": share(middle - 1.96 * spread),
        "pooled_upper": share(middle + 1.96 * spread),
        "came": came,
    }


def _made(
    rows: list[dict[str, Any]], sides: Sequence[DrawsOfFit], history: History, cut: float, far: float,
    left_out: list[tuple[Judgement, str]],
) -> Congress:  # fmt: skip
    import pandas as pd

    names = (("before", "with_congress"), ("without", "fit_with"))
    for place, row in enumerate(rows):
        for side, (plain, weighed) in zip(sides, names, strict=True):
            told = side.hits[place] / side.each
            row[plain], row[weighed] = float(told.mean()), float(side.weights @ told)
    questions = pd.DataFrame(rows)
    drawn = [kept_draws(side.fit, side.draws).frame() for side in sides]
    table = pd.DataFrame({"parameter": list(drawn[0].columns)})
    for side, frame, labels in zip(sides, drawn, names, strict=True):
        values = frame.reindex(columns=table["parameter"]).to_numpy()
        for label, weight in zip(labels, (np.full(side.draws, 1.0 / side.draws), side.weights), strict=True):
            mean = weight @ values
            table[label] = mean
            table[f"{label}_sd"] = np.sqrt(weight @ (values - mean) ** 2)
    return Congress(
        questions,
        _worlds(rows, sides[0], history, cut, far),
        table,
        _scores(questions),
        (sides[0].effective, sides[1].effective),
        sides[0].draws,
        (sides[0].weights, sides[1].weights),
        shown(history, cut),
        left_out,
    )


def _worlds(
    rows: list[dict[str, Any]], side: DrawsOfFit, history: History, cut: float, far: float
) -> pd.DataFrame:
    """Return how many entries worlds of the day of the congress have, with all draws alike and as weighted."""
    import pandas as pd

    ensemble = side.ensemble(cut, far)
    found = []
    for clause in dict.fromkeys(row["state"] for row in rows):
        variable, state = clause.split("=", 1)
        told = told_by(ensemble, history, ForecastQuestion(variable, state, cut, far))
        weight = np.tile(side.weights, side.each) / side.each
        order = np.argsort(told.count, kind="stable")
        for name, own in (("before", np.full(weight.size, 1.0 / weight.size)), ("with the congress", weight)):
            summed = np.cumsum(own[order])
            low, high = (
                float(told.count[order][np.searchsorted(summed, p).clip(max=weight.size - 1)])
                for p in (0.025, 0.975)
            )
            found.append((clause, name, float(own @ told.count), low, high, told.number))
    return pd.DataFrame(found, columns=["state", "worlds", "expected", "lower", "upper", "record"])


def _scores(questions: pd.DataFrame) -> pd.DataFrame:
    """Return Brier and log scores of the pool and of the model where the record has the answer."""
    import pandas as pd

    known = questions[questions["came"].notna()]
    came = known["came"].to_numpy(np.float64)
    rows = []
    for name, column in (
        ("experts, pooled", "pooled"),
        ("model of the day", "before"),
        ("with the congress", "with_congress"),
    ):
        told = known[column].to_numpy(np.float64)
        inner = np.clip(told, 1e-3, 1.0 - 1e-3)
        log = (
            float(np.mean(came * np.log(inner) + (1.0 - came) * np.log1p(-inner))) if came.size else math.nan
        )
        brier = float(np.mean((told - came) ** 2)) if came.size else math.nan
        rows.append((name, came.size, brier, log))
    return pd.DataFrame(rows, columns=["who", "questions", "brier", "log_score"])
