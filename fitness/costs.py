"""What trading costs and what a position risks: the parameters of the market, and the risk row of a strategy.

Costs belong to the market and are the same for every strategy of a job. Risk belongs to the strategy: its columns are
the risk genes in their order, without the direction, which the masks already say.
"""

from dataclasses import dataclass
from enum import IntEnum
from math import inf, isfinite
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

from strategies.errors import ConfigError, UsageError

BPS: Final = 10_000.0
"""Basis points in a whole."""


WORST_FILL: Final = 0.5
"""Most that slippage, spread and impact together may worsen a fill, as a fraction of the price.

Beyond it the models say nothing any more: an order that size does not belong in that market."""
MOST_LOTS: Final = 2.0**53
"""Beyond it one lot more or less is no other number."""


class Cost(IntEnum):
    """Columns of a costs row: what is the same at every bar. The rest is in `KernelBars.fills`."""

    FEE = 0
    FEE_PER_UNIT = 1
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
    """What the size is measured in: see `SizeKind`."""
    BREAKER = 10
    """Drawdown of realised equity, as a fraction, that halts trading; 0 is none."""
    REARM = 11
    """Bars without entry after the exit that tripped the breaker."""


class OrderKind(IntEnum):
    """How the distance of a stop, target or trailing stop is measured."""

    OFF = 0
    ATR = 1
    """Multiples of the average true range at the decision bar."""
    PERCENT = 2
    """Percent of the entry fill: 5.0 is 5 %."""


class SizeKind(IntEnum):
    """How a position is sized; `SIZE` is the first number of each line."""

    FRACTION = 0
    """Fraction of equity."""
    RISK = 1
    """Fraction of equity that is lost at the stop."""
    VOLATILITY = 2
    """Volatility a year, times the `scale` of the decision bar: the inverse of the market's volatility (sizing.py)."""
    CONFIDENCE = 3
    """Fraction of equity, times the `scale` of the decision bar: how sure the learners are, in [0, 1]."""
    KELLY = 4
    """Multiple of Kelly's fraction, estimated from the account's own trades: see `KELLY_TRADES`."""


SCALED: Final = (SizeKind.VOLATILITY, SizeKind.CONFIDENCE)
"""Kinds of size that read the strategy's `scale`."""
KELLY_TRADES: Final = 10
"""Trades that must have ended before Kelly's fraction is estimated from them."""
KELLY_FIRST: Final = 0.1
"""Fraction of equity until then."""
KELLY_LEAST: Final = 0.01
"""Least fraction after: without a trade nothing more would be learnt."""
MOST_FRACTION: Final = 100.0
"""Most that a size of a later kind may be of equity without a cap on leverage: a quiet market proves nothing."""

N_COSTS = len(Cost)
N_RISK = len(Risk)


@dataclass(frozen=True)
class Costs:
    """Costs of a fill, of holding, and bounds of a size; fractions, not basis points. Models: cost_models.py.

    Attributes:
        fee: fraction of the notional, paid on each side.
        slippage: fraction of the price by which a market or stop order fills worse: half the spread, and delay.
        leverage_cap: most notional that may be entered, as a multiple of equity; `inf` switches it off.
        lot_size: units are a multiple of this, rounded down; 0 allows any fraction.
        start_equity: equity at the start, in the currency of the prices. It matters where a cost is not in proportion:
            lots, fees per unit, impact, a share of volume. Tallies are relative to it.
        fee_per_unit: currency per share or contract, paid on each side.
        spread_volatility: half the spread as a multiple of the volatility of a bar, on top of `slippage`.
        impact: the Y of the square-root law: a fill worsens by `Y * volatility * sqrt(units / mean volume)`.
        volume_share: most of a bar's volume that one order may take; `inf` switches it off.
        borrow: yearly rate on the market value of shorts.
        funding: yearly rate on the market value that longs pay to shorts; negative where shorts pay.

    Raises:
        ConfigError: a value out of its range.
    """

    fee: float
    slippage: float
    leverage_cap: float = 1.0
    lot_size: float = 0.0
    start_equity: float = 1.0
    fee_per_unit: float = 0.0
    spread_volatility: float = 0.0
    impact: float = 0.0
    volume_share: float = inf
    borrow: float = 0.0
    funding: float = 0.0

    def __post_init__(self) -> None:
        _check(name="fee", value=self.fee, lowest=0.0, below=1.0)
        _check(name="slippage", value=self.slippage, lowest=0.0, below=WORST_FILL)
        _check(name="start_equity", value=self.start_equity, lowest=np.finfo(float).tiny, below=inf)
        for name in ("lot_size", "fee_per_unit", "spread_volatility", "impact", "borrow"):
            _check(name=name, value=getattr(self, name), lowest=0.0, below=inf)
        if not isfinite(self.funding):
            raise ConfigError(f"`funding` must be a finite yearly rate, but was {self.funding}: 0 switches it off.")
        for name, off in (("leverage_cap", "use 1 for no leverage"), ("volume_share", "`inf` switches it off")):
            if not getattr(self, name) > 0.0:
                raise ConfigError(f"`{name}` must be above 0, but was {getattr(self, name)}: {off}.")

    @classmethod
    def from_bps(cls, *, fee_bps: float, slippage_bps: float, **others: float) -> Self:
        """The costs with fee and slippage given in basis points: 5 is 0.05 %. `others` are fields by name."""
        return cls(fee_bps / BPS, slippage_bps / BPS, **others)

    @property
    def has_carry(self) -> bool:
        """Whether holding a position costs or earns anything."""
        return self.borrow != 0.0 or self.funding != 0.0

    @property
    def reads_volume(self) -> bool:
        """Whether a model asks for the volume of the bars."""
        return self.impact > 0.0 or self.volume_share < inf

    def row(self) -> NDArray[np.float64]:
        """The `(N_COSTS,)` row that the kernel reads, read-only."""
        values = (self.fee, self.fee_per_unit, self.leverage_cap, self.lot_size, self.start_equity)
        row = np.array(values, dtype=np.float64)
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
