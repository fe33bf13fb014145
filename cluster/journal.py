"""The journal of a job: an append-only file of JSON lines, each chained to the one before it by SHA-256.

The journal is the truth about a job; everything else (births file, tables, MLflow) is a projection of it. A record
counts once `Journal.append` has returned: its line is written and synchronised to disk. A crash can only tear the last
line, so a torn last line is cut; damage anywhere else is a `JournalError` that names the file and the line. A file lock
keeps a second driver away.
"""

import errno
import fcntl
import hashlib
import json
import math
import os
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

from strategies.errors import JournalError, StudbookError

JOURNAL_FORMAT = 5
FILE_NAME = "journal.jsonl"
GENESIS = "0" * 64
_SEAL = ',"hash":"'
_BEGINNING = re.compile(rb'\{"n":\d+,"at":"')
_SEAL_LENGTH = len(_SEAL) + 64 + len('"}')
_LOCK_PATIENCE_S = 1.0


@dataclass(frozen=True)
class Record:
    """One line: its sequence number, when it was written (ISO 8601, UTC), what kind it is, and its plain-JSON data."""

    n: int
    at: str
    kind: str
    data: dict[str, Any]


@dataclass(frozen=True)
class Reading:
    """The good records of a journal, the chain's last hash, and how the end of the file must be mended."""

    records: tuple[Record, ...]
    last_hash: str
    good_bytes: int
    lacks_newline: bool
    torn: bool


def utc_now() -> str:
    """Return the time as the journal writes it."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def plain(value: Any) -> Any:
    """Return `value` as plain JSON: NumPy scalars become numbers, tuples lists, NaN and infinities None."""
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, dict):
        return {str(key): plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [plain(inner) for inner in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def read_journal(path: Path) -> Reading:
    """Return every good record of a journal without touching the file.

    Raises:
        JournalError: there is no journal, it holds no complete record, or a line before the last is damaged.
    """
    content = _content(path)
    end = content.rfind(b"\n") + 1
    records: list[Record] = []
    previous = GENESIS
    for number, line in enumerate(content[:end].split(b"\n")[:-1], start=1):
        record = record_in(line, n=number - 1, previous=previous)
        if isinstance(record, str):
            raise JournalError(f"Every line of a journal must be whole, but was not: {record} ({path}, line {number}).")
        records.append(record)
        previous = hash_of(line)
    tail = content[end:]
    for line in (tail, tail[:-1]):  # whole but for its newline: lost, or turned into another byte
        record = record_in(line, n=len(records), previous=previous)
        if tail and isinstance(record, Record):
            whole = (*records, record)
            return Reading(whole, hash_of(line), end + len(line), lacks_newline=True, torn=False)
    if _BEGINNING.search(tail, 1):
        raise JournalError(
            f"A torn line of a journal must be its last, but another record began in it: the end of line "
            f"{len(records) + 1} is damaged ({path})."
        )
    if not records:
        raise JournalError(f"A journal must hold at least its first record, but held no complete line ({path}).")
    return Reading(tuple(records), previous, end, lacks_newline=False, torn=bool(tail))


class Journal:
    """The writing end of a journal, locked against other writers for as long as it is open."""

    def __init__(self, path: Path, descriptor: int, reading: Reading, clock: Callable[[], str]) -> None:
        self.path = path
        self._descriptor: int | None = descriptor
        self._n = len(reading.records)
        self._previous = reading.last_hash
        self._size = reading.good_bytes
        self._clock = clock

    @classmethod
    def create(cls, path: Path, *, clock: Callable[[], str] = utc_now) -> Self:
        """Return a new, empty, locked journal.

        Raises:
            JournalError: there is a journal already.
        """
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o644)
        except FileExistsError as error:
            raise JournalError(f"A new job must have a folder of its own, but there is a journal ({path}).") from error
        _lock(descriptor, path)
        _sync_folder(path.parent)
        return cls(path, descriptor, Reading((), GENESIS, 0, lacks_newline=False, torn=False), clock)

    @classmethod
    def open(cls, path: Path, *, clock: Callable[[], str] = utc_now) -> tuple[Self, tuple[Record, ...]]:
        """Return a locked journal, its torn last line cut if there was one, and the records it holds.

        Raises:
            JournalError: no journal, a damaged one, a link to one, or one that another driver is writing.
        """
        _content(path)
        descriptor = open_to_add(path)
        _lock(descriptor, path)
        try:
            reading = read_journal(path)
            _mend(descriptor, reading)
        except BaseException:
            os.close(descriptor)
            raise
        journal = cls(path, descriptor, reading, clock)
        journal._size += int(reading.lacks_newline)
        return journal, reading.records

    def append(self, kind: str, data: dict[str, Any]) -> Record:
        """Return the record, once it is on disk.

        Raises:
            StudbookError: the disk refused; the journal is as it was before and takes no more records.
        """
        if self._descriptor is None:
            raise StudbookError(f"A journal must be open to take a record, but was closed ({self.path}: {kind}).")
        record = Record(self._n, self._clock(), kind, plain(data))
        line = _line(record, self._previous)
        try:
            _write_all(self._descriptor, line, self._size)
            os.fsync(self._descriptor)
        except OSError as error:
            self._retreat()
            raise StudbookError(
                f"The journal must be writable, but was not: {error.strerror} ({self.path}). "
                "Nothing before this record is lost; mend the disk, then `studbook resume`."
            ) from error
        self._n, self._previous, self._size = self._n + 1, hash_of(line[:-1]), self._size + len(line)
        return record

    def close(self) -> None:
        """Give up the lock. Closing twice is nothing."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def _retreat(self) -> None:
        descriptor, self._descriptor = self._descriptor, None
        assert descriptor is not None
        try:
            os.ftruncate(descriptor, self._size)
        except OSError:
            pass  # the torn line is cut when the journal is next opened
        finally:
            os.close(descriptor)


