"""What each bar makes a fill or a night cost: the columns that the cost parameters give on the bars of one shard.

| cost | model | source |
| --- | --- | --- |
| fee | `fee * notional + fee_per_unit * units` on each side | schedules of brokers and exchanges |
| slippage | a fraction of the price | Kissell 2013, "The Science of Algorithmic Trading", ch. 3: half spread and delay |
| spread | half of it is `spread_volatility * volatility` | Wyart et al. 2008, "Relation between bid-ask spread, impact and volatility in order-driven markets", Quantitative Finance 8(1), eq. 3: the spread is in proportion to volatility |
| impact | `Y * volatility * sqrt(units / volume)` | Almgren, Thum, Hauptmann, Li 2005, "Direct estimation of equity market impact"; Toth et al. 2011, "Anomalous price impact and the critical nature of liquidity", eq. 1: Y is about 1 |
| capacity | at most `volume_share` of a bar's volume in one order | as in Zipline's `VolumeShareSlippage` |
| borrow | yearly rate on a short's market value, for the time between two bars | schedules of brokers |
| funding | what longs pay to shorts, likewise | perpetual futures: Binance and BitMEX, paid on the position's notional |

Volatility is the root mean square of the returns of the last 20 bars, volume the mean of the last 20 bars, both up to
the bar *before* the fill. The capacity alone reads the volume of the fill's own bar: it bounds what can have been traded
there, and no decision sees it. Sums are added in a stated order, so the columns have the same bits on any machine.
"""  # noqa: E501 - a table's row is one line

from typing import Final

import numpy as np
from numpy.typing import NDArray

from fitness.costs import WORST_FILL, Costs
from strategies.errors import UsageError

Float64 = NDArray[np.float64]

MEMORY: Final = 20
"""Bars that volatility and volume are measured on."""
_YEAR_US: Final = 365.0 * 86_400e6


def volatility_before(close: Float64) -> Float64:
    """Volatility `(n,)` of a bar as known at the close before it, as a fraction; 0 where there is no return yet."""
    squares = np.zeros(close.size)
    squares[1:] = (close[1:] / close[:-1] - 1.0) ** 2
    return np.asarray(np.sqrt(_mean_before(squares, first=1)))


def _mean_before(values: Float64, *, first: int) -> Float64:
    """Mean `(n,)` of up to `MEMORY` values before each place, those before `first` left out; 0 where there is none."""
    total = np.zeros(values.size)
    for back in range(1, MEMORY + 1):
        total[first + back :] += values[first : max(first, values.size - back)]
    count = np.clip(np.arange(values.size) - first, 0, MEMORY)
    return np.asarray(np.divide(total, count, out=np.zeros(values.size), where=count > 0))


def slippage(close: Float64, costs: Costs) -> Float64:
    """Fraction `(n,)` by which a market or stop order of each bar fills worse, impact apart."""
    if costs.spread_volatility == 0.0:
        return np.full(close.size, costs.slippage)
    half_spread = costs.spread_volatility * volatility_before(close)
    return np.asarray(np.minimum(costs.slippage + half_spread, WORST_FILL))


def impact(close: Float64, volume: Float64 | None, costs: Costs) -> Float64:
    """Further fraction `(n,)` per square root of the units; infinite where nothing has been traded lately."""
    if costs.impact == 0.0:
        return np.zeros(close.size)
    scale = costs.impact * volatility_before(close)
    roots = np.sqrt(_mean_before(_needed(volume, "volume", "impact"), first=0))
    nowhere = np.where(scale > 0.0, np.inf, 0.0)
    return np.asarray(np.divide(scale, roots, out=nowhere, where=roots > 0.0))


def capacity(n_bars: int, volume: Float64 | None, costs: Costs) -> Float64:
    """Most units `(n,)` that one order of each bar may fill; infinite without a bound."""
    if not costs.volume_share < np.inf:
        return np.full(n_bars, np.inf)
    return costs.volume_share * _needed(volume, "volume", "volume_share")


def carry(close: Float64, timestamps: NDArray[np.int64] | None, yearly: float) -> Float64:
    """What one unit held from the first bar on has cost by each bar `(n,)`: the rate on the last close, for the time.

    A position pays the difference between its exit bar and its entry bar.
    """
    cost = np.zeros(close.size)
    if yearly != 0.0:
        times = _needed(timestamps, "timestamps", "borrow or funding")
        cost[1:] = yearly * close[:-1] * (np.diff(times) / _YEAR_US)
    return np.add.accumulate(cost)


def _needed(column: Float64 | NDArray[np.int64] | None, name: str, model: str) -> Float64:
    if column is None:
        raise UsageError(f"Bars must have `{name}` for `{model}`, but had none: pass a whole shard.")
    return np.asarray(column, dtype=np.float64)
