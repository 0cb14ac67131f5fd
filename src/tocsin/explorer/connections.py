"""The connections of the explorer's server: how many there are for one visitor, and how long they may dawdle.

uvicorn bounds neither the time in which a question must arrive nor that in which an answer must be taken, and counts
connections without asking whose they are. Its protocol is a class that may be replaced; this one adds what is missing.
"""

from __future__ import annotations

import asyncio
import ipaddress
import sys
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from email.utils import formatdate
from functools import partial
from http import HTTPStatus
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from tocsin.explorer.security import refusal
from tocsin.explorer.turns import visitor_of


@dataclass(frozen=True)
class Doors:
    """How many connections there may be, and how long they may take.

    Attributes:
        connections: in all, and never more than half of the files that the system lets a process open.
        each: of one visitor.
        first: seconds to the first letter of a question, and between an answer and the next question.
        question: seconds in which a question must have arrived whole.
        stalled: seconds in which some of an answer must be taken.
        answer: seconds in which the whole of it must be.
        lingering: seconds for which a connection that was sent away is still listened to, so that it hears why.
        parting: seconds that an answer has left when the visitor has closed the line, or only his half of it.
    """

    connections: int = 512
    each: int = 128
    first: float = 5.0
    question: float = 10.0
    stalled: float = 10.0
    answer: float = 60.0
    lingering: float = 2.0
    parting: float = 1.0


