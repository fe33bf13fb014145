"""Every measure of performance, defined once, on tallies: `(..., N_TALLY)` rows in, `(...)` numbers out.

With `n` bars, per-bar returns `r` and `bars_per_year` of the shard. Risk-free rate and target return are 0. A measure
that is undefined (no trades, no variance, no loss) is NaN: never an infinity and never a number that means "none",
because either would poison an average or a ranking further on. Only `cagr` (and so `calmar`) uses a library function,
`pow`; all others are sums, products, quotients and square roots, which are the same on every machine.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fitness.tally import Tally

Float64 = NDArray[np.float64]

_ROUNDING = 1e-12  # a variance below this share of the mean square is rounding, not variance


@dataclass(frozen=True)
class Measure:
    """One measure and how to read it.

    Attributes:
        function: tallies `(..., N_TALLY)` and `bars_per_year` (a number or an array that broadcasts) to `(...)`.
        higher_is_better: the direction in which it is an objective.
        unit: "" for a plain number, "fraction", "per year", "bars", "trades".
        title: for a table's head.
    """

    function: Callable[[Float64, ArrayLike], Float64]
    higher_is_better: bool
    unit: str
    title: str


def total_return(tallies: Float64, _bars_per_year: ArrayLike = 1.0) -> Float64:
    """End equity over start equity, less 1."""
    return tallies[..., Tally.GROWTH] - 1.0


def cagr(tallies: Float64, bars_per_year: ArrayLike) -> Float64:
    """Compound annual growth rate: `growth ** (bars_per_year / n) - 1`; -1 when ruined.

    NaN without bars, and where a window of minutes, compounded to a year, is beyond what a float can hold.
    """
    years_inverse = _ratio(bars_per_year, tallies[..., Tally.N_BARS])
    with np.errstate(over="ignore"):
        growth = np.power(tallies[..., Tally.GROWTH], years_inverse)
    return np.where(np.isfinite(growth) & np.isfinite(years_inverse), growth - 1.0, np.nan)


def volatility(tallies: Float64, bars_per_year: ArrayLike) -> Float64:
    """Standard deviation (ddof 1) of per-bar returns, annualised by the square root of time; NaN below 2 bars."""
    return np.sqrt(_variance(tallies)) * np.sqrt(np.asarray(bars_per_year, dtype=np.float64))


def sharpe(tallies: Float64, bars_per_year: ArrayLike) -> Float64:
    """Mean over standard deviation (ddof 1) of simple per-bar returns, annualised; NaN without variance.

    Source: Sharpe 1994, "The Sharpe ratio", eq. 5 to 7, with a benchmark of 0; times `sqrt(bars_per_year)`, as
    if returns were independent (Lo 2002, "The statistics of Sharpe ratios", eq. 15).
    """
    return sharpe_per_bar(tallies) * np.sqrt(np.asarray(bars_per_year, dtype=np.float64))


def sharpe_per_bar(tallies: Float64) -> Float64:
    """The Sharpe ratio of one bar, not annualised: what the probabilistic and deflated Sharpe ratios take."""
    mean = _ratio(tallies[..., Tally.SUM_R], tallies[..., Tally.N_BARS])
    return _ratio(mean, np.sqrt(_real_variance(tallies)))


def sortino(tallies: Float64, bars_per_year: ArrayLike) -> Float64:
    """Mean over downside deviation `sqrt(sum(min(r, 0) ** 2) / n)`, annualised; NaN without a losing bar.

    Source: Sortino and Price 1994, "Performance measurement in a downside risk framework", with a target of 0: the
    deviation is over all bars, not over the losing ones.
    """
    n_bars = tallies[..., Tally.N_BARS]
    mean = _ratio(tallies[..., Tally.SUM_R], n_bars)
    downside = np.sqrt(_ratio(tallies[..., Tally.SUM_DOWN2], n_bars))
    return _ratio(mean, downside) * np.sqrt(np.asarray(bars_per_year, dtype=np.float64))


def calmar(tallies: Float64, bars_per_year: ArrayLike) -> Float64:
    """CAGR over maximum drawdown, both of the whole window; NaN without a drawdown.

    Source: Young 1991, "Calmar ratio: a smoother tool", with the window in place of 36 months.
    """
    return _ratio(cagr(tallies, bars_per_year), tallies[..., Tally.MAX_DRAWDOWN])


def max_drawdown(tallies: Float64, _bars_per_year: ArrayLike = 1.0) -> Float64:
    """Largest fall of equity at a close from its highest close before (or the start): a fraction, positive."""
    return tallies[..., Tally.MAX_DRAWDOWN].copy()


def exposure(tallies: Float64, _bars_per_year: ArrayLike = 1.0) -> Float64:
    """Share of the bars in which a position was held beyond the open."""
    return _ratio(tallies[..., Tally.BARS_HELD], tallies[..., Tally.N_BARS])


def turnover(tallies: Float64, bars_per_year: ArrayLike) -> Float64:
    """Traded notional, both sides, as multiples of equity a year."""
    years = _ratio(tallies[..., Tally.N_BARS], bars_per_year)
    return _ratio(tallies[..., Tally.TURNOVER], years)


def n_trades(tallies: Float64, _bars_per_year: ArrayLike = 1.0) -> Float64:
    """Trades closed."""
    return tallies[..., Tally.N_TRADES].copy()


def win_rate(tallies: Float64, _bars_per_year: ArrayLike = 1.0) -> Float64:
    """Share of the trades with a profit above 0 after costs; NaN without trades."""
    return _ratio(tallies[..., Tally.N_WINS], tallies[..., Tally.N_TRADES])


def profit_factor(tallies: Float64, _bars_per_year: ArrayLike = 1.0) -> Float64:
    """Gross profit over gross loss, each trade as a fraction of its entry equity; NaN without a losing trade."""
    return _ratio(tallies[..., Tally.GROSS_PROFIT], tallies[..., Tally.GROSS_LOSS])


def expectancy(tallies: Float64, _bars_per_year: ArrayLike = 1.0) -> Float64:
    """Mean profit of a trade as a fraction of its entry equity; NaN without trades."""
    net = tallies[..., Tally.GROSS_PROFIT] - tallies[..., Tally.GROSS_LOSS]
    return _ratio(net, tallies[..., Tally.N_TRADES])


def worst_trade(tallies: Float64, _bars_per_year: ArrayLike = 1.0) -> Float64:
    """Lowest profit of a trade as a fraction of its entry equity, 0 when none lost; NaN without trades."""
    return np.where(tallies[..., Tally.N_TRADES] > 0.0, tallies[..., Tally.WORST_TRADE], np.nan)


def average_holding(tallies: Float64, _bars_per_year: ArrayLike = 1.0) -> Float64:
    """Mean bars that a trade was held; NaN without trades."""
    return _ratio(tallies[..., Tally.BARS_HELD], tallies[..., Tally.N_TRADES])


def skew(tallies: Float64, _bars_per_year: ArrayLike = 1.0) -> Float64:
    """Skewness `m3 / m2 ** 1.5` of per-bar returns with moments over `n`; NaN without variance.

    Source: Bailey and Lopez de Prado 2012, "The Sharpe ratio efficient frontier", gamma 3 of eq. 4.
    """
    n_bars, mean, square, m2 = _moments(tallies)
    m3 = _ratio(tallies[..., Tally.SUM_R3], n_bars) - 3.0 * mean * square + 2.0 * mean * mean * mean
    return _ratio(m3, m2 * np.sqrt(m2))


def kurtosis(tallies: Float64, _bars_per_year: ArrayLike = 1.0) -> Float64:
    """Kurtosis `m4 / m2 ** 2` of per-bar returns, not excess (3 for a normal); NaN without variance.

    Source: Bailey and Lopez de Prado 2012, "The Sharpe ratio efficient frontier", gamma 4 of eq. 4.
    """
    n_bars, mean, square, m2 = _moments(tallies)
    cube = _ratio(tallies[..., Tally.SUM_R3], n_bars)
    mean2 = mean * mean
    m4 = _ratio(tallies[..., Tally.SUM_R4], n_bars) - 4.0 * mean * cube + 6.0 * mean2 * square - 3.0 * mean2 * mean2
    return _ratio(m4, m2 * m2)


MEASURES: dict[str, Measure] = {
    "total_return": Measure(total_return, higher_is_better=True, unit="fraction", title="Total return"),
    "cagr": Measure(cagr, higher_is_better=True, unit="fraction", title="CAGR"),
    "volatility": Measure(volatility, higher_is_better=False, unit="fraction", title="Volatility"),
    "sharpe": Measure(sharpe, higher_is_better=True, unit="", title="Sharpe"),
    "sortino": Measure(sortino, higher_is_better=True, unit="", title="Sortino"),
    "calmar": Measure(calmar, higher_is_better=True, unit="", title="Calmar"),
    "max_drawdown": Measure(max_drawdown, higher_is_better=False, unit="fraction", title="Max drawdown"),
    "exposure": Measure(exposure, higher_is_better=True, unit="fraction", title="Exposure"),
    "turnover": Measure(turnover, higher_is_better=False, unit="per year", title="Turnover"),
    "n_trades": Measure(n_trades, higher_is_better=True, unit="trades", title="Trades"),
    "win_rate": Measure(win_rate, higher_is_better=True, unit="fraction", title="Win rate"),
    "profit_factor": Measure(profit_factor, higher_is_better=True, unit="", title="Profit factor"),
    "expectancy": Measure(expectancy, higher_is_better=True, unit="fraction", title="Expectancy"),
    "worst_trade": Measure(worst_trade, higher_is_better=True, unit="fraction", title="Worst trade"),
    "average_holding": Measure(average_holding, higher_is_better=True, unit="bars", title="Average holding"),
    "skew": Measure(skew, higher_is_better=True, unit="", title="Skew"),
    "kurtosis": Measure(kurtosis, higher_is_better=False, unit="", title="Kurtosis"),
}


def measure(name: str, tallies: Float64, bars_per_year: ArrayLike) -> Float64:
    """The measure of that name in `MEASURES`, for tallies `(..., N_TALLY)`."""
    return MEASURES[name].function(tallies, bars_per_year)


def _moments(tallies: Float64) -> tuple[Float64, Float64, Float64, Float64]:
    """Bars, mean, mean square and variance (over `n`) of the returns; the variance is NaN where it is only rounding."""
    n_bars = tallies[..., Tally.N_BARS]
    mean = _ratio(tallies[..., Tally.SUM_R], n_bars)
    square = _ratio(tallies[..., Tally.SUM_R2], n_bars)
    m2 = square - mean * mean
    return n_bars, mean, square, np.where(m2 > _ROUNDING * square, m2, np.nan)


def _variance(tallies: Float64) -> Float64:
    """Variance (ddof 1) of the returns, not below 0; NaN below 2 bars."""
    n_bars, total = tallies[..., Tally.N_BARS], tallies[..., Tally.SUM_R]
    squares = tallies[..., Tally.SUM_R2] - total * _ratio(total, n_bars)
    return _ratio(np.maximum(squares, 0.0), np.where(n_bars > 1.0, n_bars - 1.0, np.nan))


def _real_variance(tallies: Float64) -> Float64:
    """As `_variance`, NaN where it is only rounding."""
    m2 = _moments(tallies)[3]
    return np.where(np.isnan(m2), np.nan, _variance(tallies))


def _ratio(numerator: ArrayLike, denominator: ArrayLike) -> Float64:
    """The quotient, NaN where the denominator is 0 or NaN."""
    top, bottom = np.broadcast_arrays(
        np.asarray(numerator, dtype=np.float64), np.asarray(denominator, dtype=np.float64)
    )
    return np.divide(top, bottom, out=np.full(top.shape, np.nan), where=bottom != 0.0)
