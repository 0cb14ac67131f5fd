"""The laboratory behind the page: one history, its fitted model, and the last few sets of worlds."""

from __future__ import annotations

import dataclasses
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, NoReturn, TypeVar

import numpy as np

from tocsin.ensemble.ensemble import Ensemble
from tocsin.ensemble.paired import observed_world
from tocsin.errors import TocsinError, suggestion
from tocsin.explorer.downloads import Content
from tocsin.explorer.questions import Limits, QuestionReader, Refused, Scenario
from tocsin.explorer.submodel import Part, part_of
from tocsin.explorer.turns import go_on
from tocsin.model.followed_state import Wave, wave_in, wave_of
from tocsin.report.replay import Progress, fitted, open_history, open_model, plain_parameters, quiet

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tocsin.ensemble.parameter_draws import Draws, Stopped
    from tocsin.history.history import History
    from tocsin.model.learned import Learned
    from tocsin.model.model import Model
    from tocsin.program.program import Program

STOPPED = 0.5  # share of worlds without end beyond which a change is refused

ANSWERS = 64  # remembered

LETTERS = 64 * 1024 * 1024  # of them together

Key = TypeVar("Key", bound=Hashable)

Value = TypeVar("Value")


class KeptWorlds(Generic[Key, Value]):
    """The answers used last, each made once even if several ask for it together.

    Parameters:
        room: how many are kept.
        most: how many letters they may have together.
        weigh: how many one has.
    """

    def __init__(
        self, room: int, most: float = float("inf"), weigh: Callable[[Value], int] = lambda _: 0
    ) -> None:
        self._room, self._most, self._weigh = room, most, weigh
        self._weight = 0
        self._values: OrderedDict[Key, Value] = OrderedDict()
        self._making: dict[Key, threading.Lock] = {}
        self._lock = threading.Lock()

    def get(self, key: Key, make: Callable[[], Value]) -> Value:
        """Return the answer kept under a key, or make it and keep it in place of the one unused longest."""
        with self._lock:
            if key in self._values:
                self._values.move_to_end(key)
                return self._values[key]
            making = self._making.setdefault(key, threading.Lock())
        with making:
            with self._lock:
                if key in self._values:
                    return self._values[key]
            try:
                value = make()
            finally:
                with self._lock:
                    self._making.pop(key, None)
            with self._lock:
                if key not in self._values:
                    self._values[key] = value
                    self._weight += self._weigh(value)
                while self._values and (len(self._values) > self._room or self._weight > self._most):
                    self._weight -= self._weigh(self._values.popitem(last=False)[1])
            return value

    def found(self, key: Key) -> Value | None:
        """Return the answer kept under a key, or None."""
        with self._lock:
            if key in self._values:
                self._values.move_to_end(key)
            return self._values.get(key)

    def __contains__(self, key: object) -> bool:
        return key in self._values


