"""What is no file of a history is a sentence: pipes, devices, folders, links that lead out, sizes without bound."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from helpers.road import MODEL, small_folder

from tocsin.errors import TocsinError
from tocsin.files.reading import FileRefused, read_bytes, read_text, read_toml
from tocsin.fit.save import load_fit
from tocsin.history.history import load_history
from tocsin.model.model import Model

TABLES = ["history.toml", "units.csv", "events.csv", "ties.csv", "covariates.csv", "sources.csv"]
COMPANIONS = ["model.toml", "claims.toml", "ledger.toml", "scenarios.toml", "tour.toml"]


def pipe(path: Path) -> None:
    os.mkfifo(path)


def device(path: Path) -> None:
    path.symlink_to("/dev/zero")


def folder(path: Path) -> None:
    path.mkdir()


def endless(path: Path) -> None:
    path.touch()
    os.truncate(path, 2**40)


def away(path: Path) -> None:
    outside = path.parent.parent / "outside"
    outside.write_text("title = 'a secret'\n")
    path.symlink_to(outside)


KINDS = {"pipe": pipe, "device": device, "folder": folder, "larger than": endless, "leads out": away}


@pytest.mark.parametrize("name", [*TABLES, "units.parquet", *COMPANIONS])
@pytest.mark.parametrize("kind", KINDS)
def test_a_history_with_something_else_in_a_files_place(kind: str, name: str, tmp_path: Path) -> None:
    small = small_folder(tmp_path / "small")
    if name == "units.parquet":
        (small / "units.csv").unlink()
    (small / name).unlink(missing_ok=True)
    KINDS[kind](small / name)
    with pytest.raises(TocsinError, match=f"{name}: .*{kind}") as told:
        load_history(small)
    assert "secret" not in str(told.value)


@pytest.mark.parametrize("kind", ["pipe", "device", "folder", "larger than"])
@pytest.mark.parametrize(
    "read", [load_fit, lambda path: Model.from_toml(Path(path)), lambda path: read_text(path)]
)
def test_other_files(kind: str, read: Callable[[Path], object], tmp_path: Path) -> None:
    KINDS[kind](tmp_path / "file")
    with pytest.raises((TocsinError, FileRefused)) as told:
        read(tmp_path / "file")
    assert kind in str(told.value)


@pytest.mark.parametrize(
    "words",
    [
        ["fit", "SMALL", "--model", "FILE"],
        ["replay", "--again", "FILE"],
        ["ledger", "SMALL", "--ledger", "FILE"],
        ["publish", "SMALL", "--to", "OUT", "--scenarios", "FILE"],
        ["validate", "FILE"],
    ],
)
def test_a_pipe_hangs_no_verb(words: list[str], tmp_path: Path) -> None:
    small = small_folder(tmp_path / "small")
    os.mkfifo(tmp_path / "file")
    there = {"SMALL": str(small), "FILE": str(tmp_path / "file"), "OUT": str(tmp_path / "out")}
    done = subprocess.run(
        [sys.executable, "-m", "tocsin", *(there.get(word, word) for word in words)],
        capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert done.returncode == 1 and "Traceback" not in done.stderr, done.stderr


def test_borders_and_models_stay_in_the_folder(tmp_path: Path) -> None:
    small = small_folder(tmp_path / "small")
    head = (small / "history.toml").read_text()
    outlines = '{"type": "FeatureCollection", "features": []}'
    (tmp_path / "map.geojson").write_text(outlines)
    (tmp_path / "other.toml").write_text(MODEL)
    for key, value in (
        ("borders", str(tmp_path / "map.geojson")),
        ("borders", "../map.geojson"),
        ("default_model", "../other.toml"),
        ("default_model", str(tmp_path / "other.toml")),
    ):
        kept = "\n".join(line for line in head.splitlines() if not line.startswith(key))
        (small / "history.toml").write_text(f'{key} = "{value}"\n{kept}')
        with pytest.raises(TocsinError, match="in the folder of"):
            load_history(small)


def test_links_inside_and_a_folder_that_is_a_link(tmp_path: Path) -> None:
    small = small_folder(tmp_path / "small")
    shutil.move(small / "units.csv", small / "places.txt")
    (small / "units.csv").symlink_to("places.txt")
    (tmp_path / "linked").symlink_to(small)
    assert load_history(tmp_path / "linked").digest == load_history(small).digest


def test_a_file_that_grows(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"12345")
    assert read_bytes(tmp_path / "file", 5) == b"12345"
    with pytest.raises(FileRefused, match="larger"):
        read_bytes(tmp_path / "file", 4)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"a = " + b"[" * 5000, "brackets"),
        (b"a = " + b"9" * 5000, "digits"),
        (b"a = 1\nb = null", r"line 2"),
        (b"a = 1\nb = '\xe9'", r"not UTF-8 \(at line 2\)"),
    ],
)
def test_toml_that_cannot_be_read_is_told_with_its_line(content: bytes, said: str, tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_bytes(content)
    with pytest.raises(TocsinError, match=rf"a\.toml: .*{said}"):
        read_toml(tmp_path / "a.toml")
    (tmp_path / "a.toml").write_bytes(b"\xef\xbb\xbfa = 1")
    assert read_toml(tmp_path / "a.toml") == {"a": 1}
