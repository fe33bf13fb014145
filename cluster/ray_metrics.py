"""Metrics of a job for Prometheus, through Ray: every node's agent has an endpoint that a Prometheus server can read.

`RayMetrics` observes the journal. While Ray is not up in this process it only counts; once it is, every record brings
the gauges up to date and adds to the counters. In Prometheus the names begin with `ray_`, and counters end in `_total`.
"""

import sys
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from cluster.happenings import kind_of
from cluster.health_ledger import HealthLedger
from cluster.tracking import located

if TYPE_CHECKING:
    from cluster.health import IslandHealth, JobHealth
    from cluster.journal import Record

JOB, ISLAND = ("job",), ("job", "island")
GAUGES: Final[Mapping[str, tuple[str, tuple[str, ...]]]] = {
    "studbook_job_progress": ("Share of the breeding that is done, 0 to 1.", JOB),
    "studbook_job_evaluated_per_second": ("Strategies evaluated a second, over the last epochs.", JOB),
    "studbook_job_seconds_left": ("Seconds of breeding left at the speed of the last epochs.", JOB),
    "studbook_workers_present": ("Evaluators at work.", JOB),
    "studbook_workers_wanted": ("Evaluators asked for.", JOB),
    "studbook_island_generation": ("Last generation bred.", ISLAND),
    "studbook_island_best": ("Best first objective in sample.", ISLAND),
    "studbook_island_validation_sharpe": ("Sharpe ratio of its best on validation bars.", ISLAND),
    "studbook_island_diversity": ("Spread of the genes in the population.", ISLAND),
    "studbook_island_generations_since_best": ("Generations since its best improved.", ISLAND),
    "studbook_island_evaluated_per_second": ("Strategies evaluated a second of breeding and waiting.", ISLAND),
    "studbook_island_waiting_share": ("Share of its time in the driver's queue.", ISLAND),
    "studbook_island_stalled": ("1 while its epoch takes much longer than usual, else 0.", ISLAND),
}
COUNTERS: Final[Mapping[str, tuple[str, tuple[str, ...]]]] = {
    "studbook_epochs": ("Epochs finished.", ISLAND),
    "studbook_births": ("Strategies born.", ISLAND),
    "studbook_evaluated": ("Strategies evaluated.", ISLAND),
    "studbook_repairs": ("Losses that were mended, by what was lost.", (*JOB, "what")),
    "studbook_quarantined": ("Strategies put aside.", JOB),
    "studbook_stalls": ("Epochs that took much longer than usual.", JOB),
}
Labels = tuple[tuple[str, str], ...]


class RayMetrics:
    """The observer that brings a job's figures to Ray's metrics.

    Args:
        root: folder of run folders, in which the job is found by the first record of its journal.
        run_dir: the run folder, where it is known; its name is what the tag `job` says.
    """

    def __init__(self, *, root: Path, run_dir: Path | None = None) -> None:
        self._root = root
        self._job = run_dir.resolve().name if run_dir else ""
        self._ledger = HealthLedger()
        self._due: Counter[tuple[str, Labels]] = Counter()
        self._session = ""
        self._metrics: dict[str, Any] = {}

    def prime(self, records: "tuple[Record, ...]") -> None:
        """Take the records of an earlier process: counters begin at 0 in this one, as Prometheus expects."""
        for record in records:
            self._ledger.take(record)

    def __call__(self, record: "Record") -> None:
        """Take one journal record."""
        self._job = self._job or located(self._root, record).name
        self._ledger.take(record)
        self._count(record)
        if self._is_up():
            self._tell(record)

    def _count(self, record: "Record") -> None:
        data, job = record.data, ("job", self._job)
        if record.kind == "epoch_finished":
            labels = (job, ("island", str(data["island"])))
            self._due["studbook_epochs", labels] += 1
            self._due["studbook_births", labels] += data["n_births"]
            self._due["studbook_evaluated", labels] += data["n_evaluated"]
        elif record.kind == "repair":
            self._due["studbook_repairs", (job, ("what", kind_of(data)))] += 1
        elif record.kind in ("quarantined", "stall"):
            name = "studbook_quarantined" if record.kind == "quarantined" else "studbook_stalls"
            self._due[name, (job,)] += 1

    def _is_up(self) -> bool:
        """Whether Ray is up in this process; in a session other than before, the metrics are made anew."""
        ray = sys.modules.get("ray")
        if ray is None or not ray.is_initialized():
            return False
        session = ray.get_runtime_context().get_session_name()
        if session != self._session:
            self._session, self._metrics = session, _new_metrics()
        return True

    def _tell(self, record: "Record") -> None:
        due, self._due = self._due, Counter()
        for (name, labels), amount in due.items():
            if amount:
                self._metrics[name].inc(amount, tags=dict(labels))
        tags = {"job": self._job}
        touched = record.data.get("island")
        health = self._ledger.health(only=() if touched is None else (touched,))
        self._set(job_figures(health), tags)
        for island in health.islands:
            self._set(island_figures(island), {**tags, "island": str(island.island)})

    def _set(self, figures: Mapping[str, float | None], tags: dict[str, str]) -> None:
        for name, value in figures.items():
            if value is not None:
                self._metrics[name].set(float(value), tags=tags)


def job_figures(health: "JobHealth") -> dict[str, float | None]:
    """Return the gauges of a job."""
    return {
        "studbook_job_progress": health.share_done,
        "studbook_job_evaluated_per_second": health.evaluated_per_s,
        "studbook_job_seconds_left": 0.0 if health.share_done >= 1.0 else health.left_s,
        "studbook_workers_present": health.workers_present,
        "studbook_workers_wanted": health.workers_wanted,
    }


def island_figures(island: "IslandHealth") -> dict[str, float | None]:
    """Return the gauges of an island."""
    return {
        "studbook_island_generation": island.generation,
        "studbook_island_best": island.best,
        "studbook_island_validation_sharpe": island.validation,
        "studbook_island_diversity": island.diversity,
        "studbook_island_generations_since_best": island.since_best,
        "studbook_island_evaluated_per_second": island.evaluated_per_s,
        "studbook_island_waiting_share": island.waiting_share,
        "studbook_island_stalled": float(island.state == "stalled"),
    }


def _new_metrics() -> dict[str, Any]:
    from ray.util import metrics

    made: dict[str, Any] = {name: metrics.Gauge(name, text, tag_keys=tags) for name, (text, tags) in GAUGES.items()}
    return made | {name: metrics.Counter(name, text, tag_keys=tags) for name, (text, tags) in COUNTERS.items()}
