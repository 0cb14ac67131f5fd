"""Histories in which contagion cannot be: ties rewired, or the course of events dealt out among units
anew."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from tocsin.program.ties import swapped

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tocsin.history.arrays import Numbers
    from tocsin.history.history import History


def altered(history: History, numbers: Numbers) -> History:
    """Return a history that says the same but for its arrays; for compiling only."""
    other = copy.copy(history)
    other.__dict__.update(numbers=numbers, digest=f"{history.digest} altered")
    return other


def rewired(history: History, layer: str, rng: np.random.Generator) -> History:
    """Return the history with the ties of one layer swapped at random, every unit keeping its degrees.

    See `program.rewire.swapped`.
    """
    numbers = history.numbers
    ties = numbers.ties.get(layer)
    if ties is None or len(ties.source) < 2:
        return history
    return altered(history, replace(numbers, ties={**numbers.ties, layer: swapped(ties, rng)}))


def reshuffled(history: History, rng: np.random.Generator) -> History:
    """Return the history with the courses of events dealt out anew among units alike on entry.

    A unit's whole course goes to another with the same presence and the same states on entry, so that the
    times of events stay what they were and who is tied to whom has nothing to do with them.
    """
    return dealt(history, deal(history, rng))


def deal(history: History, rng: np.random.Generator) -> NDArray[np.int32]:
    """Return for each unit the one that gets its course: one with the same presence and states on entry."""
    numbers = history.numbers
    classes = np.stack([numbers.enter, numbers.exit, *numbers.initial.values()])
    _, kind = np.unique(classes, axis=1, return_inverse=True)
    kind = kind.ravel()
    for unit in np.unique(numbers.absences.unit):  # nobody else has its spells of presence
        kind[unit] = int(kind.max()) + 1
    new: NDArray[np.int32] = np.arange(kind.size, dtype=np.int32)
    for each in range(int(kind.max()) + 1):
        members = np.flatnonzero(kind.ravel() == each)
        new[members] = rng.permutation(members)
    return new


def dealt(history: History, new: NDArray[np.int32]) -> History:
    """Return the history in which the course of each unit goes to another; see `deal`."""
    numbers = history.numbers
    unit = new[numbers.event_unit]
    order = np.lexsort((np.arange(unit.size), unit, numbers.event_time))
    return altered(
        history,
        replace(
            numbers,
            event_time=numbers.event_time[order],
            event_unit=unit[order],
            event_variable=numbers.event_variable[order],
            event_state=numbers.event_state[order],
            spans=None if numbers.spans is None else numbers.spans.take(order),
        ),
    )
