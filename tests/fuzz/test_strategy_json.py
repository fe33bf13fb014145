"""Strategy JSON, whatever is in it: a strategy that comes back from its text, or a `StrategyError` that names it."""

import json
import random

import pytest

from strategies.encoding import phenotype_of, strategy_of
from strategies.errors import StrategyError
from strategies.sampler import random_genomes
from strategies.strategy import Strategy
from strategies.strategy_json import strategy_from_json
from strategies.templates import TEMPLATES
from tests.fuzz.law import hold
from tests.fuzz.mutations import as_json, damaged_bytes, damaged_tree, deep_text

pytestmark = pytest.mark.chaos


@pytest.fixture(scope="module")
def trees():
    """Strategies of every kind: the templates, and random ones with learners, gates and breakers."""
    import numpy as np

    from strategies.codec import express

    drawn = [strategy_of(row) for row in express(random_genomes(40, np.random.default_rng(1)))]
    return [one.to_dict() for one in (*TEMPLATES.values(), *drawn)]


def comes_back(text):
    """A strategy that was read is the one its own text describes, and can be said in words and as a row or refused."""
    strategy = strategy_from_json(text, where="s.json")
    assert Strategy.from_json(strategy.to_json()) == strategy
    assert "\n" not in strategy.text()
    assert len(strategy.id) == 16
    try:
        row = phenotype_of(strategy)
    except StrategyError:
        return  # a number that no gene holds; it can be tested all the same
    assert strategy_of(row).to_json() == strategy.to_json()


def test_strategy_json_with_any_wrong_branch_is_a_strategy_or_refused_by_name(amount, trees):
    def case(rng):
        return as_json(damaged_tree(rng, rng.choice(trees)))

    found = hold(case, comes_back, n=amount(2_000, 100_000), errors=StrategyError, named="s.json")
    assert min(found.values()) > 0


def test_strategy_text_with_any_damage_is_a_strategy_or_refused_by_name(amount, trees):
    def case(rng):
        text = as_json(rng.choice(trees))
        if rng.random() < 0.03:
            return text.replace("null", deep_text(rng), 1)
        return damaged_bytes(rng, text.encode()).decode("utf-8", rng.choice(("replace", "surrogateescape")))

    found = hold(case, comes_back, n=amount(2_000, 100_000), errors=StrategyError, named="s.json")
    assert min(found.values()) > 0


def test_the_damage_is_not_always_the_same(trees):
    made = {json.dumps(damaged_tree(random.Random(number), trees[0]), default=str) for number in range(100)}
    assert len(made) > 90
