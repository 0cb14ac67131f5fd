"""The declaration of a model: state variables, transitions and their causes, as frozen things with names."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from numbers import Real
from typing import TYPE_CHECKING, Any, Literal

from tocsin.errors import ModelError, suggestion
from tocsin.model.formula import check_formula
from tocsin.words import FORBIDDEN_IN_STATES, FORCED, StateVariable, parse_clause

if TYPE_CHECKING:
    from pathlib import Path

    from tocsin.history import History
    from tocsin.infer.effects import Asked
    from tocsin.infer.fit import Fit
    from tocsin.infer.given import Given
    from tocsin.infer.posterior import Posterior
    from tocsin.infer.prior import Prior
    from tocsin.model.learned import Learned
    from tocsin.program import Program

BAR = " | "


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


Cause = Baseline | Contagion


def _cause_name(name: str) -> str:
    if not name or "|" in name:
        raise ModelError(f"a cause cannot be named {name!r}: it must not be empty or hold a bar")
    if name == FORCED:
        raise ModelError(
            f"a cause cannot be named {name!r}: so are called events that an intervention forces; "
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
    """
    check_formula(formula)
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

    Raises:
        ModelError: a formula or an option is wrong.

    Source: Strang & Tuma (1993); half-life memory as in Hawkes (1971).
    """
    check_formula(susceptibility)
    if infectiousness is not None:
        check_formula(infectiousness)
    if half_life is not None and half_life != "estimate":
        number = not isinstance(half_life, bool) and isinstance(half_life, Real)
        if not number or not (math.isfinite(half_life) and half_life > 0):
            raise ModelError(f"half_life must be None, a positive number or 'estimate', not {half_life!r}")
        half_life = float(half_life)
    if normalise not in (None, "target"):
        raise ModelError(f"normalise must be None or 'target', not {normalise!r}")
    if response not in (None, "power"):
        raise ModelError(f"response must be None or 'power', not {response!r}")
    if not isinstance(layer, str) or not layer:
        raise ModelError(f"a contagion cause needs the name of a layer, not {layer!r}")
    if not isinstance(when, str):
        raise ModelError(f"contagion({layer!r}): when must be a clause such as 'regime=soviet', not {when!r}")
    return Contagion(
        layer,
        when,
        susceptibility,
        infectiousness,
        half_life,
        normalise,
        response,
        _cause_name(layer if name is None else name),
    )


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
    """

    variable: str
    origin: tuple[str, ...]
    to: str
    causes: tuple[Cause, ...]
    requires: str | None = None

    def __init__(
        self, variable: str, origin: str | Sequence[str], to: str, *causes: Cause, requires: str | None = None
    ) -> None:
        states = origin.split("|") if isinstance(origin, str) else list(origin)
        for each in (variable, to, *states):
            if not isinstance(each, str):
                raise ModelError(f"a transition's variable and states are texts, not {each!r}")
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
                    f"transition {self.name!r} has two causes named {name!r}: give one of them a name="
                )

    @property
    def name(self) -> str:
        """Return the name used in parameters, such as ``regime: old > soviet``."""
        return f"{self.variable}: {'|'.join(self.origin)} > {self.to}"


