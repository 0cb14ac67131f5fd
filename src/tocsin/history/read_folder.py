"""A folder read into a history, or refused with a report of everything that is wrong in it."""

from __future__ import annotations

from copy import copy
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from tocsin.errors import HistoryError, Problem, nearest
from tocsin.files.reading import TABLE, ask, read_bytes
from tocsin.files.results import stopped
from tocsin.history.borders import check_borders, features_in, match_units
from tocsin.history.describe import LEDGER, SCENARIOS, TOUR, histories_folder, packaged
from tocsin.history.question import chosen_scope, in_scope
from tocsin.history.tables import schema
from tocsin.history.tables.frames import Raw, read_csv
from tocsin.history.tables.schema import Report, misspelt
from tocsin.history.toml import FILE, read_head

if TYPE_CHECKING:
    from tocsin.history.history import History

FORMATS = ("csv", "parquet")

MODEL, CLAIMS = "model.toml", "claims.toml"

MANY_ROWS = 1_000_000

# Few texts stand in many rows of these columns.
REPEATED = ["layer", "covariate", "variable", "state", *schema.PROVENANCE]

# Whatever the window turns out to be, these may be absent.
REQUIRED_FILES = ("units",)


def find_folder(name_or_path: str | Path) -> Path:
    """The folder of a packaged history, or the path itself.

    Raises:
        HistoryError: there is neither.
    """
    text = str(name_or_path)
    names = packaged()
    if text in names:
        return histories_folder() / text
    path = Path(text).expanduser()
    try:
        if path.is_dir():
            return path
        there = path.exists()
    except (OSError, ValueError):
        there = False
    if there:
        raise HistoryError(
            [Problem(text, None, None, None, "a history is a folder, and this is a file")], "history"
        )
    there_are = ", ".join(names) or "none"
    message = f"there is no such folder and no packaged history of this name; packaged: {there_are}"
    raise HistoryError([Problem(text, None, None, None, message, nearest(text, names))], "history")


def read_folder(name_or_path: str | Path, scope: str | None = None) -> History:
    """Read a folder; see `load_history`."""
    from tocsin.history.history import History

    folder = find_folder(name_or_path)
    report = Report()
    if not (folder / FILE).exists() and stopped(folder):
        told = "the file is missing: a history was being written here when it was stopped; write it again"
        raise HistoryError([Problem(FILE, None, None, None, told)], str(name_or_path))
    head = read_head(folder / FILE, report)
    _strange_files(folder, report)
    _companions(folder, report)
    raws = {kind.name: _table(folder, kind.name, report) for kind in schema.SCHEMAS}
    where = str(name_or_path)
    if head is None:
        # Without its variables and window nothing in the tables can be judged but their form.
        report.raise_if_any(where)
        raise AssertionError("an unreadable head was reported")
    model = _model(folder, head.texts.pop("default_model", None), head.model_line, report)
    borders = _borders(folder, head.texts.pop("borders", None), head.borders_line, report)
    scope = chosen_scope(scope, head.scopes, head.question, where)
    raws["events"] = in_scope(raws["events"], head.scopes, scope) if head.scopes else raws["events"]
    about = {
        "name": folder.resolve().name,
        **{key: head.texts.get(key, "") for key in ("title", "description", "citation", "licence")},
        "model_path": model,
        "borders_path": borders[0],
        "claims_path": claims if (claims := folder / CLAIMS).is_file() else None,
        "waves": head.waves,
        "layer_labels": head.layer_labels,
        "words": head.words,
        "question": head.question,
        "scopes": head.scopes,
        "scope": scope,
    }
    history = History._from_raws(raws, head.declared, head.clock, report, where, about)
    many = sum(raw.rows for raw in raws.values()) >= MANY_ROWS
    del raws
    if many:
        pa.default_memory_pool().release_unused()  # Arrow would keep what it read the files with
    _drawn(history, *borders, head.borders_line, where)
    return history


def drawn_with(history: History, path: Path) -> History:
    """Return a history with the outlines of a file; see `History.with_borders`."""
    report = Report()
    try:
        ask(path, TABLE)
    except (OSError, ValueError) as error:
        told = f"the file cannot be read: {getattr(error, 'strerror', None) or error}"
        raise HistoryError([Problem(str(path), None, None, None, told)], "outlines") from None
    data = check_borders(path, report)
    report.raise_if_any(str(path))
    _drawn(history, path, data, None, str(path))
    other = copy(history)
    other._borders_path = path
    return other


def _table(folder: Path, name: str, report: Report) -> Raw:
    paths = [folder / f"{name}.{suffix}" for suffix in FORMATS]
    there = [path for path in paths if path.exists() or path.is_symlink()]
    if len(there) > 1:
        report.add(there[0].name, f"there is also {there[1].name}: keep one of them")
        return Raw(there[0].name, sound=False)
    if not there:
        if name in REQUIRED_FILES:
            report.add(f"{name}.csv", "the file is missing")
            return Raw(f"{name}.csv", sound=False)
        return Raw(f"{name}.csv")
    return read_table(there[0], report)


def read_table(path: Path, report: Report) -> Raw:
    """Read a table from a file: Parquet by its ending, else CSV."""
    return _parquet(path, report) if path.suffix == ".parquet" else read_csv(path, report)


