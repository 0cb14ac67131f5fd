"""UCDP GED: events of organised violence, each known to have happened between two days."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tocsin.sources.source import Cells, Source, others

if TYPE_CHECKING:
    import pandas as pd

KINDS = {1.0: "state-based", 2.0: "non-state", 3.0: "one-sided"}

OPTIONAL = ("best", "low", "high", "where_prec", "latitude", "longitude", "conflict_name", "dyad_name", "side_a",
            "side_b", "adm_1", "id")  # fmt: skip


def tidy(cells: Cells, layout: str) -> pd.DataFrame:
    """Return unit (GW code), label, time, time_latest (missing: the day is known), precision, kind, deaths, place.

    date_prec 1 is a day that is known; with 2 to 5 the event lies between date_start and date_end.
    """
    unit, label = cells.text("country_id", "no country"), cells.text("country")
    first, last = cells.day("date_start", "no day"), cells.day("date_end", "no day")
    cells.check("date_end", last, last < first, "date_end lies before date_start")
    precision = cells.number("date_prec", whole=True)
    cells.check(
        "date_prec", precision, (precision < 1) | (precision > 5), "date_prec is a number from 1 to 5"
    )
    latest = np.where((last > first), last, np.datetime64("NaT", "D"))
    kind = cells.number("type_of_violence")
    found = {"unit": unit, "label": label, "time": first, "time_latest": latest, "precision": precision}
    found["kind"] = np.array([KINDS.get(value, "") for value in kind], object)
    return cells.result(found | others(cells, OPTIONAL))


SOURCES = (
    Source(
        name="ged",
        title="UCDP Georeferenced Event Dataset (GED 17 to 26)",
        kind="events",
        layouts={
            "events": ("id", "type_of_violence", "country", "country_id", "date_prec", "date_start", "date_end"),
        },
        optional=OPTIONAL,
        units="gw",
        precision="day; time_latest where only the span is known (date_prec 2 to 5)",
        coverage="the world from 1989 to the year before the release (older versions: Africa), events with a death in "
        "conflicts that pass 25 deaths in a year; a country that is not listed had none",
        citation="Sundberg, R. and E. Melander (2013), Introducing the UCDP Georeferenced Event Dataset, Journal of "
        "Peace Research 50(4), 523-532; and the codebook of the version",
        licence="CC BY 4.0",
        page="https://tonyytliu.github.io/world_conflict_data/data-sources.html; "
        "https://rdrr.io/cran/mapme.biodiversity/man/fatalities_ucpd.html; "
        "https://cdc.univ-lille.fr/ucdp-georeferenced-event-dataset-ged-v-22-1",
        tidy=tidy,
    ),
)  # fmt: skip
