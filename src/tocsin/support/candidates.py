"""What can be given to whom: candidates of an allocation, and the worlds of each choice."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from tocsin.check.placebo import altered
from tocsin.errors import ModelError, TocsinError, suggestion
from tocsin.history.arrays import TieArrays
from tocsin.interventions.on_units import prevent
from tocsin.ledger.problems import refuse
from tocsin.wording.numbers import noun

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tocsin.ensemble.ensemble import Ensemble
    from tocsin.ensemble.parameter_draws import Draws
    from tocsin.history.history import History
    from tocsin.interventions.intervention import Intervention
    from tocsin.program.program import Program

    Floats = NDArray[np.float64]

MOST_LISTED = 12

NORMALISED = (
    " The model normalises exposure in this layer: a tie works by its share of all ties in force, however light it is, "
    "so weights say less than places and periods, and an even spread is left out."
)


@dataclass(frozen=True)
class Support:
    """A budget of tie weight from one unit in one layer: money, men, emissaries.

    The source's ties of the layer are taken away, and the budget is laid out anew over places and periods. One
    unit of budget keeps a tie of weight 1 for one period (the longest, if they differ).

    Parameters:
        layer: the layer.
        source: the unit that gives.
        budget: how much, in weight times periods.
        places: the units that may receive; all others by default.
        periods: how many equal parts the window is cut into, or a list of (first day, last day).
        step: weight that is added at a time.
        most: the greatest weight of one tie; by default the greatest that the record has in the layer, because
            the model was never fitted to a greater one.
    """

    layer: str
    source: str
    budget: float
    places: Sequence[str] | None = None
    periods: int | Sequence[tuple[Any, Any]] = 4
    step: float = 1.0
    most: float | None = None

    def options(self, program: Program) -> TieOptions:
        """Return the candidates in a program; raise ModelError with everything that is wrong."""
        return TieOptions.make(self, program)


@dataclass(frozen=True)
class Prevention:
    """A number of units that can be kept out of a state for the whole window.

    Parameters:
        clause: the state: ``regime=soviet``.
        budget: how many units.
        places: the units that may be chosen; all by default.
    """

    clause: str
    budget: int
    places: Sequence[str] | None = None

    def options(self, program: Program) -> BarOptions:
        """Return the candidates in a program; raise ModelError with everything that is wrong."""
        return BarOptions.make(self, program)


@dataclass(frozen=True)
class Luck:
    """What all choices share: parameters, and changes that hold in all worlds.

    Attributes:
        vector: parameters (P,).
        changes: interventions.
        draws: parameters for each world instead, in turn; or None.
    """

    vector: Floats
    changes: tuple[Intervention | str, ...] = ()
    draws: Draws | None = None

    def simulate(
        self, program: Program, worlds: int, seed: int, more: Sequence[Intervention] = ()
    ) -> Ensemble:
        """Return worlds of a program under these, and under some more changes."""
        from tocsin.ensemble.simulate import simulate

        return simulate(program, self.vector, worlds, seed, [*self.changes, *more], draws=self.draws)


@dataclass
class Options:
    """Candidates, what each costs, and the worlds of any choice among them.

    Attributes:
        program: the program that is changed.
        labels: place, first and last time of each candidate (cells); times are None where there are none.
        cost: budget that one step of each candidate takes (cells,).
        most: greatest weight of each candidate (cells,).
        step, budget: as declared.
    """

    program: Program
    labels: list[tuple[str, float | None, float | None]]
    cost: Floats
    most: Floats
    step: float
    budget: float

    def simulate(self, weights: Floats, luck: Luck, worlds: int, seed: int) -> Ensemble:
        """Return the worlds in which the candidates have these weights (cells,)."""
        raise NotImplementedError

    def in_the_record(self, luck: Luck, worlds: int, seed: int) -> dict[str, tuple[float, Ensemble]]:
        """Return, by name, the budget and the worlds of what the record did."""
        raise NotImplementedError

    @property
    def divisible(self) -> bool:
        """Return whether half the weight does half the work, so that a budget may be spread evenly."""
        return False

    def sentence(self) -> str:
        """Return what may be given."""
        raise NotImplementedError


@dataclass
class TieOptions(Options):
    """Ties from one source: a cell is a place and a period."""

    layer: str
    source: int
    target: NDArray[np.int32]
    start: Floats
    end: Floats

    @staticmethod
    def make(support: Support, program: Program) -> TieOptions:
        history, found = program.history, list[str]()
        numbers = history.numbers
        if support.layer not in history.layers:
            found.append(f"there is no layer {support.layer!r}" + suggestion(support.layer, history.layers))
        elif support.layer not in program.layers:
            found.append(
                f"no cause of the model runs along the layer {support.layer!r}"
                + suggestion(support.layer, program.layers)
            )
        if support.source not in numbers.unit_index:
            found.append(f"there is no unit {support.source!r}" + suggestion(support.source, numbers.units))
        places = _places(support.places, numbers.units, support.source, found)
        periods = _periods(support.periods, history, found)
        rows = numbers.ties.get(support.layer)
        greatest = float(rows.weight.max()) if rows is not None and rows.weight.size else support.step
        most = greatest if support.most is None else support.most
        _positive("budget", support.budget, found)
        _positive("step", support.step, found)
        _positive("most", most, found)
        if not found and support.step > most:
            found.append(
                f"a step of {support.step:g} is more than a tie may weigh ({most:g}): make step smaller"
            )
        refuse(found, "support")
        cells = [
            (place, numbers.unit_index[place], begin, finish)
            for place in places
            for begin, finish in periods
            if max(begin, numbers.enter[numbers.unit_index[place]])
            < min(finish, numbers.exit[numbers.unit_index[place]])
        ]
        if not cells:
            raise ModelError("support: none of the places is present in any of the periods")
        start, end = (np.array([cell[k] for cell in cells], dtype=np.float64) for k in (2, 3))
        cost: Floats = support.step * (end - start) / float((end - start).max())
        if not (cost <= support.budget * (1 + 1e-12)).any():
            raise ModelError(
                f"support: a budget of {support.budget:g} is less than one step of {support.step:g}"
            )
        return TieOptions(
            program=program,
            labels=[(place, begin, finish) for place, _, begin, finish in cells],
            cost=cost,
            most=np.full(len(cells), float(most)),
            step=float(support.step),
            budget=float(support.budget),
            layer=support.layer,
            source=numbers.unit_index[support.source],
            target=np.array([unit for _, unit, _, _ in cells], dtype=np.int32),
            start=start,
            end=end,
        )

    def simulate(self, weights: Floats, luck: Luck, worlds: int, seed: int) -> Ensemble:
        """Return the worlds in which the source has ties of these weights and no others in the layer."""
        live = np.flatnonzero(weights > 0)
        given = TieArrays(
            np.full(live.size, self.source, dtype=np.int32),
            self.target[live],
            np.asarray(weights[live], dtype=np.float64),
            self.start[live],
            self.end[live],
        )
        return self._worlds(self._with(given), luck, worlds, seed)

    def in_the_record(self, luck: Luck, worlds: int, seed: int) -> dict[str, tuple[float, Ensemble]]:
        """Return the worlds of the record's own ties, as they were and made as much as the budget."""
        own = self._own()
        unit = float((self.end - self.start).max())
        spent = float((own.weight * (own.end - own.start)).sum()) / unit
        if spent == 0:
            return {}
        equal = replace(own, weight=own.weight * (self.budget / spent))
        return {
            "record, as much": (self.budget, self._worlds(self._with(equal), luck, worlds, seed)),
            "record, as it was": (spent, self._worlds(self._with(own), luck, worlds, seed)),
        }

    @property
    def divisible(self) -> bool:
        """Return whether no cause of the layer is normalised: there a tie works by its share, however light."""
        return all(
            getattr(cause, "layer", None) != self.layer or getattr(cause, "normalise", None) is None
            for _, cause in self.program.causes
        )

    def sentence(self) -> str:
        """Return what may be given, and what a unit of budget is."""
        history = self.program.history
        length, clock = float((self.end - self.start).max()), f" {noun(history.clock, True)}"
        return (
            f"{history.numbers.units[self.source]} may lay out a budget of {self.budget:g} in the layer "
            f"{self.layer}, {self.step:g} at a time: one keeps a tie of weight 1 for {length:,g}{clock}, and no "
            f"tie weighs more than {self.most.max():g}." + ("" if self.divisible else NORMALISED)
        )

    def _rows(self) -> TieArrays:
        return self.program.history.numbers.ties[self.layer]

    def _own(self) -> TieArrays:
        rows = self._rows()
        return _chosen(rows, rows.source == self.source)

    def _with(self, given: TieArrays) -> TieArrays:
        rows = self._rows()
        others = _chosen(rows, rows.source != self.source)
        return TieArrays(
            *(
                np.concatenate([getattr(others, name), getattr(given, name)])
                for name in ("source", "target", "weight", "start", "end")
            )
        )

    def _worlds(self, rows: TieArrays, luck: Luck, worlds: int, seed: int) -> Ensemble:
        from tocsin.program.compile import join

        history = self.program.history
        numbers = replace(history.numbers, ties={**history.numbers.ties, self.layer: rows})
        # Only the ties are laid out anew: the designs of the program are kept.
        return luck.simulate(join(self.program.model, altered(history, numbers), self.program), worlds, seed)


