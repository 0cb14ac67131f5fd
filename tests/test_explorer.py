"""The explorer's server: what it answers, and what it refuses."""

from __future__ import annotations

import csv
import io
import json
import re
import socket
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import numpy as np
import pytest
from typer.testing import CliRunner

import tocsin as tc

pytest.importorskip("starlette", reason="the explorer needs the extra `explorer`")
httpx = pytest.importorskip("httpx", reason="its tests need the group `browser`")

from helpers.explored import WORLDS, laboratory, served, small  # noqa: E402

from tocsin.charts.parts import theme_css  # noqa: E402
from tocsin.cli.main import app as command_line  # noqa: E402
from tocsin.ensemble.paired import Paired  # noqa: E402
from tocsin.explorer import answers, assets, edition  # noqa: E402
from tocsin.explorer.app import PIECE, application  # noqa: E402
from tocsin.explorer.connections import Doors  # noqa: E402
from tocsin.explorer.questions import Limits, Scenario  # noqa: E402
from tocsin.explorer.run import ANSWERS, KeptWorlds, Laboratory  # noqa: E402
from tocsin.explorer.security import HEADERS, LONGEST_ADDRESS, Guard  # noqa: E402
from tocsin.files.csv_for_people import guarded  # noqa: E402


class Browser:
    """Asks an application as a browser would, without a socket."""

    def __init__(self, lab: Laboratory, hosts: Any = ("localhost", "127.0.0.1")) -> None:
        self.app = application(lab, hosts)

    def ask(self, address: str, method: str = "GET", host: str = "localhost:8017", **more: Any) -> Any:
        import asyncio

        async def go() -> Any:
            transport = httpx.ASGITransport(self.app, raise_app_exceptions=False)
            async with httpx.AsyncClient(transport=transport, base_url="http://localhost:8017") as client:
                headers = {"host": host, **more.pop("headers", {})}
                return await client.request(method, address, headers=headers, **more)

        return asyncio.run(go())

    def json(self, address: str) -> Any:
        answer = self.ask(address)
        assert answer.status_code == 200, answer.text
        return answer.json()


@pytest.fixture(scope="module")
def browser() -> Browser:
    return Browser(laboratory())


@pytest.fixture(scope="module")
def tiny() -> Browser:
    return Browser(small())


# --- answers ------------------------------------------------------------------------------------------------


