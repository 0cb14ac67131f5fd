"""From raw tables to the checked and ordered tables of a history: all faults first, then all or nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from tocsin.history import time, validate
from tocsin.history.arrays import MANY_TIES, distinct_pairs
from tocsin.history.edtf import spelled_out
from tocsin.history.strangers import without_strangers
from tocsin.history.tables import frames, schema
from tocsin.history.tables.cells import encode
from tocsin.history.tables.columns import CONSTANT_NAME, Parsed, Reader, natural_order
from tocsin.history.tables.frames import Raw

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tocsin.history.intake.account import Account
    from tocsin.history.tables.schema import Report
    from tocsin.history.time import Clock
    from tocsin.states import StateVariable


@dataclass(frozen=True)
class Declared:
    """What a history says about itself beside its tables.

    Attributes:
        variables: the state variables.
        layers: combine rule by layer; `strict` if these are all the layers there are.
        outside: value of a covariate where no row covers it.
        text_columns: own columns of units that are text although their cells look like numbers.
        levels: levels of own columns of units that are categories, in their order, the reference first.
        broken: variables whose declaration is at fault, so that nothing of theirs can be judged.
        trusted: True for parts of a history that was checked before: no misspelling is looked for.
        extra: columns that are kept although their names look like times, places or identifiers.
        file: what problems in these call their place, and the line of each name in it.
    """

    variables: tuple[StateVariable, ...]
    layers: Mapping[str, str | None]
    strict: bool = False
    outside: Mapping[str, float] = field(default_factory=dict)
    text_columns: frozenset[str] = frozenset()
    levels: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    broken: frozenset[str] = frozenset()
    trusted: bool = False
    extra: frozenset[str] = frozenset()
    file: str = "history"
    lines: Mapping[str, int | None] = field(default_factory=dict)


def assemble(
    raws: Mapping[str, Raw], declared: Declared, clock: Clock, report: Report, account: Account
) -> tuple[dict[str, Any], dict[str, tuple[str, ...]]] | None:
    """Read and check all tables; None (and a full report) where anything is wrong.

    Returns:
        Arrow tables by name, and the declared levels of categories. Columns that say only the default (weights
        of 1, rows that hold throughout the window) are left out, so that large tables stay small.
    """
    reader = Reader(
        clock, declared.variables, report, declared.text_columns, declared.broken, declared.levels
    )
    if not declared.trusted:
        for kind in (schema.UNITS, schema.EVENTS, schema.TIES, schema.COVARIATES):
            maps = schema.READ_BY_MAPS if kind is schema.UNITS else ()
            known = {*kind.known, *maps, *declared.extra, *reader.variables, *declared.levels}
            schema.check_look_alikes(raws[kind.name], kind, known, report)
    units = reader.units(raws["units"])
    events = reader.events(spelled_out(raws["events"], clock.name) if clock.dated else raws["events"])
    ties = reader.ties(without_strangers(reader, raws["ties"], ("source", "target"), account, report))
    covariates = reader.covariates(without_strangers(reader, raws["covariates"], ("unit",), account, report))
    episodes = reader.episodes(raws["episodes"])
    sources = reader.sources(raws["sources"])
    if not clock.dated:
        time.meet((units, events, ties, covariates, episodes), (clock.first, clock.last))
    found = times = None
    if "unit" in units.columns:
        validate.check_spells(units, declared.variables, clock, report)
        placed = validate.check_presence(units, events, clock, report)
        found = validate.check_states(units, events, placed, declared.variables, clock, report)
        if not report and events.rows:
            times = validate.check_order(units, events, found.order, clock, report)
    ties, tie_order = _ordered_ties(ties, declared, clock, report)
    covariate_order = _ordered_covariates(covariates, clock, report)
    if not declared.trusted:
        validate.check_layers(ties, list(declared.layers), declared.strict, report)
        layers = ties.coded["layer"].to_pylist() if "layer" in ties.coded else []
        kinds = covariates.coded["covariate"].to_pylist() if "covariate" in covariates.coded else []
        validate.check_declared("layer", declared.layers, layers, declared.file, report, declared.lines)
        validate.check_declared("covariate", declared.outside, kinds, declared.file, report, declared.lines)
        validate.check_levels(declared.levels, units, kinds, declared.file, report, declared.lines)
    for name in schema.CONSTANT:
        if name in declared.outside:
            line = declared.lines.get(name)
            report.add(declared.file, CONSTANT_NAME, line=line, column="outside", value=name)
    validate.check_names(units, covariates, declared.variables, report)
    if report or found is None:
        return None
    tables = {
        "units": _table(units, _ordered_units(units, clock), schema.UNITS, clock),
        "events": _table(
            events, _ordered_events(events, found.order, times), schema.EVENTS, clock, declared.variables
        ),
        "ties": _table(ties, tie_order, schema.TIES, clock),
        "covariates": _table(covariates, covariate_order, schema.COVARIATES, clock),
        "episodes": _table(episodes, _by_content(episodes, ("start", "unit")), schema.EPISODES, clock),
        "sources": _table(sources, _by_content(sources, ("key",)), schema.SOURCES, clock),
    }
    return tables, units.levels


def _ordered_units(units: Parsed, clock: Clock) -> NDArray[np.int64]:
    """Order the units by name, and the spells of each by their entry."""
    codes = units.columns["unit"]
    if len(codes) == len(units.coded["unit"]):
        return np.argsort(codes, kind="stable")
    return np.lexsort((units.numbers("enter", clock.first), codes))


def _ordered_events(
    events: Parsed, order: NDArray[np.int64], times: NDArray[np.float64] | None
) -> NDArray[np.int64]:
    """Order the events by time; by the one that stands for its span where there are spans."""
    if not events.rows:
        return np.zeros(0, np.int64)
    rank = np.empty(events.rows, np.int64)
    rank[order] = np.arange(len(order))
    columns = events.columns
    when = columns["time"] if times is None else times
    return np.lexsort((rank, columns["variable"], events.numbers("sequence", 0.0), columns["unit"], when))


def _ordered_ties(
    ties: Parsed, declared: Declared, clock: Clock, report: Report
) -> tuple[Parsed, NDArray[np.int64] | None]:
    """Check that at most one tie of a pair is in force, and order the ties; see `distinct_pairs`."""
    if not ties.columns:
        return ties, np.zeros(0, np.int64)
    if ties.rows >= MANY_TIES and (sorted_ties := distinct_pairs(ties)) is not None:
        return sorted_ties, None
    columns = ties.columns
    count = max(len(ties.coded["source"]), 1)
    key = (columns["layer"].astype(np.int64) * count + columns["source"]) * count + columns["target"]
    order = _by_key(ties, key, clock)
    free = np.array([declared.layers.get(name) is not None for name in ties.coded["layer"].to_pylist()], bool)
    checked = ties.usable & ~free[columns["layer"]] if len(free) else ties.usable
    _check(
        ties,
        key,
        order,
        checked,
        clock,
        "target",
        "duplicate tie: another of this layer and pair is in force at the same time",
        report,
    )
    return ties, order


def _ordered_covariates(covariates: Parsed, clock: Clock, report: Report) -> NDArray[np.int64]:
    if not covariates.columns:
        return np.zeros(0, np.int64)
    columns = covariates.columns
    kinds = max(len(covariates.coded["covariate"]), 1)
    key = (columns["unit"].astype(np.int64) + 1) * kinds + columns["covariate"]
    order = _by_key(covariates, key, clock)
    _check(
        covariates,
        key,
        order,
        covariates.usable,
        clock,
        "start" if "start" in covariates.raw.columns else "covariate",
        "coverage overlap: another row of this unit and covariate is in force at the same time",
        report,
    )
    return order


def _check(
    table: Parsed,
    key: NDArray[np.int64],
    order: NDArray[np.int64],
    checked: NDArray[np.bool_],
    clock: Clock,
    column: str,
    message: str,
    report: Report,
) -> None:
    kept = order[checked[order]] if not checked.all() else order
    validate.check_overlap(table, key[kept], kept, clock, column, message, report)


def _by_key(table: Parsed, key: NDArray[np.int64], clock: Clock) -> NDArray[np.int64]:
    """Canonical order: by key, and within a key by start, end and whatever else the rows say."""
    order = np.argsort(key, kind="stable").astype(np.int64)
    ordered = key[order]
    same = ordered[1:] == ordered[:-1]
    if not same.any():
        return order
    start = table.numbers("start", clock.first)
    by_start = order if _rises(start[order], same) else np.lexsort((start, key)).astype(np.int64)
    if by_start is order or _rises(start[by_start], same):  # no two rows of a key start together
        return by_start
    places = np.flatnonzero(np.append(False, same) | np.append(same, False))
    rows = order[places]
    minor = [
        _sortable(values, rows)
        for name, values in sorted(table.columns.items())
        if name not in ("start", "end")
    ]
    minor += [table.numbers("end", clock.last)[rows], table.numbers("start", clock.first)[rows], key[rows]]
    order[places] = rows[np.lexsort(minor)]
    return order


def _rises(start: NDArray[Any], same: NDArray[np.bool_]) -> bool:
    """Say whether every row starts after the one before it, where both have the same key."""
    return bool(((start[1:] > start[:-1]) | ~same).all())


def _by_content(table: Parsed, first: tuple[str, ...]) -> NDArray[np.int64]:
    if not table.columns:
        return np.zeros(0, np.int64)
    rows = np.arange(table.rows)
    names = [name for name in sorted(table.columns) if name not in first]
    names += [name for name in reversed(first) if name in table.columns]
    return np.lexsort([_sortable(table.columns[name], rows) for name in names])


def _sortable(values: Any, rows: NDArray[np.int64]) -> NDArray[Any]:
    """Numbers that sort as the values do; missing ones first."""
    if isinstance(values, np.ma.MaskedArray):
        return np.where(np.ma.getmaskarray(values), -np.inf, np.ma.getdata(values).astype(np.float64))[rows]
    if isinstance(values, np.ndarray):
        return values[rows]
    codes, distinct = encode(values.take(frames.numeric(rows.astype(np.int64))))
    order = natural_order(distinct)
    rank = np.empty(len(order) + 1, np.int64)
    rank[order] = np.arange(len(order))
    rank[-1] = -1
    return rank[codes]


def _table(
    parsed: Parsed,
    order: NDArray[np.int64] | None,
    kind: schema.Schema,
    clock: Clock,
    variables: Sequence[StateVariable] = (),
) -> Any:
    """An Arrow table of the columns in the order of the schema, further ones by name.

    Parameters:
        order: of the rows; None where they stand in it.
    """
    times = {"enter", "exit", "time", "time_latest", "start", "end", schema.REPORTED}
    names = [name for name in kind.known if name in parsed.columns]
    names += sorted(name for name in parsed.columns if name not in kind.known)
    columns: dict[str, Any] = {}
    if not parsed.rows:
        moment = pa.date32() if clock.dated else pa.float64()
        kinds = {"time": moment, "value": pa.float64()}
        return pa.table({name: pa.nulls(0).cast(kinds.get(name, pa.string())) for name in kind.required})
    for name in names:
        values = parsed.columns[name]
        if name == "state" and variables:
            columns[name] = _state_names(
                _in_order(values, order), _in_order(parsed.columns["variable"], order), variables
            )
        elif name in parsed.coded:
            codes = _in_order(values, order)
            columns[name] = frames.dictionary(codes, parsed.coded[name])
            if kind.name == "covariates" and name == "unit":
                columns[name] = _with_star(codes, parsed.coded[name])
        elif (name in times and name in kind.known) or isinstance(values, np.ma.MaskedArray):
            masked = isinstance(values, np.ma.MaskedArray)
            mask = _in_order(np.ma.getmaskarray(values), order) if masked else None
            plain = _in_order(np.ma.getdata(values), order)
            columns[name] = (
                frames.numeric(plain.astype(np.int32), mask).cast(pa.date32())
                if clock.dated
                else frames.numeric(plain.astype(np.float64), mask)
            )
        elif isinstance(values, np.ndarray):
            columns[name] = frames.numeric(_in_order(values, order).astype(np.float64, copy=False))
        else:
            columns[name] = values if order is None else values.take(frames.numeric(order.astype(np.int64)))
        empty = columns[name].null_count == len(columns[name]) or (
            name == "confidence" and bool(np.all(parsed.columns[name] == len(schema.CONFIDENCES) - 1))
        )
        if empty and name in kind.optional:
            del columns[name]  # nothing is said: the same as no column
    return pa.table(columns)


def _in_order(values: NDArray[Any], order: NDArray[np.int64] | None) -> NDArray[Any]:
    return values if order is None else values[order]


def _with_star(codes: NDArray[np.int32], names: Any) -> Any:
    everywhere = pa.concat_arrays([names.cast(pa.string()), frames.strings(["*"])])
    return frames.dictionary(np.where(codes < 0, len(names), codes).astype(np.int32), everywhere)


def _state_names(
    state: NDArray[np.int32], variable: NDArray[np.int32], variables: Sequence[StateVariable]
) -> Any:
    """The states of all variables as one dictionary-encoded column."""
    offsets = np.cumsum([0, *(len(declared.states) for declared in variables)])[:-1]
    words = [name for declared in variables for name in declared.states]
    distinct = list(dict.fromkeys(words))
    place = np.array([distinct.index(word) for word in words], np.int32)
    return frames.dictionary(place[offsets[variable] + state], frames.strings(distinct))