def is_being_written(path: Path) -> bool:
    """Return whether a driver holds the journal's lock now."""
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(descriptor)
    return False


def open_to_add(path: Path, flags: int = 0) -> int:
    """Return the descriptor of a file that is gone on with; a link can't be replaced here, and is not followed.

    Raises:
        JournalError: a link is in its place.
        OSError: any other refusal of the system.
    """
    try:
        return os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW | flags, 0o644)
    except OSError as error:
        if error.errno != errno.ELOOP:
            raise
        raise JournalError(
            f"A file that is gone on with must be no link, but was one ({path}). Put the file itself there, or link "
            "its folder."
        ) from error


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError as error:
        raise JournalError(f"A run folder must hold a journal, but there is none at {path}.") from error
    except OSError as error:
        raise JournalError(f"A journal must be readable, but was not: {error.strerror} ({path}).") from error


def _lock(descriptor: int, path: Path) -> None:
    deadline = time.monotonic() + _LOCK_PATIENCE_S  # a reader that asks `is_being_written` holds it for an instant
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            if time.monotonic() > deadline:
                os.close(descriptor)
                raise JournalError(f"A job must have one driver, but another is running it now ({path}).") from error
            time.sleep(0.05)  # flock waits for ever or not at all: a limit needs tries
        else:
            return


def _mend(descriptor: int, reading: Reading) -> None:
    if reading.torn or reading.lacks_newline:
        os.ftruncate(descriptor, reading.good_bytes)
        if reading.lacks_newline:
            _write_all(descriptor, b"\n", reading.good_bytes)
        os.fsync(descriptor)


def _line(record: Record, previous: str) -> bytes:
    fields = {"n": record.n, "at": record.at, "kind": record.kind, "data": record.data, "prev": previous}
    body = json.dumps(fields, allow_nan=False, ensure_ascii=True, separators=(",", ":"))
    digest = hashlib.sha256(body.encode()).hexdigest()
    return f'{body[:-1]}{_SEAL}{digest}"}}\n'.encode()


def hash_of(line: bytes) -> str:
    """Return the hash at the end of a good line, given without its newline."""
    return line[-66:-2].decode("ascii")


def record_in(line: bytes, *, n: int, previous: str) -> Record | str:
    """Return the record of a line without its newline, or why it is not the n-th of the chain."""
    seal = line[-_SEAL_LENGTH:]
    if not seal.startswith(_SEAL.encode()) or not seal.endswith(b'"}'):
        return "it does not end with its hash"
    body = line[:-_SEAL_LENGTH] + b"}"
    if hashlib.sha256(body).hexdigest().encode() != seal[len(_SEAL) : -2]:
        return "its hash does not fit its content"
    try:
        fields = json.loads(body)
        record = Record(int(fields["n"]), str(fields["at"]), str(fields["kind"]), dict(fields["data"]))
    except (ValueError, KeyError, TypeError, RecursionError, OverflowError):  # the last: `n` may be Infinity
        return "it is no record of a journal"
    if fields.get("prev") != previous or record.n != n:
        return f"it is record {record.n}, which does not follow the line before it"
    return record


def _write_all(descriptor: int, content: bytes, offset: int) -> None:
    while content:
        written = os.pwrite(descriptor, content, offset)
        content, offset = content[written:], offset + written


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
