"""A history written as a folder that reads back equal."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import tomli_w

from tocsin.errors import TocsinError, suggestion
from tocsin.files.format import FORMAT
from tocsin.files.locks import alone
from tocsin.files.reading import read_toml
from tocsin.files.results import staged
from tocsin.files.whole import finished, moving, settle
from tocsin.history.codings import together
from tocsin.history.describe import JUDGEMENTS, LEDGER, SCENARIOS, TOUR, beside
from tocsin.history.tables import frames, schema
from tocsin.history.tables.cells import encode
from tocsin.history.time import Clock, number_text
from tocsin.history.toml import FILE as HEAD

if TYPE_CHECKING:
    from tocsin.history.history import History

FORMATS = ("csv", "parquet")

NEEDS_QUOTES = re.compile(r'[,"\r\n]')

ROWS_OF_A_GROUP = 1 << 24

ALWAYS = ("units", "events")


def write(history: History, folder: Path, format: str) -> None:
    """Write a history, whole or not at all; tables of an earlier one in the folder go.

    All is written into a hidden folder first. Then the old history.toml goes, the tables are exchanged, and the new
    history.toml comes last: a folder without it is no history.
    """
    if format not in FORMATS:
        raise TocsinError(f"unknown format {format!r}" + suggestion(str(format), FORMATS))
    try:
        with alone(folder, "writing a history"), staged(folder) as stage:
            _fill(history, stage, format)
            _exchange(stage, folder)
    except (OSError, UnicodeError) as error:
        raise TocsinError(f"the history cannot be written to {folder}: {error}") from None


def _fill(history: History, stage: Path, format: str) -> None:
    for kind in schema.SCHEMAS:
        rivals = history._codings if kind.name == "events" else {}
        table = together(rivals) if rivals else history.table(kind.name)
        if not (table.num_rows or kind.name in ALWAYS):
            continue
        table = _with_provenance(table, kind)
        path = stage / f"{kind.name}.{format}"
        if format == "csv":
            path.write_bytes(_csv(table, history._clock).encode())
        else:
            _write_parquet(path, table)
    model, borders = history.model_path, history.borders_path
    has_model = model is not None and model.is_file()
    if model is not None and has_model:
        shutil.copyfile(model, stage / "model.toml")
    if borders is not None and borders.is_file():
        shutil.copyfile(borders, stage / borders.name)
    more = [beside(history, name) for name in (LEDGER, SCENARIOS, TOUR, JUDGEMENTS)]
    for each in [*_claims(history), *(path for path in more if path is not None)]:
        shutil.copyfile(each, stage / each.name)
    head = tomli_w.dumps(_head(history, has_model), multiline_strings=False)
    (stage / HEAD).write_bytes(head.encode())


def _exchange(stage: Path, folder: Path) -> None:
    new = sorted(path.name for path in stage.iterdir())
    for name in new:
        if (folder / name).is_dir():
            raise TocsinError(f"{folder / name}: a folder stands where a file is to be written")
        settle(stage / name)
    with moving:
        (folder / HEAD).unlink(missing_ok=True)
        for kind in schema.SCHEMAS:
            for each in FORMATS:
                (folder / f"{kind.name}.{each}").unlink(missing_ok=True)
        for name in sorted(new, key=lambda name: (name == HEAD, name)):
            (stage / name).replace(folder / name)
        finished.append(folder)


def _claims(history: History) -> list[Path]:
    """Return the file of claims and the tables of its folder that it asks."""
    path = history.claims_path
    if path is None or not path.is_file():
        return []
    try:
        named = read_toml(path).get("tables", [])
    except TocsinError:
        named = []
    inside = [name for name in named if isinstance(name, str) and Path(name).name == name]
    return [path, *(path.parent / name for name in inside if (path.parent / name).is_file())]


def _write_parquet(path: Path, table: Any) -> None:
    import pyarrow.parquet

    # In one group the names of a column are written once, and are read as codes into them.
    pyarrow.parquet.write_table(table, path, row_group_size=ROWS_OF_A_GROUP)


def _with_provenance(table: Any, kind: schema.Schema) -> Any:
    """Citation, confidence and note are in every table on disk, even where nothing is said."""
    for column in schema.PROVENANCE:
        if column in kind.known and column not in table.column_names:
            nothing = pa.nulls(table.num_rows, pa.string())
            filler = nothing.fill_null("unrated") if column == "confidence" else nothing
            table = table.append_column(column, filler)
    order = [name for name in kind.known if name in table.column_names]
    return table.select(order + [name for name in table.column_names if name not in order])


def _csv(table: Any, clock: Clock) -> str:
    columns = [_cells(table.column(name), clock) for name in table.column_names]
    head = ",".join(_quoted(name) for name in table.column_names)
    body = "\n".join(map(",".join, zip(*columns, strict=True)))
    return f"{head}\n{body}\n" if body else f"{head}\n"


def _cells(column: Any, clock: Clock) -> list[str]:
    if pa.types.is_date32(column.type):
        days = column.cast(pa.int32()).to_pylist()
        known = {day: "" if day is None else clock.text(day) for day in set(days)}
        return [known[day] for day in days]
    if pa.types.is_floating(column.type):
        return ["" if value is None or value != value else number_text(value) for value in column.to_pylist()]
    words = column.to_pylist()
    known = {word: "" if word is None else _quoted(word) for word in set(words)}
    return [known[word] for word in words]


def _quoted(text: str) -> str:
    return '"' + text.replace('"', '""') + '"' if NEEDS_QUOTES.search(text) else text


def _head(history: History, has_model: bool) -> dict[str, Any]:
    head: dict[str, Any] = {"format": FORMAT}
    head |= {
        key: getattr(history, key)
        for key in ("title", "description", "citation", "licence")
        if getattr(history, key)
    }
    head["window"] = list(history.window)
    if history._clock.declared is not None:
        head["clock"] = history._clock.declared
    if history.extra:
        head["extra"] = list(history.extra)
    if has_model:
        head["default_model"] = "model.toml"
    if history.borders_path is not None and history.borders_path.is_file():
        head["borders"] = history.borders_path.name
    head["variables"] = {
        variable.name: {"states": list(variable.states), "initial": variable.initial}
        | ({"recurrent": True} if variable.recurrent else {})
        for variable in history.variables
    }
    layers: dict[str, dict[str, str]] = {name: {} for name in history.layers}
    for name, words in layers.items():
        said = {"label": history.layer_labels.get(name), "combine": history.layers[name]}
        words |= {key: value for key, value in said.items() if value}
    if layers:
        head["layers"] = layers
    known: dict[str, Any] = {name: {"outside": value} for name, value in history.outside.items()}
    known |= {name: {"levels": list(levels)} for name, levels in history.levels.items()}
    if known:
        head["covariates"] = known
    if history.waves:
        head["waves"] = {clause: {"one": one, "many": many} for clause, (one, many) in history.waves.items()}
    if history.words:
        head["words"] = history.words
    if history.question is not None:  # the readings stay behind: what is written is one of them
        head["question"] = {
            key: list(value) if isinstance(value, tuple) else value
            for key, value in asdict(history.question).items()
            if value and key != "scope"
        }
    texts = history._number_like
    if texts:
        head["columns"] = {name: {"type": "text"} for name in texts}
    return head


# --- One fingerprint for all that a history says


def digest_of(history: History) -> str:
    """Return the SHA-256 of the canonical content of a history (not of its name or place)."""
    sha = hashlib.sha256(b"tocsin history 1\n")
    head = {
        "title": history.title,
        "description": history.description,
        "citation": history.citation,
        "licence": history.licence,
        "clock": history._clock.name,
        "window": [str(end) for end in history.window],
        "variables": [
            [variable.name, list(variable.states), variable.initial, variable.recurrent]
            for variable in history.variables
        ],
        "layers": history.layers,
        "outside": history.outside,
    }
    if history.waves:  # absent where nothing is named, so that older digests stand
        head["waves"] = history.waves
    if history.levels:
        head["levels"] = history.levels
    sha.update(json.dumps(head, sort_keys=True).encode("utf-8", "surrogatepass"))
    for name in sorted(history._tables):
        table = history._tables[name]
        sha.update(f"\n{name} {table.num_rows}".encode())
        if table.num_rows:
            for column in sorted(table.column_names):
                sha.update(f"\n{column}\n".encode("utf-8", "surrogatepass"))
                _feed(sha, table.column(column))
    return sha.hexdigest()


def _feed(sha: Any, column: Any) -> None:
    if pa.types.is_dictionary(column.type) or pa.types.is_string(column.type):
        codes, values = encode(column)
        words = values.cast(pa.string()).to_pylist()
        used = np.zeros(len(words) + 1, bool)
        used[codes] = True
        order = sorted(np.flatnonzero(used[:-1]).tolist(), key=words.__getitem__)
        rank = np.full(len(words) + 1, -1, np.int32)
        rank[order] = np.arange(len(order), dtype=np.int32)
        sha.update(json.dumps([words[code] for code in order]).encode())
        sha.update(np.ascontiguousarray(rank[codes]))
        return
    if pa.types.is_date32(column.type):
        column = column.cast(pa.int32())
    values = frames.to_numpy(column).astype(np.float64)
    lost = frames.nulls(column) | np.isnan(values)
    sha.update(np.ascontiguousarray(np.where(lost, 0.0, values)))
    sha.update(np.packbits(lost))
