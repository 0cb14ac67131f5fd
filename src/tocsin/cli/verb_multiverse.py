"""The verb multiverse: one question under every combination of choices that others could have made."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tocsin.cli.command_line import app, guarded, held, progress
from tocsin.cli.options import HistoryArgument, named, whole
from tocsin.errors import LARGEST_SEED


@app.command()
def multiverse(
    history: HistoryArgument,
    spec: Annotated[
        Path | None,
        typer.Argument(metavar="[SPEC.toml]", help="The choices; else multiverse.toml of the history."),
    ] = None,
    worlds: Annotated[
        int | None,
        typer.Option(
            "--worlds", metavar="N", parser=whole(0), help="Worlds of the joint test, instead of the file's."
        ),
    ] = None,
    seed: Annotated[
        int | None,
        typer.Option(
            "--seed", metavar="N", parser=whole(0, LARGEST_SEED), help="Instead of the file's seed."
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", metavar="DIR", parser=named, help="Where results go; multiverse-NAME unless given."
        ),
    ] = None,
) -> None:
    """Fit a question under every combination of dates, scope, confidence, coding, layers, memory and covariates.

    A run that was stopped goes on from what is in the folder. Writes multiverse.csv and .parquet (a row a
    specification), strengths.csv, null.csv (the joint test) and curve.svg.

    \b
      tocsin multiverse 1917
      tocsin multiverse four_waves SPEC.toml --out choices
      tocsin multiverse 1917 --worlds 999
    """
    with guarded():
        from tocsin.check.multiverse import multiverse as run
        from tocsin.history.read_folder import find_folder
        from tocsin.report.terminal import console
        from tocsin.report.terminal_multiverse import multiverse_page, write_multiverse

        plan = find_folder(history) / "multiverse.toml" if spec is None else spec
        folder = Path(f"multiverse-{Path(history).name}") if out is None else out
        with held(folder):
            with progress() as tell:
                found = run(history, plan, folder, worlds, seed, tell)
            write_multiverse(found, history, folder)
        console().print(multiverse_page(found, folder))
