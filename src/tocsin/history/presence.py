"""Presence in spells: the rows of one unit in the table of units, and the state in which it comes back.

Rows of one unit are spells of presence, one after the other. Between two of them the unit is absent: not at risk, and
sending nothing. A row that begins as another ends goes on with it. A row marked unobserved is no presence: the place is
there, but what happens in it is not coded.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from tocsin.history.tables.schema import MARK

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int32]


def _ints() -> Ints:
    return np.empty(0, dtype=np.int32)


def _floats() -> Floats:
    return np.empty(0, dtype=np.float64)


@dataclass(frozen=True)
class Stretches:
    """Stretches of time (start, end] of units, by unit and time (n,)."""

    unit: Ints = field(default_factory=_ints)
    start: Floats = field(default_factory=_floats)
    end: Floats = field(default_factory=_floats)

    @staticmethod
    def of(rows: Sequence[tuple[int, float, float]]) -> Stretches:
        """Return stretches (unit, start, end) in order."""
        unit, start, end = zip(*sorted(rows), strict=True) if rows else ((), (), ())
        return Stretches(np.array(unit, np.int32), np.array(start, np.float64), np.array(end, np.float64))

    def cover(self, unit: NDArray[Any], time: NDArray[Any]) -> NDArray[np.bool_]:
        """Return whether each time lies within a stretch of its unit (n,)."""
        found = np.zeros(np.broadcast(unit, time).shape, dtype=bool)
        for i, start, end in zip(self.unit, self.start, self.end, strict=True):
            found |= (unit == i) & (start < time) & (time <= end)
        return found


@dataclass(frozen=True)
class Returns:
    """States that the rows of units give on return, by time (n,): they are no events."""

    time: Floats = field(default_factory=_floats)
    unit: Ints = field(default_factory=_ints)
    variable: Ints = field(default_factory=_ints)
    state: Ints = field(default_factory=_ints)


def marked(units: Any) -> NDArray[np.bool_]:
    """Return which rows of an Arrow table of units are marked unobserved (rows,)."""
    if MARK not in units.column_names:
        return np.zeros(units.num_rows, dtype=bool)
    return np.array([value is not None for value in units.column(MARK).to_pylist()], dtype=bool)


@dataclass(frozen=True)
class Presence:
    """When units are there.

    Attributes:
        row: the first row of each unit, of those that are coded if there are any (units,).
        begin: where its first spell begins, which may be before the window (units,).
        enter, exit: from its first entry to its last exit, within the window (units,).
        absences: stretches between the two in which it is absent or not coded.
        unobserved: stretches of the window in which it is there but not coded.
        returns: states on return, those before the window among them.
    """

    row: NDArray[np.int64]
    begin: Floats
    enter: Floats
    exit: Floats
    absences: Stretches
    unobserved: Stretches
    returns: Returns


def presence_of(
    unit: NDArray[Any],
    begin: Floats,
    finish: Floats,
    unobserved: NDArray[np.bool_],
    given: Sequence[NDArray[np.int32] | None],
    window: tuple[float, float],
    count: int,
) -> Presence:
    """Return when units are there, from their rows.

    Parameters:
        unit, begin, finish, unobserved: of each row (rows,): its unit, the clock numbers (begin, finish] and its mark.
        given: per variable, the code of the state that each row names (rows,), -1 where it names none; or None.
        window: (start, end]; count: number of units.
    """
    if len(unit) == count and (unit == np.arange(count)).all() and not unobserved.any():  # one row each
        none = Stretches()
        enter, leave = np.clip(begin, *window), np.clip(finish, *window)
        return Presence(np.arange(count), begin, enter, leave, none, none, Returns())
    order = np.lexsort((begin, unobserved, unit)).astype(np.int64)  # coded rows first
    order = order[unit[order] >= 0]
    heads = np.ones(order.size, dtype=bool)
    heads[1:] = unit[order[1:]] != unit[order[:-1]]
    row = np.zeros(count, dtype=np.int64)
    row[unit[order[heads]]] = order[heads]
    first = begin[row]
    enter, leave = np.clip(first, *window), np.clip(finish[row], *window)
    absences: list[tuple[int, float, float]] = []
    dark: list[tuple[int, float, float]] = []
    returns: list[tuple[float, int, int, int]] = []
    for i in np.unique(unit[order[~heads | unobserved[order]]]).tolist():
        rows = order[np.searchsorted(unit[order], i) : np.searchsorted(unit[order], i, side="right")]
        coded = rows[~unobserved[rows]].tolist()
        spells: list[list[float]] = []
        for number in coded:
            if spells and begin[number] <= spells[-1][1]:
                spells[-1][1] = max(spells[-1][1], finish[number])
                continue
            if spells:
                states = [(v, int(codes[number])) for v, codes in enumerate(given) if codes is not None]
                returns += [(float(begin[number]), i, v, code) for v, code in states if code >= 0]
            spells.append([float(begin[number]), float(finish[number])])
        inside = [(max(a, window[0]), min(b, window[1])) for a, b in spells]
        inside = [(a, b) for a, b in inside if a < b]
        enter[i], leave[i] = (inside[0][0], inside[-1][1]) if inside else (window[0], window[0])
        absences += [(i, one[1], other[0]) for one, other in pairwise(inside)]
        hidden = [(max(begin[k], window[0]), min(finish[k], window[1])) for k in rows[unobserved[rows]]]
        dark += [(i, float(a), float(b)) for a, b in hidden if a < b]
    time, who, variable, state = zip(*sorted(returns), strict=True) if returns else ((), (), (), ())
    codes = (np.array(values, np.int32) for values in (who, variable, state))
    return Presence(
        row,
        first,
        enter,
        leave,
        Stretches.of(absences),
        Stretches.of(dark),
        Returns(np.array(time, np.float64), *codes),
    )
