"""Causes with a half-life for each level of a category of their targets (`by=`), and what levels may share."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

import tocsin as tc
from tocsin.bayes.random_effects import Effects
from tocsin.bayes.target import Density
from tocsin.fit.compare import _free, _nested
from tocsin.twin import hazard as twin

UNITS = [f"u{k}" for k in range(9)]
LIVES = {"a48": 1.0, "b17": 2.0, "c89": 6.0}
RIOT = tc.StateVariable("riot", ["yes"], recurrent=True)
REGIME = tc.StateVariable("regime", ["old", "new"])


def empty(end: float = 30.0, **columns: Any) -> tc.History:
    """Nine units in three waves, with a covariate and ties among all waves."""
    rng = np.random.default_rng(1)
    pairs = [(a, b) for a in UNITS for b in UNITS if a != b and rng.random() < 0.4]
    units = {"unit": UNITS, "zone": list(LIVES) * 3, "x": rng.normal(size=9), "unique": UNITS}
    return tc.History(
        units={**units, **columns},
        ties={
            "layer": ["near"] * len(pairs),
            "source": [a for a, _ in pairs],
            "target": [b for _, b in pairs],
            "weight": rng.uniform(0.5, 1.5, len(pairs)),
        },
        variables=[RIOT, REGIME],
        window=(0.0, end),
        clock="continuous",
    )


def model(**options: Any) -> tc.Model:
    """A recurrent riot and a move once and for all, both heard from neighbours."""
    options = {"half_life": "estimate", "susceptibility": "1 + x", **options}
    return tc.Model(
        [RIOT, REGIME],
        [
            tc.Transition(
                "riot", "yes", "yes", tc.baseline("1"), tc.contagion("near", when="riot=yes", **options)
            ),
            tc.Transition(
                "regime",
                "old",
                "new",
                tc.baseline("1"),
                tc.contagion("near", when="regime=new", infectiousness="x", **options),
            ),
        ],
    )


def values(program: tc.Program) -> dict[str, float]:
    """Parameters under which waves differ."""
    found = {}
    for name in program.parameter_names:
        level = next((level for level in LIVES if f"[{level}]" in name), None)
        life = math.log(LIVES[level]) if level else math.log(2.0)
        found[name] = life if name.endswith("half_life") else -2.5 if name.endswith(("| 1", "mass")) else 0.2
    return found


def world(end: float = 30.0) -> tc.History:
    """A history in which waves differ."""
    declared = model(by="zone")
    program = declared.compile(empty(end))
    return program.simulate(values(program), worlds=1, seed=3).history(0)


@pytest.mark.parametrize("shared", [[], ["half_life"], ["mass"]])
def test_likelihood_and_derivatives_are_those_of_the_twin(shared: list[str]) -> None:
    history, declared = world(), model(by="zone", shared=shared)
    program = declared.compile(history)
    rng = np.random.default_rng(4)
    vector = rng.normal(-1.0, 0.3, len(program.parameter_names))
    given = dict(zip(program.parameter_names, vector, strict=True))
    assert program.loglik(vector) == pytest.approx(twin.log_likelihood(declared, history, given), abs=1e-8)
    step = 1e-5 * np.eye(vector.size)
    slope = [(program.loglik(vector + each) - program.loglik(vector - each)) / 2e-5 for each in step]
    assert program.gradient(vector) == pytest.approx(np.array(slope), abs=1e-5)
    bend = [(program.gradient(vector + each) - program.gradient(vector - each)) / 2e-5 for each in step]
    assert program.hessian(vector) == pytest.approx(np.array(bend), abs=1e-5)


@pytest.mark.parametrize("shared", [[], ["half_life"], ["mass"]])
def test_worlds_and_attribution_know_one_cause_and_are_those_of_the_twin(shared: list[str]) -> None:
    declared = model(by="zone", shared=shared)
    program = declared.compile(empty())
    given = values(program)
    worlds = program.simulate(given, worlds=2, seed=3)
    ours = [row for row in worlds.events.to_pylist() if row["world"] == 1]
    theirs = twin.simulate(declared, empty(), given, 3, 1)
    assert [(e.unit, e.cause, e.source) for e in theirs] == [
        (row["unit"], row["cause"], row["source"]) for row in ours
    ]
    assert [e.time for e in theirs] == pytest.approx([row["time"] for row in ours])
    history = worlds.history(1)
    shares = declared.with_params(given, program.learned).attribute(history).causes
    assert (shares.groupby("event").size() == 2).all()
    assert set(shares["cause"]) == {"baseline", "near"}
    assert shares.groupby("event")["share"].sum().to_numpy() == pytest.approx(1.0)


def test_one_level_at_a_time_is_the_same_as_levels_together() -> None:
    """Levels that share nothing but an intercept at home and one half-life are a susceptibility by level."""
    history = world(300.0)
    split = tc.Model([RIOT], [model(by="zone", shared=["half_life"], susceptibility="1").transitions[0]])
    plain = tc.Model([RIOT], [model(susceptibility="0 + C(zone)").transitions[0]])
    one, other = split.fit(history), plain.fit(history)
    assert list(LIVES) == [name[name.index("[") + 1 : name.index("]")] for name in one.params.index[1:4]]
    assert one.loglik == pytest.approx(other.loglik, abs=1e-7)
    assert one.df == other.df == 5
    ours, theirs = np.exp(one.params.to_numpy()), np.exp(other.params.to_numpy())
    assert ours == pytest.approx(theirs, abs=1e-4)
    assert list(one.causes["cause"]) == ["baseline", "near"]
    assert one.causes["events"].sum() == pytest.approx(one.nobs)


def test_own_half_lives_are_compared_with_shared_ones() -> None:
    history = world(300.0)
    moves = {
        key: tc.Model([RIOT], [model(by="zone", shared=list(key), susceptibility="1").transitions[0]])
        for key in ((), ("half_life",), ("mass",))
    }
    own = moves[()].fit(history)
    heads = [f"riot: yes > yes | near[{level}]" for level in LIVES]
    for key, last in ((("half_life",), "memory | half_life"), (("mass",), "susceptibility | 1")):
        less = moves[key].fit(history)
        extra, lone = _nested(less, own)
        assert _free(own) - _free(less) == 2
        assert not lone
        assert set(extra) <= {f"{head} | {last}" for head in heads}
        assert own.loglik >= less.loglik - 1e-8
    one = tc.Model([RIOT], [model(susceptibility="1").transitions[0]]).fit(history)
    assert (_free(own) - _free(one), _nested(one, own)[1]) == (4, [])
    with pytest.raises(tc.TocsinError, match="neither fit is a special case"):
        _nested(own, one)


def test_toml_says_the_same() -> None:
    declared = model(by="zone", shared=["mass"])
    text = declared.to_toml()
    assert 'by = "zone"' in text
    assert tc.Model.from_toml(text) == declared


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"by": "zon"}, "by='zon' is no column of the units.*'zone'"),
        ({"by": "zone", "half_life": 2.0}, 'needs half_life="estimate"'),
        ({"by": "zone", "half_life": None}, r"0 \+ C\(zone\)"),
        ({"by": "zone", "shared": ["halflife"]}, "'half_life' or 'mass'.*half_life"),
        ({"by": "zone", "shared": ["half_life", "mass"]}, "leave by= and shared= out"),
        ({"by": "zone", "shared": "mass"}, "shared= is a list"),
        ({"shared": ["mass"]}, "needs by="),
        ({"by": "zone", "susceptibility": "0 + x"}, "susceptibility= needs one"),
        ({"by": "same"}, "has 1 level"),
        ({"by": "food"}, "changes in time"),
    ],
)
def test_wrong_input_is_refused_in_words(options: dict[str, Any], words: str) -> None:
    history = empty(same=["a"] * 9)
    covariates = {"unit": UNITS, "covariate": ["food"] * 9, "value": [0.0, 1.0, 2.0] * 3}
    if options.get("by") == "food":
        history = tc.History(
            units={"unit": UNITS, "x": np.arange(9.0)},
            covariates=covariates,
            ties={"layer": ["near"], "source": ["u0"], "target": ["u1"]},
            variables=[RIOT, REGIME],
            window=(0.0, 30.0),
            clock="continuous",
        )
    with pytest.raises(tc.ModelError, match=words):
        model(**options).compile(history)


def test_too_many_levels_and_levels_never_seen_are_refused_by_name() -> None:
    units = [f"u{k}" for k in range(40)]
    many = tc.History(
        units={"unit": units, "place": units, "x": np.arange(40.0)},
        ties={"layer": ["near"], "source": ["u0"], "target": ["u1"]},
        variables=[RIOT, REGIME],
        window=(0.0, 30.0),
        clock="continuous",
    )
    with pytest.raises(tc.ModelError, match="40 levels.*at most 30"):
        model(by="place").compile(many)
    learned = model(by="zone").compile(empty()).learned
    with pytest.raises(tc.ModelError, match="'d11' of 'u0' was never seen.*"):
        model(by="zone").compile(empty(zone=["d11", *(list(LIVES) * 3)[1:]]), learned)


@pytest.mark.parametrize("shared", [[], ["half_life"], ["mass"]])
def test_the_sampler_has_the_same_likelihood(shared: list[str]) -> None:
    program = model(by="zone", shared=shared).compile(world())
    vector = np.random.default_rng(4).normal(-1.0, 0.3, len(program.parameter_names))
    value, gradient, _ = Density(Effects(program, program, (), np.arange(vector.size)))(vector, np.zeros(0))
    assert value == pytest.approx(program.loglik(vector), abs=1e-8)
    assert gradient == pytest.approx(program.gradient(vector), abs=1e-8)
