"""Worlds kept in a folder: killed and resumed, damaged and refused, and the same answers as in memory."""

from __future__ import annotations

import json
import os
import pickle
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from helpers.small_wave import UNITS, wave

import tocsin as tc
from tocsin.ensemble.on_disk import MANIFEST, EnsembleParts

WORLDS = 300


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> tuple[tc.Ensemble, EnsembleParts]:
    """The same worlds in memory and in a folder, with some that had their luck changed."""
    history, given = wave()
    folder = tmp_path_factory.mktemp("worlds") / "kept"
    kept = given.simulate(history, WORLDS, 5, folder=folder)
    assert isinstance(kept, EnsembleParts) and len(kept.parts) > 20
    return given.simulate(history, WORLDS, 5), kept


def test_a_folder_answers_as_memory_does(both: tuple[tc.Ensemble, EnsembleParts]) -> None:
    memory, kept = both
    assert kept.events.equals(memory.events)
    assert (kept.worlds, kept.seed) == (memory.worlds, memory.seed)
    times = ["1919-06-01", "1919-01-01", "1919-08-05", "1919-12-31"]
    for variable, state in [("regime", "soviet"), ("regime", "old"), ("army", "mutinous")]:
        for asked in (None, times):
            one, other = (each.probability(variable, state, asked, interval=True) for each in both)
            assert one.identical(other)
            pd.testing.assert_frame_equal(
                memory.curve(variable, state, times=asked),
                kept.curve(variable, state, times=asked),
                check_exact=True,
            )
        for question in ("first_times", "durations", "counts", "summary"):
            pd.testing.assert_frame_equal(
                getattr(memory, question)(variable, state),
                getattr(kept, question)(variable, state),
                check_exact=True,
            )
    assert memory.to_xarray(times).identical(kept.to_xarray(times))
    for world in (0, 7, WORLDS - 1):
        pd.testing.assert_frame_equal(memory.world(world), kept.world(world).reset_index(drop=True))
        assert memory.history(world).digest == kept.history(world).digest


def test_curve_is_the_mean_and_a_number_some_world_reaches(both: tuple[tc.Ensemble, EnsembleParts]) -> None:
    _, kept = both
    curve = kept.curve("regime", "soviet", [0.0, 0.3, 0.5, 1.0], ["1919-06-01"])
    held = np.zeros(WORLDS, dtype=int)
    for world in range(WORLDS):
        state = {unit: "soviet" if unit == "bavaria" else "old" for unit in UNITS}
        for event in kept.world(world).itertuples():
            if event.time < 151 and event.variable == "regime":
                state[event.unit] = event.to
        held[world] = sum(each == "soviet" for each in state.values())
    held.sort()
    assert curve["mean"].item() == pytest.approx(held.mean())
    for q in (0.3, 0.5, 1.0):
        assert curve[q].item() == held[int(np.ceil(q * WORLDS)) - 1]
    assert curve[0.0].item() == held[0]


def test_comparing_folders_and_tables(tmp_path: Path, both: tuple[tc.Ensemble, EnsembleParts]) -> None:
    memory, kept = both
    history, given = wave()
    changed = [tc.scale_layer("border", 0.25)]
    less = given.simulate(history, WORLDS, 5, changed)
    less_kept = given.simulate(history, WORLDS, 5, changed, folder=tmp_path / "less")
    assert less_kept.interventions == ("scale layer border by 0.25",)
    for by in ("world", "unit"):
        expected = memory.compare(less, by=by)
        for one, other in [(kept, less_kept), (memory, less_kept), (kept, less)]:
            pd.testing.assert_frame_equal(one.compare(other, by=by), expected, check_exact=True)
    assert (memory.compare(less, "regime", "soviet")["units_difference"] > 0).any()


def test_sql_reads_parts_and_nothing_else(both: tuple[tc.Ensemble, EnsembleParts], tmp_path: Path) -> None:
    query = 'SELECT unit, "to", count(*) AS n, avg(time) AS t FROM events GROUP BY ALL ORDER BY ALL'
    one, other = (each.sql(query) for each in both)
    pd.testing.assert_frame_equal(one, other)
    secret = tmp_path / "secret.csv"
    secret.write_text("a\n1\n")
    for reach in (f"SELECT * FROM '{secret}'", f"COPY events TO '{tmp_path / 'out.csv'}'"):
        with pytest.raises(tc.TocsinError, match="SQL"):
            both[1].sql(reach)


