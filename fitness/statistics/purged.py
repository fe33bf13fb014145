"""Combinatorial purged cross-validation: many out-of-sample histories of one procedure, without leaks between parts.

Time is cut into groups; every choice of a few of them is a test, the rest is for choosing. A bar near a test bar is
dropped from the train bars: `purge` bars before (a trade open there reaches into the test), `purge + embargo` bars
after (a trade of the test reaches out, and what depends on the recent past still remembers it). The tests of all splits
make up several whole histories, "paths", each group of each from another split.

Source: Lopez de Prado 2018, "Advances in Financial Machine Learning", sections 7.4 (purge, embargo) and 12.3 to 12.4.
"""

import itertools
import math
from dataclasses import dataclass
from typing import Final

import numpy as np
from numba import njit
from numpy.typing import NDArray

from fitness.statistics.pbo import sharpe_of_sums_nb
from strategies.errors import UsageError
from strategies.numba_start import load_numba
from strategies.views import frozen

load_numba()

Float64 = NDArray[np.float64]
Integers = NDArray[np.int64]
Booleans = NDArray[np.bool_]

MOST_SPLITS: Final = 20_000

_jit = njit(cache=True, nogil=True, error_model="numpy")


@dataclass(frozen=True)
class Split:
    """One choice of test groups.

    Attributes:
        test_groups: groups of the test, ascending.
        test: `(n_bars,)` bars of the test.
        train: `(n_bars,)` bars to choose by: those of the other groups that are not purged.
    """

    test_groups: tuple[int, ...]
    test: Booleans
    train: Booleans


@dataclass(frozen=True)
class SelectionPaths:
    """What choosing the best by Sharpe ratio made out of sample, as several whole histories.

    Attributes:
        sharpes: `(n_paths,)` Sharpe ratio of each path, per bar, ddof 1; 0 without spread, NaN below two bars.
        median: of these; NaN if one is.
        low: their 5 % quantile, interpolated; NaN if one is.
        chosen: `(n_splits,)` row that was chosen by the train bars of each split; -1 if no row had a Sharpe ratio.
        returns: `(n_paths, n_bars)` the stitched returns; NaN where nothing was chosen.
    """

    sharpes: Float64
    median: float
    low: float
    chosen: Integers
    returns: Float64


def group_edges(n_bars: int, n_groups: int) -> Integers:
    """Where groups begin, and `n_bars` `(n_groups + 1,)`; where it does not divide, the first are a bar longer.

    >>> group_edges(11, 4).tolist()
    [0, 3, 6, 9, 11]
    """
    least, longer = divmod(n_bars, n_groups)
    return np.concatenate(([0], np.cumsum(least + (np.arange(n_groups) < longer)))).astype(np.int64)


def path_splits(*, n_groups: int, n_test_groups: int) -> Integers:
    """Composition of the paths `(n_paths, n_groups)`: the split whose test gives a path its group.

    The j-th split that tests a group gives it to path j, so each pair of split and test group is in one path, and the
    number of paths is C(n_groups, n_test_groups) * n_test_groups / n_groups.

    Raises:
        UsageError: numbers of groups that make no split, or more than 20,000.

    >>> path_splits(n_groups=4, n_test_groups=2)
    array([[0, 0, 1, 2],
           [1, 3, 3, 4],
           [2, 4, 5, 5]])
    """
    tested = _tested(n_groups, n_test_groups)
    return np.array([np.flatnonzero(group) for group in tested.T], dtype=np.int64).T


def combinatorial_purged(
    n_bars: int, *, n_groups: int, n_test_groups: int, purge: int, embargo: int
) -> tuple[Split, ...]:
    """All splits of `n_bars` in lexicographic order of their test groups.

    Args:
        n_bars: length of the history.
        n_groups: parts of it, at least 2.
        n_test_groups: how many of them a test has, at least 1 and fewer than all.
        purge: longest time that a position is held, in bars.
        embargo: bars dropped after a test beyond the purge.

    Raises:
        UsageError: numbers of groups that make no split, groups without a bar, a negative purge or embargo.
    """
    tested = _tested(n_groups, n_test_groups)
    _check_bars(n_bars, n_groups, embargo)
    if purge < 0:
        raise UsageError(f"`purge` must not be negative, but was {purge}. Give the longest holding time in bars.")
    edges = group_edges(n_bars, n_groups)
    splits = []
    for groups in tested:
        test = np.repeat(groups, np.diff(edges))
        train = np.zeros(n_bars, dtype=np.bool_)
        for start, stop in _train_runs(groups, edges):
            train[start + (purge + embargo if start else 0) : max(start, stop - (purge if stop < n_bars else 0))] = True
        splits.append(Split(tuple(np.flatnonzero(groups).tolist()), test, train))
    return tuple(splits)


