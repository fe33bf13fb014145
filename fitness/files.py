"""Files that are whole or not there: write aside, fsync, rename, fsync the folder.

A reader never meets half a file, and a power cut after the call returns loses nothing. The layers above write their
checkpoints and reports with these functions too.
"""

import os
import secrets
from collections.abc import Mapping
from pathlib import Path

TEMPORARY_SUFFIX = ".tmp"


def atomic_write_bytes(path: Path, data: bytes) -> None:
    """Put `data` at `path`, whole: after an error `path` holds its old bytes or the new ones, never a mixture.

    The folder is made if it is missing. The temporary file lies in the same folder, begins with a dot, ends in `.tmp`
    and is removed on any error; only a killed process can leave one behind, and no reader looks at it.

    Raises:
        OSError: full disk, read-only folder, or any other refusal of the system.
    """
    atomic_write_files(path.parent, {path.name: data})


def atomic_write_files(folder: Path, contents: Mapping[str, bytes]) -> None:
    """Put each of `contents`, by name, into `folder`, each whole as by `atomic_write_bytes`; the folder is synced once.

    After an error some may hold their new bytes and others their old ones.

    Raises:
        OSError: as `atomic_write_bytes`.
    """
    make_folder(folder)
    mark = f"{os.getpid()}.{secrets.token_hex(4)}{TEMPORARY_SUFFIX}"
    waiting = {name: folder / f".{name}.{mark}" for name in contents}
    try:
        for name, temporary in waiting.items():
            _write_and_sync(temporary, contents[name])
        for name, temporary in waiting.items():
            temporary.replace(folder / name)
    except BaseException:
        for temporary in waiting.values():
            temporary.unlink(missing_ok=True)
        raise
    sync_folder(folder)


def atomic_write_text(path: Path, text: str) -> None:
    """Put `text` at `path` as UTF-8, with the newlines it has; see `atomic_write_bytes`.

    Raises:
        OSError: as `atomic_write_bytes`.
    """
    atomic_write_bytes(path, text.encode("utf-8"))


def open_own(path: Path, flags: int) -> int:
    """Return the descriptor of the file at `path`, made if missing; a link in its place is replaced, not followed.

    Raises:
        OSError: any refusal of the system.
    """
    if path.is_symlink():
        path.unlink(missing_ok=True)  # another process may have been quicker
    return os.open(path, flags | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o644)


def make_folder(folder: Path) -> None:
    """Make `folder` and its missing parents, each recorded in its own parent before the next.

    Raises:
        OSError: no permission, or a file is in the way.
    """
    if folder.is_dir():
        return
    make_folder(folder.parent)
    folder.mkdir(exist_ok=True)
    sync_folder(folder.parent)


def sync_folder(folder: Path) -> None:
    """Make a rename or a new name in `folder` survive a power cut (nothing to do where folders can't be opened).

    Raises:
        OSError: the disk refused.
    """
    if os.name != "posix":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _write_and_sync(path: Path, data: bytes) -> None:
    with path.open("xb") as stream:
        stream.write(data)
        stream.flush()
        os.fsync(stream.fileno())
