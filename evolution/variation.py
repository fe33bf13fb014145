"""From parents to a brood of children, each new to its island as far as a bounded number of tries can make it.

Every child has a stream of its own, named by seed, island, generation and its index among the births, and one more
for each further try. So a child re-derives from its parents' genomes and its birth id alone (`rederivation.rederive`).
"""

from dataclasses import dataclass, fields
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from evolution.crossover import N_NUMBERS, origins
from evolution.founding import founders, newcomers
from evolution.key_sets import ABSENT, Keys, Runs, find, repeated
from evolution.keys import Place, Purpose
from evolution.lexicase import lexicase_winners
from evolution.mutation import mutated
from evolution.pedigree import CROSSOVER, CROSSOVER_MUTATION, MUTATION, NEWCOMER, NO_PARENT, RESTART
from evolution.philox import uniforms
from evolution.selection import winners
from evolution.settings import EvolutionSettings
from evolution.species import FREE, places
from strategies.codec import bounded, express, phenotype_keys
from strategies.language import Language
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

    def within(self, budget: int | None) -> "Brood":
        """Return the first children, as many as a budget of so many evaluations allows."""
        if budget is None or int(self.fresh.sum()) <= budget:
            return self
        n = int(np.searchsorted(np.cumsum(self.fresh), budget, side="right"))
        return Brood(**{each.name: getattr(self, each.name)[:n] for each in fields(self)})


class Pool(NamedTuple):
    """Who may be a parent.

    Attributes:
        genomes: (p, N_GENES).
        order: (p,) rows, best first.
        kinds: (p,) the species of each, `species.FREE` for those that are not feasible.
        cases: (p, c) how good each is on every case; parents chosen by lexicase need them, for others (p, 0) will do.
    """

    genomes: Floats
    order: Integers
    kinds: NDArray[np.integer]
    cases: Floats


class Rates(NamedTuple):
    """Chances that a child has two parents, and that such a child is mutated too."""

    crossover: float
    mutation: float


def found_brood(place: Place, settings: EvolutionSettings) -> Brood:
    """Return the founders of an island."""
    genomes, operators, _ = founders(place, settings)
    nobody = np.zeros((0, 2), dtype=np.uint64)
    return _strangers(genomes, operators, known_keys=nobody, place=place, settings=settings, first_index=0)


def restart_brood(place: Place, settings: EvolutionSettings, *, known_keys: Keys, first_index: int) -> Brood:
    """Return a whole brood of strangers, drawn by the law of the founders."""
    genomes = founders(place, settings).genomes
    operators = np.full(len(genomes), RESTART, dtype=np.int8)
    return _strangers(
        genomes, operators, known_keys=known_keys, place=place, settings=settings, first_index=first_index
    )


def _strangers(
    genomes: Floats,
    operators: NDArray[np.int8],
    *,
    known_keys: Keys,
    place: Place,
    settings: EvolutionSettings,
    first_index: int,
) -> Brood:
    parents = np.full((len(genomes), 2), NO_PARENT, dtype=np.int64)
    return renew(
        bounded(genomes),
        operators,
        parents,
        known_keys=known_keys,
        place=place,
        settings=settings,
        first_index=first_index,
    )


def breed(
    pool: Pool,
    rates: Rates,
    *,
    known_keys: Keys | Runs,
    place: Place,
    settings: EvolutionSettings,
    first_index: int,
) -> Brood:
    """Return `population_size` children of a pool.

    The places of a species with a floor (`species.places`) are filled by parents of that kind, or by newcomers where
    there is none; the first places belong to newcomers of any kind, as many as the settings say. `known_keys` are those
    of a `Register`, or one sorted run (k, 2) of keys. The children's indices among the births of the generation begin
    at `first_index`.
    """
    couples = _couples(pool, place, settings)
    bred = np.flatnonzero(couples[:, 0] != NO_PARENT)
    operators = operators_of(couples[bred], first_index + bred, rates, place)
    couples[bred[operators == MUTATION], 1] = NO_PARENT
    genomes = conceive(pool.genomes, couples[bred], operators, first_index + bred, place, settings)
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


