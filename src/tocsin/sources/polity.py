"""Polity5: authority of states by year. -66, -77 and -88 are no scores: they say why there is none."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tocsin.sources.source import Cells, Source, others

if TYPE_CHECKING:
    import pandas as pd

INTERRUPTED = {-66.0: "foreign interruption", -77.0: "interregnum", -88.0: "transition"}

OPTIONAL = ("democ", "autoc", "xrreg", "xrcomp", "xropen", "xconst", "parreg", "parcomp", "exrec", "exconst", "polcomp",
            "durable", "fragment")  # fmt: skip


def tidy(cells: Cells, layout: str) -> pd.DataFrame:
    """Return unit, label, year, polity, polity2, the components, and `authority`: why a year has no score."""
    unit, label = cells.text("ccode", "no country"), cells.text("country")
    year = cells.number("year", "no year", whole=True)
    raw = cells.frame["polity"]
    authority = np.full(cells.rows, "", object)
    for code, meaning in INTERRUPTED.items():
        authority[[_is(value, code) for value in raw]] = meaning
    found = {"unit": unit, "label": label, "year": year, "polity": cells.number("polity")}
    found |= {"polity2": cells.number("polity2"), "authority": authority}
    return cells.result(found | others(cells, OPTIONAL))


def _is(value: object, code: float) -> bool:
    try:
        return float(str(value)) == code
    except ValueError:
        return False


SOURCES = (
    Source(
        name="polity",
        title="Polity5 or Polity IV, country-years",
        kind="panel",
        layouts={"annual series (p5v2018, p4v2018)": ("ccode", "country", "year", "polity", "polity2")},
        optional=OPTIONAL,
        units="polity",
        missing={"*": INTERRUPTED, "fragment": {}},
        precision="year: the state of affairs on 31 December",
        coverage="independent states with more than 500,000 people, 1800-2018",
        citation="Marshall, M. G. and T. R. Gurr (2020), Polity5: Political Regime Characteristics and Transitions, "
        "1800-2018, Center for Systemic Peace",
        licence="free for research with citation; not to be passed on",
        page="https://xmarquez.github.io/democracyData/reference/polityIV.html (columns, and codes of countries that "
        "differ from COW); https://rdrr.io/github/abissellsiders/ipsed/man/govt_polity.html (-66, -77, -88)",
        tidy=tidy,
    ),
)
