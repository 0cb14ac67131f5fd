"""The posterior as a density over free numbers: what the sampler moves in.

    log posterior = log-likelihood + normal priors + half-normal priors of the effects' standard deviations

Half-lives and alphas stay between their bounds through a logistic map; effects are their standard deviation
times independent normal numbers (non-centred: Papaspiliopoulos, Roberts & Sköld 2007). Where several causes
may explain a transition, each strength is well known if it is large and may be next to nothing if it is
small: such a bump with a long tail is unrolled to an even scale (`kernels.unroll`). At last all declared
parameters are turned and scaled by the curvature at the mode, so that strong correlations of an intercept
and its covariates cost the sampler nothing.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from tocsin.infer.constraint import Constraint
from tocsin.infer.density import Density
from tocsin.infer.prior import Prior, half_life_bounds
from tocsin.infer.search import ALPHA_BOUNDS, Task
from tocsin.infer.search import scale as scale_of
from tocsin.infer.start import intercept
from tocsin.kernels.unroll import roll, unroll

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tocsin.infer.effects import Effects
    from tocsin.program import Program
    from tocsin.program.scaling import Scaled

    Floats = NDArray[np.float64]

NEAR = 1e-3  # how near to a bound, on the logistic scale from 0 to 1, the search for the mode may begin


@dataclass(frozen=True)
class Belief:
    """What is believed of the declared parameters before the data.

    Attributes:
        centre, scale: of independent normal priors of the scaled parameters (P,).
        lower, upper: bounds (P,), infinite but for half-lives and alphas.
        scaled: the map between these and the user's, of the history that was given; see `program.scaling`.
    """

    centre: Floats
    scale: Floats
    lower: Floats
    upper: Floats
    scaled: Scaled

    @staticmethod
    def of(prior: Prior, program: Program) -> Belief:
        """Return what a prior says of a program's parameters, centred and scaled by its history."""
        program = scale_of(program, Constraint.make(program.parameter_names))
        centre, scale = prior.centre_and_scale(program)
        lower, upper = np.full(centre.size, -np.inf), np.full(centre.size, np.inf)
        for slots in program.slots:
            if slots.half_life >= 0:
                lower[slots.half_life], upper[slots.half_life] = half_life_bounds(program)
            if slots.alpha >= 0:
                lower[slots.alpha], upper[slots.alpha] = ALPHA_BOUNDS
        return Belief(centre, scale, lower, upper, program.scaled)

    def draw(self, rng: np.random.Generator, count: int) -> Floats:
        """Draw parameters from the prior (count, P), on the user's scale."""
        from scipy.stats import truncnorm

        drawn = self.centre + self.scale * rng.standard_normal((count, self.centre.size))
        for place in np.flatnonzero(np.isfinite(self.lower)):
            low, high = (
                (bound[place] - self.centre[place]) / self.scale[place] for bound in (self.lower, self.upper)
            )
            drawn[:, place] = self.centre[place] + self.scale[place] * truncnorm.rvs(
                low, high, size=count, random_state=rng
            )
        return self.scaled.user(drawn)


class Point(NamedTuple):
    """A place in the posterior: parameters on the user's scale (P,), deviations of effects (B,), effects (R,)."""

    vector: Floats
    spread: Floats
    effect: Floats


