"""Cases 10 and 11: what a change moves in worlds that share their luck, and what it does not."""

from __future__ import annotations

import math
from itertools import permutations

import numpy as np
import pandas as pd
import pytest

import tocsin as tc

TURN = tc.StateVariable("s", ["old", "new"])
HOME = "s: old > new | baseline | propensity | 1"
AWAY = "s: old > new | l | susceptibility | 1"


def complete(units: str, variables: list[tc.StateVariable], end: float = 10.0, **more: object) -> tc.History:
    """Units that are all tied to each other."""
    pairs = list(permutations(units, 2))
    ties = {"layer": ["l"] * len(pairs), "source": [a for a, _ in pairs], "target": [b for _, b in pairs]}
    table = {"unit": list(units), "heat": np.linspace(-1, 1, len(units))}
    return tc.History(table, ties=ties, variables=variables, window=(0, end), layers=["l", "empty"], **more)


def entries(ensemble: tc.Ensemble, state: str) -> pd.Series:
    """First entry of each (world, unit) into a state."""
    events = ensemble.events.select(["world", "unit", "to", "time"]).to_pandas()
    return events[events["to"] == state].groupby(["world", "unit"], observed=True)["time"].min()


def is_delay(before: pd.Series, after: pd.Series) -> bool:
    """Whether every entry of `after` is one of `before`, no earlier."""
    return bool(after.index.isin(before.index).all() and (after >= before[after.index] - 1e-9).all())


@pytest.mark.parametrize("alpha", [None, 0.5, 2.0])
def test_removing_a_layer_never_advances_an_event(alpha: float | None) -> None:
    # Two states, irreversible, `while`: every hazard grows with each unit that has turned, on shared clocks.
    response = None if alpha is None else "power"
    cause = tc.contagion("l", when="s=new", infectiousness="heat", response=response)
    model = tc.Model([TURN], [tc.Transition("s", "old", "new", tc.baseline("1 + heat"), cause)])
    params = {
        HOME: -2.5,
        HOME[:-1] + "heat": 0.5,
        AWAY: -1.5,
        "s: old > new | l | infectiousness | heat": 0.5,
    }
    if alpha is not None:
        params["s: old > new | l | response | alpha"] = math.log(alpha)
    history, given = complete("abcde", [TURN]), model.with_params(params)
    with_layer = entries(given.simulate(history, worlds=5000, seed=12), "new")
    without = entries(
        given.simulate(history, worlds=5000, seed=12, interventions=[tc.remove_layer("l")]), "new"
    )
    assert len(without) < len(with_layer)
    assert is_delay(with_layer, without)


def test_with_three_states_removing_a_layer_can_advance_an_event() -> None:
    # The layer `falls` only takes units out of the state that spreads: without it sources last longer.
    stage = tc.StateVariable("s", ["old", "new", "lost"])
    model = tc.Model(
        [stage],
        [
            tc.Transition("s", "old", "new", tc.baseline(), tc.contagion("l", when="s=new")),
            tc.Transition("s", "new", "lost", tc.baseline(), tc.contagion("falls", when="s=lost")),
        ],
    )
    params = {
        HOME: -2.0,
        AWAY: 0.5,
        "s: new > lost | baseline | propensity | 1": -1.0,
        "s: new > lost | falls | susceptibility | 1": 1.5,
    }
    pairs = list(permutations("abcd", 2))
    ties = [(layer, a, b) for layer in ("l", "falls") for a, b in pairs]
    history = tc.History(
        {"unit": list("abcd")},
        ties=pd.DataFrame(ties, columns=["layer", "source", "target"]),
        variables=[stage],
        window=(0, 10),
        layers=["l", "falls"],
    )
    given = model.with_params(params)
    with_layer = entries(given.simulate(history, worlds=3000, seed=13), "new")
    without = entries(given.simulate(history, 3000, 13, interventions=[tc.remove_layer("falls")]), "new")
    assert not is_delay(with_layer, without)


def test_with_memory_and_a_power_response_removing_ties_can_advance_an_event() -> None:
    # With alpha above 1 bursts count: without `early` an entry is late, falls together with another one, and
    # the two reach further together than one by one.
    model = tc.Model(
        [TURN],
        [
            tc.Transition(
                "s", "old", "new", tc.baseline("1 + heat"), tc.contagion("early", when="s=new"),
                tc.contagion("l", when="s=new", half_life=0.5, response="power"),
            )
        ],
    )  # fmt: skip
    params = {
        HOME: -2.5,
        HOME[:-1] + "heat": 1.0,
        "s: old > new | early | susceptibility | 1": 0.0,
        AWAY: 0.0,
        "s: old > new | l | response | alpha": math.log(3.0),
    }
    pairs = list(permutations("abcd", 2))
    ties = [("l", a, b) for a, b in pairs] + [("early", "a", "b")]
    history = tc.History(
        {"unit": list("abcd"), "heat": [1.0, 0.0, 1.0, 0.0]},
        ties=pd.DataFrame(ties, columns=["layer", "source", "target"]),
        variables=[TURN],
        window=(0, 10),
        layers=["l", "early"],
    )
    given = model.with_params(params)
    with_layer = entries(given.simulate(history, worlds=5000, seed=14), "new")
    without = entries(given.simulate(history, 5000, 14, interventions=[tc.remove_layer("early")]), "new")
    assert not is_delay(with_layer, without)


