"""What a Ray session of our own starts without, and what it leaves behind: nothing.

Ray starts with a session, whatever it is told, a server for its dashboard (also where there is no dashboard), a monitor
that would start further machines, and one that reads the logs of workers to the driver. A session on this machine has
no dashboard, no further machines and tells no logs, so the three cost it two seconds at the start and one at the end.
They are left out while a session starts; what a session at an address has is for those to say who started it.

And Ray keeps the folder of every session, logs and all, for ever. One of ours is removed when its session ended well.
Where it did not, the logs may say why, so that folder stays for a day.
"""

import functools
import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

NOBODY: Final = b"127.0.0.1:9"
"""Address of a dashboard that is not there (the port `discard`): its agent looks for one every second, and logs it."""

OURS: Final = "studbook"
KEPT_S: Final = 86_400.0


def read_environment() -> None:
    """Let Ray read its settings, and the token, from the environment again.

    It does so once, when it is imported, which somebody may have done long before a session of ours: then it would
    start a server that wants our token and ask it without one.
    """
    from ray import _raylet

    compiled: Any = _raylet
    compiled.Config.initialize("")
    compiled.AuthenticationTokenLoader.instance().reset_cache()


@contextmanager
def lean_start() -> Iterator[None]:
    """Let a session that starts in the block do without dashboard server, monitor of the autoscaler and of logs."""
    from ray._private import node, parameter

    parameters, start_api_server = parameter.RayParams, node.Node.start_api_server
    parameter.RayParams = functools.partial(parameters, no_monitor=True, include_log_monitor=False)
    node.Node.start_api_server = _no_api_server
    try:
        yield
    finally:
        parameter.RayParams, node.Node.start_api_server = parameters, start_api_server


def _no_api_server(node: Any, **_: object) -> None:
    """Take the place of `Node.start_api_server`, which starts a process and waits for it."""
    from ray._private import ray_constants as names

    address = names.DASHBOARD_ADDRESS.encode()
    node.get_gcs_client().internal_kv_put(address, NOBODY, True, names.KV_NAMESPACE_DASHBOARD)


@contextmanager
def tidied() -> Iterator[Callable[[Path], None]]:
    """Yield a function that claims the folder of a session that was started here; it is gone when the block ends well.

    Folders that were claimed by a driver that is no more, a day ago, are removed too. The block must end after the last
    process of the session has.
    """
    claimed: list[Path] = []

    def claim(folder: Path) -> None:
        with suppress(OSError):
            (folder / OURS).touch()
            sweep_sessions(folder.parent)
        claimed.append(folder)

    yield claim
    for folder in claimed:
        shutil.rmtree(folder, ignore_errors=True)


def session_folder(ray: Any) -> Path:
    """Return the folder of the session that this process has started."""
    return Path(ray._private.worker._global_node.get_session_dir_path())  # noqa: SLF001 - told nowhere else


def sweep_sessions(parent: Path) -> None:
    """Remove the folders of sessions of ours whose driver was killed, if nothing was claimed there for a day."""
    for mark in parent.glob(f"session_*/{OURS}"):
        with suppress(OSError, ValueError):  # another driver sweeps too
            driver = int(mark.parent.name.rpartition("_")[2])
            if mark.stat().st_mtime < time.time() - KEPT_S and not _is_running(driver):
                shutil.rmtree(mark.parent, ignore_errors=True)


def _is_running(process: int) -> bool:
    try:
        os.kill(process, 0)
    except OSError as error:
        return isinstance(error, PermissionError)
    return True
