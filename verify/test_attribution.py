"""Attribution against simulated worlds, where the true cause and source of every event are recorded.

At the parameters that made a world the shares are the probabilities of causes and sources given all that
happened, so of those given 70 per cent, 70 per cent are true, whatever the model. Here worlds are taken as
histories, as a user would meet them, and attributed by the public functions. Run `python
verify/test_attribution.py` for the tables.
"""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from helpers.recorded import ring, units
from scipy import stats

import tocsin as tc
from tocsin.attribution.calibration import outcomes, reliability

REGIME = tc.StateVariable("regime", ["old", "new"])
RIOT = tc.StateVariable("riot", ["yes"], recurrent=True)
RISE, FALL, AGAIN = "regime: old > new", "regime: new > old", "riot: yes > yes"
# Two variables, two layers, both memories, infectiousness, normalised exposure, a way back.
MODEL = tc.Model(
    [REGIME, RIOT],
    [
        tc.Transition(
            "regime",
            "old",
            "new",
            tc.baseline("1 + x"),
            tc.contagion("near", "regime=new", susceptibility="1 + y"),
            tc.contagion("far", "riot=yes", half_life=2.0, infectiousness="x"),
        ),
        tc.Transition(
            "regime", "new", "old", tc.baseline(), tc.contagion("near", "regime=old", normalise="target")
        ),
        tc.Transition("riot", "yes", "yes", tc.baseline(), tc.contagion("far", "riot=yes", half_life=1.0)),
    ],
)
TRUTH = {
    f"{RISE} | baseline | propensity | 1": -4.0,
    f"{RISE} | baseline | propensity | x": 0.5,
    f"{RISE} | near | susceptibility | 1": -2.5,
    f"{RISE} | near | susceptibility | y": 0.5,
    f"{RISE} | far | susceptibility | 1": -2.5,
    f"{RISE} | far | infectiousness | x": 0.5,
    f"{FALL} | baseline | propensity | 1": -3.0,
    f"{FALL} | near | susceptibility | 1": -2.0,
    f"{AGAIN} | baseline | propensity | 1": -3.5,
    f"{AGAIN} | far | susceptibility | 1": -1.6,
}


def setting(count: int = 50, end: float = 20.0) -> tc.History:
    far = ring(count, "far").assign(source=lambda t: np.roll(t["source"].to_numpy(), 14))
    ties = pd.concat([ring(count, "near"), far[far["source"] != far["target"]]])
    return tc.History(
        units(count), ties=ties, variables=[REGIME, RIOT], window=(0.0, end), layers=["near", "far"]
    )


def histories(worlds: int, refit: bool = False, seed: int = 11) -> pd.DataFrame:
    """Return every share of a contagion's source in histories made of worlds, with whether it was true."""
    given = MODEL.with_params(TRUTH)
    ensemble = given.simulate(setting(), worlds=worlds, seed=seed)
    parts = []
    for k in range(worlds):
        history, world = ensemble.history(k), ensemble.world(k)
        model = MODEL.fit(history) if refit else given
        table = model.attribute(history).sources
        keys = ["time", "unit", "variable"]
        true = world.astype({"cause": object, "source": object, "unit": object, "variable": object})
        both = table.merge(
            true[[*keys, "cause", "source"]],
            on=keys,
            how="left",
            suffixes=("", "_true"),
            validate="many_to_one",
        )
        assert both["cause_true"].notna().all()
        right = (both["cause"] == both["cause_true"]) & (both["source"] == both["source_true"])
        parts.append(
            pd.DataFrame({"world": k, "event": both["event"], "share": both["share"], "true": right})
        )
    return pd.concat(parts, ignore_index=True)


def distance(rows: pd.DataFrame, bins: int = 10) -> tuple[float, float]:
    """Return chi-square of the reliability table and its tail; shares of one event are not independent.

    The number of true ones in a bin has mean sum p, and variance sum over events of q (1 - q) with q the sum of
    the event's shares in the bin: at most one of an event's sources is true.
    """
    table = rows.assign(bin=np.clip((rows["share"] * bins).astype(int), 0, bins - 1))
    each = table.groupby(["bin", "world", "event"])[["share", "true"]].sum().reset_index()
    each["variance"] = each["share"] * (1 - each["share"])
    summed = each.groupby("bin")[["share", "true", "variance"]].sum()
    summed = summed[summed["variance"] > 5]
    value = float(((summed["true"] - summed["share"]) ** 2 / summed["variance"]).sum())
    return value, float(stats.chi2.sf(value, len(summed)))


def test_shares_at_the_true_parameters_are_probabilities() -> None:
    rows = histories(150)
    table = reliability(rows)
    assert len(table) >= 8 and table["count"].sum() > 10_000
    assert distance(rows)[1] > 1e-3, table.to_string()


