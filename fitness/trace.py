"""One strategy in one window, in full: trades, equity, returns and positions, bar by bar.

For elites, reports and `studbook backtest`: what `evaluate` sums up, here it can be looked at. The same masks and the
same kernel, so the figures are the same.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from fitness.bank import FeatureBank
from fitness.bits import n_words
from fitness.costs import Costs, risk_row
from fitness.evaluate import check_inputs, check_windows, risk_rows, scale_of, sound_masks
from fitness.folds import Window
from fitness.shard import Shard
from fitness.simulation import simulate_one
from fitness.tally import Simulation, Trade

Float64 = NDArray[np.float64]
Words = NDArray[np.uint64]

TRADE_FIELDS: Final = np.dtype(
    [
        ("side", "i1"),  # 1 long, -1 short
        ("entry_bar", "i8"),  # of the shard
        ("exit_bar", "i8"),
        ("entry_time", "i8"),  # microseconds UTC, the timestamps of these bars
        ("exit_time", "i8"),
        ("entry_price", "f8"),  # with slippage
        ("exit_price", "f8"),
        ("units", "f8"),
        ("profit", "f8"),  # after all costs, in units of the equity at the window's start
        ("profit_share", "f8"),  # profit over the equity at entry
        ("exit_reason", "i1"),  # place in tally.EXIT_REASONS
        ("entry_equity", "f8"),
    ]
)


@dataclass(frozen=True, eq=False)
class Trace:
    """What a strategy did in a window of `n` bars.

    Attributes:
        symbol, timeframe: of the shard.
        window: the bars traded.
        bars_per_year: of the shard.
        timestamps: `(n,)` int64, microseconds UTC.
        trades: `(n_trades,)` records of `TRADE_FIELDS`, in the order of entry.
        equity: `(n,)` marked at each close, 1 before the first bar.
        returns: `(n,)` per bar: equity over the equity of the bar before, less 1; 0 once ruined.
        positions: `(n,)` int8: the side held at each close; a trade that ends within its entry bar shows nowhere.
        tally: `(N_TALLY,)` the sums that every measure follows from.
    """

    symbol: str
    timeframe: str
    window: Window
    bars_per_year: float
    timestamps: NDArray[np.int64]
    trades: NDArray[np.void]
    equity: Float64
    returns: Float64
    positions: NDArray[np.int8]
    tally: Float64


def trace(phenotype: Float64, shard: Shard, window: Window, costs: Costs, bank: FeatureBank) -> Trace:
    """What the strategy of one phenotype row `(N_GENES,)` does in `window`.

    Raises:
        StrategyError: an operand of the strategy can't be computed on this shard.
        DataError: the window lies outside the shard.
        UsageError: a row of another width, or the bank of another shard.
    """
    rows = phenotype.reshape(1, -1)
    check_inputs(rows, shard, [window], bank)
    masks = sound_masks(phenotype, bank)
    found = simulate_one(
        bars=shard,
        atr=bank.atr(),
        masks=masks,
        window=(window.start, window.stop),
        risk=risk_rows(rows)[0],
        costs=costs,
        scale=scale_of(phenotype, bank),
    )
    return trace_of(found, shard, window, costs)


def trace_buy_and_hold(shard: Shard, window: Window, costs: Costs) -> Trace:
    """The benchmark: buy with all equity at the window's second open, hold, sell at its last close; the same costs.

    Raises:
        DataError: the window lies outside the shard.
    """
    check_windows([window], shard)
    masks = np.zeros((4, n_words(shard.close.size)), dtype=np.uint64)
    masks[0, window.start >> 6] = np.uint64(1) << np.uint64(window.start & 63)  # one decision: at the first close
    found = simulate_one(
        bars=shard,
        atr=np.full(shard.close.size, np.nan),
        masks=masks,
        window=(window.start, window.stop),
        risk=risk_row(),
        costs=costs,
    )
    return trace_of(found, shard, window, costs)


def trace_of(found: Simulation, shard: Shard, window: Window, costs: Costs) -> Trace:
    """What a simulation did, with times and in units of the start equity."""
    initial = costs.start_equity
    trades = _trade_records(found.trades, shard.timestamps, initial)
    positions = np.zeros(window.n_bars, dtype=np.int8)
    for record in trades:
        positions[record["entry_bar"] - window.start : record["exit_bar"] - window.start] = record["side"]
    return Trace(
        symbol=shard.symbol,
        timeframe=shard.timeframe,
        window=window,
        bars_per_year=shard.bars_per_year,
        timestamps=shard.timestamps[window.start : window.stop],
        trades=trades,
        equity=found.equity / initial,
        returns=per_bar_returns(found.equity, initial),
        positions=positions,
        tally=found.tally,
    )


def per_bar_returns(equity: Float64, initial: float) -> Float64:
    """Returns `(n,)` of an equity curve `(n,)` that stood at `initial` before its first bar; 0 after ruin."""
    before = np.concatenate([[initial], equity[:-1]])
    return np.asarray(np.divide(equity, before, out=np.ones(equity.size), where=before > 0.0) - 1.0)


def _trade_records(trades: Float64, timestamps: NDArray[np.int64], initial: float) -> NDArray[np.void]:
    """The kernel's trade rows `(n_trades, N_TRADE)` as records, with times and in units of the start equity."""
    records = np.zeros(len(trades), dtype=TRADE_FIELDS)
    for column in Trade:
        records[column.name.lower()] = trades[:, column]
    records["entry_time"] = timestamps[records["entry_bar"]]
    records["exit_time"] = timestamps[records["exit_bar"]]
    records["profit_share"] = trades[:, Trade.PROFIT] / trades[:, Trade.ENTRY_EQUITY]
    for name in ("profit", "entry_equity"):
        records[name] /= initial
    return records
