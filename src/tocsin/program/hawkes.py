"""A transition of which nothing but memory changes, its half-lives estimated: a Hawkes process, summed up at once.

One pass over the events gives value, gradient and Hessian in strengths and half-lives together; see
`kernels.hawkes`. Units that meet the same terms under the same causes form one group.
"""

from __future__ import annotations

import math
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from tocsin.kernels.exposure_sweep import EXPLAINED, UNIT, VARIABLE
from tocsin.kernels.hawkes import DecayCourse, hawkes_sums
from tocsin.kernels.layout import LAYER, OUT, OUT_TARGET, TARGET, TOTAL_OF, TRANSITION

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from tocsin.kernels.layout import Layout
    from tocsin.program.cause import CauseData
    from tocsin.program.program import Program

    Floats = NDArray[np.float64]
    Integers = NDArray[np.int64]

NEXT_TO_NOTHING = 1e-12  # a strength that takes no share of any event

LARGEST = 4_000_000  # numbers in the sums of products of shares


class Sums(NamedTuple):
    """The sums of one vector; see `kernels.hawkes.hawkes_sums`."""

    vector: Floats
    order: int
    factor: Floats
    value: float
    single: Floats
    double: Floats
    integral: Floats


class Turn(NamedTuple):
    """How parameters move log factors and log half-lives, for groups with A slots each."""

    slots: Integers  # (G, A)
    place: Integers  # (G, p) the parameters
    turn: Floats  # (G, 2A, p) log factors, then log half-lives
    products: Integers  # (G, 4 A A) where the products of their shares stand


