"""A Kalman filter of level and slope on the path of the returns; the slope, calibrated, is the prediction.

Source: Harvey 1989, "Forecasting, Structural Time Series Models and the Kalman Filter", local linear trend (2.3.27):
path = level + noise of variance 1; level += slope + noise of variance `p0`; slope += noise of variance `p1`.
"""

import math
from typing import Final

import numpy as np
from numba import njit

from strategies.learners.rows import Column, Rows, bounded_nb
from strategies.numba_start import load_numba

load_numba()

FIRST_SLOPE_VARIANCE: Final = 0.01
"""Before the first bar: a drift is within a tenth or so of a bar's usual return."""
PRIOR_SAMPLES: Final = 50.0
"""The calibration believes in a scale of 1 as firmly as in this many samples."""
CALIBRATION_FORGETTING: Final = 0.998

_jit = njit(cache=True, nogil=True, error_model="numpy")


@_jit
def kalman_trend_nb(x: Rows, y: Column, horizon: int, p0: float, p1: float, out: Column) -> None:
    """Write the expected target of each bar into `out`: slope * sqrt(horizon) * scale.

    The scale is the regression of the targets on the uncalibrated predictions, without a constant, with forgetting,
    drawn towards 1 as by PRIOR_SAMPLES samples. A bar without a return is no bar to the filter: its state stays.

    Args:
        x: `(n_bars, 1)` returns of each bar in their usual size; NaN where missing.
        y: `(n_bars,)` targets, per usual size of a return over the horizon; `y[s]` is read from bar `s + horizon` on.
        horizon: bars ahead, at least 1.
        p0: variance of the level's noise.
        p1: variance of the slope's noise.
        out: `(n_bars,)`; NaN where x is missing.
    """
    scale = math.sqrt(float(horizon))
    said = np.full(horizon, np.nan)  # uncalibrated predictions whose labels are still to come; none at first
    gap, slope = 0.0, 0.0  # the level is kept relative to the path, so that nothing grows
    level_variance, covariance, slope_variance = 1.0, 0.0, FIRST_SLOPE_VARIANCE
    n_seen, squares, products = 0.0, 0.0, 0.0
    turn = 0
    for bar in range(y.size):
        plain = np.nan
        if not math.isnan(x[bar, 0]):
            gap += slope - x[bar, 0]
            level_variance += 2.0 * covariance + slope_variance + p0
            covariance += slope_variance
            slope_variance += p1
            total = level_variance + 1.0
            slope_gain = covariance / total
            slope -= slope_gain * gap
            gap /= total
            slope_variance -= slope_gain * covariance
            level_variance /= total
            covariance /= total
            plain = slope * scale
        calibration = 1.0
        if squares > 0.0:
            prior = PRIOR_SAMPLES / n_seen
            calibration = (products + prior * squares) / (squares + prior * squares)
        out[bar] = plain * calibration
        earlier = said[turn]
        if not math.isnan(earlier) and not math.isnan(y[bar - horizon]):
            n_seen = n_seen * CALIBRATION_FORGETTING + 1.0
            squares = squares * CALIBRATION_FORGETTING + earlier * earlier
            products = products * CALIBRATION_FORGETTING + earlier * bounded_nb(y[bar - horizon])
        said[turn] = plain
        turn = turn + 1 if turn + 1 < horizon else 0
