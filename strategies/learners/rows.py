"""Which rows a learner may use: the rule against look-ahead, in one place."""

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

from strategies.numba_start import load_numba

load_numba()

Column = NDArray[np.float64]
"""`(n_bars,)`."""
Rows = NDArray[np.float64]
"""`(n_bars, k)`, C-contiguous."""

TARGET_BOUND = 5.0

# No array is made: without `_nrt` none is counted, which took longer than the looking.
_jit = njit(cache=True, nogil=True, error_model="numpy", _nrt=False)


@_jit
def has_row_nb(x: Rows, bar: int) -> bool:
    """Whether the features of a bar are all there; a NaN among them is a missing row."""
    for column in range(x.shape[1]):  # noqa: SIM110 - compiled
        if math.isnan(x[bar, column]):
            return False
    return True


@_jit
def matured_nb(x: Rows, y: Column, bar: int, horizon: int) -> int:
    """The bar whose label has just become known, `horizon` bars back; -1 where it lacks its label or a feature."""
    known = bar - horizon
    if known < 0 or math.isnan(y[known]) or not has_row_nb(x, known):
        return -1
    return known


@_jit
def bounded_nb(target: float) -> float:
    """A target clipped to +-TARGET_BOUND."""
    return min(max(target, -TARGET_BOUND), TARGET_BOUND)