class HawkesSums:
    """The log-likelihood of one transition whose causes have target terms and half-lives only.

    Attributes:
        causes: its causes, by number.
        course: what happened, and who feels it.
        number, row, home: of each slot of a group (A,) its cause, its target row, and the time at risk of its units
            if it is at home, else 0.
    """

    def __init__(
        self, causes: Sequence[CauseData], course: DecayCourse, number: Integers, row: Integers, home: Floats
    ) -> None:
        self.causes = {cause.number: cause for cause in causes}
        self.course, self.number, self.row, self.home = course, number, row, home
        self.events = int((course.unit >= 0).sum())
        self._last: Sums | None = None

    @staticmethod
    def make(program: Program, causes: Sequence[CauseData]) -> HawkesSums | None:
        """Lay out a transition of a program in which nothing but memory changes; None where it asks for more.

        Parameters:
            causes: of one transition; each at home or with memory, without marks, alpha and normalisation.
        """
        layout, trace = program.layout, program.trace
        numbers = np.array([cause.number for cause in causes])
        design = layout.cause[numbers, TARGET]
        row = layout.rows[layout.offset[design] + layout.columns[design, 0][:, None]].astype(np.int64)
        cause, sender, target, weight = _ties(layout, numbers)
        at_home = layout.cause[numbers, LAYER] < 0
        felt = np.repeat(at_home[:, None], layout.state.size, axis=1)  # which causes each unit feels
        felt[cause, target] = True
        _, lead, group = np.unique(np.where(felt, row, -1).T, axis=0, return_index=True, return_inverse=True)
        sizes = felt[:, lead].sum(axis=0).astype(np.int64)
        if (row < 0).any() or int((4 * sizes**2).sum()) > LARGEST:
            return None
        group = group.ravel().astype(np.int64)
        of_group, slot = _begins(sizes), _begins(felt.sum(axis=0))
        slot_of = np.cumsum(felt.T.ravel()).reshape(felt.T.shape) - 1
        variables = layout.variable.shape[0]
        own = trace.events[:, EXPLAINED] == layout.cause[numbers[0], TRANSITION]
        course = DecayCourse(
            np.ascontiguousarray(trace.time),
            np.where(own, trace.events[:, UNIT], -1).astype(np.int64),
            trace.events[:, UNIT].astype(np.int64) * variables + trace.events[:, VARIABLE],
            slot,
            group,
            of_group,
            np.concatenate([np.arange(of_group[g], of_group[g + 1]) for g in group]),
            _begins(np.bincount(sender, minlength=layout.state.size * variables)),
            slot_of[target, cause],
            weight,
            float(layout.window[1]),
        )
        unit, place = np.nonzero(felt[:, lead].T)  # group and cause of each slot of a group
        time = np.bincount(group)[unit] * float(np.ptp(layout.window))
        home = np.where(at_home[place], time, 0.0)
        return HawkesSums(causes, course, numbers[place], row[place, lead[unit]], home)

    def on(self, causes: Sequence[CauseData]) -> HawkesSums:
        """Return the same with terms on another scale."""
        return HawkesSums(causes, self.course, self.number, self.row, self.home)

    def sums(self, vector: Floats, order: int) -> Sums:
        """Return the sums under parameters (P,), with derivatives up to an order; the last are kept."""
        last = self._last
        if last is not None and last.order >= order and np.array_equal(last.vector, vector):
            return last
        fixed, place = self.rates
        decay = np.where(place >= 0, math.log(2.0) * np.exp(-vector[place]), fixed)
        factor = np.empty(self.number.size)
        endless = np.isneginf(vector)
        known = np.where(endless, 0.0, vector)
        with np.errstate(over="ignore"):
            for each in self.turns:
                terms = each.turn[:, : each.slots.shape[1]]
                logs = (terms @ known[each.place][:, :, None])[:, :, 0]
                if endless.any():
                    logs[((terms != 0.0) & endless[each.place][:, None, :]).any(axis=2)] = -np.inf
                factor[each.slots] = np.exp(logs)
        value, single, double, integral = hawkes_sums(self.course, factor, decay, order)
        integral[:, 0] += self.home
        integral[:, 1] *= decay
        integral[:, 2] = integral[:, 2] * decay**2 - integral[:, 1]
        self._last = Sums(vector.copy(), order, factor, value, single, double, integral)
        return self._last

    def given_to(self, group: Sequence[int], vector: Floats) -> Floats:
        """Return the events given to each cause by their shares (C,)."""
        found = self.sums(vector, 1)
        if not math.isfinite(found.value):
            return np.full(len(group), math.nan)
        return np.array([found.single[self.number == c, 0].sum() for c in group])

    def expected(self, number: int, vector: Floats) -> float:
        """Return the integral of a cause's hazard: the events that it would set off."""
        found, own = self.sums(vector, 1), self.number == number
        return float(found.factor[own] @ found.integral[own, 0])

    def rise(self, number: int, place: int, vector: Floats) -> tuple[float, float, float]:
        """Return the integral of E, and the sums over events of E / lambda and of its square, of a cause at zero.

        Parameters:
            place: where its strength stands; vector: parameters, that strength set aside.
        """
        vector = vector.copy()
        vector[place] = math.log(NEXT_TO_NOTHING)
        found, own = self.sums(vector, 2), self.number == number
        square = 0.0
        for each in self.turns:
            size = each.slots.shape[1]
            squares = found.double[each.products[:, np.arange(size) * (2 * size + 1)]]
            square += float(squares[own[each.slots]].sum())
        expected = float(found.factor[own] @ found.integral[own, 0])
        first = float(found.single[own, 0].sum())
        return expected / NEXT_TO_NOTHING, first / NEXT_TO_NOTHING, square / NEXT_TO_NOTHING**2

    def add(self, vector: Floats, order: int, gradient: Floats, hessian: Floats) -> float:
        """Return the log-likelihood of the transition, and add its derivatives up to an order to those given."""
        found = self.sums(vector, order)
        factor, single, integral = found.factor, found.single, found.integral
        value = found.value - float(factor @ integral[:, 0])
        if order == 0:
            return value
        left = single - factor[:, None] * integral
        for each in self.turns:
            size = each.slots.shape[1]
            slope = np.concatenate([left[each.slots, 0], left[each.slots, 1]], axis=1)
            np.add.at(gradient, each.place, (slope[:, None, :] @ each.turn)[:, 0])
            if order < 2:
                continue
            inner = -found.double[each.products].reshape(-1, 2 * size, 2 * size)
            inner += np.tril(inner, -1).transpose(0, 2, 1)
            own, other = np.arange(size), np.arange(size) + size
            inner[:, own, own] += left[each.slots, 0]
            inner[:, own, other] += left[each.slots, 1]
            inner[:, other, own] += left[each.slots, 1]
            inner[:, other, other] += left[each.slots, 2]
            block = each.turn.transpose(0, 2, 1) @ inner @ each.turn
            np.add.at(hessian, (each.place[:, :, None], each.place[:, None, :]), block)
        return value

    @cached_property
    def rates(self) -> tuple[Floats, Integers]:
        """Return of each slot the decay rate where it is fixed, and where its log half-life stands, else -1 (A,)."""
        nothing = np.zeros(len(next(iter(self.causes.values())).program.parameter_names))
        own = [self.causes[int(c)] for c in self.number]
        return np.array([c.shape(nothing)[0] for c in own]), np.array([c.slots.half_life for c in own])

    @cached_property
    def turns(self) -> list[Turn]:
        """Return how parameters move the slots, groups with equally many slots together."""
        first = self.course.of_group
        sizes = np.diff(first)
        begin = np.concatenate([[0], np.cumsum(4 * sizes**2)])
        found = []
        for size in np.unique(sizes):
            groups = np.flatnonzero(sizes == size)
            laid = [self._turn(np.arange(first[g], first[g + 1])) for g in groups]
            width = max(place.size for place, _ in laid)
            # Groups with fewer parameters have some that move nothing.
            place = np.stack([np.pad(each, (0, width - each.size)) for each, _ in laid])
            turn = np.stack([np.pad(each, ((0, 0), (0, width - each.shape[1]))) for _, each in laid])
            products = begin[groups][:, None] + np.arange(4 * size**2)
            found.append(Turn(first[groups][:, None] + np.arange(size), place, turn, products))
        return found

    def _turn(self, own: Integers) -> tuple[Integers, Floats]:
        """Return the parameters of a group's slots (p,), and how these move them (2A, p)."""
        rows: list[tuple[int, list[int], Floats]] = []
        for a, (c, r) in enumerate(zip(self.number[own], self.row[own], strict=True)):
            cause = self.causes[int(c)]
            terms = cause.matrix[r]
            met = np.flatnonzero(terms)
            rows.append((a, [cause.slots.target[k] for k in met], terms[met]))
            if cause.slots.half_life >= 0:
                rows.append((own.size + a, [cause.slots.half_life], np.ones(1)))
        place = np.unique(np.concatenate([np.array(at, dtype=np.int64) for _, at, _ in rows]))
        turn = np.zeros((2 * own.size, place.size))
        for a, at, terms in rows:
            turn[a, np.searchsorted(place, at)] += terms
        return place, turn


