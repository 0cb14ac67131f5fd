"""Cells of raw columns as names, numbers, times and texts; what cannot be read is reported by row."""

from __future__ import annotations

import contextlib
import datetime
import re
from collections.abc import Container
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tocsin.history.tables import frames
from tocsin.history.tables.frames import Raw, plain, python_value
from tocsin.history.time import EARLIEST, EPOCH, LATEST, NUMBER, Clock, floored, is_number, read_date

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tocsin.history.tables.schema import Report


def encode(column: Any, *, unused: bool = False) -> tuple[NDArray[np.int32], Any]:
    """Dictionary-encode a column: codes (-1 for missing) and its distinct values as an Arrow array.

    With `unused` a dictionary that came from outside stays as it is; it may hold missing values, one value
    twice, and values that no row has.
    """
    if pa.types.is_string_view(column.type):
        column = column.cast(pa.large_string())
    given = pa.types.is_dictionary(column.type)
    column = frames.whole(column) if given else _encoded(column)
    indices, values = column.indices, column.dictionary
    if pa.types.is_string_view(values.type):
        values = values.cast(pa.large_string())
    codes = frames.to_numpy(indices.cast(pa.int32()), fill=-1)
    if given and len(values) and not unused:
        kept = np.zeros(len(values) + 1, bool)
        kept[codes] = True
        kept = kept[:-1] & ~frames.nulls(values)
        if not kept.all():
            place = np.append(np.where(kept, np.cumsum(kept) - 1, -1), -1)
            codes, values = place[codes].astype(np.int32), values.take(frames.numeric(np.flatnonzero(kept)))
    return codes, values


def _encoded(column: Any) -> Any:
    with contextlib.suppress(pa.ArrowInvalid):  # more text than one array holds stays in its chunks
        column = frames.whole(column)  # dictionaries of many chunks are slow to join
    try:
        return frames.whole(pc.dictionary_encode(column))
    except pa.ArrowNotImplementedError:  # lists, structures: as they print
        return pc.dictionary_encode(frames.strings(plain(value) for value in listed(column)))


def listed(values: Any) -> list[Any]:
    """Arrow values as Python objects; moments that Python has no date for as they print."""
    try:
        return list(values.to_pylist())
    except (ValueError, OverflowError):
        return [python_value(value) for value in values]


def _distinct_texts(values: Any) -> Any:
    """The distinct values of a column as strings, or None where they cannot be names."""
    kind = values.type
    if pa.types.is_string(kind):
        return values
    if pa.types.is_large_string(kind) or pa.types.is_integer(kind) or pa.types.is_string_view(kind):
        return values.cast(pa.string())
    if pa.types.is_nested(kind) or pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
        return None
    return frames.strings(plain(value) for value in listed(values))


def names(
    raw: Raw, column: str, report: Report, *, required: bool = True, valid: Container[str] = ()
) -> tuple[NDArray[np.int32], Any]:
    """Read a column of identifiers.

    Parameters:
        required: whether every row names something; else NA and its like are missing, unless they are `valid`.

    Returns:
        Codes (rows,), -1 where missing or wrong, into an Arrow array of distinct strings.
    """
    kind = raw.columns[column].type
    nested = pa.types.is_nested(kind) and not pa.types.is_dictionary(kind)
    codes, values = encode(raw.columns[column])
    texts = None if nested else _distinct_texts(values)
    if texts is not None and not pc.all(pc.string_is_ascii(texts)).as_py():
        codes, texts = _composed(codes, texts)
    if texts is None:
        report.add(raw.file, f"a column of {kind} cannot be read as names", column=column)
        return np.full(raw.rows, -1, np.int32), frames.strings([])
    if not pa.types.is_string(kind):  # two values may be written alike (1 and 1.0), or stand twice
        again, texts = encode(texts)
        codes = frames.recoded(codes, again)
    empty = frames.to_numpy(pc.binary_length(pc.utf8_trim_whitespace(texts))) == 0
    nul = frames.to_numpy(pc.match_substring(texts, "\0"))
    if nul.any():
        report.rows(raw, np.flatnonzero((codes >= 0) & nul[codes]), column, "a NUL character in a name")
    if not required:
        empty = np.array([is_missing(text) and text not in valid for text in texts.to_pylist()], bool)
    if empty.any():
        codes = np.where((codes >= 0) & ~empty[codes], codes, -1).astype(np.int32)
    if required:
        report.rows(raw, np.flatnonzero(codes < 0), column, f"no {column} is named here", kind="missing")
    return codes, texts


