"""What compiled loops share: the decorator, and memory by address.

Arrays reach the loops as addresses, so that one compiled variant serves memory maps, read-only arrays and rows of
larger blocks, and a call with many arrays costs little. Who calls such a loop keeps the arrays alive and checks every
index before anything is read.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import numba
import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils, entrypoints
from numba.core.compiler_lock import global_compiler_lock
from numba.extending import intrinsic
from numba.np.numpy_support import carray as _carray
from numpy.typing import NDArray

__all__ = [
    "address_of",
    "address_of_vector",
    "carray",
    "compiled",
    "pointer",
    "positions",
    "prefetch",
    "rows_of_output",
]

Loop = TypeVar("Loop", bound=Callable[..., Any])

_FLOAT = 4
_LOADED = "_already_initialized"


def compiled(function: Loop) -> Loop:
    """Compile a loop that runs without the GIL; the result is kept on disk where there is a place to write.

    Strict IEEE arithmetic: nothing is reordered, and no product is fused with a sum.
    """
    loop: Any
    try:
        loop = numba.njit(nogil=True, cache=True)(function)
    except RuntimeError:  # neither the package's folder, nor NUMBA_CACHE_DIR, nor the user's cache can be written
        loop = numba.njit(nogil=True)(function)
    loop._compilation_chain_init_hook = _nothing
    loop.compile = _without_extensions(loop.compile)
    return loop  # type: ignore[no-any-return]


def _without_extensions(compile_: Callable[..., Any]) -> Callable[..., Any]:
    """Keep numba from loading what other packages add to it: our loops need none of it, and it takes half a second.

    The first loop of anybody else that is compiled loads it as ever.
    """

    def compile_alone(*args: Any, **kwargs: Any) -> Any:
        with global_compiler_lock:
            before = getattr(entrypoints, _LOADED, True)
            setattr(entrypoints, _LOADED, True)
            try:
                return compile_(*args, **kwargs)
            finally:
                setattr(entrypoints, _LOADED, before)

    return compile_alone


def _nothing() -> None:
    """In place of what numba does before it compiles: loading these extensions."""


def _pointer(typingctx: Any, address: Any) -> tuple[Any, Any]:  # noqa: ARG001 - numba passes them by name
    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:  # noqa: ARG001
        return builder.inttoptr(args[0], cgutils.voidptr_t)

    return types.voidptr(types.int64), codegen


def _prefetch(typingctx: Any, address: Any) -> tuple[Any, Any]:  # noqa: ARG001
    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:  # noqa: ARG001
        word = ir.IntType(32)
        form = ir.FunctionType(ir.VoidType(), (cgutils.voidptr_t, word, word, word))
        ask = builder.module.declare_intrinsic("llvm.prefetch", (cgutils.voidptr_t,), form)
        builder.call(ask, (builder.inttoptr(args[0], cgutils.voidptr_t), word(0), word(2), word(1)))
        return context.get_dummy_value()

    return types.void(types.int64), codegen


_intrinsic: Any = intrinsic

carray: Callable[..., Any] = _carray
"""Inside a compiled loop: memory at a pointer as an array of a shape and dtype."""

pointer: Callable[[int], Any] = _intrinsic(_pointer)
"""Inside a compiled loop: an address (int64) as a pointer, for `carray`."""

prefetch: Callable[[int], None] = _intrinsic(_prefetch)
"""Inside a compiled loop: ask for the cache line at an address (int64) that is going to be read soon; never faults.

It comes into the second level, which can wait for more lines at the same time than the first.
"""


def address_of(array: NDArray[Any]) -> int:
    """Return where the first element of an array lies; valid as long as the array lives."""
    return int(array.__array_interface__["data"][0])


@compiled
def address_of_vector(array: NDArray[Any]) -> int:
    """As `address_of` for a contiguous array of one axis; several times faster, compiled once a dtype."""
    address: int = array.ctypes.data
    return address


def rows_of_output(out: NDArray[np.float32], width: int) -> tuple[int, int]:
    """Address of the first row of ``out`` (float32 [n, width or more]) and bytes from row to row.

    Raises:
        ValueError: it is not float32 [n, width or more], cannot be written, or its columns do not lie side by side.
    """
    if out.dtype != np.float32 or out.ndim != 2 or out.shape[1] < width:
        msg = f"the output is {out.dtype} {list(out.shape)}, not float32 of {width} columns"
        raise ValueError(msg)
    if not (out.flags.writeable and out.flags.aligned) or (out.size > len(out) and out.strides[1] != _FLOAT):
        msg = "the output cannot be written, or the columns of a row do not lie side by side"
        raise ValueError(msg)
    return address_of(out), out.strides[0]


def positions(index: NDArray[Any], events: int) -> NDArray[np.int64]:
    """Return positions from positions (integers [n]; not checked) or from a mask (bool [events]), as contiguous int64.

    Raises:
        ValueError: it is neither, or a mask of another number of events.
    """
    if index.ndim != 1 or index.dtype.kind not in "biu" or (index.dtype.kind == "b" and len(index) != events):
        msg = f"of {events} events some are chosen by integers [n] or a mask, not by {index.dtype} {list(index.shape)}"
        raise ValueError(msg)
    return np.flatnonzero(index) if index.dtype.kind == "b" else np.ascontiguousarray(index, dtype=np.int64)
