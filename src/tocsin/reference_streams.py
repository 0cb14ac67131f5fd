"""The random streams of the clocks in plain integers, for the readable twin; the kernels have their own."""

from __future__ import annotations

_64 = 2**64 - 1


def mix(value: int) -> int:
    """Scramble 64 bits (the finaliser of MurmurHash3, Appleby 2011)."""
    value = (value ^ value >> 33) * 0xFF51AFD7ED558CCD & _64
    value = (value ^ value >> 33) * 0xC4CEB9FE1A85EC53 & _64
    return value ^ value >> 33


def combine(first: int, second: int) -> int:
    """Make one key of two."""
    golden = 0x9E3779B97F4A7C15
    return mix(mix(first + golden & _64) ^ (second + golden & _64))


def uniform(world: int, clock: int, number: int) -> float:
    """Return draw `number` of a clock's stream in a world, by Philox4x32-10 (Salmon et al. 2011)."""
    low = 2**32 - 1
    k0, k1 = world & low, world >> 32
    c0, c1, c2, c3 = number >> 1 & low, number >> 33, clock & low, clock >> 32
    for _ in range(10):
        p0, p1 = 0xD2511F53 * c0, 0xCD9E8D57 * c2
        c0, c1, c2, c3 = p1 >> 32 ^ c1 ^ k0, p1 & low, p0 >> 32 ^ c3 ^ k1, p0 & low
        k0, k1 = k0 + 0x9E3779B9 & low, k1 + 0xBB67AE85 & low
    word = c2 | c3 << 32 if number & 1 else c0 | c1 << 32
    return ((word >> 11) + 0.5) * 2.0**-53
