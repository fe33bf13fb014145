"""What a journal says about its job: a frozen projection, by replay. Nothing here writes."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from cluster.health import JobHealth
from cluster.health_ledger import health_of
from cluster.journal import Record, is_being_written, read_journal
from cluster.record_forms import check_records
from cluster.run_folder import journal_path
from cluster.settings import JobConfig, config_from
from strategies.errors import JournalError, StudbookError, UsageError

RUNNING, INTERRUPTED, FINISHED = "running", "interrupted", "finished"
READABLE_FORMATS = (4, 5)
"""Formats of journals that open: 4 has no quarantine, workers or stalls, and knows neither hosts nor waiting."""


@dataclass(frozen=True)
class JobView:
    """A job as its journal tells it.

    Attributes:
        id: name of the run folder.
        run_dir: the run folder.
        name: from the job file.
        status: "running" (a driver holds the journal), "interrupted" (may be resumed) or "finished".
        config: the resolved job file.
        created: data of the first record: config_hash, shards, gene_table, versions and more.
        created_at: when, ISO 8601 in UTC.
        shards: what is recorded of each shard.
        epochs: data of every finished epoch, in the order in which they were journalled.
        n_births: births of these epochs.
        n_evaluated: of these, those that were evaluated, if only on the screen: each is a trial.
        n_screened_out: of these, those that were seen on the screen alone.
        repairs: data of every repair.
        quarantined: data of every strategy that was put aside: id, text, reason, where.
        workers: data of every change of the number of workers, with `at`, when it was.
        stalls: data of every epoch that took much longer than usual.
        health: how it runs, or ran.
        chosen: data of the choice of candidates; None before it.
        lockbox_reads: data of every reading of the lockbox.
        candidates: records of the candidates judged so far.
        elites: those of them that passed every gate.
        verdict: one sentence; empty before the end.
        n_trials: ways of trading tried on these bars by this job and all before it, which is what statistics count;
            before the end, strategies evaluated.
        births_sha256: of births.parquet; empty before the end.
        seconds: time under way, over all sessions.
    """

    id: str
    run_dir: Path
    name: str
    status: str
    config: JobConfig
    created: dict[str, Any]
    created_at: str
    shards: tuple[dict[str, Any], ...]
    epochs: tuple[dict[str, Any], ...]
    n_births: int
    n_evaluated: int
    n_screened_out: int
    repairs: tuple[dict[str, Any], ...]
    quarantined: tuple[dict[str, Any], ...]
    workers: tuple[dict[str, Any], ...]
    stalls: tuple[dict[str, Any], ...]
    health: JobHealth
    chosen: dict[str, Any] | None
    lockbox_reads: tuple[dict[str, Any], ...]
    candidates: tuple[dict[str, Any], ...]
    elites: tuple[dict[str, Any], ...]
    verdict: str
    n_trials: int
    births_sha256: str
    seconds: float


def read_job(run_dir: Path) -> JobView:
    """Return the view of one run folder.

    Raises:
        JournalError: no journal there, or a damaged one, or one of another format.
    """
    path = journal_path(run_dir)
    writing = is_being_written(path)
    return view_of(run_dir, read_journal(path).records, writing=writing)


def view_of(run_dir: Path, records: Sequence[Record], *, writing: bool = False) -> JobView:
    """Return the view of the records of a job.

    Raises:
        JournalError: they do not begin with a job, or with one of another format.
    """
    created = _creation(run_dir, records)
    check_records(records, journal_path(run_dir))
    by_kind: dict[str, list[dict[str, Any]]] = {}
    for record in records:
        by_kind.setdefault(record.kind, []).append(record.data)
    epochs = tuple(by_kind.get("epoch_finished", ()))
    finished = by_kind.get("job_finished")
    candidates = tuple(data["record"] for data in by_kind.get("candidate", ()))
    n_evaluated = sum(data["n_evaluated"] for data in epochs)
    config = config_from(created["config"], where=str(journal_path(run_dir)))
    return JobView(
        id=run_dir.resolve().name,
        run_dir=run_dir,
        name=config.name,
        status=FINISHED if finished else RUNNING if writing else INTERRUPTED,
        config=config,
        created=created,
        created_at=records[0].at,
        shards=tuple(created["shards"]),
        epochs=epochs,
        n_births=sum(data["n_births"] for data in epochs),
        n_evaluated=n_evaluated,
        n_screened_out=sum(data["n_screened_out"] for data in epochs),
        repairs=tuple(by_kind.get("repair", ())),
        quarantined=tuple(by_kind.get("quarantined", ())),
        workers=tuple({"at": record.at, **record.data} for record in records if record.kind == "workers"),
        stalls=tuple(by_kind.get("stall", ())),
        health=health_of((written_out(records[0], config), *records[1:])),
        chosen=by_kind["candidates_chosen"][0] if "candidates_chosen" in by_kind else None,
        lockbox_reads=tuple(by_kind.get("lockbox_read", ())),
        candidates=candidates,
        elites=tuple(record for record in candidates if record["passed"]),
        verdict=finished[-1]["verdict"] if finished else "",
        n_trials=(finished or by_kind.get("candidates_chosen") or [{"n_trials": n_evaluated}])[-1]["n_trials"],
        births_sha256=finished[-1]["births_sha256"] if finished else "",
        seconds=active_seconds(records),
    )


def written_out(first: Record, config: JobConfig) -> Record:
    """Return the first record of a journal with every setting of its job in it, also those it left to their default."""
    return replace(first, data={**first.data, "config": config.model_dump(mode="json")})


def active_seconds(records: Sequence[Record]) -> float:
    """Return the time between first and last record of each session, summed over sessions."""
    total, begun, last = 0.0, None, None
    for record in records:
        now = datetime.fromisoformat(record.at)
        if record.kind in ("job_created", "resumed"):
            total += (last - begun).total_seconds() if begun and last else 0.0
            begun = now
        last = now
    return round(total + ((last - begun).total_seconds() if begun and last else 0.0), 3)


def list_jobs(root: Path) -> list[JobView]:
    """Return the jobs of a folder of runs that can be read, oldest first; see `damaged_jobs` for the others."""
    found = [job for job in (_attempt(folder) for folder in _run_folders(root)) if isinstance(job, JobView)]
    return sorted(found, key=lambda job: (job.created_at, job.id))


def damaged_jobs(root: Path) -> list[tuple[Path, str]]:
    """Return the run folders of `root` whose journal can't be read, each with the reason."""
    found = [(folder, _attempt(folder)) for folder in _run_folders(root)]
    return [(folder, outcome) for folder, outcome in found if isinstance(outcome, str)]


