"""Equity curves of a candidate, read from its run folder and made ready to be drawn."""

from dataclasses import dataclass
from pathlib import Path

import polars as pl

from cluster.report.numbers import SEGMENTS
from cluster.report.times import moment_text

MOST_POINTS = 600
POOL = "POOL"
CURVES = ("equity", "benchmark")


@dataclass(frozen=True)
class Stretch:
    """The curves of one segment; every list has one entry a point, thinned to at most some hundreds.

    Attributes:
        segment: in_sample, validation or lockbox.
        n_bars: before thinning.
        dates: ISO text.
        growth: by curve (`equity`, `benchmark`): worth of 1 at the start of the segment (if chained: of the first).
        drawdown: by curve: fall from the highest point before, 0 or below.
    """

    segment: str
    n_bars: int
    dates: list[str]
    growth: dict[str, list[float]]
    drawdown: dict[str, list[float]]


def equity_path(run_dir: Path, strategy_id: str) -> Path:
    """Return where the driver puts a candidate's equity."""
    return run_dir / "candidates" / f"{strategy_id}.equity.parquet"


def read_equity(run_dir: Path, strategy_id: str) -> pl.DataFrame | None:
    """Return the equity of a candidate, None when the file is missing or can't be read.

    Columns: symbol (`POOL` is all shards as one account), timestamp, segment, equity, benchmark; the last two begin at
    1 in each segment.
    """
    try:
        return pl.read_parquet(equity_path(run_dir, strategy_id))
    except (OSError, pl.exceptions.PolarsError):
        return None


def symbols_of(frame: pl.DataFrame) -> list[str]:
    """Return the symbols of the shards, in the order of the file."""
    return [symbol for symbol in frame["symbol"].unique(maintain_order=True).to_list() if symbol != POOL]


def stretches(frame: pl.DataFrame, symbol: str, *, chained: bool) -> list[Stretch]:
    """Return the segments of one symbol in order; `chained` lets each begin where the one before ended.

    The pool can't be chained: where shards begin and end at different times, its segments overlap.
    """
    found = []
    base = dict.fromkeys(CURVES, 1.0)
    peak = dict.fromkeys(CURVES, 1.0)
    for segment in SEGMENTS:
        part = frame.filter((pl.col("symbol") == symbol) & (pl.col("segment") == segment)).sort("timestamp")
        if part.is_empty():
            continue
        found.append(_stretch(part, segment, base, peak))
        if chained:
            peak = {name: max(peak[name], base[name] * max(part[name])) for name in CURVES}
            base = {name: base[name] * part[name][-1] for name in CURVES}
    return found


def _stretch(part: pl.DataFrame, segment: str, base: dict[str, float], peak: dict[str, float]) -> Stretch:
    grown = part.select("timestamp", *(pl.col(name) * base[name] for name in CURVES))
    fallen = [
        (pl.col(name) / pl.max_horizontal(pl.col(name).cum_max(), pl.lit(peak[name])) - 1.0).alias(f"{name}_fall")
        for name in CURVES
    ]
    step = max(1, -(-part.height // MOST_POINTS))
    last = part.height - 1
    thin = (
        grown.with_columns(fallen).with_row_index("row").filter((pl.col("row") % step == 0) | (pl.col("row") == last))
    )
    return Stretch(
        segment=segment,
        n_bars=part.height,
        dates=[moment_text(moment) for moment in thin["timestamp"]],
        growth={name: [round(value, 5) for value in thin[name]] for name in CURVES},
        drawdown={name: [round(value, 5) for value in thin[f"{name}_fall"]] for name in CURVES},
    )