def selection_paths(
    returns: Float64, holdings: Integers, *, n_groups: int, n_test_groups: int, embargo: int
) -> SelectionPaths:
    """Out-of-sample paths of "take the one with the best Sharpe ratio", every one purged by its own holding time.

    Args:
        returns: `(n, n_bars)` per bar, finite.
        holdings: `(n,)` longest holding time of each in bars, at least 0.
        n_groups: parts of time.
        n_test_groups: parts of a test.
        embargo: bars dropped after a test beyond the holding time.

    A row without spread on its train bars has Sharpe 0 there, one with fewer than two train bars none; of equally good
    rows the first is chosen.

    Raises:
        UsageError: arrays that do not belong together, values that are not finite or negative, or what
            `combinatorial_purged` refuses.
    """
    if returns.ndim != 2 or not len(returns) or holdings.shape != returns.shape[:1]:
        raise UsageError(
            f"`returns` must be (n, n_bars) of at least one strategy and `holdings` (n,), but was {returns.shape} and "
            f"{holdings.shape}: pass those of the same strategies."
        )
    wrong = np.argwhere(~np.isfinite(returns))
    if wrong.size:
        raise UsageError(
            f"a return must be finite, but was {returns[tuple(wrong[0])]} (strategy {wrong[0][0]}, bar {wrong[0][1]})."
        )
    if not bool((holdings >= 0).all()):
        raise UsageError(f"`holdings` must be 0 bars or more, but was {holdings.min()} (strategy {holdings.argmin()}).")
    tested = _tested(n_groups, n_test_groups)
    n_bars = returns.shape[1]
    _check_bars(n_bars, n_groups, embargo)
    edges = group_edges(n_bars, n_groups)
    runs = [(split, *run) for split, groups in enumerate(tested) for run in _train_runs(groups, edges)]
    whole = frozen(np.minimum(np.ceil(holdings), n_bars), np.int64)
    sharpes = np.empty((len(returns), len(tested)))
    _train_sharpes_nb(
        frozen(returns, np.float64),
        frozen(whole, np.int64),
        min(embargo, n_bars),
        frozen(np.array(runs), np.int64),
        sharpes,
    )
    known = np.where(np.isnan(sharpes), -math.inf, sharpes)
    chosen = np.where(np.isfinite(known.max(axis=0)), known.argmax(axis=0), -1)
    stitched = _stitched(returns, chosen[path_splits(n_groups=n_groups, n_test_groups=n_test_groups)], edges)
    of_paths = np.array([_sharpe(path[np.isfinite(path)]) for path in stitched])
    return SelectionPaths(of_paths, float(np.median(of_paths)), float(np.quantile(of_paths, 0.05)), chosen, stitched)


def _tested(n_groups: int, n_test_groups: int) -> Booleans:
    """Which groups a split tests `(n_splits, n_groups)`."""
    if not 1 <= n_test_groups < n_groups:
        raise UsageError(
            f"`n_test_groups` must be at least 1 and below `n_groups`, but was {n_test_groups} of {n_groups}. "
            "Use 2 of 10."
        )
    n_splits = math.comb(n_groups, n_test_groups)
    if n_splits > MOST_SPLITS:
        raise UsageError(
            f"`n_test_groups` of `n_groups` must make at most {MOST_SPLITS} splits, but was {n_splits} "
            f"({n_test_groups} of {n_groups}). Use 2 of 10."
        )
    tested = np.zeros((n_splits, n_groups), dtype=np.bool_)
    for split, groups in enumerate(itertools.combinations(range(n_groups), n_test_groups)):
        tested[split, list(groups)] = True
    return tested


def _check_bars(n_bars: int, n_groups: int, embargo: int) -> None:
    if n_bars < n_groups:
        raise UsageError(f"every group must have a bar, but was {n_bars} bars for {n_groups} groups. Use fewer groups.")
    if embargo < 0:
        raise UsageError(f"`embargo` must not be negative, but was {embargo}. Use 0 or more bars.")


def _train_runs(groups: Booleans, edges: Integers) -> list[tuple[int, int]]:
    """Bars `(start, stop)` of each run of neighbouring groups that are not tested."""
    runs = []
    for is_test, members in itertools.groupby(range(groups.size), key=lambda group: bool(groups[group])):
        if not is_test:
            places = list(members)
            runs.append((int(edges[places[0]]), int(edges[places[-1] + 1])))
    return runs


def _stitched(returns: Float64, chosen: Integers, edges: Integers) -> Float64:
    """Returns `(n_paths, n_bars)` of the rows chosen for each group of each path `(n_paths, n_groups)`."""
    rows = np.repeat(chosen, np.diff(edges), axis=1)
    return np.where(rows >= 0, returns[rows, np.arange(returns.shape[1])], math.nan)


def _sharpe(returns: Float64) -> float:
    return float(sharpe_of_sums_nb(float(returns.size), float(returns.sum()), float((returns**2).sum())))


@_jit
def _train_sharpes_nb(returns: Float64, holdings: Integers, embargo: int, runs: Integers, out: Float64) -> None:
    """Fill the Sharpe ratio of each row on the purged train bars of each split; a run is (split, start, stop)."""
    n, n_bars = returns.shape
    total, squares = np.zeros(n_bars + 1), np.zeros(n_bars + 1)
    for row in range(n):
        for t in range(n_bars):
            x = returns[row, t]
            total[t + 1] = total[t] + x
            squares[t + 1] = squares[t] + x * x
        at = 0
        for split in range(out.shape[1]):
            count, add, add_squares = 0.0, 0.0, 0.0
            while at < runs.shape[0] and runs[at, 0] == split:
                start, stop = runs[at, 1], runs[at, 2]
                if start > 0:
                    start += holdings[row] + embargo
                if stop < n_bars:
                    stop -= holdings[row]
                if stop > start:
                    count += stop - start
                    add += total[stop] - total[start]
                    add_squares += squares[stop] - squares[start]
                at += 1
            out[row, split] = sharpe_of_sums_nb(count, add, add_squares)
