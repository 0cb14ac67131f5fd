"""Scarce support on small models whose best answer is known by hand or by trying everything."""

from __future__ import annotations

import math
import re
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from helpers.road import small_folder
from typer.testing import CliRunner

import tocsin as tc
from tocsin.cli.main import app
from tocsin.support.allocate import Judge, greedy
from tocsin.support.candidates import Luck

VARIABLE = tc.StateVariable("regime", ["old", "new"])
LEAVES = ["leaf1", "leaf2", "leaf3", "leaf4"]
PLACES = ["hub", *LEAVES, "lone1", "lone2"]


def star(normalise: str | None = None, aid: float = 0.02, extra: bool = False) -> tuple[tc.History, Any]:
    """Return a donor that is new throughout, a hub whose leaves follow it, and two places that nobody follows."""
    ties = {
        "layer": ["road"] * 4 + ["aid", "aid"],
        "source": ["hub"] * 4 + ["donor", "other"],
        "target": [*LEAVES, "lone1", "lone2"],
        "weight": [1.0] * 4 + [2.0, 0.5],
    }
    history = tc.History(
        units={"unit": ["donor", "other", *PLACES], "regime": ["new", "old", *["old"] * len(PLACES)]},
        events={"unit": ["leaf1"], "variable": ["regime"], "state": ["new"], "time": [30.0]},
        ties=ties,
        variables=[VARIABLE],
        layers=["road", "aid", "unused"],
        window=(0, 100),
    )
    model = tc.Model(
        [VARIABLE],
        [
            tc.Transition(
                "regime",
                "old",
                "new",
                tc.baseline(),
                tc.contagion("aid", "regime=new", normalise=normalise),
                tc.contagion("road", "regime=new"),
            ),
            *([tc.Transition("regime", "new", "old", tc.baseline())] if extra else []),
        ],
    )
    values = [-math.inf if aid == 0 else -9.0, math.log(aid) if aid else -math.inf, math.log(0.05)]
    values += [math.log(0.01)] if extra else []
    return history, model.with_params(dict(zip(model.compile(history).parameter_names, values, strict=True)))


def test_the_hub_of_a_star_is_supported_first() -> None:
    history, given = star()
    found = given.allocate(history, tc.Support("aid", "donor", 1, periods=1), "units regime=new", worlds=300)
    assert found.plan[["place", "start", "end", "weight"]].values.tolist() == [["hub", 0.0, 100.0, 1.0]]
    # The hub turns with probability 1 - exp(-2), and each leaf follows at 0.05 for what is left of 100.
    turns = 1 - math.exp(-2)
    leaf = (
        turns - 0.02 * (math.exp(-2) - math.exp(-5)) / 0.03
    )  # integral of 0.02 exp(-0.02 t - 0.05 (100 - t))
    expected = turns + 4 * leaf
    gain, lower, upper = found.gain
    assert lower < expected < upper and upper - lower < 0.4
    assert gain == pytest.approx(found.plan["gain"].sum())


def test_early_support_is_worth_more_than_late() -> None:
    history, given = star()
    found = given.allocate(history, tc.Support("aid", "donor", 1, periods=4), "time regime=new", worlds=200)
    assert found.plan[["place", "start", "end"]].values.tolist() == [["hub", 0.0, 25.0]]
    listed = tc.Support("aid", "donor", 1, periods=[(50, 75), (75, 100)])
    late = given.allocate(history, listed, "time regime=new", worlds=200)
    assert late.plan[["place", "start"]].values.tolist() == [["hub", 50.0]]
    assert late.gain[0] < found.gain[0]


