"""Cells: what is missing, what is a number, what a category; rows of no time, and times that meet."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet
import pytest

import tocsin as tc

TURN = tc.StateVariable("s", ["a", "b"])
RATE, SLOPE = "s: a > b | baseline | propensity | 1", "s: a > b | baseline | propensity | x"
NAMES = list("pqrij")
EVENTS = {"unit": list("pqr"), "variable": "s", "state": "b", "time": [2.0, 5.0, 7.0]}
WITH_X = tc.Model([TURN], [tc.Transition("s", "a", "b", tc.baseline("1 + x"))])


def history(units: Any, **more: Any) -> tc.History:
    return tc.History(
        **{"units": units, "events": EVENTS, "variables": [TURN], "window": (0.0, 10.0), **more}
    )


def made(form: str, cells: list[Any], folder: Path) -> tc.History:
    """Units p, q, r, i, j with these cells of x, from a CSV or Parquet file or a frame."""
    if form == "frame":
        return history(pd.DataFrame({"unit": NAMES, "x": pd.Series(cells, dtype=object)}))
    if form == "dict":
        return history({"unit": NAMES, "x": cells})
    history({"unit": NAMES}).write(folder)
    texts = [None if cell is None else str(cell) for cell in cells]
    if form == "parquet":
        (folder / "units.csv").unlink()
        pyarrow.parquet.write_table(pa.table({"unit": NAMES, "x": texts}), folder / "units.parquet")
    else:
        pd.DataFrame({"unit": NAMES, "x": texts}).to_csv(folder / "units.csv", index=False, na_rep="")
    return tc.load_history(folder)


FORMS = ["csv", "parquet", "frame", "dict"]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("cell", ["NA", "NaN", ".", "N/A", "null", "nan", "", None])
def test_missing_in_a_column_of_numbers_is_missing(form: str, cell: str | None, tmp_path: Path) -> None:
    record = made(form, [1.0, cell, 0.0, 1.0, 0.25], tmp_path)
    assert np.array_equal(record.numbers.static["x"], [1.0, 0.25, 1.0, np.nan, 0.0], equal_nan=True)
    with pytest.raises(tc.FitError, match="missing for 'q'"):
        WITH_X.fit(record)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("cell", ["1,5", "-", "\u22121", "1 000", "12%", "o.5", "half", "inf", "1,234.5"])
def test_one_bad_number_is_named_and_makes_no_category(form: str, cell: str, tmp_path: Path) -> None:
    for cells in ([1.0, cell, 0.0, 1.0, 0.25], [None, cell, "NA", 1.0, None]):
        with pytest.raises(tc.HistoryError) as caught:
            made(form, cells, tmp_path)
        (problem,) = caught.value.problems
        assert problem.message.startswith("bad number: 'x'")
        assert (problem.column, problem.value) == ("x", cell)
        assert problem.line == (3 if form == "csv" else 2)


def test_a_column_that_is_badly_written_throughout_is_no_category() -> None:
    with pytest.raises(tc.HistoryError, match="a point before the decimals"):
        history({"unit": NAMES, "x": ["1,5", "2,5", "0,5", "1,0", "3"]})


@pytest.mark.parametrize("form", FORMS)
def test_names_stay_names_and_their_missing_is_missing(form: str, tmp_path: Path) -> None:
    record = made(form, ["red", "NA", "blue", "7", "."], tmp_path)
    assert record.numbers.static["x"].tolist() == ["7", None, "red", None, "blue"]
    assert record.numbers.levels["x"] == ("7", "blue", "red")
    with pytest.raises(tc.FitError, match="'x', which is missing for '[jq]'"):
        WITH_X.fit(record)


def test_codes_with_leading_zeros_are_names_or_are_asked_about(tmp_path: Path) -> None:
    record = made("csv", ["004", "040", "100", "056", "NA"], tmp_path)
    assert record.numbers.levels["x"] == ("004", "040", "056", "100")
    with pytest.raises(tc.HistoryError, match="begins with a zero"):
        made("csv", ["4", "040", "100", "56", "7"], tmp_path)


@pytest.mark.parametrize(
    ("table", "column", "cells"),
    [
        ("ties", "weight", ["1", "1,5", "2", "1"]),
        ("covariates", "value", ["1", "\u22121", "2", "1"]),
        ("units", "lon", ["1", "-", "2", "1"]),
        ("units", "enter", ["1", "0,5", "0", "0"]),
        ("events", "time", ["1", "1,5", "2", "3"]),
        ("events", "sequence", ["1", "2 0", "2", "3"]),
    ],
)
def test_bad_numbers_in_other_columns_say_how_to_write_them(
    table: str, column: str, cells: list[str]
) -> None:
    tables: dict[str, Any] = {
        "units": {"unit": list("pqri")},
        "events": {"unit": list("pqri"), "variable": "s", "state": "b", "time": ["1", "2", "3", "4"]},
        "ties": {"layer": "l", "source": list("pqri"), "target": list("qrip")},
        "covariates": {"unit": list("pqri"), "covariate": "z", "value": ["1", "2", "3", "4"]},
    }
    tables[table][column] = cells
    with pytest.raises(tc.HistoryError) as caught:
        history(**tables)
    (problem,) = caught.value.problems
    assert (problem.file, problem.line, problem.column) == (table, 2, column)
    assert "; " in problem.message and problem.message.startswith("bad number")


def test_missing_tokens_in_times_and_states(tmp_path: Path) -> None:
    (tmp_path / "history.toml").write_text(
        'window = [1918-01-01, 1918-12-31]\n[variables.s]\nstates = ["a", "b"]\n', encoding="utf-8"
    )
    (tmp_path / "units.csv").write_text("unit,enter,exit,lon,s\nNA,NA,.,N/A,null\nq,1918-02-01,NaN,3,b\n")
    (tmp_path / "events.csv").write_text("unit,variable,state,time,time_latest\nNA,s,b,1918-03-01,NA\n")
    record = tc.load_history(tmp_path)
    assert record.numbers.units == ("NA", "q")  # a name is a name: Namibia's code
    assert record.numbers.enter.tolist() == [0.0, 31.0]
    assert record.numbers.initial["s"].tolist() == [0, 1]


# --- categories -----------------------------------------------------------------------------------------------


def test_the_first_declared_category_is_the_reference(tmp_path: Path) -> None:
    words = pd.Categorical(["low", "high", "mid", "low", "high"], categories=["mid", "low", "high", "none"])
    record = history(pd.DataFrame({"unit": NAMES, "x": words}))
    assert record.levels == {"x": ("mid", "low", "high", "none")}
    assert WITH_X.compile(record).parameter_names[1:] == [f"{SLOPE}[low]", f"{SLOPE}[high]"]
    assert list(record.units["x"].cat.categories) == ["mid", "low", "high", "none"]
    for form in ("csv", "parquet"):
        record.write(tmp_path / form, form)
        again = tc.load_history(tmp_path / form)
        assert again == record and again.levels == record.levels
    (tmp_path / "parquet" / "history.toml").write_text(
        'window = [0.0, 10.0]\n[variables.s]\nstates = ["a", "b"]\n'
    )
    assert tc.load_history(tmp_path / "parquet").levels == record.levels  # the dictionary says it
    assert history(record.units) == record and history(record.table("units")) == record
    assert record.select(units=["p", "q"]).levels == record.levels
    assert record.merge(record) == record
    assert record.merge_units({"p": "q"}).levels == record.levels
    plain = history({"unit": NAMES, "x": list(map(str, words))})
    assert plain.levels == {} and plain != record
    assert WITH_X.compile(plain).parameter_names[1:] == [f"{SLOPE}[low]", f"{SLOPE}[mid]"]


@pytest.mark.parametrize("kind", ["pandas", "arrow", "numbers"])
def test_a_dictionary_is_a_category_whatever_its_values(kind: str, tmp_path: Path) -> None:
    values: Any = {
        "pandas": pd.Categorical(["2", "10", "1", "2", "2"], categories=["2", "1", "10"]),
        "arrow": pa.DictionaryArray.from_arrays(pa.array([0, 2, 1, 0, 0]), pa.array(["2", "1", "10"])),
        "numbers": pd.Categorical([2, 10, 1, 2, 2], categories=[2, 1, 10]),
    }[kind]
    record = history({"unit": NAMES, "x": values})
    assert record.numbers.levels["x"] == ("2", "1", "10")
    record.write(tmp_path)
    assert tc.load_history(tmp_path) == record == history(record.units)


def test_numbers_declared_as_text_stay_a_category(tmp_path: Path) -> None:
    history({"unit": NAMES, "x": [3, 1, 2, 1, 1]}).write(tmp_path)
    with (tmp_path / "history.toml").open("a") as file:
        file.write('[columns.x]\ntype = "text"\n')
    record = tc.load_history(tmp_path)
    assert record.numbers.levels["x"] == ("1", "2", "3")
    record.write(tmp_path / "again")
    assert tc.load_history(tmp_path / "again") == record == history(record.units)


def test_declared_levels_are_checked(tmp_path: Path) -> None:
    history({"unit": NAMES, "x": ["low", "high", "mid", "NA", "low"]}).write(tmp_path)
    head = (tmp_path / "history.toml").read_text()
    (tmp_path / "history.toml").write_text(head + '[covariates.x]\nlevels = ["mid", "low", "high"]\n')
    assert tc.load_history(tmp_path).levels == {"x": ("mid", "low", "high")}
    for levels, words in (
        ('["mid", "low", "hihg"]', "unknown level of 'x'.*hihg"),
        ('["mid", "mid"]', "different names"),
        ("3", "different names"),
    ):
        (tmp_path / "history.toml").write_text(head + f"[covariates.x]\nlevels = {levels}\n")
        with pytest.raises(tc.HistoryError, match=words):
            tc.load_history(tmp_path)
    (tmp_path / "history.toml").write_text(head + '[covariates.y]\nlevels = ["mid"]\n')
    with pytest.raises(tc.HistoryError, match="no column 'y'"):
        tc.load_history(tmp_path)


def test_two_histories_must_order_levels_alike() -> None:
    def one(*levels: str) -> tc.History:
        return history({"unit": NAMES, "x": pd.Categorical(["c"] * 5, categories=levels)})

    assert one("c", "b").merge(one("c", "a", "b")).levels == {"x": ("c", "b", "a")}
    with pytest.raises(tc.TocsinError, match="order the levels of 'x' differently"):
        one("c", "b").merge(one("b", "c"))


# --- rows of no time, and times that meet ---------------------------------------------------------------------

ROWS = [
    ("p", 0.0, 0.0, 4.0),
    ("p", 1.0, 4.0, 10.0),
    ("q", 1.0, 0.0, 3.0),
    ("q", 0.0, 3.0, 10.0),
    ("r", 1.0, 0.0, 10.0),
    ("i", 0.0, 0.0, 10.0),
]


def rows(*more: tuple[str, float, float, float]) -> dict[str, list[Any]]:
    unit, value, start, end = zip(*ROWS, *more, strict=True)
    return {
        "unit": list(unit),
        "covariate": ["x"] * len(unit),
        "value": [*value],
        "start": [*start],
        "end": [*end],
    }


@pytest.mark.parametrize("outside", [None, 1.0])
@pytest.mark.parametrize("at", [0.0, 3.0, 5.0, 10.0])
@pytest.mark.parametrize("unit", ["i", "q", "*"])
def test_a_row_of_no_time_holds_at_no_time(outside: float | None, at: float, unit: str) -> None:
    known = {} if outside is None else {"outside": {"x": outside}}
    record = history({"unit": list("pqri")}, covariates=rows((unit, 99.0, at, at)), **known)
    fit = WITH_X.fit(record)
    # At risk with x = 0: 2 + 2 + 10 days and two events; with x = 1: 3 + 7 days and one event.
    assert math.isclose(fit.params[RATE], math.log(2 / 14), abs_tol=1e-8)
    assert math.isclose(fit.params[SLOPE], math.log(1 / 10) - math.log(2 / 14), abs_tol=1e-8)
    assert math.isclose(
        WITH_X.fit(record.select(window=(0, 10))).params[RATE], math.log(2 / 14), abs_tol=1e-8
    )


def test_a_tie_and_a_presence_of_no_time_are_none() -> None:
    model = tc.Model([TURN], [tc.Transition("s", "a", "b", tc.baseline("1"), tc.contagion("l", when="s=b"))])
    ties = {"layer": "l", "source": ["p", "p"], "target": ["q", "q"], "start": [1.0, 3.0], "end": [9.0, 3.0]}
    names = model.compile(history({"unit": list("pqri")}, ties=ties)).parameter_names
    params = dict.fromkeys(names, -1.0)
    units = {"unit": list("pqri"), "enter": [0.0, 0.0, 0.0, 5.0], "exit": [10.0, 10.0, 10.0, 5.0]}
    one = {**ties, "source": ["p"], "target": ["q"], "start": [1.0], "end": [9.0]}
    with_row, without = history(units, ties=ties), history({"unit": list("pqr")}, ties=one)
    given = model.with_params(params)
    assert math.isclose(given.log_likelihood(with_row), given.log_likelihood(without), rel_tol=1e-12)


MEET = 0.1 + 0.2


@pytest.mark.parametrize(("end", "start"), [(0.3, MEET), (MEET, 0.3)])
def test_rows_that_meet_up_to_rounding_meet(end: float, start: float) -> None:
    events = {"unit": ["p", "q"], "variable": "s", "state": "b", "time": [start, end]}
    cov = {
        "unit": ["p", "p", "q", "q"],
        "covariate": "x",
        "value": [0.0, 1.0, 0.0, 1.0],
        "start": [0.0, start] * 2,
        "end": [end, 1.0] * 2,
    }
    ties = {
        "layer": "l",
        "source": ["p", "p"],
        "target": ["q", "q"],
        "start": [0.0, start],
        "end": [end, 1.0],
    }
    record = history({"unit": ["p", "q"]}, events=events, ties=ties, covariates=cov, window=(0.0, 1.0))
    assert len(record.coverage()) == 0
    assert set(record.numbers.covariates["x"].start) == {0.0, 0.3}
    assert record.numbers.event_time.tolist() == [0.3, 0.3]
    # Both events are the first instant's last: they see x = 0, and neither sees the other.
    given = WITH_X.with_params({RATE: 0.0, SLOPE: 50.0})
    assert math.isclose(given.log_likelihood(record), -0.6, rel_tol=1e-12)


@pytest.mark.parametrize("scale", [1.0, 1e-9, 1e9])
def test_what_is_near_the_window_or_a_whole_number_is_there(scale: float) -> None:
    units = {"unit": ["p", "q"], "enter": [0.0, 3 * MEET * scale], "exit": [0.9 * scale] * 2}
    events = {"unit": ["p"], "variable": "s", "state": "b", "time": [3 * MEET * scale]}
    record = history(units, events=events, window=(0.0, 0.9 * scale))
    assert record.numbers.event_time.tolist() == [0.9 * scale]
    whole = history({"unit": ["p"], "exit": [2.9999999999999996]}, events=None, window=(0.0, 4.0))
    assert whole.numbers.exit.tolist() == [3.0]


def test_times_that_do_not_meet_are_told_apart_in_the_message() -> None:
    cov = {
        "unit": ["p", "p"],
        "covariate": "x",
        "value": [0.0, 1.0],
        "start": [0.0, 0.30000000000001],
        "end": [0.3, 1.0],
    }
    record = history({"unit": ["p"]}, events=None, covariates=cov, window=(0.0, 1.0))
    with pytest.raises(tc.FitError, match=r"from 0\.3 to 0\.30000000000001,"):
        WITH_X.with_params({RATE: 0.0, SLOPE: 0.0}).log_likelihood(record)


def test_what_a_column_was_read_as_and_rows_of_no_time_are_told() -> None:
    from tocsin.history.describe import facts

    units = {"unit": NAMES, "x": [1.0, "NA", 0.0, 1.0, 2.0], "g": ["u", "v", ".", "u", "u"]}
    told = facts(history(units, covariates={**rows(("j", 1.0, 5.0, 5.0)), "covariate": ["z"] * 7}))
    assert told["column x"] == "numbers; missing for 1 of 5"
    assert told["column g"] == "category, u | v; missing for 1 of 5"
    assert told["rows that begin where they end, and hold at no time"] == "1 of covariates"


def test_an_event_at_the_end_of_a_narrower_window_is_in_it() -> None:
    events = {"unit": ["p"], "variable": "s", "state": "b", "time": [MEET]}
    for end in (0.3, MEET):
        record = history({"unit": ["p", "q"]}, events=events).select(window=(0.0, end))
        assert record.numbers.event_time.tolist() == [end]


def test_a_year_alone_in_a_history_of_days_is_its_span(tmp_path: Path) -> None:
    (tmp_path / "history.toml").write_text(
        'window = ["1848-01-01", "1849-12-31"]\n[variables.r]\nstates = ["a", "b"]\n'
    )
    (tmp_path / "units.csv").write_text("unit\nx\ny\n")
    (tmp_path / "events.csv").write_text("unit,variable,state,time\nx,r,b,1848\n")
    row = tc.load_history(tmp_path).events.iloc[0]
    assert (str(row["time"])[:10], str(row["time_latest"])[:10]) == ("1848-01-01", "1848-12-31")


def test_an_unknown_time_zone_is_told_with_its_column(tmp_path: Path) -> None:
    import pyarrow.parquet as pq

    (tmp_path / "history.toml").write_text(
        'window = ["1969-01-01", "1970-12-31"]\n[variables.r]\nstates = ["a", "b"]\n'
    )
    (tmp_path / "units.csv").write_text("unit\nx\n")
    time = pa.array([0], pa.timestamp("us", "Mars/Olympus"))
    pq.write_table(
        pa.table({"unit": ["x"], "variable": ["r"], "state": ["b"], "time": time}),
        tmp_path / "events.parquet",
    )
    with pytest.raises(
        tc.HistoryError, match=r"events\.parquet, column time: .*time zone \('Mars/Olympus'\)"
    ):
        tc.load_history(tmp_path)


@pytest.mark.parametrize("line", ["layers = 1", "[layers]\nroad = 0.5", "[layers.road]\nlabel = [1]"])
def test_a_layer_that_is_no_table_or_has_no_text_for_a_label(line: str, tmp_path: Path) -> None:
    head = 'window = ["1848-01-01", "1849-12-31"]\n'
    (tmp_path / "history.toml").write_text(f'{head}{line}\n[variables.r]\nstates = ["a", "b"]\n')
    (tmp_path / "units.csv").write_text("unit\nx\n")
    with pytest.raises(tc.HistoryError, match=r"history\.toml, line"):
        tc.load_history(tmp_path)
