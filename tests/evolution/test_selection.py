import random

import numpy as np
import pytest
from deap import tools
from hypothesis import given, settings
from hypothesis import strategies as st

from evolution.selection import crowding_distances, feasible, pareto_ranks, standing, survivors, winners


def slow_ranks(points):
    """Ranks by the definition: take away what nothing dominates, again and again."""
    left, ranks, rank = set(range(len(points))), [0] * len(points), 0
    while left:
        front = {
            i for i in left if not any((points[j] >= points[i]).all() and (points[j] > points[i]).any() for j in left)
        }
        for i in front:
            ranks[i] = rank
        left -= front
        rank += 1
    return ranks


@given(st.integers(0, 2**32), st.integers(1, 40), st.integers(1, 4), st.integers(2, 9))
@settings(max_examples=150, deadline=None)
def test_ranks_equal_the_slow_reference(seed, n, m, n_values):
    points = np.random.default_rng(seed).integers(0, n_values, (n, m)).astype(float)
    before = points.copy()
    assert pareto_ranks(points).tolist() == slow_ranks(points)
    np.testing.assert_array_equal(points, before)


def test_more_is_better():
    assert pareto_ranks(np.array([[1.0, 1.0], [2.0, 2.0], [3.0, 0.0]])).tolist() == [1, 0, 0]
    assert pareto_ranks(np.array([[1.0], [3.0], [3.0], [2.0]])).tolist() == [2, 0, 0, 1]
    assert pareto_ranks(np.zeros((0, 2))).tolist() == []


def test_crowding_of_a_straight_front_has_a_closed_form():
    x = np.array([0.0, 1.0, 3.0, 6.0, 10.0])
    distances = crowding_distances(np.column_stack([x, -x]), np.zeros(5, dtype=np.int64), np.arange(5))
    # inside: (right - left) / 10, once for each objective
    assert distances.tolist() == [np.inf, 2 * 3 / 10, 2 * 5 / 10, 2 * 7 / 10, np.inf]


def test_crowding_of_ranks_is_separate_and_flat_objectives_add_nothing():
    points = np.array([[0.0, 5.0], [1.0, 5.0], [4.0, 5.0], [0.0, 1.0], [0.0, 1.0]])
    ranks = np.array([0, 0, 0, 1, 1])
    assert crowding_distances(points, ranks, np.arange(5)).tolist() == [np.inf, 1.0, np.inf, 0.0, 0.0]


def crowd(seed, n, m=2):
    rng = np.random.default_rng(seed)
    objectives = rng.integers(0, 6, (n, m)).astype(float)
    reasons = rng.choice([0, 0, 0, 1, 3], n).astype(np.int16)
    objectives[reasons != 0] = np.nan
    keys = rng.integers(0, 4 * n, (n, 2), dtype=np.uint64)
    return objectives, reasons, keys, rng.permutation(n).astype(np.int64)


@given(st.integers(0, 2**32), st.integers(1, 40))
@settings(max_examples=100, deadline=None)
def test_order_is_by_rank_then_crowding_then_birth_with_the_infeasible_last(seed, n):
    objectives, reasons, keys, births = crowd(seed, n)
    ranks, crowding, order = standing(objectives, reasons, keys, births)
    assert sorted(order.tolist()) == list(range(n))
    fit = feasible(objectives, reasons)
    assert fit[order].tolist() == sorted(fit.tolist(), reverse=True)
    place = [
        (ranks[i], -crowding[i], births[i]) if fit[i] else (n + reasons[i], 0, *keys[i].tolist(), births[i])
        for i in order.tolist()
    ]
    assert place == sorted(place)


@given(st.integers(0, 2**32), st.integers(1, 40))
@settings(max_examples=100, deadline=None)
def test_order_and_survivors_do_not_depend_on_the_order_of_rows(seed, n):
    crowd_before = crowd(seed, n)
    shuffled = np.random.default_rng(seed + 1).permutation(n)
    crowd_after = tuple(array[shuffled] for array in crowd_before)
    births = crowd_before[3]
    assert births[standing(*crowd_before).order].tolist() == births[shuffled][standing(*crowd_after).order].tolist()
    k = max(1, n // 2)
    assert births[survivors(*crowd_before, n=k)].tolist() == births[shuffled][survivors(*crowd_after, n=k)].tolist()


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_never_ranks_even_without_a_reason(bad):
    objectives = np.array([[bad, 9.0], [1.0, 1.0], [0.0, 0.0]])
    nothing = np.zeros(3, dtype=np.int16)
    result = standing(objectives, nothing, np.arange(6, dtype=np.uint64).reshape(3, 2), np.arange(3))
    assert result.order.tolist() == [1, 2, 0]
    assert result.ranks.tolist() == [3, 0, 1]


@given(st.integers(0, 2**32), st.integers(2, 40))
@settings(max_examples=100, deadline=None)
def test_survivors_are_different_as_far_as_keys_go(seed, n):
    objectives, reasons, keys, births = crowd(seed, n)
    keys = keys % np.uint64(4)
    for row in range(n):  # equal keys, equal fitness
        twin = next(i for i in range(n) if (keys[i] == keys[row]).all())
        objectives[row], reasons[row] = objectives[twin], reasons[twin]
    n_keys = len(np.unique(keys, axis=0))
    for wanted in (1, max(1, n_keys - 1), n_keys, n):
        rows = survivors(objectives, reasons, keys, births, n=wanted)
        assert len(set(rows.tolist())) == len(rows) == min(wanted, n)
        assert len(np.unique(keys[rows], axis=0)) == min(wanted, n_keys)
        for row in rows[:n_keys].tolist():
            assert births[row] == births[(keys == keys[row]).all(axis=1)].min()


@given(st.integers(1, 50), st.integers(1, 4), st.integers(1, 30), st.integers(0, 2**32 - 1))
@settings(deadline=None)
def test_a_tournament_is_that_of_deap(n, size, n_tournaments, seed):
    class Member:
        def __init__(self, merit):
            self.merit = merit

    numbers = np.random.default_rng(seed).random(n_tournaments * size)
    picks = iter((numbers * n).astype(int).tolist())
    before = tools.selection.random
    tools.selection.random = type("Picks", (), {"choice": staticmethod(lambda members: members[next(picks)])})
    try:
        theirs = tools.selTournament([Member(row) for row in range(n)], n_tournaments, size, fit_attr="merit")
    finally:
        tools.selection.random = before
    assert before is random
    assert winners(n, n_tournaments, size, numbers).tolist() == [member.merit for member in theirs]


def test_tournaments_prefer_merit():
    numbers = np.random.default_rng(0).random(4000)
    assert np.mean(winners(100, 2000, 2, numbers)) == pytest.approx(99 * 2 / 3, abs=2)  # the mean of the larger of two
