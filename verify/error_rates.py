"""How often the test of contagion errs: worlds of known faults, and of contagion, on three graphs.

    uv run python verify/error_rates.py [--worlds 200] [--rows N] [--write]

Each world has 40 units (ring: the next two on either side; grid: 5 by 8; random: 4 ties each) that enter a state and
leave it again, and 60 entries unless a row says otherwise. Parameters and seeds stand in error_rates.toml. A world
passes where both tests of `tocsin check` find the contagion (p of .05 or less): against home alone, and beside units
alike where they are tied with shocks of regions. The faults have other forms than the test assumes. `--write` puts the
table into docs/checks.md.
"""

# ruff: noqa: T201  (a command prints)

from __future__ import annotations

import argparse
import time
import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

import tocsin as tc
from tocsin.check.pair import Pair
from tocsin.check.verdict import LEVEL, judge
from tocsin.errors import TocsinError

HERE = Path(__file__).parent
ASKED: dict[str, Any] = tomllib.loads((HERE / "error_rates.toml").read_text(encoding="utf-8"))
UNITS, STEP = 40, 2.0
STATE = tc.StateVariable("s", ["old", "new"])
MOVE, BACK = "s: old > new", "s: new > old"
TABLE = "<!-- error rates -->"


def neighbours(graph: str) -> np.ndarray:
    """Return the ties of a graph (N, N), both ways."""
    near = np.zeros((UNITS, UNITS))
    if graph == "ring":
        for a in range(UNITS):
            for step in (1, 2):
                near[a, (a + step) % UNITS] = 1
    elif graph == "grid":
        for a in range(UNITS):
            if a % 8 < 7:
                near[a, a + 1] = 1
            if a + 8 < UNITS:
                near[a, a + 8] = 1
    else:
        rng = np.random.default_rng(4)
        while near.sum() < 2 * UNITS:
            a, b = rng.integers(0, UNITS, 2)
            if a != b and not near[b, a]:
                near[a, b] = 1
    return np.maximum(near, near.T)


def steps(near: np.ndarray) -> np.ndarray:
    """Return the steps between units (N, N)."""
    far = np.where(near > 0, 1.0, np.inf)
    np.fill_diagonal(far, 0.0)
    for k in range(UNITS):
        far = np.minimum(far, far[:, [k]] + far[[k], :])
    return np.minimum(far, UNITS)


