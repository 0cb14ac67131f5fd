"""The command line: one verb, one function call. Nothing heavy is imported until a verb needs it.

Exit codes: 0 done, 1 the data or the model are wrong (a message, no traceback), 2 the command line is wrong.
A sentence of --do that cannot be read is a wrong command line; one that names what does not exist is not.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tocsin.ending import left_to_others
from tocsin.errors import SentenceError, TocsinError
from tocsin.shown import printable
from tocsin.verb_options import (
    DoOption,
    DrawsOption,
    FromOption,
    GivenOption,
    HistoryArgument,
    ModelOption,
    PageSeedOption,
    SeedOption,
    ToOption,
    WaveOption,
    WorldsOption,
    YesOption,
    draws_asked,
    named,
)

if TYPE_CHECKING:
    from tocsin.history import History
    from tocsin.model import Model

app = typer.Typer(
    rich_markup_mode=None,
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="""Tocsin: how revolutions spread. Fit a recorded wave, replay it in many worlds, change one thing.

Start here:

\b
  tocsin histories             the histories that come with Tocsin
  tocsin replay 1917           fit 1917-1923, simulate 10,000 worlds, write a report
  tocsin replay 1917 --do "remove layer comintern"
                               the same worlds without the Comintern

A HISTORY is the name of a packaged history, or a folder with history.toml, units.csv, events.csv, ties.csv
and covariates.csv. A model is a TOML file; a history may bring its own (model.toml).""",
)


@app.command()
def replay(
    history: Annotated[
        str | None, typer.Argument(metavar="HISTORY", help="A packaged name such as 1917, or a folder.")
    ] = None,
    model: ModelOption = None,
    worlds: WorldsOption = 10_000,
    seed: SeedOption = 1917,
    yes: YesOption = False,
    start: FromOption = None,
    end: ToOption = None,
    do: DoOption = None,
    given: GivenOption = "nothing",
    clocks: Annotated[
        str,
        typer.Option("--clocks", metavar="WHICH", help="With --given history: cause, source or fresh."),
    ] = "cause",
    wave: WaveOption = None,
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
      tocsin replay 1917 --do "remove layer comintern"
      tocsin replay 1917 --do "prevent hungary regime=soviet"
      tocsin replay 1917 --do "force germany regime=soviet at 1918-11-09"
      tocsin replay 1917 --do "scale food_crisis by 0.5"
      tocsin replay 1917 --do "remove layer front" --given "until 1918-11-01"
      tocsin replay 1917 --do "prevent hungary regime=soviet" --given history
      tocsin replay --again runs/1917-.../manifest.json

    The folder then holds report.html (open it in a browser), ensemble.parquet (every event of every world),
    summary.csv (unit by unit), fit.json (the estimates, and the draws of the parameters) and manifest.json (what was
    run, to repeat it).
    With --do, the same worlds are also simulated unchanged (baseline.parquet), and both stand side by side;
    see whatif --help for all sentences. One that cannot be read exits with 2, one that names what does not
    exist with 1.
    """
    if again is not None:
        more = [model, start, end, do, wave, history, given != "nothing", clocks != "cause", draws != "fit"]
        if any(more) or worlds != 10_000 or seed != 1917:
            raise typer.BadParameter(
                "the manifest says all but --out; give nothing else beside --again", param_hint="--again"
            )
        _guarded(lambda: _repeat(again, out))
        return
    if history is None:
        raise typer.BadParameter(
            "name a history, such as 1917, or use --again MANIFEST", param_hint="HISTORY"
        )
    if clocks != "cause" and given.split()[:1] != ["history"]:
        raise typer.BadParameter("says how worlds are coupled under --given history", param_hint="--clocks")
    first, last = _time(start, "--from"), _time(end, "--to")
    asked = {"do": do or [], "wave": wave, "given": given, "clocks": clocks, "draws": draws_asked(draws)}
    _guarded(lambda: _replay(history, model, worlds, seed, first, last, asked, out))


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

    def act() -> None:
        from tocsin.history import load_history
        from tocsin.history.report import describe, describe_unit, list_packaged

        if name is None:
            typer.echo(list_packaged())
            return
        record = load_history(name)
        typer.echo(describe(record) if unit is None else describe_unit(record, unit))

    _guarded(act)


@app.command()
def validate(
    path: Annotated[str, typer.Argument(metavar="PATH", help="A folder with a history, or a packaged name.")],
) -> None:
    """Check a history: every problem with file, line, column, value and the nearest valid name.

    \b
      tocsin validate my-history
    """

    def act() -> None:
        from tocsin.history import load_history
        from tocsin.history.report import describe

        record = load_history(path)
        typer.echo(describe(record))
        for warning in record.warnings:
            typer.echo(f"warning: {warning}")
        typer.echo("no problems")

    _guarded(act)


