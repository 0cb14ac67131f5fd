"""The verb support: plans for scarce support."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tocsin.cli.command_line import app, guarded, opened, progress
from tocsin.cli.options import (
    DoOption,
    DrawsOption,
    HistoryArgument,
    ModelOption,
    SeedOption,
    YesOption,
    decimal,
    draws_asked,
    named,
    whole,
)


@app.command()
def support(
    history: HistoryArgument,
    layer: Annotated[
        str | None, typer.Option("--layer", metavar="LAYER", help="The layer of the ties.")
    ] = None,
    source: Annotated[
        str | None,
        typer.Option(
            "--source",
            metavar="UNIT",
            help="The unit that gives; else the one that gives most in the record.",
        ),
    ] = None,
    budget: Annotated[
        float,
        typer.Option(
            "--budget", parser=decimal, metavar="W", help="Weight times periods; with --prevent, units."
        ),
    ] = 10,
    prevent: Annotated[
        str | None,
        typer.Option("--prevent", metavar="CLAUSE", help="Instead of ties: keep units out of a state."),
    ] = None,
    outcome: Annotated[
        str | None,
        typer.Option(
            "--outcome",
            metavar="WORDS",
            help="Such as 'units regime=soviet' or 'time regime=soviet in hungary'.",
        ),
    ] = None,
    least: Annotated[bool, typer.Option("--least", help="Lower the outcome instead of raising it.")] = False,
    place: Annotated[
        list[str] | None,
        typer.Option("--place", metavar="UNIT", help="Only these may receive; may be given several times."),
    ] = None,
    periods: Annotated[
        int,
        typer.Option(
            "--periods", metavar="N", parser=whole(1), help="Into how many parts the window is cut."
        ),
    ] = 4,
    step: Annotated[
        float, typer.Option("--step", parser=decimal, metavar="W", help="Weight that is added at a time.")
    ] = 1.0,
    most: Annotated[
        float | None,
        typer.Option(
            "--most",
            parser=decimal,
            metavar="W",
            help="Greatest weight of a tie; else the greatest in the record.",
        ),
    ] = None,
    do: DoOption = None,
    worlds: Annotated[
        int,
        typer.Option(
            "--worlds", metavar="N", parser=whole(2), help="Worlds of each evaluation of the search."
        ),
    ] = 200,
    seed: SeedOption = 1,
    yes: YesOption = False,
    draws: DrawsOption = "fit",
    model: ModelOption = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            parser=named,
            metavar="DIR",
            help="Also write plan.csv and compared.csv.",
        ),
    ] = None,
) -> None:
    """Find where and when scarce support (money, men, emissaries) raises or lowers an outcome most.

    \b
      tocsin support 1917 --layer comintern --source russia --budget 10
      tocsin support 1917 --layer comintern --budget 6 --outcome "units party=communist" --periods 7
      tocsin support 1917 --layer intervention --source france --least --outcome "time regime=soviet"
      tocsin support 1917 --prevent regime=soviet --budget 3 --least

    The plan is found greedily and judged on fresh worlds beside nothing, the record, an even spread and
    chance. An instrument for history and for study: the answer says what it cannot know.
    """
    if (layer is None) == (prevent is None):
        raise typer.BadParameter("name a layer, or a state to prevent; not both", param_hint="--layer")
    if prevent is not None and budget != int(budget):
        raise typer.BadParameter("with --prevent it is a number of units", param_hint="--budget")
    drawn = draws_asked(draws)

    with guarded():
        from tocsin.model.followed_state import wave_of
        from tocsin.report.manifest import support_page, write_plan
        from tocsin.report.replay import fitted
        from tocsin.report.terminal import console
        from tocsin.support.candidates import Prevention, Support, main_source

        record, declared = opened(history, model, None, None)
        wanted = outcome or f"units {wave_of(declared, None, record)}"
        asked: Support | Prevention
        if layer is not None:
            giver = source if source is not None else main_source(record, layer)
            asked = Support(layer, giver, budget, place, periods, step, most)
        else:
            asked = Prevention(str(prevent), int(budget), place)
        with progress() as tell:
            estimates = fitted(declared, record, tell)
            found = estimates.allocate(
                record,
                asked,
                wanted,
                worlds,
                seed,
                maximise=not least,
                interventions=do or [],
                draws=drawn,
                progress=lambda done, total: tell("looking for the plan", done, total),
            )
        if out is not None:
            write_plan(found, out)
        console().print(support_page(found))
