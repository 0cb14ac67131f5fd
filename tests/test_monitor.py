"""The monitor: news that comes twice, late or against the record; processes killed, two at once, a full disk."""

from __future__ import annotations

import json
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import duckdb
import pandas as pd
import pytest
from typer.testing import CliRunner

import tocsin as tc
from tocsin.cli.main import app
from tocsin.errors import HistoryError, TocsinError
from tocsin.files.locks import alone
from tocsin.monitor.monitor import begin, bulletins, opened, replay, step
from tocsin.monitor.news import read_rows
from tocsin.report.bulletins import publish

UNITS = list("abcdefghij")
CAME = {"a": "1900-02-10", "b": "1900-03-05", "c": "1900-03-20", "d": "1900-04-11", "e": "1900-05-02"}


def _history(events: dict[str, str] = CAME, last: str = "1900-12-31") -> tc.History:
    ties = [
        {"layer": "road", "source": one, "target": other}
        for k, one in enumerate(UNITS)
        for other in (*UNITS[max(k - 1, 0) : k], *UNITS[k + 1 : k + 2])
    ]
    ties += [
        {
            "layer": "help",
            "source": "a",
            "target": "e",
            "start": "1900-02-15",
            "end": "1900-04-15",
            "support": "money",
        },
        {
            "layer": "help",
            "source": "a",
            "target": "f",
            "start": "1900-03-15",
            "support": "training",
            "by": "bank",
        },
    ]
    rows = [{"unit": u, "variable": "vote", "state": "yes", "time": day} for u, day in events.items()]
    return tc.History(
        units=pd.DataFrame({"unit": UNITS}),
        events=pd.DataFrame(rows, columns=["unit", "variable", "state", "time"]),
        ties=pd.DataFrame(ties),
        variables=[tc.StateVariable("vote", ["no", "yes"], "no")],
        window=("1900-01-01", last),
        title="Ten towns",
    )


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "model.toml"
    path.write_text(tc.Model.of("vote", "no", "yes", along=["road"]).to_toml(), encoding="utf-8")
    return path


@pytest.fixture
def watch(tmp_path: Path, model: Path) -> Path:
    """A monitor of what was known in March."""
    folder = tmp_path / "watch"
    early = {u: day for u, day in CAME.items() if day < "1900-04-01"}
    with opened(folder, begun=False) as record:
        begin(record, _history(early, "1900-03-31"), model, worlds=50, horizon=60)
        step(record, (), "1900-04-01")
        publish(record)
    return folder


def _csv(path: Path, *rows: str, head: str = "unit,variable,state,time") -> Path:
    path.write_text("\n".join([head, *rows]) + "\n", encoding="utf-8")
    return path


def _step(folder: Path, file: Path | None, as_of: str, take_new: bool = False) -> dict[str, object]:
    with opened(folder) as record:
        rows = read_rows(file, record.clock) if file is not None else []
        content = step(record, rows, as_of, take_new)
        publish(record)
    return content


def _events(folder: Path) -> list[tuple[str, str, bool]]:
    with duckdb.connect(str(folder / "monitor.duckdb"), read_only=True) as connection:
        return connection.execute("SELECT unit, time, late FROM events ORDER BY unit, time").fetchall()


def test_news_is_taken_in_once_and_the_window_grows(watch: Path, tmp_path: Path) -> None:
    news = _csv(tmp_path / "april.csv", "d,vote,yes,1900-04-11")
    first = _step(watch, news, "1900-05-01")
    assert first["changed"]["added"] == 1 and first["changed"]["known"] == 0
    assert first["changed"]["events"] == ["d vote yes 1900-04-11"]
    again = _step(watch, news, "1900-05-01")
    assert again["changed"]["added"] == 0 and again["changed"]["known"] == 1
    assert again["forecast"] == first["forecast"]  # the same day, the same record, the same bits
    assert [unit for unit, _, _ in _events(watch)] == ["a", "b", "c", "d"]
    kept = tc.load_history(watch / "record")
    assert str(kept.window[1]) == "1900-05-01" and len(kept.events) == 4


