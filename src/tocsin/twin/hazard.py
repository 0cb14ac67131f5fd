"""The mathematics of Tocsin in plain Python: slow on purpose; the kernels are tested against it.

Everything follows from one function, `hazards`, which says what the hazard of a transition is at a moment. It
sums over all sources every time it is asked; nothing is updated on the way. The likelihood, the attribution,
the residuals and the simulation are four readings of it.

Time is read by left limits, so the hazard on a stretch (a, b] without changes is read at b. Memory ages
within it; so `hazards` takes `when`, whose left limit is read, and `now`, at which ages are counted.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field, replace
from itertools import accumulate, product
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from tocsin.errors import FitError
from tocsin.model.declaration import Baseline, Cause, Contagion, Transition
from tocsin.model.model import Model
from tocsin.twin.lookup import Move, RecordLookup, States, age_in

if TYPE_CHECKING:
    from tocsin.history.history import History


@dataclass(frozen=True)
class Event:
    """A transition of a unit; cause and source are known in a simulated world only."""

    time: float
    unit: str
    variable: str
    origin: str
    state: str
    cause: str | None = None
    source: str | None = None


@dataclass
class PlainWorld:
    """What has happened so far: the states of each unit, and the entries that each cause remembers.

    An entry is (source, time, mark); the mark is exp(gamma . u) of the source at that entry. `since` says when a unit
    came into the state of a variable that it holds, where that is known.
    """

    states: dict[str, States]
    entries: dict[tuple[str, str], list[tuple[str, float, float]]] = field(default_factory=dict)
    since: dict[tuple[str, str], float] = field(default_factory=dict)


@dataclass(frozen=True)
class Hazard:
    """The hazard of one cause: its level now, its rate of decay, and what each source adds to the exposure.

    The level is multiplied by age^slope (`log`, Weibull) or exp(slope age) (`plain`, Gompertz), where age is that
    of the unit's state now; nothing decays then.
    """

    level: float
    decay: float = 0.0
    sources: Mapping[str, float] = field(default_factory=dict)
    form: str = ""
    slope: float = 0.0
    age: float = 0.0

    @property
    def rate(self) -> float:
        """Return the hazard now."""
        if self.form == "log":
            return float(self.level * self.age**self.slope)
        return self.level * math.exp(self.slope * self.age)

    def integral(self, span: float) -> float:
        """Return the hazard integrated over the next `span` of time."""
        if self.form == "log":
            power = self.slope + 1.0
            return float(self.level * ((self.age + span) ** power - self.age**power) / power)
        decay = self.decay - self.slope
        return self.rate * (span if decay == 0 else -math.expm1(-decay * span) / decay)

    def wait(self, amount: float) -> float:
        """Return the time until the integrated hazard reaches `amount`; infinite if it never does."""
        if self.level == 0:
            return math.inf
        if self.form == "log":
            power = self.slope + 1.0
            return float((self.age**power + amount * power / self.level) ** (1.0 / power) - self.age)
        decay = self.decay - self.slope
        if decay == 0:
            return amount / self.rate
        spent = decay * amount / self.rate
        return -math.log1p(-spent) / decay if spent < 1 else math.inf


class PlainSetting(RecordLookup):
    """A record with values of the parameters: scores, memory and exposure."""

    def __init__(self, model: Model, history: History, params: Mapping[str, float]) -> None:
        super().__init__(model, history)
        self.params = params

    def value(self, name: str) -> float:
        """Return the value of a parameter."""
        if name not in self.params:
            raise FitError(f"no value is given for the parameter {name!r}")
        return float(self.params[name])

    def score(
        self,
        role: str,
        formula: str | None,
        unit: str,
        states: States,
        when: float,
        intercept: bool = True,
    ) -> float:
        """Return exp(beta . x): 1 without a formula."""
        row = {} if formula is None else self.row(formula, unit, states, when, intercept)
        return self.exponential(role, formula, unit, when, row)

    def exponential(
        self,
        role: str,
        formula: str | None,
        unit: str,
        when: float,
        row: Mapping[str, float],
        intercept: float | None = None,
    ) -> float:
        """Return exp(beta . x) of a row of terms; an intercept that the unit's level has of its own may be given."""
        if any(math.isnan(x) for x in row.values()):
            raise FitError(f"{role}: a value of {formula!r} is missing for unit {unit!r} at {when:g}")
        total = 0.0
        for term, x in row.items():
            own = intercept if term == "1" else None
            total += x * (self.value(f"{role} | {term}") if own is None else own)
        return math.exp(total)

    def own_hazard(
        self,
        role: str,
        formula: str,
        unit: str,
        transition: Transition,
        world: PlainWorld,
        when: float,
        now: float,
        felt: Mapping[str, float],
        intercept: float | None = None,
    ) -> Hazard:
        """Return exp(beta . x) of the unit at risk, as a hazard: it may change with the age of the unit's state."""
        states, age = world.states[unit], age_in(formula)
        if age is None:
            row = self.row(formula, unit, states, when, felt=felt)
            return Hazard(self.exponential(role, formula, unit, when, row, intercept))
        first_seen = max(self.start, self.presence[unit][0]) if age.unknown == "entry" else math.nan
        since = world.since.get((unit, transition.variable), first_seen)
        unknown = age.unknown == "level" and self.meets_unknown(transition)
        # A level of its own stands last; else pieces are told by the cuts that lie below the age at `when`.
        known = not math.isnan(since)
        level = sum(since + cut < when for cut in age.cuts) if known else max(1, len(age.levels))
        row = self.row(formula, unit, states, when, level=level, unknown=unknown)
        if age.form == "pieces" or not known:
            return Hazard(self.exponential(role, formula, unit, when, row, intercept))
        own = {term: x for term, x in row.items() if age.name in term.split(":")}
        rest = {term: x for term, x in row.items() if term not in own}
        slope = sum(self.value(f"{role} | {term}") * x for term, x in own.items())
        return Hazard(
            self.exponential(role, formula, unit, when, rest), form=age.form, slope=slope, age=now - since
        )

    def crossings(self, world: PlainWorld, begin: float, end: float) -> list[float]:
        """Return the moments between two at which the age of a state passes from one piece to the next."""
        since = dict(world.since)
        for unit, (enter, _) in self.presence.items():
            for variable in self.model.by_name:
                since.setdefault((unit, variable), max(self.start, enter))
        found = {time + cut for time in since.values() for cut in self.cuts}
        return sorted(time for time in found if begin < time < end)

    def level(self, cause: Contagion, target: str) -> str:
        """Return the name of a cause for one target: with `by=` that of the target's level."""
        if cause.by is None:
            return cause.name
        level = self.numbers.static[cause.by][self.numbers.unit_index[target]]
        return f"{cause.name}[{level if isinstance(level, str) else format(level, 'g')}]"

    def felt(self, world: PlainWorld, unit: str, cause: Cause, when: float) -> dict[str, float]:
        """Return the exposure that each special term of a cause follows, by the term's name.

        The summed weight of ties from present sources in the states of the clause, each times its covariate if
        marked, divided by the ties in force if normalised.
        """
        found = {}
        for special in self.specials(cause):
            weights = self.weights(special.layer, unit, when)
            total = 0.0
            for source, weight in weights.items():
                if self.holds(special.clause, world.states[source]):
                    mark = 1.0 if special.mark is None else self.covariate(special.mark, source, when)
                    if mark is None or math.isnan(mark):
                        raise FitError(
                            f"{special.inside}: {special.mark!r} of {source!r} is missing at {when:g}"
                        )
                    total += weight * mark
            scale = sum(weights.values()) if special.normalise == "target" else 1.0
            found[special.name] = total / scale if weights else 0.0
        return found

    def half_life(self, name: str, cause: Contagion, target: str) -> float:
        """Return the half-life of a cause with memory, given or estimated (a logarithm)."""
        if cause.half_life == "estimate":
            own = cause.name if "half_life" in cause.shared else self.level(cause, target)
            return math.exp(self.value(f"{name} | {own} | memory | half_life"))
        return math.inf if cause.half_life is None else float(cause.half_life)

    def intercept(self, name: str, cause: Contagion, target: str) -> float | None:
        """Return the intercept of a target's level, with `by=`: its own, or that of the mass that all share."""
        if cause.by is None:
            return None
        if "mass" in cause.shared:
            mass = self.value(f"{name} | {cause.name} | susceptibility | mass")
            return mass + math.log(math.log(2) / self.half_life(name, cause, target))
        return self.value(f"{name} | {self.level(cause, target)} | susceptibility | 1")

    def alpha(self, name: str, cause: Contagion) -> float:
        """Return the response of a cause to its exposure: 1, or estimated (a logarithm)."""
        return math.exp(self.value(f"{name} | {cause.name} | response | alpha")) if cause.response else 1.0

    def apply(self, world: PlainWorld, move: Move) -> None:
        """Move a unit, and note the entry in each half-life cause whose source states it enters.

        A move inside the source states is no entry; an event into the state already held is one.
        """
        states = world.states[move.unit]
        before = dict(states)
        states[move.variable] = move.state
        world.since[move.unit, move.variable] = move.time
        for transition, cause in ((each, cause) for each in self.model.transitions for cause in each.causes):
            if isinstance(cause, Baseline) or cause.half_life is None or not self.holds(cause.when, states):
                continue
            again = before[move.variable] == move.state and move.variable in self.clause(cause.when)
            if again or not self.holds(cause.when, before):
                role = f"{transition.name} | {cause.name} | infectiousness"
                mark = self.score(role, cause.infectiousness, move.unit, states, move.time, intercept=False)
                entries = world.entries.setdefault((transition.name, cause.name), [])
                entries.append((move.unit, move.time, mark))

    def bring_back(self, world: PlainWorld, moment: float) -> None:
        """Put the units that return at a moment into the states that their rows name, which is no event."""
        for move in self.returns:
            if move.time == moment:
                world.states[move.unit][move.variable] = move.state
                world.since[move.unit, move.variable] = move.time

    def exposure(
        self, world: PlainWorld, target: str, name: str, cause: Contagion, when: float, now: float
    ) -> dict[str, float]:
        """Return what each source adds to E: w_ji exp(gamma . u_j) k_j, normalised if so declared."""
        weights = self.weights(cause.layer, target, when)
        scale = sum(weights.values()) if cause.normalise == "target" else 1.0
        found = {}
        for source, weight in weights.items():
            states = world.states[source]
            if cause.half_life is not None:
                half_life = self.half_life(name, cause, target)
                memory = sum(
                    mark * 2 ** (-(now - entered) / half_life)
                    for unit, entered, mark in world.entries.get((name, cause.name), [])
                    if unit == source
                )
            elif self.holds(cause.when, states):
                role = f"{name} | {cause.name} | infectiousness"
                memory = self.score(role, cause.infectiousness, source, states, when, intercept=False)
            else:
                memory = 0.0
            if weight * memory > 0:
                found[source] = weight * memory / scale
        return found


