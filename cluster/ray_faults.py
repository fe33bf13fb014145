"""Which of Ray's errors mean that something died, so that the pure epoch may simply be run again."""

from typing import Any, Final

from cluster.executor import EpochTask
from strategies.errors import StudbookError

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


def is_of_ray(error: BaseException) -> bool:
    """Return whether Ray itself raised, because what it runs on is not there, rather than our own code or a genome."""
    from ray import exceptions

    if isinstance(error, exceptions.RayTaskError):
        return False
    return isinstance(error, exceptions.RayError | ConnectionError)


def cause_of(error: Any) -> BaseException:
    """Return what a task really raised, out of Ray's wrapping."""
    from ray import exceptions

    while isinstance(error, exceptions.RayTaskError):
        error = error.cause
    cause: BaseException = error
    return cause


def reason_of(error: BaseException) -> str:
    """Return one line about a loss: the last of a traceback, where there is one, else the first."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    if raised_at_start(error):
        return lines[-1][:300]
    return f"{type(error).__name__}: {lines[0] if lines else 'no reason given'}"[:300]


def raised_at_start(error: BaseException) -> bool:
    """Return whether an actor died because its constructor raised, which it would do again."""
    return "raised in its creation task" in str(error)


def epoch_error(task: EpochTask, cause: BaseException) -> StudbookError:
    """Return what to raise where an epoch itself has raised."""
    if isinstance(cause, StudbookError):
        return cause
    place = f"island {task.island}, epoch {task.epoch}"
    return StudbookError(f"An epoch must end without an error, but raised {type(cause).__name__}: {cause} ({place}).")
