import dataclasses

import numpy as np
import pytest

from evolution.founding import founders, newcomers, templates_of
from evolution.keys import Place
from evolution.pedigree import CROSSOVER, CROSSOVER_MUTATION, MUTATION, NEWCOMER, NO_PARENT, TEMPLATE
from evolution.settings import EvolutionSettings
from evolution.species import FREE
from evolution.variation import Pool, Rates, breed, conceive, found_brood, operators_of, renew
from strategies.codec import bounded, express, phenotype_keys
from strategies.encoding import encode, strategy_of
from strategies.language import DEFAULT, Language
from strategies.species import HYBRID, ML, TA, species_of
from strategies.templates import TEMPLATES, template_genomes

SETTINGS = EvolutionSettings(population_size=60)
NOBODY = np.zeros((0, 2), dtype=np.uint64)
PLACE = Place(11, 0, 1)
FOUNDERS = found_brood(Place(11, 0, 0), SETTINGS)
RATES = Rates(SETTINGS.crossover_rate, SETTINGS.mutation_rate)
POOL, KINDS = FOUNDERS.genomes, FOUNDERS.species


def a_brood(place=PLACE, settings=SETTINGS, known_keys=NOBODY, first_index=0, kinds=KINDS, cases=None):
    given = {"known_keys": known_keys, "place": place, "settings": settings, "first_index": first_index}
    pool = Pool(POOL, np.arange(60), kinds, np.zeros((60, 0)) if cases is None else cases)
    return breed(pool, Rates(settings.crossover_rate, settings.mutation_rate), **given)


def test_a_brood_is_valid_new_and_names_its_parents():
    before = POOL.copy()
    brood = a_brood()
    np.testing.assert_array_equal(POOL, before)
    np.testing.assert_array_equal(brood.genomes, bounded(brood.genomes))
    np.testing.assert_array_equal(brood.phenotypes, express(brood.genomes))
    np.testing.assert_array_equal(brood.keys, phenotype_keys(brood.phenotypes))
    assert brood.fresh.all()
    assert len(np.unique(brood.keys, axis=0)) == 60
    assert set(brood.operators.tolist()) == {CROSSOVER, MUTATION, CROSSOVER_MUTATION}
    np.testing.assert_array_equal(brood.parents[:, 1] == NO_PARENT, brood.operators == MUTATION)
    assert (brood.parents[:, 0] >= 0).all()
    assert (brood.parents[:, 0] != brood.parents[:, 1]).all()


def test_a_crossover_has_every_gene_from_one_of_its_parents():
    brood = a_brood()
    for row in np.flatnonzero((brood.operators == CROSSOVER) & (brood.retries == 0)).tolist():
        a, b = POOL[brood.parents[row]]
        assert ((brood.genomes[row] == a) | (brood.genomes[row] == b)).all()


def test_a_brood_depends_on_its_place_alone():
    first = a_brood()
    np.testing.assert_array_equal(first.genomes, a_brood().genomes)
    for place in (Place(12, 0, 1), Place(11, 1, 1), Place(11, 0, 2)):
        assert (a_brood(place).genomes != first.genomes).any()
    assert (a_brood(first_index=1).genomes != first.genomes).any()


def test_a_child_alone_is_conceived_as_it_is_among_others():
    parents = np.stack([np.arange(60), np.arange(60)[::-1] % 50], axis=1)
    parents[3:9, 1] = NO_PARENT
    indices = np.arange(60) * 3
    operators = operators_of(parents, indices, RATES, PLACE)
    genomes = conceive(POOL, parents, operators, indices, PLACE, SETTINGS)
    assert set(operators.tolist()) == {CROSSOVER, MUTATION, CROSSOVER_MUTATION}
    assert (operators[3:9] == MUTATION).all()
    for row in range(60):
        one = slice(row, row + 1)
        assert operators_of(parents[one], indices[one], RATES, PLACE).tolist() == [operators[row]]
        alone = conceive(POOL, parents[one], operators[one], indices[one], PLACE, SETTINGS)
        np.testing.assert_array_equal(alone[0], genomes[row])


def test_rates_are_chances_of_a_child():
    parents = np.tile([0, 1], (4000, 1))
    operators = operators_of(parents, np.arange(4000), Rates(0.6, 0.3), PLACE)
    assert (operators != MUTATION).mean() == pytest.approx(0.6, abs=0.03)
    assert (operators[operators != MUTATION] == CROSSOVER_MUTATION).mean() == pytest.approx(0.3, abs=0.03)


