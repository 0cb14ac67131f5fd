"""Residuals: integrated hazards between events, which are unit exponential if the model is right."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tocsin.errors import FitError
from tocsin.history.clock import noun
from tocsin.kernels.layout import TRANSITION
from tocsin.kernels.sweep import EXPLAINED, UNIT
from tocsin.program.grouped import cure, is_grouped

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from tocsin.program.program import Program


def residuals(program: Program, vector: NDArray[np.float64]) -> pd.DataFrame:
    """Return the integrated hazards between events; see `Program.residuals`."""
    import pandas as pd

    if is_grouped(program.history):
        raise FitError(
            f"times known by {noun(program.history.clock)} leave open how much of an interval's hazard came before "
            f"its event, so residuals are not unit exponential: {cure(program.history)}, or look at reliability and "
            "at simulated worlds beside what happened (tocsin replay)"
        )
    numbers, trace = program.history.numbers, program.trace
    rows = []
    for number, transition in enumerate(program.model.transitions):
        units, times, values = [], [], []
        for cause in (
            c for c in program.likelihood.causes if program.layout.cause[c.number, TRANSITION] == number
        ):
            decay, _ = cause.shape(vector)
            swept = cause.swept(decay, keep=True)
            elements = cause.elements(vector, swept.row, swept.exposure, swept.span, True, 0)
            units.append(swept.unit)
            times.append(swept.time)
            values.append(elements.value)
        unit, time, value = np.concatenate(units), np.concatenate(times), np.concatenate(values)
        own = np.flatnonzero(trace.events[:, EXPLAINED] == number)
        own_unit = trace.events[own, UNIT]
        for i in np.unique(np.concatenate([unit, own_unit])):
            mine = np.sort(trace.time[own[own_unit == i]])
            # Clocks pause while the unit is not at risk, so a spell runs from one event to the next.
            at = unit == i
            spell = np.searchsorted(mine, time[at], side="right")
            integral = np.bincount(spell, value[at], minlength=mine.size + 1)
            edges = np.concatenate([[numbers.enter[i]], mine, [numbers.exit[i]]])
            for k in range(mine.size + 1):
                rows.append(
                    (transition.name, numbers.units[i], edges[k], edges[k + 1], integral[k], k < mine.size)
                )
    return pd.DataFrame(rows, columns=["transition", "unit", "start", "end", "integral", "observed"])
