"""Mirrored prices: mirrors are mirrors, what depends on shape alone earns the same on them, and drift is shown."""

import dataclasses
import math

import numpy as np
import pytest

from fitness.battery import mirrored as mirrored_module
from fitness.battery import run_battery
from fitness.battery.mirrored import agreement, mirrored, opposite_returns, swapped, upside_down
from fitness.battery.subject import sharpe_of
from fitness.costs import Costs
from fitness.samples import random_walk
from fitness.shards import shard_of
from strategies.encoding import phenotype_of, strategy_of
from strategies.extra_columns import EXTRA_COLUMNS
from strategies.strategy import Condition, Operand, Rule
from strategies.templates import TEMPLATES
from tests.fitness.battery_cases import CHEAP, CROSS, HOLD, LONG_CROSS, shard_from, subject, waves

PRICES = ("open", "high", "low", "close")


def found(of):
    return run_battery(of, ["mirror"])[0]


@pytest.fixture(scope="module")
def walk():
    """A walk with every extra column."""
    shard = shard_of(random_walk(4, 400), "RW", "1d", bars_per_year=252.0)
    rng = np.random.default_rng(2)
    extra = {name: shard.volume * rng.random(400) for name in EXTRA_COLUMNS}
    extra |= {"bid": shard.close * 0.999, "ask": shard.close * 1.001, "funding_rate": rng.normal(0.0, 1e-4, 400)}
    return dataclasses.replace(shard, extra=extra)


@pytest.mark.parametrize("turned", [upside_down, opposite_returns])
def test_a_mirror_of_a_mirror_is_the_market(walk, turned):
    twice = turned(turned(walk))
    for name in PRICES:
        assert getattr(twice, name) == pytest.approx(getattr(walk, name), rel=1e-9)
    assert np.array_equal(twice.volume, walk.volume)
    for name in walk.extra if turned is upside_down else ():
        assert twice.extra[name] == pytest.approx(walk.extra[name], rel=1e-9)


@pytest.mark.parametrize("turned", [upside_down, opposite_returns])
def test_mirrored_bars_are_bars(walk, turned):
    bars = turned(walk)
    assert (bars.low <= np.minimum(bars.open, bars.close)).all()
    assert (bars.high >= np.maximum(bars.open, bars.close)).all()
    assert bars.content_hash != walk.content_hash
    assert np.array_equal(bars.timestamps, walk.timestamps)


def test_mirrors_turn_returns_round(walk):
    logs, returns = np.diff(np.log(walk.close)), walk.close[1:] / walk.close[:-1] - 1.0
    assert np.diff(np.log(upside_down(walk).close)) == pytest.approx(-logs)
    bars = opposite_returns(walk)
    assert bars.close[1:] / bars.close[:-1] - 1.0 == pytest.approx(-returns)
    assert bars.high[1:] / bars.close[:-1] - 1.0 == pytest.approx(1.0 - walk.low[1:] / walk.close[:-1])
    assert (bars.close[0], upside_down(walk).close[0]) == pytest.approx((walk.close[0], walk.close[0]))


def test_prices_that_double_in_a_bar_have_an_opposite():
    shard = shard_from([0.0, 0.4999, 0.5001, 1.0, 9.0, -0.5])
    bars = opposite_returns(shard)
    returns = bars.close[1:] / bars.close[:-1]
    assert returns == pytest.approx([0.5001, 0.75 / 1.5001, 0.375, 0.075, 1.5])
    assert (bars.low > 0.0).all()


def test_buyers_and_sellers_change_places(walk):
    turned = upside_down(walk).extra
    assert (turned["bid"] < upside_down(walk).close).all()
    assert (turned["ask"] > upside_down(walk).close).all()
    assert np.array_equal(turned["bid_size"], walk.extra["ask_size"])
    assert np.array_equal(turned["long_liquidations"], walk.extra["short_liquidations"])
    assert turned["buy_volume"] == pytest.approx(walk.volume - walk.extra["buy_volume"])
    assert np.array_equal(turned["funding_rate"], -walk.extra["funding_rate"])
    assert np.array_equal(turned["open_interest"], walk.extra["open_interest"])


