"""What a job will take is said before it takes it, and a worker that wants more than its share is told so itself."""

import dataclasses
import subprocess
import sys

import numpy as np
import pytest

from cluster.evaluation import learnable, prepare
from cluster.market import open_market
from cluster.memory import (
    MIB,
    WORKER_BYTES,
    allowed_bytes,
    memory_plan,
    node_memory,
    require_memory,
    shared_columns,
)
from fitness.bank import FeatureBank
from strategies.errors import ConfigError


@pytest.fixture(scope="module")
def market(tiny_values):
    from cluster.settings import config_from

    return open_market(config_from(tiny_values, where="test"))


def test_bars_and_what_is_prepared_are_counted_to_the_byte(tiny_job, market):
    plan = memory_plan(tiny_job(), market)
    shards, splits = market.shards, market.splits
    bars, prepared = 0, 0
    for shard, split in zip(shards, splits, strict=True):
        sent = shard.head(split.validation.stop)
        values = [sent.timestamps, sent.open, sent.high, sent.low, sent.close, sent.volume, *sent.extra.values()]
        bars += sum(column.nbytes for column in values)
        made = prepare(shard, split, market.costs)
        prepared += made.blocks.nbytes + made.fills.nbytes
    assert plan.bars == bars
    assert prepared <= plan.prepared + 8 * 8 * 8 * len(shards)  # the last block is filled up
    assert plan.prepared <= prepared


def test_costs_that_are_carried_take_planes_of_their_own(tiny_job):
    config = tiny_job()
    config = config.model_copy(update={"costs": config.costs.model_copy(update={"funding_bps_per_8h": 1.0})})
    carried = open_market(config)
    made = [prepare(*pair, carried.costs) for pair in zip(carried.shards, carried.splits, strict=True)]
    found = sum(bars.blocks.nbytes + bars.fills.nbytes for bars in made)
    assert 0 <= found - memory_plan(config, carried).prepared <= 8 * 8 * 8 * len(made)


@pytest.mark.parametrize("n_workers", [1, 2, 4])
def test_columns_are_counted_once_a_node_and_banks_for_every_worker(tiny_job, market, n_workers):
    one = memory_plan(tiny_job(cluster={"workers": 1}), market)
    plan = memory_plan(tiny_job(cluster={"workers": n_workers}), market)
    assert plan.banks == n_workers * one.banks
    assert plan.workers == n_workers * one.workers
    assert plan.columns <= len(market.shards) * 256 * MIB
    assert plan.columns == len(market.shards) * plan.column_bytes
    assert memory_plan(tiny_job(cluster={"workers": 4 * n_workers}), market, n_nodes=4).n_workers == n_workers
    assert (shared_columns(plan) is None) == (n_workers == 1)


def test_a_worker_really_takes_no_more_than_its_plan_says(tiny_job, market):
    """Bytes that a bank holds after work, against those planned for one worker."""
    config = tiny_job(cluster={"workers": 2, "bank_mib": 1})
    plan = memory_plan(config, market)
    shard = learnable(market.shards[0], market.splits[0])
    bank = FeatureBank(shard, MIB, shared=shared_columns(plan))
    from strategies.codec import express
    from strategies.sampler import random_genomes

    for _ in bank.placed(express(random_genomes(60, np.random.default_rng(0)))):
        pass
    found = bank.statistics()
    bank.close()
    assert found.columns.n_bytes <= plan.column_bytes
    assert found.masks.n_bytes + found.learned_bytes <= plan.banks


def test_a_plan_that_does_not_fit_is_refused_by_name(tiny_job, market):
    plan = memory_plan(tiny_job(cluster={"workers": 4}), market)
    require_memory(plan, plan.total)
    with pytest.raises(
        ConfigError, match=r"must fit into the \d+ MiB .* but was planned to take \d+ MiB there"
    ) as told:
        require_memory(plan, plan.total - 1)
    for part in ("workers 1", "banks", "columns", "Lower `cluster.workers` to 3 a node", "`cluster.memory_mib`"):
        assert part in str(told.value)
    fitting = memory_plan(tiny_job(cluster={"workers": 3}), market)
    assert fitting.total < plan.total
    with pytest.raises(ConfigError, match=r"Lower `cluster.bank_mib` or the number of shards"):
        require_memory(plan, 64 * MIB)


def test_what_a_job_may_take_is_what_it_says_or_three_quarters_of_the_node(tiny_job):
    assert allowed_bytes(tiny_job(cluster={"memory_mib": 700})) == 700 * MIB
    assert allowed_bytes(tiny_job(), 1000 * MIB) == 750 * MIB
    assert allowed_bytes(tiny_job()) == int(0.75 * node_memory())
    assert 256 * MIB < node_memory() < 2**50


def test_the_object_store_holds_what_lies_in_it(tiny_job, market):
    plan = memory_plan(tiny_job(), market)
    assert plan.object_store == 128 * MIB
    large = dataclasses.replace(plan, bars=2**30)
    assert large.object_store > 1.2 * 2**30


LIMITED = f"""
import numba, numpy as np, polars as pl, resource
from cluster.memory_limit import limit_memory
limit_memory({WORKER_BYTES + 512 * MIB})
limit_memory({WORKER_BYTES + 512 * MIB})  # as an actor that is made again in its process
def hungry(make):
    try:
        made = make()
    except MemoryError:
        return True
    return False
for attempt in range(2):
    assert hungry(lambda: np.ones(2**29))
    assert hungry(lambda: bytearray(2**32))
    assert hungry(lambda: [b"0123456789abcdef" * 2**20 for _ in range(1000)])
    @numba.njit
    def total(values):
        sum = 0.0
        for value in values:
            sum += value * attempt
        return sum
    assert total(np.arange(5.0)) == 10.0 * attempt
    frame = pl.DataFrame({{"a": np.arange(100_000) % 7, "b": np.arange(100_000.0)}})
    assert frame.group_by("a").agg(pl.col("b").sum()).height == 7
    assert np.linalg.norm(np.ones((300, 300)) @ np.ones((300, 300))) > 0.0
print("works", resource.getrlimit(resource.RLIMIT_DATA)[0] > 0)
"""


def test_a_worker_that_wants_too_much_gets_a_memory_error_and_works_on():
    """Promise: a poisonous genome is put aside, here one that eats memory: its worker survives it."""
    told = subprocess.run([sys.executable, "-c", LIMITED], capture_output=True, text=True, timeout=300, check=False)
    assert told.returncode == 0, told.stderr
    assert told.stdout == "works True\n"


def test_a_limit_that_is_there_stays():
    code = (
        "import resource as r; r.setrlimit(r.RLIMIT_DATA, (2**30, 2**30));"
        "from cluster.memory_limit import limit_memory; limit_memory(2**40); print(r.getrlimit(r.RLIMIT_DATA))"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=True)
    assert told.stdout == f"({2**30}, {2**30})\n"


def test_ray_spills_nothing_in_a_job(tiny_job, tmp_path, ray_once):
    """Bars, genomes and tallies fit into the object store, and nothing of a job is left in it."""
    from ray._private.internal_api import memory_summary

    from cluster.driver import run_job

    run_job(tiny_job(cluster={"executor": "ray", "workers": 2}), root=tmp_path)
    told = memory_summary(address=ray_once.get_runtime_context().gcs_address, stats_only=True)  # there may be others
    assert "Plasma memory usage" in told
    assert "Spilled" not in told
