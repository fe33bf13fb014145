"""The regime filter as compiled loops: what `regimes` is made of.

Two Hamilton filters, one of three trends and one of two levels of volatility, on what a bar did relative to the bars
before it. Nothing is fitted: the states lie at fixed places in units of the noise, so that a bar's chances follow from
it and earlier bars alone, and no later bar can move them. Then hysteresis turns chances into a label.

Sources: Hamilton 1989, "A new approach to the economic analysis of nonstationary time series and the business cycle",
eq. 4 to 6 (predict by the transition matrix, weigh by the likelihood, norm); Alizadeh, Brandt and Diebold 2002,
"Range-based estimation of stochastic volatility models", for the logarithm of a bar's range, which is nearly normal.
"""

import math
from typing import Final

import numpy as np
from numba import njit
from numpy.typing import NDArray

from strategies.numba_start import load_numba

load_numba()

Column = NDArray[np.float64]
Chances = NDArray[np.float64]
Labels = NDArray[np.int8]

UNKNOWN: Final = -1
RUN_IN: Final = 8
"""Moves that only measure the noise before one is weighed against it."""
DRIFT: Final = 1.75
"""What a trend moves within the time that it is expected to last, over the noise of that time: on daily bars and a
period of 100, a trend with a Sharpe ratio above 1.4 a year (half of it). Steeper states (2.5) call most days of a
market sideways, flatter ones (1.25) none."""
LARGEST_MOVE: Final = 3.0
"""In units of the noise; a larger move counts as this, so that one jump alone makes no trend."""
SHORTEST_SPAN: Final = 20.0
STEP: Final = 0.4
"""Half the distance between the two volatilities, in logarithms: high is 2.2 times low."""
SPREAD: Final = 0.7
"""Standard deviation of the logarithm of a bar's range within a state. A constant volatility gives 0.3 (Alizadeh,
Brandt and Diebold, table I); that of a market moves within a state too, and 0.5 changes its mind too often."""
LARGEST_RANGE: Final = 1.5
"""In logarithms, from the usual one; a bar without any range counts as this far below."""
LEVEL_SPAN: Final = 8.0
"""Bars that the usual range is measured over, in periods."""
ENTER: Final = 0.5
"""A label is taken only if its chance is above this,"""
LEAVE: Final = 0.35
"""and only if the chance of the one that is held is below this."""


@njit(cache=True, nogil=True, error_model="numpy")
def trend_chances_nb(close: Column, period: float, chances: Chances) -> None:
    """Write the filtered chances of bear, sideways and bull, `(n_bars, 3)`, each from that bar and earlier ones.

    What is observed is the change of the close over its root mean square before (exponential, `period / 2` bars): in
    units of price on both sides, so that prices upside down give the same with bear and bull exchanged, to the bit.
    The three states are normal with variance 1 and means of -m, 0 and m with `m = DRIFT / sqrt(period)`; a state lasts
    `period` bars on average and then turns to either other one.
    """
    mean = DRIFT / math.sqrt(period)
    rest = math.exp(0.5 * mean * mean)
    change = 0.5 / period
    keep = 1.0 - 3.0 * change
    fade = 2.0 / (max(0.5 * period, SHORTEST_SPAN) + 1.0)
    bear = side = bull = 1.0 / 3.0
    square = 0.0
    for t in range(close.size):
        if t > 0:
            move = close[t] - close[t - 1]
            bear, side, bull = change + keep * bear, change + keep * side, change + keep * bull
            if t > RUN_IN and square > 0.0:
                moved = max(-LARGEST_MOVE, min(move / math.sqrt(square), LARGEST_MOVE))
                bear, side, bull = bear * math.exp(-mean * moved), side * rest, bull * math.exp(mean * moved)
                total = bear + bull + side
                bear, side, bull = bear / total, side / total, bull / total
            square += max(fade, 1.0 / t) * (move * move - square)
        chances[t, 0], chances[t, 1], chances[t, 2] = bear, side, bull


@njit(cache=True, nogil=True, error_model="numpy")
def volatility_chances_nb(high: Column, low: Column, close: Column, period: float, chances: Chances) -> None:
    """Write the filtered chances of low and high volatility, `(n_bars, 2)`, each from that bar and earlier ones.

    What is observed is the logarithm of the bar's true range over its middle, less its own exponential mean before
    (`LEVEL_SPAN * period` bars). The two states are normal with means of -STEP and STEP and deviation SPREAD; a state
    lasts `period` bars on average. Bars before the first that moves say nothing.
    """
    change = 1.0 / period
    keep = 1.0 - 2.0 * change
    fade = 2.0 / (LEVEL_SPAN * period + 1.0)
    weight = 2.0 * STEP / (SPREAD * SPREAD)
    high_chance = 0.5
    level, n_seen = 0.0, 0
    for t in range(close.size):
        before = close[t - 1] if t > 0 else close[t]
        top, bottom = max(high[t], before), min(low[t], before)
        size = (top - bottom) / (top + bottom)
        high_chance = change + keep * high_chance
        if n_seen == 0:
            if size > 0.0:
                level, n_seen = math.log(size), 1
        else:
            above = -LARGEST_RANGE
            if size > 0.0:
                above = max(-LARGEST_RANGE, min(math.log(size) - level, LARGEST_RANGE))
            if n_seen >= RUN_IN:
                odds = high_chance * math.exp(weight * above)
                high_chance = odds / (odds + (1.0 - high_chance))
            n_seen += 1
            level += max(fade, 1.0 / n_seen) * above
        chances[t, 0], chances[t, 1] = 1.0 - high_chance, high_chance


@njit(cache=True, nogil=True, error_model="numpy")
def hold_nb(chances: Chances, first: int, labels: Labels, confidence: Column) -> None:
    """Write the label held at each bar from `first` on and its chance, with hysteresis; UNKNOWN and 0 before.

    The first label is the likeliest; there is none while several are equally likely, as where no bar has moved yet.

    Args:
        chances: `(n_bars, n_states)`.
        first: the first bar with a label.
        labels: `(n_bars,)`, written: the state held, or UNKNOWN.
        confidence: `(n_bars,)`, written: the chance of the state held, 0 where none is.
    """
    held = UNKNOWN
    for t in range(labels.size):
        if t >= first:
            best, n_best = 0, 0
            for state in range(chances.shape[1]):
                if chances[t, state] > chances[t, best]:
                    best, n_best = state, 0
                if chances[t, state] == chances[t, best]:
                    n_best += 1
            if held == UNKNOWN:
                if n_best == 1:
                    held = best
            elif chances[t, best] > ENTER and chances[t, held] < LEAVE:
                held = best
        labels[t] = held
        confidence[t] = chances[t, held] if held != UNKNOWN else 0.0
