"""Tutorials: they run from top to bottom, and what is written down is what their files say."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("nbclient", reason="tutorials are run with the group docs")
pytest.importorskip("jupytext", reason="tutorials are run with the group docs")

ROOT = Path(__file__).resolve().parents[1]
TUTORIALS = sorted((ROOT / "docs" / "tutorials").glob("*.py"))


def code_of(text: str) -> list[str]:
    return [each.strip() for each in re.findall(r"```python\n(.*?)\n```", text, re.DOTALL)]


@pytest.mark.parametrize("path", TUTORIALS, ids=lambda path: path.stem)
def test_a_tutorial_runs_with_few_worlds(path: Path, tmp_path: Path) -> None:
    command = [sys.executable, str(ROOT / "scripts" / "run_tutorials.py"), path.stem]
    environment = {**os.environ, "PYDEVD_DISABLE_FILE_VALIDATION": "1"}
    done = subprocess.run(
        [*command, "--worlds", "20", "--out", str(tmp_path)],
        capture_output=True,
        text=True,
        env=environment,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    now = (tmp_path / f"{path.stem}.md").read_text(encoding="utf-8")
    written = path.with_suffix(".md").read_text(encoding="utf-8")
    # The committed pages were made from the code as it stands, by more worlds.
    assert code_of(now) == code_of(written)
    headings = [line for line in written.splitlines() if line.startswith("#")]
    assert [line for line in now.splitlines() if line.startswith("#")] == headings
    assert "nan" not in written.lower().replace("finance", "")
    for name in re.findall(r"\]\(([^)]+\.svg)\)", written):
        assert (path.parent / name).read_text(encoding="utf-8").startswith("<svg")
        assert (tmp_path / name).exists()
