"""The verb attribute: what each event came from."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tocsin.cli.command_line import app, guarded, held, opened, progress, time_given
from tocsin.cli.options import FromOption, HistoryArgument, ModelOption, ToOption, named, whole


@app.command()
def attribute(
    history: HistoryArgument,
    model: ModelOption = None,
    start: FromOption = None,
    end: ToOption = None,
    unit: Annotated[
        str | None,
        typer.Option("--unit", metavar="UNIT", help="The events of one unit, with what each came from."),
    ] = None,
    transition: Annotated[
        str | None,
        typer.Option("--transition", metavar="NAME", help='Only one, such as "regime: old > soviet".'),
    ] = None,
    by: Annotated[
        str | None,
        typer.Option(
            "--by", metavar="WHAT", help="One table only: sums by transition, layer, source or period."
        ),
    ] = None,
    draws: Annotated[
        int,
        typer.Option(
            "--draws",
            metavar="N",
            parser=whole(0),
            help="Draws of the parameters for the intervals; 0 for none.",
        ),
    ] = 200,
    tree: Annotated[
        bool, typer.Option("--tree", help="The consensus tree: each event below its likeliest parent.")
    ] = False,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            parser=named,
            metavar="DIR",
            help="Write causes.csv, sources.csv, totals.csv, offspring.csv, tree.csv and tree.graphml.",
        ),
    ] = None,
) -> None:
    """Fit the model and say what each event came from: causes, sources, and the events that set it off.

    \b
      tocsin attribute 1917
      tocsin attribute 1917 --by period
      tocsin attribute 1917 --transition "regime: old > soviet" --tree
      tocsin attribute 1917 --unit hungary
      tocsin attribute 1917 --out shares

    A share says how much of the hazard at that instant came from a cause or a source; the shares of one event
    add up to 1. It does not say that the event would not have happened without it. Intervals tell how much the
    shares change over the parameters that the record allows. What an event set off is the sum of its shares in
    later events; the tree gives each event its likeliest parent, `weak` where its support is below one half.
    tree.graphml opens in Gephi, yEd, igraph and networkx.
    """
    first, last = time_given(start, "--from"), time_given(end, "--to")
    if by not in (None, "transition", "layer", "source", "period"):
        raise typer.BadParameter(f"{by!r} is not transition, layer, source or period", param_hint="--by")

    with guarded():
        from tocsin.report.replay import fitted
        from tocsin.report.terminal_attribution import print_attribution, refuse_unknown

        record, declared = opened(history, model, first, last)
        refuse_unknown(record, declared, unit, transition)
        with held(out):
            with progress() as tell:
                attribution = fitted(declared, record, tell).attribute(record, draws=draws)
            print_attribution(attribution, unit, transition, by, tree)
            for note in attribution.write(out) if out is not None else ():
                typer.echo(note, err=True)