def hazards(
    setting: PlainSetting,
    world: PlainWorld,
    unit: str,
    transition: Transition,
    when: float,
    now: float | None = None,
) -> dict[str, Hazard]:
    """Say what the hazard of a transition is: lambda_ik = sum over causes of lambda_ikc.

    Terms of x_i may follow exposures (`PlainSetting.felt`), which are constant between changes, and the age of the
    unit's state. baseline: exp(beta . x_i). contagion: exp(beta . x_i)
    E_ic^alpha, E_ic = sum over present sources j of w_ji exp(gamma . u_j) k_j, where k_j is 1 while j is in the source
    states, or the sum of 2^(-(t - tau) / h) over its entries into them. Between changes E is constant or decays as
    2^(-t / h), and so E^alpha is constant or decays as 2^(-alpha t / h).

    Parameters:
        world: the states and the memory at that moment.
        when: the moment whose left limits of presence, ties and covariates are read.
        now: the moment at which ages are counted; `when` by default.

    Returns:
        The hazard of each cause by its name; nothing while the unit is not at risk.

    Raises:
        FitError: a parameter has no value, or a covariate is missing where it is needed.
    """
    now = when if now is None else now
    states, name = world.states[unit], transition.name
    if not setting.present(unit, when) or states[transition.variable] not in transition.origin:
        return {}
    if not setting.holds(transition.requires, states):
        return {}
    found = {}
    for cause in transition.causes:
        if isinstance(cause, Baseline):
            role = f"{name} | {cause.name} | propensity"
            felt = setting.felt(world, unit, cause, when)
            found[cause.name] = setting.own_hazard(
                role, cause.formula, unit, transition, world, when, now, felt
            )
            continue
        role, felt = f"{name} | {cause.name} | susceptibility", setting.felt(world, unit, cause, when)
        own = setting.own_hazard(
            role,
            cause.susceptibility,
            unit,
            transition,
            world,
            when,
            now,
            felt,
            setting.intercept(name, cause, unit),
        )
        sources = setting.exposure(world, unit, name, cause, when, now)
        alpha = setting.alpha(name, cause)
        level = own.level * sum(sources.values()) ** alpha if sources else 0.0
        decay = 0.0 if cause.half_life is None else alpha * math.log(2) / setting.half_life(name, cause, unit)
        found[cause.name] = replace(own, level=level, decay=decay, sources=sources)
    return found


