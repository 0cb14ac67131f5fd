"""Programs whose events have open times: events known to lie in a span, put at one time after another."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from tocsin.errors import FitError
from tocsin.history.spans import Spans, precedence, tightened

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tocsin.history import History
    from tocsin.model import Model
    from tocsin.program.likelihood import Likelihood
    from tocsin.program.program import Program

    Floats = NDArray[np.float64]

TRIES = 2000  # times that are looked at to find one that the model can explain


def without_spans(program: Program) -> Program:
    """Return a program that takes every event at the time at which it stands."""
    return replace(program, spans=None)


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
    from tocsin.program.observe import Observer

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
    from tocsin.program.stages import StagesLikelihood, heard_abroad, stages_of

    units = None if heard_abroad(program) else stages_of(program)
    if units is not None:
        return StagesLikelihood(program, units)
    from tocsin.program.imputed import ImputedLikelihood

    return ImputedLikelihood(program)
