"""The table that ends a replay in a terminal, and the shorter ones of fit and attribute."""

from __future__ import annotations

import errno
import os
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from textwrap import wrap
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd
from rich.box import SIMPLE_HEAD
from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.measure import Measurement
from rich.segment import Segment
from rich.table import Table
from rich.text import Text

from tocsin.check.verdict import as_record
from tocsin.errors import printable
from tocsin.files.csv_for_people import write_tables
from tocsin.files.results import CHECK
from tocsin.machine.refusals import OutputError
from tocsin.report.findings import answer, happened
from tocsin.wording.numbers import counted, hundred, length, noun, number, short, signed

if TYPE_CHECKING:
    from tocsin.check.rival_explanations import Check
    from tocsin.ensemble.comparison import Comparison
    from tocsin.fit.estimates import Fit


FOLDED = 24  # characters beyond which a cell may be broken


class Narrowing:
    """A table that leaves out columns, the least important first, where a terminal is too narrow for all of them.

    Parameters:
        title: stands above it.
        heads: names of the columns, the most important first unless `last` says otherwise; words of a long one stand
            below each other.
        rows: cells as text.
        right: places of the columns that stand to the right.
        last: columns by place, in the order in which they go; by default from the right. The first never goes.
    """

    def __init__(
        self,
        title: str,
        heads: Sequence[str],
        rows: Sequence[Sequence[str]],
        right: Collection[int] = (),
        last: Sequence[int] | None = None,
    ) -> None:
        self.title, self.heads, self.rows, self.right = title, list(heads), [list(row) for row in rows], right
        self.last = list(range(len(self.heads) - 1, 0, -1) if last is None else last)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[RenderableType]:
        shown = list(range(len(self.heads)))
        for place in self.last:
            if sum(self._least(each) + 2 for each in shown) <= options.max_width or len(shown) < 3:
                break
            shown.remove(place)
        table = Table(box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
        lengths = [max(self._widest(each), cell_len(self.heads[each])) + 2 for each in shown]
        whole = sum(lengths) <= options.max_width
        for place in shown:
            side: Literal["left", "right"] = "right" if place in self.right else "left"
            short = self._widest(place) <= FOLDED
            table.add_column(
                Text(self.heads[place] if whole else self._head(place)),
                justify=side,
                no_wrap=short,
                overflow="fold",
            )
        for row in self.rows:
            # Names come from data: they are text, never markup.
            table.add_row(*(Text(row[place]) for place in shown))
        yield Text(self.title, style="bold")
        yield table
        gone = [self.heads[place] for place in range(len(self.heads)) if place not in shown]
        if gone:
            yield Text(f"Left out for want of width: {', '.join(gone)}.", style="dim")

    def _widest(self, place: int) -> int:
        return max((cell_len(row[place]) for row in self.rows), default=0)

    def _least(self, place: int) -> int:
        """Return the width below which a column cannot be read; long cells may be broken."""
        words = max(cell_len(word) for word in self.heads[place].split(" "))
        return max(words, min(self._widest(place), FOLDED))

    def _head(self, place: int) -> str:
        room = max(self._least(place), self._widest(place))
        return "\n".join(wrap(self.heads[place], room)) or self.heads[place]


def unit_table(c: Comparison) -> Group:
    """Return unit by unit what happened and what the worlds did, and the wave in a sentence."""
    frame = c.frame
    heads = ["unit", "happened", f"held, {_unit(frame)}", "worlds of 100", "median", "in 90 of 100 of these"]
    heads.append(f"held, median {_unit(frame)}")
    right, last = [2, 3, 6], [6, 5, 2, 4, 1]
    if c.baseline is not None:
        heads[4:4] = ["unchanged", "difference"]
        right, last = [2, 3, 4, 5, 8], [8, 7, 2, 6, 1, 4]
    table = c.units()
    rows = []
    for row in table.to_dict("records"):
        seen = row["observed_spells"] > 0
        lasting = "+" if seen and pd.isna(row["observed_last"]) else ""
        cells = [
            c.name(row["unit"]),
            happened(row, frame) or "–",
            f"{_plain(row['observed_duration'], frame)}{lasting}" if seen else "",
            hundred(row["share"]),
        ]
        if c.baseline is not None:
            cells += [hundred(row["share_unchanged"]), signed(round(100 * row["share_difference"], 1))]
        risen = row["share"] > 0
        cells += [
            short(row["median"], frame),
            f"{short(row['q05'], frame)} – {short(row['q95'], frame)}" if risen else "",
            f"{_plain(row['duration'], frame)}{'+' if row['open'] > 0.5 else ''}" if risen else "",
        ]
        rows.append(cells)
    left_out = len(frame.units) - len(rows)
    notes = ["+: still so at the end of the window (in most worlds, where it is a median)"]
    if left_out:
        notes.append(
            f"left out, but in summary.csv: {counted(left_out, 'unit')} that rose neither in the record "
            "nor in 5 of 100 worlds"
        )
    shown = Narrowing(
        f"{c.wave.many or c.wave.words}: what happened, and in how many worlds", heads, rows, right, last
    )
    # The sentence stands last: a long table scrolls past, and the end is what is read.
    return Group(shown, *(Text(note, style="dim") for note in notes), Text(answer(c)))


def _unit(frame: Any) -> str:
    return noun(frame.clock, True)


def _plain(duration: float, frame: Any) -> str:
    return length(duration, frame).split(" ")[0]


def frame_table(
    frame: pd.DataFrame, title: str, last: Sequence[str] | None = None, names: int = 0
) -> Narrowing:
    """Return a DataFrame as a table: numbers to the right, text as text.

    Parameters:
        last: columns in the order in which they go where there is no room; by default from the right.
        names: how many columns at the left are names where the others are numbers, though they may be text.
    """
    numeric = {column for column in frame if pd.api.types.is_float_dtype(frame[column])}
    whole = {column for column in frame if pd.api.types.is_integer_dtype(frame[column])}
    columns = list(frame)
    right = [
        place for place, each in enumerate(columns) if each in numeric | whole or (names and place >= names)
    ]
    rows = [
        [
            number(float(value)) if column in numeric else "" if pd.isna(value) else str(value)
            for column, value in zip(columns, row, strict=True)
        ]
        for row in frame.itertuples(index=False)
    ]
    order = None if last is None else [columns.index(name) for name in last if name in columns]
    return Narrowing(title, [str(column) for column in columns], rows, right, order)


def estimates_table(fit: Fit, title: str, level: float = 0.95) -> Group:
    """Return the table of a fit, as `print(fit)` has it, and what its columns mean."""
    from tocsin.fit.summary import columns, estimates

    blocks, meanings = estimates(fit, level)
    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    for place, column in enumerate(["parameter", *columns(level)[1:]]):
        side: Any = "right" if 0 < place < 7 else "left"
        table.add_column(Text(column.replace(" ", "\n")), justify=side, no_wrap=True)
    for name, row in zip(fit.values, (row for _, block in blocks for row in block), strict=True):
        table.add_row(Text(name), *(Text(cell) for cell in row[1:]))
    shown = _Estimates(table, blocks, title, level)
    return Group(shown, *(Text(meaning, style="dim") for meaning in meanings))


@dataclass(frozen=True)
class _Estimates:
    """A table of estimates, or on a page too narrow for it lines with fewer columns under the names of causes."""

    table: Table
    blocks: list[tuple[str, list[list[str]]]]
    title: str
    level: float

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        from tocsin.fit.summary import estimate_lines

        endless = options.update(width=10_000)
        if Measurement.get(console, endless, self.table).maximum <= options.max_width:
            yield self.table
            return
        yield Text(self.title, style="italic")
        for line in estimate_lines(self.blocks, self.level, options.max_width):
            yield Text(line, no_wrap=True)


class _Console(Console):
    """A console on which text from data is only text."""

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """Render with control characters of the text escaped; those of the console itself are none of it."""
        for text, style, control in super().render(renderable, options):
            yield Segment(text if control else printable(text), style, control)

    def on_broken_pipe(self) -> None:
        """Say nothing here: the command says it (see `tocsin.machine.refusals`)."""
        raise OutputError(errno.EPIPE, "nobody reads it any more")


def console(stderr: bool = False, width: int = 140) -> Console:
    """Return the console to print on; what is piped away has room, unless COLUMNS says how much."""
    made = _Console(stderr=stderr, highlight=False, soft_wrap=False)
    return (
        made
        if made.is_terminal or os.environ.get("COLUMNS", "").isdigit()
        else _Console(stderr=stderr, highlight=False, width=width)
    )


# --- Checks in a terminal: tables that say what their columns mean, and sentences under them

RIVALS = {
    "none (as fitted)": "against none: the cause as fitted, tested against its absence (likelihood ratio); by a "
    "bootstrap where it would not be alone at the edge, or takes a half-life, alpha or covariate with it",
    "calendar": "against the calendar: home hazards may change from period to period",
    "unit effects": "against the units: each may be readier than others by a number of its own",
    "likeness and regional shocks": "against both at once: units alike where they are tied, and shocks that a region "
    "shares for a while",
    "lead": "a lead: the same ties 14 days earlier (one month, year or period) beside the contagion; a small p says "
    "that what is tied moves before the tie",
    "none of them (together)": "all contagions of one kind together against none: one can stand for another",
    "placebo ties": "against placebo ties: rewired at random, every unit keeping its degrees",
    "permuted times": "against permuted times: whole courses of events dealt out anew among like units",
}


def check_page(check: Check) -> Group:
    """Return a check for a terminal: one table a cause, what the rivals are, and what a shock would need."""
    parts: list[object] = []
    for cause, rows in check.table.groupby("cause", sort=False):
        shown = pd.DataFrame(
            {
                "rival": rows["rival"],
                "strength beside it": [figure(x) for x in rows["strength"]],
                "gain in 2 log L": [figure(x) for x in rows["statistic"]],
                "p": ["" if np.isnan(p) else f"{p:.3f}" for p in rows["p"]],
                "how p was found": rows["how"],
            }
        )
        parts.append(frame_table(shown, str(cause), ("how p was found", "gain in 2 log L")))
        for reading in check.shocks[check.shocks["cause"] == cause]["reading"]:
            parts.append(Text(f"Unseen shock: {reading}."))
        verdict = check.verdicts.get(str(cause))
        parts.append(Text("" if verdict is None else f"Verdict: {verdict}\n"))
    told = set(check.table["rival"])
    parts.append(Text("What the rivals are", style="bold"))
    parts += [Text(f"  {text}") for rival, text in RIVALS.items() if rival in told]
    parts.append(
        Text(
            "A small p says that the contagion adds something beside that rival. None of these proves contagion: "
            "likeness of neighbours and shocks that they share can look the same (Shalizi & Thomas 2011)."
        )
    )
    lost = [text for text in check.left_out["reading"] if text]
    if lost:
        parts.append(Text("\nTerms that may stand in the wrong place", style="bold"))
        parts += [Text(f"  {text}") for text in dict.fromkeys(lost)]
    return Group(*parts)  # type: ignore[arg-type]


def write_check(check: Check, folder: Path) -> None:
    """Write rivals.csv, shocks.csv, placebo.csv, left_out.csv and verdicts.csv."""
    told = [{"cause": cause, **as_record(verdict)} for cause, verdict in check.verdicts.items()]
    tables = {
        "rivals": check.table,
        "shocks": check.shocks,
        "placebo": check.placebo,
        "left_out": check.left_out,
        "verdicts": pd.DataFrame(told),
    }
    write_tables(folder, CHECK, tables)


def figure(value: float) -> str:
    """Return a number with four digits, nothing for NaN."""
    return "" if np.isnan(value) else f"{value:.4g}"


def per_hundred(share: float) -> str:
    """Return a share as so many of a hundred."""
    return f"{100 * share:.1f}"
