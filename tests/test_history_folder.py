"""Every fault of a folder is named with its file, line, column, value and nearest valid name."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tocsin.errors import HistoryError, Problem
from tocsin.history.history import History, load_history

HEAD = """\
title = "A small wave"
window = [1917-01-01, 1923-12-31]
clock = "day"

[variables.regime]
states = ["old", "soviet"]
initial = "old"

[variables.riot]
states = ["calm", "riot"]
recurrent = true

[layers.comintern]
combine = "max"

[covariates.hunger]
outside = 0
"""
UNITS = """\
unit,label,enter,exit,lon,lat,population,regime,confidence
russia,Russia,,,37.6,55.8,91,,high
hungary,Hungary,,1921-12-31,19.0,47.5,8,,high
bavaria,Bavaria,1918-11-08,,11.6,48.1,7,,low
"""
EVENTS = """\
unit,variable,state,time,citation,confidence,note
russia,regime,soviet,1917-11-07,k1,high,
hungary,regime,soviet,1919-03-21,k1,high,"two
lines, one cell"
hungary,regime,old,1919-08-01,k1,medium,
bavaria,riot,riot,1919-02-21,k1,low,
bavaria,riot,riot,1919-02-26,k1,low,
"""
TIES = """\
layer,source,target,weight,start,end
border,hungary,bavaria,1,1918-11-08,1923-12-31
comintern,russia,hungary,1,1919-03-04,1920-12-31
comintern,russia,hungary,2,1919-06-01,1919-08-01
"""
COVARIATES = """\
unit,covariate,value,start,end
*,hunger,1,1917-01-01,1919-06-30
hungary,hunger,0.5,1919-01-01,1919-12-31
"""
FILES = {
    "history.toml": HEAD,
    "units.csv": UNITS,
    "events.csv": EVENTS,
    "ties.csv": TIES,
    "covariates.csv": COVARIATES,
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "small"
    path.mkdir()
    for name, text in FILES.items():
        (path / name).write_text(text, encoding="utf-8")
    return path


def change(folder: Path, file: str, old: str, new: str) -> None:
    path = folder / file
    text = path.read_text(encoding="utf-8")
    assert text.count(old) >= 1
    path.write_text(text.replace(old, new, 1), encoding="utf-8")


def problems(folder: Path) -> list[Problem]:
    with pytest.raises(HistoryError) as refused:
        load_history(folder)
    return refused.value.problems


def only(folder: Path) -> Problem:
    found = problems(folder)
    assert len(found) == 1, "\n".join(map(str, found))
    return found[0]


def test_the_folder_is_a_history(folder: Path) -> None:
    history = load_history(folder)
    assert isinstance(history, History)
    assert history.name == "small"
    assert list(history.numbers.units) == ["bavaria", "hungary", "russia"]
    assert history.layers == {"border": None, "comintern": "max"}
    assert history.outside == {"hunger": 0.0}


# file, what to replace, by what, then the one problem: line, column, value, nearest, words of the message
ONE_FAULT = [
    ("events.csv", "russia,regime", "rusia,regime", 2, "unit", "rusia", "russia", "unknown unit"),
    ("events.csv", "russia,regime", "russia,regme", 2, "variable", "regme", "regime", "unknown variable"),
    ("events.csv", "regime,old", "regime,odl", 5, "state", "odl", "old", "unknown state"),
    ("events.csv", "1917-11-07", "1917-11-31", 2, "time", "1917-11-31", None, "bad date"),
    ("events.csv", "1917-11-07", "7.11.1917", 2, "time", "7.11.1917", None, "bad date"),
    ("events.csv", "1917-11-07", "0000-11-07", 2, "time", "0000-11-07", None, "bad date"),
    ("events.csv", "1917-11-07", "19170", 2, "time", "19170", None, "plain number"),
    ("events.csv", "1917-11-07", "", 2, "time", None, None, "no time"),
    ("events.csv", "1917-11-07", "9999-12-31", 2, "time", "9999-12-31", None, "after the window"),
    (
        "events.csv",
        "hungary,regime,old,1919-08-01",
        "hungary,regime,old,1922-08-01",
        5,
        "time",
        "1922-08-01",
        None,
        "has left",
    ),
    ("events.csv", "1919-02-21", "1918-11-07", 6, "time", "1918-11-07", None, "has not entered"),
    ("events.csv", "1919-02-21", "1914-11-07", 6, "time", "1914-11-07", None, "has not entered"),
    (
        "events.csv",
        "hungary,regime,old",
        "hungary,regime,soviet",
        5,
        "state",
        "soviet",
        None,
        "already holds",
    ),
    ("events.csv", "russia,regime,soviet", "russia,regime,old", 2, "state", "old", None, "already holds"),
    ("events.csv", "1919-02-26", "1919-02-21", 7, "state", "riot", None, "duplicated event: line 6"),
    ("events.csv", "k1,medium", "k1,medum", 5, "confidence", "medum", "medium", "unknown confidence"),
    ("events.csv", ",state,", ",staet,", 1, "staet", "staet", "state", "unknown column"),
    (
        "events.csv",
        ",confidence",
        ",confidense",
        1,
        "confidense",
        "confidense",
        "confidence",
        "unknown column",
    ),
    (
        "events.csv",
        "russia,regime,soviet,1917-11-07,k1,high,",
        "russia,regime,soviet,1917-11-07,k1,high,,",
        2,
        None,
        None,
        None,
        "too many cells",
    ),
    (
        "events.csv",
        "bavaria,riot,riot,1919-02-21,k1,low,",
        "bavaria,riot",
        6,
        None,
        None,
        None,
        "too few cells",
    ),
    (
        "events.csv",
        "bavaria,riot,riot,1919-02-21",
        '"bavaria,riot,riot,1919-02-21',
        6,
        None,
        None,
        None,
        "never closed",
    ),
    ("ties.csv", "border,hungary", "border,hungry", 2, "source", "hungry", "hungary", "unknown unit"),
    ("ties.csv", "bavaria,1,", "bavaria,-1,", 2, "weight", "-1", None, "negative"),
    ("ties.csv", "bavaria,1,", "bavaria,nan,", 2, "weight", "nan", None, "bad number"),
    ("ties.csv", "bavaria,1,", "bavaria,inf,", 2, "weight", "inf", None, "bad number"),
    ("ties.csv", "bavaria,1,", "bavaria,1e999,", 2, "weight", "1e999", None, "bad number"),
    ("ties.csv", "bavaria,1,", "bavaria,one,", 2, "weight", "one", None, "bad number"),
    ("ties.csv", "bavaria,1,", "bavaria,,", 2, "weight", None, None, "no weight"),
    (
        "ties.csv",
        "1919-06-01,1919-08-01",
        "1919-06-01,1919-05-01",
        4,
        "end",
        "1919-05-01",
        None,
        "end before start",
    ),
    (
        "ties.csv",
        "comintern,russia,hungary,1",
        "cominterm,russia,hungary,1",
        3,
        "layer",
        "cominterm",
        "comintern",
        "unknown layer",
    ),
    (
        "ties.csv",
        "comintern,russia,hungary,2",
        "border,hungary,bavaria,2",
        4,
        "target",
        "bavaria",
        None,
        "duplicate tie",
    ),
    ("covariates.csv", "hungary,hunger,0.5", "hungary,hunger,half", 3, "value", "half", None, "bad number"),
    (
        "covariates.csv",
        "hungary,hunger,0.5",
        "*,hunger,0.5",
        3,
        "start",
        "1919-01-01",
        None,
        "coverage overlap",
    ),
    (
        "covariates.csv",
        "hungary,hunger,0.5",
        "hungary,regime,0.5",
        3,
        "covariate",
        "regime",
        None,
        "state variable",
    ),
    (
        "units.csv",
        "bavaria,Bavaria,1918-11-08,,",
        "bavaria,Bavaria,1918-11-08,1918-11-01,",
        4,
        "exit",
        "1918-11-01",
        None,
        "enter after exit",
    ),
    (
        "units.csv",
        "bavaria,Bavaria,1918-11-08,",
        "bavaria,Bavaria,8 Nov,",
        4,
        "enter",
        "8 Nov",
        None,
        "bad date",
    ),
    ("units.csv", "37.6,55.8", "37.6,95.8", 2, "lat", "95.8", None, "bad coordinate"),
    ("units.csv", "37.6,55.8", "181,55.8", 2, "lon", "181", None, "bad coordinate"),
    ("units.csv", "55.8,91,,", "55.8,91,sovjet,", 2, "regime", "sovjet", "soviet", "unknown state"),
    ("units.csv", "exit,", "exti,", 1, "exti", "exti", "exit", "unknown column"),
    ("history.toml", 'clock = "day"', 'clock = "dya"', 3, "clock", "dya", "day", "unknown clock"),
    ("history.toml", "title", "titel", 1, "titel", "titel", "title", "unknown key"),
    ("history.toml", 'combine = "max"', 'combine = "mix"', 14, "comintern", "mix", "max", "combine"),
    ("history.toml", "combine", "combin", 14, "combin", "combin", "combine", "unknown key"),
    ("history.toml", "outside = 0", "outside = nan", 17, "hunger", "nan", None, "bad number"),
    (
        "history.toml",
        "covariates.hunger",
        "covariates.hungre",
        16,
        "hungre",
        "hungre",
        "hunger",
        "unknown covariate",
    ),
    ("history.toml", 'initial = "old"', 'initial = "odl"', 7, "regime", "odl", "old", "initial state"),
    ("history.toml", "window = [", "window = = [", 2, None, None, None, "broken TOML"),
    (
        "history.toml",
        "1917-01-01, 1923-12-31",
        "1923-12-31, 1917-01-01",
        2,
        "window",
        "1923-12-31 to 1917-01-01",
        None,
        "ends before",
    ),
    (
        "history.toml",
        "1917-01-01,",
        "1,",
        2,
        "window",
        "[1, datetime.date(1923, 12, 31)]",
        None,
        "a date, the other a number",
    ),
    (
        "history.toml",
        "window = [1917-01-01, 1923-12-31]\n",
        "",
        None,
        "window",
        None,
        None,
        "window is missing",
    ),
    (
        "history.toml",
        'clock = "day"',
        'default_model = "modle.toml"',
        3,
        "default_model",
        "modle.toml",
        None,
        "no such file",
    ),
    (
        "history.toml",
        'clock = "day"',
        'default_model = "../x.toml"',
        3,
        "default_model",
        "../x.toml",
        None,
        "in the folder",
    ),
]


@pytest.mark.parametrize(
    "case", ONE_FAULT, ids=[f"{case[0]}: {case[7]}: {case[3]} {case[5]}" for case in ONE_FAULT]
)
def test_one_fault_is_one_problem(
    folder: Path, case: tuple[str, str, str, int | None, str | None, str | None, str | None, str]
) -> None:
    file, old, new, line, column, value, near, words = case
    change(folder, file, old, new)
    found = problems(folder)
    hits = [problem for problem in found if words in problem.message]
    assert hits, "\n".join(map(str, found))
    problem = hits[0]
    assert (problem.file, problem.line, problem.column, problem.nearest) == (file, line, column, near)
    if value is not None:
        assert problem.value == value
    others = [problem for problem in found if problem not in hits and "is missing" not in problem.message]
    assert not others, "\n".join(map(str, others))


def test_all_faults_come_in_one_report(folder: Path) -> None:
    changed = [
        case
        for case in ONE_FAULT
        if case[7] in ("unknown unit", "negative", "bad coordinate", "unknown confidence")
    ]
    for case in changed[:-1]:
        change(folder, *case[:3])
    change(folder, "history.toml", "title", "titel")
    (folder / "covariates.csv").write_bytes(b"")
    found = problems(folder)
    assert {problem.file for problem in found} == {
        "history.toml",
        "units.csv",
        "events.csv",
        "ties.csv",
        "covariates.csv",
    }
    assert found[0].file == "history.toml"
    assert str(len(found)) in str(HistoryError(found))


def test_a_missing_column_is_named(folder: Path) -> None:
    change(folder, "ties.csv", "source,target", "from,to")
    found = problems(folder)
    assert [(problem.line, problem.column) for problem in found] == [(1, "source"), (1, "target")]
    assert "rename 'from'" in found[0].message


def test_missing_files(folder: Path) -> None:
    (folder / "units.csv").unlink()
    problem = only(folder)
    assert (problem.file, problem.message) == ("units.csv", "the file is missing")
    (folder / "history.toml").unlink()
    assert [problem.file for problem in problems(folder)] == ["history.toml", "units.csv"]


def test_optional_tables_may_be_absent_and_misspelt_ones_may_not(folder: Path) -> None:
    for name in ("events.csv", "ties.csv"):
        (folder / name).unlink()
    assert len(load_history(folder).events) == 0
    (folder / "covariates.csv").rename(folder / "covariate.csv")
    assert only(folder).nearest == "covariates.csv"


def test_empty_files_and_headers_alone(folder: Path) -> None:
    (folder / "events.csv").write_text("unit,variable,state,time\n")
    assert len(load_history(folder).events) == 0
    for content in (b"", b" \n\n"):
        (folder / "events.csv").write_bytes(content)
        assert "empty" in only(folder).message


def test_encodings(folder: Path) -> None:
    text = UNITS.replace("Bavaria", "Freistaat Königreich")
    (folder / "units.csv").write_bytes(text.encode("latin-1"))
    problem = only(folder)
    assert (problem.file, problem.line) == ("units.csv", 4)
    assert "encoding" in problem.message
    assert "ö" in (problem.value or "")
    (folder / "units.csv").write_bytes(text.encode("utf-16"))
    assert "UTF-16" in only(folder).message
    (folder / "units.csv").write_bytes(text.encode("utf-8-sig"))
    assert "Freistaat Königreich" in load_history(folder).units["label"].tolist()
    (folder / "units.csv").write_bytes(text.replace("\n", "\r\n").encode())
    assert load_history(folder).units["label"].tolist()[0] == "Freistaat Königreich"


def test_what_is_no_text_at_all(folder: Path) -> None:
    (folder / "ties.csv").write_bytes(b"layer,source,target\n\0\0\0")
    problem = only(folder)
    assert (problem.line, "NUL" in problem.message) == (2, True)
    (folder / "ties.csv").unlink()
    (folder / "ties.parquet").write_bytes(b"PAR1 not really PAR1")
    assert only(folder).file == "ties.parquet"
    (folder / "ties.parquet").unlink()
    (folder / "ties.csv").mkdir()
    assert "folder" in only(folder).message


def test_semicolons_are_recognised(folder: Path) -> None:
    (folder / "ties.csv").write_text(TIES.replace(",", ";"))
    assert "semicolons" in only(folder).message


def test_two_formats_of_one_table_are_refused(folder: Path) -> None:
    (folder / "ties.parquet").write_bytes(b"")
    assert "keep one" in only(folder).message


def test_no_such_history() -> None:
    with pytest.raises(HistoryError, match="no packaged history"):
        load_history("no-such-history")
    with pytest.raises(HistoryError):
        load_history("\0")
    with pytest.raises(HistoryError, match="this is a file"):
        load_history(__file__)


def test_a_number_gone_wrong_is_not_taken_for_a_name(folder: Path) -> None:
    rows = "".join(f"u{k},U,,,,,{k},,high\n" for k in range(8))
    (folder / "units.csv").write_text(UNITS + rows.replace("U,,,,,5,", "U,,,,,5O,"))
    problem = only(folder)
    assert (problem.line, problem.column, problem.value) == (10, "population", "5O")
    change(
        folder,
        "history.toml",
        "[covariates.hunger]",
        '[columns.population]\ntype = "text"\n\n[covariates.hunger]',
    )
    assert "5O" in load_history(folder).units["population"].tolist()


def test_one_report_is_not_endless(folder: Path) -> None:
    (folder / "ties.csv").write_text("layer,source,target,weight\n" + "border,hungary,russia,x\n" * 3000)
    found = problems(folder)
    assert len(found) < 1100
    assert "2000 more" in found[-1].message


def test_nothing_in_a_history_is_run(folder: Path, tmp_path: Path) -> None:
    trap = f"__import__('pathlib').Path({str(tmp_path / 'ran')!r}).touch()"
    change(folder, "units.csv", "Bavaria", f'"{trap}"')
    load_history(folder)
    change(folder, "units.csv", "8,,high", f'8,"{trap}",high')
    problems(folder)
    assert not (tmp_path / "ran").exists()


def test_the_model_comes_with_the_folder(folder: Path, tmp_path: Path) -> None:
    assert load_history(folder).model_path is None
    (folder / "model.toml").write_text("# a model\n")
    history = load_history(folder)
    assert history.model_path == folder / "model.toml"
    history.write(tmp_path / "copy")
    assert (tmp_path / "copy" / "model.toml").read_text() == "# a model\n"
    shutil.rmtree(folder)
    assert load_history(tmp_path / "copy") == history
