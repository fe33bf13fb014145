"""MLflow as a projection of the journal: one run a job, written by one background thread that may fail alone.

`Tracker` is an observer of the journal: it notes which record is the last and returns at once; its thread reads the
journal (`tracking_feed`) and logs what `tracking_projection` makes of it. If MLflow is down, slow or broken, evolution
neither stops nor waits: the thread tries the same step again, ever more rarely, and goes on where it was when MLflow is
back. What could not be told by the end, the next `resume` or `studbook track` tells. Every step may be repeated, and
every metric carries the time of its journal record, so however often a record is logged, it is there once.
"""

import json
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final, TypeVar

from cluster.journal import FILE_NAME, Record, is_being_written, read_journal
from cluster.tracking_feed import Feed
from cluster.tracking_projection import Entry, milliseconds
from cluster.tracking_store import NOTE_TAG, TrackingStore, artifact_folder, store_uri
from cluster.tracking_system import SystemMetrics
from cluster.tracking_trouble import RunGoneError, is_gone, is_refused_login, shown_uri, trouble_of
from strategies.errors import ClusterError, JournalError, StudbookError

ARTIFACT_FILES: Final = (
    "births.parquet",
    "pedigree.parquet",
    "portfolio.json",
    "report.html",
    "genealogy.html",
    FILE_NAME,
)
ARTIFACT_FOLDERS: Final = ("candidates", "elites")
RUNS_LOST: Final = 3
_Result = TypeVar("_Result")


@dataclass(frozen=True)
class Pace:
    """How patient a tracker is.

    Attributes:
        gather_s: records that come within this time of each other travel together.
        first_s: pause after a first failure; it doubles with each further one.
        longest_s: the longest such pause.
        last_tries: failures in a row, once the job has ended, after which the rest is left for later.
        troubled_s: how long the end of a job waits for MLflow that is failing and does not recover.
    """

    gather_s: float = 0.2
    first_s: float = 1.0
    longest_s: float = 60.0
    last_tries: int = 3
    troubled_s: float = 15.0

    def pause_s(self, n_failures: int) -> float:
        """Return how long to wait after so many failures in a row."""
        return min(self.first_s * 2.0 ** min(n_failures - 1, 30), self.longest_s)


class _GaveUpError(Exception):
    """The job has ended and MLflow goes on failing: the rest is told later."""


