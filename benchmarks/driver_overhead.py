"""How much of one core does the driver need for an epoch, by the number of islands, and what does it spend it on?

A real session writes a real journal and real files, up to where promotion begins. Its epochs are answered at once, each
with the births, state and emigrants of an epoch that was really bred (population 60, two generations), so that all
sizes are true. CPU time is counted, so a busy machine does not matter; the wall time of fsync is given apart.

An evaluator that is a core takes some seconds for such an epoch; the driver keeps up with as many of them as it has
epochs a second, times these seconds. Without Ray (about 1 ms a call), the progress display and MLflow.

Run: python benchmarks/driver_overhead.py [--profile] [islands ...]
"""

import cProfile
import os
import pstats
import sys
import tempfile
import time
from collections import deque
from dataclasses import replace
from pathlib import Path
from typing import Any

from cluster import driver
from cluster.executor import EpochResult, EpochTask
from cluster.job_config import JobConfig
from cluster.journal import Record
from cluster.serial_executor import SerialExecutor
from cluster.session import Session
from cluster.settings import config_from
from cluster.wire import from_wire, to_wire
from fitness.samples import sample
from fitness.shards import write_shard

N_EPOCHS = {10: 60, 100: 12, 1000: 4}


class Bred(Session):
    """A session that ends where promotion would begin."""

    def _promote(self, config: JobConfig) -> None:
        del config
        facts = {"verdict": "bred", "n_trials": 0, "n_elites": 0, "seconds": 0.0, "births_sha256": ""}
        self.append("job_finished", facts)

    def _record_trials(self) -> None:
        pass


class AtOnce:
    """An executor whose epochs are done when they are submitted, and arrive one by one, as bytes."""

    def __init__(self, bred: EpochResult) -> None:
        self._bred, self._queue = bred, deque[EpochTask]()

    def submit(self, task: EpochTask) -> None:
        """Take a task, as bytes."""
        self._queue.append(from_wire(EpochTask, to_wire(task)))

    def wants(self) -> bool:
        """Return whether nothing is queued."""
        return not self._queue

    def wait(self, timeout_s: float) -> tuple[EpochResult, ...]:
        """Return the next result."""
        del timeout_s
        task = self._queue.popleft()
        return (from_wire(EpochResult, to_wire(replace(self._bred, island=task.island, epoch=task.epoch))),)

    def close(self) -> None:
        """Forget what is queued."""
        self._queue.clear()


class Fsyncs:
    """Counts what waiting for the disk takes."""

    def __init__(self) -> None:
        self.n, self.seconds, self.real = 0, 0.0, os.fsync

    def __call__(self, descriptor: int) -> None:
        """Synchronise and count."""
        begun = time.perf_counter()
        self.real(descriptor)
        self.n, self.seconds = self.n + 1, self.seconds + time.perf_counter() - begun


def config_of(root: Path, n_islands: int, n_epochs: int) -> JobConfig:
    """The default job on one shard, so many islands wide and epochs long."""
    values: dict[str, Any] = {
        "name": "overhead",
        "seed": 1,
        "data": {"root": str(root), "source": "files", "shards": [{"symbol": "SPX"}]},
        "evolution": {"islands": n_islands, "generations": 2 * n_epochs, "epoch_generations": 2},
        "cluster": {"executor": "serial", "workers": 1},
        "tracking": {"enabled": False},
    }
    return config_from(values, where="benchmark")


def bred_epoch(root: Path) -> EpochResult:
    """The second epoch of an island, really bred."""
    config = config_of(root, 1, 2)
    executor = SerialExecutor(config, driver.open_market(config))
    executor.submit(EpochTask(0, 0, 2, b"", ()))
    (first,) = executor.wait(0.0)
    assert isinstance(first, EpochResult)
    executor.submit(EpochTask(0, 1, 2, first.state, ()))
    (second,) = executor.wait(0.0)
    assert isinstance(second, EpochResult)
    return second


def measure(root: Path, bred: EpochResult, n_islands: int, *, profile: bool) -> None:
    """Print one line for one size of job."""
    n_epochs = N_EPOCHS.get(n_islands, 4)
    config, n_all, begun_mib = config_of(root / "data", n_islands, n_epochs), n_islands * n_epochs, _mib()
    fsyncs, profiler, times = Fsyncs(), cProfile.Profile(), list[float]()

    def observer(record: Record) -> None:
        if record.kind in ("job_created", "job_finished"):
            times.append(time.process_time())

    os.fsync = fsyncs
    if profile:
        profiler.enable()
    begun = time.perf_counter()
    driver.run_job(config, root=root / "runs", observers=[observer], make_executor=lambda *_: AtOnce(bred))
    wall_s = time.perf_counter() - begun
    profiler.disable()
    os.fsync = fsyncs.real
    cpu_s = times[-1] - times[0]
    print(
        f"{n_islands:5d} islands, {n_all:5d} epochs: {1000 * cpu_s / n_all:6.2f} ms CPU an epoch, "
        f"{n_all / cpu_s:5.0f} a second; {fsyncs.n / n_all:.1f} fsync, {1000 * fsyncs.seconds / n_all:.1f} ms waiting "
        f"for the disk; memory {begun_mib:.0f} -> {_mib():.0f} MiB; wall {wall_s:.1f} s",
        flush=True,
    )
    if profile:
        pstats.Stats(profiler).sort_stats("tottime").print_stats(22)


def _mib() -> float:
    pages = Path("/proc/self/statm").read_text().split()[1]
    return int(pages) * os.sysconf("SC_PAGE_SIZE") / 2**20


def main() -> None:
    """Print a line for each number of islands."""
    driver.Session = Bred
    sizes = [int(text) for text in sys.argv[1:] if text.isdigit()] or list(N_EPOCHS)
    with tempfile.TemporaryDirectory() as folder:
        write_shard(sample("SPX").tail(1200), Path(folder) / "data", "SPX", "1d", source="benchmark")
        bred = bred_epoch(Path(folder) / "data")
        parts = ((kind, len(getattr(bred, kind)) / 1000) for kind in ("state", "births", "emigrants"))
        print("an epoch is", ", ".join(f"{kind} {size:.0f} kB" for kind, size in parts), flush=True)
        for n_islands in sizes:
            measure(Path(folder), bred, n_islands, profile="--profile" in sys.argv)


if __name__ == "__main__":
    main()
