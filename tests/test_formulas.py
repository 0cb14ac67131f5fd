"""Formulas do what they say: squares are squares, and nothing is dropped without a word."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import tocsin as tc
from tocsin.model.formula import check_formula, design_matrix

TURN = tc.StateVariable("s", ["a", "b"])
FRAME = pd.DataFrame(
    {
        "x": [0.5, 2.0, -3.0, 4.0, 7.0, 1.5],
        "z": [1.0, 5.0, 2.0, 7.0, -1.0, 0.25],
        "c": list("abcabc"),
        "e": list("pqqpqp"),
        "two words": [1.0, 2.0, 4.0, 8.0, 16.0, 32.0],
    }
)
X, Z = FRAME["x"].to_numpy(), FRAME["z"].to_numpy()


def history(**units: Any) -> tc.History:
    return tc.History(
        units={"unit": list("pqri"), **units},
        events={"unit": list("pqr"), "variable": "s", "state": "b", "time": [2.0, 5.0, 7.0]},
        variables=[TURN],
        window=(0.0, 10.0),
    )


def model(formula: str) -> tc.Model:
    return tc.Model([TURN], [tc.Transition("s", "a", "b", tc.baseline(formula))])


@pytest.mark.parametrize(
    ("formula", "terms"),
    [
        ("1 + x + x**2", {"x": X, "x**2": X**2}),
        ("x^2 + x", {"x": X, "x**2": X**2}),
        ("x**3", {"x**3": X**3}),
        ("(x)**2", {"x**2": X**2}),
        ("x*x", {"x": X, "x**2": X**2}),
        ("x:x", {"x**2": X**2}),
        ("x:x:x", {"x**3": X**3}),
        ("x**2:z", {"x**2:z": X**2 * Z}),
        ("x*z", {"x": X, "z": Z, "x:z": X * Z}),
        ("(x + z)**2", {"x": X, "z": Z, "x**2": X**2, "z**2": Z**2, "x:z": X * Z}),
        ("x*z - x", {"z": Z, "x:z": X * Z}),
        ("(1 + x):z", {"z": Z, "x:z": X * Z}),
        ("exp(x)**2", {"exp(x)**2": np.exp(X) ** 2}),
        ("exp(-x^2)", {"exp(-x**2)": np.exp(-(X**2))}),
        ("sqrt(x*x + 1)", {"sqrt(x * x + 1)": np.sqrt(X * X + 1)}),
        ("log(`two words`)", {"log(two words)": np.log(FRAME["two words"])}),
        ("`two words`**2", {"two words**2": FRAME["two words"] ** 2}),
        ("c*x", {"c[b]": X * 0 + (FRAME["c"] == "b"), "c[c]": X * 0 + (FRAME["c"] == "c"), "x": X}),
        ("c/x", {"c[a]:x": X * (FRAME["c"] == "a"), "c[b]:x": X * (FRAME["c"] == "b")}),
        ("(x + c)**2", {"x": X, "x**2": X**2, "x:c[b]": X * (FRAME["c"] == "b")}),
    ],
)
def test_terms_are_what_the_formula_says(formula: str, terms: dict[str, Any]) -> None:
    check_formula(formula, FRAME.columns)
    matrix, names = design_matrix(formula, FRAME)
    assert "1" in names
    for name, values in terms.items():
        assert np.allclose(matrix[:, names.index(name)], np.asarray(values, dtype=float)), (name, names)
    if not any(name.startswith(("c[", "x:c")) for name in names):
        assert set(names) == {"1", *terms}


@pytest.mark.parametrize("formula", ["-1 + x", "x - 1", "0 + x", "x + 0"])
def test_no_intercept_is_none(formula: str) -> None:
    assert design_matrix(formula, FRAME)[1] == ["x"]
    assert design_matrix(formula.replace("x", "e"), FRAME)[1] == ["e[p]", "e[q]"]


@pytest.mark.parametrize(
    ("formula", "said"),
    [
        ("x + x", "names 'x' twice"),
        ("x:z + z:x", "twice"),
        ("log(z) + x + log( z )", "names 'log(z)' twice"),
        ("x**2 + x:x", "names 'x**2' twice"),
        ("1 + x + 1", "says of the intercept the same twice"),
        ("1 + x - 1", "that there is one and that there is none"),
        ("0 + 1 + x", "that there is one and that there is none"),
        ("-x", "takes away 'x', which is not among the terms"),
        ("x - z", "takes away 'z'"),
        ("x - 0", "takes away 0"),
        ("x - -1", "lacks a term after '-'"),
        ("2 + x", "the number 2 where a term belongs"),
        ("2*x", "the number 2"),
        ("x:1", "the number 1"),
        ("0*x", "the number 0"),
        ("(0 + x)*z", "in brackets that there is no intercept"),
        ("x**4", "only to the powers 1, 2 and 3"),
        ("x**z", "only to the powers"),
        ("C(log(x))", "C(...) holds one name"),
        ("log(C(x))", "a category C(...) inside log"),
        ("log(x:z)", "write '*'"),
        ("C(c)**2", "times itself"),
    ],
)
def test_what_would_be_dropped_is_refused_when_it_is_declared(formula: str, said: str) -> None:
    for make in (tc.baseline, lambda text: tc.contagion("l", when="s=b", infectiousness=text)):
        with pytest.raises(tc.ModelError) as caught:
            make(formula)
        assert said in str(caught.value)


@pytest.mark.parametrize(
    ("formula", "said"),
    [
        ("c**2", "the category 'c' times itself"),
        ("c:c", "the category 'c' times itself"),
        ("c*c", "the category 'c' times itself"),
        ("x/z", "write x + x:z"),
        ("log(c)", "log(c)"),
        ("s**2", "the category 's' times itself"),
    ],
)
def test_what_a_category_or_a_number_cannot_do_is_refused(formula: str, said: str) -> None:
    record = history(x=[0.5, 2.0, 1.0, 2.5], z=[1.0, 2.0, 4.0, 9.0], c=["u", "v", "u", "v"])
    with pytest.raises(tc.ModelError) as caught:
        model(formula).compile(record)
    assert said in str(caught.value)


def test_a_category_of_one_level_is_no_term() -> None:
    with pytest.raises(tc.ModelError, match="'c' has one level only"):
        model("1 + c").compile(history(c=["u"] * 4))


@pytest.mark.parametrize("formula", ["1 + x + x**2", "x*x", "x + x:x"])
def test_a_square_is_fitted_as_the_column_of_squares(formula: str) -> None:
    x = np.array([0.5, 2.0, 1.0, 2.5])
    program = model(formula).compile(history(x=x))
    other = model("1 + x + y").compile(history(x=x, y=x**2))
    assert program.parameter_names[-1].endswith("| x**2")
    for vector in np.random.default_rng(4).normal(size=(5, 3)):
        assert program.loglik(vector) == pytest.approx(other.loglik(vector), rel=1e-12)
        assert np.allclose(program.gradient(vector), other.gradient(vector), rtol=1e-10)
    # Under a prior a square is that of the centred column: counted from anywhere it is the same effect.
    prior = tc.weak_prior()
    near, far = (model(formula).fit(history(x=x + c), prior=prior).params.to_numpy() for c in (0.0, 100.0))
    assert near[2] == pytest.approx(far[2], rel=1e-7)
    assert near[1] == pytest.approx(far[1] + 200.0 * far[2], rel=1e-6)


@pytest.mark.parametrize("name", ["Intercept", "1"])
def test_no_covariate_is_called_as_the_constant_term(name: str, tmp_path: Path) -> None:
    with pytest.raises(tc.HistoryError, match="constant term"):
        history(**{name: [1.0, 2.0, 3.0, 4.0]})
    rows = {"unit": ["p"], "covariate": [name], "value": [1.0]}
    for more in ({"covariates": rows}, {"outside": {name: 0.0}}):
        with pytest.raises(tc.HistoryError, match="constant term"):
            tc.History(units={"unit": ["p"]}, variables=[TURN], window=(0.0, 10.0), **more)
    history(x=[1.0, 2.0, 3.0, 4.0]).write(tmp_path)
    for file, text in (
        ("units.csv", f"unit,{name}\np,1\n"),
        ("covariates.csv", f"unit,covariate,value\np,{name},1\n"),
    ):
        (tmp_path / "events.csv").write_text("unit,variable,state,time\n")
        (tmp_path / "units.csv").write_text("unit\np\n")
        (tmp_path / file).write_text(text)
        with pytest.raises(tc.HistoryError, match=f"{file}.*constant term"):
            tc.load_history(tmp_path)


def test_no_variable_is_called_as_the_constant_term() -> None:
    with pytest.raises(tc.ModelError, match="constant term"):
        tc.StateVariable("1", ["a", "b"])


def test_a_covariate_called_as_a_term_is_told_from_it() -> None:
    record = history(**{"x": [0.5, 2.0, 1.0, 2.5], "x**2": [1.0, 0.0, 0.0, 1.0]})
    assert model("1 + `x**2`").compile(record).designs[0].matrix[:, 1].max() == 1.0
    with pytest.raises(tc.ModelError, match="two terms that are called"):
        model("1 + x**2 + `x**2`").compile(record)


def test_what_formulas_learnt_goes_through_json_unchanged() -> None:
    import json

    from tocsin.model.learned import Learned, Role

    role = Role(("1", "c[v]", "x"), {"c": ("u", "v"), "C(year)": (1917, 1918)}, ("x",))
    learned = Learned({"s: a > b | baseline | propensity": role})
    again = learned.with_numbers("s: a > b | baseline | propensity", (0.0, 0.1, 1e300), (1.0, 1 / 3, 5e-324))
    assert Learned.from_dict(json.loads(json.dumps(again.to_dict()))) == again != learned
    assert again.learns and again.references == {"c": "u", "C(year)": 1917}
    with pytest.raises(tc.ModelError, match="fit.learned"):
        Learned.from_dict({"s": {"terms": 3}})
