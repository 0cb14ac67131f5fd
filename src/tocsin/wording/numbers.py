"""Numbers as plain words, for whatever speaks of worlds: shares, dates, signs, lists."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    pass

# What one interval of a clock is called, and several.
_NOUNS = {"day": "day", "month": "month", "year": "year", "step": "period"}


def noun(clock: str, many: bool = False) -> str:
    """What a unit of a clock is called: a day, a month, a year, a period, or a unit of time."""
    if clock not in _NOUNS:
        return "units of time" if many else "unit of time"
    return _NOUNS[clock] + ("s" if many else "")


# --- Numbers as plain words, for whatever speaks of worlds: shares, dates, signs, lists


class Calendar(Protocol):
    """What tells how times are said: whether they are dates, and of which clock."""

    @property
    def dated(self) -> bool: ...
    @property
    def clock(self) -> str: ...
    def to_dates(self, times: Any) -> Any: ...
    def label(self, time: float) -> str: ...


def of_worlds(share: float) -> str:
    """Return 'in 62 of 100 worlds'; what is rare or nearly certain is said as such."""
    if share <= 0:
        return "in no world"
    if share >= 1:
        return "in every world"
    if share <= 0.005:
        return "in fewer than 1 of 100 worlds"
    if share >= 0.995:
        return "in more than 99 of 100 worlds"
    return f"in {round(100 * share)} of 100 worlds"


def hundred(share: float) -> str:
    """Return a share as worlds of 100, for a table: 62, <1 or >99."""
    if 0 < share <= 0.005:
        return "<1"
    if 0.995 <= share < 1:
        return ">99"
    return f"{100 * share:.0f}"


def moment(when: Any, frame: Calendar) -> str:
    """Return a time written out, '21 March 1919', or the number where times are numbers."""
    if when is None or pd.isna(when):
        return ""
    if not frame.dated:
        return f"{float(when):g}"
    stamp = pd.Timestamp(frame.to_dates(np.array([when]))[0] if isinstance(when, float | int) else when)
    if frame.clock == "year":
        return f"{stamp.year}"
    name = stamp.month_name()
    return f"{name} {stamp.year}" if frame.clock == "month" else f"{stamp.day} {name} {stamp.year}"


def signed(value: float) -> str:
    """Return a number with its sign printed, and a true minus."""
    return f"{value:+g}".replace("-", "−") if value else "0"


def counted(count: float, one: str, many: str | None = None) -> str:
    """Return '1 unit', '3 units'."""
    return f"{count:,g} {one if count == 1 else many or one + 's'}"


def listed(items: Sequence[str]) -> str:
    """Return 'a, b and c'."""
    return items[0] if len(items) == 1 else ", ".join(items[:-1]) + " and " + items[-1] if items else ""


def length(duration: float, frame: Calendar) -> str:
    """Return a duration with its unit: '133 days'."""
    number = f"{round(duration):,}" if frame.dated or frame.clock == "step" else f"{duration:.3g}"
    return f"{number} {noun(frame.clock, number != '1')}"


# --- Numbers as plain words: dates written out, shares as so many of 100 worlds, ranges, lengths of
#     time


def short(when: Any, frame: Calendar) -> str:
    """Return a time as a table has it: '1919-03-21'."""
    if when is None or pd.isna(when):
        return ""
    if not frame.dated:
        return f"{float(when):.4g}"
    if isinstance(when, float | int):
        return frame.label(float(when))
    return pd.Timestamp(when).strftime({"month": "%Y-%m", "year": "%Y"}.get(frame.clock, "%Y-%m-%d"))


def number(value: float, digits: int = 3) -> str:
    """Return a number for a table: a few significant digits, no exponent where avoidable."""
    if value is None or not math.isfinite(value):
        return "–" if value is None or math.isnan(value) else ("∞" if value > 0 else "−∞")
    if value != 0 and not 1e-4 <= abs(value) < 1e6:
        text = f"{value:.{digits - 1}e}"
    elif float(value).is_integer():
        text = f"{value:,.0f}"
    else:
        text = f"{value:,.{max(0, digits - 1 - math.floor(math.log10(abs(value))))}f}"
    return text.replace("-", "−")
