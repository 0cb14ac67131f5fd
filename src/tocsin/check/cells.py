"""Contagion beside units that are alike where they are tied, and shocks that regions share, both at once.

The hazard of a transition is lambda_0 exp(u_i + v_ip) + s E: what else moves it, times a readiness of each unit and a
shock of its region in each period, and the contagion of strength s. The u are normal and correlated over ties, the v
normal, correlated over ties and in time, with a part that all share. Both are integrated out by Laplace's method, and
their spreads are those that are likeliest without contagion. Either alone leaves the other's fault to the contagion.

Source: Clayton & Kaldor (1987) and Besag (1974) for effects correlated over ties; Tierney & Kadane (1986) for the
integrals; Shalizi & Thomas (2011) for why likeness of neighbours must be asked.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from tocsin.kernels.exposure_sweep import EXPLAINED, UNIT
from tocsin.program.hazard_course import by_cells

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tocsin.history.history import History
    from tocsin.program.program import Program

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]

SPREADS = (0.0, 0.7, 1.5)  # standard deviations that are tried, of units and of regions in periods

PERIODS = 16  # of the window, of one length

LASTS = 1.5  # periods after which shocks of a region have forgotten two thirds

MOST, TOGETHER = 30, 70  # effects of units, and of places and periods, that are kept: the smoothest

STEPS = 30  # of the search


@dataclass(frozen=True)
class Plan:
    """Where effects stand.

    Attributes:
        edges: of the periods (P + 1,).
        basis: effects of units are `basis . z` with z independent, of spread 1 (N, at most 30).
        shared: effects of places and periods likewise, by unit and period (N P, at most 70).
    """

    edges: Floats
    basis: Floats
    shared: Floats

    @staticmethod
    def make(history: History, layer: str) -> Plan:
        """Plan likeness and shocks by the ties of a layer."""
        numbers = history.numbers
        count = len(numbers.units)
        ties = numbers.ties[layer]
        near = np.zeros((count, count))
        near[ties.source, ties.target] = near[ties.target, ties.source] = 1.0
        np.fill_diagonal(near, 0.0)
        values, vectors = np.linalg.eigh(np.diag(near.sum(axis=1)) - near)
        cover = (vectors / (1.0 + values)) @ vectors.T
        size = np.sqrt(np.diag(cover))
        cover = cover / np.outer(size, size)
        edges = np.linspace(numbers.start, numbers.end, PERIODS + 1)
        place = np.arange(PERIODS)
        fading = np.exp(-np.abs(place[:, None] - place) / LASTS)
        # What all units share has a part of its own: a common shock is a shock of every region at once.
        space, time = _smooth(0.5 * cover + 0.5), _smooth(fading)
        weight = (space**2).sum(axis=0)[:, None] * (time**2).sum(axis=0)
        best = np.sort(np.argsort(-weight, axis=None, kind="stable")[:TOGETHER])
        a, b = np.unravel_index(best, weight.shape)
        shared = (space[:, None, a] * time[None, :, b]).reshape(count * PERIODS, -1)
        return Plan(edges, _smooth(0.5 * np.eye(count) + 0.5 * cover)[:, -MOST:], shared)


def _smooth(cover: Floats) -> Floats:
    """Return a basis of a covariance, the directions of largest variance last."""
    values, vectors = np.linalg.eigh(cover)
    return np.asarray(vectors * np.sqrt(np.maximum(values, 0.0)))


@dataclass(frozen=True)
class Cells:
    """A transition in one world, by unit and period.

    Attributes:
        plan: where effects stand.
        base, added, lead: integrals of what else moves it, of the contagion of strength 1, and of its lead (N, P).
        row: the cell of each event (E,); at_base, at_added, at_lead: hazards there (E,).
    """

    plan: Plan
    base: Floats
    added: Floats
    lead: Floats
    row: Ints
    at_base: Floats
    at_added: Floats
    at_lead: Floats

    @staticmethod
    def of(
        program: Program, transition: int, cause: int, null: Floats, one: Floats, plan: Plan,
        led: Program | None = None,
    ) -> Cells:  # fmt: skip
        """Read a world.

        Parameters:
            program: the world; transition, cause: which are looked at, by their places.
            null: parameters of what else moves it; one: parameters under which the contagion has strength 1.
            led: the same world where the ties of the contagion's layer came earlier.
        """
        mine = np.flatnonzero(program.trace.events[:, EXPLAINED] == transition)
        place = np.full(len(program.trace.time), -1)
        place[mine] = np.arange(mine.size)
        others = [c for c in program.likelihood.groups[transition] if c != cause]
        base, at_base = _seen(program, others, null, plan, place, mine.size)
        added, at_added = _seen(program, [cause], one, plan, place, mine.size)
        lead, at_lead = np.zeros_like(added), np.zeros_like(at_added)
        if led is not None:
            lead, at_lead = _seen(led, [cause], one, plan, place, mine.size)
        width = plan.edges.size - 1
        period = np.clip(np.searchsorted(plan.edges, program.trace.time[mine], side="left") - 1, 0, width - 1)
        row = program.trace.events[mine, UNIT].astype(np.int64) * width + period
        return Cells(plan, base, added, lead, row, at_base, at_added, at_lead)

    def gain(self, units: float = 0.0, regions: float = 0.0, lead: bool = False) -> tuple[float, float]:
        """Return twice the gain of the contagion (or of its lead beside it) in log-likelihood, and its strength.

        Parameters:
            units, regions: spreads of the effects of units, and of regions in periods.
        """
        first = _Search(self, units, regions, (self.added, self.at_added)[: 2 * lead])
        second = _Search(
            self, units, regions, (self.added, self.at_added, self.lead, self.at_lead)[: 2 + 2 * lead]
        )
        small, large = first.best(), second.best()
        return max(2.0 * (large[0] - small[0]), 0.0), float(large[1][-1])

    def likeliest(self) -> tuple[float, float]:
        """Return the spreads of units and of regions in periods that are likeliest without contagion."""
        tried = [(a, b) for a in SPREADS for b in SPREADS]
        values = [_Search(self, a, b, ()).best()[0] for a, b in tried]
        return tried[int(np.argmax(values))]

    def effects(self, units: float, regions: float) -> Floats:
        """Return the effects without contagion (N, P), the level among them."""
        found = _Search(self, units, regions, ())
        found.best()
        return found.logs.reshape(self.base.shape)


def _seen(
    program: Program, causes: Sequence[int], vector: Floats, plan: Plan, place: Ints, events: int
) -> tuple[Floats, Floats]:
    """Return the integrals of causes by unit and period, and their hazards at the events of a transition."""
    whole, at = np.zeros((len(program.history.numbers.units), plan.edges.size - 1)), np.zeros(events)
    for c in causes:
        cause = program.likelihood.causes[c]
        whole += by_cells(cause, vector, plan.edges)
        where, elements = cause.events(vector, 0)
        own = place[where] >= 0
        at[place[where[own]]] += elements.value[own]
    return whole, at


class _Search:
    """The search for the level, the effects and the strengths of what is added, all at once."""

    def __init__(self, cells: Cells, units: float, regions: float, added: Sequence[Floats]) -> None:
        self.cells = cells
        count, width = cells.base.shape
        columns = [np.ones((count * width, 1))]
        if units > 0:
            columns.append(units * np.repeat(cells.plan.basis, width, axis=0))
        if regions > 0:
            columns.append(regions * cells.plan.shared)
        self.whole = np.hstack(columns)
        met = (cells.base.ravel() > 0) | np.isin(np.arange(count * width), cells.row)
        self.matrix, self.base = self.whole[met], cells.base.ravel()[met]
        self.row = (np.cumsum(met) - 1)[cells.row]
        self.sums = np.array([float(each.sum()) for each in added[::2]])
        self.at = np.stack([*added[1::2]], axis=1) if added else np.zeros((cells.row.size, 0))
        self.logs = np.zeros(count * width)

    def best(self) -> tuple[float, Floats]:
        """Return the log-likelihood with the effects integrated out, and the strengths of what is added."""
        size, more = self.matrix.shape[1], self.sums.size
        at = np.zeros(size + more)
        events = self.cells.row.size
        at[0] = math.log(max(events, 0.5) / max(float(self.base.sum()), 1e-300)) - 0.2 * more
        at[size:] = 0.2 * events / np.maximum(self.sums, 1e-12)
        value, slope, bend = self._look(at)
        for _ in range(STEPS):
            free = np.ones(at.size, dtype=bool)
            free[size:] = (at[size:] > 0) | (slope[size:] > 0)
            step = np.zeros(at.size)
            step[free] = _solve(bend[np.ix_(free, free)], slope[free])
            reach, moved = 1.0, False
            for _ in range(12):
                there = at + reach * step
                there[size:] = np.maximum(there[size:], 0.0)
                found = self._look(there)
                if found[0] >= value - 1e-12:
                    moved = found[0] > value + 1e-9
                    at, (value, slope, bend) = there, found
                    break
                reach /= 2
            if not moved:
                break
        self.logs = self.whole @ at[:size]
        inner = bend[1:size, 1:size]
        sign, log = np.linalg.slogdet(inner) if size > 1 else (1.0, 0.0)
        return value - 0.5 * log if sign > 0 else -math.inf, at[size:]

    def _look(self, at: Floats) -> tuple[float, Floats, Floats]:
        """Return the penalised log-likelihood, its gradient and minus its Hessian."""
        size, row = self.matrix.shape[1], self.row
        effect = np.exp(np.clip(self.matrix @ at[:size], -50.0, 50.0))
        expected = self.base * effect
        home = self.cells.at_base * effect[row]
        whole = home + self.at @ at[size:]
        if not (whole > 0).all():
            return -math.inf, np.zeros(at.size), np.eye(at.size)
        value = float(
            np.log(whole).sum() - expected.sum() - self.sums @ at[size:] - 0.5 * at[1:size] @ at[1:size]
        )
        share, pull = home / whole, self.at / whole[:, None]
        terms = self.matrix[row]
        slope = np.concatenate([terms.T @ share - self.matrix.T @ expected, pull.sum(axis=0) - self.sums])
        slope[1:size] -= at[1:size]
        bend = np.zeros((at.size, at.size))
        bend[:size, :size] = self.matrix.T @ (self.matrix * expected[:, None])
        bend[:size, :size] -= terms.T @ (terms * (share * (1.0 - share))[:, None])
        bend[range(1, size), range(1, size)] += 1.0
        bend[:size, size:] = terms.T @ (share[:, None] * pull)
        bend[size:, :size] = bend[:size, size:].T
        bend[size:, size:] = pull.T @ pull
        return value, slope, bend


def _solve(bend: Floats, slope: Floats) -> Floats:
    """Return a step uphill: Newton's, made longer on the diagonal until it is one."""
    more = 0.0
    scale = np.maximum(np.abs(np.diag(bend)), 1e-10)
    for _ in range(12):
        try:
            np.linalg.cholesky(bend + np.diag(more * scale))
            return np.asarray(np.linalg.solve(bend + np.diag(more * scale), slope))
        except np.linalg.LinAlgError:
            more = max(10.0 * more, 1e-4)
    return slope / scale
