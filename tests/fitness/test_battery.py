"""The battery: laws of every check, and for each a strategy that passes and one that fails."""

import dataclasses
import math

import numpy as np
import pytest

from fitness import bank as bank_module
from fitness.bank import FeatureBank
from fitness.battery import BATTERY, Subject, run_battery
from fitness.battery.acts import delayed, without_entries
from fitness.battery.causality import tail
from fitness.battery.frictions import dearer
from fitness.battery.history import history_needed
from fitness.battery.subject import finding
from fitness.bits import pack, unpack
from fitness.costs import Costs
from fitness.pooled import pool_measures
from fitness.samples import random_walk
from fitness.shards import shard_of
from fitness.trace import trace
from strategies.codec import express
from strategies.encoding import phenotype_of
from strategies.errors import DataError, UsageError
from strategies.sampler import random_genomes
from strategies.strategy import Condition, Distance, Operand, Rule, Size
from strategies.templates import TEMPLATES
from tests.fitness.battery_cases import (
    BUY_DIPS,
    CHEAP,
    CLOSE,
    CROSS,
    FLAT,
    HOLD,
    shard_from,
    subject,
    waves,
    zigzag,
)

FREE = Costs(0.0, 0.0)


def found(name, of):
    return run_battery(of, [name])[0]


@pytest.fixture(scope="module")
def good():
    """A strategy that finds what is there."""
    return subject(CROSS, waves(seed=1), waves(seed=2, symbol="OTHER"))


# Laws


def test_what_finds_what_is_there_passes_every_check(good):
    findings = run_battery(good)
    assert [one.name for one in findings] == list(BATTERY)
    assert all(one.passed for one in findings), [one.explanation for one in findings if not one.passed]


@pytest.mark.parametrize("name", BATTERY)
def test_a_strategy_that_is_always_flat_passes_nothing(name):
    flat = found(name, subject(FLAT, waves()))
    assert math.isnan(flat.value)
    assert not flat.passed
    assert flat.explanation.endswith("A figure that is not defined does not pass.")


def test_the_order_of_shards_is_irrelevant(good):
    turned = Subject(good.phenotype, good.shards[::-1], good.windows[::-1], good.costs, good.banks[::-1])
    assert run_battery(turned) == run_battery(good)


def test_a_battery_is_the_same_again_and_changes_nothing(good):
    before = [getattr(shard, name).tobytes() for shard in good.shards for name in ("open", "high", "low", "close")]
    row = good.phenotype.copy()
    again = subject(CROSS, waves(seed=1), waves(seed=2, symbol="OTHER"))
    assert run_battery(good) == run_battery(good) == run_battery(again)
    assert before == [
        getattr(shard, name).tobytes() for shard in good.shards for name in ("open", "high", "low", "close")
    ]
    assert np.array_equal(row, good.phenotype)


def test_chosen_checks_come_in_the_order_asked(good):
    both = run_battery(good, ["costs", "delay"])
    assert [one.name for one in both] == ["costs", "delay"]
    assert both == (found("costs", good), found("delay", good))


def test_an_unknown_check_is_refused(good):
    with pytest.raises(UsageError, match=r"must be one of the battery, but was 'cost'; did you mean 'costs'\?"):
        run_battery(good, ["cost"])


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_what_is_not_finite_never_passes(value):
    one = finding("name", "Title", value=value, threshold=0.0, passed=True, text="So it is")
    assert not one.passed
    assert one.explanation == "So it is. A figure that is not defined does not pass."


@pytest.mark.parametrize("name", BATTERY)
def test_an_explanation_names_value_and_threshold(good, name):
    one, text = found(name, good), found(name, good).explanation
    shown = {"warm_up": f"{one.value:.1%}", "costs": f"{one.value:+.2%}", "best_trades": f"{one.value:.4f}"}
    limit = {"warm_up": "80%", "start": f"{one.threshold:.2f}", "look_ahead": "0 are allowed"}
    assert shown.get(name, f"{one.value:.0f}" if name == "look_ahead" else f"{one.value:.2f}") in text
    assert limit.get(name, "more than 0 is needed") in text


def test_a_subject_must_be_whole():
    shard = waves()
    bank = FeatureBank(shard)
    with pytest.raises(UsageError, match="had 1 shards, 2 tuples of windows and 1 banks"):
        Subject(phenotype_of(CROSS), (shard,), ((), ()), CHEAP, (bank,))
    with pytest.raises(UsageError, match="had 0 shards, 0 tuples of windows and 0 banks"):
        Subject(phenotype_of(CROSS), (), (), CHEAP, ())
    with pytest.raises(DataError, match="must lie within the 700 bars"):
        subject(CROSS, shard, windows=((100, 701),))
    with pytest.raises(UsageError, match="`bank` must hold the columns of WAVES"):
        Subject(phenotype_of(CROSS), (shard,), ((),), CHEAP, (FeatureBank(waves(seed=9)),))