def test_reading_a_folder_and_writing_one_file(
    both: tuple[tc.Ensemble, EnsembleParts], tmp_path: Path
) -> None:
    memory, kept = both
    history, _ = wave()
    opened = tc.Ensemble.read(kept.folder, history)
    assert isinstance(opened, EnsembleParts)
    assert opened.counts("regime", "soviet").equals(memory.counts("regime", "soviet"))
    assert opened.history(3).digest == memory.history(3).digest
    again = pickle.loads(pickle.dumps(opened))
    assert again.events.equals(memory.events)
    assert str(kept.folder) in repr(opened) and repr(opened).startswith("EnsembleParts(")
    written = tc.Ensemble.read(kept.write(tmp_path / "one.parquet"))
    assert written.events.equals(memory.events)
    with pytest.raises(tc.TocsinError, match="another history"):
        tc.Ensemble.read(kept.folder, history.select(units=UNITS[:3]))


def test_no_worlds_at_all(tmp_path: Path) -> None:
    history, given = wave()
    kept = given.simulate(history, 0, 5, folder=tmp_path / "none")
    memory = given.simulate(history, 0, 5)
    assert kept.events.equals(memory.events)
    assert kept.counts("regime", "soviet").empty
    assert np.isnan(kept.curve("regime", "soviet")["mean"]).all()
    assert kept.sql("SELECT count(*) AS n FROM events")["n"].item() == 0


def test_bits_do_not_depend_on_threads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    history, given = wave()
    found = []
    for threads in ("1", "3"):
        monkeypatch.setenv("NUMBA_NUM_THREADS", threads)
        kept = given.simulate(history, WORLDS, 5, folder=tmp_path / threads)
        found.append({path.name: path.read_bytes() for path in sorted(kept.folder.glob("*.*"))})
    assert found[0] == found[1]


KILLED = """
import sys, time
sys.path.insert(0, {tests!r})
from helpers.small_wave import wave
history, given = wave()
def progress(done, total):
    print(done, flush=True)
    time.sleep(0.05)
given.simulate(history, {worlds}, 5, folder={folder!r}, progress=progress)
"""


def test_a_killed_run_goes_on_from_its_finished_parts(
    both: tuple[tc.Ensemble, EnsembleParts], tmp_path: Path
) -> None:
    folder = tmp_path / "killed"
    script = KILLED.format(tests=str(Path(__file__).parent), folder=str(folder), worlds=WORLDS)
    process = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    for line in process.stdout:
        if int(line) >= WORLDS // 3:
            os.kill(process.pid, signal.SIGKILL)
            break
    process.stdout.close()
    assert process.wait() == -signal.SIGKILL
    (folder / ".part-000050.parquet.abc.part").write_bytes(b"half a part")  # as if killed while writing
    finished = {path: path.stat().st_mtime_ns for path in folder.glob("part-*.parquet")}
    assert 20 <= len(finished) < 60
    with pytest.raises(tc.TocsinError, match=r"not whole: \d+ of 60 parts .* missing; simulate again"):
        tc.Ensemble.read(folder)
    history, given = wave()
    told: list[tuple[int, int]] = []
    kept = given.simulate(history, WORLDS, 5, folder=folder, progress=lambda *at: told.append(at))
    assert told[0] == (5 * len(finished), WORLDS) and told[-1] == (WORLDS, WORLDS)
    assert {path: path.stat().st_mtime_ns for path in finished} == finished
    assert not list(folder.glob(".*.part"))
    _, whole = both
    for path in sorted(whole.folder.glob("*.*")):
        assert (folder / path.name).read_bytes() == path.read_bytes()
    assert kept.events.equals(whole.events)