@pytest.mark.parametrize("max_retries", [0, 1, 20])
def test_known_children_are_mutated_again_a_bounded_number_of_times(max_retries):
    first = a_brood(settings=EvolutionSettings(population_size=60, max_retries=0))
    known = first.keys[:30][np.lexsort((first.keys[:30, 1], first.keys[:30, 0]))]
    brood = a_brood(settings=EvolutionSettings(population_size=60, max_retries=max_retries), known_keys=known)
    assert (brood.retries[:30] > 0).all() == (max_retries > 0)
    assert brood.retries.max() <= max_retries
    unchanged = brood.retries == 0
    np.testing.assert_array_equal(brood.genomes[unchanged], first.genomes[unchanged])
    seen = set(map(tuple, known.tolist()))
    for key, fresh in zip(map(tuple, brood.keys.tolist()), brood.fresh.tolist(), strict=True):
        assert fresh == (key not in seen)
        seen.add(key)
    assert brood.fresh.all() == (max_retries == 20)


def test_only_the_first_of_equal_children_is_fresh():
    genomes = np.repeat(POOL[:2], 3, axis=0)
    operators, parents = np.full(6, CROSSOVER, dtype=np.int8), np.full((6, 2), NO_PARENT)
    given = {"known_keys": NOBODY, "place": PLACE, "first_index": 0}
    settings = EvolutionSettings(population_size=6, max_retries=0)
    assert renew(genomes, operators, parents, settings=settings, **given).fresh.tolist() == [True, False, False] * 2
    renewed = renew(genomes, operators, parents, settings=EvolutionSettings(population_size=6), **given)
    assert renewed.fresh.all()
    assert (renewed.retries > 0).tolist() == [False, True, True] * 2
    assert (renewed.operators == CROSSOVER).all()


def test_founders_of_each_species_are_its_templates_then_strangers():
    settings = EvolutionSettings(
        population_size=40, template_share=0.2, founders={"ta": 0.5, "ml": 0.25, "hybrid": 0.25}
    )
    made = founders(Place(0, 0, 0), settings)
    assert settings.founder_counts == (20, 10, 10)
    by_name = dict(zip(TEMPLATES, template_genomes(), strict=True))
    for species, start, n in ((TA, 0, 20), (ML, 20, 10), (HYBRID, 30, 10)):
        genomes, names = made.genomes[start : start + n], made.names[start : start + n]
        assert species_of(express(genomes)).tolist() == [species] * n
        known = templates_of(settings.language)[species]
        n_templates = round(0.2 * n) if known else 0
        assert names == tuple(known[place % len(known)] for place in range(n_templates)) + ("",) * (n - n_templates)
        for row in range(n_templates):
            np.testing.assert_array_equal(genomes[row], by_name[names[row]])
    assert (made.operators == TEMPLATE).tolist() == [name != "" for name in made.names]
    np.testing.assert_array_equal(made.genomes, founders(Place(0, 0, 0), settings).genomes)


def test_islands_begin_with_different_templates_and_other_strangers():
    settings = EvolutionSettings(population_size=30, template_share=3 / 15)
    known = templates_of(settings.language)[TA]
    first, second = (founders(Place(0, island, 0), settings) for island in (0, 1))
    assert [made.names[:3] for made in (first, second)] == [
        known[:3],
        tuple(known[(3 + i) % len(known)] for i in range(3)),
    ]
    assert (first.genomes[3:15] != second.genomes[3:15]).any(axis=1).all()


def test_a_language_leaves_out_the_templates_that_it_cant_say():
    plain = Language(learners=False, patterns=False, timeframes=0)
    names = templates_of(plain)
    assert names[ML] == names[HYBRID] == ()
    assert 5 <= len(names[TA]) <= len(templates_of(Language())[TA])
    for name in names[TA]:
        assert strategy_of(express(encode(TEMPLATES[name])[None], plain)[0]) == TEMPLATES[name]
    made = founders(Place(0, 0, 0), EvolutionSettings(population_size=20, template_share=1.0, language=plain))
    assert set(made.names) <= set(names[TA])
    assert (species_of(express(made.genomes, plain)) == TA).all()


