"""Events known only to lie between two dates: their times are drawn with the parameters, as the posterior has them."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pandas as pd
import pytest
from helpers.recorded import TURN, ring, turning, units

import tocsin as tc
from tocsin.program.spans.open_times import Placer, placed

pytest.importorskip("nutpie", reason="needs the extra bayes")


def record(dated: bool = True, latest: Any = ("", "12", "16"), **more: Any) -> tc.History:
    """Three of six units turn on the 3rd, between the 5th and the 12th, and between the 10th and the 16th."""

    def when(day: str) -> Any:
        if not day:
            return None
        return f"1919-01-{int(day):02d}" if dated else float(day) - 1.0

    events = {
        "unit": ["u000", "u001", "u003"],
        "variable": ["s"] * 3,
        "state": ["new"] * 3,
        "time": [when("3"), when("5"), when("10")],
        "time_latest": [when(day) for day in latest],
    }
    window = ("1919-01-01", "1919-01-30") if dated else (0.0, 30.0)
    return tc.History(units(6), events, ring(6), variables=[TURN], window=window, layers=["l"], **more)


MODEL = turning(tc.baseline(), tc.contagion("l", when="s=new"))


def by_brute_force(history: tc.History) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Means and standard deviations of both parameters, and the probability of each day of one event."""
    centre, scale = tc.weak_prior().centre_and_scale(MODEL.compile(history))
    home, away = np.linspace(-9.0, 0.5, 140), np.linspace(-26.0, 2.0, 240)
    prior = -0.5 * ((home - centre[0]) / scale[0])[:, None] ** 2 - 0.5 * ((away - centre[1]) / scale[1]) ** 2
    program = MODEL.compile(history)
    placer = Placer(program)
    whole, days = np.zeros(prior.shape), np.zeros(8)
    halves = (0.5 - 0.5 / 3**0.5, 0.5 + 0.5 / 3**0.5)  # Gauss's two points of every day
    for one, other, x, y in itertools.product(range(4, 12), range(9, 16), halves, halves):
        told = placer.told.copy()
        told[placer.open] = [one + x, other + y]
        moved = placed(program, told)
        assert moved is not None
        swept = [cause.swept(0.0) for cause in moved.likelihood.causes]
        lived = [each.summed[:, 0, 0].sum() for each in swept]
        hazard = np.exp(home)[:, None, None] + np.exp(away)[:, None] * swept[1].event_exposure[:, 0, 0]
        log = np.log(hazard).sum(axis=2) - np.exp(home)[:, None] * lived[0] - np.exp(away) * lived[1]
        weight = np.exp(log + prior + 20.0)
        whole += weight
        days[one - 4] += weight.sum()
    whole /= whole.sum()
    first = np.array([whole.sum(axis=1) @ home, whole.sum(axis=0) @ away])
    second = np.array([whole.sum(axis=1) @ home**2, whole.sum(axis=0) @ away**2])
    return first, np.sqrt(second - first**2), days / days.sum()


def test_draws_are_those_of_the_posterior_integrated_over_all_times() -> None:
    history = record()
    drawn = MODEL.sample(history, draws=400, tune=200, chains=3, seed=2)
    mean, spread, days = by_brute_force(history)
    values = drawn.draws.vector.reshape(-1, 2)
    assert values.mean(axis=0) == pytest.approx(mean, abs=5 * (spread / np.sqrt(400)).max())
    assert values.std(axis=0) == pytest.approx(spread, rel=0.12)
    assert drawn.rough is not None
    second = drawn.rough[1].reshape(-1, 2)[:, 0]
    share = np.array([(np.floor(second) == day).mean() for day in range(4, 12)])
    assert share == pytest.approx(days, abs=0.045)
    assert drawn.summary()["r_hat"].max() < 1.02 and not drawn.warnings


def test_times_stay_where_the_record_has_them() -> None:
    drawn = MODEL.sample(record(), draws=100, tune=50, chains=2)
    table = drawn.times
    assert table["unit"].tolist() == ["u001", "u003"]
    assert (table["time"] <= table["lower"]).all() and (table["upper"] <= table["time_latest"]).all()
    assert "log_likelihood" not in drawn.data.children  # events have no one order to take apart
    with pytest.raises(tc.ModelError, match="no one order"):
        _ = drawn.log_likelihood
    plain = MODEL.sample(record(latest=("", "", "")), draws=20, tune=20, chains=1)
    assert plain.times.empty and plain.rough is None
    numeric = MODEL.sample(record(dated=False), draws=50, tune=20, chains=1)
    assert numeric.times["median"].between(numeric.times["time"], numeric.times["time_latest"]).all()
    assert (numeric.rough[1] % 1.0 != 0).any()  # type: ignore[index]
    again = MODEL.sample(record(), draws=100, tune=50, chains=2)
    assert np.array_equal(again.draws.vector, drawn.draws.vector)  # the same seed, the same draws


def test_a_units_own_events_keep_their_order() -> None:
    army = tc.StateVariable("army", ["loyal", "mutinous"])
    events = pd.DataFrame(
        {
            "unit": ["a", "a"],
            "variable": ["army", "army"],
            "state": ["mutinous", "loyal"],
            "time": [2.0, 4.0],
            "time_latest": [6.0, np.nan],
        }
    )
    history = tc.History({"unit": ["a"]}, events, variables=[army], window=(0.0, 10.0))
    back = tc.Transition("army", "mutinous", "loyal", tc.baseline())
    model = tc.Model([army], [tc.Transition("army", "loyal", "mutinous", tc.baseline()), back])
    placer = Placer(model.compile(history))
    assert placer.room(placer.told, 0) == (2.0, 4.0)
    rng = np.random.default_rng(0)
    assert all(2.0 < placer.anywhere(rng)[0] <= 4.0 for _ in range(100))
