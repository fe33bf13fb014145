"""Before anything is timed: the kernel gives what its plain-Python twin gives, to the last bit, on the user's bars."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from cluster.market import Market
from fitness.bank import FeatureBank
from fitness.bits import unpack
from fitness.costs import Costs
from fitness.evaluate import evaluate, risk_rows, role_masks, scale_of
from fitness.folds import Window
from fitness.reference import simulate
from fitness.shard import Shard
from fitness.tally import Tally
from strategies.codec import express
from strategies.errors import StudbookError
from strategies.sampler import random_genomes

MOST_BARS: Final = 1500
"""Of a window that the twin walks, at some microseconds a bar."""


class NotExactError(StudbookError):
    """The kernel and its twin differ: nothing that this machine computes can be trusted."""

    exit_code = 1


@dataclass(frozen=True)
class Exactness:
    """What was compared: every figure of every tally, bit by bit."""

    n_strategies: int
    n_tallies: int
    n_trades: int
    n_bars: int

    def text(self) -> str:
        """What was found, for people."""
        return (
            f"{self.n_strategies} random strategies in {self.n_tallies} windows, {self.n_trades:,} trades on "
            f"{self.n_bars:,} strategy-bars: the kernel equals its plain-Python twin to the last bit."
        )


def require_exact(market: Market, *, n_strategies: int, seed: int = 0) -> Exactness:
    """Evaluate random strategies on the shards of a job, and each once more by the twin.

    Raises:
        NotExactError: a single bit differs.
    """
    rows = express(random_genomes(n_strategies, np.random.default_rng(seed)))
    n_tallies = n_trades = n_bars = 0
    for shard, cut in zip(market.shards, market.splits, strict=True):
        seen = shard.head(cut.folds[-1].stop)
        window = Window("exactness", max(cut.folds[-1].start, seen.n_bars - MOST_BARS), seen.n_bars)
        found, wanted = both(rows, seen, window, market.costs)
        different = np.flatnonzero((found.view(np.int64) != wanted.view(np.int64)).any(axis=1))
        if different.size:
            raise NotExactError(
                f"the kernel must equal its plain-Python twin to the last bit, but {different.size} of {len(rows)} "
                f"strategies differ on {shard.symbol} {shard.timeframe}. Do not trust this machine: empty numba's "
                "cache (`studbook doctor` names it), run the tests, and report it."
            )
        n_tallies += len(rows)
        n_trades += int(found[:, Tally.N_TRADES].sum())
        n_bars += len(rows) * window.n_bars
    return Exactness(len(rows), n_tallies, n_trades, n_bars)


def both(
    rows: NDArray[np.float64], shard: Shard, window: Window, costs: Costs
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Tallies `(n, N_TALLY)` of phenotypes `(n, N_GENES)` by the kernel, and by the twin."""
    bank = FeatureBank(shard)
    found = np.ascontiguousarray(evaluate(rows, shard, [window], costs, bank)[:, 0])
    roles, risks, atr = role_masks(rows, bank), risk_rows(rows), bank.atr()
    wanted = np.empty_like(found)
    for row, places in enumerate(roles.rows):
        masks = unpack(roles.masks[places], shard.n_bars)
        bounds = (window.start, window.stop)
        scale = scale_of(rows[row], bank)
        wanted[row] = simulate(
            bars=shard, atr=atr, masks=masks, window=bounds, risk=risks[row], costs=costs, scale=scale
        ).tally
    wanted[~roles.sound] = found[~roles.sound]
    return found, wanted
