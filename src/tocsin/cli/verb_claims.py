"""The verb claims: what is said of a history, beside what its record gives."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tocsin.cli.command_line import app, guarded
from tocsin.cli.options import HistoryArgument, named


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

    with guarded():
        from tocsin.history.history import load_history
        from tocsin.report.claims import chosen, claims_of, claims_page, write_claims
        from tocsin.report.terminal import console

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
