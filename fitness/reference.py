"""The market rules, in plain Python: the readable twin that the kernel equals to the last bit.

Slow on purpose: every bar is visited, masks are booleans, nothing is skipped. Read it to know what a fill does; the
tests run it against the kernel. Where design has a rule it is kept to the letter; what it leaves open is decided here.

**Time.** A decision at the close of bar `t` uses bars up to `t` and fills at the open of `t+1`. In a window
`[start, stop)` the first decision is at `start`, so the earliest fill is at `start+1`; a decision at the last bar fills
nothing. What happens within one bar, in this order: an exit that is due at the open; an entry at the open; stop, then
target; the mark at the close; ruin or the end of the window; the decision.

**Entry.** While flat: long if `long_entry` and not `long_exit` and not `short_entry`; short likewise. Both entries
true: nothing, whatever the exits say.

**Exit.** In a position only the exit of its own side is read, from the close of the entry bar on. A position that
leaves at an open (by its exit rule or its time stop) is reversed at that same open if the opposite entry was true and
the opposite exit false at the decision, and there is no cooldown. A re-entry on the same side at the same open is
nonsense and does not happen. Exit rule and time stop due at the same open: the reason is the exit rule.

**Stop, target, trailing stop.** Distances are fixed at entry: a multiple of the ATR at the decision bar, or percent
of the entry fill (which has the slippage in it). An ATR that is needed and is NaN or not above 0: no entry. All three
live from the entry bar on. The trailing stop starts at its distance from the fill and then follows the best close
since entry, up to the bar before; it never loosens, so closes worse than the fill do not move it. The tighter of stop
and trailing stop is the stop; at a tie the reason is the stop. An open beyond the stop fills at the open. On the
entry bar that can happen only if the stop distance is less than the slippage: the position is then left at the very
open it was entered at. Stop and target both inside one bar's range: the stop is taken, even if the open was beyond
the target (the cautious reading, and that of backtesting.py). Stops fill with slippage, targets without; both pay the
fee.

**Time stop and cooldown.** Entered at the open of bar `e`, a time stop of N leaves at the open of `e+N`. After an
exit at bar `x`, at its open or within it, a cooldown of M allows the next decision at the close of `x+M`, so that M
bars after `x` see no entry. Without cooldown the close of `x` itself may decide.

**Drawdown breaker.** It watches realised equity, the cash while flat. Its reference is the highest since the start of
the window, or since it last re-armed. A trade that ends with `cash <= reference * (1 - breaker)` halts trading: as
after a cooldown of `rearm` bars, if that is longer than the strategy's own, no entry is decided, and a position that
leaves at an open is not reversed. Then it is armed again, with the cash of that time, which is that of the exit, as its
reference. It closes no position and sees no loss that is not realised: stops do that.

**Size.** `units = fraction * equity / (fill * (1 + fee) + fee_per_unit)`, or `risk * equity / stop distance` with the
tighter of stop and trailing distance; never above `leverage_cap` times the equity over that unit cost; rounded down to
lots. No units, or a size by risk without any stop: no entry. The fraction is the strategy's size itself, or

- by volatility and by confidence: the size times the strategy's `scale` at the decision bar. For volatility that is the
  inverse of the market's volatility a year (sizing.py), so that the size is the volatility wanted (Moskowitz, Ooi,
  Pedersen 2012, "Time series momentum", eq. 5); for confidence it is how sure the learners are, in [0, 1]. A scale that
  is NaN or not above 0: no entry. At most 100, which matters where leverage has no cap.
- by Kelly: the size times `mean / variance` of the account's own trades so far, each trade's profit over its entry
  notional, the variance that of a sample (Kelly 1956, "A new interpretation of information rate"; Thorp 2006, "The
  Kelly criterion in blackjack, sports betting and the stock market", section 7.1, without interest). At
  least 0.01, so that it goes on learning, also where the mean is not above 0; at most the leverage cap, and 100 without
  one, also where the variance is 0. Until 10 trades have ended it is 0.1. A trade that ends at an open counts for the
  reversal at that open, as its cash does.

**Windows.** Each begins anew: cash, the breaker's reference, the trades that Kelly's fraction is estimated from. So two
windows merge to the whole only where nothing of that would have been carried over: without breaker and Kelly.

**What a fill costs.** A market or stop order fills worse by the bar's slippage (cost_models.py: a fraction, more where
it is volatile) plus `impact * sqrt(units)`, together at most half the price; a target is a limit order and fills at
its price. At an entry the units are sized without impact first; the impact of that size moves the fill, and the size
is what the moved fill allows, if that is less. Fees are `fee * notional + fee_per_unit * units` on each side, and the
size leaves room for them.

**Capacity.** One order takes at most a share of its bar's volume. An entry gets what there is, and the rest is not
bought later. Of an exit, whole lots of the capacity leave at its price; the rest leaves at the next opens, as much as
each takes, whatever rules and orders say meanwhile. The trade ends with the last unit; its exit price is the mean over
units, its reason that of the first. Ruin and the end of the window close all that is left, at that close.

**Carry.** A unit held from bar `e` to bar `x` pays what its side's carry rose between the two; it is part of equity at
each close and leaves cash with the unit.

**Money.** Cash and a position: entering takes `side * units * fill` and the fees from cash (a short's proceeds stay in
cash), equity is `cash + side * units * close` less carry at each close. A position still open at the last bar closes at
its close with slippage and fees. Equity not above 0 at a close: the position is closed at that close, with
costs, reason ruin. Cash not above 0 after any exit: it is set to 0 (a loss beyond the account is the broker's), the
account is ruined and trades no more. So the profits of all trades always sum to the change of equity.

**Tally.** See tally.py. Turnover divides each notional by the equity last known before that fill: at an entry the
cash, at an exit the last mark, or the entry equity on the entry bar. A bar counts as held unless the position left at
its open.
"""

