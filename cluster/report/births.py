"""The births that the page draws, without their genomes, and the rules of those it names."""

import hashlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import polars as pl
from polars import selectors

from cluster.run_folder import BIRTHS_FILE
from fitness.objectives import OBJECTIVES
from strategies.errors import StudbookError

if TYPE_CHECKING:
    from cluster.view import JobView

_KEPT: Final = ("birth_id", "strategy_id", "island", "generation", "operator", "species", "family", "key", "evaluated",
                "reason")  # fmt: skip
_CASES: Final = selectors.starts_with("measure.case.")  # of lexicase: one for each fold and shard, and not drawn
NOT_THERE: Final = "births.parquet is not in the run folder as the journal has it, so there is nothing to draw."


def read_report_births(view: "JobView") -> pl.DataFrame | None:
    """Return all births of a job by birth id, None where they are not there as the journal has them.

    Columns: those of births.parquet but the genome and the cases of lexicase. Of a job that has not ended they come
    from the files of its epochs, where nobody has an id yet: `strategy_id` is null.
    """
    try:
        frame = _whole(view) if view.births_sha256 else _so_far(view)
    except (StudbookError, OSError, pl.exceptions.PolarsError):
        return None
    if frame is None or not set(frame.columns).issuperset(_KEPT):
        return None
    return frame.sort("birth_id")


def _whole(view: "JobView") -> pl.DataFrame | None:
    path = view.run_dir / BIRTHS_FILE
    with path.open("rb") as file:
        if hashlib.file_digest(file, "sha256").hexdigest() != view.births_sha256:
            return None
    return pl.scan_parquet(path).select(~selectors.by_name("genome", require_all=False) & ~_CASES).collect()


def _so_far(view: "JobView") -> pl.DataFrame | None:
    from cluster.births_file import read_births
    from evolution.pedigree import births_columns

    if not view.epochs:
        return None
    births = read_births(view.run_dir, view.epochs)
    columns = births_columns(births, objectives=view.config.evolution.objectives, measures=_measure_names(view, births))
    del columns["genome"]
    return pl.DataFrame(columns).select(~_CASES).with_columns(strategy_id=pl.lit(None, dtype=pl.String))


def _measure_names(view: "JobView", births: object) -> list[str]:
    """Names of the measures of births, as in births.parquet; cells of lexicase have numbers."""
    from cluster.worker import evolution_settings
    from fitness.behaviour import BEHAVIOURS
    from fitness.objectives import MEASURE_COLUMNS

    kept = evolution_settings(view.config).archive is not None
    names = [*MEASURE_COLUMNS, *(f"behaviour.{name}" for name in BEHAVIOURS if kept)]
    n_columns = births.measures.shape[1]  # type: ignore[attr-defined]
    return names + [f"case.{number}" for number in range(n_columns - len(names))]


def scored(births: pl.DataFrame, objectives: Sequence[str]) -> pl.DataFrame:
    """Return the births that were evaluated and have objectives, of equal strategies the first alone.

    Strategies are equal by their key; two islands may both have evaluated one.
    """
    columns = [pl.col(f"objective.{name}") for name in objectives]
    fit = births.filter("evaluated", reason="").filter(*(column.is_finite() for column in columns))
    return fit.unique("key", keep="first", maintain_order=True)


def objective_title(name: str) -> str:
    """Return what an objective is called on an axis."""
    return OBJECTIVES[name].title if name in OBJECTIVES else name.replace("_", " ").capitalize()


def rules_of(view: "JobView", birth_ids: Sequence[int]) -> dict[int, str]:
    """Return the rules, in words, of some births of a job that has ended; nothing where its births are not there."""
    from cluster.worker import language_of
    from strategies.codec import express
    from strategies.encoding import strategy_of

    if not birth_ids or not view.births_sha256:
        return {}
    wanted = pl.Series("birth_id", sorted(set(birth_ids)), dtype=pl.Int64).implode()
    try:
        found = (
            pl.scan_parquet(view.run_dir / BIRTHS_FILE)
            .filter(pl.col("birth_id").is_in(wanted))
            .select("birth_id", "genome")
            .collect()
        )
        phenotypes = express(found["genome"].to_numpy(), language_of(view.config))
    except (StudbookError, OSError, pl.exceptions.PolarsError):
        return {}
    return {
        birth: strategy_of(phenotype).text() for birth, phenotype in zip(found["birth_id"], phenotypes, strict=True)
    }
