"""Votes, gates and learners in compiled bits, against the plain twin (reference_rules) and the laws they obey."""

import dataclasses

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fitness import learning
from fitness.bank import FeatureBank
from fitness.bits import n_words, pack, unpack
from fitness.costs import Costs
from fitness.evaluate import evaluate, role_masks
from fitness.folds import Window
from fitness.learning import learner_digests
from fitness.population import FIRST_RISK
from fitness.reference_rules import wanted
from fitness.rules import N_PLANES, _add_nb, _reached_nb
from fitness.samples import random_walk, sample, widen
from fitness.shards import shard_of
from strategies.codec import express
from strategies.encoding import phenotype_of, strategy_of
from strategies.genes import COLUMN, CONFLICTS, GATE_TRENDS, GATE_VOLATILITIES
from strategies.learner_encoding import learner_slots
from strategies.sampler import random_genomes
from strategies.species import SPECIES
from strategies.strategy import Condition, Distance, Gate, Learner, Operand, Rule, Strategy

N_BARS = 700


@pytest.fixture(scope="module")
def spx():
    frame, _ = widen(sample("SPX"))
    return shard_of(frame.head(N_BARS), "SPX", "1d", bars_per_year=252.0)


def bits_of(rows, shard, budget=2**28):
    """What strategies want, `(n, 4, n_bars)` booleans."""
    roles = role_masks(rows, FeatureBank(shard, budget))
    assert roles.sound.all()
    return unpack(roles.masks[roles.rows.ravel()], shard.n_bars).reshape(len(rows), 4, shard.n_bars)


def some_of(species):
    """Strategies of a species that say, all species together, all there is to say."""
    return express(random_genomes(45, np.random.default_rng(12 + SPECIES.index(species)), species=species))


@pytest.mark.parametrize("species", SPECIES)
def test_strategies_want_what_their_plain_twins_want(spx, species):
    rows = some_of(species)
    for row, bits in zip(rows, bits_of(rows, spx), strict=True):
        assert np.array_equal(bits, wanted(strategy_of(row), spx)), strategy_of(row).text()


def test_the_sample_of_strategies_says_all_there_is_to_say():
    rows = np.concatenate([some_of(name) for name in SPECIES])
    for name, n in (
        ("fusion.conflict", len(CONFLICTS)),
        ("gate.trend", len(GATE_TRENDS)),
        ("gate.volatility", len(GATE_VOLATILITIES)),
        ("entry.0.weight", 4),
        ("learner.0.weight", 4),
        ("entry.0.left.timeframe", 3),
    ):
        assert set(rows[:, COLUMN[name]].astype(int)) >= set(range(1, n)), name


def test_neither_budget_nor_company_changes_what_a_strategy_wants(spx):
    rows = express(random_genomes(24, np.random.default_rng(5), species="hybrid"))
    together = bits_of(rows, spx)
    assert np.array_equal(bits_of(rows, spx, budget=0), together)
    assert np.array_equal(np.concatenate([bits_of(row[None], spx) for row in rows[:8]]), together[:8])


@given(st.integers(0, 10**6), st.integers(1, 6))
@settings(max_examples=60, deadline=None)
def test_sums_in_binary_are_sums(seed, n_votes):
    rng = np.random.default_rng(seed)
    truths, weights = rng.random((n_votes, 130)) < 0.5, rng.integers(1, 4, n_votes)
    unless, needed = rng.random(n_votes) < 0.3, int(rng.integers(0, 20))
    planes, out = np.zeros((N_PLANES, n_words(130)), dtype=np.uint64), np.zeros(n_words(130), dtype=np.uint64)
    for truth, weight, turned in zip(pack(truths), weights, unless, strict=True):
        _add_nb(truth, float(weight), bool(turned), planes, 0, n_words(130))
    _reached_nb(planes, float(needed), 0, n_words(130), out)
    votes = (weights[:, None] * (truths ^ unless[:, None])).sum(axis=0)
    assert np.array_equal(unpack(out, 130), (votes >= needed) & (needed > 0))


# --- laws ---


RSI = Operand("RSI", "close", (14.0,))
LOW = Condition(RSI, "<", level=45.0)
LOGISTIC = Learner("logistic", "direction", 2, (0.05, 0.01), (RSI, Operand("ROC", "close", (5.0,))), 2, 0.05)
BASE = Strategy("both", Rule((LOW,), 1), Rule((Condition(RSI, ">", level=60.0),), 1), Distance("atr", 3.0))


def entries(strategy, shard):
    """Where a strategy decides to go long and to go short, `(2, n_bars)`."""
    bits = bits_of(phenotype_of(strategy)[None], shard)[0]
    return bits[[0, 2]]


