"""Correlations against NumPy and closed forms; what is redundant against the definition of it."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fitness.correlation import KEPT, LEAST_BARS, correlation, pair_nb, redundant
from strategies.errors import UsageError

seeds = st.integers(0, 2**32 - 1)


def some_returns(seed, n, n_bars, *, gaps=0.0):
    """Returns that share a market, with bars that some do not have."""
    rng = np.random.default_rng(seed)
    market = rng.normal(0.0, 0.01, n_bars)
    returns = rng.uniform(-1.0, 2.0, (n, 1)) * market + rng.normal(0.001, 0.01, (n, n_bars))
    returns[rng.random(returns.shape) < 0.3] = 0.0
    returns[rng.random(returns.shape) < gaps] = np.nan
    return returns


@settings(max_examples=30, deadline=None)
@given(seeds, st.integers(1, 6), st.integers(LEAST_BARS, 200))
def test_it_equals_numpy_where_all_have_all_bars(seed, n, n_bars):
    returns = some_returns(seed, n, n_bars)
    np.testing.assert_allclose(correlation(returns), np.corrcoef(returns).reshape(n, n), rtol=1e-9, atol=1e-12)


@settings(max_examples=30, deadline=None)
@given(seeds, st.integers(15, 90), st.sampled_from([0.2, 0.5, 0.9]))
def test_a_pair_is_compared_on_the_bars_that_both_have(seed, n_bars, gaps):
    returns = some_returns(seed, 4, n_bars, gaps=gaps)
    found = correlation(returns)
    for i, left in enumerate(returns):
        for j, right in enumerate(returns):
            both = np.isfinite(left) & np.isfinite(right)
            if both.sum() < LEAST_BARS:
                assert np.isnan(found[i, j])
            else:
                assert found[i, j] == pytest.approx(np.corrcoef(left[both], right[both])[0, 1], rel=1e-9, abs=1e-12)


@settings(max_examples=30, deadline=None)
@given(seeds)
def test_compiled_and_plain_are_equal_to_the_last_bit(seed):
    left, right = some_returns(seed, 2, 60, gaps=0.2)
    assert pair_nb(left, right) == pair_nb.py_func(left, right)


@settings(max_examples=30, deadline=None)
@given(seeds, st.sampled_from([0.25, 1.0, 64.0]))
def test_it_is_symmetric_and_size_does_not_matter(seed, size):
    returns = some_returns(seed, 5, 100, gaps=0.1)
    found = correlation(returns)
    assert (np.abs(found) <= 1.0).all()
    np.testing.assert_array_equal(found, found.T)
    np.testing.assert_allclose(np.diag(found), 1.0, rtol=1e-15)
    np.testing.assert_array_equal(correlation(returns * size), found)
    np.testing.assert_array_equal(correlation(-returns), found)


def test_opposites_and_waves_in_closed_form():
    t = np.arange(400)
    wave, shifted = np.sin(2 * np.pi * t / 40), np.sin(2 * np.pi * t / 40 + np.pi / 3)
    found = correlation(0.01 * np.array([wave, -wave, shifted]) + 0.002)
    np.testing.assert_allclose(found[0], [1.0, -1.0, 0.5], atol=1e-12)


@pytest.mark.parametrize("still", [0.0, 0.25, 0.1, -1e-9 / 3.0])
def test_who_never_moves_correlates_with_nobody(still):
    returns = some_returns(1, 3, 50)
    returns[1] = still
    found = correlation(returns)
    assert np.isnan(found[1]).all()
    assert np.isfinite(found[[0, 0, 2], [0, 2, 2]]).all()


def test_inputs_may_be_read_only_and_nobody_is_fine():
    returns = some_returns(2, 3, 50)
    wanted = correlation(returns.copy())
    returns.flags.writeable = False
    np.testing.assert_array_equal(correlation(returns), wanted)
    np.testing.assert_array_equal(correlation(np.asfortranarray(returns)), wanted)
    assert correlation(np.empty((0, 50))).shape == (0, 0)
    assert redundant(np.empty((0, 0)), np.empty(0), 0.7).shape == (0,)


@settings(max_examples=100, deadline=None)
@given(seeds, st.integers(1, 12), st.floats(-0.5, 1.0))
def test_none_that_stay_correlate_and_each_other_has_a_better_one_that_stays(seed, n, limit):
    matrix = correlation(some_returns(seed, n, 60, gaps=0.3))
    scores = np.random.default_rng(seed).integers(0, 5, n).astype(np.float64)
    places = redundant(matrix, scores, limit)
    stays = np.flatnonzero(places == KEPT)
    for one in range(n):
        better = [other for other in stays if (-scores[other], other) < (-scores[one], one)]
        near = [other for other in better if matrix[one, other] > limit]
        assert (places[one] == KEPT) == (not near)
        if near:
            assert places[one] in near
            assert matrix[one, places[one]] == max(matrix[one, other] for other in near)


@settings(max_examples=50, deadline=None)
@given(seeds, st.integers(2, 10))
def test_the_order_in_which_they_are_given_does_not_matter(seed, n):
    rng = np.random.default_rng(seed)
    matrix, scores, order = correlation(some_returns(seed, n, 60)), rng.permutation(n) * 1.0, rng.permutation(n)
    places = redundant(matrix, scores, 0.2)
    shuffled = redundant(matrix[np.ix_(order, order)], scores[order], 0.2)
    for one, place in zip(order, shuffled, strict=True):
        assert places[one] == (order[place] if place != KEPT else KEPT)


def test_by_hand():
    matrix = np.array([[1.0, 0.9, 0.1, np.nan], [0.9, 1.0, 0.95, 0.2], [0.1, 0.95, 1.0, 0.8], [np.nan, 0.2, 0.8, 1.0]])
    assert redundant(matrix, np.array([4.0, 3.0, 2.0, 1.0]), 0.7).tolist() == [KEPT, 0, KEPT, 2]
    assert redundant(matrix, np.array([1.0, 4.0, 2.0, 3.0]), 0.7).tolist() == [1, KEPT, 1, KEPT]
    assert redundant(matrix, np.array([np.nan, 4.0, 4.0, np.nan]), 0.7).tolist() == [1, KEPT, 1, KEPT]
    assert redundant(matrix, np.array([4.0, 3.0, 2.0, 1.0]), 1.0).tolist() == [KEPT] * 4


def test_misuse_is_named():
    with pytest.raises(UsageError, match=r"`returns` must be \(n_strategies, n_bars\), but was \(50,\)"):
        correlation(np.zeros(50))
    with pytest.raises(UsageError, match=r"finite or NaN, but was inf \(strategy 1, bar 2\)"):
        correlation(np.array([[0.0, 0.0, 0.0], [0.0, 0.0, np.inf]]))
    with pytest.raises(UsageError, match=r"but was \(2, 2\) and \(3,\)"):
        redundant(np.eye(2), np.zeros(3), 0.5)
    for limit in (1.1, np.nan):
        with pytest.raises(UsageError, match=r"`limit` must be a correlation in \[-1, 1\], but was"):
            redundant(np.eye(2), np.zeros(2), limit)
