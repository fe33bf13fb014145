"""The kernel: masks and bars of one shard to tallies, trades and equity. The rules are stated in reference.py.

`simulate_nb` is one loop in the order of the market rules. It visits only bars on which a position is held or a
decision falls; from flat it jumps to the next decision by counting trailing zeros of the packed masks, and the bar at
which a position is due to leave is found once, at entry, in the same way. Prices of a short are compared with their
signs turned, so that each rule is written once.

Inputs are trusted: simulation.py is the checked edge, and hands over read-only views, so that one compiled version
serves arrays from anywhere (Ray's store hands out read-only ones). No fastmath, no parallel loop, no library function
in the loop: the bits are those of the plain-Python twin, on any machine.
"""

import numpy as np
from numba import njit
from numpy.typing import NDArray

from fitness.bits import ctz_nb, has_bar_nb, n_words, next_bar_nb
from fitness.costs import Cost, Costs, OrderKind, Risk, SizeKind, risk_row
from fitness.tally import N_TALLY, N_TRADE, ExitReason, Tally, Trade

MASK_ROLES = ("long_entry", "long_exit", "short_entry", "short_exit")
N_ROLES = len(MASK_ROLES)

Float64 = NDArray[np.float64]
Words = NDArray[np.uint64]

_ALL = np.uint64(0xFFFF_FFFF_FFFF_FFFF)
_ATR, _PERCENT, _BY_RISK = int(OrderKind.ATR), int(OrderKind.PERCENT), int(SizeKind.RISK)
_STAY, _EXIT, _STOP, _TARGET, _TRAIL, _TIME, _END, _RUIN = -1, *(int(reason) for reason in ExitReason)
_jit = njit(cache=True, nogil=True, error_model="numpy")


@_jit
def next_entry_nb(
    long_entry: Words, long_exit: Words, short_entry: Words, short_exit: Words, bar: int, stop: int
) -> int:
    """The first bar in `[bar, stop)` at whose close a flat account decides to enter, `stop` when there is none."""
    if bar >= stop:
        return stop
    index = bar >> 6
    end = (stop + 63) >> 6
    allowed = _ALL << np.uint64(bar & 63)
    while index < end:
        long, short = long_entry[index], short_entry[index]
        word = ((long & ~long_exit[index] & ~short) | (short & ~short_exit[index] & ~long)) & allowed
        if word != 0:
            return min((index << 6) + ctz_nb(word), stop)
        allowed = _ALL
        index += 1
    return stop


@_jit
def distance_nb(kind: float, value: float, fill: float, atr: float) -> float:
    """Price distance of a protective order from the fill; infinite when it is off."""
    if kind == _ATR:
        return value * atr
    if kind == _PERCENT:
        return fill * value / 100.0
    return np.inf


@_jit
def units_nb(equity: float, fill: float, stop_distance: float, risk: Float64, costs: Float64) -> float:
    """Units to enter with, 0 when the size is undefined or less than a lot."""
    unit_cost = fill * (1.0 + costs[Cost.FEE])
    units = risk[Risk.SIZE] * equity / unit_cost
    if risk[Risk.SIZE_KIND] == _BY_RISK:
        if not 0.0 < stop_distance < np.inf:
            return 0.0
        units = risk[Risk.SIZE] * equity / stop_distance
    units = min(units, costs[Cost.LEVERAGE_CAP] * equity / unit_cost)
    if costs[Cost.LOT_SIZE] > 0.0:
        units = np.floor(units / costs[Cost.LOT_SIZE]) * costs[Cost.LOT_SIZE]
    return units


@_jit
def leave_nb(
    cash: float, sign: float, units: float, entry_bar: int, entry_price: float, entry_equity: float,
    bar: int, price: float, reason: int, known_equity: float, fee: float, tally_out: Float64, trades_out: Float64,
) -> float:  # fmt: skip
    """Closes the position at `price`, books the trade, returns the cash after it, at least 0."""
    notional = units * price
    cash = cash + sign * notional - fee * notional
    if not cash > 0.0:
        cash = 0.0
        tally_out[Tally.RUINED] = 1.0
    profit = cash - entry_equity
    share = profit / entry_equity
    held = bar - entry_bar
    if reason != _EXIT and reason != _TIME:
        held += 1
    row = int(tally_out[Tally.N_TRADES])
    tally_out[Tally.N_TRADES] += 1.0
    tally_out[Tally.BARS_HELD] += held
    tally_out[Tally.TURNOVER] += notional / known_equity
    if profit > 0.0:
        tally_out[Tally.N_WINS] += 1.0
        tally_out[Tally.GROSS_PROFIT] += share
    else:
        tally_out[Tally.GROSS_LOSS] -= share
        tally_out[Tally.WORST_TRADE] = min(tally_out[Tally.WORST_TRADE], share)
    if row < trades_out.shape[0]:
        trades_out[row, Trade.SIDE] = sign
        trades_out[row, Trade.ENTRY_BAR] = entry_bar
        trades_out[row, Trade.EXIT_BAR] = bar
        trades_out[row, Trade.ENTRY_PRICE] = entry_price
        trades_out[row, Trade.EXIT_PRICE] = price
        trades_out[row, Trade.UNITS] = units
        trades_out[row, Trade.PROFIT] = profit
        trades_out[row, Trade.EXIT_REASON] = reason
        trades_out[row, Trade.ENTRY_EQUITY] = entry_equity
    return cash


