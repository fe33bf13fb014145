"""A population through the windows of one shard, compiled: rules combine and are played, one strategy after another.

The masks of a strategy's rules are made in four rows of scratch words that stay in the first cache, and are played at
once. Where the windows are longer than a tile, the whole population plays one tile after the other, so that the bars
stay in the cache too, and the rules are made tile by tile (kernel.py).
"""

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from fitness.account import N_ACCOUNT, begin_nb, finish_nb
from fitness.bank import FeatureBank, frozen
from fitness.bits import WORD_BITS
from fitness.conditions import UNREADABLE
from fitness.costs import N_RISK, Cost, Costs
from fitness.folds import Window
from fitness.kernel import MANY, TILE, fetch_bars_nb, next_tile_nb, play_nb, simulate_nb
from fitness.rules import N_ROLES, N_SCRATCH, combine_nb
from fitness.tally import N_TRADE
from strategies.genes import BLOCK_COLUMNS, COLUMN

Float64 = NDArray[np.float64]
Words = NDArray[np.uint64]
Integers = NDArray[np.int64]

FIRST_RISK: Final = BLOCK_COLUMNS["risk"][0] + 1
"""First column of the kernel's risk row in a phenotype: the risk genes without the direction, which stands first."""

_DIRECTION = COLUMN["risk.direction"]
_ENTRY_NEEDED, _EXIT_NEEDED = COLUMN["entry.needed"], COLUMN["exit.needed"]
_jit = njit(cache=True, nogil=True, error_model="numpy", _nrt=False)


class Stage(NamedTuple):
    """What a population is played on.

    Attributes:
        blocks, fills, costs: bars and costs as the kernel reads them, see `KernelBars`.
        windows: `(n_windows, 2)` start and stop.
        first: the first word that a window lies in.
        stop: the first after it in which none does.
        in_tiles: whether windows are played tile by tile.
        roles: `(N_ROLES + N_SCRATCH, n_words)` the masks of one strategy, in the order of `MASK_ROLES`; overwritten.
        frozen_roles: the same, read-only: what the kernel takes.
        scales: `(n_rows, n_bars)`, see `FeatureBank.scales`.
        trades, equity: empty: what the kernel records is not kept.
    """

    blocks: Float64
    fills: Float64
    costs: Float64
    windows: Integers
    first: int
    stop: int
    in_tiles: bool
    roles: Words
    frozen_roles: Words
    scales: Float64
    trades: Float64
    equity: Float64


