"""Histories from frames: pandas, Polars, Arrow and dicts, with dates and with numbers."""

from __future__ import annotations

import datetime as dt
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from tocsin.errors import HistoryError, TocsinError
from tocsin.history.history import History
from tocsin.states import StateVariable

S = [StateVariable("s", ["S", "I"])]
WINDOW = ("1917-01-01", "1923-12-31")


def typed(frame: dict[str, list[Any]]) -> Any:
    return pd.DataFrame(
        {
            name: pd.to_datetime(column) if name in ("time", "start", "end", "enter") else column
            for name, column in frame.items()
        }
    )


FRAMES: dict[str, Callable[[dict[str, list[Any]]], Any]] = {
    "dict": dict,
    "pandas": pd.DataFrame,
    "pandas, timestamps": typed,
    "pandas, categories": lambda frame: pd.DataFrame(frame).astype(
        {name: "category" for name in frame if name in ("unit", "state", "source")}
    ),
    "polars": pl.DataFrame,
    "arrow": pa.table,
    "arrow, chunks": lambda frame: pa.concat_tables([pa.table(frame).slice(0, 1), pa.table(frame).slice(1)]),
    "record batch": lambda frame: pa.RecordBatch.from_pydict(frame),
}


@pytest.mark.parametrize("form", FRAMES)
def test_every_kind_of_frame_says_the_same(form: str) -> None:
    make = FRAMES[form]
    day = dt.date
    history = History(
        units=make(
            {
                "unit": [3, 1, 20],
                "enter": [None, day(1918, 1, 1), None],
                "size": [1.5, None, 2.0],
                "kind": ["x", "y", None],
            }
        ),
        events=make(
            {
                "unit": [20, 3],
                "variable": ["s", "s"],
                "state": ["I", "I"],
                "time": [day(1919, 3, 21), day(1917, 2, 1)],
            }
        ),
        ties=make(
            {
                "layer": ["net", "net"],
                "source": [3, 1],
                "target": [1, 20],
                "start": [day(1918, 1, 1), day(1917, 1, 1)],
            }
        ),
        covariates=make(
            {
                "unit": ["*", "3"],
                "covariate": ["war", "war"],
                "value": [1, 0],
                "end": [day(1918, 11, 11), day(1920, 1, 1)],
            }
        ),
        variables=S,
        window=(day(1917, 1, 1), pd.Timestamp("1923-12-31")),
    )
    numbers = history.numbers
    assert numbers.units == ("1", "3", "20")
    assert (numbers.start, numbers.end) == (0.0, 2556.0)
    assert numbers.enter.tolist() == [365.0, 0.0, 0.0]
    assert numbers.event_time.tolist() == [31.0, 809.0]
    assert numbers.event_unit.tolist() == [1, 2]
    assert numbers.ties["net"].start.tolist() == [0.0, 365.0]
    assert numbers.ties["net"].weight.tolist() == [1.0, 1.0]
    assert numbers.covariates["war"].unit.tolist() == [-1, 1]
    assert numbers.covariates["war"].end.tolist() == [680.0, 1096.0]
    np.testing.assert_array_equal(numbers.static["size"], [np.nan, 1.5, 2.0])
    assert numbers.static["kind"].tolist() == ["y", "x", None]
    assert history.dated and history.clock == "day" and len(history.digest) == 64
    assert history.events["time"].tolist() == [pd.Timestamp("1917-02-01"), pd.Timestamp("1919-03-21")]
    assert list(history.events.columns) == ["unit", "variable", "state", "time"]


def test_a_single_value_in_a_dict_holds_for_all_rows() -> None:
    units = {"unit": ["a", "b"], "weighty": 1}
    events = {"unit": ["a", "b"], "variable": "s", "state": np.str_("I"), "time": dt.date(1919, 3, 21)}
    history = History(units=units, events=events, variables=S, window=WINDOW)
    assert history.events["time"].nunique() == 1 and set(history.events["state"]) == {"I"}
    assert history.units["weighty"].tolist() == [1, 1]
    with pytest.raises(HistoryError, match="column unit.*must be a sequence"):
        History(units={"unit": "a"}, variables=S, window=WINDOW)