# The runs that all checks compare with


def test_runs_are_traces(good):
    """Sharpe, positions, profits and trades are those of `trace` and `pool_measures`, also for learners and sizes."""
    shard = shard_of(random_walk(3, 600), "RW", "1d", bars_per_year=252.0)
    sized = dataclasses.replace(CROSS, size=Size("volatility", 0.2))
    for strategy in (CROSS, sized, TEMPLATES["macd"], TEMPLATES["logistic_momentum"]):
        one = subject(strategy, shard, windows=((150, 300), (310, 560)))
        traces = [trace(one.phenotype, shard, window, CHEAP, one.banks[0]) for window in one.windows[0]]
        assert one.sharpe == pytest.approx(pool_measures(traces)["sharpe"])
        assert one.n_trades == sum(len(each.trades) for each in traces) > 3
        for run, each in zip(one.runs[0], traces, strict=True):
            assert np.array_equal(run.returns, each.returns)
            assert np.array_equal(run.positions(), each.positions)
            assert np.array_equal(run.profits(), each.trades["profit_share"])


@pytest.mark.parametrize("n_bars", [0, 1, 2, 63])
def test_a_delayed_act_decides_what_the_act_decided_before(n_bars):
    for strategy in (CROSS, dataclasses.replace(CROSS, size=Size("volatility", 0.2))):
        act = subject(strategy, waves()).acts[0]
        late, n = delayed(act, n_bars), act.shard.n_bars
        before, after = unpack(act.masks, n), unpack(late.masks, n)
        assert np.array_equal(after[:, n_bars:], before[:, : n - n_bars])
        assert not after[:, :n_bars].any()
        assert np.array_equal(pack(after), late.masks)  # no bit beyond the last bar
        assert before.any()
        if act.scale.size:
            assert np.array_equal(late.scale[n_bars:], act.scale[: n - n_bars], equal_nan=True)
            assert np.isnan(late.scale[:n_bars]).all()


def test_missed_entries_are_entries_alone():
    act = subject(CROSS, waves()).acts[0]
    missed = np.random.default_rng(1).random(act.shard.n_bars) < 0.3
    before, after = unpack(act.masks, missed.size), unpack(without_entries(act, pack(missed)).masks, missed.size)
    assert np.array_equal(after[[0, 2]], before[[0, 2]] & ~missed)
    assert np.array_equal(after[[1, 3]], before[[1, 3]])


# look_ahead


@pytest.mark.parametrize("species", ["ta", "ml", "hybrid"])
def test_nothing_that_evolves_looks_ahead(species):
    shard = shard_of(random_walk(5, 500), "RW", "1d", bars_per_year=252.0)
    n_judged = 0
    for row in express(random_genomes(10, np.random.default_rng(8), species=species)):
        one = dataclasses.replace(subject(CROSS, shard), phenotype=row)
        if one.n_trades:
            assert found("look_ahead", one).passed
            n_judged += 1
    assert n_judged > 2


@pytest.mark.parametrize("fill", [np.nan, "last"])
def test_an_operand_that_reads_the_next_bar_is_caught(monkeypatch, fill):
    """Also one that has something to say at the last bar, where there is no next one."""
    honest = bank_module.columns_of

    def peeking(*arguments):
        return {
            kind: np.append(values[1:], values[-1] if fill == "last" else fill)
            for kind, values in honest(*arguments).items()
        }

    monkeypatch.setattr(bank_module, "columns_of", peeking)
    caught = found("look_ahead", subject(CROSS, waves()))
    assert caught.value > 0.0
    assert not caught.passed


def test_a_size_that_knows_the_future_is_caught(monkeypatch):
    honest = bank_module.inverse_volatility
    sized = dataclasses.replace(CROSS, size=Size("volatility", 0.2))
    assert found("look_ahead", subject(sized, waves())).passed

    def of_all_bars(close, bars_per_year):
        return honest(close, bars_per_year) * close[-1] / close

    monkeypatch.setattr(bank_module, "inverse_volatility", of_all_bars)
    caught = found("look_ahead", subject(sized, waves()))
    assert caught.value > 1000.0  # at every bar before each cut, also where it holds nothing
    assert not caught.passed


