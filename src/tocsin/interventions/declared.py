"""Interventions: small frozen objects, each a change of a program and a sentence.

Dates are those of the history's clock. What is changed ``from`` a date ``to`` a date is changed on every day
from the first to the last; a tie or a covariate changed from D is so for all that happens after the beginning
of D, as a row of the history that begins on D would be.
"""

from __future__ import annotations

import datetime
import math
from dataclasses import dataclass
from typing import Any, ClassVar

from tocsin.errors import ModelError, SentenceError, check_seed
from tocsin.history.time import is_number
from tocsin.interventions.grammar import written

_SPAN = "[ from {start}][ to {end}]"

_WHOM = "[ for {unit}]"


@dataclass(frozen=True)
class Intervention:
    """A change of a program; `str` of it is the sentence that says so."""

    FORM: ClassVar[str] = ""

    def __str__(self) -> str:
        return written(self.FORM, self)


# --- layers and ties ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class RemoveLayer(Intervention):
    """Every tie of a layer is taken away."""

    FORM = "remove layer {layer}" + _SPAN
    layer: str
    start: str | None = None
    end: str | None = None


@dataclass(frozen=True)
class ScaleLayer(Intervention):
    """The weights of all ties of a layer are multiplied."""

    FORM = "scale layer {layer} by {by}" + _SPAN
    layer: str
    by: float
    start: str | None = None
    end: str | None = None


@dataclass(frozen=True)
class RewireLayer(Intervention):
    """The ties of a layer are swapped at random, each unit keeping its degrees."""

    FORM = "rewire layer {layer}[ seed {seed}]"
    layer: str
    seed: int = 0


@dataclass(frozen=True)
class RemoveTie(Intervention):
    """The tie between two units is taken away."""

    FORM = "remove tie {layer} {source} > {target}" + _SPAN
    layer: str
    source: str
    target: str
    start: str | None = None
    end: str | None = None


@dataclass(frozen=True)
class ScaleTie(Intervention):
    """The weight of the tie between two units is multiplied."""

    FORM = "scale tie {layer} {source} > {target} by {by}" + _SPAN
    layer: str
    source: str
    target: str
    by: float
    start: str | None = None
    end: str | None = None


@dataclass(frozen=True)
class AddTie(Intervention):
    """A tie is put where the history has none; where it has one, the rule of the layer joins the two."""

    FORM = "add tie {layer} {source} > {target}[ weight {weight}]" + _SPAN
    layer: str
    source: str
    target: str
    weight: float = 1.0
    start: str | None = None
    end: str | None = None


def remove_layer(layer: str, start: Any = None, end: Any = None) -> RemoveLayer:
    """Take every tie of a layer away, between two dates or always.

    Parameters:
        layer: name of the layer of ties.
        start, end: first and last date on which it is so, of the history's clock; None is the window's own end.

    Example:
        >>> import tocsin as tc
        >>> print(tc.remove_layer("comintern", start="1920-01-01"))
        remove layer comintern from 1920-01-01
    """
    return RemoveLayer(str(layer), _date(start), _date(end))


def scale_layer(layer: str, by: float, start: Any = None, end: Any = None) -> ScaleLayer:
    """Multiply the weights of all ties of a layer by a number of at least 0.

    Parameters:
        layer: name of the layer of ties.
        by: the factor, 0 or more, without a unit.
        start, end: first and last date on which it is so, of the history's clock; None is the window's own end.

    Raises:
        SentenceError: a number or a date cannot be read.

    Example:
        >>> import tocsin as tc
        >>> print(tc.scale_layer("comintern", 0.5))
        scale layer comintern by 0.5
    """
    return ScaleLayer(str(layer), _number(by), _date(start), _date(end))


def rewire_layer(layer: str, seed: int = 0) -> RewireLayer:
    """Swap the ties of a layer at random; every unit keeps its numbers of ties (Maslov & Sneppen 2002).

    Parameters:
        layer: name of the layer of ties.
        seed: whole number from 0 to 2^64 - 1; the same seed swaps the same ties.

    Raises:
        SentenceError: the seed is no such number.

    Example:
        >>> import tocsin as tc
        >>> print(tc.rewire_layer("land_border", seed=3))
        rewire layer land_border seed 3
    """
    try:
        if isinstance(seed, str) and not (seed.isascii() and seed.isdigit()):
            raise ValueError
        number = int(seed)
        if number != seed and not isinstance(seed, str):
            raise ValueError
        check_seed(number if not isinstance(seed, bool) else seed)
    except (TypeError, ValueError, OverflowError, ModelError):
        raise SentenceError(f"a seed is a whole number from 0 to 2^64 - 1, not {seed!r}") from None
    return RewireLayer(str(layer), number)


def remove_tie(layer: str, source: str, target: str, start: Any = None, end: Any = None) -> RemoveTie:
    """Take the tie from one unit to another away: ``remove_tie("comintern", "russia", "germany")``.

    Parameters:
        layer: name of the layer of ties.
        source, target: names of the units that the tie leads from and to.
        start, end: first and last date on which it is so, of the history's clock; None is the window's own end.

    Example:
        >>> import tocsin as tc
        >>> print(tc.remove_tie("comintern", "russia", "germany"))
        remove tie comintern russia > germany
    """
    return RemoveTie(str(layer), str(source), str(target), _date(start), _date(end))