def test_a_wrong_attribution_is_found_out() -> None:
    rows = histories(60)
    halved = rows.assign(
        share=rows["share"] / (2 - rows["share"])
    )  # as if strengths were half of what they are
    assert distance(halved)[1] < 1e-6
    # Sources of an event in another order: right on average, wrong one by one.
    shuffled = rows.groupby(["world", "event"])["true"].transform(lambda true: np.roll(true.to_numpy(), 1))
    assert distance(rows.assign(true=shuffled))[1] < 1e-6


def test_shares_at_estimates_are_nearly_so() -> None:
    table = reliability(histories(60, refit=True))
    gap = np.abs(table["observed"] - table["expected"])
    assert np.average(gap, weights=table["count"]) < 0.03, table.to_string()


def test_the_worlds_of_1917_are_attributed_as_they_happened() -> None:
    history = tc.load_history("1917")
    fit = tc.Model.from_toml(history.model_path).fit(history)
    for kind in ("sources", "causes"):
        rows = outcomes(fit, history, 60, 3, kind)
        bins = rows.groupby(["world", "event"])["share"].sum()
        assert bins.max() <= 1 + 1e-9
        assert distance(rows)[1] > 1e-3, reliability(rows).to_string()


def coverage(worlds: int, level: float, seed: int = 5) -> pd.DataFrame:
    """Return for each cause how many intervals of its summed share hold the share at the true parameters."""
    given = MODEL.with_params(TRUTH)
    ensemble = given.simulate(setting(), worlds=worlds, seed=seed)
    found = []
    for k in range(worlds):
        history = ensemble.history(k)
        truth = given.attribute(history).total()
        mine = MODEL.fit(history).attribute(history, draws=200, level=level).total()
        assert (mine["cause"] == truth["cause"]).all()
        within = mine["lower"].le(truth["share"] * truth["events"]) & mine["upper"].ge(
            truth["share"] * truth["events"]
        )
        found.append(
            mine[["transition", "cause"]].assign(
                within=within, width=mine["share upper"] - mine["share lower"]
            )
        )
    return (
        pd.concat(found)
        .groupby(["transition", "cause"], sort=False)[["within", "width"]]
        .mean()
        .reset_index()
    )


def test_intervals_cover_nearly_what_they_should() -> None:
    # Of 90% intervals, in worlds of some 35 to 70 events a transition: a few points short of nominal, as small
    # samples are, and never far.
    table = coverage(100, 0.9)
    assert table["within"].between(0.77, 0.98).all(), table.to_string()
    assert table["within"].mean() > 0.82, table.to_string()


def test_draws_under_a_prior_are_those_of_another_sampler() -> None:
    pytest.importorskip("nutpie")
    history = MODEL.with_params(TRUTH).simulate(setting(), worlds=1, seed=4).history(0)
    mine = MODEL.fit(history, prior=tc.weak_prior()).attribute(draws=20_000)
    theirs = MODEL.sample(history, draws=20_000, tune=1000, chains=2, seed=4).attribute(draws=40_000)
    one, other = (each.total().set_index(["transition", "cause"]) for each in (mine, theirs))
    for end in ("share lower", "share upper"):
        assert one[end].to_list() == pytest.approx(other[end].to_list(), abs=0.04)


def test_two_units() -> None:
    # VERIFY 2: the second event's cause is contagion with probability 5/6, as attributed and as it happened.
    turn = tc.StateVariable("s", ["old", "new"])
    model = tc.Model([turn], [tc.Transition("s", "old", "new", tc.baseline(), tc.contagion("l", "s=new"))])
    pair = {"layer": ["l", "l"], "source": ["a", "b"], "target": ["b", "a"]}
    history = tc.History({"unit": ["a", "b"]}, ties=pair, variables=[turn], window=(0.0, 500.0), layers=["l"])
    move = "s: old > new"
    given = model.with_params(
        {
            f"{move} | baseline | propensity | 1": math.log(0.1),
            f"{move} | l | susceptibility | 1": math.log(0.5),
        }
    )
    rows = outcomes(given, history, 4000, 1)
    assert np.allclose(rows["share"], 5 / 6) and len(rows) == 4000
    assert stats.binomtest(int(rows["true"].sum()), len(rows), 5 / 6).pvalue > 1e-3


if __name__ == "__main__":
    print(reliability(histories(150)).round(3).to_string(index=False))  # noqa: T201
    print(reliability(histories(60, refit=True)).round(3).to_string(index=False))  # noqa: T201
    print(coverage(100, 0.9).round(2).to_string(index=False))  # noqa: T201
