"""`tc.read`: a file of a known data set, found by its columns, as a tidy frame with an account of every row."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tocsin.errors import TocsinError, suggestion
from tocsin.sources.file_cells import FileCells
from tocsin.sources.files import load
from tocsin.sources.rules import RULES
from tocsin.sources.source import LONGEST, Source, sources

if TYPE_CHECKING:
    import pandas as pd

NEAR = 0.6  # of the columns of a layout: with these a file is taken for another version of it

TABLE = "table"

CODED = ("unit", "source", "target")  # our columns of units

NUMBERED = ("cow", "gw", "polity", "iso_n", "vdem")  # lists whose codes are numbers


@dataclass(frozen=True)
class Reading:
    """A file as it was read: ``print`` tells what it is, and what became of its rows.

    Attributes:
        file: its name. source: the data set (None for a table of none that is known). layout: its version.
        frame: the tidy rows, units under their codes; see `tc.units` and ``source.units``.
        rows: read, used, and left out by reason; they add up.
        missing: column, code, meaning, cells: what stood for "not known" and is missing now.
        empty: columns of the data set that are empty in this file.

    Example:
        >>> import pandas as pd
        >>> import tocsin as tc
        >>> pd.DataFrame({"unit": ["a"], "time": [1]}).to_csv("rows.csv", index=False)
        >>> len(tc.read("rows.csv").frame)
        1
    """

    file: str
    source: Source | None
    layout: str
    frame: pd.DataFrame
    rows: dict[str, int]
    missing: pd.DataFrame
    empty: tuple[str, ...] = ()

    @property
    def kind(self) -> str:
        """What the rows are: units, events, ties, panel, spells, adoptions or table."""
        return self.source.kind if self.source else TABLE

    def __str__(self) -> str:
        what = (
            f"{self.source.title}, {self.layout}"
            if self.source
            else "a table of no data set that is known here"
        )
        counts = ", ".join(f"{count:,} {why}" for why, count in self.rows.items())
        lines = [f"{self.file}: {what}", f"  rows: {counts}"]
        for column, code, meaning, cells in self.missing.itertuples(index=False):
            were = "cell of {} was" if cells == 1 else "cells of {} were"
            lines.append(
                f"  {cells:,} {were.format(column)} {code:g} ({meaning}) and {'is' if cells == 1 else 'are'} missing"
            )
        if self.empty:
            lines.append(f"  empty in this file, so that nothing is known of it: {', '.join(self.empty)}")
        lines.append(f"  gives {self.kind}: {', '.join(map(str, self.frame.columns[:12]))}")
        for name in ("units", "precision", "coverage", "citation", "licence", "page") if self.source else ():
            if value := getattr(self.source, name):
                lines.append(f"  {name}: {value}")
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
        encoding: of a text file that is not UTF-8.
        separator: between cells, where several signs would do.
        decimal: the sign before decimals.

    Raises:
        TocsinError: no data set or several fit, a version is unknown (expected and found columns are told), or the
            encoding or separator must be said.
        HistoryError: cells are wrong; each is named with its row and value.

    >>> pd.DataFrame({"unit": ["a"], "time": [1]}).to_csv("rows.csv", index=False)
    >>> tc.read("rows.csv", dataset="table").frame
    """
    file = Path(path)
    found: list[tuple[Source, str]] = []

    def wanted(names: list[str]) -> list[str]:
        plain: dict[str, str] = {}
        for name in names:
            plain.setdefault(simplified(name), name)
        known = None if dataset == TABLE else recognise(file.name, list(plain), dataset)
        for name in columns:
            if name not in names:
                raise TocsinError(f"{file.name}: there is no column {name!r}" + suggestion(name, names))
        if known is None:
            return names
        found[:] = [known]
        theirs = [plain[each[0][0]] for each in known[0].columns(known[1], plain).values()]
        return list(dict.fromkeys([*theirs, *columns]))

    def fits(header: list[str]) -> bool:
        return bool(_fits([simplified(name) for name in header], dataset))

    frame = load(file, wanted, fits, encoding, separator)
    source, layout = found[0] if found else (None, "")
    cells = FileCells(frame if source is None else frame.rename(columns=simplified), file.name,
                  source.codes if source else {}, decimal)  # fmt: skip
    cells.leave(cells.blank(), "the row is empty")
    made = _as_it_is(cells) if source is None else _tidy(cells, source, layout)
    made |= {name: frame[name].to_numpy() for name in columns if source is not None and name not in made}
    tidy = cells.result(made)
    rows = {"read": cells.rows, "used": len(tidy)} | {f"left out: {why}": n for why, n in cells.left.items()}
    return Reading(file.name, source, layout, tidy, rows, _codes(cells), tuple(cells.empty))