@dataclass
class BarOptions(Options):
    """Units that are kept out of a state: a cell is a unit, its weight 0 or 1."""

    clause: str

    @staticmethod
    def make(prevention: Prevention, program: Program) -> BarOptions:
        found: list[str] = []
        numbers = program.history.numbers
        places = _places(prevention.places, numbers.units, None, found)
        budget = prevention.budget
        if isinstance(budget, bool) or not isinstance(budget, int | np.integer) or budget < 1:
            found.append(f"budget must be a number of units of at least 1, not {budget!r}")
        variable, sign, state = (part.strip() for part in prevention.clause.partition("="))
        if not sign or variable not in program.joint.names:
            found.append(
                f"cannot read {prevention.clause!r}: write variable=state"
                + suggestion(variable, program.joint.names)
            )
        else:
            try:
                program.model.by_name[variable].code(state)
            except TocsinError as error:
                found.append(str(error))
        refuse(found, "prevention")
        return BarOptions(
            program=program,
            labels=[(place, None, None) for place in places],
            cost=np.ones(len(places)),
            most=np.ones(len(places)),
            step=1.0,
            budget=float(budget),
            clause=f"{variable}={state}",
        )

    def simulate(self, weights: Floats, luck: Luck, worlds: int, seed: int) -> Ensemble:
        """Return the worlds in which the units of weight 1 never come into the state."""
        bars = [prevent(self.labels[cell][0], self.clause) for cell in np.flatnonzero(weights > 0)]
        return luck.simulate(self.program, worlds, seed, bars)

    def in_the_record(self, luck: Luck, worlds: int, seed: int) -> dict[str, tuple[float, Ensemble]]:
        """Return the worlds in which those are kept out that came into the state first in the record."""
        variable, _, state = self.clause.partition("=")
        seen, places = self.program.observed, [place for place, _, _ in self.labels]
        mine = (seen.variable == self.program.joint.index(variable)) & ~seen.early
        mine &= seen.state == self.program.model.by_name[variable].code(state)
        units = dict.fromkeys(self.program.history.numbers.units[unit] for unit in seen.unit[mine])
        first = [places.index(unit) for unit in units if unit in places][: int(self.budget)]
        if not first:
            return {}
        weights = np.zeros(len(places))
        weights[first] = 1.0
        return {"first in the record": (len(first), self.simulate(weights, luck, worlds, seed))}

    def sentence(self) -> str:
        """Return what may be prevented."""
        return f"{self.budget:g} units may be kept out of {self.clause} for the whole window."


