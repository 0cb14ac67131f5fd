"""Events known to lie in a span: the part of it in which each can have happened, and one time in that part.

An event dated from `time` to `time_latest` happened after its unit's entry, before its exit, within the window, and
in the order of the other events of its unit and variable. Plain numbers span (time, time_latest]; days span from the
first (00:00) to the end of the last, (D1, D2 + 1]; months and years are whole periods, both ends among them. A column
`sequence` decides the order of events whose spans overlap.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tocsin.history.time import Clock

    Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Spans:
    """What is known of the times of events, aligned with the events of a history.

    Attributes:
        low, high: the feasible part (low, high] of each event's span (events,), on the clock; whole periods, both
            included, where times are grouped; equal to its time where that is known.
        known: whether the time is known (events,).
        sequence: the rank that the record gives (events,); 0 for none.
        grouped: whether times are periods.
    """

    low: Floats
    high: Floats
    known: NDArray[np.bool_]
    sequence: Floats
    grouped: bool

    def take(self, order: NDArray[np.integer]) -> Spans:
        """Return the spans of events in another order."""
        return Spans(self.low[order], self.high[order], self.known[order], self.sequence[order], self.grouped)


def spans_of(
    time: NDArray[Any],
    latest: NDArray[Any],
    sequence: Floats,
    unit: NDArray[np.int32],
    enter: Floats,
    leave: Floats,
    clock: Clock,
) -> Spans | None:
    """Return the part of each event's span in which its unit is there; None where all times are known.

    Parameters:
        time, latest: (events,) as the table has them.
        sequence, unit: (events,) ranks, and positions of the units.
        enter, leave: (units,) presence on the clock, within the window.
    """
    grouped = clock.grouped
    low, high = clock.number(time), clock.number(latest)
    known = ~(high > low)
    if known.all():
        return None
    if grouped:
        first = np.maximum(low, enter[unit] + 1.0 - clock.lag)
        last = np.minimum(high, leave[unit] - clock.lag)
    else:
        first = np.maximum(low, enter[unit])
        last = np.minimum(high + 1.0 if clock.dated else high, leave[unit])
    return Spans(np.where(known, low, first), np.where(known, low, last), known, sequence, grouped)


def empty(spans: Spans) -> NDArray[np.bool_]:
    """Return which spans have no feasible part (events,)."""
    none = spans.low > spans.high if spans.grouped else spans.low >= spans.high
    return np.asarray(~spans.known & none)


def first_order(spans: Spans, unit: NDArray[np.int32], variable: NDArray[np.int32], enter: Floats) -> Floats:
    """Return times (events,) that put the events of each unit and variable in order; equal where nothing tells it.

    By the beginning of what is feasible, a known time before a span that begins there; of two whose spans overlap
    and that both have a sequence, the lower comes first.
    """
    place = spans.low.copy()
    for rows in _chains(unit, variable, spans):
        key = np.lexsort((spans.sequence[rows], ~spans.known[rows], spans.low[rows]))
        chain = [int(row) for row in rows[key]]
        for end in range(1, len(chain)):  # by insertion
            at = end
            while at and _swap(spans, chain[at - 1], chain[at]):
                chain[at - 1], chain[at] = chain[at], chain[at - 1]
                at -= 1
        # Above every early event; a rank where something tells the order, the same rank where nothing does.
        base, rank = enter[unit[rows[0]]], 0
        late = [row for row in chain if not spans.known[row] or spans.low[row] > base]
        for number, row in enumerate(late):
            other = late[number - 1]
            alike = (
                number
                and spans.low[row] == spans.low[other]
                and spans.known[row] == spans.known[other]
                and spans.sequence[row] == spans.sequence[other]
            )
            rank += 0 if alike else 1
            place[row] = base + rank
    return place


def _swap(spans: Spans, one: int, two: int) -> bool:
    """Say whether the second of two events comes first by its sequence, and can."""
    ranks = spans.sequence[one], spans.sequence[two]
    if spans.known[one] and spans.known[two]:
        return False
    return bool(ranks[0] and ranks[1] and ranks[1] < ranks[0] and spans.low[two] < spans.high[one])


def _chains(unit: NDArray[np.int32], variable: NDArray[np.int32], spans: Spans) -> list[NDArray[np.int64]]:
    """Return the events of each unit and variable that has a span among them."""
    order = np.lexsort((np.arange(unit.size), variable, unit))
    new = np.ones(unit.size, dtype=bool)
    new[1:] = (unit[order][1:] != unit[order][:-1]) | (variable[order][1:] != variable[order][:-1])
    pieces = np.split(order, np.flatnonzero(new)[1:])
    return [piece for piece in pieces if not spans.known[piece].all()]


def precedence(spans: Spans, unit: NDArray[np.int32], variable: NDArray[np.int32]) -> list[tuple[int, int]]:
    """Return pairs of events of which the first comes first, where a span is one of them.

    Parameters:
        unit, variable: (events,) in an order in which those of one unit and variable follow one another.
    """
    pairs: list[tuple[int, int]] = []
    for rows in _chains(unit, variable, spans):
        pairs += [(int(a), int(b)) for a, b in itertools.pairwise(rows)]
    for number in np.unique(unit[~spans.known]):
        rows = np.flatnonzero((unit == number) & (spans.sequence != 0))
        for a in rows.tolist():
            for b in rows.tolist():
                if (
                    variable[a] != variable[b]
                    and spans.sequence[a] < spans.sequence[b]
                    and not (spans.known[a] and spans.known[b])
                    and spans.low[a] < spans.high[b]
                ):
                    pairs.append((a, b))
    return pairs


def tightened(spans: Spans, pairs: list[tuple[int, int]], variable: NDArray[np.int32]) -> Spans:
    """Return the spans with what the order of a unit's events rules out taken away."""
    low, high = spans.low.copy(), spans.high.copy()
    for _ in range(len(pairs) + 1):
        changed = False
        for a, b in pairs:
            gap = float(spans.grouped and variable[a] == variable[b])  # one move of a variable in a period
            if not spans.known[b] and low[b] < low[a] + gap:
                low[b], changed = low[a] + gap, True
            if not spans.known[a] and high[a] > high[b] - gap:
                high[a], changed = high[b] - gap, True
        if not changed:
            break
    return Spans(low, high, spans.known, spans.sequence, spans.grouped)


def representative(spans: Spans, pairs: list[tuple[int, int]], unit: NDArray[np.int32]) -> Floats:
    """Return one time of each event (events,): the middle of its span, spread out where a unit has several.

    In grouped time the first period that the order allows. In between, the order of `pairs` holds strictly.
    """
    time = spans.low.copy()
    if spans.grouped:
        return time
    later: dict[int, int] = {}
    for _ in range(len(pairs) + 1):  # how many spans come before each one
        before = dict(later)
        for a, b in pairs:
            later[b] = max(later.get(b, 0), later.get(a, 0) + int(not spans.known[a]))
        if later == before:
            break
    count: dict[int, int] = {}
    open_ = np.flatnonzero(~spans.known)
    for row in open_.tolist():
        count[int(unit[row])] = max(count.get(int(unit[row]), 0), later.get(row, 0) + 1)
    for row in open_.tolist():
        share = (later.get(row, 0) + 1) / (count[int(unit[row])] + 1)
        time[row] = (1.0 - share) * spans.low[row] + share * spans.high[row]
    return time
