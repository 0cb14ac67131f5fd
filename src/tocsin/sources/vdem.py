"""V-Dem: country-years; some 4,000 columns, of which the main indices are read and any other that is asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tocsin.sources.source import Cells, Source, others

if TYPE_CHECKING:
    import pandas as pd

OPTIONAL = ("country_text_id", "cowcode", "v2x_polyarchy", "v2x_libdem", "v2x_partipdem", "v2x_delibdem",
            "v2x_egaldem", "v2x_regime", "v2x_suffr", "v2x_civlib", "codingstart", "codingend", "e_gdppc",
            "e_pop")  # fmt: skip


def tidy(cells: Cells, layout: str) -> pd.DataFrame:
    """Return unit (country_id), label, year and indices; ask for others with ``tc.read(..., columns=[...])``."""
    found = {"unit": cells.text("country_id", "no country"), "label": cells.text("country_name")}
    found["year"] = cells.number("year", "no year", whole=True)
    return cells.result(found | others(cells, OPTIONAL))


SOURCES = (
    Source(
        name="vdem",
        title="V-Dem, country-years",
        kind="panel",
        layouts={"core or full (V-Dem-CY)": ("country_name", "country_text_id", "country_id", "year")},
        optional=OPTIONAL,
        units="vdem",
        precision="year; a year pools all that was so in it",
        coverage="182 to 202 political units, 1789 to last year; codingstart and codingend by country, with gaps",
        citation="Coppedge, M. et al., V-Dem Country-Year Dataset (state the version), Varieties of Democracy Project",
        licence="CC BY-SA 4.0",
        page="https://rdrr.io/pkg/vdem/man/VDem_plus.html; github.com/vdeminstitute/vdemdata",
        tidy=tidy,
    ),
)
