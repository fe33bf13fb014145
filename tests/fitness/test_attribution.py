"""Attribution: what is left out is left out and nothing else, on the same bars; what does nothing is worth nothing."""

from dataclasses import replace

import numpy as np
import pytest

from fitness.attribution import FIGURES, attribute, attribute_on, members
from fitness.bank import FeatureBank
from fitness.costs import Costs
from fitness.folds import Window
from fitness.measures import MEASURES
from fitness.samples import random_walk
from fitness.shards import load_shard, write_shard
from fitness.trace import trace
from strategies.codec import express
from strategies.encoding import phenotype_of, strategy_of
from strategies.sampler import random_genomes
from strategies.strategy import Breaker, Condition, Distance, Gate, Learner, Operand, Rule, Size, Strategy

COSTS = Costs.from_bps(fee_bps=5.0, slippage_bps=2.0)
CLOSE = Operand("PRICE", "close", ())
FAST, SLOW = Operand("SMA", "close", (5.0,)), Operand("SMA", "close", (30.0,))
UP, DOWN = Condition(FAST, ">", SLOW), Condition(FAST, "<", SLOW)
ABOVE = Condition(CLOSE, ">", Operand("SMA", "close", (100.0,)))
RSI = Condition(Operand("RSI", "close", (14.0,)), "<", level=60.0)
BASE = Strategy("long", Rule((UP, ABOVE, RSI), 3), Rule((DOWN,), 1), Distance("percent", 8.0))
LEARNER = Learner("logistic", "direction", 5, (0.01, 0.001), (Operand("RSI", "close", (14.0,)),), weight=2, trust=0.1)
SCORE = Condition(Operand("LEARNER.score", None, (1.0,)), ">", level=0.1)


@pytest.fixture(scope="module")
def shard(tmp_path_factory):
    root = tmp_path_factory.mktemp("store")
    write_shard(random_walk(9, 900), root, "RW", "1d", calendar="24/5")
    return load_shard(root, "RW", "1d")


@pytest.fixture(scope="module")
def bank(shard):
    return FeatureBank(shard)


@pytest.fixture(scope="module")
def attributed(shard, bank):
    window = Window("all", 100, shard.n_bars)

    def run(strategy):
        return attribute_on(strategy, shard, window, COSTS, bank)

    return run


def without(strategy, kind, place=0):
    return [member.without for member in members(strategy) if member.kind == kind][place]


def test_members_are_all_that_can_be_left_out():
    strategy = replace(
        BASE, target=Distance("atr", 4.0), trail=Distance("percent", 6.0), time_stop=40, gate=Gate("bull", "low"),
        breaker=Breaker(0.2, 20), learners=(LEARNER,), entry=Rule((UP, ABOVE), 4),
    )  # fmt: skip
    kinds = [member.kind for member in members(strategy)]
    assert kinds == ["entry", "entry", "learner", "gate", "gate", "exit", "target", "trail", "time stop", "breaker"]
    assert without(strategy, "target") == replace(strategy, target=None)
    assert without(strategy, "trail") == replace(strategy, trail=None)
    assert without(strategy, "time stop") == replace(strategy, time_stop=0)
    assert without(strategy, "breaker") == replace(strategy, breaker=None)
    assert without(strategy, "gate", 0) == replace(strategy, gate=Gate("any", "low"))
    assert without(strategy, "gate", 1) == replace(strategy, gate=Gate("bull", "any"))
    assert without(strategy, "exit") == replace(strategy, exit=Rule((), 0))
    assert without(strategy, "learner") == replace(strategy, learners=(), entry=Rule((UP, ABOVE), 2))
    assert without(strategy, "entry", 1) == replace(strategy, entry=Rule((UP,), 3))
    assert [member.text for member in members(strategy)][-1] == "halt at a drawdown of 20% for 20 bars"


@pytest.mark.parametrize(("needed", "left"), [(3, 2), (2, 2), (1, 1)])
def test_what_is_left_needs_no_more_votes_than_it_has(needed, left):
    strategy = replace(BASE, entry=Rule((UP, ABOVE, RSI), needed))
    assert [member.without.entry.needed for member in members(strategy) if member.kind == "entry"] == [left] * 3


def test_weights_count_as_votes():
    heavy = replace(UP, weight=3)
    strategy = replace(BASE, entry=Rule((heavy, ABOVE), 4))
    assert without(strategy, "entry", 0).entry == Rule((ABOVE,), 1)
    assert without(strategy, "entry", 1).entry == Rule((heavy,), 3)


