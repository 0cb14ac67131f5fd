"""The clock of a history: dates as numbers of days, months or years, numbered periods, or plain numbers."""

from __future__ import annotations

import calendar
import datetime
import math
import numbers
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tocsin.history.tables.columns import Parsed
    from tocsin.history.tables.schema import Report

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

NUMBER = r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?"  # for `re` and for Arrow's RE2, whose \d is ASCII

_NUMBER = re.compile(NUMBER, re.ASCII)

# Dates in other forms, to say how they should be written.
_YEAR_FIRST = re.compile(r"(\d{4})(?:(?=\d{4}$)|[-/. ])(\d\d?)(?:(?=\d\d$)|[-/. ])(\d\d?)", re.ASCII)
_YEAR_LAST = re.compile(r"(\d{1,2})[-/. ](\d{1,2})[-/. ](\d{4})", re.ASCII)
_DAY_IN_WORDS = re.compile(
    r"(?P<day>\d{1,2})\.?[- ]?(?P<month>[A-Za-z]{3,9})\.?,?[- ]?(?P<year>\d{4})", re.ASCII
)
_MONTH_IN_WORDS = re.compile(
    r"(?P<month>[A-Za-z]{3,9})\.? (?P<day>\d{1,2})(st|nd|rd|th)?,? (?P<year>\d{4})", re.ASCII
)
_SEASON = re.compile(r"\d{4}-(2[1-9]|3[0-2])[~?%]?", re.ASCII)
MONTHS = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]


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
    else:
        raise ValueError(_no_date(text, clock))
    try:
        days = datetime.date(year, month, day).toordinal() - EPOCH
    except ValueError:
        raise ValueError("there is no such date") from None
    return int(floored(np.array([days], np.int64), clock)[0])


def _no_date(text: str, clock: str) -> str:
    """Say why a text is no date, and how it is written if only one date can be meant."""
    meant = _meant(text)
    cure = f": {meant}" if meant else ""
    if is_number(text):
        return "a plain number in a history of dates (its window is of dates)" + (
            f"; write{cure[1:]}" if meant else ""
        )
    if _SEASON.fullmatch(text):
        return "a season has other months north and south of the equator; write the months, such as 1848-03/1848-05"
    forms = {"month": "YYYY-MM or YYYY-MM-DD", "year": "YYYY or YYYY-MM-DD"}.get(clock, "YYYY-MM-DD")
    return f"not a date; write {forms}{cure}"


def _meant(text: str) -> str | None:
    """The day or days (ISO) that a date in another form can mean; both where day and month may change places."""
    if match := _YEAR_FIRST.fullmatch(text):
        found = {tuple(map(int, match.groups()))}
    elif match := _YEAR_LAST.fullmatch(text):
        one, other, year = map(int, match.groups())
        found = {(year, other, one), (year, one, other)}
    elif match := _DAY_IN_WORDS.fullmatch(text) or _MONTH_IN_WORDS.fullmatch(text):
        parts = match.groupdict()
        month = parts["month"][:3].casefold()
        found = (
            {(int(parts["year"]), MONTHS.index(month) + 1, int(parts["day"]))} if month in MONTHS else set()
        )
    else:
        return None
    days = sorted(f"{y:04d}-{m:02d}-{d:02d}" for y, m, d in found if 1 <= m <= 12 and _is_day(y, m, d))
    return " or ".join(days) or None


def _is_day(year: int, month: int, day: int) -> bool:
    return 1 <= year <= 9999 and 1 <= day <= calendar.monthrange(year, month)[1]


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


