"""Scarce support: where and when a budget of ties raises (or lowers) an expected outcome most."""

from __future__ import annotations

import heapq
import html
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from tocsin.ensemble.expected_effect import expected_effect, terms_of
from tocsin.ensemble.paired import Outcome
from tocsin.ensemble.parameter_draws import Stopped, stopped_words
from tocsin.ensemble.spells import Z95, wilson
from tocsin.errors import ModelError
from tocsin.support.candidates import Luck, Prevention, Support
from tocsin.support.kinds import named_in, support_rows, told_apart

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tocsin.ensemble.ensemble import Ensemble
    from tocsin.interventions.intervention import Intervention
    from tocsin.program.program import Program
    from tocsin.support.candidates import Options

    Floats = NDArray[np.float64]

FRESH = 4  # the plan is judged on so many times the worlds of the search

RANDOM = 10  # random allocations beside it


class Judge:
    """Draws worlds of a choice and reads their outcomes; the same seed for all, so that they share their luck."""

    def __init__(
        self,
        options: Options,
        luck: Luck,
        outcome: Outcome | Callable[[Ensemble], Floats],
    ) -> None:
        self.options, self.luck, self.outcome = options, luck, outcome
        self.terms = None if luck.draws is None else terms_of(luck.draws)
        self.stops: dict[int, Stopped] = {}  # worlds that were stopped under any choice, in the fresh worlds

    def of(self, weights: Floats, worlds: int, seed: int) -> Floats:
        """Return the outcome of each world (worlds,) under a choice (cells,)."""
        return self.read(self.options.simulate(weights, self.luck, worlds, seed))

    def read(self, ensemble: Ensemble) -> Floats:
        """Return the outcome of each world of an ensemble, missing where it was stopped.

        Raises:
            ModelError: it is not one number each.
        """
        values = np.asarray(self.outcome(ensemble), dtype=np.float64)
        if values.shape != (ensemble.worlds,) or not np.isfinite(values).all():
            raise ModelError(
                f"an outcome is one finite number for each of the {ensemble.worlds} worlds, not an array of shape "
                f"{values.shape}"
            )
        if ensemble.stops:
            self.stops |= {each.world: each for each in ensemble.stops}
            values = values.copy()
            values[[each.world for each in ensemble.stops]] = np.nan
        return values

    def interval(self, name: str, differences: Floats) -> dict[str, float]:
        """Return the mean of paired differences (worlds,) with its 95% interval, as name, lower and upper.

        Where parameters are drawn it is the interval of the expected effect over them; see `expected_effect`.
        """
        known = np.flatnonzero(np.isfinite(differences))
        draw = np.zeros(known.size, dtype=np.int64) if self.luck.draws is None else self.luck.draws.of(known)
        effect = expected_effect(differences[known], draw, self.terms)
        return {name: effect.mean, "lower": effect.lower, "upper": effect.upper}


def allocate(
    program: Program,
    vector: Floats,
    support: Support | Prevention,
    outcome: Outcome | str | Callable[[Ensemble], Floats],
    worlds: int = 500,
    seed: int = 1,
    maximise: bool = True,
    interventions: Sequence[Intervention | str] = (),
    draws: Any = None,
    progress: Callable[[int, int], None] | None = None,
) -> Allocation:
    """Find where and when a budget changes an expected outcome most; see `Given.allocate`."""
    from tocsin.ensemble.parameter_draws import draws_of
    from tocsin.ensemble.simulate import check_numbers

    check_numbers(worlds, seed)
    if worlds < 2:
        raise ModelError(f"an allocation needs at least 2 worlds, not {worlds}")
    if not isinstance(support, Support | Prevention):
        raise ModelError(
            f"support is tc.Support(layer, source, budget) or tc.Prevention(clause, budget), not {support!r}"
        )
    asked = Outcome.parse(outcome) if isinstance(outcome, str) else outcome
    if not callable(asked):
        raise ModelError(
            f"an outcome is a sentence such as 'units regime=soviet', or a function of an ensemble, not {asked!r}"
        )
    options = support.options(program)
    if draws is not None:
        draws = draws_of(draws, program.parameter_names, program.learned)
    judge = Judge(options, Luck(vector, tuple(interventions), draws), asked)
    sign = 1.0 if maximise else -1.0
    search = greedy(
        lambda weights: sign * float(np.nanmean(judge.of(weights, worlds, seed))),
        options.cost,
        options.most,
        options.step,
        options.budget,
        progress=progress,
    )
    judge.stops.clear()  # those of the search say nothing of the fresh worlds
    fresh = seed + 1  # worlds that the search has not seen: what looked best there is judged anew here
    ties = support_rows(program.history, support.layer) if isinstance(support, Support) else None
    plan, gained = _plan(judge, search, worlds * FRESH, fresh, sign)
    if isinstance(support, Support) and ties is not None and len(ties) and "start" in plan:
        plan["kind"] = [
            named_in(
                ties, support.source, place, program.history.begins(start), program.history.finishes(end)
            )
            for place, start, end in plan[["place", "start", "end"]].to_numpy()
        ]
    compared = _compared(judge, search, gained, worlds * FRESH, fresh, sign)
    return Allocation(
        plan=plan,
        compared=compared,
        support=support,
        outcome=str(asked) if isinstance(asked, Outcome) else getattr(asked, "__name__", repr(asked)),
        maximise=maximise,
        worlds=worlds,
        fresh=worlds * FRESH,
        seed=seed,
        spent=float(options.cost[search.chosen].sum()),
        evaluations=search.evaluations,
        candidates=len(options.cost),
        grown=search.grown,
        interventions=tuple(str(change) for change in interventions),
        search_gain=float(sum(search.gains)),
        asked=options.sentence(),
        doubt=_doubt(judge, worlds * FRESH),
        kinds=tuple(told_apart(ties, support.layer, options.step))
        if isinstance(support, Support) and ties is not None
        else (),
    )