class Tracker:
    """The observer that keeps MLflow up to date, in its own thread, which starts with the first record.

    Args:
        uri: tracking URI, None for the default of `tracking_store.store_uri`.
        root: the folder of run folders, where a SQLite store lives.
        experiment: MLflow experiment.
        run_dir: the job's folder; None finds it in `root` by the first record of its journal.
        whole: tell the whole journal, whatever MLflow holds of it already.
        pace: how patient to be.

    Attributes:
        uri: the tracking URI as it may be shown.
        trouble: why MLflow does not have everything, "" while it has.
        run_id: MLflow's id of the run, "" until it is known.
        n_outages: how often MLflow failed and came back.
    """

    def __init__(
        self,
        *,
        uri: str | None,
        root: Path,
        experiment: str,
        run_dir: Path | None = None,
        whole: bool = False,
        pace: Pace | None = None,
    ) -> None:
        self._uri = store_uri(uri, root)
        self.uri = shown_uri(self._uri)
        self.trouble, self.run_id, self.n_outages = "", "", 0
        self._root, self._experiment, self._run_dir = root, experiment, run_dir
        self._whole, self._pace = whole, pace or Pace()
        self._news = threading.Condition()
        self._first: Record | None = None
        self._last, self._ended = -1, False
        self._n_failures, self._moved = 0, time.monotonic()
        self._thread = threading.Thread(target=self._work, name="studbook-mlflow", daemon=True)

    def __call__(self, record: Record) -> None:
        """Take a journal record: note that it is there and return."""
        with self._news:
            self._first = self._first or record
            self._last = record.n
            self._news.notify_all()
        if self._thread.ident is None:
            self._thread.start()

    def close(self, *, patience_s: float = 60.0) -> str:
        """Log what is left, attach the artifacts, and return the trouble there was ("" for none).

        Waits at most `patience_s`, and no longer than `Pace.troubled_s` for a store that fails; one that hangs is left
        behind and reported as trouble. Closing twice is nothing.
        """
        with self._news:
            already, self._ended = self._ended, True
            self._news.notify_all()
        closed = time.monotonic()
        while not already and self._thread.is_alive() and not self._overdue(closed, patience_s):
            self._thread.join(0.05)
        if self._thread.is_alive():
            waited_s = time.monotonic() - closed
            self.trouble = self.trouble or f"{self.uri} did not answer within {waited_s:.1f} s"
        return self.trouble

    def _overdue(self, closed: float, patience_s: float) -> bool:
        now = time.monotonic()
        stuck = self._n_failures > 0 and now - max(closed, self._moved) > self._pace.troubled_s
        return stuck or now - closed > patience_s

    def _work(self) -> None:
        """The thread: everything that may fail is inside, and no failure leaves it."""
        for _ in range(RUNS_LOST):
            self.run_id = ""
            try:
                self._tell(self._located())
            except RunGoneError:
                continue
            except _GaveUpError:
                pass
            except Exception as error:  # noqa: BLE001  # the journal itself can't be read
                self.trouble = trouble_of(error, self._uri)
            return

    def _tell(self, run_dir: Path) -> None:
        """Tell MLflow the journal until it ends."""
        feed, job_id = Feed.of(run_dir), run_dir.resolve().name
        first = feed.first()
        started_ms = milliseconds(first.record.at)
        place = artifact_folder(self._root)
        store = self._insist(partial(TrackingStore.open, self._uri, experiment=self._experiment, artifacts=place))
        self.run_id = self._insist(partial(store.run_of, job_id, journal=first.seal, started_ms=started_ms))
        if not self._whole:
            feed.skip(self._insist(partial(store.mark_of, self.run_id)))
        system = SystemMetrics(started_ms) if _wants_system_metrics(first.record) else None
        for entry in self._entries(feed, system):
            self._insist(partial(_log, store, self.run_id, entry))
        if self._whole and is_being_written(feed.path):
            return  # its own driver will say how it ended
        status = "FAILED" if feed.status in ("", "RUNNING") else feed.status
        trouble = self._conclude(store, run_dir, journal=first.seal, is_finished=feed.status == "FINISHED")
        ending = partial(store.finish, job_id, journal=first.seal, status=status, ended_ms=milliseconds(feed.at))
        self.run_id = self._insist(ending)
        self.trouble = trouble

    def _conclude(self, store: TrackingStore, run_dir: Path, *, journal: str, is_finished: bool) -> str:
        """Store artifacts and elites and return why that failed: then the run is ended without them."""
        from cluster.mlflow_telling import description_of, tell_elites, told_of  # what it loads, only the end needs

        try:
            files = artifacts_of(run_dir)
            for path, folder in files:
                self._insist(partial(store.log_files, self.run_id, [(path, folder)]))
            if is_finished:
                told = told_of(run_dir)
                self._insist(partial(store.log_datasets, self.run_id, told.datasets))
                note = description_of(told, [path.name for path, folder in files if folder is None])
                self._insist(partial(store.log, self.run_id, [], {NOTE_TAG: note}))
                tell_elites(store.elites(self.run_id, told.view.id, journal), told, self._insist)
        except _GaveUpError:
            return self.trouble
        except StudbookError as error:  # elites of a journal that this version can't read
            return trouble_of(error)
        return ""

    def _entries(self, feed: Feed, system: SystemMetrics | None) -> Iterator[Entry]:
        """Yield what is new, as it comes, until the end was announced and everything was yielded."""
        while True:
            self._wait(lambda: self._ended or self._last >= feed.n, system.wait_s() if system else None)
            self._wait(lambda: self._ended, self._pace.gather_s)
            ended, last = self._ended, self._last
            while entry := feed.batch(last):
                yield entry
            if system and (points := system.points()):
                yield Entry(points)
            if ended:
                return

    def _wait(self, reached: Callable[[], bool], patience_s: float | None) -> None:
        with self._news:
            self._news.wait_for(reached, patience_s)

    def _insist(self, step: Callable[[], _Result]) -> _Result:
        """Return what the step returns, as soon as MLflow carries it out.

        Raises:
            _GaveUpError: the job has ended and the step failed `last_tries` times since.
            RunGoneError: there is no such run any more, and everything is to be told again to a new one.
        """
        n_tries_left = self._pace.last_tries
        while True:
            ended = self._ended
            try:
                result = step()
            except Exception as error:  # whatever MLflow raises
                self._failed(error)
                if self.run_id and is_gone(error):
                    raise RunGoneError from error
                n_tries_left -= ended
                if n_tries_left <= 0:
                    raise _GaveUpError from error
                self._pause(error)
            else:
                self._succeeded()
                return result

    def _failed(self, error: Exception) -> None:
        self.trouble = trouble_of(error, self._uri)
        self._n_failures += 1

    def _pause(self, error: Exception) -> None:
        """Wait before the next try; the end of the job ends the wait, and allows short ones only."""
        pause_s = self._pace.longest_s if is_refused_login(error) else self._pace.pause_s(self._n_failures)
        if self._ended:
            time.sleep(min(self._pace.first_s, pause_s))  # the end has been told: no news can come to wake us
        else:
            self._wait(lambda: self._ended, pause_s)

    def _succeeded(self) -> None:
        self.n_outages += self._n_failures > 0
        self.trouble, self._n_failures, self._moved = "", 0, time.monotonic()

    def _located(self) -> Path:
        if self._run_dir is None:
            assert self._first is not None
            self._run_dir = located(self._root, self._first)
        return self._run_dir


