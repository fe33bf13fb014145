import dataclasses
import importlib
import random

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from evolution.advance import advance, found
from evolution.islands import emigrants, emigrants_from_bytes, emigrants_to_bytes
from evolution.keys import MAX_GENERATION
from evolution.pedigree import MIGRANT, births_to_bytes, check_closed, concat
from evolution.population import state_from_bytes, state_to_bytes
from evolution.rederivation import rederive
from evolution.settings import EvolutionSettings
from fitness.objectives import NOT_FINITE, Evaluation
from strategies.errors import ConfigError, JournalError, StudbookError, UsageError


def both_bytes(result):
    return state_to_bytes(result.state), births_to_bytes(result.births)


@given(seed=st.integers(0, 2**63 - 1), island=st.integers(0, 9), first=st.integers(1, 3), then=st.integers(1, 3))
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_advance_by_a_and_then_by_b_is_advance_by_both(toy, small, seed, island, first, then):
    start = found(seed, island, small, toy())
    at_once = advance(start.state, toy(), small, first + then)
    half = advance(start.state, toy(), small, first)
    rest = advance(state_from_bytes(state_to_bytes(half.state)), toy(), small, then)
    assert state_to_bytes(rest.state) == state_to_bytes(at_once.state)
    assert births_to_bytes(concat([half.births, rest.births])) == births_to_bytes(at_once.births)
    assert half.stats + rest.stats == at_once.stats


def test_same_seed_same_bytes_other_seed_or_island_other_bytes(toy, small):
    runs = {
        place: both_bytes(advance(found(*place, small, toy()).state, toy(), small, 2))
        for place in [(1, 0), (2, 0), (1, 1)]
    }
    assert both_bytes(advance(found(1, 0, small, toy()).state, toy(), small, 2)) == runs[1, 0]
    assert len(set(runs.values())) == 3


def test_inputs_and_global_random_state_stay_as_they_are(toy, small):
    start = found(3, 0, small, toy()).state
    guests = emigrants(found(3, 1, small, toy()).state, 2)
    before = state_to_bytes(start), emigrants_to_bytes(guests)
    states = random.getstate(), np.random.get_state()  # noqa: NPY002 - the very state that must stay untouched
    advance(start, toy(), small, 2, [guests])
    assert (state_to_bytes(start), emigrants_to_bytes(guests)) == before
    assert random.getstate() == states[0]
    np.testing.assert_equal(np.random.get_state(), states[1])  # noqa: NPY002
    with pytest.raises(ValueError, match="read-only"):
        start.genomes[0, 0] = 1.0


def test_an_evaluator_that_writes_into_its_argument_changes_nothing(toy, small):
    def rude(phenotypes):
        result = toy()(phenotypes)
        phenotypes[:] = -1.0
        return result

    polite = advance(found(1, 0, small, toy()).state, toy(), small, 3)
    assert both_bytes(advance(found(1, 0, small, rude).state, rude, small, 3)) == both_bytes(polite)


def two_islands(toy, settings, epochs):
    """Two islands that exchange emigrants after each epoch, with the evaluators they used and all births."""
    evaluators = [toy(), toy()]
    results = [found(5, island, settings, evaluators[island]) for island in (0, 1)]
    births = [result.births for result in results]
    stats = [list(result.stats) for result in results]
    for _ in range(epochs):
        offers = [emigrants_from_bytes(emigrants_to_bytes(emigrants(r.state, settings.n_migrants))) for r in results]
        results = [
            advance(r.state, evaluators[i], settings, settings.epoch_generations, [offers[1 - i]])
            for i, r in enumerate(results)
        ]
        births += [result.births for result in results]
        for i, result in enumerate(results):
            stats[i] += result.stats
    return results, evaluators, births, stats


def test_no_key_is_evaluated_twice_in_the_life_of_an_island_nor_a_migrants(toy):
    crowded = EvolutionSettings(population_size=16, epoch_generations=3, n_migrants=3, max_retries=0, template_share=1)
    results, evaluators, births, _ = two_islands(toy, crowded, 4)
    everyone = concat(births)
    for island, evaluator in enumerate(evaluators):
        assert len(set(evaluator.asked)) == len(evaluator.asked) > 100
        mine = everyone.take(everyone.island == island)
        assert len(evaluator.asked) == mine.evaluated.sum()
        assert (~mine.evaluated & (mine.operator != MIGRANT)).any()  # duplicates happened, and were not evaluated
        fitness = {}
        for key, objectives, measures in zip(mine.key.tolist(), mine.objectives, mine.measures, strict=True):
            same = fitness.setdefault(tuple(key), (objectives.tobytes(), measures.tobytes()))
            assert same == (objectives.tobytes(), measures.tobytes())
        assert len(results[island].state.known_keys) == len(fitness)


