"""The kernel: masks and bars of one shard to tallies, trades and equity. The rules are stated in reference.py.

`play_nb` plays the market rules on the bars on which something happens, and on no others. From flat it jumps to the
next decision by counting trailing zeros of the packed masks; the bar at which a position is due to leave is found once,
at entry, in the same way; the bars between an entry and the first bar that touches a stop, a target or ruin are taken
eight at a time (walk.py). Prices of a short are compared with their signs turned, so that each rule is written once.

A long window is played in tiles of bars, a whole population one tile after the other, so that bars are read from the
cache however long the shard is. Between two tiles a strategy is an account row (account.py), and it looks at no mask
beyond its tile.

Inputs are trusted: simulation.py is the checked edge, and hands over read-only views, so that one compiled version
serves arrays from anywhere (Ray's store hands out read-only ones). No fastmath, no parallel loop, no library function
in the loop: the bits are those of the plain-Python twin, on any machine.
"""

from typing import Final

import numpy as np
from numba import njit
from numpy.typing import NDArray

from fitness.account import Account, begin_nb, book_bar_nb, book_trade_nb, exchange_nb, finish_nb, remember_nb
from fitness.bits import WORD_BITS, WORDS_PER_LINE, has_bar_nb, next_bar_nb, prefetch_nb
from fitness.costs import Cost, OrderKind, Risk, SizeKind
from fitness.kernel_bars import LANES, N_FILL, Fill, Plane
from fitness.orders import adverse_nb, distance_nb, fillable_nb, next_entry_nb, size_nb, units_nb
from fitness.tally import ExitReason, Tally
from fitness.walk import Walk, walk_nb

MASK_ROLES = ("long_entry", "long_exit", "short_entry", "short_exit")
N_ROLES = len(MASK_ROLES)
TILE: Final = 64 * WORD_BITS
"""Bars that are played at a time, the last time up to twice as many: 360 KB to read, which a second cache holds."""
MANY: Final = 4
"""Strategies from which on it pays (measured) to fetch a whole tile ahead, which fewer would read only parts of."""

Float64 = NDArray[np.float64]
Words = NDArray[np.uint64]

_ATR, _BY_KELLY = int(OrderKind.ATR), int(SizeKind.KELLY)
_STAY, _EXIT, _STOP, _TARGET, _TRAIL, _TIME, _END, _RUIN = -1, *(int(reason) for reason in ExitReason)
_LANE_MASK = LANES - 1
_LANE_SHIFT = LANES.bit_length() - 1
_LOW, _HIGH, _BEST = int(Plane.LOW), int(Plane.HIGH), int(Walk.BEST)
_CARRY_LONG, _CARRY_SHORT = int(Fill.CARRY_LONG), int(Fill.CARRY_SHORT)
_jit = njit(cache=True, nogil=True, error_model="numpy", _nrt=False)


@_jit
def exit_due_nb(sign: float, long_exit: Words, short_exit: Words, bar: int, horizon: int) -> int:
    """The bar at whose open the exit rule leaves, if it decides in `[bar, horizon)`, else the one after the horizon."""
    return 1 + (next_bar_nb(long_exit, bar, horizon) if sign > 0.0 else next_bar_nb(short_exit, bar, horizon))