@_jit
def simulate_nb(
    open_: Float64, high: Float64, low: Float64, close: Float64, atr: Float64,
    long_entry: Words, long_exit: Words, short_entry: Words, short_exit: Words,
    start: int, stop: int, risk: Float64, costs: Float64,
    tally_out: Float64, trades_out: Float64, equity_out: Float64,
) -> int:  # fmt: skip
    """Simulates one strategy in the window `[start, stop)` and returns its number of trades.

    Long because it is the one place where the state of an account changes, bar by bar, in the order of the rules.

    Prices and ATR are `(n_bars,)`, masks packed `(n_words,)`, `risk` is `(N_RISK,)` and `costs` `(N_COSTS,)`. The ATR
    may be NaN. `tally_out` `(N_TALLY,)` is overwritten; of the trades the first `n` are recorded in `trades_out`
    `(n, N_TRADE)`; `equity_out` takes the equity at each close, `(stop - start,)`, or none if it is `(0,)`.
    """
    fee = costs[Cost.FEE]
    slippage = costs[Cost.SLIPPAGE]
    time_stop = int(min(max(risk[Risk.TIME_STOP], 0.0), stop))
    cooldown = int(min(max(risk[Risk.COOLDOWN], 0.0), stop))
    needs_atr = _ATR in (risk[Risk.STOP_KIND], risk[Risk.TARGET_KIND], risk[Risk.TRAIL_KIND])
    records = equity_out.shape[0] > 0
    last = stop - 1
    tally_out[:] = 0.0

    cash = costs[Cost.START_EQUITY]
    peak = trough = marked = cash  # marked: equity at the close before
    sum_r = sum_r2 = sum_r3 = sum_r4 = sum_down2 = drawdown = 0.0
    sign = pending = 0.0  # of the position held, of the entry that fills at the next open
    holding = units = entry_price = entry_equity = 0.0
    signed_stop = signed_target = signed_best = trail = 0.0
    entry_bar = due = 0
    exit_reason = _EXIT
    bar = decision = start

    while True:
        if sign == 0.0 and pending == 0.0:  # flat: jump to the next decision to enter
            decision = next_entry_nb(long_entry, long_exit, short_entry, short_exit, decision, last)
            if decision >= last:
                break
            pending = 1.0 if has_bar_nb(long_entry, decision) else -1.0
            if records:
                equity_out[bar - start : decision + 1 - start] = cash
            bar = decision + 1

        # At the open: an exit that is due, then an entry.
        if sign != 0.0 and bar == due:
            price = open_[bar] * (1.0 - sign * slippage)
            cash = leave_nb(cash, sign, units, entry_bar, entry_price, entry_equity, bar, price, exit_reason, marked,
                            fee, tally_out, trades_out)  # fmt: skip
            if cooldown == 0 and cash > 0.0:
                if sign > 0.0:
                    if has_bar_nb(short_entry, bar - 1) and not has_bar_nb(short_exit, bar - 1):
                        pending = -1.0
                elif has_bar_nb(long_entry, bar - 1) and not has_bar_nb(long_exit, bar - 1):
                    pending = 1.0
            sign = holding = 0.0
            decision = bar + cooldown
        if pending != 0.0:
            fill = open_[bar] * (1.0 + pending * slippage)
            atr_then = atr[bar - 1]
            stop_distance = distance_nb(risk[Risk.STOP_KIND], risk[Risk.STOP], fill, atr_then)
            trail = distance_nb(risk[Risk.TRAIL_KIND], risk[Risk.TRAIL], fill, atr_then)
            units = units_nb(cash, fill, min(stop_distance, trail), risk, costs)
            if units > 0.0 and (not needs_atr or 0.0 < atr_then < np.inf):
                sign = pending
                entry_bar, entry_price, entry_equity = bar, fill, cash
                notional = units * fill
                holding = sign * units
                cash = cash - sign * notional - fee * notional
                tally_out[Tally.TURNOVER] += notional / entry_equity
                signed_best = sign * fill
                signed_stop = signed_best - stop_distance
                signed_target = signed_best + distance_nb(risk[Risk.TARGET_KIND], risk[Risk.TARGET], fill, atr_then)
                due = 1 + (next_bar_nb(long_exit, bar, last) if sign > 0.0 else next_bar_nb(short_exit, bar, last))
                exit_reason = _EXIT
                if 0 < time_stop < due - bar:
                    due = bar + time_stop
                    exit_reason = _TIME
            pending = 0.0

        # Within the bar: stop before target.
        if sign != 0.0:
            signed_open = sign * open_[bar]
            if sign > 0.0:
                signed_worst, signed_top = low[bar], high[bar]
            else:
                signed_worst, signed_top = -high[bar], -low[bar]
            level = max(signed_stop, signed_best - trail)
            reason = _STAY
            price = 0.0
            if signed_worst <= level or signed_open <= level:
                price = sign * min(signed_open, level) * (1.0 - sign * slippage)
                reason = _TRAIL if level > signed_stop else _STOP
            elif signed_top >= signed_target or signed_open >= signed_target:
                price = sign * max(signed_open, signed_target)
                reason = _TARGET
            if reason != _STAY:
                known = entry_equity if entry_bar == bar else marked
                cash = leave_nb(cash, sign, units, entry_bar, entry_price, entry_equity, bar, price, reason, known,
                                fee, tally_out, trades_out)  # fmt: skip
                sign = holding = 0.0
                decision = bar + cooldown

        # At the close: mark; close what ruin or the end of the window does not let stand.
        equity = cash + holding * close[bar]
        if sign != 0.0:
            signed_best = max(signed_best, sign * close[bar])
            if bar == last or not equity > 0.0:
                reason = _END if equity > 0.0 else _RUIN
                price = close[bar] * (1.0 - sign * slippage)
                known = entry_equity if entry_bar == bar else marked
                cash = leave_nb(cash, sign, units, entry_bar, entry_price, entry_equity, bar, price, reason, known,
                                fee, tally_out, trades_out)  # fmt: skip
                equity = cash
                sign = holding = 0.0
                decision = last
        r = equity / marked - 1.0
        r2 = r * r
        sum_r += r
        sum_r2 += r2
        sum_r3 += r2 * r
        sum_r4 += r2 * r2
        if r < 0.0:
            sum_down2 += r2
        if equity > peak:
            peak = equity
        else:
            drawdown = max(drawdown, (peak - equity) / peak)
            trough = min(trough, equity)
        marked = equity
        if records:
            equity_out[bar - start] = equity
        bar += 1
        if not equity > 0.0:
            break
        decision = max(decision, bar - 1)

    if records and bar < stop:
        equity_out[bar - start :] = cash
    initial = costs[Cost.START_EQUITY]
    tally_out[Tally.N_BARS] = stop - start
    tally_out[Tally.SUM_R] = sum_r
    tally_out[Tally.SUM_R2] = sum_r2
    tally_out[Tally.SUM_R3] = sum_r3
    tally_out[Tally.SUM_R4] = sum_r4
    tally_out[Tally.SUM_DOWN2] = sum_down2
    tally_out[Tally.GROWTH] = cash / initial
    tally_out[Tally.PEAK_GROWTH] = peak / initial
    tally_out[Tally.TROUGH_GROWTH] = trough / initial
    tally_out[Tally.MAX_DRAWDOWN] = drawdown
    return int(tally_out[Tally.N_TRADES])


