import numpy as np
import pytest
from deap import base, tools
from deap.tools import emo
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from evolution.niching import fewest_divisions, niche_preference, reference_points
from evolution.selection import pareto_ranks
from strategies.errors import UsageError


def survivors(objectives, ranks, ids, n_wanted, divisions=None):
    preference = niche_preference(objectives, ranks, ids, n_wanted=n_wanted, divisions=divisions)
    return np.lexsort((-preference, ranks))[:n_wanted]


def crowd(seed, n, m):
    """Costs whose ideal point is the origin: DEAP sees intercepts from there, but divides by them less the ideal."""
    rng = np.random.default_rng(seed)
    costs = np.abs(rng.standard_normal((n, m))) + 0.01
    costs[:m][np.eye(min(n, m), m, dtype=bool)] = 0.0
    costs[:, rng.integers(m)] *= 100.0
    return 0.0 - costs, pareto_ranks(-costs), rng.permutation(n)


def between_niches(scaled, points):
    """Whether a point is as far from one direction as from the next: there DEAP rounds in its way and we in ours."""
    lines = points / np.sqrt((points**2).sum(axis=1, keepdims=True))
    along = np.sort(scaled @ lines.T, axis=1)
    return bool((along[:, -1] - along[:, -2] < 1e-9).any())


def slow_survivors(objectives, ranks, ids, n_wanted, divisions):
    """Algorithms 1 to 4 of the paper, one strategy after the other, on DEAP's geometry."""
    last = np.sort(ranks)[min(n_wanted, len(ranks)) - 1]
    rows = [row for row in np.lexsort((ids, ranks)).tolist() if ranks[row] <= last]
    costs = -objectives[rows]
    worst, ideal = costs.max(axis=0), costs.min(axis=0)
    extremes = emo.find_extreme_points(costs, ideal)
    spanned = len(np.unique(extremes, axis=0)) == len(
        ideal
    )  # else LAPACK may solve by a rounding error what has no plane
    intercepts = emo.find_intercepts(extremes, ideal, worst, worst) if spanned else worst
    points = reference_points(objectives.shape[1], divisions)
    niches, distances = emo.associate_to_niche(costs, points, ideal, intercepts)
    assume(not between_niches(costs / intercepts, points))
    taken = [at for at, row in enumerate(rows) if ranks[row] < last]
    waiting = [at for at, row in enumerate(rows) if ranks[row] == last]
    while waiting and len(taken) < n_wanted:
        counts = np.bincount(niches[taken].astype(int), minlength=len(points))
        fewest = min(counts[niches[at]] for at in waiting)
        able = [at for at in waiting if counts[niches[at]] == fewest]
        best = min(able, key=lambda at: (distances[at], ids[rows[at]]))
        taken.append(best)
        waiting.remove(best)
    return {int(ids[rows[at]]) for at in taken}


@given(st.integers(0, 2**32), st.integers(4, 60), st.integers(2, 4), st.floats(0.0, 1.0), st.integers(1, 9))
@settings(max_examples=150, deadline=None)
def test_survivors_are_those_of_the_paper_taken_one_by_one(seed, n, m, share, divisions):
    objectives, ranks, ids = crowd(seed, n, m)
    n_wanted = max(1, round(share * n))
    found = survivors(objectives, ranks, ids, n_wanted, divisions)
    assert set(ids[found].tolist()) == slow_survivors(objectives, ranks, ids, n_wanted, divisions)


class Fitness(base.Fitness):
    weights = (-1.0, -1.0, -1.0)


class Individual:
    def __init__(self, row, costs):
        self.row, self.fitness = row, Fitness(costs)


@pytest.mark.parametrize("seed", range(8))
def test_niches_fill_as_in_deap_whatever_it_draws(seed, monkeypatch):
    monkeypatch.setattr(np.random, "shuffle", np.random.default_rng(seed).shuffle)
    objectives, ranks, ids = crowd(seed, 90, 3)
    points = reference_points(3, 5)
    found = survivors(objectives, ranks, ids, 45, 5)
    individuals = [Individual(row, values) for row, values in enumerate((-objectives).tolist())]
    theirs = [each.row for each in tools.selNSGA3(individuals, 45, points)]
    last = ranks[found].max()
    assert {row for row in theirs if ranks[row] < last} == {row for row in found.tolist() if ranks[row] < last}
    costs = -objectives[ranks <= last]
    worst, ideal = costs.max(axis=0), np.zeros(3)
    intercepts = emo.find_intercepts(emo.find_extreme_points(costs, ideal), ideal, worst, worst)
    niches = emo.associate_to_niche(-objectives, points, ideal, intercepts)[0]
    filled = [np.sort(np.bincount(niches[rows], minlength=len(points))) for rows in (found, theirs)]
    assert filled[0].tolist() == filled[1].tolist()


