"""births.parquet: every birth of a job in one file, rebuilt from the journalled epochs, the same bytes every time."""

import hashlib
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import polars as pl

from cluster.run_folder import BIRTHS_FILE, read_entry
from evolution.pedigree import Births, births_columns, births_from_bytes, check_closed, concat
from fitness.files import atomic_write_bytes
from fitness.objectives import MEASURE_COLUMNS
from strategies.codec import express
from strategies.encoding import strategy_of
from strategies.genes import N_GENES
from strategies.language import Language

_FIRST: Final = (
    "birth_id",
    "strategy_id",
    "island",
    "generation",
    "operator",
    "species",
    "parent_a",
    "parent_b",
    "family",
)


def read_births(run_dir: Path, epochs: Sequence[dict[str, Any]]) -> Births:
    """Return the births of the journalled `epochs`, by island, generation and index.

    Raises:
        JournalError: a births file is missing, is not what was journalled, or the births are no closed pedigree.
    """
    everyone = concat([births_from_bytes(read_entry(run_dir, epoch["births"])) for epoch in epochs])
    births = everyone.take(np.argsort(everyone.birth_id, kind="stable"))
    check_closed(births)
    return births


def births_frame(
    births: Births, objectives: Sequence[str], language: Language, measures: Sequence[str] = MEASURE_COLUMNS
) -> pl.DataFrame:
    """Return births as a table: one row each, the genome as an array column, the id of each one's strategy."""
    columns: dict[str, Any] = births_columns(births, objectives=objectives, measures=measures)
    columns["strategy_id"] = strategy_ids(births, language)
    columns["genome"] = pl.Series("genome", columns["genome"], dtype=pl.Array(pl.Float64, N_GENES))
    rest = [name for name in columns if name not in (*_FIRST, "genome")]
    return pl.DataFrame({name: columns[name] for name in (*_FIRST, *rest, "genome")})


def strategy_ids(births: Births, language: Language) -> list[str]:
    """Return the strategy id of every birth in the job's language; births with the same phenotype have the same."""
    _, first, place = np.unique(births.key, axis=0, return_index=True, return_inverse=True)
    ids = [strategy_of(phenotype).id for phenotype in express(births.genome[first], language)]
    return [ids[row] for row in place.reshape(-1)]


def parquet_bytes(frame: pl.DataFrame) -> bytes:
    """Return a table as Parquet: one row group, one compression, nothing that changes from run to run."""
    stream = io.BytesIO()
    frame.write_parquet(
        stream, compression="zstd", compression_level=3, statistics=True, row_group_size=max(frame.height, 1)
    )
    return stream.getvalue()


def write_births(
    run_dir: Path,
    births: Births,
    objectives: Sequence[str],
    language: Language,
    measures: Sequence[str] = MEASURE_COLUMNS,
) -> str:
    """Write births.parquet and return its SHA-256 (hex)."""
    content = parquet_bytes(births_frame(births, objectives, language, measures))
    atomic_write_bytes(run_dir / BIRTHS_FILE, content)
    return hashlib.sha256(content).hexdigest()
