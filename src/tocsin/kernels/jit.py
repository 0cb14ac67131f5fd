"""How kernels are compiled: inner functions are called by kernels only, so no wrappers for Python are made."""

from __future__ import annotations

import numba as nb

inner = nb.njit(cache=True, nogil=True, no_cpython_wrapper=True, no_cfunc_wrapper=True)
entry = nb.njit(cache=True, nogil=True, no_cfunc_wrapper=True)
