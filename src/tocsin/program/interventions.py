"""Interventions: frozen changes of a program, which read and print as sentences."""

from __future__ import annotations

import copy
import dataclasses
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from tocsin.errors import ModelError, suggestion
from tocsin.kernels.layout import FORCE, MOVES, TO
from tocsin.program.ties import Breaks
from tocsin.words import parse_clause

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tocsin.history import History
    from tocsin.history.numbers import Numbers
    from tocsin.kernels.layout import Layout
    from tocsin.model import Model
    from tocsin.program.program import Program


@dataclass(frozen=True)
class RemoveLayer:
    """Take every tie of a layer away."""

    layer: str

    def __str__(self) -> str:
        return f"remove layer {self.layer}"


@dataclass(frozen=True)
class Scale:
    """Multiply the weights of a layer, or the values of a covariate, by a number."""

    name: str
    by: float
    layer: bool = False

    def __str__(self) -> str:
        return f"scale {'layer ' if self.layer else ''}{self.name} by {self.by:g}"


@dataclass(frozen=True)
class Force:
    """Put a variable of a unit into a state at a date, whatever its hazards say."""

    unit: str
    variable: str
    state: str
    at: str

    def __str__(self) -> str:
        return f"force {self.unit} {self.variable}={self.state} at {self.at}"


@dataclass(frozen=True)
class Prevent:
    """Bar a unit from entering a state, for the whole window."""

    unit: str
    variable: str
    state: str

    def __str__(self) -> str:
        return f"prevent {self.unit} {self.variable}={self.state}"


Intervention = RemoveLayer | Scale | Force | Prevent


def remove_layer(layer: str) -> RemoveLayer:
    """Take every tie of a layer away."""
    return RemoveLayer(layer)


def scale(covariate: str, by: float) -> Scale:
    """Multiply the values of a covariate by a number."""
    return Scale(covariate, _factor(by))


def scale_layer(layer: str, by: float) -> Scale:
    """Multiply the weights of all ties of a layer by a number of at least 0."""
    return Scale(layer, _factor(by), layer=True)


def force(unit: str, clause: str, at: Any) -> Force:
    """Put a unit into a state at a date: ``force("germany", "regime=soviet", at="1918-11-09")``."""
    variable, state = _assignment(clause)
    return Force(unit, variable, state, str(at))


def prevent(unit: str, clause: str) -> Prevent:
    """Bar a unit from entering a state: ``prevent("hungary", "regime=soviet")``."""
    return Prevent(unit, *_assignment(clause))


def _factor(text: Any) -> float:
    try:
        value = float(text)
    except (TypeError, ValueError):
        raise ModelError(f"cannot scale by {text!r}: a number is expected") from None
    if not math.isfinite(value):
        raise ModelError(f"cannot scale by {text!r}: a finite number is expected")
    return value


def _assignment(clause: str) -> tuple[str, str]:
    variable, sign, state = (part.strip() for part in clause.partition("="))
    if not (sign and variable and state) or "|" in state:
        raise ModelError(f"cannot read {clause!r}: write variable=state")
    return variable, state


_SENTENCES = (
    (re.compile(r"remove layer (\S+)"), lambda layer: remove_layer(layer)),
    (re.compile(r"scale layer (\S+) by (\S+)"), lambda layer, by: scale_layer(layer, by)),
    (re.compile(r"scale (\S+) by (\S+)"), lambda name, by: scale(name, by)),
    (re.compile(r"force (\S+) (\S+=\S+) (?:at|on) (\S+)"), lambda unit, clause, at: force(unit, clause, at)),
    (re.compile(r"prevent (\S+) (\S+=\S+)"), lambda unit, clause: prevent(unit, clause)),
)
_EXAMPLES = (
    "'remove layer comintern', 'scale layer front by 0.5', 'scale food_crisis by 0.5', "
    "'force germany regime=soviet at 1918-11-09' or 'prevent hungary regime=soviet'"
)


def parse(text: str, history: History, model: Model) -> Intervention:
    """Read an intervention from a sentence such as ``remove layer comintern``.

    Raises:
        ModelError: the sentence cannot be read, or names what does not exist.
    """
    sentence = " ".join(text.split())
    for pattern, make in _SENTENCES:
        match = pattern.fullmatch(sentence)
        if match is not None:
            intervention: Intervention = make(*match.groups())
            check(intervention, history, model)
            return intervention
    first = sentence.split(" ")[0] if sentence else ""
    verbs = ("remove", "scale", "force", "prevent")
    hint = suggestion(first, verbs) if first not in verbs else ""
    raise ModelError(f"cannot read the intervention {text!r}{hint}; say {_EXAMPLES}")


def check(intervention: Intervention, history: History, model: Model) -> None:
    """Raise ModelError where an intervention names what the history or the model does not have."""
    said = f"cannot {intervention}: "
    if isinstance(intervention, RemoveLayer) or (isinstance(intervention, Scale) and intervention.layer):
        name = intervention.layer if isinstance(intervention, RemoveLayer) else intervention.name
        if name not in history.layers:
            raise ModelError(f"{said}there is no layer {name!r}" + suggestion(str(name), history.layers))
        if isinstance(intervention, Scale) and intervention.by < 0:
            raise ModelError(f"{said}weights cannot be negative")
        return
    if isinstance(intervention, Scale):
        numbers = history.numbers
        known = [
            *numbers.covariates,
            *(name for name, column in numbers.static.items() if column.dtype.kind == "f"),
        ]
        if intervention.name not in known:
            raise ModelError(
                f"{said}there is no covariate {intervention.name!r}" + suggestion(intervention.name, known)
            )
        return
    if intervention.unit not in history.numbers.unit_index:
        raise ModelError(
            f"{said}there is no unit {intervention.unit!r}"
            + suggestion(intervention.unit, history.numbers.units)
        )
    parse_clause(f"{intervention.variable}={intervention.state}", model.by_name)
    if isinstance(intervention, Force):
        time, unit = history.to_number(intervention.at), history.numbers.unit_index[intervention.unit]
        first, last = history.numbers.enter[unit], history.numbers.exit[unit]
        if not first <= time <= last:
            raise ModelError(f"{said}the unit is not present at {intervention.at} inside the window")


