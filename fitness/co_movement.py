"""How strategies move with their market: sums beside those of a tally, from which behaviour.py derives what they do.

A pass over strategies like that of `evaluate`, with the masks that the bank holds, in which the kernel keeps trades and
equity. Of these only the bars of trades are looked at, since all others earn nothing.

The market's return of a bar is its close over the close before, less 1; 0 at the first bar of a shard. A bar held
belongs to the regime known at the close before it, as in by_regime.py. The bar on which a trade leaves counts as held
unless it left at the open, by its exit rule or time stop; where a volume share lets it leave in parts, the last part
counts.

The columns, `CoMovement`, are in behaviour.py, which can be read without compiled code.
"""

import weakref
from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from fitness.account import Account, begin_nb, finish_nb
from fitness.bank import FeatureBank, frozen
from fitness.behaviour import N_CO, CoMovement
from fitness.bits import WORD_BITS
from fitness.costs import N_RISK, Cost, Costs
from fitness.evaluate import check_inputs
from fitness.folds import Window
from fitness.kernel import MANY, fetch_bars_nb, next_tile_nb, play_nb
from fitness.population import FIRST_RISK, Stage, accounts_for, failed_nb, stage
from fitness.rules import combine_nb
from fitness.shard import Shard
from fitness.tally import N_TALLY, N_TRADE, ExitReason, Tally, Trade
from strategies.features.regimes import UNKNOWN, VOLATILITIES, regimes_of

Float64 = NDArray[np.float64]
Integers = NDArray[np.int64]
Words = NDArray[np.uint64]


class Market(NamedTuple):
    """What strategies are compared with, of one shard, read-only.

    Attributes:
        returns: `(n_bars,)` of the market.
        known: `(n_bars + 1,)` bars before each whose regime of volatility was known at the close before them.
        volatile: `(n_bars + 1,)` those of them in which it was high.
    """

    returns: Float64
    known: Integers
    volatile: Integers


_MARKETS: Final[weakref.WeakKeyDictionary[Shard, Market]] = weakref.WeakKeyDictionary()
_HIGH: Final = VOLATILITIES.index("high")
_MARKET: Final = slice(N_TALLY + CoMovement.SUM_M, N_TALLY + CoMovement.SUM_M2 + 1)
_EXIT, _TIME = int(ExitReason.EXIT), int(ExitReason.TIME)
_jit = njit(cache=True, nogil=True, error_model="numpy", _nrt=False)


def co_movements(
    phenotypes: Float64, shard: Shard, windows: Sequence[Window], costs: Costs, bank: FeatureBank
) -> Float64:
    """The co-movement rows `(n, n_windows, N_CO)` of phenotypes `(n, N_GENES)` in every window of a shard.

    Arguments, errors and promises as of `evaluate`; the row is NaN where an operand failed.
    """
    return np.ascontiguousarray(with_co_movements(phenotypes, shard, windows, costs, bank)[:, :, N_TALLY:])


def with_co_movements(
    phenotypes: Float64, shard: Shard, windows: Sequence[Window], costs: Costs, bank: FeatureBank
) -> Float64:
    """Tallies, to the bit those of `evaluate`, and behind each its co-movement row: `(n, n_windows, N_TALLY + N_CO)`.

    Both from one pass, for little more than the tallies alone. A strategy whose operands can't be computed has rows of
    NaN. Inputs may be read-only and are never written to; results depend neither on the batch nor on the bank's budget.

    Raises:
        DataError: a window lies outside the shard.
        UsageError: rows of another width, or the bank of another shard.
    """
    check_inputs(phenotypes, shard, windows, bank)
    rows, market = frozen(phenotypes, np.float64), market_of(shard)
    scales, scale_rows = bank.scales(rows)
    plays = stage(bank, costs, windows, scales)
    longest = max((window.n_bars for window in windows), default=0)
    room = np.empty(longest), np.empty((longest, N_TRADE)), accounts_for(plays, len(rows))
    sums = np.zeros((len(rows), len(windows), N_TALLY + N_CO))
    sums[:, :, _MARKET] = market_sums_nb(market.returns, plays.windows)
    for part in bank.placed(rows, (plays.first, plays.stop)):
        co_movements_nb(plays, market, rows, frozen(scale_rows), *part, *room, sums)
    return sums


