"""Grouped time: records that know only the month, the year or the period of an event.

States and exposures are those at the start of an interval, and transition k happens in it with probability
(L_k / L)(1 - exp(-L)), L_k its integrated hazard and L the sum over the variable's competing transitions.

Put every event at the end of its interval. Then nothing changes inside an interval, and what an event sees
by left limits is what held at the interval's start. The likelihood is that of continuous time, and a
correction for each event: log((L_k / L)(1 - exp(-L))) = (log L_k - L) + log((exp(L) - 1) / L).

A transition of a recurrent variable that may follow upon itself (it starts from the state that it enters) leaves its
unit at risk, so it may happen more than once in an interval: n times with the probability exp(-L) L_k^n / n! of
a Poisson count. That is the likelihood of continuous time, less log n!.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.special import gammaln

from tocsin.errors import FitError
from tocsin.kernels.exposure_sweep import AFTER, BEFORE, EXPLAINED, UNIT, VARIABLE, Trace
from tocsin.kernels.layout import TRANSITION
from tocsin.program.cause import CauseData, Elements
from tocsin.program.exposure import Swept
from tocsin.program.likelihood import Likelihood
from tocsin.program.parameters import places_in
from tocsin.wording.numbers import noun

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tocsin.history.history import History
    from tocsin.program.program import Program

    Floats = NDArray[np.float64]


def is_grouped(history: History) -> bool:
    """Return whether the times of a history are known by month, year or period only."""
    return history.grouped


def cure(history: History) -> str:
    """Return what would tell when within an interval its events were."""
    return "give moments (clock 'continuous')" if history.clock == "step" else "give dates"


def _name(program: Program, time: float) -> str:
    """Return the month, year or period whose interval ends at a time."""
    if program.history.clock == "step":
        return f"period {time:g}"
    width = 7 if program.history.clock == "month" else 4
    return str(program.history.to_date(time - 1.0))[:width]


def counted(program: Program) -> NDArray[np.bool_]:
    """Return which transitions (K,) may happen more than once in an interval: they start from where they lead."""
    return np.array([move.to in move.origin for move in program.model.transitions], dtype=bool)


def _gathered(program: Program) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Return the interval of each event (events,), one for a variable of a unit; the first event of each
    interval, and their number.
    """
    trace = program.trace
    key = np.stack([trace.time, trace.events[:, UNIT], trace.events[:, VARIABLE]])
    _, first, interval, count = np.unique(
        key, axis=1, return_index=True, return_inverse=True, return_counts=True
    )
    return interval.ravel(), first, count


def refuse_two(program: Program) -> None:
    """Raise FitError where one variable of a unit moves twice in one interval, and not by one transition that
    may happen again or, unexplained, within the state that it holds.
    """
    trace = program.trace
    if not trace.time.size:
        return
    interval, first, count = _gathered(program)
    by = trace.events[:, EXPLAINED]
    again = np.where(by >= 0, counted(program)[by], trace.events[:, BEFORE] == trace.events[:, AFTER])
    alike = np.bincount(interval, again & (by == by[first][interval]), first.size)
    twice = np.flatnonzero((count > 1) & (alike < count))
    if twice.size:
        event = int(first[twice[0]])
        unit = program.history.numbers.units[trace.events[event, UNIT]]
        variable = program.model.variables[trace.events[event, VARIABLE]].name
        raise FitError(
            f"{variable!r} of {unit!r} moves {count[twice[0]]} times in "
            f"{_name(program, trace.time[event])}; with "
            f"times known by {noun(program.history.clock)} one move an interval can be told, unless all are by one "
            "transition of a recurrent variable that starts from the state it enters: leave one out, or "
            f"{cure(program.history)}"
        )


