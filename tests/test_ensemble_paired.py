"""Paired worlds: differences and their precision, the units that change, and the chain of causes."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import tocsin as tc
from tocsin.ensemble.chains import Chains, chains_of
from tocsin.ensemble.paired import Paired, summarised
from tocsin.interventions.sentences import parse_all

REGIME = tc.StateVariable("regime", ["old", "soviet"])
UNITS = ["a", "b", "c", "d", "e"]
RISE = "regime: old > soviet"


def line() -> tc.History:
    """Five units in a line, a > b > c > d, and e that nothing reaches."""
    return tc.History(
        units={"unit": UNITS},
        ties={"layer": ["road"] * 3, "source": ["a", "b", "c"], "target": ["b", "c", "d"]},
        variables=[REGIME],
        window=(0.0, 40.0),
        layers=["road", "rail"],
    )


def program(fall: bool = True) -> tuple[tc.Program, list[float]]:
    moves = [
        tc.Transition(
            "regime",
            "old",
            "soviet",
            tc.baseline(),
            tc.contagion("road", "regime=soviet"),
            tc.contagion("rail", "regime=soviet"),
        ),
        tc.Transition("regime", "soviet", "old", tc.baseline()),
    ]
    params = [-4.5, -0.5, -0.5, -2.5]
    return tc.Model([REGIME], moves if fall else moves[:1]).compile(line()), params[: 4 if fall else 3]


def pair(*do: str, worlds: int = 1500, fall: bool = True) -> Paired:
    made, params = program(fall)
    return Paired(made.simulate(params, worlds, 3, interventions=do), made.simulate(params, worlds, 3))


def chains(*do: str) -> tuple[Paired, Chains]:
    paired, (made, _) = pair(*do), program()
    return paired, chains_of(paired, made, parse_all(do, made.history, made.model))


def test_differences_are_those_of_the_worlds_themselves() -> None:
    paired = pair("prevent a regime=soviet")
    table = paired.table("regime", "soviet", at=[10, 40]).set_index("measure")
    here, there = (side.counts("regime", "soviet")["entries"] for side in (paired.changed, paired.unchanged))
    row = table.loc["entries"]
    apart = (here - there).to_numpy()
    assert row["changed"] == pytest.approx(here.mean())
    assert row["difference"] == pytest.approx(apart.mean())
    half = 1.959964 * apart.std(ddof=1) / np.sqrt(apart.size)
    assert (row["expected_lower"], row["expected_upper"]) == pytest.approx(
        (apart.mean() - half, apart.mean() + half), rel=1e-5
    )
    assert row["variance_ratio"] == pytest.approx((here.var() + there.var()) / apart.var(ddof=1))
    assert row["less"] == (apart < 0).mean()
    # The worlds needed make the interval as narrow as was asked for.
    assert row["needed"] == np.ceil((1.959964 * apart.std(ddof=1) / (0.1 * abs(apart.mean()))) ** 2)
    assert row["needed_unpaired"] > row["needed"]
    spans = paired.changed.durations("regime", "soviet").groupby("world")["duration"].sum()
    assert table.loc["duration", "changed"] == pytest.approx(spans.sum() / paired.worlds)
    standing = paired.changed.probability("regime", "soviet", times=[10, 40]).sum("unit")
    assert table.loc["standing 10", "changed"] == pytest.approx(float(standing[0]))
    assert table.loc["standing 40", "changed"] == pytest.approx(float(standing[1]))
    fixed = paired.table("regime", "soviet", precision=0.05).set_index("measure")
    assert fixed.loc["entries", "needed"] == np.ceil((1.959964 * apart.std(ddof=1) / 0.05) ** 2)


def test_the_interval_covers_what_many_worlds_say() -> None:
    """The mean difference over 15,000 worlds lies in nearly all of the 95% intervals over 600."""
    measures = pair("remove layer road", worlds=15_000).measures("regime", "soviet")
    apart = measures[measures["measure"] == "entries"]["difference"].to_numpy()
    inside = 0
    for part in apart.reshape(25, 600):
        row = summarised(part, np.zeros_like(part))
        inside += row["expected_lower"] <= apart.mean() <= row["expected_upper"]
    assert inside >= 21


def test_units_gain_and_lose() -> None:
    paired = pair("prevent b regime=soviet")
    units = paired.units("regime", "soviet")
    assert units.loc["b", "share"] == 0
    assert units.loc["b", "lost"] == units.loc["b", "share_unchanged"] > 0
    assert units.loc["a", "difference"] == units.loc["e", "difference"] == 0
    assert units.loc["c", "difference"] < units.loc["d", "difference"] < 0
    assert (units["expected_lower"] <= units["difference"]).all()
    assert (units["difference"] <= units["expected_upper"]).all()
    pd.testing.assert_series_equal(
        units["difference"], units["gained"] - units["lost"], check_names=False, atol=1e-12
    )
    forced = pair("force b regime=soviet at 3", fall=False).units("regime", "soviet")
    assert forced.loc["b", "share"] == 1
    assert forced.loc["c", "earlier"] > 0
    assert forced.loc["c", "shift"] < 0


def test_worlds_that_nothing_changes_are_the_same() -> None:
    none = pair("scale layer road by 1")
    assert none.same.all()
    table = none.table("regime", "soviet")
    assert (table["difference"] == 0).all()
    assert table["variance_ratio"].isna().all()
    some = pair("prevent d regime=soviet")
    lacking = some.unchanged.first_times("regime", "soviet")
    had = np.zeros(some.worlds, dtype=bool)
    had[lacking[lacking["unit"] == "d"]["world"].unique()] = True
    assert (some.same == ~had).all()


def test_what_cannot_be_compared_is_refused() -> None:
    made, params = program()
    with pytest.raises(tc.TocsinError, match="do not share their luck"):
        Paired(made.simulate(params, 5, 1), made.simulate(params, 5, 2))
    with pytest.raises(tc.TocsinError, match="5 and 6 worlds"):
        Paired(made.simulate(params, 5, 1), made.simulate(params, 6, 1))
    with pytest.raises(tc.TocsinError, match="did you mean 'regime'"):
        pair(worlds=5).table("regim", "soviet")


def test_a_chain_leads_back_to_the_intervention() -> None:
    paired, found = chains("prevent a regime=soviet")
    paths = found.table("regime", "soviet").set_index("path")
    assert {"change → a", "change → a → b (road)", "change → a → b (road) → c (road)"} <= set(paths.index)
    assert "not traced" not in set(found.events["via"])
    first = paths.iloc[0]
    assert paths.index[0] == "change → a"
    assert first["share"] == paired.units("regime", "soviet").loc["a", "lost"]
    assert set(found.events["unit"]) <= {"a", "b", "c", "d"}
    # Every event that differs comes after the one that it came from, in its world.
    child = found.events[found.events["parent"] >= 0]
    parent = found.events.loc[child["parent"]]
    assert (parent["world"].to_numpy() == child["world"].to_numpy()).all()
    assert (parent["time"].to_numpy() < child["time"].to_numpy()).all()
    links = found.links().set_index(["target", "cause"])
    assert links.loc[("b", "road"), "source"] == "a"
    # A sent difference comes from the unit that the simulated world names as the source.
    sent = child[child["via"] == "road"]
    units = found.events["unit"].to_numpy()
    named = sent["source"].to_numpy() == units[sent["parent"]]
    assert named.mean() > 0.9


def test_chains_of_removed_ties_units_and_causes() -> None:
    _, found = chains("remove tie road b > c")
    paths = set(found.table("regime", "soviet")["path"])
    assert "change → c" in paths
    assert "change → c → d (road)" in paths
    assert not set(found.events["unit"]) & {"a", "b", "e"}
    _, gone = chains("remove unit a")
    assert "change → a → b (road)" in set(gone.table("regime", "soviet")["path"])
    _, late = chains("remove cause regime: old > soviet | road for b from 20")
    assert (late.events["time"] > 19.9).all()
    assert late.table()["path"].iloc[0] == "change → b"
    _, added = chains("add tie rail a > e from 5")
    assert "change → e" in set(added.table("regime", "soviet")["path"])
    assert set(added.events["unit"]) == {"e"}
    _, none = chains("scale layer road by 1")
    assert none.events.empty
    assert none.table().empty
    assert none.links().empty


def test_differences_count_as_many_events_as_the_worlds_differ_by() -> None:
    paired, found = chains("force c regime=soviet at 10")
    table = paired.table("regime", "soviet").set_index("measure")
    net = found.table("regime", "soviet", most=10_000)
    assert net["gained"].sum() - net["lost"].sum() == pytest.approx(table.loc["entries", "difference"])
    assert found.table("regime", "soviet")["path"].iloc[0] == "change → c"
