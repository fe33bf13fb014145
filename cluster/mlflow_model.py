"""A strategy as MLflow's `pyfunc`: bars in, signals out, from `strategy.json` alone. This is MLflow's loader module.

A model's folder holds text: `strategy.json`, which is read as data and checked to the last field, and what MLflow keeps
beside it. Anything else in it (code, a pickle, a link) is refused by name before a byte of it is read. What it answers
is what the kernel would be given on the same bars, bit for bit.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from strategies.contract import ROLES
from strategies.errors import StrategyError
from strategies.extra_columns import EXTRA_COLUMNS
from strategies.strategy import Strategy
from strategies.strategy_json import MAX_TEXT, strategy_from_json

if TYPE_CHECKING:
    import polars as pl

Frame = Any
"""A frame of pandas, in which MLflow speaks; it has no types."""

STRATEGY_FILE: Final = "strategy.json"
MODEL_FILES: Final = frozenset(
    {
        STRATEGY_FILE,
        "MLmodel",
        "requirements.txt",
        "python_env.yaml",
        "conda.yaml",
        "input_example.json",
        "serving_input_example.json",
        "registered_model_meta",  # MLflow adds it to what it downloads
    }
)
BARS: Final = ("open", "high", "low", "close", "volume")
SYMBOL: Final = "BARS"
"""What bars are called that come without a name; no strategy reads it."""
DEFAULT_TIMEFRAME: Final = "1d"
DEFAULT_BARS_PER_YEAR: Final = 252.0


@dataclass(frozen=True)
class StrategyModel:
    """What MLflow asks for predictions.

    Attributes:
        strategy: the rules and the risk plan.
    """

    strategy: Strategy

    def predict(self, model_input: Frame, params: Mapping[str, Any] | None = None) -> Frame:
        """Return what the strategy wants at the close of each bar; it fills at the next open.

        Args:
            model_input: columns `timestamp` (UTC, when each bar opened), `open`, `high`, `low`, `close`, `volume`, and
                the extra columns that the strategy reads; bars in the order of time, and enough before the first that
                matters to warm up on.
            params: `timeframe` of the bars, and `bars_per_year`, which a size by volatility is measured by.

        Returns:
            A row a bar: bool `long_entry`, `long_exit`, `short_entry`, `short_exit`; `atr`, the ATR(14) in which stops
            are measured, NaN in its warm-up; `scale`, what a size by volatility or confidence is multiplied with, NaN
            where that allows no entry, and 1 for other sizes.

        Raises:
            DataError: the bars break a rule.
            StrategyError: the strategy reads a column that is missing.
        """
        import pandas as pd

        from evolution.genome_strategy import GenomeStrategy
        from fitness.bank import FeatureBank
        from fitness.played import play_of
        from fitness.shards import shard_of

        given, strategy = params or {}, GenomeStrategy.of_rules(self.strategy)
        shard = shard_of(
            _bars_of(model_input, strategy.requires.columns),
            SYMBOL,
            str(given.get("timeframe", DEFAULT_TIMEFRAME)),
            bars_per_year=float(given.get("bars_per_year", DEFAULT_BARS_PER_YEAR)),
        )
        bank = FeatureBank(shard)
        play = play_of(strategy, shard, bank)
        columns: dict[str, Any] = dict(zip(ROLES, play.masks, strict=True))
        columns["atr"] = bank.atr()
        columns["scale"] = np.ones(shard.n_bars) if play.scale is None else play.scale
        return pd.DataFrame(columns, index=model_input.index)


def read_strategy(folder: Path) -> Strategy:
    """Return the strategy of a model's folder, of which nothing but `strategy.json` is read.

    Raises:
        StrategyError: the folder lacks that file, holds anything that a model of ours does not, or describes no
            strategy.
    """
    for path in sorted(folder.iterdir()):
        if path.name not in MODEL_FILES or path.is_symlink() or not path.is_file():
            kind = "link" if path.is_symlink() else "folder" if path.is_dir() else "file"
            raise StrategyError(
                f"A Studbook model must hold nothing but {', '.join(sorted(MODEL_FILES))}, but held the {kind} "
                f"{path.name!r} ({folder}). Do not load it: MLflow would run code of it. Log the elite again."
            )
    file = folder / STRATEGY_FILE
    if not file.is_file():
        raise StrategyError(f"A Studbook model must hold {STRATEGY_FILE}, but did not ({folder}). Log the elite again.")
    with file.open("rb") as stream:
        content = stream.read(4 * MAX_TEXT + 1)
    return strategy_from_json(content.decode("utf-8", errors="replace"), str(file))


def _load_pyfunc(path: str) -> StrategyModel:
    """Return the model of a folder: what MLflow calls.

    Raises:
        StrategyError: as of `read_strategy`.
    """
    return StrategyModel(read_strategy(Path(path)))


def _bars_of(frame: Frame, extra: Sequence[str]) -> "pl.DataFrame":
    """The bars as the store has them: times in microseconds UTC, numbers as float64."""
    import polars as pl

    wanted = ("timestamp", *BARS, *extra)
    missing = [name for name in wanted if name not in frame.columns]
    if missing:
        raise StrategyError(
            f"Bars must have the columns {', '.join(wanted)}, but lacked {', '.join(missing)} (the frame has "
            f"{', '.join(map(str, frame.columns))}). Name them so."
        )
    instants = np.asarray(frame["timestamp"].to_numpy(), dtype="datetime64[us]").astype(np.int64)
    names = [*BARS, *(name for name in EXTRA_COLUMNS if name in frame.columns)]
    values = {name: frame[name].to_numpy(dtype=np.float64) for name in names}
    return pl.DataFrame({"timestamp": pl.Series(instants).cast(pl.Datetime("us", "UTC")), **values})
