"""Ties put in order by counting, where they are many and no pair has two of them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from tocsin.history import arrow

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tocsin.history.tables import Parsed

MANY_TIES = 200_000  # rows, from which counting saves more than its kernel takes to load


def distinct_pairs(ties: Parsed) -> Parsed | None:
    """Return ties in the order of layer, source and target, each pair once; else None.

    Nothing is left to check of such ties, so no key of each row is needed, and no sort of keys.

    Parameters:
        ties: the ties as read; None is returned where a row could not be read whole.
    """
    from tocsin.kernels.pairs import is_distinct, pack_pairs  # slow to import

    layer, source, target = (ties.columns[name] for name in ("layer", "source", "target"))
    layers, units = len(ties.coded["layer"]), len(ties.coded["source"])
    if not ties.usable.all() or layer.max() >= layers:
        return None
    if is_distinct(layer, source, target):
        # What a frame was made of may be changed later; a history may not.
        return replace(ties, columns={name: _own(values) for name, values in ties.columns.items()})
    if max(ties.rows, layers * units) >= 2**31 or layers * units > 8 * ties.rows:
        return None
    first, packed = pack_pairs(layer, source, target, layers, units)
    group = np.repeat(np.arange(layers * units, dtype=np.int32), np.diff(first))
    columns: dict[str, Any] = {"layer": group, "source": group}
    if layers > 1:
        columns["layer"], columns["source"] = np.divmod(group, np.int32(units))
    else:
        columns["layer"] = np.zeros(ties.rows, np.int32)
    columns["target"] = (packed >> np.uint64(32)).astype(np.int32)
    if not is_distinct(columns["layer"], columns["source"], columns["target"]):
        return None
    rest = [name for name in ties.columns if name not in columns]
    order = (packed & np.uint64(2**32 - 1)).astype(np.int32) if rest else np.empty(0, np.int32)
    return replace(ties, columns=columns | {name: _taken(ties.columns[name], order) for name in rest})


def _own(values: Any) -> Any:
    return values.copy() if isinstance(values, np.ndarray) else values


def _taken(values: Any, order: NDArray[np.int32]) -> Any:
    return values[order] if isinstance(values, np.ndarray) else values.take(arrow.numeric(order))
