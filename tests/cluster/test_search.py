"""A search in memory is a job without its files: the same births, the same candidates, and no look at the lockbox."""

import threading
from dataclasses import replace

import numpy as np
import pytest

from cluster.births_file import read_births
from cluster.driver import run_job
from cluster.search import best_candidates, search
from cluster.signals import Interrupted
from evolution.pedigree import births_to_bytes, check_closed


@pytest.fixture(scope="module")
def config(tiny_values):
    from cluster.settings import config_from

    return config_from(tiny_values, where="test")


@pytest.fixture(scope="module")
def found(config, market):
    return search(config, market)


def test_births_and_candidates_are_those_of_a_job(config, found, tmp_path):
    view = run_job(config, root=tmp_path)
    assert births_to_bytes(found.births) == births_to_bytes(read_births(view.run_dir, view.epochs))
    ids = [candidate.strategy.id for candidate in best_candidates(found, config.gates.candidates)]
    assert ids == [record["id"] for record in view.chosen["candidates"]]
    assert found.n_evaluated == view.n_evaluated
    assert [state.generation for state in found.states] == [config.evolution.generations] * config.evolution.islands


def test_the_lockbox_decides_nothing(config, market, found):
    cut = [shard.head(split.lockbox.start) for shard, split in zip(market.shards, market.splits, strict=True)]
    other = search(config, replace(market, shards=tuple(cut)))
    assert births_to_bytes(other.births) == births_to_bytes(found.births)


def test_every_epoch_is_told_and_adds_up(config, market, found):
    told = []
    search(config, market, progress=told.append)
    assert len(told) == config.evolution.n_epochs * config.evolution.islands
    assert sum(result.facts["n_evaluated"] for result in told) == found.n_evaluated


@pytest.mark.parametrize("enough", [1, 40])
def test_it_ends_once_it_has_tried_enough_and_not_before(config, market, found, enough):
    told = []
    cut = search(config, market, until=lambda n: n >= enough, progress=told.append)
    check_closed(cut.births)
    shared = np.isin(found.births.birth_id, cut.births.birth_id)
    assert births_to_bytes(found.births.take(shared)) == births_to_bytes(cut.births)
    without_last = cut.n_evaluated - told[-1].facts["n_evaluated"]
    assert enough <= cut.n_evaluated < found.n_evaluated
    assert without_last < enough or len(told) == config.evolution.islands


def test_a_stopped_search_says_so(config, market):
    stop = threading.Event()

    def tell(_):
        stop.set()

    with pytest.raises(Interrupted, match="stopped in the middle of a search"):
        search(config, market, stop=stop, progress=tell)


@pytest.mark.parametrize("name", ["random", "hill climbing"])
def test_other_searches_pay_for_each_strategy_once_and_score_it_as_evolution_does(config, market, found, name):
    from benchmarks.experiments.search_methods import SEARCHES
    from strategies.codec import express, phenotype_keys

    tried, again = (SEARCHES[name](config, market, n=60) for _ in range(2))
    assert len(tried) == 60
    assert tried.genomes.tobytes() == again.genomes.tobytes()
    keys = phenotype_keys(express(tried.genomes, found.breeding.settings.language))
    assert len(np.unique(keys, axis=0)) == 60
    known = {key.tobytes(): row for row, key in enumerate(found.births.key)}
    shared = [(row, known[key.tobytes()]) for row, key in enumerate(keys) if key.tobytes() in known]
    assert len(shared) >= (12 if name == "random" else 1)  # the founders of island 0, or the first of them
    for mine, theirs in shared:
        for field in ("objectives", "measures"):
            assert np.array_equal(getattr(tried, field)[mine], getattr(found.births, field)[theirs], equal_nan=True)
    assert tried.best_so_far()[-1] == tried.objectives[tried.best, 0] == np.nanmax(tried.objectives[:, 0])


def test_a_climb_only_goes_up_and_starts_anew_when_stuck():
    from benchmarks.experiments.search_methods import Purse, _climb

    class Hill(Purse):
        def spend(self, genomes):
            self.merits.update({genome.tobytes(): genome[0] for genome in genomes})
            return np.minimum(genomes[:, 0], 3.0)

    purse, asked = Hill(1000, None, None), []

    def mutants(genome, step, width):
        asked.append((genome[0], step))
        return genome + np.arange(width)[:, np.newaxis] * 0.5

    _climb(np.zeros(1), purse, mutants, width=3, patience=6)
    assert asked == [(0.0, 0), (1.0, 1), (2.0, 2), (3.0, 3), (3.0, 4)]
