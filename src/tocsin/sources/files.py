"""Files of tables as named columns of cells: CSV and its relatives, Parquet, Stata, SPSS, Excel, R."""

from __future__ import annotations

import contextlib
import csv
import io
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tocsin.errors import TocsinError
from tocsin.files.reading import TABLE, ask, read_bytes

if TYPE_CHECKING:
    import pandas as pd

TEXT = (".csv", ".tsv", ".txt", ".tab", ".dat")
SEPARATORS = {",": "comma", ";": "semicolon", "\t": "tab", "|": "bar"}
ENCODINGS = ("latin-1", "cp1252", "cp1250", "cp1251", "mac-roman")  # tried only to show how a line would read
SAMPLE = 200  # rows that tell the separator

Choice = Callable[[list[str]], bool]  # whether a header is one of a data set that is known


def load(
    path: Path,
    wanted: Callable[[list[str]], list[str]],
    known: Choice,
    encoding: str | None,
    separator: str | None,
) -> pd.DataFrame:
    """Return the wanted columns of a file: texts as they are written in a text file, values as they are elsewhere.

    Parameters:
        wanted: tells from all columns which to read.
        known: tells whether a header belongs to a known data set, where separators leave a doubt.

    Raises:
        TocsinError: the file cannot be read, or its encoding or separator must be said.
    """
    try:
        ask(path, TABLE)
        kind = path.suffix.lower()
        if kind in TEXT:
            return _text(path, wanted, known, encoding, separator)
        if kind not in _READERS:
            told = ", ".join([*TEXT, *_READERS])
            raise TocsinError(
                f"{path.name}: no table is read from {kind or 'a file without ending'}; there are {told}"
            )
        found: pd.DataFrame = _READERS[kind](path, wanted)
        return found
    except OSError as error:
        raise TocsinError(f"{path}: it cannot be read: {error.strerror or error}") from None


# --- Text: found out or asked, never guessed between two readings


def _text(
    path: Path,
    wanted: Callable[[list[str]], list[str]],
    known: Choice,
    encoding: str | None,
    separator: str | None,
) -> pd.DataFrame:
    import pyarrow as pa
    from pyarrow import csv as arrow

    content = read_bytes(path, TABLE)
    code = encoding or encoding_of(path.name, content)
    try:
        head = content[: 2**20].decode(code, "ignore" if len(content) > 2**20 else "strict")
    except (LookupError, UnicodeDecodeError) as error:
        raise TocsinError(f"{path.name}: it cannot be read as {code}: {error}") from None
    sign = separator or separator_of(path.name, head, known)
    blank = len(head) - len(head.lstrip("\ufeff\r\n"))
    above = head[:blank].count("\n")
    header = next(_cut(head[blank:], sign), [])
    names = [name.strip().lstrip("\ufeff") for name in header]
    if headless := _headless(names):
        names = headless
    kept = wanted(names)
    twice = sorted({name for name in kept if names.count(name) > 1})
    if twice:
        raise TocsinError(f"{path.name}: two columns are called {twice[0]!r}; rename one")
    bad: list[str] = []

    def ragged(row: Any) -> str:
        bad.append(f"row {row.number}: {row.actual_columns} cells, the header has {row.expected_columns}")
        return "skip"

    try:
        table = arrow.read_csv(
            pa.BufferReader(content),
            arrow.ReadOptions(
                encoding=code,
                column_names=[*map(str, range(len(names)))],
                skip_rows=above + (0 if headless else 1),
                use_threads=False,
            ),
            arrow.ParseOptions(delimiter=sign, newlines_in_values=True, invalid_row_handler=ragged),
            arrow.ConvertOptions(
                column_types=dict.fromkeys(
                    map(str, range(len(names))), pa.dictionary(pa.int32(), pa.string())
                ),
                include_columns=[str(names.index(name)) for name in kept],
                strings_can_be_null=False,
            ),
        )
    except (pa.ArrowException, UnicodeError) as error:
        raise TocsinError(f"{path.name}: it cannot be read as a table: {error}") from None
    if bad:
        more = f"; and {len(bad) - 10:,} more" if len(bad) > 10 else ""
        raise TocsinError(
            f"{path.name}: {len(bad):,} rows do not fit the header: {'; '.join(bad[:10])}{more}"
        )
    found: pd.DataFrame = table.rename_columns(kept).to_pandas()
    return found


