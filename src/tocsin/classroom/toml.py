"""TOML files beside a history, read with every fault listed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tocsin.errors import TocsinError, listed, suggestion
from tocsin.files.reading import read_toml


class Faults:
    """The faults of one file, gathered before it is refused."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.found: list[str] = []

    def add(self, words: str) -> None:
        """Note a fault."""
        self.found.append(words)

    def refuse(self) -> None:
        """Raise TocsinError with every fault, if there is one."""
        if self.found:
            raise TocsinError(listed(str(self.path), self.found))


def read_tables(
    path: Path, kind: str, head: Sequence[str], faults: Faults, more: Sequence[str] = ()
) -> tuple[dict[str, Any], list[Any]]:
    """Return the head of a file and its `[[kind]]` tables; raise TocsinError where it is no TOML or has none.

    `more` are kinds of tables that it may have beside.
    """
    content = read_toml(path)
    known = [*head, kind, *more]
    for key in content:
        if key not in known:
            faults.add(f"unknown key {key!r}" + suggestion(key, known))
    for each in (kind, *more):
        tables = content.get(each, [])
        if not isinstance(tables, list) or not all(isinstance(row, dict) for row in tables):
            faults.add(f"there is no [[{each}]]: {each} must be tables")
            faults.refuse()
    rows = content.get(kind, [])
    if not rows:
        faults.add(f"there is no [[{kind}]]")
        faults.refuse()
    for key in head:
        if not isinstance(content.get(key, ""), str):
            faults.add(f"{key} must be a text, not {content[key]!r}")
    return content, rows


def checked_row(
    row: Mapping[str, Any], place: str, needed: Sequence[str], more: Sequence[str], faults: Faults
) -> bool:
    """Note unknown and missing keys of a table, and texts that are none; return whether all needed are there."""
    known = [*needed, *more]
    for key in row:
        if key not in known:
            faults.add(f"{place}: unknown key {key!r}" + suggestion(key, known))
    whole = True
    for key in needed:
        if key not in row or row[key] in ("", []):
            faults.add(f"{place}: {key} is missing")
            whole = False
    return whole


def text_of(row: Mapping[str, Any], key: str, place: str, faults: Faults) -> str:
    """Return a text of a table, stripped; "" where there is none, and a fault where it is something else."""
    value = row.get(key, "")
    if isinstance(value, str):
        return " ".join(value.split())
    faults.add(f"{place}: {key} must be a text, not {value!r}")
    return ""


def texts_of(row: Mapping[str, Any], key: str, place: str, faults: Faults) -> list[str]:
    """Return a list of texts; a fault where it is something else."""
    value = row.get(key, [])
    if isinstance(value, list) and all(isinstance(each, str) for each in value):
        return list(value)
    faults.add(f"{place}: {key} must be a list of texts, not {value!r}")
    return []