@dataclass(frozen=True)
class PlainStep:
    """A stretch (begin, end] without changes and its world, or an event and the world that it sees."""

    begin: float
    end: float
    world: PlainWorld
    event: Event | None = None
    transition: Transition | None = None


def begin(setting: PlainSetting, world: PlainWorld, moves: list[Move]) -> None:
    """Let all happen that came before the window: events, and returns in a state."""
    for moment in sorted({move.time for move in moves + setting.returns if move.time <= setting.start}):
        for move in moves:
            if move.time == moment:
                setting.apply(world, move)
        setting.bring_back(world, moment)


def walk(setting: PlainSetting) -> Iterator[PlainStep]:
    """Walk through what happened: the stretches without a change, and the events between them.

    Events at one instant in different units do not see each other; those of one unit see the ones before.
    An event has a transition where the model explains it: never at or before the entry of its unit.
    """
    world = PlainWorld(setting.beginning(), since=dict(setting.since))
    previous = setting.start
    early = {move.time for move in setting.moves + setting.returns if move.time <= setting.start}
    for moment in sorted(early | set(setting.moments())):
        if moment > setting.start:
            for end in [*setting.crossings(world, previous, moment), moment]:
                yield PlainStep(previous, end, world)
                previous = end
        moves = [move for move in setting.moves if move.time == moment]
        for unit in dict.fromkeys(move.unit for move in moves):
            seen = deepcopy(world)
            for move in (move for move in moves if move.unit == unit):
                event = Event(moment, unit, move.variable, seen.states[unit][move.variable], move.state)
                transition = setting.explains(event.variable, event.origin, event.state)
                yield PlainStep(
                    moment, moment, seen, event, transition if setting.present(unit, moment) else None
                )
                setting.apply(seen, move)
        for move in moves:
            setting.apply(world, move)
        setting.bring_back(world, moment)


