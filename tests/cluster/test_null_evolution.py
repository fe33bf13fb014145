"""Null evolution: exact p-values, no bar after the folds, the same result however it is run, and it goes on."""

import json
import threading
from dataclasses import replace

import numpy as np
import pytest

from cluster.learnable import learnable_market
from cluster.market import open_market
from cluster.null_evolution import (
    NullEvolution,
    NullPlan,
    NullRun,
    null_evolution,
    null_market,
    run_of_line,
    run_task,
    task_of,
)
from cluster.search import search
from cluster.signals import Interrupted
from cluster.spawned import in_processes
from cluster.trial_ledger import ledger
from evolution.pedigree import births_to_bytes
from fitness.timeframes import timeframe_us
from strategies.errors import DataError, JournalError, UsageError

SMALL = {"islands": 1, "population_size": 8, "generations": 1}


@pytest.fixture
def config(tiny_job):
    return tiny_job(evolution={**SMALL, "migration": {"migrants": 0}})


@pytest.fixture
def plan(config):
    return NullPlan(config, n_runs=2)


def run_of(number, value):
    return NullRun(number, {"pooled_sharpe": value, "timing_sharpe": None, "first_objective": value}, 100)


@pytest.mark.parametrize(
    ("real", "nulls", "p"),
    [
        (2.0, [1.0, 1.5, -3.0], 1 / 4),
        (1.5, [1.0, 1.5, 2.0], 3 / 4),  # a tie counts against the real one
        (1.0, [None, None, None], 1 / 4),  # where nothing was feasible, nothing did as well
        (None, [None, -1.0, 2.0], 4 / 4),
    ],
)
def test_p_is_exact_and_never_zero(plan, tmp_path, real, nulls, p):
    runs = tuple(run_of(number, value) for number, value in enumerate(nulls, start=1))
    found = NullEvolution(plan, tmp_path, run_of(0, real), runs)
    assert found.p_value() == p
    document = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert document["statistics"]["pooled_sharpe"]["p"] == p
    assert document["verdict"] == found.sentence()
    if real is not None:
        assert f"p = {p:.3f}" in found.sentence()


@pytest.mark.parametrize("kind", ["permuted", "bootstrapped"])
def test_only_the_order_of_the_bars_of_the_folds_is_changed(config, kind):
    market, plan = open_market(config), NullPlan(config, kind=kind)
    made, other = null_market(market, plan, 1), null_market(market, plan, 2)
    for shard, cut, bars, stranger in zip(market.shards, market.splits, made.shards, other.shards, strict=True):
        first, stop = cut.folds[0].start, cut.folds[-1].stop
        assert bars.n_bars == stop
        assert np.array_equal(bars.close[:first], shard.close[:first])
        assert not np.allclose(bars.close[first:], shard.close[first:stop], rtol=1e-6)
        assert bars.content_hash != stranger.content_hash
        if kind == "permuted":
            assert bars.close[-1] == pytest.approx(shard.close[stop - 1], rel=1e-11)
    pairs = zip(*(np.diff(np.log(shard.close[150:])) for shard in made.shards), strict=True)
    assert np.corrcoef(np.array(list(pairs)).T)[0, 1] > 0.8  # the shards still move together


def test_the_real_search_is_that_of_the_job_and_sees_no_bar_after_the_folds(config):
    market = open_market(config)
    bare = null_market(market, NullPlan(config), 0)
    assert [shard.n_bars for shard in bare.shards] == [cut.folds[-1].stop for cut in market.splits]
    assert births_to_bytes(search(config, bare).births) == births_to_bytes(search(config, market).births)
    later = [
        replace(shard, close=np.where(np.arange(shard.n_bars) < cut.folds[-1].stop, shard.close, shard.low))
        for shard, cut in zip(market.shards, market.splits, strict=True)
    ]
    again = null_market(replace(market, shards=tuple(later)), NullPlan(config), 1)
    for one, two in zip(again.shards, null_market(market, NullPlan(config), 1).shards, strict=True):
        assert one.content_hash == two.content_hash


def test_learnable_markets_have_no_lockbox(config):
    for cut in learnable_market(open_market(config)).splits:
        assert cut.lockbox.n_bars == 0
        assert cut.validation.stop == cut.folds[-1].stop


