"""What stands between the page and strangers: the host asked for, the size of questions, their number, headers."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from tocsin.explorer.questions import Limits
from tocsin.explorer.turns import Allowance, visitor_of

Scope = dict[str, Any]

App = Callable[[Scope, Any, Any], Any]

LONGEST_ADDRESS = 4000  # letters of path and query

LARGEST_BODY = 0  # nothing is ever sent to the server but an address

LOOPBACK = ("localhost", "127.0.0.1", "[::1]")

LOG = logging.getLogger("tocsin.explorer")

HEADERS = {
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; "
        "connect-src 'self'; font-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "x-frame-options": "DENY",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), microphone=(), geolocation=(), payment=(), usb=()",
}


def refusal(words: str, more: Mapping[str, str]) -> tuple[list[tuple[bytes, bytes]], bytes]:
    """Return headers and body of an answer that says why there is no other."""
    body = json.dumps({"error": words, "field": None}).encode()
    headers = {
        "content-type": "application/json",
        "content-length": str(len(body)),
        "cache-control": "no-store",
        **HEADERS,
        **more,
    }
    return [(name.encode(), value.encode()) for name, value in headers.items()], body


class Guard:
    """Wraps an application: refuses what it should not see, and gives every answer its headers.

    Where the visitor goes away before the answer, the application is cancelled.

    Parameters:
        app: the application.
        hosts: names by which the server may be called, without port; None for any (a name that is not known
            here may lead to a server on the net, but on loopback it means that a page elsewhere has rebound
            its own name to this machine).
        limits: how many questions a visitor may ask.
        clock: seconds that only grow.
    """

    def __init__(
        self,
        app: App,
        hosts: Iterable[str] | None,
        limits: Limits,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.app = app
        self.hosts = None if hosts is None else frozenset(host.lower() for host in hosts)
        self._allowance = Allowance(limits.burst, limits.refill, clock)

    async def __call__(self, scope: Scope, receive: Any, send: Any) -> None:
        """Answer one request."""
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        if scope["type"] != "http":
            # A page that needs no sockets opens none.
            if scope["type"] == "websocket":
                await send({"type": "websocket.close", "code": 1003})
            return
        begun = False

        async def sealed(message: dict[str, Any]) -> None:
            nonlocal begun
            if message["type"] == "http.response.start":
                begun = True
                present = {name.lower() for name, _ in message["headers"]}
                extra = [
                    (name.encode(), value.encode())
                    for name, value in HEADERS.items()
                    if name.encode() not in present
                ]
                message = {**message, "headers": [*message["headers"], *extra]}
            await send(message)

        async def refuse(status: int, words: str, more: Mapping[str, str]) -> None:
            headers, body = refusal(words, more)
            await sealed({"type": "http.response.start", "status": status, "headers": headers})
            await sealed({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})

        fault = self._fault(scope)
        if fault is not None:
            await refuse(*fault)
            return
        try:
            await _while_there(self.app, scope, receive, sealed)
        except asyncio.CancelledError:
            # Only the end of the server cancels this.
            if not begun:
                await refuse(503, "the server is being stopped", {"connection": "close"})
        except Exception:
            LOG.exception("a question could not be answered")
            if begun:
                raise
            await refuse(500, "the server could not answer this question", {})

    def _fault(self, scope: Scope) -> tuple[int, str, dict[str, str]] | None:
        headers: dict[bytes, list[bytes]] = {}
        for name, value in scope["headers"]:
            headers.setdefault(name.lower(), []).append(value)
        body = headers.get(b"content-length", [b"0"])[-1]
        empty = b"transfer-encoding" not in headers and body.isdigit() and int(body) <= LARGEST_BODY
        # What is sent is not read, so nothing can come after it.
        close = {} if empty else {"connection": "close"}
        if not self._known(headers.get(b"host", [])):
            return 421, "this server is not known by that name; open it by the address that it printed", close
        if scope["method"] not in ("GET", "HEAD"):
            words = f"{scope['method'][:16]} is not answered here: ask with GET"
            return 405, words, {"allow": "GET, HEAD", **close}
        length = len(scope.get("raw_path") or scope["path"].encode()) + len(scope["query_string"])
        if length > LONGEST_ADDRESS:
            return 414, f"an address has at most {LONGEST_ADDRESS:,} letters", close
        if not empty:
            return 413, "nothing can be sent to this server", close
        if scope["path"].startswith("/api/"):
            wait = self._allowance.wait(visitor_of((scope.get("client") or (None,))[0]))
            if wait:
                words = f"too many questions at once: ask again in {wait} s"
                return 429, words, {"retry-after": str(wait)}
        return None

    def _known(self, values: list[bytes]) -> bool:
        if self.hosts is None:
            return True
        if len(values) != 1:
            return False
        host = values[0].decode("latin-1").lower().strip()
        name, colon, port = host.rpartition(":")
        if not colon or host.endswith("]"):
            name, port = host, "0"
        return port.isdigit() and name in self.hosts


async def _while_there(app: App, scope: Scope, receive: Any, send: Any) -> None:
    """Have a request answered; stop if the visitor goes away."""

    async def away() -> None:
        while (await receive())["type"] != "http.disconnect":
            pass

    never = asyncio.Event()
    asked = False

    async def received() -> dict[str, Any]:
        nonlocal asked
        if asked:
            await never.wait()
        asked = True
        return {"type": "http.request", "body": b"", "more_body": False}

    answer = asyncio.ensure_future(app(scope, received, send))
    gone = asyncio.ensure_future(away())
    try:
        await asyncio.wait({answer, gone}, return_when=asyncio.FIRST_COMPLETED)
        if answer.done():
            answer.result()
    finally:
        for each in (answer, gone):
            each.cancel()
        await asyncio.gather(answer, gone, return_exceptions=True)
