"""The trend filter is that of Harvey, in plain matrices and in statsmodels; its scale is a regression."""

import importlib
import math

import numpy as np
import pytest

from strategies.learners import kalman_trend as module
from strategies.learners.kalman_trend import kalman_trend_nb


def slopes(returns, p0, p1):
    """The filtered slope after each bar, by the matrix recursions on the path itself; NaN at missing bars."""
    step = np.array([[1.0, 1.0], [0.0, 1.0]])
    state, spread, path = np.zeros(2), np.diag([1.0, module.FIRST_SLOPE_VARIANCE]), 0.0
    found = []
    for each in returns:
        if math.isnan(each):
            found.append(math.nan)
            continue
        path += each
        state, spread = step @ state, step @ spread @ step.T + np.diag([p0, p1])
        gain = spread[:, 0] / (spread[0, 0] + 1.0)
        state = state + gain * (path - state[0])
        spread = spread - np.outer(gain, spread[0])
        found.append(state[1])
    return np.array(found)


def calibrated(plain, y, horizon):
    """Each prediction times the weighted regression of the labels known before it."""
    found = []
    for bar, each in enumerate(plain):
        known = [s for s in range(bar - horizon) if not math.isnan(plain[s] + y[s])]
        ages = module.CALIBRATION_FORGETTING ** np.arange(len(known) - 1, -1, -1.0)
        scale = 1.0
        if known:
            said, was = plain[known], np.clip(y[known], -5.0, 5.0)
            squares, weight = (ages * said**2).sum(), module.PRIOR_SAMPLES / ages.sum()
            scale = ((ages * said * was).sum() / squares + weight) / (1.0 + weight)
        found.append(each * scale)
    return np.array(found)


@pytest.mark.parametrize("horizon", [1, 8])
@pytest.mark.parametrize(("p0", "p1"), [(0.001, 1e-6), (0.1, 1e-4), (10.0, 1e-2)])
def test_it_is_the_matrix_filter_with_a_regression(run, horizon, p0, p1):
    rng = np.random.default_rng(4)
    returns, y = rng.standard_normal(400) + 0.3, 3.0 * rng.standard_normal(400)
    returns[50:53], y[70] = np.nan, np.nan
    plain = slopes(returns, p0, p1) * math.sqrt(horizon)
    found = run(kalman_trend_nb, returns[:, None], y, horizon, p0, p1)
    np.testing.assert_allclose(found, calibrated(plain, y, horizon), rtol=1e-9, atol=1e-12)


def test_the_slope_is_that_of_statsmodels(run):
    structural = importlib.import_module("statsmodels.tsa.statespace.structural")
    returns = np.random.default_rng(5).standard_normal(300)
    model = structural.UnobservedComponents(np.cumsum(returns), "lltrend")
    # statsmodels predicts the first bar's state; ours is the state of the bar before it.
    p0, p1, first = 0.1, 1e-3, module.FIRST_SLOPE_VARIANCE
    spread = np.array([[1.0 + first + p0, first], [first, first + p1]])
    model.ssm.initialize_known(np.zeros(2), spread)
    model.ssm.tolerance = 0.0  # no shortcut once it hardly changes
    filtered = model.filter([1.0, p0, p1]).filtered_state[1]
    nothing_known = np.full(300, np.nan)
    np.testing.assert_allclose(run(kalman_trend_nb, returns[:, None], nothing_known, 4, p0, p1), filtered * 2.0, 1e-9)


def test_laws(assert_laws):
    assert_laws(kalman_trend_nb, 0.1, 1e-4, k=1)


def test_a_steady_drift_is_found_and_held(run):
    out = run(kalman_trend_nb, np.full((3_000, 1), 0.2), np.full(3_000, np.nan), 4, 0.1, 1e-4)
    assert out[-1] == pytest.approx(0.2 * 2.0, rel=1e-6)


def test_a_turning_trend_is_learnt_and_noise_is_not(run):
    rng = np.random.default_rng(6)
    drift = np.repeat(rng.choice([-0.4, 0.4], 60), 50)
    for signal, low, high in ((drift, 0.2, 0.6), (0.0, -0.06, 0.06)):
        returns = signal + rng.standard_normal(drift.size)
        y = np.full(drift.size, np.nan)
        y[:-5] = np.lib.stride_tricks.sliding_window_view(returns, 5).sum(axis=1)[1:] / math.sqrt(5)
        out = run(kalman_trend_nb, returns[:, None], y, 5, 0.1, 1e-2)
        seen = slice(200, -5)
        assert low < np.corrcoef(out[seen], y[seen])[0, 1] < high
        assert np.mean((y[seen] - out[seen]) ** 2) < np.mean(y[seen] ** 2) * 1.02  # no worse than saying nothing
