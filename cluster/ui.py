"""MLflow's own server on the store of a runs folder, on loopback, as a child process that ends with us."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

from cluster.reaper import VARIABLE, reaped
from cluster.tracking_store import artifact_folder, creation_lock, prepare_environment, sqlite_file, store_uri
from cluster.tracking_trouble import shown_uri
from strategies.errors import ClusterError, UsageError

HOST = "127.0.0.1"
START_PATIENCE_S = 120.0
STOP_PATIENCE_S = 10.0


def serve(root: Path, *, uri: str | None, port: int, ready: Callable[[str], None], say: Callable[[str], None]) -> None:
    """Run MLflow's server until it ends or the process is interrupted; nothing of it is left behind.

    Args:
        root: folder of run folders, where the SQLite store is.
        uri: MLflow store; None takes MLFLOW_TRACKING_URI or the SQLite file in `root`.
        port: on loopback.
        ready: called with the address once the server answers.
        say: called with messages for people.

    Raises:
        UsageError: the port is taken.
        ClusterError: the server does not start.
    """
    store = store_uri(uri, root)
    if store.startswith(("http://", "https://")):
        say("MLFLOW_TRACKING_URI names a server, which has its own UI:")
        ready(shown_uri(store))
        return
    require_free(port)
    database = sqlite_file(store)
    if database is not None and not database.exists():
        say(f"No job was tracked in {root} yet; the pages will be empty.")
    say(f"starting MLflow on {shown_uri(store)} (about ten seconds) …")
    previous = signal.signal(signal.SIGTERM, _raise_interrupt)
    try:
        with reaped() as watched, _running(store, root, port, watched.mark) as server:
            ready(f"http://{HOST}:{port}")
            say("Ctrl-C ends it.")
            if server.wait() != 0:
                raise ClusterError(
                    f"MLflow's server must run until it is stopped, but ended with code {server.returncode}."
                )
    except KeyboardInterrupt:
        say("\nstopped.")
    finally:
        signal.signal(signal.SIGTERM, previous)


@contextlib.contextmanager
def _running(store: str, root: Path, port: int, mark: str) -> Iterator["subprocess.Popen[bytes]"]:
    """Yield the server once it answers; nothing of it is left afterwards."""
    with creation_lock(store):
        server = subprocess.Popen(  # noqa: S603 - our own interpreter and words
            command(root, port),
            env={**environment(store), VARIABLE: mark},
            stdout=2,
            stderr=2,
            start_new_session=True,
        )
        try:
            wait_until_up(server, port)
        except BaseException:
            stop(server)
            raise
    try:
        yield server
    finally:
        stop(server)


def _raise_interrupt(_number: int, _frame: object) -> None:
    raise KeyboardInterrupt


def command(root: Path, port: int) -> list[str]:
    """Return the command line of the server: one worker, loopback only, without a line for each request."""
    options = {
        "--artifacts-destination": artifact_folder(root).as_uri(),
        "--host": HOST,
        "--port": str(port),
        "--workers": "1",
        "--uvicorn-opts": "--log-level=warning",
    }
    return [sys.executable, "-m", "mlflow", "server", *(word for pair in options.items() for word in pair)]


def environment(store: str) -> dict[str, str]:
    """Return the server's environment: its store, whose password no list of processes shall show, and its economies.

    Without its job queue it takes half a gigabyte instead of three.
    """
    prepare_environment()
    quiet = {"MLFLOW_DISABLE_TELEMETRY": "true", "PYTHONWARNINGS": "ignore"}
    return {**os.environ, **quiet, "MLFLOW_BACKEND_STORE_URI": store, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}


def require_free(port: int) -> None:
    """Check that nobody listens on the port.

    Raises:
        UsageError: somebody does, or we may not.
    """
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            raise UsageError(
                f"`--port` must be free, but {port} was not ({error.strerror}). Choose another, as --port {port + 1}."
            ) from error


def wait_until_up(server: "subprocess.Popen[bytes]", port: int) -> None:
    """Return once the server answers.

    Raises:
        ClusterError: it ended, or did not answer in time.
    """
    until = time.monotonic() + START_PATIENCE_S
    while time.monotonic() < until:
        if server.poll() is not None:
            raise ClusterError(
                f"MLflow's server must start, but ended with code {server.returncode}; its words are above."
            )
        try:
            with urllib.request.urlopen(f"http://{HOST}:{port}/health", timeout=2):
                return
        except (urllib.error.URLError, TimeoutError, ConnectionError):
            with contextlib.suppress(subprocess.TimeoutExpired):
                server.wait(0.25)  # it doesn't tell when it listens; its end is told, and ends the wait
    raise ClusterError(f"MLflow's server must answer within {START_PATIENCE_S:g} s, but did not. Try again.")


def stop(server: "subprocess.Popen[bytes]") -> None:
    """End the server and all its children: politely first, then for certain."""
    for number, patience in ((signal.SIGTERM, STOP_PATIENCE_S), (signal.SIGKILL, STOP_PATIENCE_S)):
        try:
            os.killpg(server.pid, number)
        except ProcessLookupError:
            break
        try:
            server.wait(patience)
        except subprocess.TimeoutExpired:
            continue
        if not _group_lives(server.pid):
            break


def _group_lives(group: int) -> bool:
    """Whether any process of the group is left."""
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True