def counts_of(scene: dict[str, Any]) -> dict[str, np.ndarray]:
    """Read counts as the page does."""
    found = {}
    for unit, text in zip(scene["units"], scene["counts"], strict=True):
        changes = []
        for part in re.findall(r"~-?\d+;|.", text):
            if part[0] == "~":
                changes.append(int(part[1:-1]))
            else:
                folded = ord(part) - ord("#")
                changes.append(-(folded + 1) // 2 if folded % 2 else folded // 2)
        found[unit] = np.cumsum(changes)
    return found


@pytest.mark.parametrize("do", [[], ["remove layer comintern"], ["scale food_crisis by 0.5"]])
def test_counts_are_those_of_the_ensemble(browser: Browser, do: list[str]) -> None:
    scene = browser.json("/api/worlds?" + urlencode({"do": do}, doseq=True))
    lab = laboratory()
    asked = {"given": lab.standard.given, "draws": lab.draws}
    assert asked["given"] == "until 1917-11-08"  # what the history asks
    ensemble = lab.model.with_params(lab.parameters).simulate(lab.history, WORLDS, 1917, do, **asked)
    counts = counts_of(scene)
    assert scene["count"] == 2556 and scene["worlds"] == WORLDS and scene["do"] == do
    for day in (0, 810, 2555):  # at the end of the day, whose events have been seen by then
        share: Any = ensemble.probability("regime", "soviet", [day + 1.0])
        for unit in scene["units"]:
            wanted = float(np.nan_to_num(share.sel(unit=unit).item()))
            assert counts[unit][day] == round(wanted * WORLDS), (unit, day)
    assert not set(ensemble.frame.units) - set(scene["units"]) & set(
        ensemble.first_times("regime", "soviet")["unit"].astype(str)
    )
    curve = ensemble.curve("regime", "soviet", answers.LEVELS, [t + 1.0 for t in scene["curve"]["time"]])
    assert scene["curve"]["q95"] == curve[0.95].tolist()


def test_large_changes_are_written_out() -> None:
    counts = np.array([[0, 28, 0, 29, 0, -29 + 40, 2000], [5, 5, 5, 5, 5, 5, 5]])
    texts = answers.packed(counts)
    read = counts_of({"units": ["a", "b"], "counts": texts})
    assert read["a"].tolist() == counts[0].tolist() and read["b"].tolist() == counts[1].tolist()
    assert "~1989;" in texts[0] and not set('"\\') & set("".join(texts))


def test_differences_are_those_of_paired_worlds(browser: Browser) -> None:
    do = ["remove layer comintern"]
    told = browser.json("/api/difference?" + urlencode({"do": do}, doseq=True))
    lab = laboratory()
    given = lab.model.with_params(lab.parameters)
    asked = {"given": lab.standard.given, "draws": lab.draws}
    changed, plain = (given.simulate(lab.history, WORLDS, 1917, each, **asked) for each in (do, []))
    wanted = Paired(changed, plain).units("regime", "soviet")
    for row in told["rows"]:
        mine = wanted.loc[row["unit"]]
        assert row["difference"] == pytest.approx(
            mine[["difference", "expected_lower", "expected_upper"]].tolist(), abs=1e-5
        )
        assert row["changed"][0] == pytest.approx(mine["share"], abs=1e-5)
        assert row["base"][0] == pytest.approx(mine["share_unchanged"], abs=1e-5)
    hungary = next(row for row in told["rows"] if row["unit"] == "hungary")
    before, after = (round(100 * hungary[name][0]) for name in ("base", "changed"))
    assert hungary["sentence"].startswith(f"Hungary has a soviet republic in {before} of 100 worlds; ")
    assert f"in {after} of 100 worlds: an expected effect of" in hungary["sentence"]
    assert "Without the Comintern" in told["headline"]
    plain_ = next(row for row in browser.json("/api/difference")["rows"] if row["unit"] == "hungary")
    low, high = (round(100 * value) for value in plain_["base"][1:])
    assert plain_["sentence"].endswith(f"in {before} of 100 worlds (95% interval {low} to {high}).")


def test_two_scenarios_can_be_compared(browser: Browser) -> None:
    asked = {"do": ["remove layer comintern"], "base": ["remove layer red_army"], "show": "army=mutinous"}
    told = browser.json("/api/difference?" + urlencode(asked, doseq=True))
    assert told["base"] == ["remove layer red_army"] and told["show"] == "army=mutinous"
    back = browser.json(
        "/api/difference?" + urlencode({**asked, "do": asked["base"], "base": asked["do"]}, doseq=True)
    )
    one, other = ({row["unit"]: row["difference"][0] for row in each["rows"]} for each in (told, back))
    assert one == {unit: -value for unit, value in other.items()}


def test_code_gives_the_same_worlds(browser: Browser) -> None:
    told = browser.json(f"/api/difference?worlds=60&do={quote('prevent hungary regime=soviet')}")
    scope: dict[str, Any] = {}
    exec(compile(told["python"].replace("print(", "str("), "told", "exec"), scope)
    rows = {row["unit"]: row for row in told["rows"]}
    summary = scope["changed"].summary("regime", "soviet")
    assert rows["germany"]["changed"][0] == pytest.approx(summary.loc["germany", "share"], abs=1e-5)
    assert rows["hungary"]["changed"][0] == 0.0
    assert told["command"] == (
        "tocsin replay 1917 --scope broad --given 'until 1917-11-08' --worlds 60 --seed 1917 --wave regime=soviet "
        "--do 'prevent hungary regime=soviet'"
    )


def test_about_tells_the_history(browser: Browser) -> None:
    told = browser.json("/api/about")
    assert len(told["units"]) == len(laboratory().history.units) and told["first"] == "1917-01-01"
    assert told["wave"] == "regime=soviet" and told["states"][0]["show"] == "regime=soviet"
    spells = [each for each in told["spells"]["hungary"] if each[0] == "regime=soviet"]
    start, end = (
        (np.datetime64(day) - np.datetime64("1917-01-01")).astype(int) for day in ("1919-03-21", "1919-08-01")
    )
    assert spells[0][1] == start and abs(spells[0][2] - end) < 10
    for each in told["examples"]:  # every example can be asked for
        assert browser.json(f"/api/check?say={quote(each['say'])}") == {"say": each["say"]}
    assert len(told["cuts"]) == len(told["cut_dates"]) == 7


def test_story_of_a_unit(browser: Browser) -> None:
    told = browser.json("/api/unit?unit=hungary")
    soviet = next(each for each in told["events"] if each["show"] == "regime=soviet")
    assert soviet["source"] and soviet["confidence"] == "high" and soviet["note"]
    assert sum(share for _, share in soviet["causes"]) == pytest.approx(1.0, abs=0.03)
    assert told["neighbours"] and {each["way"] for each in told["neighbours"]} == {"hears", "sends"}
    lab = laboratory()
    wanted = lab.model.with_params(lab.parameters).hazards_by_cause(
        lab.history, "regime: old > soviet", "hungary"
    )
    assert set(told["hazards"]["causes"]) == set(wanted["cause"])
    window = 2556.0
    total = {name: np.mean(rates) * window for name, rates in told["hazards"]["causes"].items()}
    for name, expected in wanted.groupby("cause")["expected"].sum().items():
        assert total[str(name)] == pytest.approx(expected, rel=0.02, abs=1e-6)
    worlds = lab.worlds(lab.standard)  # of all variables: the page draws those that it needs
    events = worlds.events.to_pandas()
    mine = events[
        (events["unit"] == "hungary") & (events["variable"] == "regime") & (events["to"] == "soviet")
    ]
    assert sum(count for _, count in told["causes"]["entries"]) == len(mine)


@pytest.mark.parametrize("view", ["europe", "world"])
def test_outlines_hold_every_place_that_they_can(browser: Browser, view: str) -> None:
    told = browser.json(f"/api/outlines?view={view}&cut=3")
    assert told["note"] == "Borders of 15 April 1919"
    assert {"hungary", "germany", "bavaria"} <= set(told["units"])
    assert "bremen" in told["marks"] and re.fullmatch(r"[MlZ\d. -]+", told["units"]["hungary"])
    assert len(json.dumps(told)) < 400_000
    hungary = np.array(told["places"]["hungary"])
    assert (hungary > 0).all() and (hungary < [told["width"], told["height"]]).all()


def test_tables_are_plain_csv(browser: Browser) -> None:
    lab = laboratory()
    for table in ("differences", "worlds", "curve", "record"):
        answer = browser.ask(f"/api/download?table={table}&do={quote('remove layer comintern')}")
        assert answer.status_code == 200 and "attachment" in answer.headers["content-disposition"]
        rows = [row for row in csv.reader(io.StringIO(answer.text)) if not row[0].startswith("# ")]
        assert len({len(row) for row in rows}) == 1 and len(rows) > 50
        if table == "record":
            assert len(rows) == 1 + len(lab.history.events) and "1919-03-21" in answer.text
        else:
            assert "# changed: remove layer comintern" in answer.text
    assert all(float(row[2]) <= 1 for row in rows[1:] if table == "worlds")


@pytest.mark.parametrize("cell", ["=1+1", "+1+1", "-2+3+cmd|' /C calc'!A0", "@SUM(A1)", "\t=1", "\r=1"])
def test_no_cell_is_a_formula(cell: str) -> None:
    assert guarded(cell) == f"'{cell}"
    for harmless in (-1.5, "-1.5", "+2e3", "plain", ""):
        assert guarded(harmless) == harmless


def test_hostile_names_of_a_history_stay_text() -> None:
    """A folder from elsewhere may call its units anything: in a table they are no formula, in JSON no markup."""
    name = '=HYPERLINK("http://evil","x")<script>'
    history = tc.History(
        units={"unit": [name, "b"], "label": [name, "b"], "lon": [10.0, 20.0], "lat": [50.0, 50.0]},
        events={"unit": [name], "variable": ["s"], "state": ["on"], "time": [3.0], "note": ["=1+1"]},
        variables=[tc.StateVariable("s", ["off", "on"])],
        window=(0.0, 10.0),
        title="=2+2",
    )
    model = tc.Model([tc.StateVariable("s", ["off", "on"])], [tc.Transition("s", "off", "on", tc.baseline())])
    lab = Laboratory(
        "odd", history, model, {"s: off > on | baseline | propensity | 1": -2.0}, Limits(worlds=60, burst=1e6)
    )
    text = Browser(lab).ask("/api/download?table=record").text
    assert "'=1+1" in text and "'=HYPERLINK" in text and "\n=" not in text and not text.startswith("=")
    answer = Browser(lab).ask(f"/api/unit?{urlencode({'unit': name})}")
    assert answer.status_code == 200 and answer.headers["content-type"] == "application/json"
    assert Browser(lab).json("/api/about")["views"]  # it lies somewhere, so there is a map


def test_a_history_without_a_map(tiny: Browser) -> None:
    told = tiny.json("/api/about")
    assert told["count"] == 364 or told["count"] == 365
    assert tiny.json(f"/api/worlds?do={quote('remove layer border')}")["worlds"] == 60
    assert tiny.json("/api/unit?unit=italy")["events"][0]["show"] == "army=mutinous"


# --- refusals -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("address", "status", "words"),
    [
        ("/api/worlds?do=remove+layer+cominter", 400, "did you mean 'comintern'"),
        ("/api/worlds?do=remov+layer+comintern", 400, "did you mean 'remove'"),
        ("/api/worlds?do=prevent+hungry+regime%3Dsoviet", 400, "did you mean 'hungary'"),
        ("/api/worlds?do=force+germany+regime%3Dsoviet+at+1918-13-45", 400, "1918-13-45"),
        ("/api/worlds?do=scale+food_crisis+by+nan", 400, "finite"),
        ("/api/worlds?do=" + "x" * 200, 400, "at most 160 letters"),
        ("/api/worlds?do=remove%00layer", 400, "printable"),
        ("/api/worlds?do=", 400, "empty"),
        ("/api/worlds?" + "&".join(f"do=scale+food_crisis+by+0.{n}" for n in range(1, 9)), 400, "at most 6"),
        ("/api/worlds?seed=-1", 400, "whole number"),
        ("/api/worlds?seed=1&seed=2", 400, "twice"),
        ("/api/worlds?worlds=1000000", 400, "whole number from 50 to 200"),
        ("/api/worlds?worlds=١٠٠", 400, "whole number"),
        ("/api/worlds?wrlds=100", 400, "did you mean 'worlds'"),
        ("/api/worlds?show=regime%3Dsovjet", 400, "did you mean 'soviet'"),
        ("/api/worlds?show=regime", 400, "variable=state"),
        ("/api/worlds?query=select+1", 400, "there is no parameter 'query'"),
        ("/api/unit", 400, "name a unit"),
        ("/api/unit?unit=hungry", 400, "did you mean 'hungary'"),
        ("/api/unit?unit=../../etc/passwd", 400, "there is no unit"),
        ("/api/outlines?view=mars", 400, "there is no view 'mars'"),
        ("/api/outlines?cut=99", 400, "whole number from 0 to 6"),
        ("/api/download", 400, "there is no table"),
        ("/api/download?table=passwd", 400, "there are: differences, worlds, curve, record"),
        ("/api/check", 400, "say what is to change"),
        ("/api/nothing", 404, "there is no page"),
        ("/page/../../../pyproject.toml", 404, "there is no page"),
        ("/page/%2e%2e%2f%2e%2e%2fapp.py", 404, "there is no page"),
        ("/page/..%5c..%5capp.py", 404, "there is no page"),
        ("/page//etc/passwd", 404, "there is no page"),
        ("/page/__init__.py", 404, "there is no page"),
        ("/docs", 404, "there is no page"),
    ],
)
def test_wrong_questions_are_refused_in_words(
    browser: Browser, address: str, status: int, words: str
) -> None:
    answer = browser.ask(address)
    assert answer.status_code == status and words in answer.json()["error"], answer.text
    assert "Traceback" not in answer.text and "/src/" not in answer.text


