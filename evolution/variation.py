"""From parents to a brood of children, each new to its island as far as a bounded number of tries can make it.

Every child has a stream of its own, named by seed, island, generation and its index among the births, and one more
for each further try. So a child re-derives from its parents' genomes and its birth id alone (`rederivation.rederive`).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from evolution.crossover import N_NUMBERS, origins
from evolution.deap_bridge import winners
from evolution.founding import founders, newcomers
from evolution.key_sets import ABSENT, Keys, Runs, find, repeated
from evolution.keys import Place, Purpose
from evolution.mutation import mutated
from evolution.pedigree import CROSSOVER, CROSSOVER_MUTATION, MUTATION, NEWCOMER, NO_PARENT
from evolution.philox import uniforms
from evolution.settings import EvolutionSettings
from evolution.species import FREE, places
from strategies.codec import bounded, express, phenotype_keys
from strategies.species import TA, species_of

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Brood:
    """n children before they are evaluated.

    Attributes:
        genomes: (n, N_GENES), inside the gene bounds; phenotypes (n, N_GENES) and keys (n, 2) belong to them.
        species: (n,) codes of `strategies.species.SPECIES`.
        operators: (n,) codes of `pedigree.OPERATORS`.
        parents: (n, 2) rows of the parents in the pool they were bred from, `NO_PARENT` where there is none.
        retries: (n,) further mutations each took.
        fresh: (n,) whether it is to be evaluated: its key is not known, and no earlier child has it.
    """

    genomes: Floats
    phenotypes: Floats
    keys: NDArray[np.uint64]
    species: NDArray[np.int8]
    operators: NDArray[np.int8]
    parents: Integers
    retries: NDArray[np.int16]
    fresh: NDArray[np.bool_]


def found_brood(place: Place, settings: EvolutionSettings) -> Brood:
    """Return the founders of an island."""
    genomes, operators, _ = founders(place, settings)
    parents = np.full((len(genomes), 2), NO_PARENT, dtype=np.int64)
    nobody = np.zeros((0, 2), dtype=np.uint64)
    return renew(bounded(genomes), operators, parents, known_keys=nobody, place=place, settings=settings, first_index=0)


def breed(
    pool: Floats,
    order: Integers,
    kinds: NDArray[np.integer],
    *,
    known_keys: Keys | Runs,
    place: Place,
    settings: EvolutionSettings,
    first_index: int,
) -> Brood:
    """Return `population_size` children of the genomes `pool` (p, N_GENES), whose rows `order` (p,) lists best first.

    `kinds` (p,) are the species of the rows, `species.FREE` for those that are not feasible: the places of a species
    with a floor (`species.places`) are filled by parents of that kind, or by newcomers where there is none.
    `known_keys` are those of a `Register`, or one sorted run (k, 2) of keys. The children's indices among the births of
    the generation begin at `first_index`.
    """
    couples = _couples(order, kinds, place, settings)
    bred = np.flatnonzero(couples[:, 0] != NO_PARENT)
    genomes, operators = conceive(pool, couples[bred], first_index + bred, place, settings)
    couples[bred[operators == MUTATION], 1] = NO_PARENT
    if len(bred) < len(couples):
        genomes, operators = _with_newcomers(genomes, operators, bred, place, settings)
    return renew(
        genomes,
        operators,
        couples,
        known_keys=known_keys,
        place=place,
        settings=settings,
        first_index=first_index,
    )


def _couples(order: Integers, kinds: NDArray[np.integer], place: Place, settings: EvolutionSettings) -> Integers:
    """Return (population_size, 2) parent rows, each the winner of a tournament by place in `order`.

    In the places of a species the tournament is among its own; where it has none, there is no parent.
    """
    n, size = settings.population_size, settings.tournament_size
    numbers = uniforms(place.key(Purpose.PARENTS), 2 * n * size, indices=np.zeros(1, dtype=int)).reshape(n, 2 * size)
    belongs = places(settings.floor_counts, n)
    couples = np.full((n, 2), NO_PARENT, dtype=np.int64)
    for species in np.unique(belongs).tolist():
        rows = np.flatnonzero(belongs == species)
        among = order if species == FREE else order[kinds[order] == species]
        if len(among):
            merits = winners(len(among), 2 * len(rows), size, numbers[rows].reshape(-1))
            couples[rows] = among[::-1][merits].reshape(-1, 2)
    return couples


def _with_newcomers(
    genomes: Floats, operators: NDArray[np.int8], bred: Integers, place: Place, settings: EvolutionSettings
) -> tuple[Floats, NDArray[np.int8]]:
    """Return a whole brood of the children `bred` (k,) and the newcomers in all other places."""
    n = settings.population_size
    whole, codes = np.empty((n, genomes.shape[1])), np.full(n, NEWCOMER, dtype=np.int8)
    whole[bred], codes[bred] = genomes, operators
    belongs = places(settings.floor_counts, n)
    for species in np.unique(belongs[codes == NEWCOMER]).tolist():
        whole[belongs == species] = bounded(newcomers(place, settings, species))
    return whole, codes


def conceive(
    pool: Floats, parents: Integers, indices: Integers, place: Place, settings: EvolutionSettings
) -> tuple[Floats, NDArray[np.int8]]:
    """Return n children (n, N_GENES) and the operators (n,) that made them.

    Args:
        pool: (p, N_GENES) genomes inside the gene bounds.
        parents: (n, 2) rows of the pool; a child has one parent if both are the same or the second is `NO_PARENT`.
        indices: (n,) the children's indices among the births of the generation.
        place: where they are born.
        settings: of evolution.
    """
    key = place.key(Purpose.CROSSOVER)
    numbers = uniforms(key, 2 + N_NUMBERS, indices=indices)
    two = (parents[:, 1] != NO_PARENT) & (parents[:, 1] != parents[:, 0])
    crossed = two & (numbers[:, 0] < settings.crossover_rate)
    again = crossed & (numbers[:, 1] < settings.mutation_rate)
    operators = np.where(crossed, np.where(again, CROSSOVER_MUTATION, CROSSOVER), MUTATION).astype(np.int8)
    children, rows = pool[parents[:, 0]], np.flatnonzero(crossed)
    from_second = origins(numbers[rows, 2:], key, indices[rows], settings.language)
    children[rows] = np.where(from_second, pool[parents[rows, 1]], children[rows])
    rows = np.flatnonzero(operators != CROSSOVER)
    key, first = place.key(Purpose.MUTATION), np.zeros_like(rows)
    children[rows] = mutated(children[rows], key, indices[rows], first, settings.language)
    return children, operators


def renew(
    genomes: Floats,
    operators: NDArray[np.int8],
    parents: Integers,
    *,
    known_keys: Keys | Runs,
    place: Place,
    settings: EvolutionSettings,
    first_index: int,
) -> Brood:
    """Return the brood of `genomes` (n, N_GENES), with duplicates mutated up to `max_retries` times to be new."""
    genomes, operators = genomes.copy(), operators.copy()
    language = settings.language
    phenotypes = express(genomes, language)
    keys = phenotype_keys(phenotypes)
    retries = np.zeros(len(genomes), dtype=np.int16)
    known = find(known_keys, keys) != ABSENT
    stale = known | repeated(keys)
    key = place.key(Purpose.MUTATION)
    for _ in range(settings.max_retries):
        rows = np.flatnonzero(stale)
        if len(rows) == 0:
            break
        retries[rows] += 1
        genomes[rows] = mutated(genomes[rows], key, rows + first_index, retries[rows].astype(np.int64), language)
        phenotypes[rows] = express(genomes[rows], language)
        keys[rows] = phenotype_keys(phenotypes[rows])
        known[rows] = find(known_keys, keys[rows]) != ABSENT
        stale = known | repeated(keys)
    operators[(retries > 0) & (operators == CROSSOVER)] = CROSSOVER_MUTATION
    species = species_of(phenotypes) if language.learners else np.full(len(genomes), TA, dtype=np.int8)
    return Brood(genomes, phenotypes, keys, species, operators, parents, retries, ~stale)
