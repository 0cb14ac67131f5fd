"""Bounds: of worlds, seeds, messages and times; what is beyond them is refused in words."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from helpers.road import small_folder
from helpers.small_wave import wave
from typer.testing import CliRunner

import tocsin as tc
from tocsin.classroom.toml import Faults
from tocsin.cli.main import app
from tocsin.ensemble.room import anyway, check_room
from tocsin.errors import HistoryError, Problem, listed
from tocsin.history.tables.schema import Report
from tocsin.history.toml import read_head
from tocsin.interventions.sentences import read
from tocsin.report.replay import replay, replay_again

TOO_LARGE = [2**64, 2**64 + 1, 10**30, -1, np.int64(-1), True, 1.5, "1"]


def command(*words: str) -> tuple[int, str]:
    done = CliRunner().invoke(app, list(words))
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done.exit_code, done.output


@pytest.mark.parametrize("seed", TOO_LARGE)
def test_seeds_beyond_their_bounds_are_refused(seed: object) -> None:
    history, given = wave()
    with pytest.raises(tc.TocsinError, match="seed"):
        given.simulate(history, 3, seed)  # type: ignore[arg-type]
    with pytest.raises(tc.SentenceError, match="seed"):
        tc.rewire_layer("road", "1_0" if seed == "1" else seed)  # type: ignore[arg-type]
    with pytest.raises(tc.TocsinError, match="seed"):
        given.what_if(history, ["remove layer road"], worlds=4, seed=seed)  # type: ignore[arg-type]


def test_the_largest_seed_is_a_seed() -> None:
    history, given = wave()
    largest, first = (given.simulate(history, 20, seed).events for seed in (2**64 - 1, 0))
    assert not largest.equals(first)


@pytest.mark.parametrize("seed", ["18446744073709551616", "-1"])
@pytest.mark.parametrize("verb", ["replay", "whatif", "check", "forecast", "ledger", "support"])
def test_seeds_of_the_command_line(verb: str, seed: str) -> None:
    assert command(verb, "1917", f"--seed={seed}")[0] == 2


@pytest.mark.parametrize(
    "words",
    [
        ["replay", "1917", "--out", ""],
        ["replay", "1917", "--out="],
        ["fit", "1917", "--out", " "],
        ["attribute", "1917", "--out", ""],
        ["check", "1917", "--out", ""],
        ["forecast", "1917", "--out", ""],
        ["ledger", "1917", "--out", ""],
        ["support", "1917", "--layer", "comintern", "--out", ""],
        ["claims", "1917", "--out", ""],
        ["whatif", "1917", "--do", "remove layer front", "--out", ""],
        ["publish", "1917", "--to", ""],
    ],
)
def test_an_empty_name_is_no_folder(words: list[str]) -> None:
    code, told = command(*words)
    assert code == 2 and "names no file or folder" in told


@pytest.mark.parametrize("number", ["1_000", "١٢", "１２", "0x10", "1e", "inf", "nan", "1,5", "−1"])
def test_numbers_in_sentences_are_as_in_tables(number: str) -> None:
    for sentence in (f"scale x by {number}", f"set x to {number}", f"shift x by {number}"):
        with pytest.raises(tc.SentenceError, match="number"):
            read(sentence)
    assert command("replay", "1917", "--from", number)[0] == 2


def test_worlds_that_fit_nowhere(tmp_path: Path) -> None:
    history, given = wave()
    with pytest.raises(tc.TocsinError, match=r"1,000,000,000,000 worlds need about .* of memory, where"):
        given.simulate(history, 10**12, 1)
    with pytest.raises(tc.TocsinError, match=r"of disk at .* are free: ask for fewer worlds"):
        given.simulate(history, 10**14, 1, folder=tmp_path / "kept")
    assert not (tmp_path / "kept").exists()
    with anyway():
        from tocsin.ensemble.simulate import recipe_of

        program = given.model.compile(history)
        recipe, _ = recipe_of(program, program.pack(given.values), 1)
        with pytest.warns(UserWarning, match="worlds need about"):
            check_room(recipe, 10**12, None, 1)


def test_many_problems_take_few_lines() -> None:
    many = [Problem("ties.csv", number, "source", "x", "unknown unit") for number in range(5000)]
    few = [Problem("units.csv", 3, "lon", "200", "bad coordinate")]
    told = str(HistoryError([*many, *few], "my-history")).splitlines()
    assert len(told) == 50 and told[0] == "my-history: 5,001 problems"
    assert any("bad coordinate" in line for line in told)
    assert told[-1] == "  and 4,953 more: 4,953 in ties.csv"
    assert len(HistoryError([*many, *few]).problems) == 5001
    assert len(listed("file", ["a"] * 10_000).splitlines()) == 50
    assert len(listed("file", ["a"] * 48).splitlines()) == 49
    faults = Faults(Path("tour.toml"))
    for number in range(1000):
        faults.add(f"step {number}: wrong")
    with pytest.raises(tc.TocsinError) as refused:
        faults.refuse()
    assert len(str(refused.value).splitlines()) == 50


def test_what_a_history_holds_takes_few_lines(tmp_path: Path) -> None:
    """Thousands of layers and covariates: read in one pass, told by a few and a count."""
    folder = small_folder(tmp_path / "small")
    names = [f"c{number}" for number in range(3000)]
    place = (folder / "units.csv").read_text().splitlines()[1].split(",")[0]
    rows = "".join(f"{place},{name},{number}\n" for number, name in enumerate(names))
    (folder / "covariates.csv").write_text("unit,covariate,value\n" + rows)
    with (folder / "history.toml").open("a") as head:
        head.write("".join(f"\n[layers.l{number}]\n" for number in range(3000)))
    code, said = command("validate", str(folder))
    assert code == 0 and "more covariates: 2,960" in said and "more layers: " in said
    assert len(said.splitlines()) < 100
    numbers = tc.load_history(folder).numbers
    assert [float(numbers.covariates[name].value[0]) for name in names] == list(range(3000))


def test_each_line_of_a_head_is_found(tmp_path: Path) -> None:
    """The index of lines finds what a search through all of them found."""
    lines = ["title = 'x'", "window = [0.0, 10.0]", "[variables.s]", "states = ['a', 'b']"]
    lines += [
        "[variables.'s two']",
        "states = ['a']",
        "initial = 'c'",
        "[layers]",
        "road = {combine = 'most'}",
    ]
    lines += ['[layers."sea way"]', "combine = 'sum'", "colour = 1", "[covariates]", "'é'.outside = 'x'"]
    (tmp_path / "history.toml").write_text("\n".join(lines))
    report = Report()
    read_head(tmp_path / "history.toml", report)
    at = {(problem.column, problem.line) for problem in report.problems()}
    assert {("s two", 7), ("road", 9), ("colour", 12), ("é", 14)} <= at


@pytest.mark.parametrize("number", ["1_000", "٣", "１２", "1e3", " 5", "0x10", "5.0", ""])
@pytest.mark.parametrize(
    ("verb", "option"),
    [
        ("replay", "--worlds"),
        ("replay", "--seed"),
        ("whatif", "--worlds"),
        ("explore", "--port"),
        ("explore", "--seed"),
        ("publish", "--worlds"),
        ("forecast", "--past"),
        ("check", "--placebos"),
        ("support", "--periods"),
        ("attribute", "--draws"),
    ],
)
def test_whole_numbers_of_the_command_line_are_as_in_tables(verb: str, option: str, number: str) -> None:
    code, told = command(verb, "1917", f"{option}={number}")
    assert code == 2 and f"Invalid value for '{option}': it must be a whole number" in told


@pytest.mark.parametrize("number", ["1_0", "٣", "nan", "1e999", ""])
@pytest.mark.parametrize(
    ("verb", "option"), [("forecast", "--horizon"), ("support", "--budget"), ("support", "--most")]
)
def test_numbers_of_the_command_line_are_as_in_tables(verb: str, option: str, number: str) -> None:
    code, told = command(verb, "1917", f"{option}={number}")
    assert code == 2 and "is not a plain number" in told


def test_a_manifest_that_stands_alone_and_asks_for_too_many_worlds(tmp_path: Path) -> None:
    done = replay(small_folder(tmp_path / "small"), worlds=5).write(tmp_path / "out")
    content = json.loads((done / "manifest.json").read_text())
    for worlds in (2**63, 2**70, 10**300):
        (tmp_path / "manifest.json").write_text(json.dumps(content | {"worlds": worlds}))
        with pytest.raises(
            tc.TocsinError, match=r"manifest\.json: there can be 1,000,000,000,000,000 worlds"
        ):
            replay_again(tmp_path / "manifest.json")
