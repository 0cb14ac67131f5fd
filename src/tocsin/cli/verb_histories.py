"""The verb histories: what comes with Tocsin, and what a history records."""

from __future__ import annotations

from typing import Annotated

import typer

from tocsin.cli.command_line import app, guarded


@app.command()
def histories(
    name: Annotated[
        str | None, typer.Argument(metavar="HISTORY", help="A packaged name or a folder.")
    ] = None,
    unit: Annotated[
        str | None,
        typer.Option(
            "--unit", metavar="UNIT", help="Every row about a unit, with source, confidence and note."
        ),
    ] = None,
) -> None:
    """List the packaged histories, describe one, or show all that it records of one unit.

    \b
      tocsin histories
      tocsin histories 1917
      tocsin histories 1917 --unit hungary
    """
    if unit is not None and name is None:
        raise typer.BadParameter(
            "name the history too: tocsin histories 1917 --unit hungary", param_hint="--unit"
        )

    with guarded():
        from tocsin.history.describe import describe, describe_unit, list_packaged
        from tocsin.history.history import load_history

        if name is None:
            typer.echo(list_packaged())
            return
        record = load_history(name)
        typer.echo(describe(record) if unit is None else describe_unit(record, unit))
