"""What happened as an ensemble of one world, so that the record answers the same questions as the worlds."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from tocsin.ensemble.ensemble import Ensemble
from tocsin.ensemble.frame import frame_of

if TYPE_CHECKING:
    from tocsin.history import History
    from tocsin.model import Model


def observed_world(history: History, model: Model | None = None) -> Ensemble:
    """Return the observed events within presence as an ensemble of one world; their cause is missing.

    Parameters:
        history: what happened.
        model: the model whose variables name the states (see `frame_of`).
    """
    frame = frame_of(history, model)
    numbers = history.numbers
    inside = ~numbers.early & (numbers.event_time <= numbers.exit[numbers.event_unit])
    unit, variable = numbers.event_unit[inside], numbers.event_variable[inside]
    entered = [
        history.variables[v].states[s] for v, s in zip(variable, numbers.event_state[inside], strict=True)
    ]
    held = {name: codes.copy() for name, codes in frame.initial.items()}
    left = []
    for u, v, state in zip(unit, variable, entered, strict=True):
        each = frame.variables[v]
        left.append(each.states[held[each.name][u]])
        held[each.name][u] = each.code(state)

    def column(values: list[str]) -> pa.Array:
        return pa.array(values, type=pa.string()).dictionary_encode()

    time = numbers.event_time[inside]
    content = {"world": pa.array(np.zeros(len(time), dtype=np.int64)), "time": pa.array(time)}
    if frame.dated:
        content["date"] = pa.array(frame.to_dates(time).astype("datetime64[D]"), type=pa.date32())
    content["unit"] = column([frame.units[code] for code in unit])
    content["variable"] = column([frame.variables[code].name for code in variable])
    content["from"] = column(left)
    content["to"] = column(entered)
    content["cause"] = pa.array([None] * len(time), type=pa.string()).dictionary_encode()
    content["source"] = pa.array([None] * len(time), type=pa.string()).dictionary_encode()
    # Nothing follows the record here: the record itself is the world.
    return Ensemble(pa.table(content), 1, 0, frame.without_followed(), history=history)
