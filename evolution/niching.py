"""The order within Pareto ranks that NSGA-III selects by: reference directions that few strategies are near come first.

Source: Deb and Jain 2014, "An evolutionary many-objective optimization algorithm using reference-point-based
nondominated sorting approach, part I", algorithms 1 to 4. Where it draws at random, here the smaller distance to the
reference direction decides, and then the older birth.
"""

import itertools
import math
from functools import cache
from typing import Final

import numpy as np
from numba import njit
from numpy.typing import NDArray

from evolution.ranking import order_nb
from strategies.errors import UsageError
from strategies.numba_start import load_numba
from strategies.views import frozen

load_numba()

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

MAX_REFERENCES: Final = 100_000
OFF_AXIS: Final = 1e6  # weight of the other axes in the scalarising function: one over the paper's 1e-6
NARROWEST: Final = 1e-6  # least intercept of the hyperplane, as a share of the range of the objective
CLOSE: Final = 1e-5  # how far the solved hyperplane may miss an extreme point


def niche_preference(
    objectives: Floats,
    ranks: Integers,
    birth_ids: Integers,
    *,
    n_wanted: int,
    divisions: int | None = None,
) -> Floats:
    """Return (n,) what to prefer within each rank, larger is better: 0 for the first of a rank, -1 for the next.

    The first `n_wanted` by rank, and then by this, are the survivors of NSGA-III. The same rule orders the ranks that
    survive whole, and those that do not at all. The result depends on the order of rows in nothing.

    The ideal point, the extreme points and the worst point are those of the ranks that it takes to fill `n_wanted`
    places; unlike the paper, no ideal point of earlier generations is remembered. Where the extreme points span no
    hyperplane, or one that cuts an axis near the ideal or beyond the worst point, the worst point stands for it.

    Args:
        objectives: (n, m), finite, all maximised.
        ranks: (n,) Pareto ranks, see `selection.pareto_ranks`.
        birth_ids: (n,), all different.
        n_wanted: how many are to survive, at least 1.
        divisions: of each axis of the simplex that holds the reference points, see `reference_points`; None takes the
            fewest that give `n_wanted` points or more.

    Raises:
        UsageError: shapes that don't fit, objectives that are not finite, a count that is too small, too many points.
    """
    _check(objectives, ranks, birth_ids, n_wanted)
    n, m = objectives.shape
    if n == 0:
        return np.zeros(0)
    directions = _directions(m, fewest_divisions(m, n_wanted) if divisions is None else divisions)
    last = np.partition(ranks, min(n_wanted, n) - 1)[min(n_wanted, n) - 1]
    costs = frozen(-objectives, np.float64)
    given = frozen(ranks, np.int64), frozen(birth_ids, np.int64)
    niches, distances, out = np.empty(n, dtype=np.int64), np.empty(n), np.empty(n)
    associate_nb(costs, *given, int(last), directions, niches, distances)
    prefer_nb(*given, niches, distances, len(directions), out)
    return out


def fewest_divisions(m: int, n_points: int) -> int:
    """Return the fewest divisions of each of `m` axes that give `n_points` reference points or more; 1 for one axis."""
    divisions = 1
    while m > 1 and math.comb(divisions + m - 1, m - 1) < n_points:
        divisions += 1
    return divisions


@cache
def reference_points(m: int, divisions: int) -> Floats:
    """Return the (h, m) points of the simplex whose coordinates are multiples of 1 / `divisions` and add up to 1.

    Source: Das and Dennis 1998, "Normal-boundary intersection".

    >>> reference_points(2, 2).tolist()
    [[0.0, 1.0], [0.5, 0.5], [1.0, 0.0]]
    """
    n_points = math.comb(divisions + m - 1, m - 1) if divisions > 0 else 0
    if not 1 <= n_points <= MAX_REFERENCES:
        raise UsageError(
            f"`divisions` must be at least 1 and give {MAX_REFERENCES:,} reference points at most, but was {divisions} "
            f"and gives {n_points:,} for {m} objectives (NSGA-III). Choose another number, or fewer objectives."
        )
    bars = np.array(list(itertools.combinations(range(divisions + m - 1), m - 1)), dtype=np.int64).reshape(n_points, -1)
    ends = np.full((n_points, 1), divisions + m - 1)
    counts = np.diff(np.concatenate([np.full((n_points, 1), -1), bars, ends], axis=1), axis=1) - 1
    return frozen(counts / divisions, np.float64)


