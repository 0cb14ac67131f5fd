"""Case 15, quickly: recovery, coverage, and the warning where one effect is left out; see `recovery.py`."""

from __future__ import annotations

import numpy as np
import pytest
from recovery import CONFUSED, MOVE, TRUTH, left_out, model, population, study

import tocsin as tc


@pytest.fixture(scope="module")
def history() -> tc.History:
    return population()


@pytest.mark.parametrize("same", [False, True])
def test_known_parameters_are_recovered(history: tc.History, same: bool) -> None:
    # In 1,000 worlds every coverage lies between 93.8 and 96.4%; in 300 chance alone moves one by 1.3%.
    declared, truth = (model("1 + x", "1 + x"), CONFUSED) if same else (model(), TRUTH)
    found = study(declared, truth, 300, 21, history)
    assert found.events > 200 and found.lost == 0
    assert found.table["coverage"].mean() == pytest.approx(0.95, abs=0.02)
    assert found.table["coverage"].between(0.91, 0.99).all()
    assert (found.table["bias"].abs() < 4 * found.table["sd"] / np.sqrt(300) + 0.02).all()
    assert (found.table["se"] / found.table["sd"]).between(0.85, 1.15).all()
    assert (found.table["power"] > 0.9).all()


def test_one_effect_left_out_is_taken_for_the_other(history: tc.History) -> None:
    table = left_out(60, 22, history).set_index(["true place of x", "place in the model"])["called"]
    for place, other in (("propensity", "susceptibility"), ("susceptibility", "propensity")):
        assert table[place, place] > 0.9
        assert table[place, other] > 0.1  # twice its level of 5%, and more


def test_the_warning_fires_where_an_effect_is_left_out_and_seldom_elsewhere(history: tc.History) -> None:
    truth = {
        f"{MOVE} | baseline | propensity | 1": -4.0,
        f"{MOVE} | proximity | susceptibility | 1": -2.2,
        f"{MOVE} | proximity | susceptibility | x": 0.6,
        f"{MOVE} | proximity | infectiousness | y": 0.5,
    }
    right, wrong = model("1", "1 + x"), model("1 + x", "1")
    ensemble = right.with_params(truth).simulate(history, worlds=20, seed=23)
    said = {"right": 0, "wrong": 0}
    for k in range(20):
        world = ensemble.history(k)
        for name, each in (("right", right), ("wrong", wrong)):
            said[name] += any("Greve" in text for text in each.fit(world).warnings)
    assert said["wrong"] >= 19 and said["right"] <= 3


def test_estimates_that_the_information_hardly_tells_apart_are_named() -> None:
    # Two layers of the same ties, but for a few: their strengths are known together and hardly apart.
    import pandas as pd

    base = population()
    ties = base.ties
    other = ties.assign(layer="trade")
    other.loc[other.index[:40], "weight"] *= 1.5
    both = tc.History(
        base.units,
        ties=pd.concat([ties, other]),
        variables=list(base.variables),
        window=base.window,
        layers=["proximity", "trade"],
    )
    move = tc.Transition(
        "state",
        "without",
        "with",
        tc.baseline(),
        tc.contagion("proximity", when="state=with"),
        tc.contagion("trade", when="state=with"),
    )
    declared = tc.Model(list(base.variables), [move])
    truth = {
        f"{MOVE} | baseline | propensity | 1": -4.0,
        f"{MOVE} | proximity | susceptibility | 1": -2.5,
        f"{MOVE} | trade | susceptibility | 1": -2.5,
    }
    fits = [
        declared.fit(declared.with_params(truth).simulate(both, worlds=10, seed=24).history(k))
        for k in range(10)
    ]
    kept = [fit for fit in fits if "zero" not in set(fit.status)]
    for fit in kept:
        text = next(text for text in fit.warnings if "told apart" in text)
        assert "do together, and not what each does" in text
        corr = fit.vcov.iloc[1, 2] / np.sqrt(fit.vcov.iloc[1, 1] * fit.vcov.iloc[2, 2])
        assert f"{corr:.2f}" in text
