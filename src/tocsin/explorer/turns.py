"""Work that visitors wait for, in turn by visitor: who asks for much waits for it, and nobody else does."""

from __future__ import annotations

import asyncio
import ipaddress
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Hashable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from tocsin.explorer.questions import Limits, Refused

BUSY = "many questions are being answered: ask again in a moment"

_thread = threading.local()


class Gone(Exception):
    """Nobody waits any longer for what is being made."""


def go_on() -> None:
    """Raise Gone if this thread makes something that nobody waits for any longer; long work asks now and then."""
    job: Job | None = getattr(_thread, "job", None)
    if job is not None and not job.places:
        raise Gone


class Job:
    """Something to be made once, for all who wait for it."""

    def __init__(self, key: Hashable, make: Callable[[], Any]) -> None:
        self.key, self.make = key, make
        self.places: set[Place] = set()
        self.begun = False


class Place:
    """One visitor's place in the queue for a job; `large` ones wait behind the visitor's other questions."""

    def __init__(self, visitor: str, job: Job, large: bool) -> None:
        self.visitor, self.job, self.large = visitor, job, large
        self.answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()


class Turns:
    """A queue with a few hands, which take the oldest question of the visitor whose last turn is longest ago.

    So a visitor with one question waits for what is being made and at most for one of every other visitor, however
    many those have asked.
    What two ask for is made once. What nobody waits for any longer is not made, and if it has been begun it
    stops where it asks `go_on`.

    Parameters:
        hands: how much is made at a time.
        limits: how many may wait, in all and for one visitor, and for how long.
    """

    def __init__(self, hands: int, limits: Limits) -> None:
        self.limits = limits
        self._free = hands
        self._pool = ThreadPoolExecutor(hands, thread_name_prefix="turns")
        self._jobs: dict[Hashable, Job] = {}
        self._queues: dict[str, deque[Place]] = {}
        self._turns = 0
        self._last: OrderedDict[str, int] = OrderedDict()  # turn by visitor

    async def take(self, visitor: str, key: Hashable, make: Callable[[], Any], *, large: bool = False) -> Any:
        """Wait for a turn, make something in a thread of its own, and return it.

        Parameters:
            visitor: who waits.
            key: what is made; it is made once for all who wait for the same.
            make: makes it.
            large: whether the visitor's other questions go first.

        Raises:
            Refused: too many wait, or it takes too long.
        """
        job = self._jobs.get(key) or Job(key, make)
        place = Place(visitor, job, large)
        if not job.begun:
            self._queue(place)
        self._jobs[key] = job
        job.places.add(place)
        self._go_on()
        try:
            async with asyncio.timeout(self.limits.patience):
                return await place.answer
        except TimeoutError:
            raise Refused("this takes too long: ask for less, or again later", None, 503, 10) from None
        finally:
            self._leave(place)

    def stop(self) -> None:
        """Let go of all that waits and runs."""
        for job in list(self._jobs.values()):
            job.places.clear()
        self._queues.clear()
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _queue(self, place: Place) -> None:
        """Give a place in the visitor's queue; where all is full the visitor who has most gives one up."""
        limits, own = self.limits, self._queues.get(place.visitor, deque())
        if place.large and sum(each.large for each in own) >= limits.tables:
            raise Refused(f"{limits.tables} tables of yours are waiting: ask again in a moment", None, 429, 5)
        if len(own) >= limits.each:
            raise Refused(
                f"{limits.each} questions of yours are waiting: ask again in a moment", None, 429, 2
            )
        if sum(map(len, self._queues.values())) >= limits.waiting:
            most = max(self._queues.values(), key=len)
            if len(most) <= len(own) + 1:
                raise Refused(BUSY, None, 503, 2)
            last = most[-1]
            self._leave(last)
            last.answer.set_exception(Refused(BUSY, None, 503, 2))
        if place.large or not any(each.large for each in own):
            own.append(place)
        else:
            own.insert(next(i for i, each in enumerate(own) if each.large), place)
        self._queues.setdefault(place.visitor, own)

    def _leave(self, place: Place) -> None:
        job, queue = place.job, self._queues.get(place.visitor)
        job.places.discard(place)
        if not job.places and not job.begun and self._jobs.get(job.key) is job:
            del self._jobs[job.key]
        if queue is not None and place in queue:
            queue.remove(place)
            if not queue:
                del self._queues[place.visitor]

    def _go_on(self) -> None:
        """Give free hands something to do."""
        while self._free and self._queues:
            visitor = min(self._queues, key=lambda each: self._last.get(each, 0))
            queue = self._queues[visitor]
            job = queue.popleft().job
            if not queue:
                del self._queues[visitor]
            if job.begun:
                continue  # made in another's turn
            self._turns += 1
            self._last[visitor] = self._turns
            self._last.move_to_end(visitor)
            if len(self._last) > VISITORS:
                self._last.popitem(last=False)
            self._begin(job)

    def _begin(self, job: Job) -> None:
        job.begun = True
        self._free -= 1

        def made() -> Any:
            _thread.job = job
            try:
                go_on()
                return job.make()
            finally:
                _thread.job = None

        running = asyncio.get_running_loop().run_in_executor(self._pool, made)
        running.add_done_callback(lambda done: self._end(job, done))

    def _end(self, job: Job, done: asyncio.Future[Any]) -> None:
        self._free += 1
        fault = asyncio.CancelledError() if done.cancelled() else done.exception()
        if isinstance(fault, Gone) and job.places:
            # Somebody came to wait for it just when it was given up.
            self._begin(job)
            return
        if self._jobs.get(job.key) is job:
            del self._jobs[job.key]
        for place in job.places:
            if place.answer.done():
                continue
            if fault is None:
                place.answer.set_result(done.result())
            elif isinstance(fault, asyncio.CancelledError):
                place.answer.cancel()
            else:
                place.answer.set_exception(fault)
        self._go_on()


# --- Who asks: one address is one visitor, and each has an allowance of questions

VISITORS = 4096  # remembered at a time

UNKNOWN = "unknown"


def visitor_of(host: str | None) -> str:
    """Return the visitor behind an address: IPv4 as it is, IPv6 by its /64, which one household has for itself."""
    text = (host or UNKNOWN)[:64]
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return text
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is None:
            return str(ipaddress.ip_network((address, 64), strict=False))
        address = address.ipv4_mapped
    return str(address)


class Allowance:
    """How many questions each visitor may still ask: a burst, and some more every second.

    Parameters:
        burst: questions at once.
        refill: further ones a second.
        clock: seconds that only grow.
    """

    def __init__(self, burst: float, refill: float, clock: Callable[[], float] = time.monotonic) -> None:
        self.burst, self.refill, self.clock = burst, refill, clock
        self._visitors: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def wait(self, visitor: str) -> int:
        """Take one question from a visitor's allowance; return the seconds to wait where none is left."""
        now = self.clock()
        left, then = self._visitors.pop(visitor, (self.burst, now))
        left = min(self.burst, left + (now - then) * self.refill)
        wait = 0
        if left < 1.0:
            wait = max(1, round((1.0 - left) / self.refill))
        else:
            left -= 1.0
        self._visitors[visitor] = (left, now)
        while len(self._visitors) > VISITORS:
            self._visitors.popitem(last=False)
        return wait
