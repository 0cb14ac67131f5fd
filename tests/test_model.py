"""The declaration of a model: names, formulas behind a whitelist, and TOML."""

from __future__ import annotations

import pickle

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tocsin as tc
from tocsin.model.formula import check_formula, design_matrix
from tocsin.model.terms import FUNCTIONS

REGIME = tc.StateVariable("regime", ["old", "soviet", "restored"])
ARMY = tc.StateVariable("army", ["loyal", "mutinous"])


def wave() -> tc.Model:
    return tc.Model(
        [REGIME, ARMY],
        [
            tc.Transition(
                "regime",
                "old|restored",
                "soviet",
                tc.contagion("comintern", "regime=soviet", half_life="estimate", response="power"),
                tc.baseline("1 + hunger + army"),
                tc.contagion(
                    "border", "regime=soviet and army=mutinous", infectiousness="army", normalise="target"
                ),
                requires="army=mutinous",
            ),
            tc.Transition(
                "regime", "soviet", "restored", tc.baseline("1"), tc.baseline("month", name="season")
            ),
        ],
    )


def test_round_trip_through_toml_and_pickle() -> None:
    model = wave()
    assert tc.Model.from_toml(model.to_toml()) == model
    assert pickle.loads(pickle.dumps(model)) == model
    assert model.transitions[0].name == "regime: old|restored > soviet"
    assert [cause.name for cause in model.transitions[0].causes] == ["baseline", "comintern", "border"]


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: tc.Transition("regime", "old", "soviet"), "no cause"),
        (
            lambda: tc.Transition("regime", "old", "soviet", tc.baseline(), tc.baseline()),
            "two causes named 'baseline'",
        ),
        (
            lambda: tc.Model([ARMY], [tc.Transition("regime", "a", "b", tc.baseline())]),
            "unknown variable 'regime'",
        ),
        (
            lambda: tc.Model([REGIME], [tc.Transition("regime", "old", "sovet", tc.baseline())]),
            "did you mean 'soviet'",
        ),
        (
            lambda: tc.Model([REGIME], [tc.Transition("regime", "old", "old", tc.baseline())]),
            "recurrent=True",
        ),
        (
            lambda: tc.Model(
                [REGIME],
                [
                    tc.Transition("regime", "old", "soviet", tc.baseline()),
                    tc.Transition("regime", "old|restored", "soviet", tc.baseline()),
                ],
            ),
            "two transitions explain regime: old > soviet",
        ),
        (
            lambda: tc.Model(
                [REGIME], [tc.Transition("regime", "old", "soviet", tc.contagion("l", "regime=sov"))]
            ),
            "no state 'sov'",
        ),
        (
            lambda: tc.Model(
                [REGIME], [tc.Transition("regime", "old", "soviet", tc.baseline(), requires="regime=old")]
            ),
            "other variables",
        ),
        (lambda: tc.contagion("l", "regime=soviet", half_life=-1.0), "positive number"),
        (lambda: tc.contagion("l", "regime=soviet", normalise="source"), "'target'"),
        (lambda: tc.contagion("l", "regime=soviet", response="linear"), "'power'"),
        (lambda: tc.StateVariable("x", ["a", "a"]), "twice"),
        (lambda: tc.StateVariable("x", ["a|b"]), "cannot be named"),
        (lambda: tc.contagion("forced", when="x=a"), "a cause cannot be named 'forced'"),
        (lambda: tc.StateVariable("x", ["a"], initial="b"), "not one of its states"),
    ],
)
def test_wrong_declarations_are_refused(make, said) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(tc.ModelError, match=".*") as caught:
        make()
    assert said in str(caught.value)


@pytest.mark.parametrize(
    "formula",
    [
        "__import__('os').system('true')",
        "x.__class__",
        "I(x)",
        "open(x)",
        "x | y",
        "y ~ x",
        "[x]",
        "{x}",
        "x; y",
        "x y",
        "import os",
        "log(x",
        "x ** 9",
        "x ** y",
        "",
        "x" * 3000,
        "@x",
        "lambda x",
        "`a`b`",
    ],
)
def test_formulas_cannot_run_code(formula: str) -> None:
    with pytest.raises(tc.ModelError):
        check_formula(formula)


@settings(deadline=None)
@given(st.text(max_size=60))
def test_any_text_is_refused_or_read(text: str) -> None:
    try:
        names = check_formula(text, ["x", "y", "z"])
    except tc.ModelError:
        return
    frame = pd.DataFrame({"x": [1.0, 2.0], "y": [3.0, 1.0], "z": [1.0, 5.0]})
    assert set(names) <= {"x", "y", "z"}
    try:
        matrix, terms = design_matrix(text, frame)
    except tc.ModelError:
        return
    assert matrix.shape == (2, len(terms))


