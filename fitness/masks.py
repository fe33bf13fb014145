"""Truth per bar, packed: what a condition says at each bar, and how conditions combine, 64 bars a word.

Bit `t & 63` of word `t >> 6` is bar `t`; bits beyond the last bar are zero, always. A condition compares `x`, the left
column `lag` bars back, with `y`, the right one, times a factor. Where a value that it needs is missing (NaN in the
warm-up, or before the first bar), a condition is false, negated or not. A bit depends on nothing after its bar.

Everything is built from two packed comparisons, `above` and `below or equal` (for `<` and `crosses below`: of the
operands exchanged). Both are false on a NaN, so their union says where both values are there.
"""

from typing import Final

import numpy as np
from numba import njit
from numpy.typing import NDArray

Float64 = NDArray[np.float64]
Words = NDArray[np.uint64]

ABOVE: Final = 0
BELOW: Final = 1
CROSSES_ABOVE: Final = 2
CROSSES_BELOW: Final = 3

_ONE = np.uint64(1)
_ZERO = np.uint64(0)
_ALL = np.uint64(0xFFFFFFFFFFFFFFFF)
_TOP = np.uint64(63)
_jit = njit(cache=True, nogil=True, error_model="numpy")


@_jit
def _word_nb(
    x: Float64, lag_x: int, y: Float64, lag_y: int, factor: float, swap: bool, start: int, stop: int
) -> tuple[np.uint64, np.uint64]:
    """Both comparisons for the bars `start` to `stop` of one word, of which some may lie before the lag."""
    first = (start >> 6) << 6
    above = _ZERO
    rest = _ZERO
    for t in range(max(start, lag_x, lag_y), stop):
        left = x[t - lag_x]
        right = factor * y[t - lag_y]
        if swap:
            left, right = right, left
        above |= np.uint64(left > right) << np.uint64(t - first)
        rest |= np.uint64(left <= right) << np.uint64(t - first)
    return above, rest


@_jit
def _full_word_nb(x: Float64, x0: int, y: Float64, y0: int, factor: float, swap: bool) -> tuple[np.uint64, np.uint64]:
    """Both comparisons for 64 bars that are all there, from places `x0` and `y0` on: loops that vectorise."""
    above = _ZERO
    rest = _ZERO
    if swap:
        for bit in range(64):
            left = factor * y[np.uint64(y0 + bit)]
            right = x[np.uint64(x0 + bit)]
            above |= np.uint64(left > right) << np.uint64(bit)
            rest |= np.uint64(left <= right) << np.uint64(bit)
    else:
        for bit in range(64):
            left = x[np.uint64(x0 + bit)]
            right = factor * y[np.uint64(y0 + bit)]
            above |= np.uint64(left > right) << np.uint64(bit)
            rest |= np.uint64(left <= right) << np.uint64(bit)
    return above, rest


@_jit
def condition_nb(
    x: Float64, lag_x: int, y: Float64, lag_y: int, factor: float, comparator: int, negate: bool, out: Words
) -> None:
    """Fill `out (n_words,)` with the truth of `x comparator factor*y`; columns `(n_bars,)`, lags in bars."""
    n_bars = x.size
    swap = comparator in (BELOW, CROSSES_BELOW)
    crosses = comparator in (CROSSES_ABOVE, CROSSES_BELOW)
    carry_rest = _ZERO
    carry_known = _ZERO
    for word in range(out.size):
        start = word * 64
        stop = min(start + 64, n_bars)
        if start >= max(lag_x, lag_y) and stop == start + 64:
            above, rest = _full_word_nb(x, start - lag_x, y, start - lag_y, factor, swap)
        else:
            above, rest = _word_nb(x, lag_x, y, lag_y, factor, swap, start, stop)
        known = above | rest
        truth = above
        if crosses:  # the bar before must be on the other side, or equal
            truth &= (rest << _ONE) | carry_rest
            carry_rest = rest >> _TOP
            known_before = (known << _ONE) | carry_known
            carry_known = known >> _TOP
            known &= known_before
        out[word] = known & ~truth if negate else truth


@_jit
def at_least_nb(masks: Words, chosen: NDArray[np.int64], needed: int, out: Words) -> None:
    """Fill `out (n_words,)` with the bars where at least `needed` of the chosen masks are set, by bit-sliced counting.

    Args:
        masks: `(n_masks, n_words)`.
        chosen: rows of `masks`, `(n_chosen,)`, at most 7; negative entries are left out.
        needed: 1 to 7; 0 gives no bar at all.
        out: filled.
    """
    for word in range(out.size):
        ones = _ZERO
        twos = _ZERO
        fours = _ZERO
        for slot in range(chosen.size):
            if chosen[slot] >= 0:
                bits = masks[chosen[slot], word]
                carry = ones & bits
                ones ^= bits
                fours |= twos & carry
                twos ^= carry
        more = _ZERO
        equal = _ALL if needed > 0 else _ZERO
        for place in range(3):  # compare the three-bit counts with `needed`, from the top bit down
            count = fours if place == 0 else (twos if place == 1 else ones)
            if (needed >> (2 - place)) & 1:
                equal &= count
            else:
                more |= equal & count
                equal &= ~count
        out[word] = more | equal


@_jit
def combine_nb(masks: Words, chosen: NDArray[np.int64], needed: NDArray[np.int64], out: Words) -> None:
    """Fill `out (n_rules, n_words)`, one rule a row: at least `needed[row]` of the masks `chosen[row]`."""
    for row in range(out.shape[0]):
        at_least_nb(masks, chosen[row], needed[row], out[row])
