"""Rows that name units which are not among the units: told in one go, and only where they lie in the window."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tocsin.history.tables import cells, frames
from tocsin.history.tables.frames import take_rows
from tocsin.history.tables.schema import Report

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tocsin.history.intake.account import Account
    from tocsin.history.tables.columns import Reader
    from tocsin.history.tables.frames import Raw

MOST_ROWS = 3  # of one stranger, and so many strangers, are told row by row

MOST_NAMES = 5


def without_strangers(
    reader: Reader, raw: Raw, columns: tuple[str, ...], account: Account, report: Report
) -> Raw:
    """Return a table without rows that name no unit and hold nothing within the window; many others are one fault.

    Parameters:
        reader: which has read the units.
        raw: ties or covariates.
        columns: those that name units.
    """
    if not reader.units_known or any(column not in raw.columns for column in columns) or not raw.rows:
        return raw
    if all(reader.all_units(raw.columns[column]) is not None for column in columns):
        return raw
    silent = Report()
    strange = np.zeros(raw.rows, bool)
    named: list[tuple[NDArray[np.int32], list[str], NDArray[np.bool_]]] = []
    for column in columns:
        codes, texts = cells.names(raw, column, silent)
        unknown = np.append(frames.positions(texts, reader.unit_names) < 0, False)
        unknown[:-1] &= ~np.array([text == "*" for text in texts.to_pylist()], bool)
        strange |= unknown[codes]
        named.append((codes, texts.to_pylist(), unknown))
    outside = _outside(reader, raw, silent)
    lost = np.flatnonzero(strange & outside)
    account.leave(raw.file.partition(".")[0], "outside the window, and of no unit", lost)
    inside = ~outside
    counts: dict[str, int] = {}
    for codes, texts_, unknown in named:
        rows = inside & unknown[codes]
        for code, count in enumerate(np.bincount(codes[rows], minlength=len(texts_)).tolist()):
            if count:
                counts[texts_[code]] = counts.get(texts_[code], 0) + count
    if len(counts) > MOST_NAMES or any(count > MOST_ROWS for count in counts.values()):
        first = int(np.flatnonzero(strange & inside)[0])
        report.add(raw.file, _sentence(raw.file, counts), line=raw.line(first), column=columns[0])
        reader.told.add(raw.file)
    return take_rows(raw, np.flatnonzero(~(strange & outside))) if len(lost) else raw


def _outside(reader: Reader, raw: Raw, silent: Report) -> NDArray[np.bool_]:
    """Which rows hold wholly before or after the window."""
    clock = reader.clock
    out = np.zeros(raw.rows, bool)
    for column in ("start", "end"):
        if column in raw.columns:
            values, missing, wrong = cells.times(raw, column, clock, silent)
            beyond = values > clock.last if column == "start" else values < clock.first
            out |= ~missing & ~wrong & beyond
    return out


def _sentence(file: str, counts: dict[str, int]) -> str:
    most = sorted(counts, key=lambda name: (-counts[name], name))
    shown = ", ".join(
        f"{name} in {counts[name]:,} row{'s' * (counts[name] != 1)}" for name in most[:MOST_NAMES]
    )
    more = f" and {len(most) - MOST_NAMES:,} more" if len(most) > MOST_NAMES else ""
    many = "is" if len(counts) == 1 else "are"
    return (
        f"unknown unit: {len(counts):,} unit{'s' * (len(counts) != 1)} of {file} {many} not among the units: "
        f"{shown}{more}"
    )
