"""Draws of a fit's parameters, for intervals of whatever is computed from them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from tocsin.errors import FitError, TocsinError, suggestion
from tocsin.fit.maximum.constraint import Constraint, half_life_bounds
from tocsin.fit.maximum.many_vectors import hazards, integrals, steady
from tocsin.fit.maximum.newton import intercept
from tocsin.fit.maximum.search import ALPHA_BOUNDS
from tocsin.kernels.layout import LAYER, TRANSITION
from tocsin.program.grouped import is_grouped

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tocsin.fit.estimates import Fit
    from tocsin.fit.maximum.search import Task
    from tocsin.program.program import Program

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]
    Density = Callable[[Floats], Floats]

METHODS = ("likelihood", "bootstrap")

STUCK = 0.05  # share of accepted steps below which draws are not to be trusted


@dataclass(frozen=True)
class DrawnParameters:
    """Parameters drawn from their uncertainty.

    Attributes:
        vectors: one row a draw, in the program's order (D, P); minus infinity for a strength of zero.
        notes: how they were drawn, and what a reader should know of it.
    """

    vectors: Floats
    notes: tuple[str, ...]


def draw_parameters(
    fit: Fit, program: Program, size: int, seed: int = 1917, method: str = "likelihood"
) -> DrawnParameters:
    """Draw parameters of a fit from their uncertainty.

    ``likelihood`` draws from the likelihood itself, flat in coefficients, in square roots of rates, and in strengths
    to the power 1/2 + 1/(2 K) where a transition has K contagions (see `tilts`), or from the posterior under the
    fit's own prior: the normal approximation, in coordinates that keep strengths above zero (see `Roots`), led to
    the likelihood by a sequential Monte Carlo sampler. A strength estimated at zero is drawn from its one-sided law.
    ``bootstrap`` simulates worlds from the fit and fits each anew.

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
    return DrawnParameters(vectors, tuple(notes))


def _bootstrap(fit: Fit, size: int, seed: int) -> DrawnParameters:
    """Draw parameters by simulating worlds of the fit and fitting each anew, from the estimates on."""
    from tocsin.fit.predict import Worlds

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
    return DrawnParameters(np.array(vectors), tuple(notes))


def _refitted(task: Task, world: Program, start: Floats) -> Floats | None:
    """Return the estimates in a world; None where a transition has no event or no cause explains one."""
    from tocsin.fit.predict import complete

    if task.penalty is None and not complete(world):
        return None
    try:
        found = task.on(world).climb(start)
    except FitError:
        return None
    return task.user(found.vector)


# --- Coordinates of the free parameters in which the likelihood of a sum of causes is close to a
#     bell
#
# A strength cannot be negative, and in its logarithm the likelihood is far from a bell: a layer that explains
# next to nothing has a standard error of several units there, whose upper end would let it explain everything.
# In the square root of the level of a cause (its rate at the centre of its terms) zero is an inner point, and a
# strength estimated at zero has the one-sided law of the square of a normal number.

DEGREES = 5.0  # of freedom of the t from which draws start: its tails are heavier than the likelihood's

MOVES = (12, 2)  # steps at each density between, where a step costs little and where it costs sweeps

FEWEST = 100  # particles

MANY = 2  # particles for each draw that is asked for, where a step costs little


@dataclass(frozen=True)
class Block:
    """Transitions whose parameters are known together, apart from all others.

    Attributes:
        transitions: their numbers.
        positions: of their parameters in the vector.
        place: of their free coordinates among all.
        gone: their causes at zero whose strength is drawn, with the standard deviation of its root.
    """

    transitions: tuple[int, ...]
    positions: Ints
    place: Ints
    gone: dict[int, float]