@app.command()
def fit(
    history: HistoryArgument,
    model: ModelOption = None,
    start: FromOption = None,
    end: ToOption = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", parser=named, metavar="FILE", help="Also write the fit as JSON, as replay does."
        ),
    ] = None,
) -> None:
    """Fit the model to a history by maximum likelihood and print the estimates.

    \b
      tocsin fit 1917
      tocsin fit my-history --model my-model.toml --out fit.json
    """
    first, last = _time(start, "--from"), _time(end, "--to")

    def act() -> None:
        from tocsin.show.files import to_json
        from tocsin.show.replay import fit_content, fitted
        from tocsin.show.table import console, estimates_table, frame_table
        from tocsin.whole import write_whole

        record, declared = _opened(history, model, first, last)
        with _progress() as tell:
            estimates = fitted(declared, record, tell)
        if out is not None:
            write_whole(out, to_json(fit_content(estimates)))
        page = console(width=180)
        title = f"{record.title or record.name}: log-likelihood {estimates.loglik:.4f}"
        page.print(estimates_table(estimates, title))
        page.print(frame_table(estimates.transitions.reset_index(drop=True), "what the estimates rest on"))
        for warning in estimates.warnings:
            page.print(f"warning: {warning}", markup=False)

    _guarded(act)


@app.command()
def attribute(
    history: HistoryArgument,
    model: ModelOption = None,
    start: FromOption = None,
    end: ToOption = None,
    unit: Annotated[
        str | None,
        typer.Option("--unit", metavar="UNIT", help="The events of one unit, with what each came from."),
    ] = None,
    transition: Annotated[
        str | None,
        typer.Option("--transition", metavar="NAME", help='Only one, such as "regime: old > soviet".'),
    ] = None,
    by: Annotated[
        str | None,
        typer.Option(
            "--by", metavar="WHAT", help="One table only: sums by transition, layer, source or period."
        ),
    ] = None,
    draws: Annotated[
        int,
        typer.Option(
            "--draws", metavar="N", min=0, help="Draws of the parameters for the intervals; 0 for none."
        ),
    ] = 200,
    tree: Annotated[
        bool, typer.Option("--tree", help="The consensus tree: each event below its likeliest parent.")
    ] = False,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            parser=named,
            metavar="DIR",
            help="Write causes.csv, sources.csv, totals.csv, offspring.csv, tree.csv and tree.graphml.",
        ),
    ] = None,
) -> None:
    """Fit the model and say what each event came from: causes, sources, and the events that set it off.

    \b
      tocsin attribute 1917
      tocsin attribute 1917 --by period
      tocsin attribute 1917 --transition "regime: old > soviet" --tree
      tocsin attribute 1917 --unit hungary
      tocsin attribute 1917 --out shares

    A share says how much of the hazard at that instant came from a cause or a source; the shares of one event
    add up to 1. It does not say that the event would not have happened without it. Intervals tell how much the
    shares change over the parameters that the record allows. What an event set off is the sum of its shares in
    later events; the tree gives each event its likeliest parent, `weak` where its support is below one half.
    tree.graphml opens in Gephi, yEd, igraph and networkx.
    """
    first, last = _time(start, "--from"), _time(end, "--to")
    if by not in (None, "transition", "layer", "source", "period"):
        raise typer.BadParameter(f"{by!r} is not transition, layer, source or period", param_hint="--by")

    def act() -> None:
        from tocsin.show.attributed import print_attribution, refuse_unknown
        from tocsin.show.replay import fitted

        record, declared = _opened(history, model, first, last)
        refuse_unknown(record, declared, unit, transition)
        with _held(out):
            with _progress() as tell:
                attribution = fitted(declared, record, tell).attribute(record, draws=draws)
            print_attribution(attribution, unit, transition, by, tree)
            for note in attribution.write(out) if out is not None else ():
                typer.echo(note, err=True)

    _guarded(act)


