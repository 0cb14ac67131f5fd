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
sys.path.insert(0, str(ROOT / "verify"))


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
    assert set(text) == {"LICENSE", "NOTICE.md", "CC-BY-4.0.txt", "MIT-states.txt"}
    assert "License-Expression: MIT AND CC-BY-4.0" in metadata
    assert "Permission is hereby granted" in text["LICENSE"]
    assert "Section 8 -- Interpretation" in text["CC-BY-4.0.txt"].replace("–", "--")
    # What the notice says of a place is about something that is there, and nothing but code lies elsewhere.
    histories = [f"tocsin/histories/{name}" for name in ("1848", "1917", "1989", "2011", "four_waves")]
    folders = (*histories, "tocsin/histories/1917/borders", "tocsin/maps/outlines", "tocsin/units",
               "tocsin/sources", "tocsin/cli/template")  # fmt: skip
    for folder in folders:
        assert f"`{folder}`" in text["NOTICE.md"] and any(name.startswith(f"{folder}/") for name in names)
    code = (".py", ".pyi", ".js", ".css", ".html", ".svg", ".typed")
    other = [name for name in names if not name.endswith(code) and ".dist-info/" not in name]
    told = tuple(f"{folder}/" for folder in folders)
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


# --- kinds that the attack has found ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('from = ["old", "restored"]', "from = [1, 2]"),
        ('from = ["old", "restored"]', "from = [{a = 1}]"),
        ('from = ["old", "restored"]', "from = [[]]"),
        ("half_life = 30", "half_life = {a = 1}"),
        ("half_life = 30", "half_life = [30]"),
        ("half_life = 30", "half_life = 1919-03-21"),
        ('states = ["loyal", "mutinous"]', "states = [[[]]]"),
        ('states = ["loyal", "mutinous"]', 'states = ["loyal", {a = 1}]'),
    ],
)
def test_values_of_another_shape_in_a_model_are_refused_in_a_sentence(
    tmp_path: Path, old: str, new: str
) -> None:
    from attack import MODEL

    import tocsin as tc

    assert old in MODEL
    (tmp_path / "model.toml").write_text(MODEL.replace(old, new), encoding="utf-8")
    with pytest.raises(tc.ModelError, match=r"model\.toml, (transition 1|variables\.army)"):
        tc.Model.from_toml(tmp_path / "model.toml")


def test_a_question_in_sql_has_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    import tocsin as tc
    from tocsin import sql

    monkeypatch.setattr(sql, "PATIENCE", 0.5)
    with sql.asking({}) as ask:
        with pytest.raises(tc.TocsinError, match="at most 20,000 letters"):
            ask("SELECT " + "x" * 300_000)
        with pytest.raises(tc.TocsinError, match=r"within 0\.5 seconds"):
            ask("SELECT count(*) FROM range(1000000) a, range(1000000) b, range(1000000) c")
        assert ask("SELECT 1 AS one")["one"].tolist() == [1]


def test_parts_of_a_fit_that_do_not_go_together_are_refused(tmp_path: Path) -> None:
    import json

    import tocsin as tc

    states = [tc.StateVariable("s", ["off", "on"])]
    history = tc.History(
        units={"unit": ["a", "b"]},
        events={"unit": ["a"], "variable": "s", "state": "on", "time": [1.0]},
        variables=states,
        window=(0.0, 9.5),
    )
    fit = tc.Model(states, [tc.Transition("s", "off", "on", tc.baseline("1"))]).fit(history)
    fit.save(tmp_path / "fit.json")
    content = json.loads((tmp_path / "fit.json").read_text(encoding="utf-8"))
    for key, wrong in (
        ("vcov", [*content["vcov"], content["vcov"][0]]),
        ("score", [1.0, 2.0]),
        ("prior", []),
    ):
        (tmp_path / "fit.json").write_text(json.dumps({**content, key: wrong}), encoding="utf-8")
        with pytest.raises(tc.TocsinError, match=r"fit\.json"):
            tc.load_fit(tmp_path / "fit.json")


def test_a_manifest_that_asks_for_other_worlds_than_lie_beside_it_is_refused(tmp_path: Path) -> None:
    import tocsin as tc
    from tocsin.report.manifest import Manifest

    states = [tc.StateVariable("s", ["off", "on"])]
    history = tc.History(units={"unit": ["a"]}, variables=states, window=(0.0, 9.5))
    model = tc.Model(states, [tc.Transition("s", "off", "on", tc.baseline("1"))])
    given = model.with_params({"s: off > on | baseline | propensity | 1": -2.0})
    given.simulate(history, 5, 1).write(tmp_path / "ensemble.parquet")
    for worlds, seed in ((5, 1), (2**63, 1), (5, 2)):
        manifest = Manifest({"worlds": worlds, "seed": seed})
        if (worlds, seed) == (5, 1):
            manifest.check_worlds(tmp_path / "manifest.json")
            continue
        with pytest.raises(tc.TocsinError, match=r"manifest\.json: (worlds|seed) is"):
            manifest.check_worlds(tmp_path / "manifest.json")


def test_one_version_stands_everywhere() -> None:
    """The command, the package, its metadata and the citation name the same version."""
    import tocsin

    said = subprocess.run(
        [sys.executable, "-m", "tocsin", "--version"], capture_output=True, text=True, check=True
    )
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    assert said.stdout == f"tocsin {declared}\n" and tocsin.__version__ == declared
    assert f"\nversion: {declared}\n" in (ROOT / "CITATION.cff").read_text(encoding="utf-8")
