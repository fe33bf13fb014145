"""Hand-written examples of the market rules, run on the kernel and on its plain-Python twin."""

from types import SimpleNamespace

import numpy as np
import pytest

from fitness import reference
from fitness.bits import pack
from fitness.costs import Costs, risk_row
from fitness.simulation import simulate_one
from fitness.tally import ExitReason, Simulation, Trade

FREE = Costs(fee=0.0, slippage=0.0)
DAY_US = 86_400_000_000


class Outcome(Simulation):
    """A simulation that tells a trade as a tuple."""

    def trade(self, index=0):
        row = self.trades[index]
        reason = ExitReason(int(row[Trade.EXIT_REASON])).name
        bars = int(row[Trade.SIDE]), int(row[Trade.ENTRY_BAR]), int(row[Trade.EXIT_BAR])
        return *bars, pytest.approx(row[Trade.ENTRY_PRICE]), pytest.approx(row[Trade.EXIT_PRICE]), reason


def on_kernel(**case):
    return simulate_one(**{**case, "masks": pack(case["masks"])})


@pytest.fixture(params=[on_kernel, reference.simulate], ids=["kernel", "twin"])
def run(request):
    """Runs rows of open, high, low, close, a day apart; masks are the bars at which they are true; the rest is risk."""

    def simulate(rows, *, costs=FREE, window=None, atr=2.0, volume=1e6, long=(), leave=(), short=(), cover=(), **risk):
        n_bars = len(rows)
        prices = np.array(rows, dtype=np.float64).T.copy()
        masks = np.zeros((4, n_bars), dtype=bool)
        for mask, true_at in zip(masks, (long, leave, short, cover), strict=True):
            mask[list(true_at)] = True
        found = request.param(
            bars=SimpleNamespace(
                **dict(zip(("open", "high", "low", "close"), prices, strict=True)),
                volume=np.broadcast_to(np.asarray(volume, dtype=np.float64), n_bars).copy(),
                timestamps=np.arange(n_bars) * DAY_US,
            ),
            atr=np.broadcast_to(np.asarray(atr, dtype=np.float64), n_bars).copy(),
            masks=masks,
            window=window or (0, n_bars),
            risk=risk_row(**risk),
            costs=costs,
        )
        return Outcome(found.tally, found.trades, found.equity)

    return simulate
