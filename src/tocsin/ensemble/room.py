"""How much time and room many worlds need, told before the second of them is drawn."""

from __future__ import annotations

import os
import shutil
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import TYPE_CHECKING

from tocsin.errors import SizeWarning, TocsinError

if TYPE_CHECKING:
    from tocsin.ensemble.simulate import Recipe

FEW = 20_000  # worlds that are drawn without asking

IN_MEMORY, ON_DISK = 90, 14  # bytes an event takes while a table is made of it, and as a part

LONG = 120.0  # seconds that are told beforehand

_anyway: ContextVar[bool] = ContextVar("anyway", default=False)


@contextmanager
def anyway(yes: bool = True) -> Iterator[None]:
    """Draw worlds even where they seem to need more than is free: the `--yes` of the command line."""
    token = _anyway.set(yes)
    try:
        yield
    finally:
        _anyway.reset(token)


def allow(yes: bool) -> bool:
    """Remember the `--yes` of a command line, and return it."""
    if yes:
        _anyway.set(True)
    return yes


def check_room(recipe: Recipe, worlds: int, folder: Path | None, threads: int) -> None:
    """Tell time and room of many worlds, from the first few; refuse what does not fit.

    Parameters:
        recipe: what the worlds are drawn from.
        worlds: how many.
        folder: where they are kept; None for memory.
        threads: how many are drawn at once.

    Raises:
        TocsinError: they need more than is free, and nobody said `anyway`.
    """
    from tocsin.ensemble.simulate import first_worlds

    if worlds <= FEW:
        return
    few = first_worlds(recipe)
    recipe.draw(0, few)  # the first call compiles
    began = time.perf_counter()
    events = recipe.columns(recipe.draw(0, few))["world"].size
    seconds = (time.perf_counter() - began) / few * worlds / threads
    need = (events / few + 1) * worlds * (IN_MEMORY if folder is None else ON_DISK)
    free, where = (memory(), "memory") if folder is None else (disk(folder), f"disk at {folder}")
    told = f"{worlds:,} worlds need about {_duration(seconds)} and {_size(need)} of {where}"
    if free is not None and need > free and not _anyway.get():
        instead = "fewer worlds" if folder is not None else "fewer worlds, or folder= to keep them on disk"
        raise TocsinError(
            f"{told}, where {_size(free)} are free: ask for {instead}; --yes begins all the same"
        )
    if seconds > LONG:
        warnings.warn(told, SizeWarning, stacklevel=3)


def memory() -> int | None:
    """Return the bytes of memory that are free for this process; None where nobody says."""
    from tocsin.machine.refusals import limit

    found: list[int] = []
    try:
        text = Path("/proc/meminfo").read_text("ascii", "replace")
        found += [
            int(line.split()[1]) * 1024 for line in text.splitlines() if line.startswith("MemAvailable:")
        ]
    except (OSError, ValueError, IndexError):
        names = getattr(os, "sysconf_names", {})
        if "SC_PHYS_PAGES" in names and "SC_PAGE_SIZE" in names:
            found.append(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    most = limit()
    if most is not None:
        found.append(most)
    return min(found, default=None)


def disk(folder: Path) -> int | None:
    """Return the bytes that are free where a folder stands, or will stand."""
    for place in (folder, *folder.absolute().parents):
        if place.exists():
            return shutil.disk_usage(place).free
    return None


def _duration(seconds: float) -> str:
    for length, name in ((31_557_600, "years"), (86_400, "days"), (3600, "hours"), (60, "minutes")):
        if seconds >= 2 * length:
            return f"{seconds / length:,.0f} {name}"
    return f"{seconds:.0f} seconds"


def _size(count: float) -> str:
    for length, name in ((2**40, "TiB"), (2**30, "GiB"), (2**20, "MiB")):
        if count >= length:
            return f"{count / length:,.1f} {name}"
    return f"{count / 1024:,.0f} KiB"
