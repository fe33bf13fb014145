"""What a strategy does, whatever it earns: six numbers by which an archive keeps strategies apart.

They follow from the tallies (tally.py) and the co-movement rows (co_movement.py) of all cells, a cell being one window
of one shard: the sums of all cells are added, and the figures are those of the whole. Sums, products, quotients and
square roots only, in one order, so that they have the same bits on every machine: a birth may depend on them.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from types import MappingProxyType
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fitness.tally import N_TALLY, Tally
from strategies.errors import UsageError

Float64 = NDArray[np.float64]

_ROUNDING: Final = 1e-12  # a variance below this share of the mean square is rounding, not variance
_SERIES: Final = 10  # terms of the logarithm: the first that is left out is below 1e-16


class CoMovement(IntEnum):
    """Columns of a co-movement row: sums over the bars or trades of a window, so that rows merge by adding."""

    SUM_M = 0
    """Of the market's returns, over all bars."""
    SUM_M2 = 1
    SUM_RM = 2
    """Of the strategy's per-bar return times the market's."""
    HELD_KNOWN = 3
    """Bars held in which the regime of volatility was known."""
    HELD_VOLATILE = 4
    """Those of them in which it was high."""
    SUM_PAYOFF2 = 5
    """Of the squared profits of trades, each as a fraction of its entry equity."""
    SUM_PAYOFF3 = 6


N_CO: Final = len(CoMovement)


@dataclass(frozen=True)
class Span:
    """Where a behaviour lies, for binning; what lies outside counts as at the end.

    Attributes:
        low, high: the ends.
        is_log: equal ratios are equal distances.
        unit: "" for a plain number.
        title: for a table's head.
    """

    low: float
    high: float
    is_log: bool
    unit: str
    title: str


SPANS: Final[Mapping[str, Span]] = MappingProxyType(
    {
        "holding": Span(1.0, 256.0, is_log=True, unit="bars", title="Bars held"),
        "trades_a_year": Span(1.0, 1024.0, is_log=True, unit="per year", title="Trades a year"),
        "exposure": Span(0.0, 1.0, is_log=False, unit="fraction", title="Exposure"),
        "market_correlation": Span(-1.0, 1.0, is_log=False, unit="", title="Market correlation"),
        "volatile_share": Span(0.0, 1.0, is_log=False, unit="fraction", title="Share in volatile bars"),
        "payoff_skew": Span(-4.0, 4.0, is_log=False, unit="", title="Payoff skew"),
    }
)
"""Every behaviour:

- holding: mean bars that a trade is held.
- trades_a_year: trades over years of a shard.
- exposure: share of the bars in which a position is held.
- market_correlation: of the per-bar returns of the strategy and the close-to-close returns of its shard, over all bars.
- volatile_share: share of the bars held that lie in the shard's regime of high volatility, known at the close before.
- payoff_skew: skewness of the profits of trades, each as a fraction of its entry equity: positive where losses are cut
  and gains run, negative where many small gains are paid for by few large losses.
"""
BEHAVIOURS: Final = tuple(SPANS)
N_BEHAVIOURS: Final = len(BEHAVIOURS)


def behaviours(tallies: Float64, co: Float64, bars_per_year: Float64) -> Float64:
    """What strategies do over all cells: `(n, N_BEHAVIOURS)` in natural units, in the order of `BEHAVIOURS`.

    NaN where undefined: holding, volatile_share and payoff_skew without a trade (the share also where no bar held has a
    regime, the skew also where all trades earn the same), the correlation without variance, all six where an operand
    failed.

    Args:
        tallies: `(n, n_cells, N_TALLY)`, from `evaluate`.
        co: `(n, n_cells, N_CO)`, from `co_movements`, of the same strategies and cells.
        bars_per_year: `(n_cells,)` of each cell's shard.

    Raises:
        UsageError: shapes that don't belong together.
    """
    _check(tallies, co, bars_per_year)
    years = _added(np.asarray(tallies[:, :, Tally.N_BARS] / bars_per_year))
    sums, moved = _added(tallies), _added(co)
    n_bars, n_trades, held = (sums[:, field] for field in (Tally.N_BARS, Tally.N_TRADES, Tally.BARS_HELD))
    found = {
        "holding": _ratio(held, n_trades),
        "trades_a_year": _ratio(n_trades, years),
        "exposure": _ratio(held, n_bars),
        "market_correlation": _correlation(sums, moved),
        "volatile_share": _ratio(moved[:, CoMovement.HELD_VOLATILE], moved[:, CoMovement.HELD_KNOWN]),
        "payoff_skew": _payoff_skew(sums, moved),
    }
    return np.stack([found[name] for name in BEHAVIOURS], axis=1)


