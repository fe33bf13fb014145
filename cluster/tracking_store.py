"""The one file that talks to MLflow: open a store, find or make a job's run, log into it.

MLflow takes five seconds to import and to create its database, so everything here belongs into a background thread.
Every call may be repeated: the same key, step, value and timestamp is stored once, and of two runs that a job has
because the answer to the first request was lost, one is deleted.
"""

import contextlib
import fcntl
import os
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from cluster.tracking_trouble import RunGoneError, shown_uri, trouble_of
from fitness.files import open_own

if TYPE_CHECKING:
    from cluster.mlflow_registry import EliteStore

JOB_TAG: Final = "studbook.job_id"
JOURNAL_TAG: Final = "studbook.journal"
MARK_TAG: Final = "studbook.records"
NOTE_TAG: Final = "mlflow.note.content"
METRICS_A_BATCH: Final = 900  # MLflow refuses more than 1000 in one call
PARAMS_A_BATCH: Final = 90  # and more than 100 of these, or of tags
LONGEST_PARAM: Final = 6000
DATABASE: Final = "mlflow.db"
ARTIFACTS: Final = "mlflow-artifacts"
DATABASES: Final = ("sqlite", "postgresql", "mysql", "mssql")  # the kinds that MLflow has
_ENVIRONMENT: Final = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_SKIP_PIP_REQUIREMENTS_CHECK": "true",
    "MLFLOW_LOGGING_LEVEL": "WARNING",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",  # stdout is ours
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
    "GIT_PYTHON_REFRESH": "quiet",
}


@dataclass(frozen=True)
class Point:
    """One value of one metric: `at_ms` since 1970, `step` the generation."""

    key: str
    value: float
    at_ms: int
    step: int


@dataclass(frozen=True)
class DataSet:
    """What a job was fed with, as MLflow's dataset view shows it.

    Attributes:
        name, digest: together they are the dataset.
        source_type, source: where it lies, as `mlflow.data.get_source` reads it: `local` and `{"uri": …}`.
        schema, profile: JSON, of its columns and of its size.
        context: what it was used for.
    """

    name: str
    digest: str
    source_type: str
    source: str
    schema: str
    profile: str
    context: str


def prepare_environment() -> None:
    """Set what MLflow reads at import: no telemetry, no requirement checks, short patience with servers."""
    for name, value in _ENVIRONMENT.items():
        os.environ.setdefault(name, value)


def store_uri(uri: str | None, root: Path) -> str:
    """Return the tracking URI: the given one, else MLFLOW_TRACKING_URI, else SQLite in `root` (absolute).

    A journal keeps no password: what it says without one, and MLFLOW_TRACKING_URI with one, is the latter.
    """
    set_uri = os.environ.get("MLFLOW_TRACKING_URI", "")
    if uri and shown_uri(set_uri) == uri:
        return set_uri
    return uri or set_uri or f"sqlite:///{(root.resolve() / DATABASE).as_posix()}"


def artifact_folder(root: Path) -> Path:
    """Return where artifacts go when the store is the SQLite file in `root`."""
    return root.resolve() / ARTIFACTS


def sqlite_file(uri: str) -> Path | None:
    """Return the database file behind a SQLite URI, None for a server.

    >>> sqlite_file("sqlite:////runs/mlflow.db?timeout=60")
    PosixPath('/runs/mlflow.db')
    """
    return Path(uri.removeprefix("sqlite:///").partition("?")[0]) if uri.startswith("sqlite:///") else None


def is_database(uri: str) -> bool:
    """Whether a tracking URI is a database, for which MLflow would put artifacts into `mlruns` wherever we are.

    >>> is_database("postgresql+psycopg2://db/mlflow"), is_database("http://127.0.0.1:5000")
    (True, False)
    """
    return uri.partition(":")[0].partition("+")[0] in DATABASES


@contextlib.contextmanager
def creation_lock(uri: str) -> Iterator[None]:
    """Hold the lock under which a SQLite store is created: of two processes creating it at once, one would die."""
    database = sqlite_file(uri)
    if database is None:
        yield
        return
    database.parent.mkdir(parents=True, exist_ok=True)
    with os.fdopen(open_own(database.with_suffix(".lock"), os.O_RDWR), "r+b") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Third-party deprecations at import and at the first use of the database are not ours to mend."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


