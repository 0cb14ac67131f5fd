"""The verb monitor: a growing record, and a dated bulletin of it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tocsin.cli.command_line import app, guarded, progress, time_given
from tocsin.cli.options import ModelOption, WaveOption, YesOption, decimal, named, whole
from tocsin.errors import LARGEST_SEED


@app.command()
def monitor(
    folder: Annotated[Path, typer.Argument(metavar="DIR", parser=named, help="The folder of the monitor.")],
    news: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="[EVENTS.csv]...", help="Files of events that came in: unit, variable, state, time."
        ),
    ] = None,
    history: Annotated[
        str | None,
        typer.Option(
            "--history", metavar="HISTORY", help="Begin a monitor with this history and its events."
        ),
    ] = None,
    replay: Annotated[
        str | None,
        typer.Option(
            "--replay",
            metavar="HISTORY",
            help="Begin a monitor with this history and take its events in month by month, as if live.",
        ),
    ] = None,
    every: Annotated[
        int | None,
        typer.Option(
            "--every",
            metavar="N",
            parser=whole(1),
            help="With --replay: months (or units of its clock) between bulletins.",
        ),
    ] = None,
    as_of: Annotated[
        str | None,
        typer.Option(
            "--as-of",
            metavar="DATE",
            help="The day of the bulletin, by default that of the last event; with --replay the last one.",
        ),
    ] = None,
    take_new: Annotated[
        bool,
        typer.Option(
            "--take-new", help="Rows that differ from an event of the record at the same time take its place."
        ),
    ] = False,
    wave: WaveOption = None,
    horizon: Annotated[
        float | None,
        typer.Option(
            "--horizon",
            parser=decimal,
            metavar="N",
            help="How far bulletins look ahead; else 90 days, or 3 months.",
        ),
    ] = None,
    worlds: Annotated[
        int, typer.Option("--worlds", metavar="N", parser=whole(2), help="Worlds of each forecast.")
    ] = 500,
    seed: Annotated[
        int, typer.Option("--seed", metavar="N", parser=whole(0, LARGEST_SEED), help="Of the worlds.")
    ] = 1917,
    yes: YesOption = False,
    model: ModelOption = None,
) -> None:
    """Keep a growing record: take events in, fit anew, forecast, and write a dated bulletin.

    \b
      tocsin monitor watch --history 1917 --as-of 1919-03-01
      tocsin monitor watch news.csv --as-of 1919-04-01
      tocsin monitor watch1917 --replay 1917
      tocsin monitor watch2011 --replay 2011 --wave regime=ousted

    DIR holds monitor.duckdb (every event and bulletin), the record as a history, and a site of bulletins (index.html).
    The same file may be given twice. What goes against the record is reported and kept aside; --history, --wave,
    --horizon, --worlds, --seed and --model are kept from the beginning.
    """
    day = time_given(as_of, "--as-of")
    if history is not None and replay is not None:
        raise typer.BadParameter(
            "a monitor begins with --history or --replay, not both", param_hint="--replay"
        )
    if replay is not None and news:
        raise typer.BadParameter(
            "a replay takes the events of its history, and no other file", param_hint="--replay"
        )

    with guarded():
        from tocsin.monitor.monitor import begin, opened, step
        from tocsin.monitor.monitor import replay as replayed
        from tocsin.monitor.news import read_rows
        from tocsin.report.bulletins import bulletin_lines, headline, publish, wave_told
        from tocsin.report.replay import open_history
        from tocsin.report.terminal import console

        page = console()
        asked = history if history is not None else replay
        with opened(folder, begun=asked is None) as record, progress() as tell:
            publish(record)  # what a stopped process left undone
            kept = None if asked is None else open_history(asked, (None, None))[1]
            if kept is not None and (record.about("asked") is None or replay is None):
                begin(record, kept, model, wave, horizon, worlds, seed, events=replay is None)
            if replay is not None and kept is not None:

                def said(content: dict[str, object]) -> None:
                    page.print(f"{content['as_of']}: {headline(content, wave_told(record, content))}")

                number = replayed(record, kept, every, day, said, tell)
                page.print(f"{number} bulletins made; open {publish(record)}")
                return
            rows = [row for path in news or [] for row in read_rows(path, record.clock)]
            content = step(record, rows, day, take_new, tell)
            index = publish(record)
            page.print(bulletin_lines(content, wave_told(record, content)))
            page.print(f"{index}")
