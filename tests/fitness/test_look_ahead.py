"""The whole of fitness sees no future: what is scored before a bar never depends on the bars after it.

Genomes of every species, every size and gate, on daily and on hourly bars, which see days and weeks once they closed.
"""

import dataclasses
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fitness.bank import FeatureBank
from fitness.costs import Costs
from fitness.evaluate import evaluate
from fitness.folds import Window
from fitness.samples import random_walk
from fitness.shards import shard_of
from fitness.timeframes import HOUR_US
from strategies.codec import express
from strategies.genes import COLUMN, SIZE_KINDS
from strategies.language import Language
from strategies.sampler import random_genomes

COSTS = Costs.from_bps(fee_bps=5, slippage_bps=2)
N_BARS, NOW = 700, 480
WINDOWS = [Window("first", 100, 250), Window("second", 250, 400), Window("last", 400, NOW)]
PRICES = ("open", "high", "low", "close")
LANGUAGE = Language(columns=("bid", "ask", "funding_rate"))


@cache
def bars(timeframe):
    """A walk on daily or hourly bars, with bid, ask and funding."""
    walk = shard_of(random_walk(12, N_BARS), "RWALK", "1d", bars_per_year=252.0)
    rng = np.random.default_rng(5)
    extra = {"bid": walk.close * 0.9995, "ask": walk.close * 1.0005, "funding_rate": rng.normal(0, 1e-4, N_BARS)}
    if timeframe == "1d":
        return dataclasses.replace(walk, extra=extra)
    start = 1_577_836_800_000_000 + 7 * HOUR_US  # in the middle of a day
    stamps = start + np.arange(N_BARS, dtype=np.int64) * HOUR_US
    return dataclasses.replace(walk, timeframe="1h", timestamps=stamps, bars_per_year=8760.0, extra=extra)


def cut(shard, stop):
    """The bars before `stop`."""
    names = ("timestamps", *PRICES, "volume")
    extra = {name: values[:stop] for name, values in shard.extra.items()}
    return dataclasses.replace(shard, **{name: getattr(shard, name)[:stop] for name in names}, extra=extra)


def other_future(shard, seed):
    """Other bars from `NOW` on: prices, volumes and extra columns."""
    rng = np.random.default_rng(seed)
    factor = np.ones(N_BARS)
    factor[NOW:] = np.exp(rng.normal(0.05, 0.3, N_BARS - NOW))
    changed = {name: getattr(shard, name) * factor for name in (*PRICES, "volume")}
    return dataclasses.replace(shard, **changed, extra={name: each * factor for name, each in shard.extra.items()})


def scored(rows, shard, windows=WINDOWS):
    return evaluate(rows, shard, windows, COSTS, FeatureBank(shard))


def rows_of(species, seed):
    rng = np.random.default_rng(seed)
    rows = express(random_genomes(12, rng, LANGUAGE, species=species), LANGUAGE)
    rows[:, COLUMN["gate.trend"]] = rng.integers(0, 7, len(rows)) * (rng.random(len(rows)) < 0.5)
    rows[:, COLUMN["gate.volatility"]] = rng.integers(0, 3, len(rows)) * (rng.random(len(rows)) < 0.5)
    if species != "ta":
        sure = rng.random(len(rows)) < 0.4
        rows[sure, COLUMN["risk.size_kind"]] = SIZE_KINDS.index("confidence")
        rows[sure, COLUMN["risk.size"]] = 1.0
    return rows


@pytest.mark.parametrize("timeframe", ["1d", "1h"])
@pytest.mark.parametrize("species", ["ta", "ml", "hybrid"])
@settings(max_examples=4, deadline=None)
@given(seed=st.integers(0, 10**6))
def test_scores_before_a_bar_do_not_depend_on_later_bars(timeframe, species, seed):
    shard, rows = bars(timeframe), rows_of(species, seed)
    expected = scored(rows, shard)
    assert np.isfinite(expected).all()
    assert scored(rows, cut(shard, NOW)).tobytes() == expected.tobytes()  # as evolution's banks are cut
    assert scored(rows, other_future(shard, seed)).tobytes() == expected.tobytes()


@pytest.mark.parametrize("timeframe", ["1d", "1h"])
@pytest.mark.parametrize("species", ["ta", "ml", "hybrid"])
def test_they_trade_and_read_the_later_bars_later(timeframe, species):
    """Or the law above would say nothing."""
    shard, rows = bars(timeframe), np.concatenate([rows_of(species, seed) for seed in range(3)])
    later = [Window("later", 400, N_BARS)]
    changed = (scored(rows, shard, later) != scored(rows, other_future(shard, 1), later)).any(axis=(1, 2))
    assert changed.mean() > 0.3
    assert (rows[:, [COLUMN["gate.trend"], COLUMN["gate.volatility"]]] > 0).any(axis=1).sum() > 5
    higher = [COLUMN[name] for name in COLUMN if name.endswith(".timeframe")]
    assert (rows[:, higher] > 0).any(axis=1).sum() > 5
    by_confidence = rows[:, COLUMN["risk.size_kind"]] == SIZE_KINDS.index("confidence")
    assert species == "ta" or changed[by_confidence].any()
