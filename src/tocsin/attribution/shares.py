"""Shares of causes, sources and entries of sources in the hazard of every event, under many parameters."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from tocsin.fit.maximum.many_vectors import hazards, marks
from tocsin.kernels.exposure_sweep import UNIT
from tocsin.kernels.layout import DECAYS, SOURCE
from tocsin.model.declaration import Contagion
from tocsin.program.grouped import is_grouped
from tocsin.program.levels import felt_by
from tocsin.program.parameters import places_in

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tocsin.program.program import Program

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
        self.shown: dict[int, NDArray[np.bool_]] = {}  # not the events of other levels of a cause
        for number in self.order:
            cause = program.likelihood.causes[number]
            contagion = isinstance(program.causes[number][1], Contagion)
            swept = cause.swept(cause.shape(vector)[0], keep=contagion)
            self.event[number] = swept.event.astype(np.int64)
            self.shown[number] = felt_by(program, number)[program.trace.events[self.event[number], UNIT]]
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
        return lines + sum(int(shown.sum()) for shown in self.shown.values())

    def shares(self, vectors: Floats) -> Shares:
        """Return all shares under vectors of parameters (D, P)."""
        count = len(vectors)
        causes, sources, parents = ([np.empty((0, count))] for _ in range(3))
        for group in self.groups:
            found = [hazards(self.program.likelihood.causes[number], vectors) for number in group]
            total = np.sum(found, axis=0)
            for number, hazard in zip(group, found, strict=True):
                share = _ratio(hazard, total)
                causes.append(share[self.shown[number]])
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


# --- Which events of a source a contagion came from
#
# A share goes to a source unit because of what it holds or remembers. Under `while` memory that is one state,
# and the share belongs to the event by which the source entered it; a state held from the start has no event.
# Under half-life memory every entry of the source still counts, and the share is split by what each adds:
# exp(gamma . u) of the entry times 2^(-age / h).

FADED = 60.0  # half-lives after which nothing is left: 2^-60 is less than rounding

HELD = -1  # in the place of an event: the state was held from the start


@dataclass(frozen=True)
class Entries:
    """The events by which units became sources of one cause, by unit and in the order of time.

    Attributes:
        unit, seen: of each entry: the unit, and its position among `Program.observed`.
        time: when it happened.
        row: source row of its mark; 0 where the cause has no infectiousness.
    """

    unit: Ints
    seen: Ints
    time: Floats
    row: Ints


@dataclass(frozen=True)
class Lines:
    """The parts of a cause's listed sources: one line for each source and entry that counts.

    Attributes:
        listing: position among the listed sources of the sweep (n,).
        seen: position of the entry among `Program.observed`, or HELD (n,).
        row: source row of its mark (n,); age: time since then, 0 under `while` (n,).
    """

    listing: Ints
    seen: Ints
    row: Ints
    age: Floats


def entries_of(program: Program, number: int) -> Entries:
    """Return the entries into the source states of a contagion cause, early ones included.

    A move inside the source states is no entry; under half-life memory an event into the state already held
    is one, if the cause's clause speaks of its variable.
    """
    layout, seen = program.layout, program.observed
    counts, clause = layout.counts[number] > 0, layout.clause[number] > 0
    entered = counts[seen.after] & ~counts[seen.before]
    fades = layout.cause[number, DECAYS] > 0
    if fades:
        again = (seen.before == seen.after) & clause[seen.variable]
        entered |= counts[seen.after] & again
    chosen = np.flatnonzero(entered)
    chosen = chosen[np.argsort(seen.unit[chosen], kind="stable")]
    row = np.zeros(chosen.size, dtype=np.int64)
    design = layout.cause[number, SOURCE]
    if fades and design >= 0:
        row = _rows(program, int(design), chosen)
    return Entries(seen.unit[chosen].astype(np.int64), chosen, seen.time[chosen], row)


def _rows(program: Program, number: int, chosen: Ints) -> Ints:
    """Return the source rows of entries: covariates by left limit, own states as they are after."""
    seen, design = program.observed, program.designs[number]
    early = np.cumsum(seen.early) - 1  # position among the early events
    row = np.zeros(chosen.size, dtype=np.int64)
    for place, event in enumerate(chosen):
        column = design.columns[seen.after[event]]
        if seen.early[event]:
            row[place] = design.early[early[event], column]
            continue
        first, last = design.first[seen.unit[event]], design.first[seen.unit[event] + 1]
        piece = first + max(int(np.searchsorted(design.starts[first:last], seen.time[event])) - 1, 0)
        row[place] = design.rows[piece, column]
    return np.maximum(row, 0)


def lines_of(program: Program, number: int, entries: Entries, event: Ints, source: Ints) -> Lines:
    """Resolve listed sources into the entries that count at their events.

    Parameters:
        number: the contagion cause; entries: its own (`entries_of`).
        event: position in the trace of the event at which each source is listed (n,).
        source: its unit (n,).
    """
    seen, trace = program.observed, program.trace
    late = np.flatnonzero(~seen.early)
    size = seen.time.size + 1
    # What came before an instant; along a tie to itself a unit also sees its own events before this one.
    before = np.searchsorted(seen.time, trace.time[event])
    own = trace.events[event, UNIT] == source
    if not is_grouped(program.history):
        before = np.where(own, late[event], before)
    key = entries.unit * size + entries.seen
    first = np.searchsorted(key, source * size)
    last = np.searchsorted(key, source * size + before)
    if program.layout.cause[number, DECAYS] == 0:
        held = last == first
        place = np.maximum(last - 1, 0)
        found = entries.seen[place] if entries.seen.size else np.zeros(event.size, dtype=np.int64)
        zero = np.zeros(event.size)
        return Lines(np.arange(event.size), np.where(held, HELD, found), zero.astype(np.int64), zero)
    count = last - first
    listing = np.repeat(np.arange(event.size), count)
    place = first[listing] + places_in(count)
    age = trace.time[event[listing]] - entries.time[place]
    declared = program.causes[number][1]
    if isinstance(declared, Contagion) and isinstance(declared.half_life, int | float):
        # What has faded to nothing beside the source's last entry is left out.
        youngest = np.full(event.size, math.inf)
        np.minimum.at(youngest, listing, age)
        kept = age - youngest[listing] <= FADED * declared.half_life
        listing, place, age = listing[kept], place[kept], age[kept]
    return Lines(listing, entries.seen[place], entries.row[place], age)


def weights_of(program: Program, number: int, lines: Lines, vectors: Floats) -> Floats:
    """Return what each line adds to its listed source, under each vector (n, D)."""
    cause = program.likelihood.causes[number]
    if program.layout.cause[number, DECAYS] == 0:
        return np.ones((lines.listing.size, len(vectors)))
    decay = np.array([program.decay(number, vector) for vector in vectors])
    # Ages from the youngest entry of each source, so that nothing underflows.
    youngest = np.full(int(lines.listing.max(initial=-1)) + 1, math.inf)
    np.minimum.at(youngest, lines.listing, lines.age)
    older = lines.age - youngest[lines.listing]
    return np.asarray(marks(cause, vectors)[lines.row] * np.exp(-older[:, None] * decay))
