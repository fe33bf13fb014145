"""Market rules 5 to 8, time, size, the ends of a window and the account, by examples worked out by hand.

Written and run as in test_kernel_rules.py.
"""

import numpy as np
import pytest

from fitness import measures
from fitness.costs import Costs, OrderKind, SizeKind
from fitness.tally import Tally, Trade

ATR, PERCENT = OrderKind.ATR, OrderKind.PERCENT


def bars_at(*prices):
    """Bars that stand still at each price."""
    return [(price, price, price, price) for price in prices]


# Rule 5: time stop and cooldown.


@pytest.mark.parametrize("n_bars", [1, 2, 3])
def test_a_time_stop_leaves_at_the_open_after_n_bars_held(run, n_bars):
    found = run(bars_at(10, 11, 12, 13, 14, 15), long=[0], time_stop=n_bars)
    assert found.trade() == (1, 1, 1 + n_bars, 11.0, 11.0 + n_bars, "TIME")
    assert found.tally[Tally.BARS_HELD] == n_bars


def test_an_exit_rule_due_at_the_same_open_as_the_time_stop_is_the_reason(run):
    assert run(bars_at(10, 11, 12, 13, 14), long=[0], leave=[2], time_stop=2).trade()[2:] == (3, 11.0, 13.0, "EXIT")


def test_a_time_stop_reverses_at_the_same_open_but_does_not_re_enter(run):
    rows = bars_at(10, 10, 12, 12, 12)
    found = run(rows, long=[0], short=[1], time_stop=1)
    assert [int(side) for side in found.trades[:, Trade.SIDE]] == [1, -1]
    assert found.trades[1, Trade.ENTRY_BAR] == 2
    assert len(run(rows, long=[0, 1], time_stop=1).trades) == 1


@pytest.mark.parametrize("cooldown", [0, 1, 2, 3])
def test_a_cooldown_of_m_bars_allows_no_entry_after_an_exit_at_an_open(run, cooldown):
    found = run(bars_at(*[10] * 12), long=range(11), leave=[1], cooldown=cooldown)
    assert found.trade(0)[:3] == (1, 1, 2)
    assert found.trades[1, Trade.ENTRY_BAR] == 3 + cooldown


@pytest.mark.parametrize("cooldown", [0, 1, 2])
def test_a_cooldown_of_m_bars_allows_no_entry_after_a_stop(run, cooldown):
    rows = [*bars_at(10, 10), (10, 10, 9, 10), *bars_at(*[10] * 8)]
    found = run(rows, long=range(10), stop_kind=PERCENT, stop=5.0, cooldown=cooldown)
    assert found.trade(0)[:3] == (1, 1, 2)
    assert found.trades[1, Trade.ENTRY_BAR] == 3 + cooldown


# Rule 6: size.


def test_a_size_by_fraction_buys_that_share_of_equity(run):
    found = run(bars_at(10, 10, 20, 20), long=[0], leave=[2], size=0.25)
    np.testing.assert_allclose(found.equity, [1.0, 1.0, 1.25, 1.25])


def test_the_leverage_cap_bounds_every_size(run):
    rows = bars_at(10, 10, 11, 11)
    assert run(rows, long=[0], size=5.0).equity[-1] == pytest.approx(1.1)
    assert run(rows, costs=Costs(0.0, 0.0, leverage_cap=3.0), long=[0], size=5.0).equity[-1] == pytest.approx(1.3)
    by_risk = {"size_kind": SizeKind.RISK, "size": 0.5, "stop_kind": PERCENT, "stop": 1.0}
    assert run(rows, costs=Costs(0.0, 0.0, leverage_cap=3.0), long=[0], **by_risk).equity[-1] == pytest.approx(1.3)


def test_a_size_by_risk_loses_that_share_of_equity_at_the_stop(run):
    rows = [*bars_at(100, 100), (100, 100, 90, 95), *bars_at(95)]
    found = run(rows, long=[0], stop_kind=PERCENT, stop=4.0, size_kind=SizeKind.RISK, size=0.01)
    assert found.equity[-1] == pytest.approx(0.99)
    assert found.trades[0, Trade.UNITS] == pytest.approx(0.01 / 4.0)


def test_a_size_by_risk_takes_the_tighter_of_stop_and_trailing_distance(run):
    risk = {
        "stop_kind": PERCENT,
        "stop": 4.0,
        "trail_kind": ATR,
        "trail": 1.0,
        "size_kind": SizeKind.RISK,
        "size": 0.01,
    }
    assert run(bars_at(100, 100, 100), long=[0], **risk).trades[0, Trade.UNITS] == pytest.approx(0.01 / 2.0)


def test_a_size_by_risk_without_a_stop_is_no_entry(run):
    found = run(bars_at(10, 10, 10), long=[0], size_kind=SizeKind.RISK, size=0.01, target_kind=PERCENT, target=5.0)
    assert len(found.trades) == 0


def test_units_are_rounded_down_to_lots_and_less_than_a_lot_is_no_entry(run):
    def costs(equity):
        return Costs(0.0, 0.0, lot_size=10.0, start_equity=equity)

    found = run(bars_at(7, 7, 8, 8), costs=costs(300.0), long=[0])
    assert found.trades[0, Trade.UNITS] == 40.0
    assert found.tally[Tally.GROWTH] == pytest.approx(340.0 / 300.0)
    assert len(run(bars_at(7, 7, 8, 8), costs=costs(69.0), long=[0]).trades) == 0


# Rule 7: the ends of the window.


