"""The pedigree's proof: every birth made anew from its parents' genomes and its key."""

import numpy as np
from numpy.typing import NDArray

from evolution.founding import founders, newcomers
from evolution.keys import Place, Purpose
from evolution.mutation import mutated
from evolution.pedigree import FOUNDER, MIGRANT, NEWCOMER, NO_PARENT, REFINED, RESTART, TEMPLATE, Births, index_of
from evolution.refinement import History, refine_key
from evolution.refining import proposals
from evolution.settings import EvolutionSettings
from evolution.species import places
from evolution.variation import conceive
from strategies.codec import bounded
from strategies.genes import N_GENES

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
            genomes[again] = mutated(
                genomes[again], key, indices[again], np.full(len(again), attempt), settings.language
            )
        made[rows] = genomes
    return made


def _first_tries(
    births: Births, rows: Integers, by_id: Integers, indices: Integers, place: Place, settings: EvolutionSettings
) -> NDArray[np.float64]:
    """Return the genomes (n, N_GENES) of births of one place as they were before any further mutation."""
    operators, genomes = births.operator[rows], np.empty((len(rows), births.genome.shape[1]))
    first = np.isin(operators, (FOUNDER, TEMPLATE))
    if first.any():
        genomes[first] = bounded(founders(place, settings).genomes)[indices[first]]
    parents = np.stack([_rows_of(births, by_id, column[rows]) for column in (births.parent_a, births.parent_b)], axis=1)
    migrants = operators == MIGRANT
    genomes[migrants] = births.genome[parents[migrants, 0]]
    strangers = operators == NEWCOMER
    n_migrants = int(migrants.sum())  # children come after all migrants, and each has its place in the brood
    if strangers.any():
        genomes[strangers] = _newcomers(indices[strangers] - n_migrants, place, settings)
    anew = operators == RESTART
    if anew.any():
        genomes[anew] = bounded(founders(place, settings).genomes)[indices[anew] - n_migrants]
    refined = np.flatnonzero(operators == REFINED)
    for parent in np.unique(parents[refined, 0]).tolist():
        mine = refined[parents[refined, 0] == parent]
        genomes[mine] = _refined(births, parent, rows[mine], place, settings)
    bred = ~(first | migrants | strangers | anew | (operators == REFINED))
    genomes[bred] = conceive(births.genome, parents[bred], operators[bred], indices[bred], place, settings)
    return genomes


def _refined(
    births: Births, parent: int, rows: Integers, place: Place, settings: EvolutionSettings
) -> NDArray[np.float64]:
    """Return the genomes (n, N_GENES) of the births `rows` (n,) that one parent was refined to in one generation."""
    size, told, made = settings.refine.batch, History(), np.empty((len(rows), N_GENES))
    start, value = births.genome[parent], float(births.objectives[parent, 0])
    key = refine_key(place, int(births.birth_id[parent]))
    for first in range(0, len(rows), size):
        batch = rows[first : first + size]
        proposed = proposals(
            start, value, told.batches, n=size, key=key, settings=settings.refine, language=settings.language
        )
        made[first : first + size] = proposed[: len(batch)]
        told = told.followed_by(births.genome[batch], births.objectives[batch, 0])
    return made


def _newcomers(numbers: Integers, place: Place, settings: EvolutionSettings) -> NDArray[np.float64]:
    """Return the genomes (n, N_GENES) of the newcomers in places `numbers` (n,) of a brood."""
    belongs = places(settings.floor_counts, settings.population_size)
    brood = np.empty((len(belongs), N_GENES))
    for species in np.unique(belongs[numbers]).tolist():
        rows = np.flatnonzero(belongs == species)
        drawn = bounded(newcomers(place, settings, species))
        brood[rows[: len(drawn)]] = drawn
    return brood[numbers]


def _rows_of(births: Births, by_id: Integers, ids: Integers) -> Integers:
    """Return the rows (n,) of the births `ids` (n,), `NO_PARENT` where there is none."""
    at = np.searchsorted(births.birth_id, ids, sorter=by_id)
    return np.where(ids == NO_PARENT, NO_PARENT, by_id[np.minimum(at, len(by_id) - 1)])
