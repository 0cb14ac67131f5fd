"""The verb explore: the page on which a history is played and changed."""

from __future__ import annotations

from typing import Annotated

import typer

from tocsin.cli.command_line import _network, app, guarded, progress, time_given
from tocsin.cli.options import (
    AskedOption,
    BordersOption,
    FromOption,
    ModelOption,
    PageSeedOption,
    ScopeOption,
    ToOption,
    WaveOption,
    whole,
)
from tocsin.machine.ending import left_to_others


@app.command()
def explore(
    history: Annotated[
        str, typer.Argument(metavar="HISTORY", help="A packaged name such as 1917, or a folder.")
    ] = "1917",
    model: ModelOption = None,
    borders: BordersOption = None,
    worlds: Annotated[
        int,
        typer.Option(
            "--worlds", metavar="N", parser=whole(50, 20_000), help="How many worlds an answer has."
        ),
    ] = 2000,
    seed: PageSeedOption = 1917,
    start: FromOption = None,
    end: ToOption = None,
    wave: WaveOption = None,
    scope: ScopeOption = None,
    given: AskedOption = None,
    host: Annotated[
        str, typer.Option("--host", metavar="NAME", help="Where to listen; this machine only by default.")
    ] = "127.0.0.1",
    port: Annotated[
        int,
        typer.Option(
            "--port", metavar="N", parser=whole(0, 65535), help="The port; 0 takes any that is free."
        ),
    ] = 8017,
    proxy: Annotated[
        list[str] | None,
        typer.Option(
            "--proxy",
            metavar="ADDRESS",
            help="A server in front whose X-Forwarded-For is believed: an address or a network. Repeatable.",
        ),
    ] = None,
) -> None:
    """Open a page on which the history is played, questioned and changed (extra: explorer).

    \b
      tocsin explore               the revolutions of 1917-1923
      tocsin explore 1917 --scope strict --given nothing
      tocsin explore my-history --port 0
    """
    first, last = time_given(start, "--from"), time_given(end, "--to")
    for each in proxy or ():
        _network(each, "--proxy")

    with guarded():
        from tocsin.explorer.serve import serve

        with progress() as tell:
            serve_at = serve(
                history,
                model,
                host=host,
                port=port,
                worlds=worlds,
                seed=seed,
                start=first,
                end=last,
                wave=wave,
                proxies=proxy or (),
                borders=borders,
                scope=scope,
                given=given,
                progress=tell,
            )
        with left_to_others():  # the server lets answers that are on their way arrive
            serve_at.run(typer.echo)
