"""What a Ray cluster has: how much memory there is for a job on its nodes."""

from typing import Any

from cluster.job_config import JobConfig
from cluster.market import Market
from cluster.memory import MemoryPlan, allowed_bytes, memory_plan, require_memory


def memory_on(ray: Any, config: JobConfig, market: Market) -> MemoryPlan:
    """Return the plan of a job on the nodes that are there now, its workers spread over those that have CPUs.

    Raises:
        ConfigError: it does not fit into the smallest of them.
    """
    nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    working = [node for node in nodes if node.get("CPU", 0.0) >= 1.0]
    if not working:  # they may come
        return memory_plan(config, market)
    plan = memory_plan(config, market, n_nodes=len(working))
    smallest = min(int(node.get("memory", 0.0) + node.get("object_store_memory", 0.0)) for node in working)
    require_memory(plan, allowed_bytes(config, smallest))
    return plan
