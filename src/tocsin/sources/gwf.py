"""Geddes, Wright and Frantz: autocratic regimes by country-year, and how they end."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tocsin.sources.source import Cells, Source, others

if TYPE_CHECKING:
    import pandas as pd

OPTIONAL = ("gwf_fail", "gwf_startdate", "gwf_enddate", "gwf_spell", "gwf_duration", "gwf_fail_subsregime",
            "gwf_fail_type", "gwf_fail_violent", "gwf_regimetype", "gwf_party", "gwf_personal", "gwf_military",
            "gwf_monarch", "gwf_monarchy", "gwf_nonautocracy", "gwf_next", "gwf_prior")  # fmt: skip


def tidy(cells: Cells, layout: str) -> pd.DataFrame:
    """Return unit (COW code), label, year, case (the regime) and what the file says of it and of its end."""
    found = {"unit": cells.text("cowcode", "no country"), "label": cells.text("gwf_country")}
    found |= {"year": cells.number("year", "no year", whole=True), "case": cells.text("gwf_casename")}
    told = {name.removeprefix("gwf_"): values for name, values in others(cells, OPTIONAL).items()}
    return cells.result(found | told)


SOURCES = (
    Source(
        name="gwf",
        title="Autocratic Regimes 1.2 (Geddes, Wright and Frantz)",
        kind="panel",
        layouts={
            "autocracies (GWFtscs)": ("cowcode", "year", "gwf_country", "gwf_casename", "gwf_fail", "gwf_duration"),
            "all regimes (GWF_AllPoliticalRegimes)": (
                "cowcode", "year", "gwf_country", "gwf_casename", "gwf_nonautocracy",
            ),
        },
        optional=OPTIONAL,
        units="cow",
        precision="year: the regime in power on 1 January; gwf_fail is 1 in the year that it ends; start and end by day",
        coverage="states with more than one million people, 1946-2010; regimes in power at the end of 2010 are censored",
        citation="Geddes, B., J. Wright and E. Frantz (2014), Autocratic breakdown and regime transitions: a new data "
        "set, Perspectives on Politics 12(2), 313-331",
        licence="free for research with citation",
        page="https://xmarquez.github.io/democracyData/reference/gwf_all.html; "
        "https://docslib.org/doc/7812349/autocratic-regimes-code-book",
        tidy=tidy,
    ),
)  # fmt: skip
