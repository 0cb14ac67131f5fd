"""The arrays that a program hands to the kernels; all read the same layout, so a hazard is one thing.

Shapes: N units, K transitions, C causes, V variables, J joint states, D designs, L layers, P ties, B breaks.
Fields of one kind stand in one array, because what a kernel is handed costs time whenever it is compiled.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any, NamedTuple

import numba as nb
import numpy as np
from llvmlite import ir
from llvmlite.binding import Linkage
from numba.core import types
from numba.core.cgutils import get_or_insert_function
from numba.core.codegen import JITCodeLibrary
from numba.core.compiler import Compiler
from numba.extending import intrinsic
from numpy.typing import NDArray

from tocsin.errors import CacheWarning

F8 = NDArray[np.float64]

I8 = NDArray[np.int64]

I4 = NDArray[np.int32]

U8 = NDArray[np.uint64]

B1 = NDArray[np.uint8]

# Kinds of break, in the order in which they are applied at one instant: what is forced is an event and sees
# what was in force before; everything else begins after its instant. RETURN says in which state an absent unit
# will enter again.
FORCE, EXIT, RETURN, ENTER, TIE, TOTAL, PIECE = range(7)

STRIDE, SIZE = 0, 1  # columns of `variable`

MOVES, TO = 0, 1  # columns of `transition`: the variable it moves, the state it enters

TRANSITION, LAYER, TARGET, SOURCE, TOTAL_OF, DECAYS, ROW, LEAD, SPAN, AGE, FIRST_CUT, LEVELS, LEVEL_ROWS = (
    range(13)
)  # columns of `cause`

NO_AGE, PIECES, LOG, PLAIN = range(
    4
)  # in AGE of `cause`; what counts unknown ages from entry adds FROM_ENTRY

FROM_ENTRY = 4

TARGETS_HEAR, SOURCES_HEAR, OF_LAYER, OF_TOTAL, TARGET_DESIGNS, SOURCE_DESIGNS = range(6)  # rows of `listen`

OUT, IN = 0, 1  # rows of `tie_first`

OUT_TARGET, IN_SOURCE, IN_TIE = 0, 1, 2  # rows of `tie`

KIND, A, B, C = 0, 1, 2, 3  # columns of `breaks`

WHEN, VALUE = 0, 1  # rows of `break_at`


def room_of(units: int) -> int:
    """Return the room that a row has: whole steps of the widest processors, so that none is left over."""
    return -(-units // 8) * 8


class Layout(NamedTuple):
    """What a program is, apart from its parameters."""

    window: F8  # (2,) the window (start, end]
    state: I4  # (N,) joint state on entry
    presence: F8  # (2, N) first entry and last exit; breaks tell of absences between them
    unit_key: U8  # (N,)
    variable: I8  # (V, 2) stride and number of states
    held: I4  # (V, J) the state of each variable in each joint state
    transition: I4  # (K, 2) the variable it moves and the state it enters
    after: I4  # (K, J) joint state after the transition, -1 where the unit is not at risk
    matters: B1  # (K, J) whether a unit in this joint state may ever be at risk of the transition again
    allowed: B1  # (K, N) 0 where an intervention prevents the transition; (0, 0) where none does
    cause: I4  # (C, 13) transition, layer (-1: baseline), target and source design (-1: none), totals (-1: none),
    #            whether its memory decays, the matrix along whose rows it is sent (-1: tie by tie), the first
    #            of the causes that are sent together, with how many they are; and what it sees of the age of the
    #            unit's state: in which form, the first of its cuts, their number, and the rows of one level
    cause_key: U8  # (C,)
    counts: B1  # (C, J) whether a source in this joint state counts
    clause: B1  # (C, V) whether a variable stands in the clause `when`
    listen_first: (
        I4  # (6, x + 1) which causes listen to a variable (as targets, as sources), a layer, totals,
    )
    listen: I4  # or a design (as target's, as source's)
    rows: I4  # flat: row of design at offset + column; -1 where a covariate is missing
    offset: I8  # (D, N) offset of the piece in force when the unit enters
    columns: I4  # (D, J)
    same: I4  # (D,) the row of a design that has but one, for all units at all times, else -1
    tie_first: I8  # (2, L, N + 1) the ties of each layer and source, and of each layer and target
    tie: I4  # (3, P) target of each tie; by target, source and number of each tie (see `weight`)
    weight: (
        F8  # (P,) in force when the window begins; (1,), and no numbers in `tie`, where all are always alike
    )
    dense_of: I4  # (L,) position of the layer in `dense`, -1 where it is kept as ties alone
    dense: F8  # (2, N, dense layers * room of a row) weights of each source, and of each target, at first
    totals: F8  # (totals, N) that normalise exposures, when the window begins
    age_cuts: F8  # ages between pieces, cause by cause
    since: (
        F8  # (2, V, N) since when each state is held on entry (NaN: unknown), and the unit is seen; (2, 0, 0)
    )
    #            where no cause sees ages
    early: I4  # (entries before the unit's own, 3) cause, unit, row of the source design
    early_time: F8
    break_at: F8  # (2, B) time, and a value; sorted by time, then kind
    breaks: I8  # (B, 4) kind and what it changes
    inner: I4  # (H, 4) exposures inside exponents: layer, design of the mark (-1: none), totals (-1: none), first mark
    inner_counts: B1  # (H, J) whether a source in this joint state counts
    inner_mark: F8  # flat: the mark of each row of its design
    inner_first: I4  # (H + 1,) which causes hear of each, in `inner_cause`
    inner_cause: I4
    term_first: I4  # (C + 1,) the terms of each cause that follow exposures, in `term`
    term: I4  # (terms, 5) exposure, form, by how many columns a level moves the row, first of its cuts, and how many
    cut: F8  # flat: where levels begin


class Tables(NamedTuple):
    """What the parameters make of a layout."""

    values: F8  # exp(beta . x) of every target row, then exp(gamma . u) of every source row, cause by cause
    first: I8  # (2, C) where each cause's target rows, and its source rows, begin in `values`
    shape: F8  # (2, C) decay ln 2 / half-life (0 under `while`), and alpha
    bent: F8  # what multiplies each term that is a number following an exposure, in every target row, term by term
    bent_first: I8  # (terms,) where each begins in `bent`
    slope: F8  # coefficient of the age in the hazard of each target row, as `values`; (0,) where no age is a number


# --- How kernels are compiled
#
# Inner functions are called by kernels only, so no wrappers for Python are made, and they allocate nothing, so
# arrays are handed about without counting references (which costs more than the work of most of them).
# Functions on the hot path are inlined: a call that hands over a layout copies all of its array headers.

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
