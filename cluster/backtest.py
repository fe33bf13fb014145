"""The body of `studbook backtest`: find strategies, trade them on one shard, say what came of it."""

import difflib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from cluster.market import costs_of, plain_costs
from evolution.genome_strategy import GenomeStrategy
from fitness.attribution import Attribution, attribute_on
from fitness.bank import FeatureBank
from fitness.by_regime import Tables, tables
from fitness.costs import Costs
from fitness.folds import Window
from fitness.lessons import Lesson, lessons
from fitness.measures import MEASURES
from fitness.played import trace_any
from fitness.shard import Shard
from fitness.signals import Signal, signal
from fitness.tally import EXIT_REASONS
from fitness.trace import Trace, trace_buy_and_hold
from strategies.contract import AnyStrategy
from strategies.contract_checks import require_causal
from strategies.errors import DataError, StrategyError, UsageError
from strategies.modules import load_module_strategies
from strategies.strategy import Strategy
from strategies.strategy_json import strategy_from_dict
from strategies.templates import TEMPLATES

if TYPE_CHECKING:
    from cluster.view import JobView

MICROSECONDS = 1_000_000


@dataclass(frozen=True)
class Found:
    """A strategy of the grammar, where it was found, and its candidate record if a job has one."""

    strategy: Strategy
    origin: str
    record: Mapping[str, Any] | None = None

    def contender(self) -> "Contender":
        """Return it as what stands beside others; a template goes by its name."""
        label = self.origin.removeprefix("template ") if self.origin.startswith("template ") else ""
        return Contender(GenomeStrategy.of_rules(self.strategy, label), self.strategy.id, self.origin, self.record)


@dataclass(frozen=True)
class Contender:
    """Anything that is a strategy, its id, where it was found, and its candidate record if a job has one."""

    strategy: AnyStrategy
    id: str
    origin: str
    record: Mapping[str, Any] | None = None


@dataclass(frozen=True, eq=False)
class Backtest:
    """A strategy's trades on one window of one shard, and what more was asked of it.

    Attributes:
        contender: the strategy.
        shard: the bars.
        trace: what it did.
        signal: its word at the last close of the window; None if not asked for.
        attribution: what its members contributed; None if not asked for, or if it has none.
        lessons: what its learners go by, likewise.
        regimes: its measures in each regime, see `by_regime.Tables`; None if not asked for.
    """

    contender: Contender
    shard: Shard
    trace: Trace
    signal: Signal | None = None
    attribution: Attribution | None = None
    lessons: tuple[Lesson, ...] = ()
    regimes: Tables | None = None

    def measures(self) -> dict[str, float]:
        """Return every measure by name, NaN where undefined: those that the strategy asks for first."""
        found = measures_of(self.trace)
        return {name: found[name] for name in dict.fromkeys((*self.contender.strategy.metrics, *found))}

    def trades(self) -> list[dict[str, Any]]:
        """Return the trades in order of entry, times as ISO 8601 UTC."""
        return [_trade(record) for record in self.trace.trades]

    def to_dict(self, *, trades: bool) -> dict[str, Any]:
        """Return the back-test as plain JSON values; `trades` adds the list of trades."""
        strategy = self.contender.strategy
        document: dict[str, Any] = {
            "id": self.contender.id,
            "name": strategy.name,
            "text": strategy.text(),
            "origin": self.contender.origin,
            "evolves": strategy.dna is not None,
            "parameters": {name: asdict(one) for name, one in strategy.parameters.items()},
            "measures": self.measures(),
        }
        if trades:
            document["trades"] = self.trades()
        if self.signal is not None:
            document["signal"] = {**self.signal.to_dict(), "time": iso_time(self.signal.time)}
        if self.attribution is not None:
            document["attribution"] = self.attribution.to_dict()
            document["learners"] = [lesson.to_dict() for lesson in self.lessons]
        if self.regimes is not None:
            document["regimes"] = self.regimes
        return document


