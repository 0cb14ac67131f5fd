"""Arrow arrays from and to NumPy without `pyarrow.array` and `to_numpy`.

Those two import pandas, which takes longer than reading and checking a whole history; pandas is wanted only
when
a user asks for a table. Everything here works on the buffers of the Arrow format.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

if TYPE_CHECKING:
    from numpy.typing import NDArray
FLOATS = {"double": "float64", "float": "float32", "halffloat": "float16"}  # Arrow's names and NumPy's


def strings(values: Iterable[str | None]) -> Any:
    """Return texts as an Arrow string array."""
    cells = [None if value is None else value.encode() for value in values]
    sizes = np.fromiter((0 if cell is None else len(cell) for cell in cells), np.int64, len(cells))
    offsets = np.zeros(len(cells) + 1, np.int64)
    np.cumsum(sizes, out=offsets[1:])
    missing = np.fromiter((cell is None for cell in cells), bool, len(cells))
    data = pa.py_buffer(b"".join(cell for cell in cells if cell))
    buffers = [_validity(missing), pa.py_buffer(offsets), data]
    array = pa.Array.from_buffers(pa.large_string(), len(cells), buffers)
    return array.cast(pa.string()) if offsets[-1] < 2**31 else array


def numeric(values: NDArray[Any], missing: NDArray[np.bool_] | None = None) -> Any:
    """Return int32, int64 or float64 values as an Arrow array; NaN stays NaN."""
    values = np.ascontiguousarray(values)
    kind = {"int32": pa.int32(), "int64": pa.int64(), "float64": pa.float64()}[values.dtype.name]
    mask = None if missing is None else _validity(missing)
    return pa.Array.from_buffers(kind, len(values), [mask, pa.py_buffer(values)])


def truths(values: NDArray[np.bool_]) -> Any:
    """Return truth values as an Arrow array."""
    packed = pa.py_buffer(np.packbits(values, bitorder="little"))
    return pa.Array.from_buffers(pa.bool_(), len(values), [None, packed])


def _validity(missing: NDArray[np.bool_]) -> Any:
    if not missing.any():
        return None
    return pa.py_buffer(np.packbits(~missing, bitorder="little"))


def dictionary(codes: NDArray[np.int32], names: Any) -> Any:
    """Return codes (-1 for missing) into names as a dictionary-encoded Arrow array."""
    missing = codes < 0
    index = (
        numeric(np.where(missing, 0, codes).astype(np.int32), missing) if missing.any() else numeric(codes)
    )
    return pa.DictionaryArray.from_arrays(index, names)


def whole(column: Any) -> Any:
    """Return a column as one Arrow array."""
    if not isinstance(column, pa.ChunkedArray):
        return column
    if column.num_chunks == 1:
        return column.chunk(0)
    if column.num_chunks == 0:
        return (
            pa.nulls(0).cast(column.type)
            if not pa.types.is_dictionary(column.type)
            else pa.DictionaryArray.from_arrays(numeric(np.zeros(0, np.int32)), strings([]))
        )
    joined = column.unify_dictionaries() if pa.types.is_dictionary(column.type) else column
    return pa.concat_arrays(joined.chunks)


def to_numpy(column: Any, fill: float = 0) -> NDArray[Any]:
    """Return numbers or truth values as NumPy, missing ones as `fill` (a view where nothing is missing)."""
    array = whole(column)
    truth = pa.types.is_boolean(array.type)
    if truth:
        array = array.cast(pa.uint8())
    kind = np.dtype(FLOATS.get(str(array.type), str(array.type)))
    size = len(array)
    if size == 0:
        return np.zeros(0, bool if truth else kind)
    values = np.frombuffer(array.buffers()[1], kind, size, array.offset * kind.itemsize)
    if array.null_count:
        values = np.where(nulls(array), kind.type(fill), values)
    return values.astype(bool) if truth else values


def nulls(column: Any) -> NDArray[np.bool_]:
    """Return which values of a column are missing."""
    array = whole(column)
    if not pa.types.is_dictionary(array.type) and not pa.types.is_null(array.type) and array.null_count == 0:
        return np.zeros(len(array), bool)
    return to_numpy(pc.is_null(array))


def recoded(codes: NDArray[np.int32], place: NDArray[np.integer[Any]]) -> NDArray[np.int32]:
    """Return codes (-1 for missing) under new numbers; the codes themselves where the numbers are the old."""
    if np.array_equal(place, np.arange(len(place))):
        return codes
    return np.append(place, -1).astype(np.int32)[codes]


def positions(values: Any, among: Any) -> NDArray[np.int32]:
    """Return where each text stands in `among`, -1 where it does not."""
    return to_numpy(pc.index_in(values, value_set=among), fill=-1).astype(np.int32)
