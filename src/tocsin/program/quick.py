"""Which causes are swept the quick way: those at home, and memory in histories where nothing else changes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tocsin.kernels.layout import TARGET, TOTAL_OF, TRANSITION, WHEN
from tocsin.kernels.quick import sweep_home, sweep_memory
from tocsin.kernels.sweep import EXPLAINED, UNIT
from tocsin.program.swept import Swept

if TYPE_CHECKING:
    from tocsin.program.cause import CauseData
    from tocsin.program.likelihood import Likelihood
    from tocsin.program.program import Program


def swept_home(cause: CauseData) -> Swept | None:
    """Return the sweep of a cause at home; None where a covariate is missing, which `sweep` tells of."""
    program = cause.program
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
    decaying = [c for c in likelihood.causes if c.plain and c.shape(nothing)[0] > 0.0]
    if not decaying or program.aside is not None or not steady(program):
        return
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
        cause.cached[decay, False] = Swept.summary(part, event, exposure[k, :, None, None])
