"""Rival codings: rows of events that only one reading of the record holds, and the history of each reading."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from tocsin.history.tables import cells, frames
from tocsin.history.tables.frames import Raw, take_rows

if TYPE_CHECKING:
    from tocsin.history.history import History
    from tocsin.history.tables.schema import Report

COLUMN = "coding"


def parts_of(events: Raw, report: Report) -> dict[str, Raw]:
    """Return the events of each coding, by its name in order; {"": events} where there is one reading only."""
    if COLUMN not in events.columns:
        return {"": events}
    codes, names = cells.names(events, COLUMN, report, required=False)
    rest = {name: column for name, column in events.columns.items() if name != COLUMN}
    plain = Raw(events.file, rest, events.rows, events.lines, events.sound, events.garbled, events.empty)
    words = names.to_pylist()
    used = sorted({words[code] for code in np.unique(codes[codes >= 0]).tolist()})
    if not used:
        return {"": plain}
    return {
        name: take_rows(plain, np.flatnonzero((codes < 0) | (codes == words.index(name)))) for name in used
    }


def together(rivals: Mapping[str, History]) -> Any:
    """Return the events of all codings as one table: of the rows that all share the coding is empty."""
    tables = []
    for name, history in rivals.items():
        table = history.table("events")
        columns = [
            column.cast(pa.string()) if pa.types.is_dictionary(column.type) else column
            for column in table.columns
        ]
        plain = pa.Table.from_arrays(columns, table.column_names)
        if "confidence" not in plain.column_names:  # left out where no row is rated
            plain = plain.append_column("confidence", frames.strings(["unrated"] * table.num_rows))
        tables.append(plain.append_column(COLUMN, frames.strings([name] * table.num_rows)))
    whole = pa.concat_tables(tables, promote_options="default")
    others = [name for name in whole.column_names if name != COLUMN]
    rows = whole.to_pylist()
    often: dict[tuple[Any, ...], int] = {}
    for row in rows:
        key = tuple(row[name] for name in others)
        often[key] = often.get(key, 0) + 1
    kept: dict[tuple[Any, ...], dict[str, Any]] = {}
    for row in rows:
        key = tuple(row[name] for name in others)
        common = often[key] == len(rivals)
        kept.setdefault(
            (*key, None if common else row[COLUMN]), row | {COLUMN: None if common else row[COLUMN]}
        )
    return pa.Table.from_pylist(list(kept.values()), schema=whole.schema)
