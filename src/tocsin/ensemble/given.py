"""Worlds given what happened: recipes that remember it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from tocsin.ensemble.recipe import Drawn, Recipe
from tocsin.errors import FitError, ModelError
from tocsin.kernels.events import DONE
from tocsin.kernels.given import simulate_given
from tocsin.kernels.past import draw_causes
from tocsin.kernels.slots import HAPPENED_MOVE, Past, Plan
from tocsin.kernels.sweep import BEFORE
from tocsin.program.given import (
    check_given,
    crowd_of,
    joined,
    matched,
    plan_clocks,
    recorded,
    translated,
    witnessed,
)
from tocsin.program.interventions import intervene
from tocsin.program.names import pack
from tocsin.program.parting import parting
from tocsin.program.until import followed_until, opened_at

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tocsin.kernels.layout import Layout, Tables
    from tocsin.program.given import Condition
    from tocsin.program.interventions import Changed
    from tocsin.program.program import Program

NOTES = 2  # changes of hazards for which there is room at first, for each clock
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

    def draw(self, first: int, last: int) -> Drawn:
        """Draw the worlds first..last-1."""
        status, counts, times, events = simulate_given(
            self.layout,
            self.tables,
            self.plan,
            self.past,
            np.uint64(self.seed % 2**64),
            (first, last, self.most),
            (self.start, self.split, self.fresh, crowd_of(self.past)),
        )
        failed = status[0] != DONE
        failure = (int(status[0]), int(status[1]), int(status[2]), float(status[3])) if failed else None
        return Drawn(first, counts, times, events, failure)

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

    def draw(self, first: int, last: int) -> Drawn:
        """Draw the worlds first..last-1."""
        after = super().draw(first, last)
        count = self.explained.size
        if count == 0 or after.failure is not None:
            return after
        worlds = last - first
        chosen = draw_causes(self.past, np.uint64(self.seed % 2**64), first, last)[:, self.explained]
        before = np.empty((worlds, count, 6), dtype=np.int32)
        before[:, :, :4] = self.happened
        before[:, :, 4], before[:, :, 5] = self.past.cause[chosen], self.past.source[chosen]
        world = np.concatenate(
            [np.repeat(np.arange(worlds), count), np.repeat(np.arange(worlds), after.counts)]
        )
        order = np.argsort(world, kind="stable")
        times = np.concatenate([np.tile(self.past.time[self.explained], worlds), after.times])
        events = np.concatenate([before.reshape(-1, 6), after.events])
        return Drawn(first, after.counts + count, times[order], events[order], None)

    def arrays(self) -> list[tuple[str, NDArray[Any]]]:
        """Return all arrays that worlds follow from, by name."""
        return [*super().arrays(), *self.past._asdict().items()]


@dataclass(frozen=True, eq=False)
class DrawnRecipe(Recipe):
    """What it takes to draw worlds each of which has parameters of its own.

    Attributes:
        setting: recipes for any parameters; vectors: the parameters (draws, P), of which world k has
            number k mod draws.
    """

    setting: Setting
    vectors: NDArray[np.float64]

    def draw(self, first: int, last: int) -> Drawn:
        """Draw the worlds first..last-1."""
        draws, end = len(self.vectors), last
        found: dict[int, Drawn] = {}
        # Worlds with the same parameters share what is made of them.
        for begin in range(first, min(first + draws, last)):
            if begin >= end:
                break
            number = begin % draws
            try:
                recipe = self.setting.recipe(self.vectors[number])
            except FitError as error:
                raise FitError(f"world {begin}, with draw {number} of its parameters: {error}") from None
            for world in range(begin, end, draws):
                found[world] = recipe.draw(world, world + 1)
                if found[world].failure is not None:
                    end = world + 1  # the first that fails is told
                    break
        worlds = [found[world] for world in range(first, end)]
        counts, times, events = (
            np.concatenate([getattr(each, name) for each in worlds]) for name in ("counts", "times", "events")
        )
        return Drawn(first, counts, times, events, worlds[-1].failure)

    def arrays(self) -> list[tuple[str, NDArray[Any]]]:
        """Return all arrays that worlds follow from, by name."""
        program = self.setting.program
        facts = [*program.layout._asdict().items(), *program.trace._asdict().items()]
        said = np.frombuffer(str(self.setting.condition).encode(), dtype=np.uint8)
        return [*super().arrays(), *facts, ("vectors", self.vectors), ("condition", said)]


@dataclass(frozen=True, eq=False)
class Setting:
    """A program, what is changed in it, and what its worlds are given: recipes for any parameters.

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
        plain = self.part(Recipe, tables=self.changed.program.tables(self.changed.alter(vector)))
        if self.condition.given == "nothing":
            return plain
        facts = self.program.tables(vector)
        return (self._until if self.condition.given == "until" else self._history)(plain, facts)

    def drawn(self, draws: Any) -> DrawnRecipe:
        """Return the recipe of worlds with parameters of their own; see `vectors_of`."""
        return self.part(DrawnRecipe, setting=self, vectors=vectors_of(draws, self.program.parameter_names))

    def part(self, kind: type[Kind], **own: Any) -> Kind:
        """Return a recipe of some kind with what the plain one has."""
        shared = {each.name: getattr(self.plain, each.name) for each in fields(Recipe)}
        return kind(**{**shared, **own})

    def _until(self, plain: Recipe, facts: Tables) -> UntilRecipe:
        program, time = self.program, self.condition.until
        assert time is not None
        plan, blank = self.witness
        past = recorded(program, facts, plan, blank, until=time)
        layout, tables = opened_at(program, facts, self.changed.layout, plain.tables, time)
        explained = np.flatnonzero(past.event[:, HAPPENED_MOVE] >= 0)
        unit, variable, state = past.event[explained, :3].T
        joint = program.joint
        before = program.trace.events[explained, BEFORE]
        left = (before // joint.strides[variable]) % joint.sizes[variable]
        happened = np.stack([unit, variable, left, state], axis=1).astype(np.int32)
        own = {"past": past, "happened": happened, "explained": explained}
        return self.part(UntilRecipe, layout=layout, tables=tables, **own)

    def _history(self, plain: Recipe, facts: Tables) -> HistoryRecipe:
        fresh, split = self.condition.clocks == "fresh", self.condition.clocks != "cause"
        if fresh and not np.array_equal(facts.shape, plain.tables.shape):
            raise ModelError(
                "clocks='fresh' needs half-lives and responses as they were; ask clocks='cause' or 'source'"
            )
        plan, blank = self.witness
        fact = recorded(self.program, facts, plan, blank, NOTES * plan.pair.size + 1)
        event, layout = self.followed
        ties, to = self.ties
        start = parting((self.program.layout, plan, fact), (layout, ties, to), plain.tables, event)
        past = translated(plan, fact, to if split else None, self.clocks.pair.size)._replace(event=event)
        own = {"plan": self.clocks, "past": past, "start": start, "split": split, "fresh": fresh}
        return self.part(HistoryRecipe, layout=layout, tables=plain.tables, **own)

    @cached_property
    def witness(self) -> tuple[Plan, Past]:
        """Return the clocks of what happened and its events, with room for what they had spent."""
        time = self.condition.until
        return witnessed(self.program, np.inf if time is None else time)

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


def vectors_of(draws: Any, names: Sequence[str]) -> NDArray[np.float64]:
    """Return draws of parameters as an array (draws, P).

    Parameters:
        draws: a frame with a column for each parameter name, an array in the order of `names`, or a
            Posterior without random effects.

    Raises:
        ModelError: they do not fit the model.
    """
    if hasattr(draws, "flat") and hasattr(draws, "effects"):
        if draws.effects.blocks:
            raise ModelError("draws= takes no posterior with random effects: they belong to its own worlds")
        found = list(names)
        if draws.parameter_names != found:
            raise ModelError("draws= come from a posterior of another model")
        draws = draws.flat()[0]
    elif hasattr(draws, "columns"):
        columns = [str(name) for name in draws.columns]
        pack(dict.fromkeys(columns, 0.0), names)
        draws = draws.to_numpy()[:, [columns.index(name) for name in names]]
    try:
        vectors = np.array(draws, dtype=np.float64)
    except (TypeError, ValueError):
        raise ModelError("draws= must hold numbers") from None
    if vectors.ndim != 2 or vectors.shape[1] != len(names) or not len(vectors):
        raise ModelError(
            f"draws= must have a row for each draw and {len(names)} parameters, not the shape {vectors.shape}"
        )
    for vector in vectors:
        pack(vector, names)
    return vectors
