"""Forecasts: what is known until a date, simulated onwards, and how well such forecasts did in the past."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from tocsin.ensemble.expected_effect import expected_share
from tocsin.ensemble.spells import wilson
from tocsin.errors import FitError, ModelError, TocsinError, check_whole, suggestion
from tocsin.fit.draws_kept import COUNT, WORDS, kept_draws
from tocsin.fit.maximum.constraint import Prior
from tocsin.kernels.exposure_sweep import EXPLAINED
from tocsin.program.spans.open_times import say_middle
from tocsin.wording.numbers import noun

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from tocsin.ensemble.ensemble import Ensemble
    from tocsin.fit.estimates import Fit
    from tocsin.history.history import History
    from tocsin.model.model import Model

    Floats = NDArray[np.float64]
    Progress = Callable[[str, int, int], None]

EDGES = (0.0, 0.05, 0.2, 0.5, 1.0)  # of the bins in which forecasts are set beside what came


@dataclass(frozen=True, eq=False)
class Forecast:
    """What was to be expected on a date.

    Attributes:
        variable, state: the state whose entries are forecast.
        as_of, until: the date of the forecast and the end of its horizon, as the history writes them.
        table: one row a unit that was present and not in the state: unit, probability of entering it by the
            end, with `lower` and `upper` (95%, by the uncertainty of the parameters), and `entered`: whether
            it did in the record.
        number: how many entries worlds have in all: mean, lower and upper (95% of worlds).
        fit: the fit of what was known on the date.
        ensemble: the worlds, which agree with the record until the date.
    """

    variable: str
    state: str
    as_of: object
    until: object
    table: pd.DataFrame
    number: tuple[float, float, float]
    fit: Fit
    ensemble: Ensemble

    def _repr_html_(self) -> str:
        return str(self.table.to_html(index=False, float_format="{:.3f}".format))


@dataclass(frozen=True, eq=False)
class Backtest:
    """Forecasts made at past dates with what was known then, beside what came.

    Attributes:
        forecasts: the forecasts, in order of their dates.
        scores: one row a date and one for all: forecasts, entered, brier, brier_reference (of the share that
            entered, told for every unit), skill (1 less their ratio), log_score (mean log probability of what
            came).
        reliability: forecasts in bins: from, to, forecasts, mean forecast, share that entered with Wilson's
            95% interval.
        estimates: one row a date: the estimates of the fit of what was known then.
        skipped: dates at which no forecast could be made, with the reason.
    """

    forecasts: list[Forecast]
    scores: pd.DataFrame
    reliability: pd.DataFrame
    estimates: pd.DataFrame
    skipped: list[tuple[object, str]]

    def _repr_html_(self) -> str:
        return str(self.scores.to_html(index=False, float_format="{:.3f}".format))


def forecast(
    model: Model,
    history: History,
    variable: str,
    state: str,
    as_of: object,
    horizon: float,
    worlds: int = 2000,
    seed: int = 1917,
    prior: Prior | None = None,
    draws: Any = "fit",
    progress: Progress | None = None,
) -> Forecast:
    """Forecast who enters a state within a horizon, from what was known until a date.

    The model is fitted to what happened until the date; parameters are drawn from their uncertainty; worlds
    agree with the record until the date and go on from there. Ties and covariates after the date are taken as
    the record has them: a forecast is conditional on them.

    Parameters:
        variable, state: the state whose entries are forecast.
        as_of: the date (or number); what happened later is not used.
        horizon: how far to look, in units of the history's clock; in grouped time from the end of the interval
            that holds the date, which is known as a whole.
        worlds, seed: of the simulation.
        prior: of the fit; weak priors by default, so that what has not happened yet is no obstacle.
        draws: which parameters the worlds have: ``"fit"`` draws them (200 draws), a number of draws, or ``"best"`` for
            the estimates.
        progress: called with what is being done, steps done and steps in all.

    Raises:
        TocsinError: an unknown state, a date or horizon outside the record, or nothing to fit.
    """
    _check(model, variable, state, horizon)
    cut, end = _bounds(history, as_of, horizon)
    check_whole(2, worlds=worlds)
    count = _count(draws)
    check_whole(seed=seed)
    begin, tell = history.window[0], progress or _silent
    tell("fitting what was known", 0, 0)
    past = history.select(window=(begin, _shown(history, cut)))
    fit = model.fit(past, prior=Prior() if prior is None else prior)
    record = history.select(window=(begin, _last(history, end)))
    program = model.compile(record, fit.learned)
    say_middle(program, "forecasts (who came, and what was known on their day)")
    drawn = kept_draws(fit, count) if count else None
    text = str(_shown(history, cut)) if history.dated else f"{cut:.17g}"
    ensemble = program.simulate(
        fit.values,
        worlds,
        seed,
        given=f"until {text}",
        draws=drawn,
        progress=lambda done, total: tell("simulating", done, total),
    )
    table, number = _told(ensemble, history, variable, state, cut, end)
    return Forecast(variable, state, _shown(history, cut), _shown(history, end), table, number, fit, ensemble)


def backtest(
    model: Model,
    history: History,
    variable: str,
    state: str,
    horizon: float,
    dates: int = 4,
    before: object | None = None,
    worlds: int = 1000,
    seed: int = 1917,
    prior: Prior | None = None,
    draws: Any = "fit",
    progress: Progress | None = None,
) -> Backtest:
    """Make forecasts at past dates, each with what was known then, and score them by what came.

    Parameters:
        horizon: how far each looks, in units of the history's clock.
        dates: how many, spread evenly over the entries into the state whose horizon is over in time.
        before: score only what was over by this date; the end of the record by default.
        worlds, seed, prior, draws, progress: see `forecast`.

    Raises:
        TocsinError: no date is early enough, or none can be forecast.

    Source: Brier (1950) for the score; Gneiting & Raftery (2007) for both.
    """
    import pandas as pd

    check_whole(1, dates=dates)
    _check(model, variable, state, horizon)
    cuts = _cuts(model, history, variable, state, horizon, int(dates), before)
    made: list[Forecast] = []
    skipped: list[tuple[object, str]] = []
    for number, cut in enumerate(cuts):
        if progress is not None:
            progress("forecasting past dates", number, len(cuts))
        as_of = _shown(history, cut)
        try:
            made.append(forecast(model, history, variable, state, as_of, horizon, worlds, seed, prior, draws))
        except (FitError, ModelError) as error:
            skipped.append((as_of, str(error)))
    if not made:
        raise TocsinError(f"no forecast could be made: {skipped[0][1]}")
    tables = [each.table for each in made]
    rows = [(each.as_of, *_scores(each.table, worlds)) for each in made]
    rows.append(("all", *_scores(pd.concat(tables), worlds)))
    columns = ["as_of", "forecasts", "entered", "brier", "brier_reference", "skill", "log_score"]
    estimates = pd.DataFrame([each.fit.params for each in made])
    estimates.insert(0, "as_of", [each.as_of for each in made])
    return Backtest(
        made,
        pd.DataFrame(rows, columns=columns),
        _reliability(pd.concat(tables)),
        estimates.reset_index(drop=True),
        skipped,
    )


def _silent(what: str, done: int, total: int) -> None:
    pass


def _last(history: History, number: float) -> object:
    """Return the last date of a window that ends at a clock number."""
    return history.to_date(number - 1.0) if history.dated else number


def _shown(history: History, number: float) -> object:
    """Return the date of a clock number; of the end of an interval in grouped time, the interval."""
    return history.to_date(number - history.numbers.lag) if history.dated else number


def _check(model: Model, variable: str, state: str, horizon: object) -> None:
    """Refuse what no forecast can be asked of."""
    if variable not in model.by_name:
        raise TocsinError(f"the model has no variable {variable!r}" + suggestion(variable, model.by_name))
    model.by_name[variable].code(state)
    if not any(move.variable == variable and move.to == state for move in model.transitions):
        raise TocsinError(
            f"no transition of the model enters {variable}={state}, so there is nothing to forecast"
        )
    if isinstance(horizon, bool) or not isinstance(horizon, int | float) or not 0 < horizon < np.inf:
        raise TocsinError(f"the horizon is a number of the clock's units above 0, not {horizon!r}")


def _bounds(history: History, as_of: object, horizon: float) -> tuple[float, float]:
    """Return the clock numbers of the date and of the end of the horizon."""
    numbers = history.numbers
    cut = history.to_number(as_of)
    if history.grouped:  # an interval is known as a whole
        cut = float(np.floor(cut)) + numbers.lag
    if not numbers.start < cut < numbers.end:
        raise TocsinError(f"the date {as_of} is not inside the record")
    whole = history.dated or history.grouped
    end = cut + (float(round(horizon)) if whole else float(horizon))
    if end > numbers.end:
        raise TocsinError(
            f"the record ends {numbers.end - cut:g} {_units(history)} after {as_of}, and a forecast needs its ties "
            f"and covariates: choose a horizon of at most that, or an earlier date, not {horizon:g}"
        )
    return cut, end


def _units(history: History) -> str:
    return noun(history.clock, True)


def _count(draws: Any) -> int:
    """Return how many draws of the parameters are asked for, 0 for none."""
    if isinstance(draws, str):
        if draws not in WORDS:
            raise TocsinError(
                f"draws= is 'fit', 'best' or how many, not {draws!r}" + suggestion(draws, WORDS)
            )
        return COUNT if draws == "fit" else 0
    check_whole(1, draws=draws)
    return int(draws)


def _told(
    ensemble: Ensemble, history: History, variable: str, state: str, cut: float, end: float
) -> tuple[pd.DataFrame, tuple[float, float, float]]:
    """Return the table of a forecast, and how many entries worlds have."""
    import pandas as pd

    from tocsin.ensemble.spells import codes_of

    frame, events = ensemble.frame, ensemble.events
    code = frame.code(variable, state)
    own = codes_of(events["variable"], [variable]) == 0
    world, time = events["world"].to_numpy()[own], events["time"].to_numpy()[own]
    unit = codes_of(events["unit"], frame.units)[own]
    to = codes_of(events["to"], frame.variable(variable).states)[own]
    known = (world == 0) & (time <= cut)  # until the date all worlds are alike
    held = frame.initial[variable].copy()
    held[unit[known]] = to[known]  # in the order of time, so the last one stands
    open_to = (held != code) & (frame.enter <= cut) & (frame.exit > cut)
    chosen = (to == code) & (time > cut)
    world, unit = world[chosen], unit[chosen]
    entered = np.zeros((ensemble.worlds, len(frame.units)), dtype=bool)
    entered[world, unit] = True
    if ensemble.draws is None:
        lower, upper = wilson(entered.mean(axis=0), ensemble.worlds)
    else:
        size, turn = len(ensemble.draws), ensemble.draw
        hits = np.stack([entered[turn == draw].sum(axis=0) for draw in range(size)])
        lower, upper = expected_share(hits, np.bincount(turn, minlength=size))
    happened = _entered(history, variable, state, cut, end)
    rows = [
        (name, entered[:, k].mean(), lower[k], upper[k], name in happened)
        for k, name in enumerate(frame.units)
        if open_to[k]
    ]
    table = pd.DataFrame(rows, columns=["unit", "probability", "lower", "upper", "entered"])
    count = np.bincount(world, minlength=ensemble.worlds)
    low, high = np.quantile(count, [0.025, 0.975], method="inverted_cdf")
    order = table.sort_values(["probability", "unit"], ascending=[False, True])
    return order.reset_index(drop=True), (float(count.mean()), float(low), float(high))


def _entered(history: History, variable: str, state: str, cut: float, end: float) -> set[str]:
    """Return the units that entered a state in the record from the date to the end of the horizon."""
    numbers = history.numbers
    position = [each.name for each in history.variables].index(variable)
    code = (
        history.variables[position].states.index(state) if state in history.variables[position].states else -1
    )
    time = numbers.event_time + numbers.lag
    inside = (time > cut) & (time <= end)
    inside &= (numbers.event_variable == position) & (numbers.event_state == code)
    return {numbers.units[k] for k in numbers.event_unit[inside]}


def _cuts(
    model: Model,
    history: History,
    variable: str,
    state: str,
    horizon: float,
    dates: int,
    before: object | None,
) -> list[float]:
    """Return the dates of past forecasts, as clock numbers."""
    numbers = history.numbers
    last = (numbers.end if before is None else history.to_number(before)) - horizon
    whole = history.dated or history.grouped
    first = np.floor(numbers.start) + 1.0 if whole else numbers.start
    program = model.compile(history)
    known = np.sort(program.trace.time[program.trace.events[:, EXPLAINED] >= 0])
    known = known[known < last]
    if known.size < 2:
        raise TocsinError(
            f"too little happened more than {horizon:g} {_units(history)} before the end: choose a shorter horizon"
        )
    # A quarter of what happened must be known to begin with; then each date knows as many events more.
    cuts = np.quantile(known, 0.25 + 0.75 * np.arange(1, dates + 1) / (dates + 1), method="inverted_cdf")
    cuts = np.clip(cuts, first, last)
    return sorted({float(np.floor(cut)) if whole else float(cut) for cut in cuts})


def _scores(table: pd.DataFrame, worlds: int) -> tuple[Any, ...]:
    came = table["entered"].to_numpy(dtype=float)
    told = table["probability"].to_numpy()
    if not came.size:
        return (0, 0, np.nan, np.nan, np.nan, np.nan)
    brier = float(np.mean((told - came) ** 2))
    reference = float(came.mean() * (1.0 - came.mean()))
    inner = np.clip(told, 0.5 / worlds, 1.0 - 0.5 / worlds)  # no finite number of worlds shows a certainty
    score = float(np.mean(np.where(came > 0, np.log(inner), np.log1p(-inner))))
    skill = 1.0 - brier / reference if reference > 0 else np.nan
    return came.size, int(came.sum()), brier, reference, skill, score


def _reliability(table: pd.DataFrame) -> pd.DataFrame:
    import pandas as pd

    from tocsin.ensemble.spells import wilson

    rows = []
    for low, high in itertools.pairwise(EDGES):
        top = table["probability"] <= high if high == EDGES[-1] else table["probability"] < high
        part = table[(table["probability"] >= low) & top]
        if len(part):
            share = float(part["entered"].mean())
            lower, upper = (float(x) for x in wilson(np.array(share), len(part)))
            rows.append((low, high, len(part), float(part["probability"].mean()), share, lower, upper))
    return pd.DataFrame(rows, columns=["from", "to", "forecasts", "mean", "entered", "lower", "upper"])
