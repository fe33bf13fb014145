"""What happens, as JSON lines: each with time, level, job, island and epoch, for machines that collect logs.

`JobLog` observes a journal and writes `log.jsonl` beside it, with whatever Python's own logging warns of meanwhile;
with `echo` the same lines go to a stream as well. What a worker logs is kept by Ray. The log is for reading; nothing is
ever read back from it, and a disk that refuses it stops nothing.
"""

import json
import logging
import os
import threading
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Self, TextIO

from cluster.happenings import TROUBLES, sentence_of
from cluster.journal import plain
from fitness.files import open_own

if TYPE_CHECKING:
    from cluster.journal import Record

LOG_FILE: Final = "log.jsonl"
SAID: Final = (
    *("host", "seconds", "waited_s", "n_births", "n_evaluated", "n_screened_out", "what", "action", "reason", "id"),
    *("present", "wanted", "typical_s", "verdict", "n_trials", "n_elites", "config_hash", "format"),
)
"""What of a record's data goes into its line, where it is there."""


class JsonLines(logging.Formatter):
    """Lines of Python's own logging as JSON.

    Args:
        facts: what every line says besides, such as the job.
    """

    def __init__(self, facts: Mapping[str, Any]) -> None:
        super().__init__()
        self._facts = facts

    def format(self, record: logging.LogRecord) -> str:
        """Return one line, without its newline."""
        fields = {
            "at": _instant(datetime.fromtimestamp(record.created, UTC)),
            "level": record.levelname.lower(),
            **self._facts,
            "event": record.name,
            "text": record.getMessage(),
        }
        if record.exc_info and record.exc_info[1] is not None:
            fields["error"] = f"{type(record.exc_info[1]).__name__}: {record.exc_info[1]}"
        return line_of(fields)


def line_of(fields: Mapping[str, Any]) -> str:
    """Return one line of a log: JSON in ASCII, no newline inside, no NaN."""
    return json.dumps(plain(dict(fields)), ensure_ascii=True, allow_nan=False, separators=(",", ":"), default=str)


def fields_of(record: "Record", job: str) -> dict[str, Any]:
    """Return what the log says of a journal record."""
    data = record.data
    return {
        "at": record.at,
        "level": "warning" if record.kind in TROUBLES else "info",
        "job": job,
        "island": data.get("island"),
        "epoch": data.get("epoch"),
        "event": record.kind,
        "text": sentence_of(record) or record.kind.replace("_", " "),
        "n": record.n,
        **{name: data[name] for name in SAID if name in data},
    }


class JobLog:
    """An observer of the journal that keeps the log of its job, from its first record until `close`.

    Args:
        root: folder of run folders, in which the job is found by the first record of its journal.
        run_dir: the run folder, where it is known.
        echo: a stream that gets every line too, such as standard error.
    """

    def __init__(self, *, root: Path, run_dir: Path | None = None, echo: TextIO | None = None) -> None:
        self._root, self._run_dir, self._echo = root, run_dir, echo
        self._job = run_dir.resolve().name if run_dir else ""
        self._file: TextIO | None = None
        self._handler: logging.Handler | None = None
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        """Return the log, which opens with its first record."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the log; what ended it badly is its last line."""
        if error is not None and self._handler is not None:
            with suppress(OSError):  # or it would take the place of what ended the job
                self.write(
                    {"at": _instant(datetime.now(UTC)), "level": "error", "job": self._job,
                     "event": type(error).__name__, "text": str(error)}
                )  # fmt: skip
        self.close()

    def __call__(self, record: "Record") -> None:
        """Take one journal record."""
        if self._handler is None:
            self._begin(record)
        self.write(fields_of(record, self._job))

    def write(self, fields: Mapping[str, Any]) -> None:
        """Write one line wherever the log goes."""
        self._line(line_of(fields))

    def close(self) -> None:
        """Listen no more. Closing twice is nothing."""
        if self._handler is not None:
            logging.getLogger().removeHandler(self._handler)
            self._handler = None
        with self._lock:
            if self._file is not None:
                with suppress(OSError):  # of lines that the disk has refused already
                    self._file.close()
                self._file = None

    def _begin(self, record: "Record") -> None:
        self._handler = _Lines(self._line)
        if self._run_dir is None:
            from cluster.tracking import located

            self._run_dir = located(self._root, record)
        self._job = self._run_dir.resolve().name
        self._handler.setFormatter(JsonLines({"job": self._job, "island": None, "epoch": None}))
        logging.getLogger().addHandler(self._handler)
        self._file = _opened(self._run_dir / LOG_FILE)

    def _line(self, line: str) -> None:
        with self._lock:
            try:
                _append(self._file, line)
            finally:
                _append(self._echo, line)


class _Lines(logging.Handler):
    """A handler that gives formatted lines, from warnings on, to a function."""

    def __init__(self, write: Any) -> None:
        super().__init__(logging.WARNING)
        self._write = write

    def emit(self, record: logging.LogRecord) -> None:
        """Write one line; a disk that refuses is told by Python's logging, once a line, and stops nothing."""
        try:
            self._write(self.format(record))
        except OSError:
            self.handleError(record)


def _opened(path: Path) -> TextIO:
    """Open a log to add to it; a link in its place is replaced, not followed."""
    return os.fdopen(open_own(path, os.O_WRONLY | os.O_APPEND), "a", encoding="ascii")


def _append(stream: TextIO | None, line: str) -> None:
    if stream is not None:
        stream.write(line + "\n")
        stream.flush()


def _instant(at: datetime) -> str:
    return at.isoformat(timespec="milliseconds")
