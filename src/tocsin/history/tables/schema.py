"""The tables of a history: which columns each one needs, which it may have, and what a misspelling is."""

from __future__ import annotations

import math
from collections.abc import Callable, Container, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tocsin.errors import HistoryError, Problem, nearest
from tocsin.history.tables.look_alikes import look_alike
from tocsin.states import StateVariable

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from tocsin.history.tables.frames import Raw

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


# A column of units by which outlines are found.
READ_BY_MAPS = ("iso3",)

MARK = "unobserved"  # of a row of units: the place is there, but not coded

UNITS = Schema("units", ("unit",), ("label", "enter", "exit", MARK, "lon", "lat", *PROVENANCE))

# When a row came to be known, where that was later than what it speaks of: forecasts as of a day obey it.
REPORTED = "reported"

EVENTS = Schema(
    "events",
    ("unit", "variable", "state", "time"),
    ("time_latest", "sequence", "coding", REPORTED, *PROVENANCE),
)

TIES = Schema("ties", ("layer", "source", "target"), ("weight", "start", "end", REPORTED, *PROVENANCE))

COVARIATES = Schema("covariates", ("unit", "covariate", "value"), ("start", "end", REPORTED, *PROVENANCE))

EPISODES = Schema("episodes", ("unit",), ("start", "end", *PROVENANCE))

SOURCES = Schema("sources", ("key", "citation"), ("note",))

SCHEMAS = (UNITS, EVENTS, TIES, COVARIATES, EPISODES, SOURCES)


def since(variable: str) -> str:
    """Return the column of units that says since when a unit has been in its state on entry of a variable."""
    return f"{variable}_since"


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


def is_code(value: str) -> bool:
    """Whether a name is a code (digits, or up to four capitals): then a name spelled nearly alike is another."""
    text = value.strip()
    return (any(sign.isdigit() for sign in text) and len(text) <= 8) or (text.isupper() and len(text) <= 4)


def check_look_alikes(raw: Raw, schema: Schema, known: Container[str], report: Report) -> None:
    """Report columns that a table does not know and whose names mean a time, a place or an identifier."""
    header = None if raw.lines is None else 1
    if any(name not in raw.columns for name in schema.required):
        return  # what is missing is told first
    absent = [name for name in schema.known if name not in raw.columns]
    for name in raw.columns:
        found = None if name in known or misspelt(name, absent) else look_alike(name, schema.name)
        if found is None:
            continue
        what, meant = found
        beside, near = (f", beside {meant!r}", None) if meant in raw.columns else ("", meant)
        told = f"unknown column, whose name looks like {what}{beside}: rename or drop it, or list it in extra = [...]"
        report.add(raw.file, told, line=header, column=name, value=name, nearest=near)


def nearest_of(value: str, valid: list[str]) -> str | None:
    """The nearest valid name; among very many names, and between codes, only case and blanks are looked through."""
    if len(valid) <= 5000 and not is_code(value):
        return nearest(value, valid)
    folded = value.strip().casefold()
    return next((name for name in valid if name.casefold() == folded), None)


# --- The report of everything that is wrong with a history, gathered before anything is refused

# A table of ten million rows can be wrong ten million times over; beyond this many faults of one kind in one
# column the report counts them instead of listing them.
MOST_OF_A_KIND = 1000

LONGEST_VALUE = 200

ORDER = ("history", "units", "events", "ties", "covariates", "episodes", "sources", "model")


