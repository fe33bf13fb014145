"""What went wrong with MLflow, in one line that a person can act on and that holds no password."""

import os
from typing import Final
from urllib.parse import SplitResult, urlsplit, urlunsplit

LONGEST: Final = 300
MASK: Final = "***"
_LOGIN: Final = "set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or MLFLOW_TRACKING_TOKEN"
_MASKED: Final = "a journal keeps no password: set MLFLOW_TRACKING_URI to the whole address"
_SECRETS: Final = ("MLFLOW_TRACKING_PASSWORD", "MLFLOW_TRACKING_TOKEN")
_REFUSED: Final = {
    401: f"it wants a login (401): {_LOGIN}",
    403: f"it does not let this user in (403): {_LOGIN} of one who may write",
}
_GONE: Final = "RESOURCE_DOES_NOT_EXIST"
_DELETED: Final = "must be in the 'active' state"


class RunGoneError(Exception):
    """The run that was written to is not there any more: deleted, or its server has another database now."""


def shown_uri(uri: str) -> str:
    """Return a tracking URI as it may be shown: without its password.

    >>> shown_uri("postgresql://ann:secret@db:5432/mlflow")
    'postgresql://ann:***@db:5432/mlflow'
    >>> shown_uri("sqlite:////runs/mlflow.db")
    'sqlite:////runs/mlflow.db'
    """
    parts = _parts(uri)
    if parts is None or parts.password is None:
        return uri
    place = f"{parts.username or ''}:{MASK}@{parts.netloc.rpartition('@')[2]}"
    return urlunsplit(parts._replace(netloc=place))


def trouble_of(error: BaseException, uri: str = "") -> str:
    """Return what is the matter in one line of at most 300 characters; a refused login is named as such."""
    text = _REFUSED.get(_status(error)) or _without_secrets(first_line(error), uri)
    hint = f" ({_MASKED})" if f":{MASK}@" in uri else ""
    return text[: LONGEST - len(hint)] + hint


def is_refused_login(error: BaseException) -> bool:
    """Return whether the server answered, but does not let us in: asking again soon would not help."""
    return _status(error) in _REFUSED


def is_gone(error: BaseException) -> bool:
    """Return whether the error says that the run that was written to is no longer there."""
    return isinstance(error, RunGoneError) or getattr(error, "error_code", "") == _GONE or _DELETED in str(error)


def first_line(error: BaseException) -> str:
    """Return the error in one line, at most 300 characters."""
    text = str(error).strip().splitlines()
    return f"{type(error).__name__}: {text[0] if text else ''}"[:LONGEST]


def _status(error: BaseException) -> int:
    """The HTTP status that MLflow's exception stands for, 0 for other exceptions."""
    code = getattr(error, "get_http_status_code", None)
    return int(code()) if callable(code) else 0


def _without_secrets(text: str, uri: str) -> str:
    parts = _parts(uri)
    secrets = [parts.password if parts else None, *(os.environ.get(name) for name in _SECRETS)]
    for secret in secrets:
        text = text.replace(secret, MASK) if secret else text
    return text


def _parts(uri: str) -> SplitResult | None:
    try:
        return urlsplit(uri)
    except ValueError:
        return None
