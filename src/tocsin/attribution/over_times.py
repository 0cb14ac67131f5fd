"""Attribution where the times of some events are open: shares are means over draws of these times.

Under each draw of the times the events have an order and every source has its memory; the rows of all draws are put
together, and a source that cannot have been one under some times has a share of zero there.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from tocsin.attribution.attribution import bounds
from tocsin.attribution.make import attributed, event_table
from tocsin.attribution.shares import Shares, Splitter
from tocsin.fit.draws import DrawnParameters
from tocsin.program.spans.open_times import draws_of_times, placed

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from tocsin.attribution.attribution import Attribution
    from tocsin.program.program import Program

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]

TIMES = 25  # draws of the times

TABLES = ("causes", "sources", "parents")


def attributed_open(
    program: Program, vector: Floats, point: bool, drawn: DrawnParameters, level: float
) -> Attribution:
    """Return the tables of an attribution over open times; see `attributed`.

    Parameters:
        vector: the parameters under which the times are drawn (P,).
        point: whether shares are those at `vector`; else means over the draws of the parameters.
    """
    assert program.spans is not None
    count = min(TIMES, len(drawn.vectors)) if len(drawn.vectors) else TIMES
    told = draws_of_times(program, np.tile(vector, (count, 1)), 1917)
    base = _late(program, program.observer.told)
    place = np.full(program.observer.told.size, -1, dtype=np.int64)
    place[base] = np.arange(base.size)
    parts: list[Attribution] = []
    numbers: list[Ints] = []
    for k, times in enumerate(told):
        one = placed(program, times)
        assert one is not None  # drawn given the record
        own = replace(drawn, vectors=drawn.vectors[k::count])
        parts.append(attributed(Splitter(one, vector), vector[None] if point else None, own, level))
        numbers.append(place[_late(program, times)])
    senders = np.unique(
        np.concatenate([n[e] for p, n in zip(parts, numbers, strict=True) for e in p.entered.values()])
    )
    events = event_table(program, senders)
    tables, shares = [], []
    for kind in TABLES:
        table, share = _merged(kind, parts, numbers, events, len(drawn.vectors), level)
        tables.append(table)
        shares.append(share)
    entered = {
        name: np.unique(np.concatenate([n[p.entered[name]] for p, n in zip(parts, numbers, strict=True)]))
        for name in parts[0].entered
    }
    size = int((~program.spans.known).sum())
    what = "the time of 1 event is" if size == 1 else f"the times of {size} events are"
    note = f"{what} open: shares are means over {count} draws of them, given all that happened"
    return replace(
        parts[0],
        history=program.history,
        events=events,
        causes=tables[0],
        sources=tables[1],
        parents=tables[2],
        notes=(*drawn.notes, note),
        drawn=Shares(*shares) if len(drawn.vectors) else None,
        entered=entered,
        exposures=parts[0].exposures.head(0),
    )


def _late(program: Program, told: Floats) -> Ints:
    """Return which of the events that the model speaks of stands where in the trace, at given times."""
    seen = program.observer
    order = np.lexsort((np.arange(told.size), seen.unit, told))
    late = told[order] + seen.late > program.history.numbers.enter[seen.unit[order]]
    return np.asarray(order[late], dtype=np.int64)


def _merged(
    kind: str, parts: list[Attribution], numbers: list[Ints], events: pd.DataFrame, draws: int, level: float
) -> tuple[pd.DataFrame, NDArray[np.float32]]:
    """Return one table of all rows, and the shares of all draws (rows, D)."""
    import pandas as pd

    listed = []
    for k, (part, number) in enumerate(zip(parts, numbers, strict=True)):
        table = getattr(part, kind).copy()
        table["event"] = number[table["event"].to_numpy(dtype=np.int64)]
        if kind == "parents":
            known = table["source_event"].notna().to_numpy()
            source = np.full(len(table), -1, dtype=np.int64)
            source[known] = number[table["source_event"][known].to_numpy(dtype=np.int64)]
            table["source_event"] = source
        listed.append(table.assign(part=k, row=np.arange(len(table))))
    whole = pd.concat(listed, ignore_index=True)
    keys = [name for name in ("event", "cause", "source", "source_event", "source_state") if name in whole]
    if kind == "parents":  # an entry before the window is told by its time
        whole["before"] = whole["source_time"].where(whole["source_event"] < 0).fillna(-np.inf)
        keys.append("before")
    group = whole.groupby(keys, sort=True, dropna=False)
    index, first = group.ngroup().to_numpy(), group.head(1)
    result = first.assign(order=index[first.index]).sort_values("order").reset_index(drop=True)
    share = np.zeros(len(result))
    np.add.at(share, index, whole["share"].to_numpy() / len(parts))
    drawn = np.zeros((len(result), draws), dtype=np.float32)
    if draws:
        for k, part in enumerate(parts):
            mine = (whole["part"] == k).to_numpy()
            assert part.drawn is not None
            drawn[index[mine], k :: len(parts)] = getattr(part.drawn, kind)[whole["row"].to_numpy()[mine]]
    result["share"] = share
    at = result["event"].to_numpy()
    for name in ("time", "date"):
        if name in events:
            result[name] = events[name].to_numpy()[at]
    if kind == "parents":
        source = result["source_event"].to_numpy()
        known = source >= 0
        for name in ("time", "date"):
            if name in events:
                column = result[f"source_{name}"].to_numpy().copy()
                column[known] = events[name].to_numpy()[source[known]]
                result[f"source_{name}"] = column
        result["source_event"] = pd.array(source, dtype="Int64")
        result.loc[~known, "source_event"] = pd.NA
    result["lower"], result["upper"] = bounds(share, drawn if draws else None, level)
    extra = [name for name in ("part", "row", "before", "order") if name in result]
    return result.drop(columns=extra), drawn
