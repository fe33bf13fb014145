"""Returns of many trials: those of each one's trace, whatever the batch; samples that know no merit."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fitness import bank as bank_module
from fitness import pooled as pooled_module
from fitness.bank import FeatureBank
from fitness.costs import Costs
from fitness.excess import timing_returns
from fitness.folds import Window
from fitness.pooled import Segment, pool, pooled_sharpes, pooled_timestamps
from fitness.samples import random_walk
from fitness.shards import shard_of
from fitness.statistics import moments
from fitness.trace import trace
from fitness.trial_returns import even_sample, trial_returns, trial_sharpes
from strategies.codec import express
from strategies.errors import UsageError
from strategies.genes import COLUMN
from strategies.operands import column
from strategies.sampler import random_genomes

COSTS = Costs.from_bps(fee_bps=5, slippage_bps=2, start_equity=1e5)


@pytest.fixture(scope="module")
def segments():
    windows = (Window("fold 0", 100, 290), Window("fold 1", 295, 480))
    shards = [shard_of(random_walk(seed, 500), f"RW{seed}", "1d", bars_per_year=252.0) for seed in (1, 2)]
    return [Segment(shard, windows, FeatureBank(shard)) for shard in shards]


@pytest.fixture(scope="module")
def rows():
    return express(random_genomes(30, np.random.default_rng(12)))


def traced(row, segments, benchmark):
    series = []
    for segment in segments:
        traces = [trace(row, segment.shard, window, COSTS, segment.bank) for window in segment.windows]
        series += timing_returns(traces, segment.shard, benchmark=benchmark, start_equity=COSTS.start_equity)
    return pool(series)


@pytest.mark.parametrize("benchmark", ["passive", "cash"])
def test_a_population_has_the_returns_of_its_traces(rows, segments, benchmark):
    found = trial_returns(rows, segments, COSTS, benchmark=benchmark)
    assert np.count_nonzero(found.any(axis=1)) > 10
    for row, mine in zip(rows, found, strict=True):
        whole = traced(row, segments, benchmark)
        assert mine == pytest.approx(whole.returns, rel=1e-9, abs=1e-14)
        assert np.array_equal(pooled_timestamps(segments), whole.timestamps)


def test_the_benchmark_matters(rows, segments):
    passive, cash = (trial_returns(rows, segments, COSTS, benchmark=name) for name in ("passive", "cash"))
    moved = cash.any(axis=1)
    assert (passive[moved] != cash[moved]).any(axis=1).all()
    assert np.array_equal(passive[~moved], cash[~moved])


def test_batches_change_no_bit(rows, segments, monkeypatch):
    whole = trial_returns(rows, segments, COSTS)
    monkeypatch.setattr(pooled_module, "_BATCH_VALUES", 4 * 750)
    assert np.array_equal(whole, trial_returns(rows, segments, COSTS))
    backwards = trial_returns(rows[::-1], segments, COSTS)
    assert np.array_equal(whole, backwards[::-1])


def test_sharpes_are_those_of_the_returns(rows, segments):
    expected = [moments(row).sharpe for row in trial_returns(rows, segments, COSTS)]
    assert np.array_equal(trial_sharpes(rows, segments, COSTS), expected, equal_nan=True)
    cash = trial_sharpes(rows, segments, COSTS, benchmark="cash")
    assert np.array_equal(cash, pooled_sharpes(rows, segments, COSTS), equal_nan=True)


def test_a_strategy_whose_operand_fails_is_nan_and_no_other(rows, segments, monkeypatch):
    found = trial_returns(rows, segments, COSTS)
    trader = int(np.flatnonzero(found.any(axis=1))[0])
    broken = int(rows[trader, COLUMN["entry.0.left.kind"]])

    def sometimes(kind, source, parameters, bars):
        if kind == broken:
            raise RuntimeError("the library failed")
        return {kind: column(kind, source, parameters, bars)}

    monkeypatch.setattr(bank_module, "columns_of", sometimes)
    fresh = [Segment(one.shard, one.windows, FeatureBank(one.shard)) for one in segments]
    without = trial_returns(rows, fresh, COSTS)
    failed = np.isnan(without).all(axis=1)
    assert failed[trader]
    assert np.array_equal(without[~failed], found[~failed])


@given(st.integers(0, 300), st.integers(1, 100), st.sets(st.integers(0, 299), max_size=20))
def test_an_even_sample_keeps_what_must_stay_and_is_spread(n, most, kept):
    kept = np.array(sorted(place for place in kept if place < n), dtype=np.int64)
    found = even_sample(n, most, kept)
    assert (np.diff(found) > 0).all()
    assert set(kept) <= set(found)
    assert len(found) == (n if n <= most else max(most, len(kept)))
    if n > most > len(kept):
        others = np.searchsorted(np.setdiff1d(np.arange(n), kept), np.setdiff1d(found, kept))
        gaps = np.diff(others)
        assert gaps.max(initial=0) - gaps.min(initial=n) <= 1


def test_a_sample_of_all_is_all():
    assert even_sample(7, None, np.array([3])).tolist() == list(range(7))
    with pytest.raises(UsageError, match="`most` must be at least 1, but was 0"):
        even_sample(7, 0, np.array([3]))
