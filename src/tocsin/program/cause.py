"""One cause of a program and what happened: its hazard at events, and the integral of its hazard.

Every term is the exponential of something simple: an *element* (a target row with its summed exposure, or a
stretch with its own) contributes exp(beta . x_r) X^alpha J, with X = sum_q exp(gamma . u_q) X_q and J the
integral of the decay. So value, gradient and Hessian are exact, and cost little beyond a few small products.
"""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from tocsin.errors import FitError
from tocsin.history.arrays import THINNED
from tocsin.kernels.exposure_sweep import BAD, LISTED, STRETCHES, UNIT, KeptStretches, sweep
from tocsin.kernels.integral import integrate
from tocsin.kernels.layout import DECAYS, FIRST_CUT, LAYER, MOVES, SOURCE, TOTAL_OF, TRANSITION
from tocsin.program.ages import Spells, by_age, log_function, log_integral, terms_at
from tocsin.program.exposure import Swept, integrals, summed_rows, swept_home
from tocsin.program.program import log_factors

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tocsin.program.program import Program

NO_MARK = np.empty(0)

FAR = 30.0  # from zero, beyond which logarithms of marks are counted from their largest


@dataclass(frozen=True)
class Elements:
    """Values, gradients and curvatures of exponential elements of one cause, in its own parameters.

    Attributes:
        value: (n,) the elements; slope: (n, p) gradients of their logarithms;
        bend: (n, s, s) Hessians of their logarithms in the s shape parameters, which stand last.
    """

    value: NDArray[np.float64]
    slope: NDArray[np.float64]
    bend: NDArray[np.float64]

    def add_bends(self, block: NDArray[np.float64], weight: NDArray[np.float64]) -> None:
        """Add the weighted sum of the bends to a block of a Hessian (p, p), in its last rows and columns."""
        shapes = self.bend.shape[1]
        if shapes:
            first = block.shape[0] - shapes
            block[first:, first:] += np.einsum("n,nab->ab", weight, self.bend)


