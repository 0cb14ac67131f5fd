"""Forecasts: nothing later is used, probabilities are those of the model, scores are what they say."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from helpers.recorded import MOVE, TURN, drawn, turning, units
from typer.testing import CliRunner

import tocsin as tc
from tocsin.cli.main import app
from tocsin.forecasts.scores import crps, slope

HOME = f"{MOVE} | baseline | propensity | 1"


def contagious() -> tc.Model:
    return turning(tc.baseline(), tc.contagion("l", when="s=new"))


@pytest.fixture(scope="module")
def history() -> tc.History:
    return drawn(contagious(), {HOME: -4.0, f"{MOVE} | l | susceptibility | 1": -2.0}, count=80)


def test_nothing_later_than_the_date_is_used(history: tc.History) -> None:
    made = tc.forecast(contagious(), history, "s", "new", 8.0, 5.0, worlds=200, draws=20)
    events = history.events.copy()
    late = events["time"] > 8.0
    events.loc[late, "time"] = 20.0 - (events.loc[late, "time"] - 8.0) * 0.5  # another future
    other = tc.History(history.units, events, history.ties, variables=[TURN], window=(0, 20), layers=["l"])
    again = tc.forecast(contagious(), other, "s", "new", 8.0, 5.0, worlds=200, draws=20)
    columns = ["unit", "probability", "lower", "upper"]
    ours, theirs = (each.table.sort_values("unit")[columns].reset_index(drop=True) for each in (made, again))
    pd.testing.assert_frame_equal(ours, theirs)
    assert made.fit.nobs == (history.events["time"] <= 8.0).sum()
    came = history.events[(history.events["time"] > 8.0) & (history.events["time"] <= 13.0)]
    assert set(made.table["unit"][made.table["entered"]]) == set(came["unit"])
    assert not set(made.table["unit"]) & set(history.events["unit"][history.events["time"] <= 8.0])


def test_probabilities_and_intervals_are_those_of_the_posterior() -> None:
    """A constant rate r has a posterior that we can integrate; each unit enters within h with 1 - exp(-r h)."""
    model = turning(tc.baseline())
    history = drawn(model, {HOME: -3.0}, count=60)
    made = tc.forecast(model, history, "s", "new", 10.0, 5.0, worlds=4000, draws=400)
    past = history.select(window=(0, 10.0))
    event, exposure = len(past.events), float(made.fit.transitions["exposure"].sum())
    centre, scale = tc.weak_prior().centre_and_scale(model.compile(past))
    grid = np.linspace(-6.0, 0.0, 4001)
    log = event * grid - exposure * np.exp(grid) - 0.5 * ((grid - centre[0]) / scale[0]) ** 2
    weight = np.exp(log - log.max())
    weight /= weight.sum()
    chance = -np.expm1(-5.0 * np.exp(grid))
    mean = float(weight @ chance)
    low, high = np.interp([0.025, 0.975], np.cumsum(weight), chance)
    found = made.table[["probability", "lower", "upper"]].mean()
    assert found["probability"] == pytest.approx(mean, abs=0.01)
    assert found["lower"] == pytest.approx(low, abs=0.03) and found["upper"] == pytest.approx(high, abs=0.03)
    expected = mean * len(made.table)
    assert made.number[0] == pytest.approx(expected, rel=0.05) and made.number[1] < expected < made.number[2]


def test_scores_are_what_they_say(history: tc.History) -> None:
    past = tc.backtest(contagious(), history, "s", "new", 4.0, dates=8, worlds=200, draws=20)
    assert past.skipped == [] and len(past.forecasts) == 8
    assert all(each.told.number >= 1 for each in past.forecasts)  # an entry follows each date
    table = pd.concat([each.table for each in past.forecasts])
    rows = past.scores.set_index(["forecaster", "as_of"])
    whole = rows.loc[("as of", "all")]
    came = table["entered"].astype(float)
    assert whole["forecasts"] == len(table) and whole["entered"] == came.sum()
    assert whole["brier"] == pytest.approx(((table["probability"] - came) ** 2).mean())
    p = table["probability"].clip(1 / 400, 1 - 1 / 400)
    assert whole["log_score"] == pytest.approx(np.log(np.where(came > 0, p, 1 - p)).mean())
    assert whole["skill"] == pytest.approx(1 - whole["brier"] / (came.mean() * (1 - came.mean())))
    assert past.reliability["forecasts"].sum() == len(table)
    assert list(past.estimates["as_of"]) == [each.as_of for each in past.forecasts]
    assert all(each.until == pytest.approx(each.as_of + 4.0) for each in past.forecasts)
    # Nothing changes on this ring but states: with hindsight nothing else is known.
    names = ["as of", "hindcast", "constant rates", "home only", "no change"]
    assert set(rows.index.get_level_values(0)) == set(names)
    pd.testing.assert_series_equal(rows.loc[("hindcast", "all")], whole, check_names=False)
    parts = past.parts.set_index("forecaster")
    for name in names:
        part, brier = parts.loc[name], rows.loc[(name, "all"), "brier"]
        total = part["reliability"] - part["resolution"] + part["uncertainty"] + part["within"]
        assert total == pytest.approx(brier, abs=1e-12)
    still = rows.loc[("no change", "all")]
    assert still["brier"] == pytest.approx(came.mean()) and still["expected"] == 0
    against = past.differences.set_index(["forecaster", "score"])
    gap = against.loc[("no change", "log score")]
    assert gap["better by"] == pytest.approx(whole["log_score"] - still["log_score"])
    assert gap["lower"] < gap["better by"] < gap["upper"]
    assert (past.coverage["held"].diff().dropna() >= 0).all()


def test_scores_against_their_definitions() -> None:
    rng = np.random.default_rng(3)
    worlds = rng.gamma(2.0, size=(101, 3))
    came = np.array([0.5, 2.0, 9.0])
    apart = np.abs(worlds[:, None, :] - worlds[None, :, :]).mean(axis=(0, 1))
    assert crps(worlds, came) == pytest.approx(np.abs(worlds - came).mean(axis=0) - apart / 2)
    told = rng.uniform(0.01, 0.99, 400)
    sure = (rng.uniform(size=4000) < np.tile(told, 10)).astype(float)
    group = np.arange(4000)
    found, low, high = slope(np.tile(told, 10), sure, group)
    assert low < 1.0 < high and abs(found - 1.0) < 0.15
    odds = np.log(told / (1 - told))
    doubled = 1.0 / (1.0 + np.exp(-2 * odds))  # too sure by a factor of two
    assert slope(np.tile(doubled, 10), sure, group, 1e-9)[0] == pytest.approx(0.5, abs=0.08)
    # Every tenth forecast is the same luck: its standard error is that of the groups.
    wide = slope(np.tile(told, 10), np.tile(sure[:400], 10), np.tile(np.arange(400), 10))
    assert wide[2] - wide[1] == pytest.approx(slope(told, sure[:400], np.arange(400))[2] - slope(
        told, sure[:400], np.arange(400))[1], rel=1e-6)  # fmt: skip


def test_draws_for_other_programs(history: tc.History, tmp_path: Path) -> None:
    made = tc.forecast(contagious(), history, "s", "new", 8.0, 5.0, worlds=200, draws=20)
    data = made.to_xarray()
    share = data["entered"].mean("world").to_series().rename("probability")
    told = made.table.set_index("unit")["probability"]
    assert share.loc[told.index].to_numpy() == pytest.approx(told.to_numpy())
    assert set(data["draw"].values) == set(range(20)) and data.attrs["known"] == "as of"
    assert float(data["after"].max()) <= 5.0 and float(data["after"].min()) > 0.0
    made.to_parquet(tmp_path / "made.parquet")
    table = pd.read_parquet(tmp_path / "made.parquet")
    assert len(table) == int(data["entered"].sum())
    again = table.groupby("unit", observed=False)["world"].count() / 200
    assert again.loc[told.index].to_numpy() == pytest.approx(told.to_numpy())
    long = tc.forecast(contagious(), history, "s", "new", 18.0, 9.0, worlds=50, draws=5)  # beyond the record
    assert long.table["entered"].isna().all() and "came" not in long.to_xarray()


def test_dates_and_what_cannot_be_forecast() -> None:
    table = units(20)
    events = {
        "unit": table["unit"][:8],
        "variable": ["s"] * 8,
        "state": ["new"] * 8,
        "time": [f"1919-01-{2 * k + 2:02d}" for k in range(8)],
    }
    history = tc.History(table, events, variables=[TURN], window=("1919-01-01", "1919-01-31"))
    model = turning(tc.baseline())
    made = tc.forecast(model, history, "s", "new", "1919-01-10", 5, worlds=100, draws=10)
    assert str(made.as_of)[:10] == "1919-01-10" and str(made.until)[:10] == "1919-01-15"
    assert made.fit.nobs == 5  # 2, 4, 6, 8 and 10 January: that day's own is known
    assert set(made.table["unit"][made.table["entered"]]) == set(table["unit"][5:7])
    for wrong, said in (
        ({"variable": "t"}, "no variable 't'"),
        ({"state": "now"}, "did you mean 'new'|now"),
        ({"state": "old"}, "no transition of the model enters s=old"),
        ({"as_of": "1920-01-01"}, "not inside the record|outside"),
        ({"horizon": 60, "known": "hindcast"}, "at most that, or an earlier date"),
        ({"known": "as off"}, "did you mean 'as of'"),
        ({"horizon": -1}, "above 0"),
        ({"worlds": 1}, "worlds="),
        ({"seed": -1}, "a seed must be a whole number"),
    ):
        asked = {"variable": "s", "state": "new", "as_of": "1919-01-10", "horizon": 5, "worlds": 50} | wrong
        with pytest.raises(tc.TocsinError, match=said):
            tc.forecast(model, history, **asked)
    with pytest.raises(tc.TocsinError, match="shorter horizon"):
        tc.backtest(model, history, "s", "new", 30.0)
    with pytest.raises(tc.TocsinError, match="horizon is a number"):
        tc.backtest(model, history, "s", "new", "3")  # type: ignore[arg-type]
    with pytest.raises(tc.TocsinError, match="dates="):
        tc.backtest(model, history, "s", "new", 3.0, dates=0)


@pytest.fixture(scope="module")
def folder(history: tc.History, tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("kept") / "wave"
    history.write(path)
    (path / "model.toml").write_text(contagious().to_toml(), encoding="utf-8")
    return str(path)


def test_the_verb_forecast(folder: str, tmp_path: object) -> None:
    run = CliRunner().invoke(
        app,
        ["forecast", folder, "--as-of", "10", "--horizon", "4", "--past", "1", "--worlds", "100",
         "--out", str(tmp_path)],
    )  # fmt: skip
    assert run.exit_code == 0, run.output
    for text in ("Bulletin of 10", "of 100 worlds", "Brier", "hindcast", "home only", "stay as they were"):
        assert text in run.output
    names = {"forecast", "scores", "reliability", "estimates", "past", "parts", "differences", "coverage"}
    tables = {name: pd.read_csv(f"{tmp_path}/{name}.csv") for name in names}
    assert tables["forecast"]["probability"].between(0, 1).all()
    assert math.isfinite(tables["scores"]["brier"].iloc[-1])
    assert CliRunner().invoke(app, ["forecast", folder, "--as-of", "soon"]).exit_code == 2
    assert CliRunner().invoke(app, ["forecast", folder, "--horizon", "-3"]).exit_code == 2
    late = CliRunner().invoke(app, ["forecast", folder, "--as-of", "19", "--horizon", "9", "--hindcast"])
    assert late.exit_code == 1 and "at most that" in late.output


def test_the_verb_check(folder: str, tmp_path: object) -> None:
    run = CliRunner().invoke(
        app, ["check", folder, "--placebos", "19", "--cause", "l", "--out", str(tmp_path)]
    )
    assert run.exit_code == 0, run.output
    for text in ("s: old > new | l", "placebo ties", "permuted times", "Unseen shock", "What the rivals are"):
        assert text in run.output
    assert len(pd.read_csv(f"{tmp_path}/placebo.csv")) == 38
    unknown = CliRunner().invoke(app, ["check", folder, "--cause", "ll"])
    assert unknown.exit_code == 1 and "'ll'" in unknown.output and "'l'" in unknown.output
    assert CliRunner().invoke(app, ["check", folder, "--placebos", "3"]).exit_code == 2
