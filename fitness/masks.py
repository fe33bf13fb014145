"""Truth per bar, packed: what a condition says at each bar, and how conditions combine, 64 bars a word.

Bit `t & 63` of word `t >> 6` is bar `t`; bits beyond the last bar are zero, always. A condition compares `x`, the left
column `lag` bars back, with `y`, the right one, times a factor. Where a value that it needs is missing (NaN in the
warm-up, or before the first bar), a condition is false, negated or not. A bit depends on nothing after its bar.

Columns are padded: `LEAD` NaN before the first bar, and NaN after the last one up to a whole word. What lies outside of
the bars is missing like any other value, and every word is compared in the same way, 64 bars at once (compare.py).
`x > y` negated is `x <= y`, which is false on a NaN as well: one comparison. A crossing needs both.
"""

from typing import Final

import numpy as np
from numba import njit
from numpy.typing import NDArray

from fitness.bits import WORD_BITS, n_words
from fitness.compare import above_word_nb, at_least_word_nb, at_most_word_nb, below_word_nb

Float64 = NDArray[np.float64]
Words = NDArray[np.uint64]

ABOVE: Final = 0
BELOW: Final = 1
CROSSES_ABOVE: Final = 2
CROSSES_BELOW: Final = 3

LEAD: Final = 32
"""NaN before the first bar of a padded column: the largest lag that can be read."""

_ONE = np.uint64(1)
_ZERO = np.uint64(0)
_ALL = np.uint64(0xFFFF_FFFF_FFFF_FFFF)
_TOP = np.uint64(63)
_jit = njit(cache=True, nogil=True, error_model="numpy", _nrt=False)


def padded_size(n_bars: int) -> int:
    """Places of a padded column of `n_bars` bars.

    >>> padded_size(1), padded_size(64), padded_size(65)
    (96, 96, 160)
    """
    return LEAD + n_words(n_bars) * WORD_BITS


def pad(column: Float64, out: Float64) -> None:
    """Write a column `(n_bars,)` to `out (padded_size,)`."""
    out[:LEAD] = np.nan
    out[LEAD : LEAD + column.size] = column
    out[LEAD + column.size :] = np.nan


@_jit
def condition_nb(
    x: Float64, i: int, y: Float64, j: int, step: int, factor: float, comparator: int, negate: bool,
    n_bars: int, first: int, stop: int, out: Words,
) -> None:  # fmt: skip
    """Fill the words `first` to `stop` of `out (n_words,)` with the truth of `x comparator factor*y`.

    Args:
        x: a padded column.
        i: place of what bar 0 reads of `x`: `LEAD` less the lag.
        y: a padded column, or 64 times the same number.
        j: place of what bar 0 reads of `y`.
        step: places that `y` moves on with each word: 64, or 0 for a constant.
        factor: what `y` is multiplied by.
        comparator: `ABOVE` to `CROSSES_BELOW`.
        negate: whether the truth is turned round where it is known.
        n_bars: bars of the shard.
        first: the first word that is filled.
        stop: the first after it that is not.
        out: filled; its other words are left as they are.
    """
    if comparator >= CROSSES_ABOVE:
        _crossing_nb(x, i, y, j, step, factor, comparator == CROSSES_BELOW, negate, first, stop, out)
    elif comparator == ABOVE and not negate:
        for word in range(first, stop):
            out[word] = above_word_nb(x, i + word * 64, y, j + word * step, factor)
    elif comparator == ABOVE:
        for word in range(first, stop):
            out[word] = at_most_word_nb(x, i + word * 64, y, j + word * step, factor)
    elif not negate:
        for word in range(first, stop):
            out[word] = below_word_nb(x, i + word * 64, y, j + word * step, factor)
    else:
        for word in range(first, stop):
            out[word] = at_least_word_nb(x, i + word * 64, y, j + word * step, factor)
    if first < stop == out.size:
        out[stop - 1] &= _ALL >> np.uint64(-n_bars & 63)  # a lag reads what is there beyond the last bar


@_jit
def _crossing_nb(
    x: Float64, i: int, y: Float64, j: int, step: int, factor: float, down: bool, negate: bool,
    first: int, stop: int, out: Words,
) -> None:  # fmt: skip
    """True where `x` is beyond `y` now and was on the other side, or equal, at the bar before."""
    carry_rest = _ZERO
    carry_known = _ZERO
    for word in range(max(first - 1, 0), stop):
        at, other = i + word * 64, j + word * step
        if down:
            beyond = below_word_nb(x, at, y, other, factor)
            rest = at_least_word_nb(x, at, y, other, factor)
        else:
            beyond = above_word_nb(x, at, y, other, factor)
            rest = at_most_word_nb(x, at, y, other, factor)
        truth = beyond & ((rest << _ONE) | carry_rest)
        if negate:
            known = beyond | rest  # both sides are there
            truth = known & ((known << _ONE) | carry_known) & ~truth
            carry_known = known >> _TOP
        carry_rest = rest >> _TOP
        if word >= first:
            out[word] = truth


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
