"""A perceptron with one hidden layer of tanh units, learnt by stochastic gradient descent on the log loss.

Source: Rumelhart, Hinton, Williams 1986, "Learning representations by back-propagating errors"; the gradient's norm is
clipped (Pascanu, Mikolov, Bengio 2013). The first weights are the same for every learner, so a genome is its learner.
"""

import math
from typing import Final

import numpy as np
from numba import njit
from numpy.typing import NDArray

from strategies.learners.elementary import logistic_nb, tanh_nb
from strategies.learners.rows import Column, Rows, has_row_nb, matured_nb
from strategies.learners.table import MAX_FEATURES
from strategies.numba_start import load_numba

load_numba()

MAX_HIDDEN: Final = 8
MAX_NORM: Final = 1.0

_jit = njit(cache=True, nogil=True, error_model="numpy")
_helper = njit(cache=True, nogil=True, error_model="numpy", _nrt=False)  # makes no array


def _drawn() -> NDArray[np.float64]:
    """Uniform numbers in [-1, 1) `(MAX_HIDDEN, MAX_FEATURES)`: a unit's first weights. Its first vote is 0."""
    rng = np.random.Generator(np.random.Philox(key=1986))
    return rng.uniform(-1.0, 1.0, (MAX_HIDDEN, MAX_FEATURES))


FIRST: Final = _drawn()


@_jit
def first_weights_nb(n_features: int, n_hidden: int) -> Column:
    """The weights before learning, in one row: of each unit its k weights, constant and vote; the output's constant."""
    width = n_features + 2
    weights = np.zeros(n_hidden * width + 1)
    for unit in range(n_hidden):
        for j in range(n_features):
            weights[unit * width + j] = FIRST[unit, j]
    return weights


@_helper
def forward_nb(weights: Column, x: Rows, bar: int, hidden: Column) -> float:
    """The probability of a positive target; writes what each unit says into `hidden`."""
    n_features = x.shape[1]
    start, total = 0, weights[weights.size - 1]
    for unit in range(hidden.size):
        excitation = weights[start + n_features]
        for j in range(n_features):
            excitation += weights[start + j] * x[bar, j]
        hidden[unit] = tanh_nb(excitation)
        total += weights[start + n_features + 1] * hidden[unit]
        start += n_features + 2
    return logistic_nb(total)


@_helper
def gradient_nb(weights: Column, x: Rows, bar: int, label: float, hidden: Column, gradient: Column) -> float:
    """Write the gradient of the log loss of one sample, as `weights` are ordered, and return its norm."""
    n_features = x.shape[1]
    error = forward_nb(weights, x, bar, hidden) - label
    start, squares = 0, error * error
    for unit in range(hidden.size):
        vote = start + n_features + 1
        back = error * weights[vote] * (1.0 - hidden[unit] * hidden[unit])
        for j in range(n_features):
            gradient[start + j] = back * x[bar, j]
            squares += gradient[start + j] * gradient[start + j]
        gradient[start + n_features] = back
        gradient[vote] = error * hidden[unit]
        squares += back * back + gradient[vote] * gradient[vote]
        start = vote + 1
    gradient[start] = error
    return math.sqrt(squares)


@_jit
def perceptron_nb(x: Rows, y: Column, horizon: int, p0: float, p1: float, out: Column) -> None:
    """Write the probability that the target of each bar is positive into `out`.

    Args:
        x: `(n_bars, k)` standardised features; a row with a NaN is missing.
        y: `(n_bars,)` targets, of which the sign is learnt; 0 and NaN are skipped. Read from bar `s + horizon` on.
        horizon: bars ahead, at least 1.
        p0: rate of learning.
        p1: hidden units, at most MAX_HIDDEN.
        out: `(n_bars,)`, in [0, 1], 0.5 before the first sample; NaN where x is missing.
    """
    weights = first_weights_nb(x.shape[1], int(p1))
    gradient, hidden = np.empty(weights.size), np.empty(int(p1))
    for bar in range(y.size):
        out[bar] = np.nan
        if has_row_nb(x, bar):
            out[bar] = forward_nb(weights, x, bar, hidden)
        known = matured_nb(x, y, bar, horizon)
        if known < 0 or y[known] == 0.0:
            continue
        norm = gradient_nb(weights, x, known, 1.0 if y[known] > 0.0 else 0.0, hidden, gradient)
        rate = p0 * MAX_NORM / max(norm, MAX_NORM)
        for i in range(weights.size):
            weights[i] -= rate * gradient[i]
