"""How often intervals of a what-if hold the truth, over simulated small histories (VERIFY 24).

    uv run python verify/effects.py [--histories 1000] [--seed 1] [--write]

Every history is drawn from one truth, fitted anew, and asked what taking the layer away does. The 90% interval of the
expected effect is to hold the expected effect at the truth (given the history itself where worlds are given it), and
the 90% interval of worlds is to hold the entries of a fresh world drawn at the truth. With draws of the parameters and
at the best estimates; by three ways of taking luck out: means of draws as they are, an analysis of variance, and what
Tocsin does. `--write` puts the table into docs/design.md (ten minutes on two cores).
"""

# ruff: noqa: T201  (a command prints)

from __future__ import annotations

import argparse
import functools
from collections import defaultdict
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np

import tocsin as tc
from tocsin.ensemble.expected_effect import expected_effect, terms_of
from tocsin.fit.draws_kept import kept_draws

PAGE = Path(__file__).parents[1] / "docs" / "design.md"
BEGIN, END = "<!-- effects -->", "<!-- end of effects -->"
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


def of_history(
    k: int, histories: int, worlds: int, seed: int, general: float
) -> list[tuple[str, str, bool, float]]:
    """Return for one history of those drawn what was given, which interval, whether it held the truth, its width."""
    vector, drawn, fresh = drawn_worlds(histories, seed)
    fit = MODEL.fit(drawn.history(k))
    program = fit.fitted_program
    draws = kept_draws(fit)
    rows = []
    for given in ("nothing", "history"):
        right = general if given == "nothing" else effects(program, vector, 1000, 5, given)[0].mean()
        apart, plain = effects(program, fit.params, worlds, k, given, draws)
        found = expected_effect(apart, np.arange(apart.size) % 200, terms_of(draws), LEVELS)
        means = apart.reshape(-1, 200).mean(axis=0)
        within = float(apart.reshape(-1, 200).var(axis=0, ddof=1).mean())
        best, still = effects(program, fit.params, worlds, k, given)
        error = 1.6449 * best.std(ddof=1) / np.sqrt(best.size)
        ends = {
            "expected effect": (found.lower, found.upper),
            "means of draws as they are": tuple(np.quantile(means, LEVELS)),
            "analysis of variance alone": tuple(np.quantile(anova(means, within, worlds // 200), LEVELS)),
            "at the best estimates": (best.mean() - error, best.mean() + error),
        }
        rows += [
            (given, name, bool(low - 1e-9 <= right <= high + 1e-9), high - low)
            for name, (low, high) in ends.items()
        ]
        if given == "nothing":
            for name, each in (("a fresh world, draws", plain), ("a fresh world, best", still)):
                low, high = np.quantile(each.counts("s", "new")["entries"], LEVELS, method="inverted_cdf")
                rows.append((given, name, bool(low <= fresh[k] <= high), high - low))
    return rows


@functools.cache
def drawn_worlds(histories: int, seed: int) -> tuple[np.ndarray, tc.Ensemble, np.ndarray]:
    """Return the true parameters, worlds that are histories to fit, and the entries of as many fresh ones."""
    truth = MODEL.compile(ring())
    vector = truth.pack(TRUTH)
    count = histories + histories // 4 + 50
    drawn, fresh = (truth.simulate(vector, count, seed + more) for more in (2, 1))
    return vector, drawn, fresh.counts("s", "new")["entries"].to_numpy()


def table(histories: int, worlds: int, seed: int, processes: int) -> str:
    """Return the table of coverage as it stands in the documents."""
    vector, drawn, _ = drawn_worlds(histories, seed)
    general = float(effects(MODEL.compile(ring()), vector, 40_000, seed, "nothing")[0].mean())
    able = [k for k in range(drawn.worlds) if len(drawn.world(k)) >= FEWEST][:histories]
    few = able[-1] + 1 - len(able)
    held: dict[tuple[str, str], list[tuple[bool, float]]] = defaultdict(list)
    one = functools.partial(of_history, histories=histories, worlds=worlds, seed=seed, general=general)
    with ProcessPoolExecutor(processes) as pool:
        for rows in pool.map(one, able, chunksize=10):
            for given, name, holds, width in rows:
                held[given, name].append((holds, width))
    lines = [
        f"{histories:,} histories of {COUNT} units, {worlds:,} pairs of worlds each, seed {seed}; {few} more had fewer "
        f"than {FEWEST} events. At the truth taking the layer away changes {general:.2f} entries. A share of so many "
        f"histories has a standard error of {np.sqrt(0.09 / histories):.3f}.",
        "",
        "| given | 90% interval | holds the truth | mean width |",
        "|---|---|---|---|",
    ]
    for (given, name), found in held.items():
        holds, width = np.mean(found, axis=0)
        lines.append(f"| {given} | {name} | {holds:.3f} | {width:.2f} |")
    return "\n".join(lines)


def main() -> None:
    """Print the coverage, or write it into the documents."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--histories", type=int, default=1000)
    parser.add_argument("--worlds", type=int, default=1000, help="pairs of worlds, of 200 draws")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--write", action="store_true", help=f"into {PAGE.name}")
    asked = parser.parse_args()
    if asked.worlds % 200 or asked.worlds < 400:
        parser.error("--worlds must be a multiple of 200, 400 or more")
    text = table(asked.histories, asked.worlds, asked.seed, asked.processes)
    if asked.write:
        before, rest = PAGE.read_text(encoding="utf-8").split(BEGIN)
        PAGE.write_text(f"{before}{BEGIN}\n\n{text}\n\n{END}{rest.split(END)[1]}", encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
