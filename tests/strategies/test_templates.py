"""Every template is expressible: as a genome, as JSON, as words."""

import pytest

from strategies.codec import express
from strategies.encoding import encode, strategy_of
from strategies.strategy import Strategy
from strategies.templates import TEMPLATES, template_genomes


@pytest.mark.parametrize("name", TEMPLATES)
def test_template_is_a_genome(name):
    strategy = TEMPLATES[name]
    assert strategy_of(express(encode(strategy)[None])[0]) == strategy
    assert Strategy.from_json(strategy.to_json()) == strategy


def test_template_genomes_are_in_the_order_of_the_registry():
    ids = [strategy_of(row).id for row in express(template_genomes())]
    assert ids == [strategy.id for strategy in TEMPLATES.values()]
