"""Tests of what is asked: a strength against no contagion, and one table wherever a fit is shown."""

from __future__ import annotations

import json
import math
import pickle
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from helpers.recorded import AGAIN, MOVE, TURN, drawn, ring, rioting, turning, units
from scipy.stats import chi2

import tocsin as tc

HOME = f"{MOVE} | baseline | propensity | 1"
AWAY = f"{MOVE} | l | susceptibility | 1"
X = f"{MOVE} | baseline | propensity | x"


def contagious() -> tc.Model:
    return turning(tc.baseline("1 + x"), tc.contagion("l", when="s=new"))


@pytest.fixture(scope="module")
def fit() -> tc.Fit:
    return contagious().fit(drawn(contagious(), {HOME: -3.0, X: 0.5, AWAY: -4.0}, seed=2))


def row(fit: tc.Fit, name: str) -> pd.Series:
    return fit.summary().loc[name]


def twice_the_gain(fit: tc.Fit, *causes: object) -> float:
    return 2 * (fit.loglik - turning(*causes).fit(fit.history).loglik)


def test_a_lone_strength_is_tested_against_no_contagion(fit: tc.Fit) -> None:
    found = row(fit, AWAY)
    assert found["test"] == "likelihood ratio"
    assert found["p"] == pytest.approx(chi2.sf(twice_the_gain(fit, tc.baseline("1 + x")), 1) / 2, rel=1e-6)
    # No logarithm is tested against zero: one event a unit of time is nobody's question.
    assert math.isnan(row(fit, HOME)["p"]) and row(fit, HOME)["test"] == ""
    effect = row(fit, X)
    z = effect["estimate"] / effect["se"]
    assert effect["test"] == "Wald" and effect["p"] == pytest.approx(chi2.sf(z * z, 1))
    assert list(fit.summary().columns[:6]) == ["estimate", "se", "lower", "upper", "exp(estimate)", "p"]


def test_the_interval_of_a_strength_is_that_of_its_profile(fit: tc.Fit) -> None:
    ends = fit.intervals(names=[AWAY]).iloc[0]
    assert tuple(row(fit, AWAY)[["lower", "upper"]]) == pytest.approx(tuple(ends[["lower", "upper"]]))
    # It holds none exactly where twice the gain is below the quantile, at whatever level.
    gain = twice_the_gain(fit, tc.baseline("1 + x"))
    edge = chi2.cdf(gain, 1)
    assert fit.summary(level=edge + 0.01).loc[AWAY, "lower"] == -math.inf
    assert fit.summary(level=edge - 0.01).loc[AWAY, "lower"] > -math.inf
    # Rates and coefficients keep Wald's.
    wald = fit.intervals(method="wald").loc[X]
    effect = row(fit, X)
    assert effect["upper"] - effect["estimate"] == pytest.approx(1.959964 * effect["se"])
    assert wald["upper"] == effect["upper"]


def test_origin_of_p_below_a_twentieth_with_none_in_the_interval_is_said_once(fit: tc.Fit) -> None:
    for text in (str(fit), fit.to_html(), fit.to_latex()):
        flat = " ".join(text.split())
        assert flat.count("between a ratio of 2.71 and 3.84 p is below .05 while the 95") == 1
    assert "between a ratio of 1.64 and 2.71 p is below .1 while the 90%" in " ".join(fit.report(0.9).split())


