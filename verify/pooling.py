"""Four waves with levels pooled, apart and as one: mass, half-life, and what the data say of their spread.

    uv run python verify/pooling.py [--write]

Four levels say little of a standard deviation, so what is told of it is mostly its prior: two priors (half-normal of
scale 0.5 and 1, on the logarithm) stand beside no pooling (each wave by itself) and full pooling (one mass and one
half-life). The largest tie of border, language and empire carries example, as in the tutorial. `--write` puts the
table and the picture into docs/pooling.md.
"""

# ruff: noqa: T201  (a command prints)

from __future__ import annotations

import argparse
import math
from pathlib import Path

import numpy as np
import pandas as pd

import tocsin as tc
from tocsin.check.other_data import other_data

PAGE = Path(__file__).parents[1] / "docs" / "pooling.md"

LARGEST = ["language", "land_border", "common_empire"]

STEM = "challenge: none > begun | example"


def posterior(history: tc.History, by: str | None, pooled: float | None, draws: int) -> tc.Posterior:
    """Return the posterior of example in four waves."""
    layer = "largest of " + " and ".join(LARGEST)
    cause = tc.contagion(
        layer, "challenge=begun", half_life="estimate", by=by, pooled=pooled or False, name="example"
    )
    move = tc.Transition("challenge", "none", "begun", tc.baseline("1 + wave"), cause)
    model = tc.Model([tc.StateVariable("challenge", ["none", "begun"])], [move])
    return model.sample(history, draws=draws, tune=draws, chains=2, seed=1917)


def said(values: np.ndarray, digits: int) -> str:
    """Return a median with its 95% interval."""
    low, middle, high = np.quantile(values, [0.025, 0.5, 0.975])
    return f"{middle:.{digits}f} ({low:.{digits}f} to {high:.{digits}f})"


def rows(name: str, found: tc.Posterior, waves: list[str]) -> list[list[str]]:
    """Return the table's rows of one posterior: mass and half-life of each wave, and the spreads."""
    draws = {
        key: found.draws.vector[..., k].ravel() for k, key in enumerate(found.parameter_names) if STEM in key
    }
    table = []
    for wave in waves:
        head = f"{STEM}[{wave}]" if f"{STEM}[{wave}] | memory | half_life" in draws else STEM
        life = draws[f"{head} | memory | half_life"]
        mass = draws[f"{head} | susceptibility | 1"] + life - math.log(math.log(2))
        table.append([name, wave, said(np.exp(mass), 3), said(np.exp(life), 1)])
    spread = found.pooled()
    spread = spread[spread["level"] == "spread"]
    if len(spread):
        cells = [
            f"{r.median:.2f} ({r.lower:.2f} to {r.upper:.2f}); prior {r.prior_median:.2f} "
            f"({r.prior_lower:.2f} to {r.prior_upper:.2f})"
            for r in spread.itertuples()
        ]
        table.append([name, "spread", *cells])
    return table


def main() -> None:
    """Sample the four posteriors and print, or write, what they say."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--draws", type=int, default=200)
    options = parser.parse_args()
    history = other_data(tc.load_history("four_waves"), "record", "any", "record", [LARGEST], "waves").history
    waves = sorted(set(history.table("units").column("wave").to_pylist()))
    kinds = {
        "none": ("wave", None),
        "half-normal(0.5)": ("wave", 0.5),
        "half-normal(1)": ("wave", 1.0),
        "full": (None, None),
    }
    found, notes = [], []
    for name, (by, pooled) in kinds.items():
        each = posterior(history, by, pooled, options.draws)
        found += rows(name, each, waves)
        notes += [f"{name}: {warning}" for warning in each.warnings]
        if pooled and options.write:
            picture = PAGE.parent / "pictures" / f"pooling-{pooled:g}.svg"
            tc.charts.save_chart(tc.charts.pooling(each), picture)
    table = pd.DataFrame(found, columns=["pooling", "wave", "mass", "half-life, days"])
    lines = ["| " + " | ".join(table.columns) + " |", "|---" * table.shape[1] + "|"]
    lines += ["| " + " | ".join(row) + " |" for row in table.to_numpy()]
    text = "\n".join([*lines, "", *(f"Warnings of the sampler: {note}." for note in notes)])
    print(text)
    if options.write:
        head = PAGE.read_text(encoding="utf-8").split("<!-- made -->")[0]
        PAGE.write_text(f"{head}<!-- made -->\n\n{text.strip()}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