def test_a_learner_that_a_condition_reads_loses_its_votes_alone():
    strategy = replace(BASE, entry=Rule((UP, SCORE), 4), learners=(replace(LEARNER, horizon=3), LEARNER))
    first, second = (without(strategy, "learner", place) for place in (0, 1))
    assert first.learners == (LEARNER,)
    assert first.entry.conditions[1].left.parameters == (0.0,)  # the learner moved up
    assert second.learners == (strategy.learners[0], replace(LEARNER, weight=0, edge=0.0, trust=0.0))
    assert second.entry.conditions == strategy.entry.conditions
    unread = without(replace(strategy, learners=(strategy.learners[0], second.learners[1])), "entry", 1)
    assert unread.learners == strategy.learners[:1]


def test_a_size_by_confidence_becomes_fixed_where_no_learner_is_left():
    strategy = replace(BASE, learners=(LEARNER,), size=Size("confidence", 0.7), entry=Rule((UP,), 1))
    assert without(strategy, "learner").size == Size("fixed", 0.7)
    assert without(strategy, "entry").size == Size("confidence", 0.7)


def test_every_strategy_without_a_member_is_a_valid_strategy():
    phenotypes = express(random_genomes(150, np.random.default_rng(3)))
    n_members = n_learners = 0
    for phenotype in phenotypes:
        strategy = strategy_of(phenotype)
        for member in members(strategy):
            n_learners += member.kind == "learner"
            if member.without is not None:
                n_members += 1
                assert Strategy.from_json(member.without.to_json()) == member.without
                assert member.without != strategy
    assert n_members > 500
    assert n_learners > 20


def test_the_only_member_of_the_entry_can_not_be_left_out(attributed):
    found = attributed(replace(BASE, entry=Rule((UP,), 1)))
    last = found.contributions[-1]
    assert (last.kind, last.without, last.difference) == ("entry", None, None)
    assert last.note == "the only member of the entry: without it nothing is left to enter by"
    assert len(found.contributions) == 2


def test_a_learner_alone_can_not_be_left_out():
    strategy = replace(BASE, entry=Rule((), 2), learners=(LEARNER,))
    assert without(strategy, "learner") is None


def test_a_member_that_does_nothing_is_worth_nothing(attributed):
    """The same condition twice, a target that is never reached and a time stop beyond the last bar."""
    strategy = replace(
        BASE, entry=Rule((UP, replace(UP, weight=2), ABOVE), 4), target=Distance("percent", 5000.0), time_stop=5000
    )
    found = attributed(strategy)
    assert found.whole["n_trades"] > 3
    idle = [one for one in found.contributions if one.kind in ("target", "time stop")]
    idle += [one for one in found.contributions if one.text == "SMA(5) > SMA(30)"]
    assert len(idle) == 4
    for one in idle:
        assert set(one.difference.values()) == {0.0}, one
    needed = next(one for one in found.contributions if one.text.startswith("close"))
    assert set(needed.difference.values()) != {0.0}


def test_differences_are_those_of_direct_back_tests(attributed, shard, bank):
    window = Window("all", 100, shard.n_bars)
    strategy = replace(BASE, trail=Distance("percent", 6.0), gate=Gate("not bear", "any"))
    found = attributed(strategy)

    def figures(variant):
        tally = trace(phenotype_of(variant), shard, window, COSTS, bank).tally
        return {name: float(MEASURES[name].function(tally, shard.bars_per_year)) for name in FIGURES}

    assert found.whole == figures(strategy)
    by_text = {(member.kind, member.text): member.without for member in members(strategy)}
    for one in found.contributions:
        direct = figures(by_text[one.kind, one.text])
        assert one.without == direct
        assert one.difference == {name: found.whole[name] - direct[name] for name in FIGURES}


def test_contributions_are_ranked_by_sharpe_with_the_undefined_last():
    """Figures made up: leaving out the n-th entry condition gives a Sharpe of n, without an exit none at all."""
    sharpes = iter([2.0, 0.5, 3.0, 1.0, np.nan])

    def measured(_):
        return dict.fromkeys(FIGURES, 0.0) | {"sharpe": next(sharpes), "more": 1.0}

    found = attribute(BASE, measured)
    texts = [one.text for one in found.contributions]
    assert [one.difference["sharpe"] for one in found.contributions[:3]] == [1.5, 1.0, -1.0]
    assert texts[0] == "SMA(5) > SMA(30)"
    assert found.contributions[-1].kind == "exit"
    document = found.to_dict()
    assert [one["text"] for one in document["contributions"]] == texts
    assert "need not add up" in document["interaction"]


def test_attribution_is_the_same_again(attributed):
    assert attributed(BASE) == attributed(BASE)
