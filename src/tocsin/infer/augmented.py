"""Events known only to lie between two dates: their times are drawn with the parameters.

Data augmentation (Tanner & Wong 1987): given the times, parameters move by Hamiltonian Monte Carlo (Neal 2011) in
the frame of the target; given the parameters, one event after the other is offered another time between its
`time` and its `time_latest`, taken or not by the ratio of the likelihoods (Metropolis et al. 1953). Every time in
between is as likely beforehand, days where the history has dates. The order of a unit's own events is that of the
record; a time at which an event could not be explained has no likelihood.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from tocsin.errors import FitError
from tocsin.infer.density import Density
from tocsin.infer.posterior import Draws
from tocsin.infer.roughly import Rough, placed
from tocsin.program.compile import join

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tocsin.infer.target import Target

    Floats = NDArray[np.float64]

ACCEPT, LENGTH, LONGEST = 0.8, 1.6, 30  # of Hamiltonian paths: acceptance, length in the frame, steps at most
OFFERS, PATHS = 3, 2  # of new times, and of paths, for each draw
DIVERGED, REMEMBERED = 1000.0, 200


class Chain:
    """One chain: parameters and times that belong together."""

    def __init__(self, target: Target, rough: Rough, seed: list[int]) -> None:
        self.base, self.rough, self.rng = target, rough, np.random.default_rng(seed)
        self.record = target.effects.program.history
        self.known: dict[bytes, Target | None] = {}
        self.time, self.target = rough.low.copy(), target.copy()
        for number in range(rough.event.size):  # chains begin apart from each other
            time = self.time.copy()
            time[number] = rough.offer(number, self.rng)
            found = self.at(time)
            if found is not None:
                self.time, self.target = time, found
        self.free = 0.5 * self.rng.standard_normal(target.size)
        self.value, self.gradient = self.target(self.free)
        if not np.isfinite(self.value):
            self.free = np.zeros(target.size)
            self.value, self.gradient = self.target(self.free)
        self.step = 0.5 * target.size**-0.25

    def at(self, time: Floats) -> Target | None:
        """Return the target with the events at given times, None where they cannot have happened then."""
        key = time.tobytes()
        if key not in self.known:  # days come again and again
            if len(self.known) >= REMEMBERED:
                self.known.pop(next(iter(self.known)))
            self.known[key] = self._made(time)
        return self.known[key]

    def _made(self, time: Floats) -> Target | None:
        history = placed(self.record, self.rough, time)
        if history is None:
            return None
        effects = self.base.effects
        try:
            changed = replace(effects, program=join(effects.program.model, history, effects.program))
            other = copy.copy(self.base)
            other.density, other.effects = Density(changed), changed
        except FitError:
            return None
        return other

    def offer_time(self) -> None:
        """Offer one event another time."""
        number = int(self.rng.integers(self.rough.event.size))
        time = self.time.copy()
        time[number] = self.rough.offer(number, self.rng)
        if time[number] == self.time[number]:
            return
        found = self.at(time)
        chance = self.rng.random()
        if found is None:
            return
        value, gradient = found(self.free)
        if np.log(chance) < value - self.value:
            self.time, self.target, self.value, self.gradient = time, found, value, gradient

    def path(self) -> tuple[float, bool, float]:
        """Follow one Hamiltonian path; return its acceptance, whether it diverged, and its energy."""
        size = self.free.size
        step = self.step * self.rng.uniform(0.8, 1.2)
        steps = int(np.clip(round(LENGTH * self.rng.uniform(0.5, 1.5) / step), 1, LONGEST))
        momentum = self.rng.standard_normal(size)
        begin = self.value - 0.5 * float(momentum @ momentum)
        free, value, gradient = self.free, self.value, self.gradient
        momentum = momentum + 0.5 * step * gradient
        for k in range(steps):
            free = free + step * momentum
            value, gradient = self.target(free)
            if not np.isfinite(value):
                break
            momentum = momentum + (step if k < steps - 1 else 0.5 * step) * gradient
        end = value - 0.5 * float(momentum @ momentum)
        change = end - begin if np.isfinite(value) else -np.inf
        chance = float(np.exp(min(change, 0.0)))
        if self.rng.random() < chance:
            self.free, self.value, self.gradient = free, value, gradient
        return chance, bool(change < -DIVERGED), -begin

    def run(
        self, draws: int, tune: int, told: Callable[[], None]
    ) -> tuple[Floats, Floats, dict[str, list[Any]]]:
        """Return free numbers (draws, D), times (draws, K), and what the sampler tells of each draw."""
        frees, times = np.empty((draws, self.free.size)), np.empty((draws, self.time.size))
        stats: dict[str, list[Any]] = {"acceptance_rate": [], "diverging": [], "energy": [], "step_size": []}
        for draw in range(-tune, draws):
            for _ in range(min(OFFERS, self.time.size)):
                self.offer_time()
            for _ in range(PATHS):
                chance, diverged, energy = self.path()
                if draw < 0:  # Robbins & Monro (1951)
                    self.step *= float(np.exp((chance - ACCEPT) / (10.0 + tune + draw) ** 0.6))
            told()
            if draw >= 0:
                frees[draw], times[draw] = self.free, self.time
                for name, x in zip(stats, (chance, diverged, energy, self.step), strict=True):
                    stats[name].append(x)
        return frees, times, stats


def draw_rough(
    target: Target,
    rough: Rough,
    draws: int,
    tune: int,
    chains: int,
    seed: int,
    progress: bool | Callable[[int, int], None] = False,
) -> tuple[Draws, Floats]:
    """Draw parameters and times; see the head of this file.

    Returns:
        The draws, and the times of the rough events (chains, draws, K).
    """
    from tocsin.infer.bayes import threads

    told: list[int] = []

    def tell() -> None:
        told.append(1)
        if callable(progress) and len(told) % 10 == 0:
            progress(min(len(told), chains * (draws + tune)), chains * (draws + tune))

    def one(chain: int) -> tuple[Floats, Floats, dict[str, list[Any]]]:
        return Chain(target.copy(), rough, [seed, chain]).run(draws, tune, tell)

    with ThreadPoolExecutor(min(chains, threads())) as pool:
        found = list(pool.map(one, range(chains)))
    points = [[target.point(free) for free in frees] for frees, _, _ in found]
    stats = {name: np.array([each[2][name] for each in found]) for name in found[0][2]}

    def stacked(name: str) -> Floats:
        return np.array([[getattr(point, name) for point in chain] for chain in points]).reshape(
            chains, draws, -1
        )

    times = np.array([each[1] for each in found])
    return Draws(stacked("vector"), stacked("spread"), stacked("effect"), stats), times
