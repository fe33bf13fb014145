"""The body of `studbook backtest`: find a strategy, trade it on one shard, say what came of it."""

import difflib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from math import isfinite
from pathlib import Path
from typing import Any

import numpy as np

from fitness.bank import FeatureBank
from fitness.costs import Costs
from fitness.folds import Window
from fitness.measures import MEASURES
from fitness.shard import Shard
from fitness.tally import EXIT_REASONS
from fitness.trace import Trace, trace, trace_buy_and_hold
from strategies.encoding import phenotype_of
from strategies.errors import DataError, StrategyError, UsageError
from strategies.strategy import Strategy
from strategies.strategy_json import strategy_from_dict
from strategies.templates import TEMPLATES

MICROSECONDS = 1_000_000


@dataclass(frozen=True)
class Found:
    """A strategy, where it was found, and its candidate record if a job has one."""

    strategy: Strategy
    origin: str
    record: Mapping[str, Any] | None = None


@dataclass(frozen=True, eq=False)
class Backtest:
    """A strategy's trades on one window of one shard, and what buying and holding gave there."""

    found: Found
    shard: Shard
    window: Window
    costs: Costs
    trace: Trace
    benchmark: Trace

    def measures(self) -> dict[str, float]:
        """Return every measure of the strategy by name, NaN where undefined."""
        return measures_of(self.trace)

    def trades(self) -> list[dict[str, Any]]:
        """Return the trades in order of entry, times as ISO 8601 UTC."""
        return [_trade(record) for record in self.trace.trades]

    def to_dict(self, *, trades: bool) -> dict[str, Any]:
        """Return the back-test as plain JSON values; `trades` adds the list of trades."""
        document: dict[str, Any] = {
            "strategy": {"id": self.found.strategy.id, "text": self.found.strategy.text(), "origin": self.found.origin},
            "shard": {
                "symbol": self.shard.symbol,
                "timeframe": self.shard.timeframe,
                "content_hash": self.shard.content_hash,
            },
            "window": {
                "n_bars": self.window.n_bars,
                "start": iso_time(self.trace.timestamps[0]),
                "end": iso_time(self.trace.timestamps[-1]),
            },
            "costs": {name: value if isfinite(value) else None for name, value in asdict(self.costs).items()},
            "measures": self.measures(),
            "buy_and_hold": measures_of(self.benchmark),
        }
        if trades:
            document["trades"] = self.trades()
        return document


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
    where = f"{job.id}: candidate {record['id']}"
    return Found(strategy_from_dict(record["strategy"], where), f"job {job.id}", record)


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
        return Found(strategy_from_dict(data["strategy"], f"{path}: strategy"), str(path), data)
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


def run_backtest(found: Found, shard: Shard, *, window: Window, costs: Costs) -> Backtest:
    """Return what the strategy did in `window`; indicators warm up on the bars before it.

    Raises:
        StrategyError: an operand of the strategy can't be computed on this shard.
    """
    bank = FeatureBank(shard)
    result = trace(phenotype_of(found.strategy), shard, window, costs, bank)
    return Backtest(found, shard, window, costs, result, trace_buy_and_hold(shard, window, costs))
