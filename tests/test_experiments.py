"""What the experiments of docs/evidence.md rest on: markets that are what they say, and a measure of agreement."""

import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks" / "experiments"))

from planted_markets import LONGEST, RULES, agreement, planted_market
from results import settings_of

from fitness.checks import check_bars, refuse_errors
from fitness.null_bars import Walk, gaussian_walk
from strategies.catalogue import kind_index
from strategies.operand_kind import CLOSE
from strategies.operands import column
from strategies.templates.sma_cross import SLOW


@pytest.fixture(scope="module")
def market():
    return planted_market("trend", 0.60, 3, n_bars=4000)


def moves(shard):
    return np.sign(np.diff(np.concatenate([[100.0], shard.close])))


@pytest.mark.parametrize("rule", RULES)
def test_the_rule_is_right_as_often_as_it_should_be_and_the_positions_are_its(rule):
    planted = planted_market(rule, 0.60, 7, n_bars=3000)
    held = planted.positions[LONGEST:]
    right = (moves(planted.shard)[LONGEST:] == held).mean()
    assert right == pytest.approx(0.60, abs=3 * np.sqrt(0.24 / len(held)))
    closes = [100.0, *planted.shard.close.tolist()]
    for bar in range(LONGEST, 3000, 37):
        assert planted.positions[bar] == RULES[rule](closes[: bar + 1])


def test_nothing_is_foreseen_at_one_half():
    planted = planted_market("momentum", 0.50, 5, n_bars=4000)
    right = (moves(planted.shard)[LONGEST:] == planted.positions[LONGEST:]).mean()
    assert right == pytest.approx(0.5, abs=3 * np.sqrt(0.25 / 4000))


def test_bars_are_sound_and_their_range_is_that_of_a_path(market):
    shard = market.shard
    refuse_errors(check_bars(shard.frame(), "planted"), "planted")
    np.testing.assert_array_equal(shard.open[1:], shard.close[:-1])
    size = np.log(shard.high / shard.low).mean() / np.abs(np.log(shard.close / shard.open)).mean()
    walk = gaussian_walk(Walk(4000), 1)
    like = np.log(walk.high / walk.low).mean() / np.abs(np.log(walk.close / walk.open)).mean()
    assert size == pytest.approx(like, rel=0.03)  # 2 for a Brownian path: Feller 1951


def test_the_grammar_can_say_the_rule(market):
    assert SLOW.parameters == (20.0,)
    mean = column(kind_index(SLOW.kind), CLOSE, SLOW.parameters, market.shard)
    wants = np.where(market.shard.close > mean, 1, -1)
    np.testing.assert_array_equal(wants[LONGEST:-1], market.positions[LONGEST + 1 :])


def test_agreement_is_one_with_itself_none_with_chance_and_turns_with_the_sign():
    rng = np.random.default_rng(1)
    one, other = (rng.choice([-1, 0, 1], 5000).astype(np.int8) for _ in range(2))
    assert agreement(one, one) == pytest.approx(1.0)
    assert agreement(one, other) == pytest.approx(0.0, abs=0.05)
    two = rng.choice([-1, 1], 5000).astype(np.int8)
    assert agreement(two, -two) == pytest.approx(-1.0)
    assert agreement(two, np.ones_like(two)) == 0.0
    hit, miss = 30, 20  # of two kinds it is Matthews': (30*30 - 20*20) / 2500
    held = np.repeat([1, 1, -1, -1], [hit, miss, miss, hit]).astype(np.int8)
    truth = np.repeat([1, -1, 1, -1], [hit, miss, miss, hit]).astype(np.int8)
    assert agreement(held, truth) == pytest.approx(0.2)


@pytest.mark.parametrize("name", ["noise", "planted", "luck"])
def test_every_experiment_has_a_job_that_the_product_takes(name):
    from cluster.settings import config_from
    from cluster.worker import evolution_settings

    job = settings_of(name)["job"]
    evolution_settings(config_from({**job, "seed": 1, "data": {"shards": [{"symbol": "X"}]}}, where=name))
