"""The verb intake: what a file is, what becomes of its rows, and the ten lines that use it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tocsin.cli.command_line import app, guarded


@app.command()
def intake(
    files: Annotated[
        list[Path], typer.Argument(metavar="FILE...", help="Files of data: what happened, ties, units.")
    ],
    dataset: Annotated[
        str | None,
        typer.Option("--dataset", metavar="NAME", help="Which data set it is, where columns do not tell."),
    ] = None,
    encoding: Annotated[
        str | None,
        typer.Option("--encoding", metavar="NAME", help="Of a file that is not UTF-8, such as latin-1."),
    ] = None,
    separator: Annotated[
        str | None,
        typer.Option("--separator", metavar="SIGN", help="Between cells, where several signs would do."),
    ] = None,
) -> None:
    """Say what files are, what becomes of their rows, and print the ten lines from them to a fitted model.

    \b
      tocsin intake p5v2018.xls
      tocsin intake powell_thyne_coups_final.txt contdir.csv
    """
    with guarded():
        from tocsin.sources.read import read
        from tocsin.sources.ten_lines import ten_lines

        readings = []
        for file in files:
            readings.append(read(file, dataset=dataset, encoding=encoding, separator=separator))
            typer.echo(f"{readings[-1]}\n")
        lines = ten_lines([str(file) for file in files], readings)
        given = {"dataset": dataset, "encoding": encoding, "separator": separator}
        for name, value in given.items():
            if value is not None:
                lines = lines.replace("').frame", f"', {name}={value!r}).frame")
        typer.echo(f"# from here to a fitted model:\n{lines}")
