"""The whole of evolution as one pure function: an island's state, some generations on.

Each generation: migrants arrive, parents are chosen by tournament, children are bred and those that are new are
evaluated, and the best of parents, migrants and children live on (mu + lambda), but of each species its floor. Chance
comes from keys of seed, island and generation alone, so `advance` by a + b generations is `advance` by a and then by b,
to the byte.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from evolution.admission import Evaluate
from evolution.figures import GenerationStats, generation_stats
from evolution.islands import Emigrants
from evolution.keys import MAX_BROOD, MAX_GENERATION, Place
from evolution.pedigree import MIGRANT, NO_PARENT, Births, birth_ids, concat
from evolution.population import ABSENT, Merits, State, enter, find
from evolution.screen import Memory, ScreenStats, check_memory, evaluate_screened, idle, new_memory, supersede
from evolution.selection import feasible, standing, survivors
from evolution.settings import EvolutionSettings
from evolution.species import FREE
from evolution.variation import Brood, breed, found_brood
from fitness.objectives import SCREENED_OUT
from strategies.errors import ConfigError, JournalError, UsageError
from strategies.genes import N_GENES


class Advance(NamedTuple):
    """What came of an epoch: the state after it, its births in order, and the figures of each generation.

    `screens` has what the screen did in each generation, nothing where no screen is set.
    """

    state: State
    births: Births
    stats: tuple[GenerationStats, ...]
    screens: tuple[ScreenStats, ...] = ()


class _Members(NamedTuple):
    """Strategies that may be parents or live on, with one row each."""

    genomes: NDArray[np.float64]
    families: NDArray[np.int64]
    species: NDArray[np.int8]
    objectives: NDArray[np.float64]
    reasons: NDArray[np.int16]
    keys: NDArray[np.uint64]
    birth_ids: NDArray[np.int64]

    @classmethod
    def of_state(cls, state: State) -> "_Members":
        fitness = (state.objectives, state.reasons, state.keys)
        return cls(state.genomes, state.families, state.species, *fitness, state.birth_ids)

    @classmethod
    def of_births(cls, births: Births) -> "_Members":
        fitness = (births.objectives, births.reason, births.key)
        return cls(births.genome, births.family, births.species, *fitness, births.birth_id)

    def followed_by(self, births: Births) -> "_Members":
        if not len(births):
            return self
        pairs: list[Any] = list(zip(self, _Members.of_births(births), strict=True))
        return _Members(*(np.concatenate(pair) for pair in pairs))

    def take(self, rows: NDArray[Any]) -> "_Members":
        every: list[Any] = list(self)
        return _Members(*(array[rows] for array in every))


def found(seed: int, island: int, settings: EvolutionSettings, evaluate: Evaluate) -> Advance:
    """Return generation 0 of an island: its founders, evaluated.

    Raises:
        ConfigError: a seed or an island out of range.
        StudbookError: `evaluate` returned arrays of another shape than asked for.
    """
    place = Place(seed, island, 0)
    brood = found_brood(place, settings)
    ids = birth_ids(island, 0, np.arange(len(brood.genomes)))
    nothing = new_memory(settings.screen)
    births, known, memory, screen = _bear(place, brood, ids, ids, brood.parents, None, evaluate, settings, nothing)
    state = _state(place, _Members.of_births(births), known, settings, memory)
    return Advance(state, births, (generation_stats(state, births, settings.language),), _some(screen))


def advance(
    state: State,
    evaluate: Evaluate,
    settings: EvolutionSettings,
    generations: int,
    immigrants: Sequence[Emigrants] | None = None,
) -> Advance:
    """Return `state` some generations on; the given state and immigrants stay as they are.

    Immigrants arrive in the first of these generations, before it breeds, with their fitness. `evaluate` gets the
    phenotypes (n, N_GENES) of new strategies only, each key at most once in the life of the island.

    Raises:
        UsageError: no generation to breed.
        ConfigError: more generations or births in one generation than a birth id can hold.
        JournalError: immigrants of this very island, or with other objectives or measures; a state of another screen.
        StudbookError: `evaluate` returned arrays of another shape than asked for.
    """
    if generations < 1:
        raise UsageError(f"`generations` must be at least 1, but was {generations} (advance). Ask for one or more.")
    if state.generation + generations > MAX_GENERATION:
        raise ConfigError(
            f"`generations` must end by {MAX_GENERATION}, but was {state.generation + generations} "
            f"(island {state.island}). Ask for fewer generations."
        )
    check_memory(state.screen, settings.screen)
    births, stats = [], []
    screens: list[ScreenStats] = []
    arrivals: Sequence[Emigrants] = immigrants or ()
    for _ in range(generations):
        state, born, screen = _generation(state, evaluate, settings, arrivals)
        births.append(born)
        stats.append(generation_stats(state, born, settings.language))
        screens += _some(screen)
        arrivals = ()
    return Advance(state, concat(births), tuple(stats), tuple(screens))


def _some(screen: ScreenStats | None) -> tuple[ScreenStats, ...]:
    return () if screen is None else (screen,)


def _generation(
    state: State, evaluate: Evaluate, settings: EvolutionSettings, immigrants: Sequence[Emigrants]
) -> tuple[State, Births, ScreenStats | None]:
    place = Place(state.seed, state.island, state.generation + 1)
    migrants = _arrive(state, immigrants, place, settings)
    known = enter(supersede(state.known, migrants.merits), migrants.merits)
    pool = _without_twins(_Members.of_state(state), migrants).followed_by(migrants)
    order = standing(pool.objectives, pool.reasons, pool.keys, pool.birth_ids).order
    kinds = np.where(feasible(pool.objectives, pool.reasons), pool.species, FREE)
    brood = breed(
        pool.genomes,
        order,
        kinds,
        known_keys=known.keys,
        place=place,
        settings=settings,
        first_index=len(migrants),
    )
    ids = birth_ids(place.island, place.generation, np.arange(len(brood.genomes)) + len(migrants))
    parents = np.where(brood.parents == NO_PARENT, NO_PARENT, pool.birth_ids[brood.parents])
    families = np.where(parents[:, 0] == NO_PARENT, ids, pool.families[brood.parents[:, 0]])
    children, known, memory, screen = _bear(
        place, brood, ids, families, parents, known, evaluate, settings, state.screen
    )
    return _state(place, pool.followed_by(children), known, settings, memory), concat([migrants, children]), screen


def _without_twins(members: _Members, migrants: Births) -> _Members:
    """The members, but for those screened out whose twin, known in full, has just arrived."""
    twin = (members.reasons == SCREENED_OUT) & (find(_sorted(migrants.key), members.keys) != ABSENT)
    return members.take(~twin) if twin.any() else members


def _sorted(keys: NDArray[np.uint64]) -> NDArray[np.uint64]:
    return keys[np.lexsort((keys[:, 1], keys[:, 0]))]


def _arrive(state: State, immigrants: Sequence[Emigrants], place: Place, settings: EvolutionSettings) -> Births:
    """Return the births of all immigrants on this island, in the order in which they come."""
    n = sum(len(group) for group in immigrants)
    _check_arrivals(state, immigrants, n + settings.population_size)
    merits = state.known.take(np.zeros(0, dtype=np.int64))
    for group in immigrants:
        merits = merits.followed_by(group.merits)
    nobody = np.full(n, NO_PARENT, dtype=np.int64)
    sources = np.concatenate([nobody[:0], *(group.birth_ids for group in immigrants)])
    return _births(
        place,
        ids=birth_ids(place.island, place.generation, np.arange(n)),
        genomes=np.concatenate([np.zeros((0, N_GENES)), *(group.genomes for group in immigrants)]),
        operators=np.full(n, MIGRANT, dtype=np.int8),
        parents=np.stack([sources, nobody], axis=1),
        families=np.concatenate([nobody[:0], *(group.families for group in immigrants)]),
        species=np.concatenate([np.zeros(0, dtype=np.int8), *(group.species for group in immigrants)]),
        retries=np.zeros(n, dtype=np.int16),
        evaluated=np.zeros(n, dtype=np.bool_),
        merits=merits,
    )


def _check_arrivals(state: State, immigrants: Sequence[Emigrants], n_births: int) -> None:
    if n_births > MAX_BROOD:
        raise ConfigError(
            f"Births of a generation, migrants and children, must be at most {MAX_BROOD}, but were {n_births} "
            f"(island {state.island}). Lower `population_size` or `n_migrants`."
        )
    wanted = (state.objectives.shape[1], state.known_measures.shape[1])
    for group in immigrants:
        given = (group.objectives.shape[1], group.measures.shape[1])
        if group.island == state.island or given != wanted:
            raise JournalError(
                f"Immigrants must come from another island with {wanted} objectives and measures, but came from island "
                f"{group.island} with {given} (island {state.island}). Pass emigrants of this job."
            )


def _bear(
    place: Place,
    brood: Brood,
    ids: NDArray[np.int64],
    families: NDArray[np.int64],
    parents: NDArray[np.int64],
    known: Merits | None,
    evaluate: Evaluate,
    settings: EvolutionSettings,
    memory: Memory,
) -> tuple[Births, Merits, Memory, ScreenStats | None]:
    """Return the births of a brood, its fresh children evaluated, the register with these entered, and the screen."""
    fresh = brood.fresh
    if fresh.any() or known is None:
        given, memory, screen = evaluate_screened(
            evaluate,
            brood.phenotypes[fresh],
            brood.keys[fresh],
            ids[fresh],
            brood.species[fresh],
            settings=settings,
            memory=memory,
        )
        new = Merits(brood.keys[fresh], given.objectives, given.reasons, given.measures)
        known = enter(new.take(np.zeros(0, dtype=np.int64)) if known is None else known, new)
    else:
        memory, screen = idle(memory, settings.screen)
    births = _births(
        place,
        ids=ids,
        genomes=brood.genomes,
        operators=brood.operators,
        parents=parents,
        families=families,
        species=brood.species,
        retries=brood.retries,
        evaluated=brood.fresh,
        merits=known.take(find(known.keys, brood.keys)),
    )
    return births, known, memory, screen


def _births(
    place: Place,
    *,
    ids: NDArray[np.int64],
    genomes: NDArray[np.float64],
    operators: NDArray[np.int8],
    parents: NDArray[np.int64],
    families: NDArray[np.int64],
    species: NDArray[np.int8],
    retries: NDArray[np.int16],
    evaluated: NDArray[np.bool_],
    merits: Merits,
) -> Births:
    """Return births of one place; `parents` is (n, 2)."""
    return Births(
        birth_id=ids,
        island=np.full(len(ids), place.island, dtype=np.int32),
        generation=np.full(len(ids), place.generation, dtype=np.int32),
        operator=operators,
        parent_a=parents[:, 0],
        parent_b=parents[:, 1],
        family=families,
        species=species,
        retries=retries,
        genome=genomes,
        key=merits.keys,
        evaluated=evaluated,
        objectives=merits.objectives,
        reason=merits.reasons,
        measures=merits.measures,
    )


def _state(place: Place, members: _Members, known: Merits, settings: EvolutionSettings, memory: Memory) -> State:
    """Return the state in which the best of `members` live on."""
    fitness = (members.objectives, members.reasons, members.keys, members.birth_ids)
    floors = settings.floor_counts
    rows = survivors(*fitness, n=settings.population_size, species=members.species, floors=floors)
    best = members.take(rows)
    return State(
        seed=place.seed,
        island=place.island,
        generation=place.generation,
        genomes=best.genomes,
        birth_ids=best.birth_ids,
        families=best.families,
        species=best.species,
        keys=best.keys,
        objectives=best.objectives,
        reasons=best.reasons,
        known_keys=known.keys,
        known_objectives=known.objectives,
        known_reasons=known.reasons,
        known_measures=known.measures,
        screen=memory,
    )
