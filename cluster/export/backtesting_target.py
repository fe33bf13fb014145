"""Strategies as a file for backtesting.py: a `Strategy` class that makes the trades of Studbook's own simulation."""

from collections.abc import Mapping
from typing import Any, Final

from cluster.export.engine_text import engine_text, judged_with
from strategies.strategy import Strategy

ENGINE: Final = "0.6.6"
"""The version that exported files were verified with, and refuse to run without."""
_MANUAL: Final = f"""
Trades on backtesting.py {ENGINE}, which it was verified with and refuses to run without; also needs NumPy, pandas and
TA-Lib.

    python THIS_FILE bars.csv --cash 1000000 --commission 0.001     # statistics; --trades FILE writes the trades
    run(frame, cash=1e6, commission=0.001)["_trades"]               # from Python
    Backtest(frame, Studbook, commission=0.001, finalize_trades=True).run()

`commission` is Studbook's fee, a fraction of the notional on each side; `spread` (`slippage` of `run`) is Studbook's
slippage, here on exits as well, targets excepted; 1 / `margin` is its cap on leverage. `finalize_trades` closes the
last position at the last close. `trade_on_close` must be off. `FEE`, `SLIPPAGE` and `TIMEFRAME` below are the
defaults of `run`: those of the job where it is known, else none. `bars_per_year` matters to a size by volatility
alone.

How it trades: decisions at a close fill at the next open. Stops and targets lie from the fill, live from the entry
bar on, and are the engine's own orders; a stop comes before a target. The trailing stop follows the best close. Sizes
are any fraction of a unit (`Studbook.lot = 1.0` rounds down to whole units), which the engine alone can't do:
`StudbookBroker` adds it, with market orders at the open and slippage on exits. Costs that are the market's and no
part of a strategy (spread by volatility, impact, a share of volume, carry, fees per unit) are not modelled.
"""


def backtesting_text(strategy: Strategy, record: Mapping[str, Any] | None) -> str:
    """Return the source of a file for backtesting.py.

    Raises:
        StrategyError: the strategy reads extra columns, or an operand that TA-Lib can't compute here.
    """
    return engine_text(strategy, record, engine="backtesting", manual=_MANUAL, constants=judged_with(record))
