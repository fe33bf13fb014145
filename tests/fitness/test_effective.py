"""Effective number of trials: closed forms, scipy's tree, a plain silhouette, and laws."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fitness.statistics import effective_trials
from strategies.errors import UsageError


def crowd(n_blocks, size, noise, *, n_bars=400, seed=1):
    rng = np.random.default_rng(seed)
    return np.repeat(rng.standard_normal((n_blocks, n_bars)), size, axis=0) + noise * rng.standard_normal(
        (n_blocks * size, n_bars)
    )


@pytest.mark.parametrize(("n_blocks", "size"), [(1, 1), (1, 7), (5, 4), (30, 3)])
def test_blocks_of_copies_are_one_trial_each(n_blocks, size):
    found = effective_trials(crowd(n_blocks, size, 0.0))
    assert found.n_clusters == found.n_distinct == n_blocks
    assert found.labels.tolist() == np.repeat(np.arange(n_blocks), size).tolist()
    assert found.participation == pytest.approx(n_blocks, rel=0.1)


@pytest.mark.parametrize("noise", [0.3, 0.7, 1.0])  # correlations within a block of .92, .67 and .5
@pytest.mark.parametrize("n_blocks", [1, 2, 8])
def test_blocks_of_relatives_are_found(n_blocks, noise):
    returns = crowd(n_blocks, 10, noise)
    found = effective_trials(returns)
    assert found.labels.tolist() == np.repeat(np.arange(n_blocks), 10).tolist()
    assert found.n_distinct == 10 * n_blocks
    assert n_blocks <= found.participation < 10 * n_blocks


@pytest.mark.parametrize("n_bars", [100, 1000])
def test_independent_ones_all_count(n_bars):
    found = effective_trials(crowd(1, 80, 1.0, n_bars=n_bars) - crowd(1, 80, 0.0, n_bars=n_bars))
    assert found.n_clusters >= 76
    assert found.participation == pytest.approx(80 / (1 + 80 / n_bars), rel=0.05)


def test_loners_beside_a_block():
    returns = np.concatenate([crowd(1, 10, 0.5), crowd(15, 1, 0.0, seed=2)])
    found = effective_trials(returns)
    assert found.n_clusters == 16
    assert found.labels[:10].tolist() == [0] * 10


@given(st.integers(0, 2**32 - 1), st.lists(st.integers(0, 11), min_size=1, max_size=20))
@settings(max_examples=30, deadline=None)
def test_copies_change_nothing(seed, copied):
    returns = crowd(4, 3, 0.8, n_bars=60, seed=seed)
    found = effective_trials(returns)
    more = effective_trials(np.concatenate([returns, returns[copied] * 3.0]))
    assert (more.n_clusters, more.n_distinct) == (found.n_clusters, found.n_distinct)
    assert more.participation == pytest.approx(found.participation, rel=1e-9)
    assert more.labels.tolist() == [*found.labels.tolist(), *found.labels[copied].tolist()]


@given(st.integers(0, 2**32 - 1), st.permutations(range(12)))
@settings(max_examples=30, deadline=None)
def test_order_and_leverage_do_not_matter(seed, order):
    returns = crowd(4, 3, 0.8, n_bars=60, seed=seed)
    found, shuffled = effective_trials(returns), effective_trials(returns[list(order)] * 0.5 + 0.01)
    assert shuffled.n_clusters == found.n_clusters
    labels = found.labels[list(order)]
    assert (np.equal.outer(labels, labels) == np.equal.outer(shuffled.labels, shuffled.labels)).all()
    seen = list(dict.fromkeys(shuffled.labels.tolist()))
    assert seen == list(range(found.n_clusters))  # numbered by first appearance


def test_correlations_say_what_returns_say():
    returns = crowd(6, 5, 0.9)
    by_returns = effective_trials(returns)
    by_correlation = effective_trials(np.corrcoef(returns), n_bars=400)
    assert by_correlation.labels.tolist() == by_returns.labels.tolist()
    assert by_correlation.participation == pytest.approx(by_returns.participation)
    eigenvalues = np.linalg.eigvalsh(np.corrcoef(returns))
    assert by_returns.participation == pytest.approx(eigenvalues.sum() ** 2 / (eigenvalues**2).sum())


def plain_silhouette(distances, labels, alone):
    scores = []
    for i, label in enumerate(labels):
        mine = [distances[i, j] for j in range(len(labels)) if labels[j] == label and j != i]
        if not mine:
            scores.append(alone)
            continue
        others = [np.mean(distances[i, labels == other]) for other in set(labels.tolist()) - {label}]
        inside, nearest = np.mean(mine), min([*others, math.sqrt(0.5)])
        scores.append((nearest - inside) / max(nearest, inside))
    return float(np.mean(scores))


@pytest.mark.parametrize("seed", range(8))
def test_the_cut_is_the_best_of_scipys_tree(seed):
    from scipy.cluster.hierarchy import fcluster, linkage
    from scipy.spatial.distance import squareform

    rng = np.random.default_rng(seed)
    loadings = rng.uniform(-0.5, 1.0, (20, 4)) ** 3  # clusters of unlike sizes that run into each other
    matrix = np.corrcoef(loadings @ rng.standard_normal((4, 80)) + 0.2 * rng.standard_normal((20, 80)))
    distances = np.sqrt(np.clip((1.0 - matrix) / 2.0, 0.0, 1.0))
    np.fill_diagonal(distances, 0.0)
    tree = linkage(squareform(distances, checks=False), method="average")
    cuts = [fcluster(tree, k, criterion="maxclust") for k in range(1, 21)]
    scores = [plain_silhouette(distances, labels, 0.1) for labels in cuts]
    found = effective_trials(matrix)
    assert found.silhouette == pytest.approx(max(scores))
    best = cuts[int(np.argmax(scores))]
    assert (np.equal.outer(best, best) == np.equal.outer(found.labels, found.labels)).all()


def test_opposites_are_two_trials_and_unknown_ones_count_alone():
    one = np.random.default_rng(3).standard_normal(100)
    assert effective_trials(np.stack([one, -one, one])).labels.tolist() == [0, 1, 0]
    still = effective_trials(np.stack([one, np.zeros(100), np.full(100, 0.1), one]))
    assert still.labels.tolist() == [0, 1, 2, 0]
    matrix = np.array([[1.0, 0.9, math.nan], [0.9, 1.0, math.nan], [math.nan] * 3])
    assert effective_trials(matrix).labels.tolist() == [0, 0, 1]


def test_inputs_stay_as_they_are():
    matrix = np.corrcoef(crowd(2, 2, 0.5))
    matrix[0, 1] = matrix[1, 0] = math.nan
    kept = matrix.copy()
    matrix.flags.writeable = False
    effective_trials(matrix)
    assert np.array_equal(matrix, kept, equal_nan=True)


def test_bad_inputs_are_named():
    with pytest.raises(UsageError, match=r"returns, but was \(4,\)"):
        effective_trials(np.ones(4))
    with pytest.raises(UsageError, match=r"a correlation must be in \[-1, 1\], but was -1\.5"):
        effective_trials(np.array([[1.0, -1.5], [-1.5, 1.0]]))
    with pytest.raises(UsageError, match=r"a return must be finite, but was nan \(strategy 1, bar 0\)"):
        effective_trials(np.array([[0.1, 0.2, 0.3], [math.nan, 0.2, 0.1]]))
