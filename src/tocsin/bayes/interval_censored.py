"""Events known only to lie in a span: their times are drawn with the parameters.

Data augmentation (Tanner & Wong 1987): given the times, parameters move by Hamiltonian Monte Carlo (Neal 2011) in
the frame of the target; given the parameters, one event after the other is offered another time in the part of its
span that the order of its unit's events leaves, taken or not by the ratio of the likelihoods (Metropolis et al. 1953).
Every instant of it is as likely beforehand: a span of days runs from the first (00:00) to the end of the last. A time
at which an event could not be explained has no likelihood.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from tocsin.bayes.posterior import PosteriorDraws
from tocsin.bayes.target import Density
from tocsin.errors import FitError
from tocsin.program.spans.open_times import Placer, placed

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tocsin.bayes.target import Target

    Floats = NDArray[np.float64]

ACCEPT, LENGTH, LONGEST = 0.8, 1.6, 30  # of Hamiltonian paths: acceptance, length in the frame, steps at most

OFFERS, MOST, PATHS = 3, 30, 2  # of new times at least and at most, and of paths, for each draw

DIVERGED = 1000.0


class Chain:
    """One chain: parameters and times that belong together."""

    def __init__(self, target: Target, placer: Placer, seed: list[int]) -> None:
        self.base, self.placer, self.rng = target, placer, np.random.default_rng(seed)
        self.time, self.target = placer.told.copy(), target.copy()
        begun = self.at(self.time)
        assert begun is not None  # a program has its events where the model can explain them
        self.target = begun
        for event in placer.order:  # chains begin apart from each other
            time = self.offered(event)
            found = self.at(time)
            if found is not None:
                self.time, self.target = time, found
        self.free = 0.5 * self.rng.standard_normal(target.size)
        self.value, self.gradient = self.target(self.free)
        if not np.isfinite(self.value):
            self.free = np.zeros(target.size)
            self.value, self.gradient = self.target(self.free)
        self.step = 0.5 * target.size**-0.25

    def offered(self, event: int) -> Floats:
        """Return the times with one event at another, where the others leave room."""
        time = self.time.copy()
        low, high = self.placer.room(time, event)
        if low < high:
            time[event] = self.placer.uniform(low, high, self.rng)
        return time

    def at(self, time: Floats) -> Target | None:
        """Return the target with the events at given times, None where they cannot have happened then."""
        effects = self.base.effects
        program = placed(effects.program, time)
        if program is None:
            return None
        try:
            changed = replace(effects, program=program)
            other = copy.copy(self.base)
            other.density, other.effects = Density(changed), changed
            _ = program.likelihood
        except FitError:
            return None
        return other

    def offer_time(self) -> None:
        """Offer one event another time."""
        event = int(self.rng.choice(self.placer.open))
        time = self.offered(event)
        if time[event] == self.time[event]:
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
        """Return free numbers (draws, D), times of open events (draws, K), and what the sampler tells of each."""
        open_ = self.placer.open
        frees, times = np.empty((draws, self.free.size)), np.empty((draws, open_.size))
        stats: dict[str, list[Any]] = {"acceptance_rate": [], "diverging": [], "energy": [], "step_size": []}
        for draw in range(-tune, draws):
            for _ in range(min(max(OFFERS, open_.size // 2), MOST, 2 * open_.size)):
                self.offer_time()
            for _ in range(PATHS):
                chance, diverged, energy = self.path()
                if draw < 0:  # Robbins & Monro (1951)
                    self.step *= float(np.exp((chance - ACCEPT) / (10.0 + tune + draw) ** 0.6))
            told()
            if draw >= 0:
                frees[draw], times[draw] = self.free, self.time[open_]
                for name, x in zip(stats, (chance, diverged, energy, self.step), strict=True):
                    stats[name].append(x)
        return frees, times, stats


def draw_open(
    target: Target,
    placer: Placer,
    draws: int,
    tune: int,
    chains: int,
    seed: int,
    progress: bool | Callable[[int, int], None] = False,
) -> tuple[PosteriorDraws, Floats]:
    """Draw parameters and times; see the head of this file.

    Returns:
        The draws, and the times of the open events (chains, draws, K).
    """
    from tocsin.bayes.nuts import threads

    told: list[int] = []

    def tell() -> None:
        told.append(1)
        if callable(progress) and len(told) % 10 == 0:
            progress(min(len(told), chains * (draws + tune)), chains * (draws + tune))

    def one(chain: int) -> tuple[Floats, Floats, dict[str, list[Any]]]:
        return Chain(target.copy(), placer, [seed, chain]).run(draws, tune, tell)

    with ThreadPoolExecutor(min(chains, threads())) as pool:
        found = list(pool.map(one, range(chains)))
    points = [[target.point(free) for free in frees] for frees, _, _ in found]
    stats = {name: np.array([each[2][name] for each in found]) for name in found[0][2]}

    def stacked(name: str) -> Floats:
        return np.array([[getattr(point, name) for point in chain] for chain in points]).reshape(
            chains, draws, -1
        )

    times = np.array([each[1] for each in found])
    return PosteriorDraws(stacked("vector"), stacked("spread"), stacked("effect"), stats), times