def damaged(path: Path, how: str) -> None:
    content = path.read_bytes()
    if how == "truncated":
        path.write_bytes(content[: len(content) // 2])
    elif how == "empty":
        path.write_bytes(b"")
    elif how == "flipped":
        middle = len(content) // 3
        path.write_bytes(content[:middle] + bytes([content[middle] ^ 0x10]) + content[middle + 1 :])
    elif how == "swapped":
        path.write_bytes((path.parent / "part-000004.parquet").read_bytes())
    else:
        path.unlink()


@pytest.mark.parametrize("how", ["truncated", "empty", "flipped", "swapped", "missing"])
def test_a_damaged_part_is_refused_and_made_anew(how: str, tmp_path: Path) -> None:
    history, given = wave()
    kept = given.simulate(history, WORLDS, 5, folder=tmp_path / "kept")
    path = kept.parts.path(3)
    before = path.read_bytes()
    damaged(path, how)
    with pytest.raises(tc.TocsinError, match="part-000003.parquet.*simulate again with the same folder"):
        _ = kept.counts("regime", "soviet")
    with pytest.raises(tc.TocsinError, match="1 of 60 parts cannot be used"):
        tc.Ensemble.read(kept.folder)
    with pytest.raises(tc.TocsinError):
        kept.sql("SELECT max(COLUMNS(*)) FROM events")
    told: list[tuple[int, int]] = []
    given.simulate(history, WORLDS, 5, folder=kept.folder, progress=lambda *at: told.append(at))
    assert told == [(WORLDS - 5, WORLDS), (WORLDS, WORLDS)]
    assert path.read_bytes() == before


def test_a_folder_of_another_run_is_refused(tmp_path: Path) -> None:
    history, given = wave()
    folder = tmp_path / "kept"
    given.simulate(history, 20, 5, folder=folder)
    other = dict(given.values)
    name = next(iter(other))
    other[name] += 1e-9
    for match, run in {
        "seed 5 there, 6 here": lambda: given.simulate(history, 20, 6, folder=folder),
        "number of worlds 20 there, 21 here": lambda: given.simulate(history, 21, 5, folder=folder),
        "interventions none there, .'remove layer border'. here": lambda: given.simulate(
            history, 20, 5, ["remove layer border"], folder=folder
        ),
        "history history .* there": lambda: given.simulate(
            history.select(units=UNITS[:3]), 20, 5, folder=folder
        ),
        "parameters regime.*1": lambda: given.model.with_params(other).simulate(
            history, 20, 5, folder=folder
        ),
    }.items():
        with pytest.raises(tc.TocsinError, match=f"another run: {match}.*name another folder"):
            run()
    manifest = json.loads((folder / MANIFEST).read_text())
    manifest["versions"]["numba"] = "0.1"
    (folder / MANIFEST).write_text(json.dumps(manifest))
    with pytest.raises(tc.TocsinError, match=r"versions numba 0\.1 there"):
        given.simulate(history, 20, 5, folder=folder)


def test_folders_that_are_not_ours(tmp_path: Path) -> None:
    history, given = wave()
    (tmp_path / "letter.txt").write_text("dear")
    with pytest.raises(tc.TocsinError, match=r"holds other files, letter\.txt"):
        given.simulate(history, 5, 5, folder=tmp_path)
    with pytest.raises(tc.TocsinError, match="not a folder of worlds"):
        tc.Ensemble.read(tmp_path)
    with pytest.raises(tc.TocsinError, match="is a file, not a folder"):
        given.simulate(history, 5, 5, folder=tmp_path / "letter.txt")
    kept = given.simulate(history, 5, 5, folder=tmp_path / "kept")
    (kept.folder / MANIFEST).write_text("{}")
    with pytest.raises(tc.TocsinError, match="not the manifest"):
        given.simulate(history, 5, 5, folder=kept.folder)


def test_two_processes_do_not_write_to_one_folder(tmp_path: Path) -> None:
    history, given = wave()
    waiting = "import sys, pathlib; from tocsin.files.locks import alone\n"
    waiting += "with alone(pathlib.Path(sys.argv[1])):\n print('held', flush=True); sys.stdin.read()"
    other = subprocess.Popen(
        [sys.executable, "-c", waiting, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert other.stdout is not None and other.stdout.readline() == b"held\n"
    with pytest.raises(tc.TocsinError, match="another process is writing"):
        given.simulate(history, 5, 5, folder=tmp_path)
    other.kill()  # its lock goes with it
    other.wait()
    assert given.simulate(history, 5, 5, folder=tmp_path).worlds == 5
    assert not (tmp_path / ".lock").exists()


def test_what_fails_in_a_world_is_told_and_stops(tmp_path: Path) -> None:
    history, given = wave()
    hot = dict.fromkeys(given.values, 700.0)
    with pytest.raises(tc.FitError):
        given.model.with_params(hot).simulate(history, 100, 5, folder=tmp_path / "hot")
    began = time.monotonic()

    def stop(done: int, total: int) -> None:
        if done > 50:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        given.simulate(history, WORLDS, 5, folder=tmp_path / "stopped", progress=stop)
    assert time.monotonic() > began
    assert 0 < len(list((tmp_path / "stopped").glob("part-*.parquet"))) < 60
    kept = given.simulate(history, WORLDS, 5, folder=tmp_path / "stopped")
    assert kept.events.equals(given.simulate(history, WORLDS, 5).events)


SHARE = """
import sys
from pathlib import Path
from helpers.small_wave import wave
history, given = wave()
for text in sys.argv[2:]:
    given.draw_share(history, (int(text), 4), sys.argv[1], worlds=300, seed=5)
"""


def test_processes_that_know_nothing_of_each_other_draw_shares(
    both: tuple[tc.Ensemble, EnsembleParts], tmp_path: Path
) -> None:
    def process(*shares: str) -> subprocess.Popen[bytes]:
        place = {**os.environ, "PYTHONPATH": str(Path(__file__).parent), "NUMBA_NUM_THREADS": "1"}
        return subprocess.Popen([sys.executable, "-c", SHARE, str(tmp_path / "all"), *shares], env=place)

    # Two at once on one folder, both with share 2; the other is killed at its first part.
    one, other = process("1", "2"), process("2", "4")
    while other.poll() is None and not list((tmp_path / "all").glob("part-*")):
        time.sleep(0.01)
    other.send_signal(signal.SIGKILL)
    assert one.wait() == 0
    other.wait()
    with pytest.raises(tc.TocsinError, match=r"shares are missing or damaged: .*3/4.*draw these again"):
        tc.gather_shares(tmp_path / "all")
    assert process("3", "4").wait() == 0
    history, given = wave()
    whole = tc.gather_shares(tmp_path / "all", history)
    assert whole.events.equals(both[0].events)
    assert tc.Ensemble.read(tmp_path / "all", history).events.equals(both[0].events)
    # A damaged share is named, drawn again, and the same bytes.
    path = whole.parts.path(len(whole.parts) - 1)
    kept = path.read_bytes()
    path.write_bytes(kept[:-100])
    with pytest.raises(
        tc.TocsinError, match=r"1 of 4 shares are missing or damaged: 4/4 \(of the first, it is damaged"
    ):
        tc.gather_shares(tmp_path / "all")
    assert given.draw_share(history, (4, 4), tmp_path / "all", worlds=300, seed=5) > 0
    assert path.read_bytes() == kept and tc.gather_shares(tmp_path / "all").worlds == 300


def test_shares_are_of_one_run(tmp_path: Path) -> None:
    history, given = wave()
    assert sum(given.draw_share(history, (k, 7), tmp_path, worlds=10, seed=5) for k in range(1, 8)) == 10
    with pytest.raises(tc.TocsinError, match="number of shares 7 there, 8 here"):
        given.draw_share(history, (1, 8), tmp_path, worlds=10, seed=5)
    with pytest.raises(tc.TocsinError, match="another run: seed 5 there, 6 here"):
        given.draw_share(history, (1, 7), tmp_path, worlds=10, seed=6)
    for wrong in ((0, 7), (8, 7)):
        with pytest.raises(tc.ModelError, match="numbered from 1 to 7"):
            given.draw_share(history, wrong, tmp_path, worlds=10, seed=5)
    given.simulate(history, 10, 5, folder=tmp_path / "whole")
    with pytest.raises(tc.TocsinError, match="were not drawn in shares"):
        tc.gather_shares(tmp_path / "whole")


@pytest.mark.parametrize("kind", ["ThreadPoolExecutor", "ProcessPoolExecutor"])
def test_an_executor_draws_the_same_bits(
    kind: str, both: tuple[tc.Ensemble, EnsembleParts], tmp_path: Path
) -> None:
    import concurrent.futures
    import multiprocessing

    more = {"mp_context": multiprocessing.get_context("spawn")} if kind.startswith("Process") else {}
    history, given = wave()
    with getattr(concurrent.futures, kind)(2, **more) as executor:
        assert given.simulate(history, WORLDS, 5, runner=executor).events.equals(both[0].events)
        kept = given.simulate(history, WORLDS, 5, folder=tmp_path / "kept", runner=executor)
        assert kept.events.equals(both[0].events)
        with pytest.raises(tc.ModelError, match="runner= takes a concurrent.futures.Executor"):
            given.simulate(history, WORLDS, 5, runner=object())


def test_the_array_script_of_the_page_runs(tmp_path: Path) -> None:
    page = (Path(__file__).parents[1] / "docs" / "large.md").read_text(encoding="utf-8")
    script = page[page.index("#!/bin/sh") :].split("```")[0]
    assert "1000000" in script and "/100" in script
    # A small history; and kernels that are compiled already, for a folder of their own would take minutes to fill.
    history, given = wave()
    folder = tmp_path / "wave"
    given.simulate(history, 5, 7).history(4).write(folder)
    (folder / "model.toml").write_text(given.model.to_toml(), encoding="utf-8")
    lines = [line for line in script.splitlines() if "NUMBA_CACHE_DIR" not in line]
    small = (
        "\n".join(lines).replace("1000000", "50").replace("/100", "/2").replace("draw 1917", f"draw {folder}")
    )
    (tmp_path / "array.sh").write_text(small, encoding="utf-8")
    place = {
        **os.environ,
        "HOME": str(tmp_path),
        "TMPDIR": str(tmp_path),
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
    }
    script_of = ["sh", str(tmp_path / "array.sh")]
    for task in ("1", "2"):
        subprocess.run(script_of, env={**place, "SLURM_ARRAY_TASK_ID": task}, check=True, capture_output=True)
    assert tc.gather_shares(tmp_path / "worlds").worlds == 50
