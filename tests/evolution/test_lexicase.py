import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evolution.lexicase import epsilons, lexicase_winners
from evolution.philox import uniforms
from strategies.errors import UsageError

KEY = 0x0123456789ABCDEF_FEDCBA9876543210


def slow_winner(cases, key, index):
    """One contest by the definition, in lists."""
    p, c = cases.shape
    numbers = uniforms(key, c + 1, indices=np.array([index]))[0]
    scores = [[-np.inf if np.isnan(value) else value for value in row] for row in cases.tolist()]
    widths = []
    for case in range(c):
        known = np.array([row[case] for row in scores if np.isfinite(row[case])])
        widths.append(float(np.median(np.abs(known - np.median(known)))) if len(known) else 0.0)
    to_come, left = list(range(c)), list(range(p))
    for turn in range(c):
        drawn = int(numbers[turn] * (c - turn))
        to_come[0], to_come[drawn] = to_come[drawn], to_come[0]
        case = to_come.pop(0)
        best = max(scores[row][case] for row in left)
        left = [row for row in left if scores[row][case] >= best - widths[case]]
    return left[int(numbers[c] * len(left))]


@given(st.integers(0, 2**32), st.integers(1, 12), st.integers(1, 9), st.integers(1, 6))
@settings(max_examples=150, deadline=None)
def test_winners_equal_the_slow_reference(seed, p, c, n_values):
    rng = np.random.default_rng(seed)
    cases = rng.choice([*rng.standard_normal(n_values), np.nan, np.inf, -np.inf], (p, c))
    indices, before = rng.integers(0, 2**20, 30), cases.copy()
    found = lexicase_winners(cases, 30, key=seed + KEY, indices=indices)
    assert found.tolist() == [slow_winner(cases, seed + KEY, index) for index in indices.tolist()]
    np.testing.assert_array_equal(cases, before)


def test_a_contest_depends_on_its_own_stream_alone():
    cases = np.random.default_rng(1).standard_normal((50, 6))
    whole = lexicase_winners(cases, 40, key=KEY, indices=np.arange(40))
    some = np.array([33, 2, 2, 17])
    assert lexicase_winners(cases, 4, key=KEY, indices=some).tolist() == whole[some].tolist()
    assert lexicase_winners(cases, 40, key=KEY + 1, indices=np.arange(40)).tolist() != whole.tolist()


def test_each_case_has_its_specialist_and_the_middling_never_win():
    # Row i is best in case i by far; the last row is second in all, and better than each of them on average.
    n_cases = 5
    cases = np.concatenate([np.eye(n_cases) * 10.0, np.full((1, n_cases), 5.0)])
    assert epsilons(cases).tolist() == [0.0] * n_cases
    winners = lexicase_winners(cases, 5000, key=KEY, indices=np.arange(5000))
    counts = np.bincount(winners, minlength=n_cases + 1)
    assert counts[-1] == 0
    assert np.abs(counts[:-1] - 1000).max() < 150  # five standard deviations


def test_a_twin_shares_the_chance_evenly():
    winners = lexicase_winners(np.zeros((4, 3)), 8000, key=KEY, indices=np.arange(8000))
    assert np.abs(np.bincount(winners) - 2000).max() < 200


def test_epsilon_is_the_median_deviation_of_the_population_not_of_those_left():
    # By hand: medians 2 and 2, deviations [2, 1, 0, 1, 2] and [1, 0, 0, 0, 98]: epsilons 1 and 0.
    cases = np.array([[0.0, 1.0], [1.0, 2.0], [2.0, 2.0], [3.0, 2.0], [4.0, 100.0]])
    assert epsilons(cases).tolist() == [1.0, 0.0]
    only = lexicase_winners(cases[:, :1], 400, key=KEY, indices=np.arange(400))
    assert set(only.tolist()) == {3, 4}  # 3 is within 1 of 4


def test_an_unknown_case_never_wins():
    cases = np.array([[np.nan, np.nan], [-9.0, -9.0], [np.nan, 5.0]])
    winners = set(lexicase_winners(cases, 500, key=KEY, indices=np.arange(500)).tolist())
    assert winners == {1, 2}
    assert epsilons(np.array([[np.nan, 1.0], [np.inf, 2.0], [np.nan, 6.0]])).tolist() == [0.0, 1.0]
    nobody_known = lexicase_winners(np.full((3, 2), np.nan), 300, key=KEY, indices=np.arange(300))
    assert set(nobody_known.tolist()) == {0, 1, 2}


@pytest.mark.parametrize("shape", [(0, 3), (3, 0), (3,)])
def test_nobody_to_choose_from_is_refused(shape):
    with pytest.raises(UsageError, match=r"`cases` must be .* one row and one case or more"):
        lexicase_winners(np.zeros(shape), 2, key=KEY, indices=np.arange(2))


def test_an_index_for_each_winner():
    with pytest.raises(UsageError, match=r"`indices` \(3,\), but were \(2, 2\) and \(2,\)"):
        lexicase_winners(np.zeros((2, 2)), 3, key=KEY, indices=np.arange(2))