def test_of_a_plane_the_points_on_the_reference_directions_survive():
    points = reference_points(3, 6)
    rng = np.random.default_rng(3)
    clutter = rng.dirichlet(np.ones(3), 300)
    costs = np.concatenate([clutter, points])[rng.permutation(300 + len(points))]
    found = survivors(-costs, np.zeros(len(costs), dtype=np.int64), np.arange(len(costs)), len(points), 6)
    assert {tuple(row) for row in costs[found].tolist()} == {tuple(row) for row in points.tolist()}


@given(st.integers(0, 2**32), st.integers(1, 50), st.integers(1, 4), st.integers(1, 5), st.integers(1, 60))
@settings(max_examples=150, deadline=None)
def test_a_strict_order_of_each_rank_that_no_order_of_rows_and_no_common_scale_changes(seed, n, m, n_values, n_wanted):
    rng = np.random.default_rng(seed)
    objectives = rng.integers(0, n_values, (n, m)).astype(float)  # few values, so that there are ties and flat columns
    ranks, ids = pareto_ranks(objectives), rng.permutation(n)
    before = objectives.copy()
    preference = niche_preference(objectives, ranks, ids, n_wanted=n_wanted)
    np.testing.assert_array_equal(objectives, before)
    for rank in np.unique(ranks):
        mine = preference[ranks == rank]
        assert sorted(mine.tolist(), reverse=True) == [-float(place) for place in range(len(mine))]
    rows = rng.permutation(n)
    shuffled = niche_preference(objectives[rows], ranks[rows], ids[rows], n_wanted=n_wanted)
    assert shuffled.tobytes() == preference[rows].tobytes()
    scaled = niche_preference(8.0 * (objectives - 3.0), 5 + 2 * ranks, ids - 7, n_wanted=n_wanted)
    assert scaled.tobytes() == preference.tobytes()


def test_the_extremes_of_a_front_survive_and_the_older_of_equals():
    x = np.linspace(0.0, 1.0, 41)
    objectives = np.repeat(np.column_stack([x, 1.0 - x * x]), 2, axis=0)
    ranks, ids = np.zeros(82, dtype=np.int64), np.arange(82)[::-1].copy()
    for n_wanted in (2, 5, 20):
        found = survivors(objectives, ranks, ids, n_wanted)
        assert {1, 81} <= set(found.tolist())
        assert all(row % 2 for row in found.tolist())  # of each pair the second is older


def test_one_objective_is_ordered_by_birth_where_it_ties():
    objectives, ids = np.array([[1.0], [3.0], [3.0], [2.0]]), np.array([4, 9, 2, 1])
    preference = niche_preference(objectives, pareto_ranks(objectives), ids, n_wanted=2)
    assert preference.tolist() == [0.0, -1.0, 0.0, 0.0]
    assert (
        len(niche_preference(np.zeros((0, 2)), np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64), n_wanted=1))
        == 0
    )


def test_differences_beyond_the_largest_float_still_give_an_order():
    objectives = np.array([[1e308, -1e308], [-1e308, 1e308], [0.0, 0.0]])
    preference = niche_preference(objectives, np.zeros(3, dtype=np.int64), np.arange(3), n_wanted=2)
    assert sorted(preference.tolist()) == [-2.0, -1.0, 0.0]


@pytest.mark.parametrize(("m", "divisions"), [(1, 1), (1, 7), (2, 1), (2, 12), (3, 5), (5, 4)])
def test_reference_points_are_those_of_deap(m, divisions):
    wanted = {tuple(point) for point in tools.uniform_reference_points(m, divisions).tolist()}
    points = reference_points(m, divisions)
    assert len(points) == len(wanted)
    np.testing.assert_array_equal(np.array(sorted(points.tolist())), np.array(sorted(wanted)))


@given(st.integers(2, 6), st.integers(1, 3000))
def test_default_divisions_are_the_fewest_that_give_enough_points(m, n_points):
    divisions = fewest_divisions(m, n_points)
    assert len(reference_points(m, divisions)) >= n_points
    assert divisions == 1 or len(reference_points(m, divisions - 1)) < n_points


def test_what_does_not_fit_is_refused():
    two, ids = np.zeros(2, dtype=np.int64), np.arange(2)
    with pytest.raises(UsageError, match=r"`objectives` must be finite, but were \[nan, 1.0\] \(row 1"):
        niche_preference(np.array([[0.0, 0.0], [np.nan, 1.0]]), two, ids, n_wanted=1)
    with pytest.raises(UsageError, match=r"must be \(n, m\).*but were \(2, 2\), \(2,\) and \(3,\)"):
        niche_preference(np.zeros((2, 2)), two, np.arange(3), n_wanted=1)
    with pytest.raises(UsageError, match="`n_wanted` must be at least 1, but was 0"):
        niche_preference(np.zeros((2, 2)), two, ids, n_wanted=0)
    with pytest.raises(UsageError, match=r"`divisions` must be at least 1 .* but was 0 and gives 0"):
        niche_preference(np.zeros((2, 2)), two, ids, n_wanted=1, divisions=0)
    with pytest.raises(UsageError, match="100,000 reference points at most, but was 100 and gives 4,598,126"):
        niche_preference(np.zeros((2, 5)), two, ids, n_wanted=1, divisions=100)
