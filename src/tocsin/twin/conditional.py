"""Worlds given what happened, in plain Python: slow on purpose; the kernels are tested against it.

The clocks are those of a (unit, transition, cause), or of a (unit, transition, cause, source). What each had
spent by an observed event is read off a walk through the record; which one fired there is drawn from the
shares of the hazard. Then the world is lived through, with whatever is changed.
"""

from __future__ import annotations

import hashlib
import math
from collections import defaultdict
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from itertools import accumulate, product
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from tocsin.model.declaration import Transition
from tocsin.model.model import Model
from tocsin.states import FORCED
from tocsin.twin.hazard import (
    Event,
    Hazard,
    PlainSetting,
    PlainStep,
    PlainWorld,
    combine,
    given_moves,
    hazards,
    uniform,
    walk,
)
from tocsin.twin.lookup import Move

if TYPE_CHECKING:
    from tocsin.history.history import History

Key = tuple[str, str, str, str | None]  # unit, transition, cause, and source where each has its own clock

SOURCE_STREAM = 0x736F757263653A3A

FRESH = 0x66726573683A3A3A

TOLERANCE = 1e-9

MARGIN = 1e-12  # by which a clock must overspend to fire before an observed event that it waits for


@dataclass(frozen=True)
class Change:
    """What is changed: the history that worlds are simulated on, what is forced, and what is barred.

    Attributes:
        history: ties and covariates as they are changed.
        forced: events that happen whatever the hazards say.
        barred: unit, variable and state that is not entered.
    """

    history: History
    forced: tuple[Move, ...] = ()
    barred: frozenset[tuple[str, str, str]] = frozenset()


@dataclass(frozen=True)
class Witness:
    """An observed event, and the clock that fired: what it had spent, and its hazard.

    What follows the record has no transition; `key` is that of its clock, `source` the source that is told.
    """

    step: PlainStep
    move: Move
    key: Key | None = None
    source: str | None = None
    spent: float = 0.0
    hazard: float = 0.0
    luck: float = 0.0


@dataclass
class ConditionalClock:
    """What a clock has spent, the observed events that it fires next, and its thresholds beyond them."""

    spent: float = 0.0
    last: float = 0.0
    fired: int = 0
    waiting: list[Witness] = field(default_factory=list)
    beyond: float | None = None

    def target(self, world: int, stream: int) -> float:
        """Return what it must have spent to fire."""
        if self.waiting:
            return self.waiting[0].spent
        if self.beyond is None:
            self.beyond = self.last - math.log(uniform(world, stream, self.fired))
        return self.beyond

    def fire(self, world: int, stream: int) -> None:
        """Take the next target."""
        self.spent, more = self.target(world, stream), bool(self.waiting)
        self.fired += 1
        if more:
            self.waiting.pop(0)
        else:
            self.beyond = self.spent - math.log(uniform(world, stream, self.fired))


def hashed(text: str) -> int:
    """Return the 64-bit key of a name of the model."""
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little")


def of_unit(unit: str) -> int:
    """Return the 64-bit key of a unit."""
    return int(pd.util.hash_array(np.array([unit], dtype=object))[0])


def stream_of(key: Key, fresh: bool) -> int:
    """Return the key of a clock's stream."""
    unit, transition, cause, source = key
    stream = combine(of_unit(unit), hashed(f"{transition} | {cause}"))
    stream = stream if source is None else combine(stream, of_unit(source))
    return combine(stream, FRESH) if fresh else stream


def parts(hazard: Hazard) -> dict[str | None, float]:
    """Return the rate of each source, by its share of the exposure; of a baseline the rate of none."""
    if not hazard.sources:
        return {None: hazard.rate}
    whole = sum(hazard.sources.values())
    return {source: hazard.rate * value / whole for source, value in hazard.sources.items()}


