"""The network is a plain NumPy one's, forgets where it began, and remembers what a static learner can't."""

import numpy as np
import pytest

from strategies.learners import echo_state as module
from strategies.learners.echo_state import advance_nb, echo_state_nb
from strategies.learners.forgetting_ridge import SIZE

RADII = [0.3, 0.8, 0.99]


def states(x, radius, first=None):
    """The state after each bar, by NumPy."""
    state, found = np.zeros(SIZE) if first is None else first, []
    for row in x:
        if not np.isnan(row).any():
            excitation = radius * state @ module.NETWORK + row @ module.ENTRY[: row.size] + module.BIAS
            state = (1.0 - module.LEAK) * state + module.LEAK * np.tanh(excitation)
        found.append(state)
    return np.array(found)


@pytest.mark.parametrize(
    ("radius", "forgetting", "horizon", "k"), [(0.3, 1.0, 1, 4), (0.8, 0.99, 5, 2), (0.99, 0.95, 20, 1)]
)
def test_it_is_numpys_network_with_a_batch_ridge(run, stream, radius, forgetting, horizon, k):
    x, y = stream(n=900, k=k, signal=lambda x: np.roll(x[:, 0], 1), noise=3.0)
    x[100:103, 0], y[50] = np.nan, np.nan
    out, all_states = run(echo_state_nb, x, y, horizon, radius, forgetting), states(x, radius)
    for bar in (horizon + 1, horizon + 2, 120, 899):
        known = [s for s in range(bar - horizon) if not np.isnan(x[s]).any() and not np.isnan(y[s])]
        rows, n = all_states[known], len(known)
        ages = forgetting ** np.arange(n - 1, -1, -1.0)
        ridge = forgetting**n + SIZE * (1.0 - forgetting) * np.array([ages[j::SIZE].sum() for j in range(SIZE)])
        moments = (rows.T * ages) @ np.clip(y[known], -5.0, 5.0)
        weights = np.linalg.solve(np.diag(ridge * module.RIDGE) + (rows.T * ages) @ rows, moments)
        assert out[bar] == pytest.approx(all_states[bar] @ weights, abs=1e-9)


@pytest.mark.parametrize("radius", RADII)
def test_two_first_states_end_as_one(radius, stream):
    x, _ = stream(n=1_000, k=4)
    rng = np.random.default_rng(2)
    one, other = rng.uniform(-1.0, 1.0, (2, SIZE))
    after = np.empty(SIZE)
    for bar in range(1_000):
        for state in (one, other):
            advance_nb(module.NETWORK * radius, x, bar, state, after)
            state[:] = after
    np.testing.assert_allclose(one, other, rtol=0, atol=1e-9)
    np.testing.assert_allclose(one, states(x, radius)[-1], rtol=0, atol=1e-9)


def test_the_network_has_a_radius_of_one():
    assert np.abs(np.linalg.eigvals(module.NETWORK)).max() == pytest.approx(1.0, abs=1e-12)


def test_laws(assert_laws):
    assert_laws(echo_state_nb, 0.8, 0.995)


def test_what_was_two_bars_ago_is_learnt_and_noise_is_not(run, stream):
    x, y = stream(n=3_000, k=1, noise=0.5)
    y[2:] += x[:-2, 0]
    out = run(echo_state_nb, x, y, 5, 0.8, 0.999)[500:]
    assert np.corrcoef(out, y[500:])[0, 1] > 0.6  # 0.89 knowing it
    x, y = stream(n=3_000)
    out = run(echo_state_nb, x, y, 5, 0.8, 0.999)[500:]
    assert abs(np.corrcoef(out, y[500:])[0, 1]) < 0.06
    assert np.mean((out - y[500:]) ** 2) < 1.05 * np.mean(y[500:] ** 2)


def test_features_that_stand_still_and_extremes_stay_finite(run):
    x, y = np.zeros((5_000, 4)), np.ones(5_000)
    x[2_500:] = np.where(np.arange(2_500) % 2, 5.0, -5.0)[:, None]
    for forgetting in (0.95, 1.0):
        assert np.abs(run(echo_state_nb, x, y, 1, 0.99, forgetting)).max() < 5.0
