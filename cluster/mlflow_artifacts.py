"""The files of an elite's run in MLflow: its strategy in three forms, its curve to look at, its figures as tables."""

import io
from collections.abc import Callable
from pathlib import Path
from typing import Final

import polars as pl

from cluster.export.json_target import json_text
from cluster.export.markdown_target import markdown_text
from cluster.export.python_target import python_text
from cluster.job_config import POOL
from cluster.mlflow_curve import curve_svg
from cluster.mlflow_elites import Elite
from cluster.run_folder import CANDIDATES
from strategies.errors import StrategyError

CURVE_ROWS: Final = 2000
"""Of equity.csv at most: a viewer shows it as a table."""


def elite_files(run_dir: Path, elite: Elite) -> dict[str, bytes]:
    """Return the artifacts of an elite's run by name; what can't be made of it is left out.

    A strategy that Python alone can't express has no `strategy.py`; without curves in the run folder there are none.
    """
    files = {"strategy.json": json_text(elite.strategy, None).encode()}
    files["strategy.md"] = markdown_text(elite.strategy, elite.record).encode()
    files |= _attempt("strategy.py", lambda: python_text(elite.strategy, elite.record).encode())
    base = run_dir / CANDIDATES / elite.id
    files |= _attempt("trades.csv", lambda: _csv(pl.read_parquet(base.with_suffix(".trades.parquet"))))
    pooled = pooled_curve(base.with_suffix(".equity.parquet"))
    if pooled is not None and pooled.height:
        files["equity.csv"] = _csv(pooled.gather_every(-(-pooled.height // CURVE_ROWS)))
        files["equity.svg"] = curve_svg(pooled, title=elite.name).encode()
    return files


def pooled_curve(path: Path) -> pl.DataFrame | None:
    """Return the curve of all shards as one account: `timestamp`, `segment`, `equity`, `benchmark`; None without one.

    Each stretch goes on from where the one before it ended.
    """
    try:
        curves = pl.read_parquet(path).filter(pl.col("symbol") == POOL).drop("symbol")
    except (OSError, pl.exceptions.PolarsError):
        return None
    parts, reached = [], {"equity": 1.0, "benchmark": 1.0}
    for part in curves.partition_by("segment", maintain_order=True):
        parts.append(part.with_columns(pl.col(name) * level for name, level in reached.items()))
        reached = {name: float(parts[-1][name][-1]) for name in reached}
    return pl.concat(parts) if parts else None


def _attempt(name: str, make: Callable[[], bytes]) -> dict[str, bytes]:
    try:
        return {name: make()}
    except (StrategyError, OSError, pl.exceptions.PolarsError):
        return {}


def _csv(frame: pl.DataFrame) -> bytes:
    stream = io.BytesIO()
    frame.write_csv(stream)
    return stream.getvalue()
