"""How fast can one core of this machine read, and how near is the kernel to that limit?

Method. Reading: 64-bit words of a buffer are combined by exclusive or, which numba vectorises without changing any
result (a sum of floats it may not), over buffers that fit each level of the cache, and one far larger than all of them.
Best of several runs, one core.

The kernel must read, for each strategy-bar, four role bits (half a byte) of its masks; for each bar in a position low,
high and close (24 bytes, in blocks of eight bars); and for each fill a row of 64 bytes. What that comes to for a
workload, over the time it takes, is the rate at which the kernel uses memory; the bandwidth over the bytes is the speed
at which a core would run out of memory, had it nothing to compute. A return is a division, so what a division takes
when many are done at once is a limit of arithmetic for bars in a position. From three workloads follows what 64 flat
bars, a bar in a position and a trade cost. Masks are ready, as in `studbook bench`.

Run: python benchmarks/bandwidth.py
"""

from benchmarks import one_core  # isort: skip  # noqa: F401 - before NumPy and numba

import numpy as np
from numba import njit
from numpy.typing import NDArray

from cluster.bench.kernel_rows import played
from cluster.bench.populations import DENSE, HELD, SPARSE
from cluster.bench.rows import Work
from cluster.bench.stopwatch import best_of
from fitness.costs import Costs
from fitness.samples import sample
from fitness.shards import shard_of

SIZES = (("first cache", 24 << 10), ("second cache", 1 << 20), ("third cache", 24 << 20), ("memory", 1 << 30))
AT_LEAST_BYTES = 1 << 30
MASK_BYTES, HELD_BYTES, FILL_BYTES = 4 / 8, 24.0, 64.0
N_STRATEGIES = 1000


@njit(cache=True, nogil=True)
def read_nb(words: NDArray[np.uint64], n_times: int) -> int:
    """All words combined, over and over."""
    total = np.uint64(0)
    for _ in range(n_times):
        for index in range(words.size):
            total ^= words[index]
        total += np.uint64(1)  # or LLVM would see that two rounds cancel out
    return total


@njit(cache=True, nogil=True, error_model="numpy")
def divide_nb(numerators: NDArray[np.float64], denominators: NDArray[np.float64], out: NDArray[np.float64]) -> None:
    """Quotients, eight at a time where the machine can: what the returns of held bars can't do without."""
    for index in range(out.size):
        out[index] = numerators[index] / denominators[index]


def division() -> float:
    """Seconds of one of many divisions of doubles that do not wait for one another."""
    numerators, denominators, out = np.linspace(1.0, 2.0, 1024), np.linspace(2.0, 3.0, 1024), np.empty(1024)

    def run() -> None:
        for _ in range(1000):
            divide_nb(numerators, denominators, out)

    return best_of(run, enough_s=0.5).cpu / (1000 * out.size)


def bandwidth(n_bytes: int) -> float:
    """Bytes a second that are read from a buffer of this size."""
    words = np.arange(n_bytes // 8, dtype=np.uint64)
    n_times = max(1, AT_LEAST_BYTES // n_bytes)
    took = best_of(lambda: read_nb(words, n_times), enough_s=0.5)
    return words.nbytes * n_times / took.cpu


def bytes_of(work: Work) -> float:
    """Bytes that a strategy's bar asks for."""
    return MASK_BYTES + HELD_BYTES * work.exposure + FILL_BYTES * 2.0 * work.n_trades / work.n_bars


def main() -> None:
    """Prints both tables."""
    print("reading, one core, GB/s")
    rates = {name: bandwidth(n_bytes) for name, n_bytes in SIZES}
    for (name, n_bytes), rate in zip(SIZES, rates.values(), strict=True):
        print(f"  {name:14}{n_bytes / 2**20:10,.2f} MiB{rate / 1e9:10.1f}")
    shard = shard_of(sample("SPX"), "SPX", "1d", bars_per_year=252.0)
    costs = Costs.from_bps(fee_bps=5, slippage_bps=2)
    rows, seconds = [], []
    head = f"{'bytes/bar':>10}{'M bars/s':>10}{'GB/s':>8}" + "".join(f"{name:>14}" for name in rates)
    print(
        f"\nkernel on {shard.n_bars:,} bars; on the right the M bars/s at which reading alone would take all the time"
    )
    print(f"  {'':18}{head}")
    for habit in (SPARSE, HELD, DENSE):
        took, work = played(habit, shard, costs, n_strategies=N_STRATEGIES, enough_s=1.0)
        speed, each = work.n_bars / took.cpu, bytes_of(work)
        limits = "".join(f"{rate / each / 1e6:14,.0f}" for rate in rates.values())
        print(f"  {habit.name:18}{each:10.2f}{speed / 1e6:10,.0f}{speed * each / 1e9:8.1f}{limits}")
        rows.append([work.n_bars * (1 - work.exposure) / 64, work.n_bars * work.exposure, work.n_trades])
        seconds.append(took.cpu)
    word, bar, trade = np.linalg.solve(np.array(rows), np.array(seconds)) * 1e9
    print(f"\na division, of many at once {division() * 1e9:.2f} ns; every bar in a position takes one")
    print(f"a word of 64 flat bars {word:.2f} ns, a bar in a position {bar:.2f} ns, a trade {trade:.1f} ns")


if __name__ == "__main__":
    main()
