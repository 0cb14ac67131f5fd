"""Where a covariate is counted from, and in what unit, changes no estimate, error, draw, prior or prediction."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import tocsin as tc
from tocsin.bayes.random_effects import with_effects
from tocsin.bayes.target import Belief, Target
from tocsin.fit.maximum.constraint import Constraint
from tocsin.program.scaling import Scaling

STATES = [tc.StateVariable("s", ["a", "b"])]
HEAD = "s: a > b"
N = 80
RNG = np.random.default_rng(12)
Z, W = RNG.normal(size=N), RNG.normal(size=N)
TWO = (RNG.random(N) < 0.4).astype(float)
GROUP = np.array(["p", "q", "r"])[RNG.integers(0, 3, N)]
UNITS = [f"u{k:02d}" for k in range(N)]
CHANGES = [(0.0, 1.0), (1917.0, 1.0), (-3e5, 2.0), (1e9, 1.0), (0.0, 1e-12), (0.0, 1e12), (5e14, 1e6)]


def model(
    baseline: str = "1", susceptibility: str | None = None, infectiousness: str | None = None, **more: object
) -> tc.Model:
    """Return a model of one transition, with contagion along `l` where a susceptibility is given."""
    causes: list[object] = [tc.baseline(baseline)]
    if susceptibility is not None:
        causes.append(
            tc.contagion(
                "l", when="s=b", susceptibility=susceptibility, infectiousness=infectiousness, **more
            )  # type: ignore[arg-type]
        )
    return tc.Model(STATES, [tc.Transition("s", "a", "b", *causes)])  # type: ignore[arg-type]


@cache
def events() -> pd.DataFrame:
    """Return events of a wave in which z, w, the groups and contagion matter."""
    units = pd.DataFrame({"unit": UNITS, "x": Z, "w": W, "two": TWO, "g": GROUP})
    wave = model("1 + x + w + two", "1 + x", "w")
    quiet = tc.History(units=units, ties=ties(), variables=STATES, window=(0.0, 10.0), layers=["l"])
    names = wave.compile(quiet).parameter_names
    values = dict(zip(names, [-3.2, 0.4, -0.3, 0.5, -1.6, 0.3, 0.4], strict=True))
    table = wave.with_params(values).simulate(quiet, 1, 3).events.to_pandas()
    return pd.DataFrame(
        {"unit": table["unit"].astype(str), "variable": "s", "state": "b", "time": table["time"]}
    )


@cache
def ties() -> pd.DataFrame:
    """Return ties between neighbours on a ring, four on each side."""
    pairs = [(k, (k + step) % N) for k in range(N) for step in (-4, -3, -2, -1, 1, 2, 3, 4)]
    return pd.DataFrame(
        {"layer": "l", "source": [UNITS[a] for a, _ in pairs], "target": [UNITS[b] for _, b in pairs]}
    )


def record(c: float = 0.0, s: float = 1.0, **columns: object) -> tc.History:
    """Return the wave with x counted from elsewhere and in another unit."""
    told = {"unit": UNITS, "x": c + s * Z, "w": W, "two": TWO, "g": GROUP, **columns}
    return tc.History(
        units=pd.DataFrame(told),
        events=events(),
        ties=ties(),
        variables=STATES,
        window=(0.0, 10.0),
        layers=["l"],
    )


def digits(c: float, s: float) -> float:
    """Return the relative error that double precision leaves in what is counted so."""
    return max(1e-6, 1e-13 * abs(c) / s * 30)


KINDS = {
    "propensity": model("1 + x"),
    "susceptibility": model("1", "1 + x"),
    "infectiousness": model("1", "1", "x"),
    "both sides": model("1 + x + w", "1 + x", "x + w"),
    "memory": model("1 + x", "1", "x", half_life=2.0),
    "power": model("1", "1 + x", response="power"),
    "power of sources": model("1", "1 + w", "x", response="power"),
    "levels": model("0 + g + x"),
    "slopes by level": model("1 + g + g:x"),
    "product": model("1 + x * w"),
}


def told(fit: tc.Fit, c: float, s: float) -> dict[str, float]:
    """Return what does not depend on where x is counted from: terms of x in its own unit, predictions, draws."""
    found: dict[str, float] = {"loglik": fit.loglik}
    summary, robust = fit.summary(), fit.summary(se="sandwich")
    grouped = fit.summary(se="cluster", cluster={unit: unit[:2] for unit in UNITS})
    spread = fit.draws(60, seed=2).std()
    for name in fit.params.index:
        term = name.split(" | ")[3]
        if "x" in term.split(":"):
            for kind, value in (
                ("estimate", summary["estimate"][name]),
                ("se", summary["se"][name]),
                ("lower", summary["lower"][name]),
                ("sandwich", robust["se"][name]),
                ("cluster", grouped["se"][name]),
                ("draws", spread[name]),
            ):
                found[f"{kind} of {name}"] = float(value) * s
            found[f"p of {name}"] = float(summary["p"][name])
    when = fit.hazards(5.0).iloc[::9]
    for row in when.itertuples(index=False):
        found |= {f"hazard of {row.unit}": row.hazard, f"its lower end {row.unit}": row.lower}  # type: ignore[dict-item]
    found["warnings"] = len(fit.warnings)
    return found


@pytest.mark.parametrize("kind", KINDS)
def test_origin_and_unit_change_nothing(kind: str) -> None:
    base = told(KINDS[kind].fit(record()), 0.0, 1.0)
    assert any(name.startswith("estimate") for name in base)
    for c, s in CHANGES[1:]:
        other = told(KINDS[kind].fit(record(c, s)), c, s)
        for name, value in base.items():
            assert other[name] == pytest.approx(value, rel=digits(c, s), abs=digits(c, s)), (name, c, s)


@pytest.mark.parametrize("kind", ["propensity", "both sides", "levels", "product"])
def test_nor_do_they_change_what_a_prior_does(kind: str) -> None:
    base = told(KINDS[kind].fit(record(), prior=tc.weak_prior(0.5, 2.0)), 0.0, 1.0)
    for c, s in [(1917.0, 1.0), (1e9, 1.0), (0.0, 1e12), (-40.0, 1e-3)]:
        other = told(KINDS[kind].fit(record(c, s), prior=tc.weak_prior(0.5, 2.0)), c, s)
        for name, value in base.items():
            assert other[name] == pytest.approx(value, rel=digits(c, s), abs=digits(c, s)), (name, c, s)


def test_profiles_are_those_of_the_same_question() -> None:
    x, home = f"{HEAD} | baseline | propensity | x", f"{HEAD} | baseline | propensity | 1"
    strength = f"{HEAD} | l | susceptibility | 1"
    both = model("1 + x", "1")
    base = both.fit(record()).intervals(names=[x, home, strength])
    for c, s in [(1917.0, 1.0), (1e9, 1.0), (0.0, 1e-12)]:
        fit = both.fit(record(c, s))
        other = fit.intervals(names=[x, home, strength])
        assert other.loc[x].to_numpy() * s == pytest.approx(base.loc[x].to_numpy(), rel=1e-4)
        assert other.loc[strength].to_numpy() == pytest.approx(base.loc[strength].to_numpy(), rel=1e-4)
        # The rate where x is 0 is a sum of what is estimated: so is its profile.
        wald = fit.summary().loc[home]
        assert other.loc[home, "lower"] < wald["estimate"] - wald["se"]
        assert other.loc[home, "upper"] > wald["estimate"] + wald["se"]
        assert np.isfinite(other.loc[home]).all()


def test_the_profile_of_a_rate_far_away_meets_the_fall_of_the_likelihood() -> None:
    fit = model("1 + x + w").fit(record(300.0))
    home = f"{HEAD} | baseline | propensity | 1"
    lower = fit.intervals(names=[home])["lower"].iloc[0]
    held = model("1 + x + w").fit(record(300.0), fixed={home: lower})
    assert 2.0 * (fit.loglik - held.loglik) == pytest.approx(3.841459, abs=1e-4)
    assert held.params[home] == pytest.approx(lower, rel=1e-12)
    assert held.status[home] == "fixed" and held.summary()["se"][home] == pytest.approx(0.0, abs=1e-9)


@pytest.mark.parametrize("c", [0.0, 20.0])
def test_a_strength_at_zero_is_profiled_though_a_power_multiplies_what_sources_are_counted_from(
    c: float,
) -> None:
    both = model("1", "1", "x", response="power")
    fit, strength = both.fit(record(c)), f"{HEAD} | l | susceptibility | 1"
    found = fit.intervals(names=[strength]).iloc[0]
    for value in (found["lower"], found["upper"]):
        held = both.fit(record(c), fixed={strength: value})
        assert 2.0 * (fit.loglik - held.loglik) == pytest.approx(3.841459, abs=1e-3)
    # What is held at its value is so wherever x is counted from, alpha too.
    alpha = fit.params[f"{HEAD} | l | response | alpha"]
    known = both.fit(
        record(c), fixed={f"{HEAD} | l | response | alpha": alpha, strength: fit.params[strength]}
    )
    assert known.loglik == pytest.approx(fit.loglik, abs=1e-6)


def test_there_and_back_where_a_power_bends_the_map() -> None:
    program = model("1", "0 + g", "x + w", response="power").fit(record(1917.0)).search[0].program
    rng = np.random.default_rng(4)
    vectors = rng.normal(size=(3, len(program.parameter_names)))
    scaled = program.scaled
    assert scaled.scaled(scaled.user(vectors)) == pytest.approx(vectors, abs=1e-9)
    at, step = vectors[0], 1e-6
    slopes = np.array(
        [(scaled.user(at + step * e) - scaled.user(at - step * e)) / (2 * step) for e in np.eye(at.size)]
    )
    assert scaled.turned(np.eye(at.size), at) == pytest.approx(slopes.T, rel=1e-6, abs=1e-4)
    way = rng.normal(size=at.size)
    assert scaled.gradient(scaled.turned(np.eye(at.size), at).T @ way, at) == pytest.approx(way, abs=1e-8)


def test_what_is_fixed_or_tied_is_so_on_the_scale_of_the_user() -> None:
    both, x = (
        model("1 + x", "1 + x"),
        [f"{HEAD} | baseline | propensity | x", f"{HEAD} | l | susceptibility | x"],
    )
    for c in (0.0, 1917.0, 1e7):
        tied = both.fit(record(c), tied=[tuple(x)])
        assert tied.params[x[0]] == pytest.approx(tied.params[x[1]], rel=1e-12)
        assert list(tied.status[x]) == ["tied", "tied"]
        offset = model("1 + x").fit(record(c), fixed={x[0]: 0.5})
        assert offset.params[x[0]] == 0.5 and offset.status[x[0]] == "fixed"
        if c == 0.0:
            first, second = tied, offset
        assert tied.loglik == pytest.approx(first.loglik, abs=1e-6)
        assert offset.loglik == pytest.approx(second.loglik, abs=1e-6)
        errors = [fit.summary()["se"].iloc[-1] for fit in (first, tied)]
        assert errors[1] == pytest.approx(errors[0], rel=1e-5)


def test_rates_tied_far_from_zero_are_one_rate() -> None:
    # Two transitions with one rate at x = 0 and slopes of their own: a sum of scaled parameters is held.
    states = [tc.StateVariable("s", ["a", "b"]), tc.StateVariable("t", ["a", "b"])]
    moves = [tc.Transition(v, "a", "b", tc.baseline("1 + x")) for v in ("s", "t")]
    first = events()
    second = first.assign(variable="t", time=first["time"].to_numpy()[::-1] * 0.9)
    names = [f"{v}: a > b | baseline | propensity | 1" for v in ("s", "t")]
    units = pd.DataFrame({"unit": UNITS, "x": 30.0 + Z})
    history = tc.History(units=units, events=pd.concat([first, second]), variables=states, window=(0.0, 10.0))
    fit = tc.Model(states, moves).fit(history, tied=[tuple(names)])
    assert fit.params[names[0]] == pytest.approx(fit.params[names[1]], rel=1e-12)
    assert fit.df == 3 and np.isfinite(fit.vcov.to_numpy()).all()
    assert fit.loglik < tc.Model(states, moves).fit(history).loglik
    assert fit.draws(50)[names[0]].to_numpy() == pytest.approx(fit.draws(50)[names[1]].to_numpy(), rel=1e-9)


def test_cutting_a_row_of_a_covariate_in_two_changes_nothing() -> None:
    start = np.repeat([0.0, 4.0], N)
    rows = pd.DataFrame(
        {
            "unit": np.tile(UNITS, 2),
            "covariate": "y",
            "value": np.concatenate([1900 + Z, 1903 + W]),
            "start": start,
            "end": np.repeat([4.0, 10.0], N),
        }
    )
    halves = [
        rows.assign(end=(rows["start"] + rows["end"]) / 2),
        rows.assign(start=(rows["start"] + rows["end"]) / 2),
    ]
    fits = []
    for table in (rows, pd.concat(halves)):
        history = tc.History(
            units=pd.DataFrame({"unit": UNITS}),
            events=events(),
            covariates=table,
            variables=STATES,
            window=(0.0, 10.0),
        )
        fits.append(model("1 + y").fit(history, prior=tc.weak_prior(0.3, 1.0)))
    assert fits[1].params.to_numpy() == pytest.approx(fits[0].params.to_numpy(), rel=1e-9)
    assert fits[1].vcov.to_numpy() == pytest.approx(fits[0].vcov.to_numpy(), rel=1e-7)


def test_centre_and_scale_are_taken_over_the_time_at_risk() -> None:
    # u: at risk for 2 at x = 1 and for 6 at x = 5 (mean 4, sd sqrt 3); what comes after its event does not count.
    rows = {
        "unit": "u",
        "covariate": "x",
        "value": [1.0, 5.0, 900.0],
        "start": [0.0, 2.0, 8.0],
        "end": [2.0, 8.0, 10.0],
    }
    more = {"unit": "v", "covariate": "x", "value": [3.0], "start": [0.0], "end": [10.0]}
    history = tc.History(
        units={"unit": ["u", "v"]},
        events={"unit": ["u"], "variable": ["s"], "state": ["b"], "time": [8.0]},
        covariates=pd.concat([pd.DataFrame(rows), pd.DataFrame(more)]),
        variables=STATES,
        window=(0.0, 10.0),
    )
    numbers = Scaling.of(model("1 + x").compile(history)).numbers
    mean = (2 * 1 + 6 * 5 + 10 * 3) / 18
    deviation = np.sqrt((2 * 1 + 6 * 25 + 10 * 9) / 18 - mean**2)
    assert numbers == {f"{HEAD} | baseline | propensity | x": pytest.approx((mean, deviation), rel=1e-12)}


@pytest.mark.parametrize(("low", "high"), [(0.0, 1.0), (1.0, 2.0), (-500.0, 700.0)])
def test_a_column_of_two_values_is_scaled_by_their_distance(low: float, high: float) -> None:
    fit = model("1 + two").fit(record(two=low + (high - low) * TWO), prior=tc.weak_prior(0.4))
    base = model("1 + two").fit(record(), prior=tc.weak_prior(0.4))
    name = f"{HEAD} | baseline | propensity | two"
    assert fit.params[name] * (high - low) == pytest.approx(base.params[name], rel=1e-7)
    assert fit.scaled.scaling.numbers[name][1] == high - low


def test_what_lies_too_far_to_be_told_apart_is_refused_in_words() -> None:
    with pytest.raises(tc.FitError, match=r"'x' lies .* standard deviations from zero .*: subtract"):
        model("1 + x").fit(record(1e13, 1e-2))


def test_a_fit_read_back_and_asked_on_another_history_is_the_same(tmp_path: Path) -> None:
    fit = model("1 + x + w", "1").fit(record(1e9), prior=tc.weak_prior())
    fit.save(tmp_path / "fit.json")
    alone, again = tc.load_fit(tmp_path / "fit.json"), tc.load_fit(tmp_path / "fit.json", record(1e9))
    later = record(1e9, 1.0, w=W + 0.5)
    for other in (alone, again):
        pd.testing.assert_frame_equal(other.hazards(5.0, later), fit.hazards(5.0, later))
    pd.testing.assert_frame_equal(again.summary(se="sandwich"), fit.summary(se="sandwich"))
    pd.testing.assert_frame_equal(again.draws(20), fit.draws(20))
    # Another history's own means play no part.
    assert fit.hazards(5.0, later)["hazard"].to_numpy() == pytest.approx(
        model("1 + x + w", "1")
        .fit(record(), prior=tc.weak_prior())
        .hazards(5.0, record(w=W + 0.5))["hazard"]
        .to_numpy(),
        rel=1e-5,
    )


@pytest.mark.parametrize("clock", ["month", "year"])
def test_months_and_years_far_from_zero(clock: str) -> None:
    letter = {"month": "M", "year": "Y"}[clock]
    start = np.datetime64("1901-01", letter)
    when = (start + np.floor(np.minimum(events()["time"].to_numpy(), 9.9) * 3).astype(int)).astype(str)
    fits = []
    for c in (0.0, 1917.0, 1e8):
        history = tc.History(
            units=pd.DataFrame({"unit": UNITS, "x": c + Z}),
            events=events().assign(time=when),
            ties=ties(),
            variables=STATES,
            window=(str(start), str(start + 40)),
            clock=clock,
            layers=["l"],
        )
        fits.append(model("1 + x", "1", "x").fit(history))
    for fit in fits[1:]:
        for name in (each for each in fit.params.index if each.endswith("x")):
            assert fit.params[name] == pytest.approx(fits[0].params[name], rel=1e-5, abs=1e-6)
            assert fit.summary()["se"][name] == pytest.approx(fits[0].summary()["se"][name], rel=1e-5)


def test_the_posterior_is_the_same_up_to_the_change() -> None:
    both = model("1 + x", "1 + x", "w")
    densities = []
    for c, s in [(0.0, 1.0), (1917.0, 1.0), (1e6, 10.0)]:
        effects = with_effects(both, record(c, s))
        target = Target(effects, Belief.of(tc.weak_prior(), effects.plain))
        loose = np.random.default_rng(1).normal(size=(4, target.size))
        densities.append([target(0.5 * free)[0] for free in loose])
        drawn, _ = target.belief.draw(np.random.default_rng(2), 500)
        slope = effects.plain.parameter_names.index(f"{HEAD} | baseline | propensity | x")
        assert drawn[:, slope].std() * s == pytest.approx(
            2.5 / target.belief.scaled.scaling.numbers[f"{HEAD} | baseline | propensity | x"][1] * s, rel=0.1
        )
    assert densities[1] == pytest.approx(densities[0], rel=1e-5)
    assert densities[2] == pytest.approx(densities[0], rel=1e-5)


def test_founding_years_keep_their_effect_under_a_weak_prior() -> None:
    rng = np.random.default_rng(3)
    founded = 1850.0 + 50.0 * rng.normal(size=60)
    time = rng.exponential(np.exp(2.6 - 0.6 * (founded - 1850.0) / 50.0))
    units = [f"u{k}" for k in range(60)]
    happened = [(unit, at) for unit, at in zip(units, time, strict=True) if at < 10.0]
    fits = []
    for x in (founded, (founded - 1850.0) / 50.0):
        history = tc.History(
            units={"unit": units, "x": x},
            events={
                "unit": [u for u, _ in happened],
                "variable": "s",
                "state": "b",
                "time": [t for _, t in happened],
            },
            variables=STATES,
            window=(0.0, 10.0),
        )
        fits.append(model("1 + x").fit(history, prior=tc.weak_prior()).params.iloc[1])
    assert 50.0 * fits[0] == pytest.approx(fits[1], rel=1e-6)
    assert fits[1] > 0.4


def test_the_rise_of_soviet_republics_by_year_is_that_of_poisson_regression() -> None:
    import statsmodels.api as sm

    history = tc.load_history("1917")
    rise = tc.Model(
        list(history.variables), [tc.Transition("regime", "old", "soviet", tc.baseline("1 + year"))]
    )
    fit = rise.fit(history)
    row = fit.summary().iloc[1]
    # Of the record as it is now: an estimate of -0.256, SE 0.0889, belonged to the first one.
    assert row["estimate"] == pytest.approx(-0.266, abs=5e-4) and 0.08 < row["se"] < 0.1
    assert row["p"] < 0.01 and not fit.warnings
    program = rise.compile(history)
    cause = program.likelihood.causes[0]
    swept = cause.swept(0.0)
    years, days = cause.matrix[:, 1], swept.summed[:, 0, 0]
    counts = np.bincount(swept.event_row, minlength=years.size)
    met = days > 0
    terms = np.stack([np.ones(met.sum()), years[met] - 1920.0], axis=1)
    other = sm.GLM(counts[met], terms, family=sm.families.Poisson(), offset=np.log(days[met])).fit()
    assert row["estimate"] == pytest.approx(other.params[1], rel=1e-6)
    assert row["se"] == pytest.approx(other.bse[1], rel=1e-5)
    # A rate in the year 0 is nobody's business: people are told that of the mean year.
    shown = " ".join(fit.report().split())
    assert "see below" in shown and "e+209" not in shown
    told = re.search(
        r"at their means \(year 19(?:19|20)\.\d+\) it is (0\.000\d+) \((0\.000\d+) to (0\.000\d+)\)", shown
    )
    assert told is not None and float(told[2]) < float(told[1]) < float(told[3])
    spread = fit.draws(200).iloc[:, 1].std()
    assert spread == pytest.approx(row["se"], rel=0.15)


def test_a_forecast_with_a_year_is_the_same_wherever_years_begin() -> None:
    first = None
    for c in (0.0, 1917.0, 1e6):
        seen = tc.forecast(model("1 + x"), record(c), "s", "b", as_of=5.0, horizon=4.0, worlds=200, seed=1)
        table = seen.table["probability"].to_numpy()
        first = table if first is None else first
        assert table == pytest.approx(first, abs=0.02)


@pytest.mark.parametrize("seed", range(5))
def test_constraints_hold_whatever_is_bound_after_what(seed: int) -> None:
    rng = np.random.default_rng(seed)
    names = [f"p{k}" for k in range(6)]
    made = Constraint.make(names, {"p5": 2.0}, [("p0", "p3")])
    rows = [(rng.normal(size=6), float(rng.normal())) for _ in range(2)]
    for row, value in rows:
        made = made.bind(row, value)
    made = made.hold([1], [0.7])
    for _ in range(3):
        vector = made.expand(rng.normal(size=made.size))
        assert vector[5] == 2.0 and vector[0] == pytest.approx(vector[3]) and vector[1] == pytest.approx(0.7)
        for row, value in rows:
            assert row @ vector == pytest.approx(value)
        free = rng.normal(size=made.size)
        assert made.into() @ free == pytest.approx(made.expand(free) - made.expand(0 * free))
        assert made.pull(vector) == pytest.approx(made.into().T @ vector)


@pytest.mark.parametrize(
    ("formula", "terms"),
    list(itertools.product(["1 + x * w", "1 + g * x", "0 + g + x * w"], [0.0, 50.0])),
)
def test_user_and_scaled_parameters_are_one_hazard(formula: str, terms: float) -> None:
    program = model(formula, "1 + x", "x * w").compile(record(terms))
    scaled = program.on_scale(Scaling.of(program))
    rng = np.random.default_rng(4)
    vector = 0.2 * rng.normal(size=len(program.parameter_names))
    user = scaled.scaled.user(vector)
    assert program.loglik(user) == pytest.approx(scaled.likelihood.value(vector), rel=1e-9)
    assert scaled.scaled.scaled(user) == pytest.approx(vector, rel=1e-8, abs=1e-9)
    spread = np.diag(rng.random(vector.size))
    turn = np.stack([scaled.scaled.row(p, vector) for p in range(vector.size)])
    assert scaled.scaled.covariance(spread, vector) == pytest.approx(turn @ spread @ turn.T, rel=1e-9)
    gradient: Callable[[np.ndarray], np.ndarray] = scaled.likelihood.gradient
    assert scaled.scaled.gradient(gradient(vector), vector) == pytest.approx(
        program.gradient(user), rel=1e-6, abs=1e-5
    )


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("response", [None, "power"])
def test_worlds_and_shares_are_the_same_where_infectiousness_lies_far_from_zero(response: str | None) -> None:
    # exp(gamma u) alone is endless, or nothing; with the level beside it the hazard is an ordinary number.
    wave = model("1 + x", "1 + w", "x", response=response)
    values = [-3.2, 0.4, -1.6, 0.3, 0.5, *([0.2] if response else [])]
    alpha = float(np.exp(0.2)) if response else 1.0
    seen = []
    for c in (0.0, 1917.0, 1e5):
        program = wave.compile(record(c))
        told = dict(zip(program.parameter_names, values, strict=True))
        told[f"{HEAD} | baseline | propensity | 1"] -= 0.4 * c
        told[f"{HEAD} | l | susceptibility | 1"] -= alpha * 0.5 * c
        worlds = program.simulate(told, 30, 4).events
        shares = wave.with_params(told).attribute(record(c)).causes["share"].to_numpy()
        seen.append((program.loglik(told), worlds.num_rows, shares))
    for other in seen[1:]:
        assert other[0] == pytest.approx(seen[0][0], abs=1e-6) and other[1] == seen[0][1]
        assert other[2] == pytest.approx(seen[0][2], abs=1e-7)
    if response is None:
        near, far = (wave.fit(record(c)).simulate(record(c), 60, seed=2).events for c in (0.0, 1917.0))
        assert near["unit"].to_pylist() == far["unit"].to_pylist()
        assert far["time"].to_numpy() == pytest.approx(near["time"].to_numpy(), rel=1e-6)


def test_directions_of_what_is_free_are_the_product_with_the_map() -> None:
    names = [f"p{k}" for k in range(6)]
    made = Constraint.make(names, {"p5": 2.0}, [("p0", "p3")])
    ways = np.random.default_rng(3).normal(size=(made.size, 4))
    np.testing.assert_array_equal(made.push_ways(ways), made.into() @ ways)
    assert not made.push_ways(ways)[5].any()  # what is fixed moves along none