class Report:
    """Gathers problems; `raise_if_any` refuses the history with all of them."""

    def __init__(self) -> None:
        self._problems: list[Problem] = []
        self._seen: dict[tuple[str, str | None, str], int] = {}

    def __bool__(self) -> bool:
        return bool(self._problems)

    def add(
        self,
        file: str,
        message: str,
        *,
        line: int | None = None,
        column: str | None = None,
        value: object = None,
        nearest: str | None = None,
        kind: str | None = None,
    ) -> None:
        """Note one problem; `kind` groups problems whose messages differ only in detail."""
        key = (file, column, kind or message)
        self._seen[key] = self._seen.get(key, 0) + 1
        if self._seen[key] > MOST_OF_A_KIND:
            return
        text = None if value is None else str(value)
        if text is not None and len(text) > LONGEST_VALUE:
            text = text[: LONGEST_VALUE - 1] + "…"
        self._problems.append(Problem(file, line, column, text, message, nearest))

    def rows(
        self,
        raw: Raw,
        rows: Iterable[int] | NDArray[np.integer],
        column: str | None,
        message: str | Callable[[int], str],
        *,
        nearest: Callable[[str], str | None] | None = None,
        kind: str | None = None,
    ) -> None:
        """Note a problem for each of the given rows of a table (0-based)."""
        label = kind or (message if isinstance(message, str) else "rows")
        key = (raw.file, column, label)
        for row in rows:
            row = int(row)
            if self._seen.get(key, 0) >= MOST_OF_A_KIND:
                self._seen[key] += 1
                continue
            value = None if column is None else raw.value(column, row)
            if value is not None and raw.garbled and "\ufffd" in value:
                continue  # the wrong encoding of this cell is reported already
            self.add(
                raw.file,
                message if isinstance(message, str) else message(row),
                line=raw.line(row),
                column=column,
                value=value,
                nearest=nearest(value) if nearest is not None and value is not None else None,
                kind=label,
            )

    def problems(self) -> list[Problem]:
        """All problems by table and line, with a count of those too many to list."""
        extra = [
            Problem(file, None, column, None, f"and {count - MOST_OF_A_KIND} more of these: {kind}")
            for (file, column, kind), count in self._seen.items()
            if count > MOST_OF_A_KIND
        ]

        def place(problem: Problem) -> tuple[int, str, float]:
            stem = problem.file.partition(".")[0]
            rank = ORDER.index(stem) if stem in ORDER else len(ORDER)
            return rank, problem.file, float("inf") if problem in extra else problem.line or 0

        return sorted(dict.fromkeys(self._problems + extra), key=place)

    def raise_if_any(self, where: str) -> None:
        """Raise HistoryError with every problem, if there is one."""
        if self._problems:
            raise HistoryError(self.problems(), where)


# --- What `History` is handed besides tables: state variables, layers, values outside; faults go to
#     the report


def read_variables(variables: object, report: Report) -> tuple[StateVariable, ...]:
    """Return the state variables that were handed in, each name once."""
    if isinstance(variables, StateVariable):
        variables = [variables]
    if not isinstance(variables, Iterable) or isinstance(variables, str | bytes):
        report.add(
            "history", "variables must be a list of StateVariable", column="variables", value=variables
        )
        return ()
    found = list(variables)
    wrong = [variable for variable in found if not isinstance(variable, StateVariable)]
    for variable in wrong:
        report.add("history", "variables must be a list of StateVariable", column="variables", value=variable)
    kept = [variable for variable in found if isinstance(variable, StateVariable)]
    names = [variable.name for variable in kept]
    for name in sorted({name for name in names if names.count(name) > 1}):
        report.add("history", "two state variables have this name", column="variables", value=name)
    return tuple({variable.name: variable for variable in kept}.values())


def read_layers(layers: object, report: Report) -> tuple[dict[str, str | None], bool]:
    """Return combine rules by layer, and whether these are all the layers there are (a plain list says so)."""
    if layers is None:
        return {}, False
    if isinstance(layers, Mapping):
        rules: dict[str, str | None] = {}
        for name, rule in layers.items():
            wanted = rule.get("combine") if isinstance(rule, Mapping) else rule
            if isinstance(rule, Mapping):
                for key in rule:
                    if key != "combine":
                        report.add(
                            "history",
                            f"unknown key of layer {name!r}",
                            column="layers",
                            value=key,
                            nearest=nearest(str(key), ["combine"]),
                        )
            if wanted not in (None, "max", "sum"):
                report.add(
                    "history",
                    f'layer {name!r}: combine is "max" or "sum"',
                    column="layers",
                    value=wanted,
                    nearest=nearest(str(wanted), ["max", "sum"]),
                )
                wanted = "max"  # whatever was meant, parallel ties of this layer are no further fault
            rules[str(name)] = wanted
        return rules, False
    if isinstance(layers, Iterable) and not isinstance(layers, str | bytes):
        return {str(name): None for name in layers}, True
    report.add(
        "history", "layers must be a list of names or a dict of combine rules", column="layers", value=layers
    )
    return {}, False


def read_outside(outside: Mapping[str, float] | None, report: Report) -> dict[str, float]:
    """Return values of covariates outside their rows, those that are finite numbers."""
    found: dict[str, float] = {}
    for name, value in (outside or {}).items():
        try:
            number = float(value)
        except (TypeError, ValueError, OverflowError):
            number = math.nan
        if not math.isfinite(number):
            report.add(
                "history",
                f"bad number: the value of {name!r} outside must be finite",
                column="outside",
                value=value,
            )
            continue
        found[str(name)] = number + 0.0
    return found
