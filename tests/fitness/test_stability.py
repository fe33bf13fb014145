"""Neighbours: one small step in one numeric gene; a plateau keeps its Sharpe ratio and a lone peak does not."""

import dataclasses
import math

import numpy as np
import pytest

from fitness.bank import FeatureBank
from fitness.battery import Subject
from fitness.pooled import pool_measures
from fitness.stability import neighbours, stability, summarised
from fitness.tally import Trade
from fitness.trace import trace
from strategies.catalogue import catalogue, kind_index
from strategies.codec import express
from strategies.encoding import encode, phenotype_of, strategy_of
from strategies.errors import StrategyError
from strategies.genes import COLUMN, GENES
from strategies.language import everything
from strategies.sampler import random_genomes
from strategies.strategy import Breaker, Condition, Distance, Operand, Rule
from strategies.templates import TEMPLATES
from tests.fitness.battery_cases import CHEAP, CROSS, FLAT, LONG_CROSS, shard_from, subject, waves

GENE = COLUMN["entry.0.left.p0"]


def shown(strategy):
    """What neighbours differ in: gene, from, to."""
    own, found = phenotype_of(strategy), neighbours(phenotype_of(strategy))
    return {
        (GENES[gene].name, float(own[gene]), float(row[gene]))
        for gene, row in zip(found.genes, found.phenotypes, strict=True)
    }


def test_neighbours_are_the_next_places_of_each_gene():
    stopped = dataclasses.replace(
        CROSS,
        entry=Rule((Condition(Operand("RSI", "close", (14.0,), lag=1), "<", level=30.0),), 1),
        exit=Rule((), 0),
        time_stop=10,
        breaker=Breaker(0.05, 20),
    )
    assert shown(stopped) == {
        ("entry.0.left.p0", 14.0, 13.0),
        ("entry.0.left.p0", 14.0, 15.0),
        ("entry.0.left.lag", 1.0, 0.0),
        ("entry.0.left.lag", 1.0, 2.0),
        ("entry.0.level", 30.0, 29.6),
        ("entry.0.level", 30.0, 30.4),
        ("risk.stop", 20.0, 19.75),
        ("risk.time_stop", 10.0, 9.0),
        ("risk.time_stop", 10.0, 12.0),
        ("risk.breaker", 0.05, 0.1),  # below is off: no small step
        ("risk.rearm", 20.0, 10.0),
        ("risk.rearm", 20.0, 40.0),
    }


@pytest.mark.parametrize("species", ["ta", "ml", "hybrid"])
def test_every_neighbour_is_a_strategy_that_differs_in_one_number(species):
    for own in express(random_genomes(8, np.random.default_rng(3), everything(), species=species), everything()):
        found = neighbours(own)
        assert len(found.genes) == len(found.steps) == len(found.phenotypes) > 2
        assert len({row.tobytes() for row in found.phenotypes} | {own.tobytes()}) == len(found.genes) + 1
        for gene, step, row in zip(found.genes, found.steps, found.phenotypes, strict=True):
            changed = np.flatnonzero(row != own)
            silenced = {COLUMN["risk.rearm"]} | {c for c in changed if GENES[c].name.endswith(".lag")}
            assert gene in changed
            assert set(changed) <= {gene} | silenced
            assert np.sign(row[gene] - own[gene]) == step
            assert np.array_equal(express(encode(strategy_of(row)), everything())[0], row)


def test_a_step_is_the_next_value_of_its_grid():
    for own in express(random_genomes(20, np.random.default_rng(5))):
        found = neighbours(own)
        for gene, row in zip(found.genes, found.phenotypes, strict=True):
            name = GENES[gene].name
            if name.startswith(("entry", "exit")) and name[-3:-1] == ".p":
                kind = catalogue()[int(own[COLUMN[name[:-2] + "kind"]])]
                grid = kind.parameters[int(name[-1])].grid
                assert abs(grid.index(row[gene]) - grid.index(own[gene])) == 1


def test_neighbourhood_is_mutual():
    """Up and down again is where it began."""
    own = phenotype_of(CROSS)
    for row in neighbours(own).phenotypes:
        assert any(np.array_equal(back, own) for back in neighbours(row).phenotypes)


def test_which_learner_is_read_and_what_is_off_are_no_small_steps():
    for name in ("two_opinions", "trend_with_veto", "logistic_momentum", "learner_with_trend"):
        own = phenotype_of(TEMPLATES[name])
        found = neighbours(own)
        genes = {GENES[gene].name for gene in found.genes}
        assert any(gene.startswith("learner.") for gene in genes)
        assert "risk.size" not in genes
        for gene in found.genes:
            if GENES[gene].name.endswith(("edge", "trust")) or GENES[gene].name in ("risk.time_stop", "risk.breaker"):
                assert own[gene] != 0.0
    score = Condition(Operand("LEARNER.score", None, (0.0,)), ">", level=0.1008)
    reads = dataclasses.replace(TEMPLATES["two_opinions"], exit=Rule((score,), 1))
    assert kind_index("LEARNER.score")
    assert not [name for name, *_ in shown(reads) if name.startswith("exit.0.left.p")]


