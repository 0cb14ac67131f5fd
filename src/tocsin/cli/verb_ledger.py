"""The verb ledger: what was staked by treaty, and in how many worlds it comes back."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tocsin.cli.command_line import app, guarded, opened, progress, time_given
from tocsin.cli.options import (
    DoOption,
    DrawsOption,
    GivenOption,
    HistoryArgument,
    ModelOption,
    SeedOption,
    WorldsOption,
    YesOption,
    draws_asked,
    named,
)


@app.command()
def ledger(
    history: HistoryArgument,
    by: Annotated[
        str | None,
        typer.Option(
            "--by",
            metavar="DATE",
            help="Ask whether the conditions come true by this day, not the ledger's own.",
        ),
    ] = None,
    do: DoOption = None,
    given: GivenOption = "nothing",
    worlds: WorldsOption = 10_000,
    seed: SeedOption = 1917,
    yes: YesOption = False,
    draws: DrawsOption = "fit",
    model: ModelOption = None,
    file: Annotated[
        Path | None,
        typer.Option("--ledger", metavar="FILE", help="A ledger in TOML, instead of the history's own."),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            parser=named,
            metavar="DIR",
            help="Also write staked.csv, returned.csv and value.csv (every world).",
        ),
    ] = None,
) -> None:
    """Say what was staked by treaty, in how many worlds it comes back, and what came back in fact.

    \b
      tocsin ledger 1917
      tocsin ledger 1917 --by 1918-12-31
      tocsin ledger 1917 --given "until 1918-03-03"
      tocsin ledger 1917 --do "force germany regime=soviet at 1918-11-09"
    """
    limit, drawn = time_given(by, "--by"), draws_asked(draws)

    with guarded():
        from tocsin.ledger.toml import load_ledger
        from tocsin.report.replay import fitted
        from tocsin.report.terminal import console
        from tocsin.report.terminal_ledger import ledger_page, write_value

        book = load_ledger(history if file is None else file)
        record, declared = opened(history, model, None, None)
        # What is written in the ledger is checked before anything is fitted.
        fact = book.in_fact(record, declared)
        if limit is not None:
            book = book.by(limit if record.dated else float(limit))
            fact = book.in_fact(record, declared)
        with progress() as tell:
            estimates = fitted(declared, record, tell)
            name = "the fit" if given == "nothing" else f"the record {given}" if given != "history" else given
            ensembles = {name: estimates.simulate(record, worlds, seed, given=given, draws=drawn)}
            if do:
                ensembles[f"{name}, changed"] = estimates.simulate(
                    record, worlds, seed, do, given=given, draws=drawn
                )
            causes = estimates.attribute(record, draws=0).causes
        if out is not None:
            write_value(book, ensembles, out)
        console().print(ledger_page(book, ensembles, fact, causes))
