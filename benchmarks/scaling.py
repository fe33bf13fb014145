"""How much faster do two cores breed than one, and do more workers give the same births?

Method: the same job (six shards of daily bars, eight islands) with one worker on one core, driver and Ray included,
then with two workers on two cores, then with 4 and 8 workers on these two. Counted are births between the moment when
every island has finished its first epoch, when all is warm, and the last epoch's end; from the journal. Efficiency is
the rate of two cores over twice that of one. All births must be the same bytes.

Run: `python benchmarks/scaling.py [generations]` on an otherwise idle machine with two cores or more.
"""

import json
import os
import subprocess
import sys
import tempfile
from datetime import datetime
from pathlib import Path

from cluster.journal import FILE_NAME, read_journal

ROOT = Path(__file__).parents[1]
RUNS = ((1, 1, "ray"), (1, 1, "serial"), (2, 2, "ray"), (4, 2, "ray"), (8, 2, "ray"))


def run(folder: Path, n_workers: int, n_cores: int, executor: str, generations: int) -> tuple[float, str]:
    """Return births a second once warm, and the hash of all births."""
    sizes = ["evolution.islands=8", f"evolution.generations={generations}", "evolution.population_size=100"]
    settings = [part for size in sizes for part in ("--set", size)]
    command = [
        sys.executable,
        "-m",
        "cluster.cli",
        "run",
        "configs/quickstart.yaml",
        *settings,
        "--no-mlflow",
        "--json",
    ]
    command += ["--executor", executor, "--workers", str(n_workers), "--root", str(folder)]
    cores = ",".join(str(core) for core in sorted(os.sched_getaffinity(0))[:n_cores])
    answer = subprocess.run(
        ["taskset", "-c", cores, *command],
        cwd=ROOT,
        check=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    (journal,) = folder.glob(f"*/{FILE_NAME}")
    epochs = [record for record in read_journal(journal).records if record.kind == "epoch_finished"]
    warm = max(number for number, record in enumerate(epochs) if record.data["epoch"] == 0)
    counted = epochs[warm + 1 :]
    seconds = (datetime.fromisoformat(counted[-1].at) - datetime.fromisoformat(epochs[warm].at)).total_seconds()
    return sum(record.data["n_births"] for record in counted) / seconds, json.loads(answer.stdout)["births_sha256"]


def main() -> None:
    """Print the rates, and what two cores are worth."""
    generations = int(sys.argv[1]) if len(sys.argv) > 1 else 40
    found = {}
    for n_workers, n_cores, executor in RUNS:
        with tempfile.TemporaryDirectory() as folder:
            found[n_workers, n_cores, executor] = run(Path(folder), n_workers, n_cores, executor, generations)
        rate, births = found[n_workers, n_cores, executor]
        print(f"{executor:<7} workers {n_workers}  cores {n_cores}  {rate:8.0f} births/s  {births[:16]}", flush=True)
    assert len({births for _, births in found.values()}) == 1, "the births differ"
    one, two = found[1, 1, "ray"][0], found[2, 2, "ray"][0]
    print(f"efficiency of two cores: {two / one / 2:.2f}")


if __name__ == "__main__":
    main()
