"""Posterior predictive checks: numbers and courses of the record beside those of worlds of the fit."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from tocsin.ensemble.ensemble import Ensemble
from tocsin.ensemble.paired import observed_world
from tocsin.ensemble.spells import counted, steps_on_grid
from tocsin.errors import TocsinError, check_whole
from tocsin.history.select import chosen
from tocsin.wording.numbers import noun

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tocsin.fit.estimates import Fit

    Floats = NDArray[np.float64]

    Statistic = str | Callable[[pd.DataFrame], float]

BAND = 0.9  # of worlds, within the bands of each number and day

BURST = 30.0  # days of a dated history, else this part of the window: its 24th

MOST = 4_000_000  # places of worlds times days that are held at once


@dataclass(frozen=True)
class Predictive:
    """The record beside worlds of a fit (posterior predictive checks; Gelman, Meng & Stern 1996).

    Attributes:
        table: one row a state and statistic: state, statistic, observed, median, lower, upper (the middle nine tenths
            of worlds), p (twice the smaller share of worlds that lie as far out, at most 1; missing where the record
            or fewer than 20 worlds have no such number) and worlds that have one.
        days: one row a state: days (or months, years: the clock of the history), outside (on which the record's number
            of units in the state lies outside the middle nine tenths of worlds), expected, lower, upper (the same for
            worlds of the model), p (share of worlds with as many outside).
        held_out: one row a unit that was held out and a state: unit, state, entries in the record, and the share of
            worlds in which it came, under the fit without the unit and under the whole fit.
        ensemble: the worlds.
    """

    table: pd.DataFrame
    days: pd.DataFrame
    held_out: pd.DataFrame
    ensemble: Ensemble

    def __str__(self) -> str:
        return "\n".join(self.sentences) + "\n"

    @property
    def clock(self) -> str:
        """Return what the window is counted in, such as days."""
        return noun(self.ensemble.frame.clock, True)

    @property
    def sentences(self) -> list[str]:
        """Return what worlds of the fit do not do as the record did, one sentence each; or that there is nothing."""
        odd = self.table[self.table["p"] <= 1.0 - BAND]
        looked = int(self.table["p"].notna().sum())
        lines = [
            f"{len(odd)} of {looked} numbers of the record lie outside the middle nine tenths of worlds; "
            f"{(1.0 - BAND) * looked:.1f} would by chance if they were independent."
        ]
        lines += [
            f"{row['state']}, {row['statistic']}: {row['observed']:.4g} in the record, {row['median']:.4g} in the "
            f"median world ({row['lower']:.4g} to {row['upper']:.4g}, p {row['p']:.3f})."
            for row in odd.sort_values("p").to_dict("records")
        ]
        lines += [
            f"{row['state']}: the record lies outside the band on {row['outside']:.0f} of {row['days']} "
            f"{self.clock}; worlds of the model do on {row['expected']:.1f} "
            f"({row['lower']:.0f} to {row['upper']:.0f}, p {row['p']:.3f})."
            for row in self.days.to_dict("records")
        ]
        return lines


def predictive(
    fit: Fit,
    statistics: Mapping[str, Statistic] | None,
    held_out: Sequence[str] | str,
    worlds: int,
    seed: int,
) -> Predictive:
    """Return the record beside worlds of the fit; see `Fit.predictive`."""
    check_whole(20, worlds=worlds)
    check_whole(seed=seed)
    program = fit.fitted_program
    apart = chosen(held_out, program.history.numbers.units, "unit") if held_out else []
    ensemble = fit.simulate(program.history, worlds, seed)
    record = observed_world(program.history, program.model)
    states = list(dict.fromkeys((move.variable, move.to) for move in program.model.transitions))
    place = _places(fit)
    rows, days = [], []
    for variable, state in states:
        drawn = _standard(ensemble, variable, state, place)
        seen = _standard(record, variable, state, place)
        drawn["order"], seen["order"] = _orders(ensemble, record, variable, state)
        rows += [
            (f"{variable}={state}", name, *_beside(float(seen[name][0]), values))
            for name, values in drawn.items()
        ]
        days.append((f"{variable}={state}", *days_outside(ensemble, record, variable, state)))
    for name, statistic in (statistics or {}).items():
        values, own = _asked(name, statistic, ensemble), _asked(name, statistic, record)
        rows.append(("", name, *_beside(float(own[0]), values)))
    columns = ["state", "statistic", "observed", "median", "lower", "upper", "p", "worlds"]
    return Predictive(
        pd.DataFrame(rows, columns=columns),
        pd.DataFrame(days, columns=["state", "days", "outside", "expected", "lower", "upper", "p"]),
        _held_out(fit, apart, ensemble, record, states, worlds, seed),
        ensemble,
    )


def _beside(observed: float, values: Floats) -> tuple[float, ...]:
    """Return observed, median, bounds, p and the number of worlds that have such a number."""
    there = values[~np.isnan(values)]
    if not there.size:
        return (observed, math.nan, math.nan, math.nan, math.nan, 0)
    half = (1.0 - BAND) / 2.0
    low, middle, high = np.quantile(there, [half, 0.5, 1.0 - half], method="inverted_cdf")
    p = math.nan
    if not math.isnan(observed) and there.size >= 20:
        tail = min(int((there <= observed).sum()), int((there >= observed).sum()))
        p = min(1.0, 2.0 * (1 + tail) / (1 + there.size))
    return (observed, float(middle), float(low), float(high), p, int(there.size))


def _places(fit: Fit) -> Floats | None:
    """Return distances between units in km (N, N); None where some have no coordinates."""
    from tocsin.ties.distance import kilometres

    table = fit.fitted_program.history.units
    if not {"lat", "lon"} <= set(table.columns):
        return None
    first = (
        table.drop_duplicates("unit").set_index("unit").loc[list(fit.fitted_program.history.numbers.units)]
    )
    lat, lon = (pd.to_numeric(first[name], errors="coerce").to_numpy(dtype=float) for name in ("lat", "lon"))
    there = bool(np.isfinite(lat + lon).all())
    return kilometres(lat, lon) if there else None


def _standard(ensemble: Ensemble, variable: str, state: str, place: Floats | None) -> dict[str, Floats]:
    """Return the statistics of each world: size, share reached, burst, survival, distance."""
    frame, worlds = ensemble.frame, ensemble.worlds
    moves = ensemble._moves(variable)
    into = (moves.to == frame.code(variable, state)) & ~moves.returned
    world, unit, time = moves.world[into], moves.unit[into], moves.time[into]
    order = np.lexsort((time, world))
    world, unit, time = world[order], unit[order], time[order]
    counts = ensemble.counts(variable, state)
    spells = ensemble.durations(variable, state)
    held = np.bincount(spells["world"], weights=spells["duration"], minlength=worlds)
    number = np.bincount(spells["world"], minlength=worlds)
    found = {
        "size (entries)": counts["entries"].to_numpy(dtype=float),
        "share of units reached": counts["units"].to_numpy(dtype=float) / max(len(frame.units), 1),
        "burst (most entries at once)": _bursts(world, time, worlds, _breadth(ensemble)),
        "survival (mean time held)": np.divide(held, number, out=np.full(worlds, np.nan), where=number > 0),
    }
    if place is not None:
        found["distance (km to the nearest before)"] = _distances(world, unit, worlds, place)
    return found


def _breadth(ensemble: Ensemble) -> float:
    frame = ensemble.frame
    return BURST if frame.dated and frame.clock == "day" else (frame.end - frame.start) / 24.0


def _bursts(world: NDArray[np.int64], time: Floats, worlds: int, breadth: float) -> Floats:
    """Return the largest number of entries within `breadth`, by world; rows stand by world and time."""
    apart = (time.max() - time.min() + 2.0 * breadth) if time.size else 1.0
    line = world * apart + (time - (time.min() if time.size else 0.0))
    within = np.arange(1, line.size + 1) - np.searchsorted(line, line - breadth, side="right")
    most = np.zeros(worlds)
    np.maximum.at(most, world, within.astype(float))
    return most


def _distances(world: NDArray[np.int64], unit: NDArray[np.int32], worlds: int, place: Floats) -> Floats:
    """Return the mean distance of units that come in from the nearest that came in before them; NaN without any."""
    result = np.full(worlds, np.nan)
    edges = np.searchsorted(world, np.arange(worlds + 1))
    for k in range(worlds):
        names, first = np.unique(unit[edges[k] : edges[k + 1]], return_index=True)
        came = names[np.argsort(first)]
        if came.size > 1:
            between = place[np.ix_(came, came)]
            between[np.triu_indices(came.size)] = np.inf
            result[k] = between[1:].min(axis=1).mean()
    return result


def _orders(ensemble: Ensemble, record: Ensemble, variable: str, state: str) -> tuple[Floats, Floats]:
    """Return how the order of first entries goes with that of the mean world (rank correlation, by world)."""
    drawn, seen = (_ranks(each, variable, state) for each in (ensemble, record))
    total = drawn.sum(axis=0)
    others = (total - drawn) / max(len(drawn) - 1, 1)  # a world is no part of the mean that it is set beside
    return _alike(drawn, others), _alike(seen, np.broadcast_to(total / len(drawn), seen.shape))


def _ranks(ensemble: Ensemble, variable: str, state: str) -> Floats:
    """Return ranks (worlds, units) of first entries; units that did not come in share the last place."""
    from scipy.stats import rankdata

    moves = ensemble._moves(variable)
    into = (moves.to == ensemble.frame.code(variable, state)) & ~moves.returned
    first = np.full((ensemble.worlds, len(ensemble.frame.units)), np.inf)
    np.minimum.at(first, (moves.world[into], moves.unit[into]), moves.time[into])
    return np.asarray(rankdata(first, axis=1))


def _alike(one: Floats, other: Floats) -> Floats:
    a, b = one - one.mean(axis=1, keepdims=True), other - other.mean(axis=1, keepdims=True)
    size = np.sqrt((a * a).sum(axis=1) * (b * b).sum(axis=1))
    alike = (a * b).sum(axis=1)
    return np.asarray(np.divide(alike, size, out=np.full(len(one), np.nan), where=size > 1e-9))


def days_outside(ensemble: Ensemble, record: Ensemble, variable: str, state: str) -> tuple[float, ...]:
    """Return days, days of the record outside the band of worlds, the same of worlds (mean, bounds), and p."""
    grid = ensemble.frame.grid(most=int(np.clip(MOST // ensemble.worlds, 2, 400)))[:-1]

    def course(each: Ensemble) -> Floats:
        steps = steps_on_grid(each._moves(variable), each.frame, variable, state, grid)
        return np.asarray(counted(steps, 0, len(grid), np.zeros(each.worlds)))

    drawn, seen = course(ensemble), course(record)[0]
    half = (1.0 - BAND) / 2.0
    low, high = np.quantile(drawn, [half, 1.0 - half], axis=0, method="inverted_cdf")
    width = (ensemble.frame.end - ensemble.frame.start) / len(grid)
    outside = float(((seen < low) | (seen > high)).sum()) * width
    usual = ((drawn < low) | (drawn > high)).sum(axis=1) * width
    lower, upper = np.quantile(usual, [half, 1.0 - half], method="inverted_cdf")
    p = (1 + int((usual >= outside - 1e-9).sum())) / (1 + usual.size)
    return (round(width * len(grid)), outside, float(usual.mean()), float(lower), float(upper), p)


def _asked(name: str, statistic: Statistic, ensemble: Ensemble) -> Floats:
    """Return a statistic of the user's, by world: a function of a world's events, or SQL that sums them up."""
    values = np.full(ensemble.worlds, np.nan)
    if isinstance(statistic, str):
        try:
            told = ensemble.sql(f"SELECT world, ({statistic}) AS value FROM events GROUP BY world")
            empty = ensemble.sql(f"SELECT ({statistic}) AS value FROM events WHERE false")
            values[:] = pd.to_numeric(empty["value"]).iloc[0]
            values[told["world"].to_numpy()] = pd.to_numeric(told["value"]).to_numpy(
                dtype=float, na_value=np.nan
            )
        except (TocsinError, ValueError, TypeError) as error:
            raise TocsinError(
                f"statistic {name!r}: {statistic!r} is no sum of a world's events such as "
                f'"count(*) FILTER (WHERE "to" = \'soviet\')" ({str(error).splitlines()[0]})'
            ) from None
        return values
    table = ensemble.events.to_pandas()
    edges = np.searchsorted(table["world"].to_numpy(), np.arange(ensemble.worlds + 1))
    for k in range(ensemble.worlds):
        values[k] = float(statistic(table.iloc[edges[k] : edges[k + 1]]))
    return values


def _held_out(
    fit: Fit,
    apart: Sequence[str],
    ensemble: Ensemble,
    record: Ensemble,
    states: Sequence[tuple[str, str]],
    worlds: int,
    seed: int,
) -> pd.DataFrame:
    """Return how likely the record's events of units are under a fit that has not seen them."""
    columns = ["unit", "state", "entries", "without", "with"]
    if not apart:
        return pd.DataFrame(columns=columns)
    whole = fit.fitted_program.history
    rest = [name for name in whole.numbers.units if name not in set(apart)]
    if not rest:
        raise TocsinError("every unit is held out: leave some to fit to")
    blind = fit.model.fit(whole.select(units=rest)).simulate(whole, worlds, seed)
    rows = []
    for variable, state in states:
        seen = record.entries(variable, state)["unit"].astype(str).value_counts()
        reached = [
            each.entries(variable, state).drop_duplicates()["unit"].astype(str).value_counts() / worlds
            for each in (blind, ensemble)
        ]
        rows += [
            (
                unit,
                f"{variable}={state}",
                int(seen.get(unit, 0)),
                *(float(each.get(unit, 0.0)) for each in reached),
            )
            for unit in apart
        ]
    return pd.DataFrame(rows, columns=columns)
