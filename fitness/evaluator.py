"""Phenotypes to fitness on several shards at once: what evolution asks of a market, as one callable."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from fitness.bank import FeatureBank
from fitness.costs import Costs
from fitness.evaluate import check_windows, evaluate
from fitness.folds import Window
from fitness.objectives import Evaluation, check_objectives, score
from fitness.shard import Shard
from strategies.errors import UsageError

BANK_MIB = 256
"""Of feature columns kept, for all shards together."""


class Evaluator:
    """The fitness of phenotypes on the windows of some shards; each window of each shard is a cell.

    It is what `evolution.evolve` and `evolution.advance` call. The feature banks of the shards stay with it, so it
    gets faster as it goes.

    Attributes:
        shards: what is traded.
        windows: of each shard.
        costs: of every fill.
    """

    def __init__(
        self,
        shards: Sequence[Shard],
        windows: Sequence[Sequence[Window]],
        costs: Costs,
        *,
        objectives: Sequence[str],
        min_trades: int = 30,
        bank_mib: int = BANK_MIB,
    ) -> None:
        """Check what will be traded.

        Raises:
            UsageError: no shard, or not one list of windows for each.
            DataError: a window lies outside its shard.
            ConfigError: an objective of no such name.
        """
        if not shards or len(shards) != len(windows):
            raise UsageError(
                f"An evaluator must have one list of windows for each of its shards, one or more, but had "
                f"{len(windows)} for {len(shards)}: cut each shard with `timeline.split_together`."
            )
        check_objectives(objectives)
        for shard, cut in zip(shards, windows, strict=True):
            check_windows(cut, shard)
        self.shards, self.windows, self.costs = tuple(shards), tuple(tuple(cut) for cut in windows), costs
        self._objectives, self._min_trades = tuple(objectives), min_trades
        self._banks = [FeatureBank(shard, bank_mib * 2**20 // len(shards)) for shard in shards]
        self._rates = np.repeat([shard.bars_per_year for shard in shards], [len(cut) for cut in windows])

    def __call__(self, phenotypes: NDArray[np.float64], /) -> Evaluation:
        """Return objectives, reasons and measures of `phenotypes` (n, N_GENES), canonical rows of `codec.express`."""
        tallies = [
            evaluate(phenotypes, shard, cut, self.costs, bank)
            for shard, cut, bank in zip(self.shards, self.windows, self._banks, strict=True)
        ]
        return score(np.concatenate(tallies, axis=1), self._rates, self._objectives, min_trades=self._min_trades)