@dataclass(frozen=True)
class Model:
    """A declared model: the state variables of each unit and the transitions that are explained.

    Parameters:
        variables: the state variables that the model speaks of.
        transitions: the transitions it explains; others are taken as they happened.

    Raises:
        ModelError: a name is unknown or given twice, or two transitions explain the same move.
    """

    variables: tuple[StateVariable, ...]
    transitions: tuple[Transition, ...]
    by_name: Mapping[str, StateVariable] = field(init=False, repr=False, compare=False)

    def __init__(self, variables: Sequence[StateVariable], transitions: Sequence[Transition]) -> None:
        object.__setattr__(self, "variables", tuple(variables))
        object.__setattr__(self, "transitions", tuple(transitions))
        object.__setattr__(self, "by_name", {variable.name: variable for variable in self.variables})
        if len(self.by_name) != len(self.variables):
            raise ModelError("two state variables of the model have the same name")
        if not self.transitions:
            raise ModelError("the model has no transitions")
        moves: set[tuple[str, str, str]] = set()
        for transition in self.transitions:
            self._check(transition)
            for state in transition.origin:
                move = (transition.variable, state, transition.to)
                if move in moves:
                    raise ModelError(f"two transitions explain {move[0]}: {move[1]} > {move[2]}")
                moves.add(move)

    def _check(self, transition: Transition) -> None:
        if transition.variable not in self.by_name:
            raise ModelError(
                f"transition {transition.name!r} moves an unknown variable {transition.variable!r}"
                + suggestion(transition.variable, self.by_name)
            )
        variable = self.by_name[transition.variable]
        for state in (*transition.origin, transition.to):
            variable.code(state)
            if FORBIDDEN_IN_STATES.search(state):
                raise ModelError(f"transition {transition.name!r}: {state!r} is not one state")
        if len(set(transition.origin)) < len(transition.origin):
            raise ModelError(f"transition {transition.name!r} names a state to leave twice")
        if transition.to in transition.origin and not variable.recurrent:
            raise ModelError(
                f"transition {transition.name!r} enters the state it leaves, "
                f"and variable {variable.name!r} is not declared recurrent=True"
            )
        if transition.requires is not None:
            required = parse_clause(transition.requires, self.by_name)
            if transition.variable in required:
                raise ModelError(
                    f"transition {transition.name!r}: requires= speaks of other variables; "
                    f"name the states of {transition.variable!r} that are left instead"
                )
        for cause in transition.causes:
            if isinstance(cause, Contagion):
                parse_clause(cause.when, self.by_name)

    # The verbs of a model. Each imports what it needs when it is called, so that a declaration stays light.

    def compile(self, history: History, learned: Learned | None = None) -> Program:
        """Join the model with a history into a program of arrays.

        Parameters:
            history: what happened.
            learned: what the formulas learnt from the history that was fitted (`fit.learned`), where this is
                another one: its categories have those levels and references. By default they are learnt here.

        Raises:
            ModelError: the model speaks of what the history does not have, or the history has a level of a
                category that was never seen.
            FitError: an observed event that no cause of the model can explain.
        """
        from tocsin.program import compile_program

        return compile_program(self, history, learned)

    def fit(
        self,
        history: History,
        prior: Prior | None = None,
        fixed: Mapping[str, float] | None = None,
        tied: Iterable[Sequence[str]] | None = None,
    ) -> Fit:
        """Fit the model to a history by maximum likelihood, or by penalised likelihood under a prior.

        Parameters:
            history: what happened.
            prior: a prior, such as `tc.weak_prior()`, makes the fit a penalised one.
            fixed: values of parameters that are not estimated, on the scale of `fit.params` (half-lives and alphas
                as logarithms); a coefficient fixed at 1 makes its term an offset.
            tied: groups of parameters that take one value, such as ``[(a, b)]``.

        Raises:
            ModelError: the model and the history clash, or `fixed` or `tied` name an unknown parameter.
            FitError: an event that no cause explains, a covariate missing at risk, or a transition without events.
        """
        from tocsin.infer.fit import fit_model

        return fit_model(self, history, prior, fixed, tied)

    def sample(
        self,
        history: History,
        draws: int = 1000,
        tune: int = 1000,
        chains: int = 4,
        seed: int = 1917,
        prior: Prior | None = None,
        progress: bool | Callable[[int, int], None] = False,
        frailty: Asked = None,
        shock: Asked = None,
        target_accept: float | None = None,
    ) -> Posterior:
        """Draw from the posterior of the model by the no-U-turn sampler (nutpie; needs the extra `bayes`).

        Parameters:
            history: what happened.
            draws, tune: of each chain, kept and thrown away.
            chains, seed: number of chains, and their seed: the same seed gives the same draws.
            prior: normal priors of the parameters, `tc.weak_prior()` by default.
            progress: True for a bar, or a function of draws done and draws in all.
            frailty: transitions with an effect of each unit, normal on the log hazard, its standard deviation
                estimated: names, True for all, or names with the scale of its half-normal prior (else 1).
            shock: transitions with a shock common to all units, a random walk over months; as `frailty`.
            target_accept: nearer 1 for smaller steps, where draws diverge (0.9; 0.95 with effects).

        Raises:
            TocsinError: nutpie or ArviZ is not installed.
            ModelError: a number or a transition is wrong, or the model and the history clash.
            FitError: an event that no cause explains, a covariate missing at risk, or a hazard that overflows.
        """
        from tocsin.infer.bayes import sample_model

        return sample_model(
            self, history, draws, tune, chains, seed, prior, progress, frailty, shock, target_accept
        )

    def with_params(self, params: Mapping[str, float], learned: Learned | None = None) -> Given:
        """Return the model with given parameters, which simulates and attributes without a fit.

        Parameters:
            params: a value for every parameter name, in the terms of `Program.parameter_names`.
            learned: what the formulas learnt from the history that the parameters belong to: `fit.learned`, or
                `program.learned`. A formula with a category needs it, for the parameters of its levels mean
                nothing without the reference.
        """
        from tocsin.infer.given import Given

        return Given(self, {str(name): float(value) for name, value in dict(params).items()}, learned)

    @staticmethod
    def from_toml(source: str | Path) -> Model:
        """Read a model from a TOML file, or from the text of one; raise ModelError where it is wrong."""
        from tocsin.model.toml import read_model

        return read_model(source)

    def to_toml(self) -> str:
        """Return the model as the text of a TOML file that `from_toml` reads back to an equal model."""
        from tocsin.model.toml import write_model

        return write_model(self)

    def _repr_html_(self) -> str:
        from tocsin.model.toml import describe_html

        return describe_html(self)

    def __hash__(self) -> int:
        return hash((self.variables, self.transitions))

    def __reduce__(self) -> tuple[Any, ...]:
        return (Model, (self.variables, self.transitions))
