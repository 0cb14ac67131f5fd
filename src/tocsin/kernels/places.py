"""Places in arrays that are known not to be negative, so that no code is made for counting from the end."""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic


@intrinsic
def place(typing_context: Any, value: Any) -> Any:
    """Return a whole number that is at least 0 as a place; the compiler takes the caller's word for it."""

    def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        number, whole = args[0], ir.IntType(64)
        if number.type.width < 64:
            return builder.zext(number, whole)
        assume = builder.module.declare_intrinsic(
            "llvm.assume", [], ir.FunctionType(ir.VoidType(), [ir.IntType(1)])
        )
        builder.call(assume, [builder.icmp_signed(">=", number, ir.Constant(whole, 0))])
        return number

    if not isinstance(value, types.Integer):
        return None
    return types.int64(value), emit
