"""What stands between the page and strangers: the host asked for, the size of questions, their number, headers."""

from __future__ import annotations

import json
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable
from typing import Any

from tocsin.explore.questions import Limits

Scope = dict[str, Any]
App = Callable[[Scope, Any, Any], Any]

LONGEST_ADDRESS = 4000  # letters of path and query
LARGEST_BODY = 0  # nothing is ever sent to the server but an address
VISITORS = 4096  # remembered at a time
LOOPBACK = ("localhost", "127.0.0.1", "[::1]")

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


class Guard:
    """Wraps an application: refuses what it should not see, and gives every answer its headers.

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
        self.app, self.limits, self.clock = app, limits, clock
        self.hosts = None if hosts is None else frozenset(host.lower() for host in hosts)
        self._visitors: OrderedDict[str, tuple[float, float]] = OrderedDict()

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

        async def sealed(message: dict[str, Any]) -> None:
            if message["type"] == "http.response.start":
                present = {name.lower() for name, _ in message["headers"]}
                extra = [
                    (name.encode(), value.encode())
                    for name, value in HEADERS.items()
                    if name.encode() not in present
                ]
                message = {**message, "headers": [*message["headers"], *extra]}
            await send(message)

        fault = self._fault(scope)
        if fault is not None:
            status, words, more = fault
            body = json.dumps({"error": words}).encode()
            headers = [
                (b"content-type", b"application/json"),
                (b"content-length", str(len(body)).encode()),
                (b"cache-control", b"no-store"),
                *((name.encode(), value.encode()) for name, value in more.items()),
            ]
            await sealed({"type": "http.response.start", "status": status, "headers": headers})
            await sealed({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})
            return
        await self.app(scope, receive, sealed)

    def _fault(self, scope: Scope) -> tuple[int, str, dict[str, str]] | None:
        headers: dict[bytes, list[bytes]] = {}
        for name, value in scope["headers"]:
            headers.setdefault(name.lower(), []).append(value)
        if not self._known(headers.get(b"host", [])):
            return 421, "this server is not known by that name; open it by the address that it printed", {}
        if scope["method"] not in ("GET", "HEAD"):
            return 405, f"{scope['method'][:16]} is not answered here: ask with GET", {"allow": "GET, HEAD"}
        length = len(scope.get("raw_path") or scope["path"].encode()) + len(scope["query_string"])
        if length > LONGEST_ADDRESS:
            return 414, f"an address has at most {LONGEST_ADDRESS:,} letters", {}
        body = headers.get(b"content-length", [b"0"])[-1]
        if b"transfer-encoding" in headers or not body.isdigit() or int(body) > LARGEST_BODY:
            return 413, "nothing can be sent to this server", {"connection": "close"}
        if scope["path"].startswith("/api/"):
            wait = self._wait(str((scope.get("client") or ("unknown",))[0]))
            if wait:
                return (
                    429,
                    f"too many questions at once: ask again in {wait} s",
                    {"retry-after": str(wait)},
                )
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

    def _wait(self, visitor: str) -> int:
        """Take one question from a visitor's allowance; return the seconds to wait where none is left."""
        now = self.clock()
        left, then = self._visitors.pop(visitor, (self.limits.burst, now))
        left = min(self.limits.burst, left + (now - then) * self.limits.refill)
        wait = 0
        if left < 1.0:
            wait = max(1, round((1.0 - left) / self.limits.refill))
        else:
            left -= 1.0
        self._visitors[visitor] = (left, now)
        while len(self._visitors) > VISITORS:
            self._visitors.popitem(last=False)
        return wait
