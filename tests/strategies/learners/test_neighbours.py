"""The vote of the nearest neighbours is brute force, and scikit-learn's where nothing is equally far."""

import importlib

import numpy as np
import pytest

from strategies.learners.nearest_neighbours import nearest_neighbours_nb


def brute_force(x, y, horizon, p0, p1):
    """Sort all samples by distance, then by age; rises among the first, by Laplace's rule."""
    found = []
    for bar in range(y.size):
        samples = [s for s in range(max(bar - horizon, 0)) if not np.isnan(x[s]).any() and (y[s] > 0 or y[s] < 0)]
        samples = samples[-int(p0) :]
        distances = [(sum((float(b) - float(a)) ** 2 for a, b in zip(x[bar], x[s], strict=True)), -s) for s in samples]
        nearest = [-s for _, s in sorted(distances)[: int(p1)]]
        rises = sum(y[s] > 0 for s in nearest)
        found.append(np.nan if np.isnan(x[bar]).any() else (rises + 1) / (len(nearest) + 2))
    return np.array(found)


@pytest.mark.parametrize(("p0", "p1", "horizon", "k"), [(30, 25, 1, 4), (100, 9, 5, 1), (33, 1, 20, 2), (3, 3, 1, 3)])
@pytest.mark.parametrize("step", [0.0, 1.0])
def test_it_is_brute_force(run, stream, p0, p1, horizon, k, step):
    x, y = stream(n=300, k=k, seed=p0)
    x = np.round(x / step) * step if step else x  # many are equally far
    x[:, 0] *= np.where(np.arange(300) % 90 < 30, 1e-3, 1.0)  # distances of many sizes
    x[100:103, -1], y[50], y[51:90:3] = np.nan, np.nan, 0.0
    out = run(nearest_neighbours_nb, x, y, horizon, float(p0), float(p1))
    np.testing.assert_array_equal(out, brute_force(x, y, horizon, p0, p1))


def test_it_is_scikit_learns(run, stream):
    neighbors = importlib.import_module("sklearn.neighbors")
    x, y = stream(n=700, k=4)
    out = run(nearest_neighbours_nb, x, y, 5, 300.0, 15.0)
    for bar in range(320, 700, 20):
        known = slice(bar - 305, bar - 5)
        model = neighbors.KNeighborsClassifier(15, algorithm="brute").fit(x[known], y[known] > 0)
        rises = model.predict_proba(x[bar : bar + 1])[0, 1] * 15.0
        assert out[bar] == pytest.approx((rises + 1.0) / 17.0, rel=1e-12)


def test_laws(assert_laws):
    assert_laws(nearest_neighbours_nb, 100.0, 9.0)


def test_a_ring_is_learnt_and_noise_is_not(run, stream):
    x, y = stream(n=2_500, signal=lambda x: (x**2).sum(axis=1) - 1.4, noise=0.3)
    assert ((run(nearest_neighbours_nb, x, y, 5, 500.0, 9.0) > 0.5) == (y > 0))[600:].mean() > 0.85
    x, y = stream(n=2_500)
    assert abs(((run(nearest_neighbours_nb, x, y, 5, 500.0, 9.0) > 0.5) == (y > 0))[600:].mean() - 0.5) < 0.04


def test_equal_rows_vote_by_recency(run):
    y = np.array([1.0] * 20 + [-1.0] * 3 + [np.nan])
    assert run(nearest_neighbours_nb, np.zeros((24, 2)), y, 1, 100.0, 3.0)[-1] == pytest.approx(2 / 5)  # - - of 23
