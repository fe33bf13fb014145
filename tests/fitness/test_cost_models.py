"""What trading costs: the columns against slow loops, and fills worked out by hand on the kernel and on its twin."""

from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fitness import cost_models
from fitness.costs import WORST_FILL, Costs, OrderKind
from fitness.kernel_bars import LANES, Fill, Plane, kernel_bars
from fitness.tally import Tally, Trade
from strategies.errors import ConfigError, UsageError

MODELS = Costs(0.0, 0.001, spread_volatility=0.3, impact=1.5, volume_share=0.1, borrow=0.05, funding=0.2)
YEAR_US = 365 * 86_400_000_000


def some_bars(seed, n_bars):
    rng = np.random.default_rng(seed)
    close = 100.0 * np.exp(np.cumsum(rng.normal(0.0, 0.02, n_bars)))
    open_ = close * (1.0 + rng.normal(0.0, 0.01, n_bars))
    spread = np.abs(rng.normal(0.0, 0.01, n_bars))
    volume = np.where(rng.random(n_bars) < 0.2, 0.0, np.floor(rng.random(n_bars) * 1e6))
    times = np.cumsum(rng.integers(1, 5, n_bars)) * 86_400_000_000
    high, low = np.maximum(open_, close) * (1 + spread), np.minimum(open_, close) * (1 - spread)
    return SimpleNamespace(open=open_, high=high, low=low, close=close, volume=volume, timestamps=times)


def slow_fills(bars, costs):
    """The four columns of models, each value from the bars before it, one at a time."""
    n_bars = len(bars.close)
    slippage, impact, longs, shorts = (np.zeros(n_bars) for _ in range(4))
    for t in range(n_bars):
        returns = [bars.close[s] / bars.close[s - 1] - 1.0 for s in range(max(1, t - 20), t)]
        volatility = np.sqrt(sum(r * r for r in reversed(returns)) / len(returns)) if returns else 0.0
        recent = bars.volume[max(0, t - 20) : t]
        mean = sum(reversed(recent.tolist())) / len(recent) if len(recent) else 0.0
        slippage[t] = min(costs.slippage + costs.spread_volatility * volatility, WORST_FILL)
        scale = costs.impact * volatility
        impact[t] = scale / np.sqrt(mean) if mean > 0.0 else (np.inf if scale > 0.0 else 0.0)
        if t > 0:
            held = (bars.timestamps[t] - bars.timestamps[t - 1]) / YEAR_US
            longs[t] = longs[t - 1] + costs.funding * bars.close[t - 1] * held
            shorts[t] = shorts[t - 1] + (costs.borrow - costs.funding) * bars.close[t - 1] * held
    return {Fill.SLIPPAGE: slippage, Fill.IMPACT: impact, Fill.CARRY_LONG: longs, Fill.CARRY_SHORT: shorts}


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 90))
def test_columns_equal_slow_loops(seed, n_bars):
    bars = some_bars(seed, n_bars)
    found = kernel_bars(bars, np.full(n_bars, 2.0), MODELS)
    for column, slow in slow_fills(bars, MODELS).items():
        np.testing.assert_allclose(found.fills[:, column], slow, rtol=1e-12, atol=0.0)
    np.testing.assert_array_equal(found.fills[:, Fill.CAPACITY], 0.1 * bars.volume)
    np.testing.assert_array_equal(found.fills[1:, Fill.ATR_BEFORE], np.full(n_bars - 1, 2.0))
    assert np.isnan(found.fills[0, Fill.ATR_BEFORE])


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(2, 90), st.integers(0, 1000))
def test_models_know_nothing_of_later_bars_nor_of_their_own_close(seed, n_bars, cut):
    cut = cut % n_bars
    bars, other = some_bars(seed, n_bars), some_bars(seed + 1, n_bars)
    changed = SimpleNamespace(**{name: values.copy() for name, values in vars(bars).items()})
    for name in ("open", "high", "low", "close", "volume"):
        getattr(changed, name)[cut:] = getattr(other, name)[cut:]
    changed.timestamps[cut + 1 :] += 86_400_000_000
    atr = np.ones(n_bars)
    now, then = (kernel_bars(case, atr, MODELS).fills for case in (bars, changed))
    known = [Fill.SLIPPAGE, Fill.IMPACT, Fill.CARRY_LONG, Fill.CARRY_SHORT, Fill.ATR_BEFORE]
    np.testing.assert_array_equal(now[: cut + 1, known], then[: cut + 1, known])


