"""What a history asks unless another question is put, and in which reading of its record."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from tocsin.errors import HistoryError, Problem, suggestion
from tocsin.history.tables.frames import Raw

COLUMN = "scopes"  # of events: the readings that an event stands in; an empty cell means all


@dataclass(frozen=True)
class Question:
    """What a history asks.

    Attributes:
        ask: the question in words.
        given: what worlds share with the record: ``nothing`` or ``until DATE``.
        wave: the state that it is about, such as ``regime=soviet``; empty for the model's own.
        scope: the reading of the record, where the history has several.
        without: keys of prepared what-ifs whose effect the answer tells.
    """

    ask: str = ""
    given: str = "nothing"
    wave: str = ""
    scope: str = ""
    without: tuple[str, ...] = ()


def read_question(table: Mapping[str, Any], bad: Callable[[str, str, object], None]) -> Question | None:
    """Return the question of `[question]` in history.toml; None where there is none.

    Parameters:
        table: its keys and values.
        bad: told of a fault: the message, the key and its value.
    """
    if not table:
        return None
    found: dict[str, Any] = {}
    for each in fields(Question):
        value = table.get(each.name)
        many = each.name == "without"
        words = value if many and isinstance(value, list) else [value]
        if value is None:
            continue
        if not all(isinstance(word, str) and word.strip() for word in words) or (many and words is not value):
            bad(
                f"{each.name} of [question] must be {'a list of texts' if many else 'a text'}",
                each.name,
                value,
            )
        else:
            found[each.name] = tuple(value) if many else value
    return Question(**found)


def in_scope(events: Raw, scopes: Mapping[str, str], scope: str) -> Raw:
    """Return the events that stand in a reading, without the column that says so."""
    if COLUMN not in events.columns or not events.rows:
        return events
    cells = pc.fill_null(events.columns[COLUMN].cast(pa.string()), "").to_pylist()
    keep = [not cell.strip() or scope in (name.strip() for name in cell.split(";")) for cell in cells]
    mask = pa.array(keep, pa.bool_())
    columns = {name: values.filter(mask) for name, values in events.columns.items() if name != COLUMN}
    lines = None if events.lines is None else events.lines[keep]
    return replace(events, columns=columns, rows=sum(keep), lines=lines)


def chosen_scope(wanted: str | None, scopes: Mapping[str, str], question: Question | None, where: str) -> str:
    """Return the reading that is wanted, or the one of the question, or the first; empty where there is one only.

    Raises:
        HistoryError: there is no such reading.
    """
    usual = question.scope if question is not None and question.scope in scopes else next(iter(scopes), "")
    if wanted is None or wanted == usual:
        return usual
    if wanted not in scopes:
        there = f"its readings are {', '.join(scopes)}" if scopes else "its record has one reading only"
        message = f"there is no scope {wanted!r}: {there}{suggestion(wanted, scopes) if scopes else ''}"
        raise HistoryError([Problem("history.toml", None, "scopes", wanted, message)], where)
    return wanted
