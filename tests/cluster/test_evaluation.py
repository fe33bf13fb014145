"""Who sees which bars and which cells: the head of each shard, the screen's folds, the pieces put together again."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cluster.evaluation import ShardBench, assign, gather, learnable, prepare, screen_folds, screen_mask, windows_of
from cluster.worker import CellEvaluation, breeding_of, on_screen_of
from fitness.bank import FeatureBank
from fitness.evaluate import evaluate
from fitness.shards import load_shard
from fitness.tally import N_TALLY
from strategies.codec import express
from strategies.sampler import random_genomes

BARS = ("timestamps", "open", "high", "low", "close", "volume")
SEGMENTS = ("folds", "screen", "rest", "validation")


@pytest.fixture(scope="module")
def config(tiny_values):
    from cluster.settings import config_from

    screened = {**tiny_values["evolution"], "screen": {"enabled": True, "cells": 0.25, "whole_shards": False}}
    return config_from({**tiny_values, "evolution": screened}, where="test")


@pytest.fixture(scope="module")
def phenotypes():
    return express(random_genomes(150, np.random.default_rng(4)))


def bench_of(market, n_workers=1, on_screen=((1,), ())):
    """An evaluator of as many benches as there are workers, put together as on a cluster."""
    shares = assign(len(market.shards), n_workers)
    benches = [
        ShardBench(own, market.shards, market.splits, market.costs, bank_bytes=2**24, on_screen=on_screen)
        for own in shares
    ]

    def tallies(rows, segment):
        pieces = [piece for bench in benches for piece in bench.evaluate(rows, segment)]
        return gather([share for own in shares for share in own], pieces)

    return tallies


def test_the_head_is_the_shard_that_one_would_load_if_time_ended_there(bars_root):
    whole = load_shard(bars_root, "SPX", "1d")
    day = np.datetime_as_string(whole.timestamps[500].astype("datetime64[us]"), unit="D")
    loaded, head = load_shard(bars_root, "SPX", "1d", end=day), whole.head(500)
    for field in dataclasses.fields(whole):
        np.testing.assert_array_equal(getattr(head, field.name), getattr(loaded, field.name))
    assert all(np.shares_memory(getattr(head, name), getattr(whole, name)) for name in BARS)
    assert head.content_hash != whole.content_hash
    assert whole.head(whole.n_bars) is whole


@pytest.mark.parametrize("segment", ["folds", "validation"])
def test_tallies_are_those_of_the_whole_shard_to_the_bit(market, phenotypes, segment):
    found = bench_of(market)(phenotypes, segment)
    whole = [
        evaluate(phenotypes, shard, windows_of(split, segment), market.costs, FeatureBank(shard))
        for shard, split in zip(market.shards, market.splits, strict=True)
    ]
    assert found.tobytes() == np.concatenate(whole, axis=1).tobytes()
    assert np.isfinite(found).all()
    assert (found[..., 12] > 0).any()  # somebody trades


def torn(market, at):
    """The market with other bars from `at` of each split on: a rise to a hundredfold, and another volume."""
    shards = []
    for shard, split in zip(market.shards, market.splits, strict=True):
        first = at(split)
        values = {name: getattr(shard, name).copy() for name in BARS[1:]}
        for name, column in values.items():
            column[first:] *= 3.0 if name == "volume" else np.geomspace(1, 100, len(column) - first)
        shards.append(dataclasses.replace(shard, **values, content_hash="torn"))
    return dataclasses.replace(market, shards=tuple(shards))


def test_no_bar_after_what_is_seen_changes_anything(market, phenotypes):
    truth, after_folds = bench_of(market), bench_of(torn(market, lambda split: split.folds[-1].stop))
    after_validation = bench_of(torn(market, lambda split: split.validation.stop))
    for segment in SEGMENTS:
        seen = truth(phenotypes, segment).tobytes()
        assert after_validation(phenotypes, segment).tobytes() == seen
        assert (after_folds(phenotypes, segment).tobytes() == seen) == (segment != "validation")


def test_a_bench_holds_no_bar_after_the_last_fold_until_validation_is_asked_for(market, phenotypes):
    (shares,) = assign(2, 1)
    bench = ShardBench(shares, market.shards, market.splits, market.costs, bank_bytes=2**24)
    bench.evaluate(phenotypes[:5], "folds")
    places = list(zip(bench._places, market.splits, strict=True))
    assert [place._bank.n_bars for place, _ in places] == [split.folds[-1].stop for _, split in places]
    assert all(place._validation_bank is None for place, _ in places)
    bench.evaluate(phenotypes[:1], "validation")
    assert [place._validation_bank.n_bars for place, _ in places] == [split.validation.stop for _, split in places]
    assert sum(p._bank.byte_budget + p._validation_bank.byte_budget for p, _ in places) <= 2**24


@pytest.mark.parametrize("n_workers", [1, 2, 3])
@pytest.mark.parametrize("on_screen", [((1,), ()), ((0,), (1,)), ((), (0, 1))])
def test_screen_and_rest_are_all_folds(market, phenotypes, n_workers, on_screen):
    tallies = bench_of(market, n_workers, on_screen)
    seen, rest = (tallies(phenotypes, segment) for segment in ("screen", "rest"))
    mask = screen_mask(market.n_folds, on_screen)
    assert seen.shape == (150, mask.sum(), N_TALLY)
    whole = bench_of(market)(phenotypes, "folds")
    assert seen.tobytes() == whole[:, mask].tobytes()
    assert rest.tobytes() == whole[:, ~mask].tobytes()


def test_a_look_that_is_finished_is_the_full_evaluation_and_no_cell_is_computed_twice(config, market, phenotypes):
    asked = []
    breeding = breeding_of(config, market.bars_per_year, market.n_folds)
    tallies = bench_of(market, on_screen=on_screen_of(config, market.n_folds))

    def counting(rows, segment):
        found = tallies(rows, segment)
        asked.append((segment, found.shape[:2]))
        return found

    evaluation = CellEvaluation(breeding, counting)
    rows = np.array([3, 4, 9, 140])
    look = evaluation.screen(phenotypes)
    found, full = look.finish(rows), CellEvaluation(breeding, bench_of(market))(phenotypes)
    for name in ("objectives", "reasons", "measures"):
        assert getattr(found, name).tobytes() == getattr(full, name)[rows].tobytes()
    assert asked == [("screen", (150, 1)), ("rest", (4, 3))]


def test_fewer_trades_are_asked_of_fewer_cells(config, market):
    breeding = dataclasses.replace(breeding_of(config, market.bars_per_year, market.n_folds), min_trades=10)
    tallies = np.zeros((2, 1, N_TALLY))
    tallies[:, 0, 12] = 1.0, 2.0  # trades: on one cell of four, a quarter of 10 is 2
    assert breeding.score_screen(tallies).reasons.tolist() == [4, 0]


N_FOLDS = st.lists(st.integers(1, 6), min_size=1, max_size=8).filter(lambda folds: sum(folds) > 1)


@given(N_FOLDS, st.floats(0.01, 0.99), st.booleans())
def test_a_screen_has_a_cell_and_leaves_one(n_folds, share, whole_shards):
    on_screen = screen_folds(n_folds, share, whole_shards=whole_shards)
    mask = screen_mask(n_folds, on_screen)
    assert mask.shape == (sum(n_folds),)
    assert 0 < mask.sum() < len(mask)
    if whole_shards and len(n_folds) > 1:
        assert all(len(chosen) in (0, n) for chosen, n in zip(on_screen, n_folds, strict=True))
        assert abs(sum(map(bool, on_screen)) - share * len(n_folds)) < 1.0
    else:
        assert abs(mask.sum() - share * len(mask)) < 1.0


@given(st.integers(1, 8), st.integers(1, 6), st.floats(0.05, 0.95))
def test_a_screens_cells_are_spread_over_the_shards(n_shards, n_folds, share):
    if n_shards * n_folds > 1:
        on_screen = screen_folds((n_folds,) * n_shards, share, whole_shards=False)
        counts = [len(chosen) for chosen in on_screen]
        assert max(counts) - min(counts) <= 1


def test_a_screens_cells_are_spread_over_time():
    assert screen_folds((4,) * 6, 0.25, whole_shards=False) == ((2,), (3,), (0,), (1,), (2,), (3,))
    assert screen_folds((8,), 0.25, whole_shards=True) == ((2, 6),)
    assert screen_folds((4, 4, 4, 4, 4, 2), 0.33, whole_shards=True) == ((), (0, 1, 2, 3), (), (), (0, 1, 2, 3), ())


def test_bars_prepared_elsewhere_are_read_where_they_lie_and_give_the_same_bits(market, phenotypes):
    prepared = [prepare(shard, split, market.costs) for shard, split in zip(market.shards, market.splits, strict=True)]
    (shares,) = assign(len(market.shards), 1)
    made_here, shared = (
        ShardBench(shares, market.shards, market.splits, market.costs, bank_bytes=2**24, prepared=given)
        for given in ((), prepared)
    )
    for own, other in zip(made_here.evaluate(phenotypes, "folds"), shared.evaluate(phenotypes, "folds"), strict=True):
        np.testing.assert_array_equal(own, other)
    head = learnable(market.shards[0], market.splits[0])
    assert FeatureBank(head, 0, (market.costs, prepared[0])).kernel_bars(market.costs) is prepared[0]
    assert prepared[0].n_bars == market.splits[0].folds[-1].stop
    assert not any(array.flags.writeable for bars in prepared for array in bars.arrays())
