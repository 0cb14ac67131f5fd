"""Plain content as JSON, the same bytes for the same content."""

from __future__ import annotations

import json
import math
from typing import Any


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
