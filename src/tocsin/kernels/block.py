"""A block of times as one vector: its least, and where a time first stands in it.

Written as loops these are compiled one number at a time, since the compiler unrolls so short a loop before it
could take several steps of it at once.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba.core import types
from numba.core.cgutils import get_or_insert_function
from numba.extending import intrinsic

SHIFT = 4
FAN = 1 << SHIFT  # times in a block
_VECTOR = ir.VectorType(ir.DoubleType(), FAN)


def _block(context: Any, builder: Any, array_type: Any, array: Any, first: Any) -> Any:
    """Load the block that begins at a place."""
    data = context.make_array(array_type)(context, builder, array).data
    return builder.load(
        builder.bitcast(builder.gep(data, [first]), _VECTOR.as_pointer()), align=8, typ=_VECTOR
    )


@intrinsic
def least_in_block(typing_context: Any, times: Any, first: Any) -> Any:
    """Return the least of the block of contiguous times that begins at `first`; none of them is NaN."""

    def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        block = _block(context, builder, signature.args[0], *args)
        kind = ir.FunctionType(ir.DoubleType(), [_VECTOR])
        reduce = get_or_insert_function(builder.module, kind, f"llvm.vector.reduce.fmin.v{FAN}f64")
        return builder.call(reduce, [block], fastmath=("nnan", "nsz"))

    return types.float64(times, types.int64), emit


@intrinsic
def place_in_block(typing_context: Any, times: Any, first: Any, time: Any) -> Any:
    """Return where a time first stands in the block that begins at `first`, or FAN where it does not."""

    def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        block = _block(context, builder, signature.args[0], *args[:2])
        one = builder.insert_element(
            ir.Constant(_VECTOR, ir.Undefined), args[2], ir.Constant(ir.IntType(32), 0)
        )
        mask = ir.Constant(ir.VectorType(ir.IntType(32), FAN), [0] * FAN)
        equal = builder.fcmp_ordered("==", block, builder.shuffle_vector(one, one, mask))
        bits = builder.bitcast(equal, ir.IntType(FAN))
        return builder.zext(builder.cttz(bits, ir.Constant(ir.IntType(1), 0)), ir.IntType(64))

    return types.int64(times, types.int64, types.float64), emit
