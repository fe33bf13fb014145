"""Whom the battery examines: one strategy on a market, what it did there, and what a check found."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from fitness.bank import FeatureBank, frozen
from fitness.battery.acts import Act, Run, act_of, play
from fitness.costs import Costs
from fitness.evaluate import check_inputs
from fitness.folds import Window
from fitness.kernel_bars import kernel_bars
from fitness.pooled import Pool, pool
from fitness.shard import Shard
from fitness.statistics import moments
from strategies.errors import UsageError

Float64 = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Subject:
    """One strategy, and the market on which it is examined.

    Attributes:
        phenotype: `(N_GENES,)` canonical row.
        shards: the bars, one shard or more.
        windows: of each shard, those to examine it on; never the lockbox.
        costs: of every fill.
        banks: the feature bank of each shard; shared with whoever else uses them in this thread.

    Raises:
        UsageError: other numbers of shards, windows and banks, a row of another width, or the bank of another shard.
        DataError: a window lies outside its shard.
    """

    phenotype: Float64
    shards: tuple[Shard, ...]
    windows: tuple[tuple[Window, ...], ...]
    costs: Costs
    banks: tuple[FeatureBank, ...]

    def __post_init__(self) -> None:
        counts = len(self.shards), len(self.windows), len(self.banks)
        if len(set(counts)) > 1 or not self.shards:
            raise UsageError(
                "A subject must have a tuple of windows and a bank for each of its shards, and one shard at least, but "
                f"had {counts[0]} shards, {counts[1]} tuples of windows and {counts[2]} banks."
            )
        object.__setattr__(self, "phenotype", frozen(self.phenotype, np.float64))
        for shard, windows, bank in zip(self.shards, self.windows, self.banks, strict=True):
            check_inputs(np.atleast_2d(self.phenotype), shard, windows, bank)

    @cached_property
    def acts(self) -> tuple[Act, ...]:
        """What it decides on each shard.

        Raises:
            StrategyError: an operand of it can't be computed on a shard.
        """
        return tuple(act_of(self.phenotype, bank) for bank in self.banks)

    @cached_property
    def runs(self) -> tuple[tuple[Run, ...], ...]:
        """What it did, by shard, then window."""
        return self.played(self.acts)

    @cached_property
    def n_trades(self) -> int:
        """Trades over all shards and windows."""
        return sum(len(run.trades) for run in chain(*self.runs))

    @cached_property
    def sharpe(self) -> float:
        """Annual Sharpe ratio of all windows as one account; NaN where it never trades."""
        return sharpe_of(self.runs)

    def played(
        self,
        acts: Sequence[Act],
        *,
        costs: Costs | None = None,
        windows: Sequence[Sequence[Window]] | None = None,
        with_trades: bool = True,
    ) -> tuple[tuple[Run, ...], ...]:
        """What `acts`, one a shard, come to; on its own windows and costs unless others are given."""
        charged = self.costs if costs is None else costs
        bars = [
            bank.kernel_bars(charged) if act.shard is bank.shard and costs is None
            else kernel_bars(act.shard, act.atr, charged)
            for act, bank in zip(acts, self.banks, strict=True)
        ]  # fmt: skip
        every = self.windows if windows is None else windows
        return tuple(
            play(act, bar, each, with_trades=with_trades) for act, bar, each in zip(acts, bars, every, strict=True)
        )


@dataclass(frozen=True)
class Finding:
    """What one check found; `explanation` names value and threshold in a plain sentence. NaN never passes."""

    name: str
    title: str
    value: float
    threshold: float
    passed: bool
    explanation: str


def finding(name: str, title: str, *, value: float, threshold: float, passed: bool, text: str) -> Finding:
    """A finding; a value that is NaN or infinite does not pass, whatever the comparison said."""
    sound = math.isfinite(value)
    ending = "." if sound else ". A figure that is not defined does not pass."
    return Finding(name, title, float(value), float(threshold), bool(passed and sound), text + ending)


def shown(value: float, digits: int = 2) -> str:
    """A number for a sentence."""
    return f"{value:.{digits}f}" if math.isfinite(value) else "not defined"


def pooled(runs: Sequence[Sequence[Run]]) -> Pool:
    """All runs as one account."""
    return pool([run for each in runs for run in each])


def sharpe_of(runs: Sequence[Sequence[Run]]) -> float:
    """Annual Sharpe ratio of all runs as one account; NaN where it is not defined."""
    account = pooled(runs)
    return moments(account.returns).sharpe * math.sqrt(account.bars_per_year)
