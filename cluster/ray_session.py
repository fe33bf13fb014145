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
from contextlib import contextmanager
from typing import Any

from cluster.kernel_cache import kernel_cache_folder
from cluster.reaper import VARIABLE, reaped
from strategies.errors import ClusterError

OBJECT_STORE_BYTES = 256 * 2**20
_ONE_THREAD = ("OMP_NUM_THREADS", "NUMBA_NUM_THREADS", "POLARS_MAX_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


def actor_environment() -> dict[str, str]:
    """Return what every worker process must have in its environment: one thread per library, the kernel cache."""
    return {**dict.fromkeys(_ONE_THREAD, "1"), "NUMBA_CACHE_DIR": str(kernel_cache_folder())}


@contextmanager
def ray_session(*, address: str | None, n_cpus: int) -> Iterator[Any]:
    """Open Ray and yield the module; close what was opened, also on failure. A session that is open is borrowed.

    Args:
        address: of a running cluster, as "auto" or "HOST:6379"; None starts a session on this machine.
        n_cpus: logical CPUs of a session of our own.

    Raises:
        ClusterError: no cluster answers at the address, or Ray does not start here.
    """
    with fenced_stdout(), reaped() as watched:
        with _environment(_session_variables(own=address is None) | {VARIABLE: watched.mark}):
            import ray

            borrowed = ray.is_initialized()
            if not borrowed:
                with _own_signal_handlers():
                    _start(ray, address, n_cpus)
                if address is None:
                    watched.add_folder(ray.get_runtime_context().get_session_name())
        try:
            yield ray
        finally:
            if not borrowed:
                ray.shutdown()


def require_cpus(ray: Any, n_workers: int) -> None:
    """Check that the cluster has a CPU for every worker: actors that ask for more would wait for ever, silently.

    Raises:
        ClusterError: it has not; the text says how many there are and what to set.
    """
    there = int(ray.cluster_resources().get("CPU", 0))
    if there < n_workers:
        raise ClusterError(
            f"`cluster.workers` must be at most the CPUs of the cluster, but was {n_workers} of {there}. "
            f"Set `cluster.workers: {max(there, 1)}`, or add nodes."
        )


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
    """Put back the handlers that Ray replaces with its own, which would end the process in the middle of things."""
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
        "PYTHONDONTWRITEBYTECODE": None,  # or every worker compiles every import again at each start
    }
    if own:
        token = os.environ.get("RAY_AUTH_TOKEN") or secrets.token_hex(32)
        variables |= {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": token, "RAY_ADDRESS": None}
        variables |= actor_environment()  # inherited by every process of the session, faster than a runtime_env
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


def _start(ray: Any, address: str | None, n_cpus: int) -> None:
    common: dict[str, Any] = {"log_to_driver": False, "configure_logging": False, "ignore_reinit_error": False}
    try:
        if address is None:
            with _on_loopback():
                ray.init(num_cpus=n_cpus, include_dashboard=False, object_store_memory=OBJECT_STORE_BYTES, **common)
        else:
            ray.init(address=address, runtime_env={"env_vars": actor_environment()}, **common)
    except Exception as error:
        place = f"at {address}" if address else "on this machine"
        raise ClusterError(
            f"Ray must answer {place}, but did not: {type(error).__name__}: {_first_line(error)}. "
            "Check the address and RAY_AUTH_TOKEN, or set `cluster.executor: serial`."
        ) from error


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
