"""CSV files read as text, cell by cell, with the line on which each row begins."""

from __future__ import annotations

import csv
import io
import re
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from tocsin.history.arrow import strings
from tocsin.history.frames import Raw
from tocsin.reading import TABLE, read_bytes

if TYPE_CHECKING:
    from tocsin.history.problems import Report

MOST_BAD_LINES = 20
_NEWLINE = re.compile(rb"\r\n|\r|\n")
# Files larger than this are first tried with Arrow's reader, which is fast but knows no line numbers.
LARGE = 16 * 2**20


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
    if b'"' in content or b"\0" in content or b"\r" in content or b"\n\n" in content:
        return None
    import pyarrow.csv

    try:
        header = content[: content.index(b"\n")].decode("utf-8-sig").split(",")
        if len(set(header)) < len(header):
            return None
        table = pyarrow.csv.read_csv(
            pa.BufferReader(content),
            parse_options=pyarrow.csv.ParseOptions(quote_char=False),
            convert_options=pyarrow.csv.ConvertOptions(
                column_types={name: pa.string() for name in header},
                strings_can_be_null=True,
                null_values=[""],
            ),
        )
    except (pa.ArrowException, UnicodeError, ValueError):
        return None
    columns = dict(zip(table.column_names, table.columns, strict=True))
    return Raw(file, columns, table.num_rows, np.arange(2, table.num_rows + 2, dtype=np.int64))


def _rows(file: str, text: str, garbled: bool, report: Report) -> Raw:
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    begun = 0  # lines before the row being read
    header: list[str] | None = None
    rows: list[list[str]] = []
    lines: list[int] = []
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
    return Raw(file, columns, len(rows), np.array(lines, np.int64), sound, garbled)


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