def main_source(history: History, layer: str) -> str:
    """Return the unit that gives most in a layer of the record, in weight times time.

    Raises:
        ModelError: there is no such layer, or it has no ties.
    """
    if layer not in history.layers:
        raise ModelError(f"there is no layer {layer!r}" + suggestion(layer, history.layers))
    rows = history.numbers.ties.get(layer)
    if rows is None or not rows.weight.size:
        raise ModelError(f"the layer {layer!r} has no ties in the record: name the unit that gives")
    given = np.bincount(rows.source, weights=rows.weight * (rows.end - rows.start))
    return history.numbers.units[int(np.argmax(given))]


# --- checks ---------------------------------------------------------------------------------------------


def _places(
    wanted: Sequence[str] | None, units: Sequence[str], source: str | None, found: list[str]
) -> list[str]:
    if wanted is None:
        return [unit for unit in units if unit != source]
    places = [wanted] if isinstance(wanted, str) else list(dict.fromkeys(wanted))
    if not places:
        found.append("places: name at least one unit, or leave it out for all")
    unknown = [place for place in places if place not in units]
    for place in unknown[:MOST_LISTED]:
        found.append(f"places: there is no unit {place!r}" + suggestion(str(place), units))
    if len(unknown) > MOST_LISTED:
        found.append(f"places: {len(unknown) - MOST_LISTED} more are unknown")
    if source is not None and source in places:
        found.append(f"places: {source!r} is the source, which does not support itself")
    return places


def _periods(
    periods: int | Sequence[tuple[Any, Any]], history: History, found: list[str]
) -> list[tuple[float, float]]:
    first, last = float(history.numbers.start), float(history.numbers.end)
    if isinstance(periods, int | np.integer) and not isinstance(periods, bool):
        if not 1 <= periods <= 1000:
            found.append(f"periods: between 1 and 1000 parts of the window, not {periods}")
            return []
        edges = np.linspace(first, last, int(periods) + 1)
        edges = np.unique(np.round(edges)) if history.dated or history.grouped else edges
        return [(float(a), float(b)) for a, b in pairwise(edges)]
    made: list[tuple[float, float]] = []
    if isinstance(periods, str | bool) or not isinstance(periods, Sequence) or not len(periods):
        found.append(f"periods: a number of parts or a list of (first day, last day), not {periods!r}")
        return []
    for each in periods:
        try:
            begin, finish = each
            start, end = history.begins(begin), history.finishes(finish)
        except (TypeError, ValueError, TocsinError) as error:
            found.append(f"periods: {each!r} is no (first day, last day): {error}")
            continue
        if not first <= start < end <= last:
            found.append(f"periods: {begin} to {finish} does not lie in the window, or ends before it begins")
        made.append((float(start), float(end)))
    ordered = sorted(made)
    for (_, end), (start, _) in pairwise(ordered):
        if start < end:
            found.append("periods: two of them overlap")
            break
    return made


def _positive(name: str, value: Any, found: list[str]) -> None:
    number = isinstance(value, int | float | np.integer | np.floating) and not isinstance(value, bool)
    if not number or not 0 < value < float("inf"):
        found.append(f"{name} must be a number above 0, not {value!r}")


def _chosen(rows: TieArrays, chosen: NDArray[np.bool_]) -> TieArrays:
    return TieArrays(
        rows.source[chosen], rows.target[chosen], rows.weight[chosen], rows.start[chosen], rows.end[chosen]
    )
