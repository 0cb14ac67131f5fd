"""The likelihood of a program as the sampler needs it: flat arrays for one kernel, and random effects."""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING, Any

import numpy as np

from tocsin.kernels import density as kernel
from tocsin.kernels.layout import SOURCE, TARGET
from tocsin.program.cause import CauseData
from tocsin.program.grouped import is_grouped
from tocsin.program.stages import heard_abroad
from tocsin.program.swept import Swept

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tocsin.infer.effects import Effects

    Floats = NDArray[np.float64]


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
        self.whole = is_grouped(self.program.history) or (
            self.program.spans is not None and not effects.blocks and not heard_abroad(self.program)
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

    def _lay_out(self) -> kernel.Terms:
        layout, count = self.program.layout, len(self.causes)
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
            decay[number] = self.program.decay(number, np.zeros(len(self.program.parameter_names)))
            for position, part in enumerate(parts):
                lists[position].append(part)
                begin[position] += part.shape[0]
        groups = self.program.likelihood.groups
        first = np.cumsum([0, *(len(group) for group in groups)])
        flat = [np.ascontiguousarray(np.concatenate(each)) for each in lists]
        return kernel.Terms(table, first.astype(np.int64), decay, *flat)

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
