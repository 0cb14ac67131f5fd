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
        Path | None,
        typer.Option(
            "--to",
            parser=named,
            metavar="FILE",
            help="One file, such as class.html, that holds it all; a name without .html is a folder.",
        ),
    ] = None,
    folder: Annotated[
        Path | None,
        typer.Option(
            "--folder",
            parser=named,
            metavar="DIR",
            help="A folder for a web host; other files in it are kept.",
        ),
    ] = None,
    zipped: Annotated[
        Path | None,
        typer.Option("--zip", parser=named, metavar="FILE", help="That folder in one archive."),
    ] = None,
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
    """Make an edition for a class in one file: it opens from a disk or a mail, without server and network.

    \b
      tocsin publish 1917 --to class.html
      tocsin publish 1917 --to class.html --worlds 5000 --seed 7
      tocsin publish 1917 --folder site --zip site.zip --scope strict
      tocsin publish my-history --to class.html --scenarios my-scenarios.toml

    It holds a map that plays, a lesson of 50 minutes, what-ifs to predict and check, a guided tour (where the history
    brings one), worksheets with answers, a quiz, words and sources. It collects nothing.
    """

    with guarded():
        from tocsin.classroom.site import plan
        from tocsin.classroom.site import publish as make

        with progress() as tell:
            tell("loading the history", 0, 0)
            planned = plan(history, model, scenarios, worlds, seed, wave, borders, scope, given)
            made = make(planned, to, tell, folder, zipped)
        for each in made:
            typer.echo(f"Open {each}" if each != zipped else f"Packed in {each}")