def market_of(shard: Shard) -> Market:
    """What strategies on this shard are compared with; made once for as long as the shard is there."""
    if shard not in _MARKETS:
        returns = np.zeros(shard.n_bars)
        returns[1:] = shard.close[1:] / shard.close[:-1] - 1.0
        before = np.full(shard.n_bars, UNKNOWN, dtype=np.int64)
        before[1:] = regimes_of(shard).volatility[:-1]
        counts = (np.concatenate([[0], np.cumsum(held)]) for held in (before != UNKNOWN, before == _HIGH))
        _MARKETS[shard] = Market(frozen(returns), *(frozen(count, np.int64) for count in counts))
    return _MARKETS[shard]


@njit(cache=True, nogil=True, error_model="numpy")
def market_sums_nb(returns: Float64, windows: Integers) -> Float64:
    """The sums `(n_windows, 2)` of the market's returns and of their squares in each window."""
    sums = np.zeros((windows.shape[0], 2))
    for w in range(windows.shape[0]):
        for bar in range(windows[w, 0], windows[w, 1]):
            sums[w, 0] += returns[bar]
            sums[w, 1] += returns[bar] * returns[bar]
    return sums


@_jit
def co_movements_nb(
    stage: Stage, market: Market, phenotypes: Float64, scale_rows: Integers, places: Integers, start: int, stop: int,
    masks: Words, failed: NDArray[np.bool_], equity: Float64, trades: Float64, accounts: Float64, sums_out: Float64,
) -> None:  # fmt: skip
    """Fill `sums_out (n, n_windows, N_TALLY + N_CO)` for the strategies `start` to `stop`, NaN where an operand failed.

    The market's own sums must be there, and 0 in the other columns. `scale_rows` and `accounts` as in
    `population.tallies_nb`. Scratch: `equity (n_bars,)` and `trades (n_bars, N_TRADE)` of the longest window (a bar has
    at most one entry).
    """
    start_equity = stage.costs[Cost.START_EQUITY]
    if not stage.in_tiles:
        for i in range(start, stop):
            combine_nb(phenotypes[i], places[i], masks, stage.first, stage.stop, stage.roles)
            for w in range(stage.windows.shape[0]):
                first, last, sums = stage.windows[w, 0], stage.windows[w, 1], sums_out[i, w]
                begin_nb(first, start_equity, accounts[0], sums[:N_TALLY])
                _play_nb(stage, market, w, first, last, phenotypes[i], scale_rows[i], equity, trades, accounts[0], sums)
                finish_nb(last - first, start_equity, accounts[0], sums[:N_TALLY])
    else:
        for w in range(stage.windows.shape[0]):
            _play_in_tiles_nb(
                stage, market, w, phenotypes, scale_rows, places, start, stop, masks, equity, trades, accounts, sums_out
            )
    for i in range(start, stop):
        if failed_nb(places[i], failed):
            sums_out[i] = np.nan


