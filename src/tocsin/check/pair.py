"""One transition with and without one of its contagion causes, as tasks of fitting."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from tocsin.fit.maximum.constraint import Constraint
from tocsin.fit.maximum.search import Task, scale
from tocsin.model.declaration import BAR, Baseline, Contagion, Transition
from tocsin.model.model import Model

if TYPE_CHECKING:
    from tocsin.fit.estimates import Fit
    from tocsin.history.history import History
    from tocsin.program.program import Program

SHOCK = "tocsin_shock"


@dataclass(frozen=True)
class Pair:
    """One transition with and without one of its contagion causes."""

    fit: Fit
    transition: Transition
    cause: Contagion

    @property
    def name(self) -> str:
        """Return 'transition | cause'."""
        return f"{self.transition.name}{BAR}{self.cause.name}"

    @property
    def shares_layer(self) -> bool:
        """Return whether another cause of the transition goes along the same layer."""
        layers = [cause.layer for cause in self.transition.causes if isinstance(cause, Contagion)]
        return layers.count(self.cause.layer) > 1

    def model(self, with_cause: bool, more: str = "") -> Model:
        """Return the model of this transition alone, with terms added to its baselines.

        Transitions share no parameters unless they are tied, so the others do not matter for the cause.
        """
        causes = [
            replace(cause, formula=f"{cause.formula} + {more}")
            if more and isinstance(cause, Baseline)
            else cause
            for cause in self.transition.causes
            if with_cause or cause.name != self.cause.name
        ]
        move = self.transition
        alone = Transition(move.variable, move.origin, move.to, *causes, requires=move.requires)
        return Model(self.fit.model.variables, [alone])

    def task(self, history: History, with_cause: bool, more: str = "", shock: float | None = None) -> Task:
        """Return the task of fitting it."""
        return self.of_program(self.model(with_cause, more).compile(history), shock)

    def of_program(self, program: Program, shock: float | None = None) -> Task:
        """Return the task of a compiled model, with what the fit had fixed or tied."""
        names = program.parameter_names
        fixed = {name: value for name, value in self.fit.fixed.items() if name in names}
        if shock is not None:
            fixed |= {name: shock for name in names if name.endswith(f"{BAR}{SHOCK}")}
        tied = [group for group in self.fit.tied if all(name in names for name in group)]
        from tocsin.fit.diagnostics import aliased

        constraint = Constraint.make(names, fixed, tied)
        program = scale(program, constraint)
        twins = aliased(program, constraint)
        return Task.make(program, constraint.hold(list(twins), [0.0] * len(twins)))

    def gain(self, one: Task, other: Task) -> tuple[float, float]:
        """Return twice the gain of the cause, and its strength where the fit has it."""
        small, large = one.solve(), other.solve()
        place = f"{self.name}{BAR}susceptibility{BAR}1"
        names = other.program.parameter_names
        strength = math.exp(other.user(large.vector)[names.index(place)]) if place in names else math.nan
        return max(2.0 * (large.value - small.value), 0.0), strength
