"""Correlates of War: the states of the world and the days of their membership."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tocsin.sources.source import Cells, Source

if TYPE_CHECKING:
    import pandas as pd

PARTS = ("styear", "stmonth", "stday", "endyear", "endmonth", "endday")


def tidy(cells: Cells, layout: str) -> pd.DataFrame:
    """Return unit, label, enter, exit; a state that the list ends with on its last day goes on (exit is missing)."""
    code = "cowcode" if layout.startswith("package") else "ccode"
    unit = cells.text(code, "no state")
    if layout.startswith("package"):
        label, enter, leave = cells.text("country_name"), cells.day("start", "no first day"), cells.day("end")
    else:
        label = cells.text("statenme")
        numbers = [cells.number(part, "no date", whole=True) for part in PARTS]
        enter, leave = _days(cells, numbers[:3]), _days(cells, numbers[3:])
    last = leave[cells.keep].max() if cells.keep.any() else None
    goes_on = leave == last if last is not None else np.zeros(cells.rows, bool)
    leave = np.where(goes_on, np.datetime64("NaT", "D"), leave)
    return cells.result({"unit": unit, "label": label, "enter": enter, "exit": leave})


def _days(cells: Cells, parts: list[np.ndarray]) -> np.ndarray:
    texts = np.array(
        [
            f"{int(y):04d}-{int(m):02d}-{int(d):02d}" if y == y and m == m and d == d else "NaT"
            for y, m, d in zip(*parts, strict=True)
        ]
    )
    return texts.astype("datetime64[D]")


SOURCES = (
    Source(
        name="cow_states",
        title="Correlates of War, State System Membership",
        kind="units",
        layouts={
            "list of v2016 and v2024 (states2016.csv)": ("stateabb", "ccode", "statenme", *PARTS),
            "package states": ("cowcode", "cowc", "country_name", "start", "end"),
        },
        units="cow",
        precision="day; many first days before 1900 stand for a year",
        coverage="states since 1816 by the rules of the Correlates of War project",
        citation="Correlates of War Project, State System Membership List (v2016 or v2024), correlatesofwar.org",
        licence="free for research with citation; the copy in the R package states is MIT",
        page="https://rdrr.io/cran/peacesciencer/man/cow_states.html; github.com/andybega/states",
        tidy=tidy,
    ),
)