def _couples(pool: Pool, place: Place, settings: EvolutionSettings) -> Integers:
    """Return (population_size, 2) parent rows, each the winner of a tournament by place in the order or of lexicase.

    In the places of a species they are of its own; where it has none, there is no parent. Lexicase knows nothing of who
    is not feasible: where nobody is, parents win tournaments.
    """
    n, size, key = settings.population_size, settings.tournament_size, place.key(Purpose.PARENTS)
    numbers = uniforms(key, 2 * n * size, indices=np.zeros(1, dtype=int)).reshape(n, 2 * size)
    belongs = places(settings.floor_counts, n)
    couples = np.full((n, 2), NO_PARENT, dtype=np.int64)
    for species in np.unique(belongs).tolist():
        rows = np.flatnonzero(belongs == species)
        rows = rows[settings.n_newcomers :] if species == FREE else rows
        among = pool.order if species == FREE else pool.order[pool.kinds[pool.order] == species]
        able = among[pool.kinds[among] != FREE]
        if settings.parents == "lexicase" and len(able) and len(rows):
            cells = np.ascontiguousarray(pool.cases[able])
            indices = (2 * rows[:, np.newaxis] + np.arange(2)).reshape(-1)
            chosen = lexicase_winners(cells, len(indices), key=key, indices=indices)
            couples[rows] = able[chosen].reshape(-1, 2)
        elif len(among):
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
        whole[(belongs == species) & (codes == NEWCOMER)] = bounded(newcomers(place, settings, species))
    return whole, codes


def operators_of(parents: Integers, indices: Integers, rates: Rates, place: Place) -> NDArray[np.int8]:
    """Return the operators (n,) that make n children.

    Args:
        parents: (n, 2) rows of the pool; a child has one parent if both are the same or the second is `NO_PARENT`.
        indices: (n,) the children's indices among the births of the generation.
        rates: chances of the operators.
        place: where they are born.
    """
    numbers = uniforms(place.key(Purpose.CROSSOVER), 2, indices=indices)
    two = (parents[:, 1] != NO_PARENT) & (parents[:, 1] != parents[:, 0])
    crossed = two & (numbers[:, 0] < rates.crossover)
    again = crossed & (numbers[:, 1] < rates.mutation)
    return np.where(crossed, np.where(again, CROSSOVER_MUTATION, CROSSOVER), MUTATION).astype(np.int8)


def conceive(
    pool: Floats,
    parents: Integers,
    operators: NDArray[np.int8],
    indices: Integers,
    place: Place,
    settings: EvolutionSettings,
) -> Floats:
    """Return n children (n, N_GENES).

    Args:
        pool: (p, N_GENES) genomes inside the gene bounds.
        parents: (n, 2) rows of the pool.
        operators: (n,) that make them.
        indices: (n,) the children's indices among the births of the generation.
        place: where they are born.
        settings: of evolution.
    """
    children = pool[parents[:, 0]]
    rows, key = np.flatnonzero(operators != MUTATION), place.key(Purpose.CROSSOVER)
    numbers = uniforms(key, 2 + N_NUMBERS, indices=indices[rows])  # the first two chose the operator
    from_second = origins(numbers[:, 2:], key, indices[rows], settings.language)
    children[rows] = np.where(from_second, pool[parents[rows, 1]], children[rows])
    rows = np.flatnonzero(operators != CROSSOVER)
    key, first = place.key(Purpose.MUTATION), np.zeros_like(rows)
    children[rows] = mutated(children[rows], key, indices[rows], first, settings.language)
    return children


def as_given(
    genomes: Floats,
    operators: NDArray[np.int8],
    parents: Integers,
    *,
    known_keys: Keys | Runs,
    settings: EvolutionSettings,
) -> Brood:
    """Return the brood of `genomes` (n, N_GENES) as they are; duplicates among them stay, and are not fresh."""
    language = settings.language
    phenotypes = express(genomes, language)
    keys = phenotype_keys(phenotypes)
    fresh = (find(known_keys, keys) == ABSENT) & ~repeated(keys)
    retries = np.zeros(len(genomes), dtype=np.int16)
    return Brood(genomes, phenotypes, keys, _species(phenotypes, language), operators, parents, retries, fresh)


def _species(phenotypes: Floats, language: Language) -> NDArray[np.int8]:
    return species_of(phenotypes) if language.learners else np.full(len(phenotypes), TA, dtype=np.int8)


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
    genomes, language = genomes.copy(), settings.language
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
    return Brood(genomes, phenotypes, keys, _species(phenotypes, language), operators, parents, retries, ~stale)
