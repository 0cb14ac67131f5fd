"""Profile likelihood: intervals against a brute-force search, open ends, strengths of zero, and their
tests."""

from __future__ import annotations

import math

import numpy as np
import pytest
from helpers.recorded import AGAIN, MOVE, drawn, rioting, turning
from scipy.optimize import brentq, minimize

import tocsin as tc

HOME = f"{MOVE} | baseline | propensity | 1"
AWAY = f"{MOVE} | l | susceptibility | 1"


def contagious() -> tc.Model:
    return turning(tc.baseline("1 + x"), tc.contagion("l", when="s=new"))


@pytest.fixture(scope="module")
def fit() -> tc.Fit:
    truth = {HOME: -3.0, f"{MOVE} | baseline | propensity | x": 0.5, AWAY: -1.5}
    return contagious().fit(drawn(contagious(), truth))


@pytest.fixture(scope="module")
def alone() -> tc.Fit:
    """A contagion that is not there, and runs to zero."""
    model = turning(tc.baseline())
    for seed in range(20):
        history = drawn(model, {HOME: -2.5}, seed=seed)
        found = turning(tc.baseline(), tc.contagion("l", when="s=new", infectiousness="x")).fit(history)
        if found.status[AWAY] == "zero":
            return found
    raise AssertionError


def test_intervals_are_where_the_profile_falls_to_its_quantile(fit: tc.Fit) -> None:
    program, best = fit.fitted_program, fit.loglik

    def fall(position: int, value: float) -> float:
        others = [k for k in range(3) if k != position]

        def negative(free: np.ndarray) -> float:
            vector = np.empty(3)
            vector[position], vector[others] = value, free
            return -program.loglik(vector)

        end = minimize(negative, fit.params.to_numpy()[others], method="Nelder-Mead", options={"xatol": 1e-9})
        return 2 * (best + end.fun) - 3.841458820694124

    table = fit.intervals()
    for position, name in enumerate(fit.params.index):
        estimate, se = fit.params[name], fit.summary().loc[name, "se"]
        lower = brentq(lambda v, p=position: fall(p, v), estimate - 5 * se, estimate)
        upper = brentq(lambda v, p=position: fall(p, v), estimate, estimate + 5 * se)
        assert table.loc[name, "lower"] == pytest.approx(lower, abs=1e-4)
        assert table.loc[name, "upper"] == pytest.approx(upper, abs=1e-4)
    wald = fit.intervals(method="wald")
    assert wald["upper"].to_numpy() == pytest.approx(fit.summary()["upper"].to_numpy())
    with pytest.raises(tc.TocsinError, match="'profile' or 'wald'"):
        fit.intervals(method="exact")  # type: ignore[arg-type]
    with pytest.raises(tc.TocsinError, match="between 0 and 1"):
        fit.intervals(level=95)


def test_a_profile_is_highest_at_the_estimate(fit: tc.Fit) -> None:
    profile = fit.profile(AWAY)
    assert profile.table["loglik"].max() <= fit.loglik + 1e-9
    assert profile.table["root"].is_monotonic_increasing
    assert profile.lower < fit.params[AWAY] < profile.upper


def test_a_strength_of_zero_has_a_one_sided_bound(alone: tc.Fit) -> None:
    assert alone.params[AWAY] == -math.inf and alone.status[AWAY] == "zero"
    row = alone.summary().loc[AWAY]
    assert row["exp(estimate)"] == 0 and row["lower"] == -math.inf and math.isfinite(row["upper"])
    # One-sided: twice the fall is the square of the 95% quantile, with the mark maximised at each strength.
    program = alone.fitted_program

    def best(strength: float) -> float:
        ends = [
            minimize(
                lambda v: -program.loglik([v[0], strength, v[1]]),
                [-2.5, mark],
                method="Nelder-Mead",
                options={"xatol": 1e-8, "fatol": 1e-10},
            ).fun
            for mark in (-1.0, 0.0, 1.0)
        ]
        return -min(ends)

    assert 2 * (alone.loglik - best(row["upper"])) == pytest.approx(1.6448536**2, abs=2e-3)
    mark = f"{MOVE} | l | infectiousness | x"
    assert alone.status[mark] == "not identified"
    assert any("ran to zero" in warning and "not identified" in warning for warning in alone.warnings)
    with pytest.raises(tc.TocsinError, match="not identified"):
        alone.profile(mark)
    assert alone.profile(AWAY).one_sided