@given(st.integers(1, 40), st.booleans())
def test_blocks_hold_the_bars_with_the_open_inside(n_bars, has_carry):
    bars = some_bars(3, n_bars)
    bars.low[::3] = bars.open[::3] * 1.01  # bad data: the open is outside of low and high
    found = kernel_bars(bars, np.ones(n_bars), MODELS if has_carry else Costs(0.0, 0.0))
    planes = found.blocks.transpose(1, 0, 2).reshape(found.blocks.shape[1], -1)[:, :n_bars]
    assert found.blocks.shape == (-(-n_bars // LANES), 5 if has_carry else 3, LANES)
    np.testing.assert_array_equal(planes[Plane.LOW], np.minimum(bars.low, bars.open))
    np.testing.assert_array_equal(planes[Plane.HIGH], np.maximum(bars.high, bars.open))
    np.testing.assert_array_equal(planes[Plane.CLOSE], bars.close)
    if has_carry:
        np.testing.assert_array_equal(planes[Plane.CARRY_SHORT], found.fills[:, Fill.CARRY_SHORT])
    assert not any(array.flags.writeable for array in found.arrays())


def at(*prices):
    """Bars that stand still at each price."""
    return [(price, price, price, price) for price in prices]


def test_a_fee_per_unit_is_paid_on_each_side_and_fits_into_the_size(run):
    costs = Costs(0.0, 0.0, start_equity=1000.0, fee_per_unit=2.0)
    found = run(at(8, 8, 10, 10), costs=costs, long=[0], leave=[1])
    assert found.trades[0, Trade.UNITS] == 100.0  # 1000 / (8 + 2)
    assert found.equity.tolist() == [1000.0, 800.0, 800.0, 800.0]  # 200 in, 200 out, 200 earned


def test_half_the_spread_follows_volatility(run):
    rows = at(100, 110, 110, 110)  # returns .1, 0: a root mean square of .1 / sqrt(2) before bar 3
    found = run(rows, costs=Costs(0.0, 0.0, spread_volatility=0.5), long=[1], leave=[2])
    assert found.trade() == (1, 2, 3, 110.0 * 1.05, 110.0 * (1.0 - 0.05 / np.sqrt(2.0)), "EXIT")


def test_impact_grows_with_the_root_of_the_share_of_volume(run):
    costs = Costs(0.0, 0.0, start_equity=11_000.0, impact=1.0)
    found = run(at(100, 110, 110, 110, 110), costs=costs, long=[1], leave=[3], volume=10_000.0)
    fill = 110.0 * (1.0 + 0.1 * np.sqrt(100.0 / 10_000.0))
    assert found.trades[0, Trade.ENTRY_PRICE] == pytest.approx(fill)
    assert found.trades[0, Trade.UNITS] == pytest.approx(11_000.0 / fill)
    left = 110.0 * (1.0 - np.sqrt(0.01 / 3.0) * np.sqrt(11_000.0 / fill / 10_000.0))
    assert found.trades[0, Trade.EXIT_PRICE] == pytest.approx(left)


def test_no_fill_is_worse_than_half_the_price(run):
    found = run(at(100, 200, 200, 200), costs=Costs(0.0, 0.0, impact=1e9), long=[1], leave=[2])
    assert found.trade() == (1, 2, 3, 300.0, 100.0, "EXIT")


def test_a_target_is_a_limit_order_without_impact(run):
    rows = [*at(100, 200, 200), (200, 340, 200, 250), *at(250)]
    costs = Costs(0.0, 0.0, spread_volatility=0.5)
    found = run(rows, costs=costs, long=[1], target_kind=OrderKind.PERCENT, target=10.0)
    assert found.trade() == (1, 2, 3, 300.0, 330.0, "TARGET")


def test_an_entry_gets_what_its_bar_takes_and_no_more(run):
    costs = Costs(0.0, 0.0, start_equity=1000.0, volume_share=0.1)
    found = run(at(10, 10, 10, 10, 10), costs=costs, long=[0], leave=[2], volume=[0, 300, 300, 300, 300])
    assert found.trades[0, Trade.UNITS] == 30.0
    assert len(run(at(10, 10, 10), costs=costs, long=[0], volume=0.0).trades) == 0


def test_an_exit_leaves_in_parts_as_the_bars_take_it(run):
    costs = Costs(0.0, 0.0, start_equity=1000.0, volume_share=0.1)
    volume = [0, 1000, 1000, 600, 0, 300, 900, 900]
    found = run(at(10, 10, 11, 12, 13, 14, 15, 16), costs=costs, long=[0, 2, 3, 4, 5], leave=[2], volume=volume)
    # 100 units: 60 at 12, none at 13, 30 at 14, the last 10 at 15; entries are deaf until then.
    assert found.trade() == (1, 1, 6, 10.0, (60 * 12 + 30 * 14 + 10 * 15) / 100, "EXIT")
    np.testing.assert_allclose(found.equity[2:7], [1100, 1200, 1240, 1280, 1290])
    assert found.tally[Tally.TURNOVER] == pytest.approx(1.0 + 720 / 1100 + 420 / 1240 + 150 / 1280)
    assert found.tally[Tally.BARS_HELD] == 5


def test_a_stop_that_fills_in_part_leaves_the_rest_at_the_next_opens(run):
    costs = Costs(0.0, 0.0, start_equity=1000.0, volume_share=0.1)
    rows = [*at(10, 10), (10, 10, 8, 9), (8, 12, 7, 8), *at(8, 8)]
    found = run(rows, costs=costs, long=[0], stop_kind=OrderKind.PERCENT, stop=10.0, volume=[0, 1e3, 400, 600, 1e3, 0])
    assert found.trade() == (1, 1, 3, 10.0, (40 * 9 + 60 * 8) / 100, "STOP")


def test_the_end_of_the_window_closes_what_is_left(run):
    costs = Costs(0.0, 0.0, start_equity=1000.0, volume_share=0.1)
    found = run(at(10, 10, 20, 30), costs=costs, long=[0], leave=[1], volume=[0, 1e3, 400, 0])
    assert found.trade() == (1, 1, 3, 10.0, (40 * 20 + 60 * 30) / 100, "EXIT")


def test_parts_are_whole_lots(run):
    costs = Costs(0.0, 0.0, start_equity=1000.0, volume_share=0.1, lot_size=25.0)
    found = run(at(10, 10, 10, 10, 12), costs=costs, long=[0], leave=[1], volume=[0, 1e3, 600, 300, 1e4])
    assert found.trade()[2:5] == (4, 10.0, (50 * 10 + 25 * 10 + 25 * 12) / 100)


def test_a_short_pays_its_borrow_by_the_day(run):
    found = run(at(100, 100, 100, 100), costs=Costs(0.0, 0.0, borrow=0.365), short=[0], cover=[2])
    np.testing.assert_allclose(found.equity, [1.0, 1.0, 0.999, 0.998])
    assert found.trades[0, Trade.PROFIT] == pytest.approx(-0.002)
    assert run(at(100, 100, 100, 100), costs=Costs(0.0, 0.0, borrow=0.365), long=[0]).equity[-1] == 1.0


def test_funding_goes_from_longs_to_shorts(run):
    costs = Costs(0.0, 0.0, funding=0.365)
    assert run(at(100, 100, 200, 200), costs=costs, long=[0]).equity[-1] == pytest.approx(2.0 - 0.001 - 0.002)
    assert run(at(100, 100, 50, 50), costs=costs, short=[0]).equity[-1] == pytest.approx(1.5 + 0.001 + 0.0005)


def test_carry_runs_over_many_bars_as_over_one_at_a_time(run):
    found = run(at(*[100] * 60), costs=Costs(0.0, 0.0, borrow=0.365), short=[3])
    np.testing.assert_allclose(found.equity[4:], 1.0 - 0.001 * np.arange(56))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"slippage": 0.5}, r"`slippage` must be .* \[0, 0.5\), but was 0.5"),
        ({"impact": -1.0}, "`impact` must be .* but was -1.0"),
        ({"borrow": np.inf}, "`borrow` must be .* but was inf"),
        ({"funding": np.nan}, "`funding` must be a finite yearly rate, but was nan"),
        ({"volume_share": 0.0}, "`volume_share` must be above 0, but was 0.0"),
    ],
)
def test_costs_out_of_range_are_refused_by_name(values, message):
    with pytest.raises(ConfigError, match=message):
        Costs(**{"fee": 0.0, "slippage": 0.0, **values})


@pytest.mark.parametrize(
    ("costs", "message"),
    [({"impact": 1.0}, "`volume` for `impact`"), ({"borrow": 1.0}, "`timestamps` for `borrow or funding`")],
)
def test_a_model_says_which_column_it_misses(costs, message):
    prices = np.ones(3)
    bars = SimpleNamespace(open=prices, high=prices, low=prices, close=prices)
    with pytest.raises(UsageError, match=message):
        kernel_bars(bars, prices, Costs(0.0, 0.0, **costs))


def test_volatility_is_that_of_the_last_twenty_returns():
    close = np.cumprod(np.concatenate([[1.0], np.full(30, 1.01), np.full(30, 1.0)]))
    found = cost_models.volatility_before(close)
    assert found[31] == pytest.approx(0.01)
    assert found[36] == pytest.approx(0.01 * np.sqrt(15 / 20))
    assert found[60] == 0.0
