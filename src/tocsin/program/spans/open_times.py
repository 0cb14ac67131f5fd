"""Programs whose events have open times: events known to lie in a span, put at one time after another."""

from __future__ import annotations

import copy
import warnings
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from tocsin.errors import FitError, SpanWarning
from tocsin.history.spans import Spans, precedence, tightened
from tocsin.kernels.layout import SOURCES_HEAR, TARGETS_HEAR, TRANSITION
from tocsin.program.cause import CauseData
from tocsin.program.grouped import is_grouped

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tocsin.history.history import History
    from tocsin.model.model import Model
    from tocsin.program.likelihood import Likelihood
    from tocsin.program.program import Program

    Floats = NDArray[np.float64]
    Parts = dict[int, tuple[float, NDArray[np.float64]]]

TRIES = 2000  # times that are looked at to find one that the model can explain


def without_spans(program: Program) -> Program:
    """Return a program that takes every event at the time at which it stands."""
    return replace(program, spans=None)


def say_middle(program: Program, what: str) -> None:
    """Warn that something takes open events at the middle of what their spans leave them."""
    if program.spans is None or program.spans.known.all():
        return
    count = int((~program.spans.known).sum())
    events = "1 event that is" if count == 1 else f"{count} events that are"
    warnings.warn(
        f"{what} take {events} known to lie in a span at the middle of it; for what the doubt about times does, "
        "look at worlds given what happened (given='history'), which draw them",
        SpanWarning,
        stacklevel=4,
    )


def placed(program: Program, told: Floats) -> Program | None:
    """Return a program with the events that the model speaks of at given times; None where they are impossible."""
    seen, barred = program.observer.look(told)
    if barred >= 0:
        return None
    other = replace(program, spans=None, observed=seen)
    other.__dict__["observer"] = program.observer
    return other


def lived(program: Program, told: Floats) -> Program | None:
    """Return the program with a history in which the events are at given times; None where they are impossible."""
    other = placed(program, told)
    if other is None:
        return None
    numbers = program.history.numbers
    time = numbers.event_time.copy()
    time[program.observer.spoken] = told
    order = np.lexsort((np.arange(time.size), numbers.event_unit, time))
    moved = replace(
        numbers,
        event_time=time[order],
        event_unit=numbers.event_unit[order],
        event_variable=numbers.event_variable[order],
        event_state=numbers.event_state[order],
        spans=None,
    )
    history = copy.copy(program.history)
    history.__dict__.update(numbers=moved)
    return replace(other, history=history)


class Placer:
    """Draws times of open events that keep the order of each unit's events.

    Attributes:
        spans: of the events that the model speaks of, with what their order rules out taken away.
        open: which of them have open times (K,).
    """

    def __init__(self, program: Program) -> None:
        assert program.spans is not None
        seen, spans = program.observer, program.spans
        self.program, self.told = program, seen.told
        pairs = precedence(spans, seen.unit, seen.variable)
        self.spans: Spans = tightened(spans, pairs, seen.variable)
        self.open = np.flatnonzero(~spans.known)
        self.grouped = spans.grouped
        gap = [float(spans.grouped and seen.variable[a] == seen.variable[b]) for a, b in pairs]
        self.before: dict[int, list[tuple[int, float]]] = {int(x): [] for x in self.open}
        self.after: dict[int, list[tuple[int, float]]] = {int(x): [] for x in self.open}
        for (a, b), least in zip(pairs, gap, strict=True):
            if b in self.before:
                self.before[b].append((a, least))
            if a in self.after:
                self.after[a].append((b, least))
        # Earlier events of a unit first, so that a later one knows what it must follow.
        rank = {int(x): 0 for x in self.open}
        for _ in range(len(pairs) + 1):
            for a, b in pairs:
                if b in rank:
                    rank[b] = max(rank[b], rank.get(a, -1) + 1)
        self.order = sorted((int(x) for x in self.open), key=lambda x: (rank[x], x))

    def room(self, told: Floats, event: int, ahead: bool = True) -> tuple[float, float]:
        """Return between which times an event can move, the others staying; without `ahead` what follows moves on."""
        low, high = float(self.spans.low[event]), float(self.spans.high[event])
        for other, gap in self.before[event]:
            low = max(low, float(told[other]) + gap)
        for other, gap in self.after[event] if ahead else ():
            high = min(high, float(told[other]) - gap)
        return low, high

    def uniform(self, low: float, high: float, rng: np.random.Generator) -> float:
        """Return a time between two, each as likely."""
        if self.grouped:
            return float(rng.integers(int(low), int(high) + 1))
        return high - (high - low) * float(rng.random())  # (low, high]

    def anywhere(self, rng: np.random.Generator) -> Floats:
        """Return times of all events in which every open one lies in its span, one after the other."""
        told = self.told.copy()
        for event in self.order:
            told[event] = self.uniform(*self.room(told, event, ahead=False), rng)
        return told

    def log_density(self, told: Floats) -> float:
        """Return the log-density of times as `anywhere` draws them."""
        total = 0.0
        for event in self.order:
            low, high = self.room(told, event, ahead=False)
            total -= float(np.log(high - low + 1.0 if self.grouped else max(high - low, 1e-300)))
        return total


