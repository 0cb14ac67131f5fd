"""How often intervals of a what-if hold the truth, over simulated small histories (VERIFY 24).

    uv run python verify/effects.py [--histories 1000] [--seed 1]

Every history is drawn from one truth, fitted anew, and asked what taking the layer away does. The 90% interval of the
expected effect is to hold the expected effect at the truth (given the history itself where worlds are given it), and
the 90% interval of worlds is to hold the entries of a fresh world drawn at the truth. With draws of the parameters and
at the best estimates; by three ways of taking luck out: means of draws as they are, an analysis of variance, and what
Tocsin does.
"""

# ruff: noqa: T201  (a command prints)

from __future__ import annotations

import argparse
import itertools
import time
from collections import defaultdict

import numpy as np

import tocsin as tc
from tocsin.ensemble.expected_effect import expected_effect, terms_of

COUNT = 30
UNITS = [f"u{i}" for i in range(COUNT)]
TRUTH = {"s: old > new | baseline | propensity | 1": -4.2, "s: old > new | l | susceptibility | 1": -3.0}
STATE = tc.StateVariable("s", ["old", "new"])
MODEL = tc.Model(
    [STATE], [tc.Transition("s", "old", "new", tc.baseline("1"), tc.contagion("l", when="s=new"))]
)
CHANGE = ["remove layer l"]
LEVELS = (0.05, 0.95)
FEWEST = 4  # events of a history that is fitted: of fewer no two rates can be told apart


def ring() -> tc.History:
    """Units in a ring, each tied to its neighbours and theirs."""
    pairs = [(i, (i + step) % COUNT) for i in range(COUNT) for step in (-2, -1, 1, 2)]
    return tc.History(
        units={"unit": UNITS},
        ties={
            "layer": ["l"] * len(pairs),
            "source": [UNITS[i] for i, _ in pairs],
            "target": [UNITS[j] for _, j in pairs],
        },
        variables=[STATE],
        window=(0.0, 20.0),
    )


def effects(
    program: tc.Program, params: object, worlds: int, seed: int, given: str, draws: object = None
) -> tuple[np.ndarray, tc.Ensemble]:
    """Return the difference that the change makes to the entries of each world, and the unchanged worlds."""
    asked = {"given": given, "draws": draws}
    changed, plain = (program.simulate(params, worlds, seed, do, **asked) for do in (CHANGE, []))
    here, there = (each.counts("s", "new")["entries"].to_numpy() for each in (changed, plain))
    return (here - there).astype(float), plain


def anova(means: np.ndarray, within: float, each: int) -> np.ndarray:
    """Return means of draws drawn together to the variance that remains when that of luck is taken off."""
    over = means.var(ddof=1)
    kept = max(over - within / each, 0.0) / over if over > 0 else 0.0
    return means.mean() + np.sqrt(kept) * (means - means.mean())


def main() -> None:
    """Print the coverage."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--histories", type=int, default=1000)
    parser.add_argument("--worlds", type=int, default=1000, help="pairs of worlds, of 200 draws")
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    history = ring()
    truth = MODEL.compile(history)
    vector = truth.pack(TRUTH)
    general = effects(truth, vector, 40_000, asked.seed, "nothing")[0].mean()
    fresh = truth.simulate(vector, asked.histories, asked.seed + 1).counts("s", "new")["entries"].to_numpy()
    drawn = truth.simulate(vector, 2 * asked.histories + 50, asked.seed + 2)
    held: dict[tuple[str, str], list[bool]] = defaultdict(list)
    width: dict[tuple[str, str], list[float]] = defaultdict(list)
    begun, few = time.time(), 0
    numbers = itertools.count()
    for _ in range(asked.histories):
        while len(drawn.world(k := next(numbers))) < FEWEST:
            few += 1
        mine = drawn.history(k)
        fit = MODEL.fit(mine)
        program = fit.fitted_program
        draws = draws_of_fit(fit)
        for given in ("nothing", "history"):
            right = general if given == "nothing" else effects(program, vector, 1000, 5, given)[0].mean()
            apart, plain = effects(program, fit.params, asked.worlds, k, given, draws)
            number = np.arange(apart.size) % 200
            found = expected_effect(apart, number, terms_of(draws), LEVELS)
            means = apart.reshape(-1, 200).mean(axis=0)
            within = float(apart.reshape(-1, 200).var(axis=0, ddof=1).mean())
            best, still = effects(program, fit.params, asked.worlds, k, given)
            error = 1.6449 * best.std(ddof=1) / np.sqrt(best.size)
            ends = {
                "expected effect": (found.lower, found.upper),
                "means of draws as they are": tuple(np.quantile(means, LEVELS)),
                "analysis of variance alone": tuple(
                    np.quantile(anova(means, within, asked.worlds // 200), LEVELS)
                ),
                "at the best estimates": (best.mean() - error, best.mean() + error),
            }
            for name, (low, high) in ends.items():
                held[given, name].append(bool(low - 1e-9 <= right <= high + 1e-9))
                width[given, name].append(high - low)
            if given == "nothing":
                for name, worlds in (("a fresh world, draws", plain), ("a fresh world, best", still)):
                    low, high = np.quantile(
                        worlds.counts("s", "new")["entries"], LEVELS, method="inverted_cdf"
                    )
                    held[given, name].append(bool(low <= fresh[len(held[given, name])] <= high))
                    width[given, name].append(high - low)
    print(
        f"{asked.histories} histories of {COUNT} units, truth {dict(TRUTH)}, seed {asked.seed}; {few} more had fewer "
        f"than {FEWEST} events; effect in general {general:.3f}; {time.time() - begun:.0f} s"
    )
    print("| given | 90% interval | holds the truth | mean width |\n|---|---|---|---|")
    for key, found_ in held.items():
        print(f"| {key[0]} | {key[1]} | {np.mean(found_):.3f} | {np.mean(width[key]):.2f} |")


def draws_of_fit(fit: tc.Fit) -> object:
    """Return the 200 draws of a fit that its verbs use."""
    from tocsin.fit.draws_kept import kept_draws

    return kept_draws(fit)


if __name__ == "__main__":
    main()
