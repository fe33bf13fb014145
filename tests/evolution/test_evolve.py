"""A whole evolution in one call: the births of a job, the same every time, and its words for what can't be."""

import numpy as np
import pytest

from cluster.market import open_market
from cluster.search import search
from cluster.settings import config_from
from cluster.worker import evolution_settings
from evolution import EvolutionSettings, check_closed, evolve, rederive
from evolution.pedigree import births_to_bytes
from fitness import Costs, Evaluator, Window, sample, shard_of
from strategies.errors import ConfigError, DataError, UsageError

JOB = {
    "name": "small",
    "seed": 5,
    "data": {"shards": [{"symbol": "SPX"}, {"symbol": "IBM"}], "start": "2004-01-01", "end": "2009-01-01"},
    "evolution": {"islands": 3, "population_size": 12, "generations": 5, "epoch_generations": 2},
    "cluster": {"executor": "serial"},
}


@pytest.fixture(scope="module")
def job(tmp_path_factory):
    root = tmp_path_factory.mktemp("data")
    return config_from({**JOB, "data": {**JOB["data"], "root": str(root)}}, where="test")


def evaluator(market, config):
    windows = [split.folds for split in market.splits]
    return Evaluator(
        market.shards, windows, market.costs,
        objectives=config.evolution.objectives, min_trades=config.gates.min_trades,
    )  # fmt: skip


def test_its_births_are_those_of_a_job(job):
    market = open_market(job)
    found = search(job, market)
    told = []
    settings = evolution_settings(found.config)
    ours = evolve(settings, evaluator(market, job), seed=5, progress=lambda state, stats: told.append((state, stats)))
    assert births_to_bytes(ours.births) == births_to_bytes(found.births)
    assert [state.to_bytes() for state in ours.states] == [state.to_bytes() for state in found.states]
    check_closed(ours.births)
    np.testing.assert_array_equal(rederive(ours.births, 5, settings), ours.births.genome)
    assert [len(stats) for stats in ours.stats] == [6, 6, 6]
    assert len(told) == 3 * 3


def test_what_can_not_be_traded_is_refused_before_work():
    shard = shard_of(sample("IBM")[:300], "IBM", "1d", bars_per_year=252.0)
    costs, names = Costs(0.0005, 0.0002), ("steady_sharpe",)
    with pytest.raises(UsageError, match="one list of windows for each of its shards, one or more, but had 0 for 1"):
        Evaluator([shard], [], costs, objectives=names)
    with pytest.raises(DataError, match="a window must lie within the 300 bars of IBM 1d"):
        Evaluator([shard], [[Window("late", 200, 400)]], costs, objectives=names)
    with pytest.raises(ConfigError, match="sharp"):
        Evaluator([shard], [[Window("all", 50, 300)]], costs, objectives=["sharp"])
    with pytest.raises(ConfigError, match="seed"):
        evolve(EvolutionSettings(), Evaluator([shard], [[Window("all", 50, 300)]], costs, objectives=names), seed=-1)


def test_an_evaluator_can_not_do_what_a_job_does_and_says_so():
    shard = shard_of(sample("IBM")[:300], "IBM", "1d", bars_per_year=252.0)
    evaluate = Evaluator([shard], [[Window("all", 50, 300)]], Costs(0.0, 0.0), objectives=("steady_sharpe",))
    with pytest.raises(UsageError, match=r"without an archive and without lexicase.*parents 'lexicase'. Run a job"):
        evolve(EvolutionSettings(parents="lexicase"), evaluate, seed=1)