def _doubt(judge: Judge, worlds: int) -> tuple[str, ...]:
    """Return what was drawn, and in how many draws a wave has no end; nothing where all have the same parameters."""
    draws = judge.luck.draws
    if draws is None:
        return ()
    return (f"Over {draws.said}.", *stopped_words(list(judge.stops.values()), draws, worlds))


def _plan(
    judge: Judge, search: Search, worlds: int, seed: int, sign: float
) -> tuple[pd.DataFrame, tuple[Floats, Floats]]:
    """Return the plan with what each part of it gains in fresh worlds, and outcomes without it and with it."""
    weights = np.zeros_like(search.weights)
    bare = before = judge.of(weights, worlds, seed)
    gains: dict[int, Floats] = {}
    for cell in search.chosen:
        weights[cell] += judge.options.step
        after = judge.of(weights, worlds, seed)
        gains[cell] = gains.get(cell, np.zeros(worlds)) + sign * (after - before)
        before = after
    history = judge.options.program.history
    rows = []
    for cell, gain in gains.items():
        place, start, end = judge.options.labels[cell]
        row: dict[str, object] = {"place": place}
        if start is not None and end is not None:
            last = end - 1 if history.dated else end
            row |= {
                "start": history.to_date(start) if history.dated else start,
                "end": history.to_date(last) if history.dated else last,
                "weight": float(search.weights[cell]),
            }
        rows.append(row | judge.interval("gain", gain))
    columns = ["place", "start", "end", "weight", "gain", "lower", "upper"]
    plan = pd.DataFrame(rows, columns=None if rows else columns)
    return plan, (bare, before)


def _compared(
    judge: Judge, search: Search, gained: tuple[Floats, Floats], worlds: int, seed: int, sign: float
) -> pd.DataFrame:
    """Return the plan beside nothing, the record, an even spread and random choices, in the same fresh worlds."""
    bare, planned = gained
    options = judge.options

    def spent(weights: Floats) -> float:
        return float((weights / options.step * options.cost).sum())

    def row(name: str, budget: float, values: Floats) -> dict[str, Any]:
        behind = judge.interval("behind_plan", sign * (planned - values))
        return {
            "allocation": name,
            "budget": budget,
            "outcome": float(np.nanmean(values)),
            **judge.interval("gain", sign * (values - bare)),
            "worlds_changed": _changed(values, bare),
            "behind_plan": behind["behind_plan"],
            "behind_lower": behind["lower"],
            "behind_upper": behind["upper"],
        }

    rows = [row("nothing", 0.0, bare), row("plan", spent(search.weights), planned)]
    for name, (budget, ensemble) in options.in_the_record(judge.luck, worlds, seed).items():
        rows.append(row(name, budget, judge.read(ensemble)))
    if options.divisible:
        even = np.minimum(options.budget * options.step / options.cost.sum(), options.most)
        rows.append(row("even", spent(even), judge.of(even, worlds, seed)))
    generator = np.random.default_rng(seed)
    drawn = [_random(options, generator) for _ in range(RANDOM)]
    values = np.array([judge.of(weights, worlds, seed) for weights in drawn])
    mean = row("random, mean", float(np.mean([spent(weights) for weights in drawn])), values.mean(axis=0))
    mean["worlds_changed"] = _changed(values, bare)
    # Random choices differ among themselves, and ten of them are a sample.
    means = np.nanmean(values, axis=1)
    apart = means.std(ddof=1) / np.sqrt(RANDOM)
    for name, low, high in (("gain", "lower", "upper"), ("behind_plan", "behind_lower", "behind_upper")):
        error = np.hypot((mean[high] - mean[low]) / (2 * Z95), apart)
        mean[low], mean[high] = mean[name] - Z95 * error, mean[name] + Z95 * error
    rows.append(mean)
    best = int(np.argmax(sign * means))
    rows.append(row(f"random, best of {RANDOM}", spent(drawn[best]), values[best]))
    return pd.DataFrame(rows)


