"""How the tables of pages about 1917 are printed, and put into their pages."""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
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


def tables_asked(parser: argparse.ArgumentParser, names: Sequence[str]) -> argparse.Namespace:
    """Return what a script of tables is asked: `tables` (all by default), `write` and `check`."""
    parser.add_argument("tables", nargs="*", metavar="TABLE", help=f"which ones, of {', '.join(names)}")
    parser.add_argument("--write", action="store_true", help="put the tables into the page")
    parser.add_argument("--check", action="store_true", help="exit 1 if the page holds other numbers")
    options = parser.parse_args()
    for name in options.tables:
        if name not in names:
            parser.error(f"there is no table {name!r}: {', '.join(names)}")
    options.tables = options.tables or list(names)
    return options


def serve_tables(page: Path, options: argparse.Namespace, make: Callable[[str], str]) -> int:
    """Print tables, put them into their page, or check that it holds them; return the exit status.

    Parameters:
        make: from the name of a table to its text.
    """
    texts = {}
    for name in options.tables:
        texts[name] = make(name)
        if not (options.write or options.check):
            sys.stdout.write(f"## {name}\n\n{texts[name]}\n")
            sys.stdout.flush()
    if not (options.write or options.check):
        return 0
    old = page.read_text(encoding="utf-8")
    new = filled(old, texts)
    if options.check:
        if new != old:
            sys.stderr.write(f"{page} holds other numbers: run this script with --write\n")
        return int(new != old)
    page.write_text(new, encoding="utf-8")
    return 0
