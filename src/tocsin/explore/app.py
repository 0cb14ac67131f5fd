"""The server: a page, what it is made of, and the answers to its questions. It reads addresses and nothing else."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tocsin.errors import TocsinError
from tocsin.explore import about, assets, downloads, scenes, story
from tocsin.explore.guard import LOOPBACK, Guard
from tocsin.explore.laboratory import Laboratory
from tocsin.explore.outlines import days_of_cuts, outlines_of, views_of
from tocsin.explore.questions import Refused, gathered, whole

SCENE = ("do", "show", "worlds", "seed")
COMPARED = (*SCENE, "base")
LOG = logging.getLogger("tocsin.explore")


class Explorer:
    """The application of one laboratory.

    Parameters:
        laboratory: what is explored.
    """

    def __init__(self, laboratory: Laboratory) -> None:
        self.laboratory = laboratory
        self.limits = laboratory.limits
        # Worlds are drawn by all processors at once, so two what-ifs at a time would only slow each other down.
        self._drawing = ThreadPoolExecutor(1, thread_name_prefix="worlds")
        self._telling = ThreadPoolExecutor(2, thread_name_prefix="answers")
        self._waiting = 0

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
        return Response(found.content, media_type=found.kind, headers=headers)

    async def about(self, request: Request) -> Response:
        """Return the history: units, calendar, what happened, examples."""
        gathered(request.query_params.multi_items(), ())
        return await self._told("about", lambda: about.about(self.laboratory))

    async def ties(self, request: Request) -> Response:
        """Return all ties."""
        gathered(request.query_params.multi_items(), ())
        return await self._told("ties", lambda: about.ties(self.laboratory))

    async def outlines(self, request: Request) -> Response:
        """Return the map of one cut in one view."""
        found = gathered(request.query_params.multi_items(), ("view", "cut"))
        history = self.laboratory.history
        cut = whole(found, "cut", 0, len(days_of_cuts(history)) - 1, 0)
        views = views_of(history)
        view = found.get("view", views[:1] or ["world"])[0]
        if view not in views:
            raise Refused(f"there is no view {view[:40]!r}; there are: {', '.join(views)}", "view")
        return await self._told(("outlines", view, cut), lambda: outlines_of(history, view, cut))

    async def worlds(self, request: Request) -> Response:
        """Return the counts and the curve of a scenario."""
        question = self._question(request, SCENE)
        scenario, show = question.scenario, question.show
        await self._ready([scenario], show)
        return await self._told(
            ("worlds", scenario, show), lambda: scenes.worlds_scene(self.laboratory, scenario, show)
        )

    async def difference(self, request: Request) -> Response:
        """Return what a scenario makes of another."""
        question = self._question(request, COMPARED)
        await self._ready([question.scenario, question.base], question.show)
        return await self._told(
            ("difference", question), lambda: scenes.difference_scene(self.laboratory, question)
        )

    async def unit(self, request: Request) -> Response:
        """Return the story of a unit."""
        question = self._question(request, ("unit", "show"))
        unit = question.unit
        if unit is None:
            raise Refused("name a unit: unit=" + self.laboratory.history.numbers.units[0], "unit")
        return await self._told(
            ("unit", unit, question.show), lambda: story.story(self.laboratory, unit, question.show)
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
        if what != "record":
            await self._ready([question.scenario, question.base], question.show)
        text = await self._run(self._telling, lambda: downloads.table_csv(self.laboratory, what, question))
        headers = {
            "content-disposition": f'attachment; filename="{assets.file_name(self.laboratory, what)}.csv"'
        }
        return Response(text, media_type="text/csv; charset=utf-8", headers=headers)

    # --- how they are made ------------------------------------------------------------------------------

    def _question(self, request: Request, allowed: Sequence[str]) -> Any:
        return self.laboratory.reader.question(request.query_params.multi_items(), allowed)

    async def _ready(self, scenarios: Sequence[Any], show: Any) -> None:
        """Have the worlds of scenarios drawn, in turn with those of other questions."""
        for scenario in dict.fromkeys(scenarios):
            if self.laboratory.at_hand(scenario, show):
                continue
            if self._waiting >= self.limits.waiting:
                raise Refused("many questions are being answered: ask again in a moment", None, 503, 2)
            self._waiting += 1
            try:
                await self._run(self._drawing, partial(self.laboratory.worlds, scenario, show))
            finally:
                self._waiting -= 1

    async def _run(self, pool: ThreadPoolExecutor, make: Callable[[], Any]) -> Any:
        loop = asyncio.get_running_loop()
        try:
            return await asyncio.wait_for(loop.run_in_executor(pool, make), self.limits.patience)
        except TimeoutError:
            raise Refused("this takes too long: ask for less, or again later", None, 503, 10) from None

    async def _told(self, key: Any, make: Callable[[], Any]) -> Response:
        """Return an answer as JSON; the bytes are remembered, so that asking again costs nothing."""
        kept = self.laboratory.answers
        body: bytes = await self._run(self._telling, lambda: kept.get(("json", key), lambda: _bytes(make())))
        return Response(body, media_type="application/json", headers={"cache-control": "no-store"})

    @asynccontextmanager
    async def lifespan(self, _: Starlette) -> Any:
        """End the threads with the server."""
        yield
        self._drawing.shutdown(wait=False, cancel_futures=True)
        self._telling.shutdown(wait=False, cancel_futures=True)


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
    inner = Starlette(
        routes=routes,
        middleware=[Middleware(GZipMiddleware, minimum_size=1000, compresslevel=4)],
        exception_handlers=handlers,
        lifespan=explorer.lifespan,
    )
    return Guard(inner, hosts, laboratory.limits)


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
