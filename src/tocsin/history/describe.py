"""What a history says about itself, in words and tables for people."""

from __future__ import annotations

import html
import itertools
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tocsin.errors import HistoryError, TocsinError, suggestion
from tocsin.history.tables import frames, schema
from tocsin.history.time import number_text

if TYPE_CHECKING:
    import pandas as pd

    from tocsin.history.history import History

MOST_LEVELS = 8  # of a category that are listed

MOST_LISTED = 40  # of variables, layers, covariates: the rest is counted


def list_packaged() -> str:
    """Return the packaged histories, one a line, with their titles."""
    from tocsin.history.history import load_history

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
        "units": f"{len(history.numbers.units):,}" + _comings(history),
    }
    events = history._tables["events"]
    for variable in history.variables[:MOST_LISTED]:
        counts = _counts(events, variable.name)
        per_state = ", ".join(f"{counts.get(state, 0):,} into {state}" for state in variable.states)
        found[f"variable {variable.name}"] = f"{' | '.join(variable.states)}; events: {per_state}"
    found |= _unlisted("state variables", len(history.variables))
    spans = history.numbers.spans
    if spans is not None:
        found["events known to lie in a span"] = (
            f"{int((~spans.known).sum()):,} of {len(spans.known):,}; "
            "where one date is shown it is the middle of what the span leaves"
        )
    ties = history._tables["ties"]
    per_layer = {}
    if ties.num_rows:
        per_layer = {
            item["values"]: item["counts"] for item in ties.column("layer").value_counts().to_pylist()
        }
    for layer, rule in itertools.islice(history.layers.items(), MOST_LISTED):
        found[f"layer {layer}"] = f"{per_layer.get(layer, 0):,} ties" + (
            f", combined by {rule}" if rule else ""
        )
    found |= _unlisted("layers", len(history.layers))
    covariates = history._tables["covariates"]
    if covariates.num_rows:
        rows = covariates.column("covariate").cast(pa.string()).value_counts()
        counts = dict(zip(*(rows.field(name).to_pylist() for name in ("values", "counts")), strict=True))
        for name in sorted(counts)[:MOST_LISTED]:
            rest = f", {number_text(history.outside[name])} outside" if name in history.outside else ""
            found[f"covariate {name}"] = f"{counts[name]:,} rows{rest}"
        found |= _unlisted("covariates", len(counts))
    found |= _own_columns(history)
    lost = {name: _of_no_time(history, name) for name in ("ties", "covariates")}
    if any(lost.values()):
        told = ", ".join(f"{count:,} of {name}" for name, count in lost.items() if count)
        found["rows that begin where they end, and hold at no time"] = told
    for key in ("citation", "licence"):
        if getattr(history, key):
            found[key] = getattr(history, key)
    return {key: value for key, value in found.items() if value}


def _unlisted(what: str, count: int) -> dict[str, str]:
    """Return how many more there are than are listed, if any."""
    return {f"more {what}": f"{count - MOST_LISTED:,}"} if count > MOST_LISTED else {}


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


def _comings(history: History) -> str:
    """Say how many units come and go, and how many are not coded for a while."""
    numbers = history.numbers
    away, dark = (len(set(each.unit.tolist())) for each in (numbers.absences, numbers.unobserved))
    return (f", {away:,} with absences" if away else "") + (
        f", {dark:,} not coded for a while" if dark else ""
    )


def _of_no_time(history: History, name: str) -> int:
    """Return how many rows of a table begin where they end; dated rows hold on their last day."""
    table = history._tables[name]
    if history.dated or history.grouped or not {"start", "end"} <= set(table.column_names):
        return 0
    return int(pc.sum(pc.equal(table.column("start"), table.column("end"))).as_py() or 0)


# What data sets write where they know nothing.
MISSING_CODES = (-9.0, -66.0, -77.0, -88.0, -99.0, -999.0, -9999.0)


def doubts(history: History) -> list[str]:
    """Return what may be meant otherwise than it is taken: see `History.warnings`."""
    return [*_rival_codings(history), *_periods_or_moments(history), *_codes_for_missing(history)]


def _rival_codings(history: History) -> list[str]:
    if not history.codings:
        return []
    first, other, *_ = history.codings
    return [
        f"rival codings: this is {first!r}; history.coding({other!r}) is another, of {len(history.codings)}, and "
        "tc.over_codings(history, model) fits each"
    ]