class GroupedCause(CauseData):
    """One cause in grouped time: its hazard is what it was at the start of each interval."""

    def __init__(self, program: Program, number: int) -> None:
        program = program.recorded
        self.transition = int(program.opening.cause[number, TRANSITION])
        self.trace, self.own, self.event = _seen(program, self.transition)
        marked = replace(program)
        marked.__dict__["trace"] = self.trace
        super().__init__(marked, number)

    def integral(self, vector: Floats, order: int) -> Elements:
        """Return the elements whose sum is the sum of this cause's hazard over all intervals at risk."""
        if self.shape(vector)[0] == 0.0:
            return super().integral(vector, order)
        return self.by_unit(vector, order)[1]

    def by_unit(self, vector: Floats, order: int) -> tuple[NDArray[np.int32], Elements]:
        """Return the same elements apart by unit, with the unit of each."""
        decay, _ = self.shape(vector)
        if decay == 0.0:
            return super().by_unit(vector, order)
        swept = self.swept(decay, keep=True)
        count = np.rint(swept.span).astype(np.int64)
        stretch = np.repeat(np.arange(count.size), count)
        # An entry in an interval has age 1 at the start of the next, where the sweep begins a stretch with
        # age 0.
        age = 1.0 + places_in(count)
        moments = swept.exposure[stretch].copy()
        if moments.shape[2] == 3:
            past = age[:, None]
            moments[:, :, 2] += past * (2.0 * moments[:, :, 1] + past * moments[:, :, 0])
            moments[:, :, 1] += past * moments[:, :, 0]
        moments *= np.exp(-decay * age)[:, None, None]
        elements = self.elements(vector, swept.row[stretch], moments, None, True, order)
        return swept.unit[stretch], elements

    def swept(self, decay: float, keep: bool = False) -> Swept:
        """Return the sweep at one decay rate; of events those of the transition itself, at their places in
        the program's trace.
        """
        whole = super().swept(decay, keep)
        own = self.own[whole.event]
        number = np.cumsum(own) - 1  # of an own event among the own
        listed = own[whole.source_event]
        return whole._replace(
            event=self.event[whole.event[own]],
            event_row=whole.event_row[own],
            event_exposure=whole.event_exposure[own],
            source_event=number[whole.source_event[listed]].astype(np.int32),
            source_unit=whole.source_unit[listed],
            source_sent=whole.source_sent[listed],
        )

    def rivalled(self, vector: Floats, order: int) -> tuple[NDArray[np.int64], Elements]:
        """Return where any transition of the variable happened while this one was at risk, and the hazard."""
        decay, _ = self.shape(vector)
        whole = super().swept(decay, keep=self.slots.alpha >= 0)
        elements = self.elements(vector, whole.event_row, whole.event_exposure, None, True, order)
        return self.event[whole.event], elements


def _seen(program: Program, number: int) -> tuple[Trace, NDArray[np.bool_], NDArray[np.int64]]:
    """Return what happened as one transition sees it.

    Before a unit's first move of an interval stands a witness of each explained move of the transition's variable
    at which the transition was at risk: an entry of the trace that moves nothing and sees the states at the
    start. The moves themselves follow in their order, explained by nothing.

    Returns:
        The trace, which of its entries are of the transition's own moves, and their positions in the program's
        trace.
    """
    trace, layout = program.trace, program.opening
    variable, events = layout.transition[number, 0], trace.events
    new = np.ones(trace.time.size, dtype=bool)
    new[1:] = (trace.time[1:] != trace.time[:-1]) | (events[1:, UNIT] != events[:-1, UNIT])
    start = events[np.flatnonzero(new), BEFORE][np.cumsum(new) - 1]  # of the unit's interval
    own = events[:, EXPLAINED] == number
    at_risk = layout.after[number][start] >= 0
    lost = np.flatnonzero(own & ~at_risk)
    if lost.size:
        unit = program.history.numbers.units[events[lost[0], UNIT]]
        move = program.model.transitions[number]
        raise FitError(
            f"{move.name!r} of {unit!r} in {_name(program, trace.time[lost[0]])}: its condition "
            f"{move.requires!r} came to hold in the same {noun(program.history.clock)} only, and with grouped "
            f"times a transition sees the states at the start: {cure(program.history)}, or drop requires="
        )
    marked = np.flatnonzero((events[:, VARIABLE] == variable) & (events[:, EXPLAINED] >= 0) & at_risk)
    witnesses, moves = events[marked].copy(), events.copy()
    witnesses[:, VARIABLE], witnesses[:, EXPLAINED] = -1, number
    witnesses[:, BEFORE] = witnesses[:, AFTER] = start[marked]
    moves[:, EXPLAINED] = -1
    position = np.concatenate([marked, np.arange(trace.time.size)])
    rank = np.concatenate([np.full(marked.size, -1), np.arange(trace.time.size)])
    listed = np.concatenate([witnesses, moves])
    order = np.lexsort((rank, listed[:, UNIT], trace.time[position]))
    seen = Trace(trace.time[position[order]], np.ascontiguousarray(listed[order]))
    return seen, own[position[order]] & (rank[order] < 0), position[order].astype(np.int64)


