"""The declaration of a model: state variables, transitions and their causes, as frozen things with names."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Real
from typing import TYPE_CHECKING, Literal

from tocsin.errors import ModelError, check_text, read_list, shown, suggestion
from tocsin.model.formula import check_formula
from tocsin.model.special_terms import Special, cut_special
from tocsin.states import FORCED

if TYPE_CHECKING:
    pass

BAR = " | "

LONGEST = sys.float_info.max


@dataclass(frozen=True)
class Baseline:
    """A cause at home: hazard exp(beta . x_i(t)), the unit's propensity."""

    formula: str
    name: str


@dataclass(frozen=True)
class Contagion:
    """A cause from abroad: hazard exp(beta . x_i(t)) E_i(t)^alpha over the ties of one layer."""

    layer: str
    when: str
    susceptibility: str
    infectiousness: str | None
    half_life: float | Literal["estimate"] | None
    normalise: Literal["target"] | None
    response: Literal["power"] | None
    name: str
    by: str | None = None
    shared: tuple[str, ...] = ()
    pooled: float | None = None


Cause = Baseline | Contagion


def specials_of(cause: Cause) -> tuple[Special, ...]:
    """Return the terms of a cause that follow the course of events: ages and exposures."""
    return cut_special(cause.formula if isinstance(cause, Baseline) else cause.susceptibility).specials


def clauses_of(cause: Cause) -> tuple[str, ...]:
    """Return the clauses about states of others that a cause speaks of."""
    own = () if isinstance(cause, Baseline) else (cause.when,)
    return (*own, *(each.clause for each in specials_of(cause) if each.clause))


def layers_of(cause: Cause) -> tuple[str, ...]:
    """Return the layers along which others move a cause: its own, and those of exposures inside its exponent."""
    own = () if isinstance(cause, Baseline) else (cause.layer,)
    return tuple(dict.fromkeys([*own, *(each.layer for each in specials_of(cause) if each.layer)]))


def _cause_name(name: str) -> str:
    check_text("the name of a cause", name)
    if "|" in name:
        raise ModelError(f"a cause cannot be named {shown(name)}: it must not hold a bar")
    if name == FORCED:
        raise ModelError(
            f"a cause cannot be named {shown(name)}: so are called events that an intervention forces; "
            "give it another name with name="
        )
    return name


def baseline(formula: str = "1", name: str = "baseline") -> Baseline:
    """Declare a baseline cause with hazard exp(beta . x_i(t)) (Strang & Tuma 1993: propensity).

    Parameters:
        formula: terms over covariates, calendar (`t`, `month`, `year`) and the unit's own state variables.
        name: the name of the cause in parameters and results.

    Raises:
        ModelError: the formula uses something that formulas may not hold.

    Example:
        >>> import tocsin as tc
        >>> tc.baseline("1 + food_crisis").formula
        '1 + food_crisis'
    """
    check_formula(formula, special=True)
    return Baseline(formula, _cause_name(name))


def contagion(
    layer: str,
    when: str,
    susceptibility: str = "1",
    infectiousness: str | None = None,
    half_life: float | Literal["estimate"] | None = None,
    normalise: Literal["target"] | None = None,
    response: Literal["power"] | None = None,
    name: str | None = None,
    by: str | None = None,
    shared: Sequence[str] = (),
    pooled: bool | float = False,
) -> Contagion:
    """Declare a contagion cause: exp(beta . x_i) (sum_j w_ji exp(gamma . u_j) k_j)^alpha.

    Parameters:
        layer: the layer of ties along which the sources j reach the target i.
        when: the source states that count, such as ``regime=soviet`` or ``regime=a|b and army=mutinous``.
        susceptibility: formula of the target's terms x_i; its intercept is the logarithm of the strength.
        infectiousness: formula of the source's terms u_j, without an intercept; None for equal sources.
        half_life: None (sources count while they are in the states of `when`), a half-life in units of
            the clock, or ``"estimate"``.
        normalise: ``"target"`` divides the exposure by the target's total tie weight from present sources.
        response: ``"power"`` estimates the exponent alpha; None keeps it at 1.
        name: the name of the cause; the layer by default.
        by: a category of the target that stays as it is (a column of the units): each of its levels has an intercept
            and a half-life of its own, named ``cause[level]``; all else is shared. Needs ``half_life="estimate"``.
        shared: what levels share all the same: ``["half_life"]``, or ``["mass"]`` (strength h / ln 2, the events that
            one entry sets off along a tie of weight 1).
        pooled: True draws log mass and log half-life of the levels from one normal distribution each, unless shared,
            whose standard deviations have half-normal priors of scale 0.5, or of the number given; for `Model.sample`.

    Raises:
        ModelError: a formula or an option is wrong.

    Source: Strang & Tuma (1993); half-life memory as in Hawkes (1971).

    Example:
        >>> import tocsin as tc
        >>> example = tc.contagion("comintern", when="regime=soviet", half_life=30)
        >>> example.layer, example.half_life
        ('comintern', 30.0)
    """
    check_formula(susceptibility, special=True)
    if infectiousness is not None:
        check_formula(infectiousness)
    if half_life is not None and half_life != "estimate":
        number = not isinstance(half_life, bool) and isinstance(half_life, Real)
        if not number or not 0 < half_life < LONGEST:
            raise ModelError(
                f"half_life must be None, a positive number or 'estimate', not {shown(half_life)}"
            )
        half_life = float(half_life)
    if normalise not in (None, "target"):
        raise ModelError(f"normalise must be None or 'target', not {shown(normalise)}")
    if response not in (None, "power"):
        raise ModelError(f"response must be None or 'power', not {shown(response)}")
    if not isinstance(layer, str) or not layer:
        raise ModelError(f"a contagion cause needs the name of a layer, not {shown(layer)}")
    _check_levels(layer, half_life, response, by, shared)
    spread = _check_pooled(layer, response, by, pooled)
    if not isinstance(when, str):
        raise ModelError(
            f"contagion({shown(layer)}): when must be a clause such as 'regime=soviet', not {shown(when)}"
        )
    return Contagion(
        layer,
        when,
        susceptibility,
        infectiousness,
        half_life,
        normalise,
        response,
        _cause_name(layer if name is None else name),
        by,
        tuple(shared),
        spread,
    )


