"""Pools: one series is itself, order is irrelevant, timestamps align, measures agree with the kernel's."""

import math
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fitness import bank as bank_module
from fitness.bank import FeatureBank
from fitness.costs import Costs
from fitness.evaluate import evaluate
from fitness.folds import Window
from fitness.measures import MEASURES, measure
from fitness.pooled import Segment, equity, pool, pool_measures, pool_tally, pooled_sharpes, trial_variance
from fitness.samples import random_walk
from fitness.shards import shard_of
from fitness.statistics import moments
from fitness.tally import Tally
from fitness.trace import trace
from strategies.codec import express
from strategies.errors import UsageError
from strategies.genes import COLUMN
from strategies.operands import column
from strategies.sampler import random_genomes

COSTS = Costs.from_bps(fee_bps=5, slippage_bps=2)


@dataclass(frozen=True)
class Returns:
    timestamps: np.ndarray
    returns: np.ndarray
    bars_per_year: float = 252.0


@st.composite
def series(draw):
    """One to five series on overlapping days."""
    rng = np.random.default_rng(draw(st.integers(0, 10**6)))
    made = []
    for _ in range(draw(st.integers(1, 5))):
        days = np.sort(rng.choice(60, size=rng.integers(1, 50), replace=False)).astype(np.int64)
        made.append(Returns(days, rng.normal(0, 0.01, days.size), float(rng.choice([252.0, 365.0]))))
    return made


@given(series())
def test_one_series_is_its_own_pool(made):
    whole = pool(made[:1])
    assert np.array_equal(whole.timestamps, made[0].timestamps)
    assert np.array_equal(whole.returns, made[0].returns)
    assert whole.bars_per_year == made[0].bars_per_year


@given(series(), st.randoms())
def test_the_order_of_series_is_irrelevant(made, random):
    shuffled = made.copy()
    random.shuffle(shuffled)
    one, other = pool(made), pool(shuffled)
    assert np.array_equal(one.timestamps, other.timestamps)
    assert np.array_equal(one.returns, other.returns)
    assert one.bars_per_year == other.bars_per_year


@given(series())
def test_each_timestamp_has_the_mean_of_those_that_trade_then(made):
    whole = pool(made)
    by_day = {}
    for each in made:
        for day, value in zip(each.timestamps.tolist(), each.returns.tolist(), strict=True):
            by_day.setdefault(day, []).append(value)
    assert whole.timestamps.tolist() == sorted(by_day)
    assert whole.returns == pytest.approx([sum(by_day[day]) / len(by_day[day]) for day in sorted(by_day)])
    rates = [each.bars_per_year for each in made]
    assert min(rates) <= whole.bars_per_year <= max(rates) + 1e-9


def test_the_busiest_calendar_sets_the_years():
    weekdays = np.array([day for day in range(364) if day % 7 < 5], dtype=np.int64)
    every_day = np.arange(364, dtype=np.int64)
    both = pool([Returns(weekdays, np.zeros(260), 260.0), Returns(every_day, np.zeros(364), 364.0)])
    assert both.bars_per_year == pytest.approx(364.0)


def test_an_empty_pool_is_refused():
    with pytest.raises(UsageError, match="a pool must have at least one return series, but was given none"):
        pool([])


@pytest.fixture(scope="module")
def shards():
    return [shard_of(random_walk(seed, 500), f"RW{seed}", "1d", bars_per_year=252.0) for seed in (1, 2)]


@pytest.fixture(scope="module")
def segments(shards):
    windows = (Window("fold 0", 100, 290), Window("fold 1", 295, 480))
    return [Segment(shard, windows, FeatureBank(shard)) for shard in shards]


@pytest.fixture(scope="module")
def rows():
    return express(random_genomes(25, np.random.default_rng(12)))


def traces_of(row, segments, costs=COSTS):
    return [
        trace(row, segment.shard, window, costs, segment.bank) for segment in segments for window in segment.windows
    ]


def test_the_tally_of_returns_gives_the_measures_of_the_kernel(shards, rows):
    shard = shards[0]
    window = Window("all", 100, 500)
    bank = FeatureBank(shard)
    for row, tally in zip(rows, evaluate(rows, shard, [window], COSTS, bank)[:, 0], strict=True):
        found = trace(row, shard, window, COSTS, bank)
        again = pool_measures([found])
        assert set(again) == set(MEASURES)
        for name, value in again.items():
            assert value == pytest.approx(float(measure(name, tally, 252.0)), rel=1e-6, abs=1e-9, nan_ok=True), name
        copied = pool_tally(found.returns)
        for field in (
            Tally.N_BARS,
            Tally.GROWTH,
            Tally.PEAK_GROWTH,
            Tally.TROUGH_GROWTH,
            Tally.MAX_DRAWDOWN,
            Tally.SUM_DOWN2,
        ):
            assert copied[field] == pytest.approx(tally[field], rel=1e-9, abs=1e-12), field


