"""The Lexical Index of Electoral Democracy: yes or no to elections, competition and suffrage, by country-year."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tocsin.sources.source import Cells, Source

if TYPE_CHECKING:
    import pandas as pd

NEW = {
    "legislative_elections": "legislative_elections",
    "executive_elections": "executive_elections",
    "multi_party_legislative_elections": "multiparty",
    "competitive_elections": "competition",
    "male_suffrage": "male_suffrage",
    "female_suffrage": "female_suffrage",
    "lexical_index": "lexical_index",
}

OLD = {
    "legselec": "legislative_elections",
    "exselec": "executive_elections",
    "opposition": "multiparty",
    "competition": "competition",
    "male_suffrage": "male_suffrage",
    "female_suffrage": "female_suffrage",
    "lexical_index": "lexical_index",
}


def tidy(cells: Cells, layout: str) -> pd.DataFrame:
    """Return unit (COW code), label, year, six columns of 0 and 1, and lexical_index."""
    names = NEW if layout.startswith("v6") else OLD
    country = next(name for name in ("countryn", "country", "country_name") if cells.has(name))
    unit = cells.text("cow", "no COW code (an entity outside the list of states)")
    found = {"unit": unit, "label": cells.text(country), "year": cells.number("year", "no year", whole=True)}
    for theirs, ours in names.items():
        values = cells.number(theirs)
        most = 6 if theirs == "lexical_index" else 1
        cells.check(theirs, values, (values < 0) | (values > most), f"a number from 0 to {most} is wanted")
        found[ours] = values
    return cells.result(found)


SOURCES = (
    Source(
        name="lied",
        title="Lexical Index of Electoral Democracy",
        kind="panel",
        layouts={
            "v6": ("cow", "year", *NEW),
            "v1 to v5": ("cow", "year", *OLD),
        },
        optional=("countryn", "country", "country_name"),
        units="cow",
        precision="year: the state of affairs on 31 December",
        coverage="independent states and, from v6, colonies, 1789 to last year",
        citation="Skaaning, S.-E., J. Gerring and H. Bartusevicius (2015), A lexical index of electoral democracy, "
        "Comparative Political Studies 48(12), 1491-1525",
        licence="as Harvard Dataverse states it with the file (doi:10.7910/DVN/WPKNIT)",
        page="https://xmarquez.github.io/democracyData/reference/LIED.html; github.com/xmarquez/democracyData "
        "(R/data_documentation.R)",
        tidy=tidy,
    ),
)
