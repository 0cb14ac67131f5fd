"""One fingerprint for all that a history says."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from tocsin.history import arrow
from tocsin.history.cells import encode

if TYPE_CHECKING:
    from tocsin.history.record import History


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
    values = arrow.to_numpy(column).astype(np.float64)
    lost = arrow.nulls(column) | np.isnan(values)
    sha.update(np.ascontiguousarray(np.where(lost, 0.0, values)))
    sha.update(np.packbits(lost))
