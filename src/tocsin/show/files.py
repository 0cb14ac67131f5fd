"""Files that appear whole or not at all, and their digests."""

from __future__ import annotations

import hashlib
import json
import math
from pathlib import Path
from typing import Any


def digest_of_file(path: Path) -> str:
    """Return the SHA-256 of a file in hexadecimal."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def to_json(content: Any) -> str:
    """Return JSON text with sorted keys; infinite numbers as text, missing ones as null, floats exact."""
    return json.dumps(_plain(content), indent=2, sort_keys=True, allow_nan=False, ensure_ascii=False) + "\n"


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    if hasattr(value, "item") and not isinstance(value, str | bytes):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return None if math.isnan(value) else repr(value)
    if value is None or isinstance(value, str | int | float | bool):
        return value
    return str(value)
