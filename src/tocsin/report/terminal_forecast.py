"""Forecasts in a terminal: a bulletin, and how good such forecasts were, known and with hindsight."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from rich.console import Group
from rich.text import Text

from tocsin.files.csv_for_people import write_tables
from tocsin.files.results import FORECAST
from tocsin.forecasts.export import parquet_of
from tocsin.forecasts.forecast import HINDCAST
from tocsin.history.describe import short_labels
from tocsin.report.terminal import figure, frame_table, per_hundred
from tocsin.wording.numbers import counted, noun

if TYPE_CHECKING:
    from tocsin.forecasts.backtest import Backtest
    from tocsin.forecasts.forecast import Forecast
    from tocsin.model.followed_state import Wave

FORECASTERS = {
    "as of": "as of the day: ties, covariates and presence stay as they were on it",
    "hindcast": "hindcast: worlds are given the ties, covariates and presence that the record has after the day",
    "constant rates": "constant rates: every transition goes on at its rate until the day",
    "home only": "home only: the model without contagion",
    "no change": "no change: nobody enters",
}


def forecast_page(made: Forecast, wave: Wave, most: int = 20) -> Group:
    """Return a forecast for a terminal: a bulletin, the likeliest units, and what it rests on."""
    table = made.table
    called = {} if made.ensemble.of is None else short_labels(made.ensemble.of)
    shown = pd.DataFrame(
        {
            "unit": [called.get(unit, unit) for unit in table["unit"].astype(str)],
            "of 100 worlds": [per_hundred(p) for p in table["probability"]],
            "95% interval": [
                f"{per_hundred(a)} – {per_hundred(b)}" for a, b in table[["lower", "upper"]].to_numpy()
            ],
            "in the record": np.where(table["entered"].fillna(False).astype(bool), "came", ""),
        }
    ).head(most)
    mean, low, high = made.number
    came = "the record does not reach that day"
    if not np.isnan(made.told.number):
        came = f"the record has {int(table['entered'].sum())} of {counted(len(table), 'unit')} that could"
    lines = [
        f"Bulletin of {made.as_of}. Until {made.until}, {wave.entries(round(mean, 1))} are to be expected, with 95% "
        f"of worlds between {low:g} and {high:g}; {came}.",
        f"The fit knows {counted(made.fit.nobs, 'event')} until {made.as_of} and nothing later. {_given(made)}",
        " ".join(made.ensemble.doubt)
        if made.ensemble.draws is not None
        else "All worlds are at the best estimates; the intervals hold the chance of so many worlds, and nothing else.",
    ]
    if len(table) > most:
        lines.append(f"Left out: {counted(len(table) - most, 'unit')} less likely than these.")
    what = "Hindcast of" if made.known == HINDCAST else "Forecast of"
    title = f"{what} {wave}: who enters it from {made.as_of} until {made.until}"
    return Group(frame_table(shown, title), *(Text(line) for line in lines))


def _given(made: Forecast) -> str:
    """Return what worlds know of ties, covariates and presence after the date."""
    if made.known == HINDCAST:
        text = (
            "This is a hindcast: worlds are given the ties, covariates and presence that the record has after that "
            "day, which nobody knew on it."
        )
    else:
        text = "Ties, covariates and presence stay as they were on that day; what began later is not known."
    if made.scenario:
        text += f" After it, by the scenario: {'; '.join(made.scenario)}."
    return text


def backtest_page(past: Backtest, clock: str) -> Group:
    """Return past forecasts and their scores for a terminal."""
    whole = past.scores[past.scores["as_of"] == "all"].merge(past.parts, on="forecaster")
    ours = past.scores[past.scores["forecaster"] == "as of"]
    columns = {
        "forecasts": "forecasts",
        "entered": "came",
        "expected": "expected",
        "log_score": "log score",
        "brier": "Brier",
        "skill": "skill",
        "crps_count": "CRPS count",
        "crps_dates": f"CRPS dates ({noun(clock, True)})",
    }
    first = _shown(whole, "forecaster", "forecaster", columns)
    first["slope (95%)"] = [
        "" if np.isnan(a) else f"{a:.2f} ({b:.2f} – {c:.2f})"
        for a, b, c in whole[["slope", "slope_lower", "slope_upper"]].to_numpy()
    ]
    parts = past.parts[["forecaster", "reliability", "resolution", "uncertainty", "within"]].copy()
    parts[parts.columns[1:]] = parts[parts.columns[1:]].map(figure)
    bins = past.reliability
    reliable = pd.DataFrame(
        {
            "forecast": [
                f"{per_hundred(a)} – {per_hundred(b)} of 100" for a, b in bins[["from", "to"]].to_numpy()
            ],
            "forecasts": bins["forecasts"],
            "said on average": [per_hundred(x) for x in bins["mean"]],
            "came": [per_hundred(x) for x in bins["entered"]],
            "95% interval": [
                f"{per_hundred(a)} – {per_hundred(b)}" for a, b in bins[["lower", "upper"]].to_numpy()
            ],
        }
    )
    tables = [
        frame_table(first, "Forecasts of the past and their scores, all dates"),
        frame_table(_shown(ours, "as_of", "made on", columns), "As of the day, date by date"),
        frame_table(parts, "Brier = reliability - resolution + uncertainty + within"),
        frame_table(reliable, "What was said as of the day, and what came"),
    ]
    return Group(*tables, *(Text(line) for line in _lines(past)))


def _shown(scores: pd.DataFrame, lead: str, called: str, columns: dict[str, str]) -> pd.DataFrame:
    table = {called: [str(x) for x in scores[lead]]}
    for name, title in columns.items():
        whole = name in ("forecasts", "entered")
        table[title] = list(scores[name]) if whole else [figure(float(x)) for x in scores[name]]
    return pd.DataFrame(table)


def _lines(past: Backtest) -> list[str]:
    """Return what the columns mean, how forecasts compare with rivals, and what could not be done."""
    dates = len(past.forecasts)
    lines = [
        f"Each of {counted(dates, 'date')} was refitted with what was known on its day. "
        + "; ".join(FORECASTERS.values())
        + ".",
        "The log score is the mean logarithm of the probability of what came (0 is perfect); Brier is the mean squared "
        "error of the probabilities; skill is how far it goes from telling every unit the share that came (0) to "
        "perfect (1). CRPS is the mean error of the whole forecast, of the number of entries and of the dates. A slope "
        "below 1 says that forecasts are too sure.",
    ]
    for row in past.differences[past.differences["score"] == "log score"].to_dict("records"):
        sure = (
            f"95% interval {row['lower']:.3f} to {row['upper']:.3f}, blocks of {counted(row['block'], 'date')}"
            if not np.isnan(row["lower"])
            else "too few dates for an interval"
        )
        lines.append(f"Log score, as of the day less {row['forecaster']}: {row['better by']:+.3f} ({sure}).")
    held = ", ".join(
        f"{round(row['held'] * row['dates'])} of {row['dates']} in the {100 * row['level']:.0f}% intervals"
        for row in past.coverage.to_dict("records")
    )
    lines.append(f"The number of entries lay {held}.")
    likely = "; ".join(
        f"{row['entries']} or more: said {per_hundred(row['told'])}, came {per_hundred(row['came'])} of 100 dates"
        for row in past.exceedance.to_dict("records")
    )
    lines.append(f"Entries, {likely}.")
    return lines + [f"No forecast could be made on {when}: {why}" for when, why in past.skipped]


def write_forecast(made: Forecast, past: Backtest | None, folder: Path) -> None:
    """Write forecast.csv and forecast.parquet (draws), and of past forecasts their scores and tables."""
    tables = {"forecast": made.table}
    if past is not None:
        listed = [each.table.assign(as_of=str(each.as_of), until=str(each.until)) for each in past.forecasts]
        tables |= {"scores": past.scores, "reliability": past.reliability, "estimates": past.estimates}
        tables |= {"parts": past.parts, "differences": past.differences, "coverage": past.coverage}
        tables |= {"exceedance": past.exceedance, "past": pd.concat(listed, ignore_index=True)}
    write_tables(folder, FORECAST, tables, {"known": made.known}, {"draws.parquet": parquet_of(made)})
