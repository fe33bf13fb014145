"""Jobs from outside: begin one, or go on with one, until it ends or is stopped."""

import platform
import sys
import threading
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from cluster.executor import Executor
from cluster.job_config import nearest, settled
from cluster.journal import JOURNAL_FORMAT, Journal, is_being_written
from cluster.kernel_cache import package_version
from cluster.market import Market, open_market, require_same_shards, shard_entries
from cluster.memory import allowed_bytes, memory_plan, require_memory
from cluster.run_folder import journal_path, new_run_folder, require_job_id, sweep
from cluster.session import MakeExecutor, Observer, Session, disk_refusal
from cluster.settings import JobConfig, config_hash, first_difference
from cluster.tracking_trouble import shown_uri
from cluster.view import JobView, read_job, view_of
from cluster.worker import evolution_settings
from fitness.shard import Shard
from fitness.timeframes import DAY_US, timeframe_us
from strategies.errors import ConfigError, JournalError
from strategies.genes import fingerprint

__all__ = ["MakeExecutor", "Observer", "begun_job", "default_executor", "require_same_job", "resume_job", "run_job"]

_RESULT_PACKAGES = ("numpy", "numba", "ta-lib", "polars", "deap", "moocore")


def run_job(
    config: JobConfig,
    *,
    root: Path | None = None,
    job_id: str | None = None,
    observers: Sequence[Observer] = (),
    stop: threading.Event | None = None,
    make_executor: MakeExecutor | None = None,
) -> JobView:
    """Run a new job to its end and return its view.

    Args:
        config: the job.
        root: folder of the run folders; None takes `output.root`.
        job_id: name of its run folder; None makes one of name, time and chance.
        observers: called after each journal record; what they raise is told once on stderr and stops nothing.
        stop: set it to stop: what is journalled is kept.
        make_executor: of the job's epochs; None takes what `cluster.executor` names.

    Raises:
        ConfigError, DataError: the job can't begin; nothing has been written.
        UsageError: `job_id` can't be one.
        JournalError: there is a job of this id.
        ClusterError: no cluster, or an epoch was lost too often; the job can be resumed.
        Interrupted: `stop` was set; the job can be resumed.
    """
    evolution_settings(config)
    market = open_market(config)
    config = settled(with_columns(config, market.shards))
    _require_room(config, market)
    place = root if root is not None else Path(config.output.root)
    try:
        run_dir = new_run_folder(place, config.name, job_id)
        journal = Journal.create(journal_path(run_dir))
    except OSError as error:
        raise disk_refusal(error, place) from error
    session = Session(run_dir, market, journal, (), observers, stop)
    with session.closing():
        session.append("job_created", _creation(config, market))
        session.run(make_executor or default_executor)
    return read_job(run_dir)


def begun_job(root: Path, job_id: str) -> JobView | None:
    """Return the job of this id in `root`, to be resumed; None where it is still to be begun.

    A journal without its first record, left by a driver that was killed as it began, is removed.

    Raises:
        UsageError: `job_id` can't be one.
        JournalError: its journal is damaged.
    """
    run_dir = root / require_job_id(job_id)
    path = journal_path(run_dir)
    if not path.exists():
        return None
    try:
        return read_job(run_dir)
    except JournalError:
        if b"\n" in path.read_bytes() or is_being_written(path):
            raise
        path.unlink()
        return None


def resume_job(
    run_dir: Path,
    *,
    config: JobConfig | None = None,
    observers: Sequence[Observer] = (),
    stop: threading.Event | None = None,
    make_executor: MakeExecutor | None = None,
) -> JobView:
    """Go on with a job to its end and return its view; a finished job is only shown.

    Args:
        run_dir: its folder.
        config: a job file to compare with; its `cluster` section replaces the journalled one, anything else that
            decides results must be equal. None takes all from the journal.
        observers: as in `run_job`.
        stop: as in `run_job`.
        make_executor: as in `run_job`.

    Raises:
        JournalError: no journal, a damaged one, one in use, or one whose bars or gene table are not those of now.
        ConfigError: `config` is of another job.
        ClusterError, Interrupted: as in `run_job`.
    """
    try:
        journal, records = Journal.open(journal_path(run_dir))
    except OSError as error:
        raise disk_refusal(error, run_dir) from error
    session: Session | None = None
    try:
        view = view_of(run_dir, records)
        require_same_job(view, config)
        if view.status != "finished":
            market = open_market(view.config)
            require_same_shards(market, view.shards, where=journal_path(run_dir))
            with_columns(view.config, market.shards)
            _require_room(config or view.config, market)
            session = Session(run_dir, market, journal, records, observers, stop, config)
    finally:
        if session is None:
            journal.close()
    if session is not None:
        with session.closing():
            sweep(run_dir)
            session.append("resumed", _changed_versions(view))
            session.run(make_executor or default_executor)
    return read_job(run_dir)


