"""Where the search for a maximum begins: shares of the causes by EM, and a few shapes of memory and
response."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from tocsin.infer.prior import half_life_bounds
from tocsin.kernels.layout import LAYER
from tocsin.model.declaration import BAR

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tocsin.infer.constraint import Constraint
    from tocsin.program import Program

    Floats = NDArray[np.float64]

LARGE = 4_000_000  # numbers read by one evaluation; above it the search begins at fewer places
EM_STEPS = 6


def intercept(program: Program, number: int) -> int:
    """Return the position of a cause's intercept, -1 where its formula has none."""
    slots = program.slots[number]
    names = [program.parameter_names[position].split(BAR)[3] for position in slots.target]
    return slots.target.start + names.index("1") if "1" in names else -1


def shift(program: Program, number: int, vector: Floats, by: float) -> None:
    """Multiply the hazard of a cause by exp(by): through its intercept, or the mean of its categories."""
    slots, place = program.slots[number], intercept(program, number)
    if place >= 0:
        vector[place] += by
    else:
        matrix = program.likelihood.causes[number].matrix
        constant, *_ = np.linalg.lstsq(matrix, np.full(matrix.shape[0], by), rcond=None)
        vector[slots.target.start : slots.target.stop] += constant


def first_start(
    program: Program, constraint: Constraint, memory: float = 0.5, response: float = 0.0, home: float = 0.5
) -> Floats:
    """Return a start at which the causes of each transition explain its events in given shares.

    Parameters:
        memory: where the half-lives stand between their bounds, from 0 to 1, on the logarithm.
        response: the logarithm of the alphas.
        home: the share of the baselines where a transition has both kinds of cause.
    """
    likelihood = program.likelihood
    vector = np.zeros(len(program.parameter_names))
    low, high = half_life_bounds(program)
    for slots in program.slots:
        if slots.half_life >= 0:
            vector[slots.half_life] = low + memory * (high - low)
        if slots.alpha >= 0:
            vector[slots.alpha] = response
    vector = constraint.expand(constraint.reduce(vector))
    for group in likelihood.groups:
        at_home = [bool(program.opening.cause[c, LAYER] < 0) for c in group]
        for number, own in zip(group, at_home, strict=True):
            if all(at_home) or not any(at_home):
                share = 1.0 / len(group)
            else:
                share = home / sum(at_home) if own else (1.0 - home) / (len(group) - sum(at_home))
            cause = likelihood.causes[number]
            event, _ = cause.reach()
            exposure = cause.expected(vector)
            if 0.0 < exposure < math.inf:
                shift(program, number, vector, math.log(max(event.size, 0.5) * share / exposure))
    return constraint.expand(constraint.reduce(vector))


def em_steps(program: Program, constraint: Constraint, vector: Floats, steps: int = EM_STEPS) -> Floats:
    """Move the strengths of the causes by EM (Veen & Schoenberg 2008).

    Each step gives every event to its causes by their shares of the hazard, and scales each cause so that
    what it was given equals its integrated hazard. It never lowers the likelihood.
    """
    likelihood = program.likelihood
    for _ in range(steps if any(len(group) > 1 for group in likelihood.groups) else 0):
        moved = vector.copy()
        for group in filter(None, likelihood.groups):
            shares, events = likelihood.given_to(group, vector)
            if not events or not np.isfinite(shares).all():
                return vector
            for number, given in zip(group, shares, strict=True):
                expected = likelihood.causes[number].expected(vector)
                if given > 1e-12 and 0.0 < expected < math.inf:
                    shift(program, number, moved, math.log(given / expected))
        vector = constraint.expand(constraint.reduce(moved))
    return vector


def starts(program: Program, constraint: Constraint) -> list[Floats]:
    """Return where to begin: one place where the likelihood has one summit, several where it may have more.

    It has one where every transition has one log-linear cause, or where strengths alone are free.
    """
    free = constraint.group >= 0
    memory = any(slots.half_life >= 0 and free[slots.half_life] for slots in program.slots)
    response = any(slots.alpha >= 0 and free[slots.alpha] for slots in program.slots)
    marks = any(free[list(slots.source)].any() for slots in program.slots)
    slopes = any(
        len(group) > 1 and any(free[program.slots[c].target].sum() > 1 for c in group)
        for group in program.likelihood.groups
    )
    size = sum(c.matrix.size + program.trace.time.size * len(c.positions) for c in program.likelihood.causes)
    from tocsin.infer.concave import factors_at_summit

    chosen = [first_start(program, constraint)]
    summit, whole = factors_at_summit(program, constraint, chosen[0])
    if whole:
        return [summit]
    if memory:
        chosen += [first_start(program, constraint, memory=place) for place in (0.2, 0.8)]
    if response:
        chosen += [first_start(program, constraint, response=value) for value in (-0.7, 0.7)]
    if (marks or slopes or memory or response) and size <= LARGE:
        chosen += [first_start(program, constraint, home=share) for share in (0.05, 0.95)]
    return [em_steps(program, constraint, start) for start in chosen]