def stage(bank: FeatureBank, costs: Costs, windows: Sequence[Window], scales: Float64) -> Stage:
    """A stage for windows of the bank's shard and a population with these scales `(n_rows, n_bars)`."""
    bars, roles = bank.kernel_bars(costs), np.zeros((N_ROLES + N_SCRATCH, bank.n_words), dtype=np.uint64)
    bounds = np.array([(window.start, window.stop) for window in windows], dtype=np.int64).reshape(-1, 2)
    first = min((window.start for window in windows), default=0) // WORD_BITS
    stop = -(-max((window.stop for window in windows), default=0) // WORD_BITS)
    words = first, stop, (stop - first) * WORD_BITS >= 2 * TILE
    unused = np.empty((0, N_TRADE)), np.empty(0)
    return Stage(
        bars.blocks, bars.fills, bars.costs, frozen(bounds), *words, roles, frozen(roles), frozen(scales), *unused
    )


def accounts_for(stage: Stage, n: int) -> Float64:
    """Account rows for `n` strategies, to be written to: one a strategy if they are played in tiles, else one."""
    return np.empty((n if stage.in_tiles else 1, N_ACCOUNT))


@_jit
def failed_nb(places: Integers, failed: NDArray[np.bool_]) -> bool:
    """Whether a condition at `places (2, n_places)` can't be read, or an operand of it could not be computed."""
    for side in range(places.shape[0]):
        for place in places[side]:
            if place == UNREADABLE or (place >= 0 and failed[place]):
                return True
    return False


@_jit
def tallies_nb(
    stage: Stage, phenotypes: Float64, scale_rows: Integers, places: Integers, start: int, stop: int, masks: Words,
    failed: NDArray[np.bool_], accounts: Float64, tallies_out: Float64,
) -> None:  # fmt: skip
    """Fill `tallies_out (n, n_windows, N_TALLY)` for the strategies `start` to `stop`, NaN where an operand failed.

    `scale_rows (n,)` are rows of the stage's scales, -1 for none; `accounts` are those of `accounts_for`.
    """
    if not stage.in_tiles:
        for i in range(start, stop):
            if not failed_nb(places[i], failed):
                combine_nb(phenotypes[i], places[i], masks, stage.first, stage.stop, stage.roles)
                for w in range(stage.windows.shape[0]):
                    _play_nb(stage, w, phenotypes[i], scale_rows[i], stage.equity, accounts[0], tallies_out[i, w])
    else:
        for w in range(stage.windows.shape[0]):
            _play_in_tiles_nb(stage, w, phenotypes, scale_rows, places, start, stop, masks, accounts, tallies_out)
    for i in range(start, stop):
        if failed_nb(places[i], failed):
            tallies_out[i] = np.nan


@_jit
def _play_nb(
    stage: Stage, w: int, phenotype: Float64, scale_row: int, equity_out: Float64, account: Float64, tally_out: Float64
) -> None:
    """Play the roles on the stage through window `w`: the call of the kernel."""
    width = stage.scales.shape[1] if scale_row >= 0 else 0  # no scale is `(0,)`
    simulate_nb(
        stage.blocks, stage.fills,
        stage.frozen_roles[0], stage.frozen_roles[1], stage.frozen_roles[2], stage.frozen_roles[3],
        stage.windows[w, 0], stage.windows[w, 1], phenotype[FIRST_RISK : FIRST_RISK + N_RISK], stage.costs,
        stage.scales[max(scale_row, 0), :width], tally_out, stage.trades, equity_out, account,
    )  # fmt: skip


@_jit
def _play_in_tiles_nb(
    stage: Stage, w: int, phenotypes: Float64, scale_rows: Integers, places: Integers, start: int, stop: int,
    masks: Words, accounts: Float64, tallies_out: Float64,
) -> None:  # fmt: skip
    """Play the strategies `start` to `stop` through window `w`, as `simulate_many_nb` does: the kernel's other call.

    A tile may look at the bar before it, no further, so the rules are made from the word of that bar on.
    """
    first, last, start_equity = stage.windows[w, 0], stage.windows[w, 1], stage.costs[Cost.START_EQUITY]
    for i in range(start, stop):
        begin_nb(first, start_equity, accounts[i], tallies_out[i, w])
    bar = first
    while bar < last:
        word, begin, bar = max(bar - 1, 0) // WORD_BITS, bar, next_tile_nb(bar, last)
        if stop - start >= MANY:
            fetch_bars_nb(stage.blocks, stage.fills, begin, bar)
        for i in range(start, stop):
            combine_nb(phenotypes[i], places[i], masks, word, (bar + WORD_BITS - 1) // WORD_BITS, stage.roles)
            row = scale_rows[i]
            width = stage.scales.shape[1] if row >= 0 else 0
            play_nb(
                stage.blocks, stage.fills,
                stage.frozen_roles[0], stage.frozen_roles[1], stage.frozen_roles[2], stage.frozen_roles[3],
                first, last, bar, phenotypes[i, FIRST_RISK : FIRST_RISK + N_RISK], stage.costs,
                stage.scales[max(row, 0), :width], tallies_out[i, w], stage.trades, stage.equity, accounts[i],
            )  # fmt: skip
    for i in range(start, stop):
        finish_nb(last - first, start_equity, accounts[i], tallies_out[i, w])


@_jit
def returns_nb(
    stage: Stage, phenotypes: Float64, scale_rows: Integers, places: Integers, start: int, stop: int, masks: Words,
    failed: NDArray[np.bool_], account: Float64, tally: Float64, returns_out: Float64,
) -> None:  # fmt: skip
    """Fill `returns_out (n, bars of all windows)` for the strategies `start` to `stop`, NaN where an operand failed.

    As `trace.per_bar_returns`: equity over the equity of the bar before, less 1; 0 once ruined. `scale_rows` as in
    `tallies_nb`; `account (N_ACCOUNT,)` and `tally (N_TALLY,)` are scratch.
    """
    for i in range(start, stop):
        if failed_nb(places[i], failed):
            returns_out[i] = np.nan
            continue
        combine_nb(phenotypes[i], places[i], masks, stage.first, stage.stop, stage.roles)
        first = 0
        for w in range(stage.windows.shape[0]):
            equity = returns_out[i, first : first + stage.windows[w, 1] - stage.windows[w, 0]]
            _play_nb(stage, w, phenotypes[i], scale_rows[i], equity, account, tally)
            before = stage.costs[Cost.START_EQUITY]
            for bar in range(equity.size):
                now = equity[bar]
                equity[bar] = now / before - 1.0 if before > 0.0 else 0.0
                before = now
            first += equity.size


@_jit
def role_masks_nb(
    phenotypes: Float64, places: Integers, start: int, stop: int, masks: Words, failed: NDArray[np.bool_],
    roles: Words, masks_out: Words, sound_out: NDArray[np.bool_],
) -> None:  # fmt: skip
    """Fill `masks_out (n, N_ROLES, n_words)` and `sound_out (n,)` for the strategies `start` to `stop`.

    `roles (N_ROLES + N_SCRATCH, n_words)` is scratch.
    """
    for i in range(start, stop):
        sound_out[i] = not failed_nb(places[i], failed)
        combine_nb(phenotypes[i], places[i], masks, 0, masks.shape[1], roles)
        for role in range(N_ROLES):
            for word in range(masks.shape[1]):
                masks_out[i, role, word] = roles[role, word]
