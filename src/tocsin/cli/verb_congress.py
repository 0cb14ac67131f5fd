"""The verb congress: what experts expected, what it makes of the model, and what came."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tocsin.cli.command_line import app, guarded, opened, progress, time_given
from tocsin.cli.options import (
    BootstrapSeedOption,
    HistoryArgument,
    ModelOption,
    TablesOption,
    YesOption,
    whole,
)


@app.command()
def congress(
    history: HistoryArgument,
    judgements: Annotated[
        Path | None,
        typer.Argument(
            metavar="[JUDGEMENTS.csv]",
            help="expert, unit, transition, horizon, date, and probability or q05, q50, q95; else the history's own.",
        ),
    ] = None,
    as_of: Annotated[
        str | None,
        typer.Option(
            "--as-of",
            metavar="DATE",
            help="The day of the congress; by default the one that leaves out the fewest judgements.",
        ),
    ] = None,
    draws: Annotated[
        int, typer.Option("--draws", metavar="N", parser=whole(10), help="Draws of the parameters.")
    ] = 200,
    each: Annotated[
        int, typer.Option("--each", metavar="N", parser=whole(4), help="Worlds of each draw and day.")
    ] = 20,
    seed: BootstrapSeedOption = 1917,
    yes: YesOption = False,
    model: ModelOption = None,
    out: TablesOption = None,
) -> None:
    """Weigh the parameters by what experts expected, and set their belief beside the record.

    \b
      tocsin congress 1917
      tocsin congress 1917 --as-of 1919-05-01
      tocsin congress my_history judgements.csv --out believed

    A judgement speaks of a whole system, so it is met by simulated worlds, which go on from the day of the judgement as
    it was known: a draw of the parameters weighs as much as the pooled judgements at the share of its worlds in which
    the event comes. Judgements made after the day of the congress are left out, and so is what was over by then.
    """
    day = time_given(as_of, "--as-of")
    with guarded():
        from tocsin.congress.congress import congress
        from tocsin.congress.judgements import judgements_of, read_judgements
        from tocsin.report.terminal import console
        from tocsin.report.terminal_congress import congress_page, write_congress

        record, declared = opened(history, model, None, None)
        path = judgements_of(record) if judgements is None else judgements
        found = read_judgements(path, record, declared)
        with progress() as tell:
            made = congress(declared, record, found, day, draws, each, seed, progress=tell)
        if out is not None:
            write_congress(made, out)
        console().print(congress_page(made))
