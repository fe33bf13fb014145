"""The shape of a job file: every key, its type, its range and its default, as frozen pydantic models.

A job file says *what* to breed. These models are the one list of known keys; `cluster.settings` reads files into them
and words what is wrong with one.
"""

from datetime import date
from typing import Annotated, Final, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, field_validator, model_validator

from cluster.breeding_config import FLOOR, BreedingSettings, ScreenSection, SpeciesShares
from cluster.config_section import Fraction, Section, nearest
from fitness.object_store import checked_url
from strategies.errors import ConfigError

__all__ = ["POOL", "BreedingSettings", "GateSettings", "JobConfig", "ScreenSection", "ShardName", "nearest", "settled"]


def _as_text(value: object) -> object:
    """Return a day that YAML read as a date as the text it was."""
    return value.isoformat() if type(value) is date else value


def _a_day(text: str) -> str:
    try:
        date.fromisoformat(text)
    except ValueError:
        raise ValueError(f"must be a day such as 2013-03-01, but was {text!r}") from None
    return text


Symbol = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._^-]{0,63}$")]
Day = Annotated[str, BeforeValidator(_as_text), Field(pattern=r"^\d{4}-\d\d-\d\d$"), AfterValidator(_a_day)]
Timeframe = Annotated[str, Field(pattern=r"^[1-9][0-9]{0,3}(m|h|d|w)$")]


POOL: Final = "POOL"
"""Stands for all shards as one account, where a table has a symbol in each row; no shard may be called so."""


class ShardName(Section):
    """One symbol and timeframe of bars."""

    symbol: Symbol
    timeframe: Timeframe = "1d"

    @field_validator("symbol")
    @classmethod
    def _is_not_the_pool(cls, symbol: str) -> str:
        if symbol.upper() == POOL:
            raise ValueError(f"must not be {POOL}, which stands for all shards together, but was {symbol!r}")
        return symbol


class DataSettings(Section):
    """Which bars: the folder or URL, whether the bundled samples are written into it on demand, and the shards.

    `start` is the first day that is used, `end` the first one that is not any more.
    """

    root: str = "data"
    source: Literal["bundled", "files"] = "bundled"
    random_walk_seed: Annotated[int, Field(ge=0)] | None = None
    start: Day | None = None
    end: Day | None = None
    shards: Annotated[tuple[ShardName, ...], Field(strict=False, min_length=1)]

    @field_validator("root")
    @classmethod
    def _is_a_folder_or_a_plain_url(cls, root: str) -> str:
        if "://" in root:
            try:
                checked_url(root)
            except ConfigError as error:
                raise ValueError(f"can't be used: {error}") from None
        return root

    @field_validator("shards")
    @classmethod
    def _no_shard_twice(cls, shards: tuple[ShardName, ...]) -> tuple[ShardName, ...]:
        names = [f"{shard.symbol} {shard.timeframe}" for shard in shards]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"must name every shard once, but was {', '.join(twice)} twice or more")
        return shards

    @model_validator(mode="after")
    def _start_is_before_end(self) -> Self:
        if self.start is not None and self.end is not None and self.start >= self.end:
            raise ValueError(f"`start` must be before `end`, but was {self.start} and {self.end}")
        return self


class SplitSettings(Section):
    """How time is cut, on all shards alike: walk-forward folds, a validation stretch, the lockbox; fractions of it."""

    folds: Annotated[int, Field(ge=1, le=64)] = 4
    validation: Annotated[float, Field(gt=0.0, lt=1.0)] = 0.2
    lockbox: Annotated[float, Field(gt=0.0, lt=1.0)] = 0.2
    embargo: Annotated[int, Field(ge=0)] = 5
    warm_up: Annotated[int, Field(ge=0)] = 252

    @model_validator(mode="after")
    def _leaves_bars_to_learn_from(self) -> Self:
        if self.validation + self.lockbox > 0.9:
            raise ValueError(
                "`validation` plus `lockbox` must leave at least a tenth of the bars to the folds, "
                f"but was {self.validation} + {self.lockbox}"
            )
        return self


