"""Causes with a half-life for each level of a category of their targets (`by=`), and what levels may share."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

import tocsin as tc
from tocsin.bayes.leave_future_out import take_apart
from tocsin.bayes.random_effects import Effects, with_effects
from tocsin.bayes.target import Belief, Density, Target
from tocsin.fit.compare import _free, _method, _near_bound, _nested
from tocsin.fit.maximum.constraint import half_life_bounds
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


SHARED = [{"shared": []}, {"shared": ["half_life"]}, {"shared": ["mass"]}]
BESIDE = [
    {"shared": ["mass"], "susceptibility": "1 + x * pieces(time_in_state, 1, 4)"},
    {"susceptibility": "1 + x + log1p(exposure(near, regime=new))"},
    {"susceptibility": "1 + x + pieces(exposure(near, regime=new, normalise=target), 0.2, 0.5)"},
]


@pytest.mark.parametrize("options", [*SHARED, *BESIDE])
def test_likelihood_and_derivatives_are_those_of_the_twin(options: dict[str, Any]) -> None:
    history, declared = world(), model(by="zone", **options)
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


@pytest.mark.parametrize("options", [*SHARED, *BESIDE])
def test_worlds_and_attribution_know_one_cause_and_are_those_of_the_twin(options: dict[str, Any]) -> None:
    declared = model(by="zone", **options)
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
    told = twin.attribute(declared, history, given)
    ours = shares[shares["cause"] == "near"].sort_values("event")["share"].to_numpy()
    assert ours == pytest.approx([own["near"] for _, own, _ in told])


@pytest.mark.parametrize("options", [{"shared": ["mass"], "susceptibility": "1 + x"}, *BESIDE])
def test_effects_of_units_and_periods_stand_beside_levels_ages_and_exposures(options: dict[str, Any]) -> None:
    history, declared = world(), model(by="zone", **options)
    effects = with_effects(declared, history, frailty=["riot: yes > yes"], shock=["regime: old > new"])
    rng = np.random.default_rng(6)
    vector = rng.normal(-1.0, 0.3, len(effects.plain.parameter_names))
    effect = rng.normal(0.0, 0.4, effects.size)
    program, whole = effects.at(effects.program, vector, effect)
    value, _, slope = Density(effects)(vector, effect)
    assert value == pytest.approx(program.loglik(whole), abs=1e-8)
    step = 1e-5 * np.eye(effects.size)
    by_hand = [
        (Density(effects)(vector, effect + each)[0] - Density(effects)(vector, effect - each)[0]) / 2e-5
        for each in step[[0, 5, 12]]
    ]
    assert slope[[0, 5, 12]] == pytest.approx(np.array(by_hand), abs=1e-5)
    apart = take_apart(effects, vector[None], effect[None])
    assert (apart.log_hazard - apart.waited).sum() - apart.rest.sum() == pytest.approx(value, abs=1e-8)


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
    for key in (
        ("half_life",),
        ("mass",),
    ):  # strengths alike where half-lives are, half-lives where masses are
        less = moves[key].fit(history)
        assert _free(less) - _free(one) == len(_nested(one, less)[0]) == 2
        assert less.loglik >= one.loglik - 1e-8
    lives = [f"{head} | memory | half_life" for head in heads]
    same = moves[()].fit(history, tied=[lives])
    assert same.loglik == pytest.approx(moves[("half_life",)].fit(history).loglik, abs=1e-6)
    assert own.compare(same).method == "chi-square"


@pytest.mark.parametrize("clock", [None, "continuous"])
@pytest.mark.parametrize("unit", [1.0, 1e-3])
def test_plain_numbers_have_bounds_from_the_data_whatever_their_unit(clock: str | None, unit: float) -> None:
    times = np.array([1.0, 1.25, 4.0, 9.0]) * unit
    riots = {"unit": UNITS[:4], "variable": ["riot"] * 4, "state": ["yes"] * 4, "time": times}
    history = tc.History(
        {"unit": UNITS}, riots, variables=[RIOT], window=(0.0, 10.0 * unit), clock=clock, layers=["near"]
    )
    move = tc.Transition(
        "riot", "yes", "yes", tc.baseline(), tc.contagion("near", "riot=yes", half_life="estimate")
    )
    bounds = np.exp(half_life_bounds(tc.Model([RIOT], [move]).compile(history)))
    assert bounds / unit == pytest.approx([0.25, 10.0])


def test_half_lives_near_a_bound_are_tested_by_bootstrap() -> None:
    history = world()  # too short for the longest
    own = tc.Model([RIOT], [model(by="zone", susceptibility="1").transitions[0]]).fit(history)
    less = tc.Model([RIOT], [model(susceptibility="1").transitions[0]]).fit(history)
    assert _method(less, own, *_nested(less, own)) == "parametric bootstrap"
    # Without levels only where half-lives are what is tested.
    given = {"riot: yes > yes | near | memory | half_life": own.params.filter(like="half_life").max()}
    near = tc.Model([RIOT], [model(susceptibility="1").transitions[0]]).fit(history)
    held = tc.Model([RIOT], [model(susceptibility="1").transitions[0]]).fit(history, fixed=given)
    assert near.compare(held, worlds=19).method == (
        "parametric bootstrap" if _near_bound(near, True) else "chi-square"
    )
    assert not _near_bound(near, False)


def _pooled(shared: list[str]) -> tuple[Target, Belief]:
    """A target of the sampler in which levels are drawn from one distribution."""
    history, declared = world(), model(by="zone", shared=shared, pooled=True)
    effects = Effects(
        program := declared.compile(history), program, (), np.arange(len(program.parameter_names))
    )
    belief = Belief.of(tc.weak_prior(), program)
    return Target(effects, belief), belief


@pytest.mark.parametrize("shared", [[], ["half_life"], ["mass"]])
def test_pooled_levels_have_the_density_of_their_hierarchy(shared: list[str]) -> None:
    target, belief = _pooled(shared)
    program, rng = target.effects.plain, np.random.default_rng(2)
    assert len(belief.pools) == (4 if not shared else 2)
    assert target.count == 9  # as if levels were one
    free = 0.3 * rng.standard_normal(target.size)
    value, gradient = target(free)
    step = 1e-5 * np.eye(target.size)
    slope = np.array([(target(free + each)[0] - target(free - each)[0]) / 2e-5 for each in step])
    assert gradient == pytest.approx(slope, abs=1e-5)
    far = free.copy()
    far[target.count] = 9.0  # a spread that no half-life would survive is no fault
    assert target(far)[0] == -math.inf
    # The same by hand: what levels have in common under its prior, departures and their spreads under theirs.
    other = free.copy()
    rest, at = 0.0, target.count
    for _ in belief.pools:
        other[at] += 0.2
        other[at + 1 : at + 4] = rng.standard_normal(3)
        for sign, x in ((1.0, other), (-1.0, free)):
            rest += sign * (
                x[at] - 0.5 * (math.exp(x[at]) / 0.5) ** 2 - 0.5 * (x[at + 1 : at + 4] ** 2).sum()
            )
        at += 4
    one, two = target.point(free), target.point(other)
    loglik = [program.loglik(target.effects.plain.scaled.scaled(x.vector)) for x in (one, two)]
    assert target(other)[0] - value == pytest.approx(loglik[1] - loglik[0] + rest, abs=1e-8)
    # A level's mass, or half-life, departs from the common one by its number times the spread.
    names = program.parameter_names
    lives = [names.index(n) for n in names if n.startswith("riot") and n.endswith("half_life")]
    masses = [names.index(n) for n in names if n.startswith("riot: yes > yes | near[") and n.endswith("| 1")]
    said = {"half_life": two.vector[lives]}
    if masses:
        said["mass"] = two.vector[masses] + two.vector[lives]
    at = target.count
    for pool in belief.pools[: len(belief.pools) // 2]:
        number = other[at + 1 : at + 4] * math.exp(other[at])
        assert np.diff(said[pool.kind]) == pytest.approx(np.diff(number))
        at += 4


def test_draws_of_the_prior_are_those_of_the_hierarchy() -> None:
    target, belief = _pooled([])
    vectors, spreads = belief.draw(np.random.default_rng(5), 4000)
    assert np.quantile(spreads, 0.5, axis=0) == pytest.approx(0.5 * 0.6745, rel=0.1)
    (mass,) = [k for k, pool in enumerate(belief.pools) if pool.kind == "mass" and "riot" in pool.transition]
    names = target.effects.plain.parameter_names
    stem = "riot: yes > yes | near"
    log_mass = np.array(
        [
            vectors[:, names.index(f"{stem}[{level}] | susceptibility | 1")]
            + vectors[:, names.index(f"{stem}[{level}] | memory | half_life")]
            for level in LIVES
        ]
    )
    apart = (log_mass - log_mass.mean(axis=0)) / spreads[:, mass]
    assert (apart**2).sum(axis=0).mean() == pytest.approx(2.0, rel=0.1)


def test_pooled_levels_are_refused_where_they_say_nothing() -> None:
    with pytest.raises(tc.ModelError, match=r"pooled=.*model\.sample\(history\)"):
        model(by="zone", pooled=True).fit(world())
    for options, said in (
        ({"pooled": True}, "needs by="),
        ({"by": "zone", "pooled": -1.0}, "a number above 0"),
        ({"by": "zone", "pooled": "yes"}, "is True, or the scale"),
        ({"by": "zone", "pooled": True, "response": "power"}, "leave response= out"),
    ):
        with pytest.raises(tc.ModelError, match=said):
            model(**options)
    many = [f"z{k}" for k in range(40)]
    units = {"unit": many, "own": many}
    wide = tc.History(units=units, ties={"layer": ["near"], "source": ["z1"], "target": ["z2"]},
        variables=[RIOT], window=(0.0, 1.0), clock="continuous")  # fmt: skip
    riot = tc.contagion("near", "riot=yes", half_life="estimate", by="own")
    with pytest.raises(tc.ModelError, match="at most 30"):
        tc.Model([RIOT], [tc.Transition("riot", "yes", "yes", tc.baseline(), riot)]).compile(wide)
    riot = tc.contagion("near", "riot=yes", half_life="estimate", by="own", pooled=0.8)
    declared = tc.Model([RIOT], [tc.Transition("riot", "yes", "yes", tc.baseline(), riot)])
    assert len(declared.compile(wide).parameter_names) == 81
    assert tc.Model.from_toml(declared.to_toml()) == declared


def test_a_posterior_tells_the_spread_beside_its_prior() -> None:
    move = model(by="zone", shared=["half_life"], susceptibility="1", pooled=1.0).transitions[0]
    posterior = tc.Model([RIOT], [move]).sample(world(), draws=30, tune=30, chains=1)
    table = posterior.pooled()
    assert list(table["level"]) == [*LIVES, "spread"]
    assert table["prior_median"].iloc[-1] == pytest.approx(0.6745, rel=1e-3)
    assert (table["lower"] <= table["median"]).all()
    assert "riot: yes > yes | near | pooled | mass sd" in posterior.summary().index
    assert posterior.parameters["pooled_sd"].shape == (1, 30, 1)
    chart = tc.charts.pooling(posterior).to_dict()
    assert "half-normal of scale 1" in str(chart)
    with pytest.raises(tc.ModelError, match="of='mass'"):
        tc.charts.pooling(posterior, of="half_life")


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