def test_a_learner_alone_enters_where_it_says_so(spx):
    alone = dataclasses.replace(BASE, entry=Rule((), 2), learners=(LOGISTIC,))
    said = FeatureBank(spx)._learning.said((1, 1), phenotype_of(alone)[learner_slots()[0]])
    long, short = entries(alone, spx)
    assert np.array_equal(long, said.score > 0.05)
    assert np.array_equal(short, said.score < -0.05)
    assert long.sum() > 50
    assert short.sum() > 50
    trusting = dataclasses.replace(alone, learners=(dataclasses.replace(LOGISTIC, trust=0.02),))
    assert np.array_equal(entries(trusting, spx)[0], long & (said.confidence > 0.02))


@pytest.mark.parametrize("conflict", CONFLICTS)
def test_a_strategy_that_only_goes_short_is_the_short_side_of_its_learners(spx, conflict):
    both = dataclasses.replace(BASE, entry=Rule((), 2), learners=(LOGISTIC,), conflict=conflict)
    short = dataclasses.replace(both, direction="short")
    assert not entries(short, spx)[0].any()
    assert np.array_equal(entries(short, spx)[1], entries(both, spx)[1])
    assert entries(short, spx)[1].any()
    long = dataclasses.replace(both, direction="long")
    assert np.array_equal(entries(long, spx)[0], entries(both, spx)[0])


def test_a_learner_on_another_timeframe_is_no_operand(spx):
    reader = Condition(Operand("LEARNER.score", None, (0.0,), timeframe=1), ">", level=0.1)
    row = phenotype_of(dataclasses.replace(BASE, entry=Rule((reader,), 1), learners=(LOGISTIC,)))
    assert role_masks(row[None], FeatureBank(spx)).sound.tolist() == [False]


def test_a_learner_that_can_not_be_computed_gives_no_size(spx, monkeypatch):
    def broken(*_):
        raise ZeroDivisionError

    row = phenotype_of(dataclasses.replace(BASE, learners=(LOGISTIC,)))
    row[COLUMN["risk.size_kind"]] = 3.0
    bank = FeatureBank(spx)
    monkeypatch.setattr(bank._learning, "said", broken)
    assert np.isnan(bank.scales(row[None])[0]).all()
    assert role_masks(row[None], bank).sound.tolist() == [False]


def test_conflicts_only_ever_take_entries_away(spx):
    both = dataclasses.replace(BASE, entry=Rule((LOW,), 1), learners=(LOGISTIC,))
    counts = {name: entries(dataclasses.replace(both, conflict=name), spx) for name in CONFLICTS}
    assert (counts["net"] <= counts["votes"]).all()
    assert (counts["veto"] <= counts["votes"]).all()
    against = entries(dataclasses.replace(both, entry=Rule((), 2)), spx)[::-1]
    assert not (counts["veto"] & against).any()
    assert (counts["votes"] & against).any()
    assert np.array_equal(counts["net"], counts["veto"])  # two votes against one


def test_weights_multiplied_by_a_number_change_nothing(spx):
    rule = Rule((LOW, Condition(Operand("PRICE", "close", ()), ">", Operand("SMA", "close", (50.0,)))), 2)
    doubled = Rule(tuple(dataclasses.replace(condition, weight=2) for condition in rule.conditions), 4)
    same = [entries(dataclasses.replace(BASE, entry=each), spx) for each in (rule, doubled)]
    assert np.array_equal(*same)
    assert same[0].any()


@pytest.mark.parametrize("gate", GATE_TRENDS[1:])
def test_a_gate_and_its_contrary_share_the_entries(spx, gate):
    contrary = gate.removeprefix("not ") if gate.startswith("not ") else f"not {gate}"
    every, inside, outside = (
        entries(dataclasses.replace(BASE, gate=Gate(trend=name)), spx) for name in ("any", gate, contrary)
    )
    known = np.arange(N_BARS) >= 100  # the regime is unknown before
    assert np.array_equal(inside | outside, every & known)
    assert not (inside & outside).any()


def test_gates_leave_exits_alone(spx):
    gated = dataclasses.replace(BASE, gate=Gate("bull", "low"))
    with_gate, without = (bits_of(phenotype_of(each)[None], spx)[0] for each in (gated, BASE))
    assert np.array_equal(with_gate[[1, 3]], without[[1, 3]])
    assert not np.array_equal(with_gate, without)


# --- learners ---


def test_a_learner_runs_once_whoever_asks_it(spx, monkeypatch):
    calls = []

    def counted(*call):
        calls.append(call)
        return learn(*call)

    learn = learning.learn_samples
    monkeypatch.setattr(learning, "learn_samples", counted)
    reader = Condition(Operand("LEARNER.score", None, (1.0,)), ">", level=0.1)
    other = dataclasses.replace(LOGISTIC, algorithm="linear")
    rows = [
        dataclasses.replace(BASE, learners=(LOGISTIC,)),
        dataclasses.replace(BASE, learners=(dataclasses.replace(LOGISTIC, edge=0.2, trust=0.1, weight=1),)),
        dataclasses.replace(BASE, learners=(other, LOGISTIC)),
        dataclasses.replace(BASE, entry=Rule((reader,), 1), learners=(other, LOGISTIC)),
    ]
    bank = FeatureBank(spx)
    for _ in range(2):
        role_masks(np.array([phenotype_of(row) for row in rows]), bank)
    assert [call[0] for call in calls] == ["logistic", "linear"]


