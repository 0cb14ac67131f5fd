"""NAVCO: nonviolent and violent campaigns: 1.3 a row a campaign, 2.0 a row a campaign-year. -99 is not known."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tocsin.sources.source import Cells, Source, others, year_days

if TYPE_CHECKING:
    import pandas as pd

UNKNOWN = {-99.0: "not known"}
METHODS = {0.0: "violent", 1.0: "nonviolent"}

CITATION = (
    "Chenoweth, E. and O. A. Lewis (2013), Unpacking nonviolent campaigns: introducing the NAVCO 2.0 dataset, "
    "Journal of Peace Research 50(3), 415-423"
)


def campaigns(cells: Cells, layout: str) -> pd.DataFrame:
    """Return unit (the name of the place), campaign, start, end (days of the first and last year), method, success."""
    unit, campaign = cells.text("location", "no place"), cells.text("campaign")
    start, _ = year_days(cells.number("byear", "no first year", whole=True))
    _, end = year_days(cells.number("eyear", whole=True))
    peaceful, violent = cells.number("nonviol"), cells.number("viol")
    method = np.where(peaceful == 1, "nonviolent", np.where(violent == 1, "violent", "")).astype(object)
    cells.leave(method == "", "neither violent nor nonviolent")
    found = {"unit": unit, "campaign": campaign, "start": start, "end": end, "method": method}
    return cells.result(found | others(cells, ("success", "regchange", "secession", "fselfdet")))


def years(cells: Cells, layout: str) -> pd.DataFrame:
    """Return unit (COW code where the file has one, else the name), label, campaign (its number), year, method, ..."""
    label = cells.text("location", "no place")
    unit = cells.text("lccode", "no country code") if cells.has("lccode") else label
    method = cells.number("prim_method")
    cells.check("prim_method", method, ~np.isin(method, [0.0, 1.0]) & ~np.isnan(method), "a method is 0 or 1")
    cells.leave(np.isnan(method), "no method")
    found = {"unit": unit, "label": label, "campaign": cells.text("id", "no campaign")}
    found["year"] = cells.number("year", "no year", whole=True)
    found["method"] = np.array([METHODS.get(value, "") for value in method], object)
    return cells.result(found | others(cells, OPTIONAL[1:]))


OPTIONAL = ("lccode", "camp_goals", "success", "camp_size", "camp_size_est", "sec_defect", "repression", "in_media",
            "target")  # fmt: skip

SOURCES = (
    Source(
        name="navco_1_3",
        title="NAVCO 1.3",
        kind="spells",
        layouts={"campaigns": ("navcoid", "campaign", "location", "byear", "eyear", "nonviol", "viol")},
        optional=("success", "regchange", "secession", "fselfdet"),
        units="name",
        missing={"*": UNKNOWN},
        precision="year",
        coverage="622 campaigns with maximal aims and more than 1,000 people, 1900-2019; smaller ones are not listed",
        citation="Chenoweth, E. and C. W. Shay (2020), List of Campaigns in NAVCO 1.3, Harvard Dataverse, "
        "doi:10.7910/DVN/ON9XND",
        licence="CC0 1.0 on Harvard Dataverse",
        page="Harvard Dataverse, doi:10.7910/DVN/ON9XND, NAVCO 1.3 List.tab",
        tidy=campaigns,
    ),
    Source(
        name="navco_2_0",
        title="NAVCO 2.0",
        kind="panel",
        layouts={"campaign-years": ("id", "location", "year", "prim_method", "navco1designation")},
        optional=OPTIONAL,
        units="cow",
        missing={"*": UNKNOWN},
        precision="year",
        coverage="250 campaigns, 1945-2006",
        citation=CITATION,
        licence="as navcodata.org and Harvard Dataverse state it with the file",
        page="https://rdrr.io/github/xmarquez/AuthoritarianismBook/man/navco_2.html (columns, and -99 for unknown)",
        tidy=years,
    ),
)
