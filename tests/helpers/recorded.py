"""Small histories drawn from known models, for the tests of estimation."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

import tocsin as tc

TURN = tc.StateVariable("s", ["old", "new"])
RIOT = tc.StateVariable("riot", ["yes"], recurrent=True)
MOVE = "s: old > new"
AGAIN = "riot: yes > yes"


def ring(units: int, layer: str = "l") -> pd.DataFrame:
    """Each unit is tied to the next two."""
    rows = [(layer, f"u{a:03d}", f"u{(a + step) % units:03d}") for a in range(units) for step in (1, 2)]
    return pd.DataFrame(rows, columns=["layer", "source", "target"])


def units(count: int, seed: int = 0) -> pd.DataFrame:
    """Units with two covariates, x and y, and a region."""
    rng = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "unit": [f"u{k:03d}" for k in range(count)],
            "x": rng.normal(size=count),
            "y": rng.integers(0, 2, count).astype(float),
            "region": [f"r{k % 10}" for k in range(count)],
        }
    )


def turning(*causes: Any) -> tc.Model:
    """One transition, old to new."""
    return tc.Model([TURN], [tc.Transition("s", "old", "new", *causes)])


def rioting(*causes: Any) -> tc.Model:
    """One recurrent event."""
    return tc.Model([RIOT], [tc.Transition("riot", "yes", "yes", *causes)])


def drawn(
    model: tc.Model, params: dict[str, float], count: int = 60, seed: int = 1, end: float = 20.0
) -> tc.History:
    """A history drawn from a model on a ring."""
    empty = tc.History(
        units(count), ties=ring(count), variables=list(model.variables), window=(0, end), layers=["l"]
    )
    return model.with_params(params).simulate(empty, worlds=1, seed=seed).history(0)
