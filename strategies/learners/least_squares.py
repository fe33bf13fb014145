"""Recursive least squares: ridge regression with forgetting, solved anew at every sample in k^2 steps.

The inverse covariance P stays symmetric, as one half of it is computed and mirrored, and bounded: with forgetting it
grows without end in directions in which nothing happens (a feature that stands still), until it drowns the rest. A
diagonal element above its cap is brought back to it, its row and column with it, which leaves the others as they are.
"""

import math
from typing import Final

import numpy as np
from numba import njit
from numpy.typing import NDArray

from strategies.learners.rows import matured_nb
from strategies.numba_start import load_numba

load_numba()

Float64 = NDArray[np.float64]

CAP: Final = 100.0
"""How far an element of P's diagonal may rise above where it began; its trace is below (k + 1) CAP / ridge."""

_jit = njit(cache=True, nogil=True, error_model="numpy")


@_jit
def recursive_least_squares_nb(
    x: Float64, y: Float64, horizon: int, forgetting: float, ridge: float, out: Float64
) -> None:
    """Ridge regression on the samples so far, the older the lighter.

    After n samples w and b minimise sum_i forgetting^(n - i) (y_i - w.x_i - b)^2 + forgetting^n ridge (|w|^2 + b^2).
    Follows the contract of `kernels`.

    Source: Haykin, Adaptive Filter Theory, 4th edition, table 9.1, with P(0) = I / ridge.
    """
    n_features = x.shape[1]
    size = n_features + 1
    weights, row, along = np.zeros(size), np.ones(size), np.zeros(size)
    inverse = np.eye(size) / ridge
    for bar in range(y.size):
        predicted = weights[n_features]
        for j in range(n_features):
            predicted += weights[j] * x[bar, j]
        out[bar] = predicted
        sample = matured_nb(x, y, bar, horizon)
        if sample < 0:
            continue
        error = y[sample] - weights[n_features]
        for j in range(n_features):
            row[j] = x[sample, j]
            error -= weights[j] * row[j]
        learn_nb(weights, inverse, row, error, forgetting, CAP / ridge, along)


@_jit
def learn_nb(
    weights: Float64, inverse: Float64, row: Float64, error: float, forgetting: float, cap: float, along: Float64
) -> None:
    """One sample into `weights` `(size,)` and `inverse` `(size, size)`; `along` `(size,)` is scratch space."""
    size = weights.size
    scale = forgetting
    for i in range(size):
        along[i] = 0.0
        for j in range(size):
            along[i] += inverse[i, j] * row[j]
        scale += row[i] * along[i]
    if not scale > 0.0:  # rounding made P useless: begin anew from the cap, and keep what was learnt
        inverse[:, :] = np.eye(size) * cap
        return
    for i in range(size):
        weights[i] += along[i] / scale * error
        for j in range(i + 1):
            inverse[i, j] = (inverse[i, j] - along[i] * along[j] / scale) / forgetting
            inverse[j, i] = inverse[i, j]
    for i in range(size):
        if inverse[i, i] > cap:
            shrink = math.sqrt(cap / inverse[i, i])
            for j in range(size):
                inverse[i, j] *= shrink
                inverse[j, i] = inverse[i, j]
            inverse[i, i] = cap
