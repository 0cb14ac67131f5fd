"""The model: a declaration that can be compiled, fitted, sampled and given parameters."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tocsin.errors import ModelError, read_list, suggestion
from tocsin.model.declaration import Contagion, Transition, contagion
from tocsin.model.declaration import baseline as home
from tocsin.states import FORBIDDEN_IN_STATES, StateVariable, parse_clause

if TYPE_CHECKING:
    from pathlib import Path

    from tocsin.bayes.posterior import Posterior
    from tocsin.bayes.random_effects import Asked
    from tocsin.fit.estimates import Fit
    from tocsin.fit.maximum.constraint import Prior
    from tocsin.fit.parameterised import Parameterised
    from tocsin.history.history import History
    from tocsin.model.learned import Learned
    from tocsin.program.program import Program


@dataclass(frozen=True)
class Model:
    """A declared model: the state variables of each unit and the transitions that are explained.

    Parameters:
        variables: the state variables that the model speaks of.
        transitions: the transitions it explains; others are taken as they happened.

    Raises:
        ModelError: a name is unknown or given twice, or two transitions explain the same move.

    `where` is the file that it was read from, for messages.

    Example:
        >>> import tocsin as tc
        >>> regime = tc.StateVariable("regime", ["old", "soviet"])
        >>> model = tc.Model([regime], [tc.Transition("regime", "old", "soviet", tc.baseline("1"))])
        >>> len(model.fit(tc.load_history("1917")).params)
        1
    """

    variables: tuple[StateVariable, ...]
    transitions: tuple[Transition, ...]
    by_name: Mapping[str, StateVariable] = field(init=False, repr=False, compare=False)
    where: str = field(init=False, repr=False, compare=False)

    def __init__(
        self, variables: Sequence[StateVariable], transitions: Sequence[Transition], where: str = ""
    ) -> None:
        object.__setattr__(self, "where", where)
        for name, given, kind in (
            ("variables", variables, StateVariable),
            ("transitions", transitions, Transition),
        ):
            object.__setattr__(self, name, tuple(read_list(f"{name} of a model", given, kind)))
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

    @staticmethod
    def of(
        variable: str,
        origin: str,
        to: str,
        along: Sequence[str] | str = (),
        *,
        baseline: str = "1",
        susceptibility: str = "1",
        recurrent: bool = False,
        **options: Any,
    ) -> Model:
        """Return the usual model of one move: a baseline, and contagion along each layer from units in state `to`.

        Parameters:
            variable, origin, to: the state variable and its move; of a recurrent one every event, a first or a further.
            along: names of the layers of ties.
            baseline, susceptibility: formulas of the unit at risk, of the baseline and of every contagion.
            recurrent: whether events into the state already held are explained too (origin ``"none|coup"``).
            options: of every contagion: half_life, normalise, infectiousness, response.

        Raises:
            ModelError: a name, a formula or an option is wrong.

        >>> tc.Model.of("vote", "no", "yes", along=["border"])
        """
        layers = [along] if isinstance(along, str) else read_list("along= (layers of ties)", along, str)
        causes = [contagion(layer, f"{variable}={to}", susceptibility, **options) for layer in layers]
        origins = dict.fromkeys([origin, to] if recurrent else [origin])
        move = Transition(variable, list(origins), to, home(baseline), *causes)
        return Model(
            [StateVariable(variable, list(dict.fromkeys([origin, to])), recurrent=recurrent)], [move]
        )

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
        from tocsin.program.compile import compile_program

        return compile_program(self, history, learned)

    def fit(
        self,
        history: History,
        prior: Prior | None = None,
        fixed: Mapping[str, float] | None = None,
        tied: Iterable[Sequence[str]] | None = None,
        progress: Callable[[str, int, int], None] | None = None,
    ) -> Fit:
        """Fit the model to a history by maximum likelihood, or by penalised likelihood under a prior.

        Parameters:
            history: what happened.
            prior: a prior, such as `tc.weak_prior()`, makes the fit a penalised one.
            fixed: values of parameters that are not estimated, on the scale of `fit.params` (half-lives and alphas
                as logarithms); a coefficient fixed at 1 makes its term an offset.
            tied: groups of parameters that take one value, such as ``[(a, b)]``.
            progress: called with what is being done, steps done and steps in all, where times of events are drawn.

        Raises:
            ModelError: the model and the history clash, or `fixed` or `tied` name an unknown parameter.
            FitError: an event that no cause explains, a covariate missing at risk, or a transition without events.
        """
        from tocsin.fit.fit import fit_model

        return fit_model(self, history, prior, fixed, tied, progress)

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
        from tocsin.bayes.nuts import sample_model

        return sample_model(
            self, history, draws, tune, chains, seed, prior, progress, frailty, shock, target_accept
        )

    def with_params(self, params: Mapping[str, float], learned: Learned | None = None) -> Parameterised:
        """Return the model with given parameters, which simulates and attributes without a fit.

        Parameters:
            params: a value for every parameter name, in the terms of `Program.parameter_names`.
            learned: what the formulas learnt from the history that the parameters belong to: `fit.learned`, or
                `program.learned`. A formula with a category needs it, for the parameters of its levels mean
                nothing without the reference.
        """
        from tocsin.fit.parameterised import Parameterised

        return Parameterised(self, {str(name): float(value) for name, value in dict(params).items()}, learned)

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
        return (Model, (self.variables, self.transitions, self.where))