def _codes_for_missing(history: History) -> list[str]:
    """Tell of covariates with values that other data sets write where they know nothing, far from all others."""
    units, dated = history._tables["units"], history._tables["covariates"]
    columns: dict[str, Any] = {
        name: frames.to_numpy(units.column(name))
        for name in units.column_names
        if name not in ("lon", "lat") and pa.types.is_floating(units.schema.field(name).type)
    }
    if dated.num_rows:
        value = frames.to_numpy(dated.column("value"))
        strange = np.flatnonzero(np.isin(value, MISSING_CODES))
        kinds = dated.column("covariate").combine_chunks()
        codes = frames.to_numpy(kinds.indices)
        for code in np.unique(codes[strange]).tolist():
            columns[kinds.dictionary[code].as_py()] = value[codes == code]
    found = []
    for name, values in columns.items():
        coded = np.isin(values, MISSING_CODES)
        others = values[~coded & np.isfinite(values)]
        if not coded.any() or not others.size:
            continue
        least, most = others.min(), others.max()
        far = coded & ((least >= 0) | (values < least - (most - least)))
        if far.any():
            told = ", ".join(f"{code:g}" for code in np.unique(values[far])[::-1])
            many = "1 value" if far.sum() == 1 else f"{far.sum():,} values"
            found.append(
                f"{many} of {name!r} {'is' if far.sum() == 1 else 'are'} {told}, and all others lie from {least:g} to "
                f"{most:g}: where a value is not known, leave its cell empty"
            )
    return found


def _periods_or_moments(history: History) -> list[str]:
    """Tell of whole numbers that the history calls neither periods nor moments.

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


# --- The histories that come with Tocsin


def histories_folder() -> Path:
    """The folder of the packaged histories."""
    return Path(str(resources.files("tocsin"))) / "histories"


def packaged() -> list[str]:
    """Names of the packaged histories, sorted."""
    folder = histories_folder()
    if not folder.is_dir():
        return []
    return sorted(path.name for path in folder.iterdir() if (path / "history.toml").is_file())


# --- Files that may lie beside a history and say more of it: its ledger, what-ifs for a class, and
#     a tour

LEDGER, SCENARIOS, TOUR = "ledger.toml", "scenarios.toml", "tour.toml"

JUDGEMENTS = "judgements.csv"  # what experts expected; see `tocsin congress`


def beside(history: History, name: str) -> Path | None:
    """Return a file of the folder that a history was read from, or None where it has none."""
    known = [path for path in (history.model_path, history.claims_path) if path is not None]
    for path in known:
        if (found := path.parent / name).is_file():
            return found
    return None


# --- Where a dated covariate of a unit is not known


def coverage(history: History) -> pd.DataFrame:
    """See `History.coverage`."""
    import pandas as pd

    numbers, clock = history.numbers, history._clock
    found: list[tuple[str, str, float, float]] = []
    for name, rows in numbers.covariates.items():
        everywhere = rows.unit < 0
        shared = list(zip(rows.start[everywhere].tolist(), rows.end[everywhere].tolist(), strict=True))
        order = np.argsort(rows.unit, kind="stable")
        bounds = np.searchsorted(rows.unit[order], np.arange(len(numbers.units) + 1))
        for index, unit in enumerate(numbers.units):
            own = order[bounds[index] : bounds[index + 1]]
            spans = sorted(shared + list(zip(rows.start[own].tolist(), rows.end[own].tolist(), strict=True)))
            reach, leave = float(numbers.enter[index]), float(numbers.exit[index])
            away = numbers.absences.unit == index
            spans += list(zip(numbers.absences.start[away], numbers.absences.end[away], strict=True))
            for start, end in [*sorted(spans), (leave, leave)]:
                if start > reach and reach < leave:
                    found.append((unit, name, reach, min(start, leave)))
                reach = max(reach, end)
    starts = np.array([gap[2] for gap in found])
    ends = np.array([gap[3] for gap in found])
    if history.dated:
        first = clock.days(starts).astype("datetime64[D]").astype("datetime64[s]")
        last = clock.days(ends - 1.0).astype("datetime64[D]").astype("datetime64[s]")
    else:
        first, last = clock.began(starts), ends
    return pd.DataFrame(
        {
            "unit": [gap[0] for gap in found],
            "covariate": [gap[1] for gap in found],
            "start": first,
            "end": last,
            "outside": np.array([history.outside.get(gap[1], np.nan) for gap in found], np.float64),
        }
    )


# --- What a history calls its units and its sources


def labels(history: History) -> dict[str, str]:
    """Return the label of each unit: the column `label` of the units table, else the identifier."""
    table = history.units
    names = table["unit"].astype(str)
    found = table["label"].fillna(names).astype(str) if "label" in table else names
    return dict(zip(names, found, strict=True))


def short_labels(history: History) -> dict[str, str]:
    """Return the label of each unit as sentences and maps have it: without what stands in brackets."""
    return {unit: label.split(" (")[0] for unit, label in labels(history).items()}


def citations(history: History) -> dict[str, str]:
    """Return the sources of a history, written out, by their keys."""
    table = history.sources
    return dict(zip(table["key"].astype(str), table["citation"].astype(str), strict=True))
