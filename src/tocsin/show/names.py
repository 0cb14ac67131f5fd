"""What a history calls its units and its sources."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tocsin.history import History


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
