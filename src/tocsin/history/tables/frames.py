"""Tables from the outside (pandas, Polars, Arrow, columns in a dict) as named Arrow columns."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tocsin.files.reading import TABLE, read_bytes

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tocsin.history.tables.schema import Report


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
        empty: rows without any value (from 0, as they stood), which are left out.
    """

    file: str
    columns: dict[str, Any] = field(default_factory=dict)
    rows: int = 0
    lines: NDArray[np.int64] | None = None
    sound: bool = True
    garbled: bool = False
    empty: tuple[int, ...] = ()

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
    if isinstance(frame, Raw):
        return frame
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
    return without_empty(Raw(table, columns, next(iter(lengths.values()), 0)))


def take_rows(raw: Raw, rows: NDArray[np.integer[Any]]) -> Raw:
    """Return some rows of a table, each with the place that it has in the whole."""
    take = numeric(np.asarray(rows, np.int64))
    lines = np.arange(1, raw.rows + 1) if raw.lines is None else raw.lines
    columns = {name: column.take(take) for name, column in raw.columns.items()}
    return replace(raw, columns=columns, rows=len(rows), lines=lines[rows], empty=())


def without_empty(raw: Raw) -> Raw:
    """Return a table without the rows that hold nothing but missing values or blanks."""
    if (
        len(raw.columns) < 2
        or not raw.rows
        or any(column.null_count == 0 and not _textual(column) for column in raw.columns.values())
    ):
        return raw
    empty = np.ones(raw.rows, bool)
    for column in raw.columns.values():
        blank = nulls(column)
        if _textual(column):
            values = column.cast(pa.string()) if pa.types.is_dictionary(column.type) else column
            blank = blank | (to_numpy(pc.binary_length(pc.utf8_trim_whitespace(values))) == 0)
        empty &= blank
        if not empty.any():
            return raw
    return replace(take_rows(raw, np.flatnonzero(~empty)), empty=tuple(np.flatnonzero(empty).tolist()))


def _textual(column: Any) -> bool:
    kind = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


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


# --- Arrow arrays from and to NumPy without `pyarrow.array` and `to_numpy`
#
# Those two import pandas, which takes longer than reading and checking a whole history; pandas is wanted only
# when
# a user asks for a table. Everything here works on the buffers of the Arrow format.

FLOATS = {"double": "float64", "float": "float32", "halffloat": "float16"}  # Arrow's names and NumPy's


def strings(values: Iterable[str | None]) -> Any:
    """Return texts as an Arrow string array."""
    cells = [None if value is None else value.encode() for value in values]
    sizes = np.fromiter((0 if cell is None else len(cell) for cell in cells), np.int64, len(cells))
    offsets = np.zeros(len(cells) + 1, np.int64)
    np.cumsum(sizes, out=offsets[1:])
    missing = np.fromiter((cell is None for cell in cells), bool, len(cells))
    data = pa.py_buffer(b"".join(cell for cell in cells if cell))
    buffers = [_validity(missing), pa.py_buffer(offsets), data]
    array = pa.Array.from_buffers(pa.large_string(), len(cells), buffers)
    return array.cast(pa.string()) if offsets[-1] < 2**31 else array


def numeric(values: NDArray[Any], missing: NDArray[np.bool_] | None = None) -> Any:
    """Return int32, int64 or float64 values as an Arrow array; NaN stays NaN."""
    values = np.ascontiguousarray(values)
    kind = {"int32": pa.int32(), "int64": pa.int64(), "float64": pa.float64()}[values.dtype.name]
    mask = None if missing is None else _validity(missing)
    return pa.Array.from_buffers(kind, len(values), [mask, pa.py_buffer(values)])


def truths(values: NDArray[np.bool_]) -> Any:
    """Return truth values as an Arrow array."""
    packed = pa.py_buffer(np.packbits(values, bitorder="little"))
    return pa.Array.from_buffers(pa.bool_(), len(values), [None, packed])


def _validity(missing: NDArray[np.bool_]) -> Any:
    if not missing.any():
        return None
    return pa.py_buffer(np.packbits(~missing, bitorder="little"))


def dictionary(codes: NDArray[np.int32], names: Any) -> Any:
    """Return codes (-1 for missing) into names as a dictionary-encoded Arrow array."""
    missing = codes < 0
    index = (
        numeric(np.where(missing, 0, codes).astype(np.int32), missing) if missing.any() else numeric(codes)
    )
    return pa.DictionaryArray.from_arrays(index, names)


