"""One unit under another code: what it is called in a list on a date, or why that cannot be said."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Sequence

from tocsin.errors import TocsinError, nearest
from tocsin.history.time import read_date
from tocsin.units.table import EARLIEST, LATEST, SCHEMES, Stretch, by_code, check_scheme, normal

EPOCH, DAY = datetime.date(1970, 1, 1), datetime.timedelta(days=1)

Period = tuple[datetime.date, datetime.date]


def resolve(unit: object, on: object = None, *, to: str, of: str | None = None) -> str:
    """Return the code of a unit in a list on a date.

    Parameters:
        unit: a name in English (current or of its time), or a code.
        on: a date, a month (``"1914-06"``) or a year (``1914``): the code must be the same on all days of it on
            which the unit has one. None: whenever the unit has a code, if it is always the same.
        to: the list of the answer: cow, cowc, gw, gwc, polity, iso3, iso_n, vdem, place or name.
        of: the list that `unit` is a code of; a name by default. A bare number must say of what it is.

    Raises:
        TocsinError: the unit is unknown, is not in the list on that date, or may be either of several.

    >>> tc.units.resolve("Austria-Hungary", on="1914-06-28", to="cow")
    '300'
    """
    wanted = check_scheme(to, "to")
    scheme = _scheme(unit, of)
    first, last = period(on)
    rows = found(unit, scheme)
    there = preferred([row for row in rows if row.start <= last and first <= row.end], wanted)
    codes = {row.codes[wanted] for row in there if row.codes[wanted]}
    if len(codes) == 1:
        return codes.pop()
    raise TocsinError(refusal(unit, on, wanted, rows, there))


def preferred(rows: list[Stretch], to: str) -> list[Stretch]:
    """Return the rows of states where they have a code; places of a record speak only where no state does."""
    states = [row for row in rows if not row.codes["place"]]
    return states if any(row.codes[to] for row in states) else rows


def refusal(unit: object, on: object, to: str, rows: Sequence[Stretch], there: Sequence[Stretch]) -> str:
    """Return why a unit has no single code: out of date, in no list, or several."""
    when = "" if on is None else f" on {on}"
    options = _distinct(there, to)
    several = dict.fromkeys(row.codes[to] for row in options)
    if len(several) > 1:
        codes = " or ".join(several)
        return f"{unit!r}{when} is {codes} in {to}: {_listed(options, to)}; say which"
    ever = _distinct(rows, to)
    if ever:
        return f"{unit!r} has no code in {to}{when}; it has {_listed(ever, to)}"
    part = next((row.codes["part_of"] for row in there or rows if row.codes["part_of"]), "")
    return f"{unit!r} has no code in {to} at any time" + (f"; it is part of {part}" if part else "")


def found(unit: object, scheme: str) -> list[Stretch]:
    """Return every row of a code or a name, at whatever time.

    Raises:
        TocsinError: no row has it; the nearest name is told.
    """
    table = by_code(scheme)
    rows = table.get(normal(unit, scheme))
    if rows:
        return rows
    hint = ""
    if scheme == "name":
        other = [each for each in ("iso3", "cowc", "gwc") if normal(unit, each) in by_code(each)]
        near = nearest(normal(unit, "name"), table) if isinstance(unit, str) else None
        if other:
            hint = f"; it is a code: say of={' or of='.join(map(repr, other))}"
        elif near is not None:
            hint = f"; did you mean {table[near][0].codes['name']!r}?"
    raise TocsinError(
        f"{unit!r} is no {'unit' if scheme == 'name' else 'code of ' + scheme} known here{hint}"
    )


def period(on: object) -> Period:
    """Return the first and the last day of a date, a month, a year, or of all time for None."""
    if on is None:
        return EARLIEST, LATEST
    if isinstance(on, datetime.datetime):
        on = on.date()
    if isinstance(on, datetime.date):
        return on, on
    text = str(on).strip()
    text = text[:-2] if text.endswith(".0") else text
    unit = {4: "year", 7: "month"}.get(len(text), "day")
    try:
        first = EPOCH + datetime.timedelta(days=read_date(text, unit))
    except ValueError as error:
        raise TocsinError(f"on={on!r} is no date such as 1914-06-28, 1914-06 or 1914: {error}") from None
    if unit == "year":
        return first, first.replace(month=12, day=31)
    if unit == "month":
        following = (first.replace(day=28) + datetime.timedelta(days=4)).replace(day=1)
        return first, following - datetime.timedelta(days=1)
    return first, first


def _scheme(unit: object, of: str | None) -> str:
    if of is not None:
        return check_scheme(of, "of")
    text = str(unit).strip()
    if text.replace(".0", "").isdigit():
        lists = [
            each for each in ("cow", "gw", "polity", "iso_n", "vdem") if normal(text, each) in by_code(each)
        ]
        told = ", ".join(repr(each) for each in lists) or f"one of {', '.join(SCHEMES)}"
        raise TocsinError(f"{unit!r} is a number: say of= which list it is a code of ({told})")
    return "name"


def _distinct(rows: Iterable[Stretch], to: str) -> list[Stretch]:
    """The runs of days on which each code is had, in the order of codes."""
    runs: dict[str, list[Stretch]] = {}
    for row in sorted(rows, key=lambda row: row.start):
        code = row.codes[to]
        if code:
            before = runs.setdefault(code, [])
            if before and before[-1].end != LATEST and row.start <= before[-1].end + DAY:
                row = Stretch(before[-1].start, max(before.pop().end, row.end), row.codes)
            before.append(row)
    numbered = sorted(runs, key=lambda code: (len(code), code) if code.isdigit() else (99, code))
    return [run for code in numbered for run in runs[code]]


def _listed(rows: Sequence[Stretch], to: str) -> str:
    return ", ".join(row.told(to) for row in rows)
