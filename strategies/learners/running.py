"""One learner over the bars of one shard: from features and a question to a score and a confidence for each bar."""

import difflib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numba import njit
from numpy.typing import NDArray

from strategies.errors import StrategyError
from strategies.indicators import Bars
from strategies.learners.confidence import DECAY, confidence_nb
from strategies.learners.kernels import kernel
from strategies.learners.rows import matured_nb
from strategies.learners.standardising import standardised, standardised_returns
from strategies.learners.table import ALGORITHMS, MAX_FEATURES, N_HYPER, TARGETS
from strategies.learners.targets import target_of
from strategies.numba_start import load_numba
from strategies.views import frozen

load_numba()

Float64 = NDArray[np.float64]

MATURED: Final = 50
"""Labels that must be known before a score is given."""

_jit = njit(cache=True, nogil=True, error_model="numpy")


@dataclass(frozen=True, eq=False)
class Samples:
    """What a learner is given: `x` `(n_bars, k)` and `y` `(n_bars,)`, read-only, as `kernels` has them."""

    x: Float64
    y: Float64


@dataclass(frozen=True, eq=False)
class Learned:
    """What a learner says at each bar, with what it knew at its close.

    Attributes:
        score: `(n_bars,)` in [-1, 1], above 0 where the target is expected to be: 2p - 1 of a probability,
            z / (1 + |z|) of an expected target. NaN until the warm-up is over and wherever a feature is missing.
        confidence: `(n_bars,)` in [0, 1], how far its record is better than a coin's; see `confidence`. NaN where the
            score is.
    """

    score: Float64
    confidence: Float64


def warm_up(algorithm: str, horizon: int) -> int:
    """Bars without a score from the first bar that has all features, at most: until 50 labels were learnt.

    One fewer where that bar is not the first of all, as the first bar has no return. A price that does not move, and a
    feature with gaps, take longer.
    """
    del algorithm  # the same for all
    return MATURED + int(horizon) + 1


def learn(algorithm: str, target: str, horizon: int, hyper: Sequence[float], features: Float64, bars: Bars) -> Learned:
    """Predict at each bar, then learn from the sample whose label has just become known.

    Args:
        algorithm: a name of `table.ALGORITHMS`.
        target: one of `table.TARGETS`.
        horizon: bars ahead that the target looks, at least 1.
        hyper: a value for each of the algorithm's hyper-parameters; more are ignored.
        features: `(n_bars, k)`, k of 1 to 4, NaN where there is no value; not looked at by those that use none.
        bars: the bars of the features; never written to.

    Returns:
        Score and confidence, new arrays.

    Raises:
        StrategyError: an unknown algorithm or target, too few hyper-parameters, features of another shape.
    """
    _checked(algorithm, target, horizon, hyper, features, bars)
    return learn_samples(algorithm, horizon, hyper, samples_of(algorithm, target, horizon, features, bars))


def learn_samples(algorithm: str, horizon: int, hyper: Sequence[float], samples: Samples) -> Learned:
    """`learn` from samples that are made already: those of `samples_of`, for any of whose algorithms they are."""
    raw = predictions(algorithm, horizon, hyper, samples)
    score, confidence = np.empty(samples.y.size), np.empty(samples.y.size)
    said_nb(
        frozen(raw, np.float64), samples.x, samples.y, int(horizon), ALGORITHMS[algorithm].classifies, score, confidence
    )
    return Learned(score, confidence)


def samples_of(algorithm: str, target: str, horizon: int, features: Float64, bars: Bars) -> Samples:
    """What the kernel of an algorithm is given."""
    if ALGORITHMS[algorithm].uses_features:
        x = standardised(features)
    else:
        x = frozen(standardised_returns(bars.close)[:, None], np.float64)
    return Samples(x, target_of(target, int(horizon), bars))


def predictions(algorithm: str, horizon: int, hyper: Sequence[float], samples: Samples) -> Float64:
    """The raw prediction at each bar, `(n_bars,)`, as the kernel makes it, NaN where a feature is missing."""
    out = np.empty(samples.y.size)
    first, second = (*(float(each) for each in hyper), 0.0, 0.0)[:N_HYPER]
    kernel(algorithm)(samples.x, samples.y, int(horizon), first, second, out)
    return out


def n_learnt(samples: Samples, horizon: int) -> NDArray[np.int64]:
    """Samples whose label was known before each bar, `(n_bars,)`."""
    usable = ~np.isnan(samples.x).any(axis=1) & ~np.isnan(samples.y)
    counted = np.zeros(usable.size, dtype=np.int64)
    delay = int(horizon) + 1
    counted[delay:] = np.cumsum(usable)[:-delay]
    return counted


@_jit
def said_nb(
    raw: Float64, x: Float64, y: Float64, horizon: int, classifies: bool, score: Float64, confidence: Float64
) -> None:
    """Writes score and confidence, `(n_bars,)` each, from raw predictions `(n_bars,)`; see `Learned`."""
    for bar in range(y.size):
        score[bar] = 2.0 * raw[bar] - 1.0 if classifies else raw[bar] / (1.0 + abs(raw[bar]))
    confidence_nb(score, y, horizon, DECAY, confidence)
    n_known = 0
    for bar in range(y.size):
        if n_known < MATURED or math.isnan(score[bar]):
            score[bar] = confidence[bar] = np.nan
        n_known += matured_nb(x, y, bar, horizon) >= 0


def _checked(algorithm: str, target: str, horizon: int, hyper: Sequence[float], features: Float64, bars: Bars) -> None:
    """Raise unless all that a learner is called with makes sense."""
    for what, name, known in (("an algorithm", algorithm, ALGORITHMS), ("a target", target, TARGETS)):
        if name not in known:
            near = difflib.get_close_matches(name, known)
            raise StrategyError(
                f"{what.capitalize()} of a learner must be one of {', '.join(known)}, but was {name!r}"
                + (f"; did you mean {near[0]!r}?" if near else ".")
            )
    entry = ALGORITHMS[algorithm]
    if int(horizon) < 1:
        raise StrategyError(f"A learner's `horizon` must be at least 1 bar, but was {horizon}.")
    if len(hyper) < len(entry.hyper):
        names = ", ".join(each.name for each in entry.hyper)
        raise StrategyError(
            f"`hyper` of {algorithm} must have {len(entry.hyper)} values ({names}), but was {tuple(hyper)}."
        )
    n_bars = bars.close.size
    fits = features.ndim == 2 and features.shape[0] == n_bars and 1 <= features.shape[1] <= MAX_FEATURES
    if entry.uses_features and not fits:
        raise StrategyError(
            f"`features` must be (n_bars, k) with {n_bars} bars and k of 1 to {MAX_FEATURES}, but was {features.shape}."
        )
