"""Interventions applied: a program changed, and its layout with what is forced, barred and followed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from tocsin.errors import ModelError, suggestion
from tocsin.interventions import declared as d
from tocsin.interventions.changed_arrays import Altered, alter, before_day
from tocsin.interventions.checks import cause_names, check, span
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

    Bar = tuple[int, int, int, float, float]


@dataclass(frozen=True)
class Changed:
    """A program after interventions, ready to simulate."""

    program: Program
    layout: Layout
    vector: NDArray[np.float64]
    interventions: tuple[d.Intervention, ...]

    def alter(self, vector: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return another vector of parameters as the interventions change it."""
        return changed_vector(vector, self.program.parameter_names, self.interventions)


def checked(
    interventions: Iterable[d.Intervention | str], history: History, model: Model
) -> tuple[tuple[d.Intervention, ...], Altered]:
    """Read and check interventions, each on top of those before it, and return what they make of the arrays.

    Raises:
        SentenceError: a sentence cannot be read.
        ModelError: an intervention names what does not exist.
    """
    from tocsin.interventions.sentences import understood

    now, wanted = Altered.of(history), []
    for each in interventions:
        intervention = understood(each, history, model) if isinstance(each, str) else each
        if not isinstance(intervention, d.Intervention):
            raise ModelError(f"{intervention!r} is no intervention: give a sentence, or tc.remove_layer(...)")
        check(intervention, history, model, now.numbers)
        now = alter(now, intervention)
        wanted.append(intervention)
    return tuple(wanted), now


def intervene(
    program: Program, vector: NDArray[np.float64], interventions: Sequence[d.Intervention | str]
) -> Changed:
    """Apply interventions to a program, and let variables that no transition moves follow what happened.

    Only what an intervention touches is compiled anew; the parameters keep their names and order.

    Raises:
        SentenceError: a sentence cannot be read.
        ModelError: an intervention names what does not exist.
    """
    from tocsin.program.compile import join

    wanted, now = checked(interventions, program.history, program.model)
    bars = _bars(program, wanted)
    dampings = [*_damped_causes(program, wanted), *_damped_states(program, bars)]
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
    vector: NDArray[np.float64], names: Sequence[str], interventions: Sequence[d.Intervention]
) -> NDArray[np.float64]:
    """Return the parameters after the interventions that change them.

    Raises:
        ModelError: there is no such parameter.
    """
    for it in interventions:
        if isinstance(it, d.SetParameter | d.ShiftParameter):
            if it.parameter not in names:
                raise ModelError(
                    f"cannot {it}: there is no parameter {it.parameter!r}" + suggestion(it.parameter, names)
                )
            vector = vector.copy()
            place = list(names).index(it.parameter)
            vector[place] = it.value if isinstance(it, d.SetParameter) else vector[place] + it.by
    return vector


# --- hazards ------------------------------------------------------------------------------------------------


def _damped_causes(program: Program, interventions: Sequence[d.Intervention]) -> list[Damping]:
    history, found = program.history, []
    names = cause_names(program.model)
    for it in interventions:
        if isinstance(it, d.RemoveCause | d.ScaleCause):
            factor = it.by if isinstance(it, d.ScaleCause) else 0.0
            unit = -1 if it.unit is None else history.numbers.unit_index[it.unit]
            if factor != 1.0:
                time = span(history, it.start, it.end)
                found.append(Damping(names.index(it.cause), unit, *time, factor))
    return found


def _bars(program: Program, interventions: Sequence[d.Intervention]) -> list[Bar]:
    """Return which units are barred from which states, and when."""
    history, bars = program.history, []
    start, end = float(history.numbers.start), float(history.numbers.end)
    for it in interventions:
        if isinstance(it, d.Prevent | d.Delay):
            state = program.model.by_name[it.variable].code(it.state)
            place = (history.numbers.unit_index[it.unit], program.joint.index(it.variable), state)
            if isinstance(it, d.Delay):
                time = (start, before_day(history, it.until))
            else:
                time = (
                    start if it.start is None else before_day(history, it.start),
                    end if it.end is None else _after_day(history, it.end),
                )
            bars.append((*place, max(time[0], start), min(time[1], end)))
    return bars


