"""Combinatorial purged cross-validation: no leaks, skfolio's splits, and a plain twin of the selection."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fitness.statistics import combinatorial_purged, group_edges, path_splits, selection_paths
from strategies.errors import UsageError


@given(st.data())
def test_no_train_bar_is_near_a_test_bar_and_no_other_bar_is_lost(data):
    n_groups = data.draw(st.integers(2, 6))
    n_test = data.draw(st.integers(1, n_groups - 1))
    n_bars = data.draw(st.integers(n_groups, 70))
    purge, embargo = data.draw(st.integers(0, 30)), data.draw(st.integers(0, 10))
    splits = combinatorial_purged(n_bars, n_groups=n_groups, n_test_groups=n_test, purge=purge, embargo=embargo)
    assert len(splits) == math.comb(n_groups, n_test)
    for split in splits:
        tests = np.flatnonzero(split.test)
        for bar in range(n_bars):
            near = ((tests - bar <= purge) & (tests >= bar)) | ((bar - tests <= purge + embargo) & (tests <= bar))
            assert split.train[bar] == (not near.any())
    tested = np.sum([split.test for split in splits], axis=0)
    assert set(tested.tolist()) == {math.comb(n_groups - 1, n_test - 1)}


# CombinatorialPurgedCV of skfolio 1.12.2: number of train bars of each split, and the sum over splits of (place + 1)
# times the sum of its train bars.
SKFOLIO = [
    ((6, 2, 60, 3, 2), [35, 27, 27, 27, 32, 32, 24, 24, 29, 32, 24, 29, 32, 29, 37], 87440),
    ((5, 3, 50, 2, 1), [17, 12, 15, 12, 10, 15, 15, 13, 13, 18], 14560),
    (
        (10, 2, 200, 4, 3),
        [153, *[142] * 7, 149, *(size for run in range(6, -1, -1) for size in (149, *[138] * run, 145)), 156],
        13600584,
    ),
]


@pytest.mark.parametrize(("arguments", "sizes", "checksum"), SKFOLIO)
def test_splits_are_those_of_skfolio(arguments, sizes, checksum):
    n_groups, n_test, n_bars, purge, embargo = arguments
    splits = combinatorial_purged(n_bars, n_groups=n_groups, n_test_groups=n_test, purge=purge, embargo=embargo)
    assert [int(split.train.sum()) for split in splits] == sizes
    assert sum((i + 1) * int(np.flatnonzero(split.train).sum()) for i, split in enumerate(splits)) == checksum


def test_one_split_of_skfolio_bar_by_bar():
    split = combinatorial_purged(60, n_groups=6, n_test_groups=2, purge=3, embargo=2)[1]
    assert split.test_groups == (0, 2)
    assert np.flatnonzero(split.test).tolist() == [*range(10), *range(20, 30)]
    assert np.flatnonzero(split.train).tolist() == [15, 16, *range(35, 60)]


def test_paths_are_those_of_skfolio_and_of_the_book():
    book = path_splits(n_groups=6, n_test_groups=2)  # Lopez de Prado 2018, figures 12.1 and 12.2: 15 splits, 5 paths
    assert book.tolist() == [
        [0, 0, 1, 2, 3, 4],
        [1, 5, 5, 6, 7, 8],
        [2, 6, 9, 9, 10, 11],
        [3, 7, 10, 12, 12, 13],
        [4, 8, 11, 13, 14, 14],
    ]
    assert path_splits(n_groups=5, n_test_groups=3)[3].tolist() == [3, 6, 6, 6, 7]


@given(st.integers(2, 7), st.data())
def test_every_test_group_of_every_split_is_in_one_path(n_groups, data):
    n_test = data.draw(st.integers(1, n_groups - 1))
    paths = path_splits(n_groups=n_groups, n_test_groups=n_test)
    assert paths.shape == (math.comb(n_groups, n_test) * n_test // n_groups, n_groups)
    splits = combinatorial_purged(n_groups, n_groups=n_groups, n_test_groups=n_test, purge=0, embargo=0)
    used = sorted((int(split), group) for row in paths for group, split in enumerate(row))
    assert used == sorted((i, group) for i, split in enumerate(splits) for group in split.test_groups)


def plain_choice(returns, holdings, split_of):
    """The row with the best Sharpe ratio on its own train bars in each split, the first of equals; -1 if none."""
    chosen = []
    for place in range(len(split_of(0))):
        scores = []
        for row, holding in zip(returns, holdings, strict=True):
            bars = row[split_of(int(holding))[place].train]
            if bars.size < 2:
                scores.append(-math.inf)
            else:
                scores.append(0.0 if np.ptp(bars) == 0.0 else bars.mean() / bars.std(ddof=1))
        chosen.append(int(np.argmax(scores)) if max(scores) > -math.inf else -1)
    return chosen


@pytest.mark.parametrize(("n_bars", "n_groups", "n_test", "embargo"), [(60, 6, 2, 1), (83, 5, 3, 0), (40, 4, 1, 4)])
def test_selection_equals_a_plain_twin(n_bars, n_groups, n_test, embargo):
    rng = np.random.default_rng(n_bars)
    returns = rng.standard_normal((9, n_bars))
    returns[4] = 0.0
    holdings = rng.integers(0, 6, 9)

    def split_of(holding):
        return combinatorial_purged(n_bars, n_groups=n_groups, n_test_groups=n_test, purge=holding, embargo=embargo)

    found = selection_paths(returns, holdings, n_groups=n_groups, n_test_groups=n_test, embargo=embargo)
    assert found.chosen.tolist() == plain_choice(returns, holdings, split_of)
    assert len(set(found.chosen.tolist())) > 2
    edges = group_edges(n_bars, n_groups)
    for path, splits in enumerate(path_splits(n_groups=n_groups, n_test_groups=n_test)):
        for group, split in enumerate(splits):
            bars = slice(edges[group], edges[group + 1])
            assert found.returns[path, bars].tolist() == returns[found.chosen[split], bars].tolist()
    sharpes = found.returns.mean(axis=1) / found.returns.std(axis=1, ddof=1)
    assert found.sharpes == pytest.approx(sharpes)
    assert (found.median, found.low) == pytest.approx((np.median(sharpes), np.quantile(sharpes, 0.05)))


def test_what_a_choice_sees_is_not_what_it_is_judged_by():
    # returns of the test bars, and of the bars a position of theirs reaches, change nothing that is chosen
    rng = np.random.default_rng(3)
    returns, holdings = rng.standard_normal((6, 100)), rng.integers(0, 9, 6)
    shape = {"n_groups": 5, "n_test_groups": 2, "embargo": 3}
    before = selection_paths(returns, holdings, **shape).chosen
    for place, split in enumerate(combinatorial_purged(100, n_groups=5, n_test_groups=2, purge=0, embargo=0)):
        spoilt = returns.copy()
        for row, holding in enumerate(holdings):
            train = combinatorial_purged(100, n_groups=5, n_test_groups=2, purge=int(holding), embargo=3)[place].train
            spoilt[row, ~train] = rng.normal(9.0, 0.1, (~train).sum())
        assert split.test.sum() == 40
        assert selection_paths(spoilt, holdings, **shape).chosen[place] == before[place]


def test_one_strategy_is_its_own_path_and_skill_shows_in_all():
    rng = np.random.default_rng(4)
    one = rng.standard_normal((1, 50))
    alone = selection_paths(one, np.array([2]), n_groups=5, n_test_groups=2, embargo=0)
    assert alone.sharpes == pytest.approx(np.full(4, one.mean() / one.std(ddof=1)))
    crowd = rng.standard_normal((20, 500))
    crowd[7] += 0.5
    skilled = selection_paths(crowd, np.full(20, 3), n_groups=10, n_test_groups=2, embargo=2)
    assert set(skilled.chosen.tolist()) == {7}
    noise = selection_paths(crowd[:7], np.full(7, 3), n_groups=10, n_test_groups=2, embargo=2)
    assert noise.median < 0.1 < 0.4 < skilled.low


def test_too_long_a_holding_time_leaves_nothing_to_choose_by():
    returns = np.random.default_rng(5).standard_normal((2, 40))
    found = selection_paths(returns, np.array([10**12, 40]), n_groups=4, n_test_groups=2, embargo=0)
    assert found.chosen.tolist() == [-1] * 6
    assert np.isnan(found.returns).all()
    assert math.isnan(found.median)
    assert math.isnan(found.low)
    mixed = selection_paths(returns, np.array([40, 0]), n_groups=4, n_test_groups=2, embargo=0)
    assert set(mixed.chosen.tolist()) == {1}


def test_bad_inputs_are_named():
    with pytest.raises(UsageError, match=r"`n_test_groups` must be at least 1 and below `n_groups`, but was 4 of 4"):
        path_splits(n_groups=4, n_test_groups=4)
    with pytest.raises(UsageError, match="must make at most 20000 splits, but was 184756"):
        path_splits(n_groups=20, n_test_groups=10)
    with pytest.raises(UsageError, match="every group must have a bar, but was 3 bars for 4 groups"):
        combinatorial_purged(3, n_groups=4, n_test_groups=1, purge=0, embargo=0)
    with pytest.raises(UsageError, match="`purge` must not be negative, but was -1"):
        combinatorial_purged(30, n_groups=4, n_test_groups=1, purge=-1, embargo=0)
    with pytest.raises(UsageError, match="`embargo` must not be negative, but was -2"):
        combinatorial_purged(30, n_groups=4, n_test_groups=1, purge=0, embargo=-2)
    shape = {"n_groups": 4, "n_test_groups": 2, "embargo": 0}
    with pytest.raises(UsageError, match=r"but was \(2, 30\) and \(3,\)"):
        selection_paths(np.zeros((2, 30)), np.zeros(3, dtype=np.int64), **shape)
    with pytest.raises(UsageError, match=r"`holdings` must be 0 bars or more, but was -1 \(strategy 1\)"):
        selection_paths(np.zeros((2, 30)), np.array([0, -1]), **shape)
    with pytest.raises(UsageError, match=r"a return must be finite, but was nan \(strategy 1, bar 0\)"):
        selection_paths(np.array([[0.0] * 30, [math.nan] * 30]), np.array([0, 0]), **shape)
