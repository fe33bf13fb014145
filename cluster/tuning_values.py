"""The values of a tuning, one JSON line each, on disk before they count: what an interrupted tuning goes on from."""

import json
import math
import os
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Self

from cluster.journal import open_to_add
from strategies.errors import JournalError


@dataclass(frozen=True)
class Known:
    """The value of one setting on one instance, and what its search evaluated."""

    value: float
    n_evaluated: int


@dataclass
class ValuesFile:
    """An open file of values; close it, or use it as a context. A torn last line, of a crash, is cut off."""

    stream: BinaryIO
    known: dict[str, Known] = field(default_factory=dict)

    @classmethod
    def open(cls, path: Path) -> Self:
        """Return the file at `path`, made if it is not there, its folders too.

        Raises:
            JournalError: a line in it, but for a torn last one, is not one of ours; or it is a link.
        """
        path.parent.mkdir(parents=True, exist_ok=True)
        stream = os.fdopen(open_to_add(path, os.O_APPEND | os.O_CREAT), "a+b")
        stream.seek(0)
        whole, _, torn = stream.read().rpartition(b"\n")
        made = cls(stream)
        try:
            for number, line in enumerate(whole.split(b"\n") if whole else [], start=1):
                key, known = _read(line, f"{path}, line {number}")
                made.known[key] = known
        except JournalError:
            stream.close()
            raise
        if torn:
            stream.truncate(len(whole) + (1 if whole else 0))
        return made

    @property
    def n_evaluated(self) -> int:
        """Return the evaluations of all searches whose values are here."""
        return sum(one.n_evaluated for one in self.known.values())

    def get(self, key: str) -> Known | None:
        """Return a value if it is known."""
        return self.known.get(key)

    def put(self, key: str, known: Known) -> None:
        """Keep a value; it is on disk when this returns."""
        line = json.dumps({"key": key, "value": known.value, "n_evaluated": known.n_evaluated}, allow_nan=False)
        self.stream.write(line.encode() + b"\n")
        self.stream.flush()
        os.fsync(self.stream.fileno())
        self.known[key] = known

    def close(self) -> None:
        """Close the file."""
        self.stream.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _read(line: bytes, where: str) -> tuple[str, Known]:
    try:
        fields: Any = json.loads(line)
        key, value, n_evaluated = fields["key"], fields["value"], fields["n_evaluated"]
        sound = isinstance(key, str) and isinstance(value, float) and math.isfinite(value) and type(n_evaluated) is int
    except (ValueError, TypeError, KeyError):
        sound = False
    if not sound:
        raise JournalError(
            f"A line of a tuning must have `key`, `value` and `n_evaluated`, but was {line[:60]!r} ({where}). "
            "Delete the file to tune from the beginning."
        )
    return key, Known(value, n_evaluated)