def test_greedy_is_near_the_best_of_all_choices_and_lazy_is_plain() -> None:
    history, given = star(aid=0.01)
    program = given.program(history)
    options = tc.Support("aid", "donor", 3, periods=1, most=1).options(program)
    judge = Judge(options, Luck(program.pack(given.values)), tc.Outcome.parse("units regime=new"))

    def value(weights: np.ndarray) -> float:
        return float(judge.of(weights, 150, 4).mean())

    def chosen(cells: tuple[int, ...]) -> float:
        weights = np.zeros(len(options.cost))
        weights[list(cells)] = 1.0
        return value(weights)

    args = (options.cost, options.most, options.step, options.budget)
    lazy, plain = greedy(value, *args), greedy(value, *args, lazy=False)
    assert lazy.chosen == plain.chosen and lazy.gains == plain.gains
    assert lazy.evaluations < plain.evaluations
    none = value(np.zeros(len(options.cost)))
    best = max(chosen(cells) for cells in combinations(range(len(options.cost)), 3)) - none
    assert (1 - 1 / math.e) * best <= sum(lazy.gains) <= best + 1e-9
    assert value(lazy.weights) - none == pytest.approx(sum(lazy.gains))


@pytest.mark.parametrize("case", range(20))
def test_lazy_is_plain_and_greedy_is_near_the_best_for_coverage(case: int) -> None:
    """Coverage of sets: submodular, so the theory must hold to the letter."""
    rng = np.random.default_rng(case)
    sets = rng.random((9, 25)) < 0.25
    worth = rng.integers(1, 9, 25).astype(float)
    cost, most = np.ones(9), np.ones(9)

    def value(weights: np.ndarray) -> float:
        return float(worth[sets[weights > 0].any(axis=0)].sum()) if (weights > 0).any() else 0.0

    lazy, plain = (greedy(value, cost, most, 1.0, 3.0, lazy=each) for each in (True, False))
    assert lazy.chosen == plain.chosen and lazy.gains == plain.gains and lazy.grown == 0
    every = [np.isin(np.arange(9), cells).astype(float) for cells in combinations(range(9), 3)]
    assert sum(lazy.gains) >= (1 - 1 / math.e) * max(map(value, every))


def test_a_search_says_when_returns_grow() -> None:
    pairs = np.array([[0, 1], [2, 3]])

    def value(weights: np.ndarray) -> float:  # two of a pair are worth more than twice one
        return float(0.1 * weights.sum() + sum(weights[pair].prod() for pair in pairs))

    found = greedy(value, np.ones(4), np.ones(4), 1.0, 4.0)
    assert found.grown > 0


def test_unequal_costs_are_weighed_and_the_budget_kept() -> None:
    worth, cost = np.array([3.0, 2.0, 2.0]), np.array([2.0, 1.0, 1.0])
    found = greedy(lambda w: float((w * worth).sum()), cost, np.array([1.0, 1.0, 1.0]), 1.0, 2.0)
    assert sorted(found.chosen) == [1, 2]
    found = greedy(lambda w: float((w * worth).sum()), cost, np.array([5.0, 2.0, 0.0]), 1.0, 3.5)
    assert found.chosen == [1, 1] and found.evaluations >= 3


@pytest.mark.parametrize("normalise", [None, "target"])
def test_worlds_of_a_choice_are_those_of_the_history_with_its_ties(normalise: str | None) -> None:
    history, given = star(normalise)
    program = given.program(history)
    options = tc.Support("aid", "donor", 4, periods=2).options(program)
    weights = np.zeros(len(options.cost))
    rows: dict[str, list[Any]] = {
        name: [] for name in ("layer", "source", "target", "weight", "start", "end")
    }
    for cell in (0, 1, 5, 10):
        weights[cell] = 1.0 + cell / 4
        place, start, end = options.labels[cell]
        for name, value in zip(rows, ("aid", "donor", place, weights[cell], start, end), strict=True):
            rows[name].append(value)
    for target in LEAVES:
        for name, value in zip(rows, ("road", "hub", target, 1.0, 0.0, 100.0), strict=True):
            rows[name].append(value)
    for name, value in zip(rows, ("aid", "other", "lone2", 0.5, 0.0, 100.0), strict=True):
        rows[name].append(value)
    other = tc.History(
        units=history.units,
        events=history.events,
        ties=rows,
        variables=[VARIABLE],
        layers=["road", "aid", "unused"],
        window=(0, 100),
    )
    quick = options.simulate(weights, Luck(program.pack(given.values)), 200, 9)
    slow = given.simulate(other, worlds=200, seed=9)
    assert quick.events.num_rows > 300
    assert quick.events.drop_columns("time").equals(slow.events.drop_columns("time"))
    assert np.allclose(quick.events["time"].to_numpy(), slow.events["time"].to_numpy(), rtol=1e-12)


