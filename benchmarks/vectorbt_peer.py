"""Our strategies told in vectorbt's terms: shared by the tests that compare trades and the benchmarks that time them.

What is told: a signal is shifted by one row and fills at the open (`price=open`), levels hang on the fill
(`stop_entry_price="fillprice"`), a flat account drops an entry that its own exit contradicts, and an opposite entry
reverses only where our rules reverse: `upon_opposite_entry` is an array, `reverse` where the own exit and the opposite
entry are true and the opposite exit is false, `ignore` elsewhere.

`rows_per_bar=1` is how one would call vectorbt. It gives one order a row and no level on the entry row, so a position
that is stopped on its entry bar, or an exit signal on a bar that also touches a level, ends differently.
`rows_per_bar=2` says what we assume of the order within a bar, its open first and then the rest, by a row for each.
Then only few cases are left that differ: `odd_trades` names them.
"""

import contextlib
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fitness.simulation import PriceBars
from fitness.tally import ExitReason, Simulation, Trade

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import vectorbt
    from vectorbt.portfolio.enums import OppositeEntryMode

Float64 = NDArray[np.float64]
Masks = NDArray[np.bool_]
CASH = 1e6
"""vectorbt takes sizes and money below 1e-12 for 0, so the account must not be small."""


@dataclass(frozen=True, eq=False)
class Levels:
    """Distances from the fill as fractions of it; None is none. Arrays that broadcast to `(n_bars, n_strategies)`.

    Attributes:
        stop: at the decision bar.
        target: likewise.
        is_market: whether levels fill with slippage. vectorbt has one answer for both; ours do for stops alone.
    """

    stop: Float64 | None = None
    target: Float64 | None = None
    is_market: bool = True


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Lets pass what vectorbt's libraries warn of."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def arguments(
    *, bars: PriceBars, masks: Masks, levels: Levels, fee: float, slippage: float, rows_per_bar: int = 1
) -> dict[str, Any]:
    """What `vectorbt.Portfolio.from_signals` is told.

    Args:
        bars: of one shard.
        masks: `(4, n_bars, n_strategies)` in the order of `MASK_ROLES`.
        levels: stop and target.
        fee: fraction of the notional.
        slippage: fraction of the price.
        rows_per_bar: 1 or 2, see above.
    """
    _, n_bars, n_strategies = masks.shape
    prices = {name: column[:, None] for name, column in _rows(bars, rows_per_bar).items()}
    shifted = np.zeros((4, n_bars * rows_per_bar, n_strategies), dtype=np.bool_)
    shifted[:, rows_per_bar::rows_per_bar] = masks[:, :-1]
    long_entry, long_exit, short_entry, short_exit = (np.asfortranarray(mask) for mask in shifted)
    reverses = (long_exit & short_entry & ~short_exit) | (short_exit & long_entry & ~long_exit)
    opposite: Any = OppositeEntryMode.Ignore
    if reverses.any():
        opposite = np.where(reverses, OppositeEntryMode.Reverse, OppositeEntryMode.Ignore)
    return {
        "close": np.broadcast_to(prices["close"], shifted.shape[1:]),
        "open": prices["open"], "high": prices["high"], "low": prices["low"], "price": prices["open"],
        "entries": long_entry, "exits": long_exit, "short_entries": short_entry, "short_exits": short_exit,
        "sl_stop": _at_fill(levels.stop, rows_per_bar), "tp_stop": _at_fill(levels.target, rows_per_bar),
        "fees": fee, "slippage": slippage, "stop_entry_price": "fillprice",
        "stop_exit_price": "stopmarket" if levels.is_market else "stoplimit",
        "upon_long_conflict": "exit", "upon_short_conflict": "exit", "upon_dir_conflict": "ignore",
        "upon_opposite_entry": opposite, "init_cash": CASH, "freq": "1D",
    }  # fmt: skip


def portfolio(told: dict[str, Any], **options: Any) -> Any:
    """The `vectorbt.Portfolio` of `arguments`, with further options or other ones."""
    with quiet():
        return vectorbt.Portfolio.from_signals(**{**told, **options})


def _rows(bars: PriceBars, rows_per_bar: int) -> dict[str, Float64]:
    """The prices of each row; with two a bar, the first is its open alone."""
    columns = {name: np.asarray(getattr(bars, name)) for name in ("open", "high", "low", "close")}
    if rows_per_bar == 1:
        return columns
    return {name: np.stack([columns["open"], column], axis=1).reshape(-1) for name, column in columns.items()}


def _at_fill(distance: Float64 | None, rows_per_bar: int) -> Any:
    """A distance of the decision bar at the row that fills it."""
    if distance is None or distance.shape[0] == 1:
        return np.nan if distance is None else distance
    rows = np.full((distance.shape[0] * rows_per_bar, distance.shape[1]), np.nan)
    rows[rows_per_bar::rows_per_bar] = distance[:-1]
    return rows