from math import inf, nan, sqrt

import numpy as np
from numpy.typing import NDArray

from fitness.costs import (
    KELLY_FIRST,
    KELLY_LEAST,
    KELLY_TRADES,
    MOST_FRACTION,
    MOST_LOTS,
    SCALED,
    WORST_FILL,
    Costs,
    OrderKind,
    Risk,
    SizeKind,
)
from fitness.kernel_bars import Fill, PriceBars, kernel_bars
from fitness.reference_account import (
    FLAT,
    LONG,
    SHORT,
    Account,
    Bar,
    Position,
    bars_of,
    fees,
    leave,
    tally_of,
    trades_of,
)
from fitness.tally import ExitReason, Simulation


def simulate(
    *,
    bars: PriceBars,
    atr: NDArray[np.float64],
    masks: NDArray[np.bool_],
    window: tuple[int, int],
    risk: NDArray[np.float64],
    costs: Costs,
    scale: NDArray[np.float64] | None = None,
) -> Simulation:
    """Tally, trades and equity of one strategy in one window: as `simulation.simulate_one`, slowly.

    Args:
        bars: open, high, low and close of the whole shard.
        atr: `(n_bars,)`, NaN in its warm-up.
        masks: booleans `(4, n_bars)`: long entry, long exit, short entry, short exit.
        window: start and stop.
        risk: `(N_RISK,)`.
        costs: of the market.
        scale: `(n_bars,)`, or None for a strategy without one.
    """
    start, stop = window
    risks = {column: float(risk[column]) for column in Risk}
    equity = costs.start_equity
    account = Account(costs=costs, risk=risks, cash=equity, marked=equity, reference=equity, ready=start)
    fills = kernel_bars(bars, atr, costs).fills
    for t in range(start, stop):
        bar = Bar(
            open=float(bars.open[t]),
            high=float(bars.high[t]),
            low=float(bars.low[t]),
            close=float(bars.close[t]),
            atr_before=float(atr[t - 1]) if t > start else inf,
            scale_before=float(scale[t - 1]) if scale is not None and t > start else nan,
            slippage=float(fills[t, Fill.SLIPPAGE]),
            impact=float(fills[t, Fill.IMPACT]),
            capacity=float(fills[t, Fill.CAPACITY]),
            carry={LONG: float(fills[t, Fill.CARRY_LONG]), SHORT: float(fills[t, Fill.CARRY_SHORT])},
        )
        wanted = FLAT
        if t > start:
            before = [bool(mask[t - 1]) for mask in masks]
            if account.position is None:
                wanted = entry_wanted(account, t - 1, *before)
            else:
                wanted = leave_if_due(account, t, bar, *before)
        if wanted != FLAT and not account.ruined:
            enter(account, t, bar, wanted)
        if account.position is not None and account.position.leaving is None:
            protect(account, account.position, t, bar)
        mark(account, t, bar, is_last=t == stop - 1)
    return Simulation(tally_of(account), trades_of(account), np.array(account.equity))


