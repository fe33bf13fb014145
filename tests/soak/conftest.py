"""Starts the leak run when tests are collected, in the background at a low priority, and lets its tests come last.

So its minutes run while the other tests do, on whatever they leave idle, and `make test` is not longer for them.
"""

import os
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from shutil import rmtree

import pytest

HERE = Path(__file__).parent
SECONDS = float(os.environ.get("STUDBOOK_SOAK_S") or (7200 if os.environ.get("STUDBOOK_CHAOS") == "1" else 300))
PATIENCE_S = 600.0
RUN = pytest.StashKey()


class Soak:
    """The leak run: a process in a session and a temporary folder of its own. The folder's path is short, for Ray."""

    def __init__(self):
        self.folder = Path(tempfile.mkdtemp(prefix="soak"))
        temporary = self.folder / "tmp"
        temporary.mkdir()
        environment = {
            **os.environ,
            "TMPDIR": str(temporary),
            "RAY_TMPDIR": str(temporary),
            "PYTHONPATH": str(HERE.parents[1]),
        }
        self.errors = (self.folder / "errors.txt").open("w+")
        self.until = time.monotonic() + SECONDS + PATIENCE_S
        self.process = subprocess.Popen(
            [sys.executable, str(HERE / "soaking.py"), str(self.folder), str(SECONDS)],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=self.errors,
            stderr=self.errors,
            start_new_session=True,
        )

    def result(self):
        """Wait for the end; return its exit code and what it printed."""
        code = self.process.wait(max(self.until - time.monotonic(), 0.1))
        self.errors.seek(0)
        return code, self.errors.read()

    def close(self):
        """End it, if it has not ended; what it started ends with it."""
        with suppress(ProcessLookupError):
            self.process.kill()
        self.process.wait()
        self.errors.close()
        rmtree(self.folder, ignore_errors=True)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items):
    """Put the tests of the leak run last."""
    items.sort(key=lambda item: HERE in item.path.parents)  # stable: all else stays as it was


def pytest_collection_finish(session):
    """Start the leak run, if one of its tests is to be run."""
    if any(HERE in item.path.parents for item in session.items) and not session.config.option.collectonly:
        soak = session.config.stash[RUN] = Soak()
        session.config.add_cleanup(soak.close)


@pytest.fixture(scope="session")
def soak(request):
    """The leak run, under way since the tests were collected."""
    return request.config.stash[RUN]
