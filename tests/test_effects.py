"""Bent effects: polynomials, splines, scaling and pieces, what they learn, and the curve of an effect."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tocsin as tc
from tocsin import charts
from tocsin.charts.parts import to_svg
from tocsin.fit.effect import effect
from tocsin.twin.hazard import log_likelihood

S = tc.StateVariable("s", ["off", "on"])
R = np.random.default_rng(7)
AGE = R.normal(40.0, 10.0, 200).round(3)
CAME = R.random(200) < 1 / (1 + np.exp(1 - 0.004 * (AGE - 40.0) ** 2))


def history(age: Any = AGE, came: Any = CAME, **told: Any) -> tc.History:
    names = [f"u{k}" for k in range(len(age))]
    who = [name for name, yes in zip(names, came, strict=True) if yes]
    events = {"unit": who, "variable": ["s"] * len(who), "state": ["on"] * len(who), "time": [1] * len(who)}
    return tc.History({"unit": names, "age": age}, events, variables=[S], window=(1, 1), clock="step", **told)


def model(formula: str) -> tc.Model:
    return tc.Model([S], [tc.Transition("s", "off", "on", tc.baseline(formula))])


def regression(columns: Any) -> tuple[Any, float]:
    """One interval a unit is a binary regression with the complementary log-log."""
    sm = pytest.importorskip("statsmodels.api")
    family = sm.families.Binomial(sm.families.links.CLogLog())
    found = sm.GLM(CAME.astype(float), columns, family=family).fit(tol=1e-13, maxiter=200)
    return found.params, found.llf


def test_splines_are_those_of_patsy_and_of_r() -> None:
    patsy = pytest.importorskip("patsy")
    for ours, theirs in (
        ("bs(age, df=4)", "bs(age, df=4)"),
        ("bs(age, df=5, degree=2)", "bs(age, df=5, degree=2)"),
    ):
        params, llf = regression(np.asarray(patsy.dmatrix(theirs, {"age": AGE})))
        fit = model(f"1 + {ours}").fit(history())
        np.testing.assert_allclose(fit.params, params, atol=2e-6)
        assert fit.loglik == pytest.approx(llf, abs=1e-8)


def test_polynomials_and_scales_are_those_of_r() -> None:
    z = (AGE - AGE.mean()) / AGE.std(ddof=1)
    ones = np.ones_like(AGE)
    # R's poly: columns of the orthogonal basis with a length of one, each rising at last.
    basis, signs = np.linalg.qr(np.stack([ones, AGE, AGE**2, AGE**3], axis=1))
    basis = basis * np.sign(np.diag(signs))
    cases = {
        "scale(age)": np.stack([ones, z], axis=1),
        "center(age)": np.stack([ones, AGE - AGE.mean()], axis=1),
        "poly(age, 3)": np.column_stack([ones, basis[:, 1:]]),
        "scale(age)**2": np.stack([ones, z**2], axis=1),
        "pieces(age, 30, 50)": np.stack([ones, (AGE >= 30) & (AGE < 50), AGE >= 50], axis=1).astype(float),
    }
    for formula, columns in cases.items():
        params, llf = regression(columns)
        fit = model(f"1 + {formula}").fit(history())
        np.testing.assert_allclose(fit.params, params, atol=2e-6, err_msg=formula)
        assert fit.loglik == pytest.approx(llf, abs=1e-8)


def test_another_history_is_read_with_what_was_learnt(tmp_path: Path) -> None:
    other = history([30.0, 55.0], [True, False])
    for formula in (
        "bs(age, df=4)",
        "poly(age, 2)",
        "scale(log(age))",
        "center(age)",
        "pieces(age, every=20)",
    ):
        fit = model(f"1 + {formula}").fit(history())
        fit.save(tmp_path / "fit.json")
        kept = tc.load_fit(tmp_path / "fit.json")
        assert kept.learned == fit.learned and fit.learned.learns
        assert kept.log_likelihood(other) == fit.log_likelihood(other)
        # What a unit of the fitted history had, one of the other has too.
        place = int(np.argmin(np.abs(AGE - 55.0)))
        twin = history([AGE[place], 20.0], [False, True])
        hazard = fit.hazards(1).set_index("unit")["hazard"][f"u{place}"]
        assert kept.log_likelihood(twin.select(units=["u0"])) == pytest.approx(-hazard)


@pytest.mark.parametrize(
    "formula",
    [
        "scale(x)",
        "poly(x, 2)",
        "bs(x + 1, df=3)",
        "poly(log(x + 2) * 3, 2)",
        "pieces(x, 1, 2)",
        "center(x):z",
    ],
)
def test_what_is_learnt_is_weighed_by_time_and_known_to_the_twin(formula: str) -> None:
    units = {"unit": ["a", "b", "b", "c"], "enter": [0.0, 0.0, 6.0, 2.0], "exit": [10.0, 4.0, 10.0, 10.0],
             "z": [1.0, 2.0, 2.0, 3.0]}  # fmt: skip
    rows = [("a", 0.5, 0, 3), ("a", 1.5, 3, 10), ("b", 2.5, 0, 5), ("b", 0.7, 5, 10), ("c", 1.2, 0, 10)]
    cut = [*rows[:2], ("b", 2.5, 0, 2), ("b", 2.5, 2, 5), *rows[3:]]
    events = {"unit": ["a", "b"], "variable": ["s"] * 2, "state": ["on"] * 2, "time": [5.0, 8.0]}
    found = []
    for each in (rows, cut):
        table = {"unit": [r[0] for r in each], "covariate": ["x"] * len(each), "value": [r[1] for r in each],
                 "start": [r[2] for r in each], "end": [r[3] for r in each]}  # fmt: skip
        record = tc.History(units, events, None, table, variables=[S], window=(0.0, 10.0), clock="continuous")
        program = model(f"1 + {formula}").compile(record)
        params = dict.fromkeys(program.parameter_names, -0.7)
        found.append(program.loglik(params))
        assert found[-1] == pytest.approx(log_likelihood(program.model, record, params), abs=1e-10)
    assert found[0] == pytest.approx(found[1], abs=1e-12)


@pytest.mark.parametrize("first", [0.0, 100.0])
def test_pieces_of_time_are_rates_and_take_no_dummies(first: float) -> None:
    times = [3.0, 4.0, 12.5, 35.0, 36.0, 37.0]
    units = {"unit": [f"u{k}" for k in range(6)]}
    events = {
        "unit": units["unit"],
        "variable": ["s"] * 6,
        "state": ["on"] * 6,
        "time": [first + t for t in times],
    }
    record = tc.History(units, events, variables=[S], window=(first, first + 40.0), clock="continuous")
    fit = model(f"0 + pieces(t, {first + 10}, {first + 20.5})").fit(record)
    at_risk = [7.0 + 4 * 10, 2.5 + 3 * 10.5, 3 * 19.5 - (5.0 + 4.0 + 3.0)]
    np.testing.assert_allclose(fit.params, np.log(np.array([2, 1, 3]) / at_risk), atol=1e-9)
    assert fit.fitted_program.designs[0].starts.size == 3 * 6
    every = model("1 + pieces(t, every=10)").fit(record)
    assert [name.split("[")[1] for name in every.params.index[1:]] == [
        f"{first + k:g}-{first + k + 10:g}]" if k < 30 else f"{first + k:g}+]" for k in (10, 20, 30)
    ]
    assert any("minus infinity" in each and f"[{first + 20:g}-" in each for each in every.warnings)


WRONG = {
    "bs(one, df=4)": "bends 'one', which is the same everywhere",
    "scale(one)": "the same everywhere",
    "poly(two, 2)": "has 2 different values",
    "pieces(age)": "say where pieces begin",
    "pieces(age, 3, 2)": "increase",
    "bs(age, 4)": "need names",
    "bs(age, dg=4)": "option 'dg'",
    "bs(age, df=2)": "at least df=3",
    "log(scale(age))": "stands alone",
    "bs(C(age), df=4)": "what is no number",
    "bs(word, df=4)": "a category: only numbers bend",
    "spline(age)": "calls 'spline'",
    "age, 2": "holds ','",
}


@pytest.mark.parametrize("formula", WRONG)
def test_wrong_bends_are_refused(formula: str) -> None:
    units = {
        "unit": ["a", "b", "c"],
        "one": [1.0] * 3,
        "two": [1.0, 1.0, 2.0],
        "age": [1.0, 2.0, 3.0],
        "word": list("xyz"),
    }
    record = tc.History(units, variables=[S], window=(0.0, 1.0), clock="continuous")
    with pytest.raises(tc.ModelError, match=WRONG[formula]):
        model(f"1 + {formula}").compile(record)


def test_the_curve_of_an_effect_has_the_band_of_its_terms() -> None:
    fit = model("1 + age + age**2").fit(history())
    table = effect(fit, "age", values=[30.0, 40.0], reference=40.0)
    change = np.array([0.0, -10.0, 900.0 - 1600.0])
    log_ratio, se = float(change @ fit.params), math.sqrt(change @ fit.vcov.to_numpy() @ change)
    expected = np.exp([log_ratio, log_ratio - 1.959963985 * se, log_ratio + 1.959963985 * se])
    np.testing.assert_allclose(table.loc[0, ["ratio", "lower", "upper"]].astype(float), expected, rtol=1e-8)
    assert table.loc[1].tolist() == [40.0, 1.0, 1.0, 1.0]
    chart = charts.effect(fit, "age")
    assert "The hazard is highest where age is" in to_svg(chart)
    with pytest.raises(tc.ModelError, match="did you mean 'age'"):
        charts.effect(fit, "agee")
