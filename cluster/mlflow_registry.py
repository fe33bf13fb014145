"""The elites of a job in MLflow: a run, a logged model and a registered version each, and the aliases of the best.

Everything is found again by its tags before it is made, so every call may be repeated: what is there stays, what is
missing is made, and of two that are there, because the answer to a request was lost, one is deleted.
"""

import contextlib
import json
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from cluster.mlflow_elites import JOB, KIND_TAG, Elite
from cluster.tracking_store import JOURNAL_TAG, LONGEST_PARAM, NOTE_TAG, DataSet, dataset_input

PARENT_TAG: Final = "mlflow.parentRunId"
VERSIONS_TAG: Final = "mlflow.modelVersions"
"""By which MLflow's pages lead from a logged model to its versions; servers set it, databases do not."""
ALIASES_TAG: Final = "studbook.aliases"
"""Of a registered model: `manual` leaves its aliases to people."""
MANUAL: Final = "manual"
CHAMPION, CHALLENGER = "champion", "challenger"
MODEL_TYPE: Final = "studbook-strategy"
DESCRIPTION: Final = (
    "Elites of Studbook's jobs named {name}, a version each. `champion` is the best of the newest job that has any, by "
    "deflated Sharpe ratio: its trials count those of the jobs before it. `challenger` is the next in that order. "
    "The tag `{tag}` = `{manual}` leaves the aliases to people."
)
_EXISTS: Final = "RESOURCE_ALREADY_EXISTS"
_MISSING: Final = "RESOURCE_DOES_NOT_EXIST"


@dataclass(frozen=True)
class Child:
    """The run of an elite, and whether it was told to the end."""

    run_id: str
    is_complete: bool


@dataclass(frozen=True)
class Logged:
    """The logged model of an elite: where its files go, whether they are there, and which versions it says it is."""

    model_id: str
    place: str
    is_ready: bool
    versions: str


def registered_name(job_name: str) -> str:
    """Return the registered model of all jobs of this name.

    >>> registered_name("quickstart")
    'studbook-quickstart'
    """
    return f"studbook-{job_name}"


