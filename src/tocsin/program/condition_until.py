"""A program that opens at a date, with all that happened until then behind it.

What remembers is carried as entries from before a unit's own are: each with its time, and with the mark that
it had. So a world that goes on from a date is a world like any other.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tocsin.errors import ModelError
from tocsin.kernels.exposure_sweep import AFTER, BEFORE, UNIT, VARIABLE
from tocsin.kernels.layout import (
    DECAYS,
    FORCE,
    IN,
    KIND,
    OUT,
    PIECE,
    RETURN,
    SOURCE,
    STRIDE,
    TIE,
    TOTAL,
    VALUE,
    WHEN,
    A,
    B,
    C,
    Tables,
    room_of,
)
from tocsin.program.compile import entering
from tocsin.program.ties import led_breaks

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tocsin.kernels.exposure_sweep import Trace
    from tocsin.kernels.layout import Layout
    from tocsin.program.program import Program


def opened_at(program: Program, layout: Layout, changed: Tables, time: float) -> Layout:
    """Return a layout whose window begins at a time, after all that happened until then.

    Its entries have their marks behind the values of the changed tables: see `marks_of`.

    Parameters:
        program: what happened.
        layout, changed: what is to act from then on, and its tables, of whatever parameters.

    Raises:
        ModelError: an event is forced before that time.
    """
    _refuse_early(program, layout, time)
    trace = program.trace
    known = int(np.searchsorted(trace.time, time, side="right"))
    state = states_at(layout, trace, known, time)
    presence, away = layout.presence.copy(), program.history.numbers.absences
    now = (away.start <= time) & (time < away.end)
    presence[0, away.unit[now]] = away.end[now]  # who is absent then enters first on return
    since = layout.since.copy()
    if since.size:
        since[0, trace.events[:known, VARIABLE], trace.events[:known, UNIT]] = trace.time[:known]
        back = (layout.breaks[:, KIND] == RETURN) & (layout.break_at[WHEN] <= time)
        who, which = layout.breaks[back, A], layout.breaks[back, B]
        np.fmax.at(since[0], (which, who), layout.break_at[WHEN, back])
    weight, dense = layout.weight.copy(), layout.dense.copy()
    totals, offset = layout.totals.copy(), layout.offset.copy()
    acts = layout.break_at[WHEN] <= time
    kind, a, b, c = (layout.breaks[:, column] for column in (KIND, A, B, C))
    value = layout.break_at[VALUE]
    ties, sums, pieces = (np.flatnonzero(acts & (kind == which)) for which in (TIE, TOTAL, PIECE))
    weight[c[ties]] = value[ties]  # in order, so the last one stands
    layer = layout.dense_of[np.searchsorted(layout.tie_first[0, :, -1], c[ties], side="right")]
    ties, layer = ties[layer >= 0], layer[layer >= 0]
    first = layer * room_of(state.size)
    dense[OUT, a[ties], first + b[ties]] = value[ties]
    dense[IN, b[ties], first + a[ties]] = value[ties]
    totals[a[sums], b[sums]] = value[sums]
    offset[a[pieces], b[pieces]] = c[pieces]
    keeps = ~acts | ((kind == FORCE) & (layout.break_at[WHEN] == time) & (value > 0.0))
    early, early_time, marked = _entries(program, known)
    if time == layout.window[0]:
        early, early_time = layout.early, layout.early_time
    else:
        where = np.flatnonzero(marked)
        early[where, 2] = changed.values.size + np.arange(where.size) - changed.first[1, early[where, 0]]
    return layout._replace(
        window=np.array([time, layout.window[1]]),
        state=state,
        presence=presence,
        weight=weight,
        dense=dense,
        totals=totals,
        since=since,
        offset=offset,
        early=early,
        early_time=early_time,
        break_at=np.ascontiguousarray(layout.break_at[:, keeps]),
        breaks=np.ascontiguousarray(layout.breaks[keeps]),
    )


def states_at(layout: Layout, trace: Trace, known: int, time: float) -> NDArray[np.int32]:
    """Return the joint states of all units at a time, after the first `known` events (N,)."""
    state, unit = layout.state.copy(), trace.events[:known, UNIT]
    state[unit] = trace.events[:known, AFTER]  # in order, so the last one stands
    last = np.full(state.size, -np.inf)
    last[unit] = trace.time[:known]
    # Who returned in a state since its last event holds that.
    returns = (layout.breaks[:, KIND] == RETURN) & (layout.break_at[WHEN] <= time)
    for number in np.flatnonzero(returns):
        unit, variable, new = layout.breaks[number, [A, B, C]]
        if layout.break_at[WHEN, number] > last[unit]:
            state[unit] += (new - layout.held[variable, state[unit]]) * layout.variable[variable, STRIDE]
    return state


def marks_of(program: Program, time: float) -> NDArray[np.int64]:
    """Return where the marks of the entries of `opened_at` stand among the values of what happened."""
    if time == program.layout.window[0]:
        return np.empty(0, dtype=np.int64)
    known = int(np.searchsorted(program.trace.time, time, side="right"))
    early, _, marked = _entries(program, known)
    first = program.tables(np.zeros(len(program.parameter_names))).first
    return np.asarray(first[1, early[marked, 0]] + early[marked, 2], dtype=np.int64)


def followed_until(fact: Layout, changed: Layout, time: float) -> Layout:
    """Return a changed layout in which what follows the record follows it unchanged until a time.

    Parameters:
        fact: the layout of what happened; changed: that of what is simulated.
    """
    mine = np.flatnonzero((fact.breaks[:, KIND] == FORCE) & (fact.break_at[WHEN] <= time))
    rest = np.flatnonzero(~led_breaks(changed) | (changed.break_at[WHEN] > time))
    return changed._replace(
        break_at=np.concatenate([fact.break_at[:, mine], changed.break_at[:, rest]], axis=1),
        breaks=np.concatenate([fact.breaks[mine], changed.breaks[rest]]),
    )


def _refuse_early(program: Program, layout: Layout, time: float) -> None:
    """Refuse what is forced before the date from which worlds are open."""
    names, joint = program.history.numbers.units, program.joint
    shown = (layout.breaks[:, KIND] == FORCE) & (layout.break_at[VALUE] > 0.0)
    for number in np.flatnonzero(shown & (layout.break_at[WHEN] < time)):
        unit = names[layout.breaks[number, A]]
        variable = joint.names[int(layout.breaks[number, B])]
        when = program.when(layout.break_at[WHEN, number])
        raise ModelError(
            f"{variable!r} of {unit!r} cannot be forced at {when}: worlds are given what happened until "
            f"{program.when(program.shown_time(time))}, and changes act from then on"
        )
    entered = np.flatnonzero((layout.state != program.layout.state) & (layout.presence[0] < time))
    if entered.size:
        raise ModelError(
            f"the state of {names[int(entered[0])]!r} cannot be forced on entry: worlds are given what "
            f"happened until {program.when(program.shown_time(time))}, and changes act from then on"
        )


def _entries(
    program: Program, known: int
) -> tuple[NDArray[np.int32], NDArray[np.float64], NDArray[np.bool_]]:
    """Return the entries that half-life memory carries beyond the first `known` events.

    Returns:
        Cause, unit and row of the source design (entries, 3), times (entries,), and whether the entry has a mark,
        which the row names.
    """
    layout, trace = program.layout, program.trace
    events = trace.events[:known]
    rows, times, marked = [], [], []
    for c in np.flatnonzero(layout.cause[:, DECAYS]):
        old, new = events[:, BEFORE], events[:, AFTER]
        entered = entering(layout.counts[c], layout.clause[c], old, new, events[:, VARIABLE])
        own = layout.early[:, 0] == c
        found = [(int(unit), float(time), int(row)) for (_, unit, row), time in
                 zip(layout.early[own], layout.early_time[own], strict=True)]  # fmt: skip
        design = int(layout.cause[c, SOURCE])
        for x in np.flatnonzero(entered):
            unit, row = int(events[x, UNIT]), 0
            if design >= 0:
                row = _row(program, design, unit, float(trace.time[x]), int(new[x]))
            found.append((unit, float(trace.time[x]), row))
        for unit, time, row in found:
            marked.append(design >= 0 and row >= 0)
            rows.append((int(c), unit, row))
            times.append(time)
    return (
        np.array(rows, dtype=np.int32).reshape(-1, 3),
        np.array(times, dtype=np.float64),
        np.array(marked, dtype=np.bool_),
    )


def _row(program: Program, design: int, unit: int, time: float, state: int) -> int:
    """Return the row of a design for a unit in a joint state, just before a time."""
    made = program.designs[design]
    own = slice(int(made.first[unit]), int(made.first[unit + 1]))
    piece = own.start + max(int(np.searchsorted(made.starts[own], time, side="left")) - 1, 0)
    return int(made.rows[piece, made.columns[state]])
