"""More verbs of the command line: the ledger of a treaty, and plans for scarce support."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tocsin.cli import _guarded, _opened, _progress, _time, app
from tocsin.verb_options import (
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
    limit, drawn = _time(by, "--by"), draws_asked(draws)

    def act() -> None:
        from tocsin.ensemble.ledger_toml import load_ledger
        from tocsin.show.ledger_table import ledger_page, write_value
        from tocsin.show.replay import fitted
        from tocsin.show.table import console

        book = load_ledger(history if file is None else file)
        record, declared = _opened(history, model, None, None)
        # What is written in the ledger is checked before anything is fitted.
        fact = book.in_fact(record, declared)
        if limit is not None:
            book = book.by(limit if record.dated else float(limit))
            fact = book.in_fact(record, declared)
        with _progress() as tell:
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

    _guarded(act)


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
        float, typer.Option("--budget", metavar="W", help="Weight times periods; with --prevent, units.")
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
        int, typer.Option("--periods", metavar="N", min=1, help="Into how many parts the window is cut.")
    ] = 4,
    step: Annotated[float, typer.Option("--step", metavar="W", help="Weight that is added at a time.")] = 1.0,
    most: Annotated[
        float | None,
        typer.Option(
            "--most", metavar="W", help="Greatest weight of a tie; else the greatest in the record."
        ),
    ] = None,
    do: DoOption = None,
    worlds: Annotated[
        int, typer.Option("--worlds", metavar="N", min=2, help="Worlds of each evaluation of the search.")
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

    def act() -> None:
        from tocsin.infer.support import Prevention, Support, main_source
        from tocsin.show.replay import fitted
        from tocsin.show.support_table import support_page, write_plan
        from tocsin.show.table import console
        from tocsin.show.wave import wave_of

        record, declared = _opened(history, model, None, None)
        wanted = outcome or f"units {wave_of(declared, None, record)}"
        asked: Support | Prevention
        if layer is not None:
            giver = source if source is not None else main_source(record, layer)
            asked = Support(layer, giver, budget, place, periods, step, most)
        else:
            asked = Prevention(str(prevent), int(budget), place)
        with _progress() as tell:
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

    _guarded(act)


@app.command()
def claims(
    history: HistoryArgument,
    name: Annotated[
        str | None, typer.Option("--id", metavar="ID", help="One claim, with the query behind its figure.")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            parser=named,
            metavar="FILE",
            help="Write them as .csv, .html or .md instead.",
        ),
    ] = None,
) -> None:
    """Say what is claimed about a history, the figure that its record gives, the verdict and the source.

    \b
      tocsin claims 1917
      tocsin claims 1917 --id c18
      tocsin claims 1917 --out claims.html
    """
    if out is not None and out.suffix.lower() not in (".csv", ".html", ".md"):
        raise typer.BadParameter("the file ends in .csv, .html or .md", param_hint="--out")

    def act() -> None:
        from tocsin.history import load_history
        from tocsin.show.claimed import chosen, claims_page, write_claims
        from tocsin.show.claims import claims_of
        from tocsin.show.table import console

        record = load_history(history)
        read = claims_of(record)
        answers = read.answered(record)
        if name is not None:
            answers = chosen(answers, name)
        if out is None:
            console().print(claims_page(read, answers, queries=name is not None))
        else:
            write_claims(read, answers, out)
            typer.echo(f"{len(answers)} claims in {out}")

    _guarded(act)
