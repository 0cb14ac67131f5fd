"""What a history says at a moment, looked up row by row, for the readable twin in `tocsin.twin.hazard`.

Everything is read by left limits: a row of ties, covariates or presence holds on (start, end].
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import cache
from itertools import product
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd

from tocsin.model.declaration import Baseline, Contagion, Transition, specials_of
from tocsin.model.formula import argument_of, check_formula, design_matrix
from tocsin.model.model import Model
from tocsin.model.special_terms import Special, age_columns, age_formula, age_of, cut_special
from tocsin.model.terms import factors_of, transforms_of
from tocsin.model.transforms import cuts_of, learn, piece_names, pieces
from tocsin.states import parse_clause

if TYPE_CHECKING:
    from tocsin.history.history import History

CALENDAR = ("t", "month", "year")

ROLES = ("formula", "susceptibility", "infectiousness")

States = dict[str, str]


@cache
def names_in(formula: str) -> tuple[str, ...]:
    """Return the names of a formula, apart from terms that follow the course of events."""
    cut = cut_special(formula)
    ours = {each.name for each in cut.specials}
    return tuple(name for name in check_formula(cut.formula) if name not in ours)


age_in = cache(age_of)


def target_formula(cause: Any) -> str:
    """Return the formula of the unit at risk."""
    return str(cause.formula if isinstance(cause, Baseline) else cause.susceptibility)


class Move(NamedTuple):
    """An observed event: a unit enters a state of a variable."""

    time: float
    unit: str
    variable: str
    state: str


class RecordLookup:
    """A history as a model reads it: what is in force at a moment, and the terms of formulas."""

    def __init__(self, model: Model, history: History) -> None:
        self.model, self.history = model, history
        numbers = self.numbers = history.numbers
        self.units, self.start, self.end = numbers.units, float(numbers.start), float(numbers.end)
        spans = zip(numbers.enter, numbers.exit, strict=True)
        self.presence = {unit: (float(a), float(b)) for unit, (a, b) in zip(self.units, spans, strict=True)}
        # Absences, and the states in which units return: no events.
        away = numbers.absences
        self.absences: dict[str, list[tuple[float, float]]] = {}
        for i, start, end in zip(away.unit, away.start, away.end, strict=True):
            self.absences.setdefault(self.units[i], []).append((float(start), float(end)))
        back = numbers.returns
        self.returns = [
            Move(float(time), self.units[i], variable.name, variable.states[state])
            for time, i, v, state in zip(back.time, back.unit, back.variable, back.state, strict=True)
            if (variable := history.variables[v]).name in model.by_name
        ]
        # (layer, target) -> rows (source, weight, start, end), sources in the order of the units
        self.ties: dict[tuple[str, str], list[tuple[str, float, float, float]]] = {}
        layers = {cause.layer for cause in self.causes() if isinstance(cause, Contagion)}
        for layer in layers | {each.layer for cause in self.causes() for each in self.specials(cause)}:
            if (ties := numbers.ties.get(layer)) is not None:
                columns = (ties.source, ties.target, ties.weight, ties.start, ties.end)
                for j, i, *row in sorted(zip(*columns, strict=True)):
                    rows = self.ties.setdefault((layer, self.units[i]), [])
                    rows.append((self.units[j], *(float(x) for x in row)))
        # (covariate, unit, or None for all units) -> rows (value, start, end)
        self.rows: dict[tuple[str, str | None], list[tuple[float, float, float]]] = {}
        for name, table in numbers.covariates.items():
            for i, *row in zip(table.unit, table.value, table.start, table.end, strict=True):
                unit = None if i < 0 else self.units[i]
                self.rows.setdefault((name, unit), []).append((float(row[0]), float(row[1]), float(row[2])))
        # What is known by month or year stands at the end of its interval, whose start it saw; period k ends at
        # k.
        late = 1.0 if history.clock in ("month", "year") else 0.0
        events = (numbers.event_time + late, numbers.event_unit, numbers.event_variable, numbers.event_state)
        self.moves = [
            Move(float(time), self.units[i], variable.name, variable.states[state])
            for time, i, v, state in zip(*events, strict=True)
            if (variable := history.variables[v]).name in model.by_name and time <= self.end
        ]
        # Asked again and again with the same answer.
        self.covariate, self.terms = cache(self.covariate), cache(self.terms)  # type: ignore[method-assign]
        self.clause = cache(self.clause)  # type: ignore[method-assign]
        # Since when the unit has been in the state that it holds on entry, where that is known.
        self.since = {
            (unit, variable): float(since[i])
            for variable, since in numbers.since.items()
            for i, unit in enumerate(self.units)
            if not math.isnan(since[i])
        }
        ages = [age_in(target_formula(cause)) for cause in self.causes()]
        self.cuts = sorted({cut for age in ages if age is not None for cut in age.cuts})

    def meets_unknown(self, transition: Transition) -> bool:
        """Tell whether a unit enters in a state that the transition leaves, and nobody knows since when."""
        variable = transition.variable
        for i, unit in enumerate(self.units):
            before = [m for m in self.moves + self.returns if (m.unit, m.variable) == (unit, variable)]
            if any(move.time <= self.presence[unit][0] for move in before) or (unit, variable) in self.since:
                continue
            states = next(each.states for each in self.history.variables if each.name == variable)
            if states[self.numbers.initial[variable][i]] in transition.origin:
                return True
        return False

    def causes(self) -> list[Any]:
        """Return all causes of the model."""
        return [cause for transition in self.model.transitions for cause in transition.causes]

    def specials(self, cause: Any) -> tuple[Special, ...]:
        """Return the terms of a cause that follow exposures."""
        return tuple(each for each in specials_of(cause) if each.layer)

    def beginning(self) -> dict[str, States]:
        """Return the states of each unit before any event: those on entry."""
        initial, known = self.numbers.initial, self.history.variables
        variables = [variable for variable in known if variable.name in self.model.by_name]
        return {
            unit: {variable.name: variable.states[initial[variable.name][i]] for variable in variables}
            for i, unit in enumerate(self.units)
        }

    def present(self, unit: str, when: float) -> bool:
        """Tell whether a unit is present: at risk, and able to send."""
        enter, leave = self.presence[unit]
        away = any(start < when <= end for start, end in self.absences.get(unit, []))
        return enter < when <= leave and not away

    def weights(self, layer: str, target: str, when: float) -> dict[str, float]:
        """Return the weight of each tie in force to a target from a present source."""
        return {
            source: weight
            for source, weight, start, end in self.ties.get((layer, target), [])
            if start < when <= end and self.present(source, when)
        }

    def covariate(self, name: str, unit: str, when: float) -> Any:
        """Return a calendar term or a covariate of a unit, or None where it is missing.

        The unit's own row comes before a row for all units, that before a column of the units, that before
        the value which the history declares outside the rows.
        """
        if name in CALENDAR:
            return self.calendar(name, when)
        for key in ((name, unit), (name, None)):
            for value, start, end in self.rows.get(key, []):
                if start < when <= end:
                    return value
        if name in self.numbers.static:
            value = self.numbers.static[name][self.numbers.unit_index[unit]]
            if isinstance(value, str):
                return value
            if value is not None and not math.isnan(value):
                return float(value)
        return self.history.outside.get(name)

    def calendar(self, name: str, when: float) -> float | int:
        """Return `t`, `month` or `year`, which are constant on each (k, k + 1] of the clock."""
        k = math.ceil(when - self.start) - 1
        if self.history.clock in ("number", "continuous"):
            return self.start + k
        if self.history.clock == "step":
            return self.start + k + 1.0
        if name == "t":
            return float(k)
        first = pd.Timestamp(str(self.history.window[0]))
        if self.history.clock == "day":
            day = first + pd.Timedelta(days=k)
            return day.month if name == "month" else day.year
        months = 12 * first.year + first.month - 1 + (k if self.history.clock == "month" else 12 * k)
        return months % 12 + 1 if name == "month" else months // 12

    def moments(self) -> list[float]:
        """Return every moment of the window at which something given may change, and its end."""
        found = {self.end, *(move.time for move in self.moves)}
        found.update(time for span in self.presence.values() for time in span)
        found.update(time for spans in self.absences.values() for span in spans for time in span)
        found.update(move.time for move in self.returns)
        found.update(time for rows in self.ties.values() for row in rows for time in row[2:])
        found.update(time for rows in self.rows.values() for row in rows for time in row[1:])
        formulas = [
            formula for cause in self.causes() for role in ROLES if (formula := getattr(cause, role, None))
        ]
        if any(name in CALENDAR for formula in formulas for name in names_in(formula)):
            found.update(self.start + k for k in range(math.ceil(self.end - self.start)))
        return sorted(time for time in found if self.start < time <= self.end)

    def terms(
        self, formula: str, intercept: bool, unknown: bool = False
    ) -> tuple[list[str], dict[tuple[Any, ...], list[float]]]:
        """Return the names of a formula's terms, and their values by the values of the names that it uses.

        All values that present units meet are put into one frame, so that each category is known. The last of the
        values is the level of the age of the unit's state, 0 where the formula has none.
        """
        names = names_in(formula)
        outer = [name for name in names if name not in self.model.by_name]
        inner = [self.model.by_name[name] for name in names if name in self.model.by_name]
        met = [(unit, when) for unit in self.units for when in self.moments() if self.present(unit, when)]
        met += [(move.unit, move.time) for move in self.moves if not intercept]  # the marks of early entries
        values = dict.fromkeys(tuple(self.covariate(name, *place) for name in outer) for place in met)
        said, cut = formula, cut_special(formula)
        formula, specials = cut.formula, [each for each in cut.specials if each.layer]
        age = age_in(said)
        of_age = {} if age is None else age_columns(age, unknown)
        levels = range(max([1, *(len(column) for column in of_age.values())]))
        choices = [*(each.states for each in inner), *(each.levels or (1.0,) for each in specials), levels]
        keys = [(*row, *states) for row in values for states in product(*choices)]
        order = [*outer, *(variable.name for variable in inner), *(each.name for each in specials)]
        frame = pd.DataFrame([key[:-1] for key in keys], columns=order, index=range(len(keys)))
        for name in outer:
            if name not in ("month", "year") and not any(isinstance(value, str) for value in frame[name]):
                frame[name] = frame[name].astype(float)
        for name in outer:  # a category has the levels that are met, in the order that the history declares
            if name in self.history.levels and any(isinstance(value, str) for value in frame[name]):
                known = [level for level in self.history.levels[name] if level in set(frame[name])]
                frame[name] = pd.Categorical(frame[name], categories=known)
        for variable in inner:
            frame[variable.name] = pd.Categorical(frame[variable.name], categories=list(variable.states))
        for each in specials:
            if each.levels:
                frame[each.name] = pd.Categorical(frame[each.name], categories=list(each.levels))
        for name, column in of_age.items():
            frame[name] = [column[key[-1]] for key in keys]
            if isinstance(column[0], str):
                frame[name] = pd.Categorical(frame[name], categories=column)
        learnt = {}
        for text, node in transforms_of(formula).items():
            bent = argument_of(formula, node, frame)
            if node.function == "pieces":
                cuts = cuts_of(node, *self.reach(node.argument, bent))
                piece = pieces(bent, cuts)
                there = [name for name in piece_names(cuts) if name in set(piece)]
                frame[text] = pd.Categorical(piece, categories=there)
            else:
                learnt[text] = learn(
                    node, *self.weighed(formula, outer, dict(zip(keys, bent, strict=True)), choices)
                )
        matrix, found = design_matrix(age_formula(said, unknown), frame, intercept, learnt)
        return found, {key: [float(x) for x in row] for key, row in zip(keys, matrix, strict=True)}

    def reach(self, argument: str, values: Any) -> tuple[float, float]:
        """Return the least and the greatest value of what pieces cut: of t, those of the window."""
        if argument == "t":
            first = self.start if self.history.clock in ("number", "continuous", "step") else 0.0
            return first, first + self.end - self.start
        return float(min(values)), float(max(values))

    def weighed(
        self, formula: str, outer: list[str], bent: Mapping[tuple[Any, ...], float], inner: list[Any]
    ) -> tuple[Any, Any]:
        """Return the values that each unit has, and how long it is there with them; that sums to the units."""
        states = tuple(choice[0] for choice in inner)
        spent: dict[tuple[str, float], float] = {}
        for unit in self.units:
            before = self.start
            for when in self.moments():
                key = (*(self.covariate(name, unit, when) for name in outer), *states)
                if self.present(unit, when) and not any(isinstance(x, float) and math.isnan(x) for x in key):
                    place = (unit, float(bent[key]))
                    spent[place] = spent.get(place, 0.0) + when - before
                before = when
        time = np.array(list(spent.values()))
        units = len({unit for unit, _ in spent})
        return np.array([value for _, value in spent]), time * units / time.sum()

    def row(
        self,
        formula: str,
        unit: str,
        states: States,
        when: float,
        intercept: bool = True,
        felt: Mapping[str, float] | None = None,
        level: int = 0,
        unknown: bool = False,
    ) -> dict[str, float]:
        """Return the terms of a formula for a unit in given states; not a number where a value is missing.

        Parameters:
            felt: the exposure that each special term follows, by the term's name.
            level: of the age of its state; unknown: whether the formula has a level for unknown ages.
        """
        felt = felt or {}
        columns, values = self.terms(formula, intercept, unknown)
        inner = self.model.by_name
        outer = [self.covariate(name, unit, when) for name in names_in(formula) if name not in inner]
        specials = [each for each in cut_special(formula).specials if each.layer]
        held = [states[name] for name in names_in(formula) if name in inner]
        key = (*outer, *held, *(self.level_at(each, felt[each.name]) for each in specials), level)
        row = dict(zip(columns, values[key], strict=True))
        for each in specials:
            if not each.levels:
                by = self.number(each, felt[each.name])
                row = {term: x * by if each.name in factors_of(term) else x for term, x in row.items()}
        return row

    def level_at(self, special: Special, exposure: float) -> str | float:
        """Return in which of its levels an exposure lies; 1 where the term is a number, which multiplies it."""
        above = sum(self.exceeds(exposure, cut) for cut in special.cuts)
        return special.levels[above] if special.levels else 1.0

    def number(self, special: Special, exposure: float) -> float:
        """Return a term that is a number: the exposure, log(1 + it), or whether it lies above a bound."""
        if special.form == "above":
            return float(self.exceeds(exposure, special.cuts[0]))
        return math.log1p(exposure) if special.form == "log1p" else exposure

    def exceeds(self, exposure: float, cut: float) -> bool:
        """Tell whether an exposure lies above a cut by more than what sums of weights leave behind."""
        return exposure - cut > 1e-9 * max(1.0, abs(cut))

    def clause(self, text: str | None) -> Mapping[str, frozenset[str]]:
        """Return the states of each variable that satisfy a clause; no clause is always satisfied."""
        return {} if text is None else parse_clause(text, self.model.by_name)

    def holds(self, clause: str | None, states: States) -> bool:
        """Tell whether ``regime=soviet and army=mutinous``, say, holds for a unit in these states."""
        return all(states[name] in allowed for name, allowed in self.clause(clause).items())

    def repeats(self, variable: str, held: str, entered: list[str]) -> bool:
        """Tell whether events of one interval are a count: all into one state, by a transition that starts from
        the state held and from the one that it enters, or, unexplained, within the state held.
        """
        found = self.explains(variable, held, entered[0])
        if set(entered) != {entered[0]}:
            return False
        return held == entered[0] if found is None else entered[0] in found.origin

    def explains(self, variable: str, origin: str, state: str) -> Transition | None:
        """Return the transition of the model that explains a move, or None if the move is taken as given."""
        for transition in self.model.transitions:
            if (transition.variable, transition.to) == (variable, state) and origin in transition.origin:
                return transition
        return None
