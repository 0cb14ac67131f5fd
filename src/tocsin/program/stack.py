"""The events of one transition as all its causes see them, gathered where many events see the same terms.

Where causes have target terms only, an event's hazard is a sum over causes of a factor of its target row times
its exposure. Events that meet the same rows then share their factors, and gradient and Hessian need sums over
each such group alone: with ten dimensions of a Hawkes process ten groups instead of 100,000 events.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from tocsin.kernels.layout import TARGET
from tocsin.kernels.shares import sum_shares

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tocsin.program.cause import CauseData
    from tocsin.program.swept import Swept

    Floats = NDArray[np.float64]

EVENTS_A_GROUP = 4  # fewer are not worth the trouble
AT_ONCE = 1_000_000  # numbers up to which all pairs of parameters are looked at together
LARGEST = 4_000_000  # numbers in the sums of products of shares


@dataclass(frozen=True)
class Stack:
    """The events of a transition, group by group.

    Attributes:
        causes: its causes; rows: the target row of each group under each cause (G, C).
        first: first event of each group (G + 1,); exposure: of each event under each cause (E, C).
    """

    causes: list[CauseData]
    rows: NDArray[np.int64]
    first: NDArray[np.int64]
    exposure: Floats

    @staticmethod
    def make(causes: Sequence[CauseData], swept: Sequence[Swept]) -> Stack | None:
        """Gather the events of a transition; None where the causes have other parameters, or groups are small."""
        import pandas as pd

        events = swept[0].event.size
        if not all(cause.plain for cause in causes) or events < EVENTS_A_GROUP:
            return None
        layout = causes[0].program.opening
        designs = {
            int(layout.cause[c.number, TARGET]): s.event_row for c, s in zip(causes, swept, strict=True)
        }
        code = np.zeros(events, dtype=np.int64)
        for row in designs.values():
            code = pd.factorize(code * (int(row.max(initial=0)) + 1) + row)[0]
        groups = int(code.max(initial=-1)) + 1
        if groups * EVENTS_A_GROUP > events or groups * len(causes) ** 2 > LARGEST:
            return None
        order = np.argsort(code, kind="stable")
        first = np.concatenate([[0], np.cumsum(np.bincount(code, minlength=groups))]).astype(np.int64)
        exposure = np.empty((events, len(causes)))
        for number, each in enumerate(swept):
            exposure[:, number] = each.event_exposure[order, 0, 0]
        lead = order[first[:-1]]
        rows = np.stack([each.event_row[lead] for each in swept], axis=1)
        return Stack(list(causes), rows, first, exposure)

    @property
    def every(self) -> NDArray[np.int64]:
        """Return the numbers of all groups (G,)."""
        return np.arange(self.rows.shape[0])

    @cached_property
    def place(self) -> NDArray[np.int64]:
        """Return where the parameters of all causes stand in the vector (p,)."""
        return np.array([position for cause in self.causes for position in cause.positions], dtype=np.int64)

    @cached_property
    def of(self) -> NDArray[np.int64]:
        """Return the number of the cause that each of them belongs to (p,)."""
        return np.repeat(np.arange(len(self.causes)), [len(cause.positions) for cause in self.causes])

    @cached_property
    def terms(self) -> Floats:
        """Return what each of them multiplies in each group (G, p)."""
        return np.concatenate([cause.matrix[self.rows[:, k]] for k, cause in enumerate(self.causes)], axis=1)

    def factors(self, vector: Floats) -> Floats:
        """Return what multiplies the exposure of each cause in each group (G, C)."""
        found = [cause.log_factors(vector)[self.rows[:, k]] for k, cause in enumerate(self.causes)]
        with np.errstate(over="ignore"):
            return np.ascontiguousarray(np.exp(np.stack(found, axis=1)))

    def shares(self, vector: Floats) -> Floats:
        """Return the events given to each cause by their shares (C,)."""
        return np.asarray(
            sum_shares(self.exposure, self.first, self.every, self.factors(vector), 1)[1].sum(axis=0)
        )

    def add(self, vector: Floats, order: int, gradient: Floats, hessian: Floats) -> float:
        """Return the sum of log hazards, and add its derivatives up to an order to those given."""
        value, single, double = sum_shares(self.exposure, self.first, self.every, self.factors(vector), order)
        if order == 0:
            return float(value.sum())
        if self.rows.shape[0] * self.place.size**2 <= AT_ONCE:
            terms, of = self.terms, self.of
            gradient[self.place] += (single[:, of] * terms).sum(axis=0)
            if order == 2:
                pair = -double[:, of[:, None], of]
                pair += np.where(of[:, None] == of, single[:, of][:, :, None], 0.0)
                block = np.einsum("gp,gpq,gq->pq", terms, pair, terms)
                hessian[self.place[:, None], self.place] += block
            return float(value.sum())
        each = [cause.matrix[self.rows[:, k]] for k, cause in enumerate(self.causes)]
        places = [np.array(cause.positions) for cause in self.causes]
        for a, own in enumerate(each):
            gradient[places[a]] += single[:, a] @ own
            if order < 2:
                continue
            hessian[np.ix_(places[a], places[a])] += (own * single[:, a, None]).T @ own
            for b in range(a + 1):
                block = (own * double[:, a, b, None]).T @ each[b]
                hessian[np.ix_(places[a], places[b])] -= block
                if b < a:
                    hessian[np.ix_(places[b], places[a])] -= block.T
        return float(value.sum())
