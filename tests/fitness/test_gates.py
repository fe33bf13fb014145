"""Gates: each passes and fails at its threshold, nothing undefined passes, and every explanation can be read."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fitness.battery import Finding
from fitness.gates import (
    GATES,
    Evidence,
    GateReport,
    Thresholds,
    annual_sharpe,
    minimum_track_years,
    passed_all,
    pre_lockbox_gates,
)
from fitness.lockbox import Reading, lockbox_gates, resamples, verdict
from fitness.pooled import Pool
from fitness.regime_means import RegimeMean
from fitness.statistics import deflated_sharpe, expected_maximum, moments
from fitness.tried import Tried
from strategies.errors import UsageError

STRICT = Thresholds()
OFF = Thresholds(1, None, None, None, None, None, None, None, battery=False)
TRIED = Tried(1000, n_jobs=2, variance=1e-5, n_effective=40.0, n_sampled=900, spa_p=0.01, pbo=0.2)
REGIMES = (RegimeMean("bull", 300, 1e-4), RegimeMean("bear", 200, -1e-4), RegimeMean("sideways", 50, 0.0))


def pool_of(returns):
    returns = np.asarray(returns, dtype=float)
    return Pool(np.arange(returns.size, dtype=np.int64), returns, 252.0)


def noise(mean, n=1000, seed=0):
    """Returns whose sample mean is `mean` exactly, at a standard deviation of 1 %."""
    draws = np.random.default_rng(seed).normal(0, 1, n)
    return pool_of((draws - draws.mean()) / draws.std(ddof=1) * 0.01 + mean)


def found(name, passed):
    return Finding(name, name, 1.0, 0.5, passed, "")


GOOD = Evidence(
    in_sample=noise(0.0015),
    in_sample_beyond=noise(0.0014),
    validation=noise(0.0006),
    validation_beyond=noise(0.0005),
    n_trades=142,
    tried=TRIED,
    regimes=REGIMES,
    stability=0.8,
    battery=(found("look_ahead", True), found("warm_up", True)),
)


def gates(thresholds=STRICT, **changes):
    return {one.name: one for one in pre_lockbox_gates(replace(GOOD, **changes), thresholds)}


def test_a_good_candidate_passes_all_and_says_why():
    reports = gates()
    assert list(reports) == list(GATES)
    assert passed_all(list(reports.values()))
    text = {name: report.explanation for name, report in reports.items()}
    assert text["trades"] == "142 trades in sample; at least 30 are needed to judge by."
    assert "at most 50.0% is allowed." in text["max_drawdown"]
    assert "Of 1,000 ways of trading tried in 2 jobs the best would show a Sharpe of 0.16 a year by luck" in text["dsr"]
    assert "and 0.95 is needed. Were they only 40 independent ones, it would be" in text["dsr"]
    assert (
        "0.95 a year, and 0.79 beyond holding its mean exposure; more than 0 is needed of both."
        in (text["validation_sharpe"])
    )
    assert "of 900 ways of trading that this job tried would look as good with probability 0.010" in text["spa"]
    assert text["pbo"].startswith("In 20 % of the ways to cut")
    assert text["pbo"].endswith("at most 50 % is allowed.")
    assert "2 of 3 market regimes (it lost in bear); a share of at least 0.5 is needed." in text["regimes"]
    assert text["stability"] == "With its numbers moved a little it keeps 80 % of its Sharpe; at least 50 % is needed."
    assert text["battery"] == "2 of 2 tests of the bias battery passed; all must."


def test_every_gate_is_reported_when_others_fail():
    bad = {
        "n_trades": 3,
        "in_sample": noise(-0.004),
        "in_sample_beyond": noise(-0.004),
        "validation": noise(-0.001),
        "tried": replace(TRIED, spa_p=0.4, pbo=0.9),
        "regimes": tuple(replace(one, mean=-1e-9) for one in REGIMES),
        "stability": 0.1,
        "battery": (found("warm_up", False),),
    }
    reports = gates(**bad)
    assert [report.passed for report in reports.values()] == [False] * len(GATES)
    assert not passed_all(list(reports.values()))
    assert "(not: warm up)" in reports["battery"].explanation


def test_values_are_those_of_the_statistics():
    reports = gates()
    known = moments(GOOD.in_sample_beyond.returns)
    expected = deflated_sharpe(
        sharpe=known.sharpe, n=1000, n_trials=1000, trial_variance=1e-5, skew=known.skew, kurtosis=known.kurtosis
    )
    assert reports["dsr"].value == expected
    assert reports["validation_sharpe"].value == pytest.approx(0.05 * math.sqrt(252))
    curve = np.concatenate([[1.0], np.cumprod(1.0 + GOOD.in_sample.returns)])
    peaks = np.maximum.accumulate(curve)
    assert reports["max_drawdown"].value == pytest.approx(((peaks - curve) / peaks).max())
    assert reports["regimes"].value == pytest.approx(2 / 3)
    assert (reports["spa"].value, reports["pbo"].value, reports["stability"].value) == (0.01, 0.2, 0.8)


def test_more_trials_raise_the_bar():
    assert gates(tried=replace(TRIED, variance=4e-4, n=10))["dsr"].passed
    assert not gates(tried=replace(TRIED, variance=4e-4, n=10**6))["dsr"].passed


def test_being_long_is_no_skill():
    """Good as it stands, nothing beyond holding: neither the deflated Sharpe ratio nor validation passes."""
    reports = gates(in_sample_beyond=noise(0.0), validation_beyond=noise(-0.0001))
    assert not reports["dsr"].passed
    assert not reports["validation_sharpe"].passed
    assert reports["max_drawdown"].passed
    against_cash = gates(validation_beyond=noise(-0.0001), is_timing=False)["validation_sharpe"]
    assert against_cash.passed
    assert "beyond" not in against_cash.explanation


@pytest.mark.parametrize(
    ("change", "at", "beyond"),
    [
        ("n_trades", 30, 29),
        ("stability", 0.5, np.nextafter(0.5, 0)),
        ("spa_p", 0.05, np.nextafter(0.05, 1)),
        ("pbo", 0.5, np.nextafter(0.5, 1)),
    ],
)
def test_the_threshold_itself_is_enough(change, at, beyond):
    name = {"n_trades": "trades", "spa_p": "spa"}.get(change, change)
    for value, passed in ((at, True), (beyond, False)):
        of_trials = change in ("spa_p", "pbo")
        changes = {"tried": replace(TRIED, **{change: value})} if of_trials else {change: value}
        assert gates(**changes)[name].passed is passed


def test_a_validation_sharpe_must_exceed_its_threshold():
    value = annual_sharpe(GOOD.validation_beyond)
    assert not gates(Thresholds(validation_sharpe=value))["validation_sharpe"].passed
    assert gates(Thresholds(validation_sharpe=np.nextafter(value, 0)))["validation_sharpe"].passed


def test_a_gate_that_is_off_is_reported_and_passes():
    reports = gates(OFF, in_sample=noise(-0.01), in_sample_beyond=noise(-0.01), validation=noise(-0.01), stability=0.0)
    assert all(report.passed for report in reports.values())
    for name, report in reports.items():
        if name != "trades":
            assert math.isnan(report.threshold), name
            assert report.explanation.endswith("This gate is switched off."), name
            assert math.isfinite(report.value), name


@pytest.mark.parametrize("returns", [[], [0.0] * 50, [0.01], [0.01, math.nan, 0.02]])
def test_what_is_not_defined_never_passes(returns):
    empty, unknown = pool_of(returns), Tried(1)
    anything = Thresholds(0, math.inf, -math.inf, -math.inf, math.inf, math.inf, -math.inf, -math.inf)
    reports = gates(
        anything, in_sample_beyond=empty, validation=empty, validation_beyond=empty, tried=unknown, regimes=(),
        stability=math.nan, battery=(),
    )  # fmt: skip
    for name in ("dsr", "validation_sharpe", "spa", "pbo", "regimes", "stability", "battery"):
        assert math.isnan(reports[name].value), name
        assert not reports[name].passed, name
        assert "A figure that is not defined does not pass." in reports[name].explanation, name


def test_a_track_record_is_in_years():
    series = noise(0.0005, n=500)
    known = moments(series.returns)
    bars = (
        1
        + (1 - known.skew * known.sharpe + (known.kurtosis - 1) / 4 * known.sharpe**2)
        * (1.6448536269514722 / known.sharpe) ** 2
    )
    assert minimum_track_years(series) == pytest.approx(bars / 252)
    assert minimum_track_years(series, known.sharpe) == math.inf


# --- the lockbox ---


def readings(*means, n=500):
    """Readers with these mean returns, raw and beyond alike; each of its own noise."""
    return [Reading(one, one) for one in (noise(mean, n, seed) for seed, mean in enumerate(means))]


def test_the_lockbox_lets_the_good_one_through_and_not_the_others():
    good, bad, worse = lockbox_gates(readings(0.002, 0.0, -0.001), alpha=0.05, seed=1)
    assert good.passed
    assert not bad.passed
    assert not worse.passed
    assert good.value < bad.value <= worse.value
    assert (good.name, good.threshold) == ("lockbox", 0.05)
    assert "was read by 3 candidates" in good.explanation
    assert "Sharpe there must be above 0 as it stands, and was 3.17 a year over 500 bars" in good.explanation


def test_the_lockbox_asks_more_of_many_readers():
    (alone,) = lockbox_gates(readings(0.001), alpha=0.05, seed=1)
    crowd = lockbox_gates(readings(0.001, *[0.0] * 30), alpha=0.05, seed=1)
    assert alone.value < 0.05 < crowd[0].value
    assert alone.passed
    assert not crowd[0].passed
    assert "was read by 1 candidate:" in alone.explanation


def test_twins_in_the_lockbox_are_hardly_more_than_one():
    """What Bonferroni can't: ten of the same are one test."""
    (alone,) = lockbox_gates(readings(0.001), alpha=0.05, seed=1)
    twins = lockbox_gates(readings(0.001) * 10, alpha=0.05, seed=1)
    assert {one.value for one in twins} == {alone.value}