@cache
def _directions(m: int, divisions: int) -> Floats:
    """Return the reference points (h, m), each scaled to length 1."""
    points = reference_points(m, divisions)
    squares = np.zeros(len(points))
    for axis in range(m):  # one after the other, as a kernel adds
        squares += points[:, axis] * points[:, axis]
    return frozen(points / np.sqrt(squares)[:, np.newaxis], np.float64)


def _check(objectives: Floats, ranks: Integers, birth_ids: Integers, n_wanted: int) -> None:
    if objectives.ndim != 2 or objectives.shape[1] < 1 or not ranks.shape == birth_ids.shape == objectives.shape[:1]:
        raise UsageError(
            f"`objectives` must be (n, m) with one column or more, `ranks` and `birth_ids` (n,), but were "
            f"{objectives.shape}, {ranks.shape} and {birth_ids.shape} (NSGA-III). Give one row for each strategy."
        )
    if n_wanted < 1:
        raise UsageError(f"`n_wanted` must be at least 1, but was {n_wanted} (NSGA-III). Ask for one or more.")
    bad = ~np.isfinite(objectives).all(axis=1)
    if bad.any():
        raise UsageError(
            f"`objectives` must be finite, but were {objectives[bad][0].tolist()} (row {int(np.argmax(bad))}, "
            "NSGA-III). Leave out what is not feasible."
        )


@njit(cache=True, nogil=True, error_model="numpy")
def associate_nb(
    costs: Floats,
    ranks: Integers,
    ids: Integers,
    last: int,
    directions: Floats,
    niches: Integers,
    distances: Floats,
) -> None:
    """Fill `niches` (n,) and `distances` (n,) with the nearest of `directions` (h, m) and how far it is.

    `costs` (n, m) are minimised. The rows of rank `last` or less set the scale. The nearest direction is the one with
    the longest projection on it, of equal ones the first.
    """
    n, m = costs.shape
    ideal, scale, point = np.empty(m), np.empty(m), np.empty(m)
    scale_nb(costs, ranks, ids, last, ideal, scale)
    for row in range(n):
        for axis in range(m):
            point[axis] = (costs[row, axis] - ideal[axis]) / scale[axis]
        longest, nearest = -np.inf, 0
        for direction in range(directions.shape[0]):
            length = 0.0
            for axis in range(m):
                length += point[axis] * directions[direction, axis]
            if length > longest:
                longest, nearest = length, direction
        square = 0.0
        for axis in range(m):
            off = point[axis] - longest * directions[nearest, axis]
            square += off * off
        niches[row] = nearest
        distances[row] = np.sqrt(square) if square < np.inf else np.inf  # also where differences overflowed


@njit(cache=True, nogil=True, error_model="numpy")
def scale_nb(costs: Floats, ranks: Integers, ids: Integers, last: int, ideal: Floats, scale: Floats) -> None:
    """Fill `ideal` (m,) and `scale` (m,), the intercepts seen from there; 1 for an objective that is equal in all."""
    n, m = costs.shape
    ideal[:] = np.inf
    scale[:] = -np.inf
    for row in range(n):
        if ranks[row] <= last:
            for axis in range(m):
                ideal[axis] = min(ideal[axis], costs[row, axis])
                scale[axis] = max(scale[axis], costs[row, axis])
    plane, solution = np.empty((m, m)), np.empty(m)
    for axis in range(m):
        scale[axis] -= ideal[axis]
        extreme = extreme_nb(costs, ranks, ids, last, ideal, axis)
        for other in range(m):
            plane[axis, other] = costs[extreme, other] - ideal[other]
    sound = solve_nb(plane, solution)
    for axis in range(m):
        sound = sound and NARROWEST * scale[axis] < 1.0 / solution[axis] <= scale[axis]
    for axis in range(m):
        if sound:
            scale[axis] = 1.0 / solution[axis]
        elif scale[axis] == 0.0:  # equal in all that may survive: the range of all others
            widest = np.abs(costs[:, axis] - ideal[axis]).max()
            scale[axis] = widest if widest > 0.0 else 1.0


