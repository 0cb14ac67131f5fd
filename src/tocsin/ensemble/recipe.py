"""What it takes to draw worlds: arrays and names without history or model, so that it can travel."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pyarrow as pa

from tocsin.kernels.events import DONE
from tocsin.kernels.simulate import simulate as simulate_kernel

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tocsin.kernels.layout import Layout, Tables
    from tocsin.words import StateVariable

Failure = tuple[int, int, int, float]  # status, cause, unit, time: where drawing a world failed


class Drawn(NamedTuple):
    """Worlds as the kernel returns them: first world, events of each, their times and codes (events, 6)."""

    first: int
    counts: NDArray[np.int64]
    times: NDArray[np.float64]
    events: NDArray[np.int32]
    failure: Failure | None


@dataclass(frozen=True, eq=False)
class Recipe:
    """All that a machine needs to draw worlds of a program.

    Attributes:
        layout, tables: arrays of the program and of its parameters.
        seed: the seed.
        most: bound on the events of one world.
        units, variables, causes: names behind the codes.
        day: first day of the window where times are dates.
    """

    layout: Layout
    tables: Tables
    seed: int
    most: int
    units: tuple[str, ...]
    variables: tuple[StateVariable, ...]
    causes: tuple[str, ...]
    day: date | None

    def draw(self, first: int, last: int) -> Drawn:
        """Draw the worlds first..last-1."""
        key = np.uint64(self.seed % 2**64)
        status, counts, times, events = simulate_kernel(self.layout, self.tables, key, first, last, self.most)
        failure = (
            None if status[0] == DONE else (int(status[0]), int(status[1]), int(status[2]), float(status[3]))
        )
        return Drawn(first, counts, times, events, failure)

    def arrays(self) -> list[tuple[str, NDArray[Any]]]:
        """Return all arrays that worlds follow from, by name."""
        return [*self.layout._asdict().items(), *self.tables._asdict().items()]

    def table(self, drawn: Sequence[Drawn]) -> pa.Table:
        """Return the events of worlds as the table of an ensemble; the worlds follow one another."""
        if len(drawn) == 1:
            counts, time, events = drawn[0].counts, drawn[0].times, drawn[0].events
        else:
            counts = np.concatenate([np.empty(0, dtype=np.int64), *(part.counts for part in drawn)])
            time = np.concatenate([np.empty(0), *(part.times for part in drawn)])
            events = np.concatenate([np.empty((0, 6), dtype=np.int32), *(part.events for part in drawn)])
        unit, variable, left, entered, cause, source = np.ascontiguousarray(events.T)
        states = list(dict.fromkeys(state for each in self.variables for state in each.states))
        code = np.zeros(
            (len(self.variables), max(len(each.states) for each in self.variables)), dtype=np.int32
        )
        for position, each in enumerate(self.variables):
            code[position, : len(each.states)] = [states.index(state) for state in each.states]
        causes = list(dict.fromkeys([*self.causes, "intervention"]))
        cause_code = np.array([causes.index(name) for name in [*self.causes, "intervention"]], dtype=np.int32)
        first = drawn[0].first if drawn else 0
        fields: dict[str, Any] = {
            "world": pa.array(np.repeat(np.arange(first, first + counts.size), counts)),
            "time": pa.array(time),
        }
        if self.day is not None:
            day = np.datetime64(self.day, "D")
            fields["date"] = pa.array(day + np.floor(time).astype(np.int64), type=pa.date32())
        units = pa.array(list(self.units), type=pa.string())
        fields["unit"] = _dictionary(unit, units)
        fields["variable"] = _dictionary(variable, [each.name for each in self.variables])
        fields["from"] = _dictionary(code.take(variable * code.shape[1] + left), states)
        fields["to"] = _dictionary(code.take(variable * code.shape[1] + entered), states)
        fields["cause"] = _dictionary(cause_code.take(cause, mode="wrap"), causes)
        fields["source"] = _dictionary(source, units, source < 0)
        return pa.table(fields)


def first_worlds(recipe: Recipe) -> int:
    """Return how many worlds tell how many events a world has; of large ones, one is enough."""
    return 8 if len(recipe.units) <= 10_000 else 1


def _dictionary(
    codes: NDArray[Any], names: Sequence[str] | pa.Array, missing: NDArray[np.bool_] | None = None
) -> pa.Array:
    indices = pa.array(codes, type=pa.int32(), mask=missing)
    if not isinstance(names, pa.Array):
        names = pa.array(list(names), type=pa.string())
    return pa.DictionaryArray.from_arrays(indices, names)
