"""Every example of a docstring runs as it stands and every parameter is told; the ten lines of the README run."""

from __future__ import annotations

import contextlib
import doctest
import inspect
import io
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import tocsin as tc

ROOT = Path(__file__).resolve().parents[1]
PLACES = {"tc": tc, "tc.charts": tc.charts, "tc.maps": tc.maps, "tc.units": tc.units, "tc.ties": tc.ties}
PUBLIC: dict[str, Any] = {
    f"{place}.{name}": getattr(module, name)
    for place, module in PLACES.items()
    for name in module.__all__
    if not inspect.ismodule(getattr(module, name))
}


class Shown(doctest.OutputChecker):
    """What an example shows must come; one that shows nothing must only run."""

    def check_output(self, want: str, got: str, optionflags: int) -> bool:
        return not want or super().check_output(want, got, optionflags)


def _examples() -> Iterator[doctest.DocTest]:
    finder = doctest.DocTestFinder(exclude_empty=True, recurse=True)
    for name, thing in PUBLIC.items():
        module = sys.modules[thing.__module__]
        for found in finder.find(thing, name, module=module, globs={"tc": tc, "np": np, "pd": pd}):
            if found.examples:
                yield found


EXAMPLES = {each.name: each for each in _examples()}


@pytest.mark.parametrize("name", EXAMPLES)
@pytest.mark.filterwarnings("ignore")
def test_the_example_runs(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    told = io.StringIO()
    runner = doctest.DocTestRunner(
        checker=Shown(), optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE, verbose=False
    )
    found = runner.run(EXAMPLES[name], out=told.write)
    assert not found.failed, told.getvalue()


@pytest.mark.parametrize("name", [name for name, thing in PUBLIC.items() if inspect.isfunction(thing)])
def test_every_parameter_is_told_and_an_example_stands(name: str) -> None:
    text = inspect.getdoc(PUBLIC[name]) or ""
    listed = re.findall(r"^ +([\w*, ]+):", text, re.MULTILINE)
    told = {each.strip().lstrip("*") for line in listed for each in line.split(",")}
    given = set(inspect.signature(PUBLIC[name]).parameters)
    assert given <= told, f"{name} does not tell {', '.join(sorted(given - told))}"
    assert name in EXAMPLES, f"{name} has no example"


@pytest.mark.filterwarnings("ignore")
def test_the_ten_lines_of_the_readme_show_an_interval() -> None:
    (code,) = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    told = io.StringIO()
    with contextlib.redirect_stdout(told):
        exec(compile(code, "README.md", "exec"), {})
    assert "95%" in told.getvalue() and "comintern" in told.getvalue()


def test_the_readme_fits_one_screen_and_names_commands_as_they_are_typed() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert len(text.splitlines()) < 100
    for command in re.findall(r"`([^`\n]*tocsin [a-z][^`\n]*)`", text):
        assert command.startswith("uv run"), command
