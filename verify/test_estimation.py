"""Cases 7, 8 and 9: time rescaling, the score at the truth, and expected = observed at a maximum."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from scipy.stats import chi2, kstest, spearmanr

import tocsin as tc
from tocsin.twin.hazard import PlainSetting, integrals, walk

RIOT = tc.StateVariable("riot", ["yes"], recurrent=True)
TURN = tc.StateVariable("s", ["old", "new"])
NAME = "riot: yes > yes"


def ring(units: int, layer: str = "l") -> pd.DataFrame:
    """Each unit is tied to the next two, with different weights."""
    rows = [(layer, f"u{a}", f"u{(a + step) % units}", 1.0 / step) for a in range(units) for step in (1, 2)]
    return pd.DataFrame(rows, columns=["layer", "source", "target", "weight"])


def hawkes(
    window: tuple[float, float], half_life: float | str = 2.0
) -> tuple[tc.Model, tc.History, dict[str, float]]:
    """Mutually exciting riots with a covariate that changes, marks and a power response."""
    units = pd.DataFrame({"unit": [f"u{k}" for k in range(6)], "loud": [0.5, -0.5, 1.0, 0.0, 0.3, -1.0]})
    change = pd.DataFrame(
        {"unit": "*", "covariate": "hunger", "value": [0.0, 1.0, 0.0], "start": [window[0], 7.0, 20.0],
         "end": [7.0, 20.0, window[1]]}
    )  # fmt: skip
    history = tc.History(
        units, ties=ring(6), covariates=change, variables=[RIOT], window=window, layers=["l"]
    )
    cause = tc.contagion("l", when="riot=yes", infectiousness="loud", half_life=half_life, response="power")
    model = tc.Model([RIOT], [tc.Transition("riot", "yes", "yes", tc.baseline("1 + hunger"), cause)])
    params = {
        f"{NAME} | baseline | propensity | 1": -2.0,
        f"{NAME} | baseline | propensity | hunger": 0.7,
        f"{NAME} | l | susceptibility | 1": -2.2,
        f"{NAME} | l | infectiousness | loud": 0.5,
        f"{NAME} | l | response | alpha": math.log(0.8),
    }
    if half_life == "estimate":
        params[f"{NAME} | l | memory | half_life"] = math.log(2.0)
    return model, history, params


def test_time_rescaling() -> None:
    # Integrated hazards between events are unit exponential (Brown et al. 2002). Only the first three spells
    # of each unit are used, in a window so long that they always end: no censoring, no selection.
    model, history, params = hawkes((0.0, 200.0))
    ensemble = model.with_params(params).simulate(history, worlds=60, seed=7)
    first, pairs = [], []
    for world in range(ensemble.worlds):
        spells = model.compile(ensemble.history(world)).residuals(params)
        for _, mine in spells.groupby("unit"):
            mine = mine.sort_values("start")
            assert mine["observed"].iloc[:3].all()
            first += mine["integral"].iloc[:3].tolist()
            pairs.append(mine["integral"].iloc[:2].tolist())
    assert kstest(first, "expon").pvalue > 1e-3
    assert spearmanr(np.array(pairs)).pvalue > 1e-3  # and independent of each other


@pytest.mark.parametrize("kind", ["hawkes", "states"])
def test_score_has_mean_zero_and_the_information_as_its_covariance(kind: str) -> None:
    if kind == "hawkes":
        model, history, params = hawkes((0.0, 30.0), "estimate")
    else:
        units = pd.DataFrame({"unit": [f"u{k}" for k in range(12)], "x": np.linspace(-1, 1, 12)})
        history = tc.History(units, ties=ring(12), variables=[TURN], window=(0, 15), layers=["l"])
        marked = tc.contagion("l", when="s=new", infectiousness="x")
        model = tc.Model(
            [TURN],
            [
                tc.Transition("s", "old", "new", tc.baseline("1 + x"), marked),
                tc.Transition("s", "new", "old", tc.baseline()),
            ],
        )
        there, back = "s: old > new", "s: new > old | baseline | propensity | 1"
        params = {
            f"{there} | baseline | propensity | 1": -2.0,
            f"{there} | baseline | propensity | x": 0.5,
            f"{there} | l | susceptibility | 1": -1.0,
            f"{there} | l | infectiousness | x": 0.5,
            back: -1.0,
        }
    worlds = 400
    ensemble = model.with_params(params).simulate(history, worlds=worlds, seed=8)
    scores, information = [], []
    for world in range(worlds):
        program = model.compile(ensemble.history(world))
        scores.append(program.gradient(params))
        information.append(-program.hessian(params))
    score, expected = np.array(scores), np.mean(information, axis=0)
    mean = score.mean(axis=0)
    # In units of the information the mean is chi-square and the covariance is the identity.
    assert chi2.sf(worlds * mean @ np.linalg.solve(expected, mean), len(mean)) > 1e-3
    half = np.linalg.inv(np.linalg.cholesky(expected))
    eigenvalues = np.linalg.eigvalsh(half @ np.cov(score.T) @ half.T)
    assert eigenvalues.min() > 0.6 and eigenvalues.max() < 1.5


def test_expected_equals_observed() -> None:
    # The derivative with respect to a free intercept b of a cause is sum of shares - integral of the hazard.
    model, history, params = hawkes((0.0, 60.0))
    world = model.with_params(params).simulate(history, worlds=1, seed=9).history(0)
    fit = model.fit(world)
    shares = fit.attribute(world).causes.groupby("cause", observed=True)["share"].sum()
    totals = {"baseline": 0.0, "l": 0.0}
    setting = PlainSetting(model, world, fit.params.to_dict())
    for step in walk(setting):
        if step.event is None:
            for (_, _, cause), amount in integrals(setting, step).items():
                totals[cause] += amount
    assert min(shares) > 1  # both causes are free and interior
    for cause, amount in totals.items():
        assert shares[cause] == pytest.approx(amount, rel=1e-5)
    assert shares.sum() == pytest.approx(len(world.events))


def test_parameters_are_recovered() -> None:
    # 95% intervals cover the truth in about 95 of 100 worlds. The response is shown in natural units.
    model, history, params = hawkes((0.0, 200.0))
    truth = pd.Series(params)
    truth[f"{NAME} | l | response | alpha"] = 0.8
    ensemble = model.with_params(params).simulate(history, worlds=60, seed=10)
    covered = []
    for world in range(ensemble.worlds):
        summary = model.fit(ensemble.history(world)).summary()
        covered.append((truth[summary.index] > summary["lower"]) & (truth[summary.index] < summary["upper"]))
    assert np.mean(covered) == pytest.approx(0.95, abs=0.05)
    assert np.mean(covered, axis=0).min() > 0.8


def test_null_parameters_are_not_found() -> None:
    # Without contagion in the worlds, twice the gain of the layer is at most chi-square with one degree of
    # freedom (half of it on the boundary), so that at least 95% of gains are below 3.84.
    units = pd.DataFrame({"unit": [f"u{k}" for k in range(12)]})
    history = tc.History(units, ties=ring(12), variables=[TURN], window=(0, 10), layers=["l"])
    home = tc.Model([TURN], [tc.Transition("s", "old", "new", tc.baseline())])
    both = tc.Model(
        [TURN], [tc.Transition("s", "old", "new", tc.baseline(), tc.contagion("l", when="s=new"))]
    )
    ensemble = home.with_params({"s: old > new | baseline | propensity | 1": -2.0}).simulate(history, 60, 11)
    gains = []
    for world in range(ensemble.worlds):
        record = ensemble.history(world)
        if len(record.events):
            gains.append(2 * (both.fit(record).loglik - home.fit(record).loglik))
    assert min(gains) > -1e-6
    assert np.mean(np.array(gains) < 3.84) > 0.88
