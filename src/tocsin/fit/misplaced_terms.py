"""Effects left out: whether a term stands in the right place, propensity or susceptibility."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from tocsin.errors import TocsinError
from tocsin.fit.maximum.constraint import Constraint
from tocsin.fit.maximum.imputation import over_draws
from tocsin.fit.maximum.search import Task, scale
from tocsin.model.declaration import BAR, Baseline, Cause, Contagion, Transition
from tocsin.model.model import Model

if TYPE_CHECKING:
    from tocsin.fit.maximum.search import Found
    from tocsin.program.program import Program

SURE = 0.01  # p of the score test below which a left-out effect is spoken of

LOOKED_INTO = 3.84  # of the score test

SHARED = 0.8  # share of what the data say of a left-out effect that the effects in the model say already


@dataclass(frozen=True)
class LeftOut:
    """An effect that the model does not have, while the same term has another.

    Attributes:
        name: the parameter that the model lacks.
        twin: the parameter of the same term that it has.
        statistic, p: test of the lacking effect, chi-square with one degree of freedom: the score test
            (Rao 1948), and where that finds something the likelihood ratio, which it overstates away from
            its summit.
        shared: share of the information on the lacking effect that the parameters of the model take up; at
            1 the data cannot tell the two apart.
    """

    name: str
    twin: str
    statistic: float
    p: float
    shared: float

    def warning(self) -> str | None:
        """Return what to say of it, None where nothing needs to be said."""
        term = self.name.split(BAR)[3]
        place, other = self.twin.split(BAR)[2], self.name.split(BAR)[2]
        if self.p < SURE:
            return (
                f"{term!r} has an effect as {place} in the model, and the data ask for one as {other} as "
                f"well "
                f"({self.name!r} left out, p = {self.p:.2g}): one left out is readily taken "
                f"for the other "
                "(Greve, Strang & Tuma 1995). Fit both and compare"
            )
        if self.shared > SHARED:
            return (
                f"the data can hardly tell whether {term!r} works as {place} ({self.twin!r}) or as {other}: "
                f"{self.shared:.0%} of what they say of the one they say of the other (Greve, Strang & "
                f"Tuma 1995). "
                "Say that the choice is yours"
            )
        return None


def _completed(model: Model) -> list[Model]:
    """Return each transition that lacks an effect, alone, with every term of its propensity as
    susceptibility too,
    and the reverse. Transitions share no likelihood, so each can be looked at by itself."""
    found = []
    for move in model.transitions:
        homes = [cause for cause in move.causes if isinstance(cause, Baseline)]
        abroad = [cause for cause in move.causes if isinstance(cause, Contagion)]
        at_home = " + ".join(cause.formula for cause in homes)
        open_to = " + ".join(cause.susceptibility for cause in abroad)
        lacking = bool(homes and abroad) and not at_home == open_to == "1"
        if (
            not lacking
            or _terms(at_home) == _terms(open_to)
            or "0" in f"{at_home} {open_to}".split()
            or "-" in at_home + open_to
        ):
            continue
        causes: list[Cause] = [
            replace(cause, formula=f"{cause.formula} + {open_to}")
            if isinstance(cause, Baseline)
            else replace(cause, susceptibility=f"{cause.susceptibility} + {at_home}")
            for cause in move.causes
        ]
        alone = Transition(move.variable, move.origin, move.to, *causes, requires=move.requires)
        found.append(Model(model.variables, [alone]))
    return found


def _terms(formula: str) -> set[str]:
    return {term.replace(" ", "") for term in formula.split("+")}


def left_out(task: Task, found: Found) -> list[LeftOut]:
    """Return the effects of the model's own terms that it lacks, each with a test and what it shares.

    The score and the information are those of the completed model at the estimates, with what is lacking
    at zero.

    Parameters:
        task, found: what was maximised, and where.
    """
    results: list[LeftOut] = []
    if over_draws(task.program) is not None:  # the times were drawn under the model as it is
        return results
    for completed in _completed(task.program.model):
        try:
            results += _of_one(task, found, completed.compile(task.program.history))
        except TocsinError:  # a covariate that is known where one cause is at work and not where the other is
            continue
    return results


def _of_one(task: Task, found: Found, program: Program) -> list[LeftOut]:
    from scipy.special import chdtrc

    fitted = task.program
    known = dict(zip(fitted.parameter_names, task.user(found.vector), strict=True))
    program = scale(program, Constraint.make(program.parameter_names))
    vector = program.scaled.scaled(np.array([known.get(name, 0.0) for name in program.parameter_names]))
    at_zero = {fitted.cause_name(number) for number in found.gone}
    value, score, hessian = program.likelihood.all(vector)
    free = {name for p, name in enumerate(fitted.parameter_names) if found.constraint.group[p] != -1}
    inside = [p for p, name in enumerate(program.parameter_names) if name in free]
    results = []
    for position, name in enumerate(program.parameter_names):
        transition, cause, role, term = name.split(BAR)
        if name in known or f"{transition} | {cause}" in at_zero:
            continue
        other = "propensity" if role == "susceptibility" else "susceptibility"
        twins = [
            each
            for each in known
            if each.split(BAR)[0] == transition and each.split(BAR)[2:] == [other, term] and each in free
        ]
        if not twins:
            continue
        own = -hessian[position, position]
        block, across = -hessian[np.ix_(inside, inside)], -hessian[position, inside]
        taken = float(across @ np.linalg.lstsq(block, across, rcond=1e-10)[0])
        left = own - taken
        if not own > 1e-8 or left < 1e-9 * own:
            continue
        statistic = float(score[position] ** 2 / left)
        if statistic > LOOKED_INTO:
            held = [k for k, each in enumerate(program.parameter_names) if each not in free and k != position]
            told = program.scaled.user(vector)
            free_too = Constraint.make(program.parameter_names).hold(held, [float(told[k]) for k in held])
            larger = Task.make(program, free_too).climb(vector, 1e-5)
            statistic = max(2.0 * (larger.value - value), 0.0)
        results.append(
            LeftOut(name, twins[0], statistic, float(chdtrc(1, statistic)), float(np.clip(taken / own, 0, 1)))
        )
    return results


def of_left_out(task: Task, found: Found) -> list[str]:
    """Return warnings of terms that may stand in the wrong place, those of one kind together."""
    if over_draws(task.program) is not None and _completed(task.program.model):
        return [
            "whether terms stand in the right place (propensity or susceptibility) is not looked at where open times "
            "enter other hazards: fit the model with them in the other place and compare"
        ]
    effects = [each for each in left_out(task, found) if each.warning() is not None]
    asked = [each for each in effects if each.p < SURE]
    hidden = [each for each in effects if each.p >= SURE]
    if len(hidden) < 2:
        return [each.warning() or "" for each in effects]
    most: dict[str, float] = {}  # the same term may stand in several causes
    for each in hidden:
        transition, _, place, term = each.twin.split(BAR)
        key = f"{term!r} as {place} in {transition!r}"
        most[key] = max(most.get(key, 0.0), each.shared)
    listed = ", ".join(f"{key} ({shared:.0%})" for key, shared in most.items())
    return [
        *(each.warning() or "" for each in asked),
        "the data can hardly tell whether these terms make units ready by themselves (propensity) or open to "
        f"others (susceptibility); the model chose: {listed}. The shares say how much of the information on "
        "the other place is taken up already (Greve, Strang & Tuma 1995); fit.check() tests each",
    ]