@dataclass(frozen=True)
class Roots:
    """The free parameters of a fit as coordinates.

    Attributes:
        centre: the estimates (F,): of a level its root, of all else itself.
        covariance: of the coordinates (F, F).
        mix: levels are the logarithms z of intercepts plus `mix . z` of the other parameters of their cause
            (F, F), so that they are uncorrelated with them.
        level: which coordinates are roots of levels (F,).
        tilt: the power of each root in the law that draws have beside the likelihood, by cause (C,); see `tilts`.
        blocks: what can be drawn apart.
    """

    fit: Fit
    program: Program
    constraint: Constraint
    centre: Floats
    covariance: Floats
    mix: Floats
    level: NDArray[np.bool_]
    tilt: Floats
    blocks: tuple[Block, ...]

    @staticmethod
    def make(fit: Fit, program: Program, known: bool) -> Roots:
        """Make the coordinates of a fit, on the scale of its estimates.

        Parameters:
            program: on that scale; `known` says whether its history is the one that was fitted.
        """
        names, vector = program.parameter_names, fit.scaled.vector
        held = [p for p, name in enumerate(names) if fit.status[name] not in ("free", "tied")]
        told = np.array([fit.values[name] for name in names])
        asked = Constraint.make(names, None, fit.tied).hold(held, told[held])
        constraint = asked.on_scale(program.scaled)
        information: Floats = (
            np.asarray(np.linalg.pinv(fit.scaled.vcov, hermitian=True))
            if fit._search is None
            else -fit.search[1].hessian
        )
        covariance = _inverse(constraint.pull_matrix(information))
        free = constraint.reduce(np.where(np.isfinite(vector), vector, 0.0))
        mix, level = np.zeros((free.size, free.size)), np.zeros(free.size, dtype=bool)
        for number in range(len(program.causes)):
            place = intercept(program, number)
            if place < 0 or not constraint.alone(place):  # tied to another: it stays a logarithm
                continue
            own = int(constraint.group[place])
            level[own] = True
            mine = {int(constraint.group[p]) for p in program.likelihood.causes[number].positions}
            rest = sorted(mine - {own, -1, -2})
            if rest:
                mix[own, rest] = -np.linalg.solve(covariance[np.ix_(rest, rest)], covariance[rest, own])
        turn = np.eye(free.size) + mix
        root = np.exp(np.where(level, turn @ free, 0.0) / 2)
        scale = np.where(level, root / 2, 1.0)  # the derivative of a root by its logarithm
        turned = scale[:, None] * (turn @ covariance @ turn.T) * scale
        blocks = tuple(_blocks(fit, program, constraint, vector, known))
        tilt = np.zeros(len(program.causes)) if fit.prior is not None else tilts(program)
        return Roots(fit, program, constraint, np.where(level, root, free), turned, mix, level, tilt, blocks)

    def expand(self, coordinates: Floats) -> Floats:
        """Return vectors of all parameters (D, P) from coordinates (D, F)."""
        free = _free(coordinates, self.level, self.mix)
        vectors = np.tile(self.constraint.base, (len(free), 1))
        moving = self.constraint.group >= 0
        vectors[:, moving] = free[:, self.constraint.group[moving]]
        return vectors if self.constraint.lean is None else vectors + free @ self.constraint.lean.T

    @cached_property
    def middle(self) -> Floats:
        """Return the vector of the estimates (P,)."""
        return np.asarray(self.expand(self.centre[None, :])[0])

    def draw(self, block: Block, size: int, rng: np.random.Generator, known: bool) -> tuple[Floats, float]:
        """Draw a block's parameters, the others at their estimates.

        Returns:
            Vectors (D, P), and the share of the last steps of their walk that was accepted.
        """
        width = block.place.size
        spread = root_of(self.covariance[np.ix_(block.place, block.place)])
        scale = np.array(list(block.gone.values()))
        if not known:
            vectors = self._vectors(block, rng.standard_normal((size, width)) @ spread.T)
            self._clip(vectors)
            return vectors, 1.0
        likelihood = self.program.likelihood
        cheap = (
            not is_grouped(self.program.history)
            and self.program.spans is None
            and all(steady(likelihood.causes[c]) for k in block.transitions for c in likelihood.groups[k])
        )
        count = max(size * MANY if cheap else size, FEWEST)
        noise = rng.standard_normal((count, width + scale.size))
        noise /= np.sqrt(rng.chisquare(DEGREES, count) / DEGREES)[:, None]

        def steps(noise: Floats) -> Floats:
            return np.hstack([noise[:, :width] @ spread.T, noise[:, width:] * scale])

        def start(noise: Floats) -> Floats:
            square = (noise**2).sum(axis=1)
            return np.asarray(-0.5 * (DEGREES + noise.shape[1]) * np.log1p(square / DEGREES))

        def target(noise: Floats) -> Floats:
            return self.log_target(block, steps(noise))

        noise, accepted = tempered(noise, start, target, MOVES[0] if cheap else MOVES[1], rng)
        chosen = rng.permutation(stratified(noise, size, rng))
        return self._vectors(block, steps(noise[chosen])), accepted

    def log_target(self, block: Block, steps: Floats) -> Floats:
        """Return the logarithm of a block's likelihood, times the prior of a penalised fit (D,).

        Parameters:
            steps: of the block's coordinates from the centre, and roots of its strengths at zero.
        """
        likelihood = self.program.likelihood
        vectors = self._vectors(block, steps)
        inside = self._clip(vectors)
        if is_grouped(self.program.history) or self.program.spans is not None:
            total = np.array([likelihood.value(vector) for vector in vectors])
        else:
            total = np.zeros(len(vectors))
            for k in block.transitions:
                causes = [likelihood.causes[c] for c in likelihood.groups[k]]
                total -= sum(integrals(cause, vectors) for cause in causes)
                with np.errstate(divide="ignore"):
                    total += np.log(sum(hazards(cause, vectors) for cause in causes)).sum(axis=0)
        if self.fit.prior is not None:
            mean, deviation = self.fit.prior.centre_and_scale(self.program)
            free = [p for p in block.positions if self.constraint.group[p] != -1]
            gap = (vectors[:, free] - mean[free]) / deviation[free]
            roots = np.flatnonzero(self.level[block.place])
            at = np.abs(self.centre[block.place[roots]] + steps[:, roots])
            with np.errstate(divide="ignore"):  # the prior is one of logarithms
                total -= 0.5 * (gap**2).sum(axis=1) + np.log(at).sum(axis=1)
        else:
            for root, power in self._tilted(block, steps):
                with np.errstate(divide="ignore"):
                    total += power * np.log(np.abs(root))
        return np.where(inside & np.isfinite(total), total, -np.inf)

    def _tilted(self, block: Block, steps: Floats) -> Iterator[tuple[Floats, float]]:
        """Return the roots (D,) of a block's strengths, and the power of each in the law of the draws."""
        at = {int(place): column for column, place in enumerate(block.place)}
        gone = {number: block.place.size + column for column, number in enumerate(block.gone)}
        for number in (c for k in block.transitions for c in self.program.likelihood.groups[k]):
            place = intercept(self.program, number)
            own = int(self.constraint.group[place]) if place >= 0 else -1
            if self.tilt[number] == 0.0:
                continue
            if number in gone:
                yield steps[:, gone[number]], float(self.tilt[number])
            elif own in at and self.level[own]:
                yield self.centre[own] + steps[:, at[own]], float(self.tilt[number])

    def _vectors(self, block: Block, steps: Floats) -> Floats:
        width, place = block.place.size, block.place
        own = self.centre[place] + steps[:, :width]
        if self.constraint.lean is not None:
            coordinates = np.tile(self.centre, (len(steps), 1))
            coordinates[:, place] = own
            vectors = self.expand(coordinates)
        else:  # of all other parameters nothing moves
            local = np.full(self.centre.size, -1)
            local[place] = np.arange(width)
            group = self.constraint.group
            mine = np.flatnonzero((group >= 0) & (local[group] >= 0))
            free = _free(own, self.level[place], self.mix[np.ix_(place, place)])
            vectors = np.tile(self.middle, (len(steps), 1))
            vectors[:, mine] = free[:, local[group[mine]]]
        for column, number in enumerate(block.gone if steps.shape[1] > width else ()):
            with np.errstate(divide="ignore"):
                vectors[:, intercept(self.program, number)] = 2.0 * np.log(np.abs(steps[:, width + column]))
        return vectors

    def _clip(self, vectors: Floats) -> NDArray[np.bool_]:
        """Put half-lives and alphas inside their bounds, in place; return which draws were inside."""
        inside = np.ones(len(vectors), dtype=bool)
        for slots in self.program.slots:
            for place, bounds in (
                (slots.half_life, half_life_bounds(self.program)),
                (slots.alpha, ALPHA_BOUNDS),
            ):
                if place >= 0:
                    inside &= (vectors[:, place] >= bounds[0]) & (vectors[:, place] <= bounds[1])
                    vectors[:, place] = np.clip(vectors[:, place], *bounds)
        return inside


