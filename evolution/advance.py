"""The whole of evolution as one pure function: an island's state, some generations on.

Each generation: migrants arrive, parents are chosen, children are bred and those that are new are evaluated, from time
to time the best are refined, and the best of all of these live on (mu + lambda), but of each species its floor. A
population that has collapsed begins anew instead. Chance comes from keys of seed, island and generation alone, so
`advance` by a + b generations is `advance` by a and then by b, to the byte.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from evolution.admission import Evaluate
from evolution.archive import Archive, new_archive
from evolution.bearing import Nursery, arrive, bear, bear_refined
from evolution.contest import cases, measures_of, stand
from evolution.credit import credited, new_credit, shares
from evolution.figures import GenerationStats, gene_spread, generation_stats
from evolution.islands import Emigrants
from evolution.keeping import kept_in_archive
from evolution.key_sets import find
from evolution.keys import MAX_GENERATION, Place
from evolution.members import Members
from evolution.pedigree import Births, concat, island_of
from evolution.population import ABSENT, Merits, State, enter
from evolution.refinement import is_due as refinement_is_due
from evolution.restarts import RestartSettings, collapsed_for, kept
from evolution.restarts import is_due as restart_is_due
from evolution.screen import ScreenStats, check_memory, new_memory, supersede
from evolution.selection import Standing, feasible, survivors
from evolution.settings import EvolutionSettings
from evolution.species import FREE
from evolution.variation import Pool, Rates, breed, found_brood, restart_brood
from fitness.objectives import SCREENED_OUT
from strategies.errors import ConfigError, UsageError


class Advance(NamedTuple):
    """What came of an epoch: the state after it, its births in order, and the figures of each generation.

    `screens` has what the screen did in each generation, nothing where no screen is set.
    """

    state: State
    births: Births
    stats: tuple[GenerationStats, ...]
    screens: tuple[ScreenStats, ...] = ()


class _Before(NamedTuple):
    """What an island carries from one generation to the next besides its members and what it knows."""

    credit: NDArray[np.float64]
    archive: Archive | None
    n_collapsed: int


def found(seed: int, island: int, settings: EvolutionSettings, evaluate: Evaluate) -> Advance:
    """Return generation 0 of an island: its founders, evaluated.

    Raises:
        ConfigError: a seed or an island out of range.
        StudbookError: `evaluate` returned arrays of another shape than asked for.
    """
    place = Place(seed, island, 0)
    start = Nursery(place, settings, evaluate, None, new_memory(settings.screen), 0, 0)
    births, nursery = bear(found_brood(place, settings), None, start)
    fixed = new_credit(crossover_rate=settings.crossover_rate, mutation_rate=settings.mutation_rate)
    before = _Before(fixed if settings.adaptive else np.zeros(0), None, 0)
    state = _state(Members.of_births(births), births, nursery, before)
    stats = generation_stats(state, births, settings, n_parents=0, locality=None)
    return Advance(state, births, (stats,), _some(nursery.screen))


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
        state, born, figures, screen = _generation(state, evaluate, settings, arrivals)
        births.append(born)
        stats.append(figures)
        screens += _some(screen)
        arrivals = ()
    return Advance(state, concat(births), tuple(stats), tuple(screens))


def _some(screen: ScreenStats | None) -> tuple[ScreenStats, ...]:
    return () if screen is None else (screen,)


def _generation(
    state: State, evaluate: Evaluate, settings: EvolutionSettings, immigrants: Sequence[Emigrants]
) -> tuple[State, Births, GenerationStats, ScreenStats | None]:
    place = Place(state.seed, state.island, state.generation + 1)
    migrants = arrive(state, immigrants, place, settings)
    known = enter(supersede(state.known, migrants.merits), migrants.merits)
    members = _without_twins(Members.of_state(state), migrants).followed_by(migrants)
    order = _standing(members, known, place, settings).order
    before = _Before(state.credit, state.archive, state.n_collapsed)
    nursery = Nursery(place, settings, evaluate, known, state.screen, state.n_evaluated, len(migrants))
    if restart_is_due(state.n_collapsed, settings.restart):
        assert isinstance(settings.restart, RestartSettings)
        members = members.take(kept(order, settings.restart, settings.population_size))
        before = before._replace(n_collapsed=0)
        brood = restart_brood(place, settings, known_keys=known.keys, first_index=len(migrants))
    else:
        brood = breed(
            _pool(members, order, known, settings),
            _rates(state.credit, settings),
            known_keys=known.keys,
            place=place,
            settings=settings,
            first_index=len(migrants),
        )
    children, nursery = bear(brood, members, nursery)
    members_and_children = members.followed_by(children)
    births = [migrants, children]
    if refinement_is_due(place.generation, settings.refine):
        refined, nursery = _refined(members_and_children, nursery)
        members_and_children, births = members_and_children.followed_by(refined), [*births, refined]
    born = concat(births)
    after = _state(members_and_children, born, nursery, before)
    n_parents, locality = _mating(children, members)
    figures = generation_stats(after, born, settings, n_parents=n_parents, locality=locality)
    return after, born, figures, nursery.screen


def _pool(members: Members, order: NDArray[np.int64], known: Merits, settings: EvolutionSettings) -> Pool:
    kinds = np.where(feasible(members.objectives, members.reasons), members.species, FREE)
    on_cases = np.zeros((len(order), 0))
    if settings.parents == "lexicase":
        on_cases = cases(measures_of(known, members.keys), settings)
    return Pool(members.genomes, order, kinds, on_cases)


def _rates(credit: NDArray[np.float64], settings: EvolutionSettings) -> Rates:
    """The chances of the operators: those of the settings, or by the credit that each has earned."""
    if not settings.adaptive:
        return Rates(settings.crossover_rate, settings.mutation_rate)
    alone, _, both = shares(credit).tolist()
    return Rates(alone + both, both / (alone + both))


def _refined(members: Members, nursery: Nursery) -> tuple[Births, Nursery]:
    """The births of the best members' refinement, batch after batch."""
    known = nursery.known
    assert known is not None
    order = _standing(members, known, nursery.place, nursery.settings).order
    best = order[feasible(members.objectives, members.reasons)[order]]
    return bear_refined(members, best[: nursery.settings.refine.best], nursery)


