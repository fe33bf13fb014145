"""MLflow as a projection of the journal: one run a job, written by one background thread that may fail alone.

`Tracker` is an observer of the journal: it queues records and returns at once; its thread imports MLflow, opens the
store and logs what `tracking_projection` makes of them. If MLflow is down, slow or broken, evolution neither stops nor
waits; the trouble is told once, at the end, and `replay` catches up later. Every metric carries the time of its journal
record, so however often a record is logged, it is there once.
"""

import itertools
import json
import queue
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from cluster.journal import FILE_NAME, Record, read_journal
from cluster.tracking_projection import Entry, Projection, milliseconds
from cluster.tracking_store import TrackingStore, artifact_folder, first_line, store_uri
from strategies.errors import ClusterError, JournalError

ARTIFACT_FILES: Final = ("births.parquet", "report.html", FILE_NAME)
ARTIFACT_FOLDERS: Final = ("candidates", "elites")
GATHER_S: Final = 0.2
_END: Final = object()


class Tracker:
    """The observer that keeps MLflow up to date, in its own thread, which starts with the first record.

    Args:
        uri: tracking URI, None for the default of `tracking_store.store_uri`.
        root: the folder of run folders, where a SQLite store lives.
        experiment: MLflow experiment.
        run_dir: the job's folder; None finds it in `root` by the first record of its journal.
    """

    def __init__(self, *, uri: str | None, root: Path, experiment: str, run_dir: Path | None = None) -> None:
        self.uri = store_uri(uri, root)
        self.trouble = ""
        self.run_id = ""
        self._root = root
        self._experiment = experiment
        self._run_dir = run_dir
        self._ended = False
        self._queue: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._work, name="studbook-mlflow", daemon=True)

    def __call__(self, record: Record) -> None:
        """Take a journal record: queue it and return."""
        self._queue.put(record)
        if self._thread.ident is None:
            self._thread.start()

    def close(self, *, patience_s: float = 60.0) -> str:
        """Log what is left, attach the artifacts, and return the trouble there was ("" for none).

        Waits at most `patience_s`; a store that hangs longer is left behind and reported as trouble.
        """
        if self._thread.ident is None:
            return self.trouble
        self._queue.put(_END)
        self._thread.join(patience_s)
        if self._thread.is_alive():
            self.trouble = self.trouble or f"{self.uri} did not answer within {patience_s:g} s"
        return self.trouble

    def _work(self) -> None:
        """The thread: everything that may fail is inside, and no failure leaves it.

        What failed under way is tried once more at the end, from the journal: a server may be back by then.
        """
        try:
            self._track(self._batches())
        except Exception as error:  # noqa: BLE001  # whatever MLflow raises is told at the end, once
            self.trouble = first_line(error)
            for _ in self._batches():
                pass
            self._catch_up()

    def _catch_up(self) -> None:
        if self._run_dir is None:
            return
        try:
            self._track(iter([list(read_journal(self._run_dir / FILE_NAME).records)]))
        except Exception as error:  # noqa: BLE001
            self.trouble = first_line(error)
        else:
            self.trouble = ""

    def _track(self, batches: Iterator[list[Record]]) -> None:
        records = next(batches)
        self._run_dir = run_dir = self._run_dir or located(self._root, records[0])
        records = [*_before(run_dir, records[0].n), *records]
        store = TrackingStore.open(self.uri, experiment=self._experiment, artifacts=artifact_folder(self._root))
        self.run_id = store.run_of(run_dir.resolve().name, milliseconds(records[0].at))
        projection, status, at = Projection(), "", ""
        for batch in itertools.chain([records], batches):
            entry = Entry()
            for record in batch:
                entry.add(projection.entry(record))
                at = record.at
            status = entry.status or status
            _log(store, self.run_id, entry)
        store.log_files(self.run_id, artifacts_of(run_dir))
        store.finish(self.run_id, "FAILED" if status in ("", "RUNNING") else status, milliseconds(at))

    def _batches(self) -> Iterator[list[Record]]:
        """Yield what comes within a moment of each other, until the end was announced."""
        ended = self._ended
        while not ended:
            taken = [self._queue.get()]
            until = time.monotonic() + GATHER_S
            while taken[-1] is not _END:
                try:
                    taken.append(self._queue.get(timeout=max(until - time.monotonic(), 0.001)))
                except queue.Empty:
                    break
            ended = self._ended = taken[-1] is _END
            yield [item for item in taken if item is not _END]


def _log(store: TrackingStore, run_id: str, entry: Entry) -> None:
    if entry.params:
        store.log_params(run_id, entry.params)
    if entry.tags:
        store.set_tags(run_id, entry.tags)
    if entry.datasets:
        store.log_datasets(run_id, entry.datasets)
    store.log_metrics(run_id, entry.points)


def located(root: Path, first: Record) -> Path:
    """Return the run folder in `root` whose journal begins with the record `first`.

    Raises:
        JournalError: there is none.
    """
    for path in sorted(root.glob(f"*/{FILE_NAME}"), key=lambda path: path.stat().st_mtime, reverse=True):
        with path.open(encoding="utf-8") as lines:
            line = json.loads(lines.readline())
        if line["at"] == first.at and line["data"] == first.data:
            return path.parent
    raise JournalError(f"A job's journal must lie in the folder of runs, but none there begins at {first.at} ({root}).")


def _before(run_dir: Path, n: int) -> list[Record]:
    """The records that came before record `n`, in an earlier session of the job."""
    return [record for record in read_journal(run_dir / FILE_NAME).records if record.n < n] if n else []


def artifacts_of(run_dir: Path) -> list[tuple[Path, str | None]]:
    """Return the files of a run folder that MLflow keeps, each with its folder among the artifacts."""
    files: list[tuple[Path, str | None]] = [(run_dir / name, None) for name in ARTIFACT_FILES]
    for folder in ARTIFACT_FOLDERS:
        files += [(path, folder) for path in sorted((run_dir / folder).glob("*.json"))]
    return [(path, folder) for path, folder in files if path.is_file()]


def replay(run_dir: Path, *, uri: str | None, root: Path, experiment: str, patience_s: float = 600.0) -> Tracker:
    """Log a whole journal to MLflow and return the tracker that did; what is there already is not doubled.

    Raises:
        JournalError: the journal is missing or damaged.
        ClusterError: MLflow could not be reached or refused.
    """
    tracker = Tracker(uri=uri, root=root, experiment=experiment, run_dir=run_dir)
    for record in read_journal(run_dir / FILE_NAME).records:
        tracker(record)
    trouble = tracker.close(patience_s=patience_s)
    if trouble:
        raise ClusterError(f"MLflow at {tracker.uri} must take the job's records, but did not: {trouble}. Try again.")
    return tracker
