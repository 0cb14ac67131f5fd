"""Interventions applied: a program changed, and its layout with what is forced, barred and followed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from tocsin.errors import ModelError
from tocsin.interventions.altered import Altered
from tocsin.interventions.intervention import Bar, Check, Intervention
from tocsin.kernels.layout import FORCE, MOVES, TO
from tocsin.program.design import Damping
from tocsin.program.grouped import is_grouped
from tocsin.program.ties import Breaks

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tocsin.history.history import History
    from tocsin.kernels.layout import Layout
    from tocsin.model.model import Model
    from tocsin.program.program import Program


@dataclass(frozen=True)
class Changed:
    """A program after interventions, ready to simulate."""

    program: Program
    layout: Layout
    vector: NDArray[np.float64]
    interventions: tuple[Intervention, ...]

    def alter(self, vector: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return another vector of parameters as the interventions change it."""
        return changed_vector(vector, self.program.parameter_names, self.interventions)


def checked(
    interventions: Iterable[Intervention | str], history: History, model: Model
) -> tuple[tuple[Intervention, ...], Altered]:
    """Read and check interventions, each on top of those before it, and return what they make of the arrays.

    Raises:
        SentenceError: a sentence cannot be read.
        ModelError: an intervention names what does not exist.
    """
    from tocsin.interventions.sentences import understood

    now, wanted = Altered.of(history), []
    for each in interventions:
        intervention = understood(each, history, model) if isinstance(each, str) else each
        if not isinstance(intervention, Intervention):
            raise ModelError(f"{intervention!r} is no intervention: give a sentence, or tc.remove_layer(...)")
        Check(intervention, history, model, now.numbers).all()
        now = intervention.alter(now)
        wanted.append(intervention)
    return tuple(wanted), now


def intervene(
    program: Program, vector: NDArray[np.float64], interventions: Sequence[Intervention | str]
) -> Changed:
    """Apply interventions to a program, and let variables that no transition moves follow what happened.

    Only what an intervention touches is compiled anew; the parameters keep their names and order.

    Raises:
        SentenceError: a sentence cannot be read.
        ModelError: an intervention names what does not exist.
    """
    from tocsin.program.compile import join

    wanted, now = checked(interventions, program.history, program.model)
    bars = [bar for it in wanted if (bar := it.bar(program)) is not None]
    dampings = [*(each for it in wanted for each in it.damp(program)), *_damped_states(program, bars)]
    changed = program
    if not now.same or dampings:
        changed = join(program.model, program.history if now.same else now.as_history(), program, dampings)
        if changed.parameter_names != program.parameter_names:
            raise ModelError("an intervention may not change the categories of a formula")
    return Changed(
        changed,
        _simulation_layout(program, changed, wanted, bars),
        changed_vector(vector, program.parameter_names, wanted),
        wanted,
    )


def changed_vector(
    vector: NDArray[np.float64], names: Sequence[str], interventions: Sequence[Intervention]
) -> NDArray[np.float64]:
    """Return the parameters after the interventions that change them.

    Raises:
        ModelError: there is no such parameter.
    """
    for it in interventions:
        vector = it.turn(vector, names)
    return vector


# --- hazards ------------------------------------------------------------------------------------------------


def _throughout(program: Program, bar: Bar) -> bool:
    return bar.start <= program.history.numbers.start and bar.end >= program.history.numbers.end


def _damped_states(program: Program, bars: Sequence[Bar]) -> list[Damping]:
    """Return the bars that hold over a part of the window as hazards that are zero there."""
    found = []
    for bar in bars:
        if _throughout(program, bar) or not bar.start < bar.end:
            continue
        enters = np.flatnonzero((program.layout.transition == (bar.variable, bar.state)).all(axis=1))
        for cause in np.flatnonzero(np.isin(program.layout.cause[:, 0], enters)):
            found.append(Damping(int(cause), bar.unit, bar.start, bar.end, 0.0))
    return found


# --- states -------------------------------------------------------------------------------------------------


def _simulation_layout(
    program: Program, changed: Program, interventions: Sequence[Intervention], bars: Sequence[Bar]
) -> Layout:
    """Return the layout with forced, prevented and followed events."""
    layout = changed.layout
    allowed, state = layout.allowed, layout.state
    for bar in bars:
        if _throughout(program, bar):
            if not allowed.size:
                allowed = np.ones((layout.transition.shape[0], layout.state.size), dtype=np.uint8)
            allowed = allowed.copy()
            enters = (layout.transition[:, MOVES] == bar.variable) & (layout.transition[:, TO] == bar.state)
            allowed[enters, bar.unit] = 0
    parts = [Breaks(layout.break_at, layout.breaks)]
    for it in interventions:
        if (put := it.put(program)) is None:
            continue
        if put.time <= layout.presence[0, put.unit]:
            stride, size = layout.variable[put.variable]
            state = state.copy()
            state[put.unit] += (put.state - (state[put.unit] // stride) % size) * stride
        else:
            parts.append(Breaks.make(FORCE, np.array([put.time]), put.unit, put.variable, put.state, 1.0))
    parts.append(_followed(program, bars))
    breaks = Breaks.join(parts, layout.window[0], np.nextafter(layout.window[1], np.inf))
    return layout._replace(allowed=allowed, state=state, break_at=breaks.at, breaks=breaks.what)


def _followed(program: Program, bars: Sequence[Bar]) -> Breaks:
    """Return the observed events of variables that no transition moves, as far as nothing bars them."""
    observed = program.observed
    moving = {transition.variable for transition in program.model.transitions}
    follows = np.array([name not in moving for name in program.joint.names])
    led = follows[observed.variable] & ~observed.early
    # Known by month or year, they happen just before the end of their interval, whose name they bear.
    time = observed.time - (1e-6 if is_grouped(program.history) else 0.0)
    for bar in bars:
        own = led & (observed.unit == bar.unit) & (observed.variable == bar.variable)
        barred = own & (observed.state == bar.state) & (time > bar.start) & (time <= bar.end)
        if bar.due is not None:
            before = np.flatnonzero(own & (time <= bar.due))
            # The record has the unit in the state when the delay ends: it enters it then.
            if before.size and barred[before[-1]]:
                time[before[-1]] = bar.due
                barred[before[-1]] = False
        led &= ~barred
    return Breaks.make(FORCE, time[led], observed.unit[led], observed.variable[led], observed.state[led], 0.0)
