"""Attribution in a terminal and as files: shares of causes and of sources."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from tocsin.errors import TocsinError, suggestion
from tocsin.show.table import console, frame_table
from tocsin.whole import write_whole

if TYPE_CHECKING:
    from tocsin.history import History


def write_attribution(attribution: Any, folder: Path) -> None:
    """Write causes.csv and sources.csv; raise TocsinError if the folder cannot be written."""
    for name in ("causes", "sources"):
        text = getattr(attribution, name).to_csv(index=False, lineterminator="\n")
        write_whole(folder / f"{name}.csv", text)


def print_attribution(attribution: Any, history: History, unit: str | None = None) -> None:
    """Print the shares of causes by transition and the strongest sources, or the events of one unit.

    Raises:
        TocsinError: there is no such unit.
    """
    causes, sources = attribution.causes, attribution.sources
    page = console()
    if unit is not None:
        units = list(history.numbers.units)
        if unit not in units:
            raise TocsinError(f"there is no unit {unit!r}" + suggestion(unit, units))
        _print_unit(causes, sources, history, unit)
        return
    total = causes.groupby(["transition", "cause"], sort=False, observed=True)["share"].agg(["sum", "mean"])
    table = total.reset_index().rename(columns={"sum": "events explained", "mean": "share of the transition"})
    page.print(frame_table(table, "What moved the hazard at the instant of each event, by cause"))
    if len(sources):
        strongest = sources.groupby(["source", "layer"], sort=False, observed=True)["share"].sum()
        top = strongest.sort_values(ascending=False, kind="stable").head(20).reset_index()
        page.print(
            frame_table(top.rename(columns={"share": "events explained"}), "The units that set off most")
        )
    page.print("A share is no but-for probability: without its cause an event might have come all the same.")


def _print_unit(causes: pd.DataFrame, sources: pd.DataFrame, history: History, unit: str) -> None:
    page = console()
    mine = causes[causes["unit"].astype(str) == unit]
    if not len(mine):
        page.print(f"{unit}: no event that the model explains", markup=False)
        return
    for event, rows in mine.groupby("event", sort=False):
        head = rows.iloc[0]
        when = history.to_date(float(head["time"])) if isinstance(head["time"], float) else head["time"]
        when = when.date() if isinstance(when, pd.Timestamp) else when
        page.print(
            frame_table(rows[["cause", "share"]], f"{when} {head['variable']}: {head['from']} > {head['to']}")
        )
        from_others = sources[sources["event"] == event] if len(sources) else sources
        if len(from_others):
            top = from_others.sort_values("share", ascending=False, kind="stable").head(8)
            page.print(frame_table(top[["source", "layer", "share"]], "from"))
