"""backtesting.py beside the kernel: shared by the tests that compare trades and the benchmark that times them."""

import contextlib
import io
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np

from fitness.tally import Simulation, Trade

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from backtesting import Backtest, Strategy
    from backtesting.lib import TrailingStrategy
    from backtesting.test import EURUSD, GOOG

__all__ = ["EURUSD", "GOOG", "PRICES", "Backtest", "Strategy", "TrailingStrategy", "quiet", "require_same"]

PRICES = ("Open", "High", "Low", "Close")


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Lets pass what it warns of, and its progress bar."""
    with warnings.catch_warnings(), contextlib.redirect_stderr(io.StringIO()):
        warnings.simplefilter("ignore")
        yield


def require_same(found: Simulation, trades: Any, equity: Any, *, rtol: float) -> None:
    """Check that trades and the equity of every bar agree: bars exactly, prices to 1e-12, the rest to `rtol`.

    Args:
        found: ours.
        trades: its table `_trades`, in our order.
        equity: `(n_bars,)`.
        rtol: of sizes, of profits as shares of the notional, and of equity.

    Raises:
        AssertionError: they do not.
    """
    rows = found.trades
    assert len(rows) == len(trades)
    np.testing.assert_array_equal(rows[:, Trade.SIDE], np.sign(trades["Size"]))
    np.testing.assert_array_equal(rows[:, Trade.ENTRY_BAR], trades["EntryBar"])
    np.testing.assert_array_equal(rows[:, Trade.EXIT_BAR], trades["ExitBar"])
    np.testing.assert_allclose(rows[:, Trade.ENTRY_PRICE], trades["EntryPrice"], rtol=1e-12)
    np.testing.assert_allclose(rows[:, Trade.EXIT_PRICE], trades["ExitPrice"], rtol=1e-12)
    np.testing.assert_allclose(rows[:, Trade.UNITS], np.abs(trades["Size"]), rtol=rtol)
    scale = np.abs(rows[:, Trade.UNITS] * rows[:, Trade.ENTRY_PRICE])
    np.testing.assert_array_less(np.abs(rows[:, Trade.PROFIT] - trades["PnL"]) / scale, rtol)
    np.testing.assert_allclose(found.equity, equity, rtol=rtol)
