"""Judgements of experts: who said what of which unit, when, and how likely it seemed; read from a CSV and checked.

Lines that begin with # are notes: such a file says there by what rule words became probabilities.
"""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from tocsin.errors import HistoryError, Problem, TocsinError, nearest
from tocsin.files.reading import TABLE, read_bytes
from tocsin.history.describe import JUDGEMENTS, beside
from tocsin.history.tables.schema import misspelt

if TYPE_CHECKING:
    from tocsin.history.history import History
    from tocsin.model.model import Model

REQUIRED = ("expert", "unit", "transition", "horizon", "date")

QUANTILES = ("q05", "q50", "q95")

KNOWN = (*REQUIRED, "probability", *QUANTILES, "source", "note", "citation", "confidence")

Z90 = 1.6448536269514722  # of the 5% and 95% quantiles of a normal law

SPREAD = 1.0  # standard deviation of the log odds of a probability that was told without a range


@dataclass(frozen=True)
class Judgement:
    """What one expert expected.

    Attributes:
        expert: who.
        unit: of what.
        variable, state: the state that is entered.
        date, horizon: clock numbers: when it was said, and by the end of which day it was to come.
        middle, spread: mean and standard deviation of the log odds, normal.
        told: the dates as they were written.
        line: of the file.
    """

    expert: str
    unit: str
    variable: str
    state: str
    date: float
    horizon: float
    middle: float
    spread: float
    told: tuple[str, str]
    line: int
    source: str = ""

    @property
    def question(self) -> tuple[str, str, str, float]:
        """Return what is judged: unit, variable, state, horizon."""
        return self.unit, self.variable, self.state, self.horizon


def log_odds(probability: float) -> float:
    """Return log(p / (1 - p))."""
    return math.log(probability / (1.0 - probability))


def share(odds: float) -> float:
    """Return the probability of log odds."""
    return 0.5 * (1.0 + math.tanh(odds / 2.0))


def judgements_of(history: History) -> Path:
    """Return the file of judgements that comes with a history; raise TocsinError where there is none."""
    path = beside(history, JUDGEMENTS)
    if path is None:
        raise TocsinError(f"the history {history.name!r} brings no {JUDGEMENTS}: name a file of judgements")
    return path


def read_judgements(path: Path, history: History, model: Model) -> list[Judgement]:
    """Read and check judgements.

    Columns: expert, unit, transition (the state that is entered, such as ``regime=soviet``, or the name of a
    transition of the model), horizon (by the end of which day), date (when it was said), and either probability or the
    quantiles q05, q50 and q95 of a probability; optionally source, note, citation and confidence, which move nothing.

    Parameters:
        path: the CSV file.
        history, model: whose units, dates and transitions it names.

    Raises:
        HistoryError: every mistake, with its line and the nearest valid name.

    Example:
        >>> from tocsin.history.read_folder import find_folder
        >>> history = tc.load_history("1917")
        >>> model = tc.Model.from_toml(history.model_path)
        >>> len(tc.read_judgements(find_folder("1917") / "judgements.csv", history, model)) > 0
        True
    """
    problems: list[Problem] = []
    try:
        text = read_bytes(path, TABLE).decode("utf-8-sig")
    except OSError as error:
        raise HistoryError(
            [Problem(path.name, None, None, None, f"cannot be read: {error.strerror or error}")]
        ) from None
    except UnicodeDecodeError:
        raise HistoryError(
            [Problem(path.name, None, None, None, "the file is not UTF-8: save it as UTF-8")]
        ) from None
    lines = ["" if line.startswith("#") else line for line in text.splitlines()]
    reader = csv.reader(io.StringIO("\n".join(lines)))
    rows = [
        (reader.line_num, [cell.strip() for cell in row])
        for row in reader
        if any(cell.strip() for cell in row)
    ]
    if not rows:
        raise HistoryError([Problem(path.name, 1, None, None, "the file is empty: it needs a header line")])
    (at, head), *body = rows
    _check_head(path.name, at, head, problems)
    found, seen = [], set()
    reading = JudgementReader(path.name, history, model, problems)
    for line, cells in body if not problems else []:
        if len(cells) != len(head):
            reading.wrong(line, None, None, "this row has another number of cells than the header")
            continue
        made = reading.judgement(line, dict(zip(head, cells, strict=True)))
        if made is not None and (made.expert, *made.question, made.date) in seen:
            reading.wrong(line, "expert", made.expert, "this expert has judged this on this day already")
        elif made is not None:
            seen.add((made.expert, *made.question, made.date))
            found.append(made)
    if problems:
        raise HistoryError(problems, str(path))
    if not found:
        raise HistoryError(
            [Problem(path.name, at, None, None, "there is no judgement below the header")], str(path)
        )
    return found


