"""What a job takes along to a cluster: its checked job file, the words that start it, and our code if need be.

Everything is staged in a folder of its own, file by file from what is installed here, so neither version control nor
runs, data, caches or secrets that lie around can travel. Same code and job file, same bytes.
"""

import re
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path, PurePosixPath
from typing import Final

import yaml

from cluster.job_config import JobConfig, settled
from cluster.run_folder import require_job_id
from cluster.settings import config_hash
from strategies.errors import ConfigError

JOB_FILE: Final = "job.yaml"
LAYERS: Final = ("strategies", "fitness", "evolution", "cluster")
TRAVELS: Final = (".py", ".json", ".html", ".css", ".js", ".typed")
STOP_PATIENCE_S: Final = 120
_URL = re.compile(r"[a-z][a-z0-9+.-]*://")


@dataclass(frozen=True)
class Parcel:
    """A job made ready for a cluster.

    Attributes:
        job_id: name of its run folder there.
        config: the job, with the cluster's own address.
        entrypoint: the shell command that begins the job there, or goes on with it.
        with_code: whether our packages travel too; otherwise the nodes have them installed.
    """

    job_id: str
    config: JobConfig
    entrypoint: str
    with_code: bool

    @property
    def environment(self) -> dict[str, str]:
        """Return the variables of the job's processes: how long an orderly stop may take before Ray kills."""
        return {"RAY_JOB_STOP_WAIT_TIME_S": str(STOP_PATIENCE_S)}

    @property
    def metadata(self) -> dict[str, str]:
        """Return what the cluster remembers of the job beside its log."""
        return {
            "studbook_id": self.job_id,
            "studbook_root": self.config.output.root,
            "studbook_config": config_hash(settled(self.config)),
        }


def parcel_of(
    config: JobConfig, *, job_id: str | None = None, with_code: bool = True, words: Sequence[str] = ()
) -> Parcel:
    """Return the parcel of a job.

    Args:
        config: the job, as its file and flags say.
        job_id: name of the run folder; None takes the job's name and 12 digits of its hash, so that the same job file
            is the same job.
        with_code: whether the code travels.
        words: more words for `studbook run`, as `--require-elite`.

    Raises:
        ConfigError: a path of the job means nothing on another machine.
        UsageError: `job_id` can't be one.
    """
    _require_paths_for_a_cluster(config)
    config = config.model_copy(update={"cluster": config.cluster.model_copy(update={"address": "auto"})})
    name = require_job_id(job_id) if job_id is not None else default_id(config)
    command = ["python", "-m", "cluster.cli", "run", JOB_FILE, "--id", name, *words]
    return Parcel(name, config, "exec " + shlex.join(command), with_code)


def default_id(config: JobConfig) -> str:
    """Return the id of a submitted job: its name, and 12 digits of the hash of all that decides its result."""
    return f"{config.name}-{config_hash(settled(config))[:12]}"


def stage(parcel: Parcel, folder: Path) -> None:
    """Write into `folder` what travels: the job file, and our packages with their version, if they do."""
    text = yaml.safe_dump(parcel.config.model_dump(mode="json"), sort_keys=False, allow_unicode=True)
    (folder / JOB_FILE).write_text(text, encoding="utf-8")
    if not parcel.with_code:
        return
    for source, name in _code():
        place = folder / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(source.read_bytes())
    _stage_version(folder)


def _code() -> Iterator[tuple[Path, PurePosixPath]]:
    """Every file of our packages that a job can need, and its name from the folder above them."""
    root = Path(__file__).resolve().parents[1]
    for layer in LAYERS:
        for path in sorted((root / layer).rglob("*")):
            name = path.relative_to(root)
            if path.suffix in TRAVELS and path.is_file() and not any(part.startswith(".") for part in name.parts):
                yield path, PurePosixPath(name)


def _stage_version(folder: Path) -> None:
    """Let `importlib.metadata` find there what is installed here, for the versions in a journal."""
    try:
        found = distribution("studbook")
    except PackageNotFoundError:
        return
    place = folder / f"studbook-{found.version}.dist-info"
    place.mkdir()
    text = f"Metadata-Version: 2.1\nName: studbook\nVersion: {found.version}\n"
    (place / "METADATA").write_text(text, encoding="utf-8")


def _require_paths_for_a_cluster(config: JobConfig) -> None:
    """Refuse folders that are relative: there is no working folder on a cluster that outlives a job."""
    if not config.output.root.startswith("/"):
        raise ConfigError(
            "`output.root` of a submitted job must be an absolute path that every node which may run its driver sees "
            f"(a shared disk or a volume), but was {config.output.root!r} ({config.name}). Set it there or by --root."
        )
    root = config.data.root
    if config.data.source == "files" and not root.startswith("/") and not _URL.match(root):
        raise ConfigError(
            "`data.root` of a submitted job must be an absolute path or a URL such as s3://bucket/bars, "
            f"but was {root!r} ({config.name}). The bundled samples (`data.source: bundled`) need none."
        )
