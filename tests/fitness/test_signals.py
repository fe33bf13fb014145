"""Signals: they say what the kernel then does, see nothing of the future, and their figures are what they claim."""

from dataclasses import replace

import numpy as np
import pytest

from evolution.genome_strategy import GenomeStrategy
from fitness.bank import FeatureBank
from fitness.costs import Costs
from fitness.folds import Window
from fitness.played import trace_any
from fitness.samples import random_walk
from fitness.shard import Shard, bars_hash
from fitness.shards import load_shard, write_shard
from fitness.signals import LEAST_TRADES, bootstrap_interval, signal, volatility_rank
from fitness.tally import ExitReason
from strategies.errors import DataError
from strategies.modules import load_module_strategies
from strategies.strategy import Breaker, Condition, Distance, Learner, Operand, Rule, Size, Strategy
from strategies.templates import TEMPLATES

COSTS = Costs.from_bps(fee_bps=5.0, slippage_bps=2.0)
AT_OPEN = (ExitReason.EXIT, ExitReason.TIME)
FAST, SLOW = Operand("SMA", "close", (5.0,)), Operand("SMA", "close", (15.0,))
CROSS = Strategy("both", Rule((Condition(FAST, ">", SLOW),), 1), Rule((Condition(FAST, "<", SLOW),), 1), None)
LEARNER = Learner("logistic", "direction", 3, (0.05, 0.001), (Operand("RSI", "close", (14.0,)),), weight=1, trust=0.02)
LEARNT = replace(CROSS, entry=Rule((), 1), stop=Distance("atr", 3.0), size=Size("confidence", 0.9), time_stop=6,
                 learners=(LEARNER, replace(LEARNER, algorithm="naive_bayes", hyper=(200.0,))))  # fmt: skip
CASES = {
    "sma_cross": TEMPLATES["sma_cross"],
    "donchian_breakout": TEMPLATES["donchian_breakout"],
    "rsi_reversion": TEMPLATES["rsi_reversion"],
    "orders": replace(CROSS, stop=Distance("atr", 2.0), target=Distance("atr", 3.0), trail=Distance("percent", 4.0),
                      time_stop=9, cooldown=3, size=Size("risk", 0.01)),
    "breaker": replace(CROSS, stop=Distance("percent", 2.0), breaker=Breaker(0.03, 25), size=Size("volatility", 0.2)),
    "kelly": replace(CROSS, direction="long", stop=Distance("percent", 5.0), size=Size("kelly", 0.5)),
}  # fmt: skip


@pytest.fixture(scope="module")
def shard(tmp_path_factory):
    root = tmp_path_factory.mktemp("store")
    write_shard(random_walk(7, 700), root, "RW", "1d", calendar="24/5")
    return load_shard(root, "RW", "1d")


@pytest.fixture(scope="module")
def bank(shard):
    return FeatureBank(shard)


def what_happened(result, bar):
    """What a full run did at the open of the bar after `bar`: action and side."""
    entered = result.trades[result.trades["entry_bar"] == bar + 1]
    held = result.trades[(result.trades["entry_bar"] <= bar) & (result.trades["exit_bar"] > bar)]
    left = [row for row in held if row["exit_bar"] == bar + 1 and row["exit_reason"] in AT_OPEN]
    sides = {1: "long", -1: "short"}
    if len(entered):
        return "reverse" if left else "enter", sides[int(entered[0]["side"])]
    if len(held):
        return "exit" if left else "hold", sides[int(held[0]["side"])]
    return "none", None


@pytest.mark.parametrize("name", CASES)
def test_a_signal_says_what_the_kernel_then_does(name, shard, bank):
    strategy = GenomeStrategy.of_rules(CASES[name], name)
    result = trace_any(strategy, shard, Window("all", 0, shard.n_bars), COSTS, bank)
    seen = set()
    for bar in range(40, shard.n_bars - 2, 9):
        found = signal(strategy, shard, COSTS, bank, bar)
        assert (found.action, found.side) == what_happened(result, bar), bar
        seen.add(found.action)
    assert {"enter", "hold", "none"} & seen
    assert len(seen) >= 2


