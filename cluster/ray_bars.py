"""What the actors of a job are made of: its bars, put into the object store once, and how it breeds.

Bars go only up to the end of the validation stretch: those of the lockbox never leave the driver.
"""

from typing import Any

from cluster.actors import Bars
from cluster.evaluation import prepare
from cluster.job_config import JobConfig
from cluster.market import Market
from cluster.memory import MemoryPlan, shared_columns
from cluster.ray_cells import Actors
from cluster.worker import breeding_to_json, on_screen_of


def actors_on(ray: Any, config: JobConfig, market: Market, *, plan: MemoryPlan, bars_kind: type[Bars]) -> Actors:
    """Return what makes the actors of a job, with its bars in the object store."""
    refs = [
        ray.put((shard.head(split.validation.stop), prepare(shard, split, market.costs)))
        for shard, split in zip(market.shards, market.splits, strict=True)
    ]
    bank_bytes, on_screen = config.cluster.bank_mib * 2**20, on_screen_of(config, market.n_folds)
    shared = shared_columns(plan)
    bars = bars_kind(refs, market.splits, market.costs, bank_bytes, on_screen, shared, plan.worker_bytes)
    breeding = breeding_to_json(config, market.bars_per_year, market.n_folds)
    return Actors(ray, breeding, bars, len(refs), config.cluster.timeout_s, config.cluster.genome_timeout_s)