def test_who_lost_money_in_the_lockbox_does_not_pass_however_good_its_timing():
    reading = Reading(noise(-0.0001), noise(0.002))
    (found,) = lockbox_gates([reading], alpha=0.05, seed=1)
    assert found.value <= 0.05
    assert not found.passed
    assert "must be above 0 as it stands, and was -0.16 a year" in found.explanation


def test_the_seed_decides():
    one, again, other = (lockbox_gates(readings(0.0005, 0.0), alpha=0.05, seed=seed) for seed in (1, 1, 2))
    assert one == again
    assert one != other


def test_without_skill_the_lockbox_lets_few_through():
    rng = np.random.default_rng(5)
    n_passed = 0
    for job in rng.normal(0, 0.01, (25, 4, 100)):
        read = [Reading(pool_of(one), pool_of(one)) for one in job]
        n_passed += any(one.passed for one in lockbox_gates(read, alpha=0.05, seed=3))
    assert n_passed <= 5  # 1.25 are expected; more than 5 have a chance of 0.1 %


@given(st.integers(60, 10**7), st.floats(1e-4, 1.0))
def test_there_are_enough_resamples_and_not_too_many(n_bars, alpha):
    assert resamples(n_bars, alpha) * alpha >= 20 - 1e-9
    assert resamples(n_bars) <= 2000


