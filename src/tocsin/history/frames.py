"""Tables from the outside (pandas, Polars, Arrow, columns in a dict) as named Arrow columns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tocsin.history.problems import Report


@dataclass(frozen=True)
class Raw:
    """A table as it came: columns that nobody has checked, and where each row stands in its file.

    Attributes:
        file: what problems call it (``events.csv``, or ``events`` for a frame).
        columns: Arrow columns by name.
        rows: number of rows.
        lines: line of the file on which each row begins; None counts rows from 1.
        sound: False where rows could not be read, so that nothing may be concluded from what is absent.
        garbled: True where bytes that are not UTF-8 were replaced by U+FFFD.
    """

    file: str
    columns: dict[str, Any] = field(default_factory=dict)
    rows: int = 0
    lines: NDArray[np.int64] | None = None
    sound: bool = True
    garbled: bool = False

    def line(self, row: int) -> int:
        """The line of a 0-based row."""
        return row + 1 if self.lines is None else int(self.lines[row])

    def value(self, column: str, row: int) -> str | None:
        """A cell as text, or None where it is missing."""
        if column not in self.columns:
            return None
        return plain(python_value(self.columns[column][row]))


def python_value(cell: Any) -> object:
    """An Arrow scalar as a Python object; a moment that Python has no date for as its number."""
    try:
        return cell.as_py()
    except (ValueError, OverflowError):
        return str(getattr(cell, "value", cell.type))


def plain(value: object) -> str | None:
    """A Python value as an identifier: whole numbers without a decimal point, missing values as None."""
    if value is None:
        return None
    if isinstance(value, float):
        if value != value:
            return None
        return str(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(value)
    return str(value)


def from_frame(frame: object, table: str, report: Report) -> Raw:
    """Read any Arrow-speaking frame, or a dict of columns, into a `Raw` table."""
    if frame is None:
        return Raw(table)
    try:
        columns = _columns(frame, table, report)
    except RecursionError:
        raise
    except Exception as error:  # a foreign frame may raise anything while it hands over its columns
        report.add(table, f"this frame cannot be read: {type(error).__name__}: {str(error)[:200]}")
        return Raw(table, sound=False)
    if columns is None:
        return Raw(table, sound=False)
    lengths = {name: len(column) for name, column in columns.items()}
    if len(set(lengths.values())) > 1:
        report.add(table, f"columns differ in length: {lengths}")
        return Raw(table, sound=False)
    return Raw(table, columns, next(iter(lengths.values()), 0))


def _columns(frame: Any, table: str, report: Report) -> dict[str, Any] | None:
    if isinstance(frame, Mapping):
        columns = _repeated(frame)
        return {str(name): _array(values, str(name), table, report) for name, values in columns.items()}
    if type(frame).__module__.partition(".")[0] == "pandas" and hasattr(frame, "columns"):
        names = [str(name) for name in frame.columns]
        arrays = [_array(frame.iloc[:, k], name, table, report) for k, name in enumerate(names)]
        return _named(names, arrays, table, report)
    if hasattr(frame, "__arrow_c_stream__"):
        arrow = pa.table(frame)
    elif hasattr(frame, "__arrow_c_array__"):
        arrow = pa.Table.from_batches([pa.record_batch(frame)])
    else:
        hint = "; collect() it first" if hasattr(frame, "collect") else ""
        report.add(
            table,
            f"a {type(frame).__name__} is no table: give a frame of pandas, Polars or Arrow, "
            f"or a dict of columns{hint}",
        )
        return None
    return _named(list(arrow.column_names), list(arrow.columns), table, report)


def _named(names: list[str], arrays: list[Any], table: str, report: Report) -> dict[str, Any] | None:
    twice = sorted({name for name in names if names.count(name) > 1})
    for name in twice:
        report.add(table, "two columns have this name", column=name)
    return None if twice else dict(zip(names, arrays, strict=True))


def _repeated(frame: Mapping[Any, Any]) -> dict[Any, Any]:
    """Repeat a single text, number or date for all rows, as pandas does, where other columns say how many."""
    lengths = {len(column) for column in frame.values() if not _single(column) and hasattr(column, "__len__")}
    rows = lengths.pop() if len(lengths) == 1 else None
    return {
        name: [column] * rows if rows is not None and _single(column) else column
        for name, column in frame.items()
    }


def _single(value: object) -> bool:
    return isinstance(value, str | int | float | date | np.generic)


def _array(values: Any, column: str, table: str, report: Report) -> Any:
    if isinstance(values, str) or not hasattr(values, "__len__"):
        report.add(table, "a column must be a sequence of values", column=column, value=values)
        return pa.nulls(0)
    if isinstance(values, pa.Array | pa.ChunkedArray):
        return values
    if hasattr(values, "__arrow_c_stream__") and type(values).__module__.partition(".")[0] != "pandas":
        return pa.chunked_array(values)
    try:
        return pa.array(values, from_pandas=True)
    except (pa.ArrowException, OverflowError, UnicodeError, TypeError, ValueError):
        # Values of several kinds in one column (dates beside numbers, 1 beside "a"): as text, so that the
        # checks that follow can name the rows.
        return pa.array(
            [_text(value, row, column, table, report) for row, value in enumerate(values)], pa.string()
        )


def _text(value: object, row: int, column: str, table: str, report: Report) -> str | None:
    if value is None or value != value:  # NaN and NaT differ from themselves
        return None
    text = plain(value.item() if isinstance(value, np.generic) else value)
    if text is None or text == "<NA>":
        return None
    try:
        text.encode()
    except UnicodeEncodeError:
        text = text.encode("utf-8", "replace").decode()
        report.add(
            table, "text that is not Unicode (a lone surrogate)", line=row + 1, column=column, value=text
        )
    return text
