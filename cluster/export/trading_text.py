"""Exported files for engines that hold positions by their own rules: what freqtrade's and NautilusTrader's share.

Both compute a strategy's signals, sizes, cooldown and breaker by `runtime/account.txt`, and leave fills to the engine.
"""

from collections.abc import Mapping
from typing import Any, Final

from cluster.export.engine_text import engine_text, judged_with, runtime_source
from fitness.timeframes import timeframe_us
from strategies.strategy import Strategy

_MARK: Final = "# account rules"
_CLASS: Final = "StudbookStrategy"
_KNOWN: Final = {"STARTUP_BARS": 400}


def trading_text(strategy: Strategy, record: Mapping[str, Any] | None, *, engine: str, manual: str) -> str:
    """Return the source of a file for an engine, with the account's rules and a class named for the strategy.

    Args:
        strategy: any that the core can express.
        record: of the candidate, if it has one: it says the timeframe and the fee; daily bars and no fee without one.
        engine: name of the runtime, which has the line `# account rules`.
        manual: what the docstring says of the engine; `{name}` in it is the class.

    Raises:
        StrategyError: the core can't express a part of the strategy.
    """
    name = class_name(strategy)
    constants = {name: value for name, value in judged_with(record).items() if name != "SLIPPAGE"} | _KNOWN
    constants["BAR_US"] = timeframe_us(str(constants["TIMEFRAME"]))
    text = engine_text(strategy, record, engine=engine, manual=manual.replace("{name}", name), constants=constants)
    return text.replace(_MARK, account_rules(), 1).replace(_CLASS, name)


def class_name(strategy: Strategy) -> str:
    """Return the name of the class in the exported file: strategies beside each other need names of their own."""
    return f"Studbook_{strategy.id[:12]}"


def account_rules() -> str:
    """Return the source of sizes, distances, cooldown and breaker."""
    return runtime_source("account").rstrip()
