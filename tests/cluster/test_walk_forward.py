"""Walk-forward: no bar from a window on decides what trades it, windows touch, and the stitched curve is theirs."""

import json
from dataclasses import replace

import numpy as np
import pytest

from cluster.examination import Examiner
from cluster.market import Market, open_market
from cluster.search import best_candidates, search
from cluster.trial_ledger import ledger
from cluster.walk_forward import WalkPlan, axis_of, learning_market, legs_of, walk_forward
from cluster.walk_forward_page import write_walk_forward
from evolution.pedigree import births_to_bytes
from fitness.folds import MINIMUM_BARS
from fitness.gates import annual_sharpe
from fitness.shard import VALUES, bars_hash
from strategies.errors import DataError, UsageError

SMALL = {"islands": 1, "population_size": 8, "generations": 1, "migration": {"migrants": 0}}


@pytest.fixture
def config(tiny_job):
    return tiny_job(evolution=SMALL)


@pytest.fixture
def market(config):
    return open_market(config)


@pytest.fixture
def plan(config):
    return WalkPlan(config, n_windows=2, first_share=0.6)


def changed_from(market, moment):
    """The market with every bar from a moment on turned upside down."""
    shards = []
    for shard in market.shards:
        later = shard.timestamps >= moment
        flipped = {"open": "close", "close": "open", "high": "high", "low": "low", "volume": "volume"}
        values = {
            name: np.where(later, 3.0 * getattr(shard, source), getattr(shard, name))
            for name, source in flipped.items()
        }
        found = bars_hash(shard.symbol, shard.timeframe, shard.timestamps, values)
        shards.append(replace(shard, **values, content_hash=found))
    return Market(tuple(shards), market.splits, market.costs)


@pytest.mark.parametrize("anchored", [True, False])
def test_no_bar_from_a_window_on_decides_what_trades_it(config, market, plan, anchored):
    plan = replace(plan, anchored=anchored)
    for leg in legs_of(market, plan):
        start = axis_of(market)[leg.trade[0]]
        learnt, other = (learning_market(each, config, leg) for each in (market, changed_from(market, start)))
        for shard, twin in zip(learnt.shards, other.shards, strict=True):
            assert shard.timestamps[-1] < start
            assert shard.content_hash == twin.content_hash
        one, two = search(config, learnt), search(config, other)
        assert births_to_bytes(one.births) == births_to_bytes(two.births)
        names = [[each.strategy.id for each in best_candidates(found, 3)] for found in (one, two)]
        assert names[0] == names[1]
        assert names[0]


def test_windows_touch_and_end_where_the_lockbox_begins(market, plan):
    legs, axis = legs_of(market, replace(plan, n_windows=3)), axis_of(market)
    assert [leg.trade[0] for leg in legs[1:]] == [leg.trade[1] for leg in legs[:-1]]
    assert legs[-1].trade[1] == len(axis)
    for shard, cut in zip(market.shards, market.splits, strict=True):
        assert axis[-1] < shard.timestamps[cut.lockbox.start]
    assert legs[0].trade[0] == pytest.approx(100 + 0.6 * (len(axis) - 100), abs=3)


@pytest.mark.parametrize("anchored", [True, False])
def test_folds_lie_in_the_bars_to_learn_from_with_an_embargo_between(config, market, plan, anchored):
    plan = replace(plan, anchored=anchored)
    sizes = []
    for leg in legs_of(market, plan):
        learnt = learning_market(market, config, leg)
        start = axis_of(market)[leg.trade[0]]
        for shard, cut in zip(learnt.shards, learnt.splits, strict=True):
            assert len(cut.folds) == config.split.folds
            assert cut.folds[0].start >= config.split.warm_up
            gaps = [late.start - early.stop for early, late in zip(cut.folds, cut.folds[1:], strict=False)]
            assert set(gaps) == {config.split.embargo}
            whole = next(one for one in market.shards if one.symbol == shard.symbol)
            assert int(np.searchsorted(whole.timestamps, start)) - cut.folds[-1].stop == config.split.embargo
            assert cut.lockbox.n_bars == 0
            sizes.append(cut.folds[-1].stop - cut.folds[0].start)
    same = len(set(sizes)) == 1
    assert same is not anchored


