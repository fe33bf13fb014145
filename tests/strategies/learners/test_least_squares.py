"""Recursive least squares is ridge regression on the samples whose labels are known."""

import numpy as np
import pytest

from strategies.learners.kernels import kernel
from strategies.learners.least_squares import CAP, learn_nb
from strategies.learners.table import ALGORITHMS
from strategies.views import frozen

N_BARS, HORIZON = 400, 3
FORGETTING, RIDGE = (each.grid for each in ALGORITHMS["recursive_least_squares"].hyper)


def run(x, y, forgetting: float, ridge: float, horizon: int = HORIZON):
    out = np.empty(len(y))
    kernel("recursive_least_squares")(
        frozen(x, np.float64), frozen(y, np.float64), horizon, float(forgetting), float(ridge), out
    )
    return out


def by_ridge(x, y, forgetting: float, ridge: float, bar: int) -> float:
    """The prediction at one bar by the normal equations of all samples that were learnt before it."""
    known = [i for i in range(bar - HORIZON) if not np.isnan(x[i]).any() and not np.isnan(y[i])]
    rows = np.column_stack([x[known], np.ones(len(known))])
    ages = forgetting ** np.arange(len(known))[::-1]
    prior = ridge * forgetting ** len(known) * np.eye(x.shape[1] + 1)
    weights = np.linalg.solve(rows.T @ (rows * ages[:, None]) + prior, rows.T @ (y[known] * ages))
    return float(np.append(x[bar], 1.0) @ weights)


@pytest.mark.parametrize("forgetting", FORGETTING)
@pytest.mark.parametrize("ridge", RIDGE)
def test_it_is_ridge_regression_with_forgetting(forgetting, ridge):
    rng = np.random.default_rng(2)
    x = np.clip(rng.normal(size=(N_BARS, 3)), -5.0, 5.0)
    y = np.clip(x @ [0.5, 0.0, -0.4] + rng.normal(size=N_BARS), -5.0, 5.0)
    x[rng.random(N_BARS) < 0.1, 0] = y[rng.random(N_BARS) < 0.1] = np.nan
    out = run(x, y, forgetting, ridge)
    np.testing.assert_array_equal(np.isnan(out), np.isnan(x).any(axis=1))
    for bar in [bar for bar in (0, 4, 10, 30, 77, 150, 399) if not np.isnan(out[bar])]:
        assert out[bar] == pytest.approx(by_ridge(x, y, forgetting, ridge, bar), rel=1e-5, abs=1e-8)


@pytest.mark.parametrize("kind", ["constant", "collinear", "one that wakes up", "limit"])
@pytest.mark.parametrize("forgetting", [FORGETTING[0], FORGETTING[3], 1.0])
def test_features_that_say_nothing_do_not_spoil_the_others(kind, forgetting):
    """P stays bounded, and the feature that matters is still followed after thousands of bars."""
    rng = np.random.default_rng(3)
    x = rng.normal(size=(6000, 3))
    y = 0.9 * x[:, 0] + 0.1 * rng.normal(size=6000)
    x[:, 1] = {"constant": 0.0, "collinear": x[:, 0], "one that wakes up": 0.0, "limit": 5.0}[kind]
    if kind == "one that wakes up":
        x[5000:, 1] = rng.normal(size=1000)
    out = run(x, y, forgetting, RIDGE[0], horizon=1)
    assert np.isfinite(out).all()
    assert np.sqrt(np.mean((out - y)[5500:] ** 2)) < 0.13


def test_the_trace_is_bounded_and_symmetry_exact():
    rng = np.random.default_rng(4)
    ridge, weights, along = 0.01, np.zeros(3), np.zeros(3)
    inverse = np.eye(3) / ridge
    for _ in range(3000):
        row = np.array([rng.normal(), 0.0, 1.0])
        learn_nb(weights, inverse, row, row[0] - weights @ row, 0.95, CAP / ridge, along)
        np.testing.assert_array_equal(inverse, inverse.T)
        assert inverse.trace() <= 3 * CAP / ridge
    assert inverse[1, 1] == CAP / ridge
    assert np.linalg.eigvalsh(inverse).min() > 0.0


def test_it_forgets():
    """The rule turns round in the middle: with forgetting the end is learnt, without it nothing is left of either."""
    x = np.random.default_rng(6).normal(size=(2000, 1))
    y = np.where(np.arange(2000) < 1000, 1.0, -1.0) * x[:, 0]
    for forgetting, right in ((0.98, True), (1.0, False)):
        assert (np.abs(run(x, y, forgetting, 0.01) - y)[1900:].max() < 0.01) == right


def test_a_useless_inverse_begins_anew_and_keeps_the_weights():
    weights, along = np.array([1.0, 2.0]), np.zeros(2)
    inverse = -np.eye(2)
    learn_nb(weights, inverse, np.array([1.0, 1.0]), 5.0, 1.0, 7.0, along)
    np.testing.assert_array_equal(weights, [1.0, 2.0])
    np.testing.assert_array_equal(inverse, 7.0 * np.eye(2))