def test_the_other_side_finds_the_hub_too() -> None:
    history, given = star()
    found = given.allocate(
        history, tc.Prevention("regime=new", 1), "entries regime=new", worlds=200, maximise=False,
        interventions=["force hub regime=new at 10"],
    )  # fmt: skip
    assert len(found.plan) == 1 and found.gain[1] > 0
    by_hand = {}
    for place in PLACES:
        worlds = given.simulate(
            history, 200, 1, ["force hub regime=new at 10", f"prevent {place} regime=new"]
        )
        by_hand[place] = worlds.counts("regime", "new")["entries"].mean()
    assert found.plan["place"][0] == min(by_hand, key=lambda place: by_hand[place])
    free = given.allocate(
        history,
        tc.Prevention("regime=new", 2, ["hub", "lone1", "leaf1"]),
        "units regime=new",
        worlds=200,
        maximise=False,
        interventions=["add tie aid donor > hub weight 2"],
    )
    assert free.plan["place"][0] == "hub"
    assert list(free.plan) == ["place", "gain", "lower", "upper"]
    names = set(free.compared["allocation"])
    assert {"nothing", "plan", "first in the record", "random, mean"} <= names and "even" not in names


def test_an_outcome_may_be_lowered_by_ties() -> None:
    history, given = star(extra=True)
    model = tc.Model(
        [VARIABLE],
        [
            tc.Transition("regime", "old", "new", tc.baseline(), tc.contagion("road", "regime=new")),
            tc.Transition("regime", "new", "old", tc.baseline(), tc.contagion("aid", "regime=old")),
        ],
    )
    values = [math.log(0.001), math.log(0.5), math.log(0.001), math.log(0.3)]
    given = model.with_params(dict(zip(model.compile(history).parameter_names, values, strict=True)))
    found = given.allocate(
        history,
        tc.Support("aid", "other", 1, periods=1),
        "time regime=new",
        worlds=300,
        maximise=False,
        interventions=["force hub regime=new at 1", "force donor regime=old at 0"],
    )
    assert found.plan["place"].tolist() == ["hub"] and found.gain[1] > 0
    row = found.compared.set_index("allocation")
    assert row.loc["plan", "outcome"] < row.loc["nothing", "outcome"]


def test_the_plan_is_set_beside_the_record_an_even_spread_and_chance() -> None:
    history, given = star()
    done = []
    found = given.allocate(
        history,
        tc.Support("aid", "donor", 3, periods=2, most=2),
        "units regime=new",
        worlds=100,
        progress=lambda count, of: done.append((count, of)),
    )
    table = found.compared.set_index("allocation")
    assert list(table.index) == [
        "nothing", "plan", "record, as much", "record, as it was", "even", "random, mean", "random, best of 10",
    ]  # fmt: skip
    for name in ("plan", "record, as much", "even", "random, mean"):
        assert table.loc[name, "budget"] == pytest.approx(3)
    assert table.loc["record, as it was", "budget"] == pytest.approx(4)  # weight 2 over two periods
    assert (table["lower"] <= table["gain"]).all() and (table["gain"] <= table["upper"]).all()
    assert table.loc["nothing", ["gain", "worlds_changed"]].tolist() == [0, 0]
    assert (table["behind_lower"][3:] <= table["behind_plan"][3:]).all()
    assert table.loc["random, mean", "behind_plan"] > 0 and table.loc["even", "behind_lower"] > 0
    assert (table["outcome"] - table.loc["nothing", "outcome"]).to_numpy() == pytest.approx(table["gain"])
    assert (found.plan["weight"] <= 2).all() and found.spent == pytest.approx(3)
    assert found.evaluations == done[-1][0] and all(count <= of for count, of in done)
    again = given.allocate(history, found.support, "units regime=new", worlds=100)
    assert again.plan.equals(found.plan) and again.compared.equals(found.compared)
    assert "greedy" in str(found) and "<table" in found._repr_html_()


