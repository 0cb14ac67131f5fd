"""`tc.read`: a file of a known data set, found by its columns, as a tidy frame with an account of every row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tocsin.errors import TocsinError, suggestion
from tocsin.sources.files import load
from tocsin.sources.source import Cells, Source, simplified

if TYPE_CHECKING:
    import pandas as pd

NEAR = 0.6  # of the columns of a layout: with these a file is taken for another version of it

TABLE = "table"


@dataclass(frozen=True)
class Reading:
    """A file as it was read: ``print`` tells what it is, and what became of its rows.

    Attributes:
        dataset: name of the data set (``"table"`` for one that is not known). layout: its version or layout.
        kind: units, events, ties, panel, spells, adoptions or table: what `frame` holds.
        frame: the tidy rows, units under their codes.
        units: the list that units are codes of; see `tc.units`.
        rows: read, used, and left out by reason; they add up.
        missing: column, code, meaning, cells: what stood for "not known" and is missing now.
        precision, coverage, citation, licence, page: of the data set; `page` is where its columns were read.
    """

    file: str
    dataset: str
    layout: str
    kind: str
    frame: pd.DataFrame
    units: str
    rows: dict[str, int]
    missing: pd.DataFrame
    precision: str = ""
    coverage: str = ""
    citation: str = ""
    licence: str = ""
    page: str = ""

    def __str__(self) -> str:
        counts = ", ".join(f"{count:,} {what}" for what, count in self.rows.items())
        lines = [
            f"{self.file}: {self.layout or 'a table of no data set that is known here'}",
            f"  rows: {counts}",
        ]
        for column, code, meaning, cells in self.missing.itertuples(index=False):
            lines.append(f"  {cells:,} cells of {column} were {code:g} ({meaning}) and are missing")
        lines.append(f"  gives {self.kind}: {', '.join(map(str, self.frame.columns[:12]))}")
        for what in ("units", "precision", "coverage", "citation", "licence", "page"):
            value = getattr(self, what)
            if value:
                lines.append(f"  {what}: {value}")
        return "\n".join(lines)

    __repr__ = __str__


def read(
    path: str | Path,
    *,
    dataset: str | None = None,
    columns: Sequence[str] = (),
    encoding: str | None = None,
    separator: str | None = None,
    decimal: str = ".",
) -> Reading:
    """Read a file of a data set of the field, known by its columns whatever the file is called.

    CSV, TSV and Parquet come with the default install; .dta, .sav, .xls(x), .rda and .rds need ``tocsin[read]``.
    Codes that mean "not known" become missing and are counted; rows read are rows used and rows left out.

    Parameters:
        path: the file.
        dataset: which data set it is, where columns do not tell; ``"table"`` reads any file as it is.
        columns: further columns to carry along.
        encoding: of a text file that is not UTF-8. separator: between cells, where several signs would do.
        decimal: the sign before decimals.

    Raises:
        TocsinError: no data set or several fit, a version is unknown (expected and found columns are told), or the
            encoding or separator must be said.
        HistoryError: cells are wrong; each is named with its row and value.

    >>> tc.read("contdir.csv").frame
    """
    file = Path(path)
    found: list[tuple[Source, str]] = []

    def wanted(names: list[str]) -> list[str]:
        plain = {simplified(name): name for name in reversed(names)}
        known = None if dataset == TABLE else recognise(file.name, list(plain), dataset)
        extra = _carried(file.name, columns, names)
        if known is None:
            return names
        found[:] = [known]
        source, layout = known
        needed = [plain[name] for name in source.layouts[layout]]
        further = [plain[name] for name in source.optional if name in plain]
        return list(dict.fromkeys([*needed, *further, *extra]))

    def known(header: list[str]) -> bool:
        return bool(_fits([simplified(name) for name in header], dataset))

    frame = load(file, wanted, known, encoding, separator)
    if not found:
        return _plain(file.name, frame, decimal)
    source, layout = found[0]
    carried = frame[_carried(file.name, columns, list(frame.columns))]
    cells = Cells(frame.rename(columns=simplified), file.name, source.missing, decimal)
    cells.leave(_empty(frame), "the row is empty")
    tidy = source.tidy(cells, layout)
    for name in carried.columns:
        if name not in tidy.columns and len(tidy) == cells.keep.sum():
            tidy[name] = carried[name][cells.keep].to_numpy()
    return Reading(
        file.name, source.name, f"{source.title}, {layout}", source.kind, tidy, source.units, _rows(cells),
        _codes(cells), source.precision, source.coverage, source.citation, source.licence, source.page,
    )  # fmt: skip


def sources() -> list[Source]:
    """Return every data set that is known, one module each."""
    from tocsin.sources import (
        acled,
        archigos,
        atop,
        cow_contiguity,
        cow_states,
        ged,
        gw_states,
        gwf,
        lied,
        navco,
        netdiffuser,
        polity,
        powell_thyne,
        vdem,
    )  # fmt: skip

    modules = (
        cow_states, gw_states, cow_contiguity, atop, polity, vdem, lied, gwf, archigos, powell_thyne, navco, ged,
        acled, netdiffuser,
    )  # fmt: skip
    return [source for module in modules for source in module.SOURCES]


def recognise(file: str, names: list[str], dataset: str | None) -> tuple[Source, str] | None:
    """Return the data set and layout that a header belongs to; None where none does.

    Raises:
        TocsinError: several fit, the one that was named does not, or it looks like another version of one.
    """
    every = sources()
    if dataset is not None and dataset not in {source.name for source in every}:
        known = sorted({source.name for source in every} | {TABLE})
        raise TocsinError(f"dataset={dataset!r} is not known" + suggestion(dataset, known))
    fits = _fits(names, dataset)
    if len({source.name for source, _ in fits}) > 1:
        told = " or ".join(sorted({repr(source.name) for source, _ in fits}))
        raise TocsinError(f"{file}: its columns are those of {told}; say dataset=")
    if fits:
        return max(fits, key=lambda fit: len(fit[0].layouts[fit[1]]))
    near, source, layout = max(
        ((len(set(needs) & set(names)) / len(needs), source, layout)
         for source in every if dataset in (None, source.name) for layout, needs in source.layouts.items()),
        key=lambda found: found[0],
    )  # fmt: skip
    if dataset is None and near < NEAR:
        return None
    needs = source.layouts[layout]
    lacking = [name for name in needs if name not in names]
    raise TocsinError(
        f"{file}: {'it is no' if dataset else 'it looks like'} {source.title} ({layout})"
        f"{'' if dataset else ', but in a version that is not known here'}: expected {', '.join(needs)}; not found: "
        f"{', '.join(lacking)}; found: {', '.join(names[:20])}{', ...' if len(names) > 20 else ''}. Rename the columns, "
        f"or read it as it is with dataset='table'"
    )


def _fits(names: list[str], dataset: str | None) -> list[tuple[Source, str]]:
    there = set(names)
    return [
        (source, layout)
        for source in sources()
        if dataset in (None, source.name)
        for layout, needs in source.layouts.items()
        if set(needs) <= there
    ]


def _plain(file: str, frame: pd.DataFrame, decimal: str) -> Reading:
    """A table of no data set that is known: columns of numbers as numbers, the rest as it is written."""
    from tocsin.sources.source import others

    cells = Cells(frame, file, {}, decimal)
    cells.leave(_empty(frame), "the row is empty")
    tidy = cells.result(others(cells, map(str, frame.columns)))
    return Reading(file, TABLE, "", TABLE, tidy, "", _rows(cells), _codes(cells))


def _carried(file: str, columns: Sequence[str], names: list[str]) -> list[str]:
    for name in columns:
        if name not in names:
            raise TocsinError(f"{file}: there is no column {name!r}" + suggestion(name, names))
    return list(columns)


def _empty(frame: pd.DataFrame) -> Any:
    import numpy as np

    blank = np.ones(len(frame), bool)
    for place in range(frame.shape[1]):
        column = frame.iloc[:, place]
        gone = column.isna().to_numpy()
        if column.dtype == object or str(column.dtype).startswith("str"):
            gone = gone | (column.astype(str).str.strip() == "").to_numpy()
        blank &= gone
    return blank


def _rows(cells: Cells) -> dict[str, int]:
    used = int(cells.keep.sum())
    return {"read": cells.rows, "used": used} | {
        f"left out: {why}": count for why, count in cells.left.items()
    }


def _codes(cells: Cells) -> pd.DataFrame:
    import pandas as pd

    return pd.DataFrame(cells.codes, columns=["column", "code", "meaning", "cells"])
