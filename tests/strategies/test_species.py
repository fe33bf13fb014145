"""Species are what rules really use: columns of phenotypes against a slow reading of strategies."""

import dataclasses

import numpy as np
import pytest

from strategies.codec import express
from strategies.encoding import phenotype_of, strategy_of
from strategies.genes import N_GENES
from strategies.language import Language
from strategies.sampler import random_genomes
from strategies.species import SPECIES, species_of
from strategies.strategy import Condition, Distance, Gate, Learner, Operand, Rule, Size, Strategy


def slow_species(strategy):
    """By the definition, from the object."""
    if not strategy.learners:
        return "ta"
    conditions = (*strategy.entry.conditions, *strategy.exit.conditions)
    sides = [side for each in conditions for side in (each.left, each.right) if side is not None]
    return "hybrid" if any(not side.kind.startswith("LEARNER.") for side in sides) else "ml"


@pytest.mark.parametrize("drawn", [*SPECIES, None])
def test_species_are_those_of_a_slow_reading(drawn):
    rows = express(random_genomes(700, np.random.default_rng(31), species=drawn))
    assert [SPECIES[code] for code in species_of(rows)] == [slow_species(strategy_of(row)) for row in rows]


def test_all_species_come_by_chance_and_nobody_is_counted_as_an_int8():
    codes = species_of(express(random_genomes(700, np.random.default_rng(31))))
    assert codes.dtype == np.int8
    assert set(codes.tolist()) == {0, 1, 2}
    assert species_of(np.zeros((0, N_GENES))).shape == (0,)
    plain = Language(learners=False)
    assert not species_of(express(random_genomes(300, np.random.default_rng(31)), plain)).any()


RSI, SCORE = Operand("RSI", "close", (14.0,)), Operand("LEARNER.score", None, (0.0,))
SURE = Operand("LEARNER.confidence", None, (0.0,))
LOW, GOOD = Condition(RSI, "<", level=30.0), Condition(SCORE, ">", level=0.1)
LEARNER = Learner("logistic", "direction", 5, (0.01, 0.01), (RSI,), 1)
READ = dataclasses.replace(LEARNER, weight=0)
TWO = dataclasses.replace(LEARNER, algorithm="linear")
ONLY = Rule((), 1)


@pytest.mark.parametrize(
    ("entry", "leave", "learners", "expected"),
    [
        (Rule((LOW,), 1), Rule(), (), "ta"),
        (ONLY, Rule(), (LEARNER,), "ml"),
        (Rule((GOOD,), 1), Rule(), (READ,), "ml"),
        (Rule((GOOD,), 1), Rule((Condition(SURE, "<", level=0.1),), 1), (READ,), "ml"),
        (ONLY, Rule((Condition(SCORE, "<", Operand("LEARNER.score", None, (1.0,))),), 1), (LEARNER, TWO), "ml"),
        (ONLY, Rule((Condition(SCORE, "<", dataclasses.replace(SCORE, lag=3)),), 1), (LEARNER,), "ml"),
        (Rule((LOW,), 1), Rule(), (LEARNER,), "hybrid"),
        (ONLY, Rule((LOW,), 1), (LEARNER,), "hybrid"),
        (Rule((LOW,), 1), Rule((GOOD,), 1), (READ,), "hybrid"),
    ],
)
def test_rules_decide(entry, leave, learners, expected):
    strategy = Strategy("both", entry, leave, Distance("atr", 3.0), learners=learners)
    assert slow_species(strategy) == expected
    gated = dataclasses.replace(strategy, gate=Gate("bull", "low"), size=Size("volatility", 0.2))
    for each in (strategy, gated):  # a gate and a size read bars, but are no rules
        assert SPECIES[species_of(phenotype_of(each)[None])[0]] == expected
