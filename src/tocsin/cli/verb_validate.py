"""The verb validate: every problem of a history, with its place."""

from __future__ import annotations

from typing import Annotated

import typer

from tocsin.cli.command_line import app, guarded


@app.command()
def validate(
    path: Annotated[str, typer.Argument(metavar="PATH", help="A folder with a history, or a packaged name.")],
) -> None:
    """Check a history: every problem with file, line, column, value and the nearest valid name.

    \b
      tocsin validate my-history
    """

    with guarded():
        from tocsin.history.describe import describe
        from tocsin.history.history import load_history

        record = load_history(path)
        typer.echo(describe(record))
        for warning in record.warnings:
            typer.echo(f"warning: {warning}")
        typer.echo("no problems")