def test_terms_are_named_as_the_contract_says() -> None:
    frame = pd.DataFrame(
        {
            "hunger": [0.0, 1.0],
            "army": pd.Categorical(["loyal", "mutinous"], categories=["loyal", "mutinous"]),
        }
    )
    assert design_matrix("1 + hunger * army", frame)[1] == [
        "1",
        "hunger",
        "army[mutinous]",
        "hunger:army[mutinous]",
    ]
    assert design_matrix("army", frame, intercept=False)[1] == ["army[mutinous]"]
    assert check_formula("1 + hunger:army + log(hunger + 1)") == ("hunger", "army")


@pytest.mark.parametrize("function", FUNCTIONS)
def test_every_function_of_the_whitelist_can_be_evaluated(function: str) -> None:
    matrix, _ = design_matrix(f"1 + {function}(x)", pd.DataFrame({"x": [1.0, 2.0, 3.0]}))
    if function != "C":
        expected = getattr(np, function)([1.0, 2.0, 3.0])
        assert np.allclose(matrix[:, 1], expected)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("not toml [\n", "not TOML"),
        ("[variables.x]\nstates=['a','b']\n", "'transition' is missing"),
        (
            "[variables.x]\nstaets=['a','b']\n[[transition]]\nvariable='x'\nfrom='a'\nto='b'\n",
            "did you mean 'states'",
        ),
        (
            "[variables.x]\nstates=['a','b']\n[[transition]]\nvariable='x'\nfrom='a'\nto='b'\n"
            "baseline='1 + eval(x)'\n",
            "transition 1",
        ),
        (
            "[variables.x]\nstates=['a','b']\n[[transition]]\nvariable='x'\nfrom='a'\nto='b'\n"
            "[[transition.contagion]]\nlayer='l'\nwhen='x=b'\nhalflife=3\n",
            "did you mean 'half_life'",
        ),
        ("transition = 3\nvariables = 4\n", "tables are expected"),
    ],
)
def test_wrong_toml_names_the_place(text: str, said: str) -> None:
    with pytest.raises(tc.ModelError) as caught:
        tc.Model.from_toml(text)
    assert said in str(caught.value)


def test_a_missing_file_is_said_to_be_missing(tmp_path) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(tc.ModelError, match="cannot be read"):
        tc.Model.from_toml(tmp_path / "none.toml")
    (tmp_path / "bad.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(tc.ModelError, match="not UTF-8"):
        tc.Model.from_toml(tmp_path / "bad.toml")


WRONG = [None, 5, ["a", 1], {"a": 1}, 10**400, 10**5000, float("nan"), b"x", True, ""]


@pytest.mark.parametrize("wrong", WRONG, ids=lambda each: type(each).__name__)
@pytest.mark.parametrize(
    "declare",
    [
        lambda x: tc.Transition(x, "old", "soviet", tc.baseline()),
        lambda x: tc.Transition("regime", "old", x, tc.baseline()),
        lambda x: tc.Transition("regime", "old", "soviet", x),
        lambda x: tc.contagion(x, "regime=soviet"),
        lambda x: tc.contagion("border", "regime=soviet", susceptibility=x),
        lambda x: tc.contagion("border", "regime=soviet", half_life=[x]),
        lambda x: tc.contagion("border", "regime=soviet", normalise=x or 1),
        lambda x: tc.baseline("1", name=x),
        lambda x: tc.Model(x, [tc.Transition("regime", "old", "soviet", tc.baseline())]),
        lambda x: tc.Model([REGIME], x),
        lambda x: tc.Model([REGIME], [x]),
        lambda x: tc.Model.from_toml(x),
        lambda x: tc.StateVariable("regime", [x, [x]]),
    ],
)
def test_declarations_of_wrong_kinds_are_refused_in_words(declare: object, wrong: object) -> None:
    with pytest.raises(tc.ModelError) as refused:
        declare(wrong)  # type: ignore[operator]
    assert len(str(refused.value)) < 4000


def test_an_or_in_a_clause_is_explained() -> None:
    move = tc.Transition("regime", "old", "soviet", tc.contagion("border", "regime=soviet or army=mutinous"))
    with pytest.raises(tc.ModelError, match=r"says 'or'.* regime=a\|b"):
        tc.Model([REGIME, ARMY], [move])


def test_every_fault_of_a_file_is_told() -> None:
    text = """
[variables.regime]
states = ["old", "old"]
initl = "x"
[[transition]]
variable = "regime"
from = "old"
to = "new"
baseline = "1 + ("
[[transition.contagion]]
layer = "road"
when = "regime=new"
half_life = [1]
suscept = "1"
"""
    with pytest.raises(tc.ModelError) as refused:
        tc.Model.from_toml(text)
    said = str(refused.value)
    for each in (
        "5 problems",
        "'initl'; did you mean 'initial'",
        "twice",
        "lacks a term",
        "'suscept'",
        "not [1]",
    ):
        assert each in said
