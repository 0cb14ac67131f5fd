"""What interventions make of a history's arrays: ties, covariates, presence."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from tocsin.interventions import declared as d
from tocsin.interventions.checks import span
from tocsin.program.design import covariate_values
from tocsin.program.ties import swapped

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tocsin.history.arrays import CovariateArrays, Numbers, TieArrays
    from tocsin.history.history import History

    Floats = NDArray[np.float64]

Rows = TypeVar("Rows", "TieArrays", "CovariateArrays")


@dataclass(frozen=True)
class Altered:
    """The arrays of a history and its values outside rows, as interventions left them."""

    history: History
    numbers: Numbers
    outside: dict[str, float]

    @staticmethod
    def of(history: History) -> Altered:
        """Return a history as it is."""
        return Altered(history, history.numbers, history.outside)

    @property
    def same(self) -> bool:
        """Return whether nothing has changed."""
        return self.numbers is self.history.numbers and self.outside == self.history.outside

    def as_history(self) -> History:
        """Return a history that says the same but for its arrays; for compiling only."""
        other = copy.copy(self.history)
        other.__dict__.update(
            numbers=self.numbers, digest=f"{self.history.digest} altered", _outside=self.outside
        )
        return other


def alter(now: Altered, it: d.Intervention) -> Altered:
    """Return the arrays after one more intervention; those on hazards and states leave them alone."""
    if isinstance(it, d.RemoveLayer | d.ScaleLayer | d.RemoveTie | d.ScaleTie):
        return _scaled_ties(now, it)
    if isinstance(it, d.AddTie):
        return _added_tie(now, it)
    if isinstance(it, d.RewireLayer):
        rows = swapped(now.numbers.ties[it.layer], np.random.default_rng(it.seed))
        return _with_ties(now, it.layer, rows)
    if isinstance(it, d.RemoveUnit):
        return _removed_unit(now, it)
    if isinstance(it, d.SetCovariate | d.ScaleCovariate | d.ShiftCovariate):
        return _covariate(now, it)
    return now


def before_day(history: History, when: str) -> float:
    """Return the last moment that is not yet of a day; where times are numbers, the number itself.

    What is barred or gone from a day on is so for an event dated on that day, which stands at its beginning.
    """
    time = history.to_number(when)
    return float(np.nextafter(time, -np.inf)) if history.dated else history.begins(when)


# --- rows ---------------------------------------------------------------------------------------------------


def _kept(rows: Rows, chosen: NDArray[np.bool_]) -> Rows:
    return type(rows)(*(getattr(rows, field.name)[chosen] for field in fields(rows)))


def _joined(parts: list[Rows]) -> Rows:
    kind = type(parts[0])
    return kind(*(np.concatenate([getattr(part, field.name) for part in parts]) for field in fields(kind)))


# --- ties ---------------------------------------------------------------------------------------------------


def _with_ties(now: Altered, layer: str, rows: TieArrays) -> Altered:
    return replace(now, numbers=replace(now.numbers, ties={**now.numbers.ties, layer: rows}))


def _scaled_ties(now: Altered, it: d.RemoveLayer | d.ScaleLayer | d.RemoveTie | d.ScaleTie) -> Altered:
    by = it.by if isinstance(it, d.ScaleLayer | d.ScaleTie) else 0.0
    rows = now.numbers.ties[it.layer]
    if by == 1.0 or not len(rows.weight):
        return now
    chosen = np.ones(len(rows.weight), dtype=bool)
    if isinstance(it, d.RemoveTie | d.ScaleTie):
        index = now.numbers.unit_index
        chosen = (rows.source == index[it.source]) & (rows.target == index[it.target])
    cut, inside = _cut(rows, chosen, *span(now.history, it.start, it.end))
    cut = replace(cut, weight=np.where(inside, cut.weight * by, cut.weight))
    return _with_ties(now, it.layer, _kept(cut, cut.weight > 0))


def _cut(
    rows: TieArrays, chosen: NDArray[np.bool_], start: float, end: float
) -> tuple[TieArrays, NDArray[np.bool_]]:
    """Return rows of which none reaches across `start` or `end` if chosen, and which are chosen and inside."""
    overlap = chosen & (rows.start < end) & (rows.end > start)
    parts, marks = [_kept(rows, ~overlap)], [np.zeros(int((~overlap).sum()), dtype=bool)]
    for low, high, inside in ((-np.inf, start, False), (start, end, True), (end, np.inf, False)):
        piece = replace(rows, start=np.maximum(rows.start, low), end=np.minimum(rows.end, high))
        part = _kept(piece, overlap & (piece.start < piece.end))
        parts.append(part)
        marks.append(np.full(len(part.weight), inside))
    return _joined(parts), np.concatenate(marks)


def _added_tie(now: Altered, it: d.AddTie) -> Altered:
    from tocsin.history.arrays import TieArrays, combined

    start, end = span(now.history, it.start, it.end)
    index = now.numbers.unit_index
    rows = now.numbers.ties.get(it.layer)
    new = TieArrays(
        np.array([index[it.source]], dtype=np.int32),
        np.array([index[it.target]], dtype=np.int32),
        np.array([it.weight]),
        np.array([start]),
        np.array([end]),
    )
    joined = new if rows is None else _joined([rows, new])
    rule = now.history.layers[it.layer]
    if rule is not None:
        columns = (joined.source, joined.target, joined.weight, joined.start, joined.end)
        joined = TieArrays(*combined(*columns, rule, len(now.numbers.units)))
    return _with_ties(now, it.layer, joined)


# --- presence -----------------------------------------------------------------------------------------------


def _removed_unit(now: Altered, it: d.RemoveUnit) -> Altered:
    numbers = now.numbers
    unit = numbers.unit_index[it.unit]
    enter, leave = numbers.enter.copy(), numbers.exit.copy()
    gone = float(numbers.start) if it.start is None else before_day(now.history, it.start)
    if gone <= enter[unit]:
        # Never present: an empty presence at the very beginning, so that no break lets it in.
        enter[unit] = leave[unit] = numbers.start
    else:
        leave[unit] = min(leave[unit], gone)
    return replace(now, numbers=replace(numbers, enter=enter, exit=leave))


# --- covariates ---------------------------------------------------------------------------------------------


def _covariate(now: Altered, it: d.SetCovariate | d.ScaleCovariate | d.ShiftCovariate) -> Altered:
    change = _change(it)
    if change is None:
        return now
    if it.unit is None and it.start is None and it.end is None:
        return _everywhere(now, it, change)
    return _somewhere(now, it, change)


def _change(
    it: d.SetCovariate | d.ScaleCovariate | d.ShiftCovariate,
) -> Callable[[Floats], Floats] | None:
    """Return what becomes of values; None where it changes none."""
    if isinstance(it, d.SetCovariate):
        value = it.value
        return lambda values: np.full_like(values, value)
    by = it.by
    if isinstance(it, d.ScaleCovariate):
        return None if by == 1.0 else lambda values: values * by
    return None if by == 0.0 else lambda values: values + by


def _everywhere(
    now: Altered,
    it: d.SetCovariate | d.ScaleCovariate | d.ShiftCovariate,
    change: Callable[[Floats], Floats],
) -> Altered:
    numbers, outside, name = now.numbers, dict(now.outside), it.covariate
    if name in numbers.covariates:
        rows = numbers.covariates[name]
        rows = replace(rows, value=change(rows.value))
        if isinstance(it, d.SetCovariate):
            rows = _rows([-1], [it.value], [numbers.start], [numbers.end])
        numbers = replace(numbers, covariates={**numbers.covariates, name: rows})
    if name in numbers.static:
        numbers = replace(numbers, static={**numbers.static, name: change(numbers.static[name])})
    if name in outside:
        outside[name] = float(change(np.array([outside[name]]))[0])
    return replace(now, numbers=numbers, outside=outside)


def _somewhere(
    now: Altered,
    it: d.SetCovariate | d.ScaleCovariate | d.ShiftCovariate,
    change: Callable[[Floats], Floats],
) -> Altered:
    """Give the units rows of their own over the time, made of the values that held there."""
    numbers, name = now.numbers, it.covariate
    start, end = span(now.history, it.start, it.end)
    chosen = np.arange(len(numbers.units)) if it.unit is None else np.array([numbers.unit_index[it.unit]])
    rows = numbers.covariates.get(name, _rows([], [], [], []))
    numbers = replace(numbers, covariates={**numbers.covariates, name: rows})
    # The pieces over which each unit's value is one number.
    mine, shared = np.isin(rows.unit, chosen), rows.unit < 0
    edges = np.unique(np.concatenate([[start], rows.start[shared], rows.end[shared]]))
    edges = edges[(edges >= start) & (edges < end)]
    unit = np.concatenate([np.repeat(chosen, edges.size), rows.unit[mine], rows.unit[mine]]).astype(np.int64)
    time = np.concatenate([np.tile(edges, chosen.size), rows.start[mine], rows.end[mine]])
    inside = (time >= start) & (time < end)
    unit, time = np.unique(np.stack([unit[inside].astype(np.float64), time[inside]]), axis=1)
    unit = unit.astype(np.int64)
    until = np.append(time[1:], end)
    until[:-1][unit[1:] != unit[:-1]] = end
    values = covariate_values(replace(now, numbers=numbers).as_history(), name, unit, time)
    values = (
        change(values)
        if isinstance(it, d.SetCovariate)
        else np.where(np.isnan(values), np.nan, change(values))
    )
    known = ~np.isnan(values)
    parts = [
        _kept(rows, ~mine),
        _kept(replace(rows, end=np.minimum(rows.end, start)), mine & (rows.start < start)),
        _rows(unit[known], values[known], time[known], until[known]),
        _kept(replace(rows, start=np.maximum(rows.start, end)), mine & (rows.end > end)),
    ]
    return replace(now, numbers=replace(numbers, covariates={**numbers.covariates, name: _joined(parts)}))


def _rows(unit: object, value: object, start: object, end: object) -> CovariateArrays:
    from tocsin.history.arrays import CovariateArrays

    return CovariateArrays(
        np.asarray(unit, dtype=np.int32),
        np.asarray(value, dtype=np.float64),
        np.asarray(start, dtype=np.float64),
        np.asarray(end, dtype=np.float64),
    )