def witnesses(setting: PlainSetting, place: int, split: bool) -> tuple[list[Witness], dict[Key, float]]:
    """Draw the clock of each observed event after entry, and tell what all clocks had spent at the end."""
    total: dict[Key, float] = defaultdict(float)
    numbers: dict[tuple[str, str], int] = defaultdict(int)
    found = []
    for step in walk(setting):
        if step.event is None:
            for unit, transition in product(setting.units, setting.model.transitions):
                for cause, hazard in hazards(
                    setting, step.world, unit, transition, step.end, step.begin
                ).items():
                    for source, rate in parts(hazard).items():
                        part = Hazard(rate, hazard.decay).integral(step.end - step.begin)
                        total[unit, transition.name, cause, source if split else None] += part
            continue
        event = step.event
        move = Move(event.time, event.unit, event.variable, event.state)
        if step.transition is None:
            if setting.present(event.unit, event.time):
                found.append(Witness(step, move))
            continue
        name = step.transition.name
        causes = hazards(setting, step.world, event.unit, step.transition, step.end)
        rates = [
            (cause, source, rate)
            for cause, hazard in causes.items()
            for source, rate in parts(hazard).items()
            if rate > 0
        ]
        number = numbers[event.unit, name]
        numbers[event.unit, name] += 1
        stream = combine(of_unit(event.unit), hashed(f"observed | {name}"))
        wanted = uniform(place, stream, 2 * number) * sum(rate for *_, rate in rates)
        sums = accumulate(rate for *_, rate in rates)
        chosen = next((n for n, value in enumerate(sums) if value > wanted), len(rates) - 1)
        cause, source, rate = rates[chosen]
        key = (event.unit, name, cause, source if split else None)
        luck = uniform(place, stream, 2 * number + 1)
        found.append(Witness(step, move, key, source, total[key], rate, luck))
    return found, total


