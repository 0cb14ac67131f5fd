"""The verb whatif: two scenarios side by side."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from tocsin.cli.command_line import app, guarded, held, progress, time_given
from tocsin.cli.options import (
    AskedOption,
    BordersOption,
    DrawsOption,
    FromOption,
    HistoryArgument,
    ModelOption,
    ScopeOption,
    SeedOption,
    ToOption,
    WaveOption,
    YesOption,
    draws_asked,
    named,
    whole,
)

SHOWN = 8  # columns of the page's table; those after them say how many worlds more would be needed


@app.command()
def whatif(
    history: HistoryArgument,
    do: Annotated[
        list[str],
        typer.Option("--do", metavar="CLAUSE", help="Change one thing; may be given several times."),
    ],
    against: Annotated[
        list[str] | None,
        typer.Option(
            "--against", metavar="CLAUSE", help="Set it beside this change, not beside worlds as they are."
        ),
    ] = None,
    given: AskedOption = None,
    scope: ScopeOption = None,
    model: ModelOption = None,
    borders: BordersOption = None,
    worlds: Annotated[
        int,
        typer.Option("--worlds", metavar="N", parser=whole(2), help="How many pairs of worlds to simulate."),
    ] = 2000,
    seed: SeedOption = 1917,
    yes: YesOption = False,
    start: FromOption = None,
    end: ToOption = None,
    wave: WaveOption = None,
    draws: DrawsOption = "fit",
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            parser=named,
            metavar="DIR",
            help="Where to write; else runs/HISTORY-what-if-<date>-<digest>.",
        ),
    ] = None,
) -> None:
    """Set worlds with a change beside the same worlds without it: what changes, how surely, and by what ways.

    \b
      tocsin whatif 1917 --do "remove layer comintern"
      tocsin whatif 1917 --do "force germany regime=soviet at 1918-11-09" --given history
      tocsin whatif 1917 --do "set food_crisis to 0" --given "until 1918-11-01"
      tocsin whatif 1917 --do "prevent hungary regime=soviet" --against "prevent bavaria regime=soviet"

    \b
    --given nothing         worlds in general, simulated from the start of the window
    --given "until DATE"    worlds that agree with what happened until then, and go on
    --given history         our own world with this changed, under each coupling of chance

    \b
    Sentences of --do, with dates where they are in square brackets:
      remove layer LAYER [from DATE] [to DATE]       scale layer LAYER by NUMBER [from..] [to..]
      rewire layer LAYER [seed NUMBER]               remove tie LAYER SOURCE > TARGET [from..] [to..]
      scale tie LAYER SOURCE > TARGET by NUMBER ..   add tie LAYER SOURCE > TARGET [weight NUMBER] ..
      remove cause CAUSE [for UNIT] [from..] [to..]  scale cause CAUSE by NUMBER [for UNIT] ..
      remove unit UNIT [from DATE]                   change parameter NAME to NUMBER (or: by NUMBER)
      set COVARIATE to NUMBER [for UNIT] ..          scale COVARIATE by NUMBER .., shift COVARIATE by NUMBER ..
      force UNIT VARIABLE=STATE at DATE              prevent UNIT VARIABLE=STATE [from..] [to..]
      delay UNIT VARIABLE=STATE until DATE           lift UNIT VARIABLE=STATE at DATE

    A sentence, or a --given, that cannot be read exits with 2; one that names what does not exist with 1.
    The folder then holds what-if.html (open it in a browser), table.csv, units.csv, chains.csv (the ways by
    which the change came) and what-if.json (what was run).
    """
    window, drawn = (time_given(start, "--from"), time_given(end, "--to")), draws_asked(draws)

    with guarded():
        from tocsin.report.what_if_page import ask

        with held(out), progress() as tell:
            beside = against or ()
            asked = ask(
                history, model, do, beside, given, worlds, seed, window, wave, drawn, tell, borders, scope
            )
            tell("writing the page", 0, 0)
            folder = asked.write(out)
        _printed(asked)
        typer.echo(f"Page: {folder / 'what-if.html'}")


def _printed(asked: Any) -> None:
    from tocsin.report.terminal import Narrowing, console
    from tocsin.report.what_if_page import numbers_side_by_side, over_words

    page = console()
    answer = asked.answer
    for name in answer.pairs:
        head, rows = numbers_side_by_side(answer, name)
        title = answer.question + (f" ({name} clocks)" if len(answer.pairs) > 1 else "")
        page.print(Narrowing(title, head[:SHOWN], [row[:SHOWN] for row in rows], range(1, SHOWN), (7, 6, 2)))
    page.print(
        f"Expected effect: {over_words(answer)}. Difference in one wave: luck and all, in 95 of 100 pairs of worlds. "
        "Less, more: worlds of 100.",
        style="dim",
        markup=False,
    )
    for warning in asked.warnings:
        page.print(f"warning: {warning}", markup=False)
    for sentence in answer.sentences():
        page.print(sentence, markup=False)
