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
# what was in force before; everything else begins after its instant. RETURN says in which state an absent unit
# will enter again.
FORCE, EXIT, RETURN, ENTER, TIE, TOTAL, PIECE = range(7)

STRIDE, SIZE = 0, 1  # columns of `variable`

MOVES, TO = 0, 1  # columns of `transition`: the variable it moves, the state it enters

TRANSITION, LAYER, TARGET, SOURCE, TOTAL_OF, DECAYS, ROW, LEAD, SPAN, AGE, FIRST_CUT, LEVELS, LEVEL_ROWS = (
    range(13)
)  # columns of `cause`

NO_AGE, PIECES, LOG, PLAIN = range(
    4
)  # in AGE of `cause`; what counts unknown ages from entry adds FROM_ENTRY

FROM_ENTRY = 4

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
    presence: F8  # (2, N) first entry and last exit; breaks tell of absences between them
    unit_key: U8  # (N,)
    variable: I8  # (V, 2) stride and number of states
    held: I4  # (V, J) the state of each variable in each joint state
    transition: I4  # (K, 2) the variable it moves and the state it enters
    after: I4  # (K, J) joint state after the transition, -1 where the unit is not at risk
    matters: B1  # (K, J) whether a unit in this joint state may ever be at risk of the transition again
    allowed: B1  # (K, N) 0 where an intervention prevents the transition; (0, 0) where none does
    cause: I4  # (C, 13) transition, layer (-1: baseline), target and source design (-1: none), totals (-1: none),
    #            whether its memory decays, the matrix along whose rows it is sent (-1: tie by tie), the first
    #            of the causes that are sent together, with how many they are; and what it sees of the age of the
    #            unit's state: in which form, the first of its cuts, their number, and the rows of one level
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
    age_cuts: F8  # ages between pieces, cause by cause
    since: (
        F8  # (2, V, N) since when each state is held on entry (NaN: unknown), and the unit is seen; (2, 0, 0)
    )
    #            where no cause sees ages
    early: I4  # (entries before the unit's own, 3) cause, unit, row of the source design
    early_time: F8
    break_at: F8  # (2, B) time, and a value; sorted by time, then kind
    breaks: I8  # (B, 4) kind and what it changes
    inner: I4  # (H, 4) exposures inside exponents: layer, design of the mark (-1: none), totals (-1: none), first mark
    inner_counts: B1  # (H, J) whether a source in this joint state counts
    inner_mark: F8  # flat: the mark of each row of its design
    inner_first: I4  # (H + 1,) which causes hear of each, in `inner_cause`
    inner_cause: I4
    term_first: I4  # (C + 1,) the terms of each cause that follow exposures, in `term`
    term: I4  # (terms, 5) exposure, form, by how many columns a level moves the row, first of its cuts, and how many
    cut: F8  # flat: where levels begin


class Tables(NamedTuple):
    """What the parameters make of a layout."""

    values: F8  # exp(beta . x) of every target row, then exp(gamma . u) of every source row, cause by cause
    first: I8  # (2, C) where each cause's target rows, and its source rows, begin in `values`
    shape: F8  # (2, C) decay ln 2 / half-life (0 under `while`), and alpha
    bent: F8  # what multiplies each term that is a number following an exposure, in every target row, term by term
    bent_first: I8  # (terms,) where each begins in `bent`
    slope: F8  # coefficient of the age in the hazard of each target row, as `values`; (0,) where no age is a number
