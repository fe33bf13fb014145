"""Regimes: bull, bear or sideways, and high or low volatility, at every bar, from that bar and earlier ones alone.

Filtered, never smoothed: nobody knew at the time what a smoother knows. `regime_filter` has the model; this is what
strategies, gates and tables read of it. How well it does on switches of known truth is in `docs/regimes.md`.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from strategies.features.feature import Feature, Output
from strategies.indicators import Bars, Column
from strategies.operand_kind import FADING, Parameter
from strategies.scales import Scale
from strategies.views import frozen

DEFAULT_PERIOD: Final = 100
PERIOD: Final = Parameter("period", float(DEFAULT_PERIOD), (20.0, 30.0, 45.0, 65.0, 100.0, 150.0, 250.0), integer=True)
"""How many bars a regime is expected to last. Shorter regimes must be steeper to be seen."""

TRENDS: Final = ("bear", "sideways", "bull")
VOLATILITIES: Final = ("low", "high")
UNKNOWN: Final = -1

_NUMBER: Final = Scale(0.0, 0.0, False)
_FLAG: Final = (-0.5, 0.5)
_SHARE: Final = (0.0, 1.0)


@dataclass(frozen=True, eq=False)
class Regimes:
    """The regimes of `n` bars.

    Attributes:
        trend: `(n,)` int8, an index in `TRENDS`, UNKNOWN in the warm-up.
        volatility: `(n,)` int8, an index in `VOLATILITIES`, UNKNOWN in the warm-up and until a bar has moved.
        trend_confidence, volatility_confidence: `(n,)` filtered chance of the label held; 0 where there is none.
    """

    trend: NDArray[np.int8]
    volatility: NDArray[np.int8]
    trend_confidence: Column
    volatility_confidence: Column


def regimes_of(bars: Bars, period: float = DEFAULT_PERIOD) -> Regimes:
    """The regimes of each bar as known at its close.

    After the warm-up a trend is always known: where nothing has moved yet, it is sideways with a chance of a third.

    Args:
        bars: at least high, low and close; never written to.
        period: bars that a regime is expected to last, at least 2.
    """
    from strategies.features import regime_filter as compiled  # numba; the catalogue must load without it

    high, low, close = (frozen(column, np.float64) for column in (bars.high, bars.low, bars.close))
    n_bars, first = close.size, _warm_up((period,))
    trends, volatilities = np.empty((n_bars, len(TRENDS))), np.empty((n_bars, len(VOLATILITIES)))
    compiled.trend_chances_nb(close, float(period), trends)
    compiled.volatility_chances_nb(high, low, close, float(period), volatilities)
    labels, confidences = np.empty((2, n_bars), dtype=np.int8), np.empty((2, n_bars))
    for number, chances in enumerate((trends, volatilities)):
        compiled.hold_nb(chances, first, labels[number], confidences[number])
    still = (labels[0] == UNKNOWN) & (np.arange(n_bars) >= first)
    sideways = TRENDS.index("sideways")
    trend = np.where(still, np.int8(sideways), labels[0])
    return Regimes(trend, labels[1], np.where(still, trends[:, sideways], confidences[0]), confidences[1])


def _compute(bars: Bars, values: tuple[float, ...]) -> tuple[Column, ...]:
    """The outputs of REGIME, in their order."""
    found = regimes_of(bars, values[0])
    trend: Column = found.trend.astype(np.float64) - 1.0
    known = found.volatility != UNKNOWN
    columns: tuple[Column, ...] = (
        trend,
        np.where(trend == 0.0, 1.0, -1.0),
        np.where(known, 2.0 * found.volatility - 1.0, 0.0),
        found.trend_confidence,
        found.volatility_confidence,
    )
    for column in columns:
        column[: _warm_up(values)] = np.nan
    return columns


def _warm_up(values: tuple[float, ...]) -> int:
    """Bars without a label: as many as a regime is expected to last."""
    return round(values[0])


REGIME: Final = Feature(
    name="REGIME",
    family="regime",
    outputs=(
        Output("trend", _NUMBER, _FLAG, level_steps=1, flips=True),
        Output("sideways", _NUMBER, _FLAG, level_steps=1),
        Output("volatility", _NUMBER, _FLAG, level_steps=1),
        Output("trend_confidence", _NUMBER, _SHARE),
        Output("volatility_confidence", _NUMBER, _SHARE),
    ),
    parameters=(PERIOD,),
    compute=_compute,
    warm_up=_warm_up,
    memory=FADING,
)
"""trend -1, 0 or 1; sideways 1 or -1; volatility -1 or 1 (0 while unknown); two chances. NaN in the warm-up."""
