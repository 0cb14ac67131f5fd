"""The verb gather: shares that processes have drawn become one whole folder of worlds."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tocsin.cli.command_line import app, guarded
from tocsin.cli.options import named


@app.command()
def gather(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="The folder that `tocsin draw` wrote to.")],
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", parser=named, metavar="FILE", help="Also write all worlds as one Parquet file."
        ),
    ] = None,
) -> None:
    """Make the shares in a folder one ensemble, or say which of them are missing.

    \b
      tocsin gather worlds
      tocsin gather worlds --out worlds.parquet

    Every share is read and its checksums are tested; missing and damaged ones are named, to be drawn again. In Python
    the folder is then `tc.Ensemble.read("worlds", history)`.
    """
    with guarded():
        from tocsin.ensemble.runner import gather_shares

        whole = gather_shares(folder)
        if out is not None:
            whole.write(out)
        typer.echo(f"{folder}: {whole.worlds:,} worlds in {len(whole.parts):,} parts, all there")