def whole(column: Any) -> Any:
    """Return a column as one Arrow array."""
    if not isinstance(column, pa.ChunkedArray):
        return column
    if column.num_chunks == 1:
        return column.chunk(0)
    if column.num_chunks == 0:
        return (
            pa.nulls(0).cast(column.type)
            if not pa.types.is_dictionary(column.type)
            else pa.DictionaryArray.from_arrays(numeric(np.zeros(0, np.int32)), strings([]))
        )
    joined = column.unify_dictionaries() if pa.types.is_dictionary(column.type) else column
    return pa.concat_arrays(joined.chunks)


def to_numpy(column: Any, fill: float = 0) -> NDArray[Any]:
    """Return numbers or truth values as NumPy, missing ones as `fill` (a view where nothing is missing)."""
    array = whole(column)
    truth = pa.types.is_boolean(array.type)
    if truth:
        array = array.cast(pa.uint8())
    kind = np.dtype(FLOATS.get(str(array.type), str(array.type)))
    size = len(array)
    if size == 0:
        return np.zeros(0, bool if truth else kind)
    values = np.frombuffer(array.buffers()[1], kind, size, array.offset * kind.itemsize)
    if array.null_count:
        values = np.where(nulls(array), kind.type(fill), values)
    return values.astype(bool) if truth else values


def nulls(column: Any) -> NDArray[np.bool_]:
    """Return which values of a column are missing."""
    array = whole(column)
    if not pa.types.is_dictionary(array.type) and not pa.types.is_null(array.type) and array.null_count == 0:
        return np.zeros(len(array), bool)
    return to_numpy(pc.is_null(array))


def recoded(codes: NDArray[np.int32], place: NDArray[np.integer[Any]]) -> NDArray[np.int32]:
    """Return codes (-1 for missing) under new numbers; the codes themselves where the numbers are the old."""
    if np.array_equal(place, np.arange(len(place))):
        return codes
    return np.append(place, -1).astype(np.int32)[codes]


def positions(values: Any, among: Any) -> NDArray[np.int32]:
    """Return where each text stands in `among`, -1 where it does not."""
    return to_numpy(pc.index_in(values, value_set=among), fill=-1).astype(np.int32)


# --- CSV files read as text, cell by cell, with the line on which each row begins

MOST_BAD_LINES = 20

_NEWLINE = re.compile(rb"\r\n|\r|\n")

# A quotation mark within a cell, doubled or alone.
_ODD_QUOTE = re.compile(rb'[^,\n]"[^,\n]')

# Files larger than this are first tried with Arrow's reader, which is fast but knows no line numbers.
LARGE = 2**20


def read_csv(path: Path, report: Report) -> Raw:
    """Read a CSV file; all that is wrong with its form is reported, and what can be read is handed on."""
    file = path.name
    try:
        content = read_bytes(path, TABLE, path.parent)
    except OSError as error:
        report.add(file, f"the file cannot be read: {error.strerror or error}")
        return Raw(file, sound=False)
    if not content.strip():
        report.add(file, "the file is empty: it needs a header line", line=1)
        return Raw(file, sound=False)
    if len(content) > LARGE:
        quick = _quickly(file, content)
        if quick is not None:
            return quick
    decoded = decode(file, content, report)
    if decoded is None:
        return Raw(file, sound=False)
    text, garbled = decoded
    return _rows(file, text, garbled, report)


def decode(file: str, content: bytes, report: Report) -> tuple[str, bool] | None:
    """Decode UTF-8; bytes that are not are reported by line and replaced. None for what is no text at all."""
    for mark, name in ((b"\xff\xfe", "UTF-16"), (b"\xfe\xff", "UTF-16")):
        if content.startswith(mark):
            report.add(file, f"wrong encoding: this looks like {name}; save it as UTF-8", line=1)
            return None
    try:
        text, garbled = content.decode("utf-8-sig"), False
    except UnicodeDecodeError:
        text, garbled = content.decode("utf-8-sig", "replace"), True
        bad = 0
        for number, line in enumerate(_NEWLINE.split(content), 1):
            try:
                line.decode()
            except UnicodeDecodeError as error:
                bad += 1
                if bad <= MOST_BAD_LINES:
                    # Read as Latin-1, which has a letter for every byte, the value shows what was meant.
                    value = line[max(0, error.start - 20) : error.end + 20].decode("latin-1")
                    report.add(file, "wrong encoding: not UTF-8", line=number, value=value)
        if bad > MOST_BAD_LINES:
            report.add(file, f"wrong encoding: {bad - MOST_BAD_LINES} more lines are not UTF-8")
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        report.add(file, "a NUL byte: this is no text file", line=line)
        return None
    return text, garbled


