"""Histories made into one, and units made part of others."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from tocsin.errors import TocsinError, suggestion
from tocsin.history.select import rebuilt
from tocsin.history.tables import schema
from tocsin.history.time import Clock

if TYPE_CHECKING:
    from tocsin.history.history import History
    from tocsin.states import StateVariable

Row = dict[str, Any]


def merge(one: History, other: History) -> History:
    """Return two histories as one: all units, events, ties and covariates of both, in the window that spans
    both.

    A row that both have counts once; a cell that one leaves blank is taken from the other. Units of one
    history
    are present only in its own window. What the histories say of themselves (title, citation) is the first's.

    Raises:
        TocsinError: clocks, states of a variable, combine rules, outside values, or cells of a unit differ.
        HistoryError: together they break a rule (two ties of a pair in force, an event into the state held).
    """
    if one._clock.name != other._clock.name:
        raise TocsinError(f"histories of different clocks cannot be merged: {one.clock} and {other.clock}")
    variables = {variable.name: variable for variable in one.variables}
    for variable in other.variables:
        if variables.setdefault(variable.name, variable) != variable:
            raise TocsinError(f"the histories declare the variable {variable.name!r} differently")
    tables: dict[str, Any] = {}
    for kind in schema.SCHEMAS:
        mine, theirs = (_plain(history.table(kind.name)) for history in (one, other))
        if kind.name in ("units", "sources"):
            key = kind.required[0]
            pair = mine.to_pylist(), theirs.to_pylist()
            tables[kind.name] = _table(_united(*pair, _keys(*pair, key), kind.name), mine, theirs)
        elif not mine.num_rows or not theirs.num_rows:
            tables[kind.name] = mine if mine.num_rows else theirs
        else:
            tables[kind.name] = _joined(mine, theirs)
    first = min(one._clock.first, other._clock.first)
    last = max(one._clock.last, other._clock.last)
    years, meant = (all(getattr(each._clock, of) for each in (one, other)) for of in ("years", "meant"))
    clock = Clock(one._clock.name, first, last, years, meant)
    return rebuilt(
        one,
        tables,
        clock,
        layers=_agreed(one.layers, other.layers, "the combine rule of layer"),
        outside=_agreed(one.outside, other.outside, "the outside value of covariate"),
        variables=tuple(variables.values()),
        levels=_of_both(one, other),
    )


def _of_both(one: History, other: History) -> dict[str, tuple[str, ...]]:
    """Return the declared levels of both: one order that both agree to, what one alone has after the rest."""
    found = one.levels
    for name, theirs in other.levels.items():
        mine = found.get(name)
        if mine is None:
            there = one.numbers.levels.get(name, ())
            found[name] = (*theirs, *(level for level in there if level not in theirs))
            continue
        if [level for level in mine if level in theirs] != [level for level in theirs if level in mine]:
            raise TocsinError(f"the histories order the levels of {name!r} differently: {mine} and {theirs}")
        found[name] = (*mine, *(level for level in theirs if level not in mine))
    for name, mine in found.items():
        there = other.numbers.levels.get(name, ())
        found[name] = (*mine, *(level for level in there if level not in mine))
    return found


def _joined(mine: Any, theirs: Any) -> Any:
    """The rows of both, one that both have as often as the one that has it more often."""
    both = pa.concat_tables([mine, theirs], promote_options="default")
    names = both.column_names
    first = np.arange(both.num_rows) < mine.num_rows
    counted = both.append_column("\0mine", pa.array(first.astype(np.int64)))
    counted = counted.append_column("\0theirs", pa.array((~first).astype(np.int64)))
    groups = counted.group_by(names).aggregate([("\0mine", "sum"), ("\0theirs", "sum")])
    often = np.maximum(groups.column("\0mine_sum").to_numpy(), groups.column("\0theirs_sum").to_numpy())
    return groups.select(names).take(pa.array(np.repeat(np.arange(len(often)), often)))


def _agreed(mine: Mapping[str, Any], theirs: Mapping[str, Any], what: str) -> dict[str, Any]:
    for name in mine.keys() & theirs.keys():
        if mine[name] != theirs[name]:
            raise TocsinError(f"{what} {name!r} differs: {mine[name]} and {theirs[name]}")
    return {**mine, **theirs}


def _plain(table: Any) -> Any:
    """A table whose names are plain strings, so that two of them can be joined."""
    columns = [
        column.cast(pa.string()) if pa.types.is_dictionary(column.type) else column
        for column in table.columns
    ]
    return pa.Table.from_arrays(columns, table.column_names)


def _keys(mine: Sequence[Row], theirs: Sequence[Row], key: str) -> Callable[[Row], tuple[Any, ...]]:
    """Return what makes rows of both the same: the key, of units that come and go each spell of presence."""
    several = {
        name for rows in (mine, theirs) for name, count in Counter(r[key] for r in rows).items() if count > 1
    }
    return lambda row: (row[key], row["enter"], row["exit"]) if row[key] in several else (row[key],)


def _united(
    mine: Sequence[Row], theirs: Sequence[Row], key: Callable[[Row], tuple[Any, ...]], table: str
) -> list[Row]:
    rows = {key(row): dict(row) for row in mine}
    for row in theirs:
        known = rows.setdefault(key(row), dict(row))
        for name, value in row.items():
            if known.get(name) is None or known[name] != known[name]:
                known[name] = value
            elif value is not None and value == value and known[name] != value:
                if table == "units" and name in ("enter", "exit"):
                    # One may be only the other's window: present whenever either says so.
                    known[name] = (min if name == "enter" else max)(known[name], value)
                elif name == "confidence" and "unrated" in (value, known[name]):
                    known[name] = value if known[name] == "unrated" else known[name]
                else:
                    one, other = repr(known[name]), repr(value)
                    raise TocsinError(
                        f"the histories differ in {table}: {key(row)[0]!r} has {name} {one} and {other}"
                    )
    return list(rows.values())


def _table(rows: list[Row], *like: Any) -> Any:
    """Rows as an Arrow table with the column types of the tables they come from."""
    fields: dict[str, Any] = {}
    for table in like:
        for field in table.schema:
            fields.setdefault(field.name, field.type)
    return pa.table({name: pa.array([row.get(name) for row in rows], kind) for name, kind in fields.items()})


def merge_units(history: History, parents: Mapping[str, str]) -> History:
    """Return the history with some units made part of others (regions of a country, parts of a movement).

    - Events become spells: at each instant the merged unit is in the furthest of its parts' states, in
    declared
      order with the initial state first. A part counts while it is present. Each event that changes this
      keeps the
      source, confidence and note of its row; events of a recurrent variable are all kept.
    - Ties between the parts go; ties of several parts with one other unit become their maximum at each time.
    - Covariates: the parent's own rows win; one that it has no row of is the maximum of its parts' rows.
    - Own columns of units are the parent's. It is present from the first to the last day of any part.

    Parameters:
        parents: name of the unit to merge -> name of the unit it becomes part of.

    Raises:
        TocsinError: an unknown unit, or a unit that is its own parent through others.
    """
    roots = _roots(history, parents)
    if not roots:
        return history
    clock = history._clock
    tables = {name: _plain(history.table(name)) for name in history._tables}
    affected = {*roots, *roots.values()}
    names = [row["unit"] for row in tables["units"].to_pylist()]
    for name in sorted(each for each in affected if names.count(each) > 1):
        raise TocsinError(
            f"{name!r} comes and goes (it stands in {names.count(name)} rows of units), so that it cannot be merged: "
            "give it one row, or leave it as it is"
        )
    others = [row for row in tables["units"].to_pylist() if row["unit"] not in affected]
    units = {row["unit"]: row for row in tables["units"].to_pylist()}
    members: dict[str, list[Row]] = {}
    for name in sorted(affected):
        members.setdefault(roots.get(name, name), []).append(units[name])
    for root, parts in members.items():
        units[root] = units[root] | {
            "enter": min(part["enter"] for part in parts),
            "exit": max(part["exit"] for part in parts),
        }
    events = [row for row in tables["events"].to_pylist() if row["unit"] not in affected]
    for root, parts in members.items():
        mine = [
            row for row in tables["events"].to_pylist() if row["unit"] in {part["unit"] for part in parts}
        ]
        for variable in history.variables:
            start, changes = _furthest(
                root, parts, [row for row in mine if row["variable"] == variable.name], variable, clock
            )
            events += changes
            if variable.name in tables["units"].column_names:
                units[root] = units[root] | {variable.name: start}
            elif start != variable.initial:
                raise TocsinError(
                    f"{root!r} would begin in {start!r}, but {variable.name!r} begins in {variable.initial!r}"
                )
    out = dict(tables)
    whole = [row for name, row in units.items() if name in affected and name not in roots]
    out["units"] = _table(others + whole, tables["units"])
    out["events"] = _table(events, tables["events"])
    out["ties"] = _merged(
        tables["ties"], ("source", "target"), ("layer", "source", "target"), "weight", roots, affected, clock
    )
    own = (
        {
            (row["unit"], row["covariate"])
            for row in tables["covariates"].to_pylist()
            if row["unit"] in members
        }
        if tables["covariates"].num_rows
        else set()
    )
    out["covariates"] = _merged(
        tables["covariates"], ("unit",), ("unit", "covariate"), "value", roots, affected, clock, own
    )
    out["episodes"] = _table(
        [row | {"unit": roots.get(row["unit"], row["unit"])} for row in tables["episodes"].to_pylist()],
        tables["episodes"],
    )
    return rebuilt(history, out)


def _roots(history: History, parents: Mapping[str, str]) -> dict[str, str]:
    known = history.numbers.unit_index
    for name in (str(name) for pair in parents.items() for name in pair):
        if name not in known:
            raise TocsinError(f"there is no unit {name!r} in this history" + suggestion(name, known))
    up = {str(child): str(parent) for child, parent in parents.items()}
    roots = {}
    for child in up:
        path = [child]
        while path[-1] in up:
            path.append(up[path[-1]])
            if path.count(path[-1]) > 1:
                raise TocsinError(f"{child!r} cannot be part of itself: {' > '.join(path)}")
        roots[child] = path[-1]
    return roots


def _furthest(
    root: str, parts: Sequence[Row], events: Sequence[Row], variable: StateVariable, clock: Clock
) -> tuple[str, list[Row]]:
    """The state on entry and the changes of the furthest state among the parts."""
    order = [variable.initial, *(state for state in variable.states if state != variable.initial)]
    rank = {str(state): place for place, state in enumerate(order)}
    held: dict[str, int] = {}
    moments: list[tuple[float, int, int, str, int, Row]] = []
    opening = min(float(clock.begin(_raw([part["enter"]], clock))[0]) for part in parts)
    for part in parts:
        name = part["unit"]
        begin = float(clock.begin(_raw([part["enter"]], clock))[0])
        finish = float(clock.finish(_raw([part["exit"]], clock))[0])
        start = rank[part.get(variable.name) or str(variable.initial)]
        if begin <= opening:
            held[name] = start
        elif start:
            moments.append((begin, 0, 0, name, start, {"note": f"{name} enters"}))
        if finish < clock.end:
            moments.append((finish, 2, 0, name, -1, {"note": f"{name} is no more"}))
    for place, row in enumerate(events):
        time = float(clock.number(_raw([row["time"]], clock))[0])
        moments.append((time, 1, place, row["unit"], rank[row["state"]], row))
    first = state = max(held.values(), default=0)
    changes: list[Row] = []
    kept_at: set[tuple[float, int]] = set()
    for time, _, _, name, new, row in sorted(moments, key=lambda moment: moment[:4]):
        if new < 0:
            held.pop(name, None)
        else:
            held[name] = new
        now = max(held.values(), default=0)
        again = variable.recurrent and new == now and "state" in row and (time, now) not in kept_at
        if now != state or again:
            state = now
            kept_at.add((time, now))
            change = row | {
                "unit": root,
                "variable": variable.name,
                "state": order[now],
                "time": _time(time, clock),
            }
            # Several changes at one instant are what the last of them leaves.
            if changes and changes[-1]["time"] == change["time"] and not again:
                changes.pop()
            before = rank[changes[-1]["state"]] if changes else first
            if now != before or variable.recurrent:
                changes.append(change | {"sequence": None})
    return str(order[first]), changes


def _raw(values: Iterable[Any], clock: Clock) -> Any:
    """Times of Python rows as the clock takes them."""
    values = list(values)
    return pa.array(values, pa.date32()).cast(pa.int32()).to_numpy() if clock.dated else values


def _time(number: float, clock: Clock) -> Any:
    from tocsin.history.history import _date

    return _date(int(clock.days([number])[0])) if clock.dated else number


def _merged(
    table: Any,
    mapped: Sequence[str],
    key: Sequence[str],
    amount: str,
    roots: Mapping[str, str],
    affected: set[str],
    clock: Clock,
    own: Iterable[tuple[str, str]] = (),
) -> Any:
    """Rows of the parts under the name of the whole, parallel ones as their maximum at each time."""
    if not table.num_rows:
        return table
    rows, moved = [], []
    keep_out = set(own)
    for row in table.to_pylist():
        if not any(row[column] in affected for column in mapped):
            rows.append(row)
            continue
        new = row | {column: roots.get(row[column], row[column]) for column in mapped}
        if (
            len(mapped) == 2
            and new["source"] == new["target"]
            and (row["source"], row["target"]) != (new["source"], new["target"])
        ):
            continue
        if own and new["unit"] != row["unit"] and (new["unit"], new["covariate"]) in keep_out:
            continue
        moved.append(new)
    groups: dict[tuple[str, ...], list[Row]] = {}
    for row in moved:
        groups.setdefault(tuple(row[column] for column in key), []).append(row)
    for group in groups.values():
        rows += _pieces(group, amount, clock)
    return _table(rows, table)


def _pieces(group: list[Row], amount: str, clock: Clock) -> list[Row]:
    """Rows in force together cut into stretches of time, each with the greatest amount and the row that has
    it."""
    starts = clock.begin(_raw((row["start"] for row in group), clock)).tolist()
    ends = clock.finish(_raw((row["end"] for row in group), clock)).tolist()
    cuts = sorted({*starts, *ends})
    found: list[tuple[float, float, int]] = []
    for low, high in pairwise(cuts):
        over = [k for k in range(len(group)) if starts[k] <= low and ends[k] >= high]
        if not over:
            continue
        best = max(over, key=lambda k: (group[k][amount], -k))
        if found and found[-1][2] == best and found[-1][1] == low:
            found[-1] = (found[-1][0], high, best)
        else:
            found.append((low, high, best))
    shift = 1.0 if clock.dated else 0.0
    return [
        group[k] | {"start": _time(clock.began(low), clock), "end": _time(high - shift, clock)}
        for low, high, k in found
    ]
