"""Truth per bar, packed: what a condition says at each bar, and how conditions combine, 64 bars a word.

Bit `t & 63` of word `t >> 6` is bar `t`; bits beyond the last bar are zero, always. A condition compares `x`, the left
column `lag` bars back, with `y`, the right one or a level. Where a value that it needs is missing (NaN in the warm-up,
or before the first bar), a condition is false, negated or not. A bit depends on nothing after its bar.

A column is kept as a *split row*, made for comparing: the upper halves of its values as ordered integers, then the
lower halves, then a mask of where it has a value (compare.py). Both halves have `LEAD` places before the first bar and
go on to the end of a word, so that every word is compared in the same way, 64 bars at once; what lies there means
nothing, because the mask says so. The lower halves are looked at only where the upper ones are equal.
"""

from typing import Final

import numpy as np
from numba import njit
from numpy.typing import NDArray

from fitness.bits import WORD_BITS, WORDS_PER_LINE, n_words
from fitness.compare import above_word_nb, equal_word_nb, split_word_nb

Float64 = NDArray[np.float64]
Words = NDArray[np.uint64]

ABOVE: Final = 0
BELOW: Final = 1
CROSSES_ABOVE: Final = 2
CROSSES_BELOW: Final = 3

LEAD: Final = 32
"""Places before the first bar of a split row: the largest lag that can be read."""

_ONE = np.uint64(1)
_ZERO = np.uint64(0)
_ALL = np.uint64(0xFFFF_FFFF_FFFF_FFFF)
_TOP = np.uint64(63)
_jit = njit(cache=True, nogil=True, error_model="numpy", _nrt=False)