def test_it_goes_on_where_it_was_stopped_and_counts_what_it_tried(plan, config, tmp_path):
    said, stop = [], threading.Event()

    def say(text):
        said.append(text)
        if len(said) == 2:
            stop.set()

    with pytest.raises(Interrupted, match="stopped"):
        null_evolution(plan, root=tmp_path, say=say, stop=stop)
    assert [line.split(":")[0] for line in said] == ["real bars", "null run 1 of 2"]
    (path,) = tmp_path.glob("tiny-null-*/runs.jsonl")
    path.write_text(path.read_text() + '{"number": 2, "val')  # a torn line
    done = null_evolution(plan, root=tmp_path, say=said.append)
    assert [line.split(":")[0] for line in said[2:]] == ["null run 2 of 2"]
    whole = null_evolution(plan, root=tmp_path / "other")
    assert (done.real, done.nulls) == (whole.real, whole.nulls)
    assert run_of_line(run_task(task_of(plan, 2))) == whole.nulls[1]  # what another process does
    more = null_evolution(replace(plan, n_runs=3), root=tmp_path)
    assert more.nulls[:2] == done.nulls
    (trials,) = ledger(tmp_path).entries
    market = open_market(config)
    assert trials.what == "null"
    assert set(trials.shard_hashes) == {shard.content_hash for shard in market.shards}
    assert len(trials.keys) == search(config, market).births.evaluated.sum()


def test_a_damaged_file_is_named(plan, tmp_path):
    done = null_evolution(replace(plan, n_runs=1), root=tmp_path)
    path = done.folder / "runs.jsonl"
    lines = path.read_text().splitlines()
    path.write_text("\n".join([lines[0], "no JSON", *lines[1:]]) + "\n")
    with pytest.raises(JournalError, match="must hold a line of JSON for each, but held another"):
        null_evolution(plan, root=tmp_path)


def test_processes_answer_every_task_pass_errors_on_and_end_when_stopped():
    stop = threading.Event()
    assert sorted(in_processes(str.upper, ["a", "b", "c"], workers=2, stop=stop)) == ["A", "B", "C"]
    with pytest.raises(DataError, match="but was '7x'"):
        list(in_processes(timeframe_us, ["7x"], workers=1, stop=stop))
    stop.set()
    with pytest.raises(Interrupted, match="stopped"):
        list(in_processes(str.upper, ["a"], workers=1, stop=stop))


@pytest.mark.parametrize(
    ("changes", "message"),
    [({"n_runs": 0}, "`runs` must be at least 1"), ({"kind": "mixed"}, "`kind` must be one of permuted, boot")],
)
def test_what_is_refused(config, changes, message):
    with pytest.raises(UsageError, match=message):
        NullPlan(config, **changes)


def test_the_commands_answer_with_one_document(tiny_values, tmp_path):
    import yaml
    from typer.testing import CliRunner

    from cluster.cli import app

    path = tmp_path / "job.yaml"
    path.write_text(yaml.safe_dump({**tiny_values, "evolution": {**SMALL, "migration": {"migrants": 0}}}))
    options = [str(path), "--root", str(tmp_path / "runs"), "--json"]
    result = CliRunner().invoke(app, ["null", *options, "--runs", "1"])
    assert result.exit_code == 0
    document = json.loads(result.stdout)
    assert document["statistics"]["pooled_sharpe"]["p"] in (0.5, 1.0)
    assert "null run 1 of 1" in result.stderr
    result = CliRunner().invoke(app, ["walk-forward", *options, "--windows", "1", "--rolling"])
    assert result.exit_code == 0
    assert json.loads(result.stdout)["anchored"] is False
    shown = CliRunner().invoke(app, ["null", *options[:-1], "--runs", "1"])
    assert "pooled_sharpe" in shown.stdout
    assert "<- real" in shown.stdout
    assert shown.stderr == ""  # both runs were there


def test_a_histogram_counts_every_value():
    from cluster.cli.proving import histogram

    lines = histogram([0.0, 0.05, 1.0], 0.95)
    assert [line.count("#") for line in lines] == [2, *[0] * 8, 1]
    assert lines[9].endswith("# <- real")
    assert histogram([], 1.0) == []
    assert sum(line.count("#") for line in histogram([2.0, 2.0], 2.0)) == 2
    assert sum("real" in line for line in histogram([2.0, 2.0], None)) == 0
