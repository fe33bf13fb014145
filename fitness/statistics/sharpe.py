"""How much of a Sharpe ratio is luck: its error, and the best of many tries.

Every Sharpe ratio here is per observation (per bar), not annualised; every kurtosis is non-excess (a normal
distribution has 3). A quantity that is not defined is NaN, and a NaN input gives NaN.

Source: Bailey and Lopez de Prado, "The Sharpe ratio efficient frontier", Journal of Risk 15(2), 2012 (standard error,
PSR, minimum track record); the same, "The deflated Sharpe ratio", Journal of Portfolio Management 40(5), 2014; Bailey,
Borwein, Lopez de Prado and Zhu, "Pseudo-mathematics and financial charlatanism", Notices of the AMS 61(5), 2014
(expected maximum, minimum back-test length).
"""

import math
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from strategies.errors import UsageError

EULER_GAMMA = 0.57721566490153286
_NORMAL = NormalDist()


@dataclass(frozen=True)
class Moments:
    """What a Sharpe statistic needs to know of a series of per-bar returns.

    Attributes:
        n: number of returns.
        sharpe: mean / standard deviation (ddof 1), per bar; NaN for fewer than two returns or constant ones.
        skew: third standardised moment (ddof 0); NaN with `sharpe`.
        kurtosis: fourth standardised moment (ddof 0), non-excess; NaN with `sharpe`.
    """

    n: int
    sharpe: float
    skew: float
    kurtosis: float


def moments(returns: NDArray[np.float64]) -> Moments:
    """Sharpe ratio, skewness and kurtosis of per-bar returns `(n,)`; NaN figures where the spread is zero."""
    n = int(returns.size)
    undefined = Moments(n, math.nan, math.nan, math.nan)
    if n < 2 or not bool(np.isfinite(returns).all()) or float(np.ptp(returns)) == 0.0:
        return undefined
    centred = returns - returns.mean()
    variance = float(np.mean(centred**2))
    if variance <= 0.0:
        return undefined
    z = centred / math.sqrt(variance)
    sharpe = float(returns.mean()) / math.sqrt(variance * n / (n - 1))
    return Moments(n, sharpe, float(np.mean(z**3)), float(np.mean(z**4)))


def _spread(sharpe: float, skew: float, kurtosis: float) -> float:
    """Variance of the estimated Sharpe ratio times T - 1; NaN if no distribution has such moments."""
    spread = 1.0 - skew * sharpe + (kurtosis - 1.0) / 4.0 * sharpe**2
    return spread if spread > 0.0 else math.nan


def sharpe_standard_error(*, sharpe: float, n: int, skew: float = 0.0, kurtosis: float = 3.0) -> float:
    """Standard error of a Sharpe ratio estimated from `n` returns; NaN for fewer than two.

    Source: Bailey and Lopez de Prado 2012, eq. 5: sqrt((1 - g3*SR + (g4-1)/4*SR^2) / (T-1)).
    """
    if n < 2:
        return math.nan
    return math.sqrt(_spread(sharpe, skew, kurtosis) / (n - 1))


def probabilistic_sharpe(
    *, sharpe: float, n: int, skew: float = 0.0, kurtosis: float = 3.0, benchmark: float = 0.0
) -> float:
    """Probability that the true Sharpe ratio exceeds `benchmark`, 0 to 1 (PSR).

    Source: Bailey and Lopez de Prado 2012, eq. 11: Phi((SR - SR*) / sigma_SR).
    """
    error = sharpe_standard_error(sharpe=sharpe, n=n, skew=skew, kurtosis=kurtosis)
    if math.isnan(error) or math.isnan(sharpe) or math.isnan(benchmark):
        return math.nan
    return _NORMAL.cdf((sharpe - benchmark) / error)