def _changed(values: Floats, bare: Floats) -> float:
    """Return the share of worlds in which an outcome is another than without the plan."""
    known = np.isfinite(values) & np.isfinite(bare)
    return float((values != bare)[known].mean()) if known.any() else np.nan


def _random(options: Options, generator: np.random.Generator) -> Floats:
    """Return a choice that takes steps anywhere with equal chances until the budget is spent."""
    weights, left = np.zeros(len(options.cost)), options.budget
    while True:
        room = (weights + options.step <= options.most + EPSILON) & (options.cost <= left + EPSILON)
        if not room.any():
            return weights
        cell = int(generator.choice(np.flatnonzero(room)))
        weights[cell] += options.step
        left -= options.cost[cell]


# --- The result of an allocation: the plan, what it is worth in fresh worlds, and what else was
#     tried

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
        kinds: which kinds of support the record names in the layer, and where it cannot tell them apart.
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
    kinds: tuple[str, ...] = ()

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
        return [*said, *self.kinds, *self.doubt, DRAWN if self.drawn else FIXED, *LIMITS]

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


# --- Greedy search under a budget, plain or lazy

EPSILON = 1e-9


@dataclass
class Search:
    """What a search found.

    Attributes:
        weights: of each candidate (cells,).
        chosen: candidates in the order in which a step of each was taken.
        gains: what each step added to the value, in the worlds of the search.
        evaluations: how often the value was asked for.
        grown: how often a candidate that was looked at again gained more than before, which it cannot where
            returns diminish.
    """

    weights: Floats
    chosen: list[int] = field(default_factory=list)
    gains: list[float] = field(default_factory=list)
    evaluations: int = 0
    grown: int = 0


def greedy(
    value: Callable[[Floats], float],
    cost: Floats,
    most: Floats,
    step: float,
    budget: float,
    lazy: bool = True,
    progress: Callable[[int, int], None] | None = None,
) -> Search:
    """Take steps one by one, each where the value grows most for its cost, until the budget is spent.

    Where returns diminish (a submodular value), a gain once computed bounds the gain later, so a candidate is
    looked at again only when it comes to the top (Minoux 1978); the plan then is that of the plain search, and
    with equal costs within 1 - 1/e of the best (Nemhauser, Wolsey & Fisher 1978). The search ends early where
    nothing raises the value.

    Parameters:
        value: of weights (cells,).
        cost: budget of one step of each candidate (cells,).
        most: greatest weight of each (cells,).
        step: weight of one step.
        budget: in all.
        lazy: whether gains are kept; else all are computed at every step.
        progress: called with evaluations done and to be done at the least.
    """
    cells = len(cost)
    found = Search(np.zeros(cells))
    base, left = value(found.weights), budget
    found.evaluations = 1
    steps = int(budget / cost.min()) + 1

    def open_cells() -> list[int]:
        room = found.weights + step <= most + EPSILON
        return [int(cell) for cell in np.flatnonzero(room & (cost <= left + EPSILON))]

    def gain(cell: int) -> float:
        tried = found.weights.copy()
        tried[cell] += step
        after = value(tried)
        found.evaluations += 1
        if progress is not None:
            progress(found.evaluations, max(found.evaluations, 1 + cells + steps))
        return after - base

    def ranked() -> list[tuple[float, int]]:
        """Return all that may be chosen, scored anew: the best stand first; of equals, the first candidate."""
        return sorted((-gain(cell) / cost[cell], cell) for cell in open_cells())

    heap = ranked()
    fresh = {cell for _, cell in heap}
    while heap:
        score, cell = heapq.heappop(heap)
        if found.weights[cell] + step > most[cell] + EPSILON or cost[cell] > left + EPSILON:
            continue
        if cell not in fresh:
            again = -gain(cell) / cost[cell]
            found.grown += again < score - EPSILON * max(1.0, abs(score))
            fresh.add(cell)
            heapq.heappush(heap, (again, cell))
            continue
        if -score * cost[cell] <= EPSILON:
            break
        added = -score * cost[cell]
        found.weights[cell] += step
        found.chosen.append(cell)
        found.gains.append(added)
        base, left = base + added, left - cost[cell]
        if lazy:
            fresh = set()
            heapq.heappush(heap, (score, cell))
        else:
            heap = ranked()
            fresh = {cell for _, cell in heap}
    return found
