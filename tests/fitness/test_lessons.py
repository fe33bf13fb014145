"""What learners go by: the feature that matters is named, and nothing after the window is looked at."""

import dataclasses
import json

import numpy as np
import polars as pl
import pytest

from fitness.folds import Window
from fitness.lessons import feature_columns, lessons
from fitness.reference_rules import learnt, values_of
from fitness.samples import random_walk
from fitness.shards import shard_of
from strategies.strategy import Distance, Learner, Operand, Rule, Strategy

RETURN = Operand("ROC", "close", (1.0,))
NOISE = Operand("VOLUME_IMBALANCE", None, (20.0,))
LEARNER = Learner("logistic", "direction", 1, (0.05, 0.001), (RETURN, NOISE), 1)


@pytest.fixture(scope="module")
def sticky():
    """Bars that go on as they went: the last return says the next."""
    frame = random_walk(2, 1500)
    drift = np.repeat(np.random.default_rng(1).choice([0.98, 1.02], 100), 15).cumprod()
    frame = frame.with_columns(pl.col(name) * drift for name in ("open", "high", "low", "close"))
    return shard_of(frame, "STICKY", "1d", bars_per_year=252.0)


def strategy_with(*learners):
    return Strategy("long", Rule((), 1), Rule(), Distance("atr", 3.0), learners=learners)


def test_the_feature_that_matters_is_named(sticky):
    (lesson,) = lessons(strategy_with(LEARNER), sticky, Window("late", 500, 1400))
    shares = dict(lesson.importances)
    assert list(shares) == ["ROC(1)", "VOLUME_IMBALANCE(20)"]
    assert shares["ROC(1)"] > 0.9
    assert sum(shares.values()) == pytest.approx(1.0)
    assert lesson.hit_rate > 0.7
    assert lesson.confidence > 0.2
    assert 850 < lesson.n_predictions <= 900


def test_hits_are_counted_as_they_are_by_hand(sticky):
    window = Window("late", 500, 700)
    (lesson,) = lessons(strategy_with(LEARNER), sticky, window)
    said = learnt(LEARNER, sticky).score
    hits = [
        (said[t] > 0) == (sticky.close[t + 1] > sticky.close[t])
        for t in range(500, 699)
        if sticky.close[t + 1] != sticky.close[t] and said[t]
    ]
    assert lesson.n_predictions == len(hits)
    assert lesson.hit_rate == pytest.approx(np.mean(hits))


def test_nothing_after_the_window_is_looked_at(sticky):
    window = Window("early", 300, 900)
    factor = np.ones(sticky.n_bars)
    factor[900:] = np.linspace(1.0, 3.0, sticky.n_bars - 900)
    later = {name: getattr(sticky, name) * factor for name in ("open", "high", "low", "close")}
    changed = dataclasses.replace(sticky, **later)
    two = strategy_with(LEARNER, dataclasses.replace(LEARNER, algorithm="kalman_trend", hyper=(0.1, 1e-4), features=()))
    assert lessons(two, sticky, window) == lessons(two, changed, window)
    assert lessons(two, sticky, window)[1].importances == ()


def test_features_are_those_of_the_plain_twin(sticky):
    features = (RETURN, dataclasses.replace(NOISE, lag=7), Operand("RSI", "high", (14.0,), 2, 1))
    plain = np.array([values_of(each, sticky, ()) for each in features]).T
    assert np.array_equal(feature_columns(features, sticky), plain, equal_nan=True)


def test_a_window_without_a_word_has_no_figures(sticky):
    (lesson,) = lessons(strategy_with(LEARNER), sticky, Window("first", 0, 20))
    assert lesson.n_predictions == 0
    assert json.loads(json.dumps(lesson.to_dict()))["hit_rate"] is None
    assert lesson.to_dict()["confidence"] is None