def test_holding_costs_change_sides():
    costs = Costs(0.0, 0.0, borrow=0.03, funding=0.1)
    turned = swapped(costs)
    long, short = costs.funding, costs.borrow - costs.funding
    assert (turned.borrow - turned.funding, turned.funding) == pytest.approx((long, short))
    assert swapped(turned) == costs
    assert swapped(CHEAP) == CHEAP


def test_sides_change_places_and_a_strategy_of_both_is_its_own_mirror():
    turned = strategy_of(mirrored(phenotype_of(LONG_CROSS)))
    assert turned.direction == "short"
    assert turned.entry.conditions[0].comparator == "<"
    assert strategy_of(mirrored(mirrored(phenotype_of(LONG_CROSS)))) == LONG_CROSS
    assert np.array_equal(mirrored(phenotype_of(CROSS)), phenotype_of(CROSS))


@pytest.mark.parametrize("strategy", [CROSS, LONG_CROSS, TEMPLATES["turn_of_month"], TEMPLATES["donchian_breakout"]])
def test_rules_of_shape_do_the_same_upside_down(strategy, walk):
    """At the same bars, on the other side."""
    one = subject(strategy, walk, windows=((120, 390),))
    assert one.n_trades > 3
    text = found(one).explanation
    share = float(text.split("with ")[1].split("%")[0])
    assert share >= 99.0
    assert found(one).value == pytest.approx(one.sharpe, abs=0.15)


def test_who_finds_what_is_there_finds_it_upside_down():
    """One side alone too: and as it is, it stays out of what falls on the mirrored prices, and earns there as well."""
    for strategy in (CROSS, LONG_CROSS):
        one = subject(strategy, waves())
        assert one.sharpe > 2.0
        assert found(one).passed
        assert "drift" not in found(one).explanation


def test_the_mirrored_side_pays_what_the_side_paid_for_holding():
    """A long pays half its value a year, and so does the short on the mirrored prices."""
    costs = Costs(0.0, 0.0, funding=0.5)
    one, free = (subject(LONG_CROSS, waves(), costs=each) for each in (costs, Costs(0.0, 0.0)))
    assert free.sharpe - one.sharpe > 1.0
    assert found(one).value == pytest.approx(one.sharpe, abs=0.5)


def test_who_earns_by_the_rise_alone_is_seen():
    rng = np.random.default_rng(3)
    one = subject(HOLD, shard_from(0.002 + rng.normal(0.0, 0.01, 450)))
    assert one.sharpe > 1.0
    text = found(one).explanation
    left = float(text.split("on mirrored prices is ")[1].split(":")[0])
    assert left == pytest.approx(-one.sharpe, rel=0.1)
    assert "it earns here by the drift of prices, and loses there by it" in text


def test_rules_that_are_not_turned_round_fail(monkeypatch):
    """So that a pass means that the mirrored rules were asked."""
    monkeypatch.setattr(mirrored_module, "turned_rules", lambda rows: rows.copy())
    one = found(subject(LONG_CROSS, waves()))
    assert one.value < 0.0
    assert not one.passed


def test_a_losing_strategy_fails():
    backwards = dataclasses.replace(CROSS, entry=CROSS.exit, exit=CROSS.entry)
    assert not found(subject(backwards, waves())).passed


def test_a_rule_of_its_own_side_alone_may_be_worth_nothing_there():
    """A condition that no market meets upside down: never a trade, and so no figure and no pass."""
    rose = Rule((Condition(Operand("ROC", "close", (1.0,)), ">", level=3.0),), 1)
    returns = np.where(np.arange(450) % 10 == 0, 0.04, -0.003)
    one = subject(dataclasses.replace(HOLD, entry=rose, time_stop=9), shard_from(returns))
    assert one.n_trades > 10
    assert math.isfinite(found(one).value)


def test_agreement_is_counted_by_hand(walk):
    one = subject(LONG_CROSS, walk, windows=((120, 390),))
    assert agreement(one.runs, one.runs) == 0.0
    idle = subject(dataclasses.replace(LONG_CROSS, time_stop=1, cooldown=20), walk, windows=((120, 390),))
    held = np.count_nonzero(one.runs[0][0].positions() | idle.runs[0][0].positions())
    assert held > 0
    assert math.isnan(agreement([[]], [[]]))
    assert math.isfinite(sharpe_of(idle.runs))
