"""The window and the clock of a history, read from whatever form they were given in."""

from __future__ import annotations

import datetime
import math
import numbers
from typing import TYPE_CHECKING

from tocsin.history.clock import CLOCKS, CONTINUOUS, EARLIEST, EPOCH, LATEST, Clock, read_date

if TYPE_CHECKING:
    from tocsin.history.problems import Report


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
    ends = window_ends(window)
    stand_in = Clock("day", EARLIEST, LATEST)
    known = (*CLOCKS[:-1], CONTINUOUS)
    if clock is not None and clock not in (*known, "number"):
        from tocsin.errors import nearest

        report.add(
            file,
            f"unknown clock; there are: {', '.join(known)}",
            line=at.get("clock"),
            column="clock",
            value=clock,
            nearest=nearest(str(clock), known),
        )
        clock = None
    if ends is None:
        message = (
            "a window is missing: window = [first, last]"
            if window is None
            else "a window is [first, last], two dates or two numbers"
        )
        report.add(file, message, line=at.get("window"), column="window", value=window)
        return stand_in
    plain = [isinstance(end, numbers.Real) and not isinstance(end, bool) for end in ends]
    if plain[0] != plain[1]:
        report.add(
            file,
            "one end of the window is a date, the other a number",
            line=at.get("window"),
            column="window",
            value=window,
        )
        return stand_in
    years = all(plain) and clock == "year"
    if all(plain) and clock in ("day", "month"):
        report.add(
            file,
            f"a window of plain numbers has no clock {clock!r}: say 'step' (numbered periods) or 'continuous' "
            "(moments), or give dates",
            line=at.get("clock") or at.get("window"),
            column="clock",
            value=clock,
        )
        return stand_in
    if not any(plain) and clock in ("number", "step", CONTINUOUS):
        report.add(
            file,
            f"a window of dates has no clock {clock!r}",
            line=at.get("clock"),
            column="clock",
            value=clock,
        )
        return stand_in
    if all(plain) and not years:
        first, last = (float(end) for end in ends)  # type: ignore[arg-type]
        if not (math.isfinite(first) and math.isfinite(last)):
            report.add(
                file,
                "bad number: the window must be finite",
                line=at.get("window"),
                column="window",
                value=window,
            )
            return Clock("number", -math.inf, math.inf)
        first, last = first + 0.0, last + 0.0
        name = "step" if clock == "step" else "number"
        if name == "step" and not (first.is_integer() and last.is_integer()):
            report.add(
                file,
                "bad number: the window of a clock 'step' is its first and its last period, two whole numbers",
                line=at.get("window"),
                column="window",
                value=window,
            )
            return Clock("step", -math.inf, math.inf)
    else:
        name = str(clock or "day")
        found: list[float] = []
        for end in ends:
            try:
                found.append(_day(end, name))
            except ValueError as error:
                report.add(file, f"bad date: {error}", line=at.get("window"), column="window", value=end)
        if len(found) < 2:
            return Clock(name, stand_in.first, stand_in.last, years)
        first, last = found
    if last < first or (name == "number" and last == first):
        what = "the window is empty" if last == first else "the window ends before it begins"
        report.add(file, what, line=at.get("window"), column="window", value=f"{ends[0]} to {ends[1]}")
        wide = (-math.inf, math.inf) if name in ("number", "step") else (stand_in.first, stand_in.last)
        return Clock(name, *wide, years)
    return Clock(name, first, last, years, clock == CONTINUOUS)


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
