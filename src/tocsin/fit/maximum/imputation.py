"""Fits over open times: draws of the times and estimates in turn, until the draws suit the estimates.

The times are drawn under a first fit, the likelihood over these draws is climbed, and the times are drawn anew at its
summit, until the weights of the draws are nearly equal there (Monte-Carlo maximum likelihood: Geyer & Thompson 1992).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from tocsin.fit.maximum.newton import first_start
from tocsin.program.spans.imputed import DRAWS, ImputedLikelihood
from tocsin.program.spans.open_times import without_spans

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tocsin.fit.maximum.search import Found, Task
    from tocsin.program.likelihood import Likelihood
    from tocsin.program.program import Program

    Floats = NDArray[np.float64]

FIRST, ROUNDS = 50, 6  # draws at first; how often the times are drawn anew at most

EVEN = 0.8  # share of the draws that must count at the summit

FEW, WIDE, NOISY = (
    50.0,
    0.1,
    0.2,
)  # effective draws; error of the log-likelihood, and of estimates in standard errors


def over_draws(program: Program) -> ImputedLikelihood | None:
    """Return the likelihood of a program where it is a mean over drawn times; None elsewhere."""
    if program.spans is None:
        return None
    likelihood: Likelihood = program.likelihood
    return likelihood if isinstance(likelihood, ImputedLikelihood) and not likelihood.summed else None


def solve(
    task: Task,
    progress: Callable[[str, int, int], None] | None = None,
    near: Mapping[str, float] | None = None,
) -> Found:
    """Return the maximum of a task, whether or not its likelihood is one over drawn times.

    Parameters:
        progress: called with what is being done, and how many times of how many are drawn.
        near: estimates of another day to begin from, where no times are drawn; see `Task.resume`.
    """
    likelihood = over_draws(task.program)
    if likelihood is None:
        return task.solve() if near is None else task.resume(near)

    def draw(vector: Floats, count: int, what: str) -> None:
        told = None if progress is None else lambda done, total: progress(what, done, total)
        likelihood.recentre(vector, count, level=False, progress=told)

    found = replace(task, program=without_spans(task.program)).solve()
    likelihood.fixed = True
    draw(found.vector, FIRST, "drawing the times of events known roughly")
    begin = found.vector.copy()
    if found.gone:  # with open times a cause that vanished may have left a trace: it is tried once more
        fresh = first_start(task.program, task.constraint)
        for place in (p for c in found.gone if c not in task.absent for p in likelihood.causes[c].positions):
            begin[place] = fresh[place]
    found = task.climb(begin, 1e-3, task.absent)
    for number in range(ROUNDS):
        draw(found.vector, DRAWS, f"drawing these times under better estimates, round {number + 1}")
        found = task.climb(found.vector, gone=found.gone)
        _, weight = likelihood.weights(found.vector)
        if number and 1.0 / float(weight @ weight) > EVEN * weight.size:
            break
    assert likelihood.centre is not None
    likelihood.find_level()
    likelihood.known = None
    return task.climb(found.vector, gone=found.gone)


def warnings_of(task: Task, found: Found, vcov: Floats) -> list[str]:
    """Return what to know of a likelihood over drawn times: where its draws are few or its error is large."""
    likelihood = over_draws(task.program)
    if likelihood is None:
        return []
    count, draws = likelihood.placer.open.size, len(likelihood.draws)
    effective, error = likelihood.effective(found.vector), likelihood.error(found.vector)
    spread = np.sqrt(np.where(np.diag(vcov) > 0, np.diag(vcov), np.nan))
    known = np.where(np.isfinite(vcov), vcov, 0.0)
    moved = np.sqrt(np.maximum(np.diag(known @ likelihood.noise(found.vector) @ known), 0.0))
    noisy = np.nanmax(moved / spread, initial=0.0) if np.isfinite(spread).any() else 0.0
    if effective >= FEW and error <= WIDE and noisy <= NOISY:
        return []
    what = "the time of 1 event is" if count == 1 else f"the times of {count} events are"
    return [
        f"{what} open and enter other hazards, so the likelihood is a mean over {draws} draws of them, worth "
        f"{effective:.0f} independent ones: Monte-Carlo error {error:.2g} of the log-likelihood, and of estimates up "
        f"to {noisy:.2g} standard errors; model.sample draws times and parameters together"
    ]
