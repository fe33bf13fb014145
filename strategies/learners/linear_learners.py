"""Linear learners by gradient: logistic and linear regression, passive-aggressive, FTRL-Proximal.

All follow the contract of `kernels`. Weights are `(k + 1,)`, 0 to begin with, the bias last and never shrunk by l2.
"""

import math
from typing import Final

import numpy as np
from numba import njit
from numpy.typing import NDArray

from strategies.learners.elementary import logistic_nb as sigmoid_nb
from strategies.learners.rows import has_row_nb, matured_nb
from strategies.numba_start import load_numba

load_numba()

Float64 = NDArray[np.float64]

FTRL_BETA: Final = 1.0  # as McMahan et al. 2013 advise

_jit = njit(cache=True, nogil=True, error_model="numpy")
_helper = njit(cache=True, nogil=True, error_model="numpy", _nrt=False)  # makes no array


@_jit
def logistic_nb(x: Float64, y: Float64, horizon: int, rate: float, l2: float, out: Float64) -> None:
    """Logistic regression by stochastic gradient descent on the log loss.

    p = sigmoid(w.x + b); w -= rate ((p - [y > 0]) x + l2 w), b -= rate (p - [y > 0]).

    Source: Robbins, Monro 1951; Bottou 2010, table 1.
    """
    n_features = x.shape[1]
    weights = np.zeros(n_features + 1)
    for bar in range(y.size):
        out[bar] = probability_nb(weights, x, bar)
        sample = matured_nb(x, y, bar, horizon)
        if sample < 0 or y[sample] == 0.0:
            continue
        error = probability_nb(weights, x, sample) - (1.0 if y[sample] > 0.0 else 0.0)
        for j in range(n_features):
            weights[j] -= rate * (error * x[sample, j] + l2 * weights[j])
        weights[n_features] -= rate * error


@_jit
def linear_nb(x: Float64, y: Float64, horizon: int, rate: float, l2: float, out: Float64) -> None:
    """Least mean squares whose step can't overshoot, as it is divided by 1 + rate (|x|^2 + 1).

    That is the implicit form of the rule of Widrow and Hoff: the error in the step is the one after it. Features at +-5
    for a while make the plain rule diverge at the higher rates.

    e = w.x + b - y; s = rate / (1 + rate (|x|^2 + 1)); w -= s (e x + l2 w), b -= s e.

    Source: Widrow, Hoff 1960; Toulis, Airoldi 2017, "Asymptotic and finite-sample properties of estimators based on
    stochastic gradients", equation 4.
    """
    n_features = x.shape[1]
    weights = np.zeros(n_features + 1)
    for bar in range(y.size):
        out[bar] = weighted_sum_nb(weights, x, bar)
        sample = matured_nb(x, y, bar, horizon)
        if sample < 0:
            continue
        error = weighted_sum_nb(weights, x, sample) - y[sample]
        step = rate / (1.0 + rate * squared_norm_nb(x, sample))
        for j in range(n_features):
            weights[j] -= step * (error * x[sample, j] + l2 * weights[j])
        weights[n_features] -= step * error


@_jit
def passive_aggressive_nb(
    x: Float64, y: Float64, horizon: int, aggressiveness: float, _unused: float, out: Float64
) -> None:
    """Passive-aggressive classifier, PA-I: the least change that gives the sample a margin of 1, up to a limit.

    The bias is the weight of a feature that is always 1. What is written is sigmoid(margin): a squashing, not a
    calibrated probability; 0.73 at the margin that the learner aims for.

    loss = max(0, 1 - sign(y) (w.x + b)); w += min(aggressiveness, loss / (|x|^2 + 1)) sign(y) x.

    Source: Crammer, Dekel, Keshet, Shalev-Shwartz, Singer 2006, figure 1.
    """
    n_features = x.shape[1]
    weights = np.zeros(n_features + 1)
    for bar in range(y.size):
        out[bar] = probability_nb(weights, x, bar)
        sample = matured_nb(x, y, bar, horizon)
        if sample < 0 or y[sample] == 0.0:
            continue
        side = 1.0 if y[sample] > 0.0 else -1.0
        loss = 1.0 - side * weighted_sum_nb(weights, x, sample)
        if not loss > 0.0:
            continue
        step = side * min(aggressiveness, loss / squared_norm_nb(x, sample))
        for j in range(n_features):
            weights[j] += step * x[sample, j]
        weights[n_features] += step


@_jit
def ftrl_nb(x: Float64, y: Float64, horizon: int, alpha: float, l1: float, out: Float64) -> None:
    """Logistic regression by FTRL-Proximal: a rate for each weight, and weights that are 0 until they earn their place.

    The bias is the weight of a feature that is always 1, with the same l1. beta is 1, lambda_2 is 0.

    Source: McMahan et al. 2013, "Ad click prediction: a view from the trenches", algorithm 1.
    """
    n_features = x.shape[1]
    weights, z, squares = np.zeros(n_features + 1), np.zeros(n_features + 1), np.zeros(n_features + 1)
    for bar in range(y.size):
        out[bar] = probability_nb(weights, x, bar)
        sample = matured_nb(x, y, bar, horizon)
        if sample < 0 or y[sample] == 0.0:
            continue
        error = probability_nb(weights, x, sample) - (1.0 if y[sample] > 0.0 else 0.0)
        for j in range(n_features + 1):
            gradient = error * x[sample, j] if j < n_features else error
            root = math.sqrt(squares[j])
            squares[j] += gradient * gradient
            z[j] += gradient - (math.sqrt(squares[j]) - root) / alpha * weights[j]
            weights[j] = 0.0
            if abs(z[j]) > l1:
                weights[j] = -(z[j] - math.copysign(l1, z[j])) * alpha / (FTRL_BETA + math.sqrt(squares[j]))


@_helper
def probability_nb(weights: Float64, x: Float64, bar: int) -> float:
    """sigmoid(w.x + b) at one row, NaN where a feature is."""
    return sigmoid_nb(weighted_sum_nb(weights, x, bar)) if has_row_nb(x, bar) else np.nan


@_helper
def weighted_sum_nb(weights: Float64, x: Float64, bar: int) -> float:
    """w.x + b at one row, NaN where a feature is."""
    total = float(weights[x.shape[1]])
    for j in range(x.shape[1]):
        total += weights[j] * x[bar, j]
    return total


@_helper
def squared_norm_nb(x: Float64, bar: int) -> float:
    """|x|^2 of one row and the 1 that goes with the bias."""
    total = 1.0
    for j in range(x.shape[1]):
        total += x[bar, j] * x[bar, j]
    return total
