"""Greedy search under a budget, plain or lazy."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

EPSILON = 1e-9


@dataclass
class Search:
    """What a search found.

    Attributes:
        weights: of each candidate (cells,).
        chosen: candidates in the order in which a step of each was taken.
        gains: what each step added to the value, in the worlds of the search.
        evaluations: how often the value was asked for.
        grown: how often a candidate that was looked at again gained more than before, which it cannot where
            returns diminish.
    """

    weights: Floats
    chosen: list[int] = field(default_factory=list)
    gains: list[float] = field(default_factory=list)
    evaluations: int = 0
    grown: int = 0


def greedy(
    value: Callable[[Floats], float],
    cost: Floats,
    most: Floats,
    step: float,
    budget: float,
    lazy: bool = True,
    progress: Callable[[int, int], None] | None = None,
) -> Search:
    """Take steps one by one, each where the value grows most for its cost, until the budget is spent.

    Where returns diminish (a submodular value), a gain once computed bounds the gain later, so a candidate is
    looked at again only when it comes to the top (Minoux 1978); the plan then is that of the plain search, and
    with equal costs within 1 - 1/e of the best (Nemhauser, Wolsey & Fisher 1978). The search ends early where
    nothing raises the value.

    Parameters:
        value: of weights (cells,).
        cost: budget of one step of each candidate (cells,).
        most: greatest weight of each (cells,).
        step: weight of one step.
        budget: in all.
        lazy: whether gains are kept; else all are computed at every step.
        progress: called with evaluations done and to be done at the least.
    """
    cells = len(cost)
    found = Search(np.zeros(cells))
    base, left = value(found.weights), budget
    found.evaluations = 1
    steps = int(budget / cost.min()) + 1

    def open_cells() -> list[int]:
        room = found.weights + step <= most + EPSILON
        return [int(cell) for cell in np.flatnonzero(room & (cost <= left + EPSILON))]

    def gain(cell: int) -> float:
        tried = found.weights.copy()
        tried[cell] += step
        after = value(tried)
        found.evaluations += 1
        if progress is not None:
            progress(found.evaluations, max(found.evaluations, 1 + cells + steps))
        return after - base

    def ranked() -> list[tuple[float, int]]:
        """Return all that may be chosen, scored anew: the best stand first; of equals, the first candidate."""
        return sorted((-gain(cell) / cost[cell], cell) for cell in open_cells())

    heap = ranked()
    fresh = {cell for _, cell in heap}
    while heap:
        score, cell = heapq.heappop(heap)
        if found.weights[cell] + step > most[cell] + EPSILON or cost[cell] > left + EPSILON:
            continue
        if cell not in fresh:
            again = -gain(cell) / cost[cell]
            found.grown += again < score - EPSILON * max(1.0, abs(score))
            fresh.add(cell)
            heapq.heappush(heap, (again, cell))
            continue
        if -score * cost[cell] <= EPSILON:
            break
        added = -score * cost[cell]
        found.weights[cell] += step
        found.chosen.append(cell)
        found.gains.append(added)
        base, left = base + added, left - cost[cell]
        if lazy:
            fresh = set()
            heapq.heappush(heap, (score, cell))
        else:
            heap = ranked()
            fresh = {cell for _, cell in heap}
    return found