class Laboratory:
    """A history, a model with parameters, and worlds drawn when they are asked for.

    Parameters:
        source: where the history comes from: a packaged name or a folder.
        history, model: what is explored.
        parameters: a value for every parameter of the model.
        limits: how much may be asked for.
        seed: the seed unless another is asked for.
        wave: the state that is shown first.
        model_source: the model's file, or None for the history's own.
        window: the narrower window that was asked for, as text.
        learned: what the model's formulas learnt where it was fitted.
        draws: of the parameters, from their uncertainty: the worlds have them in turn; None for the parameters alone.
        given: what worlds are given: ``nothing`` or ``until DATE``; None for what the question of the history says.

    Raises:
        FitError: the worlds cannot be simulated.
    """

    def __init__(
        self,
        source: str,
        history: History,
        model: Model,
        parameters: dict[str, float],
        limits: Limits,
        seed: int = 1917,
        wave: Wave | None = None,
        model_source: str | None = None,
        window: tuple[str | None, str | None] = (None, None),
        learned: Learned | None = None,
        draws: Draws | None = None,
        given: str | None = None,
    ) -> None:
        self.source, self.history, self.model = source, history, model
        self.parameters, self.limits, self.seed = parameters, limits, seed
        self.wave = wave or wave_of(model, None, history)
        self.model_source, self.window, self.draws = model_source, window, draws
        self.learned = learned
        self.program: Program = model.compile(history, learned)
        self.vector: NDArray[np.float64] = self.program.pack(parameters)
        self.reader = QuestionReader(history, model, self.wave, limits, seed, given)
        # Bytes as they are sent. What every visitor asks for is never let go, however much one asks beside it.
        self.answers: KeptWorlds[Any, Content] = KeptWorlds(ANSWERS, LETTERS, len)
        self.lasting: KeptWorlds[Any, Any] = KeptWorlds(10_000)
        self._worlds: KeptWorlds[Any, Ensemble] = KeptWorlds(limits.kept)
        # Worlds of the unchanged model are asked for all the time, so they are never let go.
        self._plain: KeptWorlds[Any, Ensemble] = KeptWorlds(1 + len(self.program.joint.names))
        self._parts: dict[str, Part] = {}
        self.standard, _ = self.reader.scenarios((), (), limits.worlds, seed)

    @cached_property
    def observed(self) -> Ensemble:
        """Return the record as an ensemble of one world."""
        return observed_world(self.history, self.model)

    @cached_property
    def pairs(self) -> list[Wave]:
        """Return the states that can be shown: the wave, and every state that a variable moves away to."""
        found = [self.wave]
        for variable in self.model.variables:
            found += [
                wave_in(self.history, variable.name, state)
                for state in variable.states
                if state != variable.initial
            ]
        return list(dict.fromkeys(found))

    def part(self, show: Wave | None) -> Part:
        """Return the part of the program that a state depends on; the whole where none is named."""
        name = "" if show is None else show.variable
        if name not in self._parts:
            self._parts[name] = (
                part_of(self.program, self.parameters, show.variable)
                if show is not None
                else Part(tuple(self.program.joint.names), self.program, self.vector)
            )
        return self._parts[name]

    def worlds(self, scenario: Scenario, show: Wave | None = None) -> Ensemble:
        """Return the worlds of a scenario, drawn now or remembered.

        Parameters:
            scenario: which worlds.
            show: the state that is asked about; worlds then hold only the variables on which it depends,
                with the same events as in the whole. By default they hold all.

        Raises:
            Refused: a sentence does not fit the history, or its worlds would have endlessly many events.
        """
        part = self.part(show)
        kept = self._plain if scenario == self.standard else self._worlds
        return kept.get((scenario, part.names), lambda: self._draw(scenario, part))

    def warm(self) -> None:
        """Draw the unchanged worlds, and ask all that loads libraries, so that no visitor waits for it."""
        from tocsin.explorer.answers import worlds_scene

        worlds_scene(self, self.standard, self.wave)
        for each in self.pairs:
            # The moves of every variable are sorted once and kept.
            self.worlds(self.standard, each).counts(each.variable, each.state)

    def at_hand(self, scenario: Scenario, show: Wave | None = None) -> bool:
        """Return whether the worlds of a scenario need not be drawn."""
        key = (scenario, self.part(show).names)
        return key in self._plain or key in self._worlds

    def _usual(self, part: Part) -> float:
        """Return the mean number of events of an unchanged world of a part."""
        worlds = self._plain.get((self.standard, part.names), lambda: self._draw(self.standard, part))
        return float(worlds.events.num_rows) / max(1, worlds.worlds)

    def _draw(self, scenario: Scenario, part: Part) -> Ensemble:
        from tocsin.ensemble.given_history import Setting
        from tocsin.ensemble.simulate import draw_all, frame_of_worlds, most_drawn, recipe_of
        from tocsin.program.condition import Condition

        try:
            self._check_parameters(scenario.do)
            do = part.concerned(scenario.do)
            recipe, changed = recipe_of(part.program, part.vector, scenario.seed, do)
            condition = Condition.parse(scenario.given, scenario.clocks, self.history)
            draws = None if self.draws is None else self.draws.some(part.program.parameter_names)
            if draws is not None:
                recipe = dataclasses.replace(recipe, most=most_drawn(part.program))
            if scenario.do:
                # A world of a what-if may be livelier than one without it, but not without end: the page is
                # answered from one machine, and its worlds must find room there.
                usual = self._usual(part)
                most = int(self.limits.swelling * max(usual, 100.0))
                recipe = dataclasses.replace(recipe, most=min(most, recipe.most))
            setting = Setting(part.program, changed, recipe, condition)
            recipe = setting.recipe(part.vector) if draws is None else setting.drawn(draws)
            frame = frame_of_worlds(changed.program, setting.shown)
            table, stops = draw_all(
                recipe, scenario.worlds, _refuser(changed, recipe.most), lambda done, of: go_on()
            )
        except Refused:
            raise
        except TocsinError as error:
            raise Refused(str(error), "do", 422) from None
        if len(stops) > STOPPED * scenario.worlds:
            _refuser(changed, recipe.most)(stops[0])
        shared = (self.history, scenario.do, scenario.given, self.draws, stops)
        return Ensemble(table, scenario.worlds, scenario.seed, frame, *shared)

    def _check_parameters(self, sentences: tuple[str, ...]) -> None:
        """Refuse parameters that the whole model does not have; a part may lack some of them."""
        from tocsin.interventions.on_hazards import OfParameter
        from tocsin.interventions.sentences import read

        for it in map(read, sentences):
            if isinstance(it, OfParameter):
                names = self.program.parameter_names
                if it.parameter not in names:
                    raise Refused(
                        f"there is no parameter {it.parameter!r}" + suggestion(it.parameter, names), "do"
                    )