@dataclass(frozen=True)
class Changed:
    """A program after interventions, ready to simulate."""

    program: Program
    layout: Layout
    vector: NDArray[np.float64]
    interventions: tuple[Intervention, ...]


def intervene(
    program: Program, vector: NDArray[np.float64], interventions: Sequence[Intervention | str]
) -> Changed:
    """Apply interventions to a program, and let variables that no transition moves follow what happened.

    Raises:
        ModelError: an intervention names what does not exist.
    """
    from tocsin.program.compile import compile_program

    history, model = program.history, program.model
    wanted = []
    for intervention in interventions:
        if isinstance(intervention, str):
            wanted.append(parse(intervention, history, model))
        else:
            check(intervention, history, model)
            wanted.append(intervention)
    numbers = history.numbers
    for intervention in wanted:
        numbers = _alter(numbers, intervention)
    changed = program
    if numbers is not history.numbers:
        altered = copy.copy(history)
        altered.__dict__["numbers"] = numbers
        outside = {
            name: value
            * math.prod(x.by for x in wanted if isinstance(x, Scale) and not x.layer and x.name == name)
            for name, value in history.outside.items()
        }
        altered.__dict__["outside"] = outside
        changed = compile_program(model, altered)
        if changed.parameter_names != program.parameter_names:
            raise ModelError("a covariate that stands in a formula as categories, C(...), cannot be scaled")
    return Changed(changed, _simulation_layout(changed, wanted), vector, tuple(wanted))


def _alter(numbers: Numbers, intervention: Intervention) -> Numbers:
    """Return the numbers with a layer or a covariate changed."""
    if isinstance(intervention, RemoveLayer) or (isinstance(intervention, Scale) and intervention.layer):
        layer = intervention.layer if isinstance(intervention, RemoveLayer) else intervention.name
        by = 0.0 if isinstance(intervention, RemoveLayer) else intervention.by
        rows = numbers.ties[str(layer)]
        if by == 1.0:
            return numbers
        if by == 0.0:
            rows = type(rows)(*(getattr(rows, field.name)[:0] for field in dataclasses.fields(rows)))
        else:
            rows = dataclasses.replace(rows, weight=rows.weight * by)
        return dataclasses.replace(numbers, ties={**numbers.ties, str(layer): rows})
    if isinstance(intervention, Scale) and intervention.by != 1.0:
        name = intervention.name
        if name in numbers.covariates:
            scaled = dataclasses.replace(
                numbers.covariates[name], value=numbers.covariates[name].value * intervention.by
            )
            numbers = dataclasses.replace(numbers, covariates={**numbers.covariates, name: scaled})
        if name in numbers.static:
            static = {**numbers.static, name: numbers.static[name] * intervention.by}
            numbers = dataclasses.replace(numbers, static=static)
    return numbers


def _simulation_layout(program: Program, interventions: Sequence[Intervention]) -> Layout:
    """Return the layout with forced, prevented and followed events."""
    layout, history, model = program.layout, program.history, program.model
    index = {name: position for position, name in enumerate(program.joint.names)}
    allowed, state = layout.allowed, layout.state
    parts = [Breaks(layout.break_at, layout.breaks)]
    observed = program.observed
    moving = {transition.variable for transition in model.transitions}
    follows = np.array([name not in moving for name in program.joint.names])
    led = follows[observed.variable] & ~observed.early
    for intervention in interventions:
        if isinstance(intervention, Prevent):
            unit, code = history.numbers.unit_index[intervention.unit], 0
            code = model.by_name[intervention.variable].code(intervention.state)
            variable = index[intervention.variable]
            if not allowed.size:
                allowed = np.ones((layout.transition.shape[0], layout.state.size), dtype=np.uint8)
            allowed = allowed.copy()
            allowed[(layout.transition[:, MOVES] == variable) & (layout.transition[:, TO] == code), unit] = 0
            led &= ~((observed.unit == unit) & (observed.variable == variable) & (observed.state == code))
        elif isinstance(intervention, Force):
            unit = history.numbers.unit_index[intervention.unit]
            variable = index[intervention.variable]
            code = model.by_name[intervention.variable].code(intervention.state)
            time = history.to_number(intervention.at)
            if time <= layout.presence[0, unit]:
                stride, size = layout.variable[variable]
                state = state.copy()
                state[unit] += (code - (state[unit] // stride) % size) * stride
            else:
                parts.append(Breaks.make(FORCE, np.array([time]), unit, variable, code, 1.0))
    parts.append(
        Breaks.make(
            FORCE, observed.time[led], observed.unit[led], observed.variable[led], observed.state[led], 0.0
        )
    )
    breaks = Breaks.join(parts, layout.window[0], np.nextafter(layout.window[1], np.inf))
    return layout._replace(allowed=allowed, state=state, break_at=breaks.at, breaks=breaks.what)
