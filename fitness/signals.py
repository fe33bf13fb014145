"""What a strategy wants at the next open, with how much it may hold, where its stop lies, and how sure that is.

The signal is what the kernel does, not a second reading of the rules: a bar is added behind the last one, at its close,
and the strategy is played through it. So cooldown, breaker, reversal and size are those of the market rules.
"""

from dataclasses import asdict, dataclass
from types import SimpleNamespace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from fitness.bank import FeatureBank
from fitness.bits import pack
from fitness.costs import Costs, OrderKind, Risk
from fitness.played import Play, learners_confidence, play_of
from fitness.shard import Shard
from fitness.simulation import simulate_one
from fitness.tally import ExitReason, Simulation, Trade
from strategies.contract import AnyStrategy
from strategies.errors import DataError

Float64 = NDArray[np.float64]

LEAST_TRADES: Final = 10
"""Closed trades without which there is no interval."""
LEVEL: Final = 0.9
"""Of the confidence interval."""
N_RESAMPLES: Final = 2000
GREAT_LOSS: Final = 0.1
"""Loss at the stop, as a fraction of equity, that makes that half of the risk score 1."""
_BATCH_VALUES: Final = 1_000_000
_LEAST_BARS: Final = 20
_KEY: Final = int.from_bytes(b"studbook signals", "little")
_SIDES: Final = {1: "long", -1: "short", 0: None}


