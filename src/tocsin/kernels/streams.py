"""Counter-based random streams: one for every (seed, world, unit, transition, cause).

The generator is Philox4x32-10 (Salmon, Moraes, Dror & Shaw 2011). Its key is made of seed and world, its
counter of the clock's own key and the number of the draw; so any draw of any clock of any world can be made
at any time, by any thread, and nothing that happens elsewhere moves it.
"""

from __future__ import annotations

import math

import numba as nb
import numpy as np

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


@nb.njit(nb.uint64(nb.uint64), cache=True)
def mix(value):
    """Scramble 64 bits (the finaliser of MurmurHash3, Appleby 2011); a bijection."""
    value ^= value >> _33
    value *= _MIX1
    value ^= value >> _33
    value *= _MIX2
    value ^= value >> _33
    return value


@nb.njit(nb.uint64(nb.uint64, nb.uint64), cache=True)
def combine(first, second):
    """Make one key of two; the order of the two matters."""
    return mix(mix(first + _GOLDEN) ^ (second + _GOLDEN))


@nb.njit(nb.types.UniTuple(nb.uint64, 2)(nb.uint64, nb.uint64, nb.uint64), cache=True)
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


@nb.njit(nb.float64(nb.uint64, nb.uint64, nb.int64), cache=True)
def uniform(world, clock, number):
    """Return draw `number` of a clock's stream in a world, in the open interval (0, 1)."""
    count = np.uint64(number)
    first, second = philox(world, clock, count >> _1)
    word = second if count & _1 else first
    return (np.float64(word >> _11) + 0.5) * (1.0 / 9007199254740992.0)


@nb.njit(nb.float64(nb.uint64, nb.uint64, nb.int64), cache=True)
def threshold(world, clock, number):
    """Return the unit-exponential threshold `number` of a clock's stream in a world."""
    return -math.log(uniform(world, clock, number))
