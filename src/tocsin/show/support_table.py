"""A plan for scarce support in a terminal: the plan, what else was tried, and what neither can say."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
from rich.console import Group
from rich.text import Text

from tocsin.csvtext import write_tables
from tocsin.results import SUPPORT
from tocsin.show.table import frame_table

if TYPE_CHECKING:
    from tocsin.infer.allocation import Allocation


def plan_table(allocation: Allocation) -> pd.DataFrame:
    """Return the plan as it is read: place, days, weight, and the gain with its interval."""
    plan = allocation.plan
    table = pd.DataFrame({"place": plan["place"]})
    if "weight" in plan:
        table["from"], table["to"] = (_days(plan[column]) for column in ("start", "end"))
        table["weight"] = plan["weight"]
    table["gain, on top of those above"] = [
        _range(*row) for row in plan[["gain", "lower", "upper"]].to_numpy()
    ]
    return table


def compared_table(allocation: Allocation) -> pd.DataFrame:
    """Return the comparison as it is read: budget, outcome, gain over nothing, and how far behind the plan."""
    compared = allocation.compared
    table = compared[["allocation", "budget", "outcome"]].copy()
    table["gain over nothing"] = [_range(*row) for row in compared[["gain", "lower", "upper"]].to_numpy()]
    table["worlds changed, of 100"] = [f"{100 * share:.1f}" for share in compared["worlds_changed"]]
    behind = compared[["behind_plan", "behind_lower", "behind_upper"]].to_numpy()
    table["behind the plan"] = [
        "" if name == "plan" else _range(*row)
        for name, row in zip(compared["allocation"], behind, strict=True)
    ]
    return table


def support_page(allocation: Allocation) -> Group:
    """Return the whole answer for a terminal."""
    parts = [
        frame_table(plan_table(allocation), f"Where it does most: {allocation.outcome}")
        if len(allocation.plan)
        else Text("No candidate gains anything in the worlds of the search: the plan is to spend nothing."),
        frame_table(compared_table(allocation), f"Beside other ways, in {allocation.fresh:,} fresh worlds"),
    ]
    return Group(*parts, *(Text(note) for note in allocation.notes()))


def write_plan(allocation: Allocation, folder: Path) -> None:
    """Write plan.csv and compared.csv; raise TocsinError if the folder cannot be written."""
    write_tables(folder, SUPPORT, {"plan": allocation.plan, "compared": allocation.compared})


def _range(middle: float, low: float, high: float) -> str:
    return f"{figure(middle)} ({figure(low)} to {figure(high)})"


def figure(value: float) -> str:
    """Return a number in three figures, and a large one whole."""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def _days(column: pd.Series[Any]) -> list[str]:
    return [f"{cell:g}" if isinstance(cell, float) else str(cell)[:10] for cell in column]
