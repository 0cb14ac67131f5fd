"""Rival explanations: placebo histories, and what a check says where contagion is there and where it is
not."""

from __future__ import annotations

import math
from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from helpers.recorded import MOVE, TURN, drawn, ring, turning, units

import tocsin as tc
from tocsin.check.placebo import reshuffled, rewired

HOME = f"{MOVE} | baseline | propensity | 1"
AWAY = f"{MOVE} | l | susceptibility | 1"
CAUSE = f"{MOVE} | l"


def contagious() -> tc.Model:
    return turning(tc.baseline(), tc.contagion("l", when="s=new"))


@pytest.fixture(scope="module")
def real() -> tc.Fit:
    return contagious().fit(drawn(contagious(), {HOME: -4.5, AWAY: -0.5}, count=80))


@pytest.fixture(scope="module")
def shocked() -> tc.Fit:
    """Everyone turns at home, at a rate that grows from 0.01 to 0.3: a common shock and no contagion."""
    rng = np.random.default_rng(5)
    table = units(80)
    spent = rng.exponential(size=80)  # integrated hazard 0.01 t until 8, then 0.3 more a unit of time
    time = np.where(spent < 0.08, spent / 0.01, 8.0 + (spent - 0.08) / 0.3)
    events = pd.DataFrame({"unit": table["unit"], "variable": "s", "state": "new", "time": time})
    events = events[events["time"] < 20]
    # Neighbours everywhere: exposure follows the calendar and nothing else.
    pairs = [("l", a, b) for a in table["unit"] for b in table["unit"] if a != b]
    ties = pd.DataFrame(pairs, columns=["layer", "source", "target"])
    history = tc.History(table, events, ties=ties, variables=[TURN], window=(0, 20), layers=["l"])
    return contagious().fit(history)


def test_rewiring_keeps_degrees() -> None:
    history = tc.History(
        units(40), ties=ring(40).assign(weight=np.arange(80.0) + 1), variables=[TURN], window=(0, 9)
    )
    before, after = (
        history.numbers.ties["l"],
        rewired(history, "l", np.random.default_rng(1)).numbers.ties["l"],
    )
    for side in ("source", "target"):
        assert Counter(getattr(before, side)) == Counter(getattr(after, side))
    assert sorted(zip(before.source, before.weight, strict=True)) == sorted(
        zip(after.source, after.weight, strict=True)
    )
    assert (after.source != after.target).all()
    pairs = set(zip(after.source, after.target, strict=True))
    assert len(pairs) == 80
    assert len(pairs & set(zip(before.source, before.target, strict=True))) < 20


def test_reshuffling_keeps_times_and_states_on_entry() -> None:
    table = units(40).assign(enter=[0.0] * 20 + [3.0] * 20, s=(["old"] * 10 + ["new"] * 10) * 2)
    chosen = table[table["s"] == "old"]
    events = pd.DataFrame(
        {"unit": chosen["unit"], "variable": "s", "state": "new", "time": np.linspace(3.5, 8, len(chosen))}
    )
    history = tc.History(table, events, variables=[TURN], window=(0, 9))
    before, after = history.numbers, reshuffled(history, np.random.default_rng(2)).numbers
    assert np.array_equal(before.event_time, after.event_time)
    assert not np.array_equal(before.event_unit, after.event_unit)
    for numbers in (before, after):
        assert (numbers.initial["s"][numbers.event_unit] == 0).all()
    early = before.event_time < 8
    assert sorted(before.enter[before.event_unit[early]]) == sorted(after.enter[after.event_unit[early]])


