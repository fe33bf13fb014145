"""The folder of one run: names of its files, epochs written whole, and read back only as they were journalled."""

import hashlib
import re
import secrets
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cluster.executor import EpochResult
from cluster.journal import FILE_NAME
from fitness.files import TEMPORARY_SUFFIX, atomic_write_files, make_folder, sync_folder
from strategies.errors import JournalError, UsageError

BIRTHS_FILE = "births.parquet"
PORTFOLIO_FILE = "portfolio.json"
GENEALOGY_FILE = "genealogy.html"
CANDIDATES = "candidates"
ELITES = "elites"
EPOCHS = "epochs"
_EPOCH_FILE = re.compile(rf"{EPOCHS}/i\d{{3,}}-e\d{{4,}}\.(births|state|emigrants)")
_JOB_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,127}")


def new_run_folder(root: Path, name: str, job_id: str | None = None) -> Path:
    """Return a new folder in `root`; its name is the job's id: `job_id`, or NAME-UTC stamp-4 hex digits.

    A folder that a killed driver made and left empty is taken over.

    Raises:
        UsageError: `job_id` can't be one, or something else is in its folder.
    """
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S")
    folder = root / (f"{name}-{stamp}-{secrets.token_hex(2)}" if job_id is None else require_job_id(job_id))
    make_folder(root)
    folder.mkdir(exist_ok=job_id is not None)
    sync_folder(root)
    others = sorted(path.name for path in folder.iterdir() if path.name != EPOCHS)
    if others and FILE_NAME not in others:
        raise UsageError(
            f"`--id` must name a job or a folder that is still to be made, but {others[0]} and no journal was in "
            f"{folder}. Choose another id."
        )
    make_folder(folder / EPOCHS)
    return folder


def require_job_id(text: str) -> str:
    """Return `text`, which may be the name of a run folder.

    Raises:
        UsageError: it is not.
    """
    if not _JOB_ID.fullmatch(text) or text == "latest":
        raise UsageError(
            "`--id` must be 1 to 128 letters, digits, `_`, `-` or `.`, the first no sign, and not `latest`, "
            f"but was {text!r}; as in --id btc-2026."
        )
    return text


def journal_path(run: Path) -> Path:
    """Return the path of a run's journal."""
    return run / FILE_NAME


def write_epoch(run: Path, result: EpochResult) -> dict[str, Any]:
    """Return what the journal says of an epoch's three files, once they are on disk; an older try is overwritten."""
    counts = {"births": result.facts["n_births"], "emigrants": result.facts["n_emigrants"]}
    contents: dict[str, bytes] = {kind: getattr(result, kind) for kind in ("births", "state", "emigrants")}
    names = {kind: epoch_file(result.island, result.epoch, kind) for kind in contents}
    atomic_write_files(run / EPOCHS, {Path(names[kind]).name: content for kind, content in contents.items()})
    entries: dict[str, Any] = {}
    for kind, content in contents.items():
        entries[kind] = {"file": names[kind], "sha256": hashlib.sha256(content).hexdigest()}
        if kind in counts:
            entries[kind]["n"] = counts[kind]
    return entries


def epoch_file(island: int, epoch: int, kind: str) -> str:
    """Return the name of an epoch's file, relative to the run folder."""
    return f"{EPOCHS}/i{island:03d}-e{epoch:04d}.{kind}"


def read_entry(run: Path, entry: Mapping[str, Any]) -> bytes:
    """Return the content of a journalled file.

    Raises:
        JournalError: it is missing, is not what was journalled, or its name leads out of the folder.
    """
    name, digest = str(entry["file"]), str(entry["sha256"])
    if not _EPOCH_FILE.fullmatch(name):
        raise JournalError(f"A journalled file must lie in `{EPOCHS}/` of its run, but was {name!r} ({run}).")
    try:
        content = (run / name).read_bytes()
    except OSError as error:
        raise JournalError(
            f"A journalled file must be there, but was not: {error.strerror} ({run / name}). Restore it from a copy."
        ) from error
    found = hashlib.sha256(content).hexdigest()
    if found != digest:
        raise JournalError(
            f"A journalled file must have SHA-256 {digest[:16]}, but had {found[:16]} ({run / name}). "
            "Restore it from a copy."
        )
    return content


def forget_state(run: Path, island: int, epoch: int) -> None:
    """Remove the state that the next one has replaced; births and emigrants stay."""
    (run / epoch_file(island, epoch, "state")).unlink(missing_ok=True)


def sweep(run: Path) -> None:
    """Remove what a killed writer left behind."""
    for left in run.rglob(f".*{TEMPORARY_SUFFIX}"):
        left.unlink(missing_ok=True)
