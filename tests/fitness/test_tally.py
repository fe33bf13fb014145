"""Laws of tallies: consecutive windows merge to the whole, in any grouping. And the rows of costs that go in."""

from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fitness.bits import pack
from fitness.costs import N_COSTS, Cost, Costs, risk_row
from fitness.simulation import simulate_one
from fitness.tally import (
    EXIT_REASONS,
    N_TALLY,
    N_TRADE,
    TALLY,
    TRADE,
    ExitReason,
    Tally,
    empty_tally,
    merge,
)
from strategies.errors import ConfigError


def market(seed, n_bars=240, cuts=()):
    """Bars and masks of a strategy that is flat around each of `cuts`."""
    rng = np.random.default_rng(seed)
    close = 100.0 * np.exp(np.cumsum(rng.normal(0.0, 0.02, n_bars)))
    open_ = np.concatenate([[100.0], close[:-1]]) * np.exp(rng.normal(0.0, 0.005, n_bars))
    high, low = np.maximum(open_, close) * 1.01, np.minimum(open_, close) * 0.99
    masks = rng.random((4, n_bars)) < np.array([[0.2], [0.1], [0.1], [0.2]])
    for cut in cuts:
        masks[[0, 2], max(cut - 12, 0) : cut] = False
    return {
        "bars": SimpleNamespace(open=open_, high=high, low=low, close=close),
        "atr": np.full(n_bars, 2.0),
        "masks": pack(masks),
        "risk": risk_row(stop_kind=1, stop=1.5, target_kind=2, target=6.0, time_stop=8, size=0.8),
        "costs": Costs(0.001, 0.0005),
    }


def tally(case, start, stop):
    return simulate_one(**case, window=(start, stop)).tally


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 239))
def test_the_tallies_of_two_windows_merge_to_that_of_the_whole(seed, cut):
    case = market(seed, cuts=[cut])
    merged = merge(tally(case, 0, cut), tally(case, cut, 240))
    np.testing.assert_allclose(merged, tally(case, 0, 240), rtol=1e-9, atol=1e-14)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 80), st.integers(1, 80))
def test_merging_is_associative(seed, first, second):
    case = market(seed)
    a, b, c = tally(case, 0, first), tally(case, first, first + second), tally(case, first + second, 240)
    np.testing.assert_allclose(merge(merge(a, b), c), merge(a, merge(b, c)), rtol=1e-12, atol=1e-15)


def test_the_empty_tally_is_neutral_on_both_sides():
    row = tally(market(1), 0, 240)
    np.testing.assert_array_equal(merge(empty_tally(), row), row)
    np.testing.assert_array_equal(merge(row, empty_tally()), row)


def test_a_drawdown_over_the_boundary_is_seen():
    first, second = empty_tally(), empty_tally()
    first[[Tally.GROWTH, Tally.PEAK_GROWTH, Tally.MAX_DRAWDOWN]] = 1.2, 1.5, 0.2
    second[[Tally.GROWTH, Tally.PEAK_GROWTH, Tally.TROUGH_GROWTH, Tally.MAX_DRAWDOWN]] = 1.0, 1.1, 0.5, 0.5
    whole = merge(first, second)
    assert whole[Tally.MAX_DRAWDOWN] == pytest.approx(1.0 - 1.2 * 0.5 / 1.5)
    assert whole[Tally.GROWTH] == pytest.approx(1.2)
    assert whole[Tally.PEAK_GROWTH] == pytest.approx(1.5)
    assert whole[Tally.TROUGH_GROWTH] == pytest.approx(0.6)


def test_merging_works_on_many_rows_and_leaves_its_inputs():
    rows = np.array([tally(market(seed), 0, 240) for seed in range(6)]).reshape(2, 3, N_TALLY)
    before = rows.copy()
    merged = merge(rows, rows[:, ::-1])
    assert merged.shape == (2, 3, N_TALLY)
    np.testing.assert_array_equal(merged[1, 0], merge(rows[1, 0], rows[1, 2]))
    np.testing.assert_array_equal(rows, before)


def test_columns_are_named_once_and_numbered_from_nought():
    assert len(TALLY) == N_TALLY == len(set(TALLY))
    assert len(TRADE) == N_TRADE == len(set(TRADE))
    assert [TALLY[column] for column in Tally] == [column.name.lower() for column in Tally]
    assert EXIT_REASONS[ExitReason.STOP] == "stop"


def test_costs_in_basis_points_are_fractions_in_the_row():
    costs = Costs.from_bps(fee_bps=5.0, slippage_bps=2.0, lot_size=1.0, start_equity=1e4)
    assert costs == Costs(0.0005, 0.0002, 1.0, 1.0, 1e4)
    row = costs.row()
    assert row.shape == (N_COSTS,)
    assert (row[Cost.FEE], row[Cost.FEE_PER_UNIT], row[Cost.LEVERAGE_CAP]) == (0.0005, 0.0, 1.0)
    assert (row[Cost.LOT_SIZE], row[Cost.START_EQUITY]) == (1.0, 1e4)
    assert not row.flags.writeable


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"fee": -0.1}, r"`fee` must be .* in \[0, 1\), but was -0.1"),
        ({"fee": 1.0}, r"`fee` must be .* but was 1.0"),
        ({"slippage": float("nan")}, "`slippage` must be .* but was nan"),
        ({"leverage_cap": 0.0}, "`leverage_cap` must be above 0, but was 0.0"),
        ({"lot_size": -1.0}, "`lot_size` must be .* but was -1.0"),
        ({"start_equity": 0.0}, "`start_equity` must be .* but was 0.0"),
    ],
)
def test_costs_out_of_range_are_refused(wrong, message):
    with pytest.raises(ConfigError, match=message):
        Costs(**{"fee": 0.0, "slippage": 0.0, **wrong})
