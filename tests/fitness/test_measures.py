"""Every measure against its definition on the series of returns, in closed forms, and where it is undefined."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from fitness import measures
from fitness.measures import MEASURES, measure
from fitness.tally import N_TALLY, Tally, empty_tally

NEEDS_TRADES = {"win_rate", "profit_factor", "expectancy", "worst_trade", "average_holding"}


def tally_of(returns, trades=()):
    """The tally of a series of returns and of trades' profits (fractions of entry equity), each held for three bars."""
    r, shares = np.asarray(returns, dtype=np.float64), np.asarray(trades, dtype=np.float64)
    row = empty_tally()
    equity = np.concatenate([[1.0], np.cumprod(1.0 + r)])
    row[Tally.N_BARS] = len(r)
    for power, column in enumerate((Tally.SUM_R, Tally.SUM_R2, Tally.SUM_R3, Tally.SUM_R4), start=1):
        row[column] = (r**power).sum()
    row[Tally.SUM_DOWN2] = (np.minimum(r, 0.0) ** 2).sum()
    row[Tally.GROWTH] = equity[-1]
    row[Tally.PEAK_GROWTH], row[Tally.TROUGH_GROWTH] = equity.max(), equity.min()
    row[Tally.MAX_DRAWDOWN] = (1.0 - equity / np.maximum.accumulate(equity)).max()
    row[Tally.N_TRADES], row[Tally.N_WINS] = len(shares), (shares > 0.0).sum()
    row[Tally.GROSS_PROFIT], row[Tally.GROSS_LOSS] = shares[shares > 0.0].sum(), -shares[shares <= 0.0].sum()
    row[Tally.WORST_TRADE] = min(0.0, *shares) if len(shares) else 0.0
    row[Tally.BARS_HELD] = 3.0 * len(shares)
    row[Tally.TURNOVER] = 2.0 * len(shares)
    return row


returns = arrays(np.float64, st.integers(3, 60), elements=st.floats(-0.5, 0.5).map(lambda r: round(r, 3)))


@given(returns)
def test_ratios_equal_their_definitions_on_the_series(r):
    row = tally_of(r)
    deviation, downside = r.std(ddof=1), np.sqrt((np.minimum(r, 0.0) ** 2).mean())
    if deviation > 1e-3:
        assert measures.sharpe(row, 252.0) == pytest.approx(r.mean() / deviation * np.sqrt(252.0), rel=1e-9, abs=1e-9)
        assert measures.sharpe_per_bar(row) == pytest.approx(r.mean() / deviation, rel=1e-9, abs=1e-9)
        assert measures.volatility(row, 4.0) == pytest.approx(2.0 * deviation, rel=1e-9)
        centred = (r - r.mean()) / r.std()
        assert measures.skew(row) == pytest.approx((centred**3).mean(), rel=1e-6, abs=1e-6)
        assert measures.kurtosis(row) == pytest.approx((centred**4).mean(), rel=1e-6, abs=1e-6)
    if downside > 0.0:
        assert measures.sortino(row, 252.0) == pytest.approx(r.mean() / downside * np.sqrt(252.0), rel=1e-9, abs=1e-9)


def test_growth_measures_in_closed_form():
    row = tally_of([0.1, -0.5, 0.2, 0.5])  # 1.1, 0.55, 0.66, 0.99
    assert measures.total_return(row) == pytest.approx(-0.01)
    assert measures.cagr(row, 2.0) == pytest.approx(np.sqrt(0.99) - 1.0)
    assert measures.max_drawdown(row) == pytest.approx(0.5)
    assert measures.calmar(row, 4.0) == pytest.approx(-0.02)


def test_a_doubling_in_two_years_is_a_cagr_of_root_two():
    row = empty_tally()
    row[Tally.N_BARS], row[Tally.GROWTH] = 504, 2.0
    assert measures.cagr(row, 252.0) == pytest.approx(np.sqrt(2.0) - 1.0)


def test_ruin_is_a_return_of_minus_one():
    row = empty_tally()
    row[Tally.N_BARS], row[Tally.GROWTH], row[Tally.MAX_DRAWDOWN] = 100, 0.0, 1.0
    assert measures.total_return(row) == measures.cagr(row, 252.0) == measures.calmar(row, 252.0) == -1.0