def spreading() -> tuple[tc.Model, dict[str, float]]:
    model = tc.Model(
        [TURN],
        [
            tc.Transition("s", "old", "new", tc.baseline("1 + hunger"), tc.contagion("l", when="s=new")),
            tc.Transition("s", "new", "old", tc.baseline()),
        ],
    )
    params = {
        HOME: -2.0,
        HOME[:-1] + "hunger": 0.5,
        AWAY: -1.5,
        "s: new > old | baseline | propensity | 1": -1.0,
    }
    return model, params


def hungry(by: float = 1.0) -> dict[str, list[object]]:
    return {"unit": ["*"], "covariate": ["hunger"], "value": [1.0 * by], "start": [2.0], "end": [5.0]}


@pytest.mark.parametrize(
    "nothing",
    [
        [],
        [tc.remove_layer("empty")],
        [tc.scale("hunger", 1.0)],
        ["scale hunger by 1"],
    ],
    ids=str,
)
def test_a_null_intervention_returns_the_same_worlds(nothing: list[object]) -> None:
    model, params = spreading()
    history = complete("abcde", [TURN], covariates=hungry(), outside={"hunger": 0.0})
    given = model.with_params(params)
    plain = given.simulate(history, worlds=500, seed=15)
    assert given.simulate(history, worlds=500, seed=15, interventions=nothing).events.equals(plain.events)


def test_an_intervention_is_a_change_of_the_history() -> None:
    model, params = spreading()
    given = model.with_params(params)
    history = complete("abcde", [TURN], covariates=hungry(), outside={"hunger": 0.0})
    halved = complete("abcde", [TURN], covariates=hungry(0.5), outside={"hunger": 0.0})
    alone = tc.History(
        {"unit": list("abcde")}, covariates=hungry(), variables=[TURN], window=(0, 10), layers=["l", "empty"],
        outside={"hunger": 0.0},
    )  # fmt: skip
    for intervention, changed in ((tc.scale("hunger", 0.5), halved), (tc.remove_layer("l"), alone)):
        mine = given.simulate(history, worlds=500, seed=16, interventions=[intervention]).events.to_pylist()
        assert mine == given.simulate(changed, worlds=500, seed=16).events.to_pylist()


def test_what_touches_one_unit_moves_no_other_unless_it_spreads() -> None:
    model, params = spreading()
    given = model.with_params(params)
    history = complete("abcde", [TURN], covariates=hungry(), outside={"hunger": 0.0})
    ensembles = [
        given.simulate(history, worlds=3000, seed=17, interventions=change)
        for change in ([], [tc.prevent("a", "s=new")])
    ]
    plain, prevented = (ensemble.events.to_pandas() for ensemble in ensembles)
    assert not (prevented["unit"] == "a").any()
    # While `a` is new it uses up thresholds of others, fired or not; so nothing of it spreads only
    # in the worlds in which it never turned.
    turned = set(plain.loc[plain["unit"] == "a", "world"])
    assert 0 < len(turned) < 3000
    rest = [table[~table["world"].isin(turned)].reset_index(drop=True) for table in (plain, prevented)]
    pd.testing.assert_frame_equal(*rest)


def test_worlds_do_not_depend_on_their_number_or_on_the_order_of_units() -> None:
    model, params = spreading()
    given = model.with_params(params)
    history = complete("abcde", [TURN], covariates=hungry(), outside={"hunger": 0.0})
    many = given.simulate(history, worlds=300, seed=18).events.to_pylist()
    few = given.simulate(history, worlds=100, seed=18).events.to_pylist()
    assert few == [row for row in many if row["world"] < 100]
    # A unit more, without ties, has clocks of its own and leaves all the others as they were.
    pairs = list(permutations("abcde", 2))
    ties = {"layer": ["l"] * 20, "source": [a for a, _ in pairs], "target": [b for _, b in pairs]}
    more = tc.History(
        {"unit": list("Aabcde")}, ties=ties, covariates=hungry(), variables=[TURN], window=(0, 10),
        layers=["l", "empty"], outside={"hunger": 0.0},
    )  # fmt: skip
    wider = given.simulate(more, worlds=100, seed=18).events.to_pylist()
    assert [row for row in wider if row["unit"] != "A"] == few
