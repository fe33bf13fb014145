"""How long a worker takes from the start of its process to its first result, its kernels being in numba's cache."""

import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Final

import numpy as np

from cluster.bench.stopwatch import Seconds
from cluster.kernel_cache import share_kernels
from fitness.costs import Costs
from fitness.shard import VALUES, Shard
from strategies.errors import ClusterError

WORKER: Final = """
import sys, time
import numpy as np
from fitness.bank import FeatureBank
from fitness.costs import Costs
from fitness.evaluate import evaluate
from fitness.folds import Window
from fitness.shard import Shard
from strategies.encoding import phenotype_of
from strategies.templates import TEMPLATES
with np.load(sys.argv[1], allow_pickle=False) as bars:
    shard = Shard(symbol="X", timeframe="1d", content_hash="", quality=1.0, bars_per_year=252.0, **bars)
costs = Costs.from_bps(fee_bps=float(sys.argv[2]), slippage_bps=float(sys.argv[3]))
rows = phenotype_of(TEMPLATES["sma_cross"])[None]
tallies = evaluate(rows, shard, [Window("all", 0, shard.n_bars)], costs, FeatureBank(shard))
assert np.isfinite(tallies).all()
print(time.process_time(), flush=True)
"""


def cold_start(shard: Shard, costs: Costs, *, n_runs: int) -> Seconds:
    """Median seconds until a new process has evaluated a crossover on a shard; a first run, uncounted, fills the cache.

    The bars come from a file of plain arrays, as a worker gets them from memory.

    Raises:
        ClusterError: the process ended without a result.
    """
    share_kernels()
    with tempfile.TemporaryDirectory(prefix="studbook-bench-") as folder:
        bars = Path(folder) / "bars.npz"
        np.savez(bars, timestamps=shard.timestamps, **{name: getattr(shard, name) for name in VALUES})
        arguments = [str(bars), str(costs.fee * 1e4), str(costs.slippage * 1e4)]
        _run(arguments)
        runs = [_run(arguments) for _ in range(n_runs)]
    return Seconds(median(run.cpu for run in runs), median(run.wall for run in runs), n_runs)


def _run(arguments: list[str]) -> Seconds:
    begin = time.perf_counter()
    command = [sys.executable, "-c", WORKER, *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603 - our own interpreter
        assert process.stdout is not None
        said = process.stdout.readline().strip()
        wall = time.perf_counter() - begin
    if not said:
        raise ClusterError(
            f"a worker must evaluate its first strategy, but its process ended with {process.returncode}. "
            "Run `studbook doctor`."
        )
    return Seconds(float(said), wall)
