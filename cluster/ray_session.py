"""A Ray session around a job: our own on this machine, a cluster at an address, or one that is open already.

Ray's own C++ and Python code prints worker deaths on the driver's standard output whatever its log settings, so while a
session is open, file descriptor 1 leads to standard error. Usage statistics are off; a session of our own has token
authentication with a random token that lives in the environment of this process and of its workers only.
"""

import os
import secrets
import signal
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from typing import Any

from cluster.kernel_cache import kernel_cache_folder
from cluster.ray_address import require_scheme
from cluster.ray_start import lean_start, read_environment, session_folder, tidied
from cluster.reaper import VARIABLE, reaped
from strategies.errors import ClusterError, StudbookError

OBJECT_STORE_BYTES = 128 * 2**20
_ONE_THREAD = ("OMP_NUM_THREADS", "NUMBA_NUM_THREADS", "POLARS_MAX_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


def actor_environment() -> dict[str, str]:
    """Return what every worker process must have in its environment: one thread per library, the kernel cache."""
    return {**dict.fromkeys(_ONE_THREAD, "1"), "NUMBA_CACHE_DIR": str(kernel_cache_folder())}


@contextmanager
def ray_session(*, address: str | None, n_cpus: int, object_store_bytes: int = OBJECT_STORE_BYTES) -> Iterator[Any]:
    """Open Ray and yield the module; close what was opened, also on failure. A session that is open is borrowed.

    Args:
        address: of a running cluster, as "auto" or "HOST:6379"; None starts a session on this machine.
        n_cpus: logical CPUs of a session of our own.
        object_store_bytes: and the size of its object store.

    Raises:
        ClusterError: no cluster answers at the address, or Ray does not start here.
    """
    with fenced_stdout(), tidied() as claim, reaped() as watched:
        with _environment(_session_variables(own=address is None) | {VARIABLE: watched.mark}):
            import ray

            borrowed = ray.is_initialized()
            if not borrowed:
                read_environment()
                with _own_signal_handlers():
                    _start(ray, address, n_cpus, object_store_bytes)
                if address is None:
                    folder = session_folder(ray)
                    claim(folder)
                    watched.add_folder(folder.name)
        try:
            yield ray
        finally:
            if not borrowed:
                with _own_signal_handlers():
                    ray.shutdown()


def probe_session(address: str | None = None) -> str:
    """Open a small session, or the cluster at `address`, close it again, and return what was there.

    Raises:
        ClusterError: Ray does not answer there, or does not start here.
    """
    with ray_session(address=address, n_cpus=1) as ray:
        n_cpus = int(ray.cluster_resources().get("CPU", 0))
        return f"{address} answers with {n_cpus} CPU" if address else "a session of our own starts and stops"


@contextmanager
def fenced_stdout() -> Iterator[None]:
    """Lead file descriptor 1 to standard error for the time being, so that nobody writes into our results."""
    sys.stdout.flush()
    saved = os.dup(1)
    os.dup2(2, 1)
    try:
        yield
    finally:
        sys.stdout.flush()
        os.dup2(saved, 1)
        os.close(saved)


@contextmanager
def _own_signal_handlers() -> Iterator[None]:
    """Put back the handlers that Ray replaces, as it starts and as it ends: its own end the process without a word."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler if handler is not None else signal.SIG_DFL)


def _session_variables(*, own: bool) -> dict[str, str | None]:
    variables: dict[str, str | None] = {
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_DEDUP_LOGS": "0",
        "RAY_task_events_report_interval_ms": "0",  # or its server keeps a record of every task, and grows
        "RAY_gcs_rpc_server_reconnect_timeout_s": "600",  # longer than `ray_watch` waits: we end the job, not Ray us
        "PYTHONDONTWRITEBYTECODE": None,  # or every worker compiles every import again at each start
    }
    if own:
        token = os.environ.get("RAY_AUTH_TOKEN") or secrets.token_hex(32)
        variables |= {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": token, "RAY_ADDRESS": None}
        variables |= actor_environment()  # inherited by every process of the session, faster than a runtime_env
    else:
        variables["RAY_gcs_server_port_wait_time_s"] = "1"  # one try of 40 s, not 20: a wrong address took 14 minutes
    return variables


@contextmanager
def _environment(variables: Mapping[str, str | None]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in variables}
    _set(variables)
    try:
        yield
    finally:
        _set({name: value for name, value in before.items() if not name.startswith("RAY_AUTH")})


def _set(variables: Mapping[str, str | None]) -> None:
    for name, value in variables.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value


def _start(ray: Any, address: str | None, n_cpus: int, object_store_bytes: int = OBJECT_STORE_BYTES) -> None:
    common: dict[str, Any] = {"log_to_driver": False, "configure_logging": False, "ignore_reinit_error": False}
    try:
        if address is None:
            with _on_loopback(), lean_start():
                # "local": else Ray takes whatever cluster `ray start` has left the address of in its folder
                own = {"num_cpus": n_cpus, "include_dashboard": False, "object_store_memory": object_store_bytes}
                ray.init(address="local", **own, **common)
        else:
            require_scheme(address)
            with _on_loopback() if _is_here(address) else nullcontext():
                ray.init(address=address, runtime_env={"env_vars": actor_environment()}, **common)
    except StudbookError:
        raise
    except Exception as error:
        place = f"at {address}" if address else "on this machine"
        raise ClusterError(
            f"Ray must answer {place}, but did not: {type(error).__name__}: {_first_line(error)}. "
            "Check the address and RAY_AUTH_TOKEN, or set `cluster.executor: serial`."
        ) from error


def _is_here(address: str) -> bool:
    """Whether an address is one of this machine's loopback, which Ray would turn into the outer one."""
    return address.rpartition(":")[0] in ("127.0.0.1", "localhost", "[::1]")


@contextmanager
def _on_loopback() -> Iterator[None]:
    """Make a session that starts here live on 127.0.0.1, where its servers listen to this machine only.

    On Linux Ray takes the machine's outer address even where it is told another, and then its servers listen to the
    whole network. On macOS and Windows it stays on loopback, by the switch that is turned here.
    """
    from ray._private import ray_constants

    before = ray_constants.ENABLE_RAY_CLUSTER
    ray_constants.ENABLE_RAY_CLUSTER = False
    try:
        yield
    finally:
        ray_constants.ENABLE_RAY_CLUSTER = before


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or ["no reason given"])[0]
