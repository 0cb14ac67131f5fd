"""What worlds share with the record where nobody says: what the question of the history says, if it can be."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from tocsin.errors import TocsinError
from tocsin.interventions import declared as d

if TYPE_CHECKING:
    from tocsin.history.history import History


def given_by(history: History, given: str | None, interventions: Sequence[d.Intervention] = ()) -> str:
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
    return "nothing" if any(reaches_back(it, history, time) for it in interventions) else question.given


def reaches_back(it: d.Intervention, history: History, time: float) -> bool:
    """Return whether a change concerns what is on record up to a time: an event undone, moved, or put before it."""
    if isinstance(it, d.RemoveUnit):
        return it.start is None or history.to_number(it.start) <= time
    if isinstance(it, d.Force | d.Lift):
        return history.to_number(it.at) <= time
    if isinstance(it, d.Prevent | d.Delay):
        since = None if isinstance(it, d.Delay) or it.start is None else history.to_number(it.start)
        events = history.events
        mine = events[
            (events["unit"].astype(str) == it.unit)
            & (events["variable"].astype(str) == it.variable)
            & (events["state"].astype(str) == it.state)
        ]
        times = [history.to_number(when) for when in mine["time"]]
        return any(each <= time and (since is None or each >= since) for each in times)
    return False