def _free(coordinates: Floats, level: NDArray[np.bool_], mix: Floats) -> Floats:
    """Return free values (D, F) from coordinates (D, F); see `Roots`."""
    with np.errstate(divide="ignore"):
        logs = 2.0 * np.log(np.abs(np.where(level, coordinates, 1.0)))
    return np.where(level, logs - np.where(level, 0.0, coordinates) @ mix.T, coordinates)


def tilts(program: Program) -> Floats:
    """Return for each cause the power of its root in the law that draws have beside the likelihood (C,).

    Flat roots give a cause half an event beforehand (its law is that of one more half), too little for contagion: with
    few events what it did is then held too low (13 of 100 intervals of 90% end below the truth, and none above). Flat
    strengths give each an event, too much where there are many. So all contagions of a transition share another half.
    """
    found = np.zeros(len(program.causes))
    layer, transition = program.opening.cause[:, LAYER], program.opening.cause[:, TRANSITION]
    for number in np.flatnonzero(layer >= 0):
        found[number] = 1.0 / int(((layer >= 0) & (transition == transition[number])).sum())
    return found


def _inverse(information: Floats) -> Floats:
    """Return a covariance from an information matrix, of which rounding may have left little."""
    scale = 1.0 / np.sqrt(np.maximum(np.diag(information), 1e-300))
    inverse = np.linalg.pinv(information * np.outer(scale, scale), rcond=1e-13, hermitian=True)
    return np.asarray(inverse * np.outer(scale, scale))


