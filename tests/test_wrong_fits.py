"""Data that cannot carry a model: each case ends in a message that says what to do, never in silence."""

from __future__ import annotations

import math
import warnings

import numpy as np
import pandas as pd
import pytest
from helpers.recorded import MOVE, TURN, drawn, ring, turning, units

import tocsin as tc

HOME = f"{MOVE} | baseline | propensity | 1"
AWAY = f"{MOVE} | l | susceptibility | 1"


def record(chosen: list[int], count: int = 30, **columns: object) -> tc.History:
    """The chosen units turn one after the other."""
    table = units(count).assign(**columns)
    events = pd.DataFrame(
        {
            "unit": table["unit"].iloc[chosen].to_numpy(),
            "variable": "s",
            "state": "new",
            "time": np.linspace(1, 9, len(chosen)),
        }
    )
    return tc.History(
        table, events, ties=ring(count), variables=[TURN], window=(0, 10), layers=["l", "empty"]
    )


def fitted(model: tc.Model, history: tc.History) -> tc.Fit:
    """Fit without a single warning of NumPy or SciPy, and read everything that can be read."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fit = model.fit(history)
        fit.report(), fit.to_html(), fit.to_latex(), fit.intervals()
    table = fit.summary()
    assert not table[["estimate", "lower", "upper", "exp(estimate)"]].isna().any(axis=None)
    for name in table.index[table["se"].isna()]:  # what has no standard error is explained
        head = name.rsplit(" | ", 2)[0]
        assert any(name in text or head in text for text in fit.warnings), name
    return fit


def one(fit: tc.Fit, *words: str) -> str:
    found = [text for text in fit.warnings if all(word in text for word in words)]
    assert len(found) == 1, fit.warnings
    return found[0]


def test_separation() -> None:
    table = units(30)
    low = [k for k in range(30) if table["y"][k] == 0][:8]
    fit = fitted(turning(tc.baseline("1 + y")), record(low))
    one(fit, "| y'", "minus infinity", "separation", "weak_prior")
    name = f"{MOVE} | baseline | propensity | y"
    assert fit.status[name] == "not identified"
    assert fit.params[HOME] == pytest.approx(
        turning(tc.baseline())
        .fit(record(low).select(units=list(table["unit"][table["y"] == 0])))
        .params[HOME],
        abs=1e-4,
    )
    upper = fit.intervals(names=[name]).iloc[0]
    assert upper["lower"] == -math.inf and 0 > upper["upper"] > -5
    other = fitted(turning(tc.baseline("1 + q")), record(low, q=1 - table["y"]))
    one(other, "propensity | q' runs to plus infinity", "separation")
    one(other, "propensity | 1' is known only together with", "propensity | q'")
    assert (other.status == "not identified").all()


def test_separation_inside_a_mixture() -> None:
    # No first adopter has y = 1: at home y runs to minus infinity while contagion explains the others.
    model = turning(tc.baseline("1 + y"), tc.contagion("l", when="s=new"))
    history = drawn(model, {HOME: -3.0, f"{MOVE} | baseline | propensity | y": -9.0, AWAY: -1.0}, 60, 3)
    fit = fitted(model, history)
    one(fit, "| y'", "minus infinity")
    assert math.isfinite(fit.summary().loc[AWAY, "se"])


def test_a_cause_that_never_had_exposure() -> None:
    fit = fitted(turning(tc.baseline(), tc.contagion("empty", when="s=new")), record([1, 5, 9]))
    one(fit, "'s: old > new | empty' never had exposure", "layer 'empty'", "leave the cause out")
    assert fit.params[f"{MOVE} | empty | susceptibility | 1"] == -math.inf
    assert fit.params[HOME] == pytest.approx(turning(tc.baseline()).fit(fit.history).params[HOME], abs=1e-8)


def test_only_a_cause_without_exposure() -> None:
    with pytest.raises(tc.FitError, match="cannot be explained by any cause.*give the transition a baseline"):
        turning(tc.contagion("empty", when="s=new")).fit(record([1, 5, 9]))


def test_collinear_covariates() -> None:
    table = units(30)
    history = record([1, 5, 9, 11, 20], z=2 * table["x"] + 3 * table["y"] - 1)
    fit = fitted(turning(tc.baseline("1 + x + y + z")), history)
    text = one(fit, "collinear")
    assert "'z' is a sum of 'the intercept', 'x', 'y'" in text and "leave the term out" in text
    assert fit.loglik == pytest.approx(turning(tc.baseline("1 + x + y")).fit(history).loglik, abs=1e-9)
    assert fit.df == 3


def test_a_constant_covariate() -> None:
    fit = fitted(
        turning(tc.baseline("1 + k"), tc.contagion("l", when="s=new", infectiousness="k")),
        record([1, 2, 3, 4], k=4.0),
    )
    one(fit, "propensity | k'", "'k' is 4 wherever", "constant")
    one(fit, "infectiousness | k'", "'k' is 4 wherever", "constant")


def test_a_missing_value_at_risk() -> None:
    table = units(30)
    x = table["x"].copy()
    x[7] = np.nan
    with pytest.raises(tc.FitError, match="needs 'x', which is missing for .*'u007'.*leave it out"):
        turning(tc.baseline("1 + x")).fit(record([1, 2], x=x))


def test_more_parameters_than_events() -> None:
    fit = fitted(turning(tc.baseline("1 + x + y")), record([1, 5]))
    one(fit, "3 parameters for 2 events", "weak_prior")


def test_no_events() -> None:
    with pytest.raises(tc.FitError, match="no event of 's: old > new'.*leave the transition out"):
        turning(tc.baseline()).fit(record([]))


def test_two_causes_that_say_the_same() -> None:
    fit = fitted(turning(tc.baseline(), tc.baseline(name="again")), record([1, 5, 9]))
    assert any("say nothing of" in text for text in fit.warnings)


def test_propensity_and_susceptibility_that_cannot_be_told_apart() -> None:
    # Everyone is always exposed to one source, so both covariates do the same.
    table = units(40, seed=5)
    rng = np.random.default_rng(5)
    time = rng.exponential(1 / np.exp(-2.5 + 0.5 * table["x"]))
    events = pd.DataFrame({"unit": table["unit"], "variable": "s", "state": "new", "time": time})
    events = events[events["time"] < 10]
    table = pd.concat([table.assign(s="old"), pd.DataFrame({"unit": ["seed"], "x": [0.0], "s": ["new"]})])
    ties = pd.DataFrame({"layer": "l", "source": "seed", "target": table["unit"].iloc[:-1], "weight": 1.0})
    ties["weight"] = rng.uniform(0.9, 1.1, len(ties))
    history = tc.History(table, events, ties=ties, variables=[TURN], window=(0, 10), layers=["l"])
    model = turning(tc.baseline("1 + x"), tc.contagion("l", when="s=new", susceptibility="1 + x"))
    fit = model.fit(history)
    said = " ".join(fit.warnings)
    assert "told apart" in said or "ran to zero" in said or "say nothing" in said
