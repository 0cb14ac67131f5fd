"""How strong an unseen shock of exposed units would have to be to explain a contagion away."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from tocsin.check.pair import SHOCK
from tocsin.check.placebo import altered
from tocsin.history.arrays import CovariateArrays

if TYPE_CHECKING:
    from tocsin.check.pair import Pair
    from tocsin.history.history import History


def shocks_of(pair: Pair, history: History, edge: float) -> tuple[float, float, str]:
    """Return the factors of unseen shocks that would bring the interval of the contagion to zero, and a reading.

    One lasts while a unit is exposed; the other two half-lives from each entry of a source, as exposure fades.

    Parameters:
        edge: the gain of the cause at which its p is 0.05.
    """
    if math.isnan(edge):
        why = "not looked for, as the law of its likelihood ratio is not known: see bootstrap="
        return math.nan, math.nan, why
    task = pair.task(history, True)
    found = task.solve()
    number = next(c for c, slots in enumerate(task.program.slots) if slots.cause == pair.cause.name)
    cause = task.program.likelihood.causes[number]
    decay = cause.shape(found.vector)[0]
    swept = cause.swept(decay, keep=True)
    rows = CovariateArrays(
        swept.unit.astype(np.int32), np.ones(swept.time.size), swept.time, swept.time + swept.span
    )
    factor, reading = _shock(pair, history, edge, rows)
    if decay <= 0.0:
        return factor, math.nan, reading
    order = np.lexsort((swept.time, swept.unit))
    unit, begin, span = swept.unit[order], swept.time[order], swept.span[order]
    seen = swept.exposure[order, :, 0].sum(axis=1)
    left = np.r_[0.0, (seen * np.exp(-decay * span))[:-1]]
    goes_on = np.r_[False, (unit[1:] == unit[:-1]) & (np.abs(begin[1:] - begin[:-1] - span[:-1]) < 1e-9)]
    rises = seen > np.where(goes_on, left, 0.0) * (1.0 + 1e-9)
    lasts = 2.0 * math.log(2.0) / decay
    brief = CovariateArrays(
        unit[rises].astype(np.int32), np.ones(int(rises.sum())), begin[rises], begin[rises] + lasts
    )
    short, told = _shock(pair, history, edge, brief)
    if math.isfinite(short) and short > 1.0:
        told = f"one of {short:.2f} would, that lasts two half-lives from each entry of a source"
    return factor, short, reading if short == factor else f"{reading}; {told}"


def _shock(pair: Pair, history: History, edge: float, rows: CovariateArrays) -> tuple[float, str]:
    """Return the factor of an unseen shock in force on rows that would bring the interval to zero, and a reading."""
    numbers = history.numbers
    other = altered(
        history,
        replace(
            numbers,
            covariates={**numbers.covariates, SHOCK: _joined(rows)},
            static={**numbers.static, SHOCK: np.zeros(len(numbers.units))},
        ),
    )
    programs = [pair.model(with_cause, SHOCK).compile(other) for with_cause in (False, True)]

    def statistic(shock: float) -> float:
        return pair.gain(*(pair.of_program(program, shock) for program in programs))[0]

    if statistic(0.0) < edge:
        return 1.0, "its interval reaches zero without any shock"
    low, high = 0.0, 0.5
    while statistic(high) >= edge:
        low, high = high, 2.0 * high
        if high > 8.0:
            return math.inf, "no shock of a size that could be would bring its interval to zero"
    for _ in range(12):
        middle = (low + high) / 2
        low, high = (middle, high) if statistic(middle) >= edge else (low, middle)
    factor = math.exp((low + high) / 2)
    return factor, (
        f"an unseen shock that multiplies the hazard at home of units by {factor:.2f} while they are "
        f"exposed would "
        "bring its interval to zero"
    )


def _joined(rows: CovariateArrays) -> CovariateArrays:
    """Join the rows of a unit that touch."""
    order = np.lexsort((rows.start, rows.unit))
    unit, start, end = rows.unit[order], rows.start[order], rows.end[order]
    fresh = (
        np.r_[True, (unit[1:] != unit[:-1]) | (start[1:] > end[:-1] + 1e-12)]
        if unit.size
        else np.empty(0, bool)
    )
    first = np.flatnonzero(fresh)
    last = np.r_[first[1:] - 1, unit.size - 1] if unit.size else first
    return CovariateArrays(unit[first], np.ones(first.size), start[first], end[last])
