"""Ensembles as Parquet files: the table, and in its schema what the table does not say."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from tocsin.ensemble.draws import Draws, Stopped
from tocsin.ensemble.frame import Frame
from tocsin.errors import TocsinError
from tocsin.formats import FORMAT, format_fault
from tocsin.reading import TABLE, Refused, ask
from tocsin.results import check_file
from tocsin.whole import whole

if TYPE_CHECKING:
    from tocsin.ensemble.ensemble import Ensemble
    from tocsin.history import History

_KEY = b"tocsin.ensemble"


def write_ensemble(ensemble: Ensemble, path: Path) -> Path:
    """Write an ensemble under a temporary name and move it into place; raise TocsinError if that fails."""
    facts = {
        "format": FORMAT,
        "worlds": ensemble.worlds,
        "seed": ensemble.seed,
        "interventions": list(ensemble.interventions),
        "given": ensemble.given,
        "draws": None if ensemble.draws is None else ensemble.draws.content(),
        "stopped": [list(each) for each in ensemble.stops],
    }
    metadata = {
        _KEY: json.dumps(facts, sort_keys=True).encode(),
        _KEY + b".frame": ensemble.frame.to_json().encode(),
    }
    writer: pq.ParquetWriter | None = None
    with whole(path) as temporary:
        try:
            # Worlds that lie in parts are copied part by part, never all in memory.
            for first, last in ensemble._bounds():
                # One chunk and one dictionary a column: bytes depend on events, not on how they were gathered.
                table = ensemble._range(first, last).unify_dictionaries().combine_chunks()
                table = table.replace_schema_metadata(metadata)
                if writer is None:
                    writer = pq.ParquetWriter(
                        temporary, table.schema, compression="zstd", compression_level=3
                    )
                writer.write_table(table)
        finally:
            if writer is not None:
                writer.close()
    return path


def facts_of(path: Path) -> dict[str, Any]:
    """Return what a file of worlds says of itself, such as their number; raise TocsinError if it is none."""
    try:
        return _facts(pq.read_schema(path).metadata or {}, path)
    except (OSError, pa.ArrowException) as error:
        raise TocsinError(f"{path}: not a Parquet file that can be read: {error}") from None


def _facts(metadata: Mapping[bytes, bytes], path: Path) -> dict[str, Any]:
    if _KEY not in metadata:
        raise TocsinError(f"{path}: a Parquet file, but not an ensemble of Tocsin")
    try:
        facts: dict[str, Any] = json.loads(metadata[_KEY])
    except (ValueError, RecursionError) as error:
        raise TocsinError(f"{path}: what it says of its worlds cannot be read: {error}") from None
    fault = format_fault(facts)
    if fault is not None:
        raise TocsinError(f"{path}: these worlds cannot be read: {fault}")
    return facts


def read_ensemble(path: Path, history: History | None = None) -> Ensemble:
    """Read what `write_ensemble` wrote; raise TocsinError if it is missing, broken or another file."""
    from tocsin.ensemble.ensemble import Ensemble

    try:
        ask(path, TABLE)
        check_file(path)
        table = pq.read_table(path)
    except FileNotFoundError:
        raise TocsinError(f"{path}: there is no such file") from None
    except Refused as error:
        raise TocsinError(f"{path}: cannot be read: {error.strerror}") from None
    except (OSError, pa.ArrowException) as error:
        raise TocsinError(f"{path}: not a Parquet file that can be read: {error}") from None
    metadata = table.schema.metadata or {}
    facts = _facts(metadata, path)
    frame = Frame.from_json(metadata[_KEY + b".frame"].decode())
    return Ensemble(
        table.replace_schema_metadata(None),
        facts["worlds"],
        facts["seed"],
        frame,
        history=history,
        interventions=facts["interventions"],
        given=facts.get("given", "nothing"),
        draws=Draws.read(facts.get("draws")),
        stops=[Stopped(*each) for each in facts.get("stopped", ())],
    )
