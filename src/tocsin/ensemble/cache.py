"""What is made once and kept: the values used last, within a bound of memory."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import TYPE_CHECKING, Any, TypeVar
from weakref import WeakKeyDictionary

if TYPE_CHECKING:
    from tocsin.program.program import Program

MOST = 256 << 20  # bytes that are kept for one program

Value = TypeVar("Value")


class KeptValues:
    """Values by key, those used last, within a bound of bytes; threads may share it.

    Two threads that ask for the same key at once may both make its value: what is made must follow from the key.

    Parameters:
        room: how many bytes.
    """

    def __init__(self, room: int = MOST) -> None:
        self.room, self.held = room, 0
        self._values: OrderedDict[Hashable, tuple[Any, int]] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: Hashable, make: Callable[[], Value], size: Callable[[Value], int]) -> Value:
        """Return the value kept under a key, or make it and keep it in the place of those unused longest."""
        with self._lock:
            if key in self._values:
                self._values.move_to_end(key)
                found: Value = self._values[key][0]
                return found
        made = make()
        width = size(made)
        if width > self.room:
            return made
        with self._lock:
            if key not in self._values:
                self._values[key] = (made, width)
                self.held += width
                while self.held > self.room:
                    _, (_, gone) = self._values.popitem(last=False)
                    self.held -= gone
        return made

    def __reduce__(self) -> tuple[type[KeptValues], tuple[int]]:
        return KeptValues, (self.room,)

    def __len__(self) -> int:
        return len(self._values)


_KEPT: WeakKeyDictionary[Program, KeptValues] = WeakKeyDictionary()

_LOCK = threading.Lock()


def kept_of(program: Program) -> KeptValues:
    """Return what is kept of a program; it goes with the program."""
    with _LOCK:
        return _KEPT.setdefault(program, KeptValues())