def test_a_bulletin_is_the_forecast_of_what_was_known(watch: Path, tmp_path: Path, model: Path) -> None:
    content = _step(watch, _csv(tmp_path / "n.csv", "d,vote,yes,1900-04-11"), "1900-05-01")
    told = {each["unit"]: each["probability"] for each in content["forecast"]["units"]}
    made = tc.forecast(
        tc.Model.from_toml(model), _history(), "vote", "yes", "1900-05-01", 60, 50, 1917
    )  # the whole record, from scratch
    assert content["forecast"]["entries"]["mean"] == pytest.approx(made.number[0], abs=0.3)
    for unit, probability in zip(made.table["unit"], made.table["probability"], strict=True):
        assert told[unit] == pytest.approx(probability, abs=0.08)


def test_late_news_changes_no_earlier_bulletin_but_its_score(watch: Path, tmp_path: Path) -> None:
    before = (watch / "bulletins" / "1900-04-01" / "bulletin.json").read_bytes()
    on_time = _csv(tmp_path / "on_time.csv", "d,vote,yes,1900-04-11")
    _step(watch, on_time, "1900-05-01")
    late = _csv(tmp_path / "late.csv", "e,vote,yes,1900-04-20", "j,vote,yes,1900-03-30")
    content = _step(watch, late, "1900-06-15")
    assert content["changed"]["late"] == 2
    assert (watch / "bulletins" / "1900-04-01" / "bulletin.json").read_bytes() == before
    scored = content["past"]["one_by_one"]
    assert [each["as_of"] for each in scored] == ["1900-04-01"]
    assert scored[0]["entered"] == 3 and scored[0]["came"] == 3  # d, e, and j, which was not known on the day
    reported = tc.load_history(watch / "record").events.set_index("unit")["reported"]
    assert str(reported["e"]).startswith("1900-06-15") and pd.isna(reported["d"])


def test_what_goes_against_the_record_is_kept_aside_and_said(watch: Path, tmp_path: Path) -> None:
    news = _csv(
        tmp_path / "odd.csv",
        "a,vote,no,1900-02-10,",  # another state at the same time
        "b,vote,yes,1900-03-09,",  # the same state on another day
        "c,vote,yes,1900-03-20,a further word",
        "d,vote,yes,1900-04-11,",
        head="unit,variable,state,time,note",
    )
    content = _step(watch, news, "1900-05-01")
    against = content["changed"]["against"]
    assert sorted(each["line"] for each in against) == [2, 3, 4] and content["changed"]["added"] == 1
    assert "a vote yes 1900-02-10" in against[0]["why"]
    assert [(u, day) for u, day, _ in _events(watch)][:3] == [(u, CAME[u]) for u in "abc"]
    page = (watch / "bulletins" / "1900-05-01" / "index.html").read_text(encoding="utf-8")
    assert "odd.csv, line 3" in page
    with duckdb.connect(str(watch / "monitor.duckdb"), read_only=True) as connection:
        assert connection.execute("SELECT count(*) FROM against").fetchall() == [(3,)]
    _step(watch, news, "1900-05-01")
    with duckdb.connect(str(watch / "monitor.duckdb"), read_only=True) as connection:
        assert connection.execute("SELECT count(*) FROM against").fetchall() == [(3,)]


