"""Case 13: Stanford heart transplants (Crowley & Hu 1977), by a baseline that is constant in pieces.

As the pieces of the baseline shrink to the instants of the deaths, the likelihood becomes Breslow's partial
likelihood (Breslow 1974; Holford 1976), so the coefficients must approach those of a Cox regression with
Breslow's handling of ties.
"""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

import tocsin as tc

BRESLOW = {"age": 0.0271521, "year": -0.1461158, "surgery": -0.6358435, "transplant": -0.0118959}
LIFE = tc.StateVariable("life", ["alive", "dead"])


def patients() -> pd.DataFrame:
    from lifelines.datasets import load_stanford_heart_transplants

    return load_stanford_heart_transplants()


def history(rows: pd.DataFrame, edges: list[float], kinds: list[float]) -> tc.History:
    """The record with a covariate `period` of all: kind k on each piece (edges[k], edges[k + 1]]."""
    last = rows.sort_values("stop").groupby("id").tail(1)
    units = last.assign(unit=last["id"].astype(str), exit=last["stop"])[
        ["unit", "exit", "age", "year", "surgery"]
    ]
    dead = last[last["event"] == 1]
    events = pd.DataFrame(
        {"unit": dead["id"].astype(str), "variable": "life", "state": "dead", "time": dead["stop"]}
    )
    moving = pd.DataFrame(
        {
            "unit": rows["id"].astype(str),
            "covariate": "transplant",
            "value": rows["transplant"].astype(float),
            "start": rows["start"],
            "end": rows["stop"],
        }
    )
    period = pd.DataFrame(
        {"unit": "*", "covariate": "period", "value": kinds, "start": edges[:-1], "end": edges[1:]}
    )
    end = float(rows["stop"].max())
    return tc.History(
        units, events, covariates=pd.concat([moving, period]), variables=[LIFE], window=(0.0, end)
    )


def coefficients(record: tc.History) -> pd.Series:
    model = tc.Model(
        [LIFE],
        [
            tc.Transition(
                "life", "alive", "dead", tc.baseline("0 + C(period) + age + year + surgery + transplant")
            )
        ],
    )
    head = "life: alive > dead | baseline | propensity | "
    names = model.compile(record).parameter_names
    nobody_died = {name: -math.inf for name in names if name.endswith("[0.0]")}
    fit = model.fit(record, fixed=nobody_died)
    return pd.Series({term: fit.params[head + term] for term in BRESLOW})


def quantiles(deaths: np.ndarray, pieces: int, end: float) -> list[float]:
    """Edges of pieces that hold about as many deaths each."""
    inner = np.unique(np.quantile(deaths, np.arange(1, pieces) / pieces, method="inverted_cdf"))
    return [0.0, *(x for x in inner if 0 < x < end), end]


def test_a_finer_baseline_approaches_breslow() -> None:
    rows = patients()
    deaths, end = rows["stop"][rows["event"] == 1].to_numpy(), float(rows["stop"].max())
    target = pd.Series(BRESLOW)
    far = []
    for pieces in (1, 4, 16):
        edges = quantiles(deaths, pieces, end)
        found = coefficients(history(rows, edges, list(np.arange(1.0, len(edges)))))
        far.append(float((found - target).abs().max()))
    for width in (0.5, 1e-3, 1e-6):
        # Pieces of this width end at each death; between them nobody dies and the rate is zero.
        edges, kinds = [0.0], []
        for number, time in enumerate(np.unique(deaths)):
            edges += [time - width, time]
            kinds += [0.0, number + 1.0]
        if edges[-1] < end:
            edges.append(end)
            kinds.append(0.0)
        found = coefficients(history(rows, edges, kinds))
        far.append(float((found - target).abs().max()))
    assert far[0] > far[1] > far[2] > far[-1]
    assert found.to_dict() == pytest.approx(BRESLOW, abs=1e-6)
