"""How much memory a job takes on a node, said before it takes it.

A plan adds up what is known (bars, budgets) and what processes take (see docs/decisions/0017). Bars and what
the kernel reads of them lie in the object store, once per node; feature columns in shared memory, once per node and
shard; the rest is of each process, and limited there (memory_limit.py).
"""

import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cluster.evaluation import VALIDATION_PART
from cluster.job_config import JobConfig
from cluster.kernel_cache import kernel_digest
from cluster.market import Market
from cluster.memory_limit import limit_memory
from fitness.bank import LEARNED_SHARE, MASK_SHARE
from fitness.column_store import LEAST_COLUMNS
from fitness.costs import Costs
from fitness.folds import Split
from fitness.kernel_bars import N_FILL, Plane
from fitness.shard import VALUES, Shard
from fitness.shared_columns import SharedColumns
from fitness.shared_locks import shared_memory_works
from strategies.errors import ConfigError
from strategies.genes import N_GENES

__all__ = [
    "MIB",
    "MemoryPlan",
    "allowed_bytes",
    "column_budget",
    "limit_memory",
    "memory_plan",
    "node_memory",
    "require_memory",
    "shared_columns",
]

MIB: Final = 2**20
WORKER_BYTES: Final = 320 * MIB
"""Of a worker that breeds and evaluates, without bars and banks: Python, Ray, kernels, TA-Lib, DEAP. Measured."""
DRIVER_BYTES: Final = 400 * MIB
"""Of the driver, with MLflow, beside its bars. Estimated, on the high side."""
RAY_BYTES: Final = 600 * MIB
"""Of Ray's own processes on a node. Estimated, on the high side."""
LEAST_STORE_BYTES: Final = 128 * MIB
"""Of an object store: what is in flight between breeders and evaluators takes some of it too."""
ROOM_BYTES: Final = 512 * MIB
"""That a worker may take beyond its plan before it gets a MemoryError: what one genome needs while it is computed."""
NODE_SHARE: Final = 0.75
"""Of a node's memory that a job takes at most, where `cluster.memory_mib` does not say."""
COLUMN_SHARE: Final = 1.0 - MASK_SHARE - LEARNED_SHARE
"""Of the budget of a bank, for columns."""
MOST_BANKS: Final = 8
_CGROUP_LIMITS: Final = (
    Path("/sys/fs/cgroup/memory.max"),
    Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"),
)
_SCRATCH_COLUMNS: Final = 12
"""Columns that an evaluator has at once beside its banks: higher bars, features of a learner, equity and trades."""


@dataclass(frozen=True)
class MemoryPlan:
    """Bytes that a job takes on its fullest node; see `memory_plan`.

    Attributes:
        bars: of all shards, in the object store.
        prepared: what the kernel reads of them, likewise.
        in_flight: of the object store, for genomes and tallies on their way.
        columns: feature columns, shared by all evaluators of the node.
        banks: masks, and what learners said, of all workers.
        workers: their processes, without banks.
        driver: its process.
        ray: Ray's own processes.
        n_workers: on the node.
        worker_bytes: that a worker may take beyond what it has when it begins; for `limit_memory`.
        column_bytes: of the columns of one shard; for `fitness.shared_columns.SharedColumns`.
    """

    bars: int
    prepared: int
    in_flight: int
    columns: int
    banks: int
    workers: int
    driver: int
    ray: int
    n_workers: int
    worker_bytes: int
    column_bytes: int

    @property
    def object_store(self) -> int:
        """Bytes of an object store that need not spill: what lies in it and a fifth more, but no less than 128 MiB."""
        return max(LEAST_STORE_BYTES, int(1.2 * (self.bars + self.prepared + self.in_flight)))

    @property
    def total(self) -> int:
        """Bytes of the whole node."""
        return self.object_store + self.columns + self.banks + self.workers + self.driver + self.ray

    def text(self) -> str:
        """What takes how much, the largest first, as one line of an error or a report."""
        counted = {name: getattr(self, name) for name in _PARTS}
        parts = sorted(counted.items(), key=lambda part: -part[1])
        return ", ".join(f"{name.replace('_', ' ')} {size // MIB} MiB" for name, size in parts if size >= MIB)


_PARTS: Final = ("object_store", "columns", "banks", "workers", "driver", "ray")