class Target:
    """The log posterior density and its gradient over free numbers (D,).

    The first P stand for the scaled parameters, turned by `frame` about `origin`; then, for each block of
    effects, the logarithm of its standard deviation and its independent normal numbers.
    """

    def __init__(self, effects: Effects, belief: Belief) -> None:
        self.effects, self.belief = effects.on_scale(belief.scaled.scaling), belief
        self.density = Density(self.effects)
        self.count = belief.centre.size
        self.bounded = np.flatnonzero(np.isfinite(belief.lower))
        self.low = belief.lower[self.bounded]
        self.width = belief.upper[self.bounded] - self.low
        self.size = self.count + sum(1 + block.inner for block in effects.blocks)
        mode = self._mode()
        self._strengths(mode)
        self.origin = self._loose(mode)
        self.frame = self._turn(self.origin)

    def copy(self) -> Target:
        """Return a target that another thread may use."""
        other = object.__new__(Target)
        other.__dict__.update(self.__dict__)
        other.density = self.density.copy()
        return other

    # --- from free numbers to parameters ---------------------------------------------------------------

    def _open(self, loose: Floats) -> tuple[Floats, Floats, float, Floats]:
        """Return parameters from unbounded ones, their slopes, the log Jacobian and its gradient (P,)."""
        vector, slope, bend = loose.copy(), np.ones(self.count), np.zeros(self.count)
        jacobian = 0.0
        if self.bounded.size:
            part = 1.0 / (1.0 + np.exp(-np.clip(loose[self.bounded], -36.0, 36.0)))
            vector[self.bounded] = self.low + self.width * part
            slope[self.bounded] = self.width * part * (1.0 - part)
            bend[self.bounded] = 1.0 - 2.0 * part
            jacobian += float(np.log(slope[self.bounded]).sum())
        if self.rolled.size:
            at = self.rolled
            vector[at], slope[at], bend[at] = unroll(loose[at], self.log_reach, self.floor)
            jacobian += float(np.log(slope[at]).sum())
        return self.shear @ vector, slope, jacobian, bend

    def _loose(self, vector: Floats) -> Floats:
        """Return unbounded parameters from parameters: the inverse of `_open`."""
        vector = np.asarray(np.linalg.solve(self.shear, vector), dtype=np.float64)
        loose = vector.copy()
        part = np.clip((vector[self.bounded] - self.low) / self.width, NEAR, 1.0 - NEAR)
        loose[self.bounded] = np.log(part / (1.0 - part))
        loose[self.rolled] = roll(vector[self.rolled], self.log_reach, self.floor)
        return loose

    def _effects(self, rest: Floats) -> tuple[Floats, Floats]:
        """Return standard deviations and effects from the free numbers after the first P."""
        spreads, parts, at = [], [np.empty(0)], 0
        for block in self.effects.blocks:
            spreads.append(math.exp(min(rest[at], 700.0)))
            parts.append(spreads[-1] * block.spread_out(rest[at + 1 : at + 1 + block.inner]))
            at += 1 + block.inner
        return np.array(spreads), np.concatenate(parts)

    def point(self, free: Floats) -> Point:
        """Return what free numbers stand for."""
        vector = self._open(self.origin + self.frame @ free[: self.count])[0]
        return Point(self.effects.plain.scaled.user(vector), *self._effects(free[self.count :]))

    # --- the density -----------------------------------------------------------------------------------

    def _plain(self, loose: Floats, effect: Floats) -> tuple[float, Floats, Floats]:
        """Return the log density with its gradients in the unbounded parameters and in the effects."""
        vector, slope, jacobian, bend = self._open(loose)
        value, gradient, effect_gradient = self.density(vector, effect)
        gap = (vector - self.belief.centre) / self.belief.scale
        value += jacobian - 0.5 * float(gap @ gap)
        gradient = ((gradient - gap / self.belief.scale) @ self.shear) * slope + bend
        return value, gradient, effect_gradient

    def __call__(self, free: Floats) -> tuple[float, Floats]:
        """Return the log density and its gradient (D,); minus infinity where a hazard overflows."""
        count = self.count
        spread, effect = self._effects(free[count:])
        value, base, by_effect = self._plain(self.origin + self.frame @ free[:count], effect)
        gradient = np.empty(self.size)
        gradient[:count] = base @ self.frame
        at = count
        for number, block in enumerate(self.effects.blocks):
            inner = free[at + 1 : at + 1 + block.inner]
            mine = by_effect[block.first : block.first + block.size]
            scaled = spread[number] / block.spread
            # Half-normal prior of the standard deviation, and the Jacobian of its logarithm.
            value += free[at] - 0.5 * scaled**2 - 0.5 * float(inner @ inner)
            gradient[at] = 1.0 - scaled**2 + float(mine @ effect[block.first : block.first + block.size])
            gradient[at + 1 : at + 1 + block.inner] = spread[number] * block.gather(mine) - inner
            at += 1 + block.inner
        if not (math.isfinite(value) and np.isfinite(gradient).all()):
            return -math.inf, np.zeros(self.size)
        return value, gradient

    # --- where to begin --------------------------------------------------------------------------------

    def _mode(self) -> Floats:
        """Return the mode of the posterior without effects (P,)."""
        program, belief = self.effects.plain, self.belief
        open_to = Constraint.make(program.parameter_names)
        task = Task(program, open_to, np.array([belief.centre, belief.scale]), open_to)
        mode = task.solve().vector if program.trace.time.size else task.climb(belief.centre).vector
        return mode if np.isfinite(mode).all() else belief.centre.copy()

    def _strengths(self, mode: Floats) -> None:
        """Choose which intercepts are unrolled: those of causes that share a transition, if ever exposed.

        What is unrolled is the strength where its covariates have their means, so that it does not depend on
        where a covariate has its zero; `shear` leads from there to the intercept.
        """
        program, found, reach = self.effects.plain, [], []
        self.shear = np.eye(self.count)
        for group in program.likelihood.groups:
            for number in group if len(group) > 1 else ():
                place, cause = intercept(program, number), program.likelihood.causes[number]
                if place < 0:
                    continue
                elements = cause.integral(mode, 1)
                expected = float(elements.value.sum())
                if 0.0 < expected < math.inf:
                    terms = cause.slots.target
                    mean = (elements.value / expected) @ elements.slope[:, : len(terms)]
                    self.shear[place, list(terms)] -= mean
                    self.shear[place, place] = 1.0
                    found.append(place)
                    reach.append(math.log(expected) - mean @ mode[list(terms)])
        self.rolled = np.array(found, dtype=np.int64)
        self.log_reach = np.array(reach, dtype=np.float64)
        self.floor = 1.0 / self.belief.scale[self.rolled]

    def _turn(self, loose: Floats) -> Floats:
        """Return the frame (P, P): a root of the inverse curvature at the mode.

        The curvature comes from differences of the exact gradient; no direction is taken for much wider than
        the prior lets it be, also where the curvature is not that of a maximum.
        """
        scale = self.belief.scale.copy()
        scale[self.bounded] = 1.8  # standard deviation of the logistic distribution
        scale[self.rolled] = 1.0
        effect = np.zeros(self.effects.size)
        curvature = np.empty((self.count, self.count))
        for place in range(self.count):
            step = np.zeros(self.count)
            step[place] = 1e-5 * min(scale[place], 10.0)
            up, down = (self._plain(loose + by * step, effect)[1] for by in (1.0, -1.0))
            curvature[place] = (down - up) / (2.0 * step[place])
        curvature = np.where(np.isfinite(curvature), curvature, 0.0)
        scaled = (curvature + curvature.T) / 2.0 * np.outer(scale, scale)
        values, basis = np.linalg.eigh(scaled)
        return np.asarray(scale[:, None] * basis / np.sqrt(np.maximum(values, 0.5)))
