"""The cells of a file, read column by column; rows that are left out are counted under their first reason."""

from __future__ import annotations

import re
from collections.abc import Mapping
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

NEVER = np.datetime64("NaT", "D")
ONE = np.timedelta64(1, "D")


class FileCells:
    """The cells of a file while they are read.

    Attributes:
        keep: which rows are still there. left: the reasons for the others, and how many each left out.
        codes: column, code, meaning and count of cells that said that something is not known.
        empty: columns of the data set that have nothing in any row.
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
        self.empty: list[str] = []
        self._missing = missing
        self._decimal = decimal
        self._problems: list[Problem] = []
        self._codes: dict[str, tuple[NDArray[np.integer[Any]], list[str]]] = {}

    def leave(self, rows: Any, reason: str) -> None:
        """Leave out rows (a mask), those that are still there."""
        now = np.asarray(rows, bool) & self.keep
        if now.any():
            self.left[reason] = self.left.get(reason, 0) + int(now.sum())
            self.keep &= ~now

    def read(self, column: str, kind: str) -> Any:
        """Return a column as texts, numbers (number, whole), days (day, year_first, ...) or meanings of codes.

        A month is written 199105, or as its first day (day_last: the last day of that month is meant).
        """
        if kind == "text":
            return self.text(column)
        if kind == "meaning":
            return self._meanings(column)
        if kind in ("number", "whole"):
            return self.number(column, kind == "whole")
        if kind.startswith("day"):
            days = self.day(column)
            return _last(days, "M") if kind == "day_last" else days
        values = self.number(column, True)
        if kind.startswith("year"):
            first = _first(values, np.ones(len(values)))
            return first if kind == "year_first" else _last(first, "Y")
        wrong = (values % 100 < 1) | (values % 100 > 12)
        self.check(column, values, wrong, "a month such as 199105 is wanted")
        first = _first(values // 100, np.clip(values % 100, 1, 12))
        return first if kind == "month_first" else _last(first, "M")

    def text(self, column: str) -> NDArray[Any]:
        """Return a column of texts, "" where missing."""
        codes, told = self._coded(column)
        return np.asarray(np.array([*told, ""], object)[codes])

    def plain(self, column: str) -> NDArray[Any]:
        """Return a column as numbers where all its cells are, else as texts."""
        import pandas as pd

        codes, told = self._coded(column)
        texts = pd.Series([*told, ""], dtype=object)
        numbers = np.array(pd.to_numeric(texts.where(texts != ""), errors="coerce"), float)
        known = ~np.isnan(numbers)
        clean = bool((known | (texts == "").to_numpy()).all() and known.any())
        return np.asarray((numbers if clean else texts.to_numpy(object))[codes])

    def blank(self) -> NDArray[np.bool_]:
        """Return which rows have nothing in any column."""
        found = np.ones(self.rows, bool)
        for column in self.frame.columns:
            found &= self._void(column)
        return found

    def bare(self, column: str) -> bool:
        """Return whether a column has nothing in any row that is kept."""
        return bool((self._void(column) | ~self.keep).all())

    def _void(self, column: str) -> NDArray[np.bool_]:
        codes, told = self._coded(column)
        return np.asarray(np.array([not cell for cell in told] + [True])[codes])

    def number(self, column: str, whole: bool = False) -> NDArray[np.float64]:
        """Return a column of numbers, NaN where missing; codes for what is not known are counted.

        A cell that is neither a number nor missing is a fault of the file, with its row.
        """
        found = self._parsed(column)
        for code, meaning in self._known(column).items():
            hit = found == code
            if hit.any():
                self.codes.append((column, code, meaning, int(hit.sum())))
                found[hit] = np.nan
        if whole:
            parts = np.isfinite(found) & (found != np.floor(found))
            self.check(column, found, parts, "a whole number is wanted")
        return found

    def day(self, column: str) -> NDArray[np.datetime64]:
        """Return a column of days (NaT where missing): ISO, 31:12:1999, 31 December 1999, or dates of the format."""
        values = self.frame[column]
        if values.dtype.kind == "M":
            return values.to_numpy("datetime64[D]")
        codes, told = self._coded(column)
        known = [_day(cell) if cell else NEVER for cell in told]
        wrong = np.array([day is None for day in known] + [False])[codes]
        why = "a day such as 1999-12-31 is wanted (1/2/1999 may be two days)"
        self.check(column, self.text(column) if wrong.any() else codes, wrong, why)
        days = np.array([NEVER if day is None else day for day in known] + [NEVER], "datetime64[D]")
        return np.asarray(days[codes])

    def check(self, column: str, values: Any, wrong: Any, why: str) -> None:
        """Note values (under a mask) that are wrong, each with its row."""
        rows = np.flatnonzero(np.asarray(wrong, bool) & self.keep)
        for row in rows[:MOST]:
            cure = slip(str(values[row]))
            message = f"row {row + 1}: {why}" + (f"; {cure}" if cure else "")
            self._problems.append(Problem(self.file, None, column, str(values[row]), message))
        if len(rows) > MOST:
            self._problems.append(
                Problem(self.file, None, column, None, f"and {len(rows) - MOST:,} more: {why}")
            )

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

    def _known(self, column: str) -> dict[float, str]:
        return {**self._missing.get("*", {}), **self._missing.get(column, {})}

    def _parsed(self, column: str) -> NDArray[np.float64]:
        import pandas as pd

        values = self.frame[column]
        if values.dtype.kind in "iufb":
            return values.to_numpy(float).copy()
        codes, told = self._coded(column)
        plain = pd.Series([*told, ""], dtype=object)
        if self._decimal != ".":
            plain = plain.str.replace(self._decimal, ".", regex=False)
        parsed = np.array(pd.to_numeric(plain, errors="coerce"), float)
        wrong = (~np.isfinite(parsed) & (plain != "").to_numpy())[codes]
        self.check(column, self.text(column) if wrong.any() else codes, wrong, "a number is wanted")
        return np.asarray(parsed[codes])

    def _coded(self, column: str) -> tuple[NDArray[np.integer[Any]], list[str]]:
        """A column as codes into its distinct cells as texts; "" and -1 for what is missing."""
        import pandas as pd

        if column not in self._codes:
            codes, values = pd.factorize(self.frame[column])
            self._codes[column] = codes, [_told(value) for value in values]
        return self._codes[column]

    def _meanings(self, column: str) -> NDArray[Any]:
        found, values = np.full(self.rows, "", object), self._parsed(column)
        for code, meaning in self._known(column).items():
            found[values == code] = meaning
        return found


def _told(value: Any) -> str:
    """A cell as text: whole numbers without a decimal point, "" where it is missing."""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    text = str(value).strip()
    return "" if is_missing(text) else text


def _day(cell: str) -> Any:
    """A cell as a day, or None."""
    if found := _DAY.fullmatch(cell):
        year, month, day, day_first, month_second, year_last = found.groups()
        parts = (year, month, day) if year else (year_last, month_second, day_first)
    elif (found := _WORDED.fullmatch(cell)) and found.group(2).lower() in _MONTHS:
        parts = (found.group(3), str(_MONTHS.index(found.group(2).lower()) + 1), found.group(1))
    else:
        return None
    return day_of(*map(float, parts))


def day_of(year: float, month: float, day: float) -> Any:
    """A day of three numbers, NaT where one is missing, None where there is no such day."""
    if year != year or month != month or day != day:
        return NEVER
    try:
        return np.datetime64(f"{int(year):04d}-{int(month):02d}-{int(day):02d}")
    except ValueError:
        return None


def _first(years: NDArray[np.float64], months: NDArray[np.float64]) -> NDArray[np.datetime64]:
    """The first day of months; NaT where missing."""
    gone = np.isnan(years) | np.isnan(months)
    count = np.where(gone, 0, (np.nan_to_num(years) - 1970) * 12 + np.nan_to_num(months) - 1).astype(np.int64)
    found = count.astype("datetime64[M]").astype("datetime64[D]")
    found[gone] = NEVER
    return found


def _last(first: NDArray[np.datetime64], unit: str) -> NDArray[np.datetime64]:
    """The last day of the months or years in which days lie."""
    following: Any = first.astype(f"datetime64[{unit}]") + 1
    return np.asarray(following.astype("datetime64[D]") - ONE)
