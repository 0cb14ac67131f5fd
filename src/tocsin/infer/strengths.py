"""Strengths against no contagion: where they stand, what goes with them, and their likelihood ratio.

Under no contagion a strength lies at the edge of what it can be, and whatever belongs to it alone (a half-life,
alpha, covariates) means nothing. Only where that one strength lies at the edge and nothing goes with it has the
likelihood ratio a law that is known: half of it at zero, half a chi-square with one degree of freedom (Self &
Liang 1987). Elsewhere a parametric bootstrap finds it.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from tocsin.infer.search import Found, Task
from tocsin.infer.start import intercept
from tocsin.kernels.layout import LAYER
from tocsin.model.declaration import BAR
from tocsin.program.grouped import GroupedLikelihood, is_grouped
from tocsin.program.likelihood import Likelihood

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tocsin.program import Program

    Floats = NDArray[np.float64]

MANY = 100  # strengths whose profiles a fit takes along when it is saved
WALD, RATIO, CHECK, ONLY, NONE = "Wald", "likelihood ratio", "see check", "only cause", ""


@dataclass(frozen=True)
class Answer:
    """What a test of a strength against no contagion says.

    Attributes:
        statistic: twice the gain in log-likelihood from the cause; NaN where there is no null.
        p: NaN where the law of the statistic is not known, or there is no null.
        word: ``likelihood ratio``, ``see check`` (its law is not known), ``only cause`` (there is no null), or
            nothing where no test is asked for.
    """

    statistic: float
    p: float
    word: str


def levels(program: Program, number: int) -> list[int]:
    """Return the positions of a cause's own levels: its intercept, or the categories that stand for one."""
    place = intercept(program, number)
    if place >= 0:
        return [place]
    slots, matrix = program.slots[number], program.likelihood.causes[number].matrix
    two = [k for k in range(matrix.shape[1]) if np.isin(matrix[:, k], (0.0, 1.0)).all()]
    names = [program.parameter_names[p].split(BAR)[3] for p in slots.target]
    stems = {re.sub(r"\[[^]]*\]", "[]", names[k]) for k in two if "[" in names[k]}
    sets = [[k for k in two if re.sub(r"\[[^]]*\]", "[]", names[k]) == stem] for stem in sorted(stems)]
    for chosen in (*sets, two):
        if chosen and (matrix[:, chosen].sum(axis=1) == 1.0).all():
            return [slots.target.start + k for k in chosen]
    return []


def is_contagion(program: Program, number: int) -> bool:
    """Say whether a cause runs along a layer."""
    return bool(program.opening.cause[number, LAYER] >= 0)


def half_chi_square(statistic: float) -> float:
    """Return the tail of the mixture of zero and chi-square with one degree of freedom, half each."""
    from scipy.special import chdtrc

    return 0.5 * float(chdtrc(1, statistic)) if statistic > 0 else 1.0


def removed(task: Task, numbers: Collection[int], vector: Floats) -> Task:
    """Return the task under no contagion by these causes: levels of zero, and what is theirs alone held."""
    plain = [c for c in numbers if intercept(task.program, c) >= 0]
    task = task.without(plain, vector)
    for number in set(numbers) - set(plain):
        own = levels(task.program, number)
        gone = _alone(task, [number])
        task = task.holding(own, [-math.inf] * len(own))
        task = task.holding(gone, [float(vector[p]) if np.isfinite(vector[p]) else 0.0 for p in gone])
    return task


def _alone(task: Task, numbers: Collection[int]) -> list[int]:
    """Return the free parameters, levels apart, that mean nothing once these causes are taken out."""
    program, group, held = task.program, task.asked.group, task.constraint.group == -1
    own = {p for c in numbers for p in program.likelihood.causes[c].positions}
    own_levels = {p for c in numbers for p in levels(program, c)}
    return [
        p
        for p in sorted(own - own_levels)
        if group[p] >= 0 and not held[p] and set(np.flatnonzero(group == group[p]).tolist()) <= own
    ]


def together(task: Task, number: int) -> list[int]:
    """Return the causes whose levels are tied to those of a cause, itself among them."""
    program, group = task.program, task.asked.group
    mine = {int(group[p]) for p in levels(program, number)} - {-1}
    return [
        c
        for c in range(len(program.causes))
        if c == number or mine & {int(group[p]) for p in levels(program, c)}
    ]


def left(task: Task, numbers: Collection[int]) -> bool:
    """Say whether every transition keeps a cause once these are taken out."""
    program, constraint = task.program, task.constraint
    silent = {
        c
        for c in range(len(program.causes))
        for p in [intercept(program, c)]
        if p >= 0 and constraint.group[p] < 0 and np.isneginf(constraint.base[p])
    }
    groups = [group for group in program.likelihood.groups if set(group) & set(numbers)]
    return all(set(group) - set(numbers) - silent for group in groups)


