"""Market rules 1 to 4, fills and protective orders, by examples worked out by hand.

Every example is run on the kernel and on its plain-Python twin (`run`, in conftest.py). Bars are rows of open, high,
low, close; masks are written as the bars at which they are true.
"""

import numpy as np
import pytest

from fitness.costs import Costs, OrderKind
from fitness.tally import Tally, Trade

ATR, PERCENT = OrderKind.ATR, OrderKind.PERCENT


def bars_at(*prices):
    """Bars that stand still at each price."""
    return [(price, price, price, price) for price in prices]


# Rule 1 and 2: fills at the next open, with costs; entry and exit.


def test_a_decision_fills_at_the_next_open_and_marks_at_each_close(run):
    rows = [(9, 9, 9, 9), (10, 12, 10, 11), (12, 13, 11, 12), (15, 15, 14, 14), (14, 14, 14, 14)]
    found = run(rows, long=[0], leave=[2])
    assert found.trade() == (1, 1, 3, 10.0, 15.0, "EXIT")
    np.testing.assert_allclose(found.equity, [1.0, 1.1, 1.2, 1.5, 1.5])
    assert found.tally[Tally.BARS_HELD] == 2
    assert found.tally[Tally.TURNOVER] == pytest.approx(1.0 + 1.5 / 1.2)
    assert found.tally[Tally.SUM_R] == pytest.approx(0.1 + 0.1 / 1.1 + 0.25)


def test_slippage_and_fee_are_against_a_long_on_both_sides(run):
    costs = Costs(fee=0.01, slippage=0.02)
    found = run(bars_at(100, 100, 110, 110), costs=costs, long=[0], leave=[1])
    units = 1.0 / (102.0 * 1.01)
    assert found.trade() == (1, 1, 2, 102.0, 110.0 * 0.98, "EXIT")
    assert found.trades[0, Trade.UNITS] == pytest.approx(units)
    end = units * 110.0 * 0.98 * 0.99
    np.testing.assert_allclose(found.equity, [1.0, units * 100.0, end, end])
    assert found.trades[0, Trade.PROFIT] == pytest.approx(end - 1.0)


def test_slippage_and_fee_are_against_a_short_on_both_sides(run):
    costs = Costs(fee=0.01, slippage=0.02)
    found = run(bars_at(100, 100, 90, 90), costs=costs, short=[0], cover=[1])
    units = 1.0 / (98.0 * 1.01)
    assert found.trade() == (-1, 1, 2, 98.0, 90.0 * 1.02, "EXIT")
    cash = 1.0 + units * 98.0 * 0.99
    end = cash - units * 90.0 * 1.02 * 1.01
    np.testing.assert_allclose(found.equity, [1.0, cash - units * 100.0, end, end])


def test_entry_and_exit_both_true_while_flat_is_nothing(run):
    found = run(bars_at(10, 10, 10, 10), long=[0], leave=[0], short=[1], cover=[1])
    assert len(found.trades) == 0
    np.testing.assert_array_equal(found.equity, 1.0)


def test_long_and_short_entry_both_true_while_flat_is_nothing(run):
    rows = bars_at(10, 10, 10, 10, 10)
    assert len(run(rows, long=[1], short=[1]).trades) == 0
    assert len(run(rows, long=[1], short=[1], cover=[1]).trades) == 0
    assert run(rows, long=[1, 2], short=[1]).trade()[:2] == (1, 3)


def test_in_a_position_only_the_exit_of_its_side_is_read(run):
    found = run(bars_at(10, 10, 11, 12, 13, 14), long=[0, 1, 2], short=[1, 2], cover=[1, 2], leave=[3])
    assert [found.trade()] == [(1, 1, 4, 10.0, 13.0, "EXIT")]


def test_an_exit_at_the_entry_bars_close_leaves_at_the_next_open(run):
    assert run(bars_at(10, 10, 12, 13), long=[0], leave=[1]).trade() == (1, 1, 2, 10.0, 12.0, "EXIT")


def test_leaving_with_an_opposite_entry_reverses_at_the_same_open(run):
    found = run(bars_at(10, 10, 12, 12, 9, 9), long=[0], leave=[1], short=[1], cover=[3])
    assert found.trade(0) == (1, 1, 2, 10.0, 12.0, "EXIT")
    assert found.trade(1) == (-1, 2, 4, 12.0, 9.0, "EXIT")
    assert found.trades[1, Trade.ENTRY_EQUITY] == pytest.approx(1.2)
    assert found.equity[-1] == pytest.approx(1.2 * 1.25)
    assert found.tally[Tally.BARS_HELD] == 3


@pytest.mark.parametrize("against", [{"cover": [1]}, {"cooldown": 1}], ids=["opposite exit", "cooldown"])
def test_no_reversal_against_the_opposite_exit_or_in_a_cooldown(run, against):
    found = run(bars_at(10, 10, 12, 12, 9, 9), long=[0], leave=[1], short=[1], **against)
    assert len(found.trades) == 1


