"""Profile likelihood: how the best likelihood falls as one parameter is held away from its estimate."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from tocsin.fit.compare import levels
from tocsin.fit.maximum.newton import em_steps, first_start, intercept

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from tocsin.fit.maximum.search import Found, Task

    Floats = NDArray[np.float64]

CLOSE = 1e-7  # of the signed root at a bound

FARTHEST = 40.0  # of a log hazard ratio from its estimate: beyond it a profile is open

CLEAR = 8.0  # standard errors from a bound, beyond which no fit at the bound is as good

LOOSE = 1e-6  # gradient to which the other parameters are maximised at each point of a profile


@dataclass(frozen=True)
class Profile:
    """The profile likelihood of one parameter.

    Attributes:
        name: the parameter.
        level: coverage of the interval.
        lower, upper: where twice the fall of the log-likelihood reaches its chi-square quantile, on the
            scale of `fit.params`; infinite where the profile is open, which for a strength below means zero.
        one_sided: whether the estimate is a strength of zero, with an upper bound alone.
        table: points of the profile: value, loglik, root (the signed root of twice the fall).
    """

    name: str
    level: float
    lower: float
    upper: float
    one_sided: bool
    table: pd.DataFrame

    def _repr_html_(self) -> str:
        return str(self.table.to_html(index=False, float_format="{:.5g}".format))


class Profiler:
    """The profile of one parameter of a maximum, evaluated where it is asked."""

    def __init__(self, task: Task, found: Found, position: int) -> None:
        self.task, self.found, self.position = task, found, position
        self.points: dict[float, tuple[float, float]] = {}  # value -> maximum of the rest, slope there
        self.places: dict[float, tuple[Floats, tuple[int, ...]]] = {}
        self.top = found.value
        self.number = next(
            c for c, cause in enumerate(task.program.likelihood.causes) if position in cause.positions
        )
        self.is_strength = position == intercept(task.program, self.number)
        self.is_level = position in levels(task.program, self.number)
        slots = task.program.slots[self.number]
        self.is_shape = position in (slots.half_life, slots.alpha)
        self.zero = self.number in found.gone
        scaled = task.program.scaled
        self.alphas = [p for p in scaled.alphas(position) if task.constraint.group[p] >= 0]

    def at(self, value: float) -> tuple[float, float]:
        """Return the maximum over the other parameters with this one held, and its slope."""
        if value not in self.points:
            near = min(self.places, key=lambda x: abs(x - value)) if self.places else None
            if near is not None:
                begin, gone = [self.places[near][0]], self.places[near][1]
            elif self.zero:
                # What a vanished cause leaves open may stand anywhere, so look from several places.
                free = self.task.telling(self.position, value, self.found.vector).constraint
                begin = [first_start(self.task.program, free, memory=m) for m in (0.2, 0.5, 0.8)]
                gone = tuple(c for c in self.found.gone if c != self.number)
            else:
                begin, gone = [self.found.vector], self.found.gone
            best: Found | None = None
            for start in begin:
                end = self._climbed(start, value, gone)
                if best is None or end.value > best.value:
                    best = end
            assert best is not None
            self.points[value] = (best.value, float(best.gradient @ self._way(best.vector)))
            self.places[value] = (best.vector, best.gone)
        return self.points[value]

    def _climbed(self, start: Floats, value: float, gone: tuple[int, ...]) -> Found:
        """Return the maximum of the other parameters from one start, with this one held at a value.

        A level that is a product with alpha is held for one alpha after the other, until the best of them is found.
        """
        held = self.task.telling(self.position, value, start)
        moved = self._moved(held, start, value)
        if self.is_shape:  # the strength that goes with another memory or response is another
            moved = em_steps(self.task.program, held.constraint, moved, 3)
        if not self.alphas:
            return held.climb(moved, LOOSE, gone)
        from scipy.optimize import minimize_scalar

        known: dict[float, Found] = {}

        def lost(alpha: float) -> float:
            there = (known[min(known, key=lambda a: abs(a - alpha))].vector if known else start).copy()
            there[self.alphas] = alpha
            held = self.task.telling(self.position, value, there)
            known[alpha] = held.climb(self._moved(held, there, value), LOOSE, gone)
            return -known[alpha].value

        middle, (low, high) = start[self.alphas[0]], (limit[self.alphas[0]] for limit in self.task.bounds)
        for width in (0.5, 2.0, math.inf):
            ends = max(low, middle - width), min(high, middle + width)
            best = float(minimize_scalar(lost, bounds=ends, method="bounded", options={"xatol": 1e-4}).x)
            if min(best - ends[0], ends[1] - best) > 0.01:
                break
        return max(known.values(), key=lambda found: found.value)

    def _way(self, at: Floats) -> Floats:
        """Return how the scaled parameters move for each unit of this one, the free values that are left staying."""
        constraint = self.task.constraint
        row = self.task.program.scaled.row(self.position, at)
        by_free = constraint.pull(row)
        lost = int(np.argmax(np.abs(by_free)))
        return np.asarray(constraint.into()[:, lost] / by_free[lost])

    def _moved(self, held: Task, start: Floats, value: float) -> Floats:
        """Return where to begin with the parameter held: the others as they are told, or as they are scaled."""
        scaled = _finite(start)
        told = self.task.user(scaled)
        told[self.position] = value
        places = [
            held.constraint.expand(held.constraint.reduce(each)) for each in (scaled, self.task.scaled(told))
        ]
        if np.array_equal(places[0], places[1]):
            return places[0]
        return max(places, key=lambda place: held.penalised(place)[0])

    def fall(self, value: float) -> float:
        """Return twice the fall of the log-likelihood from its maximum."""
        return max(2.0 * (self.top - self.at(value)[0]), 0.0)

    def without(self) -> float:
        """Return the maximum without the cause whose strength this is, or at a strength of zero where its
        categories have one each."""
        if self.is_strength:
            held = self.task.without([self.number], self.found.vector)
        else:
            held = self.task.holding([self.position], [-math.inf])
        return held.climb(self.found.vector, LOOSE, self.found.gone).value

    def bound(self, way: int, target: float, step: float) -> float:
        """Return where twice the fall reaches target^2, below (way -1) or above (+1) the estimate.

        Newton's method on the signed root, whose slope is that of the likelihood (the envelope theorem), kept
        within what is known to lie on either side.

        Parameters:
            step: a first guess of how far the bound lies from the estimate.
        """
        lower, upper = (float(limit[self.position]) for limit in self.task.bounds)
        limit = lower if way < 0 else upper
        may_vanish = self.is_level and not self.zero and (len(self._group()) > 1 or not self.is_strength)
        ask = may_vanish and way < 0 and self.task.penalty is None
        if ask and 2.0 * (self.top - self.without()) < target**2:
            return -math.inf
        if math.isfinite(limit):
            if self.fall(limit) < target**2:
                return way * math.inf
        else:
            limit = self._begin() + way * FARTHEST / self._reach()
        near, far = self._begin(), limit
        known_far = math.isfinite(lower) or math.isfinite(upper)
        x = near + way * min(step, abs(far - near))
        for _ in range(60):
            root = math.sqrt(self.fall(x))
            if abs(root - target) < CLOSE:
                return x
            if root < target:
                if x == far and not known_far:
                    return way * math.inf
                near = x
            else:
                far, known_far = x, True
            slope = -way * self.at(x)[1] / max(root, 1e-12)
            ahead = x + way * (target - root) / slope if slope > 1e-12 else math.nan
            inside = min(near, far) < ahead < max(near, far)
            if not inside:
                wider = near + way * 2.0 * max(abs(near - self._begin()), step)
                ahead = (near + far) / 2 if known_far else wider
                if not known_far and way * (ahead - far) > 0:
                    ahead = far
            elif not known_far and abs(ahead - near) > 3.0 * max(abs(near - self._begin()), step):
                ahead = near + way * 3.0 * max(abs(near - self._begin()), step)
            if abs(ahead - x) < 1e-12 * (1.0 + abs(x)):
                return x
            x = ahead
        return x

    def _group(self) -> list[int]:
        return next(group for group in self.task.program.likelihood.groups if self.number in group)

    def _reach(self) -> float:
        """Return by how much the log hazard moves at most for each unit of the parameter, other things equal."""
        from tocsin.fit.covariance import half_ranges

        row = self.task.program.scaled.row(self.position, self.found.vector)
        return float(1.0 / np.abs(row / half_ranges(self.task.program)).max())

    def _begin(self) -> float:
        """Return the estimate, or for a strength of zero one at which a hundredth of an event is expected."""
        if not self.zero:
            return float(self.task.user(self.found.vector)[self.position])
        cause = self.task.program.likelihood.causes[self.number]
        at = np.where(np.isfinite(self.found.vector), self.found.vector, 0.0)
        at[self.position] = 0.0
        expected = cause.expected(at)
        return math.log(0.01 / expected) if expected > 0 else 0.0


def _finite(vector: Floats) -> Floats:
    return np.where(np.isfinite(vector), vector, 0.0)


def interval(
    task: Task, found: Found, position: int, level: float, se: float, wider: float = 1.0
) -> tuple[float, float, Profiler, bool]:
    """Return the profile-likelihood interval of a parameter, on the scale of the vector.

    A strength of zero has the one-sided bound at which twice the fall reaches the square of the normal
    quantile of `level` (Self & Liang 1987). Open ends are infinite.

    Parameters:
        se: the Wald standard error as a first guess of the width, NaN where there is none.
        wider: factor of the normal quantile: of robust standard errors (Chandler & Bate 2007).
    """
    from scipy.special import ndtri

    profiler = Profiler(task, found, position)
    if profiler.zero:
        if not profiler.is_strength or profiler.number in task.absent:
            return -math.inf, math.inf, profiler, True
        z = float(ndtri(level))
        return -math.inf, profiler.bound(1, z, 5.0), profiler, True
    z = wider * float(ndtri(0.5 + level / 2))
    step = z * se if math.isfinite(se) and se > 0 else 1.0 / profiler._reach()
    return profiler.bound(-1, z, step), profiler.bound(1, z, step), profiler, False


def profile(task: Task, found: Found, position: int, level: float, se: float, points: int) -> Profile:
    """Return the profile of a parameter, its interval and points in between and a little beyond; see
    `Fit.profile`."""
    import pandas as pd

    lower, upper, profiler, one_sided = interval(task, found, position, level, se)
    centre = profiler._begin()
    reach = se if math.isfinite(se) and se > 0 else 2.0 / profiler._reach()
    low = lower if math.isfinite(lower) else centre - 3.0 * reach
    high = upper if math.isfinite(upper) else centre + 3.0 * reach
    low, high = low - 0.2 * (high - low), high + 0.2 * (high - low)
    bounds = [limit[position] for limit in task.bounds]
    for value in np.linspace(max(low, bounds[0]), min(high, bounds[1]), points):
        profiler.at(float(value))
    estimate = -math.inf if one_sided else float(task.user(found.vector)[position])
    value = np.array(sorted(profiler.points))
    height = np.array([profiler.points[x][0] for x in value])
    root = np.sign(value - estimate) * np.sqrt(np.maximum(2.0 * (found.value - height), 0.0))
    table = pd.DataFrame({"value": value, "loglik": height, "root": root})
    return Profile(task.program.parameter_names[position], level, lower, upper, one_sided, table)


def open_shapes(
    task: Task, block: Callable[[str], tuple[Task, Found]], vcov: Floats, level: float = 0.95
) -> list[str]:
    """Return warnings of half-lives and alphas whose profile is open on a side: held there, the fit is as
    good.

    Parameters:
        block: gives the task and maximum of the block of a parameter's name; vcov: of the estimates (P, P).
    """
    from scipy.special import ndtri

    warnings, z, seen = [], float(ndtri(0.5 + level / 2)), {-1}
    for number, slots in enumerate(task.program.slots):
        for position, what in ((slots.half_life, "half-life"), (slots.alpha, "alpha")):
            group = int(task.constraint.group[position]) if position >= 0 else -1
            part, found = block(task.program.parameter_names[max(position, 0)])
            if group in seen or number in found.gone:
                continue
            seen.add(group)
            profiler = Profiler(part, found, position)
            ends = [limit[position] for limit in task.bounds]
            clear = CLEAR * math.sqrt(max(vcov[position, position], 0.0))  # NaN is never clear
            loose = [
                not abs(end - found.vector[position]) > clear > 0.0 and profiler.fall(end) < z * z
                for end in ends
            ]
            if not any(loose):
                continue
            side = "on both sides" if all(loose) else ("below" if loose[0] else "above")
            shown = " and ".join(
                f"{math.exp(end):.4g}" for end, is_open in zip(ends, loose, strict=True) if is_open
            )
            with_it = _together(task, position)
            warnings.append(
                f"the {what} of {' and '.join(map(repr, with_it))} is open {side}: held at {shown} the "
                f"fit is "
                f"not worse at {level:.0%}, so its interval has no end there; fix it, or say that it is "
                f"not known"
            )
    return warnings


def _together(task: Task, position: int) -> list[str]:
    """Return the causes that take the value of a half-life or alpha."""
    group = task.constraint.group
    return [
        task.program.cause_name(c)
        for c, slots in enumerate(task.program.slots)
        if any(p >= 0 and group[p] == group[position] for p in (slots.half_life, slots.alpha))
    ]