def test_trade_measures_in_closed_form():
    row = tally_of(np.zeros(20), trades=[0.1, -0.05, 0.2, 0.0, -0.1])
    assert measures.n_trades(row) == 5.0
    assert measures.win_rate(row) == pytest.approx(0.4)
    assert measures.profit_factor(row) == pytest.approx(2.0)
    assert measures.expectancy(row) == pytest.approx(0.03)
    assert measures.worst_trade(row) == pytest.approx(-0.1)
    assert measures.average_holding(row) == 3.0
    assert measures.exposure(row) == pytest.approx(0.75)
    assert measures.turnover(row, 10.0) == pytest.approx(5.0)


def test_a_strategy_that_never_trades_has_no_ratio_and_no_trade_figure():
    row = tally_of(np.zeros(10))
    for name in ("sharpe", "sortino", "calmar", "skew", "kurtosis", *NEEDS_TRADES):
        assert np.isnan(measure(name, row, 252.0)), name
    for name in ("total_return", "cagr", "volatility", "max_drawdown", "exposure", "turnover", "n_trades"):
        assert measure(name, row, 252.0) == 0.0, name


def test_without_a_loss_the_profit_factor_and_sortino_are_undefined_not_infinite():
    row = tally_of([0.1, 0.2, 0.0], trades=[0.1, 0.2])
    assert np.isnan(measures.profit_factor(row))
    assert np.isnan(measures.sortino(row, 252.0))
    assert np.isnan(measures.calmar(row, 252.0))


def test_the_same_return_on_every_bar_has_no_sharpe_ratio():
    for r in (0.01, 0.1, 1e-9, -0.3):
        assert np.isnan(measures.sharpe(tally_of([r] * 1000), 252.0)), r
        assert np.isnan(measures.skew(tally_of([r] * 1000))), r


def test_small_returns_still_have_one():
    r = np.random.default_rng(1).normal(1e-9, 1e-9, 500)
    assert measures.sharpe(tally_of(r), 252.0) == pytest.approx(r.mean() / r.std(ddof=1) * np.sqrt(252.0), rel=1e-9)


def test_one_bar_has_no_deviation():
    assert np.isnan(measures.sharpe(tally_of([0.1]), 252.0))
    assert np.isnan(measures.volatility(tally_of([0.1]), 252.0))


def test_a_window_without_bars_is_undefined_not_an_error():
    row = empty_tally()
    assert np.isnan(measures.sharpe(row, 252.0))
    assert np.isnan(measures.exposure(row))
    assert np.isnan(measures.turnover(row, 252.0))
    assert np.isnan(measures.cagr(row, 252.0))


def test_a_growth_too_steep_to_compound_to_a_year_is_undefined():
    row = empty_tally()
    row[Tally.N_BARS], row[Tally.GROWTH] = 2, 3.0
    assert np.isnan(measures.cagr(row, 98_280.0))


@pytest.mark.parametrize("name", MEASURES)
def test_every_measure_keeps_shape_broadcasts_and_leaves_its_input(name):
    rng = np.random.default_rng(7)
    rows = np.array([[tally_of(rng.normal(0, 0.01, 50), rng.normal(0, 0.05, 9)) for _ in range(3)] for _ in range(2)])
    rows[0, 1] = tally_of(np.zeros(50))
    before = rows.copy()
    bars_per_year = np.array([252.0, 365.0, 98280.0])
    found = measure(name, rows, bars_per_year)
    assert found.shape == (2, 3)
    assert found.dtype == np.float64
    assert not np.isinf(found).any()
    for i in range(2):
        for j in range(3):
            np.testing.assert_array_equal(found[i, j], measure(name, rows[i, j], bars_per_year[j]))
    found[:] = -1.0
    np.testing.assert_array_equal(rows, before)
    assert measure(name, np.empty((0, N_TALLY)), 252.0).shape == (0,)


@pytest.mark.parametrize(("name", "entry"), MEASURES.items())
def test_every_measure_says_how_to_read_it(name, entry):
    assert entry.function.__name__ == name
    assert entry.title
    assert entry.unit in ("", "fraction", "per year", "bars", "trades")
    assert entry.function.__doc__