def _blocks(fit: Fit, program: Program, constraint: Constraint, vector: Floats, known: bool) -> list[Block]:
    """Return the transitions in blocks: joined by ties and, with grouped times, by their variable."""
    likelihood, moves = program.likelihood, program.model.transitions
    positions = [
        sorted({p for c in group for p in likelihood.causes[c].positions}) for group in likelihood.groups
    ]
    into = constraint.into() != 0.0
    label = list(range(len(positions)))
    for k, own in enumerate(positions):
        for other in range(k):
            shared = (into[own].any(axis=0) & into[positions[other]].any(axis=0)).any()
            if (
                program.spans is not None
                or shared
                or (is_grouped(program.history) and moves[k].variable == moves[other].variable)
            ):
                label = [label[other] if mark == label[k] else mark for mark in label]
    blocks = []
    for mark in dict.fromkeys(label):
        members = tuple(k for k, each in enumerate(label) if each == mark)
        mine = np.array(sorted({p for k in members for p in positions[k]}), dtype=np.int64)
        place = np.flatnonzero(into[mine].any(axis=0))
        gone: dict[int, float] = {}
        for number in (c for k in members for c in likelihood.groups[k]):
            at = intercept(program, number)
            if known and at >= 0 and fit.status.iloc[at] == "zero":
                spread = _root_of_zero(program, number, vector)
                if spread > 0.0:
                    gone[number] = spread
        blocks.append(Block(members, mine, place, gone))
    return blocks


def _root_of_zero(program: Program, number: int, vector: Floats) -> float:
    """Return the standard deviation of the root of a strength whose estimate is zero; 0 without exposure.

    Near zero log L falls by g s + h s^2 / 2 in the strength s, with g the integral of the cause's hazard of
    strength 1 less the sum over events of E / lambda, and h the sum of (E / lambda)^2. The root's deviation
    is the root of the strength at which that makes one half.
    """
    likelihood, at = program.likelihood, vector.copy()
    at[intercept(program, number)] = 0.0
    group = next(each for each in likelihood.groups if number in each)
    whole = np.sum([likelihood.causes[c].events(vector, 0)[1].value for c in group], axis=0)
    seen = likelihood.causes[number].events(at, 0)[1].value / np.where(whole > 0, whole, np.inf)
    slope = max(likelihood.causes[number].expected(at) - float(seen.sum()), 0.0)
    bend = float(seen @ seen)
    if slope <= 0.0 and bend <= 0.0:
        return 0.0
    return math.sqrt(1.0 / (slope + math.sqrt(slope * slope + bend)))


# --- Draws from a density of which only a rough likeness can be sampled, by way of the densities
#     between
#
# Particles start from the likeness and are led to the target through start^(1 - b) target^b: b grows as fast
# as half of the particles stay effective, and at each step they are resampled and moved (a sequential Monte
# Carlo sampler: Del Moral, Doucet & Jasra 2006).

STAYING = 0.5  # share of the particles that stay effective from one density to the next

LONGER = 3  # the target itself is walked so many times longer

APART = 3  # steps between where a particle at the target is seen and where it is seen again

GOOD = 0.25  # share of steps that a random walk should accept (Roberts, Gelman & Gilks 1997)


