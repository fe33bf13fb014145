"""A real evolution in this process, timed: what its broods cost to evaluate, as the bank stands when they come."""

from dataclasses import dataclass
from functools import partial
from typing import Final

import numpy as np

from cluster.bench.stopwatch import Seconds, median_of, timed
from cluster.evaluation import Rows, ShardBench, Share, assign, gather
from cluster.job_config import JobConfig
from cluster.market import Market
from cluster.worker import breeding_of
from evolution.advance import advance, found
from fitness.objectives import Evaluation
from fitness.tally import Tally
from strategies.errors import UsageError

SETTLING: Final = 5
"""Generations that are bred first and not counted: the bank is still filling with what the founders have in common."""
COLD_EVERY: Final = 4
"""Each so many-th brood is evaluated with empty banks too."""


@dataclass(frozen=True)
class BroodCost:
    """What one strategy of a brood costs on one shard, and what it does there.

    Attributes:
        warm: with the banks as the evolution has left them; what the brood newly needs is made and counted.
        cold: with empty banks: every column and mask is made.
        n_strategies: in a brood, on average.
        n_bars: traded, a strategy and shard.
        n_trades: a strategy and shard.
        exposure: share of the bars in the market.
    """

    warm: Seconds
    cold: Seconds
    n_strategies: float
    n_bars: float
    n_trades: float
    exposure: float


def brood_cost(config: JobConfig, market: Market, *, n_generations: int) -> BroodCost:
    """Breed one island of a job and time the evaluation of each generation's brood.

    A bank keeps what it has made, so a brood can be met only once: each generation is a run of its own, and the figures
    are the medians of all after `SETTLING`.

    Args:
        config: of the job; its screen is left out, so that every child is evaluated in full.
        market: of the job.
        n_generations: to breed, more than `SETTLING` and `COLD_EVERY` together.

    Raises:
        UsageError: no brood to time.
    """
    breeding = breeding_of(_unscreened(config), market.bars_per_year, market.n_folds)
    shares, bench = _bench(config, market)
    warm: list[Seconds] = []
    cold: list[Seconds] = []
    sizes: list[int] = []
    seen: list[Rows] = []

    def evaluate(generation: int, phenotypes: Rows, /) -> Evaluation:
        pieces: list[Rows] = []
        took = timed(lambda: pieces.extend(bench.evaluate(phenotypes, "folds")))
        tallies = gather(shares, pieces)
        if generation > SETTLING:
            parts = len(phenotypes) * len(shares)
            warm.append(took.divided(parts))
            if generation % COLD_EVERY == 0:
                fresh = _bench(config, market)[1]
                cold.append(timed(lambda: fresh.evaluate(phenotypes, "folds")).divided(parts))
            sizes.append(len(phenotypes))
            seen.append(tallies[..., [Tally.N_BARS, Tally.N_TRADES, Tally.BARS_HELD]].sum(axis=1).mean(axis=0))
        return breeding.score(tallies)

    settings = breeding.settings
    state = found(config.seed, 0, settings, partial(evaluate, 0)).state
    for generation in range(1, n_generations + 1):
        state = advance(state, partial(evaluate, generation), settings, 1).state
    if not cold:
        raise UsageError(
            f"a bench must meet a brood with new strategies, but {n_generations} generations had none "
            f"({config.name}). Raise `evolution.population_size`."
        )
    bars, trades, held = np.mean(seen, axis=0).tolist()
    return BroodCost(
        warm=median_of(warm),
        cold=median_of(cold),
        n_strategies=float(np.mean(sizes)),
        n_bars=bars / len(shares),
        n_trades=trades / len(shares),
        exposure=held / bars,
    )


def _unscreened(config: JobConfig) -> JobConfig:
    screen = config.evolution.screen.model_copy(update={"enabled": False})
    return config.model_copy(update={"evolution": config.evolution.model_copy(update={"screen": screen})})


def _bench(config: JobConfig, market: Market) -> tuple[tuple[Share, ...], ShardBench]:
    (shares,) = assign(len(market.shards), 1)
    bank_bytes = config.cluster.bank_mib * 2**20
    return shares, ShardBench(shares, market.shards, market.splits, market.costs, bank_bytes=bank_bytes)
