"""Known answers of the papers, and laws that hold between the statistics."""

import math
from statistics import NormalDist

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fitness.statistics import (
    deflated_sharpe,
    expected_maximum,
    luck_sharpe,
    minimum_backtest_years,
    minimum_track_record,
    moments,
    probabilistic_sharpe,
    sharpe_standard_error,
)
from strategies.errors import UsageError

PER_BAR = 2.5 / math.sqrt(250)
EXAMPLE = {"sharpe": PER_BAR, "n": 1250, "skew": -3.0, "kurtosis": 10.0, "trial_variance": 0.5 / 250}


def test_expected_maximum_known_answer():
    assert expected_maximum(100) == pytest.approx(2.5306028932, abs=5e-11)


def test_expected_maximum_is_near_the_mean_of_real_maxima():
    rng = np.random.default_rng(1)
    for n in (10, 100, 1000):
        simulated = rng.standard_normal((4000, n)).max(axis=1).mean()
        assert expected_maximum(n) == pytest.approx(simulated, abs=0.05)


def test_luck_of_the_null_tables():
    # 1e6 trials on 5 years of daily bars give 2.18 a year by luck alone; 1e4 on 20 years 0.86
    for n_trials, years, annual in ((10**6, 5, 2.18), (10**4, 20, 0.86)):
        luck = luck_sharpe(n_trials=n_trials, trial_variance=1 / (252 * years))
        assert luck * math.sqrt(252) == pytest.approx(annual, abs=0.006)


def test_deflated_sharpe_of_the_2014_paper():
    assert luck_sharpe(n_trials=100, trial_variance=0.5 / 250) == pytest.approx(0.113172, abs=5e-7)
    assert deflated_sharpe(n_trials=100, **EXAMPLE) == pytest.approx(0.9003968344, abs=5e-11)
    assert deflated_sharpe(n_trials=46, **EXAMPLE) == pytest.approx(0.9505017, abs=5e-8)


def test_probabilistic_sharpe_of_the_2012_paper():
    assert probabilistic_sharpe(sharpe=0.458, n=24) == pytest.approx(0.982, abs=5e-4)
    assert probabilistic_sharpe(sharpe=0.458, n=24, skew=-2.448, kurtosis=10.164) == pytest.approx(0.913, abs=5e-4)


def test_minimum_track_record_and_back_test_length():
    daily = math.sqrt(250)
    n = minimum_track_record(sharpe=2 / daily, benchmark=1 / daily)
    assert n / 250 == pytest.approx(2.731187801728, abs=5e-13)
    assert minimum_backtest_years(n_trials=45, annual_sharpe=1.0) == pytest.approx(4.998087, abs=5e-7)


SHARPES = st.floats(-0.5, 0.5)
SHAPES = st.tuples(st.floats(-3, 3), st.floats(0.5, 20)).map(lambda pair: (pair[0], 1 + pair[0] ** 2 + pair[1]))


@given(SHARPES, st.integers(3, 10_000), SHAPES)
def test_the_chance_to_beat_ones_own_sharpe_is_one_half(sharpe, n, shape):
    skew, kurtosis = shape
    assert probabilistic_sharpe(sharpe=sharpe, n=n, skew=skew, kurtosis=kurtosis, benchmark=sharpe) == 0.5


@given(SHARPES, st.integers(3, 10_000), st.integers(2, 10**9))
def test_more_trials_never_make_a_result_more_believable(sharpe, n, n_trials):
    def dsr(trials: int) -> float:
        return deflated_sharpe(sharpe=sharpe, n=n, n_trials=trials, trial_variance=1e-3)

    assert dsr(1) == probabilistic_sharpe(sharpe=sharpe, n=n)
    assert dsr(1) >= dsr(n_trials) >= dsr(10 * n_trials)


@given(st.floats(0.01, 0.5), SHAPES, st.floats(0.6, 0.999))
def test_minimum_track_record_is_where_the_probability_reaches_the_confidence(sharpe, shape, confidence):
    skew, kurtosis = shape
    n = minimum_track_record(sharpe=sharpe, skew=skew, kurtosis=kurtosis, confidence=confidence)
    below = probabilistic_sharpe(sharpe=sharpe, n=max(2, math.floor(n)), skew=skew, kurtosis=kurtosis)
    above = probabilistic_sharpe(sharpe=sharpe, n=max(2, math.ceil(n) + 1), skew=skew, kurtosis=kurtosis)
    assert above >= confidence
    assert below <= confidence + 1e-9 or n < 2


def test_the_error_of_a_normal_sharpe_agrees_with_simulation():
    rng = np.random.default_rng(2)
    draws = rng.normal(0.1, 1.0, (4000, 250))
    sharpes = draws.mean(axis=1) / draws.std(axis=1, ddof=1)
    assert sharpe_standard_error(sharpe=0.1, n=250) == pytest.approx(sharpes.std(), rel=0.05)


def test_moments_by_the_plain_definition():
    returns = np.array([0.01, -0.02, 0.03, 0.005, -0.001])
    found = moments(returns)
    mean = sum(returns) / 5
    variance = sum((r - mean) ** 2 for r in returns) / 5
    assert found.n == 5
    assert found.sharpe == pytest.approx(mean / math.sqrt(variance * 5 / 4))
    assert found.skew == pytest.approx(sum((r - mean) ** 3 for r in returns) / 5 / variance**1.5)
    assert found.kurtosis == pytest.approx(sum((r - mean) ** 4 for r in returns) / 5 / variance**2)


@pytest.mark.parametrize("returns", [[], [0.1], [0.0] * 9, [0.25] * 9, [0.1, math.nan, 0.2], [0.1, math.inf]])
def test_undefined_moments_are_nan_and_stay_nan(returns):
    found = moments(np.array(returns, dtype=np.float64))
    assert math.isnan(found.sharpe)
    assert math.isnan(probabilistic_sharpe(sharpe=found.sharpe, n=100))
    assert math.isnan(deflated_sharpe(sharpe=found.sharpe, n=100, n_trials=10, trial_variance=0.1))


def test_undefined_statistics_are_nan():
    assert math.isnan(probabilistic_sharpe(sharpe=0.1, n=1))
    assert math.isnan(probabilistic_sharpe(sharpe=0.1, n=50, benchmark=math.nan))
    assert math.isnan(deflated_sharpe(sharpe=0.1, n=50, n_trials=3, trial_variance=math.nan))
    assert math.isnan(sharpe_standard_error(sharpe=1.0, n=50, skew=3.0, kurtosis=1.0))  # no such distribution
    assert minimum_track_record(sharpe=0.1, benchmark=0.1) == math.inf
    assert expected_maximum(1) == 0.0


def test_a_great_many_trials_stay_finite():
    assert 8.0 < expected_maximum(10**17) < 9.0
    assert NormalDist().cdf(expected_maximum(10**17)) <= 1.0


def test_bad_inputs_are_named():
    with pytest.raises(UsageError, match="`n_trials` must be at least 1, but was 0"):
        expected_maximum(0)
    with pytest.raises(UsageError, match=r"`trial_variance` must not be negative, but was -0\.5"):
        luck_sharpe(n_trials=2, trial_variance=-0.5)
    with pytest.raises(UsageError, match=r"`confidence` must lie strictly between 0 and 1, but was 1\.0"):
        minimum_track_record(sharpe=0.1, confidence=1.0)
    with pytest.raises(UsageError, match=r"`annual_sharpe` must be positive, but was 0\.0"):
        minimum_backtest_years(n_trials=2, annual_sharpe=0.0)
