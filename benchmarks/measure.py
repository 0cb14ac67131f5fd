"""How every contender measures itself and tells it: one line of JSON for each figure. Needs nothing."""

# ruff: noqa: T201  (a command prints)

from __future__ import annotations

import json
import resource
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

QUICK = "--quick" in sys.argv


def seconds(
    work: Callable[[int], Any], repeats: int, of: Callable[[list[float]], float] = statistics.median
) -> float:
    """Return the median time of a few repeats, or what else is asked of them.

    Each is told its number, to use as seed.
    """
    taken = []
    for number in range(repeats):
        begin = time.perf_counter()
        work(number + 1)
        taken.append(time.perf_counter() - begin)
    return of(taken)


def once(work: Callable[[], Any]) -> tuple[float, Any]:
    """Return how long something took, and what it gave."""
    begin = time.perf_counter()
    result = work()
    return time.perf_counter() - begin, result


def tell(work: str, case: str, value: float, unit: str, **more: Any) -> None:
    """Print a figure; peak memory of the process so far goes with it."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2
    print(
        json.dumps({"work": work, "case": case, "value": value, "unit": unit, "peak": peak, **more}),
        flush=True,
    )