def fault(kind: str, near: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return the logarithm of what multiplies the hazard at home, by unit and stretch of time (N, T)."""
    middle = np.arange(0.0, ASKED["end"], STEP) + STEP / 2
    effect = np.zeros((UNITS, middle.size))
    about = ASKED["faults"].get(kind, {})
    if kind == "common_shock":
        phase = rng.uniform(0, 2 * np.pi)
        effect += about["height"] * np.sin(2 * np.pi * middle / about["period"] + phase)
    elif kind == "likeness":
        values, vectors = np.linalg.eigh(np.exp(-steps(near) / about["reach"]))
        field = vectors @ (np.sqrt(np.maximum(values, 0)) * rng.standard_normal(UNITS))
        effect += about["spread"] * field[:, None]
    elif kind == "regional_shocks":
        far = steps(near)
        for _ in range(about["number"]):
            centre, when = rng.integers(UNITS), rng.uniform(0, ASKED["end"])
            space = np.exp(-0.5 * (far[centre] / about["reach"]) ** 2)
            effect += about["height"] * np.outer(
                space, np.exp(-0.5 * ((middle - when) / about["lasts"]) ** 2)
            )
    return effect


def declared(home: str, contagion: bool) -> tc.Model:
    """Return the model, with or without contagion."""
    away = [tc.contagion("l", when="s=new", half_life=ASKED["half_life"])] if contagion else []
    return tc.Model(
        [STATE],
        [
            tc.Transition("s", "old", "new", tc.baseline(home), *away),
            tc.Transition("s", "new", "old", tc.baseline()),
        ],
    )


def world(row: dict[str, Any], seed: int) -> tc.History:
    """Return one world of a row, with about as many entries as it asks for."""
    rng = np.random.default_rng(seed)
    near = neighbours(row.get("graph", "ring"))
    effect = fault(row["kind"], near, rng)
    names = [f"u{k:02d}" for k in range(UNITS)]
    a, b = np.nonzero(near)
    ties = pd.DataFrame({"layer": "l", "source": np.array(names)[a], "target": np.array(names)[b]})
    starts = np.arange(0.0, ASKED["end"], STEP)
    effects = pd.DataFrame(
        {
            "unit": np.repeat(names, starts.size),
            "covariate": "effect",
            "value": effect.ravel(),
            "start": np.tile(starts, UNITS),
            "end": np.tile(starts + STEP, UNITS),
        }
    )
    empty = tc.History(
        {"unit": names}, ties=ties, covariates=effects, variables=[STATE], window=(0, ASKED["end"]),
        layers=["l"], clock="continuous",
    )  # fmt: skip
    mass = row.get("mass", 0.0)
    strength = mass / near.sum(axis=1).mean() * np.log(2) / ASKED["half_life"]
    model, wanted = declared("1 + effect", mass > 0), row.get("events", 60)
    rate, number = ASKED["home"], 0
    for turn in range(6):  # the rate at home at which as many come as are wanted, within a fifth
        params = {
            f"{MOVE} | baseline | propensity | 1": np.log(rate),
            f"{MOVE} | baseline | propensity | effect": 1.0,
            f"{BACK} | baseline | propensity | 1": np.log(ASKED["back"]),
        }
        if mass:
            params[f"{MOVE} | l | susceptibility | 1"] = np.log(strength)
        made = model.with_params(params).simulate(empty, worlds=1, seed=seed + 7 * turn).history(0)
        number = int((made.events["state"] == "new").sum())
        if abs(number - wanted) <= 0.2 * wanted:
            break
        rate *= np.clip(wanted / max(number, 1), 0.4, 2.5)
    return tc.History(
        {"unit": names}, made.events[["unit", "variable", "state", "time"]], ties, variables=[STATE],
        window=(0, ASKED["end"]), layers=["l"], clock="continuous",
    )  # fmt: skip


def passes(known: tc.History) -> tuple[bool, bool]:
    """Return whether the contagion passes against home alone, and both tests."""
    fit = declared("1", True).fit(known)
    move = fit.model.transitions[0]
    pair = Pair(fit, move, move.causes[1])
    task = pair.task(known, False)
    null = dict(zip(task.program.parameter_names, map(float, task.user(task.solve().vector)), strict=True))
    found = judge(fit, known, pair.name, null, 0, 1)
    return found.alone[1] <= LEVEL, max(found.alone[1], found.beside[1]) <= LEVEL


def main() -> None:
    """Print the table; write it into the documents if asked."""
    reader = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    reader.add_argument("--worlds", type=int, default=200)
    reader.add_argument("--rows", type=int, default=len(ASKED["rows"]))
    reader.add_argument("--write", action="store_true")
    asked = reader.parse_args()
    rows = []
    for number, row in enumerate(ASKED["rows"][: asked.rows]):
        begun, found, lost = time.time(), [], 0
        for k in range(asked.worlds):
            try:
                found.append(passes(world(row, ASKED["seed"] + 1000 * number + k)))
            except TocsinError:
                lost += 1
        alone, both = np.array(found).sum(axis=0)
        rows.append((row["kind"], row.get("graph", "ring"), row.get("mass", 0.0), row.get("events", 60),
                     len(found), alone, both))  # fmt: skip
        print(*rows[-1], f"lost {lost}, {time.time() - begun:.0f} s", flush=True)
    columns = ["worlds of", "graph", "mass", "entries", "worlds", "pass against home", "pass both"]
    text = pd.DataFrame(rows, columns=columns).to_markdown(index=False)
    print(text)
    if asked.write:
        page = HERE.parent / "docs" / "checks.md"
        before, _, rest = page.read_text(encoding="utf-8").partition(TABLE)
        page.write_text(f"{before}{TABLE}\n{text}\n{TABLE}{rest.partition(TABLE)[2]}", encoding="utf-8")


if __name__ == "__main__":
    main()
