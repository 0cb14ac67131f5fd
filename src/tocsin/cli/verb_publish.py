"""The verb publish: a static site for a class."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tocsin.cli.command_line import app, guarded, progress
from tocsin.cli.options import (
    AskedOption,
    BordersOption,
    HistoryArgument,
    ModelOption,
    PageSeedOption,
    ScopeOption,
    WaveOption,
    named,
    whole,
)


@app.command()
def publish(
    history: HistoryArgument,
    to: Annotated[
        Path,
        typer.Option("--to", parser=named, metavar="DIR", help="Where to write; other files in it are kept."),
    ],
    worlds: Annotated[
        int,
        typer.Option(
            "--worlds", metavar="N", parser=whole(50, 20_000), help="How many worlds every answer has."
        ),
    ] = 2000,
    seed: PageSeedOption = 1917,
    model: ModelOption = None,
    borders: BordersOption = None,
    scenarios: Annotated[
        Path | None,
        typer.Option("--scenarios", metavar="FILE", help="What-ifs in TOML, instead of the history's own."),
    ] = None,
    wave: WaveOption = None,
    scope: ScopeOption = None,
    given: AskedOption = None,
) -> None:
    """Make a site for a class: no server and no network, it opens from a folder or from any web host.

    \b
      tocsin publish 1917 --to class
      tocsin publish 1917 --to class --worlds 5000 --seed 7
      tocsin publish 1917 --to class --scope strict --given nothing
      tocsin publish my-history --to class --scenarios my-scenarios.toml

    Open index.html: a map that plays, what-ifs computed beforehand, a guided tour (where the history brings one),
    worksheets to print, and the answers for the teacher. manifest.json says how to make it again.
    """

    with guarded():
        from tocsin.classroom.site import plan
        from tocsin.classroom.site import publish as make

        with progress() as tell:
            tell("loading the history", 0, 0)
            planned = plan(history, model, scenarios, worlds, seed, wave, borders, scope, given)
            first = make(planned, to, tell)
        typer.echo(f"Open {first}")
