"""What the learners of a strategy go by on given bars: how often they are right, how sure, and by which features."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fitness.folds import Window
from fitness.shard import Shard
from strategies.catalogue import SOURCES, kind_index
from strategies.learners.importance import importance
from strategies.learners.running import learn, samples_of
from strategies.operands import column
from strategies.strategy import Learner, Operand, Strategy
from strategies.wording import learner_text, operand_text

Float64 = NDArray[np.float64]


@dataclass(frozen=True)
class Lesson:
    """What one learner did in a window.

    Attributes:
        slot: its number in the strategy.
        text: what it is.
        n_predictions: predictions with a sign in the window whose target is known by its end and has one.
        hit_rate: share of them whose sign was right; NaN without any.
        confidence: mean confidence in the window; NaN where it never said anything.
        importances: each feature and its share of what the learner would lose without it, all bars up to the window's
            end; the shares add up to 1, or are all 0 where no feature helped.
    """

    slot: int
    text: str
    n_predictions: int
    hit_rate: float
    confidence: float
    importances: tuple[tuple[str, float], ...]

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain JSON values; null where undefined."""
        return {
            "slot": self.slot,
            "text": self.text,
            "n_predictions": self.n_predictions,
            "hit_rate": None if np.isnan(self.hit_rate) else self.hit_rate,
            "confidence": None if np.isnan(self.confidence) else self.confidence,
            "importances": dict(self.importances),
        }


def lessons(strategy: Strategy, shard: Shard, window: Window) -> tuple[Lesson, ...]:
    """What each learner of a strategy goes by in a window of a shard; nothing after the window is looked at.

    Raises:
        StrategyError: a feature can't be computed on this shard.
    """
    known = shard.head(window.stop)
    return tuple(_lesson(slot, learner, known, window) for slot, learner in enumerate(strategy.learners))


def _lesson(slot: int, learner: Learner, shard: Shard, window: Window) -> Lesson:
    features = feature_columns(learner.features, shard)
    call = learner.algorithm, learner.target, learner.horizon
    said = learn(*call, learner.hyper, features, shard)
    target = samples_of(*call, features, shard).y
    score, inside = said.score[window.start :], target[window.start :]
    counted = ~np.isnan(score) & ~np.isnan(inside) & (score != 0.0) & (inside != 0.0)
    right = (score > 0.0) == (inside > 0.0)
    sure = said.confidence[window.start :]
    shares = importance(*call, learner.hyper, features, shard)
    return Lesson(
        slot,
        learner_text(learner),
        int(counted.sum()),
        float(right[counted].mean()) if counted.any() else np.nan,
        float(np.nanmean(sure)) if np.isfinite(sure).any() else np.nan,
        tuple((operand_text(each), float(share)) for each, share in zip(learner.features, shares, strict=True)),
    )


def feature_columns(features: Sequence[Operand], shard: Shard) -> Float64:
    """The columns of a learner's features, `(n_bars, k)`, each as many bars back as it says, NaN before."""
    out = np.full((shard.n_bars, len(features)), np.nan)
    for place, each in enumerate(features):
        source = SOURCES.index(each.source or "close")
        values = column(kind_index(each.kind), source, each.parameters, shard, each.timeframe)
        out[each.lag :, place] = values[: values.size - each.lag]
    return out
