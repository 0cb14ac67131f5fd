"""Worlds given what happened: recipes that remember it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import numpy as np

from tocsin.ensemble.cache import KeptValues, kept_of
from tocsin.ensemble.parameter_draws import Draws, Stopped, draws_of
from tocsin.ensemble.simulate import Drawn, Recipe, drawn_through, drawn_worlds, in_order, together
from tocsin.errors import ModelError, TooLarge
from tocsin.interventions.apply import intervene
from tocsin.kernels.conditional_clocks import HAPPENED_MOVE, Past, Plan
from tocsin.kernels.conditional_worlds import simulate_given
from tocsin.kernels.exposure_sweep import BEFORE
from tocsin.kernels.record_clocks import draw_causes
from tocsin.kernels.simulation import NOT_FINITE
from tocsin.program.condition import (
    check_given,
    crowd_of,
    joined,
    matched,
    parting,
    plan_clocks,
    recorded,
    translated,
    witnessed,
)
from tocsin.program.condition_until import followed_until, marks_of, opened_at
from tocsin.program.spans.open_times import draws_of_times, lived

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tocsin.interventions.apply import Changed
    from tocsin.kernels.layout import Layout, Tables
    from tocsin.program.condition import Condition
    from tocsin.program.program import Program

TIMES = 1917  # seed of the times of events that are open

NOTES = 2  # changes of hazards for which there is room at first, for each clock

SHARED = (
    "time",
    "event",
    "stream",
    "first",
    "clock",
    "cause",
    "source",
    "base",
)  # the same for most parameters

Kind = TypeVar("Kind", bound=Recipe)


@dataclass(frozen=True, eq=False)
class HistoryRecipe(Recipe):
    """What it takes to draw worlds that are the observed one with something changed.

    Attributes:
        plan, past: the clocks of the changed program, and what they had spent in fact.
        start: the time before which no hazard differs from what it was.
        split, fresh: whether each source has clocks of its own, and whether chance is fresh once a world has
            parted from the observed one.
    """

    plan: Plan
    past: Past
    start: float
    split: bool
    fresh: bool

    def draw(self, first: int, last: int, step: int = 1) -> Drawn:
        """Draw the worlds first, first + step, ... below last, as far as the first that fails."""
        found = simulate_given(
            self.layout,
            self.tables,
            self.plan,
            self.past,
            np.uint64(self.seed % 2**64),
            (first, last, step, self.most),
            (self.start, self.split, self.fresh, crowd_of(self.past)),
        )
        return drawn_worlds(range(first, last, step), *found)

    def arrays(self) -> list[tuple[str, NDArray[Any]]]:
        """Return all arrays that worlds follow from, by name."""
        own = [*self.plan._asdict().items(), *self.past._asdict().items()]
        return [*super().arrays(), *own, ("modes", np.array([self.start, self.split, self.fresh]))]


@dataclass(frozen=True, eq=False)
class UntilRecipe(Recipe):
    """What it takes to draw worlds that agree with what happened until a date.

    Attributes:
        past: what happened until then, with the shares of its causes.
        happened: unit, variable, state left and entered of its explained events (E, 4).
        explained: which events of the past they are (E,).
    """

    past: Past
    happened: NDArray[np.int32]
    explained: NDArray[np.int64]

    def draw(self, first: int, last: int, step: int = 1) -> Drawn:
        """Draw the worlds first, first + step, ... below last, as far as the first that fails."""
        after = super().draw(first, last, step)
        count = self.explained.size
        if count == 0:
            return after
        seed = np.uint64(self.seed % 2**64)
        chosen = draw_causes(self.past, seed, first, last, step)[:, self.explained]
        worlds = len(chosen)
        before = np.empty((worlds, count, 6), dtype=np.int32)
        before[:, :, :4] = self.happened
        before[:, :, 4], before[:, :, 5] = self.past.cause[chosen], self.past.source[chosen]
        if after.failure is not None and after.failure.world >= 0:  # no more than were drawn
            worlds = (after.failure.world - first) // step + 1
        counts = after.counts[:worlds] + count
        # What happened before stands in each world in front of what came after.
        where = np.arange(after.times.size) + np.repeat(
            count * np.arange(1, worlds + 1), after.counts[:worlds]
        )
        times = np.empty(after.times.size + worlds * count)
        events = np.empty((times.size, 6), dtype=np.int32)
        early = np.ones(times.size, dtype=np.bool_)
        early[where] = False
        times[early], events[early] = (
            np.tile(self._shown_at(), worlds),
            before[:worlds].reshape(-1, 6),
        )
        times[where], events[where] = after.times, after.events
        whole = np.zeros_like(after.counts)
        whole[:worlds] = counts
        return Drawn(after.worlds, whole, times, events, after.failure)

    def _shown_at(self) -> NDArray[np.float64]:
        """Return the times that events which happened have in worlds: a month or a year has them in its middle."""
        time = self.past.time[self.explained]
        return time - 0.5 if self.clock in ("month", "year") else time

    def arrays(self) -> list[tuple[str, NDArray[Any]]]:
        """Return all arrays that worlds follow from, by name."""
        return [*super().arrays(), *self.past._asdict().items()]


@dataclass(frozen=True, eq=False)
class DrawnRecipe(Recipe):
    """What it takes to draw worlds each of which has parameters of its own.

    Attributes:
        setting: recipes for any parameters.
        draws: the parameters.
        made: recipes that were made, for where worlds are asked for range by range.
    """

    setting: Setting
    draws: Draws
    made: KeptValues = field(default_factory=KeptValues)

    @cached_property
    def told(self) -> NDArray[np.float64] | None:
        """Return the times of the observed events under each draw, where some are open and the worlds are given them.

        They are drawn given the record and the draw's parameters.
        """
        program = self.setting.program
        if program.spans is None or self.setting.condition.given == "nothing":
            return None
        return draws_of_times(program, self.draws.vectors, TIMES)

    def draw(self, first: int, last: int, step: int = 1) -> Drawn:
        """Draw the worlds first, first + step, ... below last; those that fail are told among `stopped`."""
        if step != 1:
            return together([self._of(self._kept(int(self.draws.of(first))), first, last, step)])
        count = len(self.draws)
        parts = [
            self._of(self._kept(begin % count), begin, last, count)
            for begin in range(first, min(first + count, last))
        ]
        return in_order(together(parts)) if parts else super().draw(first, first)

    def draw_of(self, numbers: Sequence[int], worlds: int) -> Drawn:
        """Draw all worlds below `worlds` that have some draws; recipes are made and let go."""
        count = len(self.draws)
        return together([self._of(self._recipe(number), number, worlds, count) for number in numbers])

    def _of(self, recipe: Recipe | None, first: int, last: int, step: int) -> Drawn:
        if recipe is not None:
            return drawn_through(recipe, first, last, step)
        worlds = np.arange(first, last, step, dtype=np.int64)
        opened = float(self.layout.window[0])
        stopped = tuple(Stopped(int(world), NOT_FINITE, -1, -1, opened) for world in worlds)
        return Drawn(
            worlds, np.zeros(worlds.size, np.int64), np.zeros(0), np.zeros((0, 6), np.int32), None, stopped
        )

    def _recipe(self, number: int) -> Recipe | None:
        """Return the recipe of a draw, None where a factor of its hazards is too large for a number."""
        try:
            setting = self.setting if self.told is None else self.setting.at(self.told[number])
            return replace(setting.recipe(self.draws.vectors[number]), most=self.most)
        except TooLarge:
            return None

    def _kept(self, number: int) -> Recipe | None:
        shared = {id(array) for _, array in super().arrays()}

        def size(recipe: Recipe | None) -> int:
            own = [] if recipe is None else recipe.arrays()
            return sum(array.nbytes for _, array in own if id(array) not in shared)

        return self.made.get(number, lambda: self._recipe(number), size)

    def arrays(self) -> list[tuple[str, NDArray[Any]]]:
        """Return all arrays that worlds follow from, by name."""
        program = self.setting.program
        facts = [*program.layout._asdict().items(), *program.trace._asdict().items()]
        said = np.frombuffer(str(self.setting.condition).encode(), dtype=np.uint8)
        return [*super().arrays(), *facts, ("vectors", self.draws.vectors), ("condition", said)]


class Remembered(NamedTuple):
    """What the past says under some parameters.

    Attributes:
        past: what its clocks had spent.
        marks: of the entries that half-life memory carries beyond a date.
        shape: decays and exponents of the causes.
    """

    past: Past
    marks: NDArray[np.float64]
    shape: NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Setting:
    """A program, what is changed in it, and what its worlds are given: recipes for any parameters.

    What the past says under some parameters follows from the program alone, so it is made once and kept with
    the program: the next change that is asked about finds it there.

    Attributes:
        program: what happened.
        changed: what is to be simulated.
        plain: the recipe of worlds that are given nothing.
        condition: what they are given.

    Raises:
        FitError, ModelError: what cannot be conditioned on.
    """

    program: Program
    changed: Changed
    plain: Recipe
    condition: Condition

    def __post_init__(self) -> None:
        check_given(self.program, self.condition)

    def recipe(self, vector: NDArray[np.float64]) -> Recipe:
        """Return the recipe for given parameters (P,), which the interventions may change."""
        tables = self.changed.program.tables(self.changed.alter(vector))
        if self.condition.given == "nothing":
            return self.part(Recipe, tables=tables)
        past = self.remembered(vector)
        return (
            self._until(tables, past)
            if self.condition.given == "until"
            else self._history(tables, past, vector)
        )

    def drawn(self, draws: Any, most: int | None = None) -> DrawnRecipe:
        """Return the recipe of worlds with parameters of their own.

        Parameters:
            draws: see `draws_of`.
            most: bound on the events of one world; by default that of worlds at given parameters.
        """
        found = draws_of(draws, self.program.parameter_names, self.program.learned)
        bound = self.plain.most if most is None else most
        return replace(self.part(DrawnRecipe, setting=self, draws=found), most=bound)

    def part(self, kind: type[Kind], **own: Any) -> Kind:
        """Return a recipe of some kind with what the plain one has."""
        shared = {each.name: getattr(self.plain, each.name) for each in fields(Recipe)}
        return kind(**{**shared, **own})

    def at(self, told: NDArray[np.float64]) -> Setting:
        """Return the setting in which the observed events were at given times."""
        from tocsin.ensemble.simulate import recipe_of

        program = lived(self.program, told)
        assert program is not None  # they were drawn given the record
        vector = self.changed.vector
        recipe, changed = recipe_of(program, vector, self.plain.seed, self.changed.interventions)
        return Setting(program, changed, replace(recipe, most=self.plain.most), self.condition)

    def ready(self) -> None:
        """Make what all parameters share, before threads ask for it."""
        if self.condition.given == "nothing":
            return
        self.witness  # noqa: B018
        self.opened if self.condition.given == "until" else (self.clocks, self.ties, self.followed)  # noqa: B018

    def remembered(self, vector: NDArray[np.float64]) -> Remembered:
        """Return what the past says under some parameters, made once for the program."""
        kept, until = kept_of(self.program), self.condition.until

        def make() -> Remembered:
            facts = self.program.tables(vector)
            plan, blank = self.witness
            if until is None:
                past = recorded(self.program, facts, plan, blank, NOTES * plan.pair.size + 1)
                marks = np.empty(0)
            else:
                past = recorded(self.program, facts, plan, blank, until=until)
                marks = facts.values[self.marked]
            # Most arrays of a past are the same whatever the parameters: one copy is kept of them.
            first: Past = kept.get(("first", until), lambda: past, lambda found: _bytes(found, found._fields))
            same = {
                name: getattr(first, name)
                for name in SHARED
                if _same(getattr(first, name), getattr(past, name))
            }
            return Remembered(past._replace(**same), marks, facts.shape)

        def size(found: Remembered) -> int:
            own = [name for name in found.past._fields if name not in SHARED]
            return _bytes(found.past, own) + found.marks.nbytes + found.shape.nbytes

        return kept.get(("past", until, vector.tobytes()), make, size)

    def _until(self, tables: Tables, found: Remembered) -> UntilRecipe:
        program = self.program
        tables = tables._replace(values=np.concatenate([tables.values, found.marks]))
        explained = np.flatnonzero(found.past.event[:, HAPPENED_MOVE] >= 0)
        unit, variable, state = found.past.event[explained, :3].T
        joint = program.joint
        before = program.trace.events[explained, BEFORE]
        left = (before // joint.strides[variable]) % joint.sizes[variable]
        happened = np.stack([unit, variable, left, state], axis=1).astype(np.int32)
        own = {"past": found.past, "happened": happened, "explained": explained}
        return self.part(UntilRecipe, layout=self.opened, tables=tables, **own)

    def _history(self, tables: Tables, found: Remembered, vector: NDArray[np.float64]) -> HistoryRecipe:
        fresh, split = self.condition.clocks == "fresh", self.condition.clocks != "cause"
        if fresh and self.changed.layout.since.size:
            raise ModelError(
                "clocks='fresh' is not worked out where a hazard depends on the age of a state: ask clocks='cause' or "
                "'source'"
            )
        if fresh and not np.array_equal(found.shape, tables.shape):
            raise ModelError(
                "clocks='fresh' needs half-lives and responses as they were; ask clocks='cause' or 'source'"
            )
        plan, _ = self.witness
        event, layout = self.followed
        _, to = self.ties
        start = self._start(tables, found.past, vector)
        past = translated(plan, found.past, to if split else None, self.clocks.pair.size)._replace(
            event=event
        )
        own = {"plan": self.clocks, "past": past, "start": start, "split": split, "fresh": fresh}
        return self.part(HistoryRecipe, layout=layout, tables=tables, **own)

    def _start(self, tables: Tables, fact: Past, vector: NDArray[np.float64]) -> float:
        """Return the time before which no world differs from what happened; the same for all couplings."""
        event, layout = self.followed
        ties, to = self.ties
        asked = ("parting", repr(self.changed.interventions), vector.tobytes())
        theirs, ours = (self.program.layout, self.witness[0], fact), (layout, ties, to)
        return kept_of(self.program).get(
            asked, lambda: parting(theirs, ours, tables, event), lambda _: len(asked[1]) + len(asked[2]) + 64
        )

    @cached_property
    def opened(self) -> Layout:
        """Return the layout that opens at the date."""
        assert self.condition.until is not None
        return opened_at(self.program, self.changed.layout, self.plain.tables, self.condition.until)

    @cached_property
    def marked(self) -> NDArray[np.int64]:
        """Return where the marks of what memory carries beyond the date stand among the values of the past."""
        assert self.condition.until is not None
        return marks_of(self.program, self.condition.until)

    @cached_property
    def witness(self) -> tuple[Plan, Past]:
        """Return the clocks of what happened and its events, with room for what they had spent."""
        time = self.condition.until

        def size(found: tuple[Plan, Past]) -> int:
            return sum(_bytes(each, each._fields) for each in found)

        return kept_of(self.program).get(
            ("witness", time), lambda: witnessed(self.program, np.inf if time is None else time), size
        )

    @cached_property
    def clocks(self) -> Plan:
        """Return the clocks of the changed program."""
        clocks = self.condition.clocks
        return plan_clocks(self.changed.layout, clocks != "cause", clocks == "fresh")

    @cached_property
    def ties(self) -> tuple[Plan, NDArray[np.int32]]:
        """Return the clocks of the changed program, one for each cause and tie, and which those of fact are."""
        plan = plan_clocks(self.changed.layout, True)
        return plan, matched(self.witness[0], plan, self.plain.layout.state.size)

    @cached_property
    def followed(self) -> tuple[NDArray[np.int32], Layout]:
        """Return the observed events, those that are still followed marked, and the layout without them."""
        past, layout = joined(self.witness[1], self.changed.layout)
        return past.event, layout

    @property
    def shown(self) -> Layout:
        """Return the layout from which the frame of the worlds is read."""
        time = self.condition.until
        if time is None or not self.changed.interventions:
            return self.changed.layout
        fact = intervene(self.program, self.changed.vector, ()).layout
        return followed_until(fact, self.changed.layout, time)


def _bytes(found: Any, names: Sequence[str]) -> int:
    return int(sum(getattr(found, name).nbytes for name in names))


def _same(one: NDArray[Any], other: NDArray[Any]) -> bool:
    return one.shape == other.shape and bool(np.array_equal(one, other))