@dataclass(frozen=True, eq=False)
class Comparison:
    """Back-tests of one or more strategies on the same bars at the same costs, and what buying and holding gave."""

    shard: Shard
    window: Window
    costs: Costs
    backtests: tuple[Backtest, ...]
    benchmark: Trace

    def to_dict(self, *, trades: bool) -> dict[str, Any]:
        """Return the comparison as plain JSON values; `trades` adds the list of trades of each strategy."""
        return {
            "shard": {
                "symbol": self.shard.symbol,
                "timeframe": self.shard.timeframe,
                "content_hash": self.shard.content_hash,
            },
            "window": {
                "n_bars": self.window.n_bars,
                "start": iso_time(self.benchmark.timestamps[0]),
                "end": iso_time(self.benchmark.timestamps[-1]),
            },
            "costs": plain_costs(self.costs),
            "strategies": [one.to_dict(trades=trades) for one in self.backtests],
            "buy_and_hold": measures_of(self.benchmark),
        }


def measures_of(result: Trace) -> dict[str, float]:
    """Return every measure of a trace by name, NaN where undefined."""
    per_year = result.bars_per_year
    return {name: float(measure.function(result.tally, per_year)) for name, measure in MEASURES.items()}


def iso_time(microseconds: int) -> str:
    """Return a bar's time as ISO 8601 UTC; a midnight is given as the date alone."""
    moment = datetime.fromtimestamp(int(microseconds) / MICROSECONDS, UTC)
    text = moment.isoformat().replace("+00:00", "Z")
    return text.removesuffix("T00:00:00Z")


def _trade(record: np.void) -> dict[str, Any]:
    return {
        "side": "long" if record["side"] > 0 else "short",
        "entry_time": iso_time(record["entry_time"]),
        "exit_time": iso_time(record["exit_time"]),
        "entry_price": float(record["entry_price"]),
        "exit_price": float(record["exit_price"]),
        "bars": int(record["exit_bar"] - record["entry_bar"]),
        "units": float(record["units"]),
        "profit": float(record["profit"]),
        "profit_share": float(record["profit_share"]),
        "exit_reason": EXIT_REASONS[int(record["exit_reason"])],
    }


def find_strategy(name: str, runs: Path) -> Found:
    """Return the strategy that `name` means: a template, a JSON file, or the beginning of an id found under `runs`.

    Raises:
        UsageError: nothing has that name.
        StrategyError: the file is no strategy.
    """
    if name in TEMPLATES:
        return Found(TEMPLATES[name], f"template {name}")
    path = Path(name)
    if path.suffix == ".json" or path.is_file():
        return _from_file(path)
    near = difflib.get_close_matches(name, TEMPLATES, n=1)
    if near:
        raise UsageError(f"A template must be one of {', '.join(TEMPLATES)}, but was {name!r}; did you mean {near[0]}?")
    from cluster import view

    job, record = view.find_strategy(runs, name)
    return found_in_job(job, record)


def found_in_job(job: "JobView", record: Mapping[str, Any]) -> Found:
    """Return a strategy that a job judged; its record says the costs and bars a year, too, that it was judged with."""
    strategy = strategy_from_dict(record["strategy"], f"{job.id}: candidate {record['id']}")
    return Found(
        strategy,
        f"job {job.id}",
        {
            **record,
            "costs": plain_costs(costs_of(job.config.costs)),
            "bars_per_year": job.shards[0].get("bars_per_year"),
        },
    )


def _check_record(record: Mapping[str, Any], path: Path) -> None:
    """Refuse a record file of which a part that exports read is not what it should be."""
    shards, costs, rate = record.get("per_shard", []), record.get("costs", {}), record.get("bars_per_year")
    numbers = [*costs.values(), rate] if isinstance(costs, Mapping) else ["no mapping"]
    wrong = {
        "per_shard": not (isinstance(shards, list) and all(isinstance(one, Mapping) for one in shards)),
        "costs or bars_per_year": not all(one is None or _is_number(one) for one in numbers),
        "gates": not all(isinstance(one, Mapping) and "value" in one for one in record.get("gates") or []),
    }
    for part in (name for name, is_wrong in wrong.items() if is_wrong):
        raise StrategyError(
            f"A candidate record must hold what Studbook wrote, but its {part} is something else ({path}). "
            "Take the file from the run folder again, or its `strategy` alone."
        )


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value)


