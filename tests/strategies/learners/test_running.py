"""What runs a learner hands its kernel the learner's own horizon and settings, and makes a score of what comes back."""

import numpy as np
import pytest

from strategies.learners.kernels import kernel
from strategies.learners.running import MATURED, learn, n_learnt, samples_of
from strategies.learners.table import ALGORITHMS, N_HYPER, TARGETS
from strategies.probes import walk

N_BARS = 400
BARS = walk(number=6, volatility=0.012, n_bars=N_BARS)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("horizon", [1, 2, 5])
def test_a_score_is_what_the_kernel_says_at_this_horizon(algorithm, horizon):
    entry, target = ALGORITHMS[algorithm], TARGETS[horizon % len(TARGETS)]
    features = np.random.default_rng(horizon).normal(size=(N_BARS, 2)).cumsum(axis=0)
    hyper = tuple(known.grid[0] for known in entry.hyper)
    said = learn(algorithm, target, horizon, hyper, features, BARS)
    samples, raw = samples_of(algorithm, target, horizon, features, BARS), np.empty(N_BARS)
    kernel(algorithm)(samples.x, samples.y, horizon, *(*hyper, 0.0, 0.0)[:N_HYPER], raw)
    score = 2.0 * raw - 1.0 if entry.classifies else raw / (1.0 + np.abs(raw))
    expected = np.where(n_learnt(samples, horizon) >= MATURED, score, np.nan)
    assert np.isfinite(expected).sum() > 200
    assert np.array_equal(said.score, expected, equal_nan=True)
