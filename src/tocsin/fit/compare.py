"""Likelihood-ratio tests between a fit and a special case of it."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from tocsin.ensemble.simulate import threads
from tocsin.errors import FitError, TocsinError
from tocsin.fit.maximum.newton import intercept
from tocsin.fit.maximum.search import Found, Task
from tocsin.kernels.layout import LAYER
from tocsin.model.declaration import BAR, Contagion
from tocsin.program.grouped import GroupedLikelihood, is_grouped, refuse_two
from tocsin.program.likelihood import Likelihood

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tocsin.fit.bootstrap import BootstrapDraws
    from tocsin.fit.estimates import Fit
    from tocsin.program.program import Program

    Floats = NDArray[np.float64]

CHI_SQUARE, HALF, BOOTSTRAP = "chi-square", "half chi-square, half zero", "parametric bootstrap"


@dataclass(frozen=True)
class ModelComparison:
    """A likelihood-ratio test.

    Attributes:
        statistic: twice the difference of the log-likelihoods.
        df: how many parameters the larger fit has more.
        p: the p-value.
        method: how it was found: chi-square, half chi-square, half zero, or parametric bootstrap.
        extra: the parameters that the smaller fit does not have, or holds.
        drawn: the statistics of the bootstrap's worlds, else None.
        aic, bic: the larger fit's criterion less the smaller fit's.
        error: the Monte-Carlo standard error of p, 0 where none was drawn.
        failed: worlds of the bootstrap that could not be fitted, and do not count.
        noise: the Monte-Carlo standard error of the statistic where likelihoods are means over drawn times, else 0.
    """

    statistic: float
    df: int
    p: float
    method: str
    extra: tuple[str, ...]
    drawn: Floats | None
    aic: float
    bic: float
    error: float = 0.0
    failed: int = 0
    noise: float = 0.0

    def __str__(self) -> str:
        worlds = "" if self.drawn is None else f" of {len(self.drawn)} worlds (± {self.error:.2g})"
        worlds += f", {self.failed} more could not be fitted" if self.failed else ""
        noise = f" (Monte-Carlo error {self.noise:.2g})" if self.noise else ""
        return (
            f"likelihood ratio {self.statistic:.3f}{noise} for {self.df} parameter{'s' if self.df != 1 else ''} "
            f"({', '.join(self.extra)}): p = {self.p:.4g} by {self.method}{worlds}; "
            f"AIC {self.aic:+.2f}, BIC {self.bic:+.2f} for the larger"
        )


def compare(one: Fit, other: Fit, worlds: int, seed: int) -> ModelComparison:
    """Test a smaller against a larger fit; see `Fit.compare`."""
    if one.digest != other.digest:
        raise TocsinError("the two fits are of different histories and cannot be compared")
    if one.prior is not None or other.prior is not None:
        raise TocsinError("penalised fits have no likelihood-ratio test; compare fits without a prior")
    small, large = (one, other) if _free(one) < _free(other) else (other, one)
    extra, lone = _nested(small, large)
    df = _free(large) - _free(small)
    if df < 1:
        raise TocsinError("the two fits have the same parameters; there is nothing to test")
    statistic = max(2.0 * (large.loglik - small.loglik), 0.0)
    method = _method(small, large, extra, lone)
    drawn, failed, error = None, 0, 0.0
    if method == BOOTSTRAP:
        found = bootstrap(small, large, worlds, seed)
        drawn, failed = found.ratios, found.failed
        p, error = found.p(statistic)
    else:
        from scipy.special import chdtrc

        p = float(chdtrc(df, statistic)) if method == CHI_SQUARE else half_chi_square(statistic)
    return ModelComparison(
        statistic,
        df,
        p,
        method,
        tuple(extra),
        drawn,
        large.aic - small.aic,
        large.bic - small.bic,
        error,
        failed,
        2.0 * math.hypot(small.loglik_error, large.loglik_error),
    )


def _free(fit: Fit) -> int:
    """Return the number of values that a fit may choose, those of causes at zero included."""
    values = set()
    group = {name: number for number, names in enumerate(fit.tied) for name in names}
    for name in fit.values:
        if name not in fit.fixed:
            values.add(("tied", group[name]) if name in group else ("own", name))
    return len(values)


def _nested(small: Fit, large: Fit) -> tuple[list[str], list[tuple[str, str]]]:
    """Return the parameters that the larger fit has more, and the causes; refuse fits that are not nested."""

    def refuse(reason: str) -> TocsinError:
        return TocsinError(
            f"neither fit is a special case of the other ({reason}); compare their AIC or BIC instead"
        )

    ours, theirs = _causes(small), _causes(large)
    if {t.name: t.requires for t in small.model.transitions} != {
        t.name: t.requires for t in large.model.transitions
    }:
        raise refuse("they explain different transitions")
    for key, cause in ours.items():
        if key not in theirs:
            raise refuse(f"only the smaller has the cause {' | '.join(key)!r}")
        if not _inside(cause, theirs[key]):
            raise refuse(f"the cause {' | '.join(key)!r} differs in layer, when, memory or response")
    split = {BAR.join(key) for key, cause in ours.items() if _splits(cause, theirs[key])}
    lost = [name for name in small.values if name not in large.values]
    together = [name for name in lost if re.sub(r"\[[^]]*\]$", "", name.rsplit(BAR, 2)[0]) in split]
    if len(lost) > len(together):
        raise refuse(f"only the smaller has {next(name for name in lost if name not in together)!r}")
    extra = [name for name in large.values if name not in small.values and name not in large.fixed]
    extra = extra[len(together) :]  # levels that share a value have one of them in the smaller
    for name, value in large.fixed.items():
        if name in small.values and small.fixed.get(name) != value:
            raise refuse(f"{name!r} is fixed in the larger alone")
        if name not in small.values and value not in (0.0, -np.inf):
            raise refuse(f"{name!r} is fixed at {value:g} in the larger alone")
    for group in large.tied:
        if not any(set(group) <= set(mine) for mine in small.tied):
            raise refuse(f"{', '.join(map(repr, group))} are tied in the larger alone")
    extra += [name for name in small.fixed if name not in large.fixed]
    for group in small.tied:
        if group not in large.tied:
            extra += list(group[1:])
    return extra, [key for key in theirs if key not in ours]


def _causes(fit: Fit) -> dict[tuple[str, str], object]:
    return {(t.name, c.name): c for t in fit.model.transitions for c in t.causes}


def _inside(small: object, large: object) -> bool:
    if isinstance(small, Contagion) and isinstance(large, Contagion):
        memory = small.half_life == large.half_life or (
            isinstance(small.half_life, float) and large.half_life == "estimate"
        )
        if (small.by, small.shared) != (large.by, large.shared) and not _splits(small, large):
            return False
        response = small.response == large.response or small.response is None
        same = (small.layer, small.when, small.normalise) == (large.layer, large.when, large.normalise)
        return memory and response and same
    return type(small) is type(large)


def _splits(small: object, large: object) -> bool:
    """Say whether a cause is another one whose levels have more of their own."""
    if not isinstance(small, Contagion) or not isinstance(large, Contagion) or large.by is None:
        return False
    merged = small.by is None and small.half_life == "estimate"
    return merged or (small.by == large.by and bool(small.shared) and not large.shared)


def _near_bound(fit: Fit, tested: bool) -> bool:
    """Say whether a half-life of a cause with levels lies at one of its bounds, or within two standard errors.

    Parameters:
        tested: whether half-lives are what is tested; then those of all causes are looked at.
    """
    task, found = fit.search
    for number, slots in enumerate(task.program.slots):
        declared = task.program.causes[number][1]
        at = slots.half_life
        if at < 0 or not isinstance(declared, Contagion) or number in found.gone:
            continue
        if declared.by is None and not tested:
            continue
        se = math.sqrt(fit.vcov.to_numpy()[at, at])
        ends = [abs(found.vector[at] - bound[at]) for bound in task.bounds]
        if not min(ends) > 2.0 * se:  # a standard error that is no number is near as well
            return True
    return False


def _method(small: Fit, large: Fit, extra: list[str], lone: list[tuple[str, str]]) -> str:
    """Say which distribution the statistic has if the smaller fit is true."""
    at_zero = [name for name in small.values if small.status[name] == "zero"]
    fixed_zero = [name for name in extra if small.fixed.get(name) == -np.inf]
    if not lone and not fixed_zero:
        heads = {name.rsplit(BAR, 2)[0] for name in at_zero}
        inside = all(name.rsplit(BAR, 2)[0] not in heads for name in extra)
        bounds = any(small.status[name] == "at a bound" for name in small.values)
        tested = any(name.endswith(f"{BAR}half_life") for name in extra)
        bounds = bounds or _near_bound(small, tested) or _near_bound(large, tested)
        return CHI_SQUARE if inside and not bounds else BOOTSTRAP
    strength = extra[0].split(BAR)[2:] == ["susceptibility", "1"] if len(extra) == 1 else False
    # Other strengths at zero would make the cone larger than a half-line; those of transitions that share no
    # parameter with this one are no part of it.
    at_zero += [name for name in large.values if large.status[name] == "zero" and name not in extra]
    if not (small.tied or large.tied or is_grouped(small.history)):
        own = extra[0].split(BAR)[0]
        at_zero = [name for name in at_zero if name.split(BAR)[0] == own]
    return HALF if strength and not at_zero else BOOTSTRAP


def bootstrap(small: Fit, large: Fit, worlds: int, seed: int) -> BootstrapDraws:
    """Return the likelihood ratios of worlds simulated from the smaller fit, each fitted anew by both."""
    from tocsin.fit.bootstrap import BootstrapDraws
    from tocsin.fit.predict import Worlds

    if isinstance(worlds, bool) or not isinstance(worlds, int) or worlds < 19:
        raise TocsinError(f"a bootstrap needs worlds= of 19 or more, not {worlds!r}")
    ensemble = small.simulate(small.history, worlds, seed, draws="best")
    programs = [Worlds(fit.fitted_program, ensemble) for fit in (small, large)]
    tasks = small.search[0], large.search[0]

    names = large.fitted_program.causes
    lone = {c for c, (move, cause) in enumerate(names) if (move.name, cause.name) not in _causes(small)}

    def ratio(k: int) -> float | None:
        if lone and lone <= set(tasks[1].on(programs[1][k]).absent):
            return None  # nobody was exposed, which says nothing of a strength
        ends = [_value(task, each[k]) for task, each in zip(tasks, programs, strict=True)]
        return None if None in ends else max(2.0 * (ends[1] - ends[0]), 0.0)  # type: ignore[operator]

    with ThreadPoolExecutor(threads()) as pool:
        found = list(pool.map(ratio, range(worlds)))
    kept = np.array([value for value in found if value is not None])
    return BootstrapDraws(kept, worlds - kept.size)


def _value(task: Task, world: Program) -> float | None:
    """Return the maximum of a task in a world; None where it cannot be fitted."""
    from tocsin.fit.predict import complete

    if not complete(world):
        return None
    try:
        if is_grouped(world.history):
            refuse_two(world)
        return task.on(world).solve().value
    except FitError:  # an event that no cause of the smaller can explain, or two in one interval
        return None


# --- Strengths against no contagion: where they stand, what goes with them, and their likelihood
#     ratio
#
# Under no contagion a strength lies at the edge of what it can be, and whatever belongs to it alone (a half-life,
# alpha, covariates) means nothing. Only where that one strength lies at the edge and nothing goes with it has the
# likelihood ratio a law that is known: half of it at zero, half a chi-square with one degree of freedom (Self &
# Liang 1987). Elsewhere a parametric bootstrap finds it.

MANY = 100  # strengths whose profiles a fit takes along when it is saved

WALD, RATIO, CHECK, ONLY, NONE = "Wald", "likelihood ratio", "see check", "only cause", ""


@dataclass(frozen=True)
class StrengthTest:
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
    own -= {
        p for c, cause in enumerate(program.likelihood.causes) if c not in numbers for p in cause.positions
    }
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


def against_none(task: Task, found: Found, number: int) -> StrengthTest:
    """Test the strength of a cause against no contagion.

    Parameters:
        task, found: of the cause's own block of transitions; see `block_of`.
    """
    constraint = task.constraint
    nothing = StrengthTest(math.nan, math.nan, NONE)
    if task.penalty is not None or all(constraint.group[p] == -1 for p in levels(task.program, number)):
        return nothing
    if number in task.absent:
        return nothing
    numbers = together(task, number)
    if not left(task, numbers):
        return StrengthTest(math.nan, math.nan, ONLY)
    if number in found.gone:
        return StrengthTest(0.0, 1.0, RATIO)  # no ratio is smaller, whatever its law
    if not lawful(task, numbers, found):
        return StrengthTest(math.nan, math.nan, CHECK)
    end = null(task, found, numbers)
    if not lawful(task, numbers, found, end):
        return StrengthTest(max(2.0 * (found.value - end.value), 0.0), math.nan, CHECK)
    statistic = max(2.0 * (found.value - end.value), 0.0)
    return StrengthTest(statistic, half_chi_square(statistic), RATIO)


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


def tests_of(program: Program, block: Callable[[str], tuple[Task, Found]]) -> dict[str, StrengthTest]:
    """Return the tests of all levels of causes by name: of rates nothing, of strengths against no contagion.

    Parameters:
        block: gives the task and maximum of the block of a parameter's name.
    """
    found: dict[str, StrengthTest] = {}
    for number in range(len(program.causes)):
        names = [program.parameter_names[p] for p in levels(program, number)]
        answer = StrengthTest(math.nan, math.nan, NONE)
        if names and is_contagion(program, number):
            answer = against_none(*block(names[0]), number)
        found |= dict.fromkeys(names, answer)
    return found
