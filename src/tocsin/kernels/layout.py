"""The arrays that a program hands to the kernels; all read the same layout, so a hazard is one thing.

Shapes: N units, K transitions, C causes, V variables, J joint states, D designs, L layers, P ties, B breaks.
Fields of one kind stand in one array, because what a kernel is handed costs time whenever it is compiled.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

F8 = NDArray[np.float64]
I8 = NDArray[np.int64]
I4 = NDArray[np.int32]
U8 = NDArray[np.uint64]
B1 = NDArray[np.uint8]

# Kinds of break, in the order in which they are applied at one instant: what is forced is an event and sees
# what was in force before; everything else begins after its instant.
FORCE, EXIT, ENTER, TIE, TOTAL, PIECE = range(6)

STRIDE, SIZE = 0, 1  # columns of `variable`
MOVES, TO = 0, 1  # columns of `transition`: the variable it moves, the state it enters
TRANSITION, LAYER, TARGET, SOURCE, TOTAL_OF, DECAYS, ROW, LEAD, SPAN = range(9)  # columns of `cause`
TARGETS_HEAR, SOURCES_HEAR, OF_LAYER, OF_TOTAL, TARGET_DESIGNS, SOURCE_DESIGNS = range(6)  # rows of `listen`
OUT, IN = 0, 1  # rows of `tie_first`
OUT_TARGET, IN_SOURCE, IN_TIE = 0, 1, 2  # rows of `tie`
KIND, A, B, C = 0, 1, 2, 3  # columns of `breaks`
WHEN, VALUE = 0, 1  # rows of `break_at`


def room_of(units: int) -> int:
    """Return the room that a row has: whole steps of the widest processors, so that none is left over."""
    return -(-units // 8) * 8


class Layout(NamedTuple):
    """What a program is, apart from its parameters."""

    window: F8  # (2,) the window (start, end]
    state: I4  # (N,) joint state on entry
    presence: F8  # (2, N) present on (enter, exit]
    unit_key: U8  # (N,)
    variable: I8  # (V, 2) stride and number of states
    held: I4  # (V, J) the state of each variable in each joint state
    transition: I4  # (K, 2) the variable it moves and the state it enters
    after: I4  # (K, J) joint state after the transition, -1 where the unit is not at risk
    matters: B1  # (K, J) whether a unit in this joint state may ever be at risk of the transition again
    allowed: B1  # (K, N) 0 where an intervention prevents the transition; (0, 0) where none does
    cause: (
        I4  # (C, 9) transition, layer (-1: baseline), target and source design (-1: none), totals (-1: none),
    )
    #            whether its memory decays, the matrix along whose rows it is sent (-1: tie by tie), and the first
    #            of the causes that are sent together, with how many they are
    cause_key: U8  # (C,)
    counts: B1  # (C, J) whether a source in this joint state counts
    clause: B1  # (C, V) whether a variable stands in the clause `when`
    listen_first: (
        I4  # (6, x + 1) which causes listen to a variable (as targets, as sources), a layer, totals,
    )
    listen: I4  # or a design (as target's, as source's)
    rows: I4  # flat: row of design at offset + column; -1 where a covariate is missing
    offset: I8  # (D, N) offset of the piece in force when the unit enters
    columns: I4  # (D, J)
    same: I4  # (D,) the row of a design that has but one, for all units at all times, else -1
    tie_first: I8  # (2, L, N + 1) the ties of each layer and source, and of each layer and target
    tie: I4  # (3, P) target of each tie; by target, source and number of each tie (see `weight`)
    weight: (
        F8  # (P,) in force when the window begins; (1,), and no numbers in `tie`, where all are always alike
    )
    dense_of: I4  # (L,) position of the layer in `dense`, -1 where it is kept as ties alone
    dense: F8  # (2, N, dense layers * room of a row) weights of each source, and of each target, at first
    totals: F8  # (totals, N) that normalise exposures, when the window begins
    early: I4  # (entries before the unit's own, 3) cause, unit, row of the source design
    early_time: F8
    break_at: F8  # (2, B) time, and a value; sorted by time, then kind
    breaks: I8  # (B, 4) kind and what it changes


class Tables(NamedTuple):
    """What the parameters make of a layout."""

    values: F8  # exp(beta . x) of every target row, then exp(gamma . u) of every source row, cause by cause
    first: I8  # (2, C) where each cause's target rows, and its source rows, begin in `values`
    shape: F8  # (2, C) decay ln 2 / half-life (0 under `while`), and alpha
