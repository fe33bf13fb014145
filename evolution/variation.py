"""From parents to a brood of children, each new to its island as far as a bounded number of tries can make it.

Every child has a stream of its own, keyed by seed, island, generation and its index among the births, and one more
for each further try. So a child re-derives from its parents' genomes and its birth id alone (`rederivation.rederive`).
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from evolution.deap_bridge import Candidate, Genes, Individual, lent, toolbox
from evolution.founding import founder_genomes
from evolution.keys import Place, Purpose
from evolution.pedigree import CROSSOVER, CROSSOVER_MUTATION, MUTATION, NO_PARENT
from evolution.population import ABSENT, find
from evolution.settings import EvolutionSettings
from strategies.codec import bounded, express, phenotype_keys
from strategies.sampler import random_genomes

Floats = NDArray[np.float64]
_MUTATED: Final = {CROSSOVER: CROSSOVER_MUTATION}  # what a further mutation makes of an operator; others stay


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
    parents: NDArray[np.int64]
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
    order: NDArray[np.int64],
    *,
    known_keys: NDArray[np.uint64],
    place: Place,
    settings: EvolutionSettings,
    first_index: int,
) -> Brood:
    """Return `population_size` children of the genomes `pool` (p, N_GENES), whose rows `order` (p,) lists best first.

    The children's indices among the births of the generation begin at `first_index`.
    """
    rng = random.Random()  # noqa: S311 - seeded from our keys before every use
    rows = pool.tolist()
    material = material_of(place, settings)
    children: list[Genes] = []
    operators = np.zeros(settings.population_size, dtype=np.int8)
    parents = np.full((settings.population_size, 2), NO_PARENT, dtype=np.int64)
    with lent(rng):
        for number, (a, b) in enumerate(_couples(order, place, settings, rng)):
            rng.seed(place.key(Purpose.VARIATION, index=first_index + number))
            child, operators[number] = conceive(rows[a], rows[b] if a != b else None, rng, material, settings)
            parents[number] = a, b if operators[number] != MUTATION else NO_PARENT
            children.append(child)
    return renew(
        bounded(np.array(children)),
        operators,
        parents,
        known_keys=known_keys,
        place=place,
        settings=settings,
        first_index=first_index,
        material=material,
    )


def renew(
    genomes: Floats,
    operators: NDArray[np.int8],
    parents: NDArray[np.int64],
    *,
    known_keys: NDArray[np.uint64],
    place: Place,
    settings: EvolutionSettings,
    first_index: int,
    material: Sequence[Genes] | None = None,
) -> Brood:
    """Return the brood of `genomes` (n, N_GENES), with duplicates mutated up to `max_retries` times to be new."""
    genomes, operators = genomes.copy(), operators.copy()
    phenotypes = express(genomes)
    keys = phenotype_keys(phenotypes)
    retries = np.zeros(len(genomes), dtype=np.int16)
    stale = _stale(keys, known_keys)
    for _ in range(settings.max_retries):
        rows = np.flatnonzero(stale)
        if len(rows) == 0:
            break
        material = material_of(place, settings) if material is None else material
        retries[rows] += 1
        tries = zip((rows + first_index).tolist(), retries[rows].tolist(), genomes[rows].tolist(), strict=True)
        genomes[rows] = bounded(np.array([mutated(genes, place, index, at, material) for index, at, genes in tries]))
        phenotypes[rows] = express(genomes[rows])
        keys[rows] = phenotype_keys(phenotypes[rows])
        operators[rows] = [_MUTATED.get(code, code) for code in operators[rows].tolist()]
        stale = _stale(keys, known_keys)
    return Brood(genomes, phenotypes, keys, operators, parents, retries, ~stale)


def _stale(keys: NDArray[np.uint64], known_keys: NDArray[np.uint64]) -> NDArray[np.bool_]:
    """Return (n,) whether a key is known already or stands earlier in `keys` (n, 2)."""
    stale = np.ones(len(keys), dtype=np.bool_)
    stale[np.unique(keys, axis=0, return_index=True)[1]] = False
    return stale | (find(known_keys, keys) != ABSENT)


def material_of(place: Place, settings: EvolutionSettings) -> list[Genes]:
    """Return the random genomes whose blocks mutation may take in this generation."""
    genomes: list[Genes] = random_genomes(settings.population_size, place.generator(Purpose.MATERIAL)).tolist()
    return genomes


def _couples(
    order: NDArray[np.int64], place: Place, settings: EvolutionSettings, rng: random.Random
) -> list[tuple[int, int]]:
    """Return a pair of parent rows for each child, each the winner of a tournament by place in `order`."""
    candidates = [Candidate(row, -position) for position, row in enumerate(order.tolist())]
    rng.seed(place.key(Purpose.PARENTS))
    chosen = toolbox().select(candidates, 2 * settings.population_size, tournsize=settings.tournament_size)
    rows = [candidate.row for candidate in chosen]
    return list(zip(rows[::2], rows[1::2], strict=True))


def conceive(
    first: Genes, second: Genes | None, rng: random.Random, material: Sequence[Genes], settings: EvolutionSettings
) -> tuple[Individual, int]:
    """Return a child of one parent or two, and the operator that made it; the parents stay as they are."""
    child = Individual(first)
    crossed = rng.random() < settings.crossover_rate
    if crossed and second is not None:
        child, _ = toolbox().mate(child, Individual(second), rng)
        if rng.random() >= settings.mutation_rate:
            return child, CROSSOVER
    toolbox().mutate(child, rng, material)
    return child, CROSSOVER_MUTATION if crossed and second is not None else MUTATION


def mutated(genes: Genes, place: Place, index: int, attempt: int, material: Sequence[Genes]) -> Individual:
    """Return a mutated copy of `genes`: the given further try at the birth with the given index."""
    rng = random.Random(place.key(Purpose.VARIATION, index=index, attempt=attempt))  # noqa: S311 - seeded from our keys
    mutant = Individual(genes)
    with lent(rng):
        toolbox().mutate(mutant, rng, material)
    return mutant
