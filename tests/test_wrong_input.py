"""What is wrong in weights, ties, hazards and worlds is said in words, through the public interface."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

import tocsin as tc

TURN = tc.StateVariable("s", ["old", "new"])
HOME = "s: old > new | baseline | propensity | 1"
AWAY = "s: old > new | l | susceptibility | 1"
BACK = "s: new > old | baseline | propensity | 1"
UNITS = ["a", "b", "c"]


def history(ties: Any = None, **more: Any) -> tc.History:
    """Three units, all tied unless other ties are given."""
    pairs = [(a, b) for a in UNITS for b in UNITS if a != b]
    everyone = {
        "layer": ["l"] * 6,
        "source": [a for a, _ in pairs],
        "target": [b for _, b in pairs],
        "weight": [1.0] * 6,
    }
    known: dict[str, Any] = {
        "units": {"unit": UNITS},
        "variables": [TURN],
        "window": (0, 10),
        "layers": ["l"],
    }
    return tc.History(**{**known, "ties": everyone if ties is None else ties, **more})


def model(*causes: object, back: bool = False, **options: Any) -> tc.Model:
    """From old to new at home and by contagion, and if wished back again."""
    listed = causes or (tc.baseline(), tc.contagion("l", when="s=new", **options))
    moves = [tc.Transition("s", "old", "new", *listed)]
    return tc.Model([TURN], [*moves, tc.Transition("s", "new", "old", tc.baseline())] if back else moves)


def refused(build: Any, *words: str) -> list[tc.errors.Problem]:  # type: ignore[name-defined]
    """Check that a history is refused and that every word stands in the message."""
    with pytest.raises(tc.HistoryError) as caught:
        build()
    for word in words:
        assert word in str(caught.value), str(caught.value)
    return caught.value.problems


# --- weights and ties -----------------------------------------------------------------------------------


@pytest.mark.parametrize("weight", [-1.0, -1e-300, math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("form", ["lists", "arrow", "csv"])
def test_weights_that_are_no_weights(weight: float, form: str, tmp_path: Path) -> None:
    ties = {"layer": ["l", "l"], "source": ["a", "b"], "target": ["b", "c"], "weight": [1.0, weight]}
    if form == "csv":
        history().write(tmp_path / "h")
        (tmp_path / "h" / "ties.csv").write_text(
            f"layer,source,target,weight\nl,a,b,1.0\nl,b,c,{weight!r}\n", encoding="utf-8"
        )
        (problem,) = refused(lambda: tc.load_history(tmp_path / "h"), "weight")
        assert problem.line == 3
    else:
        problem = refused(lambda: history(pa.table(ties) if form == "arrow" else ties), "weight")[0]
    assert problem.column == "weight"


def test_a_weight_that_is_text() -> None:
    refused(lambda: history({"layer": ["l"], "source": ["a"], "target": ["b"], "weight": ["heavy"]}), "heavy")


def test_every_wrong_weight_is_told_at_once() -> None:
    ties = {
        "layer": ["l"] * 3,
        "source": ["a", "b", "x"],
        "target": ["b", "c", "a"],
        "weight": [-1.0, math.inf, 1.0],
    }
    assert len(refused(lambda: history(ties), "'x'", "weight")) == 3


@pytest.mark.parametrize("column", ["source", "target"])
def test_ties_to_units_that_do_not_exist(column: str) -> None:
    ties = {"layer": ["l"], "source": ["alpha"], "target": ["alpha"]}
    ties[column] = ["alpah"]
    problem = refused(lambda: history(ties, units={"unit": ["alpha", "beta"]}), "alpah")[0]
    assert problem.nearest == "alpha" and problem.column == column


@pytest.mark.parametrize("missing", [None, ""])
def test_ties_to_nobody(missing: object) -> None:
    refused(lambda: history({"layer": ["l"], "source": ["a"], "target": [missing]}), "target")


def test_a_tie_to_an_absent_unit_carries_nothing() -> None:
    # b leaves at 1 while new: whoever listens to it hears nothing afterwards, and its own clocks stop.
    record = history(
        units={"unit": UNITS, "enter": [0.0, 0.0, 5.0], "exit": [10.0, 1.0, 10.0], "s": ["old", "new", "old"]}
    )
    given = model(tc.contagion("l", when="s=new")).with_params({AWAY: math.log(5.0)})
    events = given.simulate(record, 400, 1).events.to_pandas()
    assert set(events["source"][events["time"] > 1.0]) <= {"a", "c"}
    assert (events["unit"] != "b").all()
    assert (events["time"][events["unit"] == "c"] > 5.0).all()


def test_ties_that_overlap_need_a_rule() -> None:
    ties = {"layer": ["l", "l"], "source": ["a", "a"], "target": ["b", "b"]}
    refused(lambda: history(ties), "duplicate tie")
    assert history(ties, layers={"l": "sum"}).numbers.ties["l"].weight.tolist() == [2.0]


def test_weights_whose_sum_overflows() -> None:
    ties = {"layer": ["l", "l"], "source": ["a", "b"], "target": ["c", "c"], "weight": [1.7e308, 1.7e308]}
    given = model().with_params({HOME: 0.0, AWAY: 0.0})
    with pytest.raises(tc.FitError, match="not a finite number.*too large|overflow"):
        given.simulate(history(ties, units={"unit": UNITS, "s": ["new", "new", "old"]}), 10, 1)


# --- hazards --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [HOME, AWAY])
@pytest.mark.parametrize("value", [710.0, 1e6, 1e308])
def test_hazards_that_overflow(name: str, value: float) -> None:
    given = model().with_params({HOME: 0.0, AWAY: 0.0, name: value})
    with pytest.raises(tc.FitError, match=r"hazard of .*s: old > new \| (baseline|l).* overflows"):
        given.simulate(history(), 10, 1)


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_parameters_that_are_no_numbers(value: float) -> None:
    for use in (lambda g: g.simulate(history(), 10, 1), lambda g: g.log_likelihood(history())):
        with pytest.raises(tc.TocsinError, match="old > new"):
            use(model().with_params({HOME: 0.0, AWAY: value}))


def test_a_covariate_that_makes_a_hazard_overflow() -> None:
    record = history(covariates={"unit": ["a"], "covariate": ["x"], "value": [1e5]}, outside={"x": 0.0})
    given = model(tc.baseline("1 + x")).with_params({HOME: 0.0, HOME.replace("| 1", "| x"): 1.0})
    with pytest.raises(tc.FitError, match="overflow"):
        given.simulate(record, 10, 1)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_covariates_that_are_no_numbers(value: float) -> None:
    problem = refused(
        lambda: history(covariates={"unit": ["a"], "covariate": ["x"], "value": [value]}), "value"
    )[0]
    assert problem.column == "value"


def test_a_formula_that_has_no_value() -> None:
    record = history(units={"unit": UNITS, "x": [-1.0, 1.0, 2.0]})
    with pytest.raises(tc.TocsinError, match="log|x"):
        model(tc.baseline("1 + log(x)")).with_params(
            {HOME: 0.0, HOME.replace("| 1", "| log(x)"): 1.0}
        ).simulate(record, 10, 1)


def test_a_covariate_missing_at_risk_is_named_with_unit_and_dates() -> None:
    record = history(
        covariates={
            "unit": ["a", "b", "c"],
            "covariate": ["x"] * 3,
            "value": [1.0] * 3,
            "end": [10.0, 4.0, 10.0],
        }
    )
    given = model(tc.baseline("1 + x")).with_params({HOME: -3.0, HOME.replace("| 1", "| x"): 1.0})
    with pytest.raises(tc.FitError, match=r"'x' of 'b' from 4 to 10"):
        given.simulate(record, 200, 1)
    with pytest.raises(tc.FitError, match=r"'x' of 'b' from 4 to 10"):
        given.log_likelihood(record)


# --- worlds that would not end --------------------------------------------------------------------------


def test_a_world_that_would_not_end_names_the_transition() -> None:
    given = model(tc.baseline(), back=True).with_params({HOME: 20.0, BACK: 20.0})
    with pytest.raises(
        tc.FitError, match=r"does not end: more than 1000000 events by .* 's: (old > new|new > old) \|"
    ):
        given.simulate(history(), 2, 1)


def test_an_explosion_of_recurrent_events_is_stopped() -> None:
    riot = tc.StateVariable("riot", ["yes"], recurrent=True)
    record = tc.History(
        units={"unit": ["a"]},
        ties={"layer": ["l"], "source": ["a"], "target": ["a"]},
        variables=[riot],
        window=(0, 1e9),
        layers=["l"],
    )
    memory = tc.contagion("l", when="riot=yes", half_life=1.0)
    given = tc.Model([riot], [tc.Transition("riot", "yes", "yes", tc.baseline(), memory)]).with_params(
        {"riot: yes > yes | baseline | propensity | 1": 0.0, "riot: yes > yes | l | susceptibility | 1": 1.0}
    )
    with pytest.raises(tc.FitError, match=r"(does not end|not a finite number).*|.*riot: yes > yes"):
        given.simulate(record, 2, 1)


# --- requests -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("worlds", "seed"), [(-1, 1), (1.5, 1), ("10", 1), (True, 1), (10, -1), (10, 0.5), (10, None), (None, 1)]
)
def test_numbers_of_worlds_and_seeds(worlds: Any, seed: Any) -> None:
    given = model().with_params({HOME: 0.0, AWAY: 0.0})
    with pytest.raises(tc.ModelError, match="must be a whole number"):
        given.simulate(history(), worlds, seed)


def test_large_seeds_and_numpy_numbers() -> None:
    given = model().with_params({HOME: 0.0, AWAY: 0.0})
    assert given.simulate(history(), np.int64(3), np.int32(7)).worlds == 3
    one, other = (given.simulate(history(), 5, seed).events for seed in (2**64 - 2, 2**64 - 1))
    assert not one.equals(other)


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ("remove layer ll", "did you mean 'l'"),
        ("force d s=new at 3", "'d'"),
        ("force a s=neww at 3", "did you mean 'new'"),
        ("force a s=new at yesterday", "yesterday"),
        ("scale l by -1", "l"),
        ("scale layer l by nan", "finite"),
        ("scale layer l by -1", "weights cannot be negative"),
        ("make peace", "make peace"),
    ],
)
def test_changes_that_cannot_be_made(change: str, match: str) -> None:
    given = model().with_params({HOME: 0.0, AWAY: 0.0})
    with pytest.raises(tc.TocsinError, match=match):
        given.simulate(history(), 5, 1, [change])


def test_scaled_weights_that_overflow() -> None:
    given = model().with_params({HOME: 0.0, AWAY: 0.0})
    with pytest.raises(tc.TocsinError, match="finite|overflow|too large"):
        given.simulate(
            history(units={"unit": UNITS, "s": ["new", "new", "old"]}), 10, 1, [tc.scale_layer("l", 1.7e308)]
        )


@pytest.mark.parametrize("threads", ["many", "1.5"])
def test_a_number_of_threads_that_is_none(threads: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NUMBA_NUM_THREADS", threads)
    with pytest.raises(tc.ModelError, match="NUMBA_NUM_THREADS"):
        model().with_params({HOME: 0.0, AWAY: 0.0}).simulate(history(), 5, 1)
