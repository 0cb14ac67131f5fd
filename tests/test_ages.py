"""The age of a state in hazards: equal to the twin, to regressions of survival analysis, and to closed forms."""

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import minimize
from scipy.stats import kstest

import tocsin as tc
from tocsin.errors import FitError, ModelError, TocsinError
from tocsin.twin import hazard as twin

S = tc.StateVariable("s", ["a", "b"])

FORMS = [
    ("1 + pieces(time_in_state, 3, 8.5)", "1 + x + x:pieces(time_in_state, 2, 9)", {}),
    ("1 + x*log(time_in_state)", "1 + log(time_in_state)", {}),
    ("1 + time_in_state", "1 + x*time_in_state", {"normalise": "target"}),
    (
        "1 + log(time_in_state, unknown=entry)",
        "1 + pieces(time_in_state, 5, unknown='entry')",
        {"half_life": 4.0},
    ),
    (
        "1 + log(time_in_state)",
        "1 + pieces(time_in_state, 5)",
        {"half_life": "estimate", "response": "power"},
    ),
    ("0 + log(time_in_state)", "1 + log(time_in_state)", {"response": "power", "infectiousness": "x"}),
]


def record(seed=3, units=8, end=40.0):
    """Return a history of random moves: some units enter late or leave, of some it is known since when."""
    rng = np.random.default_rng(seed)
    rows, events = [], []
    for i in range(units):
        enter, leave, held = (0.0, 4.5)[i % 3 == 0], (end, end - 6.0)[i % 4 == 0], "ab"[i % 2]
        since = enter - rng.uniform(0, 9) if i % 2 else None
        rows.append(
            {"unit": f"u{i}", "enter": enter, "exit": leave, "x": rng.normal(), "s": held, "s_since": since}
        )
        time = enter
        while (time := time + rng.exponential(6.0)) < leave:
            held = {"a": "b", "b": "a"}[held]
            events.append({"unit": f"u{i}", "variable": "s", "state": held, "time": time})
    ties = [
        {"layer": "l", "source": f"u{i}", "target": f"u{j}", "weight": rng.uniform(0.2, 1)}
        for i in range(units)
        for j in rng.choice(units, 3, False)
        if i != j
    ]
    tables = [pd.DataFrame(each) for each in (rows, events, ties)]
    return tc.History(*tables, variables=[S], window=(0.0, end), clock="continuous")


def moves(home, abroad, **options):
    return tc.Model(
        [S],
        [
            tc.Transition("s", "a", "b", tc.baseline(home), tc.contagion("l", "s=b", abroad, **options)),
            tc.Transition("s", "b", "a", tc.baseline(abroad)),
        ],
    )


def given(program, seed):
    rng = np.random.default_rng(seed)
    level = [-2.0 if name.endswith("| 1") else 0.0 for name in program.parameter_names]
    return rng.normal(level, 0.1)


@pytest.mark.parametrize(("home", "abroad", "options"), FORMS)
def test_likelihood_residuals_and_worlds_are_the_twins(home, abroad, options):
    history = record()
    model = moves(home, abroad, **options)
    program = model.compile(history)
    vector = given(program, 1)
    named = dict(zip(program.parameter_names, vector, strict=True))
    assert program.loglik(vector) == pytest.approx(twin.log_likelihood(model, history, named), rel=1e-12)
    step = 1e-5 * np.eye(vector.size)
    slope = [(program.loglik(vector + each) - program.loglik(vector - each)) / 2e-5 for each in step]
    assert program.gradient(vector) == pytest.approx(slope, rel=1e-5, abs=1e-5)
    bend = [(program.gradient(vector + each) - program.gradient(vector - each)) / 2e-5 for each in step]
    assert program.hessian(vector) == pytest.approx(np.array(bend), rel=1e-4, abs=1e-4)
    theirs: dict[tuple[str, str], list[float]] = {}
    for unit, name, amount, _ in twin.residuals(model, history, named):
        theirs.setdefault((name, unit), []).append(amount)
    for key, own in program.residuals(vector).groupby(["transition", "unit"]):
        assert own["integral"].to_numpy() == pytest.approx(theirs[key], rel=1e-9)
    worlds = program.simulate(named, 2, 7).events.to_pandas()
    for number in range(2):
        mine = worlds[worlds["world"] == number]
        other = twin.simulate(model, history, named, 7, number)
        assert mine["time"].to_numpy() == pytest.approx([event.time for event in other], rel=1e-9)
        assert list(mine["unit"]) == [event.unit for event in other]
        source = mine["source"].astype(object)
        assert list(source.where(source.notna(), None)) == [event.source for event in other]


