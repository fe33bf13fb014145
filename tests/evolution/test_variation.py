import numpy as np
import pytest

from evolution.keys import Place
from evolution.pedigree import CROSSOVER, CROSSOVER_MUTATION, MUTATION, NO_PARENT, TEMPLATE
from evolution.settings import EvolutionSettings
from evolution.variation import breed, conceive, found_brood, renew
from strategies.codec import bounded, express, phenotype_keys
from strategies.templates import TEMPLATES, template_genomes

SETTINGS = EvolutionSettings(population_size=60)
NOBODY = np.zeros((0, 2), dtype=np.uint64)
PLACE = Place(11, 0, 1)
POOL = found_brood(Place(11, 0, 0), SETTINGS).genomes


def a_brood(place=PLACE, settings=SETTINGS, known_keys=NOBODY, first_index=0):
    return breed(POOL, np.arange(60), known_keys=known_keys, place=place, settings=settings, first_index=first_index)


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
    genomes, operators = conceive(POOL, parents, indices, PLACE, SETTINGS)
    assert set(operators.tolist()) == {CROSSOVER, MUTATION, CROSSOVER_MUTATION}
    assert (operators[3:9] == MUTATION).all()
    for row in range(60):
        alone = conceive(POOL, parents[row : row + 1], indices[row : row + 1], PLACE, SETTINGS)
        np.testing.assert_array_equal(alone[0][0], genomes[row])
        assert alone[1].tolist() == [operators[row]]


def test_rates_are_chances_of_a_child():
    settings = EvolutionSettings(crossover_rate=0.6, mutation_rate=0.3)
    parents = np.tile([0, 1], (4000, 1))
    _, operators = conceive(POOL, parents, np.arange(4000), PLACE, settings)
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
    assert renewed.operators.tolist() == [CROSSOVER, CROSSOVER_MUTATION, CROSSOVER_MUTATION] * 2
    assert (operators == CROSSOVER).all()


def test_founders_are_templates_then_strangers_and_islands_begin_with_different_templates():
    n_templates = len(TEMPLATES)
    settings = EvolutionSettings(population_size=30, template_share=3 / 30)
    brood = found_brood(Place(0, 0, 0), settings)
    assert (brood.operators == TEMPLATE).tolist() == [True] * 3 + [False] * 27
    np.testing.assert_array_equal(brood.genomes[:3], bounded(template_genomes()[:3]))
    other = found_brood(Place(0, 1, 0), settings)
    np.testing.assert_array_equal(other.genomes[:3], bounded(template_genomes()[(np.arange(3) + 3) % n_templates]))
    assert (other.genomes[3:] != brood.genomes[3:]).any()


def test_more_places_than_templates_are_filled_with_mutants_of_templates():
    brood = found_brood(Place(0, 0, 0), EvolutionSettings(population_size=40, template_share=1.0))
    assert brood.fresh.all()
    assert len(np.unique(brood.keys, axis=0)) == 40
    assert (brood.retries > 0).sum() == 40 - len(TEMPLATES)
    no_templates = found_brood(Place(0, 0, 0), EvolutionSettings(population_size=40, template_share=0.0))
    assert (no_templates.operators != TEMPLATE).all()
