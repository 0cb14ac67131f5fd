"""One visitor of the explorer cannot starve the others. Real sockets; each address of 127.0.0.0/8 is a visitor."""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("uvicorn", reason="the explorer needs the extra `explorer`")

from helpers.explored import served, small
from typer.testing import CliRunner

from tocsin.cli.main import app as command_line
from tocsin.explorer.app import application
from tocsin.explorer.connections import Doors
from tocsin.explorer.questions import Scenario
from tocsin.explorer.run import KeptWorlds, Laboratory
from tocsin.explorer.security import HEADERS
from tocsin.explorer.turns import visitor_of

HOST = b"Host: localhost\r\n"
# Quick, and yet long beside what a busy machine makes an honest visitor dawdle.
QUICK = Doors(first=1.5, question=2.0, stalled=2.0, answer=6.0, lingering=1.0)
GREEDY, NEIGHBOUR = "127.0.0.2", "127.0.0.3"


class Line:
    """A connection of one visitor, byte by byte."""

    def __init__(self, address: str, source: str = NEIGHBOUR, timeout: float = 60.0) -> None:
        host, port = re.fullmatch(r"http://(.*):(\d+)/", address).groups()  # type: ignore[union-attr]
        here = (source, 0) if ":" not in host else None
        self.socket = socket.create_connection((host.strip("[]"), int(port)), timeout, here)

    def send(self, data: bytes) -> Line:
        self.socket.sendall(data)
        return self

    def ask(self, path: str, more: bytes = b"") -> Line:
        return self.send(b"GET " + path.encode() + b" HTTP/1.1\r\n" + HOST + more + b"\r\n")

    def answer(self) -> tuple[int, dict[str, str], bytes]:
        """Read one answer; (0, {}, b"") where the connection was closed without one."""
        data = b""
        while b"\r\n\r\n" not in data:
            part = self._part()
            if not part:
                return 0, {}, data
            data += part
        head, body = data.split(b"\r\n\r\n", 1)
        first, *lines = head.decode().split("\r\n")
        headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
        whole = bytearray(body)
        while len(whole) < int(headers.get("content-length", "0")) and (part := self._part()):
            whole += part
        return int(first.split()[1]), headers, bytes(whole)

    def ends(self) -> bytes:
        """Read until the connection is closed; return what came."""
        data = b""
        while part := self._part():
            data += part
        return data

    def close(self) -> None:
        self.socket.close()

    def _part(self) -> bytes:
        try:
            return self.socket.recv(65_536)
        except ConnectionError:
            return b""


@contextmanager
def lines() -> Iterator[Callable[..., Line]]:
    """Open connections that are closed at the end."""
    found: list[Line] = []

    def opened(*args: Any, **more: Any) -> Line:
        found.append(Line(*args, **more))
        return found[-1]

    try:
        yield opened
    finally:
        for each in found:
            each.close()


def sealed(headers: dict[str, str]) -> bool:
    return all(headers.get(name) == value for name, value in HEADERS.items())


