"""Choices behind the model of 1917: other records, memories, reasons at home, and orders within a day.

Each choice is a history or a model made with the public interface; `model_1917.py` prints what it leads to.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

import tocsin as tc
from tocsin.model.declaration import Baseline, Cause, Contagion

EXAMPLE = ("common_empire", "language", "land_border")  # what is seen
SUPPORT = ("pow_return", "comintern")  # who is sent
ARMY = "red_army"
DAY = pd.Timedelta(days=1)
ONSET = "regime: old > soviet"

Names = Mapping[str, str]


def rebuilt(
    history: tc.History, events: pd.DataFrame, states: Sequence[str] = ("old", "soviet")
) -> tc.History:
    """Return the history with other events, and if wished with more states of `regime`."""
    others = [v for v in history.variables if v.name != "regime"]
    return tc.History(
        history.units,
        events,
        history.ties,
        history.covariates,
        variables=[tc.StateVariable("regime", list(states)), *others],
        window=history.window,
        layers=history.layers,
        clock=history.clock,
        outside=history.outside,
        extra=history.extra,
        name=history.name,
    )


def without_republics(history: tc.History, column: str, value: str) -> tc.History:
    """Return the history without the soviet republics whose `scope` or `origin` is the value."""
    events = history.events
    return rebuilt(history, events[(events["variable"] != "regime") | (events[column] != value)])


def imported_as_given(history: tc.History) -> tc.History:
    """Return the history in which imported republics are a state of their own, `occupied`, not explained.

    A place under an imported republic is not at risk, and it may be an example to others.
    """
    events = history.events.copy()
    imported = (
        (events["variable"] == "regime") & (events["origin"] == "imported") & (events["state"] == "soviet")
    )
    events.loc[imported, "state"] = "occupied"
    return rebuilt(history, events, ("old", "soviet", "occupied"))


def first_republics(history: tc.History) -> tc.History:
    """Return the history in which a fallen republic leaves a state `fallen`, so that only firsts count."""
    events = history.events.copy()
    events.loc[(events["variable"] == "regime") & (events["state"] == "old"), "state"] = "fallen"
    return rebuilt(history, events, ("old", "soviet", "fallen"))


@dataclass(frozen=True)
class Record:
    """One reading of the record: its name, its history, and the states of a source that count as soviet."""

    name: str
    history: tc.History
    soviet: str = "soviet"


def records(history: tc.History) -> list[Record]:
    """Return the readings of the record that stand side by side."""
    core = without_republics(history, "scope", "broad")
    return [
        Record("all republics", history),
        Record("core scope", core),
        Record("all but imported", without_republics(history, "origin", "imported")),
        Record("core, not imported", without_republics(core, "origin", "imported")),
        Record("imported taken as given", imported_as_given(history), "soviet|occupied"),
        Record("first of each place", first_republics(history)),
    ]


def onset(model: tc.Model) -> tc.Transition:
    """Return the transition by which a soviet republic is proclaimed."""
    return next(transition for transition in model.transitions if transition.name == ONSET)


def alone(record: Record, causes: Sequence[Cause]) -> tc.Model:
    """Return the model of the onset of soviet republics alone, fit for a reading of the record.

    The likelihood has one factor for each transition, so that a gain found here is the gain in the whole.
    """
    fitting = [
        replace(cause, when=f"regime={record.soviet}") if isinstance(cause, Contagion) else cause
        for cause in causes
    ]
    return tc.Model(record.history.variables, [tc.Transition("regime", "old", "soviet", *fitting)])


def chosen(transition: tc.Transition, layers: Sequence[str] | None = None) -> list[Cause]:
    """Return the baseline of a transition and its contagions along the layers (all by default)."""
    return [
        cause
        for cause in transition.causes
        if isinstance(cause, Baseline) or layers is None or cause.layer in layers
    ]


def with_memory(causes: Sequence[Cause], half_life: str | float | None) -> list[Cause]:
    """Return the causes with another half-life of all examples; support and armies count while they last."""
    return [
        tc.contagion(cause.layer, cause.when, cause.susceptibility, half_life=half_life)  # type: ignore[arg-type]
        if isinstance(cause, Contagion) and cause.layer in EXAMPLE
        else cause
        for cause in causes
    ]


def at_home(causes: Sequence[Cause], formula: str) -> list[Cause]:
    """Return the causes with another formula of the baseline."""
    return [replace(cause, formula=formula) if isinstance(cause, Baseline) else cause for cause in causes]


def home_formulas(transition: tc.Transition) -> dict[str, str]:
    """Return other reasons at home that could pass for contagion, by what they are called."""
    formula = next(cause.formula for cause in transition.causes if isinstance(cause, Baseline))
    return {
        "as packaged": formula,
        "a rate for each year": f"{formula} + C(year)",
        "a monarchy": f"{formula} + monarchy",
        "defeat": f"{formula} + defeated",
        "at war": f"{formula} + war_belligerent",
        "industry": f"{formula} + industrial_share",
        "a communist party": f"{formula} + party",
        "a rising": f"{formula} + order",
        "hunger alone": "1 + food_crisis",
        "one rate for all": "1",
    }


@dataclass(frozen=True)
class Numbered:
    """The record in numbers of days, in which the events of one day can be put into any order."""

    of: tc.History

    def _tables(self) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
        first = pd.Timestamp(self.of.window[0])
        units, ties, covariates = self.of.units.copy(), self.of.ties.copy(), self.of.covariates.copy()
        for table, begin, end in (
            (units, "enter", "exit"),
            (ties, "start", "end"),
            (covariates, "start", "end"),
        ):
            table[begin] = (table[begin] - first) / DAY
            table[end] = (table[end] - first) / DAY + 1.0  # a dated row holds to the end of its last day
        return units, ties, covariates

    def draw(self, rng: np.random.Generator | None) -> tc.History:
        """Return the history with every event moved back by a random part of a day (without `rng` by none).

        Back and not forward, so that an event still does not see a tie that begins on its own day.
        """
        units, ties, covariates = self._tables()
        first, last = (pd.Timestamp(day) for day in self.of.window)
        events = self.of.events.copy()
        events["time"] = (events["time"] - first) / DAY
        if rng is not None:
            events["time"] -= 0.999 * rng.random(len(events))
        return tc.History(
            units,
            events,
            ties,
            covariates,
            variables=self.of.variables,
            window=(0.0, (last - first) / DAY + 1.0),
            layers=self.of.layers,
            outside=self.of.outside,
            extra=self.of.extra,
            name=self.of.name,
        )
