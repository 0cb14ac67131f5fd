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

import dataclasses
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from tocsin.bayes.random_effects import Pool, pools_of
from tocsin.errors import ModelError
from tocsin.fit.maximum.constraint import Constraint, Prior, half_life_bounds
from tocsin.fit.maximum.newton import intercept
from tocsin.fit.maximum.search import ALPHA_BOUNDS, Task
from tocsin.fit.maximum.search import scale as scale_of
from tocsin.kernels import density as kernel
from tocsin.kernels.density import roll, unroll
from tocsin.kernels.layout import SOURCE, TARGET
from tocsin.program.cause import CauseData
from tocsin.program.exposure import Swept
from tocsin.program.grouped import is_grouped
from tocsin.program.spans.exact import heard_abroad

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tocsin.bayes.random_effects import EffectBlock, Effects
    from tocsin.program.program import Program
    from tocsin.program.scaling import Scaled

    Floats = NDArray[np.float64]

FARTHEST = 100.0  # of a pooled level's logarithm from what levels have in common

NEAR = 1e-3  # how near to a bound, on the logistic scale from 0 to 1, the search for the mode may begin


@dataclass(frozen=True)
class Belief:
    """What is believed of the declared parameters before the data.

    Attributes:
        centre, scale: of independent normal priors of the scaled parameters, pooled levels as one (C,).
        lower, upper: bounds (C,), infinite but for half-lives and alphas.
        scaled: the map between these and the user's, of the history that was given; see `program.scaling`.
        core: the declared parameters (P,) by these, where all levels of a pool are alike.
        pools: levels that depart from one another by chance.
    """

    centre: Floats
    scale: Floats
    lower: Floats
    upper: Floats
    scaled: Scaled
    core: Constraint
    pools: tuple[Pool, ...]

    @staticmethod
    def of(prior: Prior, program: Program) -> Belief:
        """Return what a prior says of a program's parameters, centred and scaled by its history."""
        program = scale_of(program, Constraint.make(program.parameter_names))
        pools, tied = pools_of(program)
        core = Constraint.make(program.parameter_names, tied=tied)
        centre, scale = prior.centre_and_scale(program)
        lower, upper = np.full(centre.size, -np.inf), np.full(centre.size, np.inf)
        for slots in program.slots:
            if slots.half_life >= 0:
                lower[slots.half_life], upper[slots.half_life] = half_life_bounds(program)
            if slots.alpha >= 0:
                lower[slots.alpha], upper[slots.alpha] = ALPHA_BOUNDS
        first = np.unique(core.group, return_index=True)[1]  # what is tied has one prior
        return Belief(centre[first], scale[first], lower[first], upper[first], program.scaled, core, pools)

    def draw(self, rng: np.random.Generator, count: int) -> tuple[Floats, Floats]:
        """Draw parameters from the prior (count, P), on the user's scale, and spreads of pooled levels (count, B)."""
        from scipy.stats import truncnorm

        drawn = self.centre + self.scale * rng.standard_normal((count, self.centre.size))
        for place in np.flatnonzero(np.isfinite(self.lower)):
            low, high = (
                (bound[place] - self.centre[place]) / self.scale[place] for bound in (self.lower, self.upper)
            )
            drawn[:, place] = self.centre[place] + self.scale[place] * truncnorm.rvs(
                low, high, size=count, random_state=rng
            )
        vectors, spreads = drawn[:, self.core.group], np.empty((count, len(self.pools)))
        for number, pool in enumerate(self.pools):
            spreads[:, number] = np.abs(rng.standard_normal(count)) * pool.spread
            departure = spreads[:, number, None] * rng.standard_normal((count, pool.inner))
            vectors = vectors + departure @ pool.into.T
        return self.scaled.user(vectors), spreads


class Point(NamedTuple):
    """A place in the posterior: parameters on the user's scale (P,), deviations of effects and of pools (B,), effects
    (R,)."""

    vector: Floats
    spread: Floats
    effect: Floats


