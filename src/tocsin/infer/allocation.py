"""The result of an allocation: the plan, what it is worth in fresh worlds, and what else was tried."""

from __future__ import annotations

import html
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tocsin.ensemble.counting import wilson

if TYPE_CHECKING:
    import pandas as pd

    from tocsin.infer.support import Prevention, Support

DRAWN = (
    "Each world has parameters of its own: the intervals are those of the expected effect over the parameters, with "
    "chance among worlds taken out."
)
FIXED = "Intervals are of the worlds drawn, at the best estimates: what these leave open is not in them."
LIMITS = (
    "Gains hold in the model. Ties are taken to work as the record's did, wherever they are put.",
    "The search is greedy. It is within 1 - 1/e of the best plan where returns diminish; with a response above 1, "
    "several states or a half-life nothing guarantees that.",
    "What others send stays as it was in the record: no side answers the plan of the other.",
    "An instrument for history and for study, not for advice.",
)


@dataclass(frozen=True, eq=False)
class Allocation:
    """A plan for scarce support.

    Attributes:
        plan: place, start, end (last day), weight, and gain with its 95% interval (lower, upper) in fresh worlds, in
            the order in which the search took them; each gain is on top of the rows above it.
        compared: allocation (nothing, plan, the record's, even, random), budget, mean outcome, gain over nothing
            (lower, upper), worlds_changed (share of fresh worlds in which the outcome is another one), and
            behind_plan: how much less than the plan it gains (behind_lower, behind_upper).
        support, outcome, maximise, interventions: what was asked; `asked` says it in a sentence. A gain is in the
            direction that was asked for.
        worlds, fresh, seed: worlds of the search and of the judgement (drawn with the next seed).
        spent: budget that the plan takes; less than was given where nothing more gains.
        evaluations, candidates: ensembles that the search drew, and candidates.
        grown: candidates that gained more when looked at again, in the worlds of the search: returns that grow.
        doubt: what parameters were drawn, and in how many draws a wave has no end; empty where none were drawn.
        search_gain: what the plan seemed to gain in the worlds that chose it; more than it does, as winners do.
    """

    plan: pd.DataFrame
    compared: pd.DataFrame
    support: Support | Prevention
    outcome: str
    maximise: bool
    worlds: int
    fresh: int
    seed: int
    spent: float
    evaluations: int
    candidates: int
    grown: int
    interventions: tuple[str, ...]
    search_gain: float
    asked: str
    doubt: tuple[str, ...] = ()

    @property
    def drawn(self) -> bool:
        """Return whether each world has parameters of its own."""
        return bool(self.doubt)

    @property
    def gain(self) -> tuple[float, float, float]:
        """Return the gain of the whole plan over nothing in fresh worlds, with its 95% interval."""
        row = self.compared[self.compared["allocation"] == "plan"].iloc[0]
        return float(row["gain"]), float(row["lower"]), float(row["upper"])

    def notes(self) -> list[str]:
        """Return what was done and what it cannot say, in sentences."""
        way = "raise" if self.maximise else "lower"
        gain, lower, upper = self.gain
        said = [
            self.asked,
            f"To {way} {self.outcome!r}: {self.evaluations} ensembles of {self.worlds:,} worlds for "
            f"{self.candidates:,} candidates, judged on {self.fresh:,} fresh worlds. Seed {self.seed}.",
            f"The plan gains {gain:,.4g} ({lower:,.4g} to {upper:,.4g}); in the worlds that chose it, it seemed to "
            f"gain {self.search_gain:,.4g}.",
        ]
        share = self.compared.loc[self.compared["allocation"] == "plan", "worlds_changed"].to_numpy()
        least, most = wilson(share, self.fresh)
        said.append(
            f"It changes the outcome in {100 * share[0]:.3g} of 100 fresh worlds ({100 * least[0]:.3g} to "
            f"{100 * most[0]:.3g}); where these are few, the interval of the gain is rough."
        )
        if lower <= 0 <= upper:
            said.append("The interval holds zero: these worlds do not show that the plan gains anything.")
        if self.spent < self.support.budget - 1e-9:
            said.append(
                f"Of a budget of {self.support.budget:g} it takes {self.spent:g}: nothing more gains."
            )
        if self.grown:
            many = "One candidate" if self.grown == 1 else f"{self.grown} candidates"
            said.append(
                f"{many} gained more when looked at again: returns do not diminish here, or the "
                "worlds are too few to show it, and trying everything at every step might choose otherwise."
            )
        said += [f"Changed in all worlds: {sentence}." for sentence in self.interventions]
        return [*said, *self.doubt, DRAWN if self.drawn else FIXED, *LIMITS]

    def __str__(self) -> str:
        tables = (self.plan.to_string(index=False), self.compared.to_string(index=False))
        return "\n\n".join([repr(self.support), *tables, "\n".join(self.notes())])

    def _repr_html_(self) -> str:
        parts = [f"<p>{html.escape(repr(self.support))}</p>"]
        parts += [
            table.to_html(index=False, escape=True, float_format="{:.4g}".format)
            for table in (self.plan, self.compared)
        ]
        listed = "".join(f"<li>{html.escape(note)}</li>" for note in self.notes())
        return "".join([*parts, f"<ul>{listed}</ul>"])
