"""The format of the files that are written: each says it, and whoever reads one asks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

FORMAT = 1


def format_fault(content: Mapping[str, Any], required: bool = True) -> str | None:
    """Return why a file of this content cannot be read, None where its format is the one known here.

    Parameters:
        content: what the file holds; ``format`` is in it.
        required: whether it must say its format; what people write by hand (a model, a history) need not.
    """
    if "format" not in content:
        if not required:
            return None
        return f"it does not say its format (format = {FORMAT}), so another version of Tocsin wrote it: make it again"
    value = content["format"]
    if isinstance(value, bool) or value != FORMAT:
        return (
            f"its format is {value!r}, and this version of Tocsin reads format {FORMAT}: read it with the version "
            "that wrote it, or make it again"
        )
    return None
