"""What a data set needs beyond the reading of its columns: each rule has the name by which its TOML file calls it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tocsin.sources.file_cells import NEVER, ONE, FileCells, day_of

Columns = dict[str, Any]

WEEK = np.timedelta64(3, "D")
STILL = "Still in Office"


def dates_of_parts(cells: FileCells, columns: Columns) -> Columns:
    """Join X_year, X_month and X_day to the day X."""
    for name in [name.removesuffix("_year") for name in columns if name.endswith("_year")]:
        parts = [columns.pop(f"{name}_{part}") for part in ("year", "month", "day")]
        days = [day_of(*each) for each in zip(*parts, strict=True)]
        told = ["-".join(f"{part:g}" for part in each) for each in zip(*parts, strict=True)]
        cells.check(name, told, [day is None for day in days], "there is no such day")
        columns[name] = np.array([NEVER if day is None else day for day in days], "datetime64[D]")
    return columns


def goes_on(cells: FileCells, columns: Columns) -> Columns:
    """A unit that leaves on the last day of the list, or in the year 9999, is still there: its exit is missing."""
    leave = columns["exit"]
    last = leave[cells.keep].max() if cells.keep.any() else NEVER
    columns["exit"] = np.where(leave == last, NEVER, leave)
    return columns


def any_obligation(cells: FileCells, columns: Columns) -> Columns:
    """Leave out pairs that have no obligation of any kind, or none that is known."""
    each = np.array([columns[kind] for kind in ("defense", "offense", "neutral", "nonagg", "consul")])
    none = ~(each == 1).any(axis=0)
    cells.leave(none & np.isnan(each).any(axis=0), "obligations are not known")
    cells.leave(none, "no obligation of any kind")
    return columns


def still_in_office(cells: FileCells, columns: Columns) -> Columns:
    """The end of a leader still in office is missing, not the day on which coding ended."""
    columns["end"] = np.where(columns["exit"] == STILL, NEVER, columns["end"])
    return columns


def coups_of_years(cells: FileCells, columns: Columns) -> Columns:
    """Count the coups of a country-year, and those that succeeded; where one is missing their number is."""
    each = np.array([columns.pop(f"outcome{k}") for k in range(1, 5)])
    known = ~np.isnan(each).any(axis=0)
    counts = {"coups": (each > 0).sum(axis=0), "successful": (each == 2).sum(axis=0)}
    return columns | {name: np.where(known, count, np.nan) for name, count in counts.items()}


def method_of_dummies(cells: FileCells, columns: Columns) -> Columns:
    """One column method of the two that say violent and nonviolent."""
    each = columns.pop("nonviolent"), columns.pop("violent")
    peaceful, violent = each[0] == 1, each[1] == 1
    cells.leave(np.isnan(each[0]) | np.isnan(each[1]), "not known whether violent or nonviolent")
    cells.leave(peaceful == violent, "neither, or both, violent and nonviolent")
    return columns | {"method": np.where(peaceful, "nonviolent", "violent").astype(object)}


def span(cells: FileCells, columns: Columns) -> Columns:
    """time_latest is there only where it is later than time."""
    first, last = columns["time"], columns["time_latest"]
    cells.check("date_end", last, last < first, "it lies before date_start")
    return columns | {"time_latest": np.where(last > first, last, NEVER)}


def week_or_month(cells: FileCells, columns: Columns) -> Columns:
    """Where only the week or the month is known, time and time_latest are its first and last day."""
    day, precision = columns["time"], columns["precision"]
    month = day.astype("datetime64[M]")
    first = np.where(precision == 3, month.astype("datetime64[D]"), np.where(precision == 2, day - WEEK, day))
    end = (month + np.timedelta64(1, "M")).astype("datetime64[D]") - ONE
    last = np.where(precision == 3, end, np.where(precision == 2, day + WEEK, NEVER))
    return columns | {"time": first, "time_latest": last, "day": day}


def coded_from(cells: FileCells, columns: Columns) -> Columns:
    """The first day of the first year that the file has of a unit: before it, the unit was not watched."""
    import pandas as pd

    day = pd.Series(columns.pop("day").astype("datetime64[s]")).where(cells.keep)
    first = day.groupby(columns["unit"]).transform("min").to_numpy("datetime64[Y]")
    return columns | {"coded_from": first.astype("datetime64[D]")}


def nobody_names_itself(cells: FileCells, columns: Columns) -> Columns:
    """Leave out ties of a unit to itself."""
    cells.leave(columns["source"] == columns["target"], "a unit names itself")
    return columns


RULES: dict[str, Callable[[FileCells, Columns], Columns]] = {
    rule.__name__: rule
    for rule in (
        dates_of_parts, goes_on, any_obligation, still_in_office, coups_of_years, method_of_dummies, span,
        week_or_month, coded_from, nobody_names_itself,
    )
}  # fmt: skip
