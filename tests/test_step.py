"""Numbered periods (clock = "step"), whole numbers that nothing is said of, and counts in an interval."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from helpers.drawn import Sizes, build
from scipy.optimize import minimize
from test_grouped import by_year, derivatives
from typer.testing import CliRunner

import tocsin as tc
from tocsin.cli.main import app
from tocsin.twin.hazard import log_likelihood, simulate

FOLDER = Path(__file__).parents[2] / "shared" / "data" / "netdiffuseR"
DRUG = tc.StateVariable("drug", ["without", "with"])
RIOT = tc.StateVariable("riot", ["calm", "riot"], recurrent=True)
CLOGLOG = sm.families.Binomial(link=sm.families.links.CLogLog())


def adopting(*causes: Any) -> tc.Model:
    return tc.Model([DRUG], [tc.Transition("drug", "without", "with", *causes)])


@pytest.mark.skipif(not FOLDER.exists(), reason="../shared/data is absent")
def test_medical_innovation_by_month() -> None:
    """VERIFY 20: additive cloglog of the months 1 to 17 of the study, as R's optimiser has it; who adopted later
    is coded 18. A doctor hears of those whom the doctor names, each by the share of the ties' weight.
    """
    nodes = pd.read_csv(FOLDER / "medInnovations_nodes.csv")
    edges = pd.read_csv(FOLDER / "medInnovations_edges.csv")
    adopted = nodes[nodes["toa"] <= 17]
    history = tc.History(
        {"unit": nodes["id"]},
        {"unit": adopted["id"], "variable": ["drug"] * 109, "state": ["with"] * 109, "time": adopted["toa"]},
        {"layer": ["advice"] * 294, "source": edges["dst"], "target": edges["src"], "weight": edges["w"]},
        variables=[DRUG],
        window=(1, 17),
        clock="step",
    )
    fit = adopting(tc.baseline(), tc.contagion("advice", when="drug=with", normalise="target")).fit(history)
    assert fit.nobs == 109 and not fit.warnings
    assert fit.loglik == pytest.approx(-342.0603065, abs=1e-7)
    # The likelihood is flat: R stopped some 1e-6 before the maximum.
    assert fit.params.to_numpy() == pytest.approx([-2.1869727, -4.2516211], abs=5e-6)


def village(seed: int, periods: int = 12, first: int = 1) -> tuple[tc.History, pd.DataFrame]:
    """Doctors who hear of each other, and the rows of their periods at risk."""
    rng = np.random.default_rng(seed)
    size = 40
    x = rng.normal(size=size).round(3)
    tied = rng.random((size, size)) < 0.08  # of row's doctor by column's
    np.fill_diagonal(tied, False)
    turned = np.zeros(size, bool)
    rows, events = [], []
    for period in range(first, first + periods):
        heard = tied[:, turned].sum(axis=1)
        rate = np.exp(-3.0 + 0.5 * x) + np.exp(-2.5) * heard
        now = ~turned & (rng.random(size) < -np.expm1(-rate))
        rows += [(i, period, bool(now[i]), x[i], int(heard[i])) for i in np.flatnonzero(~turned)]
        events += [(str(i), "drug", "with", period) for i in np.flatnonzero(now)]
        turned |= now
    target, source = np.nonzero(tied)
    history = tc.History(
        pd.DataFrame({"unit": np.arange(size).astype(str), "x": x}),
        pd.DataFrame(events, columns=["unit", "variable", "state", "time"]),
        pd.DataFrame({"layer": "l", "source": source.astype(str), "target": target.astype(str)}),
        variables=[DRUG],
        window=(first, first + periods - 1),
        clock="step",
    )
    return history, pd.DataFrame(rows, columns=["unit", "t", "y", "x", "heard"])


@pytest.mark.parametrize("first", [1, 0, -7, 1953])
def test_periods_are_a_complementary_log_log(first: int) -> None:
    history, rows = village(1, first=first)
    assert rows["y"][rows["t"] == first].any()  # what happens in the first period is an event
    fit = adopting(tc.baseline("1 + x + t")).fit(history)
    rival = sm.GLM(rows["y"], sm.add_constant(rows[["x", "t"]], has_constant="add"), CLOGLOG).fit(tol=1e-14)
    assert fit.nobs == rows["y"].sum()
    assert fit.loglik == pytest.approx(rival.llf, abs=1e-7)
    assert fit.params.to_numpy()[1:] == pytest.approx(rival.params.to_numpy()[1:], abs=1e-6)
    both = adopting(tc.baseline("1 + x"), tc.contagion("l", when="drug=with"))

    def lost(vector: np.ndarray) -> float:
        rate = np.exp(vector[0] + vector[1] * rows.x) + np.exp(vector[2]) * rows.heard
        return -float(np.where(rows.y, np.log(-np.expm1(-rate)), -rate).sum())

    best = minimize(lost, [-3.0, 0.5, -2.5], method="BFGS", options={"gtol": 1e-8})
    fit = both.fit(history)
    assert fit.loglik == pytest.approx(-best.fun, abs=1e-8)
    assert fit.params.to_numpy() == pytest.approx(best.x, abs=1e-5)
    assert not fit.warnings and fit.attribute(history).causes["share"].sum() == pytest.approx(fit.nobs)


def test_rows_hold_for_their_periods_and_the_last_of_them() -> None:
    """Presence, ties and covariates from..to hold in the periods from..to; a half-life is of so many periods."""
    units = pd.DataFrame({"unit": ["a", "b"], "enter": [1, 3], "exit": [8, 6]})
    events = pd.DataFrame({"unit": ["a", "b"], "variable": "drug", "state": "with", "time": [2, 5]})
    ties = pd.DataFrame({"layer": "l", "source": "a", "target": "b", "start": [2], "end": [4]})
    covers = pd.DataFrame(
        {"unit": "*", "covariate": "x", "value": [1.0, 3.0], "start": [1, 4], "end": [3, 8]}
    )

    def record(clock: str) -> tc.History:
        return tc.History(units, events, ties, covers, variables=[DRUG], window=(1, 8), clock=clock)

    home = adopting(tc.baseline("1 + x"))
    rate = {period: math.exp(-1.0 + 0.2 * (1.0 if period <= 3 else 3.0)) for period in range(1, 9)}
    expected = (
        -rate[1] + math.log(-math.expm1(-rate[2])) - rate[3] - rate[4] + math.log(-math.expm1(-rate[5]))
    )
    for clock in ("step", "year"):
        assert home.compile(record(clock)).loglik([-1.0, 0.2]) == pytest.approx(expected, rel=1e-12)
    # b hears of a, who turned in period 2, in 3 and 4 only: at age 1 and 2.
    heard = adopting(tc.baseline(), tc.contagion("l", when="drug=with", half_life=2.0))
    low, more = 0.1, [0.5 * 2**-0.5, 0.5 * 2**-1.0]
    expected = -low + math.log(-math.expm1(-low))
    expected += -(low + more[0]) - (low + more[1]) + math.log(-math.expm1(-low))
    params = [math.log(low), math.log(0.5)]
    assert heard.compile(record("step")).loglik(params) == pytest.approx(expected, rel=1e-12)
    with pytest.raises(tc.FitError, match="from 3 to 3, where no row covers it"):
        holes = covers.assign(end=[2, 8])
        history = tc.History(units, events, ties, holes, variables=[DRUG], window=(1, 8), clock="step")
        home.compile(history).loglik([-1.0, 0.2])


def test_a_history_of_periods_is_written_read_cut_and_joined(tmp_path: Path) -> None:
    history, _ = village(2)
    history.write(tmp_path / "one")
    read = tc.load_history(tmp_path / "one")
    assert read == history and read.clock == "step" and read.window == (1.0, 12.0)
    said = CliRunner().invoke(app, ["validate", str(tmp_path / "one")]).output
    assert "clock step (12 periods)" in said and "warning" not in said
    part = history.select(window=(3, 6))
    fit = adopting(tc.baseline()).fit(part)
    assert part.clock == "step" and fit.nobs == int(history.events["time"].between(3, 6).sum())
    held = history.events["time"] < 3  # these are states on entry
    exposure = fit.transitions["exposure"].iloc[0]
    turned = history.events["time"].clip(upper=6) - 2
    assert exposure == turned[~held & (history.events["time"] <= 6)].sum() + 4 * (
        40 - (history.events["time"] <= 6).sum()
    )
    with pytest.raises(tc.HistoryError, match="a period is a whole number"):
        events = history.events.assign(time=history.events["time"] + 0.5)
        tc.History(history.units, events, variables=[DRUG], window=(1, 13), clock="step")
    with pytest.raises(tc.HistoryError, match="two whole numbers"):
        tc.History(history.units, variables=[DRUG], window=(0.5, 12), clock="step")
    with pytest.raises(tc.HistoryError, match="a window of dates has no clock 'step'"):
        tc.History(history.units, variables=[DRUG], window=("1901-01-01", "1902-01-01"), clock="step")
    one = tc.History(history.units, variables=[DRUG], window=(4, 4), clock="step")
    assert one.numbers.end - one.numbers.start == 1.0


@pytest.mark.parametrize("times", [[1, 5], [1.0, 5.0], [3, 7]])
def test_whole_numbers_that_nothing_is_said_of_are_moments_and_warned_about(
    times: list[float], tmp_path: Path
) -> None:
    def record(clock: str | None, late: float = 0.0) -> tc.History:
        events = pd.DataFrame({"unit": ["a", "b"], "variable": "drug", "state": "with", "time": times})
        events["time"] += late
        return tc.History({"unit": list("abc")}, events, variables=[DRUG], window=(1, 10), clock=clock)

    silent, moments, periods = record(None), record("continuous"), record("step")
    model = adopting(tc.baseline())
    assert model.fit(silent).loglik == model.fit(moments).loglik != model.fit(periods).loglik
    assert [len(each.warnings) for each in (silent, moments, periods)] == [1, 0, 0]
    assert 'clock = "step"' in silent.warnings[0] and 'clock = "continuous"' in silent.warnings[0]
    assert model.fit(silent).warnings.count(silent.warnings[0]) == 1
    assert not record(None, late=0.25).warnings  # moments can be nothing else
    for each in (silent, moments):
        each.write(tmp_path / each.clock)
        assert tc.load_history(tmp_path / each.clock).warnings == each.warnings
        said = CliRunner().invoke(app, ["validate", str(tmp_path / each.clock)]).output
        assert said.count("whole numbers") == len(each.warnings)
    assert silent == moments


# --- counts ---------------------------------------------------------------------------------------------


def riots(seed: int, clock: str) -> tuple[tc.History, pd.DataFrame]:
    """Units with several riots a period, and their counts."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=12).round(3)
    rows = [(i, 1901 + k, x[i], rng.poisson(np.exp(-0.5 + 0.6 * x[i]))) for i in range(12) for k in range(6)]
    counts = pd.DataFrame(rows, columns=["unit", "year", "x", "n"])
    events = counts.loc[counts.index.repeat(counts["n"])]
    events = events.assign(
        sequence=events.groupby(["unit", "year"]).cumcount(), variable="riot", state="riot"
    )
    told = events["year"] if clock != "month" else "1901-0" + (events["year"] - 1900).astype(str)
    events = events.assign(time=told)[["unit", "variable", "state", "time", "sequence"]]
    window = ("1901-01", "1901-06") if clock == "month" else (1901, 1906)
    units = pd.DataFrame({"unit": range(12), "x": x})
    return tc.History(units, events, variables=[RIOT], window=window, clock=clock), counts


