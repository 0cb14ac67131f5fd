"""The likelihood of a program, its gradient and its Hessian, from what the sweeps return.

log L = sum over explained events of log sum_c lambda_c  -  sum over causes of the integral of lambda_c
"""

from __future__ import annotations

import copy
import math
from collections.abc import Collection
from typing import TYPE_CHECKING

import numpy as np

from tocsin.history.arrays import LONG
from tocsin.kernels.exposure_sweep import UNIT
from tocsin.kernels.layout import TRANSITION
from tocsin.program.cause import CauseData, Elements
from tocsin.program.exposure import Stack, sweep_together
from tocsin.program.hawkes import HawkesSums, suits

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tocsin.program.program import Program

    Floats = NDArray[np.float64]


class Likelihood:
    """The log-likelihood of a program with its derivatives.

    Raises:
        FitError: an event that no cause can explain, or a covariate that is missing at risk.
    """

    kind: type[CauseData] = CauseData

    def __init__(self, program: Program) -> None:
        program = program.recorded
        self.program = program
        self.causes = [self.kind(program, number) for number in range(len(program.causes))]
        self.groups: list[list[int]] = [
            [c for c in range(len(self.causes)) if program.opening.cause[c, TRANSITION] == k]
            for k in range(len(program.model.transitions))
        ]
        self.known: tuple[NDArray[np.float64], float, NDArray[np.float64], NDArray[np.float64]] | None = None
        self._stacks: dict[int, tuple[list[float], Stack | None]] = {}
        self.counted = list(range(len(self.causes)))  # whose part is added up
        self.hawkes: dict[int, HawkesSums] = {}  # by the first cause of their transition
        sweep_together(self)
        self._refuse_unexplained()

    def lay_hawkes(self) -> None:
        """Lay out the transitions that are Hawkes processes with half-lives to be estimated."""
        for group in filter(None, self.groups if self.kind is CauseData else []):
            causes = [self.causes[c] for c in group]
            made = HawkesSums.make(self.program, causes) if suits(self.program, causes) else None
            if made is not None:
                self.hawkes[group[0]] = made

    def thinned(self) -> Likelihood | None:
        """Return a likelihood that looks at some rows of long integrals only; None where none is long.

        It is nearly the same, and quick: for a search to begin with.
        """
        if all(cause.matrix.shape[0] <= LONG for cause in self.causes):
            return None
        for cause in self.causes:
            if cause.plain:
                cause.linear_events  # noqa: B018  (worked out once, for both)
        other = copy.copy(self)
        other.causes, other.known, other._stacks = [copy.copy(cause) for cause in self.causes], None, {}
        for cause in other.causes:
            if cause.matrix.shape[0] > LONG:
                cause.thinned, cause.few, cause.latest = True, {}, None
        return other

    def part(self, transitions: Collection[int]) -> Likelihood:
        """Return the factor of some transitions alone: what the others add is left out, and not worked out.

        Transitions share no parameters unless they are tied, so that a profile needs its own factor only.
        """
        other = copy.copy(self)
        other.groups = [group if k in transitions else [] for k, group in enumerate(self.groups)]
        other.counted, other.known = [c for group in other.groups for c in group], None
        return other

    def of_scale(self, program: Program) -> Likelihood:
        """Return the likelihood of the same history with terms on the scale of another program."""
        other, program = copy.copy(self), program.recorded
        other.program, other.known, other._stacks = program, None, {}
        other.causes = [cause.of_scale(program) for cause in self.causes]
        other.hawkes = {
            first: each.on([other.causes[number] for number in each.causes])
            for first, each in self.hawkes.items()
        }
        return other

    def stack(self, group: list[int], vector: NDArray[np.float64]) -> Stack | None:
        """Return the events of one transition gathered by what they see, None where that gains nothing."""
        decays = [self.causes[c].shape(vector)[0] for c in group]
        if group[0] not in self._stacks or self._stacks[group[0]][0] != decays:
            causes = [self.causes[c] for c in group]
            plain = all(cause.plain for cause in causes)
            swept = [cause.swept(decay) for cause, decay in zip(causes, decays, strict=True)] if plain else []
            self._stacks[group[0]] = decays, Stack.make(causes, swept) if plain else None
        return self._stacks[group[0]][1]

    def given_to(self, group: list[int], vector: NDArray[np.float64]) -> tuple[NDArray[np.float64], int]:
        """Return the events of a transition given to each of its causes by their shares (C,), and their number.

        Where the hazard of an event is zero or not finite the shares are not numbers.
        """
        if self._alone(group):
            cause = self.causes[group[0]]
            events = cause.reach()[0].size
            return np.array([events if math.isfinite(cause.log_hazards(vector)[0]) else math.nan]), events
        if group[0] in self.hawkes:
            return self.hawkes[group[0]].given_to(group, vector), self.hawkes[group[0]].events
        stack = self.stack(group, vector)
        if stack is not None:
            return stack.shares(vector), stack.exposure.shape[0]
        hazard = np.array([self.causes[number].events(vector, 0)[1].value for number in group])
        with np.errstate(over="ignore", invalid="ignore"):
            total = hazard.sum(axis=0)
            return (hazard / total).sum(axis=1), total.size

    def _alone(self, group: list[int]) -> bool:
        """Say whether a transition has one plain cause, so that its log hazards are linear in the parameters."""
        return len(group) == 1 and self.causes[group[0]].plain

    def _refuse_unexplained(self) -> None:
        """An event without exposure to any of its causes has hazard zero under every parameter."""
        for group in self.groups:
            reached: NDArray[np.float64] | float = 0.0
            event = np.empty(0, dtype=np.int64)
            for c in group:
                event, exposure = self.causes[c].reach()
                reached = reached + exposure
            lost = np.flatnonzero(np.asarray(reached) <= 0.0) if event.size else event
            if lost.size:
                self.program.refuse_event(
                    int(event[lost[0]]), lost.size, [self.program.slots[c].cause for c in group]
                )

    def value(self, vector: NDArray[np.float64]) -> float:
        """Return the log-likelihood."""
        return self._compute(vector, 0)[0]

    def gradient(self, vector: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the gradient (P,)."""
        return self._compute(vector, 1)[1]

    def hessian(self, vector: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the Hessian (P, P)."""
        return self._compute(vector, 2)[2]

    def all(self, vector: NDArray[np.float64]) -> tuple[float, NDArray[np.float64], NDArray[np.float64]]:
        """Return value, gradient and Hessian at once."""
        return self._compute(vector, 2)

    def scores(self, vector: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the gradient of each explained event's log hazard (events, P), in the order of the trace."""
        result = np.zeros((self.program.trace.time.size, vector.size))
        for group in filter(None, self.groups):
            found, event = self._group(vector, group, 1)
            if event.size:
                hazard = np.array([elements.value for elements in found])
                for c, elements, share in zip(group, found, hazard / hazard.sum(axis=0), strict=True):
                    result[event[:, None], self.causes[c].positions] += share[:, None] * elements.slope
        return result

    def expected(self, number: int, vector: NDArray[np.float64]) -> float:
        """Return the integral of a cause's hazard over all units at risk: the events that it would set off."""
        own = self.hawkes_of(number)
        return self.causes[number].expected(vector) if own is None else own.expected(number, vector)

    def hawkes_of(self, number: int) -> HawkesSums | None:
        """Return the sums of the transition that a cause is of, where it is a Hawkes process."""
        return next((each for each in self.hawkes.values() if number in each.causes), None)

    def unit_scores(self, vector: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the gradient of each unit's own part of the log-likelihood (N, P).

        score_i = sum over the unit's events of grad log lambda - integral of grad lambda while it is at risk.
        """
        result = np.zeros((len(self.program.history.numbers.units), vector.size))
        np.add.at(result, self.program.trace.events[:, UNIT], self.scores(vector))
        for cause in self.causes:
            unit, elements = cause.by_unit(vector, 1)
            part = elements.value[:, None] * elements.slope
            whole = np.zeros((result.shape[0], part.shape[1]))
            np.add.at(whole, unit, part)
            result[:, cause.positions] -= whole
        return result

    def _group(
        self, vector: NDArray[np.float64], group: list[int], order: int
    ) -> tuple[list[Elements], NDArray[np.int64]]:
        """Return the elements of each cause of a transition at its events, and the positions of these."""
        found = [self.causes[c].events(vector, order) for c in group]
        return [elements for _, elements in found], found[0][0]

    def _compute(
        self, vector: NDArray[np.float64], order: int
    ) -> tuple[float, NDArray[np.float64], NDArray[np.float64]]:
        size = vector.size
        value, gradient = 0.0, np.zeros(size)
        hessian = np.zeros((size, size)) if order == 2 else np.empty((0, 0))
        summed = {number for each in self.hawkes.values() for number in each.causes}
        for cause in (self.causes[number] for number in self.counted if number not in summed):
            value -= self._take_integral(cause, vector, order, gradient, hessian)
        for group in filter(None, self.groups):
            stack = None
            if group[0] in self.hawkes:
                value += self.hawkes[group[0]].add(vector, order, gradient, hessian)
            elif self._alone(group):
                level, slope = self.causes[group[0]].log_hazards(vector)
                value += level
                gradient[self.causes[group[0]].positions] += slope
            elif (stack := self.stack(group, vector)) is not None:
                value += stack.add(vector, order, gradient, hessian)
            else:
                value += self._add_events(group, vector, order, gradient, hessian)
        return (value if math.isfinite(value) else -math.inf), gradient, hessian

    def _take_integral(
        self, cause: CauseData, vector: Floats, order: int, gradient: Floats, hessian: Floats
    ) -> float:
        """Return the integrated hazard of a cause; take its derivatives from those of the log-likelihood."""
        positions = cause.positions
        if cause.plain and type(cause) is CauseData:
            part, slope, block = cause.sums(vector, order)
        else:
            elements = cause.integral(vector, order)
            part = float(elements.value.sum())
            if order >= 1:
                slope = elements.value @ elements.slope
            if order == 2:
                root = elements.slope * np.sqrt(elements.value)[:, None]
                block = root.T @ root
                elements.add_bends(block, elements.value)
        if order >= 1:
            gradient[positions] -= slope
        if order == 2:
            hessian[np.ix_(positions, positions)] -= block
        return part

    def _add_events(
        self, group: list[int], vector: Floats, order: int, gradient: Floats, hessian: Floats
    ) -> float:
        """Return the logarithms of the hazards of a transition at its events, summed; add their derivatives."""
        found, event = self._group(vector, group, order)
        if not event.size:
            return 0.0
        hazard = np.array([elements.value for elements in found])
        total = hazard.sum(axis=0)
        with np.errstate(divide="ignore"):
            value = float(np.log(total).sum())
        if order == 0:
            return value
        share = hazard / np.where(total > 0, total, 1.0)
        joint = np.zeros((event.size, vector.size))
        places = [self.causes[c].positions for c in group]
        for place, elements, weight in zip(places, found, share, strict=True):
            joint[:, place] += weight[:, None] * elements.slope
            if order == 2:
                block = (elements.slope * weight[:, None]).T @ elements.slope
                elements.add_bends(block, weight)
                hessian[np.ix_(place, place)] += block
        gradient += joint.sum(axis=0)
        if order == 2:
            used = sorted({position for place in places for position in place})
            hessian[np.ix_(used, used)] -= joint[:, used].T @ joint[:, used]
        return value