def scale_tie(
    layer: str, source: str, target: str, by: float, start: Any = None, end: Any = None
) -> ScaleTie:
    """Multiply the weight of the tie from one unit to another by a number of at least 0.

    Parameters:
        layer: name of the layer of ties.
        source, target: names of the units that the tie leads from and to.
        by: the factor, 0 or more, without a unit.
        start, end: first and last date on which it is so, of the history's clock; None is the window's own end.

    Raises:
        SentenceError: a number or a date cannot be read.

    Example:
        >>> import tocsin as tc
        >>> print(tc.scale_tie("comintern", "russia", "germany", 2))
        scale tie comintern russia > germany by 2
    """
    return ScaleTie(str(layer), str(source), str(target), _number(by), _date(start), _date(end))


def add_tie(
    layer: str, source: str, target: str, weight: float = 1.0, start: Any = None, end: Any = None
) -> AddTie:
    """Tie one unit to another, with a weight above 0, between two dates or always.

    Parameters:
        layer: name of the layer of ties.
        source, target: names of the units that the tie leads from and to.
        weight: of the tie, above 0, in the units of the layer.
        start, end: first and last date on which it is so, of the history's clock; None is the window's own end.

    Raises:
        SentenceError: a number or a date cannot be read.

    Example:
        >>> import tocsin as tc
        >>> print(tc.add_tie("comintern", "russia", "hungary", weight=2))
        add tie comintern russia > hungary weight 2
    """
    return AddTie(str(layer), str(source), str(target), _number(weight), _date(start), _date(end))


# --- causes, units and parameters ---------------------------------------------------------------------------


@dataclass(frozen=True)
class RemoveCause(Intervention):
    """A cause of a transition is taken away."""

    FORM = "remove cause {cause}" + _WHOM + _SPAN
    cause: str
    unit: str | None = None
    start: str | None = None
    end: str | None = None


@dataclass(frozen=True)
class ScaleCause(Intervention):
    """The hazard that a cause gives is multiplied."""

    FORM = "scale cause {cause} by {by}" + _WHOM + _SPAN
    cause: str
    by: float
    unit: str | None = None
    start: str | None = None
    end: str | None = None


@dataclass(frozen=True)
class RemoveUnit(Intervention):
    """A unit is not there: it is not at risk and sends nothing."""

    FORM = "remove unit {unit}[ from {start}]"
    unit: str
    start: str | None = None


@dataclass(frozen=True)
class SetParameter(Intervention):
    """A parameter takes another value, on the scale of `Fit.params`."""

    FORM = "change parameter {parameter} to {value}"
    parameter: str
    value: float


@dataclass(frozen=True)
class ShiftParameter(Intervention):
    """A number is added to a parameter, on the scale of `Fit.params`."""

    FORM = "change parameter {parameter} by {by}"
    parameter: str
    by: float


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
    return RemoveCause(str(cause), _maybe(unit), _date(start), _date(end))


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
    return ScaleCause(str(cause), _number(by), _maybe(unit), _date(start), _date(end))


def remove_unit(unit: str, start: Any = None) -> RemoveUnit:
    """Take a unit away, from a date or from the beginning: it is not at risk and sends nothing.

    Parameters:
        unit: name of the unit.
        start: first date on which it is not there; None is from the beginning.

    Example:
        >>> import tocsin as tc
        >>> print(tc.remove_unit("hungary"))
        remove unit hungary
    """
    return RemoveUnit(str(unit), _date(start))


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
        return ShiftParameter(str(parameter), _number(by))
    return SetParameter(str(parameter), _number(to, endless=True))


# --- covariates ---------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class SetCovariate(Intervention):
    """A covariate has one value, also where the history knows none."""

    FORM = "set {covariate} to {value}" + _WHOM + _SPAN
    covariate: str
    value: float
    unit: str | None = None
    start: str | None = None
    end: str | None = None


@dataclass(frozen=True)
class ScaleCovariate(Intervention):
    """The values of a covariate are multiplied."""

    FORM = "scale {covariate} by {by}" + _WHOM + _SPAN
    covariate: str
    by: float
    unit: str | None = None
    start: str | None = None
    end: str | None = None


@dataclass(frozen=True)
class ShiftCovariate(Intervention):
    """A number is added to the values of a covariate."""

    FORM = "shift {covariate} by {by}" + _WHOM + _SPAN
    covariate: str
    by: float
    unit: str | None = None
    start: str | None = None
    end: str | None = None


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
    return SetCovariate(str(covariate), _number(value), _maybe(unit), _date(start), _date(end))


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
    return ScaleCovariate(str(covariate), _number(by), _maybe(unit), _date(start), _date(end))


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
    return ShiftCovariate(str(covariate), _number(by), _maybe(unit), _date(start), _date(end))


