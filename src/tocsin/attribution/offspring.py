"""Reproduction numbers: how many events each event set off, and how a wave's number changed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tocsin.attribution.attribution import bounds, periods
from tocsin.attribution.shares import gathered

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from tocsin.attribution.attribution import Attribution

    Ints = NDArray[np.int64]


def parent_nodes(attribution: Attribution) -> tuple[Ints, pd.DataFrame]:
    """Number the parents of an attribution: events by their own number, then states held on entry.

    Returns:
        The number of each row of `parents` (n,), and one row a held state: unit, state, time, [date].
    """
    parents = attribution.parents
    columns = [name for name in ("source", "source_state", "source_time", "source_date") if name in parents]
    node = parents["source_event"].fillna(-1).to_numpy(dtype=np.int64)
    held = np.flatnonzero(node < 0)
    frame = parents.iloc[held][columns]
    number = frame.groupby(columns, sort=True, dropna=False).ngroup().to_numpy(dtype=np.int64)
    order = np.argsort(number, kind="stable")
    first = order[np.unique(number[order], return_index=True)[1]] if held.size else order
    node[held] = len(attribution.events) + number
    table = frame.iloc[first].reset_index(drop=True)
    return node, table.rename(
        columns={name: name.removeprefix("source_") for name in columns} | {"source": "unit"}
    )


def _summed(attribution: Attribution, node: Ints, size: int) -> NDArray[np.float64]:
    share = attribution.parents["share"].to_numpy(dtype=float)
    return np.bincount(node, share, minlength=size).astype(float)


def offspring(attribution: Attribution) -> pd.DataFrame:
    """Return the expected offspring of every event and held state; see `Attribution.offspring`."""
    import pandas as pd

    node, held = parent_nodes(attribution)
    events = attribution.events
    size = len(events) + len(held)
    table = events.astype({"event": "Int64"})
    if len(held):
        rest = pd.DataFrame({"event": pd.array([pd.NA] * len(held), dtype="Int64")})
        for name in ("time", "date", "unit"):
            if name in events and name in held:
                rest[name] = held[name].to_numpy()
        # A clause of several variables has no single one.
        plain = ~held["state"].str.contains(" and ")
        rest["variable"] = held["state"].str.split("=").str[0].where(plain)
        rest["to"] = held["state"].str.split("=").str[1].where(plain, held["state"])
        rest["sends"] = True
        for name in ("from", "transition"):
            rest[name] = None
        rest = rest.reindex(columns=table.columns)
        table = pd.concat([table, rest], ignore_index=True) if len(table) else rest
    value = _summed(attribution, node, size)
    drawn = None if attribution.drawn is None else gathered(node, attribution.drawn.parents, size)
    lower, upper = bounds(value, drawn, attribution.level)
    return table.assign(offspring=value, lower=lower, upper=upper)


def reproduction(attribution: Attribution, period: str | float | None) -> pd.DataFrame:
    """Return the mean offspring of the source events of each period; see `Attribution.reproduction`."""
    import pandas as pd

    node, held = parent_nodes(attribution)
    events = attribution.events
    chosen = np.flatnonzero(events["sends"].to_numpy(dtype=bool))
    columns = ["period", "events", "offspring", "lower", "upper"]
    label = periods(attribution.history, events["time"].to_numpy(dtype=float)[chosen], period)
    names, number = np.unique(label, return_inverse=True)
    if not chosen.size:
        return pd.DataFrame(columns=columns)
    size = len(events) + len(held)
    value = _summed(attribution, node, size)[chosen]
    count = np.bincount(number)
    mean = np.asarray(np.bincount(number, value) / count, dtype=float)
    drawn = None
    if attribution.drawn is not None:
        own = gathered(node, attribution.drawn.parents, size)[chosen]
        drawn = gathered(number, own, names.size) / count[:, None]
    lower, upper = bounds(mean, drawn, attribution.level)
    return pd.DataFrame(dict(zip(columns, (names, count, mean, lower, upper), strict=True)))