def _composed(codes: NDArray[np.int32], texts: Any) -> tuple[NDArray[np.int32], Any]:
    """Names in one Unicode form (NFC): an accent that stands apart belongs to its letter."""
    form = pc.utf8_normalize(texts, form="NFC")
    if form.equals(texts):
        return codes, texts
    again, distinct = encode(form)
    return frames.recoded(codes, again), distinct


def floats(
    raw: Raw, column: str, report: Report, what: str, hint: str = ""
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Read a column of numbers.

    Parameters:
        what: names the quantity; hint: what else may be wrong, for the messages.

    Returns:
        Values (rows,) with NaN where missing or wrong, and the rows that are missing. Whatever is neither
        missing nor a finite number has been reported as a bad number.
    """
    array = raw.columns[column]
    kind = array.type
    if (
        pa.types.is_floating(kind)
        or pa.types.is_integer(kind)
        or pa.types.is_boolean(kind)
        or pa.types.is_decimal(kind)
    ):
        if not pa.types.is_float64(kind):
            array = (array.cast(pa.int8()) if pa.types.is_boolean(kind) else array).cast(
                pa.float64(), safe=False
            )
        values = frames.to_numpy(array, fill=np.nan) + 0.0  # no negative zero
        if np.isfinite(values).all():
            return values, np.zeros(len(values), bool)
        missing = np.isnan(values)
        infinite = np.flatnonzero(np.isinf(values))
        report.rows(raw, infinite, column, f"bad number: {what} must be finite", kind="bad number")
        values[infinite] = np.nan
        return values, missing
    if pa.types.is_null(kind):
        return np.full(raw.rows, np.nan), np.ones(raw.rows, bool)
    codes, distinct = encode(array)
    parsed = np.full(len(distinct) + 1, np.nan)  # the last place stands for code -1
    blank = np.zeros(len(distinct) + 1, bool)
    blank[-1] = True
    why = f"bad number: {what} must be a finite number"
    if not (pa.types.is_string(distinct.type) or pa.types.is_large_string(distinct.type)):
        why = f"bad number: {what} must be a number, not {distinct.type}"
    else:
        plainly = pc.match_substring_regex(distinct, f"^{NUMBER}$")  # a million of them take a second
        at = frames.to_numpy(plainly)
        parsed[:-1][at] = [float(text) for text in distinct.filter(plainly).to_pylist()]
        for k in np.flatnonzero(~at):
            text = distinct[k].as_py().strip()
            blank[k] = is_missing(text)
            if is_number(text):
                parsed[k] = float(text)
        parsed = np.where(np.isfinite(parsed), parsed + 0.0, np.nan)
    values, missing = parsed[codes], blank[codes]

    def message(row: int) -> str:
        cure = slip(raw.value(column, row) or "") or hint
        return f"{why}; {cure}" if cure else why

    report.rows(raw, np.flatnonzero(np.isnan(values) & ~missing), column, message, kind="bad number")
    return values, missing


def times(
    raw: Raw, column: str, clock: Clock, report: Report
) -> tuple[NDArray[Any], NDArray[np.bool_], NDArray[np.bool_]]:
    """Read a column of times.

    Returns:
        Times (rows,), int64 days since 1970-01-01 for dates and float64 for numbers; rows that are missing;
        rows that are wrong (reported already).
    """
    array = raw.columns[column]
    kind = array.type
    if not clock.dated:
        return _numbered(raw, column, clock, report)
    if pa.types.is_date(kind) or pa.types.is_timestamp(kind):
        return _from_temporal(raw, column, clock, report)
    if pa.types.is_null(kind):
        return np.zeros(raw.rows, np.int64), np.ones(raw.rows, bool), np.zeros(raw.rows, bool)
    codes, distinct = encode(array)
    kind = distinct.type
    numbers = pa.types.is_integer(kind) or pa.types.is_floating(kind)
    if numbers and not (clock.years or clock.name == "year"):
        gone = frames.to_numpy(pc.is_null(array, nan_is_null=True))
        why = "plain numbers in a history of dates (its window is of dates)"
        report.rows(raw, np.flatnonzero(~gone)[:1], column, why)
        return np.zeros(raw.rows, np.int64), gone, ~gone
    texts = pa.types.is_string(kind) or pa.types.is_large_string(kind)
    if not (numbers or texts or pa.types.is_date(kind) or pa.types.is_timestamp(kind)):
        report.add(raw.file, f"bad date: a column of {distinct.type} holds no dates", column=column)
        return np.zeros(raw.rows, np.int64), np.zeros(raw.rows, bool), np.ones(raw.rows, bool)
    parsed = np.zeros(len(distinct) + 1, np.int64)
    blank = np.zeros(len(distinct) + 1, bool)
    wrong = np.zeros(len(distinct) + 1, bool)
    blank[-1] = True
    for k, value in enumerate(listed(distinct)):
        if value != value or (isinstance(value, str) and is_missing(value)):
            blank[k] = True
            continue
        try:
            parsed[k] = _year(value) if numbers else read_date(str(value), clock.name)
        except ValueError as error:
            wrong[k] = True
            report.rows(raw, np.flatnonzero(codes == k), column, f"bad date: {error}", kind="bad date")
    return parsed[codes], blank[codes], wrong[codes]


def _numbered(
    raw: Raw, column: str, clock: Clock, report: Report
) -> tuple[NDArray[Any], NDArray[np.bool_], NDArray[np.bool_]]:
    """Read times that are plain numbers, as `times` does."""
    if pa.types.is_temporal(raw.columns[column].type):
        full = np.flatnonzero(~frames.nulls(raw.columns[column]))
        report.rows(raw, full[:1], column, "a date in a history of plain numbers (its window is of numbers)")
        return np.zeros(raw.rows), np.zeros(raw.rows, bool), np.ones(raw.rows, bool)
    values, missing = floats(raw, column, report, "a time (the window is of numbers)")
    unread = np.isnan(values)
    wrong = unread & ~missing
    if clock.name == "step":
        parts = ~unread & (values != np.floor(values))
        report.rows(raw, np.flatnonzero(parts), column, "bad number: a period is a whole number")
        wrong |= parts
    values[unread] = 0.0
    return values, missing, wrong


def _year(value: float) -> int:
    if value != int(value) or not 1 <= value <= 9999:
        raise ValueError("a year must be a whole number from 1 to 9999")
    return datetime.date(int(value), 1, 1).toordinal() - EPOCH


def _from_temporal(
    raw: Raw, column: str, clock: Clock, report: Report
) -> tuple[NDArray[Any], NDArray[np.bool_], NDArray[np.bool_]]:
    array = raw.columns[column]
    if pa.types.is_timestamp(array.type) and array.type.tz:
        try:
            array = pc.local_timestamp(array)
        except pa.ArrowInvalid:
            report.add(raw.file, "bad date: an unknown time zone", column=column, value=array.type.tz)
            return np.zeros(raw.rows, np.int64), np.zeros(raw.rows, bool), np.ones(raw.rows, bool)
    missing = frames.nulls(array)
    per_day = 1
    if pa.types.is_timestamp(array.type):
        per_day = 86_400 * {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}[array.type.unit]
    elif pa.types.is_date64(array.type):
        per_day = 86_400_000
    ticks = frames.to_numpy(array.cast(pa.int32() if pa.types.is_date32(array.type) else pa.int64())).astype(
        np.int64
    )
    days = ticks // per_day
    wrong = ~missing & ((days < EARLIEST) | (days > LATEST))
    report.rows(raw, np.flatnonzero(wrong), column, "bad date: outside the years 1 to 9999", kind="bad date")
    if clock.name == "day":
        partial = ~missing & ~wrong & (ticks % per_day != 0)
        message = "bad date: a date has no time of day here; for finer times give plain numbers throughout"
        report.rows(raw, np.flatnonzero(partial), column, message, kind="bad date")
        wrong |= partial
    return floored(np.where(wrong, 0, days), clock.name), missing, wrong


def texts(raw: Raw, column: str, report: Report) -> Any:
    """Read a column of free text as an Arrow string array; empty text is missing."""
    codes, values = encode(raw.columns[column])
    written = _distinct_texts(values)
    if written is None:
        written = frames.strings(str(value) for value in listed(values))
    empty = frames.to_numpy(pc.binary_length(written)) == 0  # a missing one counts as 0
    nul = frames.to_numpy(pc.match_substring(written, "\0"))
    if nul.any():
        report.rows(raw, np.flatnonzero((codes >= 0) & nul[codes]), column, "a NUL character in a text")
    missing = codes < 0
    if len(empty):
        missing |= empty[codes]
    return (
        written.take(frames.numeric(np.where(missing, 0, codes).astype(np.int32), missing))
        if len(written)
        else pa.nulls(raw.rows, pa.string())
    )


# --- How values are written in cells: what is missing, what is a number, and what was meant for one

MISSING = frozenset({"", "na", "nan", ".", "n/a", "null"})  # in whatever case

MINUS = "\u2212\u2013\u2014"  # the minus sign and two dashes that stand for it

_DIGITS = re.compile(r"[+-]?[0-9]+")


def is_missing(text: str) -> bool:
    """Return whether a cell says that nothing is known: empty, NA, NaN, a point, N/A or null."""
    return text.strip().casefold() in MISSING


def counts_as_number(text: str) -> bool:
    """Return whether a cell of a covariate is meant as a number (020 is a code, not twenty)."""
    text = text.strip()
    return is_number(text) and not leads_with_zero(text)


def leads_with_zero(text: str) -> bool:
    """Return whether digits begin with a zero that no number needs."""
    digits = text.strip().lstrip("+-")
    return len(digits) > 1 and digits[0] == "0" and digits[1].isdigit()


def slip(text: str) -> str | None:
    """Return how a number that is badly written should have been, or None for what is no such thing."""
    text = text.strip()
    if text == "-" or text in MINUS:
        return "leave the cell empty where a value is missing"
    plain = text
    for sign in MINUS:
        plain = plain.replace(sign, "-")
    if plain != text and is_number(plain):
        return f"write the minus as in {plain}"
    for space in (" ", "\u00a0", "\u202f", "\u2009", "'", "\u2019", "_"):
        plain = plain.replace(space, "")
    if is_number(plain):
        return f"write it as {plain}"
    if is_number(plain.replace(",", ".")) or is_number(plain.replace(",", "")):
        return "write a point before the decimals, and nothing between thousands"
    if plain.endswith("%") and is_number(plain[:-1].replace(",", ".")):
        return "write the number without the sign"
    return None


def are_numbers(cells: dict[str, int]) -> bool:
    """Return whether the cells of a column are numbers, whatever one of them holds.

    They are where at least half of those that are not missing are numbers, well or badly written; dashes say
    nothing either way. Digits of one length of which some begin with a zero are codes.

    Parameters:
        cells: how often each text stands in the column; missing ones are passed over.
    """
    told = {text: count for text, count in cells.items() if not is_missing(text)}
    codes = [text.strip() for text in told]
    digits = all(_DIGITS.fullmatch(code) for code in codes)
    if digits and any(map(leads_with_zero, codes)) and len({len(code) for code in codes}) == 1:
        return False
    dashes = sum(count for text, count in told.items() if text.strip() in {"-", *MINUS})
    numbers = sum(
        count
        for text, count in told.items()
        if counts_as_number(text) or (slip(text) is not None and text.strip() not in {"-", *MINUS})
    )
    return numbers > 0 and 2 * numbers >= sum(told.values()) - dashes