@pytest.mark.parametrize("clock", ["month", "year", "step"])
@pytest.mark.parametrize("origin", ["calm|riot", "riot"])
def test_events_of_a_recurrent_variable_in_an_interval_are_a_poisson_count(clock: str, origin: str) -> None:
    history, counts = riots(3, clock)
    if origin == "riot":  # every event leaves the state as it was
        history = tc.History(
            history.units.assign(riot="riot"),
            history.events,
            variables=[RIOT],
            window=history.window,
            clock=clock,
        )
    assert (counts["n"] > 2).any()
    model = tc.Model([RIOT], [tc.Transition("riot", origin, "riot", tc.baseline("1 + x"))])
    fit = model.fit(history)
    rival = sm.GLM(counts["n"], sm.add_constant(counts["x"]), sm.families.Poisson()).fit(tol=1e-14)
    assert fit.params.to_numpy() == pytest.approx(rival.params.to_numpy(), abs=1e-7)
    assert fit.loglik == pytest.approx(rival.llf, abs=1e-8)  # less log n! for each count
    assert fit.summary()["se"].to_numpy() == pytest.approx(rival.bse.to_numpy(), rel=1e-6)
    assert fit.loglik == pytest.approx(log_likelihood(model, history, fit.params), abs=1e-9)
    shares = fit.attribute(history).causes
    assert len(shares) == counts["n"].sum() and (shares["share"] == 1).all()


