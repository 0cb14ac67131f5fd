"""When a changed program first differs from what happened: until then its worlds need not be simulated."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tocsin.kernels.layout import FORCE, KIND, WHEN
from tocsin.kernels.past import DONE, record
from tocsin.kernels.slots import HAPPENED_KEPT
from tocsin.program.given import crowd_of, matched, plan_clocks

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tocsin.kernels.layout import Layout, Tables
    from tocsin.kernels.slots import Past, Plan

    Notes = tuple[NDArray[np.float64], NDArray[np.int32], NDArray[np.float64]]  # times, clocks, hazards

CLOSE = 1e-12  # relative difference of two hazards that rounding may make


def parting(
    fact: tuple[Layout, Plan, Past], layout: Layout, tables: Tables, event: NDArray[np.int32]
) -> float:
    """Return a time before which no hazard of a changed program differs from what it was.

    Given what happened, every world of it is the observed one until then; infinity where nothing ever differs.

    Parameters:
        fact: the layout of what happened, its clocks (one for each cause and tie), and its events with the
            changes of its hazards.
        layout, tables: what is simulated; its breaks of kind FORCE are events that the record does not have.
        event: the observed events, those marked that are still followed.
    """
    happened, plan, past = fact
    if not (
        np.array_equal(layout.state, happened.state) and np.array_equal(layout.presence, happened.presence)
    ):
        return float(layout.window[0])
    forced = layout.break_at[WHEN, layout.breaks[:, KIND] == FORCE]
    dropped = past.time[event[:, HAPPENED_KEPT] == 0]
    limit = float(min(forced.min(initial=np.inf), dropped.min(initial=np.inf)))
    clocks, crowd = plan_clocks(layout, True), crowd_of(past)
    noted, room = past.base.size + 1024, 0
    while noted > room:
        room = noted
        mine = past._replace(base_at=np.zeros((2, room)), base=np.zeros(room, dtype=np.int32))
        status, noted = record(layout, tables, clocks, mine, crowd, limit, False)
    if status[0] != DONE:
        limit = min(limit, status[3])
    to = matched(plan, clocks, layout.state.size)
    theirs = _last(past.base_at[0], to[past.base], past.base_at[1])
    ours = _last(mine.base_at[0, :noted], mine.base[:noted], mine.base_at[1, :noted])
    return min(limit, _differ(theirs, ours))


def _last(time: NDArray[np.float64], clock: NDArray[np.int32], hazard: NDArray[np.float64]) -> Notes:
    """Return the last note of each clock and time; of a clock that is no more, only that it had a hazard."""
    order = np.lexsort((clock, time))
    time, clock, hazard = time[order], clock[order], hazard[order]
    last = np.ones(time.size, dtype=bool)
    last[:-1] = (time[1:] != time[:-1]) | (clock[1:] != clock[:-1])
    last[clock < 0] = hazard[clock < 0] > 0.0
    return time[last], clock[last], hazard[last]


def _differ(theirs: Notes, ours: Notes) -> float:
    """Return the first time at which one has a note that the other has not."""
    time = np.concatenate([theirs[0], ours[0]])
    clock = np.concatenate([theirs[1], ours[1]])
    hazard = np.concatenate([theirs[2], ours[2]])
    order = np.lexsort((clock, time))
    time, clock, hazard = time[order], clock[order], hazard[order]
    same = (time[1:] == time[:-1]) & (clock[1:] == clock[:-1]) & (clock[1:] >= 0)
    same &= np.abs(hazard[1:] - hazard[:-1]) <= CLOSE * np.maximum(hazard[1:], hazard[:-1])
    paired = np.zeros(time.size, dtype=bool)
    paired[1:] |= same
    paired[:-1] |= same
    return float(time[~paired].min(initial=np.inf))
