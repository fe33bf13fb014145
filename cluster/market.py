"""The bars of a job: found or written on demand, loaded, cut into windows, and compared with what the journal says."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from math import inf, isfinite
from pathlib import Path
from typing import Any, Final

import numpy as np

from cluster.job_config import CostSettings, JobConfig
from fitness.costs import BPS, Costs
from fitness.folds import Split
from fitness.object_store import Place, place_of
from fitness.shards import Shard, load_shard, shard_path
from fitness.timeline import split_together
from strategies.errors import ConfigError, JournalError

_FUNDINGS_PER_YEAR: Final = 3 * 365


@dataclass(frozen=True, eq=False)
class Market:
    """Everything a job trades: shards in the order of the job file, how each is cut, and what a fill costs."""

    shards: tuple[Shard, ...]
    splits: tuple[Split, ...]
    costs: Costs

    @property
    def bars_per_year(self) -> tuple[float, ...]:
        """Return the bars per year of each shard."""
        return tuple(shard.bars_per_year for shard in self.shards)

    @property
    def n_folds(self) -> tuple[int, ...]:
        """Return the folds of each shard: one that begins late has fewer."""
        return tuple(len(cut.folds) for cut in self.splits)


def open_market(config: JobConfig) -> Market:
    """Return the shards of a job, cut into folds, validation and lockbox.

    Raises:
        DataError: a shard is missing or damaged, or has too few bars for the split.
        ConfigError: `data.root` is a URL that can't be used.
        ClusterError: the object store of `data.root` does not answer or does not let us in.
    """
    if config.data.source == "bundled":
        _write_bundled(config, place_of(config.data.root))
    return stored_market(config)


def stored_market(config: JobConfig) -> Market:
    """Return the market of a job from its store as it is: nothing is written there.

    Raises:
        As `open_market`.
    """
    root = place_of(config.data.root)
    first, last = config.data.start, config.data.end
    shards = tuple(load_shard(root, name.symbol, name.timeframe, first, last) for name in config.data.shards)
    cut = config.split
    splits = split_together(
        shards,
        folds=cut.folds,
        validation=cut.validation,
        lockbox=cut.lockbox,
        embargo=cut.embargo,
        warm_up=cut.warm_up,
    )
    return Market(shards, splits, costs_of(config.costs))


def costs_of(section: CostSettings) -> Costs:
    """Return the costs that a job file states, as the kernel takes them.

    Raises:
        ConfigError: a cost that the market does not know.
    """
    return Costs.from_bps(
        fee_bps=section.fee_bps,
        slippage_bps=section.slippage_bps,
        leverage_cap=section.leverage_cap,
        lot_size=section.lot_size,
        start_equity=section.capital,
        fee_per_unit=section.fee_per_unit,
        spread_volatility=section.spread_volatility,
        impact=section.impact,
        volume_share=inf if section.volume_share is None else section.volume_share,
        borrow=section.borrow_bps_per_year / BPS,
        funding=section.funding_bps_per_8h / BPS * _FUNDINGS_PER_YEAR,
    )


def plain_costs(costs: Costs) -> dict[str, float | None]:
    """Return costs by name as plain JSON values; None for what has no bound."""
    return {name: value if isfinite(value) else None for name, value in asdict(costs).items()}


def shard_entries(market: Market) -> list[dict[str, Any]]:
    """Return what the journal records of each shard."""
    return [
        {
            "symbol": shard.symbol,
            "timeframe": shard.timeframe,
            "content_hash": shard.content_hash,
            "n_bars": len(shard.timestamps),
            "start": iso_time(shard.timestamps[0]),
            "end": iso_time(shard.timestamps[-1]),
            "quality": shard.quality,
            "bars_per_year": shard.bars_per_year,
        }
        for shard in market.shards
    ]


def require_same_shards(market: Market, recorded: Sequence[Mapping[str, Any]], *, where: Path) -> None:
    """Check that the bars are those the job began with.

    Raises:
        JournalError: a shard's content hash is another one.
    """
    found = shard_entries(market)
    for now, then in zip(found, recorded, strict=True):
        for key in ("content_hash", "n_bars", "bars_per_year"):
            if now[key] != then[key]:
                raise JournalError(
                    f"A job must go on with the bars it began with, but {key} of {now['symbol']} {now['timeframe']} is "
                    f"{now[key]} where the journal has {then[key]} ({where}). Restore the data, or start a new job."
                )


def iso_time(microseconds: int | np.int64) -> str:
    """Return a bar's time as ISO 8601 in UTC."""
    return datetime.fromtimestamp(int(microseconds) / 1e6, tz=UTC).isoformat()


def _write_bundled(config: JobConfig, root: Place) -> None:
    from fitness.samples import RANDOM_WALK, write_samples

    seed = config.data.random_walk_seed
    names = [(name.symbol, name.timeframe) for name in config.data.shards]
    if seed is None and any(symbol == RANDOM_WALK for symbol, _ in names):
        raise ConfigError(
            f"`data.random_walk_seed` must be given where {RANDOM_WALK} is a shard, but was null ({config.name}). "
            "Give it a number."
        )
    if seed is not None or not all(shard_path(root, symbol, timeframe).is_file() for symbol, timeframe in names):
        write_samples(root, random_walk_seed=seed)