def test_counts_beside_a_way_back_and_memory_by_the_twin() -> None:
    history, _ = riots(4, "step")
    ties = pd.DataFrame({"layer": "l", "source": range(12), "target": [(k + 1) % 12 for k in range(12)]})
    history = tc.History(
        history.units, history.events, ties, variables=[RIOT], window=(1901, 1906), clock="step"
    )
    again = tc.Transition(
        "riot",
        "calm|riot",
        "riot",
        tc.baseline("1 + x"),
        tc.contagion("l", when="riot=riot", half_life="estimate"),
    )
    model = tc.Model([RIOT], [again, tc.Transition("riot", "riot", "calm", tc.baseline())])
    program = model.compile(history)
    vector = np.array([-1.0, 0.4, -1.5, 0.5, -2.0])
    params = dict(zip(program.parameter_names, vector, strict=True))
    assert program.loglik(vector) == pytest.approx(log_likelihood(model, history, params), rel=1e-12)
    derivatives(program, vector)


@pytest.mark.parametrize("clock", ["year", "step"])
def test_events_that_change_the_state_are_no_count(clock: str) -> None:
    def record(states: list[str]) -> tc.History:
        events = {
            "unit": "a",
            "variable": "riot",
            "state": states,
            "time": 1903,
            "sequence": range(len(states)),
        }
        return tc.History(
            {"unit": ["a", "b"]}, pd.DataFrame(events), variables=[RIOT], window=(1901, 1905), clock=clock
        )

    there = tc.Transition("riot", "calm|riot", "riot", tc.baseline())
    back = tc.Transition("riot", "riot|calm", "calm", tc.baseline())
    model = tc.Model([RIOT], [there, back])
    rates = [math.log(0.2), math.log(0.3)]
    counted = model.compile(record(["riot", "riot", "riot"])).loglik(rates)
    assert counted == pytest.approx(3 * math.log(0.2) - math.log(6) - 5.0)
    with pytest.raises(tc.FitError, match="'riot' of 'a' moves 2 times in (period )?1903"):
        model.compile(record(["riot", "calm"]))
    with pytest.raises(
        tc.FitError, match="moves 2 times"
    ):  # a first riot and a further one by another transition
        apart = [
            tc.Transition("riot", "calm", "riot", tc.baseline()),
            tc.Transition("riot", "riot", "riot", tc.baseline()),
        ]
        tc.Model([RIOT], apart).compile(record(["riot", "riot"]))


