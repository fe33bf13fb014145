"""How easily a market trades, and on which side: from prices and volumes alone."""

from typing import Final

import numpy as np

from strategies.features.feature import Feature, Output
from strategies.features.periods import period
from strategies.features.windows import before, means, ratios, sums
from strategies.indicators import Bars, Column
from strategies.scales import Scale
from strategies.views import frozen

_NUMBER: Final = Scale(0.0, 0.0, located=False)


def _imbalance(bars: Bars, values: tuple[float, ...]) -> tuple[Column, ...]:
    """Volume of bars that closed above their open less that of bars below, by all; 0 where nothing was traded."""
    n_bars = round(values[0])
    signed = np.sign(bars.close - bars.open) * bars.volume
    return (ratios(sums(signed, n_bars), sums(bars.volume, n_bars), otherwise=0.0),)


def _amihud(bars: Bars, values: tuple[float, ...]) -> tuple[Column, ...]:
    """Amihud 2002, equation 1, over few bars by the same over many: above 1 where trading moves prices more than usual.

    Bars without volume don't count. NaN where none counts, or prices rested over the many.
    """
    moves = np.abs(bars.close / before(bars.close) - 1.0)
    impact = ratios(moves, bars.close * bars.volume, otherwise=0.0)
    traded = (bars.volume > 0.0).astype(np.float64)
    impact[0] = np.nan  # it has no return
    fast, slow = (ratios(sums(impact, round(value)), sums(traded, round(value))) for value in values)
    return (ratios(fast, slow),)


def _corwin_schultz(bars: Bars, values: tuple[float, ...]) -> tuple[Column, ...]:
    """Mean of the spreads of the last pairs of bars, in per cent of price; see `liquidity_kernels`."""
    from strategies.features.liquidity_kernels import spreads_nb

    spreads = np.full(bars.close.size, np.nan)
    spreads_nb(*(frozen(column, np.float64) for column in (bars.high, bars.low, bars.close)), spreads)
    return (100.0 * means(spreads, round(values[0])),)


def _vwap_distance(bars: Bars, values: tuple[float, ...]) -> tuple[Column, ...]:
    """How far the close is above the mean typical price by volume of the last bars, in per cent; NaN without volume."""
    n_bars = round(values[0])
    typical = (bars.high + bars.low + bars.close) / 3.0
    average = ratios(sums(typical * bars.volume, n_bars), sums(bars.volume, n_bars))
    return (100.0 * (bars.close / average - 1.0),)


VOLUME_IMBALANCE: Final = Feature(
    "VOLUME_IMBALANCE",
    "structure",
    (Output("imbalance", _NUMBER, (-1.0, 1.0), flips=True),),
    (period(20),),
    _imbalance,
    lambda values: round(values[0]) - 1,
)
AMIHUD: Final = Feature(
    "AMIHUD",
    "structure",
    (Output("ratio", _NUMBER, (0.0, 3.0), peers="only AMIHUD"),),
    (period(5, name="fastperiod"), period(60, least=5, name="slowperiod")),
    _amihud,
    lambda values: round(max(values)),
)
CORWIN_SCHULTZ: Final = Feature(
    "CORWIN_SCHULTZ",
    "structure",
    (Output("spread", _NUMBER, (0.0, 3.0), peers="only CORWIN_SCHULTZ"),),
    (period(20),),
    _corwin_schultz,
    lambda values: round(values[0]),
)
VWAP_DISTANCE: Final = Feature(
    "VWAP_DISTANCE",
    "structure",
    (Output("distance", _NUMBER, (-10.0, 10.0), peers="only VWAP_DISTANCE", flips=True),),
    (period(20),),
    _vwap_distance,
    lambda values: round(values[0]) - 1,
)
LIQUIDITY_FEATURES: Final = (VOLUME_IMBALANCE, AMIHUD, CORWIN_SCHULTZ, VWAP_DISTANCE)
