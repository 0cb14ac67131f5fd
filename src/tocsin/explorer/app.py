"""The server: a page, what it is made of, and the answers to its questions. It reads addresses and nothing else."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Sequence
from contextlib import asynccontextmanager
from functools import cache
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tocsin.errors import TocsinError
from tocsin.explorer import answers, assets, downloads, page_data, unit_story
from tocsin.explorer.downloads import Content
from tocsin.explorer.outlines import days_of_cuts, outlines_of, views_of
from tocsin.explorer.questions import Question, Refused, gathered, whole
from tocsin.explorer.run import Laboratory
from tocsin.explorer.security import LOOPBACK, Guard
from tocsin.explorer.turns import Turns, visitor_of

SCENE = ("do", "show", "worlds", "seed", "given")

COMPARED = (*SCENE, "base")

PIECE = 65_536  # letters

LOG = logging.getLogger("tocsin.explorer")


class Sent(Response):
    """An answer with a content, compressed where the visitor takes that, piece by piece.

    A slow reader holds one piece, whatever the length of the whole.

    Parameters:
        content: what is sent.
        accepted: the encodings that the visitor takes.
        kind: the media type.
        headers: further ones.
    """

    def __init__(self, content: Content, accepted: str, kind: str, headers: dict[str, str]) -> None:
        zipped = "gzip" in accepted and bool(content.zipped)
        more = {"vary": "Accept-Encoding", **({"content-encoding": "gzip"} if zipped else {})}
        super().__init__(content.zipped if zipped else content.plain, 200, {**headers, **more}, kind)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Send it, waiting after each piece until there is room for the next."""
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        body = memoryview(self.body)
        for first in range(0, max(1, len(body)), PIECE):
            more = first + PIECE < len(body)
            piece = bytes(body[first : first + PIECE])
            await send({"type": "http.response.body", "body": piece, "more_body": more})


class Explorer:
    """The application of one laboratory.

    Parameters:
        laboratory: what is explored.
    """

    def __init__(self, laboratory: Laboratory) -> None:
        self.laboratory = laboratory
        # Worlds are drawn by all processors at once, so two what-ifs at a time would only slow each other down.
        self._drawing = Turns(1, laboratory.limits)
        self._telling = Turns(2, laboratory.limits)

    # --- answers ----------------------------------------------------------------------------------------

    async def page(self, request: Request) -> Response:
        """Return a part of the page itself: one of a fixed list, whatever the address says."""
        name = "index.html" if request.url.path == "/" else request.url.path.removeprefix("/page/")
        found = assets.asset(name)
        if found is None:
            raise HTTPException(404, f"there is no page {request.url.path[:80]!r}")
        if request.headers.get("if-none-match") == found.tag:
            return Response(status_code=304, headers={"etag": found.tag})
        headers = {"etag": found.tag, "cache-control": "no-cache"}
        return _sent(request, page_content(name), found.kind, headers)

    async def about(self, request: Request) -> Response:
        """Return the history: units, calendar, what happened, examples."""
        gathered(request.query_params.multi_items(), ())
        return await self._always(request, "about", lambda: page_data.about(self.laboratory))

    async def ties(self, request: Request) -> Response:
        """Return all ties."""
        gathered(request.query_params.multi_items(), ())
        return await self._always(request, "ties", lambda: page_data.ties(self.laboratory))

    async def outlines(self, request: Request) -> Response:
        """Return the map of one cut in one view."""
        found = gathered(request.query_params.multi_items(), ("view", "cut"))
        history = self.laboratory.history
        cut = whole(found, "cut", 0, len(days_of_cuts(history)) - 1, 0)
        views = views_of(history)
        view = found.get("view", views[:1] or ["world"])[0]
        if view not in views:
            raise Refused(f"there is no view {view[:40]!r}; there are: {', '.join(views)}", "view")
        return await self._always(request, ("outlines", view, cut), lambda: outlines_of(history, view, cut))

    async def worlds(self, request: Request) -> Response:
        """Return the counts and the curve of a scenario."""
        question = self._question(request, SCENE)
        scenario, show = question.scenario, question.show
        return await self._told(
            request,
            ("worlds", scenario, show),
            lambda: answers.worlds_scene(self.laboratory, scenario, show),
            self._drawing,
        )

    async def difference(self, request: Request) -> Response:
        """Return what a scenario makes of another."""
        question = self._question(request, COMPARED)
        return await self._told(
            request,
            ("difference", question),
            lambda: answers.difference_scene(self.laboratory, question),
            self._drawing,
        )

    async def unit(self, request: Request) -> Response:
        """Return the story of a unit."""
        question = self._question(request, ("unit", "show"))
        unit = question.unit
        if unit is None:
            raise Refused("name a unit: unit=" + self.laboratory.history.numbers.units[0], "unit")
        return await self._told(
            request,
            ("unit", unit, question.show),
            lambda: unit_story.story(self.laboratory, unit, question.show),
            self._telling,
        )

    async def check(self, request: Request) -> Response:
        """Return a sentence in its plain form, or what is wrong with it."""
        found = gathered(request.query_params.multi_items(), ("say", "do"), ("do",))
        if "say" not in found:
            raise Refused("say what is to change: say=remove layer ...", "say")
        plain = self.laboratory.reader.sentences([*found.get("do", ()), *found["say"]], "say")
        return _json({"say": plain[-1]})

    async def download(self, request: Request) -> Response:
        """Return a table as CSV."""
        pairs = request.query_params.multi_items()
        what = dict(pairs).get("table", "")
        if what not in downloads.TABLES:
            raise Refused(
                f"there is no table {what[:40]!r}; there are: {', '.join(downloads.TABLES)}", "table"
            )
        question = self.laboratory.reader.question([pair for pair in pairs if pair[0] != "table"], COMPARED)
        content = await self._content(
            request,
            ("table", what, question),
            lambda: downloads.table_csv(self.laboratory, what, question).encode(),
            self._telling if what == "record" else self._drawing,
            large=True,
        )
        name = f"{assets.file_name(self.laboratory, what)}.csv"
        headers = {"content-disposition": f'attachment; filename="{name}"', "cache-control": "no-store"}
        return _sent(request, content, "text/csv; charset=utf-8", headers)

    # --- how they are made ------------------------------------------------------------------------------

    def _question(self, request: Request, allowed: Sequence[str]) -> Question:
        return self.laboratory.reader.question(request.query_params.multi_items(), allowed)

    async def _told(self, request: Request, key: Any, make: Callable[[], Any], turns: Turns) -> Response:
        """Return an answer as JSON, made when it is the visitor's turn."""
        content = await self._content(request, key, lambda: _bytes(make()), turns)
        return _sent(request, content, "application/json", {"cache-control": "no-store"})

    async def _always(self, request: Request, key: Any, make: Callable[[], Any]) -> Response:
        """Return an answer that every page asks for as JSON."""
        kept = self.laboratory.lasting
        content = await self._content(request, key, lambda: _bytes(make()), self._telling, kept)
        return _sent(request, content, "application/json", {"cache-control": "no-store"})

    async def _content(
        self,
        request: Request,
        key: Any,
        make: Callable[[], bytes],
        turns: Turns,
        kept: Any = None,
        *,
        large: bool = False,
    ) -> Content:
        """Return the bytes of an answer; they are remembered, so that asking again costs nothing."""
        kept = self.laboratory.answers if kept is None else kept

        found: Content | None = kept.found(key)
        if found is None:
            visitor = visitor_of(request.client.host if request.client else None)
            found = await turns.take(
                visitor, key, lambda: kept.get(key, lambda: Content(make()).made()), large=large
            )
        assert found is not None
        return found

    @asynccontextmanager
    async def lifespan(self, _: Starlette) -> Any:
        """End the threads with the server."""
        yield
        self._drawing.stop()
        self._telling.stop()


