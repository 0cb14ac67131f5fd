"""How kernels are compiled.

Inner functions are called by kernels only, so no wrappers for Python are made, and they allocate nothing, so
arrays are handed about without counting references (which costs more than the work of most of them).
Functions on the hot path are inlined: a call that hands over a layout copies all of its array headers.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numba as nb

from tocsin.errors import CacheWarning

_njit: Any = nb.njit  # its stubs do not know these options


class _Cache:
    """Numba's cache of a function, which may fail: then the function is compiled anew, and that is said once."""

    said = False

    def __init__(self, cache: Any) -> None:
        self.cache = cache

    def __getattr__(self, name: str) -> Any:
        return getattr(self.cache, name)

    def load_overload(self, *asked: Any) -> Any:
        """Return what is kept, or None; a file that a stopped process left half-written is as good as none."""
        try:
            return self.cache.load_overload(*asked)
        except MemoryError:
            raise
        except Exception as error:  # whatever half a pickle raises
            self.warn("read", error)
            return None

    def save_overload(self, *made: Any) -> None:
        """Keep what was compiled, if the disk lets us."""
        try:
            self.cache.save_overload(*made)
        except MemoryError:
            raise
        except Exception as error:  # half a pickle of an earlier process among them
            self.warn("written", error)

    @classmethod
    def warn(cls, what: str, error: Exception) -> None:
        """Say once that kernels are compiled anew."""
        if not cls.said:
            cls.said = True
            reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
            warnings.warn(
                f"the cache of compiled kernels cannot be {what} ({reason}), so they are compiled anew each time; "
                "NUMBA_CACHE_DIR names another folder for it",
                CacheWarning,
                stacklevel=3,
            )


def cached(signature: Any = None, **options: Any) -> Callable[[Any], Any]:
    """Return a decorator that compiles with Numba, at once for a signature, and keeps the result on disk."""

    def decorate(function: Any) -> Any:
        made = _njit(**options)(function)
        if not hasattr(made, "enable_caching"):  # NUMBA_DISABLE_JIT
            return made
        try:
            made.enable_caching()
            made._cache = _Cache(made._cache)
        except (RuntimeError, OSError) as error:  # no folder that can be written
            _Cache.warn("written", error)
        if signature is not None:
            made.compile(signature)
            made.disable_compile()
        return made

    return decorate


_INNER: dict[str, Any] = {
    "nogil": True,
    "error_model": "numpy",  # a division by zero is infinite, and no branch stands in the way of whole steps
    "no_cpython_wrapper": True,
    "no_cfunc_wrapper": True,
}

inner = cached(**_INNER, _nrt=False)
inlined = cached(**_INNER, _nrt=False, forceinline=True)
comparing = cached(**_INNER, _nrt=False, forceinline=True, fastmath={"nnan", "nsz"})  # of numbers, never NaN
allocating = cached(**_INNER)
entry = cached(nogil=True, error_model="numpy", no_cfunc_wrapper=True)
summing = cached(  # sums may be taken in any order, so that several numbers are added at once
    nogil=True,
    error_model="numpy",
    no_cfunc_wrapper=True,
    fastmath={"reassoc", "contract", "nsz"},
)