def _begins(count: NDArray[np.integer]) -> Integers:
    """Return where each of several runs begins, and the end of the last."""
    return np.concatenate([[0], np.cumsum(count)]).astype(np.int64)


def _ties(layout: Layout, numbers: Integers) -> tuple[Integers, Integers, Integers, Floats]:
    """Return place of the cause, sender (a variable of a unit), target and weight of all ties, in order of senders."""
    units, variables = layout.state.size, layout.variable.shape[0]
    found: list[NDArray[np.float64]] = [np.empty((4, 0))]
    for place, number in enumerate(numbers):
        layer = layout.cause[number, LAYER]
        first = layout.tie_first[OUT, max(layer, 0)]
        tie = np.arange(first[0], first[-1]) if layer >= 0 else np.empty(0, dtype=np.int64)
        weight = layout.weight[tie] if layout.weight.size > 1 else np.full(tie.size, layout.weight[0])
        source = np.repeat(np.arange(units), np.diff(first))[: tie.size]
        kept = weight > 0.0
        for variable in np.flatnonzero(layout.clause[number]):
            parts = [
                np.full(tie.size, place),
                source * variables + variable,
                layout.tie[OUT_TARGET, tie],
                weight,
            ]
            found.append(np.stack(parts)[:, kept])
    joined = np.concatenate(found, axis=1)
    cause, sender, target = joined[:3].astype(np.int64)
    order = np.argsort(sender, kind="stable")
    return cause[order], sender[order], target[order], joined[3, order]


def suits(program: Program, causes: Sequence[CauseData]) -> bool:
    """Return whether the causes of a transition have target terms and memory only, a half-life of them estimated."""
    layout = program.opening
    for cause in causes:
        slots, own = cause.slots, layout.cause[cause.number]
        remembers = own[LAYER] < 0 or cause.shape(np.zeros(len(program.parameter_names)))[0] > 0.0
        if (
            slots.mass
            or len(slots.source)
            or cause.marks.shape != (1, 0)
            or slots.alpha >= 0
            or not remembers
        ):
            return False
        if own[TOTAL_OF] >= 0 or cause.design.age is not None:
            return False
    return any(cause.slots.half_life >= 0 for cause in causes)