class CauseData:
    """One cause of a program and what happened, ready for any parameters."""

    def __init__(self, program: Program, number: int) -> None:
        program = program.recorded
        self.program, self.number = program, number
        self.slots = program.slots[number]
        self._read_designs()
        self.cached: dict[tuple[float, bool], Swept] = {}
        self.felt: Swept | None = (
            None  # under the half-life that stands for one to be estimated, without derivatives
        )
        self.thinned = False  # whether but one of so many rows is looked at
        self.few: dict[float, NDArray[np.float64]] = {}  # exposure of these rows, by decay
        self.latest: tuple[NDArray[np.float64], float] | None = (
            None  # where `sums` was last asked, and the integral
        )

    def _read_designs(self) -> None:
        """Take the terms as the program has them."""
        program, number = self.program, self.number
        self.design = program.design(number)
        self.matrix = self.design.matrix
        source = program.opening.cause[number, SOURCE] >= 0
        self.source_design = program.design(number, source=True) if source else None
        self.marks = np.zeros((1, 0)) if self.source_design is None else self.source_design.matrix

    def of_scale(self, program: Program) -> CauseData:
        """Return the cause with its terms on the scale of another program of the same history.

        What was swept does not depend on it, and is shared.
        """
        other, program = copy.copy(self), program.recorded
        for name in ("ranges", "linear_events", "met"):
            other.__dict__.pop(name, None)
        marked = self.program.__dict__.get("trace")
        other.program = program
        if marked is not None and marked is not program.__dict__.get("trace"):
            other.program = replace(program)
            other.program.__dict__["trace"] = marked
        other.few, other.latest = {}, None
        other._read_designs()
        return other

    @cached_property
    def ranges(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the least and the largest value of every target term, then of every source term."""
        sides = [each.ranges for each in (self.design, self.source_design) if each is not None]
        if self.design.times is not None:
            sides[0] = self.met.min(axis=0, initial=np.inf), self.met.max(axis=0, initial=-np.inf)
        least, most = (np.concatenate(each) for each in zip(*sides, strict=True))
        return least, most

    @property
    def positions(self) -> list[int]:
        """Return where this cause's parameters stand in the vector, the shape parameters last."""
        slots = self.slots
        shapes = [position for position in (slots.half_life, slots.alpha) if position >= 0]
        return [*slots.target, *slots.source, *shapes]

    @property
    def plain(self) -> bool:
        """Return whether the cause has target parameters only, so that its hazard is a factor of exposure."""
        shapes = len(self.slots.source) > 0 or self.slots.half_life >= 0 or self.slots.alpha >= 0
        return not shapes and self.design.times is None

    @property
    def remembers(self) -> bool:
        """Return whether the cause has target parameters but for an age, and a half-life of its own at most."""
        return not len(self.slots.source) and self.slots.alpha < 0 and self.design.age is None

    @property
    def reference(self) -> Swept:
        """Return what was met, under the half-life of one unit where it is estimated.

        Exposure is felt at any half-life or at none, so any will do to see whether there is some.
        """
        if self.felt is not None:
            return self.felt
        return self.swept(
            self.shape(np.zeros(len(self.program.parameter_names)))[0], keep=self.slots.alpha >= 0
        )

    def swept(self, decay: float, keep: bool = False) -> Swept:
        """Return the sweep at one decay rate, with stretches and sources if `keep`; keeps the last few."""
        aside = self.program.aside
        keep = keep or aside is not None or self.design.age is not None
        key = (decay, keep)
        if key not in self.cached and not keep and self.program.opening.cause[self.number, LAYER] < 0:
            found = swept_home(self)
            if found is not None:
                self.cached[key] = found
        if key not in self.cached:
            kept = self._room(0, 0)
            tally, _, summed, event, exposure = self._sweep(decay, kept)
            if keep:
                kept = self._room(int(tally[STRETCHES]), int(tally[LISTED]))
                self._sweep(decay, kept)
            if len(self.cached) >= 4:
                self.cached.pop(next(iter(self.cached)))
            self.cached[key] = Swept(
                summed,
                event[:, 0],
                event[:, 1],
                exposure,
                kept.stretch[:, 0],
                kept.stretch[:, 1],
                kept.span[:, 0],
                kept.span[:, 1],
                kept.exposure,
                kept.source[:, 0],
                kept.source[:, 1],
                kept.sent,
            )
            if self.design.age is not None:
                layout, trace = self.program.opening, self.program.trace
                cuts = layout.age_cuts[layout.cause[self.number, FIRST_CUT] :][: len(self.design.age.cuts)]
                found = by_age(self.cached[key], self.design, self.spells, cuts, trace, decay)
                if self.design.age.form == "log" and (found.event_age <= 0.0).any():
                    self._refuse_age_zero(int(found.event[found.event_age <= 0.0][0]))
                self.cached[key] = found
            if aside is not None:
                self.cached[key] = self._without(self.cached[key], decay, aside)
        return self.cached[key]

    def _without(self, whole: Swept, decay: float, aside: NDArray[np.bool_]) -> Swept:
        """Return a sweep without what some units lived under and saw."""
        at = np.flatnonzero(~aside[whole.unit])
        span, seen = whole.span[at], whole.exposure[at]
        summed = summed_rows(whole.summed.shape[0], whole.row[at], seen, span, decay)
        stays = ~aside[self.program.trace.events[whole.event, UNIT]]
        listed = stays[whole.source_event]
        return whole._replace(
            summed=summed,
            event=whole.event[stays],
            event_row=whole.event_row[stays],
            event_exposure=whole.event_exposure[stays],
            row=whole.row[at],
            unit=whole.unit[at],
            time=whole.time[at],
            span=span,
            exposure=seen,
            source_event=(np.cumsum(stays) - 1)[whole.source_event[listed]].astype(np.int32),
            source_unit=whole.source_unit[listed],
            source_sent=whole.source_sent[listed],
            age=whole.age[at] if whole.age.size else whole.age,
            event_age=whole.event_age[stays] if whole.event_age.size else whole.event_age,
        )

    def _refuse_age_zero(self, event: int) -> None:
        """Refuse an event at the instant at which its unit entered the state that it leaves."""
        program = self.program
        unit = program.history.numbers.units[program.trace.events[event, UNIT]]
        raise FitError(
            f"{program.cause_name(self.number)!r}: {unit!r} leaves its state at "
            f"{program.when(program.shown_time(program.trace.time[event]))}, the instant at which it entered it, of "
            "which the age has no logarithm: say in which span the event lies (time_latest), or write "
            "pieces(time_in_state, ...)"
        )

    @cached_property
    def spells(self) -> Spells:
        """Return when each unit came into the states of the variable that the cause moves."""
        layout, age = self.program.opening, self.design.age
        variable = int(layout.transition[layout.cause[self.number, TRANSITION], MOVES])
        unknown, returns = "level" if age is None else age.unknown, self.program.observer.returns
        return Spells.of(layout, self.program.trace, returns, variable, unknown)

    @property
    def moments(self) -> int:
        """Return how many moments of age are kept: three where the half-life is estimated."""
        return 3 if self.slots.half_life >= 0 else 1

    def _room(self, stretches: int, sources: int) -> KeptStretches:
        width = self.marks.shape[0]
        return KeptStretches(
            np.empty((stretches, 2), dtype=np.int32),
            np.empty((stretches, 2)),
            np.empty((stretches, width, self.moments)),
            np.empty((sources, 2), dtype=np.int32),
            np.empty((sources, width)),
        )

    def _sweep(self, decay: float, kept: KeptStretches) -> tuple[Any, ...]:
        program = self.program
        rows = np.array([self.matrix.shape[0], self.marks.shape[0]])
        result = sweep(program.layout, program.trace, self.number, rows, decay, self.moments, kept, NO_MARK)
        if result[0][BAD] >= 0:
            program.refuse_missing(self.number, int(result[0][BAD]), result[1])
        return tuple(result)

    def shape(self, vector: NDArray[np.float64]) -> tuple[float, float]:
        """Return the decay rate ln 2 / h and alpha."""
        return self.program.decay(self.number, vector), self.program.alpha(self.number, vector)

    def log_factors(
        self, vector: NDArray[np.float64], row: NDArray[np.integer] | slice | None = None
    ) -> NDArray[np.float64]:
        """Return beta . x of target rows, of all by default; a strength of zero gives minus infinity."""
        matrix = self.matrix if row is None else self.matrix[row]
        logs = log_factors(matrix, vector[self.slots.target.start : self.slots.target.stop])
        return logs + self.program.log_density(self.number, vector)

    def elements(
        self,
        vector: NDArray[np.float64],
        row: NDArray[np.integer] | None,
        moments: NDArray[np.float64],
        span: NDArray[np.float64] | None,
        power: bool,
        order: int,
        age: NDArray[np.float64] | None = None,
    ) -> Elements:
        """Return elements exp(beta . x_r) X^alpha J and their derivatives up to an order.

        Parameters:
            vector: all parameters.
            row: target row of each element (n,); None for one element a row.
            moments: exposure of each element by source row, with its moments in age (n, Q, 1 or 3).
            span: length of each stretch (n,), None for elements without an integral.
            power: whether alpha is at work (False for exposures summed beforehand).
            order: 0 for values, 1 with gradients, 2 with Hessians.
            age: of the unit's state, where each element begins (n,); needed where it is a number.
        """
        slots = self.slots
        decay, alpha = self.shape(vector)
        alpha = alpha if power else 1.0
        gamma = vector[slots.source.start : slots.source.stop]
        weight, lifted = lift(self.marks @ gamma)
        exposure = moments[:, :, 0] @ weight
        seen = exposure > 0.0
        few = row is not None and row.size < self.matrix.shape[0]
        log_value = self.log_factors(vector, row if few else None)
        if lifted != 0.0:
            log_value = log_value + alpha * lifted
        if row is not None and not few:
            log_value = log_value[row]
        if self.plain and span is None:
            with np.errstate(over="ignore", invalid="ignore"):
                value = np.where(seen, np.exp(log_value) * exposure, 0.0)
            terms = np.empty((0, 0)) if order == 0 else self.matrix if row is None else self.matrix[row]
            return Elements(value, terms, np.empty((len(value) if order == 2 else 0, 0, 0)))
        safe = np.where(seen, exposure, 1.0)
        log_exposure = np.log(safe)
        whole = log_exposure + lifted
        rate = alpha * decay
        log_value = log_value + alpha * log_exposure
        if span is not None:
            j0, j1, j2 = integrals(rate, span)
            log_value = log_value + (np.log(j0) if self.design.times is None else 0.0)
        aged = self.design.times is not None
        if aged:
            multiple, grown, first, second = self._aged(vector, row, span, age)
            log_value = log_value + grown
        with np.errstate(over="ignore"):
            value = np.where(seen, np.exp(log_value), 0.0)
        ages = multiple.shape[1] if aged else 0
        count, shapes = len(value), ages + len(slots.source) + (slots.half_life >= 0) + (slots.alpha >= 0)
        width = len(slots.target) - ages
        if order == 0:
            return Elements(value, np.empty((0, 0)), np.empty((0, 0, 0)))

        terms = self.matrix if row is None else self.matrix[row]
        if not shapes:
            return Elements(value, terms, np.zeros((count, 0, 0)) if order == 2 else np.empty((0, 0, 0)))
        slope = np.zeros((count, width + shapes))
        slope[:, : width + ages] = terms
        bend = np.zeros((count, shapes, shapes)) if order == 2 else np.empty((0, 0, 0))
        if aged:
            slope[:, width : width + ages] += first[:, None] * multiple
            if order == 2:
                bend[:, :ages, :ages] = second[:, None, None] * multiple[:, :, None] * multiple[:, None, :]
            whole_bend, bend, width = bend, bend[:, ages:, ages:], width + ages
        g = len(slots.source)
        mark_slope = (moments[:, :, 0] * weight) @ self.marks / safe[:, None]
        slope[:, width : width + g] = alpha * mark_slope
        if order == 2 and g:
            second = np.einsum("nq,qa,qb->nab", moments[:, :, 0] * weight, self.marks, self.marks)
            bend[:, :g, :g] = alpha * (
                second / safe[:, None, None] - mark_slope[:, :, None] * mark_slope[:, None, :]
            )
        # P is the logarithm of the integral of the decay, a function of rate = alpha * decay.
        p1 = -j1 / j0 if span is not None else np.zeros(count)
        p2 = j2 / j0 - p1 * p1 if span is not None else np.zeros(count)
        old_age = np.zeros(count)
        h, a = g, g + (slots.half_life >= 0)
        if slots.half_life >= 0:
            old_age = (moments[:, :, 1] @ weight) / safe
            slope[:, width + h] = alpha * decay * old_age - p1 * rate - self.slots.mass
            if order == 2:
                old = (moments[:, :, 2] @ weight) / safe
                bend[:, h, h] = (
                    alpha * (decay**2 * (old - old_age * old_age) - decay * old_age)
                    + p2 * rate**2
                    + p1 * rate
                )
                cross = (moments[:, :, 1] * weight) @ self.marks / safe[:, None] - mark_slope * old_age[
                    :, None
                ]
                bend[:, :g, h] = bend[:, h, :g] = alpha * decay * cross
        if slots.alpha >= 0 and power:
            slope[:, width + a] = alpha * whole + p1 * rate
            if order == 2:
                bend[:, a, a] = alpha * whole + p2 * rate**2 + p1 * rate
                bend[:, :g, a] = bend[:, a, :g] = alpha * mark_slope
                if slots.half_life >= 0:
                    bend[:, h, a] = bend[:, a, h] = alpha * decay * old_age - p2 * rate**2 - p1 * rate
        return Elements(value, slope, whole_bend if aged else bend)

    def _aged(
        self,
        vector: NDArray[np.float64],
        row: NDArray[np.integer] | None,
        span: NDArray[np.float64] | None,
        age: NDArray[np.float64] | None,
    ) -> tuple[NDArray[np.float64], ...]:
        """Return by what the age of each element is multiplied in the terms of the age (n, a), the logarithm of its
        function or of the integral of it (n,), and the first two derivatives of that in the coefficient."""
        age_term, times = self.design.age, self.design.times
        if age_term is None or times is None or age is None or row is None:
            raise ValueError("the ages of the elements are missing")
        own = [k for k, name in enumerate(self.design.terms) if age_term.name in name.split(":")]
        multiple = times[row][:, own]
        slope = multiple @ vector[self.slots.target.start : self.slots.target.stop][own]
        if span is None:
            grown, first = log_function(age_term.form, slope, age)
            return multiple, grown, first, np.zeros(age.size)
        return multiple, *log_integral(age_term.form, slope, age, span)

    def integral(self, vector: NDArray[np.float64], order: int) -> Elements:
        """Return the elements whose sum is the integral of this cause's hazard over all units at risk."""
        decay, _ = self.shape(vector)
        if self.slots.alpha >= 0 or self.design.times is not None:
            swept = self.swept(decay, keep=True)
            return self.elements(vector, swept.row, swept.exposure, swept.span, True, order, swept.age)
        summed = self.swept(decay).summed
        if self.thinned:
            row = np.arange(0, summed.shape[0], THINNED)
            return self.elements(vector, row, THINNED * summed[row], None, False, order)
        return self.elements(vector, None, summed, None, False, order)

    def sums(
        self, vector: NDArray[np.float64], order: int
    ) -> tuple[float, NDArray[np.float64], NDArray[np.float64]]:
        """Return the integral of a plain cause with its gradient and Hessian in its own parameters."""
        columns, met = self._rows(self.shape(vector)[0])
        own = vector[self.slots.target.start : self.slots.target.stop]
        latest = self.latest
        if order == 0 and latest is not None and np.array_equal(latest[0], own):
            return latest[1], np.empty(0), np.empty((0, 0))
        if np.isnan(own).any():
            return math.nan, np.full(own.size, math.nan), np.full((own.size, own.size), math.nan)
        endless = np.isneginf(own)
        if endless.any():
            met = np.where((columns[endless] != 0.0).any(axis=0), 0.0, met)
        found: tuple[float, NDArray[np.float64], NDArray[np.float64]] = integrate(
            columns, np.where(endless, 0.0, own), met, order
        )
        self.latest = own.copy(), found[0]
        return found

    def _rows(self, decay: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the terms of the rows that are looked at, column after column, and their exposure."""
        summed = self.swept(decay).summed[:, 0, 0]
        if not self.thinned:
            return self.columns, summed
        if decay not in self.few:
            self.few[decay] = THINNED * summed[::THINNED]
        return self.columns, self.few[decay]

    @property
    def columns(self) -> NDArray[np.float64]:
        """Return the terms of the target rows that are looked at, column after column (k, rows)."""
        if self.design.times is not None:
            return self.met.T
        columns: NDArray[np.float64] = self.design.thin if self.thinned else self.design.by_term
        return columns

    @cached_property
    def met(self) -> NDArray[np.float64]:
        """Return the target terms that units at risk meet (n, k): of each row, or where the age is a number of each
        stretch, where it begins and where it ends, and of each event."""
        if self.design.age is None or self.design.times is None:
            return self.matrix
        swept = self.swept(self.shape(np.zeros(len(self.program.parameter_names)))[0], keep=True)
        row = np.concatenate([swept.row, swept.row, swept.event_row])
        age = np.concatenate([swept.age, swept.age + swept.span, swept.event_age])
        return terms_at(self.design, row, age)

    def at_home(self) -> Swept:
        """Return the sweep of the time at risk, whatever the exposure: that of the cause as one at home."""
        layout = self.program.opening
        table = layout.cause.copy()
        table[self.number, [LAYER, SOURCE, TOTAL_OF]], table[self.number, DECAYS] = -1, 0
        home = replace(self.program, opening=layout._replace(cause=table))
        home.__dict__["trace"] = self.program.trace
        return CauseData(home, self.number).swept(0.0, keep=True)

    def expected(self, vector: NDArray[np.float64]) -> float:
        """Return the integral of this cause's hazard: the events that it would set off."""
        if self.plain and type(self) is CauseData:
            return self.sums(vector, 0)[0]
        return float(self.integral(vector, 0).value.sum())

    @cached_property
    def linear_events(self) -> tuple[float, NDArray[np.float64], NDArray[np.bool_]]:
        """Return the sum of log exposures of the events, the sum of their target terms, and which any met."""
        swept = self.swept(self.shape(np.zeros(len(self.program.parameter_names)))[0])
        with np.errstate(divide="ignore"):
            level = float(np.log(swept.event_exposure[:, 0, 0]).sum())
        terms = np.take(self.design.by_term, swept.event_row, axis=1)
        return level, terms.sum(axis=1), (terms != 0.0).any(axis=1)

    def log_hazards(self, vector: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        """Return the sum of the events' log hazards where this plain cause alone explains them, and its gradient."""
        level, slope, met = self.linear_events
        return level + float(slope[met] @ vector[self.positions][met]), slope

    def reach(self) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Return the positions of the events that this cause may explain, and what reached them."""
        swept = self.reference
        return swept.event, swept.event_exposure[:, :, 0].sum(axis=1)

    def by_unit(self, vector: NDArray[np.float64], order: int) -> tuple[NDArray[np.int32], Elements]:
        """Return the elements of the integral apart by unit, with the unit of each."""
        swept = self.swept(self.shape(vector)[0], keep=True)
        return swept.unit, self.elements(
            vector, swept.row, swept.exposure, swept.span, True, order, swept.age
        )

    def events(self, vector: NDArray[np.float64], order: int) -> tuple[NDArray[np.int64], Elements]:
        """Return the positions of the events that this cause may explain, and its hazard at each."""
        decay, _ = self.shape(vector)
        swept = self.swept(decay, keep=self.slots.alpha >= 0)
        elements = self.elements(
            vector, swept.event_row, swept.event_exposure, None, True, order, swept.event_age
        )
        return swept.event, elements


def lift(logs: NDArray[np.float64]) -> tuple[NDArray[np.float64], Any]:
    """Return exponentials (Q,) or (Q, D), and the logarithm of what they were divided by, where they lie far from 1."""
    top = logs.max(axis=0, initial=-np.inf)
    lifted = np.where(np.isfinite(top) & (np.abs(top) > FAR), top, 0.0)
    return np.exp(logs - lifted), lifted if logs.ndim > 1 else float(lifted)
