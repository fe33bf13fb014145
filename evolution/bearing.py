"""How births come to be: migrants that arrive, broods whose new strategies are evaluated, batches of a refinement."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from evolution.admission import Evaluate
from evolution.islands import Emigrants
from evolution.keys import MAX_BROOD, Place
from evolution.members import Members
from evolution.pedigree import MIGRANT, NO_PARENT, REFINED, Births, birth_ids, concat
from evolution.population import Merits, State, enter, find
from evolution.refinement import Refined
from evolution.screen import Memory, ScreenStats, evaluate_screened, idle, in_full
from evolution.settings import EvolutionSettings
from evolution.variation import Brood, as_given
from fitness.objectives import Evaluation
from strategies.errors import ConfigError, JournalError
from strategies.genes import N_GENES


@dataclass(frozen=True, eq=False)
class Nursery:
    """One generation of one island while it bears.

    Attributes:
        place: which.
        settings: of evolution.
        evaluate: what tells the fitness of phenotypes.
        known: every strategy whose fitness is known by now; None before the founders.
        memory: what the screen remembers.
        n_evaluated: evaluations of this island in all its life by now.
        n_born: births of this generation by now.
        screen: what the screen did in this generation.
    """

    place: Place
    settings: EvolutionSettings
    evaluate: Evaluate
    known: Merits | None
    memory: Memory
    n_evaluated: int
    n_born: int
    screen: ScreenStats | None = None

    @property
    def budget(self) -> int | None:
        """How many evaluations are left; None if any number."""
        whole = self.settings.budget(self.place.island)
        return None if whole is None else max(whole - self.n_evaluated, 0)


def arrive(state: State, immigrants: Sequence[Emigrants], place: Place, settings: EvolutionSettings) -> Births:
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


def bear(brood: Brood, members: Members | None, nursery: Nursery) -> tuple[Births, Nursery]:
    """Return the births of a brood, its fresh children evaluated, and the nursery after them.

    What the budget of the island does not allow is not born. `members` are those that `brood.parents` are rows of; None
    if nobody has parents.
    """
    brood = brood.within(nursery.budget)
    fresh, settings, memory = brood.fresh, nursery.settings, nursery.memory
    ids = birth_ids(nursery.place.island, nursery.place.generation, np.arange(len(brood.genomes)) + nursery.n_born)
    if fresh.any() or nursery.known is None:
        given, memory, screen = evaluate_screened(
            nursery.evaluate,
            brood.phenotypes[fresh],
            brood.keys[fresh],
            ids[fresh],
            brood.species[fresh],
            settings=settings,
            memory=memory,
        )
        known = _entered(nursery.known, brood.keys[fresh], given)
    else:
        known = nursery.known
        memory, screen = idle(memory, settings.screen)
    births = _of_brood(brood, ids, members, known, nursery.place)
    return births, _after(nursery, births, known, memory=memory, screen=screen)


def bear_refined(members: Members, rows: NDArray[np.int64], nursery: Nursery) -> tuple[Births, Nursery]:
    """Return the births by which some members, rows (r,), are refined, and the nursery after them.

    Batch after batch: each parent's next proposals are made from what its earlier ones were worth. All of a batch are
    evaluated in full, whatever the screen says.
    """
    settings, place = nursery.settings, nursery.place
    parents = [
        Refined(row, int(members.birth_ids[row]), members.genomes[row], float(members.objectives[row, 0]))
        for row in rows.tolist()
    ]
    births: list[Births] = []
    for _ in range(settings.refine.batches):
        for number, parent in enumerate(parents):
            if nursery.budget == 0:
                break
            genomes = parent.next_batch(place, settings.refine, settings.language)
            born, nursery = _bear_batch(genomes, parent.row, members, nursery)
            births.append(born)
            told = parent.history.followed_by(born.genome, born.objectives[:, 0])
            parents[number] = replace(parent, history=told)
    return (concat(births) if births else _nobody(members, nursery)), nursery


def _bear_batch(
    genomes: NDArray[np.float64], parent: int, members: Members, nursery: Nursery
) -> tuple[Births, Nursery]:
    known = nursery.known
    assert known is not None
    lines = np.stack([np.full(len(genomes), parent), np.full(len(genomes), NO_PARENT)], axis=1)
    operators = np.full(len(genomes), REFINED, dtype=np.int8)
    brood = as_given(genomes, operators, lines, known_keys=known.keys, settings=nursery.settings)
    brood = brood.within(nursery.budget)
    fresh = brood.fresh
    if fresh.any():
        given = in_full(nursery.evaluate, brood.phenotypes[fresh], nursery.settings)
        known = _entered(known, brood.keys[fresh], given)
    ids = birth_ids(nursery.place.island, nursery.place.generation, np.arange(len(brood.genomes)) + nursery.n_born)
    births = _of_brood(brood, ids, members, known, nursery.place)
    return births, _after(nursery, births, known, memory=nursery.memory, screen=nursery.screen)


def _nobody(members: Members, nursery: Nursery) -> Births:
    empty = np.zeros((0, N_GENES))
    return _bear_batch(empty, 0, members, nursery)[0]


def _entered(known: Merits | None, keys: NDArray[np.uint64], given: Evaluation) -> Merits:
    new = Merits(keys, given.objectives, given.reasons, given.measures)
    return enter(new.take(np.zeros(0, dtype=np.int64)) if known is None else known, new)


def _after(nursery: Nursery, births: Births, known: Merits, *, memory: Memory, screen: ScreenStats | None) -> Nursery:
    return replace(
        nursery,
        known=known,
        memory=memory,
        screen=screen,
        n_evaluated=nursery.n_evaluated + int(births.evaluated.sum()),
        n_born=nursery.n_born + len(births),
    )


def _of_brood(brood: Brood, ids: NDArray[np.int64], members: Members | None, known: Merits, place: Place) -> Births:
    has = brood.parents != NO_PARENT
    parents, families = brood.parents.copy(), ids.copy()
    if members is not None:
        parents[has] = members.birth_ids[brood.parents[has]]
        families[has[:, 0]] = members.families[brood.parents[has[:, 0], 0]]
    return _births(
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
