"""How the tables of pages about 1917 are printed, and put into their pages."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

import pandas as pd

import tocsin as tc


def table(head: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """Return a table in Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines) + "\n"


def number(value: float, digits: int = 2) -> str:
    """Return a number as it is printed; minus infinity, the logarithm of nothing, as `none`."""
    if value == -math.inf:
        return "none"
    text = f"{value:.{digits}f}"
    return text.lstrip("-") if float(text) == 0 else text


def interval(lower: float, upper: float, digits: int = 2) -> str:
    """Return an interval as it is printed."""
    return f"{number(lower, digits)} to {number(upper, digits)}"


def range_of(values: pd.Series[Any], level: float) -> str:
    """Return the central interval of counts over worlds; each end is a number that some world reaches."""
    ends = values.quantile([(1 - level) / 2, (1 + level) / 2], interpolation="nearest")
    return " to ".join(str(int(end)) for end in ends)


def entered(history: tc.History) -> pd.DataFrame:
    """Return the observed events into the second state of each variable."""
    events = history.events
    return events[events["state"].isin([variable.states[1] for variable in history.variables])]


def filled(page: str, texts: dict[str, str]) -> str:
    """Return the page with each text between its two marks; raise ValueError where a mark is missing."""
    for name, text in texts.items():
        begin, end = f"<!-- {name} -->\n", f"<!-- end of {name} -->\n"
        before, mark, rest = page.partition(begin)
        _, close, after = rest.partition(end)
        if not mark or not close:
            raise ValueError(f"the page has no place for {name}")
        page = f"{before}{begin}{text}{end}{after}"
    return page