def test_births_of_all_islands_are_a_closed_pedigree_that_rederives(toy, small):
    results, _, births, stats = two_islands(toy, small, 3)
    everyone = concat(births)
    check_closed(everyone)
    np.testing.assert_array_equal(rederive(everyone, 5, small), everyone.genome)
    assert (rederive(everyone, 6, small) != everyone.genome).any()
    migrants = everyone.take(everyone.operator == MIGRANT)
    assert len(migrants) == 2 * 3 * small.n_migrants
    assert not migrants.evaluated.any()
    assert set((migrants.generation % small.epoch_generations).tolist()) == {1}
    for result, figures in zip(results, stats, strict=True):
        assert sum(row.n_migrants for row in figures) == 3 * small.n_migrants
        assert [row.generation for row in figures] == list(range(3 * small.epoch_generations + 1))
        assert np.isin(result.state.birth_ids, everyone.birth_id).all()
        homes = everyone.island[np.isin(everyone.birth_id, result.state.families)]
        assert set(homes.tolist()) <= {0, 1}


@pytest.mark.parametrize("seed", range(4))
def test_the_best_of_each_objective_never_gets_worse_and_survivors_differ(toy, small, seed):
    start = found(seed, 0, small, toy())
    result = advance(start.state, toy(), small, 8)
    best = np.array([row.best for row in start.stats + result.stats])
    assert (np.diff(best, axis=0) >= 0).all()
    assert best[-1].sum() > best[0].sum()
    assert len(np.unique(result.state.keys, axis=0)) == small.population_size
    assert result.stats[-1].distinct_share == 1.0


def test_an_island_without_anything_feasible_breeds_on(small):
    def refuse(phenotypes):
        n = len(phenotypes)
        return Evaluation(np.full((n, 2), np.nan), np.full(n, 3, dtype=np.int16), np.zeros((n, 1)))

    start = found(1, 0, small, refuse)
    assert len(emigrants(start.state, 3)) == 0
    result = advance(start.state, refuse, small, 2, [emigrants(found(1, 1, small, refuse).state, 3)])
    assert result.stats[-1].best is None
    assert result.stats[-1].n_feasible == 0
    assert result.stats[-1].n_evaluated > 0


def test_what_is_not_finite_gets_a_reason_and_never_lives_on_beside_enough_finite(small, toy):
    def sloppy(phenotypes):
        given = toy(refuse_every=0)(phenotypes)
        given.objectives[::2, 0] = np.tile([np.nan, np.inf], len(phenotypes))[: len(given.objectives[::2])]
        return given

    start = found(1, 0, small, sloppy)
    assert (start.births.reason[::2] == NOT_FINITE).all()
    assert np.isnan(start.births.objectives[::2]).all()
    result = advance(start.state, sloppy, small, 3)
    assert (result.state.reasons == 0).all()
    assert np.isfinite(result.state.objectives).all()


def test_impossible_requests_are_refused_by_name(toy, small, monkeypatch):
    state = found(1, 0, small, toy()).state
    with pytest.raises(UsageError, match="`generations` must be at least 1, but was 0"):
        advance(state, toy(), small, 0)
    late = dataclasses.replace(state, generation=MAX_GENERATION)
    with pytest.raises(ConfigError, match="`generations` must end by 1048575, but was 1048576"):
        advance(late, toy(), small, 1)
    with pytest.raises(ConfigError, match="`seed` must be between 0 and"):
        found(-1, 0, small, toy())
    with pytest.raises(JournalError, match=r"Immigrants must come from another island .* but came from island 0"):
        advance(state, toy(), small, 1, [emigrants(state, 1)])
    foreign = dataclasses.replace(emigrants(found(1, 1, small, toy()).state, 1), measures=np.zeros((1, 9)))
    with pytest.raises(
        JournalError, match=r"with \(2, 3\) objectives and measures, but came from island 1 with \(2, 9\)"
    ):
        advance(state, toy(), small, 1, [foreign])
    monkeypatch.setattr(importlib.import_module("evolution.bearing"), "MAX_BROOD", 13)
    guests = emigrants(found(1, 1, small, toy()).state, 2)
    with pytest.raises(
        ConfigError, match="Births of a generation, migrants and children, must be at most 13, but were 14"
    ):
        advance(state, toy(), small, 1, [guests])
    with pytest.raises(StudbookError, match=r"An evaluation must have objectives \(12, 2\)"):
        found(1, 0, small, lambda phenotypes: toy()(phenotypes[1:]))
