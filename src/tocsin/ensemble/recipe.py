"""What it takes to draw worlds: arrays and names without history or model, so that it can travel."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pyarrow as pa

from tocsin.ensemble.draws import Stopped
from tocsin.history.clock import GROUPED
from tocsin.kernels.events import DONE
from tocsin.kernels.simulate import simulate as simulate_kernel
from tocsin.words import FORCED

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tocsin.kernels.layout import Layout, Tables
    from tocsin.words import StateVariable

BLOCK = 1 << 16  # events
Columns = dict[str, "NDArray[Any]"]
ALL = -1  # the world of a failure that all worlds share, as they open


class Drawn(NamedTuple):
    """Worlds as the kernel returns them.

    Attributes:
        worlds: their numbers; counts: events of each (worlds,).
        times, events: times and codes of the events, world after world: (events,) and (events, 6).
        failure: where drawing failed: the worlds after that one were not drawn.
        stopped: worlds that ended before their time, which is no failure where parameters are drawn.
    """

    worlds: NDArray[np.int64]
    counts: NDArray[np.int64]
    times: NDArray[np.float64]
    events: NDArray[np.int32]
    failure: Stopped | None = None
    stopped: tuple[Stopped, ...] = ()


@dataclass(frozen=True, eq=False)
class Recipe:
    """All that a machine needs to draw worlds of a program.

    Attributes:
        layout, tables: arrays of the program and of its parameters.
        seed: the seed.
        most: bound on the events of one world.
        units, variables, causes: names behind the codes.
        day: first day of the window where times are dates.
        clock: of the history; in grouped time what happens in an interval is seen from its end on.
    """

    layout: Layout
    tables: Tables
    seed: int
    most: int
    units: tuple[str, ...]
    variables: tuple[StateVariable, ...]
    causes: tuple[str, ...]
    day: date | None
    clock: str

    def draw(self, first: int, last: int, step: int = 1) -> Drawn:
        """Draw the worlds first, first + step, ... below last, as far as the first that fails."""
        key = np.uint64(self.seed % 2**64)
        if self.clock in GROUPED:
            from tocsin.kernels.intervals import simulate_intervals

            whole = self.clock == "step"
            found = simulate_intervals(self.layout, self.tables, key, first, last, self.most, whole, step)
        else:
            found = simulate_kernel(self.layout, self.tables, key, first, last, self.most, step)
        return drawn_worlds(range(first, last, step), *found)

    def arrays(self) -> list[tuple[str, NDArray[Any]]]:
        """Return all arrays that worlds follow from, by name."""
        return [*self.layout._asdict().items(), *self.tables._asdict().items()]

    def columns(self, drawn: Drawn) -> Columns:
        """Return the events of worlds as columns of a table, names as codes; all their work is done here."""
        count, states, causes = drawn.times.size, self._states(), self._causes()
        most = max(len(each.states) for each in self.variables)
        code = np.zeros((len(self.variables), most), dtype=np.int32)
        for position, each in enumerate(self.variables):
            code[position, : len(each.states)] = [states.index(state) for state in each.states]
        cause_code = np.array([causes.index(name) for name in [*self.causes, FORCED]], dtype=np.int32)
        found: Columns = {"world": np.repeat(drawn.worlds, drawn.counts), "time": drawn.times}
        if self.day is not None:
            found["date"] = np.empty(count, dtype=np.int32)
        found |= {
            name: np.empty(count, np.int32) for name in ("unit", "variable", "from", "to", "cause", "source")
        }
        # In blocks, so that nothing in between is as large as what comes out.
        for piece in (slice(begin, begin + BLOCK) for begin in range(0, count, BLOCK)):
            unit, variable, left, entered, cause, source = np.ascontiguousarray(drawn.events[piece].T)
            found["unit"][piece], found["variable"][piece], found["source"][piece] = unit, variable, source
            found["from"][piece] = code.take(variable * most + left)
            found["to"][piece] = code.take(variable * most + entered)
            found["cause"][piece] = cause_code.take(cause, mode="wrap")
            if self.day is not None:
                found["date"][piece] = np.floor(drawn.times[piece])
        if self.day is not None:
            found["date"] += np.int32((self.day - date(1970, 1, 1)).days)
        return found

    def table(self, parts: Sequence[Columns]) -> pa.Table:
        """Return the events of worlds that follow one another, as the table of an ensemble."""
        whole = parts[0] if len(parts) == 1 else {}
        if not parts:
            none = np.zeros(0, np.int64)
            whole = self.columns(Drawn(none, none, np.zeros(0), np.zeros((0, 6), np.int32)))
        elif len(parts) > 1:
            # Joined by NumPy, which asks for large pages: fresh memory in small ones costs more than the copy.
            whole = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
        units = pa.array(list(self.units), type=pa.string())
        states, causes = self._states(), self._causes()
        names = {
            "unit": units,
            "variable": [each.name for each in self.variables],
            "from": states,
            "to": states,
            "cause": causes,
            "source": units,
        }
        fields: dict[str, Any] = {name: pa.array(whole[name]) for name in ("world", "time")}
        if "date" in whole:
            fields["date"] = pa.array(whole["date"]).view(pa.date32())
        for name, words in names.items():
            absent = whole[name] < 0 if name == "source" else None
            indices = pa.array(whole[name], type=pa.int32(), mask=absent)
            fields[name] = pa.DictionaryArray.from_arrays(indices, pa.array(words, type=pa.string()))
        return pa.table(fields)

    def _states(self) -> list[str]:
        return list(dict.fromkeys(state for each in self.variables for state in each.states))

    def _causes(self) -> list[str]:
        return list(dict.fromkeys([*self.causes, FORCED]))


def drawn_worlds(
    worlds: range,
    status: tuple[int, int, int, float],
    failed: int,
    counts: NDArray[np.int64],
    times: NDArray[np.float64],
    events: NDArray[np.int32],
) -> Drawn:
    """Return what a kernel says of the worlds that it was asked for."""
    numbers = np.arange(worlds.start, worlds.stop, worlds.step, dtype=np.int64)
    failure = None
    if status[0] != DONE:
        failure = Stopped(int(failed), int(status[0]), int(status[1]), int(status[2]), float(status[3]))
    return Drawn(numbers, counts, times, events, failure)


def drawn_through(recipe: Recipe, first: int, last: int, step: int) -> Drawn:
    """Draw worlds, and go on after each that fails: it ends where it failed, and is told among `stopped`."""
    parts: list[Drawn] = []
    stopped: list[Stopped] = []
    begin = first
    while begin < last:
        drawn = recipe.draw(begin, last, step)
        if drawn.failure is None:
            parts.append(drawn)
            break
        if drawn.failure.world == ALL:
            stopped += [drawn.failure._replace(world=world) for world in range(begin, last, step)]
            parts.append(drawn)
            break
        reached = (drawn.failure.world - begin) // step + 1
        parts.append(drawn._replace(worlds=drawn.worlds[:reached], counts=drawn.counts[:reached]))
        stopped.append(drawn.failure)
        begin += reached * step
    return together(parts, stopped)


def together(parts: Sequence[Drawn], stopped: Sequence[Stopped] = ()) -> Drawn:
    """Return worlds of several kernel calls as one, in the order of their calls."""
    if len(parts) == 1 and not stopped and not parts[0].stopped:
        return parts[0]
    worlds, counts, times, events = (
        np.concatenate([getattr(part, name) for part in parts])
        for name in ("worlds", "counts", "times", "events")
    )
    told = [each for part in parts for each in part.stopped]
    return Drawn(worlds, counts, times, events, None, (*told, *stopped))


def in_order(drawn: Drawn) -> Drawn:
    """Return worlds in the order of their numbers, with those that were stopped."""
    order = np.argsort(drawn.worlds, kind="stable")
    taken = rows_in_order(drawn.worlds, drawn.counts)
    return Drawn(
        drawn.worlds[order],
        drawn.counts[order],
        drawn.times[taken],
        drawn.events[taken],
        drawn.failure,
        tuple(sorted(drawn.stopped)),
    )


def rows_in_order(worlds: NDArray[np.int64], counts: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return where the rows of worlds stand, world after world in the order of their numbers.

    Parameters:
        worlds, counts: worlds in the order in which their rows stand, and how many rows each has.
    """
    order = np.argsort(worlds, kind="stable")
    sizes = counts[order]
    begin = np.cumsum(counts) - counts
    # The beginning of its world, and its place in it.
    shift = np.repeat(begin[order] - (np.cumsum(sizes) - sizes), sizes)
    return np.asarray(np.arange(shift.size) + shift)


def first_worlds(recipe: Recipe) -> int:
    """Return how many worlds tell how many events a world has; of large ones, one is enough."""
    return 8 if len(recipe.units) <= 10_000 else 1