@pytest.mark.parametrize(
    "sentence",
    ["scale food_crisis by 1e9", "scale cause baseline by 1e12", "scale army_demobilising by 1e300"],
)
def test_endless_worlds_are_refused(browser: Browser, sentence: str) -> None:
    answer = browser.ask(f"/api/worlds?do={quote(sentence)}")
    assert answer.status_code in (400, 422) and answer.json()["field"] == "do"
    assert len(answer.json()["error"]) > 40


def test_a_later_sentence_sees_the_earlier_ones(browser: Browser) -> None:
    asked = {"say": "scale layer comintern by 2", "do": "remove unit hungary"}
    assert browser.json(f"/api/check?{urlencode(asked)}") == {"say": asked["say"]}


def test_markup_in_a_sentence_stays_data(browser: Browser) -> None:
    answer = browser.ask("/api/check?say=" + quote("remove layer <script>alert(1)</script>"))
    assert answer.status_code == 400 and answer.headers["content-type"] == "application/json"
    assert answer.headers["x-content-type-options"] == "nosniff" and "<script>" in answer.json()["error"]


def test_only_get(browser: Browser) -> None:
    for method in ("POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"):
        answer = browser.ask("/api/about", method)
        assert answer.status_code == 405 and answer.headers["allow"] == "GET, HEAD"
    assert browser.ask("/", "HEAD").text == ""