def default_executor(config: JobConfig, market: Market, stop: threading.Event) -> Executor:
    """Return the executor that a job file asks for; Ray is imported only here.

    Raises:
        ClusterError: Ray does not start, or has too few CPUs.
    """
    if config.cluster.executor == "serial":
        from cluster.serial_executor import SerialExecutor

        return SerialExecutor(config, market, stop=stop)
    from cluster.ray_executor import RayExecutor

    return RayExecutor(config, market)


def _require_room(config: JobConfig, market: Market) -> None:
    """Check that a session of our own has memory for the job; a cluster is asked once it has answered."""
    if config.cluster.executor == "ray" and config.cluster.address is None:
        require_memory(memory_plan(config, market), allowed_bytes(config))


def with_columns(config: JobConfig, shards: Sequence[Shard]) -> JobConfig:
    """Return `config` with what strategies may read of the bars: the extra columns of all shards, or those it names.

    And the clock, where all bars are shorter than a day.

    Raises:
        ConfigError: it names a column that a shard does not have.
    """
    held = [set(getattr(shard, "extra", {})) for shard in shards]
    common = sorted(set.intersection(*held))
    wanted = config.language.columns
    for name in wanted or ():
        if name not in common:
            lacks = next(shard for shard, names in zip(shards, held, strict=True) if name not in names)
            raise ConfigError(
                f"`language.columns` must be in the bars of every shard, but {name!r} is not in {lacks.symbol} "
                f"{lacks.timeframe} ({config.name}){nearest(name, common)}. Leave it out, or give null for all."
            )
    short = all(timeframe_us(shard.timeframe) < DAY_US for shard in shards)
    found = {
        "columns": tuple(common) if wanted is None else wanted,
        "intraday": short if config.language.intraday is None else config.language.intraday,
    }
    language = config.language.model_copy(update=found)
    return config.model_copy(update={"language": language})


def _creation(config: JobConfig, market: Market) -> dict[str, Any]:
    values = config.model_dump(mode="json")
    if config.tracking.uri:
        values["tracking"]["uri"] = shown_uri(config.tracking.uri)  # the journal is shown to people: no password
    return {
        "format": JOURNAL_FORMAT,
        "config": values,
        "config_hash": config_hash(config),
        "shards": shard_entries(market),
        "gene_table": fingerprint(),
        "versions": versions(),
    }


def versions() -> dict[str, str]:
    """Return the versions of what decides results: Studbook, Python and the packages that compute."""
    packages = {name: version(name) for name in _RESULT_PACKAGES}
    return {"studbook": package_version(), "python": platform.python_version(), **packages}


def _changed_versions(view: JobView) -> dict[str, Any]:
    now, then = versions(), view.created["versions"]
    changed = {name: [then.get(name), found] for name, found in now.items() if then.get(name) != found}
    if changed:
        listed = ", ".join(f"{name} {old} -> {new}" for name, (old, new) in changed.items())
        print(f"Other packages than the job began with, so its births may differ: {listed}", file=sys.stderr)
    return {"changed_versions": changed}


def require_same_job(view: JobView, offered: JobConfig | None) -> None:
    """Check that a journalled job can go on here, and that `offered`, if given, is its job file.

    Raises:
        JournalError: another version of Studbook began it.
        ConfigError: `offered` is of another job.
    """
    where = journal_path(view.run_dir)
    if config_hash(view.config) != view.created["config_hash"]:
        raise JournalError(
            f"A journal's config must have the hash {view.created['config_hash'][:16]}, but had "
            f"{config_hash(view.config)[:16]} ({where}). Open it with the version of Studbook that wrote it."
        )
    if view.created["gene_table"] != fingerprint():
        raise JournalError(
            f"A job must go on with the gene table it began with, but that was {view.created['gene_table']} "
            f"and this is {fingerprint()} ({where}). Use the version of Studbook that began it."
        )
    if offered is not None:  # what it leaves open was found in the bars
        known = view.config.language
        left_open = [name for name in ("columns", "intraday") if getattr(offered.language, name) is None]
        language = offered.language.model_copy(update={name: getattr(known, name) for name in left_open})
        offered = offered.model_copy(update={"language": language})
    difference = first_difference(view.config, settled(offered)) if offered else None
    if difference:
        raise ConfigError(f"A resumed job must have the config it began with, but {difference} ({where}).")
