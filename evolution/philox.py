"""Philox with random access: any numbers of any births, without a generator for each.

A stream of fractions of [0, 1) is named by a 128-bit key and three words, index, attempt and part. To the bit it is
`np.random.Generator(np.random.Philox(key=key, counter=part << 192 | attempt << 128 | index << 64)).random()`.

Source: Salmon, Moraes, Dror, Shaw 2011, "Parallel random numbers: as easy as 1, 2, 3" (Philox4x64-10).
"""

from typing import Any, Final

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic
from numpy.typing import NDArray

from strategies.views import frozen

Integers = NDArray[np.int64]

BLOCK: Final = 4  # numbers that one counter gives
_WORD: Final = 2**64 - 1
_FIRST = np.uint64(0xD2E7470EE14C6C93)
_SECOND = np.uint64(0xCA5A826395121157)
_FIRST_STEP = np.uint64(0x9E3779B97F4A7C15)
_SECOND_STEP = np.uint64(0xBB67AE8584CAA73B)
_ELEVEN = np.uint64(11)
_ULP = 1.0 / 9007199254740992.0


def words(key: int) -> NDArray[np.uint64]:
    """Return the lower and the upper word of a 128-bit key, as kernels take it."""
    return frozen(np.array([key & _WORD, key >> 64], dtype=np.uint64), np.uint64)


def uniforms(key: int, n_draws: int, *, indices: Integers, parts: Integers | None = None) -> NDArray[np.float64]:
    """Return the first `n_draws` numbers (n, n_draws) of n streams of one key, with attempt 0.

    `indices` (n,) and `parts` (n,) name the streams; without parts they are part 0.
    """
    out = np.empty((len(indices), -(-n_draws // BLOCK) * BLOCK))
    parts = np.zeros(len(indices), dtype=np.int64) if parts is None else parts
    fill_nb(words(key), frozen(indices, np.int64), frozen(parts, np.int64), out)
    return out[:, :n_draws]


@intrinsic  # type: ignore[untyped-decorator, unused-ignore]
def _high_nb(_typing_context: Any, first: Any, second: Any) -> Any:
    """The upper 64 bits of the product of two uint64: one instruction."""
    if first != types.uint64 or second != types.uint64:
        return None  # numba then says that no definition takes these types

    def codegen(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        wide, narrow = ir.IntType(128), ir.IntType(64)
        product = builder.mul(builder.zext(arguments[0], wide), builder.zext(arguments[1], wide))
        return builder.trunc(builder.lshr(product, ir.Constant(wide, 64)), narrow)

    return types.uint64(types.uint64, types.uint64), codegen


@njit(cache=True, nogil=True, error_model="numpy")
def four_nb(
    key: NDArray[np.uint64], block: int, index: int, attempt: int, part: int
) -> tuple[float, float, float, float]:
    """The numbers `4 * block` to `4 * block + 3` of a stream; counters begin at 1, as NumPy counts before it draws."""
    a, b, c, d = np.uint64(block + 1), np.uint64(index), np.uint64(attempt), np.uint64(part)
    low, high = key[0], key[1]
    for _ in range(10):
        above, below = _high_nb(_FIRST, a), _FIRST * a
        over, under = _high_nb(_SECOND, c), _SECOND * c
        a, b, c, d = over ^ b ^ low, under, above ^ d ^ high, below
        low, high = low + _FIRST_STEP, high + _SECOND_STEP
    return (
        np.int64(a >> _ELEVEN) * _ULP,
        np.int64(b >> _ELEVEN) * _ULP,
        np.int64(c >> _ELEVEN) * _ULP,
        np.int64(d >> _ELEVEN) * _ULP,
    )


@njit(cache=True, nogil=True, error_model="numpy")
def fill_nb(key: NDArray[np.uint64], indices: Integers, parts: Integers, out: NDArray[np.float64]) -> None:
    """Fill `out` (n, a multiple of 4) with the first numbers of streams with attempt 0."""
    for row in range(out.shape[0]):
        for block in range(out.shape[1] // BLOCK):
            four = four_nb(key, block, indices[row], 0, parts[row])
            for at in range(BLOCK):
                out[row, BLOCK * block + at] = four[at]
