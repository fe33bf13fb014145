"""The stretches of a job's bars as MLflow's datasets: what was trained on, what validated, what the lockbox held."""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import polars as pl

from cluster.job_config import POOL
from cluster.mlflow_datasets import DIGEST, dataset_of, source_of
from cluster.run_folder import CANDIDATES
from cluster.tracking_store import DataSet
from cluster.view import JobView

CONTEXTS: Final = {"in_sample": "training", "validation": "validation", "lockbox": "lockbox"}
"""What each stretch is for, in MLflow's words where it has one."""


def stretch_datasets(view: JobView) -> tuple[DataSet, ...]:
    """Return a dataset a shard and stretch that the job's elites were judged on; none where no curve tells the times.

    The digest is of the shard's content hash and the times of first and last bar. A symbol that is there in several
    timeframes can't be told apart by its curve, and is left out.
    """
    shards = {str(shard["symbol"]): shard for shard in view.shards}
    if not view.elites or len(shards) < len(view.shards):
        return ()
    found = _times(view.run_dir / CANDIDATES / f"{view.elites[0]['id']}.equity.parquet")
    rows = [row for row in found if row["symbol"] in shards]
    return tuple(_stretch(shards[row["symbol"]], row, view.config.data.root) for row in rows)


def _times(path: Path) -> list[dict[str, Any]]:
    try:
        curves = pl.read_parquet(path, columns=["symbol", "segment", "timestamp"])
    except (OSError, pl.exceptions.PolarsError):
        return []
    times = pl.col("timestamp")
    by_stretch = curves.filter(pl.col("symbol") != POOL).group_by("symbol", "segment", maintain_order=True)
    return by_stretch.agg(first=times.min(), last=times.max(), n=pl.len()).to_dicts()


def _stretch(shard: Mapping[str, Any], row: Mapping[str, Any], root: str) -> DataSet:
    start, end = row["first"].isoformat(), row["last"].isoformat()
    content = f"{shard['content_hash']}\n{row['segment']}\n{start}\n{end}\n{row['n']}"
    digest = hashlib.sha256(content.encode()).hexdigest()[:DIGEST]
    facts = {"start": start, "end": end, "shard_content_hash": shard["content_hash"]}
    name = f"{shard['symbol']} {shard['timeframe']} {row['segment'].replace('_', ' ')}"
    return dataset_of(
        name, digest, CONTEXTS.get(row["segment"], row["segment"]), row["n"], facts, source_of(shard, root)
    )
