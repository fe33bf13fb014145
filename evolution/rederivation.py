"""The pedigree's proof: every birth made anew from its parents' genomes and its key."""

import numpy as np
from numpy.typing import NDArray

from evolution.founding import founder_genomes
from evolution.keys import Place, Purpose
from evolution.mutation import mutated
from evolution.pedigree import FOUNDER, MIGRANT, NO_PARENT, TEMPLATE, Births, index_of
from evolution.settings import EvolutionSettings
from evolution.variation import conceive
from strategies.codec import bounded

Integers = NDArray[np.int64]


def rederive(births: Births, seed: int, settings: EvolutionSettings) -> NDArray[np.float64]:
    """Return the genomes (n, N_GENES) of `births`, a closed pedigree, made anew; nothing is evaluated.

    Equal to `births.genome` to the bit if these births were bred with this seed and these settings.
    """
    made = np.empty_like(births.genome)
    by_id = np.argsort(births.birth_id, kind="stable")
    order = np.lexsort((births.generation, births.island))
    places = np.stack([births.island, births.generation], axis=1)[order]
    starts = np.flatnonzero((places[1:] != places[:-1]).any(axis=1)) + 1
    for rows in np.split(order, starts) if len(order) else ():
        place = Place(seed, int(births.island[rows[0]]), int(births.generation[rows[0]]))
        indices = index_of(births.birth_id[rows])
        genomes = _first_tries(births, rows, by_id, indices, place, settings)
        retries, key = births.retries[rows], place.key(Purpose.MUTATION)
        for attempt in range(1, int(retries.max()) + 1):
            again = np.flatnonzero(retries >= attempt)
            genomes[again] = mutated(genomes[again], key, indices[again], np.full(len(again), attempt))
        made[rows] = genomes
    return made


def _first_tries(
    births: Births, rows: Integers, by_id: Integers, indices: Integers, place: Place, settings: EvolutionSettings
) -> NDArray[np.float64]:
    """Return the genomes (n, N_GENES) of births of one place as they were before any further mutation."""
    operators, genomes = births.operator[rows], np.empty((len(rows), births.genome.shape[1]))
    founders = np.isin(operators, (FOUNDER, TEMPLATE))
    if founders.any():
        genomes[founders] = bounded(founder_genomes(place, settings)[0])[indices[founders]]
    parents = np.stack([_rows_of(births, by_id, column[rows]) for column in (births.parent_a, births.parent_b)], axis=1)
    migrants = operators == MIGRANT
    genomes[migrants] = births.genome[parents[migrants, 0]]
    bred = ~founders & ~migrants
    genomes[bred], _ = conceive(births.genome, parents[bred], indices[bred], place, settings)
    return genomes


def _rows_of(births: Births, by_id: Integers, ids: Integers) -> Integers:
    """Return the rows (n,) of the births `ids` (n,), `NO_PARENT` where there is none."""
    at = np.searchsorted(births.birth_id, ids, sorter=by_id)
    return np.where(ids == NO_PARENT, NO_PARENT, by_id[np.minimum(at, len(by_id) - 1)])