def entry_wanted(
    account: Account, t: int, long_entry: bool, long_exit: bool, short_entry: bool, short_exit: bool
) -> int:
    """The side that a flat account decides to enter at the close of `t`."""
    if account.ruined or t < account.ready:
        return FLAT
    if long_entry and short_entry:
        return FLAT
    if long_entry and not long_exit:
        return LONG
    if short_entry and not short_exit:
        return SHORT
    return FLAT


def leave_if_due(
    account: Account, t: int, bar: Bar, long_entry: bool, long_exit: bool, short_entry: bool, short_exit: bool
) -> int:
    """Leaves at the open of `t` if that was decided at the close before; the side to reverse to at the same open."""
    position = account.position
    assert position is not None
    time_stop = bars_of(account, Risk.TIME_STOP)
    own_exit = long_exit if position.side == LONG else short_exit
    if position.leaving is not None:
        reason = position.leaving
    elif own_exit:
        reason = ExitReason.EXIT
    elif time_stop > 0 and t - position.entry_bar >= time_stop:
        reason = ExitReason.TIME
    else:
        return FLAT
    sold = fillable(account, position.units, bar)
    price = market_price(bar, bar.open, -position.side, sold)
    leave(account, position, t, bar, price, sold, reason, at_open=True)
    if account.position is not None or account.ready > t:
        return FLAT
    if position.side == LONG:
        return SHORT if short_entry and not short_exit else FLAT
    return LONG if long_entry and not long_exit else FLAT


def enter(account: Account, t: int, bar: Bar, side: int) -> None:
    """Enters at the open of `t`, if the ATR and the size allow it."""
    risk = account.risk
    if OrderKind.ATR in (risk[Risk.STOP_KIND], risk[Risk.TARGET_KIND], risk[Risk.TRAIL_KIND]) and not (
        0.0 < bar.atr_before < inf
    ):
        return
    equity = account.cash
    fill = market_price(bar, bar.open, side, 0.0)
    units = size(account, equity, fill, bar, bar.capacity)
    if bar.impact > 0.0 and units > 0.0:
        fill = market_price(bar, bar.open, side, units)
        units = min(units, size(account, equity, fill, bar, units))
    if not units > 0.0:
        return
    stop, target, trail = distances(account, fill, bar)
    notional = units * fill
    account.cash = account.cash - side * notional - fees(account, notional, units)
    account.turnover += notional / equity
    account.position = Position(
        side=side,
        entry_bar=t,
        entry_price=fill,
        units=units,
        entry_equity=equity,
        stop=fill - side * stop,
        target=fill + side * target,
        trail_distance=trail,
        best_close=fill,
        carry_paid=bar.carry[side],
        entry_units=units,
    )


def distances(account: Account, fill: float, bar: Bar) -> tuple[float, float, float]:
    """Distances of stop, target and trailing stop from a fill."""
    risk = account.risk
    return (
        distance(risk[Risk.STOP_KIND], risk[Risk.STOP], fill, bar.atr_before),
        distance(risk[Risk.TARGET_KIND], risk[Risk.TARGET], fill, bar.atr_before),
        distance(risk[Risk.TRAIL_KIND], risk[Risk.TRAIL], fill, bar.atr_before),
    )


def size(account: Account, equity: float, fill: float, bar: Bar, most_units: float) -> float:
    """Units to enter with; 0 when undefined or less than a lot."""
    costs = account.costs
    stop, _, trail = distances(account, fill, bar)
    stop_distance = min(stop, trail)
    unit_cost = fill * (1.0 + costs.fee) + costs.fee_per_unit
    most = costs.leverage_cap * equity / unit_cost
    if account.risk[Risk.SIZE_KIND] == SizeKind.RISK:
        if not 0.0 < stop_distance < inf:
            return 0.0
        units = account.risk[Risk.SIZE] * equity / stop_distance
    else:
        units = fraction(account, bar) * equity / unit_cost
    return in_lots(account, min(units, most, most_units))


