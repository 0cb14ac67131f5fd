"""Checks and forecasts in a terminal: tables that say what their columns mean, and sentences under them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from rich.console import Group
from rich.text import Text

from tocsin.csvtext import write_tables
from tocsin.results import CHECK, FORECAST
from tocsin.show.sentences import counted
from tocsin.show.table import frame_table

if TYPE_CHECKING:
    from tocsin.infer.forecasts import Backtest, Forecast
    from tocsin.infer.rivals import Check
    from tocsin.show.wave import Wave

RIVALS = {
    "none (as fitted)": "against none: the cause as fitted, tested against its absence (likelihood ratio); by a "
    "bootstrap where it would not be alone at the edge, or takes a half-life, alpha or covariate with it",
    "calendar": "against the calendar: home hazards may change from period to period",
    "unit effects": "against the units: each may be readier than others by a number of its own",
    "placebo ties": "against placebo ties: rewired at random, every unit keeping its degrees",
    "permuted times": "against permuted times: whole courses of events dealt out anew among like units",
}


def check_page(check: Check) -> Group:
    """Return a check for a terminal: one table a cause, what the rivals are, and what a shock would need."""
    parts: list[object] = []
    for cause, rows in check.table.groupby("cause", sort=False):
        shown = pd.DataFrame(
            {
                "rival": rows["rival"],
                "strength beside it": [_plain(x) for x in rows["strength"]],
                "gain in 2 log L": [_plain(x) for x in rows["statistic"]],
                "p": ["" if np.isnan(p) else f"{p:.3f}" for p in rows["p"]],
                "how p was found": rows["how"],
            }
        )
        parts.append(frame_table(shown, str(cause)))
        reading = check.shocks[check.shocks["cause"] == cause]["reading"].iloc[0]
        parts.append(Text(f"Unseen shock: {reading}.\n"))
    told = set(check.table["rival"])
    parts.append(Text("What the rivals are", style="bold"))
    parts += [Text(f"  {text}") for rival, text in RIVALS.items() if rival in told]
    parts.append(
        Text(
            "A small p says that the contagion adds something beside that rival. None of these proves contagion: "
            "likeness of neighbours and shocks that they share can look the same (Shalizi & Thomas 2011)."
        )
    )
    lost = [text for text in check.left_out["reading"] if text]
    if lost:
        parts.append(Text("\nTerms that may stand in the wrong place", style="bold"))
        parts += [Text(f"  {text}") for text in dict.fromkeys(lost)]
    return Group(*parts)  # type: ignore[arg-type]


def write_check(check: Check, folder: Path) -> None:
    """Write rivals.csv, shocks.csv, placebo.csv and left_out.csv."""
    tables = {
        "rivals": check.table,
        "shocks": check.shocks,
        "placebo": check.placebo,
        "left_out": check.left_out,
    }
    write_tables(folder, CHECK, tables)


def forecast_page(made: Forecast, wave: Wave, most: int = 20) -> Group:
    """Return a forecast for a terminal: a bulletin, the likeliest units, and what it rests on."""
    table = made.table
    shown = pd.DataFrame(
        {
            "unit": table["unit"],
            "of 100 worlds": [_hundred(p) for p in table["probability"]],
            "95% interval": [
                f"{_hundred(a)} – {_hundred(b)}" for a, b in table[["lower", "upper"]].to_numpy()
            ],
            "in the record": np.where(table["entered"], "came", ""),
        }
    ).head(most)
    mean, low, high = made.number
    lines = [
        f"Bulletin of {made.as_of}. Until {made.until}, {wave.entries(round(mean, 1))} are to be expected, with 95% "
        f"of worlds between {low:g} and {high:g}; the record has {int(table['entered'].sum())} of "
        f"{counted(len(table), 'unit')} that could.",
        f"The fit knows {counted(made.fit.nobs, 'event')} until {made.as_of} and nothing later. Worlds agree with "
        "the record until then; ties and covariates after that day are taken as the record has them.",
        " ".join(made.ensemble.doubt)
        if made.ensemble.draws is not None
        else "All worlds are at the best estimates; the intervals hold the chance of so many worlds, and nothing else.",
    ]
    if len(table) > most:
        lines.append(f"Left out: {counted(len(table) - most, 'unit')} less likely than these.")
    title = f"{wave}: who enters it from {made.as_of} until {made.until}"
    return Group(frame_table(shown, title), *(Text(line) for line in lines))


def backtest_page(past: Backtest) -> Group:
    """Return past forecasts and their scores for a terminal."""
    scores = pd.DataFrame(
        {
            "made on": [str(x) for x in past.scores["as_of"]],
            "forecasts": past.scores["forecasts"],
            "came": past.scores["entered"],
            "Brier": [_plain(x) for x in past.scores["brier"]],
            "Brier of the mean": [_plain(x) for x in past.scores["brier_reference"]],
            "skill": [_plain(x) for x in past.scores["skill"]],
            "log score": [_plain(x) for x in past.scores["log_score"]],
        }
    )
    bins = past.reliability
    reliable = pd.DataFrame(
        {
            "forecast": [f"{_hundred(a)} – {_hundred(b)} of 100" for a, b in bins[["from", "to"]].to_numpy()],
            "forecasts": bins["forecasts"],
            "said on average": [_hundred(x) for x in bins["mean"]],
            "came": [_hundred(x) for x in bins["entered"]],
            "95% interval": [
                f"{_hundred(a)} – {_hundred(b)}" for a, b in bins[["lower", "upper"]].to_numpy()
            ],
        }
    )
    lines = [
        "Each was made with what was known on its day. Brier is the mean squared error of the probabilities (0 is "
        "perfect); the Brier of the mean is that of telling every unit the share that came; skill is how far the "
        "forecast goes from there to perfect; the log score is the mean logarithm of the probability of what came "
        "(0 is perfect). Where forecasts are reliable, what came lies near what was said."
    ]
    lines += [f"No forecast could be made on {when}: {why}" for when, why in past.skipped]
    return Group(
        frame_table(scores, "Forecasts of the past and their scores"),
        frame_table(reliable, "What was said and what came"),
        *(Text(line) for line in lines),
    )


def write_forecast(made: Forecast, past: Backtest | None, folder: Path) -> None:
    """Write forecast.csv, and of past forecasts scores.csv, reliability.csv, estimates.csv and past.csv."""
    tables = {"forecast": made.table}
    if past is not None:
        listed = [each.table.assign(as_of=str(each.as_of), until=str(each.until)) for each in past.forecasts]
        tables |= {"scores": past.scores, "reliability": past.reliability, "estimates": past.estimates}
        tables["past"] = pd.concat(listed, ignore_index=True)
    write_tables(folder, FORECAST, tables)


def _plain(value: float) -> str:
    return "" if np.isnan(value) else f"{value:.4g}"


def _hundred(share: float) -> str:
    return f"{100 * share:.1f}"