def spells(seed, count, delayed):
    """Return units that leave a state once at most, each since when it is in it, and from when it is seen."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=count)
    since = -rng.uniform(0.5, 8.0, count) if delayed else np.zeros(count)
    age = (rng.exponential(size=count) / (0.05 * np.exp(0.4 * x))) ** (1 / 1.4)
    first = -since
    keep = age > first
    x, since, age, first = x[keep], since[keep], age[keep], first[keep]
    seen = np.minimum(age, first + 20.0)
    died = age < first + 20.0
    rows = pd.DataFrame({"unit": [f"u{i:03d}" for i in range(x.size)], "x": x, "s_since": since})
    events = pd.DataFrame(
        {"unit": rows["unit"][died], "variable": "s", "state": "b", "time": (seen - first)[died]}
    )
    history = tc.History(rows, events, variables=[S], window=(0.0, 20.0), clock="continuous")
    return history, x, first, seen, died


def summit(log_hazard, integral, start, died):
    """Return the maximum of a likelihood of spells with delayed entry, worked out on its own."""

    def negative(vector):
        return integral(vector).sum() - log_hazard(vector)[died].sum()

    found = minimize(negative, start, method="BFGS", options={"gtol": 1e-9})
    found = minimize(
        negative, found.x, method="Nelder-Mead", options={"xatol": 1e-10, "fatol": 1e-13, "maxiter": 9999}
    )
    return found.x, -found.fun


@pytest.mark.parametrize("delayed", [False, True])
def test_logarithm_is_the_weibull_regression_of_survival_analysis(delayed):
    history, x, first, seen, died = spells(5, 120, delayed)
    model = tc.Model([S], [tc.Transition("s", "a", "b", tc.baseline("1 + x + log(time_in_state)"))])
    fit = model.fit(history)

    def integral(v):  # shape p, scale exp(-mu): as survreg and flexsurvreg have them
        power = np.exp(v[2])
        return np.exp(v[0] + v[1] * x) * (seen**power - first**power)

    def log_hazard(v):
        return v[0] + v[1] * x + v[2] + (np.exp(v[2]) - 1.0) * np.log(seen)

    vector, best = summit(log_hazard, integral, np.array([-2.0, 0.0, 0.1]), died)
    assert fit.loglik == pytest.approx(best, abs=1e-7)
    intercept, slope, k = fit.params.to_numpy()
    assert k == pytest.approx(np.exp(vector[2]) - 1.0, abs=2e-6)
    assert [intercept, slope] == pytest.approx([vector[0] + vector[2], vector[1]], abs=2e-6)


@pytest.mark.parametrize("delayed", [False, True])
def test_age_itself_is_the_gompertz_regression(delayed):
    history, x, first, seen, died = spells(6, 120, delayed)
    model = tc.Model([S], [tc.Transition("s", "a", "b", tc.baseline("1 + x + time_in_state"))])
    fit = model.fit(history)
    vector, best = summit(
        lambda v: v[0] + v[1] * x + v[2] * seen,
        lambda v: np.exp(v[0] + v[1] * x) * (np.exp(v[2] * seen) - np.exp(v[2] * first)) / v[2],
        np.array([-2.0, 0.0, 0.1]),
        died,
    )
    assert fit.loglik == pytest.approx(best, abs=1e-7)
    assert fit.params.to_numpy() == pytest.approx(vector, abs=2e-6)


def test_pieces_are_a_poisson_regression_on_split_spells():
    from statsmodels.api import GLM, families

    history, x, first, seen, died = spells(7, 120, True)
    model = tc.Model([S], [tc.Transition("s", "a", "b", tc.baseline("1 + x + pieces(time_in_state, 4, 9)"))])
    fit = model.fit(history)
    rows = []
    for i in range(x.size):
        for level, (low, high) in enumerate([(0, 4), (4, 9), (9, np.inf)]):
            begin, end = max(first[i], low), min(seen[i], high)
            if end > begin:
                event = bool(died[i]) and low < seen[i] <= high
                rows.append([1.0, x[i], level == 1, level == 2, np.log(end - begin), event])
    table = np.array(rows, dtype=float)
    glm = GLM(table[:, 5], table[:, :4], families.Poisson(), offset=table[:, 4]).fit(tol=1e-14)
    assert list(fit.params.index.str.rsplit(" | ", n=1).str[1]) == [
        "1",
        "x",
        "time_in_state[4-9]",
        "time_in_state[9+]",
    ]
    assert fit.params.to_numpy() == pytest.approx(glm.params, abs=1e-6)
    assert fit.summary()["se"].to_numpy() == pytest.approx(glm.bse, abs=1e-5)


def ages_at_exit(formula, params, worlds=1, **changes):
    """Return the ages at which 4,000 units leave the state that they hold, of unknown and of known age at first."""
    count = 4000
    units = pd.DataFrame({"unit": [f"u{i:04d}" for i in range(count)], "s_since": 0.0})
    history = tc.History(units, variables=[S], window=(0.0, 1e4), clock="continuous")
    model = tc.Model([S], [tc.Transition("s", "a", "b", tc.baseline(formula))])
    named = {f"s: a > b | baseline | propensity | {key}": value for key, value in params.items()}
    return model.with_params(named).simulate(history, worlds, 1, **changes).events.to_pandas()


def test_worlds_follow_the_closed_forms():
    weibull = ages_at_exit("1 + log(time_in_state)", {"1": -1.0, "log(time_in_state)": -0.4})["time"]
    assert kstest(weibull, lambda t: -np.expm1(-np.exp(-1.0) * t**0.6 / 0.6)).pvalue > 0.01
    gompertz = ages_at_exit("1 + time_in_state", {"1": -2.0, "time_in_state": 0.1})["time"]
    assert kstest(gompertz, lambda t: -np.expm1(-np.exp(-2.0) * np.expm1(0.1 * t) / 0.1)).pvalue > 0.01
    cured = ages_at_exit("1 + time_in_state", {"1": -2.0, "time_in_state": -0.1})["time"]
    assert len(cured) / 4000 == pytest.approx(
        -np.expm1(-10 * np.exp(-2.0)), abs=0.03
    )  # the rest never leaves
    names = {"1": -1.0, "time_in_state[2-5]": -2.0, "time_in_state[5+]": 0.5}
    pieces = ages_at_exit("1 + pieces(time_in_state, 2, 5)", names)["time"]
    levels = np.exp([-1.0, -3.0, -0.5])

    def summed(t):
        parts = [np.clip(t, 0, 2), np.clip(t - 2, 0, 3), np.clip(t - 5, 0, None)]
        return -np.expm1(-sum(level * part for level, part in zip(levels, parts, strict=True)))

    assert kstest(pieces, summed).pvalue > 0.01


def test_age_restarts_at_moves_among_several_states_and_at_recurrent_events():
    three = tc.StateVariable("s", ["a", "c", "b"])
    events = pd.DataFrame({"unit": ["u", "u"], "variable": "s", "state": ["c", "b"], "time": [4.0, 9.0]})
    history = tc.History(
        pd.DataFrame({"unit": ["u"], "s_since": [-3.0]}), events, variables=[three], window=(0.0, 10.0),
        clock="continuous",
    )  # fmt: skip
    model = tc.Model([three], [tc.Transition("s", "a|c", "b", tc.baseline("1 + log(time_in_state)"))])
    value = model.compile(history).loglik([-1.0, 0.5])
    first, second = 7.0**1.5 - 3.0**1.5, 5.0**1.5
    assert value == pytest.approx(-1.0 + 0.5 * np.log(5.0) - np.exp(-1.0) * (first + second) / 1.5)
    riots = tc.StateVariable("r", ["r"], recurrent=True)
    events = pd.DataFrame({"unit": "u", "variable": "r", "state": "r", "time": [-2.0, 4.0, 9.0]})
    history = tc.History(
        pd.DataFrame({"unit": ["u"]}), events, variables=[riots], window=(0.0, 10.0), clock="continuous"
    )
    model = tc.Model([riots], [tc.Transition("r", "r", "r", tc.baseline("1 + time_in_state"))])
    value = model.compile(history).loglik([-1.0, 0.5])
    integral = sum((np.exp(0.5 * end) - np.exp(0.5 * begin)) / 0.5 for begin, end in [(2, 6), (0, 5), (0, 1)])
    assert value == pytest.approx(-2.0 + 0.5 * (6 + 5) - np.exp(-1.0) * integral)


def test_unknown_ages_are_a_level_of_their_own_or_counted_from_entry():
    units = pd.DataFrame({"unit": ["u", "v", "w"], "s_since": [-2.0, None, None], "enter": [0.0, 0.0, 3.0]})
    events = pd.DataFrame({"unit": ["u", "v"], "variable": "s", "state": "b", "time": [1.0, 4.0]})
    history = tc.History(units, events, variables=[S], window=(0.0, 10.0), clock="continuous")

    def compiled(formula):
        return tc.Model([S], [tc.Transition("s", "a", "b", tc.baseline(formula))]).compile(history)

    program = compiled("1 + log(time_in_state)")
    assert [name.split(" | ")[-1] for name in program.parameter_names] == [
        "1",
        "time_in_state[unknown]",
        "log(time_in_state)",
    ]
    known = -1.0 + 0.5 * np.log(3.0) - np.exp(-1.0) * (3.0**1.5 - 2.0**1.5) / 1.5
    assert program.loglik([-1.0, 0.3, 0.5]) == pytest.approx(known - 0.7 - np.exp(-0.7) * (4 + 7))
    pieces = compiled("1 + pieces(time_in_state, 2.5)")
    assert pieces.parameter_names[-1].endswith("time_in_state[unknown]")
    known = -1.5 - np.exp(-1.0) * 0.5 - np.exp(-1.5) * 0.5
    assert pieces.loglik([-1.0, -0.5, 0.3]) == pytest.approx(known - 0.7 - np.exp(-0.7) * (4 + 7))
    entry = compiled("1 + time_in_state(unknown=entry)")
    integral = sum((np.exp(0.5 * end) - np.exp(0.5 * begin)) / 0.5 for begin, end in [(2, 3), (0, 4), (0, 7)])
    assert entry.loglik([-1.0, 0.5]) == pytest.approx(-2.0 + 0.5 * (3 + 4) - np.exp(-1.0) * integral)


@pytest.mark.parametrize("clocks", ["cause", "source"])
@pytest.mark.parametrize(("home", "abroad", "options"), FORMS[:4])
def test_worlds_given_what_happened_are_what_happened(home, abroad, options, clocks):
    history = record()
    program = moves(home, abroad, **options).compile(history)
    named = dict(zip(program.parameter_names, given(program, 2), strict=True))
    observed = history.table("events").to_pandas().sort_values(["time", "unit"])
    worlds = program.simulate(named, 3, 5, given="history", clocks=clocks).events.to_pandas()
    for _, mine in worlds.groupby("world"):
        assert mine["time"].to_numpy() == pytest.approx(observed["time"].to_numpy())
        assert list(mine["unit"]) == list(observed["unit"])
    forced = program.simulate(named, 3, 5, ["force u1 s=a at 20"], given="history", clocks=clocks)
    for _, mine in forced.events.to_pandas().groupby("world"):
        assert (mine["time"] < 20).sum() == (observed["time"] < 20).sum()
    until = program.simulate(named, 3, 5, given="until 20").events.to_pandas()
    for _, mine in until.groupby("world"):
        assert (mine["time"] <= 20).sum() == (observed["time"] <= 20).sum()


def test_a_forced_state_restarts_the_age():
    units = pd.DataFrame({"unit": [f"u{i:04d}" for i in range(2000)], "s_since": -50.0, "s": "b"})
    history = tc.History(units, variables=[S], window=(0.0, 1e4), clock="continuous")
    model = tc.Model([S], [tc.Transition("s", "b", "a", tc.baseline("1 + pieces(time_in_state, 40)"))])
    named = {
        "s: b > a | baseline | propensity | 1": 0.0,
        "s: b > a | baseline | propensity | time_in_state[40+]": -30.0,
    }
    chosen = [
        f"force u{i:04d} s={state} at {when}" for i in range(50) for state, when in (("a", 10), ("b", 11))
    ]
    events = model.with_params(named).simulate(history, 1, 1, chosen).events.to_pandas()
    assert set(events["unit"]) == {f"u{i:04d}" for i in range(50)}
    fallen = events[(events["cause"] == "baseline")]
    assert len(fallen) == 50
    assert kstest(fallen["time"] - 11.0, "expon").pvalue > 0.01


def test_grouped_clocks_take_pieces():
    rng = np.random.default_rng(2)
    units = pd.DataFrame(
        {"unit": [f"u{i}" for i in range(30)], "x": rng.normal(size=30), "s_since": "1919-11"}
    )
    month = rng.integers(0, 36, 30)
    dates = [str(pd.Period("1920-01", "M") + int(m)) for m in month]
    events = pd.DataFrame({"unit": units["unit"], "variable": "s", "state": "b", "time": dates})
    history = tc.History(
        units, events[month < 30], variables=[S], window=("1920-01", "1922-06"), clock="month"
    )
    model = tc.Model(
        [S], [tc.Transition("s", "a", "b", tc.baseline("1 + x + pieces(time_in_state, 6, 12.5)"))]
    )
    program = model.compile(history)
    vector = [-2.0, 0.1, 0.4, -0.3]
    named = dict(zip(program.parameter_names, vector, strict=True))
    assert program.loglik(vector) == pytest.approx(twin.log_likelihood(model, history, named), rel=1e-12)
    worlds = program.simulate(named, 2, 3).events.to_pandas()
    for number in range(2):
        other = twin.simulate(model, history, named, 3, number)
        assert list(worlds[worlds["world"] == number]["unit"]) == [event.unit for event in other]
    with pytest.raises(ModelError, match="pieces"):
        tc.Model([S], [tc.Transition("s", "a", "b", tc.baseline("1 + log(time_in_state)"))]).compile(history)


def test_unit_of_the_clock_does_not_matter():
    one, *_ = spells(5, 80, True)
    units, events = (one.table(name).to_pandas() for name in ("units", "events"))
    units = units[["unit", "x", "s_since"]]
    units["s_since"], events["time"] = units["s_since"] * 24.0, events["time"] * 24.0
    other = tc.History(units, events, variables=[S], window=(0.0, 480.0), clock="continuous")
    for formula in ("1 + x + log(time_in_state)", "1 + x*time_in_state"):
        model = tc.Model([S], [tc.Transition("s", "a", "b", tc.baseline(formula))])
        for prior in (None, tc.weak_prior()):
            day, hour = model.fit(one, prior=prior), model.fit(other, prior=prior)
            factor = np.array(
                [24.0 if "time" in name and "log" not in name else 1.0 for name in day.params.index]
            )
            assert hour.params.to_numpy()[1:] * factor[1:] == pytest.approx(
                day.params.to_numpy()[1:], abs=1e-6
            )


def test_model_with_ages_is_read_back_from_toml():
    model = moves("1 + x*log(time_in_state, unknown=entry)", "1 + pieces(time_in_state, 2, 9)")
    assert tc.Model.from_toml(model.to_toml()) == model


def test_wrong_ages_are_refused_in_words():
    with pytest.raises(ModelError, match="unit that is at risk"):
        tc.contagion("l", "s=b", infectiousness="time_in_state")
    with pytest.raises(ModelError, match="two terms of age"):
        tc.baseline("1 + log(time_in_state) + time_in_state")
    with pytest.raises(ModelError, match="not possible yet"):
        tc.baseline("1 + time_in_state(army)")
    with pytest.raises(ModelError, match="pieces"):
        moves("1", "1 + log(time_in_state)", half_life=3.0).compile(record())
    program = moves("1", "1 + log(time_in_state)").compile(record())
    vector = given(program, 1)
    vector[-1] = -1.0
    with pytest.raises(FitError, match="-1 or less"):
        program.simulate(vector, 1, 1)
    units = pd.DataFrame({"unit": ["u"], "s_since": [3.0]})
    with pytest.raises(TocsinError, match="lies after the unit enters"):
        tc.History(units, variables=[S], window=(0.0, 9.0), clock="continuous")