class EliteStore:
    """The elites of one job in an open MLflow store.

    Args:
        client: of MLflow.
        experiment_id: of the job's run.
        run_id: of the job's run.
        job_id: name of the run folder.
        journal: hash of the journal's first record: by both, everything of the job is found again.
    """

    def __init__(self, client: Any, experiment_id: str, *, run_id: str, job_id: str, journal: str) -> None:
        self._client, self._experiment_id = client, experiment_id
        self._run_id, self._job_id, self._journal = run_id, job_id, journal

    def _is_ours(self, tags: Mapping[str, str]) -> bool:
        """Whether what carries the tags is of this job; a copy of a run folder is another."""
        of_job = tags.get(JOURNAL_TAG) == self._journal and tags.get(JOB) == self._job_id
        return of_job and KIND_TAG in tags and "strategy_id" in tags

    def children(self, elites: Sequence[Elite]) -> dict[str, Child]:
        """Return the run of each elite by strategy id; each is one, and a child of the job's run."""
        held = self._runs()
        for elite in elites:
            if elite.id not in held:
                tags = {**elite.tags, JOURNAL_TAG: self._journal, PARENT_TAG: self._run_id, NOTE_TAG: elite.note}
                tags |= {"mlflow.source.name": "studbook", "mlflow.source.type": "JOB"}
                self._client.create_run(self._experiment_id, start_time=elite.at_ms, run_name=elite.name, tags=tags)
        return {key: self._child(runs) for key, runs in self._runs().items()}

    def _child(self, runs: Sequence[Any]) -> Child:
        """The one run of an elite, under the job's run, also where that had to be made again."""
        first, *others = sorted(runs, key=lambda run: (run.info.status != "FINISHED", run.info.run_id))
        for run in others:
            self._client.delete_run(run.info.run_id)
        if first.data.tags.get(PARENT_TAG) != self._run_id:
            self._client.set_tag(first.info.run_id, PARENT_TAG, self._run_id)
        return Child(str(first.info.run_id), first.info.status == "FINISHED")

    def _runs(self) -> dict[str, list[Any]]:
        found: dict[str, list[Any]] = {}
        words = f"tags.`{JOURNAL_TAG}` = '{self._journal}' and tags.`{KIND_TAG}` = 'elite'"
        page = self._client.search_runs([self._experiment_id], words)
        while True:
            for run in (one for one in page if self._is_ours(one.data.tags)):
                found.setdefault(run.data.tags["strategy_id"], []).append(run)
            if not page.token:
                return found
            page = self._client.search_runs([self._experiment_id], words, page_token=page.token)

    def models(self, elites: Sequence[Elite], children: Mapping[str, Child]) -> dict[str, Logged]:
        """Return the logged model of each elite by strategy id, made if missing."""
        held = self._models()
        for elite in elites:
            if elite.id not in held:
                self._client.create_logged_model(
                    self._experiment_id,
                    name=elite.id,
                    source_run_id=children[elite.id].run_id,
                    tags={**elite.tags, JOURNAL_TAG: self._journal},
                    params=_params(elite),
                    model_type=MODEL_TYPE,
                )
        return {key: self._logged(models) for key, models in self._models().items()}

    def _logged(self, models: Sequence[Any]) -> Logged:
        first, *others = sorted(models, key=lambda model: (str(model.status) != "READY", model.model_id))
        for model in others:
            self._client.delete_logged_model(model.model_id)
        versions = str(first.tags.get(VERSIONS_TAG, ""))
        return Logged(str(first.model_id), str(first.artifact_location), str(first.status) == "READY", versions)

    def _models(self) -> dict[str, list[Any]]:
        found: dict[str, list[Any]] = {}
        words, token = f"tags.`{JOURNAL_TAG}` = '{self._journal}'", None
        while True:
            page = self._client.search_logged_models([self._experiment_id], words, page_token=token)
            for model in (one for one in page if self._is_ours(one.tags)):
                found.setdefault(model.tags["strategy_id"], []).append(model)
            token = page.token
            if not token:
                return found

    def describe(self, elite: Elite, child: Child, model: Logged, datasets: Sequence[DataSet]) -> None:
        """Tell the run of an elite its figures, which its model shares, its words, and what it was judged on."""
        from mlflow.entities import LoggedModelOutput, Metric, Param, RunTag

        metrics = [Metric(name, value, elite.at_ms, 0, model.model_id) for name, value in elite.metrics.items()]
        params = [Param(name, value) for name, value in _params(elite).items()]
        tags = [RunTag(name, value) for name, value in elite.tags.items()]
        self._client.log_batch(child.run_id, metrics=metrics, params=params, tags=tags)
        run = self._client.get_run(child.run_id)
        if datasets and not run.inputs.dataset_inputs:
            self._client.log_inputs(child.run_id, datasets=[dataset_input(one) for one in datasets])
        if model.model_id not in [one.model_id for one in run.outputs.model_outputs]:
            self._client.log_outputs(child.run_id, [LoggedModelOutput(model.model_id, 0)])

    def attach(self, child: Child, files: Mapping[str, bytes]) -> None:
        """Store the files of an elite's run."""
        with _folder(files) as folder:
            self._client.log_artifacts(child.run_id, folder)

    def upload(self, model: Logged, files: Mapping[str, bytes]) -> None:
        """Store the files of an elite's model and call it ready."""
        with _folder(files) as folder:
            self._client.log_model_artifacts(model.model_id, folder)
        self._client.finalize_logged_model(model.model_id, "READY")

    def finish(self, elite: Elite, child: Child) -> None:
        """End the run of an elite, which says that it was told to the end."""
        self._client.set_terminated(child.run_id, status="FINISHED", end_time=elite.at_ms)

    def register(
        self, name: str, elites: Sequence[Elite], children: Mapping[str, Child], models: Mapping[str, Logged]
    ) -> None:
        """Make a version of each elite that has none, best first, and leave one where there are two."""
        self._require_registered(name)
        held = self._mine(name)
        for elite in elites:
            if elite.id not in held:
                self._client.create_model_version(
                    name,
                    models[elite.id].place,
                    run_id=children[elite.id].run_id,
                    tags={**elite.version_tags, JOURNAL_TAG: self._journal},
                    description=elite.note,
                    await_creation_for=0,
                    model_id=models[elite.id].model_id,
                )
        for strategy_id, versions in self._mine(name).items():
            for version in versions[1:]:
                self._client.delete_model_version(name, version.version)
            self._name_version(name, versions[0], models[strategy_id])

    def _name_version(self, name: str, version: Any, model: Logged) -> None:
        said = json.dumps([{"name": name, "version": str(version.version)}])
        if model.versions != said:
            self._client.set_logged_model_tags(model.model_id, {VERSIONS_TAG: said})

    def _mine(self, name: str) -> dict[str, list[Any]]:
        """The versions of the job's elites by strategy id, older first."""
        found: dict[str, list[Any]] = {}
        for version in self._versions(name):
            if self._is_ours(version.tags):
                found.setdefault(version.tags["strategy_id"], []).append(version)
        return found

    def _versions(self, name: str) -> list[Any]:
        """All versions of a registered model that are ours, older first."""
        found: list[Any] = []
        token = None
        while True:
            page = self._client.search_model_versions(f"name = '{name}'", page_token=token)
            found += [version for version in page if KIND_TAG in version.tags]
            token = page.token
            if not token:
                return sorted(found, key=lambda version: int(version.version))

    def _require_registered(self, name: str) -> None:
        from mlflow.exceptions import MlflowException

        words = DESCRIPTION.format(name=name.removeprefix("studbook-"), tag=ALIASES_TAG, manual=MANUAL)
        try:
            self._client.get_registered_model(name)
        except MlflowException as error:
            if error.error_code != _MISSING:
                raise
            try:
                self._client.create_registered_model(name, description=words)
            except MlflowException as refusal:  # another job was quicker
                if refusal.error_code != _EXISTS:
                    raise

    def move_aliases(self, name: str) -> None:
        """Have `champion` and `challenger` stand where the rule says; it looks at all versions, so order is nothing."""
        model = self._client.get_registered_model(name)
        if model.tags.get(ALIASES_TAG) == MANUAL:
            return
        best = by_standing(self._versions(name))
        for alias, place in ((CHAMPION, 0), (CHALLENGER, 1)):
            wanted = str(best[place].version) if place < len(best) else None
            held = model.aliases.get(alias)
            if wanted is not None and str(held) != wanted:
                self._client.set_registered_model_alias(name, alias, wanted)
            elif wanted is None and held is not None:
                self._client.delete_registered_model_alias(name, alias)


def by_standing(versions: Sequence[Any]) -> list[Any]:
    """Return versions in the order of the aliases' rule: newer jobs first, in a job by merit.

    A version whose tags a person has spoilt has no standing.
    """
    sound = [one for one in versions if one.tags.get("rank", "").isdecimal() and "job_started" in one.tags]
    ranked = sorted(sound, key=lambda version: (int(version.tags["rank"]), int(version.version)))
    return sorted(ranked, key=lambda version: str(version.tags["job_started"]), reverse=True)


def _params(elite: Elite) -> dict[str, str]:
    return {name: value[:LONGEST_PARAM] for name, value in elite.params.items()}


@contextlib.contextmanager
def _folder(files: Mapping[str, bytes]) -> Iterator[str]:
    """Yield a folder that holds some files for as long as they are sent."""
    with tempfile.TemporaryDirectory(prefix="studbook-mlflow-") as folder:
        for name, content in files.items():
            (Path(folder) / name).write_bytes(content)
        yield folder
