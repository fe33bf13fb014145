"""Laws of the portfolio: who is chosen, with which weight, and what one capital makes of several strategies."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cluster.allocation import METHODS, capped, weights_of
from cluster.portfolio_choice import SEEN, Elite, choose_members, greedy, value
from cluster.shared_capital import contributions, shares, together
from fitness.pooled import Pool
from strategies.errors import UsageError

STAMPS = np.arange(300, dtype=np.int64) * 86_400_000_000


def elite(name, series, merit=None, beyond=None):
    """An elite whose first 200 returns are in sample."""
    cuts = {"in_sample": slice(0, 200), "validation": slice(200, 300)}
    parts = {key: Pool(STAMPS[cut], series[cut], 252.0) for key, cut in cuts.items()}
    other = series if beyond is None else beyond
    excess = {key: Pool(STAMPS[cut], other[cut], 252.0) for key, cut in cuts.items()}
    return Elite(name, float(series.mean()) if merit is None else merit, parts, excess)


def elites(n=6, seed=0, common=0.5):
    rng = np.random.default_rng(seed)
    shared = rng.normal(0.0, 0.01, 300)
    return [
        elite(f"e{number}", rng.normal(0.0006 * number, 0.01, 300) + common * number / n * shared)
        for number in range(n)
    ]


def names(choice):
    return [one.id for one in choice.members]


@pytest.mark.parametrize("size", [None, 1, 2, 3, 6])
def test_another_order_of_elites_changes_nothing(size):
    some = elites()
    first = choose_members(some, size=size, limit=0.9)
    for seed in range(5):
        mixed = [some[place] for place in np.random.default_rng(seed).permutation(len(some))]
        again = choose_members(mixed, size=size, limit=0.9)
        assert (again.members, again.ids, again.passed_over) == (first.members, first.ids, first.passed_over)
        np.testing.assert_array_equal(again.correlations, first.correlations)


def test_one_is_the_best_and_all_is_no_choice():
    some = elites()
    alone = {one.id: value([one], [0], beyond=True) for one in some}
    (best,) = choose_members(some, size=1, limit=1.0).members
    assert best.id == max(alone, key=alone.get)
    assert best.sharpe_beyond == alone[best.id]
    for size in (6, 60):
        assert sorted(names(choose_members(some, size=size, limit=1.0))) == sorted(one.id for one in some)


def test_what_is_added_adds_up():
    some = elites()
    for size in range(1, 7):
        chosen = choose_members(some, size=size, limit=1.0).members
        places = [next(n for n, one in enumerate(some) if one.id == member.id) for member in chosen]
        for beyond, added in ((True, "sharpe_beyond"), (False, "sharpe")):
            total = math.fsum(getattr(one, added) for one in chosen)
            assert total == pytest.approx(value(some, places, beyond=beyond), abs=1e-12)


def test_without_a_size_it_ends_where_nothing_is_added_and_each_step_is_the_best_by_brute_force():
    for seed in range(8):
        some = sorted(elites(seed=seed), key=lambda one: (-one.merit, one.id))
        chosen = choose_members(some, size=None, limit=1.0).members
        places = [next(n for n, one in enumerate(some) if one.id == member.id) for member in chosen]
        before = 0.0
        for count, place in enumerate(places):
            worths = {
                one: value(some, [*places[:count], one], beyond=True) for one in range(6) if one not in places[:count]
            }
            assert worths[place] == max(worths.values())
            assert count == 0 or worths[place] > before
            before = worths[place]
        rest = [value(some, [*places, one], beyond=True) for one in range(6) if one not in places]
        assert all(one <= before for one in rest)


def test_where_strategies_are_independent_and_alike_greedy_is_the_best_of_all_subsets():
    codes = np.array(
        [[1.0 if bin(row & column).count("1") % 2 else -1.0 for column in range(8)] for row in range(1, 7)]
    )
    means = np.array([5e-5, 4e-4, 1e-4, 3e-4, 6e-4, 2e-4])
    squares = np.tile(codes, 50)[:, :300] * 0.01
    squares -= squares.mean(axis=1, keepdims=True)
    series = squares + means[:, None]

    def worth(some):
        whole = series[list(some)].mean(axis=0)
        return float(whole.mean() / whole.std())

    for size in range(1, 7):
        found = [place for place, _ in greedy(worth, range(6), size)]
        best = max(itertools.combinations(range(6), size), key=worth)
        assert worth(found) >= 0.97 * worth(best)  # the codes are cut off, so they are not quite orthogonal
        assert found == sorted(range(6), key=lambda one: -means[one])[:size]


def test_who_repeats_a_better_one_is_never_chosen_and_it_is_said_why():
    rng = np.random.default_rng(3)
    base = rng.normal(0.001, 0.01, 300)
    some = [
        elite("best", base, merit=0.9),
        elite("twin", base + rng.normal(0.0005, 0.001, 300), merit=0.8),  # its Sharpe ratio is better, its merit not
        elite("other", rng.normal(0.001, 0.01, 300), merit=0.1),
    ]
    for size in (None, 1, 2, 3):
        choice = choose_members(some, size=size, limit=0.7)
        assert "twin" not in names(choice)
        assert choice.passed_over["twin"].endswith("with best, which is better")
    assert sorted(names(choose_members(some, size=3, limit=1.0))) == ["best", "other", "twin"]


def test_the_sharpe_ratio_that_chooses_is_the_one_beyond_holding():
    rng = np.random.default_rng(4)
    market = rng.normal(0.002, 0.01, 300)
    noise = rng.normal(0.0, 0.002, (2, 300))
    holder = elite("holder", market + noise[0], beyond=noise[0])
    timer = elite("timer", 0.001 + 2 * noise[1], beyond=0.001 + 2 * noise[1])
    assert value([holder], [0], beyond=False) > value([holder], [0], beyond=True)
    assert names(choose_members([holder, timer], size=1, limit=1.0)) == ["timer"]


@pytest.mark.parametrize("method", METHODS)
def test_weights_are_a_parting_of_the_capital(method):
    rng = np.random.default_rng(7)
    for k in (1, 2, 3, 5, 9):
        rows = rng.normal(0.0, 0.01, (k, 400)) * rng.uniform(0.2, 5.0, (k, 1)) + rng.normal(0.0, 0.005, 400)
        for highest in (0.1, 0.4, 0.6, 1.0):
            weights = weights_of(rows, method, highest)
            assert weights.shape == (k,)
            assert (weights >= 0.0).all()
            assert weights.sum() == pytest.approx(1.0, abs=1e-12)
            assert weights.max() <= max(highest, 1 / k) + 1e-9
            np.testing.assert_array_equal(weights_of(rows, method, highest), weights)
            order = rng.permutation(k)
            np.testing.assert_allclose(weights_of(rows[order], method, highest), weights[order], atol=1e-6)


@pytest.mark.parametrize("method", METHODS)
def test_duplicates_share(method):
    rng = np.random.default_rng(9)
    rows = rng.normal(0.0, 0.01, (3, 400)) * np.array([[1.0], [2.0], [1.5]])
    alone, doubled = weights_of(rows, method, 1.0), weights_of(rows[[0, 1, 1, 2]], method, 1.0)
    assert doubled[1] == doubled[2]
    if method != "equal":
        np.testing.assert_allclose(doubled[[0, 3]], alone[[0, 2]], atol=1e-12)
        assert doubled[1] + doubled[2] == pytest.approx(alone[1])
    np.testing.assert_allclose(weights_of(rows[[0, 0]], method), [0.5, 0.5])


def test_two_by_hrp_are_weighed_by_their_inverse_variances():
    rng = np.random.default_rng(2)
    rows = rng.normal(0.0, 0.01, (2, 500)) * np.array([[1.0], [1.4]])
    inverse = 1.0 / rows.var(axis=1, ddof=1)
    np.testing.assert_allclose(weights_of(rows, "hrp", 1.0), inverse / inverse.sum(), rtol=1e-9)


def test_the_least_volatile_of_two_is_the_closed_form():
    rng = np.random.default_rng(2)
    rows = rng.normal(0.0, 0.01, (2, 500)) * np.array([[1.0], [1.4]])
    (a, c), (_, b) = np.cov(rows)
    np.testing.assert_allclose(weights_of(rows, "min_volatility", 1.0)[0], (b - c) / (a + b - 2 * c), atol=1e-5)


def test_who_never_trades_is_weighed_as_everybody():
    rows = np.stack([np.zeros(100), np.random.default_rng(0).normal(0, 0.01, 100)])
    np.testing.assert_array_equal(weights_of(rows, "hrp"), [0.5, 0.5])


def test_what_can_not_be_weighed_or_chosen_is_refused_by_name():
    rows = np.ones((2, 30))
    with pytest.raises(UsageError, match=r"must be one of hrp, min_volatility, equal, but was 'hpr'; did you mean hrp"):
        weights_of(rows, "hpr")
    with pytest.raises(UsageError, match=r"`--max-weight` must be above 0 and at most 1, but was 1.5"):
        weights_of(rows, "hrp", 1.5)
    with pytest.raises(UsageError, match="at least one member"):
        weights_of(np.ones((0, 30)), "hrp")
    with pytest.raises(UsageError, match="at least one elite"):
        choose_members([], size=None, limit=0.7)
    with pytest.raises(UsageError, match="`--size` must be at least 1, but was 0"):
        choose_members(elites(), size=0, limit=0.7)
    with pytest.raises(UsageError, match="give each member one weight"):
        shares(rows, np.ones(3))
    for weights in ([0.5, 0.6], [1.5, -0.5]):
        with pytest.raises(UsageError, match="Weights must be 0 or more and sum to 1"):
            shares(rows, np.array(weights))


@given(st.lists(st.floats(0.0, 1.0), min_size=1, max_size=8).filter(lambda one: sum(one) > 1e-6), st.floats(0.0, 1.0))
def test_a_cap_holds_and_leaves_the_whole(raw, share):
    weights = np.array(raw)
    highest = 1 / len(raw) + share * (1 - 1 / len(raw))
    found = capped(weights, highest)
    assert found.sum() == pytest.approx(1.0, abs=1e-12)
    assert (found >= 0.0).all()
    assert found.max() <= highest + 1e-9
    if weights.max() / weights.sum() <= highest:
        np.testing.assert_allclose(found, weights / weights.sum(), rtol=1e-12)


def test_one_capital_is_the_sum_of_its_shares():
    rng = np.random.default_rng(1)
    rows, weights = rng.normal(0.001, 0.02, (4, 250)), np.array([0.1, 0.2, 0.3, 0.4])
    parts = shares(rows, weights)
    np.testing.assert_allclose(parts.sum(axis=0), 1.0)
    np.testing.assert_allclose(parts[:, 0], weights)
    grown = np.cumprod(1.0 + rows, axis=1)
    np.testing.assert_allclose(np.cumprod(1.0 + together(rows, parts)), weights @ grown, rtol=1e-12)
    assert contributions(rows, weights).sum() == pytest.approx(weights @ grown[:, -1] - 1.0)
    order = np.array([2, 0, 3, 1])
    np.testing.assert_allclose(
        together(rows[order], shares(rows[order], weights[order])), together(rows, parts), rtol=1e-12
    )


def test_one_member_is_the_whole_to_the_last_bit():
    rows = np.random.default_rng(5).normal(0.0, 0.02, (1, 100))
    np.testing.assert_array_equal(together(rows, shares(rows, np.ones(1))), rows[0])
    both = np.concatenate([rows, rows[:, ::-1]])
    np.testing.assert_array_equal(together(both, shares(both, np.array([1.0, 0.0]))), rows[0])


def test_who_loses_all_takes_nothing_from_the_others():
    rows = np.array([[-1.0, 0.0, 0.0], [0.1, 0.1, 0.1]])
    parts = shares(rows, np.array([0.5, 0.5]))
    np.testing.assert_allclose(parts[0], [0.5, 0.0, 0.0])
    np.testing.assert_allclose(np.prod(1.0 + together(rows, parts)), 0.5 * 1.1**3)
    lost = np.array([[-1.0, 0.5]])
    np.testing.assert_array_equal(together(lost, shares(lost, np.ones(1))), [-1.0, 0.0])


def test_the_lockbox_is_not_among_what_chooses():
    assert SEEN == ("in_sample", "validation")