def test_an_open_half_life_is_said() -> None:
    model = rioting(tc.baseline(), tc.contagion("l", when="riot=yes", half_life="estimate"))
    names = [
        f"{AGAIN} | baseline | propensity | 1",
        f"{AGAIN} | l | susceptibility | 1",
        f"{AGAIN} | l | memory | half_life",
    ]
    few = drawn(model, dict(zip(names, (-4.5, -3.0, 0.5), strict=True)), seed=4, end=10.0)
    fit = model.fit(few)
    if fit.status[names[1]] != "zero":
        assert any("half-life" in warning and "open" in warning for warning in fit.warnings)
        ends = fit.intervals(names=[names[2]]).iloc[0]
        assert ends["lower"] == 0 or ends["upper"] == math.inf
    many = model.fit(drawn(model, dict(zip(names, (-2.0, -2.0, 0.5), strict=True)), seed=4, end=60.0))
    assert not many.warnings
    ends = many.intervals(names=[names[2]]).iloc[0]
    assert 0.5 < ends["lower"] < ends["estimate"] < ends["upper"] < 20


def test_a_single_strength_is_tested_by_half_a_chi_square(fit: tc.Fit) -> None:
    home = turning(tc.baseline("1 + x")).fit(fit.history)
    test = home.compare(fit)
    assert test.method == "half chi-square, half zero" and test.df == 1
    assert test.statistic == pytest.approx(2 * (fit.loglik - home.loglik))
    from scipy.stats import chi2

    assert test.p == pytest.approx(chi2.sf(test.statistic, 1) / 2)
    assert fit.compare(home).p == test.p  # in either order


def test_coefficients_are_tested_by_chi_square(fit: tc.Fit) -> None:
    from scipy.stats import chi2

    less = turning(tc.baseline(), tc.contagion("l", when="s=new")).fit(fit.history)
    test = less.compare(fit)
    assert test.method == "chi-square"
    assert test.p == pytest.approx(chi2.sf(2 * (fit.loglik - less.loglik), 1))
    held = contagious().fit(fit.history, fixed={f"{MOVE} | baseline | propensity | x": 0.0})
    assert held.compare(fit).p == pytest.approx(test.p)
    assert "propensity | x" in str(test)


def test_nuisance_parameters_call_for_a_bootstrap(fit: tc.Fit) -> None:
    home = turning(tc.baseline("1 + x")).fit(fit.history)
    more = turning(tc.baseline("1 + x"), tc.contagion("l", when="s=new", infectiousness="x"))
    test = home.compare(more.fit(fit.history), worlds=39, seed=2)
    assert test.method == "parametric bootstrap" and test.df == 2
    assert test.drawn is not None and test.drawn.size == 39 and test.drawn.min() >= 0
    assert test.p == (1 + (test.drawn >= test.statistic).sum()) / 40
    again = home.compare(more.fit(fit.history), worlds=39, seed=2)
    assert np.array_equal(again.drawn, test.drawn)


def test_fits_that_are_not_nested_are_refused(fit: tc.Fit) -> None:
    memory = turning(tc.baseline("1 + x + y"), tc.contagion("l", when="s=new", half_life=3.0)).fit(
        fit.history
    )
    with pytest.raises(tc.TocsinError, match="neither fit is a special case.*AIC"):
        fit.compare(memory)
    with pytest.raises(tc.TocsinError, match="nothing to test"):
        fit.compare(fit)
    other = contagious().fit(drawn(contagious(), fit.params.to_dict(), seed=9))
    with pytest.raises(tc.TocsinError, match="different histories"):
        fit.compare(other)
