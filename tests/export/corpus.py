"""Random strategies on real bars, and the trades that the kernel makes of them: what every engine must make, too."""

from dataclasses import replace
from functools import cache

import numpy as np
from numpy.typing import NDArray

from evolution.genome_strategy import GenomeStrategy
from fitness.bank import FeatureBank
from fitness.costs import Costs
from fitness.folds import Window
from fitness.played import trace_any
from fitness.samples import sample
from fitness.shards import Shard, shard_of
from strategies.codec import express
from strategies.encoding import strategy_of
from strategies.language import DEFAULT, Language
from strategies.sampler import random_genomes
from strategies.strategy import Gate, Size, Strategy

N_BARS = 450
LEAST_TRADES = 2
RULES_ALONE = Language(learners=False, timeframes=0)
COSTS = Costs.from_bps(fee_bps=10.0, slippage_bps=0.0, start_equity=1e6)


@cache
def bars(symbol: str = "IBM", n_bars: int = N_BARS, first: int = 0) -> Shard:
    """Real daily bars."""
    return shard_of(sample(symbol)[first : first + n_bars], symbol, "1d", bars_per_year=252.0)


@cache
def bank_of(shard: Shard) -> FeatureBank:
    """The feature bank of some bars."""
    return FeatureBank(shard)


@cache
def strategies(n: int, *, seed: int = 20261122, language: Language = DEFAULT) -> tuple[Strategy, ...]:
    """The first `n` random strategies of a language that trade on the bars, at least twice."""
    found: list[Strategy] = []
    rng = np.random.default_rng(seed)
    while len(found) < n:
        rows = express(random_genomes(200, rng, language), language)
        some = [strategy_of(row) for row in rows]
        found += [one for one in some if len(our_trades(one, bars())) >= LEAST_TRADES]
    return tuple(found[:n])


@cache
def plain_strategies(n: int, *, seed: int = 20261122) -> tuple[Strategy, ...]:
    """The same of rules alone: no learner, gate or higher bar, a size and stops of any kind, no breaker."""
    found: list[Strategy] = []
    rng = np.random.default_rng(seed)
    while len(found) < n:
        rows = express(random_genomes(200, rng, RULES_ALONE), RULES_ALONE)
        some = [replace(strategy_of(row), gate=Gate(), breaker=None) for row in rows]
        some = [one if one.size.kind in ("fixed", "risk") else replace(one, size=Size("fixed", 0.5)) for one in some]
        found += [one for one in some if len(our_trades(one, bars())) >= LEAST_TRADES]
    return tuple(found[:n])


def our_trades(strategy: Strategy, shard: Shard, costs: Costs = COSTS) -> NDArray[np.void]:
    """The kernel's trades, rows of `fitness.trace.TRADE_FIELDS`, in the order of entry, over all bars of the shard."""
    window = Window("all", 0, shard.n_bars)
    return trace_any(GenomeStrategy.of_rules(strategy), shard, window, costs, bank_of(shard)).trades
