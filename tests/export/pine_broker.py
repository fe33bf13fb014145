"""TradingView's broker emulator, as we understand it: what the order lines of an exported script are run against.

Market orders fill at the next open. An exit that stands with an entry lives from the entry's bar on; within a bar the
price is taken to go from the open to the nearer extreme, to the other, to the close.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

FEE = 0.001


@dataclass
class Trade:
    """One trade that has ended."""

    side: int
    entry_bar: int
    exit_bar: int
    entry_price: float
    exit_price: float
    units: float


@dataclass
class Exit:
    """The protective orders of a position: prices, or distances in ticks from its fill."""

    stop: float | None = None
    limit: float | None = None
    loss: float | None = None
    profit: float | None = None

    def levels(self, side: int, fill: float, tick: float) -> tuple[float | None, float | None]:
        stop = fill - side * self.loss * tick if self.loss is not None else self.stop
        limit = fill + side * self.profit * tick if self.profit is not None else self.limit
        return stop, limit


@dataclass
class Broker:
    """A position, orders for the next open, and trades; the names are those of the script, dots as underscores."""

    open: Sequence[float]
    high: Sequence[float]
    low: Sequence[float]
    close: Sequence[float]
    trades: list[Trade] = field(default_factory=list)
    strategy_initial_capital: float = 1e6
    syminfo_mintick: float = 2.0**-30
    _t: int = 0
    _side: int = 0
    _units: float = 0.0
    _fill: float = 0.0
    _entry_bar: int = 0
    _cash: float = 1e6
    _entry: tuple[int, float] | None = None
    _leave: bool = False
    _exit: Exit | None = None

    def begin(self, t: int) -> None:
        """Fill what waits, on bar `t`."""
        self._t = t
        price = float(self.open[t])
        if self._side and (self._leave or self._entry):
            self._end(price)
        if self._entry is not None:
            self._side, self._units = self._entry
            self._fill, self._entry_bar = price, t
            self._cash -= FEE * self._units * price
        self._entry, self._leave = None, False
        if self._side and self._exit is not None:
            self._protect(self._exit, t)

    def _protect(self, orders: Exit, t: int) -> None:
        stop, limit = orders.levels(self._side, self._fill, self.syminfo_mintick)
        first, high, low, last = (float(each[t]) for each in (self.open, self.high, self.low, self.close))
        path = [first, high, low, last] if high - first < first - low else [first, low, high, last]
        for number, price in enumerate(path):
            stopped = stop is not None and (price - stop) * self._side <= 0.0
            reached = limit is not None and (price - limit) * self._side >= 0.0
            if stopped or reached:
                self._end(price if number == 0 else float((stop if stopped else limit) or 0.0))
                return

    def _end(self, price: float) -> None:
        trade = Trade(self._side, self._entry_bar, self._t, self._fill, price, self._units)
        self.trades.append(trade)
        self._cash += self._side * self._units * (price - self._fill) - FEE * self._units * price
        self._side, self._units, self._exit = 0, 0.0, self._exit if self._entry is not None else None

    def strategy_entry(self, name: str, direction: str, *, qty: float) -> None:
        assert direction == f"strategy.{name}"
        self._entry = (1 if name == "long" else -1, qty)
        self._exit = None

    def strategy_exit(self, name: str, entry: str, **orders: Any) -> None:
        assert (name, entry in ("long", "short")) == ("exit", True)
        self._exit = Exit(**orders)

    def strategy_close_all(self) -> None:
        self._leave = True

    @property
    def strategy_position_size(self) -> float:
        return self._side * self._units

    @property
    def strategy_position_avg_price(self) -> float:
        return self._fill

    @property
    def strategy_opentrades(self) -> int:
        return abs(self._side)

    @property
    def strategy_closedtrades(self) -> int:
        return len(self.trades)

    @property
    def strategy_netprofit(self) -> float:
        return self._cash - self.strategy_initial_capital + (FEE * self._units * self._fill if self._side else 0.0)

    @property
    def strategy_equity(self) -> float:
        return self._cash + self._side * self._units * (float(self.close[self._t]) - self._fill)

    def strategy_opentrades_entry_bar_index(self, number: int) -> int:
        assert number == 0
        return self._entry_bar

    def strategy_closedtrades_exit_bar_index(self, number: int) -> int:
        return self.trades[number].exit_bar
