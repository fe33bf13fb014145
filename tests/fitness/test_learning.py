"""Learners are told apart by all they depend on; gates are the regimes of their names; what fails spoils itself."""

import dataclasses

import numpy as np
import pytest

from fitness.bank import FeatureBank
from fitness.bits import unpack
from fitness.costs import Costs
from fitness.evaluate import evaluate, role_masks
from fitness.folds import Window
from fitness.learning import learner_digests
from fitness.samples import sample, widen
from fitness.shards import shard_of
from strategies.encoding import phenotype_of
from strategies.features.regimes import TRENDS, VOLATILITIES, regimes_of
from strategies.genes import COLUMN
from strategies.learner_encoding import learner_slots
from strategies.strategy import Condition, Distance, Gate, Learner, Operand, Rule, Size, Strategy

N_BARS = 2000
SHARD = shard_of(widen(sample("SPX"))[0].head(N_BARS), "SPX", "1d", bars_per_year=252.0)
RSI = Operand("RSI", "close", (14.0,))
FOUR = (RSI, Operand("ROC", "close", (5.0,)), Operand("CCI", None, (20.0,)), Operand("SMA", "high", (9.0,), 2, 1))
LEARNER = Learner("logistic", "direction", 5, (0.01, 0.01), FOUR, 1, 0.1, 0.02)
ALWAYS = Condition(RSI, ">", level=-1.0)
STRATEGY = Strategy("long", Rule((), 1), Rule(), Distance("atr", 3.0), learners=(LEARNER,))


def test_a_digest_changes_with_each_column_of_what_a_learner_is_and_with_none_of_how_it_votes():
    row, slot = phenotype_of(STRATEGY), learner_slots()[0]
    votes = [COLUMN[f"learner.0.{name}"] for name in ("weight", "edge", "trust")]
    rows = np.repeat(row[None], slot.stop - slot.start - 1, axis=0)
    columns = np.arange(slot.start + 1, slot.stop)
    rows[np.arange(len(columns)), columns] += 1.0
    digests = [tuple(each) for each in learner_digests(rows)[0][:, 0].tolist()]
    own = tuple(learner_digests(row[None])[0][0, 0].tolist())
    changed = [digest for digest, column in zip(digests, columns, strict=True) if column not in votes]
    assert len({own, *changed}) == len(changed) + 1
    assert {digest for digest, column in zip(digests, columns, strict=True) if column in votes} == {own}


@pytest.mark.parametrize("name", ["bull", "bear", "sideways", "high", "low"])
def test_gates_let_in_at_the_regimes_of_their_names(name):
    found = regimes_of(SHARD)
    labels, names = (found.volatility, VOLATILITIES) if name in VOLATILITIES else (found.trend, TRENDS)
    expected = (labels == names.index(name)) & (np.arange(N_BARS) >= 14)  # RSI has a value
    part = "volatility" if name in VOLATILITIES else "trend"
    gated = Strategy("long", Rule((ALWAYS,), 1), Rule(), Distance("atr", 3.0), gate=Gate(**{part: name}))
    roles = role_masks(phenotype_of(gated)[None], FeatureBank(SHARD))
    assert np.array_equal(unpack(roles.masks[roles.rows[0, :1]], N_BARS)[0], expected)
    assert expected.any()


def test_a_size_by_the_confidence_of_a_learner_that_fails_spoils_its_strategy_alone():
    needs_more = dataclasses.replace(LEARNER, features=(dataclasses.replace(RSI, kind="FUNDING_RATE", source=None),))
    sized = dataclasses.replace(STRATEGY, size=Size("confidence", 1.0))
    rows = np.array([phenotype_of(each) for each in (sized, dataclasses.replace(sized, learners=(needs_more,)))])
    costs = Costs.from_bps(fee_bps=5, slippage_bps=2)
    tallies = evaluate(rows, SHARD, [Window("all", 0, N_BARS)], costs, FeatureBank(SHARD))
    assert np.isfinite(tallies[0]).all()
    assert np.isnan(tallies[1]).all()
