"""Gates: each passes and fails at its threshold, nothing undefined passes, and every explanation can be read."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fitness.gates import (
    GateReport,
    Thresholds,
    annual_sharpe,
    lockbox_gate,
    passed_all,
    pre_lockbox_gates,
    verdict,
)
from fitness.pooled import Pool
from fitness.statistics import deflated_sharpe, expected_maximum, moments, probabilistic_sharpe
from strategies.errors import UsageError

STRICT = Thresholds()


def pool_of(returns):
    returns = np.asarray(returns, dtype=float)
    return Pool(np.arange(returns.size, dtype=np.int64), returns, 252.0)


def noise(mean, n=1000, seed=0):
    """Returns whose sample mean is `mean` exactly, at a standard deviation of 1 %."""
    draws = np.random.default_rng(seed).normal(0, 1, n)
    return pool_of((draws - draws.mean()) / draws.std(ddof=1) * 0.01 + mean)


def gates(**changes):
    known = {
        "in_sample": noise(0.0015),
        "validation": noise(0.0005),
        "n_trades": 142,
        "n_trials": 1000,
        "trial_variance": 1e-5,
        "thresholds": STRICT,
    }
    return {report.name: report for report in pre_lockbox_gates(**{**known, **changes})}


def test_a_good_candidate_passes_all_and_says_why():
    reports = gates()
    assert list(reports) == ["trades", "max_drawdown", "dsr", "validation_sharpe"]
    assert passed_all(list(reports.values()))
    assert reports["trades"].explanation == "142 trades in sample; at least 30 are needed to judge by."
    assert "at most 50.0% is allowed." in reports["max_drawdown"].explanation
    assert "Of 1,000 strategies tried the best would show a Sharpe of 0.16 a year" in reports["dsr"].explanation
    assert "0.95 is needed." in reports["dsr"].explanation
    assert "0.79 a year; more than 0 is needed." in reports["validation_sharpe"].explanation


def test_every_gate_is_reported_when_others_fail():
    reports = gates(n_trades=3, in_sample=noise(-0.004), validation=noise(-0.001))
    assert [report.passed for report in reports.values()] == [False] * 4
    assert not passed_all(list(reports.values()))


def test_values_are_those_of_the_statistics():
    reports = gates()
    known = moments(noise(0.0015).returns)
    expected = deflated_sharpe(
        sharpe=known.sharpe, n=1000, n_trials=1000, trial_variance=1e-5, skew=known.skew, kurtosis=known.kurtosis
    )
    assert reports["dsr"].value == expected
    assert reports["validation_sharpe"].value == pytest.approx(0.05 * math.sqrt(252))
    curve = np.concatenate([[1.0], np.cumprod(1.0 + noise(0.0015).returns)])
    peaks = np.maximum.accumulate(curve)
    assert reports["max_drawdown"].value == pytest.approx(((peaks - curve) / peaks).max())


def test_more_trials_raise_the_bar():
    assert gates(trial_variance=4e-4, n_trials=10)["dsr"].passed
    assert not gates(trial_variance=4e-4, n_trials=10**6)["dsr"].passed


@pytest.mark.parametrize(("n_trades", "passed"), [(29, False), (30, True)])
def test_the_threshold_itself_is_enough_trades(n_trades, passed):
    assert gates(n_trades=n_trades)["trades"].passed is passed


def test_a_validation_sharpe_must_exceed_its_threshold():
    value = annual_sharpe(noise(0.0005))
    assert not gates(thresholds=Thresholds(validation_sharpe=value))["validation_sharpe"].passed
    assert gates(thresholds=Thresholds(validation_sharpe=np.nextafter(value, 0)))["validation_sharpe"].passed


@pytest.mark.parametrize("returns", [[], [0.0] * 50, [0.01], [0.01, math.nan, 0.02]])
def test_what_is_not_defined_never_passes(returns):
    empty = pool_of(returns)
    anything = Thresholds(
        min_trades=0, max_drawdown=math.inf, dsr=-math.inf, validation_sharpe=-math.inf, lockbox_alpha=1
    )
    reports = gates(in_sample=empty, validation=empty, thresholds=anything)
    for report in (
        reports["dsr"],
        reports["validation_sharpe"],
        lockbox_gate(empty, n_candidates=1, thresholds=anything),
    ):
        assert math.isnan(report.value)
        assert not report.passed
        assert "not defined" in report.explanation


def test_an_unknown_variance_of_trials_never_passes():
    report = gates(trial_variance=math.nan)["dsr"]
    assert not report.passed
    assert "a Sharpe of not defined a year" in report.explanation


def test_the_lockbox_asks_more_of_many_candidates():
    sample = noise(0.0009)
    known = moments(sample.returns)
    value = probabilistic_sharpe(sharpe=known.sharpe, n=1000, skew=known.skew, kurtosis=known.kurtosis)
    alone = lockbox_gate(sample, n_candidates=1, thresholds=STRICT)
    crowd = lockbox_gate(sample, n_candidates=100, thresholds=STRICT)
    assert alone.value == crowd.value == value
    assert alone.threshold == 0.95
    assert crowd.threshold == pytest.approx(0.9995)
    assert alone.passed
    assert not crowd.passed
    assert "was read by 100 candidates" in crowd.explanation
    assert "at least 0.9995 (1 - 0.05/100, surer the more candidates read it)" in crowd.explanation
    assert "was read by 1 candidate:" in alone.explanation


def test_without_skill_the_lockbox_lets_few_through():
    rng = np.random.default_rng(5)
    markets = rng.normal(0, 0.01, (400, 5, 250))
    reports = [[lockbox_gate(pool_of(one), n_candidates=5, thresholds=STRICT) for one in job] for job in markets]
    share = np.mean([any(report.passed for report in job) for job in reports])
    assert 0.02 < share < 0.08


@given(st.floats(-0.003, 0.003), st.integers(1, 1000), st.floats(0.001, 0.5))
def test_a_report_agrees_with_its_figures(mean, n_candidates, alpha):
    report = lockbox_gate(noise(mean), n_candidates=n_candidates, thresholds=Thresholds(lockbox_alpha=alpha))
    assert report.passed == (report.value >= 1 - alpha / n_candidates)


def test_nobody_is_no_candidate():
    with pytest.raises(UsageError, match="`n_candidates` must be at least 1, but was 0"):
        lockbox_gate(noise(0.0), n_candidates=0, thresholds=STRICT)
    assert not passed_all([])


# --- the verdict ---

LUCK = {"trial_variance": (0.93 / expected_maximum(7312)) ** 2 / 252.0, "bars_per_year": 252.0}
PASS, FAIL = (GateReport("dsr", 1.0, 0.95, passed, "") for passed in (True, False))


def test_nothing_passed_and_luck_would_have_given_more():
    text = verdict(n_trials=7312, best_sharpe=0.81, reports=[], **LUCK)
    assert text == (
        "Nothing passed: the best of 7,312 strategies tried has an in-sample Sharpe of 0.81, "
        "where luck alone would give 0.93."
    )


def test_nothing_passed_though_it_looked_good():
    text = verdict(n_trials=7312, best_sharpe=1.5, reports=[[PASS, FAIL], [FAIL]], **LUCK)
    assert text.startswith("Nothing passed: the best of 7,312 strategies tried has an in-sample Sharpe of 1.50, where")
    assert text.endswith("The gate that refused most was 'dsr': 2 of 2 candidates.")


def test_something_passed():
    text = verdict(n_trials=7312, best_sharpe=1.5, reports=[[PASS, PASS], [PASS, FAIL]], **LUCK)
    assert text.startswith("1 of 2 candidates passed every gate; the best of 7,312 strategies tried has an in-sample")


@pytest.mark.parametrize(
    ("figures", "text"),
    [
        ({"n_trials": 0, "best_sharpe": math.nan}, "Nothing passed: no strategy was tried."),
        (
            {"n_trials": 1, "best_sharpe": 0.2},
            "the best of 1 strategy tried has an in-sample Sharpe of 0.20, where luck",
        ),
        ({"n_trials": 9, "best_sharpe": math.nan}, "has no in-sample Sharpe at all: none ever traded enough."),
        ({"n_trials": 9, "best_sharpe": 0.2, "trial_variance": math.nan}, "what luck alone would give is not known."),
    ],
)
def test_the_verdict_of_odd_jobs(figures, text):
    assert text in verdict(reports=[], **{**LUCK, **figures})
