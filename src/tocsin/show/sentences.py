"""Numbers as plain words: dates written out, shares as so many of 100 worlds, ranges, lengths of time."""

from __future__ import annotations

import math
from typing import Any

import pandas as pd

from tocsin.ensemble import Frame
from tocsin.ensemble.said import counted, hundred, length, listed, moment, of_worlds, signed
from tocsin.show.compared import Range

__all__ = [
    "between",
    "counted",
    "hundred",
    "length",
    "listed",
    "moment",
    "number",
    "of_worlds",
    "short",
    "signed",
]


def short(when: Any, frame: Frame) -> str:
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


def between(values: Range) -> str:
    """Return '38 (in half of all worlds 25 to 44; in 90 of 100 worlds 17 to 60)'."""
    return (
        f"{values.median:g} (in half of all worlds {values.low50:g} to {values.high50:g}; "
        f"in 90 of 100 worlds {values.low90:g} to {values.high90:g})"
    )
