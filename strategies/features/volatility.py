"""How much prices move: the usual estimators of volatility, in per cent a bar, and what their ratios tell."""

from math import log
from typing import Final

import numpy as np

from strategies.features.feature import Compute, Feature, Output
from strategies.features.periods import period
from strategies.features.windows import before, log_ratios, means, ratios, squares, variances
from strategies.indicators import Bars, Column
from strategies.operand_kind import Parameter
from strategies.scales import Scale

_NUMBER: Final = Scale(0.0, 0.0, located=False)
_PER_BAR: Final = (0.0, 5.0)
_LAGS: Final = (2.0, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0, 12.0, 16.0, 20.0)


def _returns(bars: Bars) -> Column:
    return log_ratios(bars.close, before(bars.close))


def _per_cent(variance: Column) -> Column:
    return 100.0 * np.sqrt(np.maximum(variance, 0.0))


def _realised(bars: Bars, values: tuple[float, ...]) -> tuple[Column, ...]:
    """Sample standard deviation of log returns from close to close."""
    return (_per_cent(variances(_returns(bars), round(values[0]))),)


def _parkinson(bars: Bars, values: tuple[float, ...]) -> tuple[Column, ...]:
    """Parkinson 1980, equation 3: mean of ln(high / low) squared by 4 ln 2."""
    spans = log_ratios(bars.high, bars.low)
    return (_per_cent(means(spans * spans, round(values[0])) / (4.0 * log(2.0))),)


def _garman_klass(bars: Bars, values: tuple[float, ...]) -> tuple[Column, ...]:
    """Garman and Klass 1980, the practical estimator: ln(high / low)^2 / 2 - (2 ln 2 - 1) ln(close / open)^2."""
    spans, bodies = log_ratios(bars.high, bars.low), log_ratios(bars.close, bars.open)
    return (_per_cent(means(0.5 * (spans * spans) - (2.0 * log(2.0) - 1.0) * (bodies * bodies), round(values[0]))),)


def _rogers_satchell_terms(bars: Bars) -> Column:
    """Rogers and Satchell 1991: free of drift."""
    above = log_ratios(bars.high, bars.close) * log_ratios(bars.high, bars.open)
    return above + log_ratios(bars.low, bars.close) * log_ratios(bars.low, bars.open)


def _rogers_satchell(bars: Bars, values: tuple[float, ...]) -> tuple[Column, ...]:
    return (_per_cent(means(_rogers_satchell_terms(bars), round(values[0]))),)


def _yang_zhang(bars: Bars, values: tuple[float, ...]) -> tuple[Column, ...]:
    """Yang and Zhang 2000: variance over night, k of that from open to close, the rest Rogers and Satchell's."""
    n_bars = round(values[0])
    k = 0.34 / (1.34 + (n_bars + 1) / (n_bars - 1))
    nights, days = log_ratios(bars.open, before(bars.close)), log_ratios(bars.close, bars.open)
    inside = means(_rogers_satchell_terms(bars), n_bars)
    return (_per_cent(variances(nights, n_bars) + k * variances(days, n_bars) + (1.0 - k) * inside),)


def _volatility_ratio(bars: Bars, values: tuple[float, ...]) -> tuple[Column, ...]:
    """Standard deviation of returns over few bars by that over many; NaN where prices rested all the while."""
    returns = _returns(bars)
    fast, slow = (variances(returns, round(value)) for value in values)
    return (np.sqrt(ratios(fast, slow)),)


def _variance_ratio(bars: Bars, values: tuple[float, ...]) -> tuple[Column, ...]:
    """Lo and MacKinlay 1988, overlapping and unbiased: above 1 where returns go on, below where they turn back.

    All NaN where the window has no room for returns over the lag; NaN where prices rested.
    """
    lag, n_bars = (round(value) for value in values)
    if lag >= n_bars:
        return (np.full(bars.close.size, np.nan),)
    returns = _returns(bars)
    centre = means(returns, n_bars)
    single = squares(returns, centre, n_bars) / (n_bars - 1)
    together = squares(log_ratios(bars.close, before(bars.close, lag)), lag * centre, n_bars - lag + 1)
    return (ratios(together / (lag * (n_bars - lag + 1) * (1.0 - lag / n_bars)), single),)


def _per_bar(name: str, compute: Compute, n_before: int) -> Feature:
    """A volatility that needs `n_before` more bars than its window, comparable with all others."""
    output = Output("volatility", _NUMBER, _PER_BAR, peers="volatility")
    return Feature(name, "structure", (output,), (period(20),), compute, lambda values: round(values[0]) - 1 + n_before)


REALISED_VOLATILITY: Final = _per_bar("REALISED_VOLATILITY", _realised, 1)
PARKINSON: Final = _per_bar("PARKINSON", _parkinson, 0)
GARMAN_KLASS: Final = _per_bar("GARMAN_KLASS", _garman_klass, 0)
ROGERS_SATCHELL: Final = _per_bar("ROGERS_SATCHELL", _rogers_satchell, 0)
YANG_ZHANG: Final = _per_bar("YANG_ZHANG", _yang_zhang, 1)
VOLATILITY_RATIO: Final = Feature(
    "VOLATILITY_RATIO",
    "structure",
    (Output("ratio", _NUMBER, (0.0, 3.0), peers="only VOLATILITY_RATIO"),),
    (period(10, name="fastperiod"), period(60, least=5, name="slowperiod")),
    _volatility_ratio,
    lambda values: round(max(values)),
)
VARIANCE_RATIO: Final = Feature(
    "VARIANCE_RATIO",
    "structure",
    (Output("ratio", _NUMBER, (0.0, 2.0), peers="only VARIANCE_RATIO"),),
    (Parameter("lag", 5.0, _LAGS, integer=True), period(60, least=25)),
    _variance_ratio,
    lambda values: round(values[1]),
)
VOLATILITY_FEATURES: Final = (
    REALISED_VOLATILITY,
    PARKINSON,
    GARMAN_KLASS,
    ROGERS_SATCHELL,
    YANG_ZHANG,
    VOLATILITY_RATIO,
    VARIANCE_RATIO,
)