def test_the_clock_of_a_day() -> None:
    times = [
        dt.date(1919, 3, 21),
        dt.datetime(1919, 3, 21),
        "1919-03-21",
        pd.Timestamp("1919-03-21"),
        np.datetime64("1919-03-21"),
    ]
    for time in times:
        history = History(
            {"unit": ["a"]},
            {"unit": ["a"], "variable": ["s"], "state": ["I"], "time": [time]},
            variables=S,
            window=WINDOW,
        )
        assert history.numbers.event_time.tolist() == [809.0]
        assert history.to_number(time) == 809.0
    assert history.to_date(809.99) == dt.date(1919, 3, 21)
    assert history.to_date(np.array([0.0, 31.5])).tolist() == [dt.date(1917, 1, 1), dt.date(1917, 2, 1)]
    for wrong in ("1919-13-01", 5.0, "Tuesday", None):
        with pytest.raises(TocsinError):
            history.to_number(wrong)
    with pytest.raises(HistoryError, match="time of day"):
        History(
            {"unit": ["a"]},
            {"unit": ["a"], "variable": ["s"], "state": ["I"], "time": [dt.datetime(1919, 3, 21, 14)]},
            variables=S,
            window=WINDOW,
        )


def test_plain_numbers_are_taken_as_they_are() -> None:
    history = History(
        {"unit": ["a", "b"], "enter": [0, 2.5], "exit": [10, 7]},
        {"unit": ["a", "b"], "variable": ["s", "s"], "state": ["I", "I"], "time": [3, 2.5]},
        {"layer": ["l"], "source": ["a"], "target": ["b"], "weight": [2], "start": [1], "end": [20.0]},
        variables=S,
        window=(0, 10),
    )
    numbers = history.numbers
    assert (history.clock, history.dated, history.window) == ("number", False, (0.0, 10.0))
    assert (numbers.start, numbers.end) == (0.0, 10.0)
    assert numbers.enter.tolist() == [0.0, 2.5] and numbers.exit.tolist() == [10.0, 7.0]
    assert numbers.event_time.tolist() == [2.5, 3.0]
    tie = numbers.ties["l"]
    assert (tie.start.tolist(), tie.end.tolist(), tie.weight.tolist()) == ([1.0], [10.0], [2.0])
    assert history.to_number(4) == 4.0 and history.to_date(4.2) == 4.2


def test_months_and_years() -> None:
    months = History(
        {"unit": ["a"]},
        {"unit": ["a"], "variable": ["s"], "state": ["I"], "time": ["1918-03-21"]},
        {"layer": ["l"], "source": ["a"], "target": ["a"], "start": ["1917-02"], "end": ["1917-03-15"]},
        variables=S,
        window=("1917-01", "1918-12"),
        clock="month",
    )
    assert months.numbers.event_time.tolist() == [14.0] and months.numbers.end == 24.0
    assert (months.numbers.ties["l"].start.tolist(), months.numbers.ties["l"].end.tolist()) == ([1.0], [3.0])
    assert months.to_date(14.5) == dt.date(1918, 3, 1)
    years = History(
        {"unit": ["a"], "enter": [1981]},
        {"unit": ["a"], "variable": ["s"], "state": ["I"], "time": [1985]},
        variables=S,
        window=(1980, 2000),
        clock="year",
    )
    assert years.dated and years.numbers.end == 21.0 and years.numbers.event_time.tolist() == [5.0]
    assert years.numbers.enter.tolist() == [1.0]
    assert years.to_number(1985) == 5.0 and years.to_number("1985-06-01") == 5.0


@pytest.mark.parametrize("name", ["state", "s", "unit", "variable", "time", "layer"])
def test_any_name_may_name_anything(name: str) -> None:
    history = History(
        {"unit": [name, "x"]},
        {"unit": [name], "variable": [name], "state": [name], "time": [1]},
        {"layer": [name], "source": [name], "target": ["x"]},
        variables=[StateVariable(name, ["other", name])],
        window=(0, 10),
    )
    assert history.numbers.event_state.tolist() == [1]
    assert list(history.numbers.ties) == [name]