def test_what_differs_takes_the_place_of_the_old_by_request(watch: Path, tmp_path: Path) -> None:
    news = _csv(tmp_path / "mended.csv", "c,vote,yes,1900-03-20,better", head="unit,variable,state,time,note")
    content = _step(watch, news, "1900-05-01", take_new=True)
    assert len(content["changed"]["replaced"]) == 1
    notes = tc.load_history(watch / "record").events.set_index("unit")["note"]
    assert notes["c"] == "better"
    with duckdb.connect(str(watch / "monitor.duckdb"), read_only=True) as connection:
        assert connection.execute("SELECT what FROM against").fetchall() == [("replaced",)]


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("dd,vote,yes,1900-04-11", "odd.csv, line 3, column unit"),
        ("d,vote,yess,1900-04-11", "did you mean 'yes'"),
        ("d,vote,yes,1900-13-11", "odd.csv, line 3, column time"),
        ("d,vote,yes,1900-07-01", "lies after 1900-05-01"),
        ("d,vote,,1900-04-11", "line 3, column state"),
    ],
)
def test_wrong_news_is_refused_whole_with_its_line(watch: Path, tmp_path: Path, row: str, said: str) -> None:
    before = _events(watch)
    with pytest.raises(HistoryError) as caught:
        _step(watch, _csv(tmp_path / "odd.csv", "e,vote,yes,1900-04-02", row), "1900-05-01")
    assert said in str(caught.value)
    assert _events(watch) == before
    _step(watch, None, "1900-05-01")
    assert len(tc.load_history(watch / "record").events) == len(before)


def test_a_bulletin_says_support_causes_and_scores(watch: Path, tmp_path: Path) -> None:
    first = json.loads((watch / "bulletins" / "1900-04-01" / "bulletin.json").read_text(encoding="utf-8"))
    assert [(each["by"], each["kind"], each["to"]) for each in first["support"]["in_force"]] == [
        ("a", "money", ["e"]),
        ("bank", "training", ["f"]),
    ]
    content = _step(watch, _csv(tmp_path / "n.csv", "i,vote,yes,1900-04-11"), "1900-05-01")
    assert content["support"]["ended"] == ["money by a from a to e"]
    rose = {each["unit"]: each["causes"][0]["cause"] for each in content["rose"] if each["causes"]}
    assert rose["h"] == "road" and rose["j"] == "road"  # the neighbours of who came


def test_two_processes_do_not_write_at_once(watch: Path) -> None:
    with alone(watch, "monitoring"):
        command = [sys.executable, "-m", "tocsin", "monitor", str(watch), "--as-of", "1900-05-01"]
        told = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert told.returncode == 1 and "another process is monitoring there" in told.stderr


def test_nothing_is_lost_when_it_is_killed_at_any_instant(watch: Path, tmp_path: Path) -> None:
    news = _csv(tmp_path / "april.csv", "d,vote,yes,1900-04-11", "e,vote,yes,1900-04-20")
    command = [sys.executable, "-m", "tocsin", "monitor", str(watch), str(news), "--as-of", "1900-05-01"]
    sound = json.loads((watch / "bulletins" / "1900-04-01" / "bulletin.json").read_text(encoding="utf-8"))
    for place in range(6):
        running = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        time.sleep(0.5 + 0.6 * place)
        running.send_signal(signal.SIGKILL)
        running.communicate()
        found = _events(watch)
        assert len(found) in (3, 5)  # all of a file, or nothing
        for data in (watch / "bulletins").glob("*/bulletin.json"):
            json.loads(data.read_text(encoding="utf-8"))
            assert (data.parent / "index.html").read_text(encoding="utf-8").endswith("</html>\n")
    content = _step(watch, news, "1900-05-01")
    assert len(_events(watch)) == 5 and len(content["changed"]["events"]) == 2
    with opened(watch) as record:
        days = bulletins(record)
    assert [day for day, _ in days] == ["1900-04-01", "1900-05-01"] and json.loads(days[0][1]) == sound


def _small_files() -> None:
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (40_000, 40_000))


