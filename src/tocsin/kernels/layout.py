"""The arrays that a program hands to the kernels. Every kernel reads the same layout, so a hazard is one thing.

Shapes: N units, K transitions, C causes, V variables, J joint states, D designs, L layers, P ties, B breaks.
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


class Layout(NamedTuple):
    """What a program is, apart from its parameters."""

    start: float
    end: float
    # units
    state: I4  # (N,) joint state on entry
    enter: F8  # (N,) present on (enter, exit]
    exit: F8  # (N,)
    unit_key: U8  # (N,)
    # variables and transitions
    stride: I8  # (V,)
    size: I8  # (V,)
    variable: I4  # (K,) the variable that a transition moves
    to: I4  # (K,) the state that it enters
    after: I4  # (K, J) joint state after the transition, -1 where the unit is not at risk
    allowed: B1  # (K, N) 0 where an intervention prevents the transition
    # causes
    transition: I4  # (C,)
    layer: I4  # (C,) -1 for a baseline
    target_design: I4  # (C,)
    source_design: I4  # (C,) -1 where all sources are alike
    counts: B1  # (C, J) whether a source in this joint state counts
    clause: B1  # (C, V) whether a variable stands in the clause `when`
    decays: B1  # (C,) 1 for half-life memory
    total: I4  # (C,) which total of tie weights normalises the exposure, -1 for none
    cause_key: U8  # (C,)
    # which causes listen to a variable: as a term or condition of the target, or of the source
    target_first: I4  # (V + 1,)
    target_causes: I4
    source_first: I4  # (V + 1,)
    source_causes: I4
    layer_first: I4  # (L + 1,)
    layer_causes: I4
    total_first: I4  # (totals + 1,)
    total_causes: I4
    design_first: I4  # (D + 1,) causes of which a design is the target's, then those of which it is the source's
    design_causes: I4
    design_role: B1  # 0 target, 1 source
    # designs
    rows: I4  # flat: row of design at offset + column; -1 where a covariate is missing
    offset: I8  # (D, N) offset of the piece in force when the unit enters
    columns: I4  # (D, J)
    # ties, by source and by target
    out_first: I8  # (L, N + 1)
    out_target: I4  # (P,)
    weight: F8  # (P,) in force when the window begins
    in_first: I8  # (L, N + 1)
    in_source: I4  # (P,)
    in_tie: I4  # (P,) position in out_target and weight
    totals: F8  # (totals, N) when the window begins
    # entries before the window: (cause, unit, time, row of the source design)
    early_cause: I4
    early_unit: I4
    early_time: F8
    early_row: I4
    # breaks, sorted by time, then kind
    break_time: F8
    break_kind: B1
    break_a: I4
    break_b: I4
    break_c: I8
    break_x: F8


class Tables(NamedTuple):
    """What the parameters make of a layout."""

    factor: F8  # exp(beta . x) of every target row, cause by cause
    factor_first: I8  # (C,)
    mark: F8  # exp(gamma . u) of every source row, cause by cause
    mark_first: I8  # (C,)
    decay: F8  # (C,) ln 2 / half-life, 0 under `while`
    power: F8  # (C,) alpha
