"""How long after its start does a worker have its first result, when its kernels are in numba's cache?

Method. The first result is the tallies of one strategy (an SMA crossover that trades both sides, so mirrors are needed
too) on 5,031 daily bars of the S&P 500 in four folds, by `fitness.evaluate`. The bars are handed to the worker as Ray
hands them over, pickled. Each run is a new process, timed from outside: from before it is made until it says that it
has the result, interpreter and all imports included. One run fills numba's cache and is not counted; the median of the
others is told, and of each part, as the process itself sees it. Ray's own start is not in it. One core is enough.

Run: python benchmarks/cold_start.py [runs]
"""

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from cluster.kernel_cache import share_kernels
from fitness.samples import sample
from fitness.shards import shard_of

N_RUNS = 9
N_BARS = 5031
COLUMNS = ("timestamps", "open", "high", "low", "close", "volume")

WORKER = """
import sys, time
clock = time.process_time
marks = [("interpreter", clock())]
import numpy
marks.append(("numpy", clock()))
import strategies.mirrors, strategies.encoding, strategies.templates
marks.append(("strategies", clock()))
import numba
marks.append(("numba", clock()))
from fitness.bank import FeatureBank
from fitness.costs import Costs
from fitness.evaluate import evaluate
from fitness.folds import split
marks.append(("fitness", clock()))
from fitness.shard import Shard
with numpy.load(sys.argv[1], allow_pickle=False) as bars:
    shard = Shard("SPX", "1d", *(bars[name] for name in bars.files), 252.0, "cold start", 1.0)
phenotypes = strategies.encoding.phenotype_of(strategies.templates.TEMPLATES["sma_cross"])[None]
folds = split(shard.n_bars, folds=4, validation=0.2, lockbox=0.2, embargo=5, warm_up=252).folds
tallies = evaluate(phenotypes, shard, folds, Costs.from_bps(fee_bps=5, slippage_bps=2), FeatureBank(shard))
marks.append(("first evaluation", clock()))
assert tallies.shape[:2] == (1, 4) and not numpy.isnan(tallies).any()
print("done", flush=True)
print(*(f"{name}={seconds}" for name, seconds in marks), sep=",")
"""


def run_worker(bars: Path) -> tuple[float, dict[str, float]]:
    """Seconds from the start of a process to its first result, and its own CPU seconds at the end of each part."""
    begin = time.perf_counter()
    with subprocess.Popen([sys.executable, "-c", WORKER, str(bars)], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        said, seconds = process.stdout.readline().strip(), time.perf_counter() - begin
        marks = process.stdout.readline().strip()
    if said != "done":
        raise SystemExit(f"The worker must say that it is done, but said {said!r} and ended with {process.returncode}.")
    return seconds, {name: float(end) for name, _, end in (mark.partition("=") for mark in marks.split(","))}


def main() -> None:
    """Prints one line."""
    n_runs = int(sys.argv[1]) if len(sys.argv) > 1 else N_RUNS
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    share_kernels()
    shard = shard_of(sample("SPX").tail(N_BARS), "SPX", "1d", bars_per_year=252.0)
    with tempfile.TemporaryDirectory() as folder:
        bars = Path(folder) / "shard.npz"
        np.savez(bars, **{name: getattr(shard, name) for name in COLUMNS})
        run_worker(bars)
        runs = [run_worker(bars) for _ in range(n_runs)]
    median = {name: statistics.median(marks[name] for _, marks in runs) for name in runs[0][1]}
    begins = [0.0, *median.values()]
    parts = ", ".join(f"{name} {end - begin:.2f}" for (name, end), begin in zip(median.items(), begins, strict=False))
    wall, best = statistics.median(seconds for seconds, _ in runs), min(seconds for seconds, _ in runs)
    print(
        f"cold start: {wall:.2f} s to the first result on {shard.n_bars:,} bars (median of {n_runs} new processes, "
        f"best {best:.2f}; CPU {begins[-1]:.2f} = {parts})"
    )


if __name__ == "__main__":
    main()
