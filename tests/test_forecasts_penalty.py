"""The strength of a penalty by forward validation in time."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from helpers.recorded import AGAIN, RIOT, drawn, rioting, units

import tocsin as tc
from tocsin.fit.maximum.constraint import Prior
from tocsin.forecasts.penalty import choose_prior, forward_validation


def noisy(effects: float) -> tuple[tc.Model, tc.History]:
    """Riots under eight covariates of the units, with effects of a given size."""
    rng = np.random.default_rng(8)
    table = units(25)
    for k in range(8):
        table[f"c{k}"] = rng.normal(size=25)
    model = rioting(tc.baseline("1 + " + " + ".join(f"c{k}" for k in range(8))))
    empty = tc.History(table, variables=[RIOT], window=(0, 10))
    names = model.compile(empty).parameter_names
    params = dict(zip(names, [-2.0, *rng.normal(size=8) * effects], strict=True))
    return model, model.with_params(params).simulate(empty, worlds=1, seed=1).history(0)


def test_no_effects_call_for_a_strong_penalty_and_large_ones_for_a_weak_one() -> None:
    assert choose_prior(*noisy(0.0)).coefficient <= 0.5
    assert choose_prior(*noisy(1.5)).coefficient >= 1.0


def test_the_score_is_the_likelihood_of_what_came_next() -> None:
    model, history = noisy(0.5)
    prior = Prior(coefficient=1.0)
    table = forward_validation(model, history, [prior], parts=2)
    times = history.events["time"].sort_values().to_numpy()
    middle = float(np.quantile(times, 0.5, method="inverted_cdf"))
    past = history.select(window=(0, middle))
    fit = model.fit(past, prior=prior)
    expected = fit.log_likelihood(history) - fit.log_likelihood(past)
    assert table["score"].iloc[0] == pytest.approx(expected, rel=1e-9)


def test_a_transition_that_has_not_happened_yet_is_no_obstacle() -> None:
    model, history = noisy(0.5)
    first = float(history.events["time"].min())
    late = history.select(window=(0, first / 2))
    fit = model.fit(late, prior=tc.weak_prior())
    assert fit.nobs == 0 and fit.status.eq("free").all()
    with pytest.raises(tc.FitError, match="no event"):
        model.fit(late)


def test_too_few_events_are_refused() -> None:
    history = drawn(rioting(tc.baseline()), {f"{AGAIN} | baseline | propensity | 1": -6.0}, end=2.0)
    with pytest.raises(tc.TocsinError, match="too few for 4 parts"):
        forward_validation(rioting(tc.baseline()), history)
    assert isinstance(history.events, pd.DataFrame)