def test_a_full_disk_loses_nothing(watch: Path, tmp_path: Path) -> None:
    before = _events(watch)
    news = _csv(
        tmp_path / "long.csv",
        *(f"{u},vote,yes,1900-04-11,{'x' * 90_000}" for u in "dfg"),
        head="unit,variable,state,time,note",
    )
    command = [sys.executable, "-m", "tocsin", "monitor", str(watch), str(news), "--as-of", "1900-05-01"]
    told = subprocess.run(command, capture_output=True, text=True, preexec_fn=_small_files, timeout=200)
    assert told.returncode == 1 and "cannot" in told.stderr and "Traceback" not in told.stderr
    assert len(_events(watch)) in (len(before), len(before) + 3)
    content = _step(watch, news, "1900-05-01")
    assert len(_events(watch)) == 6 and len(content["changed"]["events"]) == 3


def test_a_replay_is_as_if_live_and_goes_on_where_it_was_stopped(tmp_path: Path, model: Path) -> None:
    history, folder = _history(last="1900-06-30"), tmp_path / "replayed"
    with opened(folder, begun=False) as record:
        begin(record, history, model, worlds=50, horizon=60, events=False)
        assert replay(record, history, until="1900-04-01") == 2
    with opened(folder) as record:
        assert replay(record, history) == 3  # May, June and the last day
        made = bulletins(record)
        index = publish(record)
    assert [day for day, _ in made] == ["1900-03-01", "1900-04-01", "1900-05-01", "1900-06-01", "1900-06-30"]
    assert all(json.loads(text)["changed"]["late"] == 0 for _, text in made)
    page = index.read_text(encoding="utf-8")
    assert all(f"bulletins/{day}/index.html" in page for day, _ in made)
    live = _step_by_step(tmp_path / "live", history, model)
    assert [json.loads(text)["forecast"] for _, text in made] == live


def _step_by_step(folder: Path, history: tc.History, model: Path) -> list[object]:
    """Return the forecasts of a monitor that is fed by hand."""
    told = []
    with opened(folder, begun=False) as record:
        begin(record, history, model, worlds=50, horizon=60, events=False)
        for day in ("1900-03-01", "1900-04-01", "1900-05-01", "1900-06-01", "1900-06-30"):
            known = [f"{u},vote,yes,{when}" for u, when in CAME.items() if when <= day]
            rows = read_rows(_csv(folder / "news.csv", *known), record.clock)
            told.append(
                json.loads(
                    json.dumps(step(record, rows, day)["forecast"], default=str).replace("NaN", "null")
                )
            )
    return told


def test_the_command_line_says_what_is_wrong(tmp_path: Path) -> None:
    run = CliRunner().invoke(app, ["monitor", str(tmp_path / "none")])
    assert run.exit_code == 1 and "there is no monitor here" in run.output
    assert not (tmp_path / "none").exists()
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "monitor.duckdb").write_text("this is text", encoding="utf-8")
    run = CliRunner().invoke(app, ["monitor", str(tmp_path / "bad")])
    assert run.exit_code == 1 and "monitor.duckdb" in run.output
    assert (tmp_path / "bad" / "monitor.duckdb").read_text(encoding="utf-8") == "this is text"


def test_a_bulletin_of_an_earlier_day_is_refused(watch: Path) -> None:
    with pytest.raises(TocsinError, match="the last bulletin is of 1900-04-01"):
        _step(watch, None, "1900-03-01")


def test_a_monitor_of_a_whole_record_knows_only_what_was_known(tmp_path: Path, model: Path) -> None:
    """The record may hold what came later: a bulletin of an earlier day neither lists nor uses it."""
    folder = tmp_path / "whole"
    with opened(folder, begun=False) as record:
        begin(record, _history(), model, worlds=50, horizon=60)
        first = step(record, (), "1900-04-01")
        second = step(record, (), "1900-05-01")
    assert first["changed"]["events"] == [f"{u} vote yes {CAME[u]}" for u in "abc"]
    assert second["changed"]["events"] == ["d vote yes 1900-04-11"]
    assert first["forecast"]["events_known"] == 3 and second["forecast"]["events_known"] == 4