def test_the_state_on_entry() -> None:
    variables = [StateVariable("s", ["S", "I", "R"], initial="I"), StateVariable("r", ["no", "yes"])]
    history = History({"unit": ["a", "b", "c"], "s": ["R", None, "S"]}, variables=variables, window=(0, 1))
    assert history.numbers.initial["s"].tolist() == [2, 1, 0]
    assert history.numbers.initial["r"].tolist() == [0, 0, 0]
    assert "s" not in history.numbers.static
    # An earlier dated event says since when: it is an entry, whatever the column repeats.
    history = History(
        {"unit": ["a"], "s": ["R"]},
        {"unit": ["a"], "variable": ["s"], "state": ["R"], "time": [-5]},
        variables=variables,
        window=(0, 1),
    )
    assert history.numbers.initial["s"].tolist() == [1] and history.numbers.event_time.tolist() == [-5.0]
    with pytest.raises(HistoryError, match="already holds"):
        History(
            {"unit": ["a"], "s": ["R"]},
            {"unit": ["a"], "variable": ["s"], "state": ["R"], "time": [0.5]},
            variables=variables,
            window=(0, 1),
        )


def test_events_of_one_instant() -> None:
    def make(states: list[str], sequence: list[int] | None = None, recurrent: bool = False) -> History:
        events: dict[str, Any] = {
            "unit": ["a"] * len(states),
            "variable": ["s"] * len(states),
            "state": states,
            "time": [1] * len(states),
        }
        if sequence:
            events["sequence"] = sequence
        return History(
            {"unit": ["a"]},
            events,
            variables=[StateVariable("s", ["S", "I", "R"], recurrent=recurrent)],
            window=(0, 9),
        )

    assert make(["R", "I"], [2, 1]).numbers.event_state.tolist() == [1, 2]
    assert make(["S", "I"]).numbers.event_state.tolist() == [1, 0]  # only one order is possible
    assert make(["I", "S"]) == make(["S", "I"])
    with pytest.raises(HistoryError, match="sequence"):
        make(["I", "R"])
    with pytest.raises(HistoryError, match="duplicated event"):
        make(["I", "I"])
    assert make(["S", "S"], [1, 2], recurrent=True).numbers.event_state.tolist() == [0, 0]


def test_tied_rows_are_combined() -> None:
    ties = {
        "layer": ["l"] * 4,
        "source": ["a"] * 4,
        "target": ["b"] * 4,
        "weight": [1.0, 3.0, 2.0, 0.0],
        "start": [0, 2, 4, 8],
        "end": [6, 5, 10, 9],
    }

    def make(rule: object) -> Any:
        return History(
            {"unit": ["a", "b"]}, ties=ties, variables=S, window=(0, 10), layers={"l": rule}
        ).numbers.ties["l"]

    rows = make("max")
    assert list(zip(rows.start.tolist(), rows.end.tolist(), rows.weight.tolist(), strict=True)) == [
        (0, 2, 1),
        (2, 5, 3),
        (5, 10, 2),
    ]
    rows = make({"combine": "sum"})
    assert list(zip(rows.start.tolist(), rows.end.tolist(), rows.weight.tolist(), strict=True)) == [
        (0, 2, 1),
        (2, 4, 4),
        (4, 5, 6),
        (5, 6, 3),
        (6, 10, 2),
    ]
    with pytest.raises(HistoryError, match="duplicate tie"):
        make(None)
    with pytest.raises(HistoryError, match="did you mean 'max'"):
        make("maxx")


