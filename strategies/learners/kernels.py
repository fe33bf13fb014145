"""Algorithm -> its compiled learner; each is imported when it is first asked for.

A kernel is `kernel(x, y, horizon, p0, p1, out)`, compiled, and allocates before its loop only:

x: `(n_bars, k)` C-contiguous float64, k of 1 to 4, causally standardised, within +-5. A row with a NaN is missing: it
    is not predicted from and never learnt from. Algorithms without features get the standardised return of each bar.
y: `(n_bars,)` the target of each bar, within +-5, NaN where there is none. Those that classify learn from its sign and
    pass over 0; the others from its value.
horizon: bars until a label is known.
p0, p1: the hyper-parameters in the order of the table, 0 where there are fewer.
out: `(n_bars,)` is written: the probability that y is above 0 for those that classify, else the expected y; NaN where
    the row is missing.

At each bar t it FIRST predicts from x[t] with what it learnt so far, THEN learns from (x[t - horizon], y[t - horizon]).
"""

import functools
from collections.abc import Callable, Mapping
from importlib import import_module
from types import MappingProxyType
from typing import Final

import numpy as np
from numpy.typing import NDArray

Float64 = NDArray[np.float64]
Kernel = Callable[[Float64, Float64, int, float, float, Float64], None]

KERNELS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "logistic": "linear_learners.logistic_nb",
        "linear": "linear_learners.linear_nb",
        "passive_aggressive": "linear_learners.passive_aggressive_nb",
        "ftrl": "linear_learners.ftrl_nb",
        "recursive_least_squares": "least_squares.recursive_least_squares_nb",
        "kalman_trend": "kalman_trend.kalman_trend_nb",
        "naive_bayes": "naive_bayes.naive_bayes_nb",
        "nearest_neighbours": "nearest_neighbours.nearest_neighbours_nb",
        "stumps": "stumps.stumps_nb",
        "fourier_ridge": "fourier_ridge.fourier_ridge_nb",
        "perceptron": "perceptron.perceptron_nb",
        "echo_state": "echo_state.echo_state_nb",
        "hedge": "hedge.hedge",
    }
)
"""Algorithm -> "module.function" within this package."""


@functools.cache
def kernel(algorithm: str) -> Kernel:
    """The learner of that name."""
    module, function = KERNELS[algorithm].split(".")
    found: Kernel = getattr(import_module(f"strategies.learners.{module}"), function)
    return found