@pytest.mark.parametrize("name", CASES)
def test_orders_lie_where_the_kernel_has_them(name, shard, bank):
    """A position that a stop or target takes within the next bar is left at the price that the signal named."""
    strategy = GenomeStrategy.of_rules(CASES[name], name)
    result = trace_any(strategy, shard, Window("all", 0, shard.n_bars), COSTS, bank)
    n_compared = 0
    for row in result.trades:
        bar, side = int(row["exit_bar"]), int(row["side"])
        if row["entry_bar"] == bar or row["exit_reason"] not in (ExitReason.STOP, ExitReason.TRAIL, ExitReason.TARGET):
            continue
        found = signal(strategy, shard, COSTS, bank, bar - 1)
        if row["exit_reason"] == ExitReason.TARGET:
            gapped = side * (shard.open[bar] - found.target_price) > 0
            expected = shard.open[bar] if gapped else found.target_price
        else:
            gapped = side * (shard.open[bar] - found.stop_price) < 0
            expected = (shard.open[bar] if gapped else found.stop_price) * (1 - side * COSTS.slippage)
        assert row["exit_price"] == pytest.approx(expected, rel=1e-12)
        n_compared += 1
    assert n_compared or name in ("sma_cross", "rsi_reversion")


@pytest.mark.parametrize("name", ["orders", "breaker", "sma_cross"])
def test_later_bars_change_nothing(name, shard, bank):
    strategy = GenomeStrategy.of_rules(CASES[name], name)
    for bar in (5, 123, 400, 698):
        head = shard.head(bar + 1)
        assert signal(strategy, shard, COSTS, bank, bar) == signal(strategy, head, COSTS, FeatureBank(head))


def test_code_and_template_give_the_same_signal(shard, bank):
    (code,) = load_module_strategies("strategies.examples.sma_cross")
    template = GenomeStrategy.of_rules(TEMPLATES["sma_cross"], "sma_cross")
    for bar in (60, 200, 511):
        assert signal(code, shard, COSTS, bank, bar) == signal(template, shard, COSTS, bank, bar)


def test_figures_are_in_their_ranges_and_follow_from_each_other(shard, bank):
    held = 0
    for name, rules in CASES.items():
        for bar in (150, 333, 500, 640):
            found = signal(GenomeStrategy.of_rules(rules, name), shard, COSTS, bank, bar)
            assert 0.0 <= found.risk_score <= 1.0
            assert found.max_position >= 0.0
            if found.action in ("none", "exit"):
                assert (found.max_position, found.risk_score, found.stop_price) == (0.0, 0.0, None)
                continue
            held += 1
            assert found.stop_distance == pytest.approx(abs(found.price - found.stop_price))
            assert found.loss_at_stop == pytest.approx(found.max_position * found.stop_distance / found.price)
            loss = min(found.loss_at_stop / 0.1, 1.0)
            assert found.risk_score == pytest.approx((loss + found.volatility_rank) / 2)
            below = found.stop_price < found.price
            assert below == (found.side == "long")
            if found.action == "enter":
                assert found.max_position <= COSTS.leverage_cap
    assert held > 5


def test_size_at_risk_is_what_is_lost_at_the_stop(shard, bank):
    """A size of 0.1 % at risk: what the signal says is lost at the stop is that, fees apart."""
    rules = replace(CROSS, stop=Distance("atr", 2.0), size=Size("risk", 0.001))
    strategy = GenomeStrategy.of_rules(rules)
    entered = [one for one in (signal(strategy, shard, COSTS, bank, bar) for bar in range(50, 400, 3))
               if one.action in ("enter", "reverse")]  # fmt: skip
    assert len(entered) > 3
    assert [one.loss_at_stop for one in entered] == pytest.approx([0.001] * len(entered), rel=1e-9)


def test_past_trades_are_those_that_had_ended(shard, bank):
    strategy = GenomeStrategy.of_rules(CASES["orders"])
    result = trace_any(strategy, shard, Window("all", 0, shard.n_bars), COSTS, bank)
    n_before, n_intervals = 0, 0
    for bar in (30, 200, 350, 600):
        ended = result.trades[result.trades["exit_bar"] <= bar]
        found = signal(strategy, shard, COSTS, bank, bar)
        assert found.n_trades == len(ended) >= n_before
        n_before = len(ended)
        if len(ended):
            assert found.expected_return == pytest.approx(ended["profit_share"].mean(), rel=1e-12)
        assert (found.interval is None) == (len(ended) < LEAST_TRADES) == bool(found.note)
        if found.interval is not None:
            assert found.interval[0] < found.expected_return < found.interval[1]
            n_intervals += 1
    assert n_intervals
    assert "no interval: rests on 0 closed trades, fewer than 10" in signal(strategy, shard, COSTS, bank, 5).note


