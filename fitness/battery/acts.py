"""What a strategy decides on one shard, as the kernel takes it, and what comes of it when it is played.

A check plays the same decisions under other costs, a bar later or on other bars, dozens of times; so the decisions are
made once, and the kernel is called at once, without the checks that `simulate_one` does each time.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from fitness.account import N_ACCOUNT
from fitness.bank import FeatureBank, frozen
from fitness.bits import WORD_BITS
from fitness.costs import Cost
from fitness.evaluate import risk_rows, scale_of, sound_masks
from fitness.folds import Window
from fitness.kernel import simulate_nb
from fitness.kernel_bars import KernelBars
from fitness.shard import Shard
from fitness.tally import N_TALLY, N_TRADE, Tally, Trade
from fitness.trace import per_bar_returns

Float64 = NDArray[np.float64]
Words = NDArray[np.uint64]

ENTRIES = (0, 2)
"""Of the four masks, those that enter: long, short."""


@dataclass(frozen=True, eq=False)
class Act:
    """The decisions of one strategy on one shard. All arrays are read-only.

    Attributes:
        shard: the bars.
        atr: `(n_bars,)` what stops are measured in.
        masks: packed `(4, n_words)`, in the order of `MASK_ROLES`.
        risk: `(N_RISK,)`.
        scale: `(n_bars,)` what the size is multiplied with, `(0,)` where it is with nothing.
    """

    shard: Shard
    atr: Float64
    masks: Words
    risk: Float64
    scale: Float64


@dataclass(frozen=True, eq=False)
class Run:
    """What an act came to in one window of `n` bars; a return series as `pool` takes it.

    Attributes:
        window: the bars traded.
        timestamps: `(n,)` int64, microseconds UTC.
        returns: `(n,)` per bar, 0 once ruined.
        bars_per_year: of the shard.
        trades: `(n_trades, N_TRADE)`, columns as in `Trade`; empty where they were not asked for.
    """

    window: Window
    timestamps: NDArray[np.int64]
    returns: Float64
    bars_per_year: float
    trades: Float64

    def positions(self) -> NDArray[np.int8]:
        """The side held at each close `(n,)`: 1 long, -1 short."""
        out = np.zeros(self.returns.size, dtype=np.int8)
        for trade in self.trades:
            entry, leave = int(trade[Trade.ENTRY_BAR]), int(trade[Trade.EXIT_BAR])
            out[entry - self.window.start : leave - self.window.start] = trade[Trade.SIDE]
        return out

    def profits(self) -> Float64:
        """Profit of each trade `(n_trades,)` as a fraction of the equity at its entry."""
        return np.asarray(self.trades[:, Trade.PROFIT] / self.trades[:, Trade.ENTRY_EQUITY])


def act_of(phenotype: Float64, bank: FeatureBank) -> Act:
    """What the strategy of a phenotype row `(N_GENES,)` decides on the bank's shard.

    Raises:
        StrategyError: an operand of it can't be computed there.
    """
    scale = scale_of(phenotype, bank)
    return Act(
        shard=bank.shard,
        atr=bank.atr(),
        masks=frozen(sound_masks(phenotype, bank)),
        risk=frozen(risk_rows(phenotype.reshape(1, -1))[0]),
        scale=frozen(np.empty(0) if scale is None else scale),
    )


def play(act: Act, bars: KernelBars, windows: Sequence[Window], *, with_trades: bool = True) -> tuple[Run, ...]:
    """What an act comes to in each window; `bars` are those of its shard under some costs."""
    return tuple(_play_one(act, bars, window, with_trades=with_trades) for window in windows)


def _play_one(act: Act, bars: KernelBars, window: Window, *, with_trades: bool) -> Run:
    tally, equity, account = np.empty(N_TALLY), np.empty(window.n_bars), np.empty(N_ACCOUNT)
    trades = np.empty((window.n_bars if with_trades else 0, N_TRADE))
    simulate_nb(
        bars.blocks, bars.fills, *act.masks, window.start, window.stop, act.risk, bars.costs, act.scale,
        tally, trades, equity, account,
    )  # fmt: skip
    n_trades = int(tally[Tally.N_TRADES]) if with_trades else 0
    return Run(
        window=window,
        timestamps=act.shard.timestamps[window.start : window.stop],
        returns=per_bar_returns(equity, float(bars.costs[Cost.START_EQUITY])),
        bars_per_year=act.shard.bars_per_year,
        trades=trades[:n_trades].copy(),
    )


def delayed(act: Act, n_bars: int) -> Act:
    """The act in which every decision, and the size that goes with it, is acted on `n_bars` (0 to 63) later."""
    if n_bars == 0:
        return act
    masks = act.masks << np.uint64(n_bars)
    masks[:, 1:] |= act.masks[:, :-1] >> np.uint64(WORD_BITS - n_bars)
    masks[:, -1] &= np.uint64(0xFFFF_FFFF_FFFF_FFFF) >> np.uint64(-act.shard.n_bars % WORD_BITS)
    scale = act.scale
    if scale.size:
        scale = frozen(np.concatenate([np.full(n_bars, np.nan), scale[:-n_bars]]))
    return replace(act, masks=frozen(masks), scale=scale)


def without_entries(act: Act, missed: Words) -> Act:
    """The act in which no entry is decided at the bars that are `missed`, packed `(n_words,)`."""
    masks = act.masks.copy()
    for role in ENTRIES:
        masks[role] &= ~missed
    return replace(act, masks=frozen(masks))
