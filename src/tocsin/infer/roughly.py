"""Which events of a history are known only to lie between two dates, and the history with them at other times."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from tocsin.infer.placebo import altered
from tocsin.program.grouped import is_grouped

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tocsin.history import History

    Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Rough:
    """The events of a history whose times are known roughly.

    Attributes:
        event: their positions among the events (K,).
        low, high: the earliest and the latest time of each (K,).
        whole: whether times are whole numbers (days).
    """

    event: NDArray[np.int64]
    low: Floats
    high: Floats
    whole: bool

    @staticmethod
    def of(history: History) -> Rough | None:
        """Return the rough events within the window, None where there are none or times are grouped."""
        events = history.events
        if "time_latest" not in events or is_grouped(history):
            return None
        given = events["time_latest"].notna() & (events["time_latest"] > events["time"])
        numbers = history.numbers
        late = numbers.event_time > numbers.enter[numbers.event_unit]
        place = np.flatnonzero(given.to_numpy() & late)
        if not place.size:
            return None
        high = np.array([history.to_number(when) for when in events["time_latest"].iloc[place]])
        exit_ = numbers.exit[numbers.event_unit[place]] - (1.0 if history.dated else 0.0)
        return Rough(place, numbers.event_time[place], np.minimum(high, exit_), history.dated)

    def offer(self, number: int, rng: np.random.Generator) -> float:
        """Return another time for one of the events, each in its span as likely."""
        low, high = self.low[number], self.high[number]
        if self.whole:
            return float(rng.integers(int(low), int(high) + 1))
        return float(rng.uniform(low, high))


def placed(history: History, rough: Rough, time: Floats) -> History | None:
    """Return the history with its rough events at given times; None where a unit's own events change places."""
    numbers = history.numbers
    moved = numbers.event_time.copy()
    moved[rough.event] = time
    order = np.lexsort((np.arange(moved.size), numbers.event_unit, moved))
    unit = numbers.event_unit[order]
    by_unit = np.argsort(unit, kind="stable")
    if not np.array_equal(order[by_unit], np.argsort(numbers.event_unit, kind="stable")):
        return None
    return altered(
        history,
        replace(
            numbers,
            event_time=moved[order],
            event_unit=unit,
            event_variable=numbers.event_variable[order],
            event_state=numbers.event_state[order],
        ),
    )
