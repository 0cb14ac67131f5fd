"""How kernels are compiled.

Inner functions are called by kernels only, so no wrappers for Python are made, and they allocate nothing, so
arrays are handed about without counting references (which costs more than the work of most of them).
Functions on the hot path are inlined: a call that hands over a layout copies all of its array headers.
"""

from __future__ import annotations

from typing import Any

import numba as nb

_INNER: dict[str, Any] = {
    "cache": True,
    "nogil": True,
    "error_model": "numpy",  # a division by zero is infinite, and no branch stands in the way of whole steps
    "no_cpython_wrapper": True,
    "no_cfunc_wrapper": True,
}

_njit: Any = nb.njit  # its stubs do not know these options
inner = _njit(**_INNER, _nrt=False)
inlined = _njit(**_INNER, _nrt=False, forceinline=True)
comparing = _njit(**_INNER, _nrt=False, forceinline=True, fastmath={"nnan", "nsz"})  # of numbers, never NaN
allocating = _njit(**_INNER)
entry = _njit(cache=True, nogil=True, error_model="numpy", no_cfunc_wrapper=True)
summing = _njit(  # sums may be taken in any order, so that several numbers are added at once
    cache=True,
    nogil=True,
    error_model="numpy",
    no_cfunc_wrapper=True,
    fastmath={"reassoc", "contract", "nsz"},
)
