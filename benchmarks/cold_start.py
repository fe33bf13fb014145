"""How long after its start does a worker have its first result, when its kernels are in numba's cache?

The first result is the tallies of one strategy (a crossover that trades both sides, so mirrors are needed too) on 5,031
daily bars of the S&P 500. Each run is a new process, timed from outside, interpreter and all imports included; one more
fills the cache and is not counted. Ray's own start is not in it. `studbook bench` measures the same on your bars.

Run: python benchmarks/cold_start.py [runs]
"""

import os
import sys

from cluster.bench.cold_start import cold_start
from fitness.costs import Costs
from fitness.samples import sample
from fitness.shards import shard_of

N_RUNS = 9
N_BARS = 5031


def main() -> None:
    """Prints one line."""
    n_runs = int(sys.argv[1]) if len(sys.argv) > 1 else N_RUNS
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    shard = shard_of(sample("SPX").tail(N_BARS), "SPX", "1d", bars_per_year=252.0)
    took = cold_start(shard, Costs.from_bps(fee_bps=5, slippage_bps=2), n_runs=n_runs)
    print(
        f"cold start: {took.wall:.2f} s to the first result on {shard.n_bars:,} bars, CPU time {took.cpu:.2f} s "
        f"(medians of {took.n_runs} new processes)"
    )


if __name__ == "__main__":
    main()