def compile_open(model: Model, history: History, program: Program) -> Program:
    """Return a program that knows which of its events have open times.

    Parameters:
        program: the same, every event at the time that stands for its span; where the model cannot explain one there,
            others are looked for.

    Raises:
        FitError: no times in the spans are found that the model can explain.
    """
    from tocsin.program.joint_states import Observer

    numbers = history.numbers
    assert numbers.spans is not None
    spans = numbers.spans.take(program.observer.spoken)
    if spans.known.all():
        return program
    whole = replace(program, spans=spans)
    whole.__dict__["observer"] = program.observer
    first: FitError | None = None
    placer, rng = Placer(whole), np.random.default_rng(0)
    for attempt in range(TRIES):
        told = program.observer.told if attempt == 0 else placer.anywhere(rng)
        try:
            one = placed(whole, told)
            if one is None:
                program.observer(told)
            else:
                _ = one.likelihood
                found = replace(whole, observed=one.observed)
                observer = Observer(model, history, program.joint, program.opening.after)
                observer.told = told
                found.__dict__["observer"] = observer
                return found
        except FitError as error:
            first = first or error
    raise FitError(f"{first} (nor at any other of {TRIES} times in the spans)")


def open_likelihood(program: Program) -> Likelihood:
    """Return the likelihood of a program with open times: exact where they enter no other unit's hazard."""
    from tocsin.program.spans.exact import StagesLikelihood, heard_abroad, stages_of

    units = None if heard_abroad(program) else stages_of(program)
    if units is not None:
        return StagesLikelihood(program, units)
    from tocsin.program.spans.imputed import ImputedLikelihood

    return ImputedLikelihood(program)


# --- Draws of open times given parameters: one event after the other is offered another time in its
#     span
#
# Metropolis et al. (1953). An event that moves changes the causes that hear of its variable, and only these are swept
# again.


class Valuer:
    """The log-likelihood of a program at fixed parameters for one set of times after another."""

    def __init__(self, program: Program, vector: Floats) -> None:
        self.program, self.vector = program, vector
        self.grouped = is_grouped(program.history)
        opening = program.opening
        self.groups = [
            np.flatnonzero(opening.cause[:, TRANSITION] == k) for k in range(len(program.model.transitions))
        ]
        self.hear: list[list[int]] = []
        for variable in range(len(program.joint.names)):
            found: set[int] = set()
            for kind in (TARGETS_HEAR, SOURCES_HEAR):
                first, last = opening.listen_first[kind, variable : variable + 2]
                found |= {int(cause) for cause in opening.listen[first:last]}
            self.hear.append(sorted(found))
        self.everyone = list(range(len(program.causes)))

    def parts(self, told: Floats, causes: list[int], known: Parts) -> tuple[float, Parts]:
        """Return the log-likelihood at given times, and what each cause adds to it.

        Parameters:
            causes: the causes to look at anew; of the others `known` has the parts.
        """
        one = placed(self.program, told)
        if one is None:
            return -np.inf, known
        try:
            if self.grouped:
                return one.likelihood.value(self.vector), known
            parts = dict(known)
            for number in causes:
                cause = CauseData(one, number)
                parts[number] = cause.expected(self.vector), cause.events(self.vector, 0)[1].value
        except FitError:
            return -np.inf, known
        value = -sum(integral for integral, _ in parts.values())
        with np.errstate(divide="ignore"):
            for group in self.groups:
                if group.size:
                    value += float(np.log(np.sum([parts[int(c)][1] for c in group], axis=0)).sum())
        return (value if np.isfinite(value) else -np.inf), parts


