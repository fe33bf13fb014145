"""Ridge regression on a stream, a sample at a time, with exponential forgetting that never loses its ridge.

Plain recursive least squares forgets its ridge too and blows up on features that stand still. Here each sample brings a
pseudo-sample of target 0 along one coordinate, in turn, that restores what was forgotten. After n samples, counted from
0, the weights are those of the batch ridge: with L the forgetting and D the size,

    weights = (diag(d) + sum_i L^(n-1-i) f_i f_i')^-1 sum_i L^(n-1-i) f_i y_i
    d_j = ridge (L^n + D (1 - L) sum_{i: i mod D = j} L^(n-1-i)),  which stays near `ridge`.

Source: Haykin, "Adaptive Filter Theory", RLS; Gay 1996, "Dynamically regularized fast RLS" (the pseudo-samples).
"""

import numpy as np
from numba import njit
from numpy.typing import NDArray

from strategies.learners.sixteen import SIZE, add_rows_nb, subtract_nb
from strategies.numba_start import load_numba

load_numba()

_jit = njit(cache=True, nogil=True, error_model="numpy", _nrt=False)


@_jit
def dot_nb(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    """The sum of products of two `(SIZE,)` vectors, in their order."""
    total = 0.0
    for i in range(SIZE):
        total += a[i] * b[i]
    return total


@_jit
def learn_nb(
    inverse: NDArray[np.float64],
    weights: NDArray[np.float64],
    features: NDArray[np.float64],
    target: float,
    forgetting: float,
    ridge: float,
    n_before: int,
    gain: NDArray[np.float64],
) -> None:
    """Learn one sample in place.

    Args:
        inverse: `(SIZE, SIZE)`, to begin with the identity over `ridge`.
        weights: `(SIZE,)`, to begin with 0.
        features: `(SIZE,)`, finite.
        target: finite.
        forgetting: in (0, 1].
        ridge: above 0.
        n_before: samples learnt before this one.
        gain: `(SIZE,)`, room to work in.
    """
    if forgetting < 1.0:
        turn = n_before % SIZE
        for i in range(SIZE):
            gain[i] = inverse[turn, i]
        share = 1.0 / (forgetting / (SIZE * (1.0 - forgetting) * ridge) + gain[turn])
        error = weights[turn] * share
        for i in range(SIZE):
            weights[i] -= gain[i] * error
        subtract_nb(inverse, gain, share, 1.0 / forgetting)
    for i in range(SIZE):
        gain[i] = 0.0
    add_rows_nb(inverse, SIZE, features, gain)  # a symmetric matrix stays so to the bit
    share = 1.0 / (1.0 + dot_nb(features, gain))
    error = (target - dot_nb(features, weights)) * share
    for i in range(SIZE):
        weights[i] += gain[i] * error
    subtract_nb(inverse, gain, share, 1.0)