def find_job(root: Path, name: str) -> JobView:
    """Return the job with this id, with the only id that begins so, or the youngest for "latest"; a path will do too.

    Raises:
        UsageError: no such job, or several.
        JournalError: its journal is damaged.
    """
    return read_job(find_folder(root, name))


def find_folder(root: Path, name: str) -> Path:
    """Return the folder of the job that `find_job` would return.

    Raises:
        UsageError: no such job, or several.
    """
    if name == "latest":
        jobs = list_jobs(root)
        if not jobs:
            raise UsageError(f"A job must have been run before it can be shown, but there is none in {root}.")
        return jobs[-1].run_dir
    if journal_path(Path(name)).is_file():
        return Path(name)
    folders = [folder for folder in _run_folders(root) if folder.name.startswith(name)]
    exact = [folder for folder in folders if folder.name == name]
    if len(exact or folders) != 1:
        known = ", ".join(folder.name for folder in (folders or _run_folders(root))[-5:]) or "none"
        rule = "name one job" if folders else "be the id of a job, or its beginning, or `latest`"
        raise UsageError(f"JOB must {rule}, but was {name!r} (jobs in {root}: {known}).")
    return (exact or folders)[0]


def find_strategy(root: Path, strategy_id: str) -> tuple[JobView, dict[str, Any]]:
    """Return the youngest job that judged a strategy with this id (or the only one that begins so), and its record.

    Raises:
        UsageError: no such strategy, or several.
    """
    found: dict[str, tuple[JobView, dict[str, Any]]] = {}
    for job in list_jobs(root):
        for record in job.candidates:
            if strategy_id and record["id"].startswith(strategy_id):
                found[record["id"]] = (job, record)
    if strategy_id in found:
        return found[strategy_id]
    if len(found) != 1:
        rule = "name one strategy" if found else "be the id of a candidate or elite, or its beginning"
        known = f": {', '.join(sorted(found))}" if found else ""
        raise UsageError(
            f"STRATEGY must {rule}, but was {strategy_id!r} (jobs in {root}{known}). See `studbook elites`."
        )
    return next(iter(found.values()))


def _creation(run_dir: Path, records: Sequence[Record]) -> dict[str, Any]:
    if records[0].kind != "job_created":
        raise JournalError(
            f"A journal must begin with the creation of its job, but began with {records[0].kind!r} "
            f"({journal_path(run_dir)}, line 1)."
        )
    written = records[0].data.get("format")
    if written not in READABLE_FORMATS:
        readable = " or ".join(map(str, READABLE_FORMATS))
        raise JournalError(
            f"A journal must have format {readable}, but was {written} ({journal_path(run_dir)}). "
            "Open it with the version of Studbook that wrote it."
        )
    return records[0].data


def _run_folders(root: Path) -> list[Path]:
    return sorted(path.parent for path in root.glob("*/journal.jsonl")) if root.is_dir() else []


def _attempt(folder: Path) -> JobView | str:
    try:
        return read_job(folder)
    except StudbookError as error:
        return str(error)
