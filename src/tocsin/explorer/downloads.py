"""Tables to take away: what the page shows, as CSV that a spreadsheet cannot mistake for formulas."""

from __future__ import annotations

import gzip
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from tocsin.explorer.answers import LEVELS, days_of, difference_scene
from tocsin.explorer.questions import Question, Refused
from tocsin.explorer.turns import go_on
from tocsin.files.csv_for_people import csv_of_rows
from tocsin.history.describe import short_labels

if TYPE_CHECKING:
    from tocsin.explorer.run import Laboratory

TABLES = ("differences", "worlds", "curve", "record")


def table_csv(laboratory: Laboratory, what: str, question: Question) -> str:
    """Return one of `TABLES` as CSV; lines that begin with # say what it is and where it comes from.

    Parameters:
        what: "differences" (a row a unit), "worlds" (a row a unit and day: share of the scenario's worlds with
            its interval), "curve" (a row a day), or "record" (the observed events with their sources).
        question: the scenario and the one it is compared with.
    """
    makers = {"differences": _differences, "worlds": _worlds, "curve": _curve, "record": _record}
    columns, rows = makers[what](laboratory, question)
    history = laboratory.history
    notes = [
        history.title or history.name,
        history.citation,
        history.licence,
        f"state: {question.show}",
    ]
    if what != "record":
        changed = "; ".join(question.scenario.do) or "nothing"
        notes += [
            f"changed: {changed}",
            *(
                [f"compared with: {'; '.join(question.base.do) or 'nothing changed'}"]
                if what == "differences"
                else []
            ),
            f"worlds: {question.scenario.worlds}, seed: {question.scenario.seed}",
        ]
    return csv_of_rows(columns, ([_cell(value) for value in row] for row in rows), notes)


def _cell(value: Any) -> Any:
    return "" if value is None or (isinstance(value, float) and not np.isfinite(value)) else value


Table = tuple[Sequence[str], Iterable[Sequence[Any]]]


def _differences(laboratory: Laboratory, question: Question) -> Table:
    labels = short_labels(laboratory.history)
    columns = ["unit", "label", "in the record"]
    for name in ("compared with", "changed", "difference"):
        columns += [name, f"{name}: lower", f"{name}: upper"]
    rows = (
        [
            row["unit"],
            labels[row["unit"]],
            "yes" if row["observed"] else "no",
            *row["base"],
            *row["changed"],
            *row["difference"],
        ]
        for row in difference_scene(laboratory, question)["rows"]
    )
    return columns, rows


def _worlds(laboratory: Laboratory, question: Question) -> Table:
    ensemble = laboratory.worlds(question.scenario, question.show)
    frame, show = ensemble.frame, question.show
    days, _ = days_of(laboratory, 7 if ensemble.frame.clock == "day" else 1)
    if len(days) * len(frame.units) > laboratory.limits.rows:
        raise Refused(
            f"this table has {len(days) * len(frame.units):,} rows, and this server writes at most "
            f"{laboratory.limits.rows:,}: take those of tocsin replay",
            "table",
            422,
        )
    instants = np.minimum(days + 1.0, frame.end) if frame.dated else days
    answer: Any = ensemble.probability(show.variable, show.state, instants, interval=True)
    names = [_when(laboratory, day) for day in days]
    values = np.stack([answer[name].to_numpy() for name in ("probability", "lower", "upper")], axis=-1)

    def rows() -> Iterable[Sequence[Any]]:
        for unit, days in zip(frame.units, values.round(5).tolist(), strict=True):
            go_on()
            for name, three in zip(names, days, strict=True):
                if three[0] == three[0]:  # absent units have no share
                    yield [unit, name, *three]

    return ["unit", "end of" if frame.dated else "time", "share of worlds", "lower", "upper"], rows()


def _curve(laboratory: Laboratory, question: Question) -> Table:
    show = question.show
    ensemble = laboratory.worlds(question.scenario, show)
    days, _ = days_of(laboratory, 7 if ensemble.frame.clock == "day" else 1)
    instants = np.minimum(days + 1.0, ensemble.frame.end) if ensemble.frame.dated else days
    curve = ensemble.curve(show.variable, show.state, LEVELS, instants)
    observed = laboratory.observed.curve(show.variable, show.state, (0.5,), instants)["mean"]
    columns = ["end of" if ensemble.frame.dated else "time", "observed", "mean"]
    columns += [f"quantile {level}" for level in LEVELS]
    rows = (
        [
            _when(laboratory, day),
            observed[i],
            round(float(curve["mean"][i]), 4),
            *(curve[q][i] for q in LEVELS),
        ]
        for i, day in enumerate(days)
    )
    return columns, rows


def _record(laboratory: Laboratory, question: Question) -> Table:
    events = laboratory.history.events
    columns = [name for name in events.columns if name not in ("time_latest", "sequence", "episodes")]
    # A date is printed as a date, without a time of day that nobody knows.
    shown = events[columns].copy()
    for name in columns:
        if pd.api.types.is_datetime64_any_dtype(shown[name]):
            shown[name] = shown[name].dt.strftime("%Y-%m-%d")
    plain = shown.astype(object).where(shown.notna(), None)
    return columns, plain.itertuples(index=False, name=None)


def _when(laboratory: Laboratory, number: float) -> Any:
    frame = laboratory.observed.frame
    return frame.label(float(number)) if frame.dated else float(number)


# --- What an answer holds: its bytes, and the same compressed once for all who ask for it

SMALL = 1000  # letters below which compression gains nothing


@dataclass(frozen=True)
class Content:
    """An answer's bytes."""

    plain: bytes

    def __len__(self) -> int:
        return len(self.plain) + len(self.zipped)

    @cached_property
    def zipped(self) -> bytes:
        """Return the bytes compressed; none where that gains nothing."""
        return b"" if len(self.plain) < SMALL else gzip.compress(self.plain, 4, mtime=0)

    def made(self) -> Content:
        """Return this content with its compressed form made, so that whoever sends it need not."""
        len(self)
        return self
