"""Run as a program: jobs one after the other in this process, then one long job on Ray, and what all of it holds.

`python soaking.py FOLDER SECONDS` writes a sample a line to FOLDER/samples.jsonl: phase, seconds since the start; for
each process bytes of its own memory, open files and threads; then bytes and names of shared memory, and how much lies
in the temporary folder, which is one of its own. The last line is of what is left when all is closed.
"""

import gc
import json
import os
import shutil
import sys
import tempfile
import threading
import time
from pathlib import Path

SHORT_JOBS_SHARE = 0.5
LEAST_SAMPLES = 12
"""A phase is longer than its time until it has so many: on a machine that is busy with tests it gets little of it."""


def descendants():
    """The ids of this process and all that it has started, by name where it may have changed."""
    parents = {}
    for place in Path("/proc").glob("[0-9]*"):
        try:
            parents[int(place.name)] = int((place / "stat").read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue  # it has ended meanwhile
    found = {os.getpid()}
    while more := {process for process, parent in parents.items() if parent in found} - found:
        found |= more
    return sorted(found)


def of_process(process):
    """Bytes of memory that are its own, open files, threads, and the shared memory that it has mapped."""
    place = Path(f"/proc/{process}")
    status = dict(line.split(":", 1) for line in (place / "status").read_text().splitlines())
    maps = (place / "maps").read_text().splitlines()
    return {
        "name": status["Name"].strip(),
        "own": int(status["RssAnon"].split()[0]) * 1024,
        "files": sum(1 for _ in (place / "fd").iterdir()),
        "threads": int(status["Threads"]),
        "shared": sorted({line.split("/dev/shm/")[1] for line in maps if "/dev/shm/" in line}),
    }


def bytes_of_shared(name):
    """Bytes of a file of shared memory; 0 if it has lost its name."""
    try:
        return Path("/dev/shm", name).stat().st_blocks * 512
    except OSError:
        return 0


def size_of(folder):
    """How many files and folders are in a folder, at any depth."""
    return sum(len(folders) + len(files) for _, folders, files in os.walk(folder))


class Samples:
    """Writes samples, at most one a second."""

    def __init__(self, folder):
        self.n_done = self.n_taken = 0
        self._began = time.monotonic()
        self._last = 0.0
        self._stream = (folder / "samples.jsonl").open("w")

    def take(self, phase, *, always=False):
        now = time.monotonic() - self._began
        if not always and now - self._last < 1.0:
            return
        self._last = now
        processes = {}
        for process in descendants():
            try:
                processes[process] = of_process(process)
            except OSError:
                continue  # it has ended meanwhile
        shared = sorted({name for one in processes.values() for name in one.pop("shared")})
        sizes = {name: size for name in shared if (size := bytes_of_shared(name))}
        sample = {"phase": phase, "at": round(now, 2), "done": self.n_done, "processes": processes}
        sample |= {"shared": sorted(sizes), "shared_bytes": sum(sizes.values())}
        sample["temporary"] = size_of(tempfile.gettempdir())
        sample["folders"] = [path.name for path in Path(tempfile.gettempdir()).glob("ray/session_2*")]
        self._stream.write(json.dumps(sample) + "\n")
        self._stream.flush()
        self.n_taken += 1

    def are_enough(self, until):
        """Whether the phase may end, and start to count those of the next one if so."""
        if time.monotonic() < until or self.n_taken < LEAST_SAMPLES:
            return False
        self.n_done = self.n_taken = 0
        return True


def job(folder, *, executor, generations):
    """The config of a job of two islands and two shards."""
    from cluster.settings import config_from

    values = {
        "name": "soak",
        "seed": 11,
        "data": {"root": str(folder / "bars"), "source": "files", "shards": [{"symbol": "SPX"}, {"symbol": "IXIC"}]},
        "split": {"folds": 2, "validation": 0.2, "lockbox": 0.2, "embargo": 5, "warm_up": 100},
        "evolution": {"islands": 2, "population_size": 12, "generations": generations, "epoch_generations": 1},
        "gates": {"min_trades": 3, "candidates": 2, "battery": False},
        "cluster": {"executor": executor, "workers": 2, "bank_mib": 8},
        "tracking": {"enabled": False},
    }
    return config_from(values, where="soak")


def short_jobs(folder, samples, until):
    """Jobs in this process, from the first journal record to the verdict."""
    from cluster.driver import run_job

    while not samples.are_enough(until):
        view = run_job(job(folder, executor="serial", generations=3), root=folder / "runs")
        assert view.status == "finished"
        shutil.rmtree(folder / "runs")
        gc.collect()
        samples.n_done += 1
        samples.take("short jobs", always=True)


def long_job(folder, samples, until):
    """One job on Ray, stopped when time is up."""
    from cluster.driver import run_job
    from cluster.signals import Interrupted

    stop = threading.Event()

    def observe(record):
        if record.kind == "epoch_finished":
            samples.n_done += 1
            samples.take("long job")
        if not stop.is_set() and samples.are_enough(until):
            stop.set()

    try:
        run_job(job(folder, executor="ray", generations=100_000), root=folder / "runs", observers=[observe], stop=stop)
    except Interrupted:
        return
    raise AssertionError("the job should have been stopped")


def main(folder, seconds):
    """Fill `folder`, and the file of samples in it."""
    from cluster.kernel_cache import share_kernels

    share_kernels()  # before numba is imported
    from cluster.driver import run_job
    from fitness.samples import sample
    from fitness.shards import write_shard

    for symbol in ("SPX", "IXIC"):
        write_shard(sample(symbol).tail(900), folder / "bars", symbol, "1d", source="soak")
    run_job(job(folder, executor="serial", generations=3), root=folder / "first")  # kernels are compiled by now
    samples, began = Samples(folder), time.monotonic()
    short_jobs(folder, samples, began + seconds * SHORT_JOBS_SHARE)
    long_job(folder, samples, began + seconds)
    samples.take("after", always=True)


if __name__ == "__main__":
    os.nice(10)
    main(Path(sys.argv[1]), float(sys.argv[2]))