def encoding_of(name: str, content: bytes) -> str:
    """Return the encoding of a text file where its bytes tell it.

    Raises:
        TocsinError: they are not UTF-8; the message shows how the first such line reads in others.
    """
    for mark, code in ((b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"), (b"\xef\xbb\xbf", "utf-8-sig")):
        if content.startswith(mark):
            return code
    if b"\0" in content[:SAMPLE]:
        raise TocsinError(f"{name}: this is no text, whatever it is called: it has bytes of zero")
    try:
        content.decode("utf-8")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        begin = max(content.rfind(b"\n", 0, error.start) + 1, error.start - 15)
        piece = content[begin : error.start + 15].split(b"\n")[0].strip()
        readings: dict[str, str] = {}
        for code in ENCODINGS:
            readings.setdefault(piece.decode(code, "replace"), code)
        shown = ", ".join(f"{text!r} ({code})" for text, code in readings.items())
        raise TocsinError(
            f"{name}, line {line}: it is not UTF-8, and the bytes do not tell what it is: {shown}; say encoding=, "
            f"such as encoding='latin-1'"
        ) from None
    return "utf-8"


def separator_of(name: str, head: str, known: Choice) -> str:
    """Return what separates cells, where one sign alone cuts all rows alike, or cuts out a known header.

    Raises:
        TocsinError: several signs do, or none.
    """
    cuts = {sign: list(_rows(head, sign)) for sign in SEPARATORS}
    fits = [sign for sign, rows in cuts.items() if rows and len({*map(len, rows)}) == 1 and len(rows[0]) > 1]
    told = [sign for sign, rows in cuts.items() if rows and known([cell.strip() for cell in rows[0]])]
    if len(told) == 1:
        return told[0]
    if len(fits) == 1:
        return fits[0]
    if not fits:
        widest = max(cuts, key=lambda sign: len(cuts[sign][0]) if cuts[sign] else 0)
        if cuts[widest] and len(cuts[widest][0]) > 1:
            return widest  # the rows that do not fit are named when it is read
        if cuts[","]:
            return ","  # one column
        raise TocsinError(f"{name}: the file is empty")
    shown = " or ".join(f"{SEPARATORS[sign]} ({len(cuts[sign][0])} columns)" for sign in fits)
    raise TocsinError(f"{name}: cells may be separated by {shown}; say separator=")


def _rows(head: str, sign: str) -> Iterable[list[str]]:
    if len(head) >= 2**20 - 4 and not head.endswith(("\n", "\r")):
        head = head[: max(head.rfind("\n"), head.rfind("\r")) + 1] or head
    for number, row in enumerate(_cut(head, sign)):
        if number > SAMPLE:
            return
        if any(cell.strip() for cell in row):
            yield row


def _cut(text: str, sign: str) -> Iterator[list[str]]:
    """Yield rows as lists of cells; lines may end as on any machine, and what no CSV has ends the rows."""
    with contextlib.suppress(csv.Error):
        yield from csv.reader(io.StringIO(text, newline=None), delimiter=sign)


def _headless(first: list[str]) -> list[str] | None:
    """The names of the columns of Gleditsch and Ward's old list, which has none: 2, USA, name, 01:01:1816, ..."""
    dated = len(first) == 5 and all(len(cell) == 10 and cell[2] == cell[5] == ":" for cell in first[3:])
    return ["statenumber", "stateabb", "statename", "start", "end"] if dated and first[0].isdigit() else None


# --- Formats with types of their own


def _parquet(path: Path, wanted: Callable[[list[str]], list[str]]) -> pd.DataFrame:
    import pyarrow as pa
    from pyarrow import parquet

    try:
        with parquet.ParquetFile(path) as file:
            found: pd.DataFrame = file.read(columns=wanted(file.schema_arrow.names)).to_pandas()
    except pa.ArrowException as error:
        raise TocsinError(f"{path.name}: this is no Parquet file: {error}") from None
    return found


def _needs_extra(path: Path) -> TocsinError:
    return TocsinError(f"{path.name}: files of this kind need the extra `read`: pip install 'tocsin[read]'")


def _statistics(path: Path, wanted: Callable[[list[str]], list[str]]) -> pd.DataFrame:
    """Stata and SPSS, by pyreadstat; codes stay codes, their labels are left."""
    try:
        import pyreadstat
    except ImportError:
        raise _needs_extra(path) from None
    known: dict[str, Any] = {".dta": pyreadstat.read_dta, ".por": pyreadstat.read_por}
    read = known.get(path.suffix.lower(), pyreadstat.read_sav)
    try:
        about = read(str(path), metadataonly=True)[1]
        found: pd.DataFrame = read(str(path), usecols=wanted(list(about.column_names)))[0]
    except pyreadstat.ReadstatError as error:
        raise TocsinError(f"{path.name}: it cannot be read: {error}") from None
    return found


def _excel(path: Path, wanted: Callable[[list[str]], list[str]]) -> pd.DataFrame:
    import pandas as pd

    try:
        book = pd.ExcelFile(path, engine="calamine")
    except ImportError:
        raise _needs_extra(path) from None
    except Exception as error:
        raise TocsinError(f"{path.name}: it is no Excel file that can be read: {error}") from None
    sheets = [
        frame
        for name in book.sheet_names
        if len(frame := pd.read_excel(book, sheet_name=name, keep_default_na=False).dropna(how="all"))
    ]
    if len(sheets) != 1:
        fit = [sheet for sheet in sheets if len(wanted([str(name) for name in sheet.columns]))]
        if len(fit) != 1:
            raise TocsinError(
                f"{path.name}: it has {len(sheets)} sheets with rows: save the one that is meant as CSV"
            )
        sheets = fit
    sheet = sheets[0].rename(columns=str)
    return sheet[wanted(list(sheet.columns))]


def _r_data(path: Path, wanted: Callable[[list[str]], list[str]]) -> pd.DataFrame:
    import warnings

    import pandas as pd

    try:
        import rdata
    except ImportError:
        raise _needs_extra(path) from None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter(
                "ignore"
            )  # classes of R that Python has no twin of (tbl_df) are frames all the same
            read = rdata.read_rds if path.suffix.lower() == ".rds" else rdata.read_rda
            found = read(path)
    except Exception as error:
        raise TocsinError(f"{path.name}: it cannot be read as a file of R: {error}") from None
    tables = {"": found} if path.suffix.lower() == ".rds" else found
    frames = {name: table for name, table in tables.items() if isinstance(table, pd.DataFrame)}
    if len(frames) != 1:
        raise TocsinError(f"{path.name}: it holds {len(frames)} tables ({', '.join(tables)}): save one alone")
    frame = next(iter(frames.values())).rename(columns=str)
    return frame[wanted(list(frame.columns))].reset_index(drop=True)


_READERS: dict[str, Callable[[Path, Callable[[list[str]], list[str]]], Any]] = {
    ".parquet": _parquet,
    **dict.fromkeys((".dta", ".sav", ".zsav", ".por"), _statistics),
    **dict.fromkeys((".xls", ".xlsx", ".xlsb", ".ods"), _excel),
    **dict.fromkeys((".rda", ".rdata", ".rds"), _r_data),
}