WRONG: list[tuple[dict[str, Any], str]] = [
    (
        {
            "events": {"unit": ["a"], "variable": ["s"], "state": ["I"], "time": ["1919-03-21"]},
            "window": (0, 9),
        },
        "bad number",
    ),
    (
        {
            "events": {"unit": ["a"], "variable": ["s"], "state": ["I"], "time": [dt.date(1919, 3, 21)]},
            "window": (0, 9),
        },
        "a date in a history of plain numbers",
    ),
    (
        {"events": {"unit": ["a"], "variable": ["s"], "state": ["I"], "time": [5]}},
        "plain numbers in a history of dates",
    ),
    (
        {
            "events": {
                "unit": ["a", "a"],
                "variable": ["s", "s"],
                "state": ["I", "S"],
                "time": [dt.date(1919, 3, 21), 5],
            }
        },
        "line 2, column time",
    ),
    ({"units": {"unit": ["a", None]}}, "line 2, column unit: no unit"),
    ({"units": {"unit": ["a", "a"]}}, "duplicate unit"),
    ({"units": {"unit": ["*"]}}, "all units"),
    ({"units": {"unit": []}}, "at least one unit"),
    ({"units": None}, "at least one unit"),
    ({"units": 5}, "no table"),
    ({"units": pl.LazyFrame({"unit": ["a"]})}, "collect"),
    ({"units": {"unit": ["a"], "x": [1, 2]}}, "differ in length"),
    ({"units": {"unit": [["a"]]}}, "cannot be read as names"),
    ({"units": {"unit": ["\ud800"]}}, "not Unicode"),
    ({"units": {"unit": ["a\0"]}}, "NUL"),
    ({"units": pd.DataFrame([["a", "b"]], columns=["unit", "unit"])}, "two columns"),
    ({"ties": {"layer": ["l"], "source": ["a"], "target": ["a"], "weight": [float("nan")]}}, "no weight"),
    ({"ties": {"layer": ["l"], "source": ["a"], "target": ["a"], "weight": [float("inf")]}}, "bad number"),
    ({"ties": {"layer": ["k"], "source": ["a"], "target": ["a"]}, "layers": ["l"]}, "unknown layer"),
    ({"layers": 5}, "layers must be"),
    ({"variables": "s"}, "list of StateVariable"),
    ({"variables": [*S, *S]}, "two state variables"),
    ({"window": (1, 0)}, "ends before it begins"),
    ({"window": (1, 1)}, "empty"),
    ({"window": (0, float("nan"))}, "finite"),
    ({"window": ("1917-01-01", 5)}, "the other a number"),
    ({"window": 5}, "a window is"),
    ({"window": ("then", "now")}, "bad date"),
    ({"window": (0, 5), "clock": "day"}, "has no clock"),
    ({"clock": "week"}, "unknown clock"),
    ({"outside": {"x": "y"}}, "bad number"),
    (
        {
            "units": {"unit": ["a"], "w": [1.0]},
            "covariates": {"unit": ["a"], "covariate": ["w"], "value": [1]},
        },
        "a column of units",
    ),
]


@pytest.mark.parametrize(("change", "words"), WRONG, ids=[words for _, words in WRONG])
def test_what_is_wrong_is_said(change: dict[str, Any], words: str) -> None:
    with pytest.raises(HistoryError, match=words):
        History(**({"units": {"unit": ["a"]}, "variables": S, "window": WINDOW} | change))


def test_a_history_does_not_change() -> None:
    units = pd.DataFrame({"unit": ["a", "b"], "x": [1.0, 2.0]})
    history = History(units, variables=S, window=(0, 1), layers={"l": "max"})
    digest = history.digest
    units.loc[0, "x"] = 9.0
    shown = history.units
    shown.loc[0, "x"] = 9.0
    history.layers["k"] = "sum"
    assert history.units["x"].tolist() == [1.0, 2.0] and history.layers == {"l": "max"}
    assert pickle.loads(pickle.dumps(history)).digest == digest
    with pytest.raises(AttributeError):
        history.clock = "day"  # type: ignore[misc]
    assert "2 units" in repr(history) and "<table>" in history._repr_html_()
    assert (
        history != 5
        and len(
            {history, History(units.assign(x=[1.0, 2.0]), variables=S, window=(0, 1), layers={"l": "max"})}
        )
        == 1
    )


def test_gaps_of_a_covariate() -> None:
    history = History(
        {"unit": ["a", "b"], "enter": ["1917-01-01", "1917-02-01"]},
        covariates={
            "unit": ["a", "*"],
            "covariate": ["war", "war"],
            "value": [1, 2],
            "start": ["1917-01-01", "1917-01-10"],
            "end": ["1917-01-05", "1923-12-01"],
        },
        variables=S,
        window=WINDOW,
        outside={"war": 0},
    )
    gaps = history.coverage()
    assert gaps["unit"].tolist() == ["a", "a", "b"]
    assert gaps["start"].dt.strftime("%Y-%m-%d").tolist() == ["1917-01-06", "1923-12-02", "1923-12-02"]
    assert gaps["end"].dt.strftime("%Y-%m-%d").tolist() == ["1917-01-09", "1923-12-31", "1923-12-31"]
    assert gaps["outside"].tolist() == [0.0] * 3
