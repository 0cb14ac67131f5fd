"""The command line: one verb, one function call. Nothing heavy is imported until a verb needs it.

Exit codes: 0 done, 1 the data or the model are wrong (a message, no traceback), 2 the command line is wrong.
A sentence of --do that cannot be read is a wrong command line; one that names what does not exist is not.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from tocsin.errors import SentenceError, TocsinError, printable

if TYPE_CHECKING:
    from tocsin.history.history import History
    from tocsin.model.model import Model

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


def _version(asked: bool) -> None:
    """Say the version and end."""
    if asked:
        from tocsin import __version__

        typer.echo(f"tocsin {__version__}")
        raise typer.Exit


@app.callback()
def tocsin(
    version: bool = typer.Option(
        False, "--version", callback=_version, is_eager=True, help="Say the version and end."
    ),
) -> None:
    """What is asked before any verb; the help text stands on the app."""


def opened(history: str, model: Path | None, start: str | None, end: str | None) -> tuple[History, Model]:
    """Return the history and the model that a verb was asked about."""
    from tocsin.report.replay import open_history, open_model

    _, record = open_history(history, (start, end))
    return record, open_model(record, model)[1]


@contextmanager
def held(out: Path | None) -> Iterator[None]:
    """Keep others out of the folder to write to, from the beginning: nobody waits long to be refused."""
    if out is None:
        yield
        return
    from tocsin.files.locks import alone

    with alone(out, "writing results"):
        yield


def time_given(text: str | None, option: str) -> str | None:
    """Return the text of a date or a number; anything else is a wrong command line."""
    if text is None:
        return None
    from datetime import date

    from tocsin.history.time import is_number

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
def progress() -> Iterator[Callable[[str, int, int], None]]:
    """Show what is being done and how far it is, on a terminal; say nothing elsewhere."""
    if not sys.stderr.isatty():
        yield lambda what, done, total: None
        return
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn())
    from tocsin.report.terminal import console

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


@contextmanager
def guarded() -> Iterator[None]:
    """Say what is wrong in words and end with its code; nothing else that breaks is caught here."""
    from tocsin.machine.refusals import check_limit

    try:
        check_limit()
        yield
    except SentenceError as error:
        typer.echo(printable(f"tocsin: {error}"), err=True)
        raise typer.Exit(2) from None
    except TocsinError as error:
        typer.echo(printable(f"tocsin: {error}"), err=True)
        raise typer.Exit(1) from None