def test_large_questions_are_refused(browser: Browser) -> None:
    assert browser.ask("/api/worlds?do=" + "a" * 5000).status_code == 414
    assert browser.ask("/api/worlds", "GET", content=b"x" * 100_000).status_code == 413


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:8017", "localhost.evil.example", "", "[::1", "a:b"]
)
def test_rebound_names_are_refused(browser: Browser, host: str) -> None:
    assert browser.ask("/", host=host).status_code == 421
    assert browser.ask("/", host="LOCALHOST:1").status_code == 200


def test_every_answer_has_its_headers(browser: Browser) -> None:
    for address in ("/", "/api/about", "/api/nothing", "/page/style.css", "/api/worlds?do=x"):
        answer = browser.ask(address)
        for name, value in HEADERS.items():
            assert answer.headers[name] == value, (address, name)
    policy = HEADERS["content-security-policy"]
    assert "unsafe" not in policy and "default-src 'none'" in policy and "frame-ancestors 'none'" in policy
    assert browser.ask("/", host="evil.example").headers["x-content-type-options"] == "nosniff"


def test_pages_come_again_only_when_changed(browser: Browser) -> None:
    first = browser.ask("/page/main.js")
    assert first.status_code == 200 and first.headers["content-type"].startswith("text/javascript")
    again = browser.ask("/page/main.js", headers={"if-none-match": first.headers["etag"]})
    assert again.status_code == 304 and again.text == ""