def integrals(setting: PlainSetting, step: PlainStep) -> dict[tuple[str, str, str], float]:
    """Return the hazard of each (unit, transition, cause) integrated over a stretch."""
    return {
        (unit, transition.name, cause): hazard.integral(step.end - step.begin)
        for unit, transition in product(setting.units, setting.model.transitions)
        for cause, hazard in hazards(setting, step.world, unit, transition, step.end, step.begin).items()
    }


def log_likelihood(model: Model, history: History, params: Mapping[str, float]) -> float:
    """Return sum over explained events of log lambda minus the integral of all hazards at risk.

    Histories known only by month or year have the grouped-time likelihood instead.

    Raises:
        FitError: a parameter has no value, or a covariate is missing where it is needed.
    """
    setting = PlainSetting(model, history, params)
    if history.clock in ("month", "year", "step"):
        return grouped(setting)
    total = 0.0
    for step in walk(setting):
        if step.event is None:
            total -= sum(integrals(setting, step).values())
        elif step.transition is not None:
            causes = hazards(setting, step.world, step.event.unit, step.transition, step.end)
            total += log(sum(hazard.rate for hazard in causes.values()))
    return total


def log(value: float) -> float:
    """Return the logarithm, minus infinity at zero."""
    return math.log(value) if value > 0 else -math.inf