def waves(n_bars=700):
    """Prices that a learner can learn: they swing, with noise on top."""
    noise = np.random.default_rng(3).normal(0.0, 0.004, (4, n_bars))
    close = 100.0 * np.exp(0.08 * np.sin(np.arange(n_bars) / 8.0) + noise[0])
    open_ = close * np.exp(noise[1])
    values = {"open": open_, "high": np.maximum(open_, close) * (1.0 + abs(noise[2])),
              "low": np.minimum(open_, close) * (1.0 - abs(noise[3])), "close": close,
              "volume": np.full(n_bars, 1e6)}  # fmt: skip
    stamps = np.arange(n_bars) * 86_400_000_000
    return Shard("WAVE", "1d", stamps, **values, bars_per_year=252.0, quality=1.0,
                 content_hash=bars_hash("WAVE", "1d", stamps, values))  # fmt: skip


def test_a_signal_has_the_confidence_of_the_learners_and_the_size_it_gives(shard, bank):
    """It is the mean of the learners' own, by their votes, and what the size is multiplied by."""
    swings = waves()
    swing_bank, strategy = FeatureBank(swings), GenomeStrategy.of_rules(LEARNT)
    result = trace_any(strategy, swings, Window("all", 0, swings.n_bars), COSTS, swing_bank)
    alone = [GenomeStrategy.of_rules(replace(LEARNT, learners=(one,))) for one in LEARNT.learners]
    n_entered = 0
    for bar in range(150, swings.n_bars - 2, 11):
        found = signal(strategy, swings, COSTS, swing_bank, bar)
        assert (found.action, found.side) == what_happened(result, bar)
        each = [signal(one, swings, COSTS, swing_bank, bar).confidence for one in alone]
        assert found.confidence == pytest.approx(np.mean(each), rel=1e-12)
        if found.action in ("enter", "reverse"):
            assert found.max_position == pytest.approx(0.9 * found.confidence, rel=1e-2)
            n_entered += 1
    assert n_entered > 3
    assert signal(GenomeStrategy.of_rules(CASES["kelly"]), shard, COSTS, bank).confidence is None


def test_trading_may_begin_later(shard, bank):
    strategy = GenomeStrategy.of_rules(CASES["orders"])
    found = signal(strategy, shard, COSTS, bank, 650, start=600)
    result = trace_any(strategy, shard, Window("late", 600, shard.n_bars), COSTS, bank)
    assert found.n_trades == np.count_nonzero(result.trades["exit_bar"] <= 650)
    assert (found.action, found.side) == what_happened(result, 650)


@pytest.mark.parametrize("bar", [700, -701])
def test_a_bar_that_is_not_there_is_named(shard, bank, bar):
    with pytest.raises(DataError, match=rf"must be of a bar from 0 to 699 of RW 1d, but was of {bar}"):
        signal(GenomeStrategy.of_rules(CASES["kelly"]), shard, COSTS, bank, bar)


def test_the_bootstrap_interval_is_that_of_students_t_where_that_holds():
    """For many normal returns the percentile interval nears mean plus or minus 1.645 standard errors."""
    returns = np.random.default_rng(1).normal(0.002, 0.03, 800)
    low, high = bootstrap_interval(returns)
    half = 1.645 * returns.std(ddof=1) / np.sqrt(800)
    assert low == pytest.approx(returns.mean() - half, abs=0.08 * half)
    assert high == pytest.approx(returns.mean() + half, abs=0.08 * half)
    assert bootstrap_interval(returns) == (low, high)
    assert bootstrap_interval(returns[: LEAST_TRADES - 1]) is None


def test_the_bootstrap_interval_covers_the_mean_as_often_as_it_says():
    """At 90 %, of 60 samples of 40 trades, about 54 cover the truth; the chance of fewer than 46 is below 0.001."""
    rng = np.random.default_rng(2)
    intervals = [bootstrap_interval(rng.normal(0.01, 0.05, 40)) for _ in range(60)]
    assert 46 <= sum(low <= 0.01 <= high for low, high in intervals) <= 60


def test_bootstrap_of_equal_returns_is_a_point():
    assert bootstrap_interval(np.full(12, 0.25)) == (0.25, 0.25)


@pytest.mark.parametrize(
    ("values", "rank"),
    [
        (np.arange(1.0, 101.0), 1.0),
        (np.arange(100.0, 0.0, -1.0), 0.01),
        (np.ones(50), 1.0),
        (np.concatenate([np.full(30, np.nan), np.arange(1.0, 41.0), [20.5]]), 21 / 41),
        (np.ones(19), 1.0),
        (np.append(np.arange(50.0), np.nan), 1.0),
    ],
)
def test_volatility_rank(values, rank):
    assert volatility_rank(values, 252.0) == pytest.approx(rank)


def test_volatility_rank_looks_one_year_back():
    values = np.concatenate([np.full(500, 9.0), np.linspace(1.0, 2.0, 251), [1.5]])
    assert volatility_rank(values, 252.0) == pytest.approx(0.5, abs=0.01)
