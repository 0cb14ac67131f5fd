"""How units stand at a date: in the record, and in how many of the worlds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from tocsin.ensemble.ensemble import Ensemble
from tocsin.ensemble.paired import observed_world
from tocsin.errors import TocsinError

if TYPE_CHECKING:
    from tocsin.history.history import History

TOO_WIDE = 0.2  # an interval of a share wider than this is too little information

NAN = float("nan")


@dataclass(frozen=True)
class Standing:
    """How a unit stands at a date.

    Attributes:
        observed: whether it holds the state in the record; None where the record does not say.
        share, lower, upper: worlds that have it in the state, with the 95% interval; nan without worlds.
        vague: whether there is too little information for a confident colour.
    """

    observed: bool | None = None
    share: float = NAN
    lower: float = NAN
    upper: float = NAN
    vague: bool = False


def history_of(source: Ensemble | History) -> History:
    """Return the history that is looked at; raise TocsinError if an ensemble does not know it."""
    if not isinstance(source, Ensemble):
        return source
    if source.of is None:
        raise TocsinError(
            "this ensemble does not know its history, so nothing says where its units lie: "
            "draw it with Ensemble(..., history=...)"
        )
    return source.of


def standings_of(source: Ensemble | History, variable: str, state: str, when: Any) -> dict[str, Standing]:
    """Return how every unit that is present stands at the end of a day (or at the instant, for numbers).

    Raises:
        TocsinError: an unknown variable or state, or a time outside the window.
    """
    history = history_of(source)
    record = observed_world(history)
    instant = _instant(record, when)
    held = record.probability(variable, state, [instant]).to_numpy()[:, 0]
    result = {
        unit: Standing(observed=bool(value == 1.0))
        for unit, value in zip(record.frame.units, held, strict=True)
        if np.isfinite(value)
    }
    if isinstance(source, Ensemble):
        answer = source.probability(variable, state, [instant], interval=True)
        share, lower, upper = (answer[name].to_numpy()[:, 0] for name in ("probability", "lower", "upper"))
        units = source.frame.units
        return {
            unit: Standing(result[unit].observed, s, low, high, bool(high - low > TOO_WIDE))
            for unit, s, low, high in zip(units, share.tolist(), lower.tolist(), upper.tolist(), strict=True)
            if unit in result and np.isfinite(s)
        }
    doubted = _doubted(history, variable, record.frame.label(instant - 1) if history.dated else instant)
    return {
        unit: Standing(each.observed, vague=bool(each.observed and unit in doubted))
        for unit, each in result.items()
    }


def changed(one: Standing, other: Standing) -> Standing:
    """Return the difference of two shares with its 95% interval (Newcombe 1998, method 10)."""
    change = other.share - one.share
    below = np.hypot(other.share - other.lower, one.upper - one.share)
    above = np.hypot(other.upper - other.share, one.share - one.lower)
    lower, upper = float(change - below), float(change + above)
    return Standing(other.observed, change, lower, upper, lower <= 0.0 <= upper)


def _instant(record: Ensemble, when: Any) -> float:
    """Return the clock number at which a day is over: an event of that day has been seen by then."""
    frame = record.frame
    number = frame.to_number(when)
    if not frame.dated:
        frame.grid([number])
        return number
    number = float(np.floor(number))
    if not frame.start <= number < frame.end:
        first, last = frame.label(frame.start), frame.label(frame.end - 1)
        raise TocsinError(f"{when} lies outside the window, {first} to {last}")
    return number + 1.0


def _doubted(history: History, variable: str, until: Any) -> set[str]:
    """Return the units whose last event of a variable is rated low."""
    events = history.events
    if "confidence" not in events:
        return set()
    limit = pd.Timestamp(until) if history.dated else until
    seen = events[(events["variable"].astype(str) == variable) & (events["time"] <= limit)]
    last = seen.sort_values("time", kind="stable").groupby("unit", observed=True).tail(1)
    return set(last.loc[last["confidence"].astype(str) == "low", "unit"].astype(str))
