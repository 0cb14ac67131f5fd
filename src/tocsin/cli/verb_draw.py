"""The verb draw: one share of many worlds, drawn by a process that knows nothing of the others."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

import typer

from tocsin.cli.command_line import app, guarded, opened, progress
from tocsin.cli.options import (
    DoOption,
    DrawsOption,
    GivenOption,
    HistoryArgument,
    ModelOption,
    SeedOption,
    WorldsOption,
    draws_asked,
    named,
)


def share(text: str) -> tuple[int, int]:
    """Read a share such as 3/100."""
    found = re.fullmatch(r"([0-9]{1,9})/([0-9]{1,9})", str(text))
    if found is None or not 1 <= int(found[1]) <= int(found[2]):
        raise typer.BadParameter(f"{text!r} is not a share such as 3/100, from 1/100 to 100/100")
    return int(found[1]), int(found[2])


@app.command()
def draw(
    history: HistoryArgument,
    part: Annotated[
        str, typer.Option("--part", metavar="K/N", help="Which share of the worlds, such as 3/100.")
    ],
    to: Annotated[Path, typer.Option("--to", parser=named, metavar="DIR", help="The folder of all shares.")],
    model: ModelOption = None,
    worlds: WorldsOption = 10_000,
    seed: SeedOption = 1917,
    do: DoOption = None,
    given: GivenOption = "nothing",
    draws: DrawsOption = "fit",
) -> None:
    """Fit a history and draw one share of many worlds, on this machine or on any node of a cluster.

    \b
      tocsin draw 1917 --part 3/100 --worlds 1000000 --to worlds
      for k in $(seq 100); do tocsin draw 1917 --part $k/100 --worlds 1000000 --to worlds & done; wait
      tocsin gather worlds

    Which worlds a share has follows from the command alone, so processes need no service and may be killed and run
    again; two that draw the same share write the same bytes. All must name the same history, model, number of worlds
    and seed: a folder of another run is refused. docs/large.md has a script for a batch system.
    """
    asked, drawn = share(part), draws_asked(draws)
    with guarded():
        from tocsin.interventions.sentences import parse_all
        from tocsin.report.replay import fitted

        record, declared = opened(history, model, None, None)
        changes = parse_all(do or [], record, declared)
        with progress() as tell:
            count = fitted(declared, record, tell).draw_share(
                record,
                asked,
                to,
                worlds,
                seed,
                changes,
                given,
                drawn,
                progress=lambda done, total: tell(f"drawing share {part}", done, total),
            )
        typer.echo(f"share {part}: {count:,} of {worlds:,} worlds in {to}")
