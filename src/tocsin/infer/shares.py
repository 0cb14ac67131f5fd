"""Shares of causes, sources and entries of sources in the hazard of every event, under many parameters."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from tocsin.infer.batch import hazards, marks
from tocsin.infer.parents import Entries, Lines, entries_of, lines_of, weights_of
from tocsin.model.declaration import Contagion

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tocsin.program import Program

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]


class Shares(NamedTuple):
    """Shares, one column a vector of parameters: of causes, of source units, of entries (rows, D)."""

    causes: NDArray[np.floating]
    sources: NDArray[np.floating]
    parents: NDArray[np.floating]

    def take(self, causes: Ints, sources: Ints, parents: Ints) -> Shares:
        """Return the shares of some rows of each kind."""
        return Shares(self.causes[causes], self.sources[sources], self.parents[parents])


def gathered(index: Ints, values: NDArray[np.floating], size: int) -> Floats:
    """Return the sums of rows with the same index (size, D)."""
    from scipy.sparse import csr_array

    where = (index, np.arange(index.size))
    return np.asarray(csr_array((np.ones(index.size), where), shape=(size, index.size)) @ values)


def _ratio(part: Floats, whole: Floats) -> Floats:
    return np.divide(part, whole, out=np.zeros_like(part), where=whole > 0)


@dataclass(frozen=True)
class Listed:
    """The sources of one contagion cause.

    Attributes:
        number: the cause.
        event: position in the trace (n,); slot: position among the events of the transition (n,).
        unit: the source (n,); sent: what it sends, by source row, at the parameters it was listed under (n, Q).
        entries: by which its sources came to count; lines: those that count at each event.
    """

    number: int
    event: Ints
    slot: Ints
    unit: Ints
    sent: Floats
    entries: Entries
    lines: Lines


class Splitter:
    """What is needed to split the hazards of a program's events under any parameters.

    Rows of causes stand cause by cause, and in each by event; rows of sources and parents contagion by
    contagion.

    Parameters:
        vector: parameters under which sources are listed.
    """

    def __init__(self, program: Program, vector: Floats) -> None:
        self.program = program
        self.groups = [group for group in program.likelihood.groups if group]
        self.listed: dict[int, Listed] = {}
        self.event: dict[int, Ints] = {}
        for number in self.order:
            cause = program.likelihood.causes[number]
            contagion = isinstance(program.causes[number][1], Contagion)
            swept = cause.swept(cause.shape(vector)[0], keep=contagion)
            self.event[number] = swept.event.astype(np.int64)
            if contagion:
                slot, unit = swept.source_event.astype(np.int64), swept.source_unit.astype(np.int64)
                event = self.event[number][slot]
                entries = entries_of(program, number)
                lines = lines_of(program, number, entries, event, unit)
                self.listed[number] = Listed(number, event, slot, unit, swept.source_sent, entries, lines)

    @property
    def order(self) -> list[int]:
        """Return the causes in the order of the rows."""
        return [number for group in self.groups for number in group]

    @property
    def rows(self) -> int:
        """Return how many rows there are of all kinds."""
        lines = sum(each.unit.size + each.lines.listing.size for each in self.listed.values())
        return lines + sum(event.size for event in self.event.values())

    def shares(self, vectors: Floats) -> Shares:
        """Return all shares under vectors of parameters (D, P)."""
        count = len(vectors)
        causes, sources, parents = ([np.empty((0, count))] for _ in range(3))
        for group in self.groups:
            found = [hazards(self.program.likelihood.causes[number], vectors) for number in group]
            total = np.sum(found, axis=0)
            for number, hazard in zip(group, found, strict=True):
                share = _ratio(hazard, total)
                causes.append(share)
                if number in self.listed:
                    part = self._sources(self.listed[number], share, vectors)
                    sources.append(part)
                    parents.append(self._parents(self.listed[number], part, vectors))
        return Shares(np.concatenate(causes), np.concatenate(sources), np.concatenate(parents))

    def _sources(self, listed: Listed, share: Floats, vectors: Floats) -> Floats:
        """Split a cause's share among its sources, by their shares of its exposure."""
        cause = self.program.likelihood.causes[listed.number]
        if cause.slots.half_life < 0:
            sent = listed.sent @ marks(cause, vectors)
        else:
            sent = np.stack([self._sent(listed, vector) for vector in vectors], axis=1)
        whole = gathered(listed.slot, sent, share.shape[0])
        return share[listed.slot] * _ratio(sent, whole[listed.slot])

    def _sent(self, listed: Listed, vector: Floats) -> Floats:
        """Return what listed sources send under an estimated half-life (n,)."""
        cause = self.program.likelihood.causes[listed.number]
        swept = cause.swept(cause.shape(vector)[0], keep=True)
        size = len(self.program.history.numbers.units)
        ours, theirs = listed.slot * size + listed.unit, swept.source_event.astype(np.int64) * size
        theirs = theirs + swept.source_unit
        # What has faded to nothing under one half-life may not be listed under another.
        order = np.argsort(ours, kind="stable")
        place = order[np.minimum(np.searchsorted(ours[order], theirs), max(ours.size - 1, 0))]
        known = ours[place] == theirs if ours.size else np.zeros(theirs.size, dtype=bool)
        sent = np.zeros(ours.size)
        sent[place[known]] = (swept.source_sent @ marks(cause, vector[None]))[known, 0]
        return sent

    def _parents(self, listed: Listed, part: Floats, vectors: Floats) -> Floats:
        """Split the shares of sources among their entries."""
        lines = listed.lines
        weight = weights_of(self.program, listed.number, lines, vectors)
        whole = gathered(lines.listing, weight, part.shape[0])
        return part[lines.listing] * _ratio(weight, whole[lines.listing])
