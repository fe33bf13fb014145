"""How long does one strategy take in the kernel, and in backtesting.py, when both make the same trades?

Method. On the 5,000 hourly EURUSD bars that come with backtesting.py, an SMA 10/20 crossover in both directions with
a fee is run by both; the benchmark stops unless trades and equity agree. Then both are timed: CPU time, the best of
several runs, one core. Counted for backtesting.py: `Backtest.run`, which makes trades, equity and its statistics from
signals that are ready. Counted for ours: one call for this strategy alone, bars prepared anew, with the list of trades
and the equity of every bar; and, below, what it takes in a call of 500 such strategies, without lists.

Run: python benchmarks/kernel_vs_backtesting.py
"""

from benchmarks import one_core  # isort: skip  # noqa: F401 - before NumPy and numba

from types import SimpleNamespace

import numpy as np
from numpy.typing import NDArray

from benchmarks.backtesting_peer import EURUSD, Backtest, Strategy, quiet, require_same
from cluster.bench.stopwatch import Seconds, best_of
from fitness.bits import pack
from fitness.costs import Costs, risk_row
from fitness.simulation import simulate_many, simulate_one

CASH, FEE, N_COPIES = 1e12, 0.0002, 500
N_BARS = len(EURUSD)
BARS = SimpleNamespace(
    **{name: EURUSD[name.title()].to_numpy(np.float64).copy() for name in ("open", "high", "low", "close")}
)


def sma(n: int) -> NDArray[np.float64]:
    """The simple moving average of the closes, NaN in its warm-up."""
    mean = np.full(N_BARS, np.nan)
    mean[n - 1 :] = np.convolve(BARS.close, np.ones(n) / n, "valid")
    return mean


def crossings() -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Where the fast mean crosses the slow one upwards, and downwards."""
    fast, slow = sma(10), sma(20)
    up, down = np.zeros(N_BARS, dtype=bool), np.zeros(N_BARS, dtype=bool)
    up[1:] = (fast[:-1] < slow[:-1]) & (fast[1:] > slow[1:])
    down[1:] = (fast[:-1] > slow[:-1]) & (fast[1:] < slow[1:])
    return up, down


def crossover() -> tuple[Seconds, Seconds, Seconds]:
    """Seconds by backtesting.py, by one call of ours, and in a call of many, after a check that they agree."""
    up, down = crossings()

    class Crossover(Strategy):  # type: ignore[misc]
        def init(self) -> None:
            pass

        def next(self) -> None:
            t = len(self.data) - 1
            if up[t]:
                self.buy()
            elif down[t]:
                self.sell()

    test = Backtest(EURUSD, Crossover, cash=CASH, commission=FEE, exclusive_orders=True, finalize_trades=True)
    masks = np.array([up, down, down, up])
    masks[[1, 3], -2] = True  # both leave a last position at the last open
    words, costs = pack(masks), Costs.from_bps(fee_bps=FEE * 1e4, slippage_bps=0.0, start_equity=CASH)
    atr, risks, rows = np.ones(N_BARS), np.tile(risk_row(), (N_COPIES, 1)), np.tile(np.arange(4), (N_COPIES, 1))
    windows = np.array([[0, N_BARS]])
    with quiet():
        result, theirs = test.run(), best_of(test.run, enough_s=2.0)
    found = simulate_one(bars=BARS, atr=atr, masks=words, window=(0, N_BARS), risk=risks[0], costs=costs)
    require_same(found, result["_trades"], result["_equity_curve"]["Equity"], rtol=1e-9)
    print(f"The same {len(found.trades)} trades, and the same equity at each of {N_BARS:,} bars.")
    one = best_of(
        lambda: simulate_one(bars=BARS, atr=atr, masks=words, window=(0, N_BARS), risk=risks[0], costs=costs),
        enough_s=0.5,
    )
    many = best_of(
        lambda: simulate_many(
            bars=BARS, atr=atr, masks=words, mask_rows=rows, windows=windows, risks=risks, costs=costs
        ),
        enough_s=0.5,
    )
    return theirs, one, many.divided(N_COPIES)


def main() -> None:
    """Prints the proof and the table."""
    theirs, one, many = crossover()
    print(f"{'crossover in both directions':34}{'us CPU':>12}{'us wall':>12}{'M bars/s':>12}{'times faster':>14}")
    for name, took in (("backtesting.py", theirs), ("Studbook, one call", one), ("Studbook, in a call of 500", many)):
        bars = N_BARS / took.cpu / 1e6
        print(f"{name:34}{took.cpu * 1e6:12.2f}{took.wall * 1e6:12.2f}{bars:12.2f}{theirs.cpu / took.cpu:14,.0f}")


if __name__ == "__main__":
    main()