# --- states -------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _OfState(Intervention):
    unit: str
    variable: str
    state: str

    @property
    def clause(self) -> str:
        """Return variable=state."""
        return f"{self.variable}={self.state}"


@dataclass(frozen=True)
class Force(_OfState):
    """A unit is put into a state at a date, whatever bars it; it may leave it again as its hazards say."""

    FORM = "force {unit} {clause} at/on {at}"
    at: str


@dataclass(frozen=True)
class Prevent(_OfState):
    """A unit cannot enter a state."""

    FORM = "prevent {unit} {clause}" + _SPAN
    start: str | None = None
    end: str | None = None


@dataclass(frozen=True)
class Delay(_OfState):
    """A unit cannot enter a state before a date."""

    FORM = "delay {unit} {clause} until {until}"
    until: str


@dataclass(frozen=True)
class Lift(_OfState):
    """A unit that is in a state at a date leaves it then, for the other state of the variable."""

    FORM = "lift {unit} {clause} at/on {at}"
    at: str


def force(unit: str, clause: str, at: Any) -> Force:
    """Put a unit into a state at a date: ``force("germany", "regime=soviet", at="1918-11-09")``.

    Parameters:
        unit: name of the unit.
        clause: the state, written ``variable=state``.
        at: the date, of the history's clock.

    Raises:
        SentenceError: the clause is not ``variable=state``, or the date is missing.

    Example:
        >>> import tocsin as tc
        >>> print(tc.force("germany", "regime=soviet", at="1918-11-09"))
        force germany regime=soviet at 1918-11-09
    """
    return Force(str(unit), *_assignment(clause), _moment(at))


def prevent(unit: str, clause: str, start: Any = None, end: Any = None) -> Prevent:
    """Bar a unit from entering a state: ``prevent("hungary", "regime=soviet")``.

    Parameters:
        unit: name of the unit.
        clause: the state, written ``variable=state``.
        start, end: first and last date on which it is so, of the history's clock; None is the window's own end.

    Raises:
        SentenceError: the clause is not ``variable=state``.

    Example:
        >>> import tocsin as tc
        >>> print(tc.prevent("hungary", "regime=soviet"))
        prevent hungary regime=soviet
    """
    return Prevent(str(unit), *_assignment(clause), _date(start), _date(end))


def delay(unit: str, clause: str, until: Any) -> Delay:
    """Bar a unit from entering a state before a date: ``delay("hungary", "regime=soviet", "1919-06-01")``.

    A variable that follows what happened enters it at that date, if by then the record has it there.

    Parameters:
        unit: name of the unit.
        clause: the state, written ``variable=state``.
        until: the first date on which it may be entered.

    Raises:
        SentenceError: the clause is not ``variable=state``, or the date is missing.

    Example:
        >>> import tocsin as tc
        >>> print(tc.delay("hungary", "regime=soviet", "1919-06-01"))
        delay hungary regime=soviet until 1919-06-01
    """
    return Delay(str(unit), *_assignment(clause), _moment(until))


def lift(unit: str, clause: str, at: Any) -> Lift:
    """End a state of a unit at a date, if it is in that state then: it goes over to the other state.

    For variables of two states; of more, `force` says which one follows.

    Parameters:
        unit: name of the unit.
        clause: the state, written ``variable=state``.
        at: the date, of the history's clock.

    Raises:
        SentenceError: the clause is not ``variable=state``, or the date is missing.

    Example:
        >>> import tocsin as tc
        >>> print(tc.lift("bavaria", "regime=soviet", at="1919-04-20"))
        lift bavaria regime=soviet at 1919-04-20
    """
    return Lift(str(unit), *_assignment(clause), _moment(at))


# --- what the functions are handed --------------------------------------------------------------------------


def _number(value: Any, endless: bool = False) -> float:
    try:
        # As in tables: no underscores, and no digits of other scripts.
        if isinstance(value, str) and not is_number(value) and value not in ("-inf", "inf", "nan"):
            raise ValueError
        number = float(value)
    except (TypeError, ValueError):
        raise SentenceError(f"{value!r} stands where a number is expected") from None
    if not math.isfinite(number) and not (endless and number == -math.inf):
        raise SentenceError(f"{value!r} stands where a finite number is expected")
    return number + 0.0  # no negative zero, which prints as it should not


def _date(value: Any) -> str | None:
    if value is None:
        return None
    if isinstance(value, datetime.datetime):
        midnight = value.time() == datetime.time()
        return value.date().isoformat() if midnight else value.isoformat()
    if isinstance(value, datetime.date):
        return value.isoformat()
    return str(value).strip()


def _moment(value: Any) -> str:
    text = _date(value)
    if not text:
        raise SentenceError("a date is missing")
    return text


def _maybe(name: Any) -> str | None:
    return None if name is None else str(name)


def _assignment(clause: str) -> tuple[str, str]:
    variable, sign, state = (part.strip() for part in str(clause).partition("="))
    if not (sign and variable and state) or "|" in state or "=" in state:
        raise SentenceError(f"cannot read {clause!r}: write variable=state")
    return variable, state
