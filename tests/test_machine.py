"""What the machine refuses is one sentence: narrow encodings, full and closed outputs, limits, signals."""

from __future__ import annotations

import os
import random
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from helpers.road import small_folder

from tocsin.errors import printable

# Every instant and every end of an output are tried in .ci/full; a change meets a part of them.
WHOLE = bool(os.environ.get("TOCSIN_WHOLE"))
COMMAND = f"{shlex.quote(sys.executable)} -m tocsin"


def shell(line: str, **more: str) -> subprocess.CompletedProcess[bytes]:
    line = line.replace("TOCSIN", COMMAND)
    done = subprocess.run(["bash", "-c", line], capture_output=True, env={**os.environ, **more}, timeout=300)
    assert b"Traceback" not in done.stderr and b"Exception ignored" not in done.stderr, done.stderr
    return done


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "utf-8"])
def test_an_output_that_lacks_signs(encoding: str, tmp_path: Path) -> None:
    small = small_folder(tmp_path / "small")
    line = f"TOCSIN replay {small} --worlds 20 --out {tmp_path / 'out'}"
    done = shell(line, PYTHONIOENCODING=encoding)
    assert done.returncode == 0 and b"Report: " in done.stdout
    done.stdout.decode(encoding)
    wrong = shell("TOCSIN fit żółw", PYTHONIOENCODING=encoding)
    assert wrong.returncode == 1 and len(wrong.stderr.splitlines()) == 2


ENDS = [("> /dev/full", "No space left"), (">&-", "closed"), ("| true", "")]
VERBS = ["--help", "histories", "validate 1917", "claims 1917", "histories 1917"]
OUTPUTS = [(verb, *end) for verb in VERBS for end in ENDS]


@pytest.mark.parametrize(("verb", "end", "words"), OUTPUTS if WHOLE else OUTPUTS[::2][:6])
def test_an_output_that_takes_nothing(verb: str, end: str, words: str) -> None:
    done = shell(f"set -o pipefail; TOCSIN {verb} {end}")
    if end == "| true":
        assert done.returncode in (0, 1)  # as much as fits is written before anybody looks
    else:
        assert done.returncode == 1
        assert done.stderr.decode().startswith("tocsin: the output cannot be written: ")
        assert words in done.stderr.decode() and len(done.stderr.splitlines()) == 1


def test_what_was_written_is_said(tmp_path: Path) -> None:
    small = small_folder(tmp_path / "small")
    done = shell(f"TOCSIN replay {small} --worlds 20 --out {tmp_path / 'out'} > /dev/full")
    assert done.returncode == 1
    assert done.stderr.decode().endswith(f"; written before: {tmp_path / 'out'}\n")
    assert (tmp_path / "out" / "manifest.json").is_file()


def test_a_limit_on_memory_and_closed_errors(tmp_path: Path) -> None:
    done = shell("ulimit -v 700000; TOCSIN fit 1917")
    assert done.returncode == 1 and b"the limit on memory" in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert shell("TOCSIN histories 2>&-").returncode == 0
    assert shell("TOCSIN histories <&- >&- 2>&-").returncode == 1
    assert shell("TOCSIN validate nowhere 2> /dev/full").returncode == 1


@pytest.mark.parametrize("how", ["full", "damaged"])
def test_a_cache_of_kernels_that_cannot_be_used(how: str, tmp_path: Path) -> None:
    code = (
        "import warnings, tocsin.kernels.streams as s; warnings.simplefilter('error');"
        "print(s.uniform(1, 2, 3) == s.uniform(1, 2, 3))"
    )
    cache = tmp_path / "cache"
    cache.mkdir()
    python = f"{shlex.quote(sys.executable)} -c {shlex.quote(code)}"
    line = f"NUMBA_CACHE_DIR={cache} {python}"
    if how == "full":
        line = f"ulimit -f 0; {line}"  # no file may grow: what a full disk does
    elif how == "damaged":
        assert shell(line).stdout == b"True\n"
        for index in cache.rglob("*.nbi"):
            index.write_bytes(index.read_bytes()[:60])
    done = shell(line)
    assert done.stdout == b"True\n"
    assert done.stderr.decode().count("cache of compiled kernels cannot be") == 1


def test_signals_at_any_instant(tmp_path: Path) -> None:
    small = small_folder(tmp_path / "small")
    chance = random.Random(3)
    out = tmp_path / "out"
    for number in range(20 if WHOLE else 4):
        told = signal.SIGINT if number % 2 else signal.SIGTERM
        process = subprocess.Popen(
            [sys.executable, "-m", "tocsin", "replay", str(small), "--worlds", "50", "--out", str(out)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        time.sleep(chance.uniform(0.1, 4.0))
        process.send_signal(told)
        _, errors = process.communicate(timeout=60)
        assert process.returncode in (0, 128 + told, -signal.SIGTERM), (process.returncode, errors)
        assert "Traceback" not in errors and "ignored" not in errors, errors
        assert not list(out.glob(".*"))


def test_signs_that_a_terminal_would_obey() -> None:
    assert printable("a\x1b[31mb\rc\x07\x9b\u202e\udcff\td\n") == (
        "a\\x1b[31mb\\x0dc\\x07\\x9b\\u202e\\udcff\td\n"
    )
    done = shell("TOCSIN $'no\\x1b[31mpe'")
    assert done.returncode == 2 and b"\x1b" not in done.stderr
    done = shell("TOCSIN validate $'no\\x1b[31mpe'")
    assert done.returncode == 1 and b"\x1b" not in done.stderr and b"\\x1b[31m" in done.stderr


HOLDING = """
from tocsin.machine import ending
ending.watch()
import re
print("began", flush=True)
re.match("(a+)+b", "a" * 60)  # keeps the interpreter for years
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the alarm is the kernel's of Linux")
def test_what_keeps_the_interpreter_is_ended_all_the_same() -> None:
    process = subprocess.Popen([sys.executable, "-c", HOLDING], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None and process.stdout.readline() == "began\n"
    process.terminate()
    process.wait(timeout=60)
    process.stdout.close()
    assert process.returncode == -signal.SIGALRM


def test_what_is_unfinished_goes_when_the_command_is_ended(tmp_path: Path) -> None:
    writing = (
        "import sys, pathlib, time\nfrom tocsin.machine import ending\nending.watch()\n"
        "from tocsin.files.results import RUN, replacing\n"
        "with replacing(pathlib.Path(sys.argv[1]), RUN) as stage:\n"
        "    (stage / 'fit.json').write_text('half')\n    print('began', flush=True)\n    time.sleep(60)\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", writing, str(tmp_path / "out")], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None and process.stdout.readline() == "began\n"
    process.terminate()
    assert process.wait(timeout=30) == 128 + signal.SIGTERM
    process.stdout.close()
    assert not (tmp_path / "out").exists()
