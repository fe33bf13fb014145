"""The grammar says each named template exactly: as a genome, as JSON, in words, and upside down."""

from itertools import combinations

import numpy as np
import pytest

from strategies.catalogue import catalogue
from strategies.codec import express
from strategies.encoding import encode, phenotype_of, strategy_of
from strategies.genes import GENES, GeneKind
from strategies.language import DEFAULT, Language
from strategies.learners.table import ALGORITHMS, TARGETS
from strategies.mirrors import mirror
from strategies.species import SPECIES, species_of
from strategies.strategy import Strategy
from strategies.templates import SPECIES_TEMPLATES, TEMPLATES, template_genomes


def operands_of(strategy):
    conditions = (*strategy.entry.conditions, *strategy.exit.conditions)
    read = [side for each in conditions for side in (each.left, each.right) if side is not None]
    return read + [feature for learner in strategy.learners for feature in learner.features]


@pytest.mark.parametrize("name", TEMPLATES)
def test_a_genome_says_it_exactly(name):
    strategy = TEMPLATES[name]
    genome = encode(strategy)
    assert strategy_of(express(genome[None])[0]) == strategy
    np.testing.assert_array_equal(express(genome[None])[0], phenotype_of(strategy))


@pytest.mark.parametrize("name", TEMPLATES)
def test_every_gene_is_inside_its_bounds(name):
    genome = encode(TEMPLATES[name])
    for gene, value in zip(GENES, genome, strict=True):
        silent = value == 0.0  # a silent gene is 0, also where 0 is out of bounds
        assert silent or gene.low <= value <= gene.high, gene.name
        assert gene.kind is GeneKind.UNIT or value == int(value), gene.name


@pytest.mark.parametrize("name", TEMPLATES)
def test_json_gives_it_back(name):
    strategy = TEMPLATES[name]
    assert Strategy.from_json(strategy.to_json()) == strategy
    assert Strategy.from_json(strategy.to_json()).id == strategy.id


@pytest.mark.parametrize("name", TEMPLATES)
def test_words_name_all_that_it_reads(name):
    text = TEMPLATES[name].text()
    for operand in operands_of(TEMPLATES[name]):
        assert (operand.source if operand.kind == "PRICE" else operand.kind.partition(".")[0]) in text
    assert "stop" in text


@pytest.mark.parametrize("name", TEMPLATES)
def test_the_mirror_of_its_mirror_is_itself(name):
    """And the mirror is another rule that a genome can say, with the same orders and sizes."""
    row = phenotype_of(TEMPLATES[name])[None]
    turned = mirror(row)
    np.testing.assert_array_equal(mirror(turned), row)
    other = strategy_of(turned[0])
    if TEMPLATES[name].entry.conditions:
        assert (other.entry != TEMPLATES[name].entry) or TEMPLATES[name].direction != "both"
        assert strategy_of(express(encode(other)[None])[0]) == other
        assert (other.stop, other.size, other.entry.needed) == (
            TEMPLATES[name].stop, TEMPLATES[name].size, TEMPLATES[name].entry.needed,
        )  # fmt: skip


@pytest.mark.parametrize("name", TEMPLATES)
def test_none_of_its_voters_is_idle(name):
    """Each decides in some case: with it there are enough votes, and without it there are not. Or it may forbid."""
    rule, conflict = TEMPLATES[name].entry, TEMPLATES[name].conflict
    weights = [each.weight for each in (*rule.conditions, *TEMPLATES[name].learners)]
    for place, weight in enumerate(weights[: len(rule.conditions)] if conflict == "veto" else weights):
        others = weights[:place] + weights[place + 1 :]
        sums = {sum(some) for n in range(len(others) + 1) for some in combinations(others, n)}
        assert any(votes < rule.needed <= votes + weight for votes in sums)


def test_the_genomes_are_in_the_order_of_the_registry_and_all_different():
    rows = express(template_genomes())
    assert [strategy_of(row).id for row in rows] == [strategy.id for strategy in TEMPLATES.values()]
    assert len({row.tobytes() for row in rows}) == len(TEMPLATES)


def test_each_is_of_the_species_that_it_is_registered_for():
    found = dict(zip(TEMPLATES, species_of(express(template_genomes())), strict=True))
    assert set(SPECIES_TEMPLATES) == set(SPECIES)
    for species, names in SPECIES_TEMPLATES.items():
        assert {SPECIES[found[name]] for name in names} == {species}
    assert [name for names in SPECIES_TEMPLATES.values() for name in names] == list(TEMPLATES)


def test_there_are_enough_of_each_kind_and_they_say_what_the_grammar_has():
    assert len(SPECIES_TEMPLATES["ta"]) >= 14
    assert len(SPECIES_TEMPLATES["ml"]) >= 6
    assert len(SPECIES_TEMPLATES["hybrid"]) >= 3
    learners = [learner for strategy in TEMPLATES.values() for learner in strategy.learners]
    assert len({learner.algorithm for learner in learners}) >= 8
    assert {learner.algorithm for learner in learners} <= set(ALGORITHMS)
    assert {learner.target for learner in learners} == set(TARGETS)
    said = {strategy.conflict for strategy in TEMPLATES.values()}
    assert said == {"votes", "net", "veto"}
    assert {strategy.size.kind for strategy in TEMPLATES.values()} >= {"fixed", "risk", "volatility", "confidence"}
    assert any(strategy.gate.trend != "any" for strategy in TEMPLATES.values())
    assert any(strategy.gate.volatility != "any" for strategy in TEMPLATES.values())
    assert any(strategy.breaker for strategy in TEMPLATES.values())
    assert any(operand.timeframe for strategy in TEMPLATES.values() for operand in operands_of(strategy))
    families = {kind.name: kind.family for kind in catalogue()}
    read = {families[operand.kind] for strategy in TEMPLATES.values() for operand in operands_of(strategy)}
    assert read >= {"price", "indicator", "pattern", "calendar", "learner"}


def test_a_language_bends_only_what_it_cannot_say():
    plain = Language(learners=False, patterns=False, timeframes=0)
    genomes = template_genomes()
    whole, bent = express(genomes, DEFAULT), express(genomes, plain)
    for name, before, after in zip(TEMPLATES, whole, bent, strict=True):
        families = [catalogue()[kind_of(operand)].family for operand in operands_of(TEMPLATES[name])]
        higher = any(operand.timeframe for operand in operands_of(TEMPLATES[name]))
        sayable = not TEMPLATES[name].learners and "pattern" not in families and not higher
        assert (before.tobytes() == after.tobytes()) == sayable, name


def kind_of(operand):
    return [kind.name for kind in catalogue()].index(operand.kind)
