"""The ridge on a stream is the batch ridge of the docstring, and stays sane where plain least squares would not."""

import numpy as np
import pytest

from strategies.learners.forgetting_ridge import SIZE, learn_nb


def streamed(features, targets, forgetting, ridge):
    inverse, weights, gain = np.eye(SIZE) / ridge, np.zeros(SIZE), np.empty(SIZE)
    for n, (row, target) in enumerate(zip(features, targets, strict=True)):
        learn_nb(inverse, weights, row, target, forgetting, ridge, n, gain)
    return inverse, weights


def batch(features, targets, forgetting, ridge):
    n = len(targets)
    ages = forgetting ** np.arange(n - 1, -1, -1.0)
    restored = [ages[j::SIZE].sum() for j in range(SIZE)]
    kept = ridge * (forgetting**n + SIZE * (1.0 - forgetting) * np.array(restored))
    return np.linalg.inv(np.diag(kept) + (features.T * ages) @ features), (features.T * ages) @ targets


@pytest.mark.parametrize("n", [1, 40, 3_000])
@pytest.mark.parametrize(("forgetting", "ridge"), [(1.0, 1.0), (0.999, 0.1), (0.95, 1.0)])
def test_it_is_the_batch_ridge(n, forgetting, ridge):
    rng = np.random.default_rng(n)
    features = rng.standard_normal((n, SIZE))
    features[:, 3] = features[:, 2]  # of rank 15
    targets = features[:, 0] + rng.standard_normal(n)
    inverse, weights = streamed(features, targets, forgetting, ridge)
    expected, moments = batch(features, targets, forgetting, ridge)
    np.testing.assert_allclose(inverse, expected, rtol=0, atol=1e-9 / ridge)
    np.testing.assert_allclose(weights, expected @ moments, rtol=0, atol=1e-9)
    assert np.array_equal(inverse, inverse.T)


def test_features_that_stand_still_do_not_blow_up():
    inverse, weights = streamed(np.zeros((20_000, SIZE)), np.ones(20_000), 0.95, 1.0)
    assert np.allclose(np.diag(inverse), 1.0, atol=0.6)  # 1 / 0.95^20000 without the pseudo-samples
    assert not weights.any()
    inverse, weights = streamed(np.ones((20_000, SIZE)), np.ones(20_000), 0.95, 1.0)
    assert np.linalg.eigvalsh(inverse).min() > 0.0
    assert 0.9 < weights.sum() < 1.0