def test_a_normalised_layer_has_no_even_spread() -> None:
    history, given = star("target")
    found = given.allocate(history, tc.Support("aid", "donor", 1, periods=1), "units regime=new", worlds=20)
    assert "even" not in set(found.compared["allocation"])
    assert "normalises exposure" in found.notes()[0]


def test_parameters_may_be_drawn_for_each_world() -> None:
    history, given = star()
    support = tc.Support("aid", "donor", 1, periods=1)
    row = np.array([given.values[name] for name in given.program(history).parameter_names])
    plain = given.allocate(history, support, "units regime=new", worlds=60)
    drawn = given.allocate(history, support, "units regime=new", worlds=60, draws=np.tile(row, (240, 1)))
    pd.testing.assert_frame_equal(drawn.compared, plain.compared)
    assert any("parameters of its own" in note for note in drawn.notes())
    assert not any("parameters of its own" in note for note in plain.notes())
    few = np.tile(row, (3, 1))
    few[:, 1] += [-8.0, 0.0, 1.0]  # in a third of the worlds support does next to nothing
    wide = given.allocate(history, support, "units regime=new", worlds=60, draws=few)
    assert wide.gain[0] < plain.gain[0]
    # Three draws are a sample of three, however many worlds share them.
    assert wide.gain[2] - wide.gain[1] > 3 * (plain.gain[2] - plain.gain[1])
    with pytest.raises(tc.ModelError, match="a row for each draw"):
        given.allocate(history, support, "units regime=new", worlds=60, draws=np.zeros((2, 99)))


def test_nothing_is_spent_where_nothing_gains() -> None:
    history, given = star(aid=0)
    found = given.allocate(history, tc.Support("aid", "donor", 3, periods=1), "units regime=new", worlds=20)
    assert found.plan.empty and found.spent == 0
    assert any("it takes 0" in note for note in found.notes())
    assert any("do not show" in note for note in found.notes())


def test_dates_are_printed_as_days() -> None:
    history = tc.History(
        units={"unit": ["a", "b"], "regime": ["new", "old"]},
        variables=[VARIABLE],
        layers=["aid"],
        window=("1919-01-01", "1919-12-31"),
    )
    model = tc.Model([VARIABLE], [tc.Transition("regime", "old", "new", tc.contagion("aid", "regime=new"))])
    given = model.with_params({"regime: old > new | aid | susceptibility | 1": -4.0})
    march, april = ("1919-03-01", "1919-03-31"), ("1919-04-01", "1919-04-15")
    support = tc.Support("aid", "a", 1, periods=[march])
    found = given.allocate(history, support, "held regime=new at 1919-12-31", worlds=50)
    assert [str(x)[:10] for x in found.plan[["start", "end"]].iloc[0]] == ["1919-03-01", "1919-03-31"]
    both = given.allocate(
        history, tc.Support("aid", "a", 1.5, periods=[march, april]), "units regime=new", 50
    )
    # A period of half the length takes half the budget: 31 and 15 days.
    assert both.spent == pytest.approx(1 + 15 / 31)


def test_outcomes_are_what_ensembles_count() -> None:
    history, given = star(extra=True)
    worlds = given.simulate(history, worlds=150, seed=2)
    counts = worlds.counts("regime", "new")
    assert (tc.Outcome.parse("entries regime=new")(worlds) == counts["entries"]).all()
    assert (tc.Outcome.parse("units regime=new")(worlds) == counts["units"]).all()
    spells = worlds.durations("regime", "new")
    total = spells.groupby("world")["duration"].sum()
    assert np.allclose(tc.Outcome.parse("time regime=new")(worlds), total.reindex(range(150), fill_value=0))
    share = worlds.probability("regime", "new", [40.0]).sum("unit")
    assert tc.Outcome.parse("held regime=new at 40")(worlds).mean() == pytest.approx(float(share[0]))
    some = tc.Outcome.parse("units regime=new in hub|leaf1")(worlds)
    assert 0 < some.mean() < 2 and some.max() <= 2
    text = "held regime=new in hub|leaf1 at 40"
    assert str(tc.Outcome.parse(text)) == text
    assert tc.Outcome.parse("held regime=new at 0")(worlds).tolist() == [1.0] * 150  # the donor, on entry


