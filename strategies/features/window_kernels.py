"""Sums over windows and logarithms, compiled.

A window is added up anew at each bar, oldest value first: so a sum depends on its window alone, to the last bit, and a
NaN goes when its bar does. Neighbouring windows are taken side by side, tile by tile, which the compiler does in
vectors. Kernels trust their arguments: C-contiguous columns `(n_bars,)`, `out` all NaN.
"""

import math
from typing import Final

from numba import njit

from strategies.indicators import Column
from strategies.numba_start import load_numba

load_numba()

_TILE: Final = 1024
_jit = njit(cache=True, nogil=True, error_model="numpy")


@_jit
def window_sums_nb(terms: Column, period: int, out: Column) -> None:
    """Fill `out` from bar `period - 1` on with the sum of the last `period` terms."""
    for start in range(period - 1, terms.size, _TILE):
        stop = min(terms.size, start + _TILE)
        sums = out[start:stop]
        sums[:] = 0.0
        for back in range(period - 1, -1, -1):
            those = terms[start - back : stop - back]
            for place in range(sums.size):
                sums[place] += those[place]


@_jit
def window_squares_nb(terms: Column, centres: Column, period: int, out: Column) -> None:
    """Fill `out` from bar `period - 1` on with the sum of the squares by which the last terms differ from a centre."""
    for start in range(period - 1, terms.size, _TILE):
        stop = min(terms.size, start + _TILE)
        sums, centre = out[start:stop], centres[start:stop]
        sums[:] = 0.0
        for back in range(period - 1, -1, -1):
            those = terms[start - back : stop - back]
            for place in range(sums.size):
                apart = those[place] - centre[place]
                sums[place] += apart * apart


@_jit
def log_ratios_nb(above: Column, below: Column, out: Column) -> None:
    """Fill `out` with the natural logarithm of `above / below`."""
    for bar in range(out.size):
        out[bar] = math.log(above[bar] / below[bar])
