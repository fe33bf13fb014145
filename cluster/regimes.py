"""What the report says of regimes, computed where the bars are: each candidate's measures, each market's regimes."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from cluster.examination import Examined
from cluster.journal import plain
from cluster.market import Market
from cluster.report.regimes import REGIMES_FILE
from fitness.by_regime import tables_of
from fitness.files import atomic_write_text
from fitness.folds import Split
from fitness.shard import Shard
from strategies.features.regimes import Regimes, regimes_of

MOST_POINTS = 500


def market_regimes(market: Market) -> tuple[Regimes, ...]:
    """Return the regimes of each shard, by the detector's defaults."""
    return tuple(regimes_of(shard) for shard in market.shards)


def regime_record(
    pairs: Sequence[tuple[Examined, Examined]], regimes: Sequence[Regimes]
) -> dict[str, dict[str, dict[str, Any]]]:
    """Return every measure per regime, by stretch: "strategy" and "hold", each as `fitness.by_regime.tables_of`.

    All windows of a stretch and all shards are strung together, so that bars, trades and growth of the regimes add up.

    Args:
        pairs: of strategy and benchmark, one a stretch.
        regimes: of each shard.
    """
    record: dict[str, dict[str, dict[str, Any]]] = {}
    for strategy, hold in pairs:
        record[strategy.stretch] = {
            name: tables_of(
                one.traces,
                [labels for labels, traces in zip(regimes, one.by_shard, strict=True) for _ in traces],
            )
            for name, one in (("strategy", strategy), ("hold", hold))
        }
    return record


def write_strips(run_dir: Path, market: Market, regimes: Sequence[Regimes]) -> None:
    """Write what the page draws of each market: closes and regimes up to the end of validation, thinned."""
    strips = [
        _strip(shard, cut, labels) for shard, cut, labels in zip(market.shards, market.splits, regimes, strict=True)
    ]
    atomic_write_text(run_dir / REGIMES_FILE, json.dumps(plain({"shards": strips}), indent=1) + "\n")


def _strip(shard: Shard, cut: Split, regimes: Regimes) -> Mapping[str, Any]:
    """One market; the lockbox is left out, so that nobody sees it before it is read."""
    start, stop = cut.folds[0].start, cut.validation.stop
    shown = np.arange(start, stop, max(1, -(-(stop - start) // MOST_POINTS)))
    return {
        "symbol": shard.symbol,
        "timeframe": shard.timeframe,
        "validation": int(shard.timestamps[cut.validation.start]),
        "timestamps": shard.timestamps[shown].tolist(),
        "close": shard.close[shown].tolist(),
        "trend": regimes.trend[shown].tolist(),
        "volatility": regimes.volatility[shown].tolist(),
    }
