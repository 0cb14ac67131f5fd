"""The verb replay, the main job: fit, simulate, compare with what happened, write a report."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from tocsin.cli.command_line import app, guarded, held, progress, time_given
from tocsin.cli.options import (
    AskedOption,
    BordersOption,
    DoOption,
    DrawsOption,
    FromOption,
    ModelOption,
    ScopeOption,
    SeedOption,
    ToOption,
    WaveOption,
    WorldsOption,
    YesOption,
    draws_asked,
    named,
)
from tocsin.errors import TocsinError


@app.command()
def replay(
    history: Annotated[
        str | None, typer.Argument(metavar="HISTORY", help="A packaged name such as 1917, or a folder.")
    ] = None,
    model: ModelOption = None,
    borders: BordersOption = None,
    worlds: WorldsOption = 10_000,
    seed: SeedOption = 1917,
    yes: YesOption = False,
    start: FromOption = None,
    end: ToOption = None,
    do: DoOption = None,
    given: AskedOption = None,
    clocks: Annotated[
        str,
        typer.Option("--clocks", metavar="WHICH", help="With --given history: cause, source or fresh."),
    ] = "cause",
    wave: WaveOption = None,
    scope: ScopeOption = None,
    draws: DrawsOption = "fit",
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", parser=named, metavar="DIR", help="Where to write; else runs/HISTORY-<date>-<digest>."
        ),
    ] = None,
    again: Annotated[
        Path | None,
        typer.Option("--again", metavar="MANIFEST", help="Repeat the replay of a manifest.json to the bit."),
    ] = None,
) -> None:
    """Fit a history, simulate worlds, compare them with what happened, and write a report.

    \b
      tocsin replay 1917
      tocsin replay 1917 --worlds 2000 --seed 7 --out somewhere
      tocsin replay 1917 --scope strict
      tocsin replay 1917 --given nothing
      tocsin replay 1917 --do "remove layer comintern"
      tocsin replay 1917 --do "prevent hungary regime=soviet"
      tocsin replay 1917 --do "force germany regime=soviet at 1918-11-09"
      tocsin replay 1917 --do "scale food_crisis by 0.5"
      tocsin replay 1917 --do "remove layer front" --given "until 1918-11-01"
      tocsin replay 1917 --do "prevent hungary regime=soviet" --given history
      tocsin replay --again runs/1917-.../manifest.json

    A history may bring a question (that of 1917: given October, how far would it have gone?): worlds then agree with
    the record until its day. --given nothing lets them begin with the window, from nothing.

    The folder then holds report.html (open it in a browser), ensemble.parquet (every event of every world),
    summary.csv (unit by unit), fit.json (the estimates, and the draws of the parameters) and manifest.json (what was
    run, to repeat it).
    With --do, the same worlds are also simulated unchanged (baseline.parquet), and both stand side by side;
    see whatif --help for all sentences. One that cannot be read exits with 2, one that names what does not
    exist with 1.
    """
    if again is not None:
        more = [model, start, end, do, wave, scope, history, given, clocks != "cause", draws != "fit"]
        if any(more) or worlds != 10_000 or seed != 1917:
            raise typer.BadParameter(
                "the manifest says all but --out and the file of --borders; give nothing else beside --again",
                param_hint="--again",
            )
        _repeat(again, out, borders)
        return
    if history is None:
        raise typer.BadParameter(
            "name a history, such as 1917, or use --again MANIFEST", param_hint="HISTORY"
        )
    if clocks != "cause" and (given or "").split()[:1] != ["history"]:
        raise typer.BadParameter("says how worlds are coupled under --given history", param_hint="--clocks")
    first, last = time_given(start, "--from"), time_given(end, "--to")
    drawn = draws_asked(draws)
    with guarded():
        from tocsin.report.replay import replay as run

        with held(out), progress() as tell:
            done = run(
                history,
                model,
                worlds=worlds,
                seed=seed,
                start=first,
                end=last,
                do=do or [],
                wave=wave,
                given=given,
                clocks=clocks,
                draws=drawn,
                borders=borders,
                scope=scope,
                progress=tell,
            )
            tell("writing the report", 0, 0)
            folder = done.write(out)
        _ended(done, folder)
        done.clear()


def _repeat(manifest: Path, out: Path | None, borders: Path | None) -> None:
    with guarded():
        from tocsin.report.replay import replay_again

        # Never over the files that are being repeated, unless it is asked for.
        here = manifest.resolve().parent
        to = out if out is not None else here.with_name(f"{here.name}-again")
        with held(to), progress() as tell:
            done = replay_again(manifest, borders=borders, progress=tell)
            tell("writing the report", 0, 0)
            folder = done.write(to)
        _ended(done, folder)
        done.clear()
        assert done.again is not None
        differing = done.differing_files()
        if not differing:
            typer.echo(f"The same to the bit as {manifest}.")
            return
        changed = done.again.changed_versions()
        because = f"; since then changed: {', '.join(changed)}" if changed else ""
        raise TocsinError(f"not the same as {manifest}: {', '.join(differing)} differ{because}")


def _ended(done: Any, folder: Path) -> None:
    from tocsin.report.findings import doubt_of_worlds
    from tocsin.report.terminal import console, unit_table

    page = console()
    page.print(unit_table(done.comparison))
    for sentence in doubt_of_worlds(done.comparison):
        page.print(sentence, markup=False)
    for warning in done.fit["warnings"]:
        page.print(f"warning: {warning}", markup=False)
    typer.echo(f"Report: {folder / 'report.html'}")
