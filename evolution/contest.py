"""How the members of an island stand to each other under the settings of a job: objectives, pressure, constraints."""

from functools import partial
from typing import Final

import numpy as np
from numpy.typing import NDArray

from evolution.constraints import violations
from evolution.key_sets import find
from evolution.niching import niche_preference
from evolution.pedigree import generation_of
from evolution.population import Merits
from evolution.pressure import pressure
from evolution.selection import Standing, crowding_distances, standing
from evolution.settings import EvolutionSettings
from fitness.behaviour import BEHAVIOURS
from fitness.objectives import CONSTRAINED, MEASURE_COLUMNS

Floats = NDArray[np.float64]

_DOINGS: Final = [MEASURE_COLUMNS.index(name) for name in ("n_trades", "win_rate", "exposure", "turnover")]


def stand(
    merits: Merits,
    birth_ids: NDArray[np.int64],
    families: NDArray[np.int64],
    *,
    generation: int,
    settings: EvolutionSettings,
) -> Standing:
    """Return how n strategies stand to each other in a generation.

    Args:
        merits: theirs, one row each.
        birth_ids: (n,).
        families: (n,) birth ids of the founders of their lines.
        generation: now; lines grow older by it.
        settings: of evolution.
    """
    objectives = merits.objectives
    if settings.pressure != "none" and len(objectives):
        ages = (generation - generation_of(families)).astype(np.float64)
        further = pressure(settings.pressure, ages=ages, descriptors=descriptors(merits.measures, settings))
        if further is not None:
            objectives = np.column_stack([objectives, further])
    broken = None
    if settings.constraints and (merits.reasons == CONSTRAINED).any():
        broken = violations(merits.measures, settings.constraints)
    prefer = crowding_distances
    if settings.survival == "nsga3":
        prefer = partial(niche_preference, n_wanted=settings.population_size)
    return standing(objectives, merits.reasons, merits.keys, birth_ids, violations=broken, prefer=prefer)


def first_case(settings: EvolutionSettings) -> int:
    """Return the column of the measures at which the cases begin."""
    return len(MEASURE_COLUMNS) + (len(BEHAVIOURS) if settings.archive is not None else 0)


def cases(measures: Floats, settings: EvolutionSettings) -> Floats:
    """Return how good strategies are on every cell (n, c) where parents are chosen by it; else no column."""
    if settings.parents != "lexicase":
        return np.zeros((len(measures), 0))
    return measures[:, first_case(settings) :]


def descriptors(measures: Floats, settings: EvolutionSettings) -> Floats:
    """Return what strategies do (n, d): the behaviours that an archive tells apart, or else what is recorded of it."""
    if settings.archive is not None:
        return measures[:, len(MEASURE_COLUMNS) : first_case(settings)]
    return measures[:, _DOINGS]


def measures_of(known: Merits, keys: NDArray[np.uint64]) -> Floats:
    """Return the measures (n, k) of strategies that are known, by their keys (n, 2)."""
    return known.measures[find(known.keys, keys)]
