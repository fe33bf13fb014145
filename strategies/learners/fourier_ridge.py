"""Ridge regression on random Fourier features: a Gaussian kernel's regression at a fixed cost.

Source: Rahimi, Recht 2007, "Random features for large-scale kernel machines", with the cosine and the sine of each
frequency (Sutherland, Schneider 2015), so that f(a)'f(b) depends on a - b alone and f(a)'f(a) = 1.
"""

from typing import Final

import numpy as np
from numba import njit
from numpy.typing import NDArray

from strategies.learners.elementary_lanes import cos_sin_eight_nb
from strategies.learners.forgetting_ridge import dot_nb, learn_nb
from strategies.learners.rows import Column, Rows, bounded_nb, has_row_nb, matured_nb
from strategies.learners.sixteen import SIZE
from strategies.learners.table import MAX_FEATURES
from strategies.numba_start import load_numba

load_numba()

RIDGE: Final = 1.0
N_FREQUENCIES: Final = SIZE // 2
_TWO_PI: Final = 6.283185307179586
_SCALE: Final = N_FREQUENCIES**-0.5

_jit = njit(cache=True, nogil=True, error_model="numpy")
_helper = njit(cache=True, nogil=True, error_model="numpy", _nrt=False)  # makes no array


def _drawn() -> NDArray[np.float64]:
    """Standard normal numbers `(MAX_FEATURES, N_FREQUENCIES)`, rounded so that no CPU's last bit decides.

    Of the keys from 2007 to 2406, this one's products were nearest to the kernel, for rows of 1 to 4 features.
    """
    rng = np.random.Generator(np.random.Philox(key=2353))
    return np.round(rng.standard_normal((MAX_FEATURES, N_FREQUENCIES)), 9)


FREQUENCIES: Final = _drawn()


@_helper
def features_nb(x: Rows, bar: int, bandwidth: float, features: Column) -> None:
    """Write the features `(SIZE,)` of a row: f(a)'f(b) is about exp(-|a - b|^2 / (2 bandwidth^2))."""
    for i in range(N_FREQUENCIES):
        angle = 0.0
        for j in range(x.shape[1]):
            angle += x[bar, j] * FREQUENCIES[j, i]
        features[i] = angle / (bandwidth * _TWO_PI)
    cos_sin_eight_nb(features, features)
    for i in range(SIZE):
        features[i] *= _SCALE


@_jit
def fourier_ridge_nb(x: Rows, y: Column, horizon: int, p0: float, p1: float, out: Column) -> None:
    """Write the expected target of each bar into `out`: the ridge regression of all targets known, with forgetting.

    There is no constant: far from all that was seen, nothing is expected.

    Args:
        x: `(n_bars, k)` standardised features; a row with a NaN is missing.
        y: `(n_bars,)` targets, clipped to +-5; NaN is skipped. Read from bar `s + horizon` on.
        horizon: bars ahead, at least 1.
        p0: bandwidth of the kernel, in units of x.
        p1: forgetting, in (0, 1].
        out: `(n_bars,)`; 0 before the first sample; NaN where x is missing.
    """
    inverse = np.eye(SIZE) / RIDGE
    weights, gain = np.zeros(SIZE), np.empty(SIZE)
    features = np.empty((horizon + 1, SIZE))  # of the bars whose labels are still to come, and this one
    now, n_learnt = 0, 0
    for bar in range(y.size):
        out[bar] = np.nan
        if has_row_nb(x, bar):
            features_nb(x, bar, p0, features[now])
            out[bar] = dot_nb(weights, features[now])
        now = now + 1 if now < horizon else 0
        known = matured_nb(x, y, bar, horizon)
        if known >= 0:
            learn_nb(inverse, weights, features[now], bounded_nb(y[known]), p1, RIDGE, n_learnt, gain)
            n_learnt += 1
