"""What `selection` computes, compiled: a strict order by five columns, and crowding distances.

Kernels trust their arguments: arrays of one length, C-contiguous and read-only.
"""

import numpy as np
from numba import njit
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Keys = NDArray[np.uint64]


@njit(cache=True, nogil=True, error_model="numpy")
def order_nb(ranks: Integers, values: Floats, keys: Keys, ids: Integers, out: Integers) -> None:
    """Fill `out` (n,) with the rows in ascending order of rank, value, key (n, 2) and id; no value is NaN.

    A merge sort from runs of one upwards: stable, so rows that are equal in all columns stay in their order.
    """
    n = ranks.shape[0]
    source, target = np.arange(n), np.empty(n, dtype=np.int64)
    width = 1
    while width < n:
        for start in range(0, n, 2 * width):
            middle, stop = min(start + width, n), min(start + 2 * width, n)
            left, right = start, middle
            for at in range(start, stop):
                if left < middle and (
                    right >= stop or not _before_nb(ranks, values, keys, ids, source[right], source[left])
                ):
                    target[at] = source[left]
                    left += 1
                else:
                    target[at] = source[right]
                    right += 1
        source, target = target, source
        width *= 2
    out[:] = source


@njit(cache=True, nogil=True, error_model="numpy")
def _before_nb(ranks: Integers, values: Floats, keys: Keys, ids: Integers, a: int, b: int) -> bool:
    if ranks[a] != ranks[b]:
        return ranks[a] < ranks[b]
    if values[a] != values[b]:
        return values[a] < values[b]
    if keys[a, 0] != keys[b, 0]:
        return keys[a, 0] < keys[b, 0]
    if keys[a, 1] != keys[b, 1]:
        return keys[a, 1] < keys[b, 1]
    return ids[a] < ids[b]


@njit(cache=True, nogil=True, error_model="numpy")
def crowding_nb(objectives: Floats, ranks: Integers, ids: Integers, out: Floats) -> None:
    """Fill `out` (n,), all 0, with the crowding distances of `objectives` (n, m), see `crowding_distances`."""
    n = ranks.shape[0]
    nothing, values, order = np.zeros((n, 2), dtype=np.uint64), np.empty(n), np.empty(n, dtype=np.int64)
    for objective in range(objectives.shape[1]):
        for row in range(n):
            values[row] = objectives[row, objective]
        order_nb(ranks, values, nothing, ids, order)
        start = 0
        while start < n:
            stop = start + 1
            while stop < n and ranks[order[stop]] == ranks[order[start]]:
                stop += 1
            span = values[order[stop - 1]] - values[order[start]]
            if span > 0.0:
                out[order[start]] += np.inf
                out[order[stop - 1]] += np.inf
                for at in range(start + 1, stop - 1):
                    out[order[at]] += (values[order[at + 1]] - values[order[at - 1]]) / span
            start = stop
