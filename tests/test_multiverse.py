"""A multiverse: specifications from a file, one joint test, and a run that goes on where it was stopped."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import tocsin as tc
from tocsin.check.specifications import read_plan

SPEC = """
worlds = 19
[move]
variable = "vote"
from = "no"
to = "yes"
[vary]
dates = ["record", "other"]
confidence = ["any", "medium"]
layers = ["border", { largest = ["border", "talk"] }]
memory = ["none", 5]
"""


def history() -> tc.History:
    """Twelve places in a ring that a vote goes round, faster than it comes by itself."""
    names = [f"u{k}" for k in range(12)]
    rng = np.random.default_rng(7)
    order = [0, 1, 11, 2, 10, 3, 9, 4, 8, 5]
    time = np.cumsum(rng.exponential(2.0, len(order))) + 1.0
    events = pd.DataFrame(
        {
            "unit": [names[k] for k in order],
            "variable": "vote",
            "state": "yes",
            "time": time,
            "confidence": ["low" if k == 9 else "high" for k in order],
            "other": [str(time[1] + 0.5) if k == 1 else "" for k in order],
        }
    )
    ring = [(k, (k + step) % 12) for k in range(12) for step in (1, -1)]
    ties = pd.DataFrame(
        [("border", names[a], names[b], 1.0) for a, b in ring]
        + [("talk", names[a], names[(a + 3) % 12], 2.0) for a in range(12)],
        columns=["layer", "source", "target", "weight"],
    )
    return tc.History(
        units=pd.DataFrame({"unit": names}),
        events=events,
        ties=ties,
        variables=[tc.StateVariable("vote", ["no", "yes"])],
        window=(0, 60),
        clock="continuous",
        extra=["other"],
    )


@pytest.fixture
def spec(tmp_path: Path) -> Path:
    path = tmp_path / "SPEC.toml"
    path.write_text(SPEC)
    return path


def test_specifications_agree_with_fits_by_hand(spec: Path) -> None:
    found = tc.multiverse(history(), spec)
    table = found.table
    assert len(table) == 16 and table["data"].nunique() == 4 and found.same == 0
    assert set(table.loc[table["confidence"] == "medium", "events"]) == {9}
    row = table[
        (table["dates"] == "record") & (table["confidence"] == "any") & (table["memory"] == "5")
    ].iloc[0]
    base = [tc.baseline("1")]
    variables = [tc.StateVariable("vote", ["no", "yes"])]
    models = [
        tc.Model(variables, [tc.Transition("vote", "no", "yes", *base, *more)])
        for more in ([], [tc.contagion("border", "vote=yes", half_life=5)])
    ]
    small, large = (model.fit(history()) for model in models)
    assert row["gain"] == pytest.approx(large.loglik - small.loglik, abs=1e-6)
    assert found.null.size == 19 and 1 / 20 <= found.p <= 1
    best = table.groupby("data")["aic_behind"].min()
    assert (best == 0).all()  # compared among the same events only
    told = found.strengths[found.strengths["specification"] == row["specification"]].iloc[0]
    assert told["mass"] == pytest.approx(told["strength"] * 5 / np.log(2))
    assert told["lower"] < told["strength"] < told["upper"]


def test_a_run_that_was_stopped_goes_on(spec: Path, tmp_path: Path) -> None:
    class Stop(Exception):
        pass

    def stop(what: str, done: int, total: int) -> None:
        if what.startswith("fitting") and done == 3:
            raise Stop

    folder = tmp_path / "out"
    with pytest.raises(Stop):
        tc.multiverse(history(), spec, folder, progress=stop)
    done = sorted((folder / "specifications").glob("*.json"))
    assert 3 <= len(done) <= 16
    done[0].write_text('{"version": 1')  # what no run of ours leaves behind is not believed
    again = tc.multiverse(history(), spec, folder)
    assert again.resumed == len(done) - 1
    fresh = tc.multiverse(history(), spec)
    pd.testing.assert_frame_equal(again.table, fresh.table)
    pd.testing.assert_frame_equal(again.strengths, fresh.strengths)
    assert np.array_equal(again.null, fresh.null)
    other = tc.multiverse(history(), spec, folder, seed=2)
    assert other.resumed == 0  # other worlds are another answer


def test_combinations_that_say_the_same_are_counted_once(tmp_path: Path) -> None:
    path = tmp_path / "SPEC.toml"
    path.write_text(SPEC.replace('["any", "medium"]', '["any", "low"]'))
    found = tc.multiverse(history(), path, worlds=0)
    assert (len(found.table), found.same) == (8, 8) and np.isnan(found.p)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("memory =", "memori =", "SPEC.toml, vary: unknown key 'memori'; did you mean 'memory'"),
        ('"any", "medium"', '"any", "mediun"', "confidence: 'mediun' is none of any, low, medium, high"),
        ('"none", 5', '"none", -5', "memory: 'none', 'estimate' or a half-life"),
        ('"record", "other"', '"record", "othr"', "no column 'othr'; did you mean 'other'"),
        ('"border", { ', '"bordr", { ', "bordr"),
        ('variable = "vote"', "", "move: the key 'variable' is missing"),
        ('"border", "talk"', '"border"', "largest"),
        ("worlds = 19", "worlds = -1", "worlds is a whole number of at least 0, not -1"),
        ('"border", {', '"border", "border", {', "the same choice stands twice"),
    ],
)
def test_a_wrong_file_is_refused_in_words(spec: Path, old: str, new: str, words: str) -> None:
    assert old in SPEC
    spec.write_text(SPEC.replace(old, new))
    with pytest.raises(tc.TocsinError) as told:
        tc.multiverse(history(), spec, worlds=0)
    assert words in str(told.value)


@pytest.mark.parametrize("name", ["1917", "four_waves"])
def test_packaged_plans_have_a_hundred_specifications(name: str) -> None:
    folder = Path(tc.__file__).parent / "histories" / name
    assert len(read_plan(folder / "multiverse.toml").specifications) >= 100
