"""The feature bank: the same answers under any budget, never more bytes than allowed."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fitness import bank as bank_module
from fitness.bank import ENTRY_OVERHEAD, FeatureBank
from fitness.samples import random_walk
from fitness.shards import shard_of
from strategies.catalogue import kind_index
from strategies.codec import express
from strategies.errors import DataError, StrategyError, UsageError
from strategies.genes import BLOCK_COLUMNS, CONDITION_BLOCKS, FIELD
from strategies.operands import column
from strategies.sampler import random_genomes

N_BARS = 200
ENTRY_BYTES = 8 * N_BARS + ENTRY_OVERHEAD


@pytest.fixture(scope="module")
def shard():
    return shard_of(random_walk(3, N_BARS), "RWALK", "1d", bars_per_year=252.0)


def random_conditions(n, seed):
    rows = express(random_genomes(n, np.random.default_rng(seed)))
    blocks = np.concatenate([rows[:, BLOCK_COLUMNS[block]] for block in CONDITION_BLOCKS])
    return blocks[blocks[:, FIELD["on"]] > 0]


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from([0, ENTRY_BYTES, 10 * ENTRY_BYTES, 2**40]))
def test_the_budget_never_changes_what_comes_back(shard, seed, budget):
    conditions = random_conditions(20, seed)
    order = np.random.default_rng(seed).permutation(np.repeat(np.arange(len(conditions)), 2))
    plenty, _ = FeatureBank(shard, 2**40).masks(conditions)
    tight = FeatureBank(shard, budget)
    for row in order:
        assert np.array_equal(tight.mask(conditions[row]), plenty[row])
        assert tight.statistics().n_bytes <= budget


def test_a_column_is_the_operands_without_lag(shard):
    bank = FeatureBank(shard)
    rsi, sma = kind_index("RSI"), kind_index("SMA")
    for kind, source, parameters in ((rsi, 3, (14.0,)), (sma, 1, (20.0,)), (0, 4, ())):
        assert np.array_equal(
            bank.column(kind, source, parameters), column(kind, source, parameters, shard), equal_nan=True
        )
    assert np.array_equal(bank.atr(), column(kind_index("ATR"), 3, (14.0,), shard), equal_nan=True)


def test_what_says_nothing_makes_no_second_column(shard):
    bank = FeatureBank(shard)
    first = bank.column(kind_index("ATR"), 3, (14.0, 0.0, 0.0))
    assert bank.column(kind_index("ATR"), 1, [14.0]) is first  # ATR takes no source, and one parameter
    assert bank.statistics().misses == 1
    assert bank.statistics().hits == 1


def test_the_least_recently_used_entry_leaves_first(shard):
    bank = FeatureBank(shard, 2 * ENTRY_BYTES)
    bank.column(0, 0, ())
    bank.column(0, 1, ())
    bank.column(0, 0, ())  # used again: the other one is older now
    bank.column(0, 2, ())
    bank.column(0, 0, ())
    found = bank.statistics()
    assert (found.hits, found.misses, found.dropped, found.n_entries) == (2, 3, 1, 2)
    assert found.n_bytes == 2 * ENTRY_BYTES


def test_masks_count_into_the_budget(shard):
    bank = FeatureBank(shard, 2**40)
    bank.masks(random_conditions(5, 0))
    held = bank.statistics()
    smallest = held.n_entries * ENTRY_OVERHEAD
    assert smallest < held.n_bytes <= smallest + held.n_entries * 8 * N_BARS


def test_what_is_kept_can_not_be_changed(shard):
    bank = FeatureBank(shard)
    for array in (bank.column(0, 3, ()), bank.mask(random_conditions(2, 1)[0])):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 0


def test_a_failing_operand_spoils_its_condition_alone(shard, monkeypatch):
    conditions = random_conditions(10, 2)
    expected, sound = FeatureBank(shard).masks(conditions)
    assert sound.all()
    broken = int(conditions[0, FIELD["left.kind"]])

    def sometimes(kind, source, parameters, bars):
        if kind == broken:
            raise Exception("function failed with error code 2: Bad Parameter (TA_BAD_PARAM)")  # noqa: TRY002 - talib does
        return column(kind, source, parameters, bars)

    monkeypatch.setattr(bank_module, "column", sometimes)
    words, sound = FeatureBank(shard).masks(conditions)
    level = conditions[:, FIELD["against"]] > 0
    uses = (conditions[:, FIELD["left.kind"]] == broken) | (~level & (conditions[:, FIELD["right.kind"]] == broken))
    assert np.array_equal(sound, ~uses)
    assert not words[uses].any()
    assert np.array_equal(words[~uses], expected[~uses])


@pytest.mark.parametrize("error", [DataError, MemoryError])
def test_trouble_that_is_not_the_genomes_fault_is_raised(shard, monkeypatch, error):
    def trouble(*_):
        raise error("no bars")

    monkeypatch.setattr(bank_module, "column", trouble)
    with pytest.raises(error, match="no bars"):
        FeatureBank(shard).masks(random_conditions(1, 0))


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("close", np.nan, r"`close` of RWALK 1d must be finite and positive, but was nan at bar 7 \(1 such bars\)"),
        ("low", 0.0, "`low` of RWALK 1d must be finite and positive, but was 0.0 at bar 7"),
        ("open", -3.0, "but was -3.0 at bar 7"),
        ("high", np.inf, "but was inf at bar 7"),
        ("volume", -1.0, "`volume` of RWALK 1d must be finite and not negative, but was -1.0 at bar 7"),
    ],
)
def test_bad_bars_never_become_features(shard, name, value, text):
    spoilt = getattr(shard, name).copy()
    spoilt[7] = value
    with pytest.raises(DataError, match=text):
        FeatureBank(dataclasses.replace(shard, **{name: spoilt}))


def test_misuse_is_named(shard):
    with pytest.raises(UsageError, match="`byte_budget` must be 0 or more, but was -1"):
        FeatureBank(shard, -1)
    with pytest.raises(DataError, match=r"`close` of RWALK 1d must be \(200,\), but was \(199,\)"):
        FeatureBank(dataclasses.replace(shard, close=shard.close[1:]))
    with pytest.raises(UsageError, match=r"`conditions` must be \(n, 17\), but was \(3, 4\)"):
        FeatureBank(shard).masks(np.zeros((3, 4)))
    with pytest.raises(StrategyError, match="kind must be from 0 to"):
        FeatureBank(shard).column(10**6, 0, ())
