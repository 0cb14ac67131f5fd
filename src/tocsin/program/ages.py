"""The age of the state that a unit is in, as causes see it: stretches cut where it passes from piece to piece, and the
integrals of its function.

An age runs on from one move of the unit's variable to the next, whether or not the unit is at risk or present. Under
`pieces` a hazard is constant between ages, so a stretch is cut at them and each part has the row of its level; no
other part of a program need know. Where the age is a number the hazard is multiplied by a^k (`log`, Weibull) or
exp(k a) (`plain`, Gompertz), which have integrals in closed form as long as the exposure is constant.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from tocsin.kernels.exposure_sweep import UNIT, VARIABLE
from tocsin.program.exposure import integrals, summed_rows
from tocsin.program.parameters import places_in

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from tocsin.history.history import History
    from tocsin.kernels.exposure_sweep import Trace
    from tocsin.kernels.layout import Layout
    from tocsin.model.special_terms import Special
    from tocsin.program.design import Design
    from tocsin.program.exposure import Swept
    from tocsin.program.program import Observed

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]
    Places = NDArray[np.int32]


Returns = tuple["Places", "Places", "Places", "Floats"]


def since_entry(history: History, names: Sequence[str], observed: Observed, returns: Returns) -> Floats:
    """Return since when units are in their states, and since when they are seen (2, V, N).

    The first is that of the state on entry (its last earlier event, or what `units` say), NaN where nobody knows.

    Parameters:
        returns: units that come back in a state, variables, states and times; this restarts the age.
    """
    numbers = history.numbers
    found = np.full((2, len(names), len(numbers.units)), np.nan)
    for position, name in enumerate(names):
        if name in numbers.since:
            found[0, position] = numbers.since[name]
    early = np.flatnonzero(observed.early)
    # In the order of time, so that the last one stands.
    found[0, observed.variable[early], observed.unit[early]] = observed.time[early]
    who, which, _, when = returns
    back = when <= numbers.enter[who]
    np.fmax.at(found[0], (which[back], who[back]), when[back])
    found[1] = np.maximum(numbers.enter, numbers.start)
    return found


class Spells(NamedTuple):
    """When each unit came into its states of one variable: on entry, at its events, and where it returned in one.

    Fields: moment and place in the trace (-1 on entry) of each, by unit and in order; and first of each unit.
    """

    time: Floats
    first: Ints
    place: Floats

    @staticmethod
    def of(layout: Layout, trace: Trace, returns: Returns, variable: int, unknown: str) -> Spells:
        """Return the spells of a variable; unknown ages are NaN, or counted from where a unit is first seen."""
        opening = layout.since[0, variable]
        if unknown == "entry":
            opening = np.where(np.isnan(opening), layout.since[1, variable], opening)
        own = np.flatnonzero(trace.events[:, VARIABLE] == variable)
        who, which, _, when = returns
        back = (which == variable) & (when > layout.presence[0, who])
        later = np.concatenate([trace.time[own], when[back]])
        unit = np.concatenate([trace.events[own, UNIT], who[back]])
        # Who returns has had its events before, and its next come after.
        after = np.concatenate([own, np.searchsorted(trace.time, when[back], side="right") - 0.5])
        order = np.lexsort((after, unit))
        first = np.concatenate([[0], np.cumsum(np.bincount(unit, minlength=opening.size) + 1)]).astype(
            np.int64
        )
        moved = np.ones(first[-1], dtype=bool)
        moved[first[:-1]] = False
        time, place = np.empty(first[-1]), np.full(first[-1], -1.0)
        time[first[:-1]] = opening
        time[moved], place[moved] = later[order], after[order]
        return Spells(time, first, place)

    def at_stretch(self, unit: NDArray[np.integer], begin: Floats) -> Floats:
        """Return since when units are in their states on stretches that begin at some times (n,)."""
        return self._last(unit, begin, self.time)

    def at_event(self, unit: NDArray[np.integer], event: Ints) -> Floats:
        """Return the same just before events, by their places in the trace (n,)."""
        return self._last(unit, event - 0.25, self.place)

    def _last(
        self, unit: NDArray[np.integer], limit: NDArray[np.generic], key: NDArray[np.generic]
    ) -> Floats:
        """Return the time of the last spell of each unit whose key is not above a limit."""
        low, high = self.first[unit].copy(), self.first[unit + 1] - 1
        while (low < high).any():
            middle = (low + high + 1) // 2
            below = key[middle] <= limit
            low, high = np.where(below, middle, low), np.where(below, high, np.minimum(high, middle - 1))
        return np.asarray(self.time[low])


def levels_of(age: Special, cuts: Floats, since: Floats, time: Floats, begins: bool) -> Ints:
    """Return the level of ages at some times (n,), by left limit, or by right limit where a stretch begins."""
    known = ~np.isnan(since)
    if age.form != "pieces":
        return np.where(known, 0, 1)
    bounds = np.where(known, since, 0.0)[:, None] + cuts
    passed = bounds <= time[:, None] if begins else bounds < time[:, None]
    return np.where(known, passed.sum(axis=1), len(cuts) + 1)


def by_age(swept: Swept, design: Design, spells: Spells, cuts: Floats, trace: Trace, decay: float) -> Swept:
    """Return a sweep in which rows tell the level of the age: stretches are cut where it passes to the next.

    Parameters:
        swept: with its stretches; cuts: ages between pieces, on the clock.
        trace: what happened, as the sweep saw it.
        decay: of the exposure.
    """
    age = design.age
    assert age is not None
    since = spells.at_stretch(swept.unit, swept.time)
    event_time = trace.time[swept.event]
    event_since = spells.at_event(trace.events[swept.event, UNIT], swept.event)
    time = begin = swept.time
    level = levels_of(age, cuts, since, time, begins=True)
    row, span, exposure, unit = swept.row, swept.span, swept.exposure, swept.unit
    if age.form == "pieces":
        bounds = since[:, None] + cuts
        with np.errstate(invalid="ignore"):
            inside = (bounds > time[:, None]) & (bounds < (time + span)[:, None])
        count = inside.sum(axis=1) + 1
        stretch = np.repeat(np.arange(time.size), count)
        place = places_in(count)
        begin = np.where(place == 0, time[stretch], 0.0)
        begin[place > 0] = bounds[inside]  # in the order of stretches, and of cuts in each
        end = np.append(begin[1:], 0.0)
        last = place == count[stretch] - 1
        end[last] = (time + span)[stretch[last]]
        level = level[stretch] + place
        span = np.where(count[stretch] == 1, span[stretch], end - begin)
        exposure = _older(exposure[stretch], begin - time[stretch], decay)
        row, unit, since = row[stretch], unit[stretch], since[stretch]
    row = (row + level * design.base).astype(np.int32)
    event_level = levels_of(age, cuts, event_since, event_time, begins=False)
    return swept._replace(
        summed=summed_rows(len(design.matrix), row, exposure, span, decay),
        event_row=swept.event_row + event_level * design.base,
        row=row,
        unit=unit,
        time=begin,
        span=span,
        exposure=exposure,
        age=begin - since,
        event_age=event_time - event_since,
    )


def _older(moments: Floats, by: Floats, decay: float) -> Floats:
    """Return exposures with their moments in age (n, Q, moments) some time later, as they decay."""
    if decay == 0.0:
        return moments
    result, past = moments.copy(), by[:, None]
    if moments.shape[2] == 3:
        result[:, :, 2] += past * (2.0 * moments[:, :, 1] + past * moments[:, :, 0])
        result[:, :, 1] += past * moments[:, :, 0]
    return np.asarray(result * np.exp(-decay * by)[:, None, None])


# --- The function of an age that is a number: its logarithm, its integral, and their slopes and bends in the
#     coefficient


def log_function(form: str, slope: Floats, age: Floats) -> tuple[Floats, Floats]:
    """Return the logarithm of the function at ages (n,), and its slope in the coefficient; zeros where unknown."""
    known = ~np.isnan(age)
    with np.errstate(divide="ignore", invalid="ignore"):
        value = np.where(known, np.log(age) if form == "log" else age, 0.0)
        return np.where(slope == 0.0, 0.0, slope * value), value


def terms_at(design: Design, row: NDArray[np.integer], age: Floats) -> Floats:
    """Return the terms of rows of a design at ages of the unit's state (n, k); the logarithm of age zero as that of
    a thousandth of the least."""
    if design.age is None or design.times is None:
        return np.asarray(design.matrix[row])
    least = age[age > 0.0].min(initial=1.0) / 1000.0
    value = log_function(design.age.form, np.ones(age.size), np.maximum(age, least))[0]
    return np.asarray(design.matrix[row] + design.times[row] * value[:, None])


NODES = np.polynomial.legendre.leggauss(6)


def spread_terms(design: Design, swept: Swept) -> tuple[Floats, Floats]:
    """Return the terms of a design over the time at risk (k, n), at a few moments of each stretch, and the time that
    each stands for (n,)."""
    place, part = (NODES[0] + 1.0) / 2.0, NODES[1] / 2.0
    row = np.repeat(swept.row, place.size)
    age = (swept.age[:, None] + swept.span[:, None] * place).ravel()
    return terms_at(design, row, age).T, (swept.span[:, None] * part).ravel()


def log_integral(form: str, slope: Floats, age: Floats, span: Floats) -> tuple[Floats, Floats, Floats]:
    """Return the logarithm of the integral of the function over spans that begin at ages (n,), with its first two
    derivatives in the coefficient; unknown ages have the length of their span.

    a^k from a0 to a1 is exp((k + 1) log a1) times the integral of exp(-(k + 1) s) over s from 0 to log a1 / a0, and
    exp(k a) one of exp(k s), counted from the end where it is largest: neither overflows before its result.
    Beyond a coefficient of -1 of the logarithm there is no integral from age zero, and it is refused: infinite.
    """
    known = ~np.isnan(age)
    begin = np.where(known, age, 1.0)
    if form == "log":
        ahead, endless = np.ones(span.size, dtype=bool), begin <= 0.0
        with np.errstate(divide="ignore"):
            shift = np.log(begin + span)
        width = np.log1p(span / np.where(endless, 1.0, begin))
        rate, power = slope + 1.0, slope + 1.0
    else:
        ahead, endless = slope >= 0.0, np.zeros(span.size, dtype=bool)
        shift = np.where(ahead, begin + span, begin)
        width, rate, power = span, np.abs(slope), slope
    refused = (rate <= 0.0) if form == "log" else endless
    safe = np.where(refused, 1.0, rate)
    over = np.where(endless, 1.0 / np.where(safe > 0.0, safe, 1.0), 0.0)
    j0, j1, j2 = integrals(safe, np.where(endless, 1.0, width))
    j0, j1, j2 = (
        np.where(endless, whole, part) for whole, part in ((over, j0), (over**2, j1), (2 * over**3, j2))
    )
    with np.errstate(divide="ignore", invalid="ignore"):  # a stretch of no length has no integral
        level = np.where(refused, np.inf, power * shift + np.log(j0))
        first = shift + np.where(ahead, -1.0, 1.0) * j1 / j0
        second = j2 / j0 - (j1 / j0) ** 2
        return (
            np.where(known, level, np.log(span)),
            np.where(known, first, 0.0),
            np.where(known, second, 0.0),
        )