def _from_file(path: Path) -> Found:
    """The strategy in a JSON file: bare, or inside a candidate record."""
    try:
        text = path.read_text(encoding="utf-8")
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError) as error:
        raise UsageError(f"A strategy file must exist, but there is none at {path}.") from error
    except UnicodeDecodeError as error:
        raise StrategyError(f"A strategy file must be UTF-8 text, but byte {error.start} was not ({path}).") from error
    try:
        data = json.loads(text)
    except (ValueError, RecursionError):
        data = None
    if isinstance(data, dict) and "schema" not in data and isinstance(data.get("strategy"), dict):
        strategy = strategy_from_dict(data["strategy"], f"{path}: strategy")
        _check_record(data, path)
        return Found(strategy, str(path), data)
    return Found(Strategy.from_json(text, str(path)), str(path))


def window_of(shard: Shard, *, since: datetime | None, until: datetime | None) -> Window:
    """Return the window of the bars from `since` to `until`, both included; a date alone means its whole day.

    Raises:
        DataError: fewer than two bars lie between.
    """
    stamps = shard.timestamps
    start = 0 if since is None else int(np.searchsorted(stamps, _microseconds(since), side="left"))
    stop = stamps.size if until is None else int(np.searchsorted(stamps, _end_of(until), side="right"))
    if stop - start < 2:
        raise DataError(
            f"A back-test needs at least 2 bars, but {shard.symbol} {shard.timeframe} has {max(stop - start, 0)} from "
            f"{since or 'its start'} to {until or 'its end'}; there are bars from {iso_time(stamps[0])} to "
            f"{iso_time(stamps[-1])}."
        )
    return Window("backtest", start, stop)


def _microseconds(moment: datetime) -> int:
    return int(moment.replace(tzinfo=UTC).timestamp() * MICROSECONDS)


def _end_of(moment: datetime) -> int:
    """The last microsecond that `until` includes."""
    whole_day = moment.hour == moment.minute == moment.second == moment.microsecond == 0
    return _microseconds(moment) + (86_400 * MICROSECONDS - 1 if whole_day else 0)


def load_modules(names: Sequence[str], folders: Sequence[Path], shard: Shard) -> list[Contender]:
    """Return the strategies of modules, once each was found not to look ahead on the bars of `shard`. Runs their code.

    Raises:
        UsageError: there is no such module.
        StrategyError: a module has no strategy, or it breaks the contract, or looks ahead.
        DataError: the bars lack a column that a strategy must have.
    """
    found = [one for name in names for one in load_module_strategies(name, folders)]
    for one in found:
        unknown = [name for name in one.metrics if name not in MEASURES]
        if unknown:
            raise StrategyError(
                f"`metrics` of {one.name} must be measures, but was {unknown[0]!r}: use some of {', '.join(MEASURES)}."
            )
        require_causal(one, shard)
    return [Contender(one, one.id, f"module {one.origin}") for one in found]


@dataclass(frozen=True)
class Asked:
    """What more is asked of each strategy than its trades."""

    signal: bool = False
    attribution: bool = False
    regimes: bool = False


def compare(
    contenders: Sequence[Contender], shard: Shard, *, window: Window, costs: Costs, asked: Asked = Asked()
) -> Comparison:
    """Return what each strategy did in `window`; indicators and states warm up on the bars before it.

    Raises:
        StrategyError: a strategy can't decide on this shard, or has no members to attribute anything to.
    """
    bank = FeatureBank(shard)
    backtests = tuple(_backtest(one, shard, bank, window=window, costs=costs, asked=asked) for one in contenders)
    return Comparison(shard, window, costs, backtests, trace_buy_and_hold(shard, window, costs))


def run_backtest(found: Found, shard: Shard, *, window: Window, costs: Costs) -> Backtest:
    """Return what the strategy did in `window`; indicators warm up on the bars before it.

    Raises:
        StrategyError: an operand of the strategy can't be computed on this shard.
    """
    return compare([found.contender()], shard, window=window, costs=costs).backtests[0]


def _backtest(
    contender: Contender, shard: Shard, bank: FeatureBank, *, window: Window, costs: Costs, asked: Asked
) -> Backtest:
    strategy = contender.strategy
    result = trace_any(strategy, shard, window, costs, bank)
    rules = strategy.strategy if isinstance(strategy, GenomeStrategy) else None
    return Backtest(
        contender,
        shard,
        result,
        signal=signal(strategy, shard, costs, bank, window.stop - 1, start=window.start) if asked.signal else None,
        attribution=attribute_on(rules, shard, window, costs, bank) if asked.attribution and rules else None,
        lessons=lessons(rules, shard, window) if asked.attribution and rules else (),
        regimes=tables(result, shard) if asked.regimes else None,
    )