def _parquet(path: Path, report: Report) -> Raw:
    import pyarrow.parquet

    try:
        content = read_bytes(path, TABLE, path.parent)
        if not content:
            report.add(path.name, "the file is empty")
            return Raw(path.name, sound=False)
        there = pyarrow.parquet.ParquetFile(pa.BufferReader(content)).schema_arrow
        coded = [
            name for name in REPEATED if name in there.names and pa.types.is_string(there.field(name).type)
        ]
        table = pyarrow.parquet.ParquetFile(pa.BufferReader(content), read_dictionary=coded).read()
        del content
        table.validate(full=True)
    except (
        pa.ArrowException,
        OSError,
        ValueError,
        OverflowError,
        MemoryError,
        UnicodeError,
        KeyError,
    ) as error:
        report.add(
            path.name,
            f"this Parquet file cannot be read: {_reason(error)}",
        )
        return Raw(path.name, sound=False)
    names = list(table.column_names)
    twice = sorted({name for name in names if names.count(name) > 1})
    for name in twice:
        report.add(path.name, "two columns have this name", column=name)
    if twice:
        return Raw(path.name, sound=False)
    return Raw(path.name, dict(zip(names, table.columns, strict=True)), table.num_rows)


def _reason(error: Exception) -> str:
    told = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return str(told).splitlines()[0][:200]


def _model(folder: Path, named: str | None, line: int | None, report: Report) -> Path | None:
    if named is None:
        default = folder / "model.toml"
        return default if default.is_file() else None
    inside = Path(named).name == named and named not in ("", ".", "..") and "\0" not in named
    if inside and (folder / named).exists():
        try:
            ask(folder / named, inside=folder)
        except OSError as error:
            told = f"the file cannot be read: {error.strerror or error}"
            report.add(FILE, told, line=line, column="default_model", value=named)
            return None
    if not inside or not (folder / named).is_file():
        why = (
            "there is no such file in the folder"
            if inside
            else "a model is a file in the folder of its history"
        )
        report.add(
            FILE,
            why,
            line=line,
            column="default_model",
            value=named,
            nearest=nearest(named, [path.name for path in folder.glob("*.toml") if path.name != FILE]),
        )
        return None
    return folder / named


def _borders(
    folder: Path, named: str | None, line: int | None, report: Report
) -> tuple[Path | None, dict[str, Any]]:
    """The file of outlines in the folder that history.toml names, and its content."""
    if named is None:
        return None, {}
    path = folder / named
    near, why = None, ""
    try:
        ask(path, TABLE)
        if not path.resolve().is_relative_to(folder.resolve()):
            why = "outlines are a file in the folder of their history; copy it there"
    except FileNotFoundError:
        why, near = "there is no such file", nearest(named, [path.name for path in folder.glob("*json")])
    except (OSError, ValueError) as error:
        why = f"the file cannot be read: {getattr(error, 'strerror', None) or error}"
    if why:
        report.add(FILE, why, line=line, column="borders", value=named, nearest=near)
        return None, {}
    return path, check_borders(path, report)


def _drawn(history: History, path: Path | None, data: dict[str, Any], line: int | None, where: str) -> None:
    """Refuse outlines none of which belongs to a unit: a map of them would be empty."""
    if path is None:
        return
    if data.get("type") == "Topology":
        features = [each for item in data["objects"].values() for each in item["geometries"]]
    else:
        features = features_in(data)
    table = history.table("units")
    columns = [
        table.column(name).to_pylist() if name in table.column_names else [None] * table.num_rows
        for name in ("unit", "label", "iso3")
    ]
    units = [(str(unit), label, code) for unit, label, code in zip(*columns, strict=True)]
    if any(match_units(features, units)):
        return
    message = (
        f"none of the {len(features)} features of {path.name} belongs to a unit: "
        'give them a property "unit" with the identifiers of units'
    )
    raise HistoryError([Problem(FILE, line, "borders", path.name, message)], where)


def _companions(folder: Path, report: Report) -> None:
    """Report what stands under the name of a companion and is no file of the folder."""
    for name in (MODEL, CLAIMS, LEDGER, SCENARIOS, TOUR):
        path = folder / name
        if not path.exists() and not path.is_symlink():
            continue
        try:
            ask(path, inside=folder)
        except OSError as error:
            report.add(name, f"the file cannot be read: {error.strerror or error}")


def _strange_files(folder: Path, report: Report) -> None:
    """Report tables under a name that is nearly right: they would be passed over in silence."""
    known = [f"{kind.name}.{suffix}" for kind in schema.SCHEMAS for suffix in FORMATS]
    try:
        names = sorted(path.name for path in folder.iterdir())
    except OSError as error:
        report.add(folder.name, f"the folder cannot be read: {error.strerror or error}")
        return
    for name in names:
        stem, _, suffix = name.rpartition(".")
        if name in known or suffix.lower() not in FORMATS:
            continue
        meant = misspelt(
            stem,
            [
                kind.name
                for kind in schema.SCHEMAS
                if not any((folder / f"{kind.name}.{end}").exists() for end in FORMATS)
            ],
        )
        if meant is not None:
            report.add(
                name, "this file is no table of a history", value=name, nearest=f"{meant}.{suffix.lower()}"
            )
