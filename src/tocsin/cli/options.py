"""Arguments and options that several verbs have in common."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from tocsin.errors import LARGEST_SEED


def named(text: str) -> Path:
    """Return the path of an option; an empty one would be the folder we are in, which nobody meant."""
    if not text.strip():
        raise typer.BadParameter("'' names no file or folder; '.' is the folder you are in")
    return Path(text)


def whole(least: int, most: int | None = None) -> Callable[[str], int]:
    """Return what reads a whole number of an option as tables have them: no 1_000, and no digits but 0 to 9."""
    bounds = f"of at least {least}" if most is None else f"from {least} to {most}"

    def read(text: str) -> int:
        told = str(text)  # a default comes as a number
        if re.fullmatch(r"[+-]?[0-9]{1,400}", told) is None:
            raise typer.BadParameter(f"it must be a whole number {bounds}, not {told!r}")
        if int(told) < least or (most is not None and int(told) > most):
            raise typer.BadParameter(f"it must be a whole number {bounds}, not {told}")
        return int(told)

    return read


def decimal(text: str) -> float:
    """Read a number of an option as tables have them."""
    told = str(text)
    plain = re.fullmatch(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?", told)
    if plain is None or not abs(float(told)) < float("inf"):
        raise typer.BadParameter(f"{told!r} is not a plain number")
    return float(told)


def _allowed(yes: bool) -> bool:
    if yes:
        from tocsin.ensemble.room import allow

        allow(yes)
    return yes


HistoryArgument = Annotated[
    str, typer.Argument(metavar="HISTORY", help="A packaged name such as 1917, or a folder.")
]

ModelOption = Annotated[
    Path | None,
    typer.Option("--model", metavar="FILE", help="A model in TOML, instead of the history's own."),
]

BordersOption = Annotated[
    Path | None,
    typer.Option(
        "--borders",
        parser=named,
        metavar="FILE",
        help="Outlines in GeoJSON or TopoJSON for the maps, instead of the history's own.",
    ),
]

FromOption = Annotated[
    str | None,
    typer.Option(
        "--from", metavar="DATE", help="Begin here, such as 1918-11-01, instead of the history's first date."
    ),
]

ToOption = Annotated[
    str | None, typer.Option("--to", metavar="DATE", help="End here, instead of the history's last date.")
]

WaveOption = Annotated[
    str | None,
    typer.Option(
        "--wave", metavar="CLAUSE", help="The state to follow, such as regime=soviet; else the model's own."
    ),
]

GivenOption = Annotated[
    str,
    typer.Option(
        "--given",
        metavar="WHAT",
        help="nothing, 'until DATE', or history: what worlds share with the record.",
    ),
]

ScopeOption = Annotated[
    str | None,
    typer.Option(
        "--scope",
        metavar="NAME",
        help="The reading of the record, where the history has several: strict or broad for 1917.",
    ),
]

# What the question of a history says, unless it is given.
AskedOption = Annotated[
    str | None,
    typer.Option(
        "--given",
        metavar="WHAT",
        help="nothing (from the start), 'until DATE', or history (replay); else what the history's question says.",
    ),
]

WorldsOption = Annotated[
    int, typer.Option("--worlds", metavar="N", parser=whole(1), help="How many worlds to simulate.")
]

SeedOption = Annotated[
    int,
    typer.Option(
        "--seed", metavar="N", parser=whole(0, LARGEST_SEED), help="The same seed gives the same worlds."
    ),
]

# A page carries the seed in its address, as the streams take it.
PageSeedOption = Annotated[
    int, typer.Option("--seed", metavar="N", parser=whole(0, 2**32 - 1), help="The seed of the worlds.")
]

DoOption = Annotated[
    list[str] | None,
    typer.Option("--do", metavar="CLAUSE", help="Change one thing; may be given several times."),
]

DrawsOption = Annotated[
    str,
    typer.Option(
        "--draws",
        metavar="WHICH",
        help="Parameters of the worlds: fit (200 draws of their uncertainty), best (the estimates), or how many draws.",
    ),
]

TablesOption = Annotated[
    Path | None,
    typer.Option(
        "--out",
        parser=named,
        metavar="DIR",
        help="Also write the tables as CSV.",
    ),
]


def draws_asked(text: str) -> str | int:
    """Return what --draws asks for; anything else is a wrong command line."""
    if text in ("fit", "best"):
        return text
    if text.isascii() and text.isdigit() and 0 < int(text) <= 100_000:
        return int(text)
    raise typer.BadParameter(f"{text!r} is not fit, best or a number of draws", param_hint="--draws")


YesOption = Annotated[
    bool,
    typer.Option(
        "--yes", callback=_allowed, help="Begin even where the worlds seem to need more room than is free."
    ),
]

BootstrapSeedOption = Annotated[
    int,
    typer.Option(
        "--seed", metavar="N", parser=whole(0, LARGEST_SEED), help="The same seed gives the same answer."
    ),
]