def test_a_shard_that_begins_late_joins_when_it_has_a_fold(config, market, plan):
    spx, ixic = market.shards
    late = {name: getattr(ixic, name)[380:] for name in ("timestamps", *VALUES)}
    cut = replace(market.splits[1], validation=replace(market.splits[1].validation, stop=720 - 380))
    cut = replace(cut, validation=replace(cut.validation, start=cut.validation.stop - 60))
    both = Market((spx, replace(ixic, **late)), (market.splits[0], cut), market.costs)
    legs = legs_of(both, replace(plan, n_windows=3))
    symbols = [[shard.symbol for shard in learning_market(both, config, leg).shards] for leg in legs]
    assert symbols[0] == ["SPX"]
    assert symbols[-1] == ["SPX", "IXIC"]


def test_the_embargo_is_kept_in_the_bars_of_a_shard_with_few_of_them(config, market, plan):
    kept = np.flatnonzero(np.arange(900) % 3 != 0)
    sparse = {name: getattr(market.shards[1], name)[kept] for name in ("timestamps", *VALUES)}
    cut = replace(market.splits[1], validation=replace(market.splits[1].validation, stop=480))
    both = Market((market.shards[0], replace(market.shards[1], **sparse)), (market.splits[0], cut), market.costs)
    plan = replace(plan, first_share=0.8)
    learnt = learning_market(both, config, legs_of(both, plan)[0])
    early, late = learnt.splits[1].folds
    assert late.start - early.stop == config.split.embargo
    assert early.start >= config.split.warm_up


def test_the_stitched_curve_is_that_of_the_windows_and_everything_is_counted(config, market, plan, tmp_path):
    said = []
    found = walk_forward(plan, root=tmp_path, say=said.append)
    assert len(said) == len(found.windows) == 2
    first, stop = legs_of(market, plan)[0].trade[0], len(axis_of(market))
    assert np.array_equal(found.stitched.timestamps, axis_of(market)[first:stop])
    assert np.array_equal(found.stitched.returns, np.concatenate([one.returns.returns for one in found.windows]))
    assert found.sharpe.estimate == pytest.approx(annual_sharpe(found.stitched), rel=1e-9)
    assert found.sharpe.low < found.sharpe.estimate < found.sharpe.high
    leg, window = legs_of(market, plan)[1], found.windows[1]
    again = search(config, learning_market(market, config, leg))
    (best,) = best_candidates(again, 1)
    assert window.chosen == (best.strategy.id,)
    assert window.in_sample == annual_sharpe(pooled(again.market, best, "in_sample"))
    assert window.efficiency == window.out_of_sample / window.in_sample or window.in_sample <= 0.0
    (trials,) = ledger(tmp_path).entries
    assert trials.what == "walk-forward"
    assert set(trials.shard_hashes) == {shard.content_hash for shard in market.shards}
    assert len(trials.keys) <= trials.n_evaluated <= sum(one.n_evaluated for one in found.windows)
    document = write_walk_forward(found)
    read = json.loads((found.folder / "walk-forward.json").read_text())
    assert {name: read[name] for name in document} == document
    assert len(read["curve"]["return"]) == found.stitched.returns.size
    page = (found.folder / "walk-forward.html").read_text()
    assert found.sentence() in page
    assert "src=" not in page[: page.index("<script")]


def pooled(market, candidate, stretch):
    from fitness.pooled import pool

    return pool(Examiner(market, bank_bytes=2**24).examine(candidate.phenotype, stretch).traces)


def test_too_many_windows_and_nonsense_are_refused(config, market):
    with pytest.raises(DataError, match=f"must have at least {MINIMUM_BARS} bars, but had"):
        legs_of(market, WalkPlan(config, n_windows=20))
    with pytest.raises(UsageError, match="`windows` and `best` must be at least 1 and `first_share` between"):
        WalkPlan(config, first_share=1.0)


def test_what_nobody_may_trade_is_cash(tiny_job, tmp_path):
    nobody = tiny_job(evolution=SMALL, gates={"min_trades": 100_000})
    found = walk_forward(WalkPlan(nobody, n_windows=1), root=tmp_path)
    assert found.windows[0].chosen == ()
    assert not found.stitched.returns.any()
    assert "no Sharpe ratio" in found.sentence()
    assert write_walk_forward(found)["windows"][0]["out_of_sample"] is None
