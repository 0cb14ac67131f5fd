"""The dated table of states and other units: each row a stretch of days in which a unit has the same codes."""

from __future__ import annotations

import csv
import datetime
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING

from tocsin.errors import TocsinError, suggestion
from tocsin.history.borders import plain

if TYPE_CHECKING:
    import pandas as pd

SCHEMES: Mapping[str, str] = {
    "cow": "Correlates of War, number",
    "cowc": "Correlates of War, letters",
    "gw": "Gleditsch and Ward, number",
    "gwc": "Gleditsch and Ward, letters",
    "polity": "Polity5, number",
    "iso3": "ISO 3166-1, three letters",
    "iso_n": "ISO 3166-1, number",
    "vdem": "V-Dem country_id",
    "place": "place of a record of Tocsin, such as 1917/hungary",
    "name": "name in English",
}

EARLIEST, LATEST = datetime.date.min, datetime.date.max

_FOLDED = {"saint": "st", "and": "", "the": ""}


@dataclass(frozen=True)
class Stretch:
    """A unit from one day to another, both included, with its codes by scheme ("" for none)."""

    start: datetime.date
    end: datetime.date
    codes: Mapping[str, str]

    def told(self, scheme: str) -> str:
        """Return the code, the name and the days, as in ``817 Republic of Vietnam (1954-06-04 to 1975-04-30)``."""
        code = "" if scheme == "name" else f"{self.codes[scheme]} "
        until = "now" if self.end == LATEST else self.end.isoformat()
        return f"{code}{self.codes['name']} ({self.start.isoformat()} to {until})"


def folded(name: str) -> str:
    """Return a name without case, accents, punctuation, "the" and "and"; "Saint" and "St." are the same."""
    words = (_FOLDED.get(word, word) for word in plain(name).split("_"))
    return "_".join(word for word in words if word)


def normal(code: object, scheme: str) -> str:
    """Return a code as the table writes it: no decimals, no zeros before a number, letters as capitals."""
    text = re.sub(r"\.0+$", "", str(code).strip())
    if scheme == "name":
        return folded(text)
    if scheme in ("cow", "gw", "polity", "iso_n", "vdem"):
        return text.lstrip("0") or text
    return text if scheme == "place" else text.upper()


def check_scheme(scheme: object, argument: str) -> str:
    """Return the name of a scheme, or refuse it with those that there are."""
    if scheme not in SCHEMES:
        raise TocsinError(f"{argument}={scheme!r} is no list of units" + suggestion(str(scheme), SCHEMES))
    return str(scheme)


@cache
def stretches() -> tuple[Stretch, ...]:
    """Every row of the packaged table."""
    source = resources.files("tocsin.units") / "states.csv"
    with source.open(encoding="utf-8") as stream:
        return tuple(
            Stretch(
                datetime.date.fromisoformat(row["start"]),
                datetime.date.fromisoformat(row["end"]) if row["end"] else LATEST,
                row,
            )
            for row in csv.DictReader(stream)
        )


@cache
def by_code(scheme: str) -> dict[str, list[Stretch]]:
    """The rows of each code of a scheme; of each name, aliases included."""
    found: dict[str, list[Stretch]] = {}
    for stretch in stretches():
        for code in _codes(stretch, scheme):
            found.setdefault(normal(code, scheme), []).append(stretch)
    return found


def _codes(stretch: Stretch, scheme: str) -> Iterator[str]:
    if stretch.codes[scheme]:
        yield stretch.codes[scheme]
    if scheme == "name" and stretch.codes["aliases"]:
        yield from stretch.codes["aliases"].split("|")


def states() -> pd.DataFrame:
    """Return the table: name, start, end (missing: to this day), a column for each scheme of codes, part_of,
    capital, lat, lon (degrees), aliases (separated by a bar).

    A row is a stretch of days in which a unit has the same codes: Germany is 255 of COW and 260 of GW from
    1990-10-03. Sources: the lists of COW and of Gleditsch and Ward (1999) as the R package *states* has them
    (MIT), GeoNames (CC BY 4.0), the records of Tocsin (CC BY 4.0).

    >>> tc.units.states().query("cow == '300'").capital.unique()
    """
    import pandas as pd

    frame = pd.DataFrame([dict(stretch.codes) for stretch in stretches()])
    for column in ("start", "end"):
        frame[column] = pd.to_datetime(frame[column].replace("", None)).dt.as_unit("s")
    for column in ("lat", "lon"):
        frame[column] = pd.to_numeric(frame[column])
    return frame
