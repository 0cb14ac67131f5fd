"""Forecasts as of a day: what was known until then, simulated onwards."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from tocsin.ensemble.expected_effect import expected_share
from tocsin.ensemble.spells import codes_of, wilson
from tocsin.errors import TocsinError, check_whole, suggestion
from tocsin.fit.draws_kept import COUNT, WORDS, kept_draws
from tocsin.fit.fit import fit_program
from tocsin.fit.maximum.constraint import Prior
from tocsin.history.known import events_known, known_later, known_on
from tocsin.program.spans.open_times import say_middle
from tocsin.wording.numbers import noun

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd
    import xarray
    from numpy.typing import NDArray

    from tocsin.ensemble.ensemble import Ensemble
    from tocsin.fit.estimates import Fit
    from tocsin.history.history import History
    from tocsin.interventions.intervention import Intervention
    from tocsin.model.model import Model

    Floats = NDArray[np.float64]
    Progress = Callable[[str, int, int], None]

AS_OF, HINDCAST = "as of", "hindcast"  # what worlds know of ties, covariates and presence after the date


@dataclass(frozen=True)
class ForecastQuestion:
    """What is forecast, from when and until when.

    Attributes:
        variable, state: the state whose entries are forecast.
        cut, end: clock numbers of the date and of the end of the horizon (of intervals in grouped time, their ends).
    """

    variable: str
    state: str
    cut: float
    end: float


@dataclass(frozen=True, eq=False)
class Told:
    """What worlds tell of each unit that could enter the state, and what came.

    Attributes:
        units: those present on the day and not known to be in the state (U,).
        first: clock numbers of their first entries by world (W, U); infinite where there is none by the end.
        count: entries of all units by world, further ones included (W,).
        came: clock numbers of their first entries in the record (U,), infinite where there is none by the end;
            NaN where the record does not reach the end.
        number: entries in the record, NaN where it does not reach the end.
    """

    units: tuple[str, ...]
    first: Floats
    count: Floats
    came: Floats
    number: float


@dataclass(frozen=True, eq=False)
class Forecast:
    """What was to be expected on a date.

    Attributes:
        variable, state: the state whose entries are forecast.
        as_of, until: the date of the forecast and the end of its horizon, as the history writes them.
        table: one row a unit that was present and not known to be in the state: unit, probability of entering it by
            the end, with `lower` and `upper` (95%, by the uncertainty of the parameters), and `entered`: whether it
            did in the record (missing where the record ends before the horizon).
        number: how many entries worlds have in all: mean, lower and upper (95% of worlds).
        fit: the fit of what was known on the date.
        ensemble: the worlds, which agree with what was known until the date.
        known: ``as of`` or ``hindcast``.
        scenario: what was declared to change after the date, as sentences.
        told: the same by world, for scores and exports.
        question: what was asked, in clock numbers.
    """

    variable: str
    state: str
    as_of: object
    until: object
    table: pd.DataFrame
    number: tuple[float, float, float]
    fit: Fit
    ensemble: Ensemble
    known: str
    scenario: tuple[str, ...]
    told: Told
    question: ForecastQuestion

    def to_xarray(self) -> xarray.Dataset:
        """Return the forecast as draws: entries by world and unit, for xarray and ArviZ; see `forecasts.export`."""
        from tocsin.forecasts.export import to_xarray

        return to_xarray(self)

    def to_parquet(self, path: str | Path) -> None:
        """Write the forecast as draws, one row a world and unit, as Parquet; see `forecasts.export`."""
        from tocsin.forecasts.export import to_parquet

        to_parquet(self, path)

    def _repr_html_(self) -> str:
        return str(self.table.to_html(index=False, float_format="{:.3f}".format))


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
    known: str = AS_OF,
    scenario: Sequence[Intervention | str] = (),
) -> Forecast:
    """Forecast who enters a state within a horizon, from what was known on a date.

    The model is fitted to what was known on the date; parameters are drawn from their uncertainty; worlds agree with
    it until the date and go on from there. An event is known if all of its span is over; what was `reported` later is
    not. Ties, covariates and presence stay as they were on the day, or follow a scenario. A `hindcast` gives worlds
    those that the record has after the date, which nobody knew; the fit is the same.

    Parameters:
        model, history: what is declared, and the record that it is fitted to.
        variable, state: the state whose entries are forecast.
        as_of: the date (or number); what happened later is not used.
        horizon: how far to look, in units of the history's clock; in grouped time from the end of the interval
            that holds the date, which is known as a whole. It may go beyond the record, unless it is a hindcast.
        worlds, seed: of the simulation.
        prior: of the fit; weak priors by default, so that what has not happened yet is no obstacle.
        draws: which parameters the worlds have: ``"fit"`` draws them (200 draws), a number of draws, or ``"best"`` for
            the estimates.
        progress: called with what is being done, steps done and steps in all.
        known: ``"as of"`` or ``"hindcast"``.
        scenario: changes after the date, as interventions or sentences such as ``add tie red_army russia > poland from
            1920-05-01``.

    Raises:
        TocsinError: an unknown state, a date or horizon outside the record, or nothing to fit.

    Example:
        >>> import tocsin as tc
        >>> history = tc.load_history("1917")
        >>> model = tc.Model.from_toml(history.model_path)
        >>> made = tc.forecast(model, history, "regime", "soviet", "1918-11-01", 180, worlds=50)
        >>> made.table.head(), made.number
    """
    if known not in (AS_OF, HINDCAST):
        raise TocsinError(
            f"known= is 'as of' or 'hindcast', not {known!r}" + suggestion(str(known), (AS_OF, HINDCAST))
        )
    check_asked(model, variable, state, horizon)
    check_whole(2, worlds=worlds)
    asked = ForecastQuestion(variable, state, *bounds(history, as_of, horizon, known == HINDCAST))
    fit, record = fitted_until(model, history, asked, prior, draws, progress)
    return simulated(fit, history, record, asked, worlds, seed, draws, progress, known, scenario)


def fitted_until(
    model: Model,
    history: History,
    asked: ForecastQuestion,
    prior: Prior | None = None,
    draws: Any = "fit",
    progress: Progress | None = None,
    near: Mapping[str, float] | None = None,
) -> tuple[Fit, History]:
    """Return the fit of what was known on the date of a question, and what was known with the horizon ahead.

    `near` are estimates of an earlier date, from which the fit then begins.
    """
    if progress is not None:
        progress("fitting what was known", 0, 0)
    count = draws_asked(draws)
    record = known_on(history, asked.cut, asked.end)
    past = record.select(window=(history.window[0], shown(history, asked.cut)))
    fit = fit_program(model.compile(past), Prior() if prior is None else prior, near=near)
    if count:
        kept_draws(fit, count)
    return fit, record


def simulated(
    fit: Fit,
    history: History,
    record: History,
    asked: ForecastQuestion,
    worlds: int,
    seed: int,
    draws: Any = "fit",
    progress: Progress | None = None,
    known: str = AS_OF,
    scenario: Sequence[Intervention | str] = (),
) -> Forecast:
    """Return the forecast of a fit; see `forecast`.

    Parameters:
        history: the record, for what came; record: what was known, with the horizon ahead: see `fitted_until`.
    """
    count, model = draws_asked(draws), fit.model
    check_whole(seed=seed)
    if known == HINDCAST:
        record = known_later(
            history.select(window=(history.window[0], last_date(history, asked.end))),
            asked.cut,
            {move.variable for move in model.transitions},
        )
    program = model.compile(record, fit.learned)
    say_middle(program, "forecasts (who came, and what was known on their day)")
    text = str(shown(history, asked.cut)) if history.dated else f"{asked.cut:.17g}"
    ensemble = program.simulate(
        fit.values,
        worlds,
        seed,
        scenario,
        given=f"until {text}",
        draws=kept_draws(fit, count) if count else None,
        progress=None if progress is None else lambda done, total: progress("simulating", done, total),
    )
    told = told_by(ensemble, history, asked)
    return Forecast(
        asked.variable,
        asked.state,
        shown(history, asked.cut),
        shown(history, asked.end),
        _table(told, ensemble, asked),
        _number(told),
        fit,
        ensemble,
        known,
        ensemble.interventions,
        told,
        asked,
    )


def shown(history: History, number: float) -> object:
    """Return the date of a clock number; of the end of an interval in grouped time, the interval."""
    return history.to_date(number - history.numbers.lag) if history.dated else number


def last_date(history: History, number: float) -> object:
    """Return the last date of a window that ends at a clock number."""
    return history.to_date(number - 1.0) if history.dated else number


def check_asked(model: Model, variable: str, state: str, horizon: object) -> None:
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


def bounds(history: History, as_of: object, horizon: float, inside: bool) -> tuple[float, float]:
    """Return the clock numbers of the date and of the end of the horizon, which may have to lie inside the record."""
    numbers = history.numbers
    cut = history.to_number(as_of)
    if history.grouped:  # an interval is known as a whole
        cut = float(np.floor(cut)) + numbers.lag
    if not numbers.start < cut <= numbers.end:
        raise TocsinError(f"the date {as_of} is not inside the record")
    whole = history.dated or history.grouped
    end = cut + (max(float(round(horizon)), 1.0) if whole else float(horizon))
    if inside and end > numbers.end:
        raise TocsinError(
            f"the record ends {numbers.end - cut:g} {noun(history.clock, True)} after {as_of}, and a hindcast needs "
            f"its ties and covariates: choose a horizon of at most that, or an earlier date, not {horizon:g}"
        )
    return cut, end


def draws_asked(draws: Any) -> int:
    """Return how many draws of the parameters are asked for, 0 for none."""
    if isinstance(draws, str):
        if draws not in WORDS:
            raise TocsinError(
                f"draws= is 'fit', 'best' or how many, not {draws!r}" + suggestion(draws, WORDS)
            )
        return COUNT if draws == "fit" else 0
    check_whole(1, draws=draws)
    return int(draws)


def told_by(ensemble: Ensemble, history: History, asked: ForecastQuestion) -> Told:
    """Return what worlds tell of a question, and what came in the record."""
    frame, events = ensemble.frame, ensemble.events
    code = frame.code(asked.variable, asked.state)
    own = codes_of(events["variable"], [asked.variable]) == 0
    world, time = events["world"].to_numpy()[own], events["time"].to_numpy()[own]
    unit = codes_of(events["unit"], frame.units)[own]
    to = codes_of(events["to"], frame.variable(asked.variable).states)[own]
    moves, held = ensemble._moves(asked.variable), frame.initial[asked.variable].copy()
    past = (moves.world == 0) & (moves.time <= asked.cut)  # until the date all worlds are alike
    held[moves.unit[past]] = moves.to[past]  # in the order of time, so the last one stands
    could, away = (frame.enter <= asked.cut) & (frame.exit > asked.cut), frame.absences
    could[away.unit[(away.start <= asked.cut) & (asked.cut < away.end)]] = False
    if not frame.variable(asked.variable).recurrent:
        could &= held != code
    chosen = (to == code) & (time > asked.cut)
    first = np.full((ensemble.worlds, len(frame.units)), np.inf)
    np.minimum.at(first, (world[chosen], unit[chosen]), time[chosen])
    count = np.bincount(world[chosen], minlength=ensemble.worlds).astype(np.float64)
    names = tuple(name for name, open_ in zip(frame.units, could, strict=True) if open_)
    came, number = _came(history, asked, names)
    return Told(names, first[:, could], count, came, number)


def _came(history: History, asked: ForecastQuestion, names: Sequence[str]) -> tuple[Floats, float]:
    """Return when units first entered in the record after the date, and how many entries there were.

    An entry that was not known on the day counts as coming at its time, or on the day itself where it came before:
    so news that came late is news all the same.
    """
    numbers = history.numbers
    came = np.full(len(names), np.inf if asked.end <= numbers.end else np.nan)
    if asked.end > numbers.end:
        return came, np.nan
    position = [each.name for each in history.variables].index(asked.variable)
    states = history.variables[position].states
    code = states.index(asked.state) if asked.state in states else -1
    time = numbers.event_time + numbers.lag
    inside = ~events_known(history, asked.cut) & (time <= asked.end)
    inside &= (numbers.event_variable == position) & (numbers.event_state == code)
    place = {name: k for k, name in enumerate(names)}
    for event in np.flatnonzero(inside):
        k = place.get(numbers.units[numbers.event_unit[event]])
        if k is not None:
            came[k] = min(came[k], max(time[event], asked.cut))
    return came, float(inside.sum())


def _table(told: Told, ensemble: Ensemble, asked: ForecastQuestion) -> pd.DataFrame:
    """Return the table of a forecast, the likeliest first."""
    import pandas as pd

    entered = np.isfinite(told.first)
    if ensemble.draws is None:
        lower, upper = wilson(entered.mean(axis=0), ensemble.worlds)
    else:
        size, turn = len(ensemble.draws), ensemble.draw
        hits = np.stack([entered[turn == draw].sum(axis=0) for draw in range(size)])
        lower, upper = expected_share(hits, np.bincount(turn, minlength=size))
    happened: Any = np.isfinite(told.came)
    if np.isnan(told.number):
        happened = pd.array([pd.NA] * len(told.units), dtype="boolean")
    table = pd.DataFrame(
        {
            "unit": list(told.units),
            "probability": entered.mean(axis=0),
            "lower": lower,
            "upper": upper,
            "entered": happened,
        }
    )
    order = table.sort_values(["probability", "unit"], ascending=[False, True])
    return order.reset_index(drop=True)


def _number(told: Told) -> tuple[float, float, float]:
    low, high = np.quantile(told.count, [0.025, 0.975], method="inverted_cdf")
    return float(told.count.mean()), float(low), float(high)
