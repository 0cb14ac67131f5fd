"""Draws of a fit's parameters, for intervals of whatever is computed from them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from tocsin.errors import FitError, TocsinError, suggestion
from tocsin.infer.roots import Roots

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tocsin.infer.estimates import Fit
    from tocsin.infer.search import Task
    from tocsin.program import Program

    Floats = NDArray[np.float64]

METHODS = ("likelihood", "bootstrap")
STUCK = 0.05  # share of accepted steps below which draws are not to be trusted


@dataclass(frozen=True)
class Drawn:
    """Parameters drawn from their uncertainty.

    Attributes:
        vectors: one row a draw, in the program's order (D, P); minus infinity for a strength of zero.
        notes: how they were drawn, and what a reader should know of it.
    """

    vectors: Floats
    notes: tuple[str, ...]


def draw_parameters(
    fit: Fit, program: Program, size: int, seed: int = 1917, method: str = "likelihood"
) -> Drawn:
    """Draw parameters of a fit from their uncertainty.

    ``likelihood`` draws from the likelihood itself, flat in coefficients and in square roots of rates and
    strengths, or from the posterior under the fit's own prior: the normal approximation, in coordinates that
    keep strengths above zero (see `Roots`), led to the likelihood by a sequential Monte Carlo sampler. A
    strength estimated at zero is drawn from its one-sided law. ``bootstrap`` simulates worlds from the fit and
    fits each anew.

    Parameters:
        program: the model compiled against the history that was fitted; with another history the draws are
            those of the normal approximation alone.
        size: how many draws.

    Raises:
        TocsinError: an unknown method, or a bootstrap of a fit that was loaded without its history.
        FitError: too few simulated worlds could be fitted.

    Source: Del Moral, Doucet & Jasra (2006) for the sampler; Efron & Tibshirani (1993) for the bootstrap.
    """
    if method not in METHODS:
        raise TocsinError(
            f"method= is {' or '.join(map(repr, METHODS))}, not {method!r}" + suggestion(str(method), METHODS)
        )
    if method == "bootstrap":
        return _bootstrap(fit, size, seed)
    known = program.history.digest == fit.digest
    over_times = fit.over_draws is not None  # one value of the likelihood is a mean over many draws
    own = known and fit._search is not None
    roots = Roots.make(fit, fit.search[0].program if own else program.on_scale(fit.scaled.scaling), known)
    vectors = np.tile(fit.scaled.vector, (size, 1))
    stuck: list[str] = []
    for number, block in enumerate(roots.blocks):
        drawn, accepted = roots.draw(
            block, size, np.random.default_rng([seed, number]), known and not over_times
        )
        vectors[:, block.positions] = drawn[:, block.positions]
        if accepted < STUCK:
            stuck += [program.model.transitions[k].name for k in block.transitions]
    notes = [f"intervals: {size} draws of the parameters from their likelihood"]
    if not known:
        notes = [
            f"intervals: {size} draws of the parameters by the normal approximation (another history was fitted)"
        ]
    elif over_times:
        notes = [
            f"intervals: {size} draws of the parameters by the normal approximation, in which the doubt about open "
            "times counts"
        ]
    if stuck:
        notes.append(
            f"the draws of {', '.join(map(repr, stuck))} moved too little, and their intervals are rough: "
            "sample the posterior (model.sample), or ask for method='bootstrap'"
        )
    held = [str(name) for name, word in fit.status.items() if word in ("not identified", "at a bound")]
    if held:
        notes.append(f"held at its value, being not identified or at a bound: {', '.join(held)}")
    vectors = roots.program.scaled.user(vectors)
    still = [p for p, word in enumerate(fit.status) if word not in ("free", "tied", "zero")]
    vectors[:, still] = program.pack(fit.values)[still]  # what is held stays as it is to the last bit
    return Drawn(vectors, tuple(notes))


def _bootstrap(fit: Fit, size: int, seed: int) -> Drawn:
    """Draw parameters by simulating worlds of the fit and fitting each anew, from the estimates on."""
    from tocsin.infer.worlds import Worlds

    task, found = fit.search
    vectors: list[Floats] = []
    lost, rounds = 0, 0
    while len(vectors) < size:
        if lost > 4 * size:
            raise FitError(
                f"of {lost + len(vectors)} simulated worlds only {len(vectors)} had an event of every "
                "transition and could be fitted: too few events for a bootstrap"
            )
        worlds = Worlds(
            fit.fitted_program, fit.simulate(fit.history, size, (seed + rounds) % 2**64, draws="best")
        )
        rounds += 1
        for k in range(size):
            refitted = _refitted(task, worlds[k], found.vector)
            if refitted is None:
                lost += 1
            elif len(vectors) < size:
                vectors.append(refitted)
    notes = [f"intervals: {size} worlds simulated from the fit and fitted anew"]
    if lost:
        notes.append(f"{lost} more worlds could not be fitted, for want of an event of some transition")
    return Drawn(np.array(vectors), tuple(notes))


def _refitted(task: Task, world: Program, start: Floats) -> Floats | None:
    """Return the estimates in a world; None where a transition has no event or no cause explains one."""
    from tocsin.infer.worlds import complete

    if task.penalty is None and not complete(world):
        return None
    try:
        found = task.on(world).climb(start)
    except FitError:
        return None
    return task.user(found.vector)
