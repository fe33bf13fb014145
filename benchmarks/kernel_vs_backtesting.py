"""How long does one strategy take in the kernel, and in backtesting.py, when both make the same trades?

Method. On the 5,000 hourly EURUSD bars that come with backtesting.py, an SMA 10/20 crossover in both directions with
a fee is run by both; the benchmark stops unless trades and equity agree. Then both are timed, best of several runs.
The kernel is also timed on 1,000 random strategies with stop and target, sparse (about 15 trades in 5,000 bars) and
dense (a trade every ten bars), masks ready: it makes fills, costs, per-bar equity and the whole tally. Making the
masks is not counted here. One core.

Run: python benchmarks/kernel_vs_backtesting.py
"""

import contextlib
import io
import time
import warnings
from collections.abc import Callable
from types import SimpleNamespace

import numpy as np
from numpy.typing import NDArray

from fitness.bits import pack
from fitness.costs import Costs, OrderKind, risk_row
from fitness.kernel import warm_up_kernel
from fitness.simulation import simulate_many, simulate_one
from fitness.tally import Tally, Trade

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from backtesting import Backtest, Strategy
    from backtesting.test import EURUSD

CASH, FEE = 1e12, 0.0002
N_STRATEGIES, N_BARS = 1000, len(EURUSD)
BARS = SimpleNamespace(
    **{name: EURUSD[name.title()].to_numpy(np.float64).copy() for name in ("open", "high", "low", "close")}
)


def sma(n: int) -> NDArray[np.float64]:
    """The simple moving average of the closes, NaN in its warm-up."""
    mean = np.full(N_BARS, np.nan)
    mean[n - 1 :] = np.convolve(BARS.close, np.ones(n) / n, "valid")
    return mean


def best_seconds(run: Callable[[], object], n_times: int) -> float:
    """The fastest of several runs."""
    seconds = []
    for _ in range(n_times):
        begin = time.perf_counter()
        run()
        seconds.append(time.perf_counter() - begin)
    return min(seconds)


def crossover() -> tuple[float, float]:
    """Seconds of one crossover back-test by backtesting.py and by the kernel, after a check that they agree."""
    fast, slow = sma(10), sma(20)
    up, down = np.zeros(N_BARS, dtype=bool), np.zeros(N_BARS, dtype=bool)
    up[1:] = (fast[:-1] < slow[:-1]) & (fast[1:] > slow[1:])
    down[1:] = (fast[:-1] > slow[:-1]) & (fast[1:] < slow[1:])

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
    words, costs, atr = pack(masks), Costs(FEE, 0.0, start_equity=CASH), np.ones(N_BARS)

    def kernel() -> object:
        return simulate_one(bars=BARS, atr=atr, masks=words, window=(0, N_BARS), risk=risk_row(), costs=costs)

    with contextlib.redirect_stderr(io.StringIO()):  # its progress bar
        result, theirs_s = test.run(), best_seconds(test.run, 3)
    found = kernel()
    theirs = result["_trades"]
    np.testing.assert_array_equal(found.trades[:, Trade.ENTRY_BAR], theirs["EntryBar"])
    np.testing.assert_array_equal(found.trades[:, Trade.EXIT_BAR], theirs["ExitBar"])
    np.testing.assert_allclose(found.trades[:, Trade.EXIT_PRICE], theirs["ExitPrice"], rtol=1e-12)
    np.testing.assert_allclose(found.equity, result["_equity_curve"]["Equity"], rtol=1e-9)
    print(f"Same {len(theirs)} trades, equity equal to {abs(found.equity[-1] / result['Equity Final [$]'] - 1):.0e}.")
    return theirs_s, best_seconds(kernel, 200)


def population(trades_per_bar: float, stop: float) -> tuple[float, float]:
    """Seconds a strategy and trades a strategy, for random strategies that enter that often."""
    rng = np.random.default_rng(0)
    chances = np.array([trades_per_bar / 2, 0.05, trades_per_bar / 2, 0.05]).reshape(1, 4, 1)
    words = pack(rng.random((N_STRATEGIES, 4, N_BARS)) < chances).reshape(4 * N_STRATEGIES, -1)
    rows = np.arange(4 * N_STRATEGIES).reshape(N_STRATEGIES, 4)
    percent = {"stop_kind": OrderKind.PERCENT, "target_kind": OrderKind.PERCENT}
    risks = np.tile(risk_row(stop=stop, target=2.0 * stop, **percent), (N_STRATEGIES, 1))
    windows, costs, atr = np.array([[0, N_BARS]]), Costs(FEE, 0.0), np.ones(N_BARS)

    def run() -> NDArray[np.float64]:
        return simulate_many(bars=BARS, atr=atr, masks=words, mask_rows=rows, windows=windows, risks=risks, costs=costs)

    return best_seconds(run, 10) / N_STRATEGIES, float(run()[:, 0, Tally.N_TRADES].mean())


def main() -> None:
    """Prints the table."""
    warnings.simplefilter("ignore")
    begin = time.perf_counter()
    warm_up_kernel()
    print(f"Kernel compiled or loaded in {time.perf_counter() - begin:.2f} s.")
    theirs, ours = crossover()
    print(f"{'work':34}{'trades':>8}{'us a strategy':>16}{'M bars/s':>10}")
    print(f"{'crossover, backtesting.py':34}{'':8}{theirs * 1e6:16.1f}{N_BARS / theirs / 1e6:10.2f}")
    print(f"{'crossover, kernel, one call':34}{'':8}{ours * 1e6:16.1f}{N_BARS / ours / 1e6:10.0f}")
    for name, trades_per_bar, stop in (("sparse", 15 / 5000, 0.5), ("dense", 0.25, 0.1)):
        seconds, n_trades = population(trades_per_bar, stop)
        print(f"{name + ', kernel, population':34}{n_trades:8.0f}{seconds * 1e6:16.2f}{N_BARS / seconds / 1e6:10.0f}")


if __name__ == "__main__":
    main()