class Doorkeeper:
    """The open connections of one server.

    When a visitor has too many, the oldest of them that asks nothing is closed for the new one; when there are too
    many in all, one of the visitor who has most.

    Parameters:
        doors: how many there may be.
        proxies: networks of servers in front, whose connections are of many visitors.
    """

    def __init__(self, doors: Doors, proxies: Sequence[str] = ()) -> None:
        self.doors, self.most = doors, min(doors.connections, _files() // 2)
        self.proxies = [ipaddress.ip_network(each, strict=False) for each in proxies]
        self.lingering: set[Connection] = set()
        self._open: dict[str, list[Connection]] = {}

    def admit(self, connection: Connection) -> bool:
        """Take a connection in, or return False where there is no room for it."""
        visitor = connection.visitor = self._visitor(connection.client)
        own = self._open.get(visitor, [])
        if visitor and len(own) >= self.doors.each and not _close_one(own):
            return False
        if sum(map(len, self._open.values())) >= self.most:
            most = max((each for name, each in self._open.items() if name), key=len, default=[])
            greedier = len(most) > len(own) + 1
            everyone = [each for group in self._open.values() for each in group]
            if not _close_one(most if greedier else everyone):
                if not greedier:
                    return False
                most[-1].drop()
        self._open.setdefault(visitor, []).append(connection)
        return True

    def leave(self, connection: Connection) -> None:
        """Count a connection no longer."""
        group = self._open.get(connection.visitor, [])
        if connection in group:
            group.remove(connection)
            if not group:
                del self._open[connection.visitor]

    def _visitor(self, client: tuple[str, int] | None) -> str:
        """Return whose a connection is, or "" where a server in front opened it."""
        host = visitor_of(client[0]) if client else ""
        try:
            address = ipaddress.ip_address(client[0]) if client else None
        except ValueError:
            return host
        behind = address is not None and any(address in network for network in self.proxies)
        return "" if behind else host


def _files() -> int:
    """Return how many files this process may have open."""
    try:
        import resource
    except ImportError:  # not on Windows
        return 512
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return 2**20 if most == resource.RLIM_INFINITY else most


def _close_one(connections: Iterable[Connection]) -> bool:
    """Close the connection that has asked nothing for the longest time; return whether there is one."""
    idle = [each for each in connections if each.idle]
    if not idle:
        return False
    min(idle, key=lambda each: each.since).late()
    return True


class Connection(H11Protocol):
    """uvicorn's connection, with deadlines and a doorkeeper; every answer has the guard's headers."""

    def __init__(self, *args: Any, keeper: Doorkeeper, **more: Any) -> None:
        super().__init__(*args, **more)
        self.keeper, self.doors = keeper, keeper.doors
        self.visitor = ""
        self.since = 0.0  # since when the next question is waited for
        self._silent = True  # nothing of it has come
        self._ended = False  # nothing more will come
        self._said = False  # it was sent away: what still comes is not read
        self._unsent: tuple[float, float, int] | None = None  # since when, when it last moved, letters
        self._moved = False
        self._watch: asyncio.TimerHandle | None = None

    @property
    def idle(self) -> bool:
        """Return whether nothing is being answered."""
        return self.cycle is None or bool(self.cycle.response_complete)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Let a visitor in, or say that there is no room."""
        super().connection_made(transport)  # type: ignore[arg-type]
        self.since = self.loop.time()
        self._look()
        if not self.keeper.admit(self):
            self.say(503, "too many connections: come again in a moment", {"retry-after": "2"})

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        if self._watch is not None:
            self._watch.cancel()
        self.keeper.leave(self)
        self.keeper.lingering.discard(self)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Read what came, unless the visitor has been sent away."""
        if self._said:
            return
        self._silent = False
        try:
            super().data_received(data)
        except Exception:
            # Whatever a stranger sends, it is theirs to mend and not for the log.
            self.say(400, "this is no question that can be read")

    def eof_received(self) -> bool:  # type: ignore[override]
        """Take the end of what a visitor sends for his going away, once a quick answer has had its time."""
        if self.idle or self._said:
            return False
        self._ended = True
        self.loop.call_later(self.doors.parting, self.transport.close)
        return True

    def send_400_response(self, msg: str) -> None:
        """Say that what came is not HTTP."""
        status = getattr(sys.exc_info()[1], "error_status_hint", 400)
        self.say(status, "this is no question that can be read")

    def resume_writing(self) -> None:
        """Note that some of an answer was taken."""
        self._moved = True
        super().resume_writing()

    def on_response_complete(self) -> None:
        """Wait for the next question."""
        self.since = self.loop.time()
        self._silent = not self.conn.trailing_data[0]
        super().on_response_complete()
        if self._ended and self.idle:
            self.transport.close()

    def shutdown(self) -> None:
        """End with the server."""
        if self._said:
            self.transport.abort()
        else:
            super().shutdown()

    def drop(self) -> None:
        """Close at once, whatever is being answered."""
        self.keeper.leave(self)
        self.transport.abort()

    def late(self) -> None:
        """Close because no question came: in words if some of one did."""
        self.keeper.leave(self)
        if self.transport.get_write_buffer_size():
            self.transport.abort()
        elif self._silent:
            self.transport.close()
        else:
            self.say(408, "the question did not arrive in time")

    def say(self, status: int, words: str, more: dict[str, str] | None = None) -> None:
        """Answer without a question having been read, and close."""
        self.keeper.leave(self)
        if self._said or self.transport.is_closing():
            return
        if not self.idle:  # half of another answer is out
            self.transport.abort()
            return
        headers, body = refusal(words, {"connection": "close", **(more or {})})
        self.transport.write(
            f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\n".encode()
            + b"".join(name + b": " + value + b"\r\n" for name, value in headers)
            + b"date: "
            + formatdate(usegmt=True).encode()
            + b"\r\n\r\n"
            + body
        )
        # Closed at once, what is still on its way would have the answer thrown away before it is read.
        self._said, self.since = True, self.loop.time()
        if len(self.keeper.lingering) >= self.doors.connections:
            self.transport.close()
            return
        self.keeper.lingering.add(self)
        with suppress(OSError):  # gone already
            self.transport.write_eof()

    def _look(self) -> None:
        """See, now and then, whether the visitor keeps the deadlines."""
        now, doors = self.loop.time(), self.doors
        self._watch = self.loop.call_later(min(1.0, doors.first / 4, doors.stalled / 4), self._look)
        unsent = self.transport.get_write_buffer_size()
        if self._said:
            if now - self.since > doors.lingering:
                self.transport.abort()
        elif unsent:
            begun, moved, before = self._unsent or (now, now, unsent)
            moved = now if self._moved or unsent < before else moved
            self._unsent, self._moved = (begun, moved, unsent), False
            if now - begun > doors.answer or now - moved > doors.stalled:
                self.drop()
        else:
            self._unsent = None
            arriving = self.conn.their_state in (h11.IDLE, h11.SEND_BODY) and self.idle
            if arriving and now - self.since > (doors.first if self._silent else doors.question):
                self.late()


def connections(doors: Doors | None = None, proxies: Sequence[str] = ()) -> Callable[..., Connection]:
    """Return what makes the connections of one server, as uvicorn's `http` wants it."""
    return partial(Connection, keeper=Doorkeeper(doors or Doors(), proxies))
