"""Random models with random histories, for the tests that compare the kernels with the readable twin."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from hypothesis import strategies as st

from tocsin.history.history import History
from tocsin.model.declaration import Transition, baseline, contagion
from tocsin.model.model import Model
from tocsin.states import StateVariable

UNITS = ("berlin", "cork", "delhi", "essen", "florence", "gyor")
STATES = (("old", "new"), ("low", "mid", "high"), ("yes",))
LENGTH = 12.0
FIRST = np.datetime64("1918-12-25")  # so that month and year change within the window


@dataclass(frozen=True)
class Case:
    """A model, a history, and whether every observed move of a moving variable is declared."""

    model: Model
    history: History
    whole: bool

    def params(self, names: list[str], seed: int) -> dict[str, float]:
        """Return a moderate value for every parameter: rates below one, responses around one."""
        rng = np.random.default_rng(seed)
        params = {}
        for name in names:
            role, term = name.split(" | ")[-2:]
            centre = {"propensity": -2.0, "susceptibility": -2.0}.get(role, 0.0) if term == "1" else 0.0
            centre = 0.7 if term == "half_life" else centre
            params[name] = float(rng.normal(centre, 0.4))
        return params


class Dice:
    """Throws of one seeded generator: hypothesis draws the sizes of a case, and dice fill it densely."""

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)

    def count(self, low: int, high: int) -> int:
        return int(self.rng.integers(low, high + 1))

    def chance(self, probability: float) -> bool:
        return bool(self.rng.random() < probability)

    def pick(self, choices: Sequence[Any]) -> Any:
        return choices[self.count(0, len(choices) - 1)]

    def some(self, choices: Sequence[Any], low: int, high: int) -> list[Any]:
        """Pick between `low` and `high` different ones of the choices."""
        size = min(self.count(low, max(low, high)), len(choices))
        return [choices[k] for k in self.rng.permutation(len(choices))[:size]]


@dataclass(frozen=True)
class Sizes:
    """How large a case is; hypothesis makes these small when a test fails."""

    units: int
    variables: int
    layers: int
    moves: int
    causes: int
    terms: int
    events: int
    ties: int
    rows: int


def _variables(dice: Dice, count: int) -> list[StateVariable]:
    found = []
    for name in ("v", "w", "u")[:count]:
        states = dice.pick(STATES)
        found.append(StateVariable(name, states, dice.pick(states), len(states) == 1 or dice.chance(0.4)))
    return found


def _clause(dice: Dice, variables: list[StateVariable]) -> str:
    parts = []
    for variable in dice.some(variables, 1, 2):
        parts.append(f"{variable.name}={'|'.join(dice.some(variable.states, 1, 2))}")
    return " and ".join(parts)


class _Formulas:
    """Random formulas over covariates, calendar and state variables."""

    def __init__(
        self,
        dice: Dice,
        variables: list[StateVariable],
        calendar: list[str],
        most: int,
        layers: Sequence[str] = (),
    ) -> None:
        names = [variable.name for variable in variables if len(variable.states) > 1]
        self.dice, self.most, self.calendar = dice, most, calendar
        self.variables, self.layers = variables, list(layers)
        self.terms = ["x", "z", "g", "y", "x:z", *names, *(f"x:{name}" for name in names)]

    def target(self) -> str:
        return " + ".join(
            ["1", *self.dice.some([*self.terms, *self.calendar], 0, self.most), *self.special()]
        )

    def special(self) -> list[str]:
        """Terms that follow exposures, where the case has such."""
        if not self.layers or self.dice.chance(0.3):
            return []
        options = [self.dice.pick(["", ", normalise=target"]), self.dice.pick(["", "", ", mark=z"])]
        inside = (
            f"exposure({self.dice.pick(self.layers)}, {_clause(self.dice, self.variables)}{''.join(options)})"
        )
        forms = [inside, f"above({inside}, {self.dice.pick([0, 0.5, 1.5])})", f"pieces({inside}, 0, 1, 2.5)"]
        if "mark" not in inside:  # some marks are negative
            forms.append(f"log1p({inside})")
        return [self.dice.pick(["", "", "x:", "g:"]) + self.dice.pick(forms)]

    def source(self) -> str | None:
        return " + ".join(self.dice.some(self.terms, 1, self.most)) if self.dice.chance(0.5) else None


def _causes(
    dice: Dice, formulas: _Formulas, variables: list[StateVariable], layers: list[str], most: int
) -> list[Any]:
    causes: list[Any] = [baseline(formulas.target())]
    for number in range(dice.count(0, most)):
        causes.append(
            contagion(
                dice.pick(layers),
                _clause(dice, variables),
                susceptibility=formulas.target(),
                infectiousness=formulas.source(),
                half_life=dice.pick([None, None, 0.7, 3.0, "estimate"]),
                normalise=dice.pick([None, "target"]),
                response=dice.pick([None, "power"]),
                name=f"cause {number}",
            )
        )
    return causes


def _transitions(
    dice: Dice, formulas: _Formulas, variables: list[StateVariable], layers: list[str], sizes: Sizes
) -> list[Transition]:
    found = []
    for variable in variables:
        others = [other for other in variables if other is not variable]
        moves = [(a, b) for a in variable.states for b in variable.states if a != b or variable.recurrent]
        chosen = dice.some(moves, 0, sizes.moves)
        while chosen:
            origin, to = chosen.pop()
            origins = [origin]
            if dice.chance(0.5):  # leave several states at once
                origins += [a for a, b in chosen if b == to]
                chosen = [move for move in chosen if move[1] != to]
            requires = _clause(dice, others) if others and dice.chance(0.3) else None
            causes = _causes(dice, formulas, variables, layers, sizes.causes)
            found.append(Transition(variable.name, origins, to, *causes, requires=requires))
    if found:
        return found
    to = variables[0].states[-1]
    rest = [state for state in variables[0].states if state != to] or [to]
    return [Transition("v", rest, to, *_causes(dice, formulas, variables, layers, sizes.causes))]


def _stretch(dice: Dice, dated: bool) -> tuple[float, float]:
    """A stretch that may begin before the window."""
    begin = dice.count(-2, int(LENGTH) - 2)
    end = dice.count(begin + 1, int(LENGTH))
    return (float(begin), float(end)) if dated else (begin + 0.25, float(end))


def _stretches(dice: Dice, count: int, dated: bool) -> list[tuple[float, float]]:
    """Stretches that follow one another, with or without holes."""
    cuts = sorted({dice.count(-2, int(LENGTH)) for _ in range(count + 1)})
    spans = [(float(a), float(b)) for a, b in pairwise(cuts)]
    kept = [span for span in spans if dice.chance(0.8)]
    return kept if dated else [(begin + 0.5, end + 0.5) for begin, end in kept if end < LENGTH]


def _absences(
    dice: Dice, variable: StateVariable, spans: dict[str, tuple[float, float]]
) -> dict[str, tuple[float, float, str | None]]:
    """Draw who is away for a while within its presence, and the state in which it returns, if its row says one."""
    found: dict[str, tuple[float, float, str | None]] = {}
    for unit, (enter, leave) in spans.items():
        if dice.chance(0.3):
            begin = float(dice.count(int(enter) + 1, int(leave) - 2))
            state = dice.pick([None, *variable.states])
            found[unit] = (begin, float(dice.count(int(begin) + 1, int(leave) - 1)), state)
    return found


def _events(
    dice: Dice, model: Model, spans: dict[str, tuple[float, float]], states: dict[str, dict[str, str]],
    sizes: Sizes, dated: bool, absences: dict[str, tuple[float, float, str | None]],
) -> tuple[list[tuple[Any, ...]], bool]:  # fmt: skip
    """Draw events that can happen: no repeated state unless it may recur, no barred transition."""
    partly = dice.chance(0.25)
    events: list[tuple[Any, ...]] = []
    complete, returned = True, set[str]()
    moved = {transition.variable for transition in model.transitions}
    step = 1.0 if dated else 0.5
    for time in sorted(step * dice.count(-3, int(LENGTH / step)) for _ in range(sizes.events)):
        unit = dice.pick(sorted(spans))
        enter, leave = spans[unit]
        if time > leave - (1 if dated else 0) or (time < enter and enter > 0):
            continue
        begin, back, state = absences.get(unit, (0.0, math.inf, None))
        if unit in absences and begin - (1 if dated else 0) < time <= back:
            continue
        if time > back and state is not None and unit not in returned:
            states[unit]["v"] = state
        if time > back:
            returned.add(unit)
        possible = []
        for variable in model.variables:
            held = states[unit][variable.name]
            for state in variable.states:
                if state == held and not variable.recurrent:
                    continue
                explained = [
                    each
                    for each in model.transitions
                    if (each.variable, each.to) == (variable.name, state) and held in each.origin
                ]
                given = time <= enter or variable.name not in moved
                ready = not explained or all(
                    states[unit][name] in allowed.split("|")
                    for name, allowed in (
                        p.split("=") for p in (explained[0].requires or "").split(" and ") if p
                    )
                )
                if given or (explained and ready) or (not explained and partly):
                    possible.append((variable.name, state, given or bool(explained)))
        if possible:
            name, state, known = dice.pick(possible)
            complete = complete and known
            states[unit][name] = state
            events.append((unit, name, state, time, len(events)))
    return events, complete


@st.composite
def cases(draw: Any, inside: bool = False) -> Case:
    """Draw a model and a history: 2-6 units, 1-3 variables, 1-3 layers, dated changes, all options.

    Parameters:
        inside: whether formulas of targets have exposures inside the exponent.
    """
    bounds = {"units": (2, 6), "variables": (1, 3), "layers": (1, 3), "moves": (1, 4), "causes": (0, 2),
              "terms": (1, 2), "events": (0, 40), "ties": (0, 12), "rows": (0, 3)}  # fmt: skip
    sizes = Sizes(**{name: draw(st.integers(low, high)) for name, (low, high) in bounds.items()})
    return build(sizes, draw(st.booleans()), draw(st.integers(0, 2**32 - 1)), draw(st.booleans()), inside)


def build(sizes: Sizes, dated: bool, seed: int, away: bool = False, inside: bool = False) -> Case:
    """Make the case of these sizes and this seed.

    Parameters:
        away: whether units may be absent for a while; inside: whether formulas have exposures inside the exponent.
    """
    dice = Dice(seed)
    units = UNITS[: sizes.units]
    variables = _variables(dice, sizes.variables)
    layers = ["land", "press", "party"][: sizes.layers]
    calendar = ["t", "month", "C(year)"] if dated else ["t"]
    formulas = _Formulas(dice, variables, calendar, sizes.terms, layers if inside else ())
    model = Model(variables, _transitions(dice, formulas, variables, layers, sizes))

    spans = {unit: (dice.pick([0.0, 0.0, 0.0, 3.0]), dice.pick([LENGTH, LENGTH, 9.0])) for unit in units}
    table: dict[str, list[Any]] = {"unit": list(units)}
    table["enter"] = [spans[unit][0] for unit in units]
    table["exit"] = [spans[unit][1] for unit in units]
    table["z"] = [dice.pick([-1.0, 0.0, 0.5, 2.0]) for _ in units]
    table["g"] = [("rural", "urban")[number % 2] for number in range(len(units))]
    states = {unit: {each.name: str(each.initial) for each in variables} for unit in units}
    if dice.chance(0.5):
        table["v"] = [dice.pick(variables[0].states) for _ in units]
        for unit, state in zip(units, table["v"], strict=True):
            states[unit]["v"] = state
    absences = _absences(Dice(seed + 1), variables[0], spans) if away else {}
    events, whole = _events(dice, model, spans, states, sizes, dated, absences)

    ties: list[tuple[Any, ...]] = []
    for layer in layers:
        for _ in range(sizes.ties):
            ties.append(
                (
                    layer,
                    dice.pick(units),
                    dice.pick(units),
                    dice.pick([0.5, 1.0, 2.0]),
                    *_stretch(dice, dated),
                )
            )
    covariates: list[tuple[Any, ...]] = []
    for name in ("x", "y"):
        for unit in dice.some([*units, "*"], 0, len(units)):
            for span in _stretches(dice, sizes.rows, dated):
                covariates.append((unit, name, dice.pick([-1.0, 0.0, 1.0, 1.5]), *span))

    def when(time: float) -> Any:
        return str(FIRST + int(time)) if dated else time

    def last(time: float) -> Any:  # a dated row holds its last day
        return when(time - 1) if dated else time

    def rows(columns: str, tuples: list[tuple[Any, ...]]) -> dict[str, list[Any]] | None:
        names = columns.split()
        found = {name: [row[position] for row in tuples] for position, name in enumerate(names)}
        for name, change in (("time", when), ("start", when), ("enter", when), ("end", last), ("exit", last)):
            if name in found:
                found[name] = [change(value) for value in found[name]]
        return found if tuples else None

    for unit, (begin, back, state) in absences.items():  # a second row: it goes for a while and comes back
        place = table["unit"].index(unit)
        for column in table.values():
            column.append(column[place])
        table["exit"][place], table["enter"][-1] = begin, back
        if state is not None:
            table.setdefault("v", [None] * len(table["unit"]))[-1] = state
        elif "v" in table:
            table["v"][-1] = None
    table["enter"], table["exit"] = [when(t) for t in table["enter"]], [last(t) for t in table["exit"]]
    history = History(
        table,
        rows("unit variable state time sequence", events),
        rows("layer source target weight start end", ties),
        rows("unit covariate value start end", covariates),
        variables=variables,
        window=(when(0.0), last(LENGTH)),
        layers=dict.fromkeys(layers, dice.pick(["max", "sum"])),
        outside={"x": 0.0, "y": 0.5},
    )
    return Case(model, history, whole)
