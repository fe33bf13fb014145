"""Hedge: an expert made of experts, each weighted by how well it did.

The experts learn from the same features at their default hyper-parameters. Each predicts a probability; its loss is the
square of what it was wrong by, which is within [0, 1] and least, on average, for the true probability. After each
matured prediction weights are multiplied by exp(-eta loss), then a share is spread evenly, so that who was wrong for
years can come back. Regret against the best expert after T labels that come without delay, share 0 and
eta = sqrt(8 ln N / T): at most sqrt(T ln N / 2).

Source: Freund, Schapire 1997; Cesa-Bianchi, Lugosi 2006, theorem 2.2 (regret); Herbster, Warmuth 1998 (fixed share).
"""

from typing import Final

import numpy as np
from numba import njit
from numpy.typing import NDArray

from strategies.learners.elementary import exp_nb, log_nb
from strategies.learners.kernels import kernel
from strategies.learners.rows import matured_nb
from strategies.learners.table import ALGORITHMS
from strategies.numba_start import load_numba
from strategies.views import frozen

load_numba()

Float64 = NDArray[np.float64]

# Each predicts from the first whole row on: where one is silent, all are.
EXPERTS: Final = ("logistic", "passive_aggressive", "recursive_least_squares", "naive_bayes")

_jit = njit(cache=True, nogil=True, error_model="numpy")


def hedge(x: Float64, y: Float64, horizon: int, eta: float, share: float, out: Float64) -> None:
    """The mean of the experts' probabilities by their weights; follows the contract of `kernels`."""
    mix_nb(expert_probabilities(x, y, horizon), y, horizon, eta, share, out, np.empty((y.size, len(EXPERTS))))


def expert_weights(x: Float64, y: Float64, horizon: int, eta: float, share: float) -> Float64:
    """Weight of each of `EXPERTS` in the prediction at each bar, `(n_bars, n_experts)`; rows sum to 1."""
    weights = np.empty((y.size, len(EXPERTS)))
    mix_nb(expert_probabilities(x, y, horizon), y, horizon, eta, share, np.empty(y.size), weights)
    return weights


def expert_probabilities(x: Float64, y: Float64, horizon: int) -> Float64:
    """What each of `EXPERTS` says at each bar, `(n_bars, n_experts)`, read-only; NaN where a row is missing.

    The expected target z of one that does not classify becomes (1 + z / (1 + |z|)) / 2. None learns from a target
    of 0.
    """
    said = np.empty((len(EXPERTS), y.size))
    sided = frozen(np.where(y == 0.0, np.nan, y), np.float64)
    for column, name in zip(said, EXPERTS, strict=True):
        first, second = (*(each.default for each in ALGORITHMS[name].hyper), 0.0)[:2]
        kernel(name)(x, sided, horizon, first, second, column)
        if not ALGORITHMS[name].classifies:
            column[:] = 0.5 + 0.5 * column / (1.0 + np.abs(column))
    return frozen(said.T, np.float64)


@_jit
def mix_nb(said: Float64, y: Float64, horizon: int, eta: float, share: float, out: Float64, weights: Float64) -> None:
    """Writes the mixture `out` `(n_bars,)` and the `weights` `(n_bars, n_experts)` that made it.

    Weights are kept as logarithms: one that becomes too small for a number still comes back in the right order.
    """
    n_experts = said.shape[1]
    logs = np.full(n_experts, -log_nb(n_experts))
    now = np.full(n_experts, 1.0 / n_experts)
    for bar in range(y.size):
        out[bar] = 0.0
        for i in range(n_experts):
            weights[bar, i] = now[i]
            out[bar] += now[i] * said[bar, i]
        if out[bar] > 1.0:  # by rounding
            out[bar] = 1.0
        sample = matured_nb(said, y, bar, horizon)
        if sample < 0 or y[sample] == 0.0:
            continue
        happened = 1.0 if y[sample] > 0.0 else 0.0
        top = -np.inf
        for i in range(n_experts):
            logs[i] -= eta * (said[sample, i] - happened) ** 2
            top = max(top, logs[i])
        total = 0.0
        for i in range(n_experts):
            total += exp_nb(logs[i] - top)
        for i in range(n_experts):
            logs[i] -= top + log_nb(total)
            now[i] = exp_nb(logs[i])
            if share > 0.0:
                now[i] = (1.0 - share) * now[i] + share / n_experts
                logs[i] = log_nb(now[i])
