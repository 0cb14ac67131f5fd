"""Programs: names, what is refused and how, covariates and calendar, derivatives, interventions."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import tocsin as tc

REGIME = tc.StateVariable("regime", ["old", "soviet"])
ARMY = tc.StateVariable("army", ["loyal", "mutinous"])


def record(**changes: Any) -> tc.History:
    """Return three units in the winter of 1918, with a covariate that one of them lacks for a while."""
    content: dict[str, Any] = {
        "units": {"unit": ["a", "b", "c"], "size": [1.0, 2.0, 3.0]},
        "events": {
            "unit": ["a", "b", "c", "c"],
            "variable": ["regime", "regime", "army", "army"],
            "state": ["soviet", "soviet", "mutinous", "loyal"],
            "time": ["1918-11-09", "1918-12-01", "1918-11-20", "1918-11-25"],
        },
        "ties": {"layer": ["border", "border"], "source": ["a", "b"], "target": ["b", "c"]},
        "covariates": {
            "unit": ["a", "b", "c"],
            "covariate": ["hunger"] * 3,
            "value": [1.0, 2.0, 0.0],
            "start": ["1918-11-01"] * 3,
            "end": ["1918-12-31", "1918-12-31", "1918-12-10"],
        },
        "variables": [REGIME, ARMY],
        "window": ("1918-11-01", "1918-12-31"),
    }
    content.update(changes)
    return tc.History(**content)


def model(baseline: str = "1", layer: str = "border", **options: Any) -> tc.Model:
    contagion = tc.contagion(layer, "regime=soviet", **options)
    return tc.Model(
        [REGIME, ARMY], [tc.Transition("regime", "old", "soviet", tc.baseline(baseline), contagion)]
    )


def test_parameter_names_follow_the_contract() -> None:
    program = model("1 + army", infectiousness="army", half_life="estimate", response="power").compile(
        record()
    )
    assert program.parameter_names == [
        "regime: old > soviet | baseline | propensity | 1",
        "regime: old > soviet | baseline | propensity | army[mutinous]",
        "regime: old > soviet | border | susceptibility | 1",
        "regime: old > soviet | border | infectiousness | army[mutinous]",
        "regime: old > soviet | border | memory | half_life",
        "regime: old > soviet | border | response | alpha",
    ]


def test_likelihood_takes_a_vector_a_mapping_or_a_series() -> None:
    program = model().compile(record())
    vector = [-4.0, -3.0]
    named = dict(zip(program.parameter_names, vector, strict=True))
    import pandas as pd

    values = {program.loglik(vector), program.loglik(named), program.loglik(pd.Series(named)[::-1])}
    assert len(values) == 1
    assert model().with_params(named).log_likelihood(record()) == values.pop()


def test_gradient_and_hessian_are_those_of_the_likelihood() -> None:
    history = record()
    program = model("1 + size + t", infectiousness="size", half_life="estimate", response="power").compile(
        history
    )
    x = np.array([-5.0, 0.2, 0.01, -3.0, 0.3, np.log(9.0), 0.2])
    step = 1e-6
    rows = np.eye(x.size) * step
    slope = [(program.loglik(x + row) - program.loglik(x - row)) / (2 * step) for row in rows]
    bend = [(program.gradient(x + row) - program.gradient(x - row)) / (2 * step) for row in rows]
    assert np.allclose(program.gradient(x), slope, rtol=1e-5, atol=1e-6)
    assert np.allclose(program.hessian(x), bend, rtol=1e-5, atol=1e-5)


def test_a_calendar_term_is_constant_within_a_day() -> None:
    """One unit, hazard exp(b0 + b1 t): the integral is a sum over days."""
    history = tc.History(
        units={"unit": ["a"]},
        events={"unit": ["a"], "variable": ["regime"], "state": ["soviet"], "time": [3.5]},
        variables=[REGIME],
        window=(0.0, 10.0),
    )
    program = tc.Model([REGIME], [tc.Transition("regime", "old", "soviet", tc.baseline("1 + t"))]).compile(
        history
    )
    b0, b1 = -2.0, 0.3
    days = np.array([1.0, 1.0, 1.0, 0.5])
    by_hand = b0 + 3 * b1 - (np.exp(b0 + b1 * np.arange(4)) * days).sum()
    assert program.loglik([b0, b1]) == pytest.approx(by_hand, rel=1e-12)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (
            lambda: model("1 + hunger").compile(record()).loglik([0, 0, 0]),
            "'hunger' of 'c' from 1918-12-11 to 1918-12-31",
        ),
        (lambda: model("1 + hungre").compile(record()), "did you mean 'hunger'"),
        (lambda: model(layer="bordr").compile(record()), "did you mean 'border'"),
        (
            lambda: (
                model().compile(record(variables=[REGIME, ARMY, tc.StateVariable("x", ["y"])])).loglik([0])
            ),
            "2 parameters",
        ),
        (
            lambda: (
                tc.Model(
                    [REGIME],
                    [tc.Transition("regime", "old", "soviet", tc.contagion("border", "regime=soviet"))],
                )
                .compile(record())
                .loglik([0.0])
            ),
            "the event of 'a' at 1918-11-09",
        ),
        (
            lambda: tc.Model(
                [REGIME, ARMY],
                [tc.Transition("regime", "old", "soviet", tc.baseline(), requires="army=mutinous")],
            ).compile(record()),
            "condition 'army=mutinous' did not hold",
        ),
        (
            lambda: (
                tc.Model([REGIME, ARMY], [tc.Transition("army", "loyal", "mutinous", tc.baseline())])
                .compile(record())
                .simulate([-4.0], 5, 1)
            ),
            "'army: mutinous > loyal' (1 events)",
        ),
        (lambda: model("1 + size").compile(record()).simulate([0.0, 800.0, 0.0], 1, 1), "overflows"),
        (
            lambda: tc.Model(
                [tc.StateVariable("mood", ["a", "b"])], [tc.Transition("mood", "a", "b", tc.baseline())]
            ).compile(record()),
            "no variable 'mood'",
        ),
    ],
)
def test_what_is_wrong_is_said_with_its_place(make: Any, said: str) -> None:
    with pytest.raises(tc.TocsinError) as caught:
        make()
    assert said in str(caught.value)


def test_a_value_outside_its_rows_fills_the_gap() -> None:
    program = model("1 + hunger").compile(record(outside={"hunger": 0.0}))
    assert np.isfinite(program.loglik([-4.0, 0.5, -3.0]))


def test_variables_without_declared_transitions_follow_what_happened() -> None:
    program = model("1 + army").compile(record())
    worlds = program.simulate([-4.0, 2.0, -3.0], 50, 3)
    assert set(worlds.events["variable"].unique().to_pylist()) <= {"regime"}
    mutinous = worlds.probability("army", "mutinous", times=["1918-11-22", "1918-11-28"])
    assert mutinous.sel(unit="c").to_numpy().tolist() == [1.0, 0.0]


@pytest.mark.parametrize(
    ("sentence", "said"),
    [
        ("remove layer boder", "did you mean 'border'"),
        ("scale hungry by 2", "did you mean 'hunger'"),
        ("scale hunger by much", "a number is expected"),
        ("scale layer border by -1", "cannot be negative"),
        ("force d regime=soviet at 1918-11-09", "no unit 'd'"),
        ("force a regime=sovjet at 1918-11-09", "did you mean 'soviet'"),
        ("force a regime=soviet at 1920-11-09", "not present"),
        ("force a regime=soviet at someday", "someday"),
        ("prevent a regim=soviet", "did you mean 'regime'"),
        ("romove layer border", "did you mean 'remove'"),
        ("", "cannot read"),
    ],
)
def test_sentences_with_mistakes_are_refused(sentence: str, said: str) -> None:
    with pytest.raises(tc.TocsinError) as caught:
        model("1 + army").compile(record()).simulate([-4.0, 0.0, -3.0], 1, 1, interventions=[sentence])
    assert said in str(caught.value)


def test_interventions_do_what_they_say() -> None:
    program = model("1 + hunger").compile(record(outside={"hunger": 0.0}))
    params = [-4.0, 0.5, -1.0]
    forced = program.simulate(params, 40, 1, interventions=[tc.force("c", "regime=soviet", at="1918-11-03")])
    rows = [row for row in forced.events.to_pylist() if row["cause"] == "forced"]
    assert {(row["unit"], row["time"]) for row in rows} == {("c", 2.0)}
    assert len(rows) == 40 - sum(
        row["unit"] == "c" and row["time"] < 2.0 for row in forced.events.to_pylist()
    )
    barred = program.simulate(params, 200, 1, interventions=[tc.prevent("b", "regime=soviet")])
    assert "b" not in barred.events["unit"].to_pylist()
    alone = program.simulate(params, 200, 1, interventions=[tc.remove_layer("border")])
    assert set(alone.events["cause"].to_pylist()) == {"baseline"}
    fed = program.simulate(params, 200, 1, interventions=[tc.scale("hunger", 0.0), tc.remove_layer("border")])
    assert fed.events.num_rows < alone.events.num_rows
    assert str(tc.scale("hunger", 0.5)) == "scale hunger by 0.5"
