"""Joint states: one number for the states of all variables of a unit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from tocsin.errors import FitError, ModelError
from tocsin.history.time import number_text
from tocsin.kernels.exposure_fast import trace_states
from tocsin.program.program import Observed

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tocsin.history.history import History
    from tocsin.model.model import Model
    from tocsin.states import StateVariable

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int32]

MOST_JOINT_STATES = 65_536


class JointStates:
    """The product of the states of several variables; the first variable moves fastest.

    Attributes:
        variables: the variables by name.
        names: their names, in order.
        sizes, strides: number of states and stride of each variable (variables,).
        count: number of joint states.
    """

    def __init__(self, variables: Sequence[StateVariable]) -> None:
        self.variables: Mapping[str, StateVariable] = {variable.name: variable for variable in variables}
        self.names = tuple(self.variables)
        self.sizes = np.array([len(variable.states) for variable in variables], dtype=np.int64)
        self.strides = np.concatenate([[1], np.cumprod(self.sizes)])[:-1].astype(np.int64)
        self.count = int(np.prod(self.sizes.astype(object)))
        if self.count > MOST_JOINT_STATES:
            raise ModelError(
                f"the variables of the model make {self.count} joint states; at most {MOST_JOINT_STATES}: "
                "leave out variables or states that the model does not need"
            )

    def index(self, name: str) -> int:
        """Return the position of a variable."""
        return self.names.index(name)

    def codes(self, name: str) -> NDArray[np.int64]:
        """Return the state of one variable in each joint state."""
        position = self.index(name)
        return np.asarray((np.arange(self.count) // self.strides[position]) % self.sizes[position])

    def holds(self, clause: Mapping[str, frozenset[str]]) -> NDArray[np.bool_]:
        """Return in which joint states a parsed clause holds."""
        held = np.ones(self.count, dtype=np.bool_)
        for name, states in clause.items():
            wanted = [self.variables[name].code(state) for state in states]
            held &= np.isin(self.codes(name), wanted)
        return held

    def columns(self, names: Sequence[str]) -> NDArray[np.int32]:
        """Return for each joint state its combination of the named variables, the last moving fastest."""
        column = np.zeros(self.count, dtype=np.int64)
        for name in names:
            column = column * len(self.variables[name].states) + self.codes(name)
        return column.astype(np.int32)


# --- What happened, as a model sees it: events with joint states and the transitions that explain
#     them


def entry_states(model: Model, history: History, joint: JointStates) -> NDArray[np.int32]:
    """Return joint states on entry before any event, with the model's own order of states."""
    numbers = history.numbers
    state = np.zeros(len(numbers.units), dtype=np.int64)
    theirs = {variable.name: variable for variable in history.variables}
    for position, variable in enumerate(model.variables):
        code = np.array([variable.code(name) for name in theirs[variable.name].states], dtype=np.int64)
        state += code[numbers.initial[variable.name]] * joint.strides[position]
    return state.astype(np.int32)