def number_text(value: float) -> str:
    """A number in its shortest form that reads back to the same bits."""
    value = float(value)
    return str(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(value)


# --- The window and the clock of a history, read from whatever form they were given in


def read_clock(
    window: object,
    clock: object,
    report: Report,
    file: str = "history",
    lines: dict[str, int | None] | None = None,
) -> Clock:
    """Read ``window`` and ``clock``; after a problem, a stand-in so that the tables can still be looked
    at."""
    at = lines or {}

    def tell(why: str, about: str, value: object, **more: Any) -> None:
        line = at.get(about) or (at.get("window") if about == "clock" else None)
        report.add(file, why, line=line, column=about, value=value, **more)

    stand_in = Clock("day", EARLIEST, LATEST)
    known = (*CLOCKS[:-1], CONTINUOUS)
    if clock is not None and clock not in (*known, "number"):
        from tocsin.errors import nearest

        tell(
            f"unknown clock; there are: {', '.join(known)}",
            "clock",
            clock,
            nearest=nearest(str(clock), known),
        )
        clock = None
    ends = window_ends(window)
    if ends is None:
        two = "a window is [first, last], two dates or two numbers"
        tell("a window is missing: window = [first, last]" if window is None else two, "window", window)
        return stand_in
    plain = [isinstance(end, numbers.Real) and not isinstance(end, bool) for end in ends]
    if plain[0] != plain[1]:
        tell("one end of the window is a date, the other a number", "window", window)
        return stand_in
    if wrong := _clock_of_window(clock, plain[0]):
        tell(wrong, "clock", clock)
        return stand_in
    years = plain[0] and clock == "year"
    if plain[0] and not years:
        first, last = (float(end) + 0.0 for end in ends)  # type: ignore[arg-type]
        name = "step" if clock == "step" else "number"
        if not (math.isfinite(first) and math.isfinite(last)):
            tell("bad number: the window must be finite", "window", window)
            return Clock("number", -math.inf, math.inf)
        if name == "step" and not (first.is_integer() and last.is_integer()):
            periods = "the window of a clock 'step' is its first and its last period, two whole numbers"
            tell(f"bad number: {periods}", "window", window)
            return Clock("step", -math.inf, math.inf)
    else:
        name = str(clock or "day")
        found: list[float] = []
        for end in ends:
            try:
                found.append(_day(end, name))
            except ValueError as error:
                tell(f"bad date: {error}", "window", end)
        if len(found) < 2:
            return Clock(name, stand_in.first, stand_in.last, years)
        first, last = found
    if last < first or (name == "number" and last == first):
        what = "the window is empty" if last == first else "the window ends before it begins"
        tell(what, "window", f"{ends[0]} to {ends[1]}")
        wide = (-math.inf, math.inf) if name in ("number", "step") else (stand_in.first, stand_in.last)
        return Clock(name, *wide, years)
    return Clock(name, first, last, years, clock == CONTINUOUS)


def _clock_of_window(clock: object, plain: bool) -> str:
    """Say what is wrong with a clock, given whether the window is of plain numbers."""
    if plain and clock in ("day", "month"):
        return (
            f"a window of plain numbers has no clock {clock!r}: say 'step' (numbered periods) or 'continuous' "
            "(moments), or give dates"
        )
    if not plain and clock in ("number", "step", CONTINUOUS):
        return f"a window of dates has no clock {clock!r}"
    return ""


def window_ends(window: object) -> tuple[object, object] | None:
    if window is None or isinstance(window, str | bytes | dict):
        return None
    try:
        ends: tuple[object, ...] = tuple(window)  # type: ignore[arg-type]
    except TypeError:
        return None
    return (ends[0], ends[1]) if len(ends) == 2 else None


def _day(when: object, clock: str) -> int:
    if isinstance(when, numbers.Real) and not isinstance(when, bool):
        year = float(when)
        if clock != "year":
            raise ValueError("a plain number is no date")
        if not 1 <= year <= 9999 or year != int(year):
            raise ValueError("a year must be a whole number from 1 to 9999")
        return datetime.date(int(year), 1, 1).toordinal() - EPOCH
    text = str(when)
    if not isinstance(when, str | datetime.date) and not text[:1].isdigit():
        raise ValueError("not a date")
    return read_date(text.split(".")[0] if text.endswith(".000000000") else text, clock)


def read_time(when: object, clock: Clock) -> float:
    """One moment on the clock, by the convention of events.

    Raises:
        ValueError: it is no time of this clock.
    """
    if clock.dated:
        return float(clock.number([_day(when, clock.name)])[0])
    if isinstance(when, bool) or not isinstance(when, numbers.Real | str):
        raise ValueError("this history's times are plain numbers")
    try:
        value = float(when)
    except ValueError:
        raise ValueError("this history's times are plain numbers") from None
    if not math.isfinite(value):
        raise ValueError("a time must be finite")
    if clock.name == "step" and not value.is_integer():
        raise ValueError("a period is a whole number")
    return value


# --- Times of plain numbers that differ by rounding only made one: 0.3 and 0.1 + 0.2 are one
#     instant

ULPS = 4.0  # so many units in the last place is rounding

DEFAULTS = ("enter", "exit", "start", "end")  # where they say the window's, they may be left out

TIMES = (*DEFAULTS, "time", "time_latest")


def near(one: NDArray[np.float64], other: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Return which times differ by rounding at the most."""
    with np.errstate(invalid="ignore"):
        return np.asarray(np.abs(one - other) <= ULPS * np.spacing(np.maximum(np.abs(one), np.abs(other))))


def meet(tables: Iterable[Parsed], window: tuple[float, float]) -> None:
    """Make times of a history that differ by rounding only the same, in place.

    Of such times the window's stands, else a whole number, else the one that is written shortest. Rows that
    end and begin there meet, and an event there sees what was in force before it.
    """
    places = [(table, name) for table in tables for name in TIMES if name in table.columns]
    broken = [_broken(np.ma.getdata(table.columns[name])) for table, name in places]
    parts = np.sort(np.concatenate([*broken, _broken(np.array(window))]))
    moved = _moved(_suspects(parts, window), window)
    if not moved:
        return
    old = np.array(sorted(moved))
    new = np.array([moved[value] for value in old.tolist()])
    for table, name in places:
        table.columns[name] = _replaced(table.columns[name], old, new)
        silent = window[0] if name in ("enter", "start") else window[1]
        values = table.columns[name]
        if name in DEFAULTS and not np.ma.isMaskedArray(values) and (values == silent).all():
            del table.columns[name]  # the default throughout: the same as no column


def _broken(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the times that are not whole."""
    return np.asarray(values[values != np.rint(values)])


def _suspects(parts: NDArray[np.float64], window: tuple[float, float]) -> NDArray[np.float64]:
    """Return those of the sorted times that lie near another, a whole number or zero; most lie near none."""
    if not parts.size:
        return parts
    size = np.abs(parts)
    size *= 2.0 * ULPS * np.finfo(np.float64).eps  # rounding at the most, and cheap
    most = max(abs(end) for end in window)
    alone = np.abs(parts - np.rint(parts)) > size
    if np.isfinite(most):
        alone &= np.abs(parts) > 2.0 * ULPS * np.spacing(most)
    gap = np.diff(parts)
    close = (gap > 0.0) & (gap <= size[1:])
    alone[1:] &= ~close
    alone[:-1] &= ~close
    return np.unique(parts[~alone])


def _moved(parts: NDArray[np.float64], window: tuple[float, float]) -> dict[float, float]:
    """Return what becomes of those of the sorted times that are not whole."""
    if not parts.size:
        return {}
    span = max(abs(end) for end in window)
    whole = np.rint(parts)
    zero = np.abs(parts) <= ULPS * np.spacing(span if np.isfinite(span) else 0.0)
    to_whole = near(parts, whole) | zero
    found = dict(zip(parts[to_whole].tolist(), np.where(zero, 0.0, whole)[to_whole].tolist(), strict=True))
    rest = parts[~to_whole]
    close = near(rest[1:], rest[:-1])
    if close.any():
        first = np.flatnonzero(np.append(True, ~close))
        for low, high in zip(first.tolist(), [*first[1:].tolist(), rest.size], strict=True):
            if high - low > 1:
                cluster = rest[low:high].tolist()
                ends = [end for end in window if end in cluster]
                kept = ends[0] if ends else min(cluster, key=lambda value: (len(repr(value)), value))
                found |= dict.fromkeys(cluster, kept)
    return {value: kept for value, kept in found.items() if value != kept and value not in window}


def _replaced(values: Any, old: NDArray[np.float64], new: NDArray[np.float64]) -> Any:
    plain = np.ma.getdata(values)
    at = np.minimum(np.searchsorted(old, plain), old.size - 1)
    hit = old[at] == plain
    if not hit.any():
        return values
    changed = np.where(hit, new[at], plain)
    masked = isinstance(values, np.ma.MaskedArray)
    return np.ma.array(changed, mask=np.ma.getmaskarray(values)) if masked else changed
