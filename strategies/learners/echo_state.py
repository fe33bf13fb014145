"""An echo-state network: a fixed random network remembers the features, a ridge regression reads it out.

Source: Jaeger 2001, "The echo state approach to analysing and training recurrent neural networks"; leaky units,
s = (1 - a) s + a tanh(radius W s + V x + b) with W of spectral radius 1, as in Jaeger, Lukosevicius, Popovici, Siewert
2007, "Optimization and applications of echo state networks with leaky-integrator neurons".
"""

from typing import Final

import numpy as np
from numba import njit
from numpy.typing import NDArray

from strategies.learners.elementary_lanes import tanh_sixteen_nb
from strategies.learners.forgetting_ridge import dot_nb, learn_nb
from strategies.learners.rows import Column, Rows, bounded_nb, has_row_nb, matured_nb
from strategies.learners.sixteen import SIZE, add_rows_nb
from strategies.learners.table import MAX_FEATURES
from strategies.numba_start import load_numba

load_numba()

LEAK: Final = 0.8
RIDGE: Final = 0.1
_DRAWN_RADIUS: Final = 2.4861236471518
"""The spectral radius of the numbers drawn, written down so that no CPU's last bit decides."""

_jit = njit(cache=True, nogil=True, error_model="numpy")
_helper = njit(cache=True, nogil=True, error_model="numpy", _nrt=False)  # makes no array


def _drawn() -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """What is fixed: W `(SIZE, SIZE)`, from row to column; V `(MAX_FEATURES, SIZE)`; b `(SIZE,)`."""
    rng = np.random.Generator(np.random.Philox(key=2001))
    network = rng.uniform(-1.0, 1.0, (SIZE, SIZE)) / _DRAWN_RADIUS
    return network, rng.uniform(-0.25, 0.25, (MAX_FEATURES, SIZE)), rng.uniform(-0.2, 0.2, SIZE)


NETWORK, ENTRY, BIAS = _drawn()


@_helper
def advance_nb(network: Rows, x: Rows, bar: int, state: Column, after: Column) -> None:
    """Write the state after a bar, `(SIZE,)`, from that before it; `network` is W times the radius."""
    for i in range(SIZE):
        after[i] = BIAS[i]
    add_rows_nb(ENTRY, x.shape[1], x[bar], after)
    add_rows_nb(network, SIZE, state, after)
    tanh_sixteen_nb(after, after)
    for i in range(SIZE):
        after[i] = (1.0 - LEAK) * state[i] + LEAK * after[i]


@_jit
def echo_state_nb(x: Rows, y: Column, horizon: int, p0: float, p1: float, out: Column) -> None:
    """Write the expected target of each bar into `out`.

    The state advances with every bar whose row is there, from 0.

    Args:
        x: `(n_bars, k)` standardised features; a row with a NaN is missing.
        y: `(n_bars,)` targets, clipped to +-5; NaN is skipped. Read from bar `s + horizon` on.
        horizon: bars ahead, at least 1.
        p0: spectral radius of the network.
        p1: forgetting of the read-out, in (0, 1].
        out: `(n_bars,)`; 0 before the first sample; NaN where x is missing.
    """
    network = NETWORK * p0
    inverse = np.eye(SIZE) / RIDGE
    weights, gain, state = np.zeros(SIZE), np.empty(SIZE), np.zeros(SIZE)
    states = np.empty((horizon + 1, SIZE))  # of the bars whose labels are still to come, and this one
    now, n_learnt = 0, 0
    for bar in range(y.size):
        out[bar] = np.nan
        if has_row_nb(x, bar):
            advance_nb(network, x, bar, state, states[now])
            for i in range(SIZE):
                state[i] = states[now, i]
            out[bar] = dot_nb(weights, state)
        now = now + 1 if now < horizon else 0
        known = matured_nb(x, y, bar, horizon)
        if known >= 0:
            learn_nb(inverse, weights, states[now], bounded_nb(y[known]), p1, RIDGE, n_learnt, gain)
            n_learnt += 1