@njit(cache=True, nogil=True, error_model="numpy")
def extreme_nb(costs: Floats, ranks: Integers, ids: Integers, last: int, ideal: Floats, axis: int) -> int:
    """Return the row with the least achievement scalarising function of an axis, of equal ones the older birth."""
    extreme, least = -1, np.inf
    for row in range(costs.shape[0]):
        if ranks[row] > last:
            continue
        height = 0.0
        for other in range(costs.shape[1]):
            weight = 1.0 if other == axis else OFF_AXIS
            height = max(height, (costs[row, other] - ideal[other]) * weight)
        if extreme < 0 or height < least or (height == least and ids[row] < ids[extreme]):
            extreme, least = row, height
    return extreme


@njit(cache=True, nogil=True, error_model="numpy")
def solve_nb(plane: Floats, solution: Floats) -> bool:
    """Fill `solution` (m,) with x so that `plane` (m, m) @ x = 1; return whether there is one that holds.

    By elimination with row pivots, not by a library: a sum that differs in its last bit by machine must not decide.
    """
    m = solution.shape[0]
    left = plane.copy()
    solution[:] = 1.0
    for axis in range(m):
        pivot = axis + np.argmax(np.abs(left[axis:, axis]))
        for column in range(m):
            left[axis, column], left[pivot, column] = left[pivot, column], left[axis, column]
        solution[axis], solution[pivot] = solution[pivot], solution[axis]
        if left[axis, axis] == 0.0:
            return False
        for row in range(axis + 1, m):
            factor = left[row, axis] / left[axis, axis]
            for column in range(axis, m):
                left[row, column] -= factor * left[axis, column]
            solution[row] -= factor * solution[axis]
    for axis in range(m - 1, -1, -1):
        for column in range(axis + 1, m):
            solution[axis] -= left[axis, column] * solution[column]
        solution[axis] /= left[axis, axis]
    return missed_nb(plane, solution) <= CLOSE


@njit(cache=True, nogil=True, error_model="numpy")
def missed_nb(plane: Floats, solution: Floats) -> float:
    """Return by how much `plane` (m, m) @ `solution` (m,) misses 1 at most; NaN counts as inf."""
    most = 0.0
    for row in range(plane.shape[0]):
        reached = -1.0
        for column in range(plane.shape[1]):
            reached += plane[row, column] * solution[column]
        most = max(most, abs(reached)) if abs(reached) < np.inf else np.inf
    return most


@njit(cache=True, nogil=True, error_model="numpy")
def prefer_nb(ranks: Integers, ids: Integers, niches: Integers, distances: Floats, n_niches: int, out: Floats) -> None:
    """Fill `out` (n,) with minus the place of each row in its rank.

    The paper takes one strategy after the other, always from a niche with the fewest so far. As the nearest of a niche
    goes first, a strategy is taken when its niche has as many as there are before it: in earlier ranks, and nearer in
    its own. So the order of a rank is that of these counts, then of distance, then of birth.
    """
    n = ranks.shape[0]
    order, nothing = np.empty(n, dtype=np.int64), np.zeros((n, 2), dtype=np.uint64)
    order_nb(ranks, distances, nothing, ids, order)
    counts, before, sorted_ranks = np.zeros(n_niches, dtype=np.int64), np.empty(n), np.empty(n, dtype=np.int64)
    for at in range(n):
        niche = niches[order[at]]
        before[at], sorted_ranks[at] = counts[niche], ranks[order[at]]
        counts[niche] += 1
    again = np.empty(n, dtype=np.int64)
    order_nb(sorted_ranks, before, nothing, np.arange(n), again)
    place = 0
    for at in range(n):
        row = order[again[at]]
        if at > 0 and ranks[row] != ranks[order[again[at - 1]]]:
            place = 0
        out[row] = -float(place)
        place += 1