class TrackingStore:
    """An open MLflow store with the experiment that jobs are logged under."""

    def __init__(self, client: Any, experiment_id: str) -> None:
        self._client = client
        self._experiment_id = experiment_id

    @classmethod
    def open(cls, uri: str, *, experiment: str, artifacts: Path) -> "TrackingStore":
        """Return the store at `uri`, created if it is a SQLite file that does not exist yet.

        Raises:
            Exception: whatever MLflow raises when it can't be reached; callers turn it into a warning.
        """
        prepare_environment()
        with quiet(), creation_lock(uri):
            from mlflow.exceptions import MlflowException
            from mlflow.tracking import MlflowClient

            client = MlflowClient(tracking_uri=uri)
            found = client.get_experiment_by_name(experiment)
            if found is not None:
                return cls(client, found.experiment_id)
            location = (artifacts / experiment).as_uri() if is_database(uri) else None
            try:
                return cls(client, client.create_experiment(experiment, artifact_location=location))
            except MlflowException:  # another driver was quicker, on a server where no lock of ours holds
                again = client.get_experiment_by_name(experiment)
                if again is None:
                    raise
                return cls(client, again.experiment_id)

    def run_of(self, job_id: str, *, journal: str, started_ms: int) -> str:
        """Return the id of the job's run, under way from now on: the one that carries its tags, or a new one.

        Args:
            job_id: name of the run folder, which need not be unique on a server that many use.
            journal: hash of the journal's first record, which is.
            started_ms: when the job began.
        """
        if not self._runs_of(job_id, journal):
            tags = {JOB_TAG: job_id, JOURNAL_TAG: journal}
            tags |= {"mlflow.source.name": "studbook", "mlflow.source.type": "JOB"}
            self._client.create_run(self._experiment_id, start_time=started_ms, run_name=job_id, tags=tags)
        run = self._only_run(job_id, journal)
        if run.info.status != "RUNNING":
            self._client.update_run(run.info.run_id, status="RUNNING")
        return str(run.info.run_id)

    def mark_of(self, run_id: str) -> str:
        """Return how much of the journal the run holds, as `log` was told last; "" for nothing."""
        return str(self._client.get_run(run_id).data.tags.get(MARK_TAG, ""))

    def _only_run(self, job_id: str, journal: str) -> Any:
        """The job's run that holds most, once it is the only one.

        A request to create it that was given up as lost may have been carried out all the same, even later.
        """
        runs = sorted(self._runs_of(job_id, journal), key=_fullest_first)
        if not runs:
            raise RunGoneError(f"the run of {job_id} is not there any more")
        for run in runs[1:]:
            self._client.delete_run(run.info.run_id)
        return runs[0]

    def _runs_of(self, job_id: str, journal: str) -> list[Any]:
        quote = '"' if "'" in job_id else "'"
        found = self._client.search_runs([self._experiment_id], f"tags.`{JOB_TAG}` = {quote}{job_id}{quote}")
        return [run for run in found if run.data.tags.get(JOURNAL_TAG, journal) == journal]

    def log(self, run_id: str, points: Sequence[Point], tags: Mapping[str, str]) -> None:
        """Log the points, then set the tags, so that a tag may say that the points are there."""
        from mlflow.entities import Metric, RunTag

        metrics = [Metric(point.key, point.value, point.at_ms, point.step) for point in dict.fromkeys(points)]
        for start in range(0, len(metrics), METRICS_A_BATCH):
            self._client.log_batch(run_id, metrics=metrics[start : start + METRICS_A_BATCH])
        rows = [RunTag(key, value) for key, value in tags.items()]
        for start in range(0, len(rows), PARAMS_A_BATCH):
            self._client.log_batch(run_id, tags=rows[start : start + PARAMS_A_BATCH])

    def log_params(self, run_id: str, params: Mapping[str, str]) -> None:
        """Log the parameters; a run's parameters never change, so those it has are left alone."""
        from mlflow.entities import Param

        known = self._client.get_run(run_id).data.params
        rows = [Param(key, value[:LONGEST_PARAM]) for key, value in params.items() if key not in known]
        for start in range(0, len(rows), PARAMS_A_BATCH):
            self._client.log_batch(run_id, params=rows[start : start + PARAMS_A_BATCH])

    def log_datasets(self, run_id: str, datasets: Sequence[DataSet]) -> None:
        """Attach datasets as inputs of the run, each once."""
        held = self._client.get_run(run_id).inputs.dataset_inputs
        known = {(one.dataset.name, one.dataset.digest) for one in held}
        new = [dataset_input(one) for one in datasets if (one.name, one.digest) not in known]
        if new:
            self._client.log_inputs(run_id, datasets=new)

    def elites(self, run_id: str, job_id: str, journal: str) -> "EliteStore":
        """Return where the elites of the job's run are kept."""
        from cluster.mlflow_registry import EliteStore

        return EliteStore(self._client, self._experiment_id, run_id=run_id, job_id=job_id, journal=journal)

    def log_files(self, run_id: str, files: Sequence[tuple[Path, str | None]]) -> None:
        """Copy files into the run's artifacts, each with the folder it goes to (None: the top)."""
        for path, folder in files:
            self._client.log_artifact(run_id, str(path), folder)

    def finish(self, job_id: str, *, journal: str, status: str, ended_ms: int) -> str:
        """End the job's run as FINISHED, KILLED or FAILED, and return its id: it is the only one of the job."""
        run_id = str(self._only_run(job_id, journal).info.run_id)
        self._client.set_terminated(run_id, status=status, end_time=ended_ms)
        return run_id


def dataset_input(item: DataSet) -> Any:
    """Return a dataset as MLflow's client takes it."""
    from mlflow.entities import Dataset, DatasetInput, InputTag

    dataset = Dataset(item.name, item.digest, item.source_type, item.source, item.schema, item.profile)
    return DatasetInput(dataset, [InputTag("mlflow.data.context", item.context)])


def _fullest_first(run: Any) -> tuple[int, str]:
    count = run.data.tags.get(MARK_TAG, "").partition(":")[0]
    return (-int(count) if count.isdigit() else 0, run.info.run_id)


def reach(uri: str) -> str:
    """Return why the store at `uri` can't be opened, "" when it can. A missing SQLite file is fine: it is made."""
    database = sqlite_file(uri)
    if database is not None and not database.exists():
        return ""
    prepare_environment()
    try:
        with quiet():
            from mlflow.tracking import MlflowClient

            MlflowClient(tracking_uri=uri).search_experiments(max_results=1)
    except Exception as error:  # noqa: BLE001  # the sentence is the result
        return trouble_of(error, uri)
    return ""
