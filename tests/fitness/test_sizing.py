"""The inverse of a market's volatility: closed forms, a slow count from the definition, pandas, and laws."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fitness.sizing import LEAST_VOLATILITY, SPAN, WARM_UP, inverse_volatility, inverse_volatility_nb
from strategies.errors import UsageError

seeds = st.integers(0, 2**32 - 1)


def closes(seed, n_bars, scale=0.02):
    """A random walk with a still stretch."""
    moves = np.random.default_rng(seed).normal(0.0, scale, n_bars)
    moves[n_bars // 3 : n_bars // 2] = 0.0
    return 100.0 * np.exp(np.cumsum(moves))


@settings(max_examples=30, deadline=None)
@given(seeds, st.integers(1, 300), st.sampled_from([0.0005, 0.02, 0.3]), st.sampled_from([12.0, 252.0, 525_960.0]))
def test_it_equals_a_weighted_sum_over_all_returns(seed, n_bars, scale, bars_per_year):
    close = closes(seed, n_bars, scale)
    found = inverse_volatility(close, bars_per_year)
    assert np.isnan(found[:WARM_UP]).all()
    returns = close[1:] / close[:-1] - 1.0
    for t in range(WARM_UP, n_bars):
        weights = ((SPAN - 1) / (SPAN + 1)) ** np.arange(t)[::-1]
        volatility = np.sqrt((weights * returns[:t] ** 2).sum() / weights.sum() * bars_per_year)
        assert found[t] == pytest.approx(1.0 / max(volatility, LEAST_VOLATILITY), rel=1e-10)


@settings(max_examples=30, deadline=None)
@given(seeds)
def test_it_equals_pandas(seed):
    close = closes(seed, 300)
    variance = (pd.Series(close).pct_change() ** 2).ewm(span=SPAN, min_periods=WARM_UP).mean().to_numpy()
    np.testing.assert_allclose(inverse_volatility(close, 252.0)[WARM_UP:], 1.0 / np.sqrt(252.0 * variance[WARM_UP:]))


@settings(max_examples=20, deadline=None)
@given(seeds, st.integers(1, 120))
def test_compiled_and_plain_are_equal_to_the_last_bit(seed, n_bars):
    close, plain = closes(seed, n_bars), np.full(n_bars, np.nan)
    inverse_volatility_nb.py_func(close, 252.0, plain)
    np.testing.assert_array_equal(inverse_volatility(close, 252.0), plain)


@settings(max_examples=30, deadline=None)
@given(seeds, st.integers(0, 299))
def test_later_bars_change_nothing_before_them(seed, now):
    close = closes(seed, 300)
    other = close.copy()
    other[now + 1 :] = closes(seed + 1, 300, 0.2)[now + 1 :]
    known, later = inverse_volatility(close, 252.0), inverse_volatility(other, 252.0)
    np.testing.assert_array_equal(known[: now + 1], later[: now + 1])


@settings(max_examples=30, deadline=None)
@given(seeds)
def test_prices_in_another_unit_have_the_same_volatility(seed):
    close = closes(seed, 200)
    np.testing.assert_array_equal(inverse_volatility(close, 252.0), inverse_volatility(close * 8.0, 252.0))


def test_equal_moves_are_their_own_volatility():
    close = 100.0 * np.cumprod(1.0 + np.where(np.arange(200) % 2, 0.02, -0.02))
    np.testing.assert_allclose(inverse_volatility(close, 252.0)[WARM_UP:], 1.0 / (0.02 * np.sqrt(252.0)))


def test_a_market_that_never_moved_has_no_scale_and_a_quiet_one_the_largest():
    still = np.full(600, 7.0)
    assert np.isnan(inverse_volatility(still, 252.0)).all()
    still[5:] = 7.1
    found = inverse_volatility(still, 252.0)
    assert found[WARM_UP] < 100.0
    assert found[-1] == 1.0 / LEAST_VOLATILITY


@pytest.mark.parametrize("n_bars", [0, 1, 2, WARM_UP])
def test_a_shard_shorter_than_the_warm_up_has_no_scale(n_bars):
    found = inverse_volatility(closes(1, n_bars), 252.0)
    assert found.shape == (n_bars,)
    assert np.isnan(found).all()


def test_inputs_may_be_read_only_and_the_result_is():
    close = closes(1, 50)
    wanted = inverse_volatility(close.copy(), 252.0)
    close.flags.writeable = False
    np.testing.assert_array_equal(inverse_volatility(close, 252.0), wanted)
    np.testing.assert_array_equal(inverse_volatility(np.repeat(close, 2)[::2], 252.0), wanted)
    assert not wanted.flags.writeable


@pytest.mark.parametrize("wrong", [0.0, -1.0, np.nan, np.inf])
def test_misuse_is_named(wrong):
    with pytest.raises(UsageError, match="`bars_per_year` must be positive and finite, but was"):
        inverse_volatility(np.ones(30), wrong)
    with pytest.raises(UsageError, match=r"`close` must be \(n_bars,\), but was \(3, 10\)"):
        inverse_volatility(np.ones((3, 10)), 252.0)
