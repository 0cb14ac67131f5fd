"""What a reader declares of its data set, and the cells of a file while they are read: nothing is lost uncounted."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from tocsin.errors import HistoryError, Problem
from tocsin.history.tables.cells import is_missing, slip

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

MOST = 40  # bad cells of a file that are listed

_DAY = re.compile(r"(\d{4})-(\d{1,2})-(\d{1,2})(?:[T ][0-9:.]+)?|(\d{2})[:.](\d{2})[:.](\d{4})", re.ASCII)
_WORDED = re.compile(r"(\d{1,2})[ -]([A-Za-z]{3})[a-z]*[ -](\d{4})")
_MONTHS = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]


@dataclass(frozen=True)
class Source:
    """A data set of the field.

    Attributes:
        name, title: what it is called here, and in full.
        kind: units (presence), events, ties, panel (unit-years), spells or adoptions: what `frame` holds.
        layouts: the columns that each version or layout needs, by its name; capitals, points and blanks of a name do
            not count.
        optional: further columns that are read where a file has them.
        units: the list that its units are codes of (see `tc.units`), or "".
        missing: codes for what is not known, by column, with their meaning; "*" is every column.
        precision: of its times. coverage: places and years. citation, licence: of the data.
        page: where these columns and codes were read.
        tidy: makes the frame of the cells, for a layout.
        example: a line that turns a reading `data` into a part of a history.
    """

    name: str
    title: str
    kind: str
    layouts: Mapping[str, Sequence[str]]
    units: str
    precision: str
    coverage: str
    citation: str
    licence: str
    page: str
    tidy: Callable[[Cells, str], pd.DataFrame]
    optional: Sequence[str] = ()
    missing: Mapping[str, Mapping[float, str]] = field(default_factory=dict)


def simplified(name: str) -> str:
    """Return a column's name without case, points, blanks and quotes."""
    return re.sub(r"[^a-z0-9]+", "_", name.strip().strip('"').lower()).strip("_")


class Cells:
    """The cells of a file, read column by column; rows that are left out are counted under their first reason.

    Attributes:
        left: the reasons and how many rows each left out.
        codes: column, code, meaning and count of cells that said that something is not known.
    """

    def __init__(
        self, frame: pd.DataFrame, file: str, missing: Mapping[str, Mapping[float, str]], decimal: str
    ) -> None:
        self.frame = frame
        self.file = file
        self.rows = len(frame)
        self.keep = np.ones(len(frame), bool)
        self.left: dict[str, int] = {}
        self.codes: list[tuple[str, float, str, int]] = []
        self._missing = missing
        self._decimal = decimal
        self._problems: list[Problem] = []

    def has(self, column: str) -> bool:
        """Whether the file has a column."""
        return column in self.frame.columns

    def leave(self, rows: Any, reason: str) -> None:
        """Leave out rows (a mask), those that are still there."""
        now = np.asarray(rows, bool) & self.keep
        if now.any():
            self.left[reason] = self.left.get(reason, 0) + int(now.sum())
            self.keep &= ~now

    def text(self, column: str, required: str = "") -> NDArray[Any]:
        """Return a column of texts, "" where missing; rows without are left out for the reason `required`."""
        values = self.frame[column]
        if values.dtype.kind in "iuf":
            numbers = values.to_numpy(float)
            whole = np.isfinite(numbers) & (numbers == np.floor(numbers))
            told = [
                str(int(x)) if w else "" if x != x else repr(x) for x, w in zip(numbers, whole, strict=True)
            ]
        else:
            told = ["" if v is None or v != v or is_missing(str(v)) else str(v).strip() for v in values]
        found = np.array(told, object)
        if required:
            self.leave(found == "", required)
        return found

    def number(self, column: str, required: str = "", whole: bool = False) -> NDArray[np.float64]:
        """Return a column of numbers, NaN where missing; codes for what is not known are counted.

        A cell that is neither a number nor missing is a fault of the file, with its row.
        """
        import pandas as pd

        values = self.frame[column]
        if values.dtype.kind in "iufb":
            found = values.to_numpy(float).copy()
        else:
            cells = self.text(column)
            plain = pd.Series(cells)
            if self._decimal != ".":
                plain = plain.str.replace(self._decimal, ".", regex=False)
            found = pd.to_numeric(plain, errors="coerce").to_numpy(float).copy()
            self._bad(column, cells, ~np.isfinite(found) & (cells != ""), "a number is wanted")
        for code, meaning in {**self._missing.get("*", {}), **self._missing.get(column, {})}.items():
            hit = found == code
            if hit.any():
                self.codes.append((column, code, meaning, int(hit.sum())))
                found[hit] = np.nan
        if whole:
            self._bad(
                column, found, np.isfinite(found) & (found != np.floor(found)), "a whole number is wanted"
            )
        if required:
            self.leave(np.isnan(found), required)
        return found

    def day(self, column: str, required: str = "") -> NDArray[np.datetime64]:
        """Return a column of days (NaT where missing): ISO, 31:12:1999, 31 December 1999, or dates of the format."""
        values = self.frame[column]
        if values.dtype.kind == "M":
            found = values.to_numpy("datetime64[D]")
        else:
            cells = self.text(column)
            known: dict[str, Any] = {"": np.datetime64("NaT")}
            for cell in set(cells.tolist()) - {""}:
                known[cell] = _day(cell)
            found = np.array([known[c] if known[c] is not None else "NaT" for c in cells], "datetime64[D]")
            wrong = np.array([known[c] is None for c in cells], bool)
            self._bad(column, cells, wrong, "a day such as 1999-12-31 is wanted (1/2/1999 may be two days)")
        if required:
            self.leave(np.isnat(found), required)
        return found

    def check(self, column: str, values: Any, wrong: Any, why: str) -> None:
        """Note values (under a mask) that the codebook does not know."""
        self._bad(column, np.asarray(values, object), np.asarray(wrong, bool), why)

    def result(self, columns: Mapping[str, Any]) -> pd.DataFrame:
        """Return the rows that are kept, as a frame.

        Raises:
            HistoryError: cells were wrong.
        """
        import pandas as pd

        if self._problems:
            raise HistoryError(self._problems, self.file)
        found = pd.DataFrame(dict(columns))
        for name in found.columns:
            if found[name].dtype.kind == "M":
                found[name] = found[name].dt.as_unit("s")
        return found[self.keep].reset_index(drop=True)

    def _bad(self, column: str, values: Any, wrong: NDArray[np.bool_], why: str) -> None:
        rows = np.flatnonzero(wrong & self.keep)
        for row in rows[:MOST]:
            value = str(values[row])
            cure = slip(value)
            message = f"row {row + 1}: {why}" + (f"; {cure}" if cure else "")
            self._problems.append(Problem(self.file, None, column, value, message))
        if len(rows) > MOST:
            self._problems.append(
                Problem(self.file, None, column, None, f"and {len(rows) - MOST:,} more: {why}")
            )


