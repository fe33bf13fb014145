"""What learners see: moments by plain weighted sums, causal, scale-free, and calm where nothing varies."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from strategies.learners.standardising import (
    LIMIT,
    MOMENT_HALF_LIFE,
    VOLATILITY_HALF_LIFE,
    standardised,
    standardised_returns,
    volatility,
)
from strategies.probes import walk

COLUMNS = hnp.arrays(
    np.float64,
    st.tuples(st.integers(0, 60), st.integers(1, 4)),
    elements=st.floats(allow_nan=True, allow_infinity=True, width=64),
)


def plainly(column):
    """One column by weighted sums over the past, computed anew at each bar."""
    out = np.full(column.size, np.nan)
    for bar in range(column.size):
        past = column[: bar + 1][np.isfinite(column[: bar + 1])]
        if np.isfinite(column[bar]):
            weights = 0.5 ** (np.arange(past.size)[::-1] / MOMENT_HALF_LIFE)
            mean = np.average(past, weights=weights)
            spread = np.sqrt(np.average((past - mean) ** 2, weights=weights))
            out[bar] = np.clip((column[bar] - mean) / spread, -LIMIT, LIMIT) if spread > 0.0 else 0.0
    return out


def test_it_is_the_weighted_mean_and_deviation():
    rng = np.random.default_rng(1)
    features = np.column_stack([rng.standard_t(3, 900), 1e6 + rng.normal(size=900).cumsum(), rng.random(900) < 0.01])
    features[::23, 0], features[100:140, 1] = np.nan, np.inf
    found = standardised(features)
    for feature in range(3):
        np.testing.assert_allclose(found[:, feature], plainly(features[:, feature]), rtol=1e-6, atol=1e-8)
    assert np.nanmax(found) == LIMIT


@settings(max_examples=60, deadline=None)
@given(COLUMNS)
def test_whatever_comes_it_is_within_the_limit_or_missing(features):
    found = standardised(features)
    known = np.abs(features) < 1e150
    np.testing.assert_array_equal(np.isnan(found), ~known)
    assert (np.abs(found[known]) <= LIMIT).all()


@settings(max_examples=30, deadline=None)
@given(COLUMNS, st.integers(0, 60))
def test_the_future_moves_nothing(features, bar):
    later = features.copy()
    later[bar:] = 3.0
    assert standardised(later)[:bar].tobytes() == standardised(features)[:bar].tobytes()


@pytest.mark.parametrize("value", [0.0, 0.1, -37.3, 1e12, 1e-300])
def test_a_constant_is_0_even_after_it_varied(value):
    features = np.full((60_000, 1), value)
    assert (standardised(features) == 0.0).all()
    features[:50, 0] += np.random.default_rng(0).normal(size=50) * max(abs(value), 1e-300)
    assert np.abs(standardised(features)[20_000:]).max() < 1e-3


def test_neither_scale_nor_offset_matters():
    features = np.random.default_rng(2).normal(size=(500, 2))
    np.testing.assert_array_equal(standardised(features * 1024.0), standardised(features))
    np.testing.assert_allclose(standardised(features * 7.3 + 11.0), standardised(features), rtol=1e-9, atol=1e-11)
    np.testing.assert_array_equal(standardised(-features), -standardised(features))


def test_volatility_is_the_weighted_root_mean_square():
    close = walk(number=4, volatility=0.02).close
    returns = np.log(close[1:] / close[:-1])
    for bar in (1, 2, 50, 639):
        weights = 0.5 ** (np.arange(bar)[::-1] / VOLATILITY_HALF_LIFE)
        expected = np.sqrt(np.average(returns[:bar] ** 2, weights=weights))
        assert volatility(close)[bar] == pytest.approx(expected, rel=1e-12)
    np.testing.assert_allclose(
        standardised_returns(close)[1:], np.clip(returns / volatility(close)[1:], -LIMIT, LIMIT), rtol=1e-12
    )
    assert np.isnan([volatility(close)[0], standardised_returns(close)[0]]).all()


def test_a_price_that_never_moved_has_no_usual_return():
    close = np.append(np.full(20, 3.0), [3.3, 3.3])
    returns = standardised_returns(close)
    assert np.isnan(returns[:20]).all()
    assert returns[20] == pytest.approx(np.sqrt(np.sum(0.5 ** (np.arange(20) / VOLATILITY_HALF_LIFE))))
    assert returns[21] == 0.0