def until(true: Callable[[], Any], seconds: float = 60.0) -> None:
    """Wait for something to become true."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end
        time.sleep(0.01)


class Slow:
    """A laboratory whose worlds are drawn only when they are let: what was begun, and for which seed."""

    def __init__(self, **limits: Any) -> None:
        self.laboratory: Laboratory = small(**limits)
        self.begun: list[int] = []
        self.asked = 0
        read = self.laboratory.reader.question

        def question(*more: Any) -> Any:
            self.asked += 1
            return read(*more)

        self.laboratory.reader.question = question  # type: ignore[method-assign]
        self.gate = threading.Semaphore(0)
        original = self.laboratory._draw

        def draw(scenario: Scenario, part: Any) -> Any:
            if scenario.seed == self.laboratory.seed:
                return original(scenario, part)
            self.begun.append(scenario.seed)
            assert self.gate.acquire(timeout=120)
            return original(scenario, part)

        self.laboratory._draw = draw  # type: ignore[method-assign]

    def let(self, count: int = 1) -> None:
        self.gate.release(count)

    def waits(self, address: str, asked: int) -> None:
        """Wait until so many questions have been asked and each waits for its turn or for its answer."""
        until(lambda: self.begun and self.asked == asked)
        # A question that is read goes on to its queue at once, so what comes later is answered after that.
        with lines() as line:
            assert line(address, "127.0.0.9").ask("/page/icon.svg").answer()[0] == 200


def nobody_waits(app: Any) -> bool:
    """Return whether all who waited for worlds have been seen to go."""
    turns = app.app.routes[0].endpoint.__self__._drawing
    return not any(job.places for job in list(turns._jobs.values()))


# --- connections --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("begun", [b"", b"GE", b"GET / HTTP/1.1\r\nHost: loc", b"\r\n"])
def test_silent_and_half_sent_connections_are_closed(begun: bytes) -> None:
    with served(application(small()), doors=QUICK) as address, lines() as line:
        held = [line(address, GREEDY).send(begun) for _ in range(30)]
        assert line(address).ask("/").answer()[0] == 200
        for each in held:
            found = each.ends()
            assert (b" 408 " in found and b"x-frame-options: DENY" in found) if begun.strip() else True
        assert line(address, GREEDY).ask("/").answer()[0] == 200


def test_a_question_that_trickles_in_is_not_waited_for() -> None:
    with served(application(small()), doors=QUICK) as address, lines() as line:
        slow = line(address).send(b"GET / HTTP/1.1\r\nX: ")
        slow.socket.settimeout(0.1)
        status = None
        for _ in range(100):  # ten seconds; the deadline is two
            try:
                slow.send(b"a")
                if part := slow.socket.recv(65_536):
                    status = part.split()[1]
                break
            except TimeoutError:
                continue
            except ConnectionError:
                break
        else:
            pytest.fail("the connection is still open")
        assert status in (None, b"408")


def test_a_body_that_trickles_in_is_not_waited_for() -> None:
    with served(application(small()), doors=QUICK) as address, lines() as line:
        slow = line(address).ask("/", b"Content-Length: 1000000\r\n")
        status, headers, _ = slow.answer()
        assert status == 413 and sealed(headers) and slow.ends() == b""
        posted = line(address).send(b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 100\r\n\r\nx")
        assert posted.answer()[0] == 405 and posted.ends() == b""


def test_a_connection_without_a_further_question_is_closed() -> None:
    with served(application(small()), doors=QUICK) as address, lines() as line:
        kept = line(address).ask("/page/style.css")
        assert kept.answer()[0] == 200
        assert kept.ask("/page/style.css").answer()[0] == 200  # it is kept for a moment
        assert kept.ends() == b""


def test_one_visitors_connections_make_room_for_his_own() -> None:
    doors = Doors(connections=20, each=8)  # with the usual deadlines, which would come too late here
    with served(application(small()), doors=doors) as address, lines() as line:
        first = line(address, GREEDY).send(b"GET")
        time.sleep(0.3)
        for _ in range(60):
            line(address, GREEDY).send(b"GET")
        assert line(address).ask("/").answer()[0] == 200
        assert line(address, GREEDY).ask("/").answer()[0] == 200
        status, headers, _ = first.answer()
        assert status == 408 and sealed(headers)


def test_many_visitors_make_room_for_one_more() -> None:
    doors = Doors(connections=20, each=8)
    with served(application(small()), doors=doors) as address, lines() as line:
        for last in range(10, 60):
            line(address, f"127.0.0.{last}").send(b"G")
        assert line(address).ask("/").answer()[0] == 200


def test_a_connection_too_many_hears_why() -> None:
    slow = Slow(each=100)
    doors = Doors(connections=20, each=3)
    with served(application(slow.laboratory), doors=doors) as address, lines() as line:
        asked = [line(address, GREEDY).ask(f"/api/worlds?seed={n}") for n in range(3)]
        until(lambda: slow.begun and slow.asked == 3)
        status, headers, body = line(address, GREEDY).ask("/").answer()
        assert status == 503 and sealed(headers) and "too many connections" in json.loads(body)["error"]
        assert line(address).ask("/").answer()[0] == 200
        slow.let(3)
        assert [each.answer()[0] for each in asked] == [200, 200, 200]
        assert line(address, GREEDY).ask("/").answer()[0] == 200


def test_the_one_with_most_connections_gives_one_up() -> None:
    slow = Slow(each=100)
    doors = Doors(connections=5, each=5)
    with served(application(slow.laboratory), doors=doors) as address, lines() as line:
        asked = [line(address, GREEDY).ask(f"/api/worlds?seed={n}") for n in range(5)]
        until(lambda: slow.begun and slow.asked == 5)
        assert line(address).ask("/").answer()[0] == 200
        slow.let(5)
        assert sorted(each.answer()[0] for each in asked) == [0, 200, 200, 200, 200]


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"nonsense\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\n\r\n", 400),  # no host
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 421),
        (b"GET / HTTP/1.1\r\n" + HOST + b"X: " + b"a" * 20_000, 431),
        (b"GET / HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: strange\r\n\r\n", 501),
        (b"GET / HTTP/1.1\r\nHost: evil\r\n\r\n", 421),
        (b"GET /nothing HTTP/1.1\r\n" + HOST + b"\r\n", 404),
        (b"GET /" + b"a" * 5000 + b" HTTP/1.1\r\n" + HOST + b"\r\n", 414),
        (b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 3\r\n\r\nabc", 405),
        (b"GET / HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 413),
        (b"GET / HTTP/1.1\r\n" + HOST + b"Upgrade: websocket\r\nConnection: Upgrade\r\n\r\n", 200),
        (b"GET /page/main.js HTTP/1.1\r\n" + HOST + b"\r\n", 200),
        (b"GET /api/worlds?seed=x HTTP/1.1\r\n" + HOST + b"\r\n", 400),
    ],
)
def test_every_answer_of_the_server_has_the_guards_headers(
    sent: bytes, status: int, capfd: pytest.CaptureFixture[str]
) -> None:
    with served(application(small())) as address, lines() as line:
        found, headers, _ = line(address).send(sent).answer()
        assert found == status and sealed(headers), headers
        assert "date" in headers
    assert "Traceback" not in capfd.readouterr().err


def test_a_fault_inside_has_the_headers_and_tells_nothing() -> None:
    lab = small()
    lab.reader.question = lambda *_: 1 // 0  # type: ignore[method-assign, assignment, return-value]
    with served(application(lab)) as address, lines() as line:
        status, headers, body = line(address).ask("/api/worlds").answer()
        assert status == 500 and sealed(headers) and b"Zero" not in body


def test_a_server_that_stops_says_so() -> None:
    slow = Slow()
    with lines() as line:
        with served(application(slow.laboratory)) as address:
            asked = line(address).ask("/api/worlds?seed=1")
            until(lambda: slow.begun)
        status, headers, _ = asked.answer()
        slow.let(1)
        assert status == 503 and sealed(headers)


# --- turns --------------------------------------------------------------------------------------------------


def test_a_neighbour_waits_for_one_question_of_a_greedy_visitor() -> None:
    slow = Slow()
    with served(application(slow.laboratory)) as address, lines() as line:
        greedy = [line(address, GREEDY).ask(f"/api/worlds?seed={n}") for n in range(9)]
        slow.waits(address, 9)
        for n in range(100, 105):  # one question after the other: each is next, whatever waits beside it
            running = len(slow.begun)
            before = slow.asked
            asked = line(address).ask(f"/api/worlds?seed={n}")
            slow.waits(address, before + 1)
            assert len(slow.begun) == running
            slow.let()  # what was running
            until(lambda running=running: len(slow.begun) > running)  # type: ignore[misc]
            assert slow.begun[-1] == n
            slow.let()
            assert asked.answer()[0] == 200
            until(lambda running=running: len(slow.begun) == running + 2)  # type: ignore[misc]
        slow.let(9)
        assert [each.answer()[0] for each in greedy] == [200] * 9  # nobody loses an answer


def test_a_full_queue_sheds_the_greedy() -> None:
    slow = Slow(waiting=4, each=4)
    with served(application(slow.laboratory)) as address, lines() as line:
        greedy = [line(address, GREEDY).ask(f"/api/worlds?seed={n}") for n in range(7)]
        slow.waits(address, 7)
        neighbour = line(address).ask("/api/worlds?seed=99")
        slow.waits(address, 8)
        slow.let(20)
        assert neighbour.answer()[0] == 200
        answers = [each.answer() for each in greedy]
        statuses = sorted(status for status, *_ in answers)
        # One is drawn, four wait, two are too many for one visitor, and one makes room for the neighbour.
        assert statuses == [200] * 4 + [429] * 2 + [503]
        assert all(sealed(headers) for _, headers, _ in answers)
        assert all("retry-after" in headers for status, headers, _ in answers if status != 200)


def test_what_nobody_waits_for_is_neither_begun_nor_ended() -> None:
    slow = Slow()
    drawn: list[int] = []
    inner = slow.laboratory._draw

    def counted(scenario: Scenario, part: Any) -> Any:
        found = inner(scenario, part)
        drawn.append(scenario.seed)
        return found

    slow.laboratory._draw = counted  # type: ignore[method-assign]
    app = application(slow.laboratory)
    with served(app, doors=Doors(parting=0.1)) as address, lines() as line:
        gone = [line(address, GREEDY).ask(f"/api/worlds?seed={n}") for n in range(1, 9)]
        slow.waits(address, 8)
        assert slow.begun == [1]
        for each in gone:
            each.close()
        until(lambda: nobody_waits(app))
        slow.let(10)
        # What was being drawn stops at its next world; the seven that waited are not begun.
        assert line(address).ask("/api/worlds?seed=50").answer()[0] == 200
        assert slow.begun == [1, 50] and drawn == [50]


def test_who_has_closed_his_half_of_the_line_hears_a_quick_answer() -> None:
    with served(application(small()), doors=Doors(parting=10)) as address, lines() as line:
        asked = line(address).ask("/api/about")
        asked.socket.shutdown(socket.SHUT_WR)
        assert asked.answer()[0] == 200 and asked.ends() == b""


def test_what_two_ask_for_is_made_for_the_one_who_stays() -> None:
    slow = Slow()
    with served(application(slow.laboratory), doors=Doors(parting=0.1)) as address, lines() as line:
        first = line(address, GREEDY).ask("/api/worlds?seed=7")
        until(lambda: slow.begun == [7])
        second = line(address).ask("/api/worlds?seed=7")
        slow.waits(address, 2)
        first.close()
        time.sleep(0.4)
        slow.let()
        status, _, body = second.answer()
        assert status == 200 and json.loads(body)["seed"] == 7 and slow.begun == [7]


# --- downloads ----------------------------------------------------------------------------------------------


def test_tables_are_made_once_and_wait_behind_questions() -> None:
    slow = Slow()
    with served(application(slow.laboratory)) as address, lines() as line:
        same = [line(address, GREEDY).ask("/api/download?table=worlds&seed=5") for _ in range(30)]
        until(lambda: slow.begun == [5])
        others = [line(address, GREEDY).ask(f"/api/download?table=worlds&seed={n}") for n in range(10, 20)]
        slow.waits(address, 40)
        own = line(address, GREEDY).ask("/api/worlds?seed=6")  # his page goes before his tables
        slow.waits(address, 41)
        slow.let(50)
        assert own.answer()[0] == 200 and slow.begun[:2] == [5, 6]
        texts = {each.answer()[2] for each in same}
        assert len(texts) == 1 and slow.begun.count(5) == 1
        statuses = [each.answer()[0] for each in others]
        assert statuses.count(200) == 4 and statuses.count(429) == 6
        assert line(address).ask("/api/download?table=worlds&seed=5").answer()[2] in texts
        assert slow.begun.count(5) == 1


def test_a_table_too_long_is_refused_in_words() -> None:
    with served(application(small(rows=10))) as address, lines() as line:
        status, _, body = line(address).ask("/api/download?table=worlds").answer()
        assert status == 422 and "at most 10" in json.loads(body)["error"]


def test_a_reader_who_takes_nothing_is_dropped() -> None:
    content = b"x" * 20_000_000
    held: list[int] = []
    ended = threading.Event()

    async def large(scope: Any, receive: Any, send: Any) -> None:
        assert scope["type"] == "http"
        length = (b"content-length", str(len(content)).encode())
        await send({"type": "http.response.start", "status": 200, "headers": [length]})
        for first in range(0, len(content), 65_536):
            held.append(first)
            piece = content[first : first + 65_536]
            await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body", "body": b""})
        ended.set()

    with served(large, doors=Doors(stalled=4.0)) as address, lines() as line:
        slow = line(address).ask("/")
        until(lambda: held)
        time.sleep(0.5)
        assert held[-1] < len(content) - 1_000_000  # no more of it is laid ready than the line holds
        assert ended.wait(60)
        assert len(slow.ends()) < len(content)  # cut off
        assert len(line(address).ask("/").answer()[2]) == len(content)


def test_answers_are_kept_by_their_length_too() -> None:
    kept: KeptWorlds[int, bytes] = KeptWorlds(10, 100, len)
    for n in range(5):
        kept.get(n, lambda: b"x" * 40)
    assert [n in kept for n in range(5)] == [False, False, False, True, True]
    assert kept.get(9, lambda: b"x" * 1000) == b"x" * 1000 and 9 not in kept  # given, not kept


def test_what_every_page_asks_for_is_never_let_go() -> None:
    lab = small()
    with served(application(lab)) as address, lines() as line:
        assert line(address).ask("/api/about").answer()[0] == 200
        first = lab.lasting.found("about")
        for n in range(70):
            assert line(address, GREEDY).ask(f"/api/worlds?seed={n}&worlds=50").answer()[0] == 200
        assert lab.lasting.found("about") is first


# --- who is who ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("host", "visitor"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::1", "2001:db8:1:2::/64"),
        ("2001:db8:1:3::1", "2001:db8:1:3::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        (None, "unknown"),
        ("", "unknown"),
    ],
)
def test_one_household_is_one_visitor(host: str | None, visitor: str) -> None:
    assert visitor_of(host) == visitor


def test_the_word_of_a_stranger_is_not_taken_for_who_asks() -> None:
    lab = small(burst=3, refill=0.001)
    with served(application(lab)) as address, lines() as line:
        told = [
            line(address).ask("/api/about", f"X-Forwarded-For: 192.0.2.{n}\r\n".encode()).answer()[0]
            for n in range(5)
        ]
        assert told == [200] * 3 + [429] * 2
    with served(application(lab), proxies=["127.0.0.1/32"]) as address, lines() as line:
        told = [
            line(address).ask("/api/about", f"X-Forwarded-For: 192.0.2.{n}\r\n".encode()).answer()[0]
            for n in range(5)
        ]
        assert told == [200] * 3 + [429] * 2  # not from the server in front


def test_visitors_behind_a_server_in_front_are_told_apart() -> None:
    lab = small(burst=3, refill=0.001)
    doors = Doors(connections=40, each=2)
    with served(application(lab), doors=doors, proxies=["127.0.0.0/30"]) as address, lines() as line:

        def ask(visitor: str) -> int:
            header = f"X-Forwarded-For: 203.0.113.9, {visitor}\r\n".encode()
            return line(address, GREEDY).ask("/api/about", header).answer()[0]

        # A proxy has more connections than one visitor may, and each visitor behind it has an allowance.
        assert [ask("192.0.2.1") for _ in range(5)] == [200] * 3 + [429] * 2
        assert [ask("192.0.2.2") for _ in range(5)] == [200] * 3 + [429] * 2
        assert [ask(f"2001:db8:0:1::{n}") for n in range(5)] == [200] * 3 + [429] * 2
        assert ask("2001:db8:0:2::1") == 200


def test_a_visitor_by_ipv6() -> None:
    try:
        with closing(socket.socket(socket.AF_INET6)) as probe:
            probe.bind(("::1", 0))
    except OSError:
        pytest.skip("no IPv6 on this machine")
    with (
        served(application(small(), ("[::1]",)), host="::1", doors=QUICK) as address,
        lines() as line,
    ):
        asked = line(address).send(b"GET /api/about HTTP/1.1\r\nHost: [::1]\r\n\r\n")
        assert asked.answer()[0] == 200


def test_a_proxy_is_an_address() -> None:
    done = CliRunner().invoke(command_line, ["explore", "1917", "--proxy", "example.org"])
    assert done.exit_code == 2 and "neither an address" in done.output + (done.stderr or "")


# --- behind nginx -------------------------------------------------------------------------------------------


@contextmanager
def in_front(address: str, folder: Path) -> Iterator[str]:
    """Run nginx with the configuration of the documents before an explorer; yield nginx's address."""
    with closing(socket.socket()) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    text = (Path(__file__).parents[1] / "docs" / "explorer-nginx.conf").read_text(encoding="utf-8")
    assert "proxy_pass http://127.0.0.1:8017;" in text and "listen 8080;" in text
    text = text.replace("http://127.0.0.1:8017", address.rstrip("/")).replace(
        "listen 8080;", f"listen 127.0.0.1:{port};"
    )
    (folder / "site.conf").write_text(text.replace("client_header_timeout 10s", "client_header_timeout 1s"))
    places = "".join(
        f"{name}_temp_path {folder}/{name};\n"
        for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    user = "user root;\n" if os.geteuid() == 0 else ""
    (folder / "nginx.conf").write_text(
        f"daemon off;\n{user}pid {folder}/pid;\nerror_log {folder}/error.log;\nevents {{}}\n"
        f"http {{\naccess_log off;\n{places}include {folder}/site.conf;\n}}\n"
    )
    nginx = shutil.which("nginx") or "/usr/sbin/nginx"
    command = [nginx, "-e", f"{folder}/error.log", "-p", f"{folder}", "-c", f"{folder}/nginx.conf"]
    running = subprocess.Popen(command)
    try:
        for _ in range(200):
            assert running.poll() is None, (folder / "error.log").read_text()
            with suppress(OSError), closing(socket.create_connection(("127.0.0.1", port), 1)):
                break
            time.sleep(0.05)
        yield f"http://127.0.0.1:{port}/"
    finally:
        running.terminate()
        running.wait(10)


@pytest.mark.skipif(
    not (shutil.which("nginx") or Path("/usr/sbin/nginx").exists()), reason="nginx is not installed"
)
def test_nginx_in_front(tmp_path: Path) -> None:
    lab = small(burst=4, refill=0.001)
    with (
        served(application(lab), proxies=["127.0.0.1"]) as address,
        in_front(address, tmp_path) as front,
        lines() as line,
    ):

        def ask(path: str, source: str, more: bytes = b"") -> tuple[int, dict[str, str], bytes]:
            return line(front, source).ask(path, more + b"Connection: close\r\n").answer()

        status, headers, _ = ask("/", NEIGHBOUR)
        assert status == 200 and sealed(headers)
        # Visitors are told apart by what nginx says, whatever they say themselves.
        told = [ask("/api/about", GREEDY, f"X-Forwarded-For: 192.0.2.{n}\r\n".encode()) for n in range(6)]
        assert [each[0] for each in told] == [200] * 4 + [429] * 2
        assert ask("/api/about", NEIGHBOUR)[0] == 200
        # Silent connections of one visitor are closed, and nobody waits for them.
        held = [line(front, GREEDY).send(b"GET / HT") for _ in range(60)]
        assert ask("/", NEIGHBOUR)[0] == 200
        for each in held:
            each.ends()
        # What nginx refuses by itself has headers too.
        for sent, wanted in ((b"nonsense\r\n\r\n", 400), (b"GET / HTTP/1.1\r\nX: " + b"a" * 40_000, 400)):
            status, headers, _ = line(front).send(sent).answer()
            assert status == wanted and sealed(headers), (status, headers)
    # nginx without an explorer behind it.
    with in_front("http://127.0.0.1:9/", tmp_path) as front, lines() as line:
        status, headers, _ = line(front).ask("/").answer()
        assert status == 502 and sealed(headers)


def test_the_address_can_be_asked_as_soon_as_it_is_said() -> None:
    from tocsin.explorer.serve import Served, _listen, config_of

    listening = _listen("127.0.0.1", 0)
    address = f"http://127.0.0.1:{listening.getsockname()[1]}/"
    asked: list[Line] = []

    class Stop(Exception):
        pass

    def said(_: str) -> None:
        asked.append(Line(address))
        raise Stop

    with pytest.raises(Stop):
        Served(config_of(application(small())), listening, address, "").run(said)
    for each in asked:
        each.close()
    listening.close()
