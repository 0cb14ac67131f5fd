"""Dates known in part, as EDTF (ISO 8601-2) writes them: `1848-03~`, `1917-11/1917-12`, `1919-03-2X`."""

from __future__ import annotations

import calendar
import re
from typing import TYPE_CHECKING, Any

import numpy as np

from tocsin.history.tables import cells, frames
from tocsin.history.time import EARLIEST, LATEST, read_date

if TYPE_CHECKING:
    from tocsin.history.tables.frames import Raw

# Year, month and day, each digit perhaps unknown; a qualifier.
_DATE = re.compile(r"([0-9]{2}[0-9X]{2})(?:-([0-9X]{2}))?(?:-([0-9X]{2}))?", re.ASCII)

_SIGN = re.compile(
    r"[~?%](?=[0-9X])|(?<=[0-9X])[~?%]"
)  # before or behind the part of the date that it is about

# Parts of a year that are the same everywhere: quarters, thirds and halves, with their first month and their length.
_PARTS = {f"{33 + k}": (1 + 3 * k, 3) for k in range(4)} | {f"{37 + k}": (1 + 4 * k, 4) for k in range(3)}
_PARTS |= {"40": (1, 6), "41": (7, 6)}

_OPEN = ("", "..")  # an end of an interval that nobody knows, or that there is none

# What a qualifier says of the confidence of a row: approximate; uncertain; both.
_CONFIDENCE = {"~": "medium", "?": "low", "%": "low"}

ALWAYS = ("0001-01-01", "9999-12-31")

_RANK = ("low", "medium")


def read_edtf(text: str, clock: str = "day") -> tuple[str, str, str | None] | None:
    """Return first and last day (ISO) and the confidence of a date known in part; None for what is none.

    Of an interval one end may be open (`../1920`, `1848/`). An X stands for any digit; ~ is approximate, ? uncertain,
    % both; 33 to 41 in place of a month are quarters, thirds and halves of the year. A year or a month alone is its
    span where the clock is the day; else the clock reads it, as it does a plain day.
    """
    text = text.strip()
    ends = text.split("/")
    coarse = clock == "day" and re.fullmatch(r"\d{4}(-\d{2})?", text, re.ASCII)
    part = text[5:7] in _PARTS and len(text) >= 7
    if len(ends) > 2 or (len(ends) == 1 and not coarse and not part and not re.search("[X~?%]", text)):
        return None
    whole = len(ends) == 2 and any(end not in _OPEN for end in ends)
    found = [(*ALWAYS, "") if whole and end in _OPEN else _one(end) for end in ends]
    if any(each is None for each in found):
        return None
    (first, _, one), (_, last, other) = found[0], found[-1]  # type: ignore[misc]
    if last < first:
        return None
    told = [_CONFIDENCE[sign] for sign in one + other]
    return first, last, min(told, key=_RANK.index) if told else None


def _one(text: str) -> tuple[str, str, str] | None:
    """First and last day of one date, and the signs in it."""
    text = text.strip()
    sign = "".join(_SIGN.findall(text))
    match = _DATE.fullmatch(_SIGN.sub("", text))
    if match is None:
        return None
    year, month, day = match.groups()
    if month in _PARTS and day is None and year.isdigit():
        begin, length = _PARTS[month]
        close = begin + length - 1
        of_days = calendar.monthrange(int(year), close)[1] if int(year) else 0
        return (f"{year}-{begin:02d}-01", f"{year}-{close:02d}-{of_days:02d}", sign) if of_days else None
    years = _fill(year, 1, 9999)
    months = (1, 12) if month is None else _fill(month, 1, 12)
    if years is None or months is None or (years[0] != years[1] and month not in (None, "XX")):
        return None
    ends = calendar.monthrange(years[1], months[1])[1]
    days = (1, ends) if day is None else _fill(day, 1, ends)
    if days is None or (months[0] != months[1] and day not in (None, "XX")):
        return None
    first, last = (f"{y:04d}-{m:02d}-{d:02d}" for y, m, d in zip(years, months, days, strict=True))
    return first, last, sign


def _fill(digits: str, least: int, most: int) -> tuple[int, int] | None:
    """Return the smallest and the largest number that digits may stand for, within bounds."""
    low, high = (int(digits.replace("X", digit)) for digit in "09")
    low, high = max(low, least), min(high, most)
    return (low, high) if low <= high else None


def spelled_out(raw: Raw, clock: str) -> Raw:
    """Return events whose dates known in part stand as time, time_latest and confidence; others unchanged.

    A span that `time_latest` gives goes before that of the date; a confidence that is rated stays.
    """
    from dataclasses import replace

    column = raw.columns.get("time")
    if column is None or not raw.rows:
        return raw
    codes, values = cells.encode(column)
    words = [value if isinstance(value, str) else "" for value in cells.listed(values)]
    found = {place: read for place, word in enumerate(words) if (read := read_edtf(word, clock)) is not None}
    if not found:
        return raw
    texts = [frames.plain(value) for value in cells.listed(values)] + [None]
    time: list[Any] = [texts[code] for code in codes.tolist()]
    latest = _texts(raw, "time_latest")
    confidence = _texts(raw, "confidence")
    for row in np.flatnonzero(np.isin(codes, list(found))).tolist():
        first, last, sure = found[int(codes[row])]
        time[row] = first
        if latest[row] is None:
            latest[row] = None if _same(first, last, clock) else last
        if sure is not None and (confidence[row] is None or confidence[row] == "unrated"):
            confidence[row] = sure
    columns = raw.columns | {"time": frames.strings(time)}
    for name, cells_ in (("time_latest", latest), ("confidence", confidence)):
        if name in raw.columns or any(cell is not None for cell in cells_):
            columns[name] = frames.strings(cells_)
    return replace(raw, columns=columns)


def _texts(raw: Raw, name: str) -> list[str | None]:
    if name not in raw.columns:
        return [None] * raw.rows
    words = [frames.plain(frames.python_value(value)) for value in raw.columns[name]]
    return [None if word is None or cells.is_missing(word) else word for word in words]


def _same(first: str, last: str, clock: str) -> bool:
    """Whether both days lie in one period of the clock."""
    days = [read_date(end, clock) for end in (first, last)]
    return days[0] == days[1] and EARLIEST <= days[0] <= LATEST
