"""The features' products are near a Gaussian kernel; the prediction is the batch ridge's on the same features."""

import importlib

import numpy as np
import pytest

from strategies.learners import fourier_ridge as module
from strategies.learners.forgetting_ridge import SIZE
from strategies.learners.fourier_ridge import features_nb, fourier_ridge_nb


def features(x, bandwidth):
    """By NumPy: the cosines, then the sines."""
    angles = x @ module.FREQUENCIES[: x.shape[1]] / bandwidth
    return np.hstack([np.cos(angles), np.sin(angles)]) / np.sqrt(SIZE / 2)


def batch(x, y, horizon, bandwidth, forgetting, bar):
    """The ridge on all samples known before a bar, with the ridge that `forgetting_ridge` states."""
    known = [s for s in range(bar - horizon) if not np.isnan(x[s]).any() and not np.isnan(y[s])]
    rows, targets, n = features(x[known], bandwidth), np.clip(y[known], -5.0, 5.0), len(known)
    ages = forgetting ** np.arange(n - 1, -1, -1.0)
    ridge = forgetting**n + SIZE * (1.0 - forgetting) * np.array([ages[j::SIZE].sum() for j in range(SIZE)])
    weights = np.linalg.solve(np.diag(ridge * module.RIDGE) + (rows.T * ages) @ rows, (rows.T * ages) @ targets)
    return (features(x[bar : bar + 1], bandwidth) @ weights)[0]


@pytest.mark.parametrize(
    ("bandwidth", "forgetting", "horizon", "k"), [(1.0, 1.0, 1, 4), (2.0, 0.99, 5, 2), (0.1, 0.95, 20, 1)]
)
def test_it_is_the_batch_ridge(run, stream, bandwidth, forgetting, horizon, k):
    x, y = stream(n=1_200, k=k, signal=lambda x: np.sin(x[:, 0]), noise=2.0)
    x[100:103, 0], y[50] = np.nan, np.nan
    out = run(fourier_ridge_nb, x, y, horizon, bandwidth, forgetting)
    for bar in (horizon + 1, horizon + 2, 120, 700, 1_199):
        assert out[bar] == pytest.approx(batch(x, y, horizon, bandwidth, forgetting, bar), abs=1e-9)


def test_without_forgetting_it_is_scikit_learns_ridge(run, stream):
    linear_model = importlib.import_module("sklearn.linear_model")
    x, y = stream(n=600, k=3, signal=lambda x: x[:, 0] * x[:, 1])
    out = run(fourier_ridge_nb, x, y, 5, 1.0, 1.0)
    model = linear_model.Ridge(alpha=module.RIDGE, fit_intercept=False, tol=1e-12)
    model.fit(features(x[:594], 1.0), np.clip(y[:594], -5.0, 5.0))
    assert out[599] == pytest.approx(model.predict(features(x[599:], 1.0))[0], abs=1e-9)


@pytest.mark.parametrize("k", [1, 2, 3, 4])
@pytest.mark.parametrize("bandwidth", [0.5, 1.0, 2.0, 4.0])
def test_products_are_near_the_gaussian_kernel(k, bandwidth):
    rng = np.random.default_rng(k)
    rows, found = rng.standard_normal((200, k)), np.empty((200, SIZE))
    for bar in range(200):
        features_nb(rows, bar, bandwidth, found[bar])
    np.testing.assert_allclose(found, features(rows, bandwidth), rtol=0, atol=1e-14)
    kernel = np.exp(-((rows[:, None] - rows[None]) ** 2).sum(axis=2) / (2.0 * bandwidth**2))
    assert np.sqrt(np.mean((found @ found.T - kernel) ** 2)) < 0.25  # of 8 frequencies, at worst
    assert np.sqrt(np.mean((found @ found.T - kernel) ** 2)) < 0.11 or bandwidth < 4.0
    assert np.allclose((found**2).sum(axis=1), 1.0)


def test_laws(assert_laws):
    assert_laws(fourier_ridge_nb, 1.0, 0.995)


def test_a_wave_is_learnt_and_noise_is_not(run, stream):
    x, y = stream(n=2_500, k=1, signal=lambda x: np.sin(3.0 * x[:, 0]), noise=0.5)
    out = run(fourier_ridge_nb, x, y, 5, 0.5, 0.998)[500:]
    assert np.corrcoef(out, y[500:])[0, 1] > 0.75  # 0.82 knowing the wave
    x, y = stream(n=2_500)
    out = run(fourier_ridge_nb, x, y, 5, 1.0, 0.998)[500:]
    assert abs(np.corrcoef(out, y[500:])[0, 1]) < 0.06
    assert np.mean((out - y[500:]) ** 2) < 1.06 * np.mean(y[500:] ** 2)


def test_features_that_stand_still_and_extremes_stay_finite(run):
    x, y = np.zeros((5_000, 4)), np.ones(5_000)
    x[2_500:] = np.where(np.arange(2_500) % 2, 5.0, -5.0)[:, None]
    for forgetting in (0.95, 1.0):
        assert np.abs(run(fourier_ridge_nb, x, y, 1, 0.1, forgetting)).max() < 5.0
