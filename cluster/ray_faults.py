"""Which of Ray's errors mean that something died, so that the pure epoch may simply be run again."""

from typing import Any, Final

_LOSSES: Final = (
    "RayActorError",
    "OutOfMemoryError",
    "NodeDiedError",
    "WorkerCrashedError",
    "LocalRayletDiedError",
    "ObjectLostError",
    "OwnerDiedError",
    "ObjectFetchTimedOutError",
    "GetTimeoutError",
)


def is_loss(error: BaseException) -> bool:
    """Return whether a worker, node or object was lost, rather than our own code having raised."""
    from ray import exceptions

    known = tuple(getattr(exceptions, name) for name in _LOSSES if hasattr(exceptions, name))
    return isinstance(error, known) and not isinstance(error, exceptions.RayTaskError)


def cause_of(error: Any) -> BaseException:
    """Return what a task really raised, out of Ray's wrapping."""
    from ray import exceptions

    while isinstance(error, exceptions.RayTaskError):
        error = error.cause
    cause: BaseException = error
    return cause


def reason_of(error: BaseException) -> str:
    """Return one line about a loss."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return f"{type(error).__name__}: {lines[0] if lines else 'no reason given'}"[:300]