def split_size(n_bars: int) -> int:
    """Words of the split row of a column `(n_bars,)`, a whole number of cache lines.

    >>> split_size(1), split_size(64 * 7)
    (104, 488)
    """
    n_values = LEAD + n_words(n_bars) * WORD_BITS + 1 + n_words(n_bars)
    return -(-n_values // WORDS_PER_LINE) * WORDS_PER_LINE


@_jit
def half_size_nb(n_bars: int) -> int:
    """Places of each half in the split row of a column `(n_bars,)`."""
    return LEAD + (n_bars + WORD_BITS - 1) // WORD_BITS * WORD_BITS


@_jit
def split_nb(column: Float64, factor: float, tail: Float64, out: Words) -> None:
    """Fill the split row `out (split_size,)` with `factor` times a column `(n_bars,)`; `tail (64,)` is scratch.

    The halves are 32-bit integers, two a word. Behind them is a word of zeros, then the mask of what is no NaN.
    """
    half, n_whole = half_size_nb(column.size), column.size // WORD_BITS
    halves = out.view(np.int32)
    out[half] = _ZERO
    for word in range(n_whole):
        at = LEAD + word * WORD_BITS
        out[half + 1 + word] = split_word_nb(column, word * WORD_BITS, factor, halves, at, half + at)
    if n_whole * WORD_BITS < column.size:
        tail[:] = np.nan
        for bar in range(n_whole * WORD_BITS, column.size):
            tail[bar - n_whole * WORD_BITS] = column[bar]
        at = LEAD + n_whole * WORD_BITS
        out[half + 1 + n_whole] = split_word_nb(tail, 0, factor, halves, at, half + at)


@_jit
def _known_nb(row: Words, place: int, lag: int) -> np.uint64:
    """Where the bars of one word have a value `lag` bars back; `place` is that of the word in the row's mask."""
    return (row[place] << np.uint64(lag)) | ((row[place - 1] >> _ONE) >> np.uint64(63 - lag))


@_jit
def _above_nb(x: NDArray[np.int32], i: int, x_half: int, y: NDArray[np.int32], j: int, y_half: int) -> np.uint64:
    """Where 64 values from place `i` of one split row are above those from place `j` of another."""
    above = above_word_nb(x, i, y, j)
    equal = equal_word_nb(x, i, y, j)
    if equal != _ZERO:
        above |= equal & above_word_nb(x, x_half + i, y, y_half + j)
    return above


@_jit
def condition_nb(
    x: Words, lag_x: int, y: Words, lag_y: int, is_level: bool, unit: Float64, level: float,
    comparator: int, negate: bool, n_bars: int, first: int, stop: int, out: Words,
) -> None:  # fmt: skip
    """Fill the words `first` to `stop` of `out (n_words,)` with the truth of `x comparator y`.

    Args:
        x: a split row.
        lag_x: how many bars back it is read, 0 to `LEAD`.
        y: a split row; for a level, that of 64 bars with the level at each.
        lag_y: as `lag_x`; 0 for a level.
        is_level: whether `y` is a level.
        unit: what the level is counted in at each bar, with NaN up to a whole word; `(0,)` for a plain number. `y` is
            then overwritten.
        level: the level.
        comparator: `ABOVE` to `CROSSES_BELOW`.
        negate: whether the truth is turned round where it is known.
        n_bars: bars of the shard.
        first: the first word that is filled.
        stop: the first after it that is not.
        out: filled; its other words are left as they are.
    """
    x_half = half_size_nb(n_bars)
    y_half, step = (half_size_nb(WORD_BITS), 0) if is_level else (x_half, 1)
    left, right = x.view(np.int32), y.view(np.int32)
    below, crosses = comparator in (BELOW, CROSSES_BELOW), comparator in (CROSSES_ABOVE, CROSSES_BELOW)
    rest_before = known_before = _ZERO  # of the last bar of the word before
    for word in range(max(first - 1, 0) if crosses else first, stop):
        if unit.size > 0:
            y[y_half + 1] = split_word_nb(unit, word * WORD_BITS, level, right, LEAD, y_half + LEAD)
        i, j = LEAD - lag_x + word * WORD_BITS, LEAD - lag_y + step * word * WORD_BITS
        known = _known_nb(x, x_half + 1 + word, lag_x) & _known_nb(y, y_half + 1 + step * word, lag_y)
        if below:
            truth = known & _above_nb(right, j, y_half, left, i, x_half)
        else:
            truth = known & _above_nb(left, i, x_half, right, j, y_half)
        if crosses:  # the bar before must be on the other side, or equal
            rest = known & ~truth
            truth &= (rest << _ONE) | rest_before
            rest_before = rest >> _TOP
            known_there = (known << _ONE) | known_before
            known_before = known >> _TOP
            known &= known_there
        if word >= first:
            out[word] = known & ~truth if negate else truth
    if first < stop == out.size:
        out[stop - 1] &= _ALL >> np.uint64(-n_bars & 63)  # a lag reads what is there beyond the last bar


@_jit
def at_least_nb(
    masks: Words, a: int, b: int, c: int, d: int, n_masks: int, needed: float, first: int, stop: int,
    out: Words,
) -> None:  # fmt: skip
    """Fill the words `first` to `stop` of `out` with the bars where at least `needed` of one to four masks are true.

    Args:
        masks: packed `(n, n_words)`.
        a: row of the first mask.
        b: of the second one; all four are rows of `masks`, those beyond `n_masks` any one of the others.
        c: of the third one.
        d: of the fourth one.
        n_masks: how many there are.
        needed: 1 to `n_masks`; no bar at all otherwise.
        first: the first word that is filled.
        stop: the first after it that is not.
        out: filled; its other words are left as they are.
    """
    if needed == 1.0:
        for word in range(first, stop):
            out[word] = masks[a, word] | masks[b, word] | masks[c, word] | masks[d, word]
    elif needed == n_masks:
        for word in range(first, stop):
            out[word] = masks[a, word] & masks[b, word] & masks[c, word] & masks[d, word]
    elif needed == 2.0 and n_masks == 3:
        for word in range(first, stop):
            out[word] = (masks[a, word] & masks[b, word]) | (masks[c, word] & (masks[a, word] | masks[b, word]))
    elif needed == 2.0 and n_masks == 4:
        for word in range(first, stop):
            across = (masks[a, word] | masks[b, word]) & (masks[c, word] | masks[d, word])
            out[word] = (masks[a, word] & masks[b, word]) | (masks[c, word] & masks[d, word]) | across
    elif needed == 3.0 and n_masks == 4:
        for word in range(first, stop):
            left = masks[a, word] & masks[b, word] & (masks[c, word] | masks[d, word])
            out[word] = left | (masks[c, word] & masks[d, word] & (masks[a, word] | masks[b, word]))
    else:
        out[first:stop] = _ZERO
