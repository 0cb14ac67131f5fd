"""The posterior against what is known without a sampler: modes, a conjugate case, quadrature, calibration."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import minimize
from scipy.stats import gamma, kstest

import tocsin as tc
from tocsin.bayes.random_effects import with_effects
from tocsin.bayes.target import Belief, Density

pytest.importorskip("nutpie")

from sbc import MODELS, ranks, setting, uniform

RIOT = tc.StateVariable("riot", ["yes"], recurrent=True)
FLAT = tc.weak_prior(1e4, 1e4, 1e4, 1e4)


def grown(name: str, seed: int) -> tuple[tc.Model, tc.History]:
    """Return a model of the calibration with one of its worlds."""
    model, history, prior, _ = setting(name)
    effects = with_effects(model, history)
    vector = Belief.of(prior, effects.plain).centre
    return model, effects.plain.simulate(vector + 0.5, 20, seed).history(seed)


@pytest.mark.parametrize(("name", "seed"), [("wave", 3), ("wave", 8)])
@pytest.mark.parametrize("prior", [None, tc.weak_prior(1.0, 2.0)])
def test_mode_is_the_fit(name: str, seed: int, prior: object) -> None:
    # Under a flat prior the mode is the maximum of the likelihood, else that of the penalised likelihood.
    model, history = grown(name, seed)
    fit = model.fit(history, prior=prior)
    effects = with_effects(model, history)
    density, belief = Density(effects), Belief.of(FLAT if prior is None else prior, effects.plain)
    free = np.isfinite(fit.params.to_numpy())
    start = np.where(free, fit.params, -30.0)

    def lost(part: np.ndarray) -> tuple[float, np.ndarray]:
        vector = start.copy()
        vector[free] = part
        value, gradient, _ = density(vector, np.zeros(0))
        gap = (vector - belief.centre) / belief.scale
        return -value + 0.5 * gap @ gap, (gap / belief.scale - gradient)[free]

    begin = start[free] + np.random.default_rng(seed).normal(0.0, 0.3, free.sum())
    found = minimize(lost, begin, jac=True, method="BFGS", options={"gtol": 1e-9, "maxiter": 500})
    np.testing.assert_allclose(found.x, start[free], atol=1e-4)


def test_one_rate_is_a_gamma() -> None:
    # A log rate with a flat prior: the rate has the density rate^(n - 1) exp(-rate T), a gamma (n, 1 / T).
    times = np.sort(np.random.default_rng(3).uniform(0.0, 10.0, 7))
    events = pd.DataFrame({"unit": "a", "variable": "riot", "state": "yes", "time": times})
    history = tc.History(pd.DataFrame({"unit": ["a", "b"]}), events, variables=[RIOT], window=(0, 10))
    model = tc.Model([RIOT], [tc.Transition("riot", "yes", "yes", tc.baseline())])
    posterior = model.sample(history, draws=2000, tune=500, seed=2, prior=FLAT)
    assert not posterior.warnings
    rate = np.exp(posterior.draws.vector).ravel()
    exact = gamma(7, scale=1 / 20.0)
    assert rate.mean() == pytest.approx(exact.mean(), rel=0.03)
    assert rate.std() == pytest.approx(exact.std(), rel=0.06)
    assert kstest(rate[::8], exact.cdf).pvalue > 1e-3


def test_competing_causes_by_quadrature() -> None:
    # Two causes of one transition: strengths that may be next to nothing, on the sampler's unrolled scale.
    units = pd.DataFrame({"unit": ["a", "b", "c"]})
    ties = pd.DataFrame(
        [("l", x, y) for x in "abc" for y in "abc" if x != y], columns=["layer", "source", "target"]
    )
    turn = tc.StateVariable("s", ["old", "new"])
    events = pd.DataFrame({"unit": ["a", "b"], "variable": "s", "state": "new", "time": [2.0, 3.0]})
    history = tc.History(units, events, ties, variables=[turn], window=(0, 6), layers=["l"])
    model = tc.Model(
        [turn], [tc.Transition("s", "old", "new", tc.baseline(), tc.contagion("l", when="s=new"))]
    )
    prior = tc.weak_prior(strength=3.0)
    posterior = model.sample(history, draws=4000, tune=1000, seed=4, prior=prior)
    assert not posterior.warnings
    program = model.compile(history)
    centre, scale = prior.centre_and_scale(program)
    axis = np.linspace(centre[0] - 15.0, centre[0] + 8.0, 231)
    grid = np.array([[program.loglik([x, y]) for y in axis] for x in axis])
    prior_log = -0.5 * ((axis - centre[0]) / scale[0]) ** 2
    weight = np.exp(grid + prior_log[:, None] + prior_log[None, :] - grid.max())
    weight /= weight.sum()
    for position, mass in enumerate((weight.sum(axis=1), weight.sum(axis=0))):
        drawn = posterior.draws.vector[..., position].ravel()
        mean = mass @ axis
        assert drawn.mean() == pytest.approx(mean, abs=0.12)
        assert drawn.std() == pytest.approx(np.sqrt(mass @ (axis - mean) ** 2), rel=0.05)
        for level in (0.05, 0.25, 0.5, 0.75, 0.95):
            edge = np.interp(level, np.cumsum(mass) - mass / 2, axis)
            assert (drawn < edge).mean() == pytest.approx(level, abs=0.025)
    both = (
        (axis[:, None] - weight.sum(axis=1) @ axis) * (axis[None, :] - weight.sum(axis=0) @ axis) * weight
    ).sum()
    assert np.cov(posterior.draws.vector.reshape(-1, 2).T)[0, 1] == pytest.approx(both, abs=0.35)


@pytest.mark.parametrize("name", MODELS)
def test_calibration(name: str) -> None:
    # Sixty simulations with fixed seeds; `verify/sbc.py` runs more and draws the ranks.
    values = uniform(ranks(name, 60, seed=7))
    assert values.min() > 0.01 / len(values), values
