"""The journal as a feed for MLflow: read from where the last batch ended, in batches of bounded size.

The journal itself is the buffer: however long MLflow is away, what waits for it is on disk, and memory holds one batch.
Each batch carries a mark, how many records MLflow holds once it has the batch, by which the next session goes on.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from cluster.journal import FILE_NAME, Record
from cluster.tracking_projection import Entry, Projection
from cluster.tracking_store import MARK_TAG
from strategies.errors import JournalError

RECORDS_A_BATCH: Final = 200
POINTS_A_BATCH: Final = 900


@dataclass(frozen=True)
class Line:
    """A record, the hash that seals it, and the byte at which the next line begins."""

    record: Record
    seal: str
    end: int

    @property
    def mark(self) -> str:
        """How many records there are up to this one, and its hash, so that another journal's mark is not taken."""
        return f"{self.record.n + 1}:{self.seal[:16]}"


@dataclass
class Feed:
    """What MLflow is to be told of one journal, in order, each record once.

    Attributes:
        path: the journal.
        n: number of the next record.
        status: MLflow's status of the run after the records read; "" before any that has one.
        at: time of the last record read, "" before the first.
    """

    path: Path
    n: int = 0
    status: str = ""
    at: str = ""
    _offset: int = 0
    _projection: Projection = field(default_factory=Projection)

    @classmethod
    def of(cls, run_dir: Path) -> "Feed":
        """Return the feed of a run folder's journal, from its first record."""
        return cls(run_dir / FILE_NAME)

    def first(self) -> Line:
        """Return the journal's first line, wherever the feed is.

        Raises:
            JournalError: there is none.
        """
        for line in _lines(self.path, 0, last=0):
            return line
        raise JournalError(f"A journal must hold its first record, but held none ({self.path}).")

    def skip(self, mark: str) -> None:
        """Pass over what MLflow holds already, by the mark that it was given; a mark of another journal is ignored."""
        count = mark.partition(":")[0]
        n_held = int(count) if count.isascii() and count.isdigit() else 0
        passed, last = Feed(self.path), ""
        for line in _lines(self.path, 0, last=n_held - 1):
            passed._take(line)
            last = line.mark
        if last == mark:
            vars(self).update(vars(passed))

    def batch(self, last: int) -> Entry | None:
        """Return what the next records mean, up to number `last`, or None if there are none.

        The feed moves on: the caller repeats a batch until MLflow has it.
        """
        whole, mark = Entry(), ""
        for number, line in enumerate(_lines(self.path, self._offset, last=last), start=1):
            whole.add(self._take(line))
            mark = line.mark
            if len(whole.points) >= POINTS_A_BATCH or number == RECORDS_A_BATCH:
                break
        if not mark:
            return None
        whole.tags[MARK_TAG] = mark
        return whole

    def _take(self, line: Line) -> Entry:
        entry = self._projection.entry(line.record)
        self.n, self.at, self._offset = line.record.n + 1, line.record.at, line.end
        self.status = entry.status or self.status
        return entry


def _lines(path: Path, offset: int, *, last: int) -> Iterator[Line]:
    """Yield the whole lines from a byte offset on, up to record `last`."""
    with path.open("rb") as journal:
        journal.seek(offset)
        for content in journal:
            try:
                fields = json.loads(content)
            except ValueError:  # the last line, half written: it is no record yet
                return
            if fields["n"] > last:
                return
            record = Record(fields["n"], fields["at"], fields["kind"], fields["data"])
            yield Line(record, str(fields["hash"]), journal.tell())