@_jit
def _play_in_tiles_nb(
    stage: Stage, market: Market, w: int, phenotypes: Float64, scale_rows: Integers, places: Integers, start: int,
    stop: int, masks: Words, equity: Float64, trades: Float64, accounts: Float64, sums_out: Float64,
) -> None:  # fmt: skip
    """Play the strategies `start` to `stop` through window `w`, all of them one tile after the other.

    A tile may look at the bar before it, no further, so the rules are made from the word of that bar on.
    """
    first, last, start_equity = stage.windows[w, 0], stage.windows[w, 1], stage.costs[Cost.START_EQUITY]
    for i in range(start, stop):
        begin_nb(first, start_equity, accounts[i], sums_out[i, w, :N_TALLY])
    bar = first
    while bar < last:
        word, begin, bar = max(bar - 1, 0) // WORD_BITS, bar, next_tile_nb(bar, last)
        if stop - start >= MANY:
            fetch_bars_nb(stage.blocks, stage.fills, begin, bar)
        for i in range(start, stop):
            combine_nb(phenotypes[i], places[i], masks, word, (bar + WORD_BITS - 1) // WORD_BITS, stage.roles)
            _play_nb(
                stage, market, w, begin, bar, phenotypes[i], scale_rows[i], equity, trades, accounts[i], sums_out[i, w]
            )
    for i in range(start, stop):
        finish_nb(last - first, start_equity, accounts[i], sums_out[i, w, :N_TALLY])


@_jit
def _play_nb(
    stage: Stage, market: Market, w: int, begin: int, until: int, phenotype: Float64, scale_row: int,
    equity: Float64, trades: Float64, account: Float64, sums_out: Float64,
) -> None:  # fmt: skip
    """Play the roles on the stage in window `w` from bar `begin`, where the account stands, to `until`, and add up."""
    first, last = stage.windows[w, 0], stage.windows[w, 1]
    width = stage.scales.shape[1] if scale_row >= 0 else 0  # no scale is `(0,)`
    n_before, marked = int(sums_out[Tally.N_TRADES]), account[Account.MARKED]
    play_nb(
        stage.blocks, stage.fills,
        stage.frozen_roles[0], stage.frozen_roles[1], stage.frozen_roles[2], stage.frozen_roles[3],
        first, last, until, phenotype[FIRST_RISK : FIRST_RISK + N_RISK], stage.costs,
        stage.scales[max(scale_row, 0), :width], sums_out[:N_TALLY], trades, equity[: last - first], account,
    )  # fmt: skip
    done = begin
    for row in range(n_before, int(sums_out[Tally.N_TRADES])):
        entry, leave = int(trades[row, Trade.ENTRY_BAR]), int(trades[row, Trade.EXIT_BAR])
        _add_returns_nb(market, equity, first, begin, marked, max(entry, done), leave + 1, sums_out)
        done = leave + 1  # a trade may be entered at the open at which the one before left
        _add_trade_nb(market, trades[row], entry, leave, sums_out[N_TALLY:])
    if account[Account.SIGN] != 0.0:
        entry = int(account[Account.ENTRY_BAR])
        _add_returns_nb(market, equity, first, begin, marked, max(entry, done), until, sums_out)


@_jit
def _add_returns_nb(
    market: Market, equity: Float64, first: int, begin: int, marked: float, bar: int, stop: int, sums_out: Float64
) -> None:
    """Add the products of both returns of the bars `bar` to `stop`; `marked` is equity at the close before `begin`."""
    together = sums_out[N_TALLY + CoMovement.SUM_RM]
    before = equity[bar - first - 1] if bar > begin else marked
    for t in range(bar, stop):
        now = equity[t - first]
        together += (now / before - 1.0) * market.returns[t]
        before = now
    sums_out[N_TALLY + CoMovement.SUM_RM] = together


@_jit
def _add_trade_nb(market: Market, trade: Float64, entry: int, leave: int, sums_out: Float64) -> None:
    """Add what a trade `(N_TRADE,)` that has ended says to `sums_out (N_CO,)`."""
    reason = trade[Trade.EXIT_REASON]
    held = leave if reason in (_EXIT, _TIME) else leave + 1
    sums_out[CoMovement.HELD_KNOWN] += market.known[held] - market.known[entry]
    sums_out[CoMovement.HELD_VOLATILE] += market.volatile[held] - market.volatile[entry]
    payoff = trade[Trade.PROFIT] / trade[Trade.ENTRY_EQUITY]
    sums_out[CoMovement.SUM_PAYOFF2] += payoff * payoff
    sums_out[CoMovement.SUM_PAYOFF3] += payoff * payoff * payoff
