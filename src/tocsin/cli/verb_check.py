"""The verb check: every contagion tested against none, and beside its rivals."""

from __future__ import annotations

from typing import Annotated

import typer

from tocsin.cli.command_line import app, guarded, held, opened, progress, time_given
from tocsin.cli.options import (
    BootstrapSeedOption,
    FromOption,
    HistoryArgument,
    ModelOption,
    TablesOption,
    ToOption,
    YesOption,
    whole,
)


@app.command()
def check(
    history: HistoryArgument,
    cause: Annotated[
        list[str] | None,
        typer.Option("--cause", metavar="NAME", help="A contagion to look at; may be given several times."),
    ] = None,
    placebos: Annotated[
        int,
        typer.Option(
            "--placebos", metavar="N", parser=whole(19), help="How many placebo histories of each kind."
        ),
    ] = 99,
    bootstrap: Annotated[
        int,
        typer.Option(
            "--bootstrap",
            metavar="N",
            parser=whole(0),
            help="How many worlds without the cause, where its p can be found in no other way: 199 or more, or 0.",
        ),
    ] = 199,
    rates: Annotated[
        int | None,
        typer.Option(
            "--rates",
            metavar="N",
            parser=whole(0),
            help="In how many worlds of each kind the verdict's tests are tried; else 199 where at most three "
            "contagions are looked at.",
        ),
    ] = None,
    misfits: Annotated[
        int,
        typer.Option(
            "--misfits",
            metavar="N",
            parser=whole(0),
            help="In how many refitted worlds misfits are looked for: 19 or more, or 0 for rough p at once.",
        ),
    ] = 39,
    seed: BootstrapSeedOption = 1917,
    yes: YesOption = False,
    model: ModelOption = None,
    start: FromOption = None,
    end: ToOption = None,
    out: TablesOption = None,
) -> None:
    """Test every contagion against none, and set it beside its rivals: the calendar, the units, placebo ties,
    permuted times, a shock; and name the three worst misfits.

    \b
      tocsin check 1917
      tocsin check 1917 --cause comintern
      tocsin check 1917 --cause pow_return --bootstrap 999
      tocsin check 1917 --cause language --placebos 199 --out checked
    """
    first, last = time_given(start, "--from"), time_given(end, "--to")
    if 0 < bootstrap < 199:
        raise typer.BadParameter(
            "a bootstrap needs 199 worlds or more, or 0 for none", param_hint="--bootstrap"
        )

    if 0 < misfits < 19:
        raise typer.BadParameter("misfits need 19 worlds or more, or 0", param_hint="--misfits")

    with guarded():
        from tocsin.report.fit_page import misfit_lines
        from tocsin.report.replay import fitted
        from tocsin.report.terminal import check_page, console, write_check

        record, declared = opened(history, model, first, last)
        with held(out):
            with progress() as tell:
                estimates = fitted(declared, record, tell)
                worst = misfit_lines(estimates, misfits, tell)
                found = estimates.check(
                    worlds=placebos,
                    seed=seed,
                    progress=tell,
                    causes=cause or None,
                    bootstrap=bootstrap,
                    rates=rates,
                )
            if out is not None:
                write_check(found, out)
        console().print(check_page(found))
        console().print("The worst misfits", style="bold")
        for line in worst:
            console().print(f"  {line}", markup=False)