@app.command()
def explore(
    history: Annotated[
        str, typer.Argument(metavar="HISTORY", help="A packaged name such as 1917, or a folder.")
    ] = "1917",
    model: ModelOption = None,
    worlds: Annotated[
        int, typer.Option("--worlds", metavar="N", min=50, max=20_000, help="How many worlds an answer has.")
    ] = 2000,
    seed: PageSeedOption = 1917,
    start: FromOption = None,
    end: ToOption = None,
    wave: WaveOption = None,
    host: Annotated[
        str, typer.Option("--host", metavar="NAME", help="Where to listen; this machine only by default.")
    ] = "127.0.0.1",
    port: Annotated[
        int, typer.Option("--port", metavar="N", min=0, max=65535, help="The port; 0 takes any that is free.")
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
      tocsin explore my-history --port 0
    """
    first, last = _time(start, "--from"), _time(end, "--to")
    for each in proxy or ():
        _network(each, "--proxy")

    def act() -> None:
        from tocsin.explore.serve import serve

        with _progress() as tell:
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
                progress=tell,
            )
        with left_to_others():  # the server lets answers that are on their way arrive
            serve_at.run(typer.echo)

    _guarded(act)


# --- what the verbs share -------------------------------------------------------------------------------


def _opened(history: str, model: Path | None, start: str | None, end: str | None) -> tuple[History, Model]:
    from tocsin.show.replay import open_history, open_model

    _, record = open_history(history, (start, end))
    return record, open_model(record, model)[1]


def _replay(
    history: str,
    model: Path | None,
    worlds: int,
    seed: int,
    start: str | None,
    end: str | None,
    asked: dict[str, Any],
    out: Path | None,
) -> None:
    from tocsin.show.replay import replay as run

    with _held(out), _progress() as tell:
        done = run(history, model, worlds=worlds, seed=seed, start=start, end=end, progress=tell, **asked)
        tell("writing the report", 0, 0)
        folder = done.write(out)
    _ended(done, folder)
    done.clear()


def _repeat(manifest: Path, out: Path | None) -> None:
    from tocsin.show.replay import replay_again

    # Never over the files that are being repeated, unless it is asked for.
    here = manifest.resolve().parent
    to = out if out is not None else here.with_name(f"{here.name}-again")
    with _held(to), _progress() as tell:
        done = replay_again(manifest, progress=tell)
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


@contextmanager
def _held(out: Path | None) -> Iterator[None]:
    """Keep others out of the folder to write to, from the beginning: nobody waits long to be refused."""
    if out is None:
        yield
        return
    from tocsin.locks import alone

    with alone(out, "writing results"):
        yield


def _ended(done: Any, folder: Path) -> None:
    from tocsin.show.findings import doubt_of_worlds
    from tocsin.show.table import console, unit_table

    page = console()
    page.print(unit_table(done.comparison))
    for sentence in doubt_of_worlds(done.comparison):
        page.print(sentence, markup=False)
    for warning in done.fit["warnings"]:
        page.print(f"warning: {warning}", markup=False)
    typer.echo(f"Report: {folder / 'report.html'}")


def _time(text: str | None, option: str) -> str | None:
    """Return the text of a date or a number; anything else is a wrong command line."""
    if text is None:
        return None
    import re
    from datetime import date

    from tocsin.history.clock import is_number

    if not is_number(text):
        parts = re.fullmatch(r"([0-9]{4})(?:-([0-9]{2}))?(?:-([0-9]{2}))?", text)
        try:
            if parts is None:
                raise ValueError
            date(*(int(part or 1) for part in parts.groups()))
        except ValueError:
            raise typer.BadParameter(
                f"{text!r} is not a date such as 1919-03-21", param_hint=option
            ) from None
    return text


def _network(text: str, option: str) -> None:
    """Refuse what is neither an address nor a network."""
    import ipaddress

    try:
        ipaddress.ip_network(text)
    except ValueError:
        words = f"{text!r} is neither an address such as 127.0.0.1 nor a network such as 10.0.0.0/8"
        raise typer.BadParameter(words, param_hint=option) from None


@contextmanager
def _progress() -> Iterator[Callable[[str, int, int], None]]:
    """Show what is being done and how far it is, on a terminal; say nothing elsewhere."""
    if not sys.stderr.isatty():
        yield lambda what, done, total: None
        return
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn())
    from tocsin.show.table import console

    with Progress(*columns, console=console(stderr=True), transient=True) as bars:
        tasks: dict[str, Any] = {}

        def tell(what: str, done: int, total: int) -> None:
            if what not in tasks:
                for task in tasks.values():
                    if bars.tasks[task].total is None:
                        bars.update(task, total=1, completed=1)
                tasks[what] = bars.add_task(what, total=total or None)
            bars.update(tasks[what], completed=done)

        yield tell


def _guarded(act: Callable[[], None]) -> None:
    from tocsin.machine import check_limit

    try:
        check_limit()
        act()
    except SentenceError as error:
        typer.echo(printable(f"tocsin: {error}"), err=True)
        raise typer.Exit(2) from None
    except TocsinError as error:
        typer.echo(printable(f"tocsin: {error}"), err=True)
        raise typer.Exit(1) from None


import tocsin.verb_check  # noqa: E402
import tocsin.verb_publish  # noqa: E402
import tocsin.verb_whatif  # noqa: E402
import tocsin.verbs  # noqa: E402, F401  (more verbs, on the same app)