def test_more_places_than_templates_are_filled_with_mutants_of_templates():
    n_known = len(templates_of(DEFAULT)[TA])
    everyone = {"population_size": 2 * n_known, "founders": {"ta": 1.0}}
    brood = found_brood(Place(0, 0, 0), EvolutionSettings(template_share=1.0, **everyone))
    assert brood.fresh.all()
    assert len(np.unique(brood.keys, axis=0)) == 2 * n_known
    assert (brood.retries > 0).tolist() == [False] * n_known + [True] * n_known
    no_templates = found_brood(Place(0, 0, 0), EvolutionSettings(template_share=0.0, **everyone))
    assert (no_templates.operators != TEMPLATE).all()


def test_places_of_a_species_have_parents_of_it_alone_however_poor_it_is():
    kinds = np.repeat([TA, HYBRID, ML], 20)  # by rank: all that learn alone are worse than all others
    settings = EvolutionSettings(population_size=60, floor={"ta": 0.1, "ml": 0.2})
    brood = a_brood(settings=settings, kinds=kinds)
    for place, species in ((slice(42, 48), TA), (slice(48, 60), ML)):
        parents = brood.parents[place]
        assert (kinds[parents[parents != NO_PARENT]] == species).all()
    plain = a_brood(settings=dataclasses.replace(settings, floor=0.0), kinds=kinds)
    np.testing.assert_array_equal(brood.genomes[:42], plain.genomes[:42])
    np.testing.assert_array_equal(brood.parents[:42], plain.parents[:42])


def test_without_floors_kinds_say_nothing():
    settings = EvolutionSettings(population_size=60, floor=0.0)
    first = a_brood(settings=settings)
    for kinds in (np.full(60, FREE), np.full(60, ML)):
        np.testing.assert_array_equal(a_brood(settings=settings, kinds=kinds).genomes, first.genomes)


@pytest.mark.parametrize("gone", [TA, ML, HYBRID])
def test_a_species_that_died_out_is_founded_anew_by_strangers(gone):
    settings = EvolutionSettings(population_size=60, floor=(0.1, 0.1, 0.1))
    kinds = np.resize([other for other in (TA, ML, HYBRID, FREE) if other != gone], 60)
    brood = a_brood(settings=settings, kinds=kinds)
    new = brood.operators == NEWCOMER
    assert np.flatnonzero(new).tolist() == list(range(42 + 6 * gone, 48 + 6 * gone))
    assert (brood.parents[new] == NO_PARENT).all()
    assert (brood.parents[~new, 0] != NO_PARENT).all()
    np.testing.assert_array_equal(brood.genomes[new], newcomers(PLACE, settings, gone))
    assert (brood.species[new] == gone).all()
    assert (newcomers(Place(11, 0, 2), settings, gone) != brood.genomes[new]).any(axis=1).all()


def test_the_first_places_of_every_brood_are_newcomers_and_the_others_stay_as_they_were():
    settings = EvolutionSettings(population_size=60, newcomers=0.1)
    brood = a_brood(settings=settings)
    assert np.flatnonzero(brood.operators == NEWCOMER).tolist() == list(range(6))
    assert (brood.parents[:6] == NO_PARENT).all()
    np.testing.assert_array_equal(brood.genomes[:6], newcomers(PLACE, settings, FREE))
    np.testing.assert_array_equal(brood.genomes[6:48], a_brood().genomes[6:48])


def test_lexicase_parents_are_the_best_of_single_cases_and_never_who_is_not_feasible():
    settings = EvolutionSettings(population_size=60, parents="lexicase", floor=0.0)
    cases = np.zeros((60, 3))
    for case, row in enumerate((50, 55, 59)):  # poor by rank, each the best where the others fail
        cases[row] = -1.0
        cases[row, case] = 1.0
    kinds = KINDS.copy()
    kinds[55] = FREE
    parents = a_brood(settings=settings, kinds=kinds, cases=cases).parents
    assert {50, 59} < set(parents[parents != NO_PARENT].tolist())
    assert 55 not in parents
    nobody = a_brood(settings=settings, kinds=np.full(60, FREE), cases=cases)
    plain = a_brood(settings=dataclasses.replace(settings, parents="tournament"), kinds=np.full(60, FREE))
    np.testing.assert_array_equal(nobody.genomes, plain.genomes)