def _log(store: TrackingStore, run_id: str, entry: Entry) -> None:
    if entry.params:
        store.log_params(run_id, entry.params)
    if entry.datasets:
        store.log_datasets(run_id, entry.datasets)
    store.log(run_id, entry.points, entry.tags)


def _wants_system_metrics(first: Record) -> bool:
    """Whether the job file asks for them; older ones don't know the key."""
    config = first.data.get("config") or {}
    return bool((config.get("tracking") or {}).get("system_metrics", False))


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


def artifacts_of(run_dir: Path) -> list[tuple[Path, str | None]]:
    """Return the files of a run folder that MLflow keeps, each with its folder among the artifacts."""
    files: list[tuple[Path, str | None]] = [(run_dir / name, None) for name in ARTIFACT_FILES]
    for folder in ARTIFACT_FOLDERS:
        files += [(path, folder) for path in sorted((run_dir / folder).glob("*.json"))]
    return [(path, folder) for path, folder in files if path.is_file()]


def replay(
    run_dir: Path, *, uri: str | None, root: Path, experiment: str, patience_s: float = 600.0, pace: Pace | None = None
) -> Tracker:
    """Log a whole journal to MLflow and return the tracker that did; what is there already is not doubled.

    Raises:
        JournalError: the journal is missing or damaged.
        ClusterError: MLflow could not be reached or refused.
    """
    tracker = Tracker(uri=uri, root=root, experiment=experiment, run_dir=run_dir, whole=True, pace=pace)
    tracker(read_journal(run_dir / FILE_NAME).records[-1])
    trouble = tracker.close(patience_s=patience_s)
    if trouble:
        raise ClusterError(f"MLflow at {tracker.uri} must take the job's records, but did not: {trouble}. Try again.")
    return tracker
