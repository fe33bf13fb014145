"""Naive Bayes with forgetting is scikit-learn's with sample weights and the prior as samples."""

import importlib

import numpy as np
import pytest

from strategies.learners.naive_bayes import PRIOR_SAMPLES, naive_bayes_nb


def by_scikit_learn(x, y, horizon, half_life, bar):
    """The probability at a bar: the samples known, weighted by age, and PRIOR_SAMPLES at -1 and 1 of each class."""
    naive_bayes = importlib.import_module("sklearn.naive_bayes")
    known = [s for s in range(max(bar - horizon, 0)) if not np.isnan(x[s]).any() and (y[s] > 0 or y[s] < 0)]
    ages = 0.5 ** (np.arange(len(known) - 1, -1, -1.0) / half_life)
    prior = np.ones((1, x.shape[1]))
    rows = np.vstack([x[known], prior, -prior, prior, -prior])
    labels = np.concatenate([y[known] > 0, [False, False, True, True]])
    weights = np.concatenate([ages, np.full(4, PRIOR_SAMPLES / 2.0)])
    model = naive_bayes.GaussianNB(var_smoothing=0.0).fit(rows, labels, sample_weight=weights)
    return model.predict_proba(x[bar : bar + 1])[0, 1]


@pytest.mark.parametrize(("horizon", "half_life", "k"), [(1, 50.0, 1), (5, 200.0, 4), (20, 800.0, 3)])
def test_it_is_scikit_learns(run, stream, horizon, half_life, k):
    x, y = stream(n=600, k=k, signal=lambda x: np.abs(x[:, 0]) - 0.7, seed=k)
    x[100:103, 0], y[50], y[51:90:3] = np.nan, np.nan, 0.0
    out = run(naive_bayes_nb, x, y, horizon, half_life, 0.0)
    bars = [0, 1, horizon, horizon + 1, horizon + 2, 120, 350, 599]
    found = [by_scikit_learn(x, y, horizon, half_life, bar) for bar in bars]
    np.testing.assert_allclose(out[bars], found, rtol=1e-9)


def test_laws(assert_laws):
    assert_laws(naive_bayes_nb, 200.0, 0.0)


def test_a_difference_in_variance_is_learnt_and_noise_is_not(run, stream):
    x, y = stream(n=3_000, k=3, signal=lambda x: np.abs(x[:, 0]) - 0.7, noise=0.3)
    hits = ((run(naive_bayes_nb, x, y, 5, 400.0, 0.0) > 0.5) == (y > 0))[500:]
    assert hits.mean() > 0.8
    x, y = stream(n=3_000, k=3)
    out = run(naive_bayes_nb, x, y, 5, 400.0, 0.0)[500:]
    assert np.mean((out - (y[500:] > 0)) ** 2) < 0.26  # 0.25 is a coin's


def test_it_turns_with_the_signal(run, stream):
    x, y = stream(n=2_000, k=1, signal=lambda x: 2.0 * x[:, 0])
    y[1_000:] *= -1.0
    hits = (run(naive_bayes_nb, x, y, 5, 50.0, 0.0) > 0.5) == (y > 0)
    assert hits[500:1_000].mean() > 0.75
    assert hits[1_300:].mean() > 0.75


def test_identical_extremes_give_no_infinity(run):
    x = np.full((500, 4), 5.0)
    y = np.where(np.arange(500) % 2, 1.0, -1.0)
    x[1::2] = -5.0
    out = run(naive_bayes_nb, x, y, 1, 50.0, 0.0)
    assert ((out >= 0.0) & (out <= 1.0)).all()
    assert (out[100::2] < 1e-6).all()
    assert (out[101::2] > 1.0 - 1e-6).all()
