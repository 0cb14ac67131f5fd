"""The joint state of each unit before and after each of its events."""

from __future__ import annotations

import numpy as np

from tocsin.kernels.jit import cached


@cached(nogil=True)
def trace_states(initial, unit, variable, state, stride, size):
    """Follow the units through events in order.

    Parameters:
        initial: joint state of each unit to begin with (N,).
        unit, variable, state: of each event, in order (E,).
        stride, size: of each variable (V,).

    Returns:
        Joint states before and after each event (E,), and of each unit at the end (N,).
    """
    current = initial.copy()
    before = np.empty(unit.size, dtype=np.int32)
    after = np.empty(unit.size, dtype=np.int32)
    for event in range(unit.size):
        i, v = unit[event], variable[event]
        old = current[i]
        code = (old // stride[v]) % size[v]
        new = old + (state[event] - code) * stride[v]
        before[event] = old
        after[event] = new
        current[i] = new
    return before, after, current
