"""Importance: what matters is found, what does not is not credited."""

from types import SimpleNamespace

import numpy as np
import pytest

from strategies.learners.importance import importance, mean_loss
from strategies.learners.running import MATURED, Samples, predictions, samples_of, warm_up
from strategies.learners.table import ALGORITHMS

WITH_FEATURES = sorted(name for name, entry in ALGORITHMS.items() if entry.uses_features)
INFORMATIVE = 2


def defaults(algorithm: str) -> tuple[float, ...]:
    return tuple(each.default for each in ALGORITHMS[algorithm].hyper)


def planted(seed: int, n_bars: int = 1500):
    """Bars whose next return hangs on the third of four features, and a little on the first."""
    rng = np.random.default_rng(seed)
    features = rng.normal(size=(n_bars, 4))
    returns = 0.01 * (0.9 * features[:, INFORMATIVE] + 0.25 * features[:, 0] + 0.4 * rng.normal(size=n_bars))
    close = 100.0 * np.exp(np.append(0.0, returns[:-1]).cumsum())
    return features, SimpleNamespace(open=close, high=close * 1.001, low=close * 0.999, close=close, volume=close)


@pytest.mark.parametrize("algorithm", WITH_FEATURES)
def test_the_feature_that_matters_is_found(algorithm):
    features, bars = planted(1)
    found = importance(algorithm, "return", 1, defaults(algorithm), features, bars)
    assert found.argmax() == INFORMATIVE
    assert found[INFORMATIVE] > 0.75
    assert found.min() >= 0.0
    assert found.sum() == pytest.approx(1.0)


def test_it_is_the_rise_of_the_loss_without_the_feature():
    features, bars = planted(2, n_bars=600)
    features[::9, 0] = np.nan  # a row with a gap stays one without the feature that has it
    hyper = (0.99, 0.01)
    samples = samples_of("recursive_least_squares", "return", 1, features, bars)
    whole, rises = mean_loss("recursive_least_squares", 1, hyper, samples), []
    for feature in range(4):
        x = samples.x.copy()
        x[~np.isnan(x[:, feature]), feature] = 0.0
        rises.append(mean_loss("recursive_least_squares", 1, hyper, Samples(x, samples.y)) - whole)
    expected = np.maximum(rises, 0.0) / np.maximum(rises, 0.0).sum()
    np.testing.assert_array_equal(importance("recursive_least_squares", "return", 1, hyper, features, bars), expected)


@pytest.mark.parametrize(("algorithm", "classifies"), [("logistic", True), ("linear", False)])
def test_the_loss_is_that_of_matured_predictions_after_the_warm_up(algorithm, classifies):
    features, bars = planted(3, n_bars=300)
    features[100:110, 0] = np.nan
    bars.close[200:215] = bars.close[200]  # targets without a sign
    samples = samples_of(algorithm, "return", 5, features, bars)
    raw = predictions(algorithm, 5, defaults(algorithm), samples)
    losses = []
    assert (samples.y == 0.0).sum() >= 10
    for bar in range(warm_up(algorithm, 5), 300 - 5):
        y = samples.y[bar]
        if not np.isnan(raw[bar]) and not (classifies and y == 0.0):
            losses.append(-np.log(raw[bar] if y > 0.0 else 1.0 - raw[bar]) if classifies else (raw[bar] - y) ** 2)
    assert mean_loss(algorithm, 5, defaults(algorithm), samples) == pytest.approx(np.mean(losses), rel=1e-12)


def test_features_that_never_help_share_nothing():
    features, bars = planted(4, n_bars=500)
    constant = np.ones_like(features)
    assert importance("logistic", "return", 1, (0.01, 0.01), constant, bars).tolist() == [0.0] * 4


def test_a_learner_without_features_gives_them_no_importance():
    features, bars = planted(5, n_bars=200)
    assert importance("kalman_trend", "return", 1, defaults("kalman_trend"), features, bars).tolist() == [0.0] * 4


def test_too_few_bars_give_no_importance():
    features, bars = planted(6, n_bars=MATURED)
    assert importance("logistic", "return", 1, (0.01, 0.01), features, bars).tolist() == [0.0] * 4