def test_wrong_support_is_refused_with_everything_that_is_wrong() -> None:
    history, given = star()
    wrong = tc.Support("ad", "doner", -1, places=["hbu"], periods=[(50, 20), (60, 200), "x"], step=0)
    with pytest.raises(tc.ModelError) as caught:
        given.allocate(history, wrong, "units regime=new")
    text = str(caught.value)
    for part in (
        "no layer 'ad'; did you mean 'aid'",
        "no unit 'doner'; did you mean 'donor'",
        "no unit 'hbu'; did you mean 'hub'",
        "budget must be a number above 0, not -1",
        "step must be a number above 0, not 0",
        "50 to 20 does not lie in the window",
        "60 to 200 does not lie in the window",
        "'x' is no (first day, last day)",
    ):
        assert part in text, part
    for support, message in (
        (tc.Support("unused", "donor", 1), "no cause of the model runs along the layer 'unused'"),
        (tc.Support("aid", "donor", 1, places=[]), "name at least one unit"),
        (tc.Support("aid", "donor", 1, places=["donor"]), "does not support itself"),
        (tc.Support("aid", "donor", 1, periods=0), "between 1 and 1000 parts"),
        (tc.Support("aid", "donor", 1, periods=[(0, 50), (40, 100)]), "overlap"),
        (tc.Support("aid", "donor", 1, step=3), "more than a tie may weigh"),
        (tc.Support("aid", "donor", math.nan), "budget must be a number above 0"),
        (tc.Support("aid", "donor", 1, most="two"), "most must be a number above 0"),  # type: ignore[arg-type]
        ("aid", "support is tc.Support(layer, source, budget) or tc.Prevention"),
        (tc.Support("aid", "donor", 0.5), "less than one step"),
        (tc.Prevention("regime=new", 0), "number of units of at least 1"),
        (tc.Prevention("regime=news", 1), "did you mean 'new'"),
        (tc.Prevention("regim", 1), "write variable=state"),
    ):
        with pytest.raises(tc.ModelError, match=re.escape(message)):
            given.allocate(history, support, "units regime=new", worlds=10)


def test_wrong_outcomes_and_numbers_are_refused() -> None:
    history, given = star()
    support = tc.Support("aid", "donor", 1, periods=1)
    for outcome, message in (
        ("unit regime=new", "no outcome 'unit'; did you mean 'units'"),
        ("most of all", "cannot read the outcome"),
        ("units regime=news", "did you mean 'new'"),
        ("units regimes=new", "did you mean 'regime'"),
        ("units regime=new in hbu", "did you mean 'hub'"),
        ("held regime=new at 500", "outside the window"),
        ("units regime=new at 50", "a date goes with 'held'"),
        (5, "or a function of an ensemble, not 5"),
    ):
        with pytest.raises(tc.TocsinError, match=message):
            given.allocate(history, support, outcome, worlds=10)
    with pytest.raises(tc.ModelError, match="one finite number for each of the 10 worlds"):
        given.allocate(history, support, lambda ensemble: 3.0, worlds=10)
    with pytest.raises(tc.ModelError, match="at least 2 worlds"):
        given.allocate(history, support, "units regime=new", worlds=1)
    with pytest.raises(tc.ModelError, match="seed must be a whole number"):
        given.allocate(history, support, "units regime=new", worlds=10, seed=-1)
    with pytest.raises(tc.ModelError, match="hub"):
        given.allocate(
            history, support, "units regime=new", worlds=10, interventions=["prevent hbu regime=new"]
        )
    custom = given.allocate(
        history, support, lambda ensemble: ensemble.counts("regime", "new")["units"] ** 2, worlds=50
    )
    assert custom.plan["place"].tolist() == ["hub"]


# --- the verb -------------------------------------------------------------------------------------------


