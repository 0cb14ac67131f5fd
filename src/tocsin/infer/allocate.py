"""Scarce support: where and when a budget of ties raises (or lowers) an expected outcome most."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from tocsin.ensemble.counting import Z95
from tocsin.ensemble.outcome import Outcome
from tocsin.errors import ModelError
from tocsin.infer.allocation import Allocation
from tocsin.infer.greedy import EPSILON, Search, greedy
from tocsin.infer.support import Luck, Prevention, Support

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tocsin.ensemble import Ensemble
    from tocsin.infer.support import Options
    from tocsin.program import Program
    from tocsin.program.interventions import Intervention

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

    def of(self, weights: Floats, worlds: int, seed: int) -> Floats:
        """Return the outcome of each world (worlds,) under a choice (cells,)."""
        return self.read(self.options.simulate(weights, self.luck, worlds, seed))

    def read(self, ensemble: Ensemble) -> Floats:
        """Return the outcome of each world of an ensemble; raise ModelError if it is not one number each."""
        values = np.asarray(self.outcome(ensemble), dtype=np.float64)
        if values.shape != (ensemble.worlds,) or not np.isfinite(values).all():
            raise ModelError(
                f"an outcome is one finite number for each of the {ensemble.worlds} worlds, not an array of shape "
                f"{values.shape}"
            )
        return values

    def interval(self, name: str, differences: Floats) -> dict[str, float]:
        """Return the mean of paired differences (worlds,) with its 95% interval, as name, lower and upper.

        Worlds that share a draw of the parameters are one sample between them.
        """
        sample = differences
        draws = len(differences) if self.luck.draws is None else len(self.luck.draws)
        if 1 < draws < len(differences):
            turn = np.arange(len(differences)) % draws
            sample = np.bincount(turn, weights=differences) / np.bincount(turn)
        mean, error = float(differences.mean()), float(sample.std(ddof=1) / np.sqrt(len(sample)))
        return {name: mean, "lower": mean - Z95 * error, "upper": mean + Z95 * error}


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
    from tocsin.ensemble.draws import draws_of
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
        lambda weights: sign * float(judge.of(weights, worlds, seed).mean()),
        options.cost,
        options.most,
        options.step,
        options.budget,
        progress=progress,
    )
    fresh = seed + 1  # worlds that the search has not seen: what looked best there is judged anew here
    plan, gained = _plan(judge, search, worlds * FRESH, fresh, sign)
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
        drawn=draws is not None,
    )


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
            "outcome": float(values.mean()),
            **judge.interval("gain", sign * (values - bare)),
            "worlds_changed": float((values != bare).mean()),
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
    mean["worlds_changed"] = float((values != bare).mean())
    # Random choices differ among themselves, and ten of them are a sample.
    apart = values.mean(axis=1).std(ddof=1) / np.sqrt(RANDOM)
    for name, low, high in (("gain", "lower", "upper"), ("behind_plan", "behind_lower", "behind_upper")):
        error = np.hypot((mean[high] - mean[low]) / (2 * Z95), apart)
        mean[low], mean[high] = mean[name] - Z95 * error, mean[name] + Z95 * error
    rows.append(mean)
    best = int(np.argmax(sign * values.mean(axis=1)))
    rows.append(row(f"random, best of {RANDOM}", spent(drawn[best]), values[best]))
    return pd.DataFrame(rows)


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
