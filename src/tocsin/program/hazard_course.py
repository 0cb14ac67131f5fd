"""Residuals: integrated hazards between events, which are unit exponential if the model is right."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from tocsin.errors import FitError, ModelError, TocsinError, suggestion
from tocsin.kernels.exposure_sweep import EXPLAINED, UNIT
from tocsin.kernels.layout import TRANSITION
from tocsin.program.ages import log_integral
from tocsin.program.cause import CauseData
from tocsin.program.grouped import cure, is_grouped
from tocsin.program.parameters import places_in
from tocsin.program.spans.open_times import say_middle
from tocsin.wording.numbers import noun

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from tocsin.history.history import History
    from tocsin.program.program import Program

    Floats = NDArray[np.float64]


def residuals(program: Program, vector: NDArray[np.float64]) -> pd.DataFrame:
    """Return the integrated hazards between events; see `Program.residuals`."""
    import pandas as pd

    if is_grouped(program.history):
        raise FitError(
            f"times known by {noun(program.history.clock)} leave open how much of an interval's hazard came before "
            f"its event, so residuals are not unit exponential: {cure(program.history)}, or look at reliability and "
            "at simulated worlds beside what happened (tocsin replay)"
        )
    say_middle(program, "residuals")
    numbers, trace = program.history.numbers, program.trace
    rows = []
    for number, transition in enumerate(program.model.transitions):
        units, times, values = [], [], []
        for cause in (
            c for c in program.likelihood.causes if program.layout.cause[c.number, TRANSITION] == number
        ):
            decay, _ = cause.shape(vector)
            swept = cause.swept(decay, keep=True)
            owner, elements = cause.by_unit(vector, 0)
            units.append(owner)
            times.append(swept.time)
            values.append(elements.value)
        unit, time, value = np.concatenate(units), np.concatenate(times), np.concatenate(values)
        own = np.flatnonzero(trace.events[:, EXPLAINED] == number)
        own_unit = trace.events[own, UNIT]
        for i in np.unique(np.concatenate([unit, own_unit])):
            mine = np.sort(trace.time[own[own_unit == i]])
            # Clocks pause while the unit is not at risk, so a spell runs from one event to the next.
            at = unit == i
            spell = np.searchsorted(mine, time[at], side="right")
            integral = np.bincount(spell, value[at], minlength=mine.size + 1)
            edges = np.concatenate([[numbers.enter[i]], mine, [numbers.exit[i]]])
            for k in range(mine.size + 1):
                rows.append(
                    (transition.name, numbers.units[i], edges[k], edges[k + 1], integral[k], k < mine.size)
                )
    return pd.DataFrame(rows, columns=["transition", "unit", "start", "end", "integral", "observed"])


# --- The course of hazards: what each cause added, stretch by stretch, to the hazard of what
#     happened

MOST = 120  # intervals, where the caller names none


class HazardPieces(NamedTuple):
    """Stretches at risk in which a hazard is rate * exp(-decay * (t - begin)): arrays (n,), and the decay.

    Where the age is a number the rate is that without it, and its function has a form, slopes and ages at first.
    """

    begin: Floats
    span: Floats
    rate: Floats
    decay: float
    form: str = ""
    slope: Floats | None = None
    age: Floats | None = None


def course(
    program: Program, vector: Floats, transition: str | None, unit: str | None, times: Iterable[Any] | None
) -> pd.DataFrame:
    """Return the hazard of every cause through time; see `Given.hazards_by_cause`."""
    import pandas as pd

    say_middle(program, "hazards by cause")
    history = program.history
    chosen = _transitions(program, transition)
    place = None if unit is None else _place(history, unit)
    edges = _edges(history, times)
    tables = []
    for number in chosen:
        for cause in program.likelihood.groups[number]:
            expected = _binned(_pieces(program.likelihood.causes[cause], vector, place), edges)
            slots = program.slots[cause]
            table = {
                "transition": slots.transition,
                "cause": slots.cause,
                "start": edges[:-1],
                "end": edges[1:],
            }
            if history.dated:
                table["date"] = pd.to_datetime(np.asarray(history.to_date(edges[:-1])))
            tables.append(pd.DataFrame({**table, "expected": expected, "hazard": expected / np.diff(edges)}))
    return pd.concat(tables, ignore_index=True)


def _pieces(cause: CauseData, vector: Floats, unit: int | None) -> HazardPieces:
    """Return the stretches of a cause, of one unit or of all."""
    decay, alpha = cause.shape(vector)
    swept = cause.swept(decay, keep=True)
    begin, span, owner = swept.time, swept.span, swept.unit
    if is_grouped(cause.program.history) and decay > 0.0:
        # Within a month or a year a hazard stays what it was at the start: each is a stretch of its own.
        count = np.rint(span).astype(np.int64)
        begin = np.repeat(begin, count) + places_in(count)
        owner, elements = cause.by_unit(vector, 0)
        span, decay = np.ones(begin.size), 0.0
        rate = elements.value
    else:
        ages = (
            None if cause.design.times is None else np.full(swept.row.size, np.nan)
        )  # the rate is without it
        rate = cause.elements(vector, swept.row, swept.exposure, None, True, 0, ages).value
    mine = slice(None) if unit is None else owner == unit
    age, times = cause.design.age, cause.design.times
    if age is not None and times is not None:
        own = vector[cause.slots.target.start : cause.slots.target.stop]
        slope = (times @ np.where(times.any(axis=0), own, 0.0))[swept.row]
        return HazardPieces(begin[mine], span[mine], rate[mine], 0.0, age.form, slope[mine], swept.age[mine])
    return HazardPieces(begin[mine], span[mine], rate[mine], alpha * decay)


def _binned(pieces: HazardPieces, edges: Floats) -> Floats:
    """Return the integral of the hazards between edges, exactly."""
    _, place, amount = cut(pieces, edges)
    return np.bincount(place, weights=amount, minlength=edges.size - 1).astype(np.float64)


def cut(pieces: HazardPieces, edges: Floats) -> tuple[NDArray[np.int64], NDArray[np.int64], Floats]:
    """Cut stretches where an edge falls: the stretch, the interval and the integral of each part."""
    begin = np.maximum(pieces.begin, edges[0])
    end = np.minimum(pieces.begin + pieces.span, edges[-1])
    first = np.searchsorted(edges, begin, side="right") - 1
    last = np.searchsorted(edges, end, side="left") - 1
    cuts = np.where(end > begin, last - first + 1, 0)
    piece = np.repeat(np.arange(cuts.size), cuts)
    place = first[piece] + places_in(cuts)
    low = np.maximum(begin[piece], edges[place]) - pieces.begin[piece]
    high = np.minimum(end[piece], edges[place + 1]) - pieces.begin[piece]
    rate, decay = pieces.rate[piece], pieces.decay
    if pieces.slope is not None and pieces.age is not None:
        slope, age = pieces.slope[piece], pieces.age[piece] + low
        amount = np.where(
            high > low, rate * np.exp(log_integral(pieces.form, slope, age, high - low)[0]), 0.0
        )
    elif decay > 0.0:
        amount = rate * np.exp(-decay * low) * -np.expm1(-decay * (high - low)) / decay
    else:
        amount = rate * (high - low)
    return piece, place, amount


def by_cells(cause: CauseData, vector: Floats, edges: Floats) -> Floats:
    """Return the integrated hazard of a cause by unit and interval (N, edges - 1); times by day or moment."""
    decay, alpha = cause.shape(vector)
    swept = cause.swept(decay, keep=True)
    rate = cause.elements(vector, swept.row, swept.exposure, None, True, 0).value
    piece, place, amount = cut(HazardPieces(swept.time, swept.span, rate, alpha * decay), edges)
    count, width = len(cause.program.history.numbers.units), edges.size - 1
    cell = swept.unit[piece].astype(np.int64) * width + place
    return np.bincount(cell, amount, minlength=count * width).astype(np.float64).reshape(count, width)


def _transitions(program: Program, name: str | None) -> Sequence[int]:
    names = [each.name for each in program.model.transitions]
    if name is None:
        return range(len(names))
    if name not in names:
        raise ModelError(f"the model has no transition {name!r}" + suggestion(name, names))
    return [names.index(name)]


def _place(history: History, unit: str) -> int:
    units = list(history.numbers.units)
    if unit not in units:
        raise TocsinError(f"there is no unit {unit!r}" + suggestion(str(unit), units))
    return units.index(unit)


def _edges(history: History, times: Iterable[Any] | None) -> Floats:
    start, end = float(history.numbers.start), float(history.numbers.end)
    if times is None:
        whole = math.ceil((end - start) / MOST) if history.dated else (end - start) / MOST
        return np.append(np.arange(start, end, whole), end)
    # A number is a number of the clock, also where times are dates.
    plain = (int, float, np.number)
    edges = np.array([float(each if isinstance(each, plain) else history.to_number(each)) for each in times])
    if edges.size < 2 or not (np.diff(edges) > 0).all():
        raise TocsinError("the times between which hazards are wanted are two or more, each after the last")
    if edges[0] < start or edges[-1] > end:
        raise TocsinError(f"the times lie outside the window of {history.name!r}")
    return edges