def grouped(setting: PlainSetting) -> float:
    """Return the log-likelihood of events known by their interval only: a month, a year or a period.

    States and exposures are those at the start of the interval, where what happened in the interval before has
    age 1. Transition k happens in it with probability
    (L_k / L)(1 - exp(-L)), L being the sum of L_k over the transitions of the variable (Prentice & Gloeckler
    1978). A transition that leaves the variable free to make it again happens n times with the probability
    exp(-L) L_k^n / n! of a Poisson count.
    """
    world, total = PlainWorld(setting.beginning(), since=dict(setting.since)), 0.0
    begin(setting, world, setting.moves)
    for end in range(int(setting.start) + 1, int(setting.end) + 1):
        moves = [move for move in setting.moves if move.time == end]
        for unit, variable in product(setting.units, setting.model.by_name):
            rates = {
                each.name: sum(h.rate for h in hazards(setting, world, unit, each, end).values())
                for each in setting.model.transitions
                if each.variable == variable
            }
            whole = sum(rates.values())
            own = [move.state for move in moves if (move.unit, move.variable) == (unit, variable)]
            held = world.states[unit][variable]
            if not own or not setting.present(unit, end):
                total -= whole
                continue
            if len(own) > 1 and not setting.repeats(variable, held, own):
                raise FitError(f"{unit!r} has two transitions of {variable!r} in one {setting.history.clock}")
            found = setting.explains(variable, held, own[0])
            if found is None:
                total -= whole
            elif setting.repeats(variable, held, own):
                count = len(own)
                total += count * log(rates[found.name]) - whole - math.lgamma(count + 1)
            else:
                total += log(rates[found.name] / whole * -math.expm1(-whole) if whole else 0.0)
        for move in moves:
            setting.apply(world, move)
        setting.bring_back(world, end)
    return total


def attribute(
    model: Model, history: History, params: Mapping[str, float]
) -> list[tuple[Event, dict[str, float], dict[tuple[str, str], float]]]:
    """Return for each explained event the share of each cause, lambda_ikc / lambda_ik, and of each source.

    Where alpha is not 1 the share of a cause is divided among its sources by their shares of the exposure.
    """
    setting = PlainSetting(model, history, params)
    found = []
    for step in walk(setting):
        if step.event is not None and step.transition is not None:
            causes = hazards(setting, step.world, step.event.unit, step.transition, step.end)
            total = sum(hazard.rate for hazard in causes.values())
            shares = {name: hazard.rate / total for name, hazard in causes.items()}
            parts = {
                (name, source): shares[name] * value / sum(hazard.sources.values())
                for name, hazard in causes.items()
                for source, value in hazard.sources.items()
            }
            found.append((step.event, shares, parts))
    return found


def residuals(
    model: Model, history: History, params: Mapping[str, float]
) -> list[tuple[str, str, float, bool]]:
    """Return (unit, transition, integrated hazard since its last event, whether an event ended it).

    At the true parameters they are unit exponential, the last of each unit and transition being censored.
    """
    setting = PlainSetting(model, history, params)
    running = {(unit, each.name): 0.0 for unit in setting.units for each in model.transitions}
    found = []
    for step in walk(setting):
        if step.event is None:
            for (unit, name, _), amount in integrals(setting, step).items():
                running[unit, name] += amount
        elif step.transition is not None:
            key = (step.event.unit, step.transition.name)
            found.append((*key, running[key], True))
            running[key] = 0.0
    return found + [(*key, amount, False) for key, amount in running.items()]