def _day(cell: str) -> Any:
    """A cell as a day, or None."""
    if found := _DAY.fullmatch(cell):
        year, month, day, day_first, month_second, year_last = found.groups()
        parts = (year, month, day) if year else (year_last, month_second, day_first)
    elif (found := _WORDED.fullmatch(cell)) and found.group(2).lower() in _MONTHS:
        parts = (found.group(3), str(_MONTHS.index(found.group(2).lower()) + 1), found.group(1))
    else:
        return None
    try:
        return np.datetime64(f"{int(parts[0]):04d}-{int(parts[1]):02d}-{int(parts[2]):02d}")
    except ValueError:
        return None


# --- Times of which less than the day is known


def year_days(years: NDArray[np.float64]) -> tuple[NDArray[np.datetime64], NDArray[np.datetime64]]:
    """Return the first and last day of years; NaT where missing."""
    first = _at(years, np.ones(len(years)))
    return first, first.astype("datetime64[Y]").astype("datetime64[D]") + _length(first, "Y")


def month_days(
    years: NDArray[np.float64], months: NDArray[np.float64]
) -> tuple[NDArray[np.datetime64], NDArray[np.datetime64]]:
    """Return the first and last day of months; NaT where missing."""
    first = _at(years, months)
    return first, first + _length(first, "M")


def _at(years: NDArray[np.float64], months: NDArray[np.float64]) -> NDArray[np.datetime64]:
    gone = np.isnan(years) | np.isnan(months)
    count = np.where(gone, 0, (np.nan_to_num(years) - 1970) * 12 + np.nan_to_num(months) - 1).astype(np.int64)
    found = count.astype("datetime64[M]").astype("datetime64[D]")
    found[gone] = np.datetime64("NaT")
    return found


def _length(first: NDArray[np.datetime64], unit: str) -> NDArray[np.timedelta64]:
    start = first.astype(f"datetime64[{unit}]")
    return (start + 1).astype("datetime64[D]") - start.astype("datetime64[D]") - np.timedelta64(1, "D")


def others(cells: Cells, columns: Iterable[str]) -> dict[str, Any]:
    """Return the further columns that a file has: numbers where all cells are, else texts."""
    import pandas as pd

    found: dict[str, Any] = {}
    for column in columns:
        if cells.has(column):
            texts = cells.text(column)
            numbers = pd.to_numeric(pd.Series(texts).replace("", np.nan), errors="coerce")
            clean = bool((numbers.notna() | (texts == "")).all())
            found[column] = cells.number(column) if clean else texts
    return found