def tempered(
    particles: Floats, start: Density, target: Density, moves: int, rng: np.random.Generator
) -> tuple[Floats, float]:
    """Lead particles from one density to another.

    Parameters:
        particles: draws from the density `start` (N, d).
        start, target: logarithms of the densities, up to constants, at points (N, d); minus infinity where
            there is none.
        moves: Metropolis steps at each density between.

    Returns:
        Where the particles stood at the end and every few steps before it, all draws from the target (a multiple of
        N, d), and the share of the last steps that was accepted.
    """
    here = particles.copy()
    first, last = start(here), target(here)
    b, accepted = 0.0, 1.0
    scale = 2.38 / np.sqrt(max(here.shape[1], 1))
    while b < 1.0 and here.size:
        step, weight = _step(last - first, 1.0 - b)
        b = min(b + step, 1.0) if step < 1.0 - b else 1.0
        chosen = _resampled(weight, rng)
        here, first, last = here[chosen], first[chosen], last[chosen]
        walk = root_of(np.atleast_2d(np.cov(here, rowvar=False)))
        seen: list[Floats] = []
        steps = moves * LONGER if b == 1.0 else moves
        for number in range(steps):
            there = here + scale * rng.standard_normal(here.shape) @ walk.T
            started, ended = start(there), target(there)
            rise = (1.0 - b) * (started - first) + b * (ended - last)
            taken = np.log(rng.uniform(size=len(here))) < np.where(np.isnan(rise), -np.inf, rise)
            here, first, last = (
                np.where(taken[:, None], there, here),
                np.where(taken, started, first),
                np.where(taken, ended, last),
            )
            accepted = float(taken.mean())
            scale *= np.exp(0.5 * (accepted - GOOD))
            if number >= moves and not (steps - 1 - number) % APART:
                seen.append(here)
    return np.concatenate(seen) if here.size else here, accepted


def _step(excess: Floats, rest: float) -> tuple[float, Floats]:
    """Return by how much b may grow, and the weights that it brings (N,)."""
    size = excess.size

    def weights(step: float) -> Floats:
        with np.errstate(invalid="ignore"):
            raised = step * np.where(np.isnan(excess), -np.inf, excess)
        raised = np.exp(raised - raised.max()) if np.isfinite(raised.max()) else np.ones(size)
        return np.asarray(raised / raised.sum())

    def effective(step: float) -> float:
        return 1.0 / float(np.square(weights(step)).sum()) / size

    living = np.isfinite(excess).mean()
    if effective(rest) >= STAYING * living:
        return rest, weights(rest)
    low, high = 0.0, rest
    for _ in range(40):
        middle = (low + high) / 2
        low, high = (middle, high) if effective(middle) >= STAYING * living else (low, middle)
    return high, weights(high)


def _resampled(weight: Floats, rng: np.random.Generator) -> NDArray[np.int64]:
    """Return which particles stand after systematic resampling (N,)."""
    size = weight.size
    places = np.searchsorted(np.cumsum(weight), (rng.uniform() + np.arange(size)) / size)
    return np.minimum(places, size - 1)


def stratified(points: Floats, size: int, rng: np.random.Generator) -> Ints:
    """Return which of many points (N, d) stand for all: one of each of `size` cells of equal weight.

    The points are halved along the axis on which those at hand spread most until each cell gives one, at random. Two
    hundred points chosen without cells may spread 7% less than their law, and as the draws of all fits begin with one
    seed, that would be so in every fit.

    Source: stratified sampling; cells as in Friedman, Bentley & Finkel (1977), ACM TOMS 3, 209-226.
    """
    chosen: list[int] = []
    waiting = [(np.arange(len(points)), size)]
    while waiting:
        cell, wanted = waiting.pop()
        if wanted == 1 or not points.shape[1]:
            chosen += [int(place) for place in rng.choice(cell, wanted, replace=False)]
            continue
        here = points[cell]
        ordered = cell[np.argsort(here[:, int(np.argmax(here.var(axis=0)))], kind="stable")]
        cut = len(cell) * (wanted // 2) // wanted
        waiting += [(ordered[:cut], wanted // 2), (ordered[cut:], wanted - wanted // 2)]
    return np.array(chosen, dtype=np.int64)


def root_of(covariance: Floats) -> Floats:
    """Return a matrix whose product with its transpose is the covariance; rounding below zero is dropped.

    That of Cholesky is one alone, while eigenvectors may turn round with the last bit.
    """
    try:
        return np.asarray(np.linalg.cholesky((covariance + covariance.T) / 2))
    except np.linalg.LinAlgError:
        pass
    values, basis = np.linalg.eigh((covariance + covariance.T) / 2)
    return np.asarray(basis * np.sqrt(np.maximum(values, 0.0)))
