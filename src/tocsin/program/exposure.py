"""What a sweep of one cause over what happened returns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from tocsin.kernels.density import sum_shares
from tocsin.kernels.exposure_fast import sweep_home, sweep_memory
from tocsin.kernels.exposure_sweep import EXPLAINED, UNIT
from tocsin.kernels.layout import TARGET, TOTAL_OF, TRANSITION, WHEN

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tocsin.program.cause import CauseData
    from tocsin.program.likelihood import Likelihood
    from tocsin.program.program import Program

    Floats = NDArray[np.float64]


_NONE = np.empty(0)


class Swept(NamedTuple):
    """What a sweep of one cause returns; see `kernels.sweep.sweep`."""

    summed: NDArray[np.float64]
    event: NDArray[np.int64]
    event_row: NDArray[np.int64]
    event_exposure: NDArray[np.float64]
    row: NDArray[np.int32]
    unit: NDArray[np.int32]
    time: NDArray[np.float64]
    span: NDArray[np.float64]
    exposure: NDArray[np.float64]
    source_event: NDArray[np.int32]
    source_unit: NDArray[np.int32]
    source_sent: NDArray[np.float64]
    age: NDArray[np.float64] = (
        _NONE  # of the unit's state where each stretch begins, and at each event; NaN: unknown
    )
    event_age: NDArray[np.float64] = _NONE

    @staticmethod
    def summary(
        summed: NDArray[np.float64], event: NDArray[np.int64], exposure: NDArray[np.float64]
    ) -> Swept:
        """Return a sweep without stretches and sources."""
        none, small, wide = np.empty(0), np.empty(0, dtype=np.int32), np.empty((0, 1))
        rest = (small, small, none, none, wide[..., None], small, small, wide)
        return Swept(summed, event[:, 0], event[:, 1], exposure, *rest)


def integrals(rate: float | Floats, span: Floats) -> tuple[Floats, ...]:
    """Return the integrals of exp(-rate s), s exp(-rate s), s^2 exp(-rate s) over [0, span], elementwise."""
    x = rate * span
    small = x < 0.02
    safe = np.where(small, 1.0, x)
    e = np.exp(-safe)
    j0 = np.where(small, 1 - x / 2 + x**2 / 6 - x**3 / 24 + x**4 / 120, -np.expm1(-safe) / safe)
    j1 = np.where(small, 1 / 2 - x / 3 + x**2 / 8 - x**3 / 30 + x**4 / 144, (1 - e * (1 + safe)) / safe**2)
    j2 = np.where(
        small,
        1 / 3 - x / 4 + x**2 / 10 - x**3 / 36 + x**4 / 168,
        (2 - e * (safe**2 + 2 * safe + 2)) / safe**3,
    )
    return span * j0, span**2 * j1, span**3 * j2


def summed_rows(rows: int, row: NDArray[np.integer], exposure: Floats, span: Floats, decay: float) -> Floats:
    """Return the exposures of stretches (n, Q, moments), integrated over them and summed by target row."""
    j0, j1, j2 = integrals(decay, span) if decay > 0.0 else (span, span * 0.0, span * 0.0)
    parts = exposure * j0[:, None, None]
    if parts.shape[2] == 3:
        parts[:, :, 1] += exposure[:, :, 0] * j1[:, None]
        parts[:, :, 2] += 2.0 * exposure[:, :, 1] * j1[:, None] + exposure[:, :, 0] * j2[:, None]
    summed = np.zeros((rows, *exposure.shape[1:]))
    np.add.at(summed, row, parts)
    return summed


# --- Which causes are swept the quick way: those at home, and memory in histories where nothing
#     else changes


def swept_home(cause: CauseData) -> Swept | None:
    """Return the sweep of a cause at home; None where it needs `sweep`: a covariate is missing, or units are absent."""
    program = cause.program
    if program.history.numbers.absences.unit.size:
        return None
    design = program.designs[program.opening.cause[cause.number, TARGET]]
    order = np.argsort(program.trace.events[:, UNIT], kind="stable")
    pieces = (design.starts, design.first, design.rows, design.columns)
    summed, event, missing = sweep_home(
        program.opening, program.trace, order, *pieces, cause.number, cause.matrix.shape[0]
    )
    return None if missing else Swept.summary(summed, event, np.ones((event.shape[0], 1, 1)))


def sweep_together(likelihood: Likelihood) -> None:
    """Sweep causes with one fixed half-life together, where nothing changes but memory."""
    program = likelihood.program
    layout, nothing = program.opening, np.zeros(len(program.parameter_names))
    decaying = [c for c in likelihood.causes if c.remembers and c.shape(nothing)[0] > 0.0]
    if not decaying or program.aside is not None or not steady(program):
        return
    likelihood.lay_hawkes()
    decaying = [c for c in decaying if c.plain or likelihood.hawkes_of(c.number) is not None]
    for group in likelihood.groups:
        alike: dict[float, list[CauseData]] = {}
        for cause in decaying:
            if cause.number in group and layout.cause[cause.number, TOTAL_OF] < 0:
                alike.setdefault(cause.shape(nothing)[0], []).append(cause)
        for decay, causes in alike.items():
            _sweep_memory(program, decay, causes)


def steady(program: Program) -> bool:
    """Return whether nothing but memory changes: one joint state, all present throughout, constant ties and
    terms, and no unit with two events at one instant."""
    layout, numbers, trace = program.layout, program.history.numbers, program.trace
    if program.joint.count > 1 or (layout.after < 0).any() or layout.early_time.size:
        return False
    if numbers.absences.unit.size:
        return False
    if (layout.presence[0] > numbers.start).any() or (layout.presence[1] < numbers.end).any():
        return False
    if (layout.break_at[WHEN] < numbers.end).any():
        return False
    order = np.argsort(trace.events[:, UNIT], kind="stable")
    unit, time = trace.events[order, UNIT], trace.time[order]
    return not bool(((unit[1:] == unit[:-1]) & (time[1:] == time[:-1])).any())


def _sweep_memory(program: Program, decay: float, causes: list[CauseData]) -> None:
    layout, trace = program.layout, program.trace
    numbers = np.array([cause.number for cause in causes])
    designs = layout.cause[numbers, TARGET]
    row = layout.rows[layout.offset[designs] + layout.columns[designs, 0][:, None]]
    if (row < 0).any():
        return
    first = np.concatenate([[0], np.cumsum([cause.matrix.shape[0] for cause in causes])])
    summed, exposure = sweep_memory(layout, trace, numbers, row, first, decay)
    own = np.flatnonzero(trace.events[:, EXPLAINED] == layout.cause[numbers[0], TRANSITION])
    unit = trace.events[own, UNIT]
    for k, cause in enumerate(causes):
        event = np.stack([own, row[k, unit].astype(np.int64)], axis=1)
        part = summed[first[k] : first[k + 1], None, None]
        swept = Swept.summary(part, event, exposure[k, :, None, None])
        if cause.plain:
            cause.cached[decay, False] = swept
        else:
            cause.felt = swept


# --- The events of one transition as all its causes see them, gathered where many events see the
#     same terms
#
# Where causes have target terms only, an event's hazard is a sum over causes of a factor of its target row times
# its exposure. Events that meet the same rows then share their factors, and gradient and Hessian need sums over
# each such group alone: with ten dimensions of a Hawkes process ten groups instead of 100,000 events.

EVENTS_A_GROUP = 4  # fewer are not worth the trouble

AT_ONCE = 1_000_000  # numbers up to which all pairs of parameters are looked at together

LARGEST = 4_000_000  # numbers in the sums of products of shares


@dataclass(frozen=True)
class Stack:
    """The events of a transition, group by group.

    Attributes:
        causes: its causes; rows: the target row of each group under each cause (G, C).
        first: first event of each group (G + 1,); exposure: of each event under each cause (E, C).
    """

    causes: list[CauseData]
    rows: NDArray[np.int64]
    first: NDArray[np.int64]
    exposure: Floats

    @staticmethod
    def make(causes: Sequence[CauseData], swept: Sequence[Swept]) -> Stack | None:
        """Gather the events of a transition; None where the causes have other parameters, or groups are small."""
        import pandas as pd

        events = swept[0].event.size
        if not all(cause.plain for cause in causes) or events < EVENTS_A_GROUP:
            return None
        layout = causes[0].program.opening
        designs = {
            int(layout.cause[c.number, TARGET]): s.event_row for c, s in zip(causes, swept, strict=True)
        }
        code = np.zeros(events, dtype=np.int64)
        for row in designs.values():
            code = pd.factorize(code * (int(row.max(initial=0)) + 1) + row)[0]
        groups = int(code.max(initial=-1)) + 1
        if groups * EVENTS_A_GROUP > events or groups * len(causes) ** 2 > LARGEST:
            return None
        order = np.argsort(code, kind="stable")
        first = np.concatenate([[0], np.cumsum(np.bincount(code, minlength=groups))]).astype(np.int64)
        exposure = np.empty((events, len(causes)))
        for number, each in enumerate(swept):
            exposure[:, number] = each.event_exposure[order, 0, 0]
        lead = order[first[:-1]]
        rows = np.stack([each.event_row[lead] for each in swept], axis=1)
        return Stack(list(causes), rows, first, exposure)

    @property
    def every(self) -> NDArray[np.int64]:
        """Return the numbers of all groups (G,)."""
        return np.arange(self.rows.shape[0])

    @cached_property
    def place(self) -> NDArray[np.int64]:
        """Return where the parameters of all causes stand in the vector (p,)."""
        return np.array([position for cause in self.causes for position in cause.positions], dtype=np.int64)

    @cached_property
    def of(self) -> NDArray[np.int64]:
        """Return the number of the cause that each of them belongs to (p,)."""
        return np.repeat(np.arange(len(self.causes)), [len(cause.positions) for cause in self.causes])

    @cached_property
    def terms(self) -> Floats:
        """Return what each of them multiplies in each group (G, p)."""
        return np.concatenate([cause.matrix[self.rows[:, k]] for k, cause in enumerate(self.causes)], axis=1)

    def factors(self, vector: Floats) -> Floats:
        """Return what multiplies the exposure of each cause in each group (G, C)."""
        found = [cause.log_factors(vector)[self.rows[:, k]] for k, cause in enumerate(self.causes)]
        with np.errstate(over="ignore"):
            return np.ascontiguousarray(np.exp(np.stack(found, axis=1)))

    def shares(self, vector: Floats) -> Floats:
        """Return the events given to each cause by their shares (C,)."""
        return np.asarray(
            sum_shares(self.exposure, self.first, self.every, self.factors(vector), 1)[1].sum(axis=0)
        )

    def add(self, vector: Floats, order: int, gradient: Floats, hessian: Floats) -> float:
        """Return the sum of log hazards, and add its derivatives up to an order to those given."""
        value, single, double = sum_shares(self.exposure, self.first, self.every, self.factors(vector), order)
        if order == 0:
            return float(value.sum())
        if self.rows.shape[0] * self.place.size**2 <= AT_ONCE:
            terms, of = self.terms, self.of
            gradient[self.place] += (single[:, of] * terms).sum(axis=0)
            if order == 2:
                pair = -double[:, of[:, None], of]
                pair += np.where(of[:, None] == of, single[:, of][:, :, None], 0.0)
                block = np.einsum("gp,gpq,gq->pq", terms, pair, terms)
                hessian[self.place[:, None], self.place] += block
            return float(value.sum())
        each = [cause.matrix[self.rows[:, k]] for k, cause in enumerate(self.causes)]
        places = [np.array(cause.positions) for cause in self.causes]
        for a, own in enumerate(each):
            gradient[places[a]] += single[:, a] @ own
            if order < 2:
                continue
            hessian[np.ix_(places[a], places[a])] += (own * single[:, a, None]).T @ own
            for b in range(a + 1):
                block = (own * double[:, a, b, None]).T @ each[b]
                hessian[np.ix_(places[a], places[b])] -= block
                if b < a:
                    hessian[np.ix_(places[b], places[a])] -= block.T
        return float(value.sum())