def test_the_verb_prints_the_plan_and_writes_it(tmp_path: Path) -> None:
    folder = str(small_folder(tmp_path / "road"))
    args = ["--worlds", "10", "--place", "cc", "--place", "dd", "--out", str(tmp_path)]
    done = CliRunner().invoke(
        app, ["support", folder, "--layer", "road", "--budget", "1", "--periods", "1", *args]
    )
    assert done.exit_code == 0, done.output
    text = " ".join(done.output.split())
    assert "To raise 'units regime=soviet'" in text and "not for advice" in text
    # Of the road's inner units the first is taken as the giver: it gives as much as any.
    assert "bb may lay out a budget of 1 in the layer road" in text
    plan, compared = (pd.read_csv(tmp_path / f"{name}.csv") for name in ("plan", "compared"))
    assert set(plan["place"]) <= {"cc", "dd"} and "even" in set(compared["allocation"])
    kept = CliRunner().invoke(
        app, ["support", folder, "--prevent", "regime=soviet", "--budget", "1", "--least", *args]
    )
    assert kept.exit_code == 0, kept.output
    assert "may be kept out of regime=soviet" in " ".join(kept.output.split())


def test_the_verb_refuses_what_is_wrong(tmp_path: Path) -> None:
    folder = str(small_folder(tmp_path / "road"))
    for options, code, part in (
        ([], 2, "--layer"),
        (["--layer", "road", "--prevent", "regime=soviet"], 2, "not both"),
        (["--prevent", "regime=soviet", "--budget", "1.5"], 2, "--budget"),
        (["--layer", "raod"], 1, "did you mean 'road'"),
        (["--layer", "road", "--source", "zz"], 1, "there is no unit 'zz'"),
        (["--layer", "road", "--budget", "-1"], 1, "budget must be a number above 0"),
        (["--layer", "road", "--outcome", "all"], 1, "cannot read the outcome"),
        (["--layer", "road", "--do", "nonsense"], 2, "nonsense"),
    ):
        done = CliRunner().invoke(app, ["support", folder, "--worlds", "5", *options])
        assert done.exit_code == code, (options, done.output)
        assert part in " ".join(done.output.split()), (options, done.output)


def test_a_plan_names_the_kinds_of_support_that_the_record_has() -> None:
    import pandas as pd

    import tocsin as tc
    from tocsin.support.kinds import in_force, named_in, support_rows, told_apart

    ties = pd.DataFrame(
        [
            ("aid", "a", "b", 2.0, 1.0, 5.0, "money", "bank"),
            ("aid", "a", "b", 2.0, 3.0, 9.0, "training", None),
            ("aid", "a", "c", 1.0, 0.0, 10.0, "delegate", ""),
            ("road", "a", "c", 1.0, 0.0, 10.0, None, None),
        ],
        columns=["layer", "source", "target", "weight", "start", "end", "support", "by"],
    )
    history = tc.History(
        units=pd.DataFrame({"unit": list("abc")}),
        events=pd.DataFrame({"unit": ["a"], "variable": ["v"], "state": ["yes"], "time": [2.0]}),
        ties=ties,
        variables=[tc.StateVariable("v", ["no", "yes"], "no")],
        window=(0.0, 10.0),
        clock="continuous",
        layers={"aid": "max", "road": None},
    )
    rows = support_rows(history, "aid")
    assert sorted(rows["by"]) == ["a", "a", "bank"]
    assert sorted(in_force(rows, 4.0)["kind"]) == ["delegate", "money", "training"]
    assert sorted(in_force(rows, 6.0)["kind"]) == ["delegate", "training"]
    assert (
        named_in(rows, "a", "b", 0.0, 2.0) == "money"
        and named_in(rows, "a", "b", 4.0, 6.0) == "money, training"
    )
    said = " ".join(told_apart(rows, "aid", 2.0))
    assert (
        "money and training have the same weight, 2" in said
        and "what the record calls money or training" in said
    )
    assert "came together to 1 place" in said
    assert "can name no kind" in told_apart(support_rows(history, "road"), "road", 1.0)[0]
