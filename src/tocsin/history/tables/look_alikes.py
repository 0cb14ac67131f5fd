"""Columns that a table does not know but whose names mean a time, a place or an identifier in other data sets."""

from __future__ import annotations

import re
import unicodedata

_TIME = "(dates?|datetime|timestamp|datum|fecha|day|month|year|yrs?|jahr|annee|ano|time|period|quarter|week|decade)"

# What a time may be of.
_OF = r"((event|obs|observation|adoption|adopt|onset|incident|effective|reference|ref|survey|calendar|min|max)_?)?"

_START = (
    "(st|s|start|starts|started|starting|beg|begin|begins|begun|beginning|began|from|since|valid_?from|birth|born|"
    "entry|entered|first|open|opened|opening|onset|founded|earliest)"
)

_END = (
    "(end|e|ends|ended|ending|stop|stops|stopped|until|till|to|valid_?to|valid_?until|death|died|exit|exited|left|fin|"
    "term|termination|terminated|last|close|closed|closing|latest)"
)

# Words that mean a time only beside one of time.
_BARE = "(?!(s|e|st|onset|open(ed|ing)?|founded|clos(e|ed|ing)|left|term|fin|born|died|entered|exited|terminated)$)"

_WHO = (
    "(unit|country|state|nation|c|cow|gw|un|node|actor|place|region|location|polity|dyad|side|source|target|project|"
    "member|vdem|event|conflict|admin)"
)

_KINDS = {
    "start": re.compile(
        rf"{_BARE}{_START}(_?{_TIME})?|t?_?{_TIME}_?(start|from|in|earliest|first|begin)|tstart"
    ),
    "end": re.compile(
        rf"{_BARE}{_END}(_?{_TIME})?|t?_?{_TIME}_?(end|to|out|stop|latest|last|until)|tstop|tend"
    ),
    "moment": re.compile(rf"{_OF}{_TIME}|when|t"),
    "lat": re.compile(
        r"((cap|capital|centroid|center|centre)_?)?(lat|latitude)(_?(dd|deg|wgs))?|y_?(coord|coordinate|centroid)|northing"
    ),
    "lon": re.compile(
        r"((cap|capital|centroid|center|centre)_?)?(lon|lng|long|longitude)(_?(dd|deg|wgs))?|x_?(coord|coordinate|centroid)|easting"
    ),
    "place": re.compile("coord|coords|coordinates|geom|geometry|wkt|geolocation"),
    "unit": re.compile(
        rf"(.+_)?(id|ids|uid|guid|uuid|code|codes)|{_WHO}_?[ab]?_?(id|code|no|nr|num|abb|abbr|abbrev|nme)_?[abcn]?|"
        rf"{_WHO}_?(name|text_?id)(_en)?|(state|side|country|actor|unit)_?[ab]|state[lh]no|state_(no|ab)|countries|nations|"
        "dyad|cown|cowc|gwn|gwc|vdem|iso|iso_?[an]|iso_?[cn]|iso_?[23]_?[acn]?|isocode|fips|nuts|geoid|m_?49|abb|abbr|"
        "country|nation|units?|id_(no|nr)|(src|tgt|sender|receiver)(_?id)?"
    ),
    "label": re.compile("name|names|name_en|full_?name"),
}

# What a name of each kind was probably meant for, by table; None where it belongs into another table.
_MEANT: dict[str, dict[str, str]] = {
    "units": {
        "start": "enter",
        "end": "exit",
        "moment": "enter",
        "lat": "lat",
        "lon": "lon",
        "unit": "unit",
        "label": "label",
    },
    "events": {"start": "time", "end": "time_latest", "moment": "time", "unit": "unit"},
    "ties": {"start": "start", "end": "end", "moment": "start", "unit": "source"},
    "covariates": {"start": "start", "end": "end", "moment": "start", "unit": "unit"},
}

_WORDS = {"unit": "an identifier", "label": "a name"} | dict.fromkeys(("lat", "lon", "place"), "a place")


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
    folded = "".join(
        sign for sign in unicodedata.normalize("NFKD", folded) if not unicodedata.combining(sign)
    )
    numbered = re.sub(r"_?[0-9]$", "", folded)
    for kind, pattern in _KINDS.items():
        if (kind == "label" and kind not in meant) or not (
            pattern.fullmatch(folded) or pattern.fullmatch(numbered)
        ):
            continue
        word = _WORDS.get(kind, "a time")
        if kind in ("lat", "lon", "place"):
            place = "lat and lon" if kind == "place" else kind
            return word, place if table.startswith("units") else f"{place} of the units"
        return word, meant[kind]
    return None
