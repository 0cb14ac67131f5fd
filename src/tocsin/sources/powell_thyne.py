"""Powell and Thyne: coups, each a row with its day, or a country-year with up to four."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tocsin.sources.source import Cells, Source

if TYPE_CHECKING:
    import pandas as pd

OUTCOMES = {1.0: "failed", 2.0: "successful"}


def tidy(cells: Cells, layout: str) -> pd.DataFrame:
    """Return unit (COW code), label, time, outcome (failed, successful): one row a coup."""
    unit, label = cells.text("ccode", "no country"), cells.text("country")
    year = cells.number("year", "no year", whole=True)
    if layout.startswith("coups"):
        outcome = _outcome(cells, "coup", False)
        parts = [cells.number(name, "no day", whole=True) for name in ("month", "day")]
        texts = [f"{int(y):04d}-{int(m):02d}-{int(d):02d}" if y == y and m == m and d == d else "NaT"
                 for y, m, d in zip(year, *parts, strict=True)]  # fmt: skip
        return cells.result(
            {"unit": unit, "label": label, "time": np.array(texts, "datetime64[D]"), "outcome": outcome}
        )
    import pandas as pd

    each = [_outcome(cells, f"coup{k}", True) for k in range(1, 5)]
    cells.leave(np.all([one == "" for one in each], axis=0), "a year without a coup")
    days = [
        cells.text(f"date{k}") if cells.has(f"date{k}") else np.full(cells.rows, "", object)
        for k in range(1, 5)
    ]
    base = {"unit": unit, "label": label, "year": year}
    frames = [cells.result(base | {"outcome": one, "date": day}) for one, day in zip(each, days, strict=True)]
    found = pd.concat(frames, ignore_index=True)
    return found[found["outcome"] != ""].sort_values(["unit", "year"], kind="stable", ignore_index=True)


def _outcome(cells: Cells, column: str, none: bool) -> np.ndarray:
    values = cells.number(column)
    allowed = [*OUTCOMES, *([0.0] if none else [])]
    cells.check(
        column,
        values,
        ~np.isin(values, allowed) & ~np.isnan(values),
        "a coup is 1 (failed) or 2 (successful)",
    )
    if not none:
        cells.leave(np.isnan(values), "no outcome")
    return np.array([OUTCOMES.get(value, "") for value in values], object)


SOURCES = (
    Source(
        name="powell_thyne",
        title="Powell and Thyne, Global Instances of Coups",
        kind="events",
        layouts={
            "coups (powell_thyne_coups_final.txt)": ("country", "ccode", "year", "month", "day", "coup"),
            "country-years (powell_thyne_ccode_year.txt)": (
                "ccode", "country", "year", "coup1", "coup2", "coup3", "coup4",
            ),
        },
        optional=("date1", "date2", "date3", "date4"),
        units="cow",
        precision="day; several coups of one country may fall on one day or month",
        coverage="all states since 1950; a country-year that is not listed had no coup",
        citation="Powell, J. M. and C. L. Thyne (2011), Global instances of coups from 1950 to 2010: a new dataset, "
        "Journal of Peace Research 48(2), 249-259",
        licence="free for research with citation",
        page="https://rdrr.io/github/xmarquez/AuthoritarianismBook/src/R/powell_thyne_doc.R; "
        "http://www.uky.edu/~clthyn2/coup_data/powell_thyne_coups_final.txt",
        tidy=tidy,
    ),
)  # fmt: skip