def require_same(found: Simulation, theirs: Any, column: int, *, fee: float, rows_per_bar: int = 1) -> int:
    """Check that our simulation and one column of a portfolio agree; return the number of trades compared.

    Bars must be equal, prices to 1e-12, sizes and profits (of the notional) to 1e-9, the equity of every bar to 1e-8:
    vectorbt takes what is left of a sum below a billionth of it for 0. It leaves the last position open, we close it at
    the last close: its entry is compared, and the last equity with what closing costs.

    Raises:
        AssertionError: they do not.
    """
    records = theirs.trades.values
    records = records[records["col"] == column]
    rows, n = found.trades, len(found.trades)
    ends = n > 0 and rows[-1, Trade.EXIT_REASON] == ExitReason.END
    assert len(records) == n
    np.testing.assert_array_equal(records["status"], [1] * (n - 1) + [0 if ends else 1] if n else [])
    np.testing.assert_array_equal(records["entry_idx"] // rows_per_bar, rows[:, Trade.ENTRY_BAR])
    np.testing.assert_array_equal(records["exit_idx"] // rows_per_bar, rows[:, Trade.EXIT_BAR])
    np.testing.assert_array_equal(np.where(records["direction"] == 0, 1, -1), rows[:, Trade.SIDE])
    np.testing.assert_allclose(records["entry_price"], rows[:, Trade.ENTRY_PRICE], rtol=1e-12)
    np.testing.assert_allclose(records["size"], rows[:, Trade.UNITS], rtol=1e-9)
    closed = n - ends
    np.testing.assert_allclose(records["exit_price"][:closed], rows[:closed, Trade.EXIT_PRICE], rtol=1e-12)
    scale = rows[:closed, Trade.UNITS] * rows[:closed, Trade.ENTRY_PRICE]
    np.testing.assert_array_less(np.abs(records["pnl"][:closed] - rows[:closed, Trade.PROFIT]) / scale, 1e-9)
    with quiet():
        equity = theirs.value().to_numpy()[rows_per_bar - 1 :: rows_per_bar, column].copy()
    if ends:
        price, close = rows[-1, Trade.EXIT_PRICE], theirs.close.to_numpy()[-1, column]
        equity[-1] += rows[-1, Trade.UNITS] * (rows[-1, Trade.SIDE] * (price - close) - fee * price)
    np.testing.assert_allclose(found.equity, equity, rtol=1e-8)
    return n


def odd_trades(found: Simulation, *, bars: PriceBars, stop: Any, target: Any, rows_per_bar: int) -> NDArray[np.bool_]:
    """Which trades `(n,)` of ours end where the rules differ.

    With a row a bar: a level is touched on the entry bar, or on the bar at whose open an exit rule leaves. With two:
    the exit rule leaves at an open beyond a level (vectorbt calls that a stop, and has no order left to reverse with),
    or the stop is touched in a bar that opens beyond the target (we take the stop, vectorbt has left at the open).

    Args:
        found: our simulation.
        bars: of the whole shard.
        stop: fraction of the fill at each decision bar, `(n_bars,)` or a number, infinite when there is none.
        target: likewise.
        rows_per_bar: 1 or 2.
    """
    rows = found.trades
    side, fill = rows[:, Trade.SIDE], rows[:, Trade.ENTRY_PRICE]
    entry, left = rows[:, Trade.ENTRY_BAR].astype(int), rows[:, Trade.EXIT_BAR].astype(int)
    by_rule = rows[:, Trade.EXIT_REASON] == ExitReason.EXIT
    to_stop, to_target = (np.broadcast_to(distance, len(bars.open))[entry - 1] for distance in (stop, target))
    stop_level, target_level = side * fill * (1.0 - side * to_stop), side * fill * (1.0 + side * to_target)
    if rows_per_bar == 1:
        at_entry = _touched(bars, entry, side, stop_level, target_level)
        return at_entry | (by_rule & _touched(bars, left, side, stop_level, target_level))
    signed_open = side * np.asarray(bars.open)[left]
    beyond_target = signed_open >= target_level
    by_stop = rows[:, Trade.EXIT_REASON] == ExitReason.STOP
    return (by_rule & ((signed_open <= stop_level) | beyond_target)) | (by_stop & beyond_target)


def without_odd_trades(simulate: Callable[[Masks], Simulation], masks: Masks, **where: Any) -> list[Simulation]:
    """Our simulations, after the entries of odd trades have been taken out of `masks`, which is changed.

    Args:
        simulate: plays the masks `(4, n_bars)` of one strategy.
        masks: `(4, n_bars, n_strategies)`.
        where: for `odd_trades`.
    """
    found = []
    for column in range(masks.shape[2]):
        one = simulate(masks[:, :, column])
        while (odd := odd_trades(one, **where)).any():
            masks[np.ix_([0, 2], one.trades[odd, Trade.ENTRY_BAR].astype(int) - 1, [column])] = False
            one = simulate(masks[:, :, column])
        found.append(one)
    return found


def _touched(bars: PriceBars, at: NDArray[Any], side: Float64, stop: Float64, target: Float64) -> NDArray[np.bool_]:
    """Whether each bar reaches one of the signed levels."""
    high, low = np.asarray(bars.high)[at], np.asarray(bars.low)[at]
    worst, best = np.where(side > 0, low, -high), np.where(side > 0, high, -low)
    return np.asarray((worst <= stop) | (best >= target))
