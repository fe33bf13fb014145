"""The gradient is that of finite differences; learning is a plain NumPy back-propagation's."""

import numpy as np
import pytest

from strategies.learners import perceptron as module
from strategies.learners.perceptron import first_weights_nb, forward_nb, gradient_nb, perceptron_nb


def unpacked(weights, k):
    """Input weights `(hidden, k)`, their constants, their votes, the output's constant."""
    units = weights[:-1].reshape(-1, k + 2)
    return units[:, :k], units[:, k], units[:, k + 1], weights[-1]


def probability(weights, row):
    inner, constants, votes, constant = unpacked(weights, row.size)
    return 1.0 / (1.0 + np.exp(-(votes @ np.tanh(inner @ row + constants) + constant)))


def log_loss(weights, row, label):
    p = probability(weights, row)
    return -np.log(p if label else 1.0 - p)


@pytest.mark.parametrize(("k", "n_hidden"), [(1, 2), (4, 8), (3, 4)])
def test_the_gradient_is_that_of_finite_differences(k, n_hidden):
    rng = np.random.default_rng(k)
    rows = rng.standard_normal((6, k))
    weights = first_weights_nb(k, n_hidden) + rng.standard_normal(n_hidden * (k + 2) + 1)
    hidden, gradient = np.empty(n_hidden), np.empty(weights.size)
    for bar in range(6):
        label, eye = bar % 2, np.eye(weights.size) * 1e-6
        norm = gradient_nb(weights, rows, bar, float(label), hidden, gradient)
        up, down = (np.array([log_loss(weights + s * e, rows[bar], label) for e in eye]) for s in (1.0, -1.0))
        np.testing.assert_allclose(gradient, (up - down) / 2e-6, rtol=1e-5, atol=1e-8)
        assert norm == pytest.approx(np.linalg.norm(gradient), rel=1e-12)
        assert forward_nb(weights, rows, bar, hidden) == pytest.approx(probability(weights, rows[bar]), rel=1e-12)


def by_numpy(x, y, horizon, rate, n_hidden):
    k, out = x.shape[1], []
    weights = first_weights_nb(k, n_hidden)
    for bar in range(y.size):
        out.append(probability(weights, x[bar]))
        known = bar - horizon
        if known < 0 or np.isnan(x[known]).any() or not (y[known] > 0.0 or y[known] < 0.0):
            continue
        inner, constants, votes, _ = unpacked(weights, k)
        hidden = np.tanh(inner @ x[known] + constants)
        error = probability(weights, x[known]) - (y[known] > 0.0)
        back = error * votes * (1.0 - hidden**2)
        step = np.append(np.column_stack([np.outer(back, x[known]), back, error * hidden]).ravel(), error)
        weights = weights - rate * step / max(np.linalg.norm(step), module.MAX_NORM)
    return np.array(out)


@pytest.mark.parametrize(("horizon", "rate", "n_hidden", "k"), [(1, 0.1, 8, 4), (5, 0.01, 2, 1), (20, 0.001, 4, 3)])
def test_it_is_back_propagation_by_numpy(run, stream, horizon, rate, n_hidden, k):
    x, y = stream(n=800, k=k, signal=lambda x: x[:, 0])
    x[100:103, 0], y[50], y[51:90:3] = np.nan, np.nan, 0.0
    out = run(perceptron_nb, x, y, horizon, rate, float(n_hidden))
    np.testing.assert_allclose(out, by_numpy(x, y, horizon, rate, n_hidden), rtol=1e-9)


def test_laws(assert_laws):
    assert_laws(perceptron_nb, 0.02, 4.0)


def test_a_hump_is_learnt_and_noise_is_not(run, stream):
    x, y = stream(n=6_000, k=2, signal=lambda x: np.abs(x[:, 0]) - 0.7, noise=0.2)
    assert ((run(perceptron_nb, x, y, 5, 0.05, 8.0) > 0.5) == (y > 0))[3_000:].mean() > 0.8
    x, y = stream(n=3_000)
    out = run(perceptron_nb, x, y, 5, 0.01, 4.0)[500:]
    assert np.mean((out - (y[500:] > 0)) ** 2) < 0.26  # 0.25 is a coin's


def test_extremes_stay_in_bounds(run):
    x = np.full((5_000, 4), 5.0)
    x[::2] = -5.0
    out = run(perceptron_nb, x, np.where(np.arange(5_000) // 500 % 2, 5.0, -5.0), 1, 0.1, 8.0)
    assert ((out >= 0.0) & (out <= 1.0)).all()


def test_first_weights_are_fixed_and_say_nothing(run, stream):
    x, y = stream(n=20)
    assert (run(perceptron_nb, x, np.full_like(y, np.nan), 1, 0.1, 8.0) == 0.5).all()
    assert module.FIRST.shape == (8, 4)
    assert np.unique(module.FIRST).size == 32