class Target:
    """The log posterior density and its gradient over free numbers (D,).

    The first stand for the scaled parameters, pooled levels as one, turned by `frame` about `origin`; then, for each
    block of effects and for each pool of levels, the logarithm of its standard deviation and its independent normal
    numbers.
    """

    def __init__(self, effects: Effects, belief: Belief) -> None:
        self.effects, self.belief = effects.on_scale(belief.scaled.scaling), belief
        self.density = Density(self.effects)
        self.count = belief.centre.size
        self.bounded = np.flatnonzero(np.isfinite(belief.lower))
        self.low = belief.lower[self.bounded]
        self.width = belief.upper[self.bounded] - self.low
        self.blocks: tuple[EffectBlock | Pool, ...] = (*effects.blocks, *belief.pools)
        self.size = self.count + sum(1 + block.inner for block in self.blocks)
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

    def _effects(self, rest: Floats) -> tuple[Floats, Floats, Floats]:
        """Return standard deviations, effects, and what pooled levels add to the parameters (P,)."""
        spreads, parts, at = [], [np.empty(0)], 0
        apart = np.zeros(self.belief.core.base.size)
        for block in self.blocks:
            spreads.append(math.exp(min(rest[at], 700.0)))
            inner = rest[at + 1 : at + 1 + block.inner]
            if isinstance(block, Pool):
                apart += spreads[-1] * (block.into @ inner)
            else:
                parts.append(spreads[-1] * block.spread_out(inner))
            at += 1 + block.inner
        return np.array(spreads), np.concatenate(parts), apart

    def point(self, free: Floats) -> Point:
        """Return what free numbers stand for."""
        vector = self._open(self.origin + self.frame @ free[: self.count])[0]
        spread, effect, apart = self._effects(free[self.count :])
        return Point(self.effects.plain.scaled.user(self.belief.core.expand(vector) + apart), spread, effect)

    # --- the density -----------------------------------------------------------------------------------

    def _plain(self, loose: Floats, effect: Floats, apart: Floats) -> tuple[float, Floats, Floats, Floats]:
        """Return the log density with its gradients in the unbounded parameters, the effects and all parameters."""
        vector, slope, jacobian, bend = self._open(loose)
        core = self.belief.core
        value, by_all, effect_gradient = self.density(core.expand(vector) + apart, effect)
        gap = (vector - self.belief.centre) / self.belief.scale
        value += jacobian - 0.5 * float(gap @ gap)
        gradient = ((core.pull(by_all) - gap / self.belief.scale) @ self.shear) * slope + bend
        return value, gradient, effect_gradient, by_all

    def __call__(self, free: Floats) -> tuple[float, Floats]:
        """Return the log density and its gradient (D,); minus infinity where a hazard overflows."""
        count = self.count
        spread, effect, apart = self._effects(free[count:])
        if not (np.abs(apart) < FARTHEST).all():  # nowhere near any half-life: its exponential would overflow
            return -math.inf, np.zeros(self.size)
        value, base, by_effect, by_all = self._plain(self.origin + self.frame @ free[:count], effect, apart)
        gradient = np.empty(self.size)
        gradient[:count] = base @ self.frame
        at = count
        for number, block in enumerate(self.blocks):
            inner = free[at + 1 : at + 1 + block.inner]
            if isinstance(block, Pool):
                mine = by_all @ block.into
            else:
                mine = block.gather(by_effect[block.first : block.first + block.size])
            scaled = spread[number] / block.spread
            # Half-normal prior of the standard deviation, and the Jacobian of its logarithm.
            value += free[at] - 0.5 * scaled**2 - 0.5 * float(inner @ inner)
            gradient[at] = 1.0 - scaled**2 + spread[number] * float(mine @ inner)
            gradient[at + 1 : at + 1 + block.inner] = spread[number] * mine - inner
            at += 1 + block.inner
        if not (math.isfinite(value) and np.isfinite(gradient).all()):
            return -math.inf, np.zeros(self.size)
        return value, gradient

    # --- where to begin --------------------------------------------------------------------------------

    def _mode(self) -> Floats:
        """Return the mode of the posterior without effects, and with all levels of a pool alike."""
        program, belief, core = self.effects.plain, self.belief, self.belief.core
        times = np.sqrt(np.bincount(core.group))  # one prior for all that is tied
        penalty = np.array([core.expand(belief.centre), core.expand(belief.scale * times)])
        task = Task(program, core, penalty, core)
        centre = core.expand(belief.centre)
        mode = task.solve().vector if program.trace.time.size else task.climb(centre).vector
        return core.reduce(mode) if np.isfinite(mode).all() else belief.centre.copy()

    def _strengths(self, mode: Floats) -> None:
        """Choose which intercepts are unrolled: those of causes that share a transition, if ever exposed.

        What is unrolled is the strength where its covariates have their means, so that it does not depend on
        where a covariate has its zero; `shear` leads from there to the intercept.
        """
        program, core, found, reach = self.effects.plain, self.belief.core, [], []
        self.shear = np.eye(self.count)
        expected, slope = np.zeros(self.count), np.zeros((self.count, self.count))
        for group in program.likelihood.groups:
            for number in group if len(group) > 1 else ():
                place, cause = intercept(program, number), program.likelihood.causes[number]
                if place < 0:
                    continue
                elements = cause.integral(core.expand(mode), 1)
                terms = cause.slots.target
                with np.errstate(over="ignore", invalid="ignore"):
                    own = np.zeros(core.base.size)
                    own[list(terms)] = elements.value @ elements.slope[:, : len(terms)]
                    expected[core.group[place]] += float(elements.value.sum())
                    slope[core.group[place]] += core.pull(own)
        for place in np.flatnonzero((expected > 0.0) & np.isfinite(expected)).tolist():
            mean = slope[place] / expected[place]
            self.shear[place] -= mean
            self.shear[place, place] = 1.0
            found.append(place)
            reach.append(math.log(expected[place]) - mean @ mode)
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
        effect, apart = np.zeros(self.effects.size), np.zeros(self.belief.core.base.size)
        curvature = np.empty((self.count, self.count))
        for place in range(self.count):
            step = np.zeros(self.count)
            step[place] = 1e-5 * min(scale[place], 10.0)
            up, down = (self._plain(loose + by * step, effect, apart)[1] for by in (1.0, -1.0))
            curvature[place] = (down - up) / (2.0 * step[place])
        curvature = np.where(np.isfinite(curvature), curvature, 0.0)
        scaled = (curvature + curvature.T) / 2.0 * np.outer(scale, scale)
        values, basis = np.linalg.eigh(scaled)
        return np.asarray(scale[:, None] * basis / np.sqrt(np.maximum(values, 0.5)))


