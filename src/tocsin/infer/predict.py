"""Predictions with intervals: hazards at a moment, and probabilities of states over simulated worlds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from tocsin.errors import TocsinError, suggestion
from tocsin.kernels.sweep import AFTER, BEFORE, EXPLAINED, UNIT, VARIABLE, Trace
from tocsin.program.cause import CauseData

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from tocsin.infer.estimates import Fit
    from tocsin.program import Program

    Floats = NDArray[np.float64]


def _normal(level: float) -> float:
    from tocsin.infer.estimates import _quantile

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

    z, time = _normal(level), _moment(program, when)
    # Centred and scaled, nothing is lost to rounding; of what is not identified predictions are conditional on it.
    scaling, vector, vcov = fit.scaled
    program = program.on_scale(scaling)
    names, layout, trace = program.history.numbers.units, program.layout, program.trace
    before = trace.time < time
    state = layout.state.copy()
    state[trace.events[before, UNIT]] = trace.events[before, AFTER]  # in order, so the last one stands
    present = (layout.presence[0] < time) & (time <= layout.presence[1])
    rows = []
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
        value, slope = np.zeros(units.size), np.zeros((units.size, vector.size))
        for c in group:
            cause = CauseData(marked, c)
            _, elements = cause.events(vector, 1)
            here = elements.value[earlier:]
            value += here
            slope[:, cause.positions] += here[:, None] * elements.slope[earlier:]
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

    from tocsin.infer.worlds import Worlds

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
