"""Worlds of grouped time that are given what happened until an interval: the record, then the law of the twin."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pandas as pd
import pytest

import tocsin as tc
from tocsin.twin.hazard import log_likelihood

TURN = tc.StateVariable("s", ["old", "new"])
UNITS = ["a", "b", "c", "d", "e"]
MOVED = {"a": 2, "b": 4}  # in which interval; e enters with the fifth
PARAMS = {"baseline": -1.6, "near": -0.4, "far": -0.9, "x": 0.7}
WORLDS = 40_000


def told(clock: str, interval: int) -> str | int:
    """Return the name of an interval, the first of which is 1."""
    return {"step": interval, "year": str(1900 + interval), "month": f"1917-{interval:02d}"}[clock]


def record(clock: str, last: int, moved: dict[str, int] = MOVED) -> tc.History:
    pairs = [(j, i) for j in UNITS for i in UNITS if i != j]
    ties = [("near", j, i, told(clock, 1), told(clock, 4)) for j, i in pairs if (ord(j) + ord(i)) % 3]
    ties += [("far", j, i, told(clock, 1), told(clock, 8)) for j, i in pairs]
    ties += [("near", "b", "c", told(clock, 5), told(clock, 8))]
    x = [
        (unit, told(clock, 1 + 4 * late), told(clock, 4 + 4 * late), value + late)
        for unit, value in zip(UNITS, [0.0, 1.0, -1.0, 0.5, 0.2], strict=True)
        for late in (0, 1)
    ]
    return tc.History(
        {"unit": UNITS, "enter": [told(clock, 1)] * 4 + [told(clock, 5)], "exit": [None] * 5},
        {
            "unit": list(moved),
            "variable": ["s"] * len(moved),
            "state": ["new"] * len(moved),
            "time": [told(clock, when) for when in moved.values()],
        },
        ties=pd.DataFrame(ties, columns=["layer", "source", "target", "start", "end"]),
        covariates=pd.DataFrame(x, columns=["unit", "start", "end", "value"]).assign(covariate="x"),
        variables=[TURN],
        window=(told(clock, 1), told(clock, 8)),
        clock=clock,
    ).select(window=(told(clock, 1), told(clock, last)))


MODEL = tc.Model(
    [TURN],
    [
        tc.Transition(
            "s",
            "old",
            "new",
            tc.baseline("1 + x"),
            tc.contagion("near", "s=new", half_life=1.5),
            tc.contagion("far", "s=new"),
        )
    ],
)


def params(history: tc.History) -> dict[str, float]:
    names = MODEL.compile(history).parameter_names
    return {name: PARAMS["x" if name.endswith("| x") else name.split(" | ")[1]] for name in names}


@pytest.mark.parametrize("clock", ["step", "year", "month"])
def test_what_follows_has_the_law_of_the_likelihood(clock: str) -> None:
    history = record(clock, 5)
    values = params(history)
    ensemble = MODEL.with_params(values).simulate(
        history, WORLDS, seed=3, given=f"until {told(clock, 4)}", draws=None
    )
    events = ensemble.events.to_pandas() if hasattr(ensemble.events, "to_pandas") else ensemble.events
    start = history.numbers.start
    late = events[events["time"] > start + 4.0]
    early = events[events["time"] <= start + 4.0]
    assert early.groupby("world")["unit"].apply(list).map(tuple).unique().tolist() == [("a", "b")]
    told_back = ensemble.history(7).events
    assert [str(when)[:7] for when in told_back["time"][:2]] == [
        str(when)[:7] for when in record(clock, 5).events["time"]
    ]
    gone = late.groupby("world")["unit"].apply(lambda units: "".join(sorted(units)))
    seen = gone.reindex(range(WORLDS), fill_value="").value_counts()
    before = log_likelihood(MODEL, record(clock, 4), values)
    whole = 0.0
    for count in range(4):
        for units in itertools.combinations("cde", count):
            follows = record(clock, 5, {**MOVED, **dict.fromkeys(units, 5)})
            share = math.exp(log_likelihood(MODEL, follows, values) - before)
            whole += share
            error = math.sqrt(share * (1.0 - share) / WORLDS)
            assert seen.get("".join(units), 0) / WORLDS == pytest.approx(share, abs=4.5 * error), units
    assert whole == pytest.approx(1.0, abs=1e-9)


@pytest.mark.parametrize("clock", ["step", "year", "month"])
def test_until_the_first_and_the_last_interval(clock: str) -> None:
    history = record(clock, 8)
    given = MODEL.with_params(params(history))
    whole = given.simulate(history, 3, seed=1, given=f"until {told(clock, 8)}")
    for world in range(3):
        assert list(whole.history(world).events["unit"]) == ["a", "b"]
    first = given.simulate(history, 400, seed=1, given=f"until {told(clock, 1)}").events
    assert (np.asarray(first["time"]) > history.numbers.start + 1.0).all()  # nobody moved in the first


@pytest.mark.parametrize("clock", ["step", "year", "month"])
def test_forecasts_know_an_interval_as_a_whole(clock: str) -> None:
    history = record(clock, 8, {"a": 2, "b": 4, "c": 6, "d": 7})
    found = tc.forecast(MODEL, history, "s", "new", told(clock, 4), 2, worlds=400, draws="best")
    table = found.table.set_index("unit")
    assert table["entered"].to_dict() == {"c": True, "d": False}  # a and b have moved; nobody knows of e yet
    ahead = tc.forecast(
        MODEL, history, "s", "new", told(clock, 4), 2, worlds=50, draws="best", known="hindcast"
    )
    assert set(ahead.table["unit"]) == {"c", "d", "e"}  # e is there from then on
    past = tc.backtest(MODEL, history, "s", "new", 2, dates=2, worlds=50, draws="best")
    assert past.forecasts
    assert not past.skipped
