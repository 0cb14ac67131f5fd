"""Dated covariates side by side: a long table of starts, ends and values as formulas read it, laid out once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from tocsin.history.numbers import CovariateArrays

Floats = NDArray[np.float64]

LONG, THINNED = 20_000, 8  # rows above which a table is long, and one of so many says nearly the same


class Columns(NamedTuple):
    """Columns of a long matrix."""

    whole: Floats  # (k, rows)
    thin: Floats  # one of so many rows (k, rows / THINNED)
    ranges: tuple[Floats, Floats]  # least and largest of each column (k,)


@dataclass(frozen=True, eq=False)
class Panel:
    """Covariates that are known for every unit as long as it is present, and change at the same times.

    Attributes:
        names: the covariates (C,).
        unit, start: of every piece of time, unit by unit and in order of time (pieces,); first: the first piece
            of each unit (units + 1,).
        columns: ones, and the value of each covariate in each piece (1 + C, pieces).
    """

    names: tuple[str, ...]
    unit: NDArray[np.int64]
    start: Floats
    first: NDArray[np.int64]
    columns: Floats

    def varied(self, name: str) -> bool:
        """Return whether a covariate hardly takes any value twice; looked at once."""
        if name not in self._varied:
            ordered = np.sort(self.columns[1 + self.names.index(name)])
            self._varied[name] = bool(2 * np.count_nonzero(ordered[1:] != ordered[:-1]) > ordered.size)
        return self._varied[name]

    @cached_property
    def _varied(self) -> dict[str, bool]:
        return {}

    @cached_property
    def ranges(self) -> tuple[Floats, Floats]:
        """Return the least and the largest value of every column (1 + C,)."""
        return self.columns.min(axis=1), self.columns.max(axis=1)

    @cached_property
    def thin(self) -> Floats:
        """Return one of so many pieces (1 + C, pieces / THINNED)."""
        return np.ascontiguousarray(self.columns[:, ::THINNED])

    @cached_property
    def numbers(self) -> NDArray[np.int32]:
        """Return the number of every piece (pieces,)."""
        return np.arange(self.start.size, dtype=np.int32)

    def choose(self, names: Sequence[str]) -> Columns | None:
        """Return ones and the named covariates.

        None where one of them is not here, or where rows are so often alike that distinct ones are fewer.
        """
        if not set(names) <= set(self.names) or not any(self.varied(name) for name in names):
            return None
        place = [0, *(1 + self.names.index(name) for name in names)]
        least, most = self.ranges
        chosen = (
            slice(len(place)) if place == list(range(len(place))) else place
        )  # no copy if they are the first
        return Columns(self.columns[chosen], self.thin[chosen], (least[place], most[place]))


def panel_of(covariates: Mapping[str, CovariateArrays], enter: Floats, leave: Floats) -> Panel | None:
    """Lay out the covariates that cover the presence of every unit with rows for the same times.

    Parameters:
        covariates: the dated covariates; enter, leave: presence of the units (units,).

    Returns:
        None where there are none, or where they are short.
    """
    first, chosen = None, []
    for name, rows in covariates.items():
        if first is None:
            if rows.unit.size >= LONG and _covers(rows, enter, leave):
                first = rows
        elif not all(np.array_equal(getattr(rows, x), getattr(first, x)) for x in ("unit", "start", "end")):
            continue
        if first is not None and np.isfinite(rows.value).all():
            chosen.append(name)
    if first is None or not chosen:
        return None
    columns = np.empty((1 + len(chosen), first.unit.size))
    columns[0] = 1.0
    for place, name in enumerate(chosen, 1):
        columns[place] = covariates[name].value
    size = np.bincount(first.unit, minlength=enter.size)
    begin = np.concatenate([[0], np.cumsum(size)]).astype(np.int64)
    return Panel(tuple(chosen), first.unit.astype(np.int64), first.start, begin, columns)


def _covers(rows: CovariateArrays, enter: Floats, leave: Floats) -> bool:
    """Say whether rows stand in order, each until the next, from each unit's entry on and until it leaves."""
    unit, start, end = rows.unit, rows.start, rows.end
    if unit[0] != 0 or unit[-1] != enter.size - 1 or not (start < end).all():
        return False
    same = unit[1:] == unit[:-1]
    if not (same | (unit[1:] == unit[:-1] + 1)).all() or not (~same | (start[1:] == end[:-1])).all():
        return False
    head = np.flatnonzero(np.append(True, ~same))
    tail = np.append(head[1:], unit.size) - 1
    return bool((start[head] == enter).all() and (start[tail] < leave).all() and (end[tail] >= leave).all())
