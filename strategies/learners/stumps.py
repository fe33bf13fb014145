"""A tree of one split for each feature, split and split anew when Hoeffding's bound says that it pays.

Source: Domingos, Hulten 2000, "Mining high-speed data streams": the bound, the grace period, the tie. The gain is that
of the Gini impurity (Breiman et al. 1984), which needs no logarithm; counts forget as a tree that must change has to.
"""

import math
from typing import Final

import numpy as np
from numba import njit
from numpy.typing import NDArray

from strategies.learners.elementary import exp_nb, log_nb
from strategies.learners.rows import Column, Rows, has_row_nb, matured_nb
from strategies.numba_start import load_numba

load_numba()

FIRST_THRESHOLD: Final = -1.5
PER_UNIT: Final = 4
N_THRESHOLDS: Final = 13
"""A feature may be split at -1.5, -1.25 ... 1.5."""
MEMORY: Final = 2_000.0
"""Samples that the counts remember: after each grace period the share p0 / MEMORY is forgotten."""
TIE: Final = 0.025
"""A first split is not put off for gains that the bound could only tell apart below this."""
SHRINKAGE: Final = 5.0
"""Samples of either class that each leaf has seen before the first."""
_GAIN_RANGE: Final = 0.5  # of the Gini impurity of two classes

_jit = njit(cache=True, nogil=True, error_model="numpy")
_helper = njit(cache=True, nogil=True, error_model="numpy", _nrt=False)  # makes no array


@_jit
def stumps_nb(x: Rows, y: Column, horizon: int, p0: float, p1: float, out: Column) -> None:
    """Write the probability that the target of each bar is positive into `out`.

    It is that of the mean log-odds over the leaves that the row falls into, of all trees that have a split; the share
    of all samples where none has. A tree that has a split changes it only where the bound alone says so.

    Args:
        x: `(n_bars, k)` standardised features; a row with a NaN is missing.
        y: `(n_bars,)` targets, of which the sign is learnt; 0 and NaN are skipped. Read from bar `s + horizon` on.
        horizon: bars ahead, at least 1.
        p0: samples from one look at the splits to the next.
        p1: the chance that the bound allows for error.
        out: `(n_bars,)`, in (0, 1), 0.5 before the first sample; NaN where x is missing.
    """
    n_features, grace = x.shape[1], int(p0)
    slack = log_nb(1.0 / p1) / 2.0
    counts = np.zeros((n_features, 2, N_THRESHOLDS + 1))  # of each class, between neighbouring thresholds
    splits = np.full(n_features, -1)
    leaves = np.zeros((n_features, 2, 2))  # of each side, of each class; all is left of a split that is not there
    n_learnt = 0
    for bar in range(y.size):
        out[bar] = np.nan
        if has_row_nb(x, bar):
            out[bar] = _vote_nb(x, bar, splits, leaves)
        known = matured_nb(x, y, bar, horizon)
        if known < 0 or y[known] == 0.0:
            continue
        label = 1 if y[known] > 0.0 else 0
        for j in range(n_features):
            place = _place_nb(x[known, j])
            counts[j, label, place] += 1.0
            leaves[j, 1 if splits[j] >= 0 and place > splits[j] else 0, label] += 1.0
        n_learnt += 1
        if n_learnt == grace:
            n_learnt = 0
            for j in range(n_features):
                splits[j] = _split_nb(counts[j], splits[j], slack)
                for label in range(2):
                    for place in range(N_THRESHOLDS + 1):
                        counts[j, label, place] *= 1.0 - p0 / MEMORY
                    left, right = _sides_nb(counts[j, label], splits[j])
                    leaves[j, 0, label], leaves[j, 1, label] = left, right


@_helper
def _place_nb(value: float) -> int:
    """How many thresholds are below a value: `place > i` where it is right of threshold `i`."""
    place = math.ceil((value - FIRST_THRESHOLD) * PER_UNIT)
    return int(min(max(place, 0), N_THRESHOLDS))


@_helper
def _vote_nb(x: Rows, bar: int, splits: NDArray[np.int64], leaves: NDArray[np.float64]) -> float:
    n_votes, ratio = 0, 1.0
    for j in range(splits.size):
        if splits[j] >= 0:
            side = 1 if _place_nb(x[bar, j]) > splits[j] else 0
            ratio *= (leaves[j, side, 0] + SHRINKAGE) / (leaves[j, side, 1] + SHRINKAGE)
            n_votes += 1
    if n_votes == 0:
        n_votes, ratio = 1, (leaves[0, 0, 0] + SHRINKAGE) / (leaves[0, 0, 1] + SHRINKAGE)
    return 1.0 / (1.0 + exp_nb(log_nb(ratio) / n_votes))


@_helper
def _sides_nb(places: NDArray[np.float64], split: int) -> tuple[float, float]:
    """The counts left and right of a threshold; all are left of -1."""
    left, right = 0.0, 0.0
    for place in range(places.size):
        if split < 0 or place <= split:
            left += places[place]
        else:
            right += places[place]
    return left, right


@_helper
def _impurity_nb(lower: float, upper: float) -> float:
    """Gini's impurity times the number of samples."""
    total = lower + upper
    return 2.0 * lower * upper / total if total > 0.0 else 0.0


@_helper
def _split_nb(counts: NDArray[np.float64], split: int, slack: float) -> int:
    """The threshold to split at from now on: `split`, -1 for none, unless another is better by the bound.

    Args:
        counts: `(2, N_THRESHOLDS + 1)`, of one feature.
        split: the one in use.
        slack: log(1 / delta) / 2.
    """
    lower, _ = _sides_nb(counts[0], -1)
    upper, _ = _sides_nb(counts[1], -1)
    whole = _impurity_nb(lower, upper)
    best, best_gain, gain = -1, 0.0, 0.0
    left_lower, left_upper = 0.0, 0.0
    for place in range(N_THRESHOLDS):
        left_lower += counts[0, place]
        left_upper += counts[1, place]
        split_up = _impurity_nb(left_lower, left_upper) + _impurity_nb(lower - left_lower, upper - left_upper)
        here = (whole - split_up) / (lower + upper)
        if here > best_gain:
            best, best_gain = place, here
        if place == split:
            gain = here
    bound = _GAIN_RANGE * math.sqrt(slack / (lower + upper))
    if best_gain - gain > bound or (split < 0 and bound < TIE):
        return best
    return split
