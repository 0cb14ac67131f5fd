"""Hazards by cause through time, against the readable twin."""

from __future__ import annotations

import datetime
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from helpers.drawn import Case, cases
from helpers.small_wave import wave
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import tocsin as tc
from tocsin.twin.hazard import PlainSetting, hazards, walk


def by_twin(case: Case, params: dict[str, float], edges: list[float]) -> dict[tuple[str, str, int], float]:
    """Integrate the twin's hazards, summed over units, between edges."""
    setting = PlainSetting(case.model, case.history, params)
    found: dict[tuple[str, str, int], float] = {}
    for step in walk(setting):
        if step.event is not None:
            continue
        for unit in setting.units:
            for each in case.model.transitions:
                for cause, hazard in hazards(setting, step.world, unit, each, step.end, step.begin).items():
                    for number, (low, high) in enumerate(pairwise(edges)):
                        a, b = max(low, step.begin), min(high, step.end)
                        if a < b:
                            amount = hazard.integral(b - step.begin) - hazard.integral(a - step.begin)
                            key = (each.name, cause, number)
                            found[key] = found.get(key, 0.0) + amount
    return found


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
@given(cases(), st.integers(0, 1000))
def test_hazards_agree_with_the_twin(case: Case, seed: int) -> None:
    program = case.model.compile(case.history)
    params = case.params(program.parameter_names, seed)
    numbers = case.history.numbers
    share = np.array([0.0, 0.2, 0.3, 0.75, 1.0])
    edges = [float(each) for each in numbers.start + share * (numbers.end - numbers.start)]
    found = case.model.with_params(params, case.model.compile(case.history).learned).hazards_by_cause(
        case.history, times=edges
    )
    wanted = by_twin(case, params, edges)
    assert (found["expected"] > 0).sum() == sum(value > 0 for value in wanted.values())
    for row in found.to_dict("records"):
        key = (row["transition"], row["cause"], edges.index(row["start"]))
        assert row["expected"] == pytest.approx(wanted.get(key, 0.0), rel=1e-8, abs=1e-10)
        assert row["hazard"] == pytest.approx(row["expected"] / (row["end"] - row["start"]))


@pytest.mark.parametrize("half_life", [None, 2.0])
def test_months_and_years_hold_their_hazard(half_life: float | None) -> None:
    history, regime = yearly()
    move = tc.Transition(
        "regime", "old", "soviet", tc.baseline(), tc.contagion("border", "regime=soviet", half_life=half_life)
    )
    given_ = tc.Model([regime], [move]).with_params(
        dict.fromkeys(tc.Model([regime], [move]).compile(history).parameter_names, -2.0)
    )
    found = given_.hazards_by_cause(history, times=range(6))
    home = found[found["cause"] == "baseline"]["expected"].to_numpy()
    rate = np.exp(-2.0)
    # Three units are at risk until the end of their own year.
    assert home == pytest.approx([3 * rate, 3 * rate, 2 * rate, 1 * rate, 1 * rate])
    border = found[found["cause"] == "border"]["expected"].to_numpy()
    fade = 1.0 if half_life is None else 2 ** (-1 / half_life)
    # a (in year 1) is heard by b in year 2; both (b's being fresh) by c from year 3 on.
    assert border[:3] == pytest.approx([0.0, 0.0, rate * 2 * fade])
    assert border[3] == pytest.approx(rate * (fade + fade**2) if half_life else 2 * rate)


def yearly() -> tuple[tc.History, tc.StateVariable]:
    """Three units, two of which move, a in the second year and b in the third; times known by year."""
    regime = tc.StateVariable("regime", ["old", "soviet"])
    names = ["a", "b", "c"]
    pairs = [(x, y) for x in names for y in names if x != y]
    history = tc.History(
        {"unit": names},
        {"unit": ["a", "b"], "variable": ["regime"] * 2, "state": ["soviet"] * 2, "time": ["1901", "1902"]},
        {"layer": ["border"] * 6, "source": [x for x, _ in pairs], "target": [y for _, y in pairs]},
        variables=[regime],
        window=("1900", "1904"),
        clock="year",
    )
    return history, regime


def test_one_unit_one_transition_and_dates() -> None:
    history, given_ = wave()
    whole = given_.hazards_by_cause(history)
    assert list(whole) == ["transition", "cause", "start", "end", "date", "expected", "hazard"]
    assert whole["date"].iloc[0] == pd.Timestamp("1919-01-01")
    one = given_.hazards_by_cause(history, "regime: soviet > restored", "bavaria")
    assert set(one["transition"]) == {"regime: soviet > restored"}
    # Bavaria is soviet from the start, and leaves on the first of August.
    at_risk = one[one["date"] < pd.Timestamp("1919-07-25")]["hazard"]
    assert at_risk.to_numpy() == pytest.approx(np.full(len(at_risk), np.exp(-4.5)))
    assert one[one["date"] > pd.Timestamp("1919-08-02")]["hazard"].eq(0).all()
    parts = [given_.hazards_by_cause(history, unit=unit)["expected"] for unit in history.numbers.units]
    assert sum(parts).to_numpy() == pytest.approx(whole["expected"].to_numpy())
    days = [datetime.date(1919, 3, 1), "1919-03-21", 100]
    few = given_.hazards_by_cause(history, times=days)
    assert few["start"].iloc[0] == 59.0


def test_a_fit_expects_as_many_events_as_there_were() -> None:
    history, given_ = wave()
    fit = tc.Model(given_.model.variables, given_.model.transitions[:1]).fit(history)
    found = fit.hazards_by_cause(history).groupby("transition")["expected"].sum()
    assert found["regime: old|restored > soviet"] == pytest.approx(1.0, abs=1e-4)
    assert fit.residuals(history)["integral"].sum() == pytest.approx(found.sum())


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"transition": "regime: sovjet > old"}, "no transition"),
        ({"unit": "hungry"}, "hungary"),
        ({"times": ["1919-03-01"]}, "two or more"),
        ({"times": ["1919-03-02", "1919-03-01"]}, "two or more"),
        ({"times": ["1918-03-02", "1919-03-01"]}, "outside the window"),
    ],
)
def test_wrong_questions_are_refused(wrong: dict[str, object], said: str) -> None:
    history, given_ = wave()
    with pytest.raises(tc.TocsinError, match=said):
        given_.hazards_by_cause(history, **wrong)
