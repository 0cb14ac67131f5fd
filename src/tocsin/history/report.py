"""What a history says about itself, in words and tables for people."""

from __future__ import annotations

import html
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tocsin.errors import HistoryError, TocsinError, suggestion
from tocsin.history import schema
from tocsin.history.clock import number_text
from tocsin.history.packaged import packaged

if TYPE_CHECKING:
    from tocsin.history.record import History

MOST_LEVELS = 8  # of a category that are listed


def list_packaged() -> str:
    """Return the packaged histories, one a line, with their titles."""
    from tocsin.history.record import load_history

    lines = []
    for name in packaged():
        try:
            lines.append(f"{name}  {load_history(name).title}".rstrip())
        except HistoryError as error:
            lines.append(
                f"{name}  (cannot be read: {len(error.problems)} problems; run `tocsin validate {name}`)"
            )
    return "\n".join(lines) or "no history is packaged"


def facts(history: History) -> dict[str, str]:
    """Return what a history holds, as label -> text."""
    clock = history._clock
    found = {
        "title": history.title,
        "window": f"{clock.text(clock.first)} to {clock.text(clock.last)}, clock {history.clock}"
        + (f" ({int(clock.end - clock.start)} periods)" if clock.name == "step" else ""),
        "units": f"{history._tables['units'].num_rows:,}",
    }
    events = history._tables["events"]
    for variable in history.variables:
        counts = _counts(events, variable.name)
        per_state = ", ".join(f"{counts.get(state, 0):,} into {state}" for state in variable.states)
        found[f"variable {variable.name}"] = f"{' | '.join(variable.states)}; events: {per_state}"
    ties = history._tables["ties"]
    per_layer = {}
    if ties.num_rows:
        per_layer = {
            item["values"]: item["counts"] for item in ties.column("layer").value_counts().to_pylist()
        }
    for layer, rule in history.layers.items():
        found[f"layer {layer}"] = f"{per_layer.get(layer, 0):,} ties" + (
            f", combined by {rule}" if rule else ""
        )
    covariates = history._tables["covariates"]
    if covariates.num_rows:
        for item in sorted(
            covariates.column("covariate").value_counts().to_pylist(), key=lambda item: str(item["values"])
        ):
            name = item["values"]
            rest = f", {number_text(history.outside[name])} outside" if name in history.outside else ""
            found[f"covariate {name}"] = f"{item['counts']:,} rows{rest}"
    found |= _own_columns(history)
    lost = {name: _of_no_time(history, name) for name in ("ties", "covariates")}
    if any(lost.values()):
        told = ", ".join(f"{count:,} of {name}" for name, count in lost.items() if count)
        found["rows that begin where they end, and hold at no time"] = told
    for key in ("citation", "licence"):
        if getattr(history, key):
            found[key] = getattr(history, key)
    return {key: value for key, value in found.items() if value}


def _own_columns(history: History) -> dict[str, str]:
    """Return what each own column of the units was read as: numbers, or a category and its levels."""
    found = {}
    numbers = history.numbers
    for name, values in numbers.static.items():
        if name in schema.UNITS.known:
            continue
        if name in numbers.levels:
            known = numbers.levels[name]
            more = f" | and {len(known) - MOST_LEVELS:,} more" if len(known) > MOST_LEVELS else ""
            missing = sum(value is None for value in values.tolist())
            text = f"category, {' | '.join(known[:MOST_LEVELS])}{more}"
        else:
            missing, text = int(np.isnan(values).sum()), "numbers"
        found[f"column {name}"] = text + (f"; missing for {missing:,} of {len(values):,}" if missing else "")
    return found


def _of_no_time(history: History, name: str) -> int:
    """Return how many rows of a table begin where they end; dated rows hold on their last day."""
    table = history._tables[name]
    if history.dated or history.grouped or not {"start", "end"} <= set(table.column_names):
        return 0
    return int(pc.sum(pc.equal(table.column("start"), table.column("end"))).as_py() or 0)