# --- worlds ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("inside", [False, True], ids=["", "inside"])
def test_worlds_in_intervals_are_those_of_the_twin(inside: bool) -> None:
    compared = events = 0
    for seed in range(200, 240):
        sizes = Sizes(
            units=2 + seed % 5, variables=1 + seed % 3, layers=1 + seed % 2, moves=4, causes=2, terms=2,
            events=seed % 6, ties=8, rows=3,
        )  # fmt: skip
        case = build(sizes, True, seed, seed % 4 < 2, inside)
        clock = ("year", "step")[seed % 2]
        try:
            history = by_year(case.history, clock)
            program = case.model.compile(history)
            params = case.params(program.parameter_names, seed)
            rows = program.simulate(params, 2, seed).events.to_pylist()
        except tc.TocsinError:
            continue
        keys = ("unit", "variable", "from", "to", "cause", "source")
        for world in range(2):
            mine = simulate(case.model, history, params, seed, world)
            theirs = [row for row in rows if row["world"] == world]
            assert [tuple(row[key] for key in keys) for row in theirs] == [
                (each.unit, each.variable, each.origin, each.state, each.cause, each.source) for each in mine
            ], seed
            told = [math.ceil(each.time) if clock == "step" else each.time for each in mine]
            assert [row["time"] for row in theirs] == pytest.approx(told, abs=2e-5)
            compared += 1
            events += len(mine)
    assert compared > 40 and events > 300