class GroupedLikelihood(Likelihood):
    """The log-likelihood of a program of months or years, with its derivatives."""

    causes: list[GroupedCause]  # type: ignore[assignment]
    kind = GroupedCause

    def __init__(self, program: Program) -> None:
        super().__init__(program)
        by = program.trace.events[:, EXPLAINED]
        self.once = (by >= 0) & ~counted(program)[by]  # events after which their transition cannot come again
        _, first, count = _gathered(program)
        self.orders = float(gammaln(count[(by[first] >= 0) & ~self.once[first]] + 1.0).sum())

    def _compute(self, vector: Floats, order: int) -> tuple[float, Floats, Floats]:
        value, gradient, hessian = super()._compute(vector, order)
        value -= self.orders
        for causes in self._competing():
            whole, slope, second = self._whole(vector, causes, order)
            level, first, bend = _correction(whole)
            value += float(level.sum())
            if order >= 1:
                gradient = gradient + first @ slope
            if order == 2:
                hessian = hessian + (slope * bend[:, None]).T @ slope + second(first)
        return value, gradient, hessian

    def scores(self, vector: Floats) -> Floats:
        """Return the gradient of what each explained event adds (events, P), in the order of the trace."""
        result = super().scores(vector)
        for causes in self._competing():
            whole, slope, _ = self._whole(vector, causes, 1)
            result += _correction(whole)[1][:, None] * slope
        return result

    def _competing(self) -> list[list[GroupedCause]]:
        """Return the causes of each variable's transitions."""
        moved = [transition.variable for transition in self.program.model.transitions]
        return [
            [self.causes[c] for c in self.counted if moved[self.causes[c].transition] == variable]
            for variable in dict.fromkeys(moved)
        ]

    def _whole(self, vector: Floats, causes: list[GroupedCause], order: int) -> tuple[Floats, Floats, Any]:
        """Return L at each event of a variable after which it is at risk no more (zero at others), its gradient,
        and a function that sums weighted Hessians.
        """
        count = self.program.trace.time.size
        whole = np.zeros(count)
        slope = np.zeros((count, vector.size)) if order else np.empty((0, 0))
        found = []
        for cause in causes:
            event, elements = cause.rivalled(vector, order)
            elements.value[~self.once[event]] = 0.0
            whole[event] += elements.value
            if order:
                slope[event[:, None], np.array(cause.positions)] += elements.value[:, None] * elements.slope
            found.append((cause, event, elements))

        def second(weight: Floats) -> Floats:
            total = np.zeros((vector.size, vector.size))
            for cause, event, elements in found:
                scaled = weight[event] * elements.value
                block = (elements.slope * scaled[:, None]).T @ elements.slope
                elements.add_bends(block, scaled)
                at = np.array(cause.positions, dtype=np.int64)
                total[np.ix_(at, at)] += block
            return total

        return whole, slope, second


def _correction(whole: Floats) -> tuple[Floats, Floats, Floats]:
    """Return log((exp(L) - 1) / L) and its first two derivatives, elementwise."""
    small = whole < 1e-2
    safe = np.where(small, 1.0, whole)
    gone = np.exp(-safe)
    square = whole * whole
    level = np.where(small, whole / 2 + square / 24 - square**2 / 2880, safe + np.log1p(-gone) - np.log(safe))
    first = np.where(small, 0.5 + whole / 12 - whole * square / 720, 1 / (1 - gone) - 1 / safe)
    second = np.where(small, 1 / 12 - square / 240, 1 / safe**2 - gone / (1 - gone) ** 2)
    return level, first, second
