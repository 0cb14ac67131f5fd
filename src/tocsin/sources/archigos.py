"""Archigos: the leaders of states, how they came in and how they went."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tocsin.sources.source import Cells, Source

if TYPE_CHECKING:
    import pandas as pd

OFFICE = "Still in Office"


def tidy(cells: Cells, layout: str) -> pd.DataFrame:
    """Return unit (GW code), leader, start, end (missing: still in office when coding ended), entry, exit, exitcode."""
    code = "ccode" if cells.has("ccode") else "gwcode"
    found = {
        "unit": cells.text(code, "no country"),
        "leader": cells.text("leader"),
        "obsid": cells.text("obsid"),
    }
    start, end = cells.day("startdate", "no first day"), cells.day("enddate")
    way = cells.text("exit")
    found |= {"start": start, "end": np.where(way == OFFICE, np.datetime64("NaT", "D"), end)}
    found |= {"entry": cells.text("entry"), "exit": way, "exitcode": cells.text("exitcode")}
    if cells.has("yrborn"):
        found["born"] = cells.number("yrborn")
    return cells.result(found)


SOURCES = (
    Source(
        name="archigos",
        title="Archigos 4.1",
        kind="spells",
        layouts={
            "leaders (Archigos_4.1)": (
                "obsid", "ccode", "leader", "startdate", "enddate", "entry", "exit", "exitcode",
            ),
            "package peacesciencer": (
                "obsid", "gwcode", "leader", "startdate", "enddate", "entry", "exit", "exitcode",
            ),
        },
        optional=("yrborn",),
        units="gw",
        missing={"yrborn": {-999.0: "not known", -888.0: "not applicable", -777.0: "not known"}},
        precision="day; the file's eindate and eoutdate say which days are estimates",
        coverage="effective leaders of Gleditsch and Ward's states, 1875-2015; tenures that end on the last day go on",
        citation="Goemans, H. E., K. S. Gleditsch and G. Chiozza (2009), Introducing Archigos: a dataset of political "
        "leaders, Journal of Peace Research 46(2), 269-283",
        licence="free for research with citation",
        page="https://rdrr.io/cran/peacesciencer/src/R/data-leaders.R; "
        "https://rdrr.io/github/xmarquez/AuthoritarianismBook/man/archigos.html",
        tidy=tidy,
    ),
)  # fmt: skip
