"""Grouped time against its definition, a complementary log-log regression, and finite differences."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from helpers.drawn import FIRST, LENGTH, Sizes, build
from helpers.recorded import TURN, ring, turning, units

import tocsin as tc
from tocsin.twin.hazard import log_likelihood

YEARS = range(1950, 1965)
STAGE = tc.StateVariable("stage", ["old", "new", "lost"])


def panel(seed: int = 0, count: int = 60) -> tuple[tc.History, pd.DataFrame]:
    """Country-years: a changing covariate, adoption by the lagged share of adopting neighbours, and its
    rows."""
    rng = np.random.default_rng(seed)
    table, ties = units(count), ring(count)
    neighbours = ties.groupby("target")["source"].apply(list).to_dict()
    adopted: dict[str, int] = {}
    rows, cover, events = [], [], []
    for year in YEARS:
        before = dict(adopted)
        for unit, x in zip(table["unit"], table["x"], strict=True):
            z = float(rng.normal())
            cover.append((unit, "z", z, str(year), str(year)))
            if unit in before:
                continue
            lagged = sum(source in before for source in neighbours[unit])
            hazard = math.exp(-3.5 + 0.4 * x + 0.5 * z + 0.7 * lagged)
            turns = rng.random() < 1 - math.exp(-hazard)
            rows.append((unit, year, int(turns), x, z, lagged))
            if turns:
                adopted[unit] = year
                events.append((unit, "s", "new", str(year)))
    for row in rows:
        cover.append((row[0], "lagged", float(row[5]), str(row[1]), str(row[1])))
    history = tc.History(
        table,
        pd.DataFrame(events, columns=["unit", "variable", "state", "time"]),
        ties,
        pd.DataFrame(cover, columns=["unit", "covariate", "value", "start", "end"]),
        variables=[TURN],
        window=(str(YEARS[0]), str(YEARS[-1])),
        layers=["l"],
        clock="year",
        outside={"lagged": 0.0},
    )
    return history, pd.DataFrame(rows, columns=["unit", "year", "y", "x", "z", "lagged"])


@pytest.mark.parametrize("seed", range(3))
def test_panel_data_are_a_complementary_log_log_regression(seed: int) -> None:
    history, rows = panel(seed)
    assert (rows["y"][rows["year"] == YEARS[0]]).sum() > 0  # events of the first year are events
    fit = turning(tc.baseline("1 + x + z + lagged")).fit(history)
    rival = sm.GLM(
        rows["y"],
        sm.add_constant(rows[["x", "z", "lagged"]]),
        sm.families.Binomial(link=sm.families.links.CLogLog()),
    ).fit(tol=1e-14)
    assert fit.params.to_numpy() == pytest.approx(rival.params.to_numpy(), abs=1e-6)
    assert fit.loglik == pytest.approx(rival.llf, abs=1e-8)
    # Their standard errors are those of the expected information, ours of the observed: close and not equal.
    assert fit.summary()["se"].to_numpy() == pytest.approx(rival.bse.to_numpy(), rel=0.1)
    assert fit.nobs == rows["y"].sum()


def test_summed_causes_are_a_complementary_log_log_of_a_sum() -> None:
    history, rows = panel(4)
    model = turning(tc.baseline("1 + x"), tc.contagion("l", when="s=new", susceptibility="1 + z"))
    program = model.compile(history)
    found = model.with_params(dict(zip(program.parameter_names, [-3.0, 0.2, -1.5, 0.3], strict=True)))
    sources = found.attribute(history).sources
    neighbours = history.ties.groupby("target", observed=True)["source"].apply(list)
    assert all(
        source in neighbours[unit] for unit, source in sources[["unit", "source"]].itertuples(index=False)
    )
    shares = found.attribute(history).causes.set_index(["unit", "cause"])["share"]
    summed = sources.groupby("unit")["share"].sum()
    assert summed.to_dict() == pytest.approx(shares.xs("l", level=1)[summed.index].to_dict())
    for vector in ([-3.0, 0.2, -1.5, 0.3], [-2.0, -0.5, -3.0, 1.0]):
        a, b, c, d = vector
        rate = np.exp(a + b * rows.x) + np.exp(c + d * rows.z) * rows.lagged
        expected = np.where(rows.y == 1, np.log(-np.expm1(-rate)), -rate).sum()
        assert program.loglik(vector) == pytest.approx(expected, rel=1e-12)


def derivatives(program: tc.Program, vector: np.ndarray) -> None:
    """The gradient and the Hessian are those of finite differences."""
    step = 1e-5 * np.eye(vector.size)
    slope = [(program.loglik(vector + s) - program.loglik(vector - s)) / 2e-5 for s in step]
    assert program.gradient(vector) == pytest.approx(np.array(slope), rel=1e-5, abs=1e-6)
    bend = [(program.gradient(vector + s) - program.gradient(vector - s)) / 2e-5 for s in step]
    assert program.hessian(vector) == pytest.approx(np.array(bend), rel=1e-5, abs=1e-5)

    assert program.likelihood.unit_scores(vector).sum(axis=0) == pytest.approx(
        program.gradient(vector), abs=1e-9
    )


@pytest.mark.parametrize("half_life", [None, 2.0, "estimate"])
@pytest.mark.parametrize("response", [None, "power"])
def test_memory_and_response_by_the_definition(half_life: Any, response: Any) -> None:
    history, rows = panel(5)
    cause = tc.contagion("l", when="s=new", infectiousness="y", half_life=half_life, response=response)
    program = turning(tc.baseline(), cause).compile(history)
    vector = np.array(
        [-3.0, -1.0, 0.5, *([0.8] if half_life == "estimate" else []), *([-0.4] if response else [])]
    )
    alpha = math.exp(-0.4) if response else 1.0
    half = math.exp(0.8) if half_life == "estimate" else half_life
    year = {
        unit: int(str(time)[:4]) for unit, time in history.events[["unit", "time"]].itertuples(index=False)
    }
    loud = np.exp(0.5 * history.units.set_index("unit")["y"])
    neighbours = history.ties.groupby("target", observed=True)["source"].apply(list)
    total = 0.0
    for row in rows.itertuples():
        exposure = 0.0
        for source in neighbours[row.unit]:
            if year.get(source, 9999) < row.year:
                exposure += loud[source] * (1.0 if half is None else 2 ** (-(row.year - year[source]) / half))
        rate = math.exp(-3.0) + (math.exp(-1.0) * exposure**alpha if exposure else 0.0)
        total += math.log(-math.expm1(-rate)) if row.y else -rate
    assert program.loglik(vector) == pytest.approx(total, rel=1e-10)
    derivatives(program, vector)


def test_competing_transitions_share_an_interval() -> None:
    rng = np.random.default_rng(6)
    table = units(40)
    events, rows = [], []
    for unit, x in zip(table["unit"], table["x"], strict=True):
        for month in range(1, 13):
            one, two = math.exp(-2.5 + 0.5 * x), math.exp(-2.0 - 0.5 * x)
            whole, way = one + two, 0
            if rng.random() < 1 - math.exp(-whole):
                way = 1 if rng.random() < one / whole else 2
                events.append((unit, "stage", ("new", "lost")[way - 1], f"1919-{month:02d}"))
            rows.append((way, x))
            if way:
                break
    history = tc.History(
        table,
        pd.DataFrame(events, columns=["unit", "variable", "state", "time"]),
        variables=[STAGE],
        window=("1919-01", "1919-12"),
        clock="month",
    )
    model = tc.Model(
        [STAGE], [tc.Transition("stage", "old", to, tc.baseline("1 + x")) for to in ("new", "lost")]
    )
    program, vector = model.compile(history), np.array([-2.4, 0.4, -2.1, -0.3])
    total = 0.0
    for way, x in rows:
        rates = math.exp(-2.4 + 0.4 * x), math.exp(-2.1 - 0.3 * x)
        whole = sum(rates)
        total += math.log(rates[way - 1] / whole * -math.expm1(-whole)) if way else -whole
    assert program.loglik(vector) == pytest.approx(total, rel=1e-12)
    derivatives(program, vector)
    fit = model.fit(history)
    assert np.abs(fit.score).max() < 1e-8
    shares = fit.attribute(history).causes
    assert len(shares) == len(history.events) and (shares["share"] == 1).all()
    assert fit.params.to_numpy() == pytest.approx([-2.5, 0.5, -2.0, -0.5], abs=0.6)


def test_a_move_sees_the_states_at_the_start_of_its_interval() -> None:
    army = tc.StateVariable("army", ["loyal", "mutinous"])
    events = {
        "unit": ["a", "a"],
        "variable": ["army", "s"],
        "state": ["mutinous", "new"],
        "time": ["1903", "1903"],
    }

    def record(**columns: list[Any]) -> tc.History:
        return tc.History(
            {"unit": ["a"]},
            {**events, **columns},
            variables=[TURN, army],
            window=("1901", "1905"),
            clock="year",
        )

    model = tc.Model([TURN, army], [tc.Transition("s", "old", "new", tc.baseline("1 + army"))])
    for order in ([1, 2], [2, 1]):
        value = model.compile(record(sequence=order)).loglik([math.log(0.3), 5.0])
        assert value == pytest.approx(-2 * 0.3 + math.log(1 - math.exp(-0.3)))
    gated = tc.Model(
        [TURN, army], [tc.Transition("s", "old", "new", tc.baseline(), requires="army=mutinous")]
    )
    late = record(time=["1902", "1904"])
    assert gated.compile(late).loglik([0.0]) == pytest.approx(-1 + math.log(1 - math.exp(-1)))
    with pytest.raises(
        tc.FitError, match="in 1903: its condition 'army=mutinous' came to hold in the same year"
    ):
        gated.fit(record(sequence=[1, 2]))


def test_two_moves_in_one_interval_are_refused() -> None:
    events = {"unit": "a", "variable": "stage", "state": ["new", "lost"], "time": "1903", "sequence": [1, 2]}
    history = tc.History(
        {"unit": ["a"]}, pd.DataFrame(events), variables=[STAGE], window=("1901", "1905"), clock="year"
    )
    model = tc.Model([STAGE], [tc.Transition("stage", "old", "new", tc.baseline())])
    with pytest.raises(tc.FitError, match="'stage' of 'a' moves 2 times in 1903.*one move an interval"):
        model.fit(history)


def test_worlds_of_years_are_fitted_as_years() -> None:
    # Simulated in continuous time and recorded by year, the rates come back, up to what the lag of a year
    # costs.
    table = units(300)
    empty = tc.History(table, variables=[TURN], window=("1950", "1959"), clock="year")
    model = turning(tc.baseline("1 + x"))
    truth = dict(zip(model.compile(empty).parameter_names, (-2.0, 0.5), strict=True))
    world = model.with_params(truth).simulate(empty, worlds=1, seed=3).history(0)
    fit = model.fit(world)
    assert ((fit.params - pd.Series(truth)).abs() < 3 * fit.summary()["se"]).all()
    assert fit.nobs == len(world.events) > 200


def by_year(history: tc.History, clock: str = "year") -> tc.History:
    """The same record, every day made a year or a period: 25 December 1918 becomes 1900 or 1, and so on."""
    first = 1900 if clock == "year" else 1

    def years(frame: pd.DataFrame) -> pd.DataFrame:
        moved = frame.copy()
        for column in {"time", "start", "end", "enter", "exit"} & set(frame.columns):
            told = [first + (pd.Timestamp(day) - pd.Timestamp(str(FIRST))).days for day in frame[column]]
            moved[column] = told if clock == "step" else [str(year) for year in told]
        return moved

    return tc.History(
        years(history.units),
        years(history.events),
        years(history.ties),
        years(history.covariates),
        variables=history.variables,
        window=(first, first + int(LENGTH) - 1),
        layers=history.layers,
        clock=clock,
        outside=history.outside,
    )


def test_random_records_by_year_have_the_likelihood_of_the_twin() -> None:
    compared = refused = 0
    for seed in range(60, 140):
        sizes = Sizes(
            units=2 + seed % 5, variables=1 + seed % 3, layers=1 + seed % 2, moves=4, causes=2, terms=2,
            events=4 + seed % 12, ties=8, rows=3,
        )  # fmt: skip
        case = build(sizes, True, seed)
        try:
            history = by_year(case.history, ("year", "step")[seed % 2])
            program = case.model.compile(history)
            params = case.params(program.parameter_names, seed)
            value = program.loglik(params)
        except tc.TocsinError:  # two moves in one year, or an event that nothing can explain
            refused += 1
            continue
        twin = log_likelihood(case.model, history, params)
        assert value == pytest.approx(twin, rel=1e-9, abs=1e-9), seed
        compared += math.isfinite(value) and program.trace.time.size > 0
    assert compared > 20, (compared, refused)


def test_what_a_record_by_year_shows_bears_the_year_of_the_record() -> None:
    army = tc.StateVariable("army", ["loyal", "mutinous"])
    events = {
        "unit": ["a", "b", "a"],
        "variable": ["army", "s", "s"],
        "state": ["mutinous", "new", "new"],
        "time": ["1903", "1904", "1905"],
    }
    history = tc.History(
        {"unit": ["a", "b"]}, events, variables=[TURN, army], window=("1901", "1908"), clock="year"
    )
    model = tc.Model([TURN, army], [tc.Transition("s", "old", "new", tc.baseline("1 + army"))])
    program = model.compile(history)
    assert program.history is history  # nothing is moved but the program's own events
    assert program.shown_time(program.trace.time).tolist() == [2.0, 3.0, 4.0]
    fit = model.fit(history)
    assert sorted(str(day)[:4] for day in fit.attribute(history).causes["date"]) == ["1904", "1905"]
    worlds = fit.simulate(history, worlds=5, seed=1)
    events = worlds.history(0).events
    assert [str(time)[:4] for time in events["time"][events["variable"] == "army"]] == ["1903"]
    with pytest.raises(tc.FitError, match="known by year leave open"):
        program.residuals(fit.params)


def test_rivals_of_a_record_by_year_see_the_years_of_the_record() -> None:
    history, _ = panel(1)
    fit = turning(tc.baseline("1 + x"), tc.contagion("l", when="s=new")).fit(history)
    check = fit.check(worlds=19)
    own = check.table[check.table["rival"] == "none (as fitted)"].iloc[0]
    alone = turning(tc.baseline("1 + x")).fit(history)
    assert own["statistic"] == pytest.approx(2 * (fit.loglik - alone.loglik), abs=1e-6)
