"""The command line as a user meets it: exit codes, messages, no traceback."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from helpers.road import small_folder
from typer.testing import CliRunner, Result

from tocsin.cli.main import app


def tocsin(*arguments: object) -> Result:
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert "Traceback" not in result.output
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return small_folder(tmp_path / "small")


def test_help_teaches_and_imports_nothing_heavy() -> None:
    for verb in ((), ("replay",), ("fit",), ("attribute",), ("histories",), ("validate",)):
        result = tocsin(*verb, "--help")
        assert result.exit_code == 0
        assert "tocsin" in result.output
    assert 'tocsin replay 1917 --do "remove layer comintern"' in tocsin("replay", "--help").output
    heavy = ("numpy", "pandas", "numba", "pyarrow", "altair")
    code = f"import sys, tocsin.cli.main; print([name for name in {heavy} if name in sys.modules])"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "[]"


@pytest.mark.parametrize(
    "arguments",
    [
        ("nonsense",),
        ("replay",),
        ("replay", "1917", "--nope"),
        ("replay", "1917", "--worlds", "-3"),
        ("replay", "1917", "--worlds", "0"),
        ("replay", "1917", "--worlds", "many"),
        ("replay", "1917", "--seed", "-1"),
        ("replay", "1917", "--from", "yesterday"),
        ("replay", "1917", "--to", "1919-02-30"),
        ("replay", "1917", "--again", "manifest.json"),
        ("replay", "--again", "manifest.json", "--do", "remove layer comintern"),
        ("histories", "--unit", "hungary"),
        ("validate",),
        ("fit",),
        ("attribute", "1917", "--from", "x"),
        ("attribute", "1917", "--by", "region"),
        ("attribute", "1917", "--draws", "-1"),
        ("replay", "1917", "--do", "set fire to it"),
        ("replay", "1917", "--do", "romove layer comintern"),
    ],
)
def test_a_wrong_command_line_exits_2(arguments: tuple[str, ...]) -> None:
    result = tocsin(*arguments)
    assert result.exit_code == 2
    assert "Error" in result.output or result.output.startswith("tocsin: cannot read the intervention")


def test_wrong_data_exits_1_and_names_the_place(folder: Path, tmp_path: Path) -> None:
    for arguments, words in (
        (("replay", tmp_path / "none"), "none"),
        (("fit", folder, "--model", tmp_path / "none.toml"), "none.toml"),
        (("replay", folder, "--do", "remove layer rod"), "did you mean 'road'"),
        (("replay", folder, "--from", "1931-01-01"), "window"),
        (("replay", folder, "--wave", "regime=x"), "no state 'x'"),
        (("replay", "--again", tmp_path / "manifest.json"), "manifest.json"),
        (("histories", folder, "--unit", "aaa"), "did you mean 'aa'"),
        (("attribute", folder, "--unit", "aaa"), "did you mean 'aa'"),
        (("attribute", folder, "--transition", "regime: old > sovet"), "did you mean 'regime: old > soviet'"),
    ):
        result = tocsin(*arguments)
        assert result.exit_code == 1, arguments
        assert words in result.output
        assert result.output.startswith("tocsin: ")


def test_validate_prints_every_problem(folder: Path) -> None:
    assert tocsin("validate", folder).exit_code == 0
    events = folder / "events.csv"
    events.write_text(events.read_text().replace("soviet", "soviets", 1).replace("bb", "bbb", 1))
    result = tocsin("validate", folder)
    assert result.exit_code == 1
    assert " problems" in result.output
    assert "events.csv, line 2" in result.output
    assert "did you mean 'soviet'" in result.output
    assert "did you mean 'bb'" in result.output


def test_histories_lists_and_shows(folder: Path) -> None:
    assert "1917" in tocsin("histories").output
    assert "A small wave" in tocsin("histories", folder).output
    shown = tocsin("histories", folder, "--unit", "aa").output
    assert "confidence: high" in shown
    assert "A book (1920)" in shown


def test_replay_prints_a_table_writes_and_repeats(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    result = tocsin(
        "replay", folder, "--worlds", 40, "--seed", 3, "--out", out, "--do", "prevent bb regime=soviet"
    )
    assert result.exit_code == 0, result.output
    assert "1919-01-04" in result.output
    assert "The expected effect is" in result.output and "In one wave" in result.output
    assert str(out / "report.html") in result.output
    again = tocsin("replay", "--again", out / "manifest.json")
    assert again.exit_code == 0, again.output
    assert "The same to the bit" in again.output
    assert (tmp_path / "out-again" / "ensemble.parquet").read_bytes() == (
        out / "ensemble.parquet"
    ).read_bytes()
    manifest = json.loads((out / "manifest.json").read_text())
    manifest["files"]["ensemble.parquet"] = "0" * 64
    (out / "manifest.json").write_text(json.dumps(manifest))
    refused = tocsin("replay", "--again", out / "manifest.json")
    assert refused.exit_code == 1 and "not whole: ensemble.parquet is not" in refused.output
    on_its_own = tmp_path / "on-its-own" / "manifest.json"
    on_its_own.parent.mkdir()
    (out / "manifest.json").rename(on_its_own)
    differing = tocsin("replay", "--again", on_its_own)
    assert differing.exit_code == 1
    assert "ensemble.parquet differ" in differing.output


def test_replay_without_out_names_its_folder(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert tocsin("replay", folder, "--worlds", 5).exit_code == 0
    (made,) = (tmp_path / "runs").iterdir()
    assert made.name.startswith("small-")
    assert (made / "manifest.json").exists()


def test_fit_and_attribute(folder: Path, tmp_path: Path) -> None:
    result = tocsin("fit", folder, "--out", tmp_path / "fit.json")
    assert result.exit_code == 0, result.output
    assert "regime: old > soviet | road | susceptibility | 1" in result.output
    assert json.loads((tmp_path / "fit.json").read_text())["params"]
    result = tocsin("attribute", folder, "--out", tmp_path / "shares")
    assert result.exit_code == 0, result.output
    assert "road" in result.output
    written = {path.name for path in (tmp_path / "shares").iterdir()}
    assert written == {
        "causes.csv",
        "sources.csv",
        "totals.csv",
        "attribution.json",
        "offspring.csv",
        "tree.csv",
        "tree.graphml",
    }
    assert "1919-01-09" in tocsin("attribute", folder, "--unit", "bb").output
    for by in ("transition", "layer", "source", "period"):
        assert "95% interval" in tocsin("attribute", folder, "--by", by).output
    tree = tocsin("attribute", folder, "--tree", "--draws", 0, "--transition", "regime: old > soviet").output
    assert "consensus tree" in tree and "events from home" in tree and "No intervals" in tree