def _after_day(history: History, when: str) -> float:
    """Return the last moment of a day; where times are numbers, the number itself."""
    time = history.to_number(when)
    if not history.dated or time + 1.0 >= history.numbers.end:
        return min(time + 1.0, float(history.numbers.end)) if history.dated else time
    return float(np.nextafter(time + 1.0, -np.inf))


def _throughout(program: Program, bar: Bar) -> bool:
    return bar[3] <= program.history.numbers.start and bar[4] >= program.history.numbers.end


def _damped_states(program: Program, bars: Sequence[Bar]) -> list[Damping]:
    """Return the bars that hold over a part of the window as hazards that are zero there."""
    found = []
    for bar in bars:
        unit, variable, state, start, end = bar
        if _throughout(program, bar) or not start < end:
            continue
        enters = np.flatnonzero((program.layout.transition == (variable, state)).all(axis=1))
        for cause in np.flatnonzero(np.isin(program.layout.cause[:, 0], enters)):
            found.append(Damping(int(cause), unit, start, end, 0.0))
    return found


# --- states -------------------------------------------------------------------------------------------------


def _simulation_layout(
    program: Program, changed: Program, interventions: Sequence[d.Intervention], bars: Sequence[Bar]
) -> Layout:
    """Return the layout with forced, prevented and followed events."""
    layout, history = changed.layout, program.history
    allowed, state = layout.allowed, layout.state
    for bar in bars:
        if _throughout(program, bar):
            if not allowed.size:
                allowed = np.ones((layout.transition.shape[0], layout.state.size), dtype=np.uint8)
            allowed = allowed.copy()
            enters = (layout.transition[:, MOVES] == bar[1]) & (layout.transition[:, TO] == bar[2])
            allowed[enters, bar[0]] = 0
    parts = [Breaks(layout.break_at, layout.breaks)]
    for it in interventions:
        if not isinstance(it, d.Force | d.Lift):
            continue
        unit, variable = history.numbers.unit_index[it.unit], program.joint.index(it.variable)
        states = program.model.by_name[it.variable]
        code = states.code(it.state)
        if isinstance(it, d.Lift):
            code = 1 - code  # of two states; in the other one already, nothing happens
        time = history.to_number(it.at)
        if time <= layout.presence[0, unit]:
            stride, size = layout.variable[variable]
            state = state.copy()
            state[unit] += (code - (state[unit] // stride) % size) * stride
        else:
            parts.append(Breaks.make(FORCE, np.array([time]), unit, variable, code, 1.0))
    parts.append(_followed(program, interventions, bars))
    breaks = Breaks.join(parts, layout.window[0], np.nextafter(layout.window[1], np.inf))
    return layout._replace(allowed=allowed, state=state, break_at=breaks.at, breaks=breaks.what)


def _followed(program: Program, interventions: Sequence[d.Intervention], bars: Sequence[Bar]) -> Breaks:
    """Return the observed events of variables that no transition moves, as far as nothing bars them."""
    observed = program.observed
    moving = {transition.variable for transition in program.model.transitions}
    follows = np.array([name not in moving for name in program.joint.names])
    led = follows[observed.variable] & ~observed.early
    # Known by month or year, they happen just before the end of their interval, whose name they bear.
    time = observed.time - (1e-6 if is_grouped(program.history) else 0.0)
    barring = [it for it in interventions if isinstance(it, d.Prevent | d.Delay)]
    for bar, it in zip(bars, barring, strict=True):
        unit, variable, state, start, end = bar
        own = led & (observed.unit == unit) & (observed.variable == variable)
        barred = own & (observed.state == state) & (time > start) & (time <= end)
        if isinstance(it, d.Delay):
            due = program.history.to_number(it.until)
            before = np.flatnonzero(own & (time <= due))
            # The record has the unit in the state when the delay ends: it enters it then.
            if before.size and barred[before[-1]]:
                time[before[-1]] = due
                barred[before[-1]] = False
        led &= ~barred
    return Breaks.make(FORCE, time[led], observed.unit[led], observed.variable[led], observed.state[led], 0.0)