def test_a_still_reader_does_not_pass():
    moving, still = lockbox_gates(
        [*readings(0.002), Reading(pool_of([0.0] * 500), pool_of([0.0] * 500))], alpha=0.05, seed=1
    )
    assert moving.passed
    assert math.isnan(still.value)
    assert not still.passed


def test_readers_must_have_read_the_same():
    with pytest.raises(UsageError, match="`readings` must hold at least one reader"):
        lockbox_gates([], alpha=0.05, seed=1)
    with pytest.raises(UsageError, match=r"all must read the same bars, but had \[400, 500\]"):
        lockbox_gates([*readings(0.0), *readings(0.0, n=400)], alpha=0.05, seed=1)
    assert not passed_all([])


# --- the verdict ---

MANY = Tried(7312, variance=(0.93 / expected_maximum(7312)) ** 2 / 252.0)
PASS, FAIL = (GateReport("dsr", 1.0, 0.95, passed, "") for passed in (True, False))


def sentence(tried=MANY, best_sharpe=1.5, reports=()):
    return verdict(tried=tried, best_sharpe=best_sharpe, bars_per_year=252.0, reports=reports)


def test_nothing_passed_and_luck_would_have_given_more():
    assert sentence(best_sharpe=0.81) == (
        "Nothing passed: the best of 7,312 ways of trading tried has an in-sample Sharpe of 0.81, "
        "where luck alone would give 0.93."
    )


def test_nothing_passed_though_it_looked_good():
    text = sentence(reports=[[PASS, FAIL], [FAIL]])
    assert text.startswith("Nothing passed: the best of 7,312 ways of trading tried has an in-sample Sharpe of 1.50,")
    assert text.endswith("The gate that refused most was 'dsr': 2 of 2 candidates.")


def test_something_passed():
    text = sentence(tried=replace(MANY, n_jobs=3), reports=[[PASS, PASS], [PASS, FAIL]])
    assert text.startswith("1 of 2 candidates passed every gate; the best of 7,312 ways of trading tried in 3 jobs has")


@pytest.mark.parametrize(
    ("tried", "best_sharpe", "text"),
    [
        (None, math.nan, "Nothing passed: no strategy was tried."),
        (replace(MANY, n=1), 0.2, "the best of 1 way of trading tried has an in-sample Sharpe of 0.20, where luck"),
        (replace(MANY, n=9), math.nan, "has no in-sample Sharpe at all: none ever traded enough."),
        (Tried(9), 0.2, "what luck alone would give is not known."),
    ],
)
def test_the_verdict_of_odd_jobs(tried, best_sharpe, text):
    assert text in sentence(tried=tried, best_sharpe=best_sharpe)
