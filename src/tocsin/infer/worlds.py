"""Simulated worlds as programs, with their times as they were drawn, for their likelihoods and fits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from tocsin.ensemble.spells import codes_of
from tocsin.kernels.states import trace_states
from tocsin.kernels.sweep import EXPLAINED
from tocsin.program.grouped import is_grouped
from tocsin.program.program import Observed

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tocsin.ensemble import Ensemble
    from tocsin.program import Program


def complete(world: Program, transitions: Sequence[int] | None = None) -> bool:
    """Return whether every transition, or each of some, has an event in a world; else its fit would run away."""
    explained = world.trace.events[:, EXPLAINED]
    counts = np.bincount(explained[explained >= 0], minlength=len(world.model.transitions))
    return bool(counts.all() if transitions is None else counts[list(transitions)].all())


class Worlds:
    """The worlds of an ensemble as programs with other events: same units, ties, covariates and designs.

    Parameters:
        program: the program that was simulated, without interventions.
        ensemble: its worlds.
    """

    def __init__(self, program: Program, ensemble: Ensemble) -> None:
        self.program = program
        events = ensemble.events
        self.world = events["world"].to_numpy()
        self.time = events["time"].to_numpy()
        if is_grouped(program.history):  # an event stands at the end of its interval
            self.time = np.floor(self.time) + program.history.numbers.lag
        self.unit = codes_of(events["unit"], program.history.numbers.units)
        self.variable = codes_of(events["variable"], [v.name for v in program.model.variables])
        self.state = np.zeros(self.time.size, dtype=np.int32)
        for number, variable in enumerate(program.model.variables):
            mine = self.variable == number
            if mine.any():
                self.state[mine] = codes_of(events["to"], variable.states)[mine]
        self.first = np.searchsorted(self.world, np.arange(ensemble.worlds + 1))
        moving = np.array(
            [any(t.variable == v.name for t in program.model.transitions) for v in program.model.variables]
        )
        seen = program.observed
        self.given = np.flatnonzero(seen.early | ~moving[seen.variable])
        self.start = self._entry()
        explains = np.full((len(program.joint.names), *([int(program.joint.sizes.max())] * 2)), -1)
        for number, transition in enumerate(program.model.transitions):
            variable = program.model.by_name[transition.variable]
            for origin in transition.origin:
                place = program.joint.index(transition.variable)
                explains[place, variable.code(origin), variable.code(transition.to)] = number
        self.explains = explains

    def _entry(self) -> NDArray[np.int32]:
        """Return the joint states before any event, early ones included."""
        seen, state = self.program.observed, self.program.layout.state.copy()
        early = np.flatnonzero(seen.early)[::-1]  # backwards, so that the first one stands
        state[seen.unit[early]] = seen.before[early]
        return state

    def __len__(self) -> int:
        return self.first.size - 1

    def __getitem__(self, k: int) -> Program:
        """Return world `k` as a program."""
        program, seen, given = self.program, self.program.observed, self.given
        own = slice(self.first[k], self.first[k + 1])
        drawn = self.time[own]
        if is_grouped(program.history):  # an event is known by its interval, and stands at its end
            drawn = np.ceil(drawn)
        time = np.concatenate([seen.time[given], drawn])
        order = np.argsort(time, kind="stable")
        time = time[order]
        unit = np.concatenate([seen.unit[given], self.unit[own]])[order].astype(np.int32)
        variable = np.concatenate([seen.variable[given], self.variable[own]])[order].astype(np.int32)
        state = np.concatenate([seen.state[given], self.state[own]])[order].astype(np.int32)
        joint = program.joint
        before, after, _ = trace_states(self.start, unit, variable, state, joint.strides, joint.sizes)
        left = (before // joint.strides[variable]) % joint.sizes[variable]
        early = time <= program.history.numbers.enter[unit]
        transition = np.where(early, -1, self.explains[variable, left, state]).astype(np.int32)
        seen = Observed(time, unit, variable, state, before, after, transition, early)
        return replace(program, observed=seen, spans=None)
