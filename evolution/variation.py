"""From parents to a brood of children, each new to its island as far as a bounded number of tries can make it.

Every child has a stream of its own, named by seed, island, generation and its index among the births, and one more
for each further try. So a child re-derives from its parents' genomes and its birth id alone (`rederivation.rederive`).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from evolution.crossover import N_NUMBERS, origins
from evolution.deap_bridge import winners
from evolution.founding import founder_genomes
from evolution.key_sets import ABSENT, Keys, Runs, find, repeated
from evolution.keys import Place, Purpose
from evolution.mutation import mutated
from evolution.pedigree import CROSSOVER, CROSSOVER_MUTATION, MUTATION, NO_PARENT
from evolution.philox import uniforms
from evolution.settings import EvolutionSettings
from strategies.codec import bounded, express, phenotype_keys

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Brood:
    """n children before they are evaluated.

    Attributes:
        genomes: (n, N_GENES), inside the gene bounds; phenotypes (n, N_GENES) and keys (n, 2) belong to them.
        operators: (n,) codes of `pedigree.OPERATORS`.
        parents: (n, 2) rows of the parents in the pool they were bred from, `NO_PARENT` where there is none.
        retries: (n,) further mutations each took.
        fresh: (n,) whether it is to be evaluated: its key is not known, and no earlier child has it.
    """

    genomes: Floats
    phenotypes: Floats
    keys: NDArray[np.uint64]
    operators: NDArray[np.int8]
    parents: Integers
    retries: NDArray[np.int16]
    fresh: NDArray[np.bool_]


def found_brood(place: Place, settings: EvolutionSettings) -> Brood:
    """Return the founders of an island."""
    genomes, operators = founder_genomes(place, settings)
    parents = np.full((len(genomes), 2), NO_PARENT, dtype=np.int64)
    nobody = np.zeros((0, 2), dtype=np.uint64)
    return renew(bounded(genomes), operators, parents, known_keys=nobody, place=place, settings=settings, first_index=0)


def breed(
    pool: Floats,
    order: Integers,
    *,
    known_keys: Keys | Runs,
    place: Place,
    settings: EvolutionSettings,
    first_index: int,
) -> Brood:
    """Return `population_size` children of the genomes `pool` (p, N_GENES), whose rows `order` (p,) lists best first.

    `known_keys` are those of a `Register`, or one sorted run (k, 2) of keys. The children's indices among the births of
    the generation begin at `first_index`.
    """
    couples = _couples(order, place, settings)
    indices = first_index + np.arange(len(couples))
    genomes, operators = conceive(pool, couples, indices, place, settings)
    couples[operators == MUTATION, 1] = NO_PARENT
    return renew(
        genomes,
        operators,
        couples,
        known_keys=known_keys,
        place=place,
        settings=settings,
        first_index=first_index,
    )


def _couples(order: Integers, place: Place, settings: EvolutionSettings) -> Integers:
    """Return (population_size, 2) parent rows, each the winner of a tournament by place in `order`."""
    n_parents = 2 * settings.population_size
    numbers = uniforms(place.key(Purpose.PARENTS), n_parents * settings.tournament_size, indices=np.zeros(1, dtype=int))
    merits = winners(len(order), n_parents, settings.tournament_size, numbers[0])
    return order[::-1][merits].reshape(-1, 2)


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
    from_second = origins(numbers[rows, 2:], key, indices[rows])
    children[rows] = np.where(from_second, pool[parents[rows, 1]], children[rows])
    rows = np.flatnonzero(operators != CROSSOVER)
    children[rows] = mutated(children[rows], place.key(Purpose.MUTATION), indices[rows], np.zeros_like(rows))
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
    phenotypes = express(genomes)
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
        genomes[rows] = mutated(genomes[rows], key, rows + first_index, retries[rows].astype(np.int64))
        phenotypes[rows] = express(genomes[rows])
        keys[rows] = phenotype_keys(phenotypes[rows])
        known[rows] = find(known_keys, keys[rows]) != ABSENT
        stale = known | repeated(keys)
    operators[(retries > 0) & (operators == CROSSOVER)] = CROSSOVER_MUTATION
    return Brood(genomes, phenotypes, keys, operators, parents, retries, ~stale)