SHARED = ("half_life", "mass")


def _check_levels(layer: str, half_life: object, response: object, by: object, shared: object) -> None:
    """Refuse `by` and `shared` where they say nothing, or what cannot be."""
    where = f"contagion({shown(layer)})"
    if isinstance(shared, str) or not isinstance(shared, Sequence):
        raise ModelError(f'{where}: shared= is a list, such as ["half_life"], not {shown(shared)}')
    for each in shared:
        if each not in SHARED:
            raise ModelError(
                f"{where}: shared= names 'half_life' or 'mass', not {shown(each)}"
                + suggestion(str(each), SHARED)
            )
    if len(shared) > 1:
        raise ModelError(
            f"{where}: levels that share half-life and mass share all: leave by= and shared= out"
        )
    if by is None:
        if shared:
            raise ModelError(f"{where}: shared= needs by=, the category whose levels differ")
        return
    if not isinstance(by, str) or not by:
        raise ModelError(f"{where}: by= is the name of a column of the units, not {shown(by)}")
    if half_life != "estimate":
        raise ModelError(
            f'{where}: by= gives each level a half-life of its own and needs half_life="estimate"; for strengths that '
            f'differ write susceptibility="0 + C({by})"'
        )
    if "mass" in shared and response is not None:
        raise ModelError(f'{where}: shared=["mass"] is about exposures that add up: leave response= out')


POOLED = 0.5  # scale of the half-normal prior of a spread of levels


def _check_pooled(layer: str, response: object, by: object, pooled: object) -> float | None:
    """Return the scale of the prior of the spread of levels, None where they are not pooled."""
    where = f"contagion({shown(layer)})"
    if pooled is None or pooled is False:
        return None
    if pooled is not True and (not isinstance(pooled, int | float) or not 0 < pooled < LONGEST):
        raise ModelError(
            f"{where}: pooled= is True, or the scale of the half-normal prior of the spread of the levels, a number "
            f"above 0, not {shown(pooled)}"
        )
    if by is None:
        raise ModelError(
            f"{where}: pooled= needs by=, the category whose levels are drawn from one distribution"
        )
    if response is not None:
        raise ModelError(f"{where}: pooled= is about the mass of exposures that add up: leave response= out")
    return POOLED if pooled is True else float(pooled)


@dataclass(frozen=True)
class Transition:
    """A move of one state variable from a state (or one of several) to another, with its causes.

    Parameters:
        variable: the state variable that moves.
        origin: the state that is left, ``"old"`` or one of several ``"old|restored"``.
        to: the state that is entered; equal to the state left for the further events of a recurrent variable.
        causes: the causes whose hazards add up, from `baseline` and `contagion`.
        requires: a clause over the unit's other variables that must hold for the unit to be at risk.

    Raises:
        ModelError: no cause, or two causes of one name.

    Example:
        >>> import tocsin as tc
        >>> example = tc.contagion("comintern", when="regime=soviet")
        >>> rise = tc.Transition("regime", "old", "soviet", tc.baseline("1 + food_crisis"), example)
        >>> rise.name
        'regime: old > soviet'
    """

    variable: str
    origin: tuple[str, ...]
    to: str
    causes: tuple[Cause, ...]
    requires: str | None = None

    def __init__(
        self, variable: str, origin: str | Sequence[str], to: str, *causes: Cause, requires: str | None = None
    ) -> None:
        states = origin.split("|") if isinstance(origin, str) else read_list("states that are left", origin)
        for each in (variable, to, *states):
            check_text("the variable or a state of a transition", each)
        if requires is not None:
            check_text(f"transition {variable}: requires", requires)
        object.__setattr__(self, "variable", variable)
        object.__setattr__(self, "origin", tuple(state.strip() for state in states))
        object.__setattr__(self, "to", to)
        # Baselines stand first, so that a transition has one order in Python, in TOML and in its parameters.
        ordered = sorted(causes, key=lambda cause: not isinstance(cause, Baseline))
        object.__setattr__(self, "causes", tuple(ordered))
        object.__setattr__(self, "requires", requires)
        if not causes:
            raise ModelError(f"transition {self.name!r} has no cause: give it a baseline or a contagion")
        names = [cause.name for cause in causes if isinstance(cause, Baseline | Contagion)]
        if len(names) != len(causes):
            raise ModelError(f"transition {self.name!r}: causes come from baseline(...) and contagion(...)")
        for name in names:
            if names.count(name) > 1:
                raise ModelError(
                    f"transition {self.name!r} has two causes named {shown(name)}: give one of them a name="
                )

    @property
    def name(self) -> str:
        """Return the name used in parameters, such as ``regime: old > soviet``."""
        return f"{self.variable}: {'|'.join(self.origin)} > {self.to}"
