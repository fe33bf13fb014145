"""The stumps equal their plain twin to the bit; the bound is Hoeffding's and holds back what is chance."""

import importlib
import math

import numpy as np
import pytest

from strategies.learners import stumps as module
from strategies.learners.elementary import exp_nb, log_nb
from strategies.learners.stumps import stumps_nb

THRESHOLDS = [-1.5 + 0.25 * n for n in range(13)]


class Stump:
    """One feature's tree: counts by place, and the counts of its leaves."""

    def __init__(self):
        self.places = {(label, place): 0.0 for label in (0, 1) for place in range(14)}
        self.split = None
        self.leaves = {(side, label): 0.0 for side in (0, 1) for label in (0, 1)}

    def side(self, value):
        return int(self.split is not None and value > self.split)

    def add(self, value, label):
        self.places[label, sum(value > each for each in THRESHOLDS)] += 1.0
        self.leaves[self.side(value), label] += 1.0

    def total(self, label, first=0, last=13):
        found = 0.0
        for place in range(first, last + 1):
            found += self.places[label, place]
        return found

    def look(self, slack, kept):
        lower, upper = self.total(0), self.total(1)
        gains = {}
        for n, each in enumerate(THRESHOLDS):
            left = self.total(0, 0, n), self.total(1, 0, n)
            parts = gini(*left) + gini(lower - left[0], upper - left[1])
            gains[each] = (gini(lower, upper) - parts) / (lower + upper)
        best = max(gains, key=gains.get)
        bound = 0.5 * math.sqrt(slack / (lower + upper))
        if gains[best] > 0.0 and (
            gains[best] - gains.get(self.split, 0.0) > bound or (self.split is None and bound < module.TIE)
        ):
            self.split = best
        for key in self.places:
            self.places[key] *= kept
        last = 13 if self.split is None else THRESHOLDS.index(self.split)
        for label in (0, 1):
            self.leaves[0, label], self.leaves[1, label] = self.total(label, 0, last), self.total(label, last + 1)


def gini(lower, upper):
    return 2.0 * lower * upper / (lower + upper) if lower + upper > 0.0 else 0.0


def twin(x, y, horizon, p0, p1):
    trees, n_learnt, out, slack = [Stump() for _ in x[0]], 0, [], log_nb(1.0 / p1) / 2.0
    splits = []
    for bar in range(y.size):
        if np.isnan(x[bar]).any():
            out.append(math.nan)
        else:
            rows = [(t, v) for t, v in zip(trees, x[bar], strict=True) if t.split is not None] or [
                (trees[0], x[bar, 0])
            ]
            ratio = 1.0
            for tree, value in rows:
                lower, upper = (tree.leaves[tree.side(value), label] for label in (0, 1))
                ratio *= (lower + module.SHRINKAGE) / (upper + module.SHRINKAGE)
            out.append(1.0 / (1.0 + exp_nb(log_nb(ratio) / len(rows))))
        known = bar - horizon
        if known >= 0 and not np.isnan(x[known]).any() and (y[known] > 0.0 or y[known] < 0.0):
            for tree, value in zip(trees, x[known], strict=True):
                tree.add(value, int(y[known] > 0.0))
            n_learnt += 1
            if n_learnt % p0 == 0:
                for tree in trees:
                    tree.look(slack, 1.0 - p0 / module.MEMORY)
                splits.append([tree.split for tree in trees])
    return np.array(out), splits


@pytest.mark.parametrize(("p0", "p1", "horizon", "k"), [(50, 0.1, 1, 4), (100, 0.01, 5, 1), (200, 0.001, 20, 3)])
def test_it_is_its_twin(run, stream, p0, p1, horizon, k):
    x, y = stream(n=2_000, k=k, signal=lambda x: np.where(np.arange(2_000) < 1_000, 1, -1) * (x[:, 0] > 0.6), seed=k)
    x[100:103, -1], y[50], y[51:90:3] = np.nan, np.nan, 0.0
    x[:800, -1] = np.round(x[:800, -1] * 2.0) / 2.0  # on every other threshold: neighbours gain the same
    expected, splits = twin(x, y, horizon, p0, p1)
    assert any(each is not None for each in splits[-1])
    np.testing.assert_array_equal(run(stumps_nb, x, y, horizon, float(p0), p1), expected)


def test_laws(assert_laws):
    assert_laws(stumps_nb, 50.0, 0.1)


def test_a_threshold_is_found_soon_and_noise_is_not(run, stream):
    x, y = stream(n=1_000, k=3, signal=lambda x: np.where(x[:, 1] > 0.5, 1.5, -1.5))
    out, splits = run(stumps_nb, x, y, 5, 50.0, 0.01), twin(x, y, 5, 50, 0.01)[1]
    assert splits[1] == [None, 0.5, None]
    assert ((out > 0.5) == (y > 0))[200:].mean() > 0.9
    x, y = stream(n=900, k=3)
    assert twin(x, y, 5, 50, 0.01)[1][-1] == [None, None, None]
    assert np.abs(run(stumps_nb, x, y, 5, 50.0, 0.01)[200:] - 0.5).max() < 0.1


def test_it_turns_with_the_signal(run, stream):
    x, y = stream(n=4_000, k=2, signal=lambda x: np.where(x[:, 0] > -1.0, 1.0, -1.0), noise=0.3)
    y[2_000:] = np.where(x[2_000:, 0] > 1.0, 1.0, -1.0)
    out = run(stumps_nb, x, y, 5, 50.0, 0.01)
    assert ((out > 0.5) == (y > 0))[1_000:2_000].mean() > 0.9
    assert ((out > 0.5) == (y > 0))[3_500:].mean() > 0.9


def test_it_splits_as_a_hoeffding_tree_of_river(stream):
    tree = importlib.import_module("river.tree")
    x, y = stream(n=1_000, k=2, signal=lambda x: np.where(x[:, 1] > 0.5, 1.5, -1.5))
    theirs = tree.HoeffdingTreeClassifier(grace_period=50, delta=0.01, max_depth=1, split_criterion="gini")
    for row, label in zip(x, y > 0, strict=True):
        theirs.learn_one(dict(enumerate(row)), bool(label))
    assert theirs._root.feature == 1
    assert abs(theirs._root.threshold - 0.5) < 0.25
