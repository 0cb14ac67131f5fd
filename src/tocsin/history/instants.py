"""Times of plain numbers that differ by rounding only made one: 0.3 and 0.1 + 0.2 are one instant."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tocsin.history.tables import Parsed

ULPS = 4.0  # so many units in the last place is rounding
DEFAULTS = ("enter", "exit", "start", "end")  # where they say the window's, they may be left out
TIMES = (*DEFAULTS, "time", "time_latest")


def near(one: NDArray[np.float64], other: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Return which times differ by rounding at the most."""
    with np.errstate(invalid="ignore"):
        return np.asarray(np.abs(one - other) <= ULPS * np.spacing(np.maximum(np.abs(one), np.abs(other))))


def meet(tables: Iterable[Parsed], window: tuple[float, float]) -> None:
    """Make times of a history that differ by rounding only the same, in place.

    Of such times the window's stands, else a whole number, else the one that is written shortest. Rows that
    end and begin there meet, and an event there sees what was in force before it.
    """
    places = [(table, name) for table in tables for name in TIMES if name in table.columns]
    broken = [_broken(np.ma.getdata(table.columns[name])) for table, name in places]
    parts = np.sort(np.concatenate([*broken, _broken(np.array(window))]))
    moved = _moved(_suspects(parts, window), window)
    if not moved:
        return
    old = np.array(sorted(moved))
    new = np.array([moved[value] for value in old.tolist()])
    for table, name in places:
        table.columns[name] = _replaced(table.columns[name], old, new)
        silent = window[0] if name in ("enter", "start") else window[1]
        values = table.columns[name]
        if name in DEFAULTS and not np.ma.isMaskedArray(values) and (values == silent).all():
            del table.columns[name]  # the default throughout: the same as no column


def _broken(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the times that are not whole."""
    return np.asarray(values[values != np.rint(values)])


def _suspects(parts: NDArray[np.float64], window: tuple[float, float]) -> NDArray[np.float64]:
    """Return those of the sorted times that lie near another, a whole number or zero; most lie near none."""
    if not parts.size:
        return parts
    size = np.abs(parts)
    size *= 2.0 * ULPS * np.finfo(np.float64).eps  # rounding at the most, and cheap
    most = max(abs(end) for end in window)
    alone = np.abs(parts - np.rint(parts)) > size
    if np.isfinite(most):
        alone &= np.abs(parts) > 2.0 * ULPS * np.spacing(most)
    gap = np.diff(parts)
    close = (gap > 0.0) & (gap <= size[1:])
    alone[1:] &= ~close
    alone[:-1] &= ~close
    return np.unique(parts[~alone])


def _moved(parts: NDArray[np.float64], window: tuple[float, float]) -> dict[float, float]:
    """Return what becomes of those of the sorted times that are not whole."""
    if not parts.size:
        return {}
    span = max(abs(end) for end in window)
    whole = np.rint(parts)
    zero = np.abs(parts) <= ULPS * np.spacing(span if np.isfinite(span) else 0.0)
    to_whole = near(parts, whole) | zero
    found = dict(zip(parts[to_whole].tolist(), np.where(zero, 0.0, whole)[to_whole].tolist(), strict=True))
    rest = parts[~to_whole]
    close = near(rest[1:], rest[:-1])
    if close.any():
        first = np.flatnonzero(np.append(True, ~close))
        for low, high in zip(first.tolist(), [*first[1:].tolist(), rest.size], strict=True):
            if high - low > 1:
                cluster = rest[low:high].tolist()
                ends = [end for end in window if end in cluster]
                kept = ends[0] if ends else min(cluster, key=lambda value: (len(repr(value)), value))
                found |= dict.fromkeys(cluster, kept)
    return {value: kept for value, kept in found.items() if value != kept and value not in window}


def _replaced(values: Any, old: NDArray[np.float64], new: NDArray[np.float64]) -> Any:
    plain = np.ma.getdata(values)
    at = np.minimum(np.searchsorted(old, plain), old.size - 1)
    hit = old[at] == plain
    if not hit.any():
        return values
    changed = np.where(hit, new[at], plain)
    masked = isinstance(values, np.ma.MaskedArray)
    return np.ma.array(changed, mask=np.ma.getmaskarray(values)) if masked else changed
