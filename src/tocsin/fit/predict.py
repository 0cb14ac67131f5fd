"""Predictions with intervals: hazards at a moment, and probabilities of states over simulated worlds."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from tocsin.ensemble.spells import codes_of
from tocsin.errors import TocsinError, suggestion
from tocsin.kernels.exposure_sweep import AFTER, BEFORE, EXPLAINED, UNIT, VARIABLE, Trace
from tocsin.model.declaration import BAR, Contagion
from tocsin.program.cause import CauseData
from tocsin.program.condition_until import states_at
from tocsin.program.grouped import is_grouped
from tocsin.program.joint_states import Observer
from tocsin.program.program import Observed
from tocsin.program.spans.open_times import say_middle

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from tocsin.ensemble.ensemble import Ensemble
    from tocsin.fit.estimates import Fit
    from tocsin.program.program import Program

    Floats = NDArray[np.float64]


def _normal(level: float) -> float:
    from tocsin.fit.estimates import _quantile

    return _quantile(level)


def _moment(program: Program, when: object) -> float:
    start, end = program.layout.window
    time = program.history.to_number(when)
    if not start <= time <= end:
        raise TocsinError(f"{when!r} lies outside the window of {program.history.name!r}")
    return float(time)


def hazards(fit: Fit, program: Program, when: object, level: float) -> pd.DataFrame:
    """Return the hazard of each unit and transition just before a moment; see `Fit.hazards`."""
    import pandas as pd

    z = _normal(level)
    names, vcov = program.history.numbers.units, fit.scaled[2]
    rows = []
    for number, units, causes in _at(fit, program, _moment(program, when)):
        value = sum((here for _, here, _ in causes), np.zeros(units.size))
        slope = sum((each for _, _, each in causes), np.zeros((units.size, len(vcov))))
        se = np.sqrt(np.maximum(np.einsum("np,pq,nq->n", slope, vcov, slope), 0.0))
        spread = np.exp(z * np.divide(se, value, out=np.zeros_like(se), where=value > 0))
        for i, unit in enumerate(units):
            rows.append(
                (
                    names[unit],
                    program.model.transitions[number].name,
                    value[i],
                    se[i],
                    value[i] / spread[i],
                    value[i] * spread[i],
                )
            )
    return pd.DataFrame(rows, columns=["unit", "transition", "hazard", "se", "lower", "upper"])


def hazards_of_causes(fit: Fit, program: Program, time: float) -> pd.DataFrame:
    """Return what each cause adds to the hazard of each unit just before a clock number.

    Returns:
        One row a unit at risk, transition and cause: unit, transition, cause, hazard.
    """
    import pandas as pd

    names, model = program.history.numbers.units, program.model
    rows = [
        (names[unit], model.transitions[number].name, cause, float(here[i]))
        for number, units, causes in _at(fit, program, time)
        for cause, here, _ in causes
        for i, unit in enumerate(units)
    ]
    return pd.DataFrame(rows, columns=["unit", "transition", "cause", "hazard"])


def _at(
    fit: Fit, program: Program, time: float
) -> Iterator[tuple[int, NDArray[np.int64], list[tuple[str, Floats, Floats]]]]:
    """Give for each transition the units at risk at a moment, and for each cause its hazard (units,) and slope."""
    say_middle(program, "hazards")
    # Centred and scaled, nothing is lost to rounding; of what is not identified predictions are conditional on it.
    scaling, vector, _ = fit.scaled
    program = program.on_scale(scaling)
    layout, trace = program.layout, program.trace
    before = trace.time < time
    state = states_at(layout, trace, int(before.sum()), time)
    present = (layout.presence[0] < time) & (time <= layout.presence[1])
    present &= ~program.history.numbers.absences.cover(np.arange(present.size), np.array(time))
    for number, group in enumerate(program.likelihood.groups):
        units = np.flatnonzero(present & (layout.after[number][state] >= 0))
        if not units.size:
            continue
        # Mark the moment by an event of each unit at risk that changes nothing, and read what it sees.
        marks = np.zeros((units.size, 5), dtype=np.int32)
        marks[:, UNIT], marks[:, EXPLAINED] = units, number
        marks[:, VARIABLE] = layout.transition[number, 0]
        marks[:, BEFORE] = marks[:, AFTER] = state[units]
        marked = replace(program)
        marked.__dict__["trace"] = Trace(
            np.concatenate([trace.time[before], np.full(units.size, time)]),
            np.concatenate([trace.events[before], marks]),
        )
        earlier = int((trace.events[before, EXPLAINED] == number).sum())
        causes = []
        for c in group:
            cause, slope = CauseData(marked, c), np.zeros((units.size, vector.size))
            _, elements = cause.events(vector, 1)
            here = elements.value[earlier:]
            slope[:, cause.positions] = here[:, None] * elements.slope[earlier:]
            causes.append((program.slots[c].cause, here, slope))
        yield number, units, causes


def probabilities(
    fit: Fit,
    program: Program,
    variable: str,
    state: str,
    when: Sequence[object] | object | None,
    worlds: int,
    seed: int,
    level: float,
) -> pd.DataFrame:
    """Return the probability that each unit is in a state, with delta-method intervals; see
    `Fit.probabilities`."""
    import pandas as pd

    z = _normal(level)
    moving = [transition.variable for transition in program.model.transitions]
    if variable not in moving:
        raise TocsinError(f"no transition of the model moves {variable!r}" + suggestion(variable, moving))
    code = program.model.by_name[variable].code(state)
    if when is None:
        times = [program.layout.window[1]]
    else:
        listed = [when] if isinstance(when, str) or not isinstance(when, Sequence) else list(when)
        times = [_moment(program, each) for each in listed]
    ensemble = program.simulate(program.pack(fit.values), worlds, seed)
    scaling, vector, vcov = fit.scaled
    program = program.on_scale(scaling)
    drawn = Worlds(program, ensemble)
    scores = np.array([drawn[k].likelihood.gradient(vector) for k in range(worlds)])
    scores -= scores.mean(axis=0)  # their mean is zero but for chance
    place, names = program.joint.index(variable), program.history.numbers.units
    mine = np.flatnonzero(drawn.variable == place)
    first = (program.layout.state // program.joint.strides[place]) % program.joint.sizes[place] == code
    frames = []
    for time in times:
        inside = np.tile(first, (worlds, 1))
        seen = mine[drawn.time[mine] <= time]
        inside[drawn.world[seen], drawn.unit[seen]] = drawn.state[seen] == code  # the last one stands
        share = inside.mean(axis=0)
        slope = inside.T @ scores / worlds
        variance = np.einsum("np,pq,nq->n", slope, vcov, slope) + share * (1 - share) / worlds
        se = np.sqrt(np.maximum(variance, 0.0))
        clipped = np.clip(share, 0.5 / worlds, 1 - 0.5 / worlds)
        logit, width = np.log(clipped / (1 - clipped)), z * se / (clipped * (1 - clipped))
        frames.append(
            pd.DataFrame(
                {
                    "unit": names,
                    "time": program.history.to_date(float(time)) if program.history.dated else time,
                    "probability": share,
                    "se": se,
                    "lower": np.where(se > 0, 1 / (1 + np.exp(-(logit - width))), share),
                    "upper": np.where(se > 0, 1 / (1 + np.exp(-(logit + width))), share),
                }
            )
        )
    return pd.concat(frames, ignore_index=True)


# --- Simulated worlds as programs, with their times as they were drawn, for their likelihoods and
#     fits


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
        self.observer = Observer(program.model, program.history, program.joint, program.layout.after)
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
        before, after, _ = self.observer.follow(self.start, time, unit, variable, state)
        left = (before // joint.strides[variable]) % joint.sizes[variable]
        early = time <= program.history.numbers.enter[unit]
        transition = np.where(early, -1, self.explains[variable, left, state]).astype(np.int32)
        seen = Observed(time, unit, variable, state, before, after, transition, early)
        return replace(program, observed=seen, spans=None)


# --- Branching: how many events one event sets off, for causes whose memory fades


def branching(fit: Fit, level: float) -> pd.DataFrame:
    """Return the branching mass of each half-life cause, with intervals; see `Fit.branching`."""
    import pandas as pd
    from scipy.special import ndtri

    z = float(ndtri(0.5 + level / 2))
    rows, names = [], list(fit.values)
    for transition in fit.model.transitions:
        for cause in transition.causes:
            head = f"{transition.name}{BAR}{cause.name}{BAR}"
            strength = f"{head}susceptibility{BAR}1"
            if not isinstance(cause, Contagion) or cause.half_life is None or strength not in fit.values:
                continue
            memory, response = f"{head}memory{BAR}half_life", f"{head}response{BAR}alpha"
            used = [(strength, 1.0)]
            log_half_life = math.log(cause.half_life) if cause.half_life != "estimate" else fit.values[memory]
            shift = log_half_life - math.log(math.log(2.0))
            if cause.half_life == "estimate":
                used.append((memory, 1.0))
            if cause.response == "power":
                used.append((response, -1.0))
                shift -= fit.values[response]
            log_mass = fit.values[strength] + shift
            weight = np.zeros(len(names))
            for name, sign in used:
                weight[names.index(name)] = sign
            at = np.flatnonzero(weight)
            se = math.sqrt(float(weight[at] @ fit._vcov[np.ix_(at, at)] @ weight[at]))
            lower, upper = log_mass - z * se, log_mass + z * se
            held = fit._status[strength] == "fixed"
            ends = (fit.values[strength],) * 2 if held else fit._profile_ends(strength, level)
            if len(used) == 1:  # a multiple of the strength has a multiple of its interval
                lower, upper = (end + shift for end in ends)
            elif math.isinf(ends[0]):
                lower = -math.inf
            rows.append(
                (
                    transition.name,
                    cause.name,
                    *(math.exp(x) for x in (fit.values[strength], log_half_life, log_mass, lower, upper)),
                )
            )
    columns = ["transition", "cause", "strength", "half_life", "mass", "lower", "upper"]
    return pd.DataFrame(rows, columns=columns)
