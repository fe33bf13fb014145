"""Phenotypes and a shard to tallies: the one entry of fitness.

A population shares what it has in common: each distinct condition becomes one mask, conditions combine to one mask a
rule, and the kernel runs every strategy through every window. Shards are evaluated one by one; a cell is one window of
one shard, and `objectives.score` takes the cells of all.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from fitness.bank import FeatureBank
from fitness.costs import Costs
from fitness.folds import Window
from fitness.masks import combine_nb
from fitness.shards import Shard
from fitness.simulation import simulate_many
from fitness.tally import N_TALLY
from strategies.errors import DataError, UsageError
from strategies.genes import BLOCK_COLUMNS, COLUMN, FIELD, N_ENTRY, N_EXIT, N_GENES
from strategies.mirrors import mirror

Float64 = NDArray[np.float64]
Words = NDArray[np.uint64]

LONG, SHORT, BOTH = 0.0, 1.0, 2.0
_DIRECTION: Final = COLUMN["risk.direction"]
_RISK: Final = [column for column in BLOCK_COLUMNS["risk"] if column != _DIRECTION]
_CONDITIONS: Final = [
    list(BLOCK_COLUMNS[f"{module}.{number}"])
    for module, count in (("entry", N_ENTRY), ("exit", N_EXIT))
    for number in range(count)
]
_NEEDED: Final = [COLUMN["entry.needed"], COLUMN["exit.needed"]]
_MASK_BYTES: Final = 64 * 2**20
"""Masks that one batch of strategies may take; what does not fit is evaluated in further batches."""


@dataclass(frozen=True, eq=False)
class RoleMasks:
    """What a population wants at each bar.

    Attributes:
        masks: packed `(n_masks, n_words)`; row 0 is never true.
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
    bounds = np.array([(window.start, window.stop) for window in windows], dtype=np.int64).reshape(-1, 2)
    tallies = np.empty((len(phenotypes), len(windows), N_TALLY))
    batch = max(1, _MASK_BYTES // (bank.n_words * 8 * 2 * len(_CONDITIONS)))
    for start in range(0, len(phenotypes), batch):
        rows = phenotypes[start : start + batch]
        roles = role_masks(rows, bank)
        found = simulate_many(
            bars=shard,
            atr=bank.atr(),
            masks=roles.masks,
            mask_rows=roles.rows,
            windows=bounds,
            risks=risk_rows(rows),
            costs=costs,
        )
        found[~roles.sound] = np.nan
        tallies[start : start + batch] = found
    return tallies


def risk_rows(phenotypes: Float64) -> Float64:
    """The kernel's risk rows `(n, N_RISK)` of phenotypes `(n, N_GENES)`."""
    return np.ascontiguousarray(phenotypes[:, _RISK])


def role_masks(phenotypes: Float64, bank: FeatureBank) -> RoleMasks:
    """The masks of all rules of phenotypes `(n, N_GENES)`.

    A long strategy's rules are its long side, a short one's its short side, both as written; one that trades both has
    the mirror of its rules for the short side.
    """
    direction = phenotypes[:, _DIRECTION]
    two_sided = np.flatnonzero(direction == BOTH)
    sides = phenotypes
    if two_sided.size:
        sides = np.concatenate([phenotypes, mirror(phenotypes[two_sided])])
    masks, sound_sides = _rule_masks(sides, bank)
    own = np.arange(len(phenotypes))
    rows = np.zeros((len(phenotypes), 4), dtype=np.int64)
    long = direction != SHORT
    rows[long, 0], rows[long, 1] = 1 + 2 * own[long], 2 + 2 * own[long]
    rows[~long, 2], rows[~long, 3] = 1 + 2 * own[~long], 2 + 2 * own[~long]
    mirrored = len(phenotypes) + np.arange(two_sided.size)
    rows[two_sided, 2], rows[two_sided, 3] = 1 + 2 * mirrored, 2 + 2 * mirrored
    sound = sound_sides[: len(phenotypes)].copy()
    sound[two_sided] &= sound_sides[len(phenotypes) :]
    return RoleMasks(masks, rows, sound)


def _rule_masks(sides: Float64, bank: FeatureBank) -> tuple[Words, NDArray[np.bool_]]:
    """Masks `(1 + 2n, n_words)`: one never true, then entry and exit of each side; and which are sound `(n,)`."""
    blocks = np.stack([sides[:, columns] for columns in _CONDITIONS], axis=1)
    on = blocks[:, :, FIELD["on"]] > 0
    distinct, place = _distinct_rows(blocks[on])
    conditions, computed = bank.masks(distinct)
    chosen = np.full(on.shape, -1, dtype=np.int64)
    chosen[on] = place
    sound: NDArray[np.bool_] = np.ones(on.shape, dtype=np.bool_)
    sound[on] = computed[place]
    rules = np.full((len(sides), 2, N_ENTRY), -1, dtype=np.int64)
    rules[:, 0], rules[:, 1, :N_EXIT] = chosen[:, :N_ENTRY], chosen[:, N_ENTRY:]
    masks = np.zeros((1 + 2 * len(sides), bank.n_words), dtype=np.uint64)
    needed = np.ascontiguousarray(sides[:, _NEEDED], dtype=np.int64).reshape(-1)
    combine_nb(conditions, rules.reshape(-1, N_ENTRY), needed, masks[1:])
    return masks, np.asarray(sound.all(axis=1))


def _distinct_rows(rows: Float64) -> tuple[Float64, NDArray[np.int64]]:
    """The distinct rows of `(n, m)`, and the place of every row among them `(n,)`."""
    rows = np.ascontiguousarray(rows)
    texts = rows.view(np.dtype((np.void, rows.shape[1] * rows.itemsize))).reshape(-1)
    _, first, place = np.unique(texts, return_index=True, return_inverse=True)
    return rows[first], place.reshape(-1)


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