# warm_up


def test_a_rule_on_a_window_does_not_depend_on_older_bars(good):
    one = found("warm_up", good)
    assert one.value == 1.0
    assert "With up to 88 bars less" in one.explanation  # 100 in front, SMA(12) needs 12


def test_an_operand_that_counts_from_the_first_bar_fails(monkeypatch):
    def counting(kind, _source, _parameters, bars, *_):
        return {kind: np.sin(np.arange(bars.close.size) / 5.0)}

    monkeypatch.setattr(bank_module, "columns_of", counting)
    rule = Rule((Condition(Operand("SMA", "close", (4.0,)), ">", Operand("PRICE", "close", (), lag=9)),), 1)
    counts = subject(dataclasses.replace(CROSS, entry=rule), waves())
    assert found("warm_up", counts).value < 0.8
    assert not found("warm_up", counts).passed


def test_without_history_in_front_there_is_nothing_to_tell():
    one = found("warm_up", subject(CROSS, waves(), windows=((0, 300),)))
    assert not one.passed
    assert "no history in front" in one.explanation


def test_history_is_what_the_longest_operand_needs():
    shard = waves()
    needed = [history_needed(phenotype_of(CROSS), shard, n) for n in (100, 13, 12, 8, 0)]
    assert needed == [12, 12, 12, 6, 0]
    lagged = dataclasses.replace(CROSS, exit=Rule((Condition(Operand("SMA", "close", (12.0,), lag=5), "<", CLOSE),), 1))
    assert history_needed(phenotype_of(lagged), shard, 100) == 17
    assert history_needed(phenotype_of(TEMPLATES["logistic_momentum"]), shard, 400) >= 300
    learner = dataclasses.replace(
        TEMPLATES["logistic_momentum"].learners[0], features=(Operand("SMA", "close", (200.0,)),)
    )
    learns = dataclasses.replace(CROSS, learners=(learner,))
    assert [history_needed(phenotype_of(learns), shard, n) for n in (220, 400, 160)] == [200, 300, 120]
    gated = dataclasses.replace(CROSS, gate=TEMPLATES["regime_breakout"].gate)
    assert history_needed(phenotype_of(gated), shard, 650) > 100
    weekly = dataclasses.replace(
        CROSS, exit=Rule((Condition(Operand("SMA", "close", (12.0,), timeframe=1), "<", CLOSE),), 1)
    )
    assert 7 * 11 < history_needed(phenotype_of(weekly), shard, 650) <= 7 * 13


def test_a_tail_is_the_shard_without_its_first_bars():
    shard = waves()
    shorter = tail(shard, 50)
    assert shorter.n_bars == 650
    assert np.array_equal(shorter.close, shard.close[50:])
    assert shorter.timestamps[0] == shard.timestamps[50]
    assert tail(shard, 0).content_hash == shard.content_hash != shorter.content_hash


# delay


def test_an_edge_of_the_very_next_bar_does_not_survive_a_delay():
    """Dips are bought at each close after a fall: one bar later it is bought after each rise."""
    one = subject(BUY_DIPS, zigzag(0.01))
    assert one.sharpe > 10.0
    late = found("delay", one)
    assert late.value < -10.0
    assert not late.passed


def test_a_delayed_sharpe_is_that_of_a_strategy_that_reads_a_bar_further_back():
    """All lags one higher is a delay by one bar: the closed form."""
    now, later = (subject(crossing(lag), waves(seed=4)) for lag in (0, 1))
    assert found("delay", now).value == later.sharpe != now.sharpe


def crossing(lag):
    """`CROSS`, read some bars back."""
    fast, slow = (Operand("SMA", "close", (period,), lag=lag) for period in (4.0, 12.0))
    return dataclasses.replace(
        CROSS, entry=Rule((Condition(fast, ">", slow),), 1), exit=Rule((Condition(fast, "<", slow),), 1)
    )


# costs


def test_an_edge_below_twice_the_costs_is_refused():
    """0.1 % a trade before costs; a round trip costs 0.06 % or, doubled, 0.12 %."""
    costs = Costs.from_bps(fee_bps=2.0, slippage_bps=1.0)
    thin, thick = (subject(BUY_DIPS, zigzag(size), costs=costs) for size in (0.001, 0.002))
    assert thin.sharpe > 0.0
    assert not found("costs", thin).passed
    assert found("costs", thick).passed


