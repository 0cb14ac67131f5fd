"""ACLED: political violence and protest. Coding begins at a different time in each country: silence before is no peace."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tocsin.sources.source import Cells, Source, others

if TYPE_CHECKING:
    import pandas as pd

OPTIONAL = ("sub_event_type", "actor1", "actor2", "fatalities", "admin1", "latitude", "longitude", "geo_precision",
            "disorder_type", "iso", "event_id_cnty")  # fmt: skip

WEEK = np.timedelta64(3, "D")


def tidy(cells: Cells, layout: str) -> pd.DataFrame:
    """Return unit (ISO number, else the name), label, time, time_latest, kind, coded_from, ...

    time_precision 1 is a day that is known, 2 a week (three days before to three after), 3 a month. `coded_from` is
    the first day of the first year that the file has of the country: take it as the day on which the unit enters.
    """
    label = cells.text("country", "no country")
    unit = cells.text("iso", "no country") if cells.has("iso") else label
    day = cells.day("event_date", "no day")
    precision = cells.number("time_precision", whole=True)
    cells.check("time_precision", precision, (precision < 1) | (precision > 3), "time_precision is 1, 2 or 3")
    month = day.astype("datetime64[M]")
    first = np.where(precision == 3, month.astype("datetime64[D]"), np.where(precision == 2, day - WEEK, day))
    end = (month + 1).astype("datetime64[D]") - np.timedelta64(1, "D")
    never = np.datetime64("NaT", "D")
    latest = np.where(precision == 3, end, np.where(precision == 2, day + WEEK, never))
    found = {
        "unit": unit,
        "label": label,
        "time": first,
        "time_latest": latest,
        "kind": cells.text("event_type"),
    }
    out = cells.result(found | {"day": day} | others(cells, OPTIONAL))
    out["coded_from"] = (
        out.groupby("unit")["day"].transform("min").dt.to_period("Y").dt.to_timestamp().dt.as_unit("s")
    )
    return out.drop(columns=["day", *(["iso"] if "iso" in out else [])])


SOURCES = (
    Source(
        name="acled",
        title="Armed Conflict Location and Event Data (ACLED)",
        kind="events",
        layouts={"events": ("event_id_cnty", "event_date", "time_precision", "event_type", "country")},
        optional=OPTIONAL,
        units="iso_n",
        precision="day; time_latest where only the week or the month is known (time_precision 2, 3)",
        coverage="from 1997 in Africa and later elsewhere, country by country (ACLED, country and time period "
        "coverage): before coded_from a country was not watched",
        citation="Raleigh, C., R. Kishi and A. Linke (2023), Political instability patterns are obscured by conflict "
        "dataset scope conditions, sources, and coding choices, Humanities and Social Sciences Communications 10, 74",
        licence="ACLED's terms of use; not to be passed on",
        page="https://dtacled.github.io/acledR/reference/acled_old_dummy.html; "
        "https://dtacled.r-universe.dev/acledR/data/acled_codebook/ndjson; https://acleddata.com/curated-data-files/",
        tidy=tidy,
    ),
)
