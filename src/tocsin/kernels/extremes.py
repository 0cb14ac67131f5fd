"""The lesser and the greater of two numbers that are not NaN, said so that the compiler takes many in one step.

A comparison and a choice are compiled one number at a time, because the compiler must keep the order of NaN
and of signed zeros; LLVM's own minimum, marked as free of both, it reduces eight at a time.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic


def _extreme(name: str) -> Any:
    def emit(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        double = ir.DoubleType()
        function = builder.module.declare_intrinsic(name, [double], ir.FunctionType(double, [double] * 2))
        return builder.call(function, args, fastmath=("nnan", "nsz"))

    return emit


@intrinsic
def lesser(typing_context: Any, a: Any, b: Any) -> Any:
    """Return the lesser of two doubles."""
    return types.float64(types.float64, types.float64), _extreme("llvm.minnum")


@intrinsic
def greater(typing_context: Any, a: Any, b: Any) -> Any:
    """Return the greater of two doubles."""
    return types.float64(types.float64, types.float64), _extreme("llvm.maxnum")
