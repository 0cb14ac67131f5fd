"""The search for the maximum of a likelihood: from several starts, with causes that vanish taken out."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from tocsin.fit.maximum.constraint import Constraint, Prior, half_life_bounds
from tocsin.fit.maximum.newton import (
    LONGEST_STEP,
    TOLERANCE,
    Maximum,
    em_steps,
    first_start,
    intercept,
    maximise,
    starts,
)
from tocsin.kernels.integral import largest
from tocsin.kernels.layout import LAYER
from tocsin.program.scaling import Scaling

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tocsin.program.program import Program

    Floats = NDArray[np.float64]

ROUGHLY = 1.0  # the gradient of some of the rows at which all are looked at: less is noise

VANISHED = 1e-6  # a cause with fewer expected events than this, of those it might explain, has run to zero

ALPHA_BOUNDS = (math.log(0.02), math.log(20.0))


@dataclass(frozen=True)
class Found:
    """The maximum of a task.

    Attributes:
        vector: all parameters (P,), scaled as the task's are; minus infinity for the strength of a cause that ran
            to zero.
        value: what was maximised: the log-likelihood, less the penalty of a prior.
        loglik: the log-likelihood.
        gradient, hessian: of what was maximised, in all parameters (P,), (P, P).
        constraint: what was free in the end.
        gone: causes that ran to zero, or never had any exposure.
        converged: whether the gradient of what is free vanishes.
        iterations: steps of Newton's method from the best start.
    """

    vector: Floats
    value: float
    loglik: float
    gradient: Floats
    hessian: Floats
    constraint: Constraint
    gone: tuple[int, ...]
    converged: bool
    iterations: int


@dataclass(frozen=True)
class Task:
    """What is to be maximised: a program's likelihood under a constraint, and a prior if there is one.

    Parameters are centred and scaled (see `program.scaling`), so that where a covariate is counted from does not
    matter; `user` and `scaled` lead to and from the scale on which they are told.

    Attributes:
        program: on its scale.
        constraint: of the scaled parameters.
        penalty: mean and standard deviation of independent normal priors (2, P); infinite for none.
        asked: the constraint of the parameters on the user's scale.
    """

    program: Program
    constraint: Constraint
    penalty: Floats | None
    asked: Constraint

    @staticmethod
    def make(program: Program, constraint: Constraint | None = None, prior: Prior | None = None) -> Task:
        """Make a task; without a constraint all parameters are free.

        Parameters:
            program: with its terms as the user has them, or scaled already.
            constraint: of the parameters on the user's scale.
        """
        chosen = Constraint.make(program.parameter_names) if constraint is None else constraint
        scaled = scale(program, chosen)
        penalty = None
        if prior is not None:
            penalty = np.array(prior.centre_and_scale(scaled))
            penalty[1, chosen.group < 0] = np.inf  # what is fixed is known
        return Task(scaled, chosen.on_scale(scaled.scaled), penalty, chosen)

    def on(self, world: Program) -> Task:
        """Return the task with other events, centred and scaled alike."""
        return replace(self, program=world.on_scale(self.program.scaling))

    def user(self, vectors: Floats) -> Floats:
        """Return parameters on the user's scale (..., P) from scaled ones."""
        return self.program.scaled.user(vectors)

    def scaled(self, vectors: Floats) -> Floats:
        """Return scaled parameters (..., P) from those on the user's scale."""
        return self.program.scaled.scaled(vectors)

    def holding(self, positions: Sequence[int], values: Sequence[float]) -> Task:
        """Return the task with more of the scaled parameters fixed."""
        return replace(self, constraint=self.constraint.hold(positions, values))

    def telling(self, position: int, value: float, at: Floats) -> Task:
        """Return the task with one more parameter fixed, on the user's scale, and the alphas of a vector (P,) that
        it takes for this to be a sum."""
        alphas = [p for p in self.program.scaled.alphas(position) if self.constraint.group[p] >= 0]
        if alphas:
            return self.holding(alphas, at[alphas].tolist()).telling(position, value, at)
        row = self.program.scaled.row(position, at)
        if np.count_nonzero(row) == 1:
            held = self.constraint.hold([position], [value / row[position]])
        else:
            held = self.constraint.bind(row, value)
        return replace(self, constraint=held)

    @cached_property
    def bounds(self) -> tuple[Floats, Floats]:
        """Return bounds of all parameters (P,): of half-lives and alphas."""
        size = len(self.program.parameter_names)
        lower, upper = np.full(size, -np.inf), np.full(size, np.inf)
        for slots in self.program.slots:
            if slots.half_life >= 0:
                lower[slots.half_life], upper[slots.half_life] = half_life_bounds(self.program)
            if slots.alpha >= 0:
                lower[slots.alpha], upper[slots.alpha] = ALPHA_BOUNDS
        return lower, upper

    @cached_property
    def reach(self) -> Floats:
        """Return the largest size of what each parameter multiplies (P,): 1 for intercepts and shapes."""
        reach = np.ones(len(self.program.parameter_names))
        for cause in self.program.likelihood.causes:
            reach[[*cause.slots.target, *cause.slots.source]] = np.abs(cause.ranges).max(axis=0, initial=0.0)
        return reach

    def penalised(self, vector: Floats) -> tuple[float, Floats, Floats]:
        """Return what is maximised with its gradient and Hessian, in all parameters."""
        last = self.program.likelihood.known  # one place is often asked for twice: at an end and a beginning
        if last is None or not np.array_equal(last[0], vector):
            with np.errstate(over="ignore", invalid="ignore"):
                last = vector.copy(), *self.program.likelihood.all(vector)
            self.program.likelihood.known = last
        _, value, gradient, hessian = last
        if not (np.isfinite(value) and np.isfinite(gradient).all() and np.isfinite(hessian).all()):
            return -np.inf, np.zeros_like(gradient), np.zeros_like(hessian)
        if self.penalty is not None:
            known = np.isfinite(vector)
            gap = np.where(known, vector - self.penalty[0], 0.0) / self.penalty[1]
            value -= 0.5 * float(gap @ gap)
            gradient = gradient - gap / self.penalty[1]
            hessian = hessian - np.diag(np.where(known, self.penalty[1] ** -2.0, 0.0))
        return value, gradient, hessian

    def length(self, step: Floats) -> float:
        """Return by how much a step changes the logarithm of any hazard at most."""
        most = float(np.abs(step) @ self.reach)
        if most < LONGEST_STEP / 2:  # no step of a single cause can be longer
            return most
        longest = 0.0
        for cause in self.program.likelihood.causes:
            slots = cause.slots
            moved = largest(cause.columns, step[slots.target.start : slots.target.stop])
            if len(slots.source):
                moved += np.abs(cause.marks @ step[slots.source.start : slots.source.stop]).max(initial=0.0)
            for shape in (slots.half_life, slots.alpha):
                moved += 2.0 * abs(step[shape]) if shape >= 0 else 0.0
            longest = max(longest, float(moved))
        return longest

    def climb(self, start: Floats, tolerance: float = TOLERANCE, gone: Sequence[int] = ()) -> Found:
        """Climb from a start.

        A cause that runs to zero on the way is taken out and the rest climbs on; at the end each such
        cause may come back, once, if the likelihood would rise from zero.

        Parameters:
            start: where to begin (P,).
            tolerance: of the gradient.
            gone: causes that are at zero to begin with.
        """
        out = tuple(dict.fromkeys((*self.absent, *gone)))
        task = self.without(out, start)
        if not math.isfinite(
            task.penalised(task.constraint.expand(task.constraint.reduce(_finite(start))))[0]
        ):
            start = em_steps(self.program, task.constraint, first_start(self.program, task.constraint))
        returned: set[int] = set()
        while True:
            found = task._climb(start, tolerance)
            vector = task.constraint.expand(found.vector)
            if self.penalty is not None:
                break
            lost = task.vanished(vector, out)
            if lost:
                start, out = vector, (*out, *lost)
                task = task.without(lost, vector)
                continue
            back = [c for c in out if c not in self.absent and c not in returned]
            hazards: dict[int, Floats] = {}
            revived = {c: up for c in back if (up := self.revive(c, vector, hazards)) is not None}
            if not revived:
                break
            returned |= set(revived)
            out = tuple(c for c in out if c not in revived)
            start = vector.copy()
            for number, values in revived.items():
                start[self.program.likelihood.causes[number].positions] = values
            task = self.without(out, start)
        value, gradient, hessian = task.penalised(vector)
        loglik = value if self.penalty is None else self.program.likelihood.value(vector)
        return Found(
            vector, value, loglik, gradient, hessian, task.constraint, out, found.converged, found.iterations
        )

    def _thinned(self, start: Floats) -> Floats:
        """Return where a climb over some rows of long integrals ends; the start where none is long."""
        likelihood = self.program.likelihood.thinned()
        if likelihood is None:
            return start
        program = replace(self.program)
        program.__dict__["likelihood"] = likelihood
        found = replace(self, program=program).climb(start, ROUGHLY)
        return found.vector if found.converged and np.isfinite(found.vector).all() else start

    def revive(self, number: int, vector: Floats, hazards: dict[int, Floats]) -> Floats | None:
        """Return own parameters at which a cause of strength zero would raise the likelihood; None if none
        does.

        The derivative by the strength at zero is sum over events of E / lambda - integral of E. `hazards` keeps
        lambda by the first cause of a transition, since every cause of it that is at zero asks for the same.
        """
        likelihood, program = self.program.likelihood, self.program
        group = next(each for each in likelihood.groups if number in each)
        own = likelihood.hawkes_of(number)
        if own is None and group[0] not in hazards:
            hazards[group[0]] = np.sum(
                [likelihood.causes[c].events(vector, 0)[1].value for c in group], axis=0
            )
        hazard = hazards[group[0]] if own is None else np.zeros(())
        if not np.all(hazard > 0):
            return None
        slots, place, cause = program.slots[number], intercept(program, number), likelihood.causes[number]
        at = np.where(np.isfinite(vector), vector, 0.0)
        at[place] = 0.0
        shapes = [float(at[slots.half_life])] if slots.half_life >= 0 else [0.0]
        if slots.half_life >= 0 and self.constraint.group[slots.half_life] >= 0:
            low, high = half_life_bounds(program)
            shapes += [low + share * (high - low) for share in (0.1, 0.3, 0.5, 0.7, 0.9)]
        best: tuple[float, Floats] | None = None
        for shape in shapes:
            if slots.half_life >= 0:
                at[slots.half_life] = shape
            if own is None:
                seen = cause.events(at, 0)[1].value / hazard
                expected, first, second = cause.expected(at), float(seen.sum()), float(seen @ seen)
            else:
                expected, first, second = own.rise(number, place, at)
            rise = first / max(expected, 1e-300) - 1.0
            if rise > 1e-6 and expected > 0 and (best is None or rise > best[0]):
                found = at[cause.positions].copy()
                # A step of Newton's method from zero, in the strength alone.
                strength = rise * expected / max(second, 1e-300)
                found[cause.positions.index(place)] = math.log(strength)
                best = (rise, found)
        return None if best is None else best[1]

    def _climb(self, start: Floats, tolerance: float) -> Maximum:
        constraint = self.constraint
        lower, upper = np.full(constraint.size, -np.inf), np.full(constraint.size, np.inf)
        moving = np.flatnonzero(constraint.group >= 0)
        np.maximum.at(lower, constraint.group[moving], self.bounds[0][moving])
        np.minimum.at(upper, constraint.group[moving], self.bounds[1][moving])

        def objective(free: Floats) -> tuple[float, Floats, Floats]:
            value, gradient, hessian = self.penalised(constraint.expand(free))
            return value, constraint.pull(gradient), constraint.pull_matrix(hessian)

        into = constraint.into()
        noise = 4e-15 * (1.0 + self.program.trace.time.size) * (np.abs(into).T @ self.reach)
        return maximise(
            objective,
            constraint.reduce(_finite(start)),
            lower,
            upper,
            length=lambda step: self.length(into @ step),
            noise=noise,
            tolerance=tolerance,
        )

    @cached_property
    def absent(self) -> tuple[int, ...]:
        """Return the contagion causes that no unit at risk was ever exposed to, whose strength is free."""
        found = []
        for number, cause in enumerate(self.program.likelihood.causes):
            place = intercept(self.program, number)
            free = place >= 0 and self.constraint.group[place] >= 0 and self._may_vanish(place)
            if self.program.opening.cause[number, LAYER] < 0 or not free:
                continue
            if not cause.reference.summed[:, :, 0].any():  # a zero sum means that exposure was never felt
                found.append(number)
        return tuple(found)

    def _may_vanish(self, place: int) -> bool:
        """Say whether no parameter of another cause follows from an intercept that is free."""
        lean = self.constraint.lean
        return lean is None or not lean[:, self.constraint.group[place]].any()

    def without(self, causes: Sequence[int], vector: Floats | None = None) -> Task:
        """Return the task with causes taken out: strength zero, and their other parameters held where they
        are."""
        constraint = self.constraint
        every = self.program.likelihood.causes
        others = {p for c, cause in enumerate(every) if c not in causes for p in cause.positions}
        for number in causes:
            place = intercept(self.program, number)
            # What levels of one cause share is not taken out with one of them.
            own = [p for p in every[number].positions if p == place or p not in others]
            held, values = [place], [-math.inf]
            slots = self.program.slots[number]
            for position in own:
                shared = np.flatnonzero(constraint.group == constraint.group[position])
                if position == place or constraint.group[position] < 0 or not set(shared) <= set(own):
                    continue
                middle = sum(half_life_bounds(self.program)) / 2
                at = (
                    (middle if vector is None else float(vector[position]))
                    if position == slots.half_life
                    else 0.0
                )
                held.append(position)
                values.append(at)
            constraint = constraint.hold(held, values)
        return replace(self, constraint=constraint)

    def vanished(self, vector: Floats, gone: Sequence[int]) -> tuple[int, ...]:
        """Return the causes that have run to zero, among causes that share their events with others."""
        found: list[int] = []
        for group in self.program.likelihood.groups:
            left = [number for number in group if number not in gone]
            for number in left:
                place, cause = intercept(self.program, number), self.program.likelihood.causes[number]
                if len(left) - sum(lost in group for lost in found) < 2 or place < 0:
                    continue
                if not self.constraint.alone(place):
                    continue
                event, _ = cause.reach()
                alike = [c for c in group if intercept(self.program, c) == place]
                expected = sum(self.program.likelihood.expected(c, vector) for c in alike)
                if expected < VANISHED * max(event.size, 1):
                    found.append(number)
        return tuple(found)

    def solve(self, near: Sequence[Floats] = ()) -> Found:
        """Return the highest maximum found from several starts, and from places `near` which to look as well.

        Raises:
            FitError: an event that no cause can explain, or a covariate missing at risk.
        """
        begin = [*near, *starts(self.program, self.constraint)]
        if len(begin) == 1:
            return self.climb(self._thinned(begin[0]))
        rough = [self.climb(start, 1e-3) for start in begin]
        best = max(rough, key=lambda found: found.value)
        return self.climb(best.vector, gone=best.gone)

    def resume(self, values: Mapping[str, float]) -> Found:
        """Return the higher of the maxima that are found from estimates of another day (on the user's scale, by
        name) and from one fresh start; what these estimates lack begins as in the fresh one."""
        fresh = em_steps(self.program, self.constraint, first_start(self.program, self.constraint))
        told = np.array([values.get(name, math.nan) for name in self.program.parameter_names])
        lacking = ~np.isfinite(told)
        old = self.scaled(np.where(lacking, self.user(fresh), told))
        rough = [self.climb(start, 1e-3) for start in (np.where(lacking, fresh, old), fresh)]
        best = max(rough, key=lambda found: found.value)
        return self.climb(best.vector, gone=best.gone)


def scale(program: Program, constraint: Constraint, roughly: bool = False) -> Program:
    """Return a program with its terms centred and scaled by its own history; one that is already stays as it is."""
    if program.scaling is not None:
        return program
    names = program.parameter_names
    members: dict[int, list[str]] = {}
    for name, group in zip(names, constraint.group.tolist(), strict=True):
        if group >= 0:
            members.setdefault(group, []).append(name)
    tied = [group for group in members.values() if len(group) > 1]
    known = Scaling.of(program, tied, roughly).numbers
    endless = {name for name, value in zip(names, constraint.base, strict=True) if np.isneginf(value)}
    # A term whose coefficient is minus infinity forbids what has it: its zero is no matter of where one counts from.
    made = Scaling({name: numbers for name, numbers in known.items() if name not in endless})
    fixed = (constraint.group < 0) & np.isfinite(constraint.base)
    held = [p for p, name in enumerate(names) if fixed[p] or any(name in group for group in tied)]
    return program.on_scale(made.uncentred(program, held))


def _finite(vector: Floats) -> Floats:
    return np.where(np.isfinite(vector), vector, 0.0)
