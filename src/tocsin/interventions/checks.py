"""Whether what an intervention names exists: units, layers, ties, causes, covariates, states, dates."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

import numpy as np

from tocsin.errors import ModelError, TocsinError, suggestion
from tocsin.history.time import number_text
from tocsin.interventions import declared as d
from tocsin.model.declaration import BAR, Contagion
from tocsin.model.special_terms import cut_special
from tocsin.model.terms import categories_of
from tocsin.states import parse_clause

if TYPE_CHECKING:
    from tocsin.history.arrays import Numbers
    from tocsin.history.history import History
    from tocsin.model.model import Model


def check(
    intervention: d.Intervention, history: History, model: Model, numbers: Numbers | None = None
) -> None:
    """Raise ModelError where an intervention names what the history or the model does not have.

    Parameters:
        numbers: the history's arrays as earlier interventions left them; by default as they are.
    """
    now = history.numbers if numbers is None else numbers
    _Check(intervention, history, model, now).all()


def span(history: History, start: str | None, end: str | None) -> tuple[float, float]:
    """Return from where to where on the clock a row holds that runs from one date to another."""
    numbers = history.numbers
    first = float(numbers.start) if start is None else history.begins(start)
    last = float(numbers.end) if end is None else history.finishes(end)
    return max(first, float(numbers.start)), min(last, float(numbers.end))


def cause_names(model: Model) -> list[str]:
    """Return 'transition | cause' of every cause, in the order of programs."""
    return [f"{move.name}{BAR}{cause.name}" for move in model.transitions for cause in move.causes]


def covariate_names(numbers: Numbers) -> list[str]:
    """Return the covariates that are numbers, dated or not."""
    still = [name for name, column in numbers.static.items() if column.dtype.kind == "f"]
    return list(dict.fromkeys([*numbers.covariates, *still]))


class _Check:
    def __init__(
        self, intervention: d.Intervention, history: History, model: Model, numbers: Numbers
    ) -> None:
        self.it, self.history, self.model, self.numbers = intervention, history, model, numbers

    def refuse(self, why: str) -> ModelError:
        return ModelError(f"cannot {self.it}: {why}")

    def named(self, name: str, known: Iterable[str], what: str) -> None:
        if name not in (names := list(known)):
            raise self.refuse(f"there is no {what} {name!r}" + suggestion(name, names))

    def all(self) -> None:
        """Check every field by its name; what is particular to one kind follows."""
        fields: dict[str, Callable[[str], object]] = {
            "layer": lambda name: self.named(name, self.history.layers, "layer"),
            "unit": lambda name: self.named(name, self.numbers.units, "unit"),
            "source": lambda name: self.named(name, self.numbers.units, "unit"),
            "target": lambda name: self.named(name, self.numbers.units, "unit"),
            "cause": lambda name: self.named(name, cause_names(self.model), "cause"),
            "covariate": self.covariate,
            "start": self.date,
            "end": self.date,
            "at": self.date,
            "until": self.date,
        }
        for field, judge in fields.items():
            value = getattr(self.it, field, None)
            if value is not None:
                judge(value)
        self.order()
        if isinstance(self.it, d.ScaleLayer | d.ScaleTie | d.ScaleCause) and self.it.by < 0:
            raise self.refuse(
                "hazards cannot be negative"
                if isinstance(self.it, d.ScaleCause)
                else "weights cannot be negative"
            )
        if isinstance(self.it, d.RemoveTie | d.ScaleTie):
            self.tie(self.it)
        elif isinstance(self.it, d.AddTie):
            self.room(self.it)
        elif isinstance(self.it, d.SetParameter | d.ShiftParameter):
            pass  # the names of parameters are the program's: see `apply`
        elif isinstance(self.it, d._OfState):
            self.state(self.it)

    # --- dates ----------------------------------------------------------------------------------------------

    def date(self, when: str) -> None:
        history = self.history
        try:
            time = history.to_number(when)
        except TocsinError as error:
            raise self.refuse(str(error)) from None
        start, end = float(history.numbers.start), float(history.numbers.end)
        if not (start <= time < end if history.dated else history._clock.began(start) <= time <= end):
            if isinstance(self.it, d.Force | d.Lift):
                raise self.refuse(f"the unit is not present at {when}, which is outside the window")
            first, last = history.window
            raise self.refuse(f"{when} is outside the window, {first} to {last}")

    def order(self) -> None:
        start, end = getattr(self.it, "start", None), getattr(self.it, "end", None)
        if start is not None and end is not None:
            first, last = span(self.history, start, end)
            if not first < last:
                raise self.refuse(f"it would end, at {end}, before it begins, at {start}")

    # --- covariates -----------------------------------------------------------------------------------------

    def covariate(self, name: str) -> None:
        self.named(name, covariate_names(self.numbers), "covariate")
        for move in self.model.transitions:
            for cause in move.causes:
                formulas = (
                    [cause.susceptibility, cause.infectiousness]
                    if isinstance(cause, Contagion)
                    else [cause.formula]
                )
                for formula in formulas:
                    if formula is not None and name in categories_of(cut_special(formula).formula):
                        raise self.refuse(
                            f"{name!r} stands in the formula {formula!r} as categories, C(...), which "
                            "cannot be changed"
                        )

    # --- ties -----------------------------------------------------------------------------------------------

    def tie(self, it: d.RemoveTie | d.ScaleTie) -> None:
        """Refuse a tie that is in force neither in the history nor in what was made of it."""
        first, last = span(self.history, it.start, it.end)
        index = self.numbers.unit_index
        told = ""
        for numbers in (self.numbers, self.history.numbers):
            rows = numbers.ties.get(it.layer)
            if rows is None:
                continue
            pair = (rows.source == index[it.source]) & (rows.target == index[it.target])
            if (pair & (rows.start < last) & (rows.end > first)).any():
                return
            if pair.any():
                begin, finish = float(rows.start[pair].min()), float(rows.end[pair].max())
                told = f" then; it is in force between {self.between(begin, finish)}"
            elif not told:
                told = self.others(it, rows.source, rows.target)
        raise self.refuse(f"layer {it.layer!r} has no tie from {it.source!r} to {it.target!r}{told}")

    def others(self, it: d.RemoveTie | d.ScaleTie, source: np.ndarray, target: np.ndarray) -> str:
        units, index = self.numbers.units, self.numbers.unit_index
        if ((source == index[it.target]) & (target == index[it.source])).any():
            return f", only from {it.target!r} to {it.source!r}"
        found = [units[i] for i in np.unique(source[target == index[it.target]])]
        if not found:
            return f"; nothing reaches {it.target!r} there"
        listed = ", ".join(found[:8]) + (", ..." if len(found) > 8 else "")
        return f"; {it.target!r} is reached from: {listed}"

    def between(self, begin: float, finish: float) -> str:
        """Return 'FIRST and LAST' of a row that holds on (begin, finish]."""
        if self.history.dated:
            return f"{self.history.to_date(begin)} and {self.history.to_date(finish - 1)}"
        return f"{number_text(self.history._clock.began(begin))} and {number_text(finish)}"

    def room(self, it: d.AddTie) -> None:
        if not it.weight > 0:
            raise self.refuse("the weight of a tie must be above 0")
        rows = self.numbers.ties.get(it.layer)
        if rows is None or self.history.layers[it.layer] is not None:
            return
        first, last = span(self.history, it.start, it.end)
        index = self.numbers.unit_index
        there = (rows.source == index[it.source]) & (rows.target == index[it.target])
        there &= (rows.start < last) & (rows.end > first)
        if there.any():
            raise self.refuse(
                "the two are tied in this layer between "
                f"{self.between(float(rows.start[there].min()), float(rows.end[there].max()))}; "
                "say 'scale tie ...', or choose other dates"
            )

    # --- states ---------------------------------------------------------------------------------------------

    def state(self, it: d._OfState) -> None:
        try:
            parse_clause(it.clause, self.model.by_name)
        except ModelError as error:
            raise self.refuse(str(error)) from None
        states = self.model.by_name[it.variable].states
        if isinstance(it, d.Lift) and len(states) != 2:
            raise self.refuse(
                f"{it.variable!r} has {len(states)} states, so that what follows {it.state!r} must be said: "
                f"such as 'force {it.unit} {it.variable}={next(s for s in states if s != it.state)} at {it.at}'"
                if len(states) > 1
                else f"{it.variable!r} has no other state"
            )
        if isinstance(it, d.Force | d.Lift):
            time, unit = self.history.to_number(it.at), self.numbers.unit_index[it.unit]
            there = self.numbers.enter[unit] <= time <= self.numbers.exit[unit]
            if not there or self.numbers.absences.cover(np.array([unit]), np.array([time]))[0]:
                raise self.refuse(f"the unit is not present at {it.at}")
