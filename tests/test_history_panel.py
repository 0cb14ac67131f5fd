"""Covariates side by side: when a long table is laid out so, and what formulas take of it."""

from __future__ import annotations

import numpy as np
import pytest

import tocsin as tc
from tocsin.history.arrays import THINNED, CovariateArrays, panel_of

UNITS, INTERVALS = 25, 1000


def rows(value: np.ndarray) -> CovariateArrays:
    """Return rows of a covariate, one after the other from 0 to the end of the window."""
    start = np.tile(np.arange(INTERVALS, dtype=float), UNITS)
    unit = np.repeat(np.arange(UNITS, dtype=np.int32), INTERVALS)
    return CovariateArrays(unit, value, start, start + 1.0)


def values(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=UNITS * INTERVALS)


ENTER, LEAVE = np.zeros(UNITS), np.full(UNITS, float(INTERVALS))


def test_covariates_of_the_same_pieces_lie_side_by_side() -> None:
    few = np.round(values(3))
    panel = panel_of({"a": rows(values(1)), "b": rows(values(2)), "few": rows(few)}, ENTER, LEAVE)
    assert panel is not None
    assert panel.names == ("a", "b", "few")
    assert [panel.varied(name) for name in panel.names] == [True, True, False]
    whole = panel.choose(["a", "b"])
    assert whole is not None
    assert np.shares_memory(whole.whole, panel.columns)
    assert np.array_equal(whole.whole, [np.ones(few.size), values(1), values(2)])
    some = panel.choose(["few", "a"])
    assert some is not None
    assert np.array_equal(some.whole, [np.ones(few.size), few, values(1)])
    assert np.array_equal(some.ranges, [some.whole.min(axis=1), some.whole.max(axis=1)])
    assert np.array_equal(some.thin, some.whole[:, ::THINNED])
    assert panel.choose(["few"]) is None  # its distinct rows are fewer
    assert panel.choose(["a", "t"]) is None
    assert panel.choose([]) is None


def test_rows_with_holes_or_for_part_of_the_time_are_no_panel() -> None:
    full = rows(values(1))
    kept = np.arange(full.unit.size) != 700
    hole = CovariateArrays(full.unit[kept], full.value[kept], full.start[kept], full.end[kept])
    assert panel_of({"a": hole}, ENTER, LEAVE) is None
    assert panel_of({"a": full}, ENTER, LEAVE + 1.0) is None
    assert panel_of({"a": full}, ENTER - 1.0, LEAVE) is None
    assert panel_of({"a": full}, np.zeros(UNITS + 1), np.full(UNITS + 1, float(INTERVALS))) is None
    assert panel_of({}, ENTER, LEAVE) is None
    shared = CovariateArrays(full.unit - 1, full.value, full.start, full.end)
    assert panel_of({"a": shared}, ENTER, LEAVE) is None
    missing = full.value.copy()
    missing[5] = np.nan
    panel = panel_of({"a": rows(missing), "b": full}, ENTER, LEAVE)
    assert panel is not None
    assert panel.names == ("b",)


def test_formulas_that_share_a_panel_give_what_each_gives_alone() -> None:
    """A row more, for one unit beyond the window, and there is no panel: the design is then made piece by piece."""
    names = np.array([f"u{k:02d}" for k in range(UNITS)])
    a, b = values(1), values(2)
    start = np.tile(np.tile(np.arange(INTERVALS, dtype=float), UNITS), 2)
    table = {
        "unit": np.tile(np.repeat(names, INTERVALS), 2),
        "covariate": np.repeat(["a", "b"], a.size),
        "value": np.concatenate([a, b]),
        "start": start,
        "end": start + 1.0,
    }
    more = {"unit": names[0], "covariate": "a", "value": 9.0, "start": INTERVALS, "end": INTERVALS + 1.0}
    longer = {name: np.append(column, more[name]) for name, column in table.items()}
    riot = tc.StateVariable("riot", ["yes"], recurrent=True)
    happened = np.flatnonzero(np.random.default_rng(5).random(a.size) < 0.05 * np.exp(0.3 * a))
    events = {
        "unit": np.repeat(names, INTERVALS)[happened],
        "variable": ["riot"] * happened.size,
        "state": ["yes"] * happened.size,
        "time": happened % INTERVALS + 0.5,
    }
    one, other = (
        tc.History({"unit": names}, events, covariates=each, variables=[riot], window=(0.0, float(INTERVALS)))
        for each in (table, longer)
    )
    assert one.numbers.panel is not None
    assert other.numbers.panel is None or other.numbers.panel.names == ("b",)
    for formula in ("1 + a + b", "1 + b + a", "a"):
        model = tc.Model([riot], [tc.Transition("riot", "yes", "yes", tc.baseline(formula))])
        first, second = model.compile(one), model.compile(other)
        assert first.parameter_names == second.parameter_names
        assert np.array_equal(first.designs[0].matrix, second.designs[0].matrix)
        assert np.array_equal(first.layout.breaks, second.layout.breaks)
        assert np.array_equal(first.layout.break_at, second.layout.break_at)
        vector = np.array([-3.0, 0.3, -0.2])[: len(first.parameter_names)]
        assert first.loglik(vector) == pytest.approx(second.loglik(vector), rel=1e-13)
        assert model.fit(one).params.to_numpy() == pytest.approx(model.fit(other).params.to_numpy(), abs=1e-9)