def expected_maximum(n_trials: int) -> float:
    """Expected largest of `n_trials` independent standard normal draws, approximately; 0 for a single one.

    Source: Bailey et al. 2014, proposition 1: (1-g)*Z(1 - 1/N) + g*Z(1 - 1/(N*e)), g the Euler-Mascheroni constant.

    Raises:
        UsageError: `n_trials` is below 1.

    >>> round(expected_maximum(100), 10)
    2.5306028932
    """
    if n_trials < 1:
        raise UsageError(f"`n_trials` must be at least 1, but was {n_trials}. Count every strategy that was tried.")
    if n_trials == 1:
        return 0.0
    upper = -_NORMAL.inv_cdf(1.0 / n_trials)  # Z(1 - p) = -Z(p), exact for any number of trials
    further = -_NORMAL.inv_cdf(1.0 / (n_trials * math.e))
    return (1.0 - EULER_GAMMA) * upper + EULER_GAMMA * further


def luck_sharpe(*, n_trials: int, trial_variance: float) -> float:
    """Per-bar Sharpe ratio that the best of `n_trials` strategies without skill is expected to show (SR0).

    Args:
        n_trials: every strategy ever tried.
        trial_variance: variance of the per-bar Sharpe ratios of trials without skill (founders on permuted bars).

    Source: Bailey and Lopez de Prado 2014, eq. 1: sqrt(V[SR_n]) * E[max_N].

    Raises:
        UsageError: `n_trials` is below 1, or the variance is negative.
    """
    if trial_variance < 0.0:
        raise UsageError(
            f"`trial_variance` must not be negative, but was {trial_variance}. "
            "Give the variance of the per-bar Sharpe ratios of trials without skill."
        )
    return math.sqrt(trial_variance) * expected_maximum(n_trials)


def deflated_sharpe(
    *, sharpe: float, n: int, n_trials: int, trial_variance: float, skew: float = 0.0, kurtosis: float = 3.0
) -> float:
    """Probability that the true Sharpe ratio exceeds what luck gives the best of `n_trials`, 0 to 1 (DSR).

    Source: Bailey and Lopez de Prado 2014, eq. 2: PSR(SR0).

    Raises:
        UsageError: `n_trials` is below 1, or the variance is negative.
    """
    luck = luck_sharpe(n_trials=n_trials, trial_variance=trial_variance)
    return probabilistic_sharpe(sharpe=sharpe, n=n, skew=skew, kurtosis=kurtosis, benchmark=luck)


def minimum_track_record(
    *, sharpe: float, benchmark: float = 0.0, skew: float = 0.0, kurtosis: float = 3.0, confidence: float = 0.95
) -> float:
    """Returns needed before a Sharpe ratio beats `benchmark` at `confidence`; infinite if it does not beat it at all.

    Source: Bailey and Lopez de Prado 2012, eq. 13: 1 + (1 - g3*SR + (g4-1)/4*SR^2) * (Z/(SR-SR*))^2.

    Raises:
        UsageError: `confidence` is not strictly between 0 and 1.
    """
    if not 0.0 < confidence < 1.0:
        raise UsageError(f"`confidence` must lie strictly between 0 and 1, but was {confidence}. Use 0.95.")
    if sharpe <= benchmark:
        return math.inf
    quantile = _NORMAL.inv_cdf(confidence)
    return 1.0 + _spread(sharpe, skew, kurtosis) * (quantile / (sharpe - benchmark)) ** 2


def minimum_backtest_years(*, n_trials: int, annual_sharpe: float) -> float:
    """Years of data below which the best of `n_trials` without skill is expected to show `annual_sharpe`.

    Source: Bailey et al. 2014, theorem 1: (E[max_N] / E[SR])^2.

    Raises:
        UsageError: `n_trials` is below 1, or `annual_sharpe` is not positive.
    """
    if not annual_sharpe > 0.0:
        raise UsageError(
            f"`annual_sharpe` must be positive, but was {annual_sharpe}. Give the Sharpe ratio that is to be trusted."
        )
    return (expected_maximum(n_trials) / annual_sharpe) ** 2
