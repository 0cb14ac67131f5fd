"""Which events of a source a contagion came from.

A share goes to a source unit because of what it holds or remembers. Under `while` memory that is one state,
and the share belongs to the event by which the source entered it; a state held from the start has no event.
Under half-life memory every entry of the source still counts, and the share is split by what each adds:
exp(gamma . u) of the entry times 2^(-age / h).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from tocsin.infer.batch import marks
from tocsin.kernels.layout import DECAYS, SOURCE
from tocsin.kernels.sweep import UNIT
from tocsin.model.declaration import Contagion
from tocsin.program.grouped import is_grouped
from tocsin.program.runs import places_in

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tocsin.program import Program

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]

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
