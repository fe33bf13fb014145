"""The way to a Ray head from outside: its address, its token, and what to say when it does not answer."""

import contextlib
import logging
import os
import time
from collections.abc import Iterator
from typing import Any, Final

from strategies.errors import ClusterError, StudbookError

CONNECT_S, ANSWER_S = 10.0, 120.0
PAUSES_S: Final = (0.5, 1.0)  # a head that is very busy drops connections
ADDRESSES: Final = ("RAY_API_SERVER_ADDRESS", "RAY_ADDRESS")
SCHEMES: Final = ("http", "https", "ray")


def require_scheme(address: str) -> None:
    """Refuse what Ray would take for the name of a Python module, and import: an address must never run code.

    Raises:
        ClusterError: it begins with a scheme that is not of `SCHEMES`.

    >>> require_scheme("auto"), require_scheme("10.0.0.9:6379"), require_scheme("ray://head:10001")
    (None, None, None)
    """
    scheme, mark, _ = address.partition("://")
    if mark and scheme not in SCHEMES:
        known = ", ".join(f"{one}://" for one in SCHEMES)
        raise ClusterError(
            f"The address of a cluster must be HOST:PORT, `auto`, or begin with one of {known}, "
            f"but was {address!r:.200}. Mend --address, RAY_ADDRESS or `cluster.address`."
        )


@contextlib.contextmanager
def asking(address: str) -> Iterator[None]:
    """Turn whatever goes wrong in talking to a cluster into a `ClusterError` that says what to do."""
    try:
        yield
    except StudbookError:
        raise
    except Exception as error:
        if _is_about_tokens(error):
            raise ClusterError(
                f"The cluster at {address} must be given its token, but refused ours: {first_line(error)}. "
                "Set RAY_AUTH_TOKEN to the token that its nodes have."
            ) from error
        if isinstance(error, OSError) or type(error).__module__.startswith(("aiohttp", "requests", "ray.")):
            raise ClusterError(
                f"A Ray head must answer at {address}, but did not: {type(error).__name__}: {first_line(error)}. "
                "Give the address of its dashboard, as http://HEAD:8265, and look whether it is up and reachable."
            ) from error
        raise ClusterError(
            f"The cluster at {address} must take the request, but did not: {first_line(error)}. "
            "The head's log (dashboard.log) says more."
        ) from error


def first_line(error: Exception) -> str:
    """Return the first line of what an error says, shortened."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200].rstrip(".")


def _is_about_tokens(error: Exception) -> bool:
    return type(error).__name__ == "AuthenticationError" or getattr(error, "status", None) in (401, 403)


def prefer_token() -> None:
    """Bring the token where there is one: Ray does so only if RAY_AUTH_MODE says it."""
    if os.environ.get("RAY_AUTH_TOKEN") or os.environ.get("RAY_AUTH_TOKEN_PATH"):
        os.environ.setdefault("RAY_AUTH_MODE", "token")


def patient_client(url: str) -> Any:
    """Ray's own client, with a limit to how long it waits, and the address that it is given, not the environment's."""
    require_scheme(url)
    import requests
    from ray.job_submission import JobSubmissionClient

    class PatientClient(JobSubmissionClient):  # type: ignore[misc]
        def _do_request(self, method: str, endpoint: str, **options: Any) -> Any:
            def ask() -> Any:
                return super(PatientClient, self)._do_request(
                    method, endpoint, timeout=(CONNECT_S, ANSWER_S), **options
                )

            for pause_s in PAUSES_S if method == "GET" else ():  # what only asks may be asked again
                try:
                    return ask()
                except requests.ConnectTimeout:
                    raise
                except requests.ConnectionError:
                    time.sleep(pause_s)  # it says nowhere when it has time again
            return ask()

    logging.getLogger("ray").setLevel(logging.WARNING)
    for name in ("job.sdk", "dashboard_sdk"):
        logging.getLogger(f"ray.dashboard.modules.{name}").setLevel(logging.WARNING)
    held = {name: os.environ.pop(name) for name in ADDRESSES if name in os.environ}
    try:
        return PatientClient(url)
    finally:
        os.environ.update(held)
