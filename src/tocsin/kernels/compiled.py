"""How kernels are compiled, and instructions that the compiler would not find by itself.

Inner functions are called by kernels only, so no wrappers for Python are made, and they allocate nothing, so
arrays are handed about without counting references (which costs more than the work of most of them).
Functions on the hot path are inlined: a call that hands over a layout copies all of its array headers.
"""

from __future__ import annotations

import re
import sys
import time
import warnings
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

import numba as nb
from llvmlite import ir
from llvmlite.binding import Linkage
from numba.core import types
from numba.core.cgutils import get_or_insert_function
from numba.core.codegen import JITCodeLibrary
from numba.core.compiler import Compiler
from numba.extending import intrinsic

from tocsin.errors import CacheWarning

_njit: Any = nb.njit  # its stubs do not know these options

_IMPORTED = re.compile(rb"^\s*(?:from|import) tocsin\.kernels(?:\.| import )(\w+)", re.MULTILINE)


@cache
def _text_of(path: Path) -> tuple[bytes, tuple[Path, ...]]:
    """Return a file of kernels, and those that it imports."""
    text = path.read_bytes()
    names = {name.decode() for name in _IMPORTED.findall(text)}
    return text, tuple(
        each for name in sorted(names) if (each := Path(__file__).with_name(f"{name}.py")).exists()
    )


@cache
def source_stamp(file: str) -> bytes:
    """Return the digest of a file and of all files of kernels that it imports, near or far.

    Numba's own is that of the file alone, so that a kernel would live on with what it imported before.
    """
    found: dict[Path, bytes] = {}
    left = [Path(file)]
    while left:
        path = left.pop()
        if path not in found:
            found[path], imported = _text_of(path)
            left += imported
    return sha256(b"\0".join(found[path] for path in sorted(found))).digest()


class _Notice:
    """Says on stderr that kernels are being compiled, which happens once, and how far that has come."""

    EVERY = 10.0  # seconds

    def __init__(self) -> None:
        self.began = self.said = 0.0
        self.made = 0

    def begin(self) -> None:
        """A kernel is not in the cache."""
        if not self.began:
            self.began = time.monotonic()
            self._say("compiling kernels for this machine, which is done once and can take a minute or two")

    def done(self) -> None:
        """A kernel has been compiled."""
        self.made += 1
        if self.began and time.monotonic() - self.said >= self.EVERY:
            seconds = time.monotonic() - self.began
            self._say(f"{self.made} kernel{'s' * (self.made > 1)} compiled, {seconds:.0f} s")

    def _say(self, what: str) -> None:
        self.said = time.monotonic()
        # A closed stderr, or none, must not stop the work.
        with suppress(AttributeError, OSError, ValueError):
            sys.stderr.write(f"tocsin: {what}\n")
            sys.stderr.flush()


_notice = _Notice()


class _Cache:
    """Numba's cache of a function, which may fail: then the function is compiled anew, and that is said once."""

    said = False

    def __init__(self, cache: Any, file: str, small: bool) -> None:
        self.cache, self.small = cache, small
        with suppress(OSError):  # a source that cannot be read has Numba's own stamp
            cache._cache_file._source_stamp = source_stamp(file)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.cache, name)

    def load_overload(self, *asked: Any) -> Any:
        """Return what is kept, or None; a file that a stopped process left half-written is as good as none."""
        found = None
        try:
            found = self.cache.load_overload(*asked)
        except MemoryError:
            raise
        except Exception as error:  # whatever half a pickle raises
            self.warn("read", error)
        if found is None and not self.small:
            _notice.begin()
        return found

    def save_overload(self, *made: Any) -> None:
        """Keep what was compiled, if the disk lets us."""
        _notice.done()
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


