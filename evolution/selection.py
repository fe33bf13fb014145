"""Who is better: Pareto ranks, crowding, and one strict order in which no two strategies tie.

Source: Deb, Pratap, Agarwal, Meyarivan 2002, "A fast and elitist multiobjective genetic algorithm: NSGA-II".
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import moocore
import numpy as np
from numpy.typing import NDArray

from evolution.key_sets import repeated
from evolution.ranking import crowding_nb, order_nb
from evolution.species import FREE
from fitness.objectives import CONSTRAINED
from strategies.views import frozen

Floats = NDArray[np.float64]
Preference = Callable[[Floats, NDArray[np.int64], NDArray[np.int64]], Floats]
"""Objectives (n, m), Pareto ranks (n,) and birth ids (n,) to what decides within a rank (n,), larger is better."""


class Standing(NamedTuple):
    """How n strategies stand to each other.

    Attributes:
        ranks: (n,) 0 for what nothing dominates; a strategy that is not feasible has a rank after all that are.
        preference: (n,) what decides within a rank, larger is better: the distance to its neighbours (inf at the ends)
            or another `Preference`; where constraints are broken, minus by how much; else 0 where not feasible.
        order: (n,) row numbers from best to worst.
    """

    ranks: NDArray[np.int64]
    preference: Floats
    order: NDArray[np.int64]


def feasible(objectives: Floats, reasons: NDArray[np.int16]) -> NDArray[np.bool_]:
    """Return (n,) whether a strategy may be ranked by its objectives: no reason against it, and all finite."""
    return (reasons == 0) & np.isfinite(objectives).all(axis=1)


def pareto_ranks(objectives: Floats) -> NDArray[np.int64]:
    """Return the ranks (n,) of finite `objectives` (n, m), all maximised: 0 for what nothing dominates."""
    if len(objectives) == 0:
        return np.zeros(0, dtype=np.int64)
    return moocore.pareto_rank(np.array(objectives), maximise=True).astype(np.int64)


def crowding_distances(objectives: Floats, ranks: NDArray[np.int64], tie_breaks: NDArray[np.int64]) -> Floats:
    """Return (n,): per rank, the sum over objectives of the gap between both neighbours over the rank's range.

    The two ends of each objective get inf. An objective that is equal in the whole rank adds nothing. Of equal
    values the smaller `tie_breaks` (n,) comes first, so the result does not depend on the order of rows.
    """
    distances = np.zeros(len(objectives))
    given = frozen(objectives, np.float64), frozen(ranks, np.int64), frozen(tie_breaks, np.int64)
    crowding_nb(*given, distances)
    return distances


def standing(
    objectives: Floats,
    reasons: NDArray[np.int16],
    keys: NDArray[np.uint64],
    birth_ids: NDArray[np.int64],
    *,
    violations: Floats | None = None,
    prefer: Preference = crowding_distances,
) -> Standing:
    """Return how n strategies stand: by rank, then what `prefer` says, then the older birth.

    Strategies that are not feasible come after all that are: first those that break a constraint, the least first
    (Deb 2000, "An efficient constraint handling method for genetic algorithms"), then by reason code; then by key and
    birth.

    Args:
        objectives: (n, m), all maximised.
        reasons: (n,).
        keys: (n, 2).
        birth_ids: (n,).
        violations: (n,) by how much constraints are broken, read where the reason says so; None where there are none.
        prefer: what decides within a rank.
    """
    fit = feasible(objectives, reasons)
    constrained = reasons == CONSTRAINED
    ranks = np.full(len(fit), len(fit), dtype=np.int64)
    ranks[~fit] += np.where(constrained, 0, reasons)[~fit]
    ranks[fit] = pareto_ranks(objectives[fit])
    preference = np.zeros(len(fit))
    if fit.any():
        preference[fit] = prefer(objectives[fit], ranks[fit], birth_ids[fit])
    if violations is not None:
        preference[constrained] = -violations[constrained]
    by_key = np.where(fit[:, None], np.uint64(0), keys)
    order = np.empty(len(fit), dtype=np.int64)
    columns = frozen(ranks, np.int64), frozen(-preference, np.float64), frozen(by_key, np.uint64)
    order_nb(*columns, frozen(birth_ids, np.int64), order)
    return Standing(ranks, preference, order)


def survivors(
    objectives: Floats,
    reasons: NDArray[np.int16],
    keys: NDArray[np.uint64],
    birth_ids: NDArray[np.int64],
    *,
    n: int,
    species: NDArray[np.int8] | None = None,
    floors: Sequence[int] = (),
    stand: Callable[[NDArray[np.int64]], Standing] | None = None,
) -> NDArray[np.int64]:
    """Return the `n` rows that live on, best first: different keys as far as they go, the oldest birth of each.

    Duplicates are taken, in the same order, only when there are fewer than `n` different keys. With `floors`, the least
    number of each of the `species` (rows,), see `with_floors`. `stand` says how some rows stand to each other; by
    default `standing` does.
    """

    def plain(rows: NDArray[np.int64]) -> Standing:
        return standing(objectives[rows], reasons[rows], keys[rows], birth_ids[rows])

    order_of = plain if stand is None else stand
    by_age = np.argsort(birth_ids, kind="stable")
    twin = repeated(keys[by_age])
    first = by_age[~twin]
    chosen = first[order_of(first).order]
    n_different = len(chosen)
    if len(chosen) < n:
        rest = by_age[twin]
        chosen = np.concatenate([chosen, rest[order_of(rest).order]])
    if species is None or not any(floors):
        return chosen[:n]
    fit = feasible(objectives[chosen], reasons[chosen])
    fit[n_different:] = False  # a twin meets no floor
    return chosen[with_floors(objectives[chosen], np.where(fit, species[chosen], FREE), n=n, floors=floors)]


def winners(n: int, n_tournaments: int, size: int, numbers: Floats) -> NDArray[np.int64]:
    """Return the winners (n_tournaments,): each the largest of `size` places below `n`.

    Of `numbers` (n_tournaments * size,) each draws one: u draws place `floor(u * n)`. As DEAP's `selTournament` has it,
    without a Python call for each.
    """
    return (numbers * n).astype(np.int64).reshape(n_tournaments, size).max(axis=1)


def with_floors(objectives: Floats, kinds: NDArray[np.integer], *, n: int, floors: Sequence[int]) -> NDArray[np.int64]:
    """Return the `n` rows that are taken of rows listed best first, ascending: the best, but so many of each species.

    The best of each objective is taken, then the best of every species up to its floor, then the best of all others. A
    species of which there are fewer is taken whole, and its places go to the others. Without floors, the first `n`.

    Args:
        objectives: (rows, m), all maximised, the best strategies first.
        kinds: (rows,) the species of each row, or `FREE` if it is not feasible or a twin: such meet no floor.
        n: how many are taken; no fewer than `m` and all floors together.
        floors: least number of each species.
    """
    taken = np.zeros(len(kinds), dtype=np.bool_)
    able = np.flatnonzero(kinds != FREE)
    if len(able):
        taken[able[np.argmax(objectives[able], axis=0)]] = True
    for species, floor in enumerate(floors):
        taken[np.flatnonzero(kinds == species)[:floor]] = True
    others = np.flatnonzero(~taken)
    taken[others[: max(n - int(taken.sum()), 0)]] = True
    return np.flatnonzero(taken)