def test_an_open_position_closes_at_the_last_close_with_costs(run):
    rows = [(9, 9, 9, 9), (10, 12, 10, 11), (11, 13, 11, 12)]
    found = run(rows, costs=Costs(0.01, 0.02), long=[0])
    assert found.trade() == (1, 1, 2, 10.2, 12.0 * 0.98, "END")
    assert found.equity[-1] == pytest.approx(12.0 * 0.98 * 0.99 / (10.2 * 1.01))


def test_a_decision_at_the_last_but_one_bar_lives_for_the_last_bar_only(run):
    rows = [(9, 9, 9, 9), (9, 9, 9, 9), (10, 12, 8, 11)]
    assert run(rows, long=[1]).trade() == (1, 2, 2, 10.0, 11.0, "END")
    assert run(rows, long=[1], stop_kind=PERCENT, stop=10.0).trade() == (1, 2, 2, 10.0, 9.0, "STOP")


def test_an_exit_decided_at_the_last_but_one_bar_leaves_at_the_last_open(run):
    rows = [*bars_at(10, 10), (11, 13, 11, 12)]
    assert run(rows, long=[0], leave=[1]).trade() == (1, 1, 2, 10.0, 11.0, "EXIT")
    reversed_ = run(rows, long=[0], leave=[1], short=[1])
    assert reversed_.trade(1) == (-1, 2, 2, 11.0, 12.0, "END")


def test_a_decision_at_the_last_bar_fills_nothing(run):
    assert len(run(bars_at(10, 10, 10), long=[2], short=[]).trades) == 0


@pytest.mark.parametrize("window", [(0, 1), (2, 3), (4, 5)])
def test_a_window_of_one_bar_has_no_trade(run, window):
    found = run(bars_at(10, 11, 12, 13, 14), window=window, long=range(5))
    assert len(found.trades) == 0
    np.testing.assert_array_equal(found.equity, [1.0])
    assert found.tally[Tally.N_BARS] == 1


def test_a_window_starts_flat_and_decides_from_its_first_bar_on(run):
    found = run(bars_at(10, 11, 12, 13, 14), window=(2, 4), long=range(5))
    assert found.trade() == (1, 3, 3, 13.0, 13.0, "END")
    assert len(found.equity) == 2


# Rule 8: marks, ruin.


def test_turnover_is_notional_over_the_equity_known_before_each_fill(run):
    rows = [*bars_at(10, 10), (20, 22, 20, 20), *bars_at(20)]
    found = run(rows, long=[0], leave=[1], short=[1], stop_kind=PERCENT, stop=10.0)
    assert found.trade(1) == (-1, 2, 2, 20.0, 22.0, "STOP")
    # Bought 1 of 1, sold 2 when the last mark was 1, sold 2 of 2 short, bought back 2.2 with 2 at the entry.
    assert found.tally[Tally.TURNOVER] == pytest.approx(1.0 + 2.0 + 1.0 + 1.1)


def test_buy_and_hold_has_the_sharpe_ratio_worked_out_by_hand(run):
    found = run(bars_at(100, 100, 110, 99, 108.9), long=[0])
    r = np.array([0.0, 0.0, 0.1, -0.1, 0.1])
    by_hand = r.mean() / r.std(ddof=1) * np.sqrt(252)
    assert measures.sharpe(found.tally, 252.0) == pytest.approx(by_hand, rel=1e-12)
    assert found.tally[Tally.MAX_DRAWDOWN] == pytest.approx(0.1)


def test_drawdown_counts_from_the_start_equity(run):
    found = run(bars_at(100, 100, 80, 90), long=[0])
    assert found.tally[Tally.MAX_DRAWDOWN] == pytest.approx(0.2)
    assert found.tally[Tally.PEAK_GROWTH] == 1.0
    assert found.tally[Tally.TROUGH_GROWTH] == pytest.approx(0.8)


def test_ruin_closes_the_position_at_that_close_and_ends_all_trading(run):
    found = run(bars_at(100, 100, 150, 210, 100, 100), short=[0, 3, 4], cover=[4])
    assert [found.trade()] == [(-1, 1, 3, 100.0, 210.0, "RUIN")]
    np.testing.assert_allclose(found.equity, [1.0, 1.0, 0.5, 0.0, 0.0, 0.0])
    assert found.trades[0, Trade.PROFIT] == -1.0
    assert found.tally[Tally.GROWTH] == 0.0
    assert found.tally[Tally.RUINED] == 1.0
    assert found.tally[Tally.MAX_DRAWDOWN] == 1.0


def test_a_gap_through_the_stop_can_ruin_but_not_below_nothing(run):
    rows = [*bars_at(100, 100), (250, 250, 250, 250), *bars_at(90, 90, 90)]
    found = run(rows, short=[0, 2, 3], stop_kind=PERCENT, stop=5.0)
    assert [found.trade()] == [(-1, 1, 2, 100.0, 250.0, "STOP")]
    np.testing.assert_array_equal(found.equity, [1.0, 1.0, 0.0, 0.0, 0.0, 0.0])
    assert found.tally[Tally.RUINED] == 1.0


def test_ruin_at_a_due_exit_allows_no_reversal(run):
    rows = [*bars_at(100, 100), (250, 250, 250, 250), *bars_at(90, 90)]
    found = run(rows, short=[0], cover=[1], long=[1])
    assert [found.trade()] == [(-1, 1, 2, 100.0, 250.0, "EXIT")]
    assert found.equity[-1] == 0.0
