"""Interventions on hazards: a cause taken away or scaled, a parameter set or shifted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tocsin.errors import ModelError, SentenceError, suggestion
from tocsin.history.describe import short_labels
from tocsin.interventions.altered import span
from tocsin.interventions.intervention import (
    SPAN,
    WHOM,
    Check,
    Intervention,
    Touched,
    cause_names,
    date,
    maybe,
    number,
    unit_of,
)
from tocsin.model.declaration import BAR
from tocsin.program.design import Damping

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from tocsin.history.history import History
    from tocsin.program.program import Program


@dataclass(frozen=True)
class _OfCause(Intervention, family=True):
    cause: str

    def touch(self, program: Program, found: Touched) -> None:
        """Note the hazard of the cause, of one unit or of all."""
        reached = [name == self.cause for name in cause_names(program.model)]
        found.hazards(reached, unit_of(program, getattr(self, "unit", None)), self.since(program))

    def times(
        self, program: Program, factor: float, unit: str | None, start: str | None, end: str | None
    ) -> list[Damping]:
        """Return the hazard multiplied over a time."""
        if factor == 1.0:
            return []
        place = unit_of(program, unit)
        time = span(program.history, start, end)
        number_of = cause_names(program.model).index(self.cause)
        return [Damping(number_of, -1 if place is None else place, *time, factor)]


@dataclass(frozen=True)
class OfParameter(Intervention, family=True):
    """A change of a parameter; the names of parameters are the program's, so `turn` checks them."""

    parameter: str

    def touch(self, program: Program, found: Touched) -> None:
        """Note the hazards of the cause that the parameter belongs to."""
        names = cause_names(program.model)
        reached = [self.parameter.startswith(f"{name}{BAR}") for name in names]
        found.hazards(reached, None, self.since(program))

    def moved(self, value: float) -> float:
        """Return what becomes of the parameter."""
        raise NotImplementedError

    def turn(self, vector: NDArray[np.float64], names: Sequence[str]) -> NDArray[np.float64]:
        """Return the parameters after the change.

        Raises:
            ModelError: there is no such parameter.
        """
        if self.parameter not in names:
            raise ModelError(
                f"cannot {self}: there is no parameter {self.parameter!r}" + suggestion(self.parameter, names)
            )
        vector = vector.copy()
        place = list(names).index(self.parameter)
        vector[place] = self.moved(float(vector[place]))
        return vector


def _for(unit: str | None, history: History) -> str:
    return "" if unit is None else f" for {short_labels(history).get(unit, unit)}"


def remove_cause(cause: str, unit: str | None = None, start: Any = None, end: Any = None) -> RemoveCause:
    """Take a cause away: ``remove_cause("regime: old > soviet | comintern")``, for one unit or all.

    Parameters:
        cause: name as in `Fit.params`, ``variable: from > to | cause``.
        unit: name of the unit; None for all.
        start, end: first and last date on which it is so, of the history's clock; None is the window's own end.

    Example:
        >>> import tocsin as tc
        >>> print(tc.remove_cause("regime: old > soviet | comintern"))
        remove cause regime: old > soviet | comintern
    """
    return RemoveCause(str(cause), maybe(unit), date(start), date(end))


@dataclass(frozen=True)
class RemoveCause(_OfCause):
    """A cause of a transition is taken away."""

    FORM = "remove cause {cause}" + WHOM + SPAN
    said = staticmethod(remove_cause)
    unit: str | None = None
    start: str | None = None
    end: str | None = None

    def words(self, history: History) -> str:
        return f"without {history.called(self.cause)} as a cause{_for(self.unit, history)}{self.over()}"

    def damp(self, program: Program) -> list[Damping]:
        return self.times(program, 0.0, self.unit, self.start, self.end)


def scale_cause(
    cause: str, by: float, unit: str | None = None, start: Any = None, end: Any = None
) -> ScaleCause:
    """Multiply the hazard of a cause by a number of at least 0, for one unit or all.

    Parameters:
        cause: name as in `Fit.params`, ``variable: from > to | cause``.
        by: the factor, 0 or more, without a unit.
        unit: name of the unit; None for all.
        start, end: first and last date on which it is so, of the history's clock; None is the window's own end.

    Raises:
        SentenceError: a number or a date cannot be read.

    Example:
        >>> import tocsin as tc
        >>> print(tc.scale_cause("regime: old > soviet | comintern", 0.5, unit="hungary"))
        scale cause regime: old > soviet | comintern by 0.5 for hungary
    """
    return ScaleCause(str(cause), number(by), maybe(unit), date(start), date(end))


@dataclass(frozen=True)
class ScaleCause(_OfCause):
    """The hazard that a cause gives is multiplied."""

    FORM = "scale cause {cause} by {by}" + WHOM + SPAN
    said = staticmethod(scale_cause)
    by: float
    unit: str | None = None
    start: str | None = None
    end: str | None = None

    def words(self, history: History) -> str:
        whom = f"{_for(self.unit, history)}{self.over()}"
        return f"{history.called(self.cause)} as a cause, {self.by:g} times as strong{whom}"

    def check(self, ask: Check) -> None:
        if self.by < 0:
            raise ask.refuse("hazards cannot be negative")

    def damp(self, program: Program) -> list[Damping]:
        return self.times(program, self.by, self.unit, self.start, self.end)


def change_parameter(
    parameter: str, to: float | None = None, by: float | None = None
) -> SetParameter | ShiftParameter:
    """Give a parameter another value (`to`), or add to it (`by`).

    Both are on the scale of `Fit.params`, where half-lives and exponents are logarithms; `to` may be minus
    infinity, which makes a rate zero.

    Parameters:
        parameter: name as in `Fit.params`.
        to: its new value.
        by: what is added to it, instead.

    Raises:
        SentenceError: both or none of `to` and `by` are given, or a number cannot be read.

    Example:
        >>> import tocsin as tc
        >>> print(tc.change_parameter("regime: old > soviet | baseline: food_crisis", by=-0.5))
        change parameter regime: old > soviet | baseline: food_crisis by -0.5
    """
    if (to is None) == (by is None):
        raise SentenceError("change_parameter takes either to= or by=")
    if to is None:
        return ShiftParameter(str(parameter), number(by))
    return SetParameter(str(parameter), number(to, endless=True))


def _to(parameter: str, value: str) -> Intervention:
    return change_parameter(parameter, to=value)  # type: ignore[arg-type]


def _by(parameter: str, by: str) -> Intervention:
    return change_parameter(parameter, by=by)  # type: ignore[arg-type]


@dataclass(frozen=True)
class SetParameter(OfParameter):
    """A parameter takes another value, on the scale of `Fit.params`."""

    FORM = "change parameter {parameter} to {value}"
    said = staticmethod(_to)
    value: float

    def words(self, history: History) -> str:
        return f"the parameter {self.parameter} at {self.value:g}"

    def moved(self, value: float) -> float:
        return self.value


@dataclass(frozen=True)
class ShiftParameter(OfParameter):
    """A number is added to a parameter, on the scale of `Fit.params`."""

    FORM = "change parameter {parameter} by {by}"
    said = staticmethod(_by)
    by: float

    def words(self, history: History) -> str:
        return f"the parameter {self.parameter} changed by {self.by:+g}"

    def moved(self, value: float) -> float:
        return value + self.by