def memory_plan(config: JobConfig, market: Market, *, n_nodes: int = 1) -> MemoryPlan:
    """What a job takes on its fullest node, that of the driver, where its workers are spread over `n_nodes`."""
    settings, n_shards = config.cluster, len(market.shards)
    n_workers = -(-settings.workers // max(1, n_nodes))
    bank = settings.bank_mib * MIB
    column_bytes = column_budget(bank, n_shards, n_workers)
    tallies = config.evolution.population_size * sum(market.n_folds) * 8 * 64
    scratch = _SCRATCH_COLUMNS * 8 * max(shard.n_bars for shard in market.shards)
    private = bank // VALIDATION_PART + int(bank * (1.0 - COLUMN_SHARE))
    least = sum(LEAST_COLUMNS * 8 * shard.n_bars for shard in market.shards)
    return MemoryPlan(
        bars=sum(map(_bytes_of_bars, market.shards, market.splits)),
        prepared=sum(_bytes_prepared(split, market.costs) for split in market.splits),
        in_flight=2 * n_workers * (tallies + config.evolution.population_size * N_GENES * 8),
        columns=n_shards * column_bytes if shared_memory_works() else n_workers * int(bank * COLUMN_SHARE),
        banks=n_workers * (private + least),
        workers=n_workers * (WORKER_BYTES + scratch),
        driver=DRIVER_BYTES + 2 * sum(map(_bytes_of_bars, market.shards, market.splits)),
        ray=RAY_BYTES,
        n_workers=n_workers,
        worker_bytes=WORKER_BYTES + bank + least + scratch + ROOM_BYTES,
        column_bytes=column_bytes,
    )


def column_budget(bank_bytes: int, n_shards: int, n_workers: int) -> int:
    """Bytes of the columns of one shard on a node: half of what its workers' banks would have had, 1 to 8 banks' worth.

    >>> [column_budget(256 * MIB, 1, n_workers) // MIB for n_workers in (1, 2, 4, 64)]
    [140, 140, 280, 1120]
    """
    n_banks = min(max(1, n_workers // 2), MOST_BANKS)
    return n_banks * int(bank_bytes * COLUMN_SHARE * (1.0 - 1.0 / VALIDATION_PART)) // n_shards


def require_memory(plan: MemoryPlan, node_bytes: int) -> None:
    """Check that a node has room for what the plan says, before any work.

    Args:
        plan: of the job.
        node_bytes: that the job may take there; see `allowed_bytes`.

    Raises:
        ConfigError: it has not; the text says what takes how much and what to lower.
    """
    if plan.total <= node_bytes:
        return
    fixed = plan.total - plan.banks - plan.columns - plan.workers
    each = (plan.total - fixed) // plan.n_workers
    fitting = max(0, (node_bytes - fixed) // each)
    advice = f"`cluster.workers` to {fitting} a node, " if 0 < fitting < plan.n_workers else ""
    raise ConfigError(
        f"a job must fit into the {node_bytes // MIB} MiB that it may take on a node, but was planned to take "
        f"{plan.total // MIB} MiB there ({plan.text()}). Lower {advice}`cluster.bank_mib` or the number of shards, or "
        "raise `cluster.memory_mib` if the node has more than that."
    )


def allowed_bytes(config: JobConfig, node_bytes: int | None = None) -> int:
    """Bytes that a job may take on a node: `cluster.memory_mib`, or three quarters of what the node has."""
    if config.cluster.memory_mib is not None:
        return config.cluster.memory_mib * MIB
    return int(NODE_SHARE * (node_memory() if node_bytes is None else node_bytes))


def node_memory() -> int:
    """Bytes of memory of this machine, or of the container that this process is in."""
    found = [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")]
    for path in _CGROUP_LIMITS:
        with suppress(OSError, ValueError):  # "max", or there is no such group
            found.append(int(path.read_text()))
    return min(found)


def shared_columns(plan: MemoryPlan) -> SharedColumns | None:
    """Where the banks of a job share columns; None where one bank alone would, which gains nothing."""
    if plan.n_workers < 2:
        return None
    return SharedColumns(kernel_digest(), plan.column_bytes, keep_free=plan.object_store)


def _bytes_of_bars(shard: Shard, split: Split) -> int:
    """Of the bars that travel: those of the lockbox do not."""
    n_bars = min(shard.n_bars, split.validation.stop)
    return 8 * n_bars * (1 + len(VALUES) + len(shard.extra))


def _bytes_prepared(split: Split, costs: Costs) -> int:
    n_planes = len(Plane) if costs.has_carry else Plane.CARRY_LONG
    return 8 * split.folds[-1].stop * (n_planes + N_FILL)
