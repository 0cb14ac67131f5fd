"""The Bayesian fit: the density that is sampled, the draws, worlds from them, random effects, forecasts."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

import tocsin as tc
from tocsin.bayes.leave_future_out import take_apart, until
from tocsin.bayes.posterior import Posterior
from tocsin.bayes.random_effects import periods, random_walk, with_effects
from tocsin.bayes.target import Belief, Density, Target
from tocsin.errors import ModelError, TocsinError
from tocsin.kernels.density import roll, unroll

pytest.importorskip("nutpie")

TURN = tc.StateVariable("s", ["old", "new"])
RIOT = tc.StateVariable("riot", ["yes"], recurrent=True)
THERE, BACK, AGAIN = "s: old > new", "s: new > old", "riot: yes > yes"


@pytest.fixture(scope="module")
def history() -> tc.History:
    """Eight units in a ring, one of which enters late; turns, ways back, riots; a covariate that changes."""
    rng = np.random.default_rng(5)
    names = [f"u{k}" for k in range(8)]
    units = pd.DataFrame(
        {"unit": names, "x": np.linspace(-1, 1, 8), "enter": [0.0] * 7 + [4.0], "exit": 30.0}
    )
    ties = pd.DataFrame(
        [("l", f"u{a}", f"u{(a + step) % 8}", 1.0 / step) for a in range(8) for step in (1, 2)],
        columns=["layer", "source", "target", "weight"],
    )
    events = [
        ("u0", "s", "new", 1.5),
        ("u1", "s", "new", 3.0),
        ("u2", "s", "new", 5.5),
        ("u0", "s", "old", 9.0),
    ]
    events += [("u4", "s", "new", 12.0), ("u7", "s", "new", 12.0), ("u1", "s", "old", 20.0)]
    events += [(f"u{rng.integers(7)}", "riot", "yes", float(t)) for t in np.sort(rng.uniform(0, 29, 25))]
    change = pd.DataFrame(
        {"unit": "*", "covariate": "hunger", "value": [0.0, 1.0], "start": [0.0, 11.0], "end": [11.0, 30.0]}
    )
    frame = pd.DataFrame(events, columns=["unit", "variable", "state", "time"])
    return tc.History(units, frame, ties, change, variables=[TURN, RIOT], window=(0, 30), layers={"l": None})


def model(half_life: float | str | None = "estimate", response: str | None = "power") -> tc.Model:
    """Turns by a covariate and by example with marks; riots that excite one another."""
    riots = tc.contagion("l", when="riot=yes", half_life=half_life, response=response, infectiousness="x")  # type: ignore[arg-type]
    return tc.Model(
        [TURN, RIOT],
        [
            tc.Transition(
                "s",
                "old",
                "new",
                tc.baseline("1 + hunger"),
                tc.contagion("l", when="s=new", infectiousness="x"),
            ),
            tc.Transition("s", "new", "old", tc.baseline()),
            tc.Transition("riot", "yes", "yes", tc.baseline("1 + s"), riots),
        ],
    )


KINDS = [("estimate", "power"), ("estimate", None), (3.0, "power"), (3.0, None)]


@pytest.mark.parametrize(("half_life", "response"), KINDS)
def test_the_density_is_the_likelihood(
    history: tc.History, half_life: float | str, response: str | None
) -> None:
    effects = with_effects(model(half_life, response), history)
    density, program = Density(effects), effects.plain
    rng = np.random.default_rng(2)
    for _ in range(5):
        vector = rng.normal(-0.5, 0.7, len(program.parameter_names))
        value, gradient, _ = density(vector, np.zeros(0))
        assert value == pytest.approx(program.loglik(vector), rel=1e-12, abs=1e-10)
        np.testing.assert_allclose(gradient, program.gradient(vector), rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize(("half_life", "response"), KINDS)
def test_the_gradient_of_the_target_is_that_of_its_value(
    history: tc.History, half_life: float | str, response: str | None
) -> None:
    effects = with_effects(model(half_life, response), history, frailty=[THERE], shock=[AGAIN, BACK])
    target = Target(effects, Belief.of(tc.weak_prior(), effects.plain))
    free = 0.5 * np.random.default_rng(4).normal(size=target.size)
    gradient = target(free)[1]
    for place in range(target.size):
        step = np.zeros(target.size)
        step[place] = 1e-5
        slope = (target(free + step)[0] - target(free - step)[0]) / 2e-5
        assert gradient[place] == pytest.approx(slope, rel=2e-5, abs=2e-5)


def test_effects_are_offsets_of_the_hazard(history: tc.History) -> None:
    # A frailty is a covariate of the unit with coefficient 1, a shock one of the period.
    effects = with_effects(model(3.0, None), history, frailty=[THERE], shock=[THERE])
    rng = np.random.default_rng(1)
    vector, effect = rng.normal(-1.0, 0.3, effects.keep.size), rng.normal(0.0, 0.5, effects.size)
    value, _, slope = Density(effects)(vector, effect)
    program, whole = effects.at(effects.program, vector, effect)
    assert value == pytest.approx(program.loglik(whole), rel=1e-12)
    own = pd.DataFrame({"unit": history.numbers.units, "own": effect[:8]})
    edges = periods(history)
    shock = pd.DataFrame(
        {"unit": "*", "covariate": "shock", "value": effect[8:], "start": edges[:-1], "end": edges[1:]}
    )
    other = tc.History(
        history.units.merge(own, on="unit"),
        history.events,
        history.ties,
        pd.concat([history.covariates, shock]),
        variables=history.variables,
        window=history.window,
        layers={"l": None},
    )
    same = tc.Model(
        [TURN, RIOT],
        [
            tc.Transition(
                "s",
                "old",
                "new",
                tc.baseline("1 + hunger + own + shock"),
                tc.contagion("l", when="s=new", infectiousness="x", susceptibility="1 + own + shock"),
            ),
            *model(3.0, None).transitions[1:],
        ],
    )
    names = effects.plain.parameter_names
    params = dict(zip(names, vector, strict=True))
    compiled = same.compile(other)
    params |= {name: 1.0 for name in compiled.parameter_names if name not in names}
    assert compiled.loglik(params) == pytest.approx(value, rel=1e-12)
    assert slope.shape == (effects.size,)


def test_the_random_walk_has_mean_zero_and_scale_one() -> None:
    lengths = np.array([31.0, 28.0, 31.0, 30.0, 31.0])
    walk = random_walk(lengths)
    assert walk.shape == (5, 4)
    np.testing.assert_allclose(lengths @ walk, 0.0, atol=1e-12)
    assert np.log((walk**2).sum(axis=1)).mean() == pytest.approx(0.0, abs=1e-12)
    with pytest.raises(ModelError, match="two periods"):
        random_walk(np.array([3.0]))


def test_unroll_and_roll_are_inverse() -> None:
    value = np.array([-60.0, -12.0, -3.0, 0.0, 2.0, 9.0])
    reach, floor = np.array([2.0, 8.0, -1.0, 0.0, 3.0, 5.0]), np.full(6, 0.2)
    place = roll(value, reach, floor)
    back, slope, bend = unroll(place, reach, floor)
    np.testing.assert_allclose(back, value, rtol=1e-10, atol=1e-12)
    up, more, _ = unroll(place + 1e-6, reach, floor)
    down, less, _ = unroll(place - 1e-6, reach, floor)
    np.testing.assert_allclose(slope, (up - down) / 2e-6, rtol=1e-5)
    np.testing.assert_allclose(bend, (np.log(more) - np.log(less)) / 2e-6, rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize(("half_life", "response"), KINDS)
def test_events_add_up_to_the_log_likelihood(
    history: tc.History, half_life: float | str, response: str | None
) -> None:
    effects = with_effects(model(half_life, response), history, shock=[THERE])
    rng = np.random.default_rng(8)
    vectors = rng.normal(-0.7, 0.4, (3, effects.keep.size))
    effect = rng.normal(0.0, 0.5, (3, effects.size))
    apart = take_apart(effects, vectors, effect)
    for k in range(3):
        program, whole = effects.at(effects.program, vectors[k], effect[k])
        total = apart.log_hazard[k].sum() - apart.waited[k].sum() - apart.rest[k]
        assert total == pytest.approx(program.loglik(whole), rel=1e-12)
    # What came until an instant is what a history that ends there would say.
    place = 20
    time = effects.plain.trace.time[apart.event[place - 1]]
    plain = with_effects(model(half_life, response), history)
    known = take_apart(plain, vectors, np.zeros((3, 0)))
    past = until(plain, float(time)).plain
    for k in range(3):
        part = known.log_hazard[k, :place].sum() - known.waited[k, :place].sum()
        assert part == pytest.approx(past.loglik(vectors[k]), rel=1e-12)


@pytest.fixture(scope="module")
def posterior(history: tc.History) -> Posterior:
    """A posterior with a frailty."""
    return model(3.0, None).sample(history, draws=300, tune=300, chains=4, frailty=[THERE], seed=3)


def test_draws_have_names_and_a_summary(posterior: Posterior) -> None:
    data = posterior.data
    names = posterior.parameter_names
    assert list(data["posterior"]["parameter"].values) == names
    assert data["posterior"]["parameters"].shape == (4, 300, len(names))
    assert data["posterior"]["frailty"].dims == ("chain", "draw", "frailty_transition", "unit")
    assert data["log_likelihood"]["events"].sizes["event"] == 32
    one = data["posterior"]["parameters"].sel(parameter=names[0])
    summary = posterior.summary()
    assert summary.loc[names[0], "mean"] == pytest.approx(float(one.mean()))
    assert list(summary.index) == [*names, f"{THERE} | frailty | sd"]
    assert (summary["lower"] < summary["median"]).all() and (summary["median"] < summary["upper"]).all()
    assert summary["r_hat"].max() < 1.05
    assert math.isnan(summary["exp(median)"].iloc[-1])
    assert f"{THERE} | frailty | u3" in posterior.summary(effects=True).index
    assert "Posterior" in repr(posterior) and "<table" in posterior._repr_html_()


def test_the_same_seed_gives_the_same_draws(history: tc.History) -> None:
    one, other = (model(3.0, None).sample(history, draws=20, tune=50, chains=2, seed=9) for _ in range(2))
    np.testing.assert_array_equal(one.draws.vector, other.draws.vector)
    assert any("R-hat" in warning or "effective draws" in warning for warning in one.warnings)


def test_times_known_by_year_have_their_own_likelihood() -> None:
    rows = [(f"u{k}", "s", "new", 1900 + 2 * k) for k in range(5)]
    history = tc.History(
        {"unit": [f"u{k}" for k in range(8)]},
        pd.DataFrame(rows, columns=["unit", "variable", "state", "time"]).astype({"time": str}),
        {
            "layer": ["l"] * 7,
            "source": [f"u{k}" for k in range(7)],
            "target": [f"u{k + 1}" for k in range(7)],
        },
        variables=[TURN],
        window=("1900", "1912"),
        clock="year",
        layers=["l"],
    )
    wave = tc.Model(
        [TURN], [tc.Transition("s", "old", "new", tc.baseline(), tc.contagion("l", when="s=new"))]
    )
    program = wave.compile(history)
    density = Density(with_effects(wave, history)).copy()
    vector = np.array([-2.0, -1.5])
    value, gradient, _ = density(vector, np.zeros(0))
    assert value == pytest.approx(program.loglik(vector), rel=1e-12)
    np.testing.assert_allclose(gradient, program.gradient(vector), rtol=1e-12)
    drawn = wave.sample(history, draws=200, tune=200, chains=2)
    assert drawn.summary()["r_hat"].max() < 1.1
    assert "log_likelihood" not in drawn.data.children
    with pytest.raises(ModelError, match="known by year"):
        drawn.leave_future_out()
    with pytest.raises(ModelError, match="by year"):
        wave.sample(history, shock=True)


def test_every_world_has_a_draw_of_its_own(posterior: Posterior, history: tc.History) -> None:
    worlds = posterior.simulate(worlds=40, seed=11)
    assert worlds.worlds == 40
    # World w is the one that its own parameters give, whatever else is simulated beside it.
    vectors, effect = posterior.flat()
    program, whole = posterior.effects.at(posterior.effects.program, vectors[7], effect[7])
    alone = program.simulate(whole, 8, 11)
    mine, theirs = worlds.events.to_pandas(), alone.events.to_pandas()
    pd.testing.assert_frame_equal(
        mine[mine["world"] == 7].reset_index(drop=True), theirs[theirs["world"] == 7].reset_index(drop=True)
    )
    same = posterior.simulate(history, worlds=40, seed=11, interventions=["scale layer l by 1"])
    assert same.events.equals(worlds.events)
    none = posterior.simulate(worlds=40, seed=11, interventions=["remove layer l"])
    assert "l" not in set(none.events.to_pandas()["cause"])


def test_the_prior_can_be_simulated(history: tc.History) -> None:
    narrow = tc.weak_prior(coefficient=0.3, strength=0.3)
    drawn = model(3.0, None).sample(history, draws=10, tune=20, chains=1, prior=narrow)
    worlds = drawn.simulate_prior(worlds=50, seed=2)
    assert worlds.worlds == 50 and worlds.events.num_rows > 0
    assert any("one chain" in warning for warning in drawn.warnings)


def test_forecasts_leave_the_future_out(posterior: Posterior) -> None:
    weighted = posterior.leave_future_out(first=0.8, draws=300, tune=200, chains=2)
    exact = posterior.leave_future_out(first=0.8, draws=300, tune=200, chains=2, threshold=-1e9)
    assert exact.refits > 1 and len(exact.table) == len(weighted.table)
    assert weighted.refits < exact.refits
    assert weighted.elpd == pytest.approx(exact.elpd, abs=1.5)
    gap, se = weighted.compare(exact)
    assert gap == pytest.approx(weighted.elpd - exact.elpd) and se >= 0


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"draws": 0}, "draws"),
        ({"chains": True}, "chains"),
        ({"seed": -1}, "seed"),
        ({"target_accept": 1.0}, "target_accept"),
        ({"prior": "weak"}, "prior"),
        ({"frailty": ["s: old > nw"]}, "did you mean|old > new"),
        ({"shock": {THERE: -1.0}}, "above 0"),
    ],
)
def test_wrong_input_is_refused_in_words(history: tc.History, options: dict[str, object], said: str) -> None:
    with pytest.raises(TocsinError, match=said):
        model(3.0, None).sample(history, **options)  # type: ignore[arg-type]


def test_effects_belong_to_their_history(posterior: Posterior, history: tc.History) -> None:
    with pytest.raises(ModelError, match="another history"):
        posterior.simulate(history.select(window=(0, 20)), worlds=2)
    with pytest.raises(ModelError, match="first"):
        posterior.leave_future_out(first=0.0)


def test_attribution_over_the_draws(posterior: Posterior, history: tc.History) -> None:
    found = posterior.attribute(draws=150)
    assert found.draws == 150 and "posterior" in found.notes[0]
    assert found.causes.groupby("event")["share"].sum().to_list() == pytest.approx([1.0] * 32)
    vectors, _ = posterior.flat()
    given = [
        posterior.model.with_params(dict(zip(posterior.parameter_names, vector, strict=True)))
        for vector in vectors[:150]
    ]
    means = np.mean([each.attribute(history).causes["share"] for each in given], axis=0)
    assert found.causes["share"].to_list() == pytest.approx(means.tolist(), abs=1e-6)
    assert (found.causes["lower"] <= found.causes["share"] + 1e-6).all()
    with pytest.raises(TocsinError, match="fewer than draws=5000"):
        posterior.attribute(draws=5000)
    assert posterior.attribute(draws=0).causes["lower"].isna().all()
