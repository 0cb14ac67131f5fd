"""Contagion against none where the law of the likelihood ratio is not known: a parametric bootstrap.

Worlds are simulated from the fit without the contagion, and both fits are made anew in each. Then p = (1 + the
number of worlds whose ratio is as large) / (1 + worlds) (Davison & Hinkley 1997, ch. 4).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from tocsin.ensemble.simulate import threads
from tocsin.errors import FitError, TocsinError, check_whole, suggestion
from tocsin.fit.compare import (
    block_of,
    blocks,
    half_chi_square,
    is_contagion,
    lawful,
    left,
    levels,
    null,
    removed,
    shaped,
    together,
)
from tocsin.fit.parameterised import Parameterised
from tocsin.fit.predict import Worlds, complete
from tocsin.program.grouped import is_grouped, refuse_two

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from tocsin.fit.estimates import Fit
    from tocsin.fit.maximum.search import Found, Task
    from tocsin.model.model import Model
    from tocsin.program.program import Program

    Floats = NDArray[np.float64]
    Progress = Callable[[str, int, int], None]

FEWEST = 199  # worlds: p can then be told to about 0.015 near 0.05

ROUNDS = 5  # of simulation, while worlds cannot be fitted

FAILED, APART = "failed", "apart"

HALF, BOOTSTRAP = "half chi-square", "parametric bootstrap"


@dataclass(frozen=True)
class BootstrapDraws:
    """The likelihood ratios of worlds without the contagion.

    Attributes:
        ratios: of the worlds in which both fits could be made.
        failed: how many others there were: a transition without an event, two moves in one interval.
        apart: how many more, in which no unit at risk was exposed: they say nothing of a strength.
    """

    ratios: Floats
    failed: int
    apart: int = 0

    def p(self, statistic: float) -> tuple[float, float]:
        """Return the p-value of a ratio, and its Monte-Carlo standard error; NaN without worlds."""
        if not self.ratios.size:
            return math.nan, math.nan
        p = (1 + int((self.ratios >= statistic - 1e-9).sum())) / (1 + self.ratios.size)
        return p, math.sqrt(p * (1 - p) / self.ratios.size)

    def said(self, statistic: float) -> str:
        """Return how a p-value was found."""
        _, error = self.p(statistic)
        lost = f"; in {self.apart} more no unit was exposed" if self.apart else ""
        lost += f"; {self.failed} more could not be fitted" if self.failed else ""
        count = self.ratios.size
        return (
            f"{BOOTSTRAP}: {count} worlds, p ± {error:.3f}{lost}" if count else f"{BOOTSTRAP}: no world{lost}"
        )


@dataclass(frozen=True)
class Against:
    """A test of contagions against none.

    Attributes:
        numbers: the causes that are taken out together.
        statistic: twice the gain in log-likelihood from them; NaN where there is no null.
        p, error: the p-value, and its Monte-Carlo standard error (0 where none was drawn).
        how: how it was found, or why there is none.
        drawn: the ratios of the bootstrap, None where the law is known or none was asked for.
        lawful: whether the ratio has the half chi-square law.
    """

    numbers: tuple[int, ...]
    statistic: float
    p: float
    error: float
    how: str
    drawn: BootstrapDraws | None = None
    lawful: bool = False


def against(
    model: Model,
    task: Task,
    found: Found,
    numbers: Sequence[int],
    worlds: int,
    seed: int,
    always: bool = False,
    told: Callable[[int, int], None] | None = None,
) -> Against:
    """Test causes against none, all at once.

    Parameters:
        model: the declaration.
        task, found: the whole fit.
        numbers: the causes, by their place in the program; what is tied to them goes with them.
        seed: of the worlds.
        told: called with worlds done and worlds in all.
        worlds: of the bootstrap where it is needed, 0 for none; `always` asks for it where it is not.
    """
    out = sorted({c for number in numbers for c in together(task, number)})
    nothing = math.nan
    if not all(levels(task.program, c) for c in out):
        return Against(tuple(out), nothing, nothing, nothing, "its formula has no strength to take out")
    if any(all(task.constraint.group[p] == -1 for p in levels(task.program, c)) for c in out):
        return Against(tuple(out), nothing, nothing, nothing, "its strength is fixed")
    if not left(task, out):
        return Against(tuple(out), nothing, nothing, nothing, "only cause: there is no null")
    if set(out) <= set(task.absent):
        return Against(tuple(out), nothing, nothing, nothing, "no unit at risk was ever exposed")
    mine = {k for k, group in enumerate(task.program.likelihood.groups) if set(group) & set(out)}
    parts = [set(block) for block in blocks(task)]
    block = sorted(set().union(*(part for part in parts if part & mine)))
    part, top = block_of(task, found, block)
    if part is task:  # it does not fall apart
        block = list(range(len(model.transitions)))
    try:
        end = null(part, top, out)
        value = end.value
    except FitError:
        value = -math.inf
    statistic = max(2.0 * (top.value - value), 0.0)
    if math.isinf(statistic):
        return Against(tuple(out), statistic, 0.0, 0.0, "without it an event could not have happened")
    known = lawful(part, out, top, end)
    if (known and not always) or (not statistic and not always):
        return Against(tuple(out), statistic, half_chi_square(statistic), 0.0, HALF, None, known)
    if not worlds:
        return Against(tuple(out), statistic, nothing, nothing, "see bootstrap=", None, known)
    drawn = simulated(model, part, top, end, out, block, worlds, seed, told)
    p, error = drawn.p(statistic)
    return Against(tuple(out), statistic, p, error, drawn.said(statistic), drawn, known)


def simulated(
    model: Model,
    task: Task,
    top: Found,
    end: Found,
    out: Sequence[int],
    block: Sequence[int],
    worlds: int,
    seed: int,
    told: Callable[[int, int], None] | None = None,
) -> BootstrapDraws:
    """Simulate worlds from the fit without contagion, and fit each with and without it.

    Parameters:
        task, top, end: of the block, with its maxima with and without the causes `out`.
    """
    program = task.program
    params = dict(zip(program.parameter_names, (float(x) for x in task.user(end.vector)), strict=True))
    small = removed(task, out, end.vector)

    def ratio(world: Program) -> float | str:
        try:
            if not _ready(world, block):
                return FAILED
            large = replace(task, program=world)
            if set(out) <= set(large.absent):
                return APART
            return ratio_in(large, replace(small, program=world), (end.vector, top.vector), out)
        except FitError:  # two moves in one interval, or an event that nothing explains
            return FAILED

    found: list[float | str] = []
    ratios: list[float] = []
    with ThreadPoolExecutor(threads()) as pool:
        for number in range(ROUNDS):
            ensemble = Parameterised(model, params, program.learned).simulate(
                program.history, worlds, (seed + number) % 2**64
            )
            drawn = Worlds(program, ensemble)
            for value in pool.map(lambda k, drawn=drawn: ratio(drawn[k]), range(worlds)):
                if len(ratios) == worlds:
                    break
                found.append(value)
                if not isinstance(value, str):
                    ratios.append(value)
                    if told is not None:
                        told(len(ratios), worlds)
            if len(ratios) == worlds or not ratios:
                break
    return BootstrapDraws(np.array(ratios), found.count(FAILED), found.count(APART))


def _ready(world: Program, block: Sequence[int]) -> bool:
    """Give a world the likelihood of some transitions alone; say whether each of them has an event."""
    if not complete(world, block):
        return False
    if is_grouped(world.history):
        refuse_two(world)
    likelihood = world.likelihood
    world.__dict__["likelihood"] = likelihood.part(block)
    return True


def ratio_in(large: Task, small: Task, near: tuple[Floats, Floats], out: Sequence[int]) -> float:
    """Return twice the gain of some causes in a world, both maxima looked for from several places.

    Parameters:
        near: parameters that the world was simulated from, and those of the fit with the causes.
        out: the causes.
    """
    base, full = near
    hills = shaped(small), shaped(large)
    least = small.solve([base]) if hills[0] else small.climb(base, gone=out)
    # Each cause may come back where it would raise the likelihood of the world without it.
    ends = [large.climb(least.vector, gone=out), large.solve([full]) if hills[1] else large.climb(full)]
    return max(2.0 * (max(end.value for end in ends) - least.value), 0.0)


def test(
    fit: Fit,
    causes: Sequence[str] | str | None,
    worlds: int,
    seed: int,
    at_once: bool,
    always: bool,
    progress: Progress | None,
) -> pd.DataFrame:
    """Test contagions of a fit against none; see `Fit.test`."""
    import pandas as pd

    if fit.prior is not None:
        raise TocsinError(
            "under a prior of its logarithm a strength is never none: test contagion in a fit without a prior"
        )
    check_worlds(worlds)
    check_whole(seed=seed)
    task, found = fit.search
    numbers = chosen(task.program, causes)
    rows = []
    for each in [numbers] if at_once else [[number] for number in numbers]:
        name = ", ".join(task.program.cause_name(number) for number in each)
        told = None if progress is None else _telling(progress, f"testing {name}")
        answer = against(fit.model, task, found, each, worlds, seed, always, told)
        count = answer.drawn
        tried = (count.ratios.size, count.failed, count.apart) if count is not None else (0, 0, 0)
        rows.append((name, answer.statistic, answer.p, answer.error, *tried, answer.how))
    columns = ["cause", "statistic", "p", "error", "worlds", "failed", "unexposed", "how"]
    return pd.DataFrame(rows, columns=columns)


def _telling(progress: Progress, what: str) -> Callable[[int, int], None]:
    return lambda done, total: progress(what, done, total)


def check_worlds(worlds: int) -> None:
    """Refuse a number of worlds that a bootstrap cannot have."""
    if isinstance(worlds, bool) or not isinstance(worlds, int) or not (worlds == 0 or worlds >= FEWEST):
        raise TocsinError(f"a bootstrap needs {FEWEST} worlds or more (0 for none), not {worlds!r}")


def chosen(program: Program, causes: Sequence[str] | str | None) -> list[int]:
    """Return the contagions of these names ('comintern', or 'transition | cause'), all where none is given.

    Raises:
        TocsinError: no contagion has that name.
    """
    numbers = [c for c in range(len(program.causes)) if is_contagion(program, c)]
    if not numbers:
        raise TocsinError("the model has no contagion to test")
    if causes is None:
        return numbers
    known = {c: {program.cause_name(c), program.slots[c].cause} for c in numbers}
    asked = [causes] if isinstance(causes, str) else list(causes)
    for each in asked:
        if not any(each in names for names in known.values()):
            raise TocsinError(
                f"no contagion is called {each!r}" + suggestion(each, {n for v in known.values() for n in v})
            )
    return [c for c in numbers if known[c] & set(asked)]