@_jit
def play_nb(
    blocks: Float64, fills: Float64,
    long_entry: Words, long_exit: Words, short_entry: Words, short_exit: Words,
    start: int, stop: int, until: int, risk: Float64, costs: Float64, scale: Float64,
    tally_out: Float64, trades_out: Float64, equity_out: Float64, account: Float64,
) -> None:  # fmt: skip
    """Plays one strategy in the window `[start, stop)` from where its account stands up to the bar `until`.

    Long because it is the one place where the state of an account changes, bar by bar, in the order of the rules.
    Arguments as `simulate_nb`; no bit of a mask counts from `until` on.
    """
    if account[Account.IS_OVER] > 0.0:
        return
    lot_size = costs[Cost.LOT_SIZE]
    time_stop = int(min(max(risk[Risk.TIME_STOP], 0.0), stop))
    cooldown = int(min(max(risk[Risk.COOLDOWN], 0.0), stop))
    remembers = risk[Risk.SIZE_KIND] == _BY_KELLY or risk[Risk.BREAKER] > 0.0
    needs_atr = _ATR in (risk[Risk.STOP_KIND], risk[Risk.TARGET_KIND], risk[Risk.TRAIL_KIND])
    records = equity_out.shape[0] > 0
    last = stop - 1
    horizon = min(until, last)  # decisions from here on are not made now

    cash, marked = account[Account.CASH], account[Account.MARKED]
    sign, pending = account[Account.SIGN], account[Account.PENDING]
    units, entry_units = account[Account.UNITS], account[Account.ENTRY_UNITS]
    entry_price, entry_equity = account[Account.ENTRY_PRICE], account[Account.ENTRY_EQUITY]
    proceeds, carry_paid = account[Account.PROCEEDS], account[Account.CARRY_PAID]
    signed_stop, signed_target = account[Account.STOP], account[Account.TARGET]
    trail = account[Account.TRAIL]
    entry_bar, exit_due = int(account[Account.ENTRY_BAR]), int(account[Account.EXIT_DUE])
    exit_reason = int(account[Account.EXIT_REASON])
    leaving = account[Account.LEAVING] > 0.0
    bar, decision = int(account[Account.BAR]), int(account[Account.DECISION])

    carry_column = _CARRY_LONG if sign > 0.0 else _CARRY_SHORT
    due = exit_due
    if sign != 0.0 and not leaving:
        if exit_due > bar:  # no exit up to here: it is decided at this bar at the earliest
            exit_due = exit_due_nb(sign, long_exit, short_exit, bar, horizon)
        due = exit_due
        exit_reason = _EXIT
        if 0 < time_stop < due - entry_bar:
            due = entry_bar + time_stop
            exit_reason = _TIME

    while True:
        if sign == 0.0 and pending == 0.0:  # flat: jump to the next decision to enter
            found = next_entry_nb(long_entry, long_exit, short_entry, short_exit, decision, horizon)
            decision = max(decision, found)
            following = decision + 1 if found < horizon else max(bar, until)
            if records:
                equity_out[bar - start : following - start] = cash
            bar = following
            if found < horizon:
                pending = 1.0 if has_bar_nb(long_entry, found) else -1.0
        if bar >= until:
            break

        # At the open: an exit that is due, then an entry.
        if sign != 0.0 and bar == due:
            sold = fillable_nb(units, fills[bar, Fill.CAPACITY], lot_size)
            price = fills[bar, Fill.OPEN]
            price = price * (1.0 - sign * adverse_nb(fills[bar, Fill.SLIPPAGE], fills[bar, Fill.IMPACT], sold))
            carry = fills[bar, carry_column] - carry_paid
            cash = exchange_nb(cash, sign, sold, price, carry, marked, costs, tally_out)
            proceeds += sold * price
            if sold == units:
                price = price if sold == entry_units else proceeds / entry_units
                cash = book_trade_nb(cash, sign, entry_units, entry_bar, entry_price, entry_equity, bar, price,
                                     exit_reason, True, tally_out, trades_out)  # fmt: skip
                pause = cooldown
                if remembers:
                    notional = entry_units * entry_price
                    pause = remember_nb(cash, notional, entry_equity, cooldown, stop, risk, account)
                if pause == 0 and cash > 0.0:
                    if sign > 0.0:
                        if has_bar_nb(short_entry, bar - 1) and not has_bar_nb(short_exit, bar - 1):
                            pending = -1.0
                    elif has_bar_nb(long_entry, bar - 1) and not has_bar_nb(long_exit, bar - 1):
                        pending = 1.0
                sign = units = 0.0
                leaving = False
                decision = bar + pause
            else:
                units -= sold
                leaving = True
                due = bar + 1
        if pending != 0.0:
            slippage, impact = fills[bar, Fill.SLIPPAGE], fills[bar, Fill.IMPACT]
            open_, atr = fills[bar, Fill.OPEN], fills[bar, Fill.ATR_BEFORE]
            size = size_nb(risk, scale, bar - 1, costs, account)
            fill = open_ * (1.0 + pending * slippage)
            stop_distance = distance_nb(risk[Risk.STOP_KIND], risk[Risk.STOP], fill, atr)
            trail = distance_nb(risk[Risk.TRAIL_KIND], risk[Risk.TRAIL], fill, atr)
            units = units_nb(cash, fill, min(stop_distance, trail), fills[bar, Fill.CAPACITY], size, risk, costs)
            if impact > 0.0 and units > 0.0:  # the impact of the size that would be bought without it
                fill = open_ * (1.0 + pending * adverse_nb(slippage, impact, units))
                stop_distance = distance_nb(risk[Risk.STOP_KIND], risk[Risk.STOP], fill, atr)
                trail = distance_nb(risk[Risk.TRAIL_KIND], risk[Risk.TRAIL], fill, atr)
                units = min(units, units_nb(cash, fill, min(stop_distance, trail), units, size, risk, costs))
            if units > 0.0 and (not needs_atr or 0.0 < atr < np.inf):
                sign = pending
                entry_bar, entry_price, entry_equity, entry_units = bar, fill, cash, units
                proceeds = 0.0
                notional = units * fill
                cash = cash - sign * notional - (costs[Cost.FEE] * notional + costs[Cost.FEE_PER_UNIT] * units)
                tally_out[Tally.TURNOVER] += notional / entry_equity
                carry_column = _CARRY_LONG if sign > 0.0 else _CARRY_SHORT
                carry_paid = fills[bar, carry_column]
                signed_fill = sign * fill
                account[_BEST] = signed_fill
                signed_stop = signed_fill - stop_distance
                signed_target = signed_fill + distance_nb(risk[Risk.TARGET_KIND], risk[Risk.TARGET], fill, atr)
                exit_due = exit_due_nb(sign, long_exit, short_exit, bar, horizon)
                due = exit_due
                exit_reason = _EXIT
                if 0 < time_stop < due - bar:
                    due = bar + time_stop
                    exit_reason = _TIME
            else:
                units = 0.0
            pending = 0.0

        # Eight bars at a time, to the next one on which something happens.
        if sign != 0.0 and not leaving:
            end = min(due, horizon)
            if bar < end:
                first = bar
                bar = walk_nb(blocks, account, first, end, sign, cash, units, carry_paid, signed_stop, signed_target,
                              trail, marked)  # fmt: skip
                if bar > first:
                    close, carry = fills[bar - 1, Fill.CLOSE], fills[bar - 1, carry_column] - carry_paid
                    marked = cash + (sign * units) * close - units * carry
                    if records:
                        for t in range(first, bar):
                            carry = fills[t, carry_column] - carry_paid
                            equity_out[t - start] = cash + (sign * units) * fills[t, Fill.CLOSE] - units * carry
                if bar == due or bar >= until:
                    continue

        # Within the bar: stop before target.
        if sign != 0.0 and not leaving:
            signed_open = sign * fills[bar, Fill.OPEN]
            block, lane = bar >> _LANE_SHIFT, bar & _LANE_MASK
            if sign > 0.0:
                signed_worst, signed_top = blocks[block, _LOW, lane], blocks[block, _HIGH, lane]
            else:
                signed_worst, signed_top = -blocks[block, _HIGH, lane], -blocks[block, _LOW, lane]
            level = max(signed_stop, account[_BEST] - trail)
            reason = _STAY
            price = 0.0
            sold = 0.0
            if signed_worst <= level:
                sold = fillable_nb(units, fills[bar, Fill.CAPACITY], lot_size)
                worse = adverse_nb(fills[bar, Fill.SLIPPAGE], fills[bar, Fill.IMPACT], sold)
                price = sign * min(signed_open, level) * (1.0 - sign * worse)
                reason = _TRAIL if level > signed_stop else _STOP
            elif signed_top >= signed_target:
                sold = fillable_nb(units, fills[bar, Fill.CAPACITY], lot_size)
                price = sign * max(signed_open, signed_target)
                reason = _TARGET
            if reason != _STAY:
                known = entry_equity if entry_bar == bar else marked
                carry = fills[bar, carry_column] - carry_paid
                cash = exchange_nb(cash, sign, sold, price, carry, known, costs, tally_out)
                proceeds += sold * price
                if sold == units:
                    price = price if sold == entry_units else proceeds / entry_units
                    cash = book_trade_nb(cash, sign, entry_units, entry_bar, entry_price, entry_equity, bar, price,
                                         reason, False, tally_out, trades_out)  # fmt: skip
                    pause = cooldown
                    if remembers:
                        notional = entry_units * entry_price
                        pause = remember_nb(cash, notional, entry_equity, cooldown, stop, risk, account)
                    sign = units = 0.0
                    decision = bar + pause
                else:
                    units -= sold
                    leaving = True
                    exit_reason = reason
                    due = bar + 1

        # At the close: mark; close what ruin or the end of the window does not let stand.
        equity = cash
        if sign != 0.0:
            close = fills[bar, Fill.CLOSE]
            carry = fills[bar, carry_column] - carry_paid
            equity = cash + (sign * units) * close - units * carry
            account[_BEST] = max(account[_BEST], sign * close)
            if bar == last or not equity > 0.0:
                if not leaving:
                    exit_reason = _END if equity > 0.0 else _RUIN
                worse = adverse_nb(fills[bar, Fill.SLIPPAGE], fills[bar, Fill.IMPACT], units)
                price = close * (1.0 - sign * worse)
                known = entry_equity if entry_bar == bar else marked
                cash = exchange_nb(cash, sign, units, price, carry, known, costs, tally_out)
                proceeds += units * price
                price = price if units == entry_units else proceeds / entry_units
                cash = book_trade_nb(cash, sign, entry_units, entry_bar, entry_price, entry_equity, bar, price,
                                     exit_reason, False, tally_out, trades_out)  # fmt: skip
                equity = cash
                sign = units = 0.0
                leaving = False
                decision = last
        book_bar_nb(equity, marked, bar & _LANE_MASK, account)
        marked = equity
        if records:
            equity_out[bar - start] = equity
        bar += 1
        if not equity > 0.0:
            account[Account.IS_OVER] = 1.0
            if records:
                equity_out[bar - start :] = cash
            break
        decision = max(decision, bar - 1)

    account[Account.CASH], account[Account.MARKED] = cash, marked
    account[Account.SIGN], account[Account.PENDING] = sign, pending
    account[Account.UNITS], account[Account.ENTRY_UNITS] = units, entry_units
    account[Account.ENTRY_PRICE], account[Account.ENTRY_EQUITY] = entry_price, entry_equity
    account[Account.PROCEEDS], account[Account.CARRY_PAID] = proceeds, carry_paid
    account[Account.STOP], account[Account.TARGET] = signed_stop, signed_target
    account[Account.TRAIL] = trail
    account[Account.ENTRY_BAR], account[Account.EXIT_DUE] = entry_bar, due if leaving else exit_due
    account[Account.EXIT_REASON] = exit_reason
    account[Account.LEAVING] = 1.0 if leaving else 0.0
    account[Account.BAR], account[Account.DECISION] = bar, decision