def _quickly(file: str, content: bytes) -> Raw | None:
    """Read a large clean file with Arrow; None where only the careful reader can tell what is wrong."""
    content = content.replace(b"\r\n", b"\n")
    quoted = b'"' in content
    if (
        b"\0" in content
        or b"\r" in content
        or b"\n\n" in content
        or (quoted and not _plainly_quoted(content))
    ):
        return None
    import pyarrow.csv

    try:
        header = next(csv.reader([content[: content.index(b"\n")].decode("utf-8-sig")]))
        if len(set(header)) < len(header):
            return None
        table = pyarrow.csv.read_csv(
            pa.BufferReader(content),
            parse_options=pyarrow.csv.ParseOptions(quote_char='"' if quoted else False),
            convert_options=pyarrow.csv.ConvertOptions(
                column_types={name: pa.string() for name in header},
                strings_can_be_null=True,
                quoted_strings_can_be_null=True,
                null_values=[""],
            ),
        )
    except (pa.ArrowException, UnicodeError, ValueError):
        return None
    columns = dict(zip(table.column_names, table.columns, strict=True))
    raw = Raw(file, columns, table.num_rows, np.arange(2, table.num_rows + 2, dtype=np.int64))
    return without_empty(raw)


def _plainly_quoted(content: bytes) -> bool:
    """Whether quotation marks stand only at the ends of cells, and no cell runs over a line."""
    if _ODD_QUOTE.search(content) is not None:
        return False
    signs = np.frombuffer(content, np.uint8)
    inside = np.cumsum(signs == ord('"'), dtype=np.int64) % 2
    return not bool(inside[signs == ord("\n")].any())


def _rows(file: str, text: str, garbled: bool, report: Report) -> Raw:
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    begun = 0  # lines before the row being read
    header: list[str] | None = None
    rows: list[list[str]] = []
    lines: list[int] = []
    empty: list[int] = []
    sound = True
    while True:
        begun = reader.line_num
        try:
            row = next(reader)
        except StopIteration:
            break
        except csv.Error as error:
            what = "a quotation mark is never closed" if "unexpected end" in str(error) else str(error)
            report.add(file, f"this row cannot be read: {what}", line=begun + 1)
            sound = False
            if "unexpected end" in str(error):
                break
            continue
        if not row:
            continue
        if header is None:
            header = row
            if not _header(file, header, begun + 1, report):
                return Raw(file, sound=False, garbled=garbled)
        elif len(row) > 1 and not row[0].strip() and not any(cell.strip() for cell in row):
            empty.append(len(rows) + len(empty))  # commas only, as spreadsheets leave behind
        elif len(row) != len(header):
            what = "few" if len(row) < len(header) else "many"
            report.add(
                file,
                f"too {what} cells: {len(row)} where the header has {len(header)}",
                line=begun + 1,
                value=",".join(row),
                kind=f"too {what} cells",
            )
            sound = False
        else:
            rows.append(row)
            lines.append(begun + 1)
    if header is None:
        if sound:
            report.add(file, "the file is empty: it needs a header line", line=1)
        return Raw(file, sound=False, garbled=garbled)
    columns = {
        name: strings(cell or None for cell in cells)
        for name, cells in zip(header, zip(*rows, strict=True) if rows else [()] * len(header), strict=True)
    }
    return Raw(file, columns, len(rows), np.array(lines, np.int64), sound, garbled, tuple(empty))


def _header(file: str, header: list[str], line: int, report: Report) -> bool:
    twice = sorted({name for name in header if header.count(name) > 1})
    for name in twice:
        report.add(file, "two columns have this name", line=line, column=name, value=name)
    if len(header) == 1:
        for sign, word in ((";", "semicolons"), ("\t", "tabs"), ("|", "bars")):
            if sign in header[0]:
                report.add(
                    file,
                    f"the columns are separated by {word}; separate them by commas",
                    line=line,
                    value=header[0],
                )
                return False
    return not twice