def simplified(name: str) -> str:
    """Return a column's name without case, points, blanks and quotes, in the 32 letters that Stata leaves of it."""
    return re.sub(r"[^a-z0-9]+", "_", name.strip().strip('"').lower()).strip("_")[:LONGEST]


def recognise(file: str, names: list[str], dataset: str | None) -> tuple[Source, str] | None:
    """Return the data set and layout that a header belongs to; None where none does.

    Raises:
        TocsinError: several fit, the one that was named does not, or it looks like another version of one.
    """
    every = [source for source in sources() if dataset in (None, source.name)]
    if not every:
        known = [*(source.name for source in sources()), TABLE]
        raise TocsinError(f"dataset={dataset!r} is not known" + suggestion(str(dataset), known))
    fits = _fits(names, dataset)
    if len({source.name for source, _ in fits}) > 1:
        told = " or ".join(sorted({repr(source.name) for source, _ in fits}))
        raise TocsinError(f"{file}: its columns are those of {told}; say dataset=")
    if fits:
        return max(fits, key=lambda fit: len(fit[0].needs(fit[1])))
    there = set(names)
    shares = [(len(there & set(needs)) / len(needs), source, layout)
              for source in every for layout in source.layouts for needs in [source.needs(layout)]]  # fmt: skip
    share, source, layout = max(shares, key=lambda found: found[0])
    if dataset is None and (share < NEAR or share * len(source.needs(layout)) < 3):
        return None
    needs = source.needs(layout)
    lacking = [name for name in needs if name not in there]
    raise TocsinError(
        f"{file}: {'it is no' if dataset else 'it looks like'} {source.title} ({layout})"
        f"{'' if dataset else ', but in a version that is not known here'}: expected {', '.join(needs)}; not found: "
        f"{', '.join(lacking)}; found: {', '.join(names[:20])}{', ...' if len(names) > 20 else ''}. Rename the "
        f"columns, or read it as it is with dataset='table'"
    )


def _fits(names: list[str], dataset: str | None) -> list[tuple[Source, str]]:
    """Every data set and layout whose columns are there, without those that need but a part of another's."""
    found = [
        (source, layout, set(source.needs(layout)))
        for source in sources()
        if dataset in (None, source.name)
        for layout in source.layouts
        if set(names).issuperset(source.needs(layout))
    ]
    return [
        (source, layout) for source, layout, needs in found if not any(needs < more for _, _, more in found)
    ]


def _tidy(cells: FileCells, source: Source, layout: str) -> dict[str, Any]:
    """Our columns of a data set, each read, checked and in words; then its rules."""
    found: dict[str, Any] = {}
    for ours, (theirs, kind, required) in source.columns(layout, cells.frame.columns).items():
        values = found[ours] = cells.read(theirs[0], kind)
        gone = values == "" if values.dtype == object else np.isnan(values)
        if required:
            if cells.rows and gone.all():
                raise TocsinError(
                    f"{cells.file}: the column {theirs[0]} is empty, and {source.title} needs it"
                )
            cells.leave(gone, f"no {theirs[0]}")
        elif cells.rows and cells.bare(theirs[0]):
            cells.empty.append(theirs[0])
        if kind == "text" and ours in CODED and source.units in NUMBERED:
            wrong = ~gone & ~np.array([text.isdecimal() for text in values], bool)
            cells.check(theirs[0], values, wrong, f"a code of the list {source.units} is a whole number")
        if ours in source.range:
            least, most = source.range[ours]
            told = f"a number from {least} to {most} is wanted"
            cells.check(theirs[0], values, (values < least) | (values > most), told)
        for value, reason in source.leave.get(ours, {}).items():
            cells.leave(values == float(value), reason)
        if ours in source.words:
            words = {float(code): word for code, word in source.words[ours].items()}
            unknown = ~np.isin(values, list(words)) & ~np.isnan(values)
            told = " or ".join(f"{code:g} ({word})" for code, word in words.items())
            cells.check(theirs[0], values, unknown, f"the codebook knows {told}")
            found[ours] = np.array([words.get(value, "") for value in values], object)
    for rule in source.rules:
        found = RULES[rule](cells, found)
    return found


def _as_it_is(cells: FileCells) -> dict[str, Any]:
    """Every column of a table: numbers where all cells are, else texts; columns of dates stay."""
    found: dict[str, Any] = {}
    for column in cells.frame.columns:
        dated = cells.frame[column].dtype.kind == "M"
        found[column] = cells.frame[column].to_numpy() if dated else cells.plain(column)
    return found


def _codes(cells: FileCells) -> pd.DataFrame:
    import pandas as pd

    return pd.DataFrame(cells.codes, columns=["column", "code", "meaning", "cells"])