class PlainClock:
    """The clock of a (unit, transition, cause): it fires as its hazard uses up exponential thresholds."""

    def __init__(self, world: int, unit: str, transition: Transition, cause: Cause) -> None:
        self.world, self.unit, self.transition, self.cause = world, unit, transition, cause
        name = f"{transition.name} | {cause.name}"
        own = int.from_bytes(hashlib.blake2b(name.encode(), digest_size=8).digest(), "little")
        self.key = combine(int(pd.util.hash_array(np.array([unit], dtype=object))[0]), own)
        self.fired, self.left = 0, -math.log(uniform(world, self.key, 0))

    def fire(self, sources: Mapping[str, float]) -> str | None:
        """Draw the source of this firing, from a stream of its own, and the next threshold."""
        stream = combine(self.key, 0x736F757263653A3A)
        mark = uniform(self.world, stream, self.fired) * sum(sources.values())
        self.fired += 1
        self.left = -math.log(uniform(self.world, self.key, self.fired))
        sums = zip(sources, accumulate(sources.values()), strict=True)
        return next((source for source, value in sums if value > mark), None)


def given_moves(setting: PlainSetting) -> list[Move]:
    """Return the observed events that every world takes as they happened.

    They are those of variables that no transition moves, and those at or before the entry of their unit.
    A variable of which the model explains only a part is refused.
    """
    moved = {transition.variable for transition in setting.model.transitions}
    for step in walk(setting):
        event = step.event
        if event is None or event.variable not in moved or step.transition is not None:
            continue
        if setting.present(event.unit, event.time):
            raise FitError(
                f"{event.variable!r} cannot be simulated: {event.unit!r} moved from {event.origin!r} "
                f"to {event.state!r} at {event.time:g}, and no transition of the model explains it"
            )
    entry = {unit: enter for unit, (enter, _) in setting.presence.items()}
    return [move for move in setting.moves if move.variable not in moved or move.time <= entry[move.unit]]


def interval(setting: PlainSetting, world: PlainWorld, clocks: list[PlainClock], end: int) -> list[Event]:
    """Return what happens in an interval of grouped time; all hazards are those at its start.

    Once a transition has happened no other of its variable may; itself it may again where it starts from the state
    that it enters.
    """
    now, found, stopped = end - 1.0, list[Event](), set[int]()
    rates = {
        clock.key: hazards(setting, world, clock.unit, clock.transition, end).get(
            clock.cause.name, Hazard(0.0)
        )
        for clock in clocks
    }
    while True:
        running = [Hazard(0.0) if clock.key in stopped else rates[clock.key] for clock in clocks]
        waits = [
            clock.left / hazard.rate if hazard.rate else math.inf
            for clock, hazard in zip(clocks, running, strict=True)
        ]
        first = min(range(len(clocks)), key=waits.__getitem__)
        span = min(waits[first], end - now)
        for clock, hazard in zip(clocks, running, strict=True):
            clock.left -= hazard.rate * span
        if waits[first] > span:
            return found
        now += span
        fired = clocks[first]
        unit, transition = fired.unit, fired.transition
        earlier = [
            event.state for event in found if (event.unit, event.variable) == (unit, transition.variable)
        ]
        origin = [world.states[unit][transition.variable], *earlier][-1]
        source = fired.fire(rates[fired.key].sources)
        found.append(Event(now, unit, transition.variable, origin, transition.to, fired.cause.name, source))
        for clock in clocks:
            same = clock.transition is transition and transition.to in transition.origin
            if clock.unit == unit and clock.transition.variable == transition.variable and not same:
                stopped.add(clock.key)


