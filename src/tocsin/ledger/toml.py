"""A ledger as TOML, with the same words as the declaration in Python; the ledgers that stand beside histories."""

from __future__ import annotations

from dataclasses import MISSING, fields
from datetime import date
from pathlib import Path
from typing import Any

from tocsin.errors import ModelError, suggestion
from tocsin.files.format import FORMAT
from tocsin.history.describe import LEDGER, packaged
from tocsin.history.read_folder import find_folder
from tocsin.ledger.ledger import Clause, Fact, Figure, Ledger, Stock, Treaty
from tocsin.ledger.problems import refuse
from tocsin.model.toml import load_toml, refuse_format

KINDS: dict[str, type] = {"stock": Stock, "treaty": Treaty, "clause": Clause, "fact": Fact}

_NUMBERS = ("amount", "whole", "low", "high", "lasting")

_TIMES = ("at", "by")


def load_ledger(name_or_path: str | Path) -> Ledger:
    """Read the ledger of a packaged history, of a folder that holds ledger.toml, or a TOML file.

    Raises:
        HistoryError: there is no such history or folder.
        ModelError: it has no ledger, or the ledger is wrong; every problem is listed.

    Parameters:
        name_or_path: name of a packaged history, a folder that holds ledger.toml, or a TOML file.

    Example:
        >>> import tocsin as tc
        >>> type(tc.load_ledger("1917")).__name__
        'Ledger'
    """
    path = Path(name_or_path).expanduser()
    if str(name_or_path) in packaged() or not path.is_file():
        path = find_folder(name_or_path) / LEDGER
        if not path.is_file():
            raise ModelError(
                f"the history {str(name_or_path)!r} has no ledger: there is no {LEDGER} beside it"
            )
    return read_ledger(path)


def read_ledger(source: str | Path) -> Ledger:
    """Read a ledger from a TOML file or text; raise ModelError that lists every problem."""
    content, where = load_toml(source, "ledger")
    refuse_format(content, where)
    found: list[str] = []
    for key in content:
        if key not in ("format", *KINDS, "title", "note"):
            found.append(f"unknown key {key!r}" + suggestion(key, [*KINDS, "title", "note"]))
    for key in ("title", "note"):
        if not isinstance(content.get(key, ""), str):
            found.append(f"{key} is text, not {content[key]!r}")
    made: dict[str, list[Any]] = {name: [] for name in KINDS}
    for name, kind in KINDS.items():
        rows = content.get(name, [])
        if not isinstance(rows, list):
            found.append(f"[[{name}]] tables are expected, not {rows!r}")
            continue
        for number, row in enumerate(rows, start=1):
            label = row.get("name") if isinstance(row, dict) else None
            place = f"{name} {number}" + (f" ({label})" if isinstance(label, str) else "")
            declared = _made(kind, row, place, found)
            if declared is not None:
                made[name].append(declared)
    refuse(
        found, where
    )  # a table that could not be read is missing to all that name it: that would be said twice
    title, note = str(content.get("title", "")), str(content.get("note", ""))
    return Ledger(made["stock"], made["treaty"], made["clause"], made["fact"], title, note, where)


def _made(kind: type, row: Any, place: str, found: list[str]) -> Any:
    """Return the declaration of a table, or None where something is wrong, which is noted."""
    if not isinstance(row, dict):
        found.append(f"{place}: a table is expected, not {row!r}")
        return None
    before = len(found)
    known = {field.name: field.default is MISSING for field in fields(kind)}  # and whether it is needed
    for key in row:
        if key not in known:
            found.append(f"{place}: unknown key {key!r}" + suggestion(key, known))
    for key, needed in known.items():
        if needed and key not in row:
            found.append(f"{place}: the key {key!r} is missing")
    values: dict[str, Any] = {}
    for key, value in row.items():
        if key not in known:
            continue
        if key == "rivals":
            listed = value if isinstance(value, list) else [value]
            rivals = [_made(Figure, each, f"{place}, rival {n}", found) for n, each in enumerate(listed, 1)]
            values[key] = tuple(rival for rival in rivals if rival is not None)
        else:
            values[key] = value
            fault = _fault(key, value)
            if fault:
                found.append(f"{place}: {key} is {fault}, not {value!r}")
    return kind(**values) if len(found) == before else None


def _fault(key: str, value: Any) -> str | None:
    """Return what a value should have been, or None where it is right."""
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if key in _NUMBERS:
        return None if number else "a number"
    if key in _TIMES:
        if isinstance(value, str):
            try:
                date.fromisoformat(value)
            except ValueError:
                return "a date such as 1918-03-03"
        return None if number or isinstance(value, date | str) else "a date or a number"
    if key == "stocks":
        good = isinstance(value, str) or (isinstance(value, list) and all(isinstance(x, str) for x in value))
        return None if good else "a list of names"
    return None if isinstance(value, str) else "text"


def write_ledger(ledger: Ledger) -> str:
    """Return the ledger as TOML text."""
    import tomli_w

    content: dict[str, Any] = {"format": FORMAT}
    content |= {key: getattr(ledger, key) for key in ("title", "note") if getattr(ledger, key)}
    for name, rows in (
        ("stock", ledger.stocks),
        ("treaty", ledger.treaties),
        ("clause", ledger.clauses),
        ("fact", ledger.facts),
    ):
        if rows:
            content[name] = [_table(row) for row in rows]
    return tomli_w.dumps(content, multiline_strings=False)


def _table(declared: Any) -> dict[str, Any]:
    table: dict[str, Any] = {}
    for field in fields(declared):
        value = getattr(declared, field.name)
        if value is None or value == field.default:
            continue
        if field.name == "rivals":
            if value:
                table["rivals"] = [_table(rival) for rival in value]
        elif isinstance(value, tuple):
            table[field.name] = list(value)
        elif field.name in _TIMES and isinstance(value, str):
            table[field.name] = date.fromisoformat(value)
        else:
            table[field.name] = value
    return table
