"""Do the intervals of attribution hold what they should? 1,000 small histories of which every true cause is known.

For each cause two numbers are asked about: how many events it explains at the true parameters (its shares of their
hazards, summed), and how many it caused in fact. `python verify/attribution_counts.py --write` makes the table in
docs/attribution.md (some minutes on two cores).
"""

from __future__ import annotations

import argparse
import math
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

import tocsin as tc
from tocsin.errors import TocsinError

PAGE = Path(__file__).parents[1] / "docs" / "attribution.md"
STATE = tc.StateVariable("state", ["old", "new"])
RIOT = tc.StateVariable("riot", ["yes"], recurrent=True)
UNITS, END = 40, 20.0


def ring(layer: str, steps: tuple[int, ...]) -> pd.DataFrame:
    rows = [(layer, f"u{a:02d}", f"u{(a + step) % UNITS:02d}") for a in range(UNITS) for step in steps]
    return pd.DataFrame(rows, columns=["layer", "source", "target"])


def place() -> tc.History:
    """Units in two rings of different order, so that no layer stands for another."""
    return tc.History(
        {
            "unit": [f"u{a:02d}" for a in range(UNITS)],
            "x": np.random.default_rng(1).normal(size=UNITS).round(3),
        },
        ties=pd.concat([ring("near", (1, -1)), ring("far", (7, 11, 17))]),
        variables=[STATE, RIOT],
        window=(0.0, END),
        clock="continuous",
    )


# Model and parameters by name: some thirty events each; the strengths of the first two are tested.
DESIGNS: dict[str, tuple[tc.Model, list[float]]] = {
    "a wave": (
        tc.Model(
            [STATE],
            [
                tc.Transition(
                    "state",
                    "old",
                    "new",
                    tc.baseline(),
                    tc.contagion("near", when="state=new"),
                    tc.contagion("far", when="state=new", half_life=3.0),
                )
            ],
        ),
        [-4.0, -2.0, -2.4],
    ),
    "waves and a way back": (
        tc.Model(
            [STATE],
            [
                tc.Transition(
                    "state",
                    "old",
                    "new",
                    tc.baseline("1 + x"),
                    tc.contagion("near", when="state=new"),
                    tc.contagion("far", when="state=new"),
                ),
                tc.Transition("state", "new", "old", tc.baseline()),
            ],
        ),
        [-3.7, 0.5, -3.0, -3.5, -2.3],
    ),
    "riots": (
        tc.Model(
            [RIOT],
            [
                tc.Transition(
                    "riot",
                    "yes",
                    "yes",
                    tc.baseline(),
                    tc.contagion("near", when="riot=yes", half_life=1.0),
                    tc.contagion("far", when="riot=yes", half_life=2.0),
                )
            ],
        ),
        [-3.6, -2.0, -3.0],
    ),
}


def one(task: tuple[str, int, int, int, float]) -> list[dict[str, Any]]:
    """Attribute one history; return a row a cause, none where it cannot be fitted."""
    design, seed, number, draws, level = task
    model, values = DESIGNS[design]
    record = place()
    truth = dict(zip(model.compile(record).parameter_names, values, strict=True))
    given = model.with_params(truth)
    ensemble = given.simulate(record, worlds=1, seed=seed + number)
    history, world = ensemble.history(0), ensemble.world(0)
    try:
        fit = model.fit(history)
        found = fit.attribute(draws=draws, level=level).total()
    except TocsinError:
        return []
    keys = ["transition", "cause"]
    explained = given.attribute(history).total().set_index(keys)["events explained"]
    rows = []
    for row in found.to_dict("records"):
        transition, cause = row["transition"], row["cause"]
        mine = (world["cause"].astype(str) == cause) & (world["to"].astype(str) == transition.split(" > ")[1])
        caused, expected = int(mine.sum()), float(explained[transition, cause])
        strength = f"{transition} | {cause} | susceptibility | 1"
        ratio = math.nan
        if strength in truth:
            ratio = 2.0 * (fit.loglik - model.fit(history, fixed={strength: truth[strength]}).loglik)
        rows.append(
            {
                "design": design,
                "transition": transition,
                "cause": cause,
                "caused": caused,
                "held explained": row["lower"] <= expected <= row["upper"],
                "width explained": row["upper"] - row["lower"],
                "held caused": row["caused lower"] <= caused <= row["caused upper"],
                "width caused": row["caused upper"] - row["caused lower"],
                "ratio": ratio,
            }
        )
    return rows


def study(worlds: int, draws: int, level: float, seed: int) -> pd.DataFrame:
    """Return for each design, transition and cause how many intervals hold the truth, and their mean widths."""
    tasks = [(design, seed, number, draws, level) for design in DESIGNS for number in range(worlds)]
    with ProcessPoolExecutor(2) as pool:
        rows = pd.DataFrame([row for part in pool.map(one, tasks, chunksize=10) for row in part])
    groups = rows.groupby(["design", "transition", "cause"], sort=False)
    result = groups[["held explained", "width explained", "held caused", "width caused"]].mean()
    result.insert(0, "histories", groups.size())
    result.insert(1, "median caused", groups["caused"].median())
    bound = stats.chi2.ppf(level, 1)
    result["held ratio"] = groups["ratio"].apply(
        lambda each: (each <= bound).mean() if each.notna().any() else math.nan
    )
    # What causes all events of a transition has no doubt, and says nothing.
    return result[result["width explained"] > 0].reset_index()


def page(table: pd.DataFrame, worlds: int, draws: int, level: float, seed: int) -> str:
    """Return the table for the documents."""
    error = math.sqrt(level * (1 - level) / worlds)
    lines = [
        f"{worlds:,} histories a model, seed {seed}, {draws} draws each, intervals of {level:.0%} (a share of so many "
        f"histories has a standard error of {error:.3f}):",
        "",
        "| model | transition | cause | median caused | explained: held | mean width | caused: held | mean width "
        "| strength: held |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for row in table.to_dict("records"):
        ratio = "" if math.isnan(row["held ratio"]) else f"{row['held ratio']:.3f}"
        lines.append(
            f"| {row['design']} | {row['transition']} | {row['cause']} | {row['median caused']:g} "
            f"| {row['held explained']:.3f} | {row['width explained']:.1f} | {row['held caused']:.3f} "
            f"| {row['width caused']:.1f} | {ratio} |"
        )
    return "\n".join(lines)


def main() -> None:
    """Print the table, or write it into the documents."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--worlds", type=int, default=1000, help="histories of each model")
    parser.add_argument("--draws", type=int, default=200)
    parser.add_argument("--level", type=float, default=0.9)
    parser.add_argument("--seed", type=int, default=1000)
    parser.add_argument("--write", action="store_true", help=f"into {PAGE.name}")
    asked = parser.parse_args()
    numbers = (asked.worlds, asked.draws, asked.level, asked.seed)
    text = page(study(*numbers), *numbers)
    if asked.write:
        begin, end = "<!-- counts -->", "<!-- end of counts -->"
        before, rest = PAGE.read_text(encoding="utf-8").split(begin)
        PAGE.write_text(f"{before}{begin}\n\n{text}\n\n{end}{rest.split(end)[1]}", encoding="utf-8")
    print(text)  # noqa: T201


if __name__ == "__main__":
    main()