def test_worlds_follow_the_law_of_the_likelihood() -> None:
    """Two doctors who hear of each other: every course of four periods as often as its likelihood says."""
    ties = pd.DataFrame({"layer": "l", "source": ["a", "b"], "target": ["b", "a"]})
    model = adopting(tc.baseline(), tc.contagion("l", when="drug=with"))
    params = [math.log(0.25), math.log(1.2)]

    def record(when: dict[str, float]) -> tc.History:
        events = {
            "unit": list(when),
            "variable": ["drug"] * len(when),
            "state": ["with"] * len(when),
            "time": list(when.values()),
        }
        return tc.History({"unit": ["a", "b"]}, events, ties, variables=[DRUG], window=(1, 4), clock="step")

    empty = record({})
    worlds = 40_000
    drawn = model.compile(empty).simulate(params, worlds, 5)
    table = drawn.first_times("drug", "with").pivot(index="world", columns="unit", values="time")
    found = table.reindex(range(worlds)).fillna(0).groupby(["a", "b"]).size() / worlds
    whole = 0.0
    for a in range(5):
        for b in range(5):
            when = {unit: float(time) for unit, time in (("a", a), ("b", b)) if time}
            chance = math.exp(model.compile(record(when)).loglik(params))
            whole += chance
            assert abs(found.get((float(a), float(b)), 0.0) - chance) < 4.5 * math.sqrt(chance / worlds)
    assert whole == pytest.approx(1.0)


def test_counts_of_worlds_are_poisson_and_fitted_again() -> None:
    history, _ = riots(3, "step")
    model = tc.Model([RIOT], [tc.Transition("riot", "calm|riot", "riot", tc.baseline())])
    worlds = model.compile(history).simulate([math.log(0.8)], 400, 2)
    count = worlds.events.to_pandas().groupby(["world", "unit", "time"], observed=True).size()
    cells = 400 * 12 * 6
    for n in range(4):
        expected = math.exp(-0.8) * 0.8**n / math.factorial(n)
        seen = (count == n).mean() * len(count) / cells if n else 1 - len(count) / cells
        assert abs(seen - expected) < 4 * math.sqrt(expected / cells)
    again = worlds.history(0)
    assert again.clock == "step" and (again.events["time"] % 1 == 0).all()
    fit = model.fit(again)
    assert (
        fit.nobs == len(again.events)
        and abs(fit.params.iloc[0] - math.log(0.8)) < 4 * fit.summary()["se"].iloc[0]
    )


def test_interventions_speak_of_periods() -> None:
    history, _ = village(1)
    found = adopting(tc.baseline(), tc.contagion("l", when="drug=with")).fit(history)
    unit = str(history.units["unit"].iloc[0])
    barred = found.simulate(history, 300, 1, interventions=[f"prevent {unit} drug=with from 3 to 5"])
    times = barred.first_times("drug", "with")
    own = times.loc[times["unit"].astype(str) == unit, "time"]
    assert not own.between(3, 5).any() and (own == 2).any() and (own == 6).any()
    forced = found.simulate(history, 20, 1, interventions=[f"force {unit} drug=with at 4"])
    times = forced.first_times("drug", "with")
    own = times.loc[times["unit"].astype(str) == unit, "time"]
    assert len(own) == 20 and own.max() == 4
    cut = found.simulate(history, 200, 1, interventions=["remove layer l from 3"])
    plain = found.simulate(history, 200, 1)
    before = [each.events.filter(np.asarray(each.events["time"]) <= 2).to_pylist() for each in (cut, plain)]
    assert before[0] == before[1]
    late = np.asarray(cut.events["time"]) >= 3
    assert not (np.asarray(cut.events["cause"].to_pylist(), dtype=object)[late] == "l").any()
    assert (
        np.asarray(plain.events["cause"].to_pylist(), dtype=object)[np.asarray(plain.events["time"]) >= 3]
        == "l"
    ).any()
