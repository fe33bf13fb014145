"""The feature bank: the same answers under any budget, never more bytes than it allows and one strategy needs."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fitness import bank as bank_module
from fitness.bank import FeatureBank
from fitness.bits import unpack
from fitness.conditions import BOTH, STRATEGY, n_places
from fitness.costs import Costs
from fitness.samples import random_walk
from fitness.shards import shard_of
from strategies.catalogue import kind_index
from strategies.codec import express
from strategies.errors import DataError, UsageError
from strategies.genes import BLOCK_COLUMNS, COLUMN, CONDITION_BLOCKS, FIELD
from strategies.mirrors import mirror
from strategies.operands import column, columns_of
from strategies.sampler import random_genomes

N_BARS = 200
LEAST_COLUMNS = 2  # the two sides of one condition


@pytest.fixture(scope="module")
def shard():
    return shard_of(random_walk(3, N_BARS), "RWALK", "1d", bars_per_year=252.0)


@pytest.fixture
def computed(monkeypatch):
    """The calls by which banks compute columns from here on, in order."""
    calls = []

    def counted(kind, source, parameters, bars):
        calls.append((kind, source, tuple(parameters)))
        return columns_of(kind, source, parameters, bars)

    monkeypatch.setattr(bank_module, "columns_of", counted)
    return calls


def conditions_of(rows):
    blocks = np.concatenate([rows[:, BLOCK_COLUMNS[block]] for block in CONDITION_BLOCKS])
    return blocks[blocks[:, FIELD["on"]] > 0]


def random_conditions(n, seed):
    return conditions_of(express(random_genomes(n, np.random.default_rng(seed), species="ta")))


def masks_placed(bank, rows, words=None):
    """The masks `(n, 2, n_places, n_words)` that a bank finds for strategies, nothing where there is none."""
    out = np.zeros((len(rows), 2, n_places(STRATEGY), bank.n_words), dtype=np.uint64)
    done = 0
    for part in bank.placed(rows, words):
        assert part.start == done < part.stop
        places = part.places[part.start : part.stop]
        there = places >= 0
        out[part.start : part.stop][there] = part.masks[places[there]]
        done = part.stop
    assert done == len(rows)
    return out


@pytest.fixture(scope="module")
def least_bytes(shard):
    """What a bank holds whatever its budget: the masks and columns of one strategy, and what one learner said."""
    bank = FeatureBank(shard, 0)
    bank.masks(random_conditions(9, 0))
    return bank.statistics().n_bytes + 2 * 8 * N_BARS


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from([0, 3_000, 20_000, 60_000, 200_000, 2**30]))
def test_the_budget_never_changes_what_comes_back(shard, least_bytes, seed, budget):
    rows = express(random_genomes(20, np.random.default_rng(seed)))
    order = np.random.default_rng(seed).permutation(np.repeat(np.arange(20), 2))
    plenty, tight = FeatureBank(shard, 2**30), FeatureBank(shard, budget)
    expected = masks_placed(plenty, rows)
    assert plenty.statistics().masks.dropped == 0
    for some in np.array_split(order, 4):
        assert np.array_equal(masks_placed(tight, rows[some]), expected[some])
        assert tight.statistics().n_bytes <= budget + least_bytes


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from([0, 20_000, 2**30]))
def test_masks_are_those_of_the_conditions(shard, seed, budget):
    rows = express(random_genomes(12, np.random.default_rng(seed), species="ta"))
    found, turned = masks_placed(FeatureBank(shard, budget), rows), mirror(rows)
    bank = FeatureBank(shard)
    for number, block in enumerate(CONDITION_BLOCKS):
        for side, written in enumerate((rows, turned)):
            words, sound = bank.masks(written[:, BLOCK_COLUMNS[block]])
            assert sound.all()
            there = (side == 0) | (rows[:, COLUMN["risk.direction"]] == BOTH)
            assert np.array_equal(found[:, side, number], np.where(there[:, None], words, np.uint64(0)))


def test_a_condition_that_is_off_is_never_true(shard):
    conditions = random_conditions(3, 0)
    conditions[0, FIELD["on"]] = 0.0
    words, sound = FeatureBank(shard).masks(conditions)
    assert sound.all()
    assert not words[0].any()
    assert words[1:].any()


def test_each_column_is_computed_once_and_outputs_of_a_function_together(shard, computed):
    rows = express(random_genomes(120, np.random.default_rng(7), species="ta"))
    rows[:, BLOCK_COLUMNS["gate"]] = 0.0
    rows[:, [COLUMN[name] for name in COLUMN if name.endswith(".timeframe")]] = 0.0
    bank = FeatureBank(shard)
    for _ in range(2):
        masks_placed(bank, rows)
        calls = [(tuple(columns_of(*call, shard)), *call[1:]) for call in computed]
        assert len(set(calls)) == len(calls) < bank.statistics().columns.n_rows
    assert bank.statistics().masks.made == bank.statistics().masks.n_rows
    assert bank.statistics().masks.found >= bank.statistics().masks.made


def test_the_least_recently_used_columns_leave_first(shard, computed):
    prices = np.zeros((5, len(FIELD)))  # the left side is one price of the bar, compared with 1
    prices[:, FIELD["on"]] = prices[:, FIELD["against"]] = prices[:, FIELD["level"]] = 1.0
    prices[:, FIELD["left.source"]] = np.arange(5)
    bank = FeatureBank(shard, 0)
    assert len(bank.masks(prices[[0, 1]])[0]) == 2
    assert bank.statistics().columns.n_rows == LEAST_COLUMNS
    level = prices[[0]]
    level[:, FIELD["level"]] = 2.0
    bank.masks(level)  # uses the open again, so that the high is older now
    bank.masks(prices[[2]])  # takes the place of the high
    level[:, FIELD["level"]] = 3.0
    bank.masks(level)  # the open is still there
    assert [source for _, source, _ in computed] == [0, 1, 2]
    assert bank.statistics().columns.dropped == 1


def test_more_words_may_be_asked_for_later(shard):
    rows = express(random_genomes(30, np.random.default_rng(8)))
    whole = masks_placed(FeatureBank(shard), rows)
    bank = FeatureBank(shard)
    made = []
    for first, stop in ((1, 2), (1, 2), (3, 4), (1, 2), (1, 4), (0, 4)):
        found = masks_placed(bank, rows, (first, stop))
        assert np.array_equal(found[..., first:stop], whole[..., first:stop])
        made.append(bank.statistics().masks.made)
    assert np.array_equal(np.diff(made) > 0, [False, True, False, False, True])  # only where words were missing
    assert bank.statistics().columns.made == bank.statistics().columns.n_rows  # columns are always whole


def test_later_bars_change_no_earlier_bit(shard):
    conditions, now = random_conditions(80, 9), 130
    factor = np.ones(N_BARS)
    factor[now + 1 :] = np.exp(np.random.default_rng(0).normal(0.1, 0.3, N_BARS - now - 1))
    changed = {name: getattr(shard, name) * factor for name in ("open", "high", "low", "close", "volume")}
    known, _ = FeatureBank(shard).masks(conditions)
    other, _ = FeatureBank(dataclasses.replace(shard, **changed)).masks(conditions)
    assert np.array_equal(unpack(known, N_BARS)[:, : now + 1], unpack(other, N_BARS)[:, : now + 1])
    assert not np.array_equal(known, other)


def test_what_is_kept_can_not_be_changed(shard):
    bank = FeatureBank(shard)
    part = next(bank.placed(express(random_genomes(1, np.random.default_rng(0)))))
    for array in (bank.atr(), part.masks):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 0
    assert np.array_equal(bank.atr(), column(kind_index("ATR"), 3, (14.0,), shard), equal_nan=True)


def test_bars_are_prepared_once_for_the_same_costs(shard):
    bank = FeatureBank(shard)
    costs = Costs.from_bps(fee_bps=5, slippage_bps=2)
    first = bank.kernel_bars(costs)
    assert bank.kernel_bars(Costs.from_bps(fee_bps=5, slippage_bps=2)) is first
    assert bank.kernel_bars(Costs.from_bps(fee_bps=6, slippage_bps=2)).costs[0] != first.costs[0]


def test_a_failing_operand_spoils_its_condition_alone(shard, monkeypatch):
    conditions = random_conditions(10, 2)
    expected, sound = FeatureBank(shard).masks(conditions)
    assert sound.all()
    broken = int(conditions[0, FIELD["left.kind"]])

    def sometimes(kind, source, parameters, bars):
        if kind == broken:
            raise Exception("function failed with error code 2: Bad Parameter (TA_BAD_PARAM)")  # noqa: TRY002 - talib does
        found = columns_of(kind, source, parameters, bars)
        return {other: values for other, values in found.items() if other != broken}

    monkeypatch.setattr(bank_module, "columns_of", sometimes)
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

    monkeypatch.setattr(bank_module, "columns_of", trouble)
    bank, conditions = FeatureBank(shard), random_conditions(20, 0)
    with pytest.raises(error, match="no bars"):
        bank.masks(conditions)
    monkeypatch.undo()
    assert np.array_equal(bank.masks(conditions)[0], FeatureBank(shard).masks(conditions)[0])


def test_an_interruption_leaves_nothing_half_made(shard, monkeypatch):
    conditions, calls = random_conditions(20, 1), []

    def interrupted(kind, source, parameters, bars):
        calls.append(kind)
        if len(calls) == 9:
            raise KeyboardInterrupt
        return columns_of(kind, source, parameters, bars)

    expected, bank = FeatureBank(shard).masks(conditions)[0], FeatureBank(shard)
    bank.masks(conditions[:2])
    monkeypatch.setattr(bank_module, "columns_of", interrupted)
    with pytest.raises(KeyboardInterrupt):
        bank.masks(conditions)
    assert np.array_equal(bank.masks(conditions)[0], expected)


def test_a_block_that_is_no_condition_spoils_itself_alone(shard):
    conditions = random_conditions(10, 4)
    expected, _ = FeatureBank(shard).masks(conditions)
    conditions[3, FIELD["left.kind"]] = 10**6
    conditions[5, FIELD["left.lag"]] = 1000
    words, sound = FeatureBank(shard).masks(conditions)
    assert np.flatnonzero(~sound).tolist() == [3, 5]
    assert not words[~sound].any()
    assert np.array_equal(words[sound], expected[sound])


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
    with pytest.raises(UsageError, match=r"`conditions` must be \(n, 20\), but was \(3, 4\)"):
        FeatureBank(shard).masks(np.zeros((3, 4)))
