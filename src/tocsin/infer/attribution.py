"""Attribution: which cause and which source moved the hazard at the instant of each event."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from tocsin.kernels.sweep import AFTER, BEFORE, EXPLAINED, UNIT, VARIABLE
from tocsin.model.declaration import Contagion

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from tocsin.program import Program


@dataclass(frozen=True, eq=False)
class Attribution:
    """Shares of causes and sources in the hazard of every explained event.

    Attributes:
        causes: one row an event and cause: event, time, [date], unit, variable, from, to, transition, cause,
            layer (missing for a baseline), share. The shares of one event sum to one.
        sources: one row an event, contagion cause and source, with the source's own share.
        proportional: whether all splits among sources are exact; False where a response alpha differs from 1,
            whose exposure is split by the sources' shares of it.
    """

    causes: pd.DataFrame
    sources: pd.DataFrame
    proportional: bool

    def total(self) -> pd.DataFrame:
        """Return events and summed shares by transition and cause."""
        table = self.causes.groupby(["transition", "cause"], sort=False)["share"].agg(["sum", "count"])
        table.columns = ["events explained", "events"]
        table["share"] = table["events explained"] / table["events"]
        return table.reset_index()

    def _repr_html_(self) -> str:
        return str(self.total().to_html(index=False, float_format="{:.3f}".format))


def attribute(program: Program, vector: NDArray[np.float64]) -> Attribution:
    """Return the attribution of every explained event at given parameters; see `Given.attribute`."""
    import pandas as pd

    trace, likelihood = program.trace, program.likelihood
    causes, sources = [], []
    for group in likelihood.groups:
        hazards = []
        event = np.empty(0, dtype=np.int64)
        for number in group:
            event, elements = likelihood.causes[number].events(vector, 0)
            hazards.append(elements.value)
        total = np.sum(hazards, axis=0)
        for number, hazard in zip(group, hazards, strict=True):
            share = np.divide(hazard, total, out=np.zeros_like(hazard), where=total > 0)
            causes.append(_frame(program, event, number, share))
            if isinstance(program.causes[number][1], Contagion):
                sources.append(_source_frame(program, vector, number, event, share))
    columns = _frame(program, np.empty(0, dtype=np.int64), 0, np.empty(0)).columns
    listed = pd.concat(causes, ignore_index=True).sort_values(["event", "cause"], kind="stable")
    empty = pd.DataFrame(columns=[*columns, "source"])
    chosen = pd.concat(sources, ignore_index=True) if sources else empty
    exact = all(slots.alpha < 0 or vector[slots.alpha] == 0.0 for slots in program.slots)
    return Attribution(
        listed.reset_index(drop=True),
        chosen.sort_values(["event", "cause", "source"], kind="stable").reset_index(drop=True),
        exact and bool(len(trace.time) >= 0),
    )


def _frame(
    program: Program, event: NDArray[np.int64], number: int, share: NDArray[np.float64]
) -> pd.DataFrame:
    import pandas as pd

    trace, numbers, joint = program.trace, program.history.numbers, program.joint
    rows = trace.events[event]
    transition, cause = program.causes[number]
    left, entered = [], []
    for row in rows:
        variable = program.model.variables[row[VARIABLE]]
        stride = joint.strides[row[VARIABLE]]
        left.append(variable.states[(row[BEFORE] // stride) % len(variable.states)])
        entered.append(variable.states[(row[AFTER] // stride) % len(variable.states)])
    columns: dict[str, object] = {"event": event, "time": trace.time[event]}
    if program.history.dated:
        columns["date"] = pd.to_datetime(program.history.to_date(trace.time[event]))
    columns |= {
        "unit": [numbers.units[row[UNIT]] for row in rows],
        "variable": [program.model.variables[row[VARIABLE]].name for row in rows],
        "from": left,
        "to": entered,
        "transition": [program.model.transitions[row[EXPLAINED]].name for row in rows],
        "cause": cause.name,
        "layer": cause.layer if isinstance(cause, Contagion) else None,
        "share": share,
    }
    del transition
    return pd.DataFrame(columns)


def _source_frame(
    program: Program,
    vector: NDArray[np.float64],
    number: int,
    event: NDArray[np.int64],
    share: NDArray[np.float64],
) -> pd.DataFrame:
    cause = program.likelihood.causes[number]
    decay, _ = cause.shape(vector)
    swept = cause.swept(decay, keep=True)
    gamma = vector[cause.slots.source.start : cause.slots.source.stop]
    sent = swept.source_sent @ np.exp(cause.marks @ gamma)
    whole = np.bincount(swept.source_event, sent, minlength=event.size)
    position = swept.source_event
    part = share[position] * np.divide(
        sent, whole[position], out=np.zeros_like(sent), where=whole[position] > 0
    )
    frame = _frame(program, event[position], number, part)
    frame["source"] = [program.history.numbers.units[j] for j in swept.source_unit]
    return frame