def test_the_same_side_is_not_entered_again_at_the_open_it_leaves(run):
    found = run(bars_at(10, 10, 12, 12, 12), long=[0, 1], leave=[1])
    assert [found.trade()] == [(1, 1, 2, 10.0, 12.0, "EXIT")]
    again = run(bars_at(10, 10, 12, 12, 12), long=[0, 1, 2], leave=[1])
    assert again.trade(1)[:3] == (1, 3, 4)


# Rule 3: stop and target.

STOPS = [
    ("touched", (100, 101, 94, 96), 95.0),
    ("touched exactly", (100, 101, 95, 96), 95.0),
    ("open beyond", (92, 93, 90, 91), 92.0),
    ("open exactly there", (95, 97, 94, 96), 95.0),
]


@pytest.mark.parametrize(("bar", "price"), [case[1:] for case in STOPS], ids=[case[0] for case in STOPS])
def test_the_stop_of_a_long_fills_at_the_stop_or_a_worse_open_with_slippage(run, bar, price):
    rows = [*bars_at(100, 100), bar, *bars_at(96)]
    assert run(rows, long=[0], stop_kind=PERCENT, stop=5.0).trade() == (1, 1, 2, 100.0, price, "STOP")
    slipped = run(rows, costs=Costs(0.0, 0.001), long=[0], stop_kind=ATR, stop=2.55)  # 100.1 - 5.1
    assert slipped.trade() == (1, 1, 2, 100.1, price * 0.999, "STOP")


@pytest.mark.parametrize(("bar", "price"), [case[1:] for case in STOPS], ids=[case[0] for case in STOPS])
def test_the_stop_of_a_short_mirrors_that_of_a_long(run, bar, price):
    mirrored = tuple(200 - bar[i] for i in (0, 2, 1, 3))
    rows = [*bars_at(100, 100), mirrored, *bars_at(104)]
    assert run(rows, short=[0], stop_kind=PERCENT, stop=5.0).trade() == (-1, 1, 2, 100.0, 200 - price, "STOP")
    slipped = run(rows, costs=Costs(0.0, 0.001), short=[0], stop_kind=ATR, stop=2.55)
    assert slipped.trade() == (-1, 1, 2, 99.9, (200 - price) * 1.001, "STOP")


def test_a_stop_that_is_missed_by_a_hair_is_not_taken(run):
    found = run([*bars_at(100, 100), (100, 101, 95.01, 96), *bars_at(96)], long=[0], stop_kind=PERCENT, stop=5.0)
    assert found.trade() == (1, 1, 3, 100.0, 96.0, "END")


TARGETS = [
    ("touched", (100, 106, 99, 101), 105.0),
    ("touched exactly", (100, 105, 99, 101), 105.0),
    ("open beyond", (108, 109, 107, 108), 108.0),
]


@pytest.mark.parametrize(("bar", "price"), [case[1:] for case in TARGETS], ids=[case[0] for case in TARGETS])
def test_a_target_fills_at_the_target_or_a_better_open_without_slippage(run, bar, price):
    rows = [*bars_at(100, 100), bar, *bars_at(100)]
    assert run(rows, long=[0], target_kind=PERCENT, target=5.0).trade() == (1, 1, 2, 100.0, price, "TARGET")
    slipped = run(rows, costs=Costs(0.0, 0.001), long=[0], target_kind=ATR, target=2.45)  # 100.1 + 4.9
    assert slipped.trade() == (1, 1, 2, 100.1, price, "TARGET")
    mirrored = [*bars_at(100, 100), tuple(200 - bar[i] for i in (0, 2, 1, 3)), *bars_at(100)]
    assert run(mirrored, short=[0], target_kind=PERCENT, target=5.0).trade() == (-1, 1, 2, 100.0, 200 - price, "TARGET")


def test_a_target_pays_the_fee(run):
    rows = [*bars_at(100, 100), (100, 106, 99, 101), *bars_at(100)]
    found = run(rows, costs=Costs(0.01, 0.0), long=[0], target_kind=PERCENT, target=5.0)
    assert found.equity[-1] == pytest.approx(105.0 * 0.99 / (100.0 * 1.01))


@pytest.mark.parametrize("bar", [(100, 106, 94, 104), (106, 107, 94, 104)], ids=["open between", "open beyond target"])
def test_stop_and_target_inside_one_bar_the_stop_is_taken(run, bar):
    rows = [*bars_at(100, 100), bar, *bars_at(104)]
    found = run(rows, long=[0], stop_kind=PERCENT, stop=5.0, target_kind=PERCENT, target=5.0)
    assert found.trade() == (1, 1, 2, 100.0, 95.0, "STOP")


