"""Sets of 128-bit keys as arrays (n, 2) of two words, compiled: what repeats, what is known, where the rest belongs.

Keys are digests, so bisection on their first word is quick and a table by their last bits is even; were they not,
everything here would still be right.
"""

import math
from typing import Any, Final

import numpy as np
from numba import njit
from numpy.typing import NDArray

from strategies.views import frozen

Keys = NDArray[np.uint64]
Runs = tuple[Keys, Keys]
Integers = NDArray[np.int64]

ABSENT: Final = -1


def repeated(keys: Keys) -> NDArray[np.bool_]:
    """Return (n,) whether a key of `keys` (n, 2) stands earlier in them."""
    out = np.zeros(len(keys), dtype=np.bool_)
    repeated_nb(frozen(keys, np.uint64), out)
    return out


def find(ascending: Keys | Runs, keys: Keys) -> Integers:
    """Return for each of `keys` (n, 2) its row in the sorted keys `ascending` (k, 2), or `ABSENT`.

    Of two runs, each sorted, the rows of the second count on from those of the first.
    """
    if isinstance(ascending, tuple):
        first, second = (find(run, keys) for run in ascending)
        return np.where(second == ABSENT, first, len(ascending[0]) + second)
    rows = np.empty(len(keys), dtype=np.int64)
    find_nb(frozen(ascending, np.uint64), frozen(keys, np.uint64), rows)
    return np.maximum(rows, ABSENT)


def newcomers(ascending: Keys, keys: Keys) -> tuple[Integers, Integers]:
    """Return the rows of `keys` (n, 2) that are not in `ascending` (k, 2), and the row before which each belongs.

    In ascending order of their keys; of equal keys only the first row.
    """
    places = np.empty(len(keys), dtype=np.int64)
    find_nb(frozen(ascending, np.uint64), frozen(keys, np.uint64), places)
    rows = np.flatnonzero((places < 0) & ~repeated(keys))
    rows = rows[np.lexsort((keys[rows, 1], keys[rows, 0]))]
    return rows, -2 - places[rows]


def inserted(rows: NDArray[Any], places: Integers, added: NDArray[Any]) -> NDArray[Any]:
    """Return `rows` (k, ...) with each of `added` (n, ...) put before the row of `places` (n,), which ascend.

    Equal to `np.insert(rows, places, added, axis=0)`, at the speed of a copy.
    """
    out = np.empty((len(rows) + len(added), *rows.shape[1:]), dtype=rows.dtype)
    word = np.uint64 if rows.itemsize == 8 else rows.dtype
    old, new = (frozen(frozen(part, rows.dtype).reshape(-1).view(word), word) for part in (rows, added))
    inserted_nb(old, frozen(places, np.int64), new, math.prod(rows.shape[1:]), out.reshape(-1).view(word))
    return out


@njit(cache=True, nogil=True, error_model="numpy")
def repeated_nb(keys: Keys, out: NDArray[np.bool_]) -> None:
    """Mark in `out` (n,), all False, the keys that stood earlier: a table of rows, probed from the first word on."""
    n = keys.shape[0]
    size = 4
    while size < 2 * n:
        size *= 2
    table = np.full(size, -1, dtype=np.int64)
    for row in range(n):
        slot = np.int64(keys[row, 0] & np.uint64(size - 1))
        while table[slot] >= 0:
            earlier = table[slot]
            if keys[earlier, 0] == keys[row, 0] and keys[earlier, 1] == keys[row, 1]:
                out[row] = True
                break
            slot = (slot + 1) & (size - 1)
        if not out[row]:
            table[slot] = row


@njit(cache=True, nogil=True, error_model="numpy")
def find_nb(ascending: Keys, keys: Keys, out: Integers) -> None:
    """Fill `out` (n,) with the row of each of `keys`, or with -2 - row if it is absent and belongs before that row."""
    for row in range(keys.shape[0]):
        first, second = keys[row, 0], keys[row, 1]
        low, high = 0, ascending.shape[0]
        while low < high:
            middle = (low + high) // 2
            word = ascending[middle, 0]
            if word < first or (word == first and ascending[middle, 1] < second):
                low = middle + 1
            else:
                high = middle
        there = low < ascending.shape[0] and ascending[low, 0] == first and ascending[low, 1] == second
        out[row] = low if there else -2 - low


@njit(cache=True, nogil=True, error_model="numpy")
def inserted_nb(rows: NDArray[Any], places: Integers, added: NDArray[Any], width: int, out: NDArray[Any]) -> None:
    """Fill `out` with `rows` and `added`, both of `width` words a row, see `inserted`."""
    source = target = 0
    for row in range(places.shape[0] + 1):
        n_words = (places[row] * width if row < places.shape[0] else rows.shape[0]) - source
        out[target : target + n_words] = rows[source : source + n_words]
        source, target = source + n_words, target + n_words
        if row < places.shape[0]:
            for word in range(width):
                out[target + word] = added[row * width + word]
            target += width
