"""Draws of open times given parameters: one event after the other is offered another time in its span.

Metropolis et al. (1953). An event that moves changes the causes that hear of its variable, and only these are swept
again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tocsin.errors import FitError
from tocsin.kernels.layout import SOURCES_HEAR, TARGETS_HEAR, TRANSITION
from tocsin.program.cause import CauseData
from tocsin.program.grouped import is_grouped
from tocsin.program.spans import Placer, placed

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tocsin.program.program import Program

    Floats = NDArray[np.float64]
    Parts = dict[int, tuple[float, NDArray[np.float64]]]


class Valuer:
    """The log-likelihood of a program at fixed parameters for one set of times after another."""

    def __init__(self, program: Program, vector: Floats) -> None:
        self.program, self.vector = program, vector
        self.grouped = is_grouped(program.history)
        opening = program.opening
        self.groups = [
            np.flatnonzero(opening.cause[:, TRANSITION] == k) for k in range(len(program.model.transitions))
        ]
        self.hear: list[list[int]] = []
        for variable in range(len(program.joint.names)):
            found: set[int] = set()
            for kind in (TARGETS_HEAR, SOURCES_HEAR):
                first, last = opening.listen_first[kind, variable : variable + 2]
                found |= {int(cause) for cause in opening.listen[first:last]}
            self.hear.append(sorted(found))
        self.everyone = list(range(len(program.causes)))

    def parts(self, told: Floats, causes: list[int], known: Parts) -> tuple[float, Parts]:
        """Return the log-likelihood at given times, and what each cause adds to it.

        Parameters:
            causes: the causes to look at anew; of the others `known` has the parts.
        """
        one = placed(self.program, told)
        if one is None:
            return -np.inf, known
        try:
            if self.grouped:
                return one.likelihood.value(self.vector), known
            parts = dict(known)
            for number in causes:
                cause = CauseData(one, number)
                parts[number] = cause.expected(self.vector), cause.events(self.vector, 0)[1].value
        except FitError:
            return -np.inf, known
        value = -sum(integral for integral, _ in parts.values())
        with np.errstate(divide="ignore"):
            for group in self.groups:
                if group.size:
                    value += float(np.log(np.sum([parts[int(c)][1] for c in group], axis=0)).sum())
        return (value if np.isfinite(value) else -np.inf), parts


class Sampler:
    """A chain of open times given parameters.

    Parameters:
        placer, program: whose times.
        vector: the parameters.
        told: where to begin (spoken events,), with a likelihood above zero.
        heat: of the density start^(1 - heat) likelihood^heat, in which the start is that of `Placer.anywhere`.
    """

    def __init__(
        self,
        placer: Placer,
        program: Program,
        vector: Floats,
        told: Floats,
        seed: list[int],
        heat: float = 1.0,
    ) -> None:
        self.placer, self.heat = placer, heat
        self.valuer = Valuer(program, vector)
        self.rng = np.random.default_rng(seed)
        self.told = told.copy()
        self.value, self.parts = self.valuer.parts(told, self.valuer.everyone, {})
        self.start = placer.log_density(told) if heat < 1.0 else 0.0

    def pass_(self) -> None:
        """Offer every open event another time, in an order drawn anew."""
        variable = self.placer.program.observer.variable
        for event in self.rng.permutation(self.placer.open).tolist():
            low, high = self.placer.room(self.told, event)
            if not (low < high or (self.placer.grouped and low == high)):
                continue
            told = self.told.copy()
            told[event] = self.placer.uniform(low, high, self.rng)
            chance = np.log(self.rng.random())
            if told[event] == self.told[event]:
                continue
            value, parts = self.valuer.parts(told, self.valuer.hear[variable[event]], self.parts)
            if value == -np.inf:
                continue
            gain = value - self.value
            start = self.start
            if self.heat < 1.0:
                start = self.placer.log_density(told)
                gain = self.heat * gain + (1.0 - self.heat) * (start - self.start)
            if chance < gain:
                self.told, self.value, self.parts, self.start = told, value, parts, start

    def draw(self, count: int, tune: int, between: int = 1) -> tuple[Floats, Floats]:
        """Return times (count, spoken events) and their log-likelihoods (count,)."""
        told, value = np.empty((count, self.told.size)), np.empty(count)
        for _ in range(tune):
            self.pass_()
        for k in range(count):
            for _ in range(between):
                self.pass_()
            told[k], value[k] = self.told, self.value
        return told, value


def draws_of_times(program: Program, vectors: Floats, seed: int, passes: int = 2) -> Floats:
    """Return times of the events under one parameter vector after another (D, spoken events), each given the record.

    Where a fit has drawn times already, each chain begins with one of these.

    Parameters:
        vectors: parameters (D, P).
        passes: how often all open events are offered another time under each; ten times as often where a chain has
            to begin anywhere.

    Raises:
        FitError: no times are found at which the record has a probability under some of the parameters.
    """
    placer = Placer(program)
    begun: Floats = getattr(program.likelihood, "told", np.empty((0, 0)))
    told, result = placer.told, np.empty((len(vectors), placer.told.size))
    for k, vector in enumerate(vectors):
        warm = k > 0 or len(begun) > 0
        chain = Sampler(placer, program, vector, begun[k % len(begun)] if len(begun) else told, [seed, k])
        for _ in range(2000):
            if chain.value > -np.inf:
                break
            warm, chain.told = False, placer.anywhere(chain.rng)
            chain.value, chain.parts = chain.valuer.parts(chain.told, chain.valuer.everyone, {})
        else:
            raise FitError(
                "no times in the spans are found at which the record has a probability under the parameters"
            )
        for _ in range(passes if warm else 10 * passes):
            chain.pass_()
        told = result[k] = chain.told
    return result
