"""The arrays of a history as interventions leave them, and what their rows are cut into."""

from __future__ import annotations

import copy
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, TypeVar

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tocsin.history.arrays import CovariateArrays, Numbers, TieArrays
    from tocsin.history.history import History

Rows = TypeVar("Rows", "TieArrays", "CovariateArrays")


@dataclass(frozen=True)
class Altered:
    """The arrays of a history and its values outside rows, as interventions left them."""

    history: History
    numbers: Numbers
    outside: dict[str, float]

    @staticmethod
    def of(history: History) -> Altered:
        """Return a history as it is."""
        return Altered(history, history.numbers, history.outside)

    @property
    def same(self) -> bool:
        """Return whether nothing has changed."""
        return self.numbers is self.history.numbers and self.outside == self.history.outside

    def as_history(self) -> History:
        """Return a history that says the same but for its arrays; for compiling only."""
        other = copy.copy(self.history)
        other.__dict__.update(
            numbers=self.numbers, digest=f"{self.history.digest} altered", _outside=self.outside
        )
        return other


def span(history: History, start: str | None, end: str | None) -> tuple[float, float]:
    """Return from where to where on the clock a row holds that runs from one date to another."""
    numbers = history.numbers
    first = float(numbers.start) if start is None else history.begins(start)
    last = float(numbers.end) if end is None else history.finishes(end)
    return max(first, float(numbers.start)), min(last, float(numbers.end))


def before_day(history: History, when: str) -> float:
    """Return the last moment that is not yet of a day; where times are numbers, the number itself.

    What is barred or gone from a day on is so for an event dated on that day, which stands at its beginning.
    """
    time = history.to_number(when)
    return float(np.nextafter(time, -np.inf)) if history.dated else history.begins(when)


def kept(rows: Rows, chosen: NDArray[np.bool_]) -> Rows:
    """Return the rows that are chosen."""
    return type(rows)(*(getattr(rows, field.name)[chosen] for field in fields(rows)))


def joined(parts: list[Rows]) -> Rows:
    """Return rows one after another."""
    kind = type(parts[0])
    return kind(*(np.concatenate([getattr(part, field.name) for part in parts]) for field in fields(kind)))
