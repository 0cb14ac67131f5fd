"""The page of a fit: estimates, where it misses what happened, and the record beside worlds of the fit."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from tocsin.charts.curves import wave_curve
from tocsin.charts.svg import Pictures
from tocsin.check.predictive import Predictive
from tocsin.ensemble.comparison import Comparison
from tocsin.errors import TocsinError
from tocsin.report.page import e, paragraphs, section, table, whole_page
from tocsin.report.report import chart_figure

if TYPE_CHECKING:
    from tocsin.fit.estimates import Fit

ROWS = 12  # of a table of misfits

ABOUT = (
    "Worlds are simulated from the fit, over draws of its parameters, from the start of the window. A number of the "
    "record that lies outside the middle nine tenths of worlds is one that the model does not explain; of many numbers "
    "some lie there by chance."
)


def misfit_lines(fit: Fit, worlds: int = 0, told: Callable[[str, int, int], None] | None = None) -> list[str]:
    """Return the three worst misfits of a fit as sentences, or why they are not looked for."""
    try:
        step = None if told is None else partial(told, "looking for misfits")
        return fit.misfits(worlds=worlds, progress=step).worst
    except TocsinError as error:
        return [f"Not looked for: {error}"]


def fit_page(fit: Fit, made: Predictive, worst: list[str], wave: str | None = None) -> str:
    """Return the page.

    Parameters:
        fit, made: the fit, and the record beside its worlds.
        worst: the worst misfits, as sentences.
        wave: the state whose course is drawn; by default the model's own.
    """
    history = fit.fitted_program.history
    shown = Comparison.of(made.ensemble, fit.model, wave)
    title = history.title or history.name
    with Pictures() as pictures:
        picture = chart_figure(pictures, shown, wave_curve)
        body = (
            f"<h1>{e(title)}: does the fit hold?</h1>"
            + section("The worst misfits", paragraphs(worst), _misfits(fit))
            + section("The course", picture)
            + section("Numbers and days", paragraphs([ABOUT, *made.sentences]), _numbers(made), _days(made))
            + _held_out(made)
            + section("Estimates", _estimates(fit))
        )
        return pictures.filled(whole_page(f"{title}: does the fit hold?", body))


def _figure(value: float) -> str:
    return "" if value is None or np.isnan(value) else f"{value:.4g}"


def _rows(frame: pd.DataFrame, columns: list[str]) -> list[list[str]]:
    return [
        [value if isinstance(value, str) else _figure(float(value)) for value in row]
        for row in frame[columns].itertuples(index=False)
    ]


def _misfits(fit: Fit) -> str:
    try:
        found = fit.misfits(worlds=0).table
    except TocsinError:
        return ""
    head = ["transition", "kind", "where", "observed", "expected"]
    far = found.reindex(found["statistic"].abs().sort_values(ascending=False, kind="stable").index)
    shown = far[far["kind"] != "rescaled times"].head(ROWS)
    return table(
        "Events observed and expected, the largest differences first", head, _rows(shown, head), (3, 4)
    )


def _numbers(made: Predictive) -> str:
    head = ["state", "statistic", "observed", "median", "lower", "upper", "p"]
    caption = "Numbers of the record, and the median and middle nine tenths of worlds"
    return table(caption, head, _rows(made.table, head), (2, 3, 4, 5, 6))


def _days(made: Predictive) -> str:
    head = ["state", "days", "outside", "expected", "lower", "upper", "p"]
    caption = f"{made.clock.capitalize()} on which the number of units lies outside the band, and in the model's worlds"
    named = [made.clock if name == "days" else name for name in head]
    return table(caption, named, _rows(made.days, head), (1, 2, 3, 4, 5, 6))


def _held_out(made: Predictive) -> str:
    if made.held_out.empty:
        return ""
    head = ["unit", "state", "entries", "without", "with"]
    told = "How often each state was entered in the record, and in what share of worlds it was: under the fit that has "
    told += "not seen the unit (it is absent from the fitted record), and under the whole fit."
    return section(
        "Units held out",
        paragraphs([told]),
        table("Units held out", head, _rows(made.held_out, head), (2, 3, 4)),
    )


def _estimates(fit: Fit) -> str:
    shown = fit.summary().reset_index(names="parameter")
    head = [name for name in ("parameter", "estimate", "se", "lower", "upper", "p") if name in shown.columns]
    return table("Estimates", head, _rows(shown, head), tuple(range(1, len(head))))
