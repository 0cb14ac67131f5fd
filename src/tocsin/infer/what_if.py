"""What if: worlds with a change beside the same worlds without it, and what that says in words and numbers."""

from __future__ import annotations

import html
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import pandas as pd

from tocsin.ensemble.chains import Chains, chains_of
from tocsin.ensemble.paired import Paired
from tocsin.errors import ModelError, TocsinError, suggestion
from tocsin.infer.what_if_words import sentences
from tocsin.program.given import CLOCKS, Condition
from tocsin.program.interventions import parse_all
from tocsin.words import parse_clause

if TYPE_CHECKING:
    from tocsin.history import History
    from tocsin.infer.given import Given
    from tocsin.program import Program
    from tocsin.program.interventions import Intervention

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, eq=False)
class WhatIf:
    """The answer to a what-if question.

    Attributes:
        history: what happened.
        program: the model compiled against it, unchanged.
        interventions: the change asked about.
        against: the change that it is set beside; nothing by default.
        condition: what the worlds are given: ``nothing``, ``until DATE`` or ``history``.
        wave: variable and state that are followed unless another is asked for.
        pairs: the two ensembles, paired; under ``history`` for each coupling of the clocks (``cause``,
            ``source``, ``fresh``), else under the one name ``cause``.
        best: what the parameters are called where all worlds have the same: ``at the best estimates`` of a fit.
    """

    history: History
    program: Program
    interventions: tuple[Intervention, ...]
    against: tuple[Intervention, ...]
    condition: Condition
    wave: tuple[str, str]
    pairs: dict[str, Paired]
    best: str = "at the given parameters"
    _chains: dict[str, Chains] = field(default_factory=dict)

    @property
    def worlds(self) -> int:
        """Return how many pairs of worlds there are of each coupling."""
        return next(iter(self.pairs.values())).worlds

    @property
    def drawn(self) -> bool:
        """Return whether worlds have parameters drawn from their uncertainty."""
        return next(iter(self.pairs.values())).changed.draws is not None

    @property
    def question(self) -> str:
        """Return the change, and what it is set beside, as sentences of ``--do``."""
        asked = "; ".join(str(each) for each in self.interventions) or "nothing changed"
        beside = "; ".join(str(each) for each in self.against)
        return f"{asked} – beside: {beside}" if beside else asked

    def table(
        self,
        variable: str | None = None,
        state: str | None = None,
        at: Iterable[Any] | None = None,
        precision: float | None = None,
    ) -> pd.DataFrame:
        """Return how the worlds differ, measure by measure and coupling by coupling; see `Paired.table`.

        Parameters:
            variable, state: by default the wave.
            at: dates at which the units in the state are counted; by default the last of the window.
        """
        pair = self._state(variable, state)
        frame = next(iter(self.pairs.values())).changed.frame
        points = [frame.last if frame.dated else frame.end] if at is None else list(at)
        return self._stacked(lambda paired: paired.table(*pair, points, precision))

    def range(self, variable: str | None = None, state: str | None = None) -> pd.DataFrame:
        """Return between what the mean differences lie over the couplings, which no data can choose among.

        Returns:
            One row a measure: low and high (least and greatest mean difference), and expected_lower and
            expected_upper (the ends of their 95% intervals of the expected effect). With one coupling they are that
            one's.
        """
        table = self.table(variable, state)
        grouped = table.groupby("measure", sort=False)
        return pd.DataFrame(
            {
                "low": grouped["difference"].min(),
                "high": grouped["difference"].max(),
                "expected_lower": grouped["expected_lower"].min(),
                "expected_upper": grouped["expected_upper"].max(),
            }
        ).reset_index()

    def units(self, variable: str | None = None, state: str | None = None) -> pd.DataFrame:
        """Return unit by unit in how many worlds it came into a state, coupling by coupling; see `Paired.units`.

        The units whose share changes most stand first.
        """
        pair = self._state(variable, state)

        def ordered(paired: Paired) -> pd.DataFrame:
            table = paired.units(*pair)
            order = (-(table["gained"] + table["lost"])).argsort(kind="stable")
            return table.iloc[order].reset_index()

        return self._stacked(ordered)

    def chains(self, clocks: str | None = None) -> Chains:
        """Return by what chains of causes the change reached the units; see `tocsin.ensemble.chains`.

        Parameters:
            clocks: the coupling, where there are several; by default the first.
        """
        name = next(iter(self.pairs)) if clocks is None else clocks
        if name not in self.pairs:
            raise TocsinError(f"there are no worlds under {name!r} clocks" + suggestion(name, self.pairs))
        if name not in self._chains:
            both = [*self.interventions, *self.against]
            self._chains[name] = chains_of(self.pairs[name], self.program, both)
        return self._chains[name]

    def variance_ratio(self, variable: str | None = None, state: str | None = None) -> pd.Series[float]:
        """Return how many times the variance of each difference would be greater without shared luck.

        (Var X + Var Y) / Var(X - Y) over pairs of worlds. Given history, the unchanged world is one and the
        same, and the ratio is 1.
        """
        table = self.table(variable, state)
        table = table[table["clocks"] == table["clocks"].iloc[0]] if "clocks" in table else table
        return table.set_index("measure")["variance_ratio"]

    def sentences(self) -> list[str]:
        """Return the answer in plain sentences, each computed from the worlds."""
        return sentences(self)

    def __str__(self) -> str:
        return "\n".join(self.sentences())

    def __repr__(self) -> str:
        return f"WhatIf({self.question!r}, given={str(self.condition)!r}, worlds={self.worlds})"

    def _repr_html_(self) -> str:
        said = "".join(f"<p>{html.escape(sentence)}</p>" for sentence in self.sentences())
        table = self.table().drop(columns=["needed_unpaired"], errors="ignore")
        return f"<h4>{html.escape(self.question)}</h4>{said}{table.round(3).to_html(index=False)}"

    def label(self, unit: object) -> str:
        """Return what the history calls a unit."""
        return self._labels.get(str(unit), str(unit))

    @cached_property
    def _labels(self) -> dict[str, str]:
        units = self.history.units
        if "label" not in units:
            return {}
        known = units[units["label"].notna()].drop_duplicates("unit")
        return {
            str(unit): str(label).split(" (")[0]
            for unit, label in zip(known["unit"], known["label"], strict=True)
        }

    def _state(self, variable: str | None, state: str | None) -> tuple[str, str]:
        if state is not None and variable is None:
            raise TocsinError("name the variable of the state")
        if variable is not None and state is None:
            raise TocsinError(f"name the state of {variable!r}")
        return self.wave if variable is None or state is None else (variable, state)

    def _stacked(self, question: Callable[[Paired], pd.DataFrame]) -> pd.DataFrame:
        parts = []
        for name, paired in self.pairs.items():
            part = question(paired)
            if self.condition.given == "history":
                part.insert(0, "clocks", name)
            parts.append(part)
        return pd.concat(parts, ignore_index=True)


