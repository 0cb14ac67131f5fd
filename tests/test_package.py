"""What is in the package: the licences of code, record and outlines, and bounds that are there for a reason."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.mark.skipif(shutil.which("uv") is None, reason="the wheel is built by uv")
def test_the_wheel_holds_the_licences(tmp_path: Path) -> None:
    if not (ROOT / ".git").exists():
        pytest.skip("not a checkout")
    done = subprocess.run(
        ["uv", "build", "--quiet", "--wheel", "--out-dir", str(tmp_path), str(ROOT)],
        capture_output=True,
        text=True,
    )
    if done.returncode and ("dns" in done.stderr.lower() or "connect" in done.stderr.lower()):
        pytest.skip("the build backend cannot be fetched here")
    assert done.returncode == 0, done.stderr
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as package:
        names = package.namelist()
        found = {name: package.read(name).decode() for name in names if "/licenses/" in name}
        (metadata,) = (package.read(name).decode() for name in names if name.endswith("/METADATA"))
    text = {name.rpartition("/")[2]: each for name, each in found.items()}
    assert set(text) == {"LICENSE", "NOTICE.md", "CC-BY-4.0.txt"}
    assert "License-Expression: MIT AND CC-BY-4.0" in metadata
    assert "Permission is hereby granted" in text["LICENSE"]
    assert "Section 8 -- Interpretation" in text["CC-BY-4.0.txt"].replace("–", "--")
    # What the notice says of a place is about something that is there, and nothing but code lies elsewhere.
    for folder in ("tocsin/histories/1917", "tocsin/histories/1917/borders", "tocsin/show/outlines"):
        assert f"`{folder}`" in text["NOTICE.md"] and any(name.startswith(f"{folder}/") for name in names)
    code = (".py", ".pyi", ".js", ".css", ".html", ".svg", ".typed")
    other = [name for name in names if not name.endswith(code) and ".dist-info/" not in name]
    told = ("tocsin/histories/1917/", "tocsin/show/outlines/")
    assert other and all(name.startswith(told) for name in other)


def test_the_notice_agrees_with_the_record() -> None:
    notice = " ".join((ROOT / "NOTICE.md").read_text(encoding="utf-8").split())
    record = tomllib.loads((ROOT / "src/tocsin/histories/1917/history.toml").read_text(encoding="utf-8"))
    assert record["licence"] in notice and "Natural Earth is in the public domain" in notice


def test_a_small_attack(tmp_path: Path) -> None:
    """Forty of the manglings; `.ci/full` makes a thousand."""
    done = subprocess.run(
        [sys.executable, str(ROOT / "verify" / "attack.py"), "--seed", "2", "--count", "40", "--hands", "2"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stdout + done.stderr[-3000:]
    total = done.stdout.splitlines()[-2].split()
    assert total[0] == "all" and sum(map(int, total[1:])) == 40 and int(total[2]) > 15