def _mating(children: Births, members: Members) -> tuple[int, float | None]:
    """How many different members were parents, and the share of parents whose line was founded on this island."""
    parents = np.concatenate([children.parent_a, children.parent_b])
    parents = parents[parents >= 0]
    if not len(parents):
        return 0, None
    rows = np.argsort(members.birth_ids, kind="stable")
    lines = members.families[rows[np.searchsorted(members.birth_ids, parents, sorter=rows)]]
    return len(np.unique(parents)), float((island_of(lines) == children.island[0]).mean())


def _without_twins(members: Members, migrants: Births) -> Members:
    """The members, but for those screened out whose twin, known in full, has just arrived."""
    twin = (members.reasons == SCREENED_OUT) & (find(_sorted(migrants.key), members.keys) != ABSENT)
    return members.take(~twin) if twin.any() else members


def _sorted(keys: NDArray[np.uint64]) -> NDArray[np.uint64]:
    return keys[np.lexsort((keys[:, 1], keys[:, 0]))]


def _standing(members: Members, known: Merits, place: Place, settings: EvolutionSettings) -> Standing:
    """How members stand to each other; their measures are looked up only where the settings ask for them."""
    asked = settings.pressure != "none" or bool(settings.constraints)
    measures = measures_of(known, members.keys) if asked else np.zeros((len(members.keys), 0))
    merits = Merits(members.keys, members.objectives, members.reasons, measures)
    return stand(merits, members.birth_ids, members.families, generation=place.generation, settings=settings)


def _state(members: Members, births: Births, nursery: Nursery, before: _Before) -> State:
    """Return the state in which the best of `members` live on, after a generation of `births`."""
    place, settings, known = nursery.place, nursery.settings, nursery.known
    assert known is not None
    ranked = members._replace(genomes=members.genomes[:, :0])  # ranking reads no gene: copy none
    rows = survivors(
        members.objectives,
        members.reasons,
        members.keys,
        members.birth_ids,
        n=settings.population_size,
        species=members.species,
        floors=settings.floor_counts,
        stand=lambda some: _standing(ranked.take(some), known, place, settings),
    )
    best = members.take(rows)
    credit = before.credit
    if settings.adaptive:
        lived = np.isin(births.birth_id, best.birth_ids)
        credit = credited(credit, births.operator, lived, births.retries)
    archive = kept_in_archive(before.archive or new_archive(*_widths(births)), births, settings)
    spread = 1.0 if settings.restart is None else gene_spread(best.genomes, settings.language)
    return State(
        seed=place.seed,
        island=place.island,
        generation=place.generation,
        n_evaluated=nursery.n_evaluated,
        n_collapsed=collapsed_for(before.n_collapsed, spread, settings.restart),
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
        screen=nursery.memory,
        credit=credit,
        **{f"archive_{name}": column for name, column in archive._asdict().items()},
    )


def _widths(births: Births) -> tuple[int, int]:
    return births.objectives.shape[1], births.measures.shape[1]
