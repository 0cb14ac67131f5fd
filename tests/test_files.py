"""Folders of results: killed at any instant, met by two, damaged; whole, or seen to be not."""

from __future__ import annotations

import hashlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from functools import partialmethod
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from helpers.road import small_folder, small_history

from tocsin.ensemble.ensemble import Ensemble
from tocsin.errors import TocsinError
from tocsin.files.csv_for_people import csv_of, write_tables
from tocsin.files.results import LEDGER, RUN, check_run, faults, replacing
from tocsin.files.whole import whole, write_whole
from tocsin.fit.save import load_fit
from tocsin.history.history import load_history
from tocsin.model.model import Model
from tocsin.report.replay import replay, replay_again

# Two runs take turns in one folder; what a file holds says which run it is of.
OVERWRITING = """
import json, pathlib, sys, itertools
from tocsin.files.results import RUN, digests, replacing
folder = pathlib.Path(sys.argv[1])
names = ["ensemble.parquet", "summary.csv", "fit.json", "report.html"]
for turn in itertools.count():
    with replacing(folder, RUN) as stage:
        for name in names + ["baseline.parquet"] * (turn % 2):
            (stage / name).write_text(f"run {turn} {name}" * 2000)
        (stage / "manifest.json").write_text(
            json.dumps({"verb": "replay", "turn": turn, "files": digests(stage)})
        )
    if turn == 0:
        print("began", flush=True)
"""
NAMES = {"ensemble.parquet", "baseline.parquet", "summary.csv", "fit.json", "report.html"}