class Life:
    """One world as it is lived through."""

    def __init__(self, changed: PlainSetting, change: Change, place: int, clocks: str) -> None:
        self.setting, self.change, self.place = changed, change, place
        self.split, self.fresh = clocks != "cause", clocks == "fresh"
        self.together = self.fresh
        self.world = PlainWorld(changed.beginning())
        self.clocks: dict[Key, ConditionalClock] = defaultdict(ConditionalClock)
        self.found: list[Event] = []
        self.by_name = {each.name: each for each in changed.model.transitions}

    def rates(self, setting: PlainSetting, world: PlainWorld, when: float, now: float) -> dict[Key, Hazard]:
        """Return the hazard of every clock, with the sources that drive it."""
        found = {}
        for unit, transition in product(setting.units, setting.model.transitions):
            if (unit, transition.variable, transition.to) in self.change.barred:
                continue
            for cause, hazard in hazards(setting, world, unit, transition, when, now).items():
                if self.split:
                    for source, rate in parts(hazard).items():
                        found[unit, transition.name, cause, source] = Hazard(rate, hazard.decay)
                else:
                    found[unit, transition.name, cause, None] = hazard
        return found

    def wait(self, key: Key, hazard: Hazard, now: float) -> float:
        """Return how long a clock takes to fire; infinite where an observed event will take it."""
        clock = self.clocks[key]
        target = clock.target(self.place, stream_of(key, self.fresh))
        left = target - clock.spent
        if clock.waiting and clock.waiting[0].move.time >= now:
            rest = left - hazard.integral(clock.waiting[0].move.time - now)
            if abs(rest) <= TOLERANCE * (1 + target):
                return math.inf
            left += MARGIN * (1 + target)
        return hazard.wait(max(left, 0.0))

    def tell(self, move: Move, cause: str, source: str | None) -> None:
        """Write an event down and apply it."""
        origin = self.world.states[move.unit][move.variable]
        self.found.append(Event(move.time, move.unit, move.variable, origin, move.state, cause, source))
        self.setting.apply(self.world, move)

    def fire(self, key: Key, hazard: Hazard, now: float) -> None:
        """Let a clock fire that no observed event took."""
        unit, name, cause, source = key
        clock, stream = self.clocks[key], stream_of(key, self.fresh)
        if not self.split and hazard.sources:
            mark = uniform(self.place, combine(stream, SOURCE_STREAM), clock.fired)
            mark *= sum(hazard.sources.values())
            sums = zip(hazard.sources, accumulate(hazard.sources.values()), strict=True)
            source = next((each for each, value in sums if value > mark), None)
        clock.fire(self.place, stream)
        self.together = False
        self.tell(Move(now, unit, self.by_name[name].variable, self.by_name[name].to), cause, source)

    def happens(self, witness: Witness, seen: PlainWorld) -> bool:
        """Tell whether an observed event happens, in the world that its unit sees."""
        move, key = witness.move, witness.key
        if key is None:
            barred = (move.unit, move.variable, move.state) in self.change.barred
            return self.setting.present(move.unit, move.time) and not barred
        transition: Transition = self.by_name[key[1]]
        if (move.unit, move.variable, move.state) in self.change.barred:
            return False
        hazard = hazards(self.setting, seen, move.unit, transition, move.time).get(key[2], Hazard(0.0))
        rate = parts(hazard).get(witness.source, 0.0) if self.split else hazard.rate
        if self.together:
            return rate >= witness.hazard * (1 - TOLERANCE) or witness.luck * witness.hazard < rate
        clock = self.clocks[key]
        if not clock.waiting or clock.waiting[0] is not witness or rate <= 0:
            return False
        return clock.waiting[0].spent - clock.spent <= TOLERANCE * (1 + clock.waiting[0].spent)

    def observe(self, moment: list[Witness]) -> None:
        """Live through an instant at which something was observed: units do not see each other's events."""
        fresh, parted, begun = self.together, False, deepcopy(self.world)
        done: list[Move] = []
        for unit in dict.fromkeys(witness.move.unit for witness in moment):
            seen = deepcopy(begun)
            for witness in (each for each in moment if each.move.unit == unit):
                if not self.happens(witness, seen):
                    parted = True
                    continue
                if witness.key is not None:
                    origin = seen.states[unit][witness.move.variable]
                    told = (witness.move.variable, origin, witness.move.state, witness.key[2], witness.source)
                    self.found.append(Event(witness.move.time, unit, *told))
                    if not fresh:
                        self.clocks[witness.key].fire(self.place, stream_of(witness.key, self.fresh))
                self.setting.apply(seen, witness.move)
                done.append(witness.move)
        for move in done:
            self.setting.apply(self.world, move)
        self.together = self.together and not parted

    def force(self, moment: float) -> None:
        """Let happen what is forced at a moment, where it changes anything."""
        for move in (move for move in self.change.forced if move.time == moment):
            present = self.setting.present(move.unit, moment)
            if present and self.world.states[move.unit][move.variable] != move.state:
                self.together = False
                self.tell(move, FORCED, None)

    def run(
        self, now: float, moment: float, most: int, fact: tuple[PlainSetting, PlainWorld] | None = None
    ) -> float | None:
        """Live through the time until a moment and return it; None once there are more than `most` events.

        Parameters:
            fact: what happened, whose hazards are taken off as long as the two worlds are together.
        """
        while now < moment:
            running = self.rates(self.setting, self.world, moment, now)
            if self.together and fact is not None:
                base = self.rates(*fact, moment, now)
                running = {
                    key: Hazard(max(each.rate - base.get(key, Hazard(0.0)).rate, 0.0), each.decay)
                    for key, each in running.items()
                }
            waits = {key: self.wait(key, hazard, now) for key, hazard in running.items()}
            first = min(waits, key=waits.__getitem__) if waits else None
            span = min(waits[first] if first is not None else math.inf, moment - now)
            for key, hazard in running.items():
                self.clocks[key].spent += hazard.integral(span)
            if first is None or waits[first] > span:
                now = moment
                continue
            now += span
            self.fire(first, running[first], now)
            if len(self.found) > most:
                return None
        return now