def test_a_population_without_learners_never_comes_to_learning(spx, monkeypatch):
    monkeypatch.setattr(learning, "learn_samples", None)
    rows = express(random_genomes(50, np.random.default_rng(3), species="ta"))
    digests, found = learner_digests(rows)
    assert not digests.any()
    assert found == {}
    assert bits_of(rows, spx).any()


def test_every_part_of_its_nature_is_in_the_digest_and_nothing_else():
    rows = express(random_genomes(300, np.random.default_rng(4), species="ml"))
    slot = learner_slots()[0]
    digests, found = learner_digests(rows)
    natures = {rows[i, slot.start + 4 : slot.stop].tobytes() for i in range(len(rows))}
    natures |= {rows[i, learner_slots()[1].start + 4 : learner_slots()[1].stop].tobytes() for i in range(len(rows))}
    natures.discard(bytes(8 * (slot.stop - slot.start - 4)))
    assert len(found) == len(natures)
    assert {tuple(each) for each in digests.reshape(-1, 2).tolist()} - {(0, 0)} == set(found)


def test_a_learner_whose_feature_fails_spoils_its_strategy_alone(spx):
    needs_more = dataclasses.replace(LOGISTIC, features=(Operand("FUNDING_RATE", None, ()),))
    rows = np.array([phenotype_of(dataclasses.replace(BASE, learners=each)) for each in ((LOGISTIC,), (needs_more,))])
    assert role_masks(rows, FeatureBank(spx)).sound.tolist() == [True, False]
    tallies = evaluate(
        rows, spx, [Window("all", 0, N_BARS)], Costs.from_bps(fee_bps=5, slippage_bps=2), FeatureBank(spx)
    )
    assert np.isfinite(tallies[0]).all()
    assert np.isnan(tallies[1]).all()


def test_features_are_read_as_many_bars_back_as_they_say(spx):
    now = dataclasses.replace(BASE, entry=Rule((), 2), learners=(dataclasses.replace(LOGISTIC, features=(RSI,)),))
    later = dataclasses.replace(RSI, lag=3)
    then = dataclasses.replace(now, learners=(dataclasses.replace(LOGISTIC, features=(later,)),))
    assert not np.array_equal(entries(now, spx), entries(then, spx))
    assert np.array_equal(entries(then, spx), wanted(then, spx)[[0, 2]])


@pytest.mark.parametrize("species", ["ml", "hybrid"])
def test_later_bars_change_nothing_before_them(species):
    shard = shard_of(random_walk(8, 500), "RWALK", "1d", bars_per_year=252.0)
    factor = np.ones(500)
    factor[301:] = np.exp(np.random.default_rng(0).normal(0.1, 0.3, 199))
    changed = {name: getattr(shard, name) * factor for name in ("open", "high", "low", "close", "volume")}
    other = dataclasses.replace(shard, **changed)
    rows = express(random_genomes(40, np.random.default_rng(9), species=species))
    before, after = bits_of(rows, shard), bits_of(rows, other)
    assert np.array_equal(before[..., :301], after[..., :301])
    assert not np.array_equal(before, after)


# --- sizes ---


def sticky_walk():
    """Bars that go on as they went: a learner can be sure of them."""
    frame = random_walk(2, 600)
    drift = np.repeat(np.random.default_rng(1).choice([0.99, 1.01], 60), 10).cumprod()
    return frame.with_columns(pl.col(name) * drift for name in ("open", "high", "low", "close"))


def test_a_size_by_confidence_is_the_mean_confidence_of_those_that_vote():
    spx = shard_of(sticky_walk(), "RWALK", "1d", bars_per_year=252.0)
    silent = dataclasses.replace(LOGISTIC, algorithm="linear", weight=1)
    row = phenotype_of(dataclasses.replace(BASE, learners=(LOGISTIC, silent)))
    row[COLUMN["risk.size_kind"]] = 3.0
    bank = FeatureBank(spx)
    scales, used = bank.scales(np.array([row, phenotype_of(BASE)]))
    assert used.tolist() == [0, -1]
    sure = [bank._learning.said((i, i), row[slot]).confidence for i, slot in enumerate(learner_slots())]
    assert np.allclose(scales[0], (2 * sure[0] + sure[1]) / 3, equal_nan=True, rtol=1e-12)
    assert np.nanmax(scales[0]) > 0
    assert np.nanmax(scales[0]) <= 1
    assert COLUMN["risk.size_kind"] == FIRST_RISK + 8
