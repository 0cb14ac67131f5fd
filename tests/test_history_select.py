"""Parts of histories, histories made into one, units made part of others."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from tocsin.errors import HistoryError, TocsinError
from tocsin.history.describe import describe, describe_unit, list_packaged, packaged
from tocsin.history.history import History, load_history
from tocsin.states import StateVariable

REGIME = StateVariable("regime", ["old", "soviet"])


@pytest.fixture
def history() -> History:
    return History(
        units={
            "unit": ["germany", "bavaria", "hungary", "late"],
            "enter": [None, None, None, "1920-01-01"],
            "population": [60, 7, 8, 1],
        },
        events={
            "unit": ["bavaria", "bavaria", "germany", "germany", "hungary"],
            "variable": ["regime"] * 5,
            "state": ["soviet", "old", "soviet", "old", "soviet"],
            "time": ["1919-04-07", "1919-05-01", "1919-04-20", "1919-06-01", "1916-03-21"],
            "citation": ["k1", "k1", "k2", "k2", None],
        },
        ties={
            "layer": ["border", "border", "border", "front"],
            "source": ["germany", "bavaria", "bavaria", "hungary"],
            "target": ["bavaria", "hungary", "late", "germany"],
            "weight": [1, 2, 3, 4],
            "start": [None, "1918-01-01", None, None],
            "end": [None, "1918-12-31", None, "1918-06-30"],
        },
        covariates={
            "unit": ["bavaria", "germany", "bavaria", "*"],
            "covariate": ["hunger", "hunger", "war", "cold"],
            "value": [1, 2, 3, 4],
            "end": ["1918-01-31", "1918-06-30", None, None],
        },
        variables=[REGIME],
        window=("1917-01-01", "1923-12-31"),
        outside={"hunger": 0},
        sources={"key": ["k1"], "citation": ["A book"]},
        episodes={
            "unit": ["bavaria", "hungary"],
            "start": ["1919-04-07", "1916-03-21"],
            "end": ["1919-05-01", None],
            "city": ["Munich", ""],
        },
    )


def rows(history: History, table: str, *columns: str) -> list[tuple[Any, ...]]:
    return list(getattr(history, table)[list(columns)].itertuples(index=False, name=None))


def test_a_narrower_window(history: History) -> None:
    part = history.select(window=("1919-05-01", "1919-12-31"))
    assert part.window == (dt.date(1919, 5, 1), dt.date(1919, 12, 31))
    assert list(part.numbers.units) == ["bavaria", "germany", "hungary"]
    assert part.numbers.event_time.tolist() == [-1136.0, -24.0, -11.0, 0.0, 31.0]
    assert rows(part, "ties", "layer", "source", "target") == [("border", "germany", "bavaria")]
    assert rows(part, "covariates", "unit", "covariate") == [("*", "cold"), ("bavaria", "war")]
    assert len(part.episodes) == 2
    early = history.select(window=(None, "1919-04-10"))
    assert len(early.events) == 2
    for wrong in (("1916-01-01", None), ("1920-01-01", "1919-01-01"), 5, ("1920-01-01",)):
        with pytest.raises(TocsinError):
            history.select(window=wrong)


def test_some_units_and_layers(history: History) -> None:
    part = history.select(units=["germany", "hungary"], layers=["front"])
    assert rows(part, "ties", "layer", "source", "target", "weight") == [("front", "hungary", "germany", 4.0)]
    assert list(part.layers) == ["front"]
    assert rows(part, "covariates", "unit", "covariate") == [("*", "cold"), ("germany", "hunger")]
    assert set(part.events["unit"]) == {"germany", "hungary"}
    with pytest.raises(TocsinError, match="did you mean 'germany'"):
        history.select(units=["germny"])
    with pytest.raises(TocsinError, match="did you mean 'front'"):
        history.select(layers=["frnt"])


def test_units_become_part_of_others(history: History) -> None:
    merged = history.merge_units({"bavaria": "germany"})
    assert list(merged.numbers.units) == ["germany", "hungary", "late"]
    mine = merged.events[merged.events["unit"] == "germany"]
    assert mine["state"].tolist() == ["soviet", "old"]
    assert mine["time"].dt.strftime("%Y-%m-%d").tolist() == ["1919-04-07", "1919-06-01"]
    assert mine["citation"].tolist() == ["k1", "k2"]
    assert rows(merged, "ties", "layer", "source", "target", "weight") == [
        ("border", "germany", "hungary", 2.0),
        ("border", "germany", "late", 3.0),
        ("front", "hungary", "germany", 4.0),
    ]
    assert rows(merged, "covariates", "unit", "covariate", "value") == [
        ("*", "cold", 4.0),
        ("germany", "hunger", 2.0),
        ("germany", "war", 3.0),
    ]
    assert merged.units.set_index("unit").loc["germany", "population"] == 60
    with pytest.raises(TocsinError, match="part of itself"):
        history.merge_units({"bavaria": "germany", "germany": "bavaria"})
    with pytest.raises(TocsinError, match="did you mean 'bavaria'"):
        history.merge_units({"bavria": "germany"})


def test_parallel_ties_become_their_maximum() -> None:
    history = History(
        {"unit": ["a", "b", "c"]},
        ties={
            "layer": ["l", "l"],
            "source": ["a", "b"],
            "target": ["c", "c"],
            "weight": [1, 5],
            "start": [0, 2],
            "end": [10, 4],
        },
        variables=[REGIME],
        window=(0, 10),
    )
    assert rows(history.merge_units({"a": "b"}), "ties", "source", "weight", "start", "end") == [
        ("b", 1.0, 0.0, 2.0),
        ("b", 5.0, 2.0, 4.0),
        ("b", 1.0, 4.0, 10.0),
    ]


def test_two_histories_are_one(history: History) -> None:
    other = History(
        {"unit": ["hungary", "peru"], "population": [8, 5]},
        {"unit": ["peru"], "variable": ["order"], "state": ["rising"], "time": ["1925-01-01"]},
        variables=[StateVariable("order", ["calm", "rising"])],
        window=("1924-01-01", "1925-12-31"),
        layers={"sea": "max"},
    )
    both = history.merge(other)
    assert both.window == (dt.date(1917, 1, 1), dt.date(1925, 12, 31))
    assert [variable.name for variable in both.variables] == ["regime", "order"]
    assert both.layers == {"border": None, "front": None, "sea": "max"}
    spans = both.units.set_index("unit")
    assert str(spans.loc["peru", "enter"].date()) == "1924-01-01"
    assert str(spans.loc["bavaria", "exit"].date()) == "1923-12-31"
    assert str(spans.loc["hungary", "exit"].date()) == "1925-12-31"
    with pytest.raises(TocsinError, match="population"):
        history.merge(
            History({"unit": ["hungary"], "population": [9]}, variables=[REGIME], window=history.window)
        )
    with pytest.raises(TocsinError, match="clocks"):
        history.merge(History({"unit": ["hungary"]}, variables=[REGIME], window=(0, 1)))
    with pytest.raises(TocsinError, match="differently"):
        history.merge(
            History({"unit": ["x"]}, variables=[StateVariable("regime", ["a"])], window=history.window)
        )
    again = {"unit": ["hungary"], "variable": ["regime"], "state": ["soviet"], "time": ["1918-01-01"]}
    with pytest.raises(HistoryError, match="already holds"):
        history.merge(History({"unit": ["hungary"]}, again, variables=[REGIME], window=history.window))


def test_it_can_be_described(history: History) -> None:
    text = describe(history)
    assert "regime" in text and "border: 3 ties" in text and "hunger: 2 rows, 0 outside" in text
    text = describe_unit(history, "bavaria")
    assert "1919-04-07" in text and "Munich" in text and "A book [k1]" in text
    with pytest.raises(TocsinError, match="did you mean 'bavaria'"):
        describe_unit(history, "bavria")


@pytest.mark.skipif("1917" not in packaged(), reason="the packaged history is being made")
def test_the_packaged_history() -> None:
    history = load_history("1917")
    assert history.name == "1917" and len(history.numbers.units) == 82
    assert "1917" in list_packaged()
    assert "citation: " in describe_unit(history, "hungary")
