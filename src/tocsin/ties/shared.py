"""Ties between units that have something in common."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tocsin.errors import TocsinError
from tocsin.history.tables.cells import is_missing
from tocsin.ties.tie_frame import column, ties_frame, units_of

if TYPE_CHECKING:
    import pandas as pd


def shared(units: pd.DataFrame, attribute: str, layer: str | None = None) -> pd.DataFrame:
    """Return ties both ways between all units with the same value of an attribute (language, religion, empire).

    Parameters:
        units: a frame with `unit`, one row a unit, and the attribute; a unit whose value is missing shares nothing.
        attribute: its column.
        layer: name of the layer; that of the attribute by default.

    Raises:
        TocsinError: there is no such column, or no two units share a value.

    >>> tc.ties.shared(pd.DataFrame({"unit": ["a", "b", "c"], "language": ["fr", "fr", None]}), "language")
    """
    values = column(units, attribute, "attribute")
    groups: dict[object, list[str]] = {}
    for unit, value, known in zip(units_of(units), values, values.notna(), strict=True):
        if known and not is_missing(str(value)):
            groups.setdefault(value, []).append(unit)
    pairs = [(a, b) for members in groups.values() for a in members for b in members if a != b]
    if not pairs:
        raise TocsinError(f"no two units have the same {attribute!r}")
    said = f"units with the same {attribute} act on each other"
    sources, targets = zip(*pairs, strict=True)
    return ties_frame(layer or attribute, sources, targets, direction=said)