@_jit
def simulate_many_nb(
    open_: Float64, high: Float64, low: Float64, close: Float64, atr: Float64,
    masks: Words, mask_rows: NDArray[np.int64], windows: NDArray[np.int64], risks: Float64, costs: Float64,
    tallies_out: Float64,
) -> None:  # fmt: skip
    """Simulates every strategy in every window: `tallies_out` `(n, n_windows, N_TALLY)` is overwritten.

    Strategy `i` uses the rows `mask_rows[i]` of `masks` `(n_masks, n_words)`, in the order of `MASK_ROLES`, so that a
    mask that many strategies share is there once. `windows` is `(n_windows, 2)` start and stop, `risks` `(n,
    N_RISK)`.
    """
    no_trades = np.empty((0, N_TRADE))
    no_equity = np.empty(0)
    for i in range(mask_rows.shape[0]):
        long_entry, long_exit = masks[mask_rows[i, 0]], masks[mask_rows[i, 1]]
        short_entry, short_exit = masks[mask_rows[i, 2]], masks[mask_rows[i, 3]]
        for w in range(windows.shape[0]):
            simulate_nb(
                open_, high, low, close, atr, long_entry, long_exit, short_entry, short_exit,
                windows[w, 0], windows[w, 1], risks[i], costs, tallies_out[i, w], no_trades, no_equity,
            )  # fmt: skip


def warm_up_kernel() -> None:
    """Compiles the kernel, or loads it from numba's cache, for read-only inputs: once per process, before the work."""
    n_bars = 4
    prices, rows = np.ones(n_bars), np.zeros((1, len(MASK_ROLES)), dtype=np.int64)
    words, windows = np.zeros((1, n_words(n_bars)), dtype=np.uint64), np.array([[0, n_bars]])
    risk = risk_row()
    for array in (prices, rows, words, windows, risk):
        array.flags.writeable = False
    costs = Costs(fee=0.0, slippage=0.0).row()
    risks, bars = risk.reshape(1, -1), (prices, prices, prices, prices, prices)
    simulate_many_nb(*bars, words, rows, windows, risks, costs, np.empty((1, 1, N_TALLY)))
    masks = (words[0], words[0], words[0], words[0])
    outputs = np.empty(N_TALLY), np.empty((n_bars, N_TRADE)), np.empty(n_bars)
    simulate_nb(*bars, *masks, 0, n_bars, risk, costs, *outputs)