def start(code: str, *arguments: str) -> subprocess.Popen[str]:
    process = subprocess.Popen([sys.executable, "-c", code, *arguments], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "began\n"
    return process


def test_killed_at_random_while_overwriting(tmp_path: Path) -> None:
    chance = random.Random(7)
    folder = tmp_path / "out"
    folder.mkdir()
    (folder / "mine.txt").write_text("kept")
    unfinished = 0
    for _ in range(30):
        process = start(OVERWRITING, str(folder))
        time.sleep(chance.uniform(0, 0.03))
        process.send_signal(signal.SIGKILL)
        process.wait()
        if process.stdout is not None:
            process.stdout.close()
        there = {name for name in NAMES if (folder / name).exists()}
        runs = {(folder / name).read_text().split(" ")[1] for name in there}
        assert len(runs) <= 1  # no file of one run beside those of another
        if (folder / RUN.manifest).exists():
            manifest = json.loads((folder / RUN.manifest).read_text())
            assert not faults(folder, manifest["files"])
            assert set(manifest["files"]) == there and runs == {str(manifest["turn"])}
        else:
            unfinished += 1
            with pytest.raises(TocsinError, match="a run was stopped here"):
                replay_again(folder / RUN.manifest)
    assert unfinished or not list(folder.glob(".tocsin-*"))
    with replacing(folder, RUN) as stage:
        (stage / RUN.manifest).write_text(json.dumps({"verb": "replay", "files": {}}))
    assert {path.name for path in folder.iterdir()} == {RUN.manifest, "mine.txt"}


@pytest.mark.parametrize("moment", range(7))
def test_stopped_after_any_step_of_replacing(
    moment: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What random kills hit seldom: each instant between two moves of a file."""

    def put(turn: int) -> None:
        with replacing(tmp_path, RUN) as stage:
            names = ["ensemble.parquet", "fit.json", "report.html"] + ["baseline.parquet"] * (turn == 1)
            for name in names:
                (stage / name).write_text(f"run {turn}")
            files = {name: hashlib.sha256(f"run {turn}".encode()).hexdigest() for name in names}
            (stage / RUN.manifest).write_text(json.dumps({"verb": "replay", "files": files}))

    put(1)
    steps = 0
    replace = Path.replace

    class Killed(BaseException):
        pass

    def counted(self: Path, to: Path) -> Path:
        nonlocal steps
        steps += 1
        if steps > moment:
            raise Killed
        return replace(self, to)

    monkeypatch.setattr(Path, "replace", counted)
    monkeypatch.setattr(shutil, "rmtree", lambda *a, **k: None)  # a killed process tidies nothing
    if moment < 4:
        with pytest.raises(Killed):
            put(2)
        assert not (tmp_path / RUN.manifest).exists()
        assert not (tmp_path / "baseline.parquet").exists()
    else:
        put(2)
    monkeypatch.undo()
    assert {path.read_text() for path in tmp_path.iterdir() if path.name in NAMES} <= {"run 2"}
    put(3)
    assert {path.name for path in tmp_path.iterdir()} == {
        "ensemble.parquet", "fit.json", "report.html", RUN.manifest,
    }  # fmt: skip


def test_a_second_process_is_refused_and_a_killed_one_holds_nothing(tmp_path: Path) -> None:
    holding = "import sys, time, pathlib\nfrom tocsin.files.locks import alone\n"
    holding += "with alone(pathlib.Path(sys.argv[1])):\n print('began', flush=True)\n time.sleep(60)"
    process = start(holding, str(tmp_path / "out"))
    with pytest.raises(TocsinError, match="another process is"), replacing(tmp_path / "out", RUN):
        pass
    process.send_signal(signal.SIGKILL)
    process.wait()
    write_tables(tmp_path / "out", LEDGER, {"staked": pd.DataFrame({"a": [1]})})
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"staked.csv", "ledger.json"}


def test_what_goes_wrong_leaves_what_was(tmp_path: Path) -> None:
    table = pd.DataFrame({"a": [1]})
    write_tables(tmp_path / "out", LEDGER, {"staked": table})
    was = {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()}
    with pytest.raises(ZeroDivisionError), replacing(tmp_path / "out", LEDGER) as stage:
        (stage / "staked.csv").write_text("half")
        raise ZeroDivisionError
    assert {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()} == was
    with pytest.raises(ZeroDivisionError), replacing(tmp_path / "new", LEDGER):
        raise ZeroDivisionError
    assert not (tmp_path / "new").exists()


def test_others_files_stay(tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_text('{"name": "an app of mine"}')
    with pytest.raises(TocsinError, match="manifest of something else"), replacing(tmp_path, RUN):
        pass
    (tmp_path / "manifest.json").unlink()
    (tmp_path / "fit.json").mkdir()
    with pytest.raises(TocsinError, match="a folder stands"), replacing(tmp_path, RUN) as stage:
        (stage / "fit.json").write_text("")
        (stage / "manifest.json").write_text('{"verb": "replay", "files": {}}')
    assert (tmp_path / "fit.json").is_dir()
    # A manifest that names files elsewhere takes nothing away there.
    outside = tmp_path.parent / "outside.txt"
    outside.write_text("kept")
    (tmp_path / "fit.json").rmdir()
    (tmp_path / "manifest.json").write_text(
        json.dumps({"verb": "replay", "files": {"../outside.txt": "", str(outside): "", "a.txt": ""}})
    )
    (tmp_path / "a.txt").write_text("kept")
    with replacing(tmp_path, RUN) as stage:
        (stage / "manifest.json").write_text('{"verb": "replay", "files": {}}')
    assert outside.read_text() == (tmp_path / "a.txt").read_text() == "kept"


def test_one_file_leaves_no_part_after_a_kill(tmp_path: Path) -> None:
    writing = "import sys, time, pathlib\nfrom tocsin.files.whole import whole\n"
    writing += "with whole(pathlib.Path(sys.argv[1])) as path:\n path.write_text('half')\n"
    writing += " print('began', flush=True)\n time.sleep(60)"
    process = start(writing, str(tmp_path / "fit.json"))
    write_whole(tmp_path / "fit.json", "mine")  # beside one that is at work, which keeps its own
    assert len(list(tmp_path.glob(".*.part"))) == 1
    process.send_signal(signal.SIGKILL)
    process.wait()
    (tmp_path / ".other.txt.abcdefgh.part").write_text("not ours")
    with whole(tmp_path / "fit.json") as path:
        path.write_text("again")
    assert {each.name for each in tmp_path.iterdir()} == {"fit.json", ".other.txt.abcdefgh.part"}


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("run")
    return replay(small_folder(root / "small"), worlds=40, seed=5).write(root / "out")


@pytest.mark.parametrize("name", ["ensemble.parquet", "summary.csv", "fit.json", "report.html"])
@pytest.mark.parametrize("how", ["changed", "gone"])
def test_a_run_with_another_file_is_refused_in_words(name: str, how: str, done: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    shutil.copytree(done, out)
    check_run(out / RUN.manifest, json.loads((out / RUN.manifest).read_text())["files"])
    if how == "gone":
        (out / name).unlink()
    else:
        (out / name).write_bytes((out / name).read_bytes() + b" ")
    words = "is missing" if how == "gone" else "is not the file that was written"
    with pytest.raises(TocsinError, match=rf"not whole: {name} {words}"):
        replay_again(out / RUN.manifest)
    if how == "changed" and name in ("fit.json", "ensemble.parquet"):
        read = load_fit if name == "fit.json" else Ensemble.read
        with pytest.raises(TocsinError, match="it is not the file that manifest.json beside it names"):
            read(out / name)


def test_a_manifest_on_its_own_may_be_repeated(done: Path, tmp_path: Path) -> None:
    shutil.copy(done / RUN.manifest, tmp_path / RUN.manifest)
    again = replay_again(tmp_path / RUN.manifest)
    again.write(tmp_path / "again")
    assert again.differing_files() == []


def tocsin(*words: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tocsin", *words]
    return subprocess.Popen(
        command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=os.environ
    )


def test_two_commands_on_one_folder(done: Path, tmp_path: Path) -> None:
    small = small_folder(tmp_path / "small")
    words = ["replay", str(small), "--worlds", "200", "--out", str(tmp_path / "out")]
    one, other = (tocsin(*words) for _ in range(2))
    told = [each.communicate()[1] for each in (one, other)]
    assert sorted([one.returncode, other.returncode]) == [0, 1]
    refused = told[0] if one.returncode else told[1]
    assert "another process is" in refused and "Traceback" not in refused
    assert replay_again(tmp_path / "out" / RUN.manifest).comparison.ensemble.worlds == 200


@pytest.mark.parametrize("verb", ["replay", "publish"])
def test_a_command_killed_over_a_finished_folder(verb: str, tmp_path: Path) -> None:
    """Whatever the instant: the old run whole, the new one whole, or a folder that is refused; then a whole one."""
    small, out = small_folder(tmp_path / "small"), tmp_path / "out"
    words = {
        "replay": [verb, str(small), "--worlds", "50", "--out", str(out)],
        "publish": [verb, str(small), "--worlds", "50", "--to", str(out)],
    }[verb]

    def seen() -> bool:
        manifest = out / "manifest.json"
        if not manifest.exists():
            if verb == "replay":
                with pytest.raises(TocsinError, match="a run was stopped"):
                    replay_again(manifest)
            return False
        content = json.loads(manifest.read_text())
        assert content["seed"] in seeds and not faults(out, content["files"])
        return True

    def parts() -> list[Path]:
        return [path for path in out.rglob(".*") if path.name.endswith(".part")]

    seeds = [1]
    told = tocsin(*words, "--seed", "1").communicate()[1]
    assert seen(), told
    (out / "mine.txt").write_text("kept")
    instants = [(signal.SIGKILL, 0.0), (signal.SIGTERM, 0.02), (signal.SIGKILL, 0.2)]
    for seed, (how, wait) in enumerate(instants[verb == "publish" :], start=2):
        process, seeds, before = tocsin(*words, "--seed", str(seed)), [*seeds, seed], set(parts())
        while process.poll() is None and set(parts()) <= before:  # until it begins to write
            time.sleep(0.001)
        time.sleep(wait)
        process.send_signal(how)
        told = process.communicate()[1]
        assert "Traceback" not in told, told
        whole_now = seen()
        assert how == signal.SIGKILL or (whole_now and not parts())
    told = tocsin(*words, "--seed", "9").communicate()[1]
    seeds = [9]
    assert seen() and not parts(), told
    assert (out / "mine.txt").read_text() == "kept"


def test_a_model_from_a_file_and_one_in_a_fit_name_the_file(done: Path, tmp_path: Path) -> None:
    small = small_folder(tmp_path / "small")
    (small / "model.toml").write_text((small / "model.toml").read_text().replace('"road"', '"rail"'))
    with pytest.raises(TocsinError, match=r"model\.toml: .*no layer 'rail'"):
        Model.from_toml(small / "model.toml").compile(load_history(small))
    assert load_fit(done / "fit.json").model.where == str(done / "fit.json")


def test_no_cell_of_a_table_is_a_formula() -> None:
    table = pd.DataFrame(
        {
            "=unit": ["=1+1", "-x", "-1.5", "@SUM(A1)", None],
            "n": [-1.5, 2.0, float("nan"), 0.0, 1.0],
            "c": pd.Categorical(["+a", "b", "b", "b", "b"]),
            "when": pd.to_datetime(["1919-03-21"] * 5),
        }
    )
    assert csv_of(table).splitlines() == [
        "'=unit,n,c,when",
        "'=1+1,-1.5,'+a,1919-03-21",
        "'-x,2.0,b,1919-03-21",
        "-1.5,,b,1919-03-21",
        "'@SUM(A1),0.0,b,1919-03-21",
        ",1.0,b,1919-03-21",
    ]
    twice = pd.DataFrame([["=a", "=b"]], columns=["x", "x"])
    assert csv_of(twice).splitlines() == ["x,x", "'=a,'=b"]


WRITING = """
import sys, itertools
import tocsin as tc
def history(turn):
    units = [f"u{number}" for number in range(50 + turn % 2)]
    ties = {"layer": ["road"], "source": ["u1"], "target": ["u2"]} if turn % 2 else None
    return tc.History({"unit": units}, {"unit": ["u1"], "variable": ["v"], "state": ["b"], "time": [1 + turn % 2]},
                      ties, variables=[tc.StateVariable("v", ["a", "b"])], window=(0, 10 + turn % 2))
both = history(0), history(1)
for turn in itertools.count():
    both[turn % 2].write(sys.argv[1], ("csv", "parquet")[turn % 4 // 2])
    if turn == 0:
        print("began", flush=True)
"""


def test_a_history_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    chance, folder = random.Random(11), tmp_path / "h"
    for _ in range(8):
        process = start(WRITING, str(folder))
        time.sleep(chance.uniform(0, 0.1))
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()
        if (folder / "history.toml").exists():
            read = load_history(folder)
            odd = len(read.units) - 50
            assert (len(read.events), len(read.ties), read.window) == (1, odd, (0, 10 + odd))
            assert read.events["time"].tolist() == [1 + odd]
        else:
            with pytest.raises(TocsinError, match="a history was being written here when it was stopped"):
                load_history(folder)


def test_each_step_of_writing_a_history(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Killed(BaseException):
        pass

    old, new = small_history(), small_history(dated=False)
    replace, unlink = Path.replace, Path.unlink
    for moment in range(12):
        old.write(tmp_path)
        left = iter(range(moment))

        def counted(self: Path, *more: Any, of: Any, left: Any = left, **named: Any) -> Any:
            if self.name != ".lock" and next(left, None) is None:
                raise Killed
            return of(self, *more, **named)

        with monkeypatch.context() as patched:
            patched.setattr(Path, "replace", partialmethod(counted, of=replace))
            patched.setattr(Path, "unlink", partialmethod(counted, of=unlink))
            patched.setattr(shutil, "rmtree", lambda *a, **k: None)
            with pytest.raises(Killed):
                new.write(tmp_path, "parquet")
        (tmp_path / ".lock").unlink(missing_ok=True)
        if moment == 0:
            assert load_history(tmp_path) == old
        else:
            with pytest.raises(TocsinError, match="when it was stopped"):
                load_history(tmp_path)
    new.write(tmp_path, "parquet")
    assert load_history(tmp_path) == new and not list(tmp_path.glob(".*"))