class Sampler:
    """A chain of open times given parameters.

    Parameters:
        placer, program: whose times.
        vector: the parameters.
        told: where to begin (spoken events,), with a likelihood above zero.
        heat: of the density start^(1 - heat) likelihood^heat, in which the start is that of `Placer.anywhere`.
    """

    def __init__(
        self,
        placer: Placer,
        program: Program,
        vector: Floats,
        told: Floats,
        seed: list[int],
        heat: float = 1.0,
    ) -> None:
        self.placer, self.heat = placer, heat
        self.valuer = Valuer(program, vector)
        self.rng = np.random.default_rng(seed)
        self.told = told.copy()
        self.value, self.parts = self.valuer.parts(told, self.valuer.everyone, {})
        self.start = placer.log_density(told) if heat < 1.0 else 0.0

    def pass_(self) -> None:
        """Offer every open event another time, in an order drawn anew."""
        variable = self.placer.program.observer.variable
        for event in self.rng.permutation(self.placer.open).tolist():
            low, high = self.placer.room(self.told, event)
            if not (low < high or (self.placer.grouped and low == high)):
                continue
            told = self.told.copy()
            told[event] = self.placer.uniform(low, high, self.rng)
            chance = np.log(self.rng.random())
            if told[event] == self.told[event]:
                continue
            value, parts = self.valuer.parts(told, self.valuer.hear[variable[event]], self.parts)
            if value == -np.inf:
                continue
            gain = value - self.value
            start = self.start
            if self.heat < 1.0:
                start = self.placer.log_density(told)
                gain = self.heat * gain + (1.0 - self.heat) * (start - self.start)
            if chance < gain:
                self.told, self.value, self.parts, self.start = told, value, parts, start

    def draw(self, count: int, tune: int, between: int = 1) -> tuple[Floats, Floats]:
        """Return times (count, spoken events) and their log-likelihoods (count,)."""
        told, value = np.empty((count, self.told.size)), np.empty(count)
        for _ in range(tune):
            self.pass_()
        for k in range(count):
            for _ in range(between):
                self.pass_()
            told[k], value[k] = self.told, self.value
        return told, value


def draws_of_times(program: Program, vectors: Floats, seed: int, passes: int = 2) -> Floats:
    """Return times of the events under one parameter vector after another (D, spoken events), each given the record.

    Where a fit has drawn times already, each chain begins with one of these.

    Parameters:
        vectors: parameters (D, P).
        passes: how often all open events are offered another time under each; ten times as often where a chain has
            to begin anywhere.

    Raises:
        FitError: no times are found at which the record has a probability under some of the parameters.
    """
    placer = Placer(program)
    begun: Floats = getattr(program.likelihood, "told", np.empty((0, 0)))
    told, result = placer.told, np.empty((len(vectors), placer.told.size))
    for k, vector in enumerate(vectors):
        warm = k > 0 or len(begun) > 0
        chain = Sampler(placer, program, vector, begun[k % len(begun)] if len(begun) else told, [seed, k])
        for _ in range(2000):
            if chain.value > -np.inf:
                break
            warm, chain.told = False, placer.anywhere(chain.rng)
            chain.value, chain.parts = chain.valuer.parts(chain.told, chain.valuer.everyone, {})
        else:
            raise FitError(
                "no times in the spans are found at which the record has a probability under the parameters"
            )
        for _ in range(passes if warm else 10 * passes):
            chain.pass_()
        told = result[k] = chain.told
    return result
