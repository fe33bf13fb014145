"""The end of a journal that somebody else is writing: what it has gained since the last look, and no more.

The first look reads the whole journal and checks it; each later one reads only new bytes and follows the chain of
hashes. Whatever does not follow is read again as a whole, so that damage is told in the journal's own words.
"""

import os
from pathlib import Path

from cluster.journal import Reading, Record, hash_of, read_journal, record_in
from strategies.errors import JournalError


class JournalTail:
    """A reader that remembers how far it has read.

    Args:
        path: the journal, which another process or machine may be writing.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._n = 0
        self._previous = ""
        self._offset = 0

    def read(self) -> tuple[Record, ...]:
        """Return the whole records that have been added since the last call; all of them at the first.

        Raises:
            JournalError: there is no journal, or it is damaged.
        """
        if not self._n:
            return self._whole()
        fresh = _from(self.path, self._offset)
        if fresh is None:
            return self._whole()
        found: list[Record] = []
        for line in fresh[: fresh.rfind(b"\n") + 1].splitlines(keepends=True):
            if line != b"\n":  # the newline that a mended line lacked
                record = self._next(line)
                if record is None:
                    return (*found, *self._whole())
                found.append(record)
            self._offset += len(line)
        return tuple(found)

    def _next(self, line: bytes) -> Record | None:
        """The record of a line if it follows the one before it, else None."""
        record = record_in(line[:-1], n=self._n, previous=self._previous)
        if isinstance(record, str):
            return None
        self._n, self._previous = record.n + 1, hash_of(line[:-1])
        return record

    def _whole(self) -> tuple[Record, ...]:
        """Read all of the journal, and return what is new in it."""
        reading: Reading = read_journal(self.path)
        if len(reading.records) < self._n:
            raise JournalError(
                f"A journal must only grow, but had {self._n} records and now has {len(reading.records)} ({self.path})."
            )
        fresh = reading.records[self._n :]
        self._n, self._previous, self._offset = len(reading.records), reading.last_hash, reading.good_bytes
        return fresh


def _from(path: Path, offset: int) -> bytes | None:
    """What a file holds from `offset` on; None where it can't be read, or ends before."""
    try:
        with path.open("rb") as journal:
            if journal.seek(0, os.SEEK_END) < offset:
                return None
            journal.seek(offset)
            return journal.read()
    except OSError:
        return None