def _refuser(changed: Any, most: int) -> Callable[[Stopped], NoReturn]:
    """Return what to do where drawing a world fails."""
    from tocsin.ensemble.simulate import _refuse
    from tocsin.kernels.simulation import ENDLESS

    def refuse(failure: Stopped) -> NoReturn:
        if failure.status == ENDLESS:
            raise Refused(
                f"with this change a world has more than {most:,} events, many times what it has without: "
                "change less, or use the command line, which has no such bound",
                "do",
                422,
            )
        _refuse(changed.program, failure)

    return refuse


def open_laboratory(
    history: str | Path | History,
    model: str | Path | Model | None = None,
    *,
    limits: Limits | None = None,
    seed: int = 1917,
    start: str | None = None,
    end: str | None = None,
    wave: str | None = None,
    draws: Any = "fit",
    borders: str | Path | None = None,
    scope: str | None = None,
    given: str | None = None,
    progress: Progress | None = None,
) -> Laboratory:
    """Fit a model to a history, draw its worlds, and return the laboratory ready to answer.

    Parameters:
        history: a history, a packaged name, or a folder.
        model: a model or its TOML file; by default the model that comes with the history.
        limits: how much a visitor may ask for.
        seed: the seed of the worlds.
        start, end: a narrower window.
        wave: the state to show first, such as ``regime=soviet``.
        draws: which parameters worlds have: ``fit`` (200 draws), ``best``, a number of draws, or draws themselves.
        borders: a file of outlines in place of the history's own.
        scope: a reading of the record, where the history has several.
        given: ``nothing`` or ``until DATE``; by default what the question of the history says.
        progress: called with what is being done, steps done and steps in all (0 where unknown).

    Raises:
        TocsinError: the history or the model are wrong, or the model cannot be fitted.
    """
    from tocsin.fit.draws_kept import draws_for

    tell = progress or quiet
    tell("loading the history", 0, 0)
    source, record = open_history(history, (start, end), borders, scope)
    model_source, declared = open_model(record, model)
    followed = wave_of(declared, wave, record)
    fit = fitted(declared, record, tell)
    parameters = plain_parameters(fit)
    drawn = draws_for(fit, fit.fitted_program, draws)
    laboratory = Laboratory(
        source,
        record,
        declared,
        parameters,
        limits or Limits(),
        seed,
        followed,
        None if model is None else model_source,
        (start, end),
        fit.learned,
        drawn,
        given,
    )
    tell("simulating worlds", 0, 0)
    laboratory.warm()
    return laboratory