def test_counts_add_up_over_shards(segments, rows):
    tallies = np.concatenate(
        [evaluate(rows, segment.shard, segment.windows, COSTS, segment.bank) for segment in segments], axis=1
    )
    for row, cells in zip(rows, tallies, strict=True):
        found = pool_measures(traces_of(row, segments))
        assert found["n_trades"] == cells[:, Tally.N_TRADES].sum()
        assert found["exposure"] == pytest.approx(cells[:, Tally.BARS_HELD].sum() / cells[:, Tally.N_BARS].sum())
        assert found["turnover"] == pytest.approx(cells[:, Tally.TURNOVER].sum() / (750 / 252.0))
        if found["n_trades"]:
            assert found["worst_trade"] == cells[:, Tally.WORST_TRADE].min()


def test_pooled_sharpes_are_those_of_the_pooled_traces(segments, rows):
    expected = [moments(pool(traces_of(row, segments)).returns).sharpe for row in rows]
    found = pooled_sharpes(rows, segments, COSTS)
    assert found == pytest.approx(np.array(expected), nan_ok=True, rel=1e-9)
    assert np.isfinite(found).sum() >= 5
    defined = [value for value in expected if not math.isnan(value)]
    mean = sum(defined) / len(defined)
    plain = sum((value - mean) ** 2 for value in defined) / (len(defined) - 1)
    assert trial_variance(found) == pytest.approx(plain)


def test_the_ruined_earn_nothing_any_more(segments, rows):
    ruinous, rows = Costs(fee=0.3, slippage=0.0, leverage_cap=20.0), rows.copy()
    for name, value in {"stop_kind": 1.0, "stop": 0.5, "size_kind": 1.0, "size": 0.05}.items():
        rows[:, COLUMN[f"risk.{name}"]] = value  # many units, because the stop is near
    traces = [traces_of(row, segments, ruinous) for row in rows]
    assert any(one.tally[Tally.RUINED] for of_row in traces for one in of_row)
    expected = [moments(pool(of_row).returns).sharpe for of_row in traces]
    assert pooled_sharpes(rows, segments, ruinous) == pytest.approx(np.array(expected), nan_ok=True, rel=1e-9)


def test_pooled_sharpes_do_not_depend_on_company_or_budget(shards, segments, rows):
    found = pooled_sharpes(rows, segments, COSTS)
    tight = [Segment(segment.shard, segment.windows, FeatureBank(segment.shard, 0)) for segment in segments]
    assert np.array_equal(pooled_sharpes(rows, tight, COSTS), found, equal_nan=True)
    for some in (slice(0, 1), slice(1, 9)):
        assert np.array_equal(pooled_sharpes(rows[some], segments, COSTS), found[some], equal_nan=True)


def test_a_strategy_whose_operand_fails_has_no_sharpe(segments, rows, monkeypatch):
    found = pooled_sharpes(rows, segments, COSTS)
    banks = [FeatureBank(segment.shard) for segment in segments]
    trader = int(np.flatnonzero(np.isfinite(found))[0])
    broken = int(rows[trader, COLUMN["entry.0.left.kind"]])

    def sometimes(kind, source, parameters, bars):
        if kind == broken:
            raise RuntimeError("the library failed")
        return {kind: column(kind, source, parameters, bars)}

    monkeypatch.setattr(bank_module, "columns_of", sometimes)
    fresh = [Segment(segment.shard, segment.windows, bank) for segment, bank in zip(segments, banks, strict=True)]
    without = pooled_sharpes(rows, fresh, COSTS)
    failed = np.isnan(without) & np.isfinite(found)
    assert failed[trader]
    assert np.array_equal(without[~failed], found[~failed], equal_nan=True)


def test_the_variance_of_less_than_two_trials_is_unknown():
    assert math.isnan(trial_variance(np.array([0.1, np.nan])))
    assert math.isnan(trial_variance(np.array([])))


def test_equity_compounds():
    assert equity(np.array([0.5, -0.5, 0.0])).tolist() == [1.5, 0.75, 0.75]
    empty = pool_tally(np.array([]))
    assert empty[Tally.GROWTH] == 1.0
    assert pool_tally(np.array([0.1, -1.0, 0.0]))[Tally.RUINED] == 1.0