def fraction(account: Account, bar: Bar) -> float:
    """The fraction of equity to enter with, before the cap on leverage; 0 for no entry."""
    kind, wanted = account.risk[Risk.SIZE_KIND], account.risk[Risk.SIZE]
    if kind in SCALED:
        scaled = wanted * bar.scale_before
        return min(scaled, MOST_FRACTION) if bar.scale_before > 0.0 and scaled > 0.0 else 0.0
    return kelly(account, wanted) if kind == SizeKind.KELLY else wanted


def kelly(account: Account, multiple: float) -> float:
    """A multiple of Kelly's fraction, as the trades that have ended tell it."""
    n = len(account.trades)
    if n < KELLY_TRADES:
        return KELLY_FIRST
    variance = account.squares / (n - 1)
    if not (multiple > 0.0 and account.mean_outcome > 0.0):
        return KELLY_LEAST
    if not variance > 0.0:
        return MOST_FRACTION
    return min(max(multiple * (account.mean_outcome / variance), KELLY_LEAST), MOST_FRACTION)


def in_lots(account: Account, units: float) -> float:
    """Units rounded down to whole lots."""
    lot = account.costs.lot_size
    if not lot > 0.0:
        return units
    lots = float(np.floor(units / lot))
    while lots * lot > units and lots < MOST_LOTS:
        lots -= 1.0
    return lots * lot


def fillable(account: Account, units: float, bar: Bar) -> float:
    """How many of the units that are to be sold this bar takes."""
    return units if units <= bar.capacity else in_lots(account, bar.capacity)


def protect(account: Account, position: Position, t: int, bar: Bar) -> None:
    """Stop, trailing stop and target within bar `t`; the stop comes first."""
    trailing = position.trailing_stop()
    if position.side == LONG:
        level = max(position.stop, trailing)
        stopped, gapped = bar.low <= level, bar.open <= level
        reached, jumped = bar.high >= position.target, bar.open >= position.target
    else:
        level = min(position.stop, trailing)
        stopped, gapped = bar.high >= level, bar.open >= level
        reached, jumped = bar.low <= position.target, bar.open <= position.target
    if stopped or gapped:
        reason = ExitReason.STOP if level == position.stop else ExitReason.TRAIL
        sold = fillable(account, position.units, bar)
        price = market_price(bar, bar.open if gapped else level, -position.side, sold)
        leave(account, position, t, bar, price, sold, reason)
    elif reached or jumped:
        price = bar.open if jumped else position.target
        leave(account, position, t, bar, price, fillable(account, position.units, bar), ExitReason.TARGET)


def mark(account: Account, t: int, bar: Bar, *, is_last: bool) -> None:
    """Marks equity at the close of `t`, closing what ruin or the end of the window does not let stand."""
    position = account.position
    equity = account.cash
    if position is not None:
        owed = position.units * (bar.carry[position.side] - position.carry_paid)
        equity = account.cash + position.signed_units() * bar.close - owed
        if position.side == LONG:
            position.best_close = max(position.best_close, bar.close)
        else:
            position.best_close = min(position.best_close, bar.close)
        if is_last or not equity > 0.0:
            reason = ExitReason.END if equity > 0.0 else ExitReason.RUIN
            price = market_price(bar, bar.close, -position.side, position.units)
            leave(account, position, t, bar, price, position.units, reason)
            equity = account.cash
    account.marked = equity
    account.equity.append(equity)
    account.bars.append(t)


def market_price(bar: Bar, price: float, side: int, units: float) -> float:
    """The fill of a market or stop order: buys (side 1) pay more, sells (side -1) get less."""
    adverse = bar.slippage
    if bar.impact > 0.0 and units > 0.0:
        adverse = min(bar.slippage + bar.impact * sqrt(units), WORST_FILL)
    return price * (1.0 + side * adverse)


def distance(kind: float, value: float, fill: float, atr: float) -> float:
    """Price distance of a protective order from the fill; infinite when it is off."""
    if kind == OrderKind.ATR:
        return value * atr
    if kind == OrderKind.PERCENT:
        return fill * value / 100.0
    return inf
