"""Phenotypes and a shard to tallies: the one entry of fitness.

A population shares what it has in common: each distinct condition becomes one mask of the bank, and compiled code
(population.py) combines the masks of a strategy and plays it through every window while they are in the cache. Shards
are evaluated one by one; a cell is one window of one shard, and `objectives.score` takes the cells of all.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fitness.bank import FeatureBank, frozen
from fitness.costs import N_RISK, Costs
from fitness.folds import Window
from fitness.population import FIRST_RISK, accounts_for, role_masks_nb, stage, tallies_nb
from fitness.rules import N_ROLES, N_SCRATCH
from fitness.shard import Shard
from fitness.tally import N_TALLY
from strategies.errors import DataError, StrategyError, UsageError
from strategies.genes import N_GENES

Float64 = NDArray[np.float64]
Words = NDArray[np.uint64]


@dataclass(frozen=True, eq=False)
class RoleMasks:
    """What a population wants at each bar.

    Attributes:
        masks: packed `(4n, n_words)`.
        rows: `(n, 4)` the rows of `masks` for long entry, long exit, short entry and short exit.
        sound: `(n,)` False where an operand of the strategy failed.
    """

    masks: Words
    rows: NDArray[np.int64]
    sound: NDArray[np.bool_]


def evaluate(phenotypes: Float64, shard: Shard, windows: Sequence[Window], costs: Costs, bank: FeatureBank) -> Float64:
    """The tallies `(n, n_windows, N_TALLY)` of phenotypes `(n, N_GENES)` in every window of a shard.

    A strategy whose operands can't be computed has a row of NaN, which `objectives.score` calls failed. Inputs may be
    read-only and are never written to; results do not depend on the batch a strategy is in, nor on the bank's budget.

    Args:
        phenotypes: canonical rows, as `codec.express` gives them.
        shard: the bars.
        windows: where to trade, each from flat to flat.
        costs: of every fill.
        bank: the feature bank of `shard`.

    Raises:
        DataError: a window lies outside the shard.
        UsageError: rows of another width, or the bank of another shard.
    """
    check_inputs(phenotypes, shard, windows, bank)
    rows = frozen(phenotypes, np.float64)
    scales, scale_rows = bank.scales(rows)
    plays = stage(bank, costs, windows, scales)
    accounts, tallies = accounts_for(plays, len(rows)), np.empty((len(rows), len(windows), N_TALLY))
    for part in bank.placed(rows, (plays.first, plays.stop)):
        tallies_nb(plays, rows, frozen(scale_rows), *part, accounts, tallies)
    return tallies


def risk_rows(phenotypes: Float64) -> Float64:
    """The kernel's risk rows `(n, N_RISK)` of phenotypes `(n, N_GENES)`."""
    return np.ascontiguousarray(phenotypes[:, FIRST_RISK : FIRST_RISK + N_RISK])


def scale_of(phenotype: Float64, bank: FeatureBank) -> Float64 | None:
    """The scale `(n_bars,)` of one phenotype row `(N_GENES,)`, as `simulate_one` takes it; None without one."""
    scales, rows = bank.scales(phenotype.reshape(1, -1))
    return scales[rows[0]] if rows[0] >= 0 else None


def role_masks(phenotypes: Float64, bank: FeatureBank) -> RoleMasks:
    """The masks of all rules of phenotypes `(n, N_GENES)`.

    A long strategy's rules are its long side, a short one's its short side, both as written; one that trades both has
    the mirror of its rules for the short side.
    """
    rows = frozen(phenotypes, np.float64)
    masks = np.empty((len(rows), N_ROLES, bank.n_words), dtype=np.uint64)
    sound = np.empty(len(rows), dtype=np.bool_)
    roles = np.empty((N_ROLES + N_SCRATCH, bank.n_words), dtype=np.uint64)
    for part in bank.placed(rows):
        role_masks_nb(rows, *part, roles, masks, sound)
    return RoleMasks(masks.reshape(-1, bank.n_words), np.arange(masks.shape[0] * N_ROLES).reshape(-1, N_ROLES), sound)


def sound_masks(phenotype: Float64, bank: FeatureBank) -> Words:
    """The packed masks `(N_ROLES, n_words)` of one phenotype row `(N_GENES,)`.

    Raises:
        StrategyError: an operand of the strategy can't be computed on the bank's shard.
    """
    roles = role_masks(phenotype.reshape(1, -1), bank)
    if not roles.sound[0]:
        shard = bank.shard
        raise StrategyError(
            f"every operand of a strategy must be computable, but one was not on {shard.symbol} {shard.timeframe}. "
            "Look at its parameters with `Strategy.text()`."
        )
    return roles.masks[roles.rows[0]]


def check_inputs(phenotypes: Float64, shard: Shard, windows: Sequence[Window], bank: FeatureBank) -> None:
    """Raise if rows, windows and bank do not belong to the gene table and the shard; see `evaluate`."""
    where = f"{shard.symbol} {shard.timeframe}"
    if phenotypes.ndim != 2 or phenotypes.shape[1] != N_GENES:
        raise UsageError(
            f"`phenotypes` must be (n, {N_GENES}), but was {phenotypes.shape}. Make them with `codec.express`."
        )
    if bank.shard is not shard and bank.shard.content_hash != shard.content_hash:
        raise UsageError(
            f"`bank` must hold the columns of {where}, but was made for {bank.shard.symbol} {bank.shard.timeframe} "
            f"({bank.shard.content_hash:.12}). Make one bank a shard."
        )
    check_windows(windows, shard)


def check_windows(windows: Sequence[Window], shard: Shard) -> None:
    """Raise a `DataError` if a window does not lie within the shard."""
    n_bars = shard.close.size
    for window in windows:
        if not 0 <= window.start < window.stop <= n_bars:
            raise DataError(
                f"a window must lie within the {n_bars} bars of {shard.symbol} {shard.timeframe}, but {window.name} "
                f"was {window.start} to {window.stop}. Cut the shard with `folds.split`."
            )
