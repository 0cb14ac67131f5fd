"""The history as another choice of dates, confidence or coding has it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from tocsin.check.specifications import RATED, pooled
from tocsin.errors import ModelError, suggestion
from tocsin.history.select import chosen, rebuilt

if TYPE_CHECKING:
    from tocsin.history.history import History


@dataclass(frozen=True)
class OtherData:
    """A history under one choice.

    Attributes:
        history: as chosen.
        left_out: events of the record that it does not have.
        moved: events with another date.
        kept: events whose other date would break the order of their unit or lie where it is not there: they keep
            the record's.
    """

    history: History
    left_out: int
    moved: int
    kept: int


def other_data(
    base: History, dates: str, confidence: str, coding: Any, largest: Sequence[Sequence[str]], where: str
) -> OtherData:
    """Return the history under a choice; see `OtherData`.

    Parameters:
        base: in the scope that was chosen.
        dates: ``record``, or the column of the events that has other dates.
        confidence: the least that an event may be rated; unrated events stay.
        coding: ``record``, a coding of the history, or a name with events that it leaves out.
        largest: sets of layers to join into one of the largest tie each.
        where: what messages call the file of choices.

    Raises:
        ModelError: the history has no such column, coding, event or layer.
    """
    if isinstance(coding, str) and coding != "record":
        if coding not in base.codings:
            raise ModelError(
                f"{where}, vary, coding: {base.name!r} has no coding {coding!r}"
                + suggestion(coding, base.codings)
            )
        base = base.coding(coding)
    table = base.table("events")
    rows = [
        {key: row.get(key) for key in ("unit", "variable", "state", "time", "confidence", dates)} | {"row": k}
        for k, row in enumerate(table.to_pylist())
    ]
    before = len(rows)
    if isinstance(coding, dict):
        rows = _without(rows, coding["without"], f"{where}, vary, coding, {coding['name']}")
    if confidence != "any":
        least = RATED.index(confidence)
        rows = [r for r in rows if r["confidence"] not in RATED or RATED.index(r["confidence"]) >= least]
    moved = kept = 0
    if dates != "record":
        if dates not in table.column_names:
            raise ModelError(
                f"{where}, vary, dates: events of {base.name!r} have no column {dates!r}"
                + suggestion(dates, table.column_names)
            )
        moved, kept = _redated(base, rows, dates)
    rows = _changes(base, rows)
    events = table.take(pa.array([row["row"] for row in rows], pa.int64()))
    place = events.column_names.index("time")
    times = pa.array([row["time"] for row in rows], events.schema.field("time").type)
    tables = dict(base._tables) | {"events": events.set_column(place, "time", times)}
    layers = dict(base.layers)
    for names in largest:
        label = pooled({"largest": names})[0]
        ties = tables["ties"]
        wanted = chosen(names, base.layers, "layer")
        plain = ties.column("layer").cast(pa.string()).to_pylist()
        some = ties.take(pa.array([k for k, name in enumerate(plain) if name in wanted], pa.int64()))
        both = plain + [label] * some.num_rows
        ties = pa.concat_tables([ties, some]).set_column(
            ties.column_names.index("layer"), "layer", pa.array(both, pa.string())
        )
        tables["ties"], layers[label] = ties.unify_dictionaries(), "max"
    return OtherData(rebuilt(base, tables, layers=layers), before - len(rows), moved, kept)


def _without(rows: list[dict[str, Any]], named: Sequence[str], where: str) -> list[dict[str, Any]]:
    """Leave out events named as "UNIT" or "UNIT DATE"; each name must be of some."""
    there = {r["unit"] for r in rows} | {f"{r['unit']} {r['time']}" for r in rows}
    for name in named:
        if name not in there:
            raise ModelError(f"{where}: no event is {name!r}" + suggestion(name, sorted(there)))
    return [r for r in rows if r["unit"] not in named and f"{r['unit']} {r['time']}" not in named]


def _redated(base: History, rows: list[dict[str, Any]], column: str) -> tuple[int, int]:
    """Give events their other dates where these keep the order of the unit's events; return how many, and not."""
    numbers = base.numbers
    place = {name: k for k, name in enumerate(numbers.units)}
    moved = kept = 0
    courses: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for row in rows:
        courses.setdefault((row["unit"], row["variable"]), []).append(row)
    for (unit, _), course in courses.items():
        for k, row in enumerate(course):
            other = _time(row[column], row["time"])
            if other is None or other == row["time"]:
                continue
            at = base.to_number(other)
            first, last = (float(each[place[unit]]) for each in (numbers.enter, numbers.exit))
            after = k == 0 or course[k - 1]["time"] < other
            early = k + 1 == len(course) or other < course[k + 1]["time"]
            if first <= at < last and after and early:
                row["time"], moved = other, moved + 1
            else:
                kept += 1
    return moved, kept


def _time(text: Any, like: Any) -> Any:
    """Return what a cell of other dates says; None where it says no one day."""
    if text is None or text == "":
        return None
    if isinstance(like, date):
        return date.fromisoformat(text) if re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", str(text)) else None
    try:
        return type(like)(text)
    except ValueError:
        return None


def _changes(base: History, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the events in time that change a state: the end of what is left out goes with it."""
    numbers = base.numbers
    place = {name: k for k, name in enumerate(numbers.units)}
    variables = {variable.name: variable for variable in base.variables}
    now: dict[tuple[str, str], str] = {}
    left = []
    for row in sorted(rows, key=lambda row: row["time"]):
        variable, key = variables[row["variable"]], (row["unit"], row["variable"])
        entry = variable.states[int(np.asarray(numbers.initial[variable.name])[place[row["unit"]]])]
        if row["state"] != now.get(key, entry) or variable.recurrent:
            left.append(row)
            now[key] = row["state"]
    return left
