"""Exact values through the public interface: the quick ones of the list in `verify/`."""

from __future__ import annotations

import math
from itertools import permutations

import numpy as np
import pytest

import tocsin as tc

TURN = tc.StateVariable("s", ["old", "new"])
HOME = "s: old > new | baseline | propensity | 1"
AWAY = "s: old > new | l | susceptibility | 1"
SPREAD = tc.Model([TURN], [tc.Transition("s", "old", "new", tc.baseline(), tc.contagion("l", when="s=new"))])


def complete(
    units: str, window: tuple[float, float], events: dict[str, list[object]] | None = None
) -> tc.History:
    """Units that are all tied to each other."""
    pairs = list(permutations(units, 2))
    ties = {"layer": ["l"] * len(pairs), "source": [a for a, _ in pairs], "target": [b for _, b in pairs]}
    return tc.History(
        units={"unit": list(units)}, events=events, ties=ties, variables=[TURN], window=window, layers=["l"]
    )


def last_times(ensemble: object) -> np.ndarray:
    """The time of the last event of each world (worlds,); 0 where there is none."""
    found = np.zeros(ensemble.worlds)
    np.maximum.at(found, ensemble.events["world"].to_numpy(), ensemble.events["time"].to_numpy())
    return found


def test_hawkes_process_of_one_unit() -> None:
    # Baseline 0.6, kernel 0.5 * 1.5 * exp(-1.5 age), events 0.5, 1.2, 1.5, 3.0 on [0, 4].
    riot = tc.StateVariable("riot", ["yes"], recurrent=True)
    history = tc.History(
        units={"unit": ["u"]},
        events={
            "unit": ["u"] * 4,
            "variable": ["riot"] * 4,
            "state": ["yes"] * 4,
            "time": [0.5, 1.2, 1.5, 3.0],
        },
        ties={"layer": ["self"], "source": ["u"], "target": ["u"]},
        variables=[riot],
        window=(0, 4),
        layers={"self": None},
    )  # fmt: skip
    memory = tc.contagion("self", when="riot=yes", half_life=math.log(2) / 1.5)
    model = tc.Model([riot], [tc.Transition("riot", "yes", "yes", tc.baseline(), memory)])
    params = {
        "riot: yes > yes | baseline | propensity | 1": math.log(0.6),
        "riot: yes > yes | self | susceptibility | 1": math.log(0.5 * 1.5),
    }
    assert model.compile(history).loglik(params) == pytest.approx(-4.997329272327505, rel=1e-13)
    assert model.with_params(params).log_likelihood(history) == pytest.approx(-4.997329272327505, rel=1e-13)


def test_two_units() -> None:
    params = {HOME: math.log(0.1), AWAY: math.log(0.5)}
    given = SPREAD.with_params(params)
    worlds = 20_000
    both = last_times(given.simulate(complete("ab", (0, 500)), worlds=worlds, seed=1))
    # First event Exp(0.2), second Exp(0.6): mean 5 + 5/3 and standard deviation 5.27.
    assert both.mean() == pytest.approx(1 / 0.2 + 1 / 0.6, abs=4 * 5.27 / math.sqrt(worlds))
    assert (both <= 5).mean() == pytest.approx(0.4730743724, abs=4 * 0.5 / math.sqrt(worlds))
    events = {"unit": ["a", "b"], "variable": ["s", "s"], "state": ["new", "new"], "time": [3.0, 3.5]}
    attribution = given.attribute(complete("ab", (0, 10), events))
    second = attribution.causes.query("unit == 'b'").set_index("cause")["share"]
    assert second.to_dict() == pytest.approx({"baseline": 1 / 6, "l": 5 / 6})
    (source,) = attribution.sources.query("unit == 'b' and share > 0").to_dict("records")
    assert (source["source"], source["layer"]) == ("a", "l")
    assert source["share"] == pytest.approx(5 / 6)


def test_complete_graph_of_five() -> None:
    params = {HOME: math.log(0.1), AWAY: math.log(0.2)}
    worlds = 20_000
    last = last_times(SPREAD.with_params(params).simulate(complete("abcde", (0, 500)), worlds=worlds, seed=2))
    rates = np.array([(5 - k) * (0.1 + 0.2 * k) for k in range(5)])
    assert (1 / rates).sum() == pytest.approx(5.325396825)
    assert last.mean() == pytest.approx(5.325396825, abs=4 * math.sqrt((rates**-2).sum() / worlds))


def test_sir_on_a_triangle() -> None:
    # Infection 1 per infected neighbour, recovery 1, one seed. The first step is a recovery with probability
    # 1/3 (two never infected) or an infection. Then two are infected and one is not: infection 2, recovery 2;
    # after a recovery 1 against 1. So never infected 2 / 1 / 0 with probability 1/3, 2/3 * 1/2 * 1/2 = 1/6,
    # and the rest, 1/2.
    health = tc.StateVariable("h", ["s", "i", "r"])
    model = tc.Model(
        [health],
        [
            tc.Transition("h", "s", "i", tc.contagion("l", when="h=i")),
            tc.Transition("h", "i", "r", tc.baseline()),
        ],
    )
    pairs = list(permutations("abc", 2))
    history = tc.History(
        units={"unit": ["a", "b", "c"], "h": ["i", "s", "s"]},
        ties={"layer": ["l"] * 6, "source": [a for a, _ in pairs], "target": [b for _, b in pairs]},
        variables=[health],
        window=(0, 100),
        layers=["l"],
    )
    params = {"h: s > i | l | susceptibility | 1": 0.0, "h: i > r | baseline | propensity | 1": 0.0}
    worlds = 20_000
    events = model.with_params(params).simulate(history, worlds=worlds, seed=3).events
    infected = np.array([state == "i" for state in events["to"].to_pylist()])
    spared = 2 - np.bincount(events["world"].to_numpy()[infected], minlength=worlds)
    for number, share in ((2, 1 / 3), (1, 1 / 6), (0, 1 / 2)):
        assert (spared == number).mean() == pytest.approx(
            share, abs=4 * math.sqrt(share * (1 - share) / worlds)
        )


def test_probability_of_a_state_over_time() -> None:
    # Alone, P(new by t) = 1 - exp(-rate t).
    history = tc.History(units={"unit": ["a"]}, variables=[TURN], window=(0, 10))
    model = tc.Model([TURN], [tc.Transition("s", "old", "new", tc.baseline())])
    ensemble = model.with_params({HOME: math.log(0.3)}).simulate(history, worlds=20_000, seed=4)
    found = ensemble.probability("s", "new").sel(unit="a")
    times = found["time"].to_numpy().astype(float)
    assert len(times) >= 2
    np.testing.assert_allclose(found.to_numpy(), 1 - np.exp(-0.3 * times), atol=4 * 0.5 / math.sqrt(20_000))
