"""Hazards multiplied for some units over some time: a design whose rows carry a factor beside their terms."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tocsin.history.numbers import Numbers
    from tocsin.program.design import Design


class Damping(NamedTuple):
    """A hazard multiplied by a factor.

    Fields: number of the cause; position of the unit, -1 for all; time over which it holds, (start, end].
    """

    cause: int
    unit: int
    start: float
    end: float
    factor: float


def damped(design: Design, numbers: Numbers, dampings: Sequence[Damping]) -> Design:
    """Return a design that gives its rows times the factors of the dampings in force.

    Where a factor is zero, a missing covariate does no harm.
    """
    count = len(numbers.units)
    unit = np.repeat(np.arange(count), np.diff(design.first))
    start = design.starts
    origin = np.arange(unit.size)
    cut_unit, cut_time = [], []
    for each in dampings:
        units = np.arange(count) if each.unit < 0 else np.array([each.unit])
        for time in (each.start, each.end):
            inside = units[(numbers.enter[units] < time) & (time < numbers.exit[units])]
            cut_unit.append(inside)
            cut_time.append(np.full(inside.size, time))
    unit = np.concatenate([unit, *cut_unit])
    start = np.concatenate([start, *cut_time])
    origin = np.concatenate([origin, np.full(unit.size - origin.size, -1)])
    order = np.lexsort((origin < 0, start, unit))
    unit, start = unit[order], start[order]
    # A cut lies in the last piece of its unit that began before it.
    origin = np.maximum.accumulate(origin[order])
    fresh = np.ones(unit.size, dtype=bool)
    fresh[1:] = (unit[1:] != unit[:-1]) | (start[1:] != start[:-1])
    unit, start, origin = unit[fresh], start[fresh], origin[fresh]
    factor = np.ones(unit.size)
    for each in dampings:
        here = (start >= each.start) & (start < each.end)
        factor[here if each.unit < 0 else here & (unit == each.unit)] *= each.factor
    levels, level = np.unique(factor, return_inverse=True)
    size = design.matrix.shape[0]
    rows = design.rows[origin]
    shifted = rows + size * level[:, None]
    rows = np.where((rows >= 0) | (factor == 0.0)[:, None], np.maximum(shifted, size * level[:, None]), -1)
    first = np.zeros(count + 1, dtype=np.int64)
    first[1:] = np.cumsum(np.bincount(unit, minlength=count))
    return replace(
        design,
        matrix=np.tile(design.matrix, (levels.size, 1)),
        starts=start,
        first=first,
        rows=np.ascontiguousarray(rows.astype(np.int32)),
        scale=np.repeat(levels, size),
    )


def factors(design: Design, values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the factors of the rows of a design (rows,), damped where it is."""
    return values if design.scale is None else values * design.scale