@_jit
def simulate_nb(
    blocks: Float64, fills: Float64,
    long_entry: Words, long_exit: Words, short_entry: Words, short_exit: Words,
    start: int, stop: int, risk: Float64, costs: Float64, scale: Float64,
    tally_out: Float64, trades_out: Float64, equity_out: Float64, account: Float64,
) -> int:  # fmt: skip
    """Simulates one strategy in the window `[start, stop)` and returns its number of trades.

    `blocks`, `fills` and `costs` are those of `KernelBars`, masks packed `(n_words,)`, `risk` is `(N_RISK,)`. `scale`
    `(n_bars,)` is what sizes of a kind in `SCALED` are multiplied with, `(0,)` for the others.
    `tally_out` `(N_TALLY,)` is overwritten; of the trades the first `n` are recorded in `trades_out` `(n, N_TRADE)`;
    `equity_out` takes the equity at each close, `(stop - start,)`, or none if it is `(0,)`. `account` is
    `(N_ACCOUNT,)`, of no interest before or after.
    """
    start_equity = costs[Cost.START_EQUITY]
    begin_nb(start, start_equity, account, tally_out)
    play_nb(
        blocks, fills, long_entry, long_exit, short_entry, short_exit, start, stop, stop, risk, costs, scale,
        tally_out, trades_out, equity_out, account,
    )  # fmt: skip
    finish_nb(stop - start, start_equity, account, tally_out)
    return int(tally_out[Tally.N_TRADES])


