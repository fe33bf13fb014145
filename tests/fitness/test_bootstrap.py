"""The stationary bootstrap: what its draws look like, arch's block lengths, and intervals that cover."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fitness.statistics import (
    block_signs,
    common_block,
    draw_counts,
    interval,
    long_run_variances,
    optimal_block,
    stationary_indices,
)
from strategies.errors import UsageError

DRAWS = {"block": 5.0, "n_resamples": 400, "seed": 1}


def autoregressive(rng, phi, shape):
    noise = rng.standard_normal((*shape[:-1], shape[-1] + 50))
    series = np.zeros_like(noise)
    for t in range(1, noise.shape[-1]):
        series[..., t] = phi * series[..., t - 1] + noise[..., t]
    return series[..., 50:]


@given(st.integers(1, 40), st.floats(1.0, 30.0), st.integers(1, 9), st.integers(0, 2**63))
def test_counts_are_those_of_the_indices_and_fewer_resamples_are_the_first_of_more(n_bars, block, n_resamples, seed):
    bars = stationary_indices(n_bars, block=block, n_resamples=n_resamples, seed=seed)
    counts = draw_counts(n_bars, block=block, n_resamples=n_resamples, seed=seed)
    assert bars.shape == counts.shape == (n_resamples, n_bars)
    for drawn, count in zip(bars, counts, strict=True):
        assert count.tolist() == [float((drawn == bar).sum()) for bar in range(n_bars)]
    more = stationary_indices(n_bars, block=block, n_resamples=n_resamples + 3, seed=seed)
    assert more[:n_resamples].tolist() == bars.tolist()


@pytest.mark.parametrize("block", [1.0, 2.5, 20.0])
def test_blocks_are_as_long_as_said_and_all_bars_are_alike(block):
    n_bars, n_resamples = 100, 2000
    bars = stationary_indices(n_bars, block=block, n_resamples=n_resamples, seed=2)
    goes_on = bars[:, 1:] == (bars[:, :-1] + 1) % n_bars  # a jump may land on the next bar, too
    expected = (1.0 - 1.0 / block) + (1.0 / block) / n_bars
    assert goes_on.mean() == pytest.approx(expected, abs=5 * math.sqrt(0.25 / goes_on.size))
    for place in (0, 50, 99):  # every bar is equally likely anywhere
        drawn = np.bincount(bars[:, place], minlength=n_bars)
        assert drawn.max() <= 20 + 5 * math.sqrt(20)
        assert drawn.min() >= 1


def test_seeds_differ_and_repeat():
    first = draw_counts(50, **DRAWS)
    assert first.tolist() == draw_counts(50, **DRAWS).tolist()
    assert first.tolist() != draw_counts(50, **DRAWS | {"seed": 2}).tolist()


def test_signs_are_fair_and_turn_by_blocks():
    signs = block_signs(11, block=2.5, n_resamples=4000, seed=1)
    assert signs.shape == (4000, 11)
    assert set(np.unique(signs).tolist()) == {-1.0, 1.0}
    alike = (signs[:, 1:] == signs[:, :-1]).mean(axis=0)
    assert alike == pytest.approx([1, 1, 0.5, 1, 1, 0.5, 1, 1, 0.5, 1], abs=0.04)
    assert np.abs(signs.mean(axis=0)).max() < 0.08
    assert block_signs(4, block=99.0, n_resamples=9, seed=1).std(axis=1).max() == 0.0
    with pytest.raises(UsageError, match=r"`block` must be 1 bar or more, but was 0\.5"):
        block_signs(4, block=0.5, n_resamples=9, seed=1)


def test_the_spread_of_resampled_means_is_the_closed_form():
    series = autoregressive(np.random.default_rng(3), 0.4, (2, 200))
    for block in (1.0, 8.0):
        means = draw_counts(200, block=block, n_resamples=6000, seed=4) @ series.T / 200
        assert means.mean(axis=0) == pytest.approx(series.mean(axis=1), abs=0.01)
        assert means.var(axis=0) * 200 == pytest.approx(long_run_variances(series, block=block), rel=0.08)


def test_long_run_variance_by_its_definition():
    series = autoregressive(np.random.default_rng(5), 0.3, (3, 40))
    centred = series - series.mean(axis=1, keepdims=True)
    p, n = 1 / 6.0, 40
    slow = (centred**2).sum(axis=1) / n
    for lag in range(1, n):
        weight = (1 - lag / n) * (1 - p) ** lag + lag / n * (1 - p) ** (n - lag)
        slow += 2 * weight * (centred[:, :-lag] * centred[:, lag:]).sum(axis=1) / n
    assert long_run_variances(series, block=6.0) == pytest.approx(slow, rel=1e-11)
    assert long_run_variances(series, block=1.0) == pytest.approx(centred.var(axis=1), rel=1e-11)


def test_block_lengths_are_those_of_arch():
    from arch.bootstrap import optimal_block_length

    rng = np.random.default_rng(6)
    series = [autoregressive(rng, phi, (n,)) for phi in (-0.5, 0.0, 0.3, 0.9, 0.999) for n in (12, 15, 100, 1001)]
    series.append(np.cumsum(rng.standard_normal(300)))
    series.append(np.where(np.arange(200) < 190, 0.0, 1.0))  # does not move at its beginning
    series.append(np.where(np.arange(60) < 30, rng.standard_normal(60), 0.5))
    found = [optimal_block(one) for one in series]
    with np.errstate(invalid="ignore", divide="ignore"):
        assert found == pytest.approx([float(optimal_block_length(one)["stationary"][0]) for one in series], rel=1e-9)
    assert max(found) > 20.0 > 1.0 > min(found)


def test_a_series_without_a_block_length():
    noise = np.random.default_rng(7).standard_normal(100)
    for series in (np.ones(50), noise[:11], np.where(np.arange(100) == 3, math.nan, noise)):
        assert math.isnan(optimal_block(series))
    strategies = np.stack([np.ones(100), np.cumsum(noise), autoregressive(np.random.default_rng(8), 0.7, (100,))])
    assert common_block(strategies) == np.median([optimal_block(row) for row in strategies[1:]])
    assert common_block(np.ones((2, 50))) == 1.0
    assert common_block(noise[None]) == max(1.0, optimal_block(noise))


def plain_cagr(returns):
    return np.prod(1.0 + returns) ** (252 / returns.size) - 1.0


PLAIN = {
    "mean": lambda returns: returns.mean() * 252,
    "sharpe": lambda returns: returns.mean() / returns.std(ddof=1) * math.sqrt(252),
    "cagr": plain_cagr,
}


@pytest.mark.parametrize("statistic", PLAIN)
def test_intervals_are_quantiles_of_the_statistic_of_resampled_series(statistic):
    returns = np.random.default_rng(9).normal(0.001, 0.01, 120)
    resampled = returns[stationary_indices(120, **DRAWS)]
    low, high = np.quantile([PLAIN[statistic](row) for row in resampled], [0.05, 0.95])
    found = interval(returns, statistic, level=0.9, bars_per_year=252, **DRAWS)
    assert (found.estimate, found.low, found.high) == pytest.approx((PLAIN[statistic](returns), low, high))
    basic = interval(returns, statistic, level=0.9, bars_per_year=252, kind="basic", **DRAWS)
    assert (basic.low, basic.high) == pytest.approx((2 * found.estimate - high, 2 * found.estimate - low))


def test_intervals_cover_the_mean_of_a_dependent_series():
    rng = np.random.default_rng(10)
    series = autoregressive(rng, 0.4, (200, 250)) + 0.2
    covered, naive = 0, 0
    for seed, one in enumerate(series):
        for block in (max(1.0, optimal_block(one)), 1.0):
            found = interval(one, "mean", level=0.9, block=block, n_resamples=150, seed=seed)
            hit = found.low <= 0.2 <= found.high
            covered, naive = (covered, naive + hit) if block == 1.0 else (covered + hit, naive)
    assert 0.79 <= covered / 200 <= 0.95  # binomial: 0.87 +- 3.5 * 0.024
    assert naive < covered - 10  # and drawing bars one by one does not


def test_intervals_of_the_sharpe_ratio_cover_under_fat_tails():
    rng = np.random.default_rng(11)
    series = rng.standard_t(5, (200, 250)) * math.sqrt(3 / 5) + 0.1
    found = [interval(one, "sharpe", level=0.9, block=1.0, n_resamples=150, seed=i) for i, one in enumerate(series)]
    assert 0.83 <= np.mean([one.low <= 0.1 <= one.high for one in found]) <= 0.96


def test_what_is_not_defined_is_nan():
    noise = np.random.default_rng(12).normal(0.0, 0.01, 50)
    spoilt = [np.where(np.arange(50) == 7, value, noise) for value in (math.nan, math.inf)]
    for returns in (*spoilt, noise[:1], noise[:0]):
        found = interval(returns, "mean", **DRAWS)
        assert np.isnan([found.estimate, found.low, found.high]).all()
    assert math.isnan(interval(np.full(50, 0.01), "sharpe", **DRAWS).estimate)
    assert interval(np.full(50, 0.01), "mean", **DRAWS).high == pytest.approx(0.01)
    assert math.isnan(interval(np.where(np.arange(50) == 7, -1.0, noise), "cagr", **DRAWS).low)
    single = np.where(np.arange(50) == 7, 0.1, 0.0)  # a third of the resamples miss the one bar that moves
    assert math.isnan(interval(single, "sharpe", **DRAWS).low)


def test_bad_inputs_are_named():
    for block in (0.5, math.nan, math.inf):
        with pytest.raises(UsageError, match=f"`block` must be 1 bar or more, but was {block}"):
            draw_counts(10, block=block, n_resamples=5, seed=1)
    with pytest.raises(UsageError, match="must be at least 1, but were 10 and 0"):
        stationary_indices(10, block=2.0, n_resamples=0, seed=1)
    returns = np.arange(20.0)
    with pytest.raises(UsageError, match="`statistic` must be one of mean, sharpe, cagr, but was 'calmar'"):
        interval(returns, "calmar", **DRAWS)
    with pytest.raises(UsageError, match="`kind` must be percentile or basic, but was 'bca'"):
        interval(returns, "mean", kind="bca", **DRAWS)
    with pytest.raises(UsageError, match=r"`level` must lie strictly between 0 and 1, but was 1\.0"):
        interval(returns, "mean", level=1.0, **DRAWS)