@dataclass(frozen=True)
class Signal:
    """A strategy's word at the close of one bar, to be acted on at the next open.

    Attributes:
        strategy: its name.
        symbol, timeframe: of the bars.
        bar: the bar of the decision.
        time: when that bar opened, microseconds UTC.
        action: "enter", "exit", "reverse" (leave, and enter the other side at the same open), "hold" or "none".
        side: "long" or "short": what is entered, left or held; None without a position.
        price: what prices below are seen from: the fill that is expected, or the close where nothing is entered.
        max_position: most notional that may be held after the next open, as a fraction of equity; never above the
            leverage cap. Where a position is held, what it is worth now.
        stop_price: where the position is left at a loss: the tighter of stop and trailing stop; None without one.
        stop_distance: how far that is from `price`.
        target_price: where it is left at a profit; None without a target.
        trail_distance: how far the trailing stop follows the best close; None without one.
        loss_at_stop: fraction of equity that is lost from `price` to the stop; all that is held, without one.
        volatility_rank: share of the bars of the last year whose ATR over close was at most that of this bar; 1 where
            it is not known.
        risk_score: 0 to 1: the mean of `loss_at_stop / 0.1`, at most 1, and `volatility_rank`; 0 without a position.
        expected_return: mean profit of the closed trades as a fraction of the equity at their entry; None without any.
        interval: 90 % confidence interval of that mean: percentiles 5 and 95 of the means of 2,000 resamples of the
            trades with a fixed key (Efron 1979, "Bootstrap methods"); None below 10 trades.
        n_trades: closed trades, of both sides, that these rest on.
        confidence: how sure the strategy's learners are, 0 to 1, by their votes; None without learners, or where they
            say nothing.
        note: what must be known to read it; empty if nothing.
    """

    strategy: str
    symbol: str
    timeframe: str
    bar: int
    time: int
    action: str
    side: str | None
    price: float
    max_position: float
    stop_price: float | None
    stop_distance: float | None
    target_price: float | None
    trail_distance: float | None
    loss_at_stop: float
    volatility_rank: float
    risk_score: float
    expected_return: float | None
    interval: tuple[float, float] | None
    n_trades: int
    confidence: float | None
    note: str

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain JSON values."""
        values = asdict(self)
        return {**values, "interval": None if self.interval is None else list(self.interval), "level": LEVEL}


@dataclass(frozen=True)
class _Orders:
    """Levels of the orders of a position: prices, infinite where there is none, and the trailing distance."""

    stop: float
    target: float
    trail_distance: float


def signal(
    strategy: AnyStrategy, shard: Shard, costs: Costs, bank: FeatureBank, bar: int = -1, *, start: int = 0
) -> Signal:
    """Return the signal of a strategy at the close of a bar; nothing after that bar is looked at.

    Args:
        strategy: of any kind.
        shard: its bars.
        costs: of the market.
        bank: of the shard.
        bar: of the decision; negative counts from the end.
        start: first bar from which on the strategy has traded, which its past trades are of.

    Raises:
        StrategyError: it can't decide on this shard, or breaks the contract.
        DataError: there is no such bar.
    """
    n_bars = shard.n_bars
    last = bar + n_bars if bar < 0 else bar
    if not 0 <= start <= last < n_bars:
        raise DataError(
            f"A signal must be of a bar from {start} to {n_bars - 1} of {shard.symbol} {shard.timeframe}, but was of "
            f"{bar}: choose one of these."
        )
    play = play_of(strategy, shard, bank)
    atr = bank.atr()[: last + 1]
    found = _through_next_open(play, shard, atr, costs, start=start, last=last)
    sure = learners_confidence(strategy, bank)
    confidence = None if sure is None else _finite(float(sure[last]))
    return _Reading(strategy, shard, costs, play.risk, atr, found, start, last, confidence).signal()


def _through_next_open(play: Play, shard: Shard, atr: Float64, costs: Costs, *, start: int, last: int) -> Simulation:
    """What the strategy does up to `last`, and at the open of a bar that is added behind it, at its close."""
    stop = last + 1
    step = int(shard.timestamps[last] - shard.timestamps[last - 1]) if last else 0
    close = shard.close[last]
    added = {"open": close, "high": close, "low": close, "close": close, "volume": shard.volume[last]}
    bars: Any = SimpleNamespace(
        **{name: np.append(getattr(shard, name)[:stop], value) for name, value in added.items()},
        timestamps=np.append(shard.timestamps[:stop], shard.timestamps[last] + step),
    )
    return simulate_one(
        bars=bars,
        atr=np.append(atr, np.nan),
        masks=pack(np.pad(play.masks[:, :stop], ((0, 0), (0, 1)))),
        window=(start, stop + 1),
        risk=play.risk,
        costs=costs,
        scale=None if play.scale is None else np.append(play.scale[:stop], np.nan),
    )


@dataclass(frozen=True, eq=False)
class _Reading:
    """What a signal is read from; `found` ends with the bar that was added."""

    strategy: AnyStrategy
    shard: Shard
    costs: Costs
    risk: Float64
    atr: Float64
    found: Simulation
    start: int
    last: int
    confidence: float | None

    def signal(self) -> Signal:
        """The signal."""
        action, row = self._action()
        side = 0 if row is None else int(row[Trade.SIDE])
        enters, holds = action in ("enter", "reverse"), action == "hold"
        price = float(row[Trade.ENTRY_PRICE]) if row is not None and enters else float(self.shard.close[self.last])
        position, orders = 0.0, None
        if row is not None and (enters or holds):
            equity = float(row[Trade.ENTRY_EQUITY]) if enters else self._equity()
            position = float(row[Trade.UNITS]) * price / equity if equity > 0.0 else 0.0
            position, orders = min(position, self.costs.leverage_cap) if enters else position, self._orders(row)
        returns = self._past_returns()
        rank = volatility_rank(self.atr / self.shard.close[: self.last + 1], self.shard.bars_per_year)
        loss = 0.0 if orders is None else position * _share_lost(price, orders.stop)
        score = 0.5 * (min(loss / GREAT_LOSS, 1.0) + rank) if position > 0.0 else 0.0
        return Signal(
            strategy=self.strategy.name,
            symbol=self.shard.symbol,
            timeframe=self.shard.timeframe,
            bar=self.last,
            time=int(self.shard.timestamps[self.last]),
            action=action,
            side=_SIDES[side],
            price=price,
            max_position=position,
            stop_price=None if orders is None else _finite(orders.stop),
            stop_distance=None if orders is None else _finite(abs(price - orders.stop)),
            target_price=None if orders is None else _finite(orders.target),
            trail_distance=None if orders is None else _finite(orders.trail_distance),
            loss_at_stop=loss,
            volatility_rank=rank,
            risk_score=score,
            expected_return=float(returns.mean()) if returns.size else None,
            interval=bootstrap_interval(returns),
            n_trades=int(returns.size),
            confidence=self.confidence,
            note=_note(returns.size),
        )

    def _action(self) -> tuple[str, Float64 | None]:
        """The action, and the trade that it is about."""
        rows = [row for row in self.found.trades if row[Trade.EXIT_BAR] == self.last + 1]
        entered = [row for row in rows if row[Trade.ENTRY_BAR] == self.last + 1]
        before = [row for row in rows if row[Trade.ENTRY_BAR] <= self.last]
        if entered:
            return ("reverse" if before else "enter"), entered[0]
        if before:
            return ("hold" if before[0][Trade.EXIT_REASON] == ExitReason.END else "exit"), before[0]
        return "none", None

    def _equity(self) -> float:
        return float(self.found.equity[self.last - self.start])

    def _orders(self, row: Float64) -> _Orders:
        """The orders of a trade as they stand at the next open."""
        side, fill, entry_bar = float(row[Trade.SIDE]), float(row[Trade.ENTRY_PRICE]), int(row[Trade.ENTRY_BAR])
        atr = float(self.atr[entry_bar - 1])
        stop, target, trail = (
            _distance(self.risk[kind], self.risk[value], fill, atr)
            for kind, value in (
                (Risk.STOP_KIND, Risk.STOP),
                (Risk.TARGET_KIND, Risk.TARGET),
                (Risk.TRAIL_KIND, Risk.TRAIL),
            )
        )
        closes = self.shard.close[entry_bar : self.last + 1]
        best = max([fill, *closes]) if side > 0 else min([fill, *closes])
        levels = (fill - side * stop, best - side * trail)
        return _Orders(max(levels) if side > 0 else min(levels), fill + side * target, trail)

    def _past_returns(self) -> Float64:
        """Profits of the trades that had ended, as fractions of the equity at their entry."""
        rows = self.found.trades
        ended = rows[rows[:, Trade.EXIT_BAR] <= self.last]
        return np.asarray(ended[:, Trade.PROFIT] / ended[:, Trade.ENTRY_EQUITY])


def volatility_rank(volatility: Float64, bars_per_year: float) -> float:
    """Share of the last year's values `(n,)` that are not above the last one; 1 where that is not known.

    At least 20 values must be known; what is not known is taken for dangerous.
    """
    year = volatility[-max(round(bars_per_year), _LEAST_BARS) :]
    known = year[np.isfinite(year)]
    if known.size < _LEAST_BARS or not np.isfinite(year[-1]):
        return 1.0
    return float(np.mean(known <= year[-1]))


def bootstrap_interval(returns: Float64) -> tuple[float, float] | None:
    """Percentile interval of the mean of returns `(n,)` at `LEVEL`, always the same; None below `LEAST_TRADES`."""
    if returns.size < LEAST_TRADES:
        return None
    rng = np.random.Generator(np.random.Philox(key=_KEY))
    batch = max(1, _BATCH_VALUES // returns.size)
    means = np.concatenate(
        [
            returns[rng.integers(0, returns.size, (min(batch, N_RESAMPLES - first), returns.size))].mean(axis=1)
            for first in range(0, N_RESAMPLES, batch)
        ]
    )
    tail = 50.0 * (1.0 - LEVEL)
    low, high = np.percentile(means, [tail, 100.0 - tail])
    return float(low), float(high)


def _distance(kind: float, value: float, fill: float, atr: float) -> float:
    """As the kernel's: price distance of an order from the fill, infinite when it is off."""
    if kind == OrderKind.ATR:
        return float(value * atr)
    if kind == OrderKind.PERCENT:
        return float(fill * value / 100.0)
    return float("inf")


def _share_lost(price: float, stop: float) -> float:
    """Fraction of a position that is lost from a price to its stop; all of it without one."""
    return abs(price - stop) / price if np.isfinite(stop) else 1.0


def _finite(value: float) -> float | None:
    return value if np.isfinite(value) else None


def _note(n_trades: int) -> str:
    if n_trades >= LEAST_TRADES:
        return ""
    return f"no interval: rests on {n_trades} closed trades, fewer than {LEAST_TRADES}"
