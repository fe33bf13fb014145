"""SPA and StepM: arch's answers, plain twins, laws, and the size of the test by simulation."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fitness.statistics import block_signs, draw_counts, long_run_variances, step_m, superior_ability
from strategies.errors import UsageError

DRAWS = {"block": 4.0, "n_resamples": 199, "seed": 3}


def market(n, n_bars, seed=1):
    rng = np.random.default_rng(seed)
    return rng.standard_normal((n, n_bars)) + 0.5 * rng.standard_normal(n_bars)


def student(returns, centres=0.0):
    return (returns.mean(axis=1) - centres) / returns.std(axis=1) * math.sqrt(returns.shape[1])


def test_known_answers_of_arch():
    from arch.bootstrap import StationaryBootstrap

    returns = np.random.default_rng(7).standard_normal((500, 30)) * 0.01
    returns[:, 3] += 0.0012
    draws = StationaryBootstrap(10, np.arange(500), seed=123).bootstrap(2000)
    counts = np.array([np.bincount(bars[0], minlength=500) for bars, _ in draws], dtype=np.float64)
    found = superior_ability([returns.T], block=10, n_resamples=2000, seed=0, studentised=False, counts=counts)
    as_arch = [(p * 2001 - 1) / 2000 for p in (found.lower, found.consistent, found.upper)]  # ours is (1 + c) / (1 + B)
    assert as_arch == pytest.approx([0.436, 0.6265, 0.6305], abs=1e-12)
    assert found.statistic == returns[:, 3].mean()
    assert (found.best, found.n_models, found.n_resamples) == (3, 30, 2000)


def test_stepwise_rejections_are_those_of_arch():
    from arch.bootstrap import StepM

    returns = np.random.default_rng(8).standard_normal((400, 6)) * 0.01
    returns[:, 1] += 0.004
    returns[:, 4] += 0.0019
    found = step_m(returns.T, block=5.0, n_resamples=1000, seed=1)
    theirs = StepM(np.zeros(400), -returns, size=0.05, block_size=5, reps=1000, seed=2)
    theirs.compute()
    assert np.flatnonzero(found.rejected).tolist() == theirs.superior_models == [1, 4]


def plain_superior(returns, block, counts):
    """The three p-values, model by model and resample by resample."""
    n_bars = returns.shape[1]
    long_run = long_run_variances(returns, block=block)
    errors = [math.sqrt(max(own, row.var()) / n_bars) for own, row in zip(long_run, returns, strict=True)]
    statistic = max(0.0, *(row.mean() / error for row, error in zip(returns, errors, strict=True)))
    bounds = np.sqrt(long_run / n_bars * 2 * math.log(math.log(n_bars)))
    extreme = np.zeros(3)
    for count in counts:
        best = np.zeros(3)
        bars = np.repeat(np.arange(n_bars), count.astype(int))
        for row, bound, error in zip(returns, bounds, errors, strict=True):
            mean, drawn = row.mean(), row[bars]
            centres = np.array([max(mean, 0.0), mean if mean >= -bound else 0.0, mean])
            best = np.maximum(best, (drawn.mean() - centres) / error)
        extreme += best >= statistic
    return ((1 + extreme) / (1 + len(counts))).tolist()


def test_superior_ability_equals_a_plain_twin():
    returns = market(9, 60)
    returns[2:5] -= np.array([[0.1], [0.3], [0.9]])  # so that the three treatments differ
    returns[6] += 0.2
    counts = draw_counts(60, **DRAWS)
    found = superior_ability([returns], **DRAWS)
    assert [found.lower, found.consistent, found.upper] == plain_superior(returns, 4.0, counts)
    assert found.lower < found.consistent < found.upper


@given(st.lists(st.integers(0, 140), min_size=0, max_size=4).map(sorted))
@settings(max_examples=15, deadline=None)
def test_how_models_come_in_batches_changes_no_bit(cuts):
    returns = market(140, 50)
    returns[130] += 0.5
    whole = superior_ability([returns], **DRAWS)
    assert (whole.best, whole.n_models) == (130, 140)
    assert superior_ability(iter(np.split(returns, cuts)), **DRAWS) == whole


@given(st.integers(0, 2**32 - 1), st.booleans())
@settings(max_examples=25, deadline=None)
def test_bad_models_count_least_in_the_lower_and_most_in_the_upper(seed, studentised):
    returns = market(12, 60, seed) - 0.1
    found = superior_ability([returns], studentised=studentised, **DRAWS)
    assert 1 / 200 <= found.lower <= found.consistent <= found.upper <= 1.0
    more = superior_ability([returns, market(5, 60, seed + 1) - 9.0], studentised=studentised, **DRAWS)
    assert more.n_models == 17
    assert (more.best, more.consistent) == (found.best, found.consistent)  # hopeless models change nothing there
    assert more.upper >= found.upper


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=25, deadline=None)
def test_the_best_of_the_stepwise_test_has_the_p_value_of_resamples_or_of_turned_signs(seed):
    returns = market(7, 60, seed) + 0.2
    found = step_m(returns, **DRAWS)
    best = found.statistics.max()
    turned = [student(returns * signs).max() >= best for signs in block_signs(60, **DRAWS)]
    drawn = [returns[:, np.repeat(np.arange(60), count.astype(int))] for count in draw_counts(60, **DRAWS)]
    luck = [student(rows, returns.mean(axis=1)).max() >= best for rows in drawn]
    assert found.adjusted_p.min() == max((1 + sum(luck)) / 200, (1 + sum(turned)) / 200)


def test_models_that_hardly_move_do_not_hide_one_that_is_good():
    """Resamples that miss the one loss of a model have next to no spread; divided by it, they would beat everything."""
    rng = np.random.default_rng(5)
    good = rng.standard_normal((1, 500)) + 0.4
    rare = 1e-4 * rng.standard_normal((200, 500)) * (rng.random((200, 500)) < 0.02)
    rare[np.arange(200), rng.integers(0, 500, 200)] = -1.0
    found = superior_ability([good, rare], **DRAWS)
    assert (found.best, found.consistent) == (0, 1 / 200)


def test_models_without_spread_take_no_part_and_none_good_is_one():
    returns = market(3, 60)
    still = np.array([[0.0] * 60, [0.1] * 60])
    found = superior_ability([still, returns], **DRAWS)
    alone = superior_ability([returns], **DRAWS)
    assert (found.best, found.n_models) == (alone.best + 2, 5)
    assert (found.statistic, found.consistent) == pytest.approx((alone.statistic, alone.consistent))
    for nothing in (superior_ability([still], **DRAWS), superior_ability([-np.abs(returns)], **DRAWS)):
        assert (nothing.lower, nothing.consistent, nothing.upper, nothing.statistic) == (1.0, 1.0, 1.0, 0.0)
    assert superior_ability([still], **DRAWS).best == -1
    certain = superior_ability([returns + 9.0], **DRAWS)
    assert certain.upper == 1 / 200  # never 0


def plain_step_down(shown, luck, alpha):
    """Who passes: reject all above the critical value of the rest, and again, until none is."""
    passed = np.zeros(shown.size, dtype=bool)
    while not passed.all():
        best = np.sort(luck[:, ~passed].max(axis=1))
        fresh = (shown > best[-math.floor((1 + len(luck)) * alpha + 1e-9)]) & ~passed
        if not fresh.any():
            break
        passed |= fresh
    return passed


@pytest.mark.parametrize("alpha", [0.05, 0.2])
def test_the_stepwise_test_equals_a_plain_twin_that_removes_and_repeats(alpha):
    bars = [np.repeat(np.arange(50), count.astype(int)) for count in draw_counts(50, **DRAWS)]
    more_than_one_step = 0
    for seed in range(12):
        returns = market(8, 50, seed) + np.array([0.9, 0.45, 0.4, 0.35, 0.3, 0.0, -0.2, 0.0])[:, None]
        found = step_m(returns, alpha=alpha, **DRAWS)
        shown = student(returns)
        away = np.array([student(returns[:, drawn], returns.mean(axis=1)) for drawn in bars])
        turned = np.array([student(returns * signs) for signs in block_signs(50, **DRAWS)])
        passed = plain_step_down(shown, away, alpha) & plain_step_down(shown, turned, alpha)
        assert found.rejected.tolist() == passed.tolist()
        first = found.statistics > found.critical
        more_than_one_step += bool((found.rejected & ~first).any())
        assert not (first & ~found.rejected).any()
    assert more_than_one_step


@given(st.integers(0, 2**32 - 1), st.permutations(range(6)), st.sampled_from([0.01, 0.05, 0.5]))
@settings(max_examples=25, deadline=None)
def test_laws_of_the_stepwise_test(seed, order, alpha):
    returns = market(6, 60, seed) + 0.25
    found = step_m(returns, alpha=alpha, **DRAWS)
    assert found.rejected.tolist() == (found.adjusted_p <= alpha).tolist()
    assert ((found.adjusted_p >= 1 / 200) & (found.adjusted_p <= 1.0)).all()
    by_statistic = found.adjusted_p[np.argsort(-found.statistics)]
    assert (np.diff(by_statistic) >= 0.0).all()
    shuffled = step_m(returns[list(order)] * 4.0, alpha=alpha, **DRAWS)  # neither order nor leverage
    assert shuffled.adjusted_p.tolist() == found.adjusted_p[list(order)].tolist()
    twins = step_m(np.concatenate([returns, returns[:1]]), alpha=alpha, **DRAWS)
    assert twins.adjusted_p[[*range(6), 0]].tolist() == found.adjusted_p[[*range(6), 0]].tolist()
    best, p = found.statistics.max(), float(found.adjusted_p.min())
    if 1 / 200 < p < 1.0:  # just so, and just not
        assert best > step_m(returns, alpha=p, **DRAWS).critical
        assert best <= step_m(returns, alpha=p - 1 / 400, **DRAWS).critical
    for one in range(6):  # alone it is easier
        assert step_m(returns[one : one + 1], alpha=alpha, **DRAWS).adjusted_p[0] <= found.adjusted_p[one]


def test_one_mean_and_series_without_spread():
    noise = np.random.default_rng(4).standard_normal((1, 80))
    noise -= noise.mean()
    assert step_m(noise + 1.0, **DRAWS).rejected.tolist() == [True]
    assert step_m(noise - 1.0, **DRAWS).adjusted_p.tolist() == [1.0]
    assert step_m(noise, **DRAWS).adjusted_p[0] == pytest.approx(0.5, abs=0.15)
    still = step_m(np.array([[0.0] * 80, [2.0] * 80]), alpha=0.5, **DRAWS)
    assert still.adjusted_p.tolist() == [1.0, 1.0]
    assert not still.rejected.any()
    mixed = step_m(np.concatenate([noise + 1.0, np.full((1, 80), 2.0)]), **DRAWS)
    assert mixed.rejected.tolist() == [True, False]
    once = np.where(np.arange(80) == 5, -1.0, 0.0)[None]  # a third of the resamples draw nothing that moves
    assert step_m(once, **DRAWS).adjusted_p[0] > 0.5
    beside = np.concatenate([noise + 0.5, once])
    assert step_m(beside, **DRAWS).rejected.tolist() == [True, False]
    assert superior_ability([beside], **DRAWS).upper < 0.05


def trades(rng):
    """Half a dozen positions of five bars, each as likely to gain as to lose."""
    held = np.repeat(rng.random((1, 60)) < 0.1, 5, axis=1)
    held[0, :5] = True
    return held * rng.standard_normal((1, 300))


NOISES = {
    "normal, correlated": lambda rng: 0.7 * rng.standard_normal((10, 300)) + 0.7 * rng.standard_normal(300),
    "skewed to losses": lambda rng: 1.0 - rng.exponential(1.0, (10, 300)),
    "few trades": trades,
}


@pytest.mark.parametrize("noise", NOISES)
def test_a_family_without_edge_passes_in_five_per_cent(noise):
    # 600 families: 0.05 +- 4 * 0.009. One error a model instead of one a resample passes 0.13 of the skewed ones.
    rng = np.random.default_rng(5)
    pool = [draw_counts(300, block=2.0, n_resamples=199, seed=seed) for seed in range(10)]
    passed = sum(
        bool(step_m(NOISES[noise](rng), block=2.0, n_resamples=199, seed=i, counts=pool[i % 10]).rejected.any())
        for i in range(600)
    )
    assert 0.015 <= passed / 600 <= 0.085


def test_luck_that_was_never_tested_by_a_loss_is_not_skill():
    three_gains = np.where(np.isin(np.arange(300), [40, 130, 220]), 1.0, 0.0)[None]
    found = step_m(three_gains, block=1.0, n_resamples=1999, seed=1)
    assert found.adjusted_p[0] == pytest.approx(1 / 8, abs=0.04)  # three times heads; resampling alone says 0.03


def test_bad_inputs_are_named():
    returns = market(2, 60)
    with pytest.raises(UsageError, match="`batches` must hold at least one model, but was empty"):
        superior_ability([], **DRAWS)
    with pytest.raises(UsageError, match="all batches must have the same bars, but was 59 after 60"):
        superior_ability([returns, returns[:, 1:]], **DRAWS)
    with pytest.raises(UsageError, match=r"an excess return must be finite, but was nan \(strategy 1, bar 3\)"):
        superior_ability([np.where(np.arange(120).reshape(2, 60) == 63, math.nan, returns)], **DRAWS)
    with pytest.raises(UsageError, match=r"with 3 bars or more, but was \(60,\)"):
        step_m(returns[0], **DRAWS)
    with pytest.raises(UsageError, match=r"`counts` must be \(n_resamples, 60\).*but was \(5, 9\)"):
        step_m(returns, counts=np.ones((5, 9)), **DRAWS)
    with pytest.raises(UsageError, match=r"`alpha` must lie strictly between 0 and 1, but was 0\.0"):
        step_m(returns, alpha=0.0, **DRAWS)
    with pytest.raises(UsageError, match=r"`n_resamples` must be at least 999, but was 199"):
        step_m(returns, alpha=0.001, **DRAWS)
    with pytest.raises(UsageError, match="`returns` must hold at least one strategy, but was empty"):
        step_m(returns[:0], **DRAWS)