@pytest.mark.parametrize(
    ("causes", "lost"),
    [
        ([tc.contagion("l", when="s=new", susceptibility="1 + x")], "covariate"),
        ([tc.contagion("l", when="s=new", infectiousness="x")], "mark"),
        ([tc.contagion("l", when="s=new", half_life="estimate")], "half-life"),
        ([tc.contagion("l", when="s=new", response="power")], "alpha"),
        ([tc.contagion("l", when="s=new", susceptibility="0 + region")], "levels"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_vanishes_with_a_strength_calls_for_a_check(causes: list[object], lost: str) -> None:
    home = {"levels": units(60).assign(region=lambda table: np.where(table["x"] > 0, "a", "b"))}
    table = home.get(lost, units(60))
    truth = contagious().with_params({HOME: -3.0, X: 0.5, AWAY: -1.5})
    empty = tc.History(table, ties=ring(60), variables=[TURN], window=(0, 20), layers=["l"])
    history = truth.simulate(empty, worlds=1, seed=2).history(0)
    fit = turning(tc.baseline("1 + x"), *causes).fit(history)
    summary = fit.summary()
    mine = summary[summary.index.str.contains("| l | susceptibility | ", regex=False)]
    mine = mine[mine.index.str.endswith("| 1") | mine.index.str.contains("region", regex=False)]
    assert len(mine) == (2 if lost == "levels" else 1)
    assert mine["p"].isna().all() and (mine["test"] == "see check").all()
    shapes = summary[summary.index.str.contains("half_life|alpha")]
    assert shapes["p"].isna().all() and (shapes["test"] == "").all()
    assert "see check" in summary.to_string() and "see check" in str(fit)
    # What stays free beside a strength keeps its test.
    assert summary.loc[X, "test"] == "Wald"


def test_a_fixed_half_life_takes_nothing_with_it() -> None:
    memory = rioting(tc.baseline(), tc.contagion("l", when="riot=yes", half_life=1.5))
    truth = {f"{AGAIN} | baseline | propensity | 1": -2.0, f"{AGAIN} | l | susceptibility | 1": -2.5}
    fit = memory.fit(drawn(memory, truth))
    alone = rioting(tc.baseline()).fit(fit.history)
    found = row(fit, f"{AGAIN} | l | susceptibility | 1")
    assert found["test"] == "likelihood ratio"
    assert found["p"] == pytest.approx(chi2.sf(2 * (fit.loglik - alone.loglik), 1) / 2, rel=1e-6)
    # What one event sets off is a multiple of the strength, and so is its interval.
    branching = fit.branching().iloc[0]
    assert branching["upper"] == pytest.approx(math.exp(found["upper"]) * 1.5 / math.log(2))
    free = rioting(tc.baseline(), tc.contagion("l", when="riot=yes", half_life="estimate"))
    held = free.fit(fit.history, fixed={f"{AGAIN} | l | memory | half_life": math.log(1.5)})
    assert row(held, f"{AGAIN} | l | susceptibility | 1")["p"] == pytest.approx(found["p"], rel=1e-6)


def test_two_strengths_at_the_edge_call_for_a_check() -> None:
    """One of two runs to zero, and the other is then not alone at the edge."""
    two = turning(tc.baseline(), tc.contagion("l", when="s=new"), tc.contagion("m", when="s=new"))
    other = pd.DataFrame({"layer": "m", "source": [f"u{k:03d}" for k in range(60)]})
    other["target"] = [f"u{(7 * k + 30) % 60:03d}" for k in range(60)]
    other = other[other["source"] != other["target"]]
    for seed in range(30):
        truth = turning(tc.baseline(), tc.contagion("l", when="s=new"))
        empty = tc.History(
            units(60), ties=pd.concat([ring(60), other]), variables=[TURN], window=(0, 20), layers=["l", "m"]
        )
        history = truth.with_params({HOME: -3.0, AWAY: -1.5}).simulate(empty, 1, seed).history(0)
        fit = two.fit(history)
        gone = f"{MOVE} | m | susceptibility | 1"
        if fit.status[gone] == "zero" and fit.status[AWAY] == "free":
            break
    else:
        raise AssertionError
    assert row(fit, gone)["p"] == 1.0 and row(fit, gone)["lower"] == -math.inf  # no ratio is smaller than 0
    assert row(fit, AWAY)["test"] == "see check" and math.isnan(row(fit, AWAY)["p"])
    tied = two.fit(history, tied=[(AWAY, gone)])
    assert set(tied.summary().loc[[AWAY, gone], "test"]) == {"see check"}
    # A strength that is held at zero takes no part.
    held = two.fit(history, fixed={gone: -math.inf})
    gain = twice_the_gain(held, tc.baseline())
    assert row(held, AWAY)["p"] == pytest.approx(chi2.sf(gain, 1) / 2, rel=1e-6)


def test_an_only_cause_has_no_null() -> None:
    state = tc.StateVariable("s", ["old", "new"])
    table = units(60).assign(s=["new"] * 6 + ["old"] * 54)
    model = tc.Model([state], [tc.Transition("s", "old", "new", tc.contagion("l", when="s=new"))])
    empty = tc.History(table, ties=ring(60), variables=[state], window=(0, 20), layers=["l"])
    fit = model.fit(model.with_params({AWAY: -2.0}).simulate(empty, 1, 1).history(0))
    found = row(fit, AWAY)
    assert math.isnan(found["p"]) and found["test"] == "only cause" and math.isfinite(found["lower"])
    assert "only cause" in str(fit) and "no null and no p" in " ".join(str(fit).split())


def test_an_event_that_nothing_else_explains_rules_none_out() -> None:
    state = tc.StateVariable("s", ["old", "new"])
    table = pd.DataFrame({"unit": list("abcd"), "s": ["new", "new", "old", "old"]})
    ties = pd.DataFrame({"layer": ["l", "m"], "source": ["a", "b"], "target": ["c", "d"]})
    events = pd.DataFrame({"unit": ["c", "d"], "variable": "s", "state": "new", "time": [1.0, 2.0]})
    history = tc.History(table, events, ties=ties, variables=[state], window=(0, 9))
    causes = [tc.contagion("l", when="s=new"), tc.contagion("m", when="s=new")]
    fit = tc.Model([state], [tc.Transition("s", "old", "new", *causes)]).fit(history)
    assert row(fit, AWAY)["p"] == 0.0 and math.isfinite(row(fit, AWAY)["lower"])


def test_under_a_prior_strengths_have_no_p(fit: tc.Fit) -> None:
    weak = contagious().fit(fit.history, prior=tc.weak_prior())
    found = row(weak, AWAY)
    assert math.isnan(found["p"]) and found["test"] == ""
    assert row(weak, X)["test"] == "Wald"
    said = " ".join(str(weak).split())
    assert "Under a prior of its logarithm a strength is never none, so it has no p" in said
    assert "of an estimate that the prior draws towards 0" in said


def test_robust_errors_widen_the_profile_and_the_test(fit: tc.Fit) -> None:
    plain, robust = row(fit, AWAY), fit.summary(se="sandwich").loc[AWAY]
    factor = robust["se"] / plain["se"]
    gain = twice_the_gain(fit, tc.baseline("1 + x"))
    assert robust["p"] == pytest.approx(chi2.sf(gain / factor**2, 1) / 2, rel=1e-5)
    z = factor * 1.959963984540054
    level = chi2.cdf(z * z, 1)
    assert robust["upper"] == pytest.approx(fit.intervals(level=level, names=[AWAY])["upper"].iloc[0])


@pytest.mark.parametrize("clock", ["month", "year"])
def test_grouped_times_are_tested_alike(clock: str) -> None:
    form = {"month": "{:%Y-%m}", "year": "{:%Y}"}[clock]
    days = {"month": 31, "year": 366}[clock]
    record = drawn(contagious(), {HOME: -3.0, X: 0.5, AWAY: -3.2}, seed=1)
    first = pd.Timestamp("1900-01-01")
    times = [form.format(first + pd.Timedelta(days=days * float(t))) for t in record.events["time"]]
    window = (form.format(first), form.format(first + pd.Timedelta(days=days * 21)))
    history = tc.History(
        units(60),
        record.events[["unit", "variable", "state"]].assign(time=times),
        ties=ring(60),
        variables=[TURN],
        window=window,
        clock=clock,
    )
    fit = contagious().fit(history)
    gain = twice_the_gain(fit, tc.baseline("1 + x"))
    assert gain > 1
    assert row(fit, AWAY)["p"] == pytest.approx(chi2.sf(gain, 1) / 2, rel=1e-5)
    lower = row(fit, AWAY)["lower"]
    assert (lower == -math.inf) == (gain < chi2.ppf(0.95, 1))


def test_all_that_shows_a_fit_says_the_same(fit: tc.Fit, tmp_path: Path) -> None:
    from rich.console import Console

    from tocsin.files.whole import to_json
    from tocsin.fit.save import fit_content
    from tocsin.fit.summary import records, rows
    from tocsin.report.terminal import estimates_table

    shown = rows(fit.summary(), fit.status.to_dict())
    stored = json.loads(to_json(fit_content(fit)))
    assert rows(stored["estimates"], stored["status"]) == shown  # what a report is written from
    assert [each["name"] for each in records(fit.summary())] == list(fit.params.index)
    console = Console(width=180, record=True, file=(tmp_path / "out.txt").open("w"))
    console.print(estimates_table(fit, "title"))
    terminal = console.export_text()
    for name, each in zip(fit.params.index, shown, strict=True):
        for text, label in ((str(fit), each.label), (terminal, name)):
            cells = [cell for cell in (label, *each.cells) if cell]
            assert any(re.split(r"\s{2,}", line.strip()) == cells for line in text.splitlines())
        assert "".join(f"<td>{cell}</td>" for cell in each.cells[:5]) in fit.to_html()
        assert " & ".join((each.label, *each.cells[:5])) in fit.to_latex()
    strength = shown[2]
    found = row(fit, AWAY)
    assert float(strength.cells[0]) == pytest.approx(found["estimate"], abs=1e-3)
    assert strength.cells[5] == f"{found['p']:.3f}"
    assert strength.cells[4].startswith(f"{found['exp(estimate)']:.3g} (")


def test_a_fit_without_its_history_keeps_its_table(fit: tc.Fit, tmp_path: Path) -> None:
    fit.save(tmp_path / "fit.json")
    read = tc.load_fit(tmp_path / "fit.json")
    assert read.summary().equals(fit.summary()) and str(read).count("2.71 and 3.84") == 1
    assert pickle.loads(pickle.dumps(fit)).summary().equals(fit.summary())
    with pytest.raises(tc.TocsinError, match=r"tc.load_fit\(path, history\)"):
        read.summary(level=0.5)
    whole = tc.load_fit(tmp_path / "fit.json", fit.history)
    assert whole.summary(level=0.5).equals(fit.summary(level=0.5))


def test_the_comintern_is_not_found_among_the_republics_of_1917() -> None:
    history = tc.load_history("1917")
    path = history.model_path
    assert path is not None
    model = tc.Model.from_toml(path)
    move = model.transitions[0]
    alone = tc.Model(model.variables, [move])
    fit = alone.fit(history)
    name = f"{move.name} | comintern | susceptibility | 1"
    found = row(fit, name)
    assert fit.status[name] == "zero" and found["p"] == 1.0  # half of the law of the ratio lies at zero
    assert found["lower"] == -math.inf and math.isfinite(found["upper"])
    layers = [cause.name for cause in move.causes if cause.name != "baseline"]
    held = [layer for layer in layers if fit.status[f"{move.name} | {layer} | susceptibility | 1"] == "free"]
    assert held
    for layer in held:
        less = [cause for cause in move.causes if cause.name != layer]
        without = tc.Model(model.variables, [tc.Transition("regime", "old", "soviet", *less)]).fit(history)
        found = row(fit, f"{move.name} | {layer} | susceptibility | 1")
        gain = 2 * (fit.loglik - without.loglik)
        if found["test"] == "likelihood ratio":
            assert found["p"] == pytest.approx(chi2.sf(gain, 1) / 2, rel=1e-5)


@pytest.fixture(scope="module")
def open_to_some() -> tc.Fit:
    """Who is open to others depends on x, which means nothing where nobody is."""
    model = turning(tc.baseline(), tc.contagion("l", when="s=new", susceptibility="1 + x"))
    return model.fit(drawn(contagious(), {HOME: -3.0, X: 0.0, AWAY: -3.5}, count=40, seed=2))


def test_the_bootstrap_counts_worlds_without_contagion_that_gain_as_much(open_to_some: tc.Fit) -> None:
    found = open_to_some.test("l", seed=3).iloc[0]
    alone = turning(tc.baseline()).fit(open_to_some.history)
    assert found["statistic"] == pytest.approx(2 * (open_to_some.loglik - alone.loglik), abs=1e-6)
    assert (
        found["worlds"] == 199 and found["unexposed"] == 0 and found["how"].startswith("parametric bootstrap")
    )
    assert found["error"] == pytest.approx(math.sqrt(found["p"] * (1 - found["p"]) / found["worlds"]))
    # The same by hand: worlds of the fit without contagion, both models fitted to each.
    worlds = alone.simulate(alone.history, 199, 3, draws="best")
    larger = 0
    for k in range(199):
        history = worlds.history(k)
        less = turning(tc.baseline()).fit(history)
        more = open_to_some.model.fit(history)
        larger += 2 * (more.loglik - less.loglik) >= found["statistic"] - 1e-6
    assert abs(found["p"] - (1 + larger) / 200) <= 2 / 200
    # One comparison of two fits asks the same.
    assert alone.compare(open_to_some, worlds=199, seed=3).p == pytest.approx(found["p"], abs=2 / 200)
    assert open_to_some.test("l", bootstrap=0).iloc[0][["p"]].isna().all()


def test_the_bootstrap_is_the_same_for_any_number_of_threads(
    open_to_some: tc.Fit, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = open_to_some.test(seed=5)
    monkeypatch.setenv("NUMBA_NUM_THREADS", "1")
    told: list[tuple[int, int]] = []
    again = open_to_some.test(seed=5, progress=lambda what, done, total: told.append((done, total)))
    assert again.equals(first) and told[-1] == (199, 199)


def test_the_check_gives_the_p_that_the_summary_sends_for(open_to_some: tc.Fit, fit: tc.Fit) -> None:
    check = open_to_some.check(worlds=19, seed=3)
    asked = check.table.set_index("rival").loc["none (as fitted)"]
    assert asked["p"] == open_to_some.test("l", seed=3)["p"].iloc[0]
    assert "199 worlds, p ±" in asked["how"]
    beside = check.table.set_index("rival").loc["calendar"]
    assert beside["how"].startswith(("rank among 199 worlds without the cause", "half chi-square"))
    assert not check.table["how"].str.contains("too large").any()
    none = open_to_some.check(worlds=19, bootstrap=0).table.set_index("rival").loc["none (as fitted)"]
    assert math.isnan(none["p"]) and "bootstrap=" in none["how"]
    # Where the law is known the check and the summary have one number.
    known = fit.check(worlds=19).table.set_index("rival").loc["none (as fitted)"]
    assert known["p"] == pytest.approx(row(fit, AWAY)["p"], rel=1e-9) and known["how"] == "half chi-square"
    for wrong in (19, 198, True):
        with pytest.raises(tc.TocsinError, match="199 worlds or more"):
            open_to_some.test(bootstrap=wrong)


def test_a_known_law_agrees_with_the_bootstrap() -> None:
    """Half a chi-square and 400 worlds, where the ratio is near 2.7."""
    truth = {HOME: -2.5, X: 0.5, AWAY: -4.0}
    fits = (contagious().fit(drawn(contagious(), truth, count=80, seed=s, end=30.0)) for s in range(40))
    one = next(f for f in fits if 0.02 < row(f, AWAY)["p"] < 0.12)
    drawn_p = one.test("l", bootstrap=400, always=True).iloc[0]
    assert drawn_p["p"] == pytest.approx(row(one, AWAY)["p"], abs=4 * drawn_p["error"] + 0.01)
    assert one.test("l").iloc[0]["how"] == "half chi-square"


def test_causes_can_be_taken_out_together() -> None:
    two = turning(
        tc.baseline(),
        tc.contagion("l", when="s=new"),
        tc.contagion("l", when="s=new", half_life=2.0, name="n"),
    )
    fit = two.fit(drawn(contagious(), {HOME: -3.0, X: 0.0, AWAY: -1.5}, seed=2))
    both = fit.test(together=True)
    assert len(both) == 1 and both["p"].iloc[0] < 0.05 and both["worlds"].iloc[0] > 150
    assert both["statistic"].iloc[0] == pytest.approx(twice_the_gain(fit, tc.baseline()), abs=1e-6)
    assert len(fit.test(bootstrap=0)) == 2
    with pytest.raises(tc.TocsinError, match="no contagion is called 'm'"):
        fit.test("m")


def test_a_half_life_goes_with_its_strength() -> None:
    model = rioting(tc.baseline(), tc.contagion("l", when="riot=yes", half_life="estimate"))
    home = {f"{AGAIN} | baseline | propensity | 1": -2.0}
    found = model.fit(drawn(rioting(tc.baseline()), home, count=6, seed=2, end=10.0)).test("l").iloc[0]
    assert found["how"].startswith("parametric bootstrap") and found["worlds"] > 190 and 0 < found["p"] <= 1


def test_a_bootstrap_by_the_month() -> None:
    first = pd.Timestamp("1900-01-01")
    model = turning(tc.baseline(), tc.contagion("l", when="s=new", susceptibility="1 + x"))
    record = drawn(turning(tc.baseline()), {HOME: -3.0}, seed=4)
    months = [f"{first + pd.DateOffset(months=math.ceil(t) - 1):%Y-%m}" for t in record.events["time"]]
    history = tc.History(
        units(60),
        record.events[["unit", "variable", "state"]].assign(time=months),
        ties=ring(60),
        variables=[TURN],
        window=("1900-01", "1901-08"),
        clock="month",
    )
    found = model.fit(history).test("l").iloc[0]
    assert found["worlds"] == 199 and 0 < found["p"] <= 1


def test_a_fit_of_hundreds_of_strengths_is_saved_without_their_profiles(
    fit: tc.Fit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tocsin.fit.compare.MANY", 0)
    again = contagious().fit(fit.history)
    again.save(tmp_path / "fit.json")
    with pytest.raises(tc.TocsinError, match=r"tc.load_fit\(path, history\)"):
        tc.load_fit(tmp_path / "fit.json").summary()
    assert tc.load_fit(tmp_path / "fit.json", fit.history).summary().equals(fit.summary())
