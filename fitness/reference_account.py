"""The account of the plain twin: a position, cash, what is booked of a trade, and the tally of it all in the end.

Of `reference.py`, which says what may happen; here is only what it does to the books.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from fitness.costs import Costs, Risk, SizeKind
from fitness.kernel_bars import LANES
from fitness.tally import N_TRADE, ExitReason, Tally

LONG, SHORT, FLAT = 1, -1, 0


@dataclass(frozen=True)
class Bar:
    """One bar's prices, ATR and scale at the decision before it, and what the cost models say of it."""

    open: float
    high: float
    low: float
    close: float
    atr_before: float
    scale_before: float
    """The strategy's scale at the decision before it; NaN where it has none."""
    slippage: float
    impact: float
    capacity: float
    carry: dict[int, float]
    """By side, what one unit held from the first bar on has cost."""


@dataclass
class Position:
    """An open position and its protective orders; a level that is off is infinite."""

    side: int
    entry_bar: int
    entry_price: float
    units: float
    entry_equity: float
    stop: float
    target: float
    trail_distance: float
    best_close: float
    """Best close since entry, or the fill if that is better."""
    carry_paid: float
    """Carry of one unit up to the entry."""
    entry_units: float
    proceeds: float = 0.0
    """Price times units of the parts that have left."""
    leaving: ExitReason | None = None
    """Why a part has left already; the rest follows at the next opens."""

    def trailing_stop(self) -> float:
        """The level of the trailing stop in the coming bar."""
        return self.best_close - self.side * self.trail_distance

    def signed_units(self) -> float:
        """Units, negative for a short."""
        return self.side * self.units


@dataclass
class Account:
    """Cash, at most one position, and what is counted on the way."""

    costs: Costs
    risk: dict[Risk, float]
    cash: float
    marked: float
    """Equity at the close before."""
    reference: float
    """Highest cash while flat since the start or the last re-arm of the breaker."""
    position: Position | None = None
    ready: int = 0
    """The first bar at whose close an entry may be decided."""
    ruined: bool = False
    turnover: float = 0.0
    trades: list[tuple[float, ...]] = field(default_factory=list)
    equity: list[float] = field(default_factory=list)
    bars: list[int] = field(default_factory=list)
    """The bar of each equity."""
    mean_outcome: float = 0.0
    """Of the trades that have ended: profit over entry notional, by Welford's recursion."""
    squares: float = 0.0
    """Sum of squares of the distances of these outcomes from their mean."""


def fees(account: Account, notional: float, units: float) -> float:
    """Fees of one fill."""
    return account.costs.fee * notional + account.costs.fee_per_unit * units


def leave(
    account: Account, position: Position, t: int, bar: Bar, price: float, sold: float, reason: ExitReason,
    *, at_open: bool = False,
) -> None:  # fmt: skip
    """Sells units of the position at `price` in bar `t`; books the trade when none is left."""
    side = position.side
    notional = sold * price
    known = position.entry_equity if position.entry_bar == t else account.marked
    account.turnover += notional / known
    owed = sold * (bar.carry[side] - position.carry_paid)
    account.cash = account.cash + side * notional - fees(account, notional, sold) - owed
    position.proceeds += notional
    position.leaving = reason if position.leaving is None else position.leaving
    if sold < position.units:
        position.units -= sold
        return
    if not account.cash > 0.0:
        account.cash = 0.0
        account.ruined = True
    exit_price = price if sold == position.entry_units else position.proceeds / position.entry_units
    profit = account.cash - position.entry_equity
    account.trades.append(
        (
            side,
            position.entry_bar,
            t,
            position.entry_price,
            exit_price,
            position.entry_units,
            profit,
            position.leaving,
            position.entry_equity,
            at_open,
        )
    )
    account.position = None
    if account.risk[Risk.SIZE_KIND] == SizeKind.KELLY:
        learn(account, profit, position.entry_units * position.entry_price)
    account.ready = t + pause(account)


def learn(account: Account, profit: float, notional: float) -> None:
    """Takes the last trade into mean and squares of the outcomes."""
    outcome = profit / notional if notional > 0.0 else 0.0
    away = outcome - account.mean_outcome
    account.mean_outcome = account.mean_outcome + away / len(account.trades)
    account.squares += away * (outcome - account.mean_outcome)


def pause(account: Account) -> int:
    """Bars without entry after the trade that has just ended: the cooldown, or more if it trips the breaker."""
    cooldown, breaker = bars_of(account, Risk.COOLDOWN), account.risk[Risk.BREAKER]
    if breaker > 0.0 and account.cash <= account.reference * (1.0 - breaker):
        account.reference = account.cash
        return max(cooldown, bars_of(account, Risk.REARM))
    account.reference = max(account.reference, account.cash)
    return cooldown


def bars_of(account: Account, column: Risk) -> int:
    """A time stop, a cooldown or the breaker's halt: whole bars, at least 0."""
    return max(int(account.risk[column]), 0)


def trades_of(account: Account) -> NDArray[np.float64]:
    """The trade rows `(n_trades, N_TRADE)`."""
    rows = [trade[:N_TRADE] for trade in account.trades]
    return np.array(rows, dtype=np.float64).reshape(len(rows), N_TRADE)


_POWERS: Final[dict[Tally, Callable[[float], float]]] = {
    Tally.SUM_R: lambda r: r,
    Tally.SUM_R2: lambda r: r * r,
    Tally.SUM_R3: lambda r: r * r * r,
    Tally.SUM_R4: lambda r: (r * r) * (r * r),
    Tally.SUM_DOWN2: lambda r: r * r if r < 0.0 else 0.0,
}


def tally_of(account: Account) -> NDArray[np.float64]:
    """The tally `(N_TALLY,)`."""
    row = dict.fromkeys(Tally, 0.0)
    start_equity = account.costs.start_equity
    before = peak = trough = start_equity
    row[Tally.N_BARS] = len(account.equity)
    sums = {column: [0.0] * LANES for column in _POWERS}
    for t, equity in zip(account.bars, account.equity, strict=True):
        r = equity / before - 1.0 if before > 0.0 else 0.0
        for column, power in _POWERS.items():
            sums[column][t % LANES] += power(r)
        peak, trough = max(peak, equity), min(trough, equity)
        row[Tally.MAX_DRAWDOWN] = max(row[Tally.MAX_DRAWDOWN], (peak - equity) / peak)
        before = equity
    for column, (a, b, c, d, e, f, g, h) in sums.items():
        row[column] = ((a + b) + (c + d)) + ((e + f) + (g + h))
    row[Tally.GROWTH] = before / start_equity
    row[Tally.PEAK_GROWTH] = peak / start_equity
    row[Tally.TROUGH_GROWTH] = trough / start_equity
    row[Tally.RUINED] = float(account.ruined)
    row[Tally.TURNOVER] = account.turnover
    for _, entry_bar, exit_bar, _, _, _, profit, _, entry_equity, left_at_open in account.trades:
        share = profit / entry_equity
        row[Tally.BARS_HELD] += exit_bar - entry_bar + (0 if left_at_open else 1)
        row[Tally.N_TRADES] += 1
        row[Tally.N_WINS] += 1 if profit > 0.0 else 0
        row[Tally.GROSS_PROFIT] += share if profit > 0.0 else 0.0
        row[Tally.GROSS_LOSS] += 0.0 if profit > 0.0 else -share
        row[Tally.WORST_TRADE] = min(row[Tally.WORST_TRADE], share)
    return np.array([row[column] for column in Tally])
