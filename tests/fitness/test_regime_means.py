"""Means of timing returns by regime: each bar to the regime known before it, regimes of few days left out."""

import numpy as np
import pytest

from fitness.excess import TimingReturns
from fitness.folds import Window
from fitness.regime_means import regime_means
from fitness.tally import N_TALLY
from fitness.trace import TRADE_FIELDS, Trace
from strategies.errors import UsageError
from strategies.features.regimes import Regimes

DAY_US = 86_400_000_000


def case(trend, *, start=5, step=DAY_US, seed=0):
    """A trace over all but the first bars of `trend`, its timing returns, and regimes of always low volatility."""
    n = len(trend)
    window = Window("fold 0", start, n)
    times = np.arange(n, dtype=np.int64)[start:] * step
    returns = np.random.default_rng(seed).normal(0.0, 0.01, n - start)
    still = np.zeros(n - start)
    trace = Trace("X", "1d", window, 252.0, times, np.zeros(0, TRADE_FIELDS), still + 1.0, still,
                  still.astype(np.int8), np.zeros(N_TALLY))  # fmt: skip
    labels = np.asarray(trend, dtype=np.int8)
    known = Regimes(labels, np.zeros(n, dtype=np.int8), np.ones(n), np.ones(n))
    return trace, TimingReturns(times, returns, 252.0), known


def test_a_bar_belongs_to_the_regime_known_at_the_close_before():
    trend = [-1] * 5 + [2] * 15 + [0] * 15 + [1] * 9  # bull, bear, and nine days sideways
    trace, beyond, known = case(trend)
    found = {one.name: one for one in regime_means([trace], [beyond], [known])}
    before = np.array(trend[4:-1])
    assert list(found) == ["bull", "bear", "low volatility"]
    assert found["bull"].n_days == 15
    assert found["bull"].mean == pytest.approx(beyond.returns[before == 2].mean())
    assert found["bear"].mean == pytest.approx(beyond.returns[before == 0].mean())
    assert found["low volatility"].mean == pytest.approx(beyond.returns.mean())


def test_ten_days_are_enough_and_nine_are_not():
    for n_days, names in ((9, ["low volatility"]), (10, ["bull", "low volatility"])):
        trace, beyond, known = case([-1] * 5 + [2] * n_days + [-1] * 9)
        assert [one.name for one in regime_means([trace], [beyond], [known])] == names


def test_bars_of_one_day_are_one_day():
    trace, beyond, known = case([2] * 60, step=DAY_US // 24)
    assert regime_means([trace], [beyond], [known]) == ()


def test_shards_are_taken_together():
    cases = [case([2] * 25, seed=seed) for seed in (1, 2)]
    (bull, _) = regime_means(*([each[place] for each in cases] for place in range(3)))
    assert bull.n_days == 40
    assert bull.mean == pytest.approx(np.concatenate([each[1].returns for each in cases]).mean())


def test_each_trace_needs_its_returns_and_regimes():
    trace, _, known = case([2] * 25)
    with pytest.raises(UsageError, match="there were 1 traces, 0 timing returns and 1 regimes"):
        regime_means([trace], [], [known])
