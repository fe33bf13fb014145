"""The body of `studbook export`: a strategy or every elite of a job, as files that are whole or not there."""

import os
import secrets
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from cluster.backtest import Found, found_in_job
from cluster.export import export_files, export_strategy, target_of
from cluster.view import find_job
from fitness.files import atomic_write_bytes, atomic_write_files, make_folder, sync_folder
from strategies.errors import UsageError


def find_in_job(name: str, job: str, root: Path) -> Found:
    """Return the strategy with the id `name`, or the only one that begins so, among what one job judged.

    Raises:
        UsageError: no such job, or not one such strategy in it.
    """
    view = find_job(root, job)
    records = {record["id"]: record for record in view.candidates if name and record["id"].startswith(name)}
    record = records.get(name) or (next(iter(records.values())) if len(records) == 1 else None)
    if record is None:
        known = ", ".join(sorted(one["id"] for one in view.candidates)) or "none"
        raise UsageError(f"STRATEGY must be the id of a candidate of {view.id} ({known}), but was {name!r}.")
    return found_in_job(view, record)


def export_one(found: Found, to: str, out: Path | None, *, force: bool) -> dict[str, Any]:
    """Export one strategy, and write it where there is a place to write to.

    Args:
        found: the strategy.
        to: name of the target.
        out: a file, or a folder that is there, into which it goes under its own name; for a target that is a folder,
            that folder. None writes nothing.
        force: write over what is there.

    Returns:
        What was done: id, to, file (None where nothing was written), files (bytes by name), and text for None.

    Raises:
        UsageError: no such target, no text and no place, or something is there already.
        StrategyError: the target can't express the strategy.
    """
    document: dict[str, Any] = {"id": found.strategy.id, "to": to, "file": None}
    if out is None:
        return {**document, "text": export_strategy(found.strategy, to, found.record)}
    files = export_files(found.strategy, to, found.record)
    if target_of(to).is_folder:
        write_folder(out, files, force=force)
    else:
        ((name, data),) = files.items()
        out = out / name if out.is_dir() else out
        _refuse_folders([out])
        _refuse_to_overwrite([out], force=force)
        atomic_write_bytes(out, data)
    return {**document, "file": str(out), "files": {name: len(data) for name, data in files.items()}}


def export_elites(job: str, to: str, folder: Path, *, root: Path, force: bool) -> list[dict[str, Any]]:
    """Export every elite of a job into `folder`, named by id; nothing is written if one can't be expressed.

    Raises:
        UsageError, StrategyError: as `export_one`.
    """
    view = find_job(root, job)
    elites = [found_in_job(view, record) for record in view.elites]
    made = {elite.strategy.id: export_files(elite.strategy, to, elite.record) for elite in elites}
    if target_of(to).is_folder:
        places = {id_: folder / id_ for id_ in made}
        _refuse_to_overwrite(places.values(), force=force)
        for id_, files in made.items():
            write_folder(places[id_], files, force=force)
    else:
        places = {id_: folder / name for id_, files in made.items() for name in files}
        _refuse_folders(places.values())
        _refuse_to_overwrite(places.values(), force=force)
        atomic_write_files(folder, {name: data for files in made.values() for name, data in files.items()})
    sizes = {id_: {name: len(data) for name, data in files.items()} for id_, files in made.items()}
    return [{"id": id_, "to": to, "file": str(places[id_]), "files": sizes[id_]} for id_ in made]


def write_folder(folder: Path, files: Mapping[str, bytes], *, force: bool) -> None:
    """Put `files`, bytes by name, into a new folder, all or none: made aside, then moved into place.

    Raises:
        UsageError: something is there, and not `force`.
        OSError: the system refused.
    """
    folder = folder.absolute()
    if not _is_empty(folder):
        _refuse_to_overwrite([folder], force=force)
    _refuse_to_lose(folder, next(iter(files)))
    make_folder(folder.parent)
    mark = f"{os.getpid()}.{secrets.token_hex(4)}.tmp"
    aside, old = folder.with_name(f".{folder.name}.{mark}"), folder.with_name(f".{folder.name}.old.{mark}")
    try:
        for name, data in files.items():
            atomic_write_bytes(aside / name, data)
        if folder.exists() or folder.is_symlink():
            folder.rename(old)
        aside.rename(folder)
    except BaseException:
        if (old.exists() or old.is_symlink()) and not folder.exists():
            old.rename(folder)
        shutil.rmtree(aside, ignore_errors=True)
        raise
    sync_folder(folder.parent)
    if old.is_dir() and not old.is_symlink():
        shutil.rmtree(old)
    else:
        old.unlink(missing_ok=True)


def _refuse_to_lose(folder: Path, first: str) -> None:
    """Refuse to replace a folder that is no older export, whatever is said: all in it would be lost."""
    if folder.is_dir() and not folder.is_symlink() and any(folder.iterdir()) and not (folder / first).is_file():
        raise UsageError(
            f"An export must replace nothing but an older export, but {folder} holds other things and no {first}. "
            "Name another place with --out."
        )


def _refuse_folders(places: Iterable[Path]) -> None:
    """Refuse to write a file where a folder is, whatever is said."""
    for place in places:
        if place.is_dir():
            raise UsageError(f"A file can't be written where a folder is, but {place} is one. Name another with --out.")


def _refuse_to_overwrite(places: Iterable[Path], *, force: bool) -> None:
    there = [str(place) for place in places if place.exists() or place.is_symlink()]
    if there and not force:
        raise UsageError(
            f"An export must not write over what is there, but there is {', '.join(there)}. "
            "Name another place with --out, or say --force."
        )


def _is_empty(place: Path) -> bool:
    """Whether it is a folder without anything in it, which nobody misses."""
    return place.is_dir() and not place.is_symlink() and next(place.iterdir(), None) is None
