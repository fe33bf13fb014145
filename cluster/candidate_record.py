"""What is kept of a judged candidate: its record in the journal, and its files in the run folder."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from cluster.births_file import parquet_bytes
from cluster.choosing import Candidate
from cluster.examination import Examined, Examiner, equity_frame, trades_frame
from cluster.journal import plain
from cluster.judging import Judged
from cluster.market import Market
from cluster.regimes import regime_record
from cluster.run_folder import CANDIDATES, ELITES
from evolution.pedigree import generation_of, island_of
from fitness.files import atomic_write_bytes, atomic_write_text
from fitness.gates import GateReport, annual_sharpe, minimum_track_years, passed_all
from fitness.pooled import Pool
from fitness.statistics.bootstrap import RESAMPLED
from strategies.features.regimes import Regimes
from strategies.species import SPECIES, species_of

LEVEL: Final = 0.95
"""Of the intervals."""
_ENDS: Final = ((1.0 - LEVEL) / 2.0, (1.0 + LEVEL) / 2.0)


def candidate_record(
    judged: Judged,
    *,
    lockbox: Examined | None,
    gates: Sequence[GateReport],
    series: Mapping[str, tuple[Pool, Pool]],
    draws: Mapping[str, NDArray[np.float64]],
    place: Mapping[str, Any],
    examiner: Examiner,
    market: Market,
    regimes: Sequence[Regimes],
) -> dict[str, Any]:
    """Return the record of a candidate, as plain values.

    Args:
        judged: what was found before the lockbox.
        lockbox: what it did there; None where it was not read.
        gates: all that it came to.
        series: of each stretch that was read: pooled returns, and the same beyond the benchmark.
        draws: of each stretch, how often each bar is drawn in each resample, for the intervals.
        place: in the portfolio.
        examiner: of the market.
        market: the job's.
        regimes: of each shard.
    """
    candidate, passed = judged.candidate, passed_all(gates) and gates[-1].name == "lockbox"
    stretches = stretches_of(judged, lockbox)
    held = {one.stretch: examiner.benchmark(one.stretch) for one in stretches}
    by_shard = {one.stretch: one.shard_figures() for one in stretches}
    record: dict[str, Any] = plain(
        {
            **_origin(candidate),
            "objectives": candidate.objectives,
            "lockbox": None,
            **{one.stretch: one.figures() for one in stretches},
            "benchmark": {"lockbox": None, **{stretch: one.figures() for stretch, one in held.items()}},
            "per_shard": [
                {
                    "symbol": shard.symbol,
                    "timeframe": shard.timeframe,
                    "lockbox": None,
                    **{stretch: values[number] for stretch, values in by_shard.items()},
                }
                for number, shard in enumerate(market.shards)
            ],
            "gates": [asdict(report) for report in gates],
            "sharpe_beyond": {"lockbox": None, **{name: annual_sharpe(beyond) for name, (_, beyond) in series.items()}},
            "intervals": {"lockbox": None, **{name: intervals_of(*each, draws[name]) for name, each in series.items()}},
            "min_trl": minimum_track_years(judged.in_sample_beyond),
            "battery": [asdict(one) for one in judged.battery],
            "stability": asdict(judged.stability) if judged.stability else None,
            "stress": _stress(judged),
            "regimes": regime_record([(one, held[one.stretch]) for one in stretches], regimes),
            "passed": passed,
            "portfolio": {**place, "redundant_with": place["redundant_with"] if passed else None},
            "attribution": examiner.attribution(candidate.strategy).to_dict() if passed else None,
        }
    )
    return record


def stretches_of(judged: Judged, lockbox: Examined | None) -> list[Examined]:
    """Return the stretches that were read of a candidate, in the order of time."""
    return [judged.in_sample, judged.validation, *([lockbox] if lockbox is not None else [])]


def intervals_of(series: Pool, beyond: Pool, counts: NDArray[np.float64]) -> dict[str, list[float] | None]:
    """Return 95 % intervals of Sharpe ratio, Sharpe ratio beyond the benchmark, and return a year; None where unknown.

    Percentile intervals of the stationary bootstrap with `counts` (n_resamples, n_bars), see
    `fitness.statistics.draw_counts`.
    """
    return {
        "sharpe": _interval("sharpe", series, counts),
        "sharpe_beyond": _interval("sharpe", beyond, counts),
        "cagr": _interval("cagr", series, counts),
    }


def _interval(statistic: str, series: Pool, counts: NDArray[np.float64]) -> list[float] | None:
    if float(np.ptp(series.returns)) == 0.0:
        return None
    drawn = RESAMPLED[statistic](counts, series.returns, series.bars_per_year)
    return [float(end) for end in np.quantile(drawn, _ENDS)] if np.isfinite(drawn).all() else None


def write_candidate(
    run_dir: Path, record: Mapping[str, Any], stretches: Sequence[Examined], examiner: Examiner
) -> None:
    """Write curves, trades and record of a candidate into the run folder."""
    base = run_dir / CANDIDATES / record["id"]
    pairs = [(one, examiner.benchmark(one.stretch)) for one in stretches]
    atomic_write_bytes(base.with_suffix(".equity.parquet"), parquet_bytes(equity_frame(pairs)))
    atomic_write_bytes(base.with_suffix(".trades.parquet"), parquet_bytes(trades_frame(stretches)))
    atomic_write_text(base.with_suffix(".json"), json.dumps(record, indent=2) + "\n")


def write_elite(run_dir: Path, record: Mapping[str, Any]) -> None:
    """Write the strategy of an elite, that can be read back."""
    text = json.dumps(record["strategy"], sort_keys=True, indent=2) + "\n"
    atomic_write_text(run_dir / ELITES / f"{record['id']}.json", text)


def _origin(candidate: Candidate) -> dict[str, Any]:
    birth = np.array([candidate.birth_id])
    return {
        "id": candidate.strategy.id,
        "text": candidate.strategy.text(),
        "strategy": candidate.strategy.to_dict(),
        "birth_id": candidate.birth_id,
        "island": island_of(birth)[0],
        "generation": generation_of(birth)[0],
        "family": candidate.family,
        "species": SPECIES[species_of(candidate.phenotype[np.newaxis])[0]],
    }


def _stress(judged: Judged) -> dict[str, Any]:
    found = judged.stress
    return {
        "n_draws": len(found.draws),
        "quantiles": {f"{level:g}": value for level, value in found.quantiles.items()},
        "share_above_0": found.share_above_0,
    }
