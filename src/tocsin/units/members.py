"""The members of a list of states as the units of a history, with their presence and capitals."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tocsin.errors import TocsinError
from tocsin.units.resolve import period
from tocsin.units.table import LATEST, Stretch, check_scheme, stretches

if TYPE_CHECKING:
    import pandas as pd


def members(of: str, first: object = None, last: object = None, *, spells: bool = True) -> pd.DataFrame:
    """Return unit (the code), label, enter, exit (missing: to this day), lat, lon of all that were in a list.

    Parameters:
        of: cow, gw, polity, iso3, iso_n or vdem (see `states`); label and capital are those of the last days.
        first, last: dates, months or years between which they were; at any time by default.
        spells: one row for each spell of presence; False: one row from the first day to the last, gaps included.

    >>> tc.ties.nearest(tc.units.members("gw", 1990, 1999, spells=False), k=4)
    """
    import pandas as pd

    if check_scheme(of, "of") in ("name", "place"):
        raise TocsinError(f"of={of!r} is no list of states: say cow, gw, polity, iso3, iso_n or vdem")
    begin, end = period(first)[0], period(last)[1]
    there = [each for each in stretches() if each.codes[of] and each.start <= end and begin <= each.end]
    runs: dict[str, list[Stretch]] = {}
    for each in sorted(there, key=lambda each: each.start):
        known = runs.setdefault(each.codes[of], [])
        if known and (not spells or (each.start - known[-1].end).days <= 1):
            before = known.pop()
            each = Stretch(before.start, max(before.end, each.end), each.codes)
        known.append(each)
    found = pd.DataFrame(
        {
            "unit": code,
            "label": run.codes["name"],
            "enter": run.start.isoformat(),
            "exit": None if run.end == LATEST else run.end.isoformat(),
            "lat": float(run.codes["lat"] or "nan"),
            "lon": float(run.codes["lon"] or "nan"),
        }
        for code, known in runs.items()
        for run in known
    )
    for column in ("enter", "exit"):
        found[column] = pd.to_datetime(found[column]).dt.as_unit("s")
    return found