def positions(values: Float64) -> Float64:
    """Behaviours `(n, N_BEHAVIOURS)` as places from 0 to 1 within their spans, clipped to them; NaN stays NaN."""
    placed = np.empty(values.shape)
    for place, span in enumerate(SPANS.values()):
        clipped = np.clip(values[:, place], span.low, span.high)
        if span.is_log:
            placed[:, place] = log2(clipped / span.low) / log2(np.float64(span.high / span.low))
        else:
            placed[:, place] = (clipped - span.low) / (span.high - span.low)
    return placed


def log2(values: ArrayLike) -> Float64:
    """Binary logarithm of positive numbers, to about 1e-15, with the same bits on every machine; NaN stays NaN.

    NumPy's own takes other instructions on other processors, whose last bit may differ.

    Source: `ln m = 2 artanh((m - 1) / (m + 1))` as a series, for m from sqrt(1/2) to sqrt(2).

    >>> log2([0.25, 1.0, 8.0]).tolist()
    [-2.0, 0.0, 3.0]
    """
    fraction, exponent = np.frexp(np.asarray(values, dtype=np.float64))
    is_low = fraction < 0.7071067811865476
    fraction = np.where(is_low, 2.0 * fraction, fraction)
    ratio = (fraction - 1.0) / (fraction + 1.0)
    square, series = ratio * ratio, np.zeros(ratio.shape)
    for term in reversed(range(_SERIES)):
        series = series * square + 1.0 / (2 * term + 1)
    return np.asarray(exponent - is_low + 2.885390081777926815 * ratio * series)  # 2 / ln 2


def _correlation(sums: Float64, moved: Float64) -> Float64:
    """Pearson's r of the strategy's and the market's returns `(n,)`, from -1 to 1."""
    n_bars, market = sums[:, Tally.N_BARS], moved[:, CoMovement.SUM_M]
    own_variance = _variance(n_bars, sums[:, Tally.SUM_R], sums[:, Tally.SUM_R2])
    variance = _variance(n_bars, market, moved[:, CoMovement.SUM_M2])
    together = _ratio(moved[:, CoMovement.SUM_RM], n_bars) - _ratio(sums[:, Tally.SUM_R], n_bars) * _ratio(
        market, n_bars
    )
    return np.clip(together / (np.sqrt(own_variance) * np.sqrt(variance)), -1.0, 1.0)


def _payoff_skew(sums: Float64, moved: Float64) -> Float64:
    """Skewness `m3 / m2 ** 1.5` of the profits of trades `(n,)`, with moments over their number."""
    n_trades, total = sums[:, Tally.N_TRADES], sums[:, Tally.GROSS_PROFIT] - sums[:, Tally.GROSS_LOSS]
    squares = moved[:, CoMovement.SUM_PAYOFF2]
    mean, square = _ratio(total, n_trades), _ratio(squares, n_trades)
    m2 = _variance(n_trades, total, squares)
    m3 = _ratio(moved[:, CoMovement.SUM_PAYOFF3], n_trades) - 3.0 * mean * square + 2.0 * mean * mean * mean
    return np.asarray(m3 / (m2 * np.sqrt(m2)))


def _variance(n: Float64, total: Float64, squares: Float64) -> Float64:
    """Variance over `n`; NaN where there is none, or only rounding."""
    mean, square = _ratio(total, n), _ratio(squares, n)
    variance = square - mean * mean
    return np.where(variance > _ROUNDING * square, variance, np.nan)


def _added(cells: Float64) -> Float64:
    """The sum over cells (axis 1), one after the other: NumPy's own order depends on how an array lies in memory."""
    total = np.zeros((cells.shape[0], *cells.shape[2:]))
    for cell in range(cells.shape[1]):
        total += cells[:, cell]
    return total


def _ratio(top: Float64, bottom: Float64) -> Float64:
    """The quotient, NaN where the denominator is 0 or NaN."""
    return np.divide(top, bottom, out=np.full(top.shape, np.nan), where=bottom != 0.0)


def _check(tallies: Float64, co: Float64, bars_per_year: Float64) -> None:
    n_cells = bars_per_year.size
    wanted = (len(tallies), n_cells, N_TALLY), (len(tallies), n_cells, N_CO)
    if bars_per_year.ndim != 1 or (tallies.shape, co.shape) != wanted:
        raise UsageError(
            f"`tallies` must be (n, n_cells, {N_TALLY}), `co` (n, n_cells, {N_CO}) and `bars_per_year` (n_cells,), "
            f"but was {tallies.shape}, {co.shape} and {bars_per_year.shape}. Evaluate both on the same windows."
        )
