"""The elites of a finished job told to MLflow, step by step; each step may be repeated until MLflow carries it out."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final, Protocol, TypeVar

from cluster.journal import FILE_NAME, read_journal
from cluster.mlflow_artifacts import elite_files
from cluster.mlflow_elites import Elite, elites_of
from cluster.mlflow_folder import model_files
from cluster.mlflow_lineage import lineages_of
from cluster.mlflow_registry import EliteStore, registered_name
from cluster.mlflow_stretches import stretch_datasets
from cluster.tracking_store import DataSet
from cluster.view import JobView, view_of

_Result = TypeVar("_Result")
ARTIFACTS: Final = {
    "report.html": "figures, gates and trades of the whole job",
    "genealogy.html": "who descends from whom",
    "births.parquet": "every birth",
    "pedigree.parquet": "the births with migration, gene differences and gains",
    "portfolio.json": "the elites as one portfolio",
}
"""Files of a run folder that its description names, and what each is."""


class Insist(Protocol):
    """What repeats a step until MLflow carries it out, and returns what the step returns."""

    def __call__(self, step: Callable[[], _Result], /) -> _Result:
        """Return what the step returns."""


@dataclass(frozen=True)
class Told:
    """What is told of a finished job beyond its records.

    Attributes:
        view: the job.
        elites: best first.
        datasets: the stretches that they were judged on.
    """

    view: JobView
    elites: tuple[Elite, ...]
    datasets: tuple[DataSet, ...]


def told_of(run_dir: Path) -> Told:
    """Return what is told of the finished job in a run folder.

    Raises:
        JournalError: the journal is missing or damaged.
    """
    records = read_journal(run_dir / FILE_NAME).records
    view = view_of(run_dir, records)
    lineages = lineages_of(run_dir, [int(record["birth_id"]) for record in view.elites]) if view.elites else {}
    return Told(view, elites_of(view, records, lineages), stretch_datasets(view))


def tell_elites(store: EliteStore, told: Told, insist: Insist) -> None:
    """Tell MLflow of each elite: its run, its model, its version; then move the aliases. Without elites, nothing."""
    if not told.elites:
        return
    children = insist(partial(store.children, told.elites))
    models = insist(partial(store.models, told.elites, children))
    for elite in told.elites:
        child, model = children[elite.id], models[elite.id]
        if not model.is_ready:
            insist(partial(store.upload, model, _model_files(told.view, elite, model.model_id)))
        if not child.is_complete:
            insist(partial(store.describe, elite, child, model, told.datasets))
            insist(partial(store.attach, child, elite_files(told.view.run_dir, elite)))
    name = registered_name(told.view.name)
    insist(partial(store.register, name, told.elites, children, models))
    insist(partial(store.move_aliases, name))
    for elite in told.elites:
        if not children[elite.id].is_complete:
            insist(partial(store.finish, elite, children[elite.id]))


def description_of(told: Told, names: Sequence[str]) -> str:
    """Return the Markdown above the job's run: its verdict, and where to look on.

    Args:
        told: of the job.
        names: of the files among the run's artifacts.
    """
    found = [f"`{name}` ({what})" for name, what in ARTIFACTS.items() if name in names]
    parts = [told.view.verdict]
    if found:
        parts.append(f"Under Artifacts: {', '.join(found)}.")
    if told.elites:
        model = registered_name(told.view.name)
        parts.append(f"Elites are the child runs, best first by the tag `rank`, and versions of the model `{model}`.")
    return "\n\n".join(parts)


def _model_files(view: JobView, elite: Elite, model_id: str) -> dict[str, bytes]:
    origin = {"job_id": view.id, "species": str(elite.record["species"])}
    return model_files(
        elite.strategy,
        timeframe=elite.timeframe,
        bars_per_year=elite.bars_per_year,
        metadata=origin,
        model_id=model_id,
    )
