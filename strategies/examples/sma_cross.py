"""Moving-average crossover by hand: trade by trade the template of the same name."""

from dataclasses import dataclass, field

import numpy as np
import talib
from numpy.typing import NDArray

from strategies.contract import Decisions, MarketBars, Requires


@dataclass(frozen=True)
class SmaCross:
    """Long while a fast average of the close is above a slow one, short while it is below."""

    fast: int = field(default=10, metadata={"low": 2, "high": 400})
    slow: int = field(default=20, metadata={"low": 2, "high": 400})

    @property
    def requires(self) -> Requires:
        """Bars until the slow average is known, and one more for its crossing."""
        return Requires(warm_up=max(self.fast, self.slow))

    def decide(self, bars: MarketBars) -> Decisions:
        """Enter where the averages cross, leave where they cross back."""
        fast, slow = talib.SMA(bars.close, self.fast), talib.SMA(bars.close, self.slow)
        up, down = crosses_above(fast, slow), crosses_above(slow, fast)
        return Decisions(long_entry=up, long_exit=down, short_entry=down, short_exit=up)


def crosses_above(one: NDArray[np.float64], other: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Where `one` is above `other` and was not one bar before; false where a value is missing."""
    above, was_not = one > other, np.zeros(one.size, dtype=bool)
    was_not[1:] = one[:-1] <= other[:-1]
    return np.asarray(above & was_not)
