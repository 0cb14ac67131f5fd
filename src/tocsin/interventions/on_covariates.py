"""Interventions on covariates: set to a value, scaled, or shifted."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from tocsin.history.describe import short_labels
from tocsin.interventions.altered import Altered, joined, kept, span
from tocsin.interventions.intervention import (
    SPAN,
    WHOM,
    Check,
    Intervention,
    Touched,
    date,
    maybe,
    number,
    unit_of,
)
from tocsin.kernels.layout import SOURCE, TARGET
from tocsin.model.declaration import Contagion, specials_of
from tocsin.model.special_terms import cut_special
from tocsin.model.terms import categories_of
from tocsin.program.design import covariate_values

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tocsin.history.arrays import CovariateArrays
    from tocsin.history.history import History
    from tocsin.program.program import Program

    Floats = NDArray[np.float64]


@dataclass(frozen=True)
class _OfCovariate(Intervention, family=True):
    covariate: str

    @property
    def whom(self) -> str | None:
        """The unit; None for all."""
        return getattr(self, "unit", None)

    @property
    def days(self) -> tuple[str | None, str | None]:
        """First and last day, as far as they are said."""
        return getattr(self, "start", None), getattr(self, "end", None)

    @property
    def idle(self) -> bool:
        """Whether no value is changed."""
        return False

    def moved(self, values: Floats) -> Floats:
        """Return what becomes of values; NaN, which is missing, stays so unless all are to have one value."""
        raise NotImplementedError

    def rows(self, rows: CovariateArrays, start: float, end: float) -> CovariateArrays:
        """Return the rows of the covariate where it is changed for all units and times."""
        return rows

    def where(self, history: History) -> str:
        """Return ' in Germany from D to E', as far as it is said."""
        places = short_labels(history)
        return ("" if self.whom is None else f" in {places.get(self.whom, self.whom)}") + self.over()

    def touch(self, program: Program, found: Touched) -> None:
        """Note the hazards of the causes that follow the covariate, of one unit or of all."""
        designs = program.layout.cause[:, [TARGET, SOURCE]]
        marks = [{each.mark for each in specials_of(cause)} for _, cause in program.causes]
        reached = [
            self.covariate in mark
            or any(place >= 0 and self.covariate in program.designs[place].uses for place in row)
            for row, mark in zip(designs, marks, strict=True)
        ]
        found.hazards(reached, unit_of(program, self.whom), self.since(program))

    def check(self, ask: Check) -> None:
        """Refuse a covariate that stands as categories in a formula, or tells the levels of a cause."""
        for move in ask.model.transitions:
            for cause in move.causes:
                if isinstance(cause, Contagion) and cause.by == self.covariate:
                    raise ask.refuse(
                        f"{cause.by!r} tells the levels of the cause {cause.name!r} (by=), and a unit keeps its level"
                    )
                formulas = (
                    [cause.susceptibility, cause.infectiousness]
                    if isinstance(cause, Contagion)
                    else [cause.formula]
                )
                for formula in formulas:
                    if formula is not None and self.covariate in categories_of(cut_special(formula).formula):
                        raise ask.refuse(
                            f"{self.covariate!r} stands in the formula {formula!r} as categories, C(...), which "
                            "cannot be changed"
                        )

    def alter(self, now: Altered) -> Altered:
        """Return the arrays with the covariate changed."""
        if self.idle:
            return now
        if (self.whom, *self.days) == (None, None, None):
            return self._everywhere(now)
        return self._somewhere(now)

    def _everywhere(self, now: Altered) -> Altered:
        numbers, outside, name = now.numbers, dict(now.outside), self.covariate
        if name in numbers.covariates:
            rows = numbers.covariates[name]
            rows = self.rows(replace(rows, value=self.moved(rows.value)), numbers.start, numbers.end)
            numbers = replace(numbers, covariates={**numbers.covariates, name: rows})
        if name in numbers.static:
            numbers = replace(numbers, static={**numbers.static, name: self.moved(numbers.static[name])})
        if name in outside:
            outside[name] = float(self.moved(np.array([outside[name]]))[0])
        return replace(now, numbers=numbers, outside=outside)

    def _somewhere(self, now: Altered) -> Altered:
        """Give the units rows of their own over the time, made of the values that held there."""
        numbers, name = now.numbers, self.covariate
        start, end = span(now.history, *self.days)
        chosen = (
            np.arange(len(numbers.units)) if self.whom is None else np.array([numbers.unit_index[self.whom]])
        )
        rows = numbers.covariates.get(name, _rows([], [], [], []))
        numbers = replace(numbers, covariates={**numbers.covariates, name: rows})
        # The pieces over which each unit's value is one number.
        mine, shared = np.isin(rows.unit, chosen), rows.unit < 0
        edges = np.unique(np.concatenate([[start], rows.start[shared], rows.end[shared]]))
        edges = edges[(edges >= start) & (edges < end)]
        unit = np.concatenate([np.repeat(chosen, edges.size), rows.unit[mine], rows.unit[mine]]).astype(
            np.int64
        )
        time = np.concatenate([np.tile(edges, chosen.size), rows.start[mine], rows.end[mine]])
        inside = (time >= start) & (time < end)
        unit, time = np.unique(np.stack([unit[inside].astype(np.float64), time[inside]]), axis=1)
        unit = unit.astype(np.int64)
        until = np.append(time[1:], end)
        until[:-1][unit[1:] != unit[:-1]] = end
        values = covariate_values(replace(now, numbers=numbers).as_history(), name, unit, time)
        values = self.moved(values)  # of what is missing, a number only where all values are to be one
        known = ~np.isnan(values)
        parts = [
            kept(rows, ~mine),
            kept(replace(rows, end=np.minimum(rows.end, start)), mine & (rows.start < start)),
            _rows(unit[known], values[known], time[known], until[known]),
            kept(replace(rows, start=np.maximum(rows.start, end)), mine & (rows.end > end)),
        ]
        return replace(now, numbers=replace(numbers, covariates={**numbers.covariates, name: joined(parts)}))


def set_covariate(
    covariate: str, value: float, unit: str | None = None, start: Any = None, end: Any = None
) -> SetCovariate:
    """Give a covariate one value, for one unit or all, between two dates or always.

    Parameters:
        covariate: name of the covariate.
        value: in the covariate's own unit.
        unit: name of the unit; None for all.
        start, end: first and last date on which it is so, of the history's clock; None is the window's own end.

    Raises:
        SentenceError: a number or a date cannot be read.

    Example:
        >>> import tocsin as tc
        >>> print(tc.set_covariate("food_crisis", 0, unit="germany", start="1919-01-01"))
        set food_crisis to 0 for germany from 1919-01-01
    """
    return SetCovariate(str(covariate), number(value), maybe(unit), date(start), date(end))


@dataclass(frozen=True)
class SetCovariate(_OfCovariate):
    """A covariate has one value, also where the history knows none."""

    FORM = "set {covariate} to {value}" + WHOM + SPAN
    said = staticmethod(set_covariate)
    value: float
    unit: str | None = None
    start: str | None = None
    end: str | None = None

    def words(self, history: History) -> str:
        return f"{history.called(self.covariate)} at {self.value:g}{self.where(history)}"

    def moved(self, values: Floats) -> Floats:
        return np.full_like(values, self.value)

    def rows(self, rows: CovariateArrays, start: float, end: float) -> CovariateArrays:
        return _rows([-1], [self.value], [start], [end])


def scale(
    covariate: str, by: float, unit: str | None = None, start: Any = None, end: Any = None
) -> ScaleCovariate:
    """Multiply the values of a covariate by a number.

    Parameters:
        covariate: name of the covariate.
        by: the factor, any number.
        unit: name of the unit; None for all.
        start, end: first and last date on which it is so, of the history's clock; None is the window's own end.

    Raises:
        SentenceError: a number or a date cannot be read.

    Example:
        >>> import tocsin as tc
        >>> print(tc.scale("food_crisis", 0.5))
        scale food_crisis by 0.5
    """
    return ScaleCovariate(str(covariate), number(by), maybe(unit), date(start), date(end))


@dataclass(frozen=True)
class ScaleCovariate(_OfCovariate):
    """The values of a covariate are multiplied."""

    FORM = "scale {covariate} by {by}" + WHOM + SPAN
    said = staticmethod(scale)
    by: float
    unit: str | None = None
    start: str | None = None
    end: str | None = None

    def words(self, history: History) -> str:
        called, where = history.called(self.covariate), self.where(history)
        return f"without {called}{where}" if self.by == 0 else f"{called}, {self.by:g} times as much{where}"

    @property
    def idle(self) -> bool:
        return self.by == 1.0

    def moved(self, values: Floats) -> Floats:
        return values * self.by


def shift(
    covariate: str, by: float, unit: str | None = None, start: Any = None, end: Any = None
) -> ShiftCovariate:
    """Add a number to the values of a covariate.

    Parameters:
        covariate: name of the covariate.
        by: what is added, in the covariate's own unit.
        unit: name of the unit; None for all.
        start, end: first and last date on which it is so, of the history's clock; None is the window's own end.

    Raises:
        SentenceError: a number or a date cannot be read.

    Example:
        >>> import tocsin as tc
        >>> print(tc.shift("food_crisis", -1))
        shift food_crisis by -1
    """
    return ShiftCovariate(str(covariate), number(by), maybe(unit), date(start), date(end))


@dataclass(frozen=True)
class ShiftCovariate(_OfCovariate):
    """A number is added to the values of a covariate."""

    FORM = "shift {covariate} by {by}" + WHOM + SPAN
    said = staticmethod(shift)
    by: float
    unit: str | None = None
    start: str | None = None
    end: str | None = None

    def words(self, history: History) -> str:
        return f"{history.called(self.covariate)} changed by {self.by:+g}{self.where(history)}"

    @property
    def idle(self) -> bool:
        return self.by == 0.0

    def moved(self, values: Floats) -> Floats:
        return values + self.by


def _rows(unit: object, value: object, start: object, end: object) -> CovariateArrays:
    from tocsin.history.arrays import CovariateArrays

    return CovariateArrays(
        np.asarray(unit, dtype=np.int32),
        np.asarray(value, dtype=np.float64),
        np.asarray(start, dtype=np.float64),
        np.asarray(end, dtype=np.float64),
    )