def doubts(history: History) -> list[str]:
    """Return what may be meant otherwise than it is taken: see `History.warnings`.

    Whole numbers are moments unless the history says that they number periods; the two differ in what is an event,
    in when ties hold and in the likelihood.
    """
    clock = history._clock
    if clock.declared is not None or history.numbers.spans is not None:  # who gives spans speaks of moments
        return []
    columns = [
        history._tables[table].column(name)
        for table, names in (
            ("events", ("time",)),
            ("units", ("enter", "exit")),
            ("ties", ("start", "end")),
            ("covariates", ("start", "end")),
        )
        for name in names
        if history._tables[table].num_rows and name in history._tables[table].column_names
    ]
    if not (columns and float(clock.first).is_integer() and float(clock.last).is_integer()):
        return []
    if not all(pc.all(pc.equal(pc.floor(column), column)).as_py() is not False for column in columns):
        return []
    first = number_text(clock.first)
    return [
        "all times are whole numbers, and the history does not say whether they are moments or numbered periods; "
        f"they are taken for moments, so that what is dated {first} is a state on entry and no event. Say clock = "
        '"step" if they number periods (period k is the interval from k - 1 to k), or clock = "continuous"'
    ]


def describe(history: History) -> str:
    """Return what a history holds, as text."""
    lines = [f"{key}: {value}" for key, value in facts(history).items()]
    if history.description:
        lines[1:1] = [history.description]
    return "\n".join([history.name, *lines])


def describe_unit(history: History, unit: str) -> str:
    """Return all that a history records of one unit, with source, confidence and note of each row.

    Raises:
        TocsinError: there is no such unit; the message names the nearest.
    """
    known = history.numbers.unit_index
    if unit not in known:
        raise TocsinError(f"there is no unit {unit!r} in {history.name!r}" + suggestion(unit, known))
    sources = _sources(history)
    lines: list[str] = []
    for name, columns in (
        ("units", ("unit",)),
        ("episodes", ("unit",)),
        ("events", ("unit",)),
        ("covariates", ("unit",)),
        ("ties", ("source", "target")),
    ):
        rows = unit_rows(history, name, unit, columns)
        if not rows:
            continue
        lines.append(f"{name} ({len(rows)})")
        for row in rows:
            lines.append("  " + _row(row, history, name))
            for key in ("citation", "confidence", "note"):
                value = row.get(key)
                if value:
                    cited = sources.get(value) if key == "citation" else None
                    lines.append(f"      {key}: {cited or value}")
        lines.append("")
    return "\n".join(lines).rstrip()


def unit_rows(
    history: History, table: str, unit: str, columns: tuple[str, ...] = ("unit",)
) -> list[dict[str, Any]]:
    """Return the rows of a table that concern one unit, as dicts of values."""
    full = history.table(table)
    if not full.num_rows:
        return []
    wanted = None
    for column in columns:
        hit = pc.equal(full.column(column).cast(pa.string()), unit)
        wanted = hit if wanted is None else pc.or_(wanted, hit)
    return list(full.filter(wanted).to_pylist())


def _row(row: dict[str, Any], history: History, table: str) -> str:
    values = {key: value for key, value in row.items() if value is not None and key not in schema.PROVENANCE}
    if table in ("events", "covariates", "episodes"):
        values.pop("unit", None)
    times = [values.pop(key) for key in ("time", "start", "end") if key in values]
    when = " to ".join(_text(value) for value in times)
    rest = ", ".join(f"{key} {_text(value)}" for key, value in values.items())
    return f"{when}  {rest}" if when else rest


def _text(value: object) -> str:
    return number_text(value) if isinstance(value, float) else str(value)


def _sources(history: History) -> dict[str, str]:
    table = history._tables["sources"]
    if not table.num_rows:
        return {}
    pairs = zip(table.column("key").to_pylist(), table.column("citation").to_pylist(), strict=True)
    return {key: text if text and key in text else f"{text} [{key}]" for key, text in pairs if text}


def _counts(events: Any, variable: str) -> dict[str, int]:
    if not events.num_rows:
        return {}
    mine = events.filter(pc.equal(events.column("variable").cast(pa.string()), variable))
    return {
        item["values"]: item["counts"]
        for item in mine.column("state").cast(pa.string()).value_counts().to_pylist()
    }


def as_html(history: History) -> str:
    """Return a history as a small HTML table for notebooks."""
    left = " style='text-align:left'"
    rows = "".join(
        f"<tr><th{left}>{html.escape(key)}</th><td{left}>{html.escape(value)}</td></tr>"
        for key, value in facts(history).items()
    )
    return f"<table><caption>History {html.escape(history.name)}</caption>{rows}</table>"