@_jit
def next_tile_nb(bar: int, stop: int) -> int:
    """The end of the tile that `bar` lies in; `stop` if less than another tile is left."""
    end = (bar // TILE + 1) * TILE
    return end if stop - end >= TILE else stop


@_jit
def fetch_tile_nb(mask: Words, first: int, stop: int) -> None:
    """Asks for the words of a mask `(n_words,)` from bar `first` to `stop`, while another strategy is played.

    A tile of a mask is too short for the machine to see by itself that it is being read from end to end.
    """
    for index in range(first // WORD_BITS, (stop - 1) // WORD_BITS + 1, WORDS_PER_LINE):
        prefetch_nb(mask, index)


@_jit
def fetch_bars_nb(blocks: Float64, fills: Float64, first: int, stop: int) -> None:
    """Asks for all that the kernel may read of the bars `first` to `stop`, from end to end: many strategies will.

    Left to themselves they would meet each line in no order and wait for it.
    """
    size = blocks.shape[1] * LANES
    for place in range((first >> _LANE_SHIFT) * size, ((stop - 1) >> _LANE_SHIFT) * size + size, WORDS_PER_LINE):
        prefetch_nb(blocks, place)
    for place in range(first * N_FILL, stop * N_FILL, WORDS_PER_LINE):
        prefetch_nb(fills, place)


@_jit
def simulate_many_nb(
    blocks: Float64, fills: Float64, masks: Words, mask_rows: NDArray[np.int64], windows: NDArray[np.int64],
    risks: Float64, costs: Float64, scales: Float64, scale_rows: NDArray[np.int64],
    tallies_out: Float64, trades_out: Float64, equity_out: Float64, accounts: Float64,
) -> None:  # fmt: skip
    """Simulates every strategy in every window: `tallies_out` `(n, n_windows, N_TALLY)` is overwritten.

    Strategy `i` uses the rows `mask_rows[i]` of `masks` `(n_masks, n_words)`, in the order of `MASK_ROLES`, so that a
    mask that many strategies share is there once. `windows` is `(n_windows, 2)` start and stop, `risks` `(n,
    N_RISK)`, `scale_rows` `(n,)` rows of `scales` `(n_rows, n_bars)`, -1 for a strategy without one. Trades and equity
    go one over the other: pass arrays of length 0. `accounts` is `(n, N_ACCOUNT)`.
    """
    start_equity = costs[Cost.START_EQUITY]
    for w in range(windows.shape[0]):
        start, stop = windows[w, 0], windows[w, 1]
        for i in range(mask_rows.shape[0]):
            begin_nb(start, start_equity, accounts[i], tallies_out[i, w])
        bar = start
        while bar < stop:
            first, bar = bar, next_tile_nb(bar, stop)
            if mask_rows.shape[0] >= MANY:
                fetch_bars_nb(blocks, fills, first, bar)
            for i in range(mask_rows.shape[0]):
                for role in range(N_ROLES):
                    if i + 1 < mask_rows.shape[0]:
                        fetch_tile_nb(masks[mask_rows[i + 1, role]], first, bar)
                row = scale_rows[i]
                width = scales.shape[1] if row >= 0 else 0  # no scale is `(0,)`
                play_nb(
                    blocks, fills, masks[mask_rows[i, 0]], masks[mask_rows[i, 1]], masks[mask_rows[i, 2]],
                    masks[mask_rows[i, 3]], start, stop, bar, risks[i], costs, scales[max(row, 0), :width],
                    tallies_out[i, w], trades_out, equity_out, accounts[i],
                )  # fmt: skip
        for i in range(mask_rows.shape[0]):
            finish_nb(stop - start, start_equity, accounts[i], tallies_out[i, w])
