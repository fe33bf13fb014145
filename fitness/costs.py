"""What a fill costs and what a position risks: the two parameter rows that the kernel reads.

Costs belong to the market and are the same for every strategy of a job. Risk belongs to the strategy: its columns are
the risk genes in their order, without the direction, which the masks already say.
"""

from dataclasses import dataclass
from enum import IntEnum
from math import inf, isfinite
from typing import Self

import numpy as np
from numpy.typing import NDArray

from strategies.errors import ConfigError, UsageError

_BPS = 10_000.0


class Cost(IntEnum):
    """Columns of a costs row."""

    FEE = 0
    SLIPPAGE = 1
    LEVERAGE_CAP = 2
    LOT_SIZE = 3
    START_EQUITY = 4


class Risk(IntEnum):
    """Columns of a risk row; kinds are those of `OrderKind` and `SizeKind`."""

    STOP_KIND = 0
    STOP = 1
    TARGET_KIND = 2
    TARGET = 3
    TRAIL_KIND = 4
    TRAIL = 5
    TIME_STOP = 6
    """Bars held; 0 is none."""
    COOLDOWN = 7
    """Bars without entry after an exit."""
    SIZE_KIND = 8
    SIZE = 9
    """A fraction of equity: bought at the fill, or lost at the stop."""


class OrderKind(IntEnum):
    """How the distance of a stop, target or trailing stop is measured."""

    OFF = 0
    ATR = 1
    """Multiples of the average true range at the decision bar."""
    PERCENT = 2
    """Percent of the entry fill: 5.0 is 5 %."""


class SizeKind(IntEnum):
    """How a position is sized."""

    FRACTION = 0
    RISK = 1


N_COSTS = len(Cost)
N_RISK = len(Risk)


@dataclass(frozen=True)
class Costs:
    """Costs of a fill and bounds of a size; fractions, not basis points.

    Attributes:
        fee: fraction of the notional, paid on each side.
        slippage: fraction of the price by which a market or stop order fills worse.
        leverage_cap: most notional that may be entered, as a multiple of equity; `inf` switches it off.
        lot_size: units are a multiple of this, rounded down; 0 allows any fraction.
        start_equity: equity at the start, in the currency of the prices. It matters only with a lot size: tallies are
            relative to it.

    Raises:
        ConfigError: a value out of its range.
    """

    fee: float
    slippage: float
    leverage_cap: float = 1.0
    lot_size: float = 0.0
    start_equity: float = 1.0

    def __post_init__(self) -> None:
        _check(name="fee", value=self.fee, lowest=0.0, below=1.0)
        _check(name="slippage", value=self.slippage, lowest=0.0, below=1.0)
        _check(name="lot_size", value=self.lot_size, lowest=0.0, below=inf)
        _check(name="start_equity", value=self.start_equity, lowest=np.finfo(float).tiny, below=inf)
        if not self.leverage_cap > 0.0:
            raise ConfigError(f"`leverage_cap` must be above 0, but was {self.leverage_cap}: use 1 for no leverage.")

    @classmethod
    def from_bps(
        cls,
        *,
        fee_bps: float,
        slippage_bps: float,
        leverage_cap: float = 1.0,
        lot_size: float = 0.0,
        start_equity: float = 1.0,
    ) -> Self:
        """The costs with fee and slippage given in basis points: 5 is 0.05 %."""
        return cls(fee_bps / _BPS, slippage_bps / _BPS, leverage_cap, lot_size, start_equity)

    def row(self) -> NDArray[np.float64]:
        """The `(N_COSTS,)` row that the kernel reads, read-only."""
        row = np.array([self.fee, self.slippage, self.leverage_cap, self.lot_size, self.start_equity], dtype=np.float64)
        row.flags.writeable = False
        return row


def risk_row(**values: float) -> NDArray[np.float64]:
    """A `(N_RISK,)` risk row by name; what is not named is off, and the size is the whole equity.

    >>> risk_row(stop_kind=OrderKind.PERCENT, stop=5.0)[:2]
    array([2., 5.])

    Raises:
        UsageError: a name that is no column of a risk row.
    """
    row = np.zeros(N_RISK)
    row[Risk.SIZE] = 1.0
    for name, value in values.items():
        if name.upper() not in Risk.__members__:
            known = ", ".join(column.name.lower() for column in Risk)
            raise UsageError(f"A risk row has the columns {known}, but was given `{name}`: use one of these.")
        row[Risk[name.upper()]] = value
    return row


def _check(*, name: str, value: float, lowest: float, below: float) -> None:
    if not (isfinite(value) and lowest <= value < below):
        raise ConfigError(
            f"`{name}` must be a fraction or number in [{lowest:g}, {below:g}), but was {value}: set it in the costs."
        )
