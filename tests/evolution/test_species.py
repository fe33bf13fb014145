"""Species: shares in whole numbers, floors of those that live on, and that no species is bred away in silence."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evolution.advance import advance, found
from evolution.islands import emigrants
from evolution.pedigree import FOUNDER, MIGRANT, NEWCOMER, births_to_bytes, check_closed, concat
from evolution.population import state_to_bytes
from evolution.rederivation import rederive
from evolution.screen import choose
from evolution.selection import standing, survivors, with_floors
from evolution.settings import EvolutionSettings, ScreenSettings
from evolution.species import FREE, apportioned, least, places
from fitness.objectives import Evaluation
from strategies.codec import express
from strategies.language import Language
from strategies.species import HYBRID, ML, SPECIES, TA, species_of

SHARES = st.lists(st.integers(0, 20), min_size=3, max_size=3).filter(any).map(lambda w: tuple(x / sum(w) for x in w))


@given(SHARES, st.integers(1, 500))
def test_apportioned_numbers_add_up_and_are_within_one_of_their_share(shares, n):
    counts = apportioned(shares, n)
    assert sum(counts) == n
    assert all(abs(count - share * n) < 1 for count, share in zip(counts, shares, strict=True))
    assert all(count == 0 for count, share in zip(counts, shares, strict=True) if share == 0)


@given(SHARES, st.integers(1, 500))
def test_the_least_number_is_the_smallest_that_meets_a_share(shares, n):
    for count, share in zip(least(shares, n), shares, strict=True):
        assert share * n <= count + 1e-6
        assert count - 1 < share * n


def crowd(seed, n):
    """A crowd with ties, refused rows, twins and three species, one of them rare and poor."""
    rng = np.random.default_rng(seed)
    species = rng.choice([TA, TA, TA, ML, HYBRID], n).astype(np.int8)
    objectives = rng.integers(0, 6, (n, 2)).astype(float)
    objectives[species == ML] -= 10.0
    reasons = rng.choice([0, 0, 0, 0, 3], n).astype(np.int16)
    objectives[reasons != 0] = np.nan
    keys = np.column_stack([np.arange(n), np.zeros(n)]).astype(np.uint64)
    twins = rng.choice(n, n // 5, replace=False)
    for row in twins:
        other = rng.integers(0, n)
        for array in (objectives, reasons, keys, species):
            array[row] = array[other]
    return objectives, reasons, keys, rng.permutation(n).astype(np.int64), species


def slow_survivors(objectives, reasons, keys, births, species, n, floors):
    """By the definition: the oldest of each key, best first; champions and floors are reserved, the best fill up."""
    seen, different, twins = set(), [], []
    for row in np.argsort(births).tolist():
        (twins if tuple(keys[row]) in seen else different).append(row)
        seen.add(tuple(keys[row]))
    order = [
        group[place]
        for group in (different, twins)
        if group
        for place in standing(objectives[group], reasons[group], keys[group], births[group]).order.tolist()
    ]
    able = [row for row in order[: len(different)] if reasons[row] == 0]
    reserved = {next(row for row in able if objectives[row, j] == objectives[able, j].max()) for j in (0, 1) if able}
    for kind, floor in enumerate(floors):
        reserved |= set([row for row in able if species[row] == kind][:floor])
    free = [row for row in order if row not in reserved][: n - len(reserved)]
    return [row for row in order if row in reserved or row in free]


FLOORS = st.tuples(st.integers(0, 4), st.integers(0, 4), st.integers(0, 3))


@given(st.integers(0, 2**32), st.integers(1, 50), FLOORS, st.integers(0, 20))
@settings(max_examples=150, deadline=None)
def test_survivors_with_floors_equal_the_slow_reference(seed, n, floors, more):
    objectives, reasons, keys, births, species = crowd(seed, n)
    wanted = sum(floors) + 2 + more
    rows = survivors(objectives, reasons, keys, births, n=wanted, species=species, floors=floors)
    if any(floors):
        assert rows.tolist() == slow_survivors(objectives, reasons, keys, births, species, wanted, floors)
    assert len(rows) == len(set(rows.tolist())) == min(wanted, n)
    fit = np.isfinite(objectives).all(axis=1)
    for kind, floor in enumerate(floors):
        there = len(np.unique(keys[fit & (species == kind)], axis=0))
        assert (fit[rows] & (species[rows] == kind)).sum() >= min(floor, there)
    if fit.any() and any(floors):
        np.testing.assert_array_equal(objectives[rows][fit[rows]].max(axis=0), objectives[fit].max(axis=0))


@given(st.integers(0, 2**32), st.integers(1, 50), st.integers(4, 30))
@settings(max_examples=60, deadline=None)
def test_floors_that_are_met_anyway_or_are_0_change_nothing(seed, n, wanted):
    objectives, reasons, keys, births, species = crowd(seed, n)
    plain = survivors(objectives, reasons, keys, births, n=wanted)
    fit = np.isfinite(objectives[plain]).all(axis=1)
    different = [row for at, row in enumerate(plain.tolist()) if keys[row].tolist() not in keys[plain[:at]].tolist()]
    met = [
        sum(fit[at] and row in different and species[row] == kind for at, row in enumerate(plain)) for kind in range(3)
    ]
    for floors in ((0, 0, 0), (), (met[0], 0, 0), (0, met[1], met[2])):
        given = survivors(objectives, reasons, keys, births, n=wanted, species=species, floors=floors)
        assert given.tolist() == plain.tolist()


def test_the_rows_of_a_floor_are_the_best_of_their_species():
    objectives = np.arange(10.0, 0.0, -1.0)[:, None]
    kinds = np.array([TA, TA, TA, TA, TA, ML, TA, ML, ML, FREE])
    assert with_floors(objectives, kinds, n=5, floors=(0, 2, 0)).tolist() == [0, 1, 2, 5, 7]
    assert with_floors(objectives, kinds, n=5, floors=(0, 9, 0)).tolist() == [0, 1, 5, 7, 8]
    assert with_floors(objectives, kinds, n=3, floors=(0, 0, 2)).tolist() == [0, 1, 2]  # there is none of it


def test_the_screen_keeps_the_floor_of_what_goes_on():
    n = 40
    seen = Evaluation(np.arange(n, 0.0, -1.0)[:, None], np.zeros(n, dtype=np.int16), np.zeros((n, 1)))
    species = np.where(np.arange(n) < 30, TA, ML).astype(np.int8)
    keys, how = np.stack([np.arange(n)] * 2, axis=1).astype(np.uint64), ScreenSettings(keep=0.5, audit=0.1)
    plain = choose(seen, keys, np.arange(n), how)
    assert np.flatnonzero(plain.kept).tolist() == list(range(20))
    chosen = choose(seen, keys, np.arange(n), how, species=species, floor=(0.1, 0.1, 0.0))
    assert np.flatnonzero(chosen.kept).tolist() == [*range(18), 30, 31]
    assert chosen.audited.sum() == plain.audited.sum() == 2


def biased(toy, penalty, refuse_learners=False):
    """A toy market in which whatever learns is worse by so much, or refused."""

    def evaluate(phenotypes):
        given = toy(refuse_every=7)(phenotypes)
        learns = species_of(phenotypes) != TA
        given.objectives[learns] -= penalty
        if refuse_learners:
            given.reasons[learns] = 3
        return given

    return evaluate


@pytest.fixture
def fifty():
    return EvolutionSettings(population_size=50, epoch_generations=2, n_migrants=2)


def bred(how, evaluate, generations=12, seed=4):
    start = found(seed, 0, how, evaluate)
    rest = advance(start.state, evaluate, how, generations)
    return concat([start.births, rest.births]), start.stats + rest.stats, rest.state


def test_a_species_that_is_always_worse_lives_on_and_breeds(toy, fifty):
    births, stats, state = bred(fifty, biased(toy, 100.0))
    for row in stats[1:]:
        assert all(row.species[kind].n_feasible >= 5 for kind in (TA, ML))
    children = births.take(births.generation > 0)
    assert (children.species == ML).mean() > 0.05
    assert not (children.operator == NEWCOMER).any()  # it has parents of its own
    assert stats[-1].best == tuple(state.objectives[state.species == TA].max(axis=0))
    without, its_stats, _ = bred(dataclasses.replace(fifty, floor=0.0), biased(toy, 100.0))
    assert its_stats[-1].species[ML].n == 0
    assert (without.take(without.generation > 6).species == ML).mean() < 0.02


def test_a_species_of_which_nothing_is_feasible_is_founded_anew_in_every_brood(toy, fifty):
    births, stats, state = bred(fifty, biased(toy, 0.0, refuse_learners=True))
    new = births.take(births.operator == NEWCOMER)
    assert len(new) == 5 * 12
    assert (new.species == ML).mean() > 0.9  # but for a duplicate that was mutated
    assert (new.family == new.birth_id).all()
    assert stats[-1].n_feasible == len(state.reasons)
    check_closed(births)
    np.testing.assert_array_equal(rederive(births, 4, fifty), births.genome)


def test_newcomers_and_migrants_of_one_brood_rederive(toy, fifty):
    evaluate = biased(toy, 0.0, refuse_learners=True)
    here, there = (found(4, island, fifty, evaluate) for island in (0, 1))
    later = advance(here.state, evaluate, fifty, 2, [emigrants(there.state, 2)])
    births = concat([here.births, there.births, later.births])
    first = births.take((births.generation == 1) & (births.island == 0))
    assert {NEWCOMER, MIGRANT} <= set(first.operator.tolist())
    np.testing.assert_array_equal(rederive(births, 4, fifty), births.genome)


def test_a_species_comes_back_by_a_migrant_and_then_needs_no_newcomers(toy, fifty):
    home, abroad = biased(toy, 0.0, refuse_learners=True), toy(refuse_every=0)
    start = found(4, 0, fifty, home).state
    guests = emigrants(found(4, 1, dataclasses.replace(fifty, founders={"ml": 1.0}), abroad).state, 2)
    assert (guests.species == ML).any()
    with_guests = advance(start, home, fifty, 1, [guests])
    assert not (with_guests.births.operator == NEWCOMER).any()
    assert (with_guests.state.species[with_guests.state.reasons == 0] == ML).any()
    assert (advance(start, home, fifty, 1).births.operator == NEWCOMER).any()


def test_without_floors_evolution_is_the_same_whatever_species_there_are(toy, fifty):
    plain = dataclasses.replace(fifty, floor=0.0)
    births, _, state = bred(plain, toy())
    again, _, same = bred(dataclasses.replace(plain, floor={"hybrid": 0}), toy())
    assert births_to_bytes(births) == births_to_bytes(again)
    assert state_to_bytes(state) == state_to_bytes(same)
    assert not (births.operator == NEWCOMER).any()


def test_births_are_of_the_species_of_their_phenotype_and_founders_of_their_share(toy, fifty):
    how = dataclasses.replace(fifty, founders={"ta": 0.4, "ml": 0.4, "hybrid": 0.2}, template_share=0.0)
    births, stats, state = bred(how, toy(), 4)
    np.testing.assert_array_equal(births.species, species_of(express(births.genome)))
    first = births.take((births.operator == FOUNDER) & (births.retries == 0))
    assert np.bincount(first.species, minlength=3).tolist() == [20, 20, 10]
    assert [one.n_births for one in stats[0].species] == [20, 20, 10]
    np.testing.assert_array_equal(state.species, species_of(express(state.genomes)))


def test_a_language_without_learners_breeds_ta_alone(toy):
    plain = Language(learners=False, patterns=False, timeframes=0)
    how = EvolutionSettings(population_size=30, language=plain)
    births, _, _ = bred(how, toy(), 4)
    assert (births.species == TA).all()
    assert (species_of(express(births.genome, plain)) == TA).all()
    np.testing.assert_array_equal(rederive(births, 4, how), births.genome)


def test_places_are_the_last_ones_of_a_brood():
    assert places((2, 1, 1), 7).tolist() == [FREE, FREE, FREE, TA, TA, ML, HYBRID]
    assert places((0, 0, 0), 3).tolist() == [FREE] * 3
    assert len(SPECIES) == 3
