"""When a changed program first differs from what happened: until then its worlds need not be simulated."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tocsin.kernels.layout import FORCE, KIND, WHEN
from tocsin.kernels.past import DONE, first_unlike
from tocsin.kernels.slots import HAPPENED_KEPT
from tocsin.program.given import noted

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tocsin.kernels.layout import Layout, Tables
    from tocsin.kernels.slots import Past, Plan

CLOSE = 1e-12  # relative difference of two hazards that rounding may make
MORE = 1024  # changes of hazards for which there is room at first, beyond those of what happened


def parting(
    fact: tuple[Layout, Plan, Past],
    changed: tuple[Layout, Plan, NDArray[np.int32]],
    tables: Tables,
    event: NDArray[np.int32],
) -> float:
    """Return a time before which no hazard of a changed program differs from what it was.

    Given what happened, every world of it is the observed one until then; infinity where nothing ever differs.

    Parameters:
        fact: the layout of what happened, its clocks (one for each cause and tie), and its events with the
            changes of its hazards.
        changed: the layout that is simulated, its clocks (likewise) and which of them those of `fact` are; its
            breaks of kind FORCE are events that the record does not have.
        tables: its Tables.
        event: the observed events, those marked that are still followed.
    """
    (happened, _, past), (layout, clocks, to) = fact, changed
    if not (
        np.array_equal(layout.state, happened.state) and np.array_equal(layout.presence, happened.presence)
    ):
        return float(layout.window[0])
    forced = layout.break_at[WHEN, layout.breaks[:, KIND] == FORCE]
    dropped = past.time[event[:, HAPPENED_KEPT] == 0]
    limit = float(min(forced.min(initial=np.inf), dropped.min(initial=np.inf)))
    status, mine = noted(layout, tables, clocks, past, past.base.size + MORE, limit, False)
    if status[0] != DONE:
        limit = min(limit, status[3])
    theirs = (past.base_at[0], to[past.base], past.base_at[1])
    ours = (mine.base_at[0], mine.base, mine.base_at[1])
    return min(limit, float(first_unlike(theirs, ours, clocks.pair.size, CLOSE)))
