"""Scarce support: where and when a budget of ties raises (or lowers) an expected outcome most."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from tocsin.ensemble.counting import Z95
from tocsin.ensemble.draws import Stopped, stopped_words
from tocsin.ensemble.expected import expected_effect, terms_of
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
        lambda weights: sign * float(np.nanmean(judge.of(weights, worlds, seed))),
        options.cost,
        options.most,
        options.step,
        options.budget,
        progress=progress,
    )
    judge.stops.clear()  # those of the search say nothing of the fresh worlds
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
        doubt=_doubt(judge, worlds * FRESH),
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
