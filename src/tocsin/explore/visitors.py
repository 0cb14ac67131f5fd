"""Who asks: one address is one visitor, and each has an allowance of questions."""

from __future__ import annotations

import ipaddress
import time
from collections import OrderedDict
from collections.abc import Callable

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
