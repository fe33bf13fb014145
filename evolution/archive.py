"""A quality-diversity archive: of every way to behave, the best strategy met so far.

The space of behaviours (fitness/behaviour.py) is cut into cells (behaviour_cells.py), and each keeps one elite. What is
kept is decided here and not by ribs, because it must not depend, to the bit, on the order in which births come or on
how they are cut into batches: of all that ever lay in a cell the one with the highest first objective stays, of equals
the oldest birth.

An archive is a value: arrays that the state of an island holds. Nothing else is remembered, so a resumed job goes on
with the same bits.

Sources: Mouret and Clune 2015, "Illuminating search spaces by mapping elites", arXiv:1504.04909 (MAP-Elites); Pugh,
Soros and Stanley 2016, "Quality diversity: a new frontier for evolutionary computation", Frontiers in Robotics and AI
3:40 (QD score).
"""

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from evolution.behaviour_cells import ArchiveSettings, cells_of, has_cell
from fitness.behaviour import N_BEHAVIOURS
from strategies.errors import UsageError
from strategies.genes import N_GENES

__all__ = ["Archive", "ArchiveSettings", "ArchiveStats", "Candidates", "admitted", "figures", "new_archive", "offered"]

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


class Candidates(NamedTuple):
    """Births that may enter an archive, `n` of them, in any order.

    Attributes:
        genomes: (n, N_GENES).
        birth_ids: (n,) all different, the older the smaller.
        families: (n,) birth id of the founder or newcomer each descends from.
        species: (n,) codes of `strategies.species.SPECIES`.
        keys: (n, 2) phenotype keys.
        objectives: (n, m), all maximised, NaN where infeasible.
        measures: (n, k) what is recorded with a birth.
        behaviours: (n, N_BEHAVIOURS) in natural units, in the order of `BEHAVIOURS`, NaN where undefined.
    """

    genomes: Floats
    birth_ids: Integers
    families: Integers
    species: NDArray[np.int8]
    keys: NDArray[np.uint64]
    objectives: Floats
    measures: Floats
    behaviours: Floats


class Archive(NamedTuple):
    """The elites of `a` cells, in ascending order of cells: the columns of `Candidates`, and where each is kept.

    Attributes:
        cells: (a,) all different.
    """

    genomes: Floats
    birth_ids: Integers
    families: Integers
    species: NDArray[np.int8]
    keys: NDArray[np.uint64]
    objectives: Floats
    measures: Floats
    behaviours: Floats
    cells: Integers


class ArchiveStats(NamedTuple):
    """Figures of an archive.

    Attributes:
        n_cells: cells that are filled.
        coverage: their share of all cells.
        qd_score: sum over the elites of what their first objective is above the floor, none below 0.
        best: highest first objective; NaN if empty.
    """

    n_cells: int
    coverage: float
    qd_score: float
    best: float


def new_archive(n_objectives: int, n_measures: int) -> Archive:
    """Return an empty archive of births with so many objectives and measures."""
    return Archive(
        genomes=np.zeros((0, N_GENES)),
        birth_ids=np.zeros(0, dtype=np.int64),
        families=np.zeros(0, dtype=np.int64),
        species=np.zeros(0, dtype=np.int8),
        keys=np.zeros((0, 2), dtype=np.uint64),
        objectives=np.zeros((0, n_objectives)),
        measures=np.zeros((0, n_measures)),
        behaviours=np.zeros((0, N_BEHAVIOURS)),
        cells=np.zeros(0, dtype=np.int64),
    )


def admitted(archive: Archive, candidates: Candidates, settings: ArchiveSettings) -> tuple[Archive, Floats]:
    """Return the archive with these candidates in it, and the marginal contribution of each (n,).

    A candidate with an objective, or a behaviour among the dimensions, that is not finite stays out. The archive is
    the same whatever the order of the candidates and however they are cut into calls.

    A contribution is what the candidate that is now the elite of its cell adds to the QD score: its worth less that of
    the elite it displaced, in a new cell all of its worth; worth is the first objective over the floor, not below 0. It
    is 0 for all that are no elite. So the contributions of a call add up to the gain of the QD score.

    Raises:
        UsageError: columns of the candidates that don't fit those of the archive.
    """
    _check_columns(archive, candidates)
    fit = np.flatnonzero(np.isfinite(candidates.objectives).all(axis=1) & has_cell(candidates.behaviours, settings))
    cells = np.concatenate([archive.cells, cells_of(candidates.behaviours[fit], settings)])
    objectives = np.concatenate([archive.objectives[:, 0], candidates.objectives[fit, 0]])
    ids = np.concatenate([archive.birth_ids, candidates.birth_ids[fit]])
    order = np.lexsort((ids, -objectives, cells))  # stable: of the same birth, given twice, the one that is there
    elites = order[np.diff(cells[order], prepend=-1) != 0]
    contributions = np.zeros(len(candidates.birth_ids))
    entered = elites[elites >= len(archive.cells)]
    gains = _worth(objectives[entered], settings) - _worth_of_cells(archive, cells[entered], settings)
    contributions[fit[entered - len(archive.cells)]] = gains
    columns: list[Any] = list(zip(archive, candidates, strict=False))  # all but the cells
    merged: list[Any] = [np.concatenate([old, new[fit]])[elites] for old, new in columns]
    return Archive._make([*merged, cells[elites]]), contributions


def offered(archive: Archive, k: int, numbers: Floats) -> Integers:
    """Return rows of elites to be sent out, `k` or all that there are: cells drawn uniformly, none twice.

    Which strategies are sent doesn't depend on how good they are: what an archive has to give is variety.

    Args:
        archive: may be empty.
        k: rows wanted, 0 or more.
        numbers: `(k,)` or more, from [0, 1).
    """
    rows = np.arange(len(archive.cells))
    n_drawn = min(k, len(rows))
    for place in range(n_drawn):  # Fisher and Yates 1938, as far as it is needed
        other = place + int(numbers[place] * (len(rows) - place))
        rows[[place, other]] = rows[[other, place]]
    return rows[:n_drawn]


def figures(archive: Archive, settings: ArchiveSettings) -> ArchiveStats:
    """Return how full and how good an archive is."""
    n_filled, best = len(archive.cells), archive.objectives[:, 0]
    return ArchiveStats(
        n_cells=n_filled,
        coverage=n_filled / settings.n_cells,
        qd_score=math.fsum(_worth(best, settings)),
        best=float(best.max()) if n_filled else math.nan,
    )


def _worth(objectives: Floats, settings: ArchiveSettings) -> Floats:
    """What an elite is worth to the QD score."""
    return np.maximum(objectives - settings.floor, 0.0)


def _worth_of_cells(archive: Archive, cells: Integers, settings: ArchiveSettings) -> Floats:
    """What the elites of `cells` are worth, 0 where there is none."""
    found = np.zeros(len(cells))
    _, here, there = np.intersect1d(cells, archive.cells, assume_unique=True, return_indices=True)
    found[here] = _worth(archive.objectives[there, 0], settings)
    return found


def _check_columns(archive: Archive, candidates: Candidates) -> None:
    n = len(candidates.birth_ids)
    for name, column in candidates._asdict().items():
        wanted = (n, *getattr(archive, name).shape[1:])
        if column.shape != wanted:
            raise UsageError(
                f"`{name}` of the candidates must be {wanted}, as in the archive, but was {column.shape}. "
                "Make the archive with `new_archive` for births of this job."
            )
