"""All rows of `studbook bench`, one after the other, on one core, after the proof of exactness."""

import os
import platform
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

from cluster.bench.breeding import SETTLING, BroodCost, brood_cost
from cluster.bench.cold_start import cold_start
from cluster.bench.exactness import Exactness, require_exact
from cluster.bench.kernel_rows import kernel_rows, long_row
from cluster.bench.rows import ELSEWHERE, Row, Work
from cluster.bench.sparse_brood import SparseBrood, sparse_brood_cost
from cluster.bench.stopwatch import Seconds, one_core
from cluster.bench.where import KERNEL, MASKS, GenerationCost, can_look, generation_cost
from cluster.job_config import JobConfig
from cluster.market import Market, open_market
from fitness.shards import load_shard

BROOD_TARGET: Final = 0.4e6
GENERATION_TARGET: Final = 2.0
COLD_TARGET_S: Final = 1.0
SHORT_BARS: Final = 5_031


@dataclass(frozen=True)
class Effort:
    """How much is measured."""

    n_exact: int
    n_strategies: int
    enough_s: float
    long_bars: int
    long_strategies: int
    n_generations: int
    n_cold: int


THOROUGH: Final = Effort(10, 1000, 1.0, 1_000_000, 200, 40, 5)
QUICK: Final = Effort(4, 200, 0.1, 200_000, 50, 10, 1)


@dataclass(frozen=True)
class Bench:
    """What was measured.

    Attributes:
        exactness: what was proved before.
        rows: of the table.
        generation: where the time of a generation goes; None where it can't be looked at.
        machine: what it was measured on, by name.
        data: what bars.
    """

    exactness: Exactness
    rows: tuple[Row, ...]
    generation: GenerationCost | None
    machine: dict[str, str]
    data: str

    def to_dict(self) -> dict[str, Any]:
        """Everything as plain JSON values."""
        found = self.generation
        generation = found and {
            "cpu_s": found.cpu, "wall_s": found.wall, "generations": found.n_generations, "evaluated": found.n_evaluated
        }  # fmt: skip
        return {
            "machine": self.machine,
            "data": self.data,
            "exactness": {"text": self.exactness.text(), **vars(self.exactness)},
            "rows": [row.to_dict() for row in self.rows],
            "generation": generation,
        }


def measure_all(config: JobConfig, effort: Effort, tell: Callable[[str], None]) -> Bench:
    """Measure every row on the bars of a job.

    Raises:
        NotExactError: the kernel and its twin differ on these bars; nothing is measured then.
        ConfigError, DataError: the job can't begin.
    """
    tell("reading bars")
    market = open_market(config)
    first = config.data.shards[0]
    whole = load_shard(Path(config.data.root), first.symbol, first.timeframe)
    with one_core():
        tell("showing that the kernel is exact (compiling it first, where that is not done yet)")
        exactness = require_exact(market, n_strategies=effort.n_exact)
        tell(f"kernel alone, {effort.n_strategies:,} random strategies on {whole.symbol}")
        rows = kernel_rows(whole, market.costs, n_strategies=effort.n_strategies, enough_s=effort.enough_s)
        tell(f"a real evolution, brood by brood, {effort.n_generations} generations")
        cost = brood_cost(config, market, n_generations=effort.n_generations)
        rows += _brood_rows(cost, market)
        tell(f"what trades rarely in real broods, on {whole.symbol}")
        rarely = sparse_brood_cost(
            config, whole, market.costs, n_generations=effort.n_generations, population_size=effort.n_strategies,
            settling=SETTLING,
        )  # fmt: skip
        rows.append(_sparse_brood_row(rarely))
        tell(f"long shard, {effort.long_bars:,} bars")
        rows.append(
            long_row(market.costs, n_bars=effort.long_bars, n_short=SHORT_BARS, n_strategies=effort.long_strategies,
                     enough_s=effort.enough_s)
        )  # fmt: skip
        generation = None
        if can_look():
            tell("whole generations of a job, journal included")
            generation = generation_cost(config, n_generations=effort.n_generations)
            rows.append(_generation_row(generation, market))
        tell("cold start of a worker")
        rows.append(_cold_row(cold_start(whole, market.costs, n_runs=effort.n_cold)))
    return Bench(exactness, tuple(rows), generation, _machine(), _data(market))


def _brood_rows(cost: BroodCost, market: Market) -> list[Row]:
    work = Work(cost.n_bars, cost.n_trades, cost.exposure)
    size = f"{cost.n_strategies:.0f} strategies a brood on {len(market.shards)} shards"
    return [
        Row(
            "brood", "brood of evolution", f"{size}: columns and masks it newly needs, rules, kernel", cost.warm,
            work,
        ),
        Row("empty", "brood, empty bank", f"{size}: every column and mask made", cost.cold, work),
    ]  # fmt: skip


def _sparse_brood_row(cost: SparseBrood) -> Row:
    return Row(
        "sparse_brood", "sparse brood",
        f"{cost.n_strategies:.0f} strategies a call; the masks they newly need ({cost.new_masks:.2f} each), rules, "
        f"kernel; columns ready. With masks ready as well: {1e6 * cost.again.cpu:.2f} us",
        cost.fresh, cost.work, target="0.4 M strategies/s", reached=1.0 / cost.fresh.cpu >= BROOD_TARGET,
        further={"cpu_s_masks_ready": cost.again.cpu, "new_masks": cost.new_masks},
    )  # fmt: skip


def _generation_row(cost: GenerationCost, market: Market) -> Row:
    """The whole over the kernel's own time, masks included: what evaluation itself must take."""
    n = cost.n_evaluated * len(market.shards)
    own = cost.cpu[KERNEL] + cost.cpu[MASKS]
    times = cost.total_cpu / own
    shares = ", ".join(f"{part} {seconds / cost.total_cpu:.0%}" for part, seconds in cost.cpu.items())
    return Row(
        "generation", "whole generation", f"{times:.2f} times masks and kernel: {shares}",
        Seconds(cost.total_cpu / n, sum(cost.wall.values()) / n, cost.n_generations),
        target="at most twice the kernel", reached=times <= GENERATION_TARGET,
        further={"times_kernel": times, "times_kernel_alone": cost.total_cpu / cost.cpu[KERNEL]},
    )  # fmt: skip


def _cold_row(took: Seconds) -> Row:
    return Row(
        "cold", "cold start",
        f"a worker, from the start of its process to its first tally, by the clock ({took.cpu:.2f} s CPU); cache warm",
        took, target="under 1 s", reached=took.wall < COLD_TARGET_S, peers=(ELSEWHERE,), by_the_clock=True,
    )  # fmt: skip


def _data(market: Market) -> str:
    shards = ", ".join(f"{shard.symbol} {shard.timeframe}" for shard in market.shards)
    return f"{shards}; {sum(shard.n_bars for shard in market.shards):,} bars"


def _machine() -> dict[str, str]:
    load = f"{os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else "unknown"
    packages = {name: version(name) for name in ("numpy", "numba", "ta-lib")}
    return {"processor": _processor(), "load": load, "python": platform.python_version(), **packages}


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()
