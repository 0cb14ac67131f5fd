"""The table that ends a replay in a terminal, and the shorter ones of fit and attribute."""

from __future__ import annotations

import errno
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import pandas as pd
from rich.box import SIMPLE_HEAD
from rich.console import Console, ConsoleOptions, Group, RenderableType
from rich.segment import Segment
from rich.table import Table
from rich.text import Text

from tocsin.history.clock import noun
from tocsin.machine import OutputError
from tocsin.show.findings import answer
from tocsin.show.sentences import counted, hundred, length, number, short, signed
from tocsin.shown import printable

if TYPE_CHECKING:
    from tocsin.infer import Fit
    from tocsin.show.compared import Comparison


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
    from tocsin.infer.report import columns, estimates

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
        """Say nothing here: the command says it (see `tocsin.machine`)."""
        raise OutputError(errno.EPIPE, "nobody reads it any more")


def console(stderr: bool = False, width: int = 140) -> Console:
    """Return the console to print on; a table that is piped away is not cut to a terminal's width."""
    made = _Console(stderr=stderr, highlight=False, soft_wrap=False)
    return made if made.is_terminal else _Console(stderr=stderr, highlight=False, width=width)
