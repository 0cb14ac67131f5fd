"""A guided tour: `tour.toml` beside a history, whose steps name a claim, a moment, a question and a what-if.

title = "..."
about = "whose claims they are"

[[step]]
claim = "c18"                                     # a claim of claims.toml: its figure is the evidence
heading = "Budapest held out {days} days"         # filled with what the claim's query gives; no typed figures
date = 1919-03-21                                 # what the map shows
units = ["hungary"]
show = "regime=soviet"                            # else the wave
question = "..."
scenario = "no-intervention"                      # a key of scenarios.toml
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tocsin.classroom.prepared import Prepared
from tocsin.classroom.toml import Faults, checked_row, read_tables, text_of, texts_of
from tocsin.errors import TocsinError, suggestion
from tocsin.explorer.questions import QuestionReader, Refused
from tocsin.model.followed_state import Wave, wave_of
from tocsin.report.claims import FIELD, SHARE, Answer, as_words

if TYPE_CHECKING:
    from tocsin.history.history import History

NEEDED = ("claim", "heading", "date", "units", "question", "scenario")


@dataclass(frozen=True)
class TourStep:
    """One step of the tour.

    Attributes:
        answer: the claim with its figure.
        heading: the finding, filled.
        moment: the time that the map shows, as a clock number.
        units: the units that are looked at, the first of them chosen on the map.
        show: the state that is looked at.
        question: what the class is asked.
        scenario: the what-if.
    """

    answer: Answer
    heading: str
    moment: float
    units: tuple[str, ...]
    show: Wave
    question: str
    scenario: Prepared


@dataclass(frozen=True)
class Tour:
    """The steps under a title, and whose claims they are about."""

    title: str
    about: str
    steps: tuple[TourStep, ...]


def read_tour(
    path: Path,
    history: History,
    reader: QuestionReader,
    answers: Sequence[Answer],
    scenarios: Sequence[Prepared],
) -> Tour:
    """Read a tour; raise TocsinError with every fault.

    Parameters:
        path: its file.
        history, reader: what it is about.
        answers: the claims of the history with their figures.
        scenarios: the prepared what-ifs.
    """
    faults = Faults(path)
    content, rows = read_tables(path, "step", ("title", "about"), faults)
    claims = {answer.claim.id: answer for answer in answers}
    prepared = {each.key: each for each in scenarios}
    steps = []
    for number, row in enumerate(rows, start=1):
        place = f"step {number}"
        if not checked_row(row, place, NEEDED, ("show",), faults):
            continue
        words = {
            name: text_of(row, name, place, faults)
            for name in ("claim", "heading", "question", "scenario", "show")
        }
        answer = _named(claims, words["claim"], "claim", place, faults)
        scenario = _named(prepared, words["scenario"], "scenario", place, faults)
        moment = _moment(row["date"], history, place, faults)
        units = tuple(texts_of(row, "units", place, faults))
        for unit in units:
            try:
                reader.unit(unit)
            except Refused as error:
                faults.add(f"{place}: {error}")
        show = _show(words["show"], history, reader, place, faults)
        if answer is None or scenario is None or moment is None or show is None:
            continue
        heading = _heading(words["heading"], answer, place, faults)
        steps.append(TourStep(answer, heading, moment, units, show, words["question"], scenario))
    faults.refuse()
    return Tour(str(content.get("title") or "A guided tour"), str(content.get("about", "")), tuple(steps))


def _named(known: Mapping[str, Any], name: str, kind: str, place: str, faults: Faults) -> Any:
    if name and name not in known:
        faults.add(f"{place}: there is no {kind} {name!r}" + suggestion(name, known))
    return known.get(name)


def _show(clause: str, history: History, reader: QuestionReader, place: str, faults: Faults) -> Wave | None:
    try:
        return wave_of(reader.model, clause, history) if clause else reader.wave
    except TocsinError as error:
        faults.add(f"{place}: show: {error}")
        return None


def _moment(value: Any, history: History, place: str, faults: Faults) -> float | None:
    """Return a date or a number of the window as a clock number."""
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not (isinstance(value, date) if history.dated else number):
        faults.add(f"{place}: date must be a {'date' if history.dated else 'number'}, not {value!r}")
        return None
    first, last = (float(history.to_number(edge)) for edge in history.window)
    found = float(history.to_number(value))
    if not first <= found <= last:
        faults.add(f"{place}: {value} lies outside of the window")
        return None
    return found


def _heading(text: str, answer: Answer, place: str, faults: Faults) -> str:
    """Return a heading filled with the figures of its claim."""
    if re.search(r"\d", SHARE.sub("", FIELD.sub("", text))):
        faults.add(f"{place}: a figure is typed in the heading; let the query of {answer.claim.id!r} give it")

    def word(found: re.Match[str]) -> str:
        name = found.group(1)
        if name not in answer.values:
            faults.add(
                f"{place}: the heading names {name!r}, which the query of {answer.claim.id!r} does not give"
                + suggestion(name, list(answer.values))
            )
            return ""
        try:
            return as_words(answer.values[name], found.group(2) or "")
        except (ValueError, TypeError) as error:
            faults.add(f"{place}: heading: {{{found.group(0)}}}: {error}")
            return ""

    return FIELD.sub(word, text)