class CostSettings(Section):
    """What trading costs, and how much may be held. The models and their sources: `fitness.cost_models`.

    `capital` is the equity at the start in the currency of the prices; it matters to what is not in proportion to size:
    fees per unit, lots, impact, a share of volume. `spread_volatility` is half the spread in volatilities of a bar,
    `impact` the Y of the square-root law, `volume_share` the most of a bar's volume that one order takes (null: all it
    wants), funding what longs pay to shorts (negative: shorts pay).
    """

    fee_bps: Annotated[float, Field(ge=0.0, le=1000.0)] = 5.0
    fee_per_unit: Annotated[float, Field(ge=0.0)] = 0.0
    slippage_bps: Annotated[float, Field(ge=0.0, le=1000.0)] = 2.0
    spread_volatility: Annotated[float, Field(ge=0.0, le=10.0)] = 0.0
    impact: Annotated[float, Field(ge=0.0, le=100.0)] = 0.0
    volume_share: Annotated[float, Field(gt=0.0, le=1.0)] | None = None
    borrow_bps_per_year: Annotated[float, Field(ge=0.0, le=100_000.0)] = 50.0
    funding_bps_per_8h: Annotated[float, Field(ge=-1000.0, le=1000.0)] = 0.0
    leverage_cap: Annotated[float, Field(gt=0.0, le=100.0)] = 1.0
    lot_size: Annotated[float, Field(ge=0.0)] = 0.0
    capital: Annotated[float, Field(gt=0.0, le=1e15)] = 100_000.0


class LanguageSection(Section):
    """What strategies may say; see `strategies.language`.

    `columns` are the extra columns of the bars that may be operands: null takes those that all shards have; `intraday`
    is whether the clock may be read: null where all bars are shorter than a day. Either is written into the journal as
    what was found.
    """

    learners: bool = True
    patterns: bool = True
    # Rungs up the ladder of timeframes, above that of the bars.
    timeframes: Annotated[int, Field(ge=0, le=2)] = 2
    columns: Annotated[tuple[str, ...], Field(strict=False)] | None = None
    intraday: bool | None = None

    @field_validator("columns")
    @classmethod
    def _columns_once_and_in_order(cls, names: tuple[str, ...] | None) -> tuple[str, ...] | None:
        if names is not None and len(set(names)) < len(names):
            raise ValueError(f"must name every column once, but was {', '.join(names)}")
        return None if names is None else tuple(sorted(names))


class GateSettings(Section):
    """What a candidate must show before it is called an elite; null switches a gate off, but it is still reported.

    `benchmark` is what returns are judged against: `passive`, holding the strategy's own mean exposure all the time,
    or `cash`. `trials_sample` is how many of the strategies tried the SPA and PBO look at (null: all).
    """

    min_trades: Annotated[int, Field(ge=1)] = 30
    max_drawdown: Annotated[float, Field(gt=0.0, le=1.0)] | None = 0.5
    dsr: Fraction | None = 0.95
    validation_sharpe: float | None = 0.0
    spa: Annotated[float, Field(gt=0.0, le=1.0)] | None = 0.05
    pbo: Fraction | None = 0.5
    regimes: Fraction | None = 0.5
    stability: float | None = 0.5
    battery: bool = True
    benchmark: Literal["passive", "cash"] = "passive"
    trials_sample: Annotated[int, Field(ge=10)] | None = 2000
    lockbox_alpha: Annotated[float, Field(gt=0.0, lt=1.0)] = 0.05
    candidates: Annotated[int, Field(ge=1, le=1000)] = 10


class PortfolioSettings(Section):
    """When an elite is called redundant: it moves with a better one more than this (correlation of per-bar returns)."""

    max_correlation: Fraction = 0.7


