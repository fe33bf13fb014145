"""The bars and costs of one shard as the kernel reads them, made once and never written to again.

A position that is held reads low, high and close of consecutive bars: they lie in blocks of eight bars, one plane after
the other, three cache lines a block. A fill reads one row of `fills`, one cache line: the open, the close, what stops
are measured in, and what the cost models say of that bar (cost_models.py).

The open counts as touched by its bar, also where bad data have it outside of low and high: so an open beyond a stop is
seen by the low or high alone.
"""

from dataclasses import dataclass
from enum import IntEnum
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from fitness.cost_models import capacity, carry, impact, slippage
from fitness.costs import Costs
from strategies.errors import UsageError

Float64 = NDArray[np.float64]

LANES: Final = 8
"""Bars in a block."""


class Plane(IntEnum):
    """Planes of a block; the two of carry are there only if positions pay or earn carry."""

    LOW = 0
    HIGH = 1
    CLOSE = 2
    CARRY_LONG = 3
    CARRY_SHORT = 4


class Fill(IntEnum):
    """Columns of a fills row."""

    OPEN = 0
    CLOSE = 1
    ATR_BEFORE = 2
    """ATR at the close of the bar before, NaN at the first bar."""
    SLIPPAGE = 3
    """Fraction by which a market or stop order of this bar fills worse."""
    IMPACT = 4
    """Further fraction per square root of the units."""
    CAPACITY = 5
    """Most units that one order of this bar may fill."""
    CARRY_LONG = 6
    """What one unit held long from the first bar on has cost by this bar."""
    CARRY_SHORT = 7


N_FILL: Final = len(Fill)


class PriceBars(Protocol):
    """What the kernel reads of a shard: four float64 arrays `(n_bars,)`, finite and positive.

    Some cost models read `volume` `(n_bars,)` and `timestamps` `(n_bars,)`, microseconds UTC, as well.
    """

    @property
    def open(self) -> Float64:
        """First price of each bar."""

    @property
    def high(self) -> Float64:
        """Highest price of each bar."""

    @property
    def low(self) -> Float64:
        """Lowest price of each bar."""

    @property
    def close(self) -> Float64:
        """Last price of each bar."""


@dataclass(frozen=True, eq=False)
class KernelBars:
    """One shard under given costs. All arrays are read-only.

    Attributes:
        blocks: `(n_blocks, n_planes, LANES)`: bar `t` is place `t % LANES` of block `t // LANES`; the last block is
            filled up with its last bar.
        fills: `(n_bars, N_FILL)`.
        costs: `(N_COSTS,)`, see `Costs.row`.
    """

    blocks: Float64
    fills: Float64
    costs: Float64

    @property
    def n_bars(self) -> int:
        """Bars of the shard."""
        return int(self.fills.shape[0])

    def arrays(self) -> tuple[Float64, Float64, Float64]:
        """Blocks, fills and costs, in the order in which compiled code takes them."""
        return self.blocks, self.fills, self.costs


def kernel_bars(bars: PriceBars, atr: Float64, costs: Costs) -> KernelBars:
    """The bars of a shard as the kernel reads them.

    Args:
        bars: of the whole shard, one bar or more.
        atr: `(n_bars,)`, NaN in its warm-up.
        costs: of the market.

    Raises:
        UsageError: columns of different lengths, or a cost model asks for a column that the bars don't have.
    """
    open_, high, low, close, atr = (
        np.asarray(column, dtype=np.float64) for column in (bars.open, bars.high, bars.low, bars.close, atr)
    )
    shapes = {column.shape for column in (open_, high, low, close, atr)}
    if len(shapes) > 1 or close.ndim != 1 or close.size == 0:
        raise UsageError(
            f"Bars and `atr` must all be (n_bars,), but was {sorted(shapes)}: pass arrays of one shard, with a bar."
        )
    volume, timestamps = getattr(bars, "volume", None), getattr(bars, "timestamps", None)
    longs = carry(close, timestamps, costs.funding)
    shorts = carry(close, timestamps, costs.borrow - costs.funding)
    planes = [np.minimum(low, open_), np.maximum(high, open_), close]
    if costs.has_carry:
        planes += [longs, shorts]
    fills = np.empty((close.size, N_FILL))
    fills[:, Fill.OPEN], fills[:, Fill.CLOSE] = open_, close
    fills[0, Fill.ATR_BEFORE], fills[1:, Fill.ATR_BEFORE] = np.nan, atr[:-1]
    fills[:, Fill.SLIPPAGE] = slippage(close, costs)
    fills[:, Fill.IMPACT] = impact(close, volume, costs)
    fills[:, Fill.CAPACITY] = capacity(close.size, volume, costs)
    fills[:, Fill.CARRY_LONG], fills[:, Fill.CARRY_SHORT] = longs, shorts
    return KernelBars(_frozen(_blocks(planes)), _frozen(fills), costs.row())


def _blocks(planes: list[Float64]) -> Float64:
    """Planes `(n_bars,)` as `(n_blocks, n_planes, LANES)`."""
    n_bars = planes[0].size
    n_blocks = -(-n_bars // LANES)
    padded = np.empty((len(planes), n_blocks * LANES))
    for row, plane in zip(padded, planes, strict=True):
        row[:n_bars], row[n_bars:] = plane, plane[-1]
    return np.ascontiguousarray(padded.reshape(len(planes), n_blocks, LANES).transpose(1, 0, 2))


def _frozen(array: Float64) -> Float64:
    array.flags.writeable = False
    return array