def application(laboratory: Laboratory, hosts: Sequence[str] | None = LOOPBACK) -> Any:
    """Return the ASGI application that explores a laboratory.

    Parameters:
        laboratory: what is explored.
        hosts: names by which it may be called, without port; None for any.
    """
    explorer = Explorer(laboratory)
    routes = [
        Route("/", explorer.page),
        Route("/page/{name:path}", explorer.page),
        *(
            Route(f"/api/{name}", getattr(explorer, name))
            for name in ("about", "ties", "outlines", "worlds", "difference", "unit", "check", "download")
        ),
    ]
    handlers: dict[Any, Any] = {
        HTTPException: _refused_by_http,
        TocsinError: _refused,
        Exception: _failed,
    }
    inner = Starlette(routes=routes, exception_handlers=handlers, lifespan=explorer.lifespan)
    return Guard(inner, hosts, laboratory.limits)


@cache
def page_content(name: str) -> Content:
    """Return a part of the page as it is sent; made and compressed once."""
    found = assets.asset(name)
    assert found is not None
    return Content(found.content).made()


def _sent(request: Request, content: Content, kind: str, headers: dict[str, str]) -> Response:
    return Sent(content, request.headers.get("accept-encoding", ""), kind, headers)


def _json(content: Any, status: int = 200, wait: int = 0) -> JSONResponse:
    headers = {"cache-control": "no-store", **({"retry-after": str(wait)} if wait else {})}
    return JSONResponse(content, status, headers)


def _bytes(content: Any) -> bytes:
    return json.dumps(content, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()


async def _refused(_: Request, error: Exception) -> Response:
    if isinstance(error, Refused):
        return _json({"error": str(error), "field": error.field}, error.status, error.wait)
    return _json({"error": str(error), "field": None}, 400)


async def _refused_by_http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    words = error.detail if error.detail != "Not Found" else f"there is no page {request.url.path[:80]!r}"
    return _json({"error": words, "field": None}, error.status_code)


async def _failed(_: Request, error: Exception) -> Response:
    # What went wrong inside is for the log of whoever runs the server, not for strangers.
    LOG.exception("a question could not be answered", exc_info=error)
    return _json({"error": "the server could not answer this question", "field": None}, 500)