class _Draft(JITCodeLibrary):
    """The code of an inner function, kept as it was written: kernels take it in, and optimise it once and for all.

    Numba makes machine code of every function, with all that it calls, and optimises a function again in each of
    those that call it, and in each of those that call these.
    """

    @property
    def codegen(self) -> Any:
        """The code generator, which has no machine code to give an environment to."""
        return _NoEnvironment(self._codegen)

    def get_pointer_to_function(self, name: str) -> int:
        """Return that there is no machine code."""
        return 0

    def finalize(self) -> None:
        """Leave all that is to be done to the kernels."""
        self._raise_if_finalized()
        self._finalize_dynamic_globals()
        self._finalized = True

    def _get_module_for_linking(self) -> Any:
        """Return the code, marked as to be taken in also by a kernel in which nothing taken in so far calls it."""
        module = super()._get_module_for_linking()  # type: ignore[no-untyped-call]
        for function in module.functions:
            if not function.is_declaration and function.linkage == Linkage.linkonce_odr:
                function.linkage = Linkage.weak_odr
        return module


class _NoEnvironment:
    """A code generator that gives no environments, which only functions called from Python need."""

    def __init__(self, generator: Any) -> None:
        self.generator = generator

    def __getattr__(self, name: str) -> Any:
        return getattr(self.generator, name)

    def set_env(self, name: str, env: Any) -> None:
        """Do nothing."""


SHARED = (Linkage.linkonce_odr, Linkage.weak_odr)


class _Whole(JITCodeLibrary):
    """The code of a kernel, with that of all inner functions that it calls, near or far."""

    def finalize(self) -> None:
        """Take in what the inner functions call in their turn, and make machine code."""
        for library in self._linking_libraries:  # which grows meanwhile
            if isinstance(library, _Draft):
                self._linking_libraries += [
                    each for each in library._linking_libraries if each not in self._linking_libraries
                ]
        super().finalize()  # type: ignore[no-untyped-call]

    def _optimize_final_module(self) -> None:
        """Tell the compiler that nobody else calls the inner functions, so that they take what they need only."""
        for function in self._final_module.functions:
            if not function.is_declaration and function.linkage in SHARED:
                function.linkage = Linkage.internal
        super()._optimize_final_module()  # type: ignore[no-untyped-call]


class _Kernel(Compiler):
    """Compiles a kernel."""

    library: type[JITCodeLibrary] = _Whole

    def compile_extra(self, func: Any) -> Any:
        """Compile a function into a library of ours."""
        self.state.library = self.library(self.state.targetctx.codegen(), func.__qualname__)
        self.state.library.enable_object_caching()
        return super().compile_extra(func)  # type: ignore[no-untyped-call]


class _Inner(_Kernel):
    """Compiles a function that only kernels call."""

    library = _Draft


def cached(signature: Any = None, **options: Any) -> Callable[[Any], Any]:
    """Return a decorator that compiles with Numba, at once for a signature, and keeps the result on disk."""

    def decorate(function: Any) -> Any:
        made = _njit(**options)(function)
        if not hasattr(made, "enable_caching"):  # NUMBA_DISABLE_JIT
            return made
        try:
            made.enable_caching()
            made._cache = _Cache(made._cache, function.__code__.co_filename, small=signature is not None)
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
    "pipeline_class": _Inner,
}

inner = _njit(**_INNER, _nrt=False)

inlined = _njit(**_INNER, _nrt=False, forceinline=True)

comparing = _njit(**_INNER, _nrt=False, forceinline=True, fastmath={"nnan", "nsz"})  # of numbers, never NaN

allocating = _njit(**_INNER)

_ENTRY: dict[str, Any] = {
    "nogil": True,
    "error_model": "numpy",
    "no_cfunc_wrapper": True,
    "pipeline_class": _Kernel,
}

entry = cached(**_ENTRY)

summing = cached(  # sums may be taken in any order, so that several numbers are added at once
    **_ENTRY,
    fastmath={"reassoc", "contract", "nsz"},
)


# --- Places in arrays that are known not to be negative, so that no code is made for counting from
#     the end


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


# --- The lesser and the greater of two numbers that are not NaN, said so that the compiler takes
#     many in one step
#
# A comparison and a choice are compiled one number at a time, because the compiler must keep the order of NaN
# and of signed zeros; LLVM's own minimum, marked as free of both, it reduces eight at a time.


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


# --- A block of times as one vector: its least, and where a time first stands in it
#
# Written as loops these are compiled one number at a time, since the compiler unrolls so short a loop before it
# could take several steps of it at once.

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
