"""Files in shared memory with a lock that the kernel takes back from the dead, and places that the living hold.

The lock is that of the whole file (flock). A place is the lock of one byte beyond its end, held by the opened file
rather than by the process, so that two arenas in one process are two holders. Linux only.
"""

import fcntl
import os
import stat
import struct
import time
from contextlib import suppress
from pathlib import Path
from typing import Final

SHARED_MEMORY: Final = Path("/dev/shm")  # noqa: S108 - that is where shared memory is
PATIENCE_S: Final = 30.0
"""A lock is held for moments. Who holds it longer has been stopped, and nobody waits for it."""
_PREFIX: Final = "studbook-columns"
_FIRST_PLACE: Final = 1 << 40
_FLOCK: Final = "hhqqi4x"  # struct flock of Linux on 64 bits: type, whence, start, length, process
_SHORTEST_S, _LONGEST_S = 20e-6, 2e-3


def shared_memory_works() -> bool:
    """Whether this machine has what this module needs: Linux, and a folder for shared memory."""
    return hasattr(fcntl, "F_OFD_SETLK") and SHARED_MEMORY.is_dir() and os.access(SHARED_MEMORY, os.W_OK)


def open_own_file(folder: Path, name: str) -> tuple[Path, int]:
    """The path and the descriptor of our file of this name, made if it is not there, locked.

    Raises:
        OSError: it can't be made, is not ours alone, or somebody does not let go of its lock.
    """
    path = folder / f"{_PREFIX}-{os.getuid()}-{name}"
    while True:
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            lock_file(file)
            found = os.fstat(file)
            _require_ours(path, found)
        except BaseException:
            os.close(file)
            raise
        if found.st_nlink:
            return path, file
        os.close(file)  # it was removed while we waited


def _require_ours(path: Path, found: os.stat_result) -> None:
    if found.st_uid != os.getuid() or not stat.S_ISREG(found.st_mode) or found.st_mode & 0o077:
        raise PermissionError(f"a shared file must be ours alone, but {path} is not; remove it.")


def lock_file(file: int) -> None:
    """Take the lock of an open file.

    Raises:
        TimeoutError: it was not let go of within `PATIENCE_S`.
    """
    pause, deadline = _SHORTEST_S, time.monotonic() + PATIENCE_S
    while not _try_lock(file):
        if time.monotonic() > deadline:
            raise TimeoutError(f"a shared file must be let go of within {PATIENCE_S:.0f} s, but was not.")
        time.sleep(pause)  # flock itself waits for ever, and a holder may have been stopped
        pause = min(2.0 * pause, _LONGEST_S)


def _try_lock(file: int) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def unlock_file(file: int) -> None:
    """Let go of the lock."""
    fcntl.flock(file, fcntl.LOCK_UN)


def take(file: int, place: int) -> bool:
    """Take a place, if nobody has it, for as long as the file is open."""
    try:
        fcntl.fcntl(file, fcntl.F_OFD_SETLK, _place(fcntl.F_WRLCK, place))
    except (BlockingIOError, PermissionError):
        return False
    return True


def give_back(file: int, place: int) -> None:
    """Give back a place."""
    fcntl.fcntl(file, fcntl.F_OFD_SETLK, _place(fcntl.F_UNLCK, place))


def is_taken(file: int, place: int, n_places: int = 1) -> bool:
    """Whether somebody else has a place, or one of those that follow it."""
    found = fcntl.fcntl(file, fcntl.F_OFD_GETLK, _place(fcntl.F_WRLCK, place, n_places))
    return bool(struct.unpack(_FLOCK, found)[0] != fcntl.F_UNLCK)


def _place(kind: int, place: int, n_places: int = 1) -> bytes:
    return struct.pack(_FLOCK, kind, os.SEEK_SET, _FIRST_PLACE + place, n_places, 0)


def remove_if_ours(path: Path, file: int) -> None:
    """Remove the file at `path` if it is the one that is open; the lock must be held."""
    with suppress(FileNotFoundError):
        if os.path.samestat(path.stat(), os.fstat(file)):
            path.unlink()


def sweep(folder: Path, n_places: int) -> None:
    """Remove what the dead have left in a folder: our files of which nobody has a place."""
    for path in folder.glob(f"{_PREFIX}-{os.getuid()}-*"):
        with suppress(OSError):
            file = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
            try:
                if _try_lock(file) and not is_taken(file, 0, n_places):
                    remove_if_ours(path, file)
            finally:
                os.close(file)
