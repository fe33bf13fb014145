"""Gaussian naive Bayes whose moments forget exponentially.

Source: Hastie, Tibshirani, Friedman 2009, "The Elements of Statistical Learning", 6.6.3, with weights 2^(-age / p0). To
each class belong, for ever, PRIOR_SAMPLES samples of mean 0 and variance 1, which is what standardised features are.
"""

import math
from typing import Final

import numpy as np
from numba import njit

from strategies.learners.elementary import exp_nb
from strategies.learners.rows import Column, Rows, has_row_nb, matured_nb
from strategies.numba_start import load_numba

load_numba()

PRIOR_SAMPLES: Final = 10.0
_LN2: Final = 0.6931471805599453

_jit = njit(cache=True, nogil=True, error_model="numpy")


@_jit
def naive_bayes_nb(x: Rows, y: Column, horizon: int, p0: float, p1: float, out: Column) -> None:  # noqa: ARG001
    """Write the probability that the target of each bar is positive into `out`.

    Args:
        x: `(n_bars, k)` standardised features; a row with a NaN is missing.
        y: `(n_bars,)` targets, of which the sign is learnt; 0 and NaN are skipped. Read from bar `s + horizon` on.
        horizon: bars ahead, at least 1.
        p0: half-life in samples.
        p1: not used.
        out: `(n_bars,)`, in [0, 1], 0.5 before the first sample; NaN where x is missing.
    """
    n_features = x.shape[1]
    decay = exp_nb(-_LN2 / p0)
    sums = np.zeros((2, n_features))
    squares = np.zeros((2, n_features))
    lower, upper = 0.0, 0.0  # how many samples of each class, with their weights
    for bar in range(y.size):
        out[bar] = np.nan
        if has_row_nb(x, bar):
            n_lower, n_upper = PRIOR_SAMPLES + lower, PRIOR_SAMPLES + upper
            ratio, exponent = 1.0, 0.0  # ratio of variances; log of the ratio of the densities' exponentials
            for j in range(n_features):
                lower_mean, upper_mean = sums[0, j] / n_lower, sums[1, j] / n_upper
                lower_variance = (PRIOR_SAMPLES + squares[0, j]) / n_lower - lower_mean * lower_mean
                upper_variance = (PRIOR_SAMPLES + squares[1, j]) / n_upper - upper_mean * upper_mean
                below, above = x[bar, j] - lower_mean, x[bar, j] - upper_mean
                ratio *= upper_variance / lower_variance
                exponent += above * above / upper_variance - below * below / lower_variance
            out[bar] = 1.0 / (1.0 + n_lower / n_upper * math.sqrt(ratio) * exp_nb(0.5 * exponent))
        known = matured_nb(x, y, bar, horizon)
        if known < 0 or y[known] == 0.0:
            continue
        for label in range(2):
            for j in range(n_features):
                sums[label, j] *= decay
                squares[label, j] *= decay
        label = 1 if y[known] > 0.0 else 0
        lower, upper = lower * decay + (1 - label), upper * decay + label
        for j in range(n_features):
            sums[label, j] += x[known, j]
            squares[label, j] += x[known, j] * x[known, j]
