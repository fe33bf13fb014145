"""Masks of bars packed to 64-bit words: bit `t & 63` of word `t >> 6` is bar `t` of the whole shard.

A mask of 5,031 bars is 79 words: it stays in the first cache, combines a word at a time, and the next set bar is one
machine instruction away. Bits past the last bar are 0.
"""

from typing import Any

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic
from numba.np.arrayobj import make_array
from numpy.typing import NDArray

from strategies.numba_start import load_numba

load_numba()  # every module of compiled functions imports this one

WORD_BITS = 64
WORDS_PER_LINE = 8
"""Words in a cache line."""
_ALL = np.uint64(0xFFFF_FFFF_FFFF_FFFF)
_ONE = np.uint64(1)


def n_words(n_bars: int) -> int:
    """Words that hold a mask of `n_bars` bars.

    >>> n_words(0), n_words(64), n_words(65)
    (0, 1, 2)
    """
    return (n_bars + WORD_BITS - 1) // WORD_BITS


def pack(mask: NDArray[np.bool_]) -> NDArray[np.uint64]:
    """The words `(..., n_words)` of a boolean mask `(..., n_bars)`.

    >>> pack(np.array([True, False, True]))
    array([5], dtype=uint64)
    """
    mask = np.asarray(mask, dtype=np.bool_)
    n_bars = mask.shape[-1]
    padded = np.zeros((*mask.shape[:-1], n_words(n_bars) * WORD_BITS), dtype=np.bool_)
    padded[..., :n_bars] = mask
    return np.packbits(padded, axis=-1, bitorder="little").view("<u8").astype(np.uint64, copy=False)


def unpack(words: NDArray[np.uint64], n_bars: int) -> NDArray[np.bool_]:
    """The boolean mask `(..., n_bars)` of words `(..., n_words)`: the inverse of `pack`."""
    octets = np.ascontiguousarray(words, dtype="<u8").view(np.uint8)
    return np.unpackbits(octets, axis=-1, count=n_bars, bitorder="little").view(np.bool_)


@intrinsic  # type: ignore[untyped-decorator, unused-ignore]
def ctz_nb(_typing_context: Any, word: Any) -> Any:
    """Count of the zero bits below the lowest set bit of a uint64, 64 for zero: LLVM's `cttz`, one instruction."""
    if word != types.uint64:
        return None  # numba then says that no definition takes this type

    def codegen(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        return builder.cttz(arguments[0], ir.Constant(ir.IntType(1), 0))

    return types.int64(types.uint64), codegen


@intrinsic  # type: ignore[untyped-decorator, unused-ignore]
def prefetch_nb(_typing_context: Any, words: Any, index: Any) -> Any:
    """Asks for the cache line of the number at flat place `index`, and goes on; a hint without effect on results."""
    if not (isinstance(words, types.Array) and words.layout == "C"):
        return None

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        row = make_array(signature.args[0])(context, builder, arguments[0])
        place = builder.bitcast(builder.gep(row.data, [arguments[1]]), ir.IntType(8).as_pointer())
        whole = ir.IntType(32)
        kind = ir.FunctionType(ir.VoidType(), [place.type, whole, whole, whole])
        function = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0")
        builder.call(function, [place, whole(0), whole(3), whole(1)])  # to read, into all caches, as data
        return context.get_dummy_value()

    return types.void(words, types.int64), codegen


@njit(cache=True, nogil=True)
def has_bar_nb(words: NDArray[np.uint64], bar: int) -> bool:
    """Whether the mask is true at `bar`."""
    return (words[bar >> 6] >> np.uint64(bar & 63)) & _ONE != 0


@njit(cache=True, nogil=True)
def next_bar_nb(words: NDArray[np.uint64], bar: int, stop: int) -> int:
    """The first bar in `[bar, stop)` where the mask is true, `stop` when there is none."""
    if bar >= stop:
        return stop
    index = bar >> 6
    word = words[index] & (_ALL << np.uint64(bar & 63))
    end = (stop + 63) >> 6
    while word == 0:
        index += 1
        if index >= end:
            return stop
        word = words[index]
    return min((index << 6) + ctz_nb(word), stop)
