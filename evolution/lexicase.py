"""Parents by epsilon-lexicase: cases in random order, and only who is nearly the best in one goes on to the next.

A strategy that is best in few cases and poor in the others is a parent as often as one that is good on average. So a
population keeps what works in one market or one time.

Source: La Cava, Spector, Danai 2016, "Epsilon-lexicase selection for regression"; the variants are named in La Cava,
Helmuth, Spector, Moore 2019, "A probabilistic and multi-objective analysis of lexicase selection". This is the
semi-dynamic one: epsilon is found once in the whole population, the best among those who are still in.
"""

import numpy as np
from numba import njit
from numpy.typing import NDArray

from evolution.philox import BLOCK, four_nb, words
from strategies.errors import UsageError
from strategies.numba_start import load_numba
from strategies.views import frozen

load_numba()

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


def lexicase_winners(cases: Floats, n: int, *, key: int, indices: Integers) -> Integers:
    """Return the rows (n,) of `n` winners, each of a contest of all p rows.

    In a contest each case, in an order of its own, leaves in it only those who are at most an epsilon below the best
    that is left. Epsilon is the median absolute deviation of the case over the population, see `epsilons`. Of those
    who are in after the last case each wins by the same chance.

    Number j of the stream of a contest's index under `key` says which case is next after j others, and number c who of
    those left, in the order of rows, wins.

    Args:
        cases: (p, c), larger is better, one row or more and one case or more. NaN is worse than any number: who has it
            leaves at this case, unless all who are in have it.
        n: contests.
        key: 128-bit key, see `keys.Place.key`.
        indices: (n,) names the stream of each contest.

    Raises:
        UsageError: nobody to choose from, no case, or another number of indices.
    """
    if cases.ndim != 2 or 0 in cases.shape or indices.shape != (n,):
        raise UsageError(
            f"`cases` must be (p, c) with one row and one case or more, and `indices` ({n},), but were {cases.shape} "
            f"and {indices.shape} (lexicase). Give the cases of those who may be parents, and an index for each winner."
        )
    out = np.empty(n, dtype=np.int64)
    by_case = frozen(np.where(np.isnan(cases), -np.inf, cases).T, np.float64)
    winners_nb(by_case, frozen(epsilons(cases), np.float64), words(key), frozen(indices, np.int64), out)
    return out


def epsilons(cases: Floats) -> Floats:
    """Return (c,) the median absolute deviation of each of `cases` (p, c) over its finite values; 0 without any."""
    out = np.zeros(cases.shape[1])
    for case, values in enumerate(cases.T):
        known = values[np.isfinite(values)]
        if len(known):
            out[case] = np.median(np.abs(known - np.median(known)))
    return out


@njit(cache=True, nogil=True, error_model="numpy")
def winners_nb(by_case: Floats, widths: Floats, key: NDArray[np.uint64], indices: Integers, out: Integers) -> None:
    """Fill `out` (n,) with the winners among p rows by `by_case` (c, p), no NaN, with the epsilons `widths` (c,)."""
    n_cases, p = by_case.shape
    order, rows = np.empty(n_cases, dtype=np.int64), np.empty(p, dtype=np.int64)
    for contest in range(indices.shape[0]):
        index, left = indices[contest], p
        for case in range(n_cases):
            order[case] = case
        for row in range(p):
            rows[row] = row
        for turn in range(n_cases):
            if left == 1:
                break
            number = four_nb(key, turn // BLOCK, index, 0, 0)[turn % BLOCK]
            drawn = turn + int(number * (n_cases - turn))
            case = order[drawn]
            order[drawn] = order[turn]
            values, best = by_case[case], -np.inf
            for at in range(left):
                best = max(best, values[rows[at]])
            least, kept = best - widths[case], 0
            for at in range(left):
                row = rows[at]
                rows[kept] = row
                kept += values[row] >= least
            left = kept
        if left > 1:
            number = four_nb(key, n_cases // BLOCK, index, 0, 0)[n_cases % BLOCK]
            out[contest] = rows[int(number * left)]
        else:
            out[contest] = rows[0]