def null(task: Task, found: Found, numbers: Collection[int]) -> Found:
    """Return the maximum under no contagion by these causes, looked for from the maximum with them.

    Raises:
        FitError: nothing is left to explain an event.
    """
    held = removed(task, numbers, found.vector)
    gone = tuple(c for c in found.gone if c not in numbers)
    begin = found.vector.copy()
    best = held.climb(begin, gone=gone)
    if shaped(held):
        other = held.solve()
        best = max(best, other, key=lambda end: end.value)
    return best


def shaped(task: Task) -> bool:
    """Say whether half-lives, alphas or marks are to be found, so that there may be several hills."""
    group = task.constraint.group
    return any(
        p >= 0 and group[p] >= 0 for s in task.program.slots for p in (s.half_life, s.alpha, *s.source)
    )


def lawful(task: Task, numbers: Sequence[int], *ends: Found) -> bool:
    """Say whether the ratio has the half chi-square law: one level at the edge, and nothing that goes with it.

    Parameters:
        ends: maxima with and without contagion by these causes; no other may lie at zero in either.
    """
    if len(numbers) > 1 or intercept(task.program, numbers[0]) < 0 or _alone(task, numbers):
        return False
    return not {c for end in ends for c in end.gone} - set(numbers) - set(task.absent)


def against_none(task: Task, found: Found, number: int) -> Answer:
    """Test the strength of a cause against no contagion.

    Parameters:
        task, found: of the cause's own block of transitions; see `block_of`.
    """
    constraint = task.constraint
    nothing = Answer(math.nan, math.nan, NONE)
    if task.penalty is not None or all(constraint.group[p] == -1 for p in levels(task.program, number)):
        return nothing
    if number in task.absent:
        return nothing
    numbers = together(task, number)
    if not left(task, numbers):
        return Answer(math.nan, math.nan, ONLY)
    if number in found.gone:
        return Answer(0.0, 1.0, RATIO)  # no ratio is smaller, whatever its law
    if not lawful(task, numbers, found):
        return Answer(math.nan, math.nan, CHECK)
    end = null(task, found, numbers)
    if not lawful(task, numbers, found, end):
        return Answer(max(2.0 * (found.value - end.value), 0.0), math.nan, CHECK)
    statistic = max(2.0 * (found.value - end.value), 0.0)
    return Answer(statistic, half_chi_square(statistic), RATIO)


def blocks(task: Task) -> list[list[int]]:
    """Return the transitions in blocks that share no parameters: joined by ties and, with grouped times, by
    their variable."""
    program, group = task.program, task.asked.group
    moves, groups = program.model.transitions, program.likelihood.groups
    free = [{int(group[p]) for c in own for p in program.likelihood.causes[c].positions} for own in groups]
    label = list(range(len(groups)))
    for k in range(len(groups)):
        for other in range(k):
            rivals = is_grouped(program.history) and moves[k].variable == moves[other].variable
            if rivals or (free[k] & free[other]) - {-1}:
                label = [label[other] if mark == label[k] else mark for mark in label]
    return [[k for k, each in enumerate(label) if each == mark] for mark in dict.fromkeys(label)]


def block_of(task: Task, found: Found, transitions: Collection[int]) -> tuple[Task, Found]:
    """Return a task and its maximum with all but some transitions held, and their factor alone worked out."""
    likelihood = task.program.likelihood
    if type(likelihood) not in (Likelihood, GroupedLikelihood):  # not a product of factors
        return task, found
    program = replace(task.program)
    program.__dict__["likelihood"] = likelihood.part(transitions)
    mine = {p for k in transitions for c in likelihood.groups[k] for p in likelihood.causes[c].positions}
    others = [p for p in range(found.vector.size) if p not in mine]
    values = [float(found.vector[p]) for p in others]
    part = replace(task, program=program, constraint=task.constraint.hold(others, values))
    constraint = found.constraint.hold(others, values)
    value, gradient, hessian = replace(part, constraint=constraint).penalised(found.vector)
    loglik = program.likelihood.value(found.vector)
    gone = tuple(c for c in found.gone if c in program.likelihood.counted)
    return part, replace(
        found,
        value=value,
        loglik=loglik,
        gradient=gradient,
        hessian=hessian,
        constraint=constraint,
        gone=gone,
    )


def tests_of(program: Program, block: Callable[[str], tuple[Task, Found]]) -> dict[str, Answer]:
    """Return the tests of all levels of causes by name: of rates nothing, of strengths against no contagion.

    Parameters:
        block: gives the task and maximum of the block of a parameter's name.
    """
    found: dict[str, Answer] = {}
    for number in range(len(program.causes)):
        names = [program.parameter_names[p] for p in levels(program, number)]
        answer = Answer(math.nan, math.nan, NONE)
        if names and is_contagion(program, number):
            answer = against_none(*block(names[0]), number)
        found |= dict.fromkeys(names, answer)
    return found
