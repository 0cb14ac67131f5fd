"""What worlds share with the record where nobody says: what the question of the history says, if it can be."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from tocsin.errors import TocsinError

if TYPE_CHECKING:
    from tocsin.history.history import History
    from tocsin.interventions.intervention import Intervention


def given_by(history: History, given: str | None, interventions: Sequence[Intervention] = ()) -> str:
    """Return what worlds are given: what is asked for, else what the history's question says.

    Nothing is given where the window was narrowed past the day of the question, and where a change reaches back
    before it: worlds that agree with the record until then could not hold what the change undoes.
    """
    if given is not None:
        return given
    question = history.question
    if question is None or not question.given.startswith("until "):
        return "nothing"
    try:
        time = history.to_number(question.given.removeprefix("until "))
    except TocsinError:
        return "nothing"
    if not history.numbers.start <= time < history.numbers.end:
        return "nothing"
    return "nothing" if any(it.reaches_back(history, time) for it in interventions) else question.given
