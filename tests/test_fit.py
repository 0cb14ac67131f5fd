"""Estimation: what is fixed and tied, standard errors, and what can be asked of a fit."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from helpers.recorded import AGAIN, MOVE, RIOT, drawn, ring, rioting, turning, units
from scipy.optimize import minimize

import tocsin as tc
from tocsin.twin.hazard import PlainSetting, hazards, walk

HOME = f"{MOVE} | baseline | propensity | 1"
SLOPE = f"{MOVE} | baseline | propensity | x"
AWAY = f"{MOVE} | l | susceptibility | 1"
OPEN = f"{MOVE} | l | susceptibility | x"


@pytest.fixture(scope="module")
def both() -> tuple[tc.Model, tc.History]:
    model = turning(tc.baseline("1 + x"), tc.contagion("l", when="s=new", susceptibility="1 + x"))
    return model, drawn(model, {HOME: -3.0, SLOPE: 0.5, AWAY: -1.5, OPEN: -0.4})


@pytest.fixture(scope="module")
def counts() -> tuple[tc.History, pd.DataFrame]:
    """Recurrent events of units with a covariate that changes, and the rows of a Poisson regression."""
    rng = np.random.default_rng(3)
    table, cover, events, rows = units(50), [], [], []
    for unit, x in zip(table["unit"], table["x"], strict=True):
        for begin, end in pairwise([0.0, *sorted(rng.uniform(0, 20, 2)), 20.0]):
            z = float(rng.normal())
            number = rng.poisson(math.exp(-2.5 + 0.4 * x + 0.3 * z) * (end - begin))
            cover.append((unit, "z", z, begin, end))
            events += [(unit, "riot", "yes", t) for t in rng.uniform(begin, end, number)]
            rows.append((unit, end - begin, number, x, z))
    history = tc.History(
        table,
        pd.DataFrame(events, columns=["unit", "variable", "state", "time"]),
        covariates=pd.DataFrame(cover, columns=["unit", "covariate", "value", "start", "end"]),
        variables=[RIOT],
        window=(0, 20),
    )
    return history, pd.DataFrame(rows, columns=["unit", "risk", "events", "x", "z"])


def test_the_gradient_vanishes_and_a_rival_search_finds_nothing_higher(
    both: tuple[tc.Model, tc.History],
) -> None:
    model, history = both
    fit = model.fit(history)
    assert np.abs(fit.score).max() < 1e-8
    program = model.compile(history)
    for seed in range(4):
        start = fit.params.to_numpy() + np.random.default_rng(seed).normal(size=4)
        rival = minimize(lambda v: -program.loglik(v), start, jac=lambda v: -program.gradient(v))
        assert -rival.fun <= fit.loglik + 1e-6
    assert (fit.status == "free").all()
    assert fit.nobs == len(history.events) and fit.df == 4
    assert fit.aic == pytest.approx(8 - 2 * fit.loglik)
    assert fit.bic == pytest.approx(4 * math.log(fit.nobs) - 2 * fit.loglik)


def test_covariates_of_any_size_and_place_are_fitted(counts: tuple[tc.History, pd.DataFrame]) -> None:
    history, _ = counts
    table = history.units.assign(x=history.units["x"] * 1e5 + 2e5, y=history.units["y"] * 1e-4)
    moved = tc.History(table, history.events, covariates=history.covariates, variables=[RIOT], window=(0, 20))
    one = rioting(tc.baseline("1 + x + y + z")).fit(history)
    two = rioting(tc.baseline("1 + x + y + z")).fit(moved)
    assert two.loglik == pytest.approx(one.loglik, abs=1e-8)
    slope = f"{AGAIN} | baseline | propensity | x"
    assert two.params[slope] * 1e5 == pytest.approx(one.params[slope], rel=1e-6)


def test_sandwich_and_cluster_robust_errors_are_those_of_a_poisson_regression(
    counts: tuple[tc.History, pd.DataFrame],
) -> None:
    history, rows = counts
    fit = rioting(tc.baseline("1 + x + z")).fit(history)
    family = sm.families.Poisson()
    rival = sm.GLM(rows.events, sm.add_constant(rows[["x", "z"]]), family, offset=np.log(rows.risk))
    region = rows["unit"].map(history.units.set_index("unit")["region"])
    count = region.nunique()
    for se, cluster, group, factor in (
        ("sandwich", None, rows["unit"], 1.0),
        ("cluster", "region", region, math.sqrt(count / (count - 1))),
        ("cluster", history.units.set_index("unit")["region"], region, math.sqrt(count / (count - 1))),
    ):
        theirs = rival.fit(
            cov_type="cluster",
            cov_kwds={"groups": pd.factorize(group)[0], "use_correction": False},
            tol=1e-14,
        ).bse
        ours = fit.summary(se=se, cluster=cluster)["se"]
        assert ours.to_numpy() == pytest.approx(theirs.to_numpy() * factor, rel=1e-6)
    with pytest.raises(tc.TocsinError, match="no column 'regoin' to group by.*region"):
        fit.summary(se="cluster", cluster="regoin")
    with pytest.raises(tc.TocsinError, match="se='cluster' needs cluster="):
        fit.covariance("cluster")
    with pytest.raises(tc.TocsinError, match="sandwich"):
        fit.summary(se="sandwitch")


def test_unit_scores_sum_to_the_gradient(both: tuple[tc.Model, tc.History]) -> None:

    model, history = both
    program = model.compile(history)
    at = np.array([-2.5, 0.2, -1.0, 0.3])
    assert program.likelihood.unit_scores(at).sum(axis=0) == pytest.approx(program.gradient(at), rel=1e-9)


def test_fixed_parameters_are_offsets(counts: tuple[tc.History, pd.DataFrame]) -> None:
    history, rows = counts
    slope = f"{AGAIN} | baseline | propensity | z"
    fit = rioting(tc.baseline("1 + x + z")).fit(history, fixed={slope: 1.0})
    rival = sm.GLM(
        rows.events,
        sm.add_constant(rows[["x"]]),
        sm.families.Poisson(),
        offset=np.log(rows.risk) + rows.z,
    ).fit(tol=1e-14)
    summary = fit.summary()
    assert fit.params[slope] == 1.0 and fit.status[slope] == "fixed" and summary.loc[slope, "se"] == 0
    assert fit.params.drop(slope).to_numpy() == pytest.approx(rival.params.to_numpy(), abs=1e-6)
    assert summary.drop(slope)["se"].to_numpy() == pytest.approx(rival.bse.to_numpy(), abs=1e-6)
    assert fit.df == 2


def test_tied_parameters_take_one_value(counts: tuple[tc.History, pd.DataFrame]) -> None:
    history, rows = counts
    x, z = (f"{AGAIN} | baseline | propensity | {term}" for term in "xz")
    fit = rioting(tc.baseline("1 + x + z")).fit(history, tied=[(x, z)])
    design = sm.add_constant((rows.x + rows.z).rename("both"))
    rival = sm.GLM(rows.events, design, sm.families.Poisson(), offset=np.log(rows.risk)).fit(tol=1e-14)
    assert fit.params[x] == fit.params[z] == pytest.approx(rival.params["both"], abs=1e-6)
    assert fit.summary().loc[[x, z], "se"].to_numpy() == pytest.approx(rival.bse["both"], abs=1e-6)
    assert fit.score[x] == pytest.approx(-fit.score[z], abs=1e-8)
    assert fit.df == 2 and fit.status[x] == "tied"


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"fixed": {"s: old > new | baseline | propensity | X": 0.0}}, "did you mean"),
        ({"fixed": {HOME: math.nan}}, "cannot be nan"),
        ({"fixed": {HOME: "low"}}, "must be a number"),
        ({"tied": [(HOME,)]}, "two or more"),
        ({"tied": [(HOME, AWAY)], "fixed": {HOME: -3.0, AWAY: -2.0}}, "tied to a parameter that is fixed"),
    ],
)
def test_wrong_constraints_are_refused(
    both: tuple[tc.Model, tc.History], given: dict[str, object], words: str
) -> None:
    model, history = both
    with pytest.raises(tc.ModelError, match=words):
        model.fit(history, **given)  # type: ignore[arg-type]


def test_hazards_are_those_of_the_twin(both: tuple[tc.Model, tc.History]) -> None:
    model, history = both
    fit = model.fit(history)
    when = 4.25
    table = fit.hazards(when).set_index("unit")["hazard"]
    setting = PlainSetting(model, history, fit.params.to_dict())
    step = next(step for step in walk(setting) if step.event is None and step.begin < when <= step.end)
    seen = {}
    for unit in setting.units:
        causes = hazards(setting, step.world, unit, model.transitions[0], when)
        if causes:
            seen[unit] = sum(cause.rate for cause in causes.values())
    assert table.to_dict() == pytest.approx(seen)
    with pytest.raises(tc.TocsinError, match="outside the window"):
        fit.hazards(40.0)


def test_state_probabilities_have_delta_method_intervals() -> None:
    # At a constant rate P(new by t) = 1 - exp(-rate t), and its derivative by log rate is t rate exp(-rate
    # t).
    model = turning(tc.baseline())
    history = drawn(model, {HOME: -2.0}, end=10.0)
    fit = model.fit(history)
    rate, t = math.exp(fit.params.iloc[0]), 5.0
    table = fit.probabilities("s", "new", t, worlds=4000)
    exact = 1 - math.exp(-rate * t)
    assert table["probability"].mean() == pytest.approx(exact, abs=0.005)
    se = t * rate * math.exp(-rate * t) * fit.summary()["se"].iloc[0]
    assert table["se"].mean() == pytest.approx(math.sqrt(se**2 + exact * (1 - exact) / 4000), rel=0.1)
    assert ((table["lower"] < exact) & (exact < table["upper"])).all()


def test_branching_mass_has_the_delta_method_interval() -> None:
    model = rioting(tc.baseline(), tc.contagion("l", when="riot=yes", half_life="estimate"))
    truth = {
        f"{AGAIN} | baseline | propensity | 1": -2.0,
        f"{AGAIN} | l | susceptibility | 1": -2.0,
        f"{AGAIN} | l | memory | half_life": 0.5,
    }
    fit = model.fit(drawn(model, truth, end=40.0))
    row = fit.branching().iloc[0]
    strength, half_life = fit.params.iloc[1], fit.params.iloc[2]
    assert row["mass"] == pytest.approx(math.exp(strength + half_life) / math.log(2))
    part = fit.vcov.iloc[1:, 1:].to_numpy()
    assert math.log(row["upper"] / row["mass"]) == pytest.approx(1.959964 * math.sqrt(part.sum()), rel=1e-5)
    fixed = rioting(tc.baseline(), tc.contagion("l", when="riot=yes", half_life=2.0))
    assert fixed.fit(fit.history).branching()["half_life"].iloc[0] == pytest.approx(2.0)


def test_a_weak_prior_fits_what_has_no_maximum() -> None:
    table = units(20)
    history = tc.History(
        table,
        pd.DataFrame(
            {"unit": table["unit"][table["y"] == 0][:5], "variable": "s", "state": "new", "time": range(1, 6)}
        ),
        ties=ring(20),
        variables=[turning(tc.baseline()).variables[0]],
        window=(0, 10),
        layers=["l"],
    )
    fit = turning(tc.baseline("1 + y")).fit(history, prior=tc.weak_prior())
    assert np.isfinite(fit.summary()[["se", "lower", "upper"]].to_numpy()).all()
    assert np.abs(fit.score).max() < 1e-8
    assert fit.objective < fit.loglik