class ClusterSettings(Section):
    """Where a job runs. Nothing here changes its result.

    `workers` are evaluator processes, one CPU each: as many as there is room for at first, more as nodes join. `group`
    is how many of them share the shards of a job between them (null: chosen by the number of islands and workers).
    `repairs` is how often one epoch may be lost, `timeout_s` how long one evaluation of a brood may take,
    `genome_timeout_s` one genome alone, when it is examined for having killed a worker. `bank_mib` bounds the feature
    banks of a worker, `memory_mib` all that the job takes on one node of Ray (null: three quarters of what it has).
    """

    executor: Literal["ray", "serial"] = "ray"
    workers: Annotated[int, Field(ge=1, le=100_000)] = 2
    group: Annotated[int, Field(ge=1, le=100_000)] | None = None
    address: str | None = None
    repairs: Annotated[int, Field(ge=0)] = 5
    timeout_s: Annotated[float, Field(gt=0.0)] = 900.0
    genome_timeout_s: Annotated[float, Field(gt=0.0)] = 60.0
    bank_mib: Annotated[int, Field(ge=1)] = 256
    memory_mib: Annotated[int, Field(ge=64)] | None = None

    @model_validator(mode="after")
    def _a_group_is_of_workers(self) -> Self:
        if self.group is not None and self.group > self.workers:
            raise ValueError(
                f"`group` must be at most `workers`, but was {self.group} of {self.workers}. Lower it, raise "
                "`workers`, or give null, which chooses by the number of islands"
            )
        return self


class TrackingSettings(Section):
    """Where the story of a job is told besides its journal.

    `system_metrics` adds what the driver's machine is doing (CPU, memory, disk, network), every ten seconds.
    """

    enabled: bool = True
    uri: str | None = None
    experiment: Annotated[str, Field(min_length=1)] = "studbook"
    system_metrics: bool = False


class OutputSettings(Section):
    """Where run folders are made."""

    root: str = "runs"


class JobConfig(Section):
    """A whole job file."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$")]
    seed: Annotated[int, Field(ge=0, lt=2**63)]
    data: DataSettings
    split: SplitSettings = SplitSettings()
    costs: CostSettings = CostSettings()
    language: LanguageSection = LanguageSection()
    evolution: BreedingSettings = BreedingSettings()
    gates: GateSettings = GateSettings()
    portfolio: PortfolioSettings = PortfolioSettings()
    cluster: ClusterSettings = ClusterSettings()
    tracking: TrackingSettings = TrackingSettings()
    output: OutputSettings = OutputSettings()

    @model_validator(mode="after")
    def _species_can_be_said(self) -> Self:
        for name in ("founders", "floor"):
            shares = getattr(self.evolution, name)
            if not self.language.learners and shares is not None and shares.learns():
                raise ValueError(
                    f"`evolution.{name}` must be of ta alone where `language.learners` is false, but was "
                    f"{shares.text()}. Give ta alone, or let strategies learn"
                )
        return self

    @model_validator(mode="after")
    def _a_screen_leaves_cells(self) -> Self:
        if self.evolution.screen.enabled and len(self.data.shards) * self.split.folds < 2:
            raise ValueError(
                "`evolution.screen` must have two cells or more to choose from, but was enabled with one fold of one "
                "shard. Raise `split.folds`, add a shard, or disable it"
            )
        return self


def settled(config: JobConfig) -> JobConfig:
    """Return `config` with founders and floor written out where they are null, as the journal has them."""
    section, learners = config.evolution, config.language.learners
    founders = section.founders or (SpeciesShares(ta=0.5, ml=0.5) if learners else SpeciesShares(ta=1.0))
    floor = section.floor
    if floor is None:
        kept = [name for name in ("ta", "ml") if learners and getattr(founders, name) > 0.0]
        floor = SpeciesShares(**dict.fromkeys(kept, FLOOR))
    return config.model_copy(update={"evolution": section.model_copy(update={"founders": founders, "floor": floor})})