@pytest.mark.parametrize("at_open", [90, 110], ids=["beyond the stop", "beyond the target"])
def test_an_exit_due_at_the_open_happens_before_stop_and_target(run, at_open):
    rows = [*bars_at(100, 100), (at_open, 112, 88, 100), *bars_at(100)]
    both = {"stop_kind": PERCENT, "stop": 5.0, "target_kind": PERCENT, "target": 5.0}
    found = run(rows, costs=Costs(0.0, 0.001), long=[0], leave=[1], **both)
    assert found.trade() == (1, 1, 2, 100.1, at_open * 0.999, "EXIT")
    assert len(found.trades) == 1


def test_protective_orders_live_from_the_entry_bar_on(run):
    rows = [*bars_at(100), (100, 103, 94, 102), *bars_at(102)]
    assert run(rows, long=[0], stop_kind=PERCENT, stop=5.0).trade() == (1, 1, 1, 100.0, 95.0, "STOP")
    assert run(rows, long=[0], target_kind=PERCENT, target=3.0).trade() == (1, 1, 1, 100.0, 103.0, "TARGET")
    assert run(rows, long=[0], trail_kind=PERCENT, trail=6.0).trade() == (1, 1, 1, 100.0, 94.0, "TRAIL")
    assert run(rows, long=[0], stop_kind=PERCENT, stop=5.0).tally[Tally.BARS_HELD] == 1


def test_a_stop_nearer_than_the_slippage_leaves_at_the_open_it_entered(run):
    found = run(bars_at(100, 100, 100), costs=Costs(0.0, 0.01), long=[0], stop_kind=PERCENT, stop=0.5)
    assert found.trade() == (1, 1, 1, 101.0, 99.0, "STOP")


def test_levels_follow_from_the_fill_and_from_the_atr_of_the_decision_bar(run):
    rows = [*bars_at(100, 100), (100, 100, 95.5, 96), *bars_at(96)]
    found = run(rows, atr=[2.0, 50.0, 50.0, 50.0], long=[0], stop_kind=ATR, stop=2.0)
    assert found.trade() == (1, 1, 2, 100.0, 96.0, "STOP")


@pytest.mark.parametrize("atr", [np.nan, 0.0, -1.0, np.inf])
@pytest.mark.parametrize("name", ["stop", "target", "trail"])
def test_without_an_atr_that_an_order_needs_there_is_no_entry(run, atr, name):
    order = {f"{name}_kind": ATR, name: 2.0}
    assert len(run(bars_at(10, 10, 10), atr=atr, long=[0], **order).trades) == 0
    assert len(run(bars_at(10, 10, 10), atr=atr, long=[0], stop_kind=PERCENT, stop=5.0).trades) == 1


# Rule 4: trailing stop.


def test_a_trailing_stop_follows_the_best_close_up_to_the_bar_before(run):
    rows = [*bars_at(100), (100, 111, 100, 110), (110, 130, 105, 120), (120, 121, 114, 115), *bars_at(115)]
    found = run(rows, long=[0], trail_kind=PERCENT, trail=5.0)
    # Bar 2 is watched with 110 - 5, touched exactly by its low; the close of 120 comes too late to matter.
    assert found.trade() == (1, 1, 2, 100.0, 105.0, "TRAIL")
    rows[2] = (110, 130, 106, 120)
    assert run(rows, long=[0], trail_kind=PERCENT, trail=5.0).trade() == (1, 1, 3, 100.0, 115.0, "TRAIL")


def test_a_trailing_stop_starts_at_its_distance_from_the_fill_and_never_loosens(run):
    rows = [*bars_at(100), (100, 100, 96, 97), (97, 98, 94, 96), *bars_at(96)]
    found = run(rows, long=[0], trail_kind=PERCENT, trail=5.0)
    assert found.trade() == (1, 1, 2, 100.0, 95.0, "TRAIL")


def test_a_trailing_stop_starts_from_the_fill_with_its_slippage(run):
    rows = [*bars_at(100), (100, 100, 95, 97), *bars_at(97)]
    found = run(rows, costs=Costs(0.0, 0.01), long=[0], trail_kind=ATR, trail=2.5)
    assert found.trade() == (1, 1, 1, 101.0, 96.0 * 0.99, "TRAIL")


def test_a_trailing_stop_of_a_short_follows_the_lowest_close(run):
    rows = [*bars_at(100), (100, 100, 89, 90), (90, 94, 80, 85), (85, 91, 84, 90), *bars_at(90)]
    assert run(rows, short=[0], trail_kind=PERCENT, trail=5.0).trade() == (-1, 1, 3, 100.0, 90.0, "TRAIL")


@pytest.mark.parametrize(("stop", "price", "reason"), [(3.0, 97.0, "STOP"), (5.0, 95.0, "STOP"), (9.0, 95.0, "TRAIL")])
def test_the_tighter_of_stop_and_trailing_stop_is_the_stop(run, stop, price, reason):
    rows = [*bars_at(100, 100), (100, 100, 90, 95), *bars_at(95)]
    found = run(rows, long=[0], stop_kind=PERCENT, stop=stop, trail_kind=PERCENT, trail=5.0)
    assert found.trade() == (1, 1, 2, 100.0, price, reason)
