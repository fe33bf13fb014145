"""Ends what a killed driver leaves running: a small process of its own that outlives the driver by a moment.

Ray's processes die with the driver that started them, but two of its agents may take a minute over it. Every process of
a session has the session's mark in its environment. The reaper waits until the driver is gone (its end of a pipe is
closed, however it ended), then kills whatever still has the mark. Linux only; elsewhere it does nothing.

This file is run as a script, without any import of ours: `python -I -S reaper.py`, the mark as first line of stdin.
"""

import os
import secrets
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

VARIABLE = "STUDBOOK_SESSION"


@contextmanager
def reaped() -> Iterator[str]:
    """Yield a new mark for `VARIABLE`; when the block or this process ends, whatever has it is killed."""
    mark = secrets.token_hex(16)
    if not os.path.isdir("/proc/self"):  # noqa: PTH112 - pathlib takes longer to import than this script to run
        yield mark
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
        yield mark
    finally:
        reaper.stdin.close()
        reaper.wait()


def marked(mark: str) -> list[int]:
    """Return the ids of the processes that have `mark` in their environment."""
    wanted = f"{VARIABLE}={mark}".encode()
    found = []
    for name in os.listdir("/proc"):  # noqa: PTH208
        if name.isdigit() and int(name) != os.getpid():
            try:
                with open(f"/proc/{name}/environ", "rb") as stream:  # noqa: PTH123
                    if wanted in stream.read().split(b"\0"):
                        found.append(int(name))
            except OSError:
                continue  # it has ended, or is another user's
    return found


def main() -> None:
    """Wait for the end of stdin, then kill."""
    mark = sys.stdin.readline().strip()
    sys.stdin.read()
    for process in marked(mark) if mark else ():
        try:
            os.kill(process, signal.SIGKILL)
        except OSError:
            continue


if __name__ == "__main__":
    main()