# --- The likelihood of a program as the sampler needs it: flat arrays for one kernel, and random
#     effects


class Density:
    """Log-likelihood and gradient in the declared parameters and the random effects.

    What does not change with the parameters is laid out once; only a cause whose half-life is estimated is
    swept again, at each value of it. One density serves one thread at a time: `copy` gives another.

    Parameters:
        effects: the program and its random effects.
    """

    def __init__(self, effects: Effects) -> None:
        self.effects = effects
        self.program = effects.program
        aged = any(design.times is not None for design in self.program.designs)
        if aged and effects.blocks:
            raise ModelError(
                "log(time_in_state) and time_in_state cannot stand beside frailty= or shock=: write "
                "pieces(time_in_state, 7, 30) with ages that suit"
            )
        self.whole = is_grouped(self.program.history) or (
            not effects.blocks
            and (aged or (self.program.spans is not None and not heard_abroad(self.program)))
        )
        if self.whole:  # its likelihood is not one of summed exposures: it is asked as it is
            return
        self.causes = [CauseData(self.program, number) for number in range(len(self.program.causes))]
        place = np.full(len(self.program.parameter_names), -1, dtype=np.int64)
        place[effects.keep] = np.arange(effects.keep.size)
        self.place = place
        self.moving = [number for number, cause in enumerate(self.causes) if cause.slots.half_life >= 0]
        middle = np.zeros(len(self.program.parameter_names))
        start, end = self.program.layout.window
        for number in self.moving:
            middle[self.causes[number].slots.half_life] = math.log((end - start) / 4)
        self.swept = [self._sweep(number, middle) for number in range(len(self.causes))]
        self.terms = self._lay_out()

    def copy(self) -> Density:
        """Return a density that another thread may use."""
        other = object.__new__(Density)
        other.__dict__.update(self.__dict__)
        if self.whole:
            other.program = dataclasses.replace(self.program)
            return other
        if self.moving:
            other.causes = [CauseData(self.program, number) for number in range(len(self.causes))]
            other.swept = list(self.swept)
            other.terms = other._lay_out()
        return other

    def _sweep(self, number: int, whole: Floats) -> Swept:
        cause = self.causes[number]
        return cause.swept(cause.shape(whole)[0], keep=cause.slots.alpha >= 0)

    def _parts(self, number: int) -> tuple[NDArray[np.integer], Floats, Floats, NDArray[np.integer], Floats]:
        """Return rows, spans and exposures of the elements of a cause's integral, and of its events."""
        cause, swept = self.causes[number], self.swept[number]
        if cause.slots.alpha >= 0:
            return swept.row, swept.span, swept.exposure, swept.event_row, swept.event_exposure
        rows = np.flatnonzero(swept.summed[:, :, 0].any(axis=1))
        spans = np.full(rows.size, -1.0)
        return rows.astype(np.int32), spans, swept.summed[rows], swept.event_row, swept.event_exposure

    def _lay_out(self) -> kernel.LikelihoodTerms:
        layout, count = self.program.recorded.layout, len(self.causes)
        table = np.full((count, kernel.COLUMNS), -1, dtype=np.int64)
        decay = np.zeros(count)
        lists: list[list[NDArray[np.generic]]] = [[] for _ in range(9)]
        begin = np.zeros(9, dtype=np.int64)
        for number, cause in enumerate(self.causes):
            slots, design = cause.slots, int(layout.cause[number, TARGET])
            declared, _ = self.effects.terms(design)
            row, span, exposure, event_row, event_exposure = self._parts(number)
            used = np.arange(cause.matrix.shape[0])
            if number not in self.moving:  # rows that no exposure meets would only cost time
                used = np.unique(np.concatenate([row, event_row]))
                row, event_row = np.searchsorted(used, row), np.searchsorted(used, event_row)
            matrix, base = np.unique(cause.matrix[used][:, declared], axis=0, return_inverse=True)
            parts: list[NDArray[Any]] = [
                matrix.ravel(),
                cause.marks.ravel(),
                base.astype(np.int32).ravel(),
                self.effects.rows(design)[used].astype(np.int32),
                row.astype(np.int32),
                span,
                exposure.ravel(),
                event_row.astype(np.int32),
                event_exposure.ravel(),
            ]
            own = table[number]
            own[kernel.TARGETS] = self.place[slots.target[declared[0]]] if declared else 0
            own[kernel.TARGETS_SIZE] = len(declared)
            own[kernel.SOURCES] = self.place[slots.source.start] if len(slots.source) else 0
            own[kernel.SOURCES_SIZE] = len(slots.source) if layout.cause[number, SOURCE] >= 0 else 0
            own[kernel.HALF_LIFE] = self.place[slots.half_life] if slots.half_life >= 0 else -1
            own[kernel.ALPHA] = self.place[slots.alpha] if slots.alpha >= 0 else -1
            own[[kernel.ROWS, kernel.ROWS_SIZE]] = begin[2], used.size
            bases = sum(table[:number, kernel.BASES_SIZE])
            own[[kernel.BASES, kernel.BASES_SIZE]] = bases, matrix.shape[0]
            own[kernel.MATRIX] = begin[0]
            mark_rows = sum(table[:number, kernel.MARK_ROWS_SIZE])
            own[[kernel.MARK_ROWS, kernel.MARK_ROWS_SIZE]] = mark_rows, cause.marks.shape[0]
            own[kernel.MARKS] = begin[1]
            own[[kernel.ELEMENTS, kernel.ELEMENTS_SIZE]] = begin[4], row.size
            own[kernel.EXPOSURE] = begin[6]
            own[[kernel.EVENTS, kernel.EVENTS_SIZE]] = begin[7], event_row.size
            own[kernel.EVENT_EXPOSURE] = begin[8]
            own[kernel.MOMENTS] = cause.moments
            own[kernel.MASS] = int(slots.mass)
            decay[number] = self.program.decay(number, np.zeros(len(self.program.parameter_names)))
            for position, part in enumerate(parts):
                lists[position].append(part)
                begin[position] += part.shape[0]
        groups = self.program.likelihood.groups
        first = np.cumsum([0, *(len(group) for group in groups)])
        flat = [np.ascontiguousarray(np.concatenate(each)) for each in lists]
        return kernel.LikelihoodTerms(table, first.astype(np.int64), decay, *flat)

    def _refresh(self, vector: Floats) -> None:
        """Sweep the causes with an estimated half-life at its new value."""
        whole = np.ones(len(self.program.parameter_names))
        whole[self.effects.keep] = vector
        same = True
        for number in self.moving:
            self.swept[number] = self._sweep(number, whole)
            own, terms = self.terms.cause[number], self.terms
            row, span, exposure, event_row, event_exposure = self._parts(number)
            same &= row.size == own[kernel.ELEMENTS_SIZE]
            if same:
                first, size = own[kernel.ELEMENTS], row.size
                terms.row[first : first + size] = row
                terms.span[first : first + size] = span
                terms.exposure[own[kernel.EXPOSURE] :][: exposure.size] = exposure.ravel()
                terms.event_row[own[kernel.EVENTS] :][: event_row.size] = event_row
                terms.event_exposure[own[kernel.EVENT_EXPOSURE] :][: event_exposure.size] = (
                    event_exposure.ravel()
                )
        if not same:  # a memory that has faded to exactly nothing makes other stretches
            self.terms = self._lay_out()

    def __call__(self, vector: Floats, effect: Floats) -> tuple[float, Floats, Floats]:
        """Return the log-likelihood, its gradient (P,), and that in the random effects (R,)."""
        if self.whole:
            whole, slope, _ = self.program.likelihood._compute(vector, 1)
            return whole, slope, np.zeros(effect.size)
        if self.moving:
            self._refresh(vector)
        value, gradient, effect_gradient = kernel.log_likelihood(self.terms, vector, effect)
        return float(value), gradient, effect_gradient
