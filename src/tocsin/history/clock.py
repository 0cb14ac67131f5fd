"""The clock of a history: dates as numbers of days, months or years, numbered periods, or plain numbers."""

from __future__ import annotations

import datetime
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

EPOCH = datetime.date(1970, 1, 1).toordinal()
EARLIEST = datetime.date.min.toordinal() - EPOCH
LATEST = datetime.date.max.toordinal() - EPOCH
CLOCKS = ("day", "month", "year", "step", "number")
GROUPED = ("month", "year", "step")  # these know of an event only the interval in which it happened
CONTINUOUS = (
    "continuous"  # what a history says whose whole numbers are moments: the clock `number`, on purpose
)

_DAY = re.compile(
    r"(\d{4})-(\d{2})-(\d{2})(?:[T ](\d{2}:\d{2}(?::\d{2}(?:\.\d+)?)?)(?:Z|[+-]\d{2}:?\d{2})?)?", re.ASCII
)
_MONTH = re.compile(r"(\d{4})-(\d{2})", re.ASCII)
_YEAR = re.compile(r"(\d{4})(?:\.0+)?", re.ASCII)
_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?", re.ASCII)


def is_number(text: str) -> bool:
    """Whether a cell is written as a plain number (no NaN, no infinity, no underscores)."""
    return _NUMBER.fullmatch(text) is not None


def read_date(text: str, clock: str) -> int:
    """Read an ISO date as days since 1970-01-01, floored to the clock's month or year.

    Raises:
        ValueError: not a date that this clock can read; the message says why.
    """
    text = text.strip()
    if match := _DAY.fullmatch(text):
        year, month, day = (int(part) for part in match.groups()[:3])
        clock_time = match.group(4)
        if clock == "day" and clock_time and clock_time.strip("0:."):
            raise ValueError("a date has no time of day here; for finer times give plain numbers throughout")
    elif clock in ("month", "year") and (match := _MONTH.fullmatch(text)):
        year, month, day = int(match.group(1)), int(match.group(2)), 1
    elif clock in ("month", "year") and (match := _YEAR.fullmatch(text)):
        year, month, day = int(match.group(1)), 1, 1
    elif is_number(text):
        raise ValueError("a plain number in a history of dates (its window is of dates)")
    else:
        forms = {"month": "YYYY-MM or YYYY-MM-DD", "year": "YYYY or YYYY-MM-DD"}.get(clock, "YYYY-MM-DD")
        raise ValueError(f"not a date; write {forms}")
    try:
        days = datetime.date(year, month, day).toordinal() - EPOCH
    except ValueError:
        raise ValueError("there is no such date") from None
    return int(floored(np.array([days], np.int64), clock)[0])


def floored(days: NDArray[np.int64], clock: str) -> NDArray[np.int64]:
    """Days since 1970-01-01, moved to the first day of their month or year where the clock says so."""
    if clock not in ("month", "year"):
        return days
    unit = "M" if clock == "month" else "Y"
    return days.astype("datetime64[D]").astype(f"datetime64[{unit}]").astype("datetime64[D]").astype(np.int64)


@dataclass(frozen=True)
class Clock:
    """How the times of one history become numbers.

    Attributes:
        name: ``day``, ``month``, ``year``, ``step`` (period k is the interval (k - 1, k]) or ``number``.
        first, last: the window; days since 1970-01-01 for dates, else the numbers given.
        years: whether times may be given as plain whole years.
        meant: whether the history says that its plain numbers are moments (``continuous``).
    """

    name: str
    first: float
    last: float
    years: bool = False
    meant: bool = False

    @property
    def dated(self) -> bool:
        """Whether times are dates."""
        return self.name not in ("number", "step")

    @property
    def grouped(self) -> bool:
        """Whether of an event only the interval is known in which it happened."""
        return self.name in GROUPED

    @property
    def declared(self) -> str | None:
        """What the history says of its clock; None where plain numbers stand without a word."""
        return (CONTINUOUS if self.meant else None) if self.name == "number" else self.name

    @property
    def lag(self) -> float:
        """How long after its number on the clock an event is over: a month or a year bears the number of its
        start, a period that of its end."""
        return 1.0 if self.name in ("month", "year") else 0.0

    def _index(self, times: Any) -> NDArray[np.float64]:
        days = np.asarray(times, np.int64)
        if self.name == "day":
            return days.astype(np.float64)
        unit = "M" if self.name == "month" else "Y"
        return days.astype("datetime64[D]").astype(f"datetime64[{unit}]").astype(np.int64).astype(np.float64)

    def number(self, times: Any) -> NDArray[np.float64]:
        """Where events at these times stand on the clock."""
        if not self.dated:
            return np.asarray(times, np.float64)
        return self._index(times) - self._index(self.first)

    def begin(self, times: Any) -> NDArray[np.float64]:
        """Where rows that begin at these times begin on the clock: a period begins one before its number."""
        return self.number(times) - 1.0 if self.name == "step" else self.number(times)

    def began(self, numbers: Any) -> Any:
        """The plain number that a row gives as its start which begins here on the clock: undoes `begin`."""
        return numbers + 1.0 if self.name == "step" else numbers

    def finish(self, times: Any) -> NDArray[np.float64]:
        """Where rows that end at these times end on the clock: a dated row holds its last day, month or
        year."""
        return self.number(times) + 1.0 if self.dated else self.number(times)

    @property
    def start(self) -> float:
        """The window's start on the clock."""
        return float(self.begin(self.first))

    @property
    def end(self) -> float:
        """The window's end on the clock."""
        return float(self.finish(self.last))

    def days(self, numbers: Any) -> NDArray[np.int64]:
        """The dates (days since 1970-01-01) in which clock numbers fall."""
        whole = np.floor(np.asarray(numbers, np.float64)).astype(np.int64)
        if self.name == "day":
            return whole + int(self.first)
        unit = "M" if self.name == "month" else "Y"
        index = whole + int(self._index(self.first))
        return index.astype(f"datetime64[{unit}]").astype("datetime64[D]").astype(np.int64)

    def text(self, time: float) -> str:
        """One time as it is written in a file."""
        if not self.dated:
            return number_text(time)
        date = datetime.date.fromordinal(int(time) + EPOCH).isoformat()
        return {"month": date[:7], "year": date[:4]}.get(self.name, date)


# What one interval of a clock is called, and several.
_NOUNS = {"day": "day", "month": "month", "year": "year", "step": "period"}


def noun(clock: str, many: bool = False) -> str:
    """What a unit of a clock is called: a day, a month, a year, a period, or a unit of time."""
    if clock not in _NOUNS:
        return "units of time" if many else "unit of time"
    return _NOUNS[clock] + ("s" if many else "")


def number_text(value: float) -> str:
    """A number in its shortest form that reads back to the same bits."""
    value = float(value)
    return str(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(value)
