"""Likelihood-ratio tests between a fit and a special case of it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from tocsin.ensemble.simulate import threads
from tocsin.errors import FitError, TocsinError
from tocsin.infer.strengths import half_chi_square
from tocsin.model.declaration import BAR, Contagion
from tocsin.program.grouped import is_grouped, refuse_two

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tocsin.infer.bootstrap import Drawn
    from tocsin.infer.estimates import Fit
    from tocsin.infer.search import Task
    from tocsin.program import Program

    Floats = NDArray[np.float64]

CHI_SQUARE, HALF, BOOTSTRAP = "chi-square", "half chi-square, half zero", "parametric bootstrap"


@dataclass(frozen=True)
class Comparison:
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

    def __str__(self) -> str:
        worlds = "" if self.drawn is None else f" of {len(self.drawn)} worlds (± {self.error:.2g})"
        worlds += f", {self.failed} more could not be fitted" if self.failed else ""
        return (
            f"likelihood ratio {self.statistic:.3f} for {self.df} parameter{'s' if self.df != 1 else ''} "
            f"({', '.join(self.extra)}): p = {self.p:.4g} by {self.method}{worlds}; "
            f"AIC {self.aic:+.2f}, BIC {self.bic:+.2f} for the larger"
        )


def compare(one: Fit, other: Fit, worlds: int, seed: int) -> Comparison:
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
    return Comparison(
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
    lost = [name for name in small.values if name not in large.values]
    if lost:
        raise refuse(f"only the smaller has {lost[0]!r}")
    extra = [name for name in large.values if name not in small.values and name not in large.fixed]
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
        response = small.response == large.response or small.response is None
        same = (small.layer, small.when, small.normalise) == (large.layer, large.when, large.normalise)
        return memory and response and same
    return type(small) is type(large)


def _method(small: Fit, large: Fit, extra: list[str], lone: list[tuple[str, str]]) -> str:
    """Say which distribution the statistic has if the smaller fit is true."""
    at_zero = [name for name in small.values if small.status[name] == "zero"]
    fixed_zero = [name for name in extra if small.fixed.get(name) == -np.inf]
    if not lone and not fixed_zero:
        heads = {name.rsplit(BAR, 2)[0] for name in at_zero}
        inside = all(name.rsplit(BAR, 2)[0] not in heads for name in extra)
        bounds = any(small.status[name] == "at a bound" for name in small.values)
        return CHI_SQUARE if inside and not bounds else BOOTSTRAP
    strength = extra[0].split(BAR)[2:] == ["susceptibility", "1"] if len(extra) == 1 else False
    # Other strengths at zero would make the cone larger than a half-line; those of transitions that share no
    # parameter with this one are no part of it.
    at_zero += [name for name in large.values if large.status[name] == "zero" and name not in extra]
    if not (small.tied or large.tied or is_grouped(small.history)):
        own = extra[0].split(BAR)[0]
        at_zero = [name for name in at_zero if name.split(BAR)[0] == own]
    return HALF if strength and not at_zero else BOOTSTRAP


def bootstrap(small: Fit, large: Fit, worlds: int, seed: int) -> Drawn:
    """Return the likelihood ratios of worlds simulated from the smaller fit, each fitted anew by both."""
    from tocsin.infer.bootstrap import Drawn
    from tocsin.infer.worlds import Worlds

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
    return Drawn(kept, worlds - kept.size)


def _value(task: Task, world: Program) -> float | None:
    """Return the maximum of a task in a world; None where it cannot be fitted."""
    from tocsin.infer.worlds import complete

    if not complete(world):
        return None
    try:
        if is_grouped(world.history):
            refuse_two(world)
        return task.on(world).solve().value
    except FitError:  # an event that no cause of the smaller can explain, or two in one interval
        return None
