"""The table that ends a replay in a terminal, and the shorter ones of fit and attribute."""

from __future__ import annotations

import errno
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from rich.box import SIMPLE_HEAD
from rich.console import Console, ConsoleOptions, Group, RenderableType
from rich.segment import Segment
from rich.table import Table
from rich.text import Text

from tocsin.check.verdict import as_record
from tocsin.errors import printable
from tocsin.files.csv_for_people import write_tables
from tocsin.files.results import CHECK
from tocsin.machine.refusals import OutputError
from tocsin.report.findings import answer
from tocsin.wording.numbers import counted, hundred, length, noun, number, short, signed

if TYPE_CHECKING:
    from tocsin.check.rival_explanations import Check
    from tocsin.ensemble.comparison import Comparison
    from tocsin.fit.estimates import Fit


def unit_table(c: Comparison) -> Group:
    """Return unit by unit what happened and what the worlds did, and the wave in a sentence."""
    frame = c.frame
    table = Table(
        title=f"{c.wave}: what happened, and in how many worlds", title_justify="left", expand=False
    )
    table.add_column("unit", no_wrap=True, max_width=24)
    table.add_column("happened", no_wrap=True)
    table.add_column("held", justify="right", no_wrap=True)
    table.add_column("worlds\nof 100", justify="right")
    if c.baseline is not None:
        table.add_column("un-\nchanged", justify="right")
        table.add_column("differ-\nence", justify="right")
    table.add_column("median", no_wrap=True)
    table.add_column("in 90 of 100 of these", no_wrap=True)
    table.add_column("held\n(median)", justify="right", no_wrap=True)
    rows = c.units()
    for row in rows.to_dict("records"):
        seen = row["observed_spells"] > 0
        lasting = "+" if seen and pd.isna(row["observed_last"]) else ""
        cells = [
            str(row["unit"]),
            short(row["observed_first"], frame) if seen else "–",
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
        # Names come from data: they are text, never markup.
        table.add_row(*(Text(cell) for cell in cells))
    left_out = len(frame.units) - len(rows)
    notes = [f"held: {_unit(frame)}; + still so at the end of the window (or longer, in most worlds)"]
    if left_out:
        notes.append(
            f"left out, but in summary.csv: {counted(left_out, 'unit')} that rose neither in the record "
            "nor in 5 of 100 worlds"
        )
    # The sentence stands last: a long table scrolls past, and the end is what is read.
    return Group(table, *(Text(note, style="dim") for note in notes), Text(answer(c)))


def _unit(frame: Any) -> str:
    return noun(frame.clock, True)


def _plain(duration: float, frame: Any) -> str:
    return length(duration, frame).split(" ")[0]


def frame_table(frame: pd.DataFrame, title: str, names: dict[str, str] | None = None) -> Table:
    """Return a DataFrame as a table: numbers to the right, text as text."""
    table = Table(title=title, title_justify="left", expand=False)
    numeric = {column for column in frame if pd.api.types.is_float_dtype(frame[column])}
    whole = {column for column in frame if pd.api.types.is_integer_dtype(frame[column])}
    for column in frame:
        right = column in numeric or column in whole
        table.add_column(
            Text((names or {}).get(str(column), str(column))), justify="right" if right else "left"
        )
    for row in frame.itertuples(index=False):
        cells = []
        for column, value in zip(frame, row, strict=True):
            cells.append(number(float(value)) if column in numeric else "" if pd.isna(value) else str(value))
        table.add_row(*(Text(cell) for cell in cells))
    return table


def estimates_table(fit: Fit, title: str, level: float = 0.95) -> Group:
    """Return the table of a fit, as `print(fit)` has it, and what its columns mean."""
    from tocsin.fit.summary import columns, estimates

    blocks, meanings = estimates(fit, level)
    # Without upright lines, and with intervals that may break, it can be read in a narrow terminal too.
    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    for place, column in enumerate(["parameter", *columns(level)[1:]]):
        side: Any = "right" if 0 < place < 7 else "left"
        table.add_column(
            Text(column.replace(" ", "\n")), justify=side, no_wrap=place in (1, 2, 3, 4, 6), overflow="fold"
        )
    for name, row in zip(fit.values, (row for _, block in blocks for row in block), strict=True):
        table.add_row(Text(name), *(Text(cell) for cell in row[1:]))
    return Group(table, *(Text(meaning, style="dim") for meaning in meanings))


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
    """Return the console to print on; a table that is piped away is not cut to a terminal's width."""
    made = _Console(stderr=stderr, highlight=False, soft_wrap=False)
    return made if made.is_terminal else _Console(stderr=stderr, highlight=False, width=width)


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
        parts.append(frame_table(shown, str(cause)))
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