def test_doubled_costs_are_those_of_a_back_test_with_twice_the_costs(good):
    twice = Costs.from_bps(fee_bps=2.0, slippage_bps=2.0)
    traces = [
        trace(good.phenotype, shard, window, twice, bank)
        for shard, windows, bank in zip(good.shards, good.windows, good.banks, strict=True)
        for window in windows
    ]
    assert found("costs", good).value == pytest.approx(pool_measures(traces)["total_return"])


def test_costs_of_nothing_are_said_to_show_nothing():
    one = found("costs", subject(CROSS, waves(), costs=FREE))
    assert one.passed
    assert "doubling them shows nothing" in one.explanation


@pytest.mark.parametrize("funding", [0.1, -0.1, 0.0])
def test_what_is_paid_for_holding_goes_up_and_what_is_received_does_not(funding):
    was = Costs(0.001, 0.002, fee_per_unit=0.01, spread_volatility=0.1, impact=0.5, borrow=0.03, funding=funding)
    now = dearer(was, fees=2.0, slippage=3.0, holding=2.0)
    assert (now.fee, now.fee_per_unit) == (0.002, 0.02)
    assert (now.slippage, now.spread_volatility, now.impact) == pytest.approx((0.006, 0.3, 1.5))
    for before, after, borrowed in (  # what a long pays, what a short pays, of it for borrowing
        (was.funding, now.funding, 0.0),
        (was.borrow - was.funding, now.borrow - now.funding, 0.03),
    ):
        paid = before - borrowed
        assert after == pytest.approx(2.0 * borrowed + (2.0 * paid if paid > 0.0 else paid))
    assert dearer(was, fees=1.0, slippage=1.0, holding=1.0) == was


def test_costs_stay_within_what_a_market_knows():
    assert dearer(Costs(0.9, 0.4), fees=3.0, slippage=3.0, holding=1.0).fee < 1.0
    half = dearer(Costs(0.0, 0.0, borrow=0.02, funding=-0.1), fees=0.5, slippage=0.5, holding=0.5)
    assert (half.borrow, half.funding) == (0.01, -0.05)


# best_trades and start


def test_a_strategy_that_lives_off_one_trade_is_refused():
    """Always long from day to day; prices fall by a little each day, but for one."""
    returns = np.full(450, -0.0005)
    daily = dataclasses.replace(HOLD, time_stop=1)
    assert not found("best_trades", subject(daily, shard_from(returns))).passed
    returns[300:302] = 0.3  # a day on which it holds
    lucky = found("best_trades", subject(daily, shard_from(returns)))
    assert not lucky.passed
    assert lucky.value < 0.0
    assert found("costs", subject(daily, shard_from(returns))).passed
    assert found("best_trades", subject(daily, shard_from(np.full(450, 0.002)))).passed


def test_profits_without_the_best_are_counted_by_hand(good):
    profits = sorted(value for runs in good.runs for run in runs for value in run.profits())
    assert 20 < len(profits) < 40
    one = found("best_trades", good)
    assert one.value == pytest.approx(sum(profits[:-2]))
    assert "the best 2 trades" in one.explanation
    single = subject(HOLD, shard_from(np.full(450, 0.001)), windows=((100, 400),))
    assert found("best_trades", single).value == 0.0  # without its only trade nothing is left
    assert not found("best_trades", single).passed


def test_a_strategy_that_needs_its_first_bar_is_refused():
    """Ten bars long, eleven flat, whenever it begins, on prices that rise for ten bars and fall for eleven."""
    phase = (np.arange(450) - 102) % 21
    shard = shard_from(np.where(phase < 10, 0.01, -0.009))
    lucky = subject(dataclasses.replace(HOLD, time_stop=10, cooldown=10), shard, windows=((100, 400),))
    assert lucky.sharpe > 3.0
    one = found("start", lucky)
    assert one.value < 0.0
    assert one.threshold == 0.5 * lucky.sharpe
    assert not one.passed


def test_windows_may_be_shorter_than_the_latest_start():
    one = found("start", subject(CROSS, waves(), windows=((100, 250), (300, 310))))
    assert math.isfinite(one.value)


def test_a_loss_does_not_pass_for_being_half_a_loss():
    """A fall on the first bar that can be held, and hardly anything after it."""
    returns = 0.01 * np.where(np.arange(450) % 2, 1.0, -1.0) - 0.0001
    returns[101] = -0.3
    losing = subject(dataclasses.replace(HOLD, stop=Distance("percent", 90.0)), shard_from(returns))
    losing = dataclasses.replace(losing, windows=(losing.windows[0][:1],))
    one = found("start", losing)
    assert one.threshold < one.value < 0.0
    assert not one.passed
