"""Whether fitted forecasts are as sure as they should be.

    uv run python verify/calibration.py [--worlds 200] [--write]

Worlds are drawn from a known model on a ring of 40 units. What happened until day 8 is fitted, and who moves within six
more days is forecast; each unit of each world is one forecast. The slope of what came on what was told (log odds) is 1
where forecasts are calibrated; its interval takes a world as one. Three questions:

    prior, draws    the truth of each world is drawn from the prior of the fit: the slope must be 1
    fixed, draws    one truth for all worlds: what a user meets, and no promise of any Bayesian forecast
    fixed, best     the same at the estimates, without draws: what draws are good for
    fixed, truth    the same at the true parameters: whether simulation from a day on is right

If the first and the last are 1, forecasts that are too sure at a fixed truth are so because few events estimate few
parameters, and not by a fault. `--write` puts the table into docs/checks.md.
"""

# ruff: noqa: T201  (a command prints)

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
import pandas as pd

import tocsin as tc
from tocsin.forecasts.scores import log_scores, slope

MOVE = "s: old > new"
HOME, AWAY = f"{MOVE} | baseline | propensity | 1", f"{MOVE} | l | susceptibility | 1"
UNITS, END, CUT, AHEAD = 40, 14.0, 8.0, 6.0
SEED = 26
FIXED = {HOME: -4.0, AWAY: -2.0}
PRIOR = tc.weak_prior(strength=1.5)
STATE = tc.StateVariable("s", ["old", "new"])
TABLE = "<!-- calibration -->"


def model() -> tc.Model:
    """Return the model: home, and contagion along a ring."""
    move = tc.Transition("s", "old", "new", tc.baseline(), tc.contagion("l", when="s=new"))
    return tc.Model([STATE], [move])


def empty() -> tc.History:
    """Return a history without events, in which each unit is tied to the next two."""
    names = [f"u{k:02d}" for k in range(UNITS)]
    pairs = [("l", names[a], names[(a + step) % UNITS]) for a in range(UNITS) for step in (1, 2)]
    ties = pd.DataFrame(pairs, columns=["layer", "source", "target"])
    return tc.History({"unit": names}, ties=ties, variables=[STATE], window=(0, END), layers=["l"])


def truths(kind: str, worlds: int) -> list[dict[str, float]]:
    """Return the parameters of every world: one truth, or draws from the prior that the fit of the past has."""
    if kind == "fixed":
        return [FIXED] * worlds
    rng = np.random.default_rng(SEED)
    centre = -np.log(CUT)  # one event a unit and window of the past
    return [
        {HOME: centre + PRIOR.strength * a, AWAY: centre + PRIOR.strength * b}
        for a, b in rng.standard_normal((worlds, 2))
    ]


def told(truth: dict[str, float], how: str, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the probabilities of the units of one world, and whether each moved."""
    known = model().with_params(truth).simulate(empty(), worlds=1, seed=seed).history(0)
    if how == "truth":
        program = model().compile(known)
        ensemble = program.simulate(truth, 400, seed + 1, given=f"until {CUT:g}")
        late = ensemble.events.to_pandas().query("time > @CUT")
        share = late.groupby("unit", observed=False)["world"].nunique() / 400
        early = set(known.events.query("time <= @CUT")["unit"])
        names = [name for name in known.numbers.units if name not in early]
        came = set(known.events.query("time > @CUT")["unit"])
        return (
            np.array([float(share.get(name, 0.0)) for name in names]),
            np.array([float(name in came) for name in names]),
        )
    made = tc.forecast(
        model(), known, "s", "new", CUT, AHEAD, worlds=400, seed=seed + 1, prior=PRIOR,
        draws="fit" if how == "draws" else "best",
    )  # fmt: skip
    return made.table["probability"].to_numpy(), made.table["entered"].to_numpy(dtype=float)


def row(kind: str, how: str, worlds: int) -> tuple[object, ...]:
    """Return one row of the table."""
    parts = [told(truth, how, 1000 * SEED + 2 * k) for k, truth in enumerate(truths(kind, worlds))]
    parts = [part for part in parts if part[0].size]
    group = np.repeat(np.arange(len(parts)), [part[0].size for part in parts])
    probability, came = (np.concatenate(side) for side in zip(*parts, strict=True))
    found = slope(probability, came, group, floor=0.5 / 400)
    base = np.full(came.size, came.mean())
    ours, reference = (float(log_scores(p, came, 400).mean()) for p in (probability, base))
    return (kind, how, len(parts), came.size, *found, ours, reference)


COLUMNS = [
    "truth",
    "parameters",
    "worlds",
    "forecasts",
    "slope",
    "lower",
    "upper",
    "log score",
    "of the base rate",
]


def table(worlds: int) -> pd.DataFrame:
    """Return the whole table."""
    rows = []
    for kind, how in (("prior", "draws"), ("fixed", "draws"), ("fixed", "best"), ("fixed", "truth")):
        begun = time.time()
        rows.append(row(kind, how, worlds))
        print(*rows[-1], f"{time.time() - begun:.0f} s", flush=True)
    return pd.DataFrame(rows, columns=COLUMNS)


def main() -> None:
    """Print the table; write it into the documents if asked."""
    reader = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    reader.add_argument("--worlds", type=int, default=200)
    reader.add_argument("--write", action="store_true")
    asked = reader.parse_args()
    found = table(asked.worlds)
    text = found.to_markdown(index=False, floatfmt=".3f")
    print(text)
    if asked.write:
        page = Path(__file__).parents[1] / "docs" / "checks.md"
        before, _, rest = page.read_text(encoding="utf-8").partition(TABLE)
        page.write_text(f"{before}{TABLE}\n{text}\n{TABLE}{rest.partition(TABLE)[2]}", encoding="utf-8")


if __name__ == "__main__":
    main()
