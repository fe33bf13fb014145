"""The trial ledger on disk: a file for every search, kept in step with the journals."""

import contextlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from cluster.journal import FILE_NAME
from cluster.run_folder import journal_path, read_entry
from cluster.trial_counting import source_of, trials_of
from cluster.trial_file import (
    FOLDER,
    JOB,
    SUFFIX,
    Keys,
    Trials,
    check_name,
    distinct,
    hashes_of,
    read_file,
    trials_path,
    write_file,
)
from cluster.view import RUNNING, JobView, read_job
from evolution.pedigree import Births, births_from_bytes
from strategies.errors import JournalError, StudbookError, UsageError


@dataclass(frozen=True)
class Problem:
    """A search whose trials can't be read.

    Attributes:
        place: its file or run folder.
        reason: what is wrong, and what to do.
        known: what its journal says of it, without digests; None if that can't be read either.
    """

    place: Path
    reason: str
    known: Trials | None = None


@dataclass(frozen=True)
class Ledger:
    """All searches of a folder of runs, oldest first, and those that can't be read."""

    entries: tuple[Trials, ...]
    problems: tuple[Problem, ...]


def ledger(root: Path, *, without: str | None = None, touching: Sequence[str] | None = None) -> Ledger:
    """Return what is known of every search under a folder of runs, but for the one named `without`.

    A job whose file is missing, damaged or older than its journal is counted again from its run folder, and its file
    written anew (unless it is under way, or the folder can't be written to). A job's bars never change, so one whose
    file names no shard of `touching` (content hashes; None for all bars) is left out, its journal unread.
    """
    files = {path.stem: path for path in (root / FOLDER).glob(f"*{SUFFIX}")}
    folders = {path.parent.name: path.parent for path in root.glob(f"*/{FILE_NAME}")}
    names = sorted({*files, *folders} - {without})
    found = [_entry(trials_path(root, name), folders.get(name), touching) for name in names]
    entries = sorted((one for one in found if isinstance(one, Trials)), key=lambda one: one.order)
    return Ledger(tuple(entries), tuple(one for one in found if isinstance(one, Problem)))


def record_job(view: JobView, births: Births | None = None) -> Trials:
    """Return the trials of a job, and keep them in the ledger unless they are there already.

    Args:
        view: the job.
        births: of all its journalled epochs; None reads them, an epoch at a time.

    Raises:
        JournalError: a file of births is missing or damaged.
        OSError: the disk refused.
    """
    root = root_of(view)
    held = _held(trials_path(root, view.id))
    if isinstance(held, Trials) and _is_of(held, view):
        return held
    made = trials_of(view, _epochs(view) if births is None else [births])
    write_file(root, made)
    return made


def root_of(view: JobView) -> Path:
    """Return the folder of runs that a job lies in."""
    return view.run_dir.resolve().parent


def write_trials(
    root: Path, *, name: str, what: str, shard_hashes: Iterable[str], created_at: str, keys: Keys, behaviours: Keys
) -> Trials:
    """Keep the trials of a search that is no job, so that they count for every later search on the same bars.

    What its file holds already is kept too: no trial unhappens. Written in parts, it counts as many evaluations as
    there are distinct strategies, or as the largest part had. Of two that write the same name at the same moment the
    later wins; the file is whole all the same.

    Args:
        root: folder of the run folders.
        name: of the search, and of its file.
        what: its kind in a word, as "walk-forward".
        shard_hashes: content hashes of its bars.
        created_at: when it began, ISO 8601 with its offset from UTC.
        keys: (n, 2) phenotype keys of all that it evaluated, repeated or not.
        behaviours: (n,) see `trial_counting.behaviours_of`.

    Raises:
        UsageError: a name that can't be a file's or is a job's, no shard, a time without offset, or unequal lengths.
        JournalError: its file is damaged.
        OSError: the disk refused.
    """
    fresh = Trials(name, what, hashes_of(shard_hashes), created_at, "", len(keys), len(keys), 0, 0, keys, behaviours)
    _check_search(root, fresh)
    path = trials_path(root, name)
    made = _joined([read_file(path), fresh] if path.exists() else [fresh])
    write_file(root, made)
    return made


