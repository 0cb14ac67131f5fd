"""Survival of a state: the record's curve against lifelines, and the curves of worlds."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from helpers.small_wave import wave
from lifelines import KaplanMeierFitter, NelsonAalenFitter

import tocsin as tc
from tocsin.ensemble.survival import kaplan_meier, nelson_aalen, survival


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("level", [0.95, 0.8])
def test_kaplan_meier_is_that_of_lifelines(seed: int, level: float) -> None:
    rng = np.random.default_rng(seed)
    spells = pd.DataFrame(
        {"duration": rng.integers(1, 15, 30).astype(float), "censored": rng.random(30) < 0.1 + 0.1 * seed}
    )
    mine = kaplan_meier(spells, level)
    theirs = KaplanMeierFitter(alpha=1 - level).fit(spells["duration"], ~spells["censored"])
    assert mine["time"].tolist() == theirs.survival_function_.index.tolist()
    assert mine["survival"].to_numpy() == pytest.approx(theirs.survival_function_.iloc[:, 0].to_numpy())
    some = mine["survival"].between(0, 1, inclusive="neither").to_numpy()
    bounds = theirs.confidence_interval_survival_function_.to_numpy()
    assert mine[["lower", "upper"]].to_numpy()[some] == pytest.approx(bounds[some])
    table = theirs.event_table
    assert mine["at_risk"].tolist() == table["at_risk"].astype(int).tolist()
    assert mine["censored"].tolist() == table["censored"].astype(int).tolist()


@pytest.mark.parametrize("seed", range(4))
def test_nelson_aalen_is_that_of_lifelines(seed: int) -> None:
    rng = np.random.default_rng(seed)
    durations = pd.DataFrame({"duration": rng.exponential(size=40), "censored": rng.random(40) < 0.3})
    if seed > 1:
        durations["duration"] = np.ceil(3 * durations["duration"])
    mine = nelson_aalen(durations)
    theirs = NelsonAalenFitter().fit(durations["duration"], ~durations["censored"])
    at = theirs.cumulative_hazard_.loc[mine["time"]].iloc[:, 0]
    assert mine["hazard"].to_numpy() == pytest.approx(at.to_numpy())
    bounds = theirs.confidence_interval_cumulative_hazard_.loc[mine["time"]].to_numpy()
    assert mine[["lower", "upper"]].to_numpy() == pytest.approx(bounds)


def test_where_nothing_is_left_there_is_no_interval() -> None:
    table = kaplan_meier(pd.DataFrame({"duration": [1.0, 2.0], "censored": [False, False]}))
    assert table["survival"].tolist() == [1.0, 0.5, 0.0]
    assert table["lower"].isna().tolist() == [False, False, True]


@pytest.mark.parametrize(
    ("spells", "level"),
    [
        (pd.DataFrame({"duration": [], "censored": []}), 0.95),
        (pd.DataFrame({"duration": [-1.0], "censored": [True]}), 0.95),
        (pd.DataFrame({"duration": [np.nan], "censored": [True]}), 0.95),
        (pd.DataFrame({"duration": [1.0], "censored": [True]}), 1.0),
    ],
)
def test_wrong_spells_are_refused(spells: pd.DataFrame, level: float) -> None:
    with pytest.raises(tc.TocsinError):
        kaplan_meier(spells, level)


def test_each_world_has_its_own_curve() -> None:
    history, given = wave()
    worlds = given.simulate(history, worlds=60, seed=4)
    points = [0.0, 10.0, 50.0, 150.0, 400.0]
    found = survival(worlds, "regime", "soviet", (0.05, 0.5, 0.95), points)
    spells = worlds.durations("regime", "soviet")
    curves = np.full((60, len(points)), np.nan)
    for world, own in spells.groupby("world"):
        curve = KaplanMeierFitter().fit(own["duration"], ~own["censored"])
        values = curve.survival_function_at_times(points).to_numpy()
        ended = float(curve.survival_function_.iloc[-1, 0]) == 0.0
        curves[world] = [
            value if point <= own["duration"].max() or ended else np.nan
            for point, value in zip(points, values, strict=True)
        ]
    known = np.isfinite(curves).mean(axis=0)
    assert found["known"].to_numpy() == pytest.approx(known)
    for q in (0.05, 0.5, 0.95):
        for row, column in zip(found[q], curves.T, strict=True):
            if np.isfinite(column).mean() >= 0.5:
                assert row == pytest.approx(np.nanquantile(column, q, method="inverted_cdf"))
            else:
                assert np.isnan(row)
    assert known[-1] < 1, "not every world tells of the longest duration"


def test_a_state_that_nobody_enters() -> None:
    history, given = wave()
    worlds = given.simulate(history, worlds=3, seed=4)
    assert survival(worlds, "army", "mutinous", times=[0.0, 1.0])["known"].tolist() == [1.0, 1.0]
    with pytest.raises(tc.TocsinError, match="sovjet"):
        survival(worlds, "regime", "sovjet")
    with pytest.raises(tc.TocsinError, match="between 0 and 1"):
        survival(worlds, "regime", "soviet", (5,))
