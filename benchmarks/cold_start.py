"""How long after its start does a worker have its first result, and a job its first epoch?

A worker: the first result is the tallies of one strategy (a crossover that trades both sides, so mirrors are needed
too) on 5,031 daily bars of the S&P 500. Each run is a new process, timed from outside, interpreter and all imports
included; one more fills the cache and is not counted. `studbook bench` measures the same on your bars.

A job: `studbook run configs/quickstart.yaml` with two generations, from the start of its process to each first record
of its journal: job_created is when bars are read and libraries loaded; epoch_finished is the first epoch, after Ray,
actors and kernels. Ended is the whole command. `cold` has an empty kernel cache.

Run: python benchmarks/cold_start.py [runs]
     python benchmarks/cold_start.py job [serial|ray] [warm|cold]
"""

import os
import subprocess
import sys
import tempfile
import time
from datetime import datetime
from pathlib import Path

from cluster.bench.cold_start import cold_start
from cluster.journal import read_journal
from fitness.costs import Costs
from fitness.samples import sample
from fitness.shards import shard_of

N_RUNS = 9
N_BARS = 5031
JOB = ("run", "configs/quickstart.yaml", "--no-mlflow", "--set", "evolution.generations=2")


def main() -> None:
    """Prints one line, or one for each first record of a job."""
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    if sys.argv[1:2] == ["job"]:
        of_job(*sys.argv[2:])
        return
    n_runs = int(sys.argv[1]) if len(sys.argv) > 1 else N_RUNS
    shard = shard_of(sample("SPX").tail(N_BARS), "SPX", "1d", bars_per_year=252.0)
    took = cold_start(shard, Costs.from_bps(fee_bps=5, slippage_bps=2), n_runs=n_runs)
    print(
        f"cold start: {took.wall:.2f} s to the first result on {shard.n_bars:,} bars, CPU time {took.cpu:.2f} s "
        f"(medians of {took.n_runs} new processes)"
    )


def of_job(executor: str = "ray", kernels: str = "warm") -> None:
    """Print when a job was how far, in seconds by the clock, and what CPU time it took in all."""
    with tempfile.TemporaryDirectory(prefix="studbook-start-") as folder:
        if kernels == "cold":
            os.environ["NUMBA_CACHE_DIR"] = f"{folder}/kernels"
        command = [sys.executable, "-c", "from cluster.cli import main; main()", *JOB]
        began, before = time.time(), os.times()
        told = [*command, "--executor", executor, "--root", f"{folder}/runs"]
        subprocess.run(told, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        ended, after = time.time(), os.times()
        (journal,) = Path(folder, "runs").glob("*/journal.jsonl")
        seen = set[str]()
        for record in read_journal(journal).records:
            if record.kind not in seen:
                seen.add(record.kind)
                print(f"{datetime.fromisoformat(record.at).timestamp() - began:6.2f} s  {record.kind}")
    cpu = sum(after[2:4]) - sum(before[2:4])
    print(f"{ended - began:6.2f} s  ended; CPU time {cpu:.1f} s of its own and of those it waited for")


if __name__ == "__main__":
    main()