def _joined(parts: list[Trials]) -> Trials:
    """One search from what was written of it at several times; each may hold what the others do."""
    keys = distinct([part.keys for part in parts])
    n_evaluated = max(len(keys), *(part.n_evaluated for part in parts))
    return Trials(
        name=parts[-1].name,
        what=parts[-1].what,
        shard_hashes=hashes_of(one for part in parts for one in part.shard_hashes),
        created_at=min(parts, key=lambda part: part.order).created_at,
        source="",
        n_births=n_evaluated,
        n_evaluated=n_evaluated,
        n_screened=0,
        n_refined=0,
        keys=keys,
        behaviours=distinct([part.behaviours for part in parts]),
    )


def _entry(path: Path, folder: Path | None, touching: Sequence[str] | None) -> Trials | Problem | None:
    """The trials of the search that `path` is or would be the file of; `folder` is its run folder, if there is one.

    None if the file shows that it was on none of the bars `touching`.
    """
    held = _held(path)
    if isinstance(held, Trials) and touching is not None and set(touching).isdisjoint(held.shard_hashes):
        return None
    if folder is None:
        return held if isinstance(held, Trials) else Problem(path, held or "")
    try:
        view = read_job(folder)
    except StudbookError as error:
        return held if isinstance(held, Trials) else Problem(path if held else folder, held or str(error))
    if isinstance(held, Trials) and _is_of(held, view):
        return held
    try:
        made = trials_of(view, _epochs(view))
    except StudbookError as error:
        return Problem(folder, str(error), trials_of(view, ()))
    if view.status != RUNNING:
        with contextlib.suppress(OSError):  # it can be made again
            write_file(path.parent.parent, made)
    return made


def _held(path: Path) -> Trials | str | None:
    """What is in a file of trials: them, what is wrong with it, or None if there is none."""
    try:
        return read_file(path) if path.exists() else None
    except JournalError as error:
        return str(error)


def _is_of(held: Trials, view: JobView) -> bool:
    return held.what == JOB and held.source == source_of(view.epochs)


def _epochs(view: JobView) -> Iterator[Births]:
    return (births_from_bytes(read_entry(view.run_dir, epoch["births"])) for epoch in view.epochs)


def _check_search(root: Path, fresh: Trials) -> None:
    check_name(fresh.name)
    where = f"trial ledger, {fresh.name}"
    if fresh.what == JOB or journal_path(root / fresh.name).exists():
        raise UsageError(
            f"A search that is no job must have a kind and name of its own, but was a {fresh.what} with the name "
            f"{fresh.name!r} ({where}). Jobs are recorded from their journals."
        )
    if not fresh.shard_hashes:
        raise UsageError(f"A search must name the bars it was on, but named no shard ({where}). Give content hashes.")
    try:
        zone = datetime.fromisoformat(fresh.created_at).tzinfo
    except ValueError:
        raise UsageError(
            f"`created_at` must be a time in ISO 8601, but was {fresh.created_at!r} ({where}). See `utc_now`."
        ) from None
    if zone is None:
        raise UsageError(
            f"`created_at` must have its offset from UTC, but was {fresh.created_at!r} ({where}). Add +00:00."
        )
    found = [(part.shape, str(part.dtype)) for part in (fresh.keys, fresh.behaviours)]
    n = fresh.behaviours.size
    if found != [((n, 2), "uint64"), ((n,), "uint64")]:
        raise UsageError(
            f"`keys` and `behaviours` must be (n, 2) and (n,) of uint64, but were {found[0]} and {found[1]} ({where}). "
            "Give a row of each for every strategy that was evaluated."
        )