def what_if(
    given: Given,
    history: History,
    interventions: Sequence[Intervention | str] | Intervention | str,
    worlds: int,
    seed: int,
    condition: str,
    against: Sequence[Intervention | str] | Intervention | str,
    clocks: Sequence[str] | str | None,
    draws: Any,
    wave: str | None,
    progress: Progress | None,
) -> WhatIf:
    """Answer a what-if question; see `Given.what_if`."""
    from tocsin.ensemble.simulate import check_numbers
    from tocsin.infer.estimates import Fit

    check_numbers(worlds, seed)
    if worlds < 2:
        raise ModelError(f"a comparison needs 2 pairs of worlds or more, not {worlds}")
    program = given.program(history)
    changes = tuple(parse_all(_listed(interventions), history, given.model))
    beside = tuple(parse_all(_listed(against), history, given.model))
    asked = Condition.parse(condition, "cause", history)
    couplings = [clocks] if isinstance(clocks, str) else list(clocks or ())
    if asked.given == "history":
        couplings = couplings or list(CLOCKS)
    elif couplings:
        Condition.parse(condition, couplings[0], history)  # says why there is none to choose
    couplings = couplings or ["cause"]
    pairs = {}
    for name in couplings:
        Condition.parse(condition, name, history)

        def drawn(do: Sequence[Intervention], what: str, name: str = name) -> Any:
            tell = None if progress is None else lambda done, all_: progress(what, done, all_)
            return given.simulate(
                history, worlds, seed, do, progress=tell, given=condition, clocks=name, draws=draws
            )

        under = f" under {name} clocks" if len(couplings) > 1 else ""
        pairs[name] = Paired(
            drawn(changes, f"simulating changed worlds{under}"),
            drawn(beside, f"simulating the worlds beside them{under}"),
        )
    best = "at the best estimates" if isinstance(given, Fit) else "at the given parameters"
    return WhatIf(history, program, changes, beside, asked, _wave(given, wave), pairs, best)


def _listed(changes: Sequence[Intervention | str] | Intervention | str) -> list[Intervention | str]:
    from tocsin.program.interventions import Intervention

    return [changes] if isinstance(changes, str | Intervention) else list(changes)


def _wave(given: Given, clause: str | None) -> tuple[str, str]:
    """Return the state that is followed: the one named, or the first that spreads by contagion."""
    from tocsin.model import Contagion

    model = given.model
    if clause is not None:
        named = parse_clause(clause, model.by_name)
        if len(named) != 1 or len(next(iter(named.values()))) != 1:
            raise TocsinError(f"the wave {clause!r} must be one state of one variable, such as regime=soviet")
        variable, states = next(iter(named.items()))
        return variable, next(iter(states))
    abroad = [t for t in model.transitions if any(isinstance(cause, Contagion) for cause in t.causes)]
    variable = next(
        v.name for v in model.variables if v.name in {t.variable for t in abroad or model.transitions}
    )
    return variable, next(t.to for t in model.transitions if t.variable == variable)
