"""Seconds of a piece of work: CPU time of this process and wall time, on one core."""

import contextlib
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from statistics import median


@dataclass(frozen=True)
class Seconds:
    """What one run took.

    Attributes:
        cpu: CPU seconds of this process. Another program on the machine disturbs it little.
        wall: seconds on the clock.
        n_runs: runs that the figures were chosen from.
    """

    cpu: float
    wall: float
    n_runs: int = 1

    def divided(self, n: float) -> "Seconds":
        """The share of one of `n` equal parts."""
        return Seconds(self.cpu / n, self.wall / n, self.n_runs)


def timed(run: Callable[[], object]) -> Seconds:
    """The seconds of one run."""
    wall, cpu = time.perf_counter(), time.process_time()
    run()
    return Seconds(time.process_time() - cpu, time.perf_counter() - wall)


def best_of(run: Callable[[], object], *, enough_s: float, at_least: int = 3) -> Seconds:
    """The shortest of many runs, CPU and wall each: what the work takes when nothing else interferes.

    Args:
        run: the work; it is run once before, uncounted.
        enough_s: run until so many CPU seconds are spent.
        at_least: and so many times.
    """
    run()
    runs: list[Seconds] = []
    spent = 0.0
    while len(runs) < at_least or spent < enough_s:
        runs.append(timed(run))
        spent += runs[-1].cpu
    return Seconds(min(one.cpu for one in runs), min(one.wall for one in runs), len(runs))


def median_of(runs: list[Seconds]) -> Seconds:
    """The median of runs that can't be repeated, CPU and wall each."""
    return Seconds(median(one.cpu for one in runs), median(one.wall for one in runs), len(runs))


@contextlib.contextmanager
def one_core() -> Iterator[None]:
    """Keeps this process on one core, where the system lets it choose."""
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {max(before)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)
