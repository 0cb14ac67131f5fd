"""What interventions touch directly: which causes of which units, and which units and variables, from when on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from tocsin.interventions import declared as d
from tocsin.interventions.checks import cause_names
from tocsin.kernels.layout import SOURCE, TARGET
from tocsin.model.declaration import BAR, layers_of, specials_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tocsin.program.program import Program


@dataclass(frozen=True, eq=False)
class Touched:
    """From when on interventions touch what; infinity where they never do.

    Attributes:
        cause: by cause and unit (C, N): its hazard is changed there.
        state: by unit and variable (N, V): it is forced, barred or lifted there.
        unit: by unit (N,): it is taken away.
    """

    cause: NDArray[np.float64]
    state: NDArray[np.float64]
    unit: NDArray[np.float64]

    @staticmethod
    def by(program: Program, interventions: Sequence[d.Intervention]) -> Touched:
        """Return what interventions of a program touch."""
        units, causes = len(program.history.numbers.units), len(program.causes)
        found = Touched(
            np.full((causes, units), np.inf),
            np.full((units, len(program.joint.names)), np.inf),
            np.full(units, np.inf),
        )
        for it in interventions:
            found._add(program, it)
        return found

    def _add(self, program: Program, it: d.Intervention) -> None:
        history = program.history
        index = history.numbers.unit_index
        since = getattr(it, "start", None) or getattr(it, "at", None)
        # An event dated on the day itself comes at its beginning, and is touched.
        when = float(history.numbers.start) if since is None else history.to_number(since) - 1e-6
        named = getattr(it, "unit", None)
        whom = slice(None) if named is None else slice(index[named], index[named] + 1)
        if isinstance(it, d.RemoveUnit):
            self.unit[index[it.unit]] = min(self.unit[index[it.unit]], when)
            self.cause[:, whom] = np.minimum(self.cause[:, whom], when)
            return
        if isinstance(it, d.Force | d.Prevent | d.Delay | d.Lift):
            place = (index[it.unit], program.joint.index(it.variable))
            self.state[place] = min(self.state[place], when)
            return
        if isinstance(it, d.RemoveTie | d.ScaleTie | d.AddTie):
            whom = slice(index[it.target], index[it.target] + 1)
        for cause in np.flatnonzero(_causes(program, it)):
            self.cause[cause, whom] = np.minimum(self.cause[cause, whom], when)


def _causes(program: Program, it: d.Intervention) -> NDArray[np.bool_]:
    """Return which causes an intervention on ties, hazards, parameters or covariates reaches."""
    layer = getattr(it, "layer", None)
    if layer is not None:
        return np.array([layer in layers_of(c) for _, c in program.causes])
    names = cause_names(program.model)
    if isinstance(it, d.RemoveCause | d.ScaleCause):
        return np.array([name == it.cause for name in names])
    if isinstance(it, d.SetParameter | d.ShiftParameter):
        return np.array([it.parameter.startswith(f"{name}{BAR}") for name in names])
    covariate = getattr(it, "covariate", None)
    designs = program.layout.cause[:, [TARGET, SOURCE]]
    marks = [{each.mark for each in specials_of(cause)} for _, cause in program.causes]
    return np.array(
        [
            covariate in mark
            or any(number >= 0 and covariate in program.designs[number].uses for number in row)
            for row, mark in zip(designs, marks, strict=True)
        ]
    )
