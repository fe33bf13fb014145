"""Which features a learner lives by: what it loses without each of them, on the same bars."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from strategies.indicators import Bars
from strategies.learners.running import MATURED, Samples, n_learnt, predictions, samples_of
from strategies.learners.table import ALGORITHMS
from strategies.views import frozen

Float64 = NDArray[np.float64]

_SURE = 1e-9  # a probability of exactly 0 or 1 would cost without end


def importance(
    algorithm: str, target: str, horizon: int, hyper: Sequence[float], features: Float64, bars: Bars
) -> Float64:
    """Leave-one-out importance of each feature: the learner is run again with that one at its mean throughout.

    Arguments as for `running.learn`.

    Returns:
        `(k,)`, what the mean loss of the matured predictions after the warm-up rises by, as a share of the sum of all
        rises: at least 0, sum 1. All 0 where no feature helped, where nothing matured, or where none is used.

    Source: Lei, G'Sell, Rinaldo, Tibshirani, Wasserman 2018, "leave one covariate out".
    """
    samples = samples_of(algorithm, target, horizon, features, bars)
    if not ALGORITHMS[algorithm].uses_features:
        return np.zeros(features.shape[1])
    whole = mean_loss(algorithm, horizon, hyper, samples)
    rises = [
        mean_loss(algorithm, horizon, hyper, _without(samples, feature)) - whole for feature in range(features.shape[1])
    ]
    rises_above = np.maximum(0.0, np.nan_to_num(rises))
    total = float(rises_above.sum())
    return rises_above / total if total > 0.0 else rises_above


def mean_loss(algorithm: str, horizon: int, hyper: Sequence[float], samples: Samples) -> float:
    """Mean loss of the matured predictions after the warm-up: log loss of probabilities, squared error of the others.

    NaN where there is none.
    """
    raw = predictions(algorithm, horizon, hyper, samples)
    counted = ~np.isnan(raw) & ~np.isnan(samples.y) & (n_learnt(samples, horizon) >= MATURED)
    if ALGORITHMS[algorithm].classifies:
        counted &= samples.y != 0.0
        right = np.where(samples.y > 0.0, raw, 1.0 - raw)[counted]
        losses = -np.log(np.clip(right, _SURE, 1.0))
    else:
        losses = (raw - samples.y)[counted] ** 2
    return float(losses.mean()) if losses.size else np.nan


def _without(samples: Samples, feature: int) -> Samples:
    """The samples with one feature at its mean, and missing where it was."""
    x = samples.x.copy()
    x[:, feature] = np.where(np.isnan(x[:, feature]), np.nan, 0.0)
    return Samples(frozen(x, np.float64), samples.y)
