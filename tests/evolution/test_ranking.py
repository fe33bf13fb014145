import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from evolution.ranking import order_nb
from evolution.selection import crowding_distances


def slow_crowding(objectives, ranks, ids):
    """Rank by rank and objective by objective, with NumPy's sort."""
    distances = np.zeros(len(objectives))
    for rank in np.unique(ranks):
        rows = np.flatnonzero(ranks == rank)
        for values in objectives[rows].T:
            order = np.lexsort((ids[rows], values))
            ordered = values[order]
            span = ordered[-1] - ordered[0]
            if span > 0:
                gaps = np.full(len(rows), np.inf)
                gaps[1:-1] = (ordered[2:] - ordered[:-2]) / span
                distances[rows[order]] += gaps
    return distances


@given(st.integers(0, 2**32), st.integers(0, 70), st.integers(1, 3), st.integers(1, 9))
@settings(max_examples=200, deadline=None)
def test_crowding_equals_the_slow_reference_to_the_bit(seed, n, m, n_values):
    rng = np.random.default_rng(seed)
    objectives = rng.choice(rng.standard_normal(n_values), (n, m))  # few values, so that there are ties
    ranks, ids = rng.integers(0, 4, n), rng.permutation(n)
    wanted = slow_crowding(objectives, ranks, ids)
    assert crowding_distances(objectives, ranks, ids).tobytes() == wanted.tobytes()


@given(st.integers(0, 2**32), st.integers(0, 70), st.integers(1, 4))
@settings(max_examples=200, deadline=None)
def test_order_is_that_of_the_columns_and_stable(seed, n, n_values):
    rng = np.random.default_rng(seed)
    ranks, ids = rng.integers(0, n_values, n), rng.integers(0, n_values, n)
    values = rng.choice([-np.inf, 0.0, 0.5, np.inf], n)
    keys = rng.choice(np.array([0, 1, 2**63, 2**64 - 1], dtype=np.uint64), (n, 2))
    order = np.empty(n, dtype=np.int64)
    order_nb(ranks, values, keys, ids, order)
    assert order.tolist() == np.lexsort((ids, keys[:, 1], keys[:, 0], values, ranks)).tolist()