def simulate(
    model: Model, histories: tuple[History, Change], params: Mapping[str, float], seed: int, world: int,
    clocks: str = "cause", most: int = 10**5,
) -> list[Event]:  # fmt: skip
    """Return the events of one world given what happened.

    Parameters:
        histories: what happened, and what is changed.
        seed, world: the seed of the ensemble and the number of the world in it.
        clocks: ``cause``, ``source`` or ``fresh``.
        most: the number of events at which a world is broken off.
    """
    setting, change = PlainSetting(model, histories[0], params), histories[1]
    given_moves(setting)  # refuses what cannot be simulated
    changed = PlainSetting(model, change.history, params)
    place = combine(seed % 2**64, world)
    life = Life(changed, change, place, clocks)
    seen, last = witnesses(setting, place, life.split)
    fact = PlainWorld(setting.beginning())
    for move in (move for move in setting.moves if move.time <= setting.presence[move.unit][0]):
        for each, place_of in ((setting, fact), (changed, life.world)):
            if move.time <= setting.start:
                each.apply(place_of, move)
    if not life.fresh:
        for key, amount in last.items():
            life.clocks[key].last = amount
        for witness in seen:
            if witness.key is not None:
                life.clocks[witness.key].waiting.append(witness)
    early = [m for m in setting.moves if setting.start < m.time <= setting.presence[m.unit][0]]
    now = setting.start
    moments = {*setting.moments(), *changed.moments(), *(move.time for move in change.forced)}
    for moment in sorted(moments):
        reached = life.run(now, moment, most, (setting, fact))
        if reached is None:
            return life.found
        now = reached
        life.observe([witness for witness in seen if witness.move.time == moment])
        for move in (move for move in setting.moves if move.time == moment and move.time > setting.start):
            setting.apply(fact, move)
            if move in early:
                changed.apply(life.world, move)
        for each, place_of in ((setting, fact), (changed, life.world)):
            each.bring_back(place_of, moment)
        life.force(moment)
    return life.found


def go_on(
    model: Model, histories: tuple[History, Change], params: Mapping[str, float], seed: int, world: int,
    until: float, most: int = 10**5,
) -> list[Event]:  # fmt: skip
    """Return the events of one world that agrees with what happened until a time, its own events included.

    Parameters: as for `simulate`; changes act after that time.
    """
    setting, change = PlainSetting(model, histories[0], params), histories[1]
    changed = PlainSetting(model, change.history, params)
    life = Life(changed, change, combine(seed % 2**64, world), "cause")
    seen, _ = witnesses(setting, life.place, True)
    before = [move for move in setting.moves if move.time <= max(until, setting.start)]
    for moment in sorted(
        {move.time for move in before + setting.returns if move.time <= max(until, setting.start)}
    ):
        for move in (move for move in before if move.time == moment):
            setting.apply(life.world, move)
        setting.bring_back(life.world, moment)
    for witness in (each for each in seen if each.key is not None and each.move.time <= until):
        event = witness.step.event
        assert event is not None and witness.key is not None
        told = (event.variable, event.origin, event.state, witness.key[2], witness.source)
        life.found.append(Event(event.time, event.unit, *told))
    follows = [
        each.move
        for each in seen
        if each.key is None
        and each.move.time > until
        and (each.move.unit, each.move.variable, each.move.state) not in change.barred
    ]
    follows += [move for move in setting.moves if until < move.time <= setting.presence[move.unit][0]]
    now = max(until, setting.start)
    moments = {*setting.moments(), *changed.moments(), *(move.time for move in change.forced), until}
    for moment in sorted(time for time in moments if time >= now):
        reached = life.run(now, moment, most)
        if reached is None:
            return life.found
        now = reached
        for move in (move for move in follows if move.time == moment):
            changed.apply(life.world, move)
        changed.bring_back(life.world, moment)
        life.force(moment)
    return life.found
