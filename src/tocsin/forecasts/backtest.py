"""Forecasts of the past: made at many dates with what was known then, scored by what came, beside simple rivals."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from tocsin.errors import FitError, ModelError, TocsinError, check_whole
from tocsin.forecasts.forecast import (
    AS_OF,
    HINDCAST,
    Forecast,
    ForecastQuestion,
    Told,
    check_asked,
    fitted_until,
    shown,
    simulated,
)
from tocsin.forecasts.scores import (
    ROW,
    Scored,
    brier_parts,
    coverage,
    crps,
    difference,
    exceedance,
    log_scores,
    reliability,
    row_of,
    slope,
)
from tocsin.kernels.exposure_sweep import EXPLAINED
from tocsin.model.declaration import Baseline, Transition, baseline
from tocsin.model.model import Model
from tocsin.wording.numbers import noun

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from tocsin.fit.maximum.constraint import Prior
    from tocsin.history.history import History

    Floats = NDArray[np.float64]
    Progress = Callable[[str, int, int], None]

CONSTANT, HOME, SAME = "constant rates", "home only", "no change"  # the rivals

LEARNING = 0.1  # of the events are known before the first date


@dataclass(frozen=True, eq=False)
class Backtest:
    """Forecasts made at past dates with what was known then, beside what came.

    Forecasters: ``as of`` (what was known), ``hindcast`` (with the ties, covariates and presence that the record has
    after the date), and the rivals ``constant rates`` (each transition at its rate until then), ``home only`` (the
    model without contagion) and ``no change`` (nobody enters).

    Attributes:
        forecasts: those ``as of``, in order of their dates.
        scores: one row a forecaster and date, and one for all dates: forecaster, as_of, forecasts, entered, expected,
            brier, brier_reference (of the share that entered, told for every unit), skill (1 less their ratio),
            log_score (mean log probability of what came), crps_count (of the number of entries), crps_dates (of the
            dates of entry, of units that do not enter the end of the horizon; in units of the clock).
        parts: one row a forecaster: reliability, resolution, uncertainty and within (brier = reliability - resolution
            + uncertainty + within), and the calibration slope with its 95% interval, dates taken as one each.
        differences: one row another forecaster and score (log score, brier): how much better ``as of`` did, with a
            95% interval over blocks of dates (NaN where there are too few), and how many dates a block has.
        reliability: forecasts ``as of`` in bins: from, to, forecasts, mean forecast, share that entered with Wilson's
            95% interval.
        coverage: how often intervals of the number of entries held it: level, dates, held, lower, upper.
        exceedance: how likely so many entries or more were: entries, dates, told, came, brier.
        estimates: one row a date: the estimates of the fit of what was known then.
        skipped: dates at which a forecaster could make no forecast, with the reason.
    """

    forecasts: list[Forecast]
    scores: pd.DataFrame
    parts: pd.DataFrame
    differences: pd.DataFrame
    reliability: pd.DataFrame
    coverage: pd.DataFrame
    exceedance: pd.DataFrame
    estimates: pd.DataFrame
    skipped: list[tuple[object, str]]

    def _repr_html_(self) -> str:
        tables = (self.scores[self.scores["as_of"] == "all"], self.parts, self.differences)
        return "".join(str(each.to_html(index=False, float_format="{:.3f}".format)) for each in tables)


def backtest(
    model: Model,
    history: History,
    variable: str,
    state: str,
    horizon: float,
    dates: int = 8,
    before: object | None = None,
    worlds: int = 1000,
    seed: int = 1917,
    prior: Prior | None = None,
    draws: Any = "fit",
    progress: Progress | None = None,
    rivals: bool = True,
) -> Backtest:
    """Make forecasts at past dates, each refitted to what was known then, and score them by what came.

    Parameters:
        model, history: what is declared, and the record that it is fitted to.
        variable, state: the state whose entries are forecast.
        horizon: how far each looks, in units of the history's clock.
        dates: how many, spread evenly over the time in which a tenth of the events are known and an entry into the
            state follows within the horizon; fewer where there are not so many days.
        before: score only what was over by this date; the end of the record by default.
        worlds, seed, prior, draws, progress: see `forecast`.
        rivals: whether to score hindcasts and the rivals beside the forecasts.

    Raises:
        TocsinError: no date is early enough, or none can be forecast.

    Source: rolling origins: Tashman (2000); for the scores see `tocsin.forecasts.scores`.

    Example:
        >>> import tocsin as tc
        >>> history = tc.load_history("1917")
        >>> model = tc.Model.from_toml(history.model_path)
        >>> past = tc.backtest(model, history, "regime", "soviet", 180, dates=1, worlds=50)
        >>> past.scores[past.scores["as_of"] == "all"], past.differences
    """
    import pandas as pd

    check_whole(1, dates=dates)
    check_asked(model, variable, state, horizon)
    cuts = _cuts(model, history, variable, state, horizon, int(dates), before)
    whole = history.dated or history.grouped
    span = max(float(round(horizon)), 1.0) if whole else float(horizon)
    made: dict[str, list[Forecast]] = {}
    scored: dict[str, dict[float, Scored]] = {}
    skipped: list[tuple[object, str]] = []
    for number, cut in enumerate(cuts):
        if progress is not None:
            progress("forecasting past dates", number, len(cuts))
        asked = ForecastQuestion(variable, state, cut, cut + span)
        for name, each in _made_at(model, history, asked, worlds, seed, prior, draws, rivals, skipped):
            made.setdefault(name, []).append(each)
            scored.setdefault(name, {})[cut] = _scored(each.told, asked)
            if name == AS_OF and rivals:
                scored.setdefault(SAME, {})[cut] = _scored(_unmoved(each.told, worlds), asked)
    if progress is not None:
        progress("forecasting past dates", len(cuts), len(cuts))
    if AS_OF not in made:
        raise TocsinError(f"no forecast could be made: {skipped[0][1]}")
    ours = list(scored[AS_OF].values())
    told, came = (np.concatenate([getattr(each, name) for each in ours]) for name in ("told", "came"))
    block = 1 + _overlapping(list(scored[AS_OF]), span)
    estimates = pd.DataFrame([each.fit.params for each in made[AS_OF]])
    estimates.insert(0, "as_of", [each.as_of for each in made[AS_OF]])
    return Backtest(
        made[AS_OF],
        _scores(history, scored),
        _parts(scored),
        _differences(scored, block, seed),
        reliability(told, came),
        coverage(ours),
        exceedance(ours),
        estimates.reset_index(drop=True),
        skipped,
    )


def _made_at(
    model: Model,
    history: History,
    asked: ForecastQuestion,
    worlds: int,
    seed: int,
    prior: Prior | None,
    draws: Any,
    rivals: bool,
    skipped: list[tuple[object, str]],
) -> list[tuple[str, Forecast]]:
    """Return the forecasts of a date by their forecasters; those that cannot be made are noted."""
    made: list[tuple[str, Forecast]] = []
    as_of = shown(history, asked.cut)
    for name, other in _models(model) if rivals else [(AS_OF, model)]:
        try:
            fit, record = fitted_until(other, history, asked, prior, draws)
            made.append((name, simulated(fit, history, record, asked, worlds, seed, draws)))
            if name == AS_OF and rivals:
                hind = simulated(fit, history, record, asked, worlds, seed, draws, known=HINDCAST)
                made.append((HINDCAST, hind))
        except (FitError, ModelError) as error:
            skipped.append((as_of, str(error) if name == AS_OF else f"{name}: {error}"))
    return made


def _models(model: Model) -> list[tuple[str, Model]]:
    """Return the forecasters that are fitted, by name."""

    def moved(keep: bool) -> Model:
        moves = []
        for move in model.transitions:
            causes = [each for each in move.causes if isinstance(each, Baseline)] if keep else []
            if not causes:
                causes = [baseline()]
            moves.append(Transition(move.variable, move.origin, move.to, *causes, requires=move.requires))
        return Model(model.variables, moves)

    return [(AS_OF, model), (CONSTANT, moved(False)), (HOME, moved(True))]


def _unmoved(told: Told, worlds: int) -> Told:
    """Return what no change tells: nobody enters."""
    nobody = np.full((worlds, len(told.units)), np.inf)
    return Told(told.units, nobody, np.zeros(worlds), told.came, told.number)


def _scored(told: Told, asked: ForecastQuestion) -> Scored:
    worlds = len(told.count)
    within, came = np.minimum(told.first, asked.end), np.minimum(told.came, asked.end)
    return Scored(
        np.isfinite(told.first).mean(axis=0),
        np.isfinite(told.came).astype(np.float64),
        told.count,
        told.number,
        crps(within, came),
        worlds,
    )


def _scores(history: History, scored: dict[str, dict[float, Scored]]) -> pd.DataFrame:
    import pandas as pd

    rows: list[tuple[Any, ...]] = []
    for name, by_cut in scored.items():
        rows += [(name, shown(history, cut), *row_of([each])) for cut, each in by_cut.items()]
        rows.append((name, "all", *row_of(list(by_cut.values()))))
    return pd.DataFrame(rows, columns=["forecaster", "as_of", *ROW])


def _parts(scored: dict[str, dict[float, Scored]]) -> pd.DataFrame:
    import pandas as pd

    rows = []
    for name, by_cut in scored.items():
        parts = list(by_cut.values())
        told, came = (np.concatenate([getattr(each, key) for each in parts]) for key in ("told", "came"))
        date = np.repeat(np.arange(len(parts)), [each.came.size for each in parts])
        floor = 0.5 / parts[0].worlds
        rows.append((name, *brier_parts(told, came), *slope(told, came, date, floor)))
    columns = ["forecaster", "reliability", "resolution", "uncertainty", "within"]
    return pd.DataFrame(rows, columns=[*columns, "slope", "slope_lower", "slope_upper"])


def _differences(scored: dict[str, dict[float, Scored]], block: int, seed: int) -> pd.DataFrame:
    import pandas as pd

    rows = []
    for name, theirs in scored.items():
        if name == AS_OF:
            continue
        both = [cut for cut in scored[AS_OF] if cut in theirs]
        pairs = [(scored[AS_OF][cut], theirs[cut]) for cut in both]
        logs = [
            [log_scores(each.told, each.came, each.worlds) for each in side]
            for side in zip(*pairs, strict=True)
        ]
        brier = [[-((each.told - each.came) ** 2) for each in side] for side in zip(*pairs, strict=True)]
        for label, sides in (("log score", logs), ("brier", brier)):
            if sides:
                rows.append((name, label, *difference(sides[0], sides[1], block, seed), len(both), block))
    columns = ["forecaster", "score", "better by", "lower", "upper", "dates", "block"]
    return pd.DataFrame(rows, columns=columns)


def _overlapping(cuts: Sequence[float], span: float) -> int:
    """Return how many later dates lie, at most, within the horizon of one."""
    times = np.asarray(cuts)
    later = np.searchsorted(times, times + span, side="left") - np.arange(times.size) - 1
    return int(max(later.max(initial=0), 0))


def _cuts(
    model: Model,
    history: History,
    variable: str,
    state: str,
    horizon: float,
    dates: int,
    before: object | None,
) -> list[float]:
    """Return the dates of past forecasts, as clock numbers: each has an entry within its horizon."""
    numbers = history.numbers
    last = (numbers.end if before is None else history.to_number(before)) - horizon
    whole = history.dated or history.grouped
    program = model.compile(history)
    trace = program.trace
    known = np.sort(trace.time[trace.events[:, EXPLAINED] >= 0])
    enters = [k for k, move in enumerate(model.transitions) if (move.variable, move.to) == (variable, state)]
    came = np.sort(trace.time[np.isin(trace.events[:, EXPLAINED], enters)])
    first = known[min(max(int(LEARNING * known.size), 1), known.size - 1)] if known.size > 1 else math.inf
    begin = np.maximum(came - horizon, first)
    end = np.minimum(came, last)
    unit = 1.0 if whole else (numbers.end - numbers.start) / 1e6
    open_ = [(a, b) for a, b in zip(begin, end, strict=True) if math.ceil(a) < b or (not whole and a < b)]
    if not open_:
        raise TocsinError(
            f"too little happened more than {horizon:g} {noun(history.clock, True)} before the end: choose a shorter "
            "horizon"
        )
    points = np.unique(np.concatenate([_grid(a, b, whole, unit) for a, b in open_]))
    points = points[points <= last]
    chosen = np.unique(np.round(np.linspace(0, points.size - 1, dates)).astype(int))
    return [float(each) for each in points[chosen]]


def _grid(begin: float, end: float, whole: bool, unit: float) -> Floats:
    """Return the dates in [begin, end), whole ones or a thousand of any."""
    if whole:
        return np.arange(math.ceil(begin), math.ceil(end), dtype=np.float64)
    return np.linspace(begin, end, 1000, endpoint=False) if end - begin > unit else np.array([begin])
