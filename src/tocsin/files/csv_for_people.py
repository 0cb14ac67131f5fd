"""CSV for people: the one writer of tables that a spreadsheet may open.

A text that begins like a formula (= + - @, a tab, a carriage return, a line feed, or the wide forms of these signs)
gets an apostrophe before it, in cells and in names of columns, unless it is a number such as -1.5. The tables of a
history are not written here: Tocsin reads them back, and they hold what the record holds (see `history.write`).
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tocsin.files.format import FORMAT
from tocsin.files.results import Kind, digests, replacing
from tocsin.files.whole import write_whole

if TYPE_CHECKING:
    import pandas as pd

_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")

_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")


def guarded(value: Any) -> Any:
    """Return a cell that no spreadsheet takes for a formula."""
    if isinstance(value, str) and value.startswith(_FORMULA) and _NUMBER.fullmatch(value) is None:
        return f"'{value}"
    return value


def csv_of_rows(
    columns: Sequence[str], rows: Iterable[Sequence[Any]], notes: Iterable[str | None] = ()
) -> str:
    """Return rows as CSV, below notes that begin with #."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    for note in filter(None, notes):
        # One cell, whatever signs a title holds.
        writer.writerow([f"# {' '.join(note.split())}"])
    writer.writerow([guarded(str(name)) for name in columns])
    for row in rows:
        writer.writerow([guarded(value) for value in row])
    return text.getvalue()


def csv_of(table: pd.DataFrame) -> str:
    """Return a table as CSV, without its index."""
    import pandas as pd

    shown = table.copy(deep=False)
    for place, kind in enumerate(table.dtypes):
        if not pd.api.types.is_numeric_dtype(kind) and not pd.api.types.is_datetime64_any_dtype(kind):
            column = table.iloc[:, place].astype(object).map(guarded)
            shown.isetitem(place, column.to_numpy())
    shown.columns = [guarded(str(name)) for name in table.columns]
    return shown.to_csv(index=False, lineterminator="\n")


def write_tables(
    folder: str | Path,
    kind: Kind,
    tables: Mapping[str, pd.DataFrame],
    facts: Mapping[str, Any] | None = None,
    more: Mapping[str, str | bytes] | None = None,
) -> Path:
    """Write tables as NAME.csv, other files by their names, and a manifest, whole or not at all.

    Raises:
        TocsinError: the folder cannot be written, or another process writes there.
    """
    from tocsin.files.results import target
    from tocsin.files.whole import to_json

    where = target(folder, Path())
    with replacing(where, kind) as stage:
        for name, table in tables.items():
            write_whole(stage / f"{name}.csv", csv_of(table))
        for name, content in (more or {}).items():
            write_whole(stage / name, content)
        verb = kind.manifest.partition(".")[0]
        about = {"format": FORMAT, "verb": verb, **(facts or {}), "files": digests(stage)}
        write_whole(stage / kind.manifest, to_json(about))
    return where