class Observer:
    """Makes of a history's events, at their times or at others, what a model sees.

    Parameters:
        model, history, joint: what is joined.
        after: joint state after each transition, -1 where a unit is not at risk (K, J).
    """

    def __init__(self, model: Model, history: History, joint: JointStates, after: NDArray[np.int32]) -> None:
        self.model, self.history, self.joint, self.after = model, history, joint, after
        numbers = history.numbers
        theirs = {variable.name: number for number, variable in enumerate(history.variables)}
        position = np.full(len(history.variables), -1, dtype=np.int32)
        code = np.zeros(
            (len(history.variables), max(len(v.states) for v in history.variables)), dtype=np.int32
        )
        for number, declared in enumerate(model.variables):
            position[theirs[declared.name]] = number
            names = history.variables[theirs[declared.name]].states
            code[theirs[declared.name], : len(names)] = [declared.code(name) for name in names]
        self.spoken = np.flatnonzero(
            position[numbers.event_variable] >= 0
        )  # positions among the history's events
        self.told = numbers.event_time[self.spoken]
        self.unit = numbers.event_unit[self.spoken]
        self.variable = position[numbers.event_variable[self.spoken]]
        self.state = code[numbers.event_variable[self.spoken], numbers.event_state[self.spoken]]
        self.entry = entry_states(model, history, joint)
        back = numbers.returns
        named = position[back.variable] >= 0
        self.returns = (
            back.unit[named],
            position[back.variable[named]],
            code[back.variable[named], back.state[named]],
            back.time[named],
        )
        self.late = numbers.lag  # in grouped time events stand at the end of their interval; see `grouped`
        sizes = int(joint.sizes.max())
        self.explains = np.full((len(joint.names), sizes, sizes), -1, dtype=np.int32)
        for number, move in enumerate(model.transitions):
            variable = model.by_name[move.variable]
            for origin in move.origin:
                self.explains[joint.index(move.variable), variable.code(origin), variable.code(move.to)] = (
                    number
                )

    def __call__(self, told: Floats | None = None) -> Observed:
        """Return what a model sees of the events, at their own times or at others (spoken events,).

        Raises:
            FitError: a transition happened while its condition did not hold.
        """
        seen, barred = self.look(told)
        if barred >= 0:
            move = self.model.transitions[seen.transition[barred]]
            unit = self.history.numbers.units[seen.unit[barred]]
            raise FitError(
                f"{describe_event(self.history, unit, seen.time[barred] - self.late)}: the transition "
                f"{move.name!r} happened while its condition {move.requires!r} did not hold; "
                "no cause of the model can explain it: correct the record, or drop requires="
            )
        return seen

    def look(self, told: Floats | None = None) -> tuple[Observed, int]:
        """Return the same, and the first event whose condition did not hold, or -1."""
        joint = self.joint
        if told is None:
            time, unit, variable, state = self.told, self.unit, self.variable, self.state
        else:
            order = np.lexsort((np.arange(told.size), self.unit, told))
            time, unit = told[order], self.unit[order]
            variable, state = self.variable[order], self.state[order]
        time = time + self.late
        before, later = self.follow(self.entry, time, unit, variable, state)[:2]
        left = (before // joint.strides[variable]) % joint.sizes[variable]
        transition = self.explains[variable, left, state]
        early = time <= self.history.numbers.enter[unit]
        transition = np.where(early, -1, transition).astype(np.int32)
        barred = np.flatnonzero((transition >= 0) & (self.after[transition, before] < 0))
        seen = Observed(time, unit, variable, state, before, later, transition, early)
        return seen, int(barred[0]) if barred.size else -1

    def follow(
        self, entry: Ints, time: Floats, unit: Ints, variable: Ints, state: Ints
    ) -> tuple[Ints, Ints, Ints]:
        """Return the joint states before and after each event (events,), and those of the units at last (N,).

        Units that return in a state have left the one in which they were.
        """
        who, which, what, when = self.returns
        if not when.size:
            found: tuple[Ints, Ints, Ints] = trace_states(
                entry, unit, variable, state, self.joint.strides, self.joint.sizes
            )
            return found
        order = np.argsort(np.concatenate([time, when]), kind="stable")
        moves = (np.concatenate(pair)[order] for pair in ((unit, who), (variable, which), (state, what)))
        before, after, last = trace_states(entry, *moves, self.joint.strides, self.joint.sizes)
        kept = order < time.size
        return before[kept], after[kept], last

    def on_entry(self) -> NDArray[np.int32]:
        """Return the joint states on entry, after all that came before it (N,)."""
        who, which, what, when = self.returns
        enter, time = self.history.numbers.enter, self.told + self.late
        early, back = time <= enter[self.unit], when <= enter[who]
        order = np.argsort(np.concatenate([time[early], when[back]]), kind="stable")
        moves = (
            np.concatenate([one[early], other[back]])[order]
            for one, other in ((self.unit, who), (self.variable, which), (self.state, what))
        )
        found: Ints = trace_states(self.entry, *moves, self.joint.strides, self.joint.sizes)[2]
        return found


def describe_event(history: History, unit: str, time: float) -> str:
    """Return 'the event of UNIT on DATE' for messages."""
    when = history.to_date(float(time)) if history.dated else number_text(time)
    return f"the event of {unit!r} at {when}"
