"""The strategies of real broods that trade rarely, on one long daily shard: columns ready, new masks counted."""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from cluster.bench.rows import Work
from cluster.bench.stopwatch import Seconds, median_of, timed
from cluster.job_config import JobConfig
from cluster.worker import breeding_of
from evolution.advance import advance, found
from fitness.bank import FeatureBank
from fitness.costs import Costs
from fitness.evaluate import evaluate
from fitness.folds import Window
from fitness.objectives import Evaluation
from fitness.shard import Shard
from fitness.tally import Tally
from strategies.errors import UsageError
from strategies.genes import COLUMN, CONDITION_BLOCKS

Rows = NDArray[np.float64]

RARELY: Final = (8.0, 22.0)
"""Trades in 5,000 bars."""
BANK_BYTES: Final = 1 << 30
_ON: Final = [COLUMN[f"{block}.on"] for block in CONDITION_BLOCKS]
_NEGATE: Final = [COLUMN[f"{block}.negate"] for block in CONDITION_BLOCKS]


@dataclass(frozen=True)
class SparseBrood:
    """What one sparse strategy of a brood costs.

    Attributes:
        fresh: with the masks that it newly needs, their columns in the bank.
        again: with every mask there.
        new_masks: that one strategy needed.
        work: what a strategy does.
        n_strategies: in a call, on average.
    """

    fresh: Seconds
    again: Seconds
    new_masks: float
    work: Work
    n_strategies: float


def sparse_brood_cost(
    config: JobConfig, shard: Shard, costs: Costs, *, n_generations: int, population_size: int, settling: int
) -> SparseBrood:
    """Breed for little turnover on one shard and time what trades rarely in each brood, on one window of most bars.

    A bank keeps what it has made, so each generation is a run of its own. Columns are made ahead by evaluating the same
    strategies with every condition negated: other masks of the same columns. A condition
    that is in the brood both ways is then there already, and its mask is not counted.

    Raises:
        UsageError: no brood had such strategies.
    """
    section = config.evolution.model_copy(
        update={
            "objectives": ("turnover", "steady_sharpe"),
            "population_size": population_size,
            "screen": config.evolution.screen.model_copy(update={"enabled": False}),
            "founders": None,
            "floor": None,
        }
    )
    gates = config.gates.model_copy(update={"min_trades": 8})
    language = config.language.model_copy(update={"learners": False})  # their columns are another measurement
    plainly = config.model_copy(update={"evolution": section, "gates": gates, "language": language})
    breeding = breeding_of(plainly, [shard.bars_per_year], [1])
    windows = (Window("most", min(config.split.warm_up, shard.n_bars // 2), shard.n_bars),)
    plain, timing = FeatureBank(shard, BANK_BYTES), FeatureBank(shard, BANK_BYTES)
    runs: list[tuple[Seconds, Seconds, float, int, Any]] = []
    generation = 0

    def score(phenotypes: Rows, /) -> Evaluation:
        tallies = evaluate(phenotypes, shard, windows, costs, plain)
        rate = tallies[:, 0, Tally.N_TRADES] / tallies[:, 0, Tally.N_BARS] * 5000.0
        rarely = (rate >= RARELY[0]) & (rate <= RARELY[1])
        chosen = np.ascontiguousarray(phenotypes[rarely])
        if len(chosen):
            evaluate(phenotypes[~rarely], shard, windows, costs, timing)
            evaluate(_negated(chosen), shard, windows, costs, timing)
            before = timing.statistics().masks.made
            fresh = timed(lambda: evaluate(chosen, shard, windows, costs, timing))
            made = timing.statistics().masks.made - before
            again = timed(lambda: evaluate(chosen, shard, windows, costs, timing))
            if generation > settling:
                n = len(chosen)
                sums = tallies[rarely, 0][:, [Tally.N_BARS, Tally.N_TRADES, Tally.BARS_HELD]].mean(axis=0)
                runs.append((fresh.divided(n), again.divided(n), made / n, n, sums))
        return breeding.score(tallies)

    state = found(config.seed, 0, breeding.settings, score).state
    for generation in range(1, n_generations + 1):  # noqa: B007 - `score` reads it
        state = advance(state, score, breeding.settings, 1).state
    if not runs:
        raise UsageError(
            f"a bench must meet strategies that trade rarely, but {n_generations} generations had none "
            f"({shard.symbol}). Give a shard with more bars."
        )
    bars, trades, held = np.mean([run[4] for run in runs], axis=0).tolist()
    return SparseBrood(
        fresh=median_of([run[0] for run in runs]),
        again=median_of([run[1] for run in runs]),
        new_masks=float(np.mean([run[2] for run in runs])),
        work=Work(bars, trades, held / bars),
        n_strategies=float(np.mean([run[3] for run in runs])),
    )


def _negated(phenotypes: Rows) -> Rows:
    """The same conditions, each the other way round; what they compare is the same."""
    turned = phenotypes.copy()
    turned[:, _NEGATE] = np.where(phenotypes[:, _ON] > 0.0, 1.0 - phenotypes[:, _NEGATE], 0.0)
    return turned
