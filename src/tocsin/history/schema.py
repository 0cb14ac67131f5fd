"""The tables of a history: which columns each one needs, which it may have, and what a misspelling is."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tocsin.errors import nearest

if TYPE_CHECKING:
    from tocsin.history.frames import Raw
    from tocsin.history.problems import Report

CONFIDENCES = ("high", "medium", "low", "unrated")
PROVENANCE = ("citation", "confidence", "note")
# Names of the constant term of every formula, which no covariate can have.
CONSTANT = ("Intercept", "1")
# What other programs call our columns; only used to say so where the required one is missing.
ALIASES = {
    "unit": ("id", "name", "place", "country", "region", "agent", "node"),
    "source": ("from", "sender", "origin"),
    "target": ("to", "receiver", "destination"),
    "time": ("date", "day", "when"),
    "covariate": ("name", "variable"),
    "state": ("to", "status", "value"),
    "layer": ("type", "kind", "network"),
}


@dataclass(frozen=True)
class Schema:
    """One table: its name, the columns it needs and the further ones that mean something."""

    name: str
    required: tuple[str, ...]
    optional: tuple[str, ...]

    @property
    def known(self) -> tuple[str, ...]:
        """All columns with a meaning of their own."""
        return self.required + self.optional


UNITS = Schema("units", ("unit",), ("label", "enter", "exit", "lon", "lat", *PROVENANCE))
EVENTS = Schema("events", ("unit", "variable", "state", "time"), ("time_latest", "sequence", *PROVENANCE))
TIES = Schema("ties", ("layer", "source", "target"), ("weight", "start", "end", *PROVENANCE))
COVARIATES = Schema("covariates", ("unit", "covariate", "value"), ("start", "end", *PROVENANCE))
EPISODES = Schema("episodes", ("unit",), ("start", "end", *PROVENANCE))
SOURCES = Schema("sources", ("key", "citation"), ("note",))
SCHEMAS = (UNITS, EVENTS, TIES, COVARIATES, EPISODES, SOURCES)


def misspelt(name: str, known: Iterable[str]) -> str | None:
    """The known name that `name` is almost certainly meant to be (a slip of one or two letters), or None."""
    folded = name.strip().casefold()
    for candidate in known:
        if folded == candidate.casefold():
            return candidate
    for candidate in known:
        short = len(candidate) <= 3
        if short and sorted(folded) == sorted(candidate):  # two letters changed places
            return candidate
        allowed = 0 if short else 1 if len(candidate) < 7 else 2
        if allowed and _distance(folded, candidate.casefold(), allowed) <= allowed:
            return candidate
    return None


def _distance(a: str, b: str, most: int) -> int:
    """Edits (insert, drop, replace, swap neighbours) from a to b; gives up beyond `most`."""
    if abs(len(a) - len(b)) > most:
        return most + 1
    rows = [list(range(len(b) + 1))]
    for i, left in enumerate(a, 1):
        row = [i]
        for j, right in enumerate(b, 1):
            best = min(rows[i - 1][j] + 1, row[j - 1] + 1, rows[i - 1][j - 1] + (left != right))
            if i > 1 and j > 1 and left == b[j - 2] and a[i - 2] == right:
                best = min(best, rows[i - 2][j - 2] + 1)
            row.append(best)
        rows.append(row)
    return rows[-1][-1]


def check_columns(raw: Raw, schema: Schema, extra: Iterable[str], report: Report) -> bool:
    """Report missing and misspelt columns; True if the table can be read at all.

    Parameters:
        extra: further names that are no misspellings (the state variables, for units).
    """
    if raw.rows == 0 and raw.lines is None:
        return False  # a table left out, or a frame without rows, is empty
    header = None if raw.lines is None else 1
    known = [*schema.known, *extra]
    absent = [name for name in known if name not in raw.columns]
    unknown = [name for name in raw.columns if name not in known]
    for name in unknown:
        if not name.strip():
            report.add(raw.file, "a column without a name", line=header, column=name, value=name)
        elif (meant := misspelt(name, absent)) is not None:
            report.add(raw.file, "unknown column", line=header, column=name, value=name, nearest=meant)
    missing = [name for name in schema.required if name not in raw.columns]
    for name in missing:
        other = next((alias for alias in ALIASES.get(name, ()) if alias in unknown), None)
        hint = f" (rename {other!r}?)" if other else ""
        there = ", ".join(list(raw.columns)[:12])
        report.add(
            raw.file,
            f"the required column {name!r} is missing{hint}; there are: {there}",
            line=header,
            column=name,
        )
    return not missing


def nearest_of(value: str, valid: list[str]) -> str | None:
    """The nearest valid name; among very many names only case and blanks are looked through."""
    if len(valid) <= 5000:
        return nearest(value, valid)
    folded = value.strip().casefold()
    return next((name for name in valid if name.casefold() == folded), None)