def test_a_number_off_the_grid_has_no_neighbours():
    with pytest.raises(StrategyError, match=r"stop must lie on the gene table's grid to be bred, but was 20.1"):
        neighbours(phenotype_of(dataclasses.replace(CROSS, stop=Distance("percent", 20.1))))


# Figures


def test_a_plateau_keeps_all_and_a_lone_peak_nothing():
    plateau = summarised(2.0, np.array([2.1, 1.9, 2.0001, 1.8]), (1, 1, 2, 2), (-1, 1, -1, 1))
    assert plateau.share_kept == pytest.approx(0.975, abs=0.03)
    peak = summarised(2.0, np.array([0.1, -0.3, 0.05, 0.0]), (1, 1, 2, 2), (-1, 1, -1, 1))
    assert peak.share_kept == pytest.approx(0.0125)
    assert peak.worst == -0.3
    assert summarised(2.0, np.array([-1.0, -2.0]), (1, 1), (-1, 1)).share_kept == 0.0
    assert summarised(1.0, np.array([3.0, 5.0]), (1, 1), (-1, 1)).share_kept == 4.0


def test_who_never_trades_earns_nothing():
    found = summarised(2.0, np.array([math.nan, math.nan, 1.0]), (1, 1, 2), (-1, 1, -1))
    assert (found.share_kept, found.median_sharpe, found.worst) == (0.0, 0.0, 0.0)
    assert math.isnan(found.genes[0].up)


@pytest.mark.parametrize("own", [math.nan, 0.0, -1.0])
def test_a_share_of_no_gain_is_not_defined(own):
    found = summarised(own, np.array([0.5, 0.7]), (1, 1), (-1, 1))
    assert math.isnan(found.share_kept)
    assert found.median_sharpe == pytest.approx(0.6)


def test_steps_that_change_no_trade_say_nothing():
    found = summarised(2.0, np.array([2.0, 2.0, 2.0, 0.2]), (1, 1, 2, 2), (-1, 1, -1, 1))
    assert (found.n, found.n_alike, found.share_kept) == (4, 3, pytest.approx(0.1))
    idle = summarised(2.0, np.array([2.0, 2.0]), (1, 1), (-1, 1))
    assert (idle.n_alike, idle.share_kept) == (2, 1.0)
    nobody = summarised(2.0, np.empty(0), (), ())
    assert (nobody.n, nobody.genes) == (0, ())
    assert math.isnan(nobody.share_kept)


def test_the_table_names_each_gene_once():
    found = summarised(2.0, np.array([1.0, 3.0, 2.5]), (GENE, GENE, 5), (-1, 1, 1))
    by_name = {one.gene: one for one in found.genes}
    assert (by_name["entry.0.left.p0"].down, by_name["entry.0.left.p0"].up) == (1.0, 3.0)
    assert len(found.genes) == 2


def test_sharpes_are_those_of_direct_back_tests():
    one = subject(CROSS, waves(seed=1), waves(seed=2, symbol="OTHER"))
    found, near = stability(one), neighbours(one.phenotype)
    sharpes = []
    for row in near.phenotypes:
        traces = [
            trace(row, shard, window, CHEAP, FeatureBank(shard))
            for shard, windows in zip(one.shards, one.windows, strict=True)
            for window in windows
        ]
        sharpes.append(pool_measures(traces)["sharpe"])
    assert found.own == pytest.approx(one.sharpe)
    assert found.n == len(sharpes)
    table = [value for gene in found.genes for value in (gene.down, gene.up) if not math.isnan(value)]
    assert sorted(table) == pytest.approx(sorted(sharpes))
    assert found.worst == pytest.approx(min(sharpes))
    assert found == stability(one)


def test_what_is_there_stands_on_a_plateau_and_a_coincidence_on_a_peak():
    """The coincidence: noise, in which the price is up by a tenth at each open at which this one strategy sells."""
    assert stability(subject(CROSS, waves())).share_kept > 0.8
    crosses = Condition(Operand("SMA", "close", (4.0,)), "crosses above", Operand("SMA", "close", (12.0,)))
    fitted = dataclasses.replace(LONG_CROSS, entry=Rule((crosses,), 1), exit=Rule((), 0), time_stop=1)
    noise = shard_from(np.random.default_rng(6).normal(0.0, 0.01, 450))
    sells = [int(trade[Trade.EXIT_BAR]) for runs in subject(fitted, noise).runs for run in runs for trade in run.trades]
    opens = noise.open.copy()
    opens[sells] *= 1.1
    lucky = subject(fitted, dataclasses.replace(noise, open=opens, high=np.maximum(noise.high, opens)))
    assert lucky.sharpe > 2.0
    assert stability(lucky).share_kept < 0.6


def test_a_flat_strategy_has_no_stability():
    found = stability(subject(FLAT, waves()))
    assert math.isnan(found.own)
    assert math.isnan(found.share_kept)


def test_the_order_of_shards_is_irrelevant():
    one = subject(CROSS, waves(seed=1), waves(seed=2, symbol="OTHER"))
    turned = Subject(one.phenotype, one.shards[::-1], one.windows[::-1], one.costs, one.banks[::-1])
    assert stability(turned).share_kept == pytest.approx(stability(one).share_kept, rel=1e-12)