def test_contagion_that_is_there_outlives_its_rivals(
    real: tc.Fit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    check = real.check(worlds=39, seed=1, rates=20)
    table = check.table.set_index("rival")
    assert (table["p"].drop("lead") < 0.05).all() and math.isnan(table.loc["lead", "p"])  # no tie has a date
    assert set(table.index) == {
        "none (as fitted)",
        "calendar",
        "unit effects",
        "likeness and regional shocks",
        "lead",
        "placebo ties",
        "permuted times",
    }
    assert table.loc["none (as fitted)", "strength"] == pytest.approx(math.exp(real.params[AWAY]), rel=1e-6)
    factor = check.shocks["factor"].iloc[0]
    assert factor > 2 and f"{factor:.2f}" in str(check)
    assert len(check.placebo) == 78
    again = real.check(worlds=39, seed=1, rates=20)
    assert check.table.equals(again.table) and again.verdicts == check.verdicts
    verdict = check.verdicts[CAUSE]
    assert verdict.word == "stands" and "stands beside its rivals" in str(check)
    assert (
        verdict.rates["contagion"] >= 0.8
        and max(verdict.rates["nothing"], verdict.rates["likeness and shocks"]) < 0.2
    )
    kept = list((tmp_path / "tocsin" / "rates").glob("*.json"))
    assert len(kept) == 1
    kept[0].write_text("{", encoding="utf-8")  # a broken cache is made again
    assert real.check(worlds=39, seed=1, rates=20).verdicts == check.verdicts
    assert "<table" in check._repr_html_()


def test_the_shock_is_what_brings_the_interval_to_zero(real: tc.Fit) -> None:
    # By hand: the hazard at home of exposed units is multiplied, and the strength is tested beside it.
    factor = real.check(worlds=19).shocks["factor"].iloc[0]
    history = real.history
    program = real.fitted_program
    cause = program.likelihood.causes[1]
    swept = cause.swept(0.0, keep=True)
    rows = pd.DataFrame(
        {
            "unit": [program.history.numbers.units[i] for i in swept.unit],
            "covariate": "shock",
            "value": 1.0,
            "start": swept.time,
            "end": swept.time + swept.span,
        }
    )
    known = tc.History(
        history.units,
        history.events,
        ties=history.ties,
        covariates=rows,
        variables=[TURN],
        window=history.window,
        layers=["l"],
        outside={"shock": 0.0},
    )
    held = {f"{MOVE} | baseline | propensity | shock": math.log(factor)}
    one = turning(tc.baseline("1 + shock")).fit(known, fixed=held)
    two = turning(tc.baseline("1 + shock"), tc.contagion("l", when="s=new")).fit(known, fixed=held)
    assert one.compare(two).p == pytest.approx(0.05, abs=0.003)


def test_a_common_shock_is_not_taken_for_contagion(shocked: tc.Fit) -> None:
    check = shocked.check(worlds=39, seed=2)
    p = check.table.set_index("rival")["p"]
    assert p["none (as fitted)"] < 0.01 and p["calendar"] > 0.05
    how = check.table.set_index("rival")["how"]
    for placebo in ("placebo ties", "permuted times"):  # all are tied to all
        assert "the placebo is the history itself" in how[placebo]


def test_models_without_contagion_are_refused(real: tc.Fit) -> None:
    with pytest.raises(tc.TocsinError, match="no contagion beside a baseline"):
        turning(tc.baseline()).fit(real.history).check()
    with pytest.raises(tc.TocsinError, match="19 or more"):
        real.check(worlds=5)
    with pytest.raises(tc.TocsinError, match="a seed must be a whole number"):
        real.check(worlds=19, seed=-1)


def test_gains_beside_effects_are_those_of_the_likelihood(real: tc.Fit) -> None:
    """Without effects the cells give the likelihood ratio; with them the value is a numerical integral."""
    from tocsin.check.cells import Cells, Plan, _Search

    program, history = real.fitted_program, real.history
    times = program.trace.time[program.trace.events[:, 4] == 0]
    plan = Plan.make(history, "l")
    null = turning(tc.baseline()).fit(history)
    one = program.pack({**real.values, AWAY: 0.0})
    cells = Cells.of(
        program, 0, 1, program.pack({**real.values, HOME: null.values[HOME], AWAY: -math.inf}), one, plan
    )
    gain, strength = cells.gain()
    assert gain == pytest.approx(2 * (real.loglik - null.loglik), rel=1e-6)
    assert strength == pytest.approx(math.exp(real.values[AWAY]), rel=1e-4)
    assert cells.base.sum() == pytest.approx(len(times))  # as many as came, at the null's own rate
    # One shared effect of spread 0.7 has a log-normal law: Laplace's method against a fine grid.
    shared = Plan(plan.edges, np.ones((80, 1)), plan.shared)
    few = Cells(
        shared, cells.base, cells.added, cells.lead, cells.row, cells.at_base, cells.at_added, cells.at_lead
    )
    search = _Search(few, 0.7, 0.0, ())
    value = search.best()[0]
    grid = np.linspace(-6, 6, 4001)
    level = float(search.logs.ravel()[0])
    logs = np.array(
        [len(times) * (level + 0.7 * z) - cells.base.sum() * math.exp(level + 0.7 * z) for z in grid]
    )
    whole = np.log(cells.at_base).sum() + math.log(
        np.exp(logs - 0.5 * grid**2 - logs.max()).sum() * (grid[1] - grid[0])
    )
    assert value == pytest.approx(whole + logs.max() - 0.5 * math.log(2 * math.pi), abs=0.05)


def test_the_lead_has_the_ties_earlier() -> None:
    """Ties begin after what they would explain: the same ties earlier explain it, and they themselves do not."""
    rng = np.random.default_rng(8)
    count, end = 60, 200.0
    begun = rng.uniform(40, 160, count)
    early = begun - rng.uniform(0.5, 8.0, count)  # risings bring the ties, not ties the risings
    table = units(count).assign(s=["new"] + ["old"] * (count - 1))
    names = table["unit"].to_numpy()
    rises = rng.uniform(size=count) < 0.5
    rises[0] = False
    events = pd.DataFrame({"unit": names[rises], "variable": "s", "state": "new", "time": early[rises]})
    home = rng.choice(np.flatnonzero(~rises)[1:], 6, replace=False)
    more = pd.DataFrame(
        {"unit": names[home], "variable": "s", "state": "new", "time": rng.uniform(1, end, 6)}
    )
    ties = pd.DataFrame(
        {"layer": "l", "source": names[0], "target": names[1:], "start": begun[1:], "end": end}
    )
    history = tc.History(
        table,
        pd.concat([events, more]),
        ties,
        variables=[TURN],
        window=(0.0, end),
        layers=["l"],
        clock="continuous",
    )
    fit = contagious().fit(history)
    from tocsin.check.verdict import earlier, judge

    program = fit.fitted_program
    ahead = earlier(history, program, 1)
    assert ahead is not None
    null = turning(tc.baseline()).fit(history).values
    judged = judge(fit, history, CAUSE, null, 0, 1)
    assert judged is not None and judged.lead[0] > 5.0 and math.isnan(judged.lead[1])
    assert judged.alone[1] > 0.05 and judged.word == "cannot tell"
    shifted = ahead.history.numbers.ties["l"]
    assert np.sort(shifted.start) == pytest.approx(np.sort(history.numbers.ties["l"].start) - end / 50)


def test_misfits_name_what_was_planted(real: tc.Fit) -> None:
    """Eight units that ought to rise never do, and everything comes in two days."""
    history = real.history
    events = history.events.copy()
    crowd = events.index[5:30]
    events.loc[crowd, "time"] = np.linspace(12.0, 12.4, len(crowd))
    other = tc.History(
        history.units,
        events,
        history.ties,
        variables=[TURN],
        window=(0, 20),
        layers=["l"],
        clock="continuous",
    )
    fit = turning(tc.baseline()).fit(other)
    found = fit.misfits(worlds=39, seed=3)
    periods = found.table[found.table["kind"] == "period"]
    assert periods.iloc[0]["observed"] >= 25 and periods.iloc[0]["p"] == pytest.approx(1 / 40)
    assert len(found.worst) == 3 and any("from 11.6667 to 12.5" in line for line in found.worst)
    for kind in ("unit", "period"):  # a rate at home expects as many as came
        own = found.table[found.table["kind"] == kind]
        assert own["expected"].sum() == pytest.approx(own["observed"].sum(), rel=1e-6)
    # One event fewer of n moves a log rate by 1/n, which is 1/sqrt(n) standard errors.
    one = found.influence[found.influence["what"] == "event"]["change"]
    assert one.to_numpy() == pytest.approx(-1 / math.sqrt(len(events)), rel=1e-6)


def test_rough_misfits_need_no_worlds_and_say_so(real: tc.Fit) -> None:
    """Poisson tails times those looked at: against SciPy's own law of the counts."""
    from scipy.stats import poisson

    found = real.misfits(worlds=0)
    units = found.table[found.table["kind"] == "unit"]
    row = units.iloc[0]
    low = poisson.cdf(row["observed"], row["expected"])
    high = poisson.sf(row["observed"] - 1, row["expected"])
    assert row["p"] == pytest.approx(min(1.0, 2 * min(low, high) * len(units)))
    assert found.worlds == 0 and len(found.worst) == 3 and all("roughly" in line for line in found.worst)


def test_worlds_of_the_true_model_lie_about_the_record_and_a_burst_does_not(real: tc.Fit) -> None:
    found = real.predictive(
        {
            "last": lambda events: events["time"].max(),
            "units": "count(DISTINCT unit) FILTER (WHERE \"to\" = 'new')",
        },
        held_out="u003",
        worlds=100,
        seed=4,
    )
    told = found.table.set_index("statistic")
    events = real.history.events
    assert told.loc["size (entries)", "observed"] == told.loc["units", "observed"] == len(events)
    for column in ("median", "lower", "upper", "p"):  # nobody turns twice, so entries and units are the same
        assert told.loc["size (entries)", column] == told.loc["units", column]
    assert told.loc["last", "observed"] == pytest.approx(events["time"].max())
    assert told.loc["size (entries)", "p"] > 0.05
    assert len(found.held_out) == 1 and 0.0 < found.held_out["without"].iloc[0] < 1.0

    crowd = events.assign(
        time=np.where(events.index < 30, np.linspace(12.0, 12.3, len(events)), events["time"])
    )
    history = tc.History(
        real.history.units, crowd, ties=real.history.ties, variables=[TURN], window=(0, 20), layers=["l"],
        clock="continuous",
    )  # fmt: skip
    burst = turning(tc.baseline()).fit(history).predictive(worlds=100, seed=4)
    at = burst.table.set_index("statistic").loc["burst (most entries at once)"]
    inside = np.sort(crowd["time"])
    width = 20 / 24
    most = max(((inside > t - width) & (inside <= t)).sum() for t in inside)
    assert at["observed"] == most >= 30 and at["p"] < 0.05
    assert "burst" in str(burst) and 0.0 <= burst.days["outside"].iloc[0] <= burst.days["days"].iloc[0]


def test_a_band_is_left_by_its_own_worlds_about_as_often_as_it_says(real: tc.Fit) -> None:
    days = real.predictive(worlds=400, seed=2).days.iloc[0]
    assert 0.0 < days["expected"] <= 0.12 * days["days"] and 0.0 < days["p"] <= 1.0


def test_statistics_that_are_none_and_unknown_units_are_refused(real: tc.Fit) -> None:
    with pytest.raises(tc.TocsinError, match="statistic 'x'.*no sum of a world's events"):
        real.predictive({"x": "nonsense(unit)"}, worlds=20)
    with pytest.raises(tc.TocsinError, match="statistic 'x'.*no sum of a world's events"):
        real.predictive({"x": "max(unit)"}, worlds=20)
    with pytest.raises(tc.TocsinError, match="u3"):
        real.predictive(held_out=["uu3"], worlds=20)