def _check_head(file: str, line: int, head: Sequence[str], problems: list[Problem]) -> None:
    absent = [name for name in KNOWN if name not in head]
    if len(head) == 1 and any(mark in head[0] for mark in ";\t"):
        told = "columns stand apart by semicolons or tabs here: save the file with commas"
        problems.append(Problem(file, line, None, head[0], told))
        return
    for place, name in enumerate(head):
        if name in head[:place]:
            problems.append(Problem(file, line, name, name, "this column stands twice"))
        elif name not in KNOWN:
            told = "unknown column: what is no judgement goes into `note`"
            problems.append(Problem(file, line, name, name, told, misspelt(name, absent)))
    for name in REQUIRED:
        if name not in head:
            problems.append(Problem(file, line, name, None, "the required column is missing"))
    if "probability" not in head and not set(QUANTILES) <= set(head):
        told = "a column `probability`, or q05, q50 and q95, is missing"
        problems.append(Problem(file, line, None, None, told))


@dataclass
class JudgementReader:
    """Reads rows of judgements; what is wrong goes to `problems`."""

    file: str
    history: History
    model: Model
    problems: list[Problem]

    def wrong(
        self, line: int, column: str | None, value: str | None, message: str, near: str | None = None
    ) -> None:
        """Note a mistake."""
        self.problems.append(Problem(self.file, line, column, value, message, near))

    def judgement(self, line: int, told: Mapping[str, str]) -> Judgement | None:
        """Return the judgement of a row, or None where it is wrong."""
        before = len(self.problems)
        if not told["expert"]:
            self.wrong(line, "expert", None, "nobody is named")
        units = self.history.numbers.units
        if told["unit"] not in units:
            self.wrong(line, "unit", told["unit"], "unknown unit", nearest(told["unit"], units))
        entered = self._transition(line, told["transition"])
        date, horizon = self._time(line, told, "date"), self._time(line, told, "horizon")
        if date is not None and horizon is not None and date >= horizon:
            said = f"the judgement is of {told['date']}, and its horizon does not lie after it"
            self.wrong(line, "horizon", told["horizon"], said)
        belief = self._belief(line, told)
        if (
            len(self.problems) > before
            or entered is None
            or date is None
            or horizon is None
            or belief is None
        ):
            return None
        end = horizon + (1.0 if self.history.dated and not self.history.grouped else 0.0)
        dates = (told["date"], told["horizon"])
        return Judgement(
            told["expert"], told["unit"], *entered, date, end, *belief, dates, line, told.get("source", "")
        )

    def _transition(self, line: int, text: str) -> tuple[str, str] | None:
        names = {f"{move.variable}={move.to}": (move.variable, move.to) for move in self.model.transitions}
        names |= {move.name: (move.variable, move.to) for move in self.model.transitions}
        if text not in names:
            there = ", ".join(dict.fromkeys(name for name in names if ">" not in name))
            self.wrong(
                line,
                "transition",
                text,
                f"no transition of the model; there are: {there}",
                nearest(text, names),
            )
        return names.get(text)

    def _time(self, line: int, told: Mapping[str, str], column: str) -> float | None:
        numbers = self.history.numbers
        try:
            number = self.history.to_number(told[column])
        except TocsinError:
            like = "1919-05-01" if self.history.dated else "12.5"
            self.wrong(line, column, told[column], f"no time of this history: write it as {like}")
            return None
        if not numbers.start <= number <= numbers.end and column == "date":
            first, last = self.history.window
            self.wrong(line, column, told[column], f"it lies outside the record, {first} to {last}")
        return number

    def _belief(self, line: int, told: Mapping[str, str]) -> tuple[float, float] | None:
        given = [name for name in ("probability", *QUANTILES) if told.get(name)]
        if given not in (["probability"], list(QUANTILES)):
            self.wrong(
                line, "probability", None, "give a probability, or all of q05, q50 and q95, and not both"
            )
            return None
        values = [self._probability(line, name, told[name]) for name in given]
        if any(np.isnan(values)):
            return None
        if len(values) == 1:
            return log_odds(values[0]), SPREAD
        if not values[0] < values[1] < values[2]:
            self.wrong(line, "q50", told["q50"], "quantiles must rise: q05 < q50 < q95")
            return None
        low, middle, high = (log_odds(value) for value in values)
        return middle, (high - low) / (2.0 * Z90)

    def _probability(self, line: int, column: str, text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not 0.0 < value < 1.0:
            more = "; certainty cannot be weighed: say 0.99 or 0.01" if value in (0.0, 1.0) else ""
            if re.fullmatch(r"[0-9]*,[0-9]+|[0-9.]+ ?%", text):
                more = "; write a half as 0.5"
            self.wrong(line, column, text, f"a probability lies between 0 and 1{more}")
            return math.nan
        return value
