"""Time at risk: how long units stood in which states, and how much of it was open to places that are not coded."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tocsin.model.declaration import Contagion
from tocsin.program.condition_until import states_at
from tocsin.wording.numbers import listed

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from tocsin.program.program import Program

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]


def exposure_table(program: Program) -> pd.DataFrame:
    """Return events and time at risk (units times units of the clock) of each transition."""
    import pandas as pd

    count, trace = program.opening.state.size, program.trace
    unit, state, begin, end = joint_spells(program)
    rows = []
    for number, transition in enumerate(program.model.transitions):
        at_risk = program.opening.after[number][state] >= 0
        time = np.bincount(unit[at_risk], (end - begin)[at_risk], minlength=count)
        events = int((trace.events[:, 4] == number).sum())
        rows.append((transition.name, events, float(time.sum()), int((time > 0).sum())))
    return pd.DataFrame(rows, columns=["transition", "events", "exposure", "units"])


def joint_spells(program: Program) -> tuple[Ints, Ints, Floats, Floats]:
    """Return every stretch of time of every unit in one joint state: unit, state, begin and end, absences left out."""
    layout, trace, away = program.opening, program.trace, program.history.numbers.absences
    count = layout.state.size
    begin = np.maximum(layout.presence[0], layout.window[0])
    # Every spell of every unit in one joint state: those that an event or an absence ends, and the last.
    left = [states_at(layout, trace, int(np.searchsorted(trace.time, a, "right")), a) for a in away.start]
    back = [states_at(layout, trace, int(np.searchsorted(trace.time, b, "right")), b) for b in away.end]
    gone = [
        (np.array([at[i] for at, i in zip(states, away.unit, strict=True)], int)) for states in (left, back)
    ]
    absent = np.full(away.unit.size, -1)
    unit = np.concatenate([trace.events[:, 0], away.unit, away.unit, np.arange(count)])
    state = np.concatenate([trace.events[:, 2], gone[0], absent, layout.state])
    after = np.concatenate([trace.events[:, 3], absent, gone[1], layout.state])
    end = np.concatenate([trace.time, away.start, away.end, np.maximum(layout.presence[1], begin)])
    order = np.lexsort((np.arange(end.size), end, unit))
    unit, state, end, after = unit[order], state[order], end[order], after[order]
    first = np.r_[True, unit[1:] != unit[:-1]]
    since = np.where(first, begin[unit], np.r_[0.0, end[:-1]])
    moved = np.flatnonzero(
        np.r_[first[1:], True] & ~first
    )  # the last spell is lived in the state entered before it
    state[moved] = after[moved - 1]
    kept = (state >= 0) & (end > since)
    return unit[kept], state[kept], since[kept], end[kept]


def of_unobserved(program: Program) -> list[str]:
    """Return warnings of contagion from places that are there but not coded: what they sent is unknown, not zero."""
    found: list[str] = []
    if not program.history.numbers.unobserved.unit.size:
        return found
    unit, state, begin, end = joint_spells(program)
    for number, transition in enumerate(program.model.transitions):
        at_risk = program.opening.after[number][state] >= 0
        spells = list(zip(unit[at_risk], begin[at_risk], end[at_risk], strict=True))
        whole = sum(b - a for _, a, b in spells)
        layers = [cause.layer for cause in transition.causes if isinstance(cause, Contagion)]
        for layer in dict.fromkeys(layers):
            touched, senders = _ties_of_unobserved(program, layer)
            time = sum(_overlap(touched, i, a, b) for i, a, b in spells)
            if time > 0.0:
                found.append(
                    f"{transition.name!r}: for {time / whole:.1%} of the time at risk a tie of {layer!r} led from a "
                    f"place that was there but is not coded ({listed(senders)}): what it may have sent is unknown "
                    "and counts as nothing, so that contagion along this layer may be estimated too high or too low"
                )
    return found


def _ties_of_unobserved(program: Program, layer: str) -> tuple[list[tuple[int, float, float]], list[str]]:
    """Return the stretches (target, begin, end) of ties in force from places that are not coded, and these places."""
    numbers = program.history.numbers
    ties, dark = numbers.ties[layer], numbers.unobserved
    touched, senders = [], set[str]()
    for j, start, finish in zip(dark.unit, dark.start, dark.end, strict=True):
        for tie in np.flatnonzero((ties.source == j) & (ties.start < finish) & (ties.end > start)):
            touched.append((int(ties.target[tie]), max(start, ties.start[tie]), min(finish, ties.end[tie])))
            senders.add(numbers.units[j])
    return touched, sorted(senders)


def _overlap(stretches: list[tuple[int, float, float]], unit: int, begin: float, end: float) -> float:
    """Return how much of a unit's time from begin to end lies in at least one of its stretches."""
    reach, found = begin, 0.0
    for _, a, b in sorted(each for each in stretches if each[0] == unit):
        a, b = max(a, reach), min(b, end)
        if b > a:
            found, reach = found + b - a, b
    return found
