"""Columns that a table does not know but whose names mean a time, a place or an identifier in other data sets."""

from __future__ import annotations

import re

# Of words of time, those that say nothing of a beginning or an end.
_TIME = r"(date|dates|day|month|year|yr|yrs|time|period|quarter|week)"

_START = r"(st|start|starts|started|starting|beg|begin|begins|begun|beginning|began|from|since|valid_?from|birth|entry)"

_END = r"(end|ends|ended|ending|stop|stops|until|till|to|valid_?to|valid_?until|death|exit|fin|term)"

_KINDS = {
    "start": re.compile(rf"{_START}(_?{_TIME})?|{_TIME}_?(start|from|in)"),
    "end": re.compile(rf"{_END}(_?{_TIME})?|{_TIME}_?(end|to|out)"),
    "moment": re.compile(_TIME),
    "lat": re.compile("lat|latitude|y_?coord|ycoordinate|lat_?dd"),
    "lon": re.compile("lon|lng|long|longitude|x_?coord|xcoordinate|lon_?dd"),
    "unit": re.compile(
        "id|ids|code|codes|(unit|country|state|c|cow|gw|node|actor|place|region)_?(id|code|no|nr|num)|"
        "gwno|stateabb|stateabbr|statenme|iso|iso2|iso_?n3|isocode|abb|abbr|country|countryname|country_?name"
    ),
}

# What a name of each kind was probably meant for, by table; None where it belongs into another table.
_MEANT: dict[str, dict[str, str]] = {
    "units": {"start": "enter", "end": "exit", "moment": "enter", "lat": "lat", "lon": "lon", "unit": "unit"},
    "events": {"start": "time", "end": "time_latest", "moment": "time", "unit": "unit"},
    "ties": {"start": "start", "end": "end", "moment": "start", "unit": "source"},
    "covariates": {"start": "start", "end": "end", "moment": "start", "unit": "unit"},
}


def look_alike(name: str, table: str) -> tuple[str, str] | None:
    """Return what a column's name looks like (time, place, identifier), and the column that it was meant for.

    Parameters:
        name: of a column that the table does not know.
        table: units, events, ties or covariates.
    """
    meant = _MEANT.get(table.partition(".")[0])
    if meant is None:
        return None
    spaced = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name.strip())
    folded = re.sub(r"[\s._-]+", "_", spaced).casefold().strip("_")
    folded = re.sub(r"_?[0-9]$", "", folded)
    for kind, pattern in _KINDS.items():
        if not pattern.fullmatch(folded):
            continue
        word = {"lat": "a place", "lon": "a place", "unit": "an identifier"}.get(kind, "a time")
        if kind in ("lat", "lon"):
            return word, kind if table.startswith("units") else f"{kind} of the units"
        return word, meant[kind]
    return None
