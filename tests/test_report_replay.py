"""The main job from Python: what it writes, that it can be repeated to the bit, and what it refuses."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest
from helpers.road import MODEL, small_folder, small_history

from tocsin.ensemble.ensemble import Ensemble
from tocsin.errors import ModelError, TocsinError
from tocsin.fit.save import load_fit
from tocsin.history.history import load_history
from tocsin.model.followed_state import Wave, wave_of
from tocsin.model.model import Model
from tocsin.report.replay import replay, replay_again

FILES = {"report.html", "ensemble.parquet", "summary.csv", "fit.json", "manifest.json"}


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("replay")
    folder = small_folder(root / "small")
    out = root / "out"
    out.mkdir()
    (out / "mine.txt").write_text("kept")
    replay(folder, worlds=60, seed=5).write(out)
    return out


def test_files(done: Path) -> None:
    assert {path.name for path in done.iterdir()} == FILES | {"mine.txt"}
    ensemble = Ensemble.read(done / "ensemble.parquet")
    assert (ensemble.worlds, ensemble.seed) == (60, 5)
    summary = pd.read_csv(done / "summary.csv")
    assert set(summary["state"]) == {"soviet", "old"}
    mine = summary[(summary["state"] == "soviet") & (summary["unit"] == "aa")].iloc[0]
    assert mine["observed_first"] == "1919-01-04"
    assert mine["observed_duration"] == 16
    expected = ensemble.summary("regime", "soviet").loc["aa", "share"]
    assert mine["share"] == expected
    assert load_fit(done / "fit.json").model == Model.from_toml(MODEL)


def test_manifest_says_what_was_run(done: Path) -> None:
    manifest = json.loads((done / "manifest.json").read_text())
    assert set(manifest["files"]) == FILES - {"manifest.json"}
    assert manifest["worlds"] == 60
    assert manifest["wave"] == "regime=soviet"
    assert manifest["history"]["digest"] == small_folder_digest(manifest)
    assert Model.from_toml(manifest["model"]["toml"]) == Model.from_toml(MODEL)


def small_folder_digest(manifest: dict) -> str:
    from tocsin.history.history import load_history

    return load_history(manifest["history"]["source"]).digest


def test_again_is_the_same_to_the_bit(done: Path, tmp_path: Path) -> None:
    again = replay_again(done / "manifest.json")
    again.write(tmp_path)
    assert again.differing_files() == []
    for name in FILES:
        assert (tmp_path / name).read_bytes() == (done / name).read_bytes(), name


def test_worlds_draw_their_parameters_and_say_so(done: Path, tmp_path: Path) -> None:
    from tocsin.ensemble.parameter_draws import Draws

    manifest = json.loads((done / "manifest.json").read_text())
    kept = Draws.read(manifest["draws"])
    ensemble = Ensemble.read(done / "ensemble.parquet")
    assert kept is not None and len(kept) == 200
    assert kept.frame().equals(ensemble.draws.frame())
    assert kept.frame().equals(load_fit(done / "fit.json").drawn[200].frame())
    report = (done / "report.html").read_text()
    assert "200 draws of the parameters from their likelihood" in report and "best estimates" not in report
    small = small_folder(tmp_path / "small")
    best = replay(small, worlds=20, draws="best", do=["remove layer road"])
    best.write(tmp_path / "best")
    said = json.loads((tmp_path / "best" / "manifest.json").read_text())
    assert (
        said["draws"] is None and "at the best estimates" in (tmp_path / "best" / "report.html").read_text()
    )
    again = replay_again(tmp_path / "best" / "manifest.json")
    again.write(tmp_path / "again")
    assert again.differing_files() == [] and again.comparison.ensemble.draws is None
    manifest["draws"]["float64"] = "broken"
    (done / "draws-broken.json").write_text(json.dumps(manifest))
    with pytest.raises(TocsinError, match="the manifest's draws cannot be read"):
        replay_again(done / "draws-broken.json")
    (done / "draws-broken.json").unlink()
    few = replay(small, worlds=20, draws=7, do=["remove layer road"])
    few.write(tmp_path / "few")
    text = (tmp_path / "few" / "report.html").read_text()
    assert "The expected effect is" in text and "In one wave the difference lies between" in text
    again = replay_again(tmp_path / "few" / "manifest.json")
    again.write(tmp_path / "few-again")
    assert again.differing_files() == [] and len(again.comparison.ensemble.draws) == 7


def test_again_with_a_change_has_its_baseline(tmp_path: Path) -> None:
    folder = small_folder(tmp_path / "small")
    first = replay(folder, worlds=30, do=["remove layer road"], start="1919-01-02", end="1919-02-20")
    out = first.write(tmp_path / "out")
    assert first.comparison.baseline is not None
    assert first.comparison.ensemble.interventions == ("remove layer road",)
    assert not (first.comparison.ensemble.sql("SELECT * FROM events WHERE cause = 'road'").size)
    again = replay_again(out / "manifest.json")
    again.write(tmp_path / "again")
    assert again.differing_files() == []
    assert (tmp_path / "again" / "baseline.parquet").read_bytes() == (out / "baseline.parquet").read_bytes()
    plain = replay(folder, worlds=30, start="1919-01-02", end="1919-02-20")
    assert plain.comparison.ensemble.events.equals(first.comparison.baseline.events)


def test_again_refuses_another_history(done: Path, tmp_path: Path) -> None:
    folder = small_folder(tmp_path / "small")
    manifest = json.loads((done / "manifest.json").read_text())
    events = folder / "events.csv"
    events.write_text(events.read_text().replace("1919-01-04", "1919-01-05"))
    manifest["history"]["source"] = str(folder)
    other = tmp_path / "manifest.json"
    other.write_text(json.dumps(manifest))
    with pytest.raises(TocsinError, match="is not the one of"):
        replay_again(other)


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "{}", '{"form": 1, "verb": "replay"}', '{"form": 99, "verb": "replay"}', "\x00"],
)
def test_broken_manifests_are_refused(text: str, tmp_path: Path) -> None:
    path = tmp_path / "manifest.json"
    path.write_text(text)
    with pytest.raises(TocsinError, match=r"manifest\.json"):
        replay_again(path)


@pytest.mark.parametrize(
    "key", ["history", "model", "parameters", "seed", "worlds", "interventions", "window", "files", "wave"]
)
def test_damaged_manifests_are_refused(key: str, done: Path, tmp_path: Path) -> None:
    manifest = json.loads((done / "manifest.json").read_text())
    manifest[key] = -1 if key in ("seed", "worlds") else 3
    path = tmp_path / "manifest.json"
    path.write_text(json.dumps(manifest))
    with pytest.raises(TocsinError, match="cannot be read"):
        replay_again(path)


def test_wrong_questions() -> None:
    history = small_history()
    with pytest.raises(ModelError, match="brings no model"):
        replay(history)
    model = Model.from_toml(MODEL)
    with pytest.raises(ModelError, match="did you mean 'road'"):
        replay(history, model, do=["remove layer rod"], worlds=2)
    with pytest.raises(ModelError, match="did you mean 'soviet'"):
        replay(history, model, wave="regime=soviets", worlds=2)


def test_the_wave_of_a_model() -> None:
    model = Model.from_toml(MODEL)
    assert wave_of(model) == Wave("regime", "soviet")
    assert wave_of(model, "regime=old") == Wave("regime", "old")
    with pytest.raises(ModelError, match="one state of one variable"):
        wave_of(model, "regime=old|soviet")


def test_numeric_times_and_a_folder_that_is_a_file(tmp_path: Path) -> None:
    done = replay(small_history(dated=False), Model.from_toml(MODEL), worlds=20)
    out = done.write(tmp_path / "numeric")
    summary = pd.read_csv(out / "summary.csv")
    assert (
        summary.loc[(summary["state"] == "soviet") & (summary["unit"] == "aa"), "observed_first"].item()
        == 4.0
    )
    (tmp_path / "file").write_text("")
    with pytest.raises(TocsinError, match="not a folder"):
        done.write(tmp_path / "file")


def test_progress_is_told() -> None:
    told: list[tuple[str, int, int]] = []
    replay(small_history(), Model.from_toml(MODEL), worlds=20, progress=lambda *step: told.append(step))
    assert told[-1] == ("simulating worlds", 20, 20)
    assert any("fitting" in what for what, _, _ in told)


def test_worlds_that_outgrow_memory_are_kept_on_disk_and_are_the_same(
    done: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tocsin.report.replay.MOST_IN_MEMORY", 50)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    again = replay_again(done / "manifest.json")
    kept = again.comparison.ensemble.folder
    assert kept.is_dir()
    again.write(tmp_path / "again")
    again.clear()
    assert not kept.exists()
    assert again.differing_files() == [
        "ensemble.parquet"
    ]  # row groups are the parts; the events are the same
    before, after = (Ensemble.read(path / "ensemble.parquet") for path in (done, tmp_path / "again"))
    assert before.events.to_pandas().equals(after.events.to_pandas())


def test_outlines_from_elsewhere_are_the_users_to_name(tmp_path: Path) -> None:
    folder, other = small_folder(tmp_path / "small"), tmp_path / "elsewhere.geojson"
    ring = [[0, 0], [0, 10], [10, 10], [10, 0], [0, 0]]
    outline = {
        "type": "Feature",
        "properties": {"unit": "aa"},
        "geometry": {"type": "Polygon", "coordinates": [ring]},
    }
    other.write_text(json.dumps({"type": "FeatureCollection", "features": [outline]}))
    plain = replay(folder, worlds=5).write(tmp_path / "plain")
    drawn = replay(folder, worlds=5, borders=other).write(tmp_path / "drawn")
    manifest = drawn / "manifest.json"
    assert str(other) not in manifest.read_text()
    assert (plain / "ensemble.parquet").read_bytes() == (drawn / "ensemble.parquet").read_bytes()
    with pytest.raises(TocsinError, match=r"drawn with other outlines: give that file \(--borders\)"):
        replay_again(manifest)
    with pytest.raises(TocsinError, match=r"give none \(--borders\)"):
        replay_again(plain / "manifest.json", borders=other)
    again = replay_again(manifest, borders=other)
    again.write(tmp_path / "again")
    assert again.differing_files() == []
    record = load_history(folder)
    assert record.with_borders(other) == record and record.with_borders(other).borders_path == other
    for content, words in (
        ("{}", "elsewhere"),
        (other.read_text().replace('"aa"', '"zz"'), "belongs to a unit"),
    ):
        other.write_text(content)
        with pytest.raises(TocsinError, match=words):
            record.with_borders(other)
    with pytest.raises(TocsinError, match="cannot be read"):
        record.with_borders(tmp_path / "none.geojson")
