"""Ends what a killed driver leaves running: a small process of its own that outlives the driver by a moment.

Ray's processes die with the driver that started them, but two of its agents may take a minute over it. Every process of
a session has the session's mark in its environment, where a changed process title may overwrite it, and log files open
in the session's folder. The reaper waits until the driver is gone (its end of a pipe is closed, however it ended), then
kills whatever still has the mark or such a file. Linux only; elsewhere it does nothing.

This file is run as a script, without any import of ours: `python -I -S reaper.py`, with the mark and then names of
folders as the lines of stdin.
"""

import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import IO

VARIABLE = "STUDBOOK_SESSION"
PATIENCE_S, ROUND_S, QUIET_ROUNDS = 30.0, 0.1, 3


class Watched:
    """A session as its driver sees it: the mark for `VARIABLE`, and names of folders whose open files also tell it."""

    def __init__(self, mark: str, pipe: IO[bytes] | None) -> None:
        self.mark = mark
        self._pipe = pipe

    def add_folder(self, name: str) -> None:
        """Tell the reaper that whoever has a file open in a folder of this name is of the session."""
        if self._pipe is not None:
            self._pipe.write(f"{name}\n".encode())
            self._pipe.flush()


@contextmanager
def reaped() -> Iterator[Watched]:
    """Yield a new mark for `VARIABLE`; when the block or this process ends, whatever has it is killed."""
    mark = secrets.token_hex(16)
    if not os.path.isdir("/proc/self"):  # noqa: PTH112 - pathlib takes longer to import than this script to run
        yield Watched(mark, None)
        return
    reaper = subprocess.Popen(  # noqa: S603 - our own file
        [sys.executable, "-I", "-S", __file__],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    assert reaper.stdin is not None
    reaper.stdin.write(f"{mark}\n".encode())
    reaper.stdin.flush()
    try:
        yield Watched(mark, reaper.stdin)
    finally:
        reaper.stdin.close()
        reaper.wait()


def marked(mark: str, folders: Sequence[str] = ()) -> list[int]:
    """Return the ids of the processes that have `mark` in their environment, or a file open in one of `folders`.

    Not counted are this process and its parent, the driver, which has such files open too while it lives.
    """
    wanted = f"{VARIABLE}={mark}".encode()
    own = (os.getpid(), os.getppid())
    return [
        int(name)
        for name in os.listdir("/proc")  # noqa: PTH208
        if name.isdigit() and int(name) not in own and (_has(name, wanted) or _opened(name, folders))
    ]


def _has(process: str, wanted: bytes) -> bool:
    try:
        with open(f"/proc/{process}/environ", "rb") as stream:  # noqa: PTH123
            return wanted in stream.read().split(b"\0")
    except OSError:
        return False  # it has ended, or is another user's


def _opened(process: str, folders: Sequence[str]) -> bool:
    try:
        files = [os.readlink(f"/proc/{process}/fd/{number}") for number in os.listdir(f"/proc/{process}/fd")]  # noqa: PTH115, PTH208
    except OSError:
        return False
    return any(f"/{folder}/" in file for file in files for folder in folders)


def main() -> None:
    """Wait for the end of stdin, then kill until nothing is left: a dying session may still be starting processes."""
    mark, *folders = sys.stdin.read().splitlines() or [""]
    quiet, deadline = 0, time.monotonic() + PATIENCE_S
    while mark and quiet < QUIET_ROUNDS and time.monotonic() < deadline:
        found = marked(mark, folders)
        quiet = 0 if found else quiet + 1
        for process in found:
            with suppress(OSError):  # it has ended by itself
                os.kill(process, signal.SIGKILL)
        time.sleep(ROUND_S)  # strangers' processes: nothing but /proc tells that they have ended or begun others


if __name__ == "__main__":
    main()