def simulate(
    model: Model, history: History, params: Mapping[str, float], seed: int, world: int = 0, most: int = 10**5
) -> list[Event]:
    """Return the events of one world, by coupled clocks.

    The clock of a (unit, transition, cause) fires when its integrated hazard reaches the next exponential
    threshold of its stream; it pauses, and never resets, while the unit is not at risk.

    Parameters:
        seed, world: the seed of the ensemble and the number of the world in it.
        most: the number of events above which a world is refused as explosive.

    Raises:
        FitError: the world explodes, or observed moves of a variable are explained in part only.
    """
    setting = PlainSetting(model, history, params)
    given = given_moves(setting)
    place = combine(seed % 2**64, world)
    pairs = product(setting.units, model.transitions)
    clocks = [
        PlainClock(place, unit, transition, cause)
        for unit, transition in pairs
        for cause in transition.causes
    ]
    state, now = PlainWorld(setting.beginning(), since=dict(setting.since)), setting.start
    found: list[Event] = []
    begin(setting, state, given)
    if history.clock in ("month", "year", "step"):
        for end in range(int(setting.start) + 1, int(setting.end) + 1):
            events = interval(setting, state, clocks, end)
            moves = [Move(end, event.unit, event.variable, event.state) for event in events]
            go_on_with(setting, state, [*moves, *(move for move in given if move.time == end)], end)
            found += events
            refuse_explosion(len(found), most, world)
        return found
    for moment in setting.moments():
        while now < moment:
            until = min([*setting.crossings(state, now, moment), moment])
            causes = {
                (unit, transition.name): hazards(setting, state, unit, transition, until, now)
                for unit, transition in product(setting.units, model.transitions)
            }
            running = [
                causes[clock.unit, clock.transition.name].get(clock.cause.name, Hazard(0.0))
                for clock in clocks
            ]
            waits = [hazard.wait(clock.left) for clock, hazard in zip(clocks, running, strict=True)]
            first = min(range(len(clocks)), key=waits.__getitem__)
            span = min(waits[first], until - now)
            for clock, hazard in zip(clocks, running, strict=True):
                clock.left -= hazard.integral(span)
            if waits[first] > span:
                now = until
                continue
            now += span
            clock = clocks[first]
            move = Move(now, clock.unit, clock.transition.variable, clock.transition.to)
            origin = state.states[move.unit][move.variable]
            source = clock.fire(running[first].sources)
            found.append(Event(*move[:3], origin, move.state, clock.cause.name, source))
            setting.apply(state, move)
            refuse_explosion(len(found), most, world)
        go_on_with(setting, state, [move for move in given if move.time == moment], moment)
    return found


def go_on_with(setting: PlainSetting, state: PlainWorld, moves: Sequence[Move], moment: float) -> None:
    """Apply moves to a world at a moment; units that return then are there after it."""
    for move in moves:
        setting.apply(state, move)
    setting.bring_back(state, moment)


def refuse_explosion(events: int, most: int, world: int) -> None:
    """Raise FitError where a world has more events than it may have."""
    if events > most:
        raise FitError(f"world {world} has more than {most} events: the process explodes")


# --- The random streams of the clocks in plain integers, for the readable twin; the kernels have
#     their own

_64 = 2**64 - 1


def mix(value: int) -> int:
    """Scramble 64 bits (the finaliser of MurmurHash3, Appleby 2011)."""
    value = (value ^ value >> 33) * 0xFF51AFD7ED558CCD & _64
    value = (value ^ value >> 33) * 0xC4CEB9FE1A85EC53 & _64
    return value ^ value >> 33


def combine(first: int, second: int) -> int:
    """Make one key of two."""
    golden = 0x9E3779B97F4A7C15
    return mix(mix(first + golden & _64) ^ (second + golden & _64))


def uniform(world: int, clock: int, number: int) -> float:
    """Return draw `number` of a clock's stream in a world, by Philox4x32-10 (Salmon et al. 2011)."""
    low = 2**32 - 1
    k0, k1 = world & low, world >> 32
    c0, c1, c2, c3 = number >> 1 & low, number >> 33, clock & low, clock >> 32
    for _ in range(10):
        p0, p1 = 0xD2511F53 * c0, 0xCD9E8D57 * c2
        c0, c1, c2, c3 = p1 >> 32 ^ c1 ^ k0, p1 & low, p0 >> 32 ^ c3 ^ k1, p0 & low
        k0, k1 = k0 + 0x9E3779B9 & low, k1 + 0xBB67AE85 & low
    word = c2 | c3 << 32 if number & 1 else c0 | c1 << 32
    return ((word >> 11) + 0.5) * 2.0**-53
