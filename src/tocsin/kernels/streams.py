"""Counter-based random streams: one for every (seed, world, unit, transition, cause).

The generator is Philox4x32-10 (Salmon, Moraes, Dror & Shaw 2011). Its key is made of seed and world, its
counter of the clock's own key and the number of the draw; so any draw of any clock of any world can be made
at any time, by any thread, and nothing that happens elsewhere moves it.

Everything here is straight arithmetic without branches or calls, so that the compiler can draw for eight
clocks in one step; that is why the logarithm is our own.
"""

from __future__ import annotations

import math
from typing import Any

import numba as nb
import numpy as np
from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic

from tocsin.kernels.compiled import cached

_M0 = np.uint64(0xD2511F53)

_M1 = np.uint64(0xCD9E8D57)

_W0 = np.uint64(0x9E3779B9)

_W1 = np.uint64(0xBB67AE85)

_LOW = np.uint64(0xFFFFFFFF)

_MIX1 = np.uint64(0xFF51AFD7ED558CCD)

_MIX2 = np.uint64(0xC4CEB9FE1A85EC53)

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)

SOURCE_STREAM = np.uint64(0x736F757263653A3A)  # tells the stream of the sources from that of the thresholds

_32 = np.uint64(32)

_33 = np.uint64(33)

_11 = np.uint64(11)

_1 = np.uint64(1)

_52 = np.uint64(52)

_ROOT_HALF = np.uint64(0x3FE6A09E667F3BCD)  # the bits of sqrt(1/2)

_LN2 = math.log(2.0)

_SHARED: dict[str, Any] = {"nogil": True, "error_model": "numpy", "forceinline": True}


@intrinsic
def bits_of(typing_context: Any, value: Any) -> Any:
    """Read the bits of a double as an integer."""
    return types.uint64(types.float64), lambda context, builder, signature, args: builder.bitcast(
        args[0], ir.IntType(64)
    )


@intrinsic
def double_of(typing_context: Any, value: Any) -> Any:
    """Read the bits of an integer as a double."""
    return types.float64(types.uint64), lambda context, builder, signature, args: builder.bitcast(
        args[0], ir.DoubleType()
    )


@cached(nb.uint64(nb.uint64), **_SHARED)
def mix(value):
    """Scramble 64 bits (the finaliser of MurmurHash3, Appleby 2011); a bijection."""
    value ^= value >> _33
    value *= _MIX1
    value ^= value >> _33
    value *= _MIX2
    value ^= value >> _33
    return value


@cached(nb.uint64(nb.uint64, nb.uint64), **_SHARED)
def combine(first, second):
    """Make one key of two; the order of the two matters."""
    return mix(mix(first + _GOLDEN) ^ (second + _GOLDEN))


@cached(nb.types.UniTuple(nb.uint64, 2)(nb.uint64, nb.uint64, nb.uint64), **_SHARED)
def philox(key, high, low):
    """Return the two 64-bit words of Philox4x32-10 for a 64-bit key and a 128-bit counter."""
    k0, k1 = key & _LOW, key >> _32
    c0, c1 = low & _LOW, low >> _32
    c2, c3 = high & _LOW, high >> _32
    for _ in range(10):
        p0 = _M0 * c0
        p1 = _M1 * c2
        c0, c1, c2, c3 = (p1 >> _32) ^ c1 ^ k0, p1 & _LOW, (p0 >> _32) ^ c3 ^ k1, p0 & _LOW
        k0 = (k0 + _W0) & _LOW
        k1 = (k1 + _W1) & _LOW
    return c0 | (c1 << _32), c2 | (c3 << _32)


@cached(nb.float64(nb.uint64, nb.uint64, nb.int64), **_SHARED)
def uniform(world, clock, number):
    """Return draw `number` of a clock's stream in a world, in the open interval (0, 1)."""
    count = np.uint64(number)
    first, second = philox(world, clock, count >> _1)
    word = second if count & _1 else first
    return (np.float64(np.int64(word >> _11)) + 0.5) * (1.0 / 9007199254740992.0)


@cached(nb.float64(nb.float64), **_SHARED)
def minus_log(x):
    """Return -log(x) of a normal number x > 0, to the last two bits.

    With x = 2^e m and m in [sqrt(1/2), sqrt(2)): log m = 2 artanh(s) = 2 (s + s^3/3 + s^5/5 + ...),
    s = (m - 1) / (m + 1).
    """
    bits = bits_of(x)
    exponent = np.int64(bits - _ROOT_HALF) >> np.int64(52)
    m = double_of(bits - (np.uint64(exponent) << _52))
    s = (m - 1.0) / (m + 1.0)
    z = s * s
    # Summed in pairs, so that no term waits for all the others.
    z2 = z * z
    z4 = z2 * z2
    low = (2.0 / 3.0 + z * (2.0 / 5.0)) + z2 * (2.0 / 7.0 + z * (2.0 / 9.0))
    middle = (2.0 / 11.0 + z * (2.0 / 13.0)) + z2 * (2.0 / 15.0 + z * (2.0 / 17.0))
    high = (2.0 / 19.0 + z * (2.0 / 21.0)) + z2 * (2.0 / 23.0)
    tail = low + z4 * (middle + z4 * high)
    return -(exponent * _LN2 + (s * z * tail + 2.0 * s))


@cached(nb.float64(nb.uint64, nb.uint64, nb.int64), **_SHARED)
def threshold(world, clock, number):
    """Return the unit-exponential threshold `number` of a clock's stream in a world."""
    return minus_log(uniform(world, clock, number))