def test_a_visitor_who_asks_too_often_waits() -> None:
    told: list[int] = []
    now = [0.0]

    async def inner(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    guard = Guard(inner, None, Limits(burst=3, refill=1), lambda: now[0])

    def ask(client: str) -> int:
        import asyncio

        async def send(message: Any) -> None:
            if message["type"] == "http.response.start":
                told.append(message["status"])
                if message["status"] == 429:
                    assert (b"retry-after", b"1") in message["headers"]

        scope = {
            "type": "http",
            "method": "GET",
            "path": "/api/x",
            "raw_path": b"/api/x",
            "query_string": b"",
            "headers": [],
            "client": (client, 1),
        }
        asyncio.run(guard(scope, asyncio.Event().wait, send))
        return told[-1]

    assert [ask("a") for _ in range(5)] == [200, 200, 200, 429, 429]
    assert ask("b") == 200  # one visitor's haste is not another's
    now[0] = 2.0
    assert [ask("a") for _ in range(3)] == [200, 200, 429]


def test_too_many_at_once_are_sent_away() -> None:
    lab = small(waiting=1)
    with served(application(lab)) as address:
        statuses: list[int] = []

        def ask(n: int) -> None:
            answer = httpx.get(f"{address}api/worlds?seed={n}", timeout=60)
            statuses.append(answer.status_code)
            if answer.status_code == 503:
                assert answer.headers["retry-after"] == "2" and "moment" in answer.json()["error"]
                assert answer.headers["x-frame-options"] == "DENY"

        original = lab._draw
        gate = threading.Event()

        def slow(scenario: Scenario, part: Any) -> Any:
            gate.wait(20)
            return original(scenario, part)

        lab._draw = slow  # type: ignore[method-assign]
        threads = [threading.Thread(target=ask, args=(n,)) for n in range(4)]
        for thread in threads:
            thread.start()
        while statuses.count(503) < 2:  # one is drawn, one waits
            assert len(statuses) <= 2
        gate.set()
        for thread in threads:
            thread.join(60)
        assert sorted(statuses) == [200, 200, 503, 503]


def test_answers_are_made_once_and_let_go() -> None:
    made: list[int] = []
    kept: KeptWorlds[int, int] = KeptWorlds(2)

    def make(n: int) -> int:
        made.append(n)
        return n

    threads = [threading.Thread(target=lambda: kept.get(1, lambda: make(1))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert made == [1]
    for n in (2, 1, 3):
        kept.get(n, lambda n=n: make(n))  # type: ignore[misc]
    assert 1 in kept and 3 in kept and 2 not in kept
    with pytest.raises(ZeroDivisionError):
        kept.get(4, lambda: 1 // 0)
    assert kept.get(4, lambda: 5) == 5


def test_raw_requests_do_not_upset_a_real_server() -> None:
    with served(application(small())) as address:
        port = int(address.rsplit(":", 1)[1].strip("/"))

        def raw(text: bytes) -> bytes:
            with socket.create_connection(("127.0.0.1", port), 10) as line:
                line.sendall(text)
                line.shutdown(socket.SHUT_WR)
                found = b""
                while part := line.recv(65536):
                    found += part
                return found

        host = b"Host: localhost\r\n"
        assert b" 404 " in raw(b"GET /page/../../app.py HTTP/1.1\r\n" + host + b"Connection: close\r\n\r\n")
        assert b" 421 " in raw(b"GET / HTTP/1.1\r\nHost: evil\r\nConnection: close\r\n\r\n")
        assert b" 413 " in raw(
            b"GET / HTTP/1.1\r\n" + host + b"Content-Length: 9999999\r\nConnection: close\r\n\r\n"
        )
        assert b" 400 " in raw(b"nonsense\r\n\r\n")
        assert b" 200 " in raw(b"GET / HTTP/1.1\r\n" + host + b"Connection: close\r\n\r\n")


# --- the command --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["nowhere", "--port", "0"], 1, "nowhere"),
        (["1917", "--port", "99999"], 2, "--port"),
        (["1917", "--worlds", "3"], 2, "--worlds"),
        (["1917", "--from", "yesterday"], 2, "--from"),
        (["1917", "--host", "no.such.host.invalid"], 1, "cannot listen"),
    ],
)
def test_a_wrong_command_is_told(arguments: list[str], code: int, words: str) -> None:
    done = CliRunner().invoke(command_line, ["explore", *arguments])
    assert done.exit_code == code and words in done.output + (done.stderr or "")


def test_a_taken_port_is_told_at_once() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        done = CliRunner().invoke(command_line, ["explore", "1917", "--port", str(taken.getsockname()[1])])
        assert done.exit_code == 1 and "name another --port" in done.output + (done.stderr or "")


def test_help_needs_nothing_heavy() -> None:
    code = "import sys, tocsin.cli.main; assert not {'starlette', 'numpy'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


# --- without a server ---------------------------------------------------------------------------------------


def test_the_page_is_joined_into_one_script() -> None:
    text = edition.classic_script()
    assert "import " not in re.sub(r"//.*", "", text).replace("important", "") and "\nexport " not in text
    assert text.index("// dom.js") < text.index("// map.js") < text.index("// main.js")
    page = edition.page_html(["edition.js", "explorer.js"], "parts/")
    assert (
        'type="module"' not in page
        and '<script defer src="explorer.js">' in page
        and "parts/style.css" in page
    )


def test_addresses_are_written_as_the_page_writes_them() -> None:
    asked = {"do": ["prevent hungary regime=soviet", "a~b*c"], "show": "regime=soviet", "seed": 1917}
    assert edition.address("worlds", asked) == (
        "api/worlds?show=regime%3Dsoviet&seed=1917&do=prevent+hungary+regime%3Dsoviet&do=a%7Eb*c"
    )
    assert edition.address("about") == "api/about"


def test_an_edition_holds_what_the_page_asks_for() -> None:
    lab = small()
    found = dict(edition.prepared_answers(lab, [["remove layer border"]]))
    wanted = {"do": ["remove layer border"], "show": "regime=soviet", "seed": 1917}
    scene = found[edition.address("worlds", wanted)]
    assert scene["step"] == 7 and scene["count"] == len(counts_of(scene)["hungary"])
    assert edition.address("unit", {"unit": "italy", "show": "army=mutinous"}) in found
    script = edition.store_script({"api/x": "</script>\u2028"})
    assert "</script>" not in script and "\u2028" not in script


def test_colours_are_those_of_the_theme() -> None:
    css = assets.asset("style.css")
    assert css is not None
    assert not re.search(r"#[0-9a-fA-F]{3,8}\b(?![-\w])", css.content.decode())
    assert "--wave:#6A3D8F" in theme_css()


@pytest.mark.parametrize(
    "show", ["regime=soviet", "army=mutinous", "labour=strike", "order=rising", "party=communist"]
)
@pytest.mark.parametrize(
    "do",
    [
        (),
        ("remove layer language",),
        ("prevent hungary regime=soviet", "force germany army=mutinous at 1917-08-01"),
        ("scale food_crisis by 0.5", "remove unit russia from 1919-01-01"),
        ("add tie comintern hungary > siam weight 3", "scale tie comintern hungary > siam by 9"),
    ],
)
def test_a_part_of_the_model_has_the_worlds_of_the_whole(show: str, do: tuple[str, ...]) -> None:
    lab = laboratory()
    wave = lab.reader.question([("show", show)], ["show"]).show
    scenario = Scenario(lab.reader.sentences(do, "do"), 60, 7)
    whole = lab.model.with_params(lab.parameters).simulate(lab.history, 60, 7, do, draws=lab.draws)
    part = lab.worlds(scenario, wave)
    assert {each.name for each in part.frame.variables} <= {each.name for each in whole.frame.variables}
    columns = ["world", "time", "unit", "to", "cause", "source"]
    tables = [each.events.to_pandas() for each in (part, whole)]
    # The page stops a world that is many times as lively as usual; the library lets it go on.
    stopped = {each.world for each in part.stops}
    assert len(stopped) <= 1
    one, other = (
        table.loc[(table["variable"] == wave.variable) & ~table["world"].isin(stopped), columns]
        .astype(str)
        .reset_index(drop=True)
        for table in tables
    )
    assert len(one) and one.equals(other)


def test_what_a_variable_listens_to() -> None:
    lab = laboratory()
    parts = {each.variable: set(lab.part(each).names) for each in lab.pairs}
    assert parts == {
        "regime": {"regime"},
        "army": {"army", "regime"},
        "labour": {"labour"},
        "order": {"order", "labour", "regime"},
        "party": {"party", "regime"},
    }


def test_the_documents_tell_the_limits_as_they_are() -> None:
    text = " ".join((Path(__file__).parents[1] / "docs" / "explorer.md").read_text(encoding="utf-8").split())
    limits, doors = Limits(), Doors()
    words = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
    for told in (
        f"addresses up to {LONGEST_ADDRESS:,} letters",
        f"at most {words[limits.sentences]} sentences of {limits.letters} letters",
        f"at most {limits.swelling:g} times the usual events",
        f"tables of at most {limits.rows:,} rows",
        f"a visitor may have {limits.each} questions waiting, {words[limits.tables]} of them tables",
        f"and {limits.waiting} wait in all",
        f"{doors.each} of one visitor and {doors.connections} in all",
        f"{doors.first:g} seconds to the first letter of a question (or the next one), {doors.question:g} to all",
        f"must move within {doors.stalled:g} seconds and be taken within {doors.answer:g}",
        f"one piece of {PIECE // 1024} kB",
        f"in bursts of {limits.burst:g} and {words[int(limits.refill)]} a second (429)",
        f"after {limits.patience:g} seconds given up",
        f"{words[limits.kept]} sets of worlds and {ANSWERS} answers remembered",
        f"draws {limits.worlds:,} worlds",
    ):
        assert told in text, told
